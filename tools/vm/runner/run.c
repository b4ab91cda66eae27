// SPDX-License-Identifier: GPL-2.0
/*
 * Boots machines, runs tests in them (and some on this host), judges.
 *
 * stdout is KTAP, stderr is progress, everything else is under --results.
 * Tests and machines are declared in the files given with --tests; their first
 * lines explain the format.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <regex.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runner.h"

#define EXIT_SKIP	4	/* KSFT_SKIP */
#define BOOT_SECONDS	60
#define GRACE_SECONDS	20	/* init must report so long after a time limit */
#define END_SECONDS	60	/* unloading, kmemleak, reset */
#define CHUNK_SECONDS	45	/* tests that share a machine, by their last times */
#define MAX_DIRS	16	/* of files of one kind */
#define MAX_SLOTS	8
#define MONITOR_FD	3	/* of QEMU */
#define MAX_LEVELS	8	/* of nested KTAP */
#define TAIL_LINES	20

/* SKIP is all of a test, PART only some of its subtests. */
enum outcome { PASS, FAIL, SKIP, PART, TIMEOUT, LOST, NR_OUTCOMES };

static const char *const outcome_name[] = {
	"pass", "fail", "skip", "part", "timeout", "lost"
};

struct machine {
	char *name, *smp, *mem, *modules, *root, *kernel_args, *qemu_args;
	char *thread;			/* of TCG: "multi", "single" */
};

/* What a test makes the kernel say, and what is a splat otherwise */
struct told {
	char *text;
	regex_t re;
	bool seen;
};

struct test {
	char *name, *group, *kind, *command, *reason;
	struct machine *machine;
	const char *modset;		/* "none", "base", "fixes", "ext" */
	char *label;			/* NAME or NAME@MODSET */
	int seconds;
	unsigned int expect;		/* bit mask of outcomes */
	int xfail;			/* so many subtests are to be XFAIL */
	bool own, may_stale, may_leak, timing, tried, stalled, queued, placed;
	bool chosen, done, ran;
	double last;			/* seconds in an earlier run, or -1 */

	enum outcome outcome;
	double took;
	char *why;
	FILE *log;
	struct told *told;
	int nr_told;
	char *log_path;
};

static struct test *tests;
static int nr_tests;
static struct machine *machines[32];
static int nr_machines;

/* One running machine, or one test on the host. */
struct slot {
	bool used;
	pid_t pid;
	int fd;				/* reports, or the host test's output */
	int mon;			/* QEMU's monitor, if it is a machine */
	bool eof;
	int *ids;			/* tests to run, in this order */
	int nr, cur;			/* cur: running now, or -1 */
	bool hello, begun, stop, done;
	double deadline, started;
	bool killed;
	char *killed_why;
	char *name;			/* results/<name>.{console,qemu} */
	char *console, *initrd;
	char *buf;
	size_t len, size;
	int host;			/* index of the host test, or -1 */
	struct timespec host_start;
};

static struct slot slots[MAX_SLOTS];
static int nr_slots = 2;

/* A machine still to boot. */
struct job {
	int *ids, nr;
	double estimate;
};

static struct job *jobs;
static int nr_jobs;

static struct {
	const char *qemu, *kernel, *init, *threads, *busybox, *results, *splats, *times;
	const char *backend, *name;
	const char *no_kunit;		/* why there are no suites to run */
	const char *fw[MAX_DIRS], *progs[MAX_DIRS], *mods[MAX_DIRS];
	int nr_fw, nr_progs, nr_mods;
	double scale;
	bool shell, list, keep, verbose, show;
	const char *shell_machine, *shell_modset;
	long max_rss_kb;
} opt = {
	.results = "results", .backend = "emulated", .scale = 1,
	.max_rss_kb = 2560 * 1024, .shell_machine = "snp",
	.shell_modset = "ext",
};

static int nr_chosen, nr_finished, nr_machine_runs, nr_stalled, ktap_nr;
static int nr_green, nr_red, nr_passed;
static int counts[NR_OUTCOMES], nr_xfail;
static long peak_rss_kb;
static double run_start;
static FILE *ktap;
static volatile sig_atomic_t interrupted;

void die(const char *fmt, ...)
{
	va_list ap;
	int i;

	fflush(stdout);
	fputs("vm-run: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	for (i = 0; i < MAX_SLOTS; i++)
		if (slots[i].used)
			kill(-slots[i].pid, SIGKILL);
	exit(2);
}

void *xrealloc(void *p, size_t size)
{
	p = realloc(p, size ? size : 1);
	if (!p)
		die("out of memory");
	return p;
}

char *xstrdup(const char *s)
{
	return strcpy(xrealloc(NULL, strlen(s) + 1), s);
}

char *xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		die("out of memory");
	va_end(ap);
	return s;
}

char *slurp(const char *path, size_t *len)
{
	FILE *f = fopen(path, "r");
	size_t size = 65536, n = 0, got;
	char *buf;

	if (!f)
		return NULL;
	buf = xrealloc(NULL, size);
	while ((got = fread(buf + n, 1, size - n - 1, f)) > 0) {
		n += got;
		if (n == size - 1)
			buf = xrealloc(buf, size *= 2);
	}
	fclose(f);
	buf[n] = '\0';
	if (len)
		*len = n;
	return buf;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void out(const char *fmt, ...)
{
	va_list ap;

	if (!opt.show) {
		va_start(ap, fmt);
		vprintf(fmt, ap);
		va_end(ap);
		fflush(stdout);
	}
	if (ktap) {
		va_start(ap, fmt);
		vfprintf(ktap, fmt, ap);
		va_end(ap);
		fflush(ktap);
	}
}

/*
 * Declarations
 */

static char *word(char **p)
{
	char *w;

	*p += strspn(*p, " \t");
	w = *p;
	*p += strcspn(*p, " \t");
	if (**p)
		*(*p)++ = '\0';
	return w;
}

static struct machine *find_machine(const char *name)
{
	int i;

	for (i = 0; i < nr_machines; i++)
		if (!strcmp(machines[i]->name, name))
			return machines[i];
	return NULL;
}

static void parse_machine(const char *where, char *line)
{
	static const struct machine defaults = {
		.smp = "2", .mem = "2G", .modules = "", .kernel_args = "",
		.thread = "multi", .qemu_args = "",
	};
	struct machine *m = xrealloc(NULL, sizeof(*m)), *like;
	char *w;

	*m = defaults;
	m->name = xstrdup(word(&line));
	while (*(w = word(&line)) && strcmp(w, "--")) {
		char *v = strchr(w, '='), *c;

		if (!v)
			die("%s: machine %s: '%s' is not key=value", where, m->name, w);
		*v++ = '\0';
		v = xstrdup(v);
		if (!strcmp(w, "like")) {
			like = find_machine(v);
			if (!like)
				die("%s: machine %s: no machine '%s' is declared above",
				    where, m->name, v);
			v = m->name;
			*m = *like;
			m->name = v;
		} else if (!strcmp(w, "smp")) {
			m->smp = v;
		} else if (!strcmp(w, "mem")) {
			m->mem = v;
		} else if (!strcmp(w, "modules")) {
			m->modules = v;
		} else if (!strcmp(w, "thread")) {
			if (strcmp(v, "multi") && strcmp(v, "single"))
				die("%s: machine %s: thread is multi or single, not '%s'",
				    where, m->name, v);
			m->thread = v;
		} else if (!strcmp(w, "root")) {
			m->root = v;
		} else if (!strcmp(w, "append")) {
			/* a comma stands for a space */
			for (c = v; *c; c++)
				if (*c == ',')
					*c = ' ';
			m->kernel_args = v;
		} else {
			die("%s: machine %s: unknown key '%s'", where, m->name, w);
		}
	}
	if (*w)
		m->qemu_args = xstrdup(line);
	if (nr_machines == (int)ARRAY_SIZE(machines))
		die("%s: too many machines", where);
	machines[nr_machines++] = m;
}

static unsigned int parse_expect(const char *where, char *text)
{
	unsigned int mask = 0;
	char *w, *save;

	for (w = strtok_r(text, "|", &save); w; w = strtok_r(NULL, "|", &save)) {
		unsigned int i;

		for (i = 0; i < NR_OUTCOMES; i++)
			if (!strcmp(w, outcome_name[i]))
				break;
		if (i == NR_OUTCOMES || i == LOST)
			die("%s: unknown expectation '%s'", where, w);
		mask |= 1u << i;
	}
	if (!mask)
		die("%s: no expectation", where);
	return mask;
}

static int parse_xfail(const char *where, const char *name, const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (n < 1 || n > INT_MAX || *end)
		die("%s: test %s: xfail= is a number of subtests, not '%s'", where, name, text);
	return n;
}

static void add_test(const struct test *t, const char *modset, bool suffix)
{
	struct test *n;
	int i;

	tests = xrealloc(tests, (nr_tests + 1) * sizeof(*tests));
	n = &tests[nr_tests++];
	*n = *t;
	n->modset = modset;
	n->label = suffix ? xasprintf("%s@%s", t->name, modset) : t->name;
	for (i = 0; i < nr_tests - 1; i++)
		if (!strcmp(tests[i].label, n->label))
			die("test '%s' is declared twice", n->label);
}

static void parse_test(const char *where, char *line)
{
	struct test t = { .last = -1 };
	char *machine, *mods, *flags, *w, *save, *reason, *comma;
	struct machine *ext;

	t.name = xstrdup(word(&line));
	t.group = xstrdup(word(&line));
	t.kind = xstrdup(word(&line));
	machine = word(&line);
	mods = word(&line);
	t.seconds = atoi(word(&line));
	t.expect = parse_expect(where, word(&line));
	flags = word(&line);
	line += strspn(line, " \t");
	reason = strstr(line, " -- ");
	if (reason) {
		*reason = '\0';
		t.reason = xstrdup(reason + 4 + strspn(reason + 4, " "));
	}
	while (*line && isspace((unsigned char)line[strlen(line) - 1]))
		line[strlen(line) - 1] = '\0';
	t.command = xstrdup(line);
	if (!*line || t.seconds <= 0)
		die("%s: test %s: time limit or command is missing", where, t.name);
	if (t.expect != 1u << PASS && !t.reason)
		die("%s: test %s: an expectation other than 'pass' needs ' -- REASON'",
		    where, t.name);
	for (w = strtok_r(flags, ",", &save); w; w = strtok_r(NULL, ",", &save)) {
		if (!strcmp(w, "own"))
			t.own = true;
		else if (!strcmp(w, "stale"))
			t.may_stale = true;
		else if (!strcmp(w, "leak"))
			t.may_leak = true;
		else if (!strcmp(w, "timing"))
			t.timing = true;
		else if (!strncmp(w, "xfail=", 6))
			t.xfail = parse_xfail(where, t.name, w + 6);
		else if (strcmp(w, "-"))
			die("%s: test %s: unknown flag '%s'", where, t.name, w);
	}
	if (!strcmp(t.kind, "host")) {
		add_test(&t, "none", false);
		return;
	}
	if (strcmp(t.kind, "prog") && strcmp(t.kind, "kunit") && strcmp(t.kind, "sh"))
		die("%s: test %s: unknown kind '%s'", where, t.name, t.kind);
	/* With modules both: "MACHINE" or "MACHINE FOR BASE,MACHINE FOR EXT" */
	comma = strchr(machine, ',');
	if (comma)
		*comma++ = '\0';
	t.machine = find_machine(machine);
	ext = comma ? find_machine(comma) : t.machine;
	if (!t.machine || !ext)
		die("%s: test %s: no machine '%s' is declared above", where, t.name,
		    t.machine ? comma : machine);
	if (!strcmp(mods, "both")) {
		add_test(&t, "base", true);
		t.machine = ext;
		add_test(&t, "ext", true);
	} else if (!strcmp(mods, "none") || !strcmp(mods, "base") ||
		   !strcmp(mods, "fixes") || !strcmp(mods, "ext")) {
		add_test(&t, xstrdup(mods), false);
	} else {
		die("%s: test %s: modules are none, base, fixes, ext or both, not '%s'",
		    where, t.name, mods);
	}
}

/* "log NAME REGEX -- REASON": of a test that is declared above */
static void parse_log(const char *where, char *line)
{
	char *name = word(&line), *reason = strstr(line, " -- ");
	bool any = false;
	int i;

	if (!reason || !reason[4])
		die("%s: log %s: needs ' -- REASON'", where, name);
	*reason = '\0';
	line += strspn(line, " \t");
	for (i = 0; i < nr_tests; i++) {
		struct test *t = &tests[i];
		struct told *n;

		if (strcmp(t->name, name))
			continue;
		any = true;
		t->told = xrealloc(t->told, (t->nr_told + 1) * sizeof(*n));
		n = &t->told[t->nr_told++];
		*n = (struct told){ .text = xstrdup(line) };
		if (!*line || regcomp(&n->re, line, REG_EXTENDED | REG_NOSUB))
			die("%s: log %s: bad regular expression '%s'", where, name, line);
	}
	if (!any)
		die("%s: log %s: no test of that name is declared above", where, name);
}

static void parse_tests(const char *path)
{
	char *line, *save, *text = slurp(path, NULL);
	char *where = xasprintf("%s", path);

	if (!text)
		die("cannot read '%s': %s", path, strerror(errno));
	for (line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		char *w;

		if (*line == '#')
			continue;
		w = word(&line);
		if (!*w)
			continue;
		if (!strcmp(w, "machine"))
			parse_machine(where, line);
		else if (!strcmp(w, "test"))
			parse_test(where, line);
		else if (!strcmp(w, "log"))
			parse_log(where, line);
		else
			die("%s: a line starts with 'machine', 'test', 'log' or '#', not '%s'",
			    path, w);
	}
	free(text);
	free(where);
}

static void choose(const char *list)
{
	char *copy, *w, *save;
	int i;

	/* "!NAME" takes away; when it comes first, from all. */
	if (!list || !*list || *list == '!') {
		for (i = 0; i < nr_tests; i++)
			tests[i].chosen = tests[i].group[0] != '-';
	}
	copy = xstrdup(list ? list : "");
	for (w = strtok_r(copy, ", ", &save); w; w = strtok_r(NULL, ", ", &save)) {
		bool any = false, off = *w == '!';

		w += off;

		for (i = 0; i < nr_tests; i++) {
			struct test *t = &tests[i];
			const char *group = t->group + (t->group[0] == '-');

			if (fnmatch(w, t->label, 0) && fnmatch(w, t->name, 0) &&
			    strcmp(w, group))
				continue;
			t->chosen = !off;
			any = true;
		}
		if (!any)
			die("no test, group or pattern '%s'; 'make list' shows them", w);
	}
	free(copy);
}

static void list_tests(void)
{
	int i;

	printf("%-42s %-10s %-6s %-8s %5s  %s\n", "TEST", "GROUP", "KIND", "MACHINE",
	       "LIMIT", "EXPECTED");
	for (i = 0; i < nr_tests; i++) {
		struct test *t = &tests[i];
		unsigned int o;
		bool first = true;

		if (!t->chosen)
			continue;
		printf("%-42s %-10s %-6s %-8s %4ds  ", t->label,
		       t->group + (t->group[0] == '-'), t->kind,
		       t->machine ? t->machine->name : "-", t->seconds);
		for (o = 0; o < NR_OUTCOMES; o++) {
			if (!(t->expect & (1u << o)))
				continue;
			printf("%s%s", first ? "" : "|", outcome_name[o]);
			first = false;
		}
		if (t->xfail)
			printf(" xfail=%d", t->xfail);
		printf("%s%s%s\n", t->group[0] == '-' ? " (only by name)" : "",
		       t->reason ? ": " : "", t->reason ? t->reason : "");
	}
}

/*
 * Times of earlier runs: for progress, and to share out machines evenly.
 */

static void read_times(void)
{
	char *line, *save, *text = opt.times ? slurp(opt.times, NULL) : NULL;
	char label[256];
	double s;
	int i;

	if (!text)
		return;
	for (line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		if (sscanf(line, "%lf %255s", &s, label) != 2)
			continue;
		for (i = 0; i < nr_tests; i++)
			if (!strcmp(tests[i].label, label))
				tests[i].last = s;
	}
	free(text);
}

static void write_times(void)
{
	char *tmp;
	FILE *f;
	int i;

	if (!opt.times || !*opt.times)
		return;
	tmp = xasprintf("%s.tmp", opt.times);
	f = fopen(tmp, "w");
	if (!f)
		return;
	for (i = 0; i < nr_tests; i++) {
		struct test *t = &tests[i];

		if (t->ran)
			fprintf(f, "%.3f %s\n", t->took, t->label);
		else if (t->last >= 0)
			fprintf(f, "%.3f %s\n", t->last, t->label);
	}
	fclose(f);
	rename(tmp, opt.times);
	free(tmp);
}

/*
 * Verdicts
 */

static void progress(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "[%3d/%d %4.0fs] ", nr_finished, nr_chosen, now() - run_start);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

static bool is_tap(const char *s)
{
	s += strspn(s, " \t#");
	return !strncmp(s, "ok ", 3) || !strncmp(s, "not ok ", 7) ||
	       !strncmp(s, "1..", 3) || !strncmp(s, "Subtest:", 8) ||
	       !strncmp(s, "TAP version", 11) || !strncmp(s, "KTAP version", 12);
}

struct subtests {
	int total, failed, skipped, xfail;
	bool empty;		/* the plan is 1..0 */
	char *skip;		/* why the first one was */
	char *plan;		/* the first plan that was not kept */
};

/* The results of one indentation, from one version line to the next */
struct level {
	size_t indent;
	int plan, seen;		/* plan: -1 if there is none */
};

static void end_level(struct level *l, struct subtests *sub)
{
	if (l->plan >= 0 && l->plan != l->seen && !sub->plan)
		sub->plan = xasprintf("plan 1..%d, but %d results", l->plan, l->seen);
	l->plan = -1;
	l->seen = 0;
}

/* Subtests become nested KTAP. */
static struct subtests nested(struct test *t, bool print)
{
	char *line, *save, *text = slurp(t->log_path, NULL);
	struct level levels[MAX_LEVELS] = { { .plan = -1 } }, *l = levels;
	struct subtests sub = { 0 };

	if (!text)
		return sub;
	for (line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		size_t indent = strspn(line, " \t");
		char *s = line + indent, *skip;
		int plan;

		if (!is_tap(line))
			continue;
		if (print)
			out("  %s\n", line);
		if (*s == '#')
			continue;
		while (l > levels && indent < l->indent)
			end_level(l--, &sub);
		if (indent > l->indent && l < levels + MAX_LEVELS - 1)
			*++l = (struct level){ .indent = indent, .plan = -1 };
		if (strncmp(s, "ok ", 3) && strncmp(s, "not ok ", 7)) {
			if (sscanf(s, "1..%d", &plan) == 1) {
				/* Of programs one after the other, without version lines */
				l->plan = plan + (l->plan < 0 ? 0 : l->plan);
				sub.empty |= !indent && !plan;
			} else if (strstr(s, "TAP version")) {
				end_level(l, &sub);
			}
			continue;
		}
		l->seen++;
		sub.total++;
		skip = strstr(s, "# SKIP");
		if (skip) {
			sub.skipped++;
			if (!sub.skip)
				sub.skip = xstrdup(skip + 6 + strspn(skip + 6, " -"));
		} else if (strstr(s, "# XFAIL") || (*s == 'n' && strstr(s, "# TODO"))) {
			sub.xfail++;
		} else if (*s == 'n') {
			sub.failed++;
		}
	}
	while (l > levels)
		end_level(l--, &sub);
	end_level(l, &sub);
	free(text);
	return sub;
}

/* The reason that a skipping test gave, so that it can be read in the KTAP. */
static char *skip_reason(struct test *t)
{
	char *text = slurp(t->log_path, NULL), *line, *save, *why = NULL;

	for (line = text ? strtok_r(text, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save)) {
		char *skip = strstr(line, "# SKIP");

		if (skip && !strncmp(line, "1..0", 4)) {
			free(why);
			why = xstrdup(skip + 6 + strspn(skip + 6, " -"));
			break;
		}
		if (!*line || is_tap(line))
			continue;
		if (strcasestr(line, "skip") || strcasestr(line, "require") || !why) {
			free(why);
			why = xstrdup(line + strspn(line, "# \t-"));
			if (strcasestr(line, "skip") || strcasestr(line, "require"))
				break;
		}
	}
	free(text);
	return why ? why : xstrdup("no reason given");
}

static void print_tail(const char *path)
{
	char *text = slurp(path, NULL), *p;
	size_t len;
	int lines = 0;

	if (!text)
		return;
	len = strlen(text);
	while (len && text[len - 1] == '\n')
		text[--len] = '\0';
	for (p = text + len; p > text; p--)
		if (p[-1] == '\n' && ++lines == TAIL_LINES)
			break;
	while (p && *p) {
		char *nl = strchr(p, '\n');

		if (nl)
			*nl++ = '\0';
		out("# | %s\n", p);
		p = nl;
	}
	free(text);
}

static void describe(struct test *t, char *buf, size_t size)
{
	if (!t->machine)
		snprintf(buf, size, "%s (host)", t->label);
	else
		snprintf(buf, size, "%s (%s, %s)", t->label, opt.backend,
			 t->machine->name);
}

static void add_job(int *ids, int nr);

/*
 * A test of time on a busy host: one more try, and no secret made of it. The log
 * of the first is kept.
 */
static void try_again(struct test *t, enum outcome o, const char *why)
{
	char *first = xasprintf("%s.first", t->log_path);
	int *id = xrealloc(NULL, sizeof(*id));

	out("# %s: %s%s%s; it depends on timing and gets a second try, log: %s\n", t->label,
	    outcome_name[o], why ? ": " : "", why ? why : "", first);
	if (t->log)
		fclose(t->log);
	t->log = NULL;
	rename(t->log_path, first);
	free(first);
	t->tried = t->queued = true;
	*id = t - tests;
	add_job(id, 1);
}

static void verdict(struct test *t, enum outcome o, char *why)
{
	bool expected = t->expect & (1u << o), green, skip = o == SKIP || o == PART;
	char name[256], last[32] = "";

	if (t->done)
		return;
	if (t->timing && !t->tried && !expected && t->log_path &&
	    (o == FAIL || o == TIMEOUT)) {
		try_again(t, o, why);
		return;
	}
	t->done = true;
	t->outcome = o;
	t->why = why;
	if (t->log)
		fclose(t->log);
	t->log = NULL;
	counts[o]++;
	nr_finished++;
	describe(t, name, sizeof(name));
	green = expected && o != LOST;
	if (o == PASS && green)
		nr_passed++;
	if (t->ran) {
		char *path = xasprintf("%s/%s.tap", opt.results, t->label);
		FILE *f = fopen(path, "w");

		if (f) {
			fprintf(f, "KTAP version 1\n1..1\n%sok 1 %s%s%s\n",
				green ? "" : "not ", name,
				skip ? " # SKIP " : green && o != PASS ?
				" # XFAIL " : o != PASS ? " # " : "",
				o == PASS ? "" : why ? why : outcome_name[o]);
			fclose(f);
		}
		free(path);
	}
	if (t->log_path)
		nested(t, true);
	ktap_nr++;
	if (!green) {
		nr_red++;
		out("not ok %d %s # %s%s%s\n", ktap_nr, name, outcome_name[o],
		    why ? ": " : "", why ? why : "");
		if (o == PASS || skip || !expected) {
			unsigned int e;

			out("# expected:");
			for (e = 0; e < NR_OUTCOMES; e++)
				if (t->expect & (1u << e))
					out(" %s", outcome_name[e]);
			out("%s%s\n", t->reason ? ": " : "", t->reason ? t->reason : "");
		}
		if (t->log_path) {
			print_tail(t->log_path);
			out("# log: %s\n", t->log_path);
		}
	} else if (skip) {
		nr_green++;
		out("ok %d %s # SKIP %s\n", ktap_nr, name, why ? why : "");
	} else if (o == PASS) {
		nr_green++;
		out("ok %d %s\n", ktap_nr, name);
	} else {
		nr_green++;
		nr_xfail++;
		out("ok %d %s # XFAIL %s, expected: %s\n", ktap_nr, name,
		    outcome_name[o], t->reason);
	}
	if (t->last >= 0)
		snprintf(last, sizeof(last), " [%.1f s]", t->last);
	progress("%s%s: %s, %.1f s%s", green ? "" : "RED ", t->label, outcome_name[o],
		 t->took, last);
}

static void open_log(struct test *t)
{
	char *c;

	t->log_path = xasprintf("%s/%s.log", opt.results, t->label);
	for (c = t->log_path + strlen(opt.results) + 1; *c; c++)
		if (*c == '/')
			*c = '_';
	t->log = fopen(t->log_path, "w");
	if (!t->log)
		die("cannot write '%s': %s", t->log_path, strerror(errno));
	t->ran = true;
}

static void judge_exit(struct test *t, int code)
{
	struct subtests sub;

	fflush(t->log);
	sub = nested(t, false);
	if (code && code != EXIT_SKIP) {
		verdict(t, FAIL, xasprintf("exit code %d", code));
	} else if (sub.failed) {
		/* With a subtest that failed it has not passed, nor skipped. */
		verdict(t, FAIL, xasprintf("%d subtests failed, yet exit code %d",
					   sub.failed, code));
	} else if (sub.total ? sub.skipped == sub.total : code == EXIT_SKIP || sub.empty) {
		verdict(t, SKIP, sub.skip ? sub.skip : skip_reason(t));
	} else if (sub.plan) {
		verdict(t, FAIL, xasprintf("%s, yet exit code %d", sub.plan, code));
	} else if (sub.xfail != t->xfail) {
		verdict(t, FAIL, xasprintf("%d subtests XFAIL, %d declared: find out which is %s, then set xfail= in FLAGS",
					   sub.xfail, t->xfail,
					   sub.xfail > t->xfail ? "new" : "gone"));
	} else if (sub.skipped || code == EXIT_SKIP) {
		/* A part of it does not stand for the whole. */
		verdict(t, PART, xasprintf("%d of %d subtests: %s", sub.skipped, sub.total,
					   sub.skip ? sub.skip : skip_reason(t)));
	} else {
		verdict(t, PASS, NULL);
	}
}

/*
 * Machines
 */

static const char *find_in(const char *const *dirs, int nr, const char *name)
{
	static char path[4096];
	int i;

	for (i = 0; i < nr; i++) {
		snprintf(path, sizeof(path), "%s/%s", dirs[i], name);
		if (!access(path, R_OK))
			return path;
	}
	return NULL;
}

/* --modules NAME=DIR; all look in their own directories, then in "base". */
static const char *find_module(const char *modset, const char *name)
{
	const char *dirs[2 * MAX_DIRS], *found;
	int i, n = 0, pass;
	char *file;

	for (pass = 0; pass < 2; pass++) {
		const char *want = pass ? "base" : modset;

		if (pass && !strcmp(modset, "base"))
			break;
		for (i = 0; i < opt.nr_mods; i++) {
			size_t len = strlen(want);

			if (!strncmp(opt.mods[i], want, len) && opt.mods[i][len] == '=')
				dirs[n++] = opt.mods[i] + len + 1;
		}
	}
	/* These bring both; the base's must not stand in for one. */
	if (strcmp(modset, "base") && n &&
	    (!strcmp(name, "kvm") || !strcmp(name, "kvm-amd")))
		n = 1;
	file = xasprintf("%s.ko", name);
	found = find_in(dirs, n, file);
	free(file);
	return found;
}

static char *add_module(struct cpio *c, const char *modset, const char *name,
			size_t *len)
{
	const char *path = find_module(modset, name);
	char *as, *data;

	if (!path)
		die("no %s.ko in the '%s' modules (see --modules)", name, modset);
	data = slurp(path, len);
	if (!data)
		die("cannot read '%s': %s", path, strerror(errno));
	as = xasprintf("vm/lib/%s.ko", name);
	cpio_data(c, as, 0644, data, *len);
	free(as);
	return data;
}

/* The modules of a machine, in load order. */
struct modlist {
	struct cpio *c;
	const char *modset;
	char *text;			/* /vm/modules */
};

static bool listed(const char *text, const char *name)
{
	size_t len = strlen(name);

	for (; *text; text = strchr(text, '\n') + 1)
		if (!strncmp(text, name, len) && strchr(" \n", text[len]))
			return true;
	return false;
}

/*
 * Adds the module after those that it depends on: modpost wrote their names into
 * its .modinfo, NUL-terminated strings.
 */
static void list_module(struct modlist *l, const char *name, const char *params)
{
	static const char key[] = "\0depends=";
	char *data, *deps, *dep, *save, *more;
	size_t len;

	if (listed(l->text, name))
		return;
	data = add_module(l->c, l->modset, name, &len);
	deps = memmem(data, len, key, sizeof(key) - 1);
	deps = xstrdup(deps ? deps + sizeof(key) - 1 : "");
	free(data);
	for (dep = strtok_r(deps, ",", &save); dep; dep = strtok_r(NULL, ",", &save))
		list_module(l, dep, NULL);
	free(deps);
	more = xasprintf("%s%s%s%s\n", l->text, name, params ? " " : "",
			 params ? params : "");
	free(l->text);
	l->text = more;
}

/*
 * modules=A,B:PARAM:PARAM,C in load order. A leading '?' is for those that a
 * configuration may have built in. "none" loads just the optional ones.
 */
static void add_modules(struct cpio *c, struct machine *m, const char *modset)
{
	struct modlist l = { c, modset, xstrdup("") };
	char *list = xstrdup(m->modules), *w, *save;

	for (w = strtok_r(list, ",", &save); w; w = strtok_r(NULL, ",", &save)) {
		bool must = *w != '?';
		char *params = strchr(w, ':'), *p;

		if (!must)
			w++;
		else if (!strcmp(modset, "none"))
			continue;
		if (params)
			*params++ = '\0';
		if (!must && !find_module(modset, w))
			continue;
		for (p = params; p && *p; p++)
			if (*p == ':')
				*p = ' ';
		list_module(&l, w, params);
	}
	cpio_data(c, "vm/modules", 0644, l.text, strlen(l.text));
	free(l.text);
	free(list);
}

static void add_program(struct cpio *c, const char *name)
{
	const char *path = find_in(opt.progs, opt.nr_progs, name);
	char *as;

	if (!path)
		die("no program '%s' (see --progs)", name);
	as = xasprintf("vm/bin/%s", name);
	cpio_file(c, as, 0755, path);
	free(as);
}

/* First word, and each "@file" of the command: what the test brings along. */
static bool add_test_files(struct cpio *c, struct test *t, const char *modset)
{
	char *copy = xstrdup(t->command), *w, *save;
	bool first = true;
	size_t len;

	for (w = strtok_r(copy, " ;", &save); w; w = strtok_r(NULL, " ;", &save)) {
		if (!strcmp(t->kind, "kunit")) {
			if (first) {
				if (!find_module(modset, w)) {
					free(copy);
					return false;
				}
				free(add_module(c, modset, "kunit", &len));
				free(add_module(c, modset, w, &len));
			}
		} else if (first || *w == '@') {
			w += *w == '@';
			if (find_in(opt.progs, opt.nr_progs, w)) {
				add_program(c, w);
			} else if (strcmp(t->kind, "sh")) {
				free(copy);
				return false;
			}
		}
		first = false;
	}
	free(copy);
	return true;
}

static void common_files(struct cpio *c)
{
	static const char *const dirs[] = {
		"dev", "proc", "sys", "tmp", "run", "etc", "bin", "sbin",
		"usr/bin", "usr/sbin", "vm/bin", "vm/lib", "root", "mnt",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(dirs); i++)
		cpio_dir(c, dirs[i]);
	cpio_node(c, "dev/console", S_IFCHR | 0600, 5, 1);
	cpio_file(c, "init", 0755, opt.init);
	if (opt.busybox)
		cpio_file(c, "bin/busybox", 0755, opt.busybox);
	cpio_data(c, "etc/passwd", 0644, "root:x:0:0:root:/root:/bin/sh\n", 30);
	cpio_data(c, "etc/group", 0644, "root:x:0:\n", 10);
}

static char *command_for_guest(struct test *t)
{
	char *cmd = xstrdup(t->command), *from, *to;

	/* "@" marks files to bring along; the command sees their names. */
	for (from = to = cmd; *from; from++)
		if (*from != '@' || (from != cmd && from[-1] != ' '))
			*to++ = *from;
	*to = '\0';
	return cmd;
}

/* False when none of its tests can run. */
static bool make_initrd(struct slot *s)
{
	struct test *first = &tests[s->ids[0]];
	const char *root = first->machine->root;
	char *list = NULL;
	size_t len = 0;
	struct cpio c;
	int i, ready = 0;
	FILE *f;

	cpio_begin(&c, s->initrd);
	if (root) {
		const char *path = find_in(opt.progs, opt.nr_progs, root);

		if (!path)
			die("machine %s: no '%s' (see --progs)", first->machine->name, root);
		cpio_archive(&c, path);
	}
	common_files(&c);
	add_modules(&c, first->machine, first->modset);
	f = open_memstream(&list, &len);
	for (i = 0; i < s->nr; i++) {
		struct test *t = &tests[s->ids[i]];
		char *cmd;

		t->queued = false;
		if (!add_test_files(&c, t, t->modset)) {
			verdict(t, FAIL, xasprintf("'%s' is not built", t->command));
			continue;
		}
		ready++;
		cmd = command_for_guest(t);
		fprintf(f, "%d\t%s\t%d\t%s\t%s\n", s->ids[i] + 1, t->kind,
			(int)(t->seconds * opt.scale), t->label, cmd);
		free(cmd);
	}
	fclose(f);
	cpio_data(&c, "vm/tests", 0644, list, len);
	free(list);
	cpio_end(&c);
	return ready;
}

static char **qemu_argv(struct machine *m, const char *initrd, const char *console,
			bool shell)
{
	char **argv = xrealloc(NULL, 256 * sizeof(*argv));
	char *args = xstrdup(m->qemu_args), *w, *save;
	int n = 0, i;

	argv[n++] = xstrdup(opt.qemu);
	for (i = 0; i < opt.nr_fw; i++) {
		argv[n++] = "-L";
		argv[n++] = xstrdup(opt.fw[i]);
	}
	argv[n++] = "-nodefaults";
	argv[n++] = "-no-user-config";
	argv[n++] = "-display";
	argv[n++] = "none";
	argv[n++] = "-no-reboot";
	argv[n++] = "-accel";
	argv[n++] = xasprintf("tcg,thread=%s,tb-size=256", m->thread);
	argv[n++] = "-smp";
	argv[n++] = m->smp;
	argv[n++] = "-m";
	argv[n++] = m->mem;
	for (w = strtok_r(args, " \t", &save); w && n < 200;
	     w = strtok_r(NULL, " \t", &save))
		argv[n++] = w;
	argv[n++] = "-kernel";
	argv[n++] = xstrdup(opt.kernel);
	argv[n++] = "-initrd";
	argv[n++] = xstrdup(initrd);
	argv[n++] = "-append";
	/*
	 * No watchdog for the TSC: all processors of TCG show the host's, and what
	 * the watchdog would find is that the host was busy.  No check of the timer
	 * for the same reason: it wants four ticks in ten milliseconds, or panics.
	 */
	argv[n++] = xasprintf("console=ttyS0 panic=-1 loglevel=7 printk.devkmsg=on "
			      "tsc=nowatchdog no_timer_check rdinit=/init %s%s",
			      m->kernel_args, shell ? " snp_vm.shell" : "");
	argv[n++] = "-serial";
	if (shell) {
		argv[n++] = "mon:stdio";
	} else {
		argv[n++] = xasprintf("file:%s", console);
		argv[n++] = "-device";
		argv[n++] = "virtio-serial-pci";
		argv[n++] = "-chardev";
		argv[n++] = "stdio,id=port,signal=off";
		argv[n++] = "-device";
		argv[n++] = "virtserialport,chardev=port,name=snp-vm";
		argv[n++] = "-chardev";
		argv[n++] = xasprintf("socket,id=mon,fd=%d", MONITOR_FD);
		argv[n++] = "-mon";
		argv[n++] = "chardev=mon";
	}
	argv[n] = NULL;
	return argv;
}

static void start_machine(struct slot *s, struct job *job)
{
	struct machine *m = tests[job->ids[0]].machine;
	int fds[2], mon[2], err;
	char **argv, *path;

	memset(s, 0, sizeof(*s));
	s->host = -1;
	s->cur = -1;
	s->ids = job->ids;
	s->nr = job->nr;
	s->name = xasprintf("machine-%02d", ++nr_machine_runs);
	s->console = xasprintf("%s/%s.console", opt.results, s->name);
	s->initrd = xasprintf("%s/%s.initrd", opt.results, s->name);
	if (!make_initrd(s)) {
		unlink(s->initrd);
		return;
	}
	/* QEMU opens it later; a reader must not find that strange. */
	fclose(fopen(s->console, "w"));
	argv = qemu_argv(m, s->initrd, s->console, false);
	path = xasprintf("%s/%s.qemu", opt.results, s->name);
	err = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	free(path);
	{
		int i;

		for (i = 0; argv[i]; i++)
			dprintf(err, "%s%s", i ? " " : "# ", argv[i]);
		dprintf(err, "\n");
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, mon))
		die("socketpair: %s", strerror(errno));
	fflush(NULL);
	s->pid = fork();
	if (!s->pid) {
		setpgid(0, 0);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(fds[1], 0);
		dup2(fds[1], 1);
		dup2(err, 2);
		if (mon[1] == MONITOR_FD)
			fcntl(MONITOR_FD, F_SETFD, 0);
		else
			dup2(mon[1], MONITOR_FD);
		execvp(argv[0], argv);
		fprintf(stderr, "cannot run '%s': %s\n", argv[0], strerror(errno));
		_exit(127);
	}
	setpgid(s->pid, s->pid);
	close(fds[1]);
	close(mon[1]);
	close(err);
	s->fd = fds[0];
	s->mon = mon[0];
	fcntl(s->fd, F_SETFL, O_NONBLOCK);
	fcntl(s->mon, F_SETFL, O_NONBLOCK);
	s->used = true;
	s->started = now();
	s->deadline = s->started + BOOT_SECONDS * opt.scale;
	if (opt.verbose) {
		progress("%s: %s, %s modules, %d tests", s->name, m->name,
			 tests[s->ids[0]].modset, s->nr);
	}
}

static void sample_rss(struct slot *s)
{
	char *path = xasprintf("/proc/%d/status", s->pid), *text = slurp(path, NULL);
	char *hwm = text ? strstr(text, "VmHWM:") : NULL;
	long kb = hwm ? atol(hwm + 6) : 0;

	if (kb > peak_rss_kb)
		peak_rss_kb = kb;
	free(text);
	free(path);
}

/*
 * The console between the marks of test @id; up to the end of the log when the
 * machine did not come so far.
 */
static char *section(struct slot *s, int id, bool *complete)
{
	char *log, *begin, *end, *mark;
	size_t len, i;

	*complete = false;
	log = slurp(s->console, &len);
	if (!log)
		return xstrdup("");
	for (i = 0; i < len; i++)
		if (!log[i])
			log[i] = ' ';
	mark = xasprintf("snp-vm: begin %d ", id + 1);
	begin = strstr(log, mark);
	free(mark);
	mark = xasprintf("snp-vm: end %d ", id + 1);
	end = begin ? strstr(begin, mark) : NULL;
	free(mark);
	if (end) {
		*complete = true;
		while (end > begin && end[-1] != '\n')
			end--;
		*end = '\0';
	}
	begin = xstrdup(begin ? begin : "");
	free(log);
	return begin;
}

static bool is_told(const char *line, void *arg)
{
	struct test *t = arg;
	bool told = false;
	int i;

	for (i = 0; i < t->nr_told; i++)
		if (!regexec(&t->told[i].re, line, 0, NULL, 0))
			told = t->told[i].seen = true;
	return told;
}

static const char *not_told(struct test *t)
{
	int i;

	for (i = 0; i < t->nr_told; i++)
		if (!t->told[i].seen)
			return t->told[i].text;
	return NULL;
}

/* Of @t, or of no test if that is NULL */
static char *find_splat(const char *text, struct test *t)
{
	const char *splat = splat_find(text, strlen(text), t ? is_told : NULL, t);

	if (!splat)
		return NULL;
	/* The time stamp would make two reports of one splat differ. */
	if (*splat == '[' && strchr(splat, ']'))
		splat = strchr(splat, ']') + 1;
	return xstrdup(splat + strspn(splat, " "));
}

static long value(const char *args, const char *key, long missing)
{
	char *k = xasprintf("%s=", key);
	const char *p = strstr(args, k);
	long v = p ? atol(p + strlen(k)) : missing;

	free(k);
	return v;
}

static void end_of_test(struct slot *s, int id, const char *args)
{
	struct test *t = &tests[id];
	char status[16] = "", *text, *splat;
	long code = value(args, "code", -1);
	bool complete = false;
	int tries;

	t->took = value(args, "ms", 0) / 1000.0;
	sscanf(args, "status=%15s", status);
	/* The UART is slower than the port. */
	for (tries = 0; tries < 100; tries++) {
		text = section(s, id, &complete);
		if (complete)
			break;
		free(text);
		usleep(20 * 1000);
	}
	if (!complete) {
		verdict(t, LOST, xstrdup("its marks are not in the kernel log"));
		return;
	}
	splat = find_splat(text, t);
	if (t->log) {
		const char *first = strchr(text, '\n');

		if (first && first[1])
			fprintf(t->log, "--- kernel log\n%s", first + 1);
		fflush(t->log);
	}
	free(text);
	/* How busy the host is is no excuse for these. */
	if (splat || !strcmp(status, "stuck") || value(args, "stale", 0) > 0 ||
	    value(args, "leaked", 0) > 0)
		t->timing = false;
	if (splat)
		verdict(t, FAIL, xasprintf("kernel log: %s", splat));
	else if (!strcmp(status, "stuck"))
		verdict(t, FAIL, xstrdup("a process survives SIGKILL"));
	else if (value(args, "stale", 0) > 0 && !t->may_stale)
		verdict(t, FAIL, xasprintf("%ld VMRUNs of a stale VMSA",
					   value(args, "stale", 0)));
	else if (value(args, "leaked", 0) > 0 && !t->may_leak)
		verdict(t, FAIL, xasprintf("%ld pages are still assigned to a guest",
					   value(args, "leaked", 0)));
	else if (!strcmp(status, "timeout"))
		verdict(t, TIMEOUT, xasprintf("more than %d s",
					      (int)(t->seconds * opt.scale)));
	else if (!strcmp(status, "signal"))
		verdict(t, FAIL, xasprintf("signal %ld (%s)", code, strsignal(code)));
	else if (!strcmp(status, "exit") && !code && not_told(t))
		verdict(t, FAIL, xasprintf("not in the kernel log: %s", not_told(t)));
	else if (!strcmp(status, "exit"))
		judge_exit(t, code);
	else
		verdict(t, LOST, xasprintf("init says: %s", args));
	free(splat);
}

/* Takes one report off the buffer. */
static bool take_report(struct slot *s)
{
	char type[16], *nl = memchr(s->buf, '\n', s->len), *args;
	int id, used = 0;
	size_t len, head;

	if (!nl)
		return false;
	*nl = '\0';
	head = nl - s->buf + 1;
	if (sscanf(s->buf, "%15s %d %zu %n", type, &id, &len, &used) < 3 ||
	    len > (1 << 22)) {
		/* QEMU's own words on stdout, or a broken machine. */
		progress("%s: not a report: '%s'", s->name, s->buf);
		memmove(s->buf, nl + 1, s->len -= head);
		return true;
	}
	if (s->len < head + len) {
		*nl = '\n';
		return false;
	}
	args = s->buf + used;
	/* In the machine 0 is no test. */
	if (--id >= nr_tests)
		id = -1;
	if (id < 0 && (!strcmp(type, "BEGIN") || !strcmp(type, "END")))
		type[0] = '?';
	if (!strcmp(type, "HELLO")) {
		s->hello = true;
		s->deadline = now() + GRACE_SECONDS * opt.scale;
		if (opt.verbose)
			progress("%s: up after %.1f s, %s", s->name,
				 now() - s->started, args);
	} else if (!strcmp(type, "BEGIN")) {
		s->cur = id;
		s->begun = true;
		open_log(&tests[id]);
		s->deadline = now() + (tests[id].seconds + GRACE_SECONDS) * opt.scale;
	} else if (!strcmp(type, "OUT") || !strcmp(type, "NOTE")) {
		if (s->cur >= 0 && tests[s->cur].log) {
			fwrite(nl + 1, 1, len, tests[s->cur].log);
			if (opt.show) {
				fwrite(nl + 1, 1, len, stdout);
				fflush(stdout);
			}
			if (type[0] == 'N')
				fputc('\n', tests[s->cur].log);
		} else {
			progress("%s: %.*s", s->name, (int)len, nl + 1);
		}
	} else if (!strcmp(type, "END")) {
		s->cur = -1;
		sample_rss(s);
		end_of_test(s, id, args);
		s->deadline = now() + END_SECONDS * opt.scale;
	} else if (!strcmp(type, "STOP")) {
		s->stop = true;
	} else if (!strcmp(type, "DONE")) {
		s->done = true;
	}
	s->len -= head + len;
	memmove(s->buf, nl + 1 + len, s->len);
	return true;
}

static void add_job(int *ids, int nr)
{
	struct job *j;
	int i;

	jobs = xrealloc(jobs, (nr_jobs + 1) * sizeof(*jobs));
	j = &jobs[nr_jobs++];
	j->ids = ids;
	j->nr = nr;
	j->estimate = 2;
	for (i = 0; i < nr; i++)
		j->estimate += tests[ids[i]].last >= 0 ? tests[ids[i]].last : 1;
}

/* What a dead or damaged machine did not come to runs in a fresh one. */
static void requeue(struct slot *s)
{
	int *ids = xrealloc(NULL, s->nr * sizeof(*ids)), nr = 0, i;

	for (i = 0; i < s->nr; i++)
		if (!tests[s->ids[i]].done && !tests[s->ids[i]].queued)
			ids[nr++] = s->ids[i];
	if (!nr) {
		free(ids);
		return;
	}
	out("# %s ended early; its other %d tests run in a fresh machine\n", s->name, nr);
	add_job(ids, nr);
}

static void machine_red(struct slot *s, const char *why)
{
	ktap_nr++;
	nr_red++;
	out("not ok %d %s (%s) # %s\n", ktap_nr, s->name, opt.backend, why);
	print_tail(s->console);
	out("# log: %s\n", s->console);
	progress("RED %s: %s", s->name, why);
}

/*
 * Has an emulated CPU come to a standstill before the first test?  Nobody knows yet whether
 * the kernel's timers or the emulator lose something then: see Documentation/testing.rst.
 * The tests, which it says nothing of, get one more machine, and no secret is made of it.
 */
static bool stalled_at_boot(struct slot *s, const char *splat)
{
	int i;

	/* Without a word of the kernel's against it, no word at all is one. */
	if (splat ? !strstr(splat, "detected stall") : !s->killed_why)
		return false;
	for (i = 0; i < s->nr; i++)
		if (tests[s->ids[i]].stalled)
			return false;
	for (i = 0; i < s->nr; i++)
		tests[s->ids[i]].stalled = true;
	nr_stalled++;
	out("# %s stalled at boot, before any test, and gets a second try: %s\n", s->name,
	    splat ? splat : s->killed_why);
	out("# log: %s\n", s->console);
	progress("%s stalled at boot: once more", s->name);
	return true;
}

/* What is left of @log is no test's: boot, between two tests, end. */
static void blank_tests(char *log)
{
	char *begin = log, *end;
	char mark[64];

	while (begin && (begin = strstr(begin, "snp-vm: begin "))) {
		int id = atoi(begin + strlen("snp-vm: begin "));

		snprintf(mark, sizeof(mark), "snp-vm: end %d ", id);
		end = strstr(begin, mark);
		/* 0 is the end of the machine. */
		if (id && end)
			memset(begin, ' ', end - begin);
		begin = end;
	}
}

static void machine_gone(struct slot *s, int status)
{
	char *text, *splat = NULL, *how, *log = slurp(s->console, NULL);
	struct test *t = s->cur >= 0 ? &tests[s->cur] : NULL;
	bool complete;
	int i;

	if (s->killed_why)
		how = xstrdup(s->killed_why);
	else if (WIFSIGNALED(status))
		how = xasprintf("QEMU died of signal %d (%s)", WTERMSIG(status),
				strsignal(WTERMSIG(status)));
	else if (WEXITSTATUS(status))
		how = xasprintf("QEMU exited with %d", WEXITSTATUS(status));
	else
		how = xstrdup("the machine was reset");
	if (t) {
		t->took = now() - s->started;
		text = section(s, s->cur, &complete);
		splat = find_splat(text, t);
		if (t->log)
			fprintf(t->log, "--- kernel log\n%s", text);
		free(text);
		t->timing = false;
		/*
		 * A panic is the kernel's verdict and no timeout; without one
		 * nobody knows, and that is a result of its own.
		 */
		if (splat)
			verdict(t, FAIL, xasprintf("kernel log: %s (%s)", splat, how));
		else
			verdict(t, LOST, xasprintf("%s; see %s/%s.qemu", how,
						   opt.results, s->name));
		requeue(s);
	} else if (!s->hello) {
		splat = log ? find_splat(log, NULL) : NULL;
		if (stalled_at_boot(s, splat)) {
			requeue(s);
			goto out;
		}
		for (i = 0; i < s->nr; i++) {
			if (!tests[s->ids[i]].done)
				verdict(&tests[s->ids[i]], LOST,
					xasprintf("%s did not boot: %s", s->name,
						  splat ? splat : how));
		}
		machine_red(s, xasprintf("did not boot: %s", splat ? splat : how));
	} else if (!s->done) {
		splat = log ? find_splat(log, NULL) : NULL;
		machine_red(s, xasprintf("no end token: %s", splat ? splat : how));
		/* Another one would come no further. */
		for (i = 0; !s->begun && i < s->nr; i++)
			if (!tests[s->ids[i]].done)
				verdict(&tests[s->ids[i]], LOST,
					xasprintf("%s: %s", s->name, splat ? splat : how));
		requeue(s);
	} else {
		blank_tests(log);
		splat = log ? find_splat(log, NULL) : NULL;
		if (splat)
			machine_red(s, xasprintf("kernel log: %s", splat));
		else if (s->killed_why || !WIFEXITED(status) || WEXITSTATUS(status))
			machine_red(s, xasprintf("after its end token: %s", how));
		if (s->stop)
			requeue(s);
	}
out:
	free(splat);
	free(log);
	free(how);
	if (!opt.keep)
		unlink(s->initrd);
	close(s->fd);
	close(s->mon);
	s->used = false;
}

/*
 * Tests on the host
 */

static void start_host(struct slot *s, int id)
{
	struct test *t = &tests[id];
	int fds[2];

	memset(s, 0, sizeof(*s));
	s->host = id;
	s->cur = id;
	open_log(t);
	if (pipe2(fds, O_CLOEXEC))
		die("pipe: %s", strerror(errno));
	fflush(NULL);
	s->pid = fork();
	if (!s->pid) {
		int nul = open("/dev/null", O_RDONLY);

		setpgid(0, 0);
		dup2(nul, 0);
		dup2(fds[1], 1);
		dup2(fds[1], 2);
		execl("/bin/sh", "sh", "-c", t->command, NULL);
		_exit(127);
	}
	setpgid(s->pid, s->pid);
	close(fds[1]);
	s->fd = fds[0];
	fcntl(s->fd, F_SETFL, O_NONBLOCK);
	s->used = true;
	s->started = now();
	s->deadline = s->started + t->seconds * opt.scale;
}

static void host_gone(struct slot *s, int status)
{
	struct test *t = &tests[s->host];

	/* What it started and left must not disturb the next. */
	kill(-s->pid, SIGKILL);
	t->took = now() - s->started;
	fflush(t->log);
	if (s->killed)
		verdict(t, TIMEOUT, xasprintf("more than %d s",
					      (int)(t->seconds * opt.scale)));
	else if (WIFSIGNALED(status))
		verdict(t, FAIL, xasprintf("signal %d (%s)", WTERMSIG(status),
					   strsignal(WTERMSIG(status))));
	else
		judge_exit(t, WEXITSTATUS(status));
	close(s->fd);
	s->used = false;
}

static void drain(struct slot *s)
{
	for (;;) {
		ssize_t n;

		if (s->size - s->len < 65536)
			s->buf = xrealloc(s->buf, s->size = (s->size + 65536) * 2);
		n = read(s->fd, s->buf + s->len, s->size - s->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			s->eof = !n || errno != EAGAIN;
			return;
		}
		if (s->host >= 0) {
			fwrite(s->buf, 1, n, tests[s->host].log);
			continue;
		}
		s->len += n;
		while (take_report(s))
			;
	}
}

/* What the processors of a machine that says nothing do, for results/<name>.monitor. */
static void ask_monitor(struct slot *s, const char *ask)
{
	char *path = xasprintf("%s/%s.monitor", opt.results, s->name), buf[4096];
	FILE *f = fopen(path, "a");
	ssize_t len;

	free(path);
	if (!f)
		return;
	fprintf(f, "# %.1f s\n", now() - s->started);
	if (write(s->mon, ask, strlen(ask)) == (ssize_t)strlen(ask)) {
		struct pollfd p = { .fd = s->mon, .events = POLLIN };

		/* It is slow, or is no more: nothing for a second is the end. */
		while (poll(&p, 1, 1000) > 0) {
			len = read(s->mon, buf, sizeof(buf));
			if (len <= 0)
				break;
			fwrite(buf, 1, len, f);
		}
	}
	fclose(f);
}

/* And what the threads of its QEMU do, for results/<name>.threads. */
static void ask_threads(struct slot *s)
{
	char *path = xasprintf("%s/%s.threads", opt.results, s->name);
	char *qemu = xasprintf("%d", s->pid);
	pid_t pid = fork();

	if (!pid) {
		int out = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

		dup2(open("/dev/null", O_RDONLY), 0);
		dup2(out, 1);
		dup2(out, 2);
		execl(opt.threads, opt.threads, qemu, (char *)NULL);
		_exit(127);
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
	free(path);
	free(qemu);
}

static void check_slot(struct slot *s)
{
	int status;
	pid_t got;

	drain(s);
	got = waitpid(s->pid, &status, WNOHANG);
	if (got == s->pid) {
		drain(s);
		if (s->host >= 0)
			host_gone(s, status);
		else
			machine_gone(s, status);
		free(s->buf);
		s->buf = NULL;
		return;
	}
	if (!s->killed && now() > s->deadline) {
		s->killed = true;
		if (s->host < 0 && !s->hello) {
			ask_monitor(s, "info status\ninfo registers -a\ninfo lapic 0\n"
				       "info lapic 1\ninfo pic\n");
			if (opt.threads)
				ask_threads(s);
			/* Does one of them move? */
			ask_monitor(s, "info registers -a\n");
		}
		if (s->host < 0)
			s->killed_why = xasprintf("no word from it for %.0f s, killed",
						  now() - s->started);
		kill(-s->pid, SIGKILL);
	}
}

/*
 * Plan: tests that share a machine, cut into portions of similar length so that
 * the slots end together.
 */

static int cmp_jobs(const void *a, const void *b)
{
	double d = ((const struct job *)b)->estimate - ((const struct job *)a)->estimate;

	return d < 0 ? -1 : d > 0;
}

static void plan(void)
{
	int i, k;

	for (i = 0; i < nr_tests; i++) {
		struct test *t = &tests[i];
		int *ids, nr = 0;
		double sum = 0;

		if (!t->chosen || t->done || t->placed || !t->machine)
			continue;
		ids = xrealloc(NULL, nr_tests * sizeof(*ids));
		for (k = i; k < nr_tests; k++) {
			struct test *u = &tests[k];
			double last = u->last >= 0 ? u->last : 1;

			if (!u->chosen || u->done || u->placed || u->machine != t->machine ||
			    strcmp(u->modset, t->modset) || (k != i && (t->own || u->own)))
				continue;
			if (nr && sum + last > CHUNK_SECONDS)
				continue;
			u->placed = true;
			ids[nr++] = k;
			sum += last;
		}
		add_job(ids, nr);
	}
	qsort(jobs, nr_jobs, sizeof(*jobs), cmp_jobs);
}

static void on_signal(int sig)
{
	interrupted = sig;
}

static void on_child(int sig)
{
	(void)sig;
}

static void run_all(void)
{
	int i, host = 0;

	for (;;) {
		struct pollfd pfd[MAX_SLOTS];
		int n = 0, busy = 0;

		for (i = 0; i < nr_slots && !interrupted; i++) {
			struct slot *s = &slots[i];

			if (s->used)
				continue;
			if (nr_jobs) {
				struct job j = jobs[0];

				memmove(jobs, jobs + 1, --nr_jobs * sizeof(*jobs));
				start_machine(s, &j);
				continue;
			}
			while (host < nr_tests &&
			       (!tests[host].chosen || tests[host].machine))
				host++;
			if (host < nr_tests)
				start_host(s, host++);
		}
		for (i = 0; i < nr_slots; i++) {
			if (!slots[i].used)
				continue;
			busy++;
			if (interrupted)
				kill(-slots[i].pid, SIGKILL);
			if (slots[i].eof)
				continue;
			pfd[n].fd = slots[i].fd;
			pfd[n++].events = POLLIN;
		}
		if (!busy)
			break;
		poll(pfd, n, n == busy ? 200 : 20);
		for (i = 0; i < nr_slots; i++)
			if (slots[i].used)
				check_slot(&slots[i]);
		if (interrupted && !busy)
			break;
	}
}

/* The previous run is kept; two runs in one directory would mix theirs. */
static void open_results(void)
{
	char *prev = xasprintf("%s/prev", opt.results);
	char *old = xasprintf("%s.old-%d", opt.results, getpid());
	char *lock = xasprintf("%s.lock", opt.results);
	char *cmd, *path;
	int fd;

	fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		die("cannot open '%s': %s", lock, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		fprintf(stderr, "another run uses '%s'; waiting\n", opt.results);
		flock(fd, LOCK_EX);
	}
	if (!rename(opt.results, old)) {
		cmd = xasprintf("rm -rf '%s/prev'", old);
		if (system(cmd))
			die("'%s' failed", cmd);
		free(cmd);
	}
	if (mkdir(opt.results, 0755) && errno != EEXIST)
		die("cannot make '%s': %s", opt.results, strerror(errno));
	rename(old, prev);
	path = xasprintf("%s/run.tap", opt.results);
	ktap = fopen(path, "w");
	if (!ktap)
		die("cannot write '%s': %s", path, strerror(errno));
}

static int run_shell_machine(void)
{
	struct machine *m = find_machine(opt.shell_machine);
	char *initrd = xasprintf("/tmp/snp-vm-shell-%d.initrd", getpid());
	char **argv;
	struct cpio c;
	int i, status;
	pid_t pid;

	if (!m)
		die("no machine '%s'", opt.shell_machine);
	cpio_begin(&c, initrd);
	common_files(&c);
	add_modules(&c, m, opt.shell_modset);
	/* Programs of the chosen tests, to be run by hand. */
	for (i = 0; i < nr_tests; i++)
		if (tests[i].chosen && tests[i].machine)
			add_test_files(&c, &tests[i], opt.shell_modset);
	cpio_end(&c);
	argv = qemu_argv(m, initrd, NULL, true);
	fprintf(stderr, "programs: /vm/bin; leave with 'exit', or Ctrl-a x\n");
	pid = fork();
	if (!pid) {
		execvp(argv[0], argv);
		die("cannot run '%s': %s", argv[0], strerror(errno));
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	unlink(initrd);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* --scan FILE...: what the detector says of recorded logs */
static int scan_files(char **files)
{
	int found = 0;

	for (; *files; files++) {
		size_t len;
		char *text = slurp(*files, &len);
		const char *splat;

		if (!text)
			die("cannot read '%s': %s", *files, strerror(errno));
		splat = splat_find(text, len, NULL, NULL);
		printf("%s: %s\n", *files, splat ? splat : "clean");
		found |= !!splat;
		free(text);
	}
	return found;
}

enum {
	OPT_TESTS = 256, OPT_SELECT, OPT_RESULTS, OPT_QEMU, OPT_FW, OPT_KERNEL,
	OPT_INIT, OPT_THREADS, OPT_BUSYBOX, OPT_MODULES, OPT_PROGS, OPT_SPLATS, OPT_JOBS,
	OPT_SCALE, OPT_LIST, OPT_SHELL, OPT_SCAN, OPT_TIMES, OPT_KEEP, OPT_BACKEND,
	OPT_MAX_RSS, OPT_NAME, OPT_SHOW, OPT_NO_KUNIT,
};

static const struct option options[] = {
	{ "tests", 1, NULL, OPT_TESTS }, { "select", 1, NULL, OPT_SELECT },
	{ "results", 1, NULL, OPT_RESULTS }, { "qemu", 1, NULL, OPT_QEMU },
	{ "firmware", 1, NULL, OPT_FW }, { "kernel", 1, NULL, OPT_KERNEL },
	{ "init", 1, NULL, OPT_INIT }, { "busybox", 1, NULL, OPT_BUSYBOX },
	{ "modules", 1, NULL, OPT_MODULES }, { "progs", 1, NULL, OPT_PROGS },
	{ "splats", 1, NULL, OPT_SPLATS }, { "jobs", 1, NULL, OPT_JOBS },
	{ "scale", 1, NULL, OPT_SCALE }, { "list", 0, NULL, OPT_LIST },
	{ "shell", 2, NULL, OPT_SHELL }, { "scan", 0, NULL, OPT_SCAN },
	{ "times", 1, NULL, OPT_TIMES }, { "keep-initrd", 0, NULL, OPT_KEEP },
	{ "backend", 1, NULL, OPT_BACKEND }, { "max-rss-mb", 1, NULL, OPT_MAX_RSS },
	{ "title", 1, NULL, OPT_NAME }, { "show", 0, NULL, OPT_SHOW },
	{ "threads", 1, NULL, OPT_THREADS },
	{ "no-kunit", 1, NULL, OPT_NO_KUNIT }, { "verbose", 0, NULL, 'v' },
	{ "help", 0, NULL, 'h' }, { NULL, 0, NULL, 0 }
};

static const char help[] =
"usage: vm-run --tests FILE... [--select NAMES] --qemu BIN --kernel IMAGE --init BIN ...\n"
"  --tests FILE         declarations of machines and tests; may be repeated\n"
"  --select NAMES       tests, groups or patterns (comma or space between); !NAME: not it\n"
"  --list               show the tests and stop\n"
"  --results DIR        logs (previous run: DIR/prev)    --times FILE  how long tests took\n"
"  --qemu BIN           --firmware DIR (repeated)        --kernel IMAGE\n"
"  --init BIN           --busybox BIN                    --progs DIR (repeated)\n"
"  --modules NAME=DIR   where the modules of 'base', 'fixes', 'ext' are\n"
"  --splats FILE        what must not be in a kernel log\n"
"  --scan FILE...       only search these logs: exit code 1 when one is dirty\n"
"  --shell[=MACHINE:MODULES]   a shell in the machine instead of tests\n"
"  --jobs N             machines at a time               --scale F  stretch time limits\n"
"  --max-rss-mb N       limit on the memory of one QEMU  --backend NAME   --title TEXT\n"
"  --show               what the tests print, instead of KTAP\n"
"  --threads BIN        tells what the threads of a process do: for a QEMU that hangs at boot\n"
"  --no-kunit REASON    KUnit suites skip, and are expected to\n"
"  --keep-initrd        --verbose                        --help\n";

static void add_dir(const char **list, int *nr, const char *dir)
{
	if (*nr == MAX_DIRS)
		die("too many directories: '%s'", dir);
	list[(*nr)++] = dir;
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = on_signal };
	const char *select = NULL;
	bool scan = false;
	int c, i;

	while ((c = getopt_long(argc, argv, "vh", options, NULL)) != -1) {
		switch (c) {
		case OPT_TESTS:
			parse_tests(optarg);
			break;
		case OPT_SELECT:
			select = optarg;
			break;
		case OPT_RESULTS:
			opt.results = optarg;
			break;
		case OPT_QEMU:
			opt.qemu = optarg;
			break;
		case OPT_FW:
			add_dir(opt.fw, &opt.nr_fw, optarg);
			break;
		case OPT_KERNEL:
			opt.kernel = optarg;
			break;
		case OPT_INIT:
			opt.init = optarg;
			break;
		case OPT_THREADS:
			opt.threads = optarg;
			break;
		case OPT_BUSYBOX:
			opt.busybox = optarg;
			break;
		case OPT_MODULES:
			add_dir(opt.mods, &opt.nr_mods, optarg);
			break;
		case OPT_PROGS:
			add_dir(opt.progs, &opt.nr_progs, optarg);
			break;
		case OPT_SPLATS:
			opt.splats = optarg;
			break;
		case OPT_JOBS:
			nr_slots = atoi(optarg);
			if (nr_slots < 1 || nr_slots > MAX_SLOTS)
				die("--jobs is 1 to %d", MAX_SLOTS);
			break;
		case OPT_SCALE:
			opt.scale = atof(optarg);
			if (opt.scale <= 0)
				die("--scale is a positive number");
			break;
		case OPT_LIST:
			opt.list = true;
			break;
		case OPT_SHELL:
			opt.shell = true;
			if (optarg) {
				char *colon = strchr(optarg, ':');

				if (colon) {
					*colon = '\0';
					opt.shell_modset = colon + 1;
				}
				opt.shell_machine = optarg;
			}
			break;
		case OPT_SCAN:
			scan = true;
			break;
		case OPT_TIMES:
			opt.times = optarg;
			break;
		case OPT_KEEP:
			opt.keep = true;
			break;
		case OPT_BACKEND:
			opt.backend = optarg;
			break;
		case OPT_MAX_RSS:
			opt.max_rss_kb = atol(optarg) * 1024;
			break;
		case OPT_NAME:
			opt.name = optarg;
			break;
		case OPT_NO_KUNIT:
			opt.no_kunit = optarg;
			break;
		case OPT_SHOW:
			opt.show = true;
			break;
		case 'v':
			opt.verbose = true;
			break;
		case 'h':
			fputs(help, stdout);
			return 0;
		default:
			fputs(help, stderr);
			return 2;
		}
	}
	if (!opt.splats)
		die("--splats is missing");
	splat_load(opt.splats);
	if (scan)
		return scan_files(argv + optind);
	if (optind != argc)
		die("what is '%s'?", argv[optind]);
	if (!nr_tests)
		die("no tests: --tests is missing");
	if (opt.list) {
		choose(select ? select : "*");
		list_tests();
		return 0;
	}
	if (!opt.shell || select)
		choose(select);
	for (i = 0; i < nr_tests; i++) {
		nr_chosen += tests[i].chosen;
		if (tests[i].chosen && tests[i].machine &&
		    (!opt.qemu || !opt.kernel || !opt.init))
			die("--qemu, --kernel and --init are needed");
	}
	if (opt.shell)
		return run_shell_machine();

	signal(SIGPIPE, SIG_IGN);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	/* Only to be woken up. */
	sa.sa_handler = on_child;
	sigaction(SIGCHLD, &sa, NULL);
	run_start = now();
	read_times();
	open_results();
	out("KTAP version 1\n");
	if (opt.name)
		out("# %s\n", opt.name);
	out("# backend: %s\n", opt.backend);
	for (i = 0; i < nr_tests && opt.no_kunit; i++) {
		if (!tests[i].chosen || strcmp(tests[i].kind, "kunit"))
			continue;
		tests[i].expect = 1u << SKIP;
		verdict(&tests[i], SKIP, xstrdup(opt.no_kunit));
	}
	plan();
	run_all();
	write_times();

	if (interrupted) {
		out("Bail out! interrupted by signal %d\n", (int)interrupted);
		nr_red++;
	}
	for (i = 0; i < nr_tests; i++) {
		if (tests[i].chosen && !tests[i].done && !interrupted)
			verdict(&tests[i], LOST, xstrdup("never ran"));
	}
	if (peak_rss_kb > opt.max_rss_kb) {
		ktap_nr++;
		nr_red++;
		out("not ok %d memory # QEMU took %ld MiB, more than %ld\n", ktap_nr,
		    peak_rss_kb / 1024, opt.max_rss_kb / 1024);
	}
	if (!nr_passed) {
		ktap_nr++;
		nr_red++;
		out("not ok %d some test passes # none did\n", ktap_nr);
	}
	out("1..%d\n", ktap_nr);
	out("# Totals: pass:%d fail:%d xfail:%d xpass:0 skip:%d error:%d\n",
	    nr_passed, nr_red, nr_xfail, nr_green - nr_passed - nr_xfail,
	    counts[LOST]);
	out("# %d machines, %d stalled at boot, peak memory of one QEMU %ld MiB, %.0f s\n",
	    nr_machine_runs, nr_stalled, peak_rss_kb / 1024, now() - run_start);
	fprintf(stderr, "%d passed, %d failed (%d as expected, %d skipped), %.0f s, logs in %s\n",
		nr_passed, nr_red, nr_xfail, nr_green - nr_passed - nr_xfail,
		now() - run_start, opt.results);
	return nr_red ? 1 : 0;
}
