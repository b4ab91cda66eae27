// SPDX-License-Identifier: GPL-2.0
/* Runs the vCPUs, a thread each, until the guest or an error ends it. */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <linux/kvm_para.h>

#include "launch.h"

/* An 8250 of which the transmitter works: what is written can be sent at once. */
#define UART_BASE	0x3f8
#define UART_LSR	(UART_BASE + 5)
#define UART_LSR_EMPTY	0x60
/* A write ends the guest, with that status; a read gives the number of VMSAs lost so far. */
#define EXIT_PORT	0xf4

#define ZAP_POLL_US	1000

/* The first one to end it decides. */
static void __attribute__((format(printf, 4, 5)))
end(struct vm *vm, enum status status, int guest_status, const char *fmt, ...)
{
	unsigned int i;
	va_list ap;

	pthread_mutex_lock(&vm->lock);
	if (!vm->outcome.ended) {
		vm->outcome.ended = true;
		vm->outcome.status = status;
		vm->outcome.guest_status = guest_status;
		va_start(ap, fmt);
		vsnprintf(vm->outcome.text, sizeof(vm->outcome.text), fmt, ap);
		va_end(ap);
		for (i = 0; i < vm->nr_vcpus; i++) {
			vm->vcpus[i].run->immediate_exit = 1;
			if (vm->vcpus[i].started)
				pthread_kill(vm->vcpus[i].thread, SIGUSR1);
		}
		pthread_cond_signal(&vm->cond);
	}
	pthread_mutex_unlock(&vm->lock);
}

/* Nobody is at this port: said once. */
static void unknown_port(struct vm *vm, uint16_t port, bool in)
{
	static uint8_t told[65536 / 8];

	pthread_mutex_lock(&vm->lock);
	if (!(told[port / 8] & 1 << port % 8))
		say("%s port 0x%x: nobody is there\n", in ? "IN from" : "OUT to", port);
	told[port / 8] |= 1 << port % 8;
	pthread_mutex_unlock(&vm->lock);
}

static uint8_t zaps(struct vm *vm)
{
	uint8_t n;

	pthread_mutex_lock(&vm->lock);
	n = vm->zaps;
	pthread_mutex_unlock(&vm->lock);
	return n;
}

static void io(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	size_t len = (size_t)run->io.size * run->io.count;
	bool in = run->io.direction == KVM_EXIT_IO_IN;
	bool uart = run->io.port >= UART_BASE && run->io.port < UART_BASE + 8;
	unsigned int status;

	if (in) {
		memset(data, run->io.port == UART_LSR ? UART_LSR_EMPTY :
		       run->io.port == EXIT_PORT ? zaps(vcpu->vm) : uart ? 0 : 0xff, len);
	} else if (run->io.port == UART_BASE) {
		pthread_mutex_lock(&vcpu->vm->lock);
		console(data, len);
		pthread_mutex_unlock(&vcpu->vm->lock);
	} else if (run->io.port == EXIT_PORT) {
		status = *data;
		end(vcpu->vm, status ? ST_GUEST : ST_OK, status,
		    "the guest ended with status %u", status);
	}
	if (!uart && run->io.port != EXIT_PORT)
		unknown_port(vcpu->vm, run->io.port, in);
}

/*
 * The guest asks, or just accesses memory.  Returns what memory_convert() does; whatever
 * is not the guest's fault ends it here.
 */
static int convert(struct vcpu *vcpu, uint64_t gpa, uint64_t size, bool private, bool by_access)
{
	struct vm *vm = vcpu->vm;
	int ret;

	pthread_mutex_lock(&vm->lock);
	ret = memory_convert(vm, gpa, size, private);
	if (!ret)
		*(private ? &vm->to_private : &vm->to_shared) += size / PAGE;
	if (!ret && by_access)
		vm->by_access += size / PAGE;
	pthread_mutex_unlock(&vm->lock);
	if (ret && ret != -ENXIO)
		end(vm, ST_FAIL, -1, "0x%llx bytes at 0x%llx can't be made %s: %s",
		    (unsigned long long)size, (unsigned long long)gpa,
		    private ? "private" : "shared", strerror(-ret));
	return ret;
}

static void hypercall(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	uint64_t gpa = run->hypercall.args[0], size = run->hypercall.args[1] * PAGE;
	bool private = run->hypercall.args[2] & KVM_MAP_GPA_RANGE_ENCRYPTED;
	int ret;

	if (run->hypercall.nr != KVM_HC_MAP_GPA_RANGE) {
		run->hypercall.ret = -KVM_ENOSYS;
		return;
	}
	/* The guest that asked for what is not there is told, and may go on. */
	ret = convert(vcpu, gpa, size, private, false);
	run->hypercall.ret = ret == -ENXIO ? EINVAL : 0;
}

/* The VMSA is gone, and KVM_RUN says so until the vCPU is given another. */
static void lost_vmsa(struct vcpu *vcpu, uint64_t gpa)
{
	struct vm *vm = vcpu->vm;
	char state[64];

	if (!vcpu->lost || vcpu->lost_gpa != gpa) {
		vcpu->lost = true;
		vcpu->lost_gpa = gpa;
		pthread_mutex_lock(&vm->lock);
		vm->zaps++;
		say("vCPU %u: its VMSA at 0x%llx is gone (GET_VMSA: %s)%s\n", vcpu->id,
		    (unsigned long long)gpa, sev_vmsa_state(vcpu, state, sizeof(state)),
		    vm->opt.zap_wait ? "; it waits for another" : "");
		pthread_mutex_unlock(&vm->lock);
		if (!vm->opt.zap_wait)
			end(vm, ST_GUEST, -1,
			    "the VMSA of vCPU %u at 0x%llx was taken away (%s)\n"
			    "  --zap wait keeps the vCPU waiting until the guest gives it another",
			    vcpu->id, (unsigned long long)gpa,
			    sev_vmsa_state(vcpu, state, sizeof(state)));
	}
	usleep(ZAP_POLL_US);
}

static void memory_fault(struct vcpu *vcpu, int err)
{
	uint64_t gpa = vcpu->run->memory_fault.gpa, size = vcpu->run->memory_fault.size;
	uint64_t flags = vcpu->run->memory_fault.flags;
	bool private = flags & KVM_MEMORY_EXIT_FLAG_PRIVATE;

	if (flags & KVM_MEMORY_EXIT_FLAG_SNP_VMSA) {
		lost_vmsa(vcpu, gpa);
		return;
	}
	if (err == EHWPOISON || flags & ~KVM_MEMORY_EXIT_FLAG_PRIVATE) {
		end(vcpu->vm, ST_FAIL, -1, "memory fault at 0x%llx, flags 0x%llx: %s",
		    (unsigned long long)gpa, (unsigned long long)flags, strerror(err));
		return;
	}
	if (convert(vcpu, gpa, size, private, true) == -ENXIO)
		end(vcpu->vm, ST_GUEST, -1,
		    "vCPU %u accessed 0x%llx (%s), where no memory is", vcpu->id,
		    (unsigned long long)gpa, private ? "private" : "shared");
}

static void system_event(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	uint64_t ghcb = run->system_event.ndata ? run->system_event.data[0] : 0;

	switch (run->system_event.type) {
	case KVM_SYSTEM_EVENT_SEV_TERM:
		/* GHCB, "Termination Request": set in 15:12, code in 23:16 */
		end(vcpu->vm, ST_GUEST, -1,
		    "vCPU %u asked for termination: reason set %u, code %u", vcpu->id,
		    (unsigned int)(ghcb >> 12 & 0xf), (unsigned int)(ghcb >> 16 & 0xff));
		break;
	case KVM_SYSTEM_EVENT_SHUTDOWN:
		end(vcpu->vm, ST_OK, 0, "the guest shut down");
		break;
	default:
		end(vcpu->vm, ST_GUEST, -1, "vCPU %u: system event %u", vcpu->id,
		    run->system_event.type);
	}
}

static void handle_exit(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	char state[64];

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		io(vcpu);
		break;
	case KVM_EXIT_HYPERCALL:
		hypercall(vcpu);
		break;
	case KVM_EXIT_SYSTEM_EVENT:
		system_event(vcpu);
		break;
	case KVM_EXIT_SHUTDOWN:
		end(vcpu->vm, ST_GUEST, -1,
		    "vCPU %u shut down, as after a triple fault", vcpu->id);
		break;
	case KVM_EXIT_MMIO:
		end(vcpu->vm, ST_GUEST, -1,
		    "vCPU %u: MMIO %s of %u bytes at 0x%llx: no device is there", vcpu->id,
		    run->mmio.is_write ? "write" : "read", run->mmio.len, run->mmio.phys_addr);
		break;
	case KVM_EXIT_FAIL_ENTRY:
		end(vcpu->vm, ST_FAIL, -1,
		    "vCPU %u can't be entered: hardware reason 0x%llx; GET_VMSA: %s\n"
		    "  the page is no VMSA, or what it holds is no valid state", vcpu->id,
		    run->fail_entry.hardware_entry_failure_reason,
		    sev_vmsa_state(vcpu, state, sizeof(state)));
		break;
#ifdef KVM_EXIT_SNP_REQ_CERTS
	case KVM_EXIT_SNP_REQ_CERTS:
		certs_request(vcpu);
		break;
#endif
	case KVM_EXIT_INTR:
	case KVM_EXIT_IRQ_WINDOW_OPEN:
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		end(vcpu->vm, ST_FAIL, -1, "vCPU %u: internal error of KVM, number %u",
		    vcpu->id, run->internal.suberror);
		break;
	default:
		end(vcpu->vm, ST_FAIL, -1, "vCPU %u: exit reason %u is not known", vcpu->id,
		    run->exit_reason);
	}
}

static void *thread(void *arg)
{
	struct vcpu *vcpu = arg;
	struct vm *vm = vcpu->vm;
	bool ended = false;
	int ret, err;

	while (!ended) {
		ret = ioctl(vcpu->fd, KVM_RUN, 0);
		err = errno;
		vcpu->exits++;
		if (vcpu->certs >= 0)
			certs_sent(vcpu);
		if (!ret) {
			vcpu->lost = false;
			handle_exit(vcpu);
		} else if ((err == EFAULT || err == EHWPOISON) &&
			   vcpu->run->exit_reason == KVM_EXIT_MEMORY_FAULT) {
			memory_fault(vcpu, err);
		} else if (err != EINTR && err != EAGAIN) {
			end(vm, ST_FAIL, -1, "KVM_RUN of vCPU %u: %s, exit reason %u",
			    vcpu->id, strerror(err), vcpu->run->exit_reason);
		}
		pthread_mutex_lock(&vm->lock);
		ended = vm->outcome.ended;
		pthread_mutex_unlock(&vm->lock);
	}
	return NULL;
}

/* Only to interrupt KVM_RUN. */
static void on_signal(int sig)
{
	(void)sig;
}

void run(struct vm *vm)
{
	struct sigaction sa = { .sa_handler = on_signal };
	pthread_condattr_t attr;
	struct timespec until;
	unsigned int i;
	int ret = 0;

	sigaction(SIGUSR1, &sa, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&vm->cond, &attr);
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += vm->opt.timeout;

	pthread_mutex_lock(&vm->lock);
	for (i = 0; i < vm->nr_vcpus; i++) {
		ret = pthread_create(&vm->vcpus[i].thread, NULL, thread, &vm->vcpus[i]);
		if (ret)
			die(ST_FAIL, "thread of vCPU %u: %s", i, strerror(ret));
		vm->vcpus[i].started = true;
	}
	while (!vm->outcome.ended && ret != ETIMEDOUT)
		ret = vm->opt.timeout ? pthread_cond_timedwait(&vm->cond, &vm->lock, &until) :
		      pthread_cond_wait(&vm->cond, &vm->lock);
	pthread_mutex_unlock(&vm->lock);
	end(vm, ST_TIMEOUT, -1, "the guest did not end within %u s", vm->opt.timeout);
	for (i = 0; i < vm->nr_vcpus; i++)
		pthread_join(vm->vcpus[i].thread, NULL);
}
