// SPDX-License-Identifier: GPL-2.0-only
/*
 * Firmware fails: each command of the launch, the run and the teardown of an SNP
 * VM in turn, refused, or carried out and reported as failed.
 *
 * What is expected of KVM and of the driver of the PSP:
 *
 *  - The error reaches userspace, as errno and as firmware's code; that of a
 *    request of the guest reaches the guest.
 *  - A command that was refused left nothing behind: GET_VMSA shows what it did
 *    before, the same ioctl again does it, and the launch ends with the digest of
 *    an undisturbed one.
 *  - Whatever happened, the VM can be closed, no page stays assigned to a guest,
 *    and the next VM launches and runs.
 *
 * With -l those failures upon which the kernel gives up memory on purpose, as it
 * can't know any more whose it is.  What is lost is counted:
 *
 *   PAGE_RECLAIM   the page that was to be reclaimed
 *   DECOMMISSION   the context page and the ASID
 *   GCTX_CREATE    the context page, if firmware made it one all the same
 *   LAUNCH_UPDATE  the page, if firmware does not give it back, either
 *
 * The guest is one page at the reset vector, so that each command can be tried
 * with several codes; one that makes requests has a GHCB.  Needs the control device of the emulated platform.
 *
 *   sev_psp_fail_test [-l]
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kselftest.h"
#include "test_util.h"
#include "snp_vmsa.h"
#include "snpctl.h"

/* Commands; SNP firmware ABI, table "SNP Command Identifiers" */
#define SNP_DF_FLUSH		0x84
#define SNP_DECOMMISSION	0x90
#define SNP_ACTIVATE		0x91
#define SNP_GCTX_CREATE		0x93
#define SNP_GUEST_REQUEST	0x94
#define SNP_LAUNCH_START	0xa0
#define SNP_LAUNCH_UPDATE	0xa1
#define SNP_LAUNCH_FINISH	0xa2
#define SNP_PAGE_RECLAIM	0xc7

/* Status; the same, table "Status Codes" */
#define INVALID_GUEST_STATE	0x02
#define INVALID_ADDRESS		0x09
#define DFFLUSH_REQUIRED	0x0f
#define HWERROR_PLATFORM	0x14
#define INVALID_PARAM		0x16
#define NO_SUCH_STATUS		0x7fff

#define NR_VCPUS	2
#define KVM_VMSA_GPA	0xfffffffff000ULL
#define RESET_GPA	0xfffff000ULL
#define MEM_GPA		0x1000000ULL
#define MEM_PAGE(n)	(MEM_GPA + (u64)(n) * PAGE_SIZE)
#define VMSA_PAGE	5
#define NR_LAUNCHED	5	/* pages that are launched before any VMSA */
#define MEM_PAGES	8
#define TERM_CODE	0x61

enum vmsa { VMSA_OF_KVM, VMSA_OF_GUEST, VMSA_FROM_VCPU, NR_VMSA };

static const char * const vmsa_name[] = {
	"KVM's VMSAs", "a VMSA in guest memory", "a VMSA that KVM builds in guest memory",
};

static snpctl_t *ctl;

struct fault {
	u16 cmd;	/* 0: any */
	int nth;	/* 0: none */
	int count;	/* of commands that fail, 0: one */
	u16 status;
	bool after;	/* carried out, and then reported as failed */
	u16 again;	/* status of the next try, if it was carried out */
};

/* What the platform has in use. */
struct usage {
	u64 guest_pages, fw_pages, contexts, bound;
};

/* Pages are counted in the whole RMP: not for each second look. */
static struct usage usage(void)
{
	return (struct usage) {
		.guest_pages = snpctl_read(ctl, SNP_CTL_GUEST_PAGES),
		.fw_pages = snpctl_read(ctl, SNP_CTL_FW_PAGES),
		.contexts = snpctl_read(ctl, SNP_CTL_CONTEXTS),
		.bound = snpctl_read(ctl, SNP_CTL_BOUND),
	};
}

static void arm(const struct fault *f)
{
	snpctl_write(ctl, SNP_CTL_FAIL_HITS, 0);
	snpctl_write(ctl, SNP_CTL_FAIL_STATUS, f->status);
	snpctl_write(ctl, SNP_CTL_FAIL_CMD, f->cmd);
	snpctl_write(ctl, SNP_CTL_FAIL_AFTER, f->after);
	snpctl_write(ctl, SNP_CTL_FAIL_COUNT, f->count);
	snpctl_write(ctl, SNP_CTL_FAIL_NTH, f->nth);
}

static const struct fault no_fault;

/* However the test ends: the next one wants firmware that works. */
static void disarm(void)
{
	arm(&no_fault);
}

/* All that was to fail has failed. */
static bool was_hit(const struct fault *f)
{
	return snpctl_read(ctl, SNP_CTL_FAIL_HITS) == (f->count ?: 1);
}

static u64 nr_cmds(void)
{
	return snpctl_counter(ctl, SNP_CTL_CNT_PSP_CMD);
}

/*
 * At the reset vector: ask for termination by the MSR protocol of the GHCB.
 */
static const u8 reset_code[] = {
	0x66, 0xb9, 0x30, 0x01, 0x01, 0xc0,	/* mov $MSR_AMD64_SEV_ES_GHCB, %ecx */
	0x66, 0xb8, 0x00, 0x11, TERM_CODE, 0,	/* mov $SNP_TERM(1, TERM_CODE), %eax */
	0x66, 0x31, 0xd2,			/* xor %edx, %edx */
	0x0f, 0x30,				/* wrmsr */
	0xf3, 0x0f, 0x01, 0xd9,			/* rep; vmmcall */
	0xeb, 0xfe,				/* jmp . */
};

static const u8 reset_vector[] = { 0xe9, 0x0d, 0xff };	/* jmp reset_code, at 0xff00 */

struct launch {
	const struct fault *fault;
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu[NR_VCPUS];
	enum vmsa vmsa;		/* by SET_VMSA; until then KVM's */
	u8 digest[SNP_DIGEST_LEN];
	bool failed;		/* an ioctl, once */
	bool over;		/* twice: the launch does not go on */
	bool dead;		/* KVM gave up on the VM */
};

/*
 * What the ioctl returns if firmware fails for the first time.  KVM has no word for a
 * context that it can't get.
 */
static int errno_of(const struct fault *f)
{
	return f->cmd == SNP_GCTX_CREATE ? ENOTTY : EIO;
}

/*
 * What an ioctl returned that may have met the fault.  Returns true if it is to
 * be tried again.
 */
static bool failed(struct launch *l, const char *what, int ret, int err, u32 fw_error)
{
	const struct fault *f = l->fault;

	if (!ret)
		return false;
	TEST_ASSERT(was_hit(f), "%s: errno %d, firmware 0x%x, and nothing was made to fail",
		    what, err, fw_error);
	if (l->dead) {
		TEST_ASSERT(err == EIO, "%s on a VM that is dead: errno %d", what, err);
		return false;
	}
	if (l->over)
		return false;
	if (l->failed) {
		/* Firmware has done it, so it is a mistake to ask again. */
		TEST_ASSERT(f->after && err == EIO && fw_error == f->again,
			    "%s, again: errno %d, firmware 0x%x", what, err, fw_error);
		l->over = true;
		return false;
	}
	TEST_ASSERT(err == errno_of(f) && fw_error == f->status,
		    "%s: errno %d, firmware 0x%x, wanted %d, 0x%x", what, err, fw_error,
		    errno_of(f), f->status);
	l->failed = true;
	/* KVM wants the page back, and firmware does not give it. */
	l->dead = (f->after && f->cmd == SNP_LAUNCH_UPDATE) || f->count == 2;
	return !l->dead;
}

static void launch_page(struct launch *l, u64 gpa, int type, const void *contents)
{
	static u8 page[PAGE_SIZE] __aligned(PAGE_SIZE);
	u32 fw_error;
	int ret;

	if (contents)
		memcpy(page, contents, PAGE_SIZE);
	else
		memset(page, 0, PAGE_SIZE);
	do {
		struct kvm_sev_snp_launch_update update = {
			.gfn_start = gpa >> PAGE_SHIFT,
			.uaddr = (u64)page,
			.len = PAGE_SIZE,
			.type = type,
		};

		ret = snp_vm_cmd(l->vm, KVM_SEV_SNP_LAUNCH_UPDATE, &update, &fw_error);
	} while (failed(l, "LAUNCH_UPDATE", ret, errno, fw_error));
	if (!ret)
		snp_digest_page(l->digest, type, gpa, page);
}

static void launch_start(struct launch *l)
{
	u32 fw_error;
	int ret;

	do {
		struct kvm_sev_snp_launch_start start = { .policy = snp_default_policy() };

		ret = snp_vm_cmd(l->vm, KVM_SEV_SNP_LAUNCH_START, &start, &fw_error);
	} while (failed(l, "LAUNCH_START", ret, errno, fw_error));
}

/*
 * GET_VMSA after a LAUNCH_FINISH that returned @ret: only a vCPU whose VMSA is measured
 * has no FROM_VCPU any more.
 */
static void assert_vmsas(struct launch *l, int ret)
{
	int i, built = NR_VCPUS;

	if (l->vmsa == VMSA_OF_KVM || l->dead)
		return;
	if (ret && l->fault->cmd == SNP_LAUNCH_UPDATE)
		built = l->fault->nth - 1 - NR_LAUNCHED;
	for (i = 0; i < NR_VCPUS; i++) {
		bool in_memory = !i || l->vmsa == VMSA_FROM_VCPU;
		struct kvm_sev_snp_get_vmsa get, want = {
			.state = KVM_SEV_SNP_VMSA_STATE_NONE,
			.gpa = KVM_SEV_SNP_VMSA_GPA_NONE,
			.pending_gpa = KVM_SEV_SNP_VMSA_GPA_NONE,
			.sev_features = SNP_SEV_FEATURES,
		};

		if (in_memory) {
			want.state = KVM_SEV_SNP_VMSA_STATE_GUEST;
			want.gpa = MEM_PAGE(VMSA_PAGE + i);
		}
		if (l->vmsa == VMSA_FROM_VCPU && i >= built)
			want.flags = KVM_SEV_SNP_VMSA_FLAG_FROM_VCPU;
		snp_get_vmsa(l->vcpu[i], &get);
		TEST_ASSERT(!memcmp(&get, &want, sizeof(get)),
			    "LAUNCH_FINISH returned %d, vCPU %d: state %u, gpa 0x%llx, flags 0x%x; wanted %u, 0x%llx, 0x%x",
			    ret, i, get.state, get.gpa, get.flags, want.state, want.gpa,
			    want.flags);
	}
}

static void launch_finish(struct launch *l)
{
	static u8 id_auth[KVM_SEV_SNP_ID_AUTH_SIZE] __aligned(PAGE_SIZE);
	struct snp_id_block block = { .version = 1, .policy = snp_default_policy() };
	bool again;
	u32 fw_error;
	int ret;

	/* The emulated firmware compares the digest; it checks no signature. */
	memcpy(block.digest, l->digest, SNP_DIGEST_LEN);
	do {
		struct kvm_sev_snp_launch_finish finish = {
			.id_block_en = 1,
			.id_block_uaddr = (u64)&block,
			.id_auth_uaddr = (u64)id_auth,
		};

		ret = snp_vm_cmd(l->vm, KVM_SEV_SNP_LAUNCH_FINISH, &finish, &fw_error);
		again = failed(l, "LAUNCH_FINISH", ret, errno, fw_error);
		assert_vmsas(l, ret);
	} while (again);
}

static void add_memory(struct launch *l, u64 gpa, int slot, int pages)
{
	vm_userspace_mem_region_add(l->vm, VM_MEM_SRC_ANONYMOUS, gpa, slot, pages,
				    KVM_MEM_GUEST_MEMFD);
	vm_mem_set_private(l->vm, gpa, pages * PAGE_SIZE);
}

static void init_vm(struct launch *l)
{
	struct vm_shape shape = { .mode = VM_MODE_DEFAULT, .type = KVM_X86_SNP_VM };

	l->vm = ____vm_create(shape);
}

static void launch_vmsas(struct launch *l, enum vmsa vmsa)
{
	static u8 page[PAGE_SIZE] __aligned(PAGE_SIZE);
	int i;

	if (vmsa == VMSA_OF_KVM) {
		for (i = 0; i < NR_VCPUS; i++) {
			snp_vmsa_of_kvm(l->vcpu[i], (void *)page);
			snp_digest_page(l->digest, KVM_SEV_SNP_PAGE_TYPE_VMSA, KVM_VMSA_GPA, page);
		}
		return;
	}
	if (vmsa == VMSA_FROM_VCPU) {
		for (i = 0; i < NR_VCPUS; i++) {
			u64 gpa = MEM_PAGE(VMSA_PAGE + i);

			snp_vmsa_of_kvm(l->vcpu[i], (void *)page);
			snp_digest_page(l->digest, KVM_SEV_SNP_PAGE_TYPE_VMSA, gpa, page);
			snp_set_vmsa_from_vcpu(l->vcpu[i], gpa);
		}
		l->vmsa = vmsa;
		return;
	}
	snp_vmsa_of_kvm(l->vcpu[0], (void *)page);
	snp_set_vmsa(l->vcpu[1], KVM_SEV_SNP_VMSA_DESTROY, 0);
	launch_page(l, MEM_PAGE(VMSA_PAGE), KVM_SEV_SNP_PAGE_TYPE_VMSA, page);
	if (l->dead || l->over)
		return;
	snp_set_vmsa(l->vcpu[0], KVM_SEV_SNP_VMSA_CREATE, MEM_PAGE(VMSA_PAGE));
	l->vmsa = vmsa;
}

/*
 * One VM, from its creation to its end, as far as it goes.  Returns whether the
 * guest ran.
 */
static bool cycle(enum vmsa vmsa, const struct fault *fault)
{
	static u8 code[PAGE_SIZE] __aligned(PAGE_SIZE);
	struct launch l = { .fault = fault };
	struct kvm_run *run;
	bool ran = false;
	u64 before;
	int i, ret;

	memcpy(code + 0xf00, reset_code, sizeof(reset_code));
	memcpy(code + 0xff0, reset_vector, sizeof(reset_vector));

	init_vm(&l);
	snp_vm_init(l.vm);
	vm_create_irqchip(l.vm);
	add_memory(&l, RESET_GPA, 1, 1);
	add_memory(&l, MEM_GPA, 2, MEM_PAGES);
	for (i = 0; i < NR_VCPUS; i++) {
		struct kvm_sregs sregs;

		l.vcpu[i] = vm_arch_vcpu_recreate(l.vm, i);
		/* After reset KVM shows data segments as accessed that are not. */
		vcpu_sregs_get(l.vcpu[i], &sregs);
		vcpu_sregs_set(l.vcpu[i], &sregs);
	}

	launch_start(&l);
	launch_page(&l, RESET_GPA, KVM_SEV_SNP_PAGE_TYPE_NORMAL, code);
	launch_page(&l, MEM_PAGE(1), KVM_SEV_SNP_PAGE_TYPE_ZERO, NULL);
	launch_page(&l, MEM_PAGE(2), KVM_SEV_SNP_PAGE_TYPE_UNMEASURED, NULL);
	launch_page(&l, MEM_PAGE(3), KVM_SEV_SNP_PAGE_TYPE_SECRETS, NULL);
	launch_page(&l, MEM_PAGE(4), KVM_SEV_SNP_PAGE_TYPE_CPUID, NULL);
	if (!l.dead && !l.over)
		launch_vmsas(&l, vmsa);
	launch_finish(&l);

	before = nr_cmds();
	run = l.vcpu[0]->run;
	ret = __vcpu_run(l.vcpu[0]);
	if (!ret && run->exit_reason == KVM_EXIT_SYSTEM_EVENT) {
		TEST_ASSERT_EQ(run->system_event.type, KVM_SYSTEM_EVENT_SEV_TERM);
		TEST_ASSERT_EQ(run->system_event.data[0],
			       SNP_TERM(SNP_TERM_SET_DONE, TERM_CODE));
		ran = true;
	}
	TEST_ASSERT(nr_cmds() == before, "%lu firmware commands during KVM_RUN",
		    (unsigned long)(nr_cmds() - before));
	kvm_vm_free(l.vm);
	return ran;
}

/* @lost: what the kernel gave up of each */
static void assert_balance(const char *what, const struct usage *before, const struct usage *lost)
{
	struct usage now;
	int ms;

	/* Guest memory is given back a moment after the VM is closed. */
	for (ms = 0; ms < 3000; ms += 20) {
		now = usage();
		if (now.guest_pages == before->guest_pages + lost->guest_pages)
			break;
		usleep(20000);
	}
	TEST_ASSERT(now.guest_pages == before->guest_pages + lost->guest_pages,
		    "%s: %lu pages assigned to guests, %lu before and %lu lost", what,
		    (unsigned long)now.guest_pages, (unsigned long)before->guest_pages,
		    (unsigned long)lost->guest_pages);
	TEST_ASSERT(now.fw_pages == before->fw_pages + lost->fw_pages &&
		    now.contexts == before->contexts + lost->contexts &&
		    now.bound == before->bound + lost->bound,
		    "%s: %ld pages of firmware, %ld contexts, %ld ASIDs more; wanted %lu, %lu, %lu",
		    what, (long)(now.fw_pages - before->fw_pages),
		    (long)(now.contexts - before->contexts), (long)(now.bound - before->bound),
		    (unsigned long)lost->fw_pages, (unsigned long)lost->contexts,
		    (unsigned long)lost->bound);
}

/* The VM after one in which something failed, and what is left of the two. */
static void assert_recovers(enum vmsa vmsa, const char *what, const struct usage *before,
			    const struct usage *lost)
{
	arm(&no_fault);
	TEST_ASSERT(cycle(vmsa, &no_fault), "%s: the next VM does not run", what);
	assert_balance(what, before, lost);
}

/* Number of commands @cmd of a healthy VM. */
static int count(enum vmsa vmsa, u16 cmd)
{
	struct fault f = { .cmd = cmd, .nth = 1000 };
	int nr;

	arm(&f);
	TEST_ASSERT(cycle(vmsa, &f), "a healthy VM does not run");
	nr = f.nth - snpctl_read(ctl, SNP_CTL_FAIL_NTH);
	arm(&no_fault);
	return nr;
}

static void fail_one(enum vmsa vmsa, const struct fault *f, struct usage *before,
		     const struct usage *lost, bool runs)
{
	char what[100];
	bool ran;

	snprintf(what, sizeof(what), "command 0x%x, number %d, %s with 0x%x", f->cmd, f->nth,
		 f->after ? "done and failed" : "refused", f->status);
	arm(f);
	ran = cycle(vmsa, f);
	TEST_ASSERT(was_hit(f), "%s: nothing was made to fail", what);
	TEST_ASSERT(ran == runs, "%s: the guest %s", what, ran ? "ran" : "did not run");
	assert_recovers(vmsa, what, before, lost);
	before->guest_pages += lost->guest_pages;
	before->fw_pages += lost->fw_pages;
	before->contexts += lost->contexts;
	before->bound += lost->bound;
}

static const struct {
	u16 cmd;
	const char *name;
	/* what is lost, if it is refused or if it is carried out: */
	struct usage refused, done;
	bool leaks;		/* if it is refused */
	bool leaks_done;
	bool runs_done;
	u16 again;
} cmds[] = {
	{ SNP_GCTX_CREATE, "GCTX_CREATE", .leaks_done = true, .runs_done = true,
	  .done = { .fw_pages = 1, .contexts = 1 } },
	{ SNP_LAUNCH_START, "LAUNCH_START", .runs_done = true },
	{ SNP_ACTIVATE, "ACTIVATE", .again = DFFLUSH_REQUIRED },
	{ SNP_LAUNCH_UPDATE, "LAUNCH_UPDATE", .leaks_done = true },
	{ SNP_LAUNCH_FINISH, "LAUNCH_FINISH", .again = INVALID_GUEST_STATE },
	{ SNP_PAGE_RECLAIM, "PAGE_RECLAIM", .leaks = true, .leaks_done = true, .runs_done = true,
	  .refused = { .fw_pages = 1 }, .done = { .fw_pages = 1 } },
	{ SNP_DECOMMISSION, "DECOMMISSION", .leaks = true, .leaks_done = true, .runs_done = true,
	  .refused = { .fw_pages = 1, .contexts = 1, .bound = 1 }, .done = { .fw_pages = 1 } },
};

static void fail_each(enum vmsa vmsa, int c, bool leaks)
{
	static const u16 status[] = {
		INVALID_ADDRESS, INVALID_PARAM, HWERROR_PLATFORM, NO_SUCH_STATUS,
	};
	int nr = count(vmsa, cmds[c].cmd), i, n = 0;
	struct fault f = { .cmd = cmds[c].cmd, .again = cmds[c].again };
	struct usage before = usage();

	for (f.nth = 1; f.nth <= nr; f.nth++) {
		for (i = 0; i < ARRAY_SIZE(status); i++) {
			f.status = status[i];
			f.after = false;
			if (cmds[c].leaks == leaks) {
				fail_one(vmsa, &f, &before, &cmds[c].refused, true);
				n++;
			}
			f.after = true;
			if (cmds[c].leaks_done == leaks) {
				fail_one(vmsa, &f, &before, &cmds[c].done, cmds[c].runs_done);
				n++;
			}
			/* One page that is lost is like another. */
			if (leaks)
				break;
		}
	}
	if (n)
		ksft_test_result_pass("%s, %s: %d failures\n", cmds[c].name, vmsa_name[vmsa], n);
}

/*
 * LAUNCH_UPDATE is refused, and so is the PAGE_RECLAIM with which KVM wants the
 * page back: it is immutable for good.
 */
static void fail_two(enum vmsa vmsa, const char *what, int nth)
{
	struct fault f = { .nth = nth, .count = 2, .status = HWERROR_PLATFORM };
	const struct usage lost = { .guest_pages = 1 };
	struct usage before = usage();

	fail_one(vmsa, &f, &before, &lost, false);
	ksft_test_result_pass("LAUNCH_UPDATE of %s and PAGE_RECLAIM\n", what);
}

/* Every command of a healthy VM is one of those that are made to fail. */
static void count_all(enum vmsa vmsa)
{
	int c, all, sum = 0;
	u64 before;

	before = nr_cmds();
	TEST_ASSERT(cycle(vmsa, &no_fault), "a healthy VM does not run");
	all = nr_cmds() - before;
	for (c = 0; c < ARRAY_SIZE(cmds); c++)
		sum += count(vmsa, cmds[c].cmd);
	ksft_test_result(sum == all, "%s: %d commands, %d known\n", vmsa_name[vmsa], all, sum);
}

/* ASIDs run out, and are flushed to be used again. */
static void fail_df_flush(void)
{
	struct fault f = { .cmd = SNP_DF_FLUSH, .nth = 1, .status = HWERROR_PLATFORM };
	const struct usage none = {};
	struct usage before = usage();
	struct kvm_sev_init init = {};
	struct launch l = {};
	int i, ret = 0, err = 0;

	arm(&f);
	for (i = 0; i < 600 && !ret; i++) {
		init_vm(&l);
		ret = snp_vm_cmd(l.vm, KVM_SEV_INIT2, &init, NULL);
		err = errno;
		kvm_vm_free(l.vm);
	}
	TEST_ASSERT(ret && err == EBUSY && was_hit(&f),
		    "INIT2 number %d: returned %d, errno %d", i, ret, err);
	assert_recovers(VMSA_OF_KVM, "DF_FLUSH", &before, &none);
	ksft_test_result_pass("DF_FLUSH, after %d VMs\n", i);
}

/* Fields above 0x200: the second half of the bitmap */
#define GHCB_VALID(field)	BIT_ULL(offsetof(struct snp_ghcb, field) / 8 - 64)

/*
 * A guest with a GHCB asks firmware, each time with an empty message, and tells what it
 * got: SW_EXITINFO2 in val[0], and SW_EXITINFO1 in val[1].
 */
static void guest_request(struct snp_cpu *cpu)
{
	volatile struct snp_mbox *mbox = cpu->mbox;
	volatile struct snp_ghcb *ghcb = cpu->ghcb;
	u32 i;

	snp_guest_start(cpu);
	for (i = 0; ; i++) {
		snp_guest_sync(cpu, i);

		ghcb->valid_bitmap[1] = GHCB_VALID(sw_exit_code) | GHCB_VALID(sw_exit_info_1) |
					GHCB_VALID(sw_exit_info_2);
		ghcb->sw_exit_code = SVM_VMGEXIT_GUEST_REQUEST;
		ghcb->sw_exit_info_1 = mbox->arg[0];
		ghcb->sw_exit_info_2 = mbox->arg[1];
		wrmsr(MSR_AMD64_SEV_ES_GHCB, cpu->ghcb_gpa);
		vmgexit();
		mbox->val[0] = ghcb->sw_exit_info_2;
		mbox->val[1] = ghcb->sw_exit_info_1;
	}
}

/* The guest's request number @nr, and firmware's answer to it. */
static void assert_request(struct snp_vm *s, u32 nr, const struct fault *f, u16 status)
{
	volatile struct snp_mbox *mbox = s->mbox[0];

	mbox->val[0] = mbox->val[1] = ~0ULL;
	arm(f);
	snp_run_to_sync(s, 0, nr);
	TEST_ASSERT(!f->nth || was_hit(f), "request %u: nothing was made to fail", nr);
	TEST_ASSERT(mbox->val[0] == status && !mbox->val[1],
		    "request %u: the guest got 0x%lx, 0x%lx, wanted 0x%x", nr,
		    (unsigned long)mbox->val[0], (unsigned long)mbox->val[1], status);
}

/* Firmware's error is the guest's to handle: KVM tells it, and the VM goes on. */
static void fail_guest_request(void)
{
	static const u16 status[] = { INVALID_ADDRESS, HWERROR_PLATFORM, NO_SUCH_STATUS };
	struct fault f = { .cmd = SNP_GUEST_REQUEST, .nth = 1 };
	const struct usage none = {};
	struct usage before = usage();
	struct snp_vm *s;
	u32 nr = 0;
	int i;

	s = snp_vm_create(1, guest_request);
	/* Pages that guest and host share, and that nobody else uses. */
	s->mbox[0]->arg[0] = addr_hva2gpa(s->vm, s->mbox[1]);
	s->mbox[0]->arg[1] = addr_hva2gpa(s->vm, s->mbox[2]);
	snp_launch_start(s);
	snp_launch_memory(s);
	snp_launch_finish(s);
	snp_run_to_sync(s, 0, nr);

	/* Without a failure it is the message that firmware does not like. */
	assert_request(s, ++nr, &no_fault, INVALID_PARAM);
	for (i = 0; i < ARRAY_SIZE(status); i++) {
		f.status = status[i];
		f.after = false;
		assert_request(s, ++nr, &f, status[i]);
		f.after = true;
		assert_request(s, ++nr, &f, status[i]);
		assert_request(s, ++nr, &no_fault, INVALID_PARAM);
	}
	snp_vm_free(s);
	assert_recovers(VMSA_OF_KVM, "GUEST_REQUEST", &before, &none);
	ksft_test_result_pass("GUEST_REQUEST: %u requests\n", nr);
}

int main(int argc, char *argv[])
{
	bool leaks = argc > 1 && !strcmp(argv[1], "-l");
	int c, vmsa, nr_vmsa = snp_has_vmsa_uapi() ? NR_VMSA : VMSA_OF_KVM + 1;

	TEST_REQUIRE(kvm_cpu_has(X86_FEATURE_SEV_SNP));
	TEST_REQUIRE(kvm_check_cap(KVM_CAP_VM_TYPES) & BIT(KVM_X86_SNP_VM));
	ctl = snpctl_open();
	__TEST_REQUIRE(ctl, "no control device: not the emulated platform");
	atexit(disarm);

	ksft_print_header();
	for (vmsa = 0; vmsa < nr_vmsa; vmsa++) {
		count_all(vmsa);
		for (c = 0; c < ARRAY_SIZE(cmds); c++)
			fail_each(vmsa, c, leaks);
	}
	if (!leaks) {
		fail_guest_request();
		fail_df_flush();
	} else {
		/* After three other commands, and the pages. */
		fail_two(VMSA_OF_KVM, "a page", 3 + 1);
		fail_two(VMSA_OF_KVM, "KVM's VMSA", 3 + NR_LAUNCHED + 1);
		for (vmsa = VMSA_OF_GUEST; vmsa < nr_vmsa; vmsa++)
			fail_two(vmsa, vmsa_name[vmsa], 3 + NR_LAUNCHED + 1);
	}
	ksft_set_plan(ksft_test_num());
	ksft_finished();
}
