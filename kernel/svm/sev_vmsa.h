/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __SVM_SEV_VMSA_H
#define __SVM_SEV_VMSA_H

#include <linux/kvm_host.h>
#include <linux/mutex.h>

/* A page that is a VMSA, or is to be one. */
struct sev_snp_vmsa_page {
	gpa_t gpa;		/* or INVALID_PAGE: no page */
	bool lost;		/* the contents were discarded */
};

/*
 * Where the VMSA of an SNP vCPU is.  Until a VMSA in guest memory is asked for,
 * by the guest (AP Creation) or by userspace (KVM_SEV_SNP_SET_VMSA), the vCPU
 * has the page that KVM allocated and @has_guest_vmsa is false.
 *
 * Requests take effect in the order in which they came: CREATE and DESTROY when
 * the vCPU acts on KVM_REQ_UPDATE_PROTECTED_GUEST_STATE, CREATE_ON_INIT with the
 * next INIT.  The latter can wait while one of the former does, which it follows.
 *
 * @lock serializes everything but invalidation.  A page, and from_vcpu, are written
 * with mmu_lock held for read in addition, so that invalidation, which holds
 * mmu_lock for write and can't take @lock, sees values that match.  Invalidation
 * sets only the lost flags.  LAUNCH_FINISH, which has kvm->lock and all of
 * vcpu->mutex, reads without @lock: nobody else writes then.
 */
struct sev_snp_vmsa {
	struct mutex lock;			/* of all below, see above */
	struct sev_snp_vmsa_page used;		/* what the vCPU runs with */
	struct sev_snp_vmsa_page now;		/* of CREATE; no page: DESTROY */
	struct sev_snp_vmsa_page on_init;	/* of CREATE_ON_INIT */
	bool now_pending;			/* @now is yet to be acted on */
	bool has_guest_vmsa;
	bool from_vcpu;				/* LAUNCH_FINISH has yet to build @used */
};

void sev_snp_vmsa_vcpu_create(struct kvm_vcpu *vcpu);
void sev_snp_vmsa_init_event(struct kvm_vcpu *vcpu);
int sev_snp_vmsa_request(struct kvm_vcpu *target, u32 request, gpa_t gpa,
			 u64 sev_features);

int sev_snp_vmsa_check_contents(struct kvm *kvm, gfn_t gfn, kvm_pfn_t pfn);
int sev_snp_vmsa_launch_check(struct kvm *kvm);
void sev_snp_vmsa_built(struct kvm_vcpu *vcpu);
void sev_snp_vmsa_launch(struct kvm_vcpu *vcpu);

int sev_snp_reload_vmsa(struct kvm_vcpu *vcpu);
void sev_gmem_invalidate_range(struct kvm *kvm, struct kvm_gfn_range *range);

u64 sev_snp_vmsa_supported(void);
int sev_vcpu_mem_enc_unlocked_ioctl(struct kvm_vcpu *vcpu, void __user *argp);

#endif /* __SVM_SEV_VMSA_H */
