// SPDX-License-Identifier: GPL-2.0
/* The format is in Documentation/driver-api/early-userspace/buffer-format.rst */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "runner.h"

static void pad(struct cpio *c)
{
	static const char zero[4];
	long at = ftell(c->f);

	fwrite(zero, 1, -at & 3, c->f);
}

static void header(struct cpio *c, const char *name, unsigned int mode,
		   size_t len, unsigned int major, unsigned int minor)
{
	fprintf(c->f, "070701%08X%08X%08X%08X%08X%08X%08zX%08X%08X%08X%08X%08zX%08X",
		c->ino++, mode, 0, 0, 1, 0, len, 0, 0, major, minor,
		strlen(name) + 1, 0);
	fwrite(name, 1, strlen(name) + 1, c->f);
	pad(c);
}

void cpio_begin(struct cpio *c, const char *path)
{
	c->path = path;
	c->ino = 1;
	c->f = fopen(path, "w");
	if (!c->f)
		die("cannot write '%s': %s", path, strerror(errno));
}

void cpio_dir(struct cpio *c, const char *name)
{
	char *copy = xstrdup(name), *slash;

	/* A repeated directory is harmless: the kernel ignores EEXIST. */
	for (slash = strchr(copy, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		header(c, copy, S_IFDIR | 0755, 0, 0, 0);
		*slash = '/';
	}
	header(c, copy, S_IFDIR | 0755, 0, 0, 0);
	free(copy);
}

void cpio_node(struct cpio *c, const char *name, unsigned int mode,
	       unsigned int major, unsigned int minor)
{
	header(c, name, mode, 0, major, minor);
}

void cpio_data(struct cpio *c, const char *name, unsigned int mode,
	       const void *data, size_t len)
{
	char *copy = xstrdup(name), *slash = strrchr(copy, '/');

	if (slash) {
		*slash = '\0';
		cpio_dir(c, copy);
	}
	free(copy);
	header(c, name, S_IFREG | mode, len, 0, 0);
	fwrite(data, 1, len, c->f);
	pad(c);
}

void cpio_file(struct cpio *c, const char *name, unsigned int mode,
	       const char *path)
{
	size_t len;
	char *data = slurp(path, &len);

	if (!data)
		die("cannot read '%s': %s", path, strerror(errno));
	cpio_data(c, name, mode, data, len);
	free(data);
}

/* Another archive, with its own end: the kernel unpacks one after the other. */
void cpio_archive(struct cpio *c, const char *path)
{
	size_t len;
	char *data = slurp(path, &len);

	if (!data)
		die("cannot read '%s': %s", path, strerror(errno));
	fwrite(data, 1, len, c->f);
	pad(c);
	free(data);
}

void cpio_end(struct cpio *c)
{
	header(c, "TRAILER!!!", 0, 0, 0, 0);
	if (fflush(c->f) || ferror(c->f) || fclose(c->f))
		die("cannot write '%s': %s", c->path, strerror(errno));
}
