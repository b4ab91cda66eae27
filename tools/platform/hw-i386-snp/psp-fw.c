/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Emulated SEV firmware: dispatch, memory, page states, ASIDs.
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "qemu/rcu.h"
#include "qemu/timer.h"
#include "exec/memory.h"
#include "exec/address-spaces.h"
#include "crypto/hash.h"
#include "psp-fw.h"
#include "trace.h"

SnpFw snp_fw;

void snp_sha384(const void *data, size_t len, uint8_t out[SNP_DIGEST_LEN])
{
    size_t n = SNP_DIGEST_LEN;
    uint8_t *p = out;

    if (qcrypto_hash_bytes(QCRYPTO_HASH_ALGO_SHA384, data, len, &p, &n, NULL) ||
        n != SNP_DIGEST_LEN) {
        error_report("snp-psp: SHA-384 is missing from this build of QEMU");
        abort();
    }
}

/* --- memory ---------------------------------------------------------- */

bool fw_is_ram(hwaddr addr, uint64_t len)
{
    RCU_READ_LOCK_GUARD();

    if (!len || addr + len < addr) {
        return false;
    }
    while (len) {
        hwaddr l = len, xlat;
        MemoryRegion *mr = address_space_translate(&address_space_memory, addr,
                                                   &xlat, &l, true,
                                                   MEMTXATTRS_UNSPECIFIED);

        if (!memory_access_is_direct(mr, true, MEMTXATTRS_UNSPECIFIED)) {
            return false;
        }
        addr += l;
        len -= l;
    }
    return true;
}

bool fw_read(hwaddr addr, void *buf, uint64_t len)
{
    return fw_is_ram(addr, len) &&
           address_space_read(&address_space_memory, addr,
                              MEMTXATTRS_UNSPECIFIED, buf, len) == MEMTX_OK;
}

bool fw_write(hwaddr addr, const void *buf, uint64_t len)
{
    return fw_is_ram(addr, len) &&
           address_space_write(&address_space_memory, addr,
                               MEMTXATTRS_UNSPECIFIED, buf, len) == MEMTX_OK;
}

void fw_copy(hwaddr dst, hwaddr src, uint64_t len)
{
    uint8_t page[FW_PAGE];

    while (len) {
        uint64_t l = MIN(len, sizeof(page));

        if (!fw_read(src, page, l) || !fw_write(dst, page, l)) {
            g_assert_not_reached();     /* callers checked fw_is_ram() */
        }
        src += l;
        dst += l;
        len -= l;
    }
}

SnpPageState fw_page(hwaddr spa, SnpRmpEntry *e)
{
    memset(e, 0, sizeof(*e));
    if (!snp_rmp_active()) {
        return SNP_PAGE_HYPERVISOR;
    }
    if (!snp_rmp_read(spa, e)) {
        return SNP_PAGE_NOT_COVERED;
    }
    return snp_rmp_state(e);
}

void fw_set_page(hwaddr spa, const SnpRmpEntry *e)
{
    snp_rmp_lock();
    snp_rmp_write(NULL, spa, e);
    snp_rmp_unlock();
}

void fw_set_state(hwaddr spa, SnpPageState state)
{
    SnpRmpEntry e = { 0 };

    switch (state) {
    case SNP_PAGE_HYPERVISOR:
        break;
    case SNP_PAGE_HV_FIXED:
        e.immutable = true;
        break;
    case SNP_PAGE_RECLAIM:
        e.assigned = true;
        break;
    case SNP_PAGE_CONTEXT:
        e.vmsa = true;
        /* fallthrough */
    case SNP_PAGE_FIRMWARE:
        e.assigned = true;
        e.immutable = true;
        break;
    default:
        g_assert_not_reached();
    }
    fw_set_page(spa, &e);
}

static bool in_range(hwaddr p, const FwRange *r)
{
    return p < r->base + r->len && p + FW_PAGE > r->base;
}

bool fw_own_page(hwaddr p)
{
    int i;

    if (snp_rmp_active() && p <= snp_platform->rmp_end &&
        p + FW_PAGE > snp_platform->rmp_base) {
        return true;
    }
    for (i = 0; snp_fw.iommu_enforce && i < SNP_IOMMU_NR; i++) {
        if (in_range(p, &snp_fw.iommu[i])) {
            return true;
        }
    }
    return in_range(p, &snp_fw.tmr);
}

FwStatus fw_check_output(hwaddr addr, uint64_t len)
{
    hwaddr p;

    if (!fw_is_ram(addr, len)) {
        return FW_INVALID_ADDRESS;
    }
    for (p = addr & ~(FW_PAGE - 1); p < addr + len; p += FW_PAGE) {
        SnpRmpEntry e;
        SnpPageState s = fw_page(p, &e);

        if (fw_own_page(p)) {
            return FW_INVALID_PAGE_STATE;
        }
        if (s == SNP_PAGE_FIRMWARE) {
            continue;
        }
        if (s == SNP_PAGE_NOT_COVERED && !snp_fw.snp_init) {
            continue;
        }
        if (s == SNP_PAGE_HYPERVISOR && !snp_fw.snp_init) {
            continue;
        }
        return FW_INVALID_PAGE_STATE;
    }
    return FW_SUCCESS;
}

FwStatus fw_check_snp_output(hwaddr addr, uint64_t len)
{
    SnpRmpEntry e;
    FwStatus st;

    if (snp_fw.snp_init &&
        (addr & ~(FW_PAGE - 1)) != ((addr + len - 1) & ~(FW_PAGE - 1))) {
        return FW_INVALID_ADDRESS;
    }
    st = fw_check_output(addr, len);
    if (st == FW_SUCCESS) {
        fw_page(addr, &e);
        st = e.large ? FW_INVALID_PAGE_SIZE : FW_SUCCESS;
    }
    return st;
}

void fw_output_done(hwaddr addr)
{
    SnpRmpEntry e;
    hwaddr page = addr & ~(FW_PAGE - 1);

    if (fw_page(page, &e) == SNP_PAGE_FIRMWARE) {
        fw_set_state(page, SNP_PAGE_RECLAIM);
    }
}

/* --- ASIDs ----------------------------------------------------------- */

bool snp_asid_is_snp(uint32_t asid)
{
    return asid && asid <= SNP_MAX_ASID &&
           qatomic_read(&snp_fw.asid[asid].snp) != NULL;
}

FwStatus fw_asid_check(uint32_t asid, bool es_or_snp)
{
    uint32_t lo = es_or_snp ? 1 : SNP_MIN_SEV_ASID;
    uint32_t hi = es_or_snp ? SNP_MIN_SEV_ASID - 1 : SNP_MAX_ASID;

    if (asid < lo || asid > hi) {
        return FW_INVALID_ASID;
    }
    if (fw_asid_owned(asid)) {
        return FW_ASID_OWNED;
    }
    if (snp_fw.asid[asid].dirty) {
        return FW_DFFLUSH_REQUIRED;
    }
    return FW_SUCCESS;
}

/*
 * Linux gives a guest's pages back after DECOMMISSION (see snp-ctl-regs.h),
 * so the check waits until the ASID is used again or SNP is shut down: by
 * then DF_FLUSH must have come between, and no page may be left.
 */
static void fw_asid_check_leak(uint32_t asid)
{
    FwAsid *a = &snp_fw.asid[asid];
    uint64_t n;

    if (!a->check_leak) {
        return;
    }
    a->check_leak = false;
    if (!snp_rmp_active()) {
        return;
    }
    n = snp_rmp_count_asid(asid);
    if (n) {
        trace_snp_psp_leak(asid, n);
        if (!a->leak_reported) {
            a->leak_reported = true;
            warn_report("snp-psp: %" PRIu64 " pages still assigned to ASID "
                        "%u, which no guest used any more", n, asid);
        }
        qatomic_add(&snp_platform->counter[SNP_CNT_DECOMMISSION_LEAK], n);
    }
}

void fw_asid_bind(uint32_t asid, SnpGuest *snp, SevGuest *sev)
{
    FwAsid *a = &snp_fw.asid[asid];

    fw_asid_check_leak(asid);
    qatomic_set(&a->snp, snp);
    a->sev = sev;
}

void fw_asid_unbind(uint32_t asid)
{
    FwAsid *a = &snp_fw.asid[asid];

    a->check_leak = a->snp != NULL;
    a->dirty = true;
    qatomic_set(&a->snp, NULL);
    a->sev = NULL;
}

SnpGuest *fw_snp_guest(hwaddr gctx)
{
    return g_hash_table_lookup(snp_fw.snp_guests, &gctx);
}

void fw_snp_decommission(SnpGuest *g)
{
    if (g->asid) {
        fw_asid_unbind(g->asid);
    }
    g_hash_table_remove(snp_fw.snp_guests, &g->gctx);
}

static gboolean drop_sev_guest(gpointer key, gpointer value, gpointer opaque)
{
    SevGuest *g = value;

    if (g->asid) {
        fw_asid_unbind(g->asid);
    }
    return true;
}

void fw_sev_drop_all(void)
{
    g_hash_table_foreach_remove(snp_fw.sev_guests, drop_sev_guest, NULL);
}

void fw_leak_check_all(void)
{
    uint32_t asid;

    for (asid = 1; asid <= SNP_MAX_ASID; asid++) {
        if (!fw_asid_owned(asid)) {
            fw_asid_check_leak(asid);
        }
    }
}

void snp_fw_reset(void)
{
    if (snp_fw.snp_guests) {
        g_hash_table_destroy(snp_fw.snp_guests);
        g_hash_table_destroy(snp_fw.sev_guests);
    }
    memset(&snp_fw, 0, sizeof(snp_fw));
    snp_fw.snp_guests = g_hash_table_new_full(g_int64_hash, g_int64_equal,
                                              NULL, g_free);
    snp_fw.sev_guests = g_hash_table_new_full(g_int_hash, g_int_equal,
                                              NULL, g_free);
    snp_fw.next_handle = 1;
    snp_fw.reported_tcb = FW_TCB;
}

/* --- dispatch -------------------------------------------------------- */

static const FwCmd *fw_find(uint16_t cmd)
{
    const FwCmd *tables[] = {
        fw_platform_cmds, fw_snp_guest_cmds, fw_legacy_cmds
    };
    int i;

    for (i = 0; i < ARRAY_SIZE(tables); i++) {
        const FwCmd *c;

        for (c = tables[i]; c->name; c++) {
            if (c->id == cmd) {
                return c;
            }
        }
    }
    return NULL;
}

const char *snp_fw_cmd_name(uint16_t cmd)
{
    const FwCmd *c = fw_find(cmd);

    return c ? c->name : "unknown";
}

static FwStatus fw_run(const FwCmd *c, hwaddr addr)
{
    uint8_t buf[FW_CMD_BUF_MAX] = { 0 };
    FwStatus st;

    if (!c || !c->fn) {
        /*
         * An honest answer, as of a firmware that lacks the command.  The
         * list of these stands in the platform's documentation.
         */
        warn_report_once("snp-psp: a firmware command that is not modelled "
                         "(%s) was answered with INVALID_COMMAND",
                         c ? c->name : "unknown");
        return FW_INVALID_COMMAND;
    }

    /* The state of the platform comes before anything in the buffer. */
    if (((c->flags & FWC_SNP_INIT) && !snp_fw.snp_init) ||
        ((c->flags & FWC_SEV_INIT) && snp_fw.sev_state == PSTATE_UNINIT)) {
        return FW_INVALID_PLATFORM_STATE;
    }

    if (c->len) {
        if (!fw_read(addr, buf, c->len)) {
            return FW_INVALID_ADDRESS;
        }
        if ((c->flags & FWC_BUF_WRITE)) {
            st = fw_check_output(addr, c->len);
            if (st != FW_SUCCESS) {
                return st;
            }
        }
    }

    st = c->fn(buf);

    /* Lengths are handed back on failure, too. */
    if ((c->flags & FWC_BUF_WRITE) && !fw_write(addr, buf, c->len)) {
        g_assert_not_reached();
    }
    return st;
}

uint16_t snp_fw_command(uint16_t cmd, hwaddr addr)
{
    bool fail, after = false;
    uint16_t st, fail_st;

    snp_fw.trace_asid = 0;
    fail = snp_ctl_fail_cmd(cmd, &fail_st, &after);
    if (!fail || after) {
        st = fw_run(fw_find(cmd), addr);
    }
    if (fail) {
        st = fail_st;
    }
    snp_count(SNP_CNT_PSP_CMD);
    if (st != FW_SUCCESS) {
        snp_count(SNP_CNT_PSP_ERR);
    }
    trace_snp_psp_cmd(snp_fw_cmd_name(cmd), cmd, snp_fw.trace_asid, st);
    return st;
}
