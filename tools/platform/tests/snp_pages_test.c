// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pages that firmware looks into, or writes, in LAUNCH_UPDATE: the CPUID page,
 * which it refuses and corrects through KVM, and the secrets page. The guest says
 * what it found in them.
 *
 * Layouts: SEV-SNP firmware ABI, SNP_LAUNCH_UPDATE, "CPUID Page" and "Secrets Page".
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kvm_test_harness.h"
#include "test_util.h"
#include "snp_vmsa.h"

#define PAGE_NR		5
#define GPA		SNP_VMSA_GPA(PAGE_NR)
#define KVM_VMSA_GPA	0xfffffffff000ULL
#define SHOWN_WORDS	64		/* of the page that the guest shows */

struct cpuid_page {
	u32 count;
	u32 reserved[3];
	struct {
		u32 eax_in, ecx_in;
		u64 xcr0_in, xss_in;
		u32 eax, ebx, ecx, edx;
		u64 reserved;
	} entry[64];
	u8 reserved_0xc10[PAGE_SIZE - 0xc10];
};

kvm_static_assert(offsetof(struct cpuid_page, reserved_0xc10) == 0xc10);
kvm_static_assert(sizeof(struct cpuid_page) == PAGE_SIZE);

struct secrets_page {
	u32 version;
	u32 imi_en;
	u32 fms;
	u32 reserved_0xc;
	u8 gosvw[16];
	u8 vmpck[4][32];
	u8 guest_area_0[96];
	u8 vmsa_tweak_bitmap[64];
	u8 guest_area_1[32];
	u32 tsc_factor;
};

kvm_static_assert(offsetof(struct secrets_page, guest_area_0) == 0xa0);
kvm_static_assert(offsetof(struct secrets_page, vmsa_tweak_bitmap) == 0x100);
kvm_static_assert(offsetof(struct secrets_page, tsc_factor) == 0x160);

/* Shows the beginning of the page at arg[0], and all bits that are set in the rest. */
static void guest_code(struct snp_cpu *cpu)
{
	u64 *page;
	u64 rest = 0;
	int i;

	snp_guest_start(cpu);
	page = (u64 *)cpu->mbox->arg[0];
	for (i = 0; i < SHOWN_WORDS; i++)
		cpu->mbox->val[i] = READ_ONCE(page[i]);
	for (; i < PAGE_SIZE / 8; i++)
		rest |= READ_ONCE(page[i]);
	cpu->mbox->token = rest;
	snp_guest_term(SNP_TERM_SET_DONE, 0);
}

static struct snp_vm *start(void)
{
	struct snp_vm *s = snp_vm_create(1, guest_code);

	snp_launch_start(s);
	snp_launch_memory(s);
	return s;
}

/* Finishes the launch, and has the guest show the page. */
static const void *shown(struct snp_vm *s)
{
	s->mbox[0]->arg[0] = s->vmsa_gva + PAGE_NR * PAGE_SIZE;
	snp_launch_finish(s);
	snp_run_to_term(s, 0, 0);
	return s->mbox[0]->val;
}

static struct cpuid_page page __aligned(PAGE_SIZE);

/* Leaves of the processor */
static void fill_good(struct cpuid_page *p)
{
	u32 i;

	memset(p, 0, sizeof(*p));
	p->count = 3;
	p->entry[0].eax_in = 0;
	p->entry[1].eax_in = 0x80000008;
	p->entry[2].eax_in = 7;
	for (i = 0; i < p->count; i++)
		__cpuid(p->entry[i].eax_in, 0, &p->entry[i].eax, &p->entry[i].ebx,
			&p->entry[i].ecx, &p->entry[i].edx);
	/* The operating system's bit, which is the guest's own */
	p->entry[2].ecx &= ~BIT(4);
}

/* The same, and what no processor has */
static void fill_bad(struct cpuid_page *p)
{
	fill_good(p);
	p->entry[0].eax = 0x7fffffff;
	p->entry[0].ebx ^= 0x20;
	p->entry[1].ebx = ~0u;
}

/* Is each of the @len bytes what it would be in a page of the processor's? */
static bool is_good(const void *p, size_t len)
{
	static struct cpuid_page good;

	fill_good(&good);
	return !memcmp(p, &good, len);
}

static void refused(struct snp_vm *s)
{
	u32 fw_error;
	int ret;

	ret = __snp_launch_page(s, GPA, &page, KVM_SEV_SNP_PAGE_TYPE_CPUID, &fw_error);
	TEST_ASSERT(ret == -1 && errno == EIO && fw_error == SEV_RET_INVALID_PARAM,
		    "LAUNCH_UPDATE of a bad CPUID page: %d, errno %d, firmware 0x%x", ret, errno,
		    fw_error);
}

/* KVM hands back what firmware would take, and then firmware takes it. */
TEST(cpuid_page_corrected)
{
	struct snp_vm *s = start();

	fill_bad(&page);
	EXPECT_FALSE(is_good(&page, sizeof(page)));
	refused(s);
	EXPECT_TRUE(is_good(&page, sizeof(page)));
	snp_launch_page(s, GPA, &page, KVM_SEV_SNP_PAGE_TYPE_CPUID);
	EXPECT_TRUE(is_good(shown(s), SHOWN_WORDS * 8));
	EXPECT_EQ(s->mbox[0]->token, 0);
	snp_vm_free(s);
}

/* Firmware does not tire of it, and a page that is good at once needs no second try. */
TEST(cpuid_page_refused_again)
{
	struct snp_vm *s = start();
	int i;

	for (i = 0; i < 3; i++) {
		fill_bad(&page);
		refused(s);
	}
	fill_good(&page);
	snp_launch_page(s, GPA, &page, KVM_SEV_SNP_PAGE_TYPE_CPUID);
	EXPECT_TRUE(is_good(shown(s), SHOWN_WORDS * 8));
	snp_vm_free(s);
}

/* What was refused is not in the digest. */
TEST(cpuid_page_measured_once)
{
	static struct snp_vmsa vmsa __aligned(PAGE_SIZE);
	struct snp_vm *s = snp_vm_create(1, guest_code);
	u32 fw_error;

	s->predict = true;
	snp_launch_start(s);
	snp_launch_memory(s);
	fill_bad(&page);
	refused(s);
	snp_launch_page(s, GPA, &page, KVM_SEV_SNP_PAGE_TYPE_CPUID);
	snp_vmsa_of_kvm(s->vcpu[0], &vmsa);
	snp_digest_page(s->digest, KVM_SEV_SNP_PAGE_TYPE_VMSA, KVM_VMSA_GPA, &vmsa);
	EXPECT_EQ(__snp_launch_finish(s, s->digest, &fw_error), 0);
	snp_vm_free(s);
}

TEST(secrets_page)
{
	const struct secrets_page *secrets;
	struct snp_vm *s = start();
	u32 eax, ebx, ecx, edx;
	int i, j;

	memset(&page, 0xff, sizeof(page));
	snp_launch_page(s, GPA, &page, KVM_SEV_SNP_PAGE_TYPE_SECRETS);
	secrets = shown(s);
	EXPECT_GE(secrets->version, 3);
	EXPECT_EQ(secrets->imi_en, 0);
	/* Family, model and stepping of the processor */
	__cpuid(1, 0, &eax, &ebx, &ecx, &edx);
	EXPECT_EQ(secrets->fms, eax);
	EXPECT_EQ(secrets->reserved_0xc, 0);
	/* That of LAUNCH_START, which has zeros */
	for (i = 0; i < 16; i++)
		EXPECT_EQ(secrets->gosvw[i], 0);
	for (i = 0; i < 4; i++) {
		static const u8 zero[32];

		EXPECT_NE(memcmp(secrets->vmpck[i], zero, 32), 0);
		for (j = 0; j < i; j++)
			EXPECT_NE(memcmp(secrets->vmpck[i], secrets->vmpck[j], 32), 0);
	}
	/* Nothing of what userspace had in the page */
	for (i = 0; i < 96; i++)
		EXPECT_EQ(secrets->guest_area_0[i], 0);
	for (i = 0; i < 32; i++)
		EXPECT_EQ(secrets->guest_area_1[i], 0);
	EXPECT_EQ(s->mbox[0]->token, 0);
	snp_vm_free(s);
}

/* The keys are those of one guest. */
TEST(secrets_of_two)
{
	struct secrets_page first;
	struct snp_vm *s;
	int i;

	for (i = 0; i < 2; i++) {
		const struct secrets_page *secrets;

		s = start();
		snp_launch_page(s, GPA, &page, KVM_SEV_SNP_PAGE_TYPE_SECRETS);
		secrets = shown(s);
		if (i)
			EXPECT_NE(memcmp(first.vmpck, secrets->vmpck, sizeof(first.vmpck)), 0);
		first = *secrets;
		snp_vm_free(s);
	}
}

int main(int argc, char *argv[])
{
	TEST_REQUIRE(kvm_check_cap(KVM_CAP_VM_TYPES) & BIT(KVM_X86_SNP_VM));

	return test_harness_run(argc, argv);
}
