/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * SEV-SNP guests that talk: a GHCB, a page shared with the host, VMSAs made by
 * userspace and by the guest, and a launch under the control of the test, with
 * a prediction of its digest.
 */
#ifndef SELFTEST_KVM_SNP_VMSA_H
#define SELFTEST_KVM_SNP_VMSA_H

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stddef.h>

#include <asm/kvm_snp_vmsa.h>

#include "kvm_util.h"
#include "processor.h"
#include "sev.h"

#define SNP_DIGEST_LEN		48

/* SEV_FEATURES of a VM that asks for none: SNPActive. */
#define SNP_SEV_FEATURES	BIT_ULL(0)

struct snp_seg {
	u16 selector;
	u16 attrib;
	u32 limit;
	u64 base;
};

/*
 * VM Save Area, AMD64 Architecture Programmer's Manual volume 2, table "Format
 * for SEV-ES VMSA"; reserved fields are named after their offset.
 */
struct snp_vmsa {
	struct snp_seg es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr;
	u64 pl_ssp[4];
	u64 u_cet;
	u8 reserved_0xc8[2];
	u8 vmpl;
	u8 cpl;
	u8 reserved_0xcc[4];
	u64 efer;
	u8 reserved_0xd8[104];
	u64 xss;
	u64 cr4;
	u64 cr3;
	u64 cr0;
	u64 dr7;
	u64 dr6;
	u64 rflags;
	u64 rip;
	u64 dr[4];
	u64 dr_addr_mask[4];
	u8 reserved_0x1c0[24];
	u64 rsp;
	u64 s_cet;
	u64 ssp;
	u64 isst_addr;
	u64 rax;
	u64 star;
	u64 lstar;
	u64 cstar;
	u64 sfmask;
	u64 kernel_gs_base;
	u64 sysenter_cs;
	u64 sysenter_esp;
	u64 sysenter_eip;
	u64 cr2;
	u8 reserved_0x248[32];
	u64 g_pat;
	u64 dbgctl;
	u64 br_from;
	u64 br_to;
	u64 last_excp_from;
	u64 last_excp_to;
	u8 reserved_0x298[80];
	u32 pkru;
	u32 tsc_aux;
	u64 tsc_scale;
	u64 tsc_offset;
	u8 reserved_0x300[8];
	u64 rcx;
	u64 rdx;
	u64 rbx;
	u64 reserved_0x320;
	u64 rbp;
	u64 rsi;
	u64 rdi;
	u64 r8, r9, r10, r11, r12, r13, r14, r15;
	u8 reserved_0x380[48];
	u64 sev_features;
	u8 reserved_0x3b8[48];
	u64 xcr0;
	u8 reserved_0x3f0[16];
	u64 x87_dp;
	u32 mxcsr;
	u16 x87_ftw;
	u16 x87_fsw;
	u16 x87_fcw;
	u16 x87_fop;
	u16 x87_ds;
	u16 x87_cs;
	u64 x87_rip;
	u8 fpreg_x87[80];
	u8 fpreg_xmm[256];
	u8 fpreg_ymm[256];
	u8 reserved_0x670[2448];
} __packed;

kvm_static_assert(offsetof(struct snp_vmsa, xss) == 0x140);
kvm_static_assert(offsetof(struct snp_vmsa, rsp) == 0x1d8);
kvm_static_assert(offsetof(struct snp_vmsa, g_pat) == 0x268);
kvm_static_assert(offsetof(struct snp_vmsa, sev_features) == 0x3b0);
kvm_static_assert(offsetof(struct snp_vmsa, x87_dp) == 0x400);
kvm_static_assert(sizeof(struct snp_vmsa) == PAGE_SIZE);

/* Guest-Hypervisor Communication Block, GHCB specification, table "GHCB Layout" */
struct snp_ghcb {
	u8 reserved_0x0[0x1f8];
	u64 rax;
	u8 reserved_0x200[264];
	u64 rcx;
	u64 rdx;
	u64 rbx;
	u8 reserved_0x320[112];
	u64 sw_exit_code;
	u64 sw_exit_info_1;
	u64 sw_exit_info_2;
	u64 sw_scratch;
	u8 reserved_0x3b0[64];
	u64 valid_bitmap[2];
	u8 reserved_0x400[0x400];
	u8 shared_buffer[2032];
	u8 reserved_0xff0[10];
	u16 protocol_version;
	u32 usage;
} __packed;

kvm_static_assert(offsetof(struct snp_ghcb, sw_exit_code) == 0x390);
kvm_static_assert(offsetof(struct snp_ghcb, valid_bitmap) == 0x3f0);
kvm_static_assert(sizeof(struct snp_ghcb) == PAGE_SIZE);

/* SNP firmware ABI, table "ID Block" */
struct snp_id_block {
	u8 digest[SNP_DIGEST_LEN];
	u8 family_id[16];
	u8 image_id[16];
	u32 version;
	u32 guest_svn;
	u64 policy;
} __packed;

kvm_static_assert(sizeof(struct snp_id_block) == KVM_SEV_SNP_ID_BLOCK_SIZE);

/* Reason sets and codes with which guests of this library terminate. */
#define SNP_TERM_SET_DONE	1	/* reached its end; code of the test */
#define SNP_TERM_SET_ASSERT	2	/* an assertion failed; see the mailbox */
#define SNP_TERM_SET_EXCEPTION	3	/* code: vector; see the mailbox */

#define SNP_TERM(set, code)	(GHCB_MSR_TERM_REQ | (u64)(set) << 12 | (u64)(code) << 16)

/* Shared with the host, one page for each vCPU. */
struct snp_mbox {
	u64 cmd;		/* host to guest */
	u64 arg[7];
	u64 count;		/* guest to host: counts up while the guest runs */
	u64 token;
	u64 line;		/* of a failed assertion */
	u64 got, want;
	u64 vector, error_code, rip, cr2;
	u64 val[64];
};

/* What a guest must know of its vCPU; private, its address is in RDI. */
struct snp_cpu {
	struct snp_ghcb *ghcb;
	u64 ghcb_gpa;
	struct snp_mbox *mbox;
	u64 id;
	struct snp_vmsa *ap_vmsa;	/* where the guest makes VMSAs */
	u64 ap_vmsa_gpa;
	const struct snp_vmsa *ap_init;	/* and what it puts there, SNP_AP_INIT_PAGES */
	u64 regs[18];			/* by snp_guest_entry_regs */
	u64 xmm0[2];
};

/* Index of snp_cpu.regs */
enum snp_entry_reg {
	SNP_RAX, SNP_RBX, SNP_RCX, SNP_RDX, SNP_RSI, SNP_RDI, SNP_RBP, SNP_RSP,
	SNP_R8, SNP_R9, SNP_R10, SNP_R11, SNP_R12, SNP_R13, SNP_R14, SNP_R15,
	SNP_RFLAGS,
};

#define SNP_MAX_VCPUS		8
#define SNP_AP_INIT_PAGES	2

/* A memslot of its own holds VMSAs: pages are named by their number in it. */
#define SNP_VMSA_SLOT		10
#define SNP_VMSA_SLOT_GPA	0x140000000ULL
#define SNP_VMSA_SLOT_PAGES	1024
#define SNP_VMSA_GPA(n)		(SNP_VMSA_SLOT_GPA + (u64)(n) * PAGE_SIZE)

struct snp_vm {
	struct kvm_vm *vm;
	int nr_vcpus;
	struct kvm_vcpu *vcpu[SNP_MAX_VCPUS];
	struct snp_mbox *mbox[SNP_MAX_VCPUS];	/* the host's view */
	gva_t cpu_gva[SNP_MAX_VCPUS];
	gva_t stack_gva[SNP_MAX_VCPUS];
	gva_t vmsa_gva;				/* the guest's view of the slot */
	struct snp_vmsa *ap_init;		/* the host's view, before launch */
	struct kvm_sregs sregs;			/* as the library sets up a vCPU */
	u64 policy;
	u8 digest[SNP_DIGEST_LEN];		/* predicted so far */
	bool predict;
	unsigned int nr_pages;			/* measured so far */
};

/* Digest */
void snp_sha384(const void *data, size_t len, u8 *md);
void snp_digest_page(u8 *digest, int type, u64 gpa, const void *page);
void snp_digest_str(const u8 *digest, char *str);

bool snp_sign_id_block(const struct snp_id_block *block, void *id_auth);

/* Host: launch */
bool snp_has_vmsa_uapi(void);
int snp_vm_cmd(struct kvm_vm *vm, u32 id, void *data, u32 *fw_error);
int snp_vcpu_cmd(struct kvm_vcpu *vcpu, u32 id, void *data, u32 *fw_error);

struct snp_vm *snp_vm_create(int nr_vcpus, void *guest_code);
void snp_vm_free(struct snp_vm *s);
void snp_launch_start(struct snp_vm *s);
void snp_launch_memory(struct snp_vm *s);
void snp_digest_memory(struct snp_vm *s);
int __snp_launch_page(struct snp_vm *s, u64 gpa, void *page, int type, u32 *fw_error);
void snp_launch_page(struct snp_vm *s, u64 gpa, void *page, int type);
int __snp_launch_finish(struct snp_vm *s, const u8 *digest, u32 *fw_error);
void snp_launch_finish(struct snp_vm *s);
void snp_launch_finish_refused(struct snp_vm *s, const u8 *digest, u32 status);
void snp_launch_finish_wrong_digest(struct snp_vm *s);

/* In a test of the harness: skip it on a kernel without the commands. */
#define SNP_REQUIRE_UAPI()							\
	do {									\
		if (!snp_has_vmsa_uapi())					\
			SKIP(return, "no KVM_X86_SEV_SNP_VMSA attribute");	\
	} while (0)

/* Host: VMSAs */
void snp_vmsa_init(struct snp_vm *s, struct snp_vmsa *vmsa, int cpu, void *entry);
void snp_vmsa_of_kvm(struct kvm_vcpu *vcpu, struct snp_vmsa *vmsa);
int __snp_set_vmsa(struct kvm_vcpu *vcpu, u32 request, u64 gpa);
void snp_set_vmsa(struct kvm_vcpu *vcpu, u32 request, u64 gpa);
void snp_set_vmsa_from_vcpu(struct kvm_vcpu *vcpu, u64 gpa);
int __snp_get_vmsa(struct kvm_vcpu *vcpu, struct kvm_sev_snp_get_vmsa *get);
void snp_get_vmsa(struct kvm_vcpu *vcpu, struct kvm_sev_snp_get_vmsa *get);

/* Host: events, by the data of an MSI */
#define SNP_MSI_FIXED		0x030
#define SNP_MSI_PV_KICK		0x300
#define SNP_MSI_NMI		0x400
#define SNP_MSI_INIT		0x500
#define SNP_MSI_SIPI		0x600

void snp_set_up_lapic(struct kvm_vcpu *vcpu);
void snp_enable_lapic(struct kvm_vcpu *vcpu);
int __snp_send_msi(struct kvm_vm *vm, int apic_id, u32 data);
void snp_send_msi(struct kvm_vm *vm, int apic_id, u32 data);

/* Host: run */
void snp_vcpu_halt(struct kvm_vcpu *vcpu);
void snp_assert_vmsa_missing(struct kvm_vcpu *vcpu, int ret, int err, u64 gpa);
void snp_run_to_vmsa_missing(struct kvm_vcpu *vcpu, u64 gpa);
void snp_assert_term(struct snp_vm *s, int cpu, u64 code);
void snp_assert_sync(struct snp_vm *s, int cpu, u32 value);
void snp_run_to_term(struct snp_vm *s, int cpu, u64 code);
void snp_run_to_sync(struct snp_vm *s, int cpu, u32 value);

/* Host: threads and time */

/* A thread on a CPU of its own that calls KVM_RUN, or anything else, when told. */
struct snp_worker {
	pthread_t thread;
	int cpu;		/* of the host */
	void (*func)(struct snp_worker *w);
	struct snp_vm *s;
	int vcpu;
	sem_t go;
	int nr_go, nr_done;	/* calls of @func asked for, and returned from */
	int ret, err;		/* of snp_worker_run() */
};

void snp_worker_run(struct snp_worker *w);
void snp_worker_start(struct snp_worker *w, struct snp_vm *s, int cpu, int vcpu,
		      void (*func)(struct snp_worker *w));
void snp_worker_go(struct snp_worker *w);
bool snp_worker_done(struct snp_worker *w);
void snp_worker_stop(struct snp_worker *w);

void snp_worker_interrupt(struct snp_worker *w);

void snp_set_alarm(long usec);
int snp_run_for(struct kvm_vcpu *vcpu, int ms);

double snp_now(void);

/* Seconds: long enough for an emulated machine on a busy host. */
#define SNP_SOON	30

/* Likewise for a whole case with a debug kernel; the harness is included before. */
#ifdef TEST_TIMEOUT_DEFAULT
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	120
#endif

/* True if it took less than @seconds. */
#define snp_wait_for(seconds, cond)				\
({								\
	double __end = snp_now() + (seconds);			\
								\
	while (!(cond) && snp_now() < __end)			\
		sched_yield();					\
	(cond);							\
})

void snp_option_number(int *argc, char ***argv, const char *name, int *number);

/* Guest */
void snp_guest_entry_regs(void);
void snp_guest_start(struct snp_cpu *cpu);
void __noreturn snp_guest_term(u64 set, u64 code);
void snp_guest_sync(struct snp_cpu *cpu, u32 value);
int snp_guest_pvalidate(void *va, bool validate, bool *unchanged);
int snp_guest_rmpadjust(void *va, bool vmsa);
u64 snp_guest_ap_creation(struct snp_cpu *cpu, u32 request, u32 apic_id, u64 gpa);
u64 snp_guest_psc(struct snp_cpu *cpu, u64 gpa, bool private);
int snp_guest_make_vmsa(struct snp_cpu *cpu, struct snp_vmsa *va, const struct snp_vmsa *from);

#define SNP_GUEST_ASSERT_EQ(_cpu, _got, _want)				\
do {									\
	u64 __got = (u64)(_got), __want = (u64)(_want);			\
									\
	if (__got != __want) {						\
		(_cpu)->mbox->got = __got;				\
		(_cpu)->mbox->want = __want;				\
		(_cpu)->mbox->line = __LINE__;				\
		snp_guest_term(SNP_TERM_SET_ASSERT, 0);			\
	}								\
} while (0)

#endif /* SELFTEST_KVM_SNP_VMSA_H */
