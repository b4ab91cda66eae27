// SPDX-License-Identifier: GPL-2.0
/* The reader of lists of pages. */
#include <errno.h>

#include "kselftest_harness.h"

#include "pages.h"

static struct pages p;
static struct pages_entry e;
static struct parse_error err;

static int first(const char *text)
{
	p = (struct pages){ .text = text, .size = strlen(text) };
	return pages_next(&p, &e, &err);
}

static bool refused(const char *text, unsigned int line, const char *reason)
{
	int ret = first(text);

	if (ret == -EINVAL && err.offset == line && strstr(err.reason, reason))
		return true;
	ksft_print_msg("'%s': got %d, line %llu: '%s', wanted line %u: '%s'\n", text, ret,
		       (unsigned long long)err.offset, err.reason, line, reason);
	return false;
}

TEST(takes_all_types)
{
	static const char text[] =
		"# a comment\n"
		"\n"
		"normal 0x1000 dir/a file\n"
		"  vmsa\t0xfffffffff000   v  \r\n"
		"zero 8192 -\n"
		"   # another\n"
		"unmeasured 0x3000 x\n"
		"secrets 0 -\n"
		"cpuid 0x5000 -";
	static const struct {
		enum measure_type type;
		uint64_t gpa;
		const char *content;
		unsigned int line;
	} want[] = {
		{ MEASURE_NORMAL, 0x1000, "dir/a file", 3 },
		{ MEASURE_VMSA, 0xfffffffff000, "v", 4 },
		{ MEASURE_ZERO, 0x2000, NULL, 5 },
		{ MEASURE_UNMEASURED, 0x3000, "x", 7 },
		{ MEASURE_SECRETS, 0, NULL, 8 },
		{ MEASURE_CPUID, 0x5000, NULL, 9 },
	};
	size_t i;

	p = (struct pages){ .text = text, .size = strlen(text) };
	for (i = 0; i < ARRAY_SIZE(want); i++) {
		ASSERT_EQ(1, pages_next(&p, &e, &err));
		EXPECT_EQ(want[i].type, e.type);
		EXPECT_EQ(want[i].gpa, e.gpa);
		EXPECT_EQ(want[i].line, p.line);
		if (want[i].content) {
			ASSERT_EQ(strlen(want[i].content), e.content_len);
			EXPECT_EQ(0, memcmp(want[i].content, e.content, e.content_len));
		} else {
			EXPECT_EQ(NULL, e.content);
		}
	}
	EXPECT_EQ(0, pages_next(&p, &e, &err));
	EXPECT_EQ(0, pages_next(&p, &e, &err));
}

TEST(empty_lists)
{
	EXPECT_EQ(0, first(""));
	EXPECT_EQ(0, first("\n\n"));
	EXPECT_EQ(0, first("# nothing"));
	EXPECT_EQ(0, first("   \t\r\n \n"));
}

TEST(refusals)
{
	EXPECT_TRUE(refused("\nnormall 0x1000 x\n", 2, "type 'normall'"));
	EXPECT_TRUE(refused("norma 0x1000 x\n", 1, "type 'norma'"));
	EXPECT_TRUE(refused("normal\n", 1, "no GPA"));
	EXPECT_TRUE(refused("normal \n", 1, "no GPA"));
	EXPECT_TRUE(refused("normal 0x1000\n", 1, "no content"));
	EXPECT_TRUE(refused("normal 0x1000 \t\n", 1, "no content"));
	EXPECT_TRUE(refused("normal x1000 x", 1, "GPA 'x1000', wanted a number"));
	EXPECT_TRUE(refused("normal 0x1000g x", 1, "GPA '0x1000g'"));
	EXPECT_TRUE(refused("normal -4096 x", 1, "GPA '-4096'"));
	EXPECT_TRUE(refused("normal +4096 x", 1, "GPA '+4096'"));
	EXPECT_TRUE(refused("normal 0x1004 x", 1, "GPA 0x1004, wanted a multiple of 4096"));
	EXPECT_TRUE(refused("normal 0x10000000000000 x", 1, "GPA 0x10000000000000"));
	EXPECT_TRUE(refused("normal 0x10000000000000000 x", 1, "wanted a number"));
	EXPECT_TRUE(refused("normal 0x000000000000000000000000001000 x", 1, "wanted a number"));
	EXPECT_TRUE(refused("vmsa 0x1000 -", 1, "a VMSA of zeros"));
}

TEST(nul_bytes)
{
	static const char gpa[] = "zero 0x10\00000 -", name[] = "normal 0x1000 a\0b";

	p = (struct pages){ .text = gpa, .size = sizeof(gpa) - 1 };
	EXPECT_EQ(-EINVAL, pages_next(&p, &e, &err));
	p = (struct pages){ .text = name, .size = sizeof(name) - 1 };
	EXPECT_EQ(-EINVAL, pages_next(&p, &e, &err));
	EXPECT_NE(NULL, strstr(err.reason, "NUL"));
}

TEST_HARNESS_MAIN
