/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Emulated SEV-SNP firmware: the cryptography of guest messages and of
 * attestation reports, on libcrypto.
 *
 * The identity is worthless on purpose.  Every key follows from a text in
 * attest.c that everybody can read, so that whoever wants to can forge a
 * report; the certificates and the chip id say so in plain words.
 *
 * Pure C, without QEMU's headers: the tool that shows the certificates and
 * checks reports is built from the same file.
 */
#ifndef HW_I386_SNP_ATTEST_H
#define HW_I386_SNP_ATTEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SNP_GCM_KEY_LEN     32
#define SNP_GCM_IV_LEN      12
#define SNP_GCM_TAG_LEN     16
#define SNP_CHIP_ID_LEN     64
#define SNP_SIG_LEN         512
#define SNP_KEY_DIGEST_LEN  48

/*
 * AES-256-GCM.  @out takes @len bytes and may be @in.  snp_gcm_open() gives
 * false, and no plaintext, if the tag is wrong.
 */
bool snp_gcm_seal(const uint8_t key[SNP_GCM_KEY_LEN],
                  const uint8_t iv[SNP_GCM_IV_LEN],
                  const void *aad, size_t aad_len, const void *in, size_t len,
                  void *out, uint8_t tag[SNP_GCM_TAG_LEN]);
bool snp_gcm_open(const uint8_t key[SNP_GCM_KEY_LEN],
                  const uint8_t iv[SNP_GCM_IV_LEN],
                  const void *aad, size_t aad_len, const void *in, size_t len,
                  void *out, const uint8_t tag[SNP_GCM_TAG_LEN]);

/* What a report gives as the identity of the chip: a text, zero padded. */
extern const uint8_t snp_chip_id[SNP_CHIP_ID_LEN];

/*
 * ECDSA P-384 with SHA-384 over @len bytes by the VCEK of @tcb.  @sig has the
 * layout of the ABI, "ECDSA P-384 with SHA-384 Signature Format": R and S,
 * 72 bytes each, little endian, and zeros.  False if libcrypto fails.
 */
bool snp_vcek_sign(uint64_t tcb, const void *data, size_t len,
                   uint8_t sig[SNP_SIG_LEN]);

/* "ECDSA P-384 Public Key" of the ABI; its digest stands in a report. */
#define SNP_PUBKEY_LEN      1028

/*
 * A key for MSG_KEY_REQ: it depends on the root key of the platform and on
 * every one of the @len bytes of @mix.
 */
bool snp_derive_key(const void *mix, size_t len, uint8_t key[32]);

/*
 * The chain of @tcb's VCEK as PEM: VCEK, ASK, ARK.  To be freed by free();
 * NULL if libcrypto fails.
 */
char *snp_cert_chain(uint64_t tcb);

#endif
