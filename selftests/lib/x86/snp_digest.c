// SPDX-License-Identifier: GPL-2.0-only
/*
 * SHA-384 and the launch digest of SEV-SNP.
 *
 * The library loads the whole test program into the guest, so that with a
 * static libcrypto each launch would populate and measure a thousand pages
 * more; and there is no guarantee that the host kernel has AF_ALG.  Hence a
 * hash of its own, like tools/perf/util/sha1.c.
 */
#include <string.h>

#include "snp_vmsa.h"

static const u64 sha512_k[80] = {
	0x428a2f98d728ae22ULL, 0x7137449123ef65cdULL, 0xb5c0fbcfec4d3b2fULL, 0xe9b5dba58189dbbcULL,
	0x3956c25bf348b538ULL, 0x59f111f1b605d019ULL, 0x923f82a4af194f9bULL, 0xab1c5ed5da6d8118ULL,
	0xd807aa98a3030242ULL, 0x12835b0145706fbeULL, 0x243185be4ee4b28cULL, 0x550c7dc3d5ffb4e2ULL,
	0x72be5d74f27b896fULL, 0x80deb1fe3b1696b1ULL, 0x9bdc06a725c71235ULL, 0xc19bf174cf692694ULL,
	0xe49b69c19ef14ad2ULL, 0xefbe4786384f25e3ULL, 0x0fc19dc68b8cd5b5ULL, 0x240ca1cc77ac9c65ULL,
	0x2de92c6f592b0275ULL, 0x4a7484aa6ea6e483ULL, 0x5cb0a9dcbd41fbd4ULL, 0x76f988da831153b5ULL,
	0x983e5152ee66dfabULL, 0xa831c66d2db43210ULL, 0xb00327c898fb213fULL, 0xbf597fc7beef0ee4ULL,
	0xc6e00bf33da88fc2ULL, 0xd5a79147930aa725ULL, 0x06ca6351e003826fULL, 0x142929670a0e6e70ULL,
	0x27b70a8546d22ffcULL, 0x2e1b21385c26c926ULL, 0x4d2c6dfc5ac42aedULL, 0x53380d139d95b3dfULL,
	0x650a73548baf63deULL, 0x766a0abb3c77b2a8ULL, 0x81c2c92e47edaee6ULL, 0x92722c851482353bULL,
	0xa2bfe8a14cf10364ULL, 0xa81a664bbc423001ULL, 0xc24b8b70d0f89791ULL, 0xc76c51a30654be30ULL,
	0xd192e819d6ef5218ULL, 0xd69906245565a910ULL, 0xf40e35855771202aULL, 0x106aa07032bbd1b8ULL,
	0x19a4c116b8d2d0c8ULL, 0x1e376c085141ab53ULL, 0x2748774cdf8eeb99ULL, 0x34b0bcb5e19b48a8ULL,
	0x391c0cb3c5c95a63ULL, 0x4ed8aa4ae3418acbULL, 0x5b9cca4f7763e373ULL, 0x682e6ff3d6b2b8a3ULL,
	0x748f82ee5defb2fcULL, 0x78a5636f43172f60ULL, 0x84c87814a1f0ab72ULL, 0x8cc702081a6439ecULL,
	0x90befffa23631e28ULL, 0xa4506cebde82bde9ULL, 0xbef9a3f7b2c67915ULL, 0xc67178f2e372532bULL,
	0xca273eceea26619cULL, 0xd186b8c721c0c207ULL, 0xeada7dd6cde0eb1eULL, 0xf57d4f7fee6ed178ULL,
	0x06f067aa72176fbaULL, 0x0a637dc5a2c898a6ULL, 0x113f9804bef90daeULL, 0x1b710b35131c471bULL,
	0x28db77f523047d84ULL, 0x32caab7b40c72493ULL, 0x3c9ebe0a15c9bebcULL, 0x431d67c49c100d4cULL,
	0x4cc5d4becb3e42b6ULL, 0x597f299cfc657e2aULL, 0x5fcb6fab3ad6faecULL, 0x6c44198c4a475817ULL,
};

static inline u64 ror64_(u64 v, int n)
{
	return v >> n | v << (64 - n);
}

static void sha512_block(u64 h[8], const u8 *p)
{
	u64 w[80], a[8], t1, t2;
	int i;

	for (i = 0; i < 16; i++) {
		memcpy(&w[i], p + 8 * i, 8);
		w[i] = __builtin_bswap64(w[i]);
	}
	for (; i < 80; i++)
		w[i] = w[i - 16] + w[i - 7] +
		       (ror64_(w[i - 15], 1) ^ ror64_(w[i - 15], 8) ^ w[i - 15] >> 7) +
		       (ror64_(w[i - 2], 19) ^ ror64_(w[i - 2], 61) ^ w[i - 2] >> 6);

	memcpy(a, h, sizeof(a));
	for (i = 0; i < 80; i++) {
		t1 = a[7] + sha512_k[i] + w[i] +
		     (ror64_(a[4], 14) ^ ror64_(a[4], 18) ^ ror64_(a[4], 41)) +
		     ((a[4] & a[5]) ^ (~a[4] & a[6]));
		t2 = (ror64_(a[0], 28) ^ ror64_(a[0], 34) ^ ror64_(a[0], 39)) +
		     ((a[0] & a[1]) ^ (a[0] & a[2]) ^ (a[1] & a[2]));
		a[7] = a[6];
		a[6] = a[5];
		a[5] = a[4];
		a[4] = a[3] + t1;
		a[3] = a[2];
		a[2] = a[1];
		a[1] = a[0];
		a[0] = t1 + t2;
	}
	for (i = 0; i < 8; i++)
		h[i] += a[i];
}

void snp_sha384(const void *data, size_t len, u8 *md)
{
	u64 h[8] = {
		0xcbbb9d5dc1059ed8ULL, 0x629a292a367cd507ULL,
		0x9159015a3070dd17ULL, 0x152fecd8f70e5939ULL,
		0x67332667ffc00b31ULL, 0x8eb44a8768581511ULL,
		0xdb0c2e0d64f98fa7ULL, 0x47b5481dbefa4fa4ULL,
	};
	const u8 *p = data;
	u8 last[256] = {};
	size_t rest, nr;
	u64 v;
	int i;

	for (rest = len; rest >= 128; rest -= 128, p += 128)
		sha512_block(h, p);

	/* One bit, zeroes, and the length in bits in the last eight bytes. */
	memcpy(last, p, rest);
	last[rest] = 0x80;
	nr = rest < 112 ? 128 : 256;
	v = __builtin_bswap64((u64)len * 8);
	memcpy(last + nr - 8, &v, 8);
	sha512_block(h, last);
	if (nr == 256)
		sha512_block(h, last + 128);

	for (i = 0; i < SNP_DIGEST_LEN / 8; i++) {
		v = __builtin_bswap64(h[i]);
		memcpy(md + 8 * i, &v, 8);
	}
}

/* PAGE_INFO, SNP firmware ABI, section "SNP_LAUNCH_UPDATE". */
struct snp_page_info {
	u8 digest_cur[SNP_DIGEST_LEN];
	u8 contents[SNP_DIGEST_LEN];
	u16 length;
	u8 page_type;
	u8 imi_page;
	u8 vmpl_perms[3];
	u8 reserved;
	u64 gpa;
} __packed;

void snp_digest_page(u8 *digest, int type, u64 gpa, const void *page)
{
	struct snp_page_info info = {
		.length = sizeof(info),
		.page_type = type,
		.gpa = gpa,
	};

	kvm_static_assert(sizeof(info) == 0x70);

	/* Of the other types only the place and the type are measured. */
	if (type == KVM_SEV_SNP_PAGE_TYPE_NORMAL || type == KVM_SEV_SNP_PAGE_TYPE_VMSA)
		snp_sha384(page, PAGE_SIZE, info.contents);

	memcpy(info.digest_cur, digest, SNP_DIGEST_LEN);
	snp_sha384(&info, sizeof(info), digest);
}

void snp_digest_str(const u8 *digest, char *str)
{
	int i;

	for (i = 0; i < SNP_DIGEST_LEN; i++)
		sprintf(str + 2 * i, "%02x", digest[i]);
}
