/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Emulated SEV firmware: guest commands of SEV-SNP.
 *
 * Checks come in the order platform, parameters, guest, page; the ABI names
 * the status of each, not the order.
 */
#include "qemu/osdep.h"
#include "hw/boards.h"
#include "qemu/cutils.h"
#include "attest.h"
#include "psp-fw.h"
#include "trace.h"

/* Guest policy, ABI table "Guest Policy" */
#define POLICY_ABI_MINOR(p)     extract64(p, 0, 8)
#define POLICY_ABI_MAJOR(p)     extract64(p, 8, 8)
#define POLICY_SMT              (1ULL << 16)
#define POLICY_MBO              (1ULL << 17)
#define POLICY_DEBUG            (1ULL << 19)
/* Bits up to SINGLE_SOCKET: the others need an announced feature. */
#define POLICY_KNOWN            MAKE_64BIT_MASK(0, 21)

FwStatus fw_find_snp_guest(hwaddr gctx, SnpGuest **g)
{
    SnpRmpEntry e;

    if ((gctx & (FW_PAGE - 1)) || !fw_is_ram(gctx, FW_PAGE)) {
        return FW_INVALID_ADDRESS;
    }
    if (fw_page(gctx, &e) != SNP_PAGE_CONTEXT) {
        return FW_INVALID_GUEST;
    }
    *g = fw_snp_guest(gctx);
    if (!*g) {
        return FW_INVALID_GUEST;
    }
    snp_fw.trace_asid = (*g)->asid;
    return FW_SUCCESS;
}

#define FIND_GUEST(gctx, g) \
    do { \
        FwStatus st_ = fw_find_snp_guest(gctx, &(g)); \
        if (st_ != FW_SUCCESS) { \
            return st_; \
        } \
    } while (0)

/* Keys of the emulated firmware are no secret, only distinct. */
static void guest_secret(const char *what, uint64_t nr, uint8_t out[32])
{
    uint64_t seed[4] = { cpu_to_le64(snp_fw.guest_seq), cpu_to_le64(nr) };
    uint8_t h[SNP_DIGEST_LEN];

    pstrcpy((char *)&seed[2], 16, what);
    snp_sha384(seed, sizeof(seed), h);
    memcpy(out, h, 32);
}

static FwStatus cmd_gctx_create(uint8_t *buf)
{
    hwaddr gctx = ldq_le_p(buf);
    SnpGuest *g;
    SnpRmpEntry e;
    SnpPageState s;
    int i;

    if ((gctx & (FW_PAGE - 1)) || !fw_is_ram(gctx, FW_PAGE)) {
        return FW_INVALID_ADDRESS;
    }
    s = fw_page(gctx, &e);
    if (s == SNP_PAGE_NOT_COVERED) {
        return FW_INVALID_ADDRESS;
    }
    if (s != SNP_PAGE_FIRMWARE || fw_own_page(gctx)) {
        return FW_INVALID_PAGE_STATE;
    }
    if (e.large) {
        return FW_INVALID_PAGE_SIZE;
    }

    g = g_new0(SnpGuest, 1);
    g->gctx = gctx;
    g->state = GSTATE_INIT;
    snp_digest_init(g->ld);
    snp_digest_init(g->imd);
    snp_fw.guest_seq++;
    for (i = 0; i < SNP_NR_VMPL; i++) {
        guest_secret("VMPCK", i, g->vmpck[i]);
    }
    guest_secret("REPORT_ID", 0, g->report_id);
    guest_secret("VMRK", 0, g->vmrk);
    g_hash_table_insert(snp_fw.snp_guests, &g->gctx, g);
    fw_set_state(gctx, SNP_PAGE_CONTEXT);
    return FW_SUCCESS;
}

static FwStatus cmd_decommission(uint8_t *buf)
{
    hwaddr gctx = ldq_le_p(buf);
    SnpGuest *g;

    FIND_GUEST(gctx, g);
    fw_snp_decommission(g);
    fw_set_state(gctx, SNP_PAGE_FIRMWARE);
    return FW_SUCCESS;
}

static FwStatus cmd_activate(uint8_t *buf)
{
    uint32_t asid = ldl_le_p(buf + 8);
    SnpGuest *g;
    FwStatus st;

    FIND_GUEST(ldq_le_p(buf), g);
    if (g->state == GSTATE_INIT) {
        return FW_INVALID_GUEST_STATE;
    }
    if (g->asid) {
        return FW_ACTIVE;
    }
    st = fw_asid_check(asid, true);
    if (st != FW_SUCCESS) {
        return st;
    }
    fw_asid_bind(asid, g, NULL);
    g->asid = asid;
    snp_fw.trace_asid = asid;
    return FW_SUCCESS;
}

bool fw_smt_enabled(void)
{
    return current_machine->smp.threads > 1;
}

static FwStatus cmd_launch_start(uint8_t *buf)
{
    uint64_t policy = ldq_le_p(buf + 8);
    uint32_t flags = ldl_le_p(buf + 24);
    SnpGuest *g;

    if (flags & ~3u) {
        return FW_INVALID_PARAM;
    }
    FIND_GUEST(ldq_le_p(buf), g);
    if (g->state != GSTATE_INIT) {
        return FW_INVALID_GUEST_STATE;
    }
    if (!(policy & POLICY_MBO) || (policy & ~POLICY_KNOWN)) {
        return FW_POLICY_FAILURE;
    }
    if (POLICY_ABI_MAJOR(policy) > FW_API_MAJOR ||
        (POLICY_ABI_MAJOR(policy) == FW_API_MAJOR &&
         POLICY_ABI_MINOR(policy) > FW_API_MINOR)) {
        return FW_POLICY_FAILURE;
    }
    if (fw_smt_enabled() && !(policy & POLICY_SMT)) {
        return FW_POLICY_FAILURE;
    }
    if (flags & 1) {
        snp_unmodelled("SNP_LAUNCH_START with a migration agent (MA_EN)");
        return FW_UNSUPPORTED;
    }

    g->policy = policy;
    g->launch_tcb = FW_TCB;
    g->imi_en = flags & 2;
    g->desired_tsc_khz = ldl_le_p(buf + 28);
    memcpy(g->gosvw, buf + 32, sizeof(g->gosvw));
    g->state = GSTATE_LAUNCH;
    return FW_SUCCESS;
}

/* Layout of the secrets page: ABI, SNP_LAUNCH_UPDATE, "Secrets Page". */
static void build_secrets(const SnpGuest *g, uint8_t *page)
{
    int i;

    memset(page, 0, FW_PAGE);
    stl_le_p(page, 3);                          /* VERSION */
    stl_le_p(page + 4, g->imi_en);
    stl_le_p(page + 8, 0x00a00f11);             /* FMS */
    memcpy(page + 0x10, g->gosvw, sizeof(g->gosvw));
    for (i = 0; i < SNP_NR_VMPL; i++) {
        memcpy(page + 0x20 + 32 * i, g->vmpck[i], 32);
    }
}

static FwStatus cmd_launch_update(uint8_t *buf)
{
    uint32_t ctl = ldl_le_p(buf + 8);
    uint32_t perms = ldl_le_p(buf + 24);
    hwaddr spa = ldq_le_p(buf + 16);
    bool large = ctl & 1;
    bool imi = ctl & 0x10;
    uint64_t i, n = large ? FW_2M / FW_PAGE : 1;
    struct snp_digest_record rec = {
        .type = extract32(ctl, 1, 3),
        .imi = imi,
        .vmpl_perm = {
            0, extract32(perms, 8, 8), extract32(perms, 16, 8),
            extract32(perms, 24, 8),
        },
    };
    uint8_t page[FW_PAGE];
    SnpGuest *g;
    SnpRmpEntry e;
    SnpPageState s;

    if ((ctl & ~0x1fu) || ldl_le_p(buf + 12) || (perms & 0xff) ||
        (perms & 0xf0f0f000) || ldl_le_p(buf + 28)) {
        return FW_INVALID_PARAM;
    }
    if (rec.type < SNP_DIGEST_NORMAL || rec.type > SNP_DIGEST_CPUID) {
        return FW_INVALID_PARAM;
    }
    FIND_GUEST(ldq_le_p(buf), g);
    if (g->state != GSTATE_LAUNCH) {
        return FW_INVALID_GUEST_STATE;
    }
    if (!g->asid) {
        return FW_INACTIVE;
    }
    if (imi && !g->imi_en) {
        return FW_INVALID_PARAM;
    }

    if ((spa & ((large ? FW_2M : FW_PAGE) - 1)) ||
        !fw_is_ram(spa, n * FW_PAGE)) {
        return FW_INVALID_ADDRESS;
    }
    s = fw_page(spa, &e);
    if (s == SNP_PAGE_NOT_COVERED) {
        return FW_INVALID_ADDRESS;
    }
    if (s != SNP_PAGE_PRE_GUEST) {
        return FW_INVALID_PAGE_STATE;
    }
    if (e.asid != g->asid) {
        return FW_INVALID_PAGE_OWNER;
    }
    if (e.large != large ||
        (large && (rec.type == SNP_DIGEST_VMSA ||
                   rec.type == SNP_DIGEST_SECRETS ||
                   rec.type == SNP_DIGEST_CPUID))) {
        return FW_INVALID_PAGE_SIZE;
    }
    rec.gpa = e.gpa;
    trace_snp_psp_launch_update(g->asid, spa, e.gpa, rec.type, large);

    if (rec.type == SNP_DIGEST_CPUID) {
        fw_read(spa, page, sizeof(page));
        if (!fw_cpuid_page_check(page)) {
            /* The page stays Pre-Guest, with the values that would pass. */
            fw_write(spa, page, sizeof(page));
            return FW_INVALID_PARAM;
        }
    }

    for (i = 0; i < n; i++) {
        hwaddr p = spa + i * FW_PAGE;

        fw_page(p, &e);
        rec.gpa = e.gpa;

        fw_read(p, page, sizeof(page));
        if (!snp_digest_extend(g->ld, &rec, page) ||
            (imi && !snp_digest_extend(g->imd, &rec, page))) {
            g_assert_not_reached();
        }
        switch (rec.type) {
        case SNP_DIGEST_ZERO:
            memset(page, 0, sizeof(page));
            fw_write(p, page, sizeof(page));
            break;
        case SNP_DIGEST_SECRETS:
            build_secrets(g, page);
            fw_write(p, page, sizeof(page));
            break;
        default:
            break;
        }

        e.immutable = false;
        e.validated = true;
        e.vmsa = rec.type == SNP_DIGEST_VMSA;
        e.perm[0] = SNP_PERM_ALL;
        e.perm[1] = rec.vmpl_perm[1];
        e.perm[2] = rec.vmpl_perm[2];
        e.perm[3] = rec.vmpl_perm[3];
        fw_set_page(p, &e);
    }
    return FW_SUCCESS;
}

/* ID block: ABI, SNP_LAUNCH_FINISH, structure ID_BLOCK */
enum {
    IDB_LD = 0x00, IDB_FAMILY_ID = 0x30, IDB_IMAGE_ID = 0x40,
    IDB_VERSION = 0x50, IDB_GUEST_SVN = 0x54, IDB_POLICY = 0x58,
    IDB_SIZE = 0x60
};
/* ID authentication information */
enum { IDA_ID_KEY = 0x240, IDA_AUTHOR_KEY = 0x880, IDA_SIZE = 0x1000 };

static FwStatus cmd_launch_finish(uint8_t *buf)
{
    uint64_t flags = ldq_le_p(buf + 24);
    hwaddr idb = ldq_le_p(buf + 8);
    hwaddr ida = ldq_le_p(buf + 16);
    bool id_en = flags & 1;
    uint8_t id[IDB_SIZE], auth[IDA_SIZE];
    SnpGuest *g;

    if (flags & ~7ULL) {
        return FW_INVALID_PARAM;
    }
    FIND_GUEST(ldq_le_p(buf), g);
    if (g->state != GSTATE_LAUNCH) {
        return FW_INVALID_GUEST_STATE;
    }
    if (!g->asid) {
        return FW_INACTIVE;
    }
    memcpy(snp_fw.last_ld, g->ld, sizeof(snp_fw.last_ld));
    if (id_en) {
        if (!fw_read(idb, id, sizeof(id)) ||
            !fw_read(ida, auth, sizeof(auth))) {
            return FW_INVALID_ADDRESS;
        }
        /* Signatures of the authentication structure are not checked. */
        if (ldl_le_p(id + IDB_VERSION) != 1) {
            return FW_INVALID_PARAM;
        }
        if (memcmp(id + IDB_LD, g->ld, SNP_DIGEST_LEN)) {
            return FW_BAD_MEASUREMENT;
        }
        if (ldq_le_p(id + IDB_POLICY) != g->policy) {
            return FW_POLICY_FAILURE;
        }
    }

    g->id_block_en = id_en;
    if (id_en) {
        memcpy(g->family_id, id + IDB_FAMILY_ID, sizeof(g->family_id));
        memcpy(g->image_id, id + IDB_IMAGE_ID, sizeof(g->image_id));
        g->guest_svn = ldl_le_p(id + IDB_GUEST_SVN);
        snp_sha384(auth + IDA_ID_KEY, SNP_PUBKEY_LEN, g->id_key_digest);
        g->author_key_en = flags & 2;
        if (g->author_key_en) {
            snp_sha384(auth + IDA_AUTHOR_KEY, SNP_PUBKEY_LEN,
                       g->author_key_digest);
        }
    }
    g->vcek_dis = flags & 4;
    memcpy(g->host_data, buf + 32, sizeof(g->host_data));
    g->state = GSTATE_RUNNING;
    return FW_SUCCESS;
}

static FwStatus cmd_guest_status(uint8_t *buf)
{
    hwaddr out = ldq_le_p(buf + 8);
    uint8_t s[32] = { 0 };
    SnpGuest *g;
    FwStatus st;

    FIND_GUEST(ldq_le_p(buf), g);
    st = fw_check_snp_output(out, sizeof(s));
    if (st != FW_SUCCESS) {
        return st;
    }
    stq_le_p(s, g->policy);
    stl_le_p(s + 8, g->asid);
    s[12] = g->state;
    s[13] = g->vcek_dis;
    stl_le_p(s + 16, g->desired_tsc_khz);
    fw_write(out, s, sizeof(s));
    fw_output_done(out);
    return FW_SUCCESS;
}

/* Is @spa one page of this guest? */
static FwStatus check_guest_page(SnpGuest *g, hwaddr spa)
{
    SnpRmpEntry e;

    if ((spa & (FW_PAGE - 1)) || !fw_is_ram(spa, FW_PAGE)) {
        return FW_INVALID_ADDRESS;
    }
    switch (fw_page(spa, &e)) {
    case SNP_PAGE_PRE_GUEST:
    case SNP_PAGE_PRE_SWAP:
    case SNP_PAGE_GUEST_INVALID:
    case SNP_PAGE_GUEST_VALID:
        break;
    default:
        return FW_INVALID_PAGE_STATE;
    }
    return e.asid == g->asid ? FW_SUCCESS : FW_INVALID_PAGE_OWNER;
}

static FwStatus dbg_guest(uint8_t *buf, SnpGuest **g)
{
    FwStatus st = fw_find_snp_guest(ldq_le_p(buf), g);

    if (st != FW_SUCCESS) {
        return st;
    }
    if ((*g)->state == GSTATE_INIT) {
        return FW_INVALID_GUEST_STATE;
    }
    if (!(*g)->asid) {
        return FW_INACTIVE;
    }
    return (*g)->policy & POLICY_DEBUG ? FW_SUCCESS : FW_POLICY_FAILURE;
}

static FwStatus cmd_dbg_decrypt(uint8_t *buf)
{
    hwaddr src = ldq_le_p(buf + 8);
    hwaddr dst = ldq_le_p(buf + 16);
    SnpGuest *g;
    FwStatus st = dbg_guest(buf, &g);

    if (st == FW_SUCCESS) {
        st = check_guest_page(g, src);
    }
    if (st == FW_SUCCESS && (dst & (FW_PAGE - 1))) {
        st = FW_INVALID_ADDRESS;
    }
    if (st == FW_SUCCESS) {
        st = fw_check_snp_output(dst, FW_PAGE);
    }
    if (st == FW_SUCCESS) {
        fw_copy(dst, src, FW_PAGE);
        fw_output_done(dst);
    }
    return st;
}

static FwStatus cmd_dbg_encrypt(uint8_t *buf)
{
    hwaddr src = ldq_le_p(buf + 8);
    hwaddr dst = ldq_le_p(buf + 16);
    SnpGuest *g;
    FwStatus st = dbg_guest(buf, &g);

    if (st == FW_SUCCESS) {
        st = check_guest_page(g, dst);
    }
    if (st == FW_SUCCESS &&
        ((src & (FW_PAGE - 1)) || !fw_is_ram(src, FW_PAGE))) {
        st = FW_INVALID_ADDRESS;
    }
    if (st == FW_SUCCESS) {
        fw_copy(dst, src, FW_PAGE);
    }
    return st;
}

const FwCmd fw_snp_guest_cmds[] = {
    { 0x90, "SNP_DECOMMISSION", 8, FWC_SNP_INIT, cmd_decommission },
    { 0x91, "SNP_ACTIVATE", 12, FWC_SNP_INIT, cmd_activate },
    { 0x92, "SNP_GUEST_STATUS", 16, FWC_SNP_INIT, cmd_guest_status },
    { 0x93, "SNP_GCTX_CREATE", 8, FWC_SNP_INIT, cmd_gctx_create },
    { 0x94, "SNP_GUEST_REQUEST", 24, FWC_SNP_INIT, fw_cmd_guest_request },
    { 0x95, "SNP_ACTIVATE_EX" },
    { 0xa0, "SNP_LAUNCH_START", 48, FWC_SNP_INIT, cmd_launch_start },
    { 0xa1, "SNP_LAUNCH_UPDATE", 32, FWC_SNP_INIT, cmd_launch_update },
    { 0xa2, "SNP_LAUNCH_FINISH", 64, FWC_SNP_INIT, cmd_launch_finish },
    { 0xb0, "SNP_DBG_DECRYPT", 24, FWC_SNP_INIT, cmd_dbg_decrypt },
    { 0xb1, "SNP_DBG_ENCRYPT", 24, FWC_SNP_INIT, cmd_dbg_encrypt },
    { }
};
