// SPDX-License-Identifier: GPL-2.0
/*
 * Launch digest: published vectors, synthetic ones and refusals.
 *
 * Builds the digest code of the emulated firmware itself (SNP_HW names its
 * directory).  Vectors are data: each names the public suite it came from.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "kselftest_harness.h"

#include "digest.h"
#include "vmsa.h"

#define PAGE		4096u
#define SZ(n)		((n) * (uint64_t)PAGE)

static void hash(const EVP_MD *md, const void *data, size_t len, uint8_t *out)
{
	if (!EVP_Digest(data, len, out, NULL, md, NULL)) {
		fprintf(stderr, "libcrypto: no digest\n");
		abort();
	}
}

void snp_sha384(const void *data, size_t len, uint8_t out[SNP_DIGEST_LEN])
{
	uint8_t md[SNP_DIGEST_LEN];

	hash(EVP_sha384(), data, len, md);
	memcpy(out, md, sizeof(md));
}

static const char *hex(const uint8_t *p)
{
	static char s[2 * SNP_DIGEST_LEN + 1];
	int i;

	for (i = 0; i < SNP_DIGEST_LEN; i++)
		sprintf(s + 2 * i, "%02x", p[i]);
	return s;
}

static void unhex(uint8_t *out, const char *s)
{
	unsigned int v;
	int i;

	for (i = 0; i < SNP_DIGEST_LEN; i++) {
		if (sscanf(s + 2 * i, "%2x", &v) != 1)
			abort();
		out[i] = v;
	}
}

static uint8_t ld[SNP_DIGEST_LEN];

static void extend(int type, uint64_t gpa, const void *page, uint64_t len)
{
	struct snp_digest_record rec = { .type = type, .gpa = gpa };

	if (!snp_digest_extend_range(ld, &rec, page, len)) {
		fprintf(stderr, "record of type %d at %#llx refused\n", type,
			(unsigned long long)gpa);
		abort();
	}
}

#define SIG_EPYC_V4	0x800f12
#define SIG_MILAN	0xa00f11

#define VMSA_GPA	0xfffffffff000ull

static const uint8_t *vmsa(uint32_t eip, uint32_t signature, uint64_t features)
{
	static uint8_t page[PAGE];
	struct vmsa_initial p = {
		.eip = eip,
		.signature = signature,
		.sev_features = features,
	};

	vmsa_build(page, &p);
	return page;
}

#define EIP_BSP		0xfffffff0
#define EIP_AP		0x80b004

static const uint8_t *page_f(void)
{
	static uint8_t f[PAGE];

	memset(f, 0xf4, sizeof(f));
	return f;
}

/* google/gce-tcb-verifier, sev/sev_test.go */

TEST(gce_normal_pages)
{
	static uint8_t p[3 * PAGE];
	int i;

	for (i = 0; i < 4; i++) {
		memcpy(p + 4 * i, "LGTM", 4);
		memcpy(p + sizeof(p) - 16 + 4 * i, "LGTM", 4);
	}
	snp_digest_init(ld);
	extend(SNP_DIGEST_NORMAL, 0, p, sizeof(p));
	EXPECT_STREQ(hex(ld),
		     "cba1cd767c33b30f96271837dbbae4081a945464a5af397b9b0336b5d8759ee88cc6b62c05d915c4424a9ac5747437d4");
}

TEST(gce_zero_pages)
{
	snp_digest_init(ld);
	extend(SNP_DIGEST_ZERO, 0x9000, NULL, SZ(3));
	EXPECT_STREQ(hex(ld),
		     "4bfe18477ba370a50329da74b9621e721c4f29663176e08fbcf088a17c1bc45f133898b86d5082acbe202a6e9419808a");
}

/* SHA-384 of the page; virtee/sev-snp-measure, virtee/sev */

TEST(vmsa_epyc_v4)
{
	snp_sha384(vmsa(EIP_BSP, SIG_EPYC_V4, 1), PAGE, ld);
	EXPECT_STREQ(hex(ld),
		     "77920c4c629ff47e90c0e174fc1ad0eb6fa664f88cd4739488058a8c6cb1a77b3856f55378e9518d0da99452d51c553a");
}

TEST(vmsa_epyc_milan)
{
	snp_sha384(vmsa(EIP_BSP, SIG_MILAN, 1), PAGE, ld);
	EXPECT_STREQ(hex(ld),
		     "728af287318db5f3fc4d2357a969483c4225956dc555b514a78d64ee372112d13b3dca8afd02cdbd1c55697d8ce087f5");
}

/*
 * Whole launches with OVMF; virtee/sev-snp-measure tests/test_guest.py,
 * virtee/sev tests/measurement.rs.  The seed is the digest after the firmware
 * image, so the image is not needed.
 */
#define OVMF_SEED \
	"086e2e9149ebf45abdc3445fba5b2da8270bdbb04094d7a2c37faaa4b24af3aa16aff8c374c2a55c467a50da6d466b74"

static void guid(uint8_t *out, const char *s)
{
	static const int order[16] = {
		6, 4, 2, 0, 11, 9, 16, 14, 19, 21, 24, 26, 28, 30, 32, 34
	};
	unsigned int v;
	int i;

	for (i = 0; i < 16; i++) {
		if (sscanf(s + order[i], "%2x", &v) != 1)
			abort();
		out[i] = v;
	}
}

static uint8_t *hash_entry(uint8_t *p, const char *id, const void *data,
			   size_t len)
{
	guid(p, id);
	p[16] = 50;
	p[17] = 0;
	hash(EVP_sha256(), data, len, p + 18);
	return p + 50;
}

/* QEMU's table of kernel hashes; kernel and initrd are empty here. */
static const uint8_t *kernel_hashes(const char *cmdline)
{
	static uint8_t page[PAGE];
	uint8_t *p = page + 0xc00;

	memset(page, 0, sizeof(page));
	guid(p, "9438d606-4f22-4cc9-b479-a793d411fd21");
	p[16] = 168;
	p += 18;
	p = hash_entry(p, "97d02dd8-bd20-4c94-aa78-e7714d36ab2a", cmdline,
		       strlen(cmdline) + 1);
	p = hash_entry(p, "44baf731-3a2f-4bd7-9af1-41e29169781d", "", 0);
	hash_entry(p, "4de79437-abd2-427f-b835-d5b172d2045b", "", 0);
	return page;
}

static void ovmf(int vcpus, uint64_t features, const char *cmdline)
{
	int i;

	unhex(ld, OVMF_SEED);
	extend(SNP_DIGEST_ZERO, 0x800000, NULL, 0x9000);
	extend(SNP_DIGEST_ZERO, 0x80a000, NULL, 0x3000);
	extend(SNP_DIGEST_SECRETS, 0x80d000, NULL, PAGE);
	extend(SNP_DIGEST_CPUID, 0x80e000, NULL, PAGE);
	extend(SNP_DIGEST_ZERO, 0x80f000, NULL, PAGE);
	if (cmdline)
		extend(SNP_DIGEST_NORMAL, 0x810000, kernel_hashes(cmdline),
		       PAGE);
	else
		extend(SNP_DIGEST_ZERO, 0x810000, NULL, PAGE);
	extend(SNP_DIGEST_ZERO, 0x811000, NULL, 0xf000);
	for (i = 0; i < vcpus; i++)
		extend(SNP_DIGEST_VMSA, VMSA_GPA,
		       vmsa(i ? EIP_AP : EIP_BSP, SIG_EPYC_V4, features), PAGE);
}

TEST(ovmf_1_vcpu_kernel)
{
	ovmf(1, 1, "");
	EXPECT_STREQ(hex(ld),
		     "ddc5224521617a536ee7ce9dd6224d1b58a8d4fda1c741f3ac99fc4bfa04ba6e9fc98646d4a07a9079397fa3852819b5");
}

TEST(ovmf_1_vcpu_no_kernel)
{
	ovmf(1, 1, NULL);
	EXPECT_STREQ(hex(ld),
		     "19358ba9a7615534a9a1e2f0dfc29384dcd4dcb7062ff9c6013b26869a5fc6ecabe033c48dd6f6db5d6d76e7c5df632d");
}

TEST(ovmf_4_vcpus_kernel)
{
	ovmf(4, 1, "");
	EXPECT_STREQ(hex(ld),
		     "5061fffb019493a903613d56d54b94912a1a2f9e4502385f5c194616753720a92441310ba6c4933de877c36e23046ad5");
}

/* Guest-provided VMSA: synthetic, two independent implementations agree. */

TEST(synthetic_s1_normal)
{
	snp_digest_init(ld);
	extend(SNP_DIGEST_NORMAL, 0x1000, page_f(), PAGE);
	EXPECT_STREQ(hex(ld),
		     "e4f6f9472e1f93dac0bc2b3442644cff31785ea819565c7006b25210edb63ec4fa556db6cd811756e3cb147e94d99b5f");
}

TEST(synthetic_s2_unmeasured)
{
	snp_digest_init(ld);
	extend(SNP_DIGEST_UNMEASURED, 0x5000, page_f(), PAGE);
	EXPECT_STREQ(hex(ld),
		     "7d2de4ec67cb8b23d14189e7c2dc7fb13f7380893873205f441cbec4cd3221fec56fe2672edc876723f41078c2e1b525");
}

TEST(synthetic_s3_vmsa)
{
	snp_digest_init(ld);
	extend(SNP_DIGEST_VMSA, VMSA_GPA, vmsa(EIP_BSP, SIG_EPYC_V4, 1), PAGE);
	EXPECT_STREQ(hex(ld),
		     "108432463da76821f35c5daf2f7aecc0ce9ce88652de5f70f638c7a0345c11f2f80025654b80e7be10a9fe0ee1b75f33");
}

TEST(synthetic_s5_normal_and_vmsa)
{
	snp_digest_init(ld);
	extend(SNP_DIGEST_NORMAL, 0x1000, page_f(), PAGE);
	extend(SNP_DIGEST_VMSA, VMSA_GPA, vmsa(EIP_BSP, SIG_EPYC_V4, 1), PAGE);
	EXPECT_STREQ(hex(ld),
		     "2a4b9f61239267b92aef31dc7c3e5e96389f295f9d2da17913dc6ae4a52ab74103280587922bc9c0488a44a4cfca2275");
}

/* What the ABI says and no published vector shows. */

TEST(content_of_unmeasured_types_is_ignored)
{
	static const int types[] = {
		SNP_DIGEST_ZERO, SNP_DIGEST_UNMEASURED, SNP_DIGEST_SECRETS,
		SNP_DIGEST_CPUID,
	};
	uint8_t with[SNP_DIGEST_LEN];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(types); i++) {
		snp_digest_init(ld);
		extend(types[i], 0x1000, page_f(), PAGE);
		memcpy(with, ld, sizeof(with));
		snp_digest_init(ld);
		extend(types[i], 0x1000, NULL, PAGE);
		EXPECT_EQ(0, memcmp(with, ld, sizeof(with)));
	}
}

TEST(every_field_counts)
{
	static const struct snp_digest_record recs[] = {
		{ .type = SNP_DIGEST_NORMAL, .gpa = 0x1000 },
		{ .type = SNP_DIGEST_VMSA, .gpa = 0x1000 },
		{ .type = SNP_DIGEST_NORMAL, .gpa = 0x2000 },
		{ .type = SNP_DIGEST_NORMAL, .gpa = 0x1000, .imi = true },
		{ .type = SNP_DIGEST_NORMAL, .gpa = 0x1000,
		  .vmpl_perm = { 0, 1, 0, 0 } },
		{ .type = SNP_DIGEST_NORMAL, .gpa = 0x1000,
		  .vmpl_perm = { 0, 0, 1, 0 } },
		{ .type = SNP_DIGEST_NORMAL, .gpa = 0x1000,
		  .vmpl_perm = { 0, 0, 0, 1 } },
		{ .type = SNP_DIGEST_ZERO, .gpa = 0x1000 },
		{ .type = SNP_DIGEST_UNMEASURED, .gpa = 0x1000 },
		{ .type = SNP_DIGEST_SECRETS, .gpa = 0x1000 },
		{ .type = SNP_DIGEST_CPUID, .gpa = 0x1000 },
	};
	enum { N = ARRAY_SIZE(recs) };
	uint8_t d[N][SNP_DIGEST_LEN];
	int i, j;

	for (i = 0; i < N; i++) {
		snp_digest_init(d[i]);
		ASSERT_TRUE(snp_digest_extend(d[i], &recs[i], page_f()));
		for (j = 0; j < i; j++)
			EXPECT_NE(0, memcmp(d[i], d[j], SNP_DIGEST_LEN));
	}
}

/*
 * PAGE_INFO put together by hand: VMPL3, VMPL2, VMPL1 at 0x64 to 0x66. No
 * published vector has other than zeros there, and tools disagree on the order.
 */
TEST(vmpl_permissions_order)
{
	struct snp_digest_record rec = {
		.type = SNP_DIGEST_ZERO,
		.imi = true,
		.vmpl_perm = { 0, 1, 3, 7 },
		.gpa = 0x123456789000ull,
	};
	uint8_t info[0x70] = {
		[0x60] = 0x70, [0x62] = 3, [0x63] = 1,
		[0x64] = 7, [0x65] = 3, [0x66] = 1,
		[0x69] = 0x90, [0x6a] = 0x78, [0x6b] = 0x56, [0x6c] = 0x34,
		[0x6d] = 0x12,
	};
	uint8_t want[SNP_DIGEST_LEN];

	snp_sha384(info, sizeof(info), want);
	snp_digest_init(ld);
	ASSERT_TRUE(snp_digest_extend(ld, &rec, NULL));
	EXPECT_EQ(0, memcmp(want, ld, sizeof(want)));
}

TEST(vmpl0_permissions_do_not_count)
{
	struct snp_digest_record a = { .type = SNP_DIGEST_ZERO };
	struct snp_digest_record b = a;
	uint8_t da[SNP_DIGEST_LEN], db[SNP_DIGEST_LEN];

	b.vmpl_perm[0] = 15;
	snp_digest_init(da);
	snp_digest_init(db);
	ASSERT_TRUE(snp_digest_extend(da, &a, NULL));
	ASSERT_TRUE(snp_digest_extend(db, &b, NULL));
	EXPECT_EQ(0, memcmp(da, db, sizeof(da)));
}

TEST(refusals_leave_the_digest_alone)
{
	static const struct {
		int type;
		uint64_t gpa;
		int with_page;
		uint64_t len;
	} bad[] = {
		{ 0, 0x1000, 1, PAGE },
		{ 7, 0x1000, 1, PAGE },
		{ SNP_DIGEST_NORMAL, 0x1000, 0, PAGE },
		{ SNP_DIGEST_VMSA, 0x1000, 0, PAGE },
		{ SNP_DIGEST_NORMAL, 0x1001, 1, PAGE },
		{ SNP_DIGEST_ZERO, 0x1800, 0, PAGE },
		{ SNP_DIGEST_ZERO, 0x1000, 0, PAGE + 1 },
	};
	uint8_t before[SNP_DIGEST_LEN];
	unsigned int i;

	unhex(ld, OVMF_SEED);
	memcpy(before, ld, sizeof(before));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		struct snp_digest_record rec = {
			.type = bad[i].type,
			.gpa = bad[i].gpa,
		};

		EXPECT_FALSE(snp_digest_extend_range(ld, &rec,
						     bad[i].with_page ?
						     page_f() : NULL,
						     bad[i].len));
		EXPECT_EQ(0, memcmp(before, ld, sizeof(before)));
	}
}

TEST_HARNESS_MAIN
