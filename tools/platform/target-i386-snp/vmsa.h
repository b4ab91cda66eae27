/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Encrypted guests of the emulated SNP platform: the save area, the world
 * switch, #VC and the access checks of the guest's MMU.
 *
 * Sources: AMD64 APM volume 2, "SEV-ES" and "SEV-SNP", appendix B (VMCB and
 * VMSA layout, swap types); Linux asm/svm.h (sizes and names of the fields).
 */
#ifndef TARGET_I386_SNP_VMSA_H
#define TARGET_I386_SNP_VMSA_H

#include "cpu.h"
#include "snp.h"

/* Fields of the VMCB control area that only encrypted guests use. */
#define SNP_VMCB_NESTED_CTL         0x90
#define SNP_VMCB_GHCB_GPA           0xa0
#define SNP_VMCB_LBR_CTL            0xb8
#define SNP_VMCB_VMSA_PA            0x108
#define SNP_VMCB_ALLOWED_FEATURES   0x138
#define SNP_VMCB_GUEST_FEATURES     0x140

#define SNP_CTL_NPT                 (1ULL << 0)
#define SNP_CTL_SEV                 (1ULL << 1)
#define SNP_CTL_SEV_ES              (1ULL << 2)
#define SNP_INT_STATE_GUEST_IF      (1U << 1)
#define SNP_ALLOWED_FEATURES_VALID  (1ULL << 63)

/* SEV_FEATURES of the VMSA; everything but bit 0 is not modelled. */
#define SNP_FEAT_SNP_ACTIVE         (1ULL << 0)
#define SNP_FEAT_VTOM               (1ULL << 1)
#define SNP_FEAT_REFLECT_VC         (1ULL << 2)
#define SNP_FEAT_BTB_ISOLATION      (1ULL << 7)
/* Those that come with SNP; a CPUID bit announces each of the others. */
#define SNP_FEAT_UNMODELLED         (SNP_FEAT_VTOM | SNP_FEAT_REFLECT_VC | \
                                     SNP_FEAT_BTB_ISOLATION)

/* Exit codes that stock QEMU does not know. */
#define SNP_EXIT_EXCP_MC            0x52
#define SNP_EXIT_EFER_TRAP          0x8f
#define SNP_EXIT_CR0_TRAP           0x90
#define SNP_EXIT_CR15_TRAP          0x9f
#define SNP_EXIT_BUS_LOCK           0xa5
#define SNP_EXIT_IDLE_HLT           0xa6
#define SNP_EXIT_AVIC_IPI           0x401
#define SNP_EXIT_AVIC_NOACCEL       0x402
#define SNP_EXIT_VMGEXIT            0x403
/* Only ever an error code of #VC. */
#define SNP_EXIT_NOT_VALIDATED      0x404

#define SNP_EXCP_VC                 29

#define SNP_MSR_GHCB                0xc0010130
#define SNP_MSR_SEV_STATUS          0xc0010131

/* The save area of an SEV-ES or SNP guest. */
typedef struct QEMU_PACKED SnpVmsa {
    struct vmcb_seg es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr;
    uint64_t pl_ssp[4];
    uint64_t u_cet;
    uint8_t reserved_c8[2];
    uint8_t vmpl;
    uint8_t cpl;
    uint8_t reserved_cc[4];
    uint64_t efer;
    uint8_t reserved_d8[104];
    uint64_t xss;
    uint64_t cr4, cr3, cr0;
    uint64_t dr7, dr6;
    uint64_t rflags, rip;
    uint64_t dr[4];
    uint64_t dr_addr_mask[4];
    uint8_t reserved_1c0[24];
    uint64_t rsp;
    uint64_t s_cet, ssp, isst_addr;
    uint64_t rax;
    uint64_t star, lstar, cstar, sfmask;
    uint64_t kernel_gs_base;
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
    uint64_t cr2;
    uint8_t reserved_248[32];
    uint64_t g_pat;
    uint64_t dbgctl, br_from, br_to, last_excp_from, last_excp_to;
    uint8_t reserved_298[80];
    uint32_t pkru;
    uint32_t tsc_aux;
    uint64_t tsc_scale, tsc_offset;
    uint8_t reserved_300[8];
    uint64_t rcx, rdx, rbx;
    uint8_t reserved_320[8];
    uint64_t rbp, rsi, rdi;
    uint64_t r8_r15[8];
    uint8_t reserved_380[16];
    uint64_t guest_exit_info_1, guest_exit_info_2;
    uint64_t guest_exit_int_info, guest_nrip;
    uint64_t sev_features;
    uint64_t vintr_ctrl;
    uint64_t guest_exit_code;
    uint64_t virtual_tom;
    uint64_t tlb_id, pcpu_id;
    uint64_t event_inj;
    uint64_t xcr0;
    uint8_t reserved_3f0[16];
    uint64_t x87_dp;
    uint32_t mxcsr;
    uint16_t x87_ftw, x87_fsw, x87_fcw, x87_fop, x87_ds, x87_cs;
    uint64_t x87_rip;
    /* 8 significands, then 8 words of sign and exponent */
    uint64_t x87_mant[8];
    uint16_t x87_sexp[8];
    uint64_t xmm[16][2];
    uint64_t ymm_hi[16][2];
} SnpVmsa;

QEMU_BUILD_BUG_ON(sizeof(SnpVmsa) != 0x670);
QEMU_BUILD_BUG_ON(offsetof(SnpVmsa, efer) != 0xd0);
QEMU_BUILD_BUG_ON(offsetof(SnpVmsa, xss) != 0x140);
QEMU_BUILD_BUG_ON(offsetof(SnpVmsa, rsp) != 0x1d8);
QEMU_BUILD_BUG_ON(offsetof(SnpVmsa, g_pat) != 0x268);
QEMU_BUILD_BUG_ON(offsetof(SnpVmsa, pkru) != 0x2e8);
QEMU_BUILD_BUG_ON(offsetof(SnpVmsa, rcx) != 0x308);
QEMU_BUILD_BUG_ON(offsetof(SnpVmsa, sev_features) != 0x3b0);
QEMU_BUILD_BUG_ON(offsetof(SnpVmsa, xcr0) != 0x3e8);
QEMU_BUILD_BUG_ON(offsetof(SnpVmsa, x87_mant) != 0x420);
QEMU_BUILD_BUG_ON(offsetof(SnpVmsa, xmm) != 0x470);

/*
 * What the guest that runs on @env is: env->snp.  Valid only between VMRUN and
 * #VMEXIT; false for the host and for plain guests.
 */
static inline bool snp_guest_sev(const CPUX86State *env)
{
    return (env->hflags & HF_GUEST_MASK) && env->snp.sev;
}

static inline bool snp_guest_es(const CPUX86State *env)
{
    return (env->hflags & HF_GUEST_MASK) && env->snp.es;
}

static inline bool snp_guest_snp(const CPUX86State *env)
{
    return (env->hflags & HF_GUEST_MASK) && env->snp.snp;
}

/* --- World switch (vmsa.c) -------------------------------------------- */

/*
 * VMRUN: raises #GP for a VMCB or a host save area that is not the
 * hypervisor's, and marks the VMCB in use.  Called before anything is saved
 * or loaded.
 */
void snp_vmrun_vmcb(CPUX86State *env, hwaddr vmcb, uintptr_t ra);

/*
 * VMRUN: decides what kind of guest it is and checks all that VMRUN checks for
 * an encrypted one.  False means VMEXIT_INVALID; nothing was touched.
 */
bool snp_vmrun_check(CPUX86State *env);

/* VMRUN of an SEV-ES or SNP guest: loads the VMSA after snp_vmrun_check(). */
void snp_vmrun_load(CPUX86State *env);

/*
 * VMRUN, the guest is loaded: what tells whether entries that an earlier run
 * has left in the TLB are still good.
 */
void snp_tlb_tag(CPUX86State *env, SvmTlbTag *tag);

/* True if @env is to be loaded from and saved to a VMSA, not the VMCB. */
static inline bool snp_vmsa_guest(const CPUX86State *env)
{
    return env->snp.es;
}

/* #VMEXIT: writes the state back to the VMSA (not on VMEXIT_INVALID). */
void snp_vmexit_save(CPUX86State *env);

/*
 * #VMEXIT, last step for every guest: host state of swap types B and C, and
 * the in-use marks.
 */
void snp_vmexit_host(CPUX86State *env);

/* True if the event (APM "Automatic Exits") may be injected. */
bool snp_event_inj_ok(CPUX86State *env, uint32_t event_inj);

/* --- #VC and automatic exits (guest-exit.c) ---------------------------- */

/*
 * Called first by cpu_vmexit().  Raises #VC in an SEV-ES guest (does not
 * return) unless the exit is automatic.  Returns true if RIP must advance
 * past the instruction.
 */
bool snp_vmexit_filter(CPUX86State *env, uint64_t exit_code,
                       uint64_t exit_info_1, uintptr_t ra);

/*
 * MSRs that the processor handles although the MSR bitmap says otherwise.
 * True if the access is done.
 */
bool snp_guest_rdmsr(CPUX86State *env, uint32_t msr, uint64_t *val,
                     uintptr_t ra);
bool snp_guest_wrmsr(CPUX86State *env, uint32_t msr, uint64_t val,
                     uintptr_t ra);

/* Exits that an SNP guest cannot be spared: port I/O and CPUID. */
bool snp_forced_intercept(CPUX86State *env, uint64_t exit_code);

/* After a write of EFER or of a control register, which is done. */
void snp_write_trap(CPUX86State *env, uint32_t exit_code, uint64_t val,
                    uintptr_t ra);

/* VMMCALL with a prefix F2 or F3; returns if it is an ordinary VMMCALL. */
void snp_vmgexit(CPUX86State *env, uintptr_t ra);

/* --- MMU (guest-mmu.c) -------------------------------------------------- */

/* Mask of the C-bit in the page tables of the guest that runs, or 0. */
uint64_t snp_guest_cbit(CPUX86State *env);

/* One access of a guest, after both stages of the translation. */
typedef struct SnpAccess {
    hwaddr gpa;             /* without the C-bit */
    hwaddr spa;
    uint64_t guest_size;    /* size of the page in the guest's page table */
    uint64_t nested_size;   /* size of the page in the nested page table */
    MMUAccessType type;
    bool user;
    bool walk;              /* of the guest's page table */
    bool c_bit;
} SnpAccess;

typedef enum SnpVerdict {
    SNP_ACCESS_OK,
    SNP_ACCESS_NPF,
    SNP_ACCESS_VC,          /* #VC 0x404: not validated */
} SnpVerdict;

/* SNP_NPF_ENC if the access is private, for any #NPF of an SEV guest. */
uint64_t snp_npf_enc(CPUX86State *env, const SnpAccess *a);

/*
 * The RMP checks of a guest access.  Clears from *@prot what this page does
 * not allow, so that a later access of another type asks again.  On
 * SNP_ACCESS_NPF *@error_code gets the bits that the RMP adds.
 */
SnpVerdict snp_guest_access(CPUX86State *env, const SnpAccess *a, int *prot,
                            uint64_t *error_code);

#endif
