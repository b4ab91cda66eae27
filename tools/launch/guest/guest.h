/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The guest of snp-launch.  "GHCB" is the Guest-Hypervisor Communication Block
 * Standardization, AMD 56421; "ABI" the SEV-SNP firmware ABI, AMD 56860.
 */
#ifndef GUEST_H
#define GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../guest_vmsa.h"
#include "layout.h"

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#define PAGE_SIZE	4096
#define MAX_CPUS	8

/* GHCB, table "GHCB Layout" */
struct ghcb {
	u8 reserved_0[0x1f8];
	u64 rax;
	u8 reserved_200[0x318 - 0x200];
	u64 rbx;
	u8 reserved_320[0x390 - 0x320];
	u64 sw_exit_code;
	u64 sw_exit_info_1;
	u64 sw_exit_info_2;
	u64 sw_scratch;
	u8 reserved_3b0[0x3f0 - 0x3b0];
	u64 valid_bitmap[2];
	u8 reserved_400[0x400];
	u8 shared_buffer[2032];
	u8 reserved_ff0[10];
	u16 protocol_version;
	u32 usage;
} __attribute__((packed, aligned(8)));

static_assert(offsetof(struct ghcb, rbx) == 0x318, "GHCB");
static_assert(offsetof(struct ghcb, sw_exit_code) == 0x390, "GHCB");
static_assert(offsetof(struct ghcb, valid_bitmap) == 0x3f0, "GHCB");
static_assert(sizeof(struct ghcb) == PAGE_SIZE, "GHCB");

#define GHCB_PSC		0x80000010ull
#define GHCB_MSR_PSC_REQ	0x014
#define GHCB_MSR_PSC_RESP	0x015

/* Page State Change, GHCB, table "SNP Page State Change Request" */
struct psc {
	u16 cur_entry;
	u16 end_entry;
	u32 reserved;
	u64 entry[];		/* 11:0 done, 51:12 GFN, 55:52 operation, 56 2 MiB */
};

#define PSC_OP(op)		((u64)(op) << 52)
#define PSC_PRIVATE		PSC_OP(1)
#define PSC_SHARED		PSC_OP(2)
#define PSC_2M			(1ull << 56)
#define PSC_MAX			253

/* RDX of RMPADJUST: read 1, write 2, execute for users 4, for supervisors 8 */
#define RMP_ATTR(vmpl, perms)	((vmpl) | (u64)(perms) << 8)
#define RMP_ALL			0xf
#define RMP_FAIL_PERMISSION	2

/* At the lower end of each vCPU's stack. */
struct cpu {
	volatile struct ghcb *ghcb;	/* by its shared address; NULL: none yet */
	u64 index;
	volatile u32 nr_vc;		/* #VC handled by this vCPU */
	volatile u32 done;		/* what an AP tells the BSP */
	char line[200];			/* of the console, to its end */
	u32 line_len;
};

/* As head.S leaves it on the stack */
struct regs {
	u64 r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
	u64 vector, error_code, rip, cs, rflags, rsp, ss;
};

static inline struct cpu *this_cpu(void)
{
	u64 rsp;

	asm("mov %%rsp, %0" : "=r"(rsp));
	return (struct cpu *)((rsp - 1) & ~(u64)(CPU_AREA_SIZE - 1));
}

static inline u64 rdmsr(u32 msr)
{
	u32 lo, hi;

	asm volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr) : "memory");
	return (u64)hi << 32 | lo;
}

static inline void wrmsr(u32 msr, u64 val)
{
	asm volatile("wrmsr" : : "c"(msr), "a"((u32)val), "d"((u32)(val >> 32)) : "memory");
}

static inline void vmgexit(void)
{
	asm volatile("rep; vmmcall" : : : "memory");
}

static inline void cpu_relax(void)
{
	asm volatile("pause" : : : "memory");
}

/* A page of private memory at its shared address */
static inline void *shared(const void *page)
{
	return (u8 *)page + SHARED_ALIAS;
}

/* The entries of the next Page State Change */
static inline volatile struct psc *psc_buffer(void)
{
	return (volatile struct psc *)this_cpu()->ghcb->shared_buffer;
}

/* Of the linker script */
extern u8 secrets_page[], cpuid_page[], parameters[], memory[], memory_end[], image_end[];
/* head.S */
extern u8 _start[], vectors[];
extern u32 c_bit;
extern u64 volatile cpu_area[MAX_CPUS];

/* The parameter area, Documentation/snp-launch.rst */
#define PARAM_VP_COUNT		0x000
#define PARAM_COMMAND_LINE	0x100
#define PARAM_MADT		0x400
#define PARAM_MEMORY_MAP	0x800

/* string.c */
void *memset(void *dst, int c, size_t len);
void *memcpy(void *dst, const void *src, size_t len);
int memcmp(const void *a, const void *b, size_t len);
size_t strlen(const char *s);
/* Knows %s %c %u %x %lx %% and a width with a leading 0. */
void print(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void print_hex(const u8 *data, size_t len);

/* ghcb.c */
void __attribute__((noreturn)) terminate(u32 code);
void ghcb_init(void *page, bool shared_already);
u64 msr_protocol(u64 request);
u64 ghcb_call(u64 code, u64 info_1, u64 info_2, u64 rax);
u64 ghcb_call_rbx(u64 code, u64 info_1, u64 info_2, u64 rax, u64 *rbx);
u64 ghcb_psc_call(u16 cur, u16 end);
void ghcb_out(u16 port, u32 value, u32 bytes);
u32 ghcb_in(u16 port, u32 bytes);
void ghcb_puts(const char *s, size_t len);
u64 ghcb_psc(void *page, u32 nr, bool private);
int pvalidate(void *page, bool validate);
int rmpadjust(void *page, u64 attrs);
int rmpadjust_vmsa(void *page, bool vmsa);
extern u8 *memory_next;
void *alloc_page(bool validate);

/* trap.c */
extern volatile u32 vc_not_validated;
void trap_init(void);
void trap(struct regs *regs);
void cpuid_lookup(u32 leaf, u32 subleaf, u32 out[4]);

/* report.c */
void report(void *request, void *response);
void certificates(void *request, void *response, void *pages, u32 nr);

/* psc.c */
void psc_rows(void);

/* gcm.c */
void gcm_encrypt(const u8 key[32], u64 seqno, const u8 *aad, size_t aad_len, u8 *data,
		 size_t len, u8 tag[16]);
bool gcm_decrypt(const u8 key[32], u64 seqno, const u8 *aad, size_t aad_len, u8 *data,
		 size_t len, const u8 tag[16]);

/* A check of the guest's: says what is wrong and ends the guest. */
void __attribute__((noreturn)) failed(const char *what, u64 got, u64 want);
#define CHECK(what, got, want)					\
do {								\
	u64 got_ = (u64)(got), want_ = (u64)(want);		\
								\
	if (got_ != want_)					\
		failed(what, got_, want_);			\
} while (0)

#endif
