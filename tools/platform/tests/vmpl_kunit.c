// SPDX-License-Identifier: GPL-2.0
/*
 * An SNP guest at VMPL0 and VMPL1, without KVM, which runs no VMPL but 0.
 *
 * VMPL0 is launched by the firmware. It copies a VMSA for VMPL1 into its private
 * memory and makes it one by RMPADJUST, as an SVSM does. Both execute the same
 * program: it halts, and does the one operation that the host then asks for on a
 * shared page. Permissions, validation and page sizes are tested row by row by
 * what the accesses and instructions of the two give.
 *
 * Load it when SNP is enabled (kvm_amd has been loaded) and no guest runs.
 */
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/io.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/psp-sev.h>
#include <asm/debugreg.h>
#include <asm/smp.h>
#include <asm/trapnr.h>
#include "snp-ctl-regs.h"
#include "snp_guest.h"

/*
 * Guest memory. Its first 2 MiB are private and at the same virtual addresses, in
 * pages of 4 KiB; the next 2 MiB are one large page; then come shared pages and
 * one of which the page table says that it is private.
 */
enum {
	PG_CODE, PG_PML4, PG_PDPT, PG_PD, PG_PT, PG_PT_SHARED, PG_TABLES, PG_STACK,
	PG_USER, PG_VMSA0, PG_VMSA1,
	PG_DATA,		/* validated, of VMPL0 only at first */
	PG_INVALID,		/* assigned, never validated */
	PG_LAUNCHED,		/* assigned, immutable: firmware has not launched it */
	PG_OTHER,		/* of another ASID */
	PG_MOVED,		/* validated, at another GPA */
	PG_HOST,		/* not assigned */
	PG_SPARE,
	PG_SHARED, PG_STAGE,
	NR_PAGES
};

#define VA(page)	((u64)(page) * PAGE_SIZE)
#define VA_LARGE	(2ULL << 20)
#define VA_SHARED	(4ULL << 20)	/* PG_SHARED; PG_STAGE behind it */
#define VA_NOWHERE	(8ULL << 20)
#define C_BIT		BIT_ULL(51)
#define PTE_FLAGS	(_PAGE_PRESENT | _PAGE_RW | _PAGE_USER | _PAGE_ACCESSED | _PAGE_DIRTY)

/* What the program below has as numbers */
static_assert(VA_SHARED == 0x400000 && PG_CODE == 0 && PG_STACK == 7 && PAGE_SIZE == 4096);

/* RMPADJUST */
#define ATTR(vmpl, perms)	((vmpl) | (u64)(perms) << 8)
#define ATTR_VMSA		BIT_ULL(16)
#define PERM_R			BIT(0)
#define PERM_W			BIT(1)
#define PERM_XU			BIT(2)
#define PERM_XS			BIT(3)
#define PERM_ALL		0xf
#define SIZE_4K			0
#define SIZE_2M			1

/* The RMP entry that the platform shows */
#define ENTRY_VMSA		BIT_ULL(61)
#define ENTRY_VALIDATED		BIT_ULL(62)

#define RET_OK			0
#define RET_INPUT		1
#define RET_PERMISSION		2
#define RET_INUSE		3
#define RET_SIZE		6

#define SNP_NR_VMPLS		4

/* EXITINFO1 of #VMEXIT(NPF) */
#define NPF_W			BIT_ULL(1)
#define NPF_ID			BIT_ULL(4)
#define NPF_RMP			BIT_ULL(31)
#define NPF_FINAL		BIT_ULL(32)
#define NPF_WALK		BIT_ULL(33)
#define NPF_ENC			BIT_ULL(34)
#define NPF_SIZEM		BIT_ULL(35)
#define NPF_VMPL		BIT_ULL(36)
#define NPF_MASK		(NPF_W | NPF_ID | NPF_RMP | NPF_FINAL | NPF_WALK | NPF_ENC | \
				 NPF_SIZEM | NPF_VMPL)

#define NOT_VALIDATED		0x404
#define VC_VECTOR		29

/* The page that host and guest share. */
struct mailbox {
	u64 op;			/* offset of the operation in the program */
	u64 rax, rcx, rdx;
	u64 done;
	u64 ret, ret_rdx, ret_rcx, rflags;
	u64 vector, error, cr2;	/* vector 0: no exception */
	u64 spins, stop;
};

/*
 * The program. Offsets are those of struct mailbox; RBX is its address, 4 MiB.
 * Each op_* is an operation; user_* is executed at CPL 3 and leaves by SYSCALL.
 */
asm(".pushsection .rodata\n"
	"vmpl_program:\n"
	"program_loop:\n"
	"	hlt\n"
	"	mov $0x400000, %ebx\n"
	"	mov 0x00(%rbx), %rdi\n"
	"	mov 0x08(%rbx), %rax\n"
	"	mov 0x10(%rbx), %rcx\n"
	"	mov 0x18(%rbx), %rdx\n"
	"	jmp *%rdi\n"
	"program_done:\n"			/* also of SYSCALL */
	"	mov $0x400000, %ebx\n"
	"	mov %rax, 0x28(%rbx)\n"
	"	mov %rdx, 0x30(%rbx)\n"
	"	mov %rcx, 0x38(%rbx)\n"
	"	mov $7 * 4096 + 4096, %esp\n"
	"	pushf\n"
	"	pop 0x40(%rbx)\n"
	"	movq $1, 0x20(%rbx)\n"
	"	jmp program_loop\n"
	"op_pvalidate:\n"
	"	clc\n"
	"	.byte 0xf2, 0x0f, 0x01, 0xff\n"
	"	jmp program_done\n"
	"op_rmpadjust:\n"
	"	.byte 0xf3, 0x0f, 0x01, 0xfe\n"
	"	jmp program_done\n"
	"op_rmpquery:\n"
	"	.byte 0xf3, 0x0f, 0x01, 0xfd\n"
	"	jmp program_done\n"
	"op_read:\n"
	"	mov (%rax), %rax\n"
	"	jmp program_done\n"
	"op_write:\n"
	"	mov %rdx, (%rax)\n"
	"	jmp program_done\n"
	"op_exec:\n"
	"	call *%rax\n"
	"	jmp program_done\n"
	"op_user:\n"			/* RAX: where to */
	"	mov %rax, %rcx\n"
	"	mov $2, %r11d\n"
	"	sysretq\n"
	"op_rmpupdate:\n"
	"	.byte 0xf2, 0x0f, 0x01, 0xfe\n"
	"	jmp program_done\n"
	"op_psmash:\n"
	"	.byte 0xf3, 0x0f, 0x01, 0xff\n"
	"	jmp program_done\n"
	"op_cr0:\n"
	"	mov %rax, %cr0\n"
	"	jmp program_done\n"
	"op_cr4:\n"
	"	mov %rax, %cr4\n"
	"	jmp program_done\n"
	"op_cr8:\n"
	"	mov %rax, %cr8\n"
	"	jmp program_done\n"
	"op_efer:\n"
	"	mov $0xc0000080, %ecx\n"
	"	wrmsr\n"
	"	jmp program_done\n"
	"op_spin:\n"
	"	incq 0x60(%rbx)\n"
	"	pause\n"
	"	cmpq $0, 0x68(%rbx)\n"
	"	je op_spin\n"
	"	jmp program_done\n"
	/* The same instructions outside of 64-bit mode */
	"op_pvalidate_32:\n"
	"	push $0x18\n"
	"	push $(in_32_pvalidate - vmpl_program)\n"
	"	lretq\n"
	"op_rmpadjust_32:\n"
	"	push $0x18\n"
	"	push $(in_32_rmpadjust - vmpl_program)\n"
	"	lretq\n"
	"op_rmpquery_32:\n"
	"	push $0x18\n"
	"	push $(in_32_rmpquery - vmpl_program)\n"
	"	lretq\n"
	"	.code32\n"
	"in_32_pvalidate:\n"
	"	.byte 0xf2, 0x0f, 0x01, 0xff\n"
	"	ljmp $8, $(program_done - vmpl_program)\n"
	"in_32_rmpadjust:\n"
	"	.byte 0xf3, 0x0f, 0x01, 0xfe\n"
	"	ljmp $8, $(program_done - vmpl_program)\n"
	"in_32_rmpquery:\n"
	"	.byte 0xf3, 0x0f, 0x01, 0xfd\n"
	"	ljmp $8, $(program_done - vmpl_program)\n"
	"	.code64\n"
	"op_copy:\n"			/* a page from RDX to RAX */
	"	mov %rax, %rdi\n"
	"	mov %rdx, %rsi\n"
	"	mov $512, %ecx\n"
	"	rep movsq\n"
	"	jmp program_done\n"
	"program_ud:\n"
	"	push $0\n"
	"	push $6\n"
	"	jmp program_exception\n"
	"program_gp:\n"
	"	push $13\n"
	"	jmp program_exception\n"
	"program_pf:\n"
	"	push $14\n"
	"	jmp program_exception\n"
	"program_vc:\n"
	"	push $29\n"
	"program_exception:\n"
	"	mov $0x400000, %ebx\n"
	"	pop 0x48(%rbx)\n"
	"	pop 0x50(%rbx)\n"
	"	mov %cr2, %rax\n"
	"	mov %rax, 0x58(%rbx)\n"
	"	jmp program_done\n"
	"vmpl_program_end:\n"
	/* What PG_DATA and PG_USER hold: RET, then what CPL 3 is to do. */
	"vmpl_user:\n"
	"	ret\n"
	"user_syscall:\n"
	"	syscall\n"
	"user_pvalidate:\n"
	"	.byte 0xf2, 0x0f, 0x01, 0xff\n"
	"	syscall\n"
	"user_rmpadjust:\n"
	"	.byte 0xf3, 0x0f, 0x01, 0xfe\n"
	"	syscall\n"
	"vmpl_user_end:\n"
	".popsection\n");

extern const u8 vmpl_program[], vmpl_program_end[], vmpl_user[], vmpl_user_end[];
extern const u8 program_loop[], program_done[], program_ud[], program_gp[], program_pf[],
		program_vc[], op_pvalidate[], op_rmpadjust[], op_rmpquery[], op_read[],
		op_write[], op_exec[], op_user[], op_copy[], op_rmpupdate[], op_psmash[],
		op_cr0[], op_cr4[], op_cr8[], op_efer[], op_spin[], op_pvalidate_32[],
		op_rmpadjust_32[], op_rmpquery_32[], user_syscall[], user_pvalidate[],
		user_rmpadjust[];

#define IN_PROGRAM(label)	((u64)((label) - vmpl_program))
#define IN_USER(page, label)	(VA(page) + ((label) - vmpl_user))

static u8 __iomem *ctl;			/* NULL on hardware */
static u32 asid;
static bool has_rmpquery;

struct guest {
	struct page *block, *large;	/* 2 MiB each */
	u8 *mem;			/* the first one */
	u64 pa, large_pa;
	struct vmcb *vmcb;
	u64 *pml4, *pdpt, *pd, *pt, *pt_large;	/* nested */
	void *perm, *hsave, *gctx;
	bool bound;
	bool is_large, is_smashed;	/* in the RMP */
	struct mailbox *box;
};

static u64 pa_of(struct guest *g, int page)
{
	return g->pa + VA(page);
}

/* --- the guest --------------------------------------------------------- */

static void set_gate(u64 *gate, const u8 *handler)
{
	u64 at = IN_PROGRAM(handler);

	/* 64-bit interrupt gate, DPL 0, selector 8 */
	gate[0] = (at & 0xffff) | 8ULL << 16 | 0x8eULL << 40 | (at >> 16 & 0xffff) << 48;
	gate[1] = at >> 32;
}

/* IDT at 0, GDT at 0x800, TSS at 0x900 of PG_TABLES */
static void fill_tables(u8 *page)
{
	u64 *gdt = (u64 *)(page + 0x800);

	set_gate((u64 *)page + 2 * X86_TRAP_UD, program_ud);
	set_gate((u64 *)page + 2 * X86_TRAP_GP, program_gp);
	set_gate((u64 *)page + 2 * X86_TRAP_PF, program_pf);
	set_gate((u64 *)page + 2 * VC_VECTOR, program_vc);
	gdt[1] = 0x00209b0000000000ULL;		/* 64-bit code, DPL 0 */
	gdt[2] = 0x0000930000000000ULL;
	gdt[3] = 0x00cf9b000000ffffULL;		/* 32-bit code, DPL 0 */
	*(u64 *)(page + 0x904) = VA(PG_STACK) + PAGE_SIZE;
}

static void fill_page_tables(struct guest *g)
{
	u64 *pml4 = (u64 *)(g->mem + VA(PG_PML4)), *pdpt = (u64 *)(g->mem + VA(PG_PDPT));
	u64 *pd = (u64 *)(g->mem + VA(PG_PD)), *pt = (u64 *)(g->mem + VA(PG_PT));
	u64 *shared = (u64 *)(g->mem + VA(PG_PT_SHARED));
	int i;

	pml4[0] = VA(PG_PDPT) | C_BIT | PTE_FLAGS;
	pdpt[0] = VA(PG_PD) | C_BIT | PTE_FLAGS;
	pd[0] = VA(PG_PT) | C_BIT | PTE_FLAGS;
	pd[1] = VA_LARGE | C_BIT | PTE_FLAGS | _PAGE_PSE;
	pd[2] = VA(PG_PT_SHARED) | C_BIT | PTE_FLAGS;
	for (i = 0; i < NR_PAGES; i++)
		pt[i] = VA(i) | C_BIT | PTE_FLAGS;
	shared[0] = VA(PG_SHARED) | PTE_FLAGS;
	shared[1] = VA(PG_STAGE) | PTE_FLAGS;
}

static void fill_vmsa(struct sev_es_save_area *s, int vmpl)
{
	struct vmcb_seg data = { .selector = 0x10, .attrib = 0xc93, .limit = ~0u };

	memset(s, 0, PAGE_SIZE);
	s->ds = data;
	s->es = data;
	s->fs = data;
	s->gs = data;
	s->ss = data;
	s->cs = (struct vmcb_seg){ .selector = 8, .attrib = 0xa9b, .limit = ~0u };
	s->gdtr = (struct vmcb_seg){ .base = VA(PG_TABLES) + 0x800, .limit = 31 };
	s->idtr = (struct vmcb_seg){ .base = VA(PG_TABLES), .limit = 16 * 32 - 1 };
	s->tr = (struct vmcb_seg){ .base = VA(PG_TABLES) + 0x900, .limit = 0x67,
				   .attrib = 0x8b };
	s->ldtr.attrib = 0x82;
	s->vmpl = vmpl;
	s->efer = EFER_SVME | EFER_LME | EFER_LMA | EFER_SCE;
	s->cr0 = X86_CR0_PE | X86_CR0_ET | X86_CR0_PG;
	s->cr4 = X86_CR4_PAE;
	s->cr3 = VA(PG_PML4) | C_BIT;
	s->dr6 = DR6_RESERVED;
	s->dr7 = 0x400;
	s->rflags = X86_EFLAGS_FIXED;
	s->rsp = VA(PG_STACK) + PAGE_SIZE;
	s->rip = IN_PROGRAM(program_loop);
	/* SYSCALL: CS 8; SYSRET: CS 0x20 + 3 */
	s->star = 8ULL << 32 | 0x10ULL << 48;
	s->lstar = IN_PROGRAM(program_done);
	s->g_pat = 0x0007040600070406ULL;
	s->sev_features = SVM_SEV_FEAT_SNP_ACTIVE;
	s->xcr0 = XFEATURE_MASK_FP;
	s->mxcsr = 0x1f80;
	s->x87_fcw = 0x37f;
}

static void fill_vmcb(struct guest *g)
{
	struct vmcb_control_area *c = &g->vmcb->control;

	snp_guest_vmcb(g->vmcb, g->perm, asid);
	c->nested_cr3 = virt_to_phys(g->pml4);
	c->vmsa_pa = pa_of(g, PG_VMSA0);
}

/* Pages in a row in the RMP, to be found at a GPA of their own. */
static int assign(struct guest *g, int page, u64 gpa, u32 owner, bool immutable)
{
	return rmp_make_private(PHYS_PFN(pa_of(g, page)), gpa, PG_LEVEL_4K, owner, immutable);
}

static int launch_page(struct guest *g, int page, u64 gpa, int type, u8 vmpl1)
{
	struct sev_data_snp_launch_update data = {
		.gctx_paddr = virt_to_phys(g->gctx),
		.page_type = type,
		.address = pa_of(g, page),
		.vmpl1_perms = vmpl1,
	};

	return assign(g, page, gpa, asid, true) ?: snp_cmd(SEV_CMD_SNP_LAUNCH_UPDATE, &data);
}

/* Who owns what, and what VMPL1 may do with it */
static int launch_pages(struct guest *g)
{
	static const struct {
		int page;
		u8 vmpl1;
	} pages[] = {
		{ PG_CODE, PERM_R | PERM_XS }, { PG_PML4, PERM_R | PERM_W },
		{ PG_PDPT, PERM_R | PERM_W }, { PG_PD, PERM_R | PERM_W },
		{ PG_PT, PERM_R | PERM_W }, { PG_PT_SHARED, PERM_R | PERM_W },
		{ PG_TABLES, PERM_R | PERM_W }, { PG_STACK, PERM_R | PERM_W },
		{ PG_USER, PERM_R | PERM_XU }, { PG_VMSA1, 0 }, { PG_DATA, 0 },
	};
	int i, r = 0;

	for (i = 0; !r && i < ARRAY_SIZE(pages); i++)
		r = launch_page(g, pages[i].page, VA(pages[i].page), SNP_PAGE_TYPE_NORMAL,
				pages[i].vmpl1);
	r = r ?: launch_page(g, PG_MOVED, VA(PG_MOVED) + SZ_1G, SNP_PAGE_TYPE_NORMAL, 0);
	r = r ?: launch_page(g, PG_VMSA0, VA(PG_VMSA0), SNP_PAGE_TYPE_VMSA, 0);
	r = r ?: assign(g, PG_INVALID, VA(PG_INVALID), asid, false);
	r = r ?: assign(g, PG_LAUNCHED, VA(PG_LAUNCHED), asid, true);
	r = r ?: assign(g, PG_OTHER, VA(PG_OTHER), asid - 1, false);
	return r;
}

static int launch(struct guest *g)
{
	struct sev_data_snp_launch_start start = {
		.gctx_paddr = virt_to_phys(g->gctx),
		.policy = SNP_POLICY_MASK_SMT | SNP_POLICY_MASK_RSVD_MBO,
	};
	struct sev_data_snp_launch_finish finish = { .gctx_paddr = start.gctx_paddr };
	struct sev_data_snp_activate activate = {
		.gctx_paddr = start.gctx_paddr,
		.asid = asid,
	};
	struct sev_data_snp_addr addr = { .address = start.gctx_paddr };
	int r;

	wbinvd_on_all_cpus();
	r = snp_cmd(SEV_CMD_SNP_DF_FLUSH, NULL);
	r = r ?: snp_cmd(SEV_CMD_SNP_GCTX_CREATE, &addr);
	if (r)
		return r;
	g->bound = true;
	r = snp_cmd(SEV_CMD_SNP_LAUNCH_START, &start);
	r = r ?: snp_cmd(SEV_CMD_SNP_ACTIVATE, &activate);
	r = r ?: launch_pages(g);
	return r ?: snp_cmd(SEV_CMD_SNP_LAUNCH_FINISH, &finish);
}

/* --- what the host does ------------------------------------------------ */

/* The exit that ends it; anything else than HLT is a fault of the guest's access. */
static s64 run_vmpl(struct guest *g, int vmpl)
{
	g->vmcb->control.vmsa_pa = pa_of(g, vmpl ? PG_VMSA1 : PG_VMSA0);
	return snp_run(g->vmcb, virt_to_phys(g->vmcb), g->hsave, virt_to_phys(g->hsave));
}

/* Has the guest do an operation. False: it left by #VMEXIT(NPF), and has yet to do it. */
static bool ask(struct kunit *test, struct guest *g, int vmpl, const u8 *op, u64 rax, u64 rcx,
		u64 rdx)
{
	s64 r;

	*g->box = (struct mailbox){ .op = IN_PROGRAM(op), .rax = rax, .rcx = rcx, .rdx = rdx };
	r = run_vmpl(g, vmpl);
	if (r == SVM_EXIT_NPF)
		return false;
	KUNIT_ASSERT_EQ(test, r, SVM_EXIT_HLT);
	KUNIT_ASSERT_EQ(test, g->box->done, 1);
	return true;
}

#define EXPECT_NPF(test, g, bits, gpa)						\
do {										\
	KUNIT_EXPECT_EQ(test, (u64)(bits),					\
			(g)->vmcb->control.exit_info_1 & NPF_MASK);		\
	KUNIT_EXPECT_EQ(test, (u64)(gpa),					\
			(g)->vmcb->control.exit_info_2 & PAGE_MASK);		\
} while (0)

#define EXPECT_RET(test, g, want)						\
do {										\
	KUNIT_EXPECT_EQ(test, (g)->box->vector, 0);				\
	KUNIT_EXPECT_EQ(test, (u32)(g)->box->ret, (u32)(want));			\
} while (0)

#define EXPECT_EXC(test, g, vec, err)						\
do {										\
	KUNIT_EXPECT_EQ(test, (g)->box->vector, (u64)(vec));			\
	KUNIT_EXPECT_EQ(test, (g)->box->error, (u64)(err));			\
} while (0)

/* VMPL0 changes what VMPL1 may do. */
static void allow(struct kunit *test, struct guest *g, int page, u64 attrs)
{
	KUNIT_ASSERT_TRUE(test, ask(test, g, 0, op_rmpadjust, VA(page), SIZE_4K,
				    1 | attrs));
	KUNIT_ASSERT_EQ(test, g->box->vector, 0);
	KUNIT_ASSERT_EQ(test, (u32)g->box->ret, RET_OK);
}

/* The permissions in the RMP, if the platform shows them. */
static void expect_perms(struct kunit *test, u64 pa, int vmpl, u8 want)
{
	if (!ctl)
		return;
	writeq(pa, ctl + SNP_CTL_PAGE);
	KUNIT_EXPECT_EQ(test, (u8)(readq(ctl + SNP_CTL_PAGE_PERMS) >> 8 * vmpl), want);
}

/* The low quadword of an RMP entry, if the platform shows it */
static void expect_entry(struct kunit *test, u64 pa, u64 bits, u64 want)
{
	if (!ctl)
		return;
	writeq(pa, ctl + SNP_CTL_PAGE);
	KUNIT_EXPECT_EQ(test, readq(ctl + SNP_CTL_PAGE_ENTRY) & bits, want);
}

static int make_large(struct guest *g)
{
	int r = rmp_make_private(PHYS_PFN(g->large_pa), VA_LARGE, PG_LEVEL_2M, asid, false);

	g->is_large = !r;
	return r;
}

/* --- permissions ------------------------------------------------------- */

enum { A_READ, A_WRITE, A_EXEC_USER, A_EXEC_SUPERVISOR };

/* Reading wants R, writing R and W; the two ways to execute are apart from it. */
static const struct row {
	u8 perms;
	bool may[4];
} rows[] = {
	{ 0x0, { 0, 0, 0, 0 } }, { 0x1, { 1, 0, 0, 0 } },
	{ 0x2, { 0, 0, 0, 0 } }, { 0x3, { 1, 1, 0, 0 } },
	{ 0x4, { 0, 0, 1, 0 } }, { 0x5, { 1, 0, 1, 0 } },
	{ 0x6, { 0, 0, 1, 0 } }, { 0x7, { 1, 1, 1, 0 } },
	{ 0x8, { 0, 0, 0, 1 } }, { 0x9, { 1, 0, 0, 1 } },
	{ 0xa, { 0, 0, 0, 1 } }, { 0xb, { 1, 1, 0, 1 } },
	{ 0xc, { 0, 0, 1, 1 } }, { 0xd, { 1, 0, 1, 1 } },
	{ 0xe, { 0, 0, 1, 1 } }, { 0xf, { 1, 1, 1, 1 } },
};

static void row_desc(const struct row *row, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%c%c%c%c", row->perms & PERM_R ? 'r' : '-',
		 row->perms & PERM_W ? 'w' : '-', row->perms & PERM_XU ? 'u' : '-',
		 row->perms & PERM_XS ? 's' : '-');
}

KUNIT_ARRAY_PARAM(row, rows, row_desc);

/* As at VMPL1: an access is done, or faults, and is done when it is allowed. */
static void test_permissions(struct kunit *test)
{
	static const struct {
		const u8 *op;
		u64 off;
		u64 bits;
	} access[] = {
		[A_READ] = { op_read, 0x100, 0 },
		[A_WRITE] = { op_write, 0x100, NPF_W },
		[A_EXEC_USER] = { op_user, 1, NPF_ID },
		[A_EXEC_SUPERVISOR] = { op_exec, 0, NPF_ID },
	};
	const struct row *row = test->param_value;
	struct guest *g = test->priv;
	int i;

	for (i = 0; i < ARRAY_SIZE(access); i++) {
		u64 va = VA(PG_DATA) + access[i].off;
		bool done;

		allow(test, g, PG_DATA, (u64)row->perms << 8);
		expect_perms(test, pa_of(g, PG_DATA), 1, row->perms);
		done = ask(test, g, 1, access[i].op, va, 0, 0x5a5a);
		KUNIT_EXPECT_EQ_MSG(test, done, row->may[i], "access %d", i);
		if (done)
			KUNIT_EXPECT_EQ(test, g->box->vector, 0);
		if (done)
			continue;
		EXPECT_NPF(test, g, access[i].bits | NPF_RMP | NPF_FINAL | NPF_ENC | NPF_VMPL,
			   VA(PG_DATA));
		/* It is not done until it is allowed. */
		KUNIT_EXPECT_EQ(test, run_vmpl(g, 1), SVM_EXIT_NPF);
		allow(test, g, PG_DATA, PERM_ALL << 8);
		g->box->done = 0;
		KUNIT_EXPECT_EQ(test, run_vmpl(g, 1), SVM_EXIT_HLT);
		KUNIT_EXPECT_EQ(test, g->box->done, 1);
		KUNIT_EXPECT_EQ(test, g->box->vector, 0);
	}
	/* VMPL0 has lost nothing. */
	KUNIT_EXPECT_TRUE(test, ask(test, g, 0, op_write, VA(PG_DATA) + 0x100, 0, 1));
	KUNIT_EXPECT_TRUE(test, ask(test, g, 0, op_user, VA(PG_DATA) + 1, 0, 0));
	EXPECT_RET(test, g, VA(PG_DATA) + 1);
}

/* The processor reads page tables, and writes to them, with the rights of the VMPL. */
static void test_page_walk(struct kunit *test)
{
	struct guest *g = test->priv;

	allow(test, g, PG_DATA, PERM_ALL << 8);
	allow(test, g, PG_PT, PERM_R << 8);
	KUNIT_EXPECT_FALSE(test, ask(test, g, 1, op_read, VA(PG_DATA), 0, 0));
	EXPECT_NPF(test, g, NPF_W | NPF_RMP | NPF_WALK | NPF_ENC | NPF_VMPL, VA(PG_PT));
	allow(test, g, PG_PT, (PERM_R | PERM_W) << 8);
	KUNIT_EXPECT_EQ(test, run_vmpl(g, 1), SVM_EXIT_HLT);
	KUNIT_EXPECT_EQ(test, g->box->done, 1);
	KUNIT_EXPECT_EQ(test, g->box->vector, 0);
}

/* --- instructions ------------------------------------------------------ */

/* VMPL1 gives to VMPL2 and 3 what it has, and nothing else to nobody else. */
static void test_adjust_vmpl1(struct kunit *test)
{
	static const struct {
		u64 attrs;
		u32 want;
	} adjust[] = {
		{ ATTR(2, PERM_R), RET_OK },
		{ ATTR(2, PERM_R | PERM_W), RET_OK },
		{ ATTR(3, PERM_R | PERM_W), RET_OK },
		{ ATTR(2, 0), RET_OK },
		{ ATTR(2, PERM_R | PERM_XU), RET_PERMISSION },
		{ ATTR(2, PERM_R | PERM_XS), RET_PERMISSION },
		{ ATTR(2, PERM_ALL), RET_PERMISSION },
		{ ATTR(1, PERM_R), RET_PERMISSION },
		{ ATTR(1, PERM_R | PERM_W), RET_PERMISSION },
		{ ATTR(0, PERM_R), RET_PERMISSION },
		{ ATTR(0, PERM_ALL), RET_PERMISSION },
		/* The bit is VMPL0's; of others it is ignored. */
		{ ATTR(2, PERM_R) | ATTR_VMSA, RET_OK },
		{ ATTR(4, PERM_R), RET_INPUT },
		{ ATTR(2, 0x10), RET_INPUT },
		{ ATTR(2, PERM_R) | BIT_ULL(17), RET_INPUT },
	};
	struct guest *g = test->priv;
	int i;

	allow(test, g, PG_DATA, (PERM_R | PERM_W) << 8);
	for (i = 0; i < ARRAY_SIZE(adjust); i++) {
		KUNIT_EXPECT_TRUE(test, ask(test, g, 1, op_rmpadjust, VA(PG_DATA), SIZE_4K,
					    adjust[i].attrs));
		KUNIT_EXPECT_EQ_MSG(test, (u32)g->box->ret, adjust[i].want, "RDX 0x%llx",
				    adjust[i].attrs);
		if (!adjust[i].want)
			expect_perms(test, pa_of(g, PG_DATA), adjust[i].attrs & 0xff,
				     adjust[i].attrs >> 8);
	}
	expect_perms(test, pa_of(g, PG_DATA), 0, PERM_ALL);
	expect_perms(test, pa_of(g, PG_DATA), 1, PERM_R | PERM_W);
	expect_perms(test, pa_of(g, PG_DATA), 2, PERM_R);
	expect_entry(test, pa_of(g, PG_DATA), ENTRY_VMSA, 0);

	allow(test, g, PG_DATA, (PERM_R | PERM_W) << 8 | ATTR_VMSA);
	KUNIT_EXPECT_TRUE(test, ask(test, g, 1, op_rmpadjust, VA(PG_DATA), SIZE_4K, ATTR(2, 0)));
	EXPECT_RET(test, g, RET_OK);
	expect_entry(test, pa_of(g, PG_DATA), ENTRY_VMSA, ENTRY_VMSA);

	/* A VMSA that runs, here the own one, keeps its rights. */
	KUNIT_EXPECT_TRUE(test, ask(test, g, 0, op_rmpadjust, VA(PG_VMSA0), SIZE_4K,
				    ATTR(1, PERM_R) | ATTR_VMSA));
	EXPECT_RET(test, g, RET_INUSE);
}

/* Validation is for VMPL0, and all of them are for CPL 0. */
static void test_privilege(struct kunit *test)
{
	struct guest *g = test->priv;

	KUNIT_EXPECT_TRUE(test, ask(test, g, 1, op_pvalidate, VA(PG_INVALID), SIZE_4K, 1));
	EXPECT_EXC(test, g, X86_TRAP_GP, 0);
	allow(test, g, PG_DATA, PERM_ALL << 8);
	KUNIT_EXPECT_TRUE(test, ask(test, g, 1, op_pvalidate, VA(PG_DATA), SIZE_4K, 0));
	EXPECT_EXC(test, g, X86_TRAP_GP, 0);
	KUNIT_EXPECT_TRUE(test, ask(test, g, 1, op_read, VA(PG_DATA), 0, 0));
	KUNIT_EXPECT_EQ(test, g->box->vector, 0);

	KUNIT_EXPECT_TRUE(test, ask(test, g, 0, op_user, IN_USER(PG_USER, user_syscall), 0, 0));
	KUNIT_EXPECT_EQ(test, g->box->vector, 0);
	KUNIT_EXPECT_TRUE(test, ask(test, g, 0, op_user, IN_USER(PG_USER, user_pvalidate), 0,
				    1));
	EXPECT_EXC(test, g, X86_TRAP_GP, 0);
	KUNIT_EXPECT_TRUE(test, ask(test, g, 0, op_user, IN_USER(PG_USER, user_rmpadjust), 0,
				    ATTR(1, PERM_R)));
	EXPECT_EXC(test, g, X86_TRAP_GP, 0);
}

/* In compatibility mode there is only PVALIDATE. */
static void test_32bit(struct kunit *test)
{
	struct guest *g = test->priv;

	KUNIT_EXPECT_TRUE(test, ask(test, g, 0, op_rmpadjust_32, VA(PG_DATA), SIZE_4K,
				    ATTR(1, PERM_R)));
	EXPECT_EXC(test, g, X86_TRAP_UD, 0);
	KUNIT_EXPECT_TRUE(test, ask(test, g, 0, op_rmpquery_32, VA(PG_DATA), 0, 1));
	EXPECT_EXC(test, g, X86_TRAP_UD, 0);
	KUNIT_EXPECT_TRUE(test, ask(test, g, 0, op_pvalidate_32, VA(PG_DATA), SIZE_4K, 0));
	EXPECT_RET(test, g, RET_OK);
	KUNIT_EXPECT_TRUE(test, ask(test, g, 0, op_read, VA(PG_DATA), 0, 0));
	EXPECT_EXC(test, g, VC_VECTOR, NOT_VALIDATED);
}

/* What belongs to the hypervisor is no guest's. */
static void test_host_instructions(struct kunit *test)
{
	struct guest *g = test->priv;

	KUNIT_EXPECT_TRUE(test, ask(test, g, 0, op_rmpupdate, pa_of(g, PG_SPARE), VA(PG_DATA),
				    0));
	EXPECT_RET(test, g, RET_PERMISSION);
	KUNIT_EXPECT_TRUE(test, ask(test, g, 0, op_psmash, g->large_pa, 0, 0));
	EXPECT_RET(test, g, RET_PERMISSION);
}

/* The hypervisor hears of a control register when it has its new value. */
static void test_write_traps(struct kunit *test)
{
	static const struct {
		const char *name;
		const u8 *op;
		u64 val;
		unsigned int intercept;
		u64 exit;
	} traps[] = {
		{ "CR0", op_cr0, X86_CR0_PE | X86_CR0_ET | X86_CR0_PG | X86_CR0_TS,
		  TRAP_CR0_WRITE, SVM_EXIT_CR0_WRITE_TRAP },
		{ "CR4", op_cr4, X86_CR4_PAE | X86_CR4_TSD,
		  TRAP_CR4_WRITE, SVM_EXIT_CR4_WRITE_TRAP },
		{ "CR8", op_cr8, 5, TRAP_CR8_WRITE, SVM_EXIT_CR8_WRITE_TRAP },
		{ "EFER", op_efer, EFER_SVME | EFER_LME | EFER_LMA | EFER_SCE | EFER_NX,
		  TRAP_EFER_WRITE, SVM_EXIT_EFER_WRITE_TRAP },
	};
	struct guest *g = test->priv;
	int i;

	for (i = 0; i < ARRAY_SIZE(traps); i++) {
		/* Nobody asked. */
		KUNIT_EXPECT_TRUE(test, ask(test, g, 0, traps[i].op, traps[i].val, 0, 0));
		snp_intercept(g->vmcb, traps[i].intercept);
		*g->box = (struct mailbox){
			.op = IN_PROGRAM(traps[i].op), .rax = traps[i].val,
		};
		KUNIT_EXPECT_EQ_MSG(test, run_vmpl(g, 0), (s64)traps[i].exit, "%s", traps[i].name);
		KUNIT_EXPECT_EQ_MSG(test, g->vmcb->control.exit_info_1, traps[i].val, "%s",
				    traps[i].name);
		/* It goes on behind the instruction. */
		KUNIT_EXPECT_EQ_MSG(test, run_vmpl(g, 0), SVM_EXIT_HLT, "%s", traps[i].name);
		KUNIT_EXPECT_EQ(test, g->box->done, 1);
		KUNIT_EXPECT_EQ(test, g->box->vector, 0);
	}
}

/* Whose page is it? The checks that come before validation and permissions. */
static const struct owner {
	const char *name;
	int page;
	bool vc;		/* what is wrong is only that it is not validated */
} owners[] = {
	{ "not validated", PG_INVALID, true },
	{ "immutable", PG_LAUNCHED },
	{ "of another ASID", PG_OTHER },
	{ "at another GPA", PG_MOVED },
	{ "of the hypervisor", PG_HOST },
};

static void owner_desc(const struct owner *owner, char *desc)
{
	strscpy(desc, owner->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(owner, owners, owner_desc);

/*
 * A host that repairs the fault: at this GPA there is now a page of the guest's own,
 * not validated. What faulted is done over, and the page taken away again.
 */
static void repair(struct kunit *test, struct guest *g, int page)
{
	u64 was = g->pt[page];

	KUNIT_ASSERT_EQ(test, assign(g, PG_SPARE, VA(page), asid, false), 0);
	g->pt[page] = pa_of(g, PG_SPARE) | NPT_FLAGS;
	g->box->done = 0;
	KUNIT_ASSERT_EQ(test, run_vmpl(g, 0), SVM_EXIT_HLT);
	KUNIT_ASSERT_EQ(test, g->box->done, 1);
	g->pt[page] = was;
}

static void test_owner(struct kunit *test)
{
	static const struct {
		const u8 *op;
		u64 rdx;
		u64 bits;
	} ops[] = {
		{ op_read, 0, 0 },
		{ op_write, 0, NPF_W },
		{ op_exec, 0, NPF_ID },
		{ op_rmpadjust, ATTR(1, PERM_R), 0 },
		{ op_pvalidate, 0, 0 },
		{ op_pvalidate, 1, 0 },
	};
	const struct owner *owner = test->param_value;
	struct guest *g = test->priv;
	bool done;
	int i;

	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		done = ask(test, g, 0, ops[i].op, VA(owner->page), SIZE_4K, ops[i].rdx);
		KUNIT_EXPECT_EQ_MSG(test, done, owner->vc, "operation %d", i);
		if (!done) {
			EXPECT_NPF(test, g, ops[i].bits | NPF_RMP | NPF_FINAL | NPF_ENC,
				   VA(owner->page));
			repair(test, g, owner->page);
		}
		if (ops[i].op == op_pvalidate) {
			EXPECT_RET(test, g, RET_OK);
			/* Rescinding what is not validated changes nothing. */
			KUNIT_EXPECT_EQ(test, g->box->rflags & X86_EFLAGS_CF,
					(u64)!ops[i].rdx);
		} else {
			EXPECT_EXC(test, g, VC_VECTOR, NOT_VALIDATED);
			KUNIT_EXPECT_EQ(test, g->box->cr2 & PAGE_MASK, VA(owner->page));
		}
	}
}

static u64 ret_of(struct kunit *test, struct guest *g, const u8 *op, u64 va, u64 size, u64 rdx)
{
	KUNIT_EXPECT_TRUE(test, ask(test, g, 0, op, va, size, rdx));
	KUNIT_EXPECT_EQ(test, g->box->vector, 0);
	return (u32)g->box->ret | (op == op_pvalidate ? (g->box->rflags & X86_EFLAGS_CF) << 32 : 0);
}

#define NO_CHANGE	(X86_EFLAGS_CF << 32)

/* The host maps the large page: in one, or page by page. */
static void map_large(struct guest *g, bool whole)
{
	if (whole)
		g->pd[1] = g->large_pa | NPT_FLAGS | _PAGE_PSE;
	else
		g->pd[1] = virt_to_phys(g->pt_large) | NPT_FLAGS;
}

/* The guest asked for pages of 4 KiB where the RMP has 2 MiB: the host is to smash it. */
static void expect_sizem(struct kunit *test, struct guest *g, const u8 *op, u64 rdx)
{
	KUNIT_EXPECT_FALSE(test, ask(test, g, 0, op, VA_LARGE + PAGE_SIZE, SIZE_4K, rdx));
	EXPECT_NPF(test, g, NPF_RMP | NPF_FINAL | NPF_ENC | NPF_SIZEM, VA_LARGE + PAGE_SIZE);
}

/* As the host does it: the RMP first, then its own mapping. */
static void smash(struct kunit *test, struct guest *g)
{
	KUNIT_ASSERT_EQ(test, psmash(PHYS_PFN(g->large_pa)), 0);
	g->is_smashed = true;
	map_large(g, false);
}

static void test_large_page(struct kunit *test)
{
	struct guest *g = test->priv;

	KUNIT_ASSERT_EQ(test, make_large(g), 0);
	map_large(g, true);

	/* In one piece */
	KUNIT_EXPECT_TRUE(test, ask(test, g, 0, op_read, VA_LARGE, 0, 0));
	EXPECT_EXC(test, g, VC_VECTOR, NOT_VALIDATED);
	KUNIT_EXPECT_EQ(test, ret_of(test, g, op_pvalidate, VA_LARGE + PAGE_SIZE, SIZE_2M, 1),
			RET_INPUT);
	KUNIT_EXPECT_EQ(test, ret_of(test, g, op_pvalidate, VA_LARGE, SIZE_2M, 1), RET_OK);
	KUNIT_EXPECT_EQ(test, ret_of(test, g, op_pvalidate, VA_LARGE, SIZE_2M, 1), NO_CHANGE);
	ret_of(test, g, op_write, VA_LARGE + SZ_2M - 8, 0, 0x77);
	KUNIT_EXPECT_EQ(test, ret_of(test, g, op_read, VA_LARGE + SZ_2M - 8, 0, 0), 0x77);
	KUNIT_EXPECT_EQ(test, ret_of(test, g, op_rmpadjust, VA_LARGE + PAGE_SIZE, SIZE_2M,
				     ATTR(1, PERM_R)), RET_INPUT);
	KUNIT_EXPECT_EQ(test, ret_of(test, g, op_rmpadjust, VA_LARGE, SIZE_2M,
				     ATTR(1, PERM_R)), RET_OK);
	expect_perms(test, g->large_pa + SZ_2M - PAGE_SIZE, 1, PERM_R);
	KUNIT_EXPECT_TRUE(test, ask(test, g, 1, op_read, VA_LARGE + SZ_2M - 8, 0, 0));
	EXPECT_RET(test, g, 0x77);

	/* The host maps what is one page in the RMP page by page. */
	map_large(g, false);
	KUNIT_EXPECT_FALSE(test, ask(test, g, 0, op_read, VA_LARGE + PAGE_SIZE, 0, 0));
	EXPECT_NPF(test, g, NPF_RMP | NPF_FINAL | NPF_ENC, VA_LARGE + PAGE_SIZE);
	map_large(g, true);
	KUNIT_EXPECT_EQ(test, run_vmpl(g, 0), SVM_EXIT_HLT);

	/* 4 KiB of it */
	expect_sizem(test, g, op_pvalidate, 0);
	smash(test, g);
	g->box->done = 0;
	KUNIT_EXPECT_EQ(test, run_vmpl(g, 0), SVM_EXIT_HLT);
	EXPECT_RET(test, g, RET_OK);
	KUNIT_EXPECT_TRUE(test, ask(test, g, 0, op_read, VA_LARGE + PAGE_SIZE, 0, 0));
	EXPECT_EXC(test, g, VC_VECTOR, NOT_VALIDATED);

	/* Its other parts have kept everything. */
	KUNIT_EXPECT_EQ(test, ret_of(test, g, op_read, VA_LARGE + SZ_2M - 8, 0, 0), 0x77);
	KUNIT_EXPECT_TRUE(test, ask(test, g, 1, op_read, VA_LARGE + SZ_2M - 8, 0, 0));
	EXPECT_RET(test, g, 0x77);
	KUNIT_EXPECT_EQ(test, ret_of(test, g, op_pvalidate, VA_LARGE, SIZE_2M, 0), RET_SIZE);
	KUNIT_EXPECT_EQ(test, ret_of(test, g, op_rmpadjust, VA_LARGE, SIZE_2M,
				     ATTR(1, PERM_R)), RET_SIZE);

	/* The other way round: the host maps in one what the RMP has in pieces. */
	map_large(g, true);
	KUNIT_EXPECT_FALSE(test, ask(test, g, 0, op_read, VA_LARGE, 0, 0));
	EXPECT_NPF(test, g, NPF_RMP | NPF_FINAL | NPF_ENC, VA_LARGE);
}

static void test_large_page_adjust(struct kunit *test)
{
	struct guest *g = test->priv;

	KUNIT_ASSERT_EQ(test, make_large(g), 0);
	map_large(g, true);
	KUNIT_EXPECT_EQ(test, ret_of(test, g, op_pvalidate, VA_LARGE, SIZE_2M, 1), RET_OK);
	expect_sizem(test, g, op_rmpadjust, ATTR(1, PERM_R));
	smash(test, g);
	g->box->done = 0;
	KUNIT_EXPECT_EQ(test, run_vmpl(g, 0), SVM_EXIT_HLT);
	EXPECT_RET(test, g, RET_OK);
	expect_perms(test, g->large_pa, 1, 0);
	expect_perms(test, g->large_pa + PAGE_SIZE, 1, PERM_R);
}

/* RDX and RCX of RMPQUERY; the code, if it is not 0, with bit 63 */
static u64 query(struct kunit *test, struct guest *g, int vmpl, u64 va, u64 target, u64 *size)
{
	KUNIT_EXPECT_TRUE(test, ask(test, g, vmpl, op_rmpquery, va, 0x55, target));
	KUNIT_EXPECT_EQ(test, g->box->vector, 0);
	*size = g->box->ret_rcx;
	return (u32)g->box->ret ? BIT_ULL(63) | (u32)g->box->ret : g->box->ret_rdx;
}

/* Undefined, if the processor has none */
static void test_query(struct kunit *test)
{
	struct guest *g = test->priv;
	u64 size;

	if (!has_rmpquery) {
		KUNIT_EXPECT_TRUE(test, ask(test, g, 0, op_rmpquery, VA(PG_DATA), 0, 1));
		EXPECT_EXC(test, g, X86_TRAP_UD, 0);
		return;
	}
	allow(test, g, PG_DATA, (PERM_R | PERM_XU) << 8);
	KUNIT_EXPECT_EQ(test, query(test, g, 0, VA(PG_DATA), 0, &size), ATTR(0, PERM_ALL));
	KUNIT_EXPECT_EQ(test, size, SIZE_4K);
	KUNIT_EXPECT_EQ(test, query(test, g, 0, VA(PG_DATA), 1, &size),
			ATTR(1, PERM_R | PERM_XU));
	KUNIT_EXPECT_EQ(test, query(test, g, 0, VA(PG_DATA), 3, &size), ATTR(3, 0));
	KUNIT_EXPECT_EQ(test, query(test, g, 0, VA(PG_DATA), 4, &size),
			BIT_ULL(63) | RET_INPUT);
	KUNIT_EXPECT_EQ(test, query(test, g, 0, VA(PG_VMSA1), 1, &size), ATTR(1, 0) | ATTR_VMSA);
	KUNIT_EXPECT_EQ(test, query(test, g, 1, VA(PG_DATA), 1, &size),
			ATTR(1, PERM_R | PERM_XU));
	KUNIT_EXPECT_EQ(test, query(test, g, 1, VA(PG_DATA), 2, &size), ATTR(2, 0));
	KUNIT_EXPECT_EQ(test, query(test, g, 1, VA(PG_DATA), 0, &size),
			BIT_ULL(63) | RET_PERMISSION);

	KUNIT_ASSERT_EQ(test, make_large(g), 0);
	map_large(g, true);
	KUNIT_EXPECT_TRUE(test, ask(test, g, 0, op_rmpquery, VA_LARGE, 0, 1));
	EXPECT_EXC(test, g, VC_VECTOR, NOT_VALIDATED);
	KUNIT_EXPECT_EQ(test, ret_of(test, g, op_pvalidate, VA_LARGE, SIZE_2M, 1), RET_OK);
	KUNIT_EXPECT_EQ(test, query(test, g, 0, VA_LARGE, 0, &size), ATTR(0, PERM_ALL));
	KUNIT_EXPECT_EQ(test, size, SIZE_2M);
}

/* --- the VMSA of VMPL1 ------------------------------------------------- */

/* VMPL0 writes a VMSA for that VMPL, and the host runs it. */
static s64 run_with(struct kunit *test, struct guest *g, int vmpl, u64 attrs)
{
	u8 *stage = g->mem + VA(PG_STAGE);

	ret_of(test, g, op_rmpadjust, VA(PG_VMSA1), SIZE_4K, ATTR(1, 0));
	fill_vmsa((void *)stage, vmpl);
	ret_of(test, g, op_copy, VA(PG_VMSA1), 0, VA_SHARED + PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, ret_of(test, g, op_rmpadjust, VA(PG_VMSA1), SIZE_4K, attrs),
			RET_OK);
	return run_vmpl(g, 1);
}

static u64 stale(void)
{
	return ctl ? readq(ctl + SNP_CTL_COUNTER(SNP_CTL_CNT_VMRUN_STALE_VMSA)) : 0;
}

static void test_vmsa(struct kunit *test)
{
	struct guest *g = test->priv;
	u64 before = stale();

	KUNIT_EXPECT_EQ(test, run_with(test, g, 1, ATTR(1, 0) | ATTR_VMSA), SVM_EXIT_HLT);
	KUNIT_EXPECT_EQ(test, run_with(test, g, 0, ATTR(1, 0) | ATTR_VMSA), SVM_EXIT_HLT);
	KUNIT_EXPECT_EQ(test, run_with(test, g, SNP_NR_VMPLS, ATTR(1, 0) | ATTR_VMSA),
			SVM_EXIT_ERR);
	KUNIT_EXPECT_EQ(test, stale() - before, 0);
	/* No VMSA, whatever it holds */
	KUNIT_EXPECT_EQ(test, run_with(test, g, 1, ATTR(1, PERM_ALL)), SVM_EXIT_ERR);
	KUNIT_EXPECT_EQ(test, stale() - before, ctl ? 1 : 0);
	/* VMPL2 has no rights at all: it can't even read its page tables. */
	KUNIT_EXPECT_EQ(test, run_with(test, g, 2, ATTR(1, 0) | ATTR_VMSA), SVM_EXIT_NPF);
	EXPECT_NPF(test, g, NPF_W | NPF_RMP | NPF_WALK | NPF_ENC | NPF_VMPL, VA(PG_PML4));
}

/* --- the suite --------------------------------------------------------- */

static void fill_nested(struct guest *g)
{
	int i;

	g->pml4[0] = virt_to_phys(g->pdpt) | NPT_FLAGS;
	g->pdpt[0] = virt_to_phys(g->pd) | NPT_FLAGS;
	g->pd[0] = virt_to_phys(g->pt) | NPT_FLAGS;
	for (i = 0; i < NR_PAGES; i++)
		g->pt[i] = pa_of(g, i) | NPT_FLAGS;
	for (i = 0; i < PTRS_PER_PTE; i++)
		g->pt_large[i] = (g->large_pa + VA(i)) | NPT_FLAGS;
}

static int vmpl_init(struct kunit *test)
{
	struct guest *g;
	u8 *user;

	snp_guest_needs(test);
	g = kunit_kzalloc(test, sizeof(*g), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, g);
	test->priv = g;
	g->block = alloc_pages(GFP_KERNEL | __GFP_ZERO, 9);
	g->large = alloc_pages(GFP_KERNEL | __GFP_ZERO, 9);
	KUNIT_ASSERT_NOT_NULL(test, g->block);
	KUNIT_ASSERT_NOT_NULL(test, g->large);
	g->mem = page_address(g->block);
	g->pa = page_to_phys(g->block);
	g->large_pa = page_to_phys(g->large);
	g->box = (void *)(g->mem + VA(PG_SHARED));
	g->vmcb = snp_alloc_page(test);
	g->pml4 = snp_alloc_page(test);
	g->pdpt = snp_alloc_page(test);
	g->pd = snp_alloc_page(test);
	g->pt = snp_alloc_page(test);
	g->pt_large = snp_alloc_page(test);
	g->hsave = snp_alloc_page(test);
	g->perm = (void *)__get_free_pages(GFP_KERNEL | __GFP_ZERO, 2);
	KUNIT_ASSERT_NOT_NULL(test, g->perm);
	g->gctx = snp_alloc_firmware_page(GFP_KERNEL | __GFP_ZERO);
	KUNIT_ASSERT_NOT_NULL(test, g->gctx);

	memcpy(g->mem + VA(PG_CODE), vmpl_program, vmpl_program_end - vmpl_program);
	user = g->mem + VA(PG_USER);
	memcpy(user, vmpl_user, vmpl_user_end - vmpl_user);
	memcpy(g->mem + VA(PG_DATA), user, PAGE_SIZE);
	fill_tables(g->mem + VA(PG_TABLES));
	fill_page_tables(g);
	fill_vmsa((void *)(g->mem + VA(PG_VMSA0)), 0);
	fill_nested(g);
	fill_vmcb(g);
	KUNIT_ASSERT_EQ(test, launch(g), 0);

	/* Both come to their first HLT. */
	KUNIT_ASSERT_EQ(test, run_vmpl(g, 0), SVM_EXIT_HLT);
	KUNIT_ASSERT_EQ(test, run_with(test, g, 1, ATTR(1, 0) | ATTR_VMSA), SVM_EXIT_HLT);
	return 0;
}

/* What the guest had is the host's again, whatever it was. */
static void take_back(struct kunit *test, struct guest *g)
{
	bool assigned;
	int i, level;

	snp_reclaim_pages(pa_of(g, PG_LAUNCHED), 1, false);
	for (i = 0; i < NR_PAGES; i++) {
		if (snp_lookup_rmpentry(PHYS_PFN(pa_of(g, i)), &assigned, &level) || !assigned)
			continue;
		KUNIT_EXPECT_EQ(test, rmp_make_shared(PHYS_PFN(pa_of(g, i)), PG_LEVEL_4K), 0);
	}
	if (!g->is_large)
		return;
	for (i = 0; i < PTRS_PER_PTE && g->is_smashed; i++)
		KUNIT_EXPECT_EQ(test, rmp_make_shared(PHYS_PFN(g->large_pa) + i, PG_LEVEL_4K), 0);
	if (!g->is_smashed)
		KUNIT_EXPECT_EQ(test, rmp_make_shared(PHYS_PFN(g->large_pa), PG_LEVEL_2M), 0);
}

static void vmpl_exit(struct kunit *test)
{
	struct guest *g = test->priv;
	struct sev_data_snp_addr addr;

	if (!g || !g->gctx)
		return;
	addr.address = virt_to_phys(g->gctx);
	take_back(test, g);
	if (g->bound)
		KUNIT_EXPECT_EQ(test, snp_cmd(SEV_CMD_SNP_DECOMMISSION, &addr), 0);
	snp_free_firmware_page(g->gctx);
	wbinvd_on_all_cpus();
	KUNIT_EXPECT_EQ(test, snp_cmd(SEV_CMD_SNP_DF_FLUSH, NULL), 0);
	free_page((unsigned long)g->vmcb);
	free_page((unsigned long)g->pml4);
	free_page((unsigned long)g->pdpt);
	free_page((unsigned long)g->pd);
	free_page((unsigned long)g->pt);
	free_page((unsigned long)g->pt_large);
	free_page((unsigned long)g->hsave);
	free_pages((unsigned long)g->perm, 2);
	__free_pages(g->block, 9);
	__free_pages(g->large, 9);
}

static int vmpl_suite_init(struct kunit_suite *suite)
{
	u32 eax, ebx, ecx, edx;

	cpuid(0x8000001f, &eax, &ebx, &ecx, &edx);
	has_rmpquery = eax & BIT(6);
	/* The last ASID that KVM takes for SNP guests; the one before it is nobody's. */
	asid = edx - 1;
	ctl = snp_ctl_map();
	return 0;
}

static void vmpl_suite_exit(struct kunit_suite *suite)
{
	if (ctl)
		iounmap(ctl);
	ctl = NULL;
}

/* What the host does to the RMP between two runs counts, though nobody asks for a flush. */
static void test_taken_between_runs(struct kunit *test)
{
	struct guest *g = test->priv;
	u64 va = VA(PG_DATA) + 0x100;

	g->vmcb->control.tlb_ctl = TLB_CONTROL_DO_NOTHING;
	KUNIT_ASSERT_TRUE(test, ask(test, g, 0, op_write, va, 0, 1));
	KUNIT_ASSERT_EQ(test, g->box->vector, 0);
	KUNIT_ASSERT_EQ(test, rmp_make_shared(PHYS_PFN(pa_of(g, PG_DATA)), PG_LEVEL_4K), 0);
	KUNIT_EXPECT_FALSE(test, ask(test, g, 0, op_write, va, 0, 2));
	EXPECT_NPF(test, g, NPF_W | NPF_RMP | NPF_FINAL | NPF_ENC, VA(PG_DATA));

	/* It comes back, and has to be validated anew. */
	KUNIT_ASSERT_EQ(test, assign(g, PG_DATA, VA(PG_DATA), asid, false), 0);
	g->box->done = 0;
	KUNIT_ASSERT_EQ(test, run_vmpl(g, 0), SVM_EXIT_HLT);
	EXPECT_EXC(test, g, VC_VECTOR, NOT_VALIDATED);
}

/* Assigned once more, to the same guest at the same place: it has to validate it anew. */
static void test_assigned_again(struct kunit *test)
{
	struct guest *g = test->priv;

	allow(test, g, PG_DATA, PERM_ALL << 8);
	KUNIT_ASSERT_EQ(test, assign(g, PG_DATA, VA(PG_DATA), asid, false), 0);
	expect_entry(test, pa_of(g, PG_DATA), ENTRY_VALIDATED, 0);
	expect_perms(test, pa_of(g, PG_DATA), 1, 0);
	KUNIT_EXPECT_TRUE(test, ask(test, g, 0, op_read, VA(PG_DATA), 0, 0));
	EXPECT_EXC(test, g, VC_VECTOR, NOT_VALIDATED);
}

/* Runs VMPL1 from a VMSA in the large page. No interrupt gets it out of the guest. */
static int spin_in_large_page(void *data)
{
	struct guest *g = data;
	u64 vmcb_pa = virt_to_phys(g->vmcb), hsave_pa = virt_to_phys(g->hsave);

	enter_guest_irqs(vmcb_pa, g->hsave, hsave_pa, false);
	if (exit_code_of(&g->vmcb->control) == SVM_EXIT_HLT)
		enter_guest_irqs(vmcb_pa, g->hsave, hsave_pa, false);
	while (!kthread_should_stop())
		schedule_timeout_interruptible(1);
	return exit_code_of(&g->vmcb->control) == SVM_EXIT_HLT ? 0 : -EIO;
}

/* A large page of which one part is a VMSA that runs stays in one piece. */
static void test_smash_in_use(struct kunit *test)
{
	struct rmp_state shared = { .pagesize = 1 };
	u64 vmsa = 5 * PAGE_SIZE;
	struct guest *g = test->priv;
	struct task_struct *t;
	unsigned long end;
	u32 ret;
	int cpu;

	if (num_online_cpus() < 2)
		kunit_skip(test, "needs two CPUs");

	KUNIT_ASSERT_EQ(test, make_large(g), 0);
	map_large(g, true);
	fill_vmsa((void *)(g->mem + VA(PG_STAGE)), 1);
	KUNIT_ASSERT_EQ(test, ret_of(test, g, op_pvalidate, VA_LARGE, SIZE_2M, 1), RET_OK);
	ret_of(test, g, op_copy, VA_LARGE + vmsa, 0, VA_SHARED + PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, ret_of(test, g, op_rmpadjust, VA_LARGE, SIZE_2M,
				     ATTR(1, 0) | ATTR_VMSA), RET_OK);

	*g->box = (struct mailbox){ .op = IN_PROGRAM(op_spin) };
	g->vmcb->control.vmsa_pa = g->large_pa + vmsa;
	cpu = cpumask_any_but(cpu_online_mask, get_cpu());
	put_cpu();
	t = kthread_run_on_cpu(spin_in_large_page, g, cpu, "vmpl_spin/%u");
	KUNIT_ASSERT_FALSE(test, IS_ERR(t));
	end = jiffies + 10 * HZ;
	while (time_before(jiffies, end) && !READ_ONCE(g->box->spins))
		cond_resched();
	KUNIT_EXPECT_NE(test, READ_ONCE(g->box->spins), 0);

	ret = psmash(PHYS_PFN(g->large_pa));
	KUNIT_EXPECT_EQ(test, ret, RET_INUSE);
	g->is_smashed = !ret;
	ret = rmpupdate_raw(g->large_pa, &shared);
	KUNIT_EXPECT_EQ(test, ret, RET_INUSE);
	g->is_large = ret;

	WRITE_ONCE(g->box->stop, 1);
	KUNIT_EXPECT_EQ(test, kthread_stop(t), 0);
	if (g->is_large && !g->is_smashed)
		smash(test, g);
}

static struct kunit_case vmpl_cases[] = {
	KUNIT_CASE_PARAM(test_permissions, row_gen_params),
	KUNIT_CASE(test_page_walk),
	KUNIT_CASE(test_adjust_vmpl1),
	KUNIT_CASE(test_privilege),
	KUNIT_CASE(test_32bit),
	KUNIT_CASE(test_host_instructions),
	KUNIT_CASE(test_write_traps),
	KUNIT_CASE_PARAM(test_owner, owner_gen_params),
	KUNIT_CASE(test_large_page),
	KUNIT_CASE(test_large_page_adjust),
	KUNIT_CASE(test_query),
	KUNIT_CASE(test_vmsa),
	KUNIT_CASE(test_taken_between_runs),
	KUNIT_CASE(test_assigned_again),
	KUNIT_CASE(test_smash_in_use),
	{}
};

static struct kunit_suite vmpl_suite = {
	.name = "snp_vmpl",
	.suite_init = vmpl_suite_init,
	.suite_exit = vmpl_suite_exit,
	.init = vmpl_init,
	.exit = vmpl_exit,
	.test_cases = vmpl_cases,
};

kunit_test_suite(vmpl_suite);

MODULE_DESCRIPTION("KUnit tests of VMPLs: permissions, PVALIDATE, RMPADJUST, RMPQUERY");
MODULE_LICENSE("GPL");
