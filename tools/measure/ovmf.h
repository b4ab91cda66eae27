/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An OVMF image: what it says about an SNP launch, and the digest of one by
 * QEMU and KVM.
 *
 * Source of the layout: edk2, OvmfPkg/ResetVector (table of GUIDs at the end of
 * the image, SEV metadata); of what is measured in which order: QEMU 10.0,
 * target/i386/sev.c.
 */
#ifndef MEASURE_OVMF_H
#define MEASURE_OVMF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "measure.h"
#include "parse.h"

/* The image ends here. */
#define OVMF_END		(1ull << 32)

/* Types of sections in the metadata */
enum ovmf_section_type {
	OVMF_SEC_MEM		= 1,	/* pages that the guest expects to be valid */
	OVMF_SECRETS		= 2,
	OVMF_CPUID		= 3,
	OVMF_SVSM_CAA		= 4,	/* calling area of an SVSM */
	OVMF_KERNEL_HASHES	= 0x10,
};

struct ovmf_section {
	uint32_t gpa;
	uint32_t size;
	uint32_t type;
} __attribute__((packed));

/**
 * struct ovmf - what an image says
 * @image: the image, @size bytes, a multiple of 4096; it ends at OVMF_END
 * @ap_eip: where APs begin; 0: the image does not say
 * @hashes_gpa: where the table of kernel hashes goes; 0: the image has none
 * @sections: @nr_sections of them, in the order of the measurement
 */
struct ovmf {
	const uint8_t *image;
	size_t size;
	uint32_t ap_eip;
	uint32_t hashes_gpa;
	const struct ovmf_section *sections;
	size_t nr_sections;
};

/**
 * ovmf_parse - find and check what an image says
 * @ovmf: result; points into @image
 * @image: the image
 * @size: bytes
 * @err: filled in on failure
 *
 * Return: 0; -EINVAL if it is malformed or no OVMF with SNP metadata; -ENOTSUP
 * for metadata of another version or with sections of unknown type.
 */
int ovmf_parse(struct ovmf *ovmf, const void *image, size_t size,
	       struct parse_error *err);

#define OVMF_HASHES_SIZE	168

/**
 * ovmf_hashes - table of the hashes of kernel, initrd and command line
 * @table: result
 * @kernel: the file, @kernel_size bytes
 * @initrd: the file, @initrd_size bytes; 0 if there is none
 * @cmdline: without one, ""
 */
void ovmf_hashes(uint8_t table[OVMF_HASHES_SIZE], const void *kernel,
		 size_t kernel_size, const void *initrd, size_t initrd_size,
		 const char *cmdline);

/**
 * struct ovmf_launch - how QEMU and KVM launch the image
 * @vcpus: number of vCPUs, at least 1
 * @signature: of the vCPUs: CPUID 1 EAX
 * @sev_features: of their VMSAs
 * @hashes: NULL, or what ovmf_hashes() made: only if the image has a place
 * @vmsa_gpas: GPA, MEASURE_VMSA_KVM or MEASURE_VMSA_NONE for the VMSAs of the
 *	first @nr_vmsa_gpas vCPUs; all others are KVM's
 * @nr_vmsa_gpas: entries of @vmsa_gpas
 * @skip_image: the digest already has the pages of the image
 */
struct ovmf_launch {
	unsigned int vcpus;
	uint32_t signature;
	uint64_t sev_features;
	const uint8_t *hashes;
	const uint64_t *vmsa_gpas;
	size_t nr_vmsa_gpas;
	bool skip_image;
};

/*
 * Extend @m by a launch: the image, the sections, VMSAs at GPAs of their own in
 * the order of the vCPUs, and then those that KVM makes in LAUNCH_FINISH.
 */
void measure_ovmf(struct measure *m, const struct ovmf *ovmf,
		  const struct ovmf_launch *launch);

#endif
