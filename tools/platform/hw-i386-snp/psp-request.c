/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Emulated SEV firmware: SNP_GUEST_REQUEST, the messages of a guest.
 *
 * Source: SEV-SNP firmware ABI 56860, "SNP_GUEST_REQUEST" and the chapter
 * "Guest Messages" (header, message types, status); Linux asm/sev.h and
 * uapi/linux/sev-guest.h for the same layouts from the other side.
 *
 * Two kinds of errors.  A page, a header or a tag that is wrong ends the
 * command, and no response is written: the sequence number does not move.  A
 * message that the firmware could read, and does not grant, is answered with
 * a response whose STATUS says so.
 */
#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "attest.h"
#include "psp-fw.h"
#include "trace.h"

/* Message header; what follows AUTHTAG and MSG_SEQNO is authenticated. */
enum {
    H_AUTHTAG   = 0x00,
    H_SEQNO     = 0x20,
    H_RSVD1     = 0x28,     /* 8 bytes */
    H_ALGO      = 0x30,     /* authenticated from here on */
    H_VERSION   = 0x31,
    H_SIZE      = 0x32,
    H_MSG_TYPE  = 0x34,
    H_MSG_VER   = 0x35,
    H_MSG_SIZE  = 0x36,
    H_RSVD2     = 0x38,     /* 4 bytes */
    H_VMPCK     = 0x3c,
    H_RSVD3     = 0x3d,     /* 35 bytes */
    H_LEN       = 0x60,
};

#define ALGO_AES_256_GCM    1
#define HDR_VERSION         1
#define MSG_MAX             (FW_PAGE - H_LEN)

enum {
    MSG_KEY_REQ         = 3,
    MSG_REPORT_REQ      = 5,
    MSG_TSC_INFO_REQ    = 17,
};

/* STATUS of the responses */
enum {
    MSG_OK              = 0x00,
    MSG_INVALID_PARAM   = 0x16,
    MSG_INVALID_KEY     = 0x27,
};

/* KEY_SEL of MSG_REPORT_REQ and MSG_KEY_REQ; no VLEK is ever loaded. */
enum { KEY_SEL_DEFAULT, KEY_SEL_VCEK, KEY_SEL_VLEK };

/* SNP_CONFIG */
#define CONFIG_MASK_CHIP_ID     (1u << 0)
#define CONFIG_MASK_CHIP_KEY    (1u << 1)

static bool all_zero(const uint8_t *p, size_t len)
{
    while (len--) {
        if (*p++) {
            return false;
        }
    }
    return true;
}

/* --- attestation report ---------------------------------------------- */

/* ABI, table "ATTESTATION_REPORT Structure", version 2 */
enum {
    R_VERSION       = 0x000,
    R_GUEST_SVN     = 0x004,
    R_POLICY        = 0x008,
    R_FAMILY_ID     = 0x010,
    R_IMAGE_ID      = 0x020,
    R_VMPL          = 0x030,
    R_SIGNATURE_ALGO = 0x034,
    R_CURRENT_TCB   = 0x038,
    R_PLATFORM_INFO = 0x040,
    R_FLAGS         = 0x048,
    R_REPORT_DATA   = 0x050,
    R_MEASUREMENT   = 0x090,
    R_HOST_DATA     = 0x0c0,
    R_ID_KEY_DIGEST = 0x0e0,
    R_AUTHOR_KEY_DIGEST = 0x110,
    R_REPORT_ID     = 0x140,
    R_REPORT_ID_MA  = 0x160,
    R_REPORTED_TCB  = 0x180,
    R_CHIP_ID       = 0x1a0,
    R_COMMITTED_TCB = 0x1e0,
    R_CURRENT_BUILD = 0x1e8,    /* build, minor, major */
    R_COMMITTED_BUILD = 0x1ec,
    R_LAUNCH_TCB    = 0x1f0,
    R_SIGNATURE     = 0x2a0,
    R_LEN           = 0x4a0,
};

#define R_FLAG_AUTHOR_KEY_EN    (1u << 0)
#define R_FLAG_MASK_CHIP_KEY    (1u << 1)
#define R_FLAG_SIGNING_NONE     (7u << 2)

static void put_build(uint8_t *p)
{
    p[0] = FW_BUILD;
    p[1] = FW_API_MINOR;
    p[2] = FW_API_MAJOR;
}

static void build_report(const SnpGuest *g, uint32_t vmpl,
                         const uint8_t *report_data, uint8_t *r)
{
    bool masked = snp_fw.mask_chip & CONFIG_MASK_CHIP_KEY;
    uint32_t flags = g->author_key_en ? R_FLAG_AUTHOR_KEY_EN : 0;

    memset(r, 0, R_LEN);
    stl_le_p(r + R_VERSION, 2);
    stl_le_p(r + R_GUEST_SVN, g->guest_svn);
    stq_le_p(r + R_POLICY, g->policy);
    memcpy(r + R_FAMILY_ID, g->family_id, sizeof(g->family_id));
    memcpy(r + R_IMAGE_ID, g->image_id, sizeof(g->image_id));
    stl_le_p(r + R_VMPL, vmpl);
    stl_le_p(r + R_SIGNATURE_ALGO, 1);
    stq_le_p(r + R_CURRENT_TCB, FW_TCB);
    stq_le_p(r + R_PLATFORM_INFO, fw_smt_enabled());
    if (masked) {
        flags |= R_FLAG_MASK_CHIP_KEY | R_FLAG_SIGNING_NONE;
    }
    stl_le_p(r + R_FLAGS, flags);
    memcpy(r + R_REPORT_DATA, report_data, 64);
    memcpy(r + R_MEASUREMENT, g->ld, sizeof(g->ld));
    memcpy(r + R_HOST_DATA, g->host_data, sizeof(g->host_data));
    memcpy(r + R_ID_KEY_DIGEST, g->id_key_digest, sizeof(g->id_key_digest));
    memcpy(r + R_AUTHOR_KEY_DIGEST, g->author_key_digest,
           sizeof(g->author_key_digest));
    memcpy(r + R_REPORT_ID, g->report_id, sizeof(g->report_id));
    /* No migration agent */
    memset(r + R_REPORT_ID_MA, 0xff, 32);
    stq_le_p(r + R_REPORTED_TCB, snp_fw.reported_tcb);
    if (!(snp_fw.mask_chip & CONFIG_MASK_CHIP_ID)) {
        memcpy(r + R_CHIP_ID, snp_chip_id, sizeof(snp_chip_id));
    }
    stq_le_p(r + R_COMMITTED_TCB, FW_TCB);
    put_build(r + R_CURRENT_BUILD);
    put_build(r + R_COMMITTED_BUILD);
    stq_le_p(r + R_LAUNCH_TCB, g->launch_tcb);

    if (!masked && !snp_vcek_sign(snp_fw.reported_tcb, r, R_SIGNATURE,
                                  r + R_SIGNATURE)) {
        error_report("snp-psp: libcrypto cannot sign a report");
        abort();
    }
}

/* Which key signs or is derived from: VCEK, if the guest may have it. */
static uint32_t check_key_sel(const SnpGuest *g, uint32_t sel)
{
    switch (sel) {
    case KEY_SEL_DEFAULT:
    case KEY_SEL_VCEK:
        return g->vcek_dis ? MSG_INVALID_KEY : MSG_OK;
    case KEY_SEL_VLEK:
        return MSG_INVALID_KEY;
    default:
        return MSG_INVALID_PARAM;
    }
}

/* Each handler returns the length of its response, which starts as zeros. */
static size_t msg_report(SnpGuest *g, int vmpck, const uint8_t *req,
                         uint8_t *rsp)
{
    uint32_t vmpl = ldl_le_p(req + 0x40), sel = ldl_le_p(req + 0x44);
    uint32_t status = check_key_sel(g, sel);

    /* A guest speaks for its own VMPL and for weaker ones. */
    if (vmpl >= SNP_NR_VMPL || vmpl < vmpck || !all_zero(req + 0x48, 24)) {
        status = MSG_INVALID_PARAM;
    }
    stl_le_p(rsp, status);
    if (status != MSG_OK) {
        return 0x20;
    }
    stl_le_p(rsp + 4, R_LEN);
    build_report(g, vmpl, req, rsp + 0x20);
    return 0x20 + R_LEN;
}

/* GUEST_FIELD_SELECT of MSG_KEY_REQ */
enum {
    MIX_POLICY      = 1 << 0,
    MIX_IMAGE_ID    = 1 << 1,
    MIX_FAMILY_ID   = 1 << 2,
    MIX_MEASUREMENT = 1 << 3,
    MIX_GUEST_SVN   = 1 << 4,
    MIX_TCB         = 1 << 5,
    MIX_ALL         = 0x3f,
};

/*
 * What a derived key depends on.  The ABI says which values are mixed in, not
 * how: the layout is ours.
 */
typedef struct QEMU_PACKED KeyMix {
    uint32_t root;
    uint32_t vmpl;
    uint64_t select;
    uint64_t policy;
    uint8_t image_id[16];
    uint8_t family_id[16];
    uint8_t measurement[SNP_DIGEST_LEN];
    uint32_t svn;
    uint64_t tcb;
    uint8_t host_data[32];
    uint8_t id_key_digest[SNP_DIGEST_LEN];
    uint8_t author_key_digest[SNP_DIGEST_LEN];
    uint8_t vmrk[32];
} KeyMix;

static size_t msg_key(SnpGuest *g, int vmpck, const uint8_t *req, uint8_t *rsp)
{
    uint32_t root = ldl_le_p(req), vmpl = ldl_le_p(req + 16);
    uint64_t select = ldq_le_p(req + 8), tcb = ldq_le_p(req + 24);
    uint32_t svn = ldl_le_p(req + 20);
    uint32_t status = root & 1 ? MSG_OK : check_key_sel(g, extract32(root,
                                                                     1, 2));
    KeyMix m = {
        .root = cpu_to_le32(root & 1),
        .vmpl = cpu_to_le32(vmpl),
        .select = cpu_to_le64(select),
    };
    int i;

    if ((root & ~7u) || ldl_le_p(req + 4) || (select & ~(uint64_t)MIX_ALL) ||
        vmpl >= SNP_NR_VMPL || vmpl < vmpck || svn > g->guest_svn) {
        status = MSG_INVALID_PARAM;
    }
    /* No component of the TCB may be above what is committed. */
    for (i = 0; i < 64; i += 8) {
        if (extract64(tcb, i, 8) > extract64(FW_TCB, i, 8)) {
            status = MSG_INVALID_PARAM;
        }
    }
    stl_le_p(rsp, status);
    if (status != MSG_OK) {
        return 0x40;
    }

    if (select & MIX_POLICY) {
        m.policy = cpu_to_le64(g->policy);
    }
    if (select & MIX_IMAGE_ID) {
        memcpy(m.image_id, g->image_id, sizeof(m.image_id));
    }
    if (select & MIX_FAMILY_ID) {
        memcpy(m.family_id, g->family_id, sizeof(m.family_id));
    }
    if (select & MIX_MEASUREMENT) {
        memcpy(m.measurement, g->ld, sizeof(m.measurement));
    }
    if (select & MIX_GUEST_SVN) {
        m.svn = cpu_to_le32(svn);
    }
    if (select & MIX_TCB) {
        m.tcb = cpu_to_le64(tcb);
    }
    memcpy(m.host_data, g->host_data, sizeof(m.host_data));
    memcpy(m.id_key_digest, g->id_key_digest, sizeof(m.id_key_digest));
    memcpy(m.author_key_digest, g->author_key_digest,
           sizeof(m.author_key_digest));
    if (root & 1) {
        memcpy(m.vmrk, g->vmrk, sizeof(m.vmrk));
    }
    if (!snp_derive_key(&m, sizeof(m), rsp + 0x20)) {
        error_report("snp-psp: libcrypto cannot derive a key");
        abort();
    }
    return 0x40;
}

static size_t msg_tsc_info(SnpGuest *g, int vmpck, const uint8_t *req,
                           uint8_t *rsp)
{
    if (!all_zero(req, 128)) {
        stl_le_p(rsp, MSG_INVALID_PARAM);
        return 128;
    }
    /* Secure TSC is not announced: scale 1 (8.32 fixed point), no offset. */
    stq_le_p(rsp + 8, 1ULL << 32);
    return 128;
}

/* --- the command ----------------------------------------------------- */

static const struct MsgType {
    uint8_t type, version;
    uint16_t len;
    size_t (*fn)(SnpGuest *g, int vmpck, const uint8_t *req, uint8_t *rsp);
} msg_types[] = {
    { MSG_KEY_REQ,      1, 0x20, msg_key },
    { MSG_REPORT_REQ,   1, 0x60, msg_report },
    { MSG_TSC_INFO_REQ, 1, 0x80, msg_tsc_info },
};

static const struct MsgType *find_msg(const uint8_t *hdr)
{
    int i;

    for (i = 0; i < ARRAY_SIZE(msg_types); i++) {
        const struct MsgType *t = &msg_types[i];

        if (t->type == hdr[H_MSG_TYPE] && t->version == hdr[H_MSG_VER] &&
            t->len == lduw_le_p(hdr + H_MSG_SIZE)) {
            return t;
        }
    }
    return NULL;
}

static bool header_ok(const uint8_t *hdr)
{
    return hdr[H_ALGO] == ALGO_AES_256_GCM && hdr[H_VERSION] == HDR_VERSION &&
           lduw_le_p(hdr + H_SIZE) == H_LEN &&
           lduw_le_p(hdr + H_MSG_SIZE) <= MSG_MAX &&
           hdr[H_VMPCK] < SNP_NR_VMPL && all_zero(hdr + H_RSVD1, 8) &&
           all_zero(hdr + H_RSVD2, 4) && all_zero(hdr + H_RSVD3, 35);
}

/* The request is read where it lies, in plain text; so it is nobody's. */
static FwStatus check_request_page(hwaddr spa)
{
    SnpRmpEntry e;

    if ((spa & (FW_PAGE - 1)) || !fw_is_ram(spa, FW_PAGE)) {
        return FW_INVALID_ADDRESS;
    }
    fw_page(spa, &e);
    return e.assigned && e.asid ? FW_INVALID_PAGE_STATE : FW_SUCCESS;
}

static FwStatus check_response_page(hwaddr spa)
{
    return spa & (FW_PAGE - 1) ? FW_INVALID_ADDRESS :
                                 fw_check_snp_output(spa, FW_PAGE);
}

/* The sequence number, little endian, and zeros. */
static void make_iv(uint64_t seqno, uint8_t iv[SNP_GCM_IV_LEN])
{
    memset(iv, 0, SNP_GCM_IV_LEN);
    stq_le_p(iv, seqno);
}

FwStatus fw_cmd_guest_request(uint8_t *buf)
{
    hwaddr req_pa = ldq_le_p(buf + 8), rsp_pa = ldq_le_p(buf + 16);
    uint8_t req[FW_PAGE], rsp[FW_PAGE] = { 0 }, iv[SNP_GCM_IV_LEN];
    const struct MsgType *type;
    uint64_t seqno;
    size_t len;
    SnpGuest *g;
    FwStatus st;
    int vmpck;

    st = fw_find_snp_guest(ldq_le_p(buf), &g);
    if (st == FW_SUCCESS) {
        st = check_request_page(req_pa);
    }
    if (st == FW_SUCCESS) {
        st = check_response_page(rsp_pa);
    }
    if (st != FW_SUCCESS) {
        return st;
    }
    if (g->state != GSTATE_RUNNING) {
        return FW_INVALID_GUEST_STATE;
    }

    fw_read(req_pa, req, sizeof(req));
    if (!header_ok(req)) {
        return FW_INVALID_PARAM;
    }
    vmpck = req[H_VMPCK];
    seqno = ldq_le_p(req + H_SEQNO);
    /* Two numbers, or an IV would be used again. */
    if (g->msg_count[vmpck] >= UINT64_MAX - 2) {
        return FW_AEAD_OFLOW;
    }
    if (seqno != g->msg_count[vmpck] + 1) {
        return FW_INVALID_PARAM;
    }
    make_iv(seqno, iv);
    if (!snp_gcm_open(g->vmpck[vmpck], iv, req + H_ALGO, H_LEN - H_ALGO,
                      req + H_LEN, lduw_le_p(req + H_MSG_SIZE), req + H_LEN,
                      req + H_AUTHTAG)) {
        return FW_BAD_MEASUREMENT;
    }
    type = find_msg(req);
    if (!type) {
        warn_report_once("snp-psp: a guest message that is not modelled "
                         "(type %u version %u) was answered with INVALID_PARAM",
                         req[H_MSG_TYPE], req[H_MSG_VER]);
        return FW_INVALID_PARAM;
    }

    len = type->fn(g, vmpck, req + H_LEN, rsp + H_LEN);
    trace_snp_psp_message(g->asid, type->type, vmpck, seqno,
                          ldl_le_p(rsp + H_LEN));

    /* The response echoes the header; its type is the next one. */
    memcpy(rsp + H_ALGO, req + H_ALGO, H_LEN - H_ALGO);
    rsp[H_MSG_TYPE] = type->type + 1;
    stw_le_p(rsp + H_MSG_SIZE, len);
    stq_le_p(rsp + H_SEQNO, seqno + 1);
    make_iv(seqno + 1, iv);
    if (!snp_gcm_seal(g->vmpck[vmpck], iv, rsp + H_ALGO, H_LEN - H_ALGO,
                      rsp + H_LEN, len, rsp + H_LEN, rsp + H_AUTHTAG)) {
        error_report("snp-psp: libcrypto cannot seal a message");
        abort();
    }
    g->msg_count[vmpck] = seqno + 1;
    fw_write(rsp_pa, rsp, sizeof(rsp));
    return FW_SUCCESS;
}
