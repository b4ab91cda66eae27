// SPDX-License-Identifier: GPL-2.0
/* What the control device of the emulated platform says. */
#include <string.h>

#include "../vm/snpctl.h"
#include "platform.h"

static snpctl_t *ctl(void)
{
	static snpctl_t *dev;
	static bool looked;

	if (!looked)
		dev = snpctl_open();
	looked = true;
	return dev;
}

const char *platform_name(void)
{
	return ctl() ? "emulated" : "hardware, or an emulated one that is not ours";
}

bool platform_digest(uint8_t *digest)
{
	bool offered = false;
	uint64_t word;
	int i;

	if (!ctl())
		return false;
	/* A register that does not exist reads all ones. */
	for (i = 0; i < SNP_CTL_LD_WORDS; i++) {
		word = snpctl_read(ctl(), SNP_CTL_LD + 8 * i);
		memcpy(digest + 8 * i, &word, 8);
		offered |= ~word;
	}
	return offered;
}
