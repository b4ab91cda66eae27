/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The ID block of SEV-SNP: what a launch must come to, signed.
 *
 * Source: SEV-SNP firmware ABI 56860, SNP_LAUNCH_FINISH, tables "ID Block" and
 * "ID Authentication Information Structure".
 */
#ifndef LAUNCH_ID_BLOCK_H
#define LAUNCH_ID_BLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "../measure/igvm.h"

struct id_block {
	uint8_t digest[48];
	uint8_t family_id[16];
	uint8_t image_id[16];
	uint32_t version;
	uint32_t guest_svn;
	uint64_t policy;
};

static_assert(sizeof(struct id_block) == 96, "ID block");

struct id_signature {
	uint8_t r[72], s[72];		/* little endian */
	uint8_t reserved[368];
};

struct id_public_key {
	uint32_t curve;
	uint8_t qx[72], qy[72];		/* little endian */
	uint8_t reserved[880];
};

struct id_auth {
	uint32_t id_key_algo;
	uint32_t author_key_algo;
	uint8_t reserved_8[56];
	struct id_signature block_sig;
	struct id_public_key id_key;
	uint8_t reserved_644[60];
	struct id_signature id_key_sig;
	struct id_public_key author_key;
	uint8_t reserved_c84[892];
};

static_assert(sizeof(struct id_auth) == 4096, "ID authentication");
static_assert(offsetof(struct id_auth, id_key) == 0x240, "ID authentication");
static_assert(offsetof(struct id_auth, id_key_sig) == 0x680, "ID authentication");
static_assert(offsetof(struct id_auth, author_key) == 0x880, "ID authentication");

/**
 * id_block_sign - fill in the authentication of an ID block
 * @block: to be signed
 * @auth: result: ECDSA, P-384, SHA-384; no author key
 * @pem: file of the private key, or NULL: a key is made, used once and forgotten
 * @reason: on failure: one line, why
 * @size: bytes of @reason
 *
 * Return: 0 or -1
 */
int id_block_sign(const struct id_block *block, struct id_auth *auth, const char *pem,
		  char *reason, int size);

/* As the file has it, and back; @policy is that of the guest. */
void id_block_from_igvm(const struct igvm_vhs_snp_id_block *file, uint64_t policy,
			struct id_block *block, struct id_auth *auth);
void id_block_to_igvm(const struct id_block *block, const struct id_auth *auth, uint32_t mask,
		      struct igvm_vhs_snp_id_block *file);

#endif
