// SPDX-License-Identifier: GPL-2.0
/* seeds DIRECTORY: write what the fuzzers begin with, and CLI tests read. */
#include <sys/stat.h>

#include "build.h"

static void save(const char *dir, const char *name, const void *data, size_t size)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	if (!f || fwrite(data, 1, size, f) != size || fclose(f)) {
		perror(path);
		exit(1);
	}
}

/* Files of headers alone: those with data are too large to be mutated well. */
static void igvm(const char *dir)
{
	uint8_t body[48];
	struct build b = {};
	int i;

	build_platform(&b, 1, IGVM_PLATFORM_SEV_SNP);
	build_finish(&b);
	save(dir, "igvm/platform", b.file, b.size);
	build_free(&b);

	build_platform(&b, 1, IGVM_PLATFORM_SEV_SNP);
	build_platform(&b, 2, 3);
	build_policy(&b, 1, 0x30000);
	for (i = 0; i < 4; i++)
		build_page(&b, 1 + i % 3, 0x1000 * i, i, i & 2, -1);
	build_required(&b, 1, 0x1000, 0x3000);
	build_error_range(&b, 1, 0x8000, 0x1000);
	build_finish(&b);
	save(dir, "igvm/pages", b.file, b.size);
	build_free(&b);

	build_platform(&b, 1, IGVM_PLATFORM_SEV_SNP);
	build_area(&b, 0, 0x1000, -1);
	build_area(&b, 1, 0x2000, -1);
	build_parameter(&b, IGVM_VHT_VP_COUNT, 0, 0);
	build_parameter(&b, IGVM_VHT_ENVIRONMENT_INFO, 0, 4);
	build_parameter(&b, IGVM_VHT_MEMORY_MAP, 1, 8);
	build_insert(&b, 1, 0x1000, 1);
	build_insert(&b, 1, 0x4000, 0);
	build_finish(&b);
	save(dir, "igvm/parameters", b.file, b.size);
	build_free(&b);

	build_platform(&b, 1, IGVM_PLATFORM_SEV_SNP);
	memset(body, 0xaa, 48);
	build_id_block(&b, 1, body);
	build_header(&b, 0x399 | IGVM_VHT_OPTIONAL, "abc", 3);
	build_finish(&b);
	save(dir, "igvm/id-block", b.file, b.size);
	build_free(&b);

	memset(body, 1, sizeof(body));
	build_platform(&b, 1, IGVM_PLATFORM_SEV_SNP);
	build_header(&b, IGVM_VHT_RELOCATABLE_REGION, body, 48);
	build_header(&b, IGVM_VHT_PAGE_TABLE_RELOCATION, body, 32);
	build_header(&b, IGVM_VHT_CORIM_DOCUMENT, body, 16);
	build_header(&b, IGVM_VHT_CCA_POLICY, body, 32);
	build_finish(&b);
	save(dir, "igvm/ignored", b.file, b.size);
	build_free(&b);

	/* One VMSA of zeros, which git packs well. */
	build_platform(&b, 1, IGVM_PLATFORM_SEV_SNP);
	build_vp(&b, 1, 0x7000, 0, 0);
	build_finish(&b);
	save(dir, "igvm/vp-context", b.file, b.size);
	build_free(&b);
}

int main(int argc, char **argv)
{
	static const char list[] =
		"# type gpa content\nnormal 0x1000 file\nvmsa 0xfffffffff000 v\n\n"
		"zero 0x2000 -\nunmeasured 12288 -\nsecrets 0x4000 -\ncpuid 0x5000 -\n";
	static const char * const dirs[] = { "igvm", "ovmf", "pages" };
	struct image im;
	char path[4096];
	size_t i;

	if (argc != 2) {
		fprintf(stderr, "usage: seeds DIRECTORY\n");
		return 2;
	}
	for (i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", argv[1], dirs[i]);
		mkdir(path, 0777);
	}
	igvm(argv[1]);
	image_build(&im, 7);
	save(argv[1], "ovmf/kernel-hashes", im.page, sizeof(im.page));
	image_build(&im, 5);
	save(argv[1], "ovmf/no-kernel-hashes", im.page, sizeof(im.page));
	save(argv[1], "pages/all-types", list, sizeof(list) - 1);
	return 0;
}
