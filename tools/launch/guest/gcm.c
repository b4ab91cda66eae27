// SPDX-License-Identifier: GPL-2.0
/*
 * AES-256-GCM, for messages to the firmware.  Sources: FIPS 197 and NIST SP
 * 800-38D.  AES by instructions, which all SNP processors have; the product in
 * GF(2^128) bit by bit, as a message is one page.
 */
#include <wmmintrin.h>

#include "guest.h"

#define ROUNDS	14

struct gcm {
	__m128i key[ROUNDS + 1];
	u64 h[2], y[2];			/* big endian words, the first one first */
	u8 counter[16];
};

static __m128i expand(__m128i prev, __m128i word)
{
	prev = _mm_xor_si128(prev, _mm_slli_si128(prev, 4));
	prev = _mm_xor_si128(prev, _mm_slli_si128(prev, 8));
	return _mm_xor_si128(prev, word);
}

/* The round constant has to be in the instruction. */
#define EXPAND_EVEN(i, rcon)						\
	(g->key[i] = expand(g->key[(i) - 2],				\
		_mm_shuffle_epi32(_mm_aeskeygenassist_si128(g->key[(i) - 1], rcon), 0xff)))
#define EXPAND_ODD(i)							\
	(g->key[i] = expand(g->key[(i) - 2],				\
		_mm_shuffle_epi32(_mm_aeskeygenassist_si128(g->key[(i) - 1], 0), 0xaa)))

static void set_key(struct gcm *g, const u8 *key)
{
	g->key[0] = _mm_loadu_si128((const __m128i *)key);
	g->key[1] = _mm_loadu_si128((const __m128i *)(key + 16));
	EXPAND_EVEN(2, 0x01);
	EXPAND_ODD(3);
	EXPAND_EVEN(4, 0x02);
	EXPAND_ODD(5);
	EXPAND_EVEN(6, 0x04);
	EXPAND_ODD(7);
	EXPAND_EVEN(8, 0x08);
	EXPAND_ODD(9);
	EXPAND_EVEN(10, 0x10);
	EXPAND_ODD(11);
	EXPAND_EVEN(12, 0x20);
	EXPAND_ODD(13);
	EXPAND_EVEN(14, 0x40);
}

static void encrypt_block(const struct gcm *g, const u8 in[16], u8 out[16])
{
	__m128i b = _mm_xor_si128(_mm_loadu_si128((const __m128i *)in), g->key[0]);
	int i;

	for (i = 1; i < ROUNDS; i++)
		b = _mm_aesenc_si128(b, g->key[i]);
	_mm_storeu_si128((__m128i *)out, _mm_aesenclast_si128(b, g->key[ROUNDS]));
}

static u64 get_be64(const u8 *p)
{
	u64 v;

	__builtin_memcpy(&v, p, 8);
	return __builtin_bswap64(v);
}

static void put_be64(u8 *p, u64 v)
{
	v = __builtin_bswap64(v);
	__builtin_memcpy(p, &v, 8);
}

/* y = (y ^ block) * h */
static void ghash_block(struct gcm *g, const u8 block[16])
{
	u64 x[2] = { g->y[0] ^ get_be64(block), g->y[1] ^ get_be64(block + 8) };
	u64 v0 = g->h[0], v1 = g->h[1], z0 = 0, z1 = 0, carry;
	int i;

	for (i = 0; i < 128; i++) {
		if (x[i / 64] >> (63 - i % 64) & 1) {
			z0 ^= v0;
			z1 ^= v1;
		}
		carry = v1 & 1;
		v1 = v1 >> 1 | v0 << 63;
		v0 = v0 >> 1 ^ (carry ? 0xe1ull << 56 : 0);
	}
	g->y[0] = z0;
	g->y[1] = z1;
}

static void ghash(struct gcm *g, const u8 *data, size_t len)
{
	u8 block[16];
	size_t n;

	for (; len; data += n, len -= n) {
		n = len < 16 ? len : 16;
		__builtin_memset(block, 0, 16);
		__builtin_memcpy(block, data, n);
		ghash_block(g, block);
	}
}

/* The IV of a message: 12 bytes, its sequence number, little endian */
static void start(struct gcm *g, const u8 *key, u64 seqno)
{
	u8 h[16] = { 0 };

	set_key(g, key);
	encrypt_block(g, h, h);
	g->h[0] = get_be64(h);
	g->h[1] = get_be64(h + 8);
	g->y[0] = g->y[1] = 0;
	__builtin_memset(g->counter, 0, 16);
	__builtin_memcpy(g->counter, &seqno, 8);
}

static void count(struct gcm *g, uint32_t n)
{
	n = __builtin_bswap32(n);
	__builtin_memcpy(g->counter + 12, &n, 4);
}

static void crypt_data(struct gcm *g, u8 *data, size_t len)
{
	u8 stream[16];
	size_t i;

	for (i = 0; i < len; i++) {
		if (i % 16 == 0) {
			count(g, 2 + i / 16);
			encrypt_block(g, g->counter, stream);
		}
		data[i] ^= stream[i % 16];
	}
}

static void finish(struct gcm *g, const u8 *aad, size_t aad_len, const u8 *data, size_t len,
		   u8 tag[16])
{
	u8 lengths[16];
	int i;

	ghash(g, aad, aad_len);
	ghash(g, data, len);
	put_be64(lengths, aad_len * 8);
	put_be64(lengths + 8, len * 8);
	ghash_block(g, lengths);
	put_be64(lengths, g->y[0]);
	put_be64(lengths + 8, g->y[1]);
	count(g, 1);
	encrypt_block(g, g->counter, tag);
	for (i = 0; i < 16; i++)
		tag[i] ^= lengths[i];
}

/* @data, @len bytes, is encrypted in place. */
void gcm_encrypt(const u8 key[32], u64 seqno, const u8 *aad, size_t aad_len, u8 *data,
		 size_t len, u8 tag[16])
{
	struct gcm g;

	start(&g, key, seqno);
	crypt_data(&g, data, len);
	finish(&g, aad, aad_len, data, len, tag);
}

/* Decrypts in place, and returns whether @tag is right; if not, @data is left alone. */
bool gcm_decrypt(const u8 key[32], u64 seqno, const u8 *aad, size_t aad_len, u8 *data,
		 size_t len, const u8 tag[16])
{
	struct gcm g;
	u8 want[16];

	start(&g, key, seqno);
	finish(&g, aad, aad_len, data, len, want);
	if (__builtin_memcmp(want, tag, 16))
		return false;
	crypt_data(&g, data, len);
	return true;
}
