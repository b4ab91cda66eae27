// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bad input to KVM_SEV_SNP_SET_VMSA, KVM_SEV_SNP_GET_VMSA and LAUNCH_UPDATE of
 * page type VMSA: each has one errno, and what is refused leaves no trace.  Each
 * bad value is tried in every state that a vCPU can be in, in the launch and
 * after it, and no vCPU of the VM may change by it.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kvm_test_harness.h"
#include "test_util.h"
#include "snp_vmsa.h"

#define CREATE		KVM_SEV_SNP_VMSA_CREATE
#define ON_INIT		KVM_SEV_SNP_VMSA_CREATE_ON_INIT
#define DESTROY		KVM_SEV_SNP_VMSA_DESTROY
#define FROM_VCPU	KVM_SEV_SNP_VMSA_FLAG_FROM_VCPU
#define FEAT		SNP_SEV_FEATURES

#define TERM_DONE	0x61

/* Pages of the slot for VMSAs, as prepare() leaves them. */
enum {
	PAGE_OWN = 1,		/* populated; of vCPU 0 if it has one */
	PAGE_FREE,		/* populated */
	PAGE_EMPTY,		/* not populated */
	PAGE_EMPTY2,
	PAGE_ALLOCATED,		/* not populated, but guest_memfd has a page */
	PAGE_SHARED,
	PAGE_TAKEN,		/* vCPU 1 has it */
	PAGE_ASKED,		/* vCPU 2 gets it by INIT */
	PAGE_TO_BUILD,		/* vCPU 3 has it, once the launch ends */
};

#define PAGE(n)			SNP_VMSA_GPA(PAGE_##n)

#define NO_MEMSLOT_GPA		0x7f0001000ULL
#define ANON_SLOT		11
#define ANON_SLOT_GPA		0x7e0000000ULL
#define CLOSED_SLOT		12
#define CLOSED_SLOT_GPA		0x7e0200000ULL
#define EXTRA_SLOT_PAGES	16

#define NR_VCPUS		4

static void guest_done(struct snp_cpu *cpu)
{
	snp_guest_start(cpu);
	snp_guest_term(SNP_TERM_SET_DONE, TERM_DONE);
}

static u8 page_buf[PAGE_SIZE] __aligned(PAGE_SIZE);

static struct snp_vmsa *good_vmsa(struct snp_vm *s, int cpu)
{
	struct snp_vmsa *vmsa = (void *)page_buf;

	snp_vmsa_init(s, vmsa, cpu, snp_guest_entry_regs);
	vmsa->r15 = (u64)guest_done;
	return vmsa;
}

static void launch_vmsa(struct snp_vm *s, u64 gpa, int cpu)
{
	snp_launch_page(s, gpa, good_vmsa(s, cpu), KVM_SEV_SNP_PAGE_TYPE_VMSA);
}

/* Memslots that never had a guest_memfd, and that have none any more. */
static void add_slots_without_gmem(struct snp_vm *s)
{
	int fd;

	vm_userspace_mem_region_add(s->vm, VM_MEM_SRC_ANONYMOUS, ANON_SLOT_GPA, ANON_SLOT,
				    EXTRA_SLOT_PAGES, 0);
	vm_mem_set_private(s->vm, ANON_SLOT_GPA, EXTRA_SLOT_PAGES * PAGE_SIZE);
	fd = vm_create_guest_memfd(s->vm, EXTRA_SLOT_PAGES * PAGE_SIZE, 0);
	vm_set_user_memory_region2(s->vm, CLOSED_SLOT, KVM_MEM_GUEST_MEMFD, CLOSED_SLOT_GPA,
				   EXTRA_SLOT_PAGES * PAGE_SIZE, NULL, fd, 0);
	vm_mem_set_private(s->vm, CLOSED_SLOT_GPA, EXTRA_SLOT_PAGES * PAGE_SIZE);
	close(fd);
}

/*
 * Refused, without a trace
 */

struct states {
	struct kvm_sev_snp_get_vmsa get[SNP_MAX_VCPUS];
};

static struct states get_states(struct snp_vm *s)
{
	struct states states = {};
	int i;

	for (i = 0; i < s->nr_vcpus; i++)
		snp_get_vmsa(s->vcpu[i], &states.get[i]);
	return states;
}

static void assert_refused(struct snp_vm *s, int cpu, const char *what, u32 id, void *data, int err)
{
	struct states before = get_states(s), after;
	int ret;

	ret = snp_vcpu_cmd(s->vcpu[cpu], id, data, NULL);
	TEST_ASSERT(ret == -1 && errno == err, "%s: returned %d, errno %d, wanted errno %d",
		    what, ret, ret ? errno : 0, err);
	after = get_states(s);
	TEST_ASSERT(!memcmp(&before, &after, sizeof(before)), "%s: refused, but a state changed",
		    what);
}

static void assert_set_refused(struct snp_vm *s, const char *what,
			       struct kvm_sev_snp_set_vmsa set, int err)
{
	assert_refused(s, 0, what, KVM_SEV_SNP_SET_VMSA, &set, err);
}

/* Values that are bad whatever the rest is: EINVAL in the launch and after it. */
static const struct {
	const char *what;
	struct kvm_sev_snp_set_vmsa set;
} bad_fields[] = {
#define BAD(_what, _request, _flags, _gpa, _features, ...)			\
	{ _what, { .request = (_request), .flags = (_flags), .gpa = (_gpa),	\
		   .sev_features = (_features), __VA_ARGS__ } }
	BAD("request 3", 3, 0, PAGE(FREE), FEAT),
	BAD("request ~0", ~0u, 0, PAGE(FREE), FEAT),
	BAD("request with an APIC ID", BIT(8) | CREATE, 0, PAGE(FREE), FEAT),
	BAD("flag 1", CREATE, BIT(1), PAGE(FREE), FEAT),
	BAD("flag 31", CREATE, BIT(31), PAGE(FREE), FEAT),
	BAD("flag 1 beside FROM_VCPU", CREATE, FROM_VCPU | BIT(1), PAGE(EMPTY), FEAT),
	BAD("FROM_VCPU on INIT", ON_INIT, FROM_VCPU, PAGE(EMPTY), FEAT),
	BAD("FROM_VCPU, DESTROY", DESTROY, FROM_VCPU, 0, 0),
	BAD("FROM_VCPU, request 3", 3, FROM_VCPU, PAGE(EMPTY), FEAT),
	BAD("VMPL 1", CREATE, 0, PAGE(FREE), FEAT, .vmpl = 1),
	BAD("VMPL 255", CREATE, 0, PAGE(FREE), FEAT, .vmpl = 255),
	BAD("VMPL 1, DESTROY", DESTROY, 0, 0, 0, .vmpl = 1),
	BAD("VMPL 1, FROM_VCPU", CREATE, FROM_VCPU, PAGE(EMPTY), FEAT, .vmpl = 1),
	BAD("DESTROY with a GPA", DESTROY, 0, PAGE(FREE), 0),
	BAD("DESTROY with a low GPA", DESTROY, 0, 1, 0),
	BAD("DESTROY with GPA_NONE", DESTROY, 0, KVM_SEV_SNP_VMSA_GPA_NONE, 0),
	BAD("DESTROY with SEV_FEATURES", DESTROY, 0, 0, FEAT),
	BAD("SEV_FEATURES 0", CREATE, 0, PAGE(FREE), 0),
	BAD("SEV_FEATURES 0, on INIT", ON_INIT, 0, PAGE(FREE), 0),
	BAD("SEV_FEATURES 0, FROM_VCPU", CREATE, FROM_VCPU, PAGE(EMPTY), 0),
	BAD("SEV_FEATURES ~0", CREATE, 0, PAGE(FREE), ~0ULL),
#undef BAD
};

/* Pages, and what a request that names them is refused with; 0: it is not. */
static const struct {
	const char *what;
	u64 gpa;
	int create;
	int from_vcpu;
} bad_pages[] = {
	{ "not 4K aligned, +1", PAGE(FREE) + 1, EINVAL, EINVAL },
	{ "not 4K aligned, +2048", PAGE(FREE) + 2048, EINVAL, EINVAL },
	{ "beyond what is architectural", BIT_ULL(52) | PAGE(FREE), EINVAL, EINVAL },
	{ "bit 63", BIT_ULL(63) | PAGE(FREE), EINVAL, EINVAL },
	{ "GPA_NONE", KVM_SEV_SNP_VMSA_GPA_NONE, EINVAL, EINVAL },
	{ "2M aligned", SNP_VMSA_GPA(0), ERANGE, ERANGE },
	{ "2M aligned, higher", SNP_VMSA_GPA(512), ERANGE, ERANGE },
	{ "2M aligned, 0", 0, ERANGE, ERANGE },
	{ "C-bit", BIT_ULL(51) | PAGE(FREE), ENXIO, ENXIO },
	{ "no memslot", NO_MEMSLOT_GPA, ENXIO, ENXIO },
	{ "KVM's own", 0xfffffffff000ULL, ENXIO, ENXIO },
	{ "memslot without guest_memfd", ANON_SLOT_GPA + PAGE_SIZE, ENXIO, ENXIO },
	{ "guest_memfd closed", CLOSED_SLOT_GPA + PAGE_SIZE, ENXIO, ENXIO },
	{ "shared", PAGE(SHARED), EPERM, EPERM },
	{ "not populated", PAGE(EMPTY2), ENOENT, 0 },
	{ "allocated, not populated", PAGE(ALLOCATED), ENOENT, 0 },
	{ "populated", PAGE(FREE), 0, EEXIST },
	{ "of another vCPU", PAGE(TAKEN), EEXIST, EEXIST },
	{ "requested for another vCPU", PAGE(ASKED), EEXIST, EEXIST },
	{ "to be built for another vCPU", PAGE(TO_BUILD), EEXIST, EEXIST },
};

static void assert_all_refused(struct snp_vm *s, bool finished)
{
	struct kvm_sev_snp_set_vmsa set = {};
	char what[128];
	int i;

	for (i = 0; i < ARRAY_SIZE(bad_fields); i++)
		assert_set_refused(s, bad_fields[i].what, bad_fields[i].set, EINVAL);

	for (i = 0; i < ARRAY_SIZE(set.pad); i++) {
		set = (struct kvm_sev_snp_set_vmsa){
			.request = CREATE, .gpa = PAGE(FREE), .sev_features = FEAT,
		};
		set.pad[i] = 1;
		snprintf(what, sizeof(what), "pad[%d]", i);
		assert_set_refused(s, what, set, EINVAL);
	}

	for (i = 0; i < 64; i++) {
		set = (struct kvm_sev_snp_set_vmsa){
			.request = CREATE, .gpa = PAGE(FREE), .sev_features = FEAT ^ BIT_ULL(i),
		};
		snprintf(what, sizeof(what), "SEV_FEATURES, bit %d wrong", i);
		assert_set_refused(s, what, set, EINVAL);
	}

	/* Bits that this CPU does not have; 51 is the C-bit. */
	for (i = kvm_cpu_property(X86_PROPERTY_MAX_PHY_ADDR); i < 51; i++) {
		set = (struct kvm_sev_snp_set_vmsa){
			.request = CREATE, .gpa = BIT_ULL(i) | PAGE(FREE), .sev_features = FEAT,
		};
		snprintf(what, sizeof(what), "beyond the address width, bit %d", i);
		assert_set_refused(s, what, set, EINVAL);
		set.request = ON_INIT;
		assert_set_refused(s, what, set, EINVAL);
	}

	for (i = 0; i < ARRAY_SIZE(bad_pages); i++) {
		set = (struct kvm_sev_snp_set_vmsa){
			.request = CREATE, .gpa = bad_pages[i].gpa, .sev_features = FEAT,
		};
		snprintf(what, sizeof(what), "%s, FROM_VCPU", bad_pages[i].what);
		set.flags = FROM_VCPU;
		if (finished)
			assert_set_refused(s, what, set, EINVAL);
		else if (bad_pages[i].from_vcpu)
			assert_set_refused(s, what, set, bad_pages[i].from_vcpu);

		if (!bad_pages[i].create)
			continue;
		set.flags = 0;
		assert_set_refused(s, bad_pages[i].what, set, bad_pages[i].create);
		snprintf(what, sizeof(what), "%s, on INIT", bad_pages[i].what);
		set.request = ON_INIT;
		assert_set_refused(s, what, set, bad_pages[i].create);
	}
}

/*
 * Every state of a vCPU
 */

static void state_kvm(struct snp_vm *s)
{
}

static void state_none(struct snp_vm *s)
{
	snp_set_vmsa(s->vcpu[0], DESTROY, 0);
}

static void state_guest(struct snp_vm *s)
{
	snp_set_vmsa(s->vcpu[0], CREATE, PAGE(OWN));
}

static void state_on_init(struct snp_vm *s)
{
	snp_set_vmsa(s->vcpu[0], ON_INIT, PAGE(OWN));
}

static void state_from_vcpu(struct snp_vm *s)
{
	snp_set_vmsa_from_vcpu(s->vcpu[0], PAGE(EMPTY));
}

static void discard_own(struct snp_vm *s)
{
	vm_guest_mem_punch_hole(s->vm, PAGE(OWN), PAGE_SIZE);
}

FIXTURE(refused) {
	struct snp_vm *s;
};

/* What vCPU 0 is told in the launch, and what happens to it then, or after it. */
FIXTURE_VARIANT(refused) {
	void (*set)(struct snp_vm *s);
	void (*then)(struct snp_vm *s);
	u32 state;		/* that comes of it, */
	bool pending;		/* with a request that waits */
	int finish_err;		/* of LAUNCH_FINISH, if it comes in the launch */
};

FIXTURE_VARIANT_ADD(refused, kvm) {
	.set = state_kvm,
	.state = KVM_SEV_SNP_VMSA_STATE_KVM,
};

FIXTURE_VARIANT_ADD(refused, none) {
	.set = state_none,
	.state = KVM_SEV_SNP_VMSA_STATE_NONE,
};

FIXTURE_VARIANT_ADD(refused, guest) {
	.set = state_guest,
	.state = KVM_SEV_SNP_VMSA_STATE_GUEST,
};

FIXTURE_VARIANT_ADD(refused, on_init) {
	.set = state_on_init,
	.state = KVM_SEV_SNP_VMSA_STATE_NONE,
	.pending = true,
};

FIXTURE_VARIANT_ADD(refused, from_vcpu) {
	.set = state_from_vcpu,
	.state = KVM_SEV_SNP_VMSA_STATE_GUEST,
};

FIXTURE_VARIANT_ADD(refused, lost) {
	.set = state_guest,
	.then = discard_own,
	.state = KVM_SEV_SNP_VMSA_STATE_LOST,
	.finish_err = ENOENT,
};

FIXTURE_VARIANT_ADD(refused, on_init_lost) {
	.set = state_on_init,
	.then = discard_own,
	.state = KVM_SEV_SNP_VMSA_STATE_NONE,
	.pending = true,
	.finish_err = ENOENT,
};

FIXTURE_SETUP(refused)
{
	struct snp_vm *s;
	int i;

	SNP_REQUIRE_UAPI();

	s = snp_vm_create(NR_VCPUS, guest_done);
	self->s = s;

	add_slots_without_gmem(s);

	s->predict = true;
	snp_launch_start(s);
	snp_launch_memory(s);
	for (i = PAGE_OWN; i <= PAGE_ASKED; i++)
		if (i != PAGE_EMPTY && i != PAGE_EMPTY2 && i != PAGE_ALLOCATED)
			launch_vmsa(s, SNP_VMSA_GPA(i), i == PAGE_TAKEN);
	vm_guest_mem_allocate(s->vm, PAGE(ALLOCATED), PAGE_SIZE);
	vm_mem_set_shared(s->vm, PAGE(SHARED), PAGE_SIZE);
	snp_set_vmsa(s->vcpu[1], CREATE, PAGE(TAKEN));
	snp_set_vmsa(s->vcpu[2], ON_INIT, PAGE(ASKED));
	snp_set_vmsa_from_vcpu(s->vcpu[3], PAGE(TO_BUILD));
}

FIXTURE_TEARDOWN(refused)
{
	if (self->s)
		snp_vm_free(self->s);
}

static void assert_state(struct snp_vm *s, u32 state, bool pending)
{
	struct kvm_sev_snp_get_vmsa get;

	snp_get_vmsa(s->vcpu[0], &get);
	TEST_ASSERT(get.state == state && get.pending == pending,
		    "state %u, pending %u; wanted %u, %u", get.state, get.pending, state, pending);
}

static void digest_of_kvm(struct snp_vm *s, int cpu, u64 gpa)
{
	snp_vmsa_of_kvm(s->vcpu[cpu], (void *)page_buf);
	snp_digest_page(s->digest, KVM_SEV_SNP_PAGE_TYPE_VMSA, gpa, page_buf);
}

/* Firmware takes the digest of what was accepted, of that alone. */
static void assert_finish(struct snp_vm *s, int err)
{
	struct kvm_sev_snp_get_vmsa get;
	u32 fw_error;
	int ret;

	snp_get_vmsa(s->vcpu[0], &get);
	if (get.state == KVM_SEV_SNP_VMSA_STATE_KVM)
		digest_of_kvm(s, 0, 0xfffffffff000ULL);
	else if (get.flags)
		digest_of_kvm(s, 0, get.gpa);
	digest_of_kvm(s, 3, PAGE(TO_BUILD));

	ret = __snp_launch_finish(s, s->digest, &fw_error);
	TEST_ASSERT(err ? ret == -1 && errno == err : !ret,
		    "LAUNCH_FINISH returned %d, errno %d, firmware 0x%x, wanted errno %d",
		    ret, ret ? errno : 0, fw_error, err);
}

TEST_F(refused, in_launch)
{
	struct snp_vm *s = self->s;
	struct states before, after;

	variant->set(s);
	if (variant->then)
		variant->then(s);
	assert_state(s, variant->state, variant->pending);
	assert_all_refused(s, false);

	before = get_states(s);
	assert_finish(s, variant->finish_err);
	after = get_states(s);
	if (variant->finish_err) {
		TEST_ASSERT(!memcmp(&before, &after, sizeof(before)),
			    "LAUNCH_FINISH failed, but a state changed");
		return;
	}
	snp_run_to_term(s, 1, TERM_DONE);
	snp_run_to_term(s, 3, TERM_DONE);
}

TEST_F(refused, after_finish)
{
	struct snp_vm *s = self->s;

	variant->set(s);
	assert_finish(s, 0);
	if (variant->then)
		variant->then(s);
	assert_state(s, variant->state, variant->pending);
	assert_all_refused(s, true);
	snp_run_to_term(s, 1, TERM_DONE);
	snp_run_to_term(s, 3, TERM_DONE);
}

/* A request that waits for KVM_RUN is not disturbed either. */
TEST_F(refused, after_finish_pending)
{
	struct snp_vm *s = self->s;

	variant->set(s);
	assert_finish(s, 0);
	if (variant->then)
		variant->then(s);
	snp_set_vmsa(s->vcpu[0], CREATE, PAGE(FREE));
	assert_state(s, variant->state, true);
	assert_all_refused(s, true);
	snp_run_to_term(s, 0, TERM_DONE);
	assert_state(s, KVM_SEV_SNP_VMSA_STATE_GUEST, false);
}

/*
 * One VM in the launch
 */

FIXTURE(launch) {
	struct snp_vm *s;
};

FIXTURE_SETUP(launch)
{
	SNP_REQUIRE_UAPI();
	self->s = snp_vm_create(2, guest_done);
}

FIXTURE_TEARDOWN(launch)
{
	if (self->s)
		snp_vm_free(self->s);
}

/* Before LAUNCH_START there is nothing to add to; INIT2 was, so the VM is SNP's. */
TEST_F(launch, before_start)
{
	static const struct kvm_sev_snp_set_vmsa sets[] = {
		{ .request = CREATE, .gpa = PAGE(FREE), .sev_features = FEAT },
		{ .request = ON_INIT, .gpa = PAGE(FREE), .sev_features = FEAT },
		{ .request = CREATE, .gpa = PAGE(FREE), .sev_features = FEAT, .flags = FROM_VCPU },
		{ .request = CREATE, .gpa = SNP_VMSA_GPA(0), .sev_features = FEAT },
		{ .request = CREATE, .gpa = NO_MEMSLOT_GPA, .sev_features = FEAT },
		{ .request = DESTROY },
	};
	struct snp_vm *s = self->s;
	int i, ret;

	for (i = 0; i < ARRAY_SIZE(sets); i++)
		assert_set_refused(s, "before LAUNCH_START", sets[i], EINVAL);
	ret = __snp_launch_page(s, PAGE(FREE), good_vmsa(s, 0), KVM_SEV_SNP_PAGE_TYPE_VMSA, NULL);
	TEST_ASSERT(ret == -1 && errno == EINVAL,
		    "LAUNCH_UPDATE before LAUNCH_START: %d, errno %d", ret, errno);
	ret = __snp_launch_finish(s, NULL, NULL);
	TEST_ASSERT(ret == -1 && errno == EINVAL,
		    "LAUNCH_FINISH before LAUNCH_START: %d, errno %d", ret, errno);
}

/* However another vCPU came to its VMSA, and whatever became of that. */
TEST_F(launch, taken)
{
	struct kvm_sev_snp_set_vmsa set = { .request = CREATE, .sev_features = FEAT };
	struct snp_vm *s = self->s;

	snp_launch_start(s);
	snp_launch_memory(s);
	launch_vmsa(s, PAGE(OWN), 0);
	launch_vmsa(s, PAGE(TAKEN), 1);
	launch_vmsa(s, PAGE(ASKED), 1);
	snp_set_vmsa(s->vcpu[0], CREATE, PAGE(OWN));
	snp_set_vmsa(s->vcpu[1], CREATE, PAGE(TAKEN));
	snp_launch_finish(s);

	snp_set_vmsa(s->vcpu[1], CREATE, PAGE(ASKED));
	set.gpa = PAGE(ASKED);
	assert_set_refused(s, "asked for, CREATE", set, EEXIST);
	set.gpa = PAGE(TAKEN);
	assert_set_refused(s, "in use, and to be replaced", set, EEXIST);
	vm_guest_mem_punch_hole(s->vm, PAGE(TAKEN), PAGE_SIZE);
	assert_set_refused(s, "lost, and to be replaced", set, EEXIST);

	snp_run_to_term(s, 1, TERM_DONE);
	assert_set_refused(s, "free again, but discarded", set, ENOENT);
	vm_guest_mem_punch_hole(s->vm, PAGE(ASKED), PAGE_SIZE);
	set.gpa = PAGE(ASKED);
	assert_set_refused(s, "lost", set, EEXIST);
	snp_run_to_term(s, 0, TERM_DONE);
}

/*
 * LAUNCH_FINISH has measured the vCPUs and failed: what is refused then is what is
 * refused after the launch, and a request waits for KVM_RUN.
 */
TEST_F(launch, between_finishes)
{
	struct kvm_sev_snp_set_vmsa set = {
		.request = CREATE, .flags = FROM_VCPU, .gpa = PAGE(EMPTY), .sev_features = FEAT,
	};
	struct snp_vm *s = self->s;
	struct kvm_sev_snp_get_vmsa get;
	u32 fw_error;
	int i;

	s->predict = true;
	snp_launch_start(s);
	snp_launch_memory(s);
	launch_vmsa(s, PAGE(OWN), 0);
	launch_vmsa(s, PAGE(FREE), 1);
	launch_vmsa(s, PAGE(TAKEN), 1);
	snp_set_vmsa(s->vcpu[0], CREATE, PAGE(OWN));
	snp_set_vmsa(s->vcpu[1], CREATE, PAGE(TAKEN));
	snp_launch_finish_wrong_digest(s);

	assert_set_refused(s, "FROM_VCPU, measured", set, EINVAL);
	set.flags = 0;
	set.gpa = PAGE(TAKEN);
	assert_set_refused(s, "of another vCPU, measured", set, EEXIST);
	set.gpa = PAGE(EMPTY);
	assert_set_refused(s, "not populated, measured", set, ENOENT);

	snp_set_vmsa(s->vcpu[1], CREATE, PAGE(FREE));
	snp_get_vmsa(s->vcpu[1], &get);
	TEST_ASSERT_EQ(get.state, KVM_SEV_SNP_VMSA_STATE_GUEST);
	TEST_ASSERT_EQ(get.gpa, PAGE(TAKEN));
	TEST_ASSERT_EQ(get.pending, 1);
	TEST_ASSERT_EQ(get.pending_gpa, PAGE(FREE));

	/* The guest does not run before its launch has ended. */
	for (i = 0; i < 2; i++)
		TEST_ASSERT(__vcpu_run(s->vcpu[i]) == -1 && errno == EINVAL,
			    "KVM_RUN of vCPU %d, measured: errno %d, exit %s", i, errno,
			    exit_reason_str(s->vcpu[i]->run->exit_reason));

	TEST_ASSERT(!__snp_launch_finish(s, s->digest, &fw_error),
		    "second LAUNCH_FINISH: errno %d, firmware 0x%x", errno, fw_error);
	snp_run_to_term(s, 0, TERM_DONE);
	snp_run_to_term(s, 1, TERM_DONE);
	snp_get_vmsa(s->vcpu[1], &get);
	TEST_ASSERT_EQ(get.gpa, PAGE(FREE));
	TEST_ASSERT_EQ(get.pending, 0);
}

/* KVM protects the state of vCPUs at the end of the launch, once. */
TEST_F(launch, late_vcpu)
{
	struct kvm_sev_snp_set_vmsa create = {
		.request = CREATE, .gpa = PAGE(FREE), .sev_features = FEAT,
	};
	struct snp_vm *s = self->s;

	snp_launch_start(s);
	snp_launch_memory(s);
	launch_vmsa(s, PAGE(OWN), 0);
	launch_vmsa(s, PAGE(FREE), 0);
	snp_set_vmsa(s->vcpu[0], CREATE, PAGE(OWN));
	snp_launch_finish(s);

	TEST_ASSERT_EQ(s->nr_vcpus, 2);
	s->vcpu[s->nr_vcpus++] = vm_arch_vcpu_recreate(s->vm, 7);
	assert_refused(s, 2, "CREATE, late vCPU", KVM_SEV_SNP_SET_VMSA, &create, EINVAL);
	create.flags = FROM_VCPU;
	create.gpa = PAGE(EMPTY);
	assert_refused(s, 2, "FROM_VCPU, late vCPU", KVM_SEV_SNP_SET_VMSA, &create, EINVAL);
	create = (struct kvm_sev_snp_set_vmsa){ .request = DESTROY };
	assert_refused(s, 2, "DESTROY, late vCPU", KVM_SEV_SNP_SET_VMSA, &create, EINVAL);
	snp_run_to_term(s, 0, TERM_DONE);
}

/* A vCPU that came between LAUNCH_START and LAUNCH_FINISH is like any other. */
TEST_F(launch, vcpu_in_launch)
{
	struct snp_vm *s = self->s;

	snp_launch_start(s);
	snp_launch_memory(s);
	launch_vmsa(s, PAGE(OWN), 2);
	s->vcpu[s->nr_vcpus++] = vm_arch_vcpu_recreate(s->vm, 2);
	snp_set_vmsa(s->vcpu[2], CREATE, PAGE(OWN));
	snp_launch_finish(s);
	snp_run_to_term(s, 2, TERM_DONE);
}

/*
 * Addresses and ids: page 0 is there, page 1 is not, page 2 is read only.
 */

static u8 *map_edges(void)
{
	u8 *p = kvm_mmap(3 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);

	TEST_ASSERT(!mprotect(p + PAGE_SIZE, PAGE_SIZE, PROT_NONE) &&
		    !mprotect(p + 2 * PAGE_SIZE, PAGE_SIZE, PROT_READ), "mprotect()");
	return p;
}

static void assert_argp_refused(struct snp_vm *s, const char *what, void *argp)
{
	struct states before = get_states(s), after;
	int ret = ioctl(s->vcpu[0]->fd, KVM_MEMORY_ENCRYPT_OP, argp);

	TEST_ASSERT(ret == -1 && errno == EFAULT, "%s: returned %d, errno %d, wanted EFAULT",
		    what, ret, ret ? errno : 0);
	after = get_states(s);
	TEST_ASSERT(!memcmp(&before, &after, sizeof(before)), "%s: a state changed", what);
}

TEST_F(launch, bad_addresses)
{
	struct kvm_sev_snp_set_vmsa destroy = { .request = DESTROY };
	struct kvm_sev_cmd cmd = {
		.id = KVM_SEV_SNP_SET_VMSA,
		.data = (u64)&destroy,
	};
	struct snp_vm *s = self->s;
	u8 *p = map_edges();
	const struct {
		const char *what;
		void *addr;
		bool get_only;
	} bad[] = {
		{ "at 0", NULL },
		{ "at 8", (void *)8 },
		{ "unmapped", p + PAGE_SIZE },
		{ "ends in an unmapped page", p + PAGE_SIZE - 8 },
		{ "kernel address", (void *)0xffff888000000000 },
		{ "non-canonical address", (void *)0x800000000000 },
		{ "read only", p + 2 * PAGE_SIZE, true },
	};
	int i;

	kvm_static_assert(sizeof(struct kvm_sev_snp_get_vmsa) == sizeof(destroy));

	snp_launch_start(s);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_refused(s, 0, bad[i].what, KVM_SEV_SNP_GET_VMSA, bad[i].addr, EFAULT);
		if (bad[i].get_only)
			continue;
		assert_refused(s, 0, bad[i].what, KVM_SEV_SNP_SET_VMSA, bad[i].addr, EFAULT);
		assert_argp_refused(s, bad[i].what, bad[i].addr);
	}

	/* Reading needs no more than that; no byte behind is touched. */
	memcpy(p + PAGE_SIZE - sizeof(destroy), &destroy, sizeof(destroy));
	cmd.data = (u64)p + PAGE_SIZE - sizeof(destroy);
	TEST_ASSERT(!ioctl(s->vcpu[0]->fd, KVM_MEMORY_ENCRYPT_OP, &cmd),
		    "DESTROY at the end of a page: errno %d", errno);
	memcpy(p, &cmd, sizeof(cmd));
	TEST_ASSERT(!mprotect(p, PAGE_SIZE, PROT_READ), "mprotect()");
	TEST_ASSERT(!ioctl(s->vcpu[0]->fd, KVM_MEMORY_ENCRYPT_OP, p),
		    "DESTROY, all of it read only: errno %d", errno);
	munmap(p, 3 * PAGE_SIZE);
}

TEST_F(launch, bad_ids)
{
	static const u32 ids[] = {
		0, 1, KVM_SEV_INIT2, KVM_SEV_SNP_LAUNCH_START, KVM_SEV_SNP_LAUNCH_UPDATE,
		KVM_SEV_SNP_LAUNCH_FINISH, KVM_SEV_SNP_SET_VMSA - 1, KVM_SEV_SNP_GET_VMSA + 1, ~0u,
	};
	struct kvm_sev_snp_set_vmsa destroy = { .request = DESTROY };
	struct snp_vm *s = self->s;
	int i;

	snp_launch_start(s);
	for (i = 0; i < ARRAY_SIZE(ids); i++)
		assert_refused(s, 0, "id of no vCPU command", ids[i], &destroy, EINVAL);
}

/*
 * Files and VMs
 */

static void assert_fd_refuses(int fd, const char *what, int err)
{
	struct kvm_sev_snp_set_vmsa destroy = { .request = DESTROY };
	struct kvm_sev_snp_get_vmsa get;
	struct kvm_sev_cmd cmd = { .id = KVM_SEV_SNP_SET_VMSA, .data = (u64)&destroy };
	int ret;

	ret = ioctl(fd, KVM_MEMORY_ENCRYPT_OP, &cmd);
	TEST_ASSERT(ret == -1 && errno == err, "SET_VMSA, %s: returned %d, errno %d, wanted %d",
		    what, ret, ret ? errno : 0, err);
	cmd.id = KVM_SEV_SNP_GET_VMSA;
	cmd.data = (u64)&get;
	ret = ioctl(fd, KVM_MEMORY_ENCRYPT_OP, &cmd);
	TEST_ASSERT(ret == -1 && errno == err, "GET_VMSA, %s: returned %d, errno %d, wanted %d",
		    what, ret, ret ? errno : 0, err);
}

TEST_F(launch, wrong_file)
{
	struct snp_vm *s = self->s;
	int fd, status;
	pid_t pid;

	snp_launch_start(s);
	assert_fd_refuses(s->vm->fd, "VM", EINVAL);
	fd = open_kvm_dev_path_or_exit();
	assert_fd_refuses(fd, "/dev/kvm", EINVAL);
	close(fd);
	fd = vm_create_guest_memfd(s->vm, PAGE_SIZE, 0);
	assert_fd_refuses(fd, "guest_memfd", ENOTTY);
	close(fd);

	/* As all of a VM, it is for the process that made it. */
	pid = fork();
	if (!pid) {
		assert_fd_refuses(s->vcpu[0]->fd, "another process", EIO);
		_exit(0);
	}
	TEST_ASSERT(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && !WEXITSTATUS(status),
		    "child: status 0x%x", status);
}

TEST(not_snp)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;

	SNP_REQUIRE_UAPI();

	vm = vm_create_with_one_vcpu(&vcpu, NULL);
	assert_fd_refuses(vcpu->fd, "VM without SEV", ENOTTY);
	kvm_vm_free(vm);

	vm = vm_create_barebones_type(KVM_X86_SNP_VM);
	assert_fd_refuses(__vm_vcpu_add(vm, 0)->fd, "SNP VM before INIT2", ENOTTY);
	kvm_vm_free(vm);
}

TEST(not_snp_but_sev)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;

	SNP_REQUIRE_UAPI();
	if (!(kvm_check_cap(KVM_CAP_VM_TYPES) & BIT(KVM_X86_SEV_VM)))
		SKIP(return, "no SEV VMs");

	vm = vm_sev_create_with_one_vcpu(KVM_X86_SEV_VM, NULL, &vcpu);
	assert_fd_refuses(vcpu->fd, "SEV VM", ENOTTY);
	kvm_vm_free(vm);
}

TEST(not_snp_but_sev_es)
{
	struct kvm_vm *vm, *other;
	struct kvm_vcpu *vcpu;

	SNP_REQUIRE_UAPI();
	if (!(kvm_check_cap(KVM_CAP_VM_TYPES) & BIT(KVM_X86_SEV_ES_VM)))
		SKIP(return, "no SEV-ES VMs");

	vm = vm_sev_create_with_one_vcpu(KVM_X86_SEV_ES_VM, NULL, &vcpu);
	assert_fd_refuses(vcpu->fd, "SEV-ES VM", ENOTTY);

	other = vm_create_barebones();
	vm_enable_cap(other, KVM_CAP_VM_COPY_ENC_CONTEXT_FROM, vm->fd);
	assert_fd_refuses(__vm_vcpu_add(other, 0)->fd, "mirror of an SEV-ES VM", ENOTTY);
	kvm_vm_free(other);
	kvm_vm_free(vm);
}

/* The state of a VM that is no more SEV's, and of the one that got it. */
TEST(not_snp_migrated)
{
	u64 types = kvm_check_cap(KVM_CAP_VM_TYPES);
	struct kvm_vm *src, *dst;
	struct kvm_vcpu *vcpu;

	SNP_REQUIRE_UAPI();
	if (!(types & BIT(KVM_X86_SEV_VM)) || !kvm_has_cap(KVM_CAP_VM_MOVE_ENC_CONTEXT_FROM))
		SKIP(return, "no SEV VMs, or no migration");

	src = vm_sev_create_with_one_vcpu(KVM_X86_SEV_VM, NULL, &vcpu);
	dst = vm_create_barebones_type(KVM_X86_SEV_VM);
	__vm_vcpu_add(dst, 0);
	vm_enable_cap(dst, KVM_CAP_VM_MOVE_ENC_CONTEXT_FROM, src->fd);
	assert_fd_refuses(vcpu->fd, "VM that was migrated away", EIO);
	kvm_vm_free(src);
	kvm_vm_free(dst);
}

/*
 * An SNP VM is neither mirrored nor migrated: vCPUs of two VMs would share GPAs
 * that hold VMSAs.
 */
TEST_F(launch, no_mirror_no_migration)
{
	struct snp_vm *s = self->s;
	struct kvm_vm *other;

	other = vm_create_barebones();
	TEST_ASSERT(__vm_enable_cap(other, KVM_CAP_VM_COPY_ENC_CONTEXT_FROM, s->vm->fd) &&
		    errno == EINVAL, "mirror of an SNP VM: errno %d", errno);
	kvm_vm_free(other);

	other = vm_create_barebones_type(KVM_X86_SNP_VM);
	TEST_ASSERT(__vm_enable_cap(other, KVM_CAP_VM_MOVE_ENC_CONTEXT_FROM, s->vm->fd) &&
		    errno == EINVAL, "migration of an SNP VM: errno %d", errno);
	TEST_ASSERT(__vm_enable_cap(s->vm, KVM_CAP_VM_MOVE_ENC_CONTEXT_FROM, other->fd) &&
		    errno == EINVAL, "migration to an SNP VM: errno %d", errno);
	kvm_vm_free(other);
}

/*
 * LAUNCH_UPDATE with page type VMSA
 */

#define UPDATE(_gpa, _uaddr, _len, ...)						\
	((struct kvm_sev_snp_launch_update){ .gfn_start = (_gpa) >> PAGE_SHIFT,	\
		.uaddr = (u64)(_uaddr), .len = (_len), __VA_ARGS__ })

static int update_vmsa(struct snp_vm *s, struct kvm_sev_snp_launch_update *update)
{
	update->type = KVM_SEV_SNP_PAGE_TYPE_VMSA;
	return snp_vm_cmd(s->vm, KVM_SEV_SNP_LAUNCH_UPDATE, update, NULL);
}

static void assert_update_refused(struct snp_vm *s, const char *what,
				  struct kvm_sev_snp_launch_update update, int err)
{
	struct states before = get_states(s), after;
	int ret = update_vmsa(s, &update);

	TEST_ASSERT(ret == -1 && errno == err, "%s: returned %d, errno %d, wanted errno %d",
		    what, ret, ret ? errno : 0, err);
	after = get_states(s);
	TEST_ASSERT(!memcmp(&before, &after, sizeof(before)), "%s: a state changed", what);
}

static void assert_update_refused_at(struct snp_vm *s, const char *what, void *update)
{
	int ret = snp_vm_cmd(s->vm, KVM_SEV_SNP_LAUNCH_UPDATE, update, NULL);

	TEST_ASSERT(ret == -1 && errno == EFAULT, "structure %s: returned %d, errno %d", what,
		    ret, ret ? errno : 0);
}

static void assert_contents_refused(struct snp_vm *s, const char *what, struct snp_vmsa *vmsa)
{
	assert_update_refused(s, what, UPDATE(PAGE(FREE), vmsa, PAGE_SIZE), EINVAL);
}

TEST_F(launch, update)
{
	struct snp_vm *s = self->s;
	int i, sev_fd = s->vm->arch.sev_fd;
	struct snp_vmsa *vmsa;
	u8 *p = map_edges();
	char what[64];

	add_slots_without_gmem(s);
	s->predict = true;
	snp_launch_start(s);
	snp_launch_memory(s);
	launch_vmsa(s, PAGE(OWN), 0);

	vmsa = good_vmsa(s, 0);
	assert_update_refused(s, "length 0", UPDATE(PAGE(FREE), vmsa, 0), EINVAL);
	assert_update_refused(s, "length 4095", UPDATE(PAGE(FREE), vmsa, 4095), EINVAL);
	for (i = 0; i < 16; i++) {
		snprintf(what, sizeof(what), "flag %d", i);
		assert_update_refused(s, what,
				      UPDATE(PAGE(FREE), vmsa, PAGE_SIZE, .flags = BIT(i)), EINVAL);
	}
	assert_update_refused(s, "no contents", UPDATE(PAGE(FREE), 0, PAGE_SIZE), EINVAL);
	assert_update_refused(s, "contents not aligned",
			      UPDATE(PAGE(FREE), (u8 *)vmsa + 8, PAGE_SIZE), EINVAL);
	assert_update_refused(s, "contents unmapped",
			      UPDATE(PAGE(FREE), p + PAGE_SIZE, PAGE_SIZE), EFAULT);
	assert_update_refused(s, "2M aligned", UPDATE(SNP_VMSA_GPA(0), vmsa, PAGE_SIZE), ERANGE);
	assert_update_refused(s, "no memslot", UPDATE(NO_MEMSLOT_GPA, vmsa, PAGE_SIZE), EINVAL);
	assert_update_refused(s, "memslot without guest_memfd",
			      UPDATE(ANON_SLOT_GPA + PAGE_SIZE, vmsa, PAGE_SIZE), EINVAL);
	assert_update_refused(s, "guest_memfd closed",
			      UPDATE(CLOSED_SLOT_GPA + PAGE_SIZE, vmsa, PAGE_SIZE), EFAULT);
	assert_update_refused_at(s, "unmapped", p + PAGE_SIZE);
	assert_update_refused_at(s, "ends in an unmapped page", p + PAGE_SIZE - 8);
	assert_update_refused(s, "populated", UPDATE(PAGE(OWN), vmsa, PAGE_SIZE), EEXIST);
	vm_mem_set_shared(s->vm, PAGE(FREE), PAGE_SIZE);
	assert_update_refused(s, "shared", UPDATE(PAGE(FREE), vmsa, PAGE_SIZE), EINVAL);
	vm_mem_set_private(s->vm, PAGE(FREE), PAGE_SIZE);
	s->vm->arch.sev_fd = -1;
	assert_update_refused(s, "no /dev/sev", UPDATE(PAGE(FREE), vmsa, PAGE_SIZE), EBADF);
	s->vm->arch.sev_fd = sev_fd;

	for (i = 0; i < 64; i++) {
		vmsa = good_vmsa(s, 0);
		vmsa->sev_features ^= BIT_ULL(i);
		snprintf(what, sizeof(what), "SEV_FEATURES, bit %d wrong", i);
		assert_contents_refused(s, what, vmsa);
	}
	for (i = 1; i < 4; i++) {
		vmsa = good_vmsa(s, 0);
		vmsa->vmpl = i;
		assert_contents_refused(s, "VMPL", vmsa);
	}

	/* None of these left anything behind: page and digest are as if never tried. */
	launch_vmsa(s, PAGE(FREE), 0);
	snp_set_vmsa(s->vcpu[0], CREATE, PAGE(FREE));
	snp_set_vmsa(s->vcpu[1], DESTROY, 0);
	TEST_ASSERT(!__snp_launch_finish(s, s->digest, NULL), "LAUNCH_FINISH: errno %d", errno);
	assert_update_refused(s, "after LAUNCH_FINISH",
			      UPDATE(PAGE(EMPTY), good_vmsa(s, 0), PAGE_SIZE), EIO);
	snp_run_to_term(s, 0, TERM_DONE);
	munmap(p, 3 * PAGE_SIZE);
}

/* The pages are in, and userspace is not told: neither what, nor by success. */
TEST_F(launch, update_not_told)
{
	u8 *p = kvm_mmap(PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	struct kvm_sev_snp_launch_update *update = (void *)p;
	struct snp_vm *s = self->s;

	s->predict = true;
	snp_launch_start(s);
	snp_launch_memory(s);
	*update = UPDATE(PAGE(OWN), good_vmsa(s, 0), PAGE_SIZE,
			 .type = KVM_SEV_SNP_PAGE_TYPE_VMSA);
	TEST_ASSERT(!mprotect(p, PAGE_SIZE, PROT_READ), "mprotect()");
	assert_update_refused_at(s, "read only", update);
	munmap(p, PAGE_SIZE);

	assert_update_refused(s, "in already", UPDATE(PAGE(OWN), page_buf, PAGE_SIZE), EEXIST);
	snp_digest_page(s->digest, KVM_SEV_SNP_PAGE_TYPE_VMSA, PAGE(OWN), page_buf);
	snp_set_vmsa(s->vcpu[0], CREATE, PAGE(OWN));
	snp_set_vmsa(s->vcpu[1], DESTROY, 0);
	TEST_ASSERT(!__snp_launch_finish(s, s->digest, NULL), "LAUNCH_FINISH: errno %d", errno);
	snp_run_to_term(s, 0, TERM_DONE);
}

/* A signal that comes early enough: a page that is refused can be tried for ever. */
TEST_F(launch, update_interrupted)
{
	struct kvm_sev_snp_launch_update update;
	double end = snp_now() + SNP_SOON;
	struct snp_vm *s = self->s;
	int ret, err;

	s->predict = true;
	snp_launch_start(s);
	snp_launch_memory(s);
	launch_vmsa(s, PAGE(OWN), 0);
	snp_set_alarm(50);
	do {
		update = UPDATE(PAGE(OWN), page_buf, PAGE_SIZE);
		ret = update_vmsa(s, &update);
		err = errno;
	} while (ret == -1 && err == EEXIST && snp_now() < end);
	snp_set_alarm(0);
	TEST_ASSERT(ret == -1 && err == EINTR, "LAUNCH_UPDATE returned %d, errno %d", ret, err);

	snp_set_vmsa(s->vcpu[0], CREATE, PAGE(OWN));
	snp_set_vmsa(s->vcpu[1], DESTROY, 0);
	TEST_ASSERT(!__snp_launch_finish(s, s->digest, NULL), "LAUNCH_FINISH: errno %d", errno);
	snp_run_to_term(s, 0, TERM_DONE);
}

static volatile pid_t worker_tid;

/* The worker that was told to go last. */
static bool waits_in_ioctl(void)
{
	char path[64], buf[32] = "";
	pid_t tid = worker_tid;
	int fd;

	if (!tid)
		return false;
	snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", tid);
	fd = open(path, O_RDONLY);
	TEST_ASSERT(fd >= 0, "%s: errno %d", path, errno);
	TEST_ASSERT(read(fd, buf, sizeof(buf) - 1) >= 0, "%s: errno %d", path, errno);
	close(fd);
	return strtol(buf, NULL, 10) == SYS_ioctl;	/* else "running" */
}

static void worker_finish(struct snp_worker *w)
{
	worker_tid = syscall(SYS_gettid);
	w->ret = __snp_launch_finish(w->s, w->s->digest, NULL);
	w->err = errno;
}

static void worker_run(struct snp_worker *w)
{
	worker_tid = syscall(SYS_gettid);
	snp_worker_run(w);
}

/*
 * LAUNCH_FINISH waits for a vCPU that is in KVM_RUN, gets a signal meanwhile, and finds
 * it when it is to fill a page.  Nothing is measured, and it can be repeated.
 */
TEST_F(launch, finish_interrupted)
{
	struct snp_worker run, finish;
	struct snp_vm *s = self->s;
	struct states before, after;

	s->predict = true;
	snp_launch_start(s);
	snp_launch_memory(s);
	snp_set_vmsa_from_vcpu(s->vcpu[0], PAGE(EMPTY));
	snp_set_vmsa(s->vcpu[1], DESTROY, 0);
	digest_of_kvm(s, 0, PAGE(EMPTY));
	snp_vcpu_halt(s->vcpu[1]);
	before = get_states(s);

	worker_tid = 0;
	snp_worker_start(&run, s, 0, 1, worker_run);
	snp_worker_go(&run);
	TEST_ASSERT(snp_wait_for(SNP_SOON, waits_in_ioctl()), "vCPU 1 is not in KVM_RUN");
	worker_tid = 0;
	snp_worker_start(&finish, s, 1, 0, worker_finish);
	snp_worker_go(&finish);
	TEST_ASSERT(snp_wait_for(SNP_SOON, waits_in_ioctl()), "LAUNCH_FINISH does not wait");
	snp_set_alarm(0);
	pthread_kill(finish.thread, SIGALRM);
	snp_worker_interrupt(&run);
	TEST_ASSERT(snp_wait_for(SNP_SOON, snp_worker_done(&finish)), "LAUNCH_FINISH hangs");
	TEST_ASSERT(finish.ret == -1 && finish.err == EINTR, "LAUNCH_FINISH returned %d, errno %d",
		    finish.ret, finish.err);
	snp_worker_stop(&finish);
	snp_worker_stop(&run);
	after = get_states(s);
	TEST_ASSERT(!memcmp(&before, &after, sizeof(before)),
		    "LAUNCH_FINISH was interrupted, but a state changed");

	TEST_ASSERT(!__snp_launch_finish(s, s->digest, NULL), "LAUNCH_FINISH: errno %d", errno);
	snp_run_to_term(s, 0, TERM_DONE);
}

/* Of several pages those before the first bad one are in, and the rest is told. */
TEST_F(launch, update_of_several)
{
	static u8 pages[3][PAGE_SIZE] __aligned(PAGE_SIZE);
	struct kvm_sev_snp_launch_update update;
	struct snp_vm *s = self->s;
	int i;

	s->predict = true;
	snp_launch_start(s);
	snp_launch_memory(s);
	for (i = 0; i < 3; i++)
		memcpy(pages[i], good_vmsa(s, i & 1), PAGE_SIZE);
	((struct snp_vmsa *)pages[2])->vmpl = 1;

	update = UPDATE(SNP_VMSA_GPA(1), pages, sizeof(pages));
	TEST_ASSERT(!update_vmsa(s, &update), "LAUNCH_UPDATE of three: errno %d", errno);
	TEST_ASSERT_EQ(update.gfn_start, SNP_VMSA_GPA(3) >> PAGE_SHIFT);
	TEST_ASSERT_EQ(update.uaddr, (u64)pages[2]);
	TEST_ASSERT_EQ(update.len, PAGE_SIZE);
	TEST_ASSERT(update_vmsa(s, &update) && errno == EINVAL, "the rest: errno %d", errno);

	for (i = 0; i < 2; i++) {
		snp_digest_page(s->digest, KVM_SEV_SNP_PAGE_TYPE_VMSA, SNP_VMSA_GPA(1 + i),
				pages[i]);
		snp_set_vmsa(s->vcpu[i], CREATE, SNP_VMSA_GPA(1 + i));
	}
	TEST_ASSERT(!__snp_launch_finish(s, s->digest, NULL), "LAUNCH_FINISH: errno %d", errno);
	snp_run_to_term(s, 0, TERM_DONE);
	snp_run_to_term(s, 1, TERM_DONE);
}

/* Where there is no SNP the attribute is 0, or not known. */
static void assert_no_uapi(void)
{
	u64 val = 0;
	struct kvm_device_attr attr = {
		.group = KVM_X86_GRP_SEV,
		.attr = KVM_X86_SEV_SNP_VMSA,
		.addr = (u64)&val,
	};
	int fd = open_kvm_dev_path_or_exit(), ret;

	ret = __kvm_ioctl(fd, KVM_GET_DEVICE_ATTR, &attr);
	TEST_ASSERT(ret ? errno == ENXIO : !val, "attribute without SNP: %d, errno %d, 0x%lx",
		    ret, errno, (unsigned long)val);
	ksft_print_msg("attribute without SNP: %s\n", ret ? "not known" : "0");
	close(fd);
}

int main(int argc, char *argv[])
{
	if (!kvm_cpu_has(X86_FEATURE_SEV_SNP))
		assert_no_uapi();
	TEST_REQUIRE(kvm_cpu_has(X86_FEATURE_SEV_SNP));
	TEST_REQUIRE(kvm_check_cap(KVM_CAP_VM_TYPES) & BIT(KVM_X86_SNP_VM));

	return test_harness_run(argc, argv);
}
