// SPDX-License-Identifier: GPL-2.0
/* Certificates for extended guest requests: KVM_EXIT_SNP_REQ_CERTS. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launch.h"

/* Linux 6.12 does not know any of it. */
#ifdef KVM_EXIT_SNP_REQ_CERTS

void certs_enable(struct vm *vm)
{
	uint64_t val;

	if (!vm->opt.certs)
		return;
	if (!sev_get_attr(vm, KVM_X86_SEV_SNP_REQ_CERTS, &val) || !val)
		die(ST_HOST, "--certs: this KVM gives guests no certificates: it has no attribute "
		    "KVM_X86_SEV_SNP_REQ_CERTS\n  use a newer kernel, or leave --certs out");
	if (sev_cmd(vm, vm->fd, KVM_SEV_SNP_ENABLE_REQ_CERTS, NULL, NULL))
		die(ST_FAIL, "KVM_SEV_SNP_ENABLE_REQ_CERTS: %s", strerror(errno));
}

/* Returns 0, or the error for the guest; *pages is what the table needs. */
static int give(struct vcpu *vcpu, int fd, uint64_t gpa, uint64_t *pages)
{
	/* Whoever changes the certificates holds this lock for writing. */
	struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
	struct region *r;
	struct stat st;
	uint64_t have = *pages;

	if (fcntl(fd, F_OFD_SETLK, &lock))
		return errno == EAGAIN || errno == EACCES ? EAGAIN : EIO;
	if (fstat(fd, &st) || !st.st_size)
		return EIO;
	*pages = (st.st_size + PAGE - 1) / PAGE;
	if (*pages > have)
		return ENOSPC;
	r = memory_find(vcpu->vm, gpa, *pages * PAGE);
	if (!r || pread(fd, r->shared + (gpa - r->gpa), st.st_size, 0) != st.st_size)
		return EIO;
	return 0;
}

/*
 * The report has to be signed by the key that the certificate is of: the lock is
 * held until the request has been to the firmware.
 */
void certs_request(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	uint64_t pages = run->snp_req_certs.npages;
	int fd, err = EIO;

	fd = open(vcpu->vm->opt.certs, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		err = give(vcpu, fd, run->snp_req_certs.gpa, &pages);
	if (err != vcpu->certs_error || !err)
		say("vCPU %u: certificates for %llu pages at 0x%llx: %s\n", vcpu->id,
		    (unsigned long long)run->snp_req_certs.npages,
		    (unsigned long long)run->snp_req_certs.gpa, err ? strerror(err) : "given");
	vcpu->certs_error = err;
	run->snp_req_certs.npages = pages;
	run->snp_req_certs.ret = err;
	if (err) {
		if (fd >= 0)
			close(fd);
		return;
	}
	vcpu->certs = fd;
	/* KVM_RUN completes the request, and returns before it enters the guest. */
	run->immediate_exit = 1;
}

#else

void certs_enable(struct vm *vm)
{
	if (vm->opt.certs)
		die(ST_HOST, "--certs: this program was built for a kernel that gives guests no "
		    "certificates\n  leave --certs out");
}

#endif

/* KVM_RUN has returned: the request of before is done. */
void certs_sent(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;

	close(vcpu->certs);
	vcpu->certs = -1;
	pthread_mutex_lock(&vm->lock);
	if (!vm->outcome.ended)
		vcpu->run->immediate_exit = 0;
	pthread_mutex_unlock(&vm->lock);
}
