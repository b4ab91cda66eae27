/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The VMSA of an SEV-SNP vCPU, for the launcher, the IGVM writer and the guest.
 *
 * Source: AMD64 Architecture Programmer's Manual volume 2, table "VMSA Layout,
 * State Save Area for SEV-ES"; Linux arch/x86/include/asm/svm.h.
 */
#ifndef LAUNCH_GUEST_VMSA_H
#define LAUNCH_GUEST_VMSA_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/* SEV_FEATURES: set in the VMSA of every SNP guest */
#define SEV_FEAT_SNP_ACTIVE	(1ull << 0)

#define VMSA_EFER_SVME		(1ull << 12)
#define VMSA_CR4_MCE		(1ull << 6)

struct vmsa_seg {
	uint16_t selector;
	uint16_t attrib;		/* 7:0 type, S, DPL, P; 11:8 AVL, L, D, G */
	uint32_t limit;
	uint64_t base;
};

struct vmsa {
	struct vmsa_seg es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr;
	uint8_t reserved_a0[0xca - 0xa0];
	uint8_t vmpl;
	uint8_t cpl;
	uint8_t reserved_cc[4];
	uint64_t efer;
	uint8_t reserved_d8[0x148 - 0xd8];
	uint64_t cr4, cr3, cr0;
	uint64_t dr7, dr6;
	uint64_t rflags, rip;
	uint8_t reserved_180[0x1d8 - 0x180];
	uint64_t rsp;
	uint8_t reserved_1e0[0x1f8 - 0x1e0];
	uint64_t rax;
	uint8_t reserved_200[0x268 - 0x200];
	uint64_t g_pat;
	uint8_t reserved_270[0x308 - 0x270];
	uint64_t rcx, rdx, rbx;
	uint64_t reserved_320;
	uint64_t rbp, rsi, rdi;
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
	uint8_t reserved_380[0x3b0 - 0x380];
	uint64_t sev_features;
	uint8_t reserved_3b8[0x3e8 - 0x3b8];
	uint64_t xcr0;
	uint8_t reserved_3f0[0x408 - 0x3f0];
	uint32_t mxcsr;
	uint16_t x87_ftw, x87_fsw, x87_fcw;
	uint8_t reserved_412[4096 - 0x412];
} __attribute__((packed, aligned(8)));

static_assert(offsetof(struct vmsa, efer) == 0xd0, "VMSA");
static_assert(offsetof(struct vmsa, rip) == 0x178, "VMSA");
static_assert(offsetof(struct vmsa, g_pat) == 0x268, "VMSA");
static_assert(offsetof(struct vmsa, r15) == 0x378, "VMSA");
static_assert(offsetof(struct vmsa, sev_features) == 0x3b0, "VMSA");
static_assert(offsetof(struct vmsa, xcr0) == 0x3e8, "VMSA");
static_assert(offsetof(struct vmsa, mxcsr) == 0x408, "VMSA");
static_assert(offsetof(struct vmsa, x87_fcw) == 0x410, "VMSA");
static_assert(sizeof(struct vmsa) == 4096, "VMSA");

/*
 * What KVM has in a VMSA that it makes, and userspace can't choose: the state at
 * reset of what is not a segment, control, general purpose or debug register.
 * Source: Linux, sev_es_sync_vmsa() and init_vmcb().  @v must be zero before.
 */
static inline void vmsa_fixed(struct vmsa *v, uint64_t sev_features)
{
	v->dr7 = 0x400;
	v->dr6 = 0xffff0ff0;
	v->g_pat = 0x0007040600070406ull;
	v->sev_features = sev_features;
	v->mxcsr = 0x1f80;
	v->x87_fcw = 0x37f;
}

/*
 * A vCPU that starts in 32-bit protected mode at @rip: flat segments, no paging,
 * so that all accesses are private and no C-bit has to be known.  EDI and ESI
 * are for the code that starts.  EFER.SVME and CR4.MCE are set because KVM has
 * them set in VMSAs that it makes: the very same page can be had both ways.
 * @v must be zero before.
 */
static inline void vmsa_flat32(struct vmsa *v, uint32_t rip, uint32_t edi, uint32_t esi,
			       uint64_t sev_features)
{
	const struct vmsa_seg data = { 0x10, 0xc93, 0xffffffff, 0 };

	vmsa_fixed(v, sev_features);
	v->es = v->ss = v->ds = v->fs = v->gs = data;
	v->cs = (struct vmsa_seg){ 0x8, 0xc9b, 0xffffffff, 0 };
	v->gdtr = v->idtr = (struct vmsa_seg){ 0, 0, 0xffff, 0 };
	v->ldtr = (struct vmsa_seg){ 0, 0x82, 0xffff, 0 };
	v->tr = (struct vmsa_seg){ 0, 0x8b, 0xffff, 0 };
	v->efer = VMSA_EFER_SVME;
	v->cr4 = VMSA_CR4_MCE;
	v->cr0 = 0x11;
	v->rflags = 2;
	v->rip = rip;
	v->rdi = edi;
	v->rsi = esi;
	v->xcr0 = 1;
}

#endif
