// SPDX-License-Identifier: GPL-2.0
/*
 * snp-mkigvm: an IGVM file of an ELF program that starts without firmware.
 * Documentation/snp-launch.rst has the sections that it knows.
 */
#include <elf.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../measure/file.h"
#include "../measure/measure.h"
#include "guest_vmsa.h"
#include "id_block.h"

#define PAGE		4096ull
#define MASK		1u		/* of the one platform */
#define MAX_IMAGE	(256ull << 20)
#define POLICY_DEFAULT	0x30000ull	/* SMT allowed; bit 17 must be set */

/* Places in .igvm.parameters */
#define PARAM_VP_COUNT		0x000
#define PARAM_COMMAND_LINE	0x100
#define PARAM_MADT		0x400
#define PARAM_MEMORY_MAP	0x800

struct range {
	uint64_t addr, size;		/* size 0: the file has no such section */
};

/* What the ELF file has */
struct image {
	uint64_t entry, lo, hi;
	uint8_t *bytes;			/* of lo to hi */
	uint8_t *used;			/* of each page: 0 no, 1 zeros, 2 data */
	struct range secrets, cpuid, parameters, vmsa, memory;
};

/* The file in the making: headers and data apart, so that offsets can follow. */
struct buf {
	uint8_t *p;
	size_t len;
};

static struct {
	const char *in, *out, *key;
	unsigned long vps;
	uint64_t policy, features;
	bool sign, has_vmsa;
	uint64_t vmsa;
	unsigned int offset, byte;	/* offset 0: none */
} opt = { .vps = 1, .policy = POLICY_DEFAULT, .features = SEV_FEAT_SNP_ACTIVE };

static void __attribute__((noreturn, format(printf, 1, 2))) die(const char *fmt, ...)
{
	va_list ap;

	fputs("snp-mkigvm: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

static void *append(struct buf *b, const void *data, size_t len, size_t align)
{
	size_t pad = (align - len % align) % align;
	uint8_t *at;

	b->p = realloc(b->p, b->len + len + pad);
	if (!b->p)
		die("no memory for %zu bytes", b->len + len + pad);
	at = b->p + b->len;
	memcpy(at, data, len);
	memset(at + len, 0, pad);
	b->len += len + pad;
	return at;
}

static void header(struct buf *b, uint32_t type, const void *body, uint32_t len)
{
	struct igvm_variable_header h = { type, len };

	append(b, &h, sizeof(h), IGVM_ALIGN);
	append(b, body, len, IGVM_ALIGN);
}

/*
 * ELF
 */

static struct range *special(struct image *im, const char *name)
{
	if (!strcmp(name, ".igvm.secrets"))
		return &im->secrets;
	if (!strcmp(name, ".igvm.cpuid"))
		return &im->cpuid;
	if (!strcmp(name, ".igvm.parameters"))
		return &im->parameters;
	if (!strcmp(name, ".igvm.vmsa"))
		return &im->vmsa;
	if (!strcmp(name, ".igvm.memory"))
		return &im->memory;
	return NULL;
}

static void check_special(const char *name, const struct range *r)
{
	if (r->addr % PAGE || r->size % PAGE || !r->size)
		die("%s: section %s at 0x%llx, 0x%llx bytes: wanted whole pages of 4096",
		    opt.in, name, (unsigned long long)r->addr, (unsigned long long)r->size);
}

static const Elf64_Shdr *section(const uint8_t *elf, size_t size, unsigned int n)
{
	const Elf64_Ehdr *eh = (const void *)elf;
	const Elf64_Shdr *sh = (const void *)(elf + eh->e_shoff);

	if (sh[n].sh_type != SHT_NOBITS &&
	    (sh[n].sh_offset > size || sh[n].sh_size > size - sh[n].sh_offset))
		die("%s: section %u is outside of the file", opt.in, n);
	return &sh[n];
}

static const char *section_name(const uint8_t *elf, size_t size, const Elf64_Shdr *sh)
{
	const Elf64_Ehdr *eh = (const void *)elf;
	const Elf64_Shdr *names = section(elf, size, eh->e_shstrndx);

	if (names->sh_type != SHT_STRTAB || sh->sh_name >= names->sh_size ||
	    elf[names->sh_offset + names->sh_size - 1])
		die("%s: a section's name is outside of the file", opt.in);
	return (const char *)elf + names->sh_offset + sh->sh_name;
}

/* A section of ours becomes a range of @im; all others that have memory are image. */
static bool is_image(struct image *im, const uint8_t *elf, size_t size, const Elf64_Shdr *sh)
{
	const char *name;
	struct range *r;

	if (!(sh->sh_flags & SHF_ALLOC) || !sh->sh_size)
		return false;
	name = section_name(elf, size, sh);
	if (sh->sh_addr > UINT32_MAX || sh->sh_size > UINT32_MAX)
		die("%s: section %s at 0x%llx, 0x%llx bytes: wanted all below 4 GiB", opt.in, name,
		    (unsigned long long)sh->sh_addr, (unsigned long long)sh->sh_size);
	if (strncmp(name, ".igvm.", 6))
		return true;
	r = special(im, name);
	if (!r)
		die("%s: section %s is none of secrets, cpuid, parameters, vmsa, memory", opt.in,
		    name);
	*r = (struct range){ sh->sh_addr, sh->sh_size };
	check_special(name, r);
	return false;
}

static void grow(struct image *im, const Elf64_Shdr *sh)
{
	uint64_t lo = sh->sh_addr & ~(PAGE - 1);
	uint64_t hi = (sh->sh_addr + sh->sh_size + PAGE - 1) & ~(PAGE - 1);

	if (lo < im->lo)
		im->lo = lo;
	if (hi > im->hi)
		im->hi = hi;
}

static void fill(struct image *im, const uint8_t *elf, const Elf64_Shdr *sh)
{
	bool data = sh->sh_type != SHT_NOBITS;
	uint64_t page, first = sh->sh_addr - im->lo;

	if (data)
		memcpy(im->bytes + first, elf + sh->sh_offset, sh->sh_size);
	for (page = first / PAGE; page * PAGE < first + sh->sh_size; page++)
		im->used[page] |= data ? 2 : 1;
}

static void load(struct image *im, const uint8_t *elf, size_t size)
{
	const Elf64_Ehdr *eh = (const void *)elf;
	unsigned int i;

	if (size < sizeof(*eh) || memcmp(eh->e_ident, ELFMAG, SELFMAG) ||
	    eh->e_ident[EI_CLASS] != ELFCLASS64 || eh->e_machine != EM_X86_64 ||
	    eh->e_type != ET_EXEC)
		die("%s: not a 64-bit x86 ELF program that is linked to an address", opt.in);
	if (eh->e_shentsize != sizeof(Elf64_Shdr) || eh->e_shoff % 8 || eh->e_shoff > size ||
	    eh->e_shnum > (size - eh->e_shoff) / sizeof(Elf64_Shdr) ||
	    eh->e_shstrndx >= eh->e_shnum)
		die("%s: no section headers", opt.in);
	if (eh->e_entry > UINT32_MAX)
		die("%s: entry 0x%llx, wanted one below 4 GiB, for 32-bit code", opt.in,
		    (unsigned long long)eh->e_entry);
	im->entry = eh->e_entry;

	im->lo = UINT64_MAX;
	for (i = 0; i < eh->e_shnum; i++)
		if (is_image(im, elf, size, section(elf, size, i)))
			grow(im, section(elf, size, i));
	if (im->lo >= im->hi || im->hi - im->lo > MAX_IMAGE)
		die("%s: sections from 0x%llx to 0x%llx, wanted 4 KiB to 256 MiB", opt.in,
		    (unsigned long long)im->lo, (unsigned long long)im->hi);

	im->bytes = calloc(1, im->hi - im->lo);
	im->used = calloc(1, (im->hi - im->lo) / PAGE);
	if (!im->bytes || !im->used)
		die("no memory for the image");
	for (i = 0; i < eh->e_shnum; i++)
		if (is_image(im, elf, size, section(elf, size, i)))
			fill(im, elf, section(elf, size, i));
}

/*
 * IGVM
 */

static void put_page(struct buf *h, struct buf *data, uint64_t gpa, uint16_t type,
		     const uint8_t *bytes, uint32_t data_start)
{
	struct igvm_vhs_page_data page = { .gpa = gpa, .mask = MASK, .type = type };

	if (bytes) {
		page.file_offset = data_start + (uint32_t)data->len;
		append(data, bytes, PAGE, 1);
	}
	header(h, IGVM_VHT_PAGE_DATA, &page, sizeof(page));
}

static void put_parameters(struct buf *h, const struct range *r)
{
	struct igvm_vhs_parameter_area area = { .size = r->size, .index = 0 };
	struct igvm_vhs_parameter p = { .index = 0 };

	header(h, IGVM_VHT_PARAMETER_AREA, &area, sizeof(area));
	p.byte_offset = PARAM_VP_COUNT;
	header(h, IGVM_VHT_VP_COUNT, &p, sizeof(p));
	p.byte_offset = PARAM_COMMAND_LINE;
	header(h, IGVM_VHT_COMMAND_LINE, &p, sizeof(p));
	p.byte_offset = PARAM_MADT;
	header(h, IGVM_VHT_MADT, &p, sizeof(p));
	p.byte_offset = PARAM_MEMORY_MAP;
	header(h, IGVM_VHT_MEMORY_MAP, &p, sizeof(p));
}

/* KVM has one address for all VMSAs that it makes. */
static uint64_t vmsa_gpa(const struct image *im, unsigned long i)
{
	uint64_t first = opt.has_vmsa ? opt.vmsa : im->vmsa.addr;

	return first == IGVM_KVM_VMSA_GPA ? first : first + i * PAGE;
}

static void put_contexts(struct buf *h, struct buf *data, const struct image *im,
			 uint32_t data_start)
{
	unsigned long i;

	for (i = 0; i < opt.vps; i++) {
		struct igvm_vhs_vp_context vp = {
			.gpa = vmsa_gpa(im, i),
			.mask = MASK,
			.file_offset = data_start + (uint32_t)data->len,
			.vp_index = i,
		};
		struct vmsa vmsa = { 0 };

		vmsa_flat32(&vmsa, im->entry, i, opt.vps, opt.features);
		if (opt.offset)
			((uint8_t *)&vmsa)[opt.offset] = opt.byte;
		append(data, &vmsa, sizeof(vmsa), 1);
		header(h, IGVM_VHT_VP_CONTEXT, &vp, sizeof(vp));
	}
}

static void put_directives(struct buf *h, struct buf *data, const struct image *im,
			   const struct igvm_vhs_snp_id_block *id, uint32_t data_start)
{
	struct igvm_vhs_supported_platform platform = {
		.mask = MASK,
		.type = IGVM_PLATFORM_SEV_SNP,
		.version = IGVM_SEV_SNP_VERSION,
	};
	struct igvm_vhs_guest_policy policy = { .policy = opt.policy, .mask = MASK };
	struct igvm_vhs_required_memory memory = {
		.gpa = im->memory.addr,
		.mask = MASK,
		.size = im->memory.size,
	};
	struct igvm_vhs_parameter_insert insert = { .gpa = im->parameters.addr, .mask = MASK };
	uint64_t a;

	header(h, IGVM_VHT_SUPPORTED_PLATFORM, &platform, sizeof(platform));
	header(h, IGVM_VHT_GUEST_POLICY, &policy, sizeof(policy));
	if (id)
		header(h, IGVM_VHT_SNP_ID_BLOCK, id, sizeof(*id));
	if (im->memory.size)
		header(h, IGVM_VHT_REQUIRED_MEMORY, &memory, sizeof(memory));
	if (im->parameters.size)
		put_parameters(h, &im->parameters);

	for (a = im->lo; a < im->hi; a += PAGE) {
		uint8_t used = im->used[(a - im->lo) / PAGE];

		if (used)
			put_page(h, data, a, IGVM_PAGE_NORMAL,
				 used & 2 ? im->bytes + (a - im->lo) : NULL, data_start);
	}
	put_contexts(h, data, im, data_start);
	for (a = 0; a < im->secrets.size; a += PAGE)
		put_page(h, data, im->secrets.addr + a, IGVM_PAGE_SECRETS, NULL, data_start);
	for (a = 0; a < im->cpuid.size; a += PAGE)
		put_page(h, data, im->cpuid.addr + a, IGVM_PAGE_CPUID, NULL, data_start);
	if (im->parameters.size)
		header(h, IGVM_VHT_PARAMETER_INSERT, &insert, sizeof(insert));
}

/* The whole file, to be given to free() */
static uint8_t *make(const struct image *im, const struct igvm_vhs_snp_id_block *id, size_t *size)
{
	struct igvm_fixed_header fixed = { .magic = IGVM_MAGIC, .version = IGVM_VERSION_1 };
	struct buf h = { 0 }, data = { 0 }, file = { 0 };

	/* Once for the size of the headers, once for good. */
	put_directives(&h, &data, im, id, 0);
	fixed.variable_offset = sizeof(fixed);
	fixed.variable_size = h.len;
	fixed.total_size = sizeof(fixed) + h.len + data.len;
	free(h.p);
	free(data.p);
	h = data = (struct buf){ 0 };
	put_directives(&h, &data, im, id, sizeof(fixed) + fixed.variable_size);

	append(&file, &fixed, sizeof(fixed), IGVM_ALIGN);
	append(&file, h.p, h.len, IGVM_ALIGN);
	append(&file, data.p, data.len, 1);
	((struct igvm_fixed_header *)file.p)->checksum = igvm_checksum(file.p);
	free(h.p);
	free(data.p);
	*size = file.len;
	return file.p;
}

/* The reader must take what the writer wrote; the digest comes from there. */
static void measure(const uint8_t *file, size_t size, uint8_t digest[MEASURE_LEN])
{
	struct measure m = { 0 };
	struct parse_error err;
	struct igvm igvm;

	if (igvm_parse(&igvm, file, size, &err))
		die("%s: makes a file that is wrong at offset 0x%llx: %s", opt.in,
		    (unsigned long long)err.offset, err.reason);
	if (measure_igvm(&m, &igvm, NULL))
		die("no memory for the digest");
	memcpy(digest, m.digest, MEASURE_LEN);
	igvm_free(&igvm);
}

static void sign(const uint8_t digest[MEASURE_LEN], struct igvm_vhs_snp_id_block *id)
{
	struct id_block block = { .version = 1, .policy = opt.policy };
	struct id_auth auth;
	char reason[160];

	memcpy(block.digest, digest, MEASURE_LEN);
	if (id_block_sign(&block, &auth, opt.key, reason, sizeof(reason)))
		die("ID block: %s", reason);
	id_block_to_igvm(&block, &auth, MASK, id);
}

static uint64_t number(const char *s, const char *what)
{
	uint64_t v;
	char *end;

	errno = 0;
	v = strtoull(s, &end, 0);
	if (errno || end == s || *end || strchr(s, '-'))
		die("%s: '%s' is not a number", what, s);
	return v;
}

static void vmsa_byte(const char *s)
{
	char end;

	if (sscanf(s, "%i=%i%c", (int *)&opt.offset, (int *)&opt.byte, &end) != 2 || !opt.offset ||
	    opt.offset >= sizeof(struct vmsa) || opt.byte > 0xff)
		die("--vmsa-byte: '%s', wanted OFFSET=VALUE, from 1=0 to 0xfff=0xff", s);
}

static const char help[] =
"usage: snp-mkigvm [OPTION]... -o FILE PROGRAM\n"
"An IGVM file for SEV-SNP of PROGRAM, an ELF file that starts in 32-bit protected\n"
"mode without paging.  Its sections .igvm.secrets, .igvm.cpuid, .igvm.parameters,\n"
".igvm.vmsa and .igvm.memory become directives.\n"
"  -o, --output FILE     where to\n"
"  -n, --vps N           VP contexts, in the pages of .igvm.vmsa (default 1)\n"
"      --vmsa GPA        VP contexts from here on, instead of in .igvm.vmsa; all of them\n"
"                        at 0xfffffffff000 mean that KVM makes the VMSAs\n"
"      --vmsa-byte OFFSET=VALUE  change a byte of the VMSAs, for tests\n"
"      --policy N        guest policy (default 0x30000)\n"
"      --sev-features N  SEV_FEATURES of the VMSAs (default 1: SNPActive)\n"
"      --id-block        add an ID block, signed by a key that is made for it\n"
"      --id-key PEM      add an ID block, signed by this key (P-384)\n"
"  -h, --help\n"
"Prints the launch digest.  Exit status: 0, 1 on an error, 2 on wrong usage.\n";

enum { OPT_VMSA = 256, OPT_BYTE, OPT_POLICY, OPT_FEATURES, OPT_ID, OPT_KEY };

static const struct option options[] = {
	{ "output", required_argument, NULL, 'o' },
	{ "vps", required_argument, NULL, 'n' },
	{ "vmsa", required_argument, NULL, OPT_VMSA },
	{ "vmsa-byte", required_argument, NULL, OPT_BYTE },
	{ "policy", required_argument, NULL, OPT_POLICY },
	{ "sev-features", required_argument, NULL, OPT_FEATURES },
	{ "id-block", no_argument, NULL, OPT_ID },
	{ "id-key", required_argument, NULL, OPT_KEY },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 }
};

static void parse_args(int argc, char **argv)
{
	int c;

	while ((c = getopt_long(argc, argv, "o:n:h", options, NULL)) != -1) {
		switch (c) {
		case 'o':
			opt.out = optarg;
			break;
		case 'n':
			opt.vps = number(optarg, "--vps");
			break;
		case OPT_VMSA:
			opt.vmsa = number(optarg, "--vmsa");
			opt.has_vmsa = true;
			break;
		case OPT_BYTE:
			vmsa_byte(optarg);
			break;
		case OPT_POLICY:
			opt.policy = number(optarg, "--policy");
			break;
		case OPT_FEATURES:
			opt.features = number(optarg, "--sev-features");
			break;
		case OPT_KEY:
			opt.key = optarg;
			/* fallthrough */
		case OPT_ID:
			opt.sign = true;
			break;
		case 'h':
			fputs(help, stdout);
			exit(0);
		default:
			fputs(help, stderr);
			exit(2);
		}
	}
	if (!opt.out || optind != argc - 1) {
		fputs(help, stderr);
		exit(2);
	}
	opt.in = argv[optind];
}

int main(int argc, char **argv)
{
	struct igvm_vhs_snp_id_block id;
	uint8_t digest[MEASURE_LEN];
	struct image im = { 0 };
	uint8_t *file;
	size_t size;
	void *elf;
	FILE *f;
	int ret;

	parse_args(argc, argv);
	ret = file_read(opt.in, &elf, &size);
	if (ret)
		die("can't read '%s': %s", opt.in, strerror(-ret));
	load(&im, elf, size);
	free(elf);
	if (!opt.vps || opt.vps > (opt.has_vmsa ? UINT16_MAX : im.vmsa.size / PAGE))
		die("--vps %lu: section .igvm.vmsa has room for %llu VP contexts, wanted 1 or more",
		    opt.vps, (unsigned long long)(im.vmsa.size / PAGE));

	file = make(&im, NULL, &size);
	measure(file, size, digest);
	if (opt.sign) {
		free(file);
		sign(digest, &id);
		file = make(&im, &id, &size);
		measure(file, size, digest);
	}

	f = fopen(opt.out, "we");
	if (!f || fwrite(file, size, 1, f) != 1 || fclose(f))
		die("can't write '%s': %s", opt.out, strerror(errno));
	free(file);
	free(im.bytes);
	free(im.used);
	for (size = 0; size < MEASURE_LEN; size++)
		printf("%02x", digest[size]);
	printf("\n");
	return 0;
}
