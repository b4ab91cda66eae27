// SPDX-License-Identifier: GPL-2.0
/*
 * timeline: draw the record of snp-scene, and the trace of the emulated platform beside
 * it, as an SVG.
 *
 *   timeline RECORD [PLATFORM] > out.svg
 *
 * RECORD is what snp-scene printed: lines of the kernel's tracefs.  PLATFORM is what
 * QEMU wrote with -msg timestamp=on -trace 'snp_*'; its clock is related to the
 * kernel's by the marks that both have.  Without it the platform's lanes are left out.
 *
 * Each panel of the record (see snp-scene.c) has a time axis of its own.  A record that
 * is cut off, or that has no marks, is an error: half a picture would look whole.
 * Exit status 0, or 1 with a message.
 */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH		1400
#define LEFT		170
#define RIGHT		20
#define LANE		30
#define BAR		18
#define LIST_COLUMNS	3
#define BINS		(WIDTH - LEFT - RIGHT)

enum lane { LANE_STAGES, LANE_VCPU0, LANE_VCPU1, LANE_PSP, LANE_RMP, LANE_GUEST, NR_LANES };

static const char * const lane_names[NR_LANES] = {
	"VMM", "vCPU 0 in the guest", "vCPU 1 in the guest", "firmware (emulated)",
	"RMPUPDATE", "PVALIDATE, RMPADJUST",
};

enum kind {
	STAGE, GUEST, EXIT_TO_USER, EXIT_LOST, VMGEXIT, PSP, ASSIGN, RELEASE, PVALIDATE, RMPADJUST,
	NR_KINDS
};

static const struct {
	enum lane lane;
	const char *colour, *legend;
} kinds[NR_KINDS] = {
	[STAGE]		= { LANE_STAGES, "#7f8fa6", "step of the VMM" },
	[GUEST]		= { LANE_VCPU0, "#6ab187", "runs in the guest" },
	[EXIT_TO_USER]	= { LANE_VCPU0, "#20639b", "KVM_RUN ends" },
	[EXIT_LOST]	= { LANE_VCPU0, "#d32d41", "KVM_RUN ends: VMSA lost" },
	[VMGEXIT]	= { LANE_VCPU0, "#b3912b", "VMGEXIT" },
	[PSP]		= { LANE_PSP, "#8854a0", "command of the firmware" },
	[ASSIGN]	= { LANE_RMP, "#d35400", "page to the guest or firmware" },
	[RELEASE]	= { LANE_RMP, "#2980b9", "page back to the host" },
	[PVALIDATE]	= { LANE_GUEST, "#16a085", "PVALIDATE" },
	[RMPADJUST]	= { LANE_GUEST, "#c0392b", "RMPADJUST" },
};

/* A span, or an instant if both times are the same. */
struct event {
	enum kind kind;
	enum lane lane;
	double from, to;
	char text[96];
};

struct stage {
	char panel[32], text[64];
	double at;
};

static struct event *events;
static int nr_events;
static struct stage stages[64];
static int nr_stages;
/*
 * The platform saw mark N between the two times at which the kernel's record has it; 1
 * to 10 are from the start, 11 to 20 from the end.
 */
#define MARKS		10
static double mark_before[2 * MARKS + 1], mark_after[2 * MARKS + 1];
static double mark_platform[2 * MARKS + 1];
static bool has_platform;

static void __attribute__((noreturn, format(printf, 1, 2))) die(const char *fmt, ...)
{
	va_list ap;

	fputs("timeline: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

static struct event *add(enum kind kind, enum lane lane, double from, double to,
			 const char *text)
{
	struct event *e;

	if (nr_events % 1024 == 0) {
		events = realloc(events, (nr_events + 1024) * sizeof(*events));
		if (!events)
			die("no memory for %d events", nr_events);
	}
	e = &events[nr_events++];
	*e = (struct event){ .kind = kind, .lane = lane, .from = from, .to = to };
	snprintf(e->text, sizeof(e->text), "%s", text);
	return e;
}

static FILE *open_or_die(const char *path)
{
	FILE *f = fopen(path, "r");

	if (!f)
		die("cannot read '%s': %s", path, strerror(errno));
	return f;
}

/*
 * The kernel's record: "TASK-PID [CPU] FLAGS SECONDS: EVENT: TEXT"
 */

static void take_stage(const char *text, double t)
{
	struct stage *s = &stages[nr_stages];
	const char *bar = strstr(text, " | ");

	if (!bar || nr_stages == (int)(sizeof(stages) / sizeof(*stages)))
		die("stage '%s': not 'PANEL | TEXT', or more than %d", text, nr_stages);
	snprintf(s->panel, sizeof(s->panel), "%.*s", (int)(bar - text), text);
	snprintf(s->text, sizeof(s->text), "%s", bar + 3);
	s->at = t;
	nr_stages++;
}

static void read_kernel(const char *path)
{
	double entered[2] = { -1, -1 };
	FILE *f = open_or_die(path);
	char line[1024];
	bool ended = false;

	while (fgets(line, sizeof(line), f)) {
		char event[64], *cpu = strchr(line, '['), *text;
		int vcpu = -1, n, used = 0;
		double t;

		line[strcspn(line, "\n")] = '\0';
		if (!cpu || sscanf(cpu, "[%*d] %*s %lf: %63[a-z_]: %n", &t, event, &used) != 2 || !used)
			continue;
		text = cpu + used;

		if (!strcmp(event, "tracing_mark_write")) {
			if (sscanf(text, "mark: %d", &n) == 1) {
				if (n < 1 || n > 2 * MARKS)
					die("mark %d in '%s': wanted 1 to %d", n, path, 2 * MARKS);
				*(mark_before[n] ? &mark_after[n] : &mark_before[n]) = t;
			} else if (!strncmp(text, "stage: end", 10)) {
				take_stage("end | ", t);
				ended = true;
			} else if (!strncmp(text, "stage: ", 7)) {
				take_stage(text + 7, t);
			}
			continue;
		}

		/* Threads that run a vCPU are named after it. */
		if (strstr(line, "vcpu0-"))
			vcpu = 0;
		else if (strstr(line, "vcpu1-"))
			vcpu = 1;
		if (vcpu < 0)
			continue;
		if (!strcmp(event, "kvm_entry")) {
			entered[vcpu] = t;
		} else if (!strcmp(event, "kvm_exit")) {
			if (entered[vcpu] >= 0)
				add(GUEST, LANE_VCPU0 + vcpu, entered[vcpu], t, text);
			entered[vcpu] = -1;
		} else if (!strcmp(event, "kvm_userspace_exit")) {
			/* "reason error (14)": KVM_RUN returned -EFAULT. */
			add(strstr(text, "error (14)") ? EXIT_LOST : EXIT_TO_USER,
			    LANE_VCPU0 + vcpu, t, t, text);
		} else if (!strncmp(event, "kvm_vmgexit", 11)) {
			add(VMGEXIT, LANE_VCPU0 + vcpu, t, t, text);
		}
	}
	fclose(f);
	if (!ended)
		die("'%s' has %d stages and no end; wanted the whole output of snp-scene", path,
		    nr_stages);
}

/*
 * The platform's: "PID@SECONDS:EVENT TEXT"
 */

static void read_platform(const char *path)
{
	FILE *f = open_or_die(path);
	struct event *psp = NULL;
	char line[1024];
	double submitted = -1;

	while (fgets(line, sizeof(line), f)) {
		char event[64], *text;
		unsigned int assigned;
		int n, used = 0;
		double t;

		line[strcspn(line, "\n")] = '\0';
		if (sscanf(line, "%*d@%lf:%63[a-z_] %n", &t, event, &used) != 2 || !used)
			continue;
		text = line + used;

		if (!strcmp(event, "snp_ctl_mark")) {
			if (sscanf(text, "%d", &n) == 1 && n >= 1 && n <= 2 * MARKS)
				mark_platform[n] = t;
		} else if (!strcmp(event, "snp_psp_submit")) {
			submitted = t;
		} else if (!strcmp(event, "snp_psp_cmd")) {
			psp = add(PSP, LANE_PSP, submitted < 0 ? t : submitted, t, text);
		} else if (!strcmp(event, "snp_psp_complete")) {
			if (psp)
				psp->to = t;
			psp = NULL;
			submitted = -1;
		} else if (!strcmp(event, "snp_rmpupdate")) {
			if (sscanf(text, "spa %*s gpa %*s assigned %u", &assigned) == 1)
				add(assigned ? ASSIGN : RELEASE, LANE_RMP, t, t, text);
		} else if (!strcmp(event, "snp_pvalidate")) {
			add(PVALIDATE, LANE_GUEST, t, t, text);
		} else if (!strcmp(event, "snp_rmpadjust")) {
			add(RMPADJUST, LANE_GUEST, t, t, text);
		}
	}
	fclose(f);
}

static bool is_platform(const struct event *e)
{
	return e->lane >= LANE_PSP;
}

/* The closest of MARKS marks from @first on, or 0. */
static int closest(int first)
{
	int n, best = 0;

	for (n = first; n < first + MARKS; n++) {
		if (!mark_after[n] || !mark_platform[n])
			continue;
		if (!best || mark_after[n] - mark_before[n] < mark_after[best] - mark_before[best])
			best = n;
	}
	return best;
}

static double mark_kernel(int n)
{
	return (mark_before[n] + mark_after[n]) / 2;
}

/* From the platform's time to the kernel's. */
static void relate(const char *path)
{
	int start = closest(1), end = closest(1 + MARKS), i;
	double rate;

	if (!start || !end || mark_platform[end] <= mark_platform[start])
		die("no marks of the start and the end are in both records; was '%s' made with -msg timestamp=on -trace 'snp_*' in the same run?",
		    path);
	rate = (mark_kernel(end) - mark_kernel(start)) / (mark_platform[end] - mark_platform[start]);
	for (i = 0; i < nr_events; i++) {
		struct event *e = &events[i];

		if (!is_platform(e))
			continue;
		e->from = mark_kernel(start) + (e->from - mark_platform[start]) * rate;
		e->to = mark_kernel(start) + (e->to - mark_platform[start]) * rate;
	}
}

/*
 * Drawing
 */

static void put_text(const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '<':
			fputs("&lt;", stdout);
			break;
		case '>':
			fputs("&gt;", stdout);
			break;
		case '&':
			fputs("&amp;", stdout);
			break;
		case '"':
			fputs("&quot;", stdout);
			break;
		default:
			if (isprint((unsigned char)*text))
				putchar(*text);
		}
	}
}

static void label(double x, double y, const char *class, const char *text)
{
	printf("<text x=\"%.1f\" y=\"%.1f\" class=\"%s\">", x, y, class);
	put_text(text);
	puts("</text>");
}

struct panel {
	int first, nr;			/* stages */
	double from, to;
	double y;
};

static double x_of(const struct panel *p, double t)
{
	return LEFT + (t - p->from) / (p->to - p->from) * (WIDTH - LEFT - RIGHT);
}

/* 1, 2 or 5 times a power of ten, for about ten ticks. */
static double tick_of(double span)
{
	double tick = 1e-6;
	int i;

	for (i = 0; span / tick > 12; i++)
		tick *= i % 3 == 1 ? 2.5 : 2;
	return tick;
}

static void draw_axis(const struct panel *p, int lanes)
{
	double tick = tick_of(p->to - p->from), t;
	char text[32];

	for (t = 0; t <= p->to - p->from; t += tick) {
		double x = x_of(p, p->from + t);

		printf("<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" class=\"grid\"/>\n", x,
		       p->y, x, p->y + lanes * LANE);
		snprintf(text, sizeof(text), "%g ms", t * 1e3);
		if (x + 50 > WIDTH)
			break;
		label(x + 2, p->y + lanes * LANE + 12, "tick", text);
	}
}

static void draw_stages(const struct panel *p)
{
	int i;

	for (i = 0; i < p->nr; i++) {
		const struct stage *s = &stages[p->first + i];
		double x = x_of(p, s->at), w = x_of(p, s[1].at) - x;
		char text[128];

		printf("<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" fill=\"%s\" fill-opacity=\"%s\" stroke=\"#fff\" stroke-width=\".5\"/>\n",
		       x, p->y + (LANE - BAR) / 2.0, w, BAR, kinds[STAGE].colour,
		       i % 2 ? ".55" : ".85");
		snprintf(text, sizeof(text), "%d  %s", i + 1, s->text);
		if (w < 8 * strlen(text))
			snprintf(text, sizeof(text), "%d", i + 1);
		if (w > 14)
			label(x + 3, p->y + LANE / 2.0 + 4, "number", text);
	}
}

/* A lane of instants that are too many to tell apart is drawn as their density. */
static void draw_density(const struct panel *p, enum kind kind, double y, bool down)
{
	static int bin[BINS];
	int i, most = 0;

	memset(bin, 0, sizeof(bin));
	for (i = 0; i < nr_events; i++) {
		const struct event *e = &events[i];
		int n = x_of(p, e->from) - LEFT;

		if (e->kind != kind || e->from < p->from || e->from >= p->to || n < 0 || n >= BINS)
			continue;
		if (++bin[n] > most)
			most = bin[n];
	}
	for (i = 0; i < BINS; i++) {
		double h = most ? 2 + (double)(BAR / 2 - 1) * bin[i] / most : 0;

		if (bin[i])
			printf("<rect x=\"%d\" y=\"%.1f\" width=\"1.5\" height=\"%.1f\" fill=\"%s\"/>\n",
			       LEFT + i, down ? y : y - h, h, kinds[kind].colour);
	}
}

static void draw_events(const struct panel *p)
{
	int i;

	for (i = 0; i < nr_events; i++) {
		const struct event *e = &events[i];
		double x, w, y = p->y + e->lane * LANE + (LANE - BAR) / 2.0;

		if (e->lane == LANE_RMP || e->to < p->from || e->from >= p->to)
			continue;
		x = x_of(p, e->from < p->from ? p->from : e->from);
		w = x_of(p, e->to > p->to ? p->to : e->to) - x;
		if (e->kind == EXIT_LOST)
			printf("<path d=\"M%.1f %.1f l6 -9 l-12 0 z\" fill=\"%s\">", x, y + 5,
			       kinds[e->kind].colour);
		else
			printf("<rect x=\"%.1f\" y=\"%.1f\" width=\"%.2f\" height=\"%d\" fill=\"%s\">", x, y,
			       w < 1.2 ? 1.2 : w, BAR, kinds[e->kind].colour);
		fputs("<title>", stdout);
		put_text(kinds[e->kind].legend);
		fputs(": ", stdout);
		put_text(e->text);
		puts(e->kind == EXIT_LOST ? "</title></path>" : "</title></rect>");
	}
	for (i = ASSIGN; has_platform && i <= RELEASE; i++)
		draw_density(p, i, p->y + LANE_RMP * LANE + LANE / 2.0 + (i == ASSIGN ? -1 : 1),
			     i == RELEASE);
}

static int list_rows(const struct panel *p)
{
	return (p->nr + LIST_COLUMNS - 1) / LIST_COLUMNS;
}

static void draw_list(const struct panel *p, double y)
{
	int i, rows = list_rows(p);
	char text[160];

	for (i = 0; i < p->nr; i++) {
		const struct stage *s = &stages[p->first + i];

		snprintf(text, sizeof(text), "%d  %s: %.1f ms", i + 1, s->text,
			 (s[1].at - s->at) * 1e3);
		label(LEFT + i / rows * (WIDTH - LEFT - RIGHT) / LIST_COLUMNS, y + i % rows * 16,
		      "list", text);
	}
}

static void draw_panel(const struct panel *p, int lanes)
{
	int i;

	label(10, p->y - 8, "panel", stages[p->first].panel);
	for (i = 0; i < lanes; i++) {
		printf("<rect x=\"%d\" y=\"%.1f\" width=\"%d\" height=\"%d\" fill=\"%s\"/>\n", LEFT,
		       p->y + i * LANE, WIDTH - LEFT - RIGHT, LANE, i % 2 ? "#f4f6f8" : "#eceff3");
		label(10, p->y + i * LANE + LANE / 2.0 + 4, "lane", lane_names[i]);
	}
	draw_axis(p, lanes);
	draw_stages(p);
	draw_events(p);
	draw_list(p, p->y + lanes * LANE + 34);
}

static void draw_legend(double y)
{
	double x = 10;
	int i;

	for (i = GUEST; i < NR_KINDS; i++) {
		if (!has_platform && kinds[i].lane >= LANE_PSP)
			continue;
		printf("<rect x=\"%.1f\" y=\"%.1f\" width=\"12\" height=\"12\" fill=\"%s\"/>\n", x, y - 10,
		       kinds[i].colour);
		label(x + 17, y, "list", kinds[i].legend);
		x += 40 + 6.3 * strlen(kinds[i].legend);
	}
}

static void draw(void)
{
	int lanes = has_platform ? NR_LANES : LANE_PSP, nr = 0, i;
	struct panel panels[8];
	double y = 116;

	for (i = 0; i < nr_stages - 1; i++) {
		if (!i || strcmp(stages[i].panel, stages[i - 1].panel)) {
			if (nr == 8)
				die("more than 8 panels");
			panels[nr++] = (struct panel){ .first = i, .from = stages[i].at };
		}
		panels[nr - 1].nr++;
		panels[nr - 1].to = stages[i + 1].at;
	}
	if (!nr)
		die("no stages: nothing to draw");
	for (i = 0; i < nr; i++) {
		if (panels[i].to <= panels[i].from)
			die("panel '%s' has no time", stages[panels[i].first].panel);
		panels[i].y = y;
		y += lanes * LANE + 34 + list_rows(&panels[i]) * 16 + 40;
	}

	printf("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%.0f\" viewBox=\"0 0 %d %.0f\">\n",
	       WIDTH, y, WIDTH, y);
	puts("<style>text{font-family:sans-serif;fill:#222}.title{font-size:20px;font-weight:bold}"
	     ".panel{font-size:15px;font-weight:bold}.lane,.list{font-size:12px}"
	     ".tick{font-size:10px;fill:#666}.number{font-size:11px;fill:#fff}"
	     ".grid{stroke:#ccd3da;stroke-width:.5}</style>");
	printf("<rect width=\"%d\" height=\"%.0f\" fill=\"#fff\"/>\n", WIDTH, y);
	label(10, 28, "title", "A VMSA in guest memory: launch, zap, recovery");
	label(10, 48, "list", has_platform ?
	      "Trace events of KVM and of the emulated SNP platform; each panel has a time axis of its own. Times are those of emulation, not of hardware." :
	      "Trace events of KVM; each panel has a time axis of its own.");
	draw_legend(72);
	for (i = 0; i < nr; i++)
		draw_panel(&panels[i], lanes);
	puts("</svg>");
}

int main(int argc, char **argv)
{
	if (argc < 2 || argc > 3 || !strcmp(argv[1], "--help")) {
		fputs("usage: timeline RECORD [PLATFORM] > out.svg\n"
		      "RECORD: what snp-scene printed; PLATFORM: QEMU's trace of the same run\n",
		      argc == 2 ? stdout : stderr);
		return argc != 2;
	}
	has_platform = argc == 3;
	read_kernel(argv[1]);
	if (has_platform) {
		read_platform(argv[2]);
		relate(argv[2]);
	}
	draw();
	if (fflush(stdout) || ferror(stdout))
		die("cannot write: %s", strerror(errno));
	return 0;
}
