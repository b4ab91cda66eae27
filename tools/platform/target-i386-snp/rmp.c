/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Emulated SEV-SNP host platform: the reverse map table.
 *
 * The table lives in guest RAM in the layout that processors without RMPREAD
 * use, because Linux reads it there.  The second quadword of an entry is
 * opaque to software: it holds the VMPL permissions and the in-use mark.
 *
 * Concurrency.  Every change is made under rmp_lock.  The softmmu reads
 * entries without it, when it fills a TLB.  That is safe because a change
 * that takes away a right which another CPU's TLB may hold (drop_writers(),
 * asid_running()) also queues a flush of all CPUs, and the changing CPU
 * continues only when all CPUs have left their translation blocks: a write
 * through a stale entry happens before the instruction completes.
 *
 * Sources: APM volume 3 (RMPUPDATE, PSMASH, PVALIDATE, RMPADJUST, RMPQUERY),
 * APM volume 2 (sections on SEV-SNP), firmware ABI 56860 (page states),
 * Linux arch/x86/virt/svm/sev.c (layout).
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/bswap.h"
#include "qemu/lockable.h"
#include "qemu/units.h"
#include "exec/cputlb.h"
#include "exec/exec-all.h"
#include "cpu.h"
#include "snp.h"
#include "trace.h"

#define PAGE_4K             ((uint64_t)4 * KiB)
#define PAGE_2M             ((uint64_t)2 * MiB)
#define PAGES_PER_2M        512

/* First quadword, as in struct rmpentry_raw of Linux. */
#define RMP_LO_ASSIGNED     (1ULL << 0)
#define RMP_LO_LARGE        (1ULL << 1)
#define RMP_LO_IMMUTABLE    (1ULL << 2)
#define RMP_LO_GPA          MAKE_64BIT_MASK(12, 39)
#define RMP_LO_ASID_SHIFT   51
#define RMP_LO_VMSA         (1ULL << 61)
#define RMP_LO_VALIDATED    (1ULL << 62)

/* Second quadword, ours: four permission nibbles, VMPL0 first. */
#define RMP_HI_PERM_BITS    4
#define RMP_HI_IN_USE       (1ULL << 63)

/* RMPADJUST's and RMPQUERY's RDX. */
#define RMPADJUST_VMPL_MASK 0xffull
#define RMPADJUST_PERM_SHIFT 8
#define RMPADJUST_VMSA      (1ULL << 16)

static inline uint64_t *rmp_slot(hwaddr spa)
{
    return (uint64_t *)((uint8_t *)snp_platform->rmp_host +
                        SNP_RMP_BOOKKEEPING +
                        (spa >> 12) * SNP_RMP_ENTRY_SIZE);
}

static inline uint64_t rmp_lo(hwaddr spa)
{
    return le64_to_cpu(qatomic_read(&rmp_slot(spa)[0]));
}

static inline uint64_t rmp_hi(hwaddr spa)
{
    return le64_to_cpu(qatomic_read(&rmp_slot(spa)[1]));
}

static inline bool rmp_indexed(hwaddr spa)
{
    return (spa >> 12) < snp_platform->rmp_pages;
}

bool snp_rmp_covers(hwaddr spa)
{
    return snp_rmp_active() && rmp_indexed(spa);
}

static inline bool overlaps_rmp(hwaddr spa, uint64_t size)
{
    return spa <= snp_platform->rmp_end &&
           spa + size - 1 >= snp_platform->rmp_base;
}

void snp_rmp_lock(void)
{
    qemu_mutex_lock(&snp_platform->rmp_lock);
}

void snp_rmp_unlock(void)
{
    qemu_mutex_unlock(&snp_platform->rmp_lock);
}

static void rmp_decode(uint64_t lo, uint64_t hi, SnpRmpEntry *e)
{
    *e = (SnpRmpEntry) {
        .gpa = lo & RMP_LO_GPA,
        .asid = extract64(lo, RMP_LO_ASID_SHIFT, SNP_RMP_ASID_BITS),
        .assigned = lo & RMP_LO_ASSIGNED,
        .large = lo & RMP_LO_LARGE,
        .immutable = lo & RMP_LO_IMMUTABLE,
        .vmsa = lo & RMP_LO_VMSA,
        .validated = lo & RMP_LO_VALIDATED,
    };
    for (int i = 0; i < SNP_NR_VMPL; i++) {
        e->perm[i] = extract64(hi, i * RMP_HI_PERM_BITS, RMP_HI_PERM_BITS);
    }
}

static uint64_t rmp_encode_lo(const SnpRmpEntry *e)
{
    uint64_t lo = e->gpa & RMP_LO_GPA;

    lo = deposit64(lo, RMP_LO_ASID_SHIFT, SNP_RMP_ASID_BITS, e->asid);
    lo |= e->assigned ? RMP_LO_ASSIGNED : 0;
    lo |= e->large ? RMP_LO_LARGE : 0;
    lo |= e->immutable ? RMP_LO_IMMUTABLE : 0;
    lo |= e->vmsa ? RMP_LO_VMSA : 0;
    lo |= e->validated ? RMP_LO_VALIDATED : 0;
    return lo;
}

static uint64_t rmp_encode_hi(const SnpRmpEntry *e, uint64_t old)
{
    uint64_t hi = old & RMP_HI_IN_USE;

    for (int i = 0; i < SNP_NR_VMPL; i++) {
        hi = deposit64(hi, i * RMP_HI_PERM_BITS, RMP_HI_PERM_BITS, e->perm[i]);
    }
    return hi;
}

bool snp_rmp_read(hwaddr spa, SnpRmpEntry *e)
{
    if (!snp_rmp_covers(spa)) {
        return false;
    }
    rmp_decode(rmp_lo(spa), rmp_hi(spa), e);
    return true;
}

/* True if some CPU runs a guest of @asid: its TLB may hold the old rights. */
static bool asid_running(uint32_t asid)
{
    CPUState *cs;

    /* Pairs with the lock that VMRUN takes after it has set env->snp. */
    smp_mb();
    CPU_FOREACH(cs) {
        CPUX86State *env = cpu_env(cs);

        if (qatomic_read(&env->snp.snp) &&
            qatomic_read(&env->snp.asid) == asid) {
            return true;
        }
    }
    return false;
}

/* Does going from @o to @n take away a right that its guest may use? */
static bool rmp_tightens(const SnpRmpEntry *o, const SnpRmpEntry *n)
{
    if (!o->assigned || !o->asid || !o->validated) {
        return false;
    }
    if (!n->assigned || n->asid != o->asid || n->gpa != o->gpa ||
        !n->validated || n->large != o->large ||
        (n->immutable && !o->immutable) || (n->vmsa && !o->vmsa)) {
        return true;
    }
    for (int i = 0; i < SNP_NR_VMPL; i++) {
        if (o->perm[i] & ~n->perm[i]) {
            return true;
        }
    }
    return false;
}

uint64_t snp_rmp_generation(uint32_t asid)
{
    return qatomic_read(&snp_platform->rmp_generation[asid]);
}

static void tlb_flush_work(CPUState *cs, run_on_cpu_data data)
{
    tlb_flush_by_mmuidx(cs, data.host_int);
}

/*
 * Notes on who may write to a page of the hypervisor's through a TLB, so that
 * an assignment need not flush what nobody has.  A CPU that fills a TLB makes
 * the note and then looks at the RMP; who assigns the page changes the RMP
 * and then looks at the note: one of them sees the other.
 *
 * One translation is remembered: when the CPU that assigns the page is the
 * only one that has it, it drops that entry, and is done.  If there are more,
 * or another CPU has it, all CPUs are flushed.  Notes that were made before
 * such a flush are void: they are of an earlier epoch.  When the numbers of
 * epochs run out, all notes are cleared: an old one must not seem to be new,
 * since pages that were flushed one by one are likely to be so again.
 *
 * An address above the 48 bits of four levels of page tables is not
 * remembered, and costs a flush.
 *
 * The right to write through a mapping of 2 MiB hangs on all 512 pages: such
 * notes are kept apart.
 */
#define NOTE_CPU            MAKE_64BIT_MASK(0, 8)
#define NOTE_IDX_SHIFT      8
#define NOTE_VA_BITS        48
#define NOTE_VA             MAKE_64BIT_MASK(12, NOTE_VA_BITS - 12)
#define NOTE_EPOCH          MAKE_64BIT_MASK(NOTE_VA_BITS, 64 - NOTE_VA_BITS)
#define NOTE_EPOCHS         0xffff  /* 0 is that of no note */
#define NOTE_MANY           MAKE_64BIT_MASK(0, 12)

QEMU_BUILD_BUG_ON(TARGET_PAGE_BITS != 12 || NB_MMU_MODES > 16);

static inline uint64_t note_epoch(void)
{
    return (qatomic_read(&snp_platform->writer_epoch) + 1) << NOTE_VA_BITS;
}

static void note_writer(uint64_t *note, uint64_t new)
{
    uint64_t epoch = note_epoch();
    uint64_t old = qatomic_read(note), seen;

    for (;;) {
        uint64_t val = epoch | new;

        if ((old & NOTE_EPOCH) == epoch && old != val) {
            val = epoch | NOTE_MANY;
        }
        if (old == val) {
            break;
        }
        seen = qatomic_cmpxchg(note, old, val);
        if (seen == old) {
            break;
        }
        old = seen;
    }
    /* Pairs with the barrier in rmp_store(). */
    smp_mb();
}

bool snp_hv_write_ok_cached(CPUState *cs, vaddr va, int mmu_idx, hwaddr spa,
                            uint64_t page_size)
{
    if (!rmp_indexed(spa)) {
        return snp_hv_write_ok_mapped(spa, page_size);
    }
    if (page_size >= PAGE_2M) {
        note_writer(&snp_platform->writer_2m[spa / PAGE_2M], NOTE_MANY);
    } else if (!cs || cs->cpu_index >= NOTE_CPU ||
               sextract64(va, 0, NOTE_VA_BITS) != va) {
        note_writer(&snp_platform->writer_4k[spa / PAGE_4K], NOTE_MANY);
    } else {
        note_writer(&snp_platform->writer_4k[spa / PAGE_4K],
                    (va & NOTE_VA) | mmu_idx << NOTE_IDX_SHIFT |
                    cs->cpu_index);
    }
    return snp_hv_write_ok_mapped(spa, page_size);
}

/* A page was assigned: what must be flushed beyond what can be done here? */
static uint16_t drop_writers(CPUState *cs, hwaddr spa)
{
    uint64_t *note = &snp_platform->writer_4k[spa / PAGE_4K];
    uint64_t large = qatomic_read(&snp_platform->writer_2m[spa / PAGE_2M]);
    uint64_t epoch = note_epoch();
    uint64_t val = qatomic_read(note);

    if ((large & NOTE_EPOCH) == epoch) {
        return MMU_HOST_IDXMAP | MMU_GUEST_IDXMAP;
    }
    if ((val & NOTE_EPOCH) != epoch) {
        return 0;
    }
    if ((val & NOTE_MANY) == NOTE_MANY || !cs ||
        (val & NOTE_CPU) != cs->cpu_index) {
        return MMU_HOST_IDXMAP | MMU_GUEST_IDXMAP;
    }
    tlb_flush_entry_by_mmuidx(cs, sextract64(val & NOTE_VA, 0, NOTE_VA_BITS),
                              1 << extract64(val, NOTE_IDX_SHIFT, 4));
    /* If somebody has made another one, it stays. */
    qatomic_cmpxchg(note, val, 0);
    return 0;
}

/*
 * All CPUs stand still, and each will flush before its next TB.  So what there
 * is in their TLBs is gone for the notes, but what comes later is not: the new
 * epoch begins here, not when the flushes have been done.
 */
static void flush_all_work(CPUState *unused, run_on_cpu_data idxmap)
{
    SnpPlatform *s = snp_platform;
    CPUState *cs;

    CPU_FOREACH(cs) {
        async_run_on_cpu(cs, tlb_flush_work, idxmap);
    }
    if (idxmap.host_int == (MMU_HOST_IDXMAP | MMU_GUEST_IDXMAP)) {
        uint64_t next = (s->writer_epoch + 1) % NOTE_EPOCHS;

        if (!next) {
            memset(s->writer_4k, 0, s->rmp_pages * sizeof(*s->writer_4k));
            memset(s->writer_2m, 0, DIV_ROUND_UP(s->rmp_pages, PAGES_PER_2M) *
                                    sizeof(*s->writer_2m));
        }
        qatomic_set(&s->writer_epoch, next);
    }
}

/* Physical addresses and nested translations hold no right of the RMP's. */
static void rmp_flush(CPUState *cs, uint16_t idxmap)
{
    if (!idxmap) {
        return;
    }
    snp_count(SNP_CNT_TLB_FLUSH);
    if (cs && !cpu_in_exclusive_context(cs)) {
        /* The instruction ends its TB, and waits there for all CPUs. */
        async_safe_run_on_cpu(cs, flush_all_work, RUN_ON_CPU_HOST_INT(idxmap));
        return;
    }

    /*
     * A device changes the RMP while no CPU runs, or the flush would come
     * too late.
     */
    if (!current_cpu || !cpu_in_exclusive_context(current_cpu)) {
        snp_unmodelled("RMP change by a device outside of safe work");
    }
    flush_all_work(NULL, RUN_ON_CPU_HOST_INT(idxmap));
}

/*
 * Stores one 4 KiB entry on behalf of @cs, which is NULL for a device; returns
 * the TLBs that must be flushed.  Lock held.
 */
static uint16_t rmp_store(CPUState *cs, hwaddr spa, const SnpRmpEntry *n)
{
    uint64_t *slot = rmp_slot(spa);
    uint16_t *count = &snp_platform->assigned_2m[spa / PAGE_2M];
    SnpRmpEntry o;

    rmp_decode(rmp_lo(spa), rmp_hi(spa), &o);

    /* The count first: it must never be too low for a reader. */
    if (n->assigned && !o.assigned) {
        qatomic_set(count, *count + 1);
    }
    qatomic_set(&slot[1], cpu_to_le64(rmp_encode_hi(n, rmp_hi(spa))));
    qatomic_set_mb(&slot[0], cpu_to_le64(rmp_encode_lo(n)));
    if (!n->assigned && o.assigned) {
        if (*count) {
            qatomic_set(count, *count - 1);
        } else {
            snp_unmodelled("RMP changed behind the platform, at the entry of "
                           "0x%" HWADDR_PRIx, spa);
        }
    }

    if (!o.assigned && n->assigned) {
        /* Writes of the host, and of any guest to what it shares. */
        return drop_writers(cs, spa);
    }
    if (!rmp_tightens(&o, n)) {
        return 0;
    }
    /* CPUs that are in the guest must be told; others see it at VMRUN. */
    qatomic_set(&snp_platform->rmp_generation[o.asid],
                snp_platform->rmp_generation[o.asid] + 1);
    return asid_running(o.asid) ? MMU_GUEST_IDXMAP : 0;
}

void snp_rmp_write(CPUState *cs, hwaddr spa, const SnpRmpEntry *e)
{
    if (!snp_rmp_covers(spa)) {
        snp_unmodelled("write of an RMP entry that is not covered: 0x%"
                       HWADDR_PRIx, spa);
        return;
    }
    trace_snp_rmp_write(spa, rmp_encode_lo(e));
    rmp_flush(cs, rmp_store(cs, spa & ~(PAGE_4K - 1), e));
}

void snp_rmp_enable(CPUState *cs)
{
    SnpPlatform *s = snp_platform;

    if (!s->rmp_host) {
        snp_unmodelled("SNP_EN without an RMP: this machine reserves none");
        return;
    }

    QEMU_LOCK_GUARD(&s->rmp_lock);
    if (s->snp_en) {
        return;
    }
    memset(s->assigned_2m, 0,
           DIV_ROUND_UP(s->rmp_pages, PAGES_PER_2M) * sizeof(uint16_t));
    for (uint64_t pfn = 0; pfn < s->rmp_pages; pfn++) {
        uint64_t *slot = rmp_slot(pfn << 12);

        if (le64_to_cpu(slot[0]) & RMP_LO_ASSIGNED) {
            s->assigned_2m[pfn / PAGES_PER_2M]++;
        }
        /* No CPU can be inside a guest that the RMP knows of. */
        slot[1] &= cpu_to_le64(~RMP_HI_IN_USE);
    }
    qatomic_set_mb(&s->snp_en, true);
    rmp_flush(cs, MMU_HOST_IDXMAP | MMU_GUEST_IDXMAP);
}

SnpPageState snp_rmp_state(const SnpRmpEntry *e)
{
    if (!e->assigned) {
        return e->immutable ? SNP_PAGE_HV_FIXED : SNP_PAGE_HYPERVISOR;
    }
    if (e->asid) {
        if (e->immutable) {
            return e->validated ? SNP_PAGE_PRE_SWAP : SNP_PAGE_PRE_GUEST;
        }
        return e->validated ? SNP_PAGE_GUEST_VALID : SNP_PAGE_GUEST_INVALID;
    }
    if (!e->immutable) {
        return SNP_PAGE_RECLAIM;
    }
    if (e->gpa) {
        return SNP_PAGE_METADATA;
    }
    return e->vmsa ? SNP_PAGE_CONTEXT : SNP_PAGE_FIRMWARE;
}

SnpPageState snp_page_state(hwaddr spa)
{
    SnpRmpEntry e;

    return snp_rmp_read(spa, &e) ? snp_rmp_state(&e) : SNP_PAGE_NOT_COVERED;
}

const char *snp_page_state_name(SnpPageState s)
{
    static const char *const name[] = {
        [SNP_PAGE_HYPERVISOR] = "Hypervisor",
        [SNP_PAGE_HV_FIXED] = "HV-Fixed",
        [SNP_PAGE_RECLAIM] = "Reclaim",
        [SNP_PAGE_FIRMWARE] = "Firmware",
        [SNP_PAGE_CONTEXT] = "Context",
        [SNP_PAGE_METADATA] = "Metadata",
        [SNP_PAGE_PRE_GUEST] = "Pre-Guest",
        [SNP_PAGE_PRE_SWAP] = "Pre-Swap",
        [SNP_PAGE_GUEST_INVALID] = "Guest-Invalid",
        [SNP_PAGE_GUEST_VALID] = "Guest-Valid",
        [SNP_PAGE_NOT_COVERED] = "not covered",
    };

    return name[s];
}

bool snp_hv_write_ok(hwaddr spa, uint64_t size)
{
    hwaddr last = spa + size - 1;
    hwaddr page;

    if (!snp_rmp_active() || !size) {
        return true;
    }
    if (overlaps_rmp(spa, size)) {
        return false;
    }
    for (page = spa & ~(PAGE_4K - 1); page <= last; page += PAGE_4K) {
        /* What the RMP does not cover cannot be assigned. */
        if (!rmp_indexed(page)) {
            break;
        }
        if (!(page & (PAGE_2M - 1)) && last - page >= PAGE_2M - 1 &&
            !qatomic_read(&snp_platform->assigned_2m[page / PAGE_2M])) {
            page += PAGE_2M - PAGE_4K;
            continue;
        }
        if (rmp_lo(page) & RMP_LO_ASSIGNED) {
            return false;
        }
    }
    return true;
}

bool snp_hv_write_ok_mapped(hwaddr spa, uint64_t page_size)
{
    hwaddr base = spa & ~(PAGE_2M - 1);

    if (!snp_rmp_active()) {
        return true;
    }
    if (page_size < PAGE_2M) {
        return snp_hv_write_ok(spa & ~(PAGE_4K - 1), PAGE_4K);
    }
    if (overlaps_rmp(base, PAGE_2M)) {
        return false;
    }
    return !rmp_indexed(base) ||
           !qatomic_read(&snp_platform->assigned_2m[base / PAGE_2M]);
}

void snp_count_rmp_fault(CPUX86State *env, uint64_t addr, uint64_t error_code)
{
    snp_count(SNP_CNT_RMP_FAULT);
    trace_snp_rmp_fault(env_cpu(env)->cpu_index, addr, error_code);
}

uint64_t snp_rmp_count_asid(uint32_t asid)
{
    uint64_t n = 0;

    if (!snp_rmp_active()) {
        return 0;
    }
    for (uint64_t pfn = 0; pfn < snp_platform->rmp_pages; pfn++) {
        uint64_t lo = rmp_lo(pfn << 12);

        n += (lo & RMP_LO_ASSIGNED) &&
             extract64(lo, RMP_LO_ASID_SHIFT, SNP_RMP_ASID_BITS) == asid;
    }
    return n;
}

static inline bool rmp_in_use(hwaddr spa)
{
    return rmp_hi(spa) & RMP_HI_IN_USE;
}

bool snp_page_in_use(hwaddr spa)
{
    return snp_rmp_covers(spa) && rmp_in_use(spa);
}

bool snp_page_get(hwaddr spa)
{
    uint64_t *slot;

    if (!snp_rmp_covers(spa)) {
        return true;
    }
    QEMU_LOCK_GUARD(&snp_platform->rmp_lock);
    if (rmp_in_use(spa)) {
        return false;
    }
    slot = rmp_slot(spa);
    qatomic_set(&slot[1], slot[1] | cpu_to_le64(RMP_HI_IN_USE));
    return true;
}

void snp_page_put(hwaddr spa)
{
    uint64_t *slot;

    if (!snp_rmp_covers(spa)) {
        return;
    }
    QEMU_LOCK_GUARD(&snp_platform->rmp_lock);
    slot = rmp_slot(spa);
    qatomic_set(&slot[1], slot[1] & ~cpu_to_le64(RMP_HI_IN_USE));
}

/* --- Host side: RMPUPDATE, PSMASH ------------------------------------- */

static uint32_t rmpupdate_check(hwaddr spa, const SnpRmpUpdate *u)
{
    uint64_t size = u->pagesize ? PAGE_2M : PAGE_4K;
    bool large_now;
    hwaddr page;

    if (u->assigned > 1 || u->pagesize > 1 || u->immutable > 1 || u->rsvd ||
        (u->gpa & ~RMP_LO_GPA) || u->asid > SNP_MAX_ASID) {
        return SNP_RMP_FAIL_INPUT;
    }
    if ((spa & (size - 1)) || (u->gpa & (size - 1))) {
        return SNP_RMP_FAIL_INPUT;
    }
    /* HV-Fixed and Metadata pages are made by the firmware alone. */
    if (!u->assigned && (u->immutable || u->gpa || u->asid)) {
        return SNP_RMP_FAIL_INPUT;
    }
    if (u->assigned && !u->asid && u->gpa) {
        return SNP_RMP_FAIL_INPUT;
    }
    /* Separate tests: the sum could wrap. */
    if (!rmp_indexed(spa) || !rmp_indexed(spa + size - PAGE_4K)) {
        return SNP_RMP_FAIL_INPUT;
    }
    if (overlaps_rmp(spa, size)) {
        return SNP_RMP_FAIL_PERMISSION;
    }

    /* An entry that is part of a 2 MiB one changes as a whole, or not. */
    large_now = rmp_lo(spa) & RMP_LO_LARGE;
    if (rmp_lo(spa) & RMP_LO_IMMUTABLE) {
        return SNP_RMP_FAIL_PERMISSION;
    }
    if (!u->pagesize) {
        if (large_now) {
            return SNP_RMP_FAIL_OVERLAP;
        }
        return rmp_in_use(spa) ? SNP_RMP_FAIL_INUSE : SNP_RMP_OK;
    }

    for (page = spa; page < spa + PAGE_2M; page += PAGE_4K) {
        if (rmp_lo(page) & RMP_LO_IMMUTABLE) {
            return SNP_RMP_FAIL_PERMISSION;
        }
    }
    for (page = spa; page < spa + PAGE_2M; page += PAGE_4K) {
        if ((rmp_lo(page) & RMP_LO_ASSIGNED) && !large_now) {
            return SNP_RMP_FAIL_OVERLAP;
        }
    }
    for (page = spa; page < spa + PAGE_2M; page += PAGE_4K) {
        if (rmp_in_use(page)) {
            return SNP_RMP_FAIL_INUSE;
        }
    }
    return SNP_RMP_OK;
}

uint32_t snp_rmpupdate(CPUState *cs, hwaddr spa, const SnpRmpUpdate *u)
{
    uint16_t flush = 0;
    uint32_t ret;

    snp_rmp_lock();
    ret = rmpupdate_check(spa, u);
    if (ret == SNP_RMP_OK) {
        SnpRmpEntry e = {};
        uint64_t size = u->pagesize ? PAGE_2M : PAGE_4K;

        if (u->assigned) {
            e = (SnpRmpEntry) {
                .assigned = true,
                .large = u->pagesize,
                .immutable = u->immutable,
                .asid = u->asid,
                .perm = { SNP_PERM_ALL },
            };
        }
        for (uint64_t off = 0; off < size; off += PAGE_4K) {
            e.gpa = e.asid ? u->gpa + off : 0;
            flush |= rmp_store(cs, spa + off, &e);
        }
        rmp_flush(cs, flush);
    }
    snp_rmp_unlock();

    snp_count(ret ? SNP_CNT_RMPUPDATE_FAIL : SNP_CNT_RMPUPDATE);
    trace_snp_rmpupdate(spa, u->gpa, u->assigned, u->pagesize, u->immutable,
                        u->asid, ret);
    return ret;
}

static uint32_t psmash_locked(CPUState *cs, hwaddr spa)
{
    SnpRmpEntry e;
    hwaddr page;
    uint16_t flush = 0;

    if ((spa & (PAGE_2M - 1)) || !rmp_indexed(spa) ||
        !rmp_indexed(spa + PAGE_2M - PAGE_4K)) {
        return SNP_RMP_FAIL_INPUT;
    }
    if (overlaps_rmp(spa, PAGE_2M) || (rmp_lo(spa) & RMP_LO_IMMUTABLE) ||
        !(rmp_lo(spa) & RMP_LO_LARGE)) {
        return SNP_RMP_FAIL_BADADDR;
    }
    for (page = spa; page < spa + PAGE_2M; page += PAGE_4K) {
        if (rmp_in_use(page)) {
            return SNP_RMP_FAIL_INUSE;
        }
    }
    for (page = spa; page < spa + PAGE_2M; page += PAGE_4K) {
        rmp_decode(rmp_lo(page), rmp_hi(page), &e);
        e.large = false;
        flush |= rmp_store(cs, page, &e);
    }
    rmp_flush(cs, flush);
    return SNP_RMP_OK;
}

uint32_t snp_psmash(CPUState *cs, hwaddr spa)
{
    uint32_t ret;

    snp_rmp_lock();
    ret = psmash_locked(cs, spa);
    snp_rmp_unlock();

    snp_count(SNP_CNT_PSMASH);
    trace_snp_psmash(spa, ret);
    return ret;
}

/* --- Guest side: PVALIDATE, RMPADJUST, RMPQUERY ----------------------- */

/*
 * The checks that the three have in common.  A page that is not this
 * guest's, or a 4 KiB operation on a 2 MiB entry, is for the hypervisor to
 * resolve: #VMEXIT(NPF), and KVM answers the second with PSMASH.
 */
static uint32_t guest_page_check(const SnpGuestPage *pg, uint32_t asid,
                                 bool large, SnpRmpEntry *e, uint64_t *npf)
{
    *npf = SNP_NPF_RMP | SNP_NPF_ENC;
    if (!snp_rmp_covers(pg->spa) || overlaps_rmp(pg->spa, 1)) {
        return SNP_RMP_NPF;
    }
    rmp_decode(rmp_lo(pg->spa), rmp_hi(pg->spa), e);
    if (!e->assigned || e->immutable || e->asid != asid ||
        e->gpa != (pg->gpa & ~(PAGE_4K - 1))) {
        return SNP_RMP_NPF;
    }
    if (large && !e->large) {
        return SNP_RMP_FAIL_SIZEMISMATCH;
    }
    if (!large && e->large) {
        *npf |= SNP_NPF_SIZEM;
        return SNP_RMP_NPF;
    }
    return SNP_RMP_OK;
}

/* One operation on a whole entry: 512 of ours if it is large. */
static uint16_t guest_store(CPUState *cs, hwaddr spa, const SnpRmpEntry *e)
{
    SnpRmpEntry one = *e;
    hwaddr base = spa & ~((e->large ? PAGE_2M : PAGE_4K) - 1);
    hwaddr gpa = e->gpa & ~((e->large ? PAGE_2M : PAGE_4K) - 1);
    uint64_t size = e->large ? PAGE_2M : PAGE_4K;
    uint16_t flush = 0;

    for (uint64_t off = 0; off < size; off += PAGE_4K) {
        one.gpa = gpa + off;
        flush |= rmp_store(cs, base + off, &one);
    }
    return flush;
}

uint32_t snp_pvalidate(CPUState *cs, const SnpGuestPage *pg, uint32_t asid,
                       bool large, bool validate, bool *unchanged,
                       uint64_t *npf)
{
    SnpRmpEntry e;
    uint32_t ret;

    *unchanged = false;
    snp_rmp_lock();
    if (large && (pg->gpa & (PAGE_2M - 1) & ~(PAGE_4K - 1))) {
        ret = SNP_RMP_FAIL_INPUT;
    } else {
        ret = guest_page_check(pg, asid, large, &e, npf);
    }
    if (ret == SNP_RMP_OK) {
        *unchanged = e.validated == validate;
        if (!*unchanged) {
            e.validated = validate;
            rmp_flush(cs, guest_store(cs, pg->spa, &e));
        }
    }
    snp_rmp_unlock();

    snp_count(SNP_CNT_PVALIDATE);
    trace_snp_pvalidate(asid, pg->gpa, pg->spa, large, validate, ret,
                        *unchanged);
    return ret;
}

static uint32_t rmpadjust_locked(CPUState *cs, const SnpGuestPage *pg,
                                 uint32_t asid, uint8_t vmpl, bool large,
                                 uint64_t attrs, uint64_t *npf)
{
    uint64_t target = attrs & RMPADJUST_VMPL_MASK;
    uint8_t perm = attrs >> RMPADJUST_PERM_SHIFT;
    bool vmsa = attrs & RMPADJUST_VMSA;
    hwaddr base, page;
    SnpRmpEntry e;
    uint32_t ret;

    if (large && (pg->gpa & (PAGE_2M - 1) & ~(PAGE_4K - 1))) {
        return SNP_RMP_FAIL_INPUT;
    }
    if (target >= SNP_NR_VMPL || (perm & ~SNP_PERM_ALL) ||
        (attrs >> 17)) {
        return SNP_RMP_FAIL_INPUT;
    }
    if (target <= vmpl) {
        return SNP_RMP_FAIL_PERMISSION;
    }
    ret = guest_page_check(pg, asid, large, &e, npf);
    if (ret != SNP_RMP_OK) {
        return ret;
    }
    if (!e.validated) {
        return SNP_RMP_VC;
    }
    /* Nobody gives what he does not have. */
    if (perm & ~e.perm[vmpl]) {
        return SNP_RMP_FAIL_PERMISSION;
    }
    base = pg->spa & ~((e.large ? PAGE_2M : PAGE_4K) - 1);
    for (page = base; page < base + (e.large ? PAGE_2M : PAGE_4K);
         page += PAGE_4K) {
        if (rmp_in_use(page)) {
            return SNP_RMP_FAIL_INUSE;
        }
    }
    e.perm[target] = perm;
    if (!vmpl) {
        /* A VMSA is VMPL0's to declare; from others the bit is ignored. */
        e.vmsa = vmsa;
    }
    rmp_flush(cs, guest_store(cs, pg->spa, &e));
    return SNP_RMP_OK;
}

uint32_t snp_rmpadjust(CPUState *cs, const SnpGuestPage *pg, uint32_t asid,
                       uint8_t vmpl, bool large, uint64_t attrs, uint64_t *npf)
{
    uint32_t ret;

    snp_rmp_lock();
    ret = rmpadjust_locked(cs, pg, asid, vmpl, large, attrs, npf);
    snp_rmp_unlock();

    snp_count(SNP_CNT_RMPADJUST);
    trace_snp_rmpadjust(asid, vmpl, pg->gpa, pg->spa, large, attrs, ret);
    return ret;
}

uint32_t snp_rmpquery(const SnpGuestPage *pg, uint32_t asid, uint8_t vmpl,
                      uint8_t target, uint64_t *attrs, bool *large,
                      uint64_t *npf)
{
    SnpRmpEntry e;
    uint32_t ret;

    snp_rmp_lock();
    if (target >= SNP_NR_VMPL) {
        ret = SNP_RMP_FAIL_INPUT;
    } else if (target < vmpl) {
        ret = SNP_RMP_FAIL_PERMISSION;
    } else {
        /* Reading is no size mismatch: the size is part of the answer. */
        ret = guest_page_check(pg, asid, rmp_indexed(pg->spa) &&
                               (rmp_lo(pg->spa) & RMP_LO_LARGE), &e, npf);
    }
    if (ret == SNP_RMP_OK && !e.validated) {
        ret = SNP_RMP_VC;
    }
    if (ret == SNP_RMP_OK) {
        *attrs = target | e.perm[target] << RMPADJUST_PERM_SHIFT |
                 (e.vmsa ? RMPADJUST_VMSA : 0);
        *large = e.large;
    }
    snp_rmp_unlock();
    return ret;
}
