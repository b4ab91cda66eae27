// SPDX-License-Identifier: GPL-2.0
/*
 * What an exit of a plain SVM guest tells the hypervisor, seen from the kernel:
 * the next RIP, the decode assists, the bytes of the instruction; and what is
 * left of the VMCB when VMRUN refuses it. And what another CPU, which runs no guest, must
 * not change of a guest's run.
 *
 * A guest in 64-bit mode runs one instruction, everything is intercepted, and
 * the fields that the exit has to write hold garbage before. What is expected
 * comes from the APM volume 2, chapter 15 and appendix C.
 *
 * No SNP is needed. Load it when kvm_amd has been loaded and no guest runs.
 */
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/irqflags.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/string.h>
#include <asm/cpufeature.h>
#include <asm/debugreg.h>
#include <asm/msr.h>
#include <asm/svm.h>
#include <asm/trap_pf.h>
#include <asm/trapnr.h>
#include "svm_guest.h"

#define INVALID		((u64)SVM_EXIT_ERR)
#define EXCP(n)		(SVM_EXIT_EXCP_BASE + (n))
#define TABLE		(_PAGE_PRESENT | _PAGE_RW | _PAGE_USER)
#define GIB_PAGE	(TABLE | _PAGE_ACCESSED | _PAGE_DIRTY | _PAGE_PSE)

/* The first four GiB are mapped, the last of them has no nested mapping. */
#define NESTED_GIB	3
#define NOT_NESTED	0xd0000123ULL
#define NOT_MAPPED	0x200000000ULL

#define MOV_CR		BIT_ULL(63)	/* EXITINFO1: it was a MOV */
#define NPF_FINAL	BIT_ULL(32)	/* not while walking the tables */
#define IO_IN		BIT(0)
#define IO_STRING	BIT(2)
#define IO_SIZE8	BIT(4)
#define IO_SIZE32	BIT(6)
#define IO_ADDR64	BIT(9)
#define IO_SEG_FS	(4 << 10)
#define IO_PORT(p)	((u64)(p) << 16)

#define ATTR_CODE64	0x29b
#define ATTR_DATA	0xc93
#define ATTR_CODE_D	BIT(10)
#define INSN_BYTES	15
#define DR_GENERAL_DETECT BIT(13)	/* of DR7 */

struct vm {
	u8 code[2 * PAGE_SIZE];
	u8 iopm[3 * PAGE_SIZE];
	u8 msrpm[2 * PAGE_SIZE];
	u64 pml4[512], pdpt[512];	/* of the guest */
	u64 npml4[512], npdpt[512];
	u64 pd[512], pt[512], npd[512], npt[512];
	u64 data[2][512];
	u64 gdt[512], idt[512];
	struct vmcb vmcb __aligned(PAGE_SIZE);
	struct vmcb copy __aligned(PAGE_SIZE);
	u8 hsave[PAGE_SIZE] __aligned(PAGE_SIZE);
};

struct row {
	const char *name;
	u8 code[12];
	u8 len;
	u16 off;	/* where in the two pages it starts */
	u8 at;		/* the instruction that exits, from there */
	u8 next;	/* its length if next_rip tells it; else 0 */
	u8 bytes;	/* how many instruction bytes the exit tells */
	bool relative;	/* info1 counts from the code */
	bool jumped;	/* RIP is what was in RAX */
	u32 exit;
	u64 rax;
	u64 info1;
	u64 info2;
	void (*change)(struct vm *vm);
};

static struct vmcb_seg flat(u16 selector, u16 attrib)
{
	return (struct vmcb_seg) {
		.selector = selector,
		.attrib = attrib,
		.limit = 0xffffffff,
	};
}

static void build(struct vm *vm, const struct row *row)
{
	struct vmcb_control_area *c = &vm->vmcb.control;
	struct vmcb_save_area *s = &vm->vmcb.save;

	memset(&vm->vmcb, 0, sizeof(vm->vmcb));
	memset(vm->code, 0x90, sizeof(vm->code));
	memcpy(vm->code + row->off, row->code, row->len);

	s->cs = flat(0x10, ATTR_CODE64);
	s->ds = flat(0x18, ATTR_DATA);
	s->es = s->ds;
	s->ss = s->ds;
	s->efer = EFER_SVME | EFER_LME | EFER_LMA | EFER_NX;
	s->cr0 = X86_CR0_PE | X86_CR0_PG | X86_CR0_WP | X86_CR0_ET |
		 X86_CR0_NE;
	s->cr4 = X86_CR4_PAE;
	s->cr3 = virt_to_phys(vm->pml4);
	s->rflags = X86_EFLAGS_FIXED;
	s->dr6 = DR6_RESERVED;
	s->dr7 = 0x400;
	s->rip = virt_to_phys(vm->code) + row->off;
	s->rsp = virt_to_phys(vm->code) + sizeof(vm->code);
	s->rax = row->rax;

	c->asid = 1;
	c->tlb_ctl = TLB_CONTROL_FLUSH_ALL_ASID;
	c->misc_ctl = SVM_MISC_ENABLE_NP;
	c->nested_cr3 = virt_to_phys(vm->npml4);
	c->iopm_base_pa = virt_to_phys(vm->iopm);
	c->msrpm_base_pa = virt_to_phys(vm->msrpm);
	c->int_ctl = V_INTR_MASKING_MASK;
	/* CR0 to CR8 and DR0 to DR7: reads below, writes above. */
	c->intercepts[INTERCEPT_CR] = 0x01ff01ff;
	c->intercepts[INTERCEPT_DR] = 0x00ff00ff;
	c->intercepts[INTERCEPT_EXCEPTION] = ~(1U << X86_TRAP_NMI);
	c->intercepts[INTERCEPT_WORD3] = ~0;
	c->intercepts[INTERCEPT_WORD4] = 0x3fff;

	c->next_rip = 0xdeadbeef;
	c->insn_len = 7;
	memset(c->insn_bytes, 0xee, sizeof(c->insn_bytes));

	if (row->change)
		row->change(vm);
}

/* An interrupt of the host may come first: again, from the start. */
static void run(struct kunit *test, struct vm *vm, const struct row *row)
{
	u64 exit;

	do {
		build(vm, row);
		vm->copy = vm->vmcb;
		KUNIT_ASSERT_NE(test, enter_guest(virt_to_phys(&vm->vmcb),
						  vm->hsave,
						  virt_to_phys(vm->hsave)),
				FAULT);
		exit = exit_code_of(&vm->vmcb.control);
		cond_resched();
	} while (exit == SVM_EXIT_INTR || exit == SVM_EXIT_NMI);
}

static int svm_init(struct kunit *test)
{
	struct vm *vm;
	u64 i;

	if (!boot_cpu_has(X86_FEATURE_SVM) ||
	    !(native_read_msr(MSR_EFER) & EFER_SVME))
		kunit_skip(test, "SVM is off: load kvm_amd first");
	if (native_read_cr4() & X86_CR4_LA57)
		kunit_skip(test, "written for nested tables of four levels");

	vm = alloc_pages_exact(sizeof(*vm),
			       GFP_KERNEL | GFP_DMA32 | __GFP_ZERO);
	KUNIT_ASSERT_NOT_NULL(test, vm);
	test->priv = vm;
	KUNIT_ASSERT_LE(test, virt_to_phys(vm + 1), (u64)NESTED_GIB * SZ_1G);

	memset(vm->iopm, 0xff, sizeof(vm->iopm));
	memset(vm->msrpm, 0xff, sizeof(vm->msrpm));
	vm->pml4[0] = virt_to_phys(vm->pdpt) | TABLE;
	vm->npml4[0] = virt_to_phys(vm->npdpt) | TABLE;
	for (i = 0; i < 4; i++) {
		vm->pdpt[i] = i * SZ_1G | GIB_PAGE;
		if (i < NESTED_GIB)
			vm->npdpt[i] = i * SZ_1G | GIB_PAGE;
	}
	return 0;
}

static void svm_exit(struct kunit *test)
{
	struct vm *vm = test->priv;

	if (vm)
		free_pages_exact(vm, sizeof(*vm));
}

#define CHANGE(fn, ...)							\
static void change_##fn(struct vm *vm)					\
{									\
	struct vmcb_control_area *c = &vm->vmcb.control;		\
	struct vmcb_save_area *s = &vm->vmcb.save;			\
									\
	(void)c;							\
	(void)s;							\
	__VA_ARGS__;							\
}

/* What is written to a control register, not that it is. */
CHANGE(no_cr, c->intercepts[INTERCEPT_CR] = 0)
CHANGE(gd, s->dr7 |= DR_GENERAL_DETECT)

#define CODE(...)							\
	.code = { __VA_ARGS__ }, .len = sizeof((u8[]) { __VA_ARGS__ })
/* One instruction, and next_rip tells its length. */
#define INSN(...)							\
	CODE(__VA_ARGS__), .next = sizeof((u8[]) { __VA_ARGS__ })

static const struct row exits[] = {
	{ "cpuid", INSN(0x0f, 0xa2), .exit = SVM_EXIT_CPUID },
	{ "cpuid_prefixed", INSN(0xf3, 0x66, 0x0f, 0xa2),
	  .exit = SVM_EXIT_CPUID },
	{ "hlt", INSN(0xf4), .exit = SVM_EXIT_HLT },
	{ "pause", INSN(0xf3, 0x90), .exit = SVM_EXIT_PAUSE },
	{ "rdmsr", INSN(0x0f, 0x32), .exit = SVM_EXIT_MSR },
	{ "wrmsr", INSN(0x0f, 0x30), .exit = SVM_EXIT_MSR, .info1 = 1 },
	{ "rdtsc", INSN(0x0f, 0x31), .exit = SVM_EXIT_RDTSC },
	{ "wbinvd", INSN(0x0f, 0x09), .exit = SVM_EXIT_WBINVD },
	{ "vmmcall", INSN(0x0f, 0x01, 0xd9), .exit = SVM_EXIT_VMMCALL },
	{ "vmrun", INSN(0x0f, 0x01, 0xd8), .exit = SVM_EXIT_VMRUN },
	{ "stgi", INSN(0x0f, 0x01, 0xdc), .exit = SVM_EXIT_STGI },
	{ "invlpg_rip", INSN(0x0f, 0x01, 0x3d, 0x10, 0, 0, 0),
	  .exit = SVM_EXIT_INVLPG, .relative = true, .info1 = 7 + 0x10 },
	{ "in_al", INSN(0xe4, 0x80), .exit = SVM_EXIT_IOIO,
	  .info1 = IO_PORT(0x80) | IO_ADDR64 | IO_SIZE8 | IO_IN },
	/* mov $0x1234, %edx */
	{ "outs_fs", CODE(0xba, 0x34, 0x12, 0, 0, 0x64, 0x6f),
	  .at = 5, .next = 2, .exit = SVM_EXIT_IOIO,
	  .info1 = IO_PORT(0x1234) | IO_SEG_FS | IO_ADDR64 | IO_SIZE32 |
		   IO_STRING },
	{ "int_41", INSN(0xcd, 0x41), .exit = SVM_EXIT_SWINT, .info1 = 0x41 },
	{ "int_3", INSN(0xcd, 0x03), .exit = SVM_EXIT_SWINT, .info1 = 3 },
	{ "int3", INSN(0xcc), .exit = EXCP(X86_TRAP_BP) },
	{ "int1", INSN(0xf1), .exit = SVM_EXIT_ICEBP },
	{ "ud2", CODE(0x0f, 0x0b), .exit = EXCP(X86_TRAP_UD) },
	{ "mov_to_cr3", INSN(0x0f, 0x22, 0xdb),
	  .exit = SVM_EXIT_WRITE_CR3, .info1 = MOV_CR | 3 },
	{ "mov_to_cr0", INSN(0x41, 0x0f, 0x22, 0xc5),
	  .exit = SVM_EXIT_WRITE_CR0, .info1 = MOV_CR | 13 },
	{ "mov_from_cr3", INSN(0x0f, 0x20, 0xdf),
	  .exit = SVM_EXIT_READ_CR3, .info1 = MOV_CR | 7 },
	{ "mov_from_cr4", INSN(0x41, 0x0f, 0x20, 0xe0),
	  .exit = SVM_EXIT_READ_CR4, .info1 = MOV_CR | 8 },
	{ "mov_from_cr8", INSN(0x45, 0x0f, 0x20, 0xc2),
	  .exit = SVM_EXIT_READ_CR0 + 8, .info1 = MOV_CR | 10 },
	{ "clts", INSN(0x0f, 0x06), .exit = SVM_EXIT_WRITE_CR0 },
	{ "smsw", INSN(0x0f, 0x01, 0xe0), .exit = SVM_EXIT_READ_CR0 },
	{ "lmsw", INSN(0x0f, 0x01, 0xf0), .exit = SVM_EXIT_WRITE_CR0 },
	{ "mov_to_dr7", INSN(0x41, 0x0f, 0x23, 0xf9),
	  .exit = SVM_EXIT_WRITE_DR7, .info1 = 9 },
	{ "mov_from_dr0", INSN(0x0f, 0x21, 0xc0), .exit = SVM_EXIT_READ_DR0 },
	{ "mov_from_dr6", INSN(0x0f, 0x21, 0xf6),
	  .exit = SVM_EXIT_READ_DR6, .info1 = 6 },
	{ "mov_to_dr7_gd", CODE(0x41, 0x0f, 0x23, 0xf9),
	  .exit = EXCP(X86_TRAP_DB), .change = change_gd },
	/* xor %r14d, %r14d */
	{ "mov_to_cr0_selective", CODE(0x45, 0x31, 0xf6, 0x41, 0x0f, 0x22, 0xc6),
	  .at = 3, .next = 4, .exit = SVM_EXIT_CR0_SEL_WRITE, .info1 = MOV_CR | 14,
	  .change = change_no_cr },
	{ "mov_to_cr3_reserved", CODE(0x0f, 0x22, 0xd8), .rax = BIT_ULL(60),
	  .exit = EXCP(X86_TRAP_GP), .change = change_no_cr },
	{ "mov_to_cr4_reserved", CODE(0x0f, 0x22, 0xe0), .rax = BIT_ULL(40),
	  .exit = EXCP(X86_TRAP_GP), .change = change_no_cr },

	/* mov %rbx, (%rax) and back */
	{ "npf_store", CODE(0x48, 0x89, 0x18), .rax = NOT_NESTED,
	  .exit = SVM_EXIT_NPF, .bytes = INSN_BYTES, .info2 = NOT_NESTED,
	  .info1 = NPF_FINAL | X86_PF_USER | X86_PF_WRITE },
	{ "npf_load", CODE(0x48, 0x8b, 0x18), .off = 0x100, .rax = NOT_NESTED,
	  .exit = SVM_EXIT_NPF, .bytes = INSN_BYTES, .info2 = NOT_NESTED,
	  .info1 = NPF_FINAL | X86_PF_USER },
	{ "npf_load_two_pages", CODE(0x48, 0x8b, 0x18), .off = PAGE_SIZE - 2,
	  .rax = NOT_NESTED,
	  .exit = SVM_EXIT_NPF, .bytes = INSN_BYTES, .info2 = NOT_NESTED,
	  .info1 = NPF_FINAL | X86_PF_USER },
	/* jmp *%rax: there are no bytes that it could tell. */
	{ "npf_fetch", CODE(0xff, 0xe0), .rax = NOT_NESTED, .jumped = true,
	  .exit = SVM_EXIT_NPF, .info2 = NOT_NESTED,
	  .info1 = NPF_FINAL | X86_PF_INSTR | X86_PF_USER },
	{ "pf_store", CODE(0x48, 0x89, 0x18), .rax = NOT_MAPPED,
	  .exit = EXCP(X86_TRAP_PF), .bytes = INSN_BYTES, .info2 = NOT_MAPPED,
	  .info1 = X86_PF_WRITE },
};

KUNIT_ARRAY_PARAM_DESC(exit, exits, name);

static void test_exit(struct kunit *test)
{
	const struct row *row = test->param_value;
	static const u8 zero[INSN_BYTES];
	struct vm *vm = test->priv;
	const struct vmcb_control_area *c = &vm->vmcb.control;
	u64 code = virt_to_phys(vm->code), rip = code + row->off + row->at;

	if (!boot_cpu_has(X86_FEATURE_NRIPS) ||
	    !boot_cpu_has(X86_FEATURE_DECODEASSISTS))
		kunit_skip(test, "no next RIP or no decode assists");

	run(test, vm, row);

	KUNIT_EXPECT_EQ(test, exit_code_of(c), row->exit);
	KUNIT_EXPECT_EQ(test, c->exit_info_1,
			row->info1 + (row->relative ? code : 0));
	if (row->info2)
		KUNIT_EXPECT_EQ(test, c->exit_info_2, row->info2);
	if (row->exit == SVM_EXIT_IOIO)
		KUNIT_EXPECT_EQ(test, c->exit_info_2, rip + row->next);
	KUNIT_EXPECT_EQ(test, vm->vmcb.save.rip,
			row->jumped ? row->rax : rip);
	KUNIT_EXPECT_EQ(test, c->next_rip, row->next ? rip + row->next : 0);
	KUNIT_EXPECT_EQ(test, c->insn_len, row->bytes);
	KUNIT_EXPECT_MEMEQ(test, c->insn_bytes,
			   row->bytes ? vm->code + row->off + row->at : zero,
			   INSN_BYTES);
	KUNIT_EXPECT_TRUE(test, c->int_ctl & V_INTR_MASKING_MASK);
}

CHANGE(asid_0, c->asid = 0)
CHANGE(no_vmrun, c->intercepts[INTERCEPT_VMRUN / 32] &=
	~BIT(INTERCEPT_VMRUN % 32))
CHANGE(efer_svme, s->efer &= ~EFER_SVME)
CHANGE(efer_reserved, s->efer |= BIT_ULL(40))
CHANGE(cr0_high, s->cr0 |= BIT_ULL(33))
CHANGE(cr0_nw, s->cr0 |= X86_CR0_NW)
CHANGE(cr3_reserved, s->cr3 |= BIT_ULL(60))
CHANGE(cr4_reserved, s->cr4 |= BIT_ULL(50))
CHANGE(no_pae, s->cr4 = 0)
CHANGE(dr6_high, s->dr6 |= BIT_ULL(32))
CHANGE(dr7_high, s->dr7 |= BIT_ULL(32))
CHANGE(cs_long_and_d, s->cs.attrib |= ATTR_CODE_D)
CHANGE(msrpm_beyond, c->msrpm_base_pa = 0xffffffffff000ULL)
CHANGE(inject_nmi_as_exception, c->event_inj = SVM_EVTINJ_VALID |
	SVM_EVTINJ_TYPE_EXEPT | X86_TRAP_NMI)
CHANGE(inject_reserved_type, c->event_inj = SVM_EVTINJ_VALID | (1 << 8))

#define REFUSED(n)	{ .name = #n, CODE(0xf4), .change = change_##n }

static const struct row refused[] = {
	REFUSED(asid_0),
	REFUSED(no_vmrun),
	REFUSED(efer_svme),
	REFUSED(efer_reserved),
	REFUSED(cr0_high),
	REFUSED(cr0_nw),
	REFUSED(cr3_reserved),
	REFUSED(cr4_reserved),
	REFUSED(no_pae),
	REFUSED(dr6_high),
	REFUSED(dr7_high),
	REFUSED(cs_long_and_d),
	REFUSED(msrpm_beyond),
	REFUSED(inject_nmi_as_exception),
	REFUSED(inject_reserved_type),
};

KUNIT_ARRAY_PARAM_DESC(refused, refused, name);

static void test_refused(struct kunit *test)
{
	static const struct row hlt = { INSN(0xf4) };
	struct vm *vm = test->priv;

	run(test, vm, test->param_value);

	KUNIT_EXPECT_EQ(test, exit_code_of(&vm->vmcb.control), INVALID);
	KUNIT_EXPECT_MEMEQ(test, &vm->copy.save, &vm->vmcb.save,
			   sizeof(vm->copy.save));
	KUNIT_EXPECT_EQ(test, vm->vmcb.control.int_ctl,
			vm->copy.control.int_ctl);
	KUNIT_EXPECT_EQ(test, vm->vmcb.control.int_state,
			vm->copy.control.int_state);
	KUNIT_EXPECT_FALSE(test, irqs_disabled());

	/* The next one runs. */
	run(test, vm, &hlt);
	KUNIT_EXPECT_EQ(test, exit_code_of(&vm->vmcb.control), SVM_EXIT_HLT);
}

/*
 * What must not be left in the TLB for the next VMRUN. Nothing is said of what may be:
 * a change of the tables without one of these is seen or not.
 */
#define WINDOW		(5ULL * SZ_1G)			/* in the guest: one page, */
#define NESTED_WINDOW	((u64)NESTED_GIB * SZ_1G)	/* and where it is */

struct tlb_row {
	const char *name;
	struct row run;
	bool guest_table;	/* changes, and not the nested one */
};

/* mov (%rax),%rax; hlt */
#define LOAD		CODE(0x48, 0x8b, 0x00, 0xf4), .rax = WINDOW

CHANGE(first, c->tlb_ctl = TLB_CONTROL_FLUSH_ALL_ASID)
CHANGE(asid, c->tlb_ctl = TLB_CONTROL_FLUSH_ASID)
CHANGE(asid_local, c->tlb_ctl = TLB_CONTROL_FLUSH_ASID_LOCAL)
CHANGE(other_asid, c->tlb_ctl = TLB_CONTROL_DO_NOTHING; c->asid = 2)

static const struct tlb_row tlb_rows[] = {
	{ "all, nested table", { LOAD, .change = change_first } },
	{ "all, guest's table", { LOAD, .change = change_first }, true },
	{ "ASID, nested table", { LOAD, .change = change_asid } },
	{ "ASID, guest's table", { LOAD, .change = change_asid }, true },
	{ "ASID but global, guest's table", { LOAD, .change = change_asid_local }, true },
	{ "another ASID, nested table", { LOAD, .change = change_other_asid } },
	{ "another ASID, guest's table", { LOAD, .change = change_other_asid }, true },
};

KUNIT_ARRAY_PARAM_DESC(tlb, tlb_rows, name);

static void tlb_control(struct kunit *test)
{
	const struct tlb_row *row = test->param_value;
	const struct row first = { LOAD, .change = change_first };
	struct vm *vm = test->priv;

	vm->data[0][0] = 1;
	vm->data[1][0] = 2;
	vm->pdpt[WINDOW / SZ_1G] = virt_to_phys(vm->pd) | TABLE;
	vm->pd[0] = virt_to_phys(vm->pt) | TABLE;
	vm->pt[0] = NESTED_WINDOW | TABLE;
	vm->npdpt[NESTED_GIB] = virt_to_phys(vm->npd) | TABLE;
	vm->npd[0] = virt_to_phys(vm->npt) | TABLE;
	vm->npt[0] = virt_to_phys(vm->data[0]) | TABLE;
	vm->npt[1] = virt_to_phys(vm->data[1]) | TABLE;

	run(test, vm, &first);
	KUNIT_EXPECT_EQ(test, exit_code_of(&vm->vmcb.control), SVM_EXIT_HLT);
	KUNIT_EXPECT_EQ(test, vm->vmcb.save.rax, 1);

	if (row->guest_table)
		vm->pt[0] = (NESTED_WINDOW + PAGE_SIZE) | TABLE;
	else
		vm->npt[0] = virt_to_phys(vm->data[1]) | TABLE;
	run(test, vm, &row->run);
	KUNIT_EXPECT_EQ(test, exit_code_of(&vm->vmcb.control), SVM_EXIT_HLT);
	KUNIT_EXPECT_EQ(test, vm->vmcb.save.rax, 2);
}

/* What another CPU does while this one runs guests, in small portions. */
static int racer_fn(void *work)
{
	while (!kthread_should_stop()) {
		((void (*)(void))work)();
		cond_resched();
	}
	return 0;
}

static void racer_stop(void *racer)
{
	kthread_stop(racer);
	set_cpus_allowed_ptr(current, cpu_possible_mask);
}

/* Until the end of the test, however it ends. */
static void racer_start(struct kunit *test, void (*work)(void))
{
	struct task_struct *racer;

	if (num_online_cpus() < 2)
		kunit_skip(test, "takes two CPUs");
	racer = kthread_create(racer_fn, work, "snp_svm_racer");
	KUNIT_ASSERT_FALSE(test, IS_ERR(racer));
	kthread_bind(racer, cpumask_next(0, cpu_online_mask));
	set_cpus_allowed_ptr(current, cpumask_of(0));
	wake_up_process(racer);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, racer_stop, racer), 0);
}

/*
 * An interrupt that VMRUN injects is delivered once, also when the emulator looks up from
 * the guest's code afterwards for another reason: here to let another CPU do alone what it
 * can't do atomically.
 */
#define VECTOR		0x40
#define GDT_CODE64	0x00af9b000000ffffULL
#define GDT_DATA	0x00cf93000000ffffULL
#define HANDLER		0x100
#define INJECT_ROUNDS	2000

/* mov $n, %ecx; 1: dec %ecx; jnz 1b; hlt */
#define SPIN(n)		CODE(0xb9, (n) & 0xff, (n) >> 8 & 0xff, (n) >> 16 & 0xff, (n) >> 24, \
			     0xff, 0xc9, 0x75, 0xfc, 0xf4)
/* incq of the counter, whose distance is filled in; iretq */
static const u8 handler[] = { 0x48, 0xff, 0x05, 0, 0, 0, 0, 0x48, 0xcf };

CHANGE(inject,
	c->intercepts[INTERCEPT_IRET / 32] &= ~BIT(INTERCEPT_IRET % 32);
	c->event_inj = SVM_EVTINJ_VALID | SVM_EVTINJ_TYPE_INTR | VECTOR;
	s->gdtr.base = virt_to_phys(vm->gdt); s->gdtr.limit = sizeof(vm->gdt) - 1;
	s->idtr.base = virt_to_phys(vm->idt); s->idtr.limit = sizeof(vm->idt) - 1)

static void misaligned_lock(void)
{
	static u64 two[2];
	u32 *p = (u32 *)((u8 *)two + 1);
	int i;

	for (i = 0; i < 10; i++)
		asm volatile("lock incl %0" : "+m" (*p));
	udelay(10);
}

static void injected_once(struct kunit *test)
{
	const struct row row = { SPIN(10000), .change = change_inject };
	struct vm *vm = test->priv;
	u64 entry = virt_to_phys(vm->code) + HANDLER;
	s32 distance = virt_to_phys(vm->data) - (entry + 7);
	int i, bad_exits = 0;

	racer_start(test, misaligned_lock);
	vm->gdt[2] = GDT_CODE64;
	vm->gdt[3] = GDT_DATA;
	/* A present interrupt gate of 64 bits */
	vm->idt[2 * VECTOR] = (entry & 0xffff) | 0x10 << 16 | 0x8eULL << 40 |
			      (entry >> 16 & 0xffff) << 48;
	vm->idt[2 * VECTOR + 1] = entry >> 32;
	vm->data[0][0] = 0;

	for (i = 0; i < INJECT_ROUNDS; i++) {
		build(vm, &row);
		memcpy(vm->code + HANDLER, handler, sizeof(handler));
		memcpy(vm->code + HANDLER + 3, &distance, sizeof(distance));
		/* Interrupts stay pending: an exit for one would hide the second delivery. */
		enter_guest_irqs(virt_to_phys(&vm->vmcb), vm->hsave,
				 virt_to_phys(vm->hsave), false);
		bad_exits += exit_code_of(&vm->vmcb.control) != SVM_EXIT_HLT ||
			     vm->vmcb.control.exit_int_info & SVM_EXITINTINFO_VALID;
		cond_resched();
	}

	KUNIT_EXPECT_EQ(test, bad_exits, 0);
	KUNIT_EXPECT_EQ(test, vm->data[0][0], INJECT_ROUNDS);
}

/*
 * A CPU's nested paging, interrupt flag and intercepts are its own, whatever others do
 * meanwhile. FLDENV is what a CPU once told the first one about.
 */
#define FLAG_ROUNDS	20000

static void fpu_loads(void)
{
	u8 env[28];
	int i;

	kernel_fpu_begin();
	asm volatile("fninit; fnstenv %0" : "=m" (env));
	for (i = 0; i < 1000; i++)
		asm volatile("fldenv %0" : : "m" (env));
	kernel_fpu_end();
}

static void flags_of_their_own(struct kunit *test)
{
	/* mov %rbx, (%rax); hlt: what is written to is not in the nested table. */
	static const struct row row = {
		CODE(0x48, 0x89, 0x18, 0xf4), .rax = NOT_NESTED,
	};
	struct vm *vm = test->priv;
	int i, lost = 0;

	racer_start(test, fpu_loads);
	for (i = 0; i < FLAG_ROUNDS; i++) {
		run(test, vm, &row);
		lost += exit_code_of(&vm->vmcb.control) != SVM_EXIT_NPF;
	}

	KUNIT_EXPECT_EQ(test, lost, 0);
}

static struct kunit_case svm_cases[] = {
	KUNIT_CASE(injected_once),
	KUNIT_CASE(flags_of_their_own),
	KUNIT_CASE_PARAM(test_exit, exit_gen_params),
	KUNIT_CASE_PARAM(test_refused, refused_gen_params),
	KUNIT_CASE_PARAM(tlb_control, tlb_gen_params),
	{}
};

static struct kunit_suite svm_suite = {
	.name = "snp_svm",
	.init = svm_init,
	.exit = svm_exit,
	.test_cases = svm_cases,
};

kunit_test_suite(svm_suite);

MODULE_DESCRIPTION("KUnit tests of what exits of a plain SVM guest tell");
MODULE_LICENSE("GPL");
