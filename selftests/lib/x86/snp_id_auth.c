// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ID block of SEV-SNP and its signature.
 *
 * Firmware takes an ID block only with a signature (ECDSA, P-384, SHA-384) by
 * a key that the block's author brings along: any key does.  openssl(1) makes
 * key and signature, so that the programs need no library that the guest would
 * have to load with them.  Without it the ID block stays unsigned, which is
 * enough for a platform that does not check signatures.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test_util.h"
#include "snp_vmsa.h"

#define P384_LEN		48
#define SNP_ECDSA_LEN		72

#define SNP_KEY_ALGO_P384	1
#define SNP_CURVE_P384		2

/* SNP firmware ABI, table "ID Authentication Information Structure" */
struct snp_id_auth {
	u32 id_key_algo;
	u32 author_key_algo;
	u8 reserved_0x8[56];
	struct {
		u8 r[SNP_ECDSA_LEN], s[SNP_ECDSA_LEN];
		u8 reserved[368];
	} id_block_sig;
	struct {
		u32 curve;
		u8 qx[SNP_ECDSA_LEN], qy[SNP_ECDSA_LEN];
		u8 reserved[880];
	} id_key;
	u8 rest[4096 - 0x240 - 1028];
} __packed;

kvm_static_assert(offsetof(struct snp_id_auth, id_block_sig) == 0x40);
kvm_static_assert(offsetof(struct snp_id_auth, id_key) == 0x240);
kvm_static_assert(sizeof(struct snp_id_auth) == KVM_SEV_SNP_ID_AUTH_SIZE);

/* Numbers are big endian in DER and little endian in the firmware's tables. */
static void reverse(u8 *dst, const u8 *src, size_t len)
{
	while (len--)
		*dst++ = src[len];
}

/* An INTEGER of DER, of P-384's size at most; returns what follows it. */
static const u8 *der_integer(const u8 *der, const u8 *end, u8 *dst)
{
	size_t len;

	if (!der || end - der < 2 || der[0] != 2 || der[1] > end - der - 2)
		return NULL;
	len = der[1];
	der += 2;
	/* A zero in front keeps a number from being negative. */
	for (; len > P384_LEN; len--)
		if (*der++)
			return NULL;
	reverse(dst, der, len);
	return der + len;
}

static size_t read_file(const char *dir, const char *name, u8 *buf, size_t size)
{
	char path[128];
	size_t len = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "r");
	if (f) {
		len = fread(buf, 1, size, f);
		fclose(f);
	}
	unlink(path);
	return len;
}

static bool openssl_sign(const struct snp_id_block *block, struct snp_id_auth *auth)
{
	char dir[] = "/tmp/snp_id_XXXXXX", cmd[512], path[128];
	u8 sig[256], pub[256];
	const u8 *p;
	size_t len;
	FILE *f;

	if (system("openssl version >/dev/null 2>&1") || !mkdtemp(dir))
		return false;

	snprintf(path, sizeof(path), "%s/block", dir);
	f = fopen(path, "w");
	if (f) {
		len = fwrite(block, sizeof(*block), 1, f);
		fclose(f);
		snprintf(cmd, sizeof(cmd),
			 "cd %s && { openssl ecparam -name secp384r1 -genkey -noout -out key && "
			 "openssl ec -in key -pubout -outform DER -out pub && "
			 "openssl dgst -sha384 -sign key -out sig block; } >/dev/null 2>&1", dir);
		if (len == 1 && system(cmd))
			fprintf(stderr, "openssl does not sign\n");
	}

	len = read_file(dir, "pub", pub, sizeof(pub));
	/* SubjectPublicKeyInfo ends in the point: X, then Y. */
	if (len > 2 * P384_LEN) {
		auth->id_key.curve = SNP_CURVE_P384;
		reverse(auth->id_key.qx, pub + len - 2 * P384_LEN, P384_LEN);
		reverse(auth->id_key.qy, pub + len - P384_LEN, P384_LEN);
	}

	len = read_file(dir, "sig", sig, sizeof(sig));
	p = len > 2 ? der_integer(sig + 2, sig + len, auth->id_block_sig.r) : NULL;
	p = der_integer(p, sig + len, auth->id_block_sig.s);

	read_file(dir, "block", sig, 0);
	read_file(dir, "key", sig, 0);
	rmdir(dir);
	return p && auth->id_key.curve;
}

/* Returns whether the ID block is signed. */
bool snp_sign_id_block(const struct snp_id_block *block, void *id_auth)
{
	struct snp_id_auth *auth = id_auth;

	memset(auth, 0, sizeof(*auth));
	auth->id_key_algo = SNP_KEY_ALGO_P384;
	return openssl_sign(block, auth);
}
