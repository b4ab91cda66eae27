// SPDX-License-Identifier: GPL-2.0
/* Reader of lists of pages: see pages.h. */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "pages.h"

#define BAD(p, fmt, ...) parse_fail(err, -EINVAL, (p)->line, fmt, ##__VA_ARGS__)

static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* The next word of the line; *@s and *@n go on behind it and the blanks there. */
static size_t word(const char **s, size_t *n, const char **start)
{
	size_t len = 0, skip;

	while (len < *n && !blank((*s)[len]))
		len++;
	*start = *s;
	for (skip = len; skip < *n && blank((*s)[skip]); skip++)
		;
	*s += skip;
	*n -= skip;
	return len;
}

/* The line without blanks at its ends. */
static const char *next_line(struct pages *p, size_t *len)
{
	const char *s = p->text, *nl = memchr(p->text, '\n', p->size);
	size_t n = nl ? (size_t)(nl - p->text) : p->size;

	p->text += n + (nl ? 1 : 0);
	p->size -= n + (nl ? 1 : 0);
	p->line++;
	for (; n && blank(*s); s++)
		n--;
	while (n && blank(s[n - 1]))
		n--;
	*len = n;
	return s;
}

static int parse_gpa(struct pages *p, const char *s, size_t len, uint64_t *gpa,
		     struct parse_error *err)
{
	char num[24], *end;

	if (!len)
		return BAD(p, "no GPA, wanted \"type gpa content\"");
	if (len >= sizeof(num) || memchr(s, 0, len) || *s == '-' || *s == '+')
		return BAD(p, "GPA '%.*s', wanted a number", len > 40 ? 40 : (int)len, s);
	memcpy(num, s, len);
	num[len] = 0;
	errno = 0;
	*gpa = strtoull(num, &end, 0);
	if (errno || *end)
		return BAD(p, "GPA '%s', wanted a number", num);
	if (*gpa % MEASURE_PAGE || *gpa >= IGVM_MAX_GPA)
		return BAD(p, "GPA 0x%" PRIx64 ", wanted a multiple of 4096 below 0x%llx",
			   *gpa, IGVM_MAX_GPA);
	return 0;
}

int pages_next(struct pages *p, struct pages_entry *entry, struct parse_error *err)
{
	const char *s, *w;
	size_t n, len;
	unsigned int t;
	int ret;

	do {
		if (!p->size)
			return 0;
		s = next_line(p, &n);
	} while (!n || *s == '#');

	len = word(&s, &n, &w);
	for (t = MEASURE_NORMAL; t <= MEASURE_CPUID; t++) {
		const char *name = measure_type_name(t);

		if (strlen(name) == len && !memcmp(name, w, len))
			break;
	}
	if (t > MEASURE_CPUID)
		return BAD(p,
			   "type '%.*s', wanted normal, vmsa, zero, unmeasured, secrets or cpuid",
			   len > 40 ? 40 : (int)len, w);
	entry->type = t;

	len = word(&s, &n, &w);
	ret = parse_gpa(p, w, len, &entry->gpa, err);
	if (ret)
		return ret;

	if (!n)
		return BAD(p, "no content, wanted a file of 4096 bytes or '-'");
	if (memchr(s, 0, n))
		return BAD(p, "a NUL in the name of the content");
	if (n == 1 && *s == '-') {
		if (entry->type == MEASURE_VMSA)
			return BAD(p, "content '-', but a VMSA of zeros can't run: wanted a file");
		s = NULL;
	}
	entry->content = s;
	entry->content_len = s ? n : 0;
	return 1;
}
