// SPDX-License-Identifier: GPL-2.0-only
/*
 * The page of a VMSA goes away: PUNCH_HOLE over it, alone and after the page
 * was made shared by attribute, while its vCPU is paused and while it runs.
 *
 * With KVM_X86_SEV_SNP_VMSA the vCPU never runs on what comes to lie there,
 * KVM_RUN names the page (-EFAULT, KVM_EXIT_MEMORY_FAULT with
 * KVM_MEMORY_EXIT_FLAG_SNP_VMSA) as often as it is called, and another VMSA,
 * given by the guest or by the host, gets the vCPU going again.
 *
 * Without it the VMSA comes from the guest's AP Creation, and this is what
 * differs: KVM reloads the VMSA by taking a fresh page of guest_memfd, which is
 * not a VMSA, and tries to run the vCPU with it.  VMRUN fails, KVM_RUN returns
 * 0 with KVM_EXIT_FAIL_ENTRY and no address.  A platform that counts VMRUNs
 * with a stale VMSA counts one for each zap.  The cases that go through the
 * uAPI, or expect more of KVM, skip.
 *
 * A page that was made shared first is not mapped any more when it is punched,
 * so that no flush of the TLB hides a vCPU that still runs with it: of the two
 * ways to punch this is the one that fails if KVM does not wait for the vCPU.
 *
 *   sev_vmsa_zap_test [-n <zaps of running vCPUs, 1000>] [options of the harness]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kvm_test_harness.h"
#include "test_util.h"
#include "snp_vmsa.h"

#define AP_GPA			SNP_VMSA_GPA(1)
#define BSP_GPA			SNP_VMSA_GPA(3)
#define NEIGHBOUR_GPA		SNP_VMSA_GPA(2)
#define THIRD_GPA		SNP_VMSA_GPA(3)

#define GO_NO_CREATE		(~0ULL)
#define TERM_DONE		0x51

static int nr_zaps = 1000;

/*
 * For each round: make a VMSA at arg[0], its R14 is arg[1], and ask for the
 * request arg[2] to vCPU 1, unless that is GO_NO_CREATE.
 */
static void guest_creator(struct snp_cpu *cpu)
{
	volatile struct snp_mbox *mbox = cpu->mbox;
	struct snp_vmsa *page;
	u32 i;

	snp_guest_start(cpu);
	for (i = 0; ; i++) {
		snp_guest_sync(cpu, i);
		page = cpu->ap_vmsa + ((mbox->arg[0] - cpu->ap_vmsa_gpa) >> PAGE_SHIFT);
		SNP_GUEST_ASSERT_EQ(cpu, snp_guest_pvalidate(page, true, NULL), 0);
		*page = *cpu->ap_init;
		page->r14 = mbox->arg[1];
		SNP_GUEST_ASSERT_EQ(cpu, snp_guest_rmpadjust(page, true), 0);
		if (mbox->arg[2] != GO_NO_CREATE)
			SNP_GUEST_ASSERT_EQ(cpu, snp_guest_ap_creation(cpu, mbox->arg[2], 1,
								       mbox->arg[0]), 0);
	}
}

/* Stops for the host each time that it was run. */
static void guest_stepper(struct snp_cpu *cpu)
{
	u32 i;

	snp_guest_start(cpu);
	cpu->mbox->token = cpu->regs[SNP_R14];
	for (i = 0; ; i++)
		snp_guest_sync(cpu, i);
}

/* Never leaves the guest by itself. */
static void guest_spinner(struct snp_cpu *cpu)
{
	volatile struct snp_mbox *mbox = cpu->mbox;

	mbox->token = cpu->regs[SNP_R14];
	for (;;)
		mbox->count++;
}

static void guest_done(struct snp_cpu *cpu)
{
	snp_guest_start(cpu);
	snp_guest_term(SNP_TERM_SET_DONE, TERM_DONE);
}

struct zap {
	struct snp_vm *s;
	bool uapi;
	u32 round;
	struct snp_worker runner;	/* of the vCPU that is zapped while it runs */
};

/* The guest makes a VMSA in what is at @gpa now. */
static void make_vmsa(struct zap *z, u64 gpa, u64 request)
{
	volatile struct snp_mbox *mbox = z->s->mbox[0];

	z->round++;
	mbox->arg[0] = gpa;
	mbox->arg[1] = z->round;
	mbox->arg[2] = request;
	snp_run_to_sync(z->s, 0, z->round);
}

static void zap(struct zap *z, u64 gpa, bool shared_first)
{
	if (shared_first)
		vm_mem_set_shared(z->s->vm, gpa, PAGE_SIZE);
	vm_guest_mem_punch_hole(z->s->vm, gpa, PAGE_SIZE);
}

static void assert_vmsa_gone(struct zap *z, int cpu, int ret, int err, u64 gpa)
{
	struct kvm_run *run = z->s->vcpu[cpu]->run;
	struct kvm_sev_snp_get_vmsa get;

	if (!z->uapi) {
		TEST_ASSERT(!ret && run->exit_reason == KVM_EXIT_FAIL_ENTRY,
			    "KVM_RUN returned %d, errno %d, exit %s: not as the base does",
			    ret, err, exit_reason_str(run->exit_reason));
		return;
	}

	snp_assert_vmsa_missing(z->s->vcpu[cpu], ret, err, gpa);

	snp_get_vmsa(z->s->vcpu[cpu], &get);
	TEST_ASSERT_EQ(get.state, KVM_SEV_SNP_VMSA_STATE_LOST);
	TEST_ASSERT_EQ(get.gpa, gpa);
	TEST_ASSERT_EQ(get.pending, 0);
}

static void run_to_gone(struct zap *z, int cpu, u64 gpa)
{
	int ret = __vcpu_run(z->s->vcpu[cpu]);

	assert_vmsa_gone(z, cpu, ret, errno, gpa);
}

/*
 * Pages that were freed are the first to be allocated again.  If one still
 * belongs to the guest, the writes do not get through.
 */
static void write_host_memory(void)
{
	size_t size = 4 << 20;
	void *mem = kvm_mmap(size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);

	memset(mem, 0xa5, size);
	munmap(mem, size);
}

FIXTURE(zap) {
	struct zap z;
};

/* vCPU 0 is the creator; vCPU 1 has no VMSA yet. */
static void zap_launch(struct zap *z, void *ap_code)
{
	struct snp_vm *s;

	z->uapi = snp_has_vmsa_uapi();
	z->round = 0;
	s = snp_vm_create(2, guest_creator);
	z->s = s;
	snp_vmsa_init(s, s->ap_init, 1, snp_guest_entry_regs);
	s->ap_init->r15 = (u64)ap_code;

	snp_launch_start(s);
	snp_launch_memory(s);
	if (z->uapi)
		snp_set_vmsa(s->vcpu[1], KVM_SEV_SNP_VMSA_DESTROY, 0);
	else
		snp_vcpu_halt(s->vcpu[1]);
	snp_launch_finish(s);
	snp_run_to_sync(s, 0, 0);
}

FIXTURE_SETUP(zap)
{
	zap_launch(&self->z, guest_stepper);
}

FIXTURE_TEARDOWN(zap)
{
	snp_vm_free(self->z.s);
	write_host_memory();
}

#define REQUIRE_UAPI(z)								\
	do {									\
		if (!(z)->uapi)							\
			SKIP(return, "no KVM_X86_SEV_SNP_VMSA attribute");	\
	} while (0)

static void assert_ap_starts(struct zap *z)
{
	z->s->mbox[1]->token = 0;
	snp_run_to_sync(z->s, 1, 0);
	TEST_ASSERT_EQ(z->s->mbox[1]->token, z->round);
}

/*
 * The vCPU is paused
 */

static void paused(struct zap *z, bool shared_first)
{
	int i;

	for (i = 0; i < 20; i++) {
		make_vmsa(z, AP_GPA, KVM_SEV_SNP_VMSA_CREATE);
		assert_ap_starts(z);
		snp_run_to_sync(z->s, 1, 1);

		zap(z, AP_GPA, shared_first);
		/* As often as it is asked for. */
		run_to_gone(z, 1, AP_GPA);
		run_to_gone(z, 1, AP_GPA);
		if (shared_first)
			vm_mem_set_private(z->s->vm, AP_GPA, PAGE_SIZE);
		write_host_memory();
	}
	/* The guest's way out was the next round. */
	make_vmsa(z, AP_GPA, KVM_SEV_SNP_VMSA_CREATE);
	assert_ap_starts(z);
}

/* 40 runs of two vCPUs take their time on a debug kernel. */
TEST_F_TIMEOUT(zap, paused_punch, 120)
{
	paused(&self->z, false);
}

TEST_F_TIMEOUT(zap, paused_shared_punch, 120)
{
	paused(&self->z, true);
}

/* The page is back, empty, or even a VMSA again: it is not what the vCPU had. */
TEST_F(zap, paused_refilled)
{
	struct zap *z = &self->z;

	REQUIRE_UAPI(z);

	make_vmsa(z, AP_GPA, KVM_SEV_SNP_VMSA_CREATE);
	assert_ap_starts(z);
	zap(z, AP_GPA, false);
	vm_guest_mem_allocate(z->s->vm, AP_GPA, PAGE_SIZE);
	run_to_gone(z, 1, AP_GPA);
	make_vmsa(z, AP_GPA, GO_NO_CREATE);
	run_to_gone(z, 1, AP_GPA);

	/* Named anew, it is. */
	snp_set_vmsa(z->s->vcpu[1], KVM_SEV_SNP_VMSA_CREATE, AP_GPA);
	assert_ap_starts(z);
}

/* A vCPU that is halted sleeps on: what wakes it finds out. */
TEST_F(zap, halted)
{
	struct zap *z = &self->z;
	struct kvm_vcpu *ap = z->s->vcpu[1];

	REQUIRE_UAPI(z);

	snp_set_up_lapic(ap);
	make_vmsa(z, AP_GPA, KVM_SEV_SNP_VMSA_CREATE);
	assert_ap_starts(z);
	snp_vcpu_halt(ap);
	TEST_ASSERT(snp_run_for(ap, 100) == EINTR, "halted: errno %d, exit %s", errno,
		    exit_reason_str(ap->run->exit_reason));
	zap(z, AP_GPA, false);
	TEST_ASSERT(snp_run_for(ap, 100) == EINTR, "halted, and zapped: errno %d, exit %s", errno,
		    exit_reason_str(ap->run->exit_reason));
	snp_send_msi(z->s->vm, 1, SNP_MSI_PV_KICK);
	run_to_gone(z, 1, AP_GPA);
}

TEST_F(zap, host_gives_another)
{
	struct kvm_sev_snp_get_vmsa get;
	struct zap *z = &self->z;
	struct kvm_vcpu *ap = z->s->vcpu[1];

	REQUIRE_UAPI(z);

	make_vmsa(z, AP_GPA, KVM_SEV_SNP_VMSA_CREATE);
	assert_ap_starts(z);
	zap(z, AP_GPA, false);
	run_to_gone(z, 1, AP_GPA);
	/* There is nothing to start from at the old place. */
	TEST_ASSERT(__snp_set_vmsa(ap, KVM_SEV_SNP_VMSA_CREATE, AP_GPA) && errno == ENOENT,
		    "SET_VMSA of the zapped page: errno %d", errno);
	run_to_gone(z, 1, AP_GPA);

	make_vmsa(z, NEIGHBOUR_GPA, GO_NO_CREATE);
	snp_set_vmsa(ap, KVM_SEV_SNP_VMSA_CREATE, NEIGHBOUR_GPA);
	assert_ap_starts(z);
	snp_get_vmsa(ap, &get);
	TEST_ASSERT_EQ(get.state, KVM_SEV_SNP_VMSA_STATE_GUEST);
	TEST_ASSERT_EQ(get.gpa, NEIGHBOUR_GPA);

	/* Or none: then there is nothing that could be lost. */
	zap(z, NEIGHBOUR_GPA, false);
	run_to_gone(z, 1, NEIGHBOUR_GPA);
	snp_set_vmsa(ap, KVM_SEV_SNP_VMSA_DESTROY, 0);
	make_vmsa(z, AP_GPA, KVM_SEV_SNP_VMSA_CREATE);
	assert_ap_starts(z);
}

/*
 * The whole way back with the host's help alone: the guest keeps a spare VMSA, the
 * VMM learns from KVM_RUN which page is gone, and gives the vCPU the spare.
 */
TEST_F(zap, spare_made_beforehand)
{
	struct zap *z = &self->z;
	struct kvm_vcpu *ap = z->s->vcpu[1];
	struct kvm_sev_snp_get_vmsa get;
	int ret;

	SNP_REQUIRE_UAPI();

	make_vmsa(z, NEIGHBOUR_GPA, GO_NO_CREATE);
	make_vmsa(z, AP_GPA, KVM_SEV_SNP_VMSA_CREATE);
	assert_ap_starts(z);

	zap(z, AP_GPA, false);
	ret = __vcpu_run(ap);
	snp_assert_vmsa_missing(ap, ret, errno, AP_GPA);
	snp_get_vmsa(ap, &get);
	TEST_ASSERT_EQ(get.state, KVM_SEV_SNP_VMSA_STATE_LOST);
	TEST_ASSERT_EQ(get.gpa, ap->run->memory_fault.gpa);

	/* Accepted, and until KVM_RUN acts on it both are told. */
	snp_set_vmsa(ap, KVM_SEV_SNP_VMSA_CREATE, NEIGHBOUR_GPA);
	snp_get_vmsa(ap, &get);
	TEST_ASSERT_EQ(get.state, KVM_SEV_SNP_VMSA_STATE_LOST);
	TEST_ASSERT_EQ(get.pending, 1);
	TEST_ASSERT_EQ(get.pending_gpa, NEIGHBOUR_GPA);

	z->s->mbox[1]->token = 0;
	snp_run_to_sync(z->s, 1, 0);
	TEST_ASSERT_EQ(z->s->mbox[1]->token, 1);
	snp_get_vmsa(ap, &get);
	TEST_ASSERT_EQ(get.state, KVM_SEV_SNP_VMSA_STATE_GUEST);
	TEST_ASSERT_EQ(get.gpa, NEIGHBOUR_GPA);
	TEST_ASSERT_EQ(get.pending, 0);

	/* And so on: the zapped page can be made the next spare. */
	make_vmsa(z, AP_GPA, GO_NO_CREATE);
	zap(z, NEIGHBOUR_GPA, false);
	run_to_gone(z, 1, NEIGHBOUR_GPA);
	snp_set_vmsa(ap, KVM_SEV_SNP_VMSA_CREATE, AP_GPA);
	assert_ap_starts(z);
}

/* Between the request and the vCPU's taking it over. */
TEST_F(zap, pending)
{
	struct zap *z = &self->z;

	make_vmsa(z, AP_GPA, KVM_SEV_SNP_VMSA_CREATE);
	zap(z, AP_GPA, false);
	run_to_gone(z, 1, AP_GPA);
	make_vmsa(z, AP_GPA, KVM_SEV_SNP_VMSA_CREATE);
	assert_ap_starts(z);
}

/*
 * What is no zap
 */

/* An attribute alone takes nothing away from the guest. */
TEST_F(zap, shared_is_no_zap)
{
	struct zap *z = &self->z;

	make_vmsa(z, AP_GPA, KVM_SEV_SNP_VMSA_CREATE);
	assert_ap_starts(z);
	vm_mem_set_shared(z->s->vm, AP_GPA, PAGE_SIZE);
	snp_run_to_sync(z->s, 1, 1);
	vm_mem_set_private(z->s->vm, AP_GPA, PAGE_SIZE);
	snp_run_to_sync(z->s, 1, 2);
}

TEST_F(zap, neighbours_are_no_zap)
{
	struct zap *z = &self->z;

	make_vmsa(z, AP_GPA, KVM_SEV_SNP_VMSA_CREATE);
	assert_ap_starts(z);
	make_vmsa(z, NEIGHBOUR_GPA, GO_NO_CREATE);
	zap(z, NEIGHBOUR_GPA, false);
	zap(z, AP_GPA - PAGE_SIZE, false);
	snp_run_to_sync(z->s, 1, 1);
}

/*
 * The memslot goes and comes back, the memory stays.  The base forgets the GPA
 * if the vCPU runs meanwhile.
 */
TEST_F(zap, memslot_is_no_zap)
{
	struct kvm_sev_snp_get_vmsa get;
	struct zap *z = &self->z;
	struct userspace_mem_region *region = memslot2region(z->s->vm, SNP_VMSA_SLOT);
	struct kvm_userspace_memory_region2 slot = region->region;

	REQUIRE_UAPI(z);

	make_vmsa(z, AP_GPA, KVM_SEV_SNP_VMSA_CREATE);
	assert_ap_starts(z);

	slot.memory_size = 0;
	vm_ioctl(z->s->vm, KVM_SET_USER_MEMORY_REGION2, &slot);
	snp_run_to_vmsa_missing(z->s->vcpu[1], AP_GPA);
	snp_get_vmsa(z->s->vcpu[1], &get);
	TEST_ASSERT_EQ(get.state, KVM_SEV_SNP_VMSA_STATE_GUEST);

	vm_ioctl(z->s->vm, KVM_SET_USER_MEMORY_REGION2, &region->region);
	snp_run_to_sync(z->s, 1, 1);
}

/*
 * The vCPU runs
 */

static void start_runner(struct zap *z, int vcpu)
{
	pin_self_to_cpu(0);
	snp_worker_start(&z->runner, z->s, 1, vcpu, snp_worker_run);
}

/* The spinner runs on the runner's thread, its VMSA is at @gpa: take it away. */
static void zap_running(struct zap *z, u64 gpa, u64 token, bool shared_first, int delay)
{
	struct snp_worker *w = &z->runner;
	volatile struct snp_mbox *mbox = z->s->mbox[w->vcpu];
	u64 count;

	mbox->token = 0;
	snp_worker_go(w);
	TEST_ASSERT(snp_wait_for(SNP_SOON, mbox->token == token || snp_worker_done(w)) &&
		    mbox->token == token,
		    "zap %d: the vCPU does not start, KVM_RUN %d, errno %d, exit %s", w->nr_go,
		    w->ret, w->err, exit_reason_str(z->s->vcpu[w->vcpu]->run->exit_reason));
	count = mbox->count;
	TEST_ASSERT(snp_wait_for(SNP_SOON, mbox->count != count), "zap %d: the vCPU does not run",
		    w->nr_go);
	while (delay--)
		asm volatile("pause");

	zap(z, gpa, shared_first);

	/* The hole is there: so the vCPU is out of the guest, and stays out. */
	count = mbox->count;
	TEST_ASSERT(snp_wait_for(SNP_SOON, snp_worker_done(w)),
		    "zap %d: the vCPU runs on, %lu counts since its VMSA was freed", w->nr_go,
		    (unsigned long)(mbox->count - count));
	TEST_ASSERT(mbox->count == count,
		    "zap %d: the vCPU ran on for %lu counts after its VMSA was freed", w->nr_go,
		    (unsigned long)(mbox->count - count));
	assert_vmsa_gone(z, w->vcpu, w->ret, w->err, gpa);

	if (shared_first)
		vm_mem_set_private(z->s->vm, gpa, PAGE_SIZE);
}

FIXTURE(running) {
	struct zap z;
};

FIXTURE_SETUP(running)
{
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		SKIP(return, "needs 2 CPUs");
	zap_launch(&self->z, guest_spinner);
	start_runner(&self->z, 1);
}

FIXTURE_TEARDOWN(running)
{
	if (!self->z.s)
		return;
	snp_worker_stop(&self->z.runner);
	snp_vm_free(self->z.s);
	write_host_memory();
}

static void running(struct zap *z, bool shared_first)
{
	int i, nr = (nr_zaps + 1) / 2;
	double start = snp_now();

	for (i = 0; i < nr; i++) {
		make_vmsa(z, AP_GPA, KVM_SEV_SNP_VMSA_CREATE);
		zap_running(z, AP_GPA, z->round, shared_first, i % 64 * 16);
		if (i % 64 == 0)
			write_host_memory();
	}
	ksft_print_msg("%d zaps, %.2f ms each\n", nr, (snp_now() - start) * 1000 / nr);
}

TEST_F_TIMEOUT(running, punch, 300)
{
	running(&self->z, false);
}

TEST_F_TIMEOUT(running, shared_punch, 300)
{
	running(&self->z, true);
}

/*
 * SET_VMSA is for a vCPU that is in KVM_RUN, in the guest or waiting there, and
 * takes effect without its return.
 */

static void set_now(struct zap *z, u32 request, u64 gpa, u32 state, u64 state_gpa)
{
	struct kvm_vcpu *ap = z->s->vcpu[1];
	struct kvm_sev_snp_get_vmsa get;

	snp_set_vmsa(ap, request, gpa);
	TEST_ASSERT(snp_wait_for(SNP_SOON, ({
			snp_get_vmsa(ap, &get);
			!get.pending || snp_worker_done(&z->runner);
		    })) && !get.pending, "SET_VMSA(request %u) is still pending", request);
	TEST_ASSERT_EQ(get.state, state);
	TEST_ASSERT_EQ(get.gpa, state_gpa);
}

static void set_now_and_runs(struct zap *z, u64 gpa, u64 token)
{
	volatile struct snp_mbox *mbox = z->s->mbox[1];
	u64 count;

	mbox->token = 0;
	set_now(z, KVM_SEV_SNP_VMSA_CREATE, gpa, KVM_SEV_SNP_VMSA_STATE_GUEST, gpa);
	TEST_ASSERT(snp_wait_for(SNP_SOON, mbox->token == token),
		    "the vCPU does not start from 0x%lx", (unsigned long)gpa);
	count = mbox->count;
	TEST_ASSERT(snp_wait_for(SNP_SOON, mbox->count != count), "the vCPU does not run");
	TEST_ASSERT(!snp_worker_done(&z->runner), "KVM_RUN returned %d, errno %d, exit %s",
		    z->runner.ret, z->runner.err, exit_reason_str(z->s->vcpu[1]->run->exit_reason));
}

TEST_F_TIMEOUT(running, set_vmsa_in_kvm_run, 300)
{
	static const u64 gpas[] = { AP_GPA, NEIGHBOUR_GPA, THIRD_GPA };
	volatile struct snp_mbox *mbox;
	struct zap *z = &self->z;
	bool went_on;
	u64 count;
	int i, j;

	REQUIRE_UAPI(z);
	mbox = z->s->mbox[1];

	/* A vCPU that was never given anything waits in KVM_RUN. */
	snp_worker_go(&z->runner);
	for (i = 0; i < 20; i++) {
		for (j = 0; j < ARRAY_SIZE(gpas); j++) {
			make_vmsa(z, gpas[j], GO_NO_CREATE);
			/* Out of the wait, or from one VMSA to the next. */
			set_now_and_runs(z, gpas[j], z->round);
		}

		set_now(z, KVM_SEV_SNP_VMSA_DESTROY, 0, KVM_SEV_SNP_VMSA_STATE_NONE,
			KVM_SEV_SNP_VMSA_GPA_NONE);
		count = mbox->count;
		went_on = snp_wait_for(0.02, mbox->count != count || snp_worker_done(&z->runner));
		TEST_ASSERT(!went_on, "round %d: after DESTROY the vCPU runs, or KVM_RUN returns",
			    i);
	}
	snp_worker_interrupt(&z->runner);
	TEST_ASSERT(z->runner.ret == -1 && z->runner.err == EINTR,
		    "KVM_RUN returned %d, errno %d", z->runner.ret, z->runner.err);
}

#define REQUIRE_2_CPUS()						\
	do {								\
		if (sysconf(_SC_NPROCESSORS_ONLN) < 2)			\
			SKIP(return, "needs 2 CPUs");			\
	} while (0)

/*
 * The vCPU that the VMM gave its first VMSA: what was in it is gone for good,
 * so is the VM; it is torn down cleanly and the next one starts.
 */

static void bsp_launch(struct zap *z, void *code)
{
	static u8 page[PAGE_SIZE] __aligned(PAGE_SIZE);
	struct snp_vmsa *vmsa = (void *)page;
	struct snp_vm *s;

	z->uapi = true;
	s = snp_vm_create(1, guest_done);
	z->s = s;
	snp_vmsa_init(s, vmsa, 0, snp_guest_entry_regs);
	vmsa->r15 = (u64)code;
	vmsa->r14 = 1;
	snp_launch_start(s);
	snp_launch_memory(s);
	snp_launch_page(s, BSP_GPA, vmsa, KVM_SEV_SNP_PAGE_TYPE_VMSA);
	snp_set_vmsa(s->vcpu[0], KVM_SEV_SNP_VMSA_CREATE, BSP_GPA);
	snp_launch_finish(s);
}

static void bsp_runs_again(struct zap *z)
{
	snp_vm_free(z->s);
	write_host_memory();
	bsp_launch(z, guest_done);
	snp_run_to_term(z->s, 0, TERM_DONE);
	snp_vm_free(z->s);
}

TEST(bsp_before_first_run)
{
	struct zap z = { .uapi = snp_has_vmsa_uapi() };

	REQUIRE_UAPI(&z);
	bsp_launch(&z, guest_stepper);
	zap(&z, BSP_GPA, false);
	run_to_gone(&z, 0, BSP_GPA);
	bsp_runs_again(&z);
}

/*
 * What a VMM can try without the guest: neither the old place nor the state of the
 * vCPU gives it a VMSA again, and the launch is over.
 */
static void assert_bsp_is_lost(struct zap *z, bool shared)
{
	static u8 page[PAGE_SIZE] __aligned(PAGE_SIZE);
	struct kvm_vcpu *bsp = z->s->vcpu[0];
	struct kvm_sev_snp_set_vmsa set = {
		.request = KVM_SEV_SNP_VMSA_CREATE,
		.flags = KVM_SEV_SNP_VMSA_FLAG_FROM_VCPU,
		.gpa = BSP_GPA,
		.sev_features = SNP_SEV_FEATURES,
	};

	TEST_ASSERT(__snp_set_vmsa(bsp, KVM_SEV_SNP_VMSA_CREATE, BSP_GPA) &&
		    errno == (shared ? EPERM : ENOENT), "CREATE at the lost page: errno %d", errno);
	TEST_ASSERT(snp_vcpu_cmd(bsp, KVM_SEV_SNP_SET_VMSA, &set, NULL) && errno == EINVAL,
		    "FROM_VCPU after the launch: errno %d", errno);
	/* A VMSA as it was: it is firmware that says no, unless KVM does before. */
	snp_vmsa_init(z->s, (void *)page, 0, snp_guest_entry_regs);
	TEST_ASSERT(__snp_launch_page(z->s, BSP_GPA, page, KVM_SEV_SNP_PAGE_TYPE_VMSA, NULL) &&
		    errno == (shared ? EINVAL : EIO), "LAUNCH_UPDATE after the launch: errno %d",
		    errno);
	TEST_ASSERT(__snp_launch_finish(z->s, NULL, NULL) && errno == EINVAL,
		    "LAUNCH_FINISH after the launch: errno %d", errno);
}

static void bsp_paused(struct zap *z, bool shared_first)
{
	bsp_launch(z, guest_stepper);
	snp_run_to_sync(z->s, 0, 0);
	zap(z, BSP_GPA, shared_first);
	run_to_gone(z, 0, BSP_GPA);
	assert_bsp_is_lost(z, shared_first);
	run_to_gone(z, 0, BSP_GPA);
	bsp_runs_again(z);
}

TEST(bsp_paused_punch)
{
	struct zap z = { .uapi = snp_has_vmsa_uapi() };

	REQUIRE_UAPI(&z);
	bsp_paused(&z, false);
}

TEST(bsp_paused_shared_punch)
{
	struct zap z = { .uapi = snp_has_vmsa_uapi() };

	REQUIRE_UAPI(&z);
	bsp_paused(&z, true);
}

static void bsp_running(struct zap *z, bool shared_first)
{
	bsp_launch(z, guest_spinner);
	start_runner(z, 0);
	zap_running(z, BSP_GPA, 1, shared_first, 0);
	snp_worker_stop(&z->runner);
	bsp_runs_again(z);
}

TEST(bsp_running_punch)
{
	struct zap z = { .uapi = snp_has_vmsa_uapi() };

	REQUIRE_UAPI(&z);
	REQUIRE_2_CPUS();
	bsp_running(&z, false);
}

TEST(bsp_running_shared_punch)
{
	struct zap z = { .uapi = snp_has_vmsa_uapi() };

	REQUIRE_UAPI(&z);
	REQUIRE_2_CPUS();
	bsp_running(&z, true);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_cpu_has(X86_FEATURE_SEV_SNP));
	TEST_REQUIRE(kvm_check_cap(KVM_CAP_VM_TYPES) & BIT(KVM_X86_SNP_VM));

	snp_option_number(&argc, &argv, "Number of zaps", &nr_zaps);

	return test_harness_run(argc, argv);
}
