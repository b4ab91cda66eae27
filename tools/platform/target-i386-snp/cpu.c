/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Emulated SEV-SNP host platform: what a core of an SNP host says about
 * itself (CPUID), and the MSRs that the BIOS sets up and that switch SNP on.
 *
 * Sources: APM volume 2 ("Enabling SEV-SNP", "Initializing the RMP"), APM
 * volume 3 (CPUID Fn8000_001F), Linux arch/x86/kernel/cpu/amd.c and
 * arch/x86/virt/svm/sev.c (what it reads, and in which order).
 */
#include "qemu/osdep.h"
#include "cpu.h"
#include "snp.h"
#include "trace.h"

#define MSR_SYSCFG              0xc0010010
#define  SYSCFG_MFDM            (1ULL << 19)
#define  SYSCFG_MEM_ENCRYPT     (1ULL << 23)
#define  SYSCFG_SNP_EN          (1ULL << 24)
#define  SYSCFG_VMPL_EN         (1ULL << 25)
#define  SYSCFG_WRITABLE        (SYSCFG_MFDM | SYSCFG_MEM_ENCRYPT | \
                                 SYSCFG_SNP_EN | SYSCFG_VMPL_EN)
#define MSR_HWCR                0xc0010015
#define  HWCR_SMMLOCK           (1ULL << 0)
#define MSR_SMM_KEY             0xc0010119
#define MSR_RMP_BASE            0xc0010132
#define MSR_RMP_END             0xc0010133

/* CPUID Fn8000_001F_EAX */
#define SEV_EAX_SME             (1u << 0)
#define SEV_EAX_SEV             (1u << 1)
#define SEV_EAX_ES              (1u << 3)
#define SEV_EAX_SNP             (1u << 4)
#define SEV_EAX_VMPL            (1u << 5)
#define SEV_EAX_RMPQUERY        (1u << 6)
#define SEV_EAX_COHERENT        (1u << 10)

/* Physical address bits that encryption takes away, as on Milan. */
#define SEV_PHYS_REDUCTION      5
/* More ASIDs than encrypted guests: what Milan reports. */
#define SVM_NR_ASID             0x8000

void snp_cpuid(CPUX86State *env, uint32_t index, uint32_t count,
               uint32_t *eax, uint32_t *ebx, uint32_t *ecx, uint32_t *edx)
{
    if (!snp_platform) {
        return;
    }

    switch (index) {
    case 0x80000000:
        *eax = MAX(*eax, 0x8000001f);
        break;
    case 0x8000000a:
        if (env->features[FEAT_8000_0001_ECX] & CPUID_EXT3_SVM) {
            *ebx = SVM_NR_ASID;
        }
        break;
    case 0x8000001f:
        *eax = SEV_EAX_SME | SEV_EAX_SEV | SEV_EAX_ES | SEV_EAX_SNP |
               SEV_EAX_VMPL | SEV_EAX_COHERENT;
        if (snp_platform->rmpquery) {
            *eax |= SEV_EAX_RMPQUERY;
        }
        *ebx = SNP_CBIT | SEV_PHYS_REDUCTION << 6 | SNP_NR_VMPL << 12;
        *ecx = SNP_MAX_ASID;
        *edx = SNP_MIN_SEV_ASID;
        break;
    default:
        /* Every other leaf is the CPU model's. */
        break;
    }
}

bool snp_cpu_enabled(CPUX86State *env)
{
    return snp_platform && (env->snp.syscfg & SYSCFG_SNP_EN);
}

uint64_t snp_cpu_syscfg(CPUX86State *env)
{
    return env->snp.syscfg | SYSCFG_MEM_ENCRYPT;
}

SnpMsrResult snp_rdmsr(CPUX86State *env, uint32_t msr, uint64_t *val)
{
    if (!snp_platform) {
        return SNP_MSR_NOT_OURS;
    }

    switch (msr) {
    case MSR_SYSCFG:
        *val = snp_cpu_syscfg(env);
        return SNP_MSR_DONE;
    case MSR_HWCR:
        *val = env->snp.hwcr | HWCR_SMMLOCK;
        return SNP_MSR_DONE;
    case MSR_RMP_BASE:
        *val = snp_platform->rmp_base;
        return SNP_MSR_DONE;
    case MSR_RMP_END:
        *val = snp_platform->rmp_end;
        return SNP_MSR_DONE;
    default:
        return SNP_MSR_NOT_OURS;
    }
}

static SnpMsrResult syscfg_write(CPUX86State *env, uint64_t val)
{
    /* Not an error: the processor ignores it. */
    if (env->snp.syscfg & SYSCFG_SNP_EN) {
        return SNP_MSR_DONE;
    }
    if (val & ~SYSCFG_WRITABLE) {
        return SNP_MSR_GP;
    }
    if (!(val & SYSCFG_MEM_ENCRYPT)) {
        snp_unmodelled("SYSCFG: memory encryption switched off");
    }
    if ((val & SYSCFG_SNP_EN) && !(val & SYSCFG_MFDM)) {
        snp_unmodelled("SYSCFG: SNP_EN without MtrrFixDramModEn");
    }
    env->snp.syscfg = val & ~SYSCFG_MEM_ENCRYPT;
    if (val & SYSCFG_SNP_EN) {
        snp_rmp_enable(env_cpu(env));
    }
    return SNP_MSR_DONE;
}

SnpMsrResult snp_wrmsr(CPUX86State *env, uint32_t msr, uint64_t val)
{
    SnpMsrResult ret = SNP_MSR_NOT_OURS;

    if (!snp_platform) {
        return SNP_MSR_NOT_OURS;
    }

    switch (msr) {
    case MSR_SYSCFG:
        ret = syscfg_write(env, val);
        break;
    case MSR_HWCR:
        env->snp.hwcr = val & ~HWCR_SMMLOCK;
        ret = SNP_MSR_DONE;
        break;
    case MSR_RMP_BASE:
    case MSR_RMP_END:
        if (snp_cpu_enabled(env)) {
            ret = SNP_MSR_GP;
            break;
        }
        if (val != (msr == MSR_RMP_BASE ? snp_platform->rmp_base :
                                          snp_platform->rmp_end)) {
            snp_unmodelled("the RMP moved: MSR 0x%x = 0x%" PRIx64, msr, val);
        }
        ret = SNP_MSR_DONE;
        break;
    case MSR_VM_HSAVE_PA:
        /* The host save area is the hypervisor's; the rest is TCG's check. */
        if (!snp_hv_write_ok(val & ~0xfffull, 0x1000)) {
            ret = SNP_MSR_GP;
        }
        break;
    case MSR_MTRRfix64K_00000:
    case MSR_MTRRfix16K_80000:
    case MSR_MTRRfix16K_A0000:
    case MSR_MTRRfix4K_C0000 ... MSR_MTRRfix4K_F8000:
    case MSR_SMM_KEY:
        if (snp_cpu_enabled(env)) {
            ret = SNP_MSR_GP;
        }
        break;
    default:
        break;
    }
    if (ret != SNP_MSR_NOT_OURS) {
        trace_snp_wrmsr(env_cpu(env)->cpu_index, msr, val, ret);
    }
    return ret;
}
