// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an SNP guest sees: PVALIDATE, RMPADJUST and RMPQUERY, #VC instead of
 * exits, unvalidated memory, and what the hypervisor learns of accesses of the
 * wrong kind.
 *
 * The guest runs a list of rows under an IDT of its own and leaves what it saw
 * on a shared page; there is no ucall without a GHCB.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kselftest.h"
#include "kvm_util.h"
#include "processor.h"
#include "sev.h"
#include "svm_util.h"
#include "test_util.h"

#define PVALIDATE	".byte 0xf2, 0x0f, 0x01, 0xff"
#define RMPADJUST	".byte 0xf3, 0x0f, 0x01, 0xfe"
#define RMPQUERY	".byte 0xf3, 0x0f, 0x01, 0xfd"

#define PG_4K		0
#define PG_2M		1

#define RET_INPUT	1
#define RET_PERMISSION	2
#define RET_SIZE	6

#define ATTR(vmpl, perm)	((vmpl) | (perm) << 8)
#define ATTR_VMSA		BIT(16)
#define PERM_RW			3
#define PERM_ALL		0xf

/* What the guest leaves in CR8 for the host to see */
#define LAST_CR8	5

#define NOT_VALIDATED	0x404
#define VC_VECTOR	29

/* Private memory that no launch command touched: one page for each use. */
#define TEST_SLOT	10
#define TEST_GPA	(4ul << 30)	/* a multiple of 2 MiB */
#define TEST_GVA	(3ul << 30)
#define TEST_PAGES	16
#define SHARED_GVA	(TEST_GVA + (1ul << 21))	/* page 0 again, C=0 */
#define MMIO_GVA	(TEST_GVA + (2ul << 21))
#define MMIO_GPA	0xd0000000ul
#define HOLE_GVA	(TEST_GVA + (3ul << 21))	/* not mapped */

/* A result is CF << 32 | return code, or an exception. */
#define CF(ret)		(BIT_ULL(32) | (ret))
#define EXC(vec, err)	(BIT_ULL(63) | (u64)(vec) << 32 | (err))
#define VC(code)	EXC(VC_VECTOR, code)
#define CR2_BAD		BIT_ULL(62)

enum guest_mode {
	MODE_ROWS,
	MODE_SHARED_WRITE,	/* of a private page */
	MODE_PRIVATE_READ,	/* of a shared page */
};

struct row {
	char name[48];
	u64 got;
	u64 want;
};

struct report {
	u64 nr;
	struct row row[127];
};

#define REPORT_SIZE	(2 * PAGE_SIZE)
kvm_static_assert(sizeof(struct report) <= REPORT_SIZE);

/* Written by the exception stubs below. */
u64 trap_fixup, trap_vector, trap_error, trap_cr2;

extern char trap_ud[], trap_gp[], trap_pf[], trap_vc[];

asm("trap_ud:\n\t"
	"push $0\n\t"
	"push $6\n\t"
	"jmp trap_common\n"
	"trap_gp:\n\t"
	"push $13\n\t"
	"jmp trap_common\n"
	"trap_pf:\n\t"
	"push $14\n\t"
	"jmp trap_common\n"
	"trap_vc:\n\t"
	"push $29\n"
	"trap_common:\n\t"
	"push %rax\n\t"
	"mov 8(%rsp), %rax\n\t"
	"mov %rax, trap_vector(%rip)\n\t"
	"mov 16(%rsp), %rax\n\t"
	"mov %rax, trap_error(%rip)\n\t"
	"mov %cr2, %rax\n\t"
	"mov %rax, trap_cr2(%rip)\n\t"
	"mov trap_fixup(%rip), %rax\n\t"
	"mov %rax, 24(%rsp)\n\t"
	"pop %rax\n\t"
	"add $16, %rsp\n\t"
	"iretq\n");

/* Evaluates to 0, or to what the instruction raised. */
#define TRY_INS(insn, ...)						\
({									\
	trap_vector = 0;						\
	asm volatile("lea 1f(%%rip), %%r11\n\t"				\
		     "mov %%r11, trap_fixup(%%rip)\n\t"			\
		     insn "\n"						\
		     "1:"						\
		     __VA_ARGS__);					\
	trap_vector ? EXC(trap_vector, trap_error) : 0;			\
})

#define TRY(insn)							\
	TRY_INS(insn, : : : "rax", "rbx", "rcx", "rdx", "r11", "memory", "cc")

static void set_gate(struct idt_entry *e, void *handler)
{
	u64 addr = (u64)handler;
	u16 cs;

	asm("mov %%cs, %0" : "=r" (cs));
	memset(e, 0, sizeof(*e));
	e->offset0 = addr;
	e->offset1 = addr >> 16;
	e->offset2 = addr >> 32;
	e->selector = cs;
	e->type = 14;
	e->p = 1;
}

static void guest_init_idt(void)
{
	static struct idt_entry idt[32];
	struct desc_ptr ptr = {
		.size = sizeof(idt) - 1,
		.address = (unsigned long)idt,
	};

	set_gate(&idt[6], trap_ud);
	set_gate(&idt[13], trap_gp);
	set_gate(&idt[14], trap_pf);
	set_gate(&idt[29], trap_vc);
	set_idt(&ptr);
}

static u64 pvalidate(u64 va, u64 size, u64 validate)
{
	u64 ret = va, exc;
	u8 cf = 0;

	exc = TRY_INS("clc\n\t" PVALIDATE "\n\tsetc %1",
		      : "+a" (ret), "+r" (cf)
		      : "c" (size), "d" (validate)
		      : "r11", "memory", "cc");
	return exc ?: (u64)cf << 32 | (u32)ret;
}

static u64 rmpadjust(u64 va, u64 size, u64 attrs)
{
	u64 ret = va, exc;

	exc = TRY_INS(RMPADJUST, : "+a" (ret)
		      : "c" (size), "d" (attrs)
		      : "r11", "memory", "cc");
	return exc ?: (u32)ret;
}

/* Returns the attributes, or the code with bit 61 set. */
static u64 rmpquery(u64 va, u64 vmpl)
{
	u64 ret = va, attrs = vmpl, exc;

	exc = TRY_INS(RMPQUERY, : "+a" (ret), "+d" (attrs)
		      : "c" (0)
		      : "r11", "memory", "cc");
	if (exc)
		return exc;
	return ret ? BIT_ULL(61) | (u32)ret : attrs;
}

static u64 read_at(u64 va)
{
	u64 exc = TRY_INS("mov (%0), %%rax", : : "r" (va)
			  : "rax", "r11", "memory");

	return exc && trap_cr2 != va ? exc | CR2_BAD : exc;
}

static u64 write_at(u64 va)
{
	u64 exc = TRY_INS("movq $0x5a, (%0)", : : "r" (va)
			  : "r11", "memory");

	return exc && trap_cr2 != va ? exc | CR2_BAD : exc;
}

static void row(struct report *r, const char *name, u64 got, u64 want)
{
	struct row *w = &r->row[r->nr];
	int i;

	for (i = 0; name[i] && i < sizeof(w->name) - 1; i++)
		w->name[i] = name[i];
	w->got = got;
	w->want = want;
	r->nr++;
}

static u64 page(int n)
{
	return TEST_GVA + n * PAGE_SIZE;
}

static void guest_rows(struct report *r, bool has_query)
{
	u64 cr0, cr4;

	row(r, "SEV_STATUS", rdmsr(MSR_AMD64_SEV), 7);
	row(r, "write of SEV_STATUS",
	    TRY("mov $0xc0010131, %%ecx; xor %%eax, %%eax;"
		"xor %%edx, %%edx; wrmsr"), EXC(13, 0));

	/* #VC 0x404 */
	row(r, "read, not validated", read_at(page(0)), VC(NOT_VALIDATED));
	row(r, "write, not validated", write_at(page(1) + 0x128),
	    VC(NOT_VALIDATED));
	row(r, "fetch, not validated",
	    TRY_INS("jmp *%0", : : "r" (page(2)) : "r11", "memory"),
	    VC(NOT_VALIDATED));

	/* PVALIDATE */
	row(r, "pvalidate", pvalidate(page(0), PG_4K, 1), 0);
	row(r, "pvalidate again: no change", pvalidate(page(0), PG_4K, 1),
	    CF(0));
	row(r, "write, validated", write_at(page(0)), 0);
	row(r, "read, validated", read_at(page(0)), 0);
	row(r, "what was written", READ_ONCE(*(u64 *)page(0)), 0x5a);
	row(r, "the neighbour is not validated", read_at(page(1)),
	    VC(NOT_VALIDATED));
	row(r, "pvalidate, address within the page",
	    pvalidate(page(1) + 0x123, PG_4K, 1), 0);
	row(r, "rescind", pvalidate(page(1), PG_4K, 0), 0);
	row(r, "rescind again: no change", pvalidate(page(1), PG_4K, 0),
	    CF(0));
	row(r, "read, rescinded", read_at(page(1)), VC(NOT_VALIDATED));
	row(r, "pvalidate 2M of a 4K page", pvalidate(page(0), PG_2M, 1),
	    RET_SIZE);
	row(r, "pvalidate 2M, unaligned", pvalidate(page(1), PG_2M, 1),
	    RET_INPUT);
	row(r, "pvalidate, not mapped", pvalidate(HOLE_GVA, PG_4K, 1),
	    EXC(14, 0));

	/* RMPADJUST */
	row(r, "rmpadjust VMPL1", rmpadjust(page(0), PG_4K, ATTR(1, PERM_RW)),
	    0);
	row(r, "rmpadjust VMPL3", rmpadjust(page(0), PG_4K, ATTR(3, PERM_ALL)),
	    0);
	row(r, "rmpadjust of the own VMPL",
	    rmpadjust(page(0), PG_4K, ATTR(0, PERM_ALL)), RET_PERMISSION);
	row(r, "rmpadjust VMPL4", rmpadjust(page(0), PG_4K, ATTR(4, PERM_RW)),
	    RET_INPUT);
	row(r, "rmpadjust, reserved bit",
	    rmpadjust(page(0), PG_4K, ATTR(1, PERM_RW) | BIT(17)), RET_INPUT);
	row(r, "rmpadjust 2M of a 4K page",
	    rmpadjust(page(0), PG_2M, ATTR(1, PERM_RW)), RET_SIZE);
	row(r, "rmpadjust 2M, unaligned",
	    rmpadjust(page(1), PG_2M, ATTR(1, PERM_RW)), RET_INPUT);
	row(r, "rmpadjust, not validated",
	    rmpadjust(page(3), PG_4K, ATTR(1, PERM_RW)), VC(NOT_VALIDATED));
	row(r, "rmpadjust, not mapped",
	    rmpadjust(HOLE_GVA, PG_4K, ATTR(1, PERM_RW)), EXC(14, 0));
	row(r, "pvalidate for the VMSA", pvalidate(page(4), PG_4K, 1), 0);
	row(r, "rmpadjust VMSA",
	    rmpadjust(page(4), PG_4K, ATTR(1, PERM_RW) | ATTR_VMSA), 0);
	row(r, "a VMSA page can be read", read_at(page(4)), 0);

	/* RMPQUERY: an option of the processor */
	if (has_query) {
		row(r, "rmpquery VMPL1", rmpquery(page(0), 1),
		    ATTR(1, PERM_RW));
		row(r, "rmpquery VMPL0", rmpquery(page(0), 0),
		    ATTR(0, PERM_ALL));
		row(r, "rmpquery VMSA", rmpquery(page(4), 1),
		    ATTR(1, PERM_RW) | ATTR_VMSA);
		row(r, "rmpquery VMPL4", rmpquery(page(0), 4),
		    BIT_ULL(61) | RET_INPUT);
	} else {
		row(r, "rmpquery is undefined", rmpquery(page(0), 1),
		    EXC(6, 0));
	}
	row(r, "rmpadjust, no VMSA any more",
	    rmpadjust(page(4), PG_4K, ATTR(1, PERM_RW)), 0);

	/* Exits that the guest gets as #VC */
	row(r, "CPUID", TRY("xor %%eax, %%eax; cpuid"), VC(SVM_EXIT_CPUID));
	row(r, "IN", TRY("mov $0x80, %%edx; in %%dx, %%al"), VC(SVM_EXIT_IOIO));
	row(r, "OUT", TRY("mov $0x80, %%edx; out %%al, %%dx"),
	    VC(SVM_EXIT_IOIO));
	row(r, "RDMSR, intercepted", TRY("mov $0x1b, %%ecx; rdmsr"),
	    VC(SVM_EXIT_MSR));
	row(r, "VMMCALL", TRY("vmmcall"), VC(SVM_EXIT_VMMCALL));
	row(r, "WBINVD", TRY("wbinvd"), VC(SVM_EXIT_WBINVD));
	row(r, "read of DR7", TRY("mov %%dr7, %%rax"), VC(SVM_EXIT_READ_DR7));
	row(r, "write of DR7", TRY("mov $0x400, %%eax; mov %%rax, %%dr7"),
	    VC(SVM_EXIT_WRITE_DR7));
	row(r, "MMIO read",
	    TRY_INS("mov (%0), %%eax", : : "r" (MMIO_GVA)
		    : "rax", "r11", "memory"), VC(SVM_EXIT_NPF));
	row(r, "MMIO write",
	    TRY_INS("movl $0, (%0)", : : "r" (MMIO_GVA) : "r11", "memory"),
	    VC(SVM_EXIT_NPF));

	/* Automatic exits go on behind the instruction. */
	cr0 = get_cr0();
	set_cr0(cr0 ^ X86_CR0_TS);
	row(r, "CR0 has what was written", get_cr0(), cr0 ^ X86_CR0_TS);
	set_cr0(cr0);
	cr4 = get_cr4();
	set_cr4(cr4 ^ X86_CR4_TSD);
	row(r, "CR4 has what was written", get_cr4(), cr4 ^ X86_CR4_TSD);
	set_cr4(cr4);
	row(r, "EFER.SVME cannot be cleared",
	    TRY("mov $0xc0000080, %%ecx; rdmsr; and $~0x1000, %%eax; wrmsr"),
	    0);
	row(r, "EFER still has it", rdmsr(MSR_EFER) & BIT(12), BIT(12));
	row(r, "PAUSE", TRY("pause"), 0);
	set_cr8(LAST_CR8);
	row(r, "CR8 has what was written", get_cr8(), LAST_CR8);
}

static void guest_code(struct report *r, enum guest_mode mode, u64 has_query)
{
	guest_init_idt();

	switch (mode) {
	case MODE_ROWS:
		guest_rows(r, has_query);
		break;
	case MODE_SHARED_WRITE:
		row(r, "pvalidate", pvalidate(page(0), PG_4K, 1), 0);
		row(r, "private write", write_at(page(0)), 0);
		write_at(SHARED_GVA);
		break;
	case MODE_PRIVATE_READ:
		row(r, "before the access", 0, 0);
		read_at(page(0));
		break;
	}

	wrmsr(MSR_AMD64_SEV_ES_GHCB, GHCB_MSR_TERM_REQ);
	vmgexit();
}

/* Returns the report; the exit is in *vcpu. */
static struct report *run_snp_guest(enum guest_mode mode, struct kvm_vm **vm,
				    struct kvm_vcpu **vcpu, int *ret)
{
	u32 eax, ebx, ecx, edx;
	struct report *r;
	gva_t gva;
	u64 *pte;
	int i;

	__cpuid(0x8000001f, 0, &eax, &ebx, &ecx, &edx);

	*vm = vm_sev_create_with_one_vcpu(KVM_X86_SNP_VM, guest_code, vcpu);
	gva = vm_alloc_shared(*vm, REPORT_SIZE, KVM_UTIL_MIN_VADDR,
			      MEM_REGION_TEST_DATA);
	r = addr_gva2hva(*vm, gva);
	vcpu_args_set(*vcpu, 3, gva, mode, !!(eax & BIT(6)));

	vm_userspace_mem_region_add(*vm, VM_MEM_SRC_ANONYMOUS, TEST_GPA,
				    TEST_SLOT, TEST_PAGES, KVM_MEM_GUEST_MEMFD);
	virt_map(*vm, TEST_GVA, TEST_GPA, TEST_PAGES);
	for (i = 0; i < TEST_PAGES; i++)
		*vm_get_pte(*vm, page(i)) |= (*vm)->arch.c_bit;
	virt_map(*vm, SHARED_GVA, TEST_GPA, 1);
	/* The library maps memory only. */
	virt_map(*vm, MMIO_GVA, TEST_GPA, 1);
	pte = vm_get_pte(*vm, MMIO_GVA);
	*pte = (*pte & ~PHYSICAL_PAGE_MASK) | MMIO_GPA;

	vm_sev_launch(*vm, snp_default_policy(), NULL);
	memset(r, 0, REPORT_SIZE);
	if (mode != MODE_PRIVATE_READ)
		vm_mem_set_private(*vm, TEST_GPA, TEST_PAGES * PAGE_SIZE);

	*ret = _vcpu_run(*vcpu);
	return r;
}

static void test_rows(void)
{
	struct kvm_vcpu *vcpu;
	struct report *r;
	struct kvm_vm *vm;
	int ret;
	u64 i;

	r = run_snp_guest(MODE_ROWS, &vm, &vcpu, &ret);
	ksft_set_plan(r->nr + 4);
	for (i = 0; i < r->nr; i++) {
		const struct row *w = &r->row[i];

		if (w->got != w->want)
			ksft_print_msg("%s: got %#llx, want %#llx\n", w->name,
				       (unsigned long long)w->got,
				       (unsigned long long)w->want);
		ksft_test_result(w->got == w->want, "%s\n", w->name);
	}
	ksft_test_result(!ret && r->nr &&
			 vcpu->run->exit_reason == KVM_EXIT_SYSTEM_EVENT &&
			 vcpu->run->system_event.type ==
			 KVM_SYSTEM_EVENT_SEV_TERM,
			 "the guest came to its end (%s)\n",
			 exit_reason_str(vcpu->run->exit_reason));
	ksft_test_result(vcpu->run->cr8 == LAST_CR8, "the host sees CR8\n");
	kvm_vm_free(vm);
}

static void test_memory_fault(const char *name, enum guest_mode mode, u64 rows,
			      u64 flags)
{
	struct kvm_vcpu *vcpu;
	struct report *r;
	struct kvm_vm *vm;
	bool ok;
	int ret;
	u64 i;

	r = run_snp_guest(mode, &vm, &vcpu, &ret);
	ok = ret == -1 && errno == EFAULT && r->nr == rows &&
	     vcpu->run->exit_reason == KVM_EXIT_MEMORY_FAULT &&
	     vcpu->run->memory_fault.gpa == TEST_GPA &&
	     vcpu->run->memory_fault.size == PAGE_SIZE &&
	     vcpu->run->memory_fault.flags == flags;
	for (i = 0; i < r->nr; i++)
		ok &= r->row[i].got == r->row[i].want;
	if (!ok)
		ksft_print_msg("%s: ret %d, errno %d, rows %llu, exit %s, gpa %#llx, flags %#llx\n",
			       name, ret, errno, (unsigned long long)r->nr,
			       exit_reason_str(vcpu->run->exit_reason),
			       (unsigned long long)vcpu->run->memory_fault.gpa,
			       (unsigned long long)vcpu->run->memory_fault.flags);
	ksft_test_result(ok, "%s\n", name);
	kvm_vm_free(vm);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_check_cap(KVM_CAP_VM_TYPES) & BIT(KVM_X86_SNP_VM));

	ksft_print_header();
	test_rows();
	test_memory_fault("shared write of a private page", MODE_SHARED_WRITE,
			  2, 0);
	test_memory_fault("private read of a shared page", MODE_PRIVATE_READ,
			  1, KVM_MEMORY_EXIT_FLAG_PRIVATE);
	ksft_finished();
}
