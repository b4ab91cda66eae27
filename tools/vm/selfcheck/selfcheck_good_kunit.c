// SPDX-License-Identifier: GPL-2.0
#include <kunit/test.h>

static void selfcheck_case(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, 2, 1 + 1);
}

static struct kunit_case selfcheck_cases[] = {
	KUNIT_CASE(selfcheck_case),
	{}
};

static struct kunit_suite selfcheck_suite = {
	.name = "selfcheck_good",
	.test_cases = selfcheck_cases,
};
kunit_test_suite(selfcheck_suite);

MODULE_DESCRIPTION("Is the verdict of this suite recognised?");
MODULE_LICENSE("GPL");
