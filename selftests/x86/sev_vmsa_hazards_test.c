// SPDX-License-Identifier: GPL-2.0-only
/*
 * What can go wrong with a VMSA in guest memory: one group of cases for each of
 * the hazards H1 to H15 of Documentation/hazards.rst, which has the verdicts, and
 * what was found beside them.
 *
 * The VMSAs come from the guest's AP Creation, so that every case provokes the
 * same on a kernel without KVM_X86_SEV_SNP_VMSA.  A case that finds there what
 * that kernel is known to do wrong reports XFAIL and says what it saw; it passes
 * if the kernel does it right, and fails if it does anything else.  What a kernel
 * does wrong depends on whether it follows the page of a VMSA at all, which e.g.
 * 6.12 does not.
 *
 * The races are not left to chance: the control device of the emulated platform
 * holds a CPU in the guest, or before an RMPUPDATE, while others act.  Without
 * the device, e.g. on hardware, the cases that need it skip.
 *
 *   sev_vmsa_hazards_test [-n <rounds, 1000>] [-d] [options of the harness]
 *
 * -d lets the RMPUPDATE through that must not come: a host with that bug loses a
 * page, and dies of it sooner or later.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "kvm_test_harness.h"
#include "test_util.h"
#include "snp_vmsa.h"
#include "svm_util.h"

#define CREATE		KVM_SEV_SNP_VMSA_CREATE
#define ON_INIT		KVM_SEV_SNP_VMSA_CREATE_ON_INIT
#define DESTROY		KVM_SEV_SNP_VMSA_DESTROY
#define NO_REQUEST	(~0ULL)

/* Pages in the slot of VMSAs */
#define PAGE_A		1
#define PAGE_B		2
#define PAGE_EMPTY	9
#define PAGE_NO_SLOT	(SNP_VMSA_SLOT_PAGES + 1)

#define TERM_KVM_VMSA	0x61
#define TERM_DONE	0x62

static int nr_rounds = 1000;
static bool destructive;
static bool follows_page;	/* an invalidation reaches the vCPU */

/* The case saw what this kernel is known to do wrong. */
#define XFAIL(statement, fmt, ...) do {						\
	SKIP(, fmt, ##__VA_ARGS__);						\
	_metadata->exit_code = KSFT_XFAIL;					\
	statement;								\
} while (0)

/*
 * The control device of the emulated platform
 */

#if __has_include("snpctl.h")
#include "snpctl.h"

static snpctl_t *ctl;

static void ctl_release(unsigned int place)
{
	snpctl_write(ctl, SNP_CTL_HOLD_ARM(place), 0);
	snpctl_write(ctl, SNP_CTL_HOLD_RELEASE(place), 1);
}

/* A case that fails leaves no CPU behind that is stuck. */
static void ctl_release_all(void)
{
	unsigned int i;

	for (i = 0; i < SNP_CTL_HOLD_NR; i++)
		ctl_release(i);
	snpctl_write(ctl, SNP_CTL_FAIL_NTH, 0);
}

static bool find_ctl(void)
{
	ctl = snpctl_open();
	if (ctl)
		atexit(ctl_release_all);
	return ctl;
}

static u64 ctl_page_of(u64 gpa)
{
	snpctl_write(ctl, SNP_CTL_ASID, 0);
	snpctl_write(ctl, SNP_CTL_GPA, gpa);
	return snpctl_read(ctl, SNP_CTL_GPA_PAGE);
}

static u64 ctl_entry(u64 page)
{
	snpctl_write(ctl, SNP_CTL_PAGE, page);
	return snpctl_read(ctl, SNP_CTL_PAGE_ENTRY);
}

static u64 ctl_count(unsigned int n)
{
	return snpctl_counter(ctl, n);
}

static void ctl_hold(unsigned int place, u64 match)
{
	snpctl_write(ctl, SNP_CTL_HOLD_MATCH(place), match);
	snpctl_write(ctl, SNP_CTL_HOLD_ARM(place), 1);
}

static u64 ctl_held(unsigned int place)
{
	return snpctl_read(ctl, SNP_CTL_HOLD_WAITING(place));
}

/* The n-th firmware command @cmd from now fails with @status; 0 is off. */
static void ctl_fail(u64 cmd, u64 status, u64 n)
{
	snpctl_write(ctl, SNP_CTL_FAIL_HITS, 0);
	snpctl_write(ctl, SNP_CTL_FAIL_CMD, cmd);
	snpctl_write(ctl, SNP_CTL_FAIL_STATUS, status);
	snpctl_write(ctl, SNP_CTL_FAIL_NTH, n);
}

static u64 ctl_fail_hits(void)
{
	return snpctl_read(ctl, SNP_CTL_FAIL_HITS);
}
#else
/* Built without the platform: nothing here is ever reached. */
enum { SNP_CTL_HOLD_VMRUN, SNP_CTL_HOLD_RMPUPDATE, SNP_CTL_HOLD_VMEXIT };
enum { SNP_CTL_CNT_RMPUPDATE_FAIL, SNP_CTL_CNT_VMRUN_STALE_VMSA, SNP_CTL_CNT_VMRUN_SNP };

static bool find_ctl(void) { return false; }
static u64 ctl_page_of(u64 gpa) { return ~0ULL; }
static u64 ctl_entry(u64 page) { return 0; }
static u64 ctl_count(unsigned int n) { return 0; }
static void ctl_hold(unsigned int place, u64 match) { }
static u64 ctl_held(unsigned int place) { return 0; }
static void ctl_release(unsigned int place) { }
static void ctl_fail(u64 cmd, u64 status, u64 n) { }
static u64 ctl_fail_hits(void) { return 0; }
#endif

#define RMP_VMSA		BIT_ULL(61)
#define RMP_IN_USE		BIT_ULL(63)
#define PSP_SNP_LAUNCH_UPDATE	0xa1
#define PSP_SNP_LAUNCH_FINISH	0xa2
#define PSP_SNP_DBG_DECRYPT	0xb0
#define PSP_STATUS		0x16	/* anything but success */
#define NO_PAGE			(~0ULL)

#define REQUIRE_CTL()									\
do {											\
	if (!find_ctl())								\
		SKIP(return, "needs the control device of the emulated platform");	\
} while (0)

#define REQUIRE_CPUS(n)									\
do {											\
	if (sysconf(_SC_NPROCESSORS_ONLN) < (n))					\
		SKIP(return, "needs %d CPUs", n);					\
} while (0)

/*
 * Guest
 */

enum {
	AP_STEP,	/* stop for the host each time that it is run */
	AP_SPIN,	/* never leave the guest */
	AP_CREATE,	/* ask for @arg[0] times for page @arg[1] for vCPU @arg[2] */
};

/*
 * The VMSA of page n starts here, with n in R13 and a token in R14; what to do
 * is in the vCPU's mailbox.
 */
static void guest_ap(struct snp_cpu *cpu)
{
	volatile struct snp_mbox *mbox = cpu->mbox;
	u64 i, page = cpu->regs[SNP_R13];

	snp_guest_start(cpu);
	mbox->token = cpu->regs[SNP_R14];

	switch (mbox->cmd) {
	case AP_SPIN:
		for (;;)
			mbox->count++;
	case AP_CREATE:
		for (i = 0; i < mbox->arg[0]; i++) {
			u64 gpa = mbox->arg[1];

			mbox->val[page]++;
			/* Two VMSAs of one vCPU name each other's page. */
			if (mbox->arg[2] == cpu->id)
				mbox->arg[1] = SNP_VMSA_GPA(page);
			SNP_GUEST_ASSERT_EQ(cpu, snp_guest_ap_creation(cpu, CREATE, mbox->arg[2],
								       gpa), 0);
		}
		snp_guest_term(SNP_TERM_SET_DONE, TERM_DONE);
	default:
		for (i = 0; ; i++)
			snp_guest_sync(cpu, i);
	}
}

/*
 * For each round: make a VMSA at page arg[0] unless that is 0, whose R14 is
 * arg[1] and that is for vCPU arg[3]; then ask for request arg[2] to that vCPU with
 * the GPA arg[4], unless the request is NO_REQUEST.
 */
static void guest_creator(struct snp_cpu *cpu)
{
	volatile struct snp_mbox *mbox = cpu->mbox;
	struct snp_vmsa *page;
	u32 i;

	snp_guest_start(cpu);
	for (i = 0; ; i++) {
		snp_guest_sync(cpu, i);
		if (mbox->arg[0]) {
			page = cpu->ap_vmsa + mbox->arg[0] - 1;
			SNP_GUEST_ASSERT_EQ(cpu, snp_guest_pvalidate(page, true, NULL), 0);
			*page = cpu->ap_init[mbox->arg[3] - 1];
			page->r13 = mbox->arg[0];
			page->r14 = mbox->arg[1];
			/* A stack for each VMSA: one may be left for the other. */
			page->rsp -= mbox->arg[0] % 2 * 0x800;
			SNP_GUEST_ASSERT_EQ(cpu, snp_guest_rmpadjust(page, true), 0);
		}
		if (mbox->arg[2] != NO_REQUEST)
			SNP_GUEST_ASSERT_EQ(cpu, snp_guest_ap_creation(cpu, mbox->arg[2],
								       mbox->arg[3],
								       mbox->arg[4]), 0);
	}
}

/* On KVM's VMSA: an AP of these tests is never to come here. */
static void guest_kvm_vmsa(struct snp_cpu *cpu)
{
	snp_guest_term(SNP_TERM_SET_DONE, TERM_KVM_VMSA);
}

/*
 * Host
 */

/* Does the kernel, or one of its modules, have @function? */
static bool kernel_has(const char *function)
{
	FILE *f = fopen("/proc/kallsyms", "r");
	char line[512], name[256];
	bool found = false;

	TEST_ASSERT(f, "/proc/kallsyms: errno %d", errno);
	while (!found && fgets(line, sizeof(line), f))
		found = sscanf(line, "%*s %*s %255s", name) == 1 && !strcmp(name, function);
	fclose(f);
	return found;
}

/* For what must not happen: a wait for a CPU that is held. */
#define FOR_A_WHILE	0.3

static void worker_punch(struct snp_worker *w)
{
	vm_guest_mem_punch_hole(w->s->vm, SNP_VMSA_GPA(PAGE_A), PAGE_SIZE);
}

static struct userspace_mem_region *vmsa_region(struct snp_vm *s)
{
	return memslot2region(s->vm, SNP_VMSA_SLOT);
}

static void worker_close(struct snp_worker *w)
{
	struct userspace_mem_region *region = vmsa_region(w->s);

	/* The library closes what is there when the VM goes. */
	close(region->region.guest_memfd);
	region->region.guest_memfd = -1;
}

/*
 * vCPU 0 is the creator, vCPUs 1 and 2 are APs that wait for it.  vCPU 3 is an
 * AP, too, and has a VMSA of KVM's that was never run.
 */
FIXTURE(hz) {
	struct snp_vm *s;
	bool uapi;
	u32 round;
};

static void hz_launch(struct snp_vm *s)
{
	int i;

	for (i = 0; i < SNP_AP_INIT_PAGES; i++) {
		snp_vmsa_init(s, &s->ap_init[i], 1 + i, snp_guest_entry_regs);
		s->ap_init[i].r15 = (u64)guest_ap;
	}
	snp_launch_start(s);
	snp_launch_memory(s);
	for (i = 1; i < s->nr_vcpus; i++) {
		if (snp_has_vmsa_uapi() && i < 3)
			snp_set_vmsa(s->vcpu[i], DESTROY, 0);
		else
			snp_vcpu_halt(s->vcpu[i]);
	}
}

static struct snp_vm *hz_create(void)
{
	struct snp_vm *s = snp_vm_create(4, guest_creator);
	int i;

	for (i = 1; i < 4; i++)
		vcpu_arch_set_entry_point(s->vcpu[i], guest_kvm_vmsa);
	return s;
}

FIXTURE_SETUP(hz)
{
	self->uapi = snp_has_vmsa_uapi();
	self->round = 0;
	self->s = hz_create();
	hz_launch(self->s);
	snp_launch_finish(self->s);
	snp_run_to_sync(self->s, 0, 0);
}

FIXTURE_TEARDOWN(hz)
{
	snp_vm_free(self->s);
}

/* The guest's round of @page (0: no VMSA is made), @request to vCPU @ap, @gpa. */
static void prepare_round(FIXTURE_DATA(hz) *hz, u64 page, u64 request, int ap, u64 gpa)
{
	volatile struct snp_mbox *mbox = hz->s->mbox[0];

	hz->round++;
	mbox->arg[0] = page;
	mbox->arg[1] = hz->round;
	mbox->arg[2] = request;
	mbox->arg[3] = ap;
	mbox->arg[4] = gpa;
}

static void guest_round(FIXTURE_DATA(hz) *hz, u64 page, u64 request, int ap, u64 gpa)
{
	prepare_round(hz, page, request, ap, gpa);
	snp_run_to_sync(hz->s, 0, hz->round);
}

static void guest_creates(FIXTURE_DATA(hz) *hz, int ap, u64 page)
{
	guest_round(hz, page, CREATE, ap, SNP_VMSA_GPA(page));
}

static void ap_does(FIXTURE_DATA(hz) *hz, int ap, u64 cmd)
{
	hz->s->mbox[ap]->cmd = cmd;
}

static void assert_ap_starts(FIXTURE_DATA(hz) *hz, int ap)
{
	hz->s->mbox[ap]->token = 0;
	snp_run_to_sync(hz->s, ap, 0);
	TEST_ASSERT_EQ(hz->s->mbox[ap]->token, hz->round);
}

static void ap_spins(FIXTURE_DATA(hz) *hz, struct snp_worker *w)
{
	volatile struct snp_mbox *mbox = hz->s->mbox[w->vcpu];
	u64 count = mbox->count;

	ap_does(hz, w->vcpu, AP_SPIN);
	snp_worker_go(w);
	TEST_ASSERT(snp_wait_for(SNP_SOON, mbox->count != count || snp_worker_done(w)) &&
		    mbox->count != count,
		    "vCPU %d does not run: KVM_RUN %d, errno %d, exit %s", w->vcpu, w->ret, w->err,
		    exit_reason_str(hz->s->vcpu[w->vcpu]->run->exit_reason));
}

/* KVM_RUN that is to come to an exit. */
static int run_to_exit(struct kvm_vcpu *vcpu)
{
	return snp_run_for(vcpu, SNP_SOON * 1000);
}

/* The vCPU is not runnable, and waits for something. */
static void assert_waits(struct kvm_vcpu *vcpu)
{
	int err = snp_run_for(vcpu, 100);

	TEST_ASSERT(err == EINTR, "vCPU %u: KVM_RUN errno %d, exit %s, wanted EINTR", vcpu->id,
		    err, exit_reason_str(vcpu->run->exit_reason));
}

static bool is_fail_entry(struct kvm_vcpu *vcpu, int err)
{
	return !err && vcpu->run->exit_reason == KVM_EXIT_FAIL_ENTRY;
}

/* -EFAULT, or @err; what names the page comes with the uAPI. */
static bool is_vmsa_fault(struct kvm_vcpu *vcpu, int got, int err, u64 gpa)
{
	struct kvm_run *run = vcpu->run;

	if (!snp_has_vmsa_uapi())
		return got == err && run->exit_reason == KVM_EXIT_UNKNOWN;

	return got == err && run->exit_reason == KVM_EXIT_MEMORY_FAULT &&
	       run->memory_fault.gpa == gpa &&
	       run->memory_fault.size == (gpa == KVM_SEV_SNP_VMSA_GPA_NONE ? 0 : PAGE_SIZE) &&
	       run->memory_fault.flags == (KVM_MEMORY_EXIT_FLAG_PRIVATE |
					   KVM_MEMORY_EXIT_FLAG_SNP_VMSA);
}

/* Made runnable without a VMSA, it does not run: what KVM_RUN says is the uAPI's. */
static bool has_no_vmsa(struct kvm_vcpu *vcpu, int err)
{
	if (!snp_has_vmsa_uapi())
		return is_fail_entry(vcpu, err);
	return is_vmsa_fault(vcpu, err, EFAULT, KVM_SEV_SNP_VMSA_GPA_NONE);
}

static void assert_vmsa_fault(struct kvm_vcpu *vcpu, int got, int err, u64 gpa)
{
	TEST_ASSERT(is_vmsa_fault(vcpu, got, err, gpa),
		    "vCPU %u: KVM_RUN errno %d, exit %s, gpa 0x%llx, flags 0x%llx; wanted errno %d, MEMORY_FAULT of 0x%lx",
		    vcpu->id, got, exit_reason_str(vcpu->run->exit_reason),
		    vcpu->run->memory_fault.gpa, vcpu->run->memory_fault.flags, err,
		    (unsigned long)gpa);
}

static void assert_state(FIXTURE_DATA(hz) *hz, int ap, u32 state, u64 gpa)
{
	struct kvm_sev_snp_get_vmsa get;

	if (!hz->uapi)
		return;
	snp_get_vmsa(hz->s->vcpu[ap], &get);
	TEST_ASSERT_EQ(get.state, state);
	TEST_ASSERT_EQ(get.gpa, gpa);
}

static void set_mp_state(struct kvm_vcpu *vcpu, u32 mp_state)
{
	struct kvm_mp_state state = { .mp_state = mp_state };

	vcpu_mp_state_set(vcpu, &state);
}

static void delete_slot(FIXTURE_DATA(hz) *hz)
{
	struct kvm_userspace_memory_region2 slot = vmsa_region(hz->s)->region;

	slot.memory_size = 0;
	vm_ioctl(hz->s->vm, KVM_SET_USER_MEMORY_REGION2, &slot);
}

static void restore_slot(FIXTURE_DATA(hz) *hz)
{
	vm_ioctl(hz->s->vm, KVM_SET_USER_MEMORY_REGION2, &vmsa_region(hz->s)->region);
}

static void assert_runs_on(FIXTURE_DATA(hz) *hz, struct snp_worker *w)
{
	volatile struct snp_mbox *mbox = hz->s->mbox[w->vcpu];
	u64 count = mbox->count;

	TEST_ASSERT(snp_wait_for(SNP_SOON, mbox->count != count || snp_worker_done(w)) &&
		    !snp_worker_done(w), "the vCPU does not run on");
}

/*
 * On a kernel that does not follow the page: @discard gives back the page that the
 * spinner on @ap runs with, and nothing stops it.  Held before its RMPUPDATE,
 * @discard goes on when the vCPU is out of the guest, which spares the host the
 * page that it is about to lose.  The vCPU must not run again.
 */
static void discard_while_running(FIXTURE_DATA(hz) *hz, struct snp_worker *ap,
				  void (*discard)(struct snp_worker *w))
{
	u64 fails = ctl_count(SNP_CTL_CNT_RMPUPDATE_FAIL);
	struct snp_worker w;

	snp_worker_start(&w, hz->s, 2, 0, discard);
	ctl_hold(SNP_CTL_HOLD_RMPUPDATE, ctl_page_of(SNP_VMSA_GPA(PAGE_A)));
	snp_worker_go(&w);
	snp_wait_for(SNP_SOON, ctl_held(SNP_CTL_HOLD_RMPUPDATE) || snp_worker_done(&w));
	TEST_ASSERT(ctl_held(SNP_CTL_HOLD_RMPUPDATE) && !snp_worker_done(&w),
		    "no RMPUPDATE of the page");
	assert_runs_on(hz, ap);
	snp_worker_interrupt(ap);
	ctl_release(SNP_CTL_HOLD_RMPUPDATE);
	TEST_ASSERT(snp_wait_for(SNP_SOON, snp_worker_done(&w)), "the discard is stuck");
	TEST_ASSERT_EQ(ctl_count(SNP_CTL_CNT_RMPUPDATE_FAIL), fails);
	snp_worker_stop(&w);
}

/* The spinner on @w is in the guest, and stays there, held, when it is to exit. */
static void hold_in_guest(struct snp_worker *w)
{
	/* The host's own timer makes the guest exit. */
	ctl_hold(SNP_CTL_HOLD_VMEXIT, SVM_EXIT_INTR);
	TEST_ASSERT(snp_wait_for(SNP_SOON, ctl_held(SNP_CTL_HOLD_VMEXIT)),
		    "no CPU is held at VMEXIT");
	TEST_ASSERT_EQ(ctl_held(SNP_CTL_HOLD_VMEXIT), BIT_ULL(w->cpu));
}

static void assert_held_in_guest(FIXTURE_DATA(hz) *hz, struct snp_worker *w)
{
	volatile struct snp_mbox *mbox = hz->s->mbox[w->vcpu];
	u64 count = mbox->count;

	TEST_ASSERT(!snp_wait_for(0.02, mbox->count != count || snp_worker_done(w)),
		    "the vCPU is held at VMEXIT, and runs");
}

/*
 * H1: AP Creation kicks a target that runs, and waits for it
 */

/* Two VMSAs of one vCPU, each of which asks for the other. */
TEST_F_TIMEOUT(hz, h01_self, 120)
{
	volatile struct snp_mbox *mbox = self->s->mbox[1];

	guest_round(self, PAGE_B, NO_REQUEST, 1, 0);
	guest_creates(self, 1, PAGE_A);
	ap_does(self, 1, AP_CREATE);
	mbox->arg[0] = nr_rounds;
	mbox->arg[1] = SNP_VMSA_GPA(PAGE_B);
	mbox->arg[2] = 1;
	snp_run_to_term(self->s, 1, TERM_DONE);
	TEST_ASSERT(mbox->val[PAGE_A] == nr_rounds || mbox->val[PAGE_B] == nr_rounds,
		    "%lu and %lu rounds, wanted %d", (unsigned long)mbox->val[PAGE_A],
		    (unsigned long)mbox->val[PAGE_B], nr_rounds);
}

/* Two vCPUs, each of which asks for the VMSA that the other runs with. */
TEST_F_TIMEOUT(hz, h01_each_other, 240)
{
	struct snp_worker w[2];
	int i;

	REQUIRE_CPUS(2);

	guest_creates(self, 1, PAGE_A);
	guest_creates(self, 2, PAGE_B);
	for (i = 0; i < 2; i++) {
		struct snp_mbox *mbox = self->s->mbox[1 + i];

		ap_does(self, 1 + i, AP_CREATE);
		mbox->arg[0] = nr_rounds;
		mbox->arg[1] = SNP_VMSA_GPA(i ? PAGE_A : PAGE_B);
		mbox->arg[2] = i ? 1 : 2;
		snp_worker_start(&w[i], self->s, i, 1 + i, snp_worker_run);
		snp_worker_go(&w[i]);
	}
	for (i = 0; i < 2; i++) {
		TEST_ASSERT(snp_wait_for(200, snp_worker_done(&w[i])), "vCPU %d is stuck", 1 + i);
		TEST_ASSERT(!w[i].ret, "vCPU %d: errno %d", 1 + i, w[i].err);
		snp_assert_term(self->s, 1 + i, TERM_DONE);
		snp_worker_stop(&w[i]);
	}
}

/*
 * The target can't leave the guest for a while, and two ask for it.  Both wait, as
 * long as it takes, if the kernel waits at all; nobody else has to.
 */

static void worker_get(struct snp_worker *w)
{
	struct kvm_sev_snp_get_vmsa get;

	snp_get_vmsa(w->s->vcpu[1], &get);
}

static void assert_requester_waits(struct snp_worker *w)
{
	if (follows_page)
		TEST_ASSERT(!snp_wait_for(FOR_A_WHILE, snp_worker_done(w)),
			    "AP Creation does not wait for the target");
	else
		snp_wait_for(FOR_A_WHILE, snp_worker_done(w));
}

TEST_F_TIMEOUT(hz, h01_target_held, 120)
{
	struct snp_worker target, one, two, get;
	struct snp_mbox *mbox = self->s->mbox[2];

	REQUIRE_CPUS(4);
	REQUIRE_CTL();

	pin_self_to_cpu(0);
	guest_creates(self, 2, PAGE_B);
	ap_does(self, 2, AP_CREATE);
	mbox->arg[0] = 1;
	mbox->arg[1] = SNP_VMSA_GPA(PAGE_A);
	mbox->arg[2] = 1;
	guest_creates(self, 1, PAGE_A);
	snp_worker_start(&target, self->s, 1, 1, snp_worker_run);
	snp_worker_start(&one, self->s, 2, 0, snp_worker_run);
	snp_worker_start(&two, self->s, 3, 2, snp_worker_run);
	ap_spins(self, &target);
	hold_in_guest(&target);

	prepare_round(self, 0, CREATE, 1, SNP_VMSA_GPA(PAGE_A));
	snp_worker_go(&one);
	assert_requester_waits(&one);
	snp_worker_go(&two);
	assert_requester_waits(&two);
	assert_held_in_guest(self, &target);
	if (self->uapi) {
		snp_worker_start(&get, self->s, 0, 0, worker_get);
		snp_worker_go(&get);
		TEST_ASSERT(snp_wait_for(SNP_SOON, snp_worker_done(&get)) &&
			    ctl_held(SNP_CTL_HOLD_VMEXIT), "GET_VMSA waits for the vCPU");
		snp_worker_stop(&get);
	}

	ctl_release(SNP_CTL_HOLD_VMEXIT);
	TEST_ASSERT(snp_wait_for(SNP_SOON, snp_worker_done(&one) && snp_worker_done(&two)),
		    "AP Creation is stuck after the target was released");
	snp_assert_sync(self->s, 0, self->round);
	snp_assert_term(self->s, 2, TERM_DONE);
	TEST_ASSERT(!snp_worker_done(&target), "the target does not run any more: exit %s",
		    exit_reason_str(self->s->vcpu[1]->run->exit_reason));
	assert_state(self, 1, KVM_SEV_SNP_VMSA_STATE_GUEST, SNP_VMSA_GPA(PAGE_A));

	snp_worker_interrupt(&target);
	snp_worker_stop(&one);
	snp_worker_stop(&two);
	snp_worker_stop(&target);
}

/*
 * AP Destroy ends when the target has left the guest: the guest may take the VMSA
 * attribute from the page next.
 */
TEST_F_TIMEOUT(hz, h01_destroy_target_held, 120)
{
	volatile struct snp_mbox *mbox = self->s->mbox[1];
	struct snp_worker target, one;
	bool runs;
	u64 count;

	REQUIRE_CPUS(3);
	REQUIRE_CTL();

	pin_self_to_cpu(0);
	guest_creates(self, 1, PAGE_A);
	snp_worker_start(&target, self->s, 1, 1, snp_worker_run);
	snp_worker_start(&one, self->s, 2, 0, snp_worker_run);
	ap_spins(self, &target);
	hold_in_guest(&target);

	prepare_round(self, 0, DESTROY, 1, 0);
	snp_worker_go(&one);
	assert_requester_waits(&one);
	assert_held_in_guest(self, &target);
	ctl_release(SNP_CTL_HOLD_VMEXIT);
	TEST_ASSERT(snp_wait_for(SNP_SOON, snp_worker_done(&one)),
		    "AP Destroy is stuck after the target was released");
	snp_assert_sync(self->s, 0, self->round);
	if (follows_page) {
		count = mbox->count;
		runs = snp_wait_for(FOR_A_WHILE, mbox->count != count || snp_worker_done(&target));
		TEST_ASSERT(!runs, "the target runs on after AP Destroy");
	}
	snp_worker_interrupt(&target);
	assert_waits(self->s->vcpu[1]);
	assert_state(self, 1, KVM_SEV_SNP_VMSA_STATE_NONE, KVM_SEV_SNP_VMSA_GPA_NONE);
	snp_worker_stop(&one);
	snp_worker_stop(&target);
}

/*
 * H2: invalidation waits for a vCPU that is in the guest
 */

/*
 * PUNCH_HOLE while the vCPU is held at @place, in the guest for KVM.  The page is
 * shared by attribute, so that there is no TLB to flush, which would wait.  If
 * PUNCH_HOLE does not wait, it gets as far as RMPUPDATE, and is held there, which
 * spares the host the page that it is about to lose.
 */
static bool punch_waits(FIXTURE_DATA(hz) *hz, unsigned int place, bool kicked)
{
	struct snp_worker ap, punch;
	u64 page, fails, vmruns;
	bool waits;

	pin_self_to_cpu(0);
	guest_creates(hz, 1, PAGE_A);
	snp_set_up_lapic(hz->s->vcpu[1]);
	vm_mem_set_shared(hz->s->vm, SNP_VMSA_GPA(PAGE_A), PAGE_SIZE);
	snp_worker_start(&ap, hz->s, 1, 1, snp_worker_run);
	snp_worker_start(&punch, hz->s, 2, 0, worker_punch);
	ap_spins(hz, &ap);
	if (place == SNP_CTL_HOLD_VMEXIT) {
		hold_in_guest(&ap);
	} else {
		ctl_hold(place, 0);
		TEST_ASSERT(snp_wait_for(SNP_SOON, ctl_held(place)), "no CPU is held at VMRUN");
	}
	assert_held_in_guest(hz, &ap);
	if (kicked)
		snp_send_msi(hz->s->vm, 1, SNP_MSI_NMI);

	page = ctl_page_of(SNP_VMSA_GPA(PAGE_A));
	TEST_ASSERT(page != NO_PAGE && ctl_entry(page) & RMP_VMSA, "no VMSA in the RMP");
	fails = ctl_count(SNP_CTL_CNT_RMPUPDATE_FAIL);
	if (!destructive)
		ctl_hold(SNP_CTL_HOLD_RMPUPDATE, page);
	snp_worker_go(&punch);
	waits = !snp_wait_for(FOR_A_WHILE, snp_worker_done(&punch) ||
					   ctl_held(SNP_CTL_HOLD_RMPUPDATE));
	TEST_ASSERT(destructive || !snp_worker_done(&punch), "PUNCH_HOLE made no RMPUPDATE");
	TEST_ASSERT(ctl_held(place), "the vCPU is not held any more");

	/* First the vCPU, then the page. */
	vmruns = ctl_count(SNP_CTL_CNT_VMRUN_SNP);
	ctl_release(place);
	if (!follows_page)
		snp_worker_interrupt(&ap);
	TEST_ASSERT(snp_wait_for(SNP_SOON, (place != SNP_CTL_HOLD_VMRUN ||
					    ctl_count(SNP_CTL_CNT_VMRUN_SNP) != vmruns) &&
					   !(ctl_entry(page) & RMP_IN_USE)),
		    "the vCPU does not exit");
	ctl_release(SNP_CTL_HOLD_RMPUPDATE);
	TEST_ASSERT(snp_wait_for(SNP_SOON, snp_worker_done(&punch)), "PUNCH_HOLE is stuck");
	TEST_ASSERT(snp_wait_for(SNP_SOON, snp_worker_done(&ap)), "the vCPU runs without its VMSA");
	TEST_ASSERT_EQ(ctl_count(SNP_CTL_CNT_RMPUPDATE_FAIL), fails);

	snp_worker_stop(&ap);
	snp_worker_stop(&punch);
	return waits;
}

/* Without a kick before it, a kernel that follows the page waits. */
static void punch_case(struct __test_metadata *_metadata, FIXTURE_DATA(hz) *hz,
		       unsigned int place, bool kicked)
{
	bool waits;

	REQUIRE_CPUS(3);
	REQUIRE_CTL();

	waits = punch_waits(hz, place, kicked);
	if (!waits && !hz->uapi && (kicked || !follows_page))
		XFAIL(return, "PUNCH_HOLE gets to RMPUPDATE while the vCPU %s the guest",
		      place == SNP_CTL_HOLD_VMEXIT ? "is in" : "enters");
	TEST_ASSERT(waits, "PUNCH_HOLE frees the VMSA that a vCPU runs with");
}

TEST_F_TIMEOUT(hz, h02_in_guest, 120)
{
	punch_case(_metadata, self, SNP_CTL_HOLD_VMEXIT, false);
}

TEST_F_TIMEOUT(hz, h02_before_vmrun, 120)
{
	punch_case(_metadata, self, SNP_CTL_HOLD_VMRUN, false);
}

TEST_F_TIMEOUT(hz, h02_kicked_before, 120)
{
	punch_case(_metadata, self, SNP_CTL_HOLD_VMEXIT, true);
}

/* For KVM the vCPU is in the guest, and is not yet. */
TEST_F_TIMEOUT(hz, h02_kicked_before_vmrun, 120)
{
	punch_case(_metadata, self, SNP_CTL_HOLD_VMRUN, true);
}

/*
 * SET_VMSA in the launch, for a page that guest_memfd is about to give back: it has
 * to wait until that is over, and can be interrupted.
 */

static void worker_set_from_vcpu(struct snp_worker *w)
{
	struct kvm_sev_snp_set_vmsa set = {
		.request = CREATE,
		.flags = KVM_SEV_SNP_VMSA_FLAG_FROM_VCPU,
		.gpa = SNP_VMSA_GPA(PAGE_A),
		.sev_features = SNP_SEV_FEATURES,
	};

	w->ret = snp_vcpu_cmd(w->s->vcpu[w->vcpu], KVM_SEV_SNP_SET_VMSA, &set, NULL);
	w->err = errno;
}

TEST(h02_set_vmsa_meanwhile)
{
	static u8 page[PAGE_SIZE] __aligned(PAGE_SIZE);
	struct kvm_sev_snp_get_vmsa get;
	struct snp_worker punch, set;
	struct snp_vm *s;
	int i;

	SNP_REQUIRE_UAPI();
	REQUIRE_CPUS(3);
	REQUIRE_CTL();

	s = hz_create();
	snp_launch_start(s);
	snp_launch_memory(s);
	snp_vmsa_init(s, (void *)page, 3, snp_guest_entry_regs);
	snp_launch_page(s, SNP_VMSA_GPA(PAGE_A), page, KVM_SEV_SNP_PAGE_TYPE_VMSA);

	pin_self_to_cpu(0);
	snp_worker_start(&punch, s, 1, 0, worker_punch);
	snp_worker_start(&set, s, 2, 3, worker_set_from_vcpu);
	ctl_hold(SNP_CTL_HOLD_RMPUPDATE, ctl_page_of(SNP_VMSA_GPA(PAGE_A)));
	snp_worker_go(&punch);
	TEST_ASSERT(snp_wait_for(SNP_SOON, ctl_held(SNP_CTL_HOLD_RMPUPDATE)),
		    "no RMPUPDATE of the page");

	for (i = 0; i < 2; i++) {
		snp_worker_go(&set);
		TEST_ASSERT(!snp_wait_for(FOR_A_WHILE, snp_worker_done(&set)),
			    "SET_VMSA returned %d, errno %d, before PUNCH_HOLE", set.ret, set.err);
		if (i)
			break;
		snp_worker_interrupt(&set);
		TEST_ASSERT(set.ret == -1 && set.err == EINTR, "SET_VMSA returned %d, errno %d",
			    set.ret, set.err);
		snp_get_vmsa(s->vcpu[3], &get);
		TEST_ASSERT_EQ(get.state, KVM_SEV_SNP_VMSA_STATE_KVM);
		TEST_ASSERT_EQ(get.flags, 0);
	}

	ctl_release(SNP_CTL_HOLD_RMPUPDATE);
	TEST_ASSERT(snp_wait_for(SNP_SOON, snp_worker_done(&punch) && snp_worker_done(&set)),
		    "PUNCH_HOLE or SET_VMSA is stuck");
	TEST_ASSERT(!set.ret, "SET_VMSA: errno %d", set.err);
	snp_get_vmsa(s->vcpu[3], &get);
	TEST_ASSERT_EQ(get.state, KVM_SEV_SNP_VMSA_STATE_GUEST);
	TEST_ASSERT_EQ(get.flags, KVM_SEV_SNP_VMSA_FLAG_FROM_VCPU);

	snp_worker_stop(&punch);
	snp_worker_stop(&set);
	snp_launch_finish(s);
	snp_vm_free(s);
}

/*
 * H3, H5: the memslot goes and comes back, the page stays
 */

TEST_F(hz, h03_slot_gone_for_a_run)
{
	struct kvm_vcpu *ap = self->s->vcpu[1];
	int err, again;

	guest_creates(self, 1, PAGE_A);
	assert_ap_starts(self, 1);

	delete_slot(self);
	err = run_to_exit(ap);
	if (!follows_page) {
		TEST_ASSERT(!err, "errno %d", err);
		snp_assert_sync(self->s, 1, 1);
		XFAIL(return, "the vCPU runs on without the memslot");
	}
	if (!self->uapi && is_fail_entry(ap, err)) {
		restore_slot(self);
		again = run_to_exit(ap);
		TEST_ASSERT(is_fail_entry(ap, again), "errno %d, exit %s", again,
			    exit_reason_str(ap->run->exit_reason));
		XFAIL(return, "FAIL_ENTRY, also when the memslot is back");
	}
	assert_vmsa_fault(ap, err, EFAULT, SNP_VMSA_GPA(PAGE_A));
	assert_vmsa_fault(ap, run_to_exit(ap), EFAULT, SNP_VMSA_GPA(PAGE_A));
	assert_state(self, 1, KVM_SEV_SNP_VMSA_STATE_GUEST, SNP_VMSA_GPA(PAGE_A));
	restore_slot(self);
	snp_run_to_sync(self->s, 1, 1);
}

/* Nobody looks: on every kernel. */
TEST_F(hz, h05_slot_gone_between_runs)
{
	guest_creates(self, 1, PAGE_A);
	assert_ap_starts(self, 1);
	delete_slot(self);
	restore_slot(self);
	snp_run_to_sync(self->s, 1, 1);
}

/* A memslot with guest_memfd can't be moved. */
TEST_F(hz, h05_slot_move)
{
	struct kvm_userspace_memory_region2 slot = vmsa_region(self->s)->region;

	guest_creates(self, 1, PAGE_A);
	assert_ap_starts(self, 1);
	slot.guest_phys_addr += BIT_ULL(30);
	TEST_ASSERT(__vm_ioctl(self->s->vm, KVM_SET_USER_MEMORY_REGION2, &slot) == -1 &&
		    errno == EINVAL, "errno %d", errno);
	snp_run_to_sync(self->s, 1, 1);
}

/* The vCPU looks for its page while the memslot is being deleted. */
TEST_F_TIMEOUT(hz, h05_slot_gone_while_running, 120)
{
	struct kvm_vcpu *ap = self->s->vcpu[1];
	struct snp_worker w;
	int i;

	REQUIRE_CPUS(2);

	pin_self_to_cpu(0);
	snp_worker_start(&w, self->s, 1, 1, snp_worker_run);
	guest_creates(self, 1, PAGE_A);
	for (i = 0; i < 50; i++) {
		ap_spins(self, &w);
		delete_slot(self);
		if (!follows_page) {
			assert_runs_on(self, &w);
			snp_worker_interrupt(&w);
			snp_worker_stop(&w);
			XFAIL(return, "the vCPU runs on without the memslot");
		}
		TEST_ASSERT(snp_wait_for(SNP_SOON, snp_worker_done(&w)), "the vCPU runs on");
		restore_slot(self);
		if (!self->uapi && !w.ret && is_fail_entry(ap, 0)) {
			snp_worker_stop(&w);
			XFAIL(return, "FAIL_ENTRY in round %d", i);
		}
		assert_vmsa_fault(ap, w.ret ? w.err : 0, EFAULT, SNP_VMSA_GPA(PAGE_A));
	}
	snp_worker_stop(&w);
}

/*
 * H4: the page goes away
 */

TEST_F(hz, h04_punch)
{
	struct kvm_vcpu *ap = self->s->vcpu[1];
	u64 gpa = SNP_VMSA_GPA(PAGE_A), stale = 0;
	bool has_ctl = find_ctl();
	int err;

	guest_creates(self, 1, PAGE_A);
	assert_ap_starts(self, 1);
	vm_guest_mem_punch_hole(self->s->vm, gpa, PAGE_SIZE);
	if (has_ctl) {
		TEST_ASSERT_EQ(ctl_page_of(gpa), NO_PAGE);
		stale = ctl_count(SNP_CTL_CNT_VMRUN_STALE_VMSA);
	}

	err = run_to_exit(ap);
	if (!self->uapi && is_fail_entry(ap, err)) {
		if (has_ctl) {
			TEST_ASSERT_EQ(ctl_count(SNP_CTL_CNT_VMRUN_STALE_VMSA), stale + 1);
			TEST_ASSERT_EQ(ctl_page_of(gpa) != NO_PAGE, follows_page);
		}
		XFAIL(return, "KVM %s; FAIL_ENTRY", follows_page ?
		      "allocates a page of zeroes and runs it" : "runs the page that was freed");
	}
	assert_vmsa_fault(ap, err, EFAULT, gpa);
	assert_state(self, 1, KVM_SEV_SNP_VMSA_STATE_LOST, gpa);
	if (has_ctl) {
		TEST_ASSERT_EQ(ctl_page_of(gpa), NO_PAGE);
		TEST_ASSERT_EQ(ctl_count(SNP_CTL_CNT_VMRUN_STALE_VMSA), stale);
	}
}

/*
 * H6: the page becomes shared by attribute
 */

/*
 * An attribute says what the guest sees at a GPA, and the CPU does not get at the
 * VMSA that way.  The page stays where it is, and the guest's, and nothing that
 * the host can reach comes to lie under it.
 */
TEST_F_TIMEOUT(hz, h06_shared, 120)
{
	u64 gpa = SNP_VMSA_GPA(PAGE_A), page = 0, entry = 0;
	bool has_ctl = find_ctl();
	struct snp_worker w;
	int i;

	REQUIRE_CPUS(3);

	pin_self_to_cpu(0);
	snp_worker_start(&w, self->s, 1, 1, snp_worker_run);
	guest_creates(self, 1, PAGE_A);
	ap_spins(self, &w);
	if (has_ctl) {
		page = ctl_page_of(gpa);
		entry = ctl_entry(page) & ~RMP_IN_USE;
		TEST_ASSERT(page != NO_PAGE && entry & RMP_VMSA, "no VMSA in the RMP");
	}

	for (i = 0; i < 100; i++) {
		vm_mem_set_shared(self->s->vm, gpa, PAGE_SIZE);
		if (has_ctl) {
			TEST_ASSERT_EQ(ctl_page_of(gpa), page);
			TEST_ASSERT_EQ(ctl_entry(page) & ~RMP_IN_USE, entry);
		}
		assert_runs_on(self, &w);
		vm_mem_set_private(self->s->vm, gpa, PAGE_SIZE);
	}

	/* Shared, it is also what AP Creation finds. */
	vm_mem_set_shared(self->s->vm, gpa, PAGE_SIZE);
	guest_round(self, 0, CREATE, 1, gpa);
	assert_runs_on(self, &w);

	/* It goes when it is discarded, as ever. */
	if (!follows_page) {
		if (has_ctl)
			discard_while_running(self, &w, worker_punch);
		else
			snp_worker_interrupt(&w);
		snp_worker_stop(&w);
		XFAIL(return, "conversions change nothing; the vCPU runs on without its VMSA");
	}
	vm_guest_mem_punch_hole(self->s->vm, gpa, PAGE_SIZE);
	TEST_ASSERT(snp_wait_for(SNP_SOON, snp_worker_done(&w)), "the vCPU runs without its VMSA");
	snp_worker_stop(&w);
}

/*
 * H7: INIT
 */

/*
 * KVM can't reset what it can't read: the AP that waits for SIPI goes on where it
 * was.  That is how AP Reset Hold works.
 */
TEST_F(hz, h07_init_keeps_vmsa)
{
	struct kvm_vcpu *ap = self->s->vcpu[1];
	int i;

	snp_set_up_lapic(ap);
	guest_creates(self, 1, PAGE_A);
	assert_ap_starts(self, 1);
	for (i = 1; i < 4; i++) {
		snp_send_msi(self->s->vm, 1, SNP_MSI_INIT);
		assert_waits(ap);
		assert_state(self, 1, KVM_SEV_SNP_VMSA_STATE_GUEST, SNP_VMSA_GPA(PAGE_A));
		snp_send_msi(self->s->vm, 1, SNP_MSI_SIPI);
		snp_run_to_sync(self->s, 1, i);
	}
}

static bool runs_kvm_vmsa(FIXTURE_DATA(hz) *hz, int err)
{
	struct kvm_run *run = hz->s->vcpu[3]->run;

	return !err && run->exit_reason == KVM_EXIT_SYSTEM_EVENT &&
	       run->system_event.data[0] == SNP_TERM(SNP_TERM_SET_DONE, TERM_KVM_VMSA);
}

/* vCPU 3 has a VMSA of KVM's.  Once destroyed, it is gone. */
TEST_F(hz, h07_no_way_back_after_destroy)
{
	struct kvm_vcpu *ap = self->s->vcpu[3];
	int err;

	snp_set_up_lapic(ap);
	guest_round(self, 0, DESTROY, 3, 0);
	assert_waits(ap);
	snp_send_msi(self->s->vm, 3, SNP_MSI_INIT);
	assert_waits(ap);
	set_mp_state(ap, KVM_MP_STATE_RUNNABLE);
	err = run_to_exit(ap);
	if (!follows_page && runs_kvm_vmsa(self, err))
		XFAIL(return, "KVM's VMSA is back, and runs");
	TEST_ASSERT(has_no_vmsa(ap, err), "errno %d, exit %s", err,
		    exit_reason_str(ap->run->exit_reason));
}

/* A first AP Creation that can't be carried out is no way back, either. */
TEST_F(hz, h07_no_way_back_after_create)
{
	struct kvm_vcpu *ap = self->s->vcpu[3];
	int err, i;

	guest_round(self, 0, CREATE, 3, SNP_VMSA_GPA(PAGE_NO_SLOT));
	err = run_to_exit(ap);
	if (!follows_page && runs_kvm_vmsa(self, err))
		XFAIL(return, "KVM's VMSA runs instead");
	/* Twice the same. */
	for (i = 0; i < 2; i++) {
		if (self->uapi || !is_fail_entry(ap, err))
			assert_vmsa_fault(ap, err, EFAULT, SNP_VMSA_GPA(PAGE_NO_SLOT));
		err = run_to_exit(ap);
	}
}

/* What KVM measured for vCPU 3 does run: else the two above prove nothing. */
TEST_F(hz, h07_kvm_vmsa_runs)
{
	set_mp_state(self->s->vcpu[3], KVM_MP_STATE_RUNNABLE);
	snp_run_to_term(self->s, 3, TERM_KVM_VMSA);
}

/*
 * H8: an event for an AP that was destroyed
 */

static void start_ap(FIXTURE_DATA(hz) *hz)
{
	snp_set_up_lapic(hz->s->vcpu[1]);
	guest_creates(hz, 1, PAGE_A);
	assert_ap_starts(hz, 1);
}

static void destroy_ap(FIXTURE_DATA(hz) *hz)
{
	guest_round(hz, 0, DESTROY, 1, 0);
	assert_waits(hz->s->vcpu[1]);
	assert_state(hz, 1, KVM_SEV_SNP_VMSA_STATE_NONE, KVM_SEV_SNP_VMSA_GPA_NONE);
}

static void destroy_running_ap(FIXTURE_DATA(hz) *hz)
{
	start_ap(hz);
	destroy_ap(hz);
}

/* The AP was destroyed, and @event has come: does it run? */
static bool wakes(FIXTURE_DATA(hz) *hz, u32 event)
{
	struct kvm_vcpu *ap = hz->s->vcpu[1];
	int err = snp_run_for(ap, 100);

	if (!hz->uapi && is_fail_entry(ap, err))
		return true;
	TEST_ASSERT(err == EINTR, "event 0x%x: KVM_RUN errno %d, exit %s", event, err,
		    exit_reason_str(ap->run->exit_reason));
	assert_waits(ap);

	/* It is not lost for that. */
	guest_creates(hz, 1, PAGE_B);
	assert_ap_starts(hz, 1);
	snp_run_to_sync(hz->s, 1, 1);
	return false;
}

TEST_F(hz, h08_nmi_after_destroy)
{
	destroy_running_ap(self);
	snp_send_msi(self->s->vm, 1, SNP_MSI_NMI);
	if (wakes(self, SNP_MSI_NMI))
		XFAIL(return, "FAIL_ENTRY upon an NMI");
}

TEST_F(hz, h08_pv_kick_after_destroy)
{
	destroy_running_ap(self);
	snp_send_msi(self->s->vm, 1, SNP_MSI_PV_KICK);
	if (wakes(self, SNP_MSI_PV_KICK))
		XFAIL(return, "FAIL_ENTRY upon a PV kick");
}

/* The INIT that a DESTROY stands for disables the local APIC. */
TEST_F(hz, h08_irq_after_destroy)
{
	struct kvm_vcpu *ap = self->s->vcpu[1];

	start_ap(self);
	snp_enable_lapic(ap);
	TEST_ASSERT_EQ(__snp_send_msi(self->s->vm, 1, SNP_MSI_FIXED), 1);
	destroy_ap(self);
	TEST_ASSERT_EQ(__snp_send_msi(self->s->vm, 1, SNP_MSI_FIXED), 0);
	TEST_ASSERT(!wakes(self, SNP_MSI_FIXED), "FAIL_ENTRY upon an interrupt");
}

/* Userspace can enable it again. */
TEST_F(hz, h08_irq_is_delivered)
{
	destroy_running_ap(self);
	snp_enable_lapic(self->s->vcpu[1]);
	snp_send_msi(self->s->vm, 1, SNP_MSI_FIXED);
	TEST_ASSERT(!wakes(self, SNP_MSI_FIXED), "FAIL_ENTRY upon an interrupt");
}

/*
 * H9: AP Creation of an AP that never ran
 */

TEST_F(hz, h09_create_uninitialized)
{
	struct kvm_vcpu *ap = self->s->vcpu[1];
	int i, err;

	set_mp_state(ap, KVM_MP_STATE_UNINITIALIZED);
	guest_creates(self, 1, PAGE_A);
	for (i = 0; i < 100; i++) {
		err = run_to_exit(ap);
		if (err != EAGAIN)
			break;
	}
	if (!self->uapi && i == 100)
		XFAIL(return, "KVM_RUN returned -EAGAIN 100 times");
	TEST_ASSERT(!err, "KVM_RUN errno %d, after %d times EAGAIN", err, i);
	/* Once is what the API promises of this state. */
	TEST_ASSERT_EQ(i, 1);
	snp_assert_sync(self->s, 1, 0);
	TEST_ASSERT_EQ(self->s->mbox[1]->token, self->round);
	snp_run_to_sync(self->s, 1, 1);
}

TEST_F(hz, h09_destroy_uninitialized)
{
	struct kvm_vcpu *ap = self->s->vcpu[3];
	int i, err;

	set_mp_state(ap, KVM_MP_STATE_UNINITIALIZED);
	guest_round(self, 0, DESTROY, 3, 0);
	for (i = 0; i < 100; i++) {
		err = snp_run_for(ap, 100);
		if (err != EAGAIN)
			break;
	}
	if (!self->uapi && i == 100)
		XFAIL(return, "KVM_RUN returned -EAGAIN 100 times");
	TEST_ASSERT(err == EINTR, "KVM_RUN errno %d, after %d times EAGAIN", err, i);
	TEST_ASSERT_EQ(i, 1);
}

static double cpu_ms(struct rusage *ru)
{
	return (ru->ru_utime.tv_sec + ru->ru_stime.tv_sec) * 1e3 +
	       (ru->ru_utime.tv_usec + ru->ru_stime.tv_usec) / 1e3;
}

TEST_F(hz, h09_create_waiting_for_sipi)
{
	struct kvm_vcpu *ap = self->s->vcpu[1];
	struct rusage before, after;
	int err;

	snp_set_up_lapic(ap);
	guest_creates(self, 1, PAGE_A);
	assert_ap_starts(self, 1);
	snp_send_msi(self->s->vm, 1, SNP_MSI_INIT);
	assert_waits(ap);

	guest_creates(self, 1, PAGE_B);
	self->s->mbox[1]->token = 0;
	/* Not longer than a base needs to show that it does not. */
	err = self->uapi ? run_to_exit(ap) : snp_run_for(ap, 1000);
	if (!self->uapi && err == EINTR) {
		getrusage(RUSAGE_THREAD, &before);
		TEST_ASSERT(snp_run_for(ap, 500) == EINTR, "errno %d", errno);
		getrusage(RUSAGE_THREAD, &after);
		XFAIL(return, "the AP does not start; KVM_RUN uses %.0f of 500 ms of a CPU",
		      cpu_ms(&after) - cpu_ms(&before));
	}
	TEST_ASSERT(!err, "KVM_RUN errno %d", err);
	snp_assert_sync(self->s, 1, 0);
	TEST_ASSERT_EQ(self->s->mbox[1]->token, self->round);
}

/*
 * H10: INIT and SIPI for an AP without a VMSA
 */

TEST_F(hz, h10_init_sipi_without_vmsa)
{
	struct kvm_vcpu *ap = self->s->vcpu[1];
	int err, i;

	destroy_running_ap(self);
	for (i = 0; i < 2; i++) {
		snp_send_msi(self->s->vm, 1, SNP_MSI_INIT);
		assert_waits(ap);
		snp_send_msi(self->s->vm, 1, SNP_MSI_SIPI);
		err = snp_run_for(ap, 100);
		if (!self->uapi && is_fail_entry(ap, err))
			XFAIL(return, "FAIL_ENTRY upon SIPI");
		TEST_ASSERT(err == EINTR, "KVM_RUN errno %d, exit %s", err,
			    exit_reason_str(ap->run->exit_reason));
	}

	/* The way that works is still open. */
	guest_creates(self, 1, PAGE_B);
	assert_ap_starts(self, 1);
	snp_run_to_sync(self->s, 1, 1);
}

/* CREATE_ON_INIT is what makes INIT and SIPI work. */
TEST_F(hz, h10_init_sipi_with_create_on_init)
{
	struct kvm_vcpu *ap = self->s->vcpu[1];

	destroy_running_ap(self);
	guest_round(self, PAGE_B, ON_INIT, 1, SNP_VMSA_GPA(PAGE_B));
	assert_waits(ap);
	snp_send_msi(self->s->vm, 1, SNP_MSI_INIT);
	assert_waits(ap);
	snp_send_msi(self->s->vm, 1, SNP_MSI_SIPI);
	assert_ap_starts(self, 1);
	snp_run_to_sync(self->s, 1, 1);
}

/*
 * H11: LAUNCH_FINISH fails on the way
 */

/* The digest of a VM with KVM's VMSAs only. */
static struct snp_vm *launch_legacy(int nr_vcpus)
{
	struct snp_vm *s = snp_vm_create(nr_vcpus, guest_kvm_vmsa);
	struct snp_vmsa vmsa;
	int i;

	s->predict = true;
	snp_launch_start(s);
	snp_launch_memory(s);
	for (i = 0; i < nr_vcpus; i++) {
		snp_vmsa_of_kvm(s->vcpu[i], &vmsa);
		snp_digest_page(s->digest, KVM_SEV_SNP_PAGE_TYPE_VMSA, 0xfffffffff000ULL, &vmsa);
	}
	return s;
}

/* True if the second attempt works, with the digest of an undisturbed launch. */
static bool finish_again(struct snp_vm *s, bool uapi)
{
	u32 fw_error;
	int ret, i;

	ret = __snp_launch_finish(s, s->digest, &fw_error);
	if (!uapi && ret == -1 && errno == EINVAL)
		return false;
	TEST_ASSERT(!ret, "second LAUNCH_FINISH: errno %d, firmware 0x%x", errno, fw_error);
	for (i = 0; i < s->nr_vcpus; i++)
		snp_run_to_term(s, i, TERM_KVM_VMSA);

	ret = __snp_launch_finish(s, s->digest, &fw_error);
	TEST_ASSERT(ret == -1 && errno == EINVAL, "LAUNCH_FINISH when it is finished: errno %d",
		    errno);
	return true;
}

TEST(h11_finish_after_wrong_digest)
{
	struct snp_vm *s = launch_legacy(3);
	bool again;

	snp_launch_finish_wrong_digest(s);
	again = finish_again(s, snp_has_vmsa_uapi());
	snp_vm_free(s);
	if (!again)
		XFAIL(return, "LAUNCH_FINISH with the right digest fails with EINVAL");
}

TEST(h11_finish_after_failed_vmsa)
{
	bool again = true;
	int n;

	REQUIRE_CTL();

	for (n = 1; n <= 3; n++) {
		struct snp_vm *s = launch_legacy(3);

		ctl_fail(PSP_SNP_LAUNCH_UPDATE, PSP_STATUS, n);
		snp_launch_finish_refused(s, s->digest, PSP_STATUS);
		TEST_ASSERT_EQ(ctl_fail_hits(), 1);
		again &= finish_again(s, snp_has_vmsa_uapi());
		snp_vm_free(s);
	}
	if (!again)
		XFAIL(return, "LAUNCH_FINISH fails with EINVAL once a VMSA is measured");
}

TEST(h11_finish_after_failed_finish)
{
	struct snp_vm *s;
	bool again;

	REQUIRE_CTL();

	s = launch_legacy(3);
	ctl_fail(PSP_SNP_LAUNCH_FINISH, PSP_STATUS, 1);
	snp_launch_finish_refused(s, s->digest, PSP_STATUS);
	again = finish_again(s, snp_has_vmsa_uapi());
	snp_vm_free(s);
	if (!again)
		XFAIL(return, "LAUNCH_FINISH fails with EINVAL when it is repeated");
}

/* A vCPU that the launch did not know has no VMSA that is the guest's. */
TEST_F(hz, h11_vcpu_after_finish)
{
	struct kvm_vcpu *late = vm_arch_vcpu_recreate(self->s->vm, 6);
	int err;

	set_mp_state(late, KVM_MP_STATE_RUNNABLE);
	err = run_to_exit(late);
	TEST_ASSERT(is_fail_entry(late, err), "errno %d, exit %s", err,
		    exit_reason_str(late->run->exit_reason));
	if (self->uapi)
		TEST_ASSERT(__snp_set_vmsa(late, DESTROY, 0) == -1 && errno == EINVAL,
			    "SET_VMSA: errno %d", errno);

	/* A VMSA from the guest is no help. */
	guest_round(self, PAGE_B, NO_REQUEST, 1, 0);
	guest_round(self, 0, CREATE, 6, SNP_VMSA_GPA(PAGE_B));
	err = run_to_exit(late);
	TEST_ASSERT(is_fail_entry(late, err), "errno %d, exit %s", err,
		    exit_reason_str(late->run->exit_reason));

	/* The others are not affected. */
	guest_creates(self, 1, PAGE_A);
	assert_ap_starts(self, 1);
}

/*
 * H12: a VMSA that does not exist is not decrypted for a dump
 */

#define DUMP_PARAM "/sys/module/kvm_amd/parameters/dump_invalid_vmcb"

static char dump_before;

static bool set_dump(char val)
{
	int fd = open(DUMP_PARAM, O_WRONLY);
	bool ok = fd >= 0 && write(fd, &val, 1) == 1;

	if (fd >= 0)
		close(fd);
	return ok;
}

static void restore_dump(void)
{
	set_dump(dump_before);
}

/* Until restore_dump(), or the case fails. */
static bool dump(void)
{
	int fd = open(DUMP_PARAM, O_RDONLY);
	bool ok = fd >= 0 && read(fd, &dump_before, 1) == 1;

	if (fd >= 0)
		close(fd);
	return ok && !atexit(restore_dump) && set_dump('Y');
}

TEST(h12_dump_without_vmsa)
{
	FIXTURE_DATA(hz) hz = { .uapi = snp_has_vmsa_uapi() };
	struct kvm_vcpu *ap;
	u64 no_vmsa;
	int err;

	REQUIRE_CTL();
	if (!dump())
		SKIP(return, "can't write " DUMP_PARAM);

	hz.s = hz_create();
	hz.s->policy |= SNP_POLICY_DBG;
	no_vmsa = addr_gva2gpa(hz.s->vm, hz.s->cpu_gva[1]);
	hz_launch(hz.s);
	snp_launch_finish(hz.s);
	snp_run_to_sync(hz.s, 0, 0);
	ap = hz.s->vcpu[1];

	/* None: the first decryption would fail, and count. */
	guest_creates(&hz, 1, PAGE_A);
	assert_ap_starts(&hz, 1);
	guest_round(&hz, 0, DESTROY, 1, 0);
	assert_waits(ap);
	ctl_fail(PSP_SNP_DBG_DECRYPT, PSP_STATUS, 1);
	set_mp_state(ap, KVM_MP_STATE_RUNNABLE);
	err = run_to_exit(ap);
	TEST_ASSERT(has_no_vmsa(ap, err), "errno %d", err);
	TEST_ASSERT_EQ(ctl_fail_hits(), 0);

	/* A page that is no VMSA: it is dumped, so the above means something. */
	guest_creates(&hz, 1, PAGE_B);
	guest_round(&hz, 0, CREATE, 1, no_vmsa);
	err = run_to_exit(ap);
	TEST_ASSERT(is_fail_entry(ap, err), "errno %d, exit %s", err,
		    exit_reason_str(ap->run->exit_reason));
	/* Older kernels dump the VMCB alone. */
	TEST_ASSERT_EQ(ctl_fail_hits(), kernel_has("sev_decrypt_vmsa"));
	ctl_fail(0, 0, 0);

	snp_vm_free(hz.s);
	/* The harness leaves without atexit(). */
	restore_dump();
}

/*
 * H13: migration within the host, mirrors
 */

TEST_F(hz, h13_no_migration)
{
	struct kvm_vm *dst = vm_create_barebones_type(KVM_X86_SNP_VM);

	TEST_ASSERT(__vm_enable_cap(dst, KVM_CAP_VM_MOVE_ENC_CONTEXT_FROM, self->s->vm->fd) &&
		    errno == EINVAL, "errno %d", errno);
	kvm_vm_free(dst);
	guest_creates(self, 1, PAGE_A);
	assert_ap_starts(self, 1);
}

TEST_F(hz, h13_no_mirror)
{
	struct kvm_vm *dst = vm_create_barebones_type(KVM_X86_SNP_VM);

	TEST_ASSERT(__vm_enable_cap(dst, KVM_CAP_VM_COPY_ENC_CONTEXT_FROM, self->s->vm->fd) &&
		    errno == EINVAL, "errno %d", errno);
	kvm_vm_free(dst);
	guest_creates(self, 1, PAGE_A);
	assert_ap_starts(self, 1);
}

/*
 * H14: memory failure
 */

#define POISON		"/sys/kernel/debug/hwpoison/corrupt-pfn"

static bool write_pfn(const char *path, u64 pfn)
{
	int fd = open(path, O_WRONLY), len, err;
	char buf[32];
	bool ok;

	if (fd < 0)
		return false;
	len = snprintf(buf, sizeof(buf), "0x%lx\n", (unsigned long)pfn);
	ok = write(fd, buf, len) == len;
	err = errno;
	close(fd);
	errno = err;
	return ok;
}

static void poison(FIXTURE_DATA(hz) *hz)
{
	u64 page = ctl_page_of(SNP_VMSA_GPA(PAGE_A));

	TEST_ASSERT(page != NO_PAGE, "no page of the VMSA");
	/* EBUSY: it is poisoned, but guest_memfd leaves the page where it is. */
	TEST_ASSERT(write_pfn(POISON, page >> PAGE_SHIFT) || errno == EBUSY,
		    POISON ": errno %d", errno);
}

#define REQUIRE_POISON()								\
do {											\
	REQUIRE_CTL();									\
	if (access(POISON, W_OK))							\
		SKIP(return, "no " POISON ": needs hwpoison-inject and debugfs");	\
} while (0)

TEST_F(hz, h14_poison_paused)
{
	struct kvm_vcpu *ap = self->s->vcpu[1];
	u64 gpa = SNP_VMSA_GPA(PAGE_A);
	int err;

	REQUIRE_POISON();

	guest_creates(self, 1, PAGE_A);
	assert_ap_starts(self, 1);
	poison(self);
	err = run_to_exit(ap);
	if (!follows_page) {
		TEST_ASSERT(!err, "errno %d", err);
		snp_assert_sync(self->s, 1, 1);
		XFAIL(return, "the vCPU runs on with a poisoned VMSA");
	}
	if (!self->uapi && is_fail_entry(ap, err))
		XFAIL(return, "FAIL_ENTRY");
	assert_vmsa_fault(ap, err, EHWPOISON, gpa);
	assert_state(self, 1, KVM_SEV_SNP_VMSA_STATE_LOST, gpa);

	/* The guest gives the AP another. */
	guest_creates(self, 1, PAGE_B);
	assert_ap_starts(self, 1);
}

TEST_F_TIMEOUT(hz, h14_poison_running, 120)
{
	struct kvm_vcpu *ap = self->s->vcpu[1];
	struct snp_worker w;

	REQUIRE_CPUS(2);
	REQUIRE_POISON();

	pin_self_to_cpu(0);
	snp_worker_start(&w, self->s, 1, 1, snp_worker_run);
	guest_creates(self, 1, PAGE_A);
	ap_spins(self, &w);
	poison(self);
	if (!follows_page) {
		assert_runs_on(self, &w);
		snp_worker_interrupt(&w);
		snp_worker_stop(&w);
		XFAIL(return, "the vCPU runs on with a poisoned VMSA");
	}
	TEST_ASSERT(snp_wait_for(SNP_SOON, snp_worker_done(&w)),
		    "the vCPU runs on a poisoned VMSA");
	snp_worker_stop(&w);
	if (!self->uapi && !w.ret && is_fail_entry(ap, 0))
		XFAIL(return, "FAIL_ENTRY");
	assert_vmsa_fault(ap, w.ret ? w.err : 0, EHWPOISON, SNP_VMSA_GPA(PAGE_A));
}

/* In the launch it is SET_VMSA and LAUNCH_FINISH that tell. */
TEST(h14_poison_in_launch)
{
	static u8 page[PAGE_SIZE] __aligned(PAGE_SIZE);
	struct kvm_sev_snp_set_vmsa set = {
		.request = CREATE,
		.gpa = SNP_VMSA_GPA(PAGE_A),
		.sev_features = SNP_SEV_FEATURES,
	};
	struct kvm_sev_snp_get_vmsa before, after;
	struct kvm_vcpu *vcpu;
	struct snp_vm *s;
	int i;

	SNP_REQUIRE_UAPI();
	REQUIRE_POISON();

	s = hz_create();
	vcpu = s->vcpu[3];
	snp_launch_start(s);
	snp_launch_memory(s);
	snp_set_vmsa_from_vcpu(vcpu, SNP_VMSA_GPA(PAGE_A));
	/* Only of a page that is the guest's the platform tells where it is. */
	snp_vmsa_init(s, (void *)page, 3, snp_guest_entry_regs);
	snp_launch_page(s, SNP_VMSA_GPA(PAGE_A), page, KVM_SEV_SNP_PAGE_TYPE_VMSA);
	poison(NULL);
	snp_get_vmsa(vcpu, &before);

	for (i = 0; i < 2; i++) {
		set.flags = i ? KVM_SEV_SNP_VMSA_FLAG_FROM_VCPU : 0;
		TEST_ASSERT(snp_vcpu_cmd(vcpu, KVM_SEV_SNP_SET_VMSA, &set, NULL) &&
			    errno == EHWPOISON, "flags %d: errno %d", i, errno);
	}
	i = __snp_launch_page(s, SNP_VMSA_GPA(PAGE_A), page, KVM_SEV_SNP_PAGE_TYPE_VMSA, NULL);
	TEST_ASSERT(i && errno == EHWPOISON, "LAUNCH_UPDATE: errno %d", errno);
	TEST_ASSERT(__snp_launch_finish(s, NULL, NULL) && errno == EHWPOISON,
		    "LAUNCH_FINISH: errno %d", errno);
	snp_get_vmsa(vcpu, &after);
	TEST_ASSERT(!memcmp(&before, &after, sizeof(before)), "refused, but the state changed");
	snp_vm_free(s);
}

/*
 * H15: guest_memfd is closed
 */

TEST_F(hz, h15_close_paused)
{
	struct kvm_vcpu *ap = self->s->vcpu[1];
	u64 gpa = SNP_VMSA_GPA(PAGE_A);
	int err;

	guest_creates(self, 1, PAGE_A);
	assert_ap_starts(self, 1);
	worker_close(&(struct snp_worker){ .s = self->s });
	err = run_to_exit(ap);
	if (!self->uapi && is_fail_entry(ap, err))
		XFAIL(return, "FAIL_ENTRY");
	assert_vmsa_fault(ap, err, EFAULT, gpa);
	assert_vmsa_fault(ap, run_to_exit(ap), EFAULT, gpa);
	assert_state(self, 1, KVM_SEV_SNP_VMSA_STATE_LOST, gpa);
}

TEST_F_TIMEOUT(hz, h15_close_running, 120)
{
	struct kvm_vcpu *ap = self->s->vcpu[1];
	struct snp_worker w;

	REQUIRE_CPUS(3);
	if (!follows_page)
		REQUIRE_CTL();

	pin_self_to_cpu(0);
	snp_worker_start(&w, self->s, 1, 1, snp_worker_run);
	guest_creates(self, 1, PAGE_A);
	ap_spins(self, &w);
	if (!follows_page) {
		discard_while_running(self, &w, worker_close);
		snp_worker_stop(&w);
		XFAIL(return, "the vCPU runs on without its VMSA");
	}
	worker_close(&(struct snp_worker){ .s = self->s });
	TEST_ASSERT(snp_wait_for(SNP_SOON, snp_worker_done(&w)), "the vCPU runs without its VMSA");
	snp_worker_stop(&w);
	if (!self->uapi && !w.ret && is_fail_entry(ap, 0))
		XFAIL(return, "FAIL_ENTRY");
	assert_vmsa_fault(ap, w.ret ? w.err : 0, EFAULT, SNP_VMSA_GPA(PAGE_A));
}

/*
 * Beside the list: KVM_SET_NESTED_STATE
 */

/* Makes KVM believe that the vCPU runs a nested guest; returns 0 or errno. */
static int claim_nested(struct kvm_vcpu *vcpu)
{
	size_t size = sizeof(struct kvm_nested_state) + KVM_STATE_NESTED_SVM_VMCB_SIZE;
	struct kvm_nested_state *state = calloc(1, size);
	struct vmcb *vmcb = (void *)&state->data;
	int ret, err;

	TEST_ASSERT(state, "calloc()");
	state->flags = KVM_STATE_NESTED_GUEST_MODE | KVM_STATE_NESTED_GIF_SET;
	state->format = KVM_STATE_NESTED_FORMAT_SVM;
	state->size = size;
	vmcb->control.intercept = 1ULL << INTERCEPT_VMRUN;
	vmcb->control.asid = 1;
	vmcb->save.efer = EFER_SVME;
	vmcb->save.cr0 = X86_CR0_PE | X86_CR0_PG | X86_CR0_ET | X86_CR0_NE;
	vmcb->save.dr6 = 0xffff0ff0;
	vmcb->save.dr7 = 0x400;
	vmcb->save.rflags = X86_EFLAGS_FIXED;
	ret = __vcpu_nested_state_set(vcpu, state);
	err = errno;
	free(state);
	return ret ? err : 0;
}

/* The VMCB of a nested guest has no VMSA, and KVM would run it as if it had. */
TEST(no_nested_state)
{
	struct kvm_sregs sregs;
	struct snp_vm *s;
	int i, err;

	if (!kvm_cpu_has(X86_FEATURE_SVM))
		SKIP(return, "no nested SVM");

	s = launch_legacy(2);
	vcpu_sregs_get(s->vcpu[1], &sregs);
	sregs.efer |= EFER_SVME;
	vcpu_sregs_set(s->vcpu[1], &sregs);
	err = claim_nested(s->vcpu[1]);
	if (!snp_has_vmsa_uapi() && !err) {
		snp_vm_free(s);
		XFAIL(return, "KVM takes an SNP vCPU into guest mode");
	}
	TEST_ASSERT(err == EINVAL, "in the launch: errno %d", err);
	snp_launch_finish(s);
	for (i = 0; i < 2; i++) {
		err = claim_nested(s->vcpu[1]);
		TEST_ASSERT(err == EINVAL, "after it, %d: errno %d", i, err);
		if (!i)
			snp_run_to_term(s, 1, TERM_KVM_VMSA);
	}
	snp_vm_free(s);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_cpu_has(X86_FEATURE_SEV_SNP));
	TEST_REQUIRE(kvm_check_cap(KVM_CAP_VM_TYPES) & BIT(KVM_X86_SNP_VM));

	snp_option_number(&argc, &argv, "Number of rounds", &nr_rounds);
	if (argc > 1 && !strcmp(argv[1], "-d")) {
		destructive = true;
		argv[1] = argv[0];
		argv++;
		argc--;
	}

	follows_page = snp_has_vmsa_uapi() || kernel_has("sev_gmem_invalidate_range");

	return test_harness_run(argc, argv);
}
