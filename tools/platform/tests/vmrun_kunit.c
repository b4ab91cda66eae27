// SPDX-License-Identifier: GPL-2.0
/*
 * What VMRUN refuses, seen from the kernel.
 *
 * Each row takes a VMCB and a VMSA that would run, changes one thing, and
 * expects VMEXIT_INVALID or #GP, with neither page touched. That they would
 * run is shown first, on the emulated platform only: hardware wants a VMSA
 * that the firmware has encrypted and sealed.
 *
 * Load it when SNP is enabled (kvm_amd has been loaded) and no guest runs.
 */
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/psp-sev.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <asm/debugreg.h>
#include <asm/msr.h>
#include <asm/sev.h>
#include <asm/smp.h>
#include <asm/svm.h>
#include <asm/trapnr.h>
#include "snp_guest.h"

#define GPA		0x40000000ULL
#define INVALID		SVM_EXIT_ERR
#define RMP_INUSE	3
#define VMSA_GPA	0xfffffffff000ULL	/* where KVM puts its own */

/* Real mode: mov $0x5a5a, %bx; hlt; hlt; hlt; jmp . */
static const u8 guest_code[] = {
	0xbb, 0x5a, 0x5a, 0xf4, 0xf4, 0xf4, 0xeb, 0xfe
};

#define RIP_AFTER_HLT	4
#define RIP_SPIN	6

static u32 max_asid, min_sev_asid;
static u8 __iomem *ctl;			/* NULL on hardware */

struct vm {
	struct vmcb *vmcb;
	struct sev_es_save_area *vmsa;
	u8 *code;
	u64 *pml4, *pdpt, *pd, *pt;	/* nested: the code at its own address */
	void *perm;			/* I/O and MSR permission maps */
	void *hsave;
	void *copy[2];
	u64 vmcb_pa;			/* what VMRUN gets */
	u64 hsave_pa;
	bool assigned[2];		/* vmcb, vmsa: give back at the end */
	bool immutable[2];
};

static u64 counter(unsigned int n)
{
	return ctl ? readq(ctl + SNP_CTL_COUNTER(n)) : 0;
}

static void build_vmsa(struct vm *vm)
{
	struct sev_es_save_area *s = vm->vmsa;
	struct vmcb_seg data = { .attrib = 0x93, .limit = 0xffff };

	memset(s, 0, PAGE_SIZE);
	s->ds = data;
	s->es = data;
	s->fs = data;
	s->gs = data;
	s->ss = data;
	s->cs = data;
	s->cs.attrib = 0x9b;
	s->cs.base = virt_to_phys(vm->code);
	s->gdtr.limit = 0xffff;
	s->idtr.limit = 0xffff;
	s->ldtr.attrib = 0x82;
	s->tr.attrib = 0x8b;
	s->efer = EFER_SVME;
	s->cr0 = X86_CR0_ET;
	s->dr6 = DR6_RESERVED;
	s->dr7 = 0x400;
	s->rflags = X86_EFLAGS_FIXED;
	s->g_pat = 0x0007040600070406ULL;
	s->xcr0 = XFEATURE_MASK_FP;
	s->mxcsr = 0x1f80;
	s->x87_fcw = 0x37f;
}

static void build_vmcb(struct vm *vm)
{
	struct vmcb_control_area *c = &vm->vmcb->control;

	snp_guest_vmcb(vm->vmcb, vm->perm, 1);
	c->nested_cr3 = virt_to_phys(vm->pml4);
	c->vmsa_pa = virt_to_phys(vm->vmsa);
	vm->vmcb_pa = virt_to_phys(vm->vmcb);
	vm->hsave_pa = virt_to_phys(vm->hsave);
}

static int vmrun_init(struct kunit *test)
{
	struct vm *vm;
	u64 pa;

	snp_guest_needs(test);
	vm = kunit_kzalloc(test, sizeof(*vm), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, vm);
	test->priv = vm;
	vm->vmcb = snp_alloc_page(test);
	vm->vmsa = snp_alloc_page(test);
	vm->code = snp_alloc_page(test);
	vm->pml4 = snp_alloc_page(test);
	vm->pdpt = snp_alloc_page(test);
	vm->pd = snp_alloc_page(test);
	vm->pt = snp_alloc_page(test);
	vm->hsave = snp_alloc_page(test);
	vm->copy[0] = snp_alloc_page(test);
	vm->copy[1] = snp_alloc_page(test);
	vm->perm = (void *)__get_free_pages(GFP_KERNEL | __GFP_ZERO, 2);
	KUNIT_ASSERT_NOT_NULL(test, vm->perm);

	memcpy(vm->code, guest_code, sizeof(guest_code));
	pa = virt_to_phys(vm->code);
	vm->pml4[0] = virt_to_phys(vm->pdpt) | NPT_FLAGS;
	vm->pdpt[pud_index(pa)] = virt_to_phys(vm->pd) | NPT_FLAGS;
	vm->pd[pmd_index(pa)] = virt_to_phys(vm->pt) | NPT_FLAGS;
	vm->pt[pte_index(pa)] = pa | NPT_FLAGS;
	build_vmsa(vm);
	build_vmcb(vm);
	return 0;
}

static void give_back(struct kunit *test, void *page, bool immutable)
{
	u64 pa = virt_to_phys(page);

	if (immutable)
		KUNIT_EXPECT_EQ(test, snp_reclaim_pages(pa, 1, false), 0);
	else
		KUNIT_EXPECT_EQ(test, rmp_make_shared(pa >> PAGE_SHIFT,
						      PG_LEVEL_4K), 0);
}

static void vmrun_exit(struct kunit *test)
{
	struct vm *vm = test->priv;

	if (!vm)
		return;
	if (vm->assigned[0])
		give_back(test, vm->vmcb, vm->immutable[0]);
	if (vm->assigned[1])
		give_back(test, vm->vmsa, vm->immutable[1]);
	free_page((unsigned long)vm->vmcb);
	free_page((unsigned long)vm->vmsa);
	free_page((unsigned long)vm->code);
	free_page((unsigned long)vm->pml4);
	free_page((unsigned long)vm->pdpt);
	free_page((unsigned long)vm->pd);
	free_page((unsigned long)vm->pt);
	free_page((unsigned long)vm->hsave);
	free_page((unsigned long)vm->copy[0]);
	free_page((unsigned long)vm->copy[1]);
	free_pages((unsigned long)vm->perm, 2);
}

static s64 run(struct vm *vm)
{
	return snp_run(vm->vmcb, vm->vmcb_pa, vm->hsave, vm->hsave_pa);
}

static int assign(struct vm *vm, bool vmsa, u32 asid, bool immutable)
{
	u64 pa = virt_to_phys(vmsa ? (void *)vm->vmsa : vm->vmcb);
	int r = rmp_make_private(pa >> PAGE_SHIFT, asid ? GPA : 0,
				 PG_LEVEL_4K, asid, immutable);

	if (!r) {
		vm->assigned[vmsa] = true;
		vm->immutable[vmsa] = immutable;
	}
	return r;
}

struct row {
	const char *name;
	int (*change)(struct vm *vm);
	s64 want;
	bool stale;	/* counted as a VMSA that is none of this ASID's */
};

#define CHANGE(fn, ...)							\
static int change_##fn(struct vm *vm)					\
{									\
	struct vmcb_control_area *c = &vm->vmcb->control;		\
	struct sev_es_save_area *s = vm->vmsa;				\
									\
	(void)c;							\
	(void)s;							\
	__VA_ARGS__;							\
	return 0;							\
}

CHANGE(es_without_sev, c->misc_ctl &= ~SVM_MISC_ENABLE_SEV)
CHANGE(no_npt, c->misc_ctl &= ~SVM_MISC_ENABLE_NP)
CHANGE(no_lbrv, c->misc_ctl2 = 0)
CHANGE(asid_0, c->asid = 0)
CHANGE(asid_big, c->asid = max_asid + 1)
CHANGE(sev_asid_low, c->misc_ctl &= ~SVM_MISC_ENABLE_SEV_ES;
	c->asid = min_sev_asid - 1)
CHANGE(sev_asid_big, c->misc_ctl &= ~SVM_MISC_ENABLE_SEV_ES;
	c->asid = max_asid + 1)
CHANGE(no_vmrun, c->intercepts[INTERCEPT_VMRUN / 32] &=
	~BIT(INTERCEPT_VMRUN % 32))
CHANGE(vmsa_unaligned, c->vmsa_pa += 0x10)
CHANGE(vmsa_no_page, c->vmsa_pa = ~0ULL)
CHANGE(vmsa_beyond, c->vmsa_pa = BIT_ULL(51))
CHANGE(inject_swint, c->event_inj = SVM_EVTINJ_VALID |
	SVM_EVTINJ_TYPE_SOFT | 0x80)
CHANGE(inject_bp, c->event_inj = SVM_EVTINJ_VALID |
	SVM_EVTINJ_TYPE_EXEPT | X86_TRAP_BP)
CHANGE(inject_of, c->event_inj = SVM_EVTINJ_VALID |
	SVM_EVTINJ_TYPE_EXEPT | X86_TRAP_OF)
CHANGE(features_snp, s->sev_features = SVM_SEV_FEAT_SNP_ACTIVE)
CHANGE(features_debug_swap, s->sev_features = BIT_ULL(5))
CHANGE(features_reserved, s->sev_features = BIT_ULL(62))
CHANGE(es_vmpl1, s->vmpl = 1)
CHANGE(xcr0_0, s->xcr0 = 0)
CHANGE(xcr0_ymm_only, s->xcr0 = XFEATURE_MASK_FP | XFEATURE_MASK_YMM)
CHANGE(xcr0_reserved, s->xcr0 = XFEATURE_MASK_FP | BIT_ULL(62))
CHANGE(efer_svme, s->efer = 0)
CHANGE(cr0_high, s->cr0 |= BIT_ULL(32))
CHANGE(cr4_high, s->cr4 |= BIT_ULL(63))
CHANGE(dr6_high, s->dr6 |= BIT_ULL(32))
CHANGE(dr7_high, s->dr7 |= BIT_ULL(32))
CHANGE(vmcb_unaligned, vm->vmcb_pa += 0x10)
CHANGE(vmcb_beyond, vm->vmcb_pa = BIT_ULL(51))
CHANGE(hsave_0, vm->hsave_pa = 0)

static int change_vmsa_guest(struct vm *vm)
{
	return assign(vm, true, vm->vmcb->control.asid, false);
}

/* Pitfall: by its content the page is an SNP guest's. */
static int change_vmsa_guest_snp(struct vm *vm)
{
	vm->vmsa->sev_features = SVM_SEV_FEAT_SNP_ACTIVE;
	return assign(vm, true, vm->vmcb->control.asid, false);
}

static int change_vmsa_zero(struct vm *vm)
{
	memset(vm->vmsa, 0, PAGE_SIZE);
	return assign(vm, true, vm->vmcb->control.asid, false);
}

static int change_vmsa_other(struct vm *vm)
{
	return assign(vm, true, vm->vmcb->control.asid + 1, false);
}

static int change_vmsa_pre_guest(struct vm *vm)
{
	return assign(vm, true, vm->vmcb->control.asid, true);
}

static int change_vmsa_firmware(struct vm *vm)
{
	return assign(vm, true, 0, true);
}

static int change_vmsa_reclaim(struct vm *vm)
{
	struct sev_data_snp_page_reclaim data = {
		.paddr = virt_to_phys(vm->vmsa),
	};
	int r = assign(vm, true, 0, true), err;

	if (!r)
		r = sev_do_cmd(SEV_CMD_SNP_PAGE_RECLAIM, &data, &err);
	if (!r)
		vm->immutable[1] = false;
	return r;
}

static int change_vmcb_guest(struct vm *vm)
{
	return assign(vm, false, 1, false);
}

static int change_vmcb_firmware(struct vm *vm)
{
	return assign(vm, false, 0, true);
}

#define ROW(n, w)	{ .name = #n, .change = change_##n, .want = w }
#define STALE(n)	{ .name = #n, .change = change_##n, .want = INVALID, \
			  .stale = true }

static const struct row rows[] = {
	ROW(es_without_sev, INVALID),
	ROW(no_npt, INVALID),
	ROW(no_lbrv, INVALID),
	ROW(asid_0, INVALID),
	ROW(asid_big, INVALID),
	ROW(sev_asid_low, INVALID),
	ROW(sev_asid_big, INVALID),
	ROW(no_vmrun, INVALID),
	ROW(vmsa_unaligned, INVALID),
	ROW(vmsa_no_page, INVALID),
	ROW(vmsa_beyond, INVALID),
	ROW(inject_swint, INVALID),
	ROW(inject_bp, INVALID),
	ROW(inject_of, INVALID),
	ROW(features_snp, INVALID),
	ROW(features_debug_swap, INVALID),
	ROW(features_reserved, INVALID),
	ROW(es_vmpl1, INVALID),
	ROW(xcr0_0, INVALID),
	ROW(xcr0_ymm_only, INVALID),
	ROW(xcr0_reserved, INVALID),
	ROW(efer_svme, INVALID),
	ROW(cr0_high, INVALID),
	ROW(cr4_high, INVALID),
	ROW(dr6_high, INVALID),
	ROW(dr7_high, INVALID),
	STALE(vmsa_guest),
	STALE(vmsa_guest_snp),
	STALE(vmsa_zero),
	STALE(vmsa_other),
	STALE(vmsa_pre_guest),
	STALE(vmsa_firmware),
	STALE(vmsa_reclaim),
	ROW(vmcb_guest, FAULT),
	ROW(vmcb_firmware, FAULT),
	ROW(vmcb_unaligned, FAULT),
	ROW(vmcb_beyond, FAULT),
	ROW(hsave_0, FAULT),
};

KUNIT_ARRAY_PARAM_DESC(row, rows, name);

static void test_runs(struct kunit *test)
{
	struct vm *vm = test->priv;

	if (!ctl)
		kunit_skip(test, "needs the emulated platform");
	KUNIT_EXPECT_EQ(test, run(vm), SVM_EXIT_HLT);
	KUNIT_EXPECT_EQ(test, vm->vmsa->rip, RIP_AFTER_HLT);
	KUNIT_EXPECT_EQ(test, vm->vmsa->rbx, 0x5a5a);
	/* The next VMRUN goes on behind HLT. */
	KUNIT_EXPECT_EQ(test, run(vm), SVM_EXIT_HLT);
	KUNIT_EXPECT_EQ(test, vm->vmsa->rip, RIP_AFTER_HLT + 1);
}

static void test_refused(struct kunit *test)
{
	const struct row *row = test->param_value;
	u64 stale, invalid;
	struct vm *vm = test->priv;
	s64 r;

	if (ctl) {
		KUNIT_ASSERT_EQ(test, run(vm), SVM_EXIT_HLT);
		build_vmsa(vm);
		build_vmcb(vm);
	}
	KUNIT_ASSERT_EQ(test, row->change(vm), 0);
	memcpy(vm->copy[0], vm->vmcb, PAGE_SIZE);
	memcpy(vm->copy[1], vm->vmsa, PAGE_SIZE);
	stale = counter(SNP_CTL_CNT_VMRUN_STALE_VMSA);
	invalid = counter(SNP_CTL_CNT_VMRUN_INVALID);

	r = run(vm);

	KUNIT_EXPECT_EQ(test, r, row->want);
	stale = counter(SNP_CTL_CNT_VMRUN_STALE_VMSA) - stale;
	invalid = counter(SNP_CTL_CNT_VMRUN_INVALID) - invalid;
	if (ctl)
		KUNIT_EXPECT_EQ(test, stale, (u64)row->stale);
	/* One or the other */
	if (ctl)
		KUNIT_EXPECT_EQ(test, invalid, (u64)(row->want == INVALID && !row->stale));

	KUNIT_EXPECT_MEMEQ(test, vm->copy[1], vm->vmsa, PAGE_SIZE);
	if (row->want == INVALID) {
		const struct vmcb *was = vm->copy[0];

		KUNIT_EXPECT_EQ(test, was->control.int_ctl,
				vm->vmcb->control.int_ctl);
		KUNIT_EXPECT_EQ(test, was->control.asid,
				vm->vmcb->control.asid);
		KUNIT_EXPECT_EQ(test, was->control.vmsa_pa,
				vm->vmcb->control.vmsa_pa);
		KUNIT_EXPECT_MEMEQ(test, &was->save, &vm->vmcb->save,
				   PAGE_SIZE - offsetof(struct vmcb, save));
	} else {
		KUNIT_EXPECT_MEMEQ(test, vm->copy[0], vm->vmcb, PAGE_SIZE);
	}
}

static int launch_update(struct vm *vm, void *gctx, void *page, u64 gpa,
			 unsigned int type)
{
	struct sev_data_snp_launch_update data = {
		.gctx_paddr = virt_to_phys(gctx),
		.page_type = type,
		.address = virt_to_phys(page),
	};
	int r;

	r = rmp_make_private(data.address >> PAGE_SHIFT, gpa, PG_LEVEL_4K,
			     vm->vmcb->control.asid, true);
	return r ?: snp_cmd(SEV_CMD_SNP_LAUNCH_UPDATE, &data);
}

static void expect_stale(struct kunit *test, struct vm *vm, const char *what)
{
	u64 stale = counter(SNP_CTL_CNT_VMRUN_STALE_VMSA);
	s64 r = run(vm);

	KUNIT_EXPECT_EQ_MSG(test, r, INVALID, "%s", what);
	stale = counter(SNP_CTL_CNT_VMRUN_STALE_VMSA) - stale;
	KUNIT_EXPECT_EQ_MSG(test, stale, ctl ? 1ULL : 0ULL, "%s", what);
}

/* An SNP guest of the VMSA and the code, with the last ASID that KVM takes for them */
static int launch(struct vm *vm, void *gctx)
{
	struct sev_data_snp_addr addr = { .address = virt_to_phys(gctx) };
	struct sev_data_snp_launch_start start = {
		.gctx_paddr = addr.address,
		.policy = BIT_ULL(16) | BIT_ULL(17),
	};
	struct sev_data_snp_launch_finish finish = { .gctx_paddr = addr.address };
	struct sev_data_snp_activate activate = {
		.gctx_paddr = addr.address,
		.asid = min_sev_asid - 1,
	};
	int r;

	vm->vmcb->control.asid = activate.asid;
	vm->vmsa->sev_features = SVM_SEV_FEAT_SNP_ACTIVE;
	wbinvd_on_all_cpus();
	r = snp_cmd(SEV_CMD_SNP_DF_FLUSH, NULL);
	r = r ?: snp_cmd(SEV_CMD_SNP_GCTX_CREATE, &addr);
	r = r ?: snp_cmd(SEV_CMD_SNP_LAUNCH_START, &start);
	r = r ?: snp_cmd(SEV_CMD_SNP_ACTIVATE, &activate);
	r = r ?: launch_update(vm, gctx, vm->code, virt_to_phys(vm->code),
			       SNP_PAGE_TYPE_NORMAL);
	r = r ?: launch_update(vm, gctx, vm->vmsa, VMSA_GPA,
			       SNP_PAGE_TYPE_VMSA);
	return r ?: snp_cmd(SEV_CMD_SNP_LAUNCH_FINISH, &finish);
}

static int decommission(void *gctx)
{
	struct sev_data_snp_addr addr = { .address = virt_to_phys(gctx) };

	return snp_cmd(SEV_CMD_SNP_DECOMMISSION, &addr);
}

/* The pages are the host's again, and the ASID is good for another one. */
static void take_back(struct kunit *test, struct vm *vm, void *gctx)
{
	rmp_make_shared(page_to_pfn(virt_to_page(vm->vmsa)), PG_LEVEL_4K);
	rmp_make_shared(page_to_pfn(virt_to_page(vm->code)), PG_LEVEL_4K);
	snp_free_firmware_page(gctx);
	wbinvd_on_all_cpus();
	KUNIT_EXPECT_EQ(test, snp_cmd(SEV_CMD_SNP_DF_FLUSH, NULL), 0);
}

/*
 * A VMSA that the firmware made, which therefore runs on hardware, too; and
 * the ways in which it stops being one.
 */
static void test_snp(struct kunit *test)
{
	struct vm *vm = test->priv;
	struct vmcb_control_area *c = &vm->vmcb->control;
	u64 vmsa_pa = virt_to_phys(vm->vmsa);
	void *gctx, *other;
	int r;

	gctx = snp_alloc_firmware_page(GFP_KERNEL | __GFP_ZERO);
	KUNIT_ASSERT_NOT_NULL(test, gctx);
	other = snp_alloc_page(test);
	vm->vmsa->sev_features = SVM_SEV_FEAT_SNP_ACTIVE;
	memcpy(other, vm->vmsa, PAGE_SIZE);

	r = launch(vm, gctx);
	KUNIT_EXPECT_EQ(test, r, 0);
	if (r)
		goto out;

	KUNIT_EXPECT_EQ(test, run(vm), SVM_EXIT_HLT);

	c->asid--;
	expect_stale(test, vm, "the ASID of somebody else");
	c->asid++;

	c->vmsa_pa = virt_to_phys(other);
	expect_stale(test, vm, "a hypervisor page with the same content");
	memset(other, 0, PAGE_SIZE);
	expect_stale(test, vm, "a zero page");
	c->vmsa_pa = virt_to_phys(vm->code);
	expect_stale(test, vm, "a validated page of the guest");
	c->vmsa_pa = virt_to_phys(gctx);
	expect_stale(test, vm, "the guest context");
	c->vmsa_pa = vmsa_pa;

	/* None of this has hurt it. */
	KUNIT_EXPECT_EQ(test, run(vm), SVM_EXIT_HLT);

	KUNIT_EXPECT_EQ(test, rmp_make_shared(vmsa_pa >> PAGE_SHIFT,
					      PG_LEVEL_4K), 0);
	expect_stale(test, vm, "made shared");
	KUNIT_EXPECT_EQ(test, rmp_make_private(vmsa_pa >> PAGE_SHIFT, VMSA_GPA,
					       PG_LEVEL_4K, c->asid, false), 0);
	expect_stale(test, vm, "made private again");
out:
	KUNIT_EXPECT_EQ(test, decommission(gctx), 0);
	take_back(test, vm, gctx);
	free_page((unsigned long)other);
}

/* The key goes with the context: what is left of the guest in the RMP does not run. */
static void test_decommissioned(struct kunit *test)
{
	struct vm *vm = test->priv;
	void *gctx = snp_alloc_firmware_page(GFP_KERNEL | __GFP_ZERO);
	int r;

	KUNIT_ASSERT_NOT_NULL(test, gctx);
	r = launch(vm, gctx);
	KUNIT_EXPECT_EQ(test, r, 0);
	if (!r)
		KUNIT_EXPECT_EQ(test, run(vm), SVM_EXIT_HLT);
	KUNIT_EXPECT_EQ(test, decommission(gctx), 0);
	if (!r)
		expect_stale(test, vm, "after DECOMMISSION");
	take_back(test, vm, gctx);
}

/*
 * A page that belongs to the platform is no VMSA, whatever it holds. The firmware makes
 * those HV-fixed that the BIOS has reserved; here, the one with the extended BIOS data.
 */
static void test_hv_fixed(struct kunit *test)
{
	struct vm *vm = test->priv;
	u64 pa, stale, invalid;
	void *page;

	if (!ctl)
		kunit_skip(test, "needs the emulated platform");
	for (pa = 0; pa < 0xa0000; pa += PAGE_SIZE) {
		writeq(pa, ctl + SNP_CTL_PAGE);
		if (readq(ctl + SNP_CTL_PAGE_STATE) == SNP_CTL_PAGE_HV_FIXED)
			break;
	}
	if (pa == 0xa0000)
		kunit_skip(test, "no HV-fixed page in low memory");
	page = memremap(pa, PAGE_SIZE, MEMREMAP_WB);
	KUNIT_ASSERT_NOT_NULL(test, page);
	memcpy(vm->copy[0], page, PAGE_SIZE);
	memcpy(page, vm->vmsa, PAGE_SIZE);
	KUNIT_EXPECT_MEMEQ(test, page, vm->vmsa, PAGE_SIZE);

	vm->vmcb->control.vmsa_pa = pa;
	stale = counter(SNP_CTL_CNT_VMRUN_STALE_VMSA);
	invalid = counter(SNP_CTL_CNT_VMRUN_INVALID);
	KUNIT_EXPECT_EQ(test, run(vm), INVALID);
	KUNIT_EXPECT_EQ(test, counter(SNP_CTL_CNT_VMRUN_STALE_VMSA), stale);
	KUNIT_EXPECT_EQ(test, counter(SNP_CTL_CNT_VMRUN_INVALID), invalid + 1);

	memcpy(page, vm->copy[0], PAGE_SIZE);
	memunmap(page);
}

/* The host's state is not stored in a page that was assigned after VM_HSAVE_PA was set. */
static void test_hsave_assigned(struct kunit *test)
{
	struct vm *vm = test->priv;
	struct rmp_state private = { .gpa = GPA, .assigned = 1, .asid = 1 }, shared = {};
	u64 pfn = PHYS_PFN(vm->hsave_pa), old_hsave;
	unsigned long flags;
	u32 assigned;
	s64 r;

	/* Linux splits its own large mapping of the page, which takes a while. */
	KUNIT_ASSERT_EQ(test, rmp_make_private(pfn, GPA, PG_LEVEL_4K, 1, false), 0);
	KUNIT_ASSERT_EQ(test, rmp_make_shared(pfn, PG_LEVEL_4K), 0);

	local_irq_save(flags);
	kernel_fpu_begin();
	rdmsrq(MSR_VM_HSAVE_PA, old_hsave);
	fill_hsave(vm->hsave);
	memcpy(vm->copy[0], vm->hsave, PAGE_SIZE);
	wrmsrq(MSR_VM_HSAVE_PA, vm->hsave_pa);
	assigned = rmpupdate_raw(vm->hsave_pa, &private);
	asm volatile("clgi");
	r = vmrun(vm->vmcb_pa, false);
	wrmsrq(MSR_VM_HSAVE_PA, old_hsave);
	kernel_fpu_end();
	asm volatile("stgi");
	local_irq_restore(flags);

	KUNIT_EXPECT_EQ(test, assigned, 0);
	KUNIT_EXPECT_EQ(test, r, FAULT);
	KUNIT_EXPECT_MEMEQ(test, vm->copy[0], vm->hsave, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, rmpupdate_raw(vm->hsave_pa, &shared), 0);
}

/* A guest that spins on another CPU. */
static int spin(void *data)
{
	struct vm *vm = data;

	while (!kthread_should_stop()) {
		enter_guest(vm->vmcb_pa, vm->hsave, vm->hsave_pa);
		cond_resched();
	}
	return exit_code_of(&vm->vmcb->control) == SVM_EXIT_INTR ? 0 : -EIO;
}

static u32 rmpupdate_shared(void *page)
{
	struct rmp_state st = {};

	return rmpupdate_raw(virt_to_phys(page), &st);
}

/* The pages of a guest that runs cannot be changed, nor run twice. */
static void test_in_use(struct kunit *test)
{
	struct vm *vm = test->priv, *second;
	bool vmcb = false, vmsa = false, busy = false, busy_vmcb = false;
	struct task_struct *t;
	unsigned long end;
	void *mine;
	int cpu;

	if (!ctl)
		kunit_skip(test, "needs the emulated platform");
	if (num_online_cpus() < 2)
		kunit_skip(test, "needs two CPUs");

	vm->vmsa->rip = RIP_SPIN;
	second = kunit_kzalloc(test, sizeof(*second), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, second);
	*second = *vm;
	second->vmcb = snp_alloc_page(test);
	second->hsave = snp_alloc_page(test);
	mine = second->vmcb;
	build_vmcb(second);

	cpu = cpumask_any_but(cpu_online_mask, get_cpu());
	put_cpu();
	t = kthread_run_on_cpu(spin, vm, cpu, "vmrun_spin/%u");
	KUNIT_ASSERT_FALSE(test, IS_ERR(t));

	end = jiffies + 10 * HZ;
	while (time_before(jiffies, end) && !(vmcb && vmsa && busy && busy_vmcb)) {
		vmcb |= rmpupdate_shared(vm->vmcb) == RMP_INUSE;
		vmsa |= rmpupdate_shared(vm->vmsa) == RMP_INUSE;
		if (!busy && vmsa) {
			/* Only sure to be refused while the other one runs. */
			if (run(second) == INVALID)
				busy = true;
		}
		if (!busy_vmcb && vmcb)
			busy_vmcb = enter_guest(vm->vmcb_pa, second->hsave,
						second->hsave_pa) == FAULT;
		cond_resched();
	}
	KUNIT_EXPECT_EQ(test, kthread_stop(t), 0);
	KUNIT_EXPECT_TRUE(test, vmcb);
	KUNIT_EXPECT_TRUE(test, vmsa);
	KUNIT_EXPECT_TRUE(test, busy);
	KUNIT_EXPECT_TRUE(test, busy_vmcb);
	/* Nobody uses them now. */
	KUNIT_EXPECT_EQ(test, rmpupdate_shared(vm->vmcb), 0);
	KUNIT_EXPECT_EQ(test, rmpupdate_shared(vm->vmsa), 0);
	free_page((unsigned long)mine);
	free_page((unsigned long)second->hsave);
}

static int vmrun_suite_init(struct kunit_suite *suite)
{
	u32 eax, ebx;

	cpuid(0x8000001f, &eax, &ebx, &max_asid, &min_sev_asid);
	ctl = snp_ctl_map();
	return 0;
}

static void vmrun_suite_exit(struct kunit_suite *suite)
{
	if (ctl)
		iounmap(ctl);
	ctl = NULL;
}

static struct kunit_case vmrun_cases[] = {
	KUNIT_CASE(test_runs),
	KUNIT_CASE_PARAM(test_refused, row_gen_params),
	KUNIT_CASE(test_snp),
	KUNIT_CASE(test_decommissioned),
	KUNIT_CASE(test_hv_fixed),
	KUNIT_CASE(test_hsave_assigned),
	KUNIT_CASE(test_in_use),
	{}
};

static struct kunit_suite vmrun_suite = {
	.name = "snp_vmrun",
	.suite_init = vmrun_suite_init,
	.suite_exit = vmrun_suite_exit,
	.init = vmrun_init,
	.exit = vmrun_exit,
	.test_cases = vmrun_cases,
};

kunit_test_suite(vmrun_suite);

MODULE_DESCRIPTION("KUnit tests of what VMRUN checks on an SNP host");
MODULE_LICENSE("GPL");
