/* SPDX-License-Identifier: GPL-2.0 */
/*
 * SNP guests without KVM, for the KUnit suites of VMRUN and of VMPLs.
 */
#ifndef SNP_GUEST_H
#define SNP_GUEST_H

#include <kunit/test.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/psp-sev.h>
#include <linux/sizes.h>
#include <asm/sev.h>
#include "snp-ctl-regs.h"
#include "svm_guest.h"

#define NPT_FLAGS	(_PAGE_PRESENT | _PAGE_RW | _PAGE_USER)

/* Skips a test of which the host lacks something. */
static void snp_guest_needs(struct kunit *test)
{
	if (!cc_platform_has(CC_ATTR_HOST_SEV_SNP))
		kunit_skip(test, "SNP is not enabled: load kvm_amd first");
	if (!(native_read_msr(MSR_EFER) & EFER_SVME))
		kunit_skip(test, "SVM is off: load kvm_amd first");
	if (native_read_cr4() & X86_CR4_LA57)
		kunit_skip(test, "written for nested tables of four levels");
}

/* Registers of the control device of the emulated platform; NULL on hardware */
static u8 __iomem *snp_ctl_map(void)
{
	struct pci_dev *dev = pci_get_device(SNP_CTL_VENDOR_ID, SNP_CTL_DEVICE_ID, NULL);
	u8 __iomem *ctl = NULL;

	if (dev && !pci_enable_device_mem(dev))
		ctl = ioremap(pci_resource_start(dev, 0), SNP_CTL_BAR_SIZE);
	pci_dev_put(dev);
	return ctl;
}

/* Zeros. Not at a multiple of 2 MiB: an erratum makes such pages special. */
static void *snp_alloc_page(struct kunit *test)
{
	struct page *p = alloc_pages(GFP_KERNEL | GFP_DMA32 | __GFP_ZERO, 1);

	KUNIT_ASSERT_NOT_NULL(test, p);
	split_page(p, 1);
	if (IS_ALIGNED(page_to_phys(p), SZ_2M))
		__free_page(p++);
	else
		__free_page(p + 1);
	return page_address(p);
}

/* A firmware command: 0, its status, or an error of the driver */
static int snp_cmd(int nr, void *data)
{
	int err = 0, r = sev_do_cmd(nr, data, &err);

	return r ?: err;
}

/* RMPUPDATE without what Linux does around it: its code */
static u32 rmpupdate_raw(u64 pa, const struct rmp_state *st)
{
	u32 r;

	asm volatile(".byte 0xf2, 0x0f, 0x01, 0xfe"
		     : "=a" (r)
		     : "a" (pa), "c" (st)
		     : "memory", "cc");
	return r;
}

static void snp_intercept(struct vmcb *vmcb, unsigned int bit)
{
	vmcb->control.intercepts[bit / 32] |= BIT(bit % 32);
}

/* All of a VMCB for an encrypted guest but its nested page tables and its VMSA. */
static void snp_guest_vmcb(struct vmcb *vmcb, void *perm, u32 asid)
{
	struct vmcb_control_area *c = &vmcb->control;

	memset(vmcb, 0, PAGE_SIZE);
	snp_intercept(vmcb, INTERCEPT_VMRUN);
	snp_intercept(vmcb, INTERCEPT_INTR);
	snp_intercept(vmcb, INTERCEPT_NMI);
	snp_intercept(vmcb, INTERCEPT_HLT);
	snp_intercept(vmcb, INTERCEPT_SHUTDOWN);
	c->iopm_base_pa = virt_to_phys(perm);
	c->msrpm_base_pa = virt_to_phys(perm);
	c->int_ctl = V_INTR_MASKING_MASK;
	c->tlb_ctl = TLB_CONTROL_FLUSH_ALL_ASID;
	c->asid = asid;
	c->misc_ctl = SVM_MISC_ENABLE_NP | SVM_MISC_ENABLE_SEV | SVM_MISC_ENABLE_SEV_ES;
	c->misc_ctl2 = SVM_MISC2_ENABLE_V_LBR;
}

/* Until something else than an interrupt of the host ends the guest. */
static s64 snp_run(struct vmcb *vmcb, u64 vmcb_pa, void *hsave, u64 hsave_pa)
{
	s64 r;

	do {
		r = enter_guest(vmcb_pa, hsave, hsave_pa);
		if (r == FAULT)
			return FAULT;
		r = exit_code_of(&vmcb->control);
		cond_resched();
	} while (r == SVM_EXIT_INTR || r == SVM_EXIT_NMI);
	return r;
}

#endif
