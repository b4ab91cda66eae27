// SPDX-License-Identifier: GPL-2.0
/*
 * vmsa-zap: stress on VMSAs in guest memory.  vCPUs run while FALLOCATE requests,
 * by io_uring and by fallocate(2), punch and refill guest_memfd on and around
 * the pages of their VMSAs; each loss is repaired with another VMSA, given by
 * the guest (AP Creation) or by the host (KVM_SEV_SNP_SET_VMSA).
 *
 * Documentation/vmsa-zap.rst describes options, output and exit status.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <liburing.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "test_util.h"
#include "snp_vmsa.h"
#include "snpctl.h"

#define MAX_APS		(SNP_MAX_VCPUS - 1)
#define MAX_RINGS	16
#define MAX_DEPTH	256
/* Pages of the VMSA slot that belong to one AP: it has its VMSA in one of them. */
#define AP_PAGES	8
#define AP_PAGE(ap, n)	((ap) * AP_PAGES + (n))
#define NO_PAGE		(-1)

/* Parts of a second in which requests go one way, then the other. */
#define SLICE		0.25

enum recover { RECOVER_MIX, RECOVER_GUEST, RECOVER_HOST };
enum way { WAY_URING, WAY_PLAIN, NR_WAYS };

static const char * const recover_names[] = { "mix", "guest", "host" };
static const char * const way_names[] = { "io_uring", "fallocate" };

static struct {
	int aps, rings, depth;
	double seconds;
	u64 seed;
	enum recover recover;
	bool way[NR_WAYS];
	bool json, quiet;
} opt = {
	.aps = 3,
	.rings = 2,
	.depth = 16,
	.seconds = 10,
	.way = { true, true },
};

struct ap {
	int nr;				/* its vCPU is number nr + 1 */
	pthread_t thread;
	sem_t go;			/* has a VMSA: run it */
	atomic_int page;		/* of its VMSA while it should run, or NO_PAGE */
	atomic_bool lost;		/* waits for another VMSA */
	u64 token;			/* R14 of its VMSA, shown by the guest */
};

struct ring {
	int nr;
	pthread_t thread;
	struct io_uring uring;
	u64 random;
	atomic_ulong punches[NR_WAYS], refills[NR_WAYS];
	atomic_ulong aimed;		/* punches of the VMSA of a running vCPU */
	double time[NR_WAYS];
};

struct request {
	int page;
	bool punch;
	bool shared;			/* by attribute, before the punch */
};

static struct ap aps[MAX_APS];
static struct ring rings[MAX_RINGS];
static struct snp_vm *snp;
static int gmem_fd;
static bool uapi;
static double start;
static sem_t work;			/* an AP is lost, or all is to stop */
static atomic_bool stop_rings, stop_aps;
static volatile sig_atomic_t signalled;

static struct {
	atomic_ulong losses;		/* KVM_RUN named the VMSA */
	atomic_ulong fail_entry;	/* VMRUN failed */
	atomic_ulong unexpected;
	atomic_ulong reloads[2];	/* by the guest, by the host */
	atomic_ulong raced;		/* the page went away while it was made a VMSA */
} count;

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* xorshift64*: a run is repeated by its seed, as far as threads allow. */
static u64 draw(u64 *state, u64 below)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (*state * 0x2545f4914f6cdd1dULL >> 32) % below;
}

/*
 * Guest.  vCPU 0 makes VMSAs, on pages that may go away under its hands: what it
 * finds there then was never validated, and that is a #VC.
 */

/* What vCPU 0 is told in mbox->arg, and what it says in val[0] came of it. */
enum { ARG_GPA, ARG_TOKEN, ARG_VCPU, ARG_REQUEST, ARG_CPU, ARG_STACK };
enum { MADE, NOT_VALIDATED, NO_RMPADJUST, VANISHED };

#define NO_REQUEST	(~0ULL)

static void *guest_retreat[5];
static bool guest_may_retreat;

static void guest_vc(struct ex_regs *regs)
{
	if (!guest_may_retreat)
		snp_guest_term(SNP_TERM_SET_EXCEPTION, regs->vector);
	__builtin_longjmp(guest_retreat, 1);
}

static u64 guest_make(struct snp_cpu *cpu, struct snp_vmsa *page)
{
	volatile struct snp_mbox *mbox = cpu->mbox;

	if (snp_guest_pvalidate(page, true, NULL))
		return NOT_VALIDATED;
	/* It may be one of an earlier round, which nothing punched since. */
	if (snp_guest_rmpadjust(page, false))
		return NO_RMPADJUST;
	*page = *cpu->ap_init;
	page->r14 = mbox->arg[ARG_TOKEN];
	page->rdi = mbox->arg[ARG_CPU];
	page->rsp = mbox->arg[ARG_STACK];
	return snp_guest_rmpadjust(page, true) ? NO_RMPADJUST : MADE;
}

static void guest_creator(struct snp_cpu *cpu)
{
	volatile struct snp_mbox *mbox = cpu->mbox;
	u32 round = 0;

	snp_guest_start(cpu);
	for (;;) {
		struct snp_vmsa *page;

		snp_guest_sync(cpu, round++);
		page = cpu->ap_vmsa + ((mbox->arg[ARG_GPA] - cpu->ap_vmsa_gpa) / PAGE_SIZE);
		if (__builtin_setjmp(guest_retreat)) {
			guest_may_retreat = false;
			mbox->val[0] = VANISHED;
			continue;
		}
		guest_may_retreat = true;
		mbox->val[0] = guest_make(cpu, page);
		guest_may_retreat = false;
		if (mbox->val[0] == MADE && mbox->arg[ARG_REQUEST] != NO_REQUEST)
			SNP_GUEST_ASSERT_EQ(cpu, snp_guest_ap_creation(cpu, mbox->arg[ARG_REQUEST],
								       mbox->arg[ARG_VCPU],
								       mbox->arg[ARG_GPA]), 0);
	}
}

static void guest_spinner(struct snp_cpu *cpu)
{
	volatile struct snp_mbox *mbox = cpu->mbox;

	mbox->token = cpu->regs[SNP_R14];
	for (;;)
		mbox->count++;
}

/*
 * The vCPUs
 */

static void on_signal(int sig)
{
	if (sig != SIGUSR1)
		signalled = sig;
}

static void lose(struct ap *ap)
{
	atomic_store(&ap->page, NO_PAGE);
	atomic_store(&ap->lost, true);
	sem_post(&work);
}

static void *ap_thread(void *arg)
{
	struct ap *ap = arg;
	struct kvm_vcpu *vcpu = snp->vcpu[ap->nr + 1];
	struct kvm_run *run = vcpu->run;
	int ret;

	for (;;) {
		while (sem_wait(&ap->go))
			;
		do {
			if (stop_aps)
				return NULL;
			ret = __vcpu_run(vcpu);
		} while (ret && errno == EINTR);

		if (ret && errno == EFAULT && run->exit_reason == KVM_EXIT_MEMORY_FAULT &&
		    run->memory_fault.flags & KVM_MEMORY_EXIT_FLAG_SNP_VMSA) {
			count.losses++;
		} else if (!ret && run->exit_reason == KVM_EXIT_FAIL_ENTRY) {
			count.fail_entry++;
		} else {
			fprintf(stderr, "vmsa-zap: KVM_RUN of vCPU %d: %d, errno %d (%s), exit %s; wanted MEMORY_FAULT that names its VMSA\n",
				ap->nr + 1, ret, ret ? errno : 0, ret ? strerror(errno) : "-",
				exit_reason_str(run->exit_reason));
			count.unexpected++;
			return NULL;
		}
		lose(ap);
	}
}

/* Let the guest make a VMSA for the AP in one of its pages, with @request. */
static u64 make(struct ap *ap, int page, u64 request)
{
	volatile struct snp_mbox *mbox = snp->mbox[0];
	struct kvm_vcpu *vcpu = snp->vcpu[0];
	struct kvm_run *run = vcpu->run;
	static u32 round;

	mbox->arg[ARG_GPA] = SNP_VMSA_GPA(page);
	mbox->arg[ARG_TOKEN] = ++ap->token;
	mbox->arg[ARG_VCPU] = ap->nr + 1;
	mbox->arg[ARG_REQUEST] = request;
	mbox->arg[ARG_CPU] = snp->cpu_gva[ap->nr + 1];
	mbox->arg[ARG_STACK] = snp->stack_gva[ap->nr + 1];

	/* A ring may have made the page shared when the guest comes by. */
	while (__vcpu_run(vcpu)) {
		if (errno == EINTR)
			continue;
		TEST_ASSERT(errno == EFAULT && run->exit_reason == KVM_EXIT_MEMORY_FAULT &&
			    run->memory_fault.gpa >= SNP_VMSA_SLOT_GPA,
			    "KVM_RUN of vCPU 0: errno %d (%s), exit %s", errno, strerror(errno),
			    exit_reason_str(run->exit_reason));
		vm_mem_set_private(snp->vm, run->memory_fault.gpa & ~(PAGE_SIZE - 1ULL), PAGE_SIZE);
	}
	snp_assert_sync(snp, 0, ++round);
	return mbox->val[0];
}

/* Give it a VMSA. False: the page raced with a request; that is all right. */
static bool reload(struct ap *ap, u64 *random)
{
	int page = AP_PAGE(ap->nr + 1, draw(random, AP_PAGES));
	struct kvm_vcpu *vcpu = snp->vcpu[ap->nr + 1];
	bool host = opt.recover == RECOVER_HOST ||
		    (opt.recover == RECOVER_MIX && draw(random, 2));
	u64 made;

	made = make(ap, page, host ? NO_REQUEST : KVM_SEV_SNP_VMSA_CREATE);
	if (made != MADE)
		return false;

	if (host && __snp_set_vmsa(vcpu, KVM_SEV_SNP_VMSA_CREATE, SNP_VMSA_GPA(page))) {
		if (errno == ENOENT || errno == EPERM || errno == EINTR)
			return false;
		TEST_FAIL("SET_VMSA of vCPU %d, gpa 0x%lx: errno %d (%s)", ap->nr + 1,
			  (unsigned long)SNP_VMSA_GPA(page), errno, strerror(errno));
	}

	count.reloads[host]++;
	atomic_store(&ap->lost, false);
	atomic_store(&ap->page, page);
	sem_post(&ap->go);
	return true;
}

/*
 * The requests
 */

/* Mostly where it hurts, sometimes beside it, sometimes where a VMSA may be made now. */
static struct request draw_request(struct ring *r)
{
	struct ap *ap = &aps[draw(&r->random, opt.aps)];
	struct request q = { .page = atomic_load(&ap->page) };
	u64 what = draw(&r->random, 16);

	if (q.page != NO_PAGE && what < 10) {
		q.punch = true;
		q.shared = !draw(&r->random, 4);
		r->aimed++;
		return q;
	}
	q.page = AP_PAGE(ap->nr + 1, draw(&r->random, AP_PAGES));
	q.punch = what & 1;
	return q;
}

static int mode_of(const struct request *q)
{
	return FALLOC_FL_KEEP_SIZE | (q->punch ? FALLOC_FL_PUNCH_HOLE : 0);
}

static void request_failed(const struct request *q, int err, enum way way)
{
	fprintf(stderr, "vmsa-zap: %s of page %d by %s: errno %d (%s); wanted 0\n",
		q->punch ? "PUNCH_HOLE" : "refill", q->page, way_names[way], err, strerror(err));
	count.unexpected++;
}

static void by_uring(struct ring *r, const struct request *q, int n)
{
	struct io_uring_cqe *cqe;
	int i, ret;

	for (i = 0; i < n; i++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&r->uring);

		io_uring_prep_fallocate(sqe, gmem_fd, mode_of(&q[i]),
					(off_t)q[i].page * PAGE_SIZE, PAGE_SIZE);
		io_uring_sqe_set_data64(sqe, i);
	}
	do {
		ret = io_uring_submit_and_wait(&r->uring, n);
	} while (ret == -EINTR);
	TEST_ASSERT(ret == n, "io_uring_submit_and_wait(): %d (%s), wanted %d", ret,
		    ret < 0 ? strerror(-ret) : "-", n);
	for (i = 0; i < n; i++) {
		do {
			ret = io_uring_wait_cqe(&r->uring, &cqe);
		} while (ret == -EINTR);
		TEST_ASSERT(!ret, "io_uring_wait_cqe(): %s", strerror(-ret));
		if (cqe->res)
			request_failed(&q[io_uring_cqe_get_data64(cqe)], -cqe->res, WAY_URING);
		io_uring_cqe_seen(&r->uring, cqe);
	}
}

static void by_syscall(const struct request *q, int n)
{
	int i;

	for (i = 0; i < n; i++)
		if (fallocate(gmem_fd, mode_of(&q[i]), (off_t)q[i].page * PAGE_SIZE, PAGE_SIZE))
			request_failed(&q[i], errno, WAY_PLAIN);
}

static enum way way_now(void)
{
	if (!opt.way[WAY_PLAIN])
		return WAY_URING;
	if (!opt.way[WAY_URING])
		return WAY_PLAIN;
	return (u64)((now() - start) / SLICE) % NR_WAYS;
}

static void *ring_thread(void *arg)
{
	struct request q[MAX_DEPTH];
	struct ring *r = arg;
	double t;
	int i;

	while (!stop_rings) {
		enum way way = way_now();

		for (i = 0; i < opt.depth; i++) {
			q[i] = draw_request(r);
			if (q[i].shared)
				vm_mem_set_shared(snp->vm, SNP_VMSA_GPA(q[i].page), PAGE_SIZE);
		}
		t = now();
		if (way == WAY_URING)
			by_uring(r, q, opt.depth);
		else
			by_syscall(q, opt.depth);
		r->time[way] += now() - t;

		for (i = 0; i < opt.depth; i++) {
			if (q[i].punch)
				r->punches[way]++;
			else
				r->refills[way]++;
			if (q[i].shared)
				vm_mem_set_private(snp->vm, SNP_VMSA_GPA(q[i].page), PAGE_SIZE);
		}
		/* Let the vCPUs come back: a page that is always gone tests little. */
		usleep(draw(&r->random, 4000));
	}
	return NULL;
}

/*
 * The run
 */

static void launch(void)
{
	int i;

	snp = snp_vm_create(opt.aps + 1, guest_creator);
	vm_install_exception_handler(snp->vm, 29, guest_vc);
	snp_vmsa_init(snp, snp->ap_init, 1, snp_guest_entry_regs);
	snp->ap_init->r15 = (u64)guest_spinner;
	gmem_fd = memslot2region(snp->vm, SNP_VMSA_SLOT)->region.guest_memfd;

	snp_launch_start(snp);
	snp_launch_memory(snp);
	for (i = 1; i <= opt.aps; i++) {
		if (uapi)
			snp_set_vmsa(snp->vcpu[i], KVM_SEV_SNP_VMSA_DESTROY, 0);
		else
			snp_vcpu_halt(snp->vcpu[i]);
	}
	snp_launch_finish(snp);
	snp_run_to_sync(snp, 0, 0);
}

static unsigned long sum(int way, bool punches)
{
	unsigned long n = 0;
	int i;

	for (i = 0; i < opt.rings; i++)
		n += punches ? rings[i].punches[way] : rings[i].refills[way];
	return n;
}

static double time_of(int way)
{
	double t = 0;
	int i;

	for (i = 0; i < opt.rings; i++)
		t += rings[i].time[way];
	return t;
}

static unsigned long aimed(void)
{
	unsigned long n = 0;
	int i;

	for (i = 0; i < opt.rings; i++)
		n += rings[i].aimed;
	return n;
}

/* Once a second: what went on since the last time. */
static void show_rates(void)
{
	static unsigned long punches, losses, reloads;
	static double last;
	unsigned long p, l, r;
	double t = now();

	if (opt.quiet || t - last < 1)
		return;
	p = sum(WAY_URING, true) + sum(WAY_PLAIN, true);
	l = count.losses + count.fail_entry;
	r = count.reloads[0] + count.reloads[1];
	if (last)
		fprintf(stderr, "%5.1f s  %7.0f punches/s  %6.0f losses/s  %6.0f reloads/s  VMRUN failed %lu\n",
			t - start, (p - punches) / (t - last), (l - losses) / (t - last),
			(r - reloads) / (t - last), count.fail_entry);
	last = t;
	punches = p;
	losses = l;
	reloads = r;
}

/* Until the time is over, all that are lost get another VMSA. */
static void repair(void)
{
	u64 random = opt.seed;
	bool again = false;
	int i;

	while (!signalled && !count.unexpected && now() - start < opt.seconds) {
		struct timespec ts;

		clock_gettime(CLOCK_REALTIME, &ts);
		ts.tv_nsec += again ? 0 : 50000000;
		ts.tv_sec += ts.tv_nsec / 1000000000;
		ts.tv_nsec %= 1000000000;
		sem_timedwait(&work, &ts);

		again = false;
		for (i = 0; i < opt.aps; i++) {
			if (!atomic_load(&aps[i].lost))
				continue;
			if (!reload(&aps[i], &random)) {
				count.raced++;
				again = true;
			}
		}
		show_rates();
	}
}

/* Nothing disturbs any more: each vCPU has to come up and run. */
static void check_alive(void)
{
	u64 random = opt.seed;
	int i;

	for (i = 0; i < opt.aps; i++) {
		volatile struct snp_mbox *mbox = snp->mbox[i + 1];
		u64 seen = mbox->count;
		double end = now() + 30;

		do {
			if (atomic_load(&aps[i].lost))
				reload(&aps[i], &random);
			usleep(1000);
		} while ((mbox->token != aps[i].token || mbox->count == seen) && now() < end &&
			 !count.unexpected);
		if (mbox->token != aps[i].token || mbox->count == seen) {
			fprintf(stderr, "vmsa-zap: vCPU %d does not run at the end: token %lu, wanted %lu\n",
				i + 1, (unsigned long)mbox->token, (unsigned long)aps[i].token);
			count.unexpected++;
		}
	}
}

static void run(void)
{
	int i;

	start = now();
	for (i = 0; i < opt.aps; i++) {
		aps[i].nr = i;
		sem_init(&aps[i].go, 0, 0);
		lose(&aps[i]);
		TEST_ASSERT(!pthread_create(&aps[i].thread, NULL, ap_thread, &aps[i]),
			    "pthread_create()");
	}
	for (i = 0; i < opt.rings; i++) {
		int ret = io_uring_queue_init(opt.depth, &rings[i].uring, 0);

		TEST_ASSERT(!ret, "io_uring_queue_init(%d): %s", opt.depth, strerror(-ret));
		rings[i].nr = i;
		rings[i].random = opt.seed + 0x9e3779b97f4a7c15ULL * (i + 1);
		TEST_ASSERT(!pthread_create(&rings[i].thread, NULL, ring_thread, &rings[i]),
			    "pthread_create()");
	}

	repair();

	stop_rings = true;
	for (i = 0; i < opt.rings; i++) {
		pthread_join(rings[i].thread, NULL);
		io_uring_queue_exit(&rings[i].uring);
	}
	if (!count.unexpected && !count.fail_entry)
		check_alive();

	stop_aps = true;
	for (i = 0; i < opt.aps; i++) {
		snp->vcpu[i + 1]->run->immediate_exit = 1;
		sem_post(&aps[i].go);
		pthread_kill(aps[i].thread, SIGUSR1);
		pthread_join(aps[i].thread, NULL);
	}
}

static double per_second(int way)
{
	return time_of(way) ? (sum(way, true) + sum(way, false)) / time_of(way) : 0;
}

static void report(double took, long stale, long assigned, bool ok)
{
	int way;

	if (opt.json) {
		printf("{\"seed\":%lu,\"seconds\":%.3f,\"aps\":%d,\"rings\":%d,\"depth\":%d,\"recover\":\"%s\",\"uapi\":%s",
		       (unsigned long)opt.seed, took, opt.aps, opt.rings, opt.depth,
		       recover_names[opt.recover], uapi ? "true" : "false");
		for (way = 0; way < NR_WAYS; way++)
			printf(",\"%s\":{\"punches\":%lu,\"refills\":%lu,\"per_second\":%.1f}",
			       way_names[way], sum(way, true), sum(way, false), per_second(way));
		printf(",\"aimed\":%lu,\"losses\":%lu,\"reloads_guest\":%lu,\"reloads_host\":%lu,\"raced\":%lu,\"vmrun_failed\":%lu,\"unexpected\":%lu",
		       aimed(), count.losses, count.reloads[0], count.reloads[1], count.raced,
		       count.fail_entry, count.unexpected);
		if (stale >= 0)
			printf(",\"stale_vmruns\":%ld,\"pages_left\":%ld", stale, assigned);
		printf(",\"backend\":\"%s\",\"ok\":%s}\n", stale >= 0 ? "emulated" : "hardware",
		       ok ? "true" : "false");
		return;
	}

	printf("seed %lu, %.1f s, %d APs, %d rings of %d, reload by %s, platform: %s\n",
	       (unsigned long)opt.seed, took, opt.aps, opt.rings, opt.depth,
	       recover_names[opt.recover], stale >= 0 ? "emulated" : "hardware");
	for (way = 0; way < NR_WAYS; way++)
		if (opt.way[way])
			printf("  %-9s %8lu punches %8lu refills  %8.0f a second for each thread\n",
			       way_names[way], sum(way, true), sum(way, false), per_second(way));
	if (opt.way[WAY_URING] && opt.way[WAY_PLAIN] && per_second(WAY_PLAIN))
		printf("  io_uring, batches of %d, is %.2f times as fast as fallocate(2)\n",
		       opt.depth, per_second(WAY_URING) / per_second(WAY_PLAIN));
	printf("  punches of the VMSA of a running vCPU    %8lu\n", aimed());
	printf("  losses: KVM_RUN ended and named the VMSA %8lu\n", count.losses);
	printf("  reloads by the guest, by the host        %8lu %8lu\n", count.reloads[0],
	       count.reloads[1]);
	printf("  pages that went away while being made    %8lu\n", count.raced);
	printf("  VMRUN failed                             %8lu (wanted 0)\n", count.fail_entry);
	if (stale >= 0) {
		printf("  VMRUNs of a stale VMSA                   %8ld (wanted 0)\n", stale);
		printf("  pages of guests left in the RMP          %8ld (wanted 0)\n", assigned);
	}
	printf("%s\n", ok ? "ok" : "FAILED");
}

static void usage(FILE *f)
{
	fprintf(f,
		"usage: vmsa-zap [options]\n"
		"Punches and refills guest_memfd under the VMSAs of running SEV-SNP vCPUs.\n\n"
		"  -a, --aps N        vCPUs whose VMSA is zapped, 1 to %d (%d)\n"
		"  -r, --rings N      threads, each with an io_uring, 1 to %d (%d)\n"
		"  -d, --depth N      requests in a batch, 1 to %d (%d)\n"
		"  -t, --seconds S    duration (%.0f)\n"
		"  -s, --seed N       of all choices (from the clock; printed)\n"
		"  -w, --way WAY      io_uring, fallocate, or both in turns (both)\n"
		"  -R, --recover WHO  guest (AP Creation), host (SET_VMSA) or mix (mix)\n"
		"  -j, --json         one JSON object on stdout\n"
		"  -q, --quiet        no rates on stderr while it runs\n"
		"  -h, --help\n\n"
		"Exit status: 0 as promised, 1 not, 2 usage, 4 no SEV-SNP here.\n",
		MAX_APS, opt.aps, MAX_RINGS, opt.rings, MAX_DEPTH, opt.depth, opt.seconds);
}

static void __noreturn bad_usage(const char *option, const char *seen, const char *wanted)
{
	fprintf(stderr, "vmsa-zap: %s: got '%s', wanted %s; see --help\n", option, seen, wanted);
	exit(2);
}

static long number(const char *option, const char *arg, long min, long max)
{
	char wanted[64], *end;
	long n;

	errno = 0;
	n = strtol(arg, &end, 0);
	snprintf(wanted, sizeof(wanted), "a number from %ld to %ld", min, max);
	if (errno || end == arg || *end || n < min || n > max)
		bad_usage(option, arg, wanted);
	return n;
}

static void options(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "aps", required_argument, NULL, 'a' },
		{ "rings", required_argument, NULL, 'r' },
		{ "depth", required_argument, NULL, 'd' },
		{ "seconds", required_argument, NULL, 't' },
		{ "seed", required_argument, NULL, 's' },
		{ "way", required_argument, NULL, 'w' },
		{ "recover", required_argument, NULL, 'R' },
		{ "json", no_argument, NULL, 'j' },
		{ "quiet", no_argument, NULL, 'q' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	unsigned int i;
	char *end;
	int c;

	while ((c = getopt_long(argc, argv, "a:r:d:t:s:w:R:jqh", longs, NULL)) != -1) {
		switch (c) {
		case 'a':
			opt.aps = number("--aps", optarg, 1, MAX_APS);
			break;
		case 'r':
			opt.rings = number("--rings", optarg, 1, MAX_RINGS);
			break;
		case 'd':
			opt.depth = number("--depth", optarg, 1, MAX_DEPTH);
			break;
		case 't':
			opt.seconds = strtod(optarg, &end);
			if (end == optarg || *end || !(opt.seconds > 0 && opt.seconds < 1e6))
				bad_usage("--seconds", optarg, "a number above 0");
			break;
		case 's':
			opt.seed = number("--seed", optarg, 1, LONG_MAX);
			break;
		case 'w':
			opt.way[WAY_URING] = strcmp(optarg, way_names[WAY_PLAIN]);
			opt.way[WAY_PLAIN] = strcmp(optarg, way_names[WAY_URING]);
			if (opt.way[WAY_URING] && opt.way[WAY_PLAIN] && strcmp(optarg, "both"))
				bad_usage("--way", optarg, "io_uring, fallocate or both");
			break;
		case 'R':
			for (i = 0; i < ARRAY_SIZE(recover_names); i++)
				if (!strcmp(optarg, recover_names[i]))
					break;
			if (i == ARRAY_SIZE(recover_names))
				bad_usage("--recover", optarg, "guest, host or mix");
			opt.recover = i;
			break;
		case 'j':
			opt.json = true;
			break;
		case 'q':
			opt.quiet = true;
			break;
		case 'h':
			usage(stdout);
			exit(0);
		default:
			exit(2);
		}
	}
	if (optind < argc)
		bad_usage("argument", argv[optind], "none");
	if (!opt.seed)
		opt.seed = (u64)(now() * 1e6) | 1;
}

static void __noreturn no_snp(const char *what)
{
	fprintf(stderr, "vmsa-zap: %s\n", what);
	exit(KSFT_SKIP);
}

int main(int argc, char **argv)
{
	struct sigaction act = { .sa_handler = on_signal };
	long stale = -1, assigned = -1;
	snpctl_t *ctl;
	double took;
	bool ok;
	int i;

	options(argc, argv);

	if (access("/dev/kvm", R_OK | W_OK))
		no_snp("/dev/kvm can't be opened; load kvm_amd, and run as root");
	if (!(kvm_check_cap(KVM_CAP_VM_TYPES) & BIT(KVM_X86_SNP_VM)))
		no_snp("KVM_CAP_VM_TYPES has no KVM_X86_SNP_VM; see /sys/module/kvm_amd/parameters/sev_snp");
	uapi = snp_has_vmsa_uapi();
	if (!uapi && opt.recover != RECOVER_GUEST) {
		fprintf(stderr, "vmsa-zap: this kernel has no KVM_X86_SEV_SNP_VMSA attribute, so the host can't give a vCPU a VMSA; load the modules with the extension, or use --recover guest\n");
		return 1;
	}

	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGUSR1, &act, NULL);
	sem_init(&work, 0, 0);

	ctl = snpctl_open();
	if (ctl)
		stale = snpctl_counter(ctl, SNP_CTL_CNT_VMRUN_STALE_VMSA);

	if (!opt.json)
		fprintf(stderr, "vmsa-zap: seed %lu\n", (unsigned long)opt.seed);
	launch();
	run();
	took = now() - start;
	snp_vm_free(snp);

	if (ctl) {
		stale = snpctl_counter(ctl, SNP_CTL_CNT_VMRUN_STALE_VMSA) - stale;
		/* guest_memfd gives its pages back a moment after the VM is gone. */
		for (i = 0; i < 500; i++) {
			assigned = snpctl_read(ctl, SNP_CTL_GUEST_PAGES);
			if (!assigned)
				break;
			usleep(10000);
		}
	}
	/* A run that zapped nothing has shown nothing. */
	ok = !count.unexpected && !count.fail_entry && stale <= 0 && assigned <= 0 && aimed() &&
	     count.losses;
	report(took, stale, assigned, ok);
	return ok ? 0 : 1;
}
