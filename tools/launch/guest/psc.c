// SPDX-License-Identifier: GPL-2.0
/*
 * Page State Change, row by row: GHCB, tables "SNP Page State Change Request" and "GHCB
 * MSR Protocol".  What the hypervisor chose where it may is KVM's, and marked so.
 */
#include "guest.h"

#define GENERIC		(0x100ull << 32)	/* KVM's: any other error */
#define INVALID_HDR	(1ull << 32 | 1)
#define INVALID_ENTRY	(1ull << 32 | 2)
#define MSR_ERROR	(1ull << 63 | GHCB_MSR_PSC_RESP)

/* Of memory that nobody was given */
#define LARGE		0x800000ull
#define NO_MEMORY	(SHARED_ALIAS - PAGE_SIZE)
#define PAGES_2M	512

/* Asks for @entry alone, and returns what became of it by *@done. */
static u64 one(u64 entry, u64 *done)
{
	volatile struct psc *psc = psc_buffer();
	u64 ret;

	psc->entry[0] = entry;
	ret = ghcb_psc_call(0, 0);
	*done = psc->entry[0] & 0xfff;
	return ret;
}

/* Access to a page that is not shared would make it so: snp-launch counts those. */
static void check_shared(u64 gpa)
{
	*(volatile u64 *)shared((void *)gpa) = gpa;
	CHECK("shared page", *(volatile u64 *)shared((void *)gpa), gpa);
}

static void bad_requests(u64 page)
{
	volatile struct psc *psc = psc_buffer();
	u64 done;

	psc->entry[0] = page | PSC_SHARED;
	CHECK("PSC: end behind the buffer", ghcb_psc_call(0, PSC_MAX), INVALID_HDR);
	CHECK("PSC: end far behind the buffer", ghcb_psc_call(0, 0xffff), INVALID_HDR);
	CHECK("PSC: current behind the end", ghcb_psc_call(1, 0), 0);
	CHECK("PSC: nothing was done", psc->entry[0], page | PSC_SHARED);
	CHECK("PSC: two pages of one done", one(page | PSC_SHARED | 2, &done), INVALID_ENTRY);
	CHECK("PSC: 2 MiB, unaligned", one((LARGE + PAGE_SIZE) | PSC_2M | PSC_SHARED, &done),
	      INVALID_ENTRY);
	CHECK("PSC: 2 MiB, 513 pages done", one(LARGE | PSC_2M | PSC_SHARED | 513, &done),
	      INVALID_ENTRY);
	CHECK("PSC: no memory", one(NO_MEMORY | PSC_SHARED, &done), GENERIC);
	CHECK("PSC: no memory, nothing done", done, 0);

	/* The first is done, and the header says which one is not. */
	psc->entry[0] = page | PSC_SHARED;
	psc->entry[1] = NO_MEMORY | PSC_SHARED;
	CHECK("PSC: no memory in the second entry", ghcb_psc_call(0, 1), GENERIC);
	CHECK("PSC: the first entry", psc->entry[0] & 0xfff, 1);
	CHECK("PSC: the second entry", psc->entry[1] & 0xfff, 0);
	CHECK("PSC: current entry", psc->cur_entry, 1);
	check_shared(page);
	CHECK("PSC: back", one(page | PSC_PRIVATE, &done), 0);
}

/* KVM's: operations that it does not know (SMASH 3, UNSMASH 4, and none) do nothing. */
static void other_operations(u64 page)
{
	static const u8 ops[] = { 0, 3, 4, 15 };
	u64 done;
	u32 i;

	for (i = 0; i < sizeof(ops); i++) {
		CHECK("PSC: an operation that does nothing", one(page | PSC_OP(ops[i]), &done), 0);
		CHECK("PSC: it is done", done, 1);
	}
}

static void large(void)
{
	volatile struct psc *psc = psc_buffer();
	u64 done;
	u32 i;

	CHECK("PSC: 2 MiB to shared", one(LARGE | PSC_2M | PSC_SHARED, &done), 0);
	CHECK("PSC: 2 MiB to shared, done", done, PAGES_2M);
	check_shared(LARGE);
	check_shared(LARGE + (PAGES_2M - 1) * PAGE_SIZE);
	CHECK("PSC: 2 MiB to private", one(LARGE | PSC_2M | PSC_PRIVATE, &done), 0);
	CHECK("PSC: 2 MiB to private, done", done, PAGES_2M);

	/* The last page of it only: 511 are done. */
	CHECK("PSC: the rest of 2 MiB", one(LARGE | PSC_2M | PSC_SHARED | 511, &done), 0);
	CHECK("PSC: the rest of 2 MiB, done", done, PAGES_2M);
	check_shared(LARGE + (PAGES_2M - 1) * PAGE_SIZE);
	CHECK("PSC: all of it is done", one(LARGE | PSC_2M | PSC_SHARED | 512, &done), 0);
	CHECK("PSC: the last page, back",
	      one((LARGE + (PAGES_2M - 1) * PAGE_SIZE) | PSC_PRIVATE, &done), 0);

	/* As many entries as there is room for, every other one the other way */
	for (i = 0; i < PSC_MAX; i++)
		psc->entry[i] = (LARGE + i * PAGE_SIZE) | (i & 1 ? PSC_PRIVATE : PSC_SHARED);
	CHECK("PSC: 253 entries", ghcb_psc_call(0, PSC_MAX - 1), 0);
	for (i = 0; i < PSC_MAX; i++)
		CHECK("PSC: 253 entries, done", psc->entry[i] & 0xfff, 1);
	CHECK("PSC: 253 entries, current", psc->cur_entry, PSC_MAX);
	check_shared(LARGE);
	CHECK("PSC: 2 MiB to private again", one(LARGE | PSC_2M | PSC_PRIVATE, &done), 0);
}

static void by_msr(u64 page)
{
	CHECK("PSC by MSR: to shared", msr_protocol(page | PSC_SHARED | GHCB_MSR_PSC_REQ),
	      GHCB_MSR_PSC_RESP);
	/* The GHCB is the one in the MSR again with the next call. */
	check_shared(page);
	CHECK("PSC by MSR: to private", msr_protocol(page | PSC_PRIVATE | GHCB_MSR_PSC_REQ),
	      GHCB_MSR_PSC_RESP);
	CHECK("PSC by MSR: operation 0", msr_protocol(page | GHCB_MSR_PSC_REQ), MSR_ERROR);
	CHECK("PSC by MSR: operation 3", msr_protocol(page | PSC_OP(3) | GHCB_MSR_PSC_REQ),
	      MSR_ERROR);
	CHECK("PSC by MSR: no memory",
	      msr_protocol(NO_MEMORY | PSC_SHARED | GHCB_MSR_PSC_REQ), MSR_ERROR);
}

void psc_rows(void)
{
	u8 *page = alloc_page(false);

	bad_requests((u64)page);
	other_operations((u64)page);
	large();
	by_msr((u64)page);
	CHECK("PVALIDATE after all of that", pvalidate(page, true), 0);
	CHECK("an empty page", *(volatile u64 *)page, 0);
	print("guest: page state changes: all rows\n");
}
