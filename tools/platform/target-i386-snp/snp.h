/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Emulated SEV-SNP host platform: what the CPU side, the PSP device and the
 * control device share.
 *
 * Sources: AMD64 APM volume 2, sections 15.34 to 15.36 (RMP, page states,
 * instructions); SEV-SNP firmware ABI 56860 (page states); Linux
 * arch/x86/virt/svm/sev.c (the legacy layout of an RMP entry).
 */
#ifndef TARGET_I386_SNP_H
#define TARGET_I386_SNP_H

#include "qom/object.h"
#include "qemu/atomic.h"
#include "qemu/thread.h"
#include "exec/hwaddr.h"
#include "hw/core/cpu.h"
#include "cpu-qom.h"

typedef struct CPUArchState CPUX86State;

#define TYPE_SNP_PLATFORM "snp-platform"
OBJECT_DECLARE_SIMPLE_TYPE(SnpPlatform, SNP_PLATFORM)

/* CPUID 8000001F: what every part of the platform agrees on. */
#define SNP_CBIT            51
#define SNP_CBIT_MASK       (1ULL << SNP_CBIT)
#define SNP_NR_VMPL         4
#define SNP_MAX_ASID        509     /* ECX: number of encrypted guests */
#define SNP_MIN_SEV_ASID    100     /* EDX: below it SEV-ES and SNP only */

/* First bytes of the RMP are bookkeeping of the processor (16 KiB). */
#define SNP_RMP_BOOKKEEPING 0x4000
#define SNP_RMP_ENTRY_SIZE  16
#define SNP_RMP_ASID_BITS   10

/*
 * Counters that the control device shows and that the test harness judges.
 * Append only: the numbers are the control device's register layout.
 */
typedef enum SnpCounter {
    SNP_CNT_RMPUPDATE,          /* RMPUPDATE instructions that succeeded */
    SNP_CNT_RMPUPDATE_FAIL,     /* ... that returned a non-zero code */
    SNP_CNT_PSMASH,
    SNP_CNT_PVALIDATE,
    SNP_CNT_RMPADJUST,
    SNP_CNT_VMRUN_ES,           /* VMRUN of an SEV-ES guest that was not SNP */
    SNP_CNT_VMRUN_SNP,          /* VMRUN that loaded an SNP VMSA */
    SNP_CNT_VMRUN_STALE_VMSA,   /* VMRUN of a page that is not its VMSA */
    SNP_CNT_VMRUN_INVALID,      /* other VMRUN that ended with VMEXIT_INVALID */
    SNP_CNT_RMP_FAULT,          /* host #PF with the RMP bit */
    SNP_CNT_NPF_RMP,            /* #NPF with the RMP bit */
    SNP_CNT_VC,                 /* #VC raised in a guest */
    SNP_CNT_DMA_BLOCKED,        /* device access that the RMP refused */
    SNP_CNT_PSP_CMD,            /* firmware commands processed */
    SNP_CNT_PSP_ERR,            /* ... with a status other than success */
    SNP_CNT_TLB_FLUSH,          /* flushes of all CPUs for RMP changes */
    /* pages of an ASID still assigned when no guest context used it any more */
    SNP_CNT_DECOMMISSION_LEAK,
    SNP_CNT_MAX
} SnpCounter;

struct SnpPlatform {
    Object parent_obj;

    /* properties */
    bool strict;            /* abort on what is not modelled (default on) */
    bool rmpquery;          /* have RMPQUERY (default off, as Milan) */

    /* reserved by the machine before boot; inclusive end as in RMP_END */
    hwaddr rmp_base;
    hwaddr rmp_end;
    void *rmp_host;         /* host address of rmp_base: the RMP is guest RAM */

    /* protects every RMP entry, the in-use marks and the assigned counts */
    QemuMutex rmp_lock;

    bool snp_en;            /* SYSCFG.SNP_EN was set; cleared by reset only */

    uint64_t rmp_pages;     /* number of 4 KiB pages that the RMP covers */
    /* for each ASID: how often a right of that guest was taken away */
    uint64_t rmp_generation[1 << SNP_RMP_ASID_BITS];
    uint16_t *assigned_2m;  /* assigned 4 KiB pages in each 2 MiB */
    /* who may have a page in a TLB for writing, see rmp.c */
    uint64_t *writer_4k;
    uint64_t *writer_2m;
    uint64_t writer_epoch;
    uint64_t counter[SNP_CNT_MAX];
};

/* The one platform object of the machine, NULL without -object snp-platform. */
extern SnpPlatform *snp_platform;

void snp_count(SnpCounter c);

/*
 * Aborts QEMU with a message that names what is not modelled (strict), or
 * warns (strict=off).  Fail closed: call this in every default case.
 */
void snp_unmodelled(const char *fmt, ...) G_GNUC_PRINTF(1, 2);

/* --- CPU state (snp-cpu.h), MSRs, CPUID, machine ---------------------- */

/*
 * Called by the machine before it describes its RAM: takes the RMP out of
 * the top of RAM.  Returns the bytes taken from low RAM, 0 if the RMP is
 * high.
 */
uint64_t snp_machine_reserve(MemoryRegion *ram, uint64_t below_4g,
                             uint64_t above_4g_start, uint64_t above_4g,
                             uint64_t maxram);

/* Last word on a CPUID leaf; @index as software gave it. */
void snp_cpuid(CPUX86State *env, uint32_t index, uint32_t count,
               uint32_t *eax, uint32_t *ebx, uint32_t *ecx, uint32_t *edx);

typedef enum SnpMsrResult {
    SNP_MSR_NOT_OURS,
    SNP_MSR_DONE,
    SNP_MSR_GP,
} SnpMsrResult;

/* SNP_EN of this core; SYSCFG as it reads, for SNP_INIT's check of cores. */
bool snp_cpu_enabled(CPUX86State *env);
uint64_t snp_cpu_syscfg(CPUX86State *env);

SnpMsrResult snp_rdmsr(CPUX86State *env, uint32_t msr, uint64_t *val);
SnpMsrResult snp_wrmsr(CPUX86State *env, uint32_t msr, uint64_t val);

/* --- RMP ------------------------------------------------------------- */

/* Result codes of RMPUPDATE, PSMASH (APM volume 3) in EAX. */
enum {
    SNP_RMP_OK              = 0,
    SNP_RMP_FAIL_INPUT      = 1,
    SNP_RMP_FAIL_PERMISSION = 2,
    SNP_RMP_FAIL_INUSE      = 3,
    SNP_RMP_FAIL_OVERLAP    = 4,
    SNP_RMP_FAIL_SIZEMISMATCH = 6,
    SNP_RMP_FAIL_BADADDR    = 7,
};

/* VMPL permission bits as in RMPADJUST. */
enum {
    SNP_PERM_READ   = 1,
    SNP_PERM_WRITE  = 2,
    SNP_PERM_XU     = 4,    /* execute, user */
    SNP_PERM_XS     = 8,    /* execute, supervisor */
    SNP_PERM_ALL    = 15,
};

typedef struct SnpRmpEntry {
    uint64_t gpa;           /* bits 12-50 */
    uint32_t asid;          /* 10 bits */
    bool assigned;
    bool large;             /* page size: 2 MiB */
    bool immutable;
    bool vmsa;
    bool validated;
    uint8_t perm[SNP_NR_VMPL];
} SnpRmpEntry;

/* Page states of the firmware ABI, table "Page States". */
typedef enum SnpPageState {
    SNP_PAGE_HYPERVISOR,
    SNP_PAGE_HV_FIXED,
    SNP_PAGE_RECLAIM,
    SNP_PAGE_FIRMWARE,
    SNP_PAGE_CONTEXT,
    SNP_PAGE_METADATA,
    SNP_PAGE_PRE_GUEST,
    SNP_PAGE_PRE_SWAP,
    SNP_PAGE_GUEST_INVALID,
    SNP_PAGE_GUEST_VALID,
    SNP_PAGE_NOT_COVERED,   /* outside the RMP, or SNP is not enabled */
} SnpPageState;

/* True once SNP_EN is set: RMP checks are in force. */
static inline bool snp_rmp_active(void)
{
    return snp_platform && qatomic_read(&snp_platform->snp_en);
}

bool snp_rmp_covers(hwaddr spa);

void snp_rmp_lock(void);
void snp_rmp_unlock(void);

/*
 * Reads the entry of the 4 KiB page at @spa.  For a page inside a 2 MiB entry
 * the gpa is that of the 4 KiB page.  Lockless readers get a consistent copy
 * of each quadword only; take the lock where fields must agree.
 * Returns false if @spa is not covered.
 */
bool snp_rmp_read(hwaddr spa, SnpRmpEntry *e);

/*
 * SNP_EN was set for the first time: takes over the table as software left
 * it in RAM, and makes the checks start.
 */
void snp_rmp_enable(CPUState *cs);

/*
 * Changes when a guest of @asid loses a right: what a CPU, which did not run
 * that guest then, has left of it in its TLB is not good any more.
 */
uint64_t snp_rmp_generation(uint32_t asid);

/*
 * Writes the 4 KiB entry at @spa (firmware side: no checks but coverage),
 * keeps the assigned counts, and queues a flush of TLBs if one of them may
 * hold a right that is taken away.  Caller holds the lock.  @cs is the CPU on
 * whose behalf, or NULL for a device.
 */
void snp_rmp_write(CPUState *cs, hwaddr spa, const SnpRmpEntry *e);

SnpPageState snp_rmp_state(const SnpRmpEntry *e);
SnpPageState snp_page_state(hwaddr spa);
const char *snp_page_state_name(SnpPageState s);

/* True if the host (or a shared access) may write @size bytes at @spa. */
bool snp_hv_write_ok(hwaddr spa, uint64_t size);

/*
 * The same for an access through a translation whose page is @page_size
 * bytes: with 2 MiB and more, no page in the 2 MiB region may be assigned.
 */
bool snp_hv_write_ok_mapped(hwaddr spa, uint64_t page_size);

/*
 * The same for a TLB that is going to keep the answer.  With @cs, the entry of
 * @va in @mmu_idx of that CPU is all that there is of it; without, others may
 * have been made from it (of guests, in two stages).
 */
bool snp_hv_write_ok_cached(CPUState *cs, vaddr va, int mmu_idx, hwaddr spa,
                            uint64_t page_size);

/* A host #PF with the RMP bit is about to be delivered. */
void snp_count_rmp_fault(CPUX86State *env, uint64_t addr, uint64_t error_code);

/*
 * The semantics of the instructions, without the CPU's part (privilege,
 * operands, translation).  Each takes the lock, and on return has queued the
 * flushes that it needs on behalf of @cs.
 */
typedef struct SnpRmpUpdate {
    uint64_t gpa;
    uint8_t assigned;
    uint8_t pagesize;
    uint8_t immutable;
    uint8_t rsvd;
    uint32_t asid;
} SnpRmpUpdate;

uint32_t snp_rmpupdate(CPUState *cs, hwaddr spa, const SnpRmpUpdate *u);
uint32_t snp_psmash(CPUState *cs, hwaddr spa);

/* 0F 01 /modrm with F3 (bit 8) or F2: helper_snp_insn's operand. */
#define SNP_INSN_REPZ       0x100
enum {
    SNP_INSN_RMPUPDATE  = 0xfe,
    SNP_INSN_RMPADJUST  = 0xfe | SNP_INSN_REPZ,
    SNP_INSN_PVALIDATE  = 0xff,
    SNP_INSN_PSMASH     = 0xff | SNP_INSN_REPZ,
    SNP_INSN_RMPQUERY   = 0xfd | SNP_INSN_REPZ,
};

/*
 * What the guest-side instructions know of their page after the translation
 * of the linear address, none of which looked at the RMP.
 */
typedef struct SnpGuestPage {
    hwaddr gpa;             /* without the C-bit */
    hwaddr spa;
    bool private;           /* C-bit of the guest's mapping */
} SnpGuestPage;

/* VMSAVE's page, at an address of @mmu_idx: #GP or NPF if not the host's. */
void snp_check_vmsave(CPUX86State *env, hwaddr addr, int mmu_idx,
                      uintptr_t ra);

/* Not a result code: the instruction ends with #VMEXIT(NPF). */
#define SNP_RMP_NPF         0x80000000u
/* ... or with #VC(PAGE_NOT_VALIDATED). */
#define SNP_RMP_VC          0x80000001u

/* @npf: error code bits of the NPF, beyond those of the access itself. */
uint32_t snp_pvalidate(CPUState *cs, const SnpGuestPage *pg, uint32_t asid,
                       bool large, bool validate, bool *unchanged,
                       uint64_t *npf);
uint32_t snp_rmpadjust(CPUState *cs, const SnpGuestPage *pg, uint32_t asid,
                       uint8_t vmpl, bool large, uint64_t attrs,
                       uint64_t *npf);
uint32_t snp_rmpquery(const SnpGuestPage *pg, uint32_t asid, uint8_t vmpl,
                      uint8_t target, uint64_t *attrs, bool *large,
                      uint64_t *npf);

/* #NPF error code bits of the RMP (APM volume 2, "Nested Page Fault"). */
#define SNP_NPF_RMP         (1ULL << 31)
#define SNP_NPF_ENC         (1ULL << 34)
#define SNP_NPF_SIZEM       (1ULL << 35)
#define SNP_NPF_VMPL        (1ULL << 36)

/*
 * Provided by the guest MMU.  snp_guest_translate: translates @va as a 1-byte
 * read would, without RMP checks on the final page; raises what the walk
 * raises.  The other two do not return.
 */
void snp_guest_translate(CPUX86State *env, uint64_t va, SnpGuestPage *pg,
                         uintptr_t ra);
G_NORETURN void snp_raise_npf(CPUX86State *env, hwaddr gpa, uint64_t bits,
                              uintptr_t ra);
G_NORETURN void snp_raise_not_validated(CPUX86State *env, uint64_t va,
                                        uintptr_t ra);

/* Number of 4 KiB pages assigned to @asid. Linear: diagnostics only. */
uint64_t snp_rmp_count_asid(uint32_t asid);

/*
 * In-use marks: VMRUN marks the VMCB and the VMSA, #VMEXIT clears.
 * snp_page_get returns false if another CPU uses the page.  Both take the
 * lock themselves.
 */
bool snp_page_get(hwaddr spa);
void snp_page_put(hwaddr spa);
bool snp_page_in_use(hwaddr spa);

/* --- firmware and control device (hw/i386/snp) ------------------------ */

/* Is @asid bound to an SNP guest context now?  Any thread, no lock. */
bool snp_asid_is_snp(uint32_t asid);

#endif
