// SPDX-License-Identifier: GPL-2.0
/*
 * Published launch digests.  Inputs and results are data; each names the public
 * suite that it is from.
 */
#include "kselftest_harness.h"

#include <openssl/evp.h>

#include "build.h"
#include "measure.h"
#include "ovmf.h"
#include "vmsa.h"

#define SIG_EPYC_V4	0x800f12
#define SIG_MILAN	0xa00f11

static const char *hex(const uint8_t *p)
{
	static char s[2 * MEASURE_LEN + 1];
	int i;

	for (i = 0; i < MEASURE_LEN; i++)
		sprintf(s + 2 * i, "%02x", p[i]);
	return s;
}

static void unhex(uint8_t *out, const char *s)
{
	int i;

	for (i = 0; i < MEASURE_LEN; i++)
		sscanf(s + 2 * i, "%2hhx", &out[i]);
}

static const uint8_t *vmsa_a(void)
{
	static uint8_t page[VMSA_SIZE];
	struct vmsa_initial v = {
		.eip = VMSA_EIP_BSP, .signature = SIG_EPYC_V4, .sev_features = 1,
	};

	vmsa_build(page, &v);
	return page;
}

static const uint8_t *page_f(void)
{
	static uint8_t f[MEASURE_PAGE];

	return memset(f, 0xf4, sizeof(f));
}

/* google/gce-tcb-verifier, sev/sev_test.go */

TEST(a1_normal_pages)
{
	uint8_t p[3 * MEASURE_PAGE] = {};
	struct measure m = {};
	int i;

	for (i = 0; i < 4; i++) {
		memcpy(p + 4 * i, "LGTM", 4);
		memcpy(p + sizeof(p) - 16 + 4 * i, "LGTM", 4);
	}
	measure_range(&m, MEASURE_NORMAL, 0, p, sizeof(p));
	EXPECT_STREQ("cba1cd767c33b30f96271837dbbae4081a945464a5af397b9b0336b5d8759ee88cc6b62c05d915c4424a9ac5747437d4",
		     hex(m.digest));
}

TEST(a2_zero_pages)
{
	struct measure m = {};

	measure_range(&m, MEASURE_ZERO, 0x9000, NULL, 3 * MEASURE_PAGE);
	EXPECT_STREQ("4bfe18477ba370a50329da74b9621e721c4f29663176e08fbcf088a17c1bc45f133898b86d5082acbe202a6e9419808a",
		     hex(m.digest));
}

/* SHA-384 of a VMSA: virtee/sev-snp-measure, virtee/sev */

TEST(vmsa_contents)
{
	struct vmsa_initial v = {
		.eip = VMSA_EIP_BSP, .signature = SIG_MILAN, .sev_features = 1,
	};
	uint8_t page[VMSA_SIZE], md[MEASURE_LEN];

	vmsa_build(page, &v);
	ASSERT_EQ(1, EVP_Digest(page, sizeof(page), md, NULL, EVP_sha384(), NULL));
	EXPECT_STREQ("728af287318db5f3fc4d2357a969483c4225956dc555b514a78d64ee372112d13b3dca8afd02cdbd1c55697d8ce087f5",
		     hex(md));
	ASSERT_EQ(1, EVP_Digest(vmsa_a(), VMSA_SIZE, md, NULL, EVP_sha384(), NULL));
	EXPECT_STREQ("77920c4c629ff47e90c0e174fc1ad0eb6fa664f88cd4739488058a8c6cb1a77b3856f55378e9518d0da99452d51c553a",
		     hex(md));
}

/*
 * Launches by QEMU of an OVMF image that has a place for kernel hashes; kernel
 * and initrd are empty files: virtee/sev-snp-measure, tests/test_guest.py, some
 * of them also virtee/sev, tests/measurement.rs.  The image itself is not here:
 * the digest after its pages is published, too, and its metadata are rebuilt.
 */
FIXTURE(ovmf)
{
};

FIXTURE_SETUP(ovmf)
{
}

FIXTURE_TEARDOWN(ovmf)
{
}

FIXTURE_VARIANT(ovmf)
{
	unsigned int vcpus;
	uint64_t features;
	const char *cmdline;		/* NULL: no kernel */
	const char *digest;
};

#define LAUNCH(name, vcpus_, features_, cmdline_, digest_)		\
	FIXTURE_VARIANT_ADD(ovmf, name)					\
	{								\
		.vcpus = vcpus_, .features = features_,			\
		.cmdline = cmdline_, .digest = digest_,			\
	}

LAUNCH(kernel_1_vcpu, 1, 1, "",
	"ddc5224521617a536ee7ce9dd6224d1b58a8d4fda1c741f3ac99fc4bfa04ba6e9fc98646d4a07a9079397fa3852819b5");
LAUNCH(no_kernel_1_vcpu, 1, 1, NULL,
	"19358ba9a7615534a9a1e2f0dfc29384dcd4dcb7062ff9c6013b26869a5fc6ecabe033c48dd6f6db5d6d76e7c5df632d");
LAUNCH(kernel_4_vcpus, 4, 1, "",
	"5061fffb019493a903613d56d54b94912a1a2f9e4502385f5c194616753720a92441310ba6c4933de877c36e23046ad5");
LAUNCH(kernel_cmdline, 1, 1, "console=ttyS0 loglevel=7",
	"6d287813eb5222d770f75005c664e34c204f385ce832cc2ce7d0d6f354454362f390ef83a92046c042e706363b4b08fa");
/* SEV_FEATURES 0x21: with DebugSwap */
LAUNCH(kernel_1_vcpu_0x21, 1, 0x21, "",
	"329c8ce0972ae52343b64d34a434a86f245dfd74f5ed7aae15d22efc78fb9683632b9b50e4e1d7fa41179ef98a7ef198");
LAUNCH(no_kernel_1_vcpu_0x21, 1, 0x21, NULL,
	"e1e1ca029dd7973ab9513295be68198472dcd4fc834bd9af9b63f6e8a1674dbf281a9278a4a2ebe0eed9f22adbcd0e2b");
LAUNCH(kernel_4_vcpus_0x21, 4, 0x21, "",
	"4953b1fb416fa874980e8442b3706d345926d5f38879134e00813c5d7abcbe78eafe7b422907be0b4698e2414a631942");
LAUNCH(kernel_cmdline_0x21, 1, 0x21, "console=ttyS0 loglevel=7",
	"803f691094946e42068aaa3a8f9e26a5c89f36f7b73ecfb28c653360fe4b3aba7e534442e7e1e17895dfe778d0228977");

TEST_F(ovmf, launch)
{
	struct ovmf_launch launch = {
		.vcpus = variant->vcpus,
		.signature = SIG_EPYC_V4,
		.sev_features = variant->features,
		.skip_image = true,
	};
	uint8_t hashes[OVMF_HASHES_SIZE];
	struct parse_error err;
	struct measure m = {};
	struct image im;
	struct ovmf o;

	image_build(&im, ARRAY_SIZE(image_sections));
	ASSERT_EQ(0, ovmf_parse(&o, im.page, sizeof(im.page), &err));
	unhex(m.digest,
	      "086e2e9149ebf45abdc3445fba5b2da8270bdbb04094d7a2c37faaa4b24af3aa16aff8c374c2a55c467a50da6d466b74");
	if (variant->cmdline) {
		ovmf_hashes(hashes, "", 0, NULL, 0, variant->cmdline);
		launch.hashes = hashes;
	}
	measure_ovmf(&m, &o, &launch);
	EXPECT_STREQ(variant->digest, hex(m.digest));
}

/* Guest-provided VMSA: synthetic, two independent implementations agree. */

TEST(s1_normal)
{
	struct measure m = {};

	measure_page(&m, MEASURE_NORMAL, 0x1000, page_f());
	EXPECT_STREQ("e4f6f9472e1f93dac0bc2b3442644cff31785ea819565c7006b25210edb63ec4fa556db6cd811756e3cb147e94d99b5f",
		     hex(m.digest));
}

TEST(s2_unmeasured)
{
	struct measure m = {};

	measure_page(&m, MEASURE_UNMEASURED, 0x5000, page_f());
	EXPECT_STREQ("7d2de4ec67cb8b23d14189e7c2dc7fb13f7380893873205f441cbec4cd3221fec56fe2672edc876723f41078c2e1b525",
		     hex(m.digest));
}

TEST(s3_vmsa)
{
	struct measure m = {};

	measure_page(&m, MEASURE_VMSA, MEASURE_VMSA_KVM, vmsa_a());
	EXPECT_STREQ("108432463da76821f35c5daf2f7aecc0ce9ce88652de5f70f638c7a0345c11f2f80025654b80e7be10a9fe0ee1b75f33",
		     hex(m.digest));
}

TEST(s5_normal_and_vmsa)
{
	struct measure m = {};

	measure_page(&m, MEASURE_NORMAL, 0x1000, page_f());
	measure_page(&m, MEASURE_VMSA, MEASURE_VMSA_KVM, vmsa_a());
	EXPECT_STREQ("2a4b9f61239267b92aef31dc7c3e5e96389f295f9d2da17913dc6ae4a52ab74103280587922bc9c0488a44a4cfca2275",
		     hex(m.digest));
}

TEST_HARNESS_MAIN
