/* SPDX-License-Identifier: GPL-2.0 */
/* snp-launch: a small VMM for one SEV-SNP guest from an IGVM file. */
#ifndef LAUNCH_LAUNCH_H
#define LAUNCH_LAUNCH_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/kvm.h>

#include <asm/kvm_snp_vmsa.h>

#include "../measure/igvm.h"
#include "../measure/measure.h"
#include "guest_vmsa.h"

#define PAGE		4096ull
#define MAX_VCPUS	64
#define MAX_REGIONS	64

/* Exit status */
enum status {
	ST_OK		= 0,	/* the guest ended by itself, with status 0 */
	ST_FAIL		= 1,	/* a system call, KVM or the firmware failed */
	ST_USAGE	= 2,
	ST_FILE		= 3,	/* the file is malformed, or can't be launched */
	ST_HOST		= 4,	/* the host does not have what it takes */
	ST_DIGEST	= 5,	/* the digests differ */
	ST_GUEST	= 6,	/* the guest ended in another way */
	ST_TIMEOUT	= 7,
};

/* Where a vCPU starts from */
enum vmsa_kind {
	VMSA_NONE,		/* nowhere: the guest makes a VMSA for it */
	VMSA_GUEST,		/* the page of the file, at a GPA of its own */
	VMSA_BUILT,		/* the same page, built by KVM from the registers */
	VMSA_KVM,		/* KVM's own page, from the registers */
};

struct options {
	const char *file;
	const char *append;	/* command line for the guest */
	const char *certs;	/* certificate table for the guest, or NULL */
	uint64_t memory;	/* bytes from GPA 0 */
	unsigned int cpus;	/* 0: as many as the file has */
	unsigned int timeout;	/* seconds; 0: none */
	enum { WHERE_FILE, WHERE_KVM, WHERE_BUILD } vmsa;
	bool empty_is_zero;
	bool no_id_block;
	bool zap_wait;
	bool json;
	bool dry_run;
	bool has_expect;
	uint8_t expect[MEASURE_LEN];
};

struct region {
	uint64_t gpa, size;	/* bytes, multiples of 2 MiB */
	int gmem;		/* private memory */
	uint8_t *shared;	/* shared memory */
};

struct vcpu {
	struct vm *vm;
	unsigned int id;	/* vp_index and APIC id */
	int fd;
	struct kvm_run *run;
	pthread_t thread;
	bool started;
	enum vmsa_kind kind;
	uint64_t vmsa_gpa;
	struct vmsa *context;	/* of the file, or NULL */
	bool lost;		/* its VMSA, at @lost_gpa: said, and not yet replaced */
	uint64_t lost_gpa;
	int certs;		/* locked while a request with them is on its way, or -1 */
	int certs_error;	/* of the last request for them */
	unsigned long exits;
};

/* How it came to an end */
struct outcome {
	bool ended;
	enum status status;
	char text[512];
	int guest_status;	/* of the exit port, or -1 */
};

struct vm {
	struct options opt;
	struct igvm igvm;
	int kvm, fd, sev;
	bool has_uapi, can_build;
	uint64_t sev_features, policy;

	struct region regions[MAX_REGIONS];
	unsigned int nr_regions;
	struct vcpu vcpus[MAX_VCPUS];
	unsigned int nr_vcpus;
	struct kvm_cpuid2 *cpuid;
	uint8_t **areas;	/* contents of parameter areas, by directive */

	struct measure predicted;
	bool digest_proved;	/* firmware took the ID block */
	bool digest_shown;	/* @digest is what the emulated firmware shows */
	uint8_t digest[MEASURE_LEN];
	uint64_t pages;		/* that LAUNCH_UPDATE took */
	unsigned int cpuid_fixes;

	pthread_mutex_t lock;	/* of what follows, and of memory attributes */
	pthread_cond_t cond;
	struct outcome outcome;
	uint64_t to_shared, to_private, by_access;	/* pages */
	unsigned int zaps;
};

/* main.c */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Ends the program with an error: what failed, what is wrong, what to do next. */
void __attribute__((noreturn, format(printf, 2, 3))) die(enum status status, const char *fmt, ...);
void console(const void *data, size_t len);

/* sev.c */
int sev_cmd(struct vm *vm, int fd, uint32_t id, void *data, uint32_t *fw_error);
const char *sev_error(uint32_t fw_error, char *buf, size_t size);
bool sev_get_attr(struct vm *vm, uint64_t attr, uint64_t *val);
void sev_open(struct vm *vm);
void sev_init(struct vm *vm);
void sev_launch_start(struct vm *vm);
void sev_launch_page(struct vm *vm, int type, uint64_t gpa, const void *page);
void sev_launch_flush(struct vm *vm);
void sev_set_vmsa(struct vm *vm, struct vcpu *vcpu);
const char *sev_vmsa_state(struct vcpu *vcpu, char *buf, size_t size);

/* memory.c */
void memory_plan(struct vm *vm);
void memory_create(struct vm *vm);
struct region *memory_find(struct vm *vm, uint64_t gpa, uint64_t size);
int memory_convert(struct vm *vm, uint64_t gpa, uint64_t size, bool private);

/* param.c */
void param_fill(struct vm *vm);

/* vcpu.c */
void vcpu_plan(struct vm *vm);
void vcpu_create(struct vm *vm);
void vcpu_cpuid_page(struct vm *vm, void *page);
void vcpu_set_mp_states(struct vm *vm);
void vcpu_kvm_vmsa(struct vm *vm, const struct vcpu *vcpu, struct vmsa *vmsa);

/* launch.c */
void launch_predict(struct vm *vm);
void launch_say_digest(struct vm *vm);
void launch(struct vm *vm);
void launch_finish(struct vm *vm);

/* certs.c */
void certs_enable(struct vm *vm);
void certs_request(struct vcpu *vcpu);
void certs_sent(struct vcpu *vcpu);

/* run.c */
void run(struct vm *vm);

#endif
