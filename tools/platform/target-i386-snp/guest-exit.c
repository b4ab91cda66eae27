/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Exits of SEV-ES and SNP guests: what leaves the guest at once, and what the
 * guest gets as #VC and passes on by itself.
 *
 * Sources: AMD64 APM volume 2, "Types of Exits" and "#VC Exception" of the
 * SEV-ES chapter; appendix C for the exit codes.
 */
#include "qemu/osdep.h"
#include "vmsa.h"
#include "exec/exec-all.h"
#include "hw/i386/snp/snp-ctl.h"
#include "tcg/helper-tcg.h"
#include "trace.h"

/* The table "AE Exitcodes"; everything else is a non-automatic exit. */
static bool exit_is_automatic(uint64_t code, uint64_t info_1)
{
    switch (code) {
    case SNP_EXIT_EXCP_MC:
    case SVM_EXIT_INTR ... SVM_EXIT_VINTR:  /* INTR, NMI, SMI, INIT, VINTR */
    case SVM_EXIT_PAUSE:
    case SVM_EXIT_HLT:
    case SVM_EXIT_SHUTDOWN:
    case SNP_EXIT_EFER_TRAP:
    case SNP_EXIT_CR0_TRAP ... SNP_EXIT_CR15_TRAP:
    case SNP_EXIT_BUS_LOCK:
    case SNP_EXIT_IDLE_HLT:
    case SNP_EXIT_AVIC_IPI:
    case SNP_EXIT_AVIC_NOACCEL:
    case SNP_EXIT_VMGEXIT:
    case SVM_EXIT_VMSAVE:   /* SNP, "Other Checks" */
        return true;
    case SVM_EXIT_NPF:
        /* A reserved bit in the nested table marks MMIO: the guest's #VC. */
        return !(info_1 & PG_ERROR_RSVD_MASK);
    default:
        return (int64_t)code < 0;
    }
}

/* Exits that happen once the instruction is done. */
static bool exit_advances_rip(uint64_t code)
{
    switch (code) {
    case SVM_EXIT_PAUSE:
    case SVM_EXIT_HLT:
    case SNP_EXIT_IDLE_HLT:
    case SNP_EXIT_EFER_TRAP:
    case SNP_EXIT_CR0_TRAP ... SNP_EXIT_CR15_TRAP:
    case SNP_EXIT_VMGEXIT:
        return true;
    default:
        return false;
    }
}

void snp_cpu_hold(CPUState *cs, unsigned place, uint64_t arg, uintptr_t ra)
{
    if (snp_hold(place, cs->cpu_index, arg)) {
        cs->exception_index = EXCP_INTERRUPT;
        cpu_loop_exit_restore(cs, ra);
    }
}

bool snp_vmexit_filter(CPUX86State *env, uint64_t exit_code,
                       uint64_t exit_info_1, uintptr_t ra)
{
    CPUState *cs = env_cpu(env);

    if (!env->snp.es || !env->snp.loaded) {
        return false;
    }
    if (!exit_is_automatic(exit_code, exit_info_1)) {
        cpu_restore_state(cs, ra);
        snp_count(SNP_CNT_VC);
        trace_snp_vc(cs->cpu_index, env->snp.asid, exit_code, env->eip);
        raise_exception_err_ra(env, SNP_EXCP_VC, exit_code, 0);
    }
    /*
     * Held exits happen again later.  Not those that may come from within
     * the delivery of an event, which cannot be started over.
     */
    if (ra || (exit_code >= SVM_EXIT_INTR && exit_code <= SVM_EXIT_VINTR)) {
        snp_cpu_hold(cs, SNP_CTL_HOLD_VMEXIT, exit_code, ra);
    }
    trace_snp_vmexit(cs->cpu_index, env->snp.asid, exit_code, exit_info_1);
    return exit_advances_rip(exit_code);
}

bool snp_forced_intercept(CPUX86State *env, uint64_t exit_code)
{
    return snp_guest_snp(env) &&
           (exit_code == SVM_EXIT_IOIO || exit_code == SVM_EXIT_CPUID);
}

void snp_write_trap(CPUX86State *env, uint32_t exit_code, uint64_t val,
                    uintptr_t ra)
{
    if (snp_guest_es(env) && cpu_svm_has_intercept(env, exit_code)) {
        cpu_vmexit(env, exit_code, val, ra);
    }
}

void snp_vmgexit(CPUX86State *env, uintptr_t ra)
{
    if (snp_guest_es(env)) {
        cpu_vmexit(env, SNP_EXIT_VMGEXIT, 0, ra);
    }
}

/* SEV_STATUS: bits 0 to 2 name the kind of guest, then SEV_FEATURES. */
static uint64_t sev_status(const SnpCpuState *g)
{
    return g->sev | g->es << 1 | g->snp << 2 |
           (g->sev_features & ~SNP_FEAT_SNP_ACTIVE) << 2;
}

bool snp_guest_rdmsr(CPUX86State *env, uint32_t msr, uint64_t *val,
                     uintptr_t ra)
{
    switch (msr) {
    case SNP_MSR_SEV_STATUS:
        if (snp_guest_sev(env)) {
            *val = sev_status(&env->snp);
            return true;
        }
        break;
    case SNP_MSR_GHCB:
        if (snp_guest_es(env)) {
            *val = x86_ldq_phys(env_cpu(env),
                                env->vm_vmcb + SNP_VMCB_GHCB_GPA);
            return true;
        }
        if (snp_platform && !(env->hflags & HF_GUEST_MASK)) {
            raise_exception_err_ra(env, EXCP0D_GPF, 0, ra);
        }
        break;
    }
    return false;
}

bool snp_guest_wrmsr(CPUX86State *env, uint32_t msr, uint64_t val,
                     uintptr_t ra)
{
    switch (msr) {
    case SNP_MSR_SEV_STATUS:
        if (snp_guest_sev(env)) {
            raise_exception_err_ra(env, EXCP0D_GPF, 0, ra);
        }
        break;
    case SNP_MSR_GHCB:
        if (snp_guest_es(env)) {
            x86_stq_phys(env_cpu(env), env->vm_vmcb + SNP_VMCB_GHCB_GPA, val);
            return true;
        }
        if (snp_platform && !(env->hflags & HF_GUEST_MASK)) {
            raise_exception_err_ra(env, EXCP0D_GPF, 0, ra);
        }
        break;
    }
    return false;
}
