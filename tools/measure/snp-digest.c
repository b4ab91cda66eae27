// SPDX-License-Identifier: GPL-2.0
/* snp-digest: predict the launch digest of an SEV-SNP guest. */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "igvm.h"
#include "measure.h"
#include "ovmf.h"
#include "pages.h"

#define MAX_VCPUS	4096
#define SNP_ACTIVE	1ull

/* Exit codes; 0 is success. */
enum {
	EXIT_INPUT = 1,		/* a file can't be read, or is refused */
	EXIT_USAGE = 2,
	EXIT_ID_BLOCK = 3,	/* the ID block of the file has another digest */
};

static const char usage[] =
"Predict the launch digest of an SEV-SNP guest.\n"
"\n"
"  snp-digest --igvm FILE [--empty-pages normal|zero] [--vmsa-gpa LIST]\n"
"  snp-digest --ovmf FILE --vcpus N {--cpu MODEL | --cpu-sig N} [--sev-features N]\n"
"             [--kernel FILE [--initrd FILE] [--append TEXT]] [--vmsa-gpa LIST]\n"
"             [--skip-image]\n"
"  snp-digest --pages FILE\n"
"\n"
"What is launched:\n"
"  --igvm FILE         an IGVM file, version 1, with SEV-SNP among its platforms\n"
"  --ovmf FILE         an OVMF image with SNP metadata, by QEMU\n"
"  --pages FILE        a list of pages, one line each: type gpa content\n"
"                      type: normal, vmsa, zero, unmeasured, secrets or cpuid;\n"
"                      content: a file of 4096 bytes, or - for zeros\n"
"\n"
"How:\n"
"  --vcpus N           number of vCPUs\n"
"  --cpu MODEL         their model as QEMU names it: EPYC, EPYC-Rome, EPYC-Milan,\n"
"                      EPYC-Genoa, EPYC-Turin, with or without -vN\n"
"  --cpu-sig N         or their signature: EAX of CPUID 1\n"
"  --sev-features N    SEV_FEATURES of their VMSAs (default 0x1: SNPActive)\n"
"  --vmsa-gpa LIST     where the VMSA of each vCPU is, with commas: a GPA, kvm\n"
"                      (a page of KVM's own, measured last), or none; those that\n"
"                      the list leaves out are as in the file, or kvm\n"
"  --kernel FILE       measured direct boot (kernel-hashes=on), also\n"
"  --initrd FILE\n"
"  --append TEXT\n"
"  --empty-pages TYPE  pages of an IGVM file without data are normal (default; QEMU)\n"
"                      or zero (Cloud Hypervisor)\n"
"  --skip-image        --seed already has the pages of the image\n"
"  --seed HEX          start from this digest, not from zeros\n"
"\n"
"Output:\n"
"  --explain           a line for each page: index, type, GPA, SHA-384 of the\n"
"                      contents (- if they don't count), digest so far\n"
"  --json              JSON\n"
"  --help              this text\n"
"\n"
"Exit code: 0; 1 if a file can't be read or is malformed; 2 for wrong options;\n"
"3 if the ID block in the IGVM file has another digest than the one predicted.\n";

static void die(int code, const char *fmt, ...) __attribute__((noreturn, format(printf, 2, 3)));

static void die(int code, const char *fmt, ...)
{
	va_list ap;

	fputs("snp-digest: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(code);
}

static void *xread(const char *path, size_t *size)
{
	void *data;
	int ret = file_read(path, &data, size);

	if (ret)
		die(EXIT_INPUT, "cannot read '%s': %s", path, strerror(-ret));
	return data;
}

/*
 * Options
 */

enum mode { NO_MODE, IGVM = 1, OVMF = 2, PAGES = 4 };

enum option_id {
	OPT_IGVM, OPT_OVMF, OPT_PAGES, OPT_VCPUS, OPT_CPU, OPT_CPU_SIG,
	OPT_SEV_FEATURES, OPT_VMSA_GPA, OPT_KERNEL, OPT_INITRD, OPT_APPEND,
	OPT_EMPTY_PAGES, OPT_SKIP_IMAGE, OPT_SEED, OPT_EXPLAIN, OPT_JSON, OPT_HELP,
	NR_OPTIONS
};

static const struct option options[] = {
	{ "igvm", required_argument, NULL, OPT_IGVM },
	{ "ovmf", required_argument, NULL, OPT_OVMF },
	{ "pages", required_argument, NULL, OPT_PAGES },
	{ "vcpus", required_argument, NULL, OPT_VCPUS },
	{ "cpu", required_argument, NULL, OPT_CPU },
	{ "cpu-sig", required_argument, NULL, OPT_CPU_SIG },
	{ "sev-features", required_argument, NULL, OPT_SEV_FEATURES },
	{ "vmsa-gpa", required_argument, NULL, OPT_VMSA_GPA },
	{ "kernel", required_argument, NULL, OPT_KERNEL },
	{ "initrd", required_argument, NULL, OPT_INITRD },
	{ "append", required_argument, NULL, OPT_APPEND },
	{ "empty-pages", required_argument, NULL, OPT_EMPTY_PAGES },
	{ "skip-image", no_argument, NULL, OPT_SKIP_IMAGE },
	{ "seed", required_argument, NULL, OPT_SEED },
	{ "explain", no_argument, NULL, OPT_EXPLAIN },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "help", no_argument, NULL, OPT_HELP },
	{ }
};

/* With which of --igvm, --ovmf and --pages an option goes. */
static const int goes_with[NR_OPTIONS] = {
	[OPT_IGVM] = IGVM, [OPT_OVMF] = OVMF, [OPT_PAGES] = PAGES,
	[OPT_VCPUS] = OVMF, [OPT_CPU] = OVMF, [OPT_CPU_SIG] = OVMF,
	[OPT_SEV_FEATURES] = OVMF, [OPT_VMSA_GPA] = IGVM | OVMF,
	[OPT_KERNEL] = OVMF, [OPT_INITRD] = OVMF, [OPT_APPEND] = OVMF,
	[OPT_EMPTY_PAGES] = IGVM, [OPT_SKIP_IMAGE] = OVMF,
	[OPT_SEED] = IGVM | OVMF | PAGES, [OPT_EXPLAIN] = IGVM | OVMF | PAGES,
	[OPT_JSON] = IGVM | OVMF | PAGES,
};

struct config {
	enum mode mode;
	const char *given[NR_OPTIONS];	/* argument; "" for an option without one */
	uint64_t *vmsa_gpas;
	size_t nr_vmsa_gpas;
	uint32_t signature;
};

static uint64_t number(const char *option, const char *s, uint64_t min, uint64_t max)
{
	unsigned long long v;
	char *end;

	errno = 0;
	v = strtoull(s, &end, 0);
	if (!isdigit((unsigned char)*s) || *end || errno || v < min || v > max)
		die(EXIT_USAGE, "--%s '%s': wanted a number from %#" PRIx64 " to %#" PRIx64,
		    option, s, min, max);
	return v;
}

static void seed(struct measure *m, const char *s)
{
	size_t i;

	if (strlen(s) != 2 * MEASURE_LEN || strspn(s, "0123456789abcdefABCDEF") != strlen(s))
		die(EXIT_USAGE, "--seed '%s': wanted %u hexadecimal digits", s, 2 * MEASURE_LEN);
	for (i = 0; i < MEASURE_LEN; i++)
		sscanf(s + 2 * i, "%2hhx", &m->digest[i]);
}

/* CPUID 1 EAX of family, model and stepping; of AMD's families from 0x10 on. */
#define SIGNATURE(family, model, stepping)				\
	(((family) - 0xfu) << 20 | ((model) & 0xf0u) << 12 | 0xf00u |	\
	 ((model) & 0xfu) << 4 | (stepping))

/* Source: QEMU, builtin_x86_defs; Turin: virtee/sev-snp-measure. */
static const struct {
	const char *name;
	uint32_t signature;
} models[] = {
	{ "EPYC", SIGNATURE(23, 1, 2) },
	{ "EPYC-IBPB", SIGNATURE(23, 1, 2) },
	{ "EPYC-Rome", SIGNATURE(23, 49, 0) },
	{ "EPYC-Milan", SIGNATURE(25, 1, 1) },
	{ "EPYC-Genoa", SIGNATURE(25, 17, 0) },
	{ "EPYC-Turin", SIGNATURE(26, 0, 0) },
};

static uint32_t cpu_signature(const char *cpu)
{
	size_t i, len, digits;

	/* A version, "-v4", changes no signature. */
	len = strlen(cpu);
	for (digits = 0; digits < len && isdigit((unsigned char)cpu[len - 1 - digits]); digits++)
		;
	if (digits && len > digits + 2 && !strncmp(cpu + len - digits - 2, "-v", 2))
		len -= digits + 2;
	for (i = 0; i < sizeof(models) / sizeof(*models); i++) {
		if (strlen(models[i].name) == len && !strncmp(models[i].name, cpu, len))
			return models[i].signature;
	}
	die(EXIT_USAGE, "--cpu '%s' is not known: see --help, or give its --cpu-sig", cpu);
}

static void vmsa_gpas(struct config *c, const char *list)
{
	size_t i = 0, n = 1;
	char *copy, *s, *word;

	for (word = strchr(list, ','); word; word = strchr(word + 1, ','))
		n++;
	c->vmsa_gpas = calloc(n, sizeof(*c->vmsa_gpas));
	copy = strdup(list);
	if (!c->vmsa_gpas || !copy)
		die(EXIT_INPUT, "no memory");
	for (s = copy; (word = strsep(&s, ",")); i++) {
		if (!strcmp(word, "kvm")) {
			c->vmsa_gpas[i] = MEASURE_VMSA_KVM;
		} else if (!strcmp(word, "none")) {
			c->vmsa_gpas[i] = MEASURE_VMSA_NONE;
		} else {
			c->vmsa_gpas[i] = number("vmsa-gpa", word, 0, IGVM_MAX_GPA - 1);
			if (c->vmsa_gpas[i] % MEASURE_PAGE)
				die(EXIT_USAGE, "--vmsa-gpa '%s': wanted a multiple of 4096", word);
		}
	}
	c->nr_vmsa_gpas = n;
	free(copy);
}

static void parse_options(struct config *c, int argc, char **argv)
{
	int id;

	while ((id = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (id == OPT_HELP) {
			fputs(usage, stdout);
			exit(0);
		}
		if (id < 0 || id >= NR_OPTIONS)
			die(EXIT_USAGE, "see snp-digest --help");
		if (c->given[id])
			die(EXIT_USAGE, "--%s is given twice", options[id].name);
		c->given[id] = optarg ? optarg : "";
		if (id <= OPT_PAGES) {
			if (c->mode)
				die(EXIT_USAGE, "--igvm, --ovmf and --pages exclude each other");
			c->mode = goes_with[id];
		}
	}
	if (optind < argc)
		die(EXIT_USAGE, "what is '%s'? See snp-digest --help", argv[optind]);
	if (!c->mode)
		die(EXIT_USAGE,
		    "one of --igvm, --ovmf and --pages is needed: see snp-digest --help");
	for (id = 0; id < NR_OPTIONS; id++) {
		if (c->given[id] && !(goes_with[id] & c->mode))
			die(EXIT_USAGE, "--%s does not go with --%s", options[id].name,
			    c->mode == IGVM ? "igvm" : c->mode == OVMF ? "ovmf" : "pages");
	}

	if (c->given[OPT_VMSA_GPA])
		vmsa_gpas(c, c->given[OPT_VMSA_GPA]);
	if (c->mode != OVMF)
		return;
	if (!c->given[OPT_VCPUS])
		die(EXIT_USAGE, "--ovmf needs --vcpus: each VMSA that KVM makes is measured");
	if (!c->given[OPT_CPU] == !c->given[OPT_CPU_SIG])
		die(EXIT_USAGE, "--ovmf needs one of --cpu and --cpu-sig: it is in the VMSAs");
	c->signature = c->given[OPT_CPU] ? cpu_signature(c->given[OPT_CPU]) :
		       number("cpu-sig", c->given[OPT_CPU_SIG], 0, UINT32_MAX);
	if ((c->given[OPT_INITRD] || c->given[OPT_APPEND]) && !c->given[OPT_KERNEL])
		die(EXIT_USAGE, "--initrd and --append need --kernel");
	if (c->given[OPT_SKIP_IMAGE] && !c->given[OPT_SEED])
		die(EXIT_USAGE, "--skip-image needs --seed: the digest after the image");
}

/*
 * Output
 */

/* Nothing is printed before all is known: half a JSON text is of no use. */
struct output {
	FILE *to;
	bool json;
	bool explain;
};

static void hex(char s[2 * MEASURE_LEN + 1], const uint8_t *p)
{
	int i;

	for (i = 0; i < MEASURE_LEN; i++)
		sprintf(s + 2 * i, "%02x", p[i]);
}

static void explain(void *arg, const struct measure_record *rec)
{
	bool counts = rec->type == MEASURE_NORMAL || rec->type == MEASURE_VMSA;
	char contents[2 * MEASURE_LEN + 1], digest[2 * MEASURE_LEN + 1];
	const char *name = measure_type_name(rec->type);
	const struct output *out = arg;

	hex(contents, rec->contents);
	hex(digest, rec->digest);
	if (out->json)
		fprintf(out->to,
			"%s    {\"index\": %" PRIu64 ", \"type\": \"%s\", "
			"\"gpa\": \"0x%" PRIx64 "\", \"contents\": \"%s\", \"digest\": \"%s\"}",
			rec->index ? ",\n" : "", rec->index, name, rec->gpa,
			counts ? contents : "-", digest);
	else
		fprintf(out->to, "%6" PRIu64 " %-10s 0x%012" PRIx64 " %s %s\n", rec->index, name,
			rec->gpa, counts ? contents : "-", digest);
}

static int print_result(const struct measure *m, const struct output *out,
			const struct igvm *igvm)
{
	const struct igvm_vhs_snp_id_block *id = igvm ? igvm->id_block : NULL;
	bool same = !id || !memcmp(id->ld, m->digest, MEASURE_LEN);
	char digest[2 * MEASURE_LEN + 1], other[2 * MEASURE_LEN + 1];

	hex(digest, m->digest);
	if (id)
		hex(other, id->ld);
	if (out->json) {
		if (out->explain)
			fprintf(out->to, "\n  ],\n");
		if (igvm && igvm->has_policy)
			fprintf(out->to, "  \"policy\": \"0x%" PRIx64 "\",\n", igvm->policy);
		if (id)
			fprintf(out->to,
				"  \"id_block_digest\": \"%s\",\n  \"id_block_matches\": %s,\n",
				other, same ? "true" : "false");
		fprintf(out->to, "  \"pages\": %" PRIu64 ",\n  \"launch_digest\": \"%s\"\n}\n",
			m->pages, digest);
	} else {
		fprintf(out->to, "%s\n", digest);
	}
	if (same)
		return 0;
	fprintf(stderr,
		"snp-digest: the ID block (header at 0x%x) has the digest\n"
		"  %s; the file has\n  %s: firmware would refuse the launch\n",
		igvm->id_block_offset, other, digest);
	return EXIT_ID_BLOCK;
}

/*
 * The three ways to say what is launched
 */

static void refused(const char *path, const struct parse_error *err)
{
	die(EXIT_INPUT, "'%s' is refused: at offset 0x%" PRIx64 ": %s", path, err->offset,
	    err->reason);
}

static int digest_igvm(const struct config *c, struct measure *m, const struct output *out)
{
	const char *path = c->given[OPT_IGVM], *empty = c->given[OPT_EMPTY_PAGES];
	struct measure_igvm_opts opts = {
		.vmsa_gpas = c->vmsa_gpas,
		.nr_vmsa_gpas = c->nr_vmsa_gpas,
	};
	struct parse_error err;
	struct igvm igvm;
	size_t size;
	void *file;
	int ret;

	if (empty && strcmp(empty, "normal") && strcmp(empty, "zero"))
		die(EXIT_USAGE, "--empty-pages '%s': wanted normal or zero", empty);
	opts.empty_is_zero = empty && !strcmp(empty, "zero");

	file = xread(path, &size);
	if (igvm_parse(&igvm, file, size, &err))
		refused(path, &err);
	if (c->nr_vmsa_gpas > igvm.nr_vps)
		die(EXIT_USAGE, "--vmsa-gpa has %zu entries, but '%s' has %zu VP contexts",
		    c->nr_vmsa_gpas, path, igvm.nr_vps);
	if (!igvm.nr_vps)
		fprintf(stderr,
			"snp-digest: '%s' has no VP context: KVM's own VMSAs will be measured, too\n",
			path);
	ret = measure_igvm(m, &igvm, &opts);
	if (ret)
		die(EXIT_INPUT, "'%s': %s", path, strerror(-ret));
	ret = print_result(m, out, &igvm);
	igvm_free(&igvm);
	free(file);
	return ret;
}

static int digest_ovmf(const struct config *c, struct measure *m, const struct output *out)
{
	const char *path = c->given[OPT_OVMF], *features = c->given[OPT_SEV_FEATURES];
	uint8_t hashes[OVMF_HASHES_SIZE];
	struct ovmf_launch launch = {
		.vcpus = number("vcpus", c->given[OPT_VCPUS], 1, MAX_VCPUS),
		.signature = c->signature,
		.sev_features = features ? number("sev-features", features, 0, UINT64_MAX) :
					   SNP_ACTIVE,
		.vmsa_gpas = c->vmsa_gpas,
		.nr_vmsa_gpas = c->nr_vmsa_gpas,
		.skip_image = c->given[OPT_SKIP_IMAGE],
	};
	struct parse_error err;
	struct ovmf ovmf;
	size_t size, i;
	void *file;

	if (!(launch.sev_features & SNP_ACTIVE))
		die(EXIT_USAGE, "--sev-features %#" PRIx64 ": bit 0, SNPActive, must be set",
		    launch.sev_features);
	if (c->nr_vmsa_gpas > launch.vcpus)
		die(EXIT_USAGE, "--vmsa-gpa has %zu entries for %u vCPUs", c->nr_vmsa_gpas,
		    launch.vcpus);
	file = xread(path, &size);
	if (ovmf_parse(&ovmf, file, size, &err))
		refused(path, &err);
	for (i = 1; i < launch.vcpus && !ovmf.ap_eip; i++) {
		if (i >= c->nr_vmsa_gpas || c->vmsa_gpas[i] != MEASURE_VMSA_NONE)
			die(EXIT_INPUT, "'%s' does not say where APs begin: give one vCPU, "
			    "or --vmsa-gpa with none for the others", path);
	}
	if (c->given[OPT_KERNEL]) {
		const char *append = c->given[OPT_APPEND];
		size_t kernel_size, initrd_size = 0;
		void *kernel, *initrd = NULL;

		if (!ovmf.hashes_gpa)
			die(EXIT_INPUT, "'%s' has no place for kernel hashes: use an OVMF that has "
			    "(AmdSev), or leave out --kernel", path);
		kernel = xread(c->given[OPT_KERNEL], &kernel_size);
		if (c->given[OPT_INITRD])
			initrd = xread(c->given[OPT_INITRD], &initrd_size);
		ovmf_hashes(hashes, kernel, kernel_size, initrd, initrd_size,
			    append ? append : "");
		launch.hashes = hashes;
		free(kernel);
		free(initrd);
	}
	measure_ovmf(m, &ovmf, &launch);
	free(file);
	return print_result(m, out, NULL);
}

static int digest_pages(const struct config *c, struct measure *m, const struct output *out)
{
	const char *path = c->given[OPT_PAGES];
	struct pages_entry entry;
	struct parse_error err;
	size_t size, page_size;
	struct pages p = {};
	char *text;
	int ret;

	text = xread(path, &size);
	p.text = text;
	p.size = size;
	while ((ret = pages_next(&p, &entry, &err)) > 0) {
		void *page = NULL;

		if (entry.content) {
			char *name = strndup(entry.content, entry.content_len);

			if (!name)
				die(EXIT_INPUT, "no memory");
			ret = file_read(name, &page, &page_size);
			if (ret)
				die(EXIT_INPUT, "'%s', line %u: cannot read '%s': %s", path, p.line,
				    name, strerror(-ret));
			if (page_size != MEASURE_PAGE)
				die(EXIT_INPUT, "'%s', line %u: '%s' has %zu bytes, wanted %u",
				    path, p.line, name, page_size, MEASURE_PAGE);
			free(name);
		}
		measure_page(m, entry.type, entry.gpa, page);
		free(page);
	}
	if (ret < 0)
		die(EXIT_INPUT, "'%s' is refused: line %" PRIu64 ": %s", path, err.offset,
		    err.reason);
	free(text);
	return print_result(m, out, NULL);
}

int main(int argc, char **argv)
{
	struct config c = {};
	struct measure m = {};
	struct output out;
	size_t size;
	char *text;
	int ret;

	parse_options(&c, argc, argv);
	out.json = c.given[OPT_JSON];
	out.explain = c.given[OPT_EXPLAIN];
	out.to = open_memstream(&text, &size);
	if (!out.to)
		die(EXIT_INPUT, "no memory");
	if (c.given[OPT_SEED])
		seed(&m, c.given[OPT_SEED]);
	if (out.explain) {
		m.trace = explain;
		m.trace_arg = &out;
	}

	if (out.json)
		fprintf(out.to, "{\n%s", out.explain ? "  \"explain\": [\n" : "");
	if (c.mode == IGVM)
		ret = digest_igvm(&c, &m, &out);
	else if (c.mode == OVMF)
		ret = digest_ovmf(&c, &m, &out);
	else
		ret = digest_pages(&c, &m, &out);
	free(c.vmsa_gpas);
	if (fclose(out.to))
		die(EXIT_INPUT, "no memory");
	if (fwrite(text, 1, size, stdout) != size || fflush(stdout))
		die(EXIT_INPUT, "cannot write the result: %s", strerror(errno));
	free(text);
	return ret;
}
