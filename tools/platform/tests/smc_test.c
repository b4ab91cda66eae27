// SPDX-License-Identifier: GPL-2.0
/*
 * Code that one CPU changes is new code for all of them, once they have serialized: APM
 * volume 2, "Cross-Modifying Code". A kernel patches its hot paths by that rule, those of
 * the scheduler whenever the first VM comes or the last one goes. A CPU that goes on with
 * the old code dies of a breakpoint that nobody knows any more, or lives with a decision
 * of yesterday.
 *
 * A thread changes a constant in a function, by another mapping of its page, and has the
 * kernel serialize the others, which call that function all the time: membarrier(2). What
 * they return after that must be the new constant.
 *
 * Nothing of SVM or SNP: what is tested is the emulator.
 */
#include <linux/membarrier.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ROUNDS		500
#define MAX_CALLERS	7

struct caller {
	pthread_t thread;
	atomic_ulong calls;
	atomic_uint seen;
};

static struct caller callers[MAX_CALLERS];
static unsigned int (*code)(void);
static atomic_uint stop;

/* mov $0, %eax; ret */
static const uint8_t function[] = { 0xb8, 0, 0, 0, 0, 0xc3 };

static void check(int ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	exit(1);
}

static void *caller_fn(void *arg)
{
	struct caller *c = arg;

	while (!atomic_load(&stop)) {
		atomic_store(&c->seen, code());
		atomic_fetch_add(&c->calls, 1);
	}
	return NULL;
}

int main(void)
{
	int nr = sysconf(_SC_NPROCESSORS_ONLN) - 1, fd, i;
	unsigned int round, stale = 0;
	uint8_t *alias;

	if (nr < 1) {
		printf("1..0 # SKIP takes two CPUs\n");
		return 4;
	}
	if (nr > MAX_CALLERS)
		nr = MAX_CALLERS;
	fd = memfd_create("code", 0);
	check(fd >= 0 && !ftruncate(fd, 4096), "memfd_create");
	code = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
	alias = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	check(code != MAP_FAILED && alias != MAP_FAILED, "mmap");
	check(!syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0),
	      "membarrier");
	memcpy(alias, function, sizeof(function));
	for (i = 0; i < nr; i++)
		check(!pthread_create(&callers[i].thread, NULL, caller_fn, &callers[i]),
		      "pthread_create");

	/* All of them have it by heart before it changes. */
	for (i = 0; i < nr; i++)
		while (atomic_load(&callers[i].calls) < 1000)
			;
	printf("TAP version 13\n1..1\n");
	for (round = 1; round <= ROUNDS; round++) {
		uint32_t value = round;

		memcpy(alias + 1, &value, sizeof(value));
		check(!syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0),
		      "membarrier");
		for (i = 0; i < nr; i++) {
			unsigned long calls = atomic_load(&callers[i].calls);

			/* The call that was under way may have begun before. */
			while (atomic_load(&callers[i].calls) < calls + 2)
				;
			if (atomic_load(&callers[i].seen) == round)
				continue;
			if (!stale++)
				printf("# round %u: CPU returns %u\n", round,
				       atomic_load(&callers[i].seen));
		}
	}
	atomic_store(&stop, 1);
	for (i = 0; i < nr; i++)
		pthread_join(callers[i].thread, NULL);
	if (stale)
		printf("# %u times old code\n", stale);
	printf("%sok 1 the code is the new one %u times\n", stale ? "not " : "", ROUNDS);
	return !!stale;
}
