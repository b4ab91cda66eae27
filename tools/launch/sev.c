// SPDX-License-Identifier: GPL-2.0
/* The commands of KVM_MEMORY_ENCRYPT_OP, and what their errors mean. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include <linux/psp-sev.h>

#include "launch.h"

/* LAUNCH_UPDATE takes pages in a row of one type in one call. */
#define BATCH_PAGES	512

int sev_cmd(struct vm *vm, int fd, uint32_t id, void *data, uint32_t *fw_error)
{
	struct kvm_sev_cmd cmd = {
		.id = id,
		.data = (uintptr_t)data,
		.sev_fd = vm->sev,
	};
	/* The number of this ioctl has the size of a long in it. */
	int ret = ioctl(fd, KVM_MEMORY_ENCRYPT_OP, &cmd);

	if (fw_error)
		*fw_error = cmd.error;
	return ret;
}

/* SEV-SNP firmware ABI, table "Status Codes" */
const char *sev_error(uint32_t fw_error, char *buf, size_t size)
{
	static const char * const names[] = {
		[SEV_RET_INVALID_PLATFORM_STATE] = "INVALID_PLATFORM_STATE",
		[SEV_RET_INVALID_GUEST_STATE] = "INVALID_GUEST_STATE",
		[SEV_RET_INAVLID_CONFIG] = "INVALID_CONFIG",
		[SEV_RET_INVALID_LEN] = "INVALID_LEN",
		[SEV_RET_ALREADY_OWNED] = "ALREADY_OWNED",
		[SEV_RET_INVALID_CERTIFICATE] = "INVALID_CERTIFICATE",
		[SEV_RET_POLICY_FAILURE] = "POLICY_FAILURE",
		[SEV_RET_INACTIVE] = "INACTIVE",
		[SEV_RET_INVALID_ADDRESS] = "INVALID_ADDRESS",
		[SEV_RET_BAD_SIGNATURE] = "BAD_SIGNATURE",
		[SEV_RET_BAD_MEASUREMENT] = "BAD_MEASUREMENT",
		[SEV_RET_ASID_OWNED] = "ASID_OWNED",
		[SEV_RET_INVALID_ASID] = "INVALID_ASID",
		[SEV_RET_WBINVD_REQUIRED] = "WBINVD_REQUIRED",
		[SEV_RET_DFFLUSH_REQUIRED] = "DFFLUSH_REQUIRED",
		[SEV_RET_INVALID_GUEST] = "INVALID_GUEST",
		[SEV_RET_INVALID_COMMAND] = "INVALID_COMMAND",
		[SEV_RET_ACTIVE] = "ACTIVE",
		[SEV_RET_HWSEV_RET_PLATFORM] = "HWERROR_PLATFORM",
		[SEV_RET_HWSEV_RET_UNSAFE] = "HWERROR_UNSAFE",
		[SEV_RET_UNSUPPORTED] = "UNSUPPORTED",
		[SEV_RET_INVALID_PARAM] = "INVALID_PARAM",
		[SEV_RET_RESOURCE_LIMIT] = "RESOURCE_LIMIT",
		[SEV_RET_SECURE_DATA_INVALID] = "SECURE_DATA_INVALID",
		[SEV_RET_INVALID_PAGE_SIZE] = "INVALID_PAGE_SIZE",
		[SEV_RET_INVALID_PAGE_STATE] = "INVALID_PAGE_STATE",
		[SEV_RET_INVALID_MDATA_ENTRY] = "INVALID_MDATA_ENTRY",
		[SEV_RET_INVALID_PAGE_OWNER] = "INVALID_PAGE_OWNER",
		[SEV_RET_AEAD_OFLOW] = "AEAD_OFLOW",
		[SEV_RET_RMP_INIT_REQUIRED] = "RMP_INIT_REQUIRED",
	};

	if (fw_error == SEV_RET_SUCCESS || fw_error == (uint32_t)SEV_RET_NO_FW_CALL)
		snprintf(buf, size, "by KVM, not by the firmware");
	else
		snprintf(buf, size, "firmware 0x%x %s", fw_error,
			 fw_error < sizeof(names) / sizeof(*names) && names[fw_error] ?
			 names[fw_error] : "(unknown)");
	return buf;
}

static void __attribute__((noreturn)) fail(const char *what, uint32_t fw_error, const char *next)
{
	char text[80];
	int err = errno;

	die(ST_FAIL, "%s: %s (errno %d), %s%s%s", what, strerror(err), err,
	    sev_error(fw_error, text, sizeof(text)), *next ? "\n  " : "", next);
}

bool sev_get_attr(struct vm *vm, uint64_t attr, uint64_t *val)
{
	struct kvm_device_attr a = {
		.group = KVM_X86_GRP_SEV,
		.attr = attr,
		.addr = (uintptr_t)val,
	};

	return !ioctl(vm->kvm, KVM_GET_DEVICE_ATTR, &a);
}

/* What host and KVM can do, before anything is made. */
void sev_open(struct vm *vm)
{
	const uint64_t want = 1u << KVM_SEV_SNP_VMSA_CREATE | 1u << KVM_SEV_SNP_VMSA_DESTROY;
	uint64_t val;
	int types;

	vm->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vm->kvm < 0)
		die(ST_HOST, "can't open /dev/kvm: %s\n  is kvm_amd loaded, and may you use it?",
		    strerror(errno));
	types = ioctl(vm->kvm, KVM_CHECK_EXTENSION, KVM_CAP_VM_TYPES);
	if (types < 0 || !(types & 1 << KVM_X86_SNP_VM))
		die(ST_HOST, "KVM has no SEV-SNP VMs: KVM_CAP_VM_TYPES is 0x%x, wanted bit %d\n"
		    "  see /sys/module/kvm_amd/parameters/sev_snp, dmesg on SEV-SNP, and the BIOS",
		    types, KVM_X86_SNP_VM);
	vm->sev = open("/dev/sev", O_RDWR | O_CLOEXEC);
	if (vm->sev < 0)
		die(ST_HOST, "can't open /dev/sev: %s\n  is ccp loaded, and are you root?",
		    strerror(errno));
	vm->has_uapi = sev_get_attr(vm, KVM_X86_SEV_SNP_VMSA, &val) && (val & want) == want;
	vm->can_build = vm->has_uapi && val >> 32 & KVM_SEV_SNP_VMSA_FLAG_FROM_VCPU;
	if (!sev_get_attr(vm, KVM_X86_SEV_VMSA_FEATURES, &val))
		val = 0;
	if (vm->sev_features & ~(val | SEV_FEAT_SNP_ACTIVE))
		die(ST_HOST, "%s: SEV_FEATURES of its VMSA are 0x%llx, KVM has 0x%llx\n"
		    "  bits that KVM lacks: 0x%llx; make the file without them", vm->opt.file,
		    (unsigned long long)vm->sev_features,
		    (unsigned long long)(val | SEV_FEAT_SNP_ACTIVE),
		    (unsigned long long)(vm->sev_features & ~(val | SEV_FEAT_SNP_ACTIVE)));
}

void sev_init(struct vm *vm)
{
	struct kvm_sev_init init = { .vmsa_features = vm->sev_features & ~SEV_FEAT_SNP_ACTIVE };
	uint32_t fw_error;

	if (sev_cmd(vm, vm->fd, KVM_SEV_INIT2, &init, &fw_error))
		fail("KVM_SEV_INIT2", fw_error, "");
}

void sev_launch_start(struct vm *vm)
{
	struct kvm_sev_snp_launch_start start = { .policy = vm->policy };
	char what[80];
	uint32_t fw_error;

	snprintf(what, sizeof(what), "KVM_SEV_SNP_LAUNCH_START with policy 0x%llx",
		 (unsigned long long)vm->policy);
	if (sev_cmd(vm, vm->fd, KVM_SEV_SNP_LAUNCH_START, &start, &fw_error))
		fail(what, fw_error, "the policy needs bit 17, bit 16 on a host with SMT, and no"
		     " bit that the host lacks");
}

/* Pages that wait for LAUNCH_UPDATE; the source has to be aligned. */
static struct {
	uint8_t bytes[BATCH_PAGES * PAGE];
	uint64_t gpa;
	unsigned int nr;
	int type;
} batch __attribute__((aligned(4096)));

static const char *hint(int type, int err, uint32_t fw_error)
{
	if (type != MEASURE_VMSA)
		return fw_error == SEV_RET_INVALID_PARAM && type == MEASURE_CPUID ?
		       "the firmware refuses the CPUID page that it corrected itself" : "";
	switch (err) {
	case ERANGE:
		return "the GPA of a VMSA must not be a multiple of 2 MiB: give it another";
	case EINVAL:
		return "SEV_FEATURES or VMPL of the VMSA are not the VM's";
	default:
		return "";
	}
}

static int update(struct vm *vm, void *page, uint32_t *fw_error)
{
	struct kvm_sev_snp_launch_update u = {
		.gfn_start = batch.gpa / PAGE,
		.uaddr = (uintptr_t)page,
		.len = batch.nr * PAGE,
		.type = batch.type,
	};
	int ret;

	/* KVM moves on in the structure when it stops half-way. */
	do
		ret = sev_cmd(vm, vm->fd, KVM_SEV_SNP_LAUNCH_UPDATE, &u, fw_error);
	while ((!ret && u.len) || (ret && errno == EAGAIN));
	return ret;
}

static void say_cpuid_fixes(struct vm *vm, const uint32_t *old, const uint32_t *new)
{
	uint32_t i, n = *old < 64 ? *old : 64;

	/* Entries of 48 bytes after 16: leaf, subleaf, ..., the registers from word 6 on */
	for (i = 0; i < n; i++) {
		const uint32_t *o = old + 4 + 12 * i, *c = new + 4 + 12 * i;

		if (!memcmp(o, c, 48))
			continue;
		vm->cpuid_fixes++;
		say("CPUID 0x%x.0x%x: 0x%x 0x%x 0x%x 0x%x, firmware wants 0x%x 0x%x 0x%x 0x%x\n",
		    o[0], o[1], o[6], o[7], o[8], o[9], c[6], c[7], c[8], c[9]);
	}
}

void sev_launch_flush(struct vm *vm)
{
	uint32_t fw_error;
	char what[120];
	int ret;

	if (!batch.nr)
		return;
	ret = update(vm, batch.bytes, &fw_error);
	if (ret && batch.type == MEASURE_CPUID && fw_error == SEV_RET_INVALID_PARAM) {
		/* KVM has copied back what the firmware would take. */
		uint32_t new[PAGE / 4];

		memcpy(new, batch.bytes, PAGE);
		vcpu_cpuid_page(vm, batch.bytes);
		say_cpuid_fixes(vm, (uint32_t *)batch.bytes, new);
		memcpy(batch.bytes, new, PAGE);
		ret = update(vm, batch.bytes, &fw_error);
	}
	if (ret) {
		snprintf(what, sizeof(what),
			 "KVM_SEV_SNP_LAUNCH_UPDATE of %u pages of type %s at 0x%llx", batch.nr,
			 measure_type_name(batch.type), (unsigned long long)batch.gpa);
		fail(what, fw_error, hint(batch.type, errno, fw_error));
	}
	vm->pages += batch.nr;
	batch.nr = 0;
}

/* One page for LAUNCH_UPDATE, in this order; NULL: zeros.  sev_launch_flush() at the end. */
void sev_launch_page(struct vm *vm, int type, uint64_t gpa, const void *page)
{
	/* Firmware reports and corrects a CPUID page, KVM judges a VMSA: one by one. */
	bool alone = type == MEASURE_CPUID || type == MEASURE_VMSA;

	if (batch.nr && (alone || batch.type != type || batch.nr == BATCH_PAGES ||
			 batch.gpa + batch.nr * PAGE != gpa))
		sev_launch_flush(vm);
	if (!batch.nr) {
		batch.gpa = gpa;
		batch.type = type;
	}
	if (page)
		memcpy(batch.bytes + batch.nr * PAGE, page, PAGE);
	else
		memset(batch.bytes + batch.nr * PAGE, 0, PAGE);
	batch.nr++;
	if (alone)
		sev_launch_flush(vm);
}

void sev_set_vmsa(struct vm *vm, struct vcpu *vcpu)
{
	struct kvm_sev_snp_set_vmsa set = { .request = KVM_SEV_SNP_VMSA_DESTROY };
	char what[100];

	if (vcpu->kind == VMSA_KVM)
		return;
	if (vcpu->kind != VMSA_NONE) {
		set.request = KVM_SEV_SNP_VMSA_CREATE;
		set.gpa = vcpu->vmsa_gpa;
		set.flags = vcpu->kind == VMSA_BUILT ? KVM_SEV_SNP_VMSA_FLAG_FROM_VCPU : 0;
		set.sev_features = vm->sev_features;
	}
	if (!sev_cmd(vm, vcpu->fd, KVM_SEV_SNP_SET_VMSA, &set, NULL))
		return;
	snprintf(what, sizeof(what), "KVM_SEV_SNP_SET_VMSA (%s 0x%llx) of vCPU %u",
		 set.gpa ? "CREATE" : "DESTROY", (unsigned long long)set.gpa, vcpu->id);
	die(ST_FAIL, "%s: %s (errno %d)%s", what, strerror(errno), errno,
	    errno == ERANGE ? "\n  the GPA of a VMSA must not be a multiple of 2 MiB" :
	    errno == EEXIST && set.flags ? "\n  a page of the file, or another VMSA, is there" :
	    errno == EEXIST ? "\n  another vCPU has a VMSA at this GPA" : "");
}

const char *sev_vmsa_state(struct vcpu *vcpu, char *buf, size_t size)
{
	static const char * const names[] = { "KVM", "NONE", "GUEST", "LOST" };
	struct kvm_sev_snp_get_vmsa get;
	const char *name;

	if (!vcpu->vm->has_uapi || sev_cmd(vcpu->vm, vcpu->fd, KVM_SEV_SNP_GET_VMSA, &get, NULL))
		return "unknown";
	name = get.state < sizeof(names) / sizeof(*names) ? names[get.state] : "?";
	if (get.gpa == KVM_SEV_SNP_VMSA_GPA_NONE)
		return name;
	snprintf(buf, size, "%s at 0x%llx", name, get.gpa);
	return buf;
}
