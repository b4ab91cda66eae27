// SPDX-License-Identifier: GPL-2.0
/* Calls to the hypervisor, and the instructions that own pages. */
#include "guest.h"

#define MSR_GHCB		0xc0010130

/* GHCB, table "GHCB MSR Protocol" */
#define GHCB_MSR_REG_GPA_REQ	0x012
#define GHCB_MSR_REG_GPA_RESP	0x013
#define GHCB_MSR_TERM_REQ	0x100

/* GHCB, table "List of Supported Non-Automatic Events" */
#define GHCB_IOIO		0x7b

/* EXITINFO1 of IOIO, APM volume 2, "IOIO Intercepts" */
#define IOIO_IN			0x001
#define IOIO_STR		0x004
#define IOIO_REP		0x008
#define IOIO_SIZE(bytes)	((bytes) << 4)
#define IOIO_A64		0x200

#define CONSOLE_PORT		0x3f8

u64 msr_protocol(u64 request)
{
	wrmsr(MSR_GHCB, request);
	vmgexit();
	return rdmsr(MSR_GHCB);
}

void terminate(u32 code)
{
	for (;;)
		msr_protocol(GHCB_MSR_TERM_REQ | TERM_SET << 12 | (u64)code << 16);
}

/*
 * Make @page this vCPU's GHCB.  If it is not @shared_already it is a private page
 * and validated; the MSR protocol is all there is yet.
 */
void ghcb_init(void *page, bool shared_already)
{
	struct ghcb *ghcb = shared(page);
	u64 gpa = (u64)page;

	if (!shared_already) {
		if (pvalidate(page, false))
			terminate(TERM_NO_GHCB);
		if (msr_protocol(gpa | PSC_SHARED | GHCB_MSR_PSC_REQ) !=
		    GHCB_MSR_PSC_RESP)
			terminate(TERM_NO_GHCB);
	}
	if (msr_protocol(gpa | GHCB_MSR_REG_GPA_REQ) != (gpa | GHCB_MSR_REG_GPA_RESP))
		terminate(TERM_NO_GHCB);
	memset(ghcb, 0, sizeof(*ghcb));
	this_cpu()->ghcb = ghcb;
}

static void set_valid(volatile struct ghcb *ghcb, size_t offset)
{
	ghcb->valid_bitmap[offset / 512] |= 1ull << offset / 8 % 64;
}

static u64 ghcb_gpa(void)
{
	return (u64)this_cpu()->ghcb - SHARED_ALIAS;
}

/*
 * Returns SW_EXITINFO1[31:0]: 0, unless the hypervisor objects.  SW_EXITINFO2
 * and RAX are in the GHCB.  *@rbx, if there is one, goes both ways.
 */
u64 ghcb_call_rbx(u64 code, u64 info_1, u64 info_2, u64 rax, u64 *rbx)
{
	volatile struct ghcb *ghcb = this_cpu()->ghcb;

	ghcb->protocol_version = 2;
	ghcb->usage = 0;
	ghcb->sw_exit_code = code;
	ghcb->sw_exit_info_1 = info_1;
	ghcb->sw_exit_info_2 = info_2;
	ghcb->sw_scratch = ghcb_gpa() + offsetof(struct ghcb, shared_buffer);
	ghcb->rax = rax;
	ghcb->valid_bitmap[0] = 0;
	ghcb->valid_bitmap[1] = 0;
	set_valid(ghcb, offsetof(struct ghcb, sw_exit_code));
	set_valid(ghcb, offsetof(struct ghcb, sw_exit_info_1));
	set_valid(ghcb, offsetof(struct ghcb, sw_exit_info_2));
	set_valid(ghcb, offsetof(struct ghcb, sw_scratch));
	set_valid(ghcb, offsetof(struct ghcb, rax));
	if (rbx) {
		ghcb->rbx = *rbx;
		set_valid(ghcb, offsetof(struct ghcb, rbx));
	}

	wrmsr(MSR_GHCB, ghcb_gpa());
	vmgexit();

	if (rbx)
		*rbx = ghcb->rbx;
	return (u32)ghcb->sw_exit_info_1;
}

u64 ghcb_call(u64 code, u64 info_1, u64 info_2, u64 rax)
{
	return ghcb_call_rbx(code, info_1, info_2, rax, NULL);
}

void ghcb_out(u16 port, u32 value, u32 bytes)
{
	if (ghcb_call(GHCB_IOIO, (u64)port << 16 | IOIO_A64 | IOIO_SIZE(bytes), 0, value))
		terminate(TERM_CHECK);
}

u32 ghcb_in(u16 port, u32 bytes)
{
	if (ghcb_call(GHCB_IOIO, (u64)port << 16 | IOIO_A64 | IOIO_SIZE(bytes) | IOIO_IN, 0, 0))
		terminate(TERM_CHECK);
	return this_cpu()->ghcb->rax;
}

/* One exit for a whole line: REP OUTSB from the buffer in the GHCB. */
void ghcb_puts(const char *s, size_t len)
{
	volatile struct ghcb *ghcb = this_cpu()->ghcb;

	if (!ghcb)
		terminate(TERM_EXCEPTION);
	memcpy((u8 *)ghcb->shared_buffer, s, len);
	if (ghcb_call(GHCB_IOIO, CONSOLE_PORT << 16 | IOIO_A64 | IOIO_SIZE(1) | IOIO_REP |
		      IOIO_STR, len, 0))
		terminate(TERM_CHECK);
}

/*
 * The entries from @cur to @end of what is in the buffer.  Returns 0, or what the
 * hypervisor says in SW_EXITINFO2.
 */
u64 ghcb_psc_call(u16 cur, u16 end)
{
	volatile struct ghcb *ghcb = this_cpu()->ghcb;
	volatile struct psc *psc = psc_buffer();

	psc->reserved = 0;
	psc->cur_entry = cur;
	psc->end_entry = end;

	/* The hypervisor may stop early, and is to be asked again. */
	do {
		if (ghcb_call(GHCB_PSC, 0, 0, 0))
			return ~0ull;
		if (ghcb->sw_exit_info_2)
			return ghcb->sw_exit_info_2;
	} while (psc->cur_entry <= psc->end_entry);
	return 0;
}

/*
 * Page State Change of @nr pages in a row, 253 at most.  PVALIDATE is the
 * caller's: before pages are shared, and after they are private again.
 */
u64 ghcb_psc(void *page, u32 nr, bool private)
{
	volatile struct psc *psc = psc_buffer();
	u32 i;

	for (i = 0; i < nr; i++)
		psc->entry[i] = ((u64)page + (u64)i * PAGE_SIZE) |
				(private ? PSC_PRIVATE : PSC_SHARED);
	return ghcb_psc_call(0, nr - 1);
}

/* Returns EAX, or -1 if the page was in that state before (CF). */
int pvalidate(void *page, bool validate)
{
	bool unchanged;
	u64 ret;

	asm volatile("pvalidate" : "=@ccc"(unchanged), "=a"(ret)
		     : "a"(page), "c"(0), "d"((u64)validate) : "memory");
	return ret ? (int)ret : unchanged ? -1 : 0;
}

int rmpadjust(void *page, u64 attrs)
{
	u64 ret;

	asm volatile("rmpadjust" : "=a"(ret)
		     : "a"(page), "c"(0), "d"(attrs) : "memory", "cc");
	return ret;
}

/* The target is VMPL1, as VMPL0 can't be one; it gets no permissions. */
int rmpadjust_vmsa(void *page, bool vmsa)
{
	return rmpadjust(page, RMP_ATTR(1, 0) | (u64)vmsa << 16);
}

/* Of the memory that was not launched: pages before this one are in use. */
u8 *memory_next = memory;

void *alloc_page(bool validate)
{
	u8 *page = memory_next;

	if (page == memory_end)
		failed("pages of .igvm.memory", 0, 1);
	memory_next += PAGE_SIZE;
	if (validate) {
		CHECK("PVALIDATE", pvalidate(page, true), 0);
		memset(page, 0, PAGE_SIZE);
	}
	return page;
}
