// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "file.h"

int file_read(const char *path, void **data, size_t *size)
{
	size_t have = 0, room = 1 << 16, got;
	struct stat st;
	char *buf = NULL;
	FILE *f;
	int ret;

	f = fopen(path, "re");
	if (!f)
		return -errno;
	/* One byte more than it has: then the end is seen without another round. */
	if (!fstat(fileno(f), &st) && S_ISREG(st.st_mode))
		room = (size_t)st.st_size + 1;
	do {
		char *more;

		if (buf)
			room *= 2;
		more = realloc(buf, room);
		if (!more) {
			ret = -ENOMEM;
			goto fail;
		}
		buf = more;
		errno = 0;
		got = fread(buf + have, 1, room - have, f);
		have += got;
	} while (have == room);
	if (ferror(f)) {
		ret = errno ? -errno : -EIO;
		goto fail;
	}
	fclose(f);
	*data = buf;
	*size = have;
	return 0;
fail:
	fclose(f);
	free(buf);
	return ret;
}
