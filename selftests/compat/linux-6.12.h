/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the selftests library of Linux 6.12 calls by another name than a newer
 * one, or does not have.  The Makefile includes it before each of our files if
 * the library is that old; our files are written for the newer.
 */
#ifndef SELFTEST_COMPAT_LINUX_6_12_H
#define SELFTEST_COMPAT_LINUX_6_12_H

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>

#include "kvm_util.h"
#include "processor.h"
#include "sev.h"
#include "test_util.h"

typedef vm_vaddr_t gva_t;
typedef vm_paddr_t gpa_t;

#define vm_alloc_page		vm_vaddr_alloc_page
#define vm_alloc_pages		vm_vaddr_alloc_pages
#define vm_alloc_shared		vm_vaddr_alloc_shared
#define vm_get_pte		vm_get_page_table_entry
#define vm_unused_gva_gap	vm_vaddr_unused_gap

static inline gva_t vm_alloc_stack(struct kvm_vm *vm, int nr_pages)
{
	size_t size = nr_pages * getpagesize();

	/* At a function's entry, RSP + 8 is a multiple of 16. */
	return __vm_vaddr_alloc(vm, size, DEFAULT_GUEST_STACK_VADDR_MIN,
				MEM_REGION_DATA) + size - 8;
}

/* The library leaves XSAVE off in its vCPUs. */
static inline struct kvm_vcpu *vm_arch_vcpu_add_xsave(struct kvm_vm *vm, u32 id)
{
	struct kvm_vcpu *vcpu = vm_arch_vcpu_add(vm, id);
	struct kvm_xcrs xcrs = {
		.nr_xcrs = 1,
		.xcrs[0].value = kvm_cpu_supported_xcr0(),
	};
	struct kvm_sregs sregs;

	vcpu_sregs_get(vcpu, &sregs);
	sregs.cr4 |= X86_CR4_OSXSAVE;
	vcpu_sregs_set(vcpu, &sregs);
	vcpu_xcrs_set(vcpu, &xcrs);
	return vcpu;
}
#define vm_arch_vcpu_add	vm_arch_vcpu_add_xsave

/* KVM of 6.12 takes no policy that forbids SMT, whatever the host's is. */
static inline u64 snp_default_policy(void)
{
	return SNP_POLICY_RSVD_MBO | SNP_POLICY_SMT;
}

static inline void snp_vm_init(struct kvm_vm *vm)
{
	struct kvm_sev_init init = {};

	vm_sev_ioctl(vm, KVM_SEV_INIT2, &init);
}

static inline void *kvm_mmap(size_t size, int prot, int flags, int fd)
{
	void *mem = mmap(NULL, size, prot, flags, fd, 0);

	TEST_ASSERT(mem != MAP_FAILED, "mmap(): errno %d", errno);
	return mem;
}

static inline void pin_self_to_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	TEST_ASSERT(!pthread_setaffinity_np(pthread_self(), sizeof(set), &set),
		    "can't run on CPU %d", cpu);
}

#define SNP_POLICY_DBG		BIT_ULL(19)

#define X86_EFLAGS_CF		BIT(0)
#define X86_EFLAGS_OF		BIT(11)

#define GET_CR(n)						\
static inline u64 get_cr##n(void)				\
{								\
	u64 val;						\
								\
	asm volatile("mov %%cr" #n ", %0" : "=r"(val));		\
	return val;						\
}

#define SET_CR(n)						\
static inline void set_cr##n(u64 val)				\
{								\
	asm volatile("mov %0, %%cr" #n : : "r"(val) : "memory");	\
}

SET_CR(0)
GET_CR(2)
GET_CR(8)
SET_CR(8)

static inline void set_idt(const struct desc_ptr *idt)
{
	asm volatile("lidt %0" : : "m"(*idt));
}

#endif /* SELFTEST_COMPAT_LINUX_6_12_H */
