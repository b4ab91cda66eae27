// SPDX-License-Identifier: GPL-2.0
/*
 * What a CPU reads from or writes to a device gets there, also while another CPU changes
 * where devices are in memory: their BARs are decoded or not, by bit 1 of the command
 * register (PCI Local Bus 3.0, 6.2.2). Linux does that with each device when it looks for
 * the sizes of BARs at boot, and when drivers come.
 *
 * A thread turns the memory of an idle device off and on. The others sleep for a short time
 * all the time: for each sleep the kernel writes to the local APIC, to start its timer and
 * to end the interrupt. If one of these writes goes elsewhere, the timer of that CPU is
 * dead, and nobody on it wakes any more.
 *
 * Nothing of SVM or SNP: what is tested is the emulator. A real machine may need its
 * device: nothing is done where the platform's control device is not.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "snpctl.h"

#define ROUNDS		16000
#define ROUNDS_CHECK	500
#define MAX_SLEEPERS	7
#define DEAD_SECONDS	10
#define PCI_COMMAND	4
#define COMMAND_MEMORY	2
#define RESOURCE_MEMORY	0x200	/* IORESOURCE_MEM */

struct sleeper {
	pthread_t thread;
	int cpu;
	atomic_ulong sleeps;
};

static struct sleeper sleepers[MAX_SLEEPERS];
static atomic_uint stop;

static void check(int ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	exit(1);
}

static void run_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	check(!sched_setaffinity(0, sizeof(set), &set), "sched_setaffinity");
}

static void sleep_ns(long ns)
{
	struct timespec t = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };

	nanosleep(&t, NULL);
}

static void *sleeper_fn(void *arg)
{
	struct sleeper *s = arg;

	run_on(s->cpu);
	prctl(PR_SET_TIMERSLACK, 1);
	while (!atomic_load(&stop)) {
		sleep_ns(20000);
		atomic_fetch_add(&s->sleeps, 1);
	}
	return NULL;
}

/* Waits until each of them has slept once more; the CPU whose timer is dead, or -1. */
static int dead_cpu(int nr)
{
	int i, polls;

	for (i = 0; i < nr; i++) {
		unsigned long old = atomic_load(&sleepers[i].sleeps);

		for (polls = 0; atomic_load(&sleepers[i].sleeps) == old; polls++) {
			if (polls == DEAD_SECONDS * 1000)
				return sleepers[i].cpu;
			sleep_ns(1000000);
		}
	}
	return -1;
}

/*
 * The configuration of a device that has memory and no driver, or -1. The control device has
 * none either, but is in use.
 */
static int open_config(char *name, size_t size)
{
	DIR *dir = opendir(SNPCTL_SYSFS);
	struct dirent *d;
	int found = -1;

	check(!!dir, SNPCTL_SYSFS);
	while (found < 0 && (d = readdir(dir))) {
		unsigned long long start, end, flags;
		int memory = 0;
		char path[512];
		FILE *f;

		snprintf(path, sizeof(path), SNPCTL_SYSFS "/%s/driver", d->d_name);
		if (d->d_name[0] == '.' || !access(path, F_OK) || snpctl_is(d->d_name))
			continue;
		snprintf(path, sizeof(path), SNPCTL_SYSFS "/%s/resource", d->d_name);
		f = fopen(path, "r");
		check(!!f, path);
		while (fscanf(f, "%llx %llx %llx", &start, &end, &flags) == 3)
			memory |= start && flags & RESOURCE_MEMORY;
		fclose(f);
		if (!memory)
			continue;
		snprintf(path, sizeof(path), SNPCTL_SYSFS "/%s/config", d->d_name);
		found = open(path, O_RDWR);
		check(found >= 0, path);
		snprintf(name, size, "%s", d->d_name);
	}
	closedir(dir);
	return found;
}

int main(void)
{
	int nr = sysconf(_SC_NPROCESSORS_ONLN) - 1, config, dead = -1, i;
	uint16_t command, off;
	snpctl_t *ctl;
	unsigned int round;
	char name[256];

	if (nr < 1) {
		printf("1..0 # SKIP takes two CPUs\n");
		return 4;
	}
	if (nr > MAX_SLEEPERS)
		nr = MAX_SLEEPERS;
	ctl = snpctl_open();
	if (!ctl) {
		printf("1..0 # SKIP not the emulated platform\n");
		return 4;
	}
	snpctl_close(ctl);
	config = open_config(name, sizeof(name));
	if (config < 0) {
		printf("1..0 # SKIP no PCI device with memory and without a driver\n");
		return 4;
	}
	check(pread(config, &command, 2, PCI_COMMAND) == 2, "read of the command register");
	command |= COMMAND_MEMORY;
	off = command & ~COMMAND_MEMORY;

	run_on(0);
	for (i = 0; i < nr; i++) {
		sleepers[i].cpu = i + 1;
		check(!pthread_create(&sleepers[i].thread, NULL, sleeper_fn, &sleepers[i]),
		      "pthread_create");
	}
	printf("TAP version 13\n1..1\n# device %s\n", name);
	for (round = 0; round < ROUNDS && dead < 0; round++) {
		check(pwrite(config, &off, 2, PCI_COMMAND) == 2 &&
		      pwrite(config, &command, 2, PCI_COMMAND) == 2,
		      "write of the command register");
		if (round % ROUNDS_CHECK == ROUNDS_CHECK - 1)
			dead = dead_cpu(nr);
	}
	if (dead >= 0) {
		printf("# the timer of CPU %d is dead after %u changes\n", dead, 2 * round);
		printf("not ok 1 timers go on\n");
		/* The threads are left to exit(): one of them sleeps for good. */
		return 1;
	}
	atomic_store(&stop, 1);
	for (i = 0; i < nr; i++) {
		pthread_join(sleepers[i].thread, NULL);
		printf("# CPU %d slept %lu times\n", sleepers[i].cpu,
		       atomic_load(&sleepers[i].sleeps));
	}
	printf("ok 1 timers go on while the memory map changes %u times\n", 2 * ROUNDS);
	return 0;
}
