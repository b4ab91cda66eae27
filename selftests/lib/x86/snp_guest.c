// SPDX-License-Identifier: GPL-2.0-only
/*
 * SEV-SNP guests that talk, see snp_vmsa.h.  Memory that host and guest share
 * is accessed as volatile: the other side runs at the same time.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "apic.h"
#include "test_util.h"
#include "snp_vmsa.h"

/* GHCB MSR protocol, GHCB specification, table "GHCB MSR Protocol" */
#define GHCB_MSR_REG_GPA_REQ		0x012
#define GHCB_MSR_REG_GPA_RESP		0x013
#define GHCB_MSR_PSC_REQ		0x014
#define GHCB_MSR_PSC_RESP		0x015
#define GHCB_MSR_PSC_PRIVATE		BIT_ULL(52)
#define GHCB_MSR_PSC_SHARED		BIT_ULL(53)

/* RDX of RMPADJUST: VMPL 1 is the target, as VMPL 0 cannot be. */
#define RMPADJUST_VMPL1			1
#define RMPADJUST_VMSA			BIT(16)

/* An OUT to this port, 32 bits wide, stops the guest for the host. */
#define SNP_SYNC_PORT			0x5e0
#define SNP_IOIO_OUT32_A64		(BIT(6) | BIT(9))

/* Selectors of the library's GDT, lib/x86/processor.c */
#define KERNEL_CS			0x8
#define KERNEL_DS			0x10
#define KERNEL_TSS			0x18

/* Guest: the page that exception handlers report to, C=0. */
static struct snp_mbox *guest_exception_mbox;

/*
 * Guest
 */

/* Stash the registers of the VMSA before any compiled code runs. */
asm(".pushsection .text\n"
	".globl snp_guest_entry_regs\n"
	"snp_guest_entry_regs:\n"
	"mov %rax, 56+8*0(%rdi)\n"
	"mov %rbx, 56+8*1(%rdi)\n"
	"mov %rcx, 56+8*2(%rdi)\n"
	"mov %rdx, 56+8*3(%rdi)\n"
	"mov %rsi, 56+8*4(%rdi)\n"
	"mov %rdi, 56+8*5(%rdi)\n"
	"mov %rbp, 56+8*6(%rdi)\n"
	"mov %rsp, 56+8*7(%rdi)\n"
	"mov %r8,  56+8*8(%rdi)\n"
	"mov %r9,  56+8*9(%rdi)\n"
	"mov %r10, 56+8*10(%rdi)\n"
	"mov %r11, 56+8*11(%rdi)\n"
	"mov %r12, 56+8*12(%rdi)\n"
	"mov %r13, 56+8*13(%rdi)\n"
	"mov %r14, 56+8*14(%rdi)\n"
	"mov %r15, 56+8*15(%rdi)\n"
	"pushfq\n"
	"popq 56+8*16(%rdi)\n"
	"movdqu %xmm0, 56+8*18(%rdi)\n"
	"jmp *%r15\n"
	".popsection\n");

kvm_static_assert(offsetof(struct snp_cpu, regs) == 56);
kvm_static_assert(offsetof(struct snp_cpu, xmm0) == 56 + 8 * 18);

static u64 guest_msr_protocol(u64 request)
{
	wrmsr(MSR_AMD64_SEV_ES_GHCB, request);
	vmgexit();
	return rdmsr(MSR_AMD64_SEV_ES_GHCB);
}

void snp_guest_term(u64 set, u64 code)
{
	for (;;)
		guest_msr_protocol(SNP_TERM(set, code));
}

static void guest_exception(struct ex_regs *regs)
{
	struct snp_mbox *mbox = guest_exception_mbox;

	mbox->vector = regs->vector;
	mbox->error_code = regs->error_code;
	mbox->rip = regs->rip;
	mbox->cr2 = get_cr2();
	snp_guest_term(SNP_TERM_SET_EXCEPTION, regs->vector);
}

void snp_guest_start(struct snp_cpu *cpu)
{
	u64 resp = guest_msr_protocol(cpu->ghcb_gpa | GHCB_MSR_REG_GPA_REQ);

	SNP_GUEST_ASSERT_EQ(cpu, resp, cpu->ghcb_gpa | GHCB_MSR_REG_GPA_RESP);
}

static void ghcb_set_valid(struct snp_ghcb *ghcb, size_t offset)
{
	ghcb->valid_bitmap[offset / 8 / 64] |= BIT_ULL(offset / 8 % 64);
}

/* Returns SW_EXITINFO1[31:0]: zero unless the hypervisor objects. */
static u64 guest_ghcb_exit(struct snp_cpu *cpu, u64 code, u64 info1, u64 info2, u64 rax)
{
	volatile struct snp_ghcb *v = cpu->ghcb;
	struct snp_ghcb *ghcb = cpu->ghcb;

	ghcb->protocol_version = 2;
	ghcb->usage = 0;
	ghcb->sw_exit_code = code;
	ghcb->sw_exit_info_1 = info1;
	ghcb->sw_exit_info_2 = info2;
	ghcb->rax = rax;
	ghcb->valid_bitmap[0] = 0;
	ghcb->valid_bitmap[1] = 0;
	ghcb_set_valid(ghcb, offsetof(struct snp_ghcb, sw_exit_code));
	ghcb_set_valid(ghcb, offsetof(struct snp_ghcb, sw_exit_info_1));
	ghcb_set_valid(ghcb, offsetof(struct snp_ghcb, sw_exit_info_2));
	ghcb_set_valid(ghcb, offsetof(struct snp_ghcb, rax));

	wrmsr(MSR_AMD64_SEV_ES_GHCB, cpu->ghcb_gpa);
	asm volatile("" : : : "memory");
	vmgexit();
	asm volatile("" : : : "memory");

	return (u32)v->sw_exit_info_1;
}

void snp_guest_sync(struct snp_cpu *cpu, u32 value)
{
	u64 ret = guest_ghcb_exit(cpu, SVM_EXIT_IOIO,
				  (u64)SNP_SYNC_PORT << 16 | SNP_IOIO_OUT32_A64, 0, value);

	SNP_GUEST_ASSERT_EQ(cpu, ret, 0);
}

u64 snp_guest_ap_creation(struct snp_cpu *cpu, u32 request, u32 apic_id, u64 gpa)
{
	return guest_ghcb_exit(cpu, SVM_VMGEXIT_AP_CREATION,
			       (u64)apic_id << 32 | request, gpa, SNP_SEV_FEATURES);
}

/* Page State Change by the MSR protocol; zero, or what the host answered. */
u64 snp_guest_psc(struct snp_cpu *cpu, u64 gpa, bool private)
{
	u64 resp = guest_msr_protocol(gpa | GHCB_MSR_PSC_REQ |
				      (private ? GHCB_MSR_PSC_PRIVATE : GHCB_MSR_PSC_SHARED));

	return resp == GHCB_MSR_PSC_RESP ? 0 : resp;
}

int snp_guest_pvalidate(void *va, bool validate, bool *unchanged)
{
	u8 carry;
	u64 ret;

	asm volatile(".byte 0xf2, 0x0f, 0x01, 0xff"
		     : "=@ccc"(carry), "=a"(ret)
		     : "a"(va), "c"(0), "d"((u64)validate)
		     : "memory");
	if (unchanged)
		*unchanged = carry;
	return ret;
}

int snp_guest_rmpadjust(void *va, bool vmsa)
{
	u64 ret;

	asm volatile(".byte 0xf3, 0x0f, 0x01, 0xfe"
		     : "=a"(ret)
		     : "a"(va), "c"(0), "d"(RMPADJUST_VMPL1 | (vmsa ? RMPADJUST_VMSA : 0))
		     : "memory", "cc");
	return ret;
}

/*
 * Take the page, which the host may have put there a moment ago, and make a
 * VMSA of it.
 */
int snp_guest_make_vmsa(struct snp_cpu *cpu, struct snp_vmsa *va, const struct snp_vmsa *from)
{
	int ret;

	ret = snp_guest_pvalidate(va, true, NULL);
	if (ret)
		return 0x100 | ret;

	memcpy(va, from, sizeof(*va));

	ret = snp_guest_rmpadjust(va, true);
	return ret ? 0x200 | ret : 0;
}

/*
 * Host: commands
 */

static int snp_cmd(int fd, int sev_fd, u32 id, void *data, u32 *fw_error)
{
	/* The size of the argument is that of a long, see sev.h. */
	struct kvm_sev_cmd cmd = {
		.id = id,
		.data = (u64)data,
		.sev_fd = sev_fd,
	};
	int ret;

	ret = ioctl(fd, KVM_MEMORY_ENCRYPT_OP, &cmd);
	if (fw_error)
		*fw_error = cmd.error;
	return ret;
}

int snp_vm_cmd(struct kvm_vm *vm, u32 id, void *data, u32 *fw_error)
{
	return snp_cmd(vm->fd, vm->arch.sev_fd, id, data, fw_error);
}

int snp_vcpu_cmd(struct kvm_vcpu *vcpu, u32 id, void *data, u32 *fw_error)
{
	return snp_cmd(vcpu->fd, vcpu->vm->arch.sev_fd, id, data, fw_error);
}

bool snp_has_vmsa_uapi(void)
{
	int fd = open_kvm_dev_path_or_exit();
	bool has = !__kvm_has_device_attr(fd, KVM_X86_GRP_SEV, KVM_X86_SEV_SNP_VMSA);

	close(fd);
	return has;
}

/*
 * Host: launch
 */

/*
 * All vCPUs get their stacks and pages whether they exist or not, so that the
 * measured memory is the same for any number of them.
 */
struct snp_vm *snp_vm_create(int nr_vcpus, void *guest_code)
{
	struct vm_shape shape = {
		.mode = VM_MODE_DEFAULT,
		.type = KVM_X86_SNP_VM,
	};
	struct snp_cpu *cpu;
	struct kvm_vm *vm;
	struct snp_vm *s;
	gva_t gva;
	int i, v;

	TEST_ASSERT(nr_vcpus >= 1 && nr_vcpus <= SNP_MAX_VCPUS, "%d vCPUs", nr_vcpus);

	s = calloc(1, sizeof(*s));
	TEST_ASSERT(s, "Insufficient memory");
	s->nr_vcpus = nr_vcpus;
	s->policy = snp_default_policy();

	vm = __vm_create(shape, SNP_MAX_VCPUS, SNP_VMSA_SLOT_PAGES);
	s->vm = vm;

	vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS, SNP_VMSA_SLOT_GPA,
				    SNP_VMSA_SLOT, SNP_VMSA_SLOT_PAGES,
				    KVM_MEM_GUEST_MEMFD);
	/* Allocated, so that the page tables get the C-bit; not launched. */
	vm_phy_pages_alloc(vm, SNP_VMSA_SLOT_PAGES, SNP_VMSA_SLOT_GPA, SNP_VMSA_SLOT);
	s->vmsa_gva = vm_unused_gva_gap(vm, SNP_VMSA_SLOT_PAGES * PAGE_SIZE, 0x8000000);
	virt_map(vm, s->vmsa_gva, SNP_VMSA_SLOT_GPA, SNP_VMSA_SLOT_PAGES);

	gva = vm_alloc_pages(vm, SNP_AP_INIT_PAGES);
	s->ap_init = addr_gva2hva(vm, gva);

	for (i = 0; i < SNP_MAX_VCPUS; i++) {
		gva_t mbox = vm_alloc_shared(vm, PAGE_SIZE, KVM_UTIL_MIN_VADDR,
					     MEM_REGION_TEST_DATA);
		gva_t ghcb = vm_alloc_shared(vm, PAGE_SIZE, KVM_UTIL_MIN_VADDR,
					     MEM_REGION_TEST_DATA);

		s->stack_gva[i] = vm_alloc_stack(vm, 1);
		s->mbox[i] = addr_gva2hva(vm, mbox);
		s->cpu_gva[i] = vm_alloc_page(vm);
		cpu = addr_gva2hva(vm, s->cpu_gva[i]);
		*cpu = (struct snp_cpu) {
			.id = i,
			.mbox = (void *)mbox,
			.ghcb = (void *)ghcb,
			.ghcb_gpa = addr_gva2gpa(vm, ghcb),
			.ap_vmsa = (void *)(s->vmsa_gva + PAGE_SIZE),
			.ap_vmsa_gpa = SNP_VMSA_GPA(1),
			.ap_init = (void *)gva,
		};
		if (!i) {
			guest_exception_mbox = (void *)mbox;
			sync_global_to_guest(vm, guest_exception_mbox);
		}
	}

	for (v = 0; v < 32; v++)
		vm_install_exception_handler(vm, v, guest_exception);

	for (i = 0; i < SNP_MAX_VCPUS; i++) {
		struct kvm_regs regs;

		if (i >= nr_vcpus) {
			vm_alloc_stack(vm, DEFAULT_STACK_PGS);
			continue;
		}

		s->vcpu[i] = vm_arch_vcpu_add(vm, i);
		vcpu_arch_set_entry_point(s->vcpu[i], guest_code);
		vcpu_regs_get(s->vcpu[i], &regs);
		regs.rdi = s->cpu_gva[i];
		vcpu_regs_set(s->vcpu[i], &regs);
	}
	vcpu_sregs_get(s->vcpu[0], &s->sregs);

	vm_enable_cap(vm, KVM_CAP_EXIT_HYPERCALL, BIT(KVM_HC_MAP_GPA_RANGE));
	vm_mem_set_private(vm, SNP_VMSA_SLOT_GPA, SNP_VMSA_SLOT_PAGES * PAGE_SIZE);

	return s;
}

void snp_vm_free(struct snp_vm *s)
{
	kvm_vm_free(s->vm);
	free(s);
}

void snp_launch_start(struct snp_vm *s)
{
	snp_vm_launch_start(s->vm, s->policy);
}

int __snp_launch_page(struct snp_vm *s, u64 gpa, void *page, int type, u32 *fw_error)
{
	struct kvm_sev_snp_launch_update update = {
		.gfn_start = gpa >> PAGE_SHIFT,
		.uaddr = (u64)page,
		.len = PAGE_SIZE,
		.type = type,
	};
	int ret;

	ret = snp_vm_cmd(s->vm, KVM_SEV_SNP_LAUNCH_UPDATE, &update, fw_error);
	if (!ret) {
		s->nr_pages++;
		if (s->predict)
			snp_digest_page(s->digest, type, gpa, page);
	}
	return ret;
}

void snp_launch_page(struct snp_vm *s, u64 gpa, void *page, int type)
{
	u32 fw_error;
	int ret;

	ret = __snp_launch_page(s, gpa, page, type, &fw_error);
	TEST_ASSERT(!ret, "LAUNCH_UPDATE of type %d at 0x%lx: errno %d, firmware 0x%x",
		    type, (unsigned long)gpa, errno, fw_error);
}

/* All of the library's private memory, in the order of its addresses. */
#define for_each_private_range(_s, _i, _j)						\
	sparsebit_for_each_set_range(memslot2region((_s)->vm, 0)->protected_phy_pages, _i, _j)

void snp_digest_memory(struct snp_vm *s)
{
	sparsebit_idx_t i, j, n;

	for_each_private_range(s, i, j)
		for (n = i; n <= j; n++)
			snp_digest_page(s->digest, KVM_SEV_SNP_PAGE_TYPE_NORMAL, n << PAGE_SHIFT,
					addr_gpa2hva(s->vm, n << PAGE_SHIFT));
}

void snp_launch_memory(struct snp_vm *s)
{
	sparsebit_idx_t i, j;

	for_each_private_range(s, i, j) {
		u64 gpa = (u64)i << PAGE_SHIFT;
		u64 size = (u64)(j - i + 1) << PAGE_SHIFT;

		vm_mem_set_private(s->vm, gpa, size);
		snp_launch_update_data(s->vm, gpa, (u64)addr_gpa2hva(s->vm, gpa), size,
				       KVM_SEV_SNP_PAGE_TYPE_NORMAL);
		s->nr_pages += j - i + 1;
	}
	s->vm->arch.is_pt_protected = true;

	if (s->predict)
		snp_digest_memory(s);
}

/*
 * With a digest the launch succeeds only if the firmware measured just that:
 * an ID block carries it, and the firmware refuses a block that differs from
 * its own digest.  It is the only way to learn the digest without an
 * attestation report.
 */
int __snp_launch_finish(struct snp_vm *s, const u8 *digest, u32 *fw_error)
{
	static u8 id_auth[KVM_SEV_SNP_ID_AUTH_SIZE] __aligned(PAGE_SIZE);
	struct kvm_sev_snp_launch_finish finish = {};
	struct snp_id_block block = {
		.version = 1,
		.policy = s->policy,
	};
	bool is_signed = true;
	u32 error;
	int ret;

	if (digest) {
		memcpy(block.digest, digest, SNP_DIGEST_LEN);
		is_signed = snp_sign_id_block(&block, id_auth);
		finish.id_block_en = 1;
		finish.id_block_uaddr = (u64)&block;
		finish.id_auth_uaddr = (u64)id_auth;
	}

	ret = snp_vm_cmd(s->vm, KVM_SEV_SNP_LAUNCH_FINISH, &finish, &error);
	__TEST_REQUIRE(!ret || is_signed || error != SEV_RET_BAD_SIGNATURE,
		       "the firmware wants a signature and there is no openssl(1)");
	if (fw_error)
		*fw_error = error;
	return ret;
}

void snp_launch_finish(struct snp_vm *s)
{
	u32 fw_error;
	int ret;

	ret = __snp_launch_finish(s, NULL, &fw_error);
	TEST_ASSERT(!ret, "LAUNCH_FINISH: errno %d, firmware 0x%x", errno, fw_error);
}

/* Firmware says no, with @status. */
void snp_launch_finish_refused(struct snp_vm *s, const u8 *digest, u32 status)
{
	u32 fw_error;
	int ret;

	ret = __snp_launch_finish(s, digest, &fw_error);
	TEST_ASSERT(ret == -1 && errno == EIO && fw_error == status,
		    "LAUNCH_FINISH returned %d, errno %d, firmware 0x%x; wanted EIO, 0x%x", ret,
		    ret ? errno : 0, fw_error, status);
}

/* When everything is measured: the digest is not the one predicted so far. */
void snp_launch_finish_wrong_digest(struct snp_vm *s)
{
	u8 wrong[SNP_DIGEST_LEN];

	memcpy(wrong, s->digest, sizeof(wrong));
	wrong[0] ^= 1;
	snp_launch_finish_refused(s, wrong, SEV_RET_BAD_MEASUREMENT);
}

/*
 * Host: VMSAs
 */

static struct snp_seg snp_seg_of(const struct kvm_segment *seg)
{
	return (struct snp_seg) {
		.selector = seg->selector,
		.limit = seg->limit,
		.base = seg->base,
		.attrib = seg->type | seg->s << 4 | seg->dpl << 5 |
			  (seg->present && !seg->unusable) << 7 |
			  seg->avl << 8 | seg->l << 9 | seg->db << 10 | seg->g << 11,
	};
}

/*
 * What KVM puts in the VMSA that it makes for a vCPU at LAUNCH_FINISH.  The
 * MSRs that have a place in the VMSA are as at reset.
 */
void snp_vmsa_of_kvm(struct kvm_vcpu *vcpu, struct snp_vmsa *vmsa)
{
	struct kvm_xsave xsave = {};
	u8 *fx = (u8 *)xsave.region;
	struct kvm_sregs sregs;
	struct kvm_xcrs xcrs;
	struct kvm_regs regs;
	u64 xstate_bv;
	int i;

	vcpu_sregs_get(vcpu, &sregs);
	vcpu_regs_get(vcpu, &regs);
	vcpu_xcrs_get(vcpu, &xcrs);
	vcpu_xsave_get(vcpu, &xsave);

	*vmsa = (struct snp_vmsa) {
		.es = snp_seg_of(&sregs.es),
		.cs = snp_seg_of(&sregs.cs),
		.ss = snp_seg_of(&sregs.ss),
		.ds = snp_seg_of(&sregs.ds),
		.fs = snp_seg_of(&sregs.fs),
		.gs = snp_seg_of(&sregs.gs),
		.ldtr = snp_seg_of(&sregs.ldt),
		.tr = snp_seg_of(&sregs.tr),
		.gdtr = { .limit = sregs.gdt.limit, .base = sregs.gdt.base },
		.idtr = { .limit = sregs.idt.limit, .base = sregs.idt.base },
		.cpl = sregs.ss.dpl,
		/* KVM runs guests with EFER.SVME, and CR4.MCE as the host has it. */
		.efer = sregs.efer | BIT_ULL(12),
		.cr4 = sregs.cr4 |
		       (!access("/sys/devices/system/machinecheck", F_OK) ? X86_CR4_MCE : 0),
		.cr3 = sregs.cr3,
		.cr0 = sregs.cr0 & ~(X86_CR0_CD | X86_CR0_NW),
		.dr7 = 0x400,
		.dr6 = 0xffff0ff0,
		.rflags = regs.rflags,
		.rip = regs.rip,
		.rsp = regs.rsp,
		.rax = regs.rax,
		.rcx = regs.rcx,
		.rdx = regs.rdx,
		.rbx = regs.rbx,
		.rbp = regs.rbp,
		.rsi = regs.rsi,
		.rdi = regs.rdi,
		.r8 = regs.r8,
		.r9 = regs.r9,
		.r10 = regs.r10,
		.r11 = regs.r11,
		.r12 = regs.r12,
		.r13 = regs.r13,
		.r14 = regs.r14,
		.r15 = regs.r15,
		.g_pat = 0x0007040600070406ULL,
		.sev_features = SNP_SEV_FEATURES,
		.xcr0 = xcrs.xcrs[0].value,
		.x87_fcw = *(u16 *)(fx + 0),
		.x87_fsw = *(u16 *)(fx + 2),
		.x87_ftw = *(u8 *)(fx + 4),
		.x87_fop = *(u16 *)(fx + 6),
		.x87_rip = *(u64 *)(fx + 8),
		.x87_dp = *(u64 *)(fx + 16),
		.mxcsr = *(u32 *)(fx + 24),
	};

	for (i = 0; i < 8; i++) {
		memcpy(vmsa->fpreg_x87 + 8 * i, fx + 32 + 16 * i, 8);
		memcpy(vmsa->fpreg_x87 + 64 + 2 * i, fx + 32 + 16 * i + 8, 2);
	}
	memcpy(vmsa->fpreg_xmm, fx + 160, 256);
	memcpy(&xstate_bv, fx + 512, 8);
	if (xstate_bv & XFEATURE_MASK_YMM)
		memcpy(vmsa->fpreg_ymm, fx + 576, 256);
}

/* 64-bit code of the library at @entry, on the stack of vCPU number @cpu. */
void snp_vmsa_init(struct snp_vm *s, struct snp_vmsa *vmsa, int cpu, void *entry)
{
	struct kvm_vm *vm = s->vm;

	*vmsa = (struct snp_vmsa) {
		.cs = { KERNEL_CS, 0xa9b, ~0u, 0 },
		.ss = { KERNEL_DS, 0xc93, ~0u, 0 },
		.ds = { KERNEL_DS, 0xc93, ~0u, 0 },
		.es = { KERNEL_DS, 0xc93, ~0u, 0 },
		.fs = { KERNEL_DS, 0xc93, ~0u, 0 },
		.gs = { KERNEL_DS, 0xc93, ~0u, 0 },
		.gdtr = { .limit = PAGE_SIZE - 1, .base = vm->arch.gdt },
		.idtr = { .limit = 256 * 16 - 1, .base = vm->arch.idt },
		.tr = { KERNEL_TSS, 0x8b, 0x67, vm->arch.tss },
		.efer = EFER_LME | EFER_LMA | EFER_NX | BIT_ULL(12),
		.cr4 = X86_CR4_PAE | X86_CR4_OSFXSR | X86_CR4_OSXSAVE |
		       (s->sregs.cr4 & X86_CR4_LA57),
		.cr3 = s->sregs.cr3,
		.cr0 = X86_CR0_PE | X86_CR0_NE | X86_CR0_PG | X86_CR0_ET,
		.dr7 = 0x400,
		.dr6 = 0xffff0ff0,
		.rflags = X86_EFLAGS_FIXED,
		.rip = (u64)entry,
		.rsp = s->stack_gva[cpu],
		.rdi = s->cpu_gva[cpu],
		.g_pat = 0x0007040600070406ULL,
		.sev_features = SNP_SEV_FEATURES,
		.xcr0 = 1,
		.mxcsr = 0x1f80,
		.x87_fcw = 0x37f,
	};
}

static int set_vmsa(struct kvm_vcpu *vcpu, u32 request, u32 flags, u64 gpa)
{
	struct kvm_sev_snp_set_vmsa set = {
		.request = request,
		.flags = flags,
		.gpa = gpa,
		.sev_features = request == KVM_SEV_SNP_VMSA_DESTROY ? 0 : SNP_SEV_FEATURES,
	};

	return snp_vcpu_cmd(vcpu, KVM_SEV_SNP_SET_VMSA, &set, NULL);
}

int __snp_set_vmsa(struct kvm_vcpu *vcpu, u32 request, u64 gpa)
{
	return set_vmsa(vcpu, request, 0, gpa);
}

void snp_set_vmsa(struct kvm_vcpu *vcpu, u32 request, u64 gpa)
{
	int ret = __snp_set_vmsa(vcpu, request, gpa);

	TEST_ASSERT(!ret, "SET_VMSA(request %u, gpa 0x%lx) of vCPU %u: errno %d (%s)",
		    request, (unsigned long)gpa, vcpu->id, errno, strerror(errno));
}

/* KVM builds the VMSA at @gpa from the state of the vCPU, in LAUNCH_FINISH. */
void snp_set_vmsa_from_vcpu(struct kvm_vcpu *vcpu, u64 gpa)
{
	int ret = set_vmsa(vcpu, KVM_SEV_SNP_VMSA_CREATE, KVM_SEV_SNP_VMSA_FLAG_FROM_VCPU, gpa);

	TEST_ASSERT(!ret, "SET_VMSA(FROM_VCPU, gpa 0x%lx) of vCPU %u: errno %d (%s)",
		    (unsigned long)gpa, vcpu->id, errno, strerror(errno));
}

int __snp_get_vmsa(struct kvm_vcpu *vcpu, struct kvm_sev_snp_get_vmsa *get)
{
	memset(get, 0xff, sizeof(*get));
	return snp_vcpu_cmd(vcpu, KVM_SEV_SNP_GET_VMSA, get, NULL);
}

void snp_get_vmsa(struct kvm_vcpu *vcpu, struct kvm_sev_snp_get_vmsa *get)
{
	int ret = __snp_get_vmsa(vcpu, get);

	TEST_ASSERT(!ret, "GET_VMSA of vCPU %u: errno %d (%s)",
		    vcpu->id, errno, strerror(errno));
}

/*
 * Host: events
 */

/* MSIs find a vCPU once its local APIC was written. */
void snp_set_up_lapic(struct kvm_vcpu *vcpu)
{
	struct kvm_lapic_state lapic;

	vcpu_ioctl(vcpu, KVM_GET_LAPIC, &lapic);
	vcpu_ioctl(vcpu, KVM_SET_LAPIC, &lapic);
}

/* Interrupts want it enabled, too; the other delivery modes do not. A reset disables it. */
void snp_enable_lapic(struct kvm_vcpu *vcpu)
{
	struct kvm_lapic_state lapic;
	u32 *spiv = (u32 *)&lapic.regs[APIC_SPIV];

	vcpu_ioctl(vcpu, KVM_GET_LAPIC, &lapic);
	*spiv |= APIC_SPIV_APIC_ENABLED;
	vcpu_ioctl(vcpu, KVM_SET_LAPIC, &lapic);
}

/* Returns 1 if it was delivered, 0 if no vCPU took it. */
int __snp_send_msi(struct kvm_vm *vm, int apic_id, u32 data)
{
	struct kvm_msi msi = {
		.address_lo = 0xfee00000 | apic_id << 12,
		.data = data,
	};

	return __vm_ioctl(vm, KVM_SIGNAL_MSI, &msi);
}

void snp_send_msi(struct kvm_vm *vm, int apic_id, u32 data)
{
	int ret = __snp_send_msi(vm, apic_id, data);

	TEST_ASSERT(ret == 1, "MSI 0x%x to vCPU %d: returned %d, errno %d", data, apic_id, ret,
		    errno);
}

/*
 * Host: run
 */

/*
 * A vCPU that is to be started by the guest.  UNINITIALIZED is no choice: KVM
 * does not handle a request of AP creation in that state.
 */
void snp_vcpu_halt(struct kvm_vcpu *vcpu)
{
	struct kvm_mp_state state = { .mp_state = KVM_MP_STATE_HALTED };

	vcpu_mp_state_set(vcpu, &state);
}

static void snp_report_guest(struct snp_vm *s, int cpu)
{
	struct kvm_run *run = s->vcpu[cpu]->run;
	struct snp_mbox *mbox = s->mbox[cpu], *exc = s->mbox[0];
	u64 set = 0;

	if (run->exit_reason == KVM_EXIT_SYSTEM_EVENT &&
	    run->system_event.type == KVM_SYSTEM_EVENT_SEV_TERM)
		set = run->system_event.data[0] >> 12 & 0xf;

	if (set == SNP_TERM_SET_ASSERT)
		TEST_FAIL("vCPU %d: guest assertion at line %lu: 0x%lx, not 0x%lx", cpu,
			  (unsigned long)mbox->line, (unsigned long)mbox->got,
			  (unsigned long)mbox->want);
	if (set == SNP_TERM_SET_EXCEPTION)
		TEST_FAIL("vCPU %d: guest exception %lu, error 0x%lx, RIP 0x%lx, CR2 0x%lx", cpu,
			  (unsigned long)exc->vector, (unsigned long)exc->error_code,
			  (unsigned long)exc->rip, (unsigned long)exc->cr2);
}

/*
 * KVM_RUN returned @ret with @err because the VMSA at @gpa is not there, or for
 * KVM_SEV_SNP_VMSA_GPA_NONE because there is none.
 */
void snp_assert_vmsa_missing(struct kvm_vcpu *vcpu, int ret, int err, u64 gpa)
{
	struct kvm_run *run = vcpu->run;

	TEST_ASSERT(ret == -1 && err == EFAULT && run->exit_reason == KVM_EXIT_MEMORY_FAULT,
		    "vCPU %u: KVM_RUN returned %d, errno %d, exit %s; wanted EFAULT, MEMORY_FAULT",
		    vcpu->id, ret, err, exit_reason_str(run->exit_reason));
	TEST_ASSERT_EQ(run->memory_fault.flags,
		       KVM_MEMORY_EXIT_FLAG_PRIVATE | KVM_MEMORY_EXIT_FLAG_SNP_VMSA);
	TEST_ASSERT_EQ(run->memory_fault.gpa, gpa);
	TEST_ASSERT_EQ(run->memory_fault.size, gpa == KVM_SEV_SNP_VMSA_GPA_NONE ? 0 : PAGE_SIZE);
}

/* As often as it is asked for. */
void snp_run_to_vmsa_missing(struct kvm_vcpu *vcpu, u64 gpa)
{
	int i, ret;

	for (i = 0; i < 2; i++) {
		ret = __vcpu_run(vcpu);
		snp_assert_vmsa_missing(vcpu, ret, errno, gpa);
	}
}

void snp_assert_term(struct snp_vm *s, int cpu, u64 code)
{
	struct kvm_run *run = s->vcpu[cpu]->run;

	snp_report_guest(s, cpu);
	TEST_ASSERT(run->exit_reason == KVM_EXIT_SYSTEM_EVENT,
		    "vCPU %d: wanted SYSTEM_EVENT, got %s (0x%llx)", cpu,
		    exit_reason_str(run->exit_reason),
		    run->fail_entry.hardware_entry_failure_reason);
	TEST_ASSERT_EQ(run->system_event.type, KVM_SYSTEM_EVENT_SEV_TERM);
	TEST_ASSERT_EQ(run->system_event.data[0], SNP_TERM(SNP_TERM_SET_DONE, code));
}

void snp_assert_sync(struct snp_vm *s, int cpu, u32 value)
{
	struct kvm_run *run = s->vcpu[cpu]->run;

	snp_report_guest(s, cpu);
	TEST_ASSERT(run->exit_reason == KVM_EXIT_IO && run->io.port == SNP_SYNC_PORT &&
		    run->io.direction == KVM_EXIT_IO_OUT && run->io.size == 4,
		    "vCPU %d: wanted IO at the port of sync, got %s (0x%llx)", cpu,
		    exit_reason_str(run->exit_reason),
		    run->fail_entry.hardware_entry_failure_reason);
	TEST_ASSERT_EQ(*(u32 *)((u8 *)run + run->io.data_offset), value);
}

void snp_run_to_term(struct snp_vm *s, int cpu, u64 code)
{
	vcpu_run(s->vcpu[cpu]);
	snp_assert_term(s, cpu, code);
}

void snp_run_to_sync(struct snp_vm *s, int cpu, u32 value)
{
	vcpu_run(s->vcpu[cpu]);
	snp_assert_sync(s, cpu, value);
}

/*
 * Host: threads and time
 */

double snp_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

void snp_worker_run(struct snp_worker *w)
{
	w->ret = __vcpu_run(w->s->vcpu[w->vcpu]);
	w->err = errno;
}

static void *worker_main(void *arg)
{
	struct snp_worker *w = arg;

	pin_self_to_cpu(w->cpu);
	for (;;) {
		while (sem_wait(&w->go))
			;
		if (!w->func)
			return NULL;
		w->func(w);
		__atomic_store_n(&w->nr_done, w->nr_go, __ATOMIC_RELEASE);
	}
}

void snp_worker_start(struct snp_worker *w, struct snp_vm *s, int cpu, int vcpu,
		      void (*func)(struct snp_worker *w))
{
	*w = (struct snp_worker){ .s = s, .cpu = cpu, .vcpu = vcpu, .func = func };
	sem_init(&w->go, 0, 0);
	TEST_ASSERT(!pthread_create(&w->thread, NULL, worker_main, w), "pthread_create()");
}

void snp_worker_go(struct snp_worker *w)
{
	w->nr_go++;
	sem_post(&w->go);
}

bool snp_worker_done(struct snp_worker *w)
{
	return __atomic_load_n(&w->nr_done, __ATOMIC_ACQUIRE) == w->nr_go;
}

static void no_handler(int sig)
{
}

static void catch_alarm(void)
{
	struct sigaction sa = { .sa_handler = no_handler };

	TEST_ASSERT(!sigaction(SIGALRM, &sa, NULL), "sigaction(): errno %d", errno);
}

/* Interrupts an ioctl every @usec; 0: no more.  Leaves errno as it is. */
void snp_set_alarm(long usec)
{
	struct timeval tv = { .tv_sec = usec / 1000000, .tv_usec = usec % 1000000 };
	struct itimerval it = { .it_value = tv, .it_interval = tv };
	int err = errno;

	catch_alarm();
	TEST_ASSERT(!setitimer(ITIMER_REAL, &it, NULL), "setitimer(): errno %d", errno);
	errno = err;
}

/*
 * KVM_RUN, for at most @ms.  Returns its errno, or 0 with the exit in
 * run->exit_reason.
 */
int snp_run_for(struct kvm_vcpu *vcpu, int ms)
{
	int err;

	snp_set_alarm(ms * 1000L);
	err = __vcpu_run(vcpu) ? errno : 0;
	snp_set_alarm(0);
	return err;
}

/* Makes the worker's KVM_RUN return -EINTR, by SIGALRM. */
void snp_worker_interrupt(struct snp_worker *w)
{
	catch_alarm();
	/* More than one: the first may come before KVM_RUN. */
	TEST_ASSERT(snp_wait_for(SNP_SOON, ({
			pthread_kill(w->thread, SIGALRM);
			snp_worker_done(w);
		    })), "vCPU %d does not return from KVM_RUN", w->vcpu);
}

void snp_worker_stop(struct snp_worker *w)
{
	w->func = NULL;
	sem_post(&w->go);
	pthread_join(w->thread, NULL);
}

/* "-n NUMBER" in front of the options of the harness, which knows only its own. */
void snp_option_number(int *argc, char ***argv, const char *name, int *number)
{
	if (*argc < 3 || strcmp((*argv)[1], "-n"))
		return;

	*number = atoi_positive(name, (*argv)[2]);
	(*argv)[2] = (*argv)[0];
	*argv += 2;
	*argc -= 2;
}
