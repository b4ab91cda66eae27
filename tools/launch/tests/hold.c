// SPDX-License-Identifier: GPL-2.0
/*
 * hold FILE SECONDS: hold the lock that whoever changes certificates holds, see
 * Documentation/virt/kvm/x86/amd-memory-encryption.rst, KVM_SEV_SNP_ENABLE_REQ_CERTS.
 * Says "held" when it has it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd;

	if (argc != 3) {
		fprintf(stderr, "usage: hold FILE SECONDS\n");
		return 2;
	}
	fd = open(argv[1], O_RDWR);
	if (fd < 0 || fcntl(fd, F_OFD_SETLKW, &lock)) {
		perror(argv[1]);
		return 1;
	}
	puts("held");
	fflush(stdout);
	sleep(atoi(argv[2]));
	return 0;
}
