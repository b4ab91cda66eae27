// SPDX-License-Identifier: GPL-2.0
/* The ID block of SEV-SNP: see id_block.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "id_block.h"

#define ALGO_ECDSA_P384_SHA384	1
#define CURVE_P384		2
#define NUMBER_LEN		72

static EVP_PKEY *read_key(const char *path, char *reason, int size)
{
	EVP_PKEY *key;
	FILE *f = fopen(path, "re");

	if (!f) {
		snprintf(reason, size, "can't open the key '%s': %s", path, strerror(errno));
		return NULL;
	}
	key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
	fclose(f);
	if (!key)
		snprintf(reason, size, "'%s' has no private key in PEM", path);
	return key;
}

static bool put_number(const BIGNUM *n, uint8_t *out)
{
	return n && BN_bn2lebinpad(n, out, NUMBER_LEN) == NUMBER_LEN;
}

static bool put_public_key(EVP_PKEY *key, struct id_public_key *out)
{
	BIGNUM *x = NULL, *y = NULL;
	bool ok;

	out->curve = CURVE_P384;
	ok = EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_PUB_X, &x) &&
	     EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_PUB_Y, &y) &&
	     put_number(x, out->qx) && put_number(y, out->qy);
	BN_free(x);
	BN_free(y);
	return ok;
}

static bool put_signature(EVP_PKEY *key, const void *data, size_t len, struct id_signature *out)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	ECDSA_SIG *sig = NULL;
	const uint8_t *p;
	uint8_t der[256];
	size_t der_len = sizeof(der);
	bool ok = false;

	if (ctx && EVP_DigestSignInit(ctx, NULL, EVP_sha384(), NULL, key) > 0 &&
	    EVP_DigestSign(ctx, der, &der_len, data, len) > 0) {
		p = der;
		sig = d2i_ECDSA_SIG(NULL, &p, (long)der_len);
		ok = sig && put_number(ECDSA_SIG_get0_r(sig), out->r) &&
		     put_number(ECDSA_SIG_get0_s(sig), out->s);
	}
	ECDSA_SIG_free(sig);
	EVP_MD_CTX_free(ctx);
	return ok;
}

int id_block_sign(const struct id_block *block, struct id_auth *auth, const char *pem,
		  char *reason, int size)
{
	char group[32] = "";
	EVP_PKEY *key;
	int ret = -1;

	memset(auth, 0, sizeof(*auth));
	auth->id_key_algo = ALGO_ECDSA_P384_SHA384;

	key = pem ? read_key(pem, reason, size) : EVP_EC_gen("P-384");
	if (!key) {
		if (!pem)
			snprintf(reason, size, "libcrypto can't make a key on P-384");
		return -1;
	}
	if (!EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) ||
	    strcmp(group, "secp384r1"))
		snprintf(reason, size, "key '%s' is on '%s', wanted a key on secp384r1 (P-384)",
			 pem, group);
	else if (!put_public_key(key, &auth->id_key) ||
		 !put_signature(key, block, sizeof(*block), &auth->block_sig))
		snprintf(reason, size, "libcrypto can't sign");
	else
		ret = 0;
	EVP_PKEY_free(key);
	return ret;
}

static void key_from_igvm(const struct igvm_snp_public_key *file, struct id_public_key *key)
{
	key->curve = file->curve;
	memcpy(key->qx, file->qx, sizeof(key->qx));
	memcpy(key->qy, file->qy, sizeof(key->qy));
}

static void signature_from_igvm(const struct igvm_snp_signature *file, struct id_signature *sig)
{
	memcpy(sig->r, file->r, sizeof(sig->r));
	memcpy(sig->s, file->s, sizeof(sig->s));
}

void id_block_from_igvm(const struct igvm_vhs_snp_id_block *file, uint64_t policy,
			struct id_block *block, struct id_auth *auth)
{
	memset(block, 0, sizeof(*block));
	memset(auth, 0, sizeof(*auth));

	memcpy(block->digest, file->ld, sizeof(block->digest));
	memcpy(block->family_id, file->family_id, sizeof(block->family_id));
	memcpy(block->image_id, file->image_id, sizeof(block->image_id));
	block->version = file->version;
	block->guest_svn = file->guest_svn;
	block->policy = policy;

	auth->id_key_algo = file->id_key_algorithm;
	signature_from_igvm(&file->id_key_signature, &auth->block_sig);
	key_from_igvm(&file->id_public_key, &auth->id_key);
	if (file->author_key_enabled) {
		auth->author_key_algo = file->author_key_algorithm;
		signature_from_igvm(&file->author_key_signature, &auth->id_key_sig);
		key_from_igvm(&file->author_public_key, &auth->author_key);
	}
}

void id_block_to_igvm(const struct id_block *block, const struct id_auth *auth, uint32_t mask,
		      struct igvm_vhs_snp_id_block *file)
{
	memset(file, 0, sizeof(*file));

	file->mask = mask;
	memcpy(file->ld, block->digest, sizeof(file->ld));
	memcpy(file->family_id, block->family_id, sizeof(file->family_id));
	memcpy(file->image_id, block->image_id, sizeof(file->image_id));
	file->version = block->version;
	file->guest_svn = block->guest_svn;
	file->id_key_algorithm = auth->id_key_algo;
	memcpy(file->id_key_signature.r, auth->block_sig.r, sizeof(file->id_key_signature.r));
	memcpy(file->id_key_signature.s, auth->block_sig.s, sizeof(file->id_key_signature.s));
	file->id_public_key.curve = auth->id_key.curve;
	memcpy(file->id_public_key.qx, auth->id_key.qx, sizeof(file->id_public_key.qx));
	memcpy(file->id_public_key.qy, auth->id_key.qy, sizeof(file->id_public_key.qy));
}
