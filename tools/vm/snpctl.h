/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Reader for snp-ctl, the control device of the emulated SNP platform.
 *
 * No driver is needed: sysfs enables the device and maps its BAR. Needs root
 * and the registers' header, hw-i386-snp/snp-ctl-regs.h of tools/platform, in
 * the include path. A machine without the device, such as real hardware, is
 * no error: snpctl_open() returns NULL with errno ENODEV.
 */
#ifndef SNP_VM_SNPCTL_H
#define SNP_VM_SNPCTL_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "snp-ctl-regs.h"

#define SNPCTL_SYSFS "/sys/bus/pci/devices"

typedef volatile uint64_t snpctl_t;

static inline uint64_t snpctl_read(snpctl_t *ctl, unsigned int reg)
{
	return ctl[reg / 8];
}

static inline void snpctl_write(snpctl_t *ctl, unsigned int reg, uint64_t val)
{
	ctl[reg / 8] = val;
}

static inline uint64_t snpctl_counter(snpctl_t *ctl, unsigned int n)
{
	return snpctl_read(ctl, SNP_CTL_COUNTER(n));
}

static inline long snpctl_attr(const char *dev, const char *attr)
{
	char path[512], buf[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), SNPCTL_SYSFS "/%s/%s", dev, attr);
	f = fopen(path, "r");
	if (!f)
		return -1;
	if (!fgets(buf, sizeof(buf), f))
		buf[0] = '\0';
	fclose(f);
	return strtol(buf, NULL, 0);
}

/* Is @dev, a name in SNPCTL_SYSFS, the control device? */
static inline int snpctl_is(const char *dev)
{
	return snpctl_attr(dev, "vendor") == SNP_CTL_VENDOR_ID &&
	       snpctl_attr(dev, "device") == SNP_CTL_DEVICE_ID;
}

/* Maps the device, or returns NULL: ENODEV if there is none. */
static inline snpctl_t *snpctl_open(void)
{
	struct dirent *d;
	char path[512];
	void *map;
	DIR *dir;
	int fd;

	dir = opendir(SNPCTL_SYSFS);
	if (!dir) {
		errno = ENODEV;
		return NULL;
	}
	while ((d = readdir(dir))) {
		if (d->d_name[0] != '.' && snpctl_is(d->d_name))
			break;
	}
	if (!d) {
		closedir(dir);
		errno = ENODEV;
		return NULL;
	}

	/* Sets Memory Space Enable: without it the BAR reads all ones. */
	if (snpctl_attr(d->d_name, "enable") <= 0) {
		snprintf(path, sizeof(path), SNPCTL_SYSFS "/%s/enable", d->d_name);
		fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0 || write(fd, "1", 1) != 1) {
			int err = errno;

			if (fd >= 0)
				close(fd);
			closedir(dir);
			errno = err;
			return NULL;
		}
		close(fd);
	}

	snprintf(path, sizeof(path), SNPCTL_SYSFS "/%s/resource0", d->d_name);
	closedir(dir);
	fd = open(path, O_RDWR | O_SYNC | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	map = mmap(NULL, SNP_CTL_BAR_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
		   fd, 0);
	close(fd);
	if (map == MAP_FAILED)
		return NULL;

	if (snpctl_read(map, SNP_CTL_MAGIC) != SNP_CTL_MAGIC_VALUE ||
	    snpctl_read(map, SNP_CTL_VERSION) != SNP_CTL_VERSION_VALUE) {
		munmap(map, SNP_CTL_BAR_SIZE);
		errno = EPROTO;
		return NULL;
	}
	return map;
}

static inline void snpctl_close(snpctl_t *ctl)
{
	munmap((void *)ctl, SNP_CTL_BAR_SIZE);
}

/* True if the RMP holds no page of a guest that is gone. Read at idle. */
static inline int snpctl_clean(snpctl_t *ctl)
{
	return !snpctl_read(ctl, SNP_CTL_LEAKED) &&
	       !snpctl_counter(ctl, SNP_CTL_CNT_DECOMMISSION_LEAK);
}

#endif
