// SPDX-License-Identifier: GPL-2.0
/* The IGVM reader: what it takes, and that it refuses everything else. */
#include <errno.h>

#include "kselftest_harness.h"

#include "build.h"
#include "measure.h"

static struct build b;
static struct igvm igvm;
static struct parse_error err;

static int parse(void)
{
	memset(&err, 0, sizeof(err));
	return igvm_parse(&igvm, b.file, b.size, &err);
}

/* Takes b, which is finished if it is not yet. */
static bool refused(int code, uint64_t offset, const char *reason)
{
	int ret;

	if (!b.file)
		build_finish(&b);
	ret = parse();
	build_free(&b);
	if (!ret)
		igvm_free(&igvm);
	if (ret == code && err.offset == offset && strstr(err.reason, reason))
		return true;
	ksft_print_msg("got %d at 0x%llx: '%s'\n  wanted %d at 0x%llx: '%s'\n", ret,
		       (unsigned long long)err.offset, err.reason, code,
		       (unsigned long long)offset, reason);
	return false;
}

static bool taken(void)
{
	if (!b.file)
		build_finish(&b);
	if (!parse())
		return true;
	ksft_print_msg("refused at 0x%llx: %s\n", (unsigned long long)err.offset, err.reason);
	return false;
}

static void done(void)
{
	igvm_free(&igvm);
	build_free(&b);
}

#define FIELD(type, field) (8 + offsetof(struct igvm_vhs_##type, field))

/* A platform, and nothing else; the next header is at 0x30. */
#define FIRST 0x30

static void begin(void)
{
	build_free(&b);
	build_platform(&b, 1, IGVM_PLATFORM_SEV_SNP);
}

/* Change @bytes of the finished file, and make the checksum good. */
static void change(uint32_t at, uint64_t val, int bytes)
{
	if (!b.file)
		build_finish(&b);
	memcpy(b.file + at, &val, bytes);
	build_checksum(&b);
}

TEST(takes_one_of_everything)
{
	static const enum igvm_vht types[] = {
		IGVM_VHT_PARAMETER_AREA, IGVM_VHT_PARAMETER_AREA,
		IGVM_VHT_VP_COUNT, IGVM_VHT_MEMORY_MAP,
		IGVM_VHT_PAGE_DATA, IGVM_VHT_PAGE_DATA, IGVM_VHT_PAGE_DATA,
		IGVM_VHT_PAGE_DATA, IGVM_VHT_PAGE_DATA, IGVM_VHT_PAGE_DATA,
		IGVM_VHT_PAGE_DATA,
		IGVM_VHT_PARAMETER_INSERT, IGVM_VHT_PARAMETER_INSERT,
		IGVM_VHT_REQUIRED_MEMORY, IGVM_VHT_ERROR_RANGE,
		IGVM_VHT_VP_CONTEXT, IGVM_VHT_VP_CONTEXT, IGVM_VHT_VP_CONTEXT,
	};
	const struct igvm_directive *d;
	size_t i;

	build_free(&b);
	build_all(&b);
	ASSERT_TRUE(taken());
	EXPECT_TRUE(igvm.has_policy);
	EXPECT_EQ(0x30000, igvm.policy);
	EXPECT_NE(NULL, igvm.id_block);
	EXPECT_EQ(3, igvm.nr_vps);
	ASSERT_EQ(ARRAY_SIZE(types), igvm.nr_directives);
	for (i = 0; i < ARRAY_SIZE(types); i++)
		EXPECT_EQ(types[i], igvm.directives[i].type);

	d = igvm.directives;
	EXPECT_EQ(0x2000, d[0].area.size);
	EXPECT_EQ(NULL, d[0].area.data);
	ASSERT_NE(NULL, d[1].area.data);
	EXPECT_EQ(0x77, d[1].area.data[0xfff]);
	EXPECT_EQ(&d[0], d[3].parameter.area);
	EXPECT_EQ(0x1000, d[3].parameter.byte_offset);
	EXPECT_EQ(0x100000, d[4].page.gpa);
	ASSERT_NE(NULL, d[4].page.data);
	EXPECT_EQ(0xf4, d[4].page.data[0]);
	EXPECT_EQ(0xf4, d[4].page.data[0xfff]);
	EXPECT_EQ(NULL, d[5].page.data);
	EXPECT_EQ(IGVM_PAGE_UNMEASURED, d[6].page.flags);
	EXPECT_EQ(IGVM_PAGE_SECRETS, d[7].page.type);
	EXPECT_EQ(IGVM_PAGE_CPUID, d[8].page.type);
	EXPECT_EQ(IGVM_PAGE_CPUID_XF, d[9].page.type);
	EXPECT_EQ(IGVM_PAGE_SHARED, d[10].page.flags);
	EXPECT_EQ(&d[0], d[11].insert.area);
	EXPECT_EQ(0x203000, d[12].insert.gpa);
	EXPECT_EQ(&d[1], d[12].insert.area);
	EXPECT_EQ(0x200000, d[13].range.size);
	EXPECT_EQ(0x300000, d[14].range.gpa);
	EXPECT_EQ(0x400000, d[15].vp.gpa);
	EXPECT_EQ(0, d[15].vp.index);
	EXPECT_EQ(0x55, d[15].vp.vmsa[0xfff]);
	EXPECT_EQ(2, d[16].vp.index);
	done();
}

TEST(names)
{
	EXPECT_STREQ("VP_CONTEXT", igvm_vht_name(IGVM_VHT_VP_CONTEXT));
	EXPECT_STREQ("VP_CONTEXT", igvm_vht_name(IGVM_VHT_VP_CONTEXT | IGVM_VHT_OPTIONAL));
	EXPECT_EQ(NULL, igvm_vht_name(0x306));
}

/*
 * No file that ends too early is taken, and none is read beyond its end: every
 * length up to the data, and then some.
 */
TEST(truncated_anywhere)
{
	struct igvm_fixed_header h;
	size_t n, headers;

	build_free(&b);
	build_all(&b);
	memcpy(&h, b.file, sizeof(h));
	headers = h.variable_offset + h.variable_size;
	for (n = 0; n < b.size; n += n < headers ? 1 : 509) {
		uint8_t *copy = malloc(n ? n : 1);

		ASSERT_NE(NULL, copy);
		memcpy(copy, b.file, n);
		ASSERT_EQ(-EINVAL, igvm_parse(&igvm, copy, n, &err));
		/* And one whose header owns up to it. */
		if (n >= sizeof(h)) {
			memcpy(&h, copy, sizeof(h));
			h.total_size = n;
			memcpy(copy, &h, sizeof(h));
			if (h.variable_offset + h.variable_size <= n) {
				h.checksum = igvm_checksum(copy);
				memcpy(copy, &h, sizeof(h));
			}
			ASSERT_EQ(-EINVAL, igvm_parse(&igvm, copy, n, &err));
		}
		free(copy);
	}
	build_free(&b);
}

TEST(fixed_header)
{
	struct igvm_fixed_header *h;
	const struct {
		size_t field;
		uint32_t value;
		int code;
		const char *reason;
	} bad[] = {
		{ 0, 0x4d564748, -EINVAL, "no IGVM file: magic 0x4d564748" },
		{ 4, 0, -ENOTSUP, "format version 0" },
		{ 4, 2, -ENOTSUP, "format version 2, only 1" },
		{ 8, 16, -EINVAL, "variable headers at 16" },
		{ 8, 28, -EINVAL, "variable headers at 28" },
		{ 12, 0xfffffff0, -EINVAL, "go beyond the end" },
		{ 12, 12, -EINVAL, "12 bytes of variable headers" },
		{ 16, 0x1000, -EINVAL, "total size is 4096" },
		{ 16, 0x28, -EINVAL, "total size is 40, but the file has 48" },
		{ 20, 0, -EINVAL, "checksum 0x00000000" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		begin();
		build_finish(&b);
		memcpy(b.file + bad[i].field, &bad[i].value, 4);
		EXPECT_TRUE(refused(bad[i].code, bad[i].field, bad[i].reason));
	}

	begin();
	build_finish(&b);
	h = (struct igvm_fixed_header *)b.file;
	h->variable_offset = 0x40;
	EXPECT_TRUE(refused(-EINVAL, 12, "go beyond the end"));
}

/* A file may have something between the fixed header and the others. */
TEST(gap_before_headers)
{
	struct igvm_fixed_header h;
	uint8_t *file;

	begin();
	build_finish(&b);
	file = calloc(1, b.size + 8);
	ASSERT_NE(NULL, file);
	memcpy(&h, b.file, sizeof(h));
	h.variable_offset += 8;
	h.total_size += 8;
	memcpy(file, &h, sizeof(h));
	memcpy(file + 32, b.file + 24, b.size - 24);
	h.checksum = igvm_checksum(file);
	memcpy(file, &h, sizeof(h));
	EXPECT_EQ(0, igvm_parse(&igvm, file, b.size + 8, &err));
	igvm_free(&igvm);
	free(file);
	build_free(&b);
}

TEST(checksum_is_crc32)
{
	/* Check value of CRC-32/ISO-HDLC, of the digits 1 to 9. */
	static const char text[] = "123456789";
	uint32_t crc = ~0u;
	size_t i, bit;

	begin();
	build_finish(&b);
	/* Bit by bit, as the polynomial says: first on the known text, then on the file. */
	for (i = 0; i < 9; i++) {
		crc ^= (uint8_t)text[i];
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	EXPECT_EQ(0xcbf43926, ~crc);
	crc = ~0u;
	for (i = 0; i < b.size; i++) {
		crc ^= i >= 20 && i < 24 ? 0 : b.file[i];
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	EXPECT_EQ(~crc, igvm_checksum(b.file));
	build_free(&b);
}

TEST(variable_header)
{
	begin();
	build_header(&b, 0x399 | IGVM_VHT_OPTIONAL, "12345678", 8);
	change(FIRST + 4, 9, 4);
	EXPECT_TRUE(refused(-EINVAL, FIRST + 4, "has 9 bytes, but only 8 are left"));

	begin();
	build_page(&b, 1, 0x1000, 0, 0, -1);
	change(FIRST + 4, 0xfffffff8, 4);
	EXPECT_TRUE(refused(-EINVAL, FIRST + 4, "only 24 are left"));

	begin();
	build_page(&b, 1, 0x1000, 0, 0, -1);
	change(FIRST + 4, 20, 4);
	EXPECT_TRUE(refused(-EINVAL, FIRST + 4, "PAGE_DATA: 20 bytes, wanted 24"));

	begin();
	build_vp(&b, 1, 0x1000, 0, 1);
	change(FIRST + 8 + 20, 0x5a, 1);
	EXPECT_TRUE(refused(-EINVAL, FIRST + 8 + 20, "is 0x5a, wanted 0"));

	begin();
	build_header(&b, 0x306, "", 0);
	EXPECT_TRUE(refused(-ENOTSUP, FIRST, "unknown type 0x306"));

	begin();
	build_header(&b, 0, "", 0);
	EXPECT_TRUE(refused(-ENOTSUP, FIRST, "unknown type 0x0"));
}

TEST(optional_headers)
{
	begin();
	build_header(&b, 0x399 | IGVM_VHT_OPTIONAL, "abcde", 5);
	build_policy(&b, 1, 7);
	ASSERT_TRUE(taken());
	EXPECT_EQ(7, igvm.policy);
	EXPECT_EQ(0, igvm.nr_directives);
	done();

	/* One that is known is no less taken in, and no less checked. */
	begin();
	build_header(&b, IGVM_VHT_PAGE_DATA | IGVM_VHT_OPTIONAL,
		     &(struct igvm_vhs_page_data){ .gpa = 0x1000, .mask = 1 }, 24);
	ASSERT_TRUE(taken());
	EXPECT_EQ(1, igvm.nr_directives);
	done();

	begin();
	build_header(&b, IGVM_VHT_PAGE_DATA | IGVM_VHT_OPTIONAL, "", 0);
	EXPECT_TRUE(refused(-EINVAL, FIRST + 4, "PAGE_DATA: 0 bytes"));

	begin();
	build_header(&b, 0x399 | IGVM_VHT_OPTIONAL, "abcde", 5);
	change(FIRST + 8 + 7, 1, 1);
	EXPECT_TRUE(refused(-EINVAL, FIRST + 8 + 7, "padding of the header of type 0x80000399"));
}

TEST(order_of_sections)
{
	uint32_t at;

	begin();
	build_policy(&b, 1, 0);
	at = build_platform(&b, 2, 3);
	EXPECT_TRUE(refused(-EINVAL, at,
			    "platform section, comes after the first initialization"));

	begin();
	build_page(&b, 1, 0x1000, 0, 0, -1);
	at = build_policy(&b, 1, 0);
	EXPECT_TRUE(refused(-EINVAL, at,
			    "initialization section, comes after the first directive"));
}

TEST(platforms)
{
	uint32_t at;

	build_free(&b);
	build_platform(&b, 1, 3);
	EXPECT_TRUE(refused(-ENOTSUP, 24, "not for SEV-SNP"));

	EXPECT_TRUE(refused(-ENOTSUP, 24, "not for SEV-SNP"));

	build_platform(&b, 3, IGVM_PLATFORM_SEV_SNP);
	EXPECT_TRUE(refused(-EINVAL, 32, "compatibility mask 0x3, wanted one bit"));

	build_platform(&b, 0, IGVM_PLATFORM_SEV_SNP);
	EXPECT_TRUE(refused(-EINVAL, 32, "compatibility mask 0x0, wanted one bit"));

	begin();
	at = build_platform(&b, 1, 3);
	EXPECT_TRUE(refused(-EINVAL, at + 8, "is that of another platform"));

	begin();
	at = build_platform(&b, 2, IGVM_PLATFORM_SEV_SNP);
	EXPECT_TRUE(refused(-EINVAL, at + FIELD(supported_platform, type), "a second time"));

	begin();
	change(24 + FIELD(supported_platform, version), 2, 2);
	EXPECT_TRUE(refused(-ENOTSUP, 24 + FIELD(supported_platform, version), "version 2"));

	begin();
	change(24 + FIELD(supported_platform, highest_vtl), 3, 1);
	EXPECT_TRUE(refused(-EINVAL, 24 + FIELD(supported_platform, highest_vtl), "VTL 3"));

	begin();
	change(24 + FIELD(supported_platform, highest_vtl), 2, 1);
	change(24 + FIELD(supported_platform, shared_gpa_boundary), 1ull << 46, 8);
	ASSERT_TRUE(taken());
	EXPECT_EQ(2, igvm.highest_vtl);
	EXPECT_EQ(1ull << 46, igvm.shared_gpa_boundary);
	done();
}

TEST(compatibility_masks)
{
	begin();
	build_page(&b, 2, 0x1000, 0, 0, -1);
	EXPECT_TRUE(refused(-EINVAL, FIRST + FIELD(page_data, mask), "compatibility mask 0x2"));

	begin();
	build_page(&b, 0, 0x1000, 0, 0, -1);
	EXPECT_TRUE(refused(-EINVAL, FIRST + FIELD(page_data, mask), "compatibility mask 0x0"));

	/* What is for others only is not looked at: not even its GPA. */
	build_platform(&b, 4, IGVM_PLATFORM_SEV_SNP);
	build_platform(&b, 2, 1);
	build_page(&b, 2, 0x1001, 0, 0, -1);
	build_page(&b, 6, 0x2000, 0, 0, -1);
	build_vp(&b, 2, 0, 0, -1);
	ASSERT_TRUE(taken());
	ASSERT_EQ(1, igvm.nr_directives);
	EXPECT_EQ(0x2000, igvm.directives[0].page.gpa);
	done();
}

TEST(policy)
{
	uint32_t at;

	begin();
	ASSERT_TRUE(taken());
	EXPECT_FALSE(igvm.has_policy);
	done();

	begin();
	build_policy(&b, 1, 1);
	at = build_policy(&b, 1, 2);
	EXPECT_TRUE(refused(-EINVAL, at + 8, "GUEST_POLICY: a second one"));

	begin();
	at = build_policy(&b, 1, 1);
	change(at + FIELD(guest_policy, reserved), 1, 4);
	EXPECT_TRUE(refused(-EINVAL, at + FIELD(guest_policy, reserved), "reserved field 0x1"));
}

TEST(page_data)
{
	const size_t at = FIRST;
	const struct {
		size_t field;
		uint64_t value;
		int bytes;
		int code;
		const char *reason;
	} bad[] = {
		{ FIELD(page_data, gpa), 0x1001, 8, -EINVAL, "GPA 0x1001" },
		{ FIELD(page_data, gpa), 1ull << 52, 8, -EINVAL, "wanted below 0x10000000000000" },
		{ FIELD(page_data, gpa), ~0xfffull, 8, -EINVAL, "GPA 0xfffffffffffff000" },
		{ FIELD(page_data, flags), 8, 4, -EINVAL, "unknown flags in 0x8" },
		{ FIELD(page_data, flags), IGVM_PAGE_2M, 4, -ENOTSUP, "a 2M page" },
		{ FIELD(page_data, type), 4, 2, -EINVAL, "page type 4" },
		{ FIELD(page_data, reserved), 1, 2, -EINVAL, "reserved field 0x1" },
		{ FIELD(page_data, file_offset), 8, 4, -EINVAL, "lies in the headers" },
		{ FIELD(page_data, file_offset), 0x4f, 4, -EINVAL, "lies in the headers" },
		{ FIELD(page_data, file_offset), 0x51, 4, -EINVAL, "go beyond the end at 0x1050" },
		{ FIELD(page_data, file_offset), ~0u, 4, -EINVAL, "go beyond the end" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		begin();
		build_page(&b, 1, 0x1000, 0, 0, 1);
		change(at + bad[i].field, bad[i].value, bad[i].bytes);
		EXPECT_TRUE(refused(bad[i].code, at + bad[i].field, bad[i].reason));
	}

	begin();
	build_page(&b, 1, 0x1000, IGVM_PAGE_SECRETS, IGVM_PAGE_SHARED, -1);
	EXPECT_TRUE(refused(-EINVAL, at + FIELD(page_data, flags), "a shared page of type 1"));

	/* The last page that there can be. */
	begin();
	build_page(&b, 1, IGVM_MAX_GPA - 4096, 0, 0, 1);
	EXPECT_TRUE(taken());
	done();
}

TEST(vp_context)
{
	uint32_t at;

	begin();
	at = build_vp(&b, 1, 0x1800, 0, 1);
	EXPECT_TRUE(refused(-EINVAL, at + 8, "VP_CONTEXT: GPA 0x1800"));

	begin();
	at = build_vp(&b, 1, 0x1000, 0, -1);
	EXPECT_TRUE(refused(-EINVAL, at + FIELD(vp_context, file_offset), "wanted a VMSA"));

	begin();
	at = build_vp(&b, 1, 0x1000, 0, 1);
	change(at + FIELD(vp_context, file_offset), 0x51, 4);
	EXPECT_TRUE(refused(-EINVAL, at + FIELD(vp_context, file_offset), "go beyond"));

	begin();
	at = build_vp(&b, 1, 0x1000, 0, 1);
	change(at + FIELD(vp_context, reserved), 1, 2);
	EXPECT_TRUE(refused(-EINVAL, at + FIELD(vp_context, reserved), "reserved"));

	begin();
	build_vp(&b, 1, 0x1000, 0xffff, 1);
	at = build_vp(&b, 1, 0x2000, 0xffff, 1);
	EXPECT_TRUE(refused(-EINVAL, at + FIELD(vp_context, vp_index),
			    "a second one for VP 65535"));

	begin();
	build_vp(&b, 1, 0x1000, 0, 1);
	at = build_vp(&b, 1, 0x1000, 1, 1);
	EXPECT_TRUE(refused(-EINVAL, at,
			    "0x1000 bytes at GPA 0x1000 overlap those of the header at 0x30"));
}

TEST(parameters)
{
	uint32_t at;

	begin();
	at = build_area(&b, 0, 0x1800, -1);
	EXPECT_TRUE(refused(-EINVAL, at + 8, "size 0x1800"));

	begin();
	at = build_area(&b, 0, 0, -1);
	EXPECT_TRUE(refused(-EINVAL, at + 8, "size 0x0"));

	begin();
	build_area(&b, 0, IGVM_MAX_PARAMETERS, -1);
	at = build_area(&b, 1, 0x1000, -1);
	EXPECT_TRUE(refused(-ENOTSUP, at + 8, "together, 0x4000000 are supported"));

	begin();
	at = build_area(&b, 0, ~0xfffull, -1);
	EXPECT_TRUE(refused(-ENOTSUP, at + 8, "size 0xfffffffffffff000"));

	begin();
	build_area(&b, 3, 0x1000, -1);
	at = build_area(&b, 3, 0x1000, -1);
	EXPECT_TRUE(refused(-EINVAL, at + FIELD(parameter_area, index),
			    "a second one with index 3"));

	begin();
	at = build_area(&b, 3, 0x1000, 1);
	change(at + 8, 0x2000, 8);
	EXPECT_TRUE(refused(-EINVAL, at + FIELD(parameter_area, file_offset), "8192 bytes"));

	begin();
	at = build_insert(&b, 1, 0x1000, 0);
	EXPECT_TRUE(refused(-EINVAL, at + FIELD(parameter_insert, index),
			    "parameter area 0, and there is none"));

	begin();
	build_area(&b, 0, 0x1000, -1);
	at = build_insert(&b, 1, 0x1004, 0);
	EXPECT_TRUE(refused(-EINVAL, at + 8, "PARAMETER_INSERT: GPA 0x1004"));

	begin();
	build_area(&b, 0, 0x2000, -1);
	at = build_insert(&b, 1, IGVM_MAX_GPA - 0x1000, 0);
	EXPECT_TRUE(refused(-EINVAL, at + 8, "and 0x2000 bytes"));

	begin();
	build_area(&b, 0, 0x1000, -1);
	build_insert(&b, 1, 0x1000, 0);
	at = build_insert(&b, 1, 0x2000, 0);
	EXPECT_TRUE(refused(-EINVAL, at + FIELD(parameter_insert, index), "already inserted"));

	begin();
	build_area(&b, 0, 0x1000, -1);
	build_insert(&b, 1, 0x1000, 0);
	at = build_parameter(&b, IGVM_VHT_MADT, 0, 0);
	EXPECT_TRUE(refused(-EINVAL, at + 8, "MADT: parameter area 0 is already inserted"));

	begin();
	at = build_parameter(&b, IGVM_VHT_MEMORY_MAP, 9, 0);
	EXPECT_TRUE(refused(-EINVAL, at + 8, "MEMORY_MAP: parameter area 9"));

	begin();
	build_area(&b, 0, 0x1000, -1);
	at = build_parameter(&b, IGVM_VHT_MADT, 0, 0x1000);
	EXPECT_TRUE(refused(-EINVAL, at + FIELD(parameter, byte_offset), "at offset 0x1000"));

	begin();
	build_area(&b, 0, 0x1000, -1);
	build_parameter(&b, IGVM_VHT_VP_COUNT, 0, 0xffc);
	at = build_parameter(&b, IGVM_VHT_ENVIRONMENT_INFO, 0, 0xffd);
	EXPECT_TRUE(refused(-EINVAL, at + FIELD(parameter, byte_offset),
			    "ENVIRONMENT_INFO: at offset 0xffd"));
}

TEST(too_many_areas)
{
	uint32_t at = 0;
	int i;

	begin();
	for (i = 0; i <= 256; i++)
		at = build_area(&b, i, 0x1000, -1);
	EXPECT_TRUE(refused(-ENOTSUP, at, "more than 256"));
}

TEST(ranges)
{
	uint32_t at;

	begin();
	at = build_required(&b, 1, 0x1000, 0);
	EXPECT_TRUE(refused(-EINVAL, at + FIELD(required_memory, size), "size 0x0"));

	begin();
	at = build_required(&b, 1, 0x1000, 0x800);
	EXPECT_TRUE(refused(-EINVAL, at + FIELD(required_memory, size), "size 0x800"));

	begin();
	at = build_required(&b, 1, 0x10, 0x1000);
	EXPECT_TRUE(refused(-EINVAL, at + 8, "GPA 0x10"));

	begin();
	at = build_required(&b, 1, IGVM_MAX_GPA - 0x1000, 0x2000);
	EXPECT_TRUE(refused(-EINVAL, at + 8, "and 0x2000 bytes"));

	begin();
	at = build_required(&b, 1, 0x1000, 0x1000);
	change(at + FIELD(required_memory, flags), 2, 4);
	EXPECT_TRUE(refused(-EINVAL, at + FIELD(required_memory, flags), "unknown flags in 0x2"));

	begin();
	at = build_required(&b, 1, 0x1000, 0x1000);
	change(at + FIELD(required_memory, reserved), 2, 4);
	EXPECT_TRUE(refused(-EINVAL, at + FIELD(required_memory, reserved), "reserved"));

	begin();
	at = build_error_range(&b, 1, 0x1000, 0x10);
	EXPECT_TRUE(refused(-EINVAL, at + FIELD(error_range, size), "ERROR_RANGE: size 0x10"));
}

TEST(id_block)
{
	uint32_t at;

	begin();
	build_id_block(&b, 1, NULL);
	at = build_id_block(&b, 1, NULL);
	EXPECT_TRUE(refused(-EINVAL, at + 8, "a second one; the first is at 0x30"));

	begin();
	at = build_id_block(&b, 1, NULL);
	change(at + FIELD(snp_id_block, author_key_enabled), 2, 1);
	EXPECT_TRUE(refused(-EINVAL, at + FIELD(snp_id_block, author_key_enabled), "author key"));

	begin();
	at = build_id_block(&b, 1, NULL);
	change(at + FIELD(snp_id_block, reserved), 2, 1);
	EXPECT_TRUE(refused(-EINVAL, at + FIELD(snp_id_block, reserved),
			    "reserved bytes 02 00 00"));
}

/* Each kind with each, in both orders: the later one in the file is to blame. */
TEST(overlaps)
{
	uint32_t at[2];
	int i, k, kind[2], swap;

	for (i = 0; i < 32; i++) {
		kind[0] = i & 3;
		kind[1] = i >> 2 & 3;
		swap = i >> 4;
		begin();
		build_area(&b, 0, 0x2000, -1);
		build_area(&b, 1, 0x2000, -1);
		for (k = 0; k < 2; k++) {
			/* Two pages long each, but for pages and VMSAs */
			uint64_t gpa = k == swap ? 0x10000 : 0x11000;

			switch (kind[k]) {
			case 0:
				at[k] = build_page(&b, 1, 0x11000, 0, 0, -1);
				break;
			case 1:
				at[k] = build_vp(&b, 1, 0x11000, k, 1);
				break;
			case 2:
				at[k] = build_insert(&b, 1, gpa, k);
				break;
			default:
				at[k] = build_error_range(&b, 1, gpa, 0x2000);
				break;
			}
		}
		EXPECT_TRUE(refused(-EINVAL, at[1], "overlap those of the header at"));
	}

	/* Neighbours don't overlap, and required memory is no claim. */
	begin();
	build_area(&b, 0, 0x2000, -1);
	build_page(&b, 1, 0x12000, 0, 0, -1);
	build_insert(&b, 1, 0x10000, 0);
	build_page(&b, 1, 0xf000, 0, 0, -1);
	build_required(&b, 1, 0x10000, 0x2000);
	EXPECT_TRUE(taken());
	done();

	/* KVM's own VMSAs have a GPA in common, but a page can't be there, too. */
	begin();
	build_page(&b, 1, IGVM_KVM_VMSA_GPA, 0, 0, -1);
	at[0] = build_vp(&b, 1, IGVM_KVM_VMSA_GPA, 0, 1);
	build_vp(&b, 1, IGVM_KVM_VMSA_GPA, 1, 1);
	EXPECT_TRUE(refused(-EINVAL, at[0], "at GPA 0xfffffffff000 overlap"));
}

/* Known types that say nothing to SEV-SNP, even if they claim to. */
TEST(ignored_types)
{
	uint8_t body[864] = { 1 };

	begin();
	build_header(&b, IGVM_VHT_RELOCATABLE_REGION, body, 48);
	build_header(&b, IGVM_VHT_PAGE_TABLE_RELOCATION, body, 32);
	build_header(&b, IGVM_VHT_CORIM_DOCUMENT, body, 16);
	build_header(&b, IGVM_VHT_CORIM_SIGNATURE, body, 16);
	build_header(&b, IGVM_VHT_CCA_POLICY, body, 32);
	build_header(&b, IGVM_VHT_VBS_MEASUREMENT, body, 864);
	ASSERT_TRUE(taken());
	EXPECT_EQ(0, igvm.nr_directives);
	done();
}

/*
 * What enters the digest, by hand: the types of the pages and their order are
 * the specification's (IGVM_VHS_PAGE_DATA, IGVM_VHS_PARAMETER_INSERT); a VMSA at
 * KVM's address is measured in LAUNCH_FINISH.
 */
static struct measure by_hand(bool empty_is_zero)
{
	uint8_t f4[4096], vp0[4096], vp1[4096], vp2[4096];
	struct measure m = {};

	memset(f4, 0xf4, sizeof(f4));
	memset(vp0, 0x55, sizeof(vp0));
	memset(vp1, 0x67, sizeof(vp1));
	memset(vp2, 0x66, sizeof(vp2));
	measure_page(&m, MEASURE_NORMAL, 0x100000, f4);
	measure_page(&m, empty_is_zero ? MEASURE_ZERO : MEASURE_NORMAL, 0x101000, NULL);
	measure_page(&m, MEASURE_UNMEASURED, 0x102000, NULL);
	measure_page(&m, MEASURE_SECRETS, 0x103000, NULL);
	measure_page(&m, MEASURE_CPUID, 0x104000, NULL);
	measure_page(&m, MEASURE_CPUID, 0x105000, NULL);
	measure_page(&m, MEASURE_UNMEASURED, 0x200000, NULL);
	measure_page(&m, MEASURE_UNMEASURED, 0x201000, NULL);
	measure_page(&m, MEASURE_UNMEASURED, 0x203000, NULL);
	measure_page(&m, MEASURE_VMSA, 0x400000, vp0);
	measure_page(&m, MEASURE_VMSA, IGVM_KVM_VMSA_GPA, vp1);
	measure_page(&m, MEASURE_VMSA, IGVM_KVM_VMSA_GPA, vp2);
	return m;
}

TEST(measured_in_order)
{
	struct measure_igvm_opts opts = {};
	struct measure m = {}, hand;

	build_free(&b);
	build_all(&b);
	ASSERT_TRUE(taken());

	hand = by_hand(false);
	ASSERT_EQ(0, measure_igvm(&m, &igvm, NULL));
	EXPECT_EQ(12, m.pages);
	EXPECT_EQ(0, memcmp(hand.digest, m.digest, MEASURE_LEN));

	opts.empty_is_zero = true;
	memset(&m, 0, sizeof(m));
	hand = by_hand(true);
	ASSERT_EQ(0, measure_igvm(&m, &igvm, &opts));
	EXPECT_EQ(0, memcmp(hand.digest, m.digest, MEASURE_LEN));
	done();
}

TEST(measured_elsewhere)
{
	static const uint64_t gpas[] = { MEASURE_VMSA_KVM, MEASURE_VMSA_NONE, 0x500000 };
	struct measure_igvm_opts opts = { .vmsa_gpas = gpas, .nr_vmsa_gpas = 3 };
	struct measure m = {}, hand = {};
	uint8_t page[4096];

	begin();
	build_vp(&b, 1, 0x1000, 0, 1);
	build_vp(&b, 1, 0x2000, 1, 2);
	build_vp(&b, 1, 0x3000, 2, 3);
	build_page(&b, 1, 0x4000, 0, 0, 4);
	ASSERT_TRUE(taken());
	ASSERT_EQ(0, measure_igvm(&m, &igvm, &opts));

	measure_page(&hand, MEASURE_VMSA, 0x500000, memset(page, 3, sizeof(page)));
	measure_page(&hand, MEASURE_NORMAL, 0x4000, memset(page, 4, sizeof(page)));
	measure_page(&hand, MEASURE_VMSA, MEASURE_VMSA_KVM, memset(page, 1, sizeof(page)));
	EXPECT_EQ(0, memcmp(hand.digest, m.digest, MEASURE_LEN));
	done();
}

TEST_HARNESS_MAIN
