/* SPDX-License-Identifier: GPL-2.0 */
/* What the readers of tools/measure say when they refuse their input. */
#ifndef MEASURE_PARSE_H
#define MEASURE_PARSE_H

#include <stdint.h>

/**
 * struct parse_error - why a file is refused
 * @offset: in the file: of the header or the field that is wrong; of a text,
 *	the number of the line
 * @reason: one line, no newline: what, the value seen, the value wanted
 */
struct parse_error {
	uint64_t offset;
	char reason[192];
};

/* Fill in @err, and return @code, a negative errno. */
int parse_fail(struct parse_error *err, int code, uint64_t offset,
	       const char *fmt, ...) __attribute__((format(printf, 4, 5)));

#endif
