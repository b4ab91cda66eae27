/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What init reads from the emulated platform's control device. A machine
 * without the device, such as real hardware, has no counters.
 */
#ifndef SNP_VM_CTL_H
#define SNP_VM_CTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ctl_counters {
	bool valid;
	uint64_t stale_vmrun;	/* VMRUN of a page that is no VMSA of that ASID */
	uint64_t assigned;	/* pages assigned to a guest right now */
};

void ctl_open(void);
bool ctl_present(void);
void ctl_read(struct ctl_counters *c);
/* As ctl_read(), but give asynchronous teardown a moment to free its pages. */
void ctl_settle(struct ctl_counters *c);
void ctl_format(char *buf, size_t size, const struct ctl_counters *before,
		const struct ctl_counters *after);

#endif
