// SPDX-License-Identifier: GPL-2.0
#include <linux/module.h>
#include <linux/reboot.h>

static int __init restart_late_init(void)
{
	return 0;
}
module_init(restart_late_init);

static void __exit restart_late_exit(void)
{
	emergency_restart();
}
module_exit(restart_late_exit);

MODULE_DESCRIPTION("Reset the machine after the last test, before the end token");
MODULE_LICENSE("GPL");
