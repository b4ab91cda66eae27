/* SPDX-License-Identifier: GPL-2.0 */
/* Small IGVM files and OVMF images for the tests and for the fuzzers' first corpus. */
#ifndef MEASURE_TESTS_BUILD_H
#define MEASURE_TESTS_BUILD_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "igvm.h"
#include "ovmf.h"

/*
 * IGVM: headers one after the other, then data; build_finish() puts the fixed
 * header in front.  Data offsets are known only then: a header that has data
 * is given build_data()'s index + 1, and where its file_offset is.
 */
struct build {
	uint8_t *headers;
	uint32_t headers_size;
	uint8_t *data;
	uint32_t data_size;
	struct fixup {
		uint32_t at;	/* of a file_offset in the headers */
		uint32_t data;	/* offset in the data */
	} fixups[64];
	int nr_fixups;
	uint8_t *file;
	size_t size;
};

/* Returns where the header will be in the file. */
static inline uint32_t build_header(struct build *b, uint32_t type, const void *body,
				    uint32_t length)
{
	struct igvm_variable_header h = { type, length };
	uint32_t at = b->headers_size, padded = (length + 7) & ~7u;

	b->headers = realloc(b->headers, at + sizeof(h) + padded);
	if (!b->headers)
		abort();
	memset(b->headers + at, 0, sizeof(h) + padded);
	memcpy(b->headers + at, &h, sizeof(h));
	memcpy(b->headers + at + sizeof(h), body, length);
	b->headers_size += sizeof(h) + padded;
	return sizeof(struct igvm_fixed_header) + at;
}

/* @size bytes of @fill; the field @field of the header at @header points there. */
static inline void build_data(struct build *b, uint32_t header, size_t field, int fill,
			      uint32_t size)
{
	b->data = realloc(b->data, b->data_size + size);
	if (!b->data || b->nr_fixups == 64)
		abort();
	memset(b->data + b->data_size, fill, size);
	b->fixups[b->nr_fixups].at = header - sizeof(struct igvm_fixed_header) + 8 + field;
	b->fixups[b->nr_fixups++].data = b->data_size;
	b->data_size += size;
}

static inline uint32_t build_platform(struct build *b, uint32_t mask, uint8_t type)
{
	struct igvm_vhs_supported_platform p = { .mask = mask, .type = type, .version = 1 };

	return build_header(b, IGVM_VHT_SUPPORTED_PLATFORM, &p, sizeof(p));
}

static inline uint32_t build_policy(struct build *b, uint32_t mask, uint64_t policy)
{
	struct igvm_vhs_guest_policy p = { .policy = policy, .mask = mask };

	return build_header(b, IGVM_VHT_GUEST_POLICY, &p, sizeof(p));
}

/* With @fill < 0, a page without data. */
static inline uint32_t build_page(struct build *b, uint32_t mask, uint64_t gpa, uint16_t type,
				  uint32_t flags, int fill)
{
	struct igvm_vhs_page_data p = {
		.gpa = gpa, .mask = mask, .flags = flags, .type = type,
	};
	uint32_t at = build_header(b, IGVM_VHT_PAGE_DATA, &p, sizeof(p));

	if (fill >= 0)
		build_data(b, at, offsetof(struct igvm_vhs_page_data, file_offset), fill, 4096);
	return at;
}

static inline uint32_t build_vp(struct build *b, uint32_t mask, uint64_t gpa, uint16_t index,
				int fill)
{
	struct igvm_vhs_vp_context v = { .gpa = gpa, .mask = mask, .vp_index = index };
	uint32_t at = build_header(b, IGVM_VHT_VP_CONTEXT, &v, sizeof(v));

	if (fill >= 0)
		build_data(b, at, offsetof(struct igvm_vhs_vp_context, file_offset), fill, 4096);
	return at;
}

static inline uint32_t build_area(struct build *b, uint32_t index, uint64_t size, int fill)
{
	struct igvm_vhs_parameter_area a = { .size = size, .index = index };
	uint32_t at = build_header(b, IGVM_VHT_PARAMETER_AREA, &a, sizeof(a));

	if (fill >= 0)
		build_data(b, at, offsetof(struct igvm_vhs_parameter_area, file_offset), fill,
			   size);
	return at;
}

static inline uint32_t build_insert(struct build *b, uint32_t mask, uint64_t gpa, uint32_t index)
{
	struct igvm_vhs_parameter_insert p = { .gpa = gpa, .mask = mask, .index = index };

	return build_header(b, IGVM_VHT_PARAMETER_INSERT, &p, sizeof(p));
}

static inline uint32_t build_parameter(struct build *b, uint32_t type, uint32_t index,
				       uint32_t byte_offset)
{
	struct igvm_vhs_parameter p = { .index = index, .byte_offset = byte_offset };

	return build_header(b, type, &p, sizeof(p));
}

static inline uint32_t build_required(struct build *b, uint32_t mask, uint64_t gpa, uint32_t size)
{
	struct igvm_vhs_required_memory m = { .gpa = gpa, .mask = mask, .size = size };

	return build_header(b, IGVM_VHT_REQUIRED_MEMORY, &m, sizeof(m));
}

static inline uint32_t build_error_range(struct build *b, uint32_t mask, uint64_t gpa,
					 uint32_t size)
{
	struct igvm_vhs_error_range e = { .gpa = gpa, .mask = mask, .size = size };

	return build_header(b, IGVM_VHT_ERROR_RANGE, &e, sizeof(e));
}

static inline uint32_t build_id_block(struct build *b, uint32_t mask, const uint8_t *ld)
{
	struct igvm_vhs_snp_id_block id = { .mask = mask, .version = 1 };

	if (ld)
		memcpy(id.ld, ld, sizeof(id.ld));
	return build_header(b, IGVM_VHT_SNP_ID_BLOCK, &id, sizeof(id));
}

/* The checksum, after the file was changed by hand. */
static inline void build_checksum(struct build *b)
{
	uint32_t crc = igvm_checksum(b->file);

	memcpy(b->file + offsetof(struct igvm_fixed_header, checksum), &crc, 4);
}

static inline void build_finish(struct build *b)
{
	struct igvm_fixed_header h = {
		.magic = IGVM_MAGIC,
		.version = 1,
		.variable_offset = sizeof(h),
		.variable_size = b->headers_size,
		.total_size = sizeof(h) + b->headers_size + b->data_size,
	};
	int i;

	for (i = 0; i < b->nr_fixups; i++) {
		uint32_t offset = sizeof(h) + b->headers_size + b->fixups[i].data;

		memcpy(b->headers + b->fixups[i].at, &offset, 4);
	}
	b->size = h.total_size;
	b->file = malloc(b->size);
	if (!b->file)
		abort();
	memcpy(b->file, &h, sizeof(h));
	if (b->headers_size)
		memcpy(b->file + sizeof(h), b->headers, b->headers_size);
	if (b->data_size)
		memcpy(b->file + sizeof(h) + b->headers_size, b->data, b->data_size);
	build_checksum(b);
}

static inline void build_free(struct build *b)
{
	free(b->headers);
	free(b->data);
	free(b->file);
	memset(b, 0, sizeof(*b));
}

/* One of everything, for SEV-SNP (mask 1) and TDX (mask 2). */
static inline void build_all(struct build *b)
{
	build_platform(b, 1, IGVM_PLATFORM_SEV_SNP);
	build_platform(b, 2, 3);
	build_policy(b, 1, 0x30000);
	build_policy(b, 2, 0);
	build_area(b, 0, 0x2000, -1);
	build_area(b, 7, 0x1000, 0x77);
	build_parameter(b, IGVM_VHT_VP_COUNT, 0, 0);
	build_parameter(b, IGVM_VHT_MEMORY_MAP, 0, 0x1000);
	build_page(b, 3, 0x100000, IGVM_PAGE_NORMAL, 0, 0xf4);
	build_page(b, 1, 0x101000, IGVM_PAGE_NORMAL, 0, -1);
	build_page(b, 1, 0x102000, IGVM_PAGE_NORMAL, IGVM_PAGE_UNMEASURED, 0x11);
	build_page(b, 1, 0x103000, IGVM_PAGE_SECRETS, 0, -1);
	build_page(b, 1, 0x104000, IGVM_PAGE_CPUID, 0, 0x22);
	build_page(b, 1, 0x105000, IGVM_PAGE_CPUID_XF, 0, -1);
	build_page(b, 1, 0x106000, IGVM_PAGE_NORMAL, IGVM_PAGE_SHARED, 0x33);
	build_page(b, 2, 0x100000, IGVM_PAGE_NORMAL, 0, 0x44);
	build_insert(b, 1, 0x200000, 0);
	build_insert(b, 1, 0x203000, 7);
	build_required(b, 1, 0x100000, 0x200000);
	build_error_range(b, 1, 0x300000, 0x1000);
	build_vp(b, 1, 0x400000, 0, 0x55);
	build_vp(b, 1, IGVM_KVM_VMSA_GPA, 2, 0x66);
	build_vp(b, 1, IGVM_KVM_VMSA_GPA, 1, 0x67);
	build_id_block(b, 1, NULL);
	build_finish(b);
}

/*
 * OVMF: one page, the last of an image.
 */

#define IMAGE_SIZE	4096

static const struct ovmf_section image_sections[] = {
	{ 0x800000, 0x9000, OVMF_SEC_MEM },
	{ 0x80a000, 0x3000, OVMF_SEC_MEM },
	{ 0x80d000, 0x1000, OVMF_SECRETS },
	{ 0x80e000, 0x1000, OVMF_CPUID },
	{ 0x80f000, 0x1000, OVMF_SVSM_CAA },
	{ 0x810000, 0x1000, OVMF_KERNEL_HASHES },
	{ 0x811000, 0xf000, OVMF_SEC_MEM },
};

#define IMAGE_AP_EIP	0x80b004
#define IMAGE_HASHES	0x810c00

/* Offsets in the image, for those who break it. */
struct image {
	uint8_t page[IMAGE_SIZE];
	size_t footer;		/* of the length before the footer's GUID */
	size_t reset;		/* of the data of each entry */
	size_t hashes;
	size_t metadata;
	size_t sections;	/* of the metadata themselves */
};

static inline void image_guid(uint8_t *p, const char *s)
{
	static const int order[16] = {
		6, 4, 2, 0, 11, 9, 16, 14, 19, 21, 24, 26, 28, 30, 32, 34
	};
	int i;

	for (i = 0; i < 16; i++) {
		char byte[3] = { s[order[i]], s[order[i] + 1], 0 };

		p[i] = strtoul(byte, NULL, 16);
	}
}

/* Writes an entry so that it ends at @end; returns where its data are. */
static inline size_t image_entry(struct image *im, size_t end, const char *guid, const void *data,
				 size_t size)
{
	uint16_t length = size + 18;

	image_guid(im->page + end - 16, guid);
	memcpy(im->page + end - 18, &length, 2);
	memcpy(im->page + end - length, data, size);
	return end - length;
}

/*
 * The metadata of the OVMF that the vectors of virtee/sev-snp-measure are about;
 * @nr of its sections.
 */
static inline void image_build(struct image *im, size_t nr)
{
	uint32_t meta[4] = { 0, 16 + nr * sizeof(*image_sections), 1, nr };
	uint32_t reset = IMAGE_AP_EIP, area[2] = { IMAGE_HASHES, 0x400 }, back;
	size_t end;
	uint16_t length;

	memset(im, 0, sizeof(*im));
	memcpy(meta, "ASEV", 4);
	im->sections = 0x800;
	memcpy(im->page + im->sections, meta, sizeof(meta));
	memcpy(im->page + im->sections + sizeof(meta), image_sections,
	       nr * sizeof(*image_sections));
	back = IMAGE_SIZE - im->sections;

	im->footer = IMAGE_SIZE - 32 - 18;
	image_guid(im->page + im->footer + 2, "96b582de-1fb2-45f7-baea-a366c55a082d");
	end = im->footer;
	end = im->reset = image_entry(im, end, "00f771de-1a7e-4fcb-890e-68c77e2fb44e", &reset, 4);
	end = im->hashes = image_entry(im, end, "7255371f-3a3b-4b04-927b-1da6efa8d454", area, 8);
	end = im->metadata = image_entry(im, end, "dc886566-984a-4798-a75e-5585a7bf67cc", &back, 4);
	length = im->footer - end + 18;
	memcpy(im->page + im->footer, &length, 2);
}

#endif
