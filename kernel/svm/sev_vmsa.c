// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMSAs of SEV-SNP vCPUs that lie in guest memory: how they are asked for, by
 * the guest or by userspace, and how they follow changes of guest_memfd.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kvm_host.h>
#include <linux/uaccess.h>

#include <asm/debugreg.h>
#include <asm/kvm_snp_vmsa.h>
#include <asm/sev.h>
#include <asm/svm.h>

#include "cpuid.h"
#include "lapic.h"
#include "mmu.h"
#include "smm.h"
#include "svm.h"
#include "x86.h"

#define SNP_VMSA_REQUESTS	(BIT_ULL(KVM_SEV_SNP_VMSA_CREATE_ON_INIT) |	\
				 BIT_ULL(KVM_SEV_SNP_VMSA_CREATE) |		\
				 BIT_ULL(KVM_SEV_SNP_VMSA_DESTROY))
#define SNP_VMSA_FLAGS		KVM_SEV_SNP_VMSA_FLAG_FROM_VCPU

static_assert(KVM_SEV_SNP_VMSA_CREATE_ON_INIT == SVM_VMGEXIT_AP_CREATE_ON_INIT);
static_assert(KVM_SEV_SNP_VMSA_CREATE == SVM_VMGEXIT_AP_CREATE);
static_assert(KVM_SEV_SNP_VMSA_DESTROY == SVM_VMGEXIT_AP_DESTROY);

static struct sev_snp_vmsa *to_vmsa(struct kvm_vcpu *vcpu)
{
	return &to_svm(vcpu)->sev_es.snp_vmsa;
}

/* Value of the KVM_X86_SEV_SNP_VMSA attribute of KVM_X86_GRP_SEV. */
u64 sev_snp_vmsa_supported(void)
{
	return SNP_VMSA_REQUESTS | (u64)SNP_VMSA_FLAGS << 32;
}

void sev_snp_vmsa_vcpu_create(struct kvm_vcpu *vcpu)
{
	struct sev_snp_vmsa *vmsa = to_vmsa(vcpu);

	mutex_init(&vmsa->lock);
	vmsa->used.gpa = INVALID_PAGE;
	vmsa->now.gpa = INVALID_PAGE;
	vmsa->on_init.gpa = INVALID_PAGE;
}

/* @page, one of the vCPU's, is the one at @gpa from now on, or none. */
static void snp_vmsa_set_page(struct kvm_vcpu *vcpu,
			      struct sev_snp_vmsa_page *page, gpa_t gpa,
			      bool lost)
{
	lockdep_assert_held(&to_vmsa(vcpu)->lock);
	lockdep_assert_held_read(&vcpu->kvm->mmu_lock);

	WRITE_ONCE(page->gpa, gpa);
	WRITE_ONCE(page->lost, lost);
}

/*
 * Look up the page at @gpa as it is now.  Never allocate: a page that is not
 * there was never a VMSA, or no longer is.  Takes no reference that outlives
 * the call; *@pfn is good only if mmu_invalidate_retry_gfn(), called with
 * mmu_lock held and the sequence count read beforehand, says so.
 *
 * Returns 0, -ENXIO if no guest_memfd backs @gpa, -EPERM if the page has to be
 * @private and is shared, -ENOENT if it is not populated, -EHWPOISON if it is
 * poisoned.  Caller holds kvm->srcu or kvm->slots_lock.
 */
static int snp_vmsa_lookup(struct kvm *kvm, gpa_t gpa, bool private,
			   kvm_pfn_t *pfn)
{
	gfn_t gfn = gpa_to_gfn(gpa);
	struct kvm_memory_slot *slot;
	bool assigned;
	int level, r;

	slot = gfn_to_memslot(kvm, gfn);
	if (!kvm_slot_has_gmem(slot) || slot->flags & KVM_MEMSLOT_INVALID)
		return -ENXIO;

	if (private && !kvm_mem_is_private(kvm, gfn))
		return -EPERM;

	r = kvm_gmem_lookup_pfn(slot, gfn, pfn);
	if (r)
		return r;

	if (snp_lookup_rmpentry(*pfn, &assigned, &level) || !assigned)
		return -ENOENT;

	return 0;
}

/*
 * KVM_RUN ends because the vCPU has no VMSA that it could run with.  It will
 * end so each time, until the vCPU is given one or the page is found again.
 */
static int snp_vmsa_missing(struct kvm_vcpu *vcpu, int err)
{
	gpa_t gpa = to_vmsa(vcpu)->used.gpa;

	static_assert(KVM_SEV_SNP_VMSA_GPA_NONE == INVALID_PAGE);

	kvm_make_request(KVM_REQ_VMSA_PAGE_RELOAD, vcpu);

	/* INIT comes first: it stops the vCPU, and may bring another VMSA. */
	if (kvm_apic_has_pending_init_or_sipi(vcpu) &&
	    !is_smm(vcpu) && gif_set(to_svm(vcpu))) {
		kvm_make_request(KVM_REQ_EVENT, vcpu);
		return 0;
	}

	kvm_prepare_memory_fault_exit(vcpu, gpa, VALID_PAGE(gpa) ? PAGE_SIZE : 0,
				      false, false, true);
	vcpu->run->memory_fault.flags |= KVM_MEMORY_EXIT_FLAG_SNP_VMSA;
	return err == -EHWPOISON ? err : -EFAULT;
}

/*
 * Give the vCPU the page that its VMSA GPA has now.  Called by the vCPU with
 * kvm->srcu held, before it enters the guest.
 *
 * Returns 0 if the vCPU may go on, and -EFAULT with KVM_EXIT_MEMORY_FAULT
 * filled in if it has no VMSA, or if the VMSA is gone; -EHWPOISON instead if
 * its page is poisoned.
 */
int sev_snp_reload_vmsa(struct kvm_vcpu *vcpu)
{
	struct sev_snp_vmsa *vmsa = to_vmsa(vcpu);
	struct vmcb *vmcb = to_svm(vcpu)->vmcb;
	struct kvm *kvm = vcpu->kvm;
	unsigned long mmu_seq;
	kvm_pfn_t pfn;
	int r;

	guard(mutex)(&vmsa->lock);

	/* Not before LAUNCH_FINISH got to the vCPU. */
	if (!vmsa->has_guest_vmsa || !vcpu->arch.guest_state_protected)
		return 0;

	vmcb->control.vmsa_pa = INVALID_PAGE;
	vmcb_mark_all_dirty(vmcb);

	if (!VALID_PAGE(vmsa->used.gpa))
		return snp_vmsa_missing(vcpu, 0);

	mmu_seq = kvm->mmu_invalidate_seq;
	/* Pairs with the barrier of kvm_mmu_invalidate_end(). */
	smp_rmb();

	/* A page that is shared by attribute alone is still the guest's. */
	r = snp_vmsa_lookup(kvm, vmsa->used.gpa, false, &pfn);

	scoped_guard(read_lock, &kvm->mmu_lock) {
		if (vmsa->used.lost) {
			r = r ?: -ENOENT;
		} else if (mmu_invalidate_retry_gfn(kvm, mmu_seq,
						    gpa_to_gfn(vmsa->used.gpa))) {
			kvm_make_request(KVM_REQ_VMSA_PAGE_RELOAD, vcpu);
			return 0;
		} else if (!r) {
			vmcb->control.vmsa_pa = pfn_to_hpa(pfn);
			return 0;
		}
	}

	return snp_vmsa_missing(vcpu, r);
}

/* Is @page in @range?  With @discard, it is lost. */
static bool snp_vmsa_invalidate(struct sev_snp_vmsa_page *page,
				struct kvm_gfn_range *range, bool discard)
{
	gpa_t gpa = READ_ONCE(page->gpa);

	if (!VALID_PAGE(gpa) || gpa_to_gfn(gpa) < range->start ||
	    gpa_to_gfn(gpa) >= range->end)
		return false;

	if (discard)
		WRITE_ONCE(page->lost, true);
	return true;
}

/*
 * The memory behind @range may change.  Drop all use of VMSAs that lie in it,
 * and wait until no vCPU runs with one of them: the caller may free the pages
 * next.
 */
void sev_gmem_invalidate_range(struct kvm *kvm, struct kvm_gfn_range *range)
{
	struct kvm_vcpu *vcpu;
	bool reload = false;
	unsigned long i;

	lockdep_assert_held_write(&kvm->mmu_lock);

	/* The GPAs of other VMs mean nothing; migration away leaves zeroes. */
	if (!____sev_snp_guest(kvm))
		return;

	kvm_for_each_vcpu(i, vcpu, kvm) {
		struct sev_snp_vmsa *vmsa = to_vmsa(vcpu);

		/* A page that is yet to be built has nothing to lose. */
		if (snp_vmsa_invalidate(&vmsa->used, range, range->discard &&
					!READ_ONCE(vmsa->from_vcpu)))
			reload = true;

		/* Not in use yet. */
		snp_vmsa_invalidate(&vmsa->now, range, range->discard);
		snp_vmsa_invalidate(&vmsa->on_init, range, range->discard);
	}

	/*
	 * All vCPUs in one round of IPIs, which also waits for a vCPU that
	 * another kick already told to exit but that is still in the guest.  A
	 * reload that was not needed costs a look-up.
	 */
	if (reload)
		kvm_make_all_cpus_request(kvm, KVM_REQ_VMSA_PAGE_RELOAD);
}

/*
 * From here on the vCPU has the VMSA at @gpa, or none.  It is runnable even if
 * that VMSA can't be loaded, so that KVM_RUN reports it instead of blocking for
 * good.  With none it waits until it gets one; if userspace makes it run, KVM_RUN
 * reports that.
 */
static void snp_vmsa_start(struct kvm_vcpu *vcpu, gpa_t gpa)
{
	struct vmcb *vmcb = to_svm(vcpu)->vmcb;

	vmcb->control.vmsa_pa = INVALID_PAGE;
	vmcb_mark_all_dirty(vmcb);

	vcpu->arch.pv.pv_unhalted = false;
	vcpu->arch.guest_state_absent = !VALID_PAGE(gpa);
	kvm_make_request(KVM_REQ_VMSA_PAGE_RELOAD, vcpu);
	kvm_set_mp_state(vcpu, VALID_PAGE(gpa) ? KVM_MP_STATE_RUNNABLE :
						 KVM_MP_STATE_HALTED);
}

/*
 * Take over what was asked for.  Called by the vCPU, for an INIT event: a real one,
 * or the one that CREATE and DESTROY stand for.
 */
void sev_snp_vmsa_init_event(struct kvm_vcpu *vcpu)
{
	struct sev_snp_vmsa *vmsa = to_vmsa(vcpu);
	struct kvm *kvm = vcpu->kvm;
	bool now = vcpu->arch.guest_state_updating;
	struct sev_snp_vmsa_page next;

	guard(mutex)(&vmsa->lock);

	/* In the launch a request is recorded, and waits for the end of it. */
	if (!vcpu->arch.guest_state_protected && !kvm->arch.pre_fault_allowed)
		return;

	scoped_guard(read_lock, &kvm->mmu_lock) {
		/* A real INIT is older than a CREATE or DESTROY that waits. */
		if (now != vmsa->now_pending)
			return;

		next = now ? vmsa->now : vmsa->on_init;
		if (!now && !VALID_PAGE(next.gpa))
			return;

		snp_vmsa_set_page(vcpu, &vmsa->used, next.gpa, next.lost);
		snp_vmsa_set_page(vcpu, now ? &vmsa->now : &vmsa->on_init,
				  INVALID_PAGE, false);
		vmsa->now_pending = false;
	}
	/* One that came while the last was acted on was taken over, too. */
	kvm_clear_request(KVM_REQ_UPDATE_PROTECTED_GUEST_STATE, vcpu);

	vmsa->has_guest_vmsa = true;
	snp_vmsa_start(vcpu, next.gpa);
}

/*
 * Checks of a request that hold for the guest and for userspace alike.  Returns
 * 0, -ERANGE for an address that is 2M aligned, -EINVAL for all else.
 */
static int snp_vmsa_check_request(struct kvm_vcpu *target, u32 request,
				  gpa_t gpa, u64 sev_features)
{
	struct kvm_sev_info *sev = to_kvm_sev_info(target->kvm);

	switch (request) {
	case KVM_SEV_SNP_VMSA_CREATE_ON_INIT:
	case KVM_SEV_SNP_VMSA_CREATE:
		if (sev_features != sev->vmsa_features)
			return -EINVAL;

		if (!page_address_valid(target, gpa))
			return -EINVAL;

		/*
		 * A large page that collides with the RMP entry of a VMSA makes
		 * the CPU report an RMP violation where there is none (SNP
		 * erratum), and RMPADJUST can turn a large page into a VMSA.
		 */
		return IS_ALIGNED(gpa, PMD_SIZE) ? -ERANGE : 0;
	case KVM_SEV_SNP_VMSA_DESTROY:
		return 0;
	default:
		return -EINVAL;
	}
}

/* What comes next stands for an INIT: those that came before are done with. */
static void snp_vmsa_drop_init(struct kvm_vcpu *vcpu)
{
	if (!lapic_in_kernel(vcpu))
		return;

	clear_bit(KVM_APIC_INIT, &vcpu->arch.apic->pending_events);
	clear_bit(KVM_APIC_SIPI, &vcpu->arch.apic->pending_events);
}

/* True if the page at @gpa may have changed since @mmu_seq was read. */
static bool snp_vmsa_may_have_changed(struct kvm *kvm, gpa_t gpa,
				      unsigned long mmu_seq)
{
	lockdep_assert_held_read(&kvm->mmu_lock);

	return VALID_PAGE(gpa) &&
	       mmu_invalidate_retry_gfn(kvm, mmu_seq, gpa_to_gfn(gpa));
}

/*
 * Record a request that was checked, and let @target act on it.  With @mmu_seq,
 * returns -EAGAIN, and nothing has changed, if the page has to be looked up anew.
 */
static int snp_vmsa_do_request(struct kvm_vcpu *target, u32 request, gpa_t gpa,
			       const unsigned long *mmu_seq)
{
	struct sev_snp_vmsa *vmsa = to_vmsa(target);
	bool on_init = request == KVM_SEV_SNP_VMSA_CREATE_ON_INIT;
	struct kvm *kvm = target->kvm;

	scoped_guard(mutex, &vmsa->lock) {
		scoped_guard(read_lock, &kvm->mmu_lock) {
			if (mmu_seq &&
			    snp_vmsa_may_have_changed(kvm, gpa, *mmu_seq))
				return -EAGAIN;

			if (!on_init) {
				snp_vmsa_set_page(target, &vmsa->now, gpa, false);
				vmsa->now_pending = true;
			}
			snp_vmsa_set_page(target, &vmsa->on_init,
					  on_init ? gpa : INVALID_PAGE, false);
		}

		if (on_init)
			return 0;

		snp_vmsa_drop_init(target);
		kvm_make_request(KVM_REQ_UPDATE_PROTECTED_GUEST_STATE, target);
	}

	/*
	 * Kick without the lock: the target takes it to handle the request, and
	 * the kick waits for the target.
	 */
	__kvm_vcpu_kick(target, true);

	return 0;
}

/*
 * AP Creation by the guest: as SET_VMSA once the launch is finished, but VMRUN
 * judges the page.  CREATE and DESTROY reach @target at once, CREATE_ON_INIT waits
 * for an INIT.  Errors as snp_vmsa_check_request(), with nothing changed.
 */
int sev_snp_vmsa_request(struct kvm_vcpu *target, u32 request, gpa_t gpa,
			 u64 sev_features)
{
	int r;

	r = snp_vmsa_check_request(target, request, gpa, sev_features);
	if (r)
		return r;

	if (request == KVM_SEV_SNP_VMSA_DESTROY)
		gpa = INVALID_PAGE;

	return snp_vmsa_do_request(target, request, gpa, NULL);
}

/*
 * Check the VMSA in @pfn that userspace wants measured at @gfn.  The rest of
 * its fields is the guest's business: the CPU and the measurement judge them.
 *
 * Returns 0, -ERANGE if @gfn is 2M aligned, -EINVAL if SEV_FEATURES is not the
 * VM's or VMPL is not 0.
 */
int sev_snp_vmsa_check_contents(struct kvm *kvm, gfn_t gfn, kvm_pfn_t pfn)
{
	struct sev_es_save_area *sa = kmap_local_pfn(pfn);
	int r = 0;

	if (IS_ALIGNED(gfn_to_gpa(gfn), PMD_SIZE))
		r = -ERANGE;
	else if (sa->sev_features != to_kvm_sev_info(kvm)->vmsa_features ||
		 sa->vmpl)
		r = -EINVAL;

	kunmap_local(sa);
	return r;
}

/*
 * As snp_vmsa_lookup() of a private page, but for one that KVM is to fill:
 * returns 0 if it is not populated, and -EEXIST if it is.
 */
static int snp_vmsa_lookup_vacant(struct kvm *kvm, gpa_t gpa)
{
	kvm_pfn_t pfn;
	int r;

	r = snp_vmsa_lookup(kvm, gpa, true, &pfn);
	if (!r)
		return -EEXIST;

	return r == -ENOENT ? 0 : r;
}

/*
 * Before anything is measured: can it be?  Returns 0, -EINVAL if a vCPU is being
 * debugged, or has a breakpoint in DR7 that would get into its VMSA, -ENOENT if a
 * VMSA was discarded, or for a page that KVM is to fill what SET_VMSA would return
 * for it now.  Caller holds kvm->lock, every vcpu->mutex, and kvm->slots_lock until
 * the pages are filled.
 */
int sev_snp_vmsa_launch_check(struct kvm *kvm)
{
	struct kvm_vcpu *vcpu;
	unsigned long i;
	int r;

	lockdep_assert_held(&kvm->slots_lock);

	kvm_for_each_vcpu(i, vcpu, kvm) {
		struct sev_snp_vmsa *vmsa = to_vmsa(vcpu);

		/* An earlier attempt to finish measured it; KVM_RUN tells. */
		if (vcpu->arch.guest_state_protected)
			continue;

		/* It could not be stopped once the state is protected. */
		if (vcpu->guest_debug)
			return -EINVAL;

		guard(mutex)(&vmsa->lock);

		/* sev_es_sync_vmsa() would refuse it, when others are measured. */
		if ((!vmsa->has_guest_vmsa || vmsa->from_vcpu) &&
		    (to_svm(vcpu)->vmcb->save.dr7 & ~DR7_FIXED_1))
			return -EINVAL;

		if (READ_ONCE(vmsa->used.lost) || READ_ONCE(vmsa->on_init.lost))
			return -ENOENT;

		if (!vmsa->from_vcpu)
			continue;

		r = snp_vmsa_lookup_vacant(kvm, vmsa->used.gpa);
		if (r)
			return r;
	}

	return 0;
}

/*
 * The page of @vcpu that KVM had to fill is filled and measured, and can be lost
 * from now on.  The caller keeps guest_memfd from discarding it meanwhile.
 */
void sev_snp_vmsa_built(struct kvm_vcpu *vcpu)
{
	struct sev_snp_vmsa *vmsa = to_vmsa(vcpu);

	guard(mutex)(&vmsa->lock);

	scoped_guard(read_lock, &vcpu->kvm->mmu_lock)
		WRITE_ONCE(vmsa->from_vcpu, false);
}

/*
 * The launch ends and @vcpu has no VMSA in a page of KVM's.  Let it start from
 * the page that userspace named, or wait until it is given one.
 */
void sev_snp_vmsa_launch(struct kvm_vcpu *vcpu)
{
	snp_vmsa_drop_init(vcpu);
	snp_vmsa_start(vcpu, to_vmsa(vcpu)->used.gpa);
}

/* Record the request of userspace; takes effect when the launch is finished. */
static int snp_vmsa_set_launch(struct kvm_vcpu *vcpu, u32 request, gpa_t gpa,
			       bool from_vcpu, unsigned long mmu_seq)
{
	struct sev_snp_vmsa *vmsa = to_vmsa(vcpu);
	struct kvm *kvm = vcpu->kvm;
	bool on_init = request == KVM_SEV_SNP_VMSA_CREATE_ON_INIT;

	guard(mutex)(&vmsa->lock);

	scoped_guard(read_lock, &kvm->mmu_lock) {
		if (snp_vmsa_may_have_changed(kvm, gpa, mmu_seq))
			return -EAGAIN;

		snp_vmsa_set_page(vcpu, &vmsa->used,
				  on_init ? INVALID_PAGE : gpa, false);
		snp_vmsa_set_page(vcpu, &vmsa->on_init,
				  on_init ? gpa : INVALID_PAGE, false);
		WRITE_ONCE(vmsa->from_vcpu, from_vcpu);
		vmsa->has_guest_vmsa = true;
	}

	return 0;
}

static bool snp_vmsa_gpa_taken(struct kvm_vcpu *target, gpa_t gpa)
{
	struct kvm_vcpu *vcpu;
	unsigned long i;

	kvm_for_each_vcpu(i, vcpu, target->kvm) {
		struct sev_snp_vmsa *vmsa = to_vmsa(vcpu);

		if (vcpu != target && (READ_ONCE(vmsa->used.gpa) == gpa ||
				       READ_ONCE(vmsa->now.gpa) == gpa ||
				       READ_ONCE(vmsa->on_init.gpa) == gpa))
			return true;
	}

	return false;
}

static int snp_set_vmsa(struct kvm_vcpu *vcpu, void __user *uaddr)
{
	struct kvm *kvm = vcpu->kvm;
	struct kvm_sev_info *sev = to_kvm_sev_info(kvm);
	struct kvm_sev_snp_set_vmsa params;
	unsigned long mmu_seq;
	bool from_vcpu;
	kvm_pfn_t pfn;
	gpa_t gpa;
	int r;

	if (copy_from_user(&params, uaddr, sizeof(params)))
		return -EFAULT;

	if (params.flags & ~SNP_VMSA_FLAGS || params.vmpl ||
	    memchr_inv(params.pad, 0, sizeof(params.pad)))
		return -EINVAL;

	if (params.request == KVM_SEV_SNP_VMSA_DESTROY &&
	    (params.gpa || params.sev_features))
		return -EINVAL;

	from_vcpu = params.flags & KVM_SEV_SNP_VMSA_FLAG_FROM_VCPU;
	if (from_vcpu && params.request != KVM_SEV_SNP_VMSA_CREATE)
		return -EINVAL;

	/* Keeps the launch from starting or ending meanwhile. */
	guard(mutex)(&kvm->lock);

	if (!sev->snp_context || sev->enc_context_owner)
		return -EINVAL;

	/* KVM does not protect a vCPU that the launch did not know. */
	if (kvm->arch.pre_fault_allowed && !vcpu->arch.guest_state_protected)
		return -EINVAL;

	/* What a VMSA would be built from is gone. */
	if (from_vcpu && vcpu->arch.guest_state_protected)
		return -EINVAL;

	r = snp_vmsa_check_request(vcpu, params.request, params.gpa,
				   params.sev_features);
	if (r)
		return r;

	for (;;) {
		mmu_seq = kvm->mmu_invalidate_seq;
		/* Pairs with the barrier of kvm_mmu_invalidate_end(). */
		smp_rmb();

		if (params.request == KVM_SEV_SNP_VMSA_DESTROY) {
			gpa = INVALID_PAGE;
		} else {
			gpa = params.gpa;

			if (snp_vmsa_gpa_taken(vcpu, gpa))
				return -EEXIST;

			scoped_guard(srcu, &kvm->srcu)
				r = from_vcpu ?
				    snp_vmsa_lookup_vacant(kvm, gpa) :
				    snp_vmsa_lookup(kvm, gpa, true, &pfn);
			if (r)
				return r;
		}

		r = vcpu->arch.guest_state_protected ?
		    snp_vmsa_do_request(vcpu, params.request, gpa, &mmu_seq) :
		    snp_vmsa_set_launch(vcpu, params.request, gpa, from_vcpu,
					mmu_seq);
		if (r != -EAGAIN)
			return r;

		if (signal_pending(current))
			return -EINTR;

		cond_resched();
	}
}

static int snp_get_vmsa(struct kvm_vcpu *vcpu, void __user *uaddr)
{
	struct sev_snp_vmsa *vmsa = to_vmsa(vcpu);
	struct kvm_sev_snp_get_vmsa params = {
		.sev_features = to_kvm_sev_info(vcpu->kvm)->vmsa_features,
	};

	scoped_guard(mutex, &vmsa->lock) {
		params.gpa = vmsa->used.gpa;
		/* Of two requests the later one. */
		params.pending = vmsa->now_pending ||
				 VALID_PAGE(vmsa->on_init.gpa);
		params.pending_gpa = VALID_PAGE(vmsa->on_init.gpa) ?
				     vmsa->on_init.gpa : vmsa->now.gpa;
		if (vmsa->from_vcpu)
			params.flags = KVM_SEV_SNP_VMSA_FLAG_FROM_VCPU;

		if (!vmsa->has_guest_vmsa)
			params.state = KVM_SEV_SNP_VMSA_STATE_KVM;
		else if (!VALID_PAGE(vmsa->used.gpa))
			params.state = KVM_SEV_SNP_VMSA_STATE_NONE;
		else if (READ_ONCE(vmsa->used.lost))
			params.state = KVM_SEV_SNP_VMSA_STATE_LOST;
		else
			params.state = KVM_SEV_SNP_VMSA_STATE_GUEST;
	}

	return copy_to_user(uaddr, &params, sizeof(params)) ? -EFAULT : 0;
}

/*
 * KVM_MEMORY_ENCRYPT_OP on a vCPU file descriptor.  Without vcpu->mutex: a vCPU
 * that is in KVM_RUN must be reachable, and kvm->lock has to be the outer lock.
 */
int sev_vcpu_mem_enc_unlocked_ioctl(struct kvm_vcpu *vcpu, void __user *argp)
{
	struct kvm_sev_cmd cmd;

	if (!is_sev_snp_guest(vcpu))
		return -ENOTTY;

	if (copy_from_user(&cmd, argp, sizeof(cmd)))
		return -EFAULT;

	switch (cmd.id) {
	case KVM_SEV_SNP_SET_VMSA:
		return snp_set_vmsa(vcpu, u64_to_user_ptr(cmd.data));
	case KVM_SEV_SNP_GET_VMSA:
		return snp_get_vmsa(vcpu, u64_to_user_ptr(cmd.data));
	default:
		return -EINVAL;
	}
}
