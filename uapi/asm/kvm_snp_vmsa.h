/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
#ifndef _ASM_X86_KVM_SNP_VMSA_H
#define _ASM_X86_KVM_SNP_VMSA_H

/*
 * A VMSA in guest memory for a vCPU of an SEV-SNP VM: commands of
 * KVM_MEMORY_ENCRYPT_OP on the vCPU file descriptor, with struct kvm_sev_cmd
 * as argument.  See Documentation/virt/kvm/x86/amd-memory-encryption.rst.
 */

#include <linux/const.h>
#include <linux/types.h>

/*
 * vCPU-scoped commands have numbers of their own, so that neither file
 * descriptor ever takes a command that is meant for the other.
 */
enum sev_vcpu_cmd_id {
	KVM_SEV_SNP_SET_VMSA = 200,
	KVM_SEV_SNP_GET_VMSA,
};

/* Page type of KVM_SEV_SNP_LAUNCH_UPDATE; the value is the firmware's. */
#define KVM_SEV_SNP_PAGE_TYPE_VMSA		0x2

/*
 * Attribute of KVM_X86_GRP_SEV (KVM_GET_DEVICE_ATTR on /dev/kvm): a mask with
 * the bit of each request that KVM_SEV_SNP_SET_VMSA takes, and in the upper
 * half its flags.
 */
#define KVM_X86_SEV_SNP_VMSA			3

/* Requests; the values are those of SW_EXITINFO1[31:0] of GHCB AP Creation. */
#define KVM_SEV_SNP_VMSA_CREATE_ON_INIT		0
#define KVM_SEV_SNP_VMSA_CREATE			1
#define KVM_SEV_SNP_VMSA_DESTROY		2

/*
 * Flag of CREATE, before KVM_SEV_SNP_LAUNCH_FINISH: the page is empty, and
 * LAUNCH_FINISH puts a VMSA there that it builds from the state of the vCPU, and
 * measures it, as it does with the VMSA of KVM's own that the vCPU has otherwise.
 */
#define KVM_SEV_SNP_VMSA_FLAG_FROM_VCPU		_BITUL(0)

/*
 * KVM_SEV_SNP_SET_VMSA
 *
 * @request:	 KVM_SEV_SNP_VMSA_*
 * @flags:	 KVM_SEV_SNP_VMSA_FLAG_*
 * @gpa:	 page of the VMSA, 4 KiB aligned and not 2 MiB aligned;
 *		 zero for DESTROY
 * @sev_features: SEV_FEATURES of the VMSA, must be those of the VM; zero for
 *		 DESTROY
 * @vmpl:	 must be zero
 * @pad:	 must be zero
 */
struct kvm_sev_snp_set_vmsa {
	__u32 request;
	__u32 flags;
	__u64 gpa;
	__u64 sev_features;
	__u8 vmpl;
	__u8 pad[39];
};

/* Where the state that the vCPU runs with is, or why there is none. */
#define KVM_SEV_SNP_VMSA_STATE_KVM		0 /* in KVM's page */
#define KVM_SEV_SNP_VMSA_STATE_NONE		1 /* nowhere: none yet, or destroyed */
#define KVM_SEV_SNP_VMSA_STATE_GUEST		2 /* in guest memory, at @gpa */
#define KVM_SEV_SNP_VMSA_STATE_LOST		3 /* was at @gpa, contents lost */

#define KVM_SEV_SNP_VMSA_GPA_NONE		(~0ULL)

/*
 * KVM_SEV_SNP_GET_VMSA
 *
 * @state:	 KVM_SEV_SNP_VMSA_STATE_*
 * @pending:	 1 if a request waits until the vCPU handles it or gets an INIT
 * @gpa:	 page of the VMSA, or KVM_SEV_SNP_VMSA_GPA_NONE
 * @pending_gpa: page that it names, of two requests the later one, or
 *		 KVM_SEV_SNP_VMSA_GPA_NONE
 * @sev_features: SEV_FEATURES of the VM
 * @flags:	 KVM_SEV_SNP_VMSA_FLAG_* that LAUNCH_FINISH has yet to act on
 * @vmpl:	 zero
 * @pad:	 zero
 */
struct kvm_sev_snp_get_vmsa {
	__u32 state;
	__u32 pending;
	__u64 gpa;
	__u64 pending_gpa;
	__u64 sev_features;
	__u32 flags;
	__u8 vmpl;
	__u8 pad[27];
};

/*
 * Flag of KVM_EXIT_MEMORY_FAULT, with KVM_MEMORY_EXIT_FLAG_PRIVATE: the vCPU
 * can't run because the page at @gpa that holds its VMSA is not there, or, with
 * @gpa KVM_SEV_SNP_VMSA_GPA_NONE and @size 0, because it has no VMSA.  KVM_RUN
 * returns -EFAULT (-EHWPOISON for a poisoned page) until the vCPU is given another
 * VMSA, or until its memslot is back.
 */
#define KVM_MEMORY_EXIT_FLAG_SNP_VMSA		_BITULL(4)

#endif /* _ASM_X86_KVM_SNP_VMSA_H */
