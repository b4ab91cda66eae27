/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Enter a guest without KVM, for KUnit suites that build their own VMCB.
 */
#ifndef SVM_GUEST_H
#define SVM_GUEST_H

#include <linux/io.h>
#include <asm/asm.h>
#include <asm/fpu/api.h>
#include <asm/fpu/xcr.h>
#include <asm/msr.h>
#include <asm/pkru.h>
#include <asm/svm.h>
#include "kernel_compat.h"

#define FAULT		(-(s64)EFAULT)	/* of VMRUN itself */

/* What #VMEXIT of an SEV-ES guest loads although VMRUN did not save it. */
static void fill_hsave(void *hsave)
{
	struct sev_es_save_area *h = hsave + 0x400;

	asm volatile("vmsave %0" : : "a" (virt_to_phys(hsave)) : "memory");
	h->xcr0 = xgetbv(XCR_XFEATURE_ENABLED_MASK);
	h->pkru = read_pkru();
	h->xss = 0;
	if (boot_cpu_has(X86_FEATURE_XSAVES))
		rdmsrq(MSR_IA32_XSS, h->xss);
}

/*
 * Returns FAULT if VMRUN itself faults, or its argument. GIF is clear: interrupts come
 * only in the guest, and there only if they are on.
 */
static noinline s64 vmrun(u64 pa, bool irqs_on)
{
	if (irqs_on)
		asm volatile("sti");
	asm volatile("push %%rbp\n\t"
		     "1: vmrun %%rax\n"
		     "2: cli\n\t"
		     "pop %%rbp\n"
		     _ASM_EXTABLE_TYPE_REG(1b, 2b, EX_TYPE_EFAULT_REG, %0)
		     : "+a" (pa)
		     :
		     : "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10",
		       "r11", "r12", "r13", "r14", "r15", "memory", "cc");
	return pa;
}

/* One VMRUN. With @irqs_on the exit may well be an interrupt of the host. */
static s64 enter_guest_irqs(u64 vmcb_pa, void *hsave, u64 hsave_pa, bool irqs_on)
{
	unsigned long flags;
	u64 old_hsave;
	s64 r;

	local_irq_save(flags);
	kernel_fpu_begin();
	rdmsrq(MSR_VM_HSAVE_PA, old_hsave);
	fill_hsave(hsave);
	wrmsrq(MSR_VM_HSAVE_PA, hsave_pa);
	asm volatile("clgi");
	r = vmrun(vmcb_pa, irqs_on);
	wrmsrq(MSR_VM_HSAVE_PA, old_hsave);
	kernel_fpu_end();
	asm volatile("stgi");
	local_irq_restore(flags);
	return r;
}

static s64 enter_guest(u64 vmcb_pa, void *hsave, u64 hsave_pa)
{
	return enter_guest_irqs(vmcb_pa, hsave, hsave_pa, true);
}

#endif
