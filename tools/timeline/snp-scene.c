// SPDX-License-Identifier: GPL-2.0
/*
 * snp-scene: a launch, a zap and two recoveries with KVM's trace events recorded,
 * for timeline.c to draw.  Prints the record on stdout.
 *
 * Between two lines "mark: N" of the record N was written to SNP_CTL_MARK of the emulated
 * platform: from the closest pair at the start and the one at the end follows how the
 * platform's clock and the kernel's compare.  A line "stage: PANEL | TEXT" starts a stage.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "test_util.h"
#include "snp_vmsa.h"
#include "snpctl.h"

#define TRACING		"/sys/kernel/tracing"
#define BSP_GPA		SNP_VMSA_GPA(3)
#define AP_GPA		SNP_VMSA_GPA(1)
#define AP2_GPA		SNP_VMSA_GPA(2)
#define AP3_GPA		SNP_VMSA_GPA(5)

static snpctl_t *ctl;
static int marker = -1;

/* arg[0]: where to make a VMSA; arg[1]: AP Creation with it, too */
static void guest_bsp(struct snp_cpu *cpu)
{
	volatile struct snp_mbox *mbox = cpu->mbox;
	u32 i;

	snp_guest_start(cpu);
	for (i = 0; ; i++) {
		struct snp_vmsa *page;

		snp_guest_sync(cpu, i);
		page = cpu->ap_vmsa + ((mbox->arg[0] - cpu->ap_vmsa_gpa) >> PAGE_SHIFT);
		SNP_GUEST_ASSERT_EQ(cpu, snp_guest_make_vmsa(cpu, page, cpu->ap_init), 0);
		if (mbox->arg[1])
			SNP_GUEST_ASSERT_EQ(cpu,
					    snp_guest_ap_creation(cpu, KVM_SEV_SNP_VMSA_CREATE, 1,
								  mbox->arg[0]), 0);
	}
}

static void guest_ap(struct snp_cpu *cpu)
{
	volatile struct snp_mbox *mbox = cpu->mbox;

	for (;;)
		mbox->count++;
}

static void put(const char *file, const char *text)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), TRACING "/%s", file);
	fd = open(path, O_WRONLY | O_TRUNC);
	TEST_ASSERT(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text),
		    "'%s' to %s: errno %d (%s); is tracefs there, and are we root?", text, path,
		    errno, strerror(errno));
	close(fd);
}

static void start_trace(void)
{
	static const char * const events[] = {
		"kvm_entry", "kvm_exit", "kvm_userspace_exit", "kvm_vmgexit_enter",
		"kvm_vmgexit_msr_protocol_enter", "kvm_vm_set_mem_attributes",
	};
	char path[128];
	unsigned int i;

	if (access(TRACING "/trace_marker", W_OK))
		mount("tracefs", TRACING, "tracefs", 0, NULL);
	put("tracing_on", "0");
	put("current_tracer", "nop");
	put("trace_clock", "mono");
	put("buffer_size_kb", "4096");
	put("trace", "");
	for (i = 0; i < ARRAY_SIZE(events); i++) {
		snprintf(path, sizeof(path), "events/kvm/%s/enable", events[i]);
		put(path, "1");
	}
	marker = open(TRACING "/trace_marker", O_WRONLY);
	TEST_ASSERT(marker >= 0, "trace_marker: errno %d (%s)", errno, strerror(errno));
	put("tracing_on", "1");
}

static void print_trace(void)
{
	char buf[65536];
	ssize_t n;
	int fd;

	put("tracing_on", "0");
	fd = open(TRACING "/trace", O_RDONLY);
	TEST_ASSERT(fd >= 0, "trace: errno %d (%s)", errno, strerror(errno));
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		fwrite(buf, 1, n, stdout);
	close(fd);
}

static void say(const char *text)
{
	TEST_ASSERT(write(marker, text, strlen(text)) > 0, "trace_marker: errno %d", errno);
}

static void stage(const char *panel, const char *text)
{
	char line[256];

	snprintf(line, sizeof(line), "stage: %s | %s", panel, text);
	say(line);
}

/* Several times: the host may be busy with something else in between. */
static void mark(int first)
{
	char line[32];
	int i;

	for (i = first; ctl && i < first + 10; i++) {
		snprintf(line, sizeof(line), "mark: %d", i);
		say(line);
		snpctl_write(ctl, SNP_CTL_MARK, i);
		say(line);
	}
}

static void *run_ap(void *arg)
{
	struct kvm_vcpu *vcpu = arg;
	int ret;

	prctl(PR_SET_NAME, "vcpu1");
	ret = __vcpu_run(vcpu);
	TEST_ASSERT(ret == -1 && errno == EFAULT &&
		    vcpu->run->exit_reason == KVM_EXIT_MEMORY_FAULT,
		    "KVM_RUN of vCPU 1: %d, errno %d, exit %s; wanted MEMORY_FAULT", ret, errno,
		    exit_reason_str(vcpu->run->exit_reason));
	return NULL;
}

static u32 round_nr;

static void *bsp_step(void *arg)
{
	struct snp_vm *s = arg;

	prctl(PR_SET_NAME, "vcpu0");
	snp_run_to_sync(s, 0, round_nr++);
	return NULL;
}

static void run_bsp(struct snp_vm *s)
{
	pthread_t thread;

	pthread_create(&thread, NULL, bsp_step, s);
	pthread_join(thread, NULL);
}

static pthread_t start_ap(struct snp_vm *s)
{
	volatile struct snp_mbox *mbox = s->mbox[1];
	u64 count = mbox->count;
	pthread_t thread;

	pthread_create(&thread, NULL, run_ap, s->vcpu[1]);
	while (mbox->count < count + 2000)
		sched_yield();
	return thread;
}

int main(void)
{
	static u8 page[PAGE_SIZE] __aligned(PAGE_SIZE);
	struct snp_vmsa *vmsa = (void *)page;
	volatile struct snp_mbox *mbox;
	pthread_t ap;
	struct snp_vm *s;

	TEST_REQUIRE(kvm_cpu_has(X86_FEATURE_SEV_SNP));
	TEST_REQUIRE(kvm_check_cap(KVM_CAP_VM_TYPES) & BIT(KVM_X86_SNP_VM));
	TEST_REQUIRE(snp_has_vmsa_uapi());
	prctl(PR_SET_NAME, "vmm");
	ctl = snpctl_open();
	start_trace();
	mark(1);

	stage("Launch", "VM, guest_memfd");
	s = snp_vm_create(2, guest_bsp);
	snp_vmsa_init(s, s->ap_init, 1, guest_ap);
	snp_vmsa_init(s, vmsa, 0, guest_bsp);
	stage("Launch", "START");
	snp_launch_start(s);
	stage("Launch", "LAUNCH_UPDATE: code, data, page tables");
	snp_launch_memory(s);
	stage("Launch", "VMSA page, SET_VMSA");
	snp_launch_page(s, BSP_GPA, vmsa, KVM_SEV_SNP_PAGE_TYPE_VMSA);
	snp_set_vmsa(s->vcpu[0], KVM_SEV_SNP_VMSA_CREATE, BSP_GPA);
	snp_set_vmsa(s->vcpu[1], KVM_SEV_SNP_VMSA_DESTROY, 0);
	stage("Launch", "FINISH");
	snp_launch_finish(s);

	stage("Run and zap", "vCPU 0 starts from its VMSA");
	run_bsp(s);
	stage("Run and zap", "guest: AP_CREATE");
	mbox = s->mbox[0];
	mbox->arg[0] = AP_GPA;
	mbox->arg[1] = true;
	run_bsp(s);
	stage("Run and zap", "vCPU 1 runs");
	ap = start_ap(s);
	stage("Run and zap", "PUNCH_HOLE");
	vm_guest_mem_punch_hole(s->vm, AP_GPA, PAGE_SIZE);
	pthread_join(ap, NULL);

	stage("Recovery", "guest: another VMSA, AP_CREATE");
	mbox->arg[0] = AP2_GPA;
	run_bsp(s);
	stage("Recovery", "vCPU 1 runs again");
	ap = start_ap(s);
	stage("Recovery", "PUNCH_HOLE");
	vm_guest_mem_punch_hole(s->vm, AP2_GPA, PAGE_SIZE);
	pthread_join(ap, NULL);
	stage("Recovery", "guest: a VMSA");
	mbox->arg[0] = AP3_GPA;
	mbox->arg[1] = false;
	run_bsp(s);
	stage("Recovery", "host: SET_VMSA");
	snp_set_vmsa(s->vcpu[1], KVM_SEV_SNP_VMSA_CREATE, AP3_GPA);
	stage("Recovery", "vCPU 1 runs");
	ap = start_ap(s);
	stage("Recovery", "PUNCH_HOLE");
	vm_guest_mem_punch_hole(s->vm, AP3_GPA, PAGE_SIZE);
	pthread_join(ap, NULL);
	stage("End", "VM gone");
	snp_vm_free(s);
	mark(11);
	stage("end", "");

	print_trace();
	return 0;
}
