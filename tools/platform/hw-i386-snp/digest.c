/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Launch digest of an SEV-SNP guest: LD(n+1) = SHA-384(PAGE_INFO), which
 * holds LD(n) and describes the page.
 *
 * Pure C: see digest.h.  QEMU's osdep.h is left out on purpose.
 */
#include <string.h>
#include "digest.h"

/* Layout of PAGE_INFO, little endian. */
enum {
    PI_DIGEST_CUR   = 0x00,
    PI_CONTENTS     = 0x30,
    PI_LENGTH       = 0x60,
    PI_PAGE_TYPE    = 0x62,
    PI_IMI          = 0x63,
    PI_VMPL3        = 0x64,
    PI_VMPL2        = 0x65,
    PI_VMPL1        = 0x66,
    PI_GPA          = 0x68,
    PI_SIZE         = 0x70,
};

void snp_digest_init(uint8_t ld[SNP_DIGEST_LEN])
{
    memset(ld, 0, SNP_DIGEST_LEN);
}

bool snp_digest_extend(uint8_t ld[SNP_DIGEST_LEN],
                       const struct snp_digest_record *rec, const void *page)
{
    uint8_t info[PI_SIZE] = { 0 };
    int i;

    if (rec->gpa & (SNP_DIGEST_PAGE - 1)) {
        return false;
    }

    switch (rec->type) {
    case SNP_DIGEST_NORMAL:
    case SNP_DIGEST_VMSA:
        if (!page) {
            return false;
        }
        snp_sha384(page, SNP_DIGEST_PAGE, info + PI_CONTENTS);
        break;
    case SNP_DIGEST_ZERO:
    case SNP_DIGEST_UNMEASURED:
    case SNP_DIGEST_SECRETS:
    case SNP_DIGEST_CPUID:
        break;
    default:
        return false;
    }

    memcpy(info + PI_DIGEST_CUR, ld, SNP_DIGEST_LEN);
    info[PI_LENGTH] = PI_SIZE;
    info[PI_PAGE_TYPE] = rec->type;
    info[PI_IMI] = rec->imi;
    info[PI_VMPL3] = rec->vmpl_perm[3];
    info[PI_VMPL2] = rec->vmpl_perm[2];
    info[PI_VMPL1] = rec->vmpl_perm[1];
    for (i = 0; i < 8; i++) {
        info[PI_GPA + i] = rec->gpa >> (8 * i);
    }

    snp_sha384(info, sizeof(info), ld);
    return true;
}

bool snp_digest_extend_range(uint8_t ld[SNP_DIGEST_LEN],
                             const struct snp_digest_record *rec,
                             const void *page, uint64_t len)
{
    uint8_t cur[SNP_DIGEST_LEN];
    struct snp_digest_record r = *rec;
    const uint8_t *p = page;
    uint64_t off;

    if (len & (SNP_DIGEST_PAGE - 1)) {
        return false;
    }

    memcpy(cur, ld, sizeof(cur));
    for (off = 0; off < len; off += SNP_DIGEST_PAGE) {
        r.gpa = rec->gpa + off;
        if (!snp_digest_extend(cur, &r, p ? p + off : NULL)) {
            return false;
        }
    }
    memcpy(ld, cur, sizeof(cur));
    return true;
}
