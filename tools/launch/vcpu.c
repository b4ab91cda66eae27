// SPDX-License-Identifier: GPL-2.0
/* vCPUs: where each starts from, their registers and CPUID. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../measure/vmsa.h"
#include "launch.h"

#define CPUID_MAX	100		/* entries of KVM */
#define CPUID_PAGE_MAX	64		/* entries of the page */

/* SEV-SNP firmware ABI, table "CPUID Page" */
struct cpuid_entry {
	uint32_t eax_in, ecx_in;
	uint64_t xcr0_in, xss_in;
	uint32_t eax, ebx, ecx, edx;
	uint64_t reserved;
};

struct cpuid_page {
	uint32_t count, reserved;
	uint64_t reserved_8;
	struct cpuid_entry entry[CPUID_PAGE_MAX];
};

static_assert(sizeof(struct cpuid_entry) == 48, "CPUID page");
static_assert(sizeof(struct cpuid_page) <= 4096, "CPUID page");

/*
 * The plan. A context at KVM's address means that KVM makes the VMSA; so does
 * --vmsa kvm, for all vCPUs.  Without the uAPI KVM makes one for each vCPU, so a
 * file with another address can't be launched.
 */
void vcpu_plan(struct vm *vm)
{
	unsigned int last = 0, i;
	size_t n;

	if (!vm->igvm.nr_vps)
		die(ST_FILE, "%s: no VP_CONTEXT, wanted one for vCPU 0", vm->opt.file);

	for (i = 0; i < MAX_VCPUS; i++)
		vm->vcpus[i] = (struct vcpu){ .vm = vm, .id = i, .fd = -1 };

	for (n = 0; n < vm->igvm.nr_directives; n++) {
		const struct igvm_directive *d = &vm->igvm.directives[n];
		struct vcpu *v;

		if (d->type != IGVM_VHT_VP_CONTEXT)
			continue;
		if (d->vp.index >= MAX_VCPUS)
			die(ST_FILE, "%s: VP_CONTEXT at offset 0x%x: vCPU %u, wanted 0 to %d",
			    vm->opt.file, d->offset, d->vp.index, MAX_VCPUS - 1);
		v = &vm->vcpus[d->vp.index];
		/* A copy: it may lie anywhere in the file. */
		v->context = malloc(sizeof(*v->context));
		if (!v->context)
			die(ST_FAIL, "no memory for a VMSA");
		memcpy(v->context, d->vp.vmsa, sizeof(*v->context));
		v->vmsa_gpa = d->vp.gpa;
		v->kind = d->vp.gpa == IGVM_KVM_VMSA_GPA ? VMSA_KVM : VMSA_GUEST;
		if (d->vp.index > last)
			last = d->vp.index;
		if (!vm->sev_features)
			vm->sev_features = v->context->sev_features;
		if (v->context->sev_features != vm->sev_features ||
		    !(vm->sev_features & SEV_FEAT_SNP_ACTIVE))
			die(ST_FILE, "%s: VMSA of vCPU %u has SEV_FEATURES 0x%llx\n"
			    "  wanted bit 0 (SNPActive), and the same in all", vm->opt.file,
			    d->vp.index,
			    (unsigned long long)v->context->sev_features);
		if (v->context->vmpl)
			die(ST_FILE, "%s: VMSA of vCPU %u is for VMPL %u, KVM runs VMPL 0 only",
			    vm->opt.file, d->vp.index, v->context->vmpl);
	}
	if (!vm->vcpus[0].context)
		die(ST_FILE, "%s: no VP_CONTEXT for vCPU 0, the one that starts", vm->opt.file);

	vm->nr_vcpus = vm->opt.cpus ? vm->opt.cpus : last + 1;
	if (vm->nr_vcpus <= last || vm->nr_vcpus > MAX_VCPUS)
		die(ST_USAGE, "--cpus %u: wanted %u, for the VP_CONTEXTs of the file, to %d",
		    vm->nr_vcpus, last + 1, MAX_VCPUS);
	for (i = 0; i < vm->nr_vcpus; i++) {
		struct vcpu *v = &vm->vcpus[i];

		if (vm->opt.vmsa == WHERE_KVM)
			v->kind = VMSA_KVM;
		else if (vm->opt.vmsa == WHERE_BUILD && v->kind == VMSA_GUEST)
			v->kind = VMSA_BUILT;
	}
}

/* After sev_open(): the plan and what KVM can do */
static void check_uapi(struct vm *vm)
{
	unsigned int i;

	if (vm->opt.vmsa == WHERE_BUILD && !vm->can_build)
		die(ST_HOST, "--vmsa build: KVM here builds no VMSA in guest memory\n"
		    "  seen: no KVM_SEV_SNP_VMSA_FLAG_FROM_VCPU in KVM_X86_SEV_SNP_VMSA");
	if (vm->has_uapi)
		return;
	for (i = 0; i < vm->nr_vcpus; i++) {
		struct vcpu *v = &vm->vcpus[i];

		if (v->kind == VMSA_GUEST)
			die(ST_HOST, "%s: VMSA of vCPU %u at 0x%llx: KVM here knows only its own\n"
			    "  seen: no attribute KVM_X86_SEV_SNP_VMSA (group KVM_X86_GRP_SEV)\n"
			    "  --vmsa kvm launches the file with the VMSA at KVM's address,\n"
			    "  0x%llx; the digest is another then",
			    vm->opt.file, i, (unsigned long long)v->vmsa_gpa,
			    (unsigned long long)IGVM_KVM_VMSA_GPA);
		/* KVM makes a VMSA for this one, too. */
		v->kind = VMSA_KVM;
	}
}

/*
 * Registers
 */

static struct kvm_segment segment(const struct vmsa_seg *s)
{
	return (struct kvm_segment){
		.base = s->base,
		.limit = s->limit,
		.selector = s->selector,
		.type = s->attrib & 0xf,
		.s = s->attrib >> 4 & 1,
		.dpl = s->attrib >> 5 & 3,
		.present = s->attrib >> 7 & 1,
		.avl = s->attrib >> 8 & 1,
		.l = s->attrib >> 9 & 1,
		.db = s->attrib >> 10 & 1,
		.g = s->attrib >> 11 & 1,
	};
}

static uint32_t signature(const struct vm *vm)
{
	unsigned int i;

	for (i = 0; i < vm->cpuid->nent; i++)
		if (vm->cpuid->entries[i].function == 1)
			return vm->cpuid->entries[i].eax;
	return 0;
}

/*
 * The VMSA that KVM makes of what set_registers() sets: the context of the file,
 * or the state at reset.
 */
void vcpu_kvm_vmsa(struct vm *vm, const struct vcpu *vcpu, struct vmsa *vmsa)
{
	struct vmsa_initial reset = { .eip = VMSA_EIP_BSP };

	if (vcpu->context) {
		memcpy(vmsa, vcpu->context, sizeof(*vmsa));
		return;
	}
	reset.signature = signature(vm);
	reset.sev_features = vm->sev_features;
	vmsa_build((uint8_t *)vmsa, &reset);
}

/*
 * KVM takes segments, control and general purpose registers; all else is as it
 * has it.  A VMSA with something else in it would not be the one that is
 * measured, and the guest not the one that was meant.
 */
static void check_registers(struct vm *vm, const struct vcpu *vcpu)
{
	const struct vmsa *v = vcpu->context;
	struct vmsa kvm = { 0 };
	const uint8_t *a = (const uint8_t *)v, *b = (const uint8_t *)&kvm;
	struct vmsa_seg *seg;
	size_t i;

	vmsa_fixed(&kvm, vm->sev_features);
	/* Ten segments at the beginning; of GDTR and IDTR base and limit only */
	memcpy(&kvm, v, 10 * sizeof(*seg));
	kvm.gdtr.selector = kvm.gdtr.attrib = 0;
	kvm.idtr.selector = kvm.idtr.attrib = 0;
	kvm.cpl = v->ss.attrib >> 5 & 3;
	kvm.efer = v->efer | VMSA_EFER_SVME;
	kvm.cr0 = v->cr0;
	kvm.cr3 = v->cr3;
	kvm.cr4 = v->cr4;
	/* CR4.MCE of the host is in every guest's. */
	if (!access("/sys/devices/system/machinecheck", F_OK))
		kvm.cr4 |= VMSA_CR4_MCE;
	kvm.rflags = v->rflags | 2;
	kvm.rip = v->rip;
	kvm.rsp = v->rsp;
	kvm.rax = v->rax;
	memcpy(&kvm.rcx, &v->rcx, offsetof(struct vmsa, reserved_320) - offsetof(struct vmsa, rcx));
	memcpy(&kvm.rbp, &v->rbp, offsetof(struct vmsa, reserved_380) - offsetof(struct vmsa, rbp));
	kvm.xcr0 = v->xcr0;

	for (i = 0; i < sizeof(kvm); i++)
		if (a[i] != b[i])
			die(ST_FILE, "%s: VMSA of vCPU %u, offset 0x%zx: 0x%02x, KVM has 0x%02x\n"
			    "  KVM takes segments, control and general purpose registers;\n"
			    "  only a VMSA at a GPA of its own can have the rest",
			    vm->opt.file, vcpu->id, i, a[i], b[i]);
}

static void set_registers(struct vm *vm, struct vcpu *vcpu)
{
	struct kvm_xcrs xcrs = { .nr_xcrs = 1 };
	struct kvm_sregs s;
	struct kvm_regs r;
	struct vmsa v;

	vcpu_kvm_vmsa(vm, vcpu, &v);
	if (ioctl(vcpu->fd, KVM_GET_SREGS, &s))
		die(ST_FAIL, "KVM_GET_SREGS of vCPU %u: %s", vcpu->id, strerror(errno));
	s.cs = segment(&v.cs);
	s.ds = segment(&v.ds);
	s.es = segment(&v.es);
	s.fs = segment(&v.fs);
	s.gs = segment(&v.gs);
	s.ss = segment(&v.ss);
	s.tr = segment(&v.tr);
	s.ldt = segment(&v.ldtr);
	s.gdt.base = v.gdtr.base;
	s.gdt.limit = v.gdtr.limit;
	s.idt.base = v.idtr.base;
	s.idt.limit = v.idtr.limit;
	s.cr0 = v.cr0;
	s.cr3 = v.cr3;
	s.cr4 = v.cr4;
	s.efer = v.efer & ~VMSA_EFER_SVME;
	if (ioctl(vcpu->fd, KVM_SET_SREGS, &s))
		die(vcpu->context ? ST_FILE : ST_FAIL,
		    "KVM_SET_SREGS of vCPU %u: %s\n  KVM refuses what its VMSA has", vcpu->id,
		    strerror(errno));
	r = (struct kvm_regs){
		.rax = v.rax, .rbx = v.rbx, .rcx = v.rcx, .rdx = v.rdx,
		.rsi = v.rsi, .rdi = v.rdi, .rsp = v.rsp, .rbp = v.rbp,
		.r8 = v.r8, .r9 = v.r9, .r10 = v.r10, .r11 = v.r11,
		.r12 = v.r12, .r13 = v.r13, .r14 = v.r14, .r15 = v.r15,
		.rip = v.rip, .rflags = v.rflags,
	};
	if (ioctl(vcpu->fd, KVM_SET_REGS, &r))
		die(ST_FAIL, "KVM_SET_REGS of vCPU %u: %s", vcpu->id, strerror(errno));
	xcrs.xcrs[0].value = v.xcr0;
	if (ioctl(vcpu->fd, KVM_SET_XCRS, &xcrs))
		die(ST_FAIL, "KVM_SET_XCRS of vCPU %u to 0x%llx: %s", vcpu->id,
		    (unsigned long long)v.xcr0, strerror(errno));
}

/*
 * CPUID
 */

static void get_cpuid(struct vm *vm)
{
	vm->cpuid = calloc(1, sizeof(*vm->cpuid) + CPUID_MAX * sizeof(*vm->cpuid->entries));
	if (!vm->cpuid)
		die(ST_FAIL, "no memory for CPUID");
	vm->cpuid->nent = CPUID_MAX;
	if (ioctl(vm->kvm, KVM_GET_SUPPORTED_CPUID, vm->cpuid))
		die(ST_FAIL, "KVM_GET_SUPPORTED_CPUID: %s", strerror(errno));
}

static void set_cpuid(struct vm *vm, struct vcpu *vcpu)
{
	unsigned int i;

	for (i = 0; i < vm->cpuid->nent; i++) {
		struct kvm_cpuid_entry2 *e = &vm->cpuid->entries[i];

		if (e->function == 1)
			e->ebx = (e->ebx & 0x0000ffff) | vcpu->id << 24 | vm->nr_vcpus << 16;
		else if (e->function == 0xb || e->function == 0x1f)
			e->edx = vcpu->id;
		else if (e->function == 0x8000001e)
			e->eax = vcpu->id;
	}
	if (ioctl(vcpu->fd, KVM_SET_CPUID2, vm->cpuid))
		die(ST_FAIL, "KVM_SET_CPUID2 of vCPU %u: %s", vcpu->id, strerror(errno));
}

/* What KVM supports, for the firmware to compare with the processor. */
void vcpu_cpuid_page(struct vm *vm, void *page)
{
	struct cpuid_page *p = page;
	unsigned int i;

	memset(p, 0, PAGE);
	for (i = 0; i < vm->cpuid->nent; i++) {
		const struct kvm_cpuid_entry2 *e = &vm->cpuid->entries[i];
		struct cpuid_entry *out = &p->entry[p->count];

		/* Not the processor's leaves, and those that are empty anyway */
		if ((e->function >= 0x40000000 && e->function < 0x80000000) ||
		    !(e->eax | e->ebx | e->ecx | e->edx))
			continue;
		if (p->count == CPUID_PAGE_MAX)
			die(ST_FAIL, "CPUID page: KVM has more than %d leaves", CPUID_PAGE_MAX);
		out->eax_in = e->function;
		if (e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX)
			out->ecx_in = e->index;
		out->eax = e->eax;
		out->ebx = e->ebx;
		out->ecx = e->ecx;
		out->edx = e->edx;
		/* Of one vCPU; the page is for all of them. */
		if (e->function == 1)
			out->ebx &= 0x00ffffff;
		/* The size of the XSAVE area, for x87 and SSE as enabled at reset */
		if (e->function == 0xd && e->index < 2) {
			out->xcr0_in = 1;
			out->ebx = 0x240;
		}
		p->count++;
	}
}

/*
 * vCPUs
 */

void vcpu_create(struct vm *vm)
{
	int size = ioctl(vm->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	unsigned int i;

	check_uapi(vm);
	get_cpuid(vm);
	for (i = 0; i < vm->nr_vcpus; i++) {
		struct vcpu *v = &vm->vcpus[i];

		if (v->kind >= VMSA_BUILT && v->context)
			check_registers(vm, v);
		v->fd = ioctl(vm->fd, KVM_CREATE_VCPU, i);
		if (v->fd < 0)
			die(ST_FAIL, "KVM_CREATE_VCPU %u: %s", i, strerror(errno));
		v->run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);
		if (v->run == MAP_FAILED)
			die(ST_FAIL, "mmap() of vCPU %u, %d bytes: %s", i, size, strerror(errno));
		v->certs = -1;
		set_cpuid(vm, v);
		if (v->kind >= VMSA_BUILT)
			set_registers(vm, v);
	}
}

/*
 * A vCPU whose VMSA KVM made: one with a context runs, and one without waits for
 * AP Creation by the guest.  HALTED, as KVM handles no such request in
 * UNINITIALIZED, which an AP is in after reset.
 */
void vcpu_set_mp_states(struct vm *vm)
{
	unsigned int i;

	for (i = 0; i < vm->nr_vcpus; i++) {
		struct vcpu *v = &vm->vcpus[i];
		struct kvm_mp_state state = {
			.mp_state = v->context ? KVM_MP_STATE_RUNNABLE : KVM_MP_STATE_HALTED,
		};

		if (v->kind == VMSA_KVM && ioctl(v->fd, KVM_SET_MP_STATE, &state))
			die(ST_FAIL, "KVM_SET_MP_STATE of vCPU %u: %s", i, strerror(errno));
	}
}
