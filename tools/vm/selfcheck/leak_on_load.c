// SPDX-License-Identifier: GPL-2.0
#include <linux/module.h>
#include <linux/slab.h>

static int __init leak_on_load_init(void)
{
	void *p;
	int i;

	/*
	 * Several: what is left on a stack hides one of them. Zeroed: the free list
	 * left a pointer to the next in each, and the one that is hidden would hide
	 * all.
	 */
	for (i = 0; i < 16; i++) {
		p = kzalloc(96, GFP_KERNEL);
		if (!p)
			return -ENOMEM;
	}
	return 0;
}
module_init(leak_on_load_init);

static void __exit leak_on_load_exit(void)
{
}
module_exit(leak_on_load_exit);

MODULE_DESCRIPTION("Leave memory behind, which kmemleak must find");
MODULE_LICENSE("GPL");
