/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Emulated SEV firmware: platform commands of SEV and SEV-SNP.
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "exec/cputlb.h"
#include "hw/core/cpu.h"
#include "hw/i386/x86-iommu.h"
#include "hw/i386/amd_iommu.h"
#include "psp-fw.h"

/* --- the IOMMU's own pages ------------------------------------------- */

/*
 * The IOMMU writes its event log, its peripheral page request log and the
 * completion-wait store itself, so SNP_INIT turns them into Firmware pages.
 * It finds them by the IOMMU's registers: Event Log Base, PPR Log Base, and
 * with SNP Exclusion Base, which is then the completion-wait base (see Linux
 * drivers/iommu/amd/init.c, iommu_set_cwwb_range()).
 */
static FwRange fw_iommu_log(AMDVIState *s, unsigned reg)
{
    uint64_t v = ldq_le_p(&s->mmior[reg]);
    hwaddr base = v & MAKE_64BIT_MASK(12, 40);

    return (FwRange) {
        .base = base,
        .len = base ? ROUND_UP(16ULL << extract64(v, 56, 4), FW_PAGE) : 0,
    };
}

static void fw_iommu_find(FwRange found[SNP_IOMMU_NR])
{
    X86IOMMUState *x86 = x86_iommu_get_default();
    AMDVIState *s;
    hwaddr store, limit;

    memset(found, 0, SNP_IOMMU_NR * sizeof(*found));
    if (!x86 || !object_dynamic_cast(OBJECT(x86), TYPE_AMD_IOMMU_DEVICE)) {
        return;
    }
    s = AMD_IOMMU_DEVICE(x86);
    found[SNP_IOMMU_EVENT_LOG] = fw_iommu_log(s, AMDVI_MMIO_EVENT_BASE);
    found[SNP_IOMMU_PPR_LOG] = fw_iommu_log(s, AMDVI_MMIO_PPR_BASE);

    store = ldq_le_p(&s->mmior[AMDVI_MMIO_EXCL_BASE]) & MAKE_64BIT_MASK(12, 40);
    limit = ldq_le_p(&s->mmior[AMDVI_MMIO_EXCL_LIMIT]) &
            MAKE_64BIT_MASK(12, 40);
    if (store != limit) {
        snp_unmodelled("an IOMMU's completion store from 0x%" HWADDR_PRIx
                       " to 0x%" HWADDR_PRIx, store, limit);
    }
    found[SNP_IOMMU_STORE] = (FwRange) {
        .base = store,
        .len = store ? FW_PAGE : 0,
    };
}

/* In the default state, or the firmware's already, and no part of 2 MiB */
static bool fw_may_be_taken(hwaddr p)
{
    SnpRmpEntry e;

    switch (fw_page(p, &e)) {
    case SNP_PAGE_HYPERVISOR:
    case SNP_PAGE_FIRMWARE:
    case SNP_PAGE_NOT_COVERED:
        return !e.large;
    default:
        return false;
    }
}

static bool fw_iommu_may_be_taken(const FwRange r[SNP_IOMMU_NR])
{
    hwaddr p;
    int i;

    for (i = 0; i < SNP_IOMMU_NR; i++) {
        for (p = r[i].base; p < r[i].base + r[i].len; p += FW_PAGE) {
            if (!fw_may_be_taken(p)) {
                return false;
            }
        }
    }
    return true;
}

static void fw_iommu_pages(SnpPageState state)
{
    hwaddr p;
    int i;

    for (i = 0; i < SNP_IOMMU_NR; i++) {
        const FwRange *r = &snp_fw.iommu[i];

        for (p = r->base; p < r->base + r->len; p += FW_PAGE) {
            if (snp_rmp_covers(p)) {
                fw_set_state(p, state);
            }
        }
    }
}

/* --- SNP_INIT, SNP_SHUTDOWN ------------------------------------------ */

static hwaddr fw_rmp_coverage(void)
{
    uint64_t bytes = snp_platform->rmp_end + 1 - snp_platform->rmp_base;

    return (bytes - SNP_RMP_BOOKKEEPING) / SNP_RMP_ENTRY_SIZE * FW_PAGE;
}

static void fw_rmp_init(void)
{
    hwaddr p, end = fw_rmp_coverage();

    for (p = 0; p < end; p += FW_PAGE) {
        SnpRmpEntry e;
        SnpPageState s = fw_page(p, &e);

        /* A page that was made HV-fixed stays so until the platform resets. */
        if (s != SNP_PAGE_HYPERVISOR && s != SNP_PAGE_NOT_COVERED &&
            !(s == SNP_PAGE_HV_FIXED && snp_fw.rmp_initialized)) {
            fw_set_state(p, SNP_PAGE_HYPERVISOR);
        }
    }
}

/* RANGE_LIST: u32 count, u32 reserved; RANGE: u64 base, u32 pages, reserved */
static FwStatus fw_hv_fixed_read(hwaddr list, uint8_t page[FW_PAGE])
{
    uint32_t n, i;

    if ((list & (FW_PAGE - 1)) || !fw_read(list, page, FW_PAGE)) {
        return FW_INVALID_ADDRESS;
    }
    n = ldl_le_p(page);
    if (n > (FW_PAGE - 8) / 16 || ldl_le_p(page + 4)) {
        return FW_INVALID_PARAM;
    }
    for (i = 0; i < n; i++) {
        uint8_t *r = page + 8 + 16 * i;

        if ((ldq_le_p(r) & (FW_PAGE - 1)) || ldl_le_p(r + 12)) {
            return FW_INVALID_PARAM;
        }
    }
    return FW_SUCCESS;
}

/* Makes the pages of the list HV-fixed, or only looks if they may be. */
static bool fw_hv_fixed(const uint8_t page[FW_PAGE], bool look)
{
    hwaddr end = fw_rmp_coverage();
    uint32_t n = ldl_le_p(page), i;

    for (i = 0; i < n; i++) {
        const uint8_t *r = page + 8 + 16 * i;
        hwaddr p = ldq_le_p(r);
        uint64_t left = ldl_le_p(r + 8);
        SnpRmpEntry e;

        /* Ranges outside the RMP (the HyperTransport hole) are tolerated. */
        for (; left && p < end; left--, p += FW_PAGE) {
            if (!look) {
                fw_set_state(p, SNP_PAGE_HV_FIXED);
            } else if (fw_page(p, &e) != SNP_PAGE_HV_FIXED &&
                       !fw_may_be_taken(p)) {
                return false;
            }
        }
    }
    return true;
}

static FwStatus fw_snp_init(bool init_rmp, bool list_en, hwaddr list)
{
    FwRange iommu[SNP_IOMMU_NR];
    uint8_t page[FW_PAGE] = { 0 };
    CPUState *cs;
    hwaddr p;
    FwStatus st;

    if (snp_fw.snp_init || snp_fw.sev_state != PSTATE_UNINIT) {
        return FW_INVALID_PLATFORM_STATE;
    }
    if (!snp_rmp_active() || !fw_cpus_ready()) {
        return FW_INVALID_CONFIG;
    }
    if (!init_rmp && !snp_fw.rmp_initialized) {
        return FW_RMP_INIT_REQUIRED;
    }
    if (list_en) {
        st = fw_hv_fixed_read(list, page);
        if (st != FW_SUCCESS) {
            return st;
        }
    }
    fw_iommu_find(iommu);

    /* All is looked at before anything is changed. */
    if (!init_rmp &&
        (!fw_hv_fixed(page, true) || !fw_iommu_may_be_taken(iommu))) {
        return FW_INVALID_PAGE_STATE;
    }
    if (init_rmp) {
        fw_rmp_init();
    }
    fw_hv_fixed(page, false);
    for (p = snp_platform->rmp_base & ~(FW_PAGE - 1);
         p < snp_platform->rmp_end; p += FW_PAGE) {
        if (snp_rmp_covers(p)) {
            fw_set_state(p, SNP_PAGE_FIRMWARE);
        }
    }
    memcpy(snp_fw.iommu, iommu, sizeof(iommu));
    fw_iommu_pages(SNP_PAGE_FIRMWARE);

    snp_fw.rmp_initialized = true;
    snp_fw.snp_init = true;
    qatomic_set(&snp_fw.iommu_enforce, true);

    /* All CPUs are stopped: access got tighter, none may keep the old one. */
    CPU_FOREACH(cs) {
        tlb_flush(cs);
    }
    return FW_SUCCESS;
}

static FwStatus cmd_snp_init(uint8_t *buf)
{
    return fw_snp_init(true, false, 0);
}

static FwStatus cmd_snp_init_ex(uint8_t *buf)
{
    uint32_t flags = ldl_le_p(buf);
    int i;

    /* RAPL_DIS, ciphertext hiding and TIO are announced by no feature. */
    if ((flags & ~3u) || ldl_le_p(buf + 4)) {
        return FW_INVALID_PARAM;
    }
    for (i = 16; i < 64; i++) {
        if (buf[i]) {
            return FW_INVALID_PARAM;
        }
    }
    return fw_snp_init(flags & 1, flags & 2, ldq_le_p(buf + 8));
}

static gboolean decommission_all(gpointer key, gpointer value, gpointer opaque)
{
    SnpGuest *g = value;

    fw_set_state(g->gctx, SNP_PAGE_FIRMWARE);
    if (g->asid) {
        fw_asid_unbind(g->asid);
    }
    return true;
}

static FwStatus fw_snp_shutdown(bool iommu)
{
    uint32_t asid;

    if (snp_fw.sev_state != PSTATE_UNINIT) {
        return FW_INVALID_PLATFORM_STATE;
    }
    g_hash_table_foreach_remove(snp_fw.snp_guests, decommission_all, NULL);
    for (asid = 1; asid <= SNP_MAX_ASID; asid++) {
        if (snp_fw.asid[asid].dirty) {
            return FW_DFFLUSH_REQUIRED;
        }
    }
    fw_leak_check_all();
    if (iommu) {
        fw_iommu_pages(SNP_PAGE_RECLAIM);
        qatomic_set(&snp_fw.iommu_enforce, false);
    }
    snp_fw.snp_init = false;
    return FW_SUCCESS;
}

static FwStatus cmd_snp_shutdown(uint8_t *buf)
{
    return fw_snp_shutdown(false);
}

static FwStatus cmd_snp_shutdown_ex(uint8_t *buf)
{
    uint32_t flags = ldl_le_p(buf + 4);

    if (ldl_le_p(buf) != 8) {
        return FW_INVALID_LEN;
    }
    /* X86_SNP_SHUTDOWN is announced by no feature. */
    if (flags & ~1u) {
        return FW_INVALID_PARAM;
    }
    return fw_snp_shutdown(flags & 1);
}

static FwStatus cmd_snp_platform_status(uint8_t *buf)
{
    hwaddr out = ldq_le_p(buf);
    uint8_t s[32] = { 0 };
    FwStatus st;

    /* No alignment: Linux passes a member of a packed structure. */
    st = fw_check_snp_output(out, sizeof(s));
    if (st != FW_SUCCESS) {
        return st;
    }

    s[0] = FW_API_MAJOR;
    s[1] = FW_API_MINOR;
    s[2] = snp_fw.snp_init;
    s[3] = snp_fw.rmp_initialized;
    stl_le_p(s + 4, FW_BUILD);
    stl_le_p(s + 8, snp_fw.mask_chip);
    stl_le_p(s + 12, g_hash_table_size(snp_fw.snp_guests));
    stq_le_p(s + 16, FW_TCB);
    stq_le_p(s + 24, snp_fw.reported_tcb);
    fw_write(out, s, sizeof(s));
    fw_output_done(out);
    return FW_SUCCESS;
}

static void fw_df_flush(void)
{
    uint32_t asid;

    for (asid = 1; asid <= SNP_MAX_ASID; asid++) {
        if (!fw_asid_owned(asid)) {
            snp_fw.asid[asid].dirty = false;
        }
    }
}

static FwStatus cmd_df_flush(uint8_t *buf)
{
    fw_df_flush();
    return FW_SUCCESS;
}

static FwStatus cmd_page_reclaim(uint8_t *buf)
{
    uint64_t v = ldq_le_p(buf);
    bool large = v & 1;
    hwaddr p = v & ~1ULL;
    uint64_t i, n = large ? FW_2M / FW_PAGE : 1;
    SnpRmpEntry e;

    if (p & ((large ? FW_2M : FW_PAGE) - 1) || !fw_is_ram(p, n * FW_PAGE) ||
        !snp_rmp_covers(p)) {
        return FW_INVALID_ADDRESS;
    }

    switch (fw_page(p, &e)) {
    case SNP_PAGE_METADATA:
    case SNP_PAGE_FIRMWARE:
    case SNP_PAGE_PRE_GUEST:
    case SNP_PAGE_PRE_SWAP:
    case SNP_PAGE_RECLAIM:
        break;
    default:
        return FW_INVALID_PAGE_STATE;
    }
    if (e.large != large) {
        return FW_INVALID_PAGE_SIZE;
    }
    for (i = 0; i < n; i++) {
        if (fw_own_page(p + i * FW_PAGE)) {
            return FW_INVALID_PAGE_STATE;
        }
    }

    for (i = 0; i < n; i++) {
        SnpRmpEntry r = { .assigned = true, .large = large };

        fw_set_page(p + i * FW_PAGE, &r);
    }
    return FW_SUCCESS;
}

static FwStatus cmd_snp_commit(uint8_t *buf)
{
    return ldl_le_p(buf) == 4 ? FW_SUCCESS : FW_INVALID_LEN;
}

static FwStatus cmd_snp_config(uint8_t *buf)
{
    uint64_t tcb = ldq_le_p(buf);
    uint32_t flags = ldl_le_p(buf + 8);
    int i;

    if (flags & ~3u) {
        return FW_INVALID_PARAM;
    }
    for (i = 12; i < 64; i++) {
        if (buf[i]) {
            return FW_INVALID_PARAM;
        }
    }
    /* Each component of the reported TCB is at most the current one's. */
    for (i = 0; i < 64; i += 8) {
        if (extract64(tcb, i, 8) > extract64(FW_TCB, i, 8)) {
            return FW_INVALID_PARAM;
        }
    }
    snp_fw.reported_tcb = tcb ? tcb : FW_TCB;
    snp_fw.mask_chip = flags;
    return FW_SUCCESS;
}

/* --- SEV ------------------------------------------------------------- */

static FwStatus fw_sev_init(uint32_t flags, hwaddr tmr, uint32_t tmr_len)
{
    uint32_t want = snp_fw.snp_init ? FW_2M : FW_2M / 2;
    FwStatus st;

    if (snp_fw.sev_state != PSTATE_UNINIT) {
        return FW_INVALID_PLATFORM_STATE;
    }
    if (flags & ~1u) {
        return FW_INVALID_PARAM;
    }
    if (flags & 1) {
        if (tmr_len < want) {
            return FW_INVALID_LEN;
        }
        if (tmr & (want - 1)) {
            return FW_INVALID_ADDRESS;
        }
        st = fw_check_output(tmr, tmr_len);
        if (st != FW_SUCCESS) {
            return st;
        }
        snp_fw.tmr = (FwRange) { .base = tmr, .len = tmr_len };
        snp_fw.sev_es = true;
    }
    snp_fw.sev_state = PSTATE_INIT;
    return FW_SUCCESS;
}

static FwStatus cmd_init(uint8_t *buf)
{
    if (ldl_le_p(buf + 4)) {
        return FW_INVALID_PARAM;
    }
    return fw_sev_init(ldl_le_p(buf), ldq_le_p(buf + 8), ldl_le_p(buf + 16));
}

#define FW_NV_LEN   (32 * 1024)

static FwStatus cmd_init_ex(uint8_t *buf)
{
    hwaddr nv = ldq_le_p(buf + 24);
    FwStatus st;

    if (ldl_le_p(buf) != 36 || ldl_le_p(buf + 32) != FW_NV_LEN) {
        return FW_INVALID_LEN;
    }
    if (ldl_le_p(buf + 20)) {
        return FW_INVALID_PARAM;
    }
    if (nv & (FW_PAGE - 1)) {
        return FW_INVALID_ADDRESS;
    }
    st = fw_check_output(nv, FW_NV_LEN);
    if (st != FW_SUCCESS) {
        return st;
    }
    /* There is nothing persistent to keep: the area stays as it is. */
    return fw_sev_init(ldl_le_p(buf + 4), ldq_le_p(buf + 8),
                       ldl_le_p(buf + 16));
}

static FwStatus cmd_shutdown(uint8_t *buf)
{
    fw_sev_drop_all();
    snp_fw.sev_state = PSTATE_UNINIT;
    snp_fw.sev_es = false;
    snp_fw.tmr = (FwRange) { 0 };
    return FW_SUCCESS;
}

static FwStatus cmd_factory_reset(uint8_t *buf)
{
    if (snp_fw.sev_state != PSTATE_UNINIT) {
        return FW_INVALID_PLATFORM_STATE;
    }
    return FW_SUCCESS;
}

static FwStatus cmd_platform_status(uint8_t *buf)
{
    uint32_t guests = g_hash_table_size(snp_fw.sev_guests);

    memset(buf, 0, 12);
    buf[0] = FW_API_MAJOR;
    buf[1] = FW_API_MINOR;
    buf[2] = guests ? PSTATE_WORKING : snp_fw.sev_state;
    stl_le_p(buf + 3, snp_fw.sev_es ? 0x100 : 0);   /* CONFIG.ES */
    buf[7] = FW_BUILD;
    stl_le_p(buf + 8, guests);
    return FW_SUCCESS;
}

#define FW_ID_LEN   64

static FwStatus cmd_get_id(uint8_t *buf)
{
    hwaddr out = ldq_le_p(buf);
    uint32_t len = ldl_le_p(buf + 8);
    uint8_t id[FW_ID_LEN] = "emulated SNP platform, not a CPU";
    FwStatus st;

    stl_le_p(buf + 8, FW_ID_LEN);
    if (len < FW_ID_LEN) {
        return FW_INVALID_LEN;
    }
    st = fw_check_output(out, FW_ID_LEN);
    if (st == FW_SUCCESS) {
        fw_write(out, id, sizeof(id));
    }
    return st;
}

const FwCmd fw_platform_cmds[] = {
    { 0x01, "INIT", 20, 0, cmd_init },
    { 0x02, "SHUTDOWN", 0, 0, cmd_shutdown },
    { 0x03, "FACTORY_RESET", 0, 0, cmd_factory_reset },
    { 0x04, "PLATFORM_STATUS", 12, FWC_BUF_WRITE, cmd_platform_status },
    { 0x05, "PEK_GEN" },
    { 0x06, "PEK_CSR" },
    { 0x07, "PEK_CERT_IMPORT" },
    { 0x08, "PDH_CERT_EXPORT" },
    { 0x09, "PDH_GEN" },
    { 0x0a, "DF_FLUSH", 0, FWC_SEV_INIT, cmd_df_flush },
    { 0x0b, "DOWNLOAD_FIRMWARE" },
    { 0x0c, "GET_ID", 12, FWC_BUF_WRITE, cmd_get_id },
    { 0x0d, "INIT_EX", 36, 0, cmd_init_ex },
    { 0x81, "SNP_INIT", 0, 0, cmd_snp_init },
    { 0x82, "SNP_SHUTDOWN", 0, FWC_SNP_INIT, cmd_snp_shutdown },
    { 0x83, "SNP_PLATFORM_STATUS", 8, 0, cmd_snp_platform_status },
    { 0x84, "SNP_DF_FLUSH", 0, FWC_SNP_INIT, cmd_df_flush },
    { 0x85, "SNP_INIT_EX", 64, 0, cmd_snp_init_ex },
    { 0x86, "SNP_SHUTDOWN_EX", 8, FWC_SNP_INIT, cmd_snp_shutdown_ex },
    { 0xb2, "SNP_VERIFY_MITIGATION" },
    { 0xc0, "SNP_PAGE_SWAP_OUT" },
    { 0xc1, "SNP_PAGE_SWAP_IN" },
    { 0xc2, "SNP_PAGE_MOVE" },
    { 0xc3, "SNP_PAGE_MD_INIT" },
    { 0xc6, "SNP_PAGE_SET_STATE" },
    { 0xc7, "SNP_PAGE_RECLAIM", 8, FWC_SNP_INIT, cmd_page_reclaim },
    { 0xc8, "SNP_PAGE_UNSMASH" },
    { 0xc9, "SNP_CONFIG", 64, FWC_SNP_INIT, cmd_snp_config },
    { 0xca, "SNP_DOWNLOAD_FIRMWARE_EX" },
    { 0xcb, "SNP_COMMIT", 4, 0, cmd_snp_commit },
    { 0xcd, "SNP_VLEK_LOAD" },
    { 0xce, "SNP_FEATURE_INFO" },
    { }
};
