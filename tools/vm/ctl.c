// SPDX-License-Identifier: GPL-2.0
#include "snpctl.h"

#include "ctl.h"

/* Guest memory is given back by work queues after the last close. */
#define SETTLE_MS	3000

static snpctl_t *ctl;

void ctl_open(void)
{
	ctl = snpctl_open();
}

bool ctl_present(void)
{
	return ctl;
}

void ctl_read(struct ctl_counters *c)
{
	memset(c, 0, sizeof(*c));
	if (!ctl)
		return;
	c->valid = true;
	c->stale_vmrun = snpctl_counter(ctl, SNP_CTL_CNT_VMRUN_STALE_VMSA);
	c->assigned = snpctl_read(ctl, SNP_CTL_GUEST_PAGES);
}

void ctl_settle(struct ctl_counters *c)
{
	int ms;

	for (ms = 0; ; ms += 20) {
		ctl_read(c);
		if (!c->assigned || ms >= SETTLE_MS)
			return;
		usleep(20 * 1000);
	}
}

void ctl_format(char *buf, size_t size, const struct ctl_counters *before,
		const struct ctl_counters *after)
{
	uint64_t stale = after->stale_vmrun;

	buf[0] = '\0';
	if (!after->valid)
		return;
	/* A test may clear the counters. */
	if (stale >= before->stale_vmrun)
		stale -= before->stale_vmrun;
	snprintf(buf, size, "stale=%llu leaked=%llu", (unsigned long long)stale,
		 (unsigned long long)after->assigned);
}
