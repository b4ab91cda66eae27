/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Launch digest of an SEV-SNP guest, predicted.
 *
 * Written from the manual on its own, and shares no code with the emulated
 * firmware (tools/platform/hw-i386-snp/digest.c) or the KVM selftests: that
 * they agree means something.
 *
 * Source: SEV-SNP firmware ABI 56860, SNP_LAUNCH_UPDATE, structure PAGE_INFO.
 */
#ifndef MEASURE_MEASURE_H
#define MEASURE_MEASURE_H

#include <stddef.h>
#include <stdint.h>

#include "igvm.h"

#define MEASURE_LEN		48		/* SHA-384 */
#define MEASURE_PAGE		4096u

/* PAGE_TYPE of SNP_LAUNCH_UPDATE */
enum measure_type {
	MEASURE_NORMAL		= 1,
	MEASURE_VMSA		= 2,
	MEASURE_ZERO		= 3,
	MEASURE_UNMEASURED	= 4,
	MEASURE_SECRETS		= 5,
	MEASURE_CPUID		= 6,
};

/* "normal" to "cpuid"; NULL for anything else. */
const char *measure_type_name(unsigned int type);

/**
 * struct measure_record - one page that has entered the digest
 * @index: 0 for the first page
 * @type: of the page
 * @gpa: of the page
 * @contents: SHA-384 of the page; zeros for types whose contents don't count
 * @digest: the launch digest from here on
 */
struct measure_record {
	uint64_t index;
	enum measure_type type;
	uint64_t gpa;
	uint8_t contents[MEASURE_LEN];
	uint8_t digest[MEASURE_LEN];
};

/**
 * struct measure - a launch digest in the making
 * @digest: so far; all zeros is the beginning of a launch
 * @pages: that entered it
 * @trace: NULL, or called after each page with @trace_arg
 * @trace_arg: for @trace
 */
struct measure {
	uint8_t digest[MEASURE_LEN];
	uint64_t pages;
	void (*trace)(void *arg, const struct measure_record *rec);
	void *trace_arg;
};

/**
 * measure_page - what firmware does to the digest for one page of 4096 bytes
 * @m: digest
 * @type: of the page
 * @gpa: multiple of 4096
 * @page: its 4096 bytes; NULL for zeros.  Only NORMAL and VMSA look at it.
 */
void measure_page(struct measure *m, enum measure_type type, uint64_t gpa,
		  const void *page);

/* The same for @size bytes at @gpa and @data (NULL: zeros), page by page. */
void measure_range(struct measure *m, enum measure_type type, uint64_t gpa,
		   const void *data, uint64_t size);

/* Where a VMSA is measured, if not at a GPA of guest memory. */
#define MEASURE_VMSA_KVM	IGVM_KVM_VMSA_GPA	/* by KVM, in LAUNCH_FINISH */
#define MEASURE_VMSA_NONE	(~0ull)			/* the vCPU has none */

/**
 * struct measure_igvm_opts - what VMMs do differently with the same file
 * @empty_is_zero: measure pages without data as ZERO (Cloud Hypervisor), not as
 *	NORMAL pages of zeros (specification, QEMU)
 * @vmsa_gpas: instead of the file's: GPA, MEASURE_VMSA_KVM or _NONE for the
 *	first @nr_vmsa_gpas VP contexts, in the order of the file
 * @nr_vmsa_gpas: entries of @vmsa_gpas
 */
struct measure_igvm_opts {
	bool empty_is_zero;
	const uint64_t *vmsa_gpas;
	size_t nr_vmsa_gpas;
};

/**
 * measure_igvm - the launch digest of an IGVM file
 * @m: digest to be extended
 * @igvm: what igvm_parse() made of the file
 * @opts: NULL for none
 *
 * Directives count in the order of the file.  VMSAs at MEASURE_VMSA_KVM come
 * last and in the order of their VP index, since KVM measures them in
 * LAUNCH_FINISH.  Shared pages and required memory don't count.  What a VMM
 * writes into parameter areas doesn't either: they are UNMEASURED pages.
 *
 * Return: 0, or -ENOMEM
 */
int measure_igvm(struct measure *m, const struct igvm *igvm,
		 const struct measure_igvm_opts *opts);

#endif
