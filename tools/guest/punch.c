// SPDX-License-Identifier: GPL-2.0
/*
 * punch: take pages of a running guest of QEMU's away, from outside of QEMU.
 *
 *	punch PID SIZE free SECONDS FROM TO
 *		Punch holes into memory that the guest does not use, fill them again, and
 *		count what the RMP sees meanwhile
 *	punch PID SIZE vmsa
 *		Punch the VMSA that a vCPU runs with, and say where it was
 *
 * SIZE, FROM and TO are addresses of guest memory in MiB; SIZE is how much there is, all of
 * it below 3 GiB and in one guest_memfd.  That is taken from QEMU by pidfd_getfd(2).  Which
 * pages are VMSAs, only the control device of the emulated platform tells.
 *
 * Exit code 0 if all went as it should, 1 if not, 2 for bad usage.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../vm/snpctl.h"

#define PAGE		4096ull
#define MIB		(1ull << 20)
#define MAX_VMSAS	64
#define CHUNK_PAGES	64
/* Of SNP_CTL_PAGE_ENTRY */
#define ENTRY_ASSIGNED	(1ull << 0)
#define ENTRY_VMSA	(1ull << 61)
#define ENTRY_IN_USE	(1ull << 63)
#define ENTRY_GPA	0x0007fffffffff000ull

static void __attribute__((noreturn)) die(const char *what)
{
	fprintf(stderr, "punch: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t number(const char *s)
{
	char *end;
	uint64_t v = strtoull(s, &end, 10);

	if (end == s || *end) {
		fprintf(stderr, "punch: '%s', wanted a number\n", s);
		exit(2);
	}
	return v;
}

/* The guest_memfd of the process that has this size */
static int get_gmem(pid_t pid, uint64_t size)
{
	int pidfd = syscall(SYS_pidfd_open, pid, 0);
	char dir[64], link[256];
	struct dirent *d;
	struct stat st;
	DIR *fds;
	int fd;

	snprintf(dir, sizeof(dir), "/proc/%d/fd", pid);
	fds = opendir(dir);
	if (pidfd < 0 || !fds)
		die(dir);
	while ((d = readdir(fds))) {
		ssize_t n = readlinkat(dirfd(fds), d->d_name, link, sizeof(link) - 1);

		if (n <= 0)
			continue;
		link[n] = '\0';
		if (!strstr(link, "[kvm-gmem]"))
			continue;
		fd = syscall(SYS_pidfd_getfd, pidfd, atoi(d->d_name), 0);
		if (fd < 0)
			die("pidfd_getfd");
		if (!fstat(fd, &st) && (uint64_t)st.st_size == size) {
			closedir(fds);
			close(pidfd);
			return fd;
		}
		close(fd);
	}
	fprintf(stderr, "punch: process %d has no guest_memfd of 0x%llx bytes\n", pid,
		(unsigned long long)size);
	exit(1);
}

static void punch(int fd, uint64_t gpa, uint64_t size)
{
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, gpa, size))
		die("PUNCH_HOLE");
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static int punch_free(int fd, snpctl_t *ctl, double seconds, uint64_t from, uint64_t to)
{
	unsigned long holes = 0, filled = 0;
	uint64_t updates, validated, failed;
	double end = now() + seconds;

	updates = snpctl_counter(ctl, SNP_CTL_CNT_RMPUPDATE);
	failed = snpctl_counter(ctl, SNP_CTL_CNT_RMPUPDATE_FAIL);
	validated = snpctl_counter(ctl, SNP_CTL_CNT_PVALIDATE);
	/* The first time these pages are the guest's, and accepted by it. */
	punch(fd, from, to - from);
	while (now() < end) {
		uint64_t pages = 1 + random() % CHUNK_PAGES;
		uint64_t gpa = from + random() % ((to - from) / PAGE - pages) * PAGE;

		if (fallocate(fd, FALLOC_FL_KEEP_SIZE, gpa, pages * PAGE))
			die("fallocate");
		filled++;
		gpa = from + random() % ((to - from) / PAGE - pages) * PAGE;
		punch(fd, gpa, pages * PAGE);
		holes++;
	}
	updates = snpctl_counter(ctl, SNP_CTL_CNT_RMPUPDATE) - updates;
	failed = snpctl_counter(ctl, SNP_CTL_CNT_RMPUPDATE_FAIL) - failed;
	validated = snpctl_counter(ctl, SNP_CTL_CNT_PVALIDATE) - validated;
	printf("punched %llu MiB, then %lu times some pages of it, and filled %lu; meanwhile\n"
	       "%llu RMPUPDATEs, %llu that failed, %llu PVALIDATEs\n",
	       (unsigned long long)((to - from) / MIB), holes, filled,
	       (unsigned long long)updates, (unsigned long long)failed,
	       (unsigned long long)validated);
	if (failed || updates < (to - from) / PAGE) {
		printf("wanted %llu RMPUPDATEs at least, and none that fails\n",
		       (unsigned long long)((to - from) / PAGE));
		return 1;
	}
	return 0;
}

static uint64_t entry(snpctl_t *ctl, uint64_t spa)
{
	snpctl_write(ctl, SNP_CTL_PAGE, spa);
	return snpctl_read(ctl, SNP_CTL_PAGE_ENTRY);
}

/*
 * Firmware and kernel of the guest each made VMSAs for its APs: the one that runs is in use
 * now and then.  That of the BSP is KVM's, and not in guest memory.
 */
static int punch_vmsa(int fd, snpctl_t *ctl, uint64_t size)
{
	uint64_t vmsa[MAX_VMSAS], spa, e, gpa;
	int nr = 0, i, tries;

	for (spa = 0; nr < MAX_VMSAS; spa += PAGE) {
		e = entry(ctl, spa);
		if (e == UINT64_MAX)
			break;
		if ((e & ENTRY_ASSIGNED) && (e & ENTRY_VMSA) && (e & ENTRY_GPA) < size)
			vmsa[nr++] = spa;
	}
	printf("%d VMSAs in guest memory\n", nr);
	for (tries = 0; tries < 100000; tries++) {
		for (i = 0; i < nr; i++) {
			e = entry(ctl, vmsa[i]);
			if (!(e & ENTRY_IN_USE))
				continue;
			gpa = e & ENTRY_GPA;
			printf("VMSA at 0x%llx (SPA 0x%llx, ASID %u) is in use: punched\n",
			       (unsigned long long)gpa, (unsigned long long)vmsa[i],
			       (unsigned int)(e >> 51 & 0x3ff));
			fflush(stdout);
			punch(fd, gpa, PAGE);
			e = entry(ctl, vmsa[i]);
			printf("RMP entry of the page now: 0x%llx\n", (unsigned long long)e);
			/* KVM may have put another page there, but that is no VMSA. */
			if (!(e & ENTRY_VMSA))
				return 0;
			printf("wanted no VMSA any more (bit 61)\n");
			return 1;
		}
	}
	printf("none was in use\n");
	return 1;
}

int main(int argc, char **argv)
{
	bool vmsa = argc == 4 && !strcmp(argv[3], "vmsa");
	uint64_t size;
	snpctl_t *ctl;
	int fd;

	if (!vmsa && (argc != 7 || strcmp(argv[3], "free"))) {
		fprintf(stderr, "usage: punch PID SIZE {free SECONDS FROM TO | vmsa}\n");
		return 2;
	}
	ctl = snpctl_open();
	if (!ctl) {
		fprintf(stderr, "punch: the control device of the emulated platform: %s\n",
			strerror(errno));
		return 1;
	}
	size = number(argv[2]) * MIB;
	fd = get_gmem(number(argv[1]), size);
	if (vmsa)
		return punch_vmsa(fd, ctl, size);
	return punch_free(fd, ctl, number(argv[4]), number(argv[5]) * MIB, number(argv[6]) * MIB);
}
