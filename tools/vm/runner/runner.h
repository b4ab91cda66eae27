/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SNP_VM_RUNNER_H
#define SNP_VM_RUNNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

void __attribute__((noreturn, format(printf, 1, 2))) die(const char *fmt, ...);
void *xrealloc(void *p, size_t size);
char *xstrdup(const char *s);
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* NUL-terminated; NULL and errno when it cannot be read. */
char *slurp(const char *path, size_t *len);

/* cpio.c: the initramfs, in the "newc" format that the kernel unpacks */
struct cpio {
	FILE *f;
	const char *path;
	unsigned int ino;
};

void cpio_begin(struct cpio *c, const char *path);
/* Makes the missing parents of @name too. */
void cpio_dir(struct cpio *c, const char *name);
void cpio_node(struct cpio *c, const char *name, unsigned int mode,
	       unsigned int major, unsigned int minor);
void cpio_data(struct cpio *c, const char *name, unsigned int mode,
	       const void *data, size_t len);
void cpio_file(struct cpio *c, const char *name, unsigned int mode,
	       const char *path);
void cpio_archive(struct cpio *c, const char *path);
void cpio_end(struct cpio *c);

/* splat.c: what must not be in a kernel log */
void splat_load(const char *path);
/*
 * First line of [log, log + len) that is denied and not allowed, nor @expected to
 * be there, or NULL; the text is valid until the next call.
 */
const char *splat_find(const char *log, size_t len,
		       bool (*expected)(const char *line, void *arg), void *arg);

#endif
