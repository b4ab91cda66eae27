/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The initial VMSA of a vCPU as QEMU and KVM build it, byte for byte.
 *
 * Layout: APM volume 2, table "VMSA Layout, State Save Area for SEV-ES"; the
 * same as struct sev_es_save_area in Linux' asm/svm.h.  Values: reset state of
 * QEMU's x86_cpu_reset_hold(), what KVM's init_vmcb() and sev_es_sync_vmsa()
 * add, and the hashes of whole VMSAs that virtee/sev-snp-measure and
 * virtee/sev publish.
 */
#ifndef MEASURE_VMSA_H
#define MEASURE_VMSA_H

#include <stdint.h>
#include <string.h>

#define VMSA_SIZE	4096
#define VMSA_EIP_BSP	0xfffffff0u

/**
 * struct vmsa_initial - what differs between initial VMSAs
 * @eip: where it begins: VMSA_EIP_BSP; for an AP what the firmware image says
 * @signature: EAX of CPUID 1, found in RDX after a reset
 * @sev_features: SEV_FEATURES; bit 0 is SNPActive
 */
struct vmsa_initial {
	uint32_t eip;
	uint32_t signature;
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

static inline void vmsa_build(uint8_t page[VMSA_SIZE],
			      const struct vmsa_initial *v)
{
	memset(page, 0, VMSA_SIZE);

	vmsa_seg(page, 0x00, 0, 0x93, 0);				/* ES */
	vmsa_seg(page, 0x10, 0xf000, 0x9b, v->eip & 0xffff0000);	/* CS */
	vmsa_seg(page, 0x20, 0, 0x93, 0);				/* SS */
	vmsa_seg(page, 0x30, 0, 0x93, 0);				/* DS */
	vmsa_seg(page, 0x40, 0, 0x93, 0);				/* FS */
	vmsa_seg(page, 0x50, 0, 0x93, 0);				/* GS */
	vmsa_seg(page, 0x60, 0, 0, 0);					/* GDTR */
	vmsa_seg(page, 0x70, 0, 0x82, 0);				/* LDTR */
	vmsa_seg(page, 0x80, 0, 0, 0);					/* IDTR */
	vmsa_seg(page, 0x90, 0, 0x8b, 0);				/* TR */

	vmsa_put(page, 0x0d0, 0x1000, 8);		/* EFER: SVME, KVM's */
	vmsa_put(page, 0x148, 0x40, 8);			/* CR4: MCE, KVM's */
	vmsa_put(page, 0x158, 0x10, 8);			/* CR0: ET */
	vmsa_put(page, 0x160, 0x400, 8);		/* DR7 */
	vmsa_put(page, 0x168, 0xffff0ff0, 8);		/* DR6 */
	vmsa_put(page, 0x170, 2, 8);			/* RFLAGS */
	vmsa_put(page, 0x178, v->eip & 0xffff, 8);	/* RIP */
	vmsa_put(page, 0x268, 0x7040600070406, 8);	/* G_PAT */
	vmsa_put(page, 0x310, v->signature, 8);		/* RDX */
	vmsa_put(page, 0x3b0, v->sev_features, 8);
	vmsa_put(page, 0x3e8, 1, 8);			/* XCR0 */
	vmsa_put(page, 0x408, 0x1f80, 4);		/* MXCSR */
	vmsa_put(page, 0x410, 0x37f, 2);		/* FCW */
}

#endif
