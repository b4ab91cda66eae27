// SPDX-License-Identifier: GPL-2.0
/* The launch: what is measured, in the order of the file, and the digest. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <linux/psp-sev.h>

#include "id_block.h"
#include "launch.h"
#include "platform.h"

/*
 * By tools/measure, from the file: the VMSAs in guest memory at their place, and
 * those that KVM builds at the end, in the order of the vCPUs.
 */
void launch_predict(struct vm *vm)
{
	uint64_t gpas[MAX_VCPUS];
	struct measure_igvm_opts opts = {
		.empty_is_zero = vm->opt.empty_is_zero,
		.vmsa_gpas = gpas,
	};
	struct vmsa vmsa;
	unsigned int i;
	size_t n;

	for (n = 0; n < vm->igvm.nr_directives; n++) {
		const struct igvm_directive *d = &vm->igvm.directives[n];

		if (d->type == IGVM_VHT_VP_CONTEXT)
			gpas[opts.nr_vmsa_gpas++] = vm->vcpus[d->vp.index].kind == VMSA_GUEST ?
						    d->vp.gpa : MEASURE_VMSA_NONE;
	}
	if (measure_igvm(&vm->predicted, &vm->igvm, &opts))
		die(ST_FAIL, "no memory for the digest");
	for (i = 0; i < vm->nr_vcpus; i++) {
		const struct vcpu *v = &vm->vcpus[i];

		if (v->kind < VMSA_BUILT)
			continue;
		vcpu_kvm_vmsa(vm, v, &vmsa);
		measure_page(&vm->predicted, MEASURE_VMSA,
			     v->kind == VMSA_KVM ? MEASURE_VMSA_KVM : v->vmsa_gpa, &vmsa);
	}
}

static void page_data(struct vm *vm, const struct igvm_directive *d)
{
	uint8_t page[PAGE];
	struct region *r;
	int err;

	if (d->page.flags & IGVM_PAGE_SHARED) {
		r = memory_find(vm, d->page.gpa, PAGE);
		err = memory_convert(vm, d->page.gpa, PAGE, false);
		if (err)
			die(ST_FAIL, "page 0x%llx can't be made shared: %s",
			    (unsigned long long)d->page.gpa, strerror(-err));
		if (d->page.data)
			memcpy(r->shared + (d->page.gpa - r->gpa), d->page.data, PAGE);
		return;
	}
	switch (d->page.type) {
	case IGVM_PAGE_SECRETS:
		sev_launch_page(vm, MEASURE_SECRETS, d->page.gpa, NULL);
		break;
	case IGVM_PAGE_CPUID:
	case IGVM_PAGE_CPUID_XF:
		vcpu_cpuid_page(vm, page);
		sev_launch_page(vm, MEASURE_CPUID, d->page.gpa, page);
		break;
	default:
		sev_launch_page(vm, d->page.flags & IGVM_PAGE_UNMEASURED ? MEASURE_UNMEASURED :
				!d->page.data && vm->opt.empty_is_zero ? MEASURE_ZERO :
				MEASURE_NORMAL, d->page.gpa, d->page.data);
	}
}

/* From LAUNCH_START to the last page, and who has which VMSA. */
void launch(struct vm *vm)
{
	unsigned int i;
	const uint8_t *area;
	uint64_t off;
	size_t n;

	sev_launch_start(vm);
	for (n = 0; n < vm->igvm.nr_directives; n++) {
		const struct igvm_directive *d = &vm->igvm.directives[n];

		switch (d->type) {
		case IGVM_VHT_PAGE_DATA:
			page_data(vm, d);
			break;
		case IGVM_VHT_PARAMETER_INSERT:
			area = vm->areas[d->insert.area - vm->igvm.directives];
			for (off = 0; off < d->insert.area->area.size; off += PAGE)
				sev_launch_page(vm, MEASURE_UNMEASURED, d->insert.gpa + off,
						area + off);
			break;
		case IGVM_VHT_VP_CONTEXT:
			if (vm->vcpus[d->vp.index].kind == VMSA_GUEST)
				sev_launch_page(vm, MEASURE_VMSA, d->vp.gpa, d->vp.vmsa);
			break;
		default:
			break;
		}
	}
	sev_launch_flush(vm);
	for (i = 0; i < vm->nr_vcpus; i++)
		sev_set_vmsa(vm, &vm->vcpus[i]);
	vcpu_set_mp_states(vm);
}

static const char *hex(const uint8_t *digest, char *buf)
{
	int i;

	for (i = 0; i < MEASURE_LEN; i++)
		sprintf(buf + 2 * i, "%02x", digest[i]);
	return buf;
}

void launch_say_digest(struct vm *vm)
{
	char a[2 * MEASURE_LEN + 1];

	say("digest   predicted        %s\n", hex(vm->predicted.digest, a));
}

static const char *hint(uint32_t fw_error)
{
	switch (fw_error) {
	case SEV_RET_BAD_SIGNATURE:
		return "\n  the ID block is not signed by the key that comes with it";
	case SEV_RET_POLICY_FAILURE:
		return "\n  the policy of the ID block is not that of the launch";
	default:
		return "";
	}
}

/* The one of the file, or one with the predicted digest; false: none is wanted. */
static bool make_id_block(struct vm *vm, struct id_block *block, struct id_auth *auth)
{
	char reason[160];

	if (vm->igvm.id_block) {
		id_block_from_igvm(vm->igvm.id_block, vm->policy, block, auth);
		return true;
	}
	if (vm->opt.no_id_block)
		return false;
	block->version = 1;
	block->policy = vm->policy;
	memcpy(block->digest, vm->opt.has_expect ? vm->opt.expect : vm->predicted.digest,
	       MEASURE_LEN);
	if (id_block_sign(block, auth, NULL, reason, sizeof(reason)))
		die(ST_FAIL, "ID block: %s", reason);
	return true;
}

/*
 * Userspace can't read the digest of an SNP guest.  Firmware compares it with the
 * one in an ID block, and refuses the launch if they differ.  Only the emulated
 * platform also shows its digest.
 */
void launch_finish(struct vm *vm)
{
	struct kvm_sev_snp_launch_finish finish = { 0 };
	static struct id_block block;
	static struct id_auth auth __attribute__((aligned(4096)));
	const char *source = vm->igvm.id_block ? "of the file" : "made for this launch";
	uint8_t shown[MEASURE_LEN];
	const uint8_t *known;
	char a[100], b[100];
	uint32_t fw_error;
	bool seen;
	int ret, err;

	finish.id_block_en = make_id_block(vm, &block, &auth);
	finish.auth_key_en = vm->igvm.id_block && vm->igvm.id_block->author_key_enabled;
	finish.id_block_uaddr = (uintptr_t)&block;
	finish.id_auth_uaddr = (uintptr_t)&auth;

	ret = sev_cmd(vm, vm->fd, KVM_SEV_SNP_LAUNCH_FINISH, &finish, &fw_error);
	err = errno;
	/* What it shows is of the last launch that came to the firmware. */
	seen = (!ret || fw_error) && platform_digest(shown);

	launch_say_digest(vm);
	if (seen)
		say("         firmware         %s\n", hex(shown, b));
	if (finish.id_block_en)
		say("         ID block         %s (%s)\n", hex(block.digest, b), source);
	vm->digest_shown = seen;
	if (seen)
		memcpy(vm->digest, shown, MEASURE_LEN);

	if (ret && fw_error == SEV_RET_BAD_MEASUREMENT)
		die(ST_DIGEST, "KVM_SEV_SNP_LAUNCH_FINISH: firmware 0xb BAD_MEASUREMENT\n"
		    "  the digest of what was launched is not the one in the ID block\n"
		    "  predicted %s\n  ID block  %s, %s\n"
		    "  compare the pages that were launched with snp-digest --explain",
		    hex(vm->predicted.digest, a), hex(block.digest, b), source);
	if (ret)
		die(ST_FAIL, "KVM_SEV_SNP_LAUNCH_FINISH: %s (errno %d), %s%s", strerror(err), err,
		    sev_error(fw_error, a, sizeof(a)), hint(fw_error));
	vm->digest_proved = finish.id_block_en;
	/* What the platform shows may be of another VM, so it judges only alone. */
	known = finish.id_block_en ? block.digest : seen ? shown : vm->predicted.digest;
	if (memcmp(known, vm->predicted.digest, MEASURE_LEN))
		die(ST_DIGEST, "the firmware has another digest than predicted\n"
		    "  predicted %s\n  firmware  %s",
		    hex(vm->predicted.digest, a), hex(known, b));
	if (finish.id_block_en)
		say("         firmware took the ID block: its digest is the predicted one\n");
	else if (!seen)
		say("         nothing proves that this is the firmware's digest: no ID block\n");
}
