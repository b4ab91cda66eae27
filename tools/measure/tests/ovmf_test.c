// SPDX-License-Identifier: GPL-2.0
/* The reader of OVMF images, and where the VMSAs of such a launch are measured. */
#include <errno.h>

#include "kselftest_harness.h"

#include "build.h"
#include "vmsa.h"

static struct image im;
static struct ovmf o;
static struct parse_error err;

#define NR	ARRAY_SIZE(image_sections)
#define SECTION(i, field)	(im.sections + 16 + (i) * 12 + \
				 offsetof(struct ovmf_section, field))

static bool refused(int code, uint64_t offset, const char *reason)
{
	uint8_t *copy = malloc(IMAGE_SIZE);
	int ret;

	/* A copy of its own, for ASan to see what is read beyond it. */
	if (!copy)
		abort();
	memcpy(copy, im.page, IMAGE_SIZE);
	ret = ovmf_parse(&o, copy, IMAGE_SIZE, &err);
	free(copy);
	image_build(&im, NR);
	if (ret == code && err.offset == offset && strstr(err.reason, reason))
		return true;
	ksft_print_msg("got %d at 0x%llx: '%s'\n  wanted %d at 0x%llx: '%s'\n", ret,
		       (unsigned long long)err.offset, err.reason, code,
		       (unsigned long long)offset, reason);
	return false;
}

static void put(size_t at, uint32_t val, int bytes)
{
	memcpy(im.page + at, &val, bytes);
}

TEST(takes_it)
{
	image_build(&im, NR);
	ASSERT_EQ(0, ovmf_parse(&o, im.page, IMAGE_SIZE, &err));
	EXPECT_EQ(IMAGE_AP_EIP, o.ap_eip);
	EXPECT_EQ(IMAGE_HASHES, o.hashes_gpa);
	ASSERT_EQ(NR, o.nr_sections);
	EXPECT_EQ(0, memcmp(o.sections, image_sections, sizeof(image_sections)));

	/* Without a section for them, kernel hashes have no place. */
	image_build(&im, 5);
	ASSERT_EQ(0, ovmf_parse(&o, im.page, IMAGE_SIZE, &err));
	EXPECT_EQ(5, o.nr_sections);
	EXPECT_EQ(0, o.hashes_gpa);
}

TEST(size_of_image)
{
	image_build(&im, NR);
	EXPECT_EQ(-EINVAL, ovmf_parse(&o, im.page, 0, &err));
	EXPECT_EQ(-EINVAL, ovmf_parse(&o, im.page, 4095, &err));
	EXPECT_EQ(-EINVAL, ovmf_parse(&o, im.page, 1ull << 32, &err));
	EXPECT_NE(NULL, strstr(err.reason, "4294967296 bytes"));
}

TEST(table_of_guids)
{
	image_build(&im, NR);
	put(im.footer + 2, 0, 1);
	EXPECT_TRUE(refused(-EINVAL, im.footer + 2, "no OVMF image"));

	put(im.footer, 17, 2);
	EXPECT_TRUE(refused(-EINVAL, im.footer, "has 17 bytes"));

	put(im.footer, IMAGE_SIZE - 31, 2);
	EXPECT_TRUE(refused(-EINVAL, im.footer, "has 4065 bytes"));

	/* An empty table is one without metadata. */
	put(im.footer, 18, 2);
	EXPECT_TRUE(refused(-EINVAL, IMAGE_SIZE - 32, "built without SNP"));

	/* Its first entry: none, too short, longer than the table */
	put(im.reset + 4, 0, 2);
	EXPECT_TRUE(refused(-EINVAL, im.reset + 4, "entry of 0 bytes"));
	put(im.reset + 4, 17, 2);
	EXPECT_TRUE(refused(-EINVAL, im.reset + 4, "entry of 17 bytes"));
	put(im.reset + 4, 0x1000, 2);
	EXPECT_TRUE(refused(-EINVAL, im.reset + 4, "entry of 4096 bytes"));

	/* No room for another entry */
	put(im.footer, 18 + 10, 2);
	EXPECT_TRUE(refused(-EINVAL, im.footer - 10, "10 stray bytes"));

	/* Entries without data */
	put(im.footer, 18 + 18, 2);
	put(im.reset + 4, 18, 2);
	EXPECT_TRUE(refused(-EINVAL, im.reset + 4, "0 bytes of data, wanted at least 4"));
}

TEST(kernel_hashes_area)
{
	image_build(&im, NR);
	put(im.hashes + 4, 175, 4);
	EXPECT_TRUE(refused(-EINVAL, im.hashes + 4, "175 bytes for the kernel hashes"));

	put(im.hashes, 0x810f51, 4);
	EXPECT_TRUE(refused(-EINVAL, SECTION(5, gpa), "kernel hashes at GPA 0x810f51"));
	put(im.hashes, 0x80ffff, 4);
	EXPECT_TRUE(refused(-EINVAL, SECTION(5, gpa), "kernel hashes at GPA 0x80ffff"));
	put(im.hashes, 0x811000, 4);
	EXPECT_TRUE(refused(-EINVAL, SECTION(5, gpa), "kernel hashes at GPA 0x811000"));
}

TEST(metadata)
{
	image_build(&im, NR);
	put(im.metadata, 15, 4);
	EXPECT_TRUE(refused(-EINVAL, im.metadata, "0xf bytes before the end"));
	put(im.metadata, IMAGE_SIZE + 1, 4);
	EXPECT_TRUE(refused(-EINVAL, im.metadata, "0x1001 bytes before the end"));
	put(im.sections, 0, 1);
	EXPECT_TRUE(refused(-EINVAL, im.sections, "wanted \"ASEV\""));
	put(im.sections + 8, 2, 4);
	EXPECT_TRUE(refused(-ENOTSUP, im.sections + 8, "version 2"));
	put(im.sections + 12, 65, 4);
	EXPECT_TRUE(refused(-EINVAL, im.sections + 12, "65 sections"));
	put(im.sections + 12, 8, 4);
	EXPECT_TRUE(refused(-EINVAL, im.sections + 4, "100 bytes for 8 sections"));
	put(im.sections + 4, 0x801, 4);
	EXPECT_TRUE(refused(-EINVAL, im.sections + 4, "2049 bytes for 7 sections"));
}

TEST(sections)
{
	image_build(&im, NR);
	put(SECTION(1, type), 5, 4);
	EXPECT_TRUE(refused(-ENOTSUP, SECTION(1, gpa), "section 1 has unknown type 0x5"));
	put(SECTION(1, gpa), 0x80a010, 4);
	EXPECT_TRUE(refused(-EINVAL, SECTION(1, gpa), "GPA 0x80a010"));
	put(SECTION(1, size), 0x3010, 4);
	EXPECT_TRUE(refused(-EINVAL, SECTION(1, gpa), "size 0x3010"));
	put(SECTION(1, size), 0, 4);
	EXPECT_TRUE(refused(-EINVAL, SECTION(1, gpa), "size 0x0"));
	put(SECTION(2, size), 0x2000, 4);
	EXPECT_TRUE(refused(-EINVAL, SECTION(2, gpa), "section 2 of type 2: size 0x2000"));
	put(SECTION(3, size), 0x2000, 4);
	EXPECT_TRUE(refused(-EINVAL, SECTION(3, gpa), "section 3 of type 3: size 0x2000"));
	put(SECTION(6, size), 0xff7ef000, 4);
	EXPECT_TRUE(refused(-EINVAL, SECTION(6, gpa), "reach into the image"));
	put(SECTION(6, gpa), 0xfffff000, 4);
	EXPECT_TRUE(refused(-EINVAL, SECTION(6, gpa), "reach into the image"));
	put(SECTION(6, gpa), 0x802000, 4);
	EXPECT_TRUE(refused(-EINVAL, SECTION(6, gpa), "overlap section 0"));
	put(SECTION(6, type), OVMF_CPUID, 4);
	put(SECTION(6, size), 0x1000, 4);
	EXPECT_TRUE(refused(-EINVAL, SECTION(6, gpa), "a second one of type 0x3"));
}

static void launch_vmsa(struct measure *m, uint64_t gpa, uint32_t eip)
{
	struct vmsa_initial v = { .eip = eip, .signature = 0x123, .sev_features = 5 };
	uint8_t page[VMSA_SIZE];

	vmsa_build(page, &v);
	measure_page(m, MEASURE_VMSA, gpa, page);
}

/* Those at GPAs of their own first, in LAUNCH_UPDATE; KVM's in LAUNCH_FINISH. */
TEST(vmsas)
{
	static const uint64_t gpas[] = {
		MEASURE_VMSA_KVM, 0x5000, MEASURE_VMSA_NONE, 0x3000,
	};
	struct ovmf_launch launch = {
		.vcpus = 5, .signature = 0x123, .sev_features = 5,
		.vmsa_gpas = gpas, .nr_vmsa_gpas = 4, .skip_image = true,
	};
	struct measure m = {}, hand = {};

	image_build(&im, 2);
	ASSERT_EQ(0, ovmf_parse(&o, im.page, IMAGE_SIZE, &err));
	measure_ovmf(&m, &o, &launch);

	measure_range(&hand, MEASURE_ZERO, 0x800000, NULL, 0x9000);
	measure_range(&hand, MEASURE_ZERO, 0x80a000, NULL, 0x3000);
	launch_vmsa(&hand, 0x5000, IMAGE_AP_EIP);
	launch_vmsa(&hand, 0x3000, IMAGE_AP_EIP);
	launch_vmsa(&hand, MEASURE_VMSA_KVM, VMSA_EIP_BSP);
	launch_vmsa(&hand, MEASURE_VMSA_KVM, IMAGE_AP_EIP);
	EXPECT_EQ(hand.pages, m.pages);
	EXPECT_EQ(0, memcmp(hand.digest, m.digest, MEASURE_LEN));

	/* Whoever has no VMSA does not count: one vCPU or five. */
	{
		static const uint64_t bsp[] = {
			0x5000, MEASURE_VMSA_NONE, MEASURE_VMSA_NONE,
		};
		struct measure one = {}, three = {};

		launch.vmsa_gpas = bsp;
		launch.nr_vmsa_gpas = 1;
		launch.vcpus = 1;
		measure_ovmf(&one, &o, &launch);
		launch.nr_vmsa_gpas = 3;
		launch.vcpus = 3;
		measure_ovmf(&three, &o, &launch);
		EXPECT_EQ(0, memcmp(one.digest, three.digest, MEASURE_LEN));
	}
}

TEST(image_is_measured_below_4g)
{
	struct ovmf_launch launch = { .vcpus = 1, .sev_features = 1 };
	struct measure m = {}, hand = {};
	struct vmsa_initial v = { .eip = VMSA_EIP_BSP, .sev_features = 1 };
	uint8_t page[VMSA_SIZE];

	image_build(&im, 0);
	ASSERT_EQ(0, ovmf_parse(&o, im.page, IMAGE_SIZE, &err));
	measure_ovmf(&m, &o, &launch);
	measure_page(&hand, MEASURE_NORMAL, 0xfffff000, im.page);
	vmsa_build(page, &v);
	measure_page(&hand, MEASURE_VMSA, MEASURE_VMSA_KVM, page);
	EXPECT_EQ(0, memcmp(hand.digest, m.digest, MEASURE_LEN));
}

TEST_HARNESS_MAIN
