/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Launch digest of an SEV-SNP guest.
 *
 * No dependency but the C library: the emulated firmware and the host unit
 * tests build this same file.  Whoever links it provides snp_sha384().  The
 * measurement tool has code of its own, so that a comparison means something.
 *
 * Source: SEV-SNP firmware ABI 56860, SNP_LAUNCH_UPDATE, structure PAGE_INFO.
 */
#ifndef SNP_DIGEST_H
#define SNP_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SNP_DIGEST_LEN      48
#define SNP_DIGEST_PAGE     4096

/* PAGE_TYPE of SNP_LAUNCH_UPDATE */
enum snp_digest_type {
    SNP_DIGEST_NORMAL       = 1,
    SNP_DIGEST_VMSA         = 2,
    SNP_DIGEST_ZERO         = 3,
    SNP_DIGEST_UNMEASURED   = 4,
    SNP_DIGEST_SECRETS      = 5,
    SNP_DIGEST_CPUID        = 6,
};

struct snp_digest_record {
    enum snp_digest_type type;
    bool imi;
    uint8_t vmpl_perm[4];       /* [0] is not part of the digest */
    uint64_t gpa;
};

/* Provided by the user of this file. */
void snp_sha384(const void *data, size_t len, uint8_t out[SNP_DIGEST_LEN]);

void snp_digest_init(uint8_t ld[SNP_DIGEST_LEN]);

/*
 * Extends @ld by one 4 KiB page.  @page is the plain text before the firmware
 * touches it; NORMAL and VMSA need it, the other types ignore it.
 * Returns false, and leaves @ld alone, if the record makes no sense.
 */
bool snp_digest_extend(uint8_t ld[SNP_DIGEST_LEN],
                       const struct snp_digest_record *rec, const void *page);

/* One record for each 4 KiB of @len; @page as above, or NULL for ZERO. */
bool snp_digest_extend_range(uint8_t ld[SNP_DIGEST_LEN],
                             const struct snp_digest_record *rec,
                             const void *page, uint64_t len);

#endif
