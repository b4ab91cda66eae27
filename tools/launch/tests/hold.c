// SPDX-License-Identifier: GPL-2.0
/*
 * hold FILE: hold the lock that whoever changes certificates holds, see
 * Documentation/virt/kvm/x86/amd-memory-encryption.rst, KVM_SEV_SNP_ENABLE_REQ_CERTS,
 * until it is killed. Says "held" when it has it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd;

	if (argc != 2) {
		fprintf(stderr, "usage: hold FILE\n");
		return 2;
	}
	fd = open(argv[1], O_RDWR);
	if (fd < 0 || fcntl(fd, F_OFD_SETLKW, &lock)) {
		perror(argv[1]);
		return 1;
	}
	puts("held");
	fflush(stdout);
	pause();
	return 0;
}
