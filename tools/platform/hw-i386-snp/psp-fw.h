/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Emulated SEV firmware: state and helpers shared by its command groups.
 *
 * Sources: SEV API 55766 and SEV-SNP firmware ABI 56860 (commands, states,
 * status codes); Linux include/linux/psp-sev.h (layout of the buffers).
 *
 * Commands run one at a time in an exclusive section: every CPU is stopped,
 * so page states may be checked and changed without a race.
 */
#ifndef HW_I386_SNP_PSP_FW_H
#define HW_I386_SNP_PSP_FW_H

#include "qemu/bswap.h"
#include "target/i386/snp/snp.h"
#include "digest.h"
#include "snp-iommu.h"

#define FW_API_MAJOR    1
#define FW_API_MINOR    55
#define FW_BUILD        1
/* boot loader 3, TEE 0, SNP 8, microcode 206: below SNP 0x1b (ES types) */
#define FW_TCB          0xce08000000000003ULL

#define FW_PAGE         4096ULL
#define FW_2M           (2 * 1024 * 1024ULL)
#define FW_CMD_BUF_MAX  4096

/* Status codes: ABI, table "Status Codes". */
typedef enum FwStatus {
    FW_SUCCESS                  = 0x00,
    FW_INVALID_PLATFORM_STATE   = 0x01,
    FW_INVALID_GUEST_STATE      = 0x02,
    FW_INVALID_CONFIG           = 0x03,
    FW_INVALID_LEN              = 0x04,
    FW_POLICY_FAILURE           = 0x07,
    FW_INACTIVE                 = 0x08,
    FW_INVALID_ADDRESS          = 0x09,
    FW_BAD_MEASUREMENT          = 0x0b,
    FW_ASID_OWNED               = 0x0c,
    FW_INVALID_ASID             = 0x0d,
    FW_DFFLUSH_REQUIRED         = 0x0f,
    FW_INVALID_GUEST            = 0x10,
    FW_INVALID_COMMAND          = 0x11,
    FW_ACTIVE                   = 0x12,
    FW_UNSUPPORTED              = 0x15,
    FW_INVALID_PARAM            = 0x16,
    FW_RESOURCE_LIMIT           = 0x17,
    FW_INVALID_PAGE_SIZE        = 0x19,
    FW_INVALID_PAGE_STATE       = 0x1a,
    FW_INVALID_PAGE_OWNER       = 0x1c,
    FW_AEAD_OFLOW               = 0x1d,
    FW_RMP_INIT_REQUIRED        = 0x20,
} FwStatus;

/* Guest states of the SNP ABI */
enum { GSTATE_INIT, GSTATE_LAUNCH, GSTATE_RUNNING };

typedef struct SnpGuest {
    hwaddr gctx;
    int state;
    uint64_t policy;
    uint32_t asid;              /* 0: not activated */
    bool imi_en;
    uint32_t desired_tsc_khz;
    uint8_t gosvw[16];
    uint8_t ld[SNP_DIGEST_LEN];
    uint8_t imd[SNP_DIGEST_LEN];
    uint8_t host_data[32];
    bool vcek_dis;
    bool id_block_en;
    bool author_key_en;
    uint8_t family_id[16];      /* from the ID block, as the next three */
    uint8_t image_id[16];
    uint32_t guest_svn;
    uint8_t id_key_digest[SNP_DIGEST_LEN];
    uint8_t author_key_digest[SNP_DIGEST_LEN];
    uint8_t report_id[32];
    uint8_t vmrk[32];
    uint64_t launch_tcb;
    uint8_t vmpck[SNP_NR_VMPL][32];
    uint64_t msg_count[SNP_NR_VMPL];    /* last sequence number used */
} SnpGuest;

/* Guest states of the SEV API */
enum { LSTATE_UNINIT, LSTATE_LUPDATE, LSTATE_LSECRET, LSTATE_RUNNING };

typedef struct SevGuest {
    uint32_t handle;
    int state;
    uint32_t policy;
    uint32_t asid;              /* 0: not activated */
    uint64_t nr_bytes;
    uint8_t digest[SNP_DIGEST_LEN];
} SevGuest;

typedef struct FwAsid {
    SnpGuest *snp;
    SevGuest *sev;
    bool dirty;                 /* used since the last DF_FLUSH */
    bool check_leak;            /* let go by an SNP guest, not used since */
    bool leak_reported;
} FwAsid;

typedef struct FwRange {
    hwaddr base;
    uint64_t len;               /* 0: none */
} FwRange;

/* Platform states of the SEV API */
enum { PSTATE_UNINIT, PSTATE_INIT, PSTATE_WORKING };

typedef struct SnpFw {
    int sev_state;              /* PSTATE_UNINIT or PSTATE_INIT */
    bool sev_es;
    FwRange tmr;
    bool snp_init;
    bool rmp_initialized;
    bool iommu_enforce;         /* the IOMMU checks the RMP */
    FwRange iommu[SNP_IOMMU_NR];    /* what SNP_INIT took for it */
    uint64_t reported_tcb;
    uint32_t mask_chip;         /* bits of SNP_CONFIG */
    uint64_t guest_seq;
    uint32_t next_handle;
    uint8_t last_ld[SNP_DIGEST_LEN];    /* at the last SNP_LAUNCH_FINISH */
    GHashTable *snp_guests;     /* by page of the context */
    GHashTable *sev_guests;     /* by handle */
    FwAsid asid[SNP_MAX_ASID + 1];

    uint32_t trace_asid;        /* of the command in progress */
} SnpFw;

extern SnpFw snp_fw;

void snp_fw_reset(void);

/* Runs one command; exclusive section. */
uint16_t snp_fw_command(uint16_t cmd, hwaddr buf);
/*
 * True if this command was chosen to fail: with the status to return, and
 * whether it is to be carried out all the same.
 */
bool snp_ctl_fail_cmd(uint16_t cmd, uint16_t *status, bool *after);

const char *snp_fw_cmd_name(uint16_t cmd);

/* --- memory ---------------------------------------------------------- */

/* Is all of the range RAM that the firmware may touch? */
bool fw_is_ram(hwaddr addr, uint64_t len);
bool fw_read(hwaddr addr, void *buf, uint64_t len);
bool fw_write(hwaddr addr, const void *buf, uint64_t len);
void fw_copy(hwaddr dst, hwaddr src, uint64_t len);

/* Reads an entry; a page that the RMP does not cover reads as Hypervisor. */
SnpPageState fw_page(hwaddr spa, SnpRmpEntry *e);
void fw_set_page(hwaddr spa, const SnpRmpEntry *e);
/* Changes a page to one of the states without an owner. */
void fw_set_state(hwaddr spa, SnpPageState state);

/*
 * Is this one of the pages that the firmware, the processor or the IOMMU
 * itself works with: of the RMP, the TMR, the IOMMU's logs and its completion
 * store?  Firmware pages, but not for a command to have.
 */
bool fw_own_page(hwaddr p);

/*
 * May the firmware write its output there?  Once SNP is initialised every
 * page of it must be a Firmware page, before that a page of the hypervisor.
 */
FwStatus fw_check_output(hwaddr addr, uint64_t len);
/* The same for an SNP command, whose output is in one page of 4 KiB. */
FwStatus fw_check_snp_output(hwaddr addr, uint64_t len);
/* Output of an SNP command: the page goes to Reclaim. */
void fw_output_done(hwaddr addr);

/* --- ASIDs ----------------------------------------------------------- */

static inline bool fw_asid_owned(uint32_t asid)
{
    return snp_fw.asid[asid].snp || snp_fw.asid[asid].sev;
}

FwStatus fw_asid_check(uint32_t asid, bool es_or_snp);
void fw_asid_bind(uint32_t asid, SnpGuest *snp, SevGuest *sev);
void fw_asid_unbind(uint32_t asid);
/* Counts pages of every ASID that was let go and not used again. */
void fw_leak_check_all(void);

SnpGuest *fw_snp_guest(hwaddr gctx);
/* The guest of a context page that a command names. */
FwStatus fw_find_snp_guest(hwaddr gctx, SnpGuest **g);
void fw_snp_decommission(SnpGuest *g);
void fw_sev_drop_all(void);

/* --- commands -------------------------------------------------------- */

typedef FwStatus FwHandler(uint8_t *buf);

typedef struct FwCmd {
    uint16_t id;
    const char *name;
    uint16_t len;               /* of the command buffer; 0: none */
    uint8_t flags;
    FwHandler *fn;              /* NULL: answers INVALID_COMMAND */
} FwCmd;

enum {
    FWC_SNP_INIT    = 1,        /* SNP firmware must be initialised */
    FWC_SEV_INIT    = 2,        /* SEV firmware must be initialised */
    FWC_BUF_WRITE   = 4,        /* writes to its command buffer */
};

FwStatus fw_cmd_guest_request(uint8_t *buf);

extern const FwCmd fw_platform_cmds[], fw_snp_guest_cmds[], fw_legacy_cmds[];

/* --- what is checked against the processor ---------------------------- */

/* Corrects the CPUID page in place; true if nothing had to be corrected. */
bool fw_cpuid_page_check(uint8_t *page);

bool fw_smt_enabled(void);

/* Every CPU has SNP_EN and MFDM set and VM_HSAVE_PA clear. */
bool fw_cpus_ready(void);

#endif
