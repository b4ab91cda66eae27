// SPDX-License-Identifier: GPL-2.0
/*
 * Shows a VMSA in guest memory being launched, run and zapped: what each stage
 * does, what came of it, and how long it took.
 */
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "test_util.h"
#include "snp_vmsa.h"
#include "snpctl.h"

#define BSP_GPA		SNP_VMSA_GPA(3)
#define AP_GPA		SNP_VMSA_GPA(1)
#define AP2_GPA		SNP_VMSA_GPA(2)
#define NR_VCPUS	4

/* Of KVM_EXIT_MEMORY_FAULT for a VMSA */
#define VMSA_FAULT	(KVM_MEMORY_EXIT_FLAG_PRIVATE | KVM_MEMORY_EXIT_FLAG_SNP_VMSA)

#define MAGIC_RAX	0x1111111111111111ULL
#define MAGIC_R8	0x8888888888888888ULL
#define MAGIC_R14	0xeeeeeeeeeeeeeeeeULL
#define MAGIC_LSTAR	0x7eed00001000ULL
#define MAGIC_XMM0	0x0123456789abcdefULL

/*
 * The control device of the emulated platform, if there is one: pages that the
 * RMP has assigned to guests, and VMRUNs with a stale VMSA.
 */
static snpctl_t *ctl;

static u64 ctl_guest_pages(void)
{
	return snpctl_read(ctl, SNP_CTL_GUEST_PAGES);
}

static u64 ctl_stale(void)
{
	return snpctl_counter(ctl, SNP_CTL_CNT_VMRUN_STALE_VMSA);
}

/*
 * Guest
 */

static void guest_bsp(struct snp_cpu *cpu)
{
	volatile struct snp_mbox *mbox = cpu->mbox;
	struct snp_vmsa *page;
	u32 i;

	mbox->val[0] = cpu->regs[SNP_RAX];
	mbox->val[1] = cpu->regs[SNP_R8];
	mbox->val[2] = cpu->regs[SNP_R14];
	mbox->val[3] = rdmsr(MSR_LSTAR);
	mbox->val[4] = cpu->xmm0[0];
	mbox->val[5] = rdmsr(MSR_AMD64_SEV);

	snp_guest_start(cpu);
	for (i = 0; ; i++) {
		snp_guest_sync(cpu, i);
		page = cpu->ap_vmsa + ((mbox->arg[0] - cpu->ap_vmsa_gpa) >> PAGE_SHIFT);
		SNP_GUEST_ASSERT_EQ(cpu, snp_guest_make_vmsa(cpu, page, cpu->ap_init), 0);
		SNP_GUEST_ASSERT_EQ(cpu, snp_guest_ap_creation(cpu, KVM_SEV_SNP_VMSA_CREATE, 1,
							       mbox->arg[0]), 0);
	}
}

static void guest_ap(struct snp_cpu *cpu)
{
	volatile struct snp_mbox *mbox = cpu->mbox;

	for (;;)
		mbox->count++;
}

/*
 * Host
 */

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e3 + ts.tv_nsec / 1e6;
}

static double stage_start;
static int stage_nr;

static void __printf(1, 2) stage(const char *fmt, ...)
{
	double ms = now_ms() - stage_start;
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	printf("%2d  %-66s %7.1f ms\n", ++stage_nr, text, ms);
	stage_start = now_ms();
}

static void reg(const char *name, u64 page, u64 guest)
{
	printf("      %-6s 0x%016llx   0x%016llx%s\n", name, (unsigned long long)page,
	       (unsigned long long)guest, page == guest ? "" : "   DIFFERENT");
	TEST_ASSERT(page == guest, "%s differs", name);
}

static struct snp_vm *launch(u8 *digest, bool spoil, u32 *fw_error, int *ret)
{
	static u8 page[PAGE_SIZE] __aligned(PAGE_SIZE);
	struct snp_vmsa *vmsa = (void *)page;
	u64 xmm0 = MAGIC_XMM0;
	struct snp_vm *s;
	double predict;
	int i;

	s = snp_vm_create(NR_VCPUS, guest_bsp);
	snp_vmsa_init(s, s->ap_init, 1, guest_ap);
	snp_vmsa_init(s, vmsa, 0, snp_guest_entry_regs);
	vmsa->r15 = (u64)guest_bsp;
	vmsa->rax = MAGIC_RAX;
	vmsa->r8 = MAGIC_R8;
	vmsa->r14 = MAGIC_R14;
	vmsa->lstar = MAGIC_LSTAR;
	memcpy(vmsa->fpreg_xmm, &xmm0, sizeof(xmm0));
	if (!spoil)
		stage("VM with %d vCPUs, memory in guest_memfd", s->nr_vcpus);

	snp_launch_start(s);
	if (!spoil)
		stage("LAUNCH_START: a context in the firmware, an ASID");

	snp_launch_memory(s);
	if (!spoil)
		stage("LAUNCH_UPDATE: %u pages of code, data and page tables", s->nr_pages);

	snp_launch_page(s, BSP_GPA, vmsa, KVM_SEV_SNP_PAGE_TYPE_VMSA);
	snp_set_vmsa(s->vcpu[0], KVM_SEV_SNP_VMSA_CREATE, BSP_GPA);
	for (i = 1; i < NR_VCPUS; i++)
		snp_set_vmsa(s->vcpu[i], KVM_SEV_SNP_VMSA_DESTROY, 0);
	if (!spoil)
		stage("VMSA page at 0x%llx, SET_VMSA: vCPU 0 has it, 1-%d none",
		      (unsigned long long)BSP_GPA, NR_VCPUS - 1);

	/* The same pages in the same order, by this program alone. */
	memset(s->digest, 0, SNP_DIGEST_LEN);
	predict = now_ms();
	snp_digest_memory(s);
	snp_digest_page(s->digest, KVM_SEV_SNP_PAGE_TYPE_VMSA, BSP_GPA, vmsa);
	predict = now_ms() - predict;
	stage_start += predict;
	if (!spoil)
		printf("      digest predicted by this program, in %.0f ms:\n", predict);
	memcpy(digest, s->digest, SNP_DIGEST_LEN);
	if (spoil)
		s->digest[0] ^= 1;

	*ret = __snp_launch_finish(s, s->digest, fw_error);
	return s;
}

struct ap {
	struct kvm_vcpu *vcpu;
	int ret, err;
	double returned;
};

static void *run_ap(void *arg)
{
	struct ap *ap = arg;

	ap->ret = __vcpu_run(ap->vcpu);
	ap->err = errno;
	ap->returned = now_ms();
	return NULL;
}

static const char *state_str(u32 state)
{
	static const char * const str[] = { "KVM", "NONE", "GUEST", "LOST" };

	return state < ARRAY_SIZE(str) ? str[state] : "?";
}

int main(void)
{
	u64 pages = 0, most = 0, stale = 0;
	char str[2 * SNP_DIGEST_LEN + 1];
	u8 digest[SNP_DIGEST_LEN];
	struct kvm_sev_snp_get_vmsa get;
	volatile struct snp_mbox *mbox;
	double start = now_ms(), zap;
	struct kvm_run *run;
	pthread_t thread;
	struct snp_vm *s;
	struct ap ap;
	u32 fw_error;
	u64 count;
	int ret;

	TEST_REQUIRE(kvm_cpu_has(X86_FEATURE_SEV_SNP));
	TEST_REQUIRE(kvm_check_cap(KVM_CAP_VM_TYPES) & BIT(KVM_X86_SNP_VM));
	TEST_REQUIRE(snp_has_vmsa_uapi());
	setvbuf(stdout, NULL, _IOLBF, 0);

	ctl = snpctl_open();
	if (ctl) {
		pages = ctl_guest_pages();
		stale = ctl_stale();
	}
	printf("A VMSA in guest memory: launch, run, zap             platform: %s\n\n",
	       ctl ? "emulated" : "hardware, or no control device");

	stage_start = now_ms();
	s = launch(digest, false, &fw_error, &ret);
	TEST_ASSERT(!ret, "LAUNCH_FINISH: errno %d, firmware 0x%x", errno, fw_error);
	snp_digest_str(digest, str);
	printf("      %s\n", str);
	stage("LAUNCH_FINISH: firmware takes an ID block with it: the same digest");

	{
		u8 again[SNP_DIGEST_LEN];
		struct snp_vm *other = launch(again, true, &fw_error, &ret);

		TEST_ASSERT(ret && fw_error == SEV_RET_BAD_MEASUREMENT,
			    "a wrong digest was taken: errno %d, firmware 0x%x", errno, fw_error);
		snp_vm_free(other);
		stage("another VM, one bit of the digest flipped: BAD_MEASUREMENT (0x%x)",
		      fw_error);
	}

	mbox = s->mbox[0];
	snp_run_to_sync(s, 0, 0);
	stage("KVM_RUN of vCPU 0: the guest read its registers and did a VMGEXIT");
	printf("             in the page          in the guest\n");
	reg("RAX", MAGIC_RAX, mbox->val[0]);
	reg("R8", MAGIC_R8, mbox->val[1]);
	reg("R14", MAGIC_R14, mbox->val[2]);
	reg("LSTAR", MAGIC_LSTAR, mbox->val[3]);
	reg("XMM0", MAGIC_XMM0, mbox->val[4]);
	printf("      SEV_STATUS in the guest: 0x%llx (SEV, SEV-ES, SEV-SNP)\n",
	       (unsigned long long)mbox->val[5]);
	stage_start = now_ms();

	mbox->arg[0] = AP_GPA;
	snp_run_to_sync(s, 0, 1);
	stage("guest: VMSA at 0x%llx by PVALIDATE, RMPADJUST, AP_CREATE",
	      (unsigned long long)AP_GPA);

	mbox = s->mbox[1];
	run = s->vcpu[1]->run;
	ap = (struct ap){ .vcpu = s->vcpu[1] };
	pthread_create(&thread, NULL, run_ap, &ap);
	while (mbox->count < 100000)
		sched_yield();
	stage("vCPU 1 runs with it, and counted to 100,000");

	if (ctl)
		most = ctl_guest_pages();
	stage_start = now_ms();

	zap = now_ms();
	vm_guest_mem_punch_hole(s->vm, AP_GPA, PAGE_SIZE);
	zap = now_ms() - zap;
	count = mbox->count;
	pthread_join(thread, NULL);
	stage("PUNCH_HOLE over the VMSA while vCPU 1 runs (the call: %.1f ms)", zap);
	printf("      the guest after that: %s\n",
	       mbox->count == count ? "not one instruction" : "STILL RAN");
	TEST_ASSERT(mbox->count == count, "vCPU 1 ran on");

	snp_get_vmsa(s->vcpu[1], &get);
	printf("      KVM_RUN: %d, %s; exit reason %s\n", ap.ret, strerror(ap.err),
	       exit_reason_str(run->exit_reason));
	printf("      memory_fault: gpa 0x%llx size 0x%llx flags 0x%llx (%s)\n",
	       run->memory_fault.gpa, run->memory_fault.size, run->memory_fault.flags,
	       run->memory_fault.flags == VMSA_FAULT ? "PRIVATE | SNP_VMSA" : "WRONG");
	printf("      GET_VMSA: state %s, gpa 0x%llx\n", state_str(get.state), get.gpa);
	snp_assert_vmsa_missing(ap.vcpu, ap.ret, ap.err, AP_GPA);
	TEST_ASSERT(get.state == KVM_SEV_SNP_VMSA_STATE_LOST && get.gpa == AP_GPA && !get.pending,
		    "GET_VMSA: not what was promised");
	stage_start = now_ms();

	s->mbox[0]->arg[0] = AP2_GPA;
	snp_run_to_sync(s, 0, 2);
	pthread_create(&thread, NULL, run_ap, &ap);
	while (mbox->count == count)
		sched_yield();
	stage("the guest gives vCPU 1 another, at 0x%llx: it runs again",
	      (unsigned long long)AP2_GPA);
	vm_guest_mem_punch_hole(s->vm, AP2_GPA, PAGE_SIZE);
	pthread_join(thread, NULL);
	snp_assert_vmsa_missing(ap.vcpu, ap.ret, ap.err, AP2_GPA);

	snp_vm_free(s);
	stage("the VM is gone");

	if (ctl) {
		double end = now_ms() + 1000;

		/* The last pages are freed a moment after the VM. */
		while (ctl_guest_pages() > pages && now_ms() < end)
			usleep(1000);
		printf("      RMP: %llu pages of guests before, %llu while it ran, %llu after\n",
		       (unsigned long long)pages, (unsigned long long)most,
		       (unsigned long long)ctl_guest_pages());
		printf("      VMRUNs with a stale VMSA: %llu\n",
		       (unsigned long long)(ctl_stale() - stale));
		TEST_ASSERT(ctl_guest_pages() <= pages && ctl_stale() == stale,
			    "the RMP does not balance");
	}

	printf("\nAll as promised, in %.0f ms.\n", now_ms() - start);
	return 0;
}
