// SPDX-License-Identifier: GPL-2.0
/* Memory of the guest: private in guest_memfd, shared in anonymous memory. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "launch.h"

/* Memslots in whole 2 MiB: guest_memfd and KVM may then use what they like. */
#define ALIGN_2M	(2ull << 20)

static void add(struct vm *vm, uint64_t gpa, uint64_t size)
{
	uint64_t end = (gpa + size + ALIGN_2M - 1) & ~(ALIGN_2M - 1);
	struct region *r = vm->regions;
	unsigned int i;

	gpa &= ~(ALIGN_2M - 1);
	/* Whatever touches the new one becomes part of it. */
	for (i = 0; i < vm->nr_regions;) {
		if (r[i].gpa > end || r[i].gpa + r[i].size < gpa) {
			i++;
			continue;
		}
		if (r[i].gpa < gpa)
			gpa = r[i].gpa;
		if (r[i].gpa + r[i].size > end)
			end = r[i].gpa + r[i].size;
		r[i] = r[--vm->nr_regions];
	}
	if (vm->nr_regions == MAX_REGIONS)
		die(ST_FILE, "%s: memory in more than %d places", vm->opt.file, MAX_REGIONS);
	r[vm->nr_regions++] = (struct region){ .gpa = gpa, .size = end - gpa, .gmem = -1 };
}

static int by_gpa(const void *a, const void *b)
{
	const struct region *p = a, *q = b;

	return p->gpa < q->gpa ? -1 : p->gpa > q->gpa;
}

/* What the file puts somewhere or requires, and --memory. */
void memory_plan(struct vm *vm)
{
	size_t i;

	if (vm->opt.memory)
		add(vm, 0, vm->opt.memory);
	for (i = 0; i < vm->igvm.nr_directives; i++) {
		const struct igvm_directive *d = &vm->igvm.directives[i];

		switch (d->type) {
		case IGVM_VHT_PAGE_DATA:
			add(vm, d->page.gpa, PAGE);
			break;
		case IGVM_VHT_PARAMETER_INSERT:
			add(vm, d->insert.gpa, d->insert.area->area.size);
			break;
		case IGVM_VHT_REQUIRED_MEMORY:
			add(vm, d->range.gpa, d->range.size);
			break;
		case IGVM_VHT_VP_CONTEXT:
			if (d->vp.gpa != IGVM_KVM_VMSA_GPA)
				add(vm, d->vp.gpa, PAGE);
			break;
		default:
			break;
		}
	}
	qsort(vm->regions, vm->nr_regions, sizeof(*vm->regions), by_gpa);
}

static int set_attributes(struct vm *vm, uint64_t gpa, uint64_t size, bool private)
{
	struct kvm_memory_attributes attr = {
		.address = gpa,
		.size = size,
		.attributes = private ? KVM_MEMORY_ATTRIBUTE_PRIVATE : 0,
	};

	return ioctl(vm->fd, KVM_SET_MEMORY_ATTRIBUTES, &attr);
}

/* All of it begins as private. */
void memory_create(struct vm *vm)
{
	unsigned int i;

	for (i = 0; i < vm->nr_regions; i++) {
		struct region *r = &vm->regions[i];
		struct kvm_create_guest_memfd gmem = { .size = r->size };
		struct kvm_userspace_memory_region2 slot = {
			.slot = i,
			.flags = KVM_MEM_GUEST_MEMFD,
			.guest_phys_addr = r->gpa,
			.memory_size = r->size,
		};
		unsigned long long from = r->gpa, to = r->gpa + r->size;

		r->gmem = ioctl(vm->fd, KVM_CREATE_GUEST_MEMFD, &gmem);
		if (r->gmem < 0)
			die(ST_FAIL, "KVM_CREATE_GUEST_MEMFD of 0x%llx bytes: %s",
			    (unsigned long long)r->size, strerror(errno));
		r->shared = mmap(NULL, r->size, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (r->shared == MAP_FAILED)
			die(ST_FAIL, "mmap() of 0x%llx bytes: %s", (unsigned long long)r->size,
			    strerror(errno));
		slot.userspace_addr = (uintptr_t)r->shared;
		slot.guest_memfd = r->gmem;
		if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION2, &slot))
			die(ST_FAIL, "KVM_SET_USER_MEMORY_REGION2 of 0x%llx to 0x%llx: %s\n"
			    "  is the address within what the processor can address?", from, to,
			    strerror(errno));
		if (set_attributes(vm, r->gpa, r->size, true))
			die(ST_FAIL, "KVM_SET_MEMORY_ATTRIBUTES of 0x%llx to 0x%llx: %s", from, to,
			    strerror(errno));
	}
}

/* The region that has all of this, or NULL */
struct region *memory_find(struct vm *vm, uint64_t gpa, uint64_t size)
{
	unsigned int i;

	for (i = 0; i < vm->nr_regions; i++) {
		struct region *r = &vm->regions[i];

		if (gpa >= r->gpa && gpa - r->gpa < r->size && size <= r->size - (gpa - r->gpa))
			return r;
	}
	return NULL;
}

/*
 * The guest, or an access of it, wants these pages private or shared.  What was
 * there before is given back, on the other side: the guest asked for that.
 * Returns 0, -ENXIO if there is no such memory, or what KVM says.  Caller holds
 * vm->lock once the guest runs.
 */
int memory_convert(struct vm *vm, uint64_t gpa, uint64_t size, bool private)
{
	struct region *r = memory_find(vm, gpa, size);
	int ret;

	if (!r || gpa % PAGE || size % PAGE || !size)
		return -ENXIO;
	if (set_attributes(vm, gpa, size, private))
		return -errno;
	if (private)
		ret = madvise(r->shared + (gpa - r->gpa), size, MADV_DONTNEED);
	else
		ret = fallocate(r->gmem, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				gpa - r->gpa, size);
	return ret ? -errno : 0;
}
