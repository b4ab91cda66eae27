// SPDX-License-Identifier: GPL-2.0
/* Reader of IGVM files, version 1, for SEV-SNP: see igvm.h. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "igvm.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the file is read as it is");

#define MAX_AREAS	256
#define MAX_VTL		2

enum section { PLATFORM, INITIALIZATION, DIRECTIVE };

/* All types that version 1 has. */
static const struct known {
	uint32_t type;
	const char *name;
	uint32_t length;
	int mask;		/* offset of the compatibility mask, or -1 */
} known_types[] = {
	{ IGVM_VHT_SUPPORTED_PLATFORM, "SUPPORTED_PLATFORM", 16, -1 },
	{ IGVM_VHT_GUEST_POLICY, "GUEST_POLICY", 16, 8 },
	{ IGVM_VHT_RELOCATABLE_REGION, "RELOCATABLE_REGION", 48, 0 },
	{ IGVM_VHT_PAGE_TABLE_RELOCATION, "PAGE_TABLE_RELOCATION", 32, 0 },
	{ IGVM_VHT_CORIM_DOCUMENT, "CORIM_DOCUMENT", 16, 0 },
	{ IGVM_VHT_CORIM_SIGNATURE, "CORIM_SIGNATURE", 16, 0 },
	{ IGVM_VHT_CCA_POLICY, "CCA_POLICY", 32, 0 },
	{ IGVM_VHT_PARAMETER_AREA, "PARAMETER_AREA", 16, -1 },
	{ IGVM_VHT_PAGE_DATA, "PAGE_DATA", 24, 8 },
	{ IGVM_VHT_PARAMETER_INSERT, "PARAMETER_INSERT", 16, 8 },
	{ IGVM_VHT_VP_CONTEXT, "VP_CONTEXT", 20, 8 },
	{ IGVM_VHT_REQUIRED_MEMORY, "REQUIRED_MEMORY", 24, 8 },
	{ IGVM_VHT_VP_COUNT, "VP_COUNT", 8, -1 },
	{ IGVM_VHT_SRAT, "SRAT", 8, -1 },
	{ IGVM_VHT_MADT, "MADT", 8, -1 },
	{ IGVM_VHT_MMIO_RANGES, "MMIO_RANGES", 8, -1 },
	{ IGVM_VHT_SNP_ID_BLOCK, "SNP_ID_BLOCK", 696, 0 },
	{ IGVM_VHT_MEMORY_MAP, "MEMORY_MAP", 8, -1 },
	{ IGVM_VHT_ERROR_RANGE, "ERROR_RANGE", 16, 8 },
	{ IGVM_VHT_COMMAND_LINE, "COMMAND_LINE", 8, -1 },
	{ IGVM_VHT_SLIT, "SLIT", 8, -1 },
	{ IGVM_VHT_PPTT, "PPTT", 8, -1 },
	{ IGVM_VHT_VBS_MEASUREMENT, "VBS_MEASUREMENT", 864, 0 },
	{ IGVM_VHT_DEVICE_TREE, "DEVICE_TREE", 8, -1 },
	{ IGVM_VHT_ENVIRONMENT_INFO, "ENVIRONMENT_INFO", 8, -1 },
};

static const struct known *find_known(uint32_t type)
{
	size_t i;

	for (i = 0; i < sizeof(known_types) / sizeof(*known_types); i++) {
		if (known_types[i].type == type)
			return &known_types[i];
	}
	return NULL;
}

const char *igvm_vht_name(uint32_t type)
{
	const struct known *k = find_known(type & ~IGVM_VHT_OPTIONAL);

	return k ? k->name : NULL;
}

uint32_t igvm_checksum(const void *file)
{
	struct igvm_fixed_header h;
	uLong crc;

	memcpy(&h, file, sizeof(h));
	h.checksum = 0;
	crc = crc32(0, (const Bytef *)&h, sizeof(h));
	return crc32(crc, (const Bytef *)file + h.variable_offset, h.variable_size);
}

/* Something that is put at a GPA. */
struct place {
	uint64_t gpa;
	uint64_t size;
	uint32_t offset;
};

struct area {
	const struct igvm_directive *dir;
	bool inserted;
};

struct reader {
	const uint8_t *file;
	size_t size;
	uint32_t headers;		/* first variable header */
	uint32_t data;			/* end of the variable headers */
	struct igvm *igvm;
	struct parse_error *err;

	/* the header at hand */
	const struct known *known;
	const uint8_t *body;
	uint32_t offset;

	uint32_t masks;			/* of all platforms so far */
	uint32_t snp;			/* of SEV-SNP; 0: none so far */
	struct area areas[MAX_AREAS];
	size_t nr_areas;
	uint64_t parameter_bytes;
	struct place *places;
	size_t nr_places;
	bool kvm_vmsa;
	uint8_t vps[65536 / 8];		/* bitmap of vp_index */
};

/* Refuse for a field at @field of the header at hand; its name comes first. */
#define BAD(r, field, fmt, ...)						\
	parse_fail((r)->err, -EINVAL, (r)->offset + 8 + (field), "%s: " fmt,	\
		   (r)->known->name, ##__VA_ARGS__)

/* All of it is read into a structure of our own: the file may be anywhere. */
#define READ(r, to)							\
	memcpy(to, (r)->body, sizeof(*(to)))

static int check_fixed(struct reader *r)
{
	struct igvm_fixed_header h;
	uint32_t crc;

	if (r->size < sizeof(h))
		return parse_fail(r->err, -EINVAL, r->size,
				  "the file ends within the fixed header: %zu bytes, wanted %zu",
				  r->size, sizeof(h));
	memcpy(&h, r->file, sizeof(h));
	if (h.magic != IGVM_MAGIC)
		return parse_fail(r->err, -EINVAL, 0,
				  "no IGVM file: magic 0x%08x, wanted 0x%08x (\"IGVM\")",
				  h.magic, IGVM_MAGIC);
	if (h.version != IGVM_VERSION_1)
		return parse_fail(r->err, -ENOTSUP, offsetof(typeof(h), version),
				  "format version %u, only 1 is supported", h.version);
	if (h.total_size != r->size)
		return parse_fail(r->err, -EINVAL, offsetof(typeof(h), total_size),
				  "total size is %u, but the file has %zu bytes: truncated?",
				  h.total_size, r->size);
	if (h.variable_offset < sizeof(h) || h.variable_offset % IGVM_ALIGN)
		return parse_fail(r->err, -EINVAL, offsetof(typeof(h), variable_offset),
				  "variable headers at %u, wanted a multiple of 8 from 24 on",
				  h.variable_offset);
	if (h.variable_offset > h.total_size ||
	    h.variable_size > h.total_size - h.variable_offset)
		return parse_fail(r->err, -EINVAL, offsetof(typeof(h), variable_size),
				  "%u bytes of variable headers at %u go beyond the end at %u",
				  h.variable_size, h.variable_offset, h.total_size);
	if (h.variable_size % IGVM_ALIGN)
		return parse_fail(r->err, -EINVAL, offsetof(typeof(h), variable_size),
				  "%u bytes of variable headers, wanted a multiple of 8",
				  h.variable_size);
	crc = igvm_checksum(r->file);
	if (h.checksum != crc)
		return parse_fail(r->err, -EINVAL, offsetof(typeof(h), checksum),
				  "checksum 0x%08x, but the headers have 0x%08x",
				  h.checksum, crc);

	r->headers = h.variable_offset;
	r->data = h.variable_offset + h.variable_size;
	return 0;
}

/*
 * The header at *@pos becomes the one at hand; *@pos goes on behind it.
 * r->known is NULL if it is one to be ignored.
 */
static int next_header(struct reader *r, uint32_t *pos)
{
	struct igvm_variable_header h;
	uint32_t left = r->data - *pos, padded, i;

	/* Both are multiples of 8, hence a header fits. */
	memcpy(&h, r->file + *pos, sizeof(h));
	left -= sizeof(h);
	if (h.length > left)
		return parse_fail(r->err, -EINVAL, *pos + 4,
				  "header of type 0x%x has %u bytes, but only %u are left",
				  h.type, h.length, left);
	padded = (h.length + IGVM_ALIGN - 1) & ~(IGVM_ALIGN - 1);

	r->offset = *pos;
	r->body = r->file + *pos + sizeof(h);
	r->known = find_known(h.type & ~IGVM_VHT_OPTIONAL);
	for (i = h.length; i < padded; i++) {
		if (r->body[i])
			return parse_fail(r->err, -EINVAL, *pos + sizeof(h) + i,
					  "padding of the header of type 0x%x is 0x%02x, wanted 0",
					  h.type, r->body[i]);
	}
	if (!r->known && !(h.type & IGVM_VHT_OPTIONAL))
		return parse_fail(r->err, -ENOTSUP, *pos,
				  "header of unknown type 0x%x, and it is not optional",
				  h.type);
	if (r->known && h.length != r->known->length)
		return parse_fail(r->err, -EINVAL, *pos + 4,
				  "%s: %u bytes, wanted %u", r->known->name,
				  h.length, r->known->length);
	*pos += sizeof(h) + padded;
	return 0;
}

/* Sections must come in order: none comes back once a later one has begun. */
static int check_section(struct reader *r, enum section *now)
{
	enum section s = r->known->type > 0x200 ? DIRECTIVE :
			 r->known->type > 0x100 ? INITIALIZATION : PLATFORM;
	static const char * const names[] = {
		"platform", "initialization", "directive"
	};

	if (s < *now)
		return parse_fail(r->err, -EINVAL, r->offset,
				  "%s, a header of the %s section, comes after the first %s",
				  r->known->name, names[s], names[*now]);
	*now = s;
	return 0;
}

/* Is the header at hand for SEV-SNP? 1: yes; 0: no; negative errno */
static int check_mask(struct reader *r)
{
	uint32_t mask;

	if (r->known->mask < 0)
		return 1;
	memcpy(&mask, r->body + r->known->mask, sizeof(mask));
	if (!mask || (mask & ~r->masks))
		return BAD(r, r->known->mask,
			   "compatibility mask 0x%x, the platforms so far have 0x%x",
			   mask, r->masks);
	return (mask & r->snp) != 0;
}

/* @size bytes at @file_offset, or NULL for zeros if @file_offset is 0. */
static int file_data(struct reader *r, size_t field, uint32_t file_offset,
		     uint64_t size, const uint8_t **data)
{
	*data = NULL;
	if (!file_offset)
		return 0;
	if (file_offset < r->data)
		return BAD(r, field, "its data at 0x%x lies in the headers, which end at 0x%x",
			   file_offset, r->data);
	if (file_offset > r->size || size > r->size - file_offset)
		return BAD(r, field, "its %" PRIu64 " bytes at 0x%x go beyond the end at 0x%zx",
			   size, file_offset, r->size);
	*data = r->file + file_offset;
	return 0;
}

static int check_size(struct reader *r, size_t field, uint64_t size)
{
	if (!size || size % IGVM_PAGE_SIZE)
		return BAD(r, field, "size 0x%" PRIx64 ", wanted a multiple of 4096", size);
	return 0;
}

/* GPA is the first field of all that have one. */
static int check_gpa(struct reader *r, uint64_t gpa, uint64_t size)
{
	if (gpa % IGVM_PAGE_SIZE)
		return BAD(r, 0, "GPA 0x%" PRIx64 ", wanted a multiple of 4096", gpa);
	if (gpa >= IGVM_MAX_GPA || size > IGVM_MAX_GPA - gpa)
		return BAD(r, 0, "GPA 0x%" PRIx64 " and 0x%" PRIx64 " bytes, wanted below 0x%llx",
			   gpa, size, IGVM_MAX_GPA);
	return 0;
}

static void take_place(struct reader *r, uint64_t gpa, uint64_t size)
{
	struct place *p = &r->places[r->nr_places++];

	p->gpa = gpa;
	p->size = size;
	p->offset = r->offset;
}

static int platform(struct reader *r)
{
	struct igvm_vhs_supported_platform p;

	READ(r, &p);
	if (!p.mask || (p.mask & (p.mask - 1)))
		return BAD(r, 0, "compatibility mask 0x%x, wanted one bit", p.mask);
	if (p.mask & r->masks)
		return BAD(r, 0, "compatibility mask 0x%x is that of another platform", p.mask);
	r->masks |= p.mask;
	if (p.type != IGVM_PLATFORM_SEV_SNP)
		return 0;

	if (r->snp)
		return BAD(r, offsetof(typeof(p), type), "SEV-SNP a second time");
	if (p.version != IGVM_SEV_SNP_VERSION)
		return parse_fail(r->err, -ENOTSUP,
				  r->offset + 8 + offsetof(typeof(p), version),
				  "platform SEV-SNP has version %u, only 1 is supported",
				  p.version);
	if (p.highest_vtl > MAX_VTL)
		return BAD(r, offsetof(typeof(p), highest_vtl), "VTL %u, wanted 0 to %u",
			   p.highest_vtl, MAX_VTL);
	r->snp = p.mask;
	r->igvm->highest_vtl = p.highest_vtl;
	r->igvm->shared_gpa_boundary = p.shared_gpa_boundary;
	return 0;
}

static int policy(struct reader *r)
{
	struct igvm_vhs_guest_policy p;

	READ(r, &p);
	if (p.reserved)
		return BAD(r, offsetof(typeof(p), reserved), "reserved field 0x%x, wanted 0",
			   p.reserved);
	if (r->igvm->has_policy)
		return BAD(r, 0, "a second one for SEV-SNP");
	r->igvm->has_policy = true;
	r->igvm->policy = p.policy;
	return 0;
}

static int id_block(struct reader *r)
{
	struct igvm_vhs_snp_id_block b;

	READ(r, &b);
	if (r->igvm->id_block)
		return BAD(r, 0, "a second one; the first is at 0x%x",
			   r->igvm->id_block_offset);
	if (b.author_key_enabled > 1)
		return BAD(r, offsetof(typeof(b), author_key_enabled),
			   "author key enabled is %u, wanted 0 or 1", b.author_key_enabled);
	if (b.reserved[0] || b.reserved[1] || b.reserved[2])
		return BAD(r, offsetof(typeof(b), reserved),
			   "reserved bytes %02x %02x %02x, wanted 0",
			   b.reserved[0], b.reserved[1], b.reserved[2]);
	r->igvm->id_block = (const struct igvm_vhs_snp_id_block *)r->body;
	r->igvm->id_block_offset = r->offset;
	return 0;
}

static int page_data(struct reader *r, struct igvm_directive *d)
{
	struct igvm_vhs_page_data p;
	int ret;

	READ(r, &p);
	ret = check_gpa(r, p.gpa, IGVM_PAGE_SIZE);
	if (ret)
		return ret;
	if (p.flags & ~(IGVM_PAGE_2M | IGVM_PAGE_UNMEASURED | IGVM_PAGE_SHARED))
		return BAD(r, offsetof(typeof(p), flags), "unknown flags in 0x%x", p.flags);
	if (p.flags & IGVM_PAGE_2M)
		return parse_fail(r->err, -ENOTSUP, r->offset + 8 + offsetof(typeof(p), flags),
				  "PAGE_DATA: a 2M page; readers disagree on its data, use 4K");
	if (p.type > IGVM_PAGE_CPUID_XF)
		return BAD(r, offsetof(typeof(p), type), "page type %u, wanted 0 to 3", p.type);
	if ((p.flags & IGVM_PAGE_SHARED) && p.type != IGVM_PAGE_NORMAL)
		return BAD(r, offsetof(typeof(p), flags), "a shared page of type %u, wanted 0",
			   p.type);
	if (p.reserved)
		return BAD(r, offsetof(typeof(p), reserved), "reserved field 0x%x, wanted 0",
			   p.reserved);
	ret = file_data(r, offsetof(typeof(p), file_offset), p.file_offset,
			IGVM_PAGE_SIZE, &d->page.data);
	if (ret)
		return ret;
	d->page.gpa = p.gpa;
	d->page.flags = p.flags;
	d->page.type = p.type;
	take_place(r, p.gpa, IGVM_PAGE_SIZE);
	return 0;
}

static int vp_context(struct reader *r, struct igvm_directive *d)
{
	struct igvm_vhs_vp_context v;
	int ret;

	READ(r, &v);
	ret = check_gpa(r, v.gpa, IGVM_PAGE_SIZE);
	if (ret)
		return ret;
	if (!v.file_offset)
		return BAD(r, offsetof(typeof(v), file_offset), "no data, wanted a VMSA");
	ret = file_data(r, offsetof(typeof(v), file_offset), v.file_offset,
			IGVM_PAGE_SIZE, &d->vp.vmsa);
	if (ret)
		return ret;
	if (v.reserved)
		return BAD(r, offsetof(typeof(v), reserved), "reserved field 0x%x, wanted 0",
			   v.reserved);
	if (r->vps[v.vp_index / 8] & (1u << v.vp_index % 8))
		return BAD(r, offsetof(typeof(v), vp_index), "a second one for VP %u",
			   v.vp_index);
	r->vps[v.vp_index / 8] |= 1u << v.vp_index % 8;
	d->vp.gpa = v.gpa;
	d->vp.index = v.vp_index;
	r->igvm->nr_vps++;

	/* That GPA is nowhere: KVM measures every VMSA of its own there. */
	if (v.gpa != IGVM_KVM_VMSA_GPA || !r->kvm_vmsa)
		take_place(r, v.gpa, IGVM_PAGE_SIZE);
	r->kvm_vmsa |= v.gpa == IGVM_KVM_VMSA_GPA;
	return 0;
}

static struct area *find_area(struct reader *r, uint32_t index)
{
	size_t i;

	for (i = 0; i < r->nr_areas; i++) {
		if (r->areas[i].dir->area.index == index)
			return &r->areas[i];
	}
	return NULL;
}

static int parameter_area(struct reader *r, struct igvm_directive *d)
{
	struct igvm_vhs_parameter_area a;
	int ret;

	READ(r, &a);
	ret = check_size(r, offsetof(typeof(a), size), a.size);
	if (ret)
		return ret;
	if (a.size > IGVM_MAX_PARAMETERS - r->parameter_bytes)
		return parse_fail(r->err, -ENOTSUP, r->offset + 8,
				  "PARAMETER_AREA: size 0x%" PRIx64
				  "; together, 0x%llx are supported",
				  a.size, IGVM_MAX_PARAMETERS);
	if (find_area(r, a.index))
		return BAD(r, offsetof(typeof(a), index), "a second one with index %u", a.index);
	if (r->nr_areas == MAX_AREAS)
		return parse_fail(r->err, -ENOTSUP, r->offset,
				  "PARAMETER_AREA: more than %d are not supported", MAX_AREAS);
	ret = file_data(r, offsetof(typeof(a), file_offset), a.file_offset, a.size,
			&d->area.data);
	if (ret)
		return ret;
	d->area.size = a.size;
	d->area.index = a.index;
	r->parameter_bytes += a.size;
	r->areas[r->nr_areas++].dir = d;
	return 0;
}

static int usable_area(struct reader *r, size_t field, uint32_t index,
		       struct area **area)
{
	*area = find_area(r, index);
	if (!*area)
		return BAD(r, field, "parameter area %u, and there is none so far", index);
	if ((*area)->inserted)
		return BAD(r, field, "parameter area %u is already inserted", index);
	return 0;
}

static int parameter_insert(struct reader *r, struct igvm_directive *d)
{
	struct igvm_vhs_parameter_insert p;
	struct area *area;
	int ret;

	READ(r, &p);
	ret = usable_area(r, offsetof(typeof(p), index), p.index, &area);
	if (ret)
		return ret;
	ret = check_gpa(r, p.gpa, area->dir->area.size);
	if (ret)
		return ret;
	area->inserted = true;
	d->insert.gpa = p.gpa;
	d->insert.area = area->dir;
	take_place(r, p.gpa, area->dir->area.size);
	return 0;
}

static int parameter(struct reader *r, struct igvm_directive *d)
{
	bool u32 = d->type == IGVM_VHT_VP_COUNT || d->type == IGVM_VHT_ENVIRONMENT_INFO;
	unsigned int size = u32 ? 4 : 1;
	struct igvm_vhs_parameter p;
	struct area *area;
	int ret;

	READ(r, &p);
	ret = usable_area(r, offsetof(typeof(p), index), p.index, &area);
	if (ret)
		return ret;
	if (p.byte_offset > area->dir->area.size - size)
		return BAD(r, offsetof(typeof(p), byte_offset),
			   "at offset 0x%x of parameter area %u, which has 0x%" PRIx64 " bytes",
			   p.byte_offset, p.index, area->dir->area.size);
	d->parameter.area = area->dir;
	d->parameter.byte_offset = p.byte_offset;
	return 0;
}

static int range(struct reader *r, struct igvm_directive *d)
{
	/* ERROR_RANGE is the beginning of the other. */
	struct igvm_vhs_required_memory m = {};
	int ret;

	memcpy(&m, r->body, r->known->length);
	ret = check_gpa(r, m.gpa, m.size);
	if (ret)
		return ret;
	ret = check_size(r, offsetof(typeof(m), size), m.size);
	if (ret)
		return ret;
	if (m.flags & ~1u)
		return BAD(r, offsetof(typeof(m), flags), "unknown flags in 0x%x", m.flags);
	if (m.reserved)
		return BAD(r, offsetof(typeof(m), reserved), "reserved field 0x%x, wanted 0",
			   m.reserved);
	d->range.gpa = m.gpa;
	d->range.size = m.size;
	d->range.flags = m.flags;
	if (d->type == IGVM_VHT_ERROR_RANGE)
		take_place(r, m.gpa, m.size);
	return 0;
}

/* Take in the header at hand, which is known and for SEV-SNP. */
static int header(struct reader *r)
{
	struct igvm_directive *d = &r->igvm->directives[r->igvm->nr_directives];
	int ret;

	d->type = r->known->type;
	d->offset = r->offset;
	switch (r->known->type) {
	case IGVM_VHT_GUEST_POLICY:
		return policy(r);
	case IGVM_VHT_SNP_ID_BLOCK:
		return id_block(r);
	/* Nothing is ever relocated, which a loader is free to do; the others don't load. */
	case IGVM_VHT_RELOCATABLE_REGION:
	case IGVM_VHT_PAGE_TABLE_RELOCATION:
	case IGVM_VHT_CORIM_DOCUMENT:
	case IGVM_VHT_CORIM_SIGNATURE:
	case IGVM_VHT_CCA_POLICY:
	case IGVM_VHT_VBS_MEASUREMENT:
		return 0;
	case IGVM_VHT_PAGE_DATA:
		ret = page_data(r, d);
		break;
	case IGVM_VHT_VP_CONTEXT:
		ret = vp_context(r, d);
		break;
	case IGVM_VHT_PARAMETER_AREA:
		ret = parameter_area(r, d);
		break;
	case IGVM_VHT_PARAMETER_INSERT:
		ret = parameter_insert(r, d);
		break;
	case IGVM_VHT_REQUIRED_MEMORY:
	case IGVM_VHT_ERROR_RANGE:
		ret = range(r, d);
		break;
	default:
		ret = parameter(r, d);
		break;
	}
	if (!ret)
		r->igvm->nr_directives++;
	return ret;
}

static int by_gpa(const void *a, const void *b)
{
	const struct place *p = a, *q = b;

	if (p->gpa != q->gpa)
		return p->gpa < q->gpa ? -1 : 1;
	return p->offset < q->offset ? -1 : p->offset > q->offset;
}

static int check_places(struct reader *r)
{
	size_t i;

	qsort(r->places, r->nr_places, sizeof(*r->places), by_gpa);
	for (i = 1; i < r->nr_places; i++) {
		const struct place *p = &r->places[i - 1], *q = p + 1;

		if (q->gpa - p->gpa < p->size) {
			/* The later one in the file is to blame. */
			if (q->offset < p->offset) {
				p = q;
				q = p - 1;
			}
			return parse_fail(r->err, -EINVAL, q->offset,
					  "0x%" PRIx64 " bytes at GPA 0x%" PRIx64
					  " overlap those of the header at 0x%x (at 0x%" PRIx64 ")",
					  q->size, q->gpa, p->offset, p->gpa);
		}
	}
	return 0;
}

static int parse_headers(struct reader *r)
{
	enum section section = PLATFORM;
	size_t nr = 0;
	uint32_t pos;
	int ret;

	/* What is there is known before memory is taken for it. */
	for (pos = r->headers; pos < r->data;) {
		ret = next_header(r, &pos);
		if (ret)
			return ret;
		nr += !!r->known;
	}
	/* One more: header() prepares an entry before it knows that it needs it. */
	r->igvm->directives = calloc(nr + 1, sizeof(*r->igvm->directives));
	r->places = calloc(nr + 1, sizeof(*r->places));
	if (!r->igvm->directives || !r->places)
		return parse_fail(r->err, -ENOMEM, r->headers, "no memory for %zu headers", nr);

	for (pos = r->headers; pos < r->data;) {
		ret = next_header(r, &pos);
		if (ret)
			return ret;
		if (!r->known)
			continue;
		ret = check_section(r, &section);
		if (ret)
			return ret;
		if (section == PLATFORM) {
			ret = platform(r);
		} else {
			ret = check_mask(r);
			if (ret > 0)
				ret = header(r);
		}
		if (ret)
			return ret;
	}
	if (!r->snp)
		return parse_fail(r->err, -ENOTSUP, r->headers,
				  "the file is not for SEV-SNP: no platform of type 2");
	return check_places(r);
}

int igvm_parse(struct igvm *igvm, const void *file, size_t size,
	       struct parse_error *err)
{
	struct reader *r;
	int ret;

	memset(igvm, 0, sizeof(*igvm));
	r = calloc(1, sizeof(*r));
	if (!r)
		return parse_fail(err, -ENOMEM, 0, "no memory");
	r->file = file;
	r->size = size;
	r->igvm = igvm;
	r->err = err;

	ret = check_fixed(r);
	if (!ret)
		ret = parse_headers(r);
	if (ret)
		igvm_free(igvm);
	free(r->places);
	free(r);
	return ret;
}

void igvm_free(struct igvm *igvm)
{
	free(igvm->directives);
	memset(igvm, 0, sizeof(*igvm));
}
