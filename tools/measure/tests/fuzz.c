// SPDX-License-Identifier: GPL-2.0
/*
 * The readers under libFuzzer, where TARGET is which of the three, or over a
 * corpus (replay.c).
 *
 * What a reader takes must keep what its header promises; what it refuses must
 * have a reason, and an offset that is in the file.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "igvm.h"
#include "measure.h"
#include "ovmf.h"
#include "pages.h"

#define CHECK(c) do { if (!(c)) abort(); } while (0)

/* Enough to see that measuring works, without spending the time on SHA-384. */
#define MAX_PAGES	64

static uint8_t sum;

/* Every byte must be there: it is ASan that checks. */
static void touch(const uint8_t *p, uint64_t size)
{
	sum += p[0] + p[size - 1];
}

static void check_refusal(int ret, const struct parse_error *err, uint64_t size)
{
	CHECK(ret == -EINVAL || ret == -ENOTSUP);
	CHECK(err->offset <= size);
	CHECK(*err->reason && strlen(err->reason) < sizeof(err->reason));
	CHECK(!strchr(err->reason, '\n'));
}

static void check_gpa(uint64_t gpa, uint64_t size)
{
	CHECK(gpa % 4096 == 0 && size && size % 4096 == 0);
	CHECK(gpa < IGVM_MAX_GPA && gpa + size <= IGVM_MAX_GPA);
}

static void check_area(const struct igvm *igvm, const struct igvm_directive *d,
		       const struct igvm_directive *area)
{
	CHECK(area >= igvm->directives && area < d);
	CHECK(area->type == IGVM_VHT_PARAMETER_AREA);
}

void fuzz_igvm(const uint8_t *data, size_t size)
{
	uint64_t pages = 0;
	struct parse_error err = {};
	struct measure m = {};
	struct igvm igvm;
	size_t i, vps = 0;
	int ret;

	ret = igvm_parse(&igvm, data, size, &err);
	if (ret) {
		check_refusal(ret, &err, size);
		return;
	}
	for (i = 0; i < igvm.nr_directives; i++) {
		const struct igvm_directive *d = &igvm.directives[i];

		CHECK(igvm_vht_name(d->type) && d->type > 0x300);
		CHECK(d->offset >= 24 && d->offset < size);
		CHECK(!i || d->offset > d[-1].offset);
		switch (d->type) {
		case IGVM_VHT_PAGE_DATA:
			check_gpa(d->page.gpa, 4096);
			CHECK(!(d->page.flags & IGVM_PAGE_2M));
			if (d->page.data)
				touch(d->page.data, 4096);
			pages++;
			break;
		case IGVM_VHT_VP_CONTEXT:
			check_gpa(d->vp.gpa, 4096);
			touch(d->vp.vmsa, 4096);
			vps++;
			pages++;
			break;
		case IGVM_VHT_PARAMETER_AREA:
			check_gpa(0, d->area.size);
			if (d->area.data)
				touch(d->area.data, d->area.size);
			break;
		case IGVM_VHT_PARAMETER_INSERT:
			check_area(&igvm, d, d->insert.area);
			check_gpa(d->insert.gpa, d->insert.area->area.size);
			pages += d->insert.area->area.size / 4096;
			break;
		case IGVM_VHT_REQUIRED_MEMORY:
		case IGVM_VHT_ERROR_RANGE:
			check_gpa(d->range.gpa, d->range.size);
			break;
		default:
			check_area(&igvm, d, d->parameter.area);
			CHECK(d->parameter.byte_offset < d->parameter.area->area.size);
			break;
		}
	}
	CHECK(vps == igvm.nr_vps);
	if (igvm.id_block)
		touch((const uint8_t *)igvm.id_block, sizeof(*igvm.id_block));
	if (pages <= MAX_PAGES) {
		CHECK(!measure_igvm(&m, &igvm, NULL));
		CHECK(m.pages <= pages);
	}
	igvm_free(&igvm);
}

void fuzz_ovmf(const uint8_t *data, size_t size)
{
	struct ovmf_launch launch = { .vcpus = 2, .skip_image = true };
	struct parse_error err = {};
	struct measure m = {};
	uint64_t pages = 0;
	struct ovmf o;
	size_t i;
	int ret;

	ret = ovmf_parse(&o, data, size, &err);
	if (ret) {
		check_refusal(ret, &err, size);
		return;
	}
	for (i = 0; i < o.nr_sections; i++) {
		check_gpa(o.sections[i].gpa, o.sections[i].size);
		CHECK((uint64_t)o.sections[i].gpa + o.sections[i].size <= OVMF_END - size);
		pages += o.sections[i].size / 4096;
	}
	if (pages <= MAX_PAGES) {
		uint8_t hashes[OVMF_HASHES_SIZE] = {};

		if (o.hashes_gpa)
			launch.hashes = hashes;
		measure_ovmf(&m, &o, &launch);
		CHECK(m.pages == pages + 2);
	}
}

void fuzz_pages(const uint8_t *data, size_t size)
{
	struct pages p = { .text = (const char *)data, .size = size };
	struct parse_error err = {};
	struct pages_entry e;
	unsigned int line = 0;
	int ret;

	while ((ret = pages_next(&p, &e, &err)) > 0) {
		CHECK(p.line > line);
		line = p.line;
		CHECK(measure_type_name(e.type));
		check_gpa(e.gpa, 4096);
		CHECK(!e.content == !e.content_len);
		if (e.content) {
			touch((const uint8_t *)e.content, e.content_len);
			CHECK(!memchr(e.content, 0, e.content_len));
			CHECK(!memchr(e.content, '\n', e.content_len));
		}
	}
	if (ret)
		check_refusal(ret, &err, size);
}

#ifdef TARGET
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	TARGET(data, size);
	return 0;
}
#endif
