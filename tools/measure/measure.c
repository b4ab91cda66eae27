// SPDX-License-Identifier: GPL-2.0
/* Launch digest of an SEV-SNP guest: see measure.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "measure.h"

/* PAGE_INFO; all little endian. */
struct page_info {
	uint8_t digest_cur[MEASURE_LEN];
	uint8_t contents[MEASURE_LEN];
	uint16_t length;
	uint8_t page_type;
	uint8_t imi_page;
	uint8_t vmpl3_perms;
	uint8_t vmpl2_perms;
	uint8_t vmpl1_perms;
	uint8_t reserved;
	uint64_t gpa;
};

static_assert(sizeof(struct page_info) == 0x70, "PAGE_INFO");

static const char * const type_names[] = {
	[MEASURE_NORMAL] = "normal",
	[MEASURE_VMSA] = "vmsa",
	[MEASURE_ZERO] = "zero",
	[MEASURE_UNMEASURED] = "unmeasured",
	[MEASURE_SECRETS] = "secrets",
	[MEASURE_CPUID] = "cpuid",
};

const char *measure_type_name(unsigned int type)
{
	return type < sizeof(type_names) / sizeof(*type_names) ? type_names[type] : NULL;
}

static void sha384(const void *data, size_t size, uint8_t *out)
{
	/* It takes a broken libcrypto to fail, and then no digest is better than one. */
	if (!EVP_Digest(data, size, out, NULL, EVP_sha384(), NULL)) {
		fprintf(stderr, "libcrypto has no SHA-384\n");
		abort();
	}
}

void measure_page(struct measure *m, enum measure_type type, uint64_t gpa,
		  const void *page)
{
	static const uint8_t zeros[MEASURE_PAGE];
	struct page_info info = {
		.length = sizeof(info),
		.page_type = type,
		/* KVM sets neither IMI nor permissions of lower VMPLs. */
		.gpa = gpa,
	};

	if (type == MEASURE_NORMAL || type == MEASURE_VMSA)
		sha384(page ? page : zeros, MEASURE_PAGE, info.contents);
	memcpy(info.digest_cur, m->digest, MEASURE_LEN);
	sha384(&info, sizeof(info), m->digest);

	if (m->trace) {
		struct measure_record rec = {
			.index = m->pages,
			.type = type,
			.gpa = gpa,
		};

		memcpy(rec.contents, info.contents, MEASURE_LEN);
		memcpy(rec.digest, m->digest, MEASURE_LEN);
		m->trace(m->trace_arg, &rec);
	}
	m->pages++;
}

void measure_range(struct measure *m, enum measure_type type, uint64_t gpa,
		   const void *data, uint64_t size)
{
	const uint8_t *p = data;
	uint64_t off;

	for (off = 0; off < size; off += MEASURE_PAGE)
		measure_page(m, type, gpa + off, p ? p + off : NULL);
}

static void igvm_page(struct measure *m, const struct igvm_directive *d,
		      bool empty_is_zero)
{
	enum measure_type type;

	if (d->page.flags & IGVM_PAGE_SHARED)
		return;
	if (d->page.type == IGVM_PAGE_SECRETS)
		type = MEASURE_SECRETS;
	else if (d->page.type != IGVM_PAGE_NORMAL)
		type = MEASURE_CPUID;
	else if (d->page.flags & IGVM_PAGE_UNMEASURED)
		type = MEASURE_UNMEASURED;
	else if (!d->page.data && empty_is_zero)
		type = MEASURE_ZERO;
	else
		type = MEASURE_NORMAL;
	measure_page(m, type, d->page.gpa, d->page.data);
}

static int by_vp_index(const void *a, const void *b)
{
	const struct igvm_directive * const *p = a, * const *q = b;

	return (int)(*p)->vp.index - (int)(*q)->vp.index;
}

int measure_igvm(struct measure *m, const struct igvm *igvm,
		 const struct measure_igvm_opts *opts)
{
	static const struct measure_igvm_opts none;
	const struct igvm_directive **late;
	size_t i, nr_vps = 0, nr_late = 0;

	if (!opts)
		opts = &none;
	late = calloc(igvm->nr_vps + 1, sizeof(*late));
	if (!late)
		return -ENOMEM;

	for (i = 0; i < igvm->nr_directives; i++) {
		const struct igvm_directive *d = &igvm->directives[i];
		uint64_t gpa;

		switch (d->type) {
		case IGVM_VHT_PAGE_DATA:
			igvm_page(m, d, opts->empty_is_zero);
			break;
		case IGVM_VHT_PARAMETER_INSERT:
			measure_range(m, MEASURE_UNMEASURED, d->insert.gpa, NULL,
				      d->insert.area->area.size);
			break;
		case IGVM_VHT_VP_CONTEXT:
			gpa = nr_vps < opts->nr_vmsa_gpas ? opts->vmsa_gpas[nr_vps] : d->vp.gpa;
			nr_vps++;
			if (gpa == MEASURE_VMSA_KVM)
				late[nr_late++] = d;
			else if (gpa != MEASURE_VMSA_NONE)
				measure_page(m, MEASURE_VMSA, gpa, d->vp.vmsa);
			break;
		default:
			break;
		}
	}
	qsort(late, nr_late, sizeof(*late), by_vp_index);
	for (i = 0; i < nr_late; i++)
		measure_page(m, MEASURE_VMSA, MEASURE_VMSA_KVM, late[i]->vp.vmsa);
	free(late);
	return 0;
}
