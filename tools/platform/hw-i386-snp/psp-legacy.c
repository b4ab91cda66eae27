/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Emulated SEV firmware: guest commands of SEV and SEV-ES.
 *
 * Memory is not encrypted, so these check states, addresses and, under SNP,
 * page states, and copy.  Source: SEV API 55766, guest state machine.
 */
#include "qemu/osdep.h"
#include "crypto/hash.h"
#include "psp-fw.h"

#define POLICY_NODBG    (1u << 0)
#define POLICY_ES       (1u << 2)
#define POLICY_RESERVED 0xffc0u

#define MEASURE_LEN     48      /* HMAC-SHA-256, nonce */

static FwStatus find_guest(uint32_t handle, SevGuest **g)
{
    *g = g_hash_table_lookup(snp_fw.sev_guests, &handle);
    if (!*g) {
        return FW_INVALID_GUEST;
    }
    snp_fw.trace_asid = (*g)->asid;
    return FW_SUCCESS;
}

#define FIND_GUEST(handle, g) \
    do { \
        FwStatus st_ = find_guest(handle, &(g)); \
        if (st_ != FW_SUCCESS) { \
            return st_; \
        } \
    } while (0)

static FwStatus cmd_launch_start(uint8_t *buf)
{
    uint32_t handle = ldl_le_p(buf);
    uint32_t policy = ldl_le_p(buf + 4);
    uint32_t major = extract32(policy, 16, 8);
    uint32_t minor = extract32(policy, 24, 8);
    SevGuest *g;

    if (ldl_le_p(buf + 20)) {
        return FW_INVALID_PARAM;
    }
    if (major > FW_API_MAJOR ||
        (major == FW_API_MAJOR && minor > FW_API_MINOR) ||
        (policy & POLICY_RESERVED)) {
        return FW_POLICY_FAILURE;
    }
    /* Certificate of the guest owner, and the session that it began */
    if (ldq_le_p(buf + 8) || ldq_le_p(buf + 24)) {
        snp_unmodelled("LAUNCH_START with a session of the guest owner's");
        return FW_UNSUPPORTED;
    }
    if ((policy & POLICY_ES) && !snp_fw.sev_es) {
        return FW_UNSUPPORTED;
    }
    /* A handle names the guest whose key is shared. */
    if (handle) {
        FIND_GUEST(handle, g);
        if (g->policy != policy) {
            return FW_POLICY_FAILURE;
        }
    }

    g = g_new0(SevGuest, 1);
    g->handle = snp_fw.next_handle++;
    g->policy = policy;
    g->state = LSTATE_LUPDATE;
    g_hash_table_insert(snp_fw.sev_guests, &g->handle, g);
    stl_le_p(buf, g->handle);
    return FW_SUCCESS;
}

static FwStatus cmd_activate(uint8_t *buf)
{
    uint32_t asid = ldl_le_p(buf + 4);
    SevGuest *g;
    FwStatus st;

    FIND_GUEST(ldl_le_p(buf), g);
    if (g->asid) {
        return FW_ACTIVE;
    }
    st = fw_asid_check(asid, g->policy & POLICY_ES);
    if (st != FW_SUCCESS) {
        return st;
    }
    fw_asid_bind(asid, NULL, g);
    g->asid = asid;
    snp_fw.trace_asid = asid;
    return FW_SUCCESS;
}

static FwStatus cmd_deactivate(uint8_t *buf)
{
    SevGuest *g;

    FIND_GUEST(ldl_le_p(buf), g);
    if (!g->asid) {
        return FW_INACTIVE;
    }
    fw_asid_unbind(g->asid);
    g->asid = 0;
    return FW_SUCCESS;
}

static FwStatus cmd_decommission(uint8_t *buf)
{
    SevGuest *g;

    FIND_GUEST(ldl_le_p(buf), g);
    if (g->asid) {
        return FW_ACTIVE;
    }
    g_hash_table_remove(snp_fw.sev_guests, &g->handle);
    return FW_SUCCESS;
}

static FwStatus cmd_guest_status(uint8_t *buf)
{
    SevGuest *g;

    FIND_GUEST(ldl_le_p(buf), g);
    stl_le_p(buf + 4, g->policy);
    stl_le_p(buf + 8, g->asid);
    buf[12] = g->state;
    return FW_SUCCESS;
}

/* Extends the digest by memory that stays where it is. */
static FwStatus launch_update(SevGuest *g, hwaddr addr, uint32_t len)
{
    uint8_t chunk[SNP_DIGEST_LEN + FW_PAGE];
    FwStatus st;

    st = fw_check_output(addr, len);
    if (st != FW_SUCCESS) {
        return st;
    }
    while (len) {
        uint32_t l = MIN(len, FW_PAGE);

        memcpy(chunk, g->digest, SNP_DIGEST_LEN);
        fw_read(addr, chunk + SNP_DIGEST_LEN, l);
        snp_sha384(chunk, SNP_DIGEST_LEN + l, g->digest);
        addr += l;
        len -= l;
    }
    return FW_SUCCESS;
}

static FwStatus cmd_launch_update_data(uint8_t *buf)
{
    hwaddr addr = ldq_le_p(buf + 8);
    uint32_t len = ldl_le_p(buf + 16);
    SevGuest *g;

    FIND_GUEST(ldl_le_p(buf), g);
    if (g->state != LSTATE_LUPDATE) {
        return FW_INVALID_GUEST_STATE;
    }
    if (!g->asid) {
        return FW_INACTIVE;
    }
    if (!len || (len & 15)) {
        return FW_INVALID_LEN;
    }
    if (addr & 15) {
        return FW_INVALID_ADDRESS;
    }
    return launch_update(g, addr, len);
}

static FwStatus cmd_launch_update_vmsa(uint8_t *buf)
{
    hwaddr addr = ldq_le_p(buf + 8);
    SevGuest *g;

    FIND_GUEST(ldl_le_p(buf), g);
    if (g->state != LSTATE_LUPDATE || !(g->policy & POLICY_ES)) {
        return FW_INVALID_GUEST_STATE;
    }
    if (!g->asid) {
        return FW_INACTIVE;
    }
    if (ldl_le_p(buf + 16) != FW_PAGE) {
        return FW_INVALID_LEN;
    }
    if (addr & (FW_PAGE - 1)) {
        return FW_INVALID_ADDRESS;
    }
    return launch_update(g, addr, FW_PAGE);
}

/*
 * The measurement is a hash of what was launched: it has the length and the
 * place of the real one, and no key.
 */
static FwStatus cmd_launch_measure(uint8_t *buf)
{
    hwaddr addr = ldq_le_p(buf + 8);
    uint32_t len = ldl_le_p(buf + 16);
    uint8_t m[SNP_DIGEST_LEN + 8] = { 0 };
    SevGuest *g;
    FwStatus st;

    FIND_GUEST(ldl_le_p(buf), g);
    if (g->state != LSTATE_LUPDATE) {
        return FW_INVALID_GUEST_STATE;
    }
    stl_le_p(buf + 16, MEASURE_LEN);
    if (len < MEASURE_LEN) {
        return FW_INVALID_LEN;
    }
    st = fw_check_output(addr, MEASURE_LEN);
    if (st != FW_SUCCESS) {
        return st;
    }
    memcpy(m, g->digest, SNP_DIGEST_LEN);
    stl_le_p(m + SNP_DIGEST_LEN, g->policy);
    snp_sha384(m, sizeof(m), m);
    fw_write(addr, m, MEASURE_LEN);
    g->state = LSTATE_LSECRET;
    return FW_SUCCESS;
}

static FwStatus cmd_launch_finish(uint8_t *buf)
{
    SevGuest *g;

    FIND_GUEST(ldl_le_p(buf), g);
    if (g->state != LSTATE_LSECRET && g->state != LSTATE_LUPDATE) {
        return FW_INVALID_GUEST_STATE;
    }
    if (!g->asid) {
        return FW_INACTIVE;
    }
    g->state = LSTATE_RUNNING;
    return FW_SUCCESS;
}

static FwStatus dbg(uint8_t *buf)
{
    hwaddr src = ldq_le_p(buf + 8);
    hwaddr dst = ldq_le_p(buf + 16);
    uint32_t len = ldl_le_p(buf + 24);
    SnpRmpEntry e;
    SevGuest *g;
    hwaddr p;
    FwStatus st;

    FIND_GUEST(ldl_le_p(buf), g);
    if (g->policy & POLICY_NODBG) {
        return FW_POLICY_FAILURE;
    }
    if (!g->asid) {
        return FW_INACTIVE;
    }
    if (!len || (len & 15)) {
        return FW_INVALID_LEN;
    }
    if ((src & 15) || (dst & 15) || !fw_is_ram(src, len)) {
        return FW_INVALID_ADDRESS;
    }
    /* Memory of an SNP guest is out of reach of the commands of SEV. */
    for (p = src & ~(FW_PAGE - 1); p < src + len; p += FW_PAGE) {
        switch (fw_page(p, &e)) {
        case SNP_PAGE_HYPERVISOR:
        case SNP_PAGE_HV_FIXED:
        case SNP_PAGE_FIRMWARE:
        case SNP_PAGE_RECLAIM:
        case SNP_PAGE_NOT_COVERED:
            break;
        default:
            return FW_INVALID_PAGE_STATE;
        }
    }
    st = fw_check_output(dst, len);
    if (st == FW_SUCCESS) {
        fw_copy(dst, src, len);
    }
    return st;
}

const FwCmd fw_legacy_cmds[] = {
    { 0x20, "DECOMMISSION", 4, FWC_SEV_INIT, cmd_decommission },
    { 0x21, "ACTIVATE", 8, FWC_SEV_INIT, cmd_activate },
    { 0x22, "DEACTIVATE", 4, FWC_SEV_INIT, cmd_deactivate },
    { 0x23, "GUEST_STATUS", 13, FWC_SEV_INIT | FWC_BUF_WRITE,
      cmd_guest_status },
    { 0x30, "LAUNCH_START", 36, FWC_SEV_INIT | FWC_BUF_WRITE,
      cmd_launch_start },
    { 0x31, "LAUNCH_UPDATE_DATA", 20, FWC_SEV_INIT, cmd_launch_update_data },
    { 0x32, "LAUNCH_UPDATE_VMSA", 20, FWC_SEV_INIT, cmd_launch_update_vmsa },
    { 0x33, "LAUNCH_MEASURE", 20, FWC_SEV_INIT | FWC_BUF_WRITE,
      cmd_launch_measure },
    { 0x34, "LAUNCH_UPDATE_SECRET" },
    { 0x35, "LAUNCH_FINISH", 4, FWC_SEV_INIT, cmd_launch_finish },
    { 0x36, "ATTESTATION_REPORT" },
    { 0x40, "SEND_START" },
    { 0x41, "SEND_UPDATE_DATA" },
    { 0x42, "SEND_UPDATE_VMSA" },
    { 0x43, "SEND_FINISH" },
    { 0x44, "SEND_CANCEL" },
    { 0x50, "RECEIVE_START" },
    { 0x51, "RECEIVE_UPDATE_DATA" },
    { 0x52, "RECEIVE_UPDATE_VMSA" },
    { 0x53, "RECEIVE_FINISH" },
    { 0x60, "DBG_DECRYPT", 28, FWC_SEV_INIT, dbg },
    { 0x61, "DBG_ENCRYPT", 28, FWC_SEV_INIT, dbg },
    { }
};
