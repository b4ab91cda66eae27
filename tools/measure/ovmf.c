// SPDX-License-Identifier: GPL-2.0
/* OVMF images: see ovmf.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "ovmf.h"
#include "vmsa.h"

#define HASHES_PADDED	176		/* as QEMU puts it into the page */
#define SHA256_LEN	32

/* The table of GUIDs ends with the footer, this far from the end of the image. */
#define FOOTER_END	32

/* Last in an entry of the table, behind its data. */
struct entry_tail {
	uint16_t length;		/* of the whole entry */
	uint8_t guid[16];
} __attribute__((packed));

struct metadata {
	char signature[4];
	uint32_t length;
	uint32_t version;
	uint32_t nr_sections;
};

/* GUIDs as they lie in memory: the first three groups are little endian. */
#define GUID(a, b, c, ...)						\
	{ (a) & 0xff, (a) >> 8 & 0xff, (a) >> 16 & 0xff, (a) >> 24,	\
	  (b) & 0xff, (b) >> 8, (c) & 0xff, (c) >> 8, __VA_ARGS__ }

static const uint8_t guid_footer[16] =
	GUID(0x96b582deu, 0x1fb2, 0x45f7, 0xba, 0xea, 0xa3, 0x66, 0xc5, 0x5a, 0x08, 0x2d);
static const uint8_t guid_reset[16] =
	GUID(0x00f771deu, 0x1a7e, 0x4fcb, 0x89, 0x0e, 0x68, 0xc7, 0x7e, 0x2f, 0xb4, 0x4e);
static const uint8_t guid_metadata[16] =
	GUID(0xdc886566u, 0x984a, 0x4798, 0xa7, 0x5e, 0x55, 0x85, 0xa7, 0xbf, 0x67, 0xcc);
static const uint8_t guid_hashes_area[16] =
	GUID(0x7255371fu, 0x3a3b, 0x4b04, 0x92, 0x7b, 0x1d, 0xa6, 0xef, 0xa8, 0xd4, 0x54);

static const uint8_t guid_hashes[16] =
	GUID(0x9438d606u, 0x4f22, 0x4cc9, 0xb4, 0x79, 0xa7, 0x93, 0xd4, 0x11, 0xfd, 0x21);
static const uint8_t guid_cmdline[16] =
	GUID(0x97d02dd8u, 0xbd20, 0x4c94, 0xaa, 0x78, 0xe7, 0x71, 0x4d, 0x36, 0xab, 0x2a);
static const uint8_t guid_initrd[16] =
	GUID(0x44baf731u, 0x3a2f, 0x4bd7, 0x9a, 0xf1, 0x41, 0xe2, 0x91, 0x69, 0x78, 0x1d);
static const uint8_t guid_kernel[16] =
	GUID(0x4de79437u, 0xabd2, 0x427f, 0xb8, 0x35, 0xd5, 0xb1, 0x72, 0xd2, 0x04, 0x5b);

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* The table of GUIDs is [*@start, *@end) of the image, without its footer. */
static int find_table(const struct ovmf *o, size_t *start, size_t *end,
		      struct parse_error *err)
{
	struct entry_tail foot;
	size_t at = o->size - FOOTER_END - sizeof(foot);

	memcpy(&foot, o->image + at, sizeof(foot));
	if (memcmp(foot.guid, guid_footer, sizeof(foot.guid)))
		return parse_fail(err, -EINVAL, at + offsetof(struct entry_tail, guid),
				  "no table of GUIDs at the end: this is no OVMF image");
	if (foot.length < sizeof(foot) || foot.length - sizeof(foot) > at)
		return parse_fail(err, -EINVAL, at,
				  "the table of GUIDs has %u bytes, wanted %zu to %zu",
				  foot.length, sizeof(foot), at + sizeof(foot));
	*start = at - (foot.length - sizeof(foot));
	*end = at;
	return 0;
}

/*
 * The entry @guid, with at least @min bytes of data.  *@data is NULL if there
 * is none; the entries that are passed on the way are checked.
 */
static int find_entry(const struct ovmf *o, const uint8_t *guid, size_t min,
		      const uint8_t **data, struct parse_error *err)
{
	struct entry_tail tail;
	size_t start = 0, end = 0;
	int ret;

	*data = NULL;
	ret = find_table(o, &start, &end, err);
	if (ret)
		return ret;
	while (end > start) {
		if (end - start < sizeof(tail))
			return parse_fail(err, -EINVAL, start,
					  "%zu stray bytes in the table of GUIDs", end - start);
		memcpy(&tail, o->image + end - sizeof(tail), sizeof(tail));
		if (tail.length < sizeof(tail) || tail.length > end - start)
			return parse_fail(err, -EINVAL, end - sizeof(tail),
					  "entry of %u bytes in the table of GUIDs, wanted %zu to %zu",
					  tail.length, sizeof(tail), end - start);
		if (!memcmp(tail.guid, guid, sizeof(tail.guid))) {
			if (tail.length - sizeof(tail) < min)
				return parse_fail(err, -EINVAL, end - sizeof(tail),
						  "entry with %zu bytes of data, wanted at least %zu",
						  tail.length - sizeof(tail), min);
			*data = o->image + end - tail.length;
			break;
		}
		end -= tail.length;
	}
	return 0;
}

static int check_section(const struct ovmf *o, size_t i, uint64_t offset,
			 struct parse_error *err)
{
	const struct ovmf_section *s = &o->sections[i], *t;
	uint64_t limit = OVMF_END - o->size;
	bool one_page = false;

	switch (s->type) {
	case OVMF_SEC_MEM:
	case OVMF_SVSM_CAA:
	case OVMF_KERNEL_HASHES:
		break;
	case OVMF_SECRETS:
	case OVMF_CPUID:
		one_page = true;
		break;
	default:
		return parse_fail(err, -ENOTSUP, offset, "section %zu has unknown type 0x%x",
				  i, s->type);
	}
	if (s->gpa % MEASURE_PAGE || s->size % MEASURE_PAGE || !s->size)
		return parse_fail(err, -EINVAL, offset,
				  "section %zu: GPA 0x%x, size 0x%x, wanted multiples of 4096",
				  i, s->gpa, s->size);
	if (one_page && s->size != MEASURE_PAGE)
		return parse_fail(err, -EINVAL, offset,
				  "section %zu of type %u: size 0x%x, wanted one page",
				  i, s->type, s->size);
	if (s->gpa >= limit || s->size > limit - s->gpa)
		return parse_fail(err, -EINVAL, offset,
				  "section %zu: GPA 0x%x, size 0x%x reach into the image",
				  i, s->gpa, s->size);
	for (t = o->sections; t < s; t++) {
		if (t->gpa < (uint64_t)s->gpa + s->size && s->gpa < (uint64_t)t->gpa + t->size)
			return parse_fail(err, -EINVAL, offset,
					  "section %zu: GPA 0x%x, size 0x%x overlap section %zu",
					  i, s->gpa, s->size, (size_t)(t - o->sections));
		if (t->type == s->type && t->type != OVMF_SEC_MEM)
			return parse_fail(err, -EINVAL, offset,
					  "section %zu: a second one of type 0x%x", i, s->type);
	}
	if (s->type == OVMF_KERNEL_HASHES && o->hashes_gpa &&
	    (o->hashes_gpa < s->gpa || o->hashes_gpa - s->gpa >= MEASURE_PAGE ||
	     s->size - (o->hashes_gpa - s->gpa) < HASHES_PADDED))
		return parse_fail(err, -EINVAL, offset,
				  "kernel hashes at GPA 0x%x, wanted in the first page of section %zu (0x%x)",
				  o->hashes_gpa, i, s->gpa);
	return 0;
}

#define MAX_SECTIONS	64

static int parse_metadata(struct ovmf *o, struct parse_error *err)
{
	const uint8_t *data;
	struct metadata m;
	uint32_t back;
	bool place = false;
	size_t at, i;
	int ret;

	ret = find_entry(o, guid_metadata, 4, &data, err);
	if (ret)
		return ret;
	if (!data)
		return parse_fail(err, -EINVAL, o->size - FOOTER_END,
				  "no SEV metadata: this OVMF was built without SNP");
	back = get32(data);
	if (back > o->size || back < sizeof(m))
		return parse_fail(err, -EINVAL, data - o->image,
				  "SEV metadata 0x%x bytes before the end of 0x%zx bytes",
				  back, o->size);
	at = o->size - back;
	memcpy(&m, o->image + at, sizeof(m));
	if (memcmp(m.signature, "ASEV", 4))
		return parse_fail(err, -EINVAL, at,
				  "SEV metadata begin with 0x%08x, wanted \"ASEV\"",
				  get32(o->image + at));
	if (m.version != 1)
		return parse_fail(err, -ENOTSUP, at + offsetof(struct metadata, version),
				  "SEV metadata of version %u, only 1 is supported", m.version);
	if (m.nr_sections > MAX_SECTIONS)
		return parse_fail(err, -EINVAL, at + offsetof(struct metadata, nr_sections),
				  "%u sections, wanted at most %d", m.nr_sections, MAX_SECTIONS);
	if (m.length > back ||
	    m.length < sizeof(m) + m.nr_sections * sizeof(struct ovmf_section))
		return parse_fail(err, -EINVAL, at + offsetof(struct metadata, length),
				  "SEV metadata have %u bytes for %u sections, 0x%x before the end",
				  m.length, m.nr_sections, back);
	at += sizeof(m);
	o->sections = (const struct ovmf_section *)(o->image + at);
	o->nr_sections = m.nr_sections;
	for (i = 0; i < o->nr_sections; i++) {
		ret = check_section(o, i, at + i * sizeof(*o->sections), err);
		if (ret)
			return ret;
		place |= o->sections[i].type == OVMF_KERNEL_HASHES;
	}
	if (!place)
		o->hashes_gpa = 0;
	return 0;
}

int ovmf_parse(struct ovmf *ovmf, const void *image, size_t size,
	       struct parse_error *err)
{
	const uint8_t *data;
	int ret;

	memset(ovmf, 0, sizeof(*ovmf));
	ovmf->image = image;
	ovmf->size = size;
	if (!size || size % MEASURE_PAGE || size >= OVMF_END)
		return parse_fail(err, -EINVAL, 0,
				  "an image of %zu bytes, wanted a multiple of 4096 below 4 GiB",
				  size);
	ret = find_entry(ovmf, guid_reset, 4, &data, err);
	if (ret)
		return ret;
	if (data)
		ovmf->ap_eip = get32(data);
	ret = find_entry(ovmf, guid_hashes_area, 8, &data, err);
	if (ret)
		return ret;
	if (data) {
		ovmf->hashes_gpa = get32(data);
		if (ovmf->hashes_gpa && get32(data + 4) < HASHES_PADDED)
			return parse_fail(err, -EINVAL, data + 4 - ovmf->image,
					  "%u bytes for the kernel hashes, wanted at least %d",
					  get32(data + 4), HASHES_PADDED);
	}
	ret = parse_metadata(ovmf, err);
	if (ret)
		memset(ovmf, 0, sizeof(*ovmf));
	return ret;
}

static uint8_t *hash(uint8_t *p, const uint8_t *guid, const void *data, size_t size)
{
	const uint16_t length = 16 + 2 + SHA256_LEN;

	memcpy(p, guid, 16);
	memcpy(p + 16, &length, 2);
	if (!EVP_Digest(data, size, p + 18, NULL, EVP_sha256(), NULL)) {
		fprintf(stderr, "libcrypto has no SHA-256\n");
		abort();
	}
	return p + length;
}

void ovmf_hashes(uint8_t table[OVMF_HASHES_SIZE], const void *kernel,
		 size_t kernel_size, const void *initrd, size_t initrd_size,
		 const char *cmdline)
{
	const uint16_t length = OVMF_HASHES_SIZE;
	uint8_t *p = table;

	memcpy(p, guid_hashes, 16);
	memcpy(p + 16, &length, 2);
	p = hash(p + 18, guid_cmdline, cmdline, strlen(cmdline) + 1);
	p = hash(p, guid_initrd, initrd ? initrd : "", initrd_size);
	hash(p, guid_kernel, kernel, kernel_size);
}

static void measure_section(struct measure *m, const struct ovmf *o,
			    const struct ovmf_section *s, const uint8_t *hashes)
{
	uint8_t page[MEASURE_PAGE] = {};

	switch (s->type) {
	case OVMF_SECRETS:
		measure_page(m, MEASURE_SECRETS, s->gpa, NULL);
		break;
	case OVMF_CPUID:
		measure_page(m, MEASURE_CPUID, s->gpa, NULL);
		break;
	case OVMF_KERNEL_HASHES:
		if (hashes) {
			memcpy(page + (o->hashes_gpa - s->gpa), hashes, OVMF_HASHES_SIZE);
			measure_page(m, MEASURE_NORMAL, s->gpa, page);
			measure_range(m, MEASURE_NORMAL, s->gpa + MEASURE_PAGE, NULL,
				      s->size - MEASURE_PAGE);
			break;
		}
		/* fall through */
	default:
		measure_range(m, MEASURE_ZERO, s->gpa, NULL, s->size);
		break;
	}
}

/* The VMSAs that KVM makes, or those at GPAs of their own. */
static void measure_vmsas(struct measure *m, const struct ovmf *ovmf,
			  const struct ovmf_launch *launch, bool kvm)
{
	struct vmsa_initial v = {
		.signature = launch->signature,
		.sev_features = launch->sev_features,
	};
	uint8_t vmsa[VMSA_SIZE];
	unsigned int i;

	for (i = 0; i < launch->vcpus; i++) {
		uint64_t gpa = i < launch->nr_vmsa_gpas ? launch->vmsa_gpas[i] :
							  MEASURE_VMSA_KVM;

		if (gpa == MEASURE_VMSA_NONE || kvm != (gpa == MEASURE_VMSA_KVM))
			continue;
		v.eip = i ? ovmf->ap_eip : VMSA_EIP_BSP;
		vmsa_build(vmsa, &v);
		measure_page(m, MEASURE_VMSA, gpa, vmsa);
	}
}

void measure_ovmf(struct measure *m, const struct ovmf *ovmf,
		  const struct ovmf_launch *launch)
{
	size_t i;

	if (!launch->skip_image)
		measure_range(m, MEASURE_NORMAL, OVMF_END - ovmf->size, ovmf->image,
			      ovmf->size);
	for (i = 0; i < ovmf->nr_sections; i++)
		measure_section(m, ovmf, &ovmf->sections[i], launch->hashes);
	measure_vmsas(m, ovmf, launch, false);
	measure_vmsas(m, ovmf, launch, true);
}
