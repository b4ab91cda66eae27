// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random sequences of everything that touches the VMSA of an SNP vCPU, with a
 * model that predicts each result.
 *
 * The model is written from the documentation of the uAPI, not from its code.
 * After every step, whatever it was, GET_VMSA and the MP state of every vCPU and
 * the progress of every guest program must be what the model says: a step that
 * changes what it should not is seen at once.
 *
 * Each vCPU and each page that can be a VMSA has a guest program, which does
 * one command each time that it is run: nothing, make a VMSA of a page, make it
 * none again, or AP Creation.  Then it stops with an exit that names it.  It
 * uses the MSR protocol to stop, so that nothing of it is left in the vCPU: its
 * VMSA can go on at another one.
 *
 * What a step does is a function of the seed, of its number, and of the state
 * of the model.  So the same seed gives the same run, and any subset of the
 * steps is a run of its own, which is how -m finds a short one.
 *
 *   sev_vmsa_seq_test [-s SEED | -r] [-n STEPS] [-m] [-v]
 *
 *   -s  seed of the run, 1 if not given       -m  on failure, look for a
 *   -r  a fresh seed                              shorter run that fails
 *   -n  number of steps                       -v  print each step
 */
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kselftest.h"
#include "test_util.h"
#include "snp_vmsa.h"

/* The control device of the emulated platform counts what hardware does not. */
#if __has_include("snpctl.h")
#include "snpctl.h"
#else
typedef void snpctl_t;
#define snpctl_open()		NULL
#define snpctl_counter(ctl, n)	0
#endif

#define CREATE		KVM_SEV_SNP_VMSA_CREATE
#define ON_INIT		KVM_SEV_SNP_VMSA_CREATE_ON_INIT
#define DESTROY		KVM_SEV_SNP_VMSA_DESTROY
#define FROM_VCPU	KVM_SEV_SNP_VMSA_FLAG_FROM_VCPU
#define FEAT		SNP_SEV_FEATURES
#define GPA_NONE	KVM_SEV_SNP_VMSA_GPA_NONE

#define NO_SLOT_GPA	0x7f0001000ULL
#define PLAIN_SLOT	11
#define PLAIN_SLOT_GPA	0x7e0000000ULL
#define MOVED_SLOT_GPA	0x180000000ULL

/*
 * vCPUs 0 to 3 can start from KVM's VMSA, those up to 5 are created during the
 * launch and start from guest memory or not at all, the rest comes too late.
 */
#define NR_KVM_VCPUS	4
#define FIRST_LATE	6
#define NR_VCPUS	SNP_MAX_VCPUS

/* Pages 1 to 4 of the slot can be VMSAs; their programs are 4 to 7. */
#define NR_PAGES	4
#define NR_PROGS	(NR_KVM_VCPUS + NR_PAGES)
#define PROG_OF_PAGE(n)	(NR_KVM_VCPUS + (n) - 1)

/* The page that a program asks to change when it stops: no memory is there. */
#define STOP_GPA(prog)	(0xabc00000000ULL + ((u64)(prog) << PAGE_SHIFT))

#define HANG_SECONDS	20
#define SHORT_HANG	2
#define NR_LOG		24

/*
 * Guest
 */

enum { CMD_NONE, CMD_MAKE, CMD_SPOIL, CMD_AP, CMD_RESUME };

static void guest_cmd(struct snp_cpu *cpu)
{
	volatile struct snp_mbox *mbox = cpu->mbox;
	u64 cmd = mbox->cmd, arg[4] = { mbox->arg[0], mbox->arg[1], mbox->arg[2], mbox->arg[3] };
	struct snp_vmsa *page = cpu->ap_vmsa + arg[0] - 1;

	switch (cmd) {
	case CMD_MAKE:
	case CMD_SPOIL:
		SNP_GUEST_ASSERT_EQ(cpu, snp_guest_pvalidate(page, true, NULL), 0);
		SNP_GUEST_ASSERT_EQ(cpu, snp_guest_rmpadjust(page, false), 0);
		if (cmd == CMD_SPOIL)
			break;
		*page = *cpu->ap_init;
		page->r14 = arg[1];
		page->rdi = arg[2];
		page->rsp = arg[3];
		SNP_GUEST_ASSERT_EQ(cpu, snp_guest_rmpadjust(page, true), 0);
		break;
	case CMD_AP:
		/* Whatever vCPU this VMSA is at now: its GHCB may be another's. */
		snp_guest_start(cpu);
		mbox->val[0] = snp_guest_ap_creation(cpu, arg[0], arg[1], arg[2]);
		break;
	}
}

static void guest_prog(struct snp_cpu *cpu)
{
	volatile struct snp_mbox *mbox = cpu->mbox;

	mbox->token = cpu->regs[SNP_R14];
	for (;;) {
		guest_cmd(cpu);
		mbox->count++;
		snp_guest_psc(cpu, STOP_GPA(cpu->id), false);
	}
}

/*
 * The model
 */

enum phase { NEW, LAUNCHING, FINISHED, NR_PHASES };

struct cmd {
	u64 op, arg[4];
};

struct model_vcpu {
	bool exists;
	bool protected;		/* LAUNCH_FINISH, be it one that failed, is done with it */
	int mp;			/* KVM_MP_STATE_* */
	u32 state;		/* KVM_SEV_SNP_VMSA_STATE_* */
	u64 gpa;
	bool from_vcpu;		/* LAUNCH_FINISH has yet to build it */
	bool now;		/* CREATE or DESTROY waits for KVM_RUN, */
	u64 now_gpa;
	bool now_lost;
	u64 init_gpa;		/* and CREATE_ON_INIT for an INIT; GPA_NONE: none does */
	bool init_lost;
	bool init, sipi;	/* sent, not yet seen by the vCPU */
};

struct model_page {
	bool private;		/* by attribute */
	bool given;		/* to the guest, in the RMP */
	bool vmsa;
	int prog;		/* that the VMSA runs */
};

struct model_prog {
	u64 token;
	u64 seen;		/* token that it has shown; it does so when it starts */
	u64 count;
	bool busy;		/* left in the middle of a command */
	struct cmd cmd;
};

static struct {
	enum phase phase;
	struct model_vcpu vcpu[NR_VCPUS];
	struct model_page page[NR_PAGES + 1];
	struct model_prog prog[NR_PROGS];
	bool slot;		/* the memslot with the pages is there */
	u64 stale;		/* VMRUNs of what is no VMSA, over all VMs */
	int idle;		/* runs since a program did anything */
} m;

struct outcome {
	enum { STOP, BLOCK, MISSING, TOUCH, BAD_VMSA } kind;
	u64 gpa;		/* of MISSING and TOUCH; GPA_NONE: there is no VMSA */
	int prog;		/* of STOP */
	u64 val;		/* of STOP, ~0: not known */
};

static const char * const outcome_name[] = {
	[STOP] = "program stops",
	[BLOCK] = "blocks",
	[MISSING] = "-EFAULT, MEMORY_FAULT with SNP_VMSA",
	[TOUCH] = "-EFAULT, MEMORY_FAULT of a guest access",
	[BAD_VMSA] = "FAIL_ENTRY",
};

/* Number of the page if @gpa is one of ours, else 0. */
static int page_of(u64 gpa)
{
	u64 n = (gpa - SNP_VMSA_SLOT_GPA) >> PAGE_SHIFT;

	return gpa >= SNP_VMSA_SLOT_GPA && n <= NR_PAGES ? n : 0;
}

/* Address bits that a guest does not have; the C-bit is one that it has. */
static u64 reserved_gpa_bits(void)
{
	return ~(BIT_ULL(kvm_cpu_property(X86_PROPERTY_MAX_PHY_ADDR)) - 1) &
	       ~BIT_ULL(kvm_cpu_property(X86_PROPERTY_SEV_C_BIT));
}

static bool is_late(int id)
{
	return id >= FIRST_LATE;
}

/* The page at @gpa as SET_VMSA sees it. */
static int model_lookup(u64 gpa)
{
	int n = page_of(gpa);

	if (!n || !m.slot)
		return ENXIO;
	if (!m.page[n].private)
		return EPERM;
	return m.page[n].given ? 0 : ENOENT;
}

/* The same for a page that KVM is to fill. */
static int model_lookup_vacant(u64 gpa)
{
	int err = model_lookup(gpa);

	return err == ENOENT ? 0 : err ?: EEXIST;
}

/* Checks that AP Creation by the guest and by SET_VMSA have in common. */
static int model_check(u32 request, u64 gpa, u64 features)
{
	if (request == DESTROY)
		return 0;
	if (request > DESTROY || features != FEAT || gpa & (PAGE_SIZE - 1) ||
	    gpa & reserved_gpa_bits())
		return EINVAL;
	return gpa & (BIT_ULL(21) - 1) ? 0 : ERANGE;
}

static bool model_taken(int id, u64 gpa)
{
	int i;

	for (i = 0; i < NR_VCPUS; i++)
		if (i != id && m.vcpu[i].exists &&
		    (m.vcpu[i].gpa == gpa || m.vcpu[i].now_gpa == gpa ||
		     m.vcpu[i].init_gpa == gpa))
			return true;
	return false;
}

static int model_set_errno(int id, const struct kvm_sev_snp_set_vmsa *set)
{
	bool from_vcpu = set->flags & FROM_VCPU;
	size_t i;
	int err;

	for (i = 0; i < sizeof(set->pad); i++)
		if (set->pad[i])
			return EINVAL;
	if (set->flags & ~FROM_VCPU || set->vmpl || m.phase == NEW || is_late(id))
		return EINVAL;
	if (set->request == DESTROY)
		return from_vcpu || set->gpa || set->sev_features ? EINVAL : 0;
	if (from_vcpu && (set->request != CREATE || m.vcpu[id].protected))
		return EINVAL;
	err = model_check(set->request, set->gpa, set->sev_features);
	if (err)
		return err;
	if (model_taken(id, set->gpa))
		return EEXIST;
	return from_vcpu ? model_lookup_vacant(set->gpa) : model_lookup(set->gpa);
}

static void model_set_state(struct model_vcpu *c, u64 gpa, bool lost)
{
	c->gpa = gpa;
	c->state = gpa == GPA_NONE ? KVM_SEV_SNP_VMSA_STATE_NONE :
		   lost ? KVM_SEV_SNP_VMSA_STATE_LOST : KVM_SEV_SNP_VMSA_STATE_GUEST;
}

/* A request of the guest or of SET_VMSA that passed its checks. */
static void model_request(struct model_vcpu *c, u32 request, u64 gpa, bool from_vcpu)
{
	if (request == DESTROY)
		gpa = GPA_NONE;
	c->from_vcpu = from_vcpu;
	if (!c->protected) {
		model_set_state(c, request == ON_INIT ? GPA_NONE : gpa, false);
	} else if (request != ON_INIT) {
		c->now = true;
		c->now_gpa = gpa;
		c->now_lost = false;
		/* Stands for an INIT: those before it are done with. */
		c->init = c->sipi = false;
	}
	c->init_gpa = request == ON_INIT ? gpa : GPA_NONE;
	c->init_lost = false;
}

/* Page @n becomes a VMSA from which @prog starts. */
static void model_make(int n, int prog, u64 token)
{
	m.page[n].given = m.page[n].vmsa = true;
	m.page[n].prog = prog;
	m.prog[prog].token = token;
	m.prog[prog].busy = false;
}

/* LAUNCH_FINISH has come to the vCPU: it has its VMSA, or none. */
static void model_protect(int id)
{
	struct model_vcpu *c = &m.vcpu[id];

	c->protected = true;
	if (c->state != KVM_SEV_SNP_VMSA_STATE_KVM)
		c->mp = c->gpa == GPA_NONE ? KVM_MP_STATE_HALTED : KVM_MP_STATE_RUNNABLE;
	if (c->from_vcpu)
		model_make(page_of(c->gpa), id, 0);
	c->from_vcpu = false;
}

/*
 * What LAUNCH_FINISH returns as long as it does not ask firmware to end the launch.
 * vCPU @debugged is being debugged; -1: none.
 */
static int model_finish(int debugged)
{
	int i, err;

	/* In the order in which they were created. */
	for (i = 0; i < NR_VCPUS; i++) {
		struct model_vcpu *c = &m.vcpu[i];

		if (!c->exists || c->protected)
			continue;
		if (i == debugged)
			return EINVAL;
		if (c->state == KVM_SEV_SNP_VMSA_STATE_LOST || c->init_lost)
			return ENOENT;
		err = c->from_vcpu ? model_lookup_vacant(c->gpa) : 0;
		if (err)
			return err;
	}
	for (i = 0; i < NR_VCPUS; i++)
		if (m.vcpu[i].exists && !m.vcpu[i].protected)
			model_protect(i);
	return 0;
}

static void model_take_over(struct model_vcpu *c, u64 gpa, bool lost)
{
	model_set_state(c, gpa, lost);
	c->mp = gpa == GPA_NONE ? KVM_MP_STATE_HALTED : KVM_MP_STATE_RUNNABLE;
	c->now = false;
	c->now_gpa = GPA_NONE;
}

/*
 * The vCPU handles what waits for it: a request, then INIT and SIPI, which came later.
 * Without a VMSA it waits, whatever comes.
 */
static void model_events(struct model_vcpu *c)
{
	if (c->now)
		model_take_over(c, c->now_gpa, c->now_lost);
	if (c->init) {
		if (c->init_gpa != GPA_NONE) {
			model_take_over(c, c->init_gpa, c->init_lost);
			c->init_gpa = GPA_NONE;
		}
		c->mp = c == m.vcpu && c->state != KVM_SEV_SNP_VMSA_STATE_NONE ?
			KVM_MP_STATE_RUNNABLE : KVM_MP_STATE_INIT_RECEIVED;
	}
	if (c->sipi && c->mp == KVM_MP_STATE_INIT_RECEIVED &&
	    c->state != KVM_SEV_SNP_VMSA_STATE_NONE)
		c->mp = KVM_MP_STATE_RUNNABLE;
	c->init = c->sipi = false;
}

/* The guest loses the page at @n. */
static void model_discard(int n)
{
	int i;

	m.page[n].given = m.page[n].vmsa = false;
	/* Without a memslot nothing says that the page is the vCPU's. */
	if (!m.slot)
		return;
	for (i = 0; i < NR_VCPUS; i++) {
		struct model_vcpu *c = &m.vcpu[i];

		if (!c->exists)
			continue;
		if (c->gpa == SNP_VMSA_GPA(n) && !c->from_vcpu)
			c->state = KVM_SEV_SNP_VMSA_STATE_LOST;
		if (c->now_gpa == SNP_VMSA_GPA(n))
			c->now_lost = true;
		if (c->init_gpa == SNP_VMSA_GPA(n))
			c->init_lost = true;
	}
}

/* True if the program stops; else the vCPU has something else to do first. */
static bool model_exec(struct model_vcpu *c, int prog, const struct cmd *new_cmd,
		       struct outcome *o)
{
	struct model_prog *p = &m.prog[prog];
	struct cmd cmd = p->busy ? p->cmd : *new_cmd;
	u64 target = cmd.arg[1];
	struct model_page *page;

	p->seen = p->token;
	p->busy = false;
	o->val = ~0ULL;
	switch (cmd.op) {
	case CMD_MAKE:
	case CMD_SPOIL:
		page = &m.page[cmd.arg[0]];
		if (!m.slot || !page->private) {
			p->busy = true;
			p->cmd = cmd;
			o->kind = TOUCH;
			o->gpa = SNP_VMSA_GPA(cmd.arg[0]);
			return true;
		}
		if (cmd.op == CMD_MAKE)
			model_make(cmd.arg[0], PROG_OF_PAGE(cmd.arg[0]), cmd.arg[1]);
		page->given = true;
		page->vmsa = cmd.op == CMD_MAKE;
		break;
	case CMD_AP:
		if (target >= NR_VCPUS || !m.vcpu[target].exists ||
		    model_check(cmd.arg[0], cmd.arg[2], FEAT)) {
			o->val = 2;
			break;
		}
		o->val = 0;
		model_request(&m.vcpu[target], cmd.arg[0], cmd.arg[2], false);
		if (&m.vcpu[target] != c || !c->now)
			break;
		/* It took its own VMSA away.  The program may go on later. */
		p->busy = true;
		p->cmd = (struct cmd){ .op = CMD_RESUME };
		return false;
	}
	m.idle = 0;
	p->count++;
	o->kind = STOP;
	o->prog = prog;
	return true;
}

static struct outcome model_run(struct model_vcpu *c, const struct cmd *cmd)
{
	struct outcome o = {};
	int prog, n;

	for (;;) {
		if (c->now)
			model_take_over(c, c->now_gpa, c->now_lost);
		/* Whatever wakes a halted vCPU ends the halt. */
		if (c->mp == KVM_MP_STATE_HALTED && (c->init || c->sipi) &&
		    c->state != KVM_SEV_SNP_VMSA_STATE_NONE)
			c->mp = KVM_MP_STATE_RUNNABLE;
		model_events(c);
		if (c->mp != KVM_MP_STATE_RUNNABLE) {
			o.kind = BLOCK;
			return o;
		}

		/* Until LAUNCH_FINISH, KVM's page is no VMSA, nor is any other the vCPU's. */
		if (!c->protected) {
			o.kind = BAD_VMSA;
			return o;
		}

		o.gpa = c->gpa;
		prog = c - m.vcpu;
		switch (c->state) {
		case KVM_SEV_SNP_VMSA_STATE_NONE:
		case KVM_SEV_SNP_VMSA_STATE_LOST:
			o.kind = MISSING;
			return o;
		case KVM_SEV_SNP_VMSA_STATE_GUEST:
			n = page_of(c->gpa);
			if (!n || !m.slot || !m.page[n].given) {
				o.kind = MISSING;
				return o;
			}
			if (!m.page[n].vmsa) {
				m.stale++;
				o.kind = BAD_VMSA;
				return o;
			}
			prog = m.page[n].prog;
		}
		if (model_exec(c, prog, cmd, &o))
			return o;
	}
}

/*
 * Steps, and what is known of them when one fails
 */

static struct snp_vm *s;
static struct kvm_vcpu *vcpus[NR_VCPUS];

static u64 seed = 1;
static int nr_steps = 2500;
static bool verbose, quiet;
static snpctl_t *ctl;
static u64 stale_before;
static u64 next_token;

/* Shared with the process that looks for a shorter run. */
static struct {
	int step;		/* that failed, or that is being done */
	int last_vm;		/* step that made the VM */
} *progress;

static char log_line[NR_LOG][200];
static unsigned int log_nr;
static int cur_step;

static u64 rng;

static u64 mix(u64 x)
{
	/* splitmix64 */
	x += 0x9e3779b97f4a7c15ULL;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

static u32 rnd(u32 n)
{
	rng = mix(rng);
	return (rng >> 32) % n;
}

static bool chance(u32 percent)
{
	return rnd(100) < percent;
}

static __printf(1, 2) void say(const char *fmt, ...)
{
	char *line = log_line[log_nr++ % NR_LOG];
	va_list ap;
	int n;

	n = snprintf(line, sizeof(log_line[0]), "%d ", cur_step);
	va_start(ap, fmt);
	vsnprintf(line + n, sizeof(log_line[0]) - n, fmt, ap);
	va_end(ap);
	if (verbose && !quiet)
		ksft_print_msg("%s\n", line);
}

static __noreturn __printf(1, 2) void mismatch(const char *fmt, ...)
{
	unsigned int i;
	va_list ap;

	if (!quiet) {
		ksft_print_msg("seed %lu, step %d: the model is wrong, or KVM is\n",
			       (unsigned long)seed, cur_step);
		for (i = log_nr > NR_LOG ? log_nr - NR_LOG : 0; i < log_nr; i++)
			ksft_print_msg("  %s\n", log_line[i % NR_LOG]);
		va_start(ap, fmt);
		printf("# ");
		vprintf(fmt, ap);
		printf("\n");
		va_end(ap);
		fflush(stdout);
	}
	_exit(KSFT_FAIL);
}

static void check_errno(const char *what, int ret, int want)
{
	int got = ret ? errno : 0;

	if (got != want)
		mismatch("%s: errno %d (%s), expected %d (%s)", what, got, strerror(got),
			 want, strerror(want));
}

static const char * const state_name[] = { "KVM", "NONE", "GUEST", "LOST" };

/* Reads what GET_VMSA says into @get, and what the model says into @want. */
static bool vcpu_is_as_expected(int id, struct kvm_sev_snp_get_vmsa *get,
				struct kvm_sev_snp_get_vmsa *want)
{
	struct model_vcpu *c = &m.vcpu[id];

	*want = (struct kvm_sev_snp_get_vmsa) {
		.state = c->state,
		.gpa = c->gpa,
		.pending = c->now || c->init_gpa != GPA_NONE,
		.pending_gpa = c->init_gpa != GPA_NONE ? c->init_gpa : c->now_gpa,
		.sev_features = FEAT,
		.flags = c->from_vcpu ? FROM_VCPU : 0,
	};
	if (__snp_get_vmsa(vcpus[id], get))
		mismatch("GET_VMSA of vCPU %d: errno %d", id, errno);
	return !memcmp(get, want, sizeof(*get));
}

static void check_vcpu(int id)
{
	struct kvm_sev_snp_get_vmsa get, want;

	if (vcpu_is_as_expected(id, &get, &want))
		return;
	mismatch("vCPU %d: %s 0x%llx flags %u pending %u 0x%llx, expected %s 0x%llx flags %u pending %u 0x%llx",
		 id, get.state < ARRAY_SIZE(state_name) ? state_name[get.state] : "?", get.gpa,
		 get.flags, get.pending, get.pending_gpa, state_name[want.state], want.gpa,
		 want.flags, want.pending, want.pending_gpa);
}

/* Asking makes KVM handle what waits: don't, while there is something. */
static void check_mp_state(int id)
{
	struct model_vcpu *c = &m.vcpu[id];
	struct kvm_mp_state mp;

	if (c->now || c->init || c->sipi)
		return;
	vcpu_mp_state_get(vcpus[id], &mp);
	if ((int)mp.mp_state != c->mp)
		mismatch("vCPU %d: MP state %u, expected %d", id, mp.mp_state, c->mp);
}

static void check_all(void)
{
	int i;

	for (i = 0; i < NR_VCPUS; i++) {
		if (!m.vcpu[i].exists)
			continue;
		check_vcpu(i);
		check_mp_state(i);
	}

	for (i = 0; i < NR_PROGS; i++) {
		volatile struct snp_mbox *mbox = s->mbox[i];

		if (mbox->count != m.prog[i].count || mbox->token != m.prog[i].seen)
			mismatch("program %d: %lu stops, token %lu, expected %lu, %lu", i,
				 (unsigned long)mbox->count, (unsigned long)mbox->token,
				 (unsigned long)m.prog[i].count, (unsigned long)m.prog[i].seen);
	}
}

/*
 * Doing
 */

static volatile int alarms;

static void alarm_handler(int sig)
{
	alarms++;
}

/* Alarms, one every , or none any more: a launch does not stand them. */
static void set_alarm(long usec)
{
	struct timeval tv = { .tv_sec = usec / 1000000, .tv_usec = usec % 1000000 };
	struct itimerval it = { .it_value = tv, .it_interval = tv };

	alarms = 0;
	setitimer(ITIMER_REAL, &it, NULL);
}

/* KVM_RUN, started again when an alarm interrupts it. */
static int run_until_exit(struct kvm_vcpu *vcpu)
{
	int ret, err;

	set_alarm(1000000);
	do {
		ret = __vcpu_run(vcpu);
	} while (ret && errno == EINTR && alarms < (quiet ? SHORT_HANG : HANG_SECONDS));
	err = errno;
	set_alarm(0);
	errno = err;
	return ret;
}

/*
 * KVM_RUN of a vCPU that has nothing to run.  The alarm may come before the
 * vCPU has handled what it has to, so look whether it did.  What it has of INIT and
 * SIPI, check_all() makes it handle, which also tells it from one that could run.
 */
static int run_blocked(int id)
{
	struct kvm_sev_snp_get_vmsa get, want;
	int ret, err, tries = 0;

	set_alarm(1000);
	do {
		ret = __vcpu_run(vcpus[id]);
	} while (ret && errno == EINTR && !vcpu_is_as_expected(id, &get, &want) &&
		 ++tries < 1000);
	err = errno;
	set_alarm(0);
	errno = err;
	return ret;
}

static const char *describe_exit(struct kvm_run *run, int ret, int err)
{
	static char buf[200];
	int n;

	n = snprintf(buf, sizeof(buf), "KVM_RUN %d, errno %d, exit %s", ret, ret ? err : 0,
		     exit_reason_str(run->exit_reason));
	if (run->exit_reason == KVM_EXIT_MEMORY_FAULT)
		snprintf(buf + n, sizeof(buf) - n, ", gpa 0x%llx size 0x%llx flags 0x%llx",
			 run->memory_fault.gpa, run->memory_fault.size, run->memory_fault.flags);
	else if (run->exit_reason == KVM_EXIT_HYPERCALL)
		snprintf(buf + n, sizeof(buf) - n, " %llu 0x%llx", run->hypercall.nr,
			 run->hypercall.args[0]);
	else if (run->exit_reason == KVM_EXIT_SYSTEM_EVENT)
		snprintf(buf + n, sizeof(buf) - n, " %u 0x%llx", run->system_event.type,
			 run->system_event.data[0]);
	return buf;
}

static bool is_memory_fault(struct kvm_run *run, int ret, int err, u64 gpa, u64 flags)
{
	return ret == -1 && err == EFAULT && run->exit_reason == KVM_EXIT_MEMORY_FAULT &&
	       run->memory_fault.gpa == gpa &&
	       run->memory_fault.size == (gpa == GPA_NONE ? 0 : PAGE_SIZE) &&
	       run->memory_fault.flags == flags;
}

static bool is_outcome(const struct outcome *o, struct kvm_run *run, int ret, int err)
{
	switch (o->kind) {
	case STOP:
		return !ret && run->exit_reason == KVM_EXIT_HYPERCALL &&
		       run->hypercall.nr == KVM_HC_MAP_GPA_RANGE &&
		       run->hypercall.args[0] == STOP_GPA(o->prog);
	case BLOCK:
		return ret == -1 && err == EINTR;
	case MISSING:
		return is_memory_fault(run, ret, err, o->gpa,
				       KVM_MEMORY_EXIT_FLAG_PRIVATE |
				       KVM_MEMORY_EXIT_FLAG_SNP_VMSA);
	case TOUCH:
		return is_memory_fault(run, ret, err, o->gpa, KVM_MEMORY_EXIT_FLAG_PRIVATE);
	case BAD_VMSA:
		return !ret && run->exit_reason == KVM_EXIT_FAIL_ENTRY;
	}
	return false;
}

static void run_vcpu(int id, const struct cmd *cmd)
{
	struct kvm_run *run = vcpus[id]->run;
	struct outcome o;
	int ret, err;
	u64 val;

	o = model_run(&m.vcpu[id], cmd);
	ret = o.kind == BLOCK ? run_blocked(id) : run_until_exit(vcpus[id]);
	err = errno;
	say("    -> %s", describe_exit(run, ret, err));
	if (!is_outcome(&o, run, ret, err))
		mismatch("vCPU %d: %s, expected: %s, gpa 0x%lx, program %d", id,
			 describe_exit(run, ret, err), outcome_name[o.kind],
			 (unsigned long)o.gpa, o.prog);
	if (o.kind != STOP || o.val == ~0ULL)
		return;
	val = ((volatile struct snp_mbox *)s->mbox[o.prog])->val[0];
	if (val != o.val)
		mismatch("AP Creation: %lu, expected %lu", (unsigned long)val,
			 (unsigned long)o.val);
}

/* A vCPU that exists, and is not too late unless @late. */
static int pick_vcpu(bool late)
{
	int i, n = 0, nr = late ? NR_VCPUS : FIRST_LATE;

	for (i = 0; i < nr; i++)
		n += m.vcpu[i].exists;
	n = rnd(n);
	for (i = 0; ; i++)
		if (m.vcpu[i].exists && !n--)
			return i;
}

/* vCPU 0 has the last VMSA that nobody took: spare it, mostly. */
static int pick_target(bool late)
{
	int id = pick_vcpu(late);

	return id || chance(25) ? id : pick_vcpu(late);
}

static int pick_page(void)
{
	return 1 + rnd(NR_PAGES);
}

static u64 pick_gpa(void)
{
	u64 page = SNP_VMSA_GPA(pick_page());

	switch (rnd(25)) {
	case 0:
		return page + 8 * (1 + rnd(500));
	case 1:
		return SNP_VMSA_GPA(0);
	case 2:
		return SNP_VMSA_GPA(512);
	case 3:
		return BIT_ULL(52) + page;
	case 4:
		return BIT_ULL(51) + page;
	case 5:
		return NO_SLOT_GPA;
	case 6:
		return PLAIN_SLOT_GPA + PAGE_SIZE;
	case 7:
		return BIT_ULL(kvm_cpu_property(X86_PROPERTY_MAX_PHY_ADDR)) + page;
	default:
		return page;
	}
}

static u32 pick_request(void)
{
	static const u32 bad[] = { 3, 4, 0x10001, ~0u };

	switch (rnd(20)) {
	case 0:
		return bad[rnd(ARRAY_SIZE(bad))];
	case 1 ... 3:
		return DESTROY;
	case 4 ... 6:
		return ON_INIT;
	default:
		return CREATE;
	}
}

static struct snp_vmsa *vmsa_of_page(int n, u64 token)
{
	static u8 buf[PAGE_SIZE] __aligned(PAGE_SIZE);
	struct snp_vmsa *vmsa = (void *)buf;

	snp_vmsa_init(s, vmsa, PROG_OF_PAGE(n), snp_guest_entry_regs);
	vmsa->r15 = (u64)guest_prog;
	vmsa->r14 = token;
	return vmsa;
}

static void model_add_vcpu(int id, struct kvm_vcpu *vcpu, int mp)
{
	vcpus[id] = vcpu;
	m.vcpu[id] = (struct model_vcpu) {
		.exists = true,
		.mp = mp,
		.state = KVM_SEV_SNP_VMSA_STATE_KVM,
		.gpa = GPA_NONE,
		.now_gpa = GPA_NONE,
		.init_gpa = GPA_NONE,
	};
	snp_set_up_lapic(vcpu);
}

static void new_vm(void)
{
	int i, nr = 1 + rnd(NR_KVM_VCPUS);
	u64 stale = m.stale;

	memset(&m, 0, sizeof(m));
	m.stale = stale;
	m.slot = true;
	for (i = 1; i <= NR_PAGES; i++)
		m.page[i].private = true;

	s = snp_vm_create(nr, guest_prog);
	snp_vmsa_init(s, s->ap_init, 0, snp_guest_entry_regs);
	s->ap_init->r15 = (u64)guest_prog;
	vm_userspace_mem_region_add(s->vm, VM_MEM_SRC_ANONYMOUS, PLAIN_SLOT_GPA, PLAIN_SLOT, 16, 0);
	for (i = 0; i < nr; i++)
		model_add_vcpu(i, s->vcpu[i], KVM_MP_STATE_RUNNABLE);
	progress->last_vm = cur_step;
	say("new VM, %d vCPUs", nr);
}

static void set_slot(bool there)
{
	struct kvm_userspace_memory_region2 region =
		memslot2region(s->vm, SNP_VMSA_SLOT)->region;

	if (!there)
		region.memory_size = 0;
	vm_ioctl(s->vm, KVM_SET_USER_MEMORY_REGION2, &region);
	m.slot = there;
}

static void free_vm(void)
{
	if (!m.slot)
		set_slot(true);
	snp_vm_free(s);
}

static void step_free(void)
{
	say("free the VM");
	free_vm();
	new_vm();
}

static void step_start(void)
{
	say("LAUNCH_START, memory");
	snp_launch_start(s);
	snp_launch_memory(s);
	m.phase = LAUNCHING;
}

enum id_block { NO_ID_BLOCK, WRONG_ID_BLOCK, UNREADABLE_ID_BLOCK };

static int launch_finish(enum id_block id_block)
{
	static u8 id_auth[KVM_SEV_SNP_ID_AUTH_SIZE] __aligned(PAGE_SIZE);
	/* Neither the digest nor the signature is right: one of them firmware checks. */
	struct snp_id_block block = { .version = 1, .policy = s->policy };
	struct kvm_sev_snp_launch_finish finish = {
		.id_block_en = id_block != NO_ID_BLOCK,
		.id_block_uaddr = id_block == UNREADABLE_ID_BLOCK ? PAGE_SIZE : (u64)&block,
		.id_auth_uaddr = (u64)id_auth,
	};

	return snp_vm_cmd(s->vm, KVM_SEV_SNP_LAUNCH_FINISH, &finish, NULL);
}

/* One of the vCPUs that LAUNCH_FINISH is not done with, or -1. */
static int pick_unprotected(void)
{
	int i, id = rnd(NR_VCPUS);

	for (i = 0; i < NR_VCPUS; i++, id = (id + 1) % NR_VCPUS) {
		struct model_vcpu *c = &m.vcpu[id];

		if (c->exists && !c->protected)
			return id;
	}
	return -1;
}

static void set_debug(int id, u32 control)
{
	struct kvm_guest_debug debug = { .control = control };

	vcpu_ioctl(vcpus[id], KVM_SET_GUEST_DEBUG, &debug);
}

/*
 * Or one that fails: for a vCPU, and nothing has happened, or with the ID block, when
 * it is done with all vCPUs.
 */
static void step_finish(void)
{
	static const int err[] = { 0, EIO, EFAULT };
	enum id_block id_block = chance(75) ? NO_ID_BLOCK : 1 + rnd(2);
	int want, debugged = chance(80) ? -1 : pick_unprotected();

	want = model_finish(debugged) ?: err[id_block];
	say("LAUNCH_FINISH%s, vCPU %d is debugged: %s",
	    id_block == WRONG_ID_BLOCK ? ", wrong ID block" :
	    id_block == UNREADABLE_ID_BLOCK ? ", no ID block at its address" : "", debugged,
	    want ? strerror(want) : "ok");
	if (debugged >= 0)
		set_debug(debugged, KVM_GUESTDBG_ENABLE);
	check_errno("LAUNCH_FINISH", launch_finish(id_block), want);
	if (debugged >= 0)
		set_debug(debugged, 0);
	if (!want)
		m.phase = FINISHED;
}

static void step_add(void)
{
	int id = m.phase == FINISHED ? FIRST_LATE : NR_KVM_VCPUS;
	int end = m.phase == FINISHED ? NR_VCPUS : FIRST_LATE;

	while (id < end && m.vcpu[id].exists)
		id++;
	if (id == end)
		return;
	say("new vCPU %d", id);
	model_add_vcpu(id, vm_arch_vcpu_recreate(s->vm, id), KVM_MP_STATE_HALTED);
	snp_vcpu_halt(vcpus[id]);
}

static void set_vmsa(int id)
{
	struct kvm_sev_snp_set_vmsa set = {
		.request = m.vcpu[id].now && chance(40) ? ON_INIT : pick_request(),
		.gpa = pick_gpa(),
		.sev_features = FEAT,
	};
	int want;

	if (set.request == DESTROY && !chance(10))
		set.gpa = set.sev_features = 0;
	if (id < NR_KVM_VCPUS && chance(m.phase == LAUNCHING ? 20 : 3))
		set.flags = FROM_VCPU;
	switch (rnd(40)) {
	case 0:
		set.flags = BIT(1 + rnd(31));
		break;
	case 1:
		set.vmpl = 1 + rnd(255);
		break;
	case 2:
		set.pad[rnd(sizeof(set.pad))] = 1 + rnd(255);
		break;
	case 3:
		set.sev_features ^= BIT_ULL(rnd(64));
		break;
	}
	want = model_set_errno(id, &set);
	say("SET_VMSA vCPU %d request %u flags 0x%x gpa 0x%llx: %s", id, set.request, set.flags,
	    set.gpa, want ? strerror(want) : "ok");
	check_errno("SET_VMSA", snp_vcpu_cmd(vcpus[id], KVM_SEV_SNP_SET_VMSA, &set, NULL), want);
	if (!want)
		model_request(&m.vcpu[id], set.request, set.gpa, set.flags & FROM_VCPU);
}

/* The second of two requests is the one that counts. */
static void step_set(void)
{
	int id = pick_target(true);

	do {
		set_vmsa(id);
	} while (m.vcpu[id].now && chance(40));
}

static void step_launch_page(void)
{
	int n = chance(90) ? pick_page() : 512 * rnd(2);
	int bad = chance(85) ? 0 : 1 + rnd(2), want = 0, ret;
	bool ours = n && n <= NR_PAGES;
	struct snp_vmsa *vmsa = vmsa_of_page(ours ? n : 1, ++next_token);

	if (bad == 1)
		vmsa->sev_features ^= BIT_ULL(rnd(64));
	else if (bad == 2)
		vmsa->vmpl = 1 + rnd(255);

	if (m.phase == NEW || !m.slot || (ours && !m.page[n].private))
		want = EINVAL;
	else if (ours && m.page[n].given)
		want = EEXIST;
	else if (!ours)
		want = ERANGE;
	else if (bad)
		want = EINVAL;
	else if (m.phase == FINISHED)
		want = EIO;
	say("LAUNCH_UPDATE of a VMSA at page %d%s: %s", n, bad ? ", bad contents" : "",
	    want ? strerror(want) : "ok");
	ret = __snp_launch_page(s, SNP_VMSA_GPA(n), vmsa, KVM_SEV_SNP_PAGE_TYPE_VMSA, NULL);
	/* Shared and given: which of the two is told is not promised, and kernels differ. */
	if (ret && errno == EEXIST && want == EINVAL && m.phase != NEW && m.slot && ours &&
	    !m.page[n].private && m.page[n].given)
		want = EEXIST;
	check_errno("LAUNCH_UPDATE", ret, want);
	if (!want)
		model_make(n, PROG_OF_PAGE(n), next_token);
}

static void step_punch(void)
{
	int n = pick_page();

	say("PUNCH_HOLE of page %d", n);
	vm_guest_mem_punch_hole(s->vm, SNP_VMSA_GPA(n), PAGE_SIZE);
	model_discard(n);
}

/* Allocated is not given to the guest. */
static void step_allocate(void)
{
	int n = pick_page();

	say("allocate page %d", n);
	vm_guest_mem_allocate(s->vm, SNP_VMSA_GPA(n), PAGE_SIZE);
}

static void step_attribute(void)
{
	int n = pick_page();
	bool private = !m.page[n].private || chance(20);

	say("page %d becomes %s", n, private ? "private" : "shared");
	if (private)
		vm_mem_set_private(s->vm, SNP_VMSA_GPA(n), PAGE_SIZE);
	else
		vm_mem_set_shared(s->vm, SNP_VMSA_GPA(n), PAGE_SIZE);
	m.page[n].private = private;
}

static void step_slot(void)
{
	struct kvm_userspace_memory_region2 region =
		memslot2region(s->vm, SNP_VMSA_SLOT)->region;

	if (m.slot && chance(30)) {
		say("move the memslot");
		region.guest_phys_addr = MOVED_SLOT_GPA;
		check_errno("move of a memslot with guest_memfd",
			    __vm_ioctl(s->vm, KVM_SET_USER_MEMORY_REGION2, &region), EINVAL);
		return;
	}
	say("memslot %s", m.slot ? "goes" : "is back");
	set_slot(!m.slot);
}

/* A vCPU that may be made to run: it has something to run, or is told that not. */
static int pick_runnable(void)
{
	int id = pick_vcpu(false);

	return id < NR_KVM_VCPUS || m.vcpu[id].state != KVM_SEV_SNP_VMSA_STATE_KVM ? id : 0;
}

static void step_mp_state(void)
{
	static const int states[] = {
		KVM_MP_STATE_RUNNABLE, KVM_MP_STATE_HALTED, KVM_MP_STATE_INIT_RECEIVED,
	};
	struct kvm_mp_state mp = { .mp_state = states[chance(60) ? 0 : rnd(3)] };
	int id = pick_runnable();

	/* Reading it is no less: KVM handles then what waits, as in KVM_RUN. */
	if (chance(20)) {
		say("vCPU %d: which MP_STATE?", id);
		vcpu_mp_state_get(vcpus[id], &mp);
		model_events(&m.vcpu[id]);
		return;
	}
	say("vCPU %d: MP_STATE %u", id, mp.mp_state);
	vcpu_mp_state_set(vcpus[id], &mp);
	m.vcpu[id].mp = mp.mp_state;
}

/* As snp_send_msi(), but what comes before a failure is told. */
static void send_event(int id, u32 data)
{
	int ret = __snp_send_msi(s->vm, id, data);

	if (ret != 1)
		mismatch("MSI 0x%x to vCPU %d: %d, errno %d", data, id, ret, errno);
}

static void step_init(void)
{
	int id = pick_runnable();
	bool sipi = chance(80);

	say("vCPU %d: INIT%s", id, sipi ? ", SIPI" : "");
	send_event(id, SNP_MSI_INIT);
	m.vcpu[id].init = true;
	m.vcpu[id].sipi = sipi;
	if (sipi)
		send_event(id, SNP_MSI_SIPI);
}

static void step_sipi(void)
{
	int id = pick_runnable();

	say("vCPU %d: SIPI", id);
	send_event(id, SNP_MSI_SIPI);
	m.vcpu[id].sipi = true;
}

static void step_run(void)
{
	int id = pick_vcpu(false), i;
	struct cmd cmd = { .op = CMD_NONE };

	switch (rnd(10)) {
	case 0 ... 3:
	case 4:
		cmd.op = chance(85) ? CMD_MAKE : CMD_SPOIL;
		cmd.arg[0] = pick_page();
		cmd.arg[1] = ++next_token;
		cmd.arg[2] = s->cpu_gva[PROG_OF_PAGE(cmd.arg[0])];
		cmd.arg[3] = s->stack_gva[PROG_OF_PAGE(cmd.arg[0])];
		/* A VMSA in use is the CPU's. */
		if (SNP_VMSA_GPA(cmd.arg[0]) == m.vcpu[id].gpa ||
		    SNP_VMSA_GPA(cmd.arg[0]) == m.vcpu[id].now_gpa ||
		    SNP_VMSA_GPA(cmd.arg[0]) == m.vcpu[id].init_gpa)
			cmd.op = CMD_NONE;
		say("run vCPU %d, %s page %lu", id, cmd.op == CMD_MAKE ? "make a VMSA of" :
		    cmd.op == CMD_SPOIL ? "spoil" : "leave alone", (unsigned long)cmd.arg[0]);
		break;
	case 5 ... 7:
		cmd.op = CMD_AP;
		cmd.arg[0] = pick_request();
		cmd.arg[1] = chance(90) ? pick_target(false) : rnd(FIRST_LATE);
		cmd.arg[2] = pick_gpa();
		say("run vCPU %d, AP Creation %lu of vCPU %lu, gpa 0x%lx", id,
		    (unsigned long)cmd.arg[0], (unsigned long)cmd.arg[1],
		    (unsigned long)cmd.arg[2]);
		break;
	default:
		say("run vCPU %d", id);
	}
	/* Who gets it is up to the vCPU; a program in the middle of one has its own. */
	for (i = 0; i < NR_PROGS; i++) {
		volatile struct snp_mbox *mbox = s->mbox[i];

		mbox->cmd = cmd.op;
		mbox->arg[0] = cmd.arg[0];
		mbox->arg[1] = cmd.arg[1];
		mbox->arg[2] = cmd.arg[2];
		mbox->arg[3] = cmd.arg[3];
	}
	m.idle++;
	run_vcpu(id, &cmd);
}

/* Before the launch is finished: firmware has no VMSA of it, or KVM does not let it. */
static void step_run_early(void)
{
	int id = pick_vcpu(false);
	struct cmd cmd = { .op = CMD_NONE };

	say("run vCPU %d, too early", id);
	if (m.vcpu[id].protected)
		check_errno("KVM_RUN", __vcpu_run(vcpus[id]), EINVAL);
	else
		run_vcpu(id, &cmd);
}

static const struct {
	void (*fn)(void);
	u16 weight[NR_PHASES];
} steps[] = {
	{ step_start,		{ 30 } },
	{ step_finish,		{ 0, 12 } },
	{ step_add,		{ 10, 4, 1 } },
	{ step_set,		{ 20, 40, 22 } },
	{ step_launch_page,	{ 15, 30, 2 } },
	{ step_punch,		{ 5, 8, 8 } },
	{ step_allocate,	{ 3, 3, 3 } },
	{ step_attribute,	{ 2, 5, 6 } },
	{ step_slot,		{ 2, 3, 4 } },
	{ step_mp_state,	{ 0, 3, 4 } },
	{ step_init,		{ 0, 0, 6 } },
	{ step_sipi,		{ 0, 0, 4 } },
	{ step_run,		{ 0, 0, 50 } },
	{ step_run_early,	{ 0, 3, 0 } },
	{ step_free,		{ 0, 1, 1 } },
};

static void do_step(int n)
{
	unsigned int i, total = 0, r;

	cur_step = progress->step = n;
	rng = mix(seed ^ mix(n));

	/* Nobody is left who could make a VMSA. */
	if (m.idle > 40) {
		step_free();
		check_all();
		return;
	}

	for (i = 0; i < ARRAY_SIZE(steps); i++)
		total += steps[i].weight[m.phase];
	r = rnd(total);
	for (i = 0; r >= steps[i].weight[m.phase]; i++)
		r -= steps[i].weight[m.phase];
	steps[i].fn();
	check_all();
}

static u64 stale_vmruns(void)
{
	return ctl ? snpctl_counter(ctl, SNP_CTL_CNT_VMRUN_STALE_VMSA) : 0;
}

/* Runs the steps whose numbers are in @list, in a process of its own. */
static bool run_list(const int *list, int nr)
{
	struct sigaction sa = { .sa_handler = alarm_handler };
	int i, status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	TEST_ASSERT(pid >= 0, "fork()");
	if (pid) {
		TEST_ASSERT(waitpid(pid, &status, 0) == pid, "waitpid()");
		return WIFEXITED(status) && !WEXITSTATUS(status);
	}

	if (quiet && !freopen("/dev/null", "w", stderr))
		_exit(KSFT_FAIL);
	sigaction(SIGALRM, &sa, NULL);

	cur_step = -1;
	rng = mix(seed);
	new_vm();
	check_all();
	for (i = 0; i < nr; i++)
		do_step(list[i]);
	free_vm();

	if (ctl && stale_vmruns() - stale_before != m.stale)
		mismatch("%lu VMRUNs of what is no VMSA, expected %lu",
			 (unsigned long)(stale_vmruns() - stale_before), (unsigned long)m.stale);
	_exit(0);
}

static bool fails(const int *list, int nr)
{
	stale_before = stale_vmruns();
	return !run_list(list, nr);
}

/* Leaves out what the failure does not need, half of the steps first. */
static int shrink(int *list, int nr)
{
	int *shorter = calloc(nr, sizeof(int));
	int len, at, rest;

	TEST_ASSERT(shorter, "Insufficient memory");
	quiet = true;
	for (len = nr / 2; len; len /= 2) {
		for (at = 0; at < nr; ) {
			rest = max(nr - at - len, 0);
			memcpy(shorter, list, at * sizeof(int));
			memcpy(shorter + at, list + nr - rest, rest * sizeof(int));
			if (fails(shorter, at + rest)) {
				nr = at + rest;
				memcpy(list, shorter, nr * sizeof(int));
			} else {
				at += len;
			}
		}
	}
	quiet = false;
	free(shorter);
	return nr;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

int main(int argc, char *argv[])
{
	bool minimize = false, ok;
	int i, nr, opt, *list;
	double start;

	while ((opt = getopt(argc, argv, "s:rn:mv")) != -1) {
		switch (opt) {
		case 's':
			seed = strtoull(optarg, NULL, 0);
			break;
		case 'r':
			seed = mix(time(NULL) ^ (u64)getpid() << 32) >> 32;
			break;
		case 'n':
			nr_steps = atoi_positive("Number of steps", optarg);
			break;
		case 'm':
			minimize = true;
			break;
		case 'v':
			verbose = true;
			break;
		default:
			fprintf(stderr, "usage: %s [-s SEED | -r] [-n STEPS] [-m] [-v]\n",
				argv[0]);
			return KSFT_FAIL;
		}
	}

	TEST_REQUIRE(kvm_cpu_has(X86_FEATURE_SEV_SNP));
	TEST_REQUIRE(kvm_check_cap(KVM_CAP_VM_TYPES) & BIT(KVM_X86_SNP_VM));
	TEST_REQUIRE(snp_has_vmsa_uapi());
	ctl = snpctl_open();

	progress = kvm_mmap(sizeof(*progress), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1);
	list = calloc(nr_steps, sizeof(int));
	TEST_ASSERT(list, "Insufficient memory");
	for (i = 0; i < nr_steps; i++)
		list[i] = i;

	ksft_print_header();
	ksft_set_plan(1);
	ksft_print_msg("seed %lu, %d steps\n", (unsigned long)seed, nr_steps);
	start = now();
	ok = !fails(list, nr_steps);
	ksft_print_msg("%d steps, %.2f ms each\n", progress->step + 1,
		       (now() - start) * 1000 / (progress->step + 1));

	if (!ok && minimize) {
		nr = progress->step + 1;
		/* Mostly the VM in which it failed is enough. */
		i = max(progress->last_vm, 0);
		quiet = true;
		if (fails(list + i, nr - i)) {
			list += i;
			nr -= i;
		}
		nr = shrink(list, nr);
		ksft_print_msg("%d steps are enough:\n", nr);
		verbose = true;
		fails(list, nr);
	}
	ksft_test_result(ok, "seed %lu, %d steps\n", (unsigned long)seed, nr_steps);
	ksft_finished();
}
