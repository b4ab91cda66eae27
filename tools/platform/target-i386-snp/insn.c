/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Emulated SEV-SNP host platform: the CPU's part of RMPUPDATE, PSMASH,
 * PVALIDATE, RMPADJUST and RMPQUERY.  Privilege, operands, flags; what they
 * do to the RMP is in rmp.c.
 *
 * Source: APM volume 3, the pages of these instructions.
 */
#include "qemu/osdep.h"
#include "cpu.h"
#include "exec/helper-proto.h"
#include "exec/cpu_ldst.h"
#include "exec/cputlb.h"
#include "tcg/helper-tcg.h"
#include "exec/exec-all.h"
#include "hw/i386/snp/snp-ctl.h"
#include "snp.h"

/* EAX holds the result, and the arithmetic flags but CF describe it. */
static void set_result(CPUX86State *env, uint32_t ret, int cf)
{
    uint32_t eflags = cpu_cc_compute_all(env) & CC_C;

    if (cf >= 0) {
        eflags = cf ? CC_C : 0;
    }
    env->regs[R_EAX] = ret;
    if (!ret) {
        eflags |= CC_Z;
    }
    if (ret >> 31) {
        eflags |= CC_S;
    }
    if (!(ctpop8(ret) & 1)) {
        eflags |= CC_P;
    }
    CC_SRC = eflags;
    CC_OP = CC_OP_EFLAGS;
}

static uint64_t address(uint64_t reg, int aflag)
{
    switch (aflag) {
    case MO_64:
        return reg;
    case MO_32:
        return (uint32_t)reg;
    default:
        return (uint16_t)reg;
    }
}

static void check_cpl0(CPUX86State *env, uintptr_t ra)
{
    if (env->hflags & HF_CPL_MASK) {
        raise_exception_err_ra(env, EXCP0D_GPF, 0, ra);
    }
}

/*
 * RMPUPDATE and PSMASH are of 64-bit mode, and do nothing for a guest: its
 * ASID is not 0.
 */
static bool check_host(CPUX86State *env, uintptr_t ra)
{
    if (!snp_cpu_enabled(env) || !(env->hflags & HF_CS64_MASK)) {
        raise_exception_ra(env, EXCP06_ILLOP, ra);
    }
    check_cpl0(env, ra);
    if (env->hflags & HF_GUEST_MASK) {
        set_result(env, SNP_RMP_FAIL_PERMISSION, -1);
        return false;
    }
    return true;
}

static void rmpupdate(CPUX86State *env, int aflag, uintptr_t ra)
{
    uint64_t ptr = address(env->regs[R_ECX], aflag);
    SnpRmpUpdate u;
    uint64_t hi;

    if (!check_host(env, ra)) {
        return;
    }
    snp_cpu_hold(env_cpu(env), SNP_CTL_HOLD_RMPUPDATE, env->regs[R_EAX], ra);
    u.gpa = cpu_ldq_le_data_ra(env, ptr, ra);
    hi = cpu_ldq_le_data_ra(env, ptr + 8, ra);
    u.assigned = hi;
    u.pagesize = hi >> 8;
    u.immutable = hi >> 16;
    u.rsvd = hi >> 24;
    u.asid = hi >> 32;
    set_result(env, snp_rmpupdate(env_cpu(env), env->regs[R_EAX], &u), -1);
}

static void psmash(CPUX86State *env, uintptr_t ra)
{
    if (check_host(env, ra)) {
        set_result(env, snp_psmash(env_cpu(env), env->regs[R_EAX]), -1);
    }
}

static bool in_snp_guest(CPUX86State *env)
{
    return env->snp.snp && (env->hflags & HF_GUEST_MASK);
}

/* RMPADJUST and RMPQUERY are an SNP guest's, in 64-bit mode. */
static void check_guest(CPUX86State *env, uintptr_t ra)
{
    if (!in_snp_guest(env) || !(env->hflags & HF_CS64_MASK)) {
        raise_exception_ra(env, EXCP06_ILLOP, ra);
    }
    check_cpl0(env, ra);
}

/* Common to the guest's instructions: the translation of rAX. */
static uint64_t guest_page(CPUX86State *env, int aflag, SnpGuestPage *pg,
                           uintptr_t ra)
{
    uint64_t va = address(env->regs[R_EAX], aflag) & ~0xfffull;

    snp_guest_translate(env, va, pg, ra);
    if (!pg->private) {
        snp_unmodelled("PVALIDATE, RMPADJUST or RMPQUERY of the address 0x%"
                       PRIx64 ", which the guest maps without the C-bit", va);
    }
    return va;
}

static void guest_result(CPUX86State *env, uint64_t va, const SnpGuestPage *pg,
                         uint32_t ret, int cf, uint64_t npf, uintptr_t ra)
{
    switch (ret) {
    case SNP_RMP_NPF:
        snp_raise_npf(env, pg->gpa, npf, ra);
    case SNP_RMP_VC:
        snp_raise_not_validated(env, va, ra);
    default:
        set_result(env, ret, cf);
    }
}

static void pvalidate(CPUX86State *env, int aflag, uintptr_t ra)
{
    SnpGuestPage pg;
    bool unchanged;
    uint64_t va, npf;
    uint32_t ret;

    check_cpl0(env, ra);
    if (!in_snp_guest(env)) {
        /* There is nothing to validate. */
        set_result(env, SNP_RMP_OK, 1);
        return;
    }
    /* Only VMPL0 may validate. */
    if (env->snp.vmpl) {
        raise_exception_err_ra(env, EXCP0D_GPF, 0, ra);
    }
    va = guest_page(env, aflag, &pg, ra);
    ret = snp_pvalidate(env_cpu(env), &pg, env->snp.asid,
                        env->regs[R_ECX] & 1, env->regs[R_EDX] & 1,
                        &unchanged, &npf);
    guest_result(env, va, &pg, ret, unchanged, npf, ra);
}

static void rmpadjust(CPUX86State *env, int aflag, uintptr_t ra)
{
    SnpGuestPage pg;
    uint64_t va, npf;
    uint32_t ret;

    check_guest(env, ra);
    va = guest_page(env, aflag, &pg, ra);
    ret = snp_rmpadjust(env_cpu(env), &pg, env->snp.asid, env->snp.vmpl,
                        env->regs[R_ECX] & 1, env->regs[R_EDX], &npf);
    guest_result(env, va, &pg, ret, -1, npf, ra);
}

static void rmpquery(CPUX86State *env, int aflag, uintptr_t ra)
{
    SnpGuestPage pg;
    uint64_t va, npf, attrs = 0;
    bool large = false;
    uint32_t ret;

    if (!snp_platform->rmpquery) {
        raise_exception_ra(env, EXCP06_ILLOP, ra);
    }
    check_guest(env, ra);
    va = guest_page(env, aflag, &pg, ra);
    ret = snp_rmpquery(&pg, env->snp.asid, env->snp.vmpl, env->regs[R_EDX],
                       &attrs, &large, &npf);
    guest_result(env, va, &pg, ret, -1, npf, ra);
    if (ret == SNP_RMP_OK) {
        env->regs[R_EDX] = attrs;
        env->regs[R_ECX] = large;
    }
}

/*
 * APM volume 2, "Other Checks".  When the instruction is virtualized the page
 * is the guest's, and the hypervisor hears of it.
 */
void snp_check_vmsave(CPUX86State *env, hwaddr addr, int mmu_idx, uintptr_t ra)
{
    CPUTLBEntryFull *full;
    void *host;

    if (!snp_rmp_active()) {
        return;
    }
    if (mmu_idx == MMU_PHYS_IDX) {
        if (!snp_hv_write_ok(addr, TARGET_PAGE_SIZE)) {
            raise_exception_err_ra(env, EXCP0D_GPF, 0, ra);
        }
        return;
    }
    if (probe_access_full_mmu(env, addr, 0, MMU_DATA_STORE, mmu_idx, &host,
                              &full) & TLB_INVALID_MASK) {
        /* The store itself raises the NPF. */
        return;
    }
    if (!snp_hv_write_ok(full->phys_addr & TARGET_PAGE_MASK,
                         TARGET_PAGE_SIZE)) {
        snp_raise_npf(env, addr, SNP_NPF_RMP, ra);
    }
}

void helper_snp_insn(CPUX86State *env, uint32_t insn, uint32_t aflag)
{
    uintptr_t ra = GETPC();

    switch (insn) {
    case SNP_INSN_RMPUPDATE:
        rmpupdate(env, aflag, ra);
        break;
    case SNP_INSN_PSMASH:
        psmash(env, ra);
        break;
    case SNP_INSN_PVALIDATE:
        pvalidate(env, aflag, ra);
        break;
    case SNP_INSN_RMPADJUST:
        rmpadjust(env, aflag, ra);
        break;
    case SNP_INSN_RMPQUERY:
        rmpquery(env, aflag, ra);
        break;
    default:
        /* RMPREAD and what F2/F3 0F 01 may yet become: not on this CPU. */
        raise_exception_ra(env, EXCP06_ILLOP, ra);
    }
}
