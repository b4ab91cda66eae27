/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RMP checks of guest accesses.
 *
 * Source: AMD64 APM volume 2, "RMP and VMPL Access Checks" of the SEV-SNP
 * chapter.  The checks come after the second stage and belong to the entry of
 * the final translation, never to that of the nested one: accesses with C=0
 * and with C=1 share the latter.
 */
#include "qemu/osdep.h"
#include "vmsa.h"
#include "exec/page-protection.h"
#include "trace.h"

#define SIZE_2M (2 * 1024 * 1024ULL)

uint64_t snp_guest_cbit(CPUX86State *env)
{
    return snp_guest_sev(env) ? SNP_CBIT_MASK : 0;
}

uint64_t snp_npf_enc(CPUX86State *env, const SnpAccess *a)
{
    if (snp_guest_sev(env) &&
        (a->c_bit || a->walk || a->type == MMU_INST_FETCH)) {
        return SNP_NPF_ENC;
    }
    return 0;
}

/* Writes, and page walks, of what is not private memory. */
static SnpVerdict check_hypervisor_page(const SnpAccess *a, int *prot,
                                        uint64_t *error_code)
{
    bool must = a->walk || a->type == MMU_DATA_STORE;
    /* An update of a page table entry always counts as 4 KiB. */
    uint64_t size = a->walk ? TARGET_PAGE_SIZE :
                    MIN(a->guest_size, a->nested_size);
    bool ok;

    if (!must && !(*prot & PAGE_WRITE)) {
        return SNP_ACCESS_OK;
    }
    /* Of a walk no TLB keeps anything. */
    ok = a->walk ? snp_hv_write_ok_mapped(a->spa, size) :
                   snp_hv_write_ok_cached(NULL, 0, 0, a->spa, size);
    if (!ok) {
        if (must) {
            *error_code |= SNP_NPF_RMP;
            return SNP_ACCESS_NPF;
        }
        *prot &= ~PAGE_WRITE;
    }
    return SNP_ACCESS_OK;
}

static int vmpl_prot(uint8_t perm, bool user)
{
    int prot = 0;

    /* Write without read is illegal, and allows neither. */
    if (perm & SNP_PERM_READ) {
        prot |= PAGE_READ;
        if (perm & SNP_PERM_WRITE) {
            prot |= PAGE_WRITE;
        }
    }
    if (perm & (user ? SNP_PERM_XU : SNP_PERM_XS)) {
        prot |= PAGE_EXEC;
    }
    return prot;
}

static SnpVerdict check_private_page(const SnpCpuState *g, const SnpAccess *a,
                                     int *prot, uint64_t *error_code)
{
    SnpRmpEntry e;
    int need, allowed;

    if (!snp_rmp_read(a->spa, &e) || !e.assigned || e.asid != g->asid ||
        e.gpa != (a->gpa & TARGET_PAGE_MASK) || e.immutable) {
        *error_code |= SNP_NPF_RMP;
        return SNP_ACCESS_NPF;
    }
    if (e.large != (a->nested_size >= SIZE_2M)) {
        *error_code |= SNP_NPF_RMP;
        return SNP_ACCESS_NPF;
    }
    if (!e.validated) {
        return SNP_ACCESS_VC;
    }

    allowed = vmpl_prot(e.perm[g->vmpl], a->user);
    /* As in the nested table, a walk counts as a read and a write. */
    need = a->walk ? PAGE_READ | PAGE_WRITE : 1 << a->type;
    if (need & ~allowed) {
        *error_code |= SNP_NPF_RMP | SNP_NPF_VMPL;
        return SNP_ACCESS_NPF;
    }
    *prot &= allowed;
    return SNP_ACCESS_OK;
}

SnpVerdict snp_guest_access(CPUX86State *env, const SnpAccess *a, int *prot,
                            uint64_t *error_code)
{
    const SnpCpuState *g = &env->snp;
    SnpVerdict v;

    if (!snp_rmp_active()) {
        return SNP_ACCESS_OK;
    }
    if (!snp_guest_snp(env)) {
        v = check_hypervisor_page(a, prot, error_code);
    } else if (a->c_bit || a->walk) {
        v = check_private_page(g, a, prot, error_code);
    } else if (a->type == MMU_INST_FETCH) {
        /* Private whatever the C-bit says; data accesses must ask again. */
        v = check_private_page(g, a, prot, error_code);
        *prot &= PAGE_EXEC;
    } else {
        v = check_hypervisor_page(a, prot, error_code);
        *prot &= ~PAGE_EXEC;
    }
    if (v == SNP_ACCESS_NPF) {
        snp_count(SNP_CNT_NPF_RMP);
    } else if (v == SNP_ACCESS_VC) {
        snp_count(SNP_CNT_VC);
        trace_snp_vc(env_cpu(env)->cpu_index, g->asid, SNP_EXIT_NOT_VALIDATED,
                     a->gpa);
    }
    return v;
}
