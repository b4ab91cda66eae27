/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the KUnit suites use of the kernel, and what older kernels, down to 6.12,
 * call by another name or do not have.
 */
#ifndef SNP_KERNEL_COMPAT_H
#define SNP_KERNEL_COMPAT_H

#include <linux/psp-sev.h>
#include <asm/msr.h>
#include <asm/sev.h>
#include <asm/svm.h>

#if __has_include(<asm/cpuid/api.h>)
#include <asm/cpuid/api.h>
#else
#include <asm/cpuid.h>
#endif

#ifndef rdmsrq
#define rdmsrq			rdmsrl
#define wrmsrq			wrmsrl
#define rdmsrq_safe		rdmsrl_safe
#define wrmsrq_safe		wrmsrl_safe
#endif

#ifndef SVM_MISC_ENABLE_NP
#define misc_ctl		nested_ctl
#define misc_ctl2		virt_ext
#define SVM_MISC_ENABLE_NP	SVM_NESTED_CTL_NP_ENABLE
#define SVM_MISC_ENABLE_SEV	SVM_NESTED_CTL_SEV_ENABLE
#define SVM_MISC_ENABLE_SEV_ES	SVM_NESTED_CTL_SEV_ES_ENABLE
#define SVM_MISC2_ENABLE_V_LBR	LBR_CTL_ENABLE_MASK
#endif

/* EXITCODE is one field of 64 bits, or two of 32. */
static inline u64 exit_code_of(const struct vmcb_control_area *control)
{
	return *(const u64 *)&control->exit_code;
}

/* Guest policies, from the firmware ABIs of SEV and SEV-SNP. */
#ifndef SNP_POLICY_MASK_SMT
#define SEV_POLICY_MASK_NODBG		BIT(0)
#define SEV_POLICY_MASK_ES		BIT(2)
#define SNP_POLICY_MASK_SMT		BIT_ULL(16)
#define SNP_POLICY_MASK_RSVD_MBO	BIT_ULL(17)
#define SNP_POLICY_MASK_DEBUG		BIT_ULL(19)

/* Came to be exported with the masks. Here for one page at a time. */
static inline int snp_reclaim_pages(unsigned long paddr, unsigned int npages, bool locked)
{
	struct sev_data_snp_page_reclaim reclaim = { .paddr = paddr };
	int error, r;

	r = sev_do_cmd(SEV_CMD_SNP_PAGE_RECLAIM, &reclaim, &error);
	return r ?: rmp_make_shared(PHYS_PFN(paddr), PG_LEVEL_4K);
}
#endif

#endif
