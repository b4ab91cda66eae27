// SPDX-License-Identifier: GPL-2.0
/*
 * snp-launch: launch and run an SEV-SNP guest from an IGVM file, with its VMSAs in
 * guest memory.  Documentation/snp-launch.rst
 */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/kvm_para.h>

#include "../measure/file.h"
#include "launch.h"
#include "platform.h"

#define POLICY_DEFAULT	0x30000ull

static struct vm vm = {
	.opt = { .append = "", .memory = 64ull << 20 },
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.outcome = { .guest_status = -1 },
};

static const char * const status_names[] = {
	"ok", "failed", "usage", "bad-file", "no-support", "digest-differs", "guest-failed",
	"timeout",
};

/* For a person; with --json there is none. */
void say(const char *fmt, ...)
{
	va_list ap;

	if (vm.opt.json)
		return;
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	fflush(stdout);
}

/* What the guest writes; not into the JSON. */
void console(const void *data, size_t len)
{
	FILE *f = vm.opt.json ? stderr : stdout;

	fwrite(data, 1, len, f);
	fflush(f);
}

/*
 * JSON
 */

static void json_string(const char *s)
{
	putchar('"');
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			printf("\\%c", *s);
		else if (*s == '\n')
			printf("\\n");
		else if ((unsigned char)*s < 0x20)
			printf("\\u%04x", *s);
		else
			putchar(*s);
	}
	putchar('"');
}

static void json_hex(const char *name, bool known, const uint8_t *digest)
{
	int i;

	printf("\"%s\": ", name);
	if (!known) {
		printf("null");
		return;
	}
	putchar('"');
	for (i = 0; i < MEASURE_LEN; i++)
		printf("%02x", digest[i]);
	putchar('"');
}

static void json(enum status status, const char *error)
{
	static const char * const kinds[] = { "none", "guest", "built", "kvm" };
	unsigned int i;

	printf("{\n  \"file\": ");
	json_string(vm.opt.file ? vm.opt.file : "");
	printf(",\n  \"platform\": ");
	json_string(platform_name());
	printf(",\n  \"result\": \"%s\",\n  \"status\": %d,\n  \"error\": ", status_names[status],
	       status);
	if (error)
		json_string(error);
	else
		printf("null");
	printf(",\n  \"vcpus\": [");
	for (i = 0; i < vm.nr_vcpus; i++) {
		struct vcpu *v = &vm.vcpus[i];

		printf("%s\n    { \"id\": %u, \"vmsa\": \"%s\", \"gpa\": ", i ? "," : "", i,
		       kinds[v->kind]);
		if (v->kind == VMSA_NONE)
			printf("null");
		else
			printf("\"0x%llx\"", (unsigned long long)
			       (v->kind == VMSA_KVM ? IGVM_KVM_VMSA_GPA : v->vmsa_gpa));
		printf(", \"exits\": %lu }", v->exits);
	}
	printf("\n  ],\n  \"pages\": %llu,\n  \"cpuid_fixes\": %u,\n  \"digest\": {\n    ",
	       (unsigned long long)vm.pages, vm.cpuid_fixes);
	json_hex("predicted", vm.predicted.pages, vm.predicted.digest);
	printf(",\n    ");
	json_hex("firmware", vm.digest_proved || vm.digest_shown,
		 vm.digest_shown ? vm.digest : vm.predicted.digest);
	printf(",\n    \"id_block\": %s,\n    \"shown_by_platform\": %s\n  },\n",
	       vm.digest_proved ? "true" : "false", vm.digest_shown ? "true" : "false");
	printf("  \"conversions\": { \"shared\": %llu, \"private\": %llu, \"by_access\": %llu },\n  \"zaps\": %u,\n"
	       "  \"guest_status\": ",
	       (unsigned long long)vm.to_shared, (unsigned long long)vm.to_private,
	       (unsigned long long)vm.by_access, vm.zaps);
	if (vm.outcome.guest_status >= 0)
		printf("%d\n}\n", vm.outcome.guest_status);
	else
		printf("null\n}\n");
}

static void __attribute__((noreturn)) finish(enum status status, const char *error)
{
	if (error)
		fprintf(stderr, "snp-launch: %s\n", error);
	if (vm.opt.json)
		json(status, error);
	exit(status);
}

void die(enum status status, const char *fmt, ...)
{
	static char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	finish(status, text);
}

/*
 * Arguments
 */

static const char help[] =
"usage: snp-launch [OPTION]... FILE\n"
"Launches and runs an SEV-SNP guest from an IGVM file.\n"
"  -n, --cpus N        vCPUs (default: as many as the file has VP contexts for)\n"
"  -m, --memory SIZE   memory from address 0, with K, M or G (default 64M)\n"
"  -a, --append TEXT   command line for the guest\n"
"      --vmsa HOW      file: where the file has them (default);\n"
"                      kvm: at KVM's address, by registers, as on an unmodified kernel;\n"
"                      build: where the file has them, but built by KVM from registers\n"
"      --empty TYPE    launch pages without data as normal (default) or zero\n"
"      --expect HEX    digest that the firmware is to come to, instead of the predicted\n"
"      --no-id-block   launch without one: nothing then proves the digest\n"
"      --certs FILE      certificate table for extended guest requests\n"
"      --zap WHAT      when a VMSA is taken away: stop (default), or wait for another\n"
"  -t, --timeout SECONDS\n"
"      --json          a report for programs on stdout; the console goes to stderr\n"
"      --dry-run       only say what would be launched, and the digest\n"
"  -h, --help\n"
"Exit status: 0 the guest ended well, 1 a call failed, 2 usage, 3 bad file, 4 the host\n"
"lacks something, 5 the digests differ, 6 the guest ended otherwise, 7 timeout.\n";

enum { OPT_VMSA = 256, OPT_EMPTY, OPT_EXPECT, OPT_NO_ID, OPT_CERTS, OPT_ZAP, OPT_JSON, OPT_DRY };

static const struct option options[] = {
	{ "cpus", required_argument, NULL, 'n' },
	{ "memory", required_argument, NULL, 'm' },
	{ "append", required_argument, NULL, 'a' },
	{ "vmsa", required_argument, NULL, OPT_VMSA },
	{ "empty", required_argument, NULL, OPT_EMPTY },
	{ "expect", required_argument, NULL, OPT_EXPECT },
	{ "no-id-block", no_argument, NULL, OPT_NO_ID },
	{ "certs", required_argument, NULL, OPT_CERTS },
	{ "zap", required_argument, NULL, OPT_ZAP },
	{ "timeout", required_argument, NULL, 't' },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "dry-run", no_argument, NULL, OPT_DRY },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 }
};

static unsigned long number(const char *s, const char *what, unsigned long max)
{
	unsigned long v;
	char *end;

	errno = 0;
	v = strtoul(s, &end, 0);
	if (errno || end == s || *end || *s == '-' || !v || v > max)
		die(ST_USAGE, "%s: '%s', wanted a number from 1 to %lu", what, s, max);
	return v;
}

static uint64_t size(const char *s)
{
	static const char units[] = "KMG";
	unsigned long long v;
	const char *unit;
	char *end;
	int shift = 0;

	errno = 0;
	v = strtoull(s, &end, 0);
	unit = *end ? strchr(units, *end) : NULL;
	if (unit) {
		shift = 10 * (unit - units + 1);
		end++;
	}
	if (errno || end == s || *end || *s == '-' || v > 1ull << 40 >> shift)
		die(ST_USAGE, "--memory: '%s', wanted a number, K, M or G, up to 1024G", s);
	return v << shift;
}

/* The number of the word that it is; words are separated by spaces. */
static int choice(const char *s, const char *what, const char *words)
{
	size_t len = strlen(s);
	const char *w = words;
	int i;

	for (i = 0; w; i++) {
		if (strcspn(w, " ") == len && !strncmp(w, s, len))
			return i;
		w = strchr(w, ' ');
		w += !!w;
	}
	die(ST_USAGE, "%s: '%s', wanted one of: %s", what, s, words);
}

static void expect(const char *s)
{
	unsigned int i, byte;

	for (i = 0; i < MEASURE_LEN; i++) {
		if (strspn(s + 2 * i, "0123456789abcdefABCDEF") < 2)
			break;
		if (sscanf(s + 2 * i, "%2x", &byte) != 1)
			break;
		vm.opt.expect[i] = byte;
	}
	if (i < MEASURE_LEN || s[2 * i])
		die(ST_USAGE, "--expect: '%s', wanted a SHA-384 in %u hexadecimal digits", s,
		    2 * MEASURE_LEN);
	vm.opt.has_expect = true;
}

static void parse_args(int argc, char **argv)
{
	struct options *o = &vm.opt;
	int c;

	while ((c = getopt_long(argc, argv, "n:m:a:t:h", options, NULL)) != -1) {
		switch (c) {
		case 'n':
			o->cpus = number(optarg, "--cpus", MAX_VCPUS);
			break;
		case 'm':
			o->memory = size(optarg);
			break;
		case 'a':
			o->append = optarg;
			break;
		case 't':
			o->timeout = number(optarg, "--timeout", 1000000);
			break;
		case OPT_VMSA:
			o->vmsa = choice(optarg, "--vmsa", "file kvm build");
			break;
		case OPT_EMPTY:
			o->empty_is_zero = choice(optarg, "--empty", "normal zero");
			break;
		case OPT_EXPECT:
			expect(optarg);
			break;
		case OPT_NO_ID:
			o->no_id_block = true;
			break;
		case OPT_CERTS:
			o->certs = optarg;
			break;
		case OPT_ZAP:
			o->zap_wait = choice(optarg, "--zap", "stop wait");
			break;
		case OPT_JSON:
			o->json = true;
			break;
		case OPT_DRY:
			o->dry_run = true;
			break;
		case 'h':
			fputs(help, stdout);
			exit(0);
		default:
			fputs(help, stderr);
			exit(ST_USAGE);
		}
	}
	if (optind != argc - 1) {
		fputs(help, stderr);
		exit(ST_USAGE);
	}
	o->file = argv[optind];
	if (o->has_expect && o->no_id_block)
		die(ST_USAGE, "--expect needs an ID block, --no-id-block forbids it");
}

/*
 * The launch
 */

static void read_file(void)
{
	struct parse_error err;
	size_t len;
	void *file;
	int ret;

	ret = file_read(vm.opt.file, &file, &len);
	if (ret)
		die(ST_FILE, "can't read '%s': %s", vm.opt.file, strerror(-ret));
	ret = igvm_parse(&vm.igvm, file, len, &err);
	if (ret == -ENOMEM)
		die(ST_FAIL, "no memory for '%s'", vm.opt.file);
	if (ret)
		die(ST_FILE, "%s: offset 0x%llx: %s", vm.opt.file, (unsigned long long)err.offset,
		    err.reason);
	vm.policy = vm.igvm.has_policy ? vm.igvm.policy : POLICY_DEFAULT;
	if (vm.igvm.id_block && (vm.opt.has_expect || vm.opt.no_id_block))
		die(ST_USAGE, "the file has an ID block of its own: no --expect, no --no-id-block");
}

static void create_vm(void)
{
	struct kvm_enable_cap hypercall = {
		.cap = KVM_CAP_EXIT_HYPERCALL,
		.args[0] = 1 << KVM_HC_MAP_GPA_RANGE,
	};
	/* Local APICs in the kernel, as HALTED and AP Creation need them; no I/O APIC. */
	struct kvm_enable_cap irqchip = {
		.cap = KVM_CAP_SPLIT_IRQCHIP,
		.args[0] = 24,
	};

	vm.fd = ioctl(vm.kvm, KVM_CREATE_VM, KVM_X86_SNP_VM);
	if (vm.fd < 0)
		die(ST_FAIL, "KVM_CREATE_VM of type SNP: %s", strerror(errno));
	sev_init(&vm);
	certs_enable(&vm);
	if (ioctl(vm.fd, KVM_ENABLE_CAP, &hypercall))
		die(ST_FAIL, "KVM_CAP_EXIT_HYPERCALL, MAP_GPA_RANGE: %s", strerror(errno));
	if (ioctl(vm.fd, KVM_ENABLE_CAP, &irqchip))
		die(ST_FAIL, "KVM_CAP_SPLIT_IRQCHIP: %s", strerror(errno));
}

static void say_plan(void)
{
	unsigned int i;

	say("%s: policy 0x%llx, SEV_FEATURES 0x%llx; platform: %s\n", vm.opt.file,
	    (unsigned long long)vm.policy, (unsigned long long)vm.sev_features, platform_name());
	for (i = 0; i < vm.nr_regions; i++)
		say("memory   0x%llx to 0x%llx\n", (unsigned long long)vm.regions[i].gpa,
		    (unsigned long long)(vm.regions[i].gpa + vm.regions[i].size));
	for (i = 0; i < vm.nr_vcpus; i++) {
		const struct vcpu *v = &vm.vcpus[i];

		if (v->kind == VMSA_GUEST)
			say("vCPU %-3u VMSA of the file, at 0x%llx\n", i,
			    (unsigned long long)v->vmsa_gpa);
		else if (v->kind == VMSA_BUILT)
			say("vCPU %-3u VMSA built by KVM at 0x%llx, with the file's registers\n", i,
			    (unsigned long long)v->vmsa_gpa);
		else if (v->kind == VMSA_KVM)
			say("vCPU %-3u VMSA of KVM, at 0x%llx, %s\n", i,
			    (unsigned long long)IGVM_KVM_VMSA_GPA,
			    v->context ? "with the file's registers" : "as at reset");
		else
			say("vCPU %-3u no VMSA: the guest makes one\n", i);
	}
}

/* The plan, with a kernel that has the uAPI; no KVM is needed. */
static void dry_run(void)
{
	unsigned int i;

	say_plan();
	for (i = 0; i < vm.nr_vcpus; i++)
		if (vm.vcpus[i].kind == VMSA_KVM && !vm.vcpus[i].context)
			break;
	if (i < vm.nr_vcpus) {
		say("digest   depends on the host's CPUID: vCPU %u has no VP_CONTEXT\n", i);
	} else {
		launch_predict(&vm);
		launch_say_digest(&vm);
	}
	finish(ST_OK, NULL);
}

int main(int argc, char **argv)
{
	parse_args(argc, argv);
	read_file();
	vcpu_plan(&vm);
	memory_plan(&vm);
	param_fill(&vm);
	if (vm.opt.dry_run)
		dry_run();
	sev_open(&vm);
	create_vm();
	memory_create(&vm);
	vcpu_create(&vm);
	say_plan();
	launch_predict(&vm);
	launch(&vm);
	say("launched %llu pages\n", (unsigned long long)vm.pages);
	launch_finish(&vm);
	run(&vm);
	say("pages    %llu became shared, %llu private; %llu of these by access\n",
	    (unsigned long long)vm.to_shared, (unsigned long long)vm.to_private,
	    (unsigned long long)vm.by_access);
	if (vm.outcome.status != ST_OK)
		finish(vm.outcome.status, vm.outcome.text);
	say("ended    %s\n", vm.outcome.text);
	finish(ST_OK, NULL);
}
