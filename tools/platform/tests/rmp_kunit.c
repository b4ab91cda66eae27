// SPDX-License-Identifier: GPL-2.0
/*
 * The reverse map table, seen from the kernel.
 *
 * The instructions are issued as bytes, not through the kernel's wrappers:
 * those split the direct map, retry and log. Every page under test comes from
 * a 2 MiB block of its own, so that nobody else writes through a large
 * mapping of the direct map that a page under test is part of.
 *
 * Load it when SNP is enabled (kvm_amd has been loaded) and no guest runs.
 */
#include <kunit/test.h>
#include <linux/anon_inodes.h>
#include <linux/bitfield.h>
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/sizes.h>
#include <linux/smp.h>
#include <linux/sort.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <asm/asm.h>
#include <asm/msr.h>
#include <asm/sev.h>
#include <asm/svm.h>
#include <asm/trapnr.h>
#include "kernel_compat.h"
#include "snp-ctl-regs.h"

#define NPAGES		512
#define RMP_HEAD	0x4000		/* bookkeeping of the processor */
#define GPA		0x40000000ULL

#define RMP_OK		0
#define RMP_INPUT	1
#define RMP_PERM	2
#define RMP_OVERLAP	4
#define RMP_BADADDR	7

#define LO_ASSIGNED	BIT_ULL(0)
#define LO_LARGE	BIT_ULL(1)
#define LO_IMMUTABLE	BIT_ULL(2)
#define LO_GPA		GENMASK_ULL(50, 12)
#define LO_ASID		GENMASK_ULL(60, 51)
#define LO_VMSA		BIT_ULL(61)
#define LO_VALIDATED	BIT_ULL(62)

static unsigned int rounds = 3000;
module_param(rounds, uint, 0444);
MODULE_PARM_DESC(rounds, "assignments in the race tests");

/* Many emulated CPUs on few real ones are slow: end then, but not too soon. */
#define RACE_SECONDS	60
#define RACE_ROUNDS_MIN	100

/* What the suite knows of the machine. */
static u64 rmp_base, rmp_end, rmp_pages;
static u64 *rmp;			/* entries, read only */
static u32 max_asid;

/* One 2 MiB block, mapped once more with 4 KiB pages. */
struct block {
	struct page *page;
	u64 pa;
	u8 *direct;
	u8 *alias;
	bool leak;			/* immutable: only firmware gives it back */
	u64 before[NPAGES];
};

static u32 rmpupdate(u64 pa, const struct rmp_state *st)
{
	bool zf;
	u32 ret;

	asm volatile(".byte 0xf2, 0x0f, 0x01, 0xfe"
		     : "=a" (ret), "=@ccz" (zf)
		     : "a" (pa), "c" (st)
		     : "memory");
	/* The flags describe EAX. */
	return zf == !ret ? ret : ~0u;
}

static u32 smash(u64 pa)
{
	bool zf;
	u32 ret;

	asm volatile(".byte 0xf3, 0x0f, 0x01, 0xff"
		     : "=a" (ret), "=@ccz" (zf)
		     : "a" (pa)
		     : "memory");
	return zf == !ret ? ret : ~0u;
}

static u32 make_private(u64 pa, u64 gpa, bool large, bool immutable)
{
	struct rmp_state st = {
		.gpa = gpa,
		.assigned = 1,
		.pagesize = large,
		.immutable = immutable,
		.asid = max_asid,
	};

	return rmpupdate(pa, &st);
}

static u32 make_shared(u64 pa, bool large)
{
	struct rmp_state st = { .pagesize = large };

	return rmpupdate(pa, &st);
}

static u64 entry(u64 pa)
{
	return READ_ONCE(rmp[2 * (pa >> PAGE_SHIFT)]);
}

/* True if the write went through. */
static bool try_write(void *p, u64 val)
{
	__put_kernel_nofault(p, &val, u64, fault);
	return true;
fault:
	return false;
}

static struct block *block_new(struct kunit *test)
{
	struct block *b = kunit_kzalloc(test, sizeof(*b), GFP_KERNEL);
	struct page **pages;
	int i;

	KUNIT_ASSERT_NOT_NULL(test, b);
	pages = kunit_kcalloc(test, NPAGES, sizeof(*pages), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, pages);
	b->page = alloc_pages(GFP_KERNEL | __GFP_ZERO, 9);
	KUNIT_ASSERT_NOT_NULL(test, b->page);
	b->pa = page_to_phys(b->page);
	b->direct = page_address(b->page);
	for (i = 0; i < NPAGES; i++)
		pages[i] = b->page + i;
	b->alias = vmap(pages, NPAGES, VM_MAP, PAGE_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, b->alias);
	return b;
}

/* Gives everything back to the host; complains about what does not go. */
static void block_reset(struct kunit *test, struct block *b)
{
	int i;

	if (entry(b->pa) & LO_LARGE) {
		KUNIT_EXPECT_EQ(test, make_shared(b->pa, true), RMP_OK);
		return;
	}
	for (i = 0; i < NPAGES; i++)
		if (entry(b->pa + i * PAGE_SIZE) & LO_ASSIGNED)
			KUNIT_EXPECT_EQ(test, make_shared(b->pa + i * PAGE_SIZE, false),
					RMP_OK);
}

static void block_free(struct kunit *test, struct block *b)
{
	if (b->leak) {
		vunmap(b->alias);
		return;
	}
	block_reset(test, b);
	vunmap(b->alias);
	__free_pages(b->page, 9);
}

static void block_save(struct block *b)
{
	int i;

	for (i = 0; i < NPAGES; i++)
		b->before[i] = entry(b->pa + i * PAGE_SIZE);
}

static int block_changed(struct block *b)
{
	int i, n = 0;

	for (i = 0; i < NPAGES; i++)
		n += b->before[i] != entry(b->pa + i * PAGE_SIZE);
	return n;
}

/* --- Codes of RMPUPDATE and PSMASH ------------------------------------- */

enum before { HV, FIRST_4K, SIXTH_4K, ONE_2M };

enum target {
	T_BLOCK,		/* the block */
	T_BEYOND,		/* first page that the table does not cover */
	T_TOP,			/* last page of the address space */
	T_RMP_FIRST,		/* the table itself, first aligned page */
	T_RMP_LAST,
};

struct row {
	const char *name;
	enum before before;
	enum target target;
	u64 off;
	u32 asid;		/* ASID_*: the real one is the machine's */
	struct rmp_state st;
	u32 want;
};

#define ASID_NONE	0
#define ASID_MAX	1
#define ASID_ABOVE	2
#define ASID_HUGE	3
#define ASID_ONE	4

static const struct row update_rows[] = {
	/* What Linux does */
	{ "shared to private 4K", HV, T_BLOCK, 0, ASID_MAX,
	  { .gpa = GPA, .assigned = 1 }, RMP_OK },
	{ "shared to private 2M", HV, T_BLOCK, 0, ASID_MAX,
	  { .gpa = GPA, .assigned = 1, .pagesize = 1 }, RMP_OK },
	{ "first ASID", HV, T_BLOCK, 0, ASID_ONE,
	  { .gpa = GPA, .assigned = 1 }, RMP_OK },
	{ "the GPA of KVM's own VMSA", HV, T_BLOCK, 0, ASID_MAX,
	  { .gpa = 0xfffffffff000, .assigned = 1 }, RMP_OK },
	{ "assigned to nobody", HV, T_BLOCK, 0, ASID_NONE,
	  { .assigned = 1 }, RMP_OK },
	{ "private to private, other GPA", FIRST_4K, T_BLOCK, 0, ASID_MAX,
	  { .gpa = GPA + SZ_4K, .assigned = 1 }, RMP_OK },
	{ "private to private, other ASID", FIRST_4K, T_BLOCK, 0, ASID_ONE,
	  { .gpa = GPA, .assigned = 1 }, RMP_OK },
	{ "private to shared 4K", FIRST_4K, T_BLOCK, 0, ASID_NONE, { }, RMP_OK },
	{ "private to shared 2M", ONE_2M, T_BLOCK, 0, ASID_NONE,
	  { .pagesize = 1 }, RMP_OK },
	{ "shared to shared 4K", HV, T_BLOCK, 0, ASID_NONE, { }, RMP_OK },
	{ "shared to shared 2M", HV, T_BLOCK, 0, ASID_NONE,
	  { .pagesize = 1 }, RMP_OK },
	{ "neighbour of a private page", SIXTH_4K, T_BLOCK, 0, ASID_MAX,
	  { .gpa = GPA, .assigned = 1 }, RMP_OK },

	/* Operands */
	{ "address off by one", HV, T_BLOCK, 1, ASID_MAX,
	  { .gpa = GPA, .assigned = 1 }, RMP_INPUT },
	{ "address off by half a page", HV, T_BLOCK, 0x800, ASID_MAX,
	  { .gpa = GPA, .assigned = 1 }, RMP_INPUT },
	{ "2M address off by 4K", HV, T_BLOCK, SZ_4K, ASID_MAX,
	  { .gpa = GPA, .assigned = 1, .pagesize = 1 }, RMP_INPUT },
	{ "2M address off by 1M", HV, T_BLOCK, SZ_1M, ASID_MAX,
	  { .gpa = GPA, .assigned = 1, .pagesize = 1 }, RMP_INPUT },
	{ "GPA off by one", HV, T_BLOCK, 0, ASID_MAX,
	  { .gpa = GPA + 1, .assigned = 1 }, RMP_INPUT },
	{ "2M GPA off by 4K", HV, T_BLOCK, 0, ASID_MAX,
	  { .gpa = GPA + SZ_4K, .assigned = 1, .pagesize = 1 }, RMP_INPUT },
	{ "GPA with the C-bit", HV, T_BLOCK, 0, ASID_MAX,
	  { .gpa = GPA | BIT_ULL(51), .assigned = 1 }, RMP_INPUT },
	{ "GPA with bit 63", HV, T_BLOCK, 0, ASID_MAX,
	  { .gpa = GPA | BIT_ULL(63), .assigned = 1 }, RMP_INPUT },
	{ "assigned is 2", HV, T_BLOCK, 0, ASID_MAX,
	  { .gpa = GPA, .assigned = 2 }, RMP_INPUT },
	{ "page size is 2", HV, T_BLOCK, 0, ASID_MAX,
	  { .gpa = GPA, .assigned = 1, .pagesize = 2 }, RMP_INPUT },
	{ "immutable is 2", HV, T_BLOCK, 0, ASID_MAX,
	  { .gpa = GPA, .assigned = 1, .immutable = 2 }, RMP_INPUT },
	{ "reserved byte", HV, T_BLOCK, 0, ASID_MAX,
	  { .gpa = GPA, .assigned = 1, .rsvd = 1 }, RMP_INPUT },
	{ "ASID above the maximum", HV, T_BLOCK, 0, ASID_ABOVE,
	  { .gpa = GPA, .assigned = 1 }, RMP_INPUT },
	{ "ASID of 32 bits", HV, T_BLOCK, 0, ASID_HUGE,
	  { .gpa = GPA, .assigned = 1 }, RMP_INPUT },
	{ "shared with an ASID", FIRST_4K, T_BLOCK, 0, ASID_MAX, { }, RMP_INPUT },
	{ "shared with a GPA", FIRST_4K, T_BLOCK, 0, ASID_NONE,
	  { .gpa = GPA }, RMP_INPUT },
	{ "HV-Fixed is the firmware's", HV, T_BLOCK, 0, ASID_NONE,
	  { .immutable = 1 }, RMP_INPUT },
	{ "Metadata is the firmware's", HV, T_BLOCK, 0, ASID_NONE,
	  { .gpa = GPA, .assigned = 1, .immutable = 1 }, RMP_INPUT },

	/* Range */
	{ "not covered", HV, T_BEYOND, 0, ASID_MAX,
	  { .gpa = GPA, .assigned = 1 }, RMP_INPUT },
	{ "not covered, 2M", HV, T_BEYOND, 0, ASID_MAX,
	  { .gpa = GPA, .assigned = 1, .pagesize = 1 }, RMP_INPUT },
	{ "last page of the address space", HV, T_TOP, 0, ASID_MAX,
	  { .gpa = GPA, .assigned = 1 }, RMP_INPUT },
	{ "the RMP's first page", HV, T_RMP_FIRST, 0, ASID_MAX,
	  { .gpa = GPA, .assigned = 1 }, RMP_PERM },
	{ "the RMP's last page", HV, T_RMP_LAST, 0, ASID_MAX,
	  { .gpa = GPA, .assigned = 1 }, RMP_PERM },
	{ "the RMP to shared", HV, T_RMP_FIRST, 0, ASID_NONE, { }, RMP_PERM },

	/* 4K and 2M do not mix */
	{ "4K at the start of 2M", ONE_2M, T_BLOCK, 0, ASID_MAX,
	  { .gpa = GPA, .assigned = 1 }, RMP_OVERLAP },
	{ "4K inside 2M", ONE_2M, T_BLOCK, 7 * SZ_4K, ASID_MAX,
	  { .gpa = GPA, .assigned = 1 }, RMP_OVERLAP },
	{ "4K inside 2M to shared", ONE_2M, T_BLOCK, 7 * SZ_4K, ASID_NONE,
	  { }, RMP_OVERLAP },
	{ "2M over the first 4K", FIRST_4K, T_BLOCK, 0, ASID_MAX,
	  { .gpa = GPA, .assigned = 1, .pagesize = 1 }, RMP_OVERLAP },
	{ "2M over an inner 4K", SIXTH_4K, T_BLOCK, 0, ASID_MAX,
	  { .gpa = GPA, .assigned = 1, .pagesize = 1 }, RMP_OVERLAP },
	{ "2M to shared over an inner 4K", SIXTH_4K, T_BLOCK, 0, ASID_NONE,
	  { .pagesize = 1 }, RMP_OVERLAP },
};

static const struct row smash_rows[] = {
	{ "2M", ONE_2M, T_BLOCK, .want = RMP_OK },
	{ "off by one", ONE_2M, T_BLOCK, 1, .want = RMP_INPUT },
	{ "off by 4K", ONE_2M, T_BLOCK, SZ_4K, .want = RMP_INPUT },
	{ "not covered", HV, T_BEYOND, .want = RMP_INPUT },
	{ "shared", HV, T_BLOCK, .want = RMP_BADADDR },
	{ "4K", FIRST_4K, T_BLOCK, .want = RMP_BADADDR },
	{ "the RMP", HV, T_RMP_FIRST, .want = RMP_BADADDR },
};

static void row_name(const struct row *r, char *desc)
{
	strscpy(desc, r->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(update, update_rows, row_name);
KUNIT_ARRAY_PARAM(smash, smash_rows, row_name);

static void row_prepare(struct kunit *test, const struct row *r, struct block *b)
{
	switch (r->before) {
	case HV:
		break;
	case FIRST_4K:
		KUNIT_ASSERT_EQ(test, make_private(b->pa, GPA, false, false), RMP_OK);
		break;
	case SIXTH_4K:
		KUNIT_ASSERT_EQ(test, make_private(b->pa + 5 * SZ_4K, GPA, false, false),
				RMP_OK);
		break;
	case ONE_2M:
		KUNIT_ASSERT_EQ(test, make_private(b->pa, GPA, true, false), RMP_OK);
		break;
	}
	block_save(b);
}

static u64 row_target(struct kunit *test, const struct row *r, struct block *b)
{
	switch (r->target) {
	case T_BLOCK:
		return b->pa + r->off;
	case T_BEYOND:
		return ALIGN(rmp_pages << PAGE_SHIFT, SZ_2M);
	case T_TOP:
		return ~0ULL << PAGE_SHIFT;
	case T_RMP_FIRST:
		/* Aligned, or PSMASH would refuse it for that. */
		return ALIGN(rmp_base, SZ_2M);
	case T_RMP_LAST:
		return ALIGN_DOWN(rmp_end, SZ_4K);
	}
	KUNIT_FAIL_AND_ABORT(test, "no such target");
	return 0;
}

static void update_codes(struct kunit *test)
{
	const struct row *r = test->param_value;
	struct rmp_state st = r->st;
	struct block *b = block_new(test);
	u64 pa, lo, want;

	row_prepare(test, r, b);
	switch (r->asid) {
	case ASID_MAX:
		st.asid = max_asid;
		break;
	case ASID_ABOVE:
		st.asid = max_asid + 1;
		break;
	case ASID_HUGE:
		/* Would look valid if it were cut to ten bits. */
		st.asid = BIT(31) | 1;
		break;
	case ASID_ONE:
		st.asid = 1;
		break;
	default:
		st.asid = 0;
	}

	pa = row_target(test, r, b);
	KUNIT_EXPECT_EQ(test, rmpupdate(pa, &st), r->want);
	if (r->want) {
		KUNIT_EXPECT_EQ(test, block_changed(b), 0);
	} else {
		lo = entry(pa);
		want = 0;
		if (st.assigned)
			want = LO_ASSIGNED | FIELD_PREP(LO_ASID, st.asid) | st.gpa |
			       (st.pagesize ? LO_LARGE : 0);
		KUNIT_EXPECT_EQ(test, lo, want);
	}
	block_free(test, b);
}

static void smash_codes(struct kunit *test)
{
	const struct row *r = test->param_value;
	struct block *b = block_new(test);
	int i;

	row_prepare(test, r, b);
	KUNIT_EXPECT_EQ(test, smash(row_target(test, r, b)), r->want);
	if (r->want) {
		KUNIT_EXPECT_EQ(test, block_changed(b), 0);
	} else {
		for (i = 0; i < NPAGES; i++)
			KUNIT_EXPECT_EQ(test, entry(b->pa + i * SZ_4K),
					LO_ASSIGNED | FIELD_PREP(LO_ASID, max_asid) |
					(GPA + i * SZ_4K));
	}
	block_free(test, b);
}

/* A 2 MiB entry shows every one of its 4 KiB pages as assigned. */
static void large_entry_fills_all(struct kunit *test)
{
	struct block *b = block_new(test);
	int i;

	KUNIT_ASSERT_EQ(test, make_private(b->pa, GPA, true, false), RMP_OK);
	for (i = 0; i < NPAGES; i++)
		KUNIT_EXPECT_TRUE(test, entry(b->pa + i * SZ_4K) & LO_ASSIGNED);
	KUNIT_ASSERT_EQ(test, make_shared(b->pa, true), RMP_OK);
	for (i = 0; i < NPAGES; i++)
		KUNIT_EXPECT_EQ(test, entry(b->pa + i * SZ_4K), 0);
	block_free(test, b);
}

/*
 * Nobody but the firmware undoes immutable. The blocks stay with it for good:
 * this is the one test that costs memory, 4 MiB.
 */
static void immutable(struct kunit *test)
{
	struct block *b = block_new(test);
	struct block *l = block_new(test);

	b->leak = true;
	l->leak = true;
	KUNIT_ASSERT_EQ(test, make_private(b->pa, 0, false, true), RMP_OK);
	KUNIT_EXPECT_EQ(test, make_shared(b->pa, false), RMP_PERM);
	KUNIT_EXPECT_EQ(test, make_private(b->pa, 0, false, true), RMP_PERM);
	KUNIT_EXPECT_EQ(test, make_private(b->pa, 0, false, false), RMP_PERM);
	KUNIT_EXPECT_EQ(test, make_private(b->pa, 0, true, false), RMP_PERM);
	KUNIT_EXPECT_EQ(test, make_shared(b->pa, true), RMP_PERM);
	KUNIT_EXPECT_EQ(test, smash(b->pa), RMP_BADADDR);
	KUNIT_EXPECT_FALSE(test, try_write(b->alias, 1));
	KUNIT_EXPECT_TRUE(test, try_write(b->alias + SZ_4K, 1));

	KUNIT_ASSERT_EQ(test, make_private(l->pa, 0, true, true), RMP_OK);
	KUNIT_EXPECT_EQ(test, smash(l->pa), RMP_BADADDR);
	KUNIT_EXPECT_EQ(test, make_shared(l->pa, true), RMP_PERM);
	KUNIT_EXPECT_EQ(test, make_shared(l->pa + SZ_4K, false), RMP_PERM);
	block_free(test, b);
	block_free(test, l);
}

/* --- Who may write ------------------------------------------------------ */

/* A counter of the platform's, -1 if there is nobody to tell. */
static s64 ctl_counter(enum snp_ctl_counter counter)
{
	struct pci_dev *dev = pci_get_device(SNP_CTL_VENDOR_ID, SNP_CTL_DEVICE_ID, NULL);
	void __iomem *bar;
	s64 n = -1;

	if (!dev)
		return -1;
	if (!pci_enable_device(dev)) {
		bar = pci_iomap(dev, 0, SNP_CTL_BAR_SIZE);
		if (bar) {
			n = readq(bar + SNP_CTL_COUNTER(counter));
			pci_iounmap(dev, bar);
		}
	}
	pci_dev_put(dev);
	return n;
}

static void host_write_4k(struct kunit *test)
{
	struct block *b = block_new(test);
	s64 before, after;
	int i;

	for (i = 0; i < NPAGES; i++)
		*(u64 *)(b->alias + i * SZ_4K) = i;

	KUNIT_ASSERT_EQ(test, make_private(b->pa + 3 * SZ_4K, GPA, false, false), RMP_OK);
	before = ctl_counter(SNP_CTL_CNT_RMP_FAULT);
	KUNIT_EXPECT_FALSE(test, try_write(b->alias + 3 * SZ_4K, 99));
	KUNIT_EXPECT_FALSE(test, try_write(b->alias + 4 * SZ_4K - 8, 99));
	after = ctl_counter(SNP_CTL_CNT_RMP_FAULT);
	KUNIT_EXPECT_TRUE(test, try_write(b->alias + 2 * SZ_4K, 99));
	KUNIT_EXPECT_TRUE(test, try_write(b->alias + 4 * SZ_4K, 99));
	/* Reads are free. */
	KUNIT_EXPECT_EQ(test, READ_ONCE(*(u64 *)(b->alias + 3 * SZ_4K)), 3);
	if (before >= 0)
		KUNIT_EXPECT_EQ(test, after - before, 2);
	else
		kunit_info(test, "no snp-ctl device: RMP bit not verified\n");

	KUNIT_ASSERT_EQ(test, make_shared(b->pa + 3 * SZ_4K, false), RMP_OK);
	KUNIT_EXPECT_TRUE(test, try_write(b->alias + 3 * SZ_4K, 99));
	block_free(test, b);
}

/*
 * A page that was written before it is assigned: by this CPU or another, or both,
 * through either mapping. None of them can write to it after that.
 */
struct try {
	u64 *where;
	u64 val;
	bool done;
};

static void try_here(void *arg)
{
	struct try *t = arg;

	t->done = try_write(t->where, t->val);
}

static bool try_on(int cpu, void *where, u64 val)
{
	struct try t = { .where = where, .val = val };

	smp_call_function_single(cpu, try_here, &t, 1);
	return t.done;
}

/* Makes all CPUs flush their TLBs: each could write to a page that is assigned. */
static void flush_all(struct kunit *test, struct block *b, int self, int other)
{
	KUNIT_EXPECT_TRUE(test, try_on(self, b->alias, 1));
	KUNIT_EXPECT_TRUE(test, try_on(other, b->alias, 1));
	KUNIT_ASSERT_EQ(test, make_private(b->pa, GPA, false, false), RMP_OK);
	KUNIT_ASSERT_EQ(test, make_shared(b->pa, false), RMP_OK);
}

static void host_write_before(struct kunit *test)
{
	struct block *b = block_new(test), *spare = block_new(test);
	int self = get_cpu(), other = cpumask_any_but(cpu_online_mask, self);
	unsigned int who, round, i;

	put_cpu();
	if (other >= nr_cpu_ids)
		other = self;
	set_cpus_allowed_ptr(current, cpumask_of(self));
	for (round = 0; round < 16; round++) {
		for (who = 0; who < 16; who++) {
			u64 off = (round * 16 + who) * SZ_4K;
			struct { int cpu; u8 *at; } w[] = {
				{ self, b->alias + off }, { self, b->direct + off },
				{ other, b->alias + off }, { other, b->direct + off },
			};

			/* In every other round something is left in the TLBs. */
			if (!(round & 1))
				flush_all(test, spare, self, other);
			for (i = 0; i < ARRAY_SIZE(w); i++)
				if (who & BIT(i))
					KUNIT_EXPECT_TRUE(test, try_on(w[i].cpu, w[i].at, who));
			KUNIT_ASSERT_EQ(test, make_private(b->pa + off, GPA, false, false),
					RMP_OK);
			for (i = 0; i < ARRAY_SIZE(w); i++)
				KUNIT_EXPECT_FALSE_MSG(test, try_on(w[i].cpu, w[i].at, 99),
						       "round %u, written by 0x%x, now by 0x%lx",
						       round, who, BIT(i));
			KUNIT_EXPECT_NE(test, READ_ONCE(*(u64 *)w[0].at), 99);
			KUNIT_ASSERT_EQ(test, make_shared(b->pa + off, false), RMP_OK);
			if (round & 1)
				KUNIT_EXPECT_TRUE(test, try_on(w[who & 3].cpu, w[who & 3].at, 1));
		}
	}
	set_cpus_allowed_ptr(current, cpu_possible_mask);
	block_free(test, b);
	block_free(test, spare);
}

/* A write that crosses into an assigned page writes nothing at all. */
static void host_write_straddle(struct kunit *test)
{
	struct block *b = block_new(test);
	u8 *p = b->alias + SZ_4K - 4;

	KUNIT_ASSERT_EQ(test, make_private(b->pa + SZ_4K, GPA, false, false), RMP_OK);
	KUNIT_EXPECT_FALSE(test, try_write(p, ~0ULL));
	KUNIT_EXPECT_EQ(test, READ_ONCE(*(u32 *)p), 0);
	block_free(test, b);
}

static void host_write_2m(struct kunit *test)
{
	struct block *b = block_new(test);
	unsigned int level;

	lookup_address((unsigned long)b->direct, &level);
	if (level < PG_LEVEL_2M) {
		block_free(test, b);
		kunit_skip(test, "the direct map has 4K pages here");
	}

	KUNIT_EXPECT_TRUE(test, try_write(b->direct, 1));
	KUNIT_ASSERT_EQ(test, make_private(b->pa + 511 * SZ_4K, GPA, false, false), RMP_OK);
	KUNIT_EXPECT_FALSE(test, try_write(b->direct, 2));
	KUNIT_EXPECT_FALSE(test, try_write(b->direct + SZ_1M, 2));
	/* The same page through a 4K mapping */
	KUNIT_EXPECT_TRUE(test, try_write(b->alias, 3));
	KUNIT_EXPECT_EQ(test, READ_ONCE(*(u64 *)b->direct), 3);
	KUNIT_ASSERT_EQ(test, make_shared(b->pa + 511 * SZ_4K, false), RMP_OK);
	KUNIT_EXPECT_TRUE(test, try_write(b->direct, 4));
	block_free(test, b);
}

/* Splitting changes nothing for the host. */
static void host_write_smashed(struct kunit *test)
{
	struct block *b = block_new(test);

	KUNIT_ASSERT_EQ(test, make_private(b->pa, GPA, true, false), RMP_OK);
	KUNIT_EXPECT_FALSE(test, try_write(b->alias, 1));
	KUNIT_EXPECT_FALSE(test, try_write(b->alias + 300 * SZ_4K, 1));
	KUNIT_ASSERT_EQ(test, smash(b->pa), RMP_OK);
	KUNIT_EXPECT_FALSE(test, try_write(b->alias + 300 * SZ_4K, 1));
	KUNIT_ASSERT_EQ(test, make_shared(b->pa + 300 * SZ_4K, false), RMP_OK);
	KUNIT_EXPECT_TRUE(test, try_write(b->alias + 300 * SZ_4K, 1));
	KUNIT_EXPECT_FALSE(test, try_write(b->alias + 301 * SZ_4K, 1));
	block_free(test, b);
}

static void host_write_rmp(struct kunit *test)
{
	u64 *p = memremap(rmp_base, SZ_4K, MEMREMAP_WB);
	u64 *q = memremap(ALIGN_DOWN(rmp_end, SZ_4K), SZ_4K, MEMREMAP_WB);

	KUNIT_ASSERT_NOT_NULL(test, p);
	KUNIT_ASSERT_NOT_NULL(test, q);
	KUNIT_EXPECT_FALSE(test, try_write(p, READ_ONCE(*p)));
	KUNIT_EXPECT_FALSE(test, try_write(q, READ_ONCE(*q)));
	KUNIT_EXPECT_FALSE(test, try_write(rmp, READ_ONCE(*rmp)));
	memunmap(p);
	memunmap(q);
}

/* --- Devices ------------------------------------------------------------ */

/* The first port of an AHCI controller, and QEMU's one IOMMU */
#define PORT_FIS_ADDR		0x108
#define PORT_FIS_ADDR_HI	0x10c
#define PORT_CMD		0x118
#define PORT_CMD_FIS_RX		BIT(4)
#define IOMMU_MMIO		0xfed80000
#define IOMMU_CONTROL		0x18
#define IOMMU_ENABLE		BIT_ULL(0)

/* How often the platform refuses it when the controller takes @addr to receive to */
static s64 refused_to_receive(u8 __iomem *ahci, u64 addr)
{
	s64 n = ctl_counter(SNP_CTL_CNT_DMA_BLOCKED);

	writel(lower_32_bits(addr), ahci + PORT_FIS_ADDR);
	writel(upper_32_bits(addr), ahci + PORT_FIS_ADDR_HI);
	writel(PORT_CMD_FIS_RX, ahci + PORT_CMD);
	writel(0, ahci + PORT_CMD);
	return ctl_counter(SNP_CTL_CNT_DMA_BLOCKED) - n;
}

/* A device writes to pages of the host only, whether the IOMMU translates or is off. */
static void device_write(struct kunit *test)
{
	struct pci_dev *dev = pci_get_class(PCI_CLASS_STORAGE_SATA_AHCI, NULL);
	struct block *b;
	u8 __iomem *ahci, *iommu;
	u64 control;
	dma_addr_t addr;

	if (ctl_counter(SNP_CTL_CNT_DMA_BLOCKED) < 0 || !dev || dev->driver) {
		pci_dev_put(dev);
		kunit_skip(test, "needs the emulated platform and an idle AHCI controller");
	}
	b = block_new(test);
	KUNIT_ASSERT_EQ(test, pci_enable_device(dev), 0);
	pci_set_master(dev);
	ahci = pci_iomap(dev, 5, 0);
	KUNIT_ASSERT_NOT_NULL(test, ahci);
	iommu = ioremap(IOMMU_MMIO, PAGE_SIZE);
	KUNIT_ASSERT_NOT_NULL(test, iommu);
	addr = dma_map_page(&dev->dev, b->page, 0, SZ_4K, DMA_FROM_DEVICE);
	KUNIT_ASSERT_EQ(test, dma_mapping_error(&dev->dev, addr), 0);

	KUNIT_EXPECT_EQ(test, refused_to_receive(ahci, addr), 0);
	KUNIT_ASSERT_EQ(test, make_private(b->pa, GPA, false, false), RMP_OK);
	KUNIT_EXPECT_GT(test, refused_to_receive(ahci, addr), 0);

	control = readq(iommu + IOMMU_CONTROL);
	writeq(control & ~IOMMU_ENABLE, iommu + IOMMU_CONTROL);
	KUNIT_EXPECT_GT(test, refused_to_receive(ahci, b->pa), 0);
	KUNIT_EXPECT_EQ(test, refused_to_receive(ahci, b->pa + SZ_4K), 0);
	writeq(control, iommu + IOMMU_CONTROL);

	KUNIT_ASSERT_EQ(test, make_shared(b->pa, false), RMP_OK);
	KUNIT_EXPECT_EQ(test, refused_to_receive(ahci, addr), 0);

	dma_unmap_page(&dev->dev, addr, SZ_4K, DMA_FROM_DEVICE);
	iounmap(iommu);
	pci_iounmap(dev, ahci);
	pci_clear_master(dev);
	pci_disable_device(dev);
	pci_dev_put(dev);
	block_free(test, b);
}

/* --- A user's writes ---------------------------------------------------- */

/*
 * Without the no-fault variant, Linux would let the task fault for ever:
 * do_user_addr_fault() does not know the RMP bit.
 */
static int user_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct block *b = file->private_data;

	return remap_pfn_range(vma, vma->vm_start, PHYS_PFN(b->pa), SZ_64K,
			       vma->vm_page_prot);
}

static const struct file_operations user_fops = {
	.owner = THIS_MODULE,
	.mmap = user_mmap,
};

static void user_write(struct kunit *test)
{
	struct block *b = block_new(test);
	unsigned long ua;
	struct file *f;
	u64 val = 1;

	f = anon_inode_getfile("rmp_kunit", &user_fops, b, O_RDWR);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, f);
	ua = kunit_vm_mmap(test, f, 0, SZ_64K, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
	fput(f);
	KUNIT_ASSERT_NE(test, ua, 0);

	KUNIT_EXPECT_EQ(test, copy_to_user_nofault((void __user *)ua, &val, 8), 0);
	KUNIT_ASSERT_EQ(test, make_private(b->pa, GPA, false, false), RMP_OK);
	val = 2;
	KUNIT_EXPECT_EQ(test, copy_to_user_nofault((void __user *)ua, &val, 8), -EFAULT);
	KUNIT_EXPECT_EQ(test, copy_to_user_nofault((void __user *)(ua + SZ_4K), &val, 8), 0);
	KUNIT_EXPECT_EQ(test, copy_from_user_nofault(&val, (void __user *)ua, 8), 0);
	KUNIT_EXPECT_EQ(test, val, 1);
	KUNIT_ASSERT_EQ(test, make_shared(b->pa, false), RMP_OK);
	KUNIT_EXPECT_EQ(test, copy_to_user_nofault((void __user *)ua, &val, 8), 0);
	vm_munmap(ua, SZ_64K);
	block_free(test, b);
}

/* --- Other instructions and MSRs --------------------------------------- */

#define TRAP_OF(bytes, in...)						\
({									\
	unsigned int __trap = ~0u;					\
	asm volatile("1: .byte " bytes "\n\t"				\
		     "mov $-1, %%eax\n\t"				\
		     "2:\n\t"						\
		     _ASM_EXTABLE_FAULT(1b, 2b)				\
		     : "=a" (__trap) : in : "memory", "cc");		\
	__trap;								\
})

/*
 * The guest's instructions do not exist outside of an SNP guest, but for PVALIDATE: it
 * succeeds, and says that nothing has changed.
 */
static void guest_instructions(struct kunit *test)
{
	u64 dummy = 0, ret = (u64)&dummy;
	bool cf, zf;

	KUNIT_ASSERT_EQ_MSG(test, TRAP_OF("0xf2, 0x0f, 0x01, 0xff",
					  "a" (&dummy), "c" (0), "d" (1)),
			    ~0u, "PVALIDATE");
	asm volatile("clc\n\t"
		     ".byte 0xf2, 0x0f, 0x01, 0xff"
		     : "+a" (ret), "=@ccc" (cf), "=@ccz" (zf)
		     : "c" (0), "d" (1)
		     : "memory");
	KUNIT_EXPECT_EQ(test, ret, 0);
	KUNIT_EXPECT_TRUE(test, cf);
	KUNIT_EXPECT_TRUE(test, zf);
	KUNIT_EXPECT_EQ_MSG(test, TRAP_OF("0xf3, 0x0f, 0x01, 0xfe",
					  "a" (&dummy), "c" (0), "d" (0x101)),
			    X86_TRAP_UD, "RMPADJUST");
	KUNIT_EXPECT_EQ_MSG(test, TRAP_OF("0xf3, 0x0f, 0x01, 0xfd",
					  "a" (&dummy), "c" (0), "d" (1)),
			    X86_TRAP_UD, "RMPQUERY");
}

/* RMPUPDATE reads its operand as any load does. */
static void operand_fault(struct kunit *test)
{
	struct block *b = block_new(test);

	KUNIT_EXPECT_EQ(test, TRAP_OF("0xf2, 0x0f, 0x01, 0xfe",
				      "a" (b->pa), "c" (0xffffe00000000000ULL)),
			X86_TRAP_PF);
	KUNIT_EXPECT_EQ(test, TRAP_OF("0xf2, 0x0f, 0x01, 0xfe",
				      "a" (b->pa), "c" (0x8000000000000000ULL)),
			X86_TRAP_GP);
	block_free(test, b);
}

static void msrs(struct kunit *test)
{
	u64 val, now;

	rdmsrq(MSR_AMD64_SYSCFG, val);
	KUNIT_EXPECT_TRUE(test, val & MSR_AMD64_SYSCFG_MEM_ENCRYPT);
	KUNIT_EXPECT_TRUE(test, val & MSR_AMD64_SYSCFG_MFDM);
	/* Ignored, not refused */
	KUNIT_EXPECT_EQ(test, wrmsrq_safe(MSR_AMD64_SYSCFG,
					  val & ~MSR_AMD64_SYSCFG_SNP_EN), 0);
	rdmsrq(MSR_AMD64_SYSCFG, now);
	KUNIT_EXPECT_EQ(test, now, val);
	KUNIT_EXPECT_NE(test, wrmsrq_safe(MSR_MTRRfix64K_00000, 0), 0);
	KUNIT_EXPECT_NE(test, wrmsrq_safe(MSR_AMD64_RMP_BASE, rmp_base), 0);
	KUNIT_EXPECT_NE(test, wrmsrq_safe(MSR_AMD64_RMP_END, rmp_end), 0);
}

/* The processor writes only to hypervisor pages on the host's behalf, too. */
static void svm_pages(struct kunit *test)
{
	struct block *b = block_new(test);
	u64 efer, hsave;

	KUNIT_ASSERT_EQ(test, make_private(b->pa, GPA, false, false), RMP_OK);

	preempt_disable();
	rdmsrq(MSR_EFER, efer);
	wrmsrq(MSR_EFER, efer | EFER_SVME);
	KUNIT_EXPECT_EQ_MSG(test, TRAP_OF("0x0f, 0x01, 0xdb", "a" (b->pa)),
			    X86_TRAP_GP, "VMSAVE to an assigned page");
	KUNIT_EXPECT_EQ_MSG(test, TRAP_OF("0x0f, 0x01, 0xdb", "a" (b->pa + SZ_4K)),
			    ~0u, "VMSAVE to a host page");
	rdmsrq(MSR_VM_HSAVE_PA, hsave);
	KUNIT_EXPECT_NE(test, wrmsrq_safe(MSR_VM_HSAVE_PA, b->pa), 0);
	KUNIT_EXPECT_NE(test, wrmsrq_safe(MSR_VM_HSAVE_PA, rmp_base), 0);
	KUNIT_EXPECT_EQ(test, wrmsrq_safe(MSR_VM_HSAVE_PA, b->pa + SZ_4K), 0);
	wrmsrq(MSR_VM_HSAVE_PA, hsave);
	wrmsrq(MSR_EFER, efer);
	preempt_enable();
	block_free(test, b);
}

/* --- Races -------------------------------------------------------------- */

/*
 * Each writer owns a slot of the page and counts up in it. What it believes
 * to have written last is kept elsewhere.
 */
struct writer {
	struct task_struct *task;
	u64 *slot;
	u64 done;		/* last value whose store did not fault */
	u64 faults;
};

static int writer_fn(void *arg)
{
	struct writer *w = arg;
	u64 next = 1;

	while (!kthread_should_stop()) {
		if (try_write(w->slot, next)) {
			WRITE_ONCE(w->done, next);
			/* An emulator may run one CPU until it pauses. */
			if (!(next++ % 16))
				cpu_relax();
		} else {
			WRITE_ONCE(w->faults, w->faults + 1);
			cpu_relax();
		}
		if (need_resched())
			cond_resched();
	}
	return 0;
}

/* False if the counter does not move within a long time. */
static bool wait_more(u64 *counter)
{
	u64 from = READ_ONCE(*counter);
	unsigned long end = jiffies + 20 * HZ;

	while (READ_ONCE(*counter) == from) {
		if (time_after(jiffies, end))
			return false;
		cpu_relax();
		if (need_resched())
			cond_resched();
	}
	return true;
}

/* One for each other CPU; the caller stays on its own. */
static unsigned int start_writers(struct kunit *test, struct writer *w, u64 *page)
{
	unsigned int n = 0;
	int cpu, self;

	self = get_cpu();
	put_cpu();
	set_cpus_allowed_ptr(current, cpumask_of(self));
	for_each_online_cpu(cpu) {
		if (cpu == self)
			continue;
		w[n].slot = page + 8 * n;
		w[n].task = kthread_run_on_cpu(writer_fn, &w[n], cpu, "rmp_writer/%u");
		if (IS_ERR(w[n].task))
			break;
		n++;
	}
	KUNIT_EXPECT_EQ(test, n, num_online_cpus() - 1);
	return n;
}

static void stop_writers(struct writer *w, unsigned int n)
{
	while (n)
		kthread_stop(w[--n].task);
	set_cpus_allowed_ptr(current, cpu_possible_mask);
}

static void race_writers(struct kunit *test)
{
	struct block *b = block_new(test);
	struct writer *w;
	u64 *page = (u64 *)(b->alias + 7 * SZ_4K);
	u64 pa = b->pa + 7 * SZ_4K;
	unsigned int i, n = 0, lost = 0, late = 0;
	unsigned long end;
	u64 *at;

	if (num_online_cpus() < 2) {
		block_free(test, b);
		kunit_skip(test, "needs two CPUs");
	}
	w = kunit_kcalloc(test, nr_cpu_ids, sizeof(*w), GFP_KERNEL);
	at = kunit_kcalloc(test, nr_cpu_ids, sizeof(*at), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, w);
	KUNIT_ASSERT_NOT_NULL(test, at);

	n = start_writers(test, w, page);

	end = jiffies + RACE_SECONDS * HZ;
	for (i = 0; i < rounds; i++) {
		unsigned int k;

		if (time_after(jiffies, end))
			break;

		for (k = 0; k < n; k++)
			if (!wait_more(&w[k].done))
				goto stuck;
		if (make_private(pa, GPA, false, false) != RMP_OK) {
			KUNIT_FAIL(test, "round %u: assign failed", i);
			break;
		}
		/* From here on the page must not change. */
		for (k = 0; k < n; k++)
			at[k] = READ_ONCE(*w[k].slot);
		/*
		 * Twice: the first fault may be of a store that began, and
		 * whose count was under way, before the assignment.
		 */
		for (k = 0; k < n; k++)
			if (!wait_more(&w[k].faults) || !wait_more(&w[k].faults))
				goto stuck;
		for (k = 0; k < n; k++) {
			late += READ_ONCE(*w[k].slot) != at[k];
			lost += READ_ONCE(*w[k].slot) != READ_ONCE(w[k].done);
		}
		if (make_shared(pa, false) != RMP_OK) {
			KUNIT_FAIL(test, "round %u: share failed", i);
			break;
		}
	}
	goto out;
stuck:
	KUNIT_FAIL(test, "round %u: a writer makes no progress", i);
	/* Let the threads end whatever the page is. */
	make_shared(pa, false);
out:
	stop_writers(w, n);
	KUNIT_EXPECT_GE(test, i, min(rounds, RACE_ROUNDS_MIN));
	KUNIT_EXPECT_EQ_MSG(test, late, 0, "writes after the assignment");
	KUNIT_EXPECT_EQ_MSG(test, lost, 0, "writes that vanished");
	kunit_info(test, "%u rounds, %u writers\n", i, num_online_cpus() - 1);
	block_free(test, b);
}

/* Updates of neighbours on several CPUs do not disturb each other. */
struct updater {
	struct task_struct *task;
	struct block *b;
	unsigned int first, step;
	u64 bad;
	bool finished;
};

static int updater_fn(void *arg)
{
	struct updater *u = arg;
	unsigned int i, page;

	for (i = 0; i < rounds / 2; i++) {
		page = (u->first + i * u->step) % NPAGES;
		u->bad += make_private(u->b->pa + page * SZ_4K, GPA, false, false) != RMP_OK;
		u->bad += try_write(u->b->alias + page * SZ_4K, i);
		u->bad += make_shared(u->b->pa + page * SZ_4K, false) != RMP_OK;
		u->bad += !try_write(u->b->alias + page * SZ_4K, i);
		cond_resched();
	}
	WRITE_ONCE(u->finished, true);
	while (!kthread_should_stop())
		schedule_timeout_interruptible(1);
	return 0;
}

static void race_updaters(struct kunit *test)
{
	struct block *b = block_new(test);
	unsigned int n = num_online_cpus(), i;
	struct updater *u = kunit_kcalloc(test, nr_cpu_ids, sizeof(*u), GFP_KERNEL);
	int cpu;

	KUNIT_ASSERT_NOT_NULL(test, u);
	i = 0;
	for_each_online_cpu(cpu) {
		u[i] = (struct updater){ .b = b, .first = i, .step = n };
		/* Residues stay apart only if the step divides the block. */
		if (!is_power_of_2(n))
			u[i].step = roundup_pow_of_two(n);
		u[i].task = kthread_run_on_cpu(updater_fn, &u[i], cpu, "rmp_updater/%u");
		if (IS_ERR(u[i].task))
			break;
		i++;
	}
	KUNIT_EXPECT_EQ(test, i, n);
	while (i--) {
		while (!READ_ONCE(u[i].finished))
			msleep(20);
		kthread_stop(u[i].task);
		KUNIT_EXPECT_EQ(test, u[i].bad, 0);
	}
	/* The counts behind the 2 MiB check came out even. */
	KUNIT_EXPECT_TRUE(test, try_write(b->direct, 1));
	for (i = 0; i < NPAGES; i++)
		KUNIT_EXPECT_EQ(test, entry(b->pa + i * SZ_4K), 0);
	block_free(test, b);
}

/* --- Cost --------------------------------------------------------------- */

static int cmp_u64(const void *a, const void *b)
{
	u64 l = *(const u64 *)a, r = *(const u64 *)b;

	return (l > r) - (l < r);
}

/*
 * Updates every page of a block, each just written on @cpu if that is one. Times are
 * told and not judged: they are the host's. How often all CPUs flush their TLBs is the
 * platform's alone, and @most so often.
 */
static void update_all(struct kunit *test, struct block *b, bool private, int cpu,
		       const char *what, unsigned int most)
{
	s64 flushes = ctl_counter(SNP_CTL_CNT_TLB_FLUSH), after;
	u64 *ns = kunit_kcalloc(test, NPAGES, sizeof(*ns), GFP_KERNEL);
	unsigned int i, bad = 0;

	KUNIT_ASSERT_NOT_NULL(test, ns);
	for (i = 0; i < NPAGES; i++) {
		u64 pa = b->pa + i * SZ_4K;

		if (cpu >= 0)
			bad += !try_on(cpu, b->alias + i * SZ_4K, i);
		ns[i] = ktime_get_ns();
		bad += (private ? make_private(pa, GPA, false, false) :
				  make_shared(pa, false)) != RMP_OK;
		ns[i] = ktime_get_ns() - ns[i];
	}
	after = ctl_counter(SNP_CTL_CNT_TLB_FLUSH);
	KUNIT_EXPECT_EQ(test, bad, 0);
	if (flushes >= 0)
		KUNIT_EXPECT_LE(test, after - flushes, most);
	sort(ns, NPAGES, sizeof(*ns), cmp_u64, NULL);
	kunit_info(test, "cost: %s: %llu ns, %lld flushes for %d pages\n", what,
		   ns[NPAGES / 2], after - flushes, NPAGES);
}

static void update_cost(struct kunit *test)
{
	struct block *b = block_new(test), *other = block_new(test);
	int self = get_cpu(), peer = cpumask_any_but(cpu_online_mask, self);
	struct writer *w;
	unsigned int n;

	put_cpu();
	if (peer >= nr_cpu_ids)
		kunit_skip(test, "needs two CPUs");
	w = kunit_kcalloc(test, nr_cpu_ids, sizeof(*w), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, w);
	set_cpus_allowed_ptr(current, cpumask_of(self));

	/* One flush is due: block_new() has written the block through 2 MiB. */
	update_all(test, b, true, -1, "to private, not written", 1);
	update_all(test, b, false, -1, "to shared", 0);
	update_all(test, b, true, self, "to private, written here", 0);
	update_all(test, b, false, -1, "to shared", 0);
	update_all(test, b, true, peer, "to private, written by an idle peer", NPAGES);
	update_all(test, b, false, -1, "to shared", 0);
	n = start_writers(test, w, (u64 *)other->alias);
	update_all(test, b, true, peer, "to private, written by a busy peer", NPAGES);
	update_all(test, b, false, -1, "to shared, busy peer", 0);
	stop_writers(w, n);
	/* Those were flushed one by one, a thousand flushes and less ago. */
	update_all(test, b, true, -1, "to private, written long ago", 0);
	update_all(test, b, false, -1, "to shared", 0);
	block_free(test, b);
	block_free(test, other);
}

/* --- Suite -------------------------------------------------------------- */

static int rmp_test_init(struct kunit *test)
{
	u64 syscfg = 0;

	if (rdmsrq_safe(MSR_AMD64_SYSCFG, &syscfg) || !(syscfg & MSR_AMD64_SYSCFG_SNP_EN))
		kunit_skip(test, "SNP is not enabled. Load kvm_amd with sev_snp=1 first.");
	if (rmp)
		return 0;

	rdmsrq(MSR_AMD64_RMP_BASE, rmp_base);
	rdmsrq(MSR_AMD64_RMP_END, rmp_end);
	rmp_pages = (rmp_end + 1 - rmp_base - RMP_HEAD) / 16;
	max_asid = cpuid_ecx(0x8000001f);
	rmp = memremap(rmp_base + RMP_HEAD, rmp_end + 1 - rmp_base - RMP_HEAD, MEMREMAP_WB);
	return rmp ? 0 : -ENOMEM;
}

static void rmp_suite_exit(struct kunit_suite *suite)
{
	if (rmp)
		memunmap(rmp);
	rmp = NULL;
}

static struct kunit_case rmp_cases[] = {
	KUNIT_CASE_PARAM(update_codes, update_gen_params),
	KUNIT_CASE_PARAM(smash_codes, smash_gen_params),
	KUNIT_CASE(large_entry_fills_all),
	KUNIT_CASE(immutable),
	KUNIT_CASE(host_write_4k),
	KUNIT_CASE_SLOW(host_write_before),
	KUNIT_CASE(host_write_straddle),
	KUNIT_CASE(host_write_2m),
	KUNIT_CASE(host_write_smashed),
	KUNIT_CASE(host_write_rmp),
	KUNIT_CASE(device_write),
	KUNIT_CASE(user_write),
	KUNIT_CASE(guest_instructions),
	KUNIT_CASE(operand_fault),
	KUNIT_CASE(msrs),
	KUNIT_CASE(svm_pages),
	KUNIT_CASE_SLOW(race_writers),
	KUNIT_CASE_SLOW(race_updaters),
	KUNIT_CASE_SLOW(update_cost),
	{ }
};

static struct kunit_suite rmp_suite = {
	.name = "snp_rmp",
	.suite_exit = rmp_suite_exit,
	.init = rmp_test_init,
	.test_cases = rmp_cases,
};

kunit_test_suite(rmp_suite);

MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_DESCRIPTION("KUnit tests of the SEV-SNP reverse map table");
MODULE_LICENSE("GPL");
