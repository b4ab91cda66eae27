// SPDX-License-Identifier: GPL-2.0
/* The guest's AES-GCM and the ID block's signature, against libcrypto. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rand.h>

#include "kselftest_harness.h"

#include "../guest/guest.h"
#include "../id_block.h"

/* What libcrypto makes of the same message: GCM with a 12-byte IV */
static bool reference(const u8 *key, u64 seqno, const u8 *aad, int aad_len, const u8 *in, int len,
		      u8 *out, u8 *tag)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	u8 iv[12] = { 0 };
	bool ok;
	int n;

	memcpy(iv, &seqno, 8);
	ok = ctx && EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, iv) &&
	     EVP_EncryptUpdate(ctx, NULL, &n, aad, aad_len) &&
	     EVP_EncryptUpdate(ctx, out, &n, in, len) &&
	     EVP_EncryptFinal_ex(ctx, out + n, &n) &&
	     EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, 16, tag);
	EVP_CIPHER_CTX_free(ctx);
	return ok;
}

TEST(gcm)
{
	static const int lens[] = { 1, 15, 16, 17, 96, 255, 1216, 4000 };
	u8 key[32], aad[48], in[4000], want[4016], got[4000], want_tag[16], tag[16];
	u64 seqno;
	size_t i;

	if (!__builtin_cpu_supports("aes"))
		SKIP(return, "no AES instructions");
	for (i = 0; i < sizeof(lens) / sizeof(*lens); i++) {
		int len = lens[i], aad_len = i % 2 ? 48 : 13;

		ASSERT_EQ(1, RAND_bytes(key, sizeof(key)));
		ASSERT_EQ(1, RAND_bytes((u8 *)&seqno, sizeof(seqno)));
		ASSERT_EQ(1, RAND_bytes(aad, sizeof(aad)));
		ASSERT_EQ(1, RAND_bytes(in, sizeof(in)));
		ASSERT_TRUE(reference(key, seqno, aad, aad_len, in, len, want, want_tag));

		memcpy(got, in, sizeof(got));
		gcm_encrypt(key, seqno, aad, aad_len, got, len, tag);
		EXPECT_EQ(0, memcmp(got, want, len));
		EXPECT_EQ(0, memcmp(got + len, in + len, sizeof(in) - len));
		EXPECT_EQ(0, memcmp(tag, want_tag, sizeof(tag)));

		EXPECT_TRUE(gcm_decrypt(key, seqno, aad, aad_len, got, len, tag));
		EXPECT_EQ(0, memcmp(got, in, len));

		gcm_encrypt(key, seqno, aad, aad_len, got, len, tag);
		EXPECT_FALSE(gcm_decrypt(key, seqno + 1, aad, aad_len, got, len, tag));
		aad[aad_len - 1] ^= 1;
		EXPECT_FALSE(gcm_decrypt(key, seqno, aad, aad_len, got, len, tag));
		aad[aad_len - 1] ^= 1;
		got[len - 1] ^= 0x80;
		EXPECT_FALSE(gcm_decrypt(key, seqno, aad, aad_len, got, len, tag));
		/* What is refused is not decrypted. */
		got[len - 1] ^= 0x80;
		EXPECT_EQ(0, memcmp(got, want, len));
	}
}

static void reversed(u8 *out, const u8 *in, int len)
{
	while (len--)
		*out++ = in[len];
}

/* Verifies as firmware does: from the little-endian numbers of the tables. */
static bool verify(const struct id_block *block, const struct id_auth *auth)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	ECDSA_SIG *sig = ECDSA_SIG_new();
	EVP_PKEY *key = NULL;
	u8 point[97] = { 4 }, *der = NULL;
	char group[] = "secp384r1";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
		OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)),
		OSSL_PARAM_construct_end(),
	};
	int len;
	bool ok;

	reversed(point + 1, auth->id_key.qx, 48);
	reversed(point + 49, auth->id_key.qy, 48);
	ECDSA_SIG_set0(sig, BN_lebin2bn(auth->block_sig.r, 72, NULL),
		       BN_lebin2bn(auth->block_sig.s, 72, NULL));
	len = i2d_ECDSA_SIG(sig, &der);
	ok = EVP_PKEY_fromdata_init(ctx) > 0 &&
	     EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) > 0 &&
	     EVP_DigestVerifyInit(md, NULL, EVP_sha384(), NULL, key) > 0 &&
	     EVP_DigestVerify(md, der, len, (const u8 *)block, sizeof(*block)) == 1;
	OPENSSL_free(der);
	ECDSA_SIG_free(sig);
	EVP_PKEY_free(key);
	EVP_PKEY_CTX_free(ctx);
	EVP_MD_CTX_free(md);
	return ok;
}

TEST(id_block)
{
	struct id_block block = { .version = 1, .policy = 0x30000 }, back;
	struct igvm_vhs_snp_id_block file;
	struct id_auth auth, auth_back;
	char reason[160] = "";

	ASSERT_EQ(1, RAND_bytes(block.digest, sizeof(block.digest)));
	ASSERT_EQ(0, id_block_sign(&block, &auth, NULL, reason, sizeof(reason)));
	EXPECT_EQ(1, auth.id_key_algo);
	EXPECT_EQ(2, auth.id_key.curve);
	EXPECT_TRUE(verify(&block, &auth));

	/* Through a file and back */
	id_block_to_igvm(&block, &auth, 1, &file);
	EXPECT_EQ(1, file.mask);
	id_block_from_igvm(&file, block.policy, &back, &auth_back);
	EXPECT_EQ(0, memcmp(&block, &back, sizeof(back)));
	EXPECT_EQ(0, memcmp(&auth, &auth_back, sizeof(auth)));
	EXPECT_TRUE(verify(&back, &auth_back));

	block.digest[47] ^= 1;
	EXPECT_FALSE(verify(&block, &auth));
}

TEST_HARNESS_MAIN
