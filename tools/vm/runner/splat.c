// SPDX-License-Identifier: GPL-2.0
#include <ctype.h>
#include <errno.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runner.h"

struct pattern {
	regex_t re;
	bool allow;
};

static struct pattern *patterns;
static int nr_patterns;

/*
 * "deny REGEX", or "allow YYYY-MM-DD REGEX -- REASON": a permission ends on its
 * day, because what nobody looks at again would be allowed for ever.
 */
void splat_load(const char *path)
{
	char *line, *save, *text = slurp(path, NULL), today[16];
	time_t now = time(NULL);
	int nr = 0, denied = 0;

	if (!text)
		die("cannot read '%s': %s", path, strerror(errno));
	strftime(today, sizeof(today), "%Y-%m-%d", gmtime(&now));
	for (line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		struct pattern p = { .allow = false };
		int err;

		nr++;
		line += strspn(line, " \t");
		if (!*line || *line == '#')
			continue;
		if (!strncmp(line, "deny ", 5)) {
			line += 5;
			denied++;
		} else if (!strncmp(line, "allow ", 6)) {
			char *reason = strstr(line, " -- ");

			if (strlen(line) < 18 || line[16] != ' ' || !reason ||
			    !reason[4])
				die("%s: 'allow' needs YYYY-MM-DD REGEX -- REASON: '%s'",
				    path, line);
			*reason = '\0';
			p.allow = true;
			line[16] = '\0';
			if (strcmp(line + 6, today) < 0) {
				fprintf(stderr,
					"warning: %s: permission expired on %s: '%s'\n",
					path, line + 6, line + 17);
				continue;
			}
			line += 17;
		} else {
			die("%s: neither 'deny' nor 'allow': '%s'", path, line);
		}
		line += strspn(line, " \t");
		err = regcomp(&p.re, line, REG_EXTENDED | REG_NOSUB);
		if (err || !*line)
			die("%s: bad regular expression '%s'", path, line);
		patterns = xrealloc(patterns, (nr_patterns + 1) * sizeof(p));
		patterns[nr_patterns++] = p;
	}
	if (!denied)
		die("%s denies nothing (%d lines)", path, nr);
	free(text);
}

static bool matches(const char *line, bool allow)
{
	int i;

	for (i = 0; i < nr_patterns; i++)
		if (patterns[i].allow == allow &&
		    !regexec(&patterns[i].re, line, 0, NULL, 0))
			return true;
	return false;
}

const char *splat_find(const char *log, size_t len,
		       bool (*expected)(const char *line, void *arg), void *arg)
{
	static char line[1024];
	const char *end = log + len;

	while (log < end) {
		const char *nl = memchr(log, '\n', end - log);
		size_t n = nl ? (size_t)(nl - log) : (size_t)(end - log), i, o;

		/* NUL and CR would hide the rest of a line from regexec(). */
		for (i = o = 0; i < n && o < sizeof(line) - 1; i++)
			if (isprint((unsigned char)log[i]) || log[i] == '\t')
				line[o++] = log[i];
		line[o] = '\0';
		if (matches(line, false) && !matches(line, true) &&
		    !(expected && expected(line, arg)))
			return line;
		log += n + 1;
	}
	return NULL;
}
