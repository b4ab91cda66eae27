// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMSAs in guest memory: KVM_SEV_SNP_SET_VMSA and KVM_SEV_SNP_GET_VMSA, page
 * type VMSA of LAUNCH_UPDATE, the launch digest with and without them, and the
 * guest's own AP Creation, with which they share a path.
 *
 * The digest cases need no uAPI when all VMSAs are KVM's: there they hold on
 * any kernel, and show that the digest of old launches stays what it was.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kvm_test_harness.h"
#include "test_util.h"
#include "snp_vmsa.h"

#define KVM_VMSA_GPA		0xfffffffff000ULL

#define TERM_REGS		0x42
#define TERM_AP			0x43

#define CREATE		KVM_SEV_SNP_VMSA_CREATE
#define ON_INIT		KVM_SEV_SNP_VMSA_CREATE_ON_INIT
#define DESTROY		KVM_SEV_SNP_VMSA_DESTROY

/* In the VMSA page, and nowhere else. */
#define MAGIC(n)		(0x5eedc0de00000000ULL + (n))

enum {
	VAL_XMM0_LO = 17, VAL_XMM0_HI, VAL_STAR, VAL_LSTAR, VAL_CSTAR, VAL_SFMASK,
	VAL_KERNEL_GS, VAL_FS_BASE, VAL_GS_BASE, VAL_CR0, VAL_CR3, VAL_CR4, VAL_PAT, VAL_XCR0,
	VAL_SEV_STATUS, VAL_NR
};

static void guest_report_regs(struct snp_cpu *cpu)
{
	volatile u64 *val = cpu->mbox->val;
	int i;

	for (i = 0; i <= SNP_RFLAGS; i++)
		val[i] = cpu->regs[i];

	val[VAL_XMM0_LO] = cpu->xmm0[0];
	val[VAL_XMM0_HI] = cpu->xmm0[1];
	val[VAL_STAR] = rdmsr(MSR_STAR);
	val[VAL_LSTAR] = rdmsr(MSR_LSTAR);
	val[VAL_CSTAR] = rdmsr(MSR_CSTAR);
	val[VAL_SFMASK] = rdmsr(MSR_SYSCALL_MASK);
	val[VAL_KERNEL_GS] = rdmsr(MSR_KERNEL_GS_BASE);
	val[VAL_FS_BASE] = rdmsr(MSR_FS_BASE);
	val[VAL_GS_BASE] = rdmsr(MSR_GS_BASE);
	val[VAL_CR0] = get_cr0();
	val[VAL_CR3] = get_cr3();
	val[VAL_CR4] = get_cr4();
	val[VAL_PAT] = rdmsr(MSR_IA32_CR_PAT);
	val[VAL_XCR0] = xgetbv(0);
	val[VAL_SEV_STATUS] = rdmsr(MSR_AMD64_SEV);

	snp_guest_start(cpu);
	snp_guest_term(SNP_TERM_SET_DONE, TERM_REGS);
}

static void guest_done(struct snp_cpu *cpu)
{
	snp_guest_start(cpu);
	snp_guest_term(SNP_TERM_SET_DONE, TERM_REGS);
}

/* An AP: shows which VMSA it came from, and stops three times. */
static void guest_ap(struct snp_cpu *cpu)
{
	u32 i;

	snp_guest_start(cpu);
	cpu->mbox->token = cpu->regs[SNP_R14];
	for (i = 1; i < 4; i++)
		snp_guest_sync(cpu, i);
	snp_guest_term(SNP_TERM_SET_DONE, TERM_AP);
}

/*
 * Makes VMSAs at pages 1 and 2 of the slot; then does requests of AP Creation
 * for the host: arg[0] request, arg[1] APIC ID, arg[2] GPA, result in val[0].
 */
static void guest_creator(struct snp_cpu *cpu)
{
	volatile struct snp_mbox *mbox = cpu->mbox;
	struct snp_vmsa *page = cpu->ap_vmsa;
	int i;

	snp_guest_start(cpu);
	for (i = 0; i < 2; i++, page++)
		SNP_GUEST_ASSERT_EQ(cpu, snp_guest_make_vmsa(cpu, page, cpu->ap_init + i), 0);

	for (i = 1; ; i++) {
		snp_guest_sync(cpu, i);
		mbox->val[0] = snp_guest_ap_creation(cpu, mbox->arg[0], mbox->arg[1], mbox->arg[2]);
	}
}

static u8 page_buf[PAGE_SIZE] __aligned(PAGE_SIZE);

static struct snp_vmsa *vmsa_page(struct snp_vm *s, int cpu, void *code)
{
	struct snp_vmsa *vmsa = (void *)page_buf;

	snp_vmsa_init(s, vmsa, cpu, snp_guest_entry_regs);
	vmsa->r15 = (u64)code;
	return vmsa;
}

static bool get_equal(const struct kvm_sev_snp_get_vmsa *a, const struct kvm_sev_snp_get_vmsa *b)
{
	return !memcmp(a, b, sizeof(*a));
}

static void assert_get_is(struct kvm_vcpu *vcpu, struct kvm_sev_snp_get_vmsa want)
{
	struct kvm_sev_snp_get_vmsa get;

	want.sev_features = SNP_SEV_FEATURES;
	snp_get_vmsa(vcpu, &get);
	TEST_ASSERT(get_equal(&get, &want),
		    "vCPU %u: state %u gpa 0x%llx flags 0x%x pending %u 0x%llx features 0x%llx, wanted state %u gpa 0x%llx flags 0x%x pending %u 0x%llx",
		    vcpu->id, get.state, get.gpa, get.flags, get.pending, get.pending_gpa,
		    get.sev_features, want.state, want.gpa, want.flags, want.pending,
		    want.pending_gpa);
}

#define assert_get(vcpu, _state, _gpa, _pending, _pending_gpa, ...)		\
	assert_get_is(vcpu, (struct kvm_sev_snp_get_vmsa){			\
		.state = (_state), .gpa = (_gpa), .pending = (_pending),	\
		.pending_gpa = (_pending_gpa), __VA_ARGS__ })

#define GPA_NONE	KVM_SEV_SNP_VMSA_GPA_NONE
#define assert_state_guest(vcpu, gpa)	\
	assert_get(vcpu, KVM_SEV_SNP_VMSA_STATE_GUEST, gpa, 0, GPA_NONE)
#define assert_state_from_vcpu(vcpu, gpa)	\
	assert_get(vcpu, KVM_SEV_SNP_VMSA_STATE_GUEST, gpa, 0, GPA_NONE,	\
		   .flags = KVM_SEV_SNP_VMSA_FLAG_FROM_VCPU)
#define assert_state_none(vcpu)		\
	assert_get(vcpu, KVM_SEV_SNP_VMSA_STATE_NONE, GPA_NONE, 0, GPA_NONE)
#define assert_state_kvm(vcpu)		\
	assert_get(vcpu, KVM_SEV_SNP_VMSA_STATE_KVM, GPA_NONE, 0, GPA_NONE)

static const char *digest_str(const u8 *digest)
{
	static char str[2 * SNP_DIGEST_LEN + 1];

	snp_digest_str(digest, str);
	return str;
}

/* An interrupted KVM_RUN: the vCPU has nothing to run, or runs for ever. */
static void run_interrupted(struct kvm_vcpu *vcpu)
{
	int err = snp_run_for(vcpu, 30);

	TEST_ASSERT(err == EINTR, "vCPU %u: KVM_RUN errno %d, exit %s", vcpu->id, err,
		    exit_reason_str(vcpu->run->exit_reason));
}

/*
 * The predictor itself
 */

static void assert_digest(const u8 *digest, const char *want)
{
	TEST_ASSERT(!strcmp(digest_str(digest), want), "digest is %s\n  wanted    %s",
		    digest_str(digest), want);
}

TEST(sha384)
{
	u8 md[SNP_DIGEST_LEN];

	/* FIPS 180-4, examples */
	snp_sha384("abc", 3, md);
	assert_digest(md, "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded163"
			  "1a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7");
	snp_sha384("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
		   "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu", 112, md);
	assert_digest(md, "09330c33f71147e83d192fc782cd1b4753111b173b3b05d2"
			  "2fa08086e3b0f712fcc7c71a557e2db966c3e9fa91746039");
}

TEST(digest_vectors)
{
	u8 digest[SNP_DIGEST_LEN] = {}, page[PAGE_SIZE];
	int i;

	/* google/gce-tcb-verifier, sev/sev_test.go: three pages of zeroes */
	for (i = 0; i < 3; i++)
		snp_digest_page(digest, KVM_SEV_SNP_PAGE_TYPE_ZERO, 0x9000 + i * PAGE_SIZE, NULL);
	assert_digest(digest, "4bfe18477ba370a50329da74b9621e721c4f29663176e08f"
			      "bcf088a17c1bc45f133898b86d5082acbe202a6e9419808a");

	/* Synthetic, by two other implementations: a normal page of bytes 0xf4 */
	memset(page, 0xf4, sizeof(page));
	memset(digest, 0, sizeof(digest));
	snp_digest_page(digest, KVM_SEV_SNP_PAGE_TYPE_NORMAL, 0x1000, page);
	assert_digest(digest, "e4f6f9472e1f93dac0bc2b3442644cff31785ea819565c70"
			      "06b25210edb63ec4fa556db6cd811756e3cb147e94d99b5f");
}

/*
 * VMSAs of KVM: the digest that launches have had all along
 */

/* More vCPUs than the library has memory for: measured, but nothing to run. */
struct many_vcpus {
	struct snp_vm *s;
	struct kvm_vcpu *vcpu[64];
};

static struct kvm_vcpu *add_vcpu_like(struct kvm_vcpu *first, u32 id)
{
	struct kvm_vcpu *vcpu = vm_arch_vcpu_recreate(first->vm, id);
	struct kvm_sregs sregs;
	struct kvm_regs regs;
	struct kvm_xcrs xcrs;

	vcpu_sregs_get(first, &sregs);
	vcpu_sregs_set(vcpu, &sregs);
	vcpu_regs_get(first, &regs);
	vcpu_regs_set(vcpu, &regs);
	vcpu_xcrs_get(first, &xcrs);
	vcpu_xcrs_set(vcpu, &xcrs);
	return vcpu;
}

static void create_many(struct many_vcpus *m, int nr, void *code)
{
	int i;

	m->s = snp_vm_create(min(nr, SNP_MAX_VCPUS), code);
	m->s->predict = true;
	for (i = 0; i < nr; i++)
		m->vcpu[i] = i < SNP_MAX_VCPUS ? m->s->vcpu[i] : add_vcpu_like(m->vcpu[0], i);
}

static void print_digest(const char *what, int nr_vcpus, const u8 *digest)
{
	ksft_print_msg("digest of a launch with %s, %d vCPUs: %s\n", what, nr_vcpus,
		       digest_str(digest));
}

/* In the order in which the vCPUs were created. */
static void digest_vmsas_of_kvm(struct many_vcpus *m, int nr)
{
	struct snp_vmsa *vmsa = (void *)page_buf;
	int i;

	for (i = 0; i < nr; i++) {
		snp_vmsa_of_kvm(m->vcpu[i], vmsa);
		snp_digest_page(m->s->digest, KVM_SEV_SNP_PAGE_TYPE_VMSA, KVM_VMSA_GPA, vmsa);
	}
}

static void digest_kvm_vmsas(int nr_vcpus)
{
	struct many_vcpus m;
	u32 fw_error;
	int i, ret;

	create_many(&m, nr_vcpus, guest_done);
	snp_launch_start(m.s);
	snp_launch_memory(m.s);
	digest_vmsas_of_kvm(&m, nr_vcpus);
	ret = __snp_launch_finish(m.s, m.s->digest, &fw_error);
	TEST_ASSERT(!ret, "prediction refused: errno %d, firmware 0x%x", errno, fw_error);
	for (i = 0; i < m.s->nr_vcpus; i++)
		snp_run_to_term(m.s, i, TERM_REGS);
	snp_vm_free(m.s);
}

TEST(digest_kvm_1_vcpu)
{
	digest_kvm_vmsas(1);
}

TEST(digest_kvm_2_vcpus)
{
	digest_kvm_vmsas(2);
}

TEST(digest_kvm_8_vcpus)
{
	digest_kvm_vmsas(8);
}

/* Making so many takes its time on a debug kernel. */
FIXTURE(many) {
};

FIXTURE_SETUP(many)
{
}

FIXTURE_TEARDOWN(many)
{
}

TEST_F_TIMEOUT(many, digest_kvm_64_vcpus, 300)
{
	digest_kvm_vmsas(64);
}

/* Registers that are the same in every build of this test and on every host. */
static void set_constant_state(struct kvm_vcpu *vcpu)
{
	struct kvm_regs regs = {
		.rax = MAGIC(0), .rbx = MAGIC(1), .rcx = MAGIC(2), .rdx = MAGIC(3),
		.rsi = MAGIC(4), .rdi = MAGIC(5), .rbp = MAGIC(6), .rsp = 0x7ff8,
		.r8 = MAGIC(8), .r9 = MAGIC(9), .r10 = MAGIC(10), .r11 = MAGIC(11),
		.r12 = MAGIC(12), .r13 = MAGIC(13), .r14 = MAGIC(14), .r15 = MAGIC(15),
		.rip = 0x401000, .rflags = X86_EFLAGS_FIXED,
	};
	struct kvm_xcrs xcrs = { .nr_xcrs = 1, .xcrs[0] = { .xcr = 0, .value = 1 } };
	struct kvm_segment data = {
		.selector = 0x10, .limit = ~0u, .type = 3, .present = 1, .s = 1, .db = 1, .g = 1,
	};
	struct kvm_sregs sregs;

	vcpu_sregs_get(vcpu, &sregs);
	sregs.cs = (struct kvm_segment){
		.selector = 0x8, .limit = ~0u, .type = 11, .present = 1, .s = 1, .l = 1, .g = 1,
	};
	sregs.ds = data;
	sregs.es = data;
	sregs.ss = data;
	sregs.fs = data;
	sregs.gs = data;
	sregs.fs.base = 0x7eed00004000ULL;
	sregs.gs.base = 0x7eed00005000ULL;
	sregs.tr = (struct kvm_segment){
		.selector = 0x18, .base = 0x3000, .limit = 0x67, .type = 11, .present = 1,
	};
	sregs.ldt = (struct kvm_segment){ .unusable = 1 };
	sregs.gdt = (struct kvm_dtable){ .base = 0x1000, .limit = 0xfff };
	sregs.idt = (struct kvm_dtable){ .base = 0x2000, .limit = 0xfff };
	sregs.cr0 = X86_CR0_PE | X86_CR0_NE | X86_CR0_PG | X86_CR0_ET;
	sregs.cr3 = 0x10000;
	/* KVM sets MCE if the host has it. */
	sregs.cr4 = X86_CR4_PAE | X86_CR4_OSFXSR | X86_CR4_OSXSAVE | X86_CR4_MCE;
	sregs.efer = EFER_LME | EFER_LMA | EFER_NX;
	vcpu_sregs_set(vcpu, &sregs);
	vcpu_regs_set(vcpu, &regs);
	vcpu_xcrs_set(vcpu, &xcrs);
}

/*
 * What firmware measured when nobody could say where a VMSA is, and has to measure for
 * good: KVM's own VMSAs alone, with the state above.  The values are computed outside
 * of this program and of KVM, from the registers, the layout of a VMSA and what KVM is
 * known to add (EFER.SVME, DR6, DR7, PAT, the initial x87 state).
 */
TEST_F_TIMEOUT(many, digest_kvm_alone, 300)
{
	static const struct {
		int nr_vcpus;
		const char *digest;
	} known[] = {
		{ 1, "f26b26430f069b025d943158701442d40ee6b940e8bde21e"
		     "edaea916876477ebfea1ade39f9641b166d5d91c55a5ede8" },
		{ 2, "17845675ce93ca68d22f322fcfadcdf7800aac3c5bf2308b"
		     "b87055efd15de5f09a6e2a758a1a994fbeaf4471960e1302" },
		{ 64, "c1add9d11bef2c1e1b5b22a01820a3c789031ed013117aab"
		      "b71963f34762d8dd865dc4d41df10ad74299b46f36becc04" },
	};
	struct many_vcpus m;
	u32 fw_error;
	int i, j, ret;

	for (i = 0; i < ARRAY_SIZE(known); i++) {
		create_many(&m, known[i].nr_vcpus, guest_done);
		for (j = 0; j < known[i].nr_vcpus; j++)
			set_constant_state(m.vcpu[j]);
		snp_launch_start(m.s);
		digest_vmsas_of_kvm(&m, known[i].nr_vcpus);
		assert_digest(m.s->digest, known[i].digest);
		ret = __snp_launch_finish(m.s, m.s->digest, &fw_error);
		TEST_ASSERT(!ret, "%d vCPUs: refused: errno %d, firmware 0x%x",
			    known[i].nr_vcpus, errno, fw_error);
		snp_vm_free(m.s);
	}
}

/*
 * One VM with the uAPI
 */

FIXTURE(vmsa) {
	struct snp_vm *s;
};

FIXTURE_SETUP(vmsa)
{
	SNP_REQUIRE_UAPI();
	self->s = snp_vm_create(2, guest_done);
}

FIXTURE_TEARDOWN(vmsa)
{
	if (self->s)
		snp_vm_free(self->s);
}

TEST(detect)
{
	int fd;
	u64 mask = 0;

	SNP_REQUIRE_UAPI();

	fd = open_kvm_dev_path_or_exit();
	kvm_device_attr_get(fd, KVM_X86_GRP_SEV, KVM_X86_SEV_SNP_VMSA, &mask);
	TEST_ASSERT_EQ(mask, BIT_ULL(KVM_SEV_SNP_VMSA_CREATE) |
			     BIT_ULL(KVM_SEV_SNP_VMSA_CREATE_ON_INIT) |
			     BIT_ULL(KVM_SEV_SNP_VMSA_DESTROY) |
			     (u64)KVM_SEV_SNP_VMSA_FLAG_FROM_VCPU << 32);
	close(fd);
}

/* A VMSA with a value of its own in every field that the guest can read back. */
static struct snp_vmsa *magic_vmsa(struct snp_vm *s)
{
	struct snp_vmsa *vmsa = vmsa_page(s, 0, guest_report_regs);
	u64 xmm0[2] = { MAGIC(100), MAGIC(101) };

	vmsa->rax = MAGIC(0);
	vmsa->rbx = MAGIC(1);
	vmsa->rcx = MAGIC(2);
	vmsa->rdx = MAGIC(3);
	vmsa->rsi = MAGIC(4);
	vmsa->rbp = MAGIC(6);
	vmsa->r8 = MAGIC(8);
	vmsa->r9 = MAGIC(9);
	vmsa->r10 = MAGIC(10);
	vmsa->r11 = MAGIC(11);
	vmsa->r12 = MAGIC(12);
	vmsa->r13 = MAGIC(13);
	vmsa->r14 = MAGIC(14);
	vmsa->rflags |= X86_EFLAGS_CF | X86_EFLAGS_OF;
	vmsa->star = MAGIC(20);
	vmsa->lstar = 0x7eed00001000ULL;
	vmsa->cstar = 0x7eed00002000ULL;
	vmsa->sfmask = 0x40700;
	vmsa->kernel_gs_base = 0x7eed00003000ULL;
	vmsa->fs.base = 0x7eed00004000ULL;
	vmsa->gs.base = 0x7eed00005000ULL;
	vmsa->g_pat = 0x0007040600070401ULL;
	memcpy(vmsa->fpreg_xmm, xmm0, sizeof(xmm0));
	return vmsa;
}

static void assert_magic(struct snp_vm *s, const struct snp_vmsa *vmsa)
{
	volatile u64 *val = s->mbox[0]->val;
	int i;

	for (i = SNP_RAX; i <= SNP_R14; i++)
		if (i != SNP_RDI && i != SNP_RSP && i != SNP_RBP)
			TEST_ASSERT(val[i] == MAGIC(i), "register %d: 0x%lx", i, (long)val[i]);
	TEST_ASSERT_EQ(val[SNP_RBP], vmsa->rbp);
	TEST_ASSERT_EQ(val[SNP_RDI], vmsa->rdi);
	TEST_ASSERT_EQ(val[SNP_RSP], vmsa->rsp);
	TEST_ASSERT_EQ(val[SNP_RFLAGS], vmsa->rflags);
	TEST_ASSERT_EQ(val[VAL_XMM0_LO], MAGIC(100));
	TEST_ASSERT_EQ(val[VAL_XMM0_HI], MAGIC(101));
	TEST_ASSERT_EQ(val[VAL_STAR], vmsa->star);
	TEST_ASSERT_EQ(val[VAL_LSTAR], vmsa->lstar);
	TEST_ASSERT_EQ(val[VAL_CSTAR], vmsa->cstar);
	TEST_ASSERT_EQ(val[VAL_SFMASK], vmsa->sfmask);
	TEST_ASSERT_EQ(val[VAL_KERNEL_GS], vmsa->kernel_gs_base);
	TEST_ASSERT_EQ(val[VAL_FS_BASE], vmsa->fs.base);
	TEST_ASSERT_EQ(val[VAL_GS_BASE], vmsa->gs.base);
	TEST_ASSERT_EQ(val[VAL_PAT], vmsa->g_pat);
	TEST_ASSERT_EQ(val[VAL_CR0], vmsa->cr0);
	TEST_ASSERT_EQ(val[VAL_CR3], vmsa->cr3);
	TEST_ASSERT_EQ(val[VAL_CR4], vmsa->cr4);
	TEST_ASSERT_EQ(val[VAL_XCR0], vmsa->xcr0);
	TEST_ASSERT_EQ(val[VAL_SEV_STATUS] & 7, 7);
}

TEST_F(vmsa, boot)
{
	struct snp_vm *s = self->s;
	struct snp_vmsa *vmsa = magic_vmsa(s);

	assert_state_kvm(s->vcpu[0]);
	snp_launch_start(s);
	snp_launch_memory(s);
	snp_launch_page(s, SNP_VMSA_GPA(3), vmsa, KVM_SEV_SNP_PAGE_TYPE_VMSA);
	snp_set_vmsa(s->vcpu[0], CREATE, SNP_VMSA_GPA(3));
	assert_state_guest(s->vcpu[0], SNP_VMSA_GPA(3));
	snp_launch_finish(s);
	assert_state_guest(s->vcpu[0], SNP_VMSA_GPA(3));
	assert_state_kvm(s->vcpu[1]);

	snp_run_to_term(s, 0, TERM_REGS);
	assert_magic(s, vmsa);
	assert_state_guest(s->vcpu[0], SNP_VMSA_GPA(3));

	/* The other vCPU has what KVM made for it, as ever. */
	snp_run_to_term(s, 1, TERM_REGS);
}

/* The call measures nothing: it may come before or after any page but its own. */
TEST_F(vmsa, boot_set_before_memory)
{
	struct snp_vm *s = self->s;
	struct snp_vmsa *vmsa = magic_vmsa(s);

	s->predict = true;
	snp_launch_start(s);
	snp_launch_page(s, SNP_VMSA_GPA(1023), vmsa, KVM_SEV_SNP_PAGE_TYPE_VMSA);
	snp_set_vmsa(s->vcpu[0], CREATE, SNP_VMSA_GPA(1023));
	snp_set_vmsa(s->vcpu[1], DESTROY, 0);
	snp_launch_memory(s);
	TEST_ASSERT(!__snp_launch_finish(s, s->digest, NULL), "refused: errno %d", errno);
	snp_run_to_term(s, 0, TERM_REGS);
	assert_magic(s, vmsa);
}

/*
 * Digest
 */

/* Returns the errno of LAUNCH_FINISH with a prediction, changed by @spoil. */
static int digest_page_vmsa(int nr_vcpus, u64 gpa, u8 *digest, u32 *fw_error,
			    void (*spoil)(struct snp_vm *s, struct snp_vmsa *vmsa))
{
	struct many_vcpus m;
	struct snp_vmsa *vmsa;
	struct snp_vm *s;
	int i, ret;

	create_many(&m, nr_vcpus, guest_done);
	s = m.s;
	vmsa = vmsa_page(s, 0, guest_done);
	snp_launch_start(s);
	snp_launch_memory(s);
	snp_launch_page(s, gpa, vmsa, KVM_SEV_SNP_PAGE_TYPE_VMSA);
	snp_set_vmsa(s->vcpu[0], CREATE, gpa);
	for (i = 1; i < nr_vcpus; i++)
		snp_set_vmsa(m.vcpu[i], DESTROY, 0);

	memcpy(digest, s->digest, SNP_DIGEST_LEN);
	if (spoil)
		spoil(s, vmsa);
	ret = __snp_launch_finish(s, s->digest, fw_error) ? errno : 0;
	if (!ret) {
		snp_run_to_term(s, 0, TERM_REGS);
		for (i = 1; i < nr_vcpus; i++)
			assert_state_none(m.vcpu[i]);
	}
	snp_vm_free(s);
	return ret;
}

TEST_F_TIMEOUT(many, digest_page_same_for_1_2_8_64_vcpus, 300)
{
	static const int nr_vcpus[] = { 1, 2, 8, 64 };
	u8 digest[4][SNP_DIGEST_LEN];
	u32 fw_error;
	int i, ret;

	SNP_REQUIRE_UAPI();

	for (i = 0; i < ARRAY_SIZE(nr_vcpus); i++) {
		ret = digest_page_vmsa(nr_vcpus[i], SNP_VMSA_GPA(1), digest[i], &fw_error, NULL);
		TEST_ASSERT(!ret, "%d vCPUs: prediction %s refused: errno %d, firmware 0x%x",
			    nr_vcpus[i], digest_str(digest[i]), ret, fw_error);
		print_digest("a VMSA page for vCPU 0", nr_vcpus[i], digest[i]);
		TEST_ASSERT(!memcmp(digest[i], digest[0], SNP_DIGEST_LEN),
			    "%d vCPUs: another digest", nr_vcpus[i]);
	}
}

static void spoil_bit(struct snp_vm *s, struct snp_vmsa *vmsa)
{
	s->digest[47] ^= 1;
}

/* What it would be with the VMSA where KVM has its own. */
static void spoil_gpa(struct snp_vm *s, struct snp_vmsa *vmsa)
{
	u8 with[SNP_DIGEST_LEN] = {};

	memcpy(with, s->digest, SNP_DIGEST_LEN);
	snp_digest_page(s->digest, KVM_SEV_SNP_PAGE_TYPE_VMSA, KVM_VMSA_GPA, vmsa);
	TEST_ASSERT(memcmp(with, s->digest, SNP_DIGEST_LEN), "prediction did not change");
}

TEST(digest_page_wrong_is_refused)
{
	u8 digest[SNP_DIGEST_LEN];
	u32 fw_error = 0;
	int ret;

	SNP_REQUIRE_UAPI();

	ret = digest_page_vmsa(1, SNP_VMSA_GPA(1), digest, &fw_error, spoil_bit);
	TEST_ASSERT(ret && fw_error == SEV_RET_BAD_MEASUREMENT,
		    "one bit flipped: errno %d, firmware 0x%x", ret, fw_error);
	ret = digest_page_vmsa(1, SNP_VMSA_GPA(1), digest, &fw_error, spoil_gpa);
	TEST_ASSERT(ret && fw_error == SEV_RET_BAD_MEASUREMENT,
		    "another page: errno %d, firmware 0x%x", ret, fw_error);
}

/* The place is measured: two GPAs, two digests, both as predicted. */
TEST(digest_page_covers_gpa)
{
	u8 a[SNP_DIGEST_LEN], b[SNP_DIGEST_LEN];
	u32 fw_error;

	SNP_REQUIRE_UAPI();

	TEST_ASSERT_EQ(digest_page_vmsa(1, SNP_VMSA_GPA(1), a, &fw_error, NULL), 0);
	TEST_ASSERT_EQ(digest_page_vmsa(1, SNP_VMSA_GPA(2), b, &fw_error, NULL), 0);
	TEST_ASSERT(memcmp(a, b, SNP_DIGEST_LEN), "same digest for two GPAs");
}

/* Each vCPU decides for itself: a page for one, KVM's VMSA for the other. */
TEST_F(vmsa, digest_mixed)
{
	struct snp_vm *s = self->s;
	struct snp_vmsa *vmsa = vmsa_page(s, 0, guest_done);
	u32 fw_error;
	int ret;

	s->predict = true;
	snp_launch_start(s);
	snp_launch_page(s, SNP_VMSA_GPA(1), vmsa, KVM_SEV_SNP_PAGE_TYPE_VMSA);
	snp_launch_memory(s);
	snp_set_vmsa(s->vcpu[0], CREATE, SNP_VMSA_GPA(1));
	snp_vmsa_of_kvm(s->vcpu[1], vmsa);
	snp_digest_page(s->digest, KVM_SEV_SNP_PAGE_TYPE_VMSA, KVM_VMSA_GPA, vmsa);

	ret = __snp_launch_finish(s, s->digest, &fw_error);
	TEST_ASSERT(!ret, "prediction refused: errno %d, firmware 0x%x", errno, fw_error);
	snp_run_to_term(s, 0, TERM_REGS);
	snp_run_to_term(s, 1, TERM_REGS);
}

/*
 * Contents built by KVM, in a page that userspace names
 */

static void assert_finish(struct snp_vm *s)
{
	u32 fw_error;
	int ret = __snp_launch_finish(s, s->digest, &fw_error);

	TEST_ASSERT(!ret, "prediction %s refused: errno %d, firmware 0x%x",
		    digest_str(s->digest), errno, fw_error);
}

static void assert_finish_fails(struct snp_vm *s, const char *what, int err)
{
	struct kvm_sev_snp_get_vmsa before[SNP_MAX_VCPUS], after;
	u32 fw_error;
	int i, ret;

	for (i = 0; i < s->nr_vcpus; i++)
		snp_get_vmsa(s->vcpu[i], &before[i]);
	ret = __snp_launch_finish(s, s->digest, &fw_error);
	TEST_ASSERT(ret == -1 && errno == err,
		    "%s: LAUNCH_FINISH returned %d, errno %d, firmware 0x%x, wanted errno %d",
		    what, ret, ret ? errno : 0, fw_error, err);
	for (i = 0; i < s->nr_vcpus; i++) {
		snp_get_vmsa(s->vcpu[i], &after);
		TEST_ASSERT(get_equal(&before[i], &after), "%s: the state of vCPU %d changed",
			    what, i);
	}
}

static void digest_of_kvm_at(struct snp_vm *s, int cpu, u64 gpa)
{
	struct snp_vmsa *vmsa = (void *)page_buf;

	snp_vmsa_of_kvm(s->vcpu[cpu], vmsa);
	snp_digest_page(s->digest, KVM_SEV_SNP_PAGE_TYPE_VMSA, gpa, vmsa);
}

/* Before any memory, so that only LAUNCH_FINISH can have measured it last. */
TEST_F(vmsa, from_vcpu)
{
	struct snp_vm *s = self->s;
	int i;

	s->predict = true;
	snp_launch_start(s);
	for (i = 0; i < 2; i++) {
		snp_set_vmsa_from_vcpu(s->vcpu[i], SNP_VMSA_GPA(1 + i));
		assert_state_from_vcpu(s->vcpu[i], SNP_VMSA_GPA(1 + i));
	}
	snp_launch_memory(s);
	for (i = 0; i < 2; i++)
		digest_of_kvm_at(s, i, SNP_VMSA_GPA(1 + i));

	assert_finish(s);
	for (i = 0; i < 2; i++) {
		assert_state_guest(s->vcpu[i], SNP_VMSA_GPA(1 + i));
		snp_run_to_term(s, i, TERM_REGS);
		assert_state_guest(s->vcpu[i], SNP_VMSA_GPA(1 + i));
	}

	/* It is a page like any other that holds a VMSA. */
	vm_guest_mem_punch_hole(s->vm, SNP_VMSA_GPA(1), PAGE_SIZE);
	assert_get(s->vcpu[0], KVM_SEV_SNP_VMSA_STATE_LOST, SNP_VMSA_GPA(1), 0, GPA_NONE);
	snp_run_to_vmsa_missing(s->vcpu[0], SNP_VMSA_GPA(1));
}

/* The registers at the end of the launch count, not those at the time of the call. */
TEST_F(vmsa, from_vcpu_registers)
{
	struct snp_vm *s = self->s;
	volatile u64 *val = s->mbox[0]->val;
	struct kvm_regs regs;

	s->predict = true;
	snp_launch_start(s);
	snp_set_vmsa_from_vcpu(s->vcpu[0], SNP_VMSA_GPA(1));
	snp_set_vmsa(s->vcpu[1], DESTROY, 0);
	snp_launch_memory(s);

	vcpu_regs_get(s->vcpu[0], &regs);
	regs.rip = (u64)snp_guest_entry_regs;
	regs.r15 = (u64)guest_report_regs;
	regs.rax = MAGIC(0);
	regs.r8 = MAGIC(8);
	regs.r14 = MAGIC(14);
	vcpu_regs_set(s->vcpu[0], &regs);
	digest_of_kvm_at(s, 0, SNP_VMSA_GPA(1));

	assert_finish(s);
	snp_run_to_term(s, 0, TERM_REGS);
	TEST_ASSERT_EQ(val[SNP_RAX], MAGIC(0));
	TEST_ASSERT_EQ(val[SNP_R8], MAGIC(8));
	TEST_ASSERT_EQ(val[SNP_R14], MAGIC(14));
	TEST_ASSERT_EQ(val[VAL_SEV_STATUS] & 7, 7);
}

/*
 * The same contents at the same place, once from LAUNCH_UPDATE and once from
 * KVM: firmware can't tell the two launches apart.
 */
TEST(digest_from_vcpu_is_that_of_page)
{
	u8 digest[SNP_DIGEST_LEN];
	struct snp_vm *s;
	bool by_kvm;
	int i;

	SNP_REQUIRE_UAPI();

	for (i = 0; i < 2; i++) {
		by_kvm = i;
		s = snp_vm_create(2, guest_done);
		s->predict = true;
		snp_launch_start(s);
		snp_launch_memory(s);
		if (by_kvm) {
			snp_set_vmsa_from_vcpu(s->vcpu[0], SNP_VMSA_GPA(1));
			memcpy(s->digest, digest, SNP_DIGEST_LEN);
		} else {
			snp_vmsa_of_kvm(s->vcpu[0], (void *)page_buf);
			snp_launch_page(s, SNP_VMSA_GPA(1), page_buf, KVM_SEV_SNP_PAGE_TYPE_VMSA);
			snp_set_vmsa(s->vcpu[0], CREATE, SNP_VMSA_GPA(1));
			memcpy(digest, s->digest, SNP_DIGEST_LEN);
		}
		snp_set_vmsa(s->vcpu[1], DESTROY, 0);
		assert_finish(s);
		snp_run_to_term(s, 0, TERM_REGS);
		snp_vm_free(s);
	}
}

/* All three ways, in the order of the vCPUs and not of the calls. */
TEST(digest_from_vcpu_in_order_of_vcpus)
{
	struct snp_vm *s;
	int i;

	SNP_REQUIRE_UAPI();

	s = snp_vm_create(4, guest_done);
	s->predict = true;
	snp_launch_start(s);
	snp_launch_page(s, SNP_VMSA_GPA(3), vmsa_page(s, 2, guest_done),
			KVM_SEV_SNP_PAGE_TYPE_VMSA);
	snp_set_vmsa(s->vcpu[2], CREATE, SNP_VMSA_GPA(3));
	snp_set_vmsa_from_vcpu(s->vcpu[3], SNP_VMSA_GPA(1));
	snp_set_vmsa_from_vcpu(s->vcpu[0], SNP_VMSA_GPA(2));
	snp_launch_memory(s);

	digest_of_kvm_at(s, 0, SNP_VMSA_GPA(2));
	digest_of_kvm_at(s, 1, KVM_VMSA_GPA);
	digest_of_kvm_at(s, 3, SNP_VMSA_GPA(1));
	assert_finish(s);
	for (i = 0; i < 4; i++)
		snp_run_to_term(s, i, TERM_REGS);
	snp_vm_free(s);
}

/* Another request in the launch takes the place of this one, and this of another. */
TEST_F(vmsa, from_vcpu_set_again)
{
	struct snp_vm *s = self->s;
	struct kvm_vcpu *vcpu = s->vcpu[0];

	s->predict = true;
	snp_launch_start(s);
	snp_launch_memory(s);
	snp_launch_page(s, SNP_VMSA_GPA(2), vmsa_page(s, 0, guest_done),
			KVM_SEV_SNP_PAGE_TYPE_VMSA);

	snp_set_vmsa_from_vcpu(vcpu, SNP_VMSA_GPA(1));
	snp_set_vmsa_from_vcpu(vcpu, SNP_VMSA_GPA(1));
	/* Without the flag the page has to be there. */
	TEST_ASSERT(__snp_set_vmsa(vcpu, CREATE, SNP_VMSA_GPA(1)) && errno == ENOENT,
		    "CREATE of the empty page: errno %d", errno);
	assert_state_from_vcpu(vcpu, SNP_VMSA_GPA(1));
	snp_set_vmsa(vcpu, CREATE, SNP_VMSA_GPA(2));
	assert_state_guest(vcpu, SNP_VMSA_GPA(2));
	snp_set_vmsa_from_vcpu(vcpu, SNP_VMSA_GPA(3));
	assert_state_from_vcpu(vcpu, SNP_VMSA_GPA(3));
	snp_set_vmsa(vcpu, DESTROY, 0);
	assert_state_none(vcpu);
	snp_set_vmsa_from_vcpu(vcpu, SNP_VMSA_GPA(1));
	snp_set_vmsa(vcpu, ON_INIT, SNP_VMSA_GPA(2));
	assert_get(vcpu, KVM_SEV_SNP_VMSA_STATE_NONE, GPA_NONE, 1, SNP_VMSA_GPA(2));
	snp_set_vmsa_from_vcpu(vcpu, SNP_VMSA_GPA(3));
	assert_state_from_vcpu(vcpu, SNP_VMSA_GPA(3));

	/* What it left is free for the other. */
	snp_set_vmsa_from_vcpu(s->vcpu[1], SNP_VMSA_GPA(1));
	digest_of_kvm_at(s, 0, SNP_VMSA_GPA(3));
	digest_of_kvm_at(s, 1, SNP_VMSA_GPA(1));
	assert_finish(s);
	snp_run_to_term(s, 0, TERM_REGS);
	snp_run_to_term(s, 1, TERM_REGS);
}

/*
 * What happens to the page before the launch ends: no contents, nothing to lose.
 * One bad page keeps the VMSA of the vCPU before it from being built.
 */
TEST_F(vmsa, from_vcpu_page_changes)
{
	struct snp_vm *s = self->s;
	struct userspace_mem_region *region = memslot2region(s->vm, SNP_VMSA_SLOT);
	struct kvm_userspace_memory_region2 slot = region->region;

	s->predict = true;
	snp_launch_start(s);
	snp_launch_memory(s);
	snp_set_vmsa_from_vcpu(s->vcpu[0], SNP_VMSA_GPA(2));
	snp_set_vmsa_from_vcpu(s->vcpu[1], SNP_VMSA_GPA(1));

	vm_guest_mem_punch_hole(s->vm, SNP_VMSA_GPA(1), PAGE_SIZE);
	assert_state_from_vcpu(s->vcpu[1], SNP_VMSA_GPA(1));
	vm_guest_mem_allocate(s->vm, SNP_VMSA_GPA(1), PAGE_SIZE);
	vm_guest_mem_punch_hole(s->vm, SNP_VMSA_GPA(1), PAGE_SIZE);
	vm_guest_mem_allocate(s->vm, SNP_VMSA_GPA(1), PAGE_SIZE);
	assert_state_from_vcpu(s->vcpu[1], SNP_VMSA_GPA(1));

	slot.memory_size = 0;
	vm_ioctl(s->vm, KVM_SET_USER_MEMORY_REGION2, &slot);
	assert_finish_fails(s, "memslot removed", ENXIO);
	vm_ioctl(s->vm, KVM_SET_USER_MEMORY_REGION2, &region->region);

	vm_mem_set_shared(s->vm, SNP_VMSA_GPA(1), PAGE_SIZE);
	assert_finish_fails(s, "page made shared", EPERM);
	vm_mem_set_private(s->vm, SNP_VMSA_GPA(1), PAGE_SIZE);

	snp_launch_page(s, SNP_VMSA_GPA(1), vmsa_page(s, 0, guest_done),
			KVM_SEV_SNP_PAGE_TYPE_VMSA);
	assert_finish_fails(s, "page populated", EEXIST);

	/* A way out is to discard it, which the digest remembers. */
	vm_guest_mem_punch_hole(s->vm, SNP_VMSA_GPA(1), PAGE_SIZE);
	digest_of_kvm_at(s, 0, SNP_VMSA_GPA(2));
	digest_of_kvm_at(s, 1, SNP_VMSA_GPA(1));
	assert_finish(s);
	snp_run_to_term(s, 0, TERM_REGS);
	snp_run_to_term(s, 1, TERM_REGS);
}

/* A failure after that: what is measured stays so, the call can be repeated. */
TEST_F(vmsa, from_vcpu_finish_again)
{
	struct snp_vm *s = self->s;
	int sev_fd = s->vm->arch.sev_fd;

	s->predict = true;
	snp_launch_start(s);
	snp_launch_memory(s);
	snp_set_vmsa_from_vcpu(s->vcpu[0], SNP_VMSA_GPA(1));
	snp_set_vmsa_from_vcpu(s->vcpu[1], SNP_VMSA_GPA(2));
	digest_of_kvm_at(s, 0, SNP_VMSA_GPA(1));
	digest_of_kvm_at(s, 1, SNP_VMSA_GPA(2));

	/* No firmware to ask: the page is empty again. */
	s->vm->arch.sev_fd = -1;
	assert_finish_fails(s, "no /dev/sev", EBADF);
	s->vm->arch.sev_fd = sev_fd;

	snp_launch_finish_wrong_digest(s);
	assert_state_guest(s->vcpu[0], SNP_VMSA_GPA(1));
	assert_state_guest(s->vcpu[1], SNP_VMSA_GPA(2));

	assert_finish(s);
	snp_run_to_term(s, 0, TERM_REGS);
	snp_run_to_term(s, 1, TERM_REGS);
}

/* vCPU 0 comes first, and KVM is to build its VMSA; page 3 is there for vCPU 1. */
static void begin_blocked_launch(struct snp_vm *s)
{
	s->predict = true;
	snp_launch_start(s);
	snp_launch_memory(s);
	snp_launch_page(s, SNP_VMSA_GPA(3), vmsa_page(s, 1, guest_done),
			KVM_SEV_SNP_PAGE_TYPE_VMSA);
	snp_set_vmsa_from_vcpu(s->vcpu[0], SNP_VMSA_GPA(1));
}

/* vCPU 1 has page 3, and what was in the way is gone. */
static void end_blocked_launch(struct snp_vm *s)
{
	digest_of_kvm_at(s, 0, SNP_VMSA_GPA(1));
	assert_finish(s);
	snp_run_to_term(s, 0, TERM_REGS);
	snp_run_to_term(s, 1, TERM_REGS);
}

/*
 * A vCPU that is being debugged keeps the launch from ending, wherever its VMSA is:
 * nobody could end that afterwards.
 */
TEST_F(vmsa, debugged_vcpu_blocks_finish)
{
	struct kvm_guest_debug debug = { .control = KVM_GUESTDBG_ENABLE };
	struct snp_vm *s = self->s;
	int i;

	begin_blocked_launch(s);
	for (i = 0; i < 4; i++) {
		if (i == 1)
			snp_set_vmsa(s->vcpu[1], DESTROY, 0);
		else if (i == 2)
			snp_set_vmsa_from_vcpu(s->vcpu[1], SNP_VMSA_GPA(2));
		else if (i == 3)
			snp_set_vmsa(s->vcpu[1], CREATE, SNP_VMSA_GPA(3));
		debug.control = KVM_GUESTDBG_ENABLE;
		vcpu_ioctl(s->vcpu[1], KVM_SET_GUEST_DEBUG, &debug);
		assert_finish_fails(s, "a vCPU is being debugged", EINVAL);
		assert_state_from_vcpu(s->vcpu[0], SNP_VMSA_GPA(1));
		debug.control = 0;
		vcpu_ioctl(s->vcpu[1], KVM_SET_GUEST_DEBUG, &debug);
	}
	end_blocked_launch(s);
}

static void set_dr7(struct kvm_vcpu *vcpu, u64 dr7)
{
	struct kvm_debugregs regs;

	vcpu_debugregs_get(vcpu, &regs);
	regs.dr7 = dr7;
	vcpu_debugregs_set(vcpu, &regs);
}

/*
 * KVM builds no VMSA with a breakpoint.  It says so before vCPUs are measured that come
 * first, and looks at no registers that do not get into a VMSA.
 */
TEST_F(vmsa, breakpoint_blocks_finish)
{
	struct snp_vm *s = self->s;
	int i;

	begin_blocked_launch(s);
	set_dr7(s->vcpu[1], 0x401);
	for (i = 0; i < 2; i++) {
		if (i)
			snp_set_vmsa_from_vcpu(s->vcpu[1], SNP_VMSA_GPA(2));
		assert_finish_fails(s, "a breakpoint in DR7", EINVAL);
		assert_state_from_vcpu(s->vcpu[0], SNP_VMSA_GPA(1));
	}
	snp_set_vmsa(s->vcpu[1], CREATE, SNP_VMSA_GPA(3));
	end_blocked_launch(s);
}

/*
 * LAUNCH_FINISH is done with the vCPU but failed later: a zap after that is for
 * KVM_RUN to tell, and does not keep the launch from ending.
 */
TEST_F(vmsa, lost_between_finishes)
{
	struct snp_vm *s = self->s;

	s->predict = true;
	snp_launch_start(s);
	snp_launch_memory(s);
	snp_launch_page(s, SNP_VMSA_GPA(1), vmsa_page(s, 0, guest_done),
			KVM_SEV_SNP_PAGE_TYPE_VMSA);
	snp_set_vmsa(s->vcpu[0], CREATE, SNP_VMSA_GPA(1));
	snp_set_vmsa(s->vcpu[1], DESTROY, 0);

	snp_launch_finish_wrong_digest(s);
	vm_guest_mem_punch_hole(s->vm, SNP_VMSA_GPA(1), PAGE_SIZE);
	assert_finish(s);
	snp_run_to_vmsa_missing(s->vcpu[0], SNP_VMSA_GPA(1));
}

/*
 * A VMSA that the CPU does not take is no missing VMSA: KVM_RUN tells them apart.
 * EFER.SVME has to be set in it.
 */
TEST_F(vmsa, bad_contents_fail_entry)
{
	struct snp_vm *s = self->s;
	struct snp_vmsa *vmsa = vmsa_page(s, 0, guest_done);
	struct kvm_vcpu *vcpu = s->vcpu[0];

	snp_launch_start(s);
	snp_launch_memory(s);
	vmsa->efer &= ~BIT_ULL(12);
	snp_launch_page(s, SNP_VMSA_GPA(1), vmsa, KVM_SEV_SNP_PAGE_TYPE_VMSA);
	snp_set_vmsa(vcpu, CREATE, SNP_VMSA_GPA(1));
	snp_set_vmsa(s->vcpu[1], DESTROY, 0);
	snp_launch_finish(s);

	TEST_ASSERT(!__vcpu_run(vcpu), "KVM_RUN: errno %d", errno);
	TEST_ASSERT_EQ(vcpu->run->exit_reason, KVM_EXIT_FAIL_ENTRY);
	assert_state_guest(vcpu, SNP_VMSA_GPA(1));
}

/*
 * Requests in the launch
 */

/* The last word counts, in the launch: nothing has to be undone. */
TEST_F(vmsa, set_again_in_launch)
{
	struct snp_vm *s = self->s;
	struct snp_vmsa *vmsa;
	struct kvm_vcpu *vcpu = s->vcpu[0];

	snp_launch_start(s);
	snp_launch_memory(s);
	snp_launch_page(s, SNP_VMSA_GPA(1), vmsa_page(s, 0, guest_done),
			KVM_SEV_SNP_PAGE_TYPE_VMSA);
	vmsa = magic_vmsa(s);
	snp_launch_page(s, SNP_VMSA_GPA(2), vmsa, KVM_SEV_SNP_PAGE_TYPE_VMSA);

	snp_set_vmsa(vcpu, CREATE, SNP_VMSA_GPA(1));
	snp_set_vmsa(vcpu, CREATE, SNP_VMSA_GPA(1));
	assert_state_guest(vcpu, SNP_VMSA_GPA(1));
	snp_set_vmsa(vcpu, DESTROY, 0);
	assert_state_none(vcpu);
	snp_set_vmsa(vcpu, ON_INIT, SNP_VMSA_GPA(1));
	assert_get(vcpu, KVM_SEV_SNP_VMSA_STATE_NONE, GPA_NONE, 1, SNP_VMSA_GPA(1));
	snp_set_vmsa(vcpu, CREATE, SNP_VMSA_GPA(2));
	assert_state_guest(vcpu, SNP_VMSA_GPA(2));

	/* What one vCPU left is free for the other. */
	snp_set_vmsa(s->vcpu[1], CREATE, SNP_VMSA_GPA(1));

	snp_launch_finish(s);
	snp_run_to_term(s, 0, TERM_REGS);
	assert_magic(s, vmsa);
}

/* A page that goes away in the launch is noticed at its end, and no later. */
TEST_F(vmsa, lost_in_launch)
{
	struct snp_vm *s = self->s;
	u32 fw_error;

	snp_launch_start(s);
	snp_launch_memory(s);
	snp_launch_page(s, SNP_VMSA_GPA(1), vmsa_page(s, 0, guest_done),
			KVM_SEV_SNP_PAGE_TYPE_VMSA);
	snp_set_vmsa(s->vcpu[0], CREATE, SNP_VMSA_GPA(1));
	vm_guest_mem_punch_hole(s->vm, SNP_VMSA_GPA(1), PAGE_SIZE);
	assert_get(s->vcpu[0], KVM_SEV_SNP_VMSA_STATE_LOST, SNP_VMSA_GPA(1), 0, GPA_NONE);
	TEST_ASSERT(__snp_launch_finish(s, NULL, &fw_error) && errno == ENOENT,
		    "LAUNCH_FINISH without the page: errno %d", errno);

	/* Nothing was done: the launch goes on with the page put back. */
	snp_launch_page(s, SNP_VMSA_GPA(1), vmsa_page(s, 0, guest_done),
			KVM_SEV_SNP_PAGE_TYPE_VMSA);
	snp_set_vmsa(s->vcpu[0], CREATE, SNP_VMSA_GPA(1));
	snp_launch_finish(s);
	snp_run_to_term(s, 0, TERM_REGS);
}

/*
 * AP Creation, by the guest and by the host
 */

static void guest_request(struct snp_vm *s, u32 sync, u32 request, u32 apic_id, u64 gpa, u64 want)
{
	volatile struct snp_mbox *mbox = s->mbox[0];

	mbox->arg[0] = request;
	mbox->arg[1] = apic_id;
	mbox->arg[2] = gpa;
	snp_run_to_sync(s, 0, sync);
	TEST_ASSERT(mbox->val[0] == want,
		    "AP Creation request %u gpa 0x%llx: 0x%llx, wanted 0x%llx", request,
		    (unsigned long long)gpa, (unsigned long long)mbox->val[0],
		    (unsigned long long)want);
}

/* vCPU 0 runs guest_creator(), which has made VMSAs at pages 1 and 2. */
FIXTURE(ap) {
	struct snp_vm *s;
};

FIXTURE_SETUP(ap)
{
	struct snp_vm *s = self->s = snp_vm_create(2, guest_creator);
	struct snp_vmsa *init = s->ap_init;
	int i;

	for (i = 0; i < 2; i++) {
		snp_vmsa_init(s, &init[i], 1, snp_guest_entry_regs);
		init[i].r15 = (u64)guest_ap;
		init[i].r14 = MAGIC(200 + i);
		/* Each can go on where it was left. */
		init[i].rsp = s->stack_gva[2 + i];
	}

	snp_launch_start(s);
	snp_launch_memory(s);
	if (snp_has_vmsa_uapi())
		snp_set_vmsa(s->vcpu[1], DESTROY, 0);
	else
		snp_vcpu_halt(s->vcpu[1]);
	snp_launch_finish(s);
	snp_run_to_sync(s, 0, 1);
}

FIXTURE_TEARDOWN(ap)
{
	snp_vm_free(self->s);
}

static void assert_ap_runs(struct snp_vm *s, u64 token, u32 sync)
{
	s->mbox[1]->token = 0;
	snp_run_to_sync(s, 1, sync);
	if (sync == 1)
		TEST_ASSERT_EQ(s->mbox[1]->token, token);
}

/* On every kernel. */
TEST_F(ap, create_by_guest)
{
	struct snp_vm *s = self->s;

	guest_request(s, 2, CREATE, 1, SNP_VMSA_GPA(1), 0);
	assert_ap_runs(s, MAGIC(200), 1);
	if (snp_has_vmsa_uapi())
		assert_state_guest(s->vcpu[1], SNP_VMSA_GPA(1));
	guest_request(s, 3, DESTROY, 1, 0, 0);
	run_interrupted(s->vcpu[1]);
	if (snp_has_vmsa_uapi())
		assert_state_none(s->vcpu[1]);
	guest_request(s, 4, CREATE, 1, SNP_VMSA_GPA(2), 0);
	assert_ap_runs(s, MAGIC(201), 1);
	assert_ap_runs(s, MAGIC(201), 2);
	assert_ap_runs(s, MAGIC(201), 3);
	snp_run_to_term(s, 1, TERM_AP);
}

/* The guest is told that its input is bad, and no vCPU changes. */
TEST_F(ap, refused_by_guest)
{
	struct snp_vm *s = self->s;
	const u64 malformed = 2;

	guest_request(s, 2, 3, 1, SNP_VMSA_GPA(1), malformed);
	guest_request(s, 3, CREATE, 1, SNP_VMSA_GPA(1) + 8, malformed);
	guest_request(s, 4, CREATE, 1, SNP_VMSA_GPA(0), malformed);
	guest_request(s, 5, CREATE, 5, SNP_VMSA_GPA(1), malformed);
	if (snp_has_vmsa_uapi())
		assert_state_none(s->vcpu[1]);
	guest_request(s, 6, CREATE, 1, SNP_VMSA_GPA(1), 0);
	assert_ap_runs(s, MAGIC(200), 1);
}

/* What the guest can ask for, the host can: the vCPU runs after each. */
TEST_F(ap, create_by_host)
{
	struct snp_vm *s = self->s;
	struct kvm_vcpu *ap = s->vcpu[1];

	SNP_REQUIRE_UAPI();

	assert_state_none(ap);
	run_interrupted(ap);

	snp_set_vmsa(ap, CREATE, SNP_VMSA_GPA(1));
	assert_get(ap, KVM_SEV_SNP_VMSA_STATE_NONE, GPA_NONE, 1, SNP_VMSA_GPA(1));
	assert_ap_runs(s, MAGIC(200), 1);
	assert_state_guest(ap, SNP_VMSA_GPA(1));

	snp_set_vmsa(ap, DESTROY, 0);
	run_interrupted(ap);
	assert_state_none(ap);

	snp_set_vmsa(ap, CREATE, SNP_VMSA_GPA(2));
	assert_ap_runs(s, MAGIC(201), 1);
	assert_state_guest(ap, SNP_VMSA_GPA(2));

	/* The first VMSA holds the state in which it was left. */
	snp_set_vmsa(ap, CREATE, SNP_VMSA_GPA(1));
	assert_ap_runs(s, 0, 2);
	snp_set_vmsa(ap, CREATE, SNP_VMSA_GPA(2));
	assert_ap_runs(s, 0, 2);
	assert_ap_runs(s, 0, 3);
	snp_run_to_term(s, 1, TERM_AP);
}

/* Of two requests before the vCPU runs, the last one counts. */
TEST_F(ap, last_request_counts)
{
	struct snp_vm *s = self->s;
	struct kvm_vcpu *ap = s->vcpu[1];

	SNP_REQUIRE_UAPI();

	snp_set_vmsa(ap, CREATE, SNP_VMSA_GPA(1));
	snp_set_vmsa(ap, CREATE, SNP_VMSA_GPA(2));
	assert_ap_runs(s, MAGIC(201), 1);
	snp_set_vmsa(ap, CREATE, SNP_VMSA_GPA(1));
	snp_set_vmsa(ap, DESTROY, 0);
	run_interrupted(ap);
	assert_state_none(ap);
}

/* Nothing to run is an error that KVM_RUN tells, not a VMRUN. */
TEST_F(ap, run_without_vmsa)
{
	struct kvm_mp_state state = { .mp_state = KVM_MP_STATE_RUNNABLE };
	struct kvm_vcpu *ap = self->s->vcpu[1];

	SNP_REQUIRE_UAPI();

	vcpu_mp_state_set(ap, &state);
	snp_run_to_vmsa_missing(ap, GPA_NONE);
	assert_state_none(ap);
	snp_set_vmsa(ap, CREATE, SNP_VMSA_GPA(1));
	assert_ap_runs(self->s, MAGIC(200), 1);
}

static void assert_mp_state(struct kvm_vcpu *vcpu, u32 want)
{
	struct kvm_mp_state state;

	vcpu_mp_state_get(vcpu, &state);
	TEST_ASSERT_EQ(state.mp_state, want);
}

TEST_F(ap, create_on_init)
{
	struct snp_vm *s = self->s;
	struct kvm_vcpu *ap = s->vcpu[1];

	SNP_REQUIRE_UAPI();

	snp_set_up_lapic(ap);
	snp_set_vmsa(ap, ON_INIT, SNP_VMSA_GPA(1));
	assert_get(ap, KVM_SEV_SNP_VMSA_STATE_NONE, GPA_NONE, 1, SNP_VMSA_GPA(1));
	run_interrupted(ap);
	assert_get(ap, KVM_SEV_SNP_VMSA_STATE_NONE, GPA_NONE, 1, SNP_VMSA_GPA(1));

	/* INIT takes over the VMSA, SIPI starts the vCPU. */
	snp_send_msi(s->vm, 1, SNP_MSI_INIT);
	run_interrupted(ap);
	assert_state_guest(ap, SNP_VMSA_GPA(1));
	snp_send_msi(s->vm, 1, SNP_MSI_SIPI);
	assert_ap_runs(s, MAGIC(200), 1);

	/* It runs on with what it has until the next INIT. */
	snp_set_vmsa(ap, ON_INIT, SNP_VMSA_GPA(2));
	assert_get(ap, KVM_SEV_SNP_VMSA_STATE_GUEST, SNP_VMSA_GPA(1), 1, SNP_VMSA_GPA(2));
	assert_ap_runs(s, 0, 2);
	assert_get(ap, KVM_SEV_SNP_VMSA_STATE_GUEST, SNP_VMSA_GPA(1), 1, SNP_VMSA_GPA(2));
	snp_send_msi(s->vm, 1, SNP_MSI_INIT);
	snp_send_msi(s->vm, 1, SNP_MSI_SIPI);
	assert_ap_runs(s, MAGIC(201), 1);
	assert_state_guest(ap, SNP_VMSA_GPA(2));
}

/*
 * CREATE_ON_INIT takes nothing back: a DESTROY that was answered means that the old
 * VMSA does not run any more, though the vCPU has yet to act on it.
 */
TEST_F(ap, destroy_then_on_init)
{
	struct snp_vm *s = self->s;
	struct kvm_vcpu *ap = s->vcpu[1];

	SNP_REQUIRE_UAPI();

	snp_set_up_lapic(ap);
	snp_set_vmsa(ap, CREATE, SNP_VMSA_GPA(1));
	assert_ap_runs(s, MAGIC(200), 1);
	snp_set_vmsa(ap, DESTROY, 0);
	assert_get(ap, KVM_SEV_SNP_VMSA_STATE_GUEST, SNP_VMSA_GPA(1), 1, GPA_NONE);
	snp_set_vmsa(ap, ON_INIT, SNP_VMSA_GPA(2));
	assert_get(ap, KVM_SEV_SNP_VMSA_STATE_GUEST, SNP_VMSA_GPA(1), 1, SNP_VMSA_GPA(2));
	run_interrupted(ap);
	assert_get(ap, KVM_SEV_SNP_VMSA_STATE_NONE, GPA_NONE, 1, SNP_VMSA_GPA(2));
	snp_send_msi(s->vm, 1, SNP_MSI_INIT);
	snp_send_msi(s->vm, 1, SNP_MSI_SIPI);
	assert_ap_runs(s, MAGIC(201), 1);
	assert_state_guest(ap, SNP_VMSA_GPA(2));
}

/* The same by the guest, and with a CREATE. */
TEST_F(ap, create_then_on_init)
{
	struct snp_vm *s = self->s;
	struct kvm_vcpu *ap = s->vcpu[1];

	SNP_REQUIRE_UAPI();

	snp_set_up_lapic(ap);
	guest_request(s, 2, CREATE, 1, SNP_VMSA_GPA(1), 0);
	guest_request(s, 3, ON_INIT, 1, SNP_VMSA_GPA(2), 0);
	assert_ap_runs(s, MAGIC(200), 1);
	assert_get(ap, KVM_SEV_SNP_VMSA_STATE_GUEST, SNP_VMSA_GPA(1), 1, SNP_VMSA_GPA(2));
	assert_ap_runs(s, 0, 2);
	snp_send_msi(s->vm, 1, SNP_MSI_INIT);
	snp_send_msi(s->vm, 1, SNP_MSI_SIPI);
	assert_ap_runs(s, MAGIC(201), 1);
	assert_state_guest(ap, SNP_VMSA_GPA(2));

	/* What waits for INIT goes with the next CREATE or DESTROY. */
	snp_set_vmsa(ap, ON_INIT, SNP_VMSA_GPA(1));
	snp_set_vmsa(ap, DESTROY, 0);
	run_interrupted(ap);
	assert_state_none(ap);
}

/* CREATE stands for an INIT: the vCPU need not have seen an earlier one. */
TEST_F(ap, init_then_create)
{
	struct snp_vm *s = self->s;
	struct kvm_vcpu *ap = s->vcpu[1];

	SNP_REQUIRE_UAPI();

	snp_set_up_lapic(ap);
	snp_send_msi(s->vm, 1, SNP_MSI_INIT);
	snp_set_vmsa(ap, CREATE, SNP_VMSA_GPA(1));
	assert_ap_runs(s, MAGIC(200), 1);
	assert_ap_runs(s, 0, 2);

	/* One that comes later stops it, also if it is KVM_GET_MP_STATE that sees both. */
	snp_set_vmsa(ap, CREATE, SNP_VMSA_GPA(2));
	snp_send_msi(s->vm, 1, SNP_MSI_INIT);
	assert_mp_state(ap, KVM_MP_STATE_INIT_RECEIVED);
	assert_state_guest(ap, SNP_VMSA_GPA(2));
	run_interrupted(ap);
	snp_send_msi(s->vm, 1, SNP_MSI_SIPI);
	assert_ap_runs(s, MAGIC(201), 1);
}

/* A PV kick for a vCPU without a VMSA does not make a VMM run it. */
TEST_F(ap, no_vmsa_is_not_runnable)
{
	struct kvm_vcpu *ap = self->s->vcpu[1];

	SNP_REQUIRE_UAPI();

	snp_set_up_lapic(ap);
	assert_mp_state(ap, KVM_MP_STATE_HALTED);
	snp_send_msi(self->s->vm, 1, SNP_MSI_PV_KICK);
	assert_mp_state(ap, KVM_MP_STATE_HALTED);
	run_interrupted(ap);
}

static void set_smm(struct kvm_vcpu *vcpu, bool init)
{
	struct kvm_vcpu_events events;

	vcpu_events_get(vcpu, &events);
	events.flags = KVM_VCPUEVENT_VALID_SMM;
	events.smi.smm = 1;
	events.smi.latched_init = init;
	vcpu_events_set(vcpu, &events);
}

/*
 * SMM is nothing for a guest like this, but userspace can set it.  CREATE and DESTROY
 * leave it, and an INIT that it blocks does not keep KVM_RUN from telling.
 */
TEST_F(ap, smm)
{
	struct snp_vm *s = self->s;
	struct kvm_vcpu *ap = s->vcpu[1];

	SNP_REQUIRE_UAPI();
	if (!kvm_has_cap(KVM_CAP_X86_SMM))
		SKIP(return, "no SMM");

	snp_set_vmsa(ap, CREATE, SNP_VMSA_GPA(1));
	assert_ap_runs(s, MAGIC(200), 1);
	set_smm(ap, false);
	snp_set_vmsa(ap, DESTROY, 0);
	run_interrupted(ap);
	assert_state_none(ap);
	snp_set_vmsa(ap, CREATE, SNP_VMSA_GPA(2));
	assert_ap_runs(s, MAGIC(201), 1);

	vm_guest_mem_punch_hole(s->vm, SNP_VMSA_GPA(2), PAGE_SIZE);
	set_smm(ap, true);
	snp_run_to_vmsa_missing(ap, SNP_VMSA_GPA(2));
}

/* An INIT in the launch is no INIT for what is to come after it. */
TEST_F(vmsa, on_init_in_launch)
{
	struct snp_vm *s = self->s;
	struct kvm_vcpu *ap = s->vcpu[1];

	snp_set_up_lapic(ap);
	snp_launch_start(s);
	snp_launch_memory(s);
	snp_launch_page(s, SNP_VMSA_GPA(1), vmsa_page(s, 1, guest_done),
			KVM_SEV_SNP_PAGE_TYPE_VMSA);
	snp_set_vmsa(ap, ON_INIT, SNP_VMSA_GPA(1));
	snp_send_msi(s->vm, 1, SNP_MSI_INIT);
	/* Accepts INIT. */
	assert_mp_state(ap, KVM_MP_STATE_INIT_RECEIVED);
	assert_get(ap, KVM_SEV_SNP_VMSA_STATE_NONE, GPA_NONE, 1, SNP_VMSA_GPA(1));
	/* Is still pending at the end. */
	snp_send_msi(s->vm, 1, SNP_MSI_INIT);
	snp_launch_finish(s);

	assert_mp_state(ap, KVM_MP_STATE_HALTED);
	run_interrupted(ap);
	assert_get(ap, KVM_SEV_SNP_VMSA_STATE_NONE, GPA_NONE, 1, SNP_VMSA_GPA(1));
	snp_send_msi(s->vm, 1, SNP_MSI_INIT);
	snp_send_msi(s->vm, 1, SNP_MSI_SIPI);
	snp_run_to_term(s, 1, TERM_REGS);
}

/* Nor for a CREATE, which stands for one itself. */
TEST_F(vmsa, create_after_init_in_launch)
{
	struct snp_vm *s = self->s;

	snp_set_up_lapic(s->vcpu[1]);
	snp_launch_start(s);
	snp_launch_memory(s);
	snp_launch_page(s, SNP_VMSA_GPA(1), vmsa_page(s, 1, guest_done),
			KVM_SEV_SNP_PAGE_TYPE_VMSA);
	snp_set_vmsa(s->vcpu[1], CREATE, SNP_VMSA_GPA(1));
	snp_send_msi(s->vm, 1, SNP_MSI_INIT);
	snp_launch_finish(s);
	snp_run_to_term(s, 1, TERM_REGS);
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_cpu_has(X86_FEATURE_SEV_SNP));
	TEST_REQUIRE(kvm_check_cap(KVM_CAP_VM_TYPES) & BIT(KVM_X86_SNP_VM));

	return test_harness_run(argc, argv);
}
