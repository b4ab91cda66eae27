/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A list of pages, as text: one line for each page, "type gpa content".
 * Empty lines, and lines that begin with '#', don't count.
 */
#ifndef MEASURE_PAGES_H
#define MEASURE_PAGES_H

#include <stddef.h>

#include "measure.h"
#include "parse.h"

/**
 * struct pages - a place in a list
 * @text: what is left
 * @size: bytes of @text; it needs no NUL
 * @line: number of the line that pages_next() read last, from 1
 */
struct pages {
	const char *text;
	size_t size;
	unsigned int line;
};

/**
 * struct pages_entry - one page
 * @type: of the page
 * @gpa: multiple of 4096, below IGVM_MAX_GPA
 * @content: name of a file of 4096 bytes, @content_len characters in the list
 *	(no NUL behind them, none among them); NULL for "-": a page of zeros
 * @content_len: see @content
 */
struct pages_entry {
	enum measure_type type;
	uint64_t gpa;
	const char *content;
	size_t content_len;
};

/**
 * pages_next - read on to the next page
 * @p: place in the list
 * @entry: result
 * @err: filled in on failure
 *
 * Return: 1; 0 at the end of the list; -EINVAL
 */
int pages_next(struct pages *p, struct pages_entry *entry, struct parse_error *err);

#endif
