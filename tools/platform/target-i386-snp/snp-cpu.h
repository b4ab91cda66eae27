/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Emulated SEV-SNP host platform: the state that each CPU adds to CPUX86State.
 * Kept apart from snp.h because cpu.h includes it.
 */
#ifndef TARGET_I386_SNP_CPU_H
#define TARGET_I386_SNP_CPU_H

typedef struct SnpCpuState {
    /* MSRs; all of them survive INIT, a CPU that is offlined keeps SNP_EN */
    uint64_t syscfg;        /* without MEM_ENCRYPT, which is always set */
    uint64_t hwcr;          /* without SMMLOCK, which is always set */

    /*
     * The guest that runs on this CPU.  Set by VMRUN before it takes the RMP
     * lock (snp_page_get), cleared by #VMEXIT: the RMP looks at asid to find
     * out if a TLB of this CPU can hold translations of that guest.
     */
    bool sev;
    bool es;
    bool snp;
    uint8_t vmpl;
    uint32_t asid;
    uint64_t vmsa_spa;
    uint64_t sev_features;

    /* The world switch (vmsa.c) */
    uint64_t vmcb_spa;
    uint64_t host_pat;
    bool vmcb_held;         /* marked in use */
    bool vmsa_held;
    bool loaded;            /* the guest's state is in the registers */
} SnpCpuState;

#endif
