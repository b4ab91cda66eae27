// SPDX-License-Identifier: GPL-2.0
/*
 * replay CORPUS: hand each file in CORPUS/igvm, CORPUS/ovmf and CORPUS/pages to
 * its fuzzer's function; KTAP.  A crash ends it: the file is on stderr.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "fuzz.h"

static const struct {
	const char *name;
	void (*fuzz)(const uint8_t *data, size_t size);
} targets[] = {
	{ "igvm", fuzz_igvm },
	{ "ovmf", fuzz_ovmf },
	{ "pages", fuzz_pages },
};

static int is_file(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

static void replay(const char *path, void (*fuzz)(const uint8_t *data, size_t size))
{
	uint8_t *exact;
	void *data;
	size_t size;

	if (file_read(path, &data, &size)) {
		perror(path);
		exit(1);
	}
	/* Not a byte more than the file has, for ASan to see what is read beyond. */
	exact = malloc(size ? size : 1);
	if (!exact)
		exit(1);
	memcpy(exact, data, size);
	fprintf(stderr, "%s\n", path);
	fuzz(exact, size);
	free(exact);
	free(data);
}

int main(int argc, char **argv)
{
	size_t t;

	if (argc != 2) {
		fprintf(stderr, "usage: replay CORPUS\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("TAP version 13\n1..3\n");
	for (t = 0; t < 3; t++) {
		char path[4096], dir[2048];
		struct dirent **names;
		int nr, i;

		snprintf(dir, sizeof(dir), "%s/%s", argv[1], targets[t].name);
		nr = scandir(dir, &names, is_file, alphasort);
		if (nr < 1) {
			printf("not ok %zu %s: no files in %s\n", t + 1, targets[t].name, dir);
			return 1;
		}
		for (i = 0; i < nr; i++) {
			snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name);
			replay(path, targets[t].fuzz);
			free(names[i]);
		}
		free(names);
		printf("ok %zu %s: %d files\n", t + 1, targets[t].name, nr);
	}
	return 0;
}
