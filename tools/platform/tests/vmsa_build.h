/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The initial VMSA of a vCPU as QEMU and KVM build it, byte for byte.
 *
 * Source of the layout: Linux arch/x86/include/asm/svm.h, struct
 * sev_es_save_area; of the values: reference vectors, "VMSA contents".
 */
#ifndef VMSA_BUILD_H
#define VMSA_BUILD_H

#include <stdint.h>
#include <string.h>

struct vmsa_params {
	uint32_t eip;		/* BSP: 0xfffffff0 */
	uint32_t signature;	/* CPUID 1 EAX */
	uint64_t sev_features;
};

static inline void vmsa_put(uint8_t *page, unsigned int off, uint64_t val,
			    unsigned int bytes)
{
	unsigned int i;

	for (i = 0; i < bytes; i++)
		page[off + i] = val >> (8 * i);
}

static inline void vmsa_seg(uint8_t *page, unsigned int off, uint16_t selector,
			    uint16_t attrib, uint64_t base)
{
	vmsa_put(page, off, selector, 2);
	vmsa_put(page, off + 2, attrib, 2);
	vmsa_put(page, off + 4, 0xffff, 4);
	vmsa_put(page, off + 8, base, 8);
}

static inline void vmsa_build_qemu(uint8_t page[4096],
				   const struct vmsa_params *p)
{
	memset(page, 0, 4096);

	vmsa_seg(page, 0x00, 0, 0x93, 0);				/* ES */
	vmsa_seg(page, 0x10, 0xf000, 0x9b, p->eip & 0xffff0000);	/* CS */
	vmsa_seg(page, 0x20, 0, 0x93, 0);				/* SS */
	vmsa_seg(page, 0x30, 0, 0x93, 0);				/* DS */
	vmsa_seg(page, 0x40, 0, 0x93, 0);				/* FS */
	vmsa_seg(page, 0x50, 0, 0x93, 0);				/* GS */
	vmsa_seg(page, 0x60, 0, 0, 0);				/* GDTR */
	vmsa_seg(page, 0x70, 0, 0x82, 0);				/* LDTR */
	vmsa_seg(page, 0x80, 0, 0, 0);				/* IDTR */
	vmsa_seg(page, 0x90, 0, 0x8b, 0);				/* TR */

	vmsa_put(page, 0x0d0, 0x1000, 8);		/* EFER: SVME */
	vmsa_put(page, 0x148, 0x40, 8);			/* CR4: MCE */
	vmsa_put(page, 0x158, 0x10, 8);			/* CR0: ET */
	vmsa_put(page, 0x160, 0x400, 8);		/* DR7 */
	vmsa_put(page, 0x168, 0xffff0ff0, 8);		/* DR6 */
	vmsa_put(page, 0x170, 2, 8);			/* RFLAGS */
	vmsa_put(page, 0x178, p->eip & 0xffff, 8);	/* RIP */
	vmsa_put(page, 0x268, 0x7040600070406, 8);	/* G_PAT */
	vmsa_put(page, 0x310, p->signature, 8);		/* RDX */
	vmsa_put(page, 0x3b0, p->sev_features, 8);
	vmsa_put(page, 0x3e8, 1, 8);			/* XCR0 */
	vmsa_put(page, 0x408, 0x1f80, 4);		/* MXCSR */
	vmsa_put(page, 0x410, 0x37f, 2);		/* FCW */
}

#endif
