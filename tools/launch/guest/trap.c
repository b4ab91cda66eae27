// SPDX-License-Identifier: GPL-2.0
/* Exceptions: #VC is the one that is expected. */
#include "guest.h"

#define NR_VECTORS	32
#define VECTOR_SIZE	16	/* of the code in head.S */
#define VECTOR_VC	29

/* Error codes of #VC: exit codes, APM volume 2, appendix C */
#define VC_CPUID	0x72
#define VC_IOIO		0x7b
#define VC_NOT_VALIDATED	0x404

struct gate {
	u16 offset_0, selector;
	u8 ist, type;
	u16 offset_16;
	u32 offset_32, reserved;
};

static struct gate idt[NR_VECTORS];

/* Pages that were validated because an access said so */
volatile u32 vc_not_validated;

void trap_init(void)
{
	struct {
		u16 limit;
		u64 base;
	} __attribute__((packed)) ptr = { sizeof(idt) - 1, (u64)idt };
	int i;

	for (i = 0; i < NR_VECTORS; i++) {
		u64 entry = (u64)vectors + i * VECTOR_SIZE;

		idt[i] = (struct gate){
			.offset_0 = entry,
			.selector = GUEST_CS,
			.type = 0x8e,
			.offset_16 = entry >> 16,
			.offset_32 = entry >> 32,
		};
	}
	asm volatile("lidt %0" : : "m"(ptr));
}

/* ABI, table "CPUID Page": firmware compared it with the processor. */
struct cpuid_table {
	u32 count, reserved;
	u64 reserved_8;
	struct {
		u32 eax_in, ecx_in;
		u64 xcr0_in, xss_in;
		u32 reg[4];
		u64 reserved;
	} entry[64];
};

static bool has_subleaves(u32 leaf)
{
	return leaf == 4 || leaf == 7 || leaf == 0xb || leaf == 0xd || leaf == 0x8000001d;
}

/* Zeros for what the page does not have, as the processor answers. */
void cpuid_lookup(u32 leaf, u32 subleaf, u32 out[4])
{
	const struct cpuid_table *t = (void *)cpuid_page;
	u32 i, n = t->count < 64 ? t->count : 64;

	memset(out, 0, 4 * sizeof(*out));
	for (i = 0; i < n; i++) {
		if (t->entry[i].eax_in != leaf ||
		    (has_subleaves(leaf) && t->entry[i].ecx_in != subleaf))
			continue;
		memcpy(out, t->entry[i].reg, 4 * sizeof(*out));
		break;
	}
	if (leaf == 1)
		out[1] = (out[1] & 0x00ffffff) | (u32)this_cpu()->index << 24;
}

static bool handle_vc(struct regs *regs)
{
	const u8 *insn = (const u8 *)regs->rip;
	u32 out[4];
	u64 cr2;

	switch (regs->error_code) {
	case VC_CPUID:
		cpuid_lookup(regs->rax, regs->rcx, out);
		regs->rax = out[0];
		regs->rbx = out[1];
		regs->rcx = out[2];
		regs->rdx = out[3];
		regs->rip += 2;
		return true;
	case VC_IOIO:
		/* A byte to or from the port in DX; the guest has no others. */
		if (*insn == 0xee)
			ghcb_out(regs->rdx, (u8)regs->rax, 1);
		else if (*insn == 0xec)
			regs->rax = (regs->rax & ~0xffull) | (u8)ghcb_in(regs->rdx, 1);
		else
			return false;
		regs->rip += 1;
		return true;
	case VC_NOT_VALIDATED:
		/*
		 * Only of memory that is the guest's to take: elsewhere it would
		 * be the host that exchanged a page.
		 */
		asm volatile("mov %%cr2, %0" : "=r"(cr2));
		cr2 &= ~(u64)(PAGE_SIZE - 1);
		if (cr2 < (u64)memory || cr2 >= (u64)memory_end)
			return false;
		if (pvalidate((void *)cr2, true))
			return false;
		vc_not_validated++;
		return true;
	}
	return false;
}

void trap(struct regs *regs)
{
	u64 cr2;

	if (regs->vector == VECTOR_VC && handle_vc(regs)) {
		this_cpu()->nr_vc++;
		return;
	}
	if (!this_cpu()->ghcb)
		terminate(TERM_EXCEPTION);
	asm volatile("mov %%cr2, %0" : "=r"(cr2));
	print("\nguest: vCPU %lu: exception %lu, error code 0x%lx, RIP 0x%lx, CR2 0x%lx\n",
	      this_cpu()->index, regs->vector, regs->error_code, regs->rip, cr2);
	terminate(TERM_EXCEPTION);
}
