/* SPDX-License-Identifier: GPL-2.0 */
/*
 * IGVM, version 1: what a file says about an SEV-SNP guest.
 *
 * The structures below are those of the file: little endian, as is every host
 * that runs SNP guests.  Writers use them too.
 *
 * Source: the specification, which is the documentation of the crate igvm_defs
 * 0.4 (docs.rs/igvm_defs).  Where readers disagree, Documentation/snp-digest.rst
 * says what is done here.
 */
#ifndef MEASURE_IGVM_H
#define MEASURE_IGVM_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "parse.h"

#define IGVM_MAGIC		0x4d564749u	/* "IGVM" */
#define IGVM_VERSION_1		1
#define IGVM_PAGE_SIZE		4096u
#define IGVM_ALIGN		8u		/* of each variable header */

/* No GPA at or above this: 52 bits are the most that a processor has. */
#define IGVM_MAX_GPA		(1ull << 52)

/* Where KVM measures the VMSAs that it makes itself (LAUNCH_FINISH). */
#define IGVM_KVM_VMSA_GPA	0xfffffffff000ull

/* All parameter areas of a file together: no known file needs a hundredth. */
#define IGVM_MAX_PARAMETERS	(64ull << 20)

/*
 * Types of variable headers.  Ranges: platform 0x1-0x100, initialization
 * 0x101-0x200, directives 0x301-0x400; a range never comes back once a later
 * one has begun.  With IGVM_VHT_OPTIONAL a reader may ignore a type that it
 * does not know.
 */
enum igvm_vht {
	IGVM_VHT_SUPPORTED_PLATFORM	= 0x001,

	IGVM_VHT_GUEST_POLICY		= 0x101,
	IGVM_VHT_RELOCATABLE_REGION	= 0x102,
	IGVM_VHT_PAGE_TABLE_RELOCATION	= 0x103,
	IGVM_VHT_CORIM_DOCUMENT		= 0x104,
	IGVM_VHT_CORIM_SIGNATURE	= 0x105,
	IGVM_VHT_CCA_POLICY		= 0x106,

	IGVM_VHT_PARAMETER_AREA		= 0x301,
	IGVM_VHT_PAGE_DATA		= 0x302,
	IGVM_VHT_PARAMETER_INSERT	= 0x303,
	IGVM_VHT_VP_CONTEXT		= 0x304,
	IGVM_VHT_REQUIRED_MEMORY	= 0x305,
	IGVM_VHT_VP_COUNT		= 0x307,
	IGVM_VHT_SRAT			= 0x308,
	IGVM_VHT_MADT			= 0x309,
	IGVM_VHT_MMIO_RANGES		= 0x30a,
	IGVM_VHT_SNP_ID_BLOCK		= 0x30b,
	IGVM_VHT_MEMORY_MAP		= 0x30c,
	IGVM_VHT_ERROR_RANGE		= 0x30d,
	IGVM_VHT_COMMAND_LINE		= 0x30e,
	IGVM_VHT_SLIT			= 0x30f,
	IGVM_VHT_PPTT			= 0x310,
	IGVM_VHT_VBS_MEASUREMENT	= 0x311,
	IGVM_VHT_DEVICE_TREE		= 0x312,
	IGVM_VHT_ENVIRONMENT_INFO	= 0x313,
};

#define IGVM_VHT_OPTIONAL		(1u << 31)

#define IGVM_PLATFORM_SEV_SNP		2
#define IGVM_SEV_SNP_VERSION		1

/* Flags and types of PAGE_DATA */
#define IGVM_PAGE_2M			(1u << 0)
#define IGVM_PAGE_UNMEASURED		(1u << 1)
#define IGVM_PAGE_SHARED		(1u << 2)

enum igvm_page_type {
	IGVM_PAGE_NORMAL		= 0,
	IGVM_PAGE_SECRETS		= 1,
	IGVM_PAGE_CPUID			= 2,
	IGVM_PAGE_CPUID_XF		= 3,
};

/*
 * The file.  @checksum is the CRC32 (IEEE 802.3) of this header, with a
 * checksum of 0, and of all variable headers; see igvm_checksum().
 */
struct igvm_fixed_header {
	uint32_t magic;
	uint32_t version;
	uint32_t variable_offset;	/* multiple of 8 */
	uint32_t variable_size;		/* bytes */
	uint32_t total_size;		/* of the file, bytes */
	uint32_t checksum;
};

/* @length does not include this header, nor the zeros up to a multiple of 8. */
struct igvm_variable_header {
	uint32_t type;
	uint32_t length;
};

struct igvm_vhs_supported_platform {
	uint32_t mask;			/* one bit; later headers refer to it */
	uint8_t highest_vtl;
	uint8_t type;
	uint16_t version;
	uint64_t shared_gpa_boundary;
};

struct igvm_vhs_guest_policy {
	uint64_t policy;
	uint32_t mask;
	uint32_t reserved;
};

struct igvm_vhs_parameter_area {
	uint64_t size;			/* bytes, multiple of 4096 */
	uint32_t index;
	uint32_t file_offset;		/* 0: zeros */
};

struct igvm_vhs_page_data {
	uint64_t gpa;
	uint32_t mask;
	uint32_t file_offset;		/* 0: zeros */
	uint32_t flags;
	uint16_t type;
	uint16_t reserved;
};

struct igvm_vhs_parameter_insert {
	uint64_t gpa;
	uint32_t mask;
	uint32_t index;
};

/* The one structure whose length, 20, is no multiple of 8. */
struct igvm_vhs_vp_context {
	uint64_t gpa;
	uint32_t mask;
	uint32_t file_offset;		/* 4096 bytes: the VMSA */
	uint16_t vp_index;
	uint16_t reserved;
} __attribute__((packed));

struct igvm_vhs_required_memory {
	uint64_t gpa;
	uint32_t mask;
	uint32_t size;			/* bytes, multiple of 4096 */
	uint32_t flags;
	uint32_t reserved;
};

struct igvm_vhs_error_range {
	uint64_t gpa;
	uint32_t mask;
	uint32_t size;			/* bytes, multiple of 4096 */
};

/* VP_COUNT, MADT, MEMORY_MAP and all others that fill in a parameter area. */
struct igvm_vhs_parameter {
	uint32_t index;
	uint32_t byte_offset;
};

/* What a MEMORY_MAP parameter is an array of; the last has no pages. */
struct igvm_memory_map_entry {
	uint64_t first_page;		/* GPA / 4096 */
	uint64_t pages;
	uint16_t type;			/* 0: memory, 1: reserved by the platform */
	uint16_t flags;
	uint32_t reserved;
};

struct igvm_snp_signature {
	uint8_t r[72];
	uint8_t s[72];
};

struct igvm_snp_public_key {
	uint32_t curve;
	uint32_t reserved;
	uint8_t qx[72];
	uint8_t qy[72];
};

/*
 * ID block and ID authentication.  The policy of the ID block is that of
 * GUEST_POLICY; other fields as in the SNP firmware ABI.
 */
struct igvm_vhs_snp_id_block {
	uint32_t mask;
	uint8_t author_key_enabled;
	uint8_t reserved[3];
	uint8_t ld[48];
	uint8_t family_id[16];
	uint8_t image_id[16];
	uint32_t version;
	uint32_t guest_svn;
	uint32_t id_key_algorithm;
	uint32_t author_key_algorithm;
	struct igvm_snp_signature id_key_signature;
	struct igvm_snp_public_key id_public_key;
	struct igvm_snp_signature author_key_signature;
	struct igvm_snp_public_key author_public_key;
};

static_assert(sizeof(struct igvm_fixed_header) == 24, "IGVM fixed header");
static_assert(sizeof(struct igvm_variable_header) == 8, "IGVM variable header");
static_assert(sizeof(struct igvm_vhs_supported_platform) == 16, "IGVM 0x001");
static_assert(sizeof(struct igvm_vhs_guest_policy) == 16, "IGVM 0x101");
static_assert(sizeof(struct igvm_vhs_parameter_area) == 16, "IGVM 0x301");
static_assert(sizeof(struct igvm_vhs_page_data) == 24, "IGVM 0x302");
static_assert(sizeof(struct igvm_vhs_parameter_insert) == 16, "IGVM 0x303");
static_assert(sizeof(struct igvm_vhs_vp_context) == 20, "IGVM 0x304");
static_assert(sizeof(struct igvm_vhs_required_memory) == 24, "IGVM 0x305");
static_assert(sizeof(struct igvm_vhs_parameter) == 8, "IGVM 0x307");
static_assert(sizeof(struct igvm_vhs_error_range) == 16, "IGVM 0x30d");
static_assert(sizeof(struct igvm_memory_map_entry) == 24, "IGVM memory map");
static_assert(sizeof(struct igvm_vhs_snp_id_block) == 696, "IGVM 0x30b");

/**
 * struct igvm_directive - one step of the launch, in the order of the file
 * @type: IGVM_VHT_*, 0x301 and up, without IGVM_VHT_OPTIONAL.  It says which
 *	member of the union is valid.
 * @offset: of its variable header in the file, for messages
 * @page: PAGE_DATA: 4096 bytes at @gpa.  @data is NULL for zeros.
 * @vp: VP_CONTEXT: @vmsa has 4096 bytes.
 * @area: PARAMETER_AREA: @size bytes, multiple of 4096; @data, its first
 *	contents, is NULL for zeros.
 * @insert: PARAMETER_INSERT: @area is the directive with that area
 * @parameter: VP_COUNT to ENVIRONMENT_INFO: what the VMM writes goes to
 *	@byte_offset of @area, which is not inserted yet.  @byte_offset is within
 *	the area; that the value fits is checked for the 4-byte VP_COUNT and
 *	ENVIRONMENT_INFO, and left to the VMM for those that have no fixed size.
 * @range: REQUIRED_MEMORY and ERROR_RANGE: @size bytes, multiple of 4096
 *
 * GPAs are multiples of 4096 and below IGVM_MAX_GPA, their ends too.
 */
struct igvm_directive {
	enum igvm_vht type;
	uint32_t offset;
	union {
		struct {
			uint64_t gpa;
			const uint8_t *data;
			uint32_t flags;		/* IGVM_PAGE_*, never 2M */
			enum igvm_page_type type;
		} page;
		struct {
			uint64_t gpa;
			const uint8_t *vmsa;
			uint16_t index;
		} vp;
		struct {
			uint64_t size;
			const uint8_t *data;
			uint32_t index;
		} area;
		struct {
			uint64_t gpa;
			const struct igvm_directive *area;
		} insert;
		struct {
			const struct igvm_directive *area;
			uint32_t byte_offset;
		} parameter;
		struct {
			uint64_t gpa;
			uint32_t size;
			uint32_t flags;
		} range;
	};
};

/**
 * struct igvm - what a file says to the platform SEV-SNP
 * @directives: @nr_directives of them, in the order of the file, which is that
 *	of the measurement.  Those for other platforms only are left out, and
 *	those that mean nothing to SNP.
 * @nr_vps: VP_CONTEXTs among the directives; each has another vp_index
 * @highest_vtl: of the platform header: the VMPL of the guest's lowest layer
 * @shared_gpa_boundary: of the platform header; 0: the guest manages shared
 *	memory by itself (page state changes), as on KVM
 * @has_policy: false: the file has none, @policy is 0
 * @policy: of the guest, as in LAUNCH_START
 * @id_block: NULL: the file has none
 * @id_block_offset: of its variable header in the file, for messages
 *
 * Pointers point into the buffer that igvm_parse() was given.
 */
struct igvm {
	struct igvm_directive *directives;
	size_t nr_directives;
	size_t nr_vps;
	uint8_t highest_vtl;
	uint64_t shared_gpa_boundary;
	bool has_policy;
	uint64_t policy;
	const struct igvm_vhs_snp_id_block *id_block;
	uint32_t id_block_offset;
};

/**
 * igvm_parse - check a whole file, and take out what concerns SEV-SNP
 * @igvm: result; valid only on success, igvm_free() gives it back
 * @file: the file, @size bytes, aligned to 8 (as malloc() and mmap() give it);
 *	it must outlive @igvm, and must not change
 * @size: bytes
 * @err: filled in on failure
 *
 * Nothing is taken on trust: sizes, alignment, checksum, reserved fields,
 * order of sections, compatibility masks, indices, and that no two directives
 * put something at one GPA (but for VMSAs at IGVM_KVM_VMSA_GPA).  Headers that
 * are for other platforms only are checked as far as their length.  Memory is
 * taken in proportion to the number of headers that the file really has.
 *
 * Return: 0; -EINVAL if the file is malformed, -ENOTSUP if it needs what is not
 * supported (another version, no SEV-SNP in it, an unknown header that is not
 * optional, a 2M page); -ENOMEM.
 */
int igvm_parse(struct igvm *igvm, const void *file, size_t size,
	       struct parse_error *err);

/* Free what igvm_parse() took; not the file. */
void igvm_free(struct igvm *igvm);

/**
 * igvm_checksum - CRC32 as the fixed header must have it
 * @file: fixed header (its checksum may have any value) and, at its
 *	variable_offset, the variable headers; all of them in memory
 */
uint32_t igvm_checksum(const void *file);

/* "PAGE_DATA", or NULL for a type that is not known. */
const char *igvm_vht_name(uint32_t type);

#endif
