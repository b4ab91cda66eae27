// SPDX-License-Identifier: GPL-2.0
/* What the VMM tells the guest, in the parameter areas of the file. */
#include <stdlib.h>
#include <string.h>

#include "launch.h"

#define MAP_MEMORY	0		/* type of a memory map entry */

/* ACPI specification, "Multiple APIC Description Table" */
struct madt {
	char signature[4];
	uint32_t length;
	uint8_t revision, checksum;
	char oem_id[6], oem_table_id[8];
	uint32_t oem_revision;
	char creator_id[4];
	uint32_t creator_revision;
	uint32_t lapic_address;
	uint32_t flags;
} __attribute__((packed));

struct madt_lapic {
	uint8_t type, length, processor, apic_id;
	uint32_t flags;
} __attribute__((packed));

static_assert(sizeof(struct madt) == 44, "MADT");

/* Bytes from this parameter to the next one of its area, or to the end */
static uint64_t room(const struct vm *vm, const struct igvm_directive *d)
{
	uint64_t end = d->parameter.area->area.size;
	size_t i;

	for (i = 0; i < vm->igvm.nr_directives; i++) {
		const struct igvm_directive *e = &vm->igvm.directives[i];

		if (e->type >= IGVM_VHT_VP_COUNT && e->type != IGVM_VHT_ERROR_RANGE &&
		    e->parameter.area == d->parameter.area &&
		    e->parameter.byte_offset > d->parameter.byte_offset &&
		    e->parameter.byte_offset < end)
			end = e->parameter.byte_offset;
	}
	return end - d->parameter.byte_offset;
}

static void put(struct vm *vm, const struct igvm_directive *d, const void *data, size_t len)
{
	uint8_t *area = vm->areas[d->parameter.area - vm->igvm.directives];

	if (len > room(vm, d))
		die(ST_FILE, "%s: parameter %s at offset 0x%x has room for %llu bytes, wanted %zu",
		    vm->opt.file, igvm_vht_name(d->type), d->offset,
		    (unsigned long long)room(vm, d), len);
	memcpy(area + d->parameter.byte_offset, data, len);
}

static void put_memory_map(struct vm *vm, const struct igvm_directive *d)
{
	struct igvm_memory_map_entry map[MAX_REGIONS + 1] = { 0 };
	unsigned int i;

	for (i = 0; i < vm->nr_regions; i++)
		map[i] = (struct igvm_memory_map_entry){
			.first_page = vm->regions[i].gpa / PAGE,
			.pages = vm->regions[i].size / PAGE,
			.type = MAP_MEMORY,
		};
	put(vm, d, map, (i + 1) * sizeof(*map));
}

static void put_madt(struct vm *vm, const struct igvm_directive *d)
{
	struct {
		struct madt madt;
		struct madt_lapic lapic[MAX_VCPUS];
	} t = {
		.madt = {
			.signature = "APIC",
			.length = sizeof(t.madt) + vm->nr_vcpus * sizeof(*t.lapic),
			.revision = 1,
			.oem_id = "SNPLCH",
			.oem_table_id = "SNPLNCH",
			.creator_id = "SNPL",
			.lapic_address = 0xfee00000,
		},
	};
	uint8_t *bytes = (uint8_t *)&t, sum = 0;
	uint32_t i;

	for (i = 0; i < vm->nr_vcpus; i++)
		t.lapic[i] = (struct madt_lapic){
			.length = sizeof(*t.lapic),
			.processor = i,
			.apic_id = i,
			.flags = 1,
		};
	for (i = 0; i < t.madt.length; i++)
		sum += bytes[i];
	t.madt.checksum = -sum;
	put(vm, d, &t, t.madt.length);
}

/*
 * Fills vm->areas.  A parameter that is not listed here stays as the file has
 * it, which is zeros as a rule: Documentation/snp-launch.rst.
 */
void param_fill(struct vm *vm)
{
	const struct igvm *igvm = &vm->igvm;
	size_t i;

	vm->areas = calloc(igvm->nr_directives + 1, sizeof(*vm->areas));
	if (!vm->areas)
		die(ST_FAIL, "no memory for the parameter areas");
	for (i = 0; i < igvm->nr_directives; i++) {
		const struct igvm_directive *d = &igvm->directives[i];
		uint32_t val;

		switch (d->type) {
		case IGVM_VHT_PARAMETER_AREA:
			vm->areas[i] = calloc(1, d->area.size);
			if (!vm->areas[i])
				die(ST_FAIL, "no memory for a parameter area of %llu bytes",
				    (unsigned long long)d->area.size);
			if (d->area.data)
				memcpy(vm->areas[i], d->area.data, d->area.size);
			break;
		case IGVM_VHT_VP_COUNT:
			val = vm->nr_vcpus;
			put(vm, d, &val, sizeof(val));
			break;
		case IGVM_VHT_ENVIRONMENT_INFO:
			/* Bit 0: memory is shared unless accepted. It is private. */
			val = 0;
			put(vm, d, &val, sizeof(val));
			break;
		case IGVM_VHT_COMMAND_LINE:
			put(vm, d, vm->opt.append, strlen(vm->opt.append) + 1);
			break;
		case IGVM_VHT_MEMORY_MAP:
			put_memory_map(vm, d);
			break;
		case IGVM_VHT_MADT:
			put_madt(vm, d);
			break;
		default:
			break;
		}
	}
}
