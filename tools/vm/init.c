// SPDX-License-Identifier: GPL-2.0
/*
 * PID 1 of the machine under test: load the modules, run the chosen tests one
 * by one, report to the runner over a virtio-serial port.
 *
 * The initramfs holds, next to the programs, two lists that the runner wrote:
 *   /vm/modules   "NAME[ PARAMETERS]", one module per line, in load order
 *   /vm/tests     "ID<TAB>KIND<TAB>SECONDS<TAB>NAME<TAB>COMMAND"
 *
 * Reports are "TYPE ID LENGTH key=value...\n" and LENGTH bytes of payload. The
 * last one is DONE. A machine that dies on the way cannot send it, so the
 * runner fails closed.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ctl.h"

#define PORT_NAME	"snp-vm"
#define MAX_ARGS	64
#define MAX_MODULES	64

/* Processes that survive SIGKILL for so long are stuck in the kernel. */
#define KILL_GRACE_MS	10000

static int port = -1;
static int kmsg = -1;
static bool shell;

static struct module {
	char *name;
	char *params;
	bool loaded;
} modules[MAX_MODULES];
static int nr_modules;

struct result {
	const char *status;
	int code;
	long ms;
};

static long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000L + ts.tv_nsec / 1000000;
}

static void write_all(int fd, const char *buf, size_t len)
{
	while (len) {
		ssize_t n = write(fd, buf, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		buf += n;
		len -= n;
	}
}

/* One write per record: /dev/kmsg makes a record of each. */
static void mark(const char *fmt, ...)
{
	char line[256];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n >= (int)sizeof(line))
		n = sizeof(line) - 1;
	write_all(kmsg, line, n);
}

static void report(const char *type, int id, const void *data, size_t len,
		   const char *fmt, ...)
{
	char head[512];
	va_list ap;
	int n;

	n = snprintf(head, sizeof(head), "%s %d %zu ", type, id, len);
	va_start(ap, fmt);
	n += vsnprintf(head + n, sizeof(head) - n - 1, fmt, ap);
	va_end(ap);
	if (n > (int)sizeof(head) - 2)
		n = sizeof(head) - 2;
	head[n++] = '\n';
	write_all(port, head, n);
	write_all(port, data, len);
}

static void note(int id, const char *fmt, ...)
{
	char line[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n >= (int)sizeof(line))
		n = sizeof(line) - 1;
	if (port >= 0)
		report("NOTE", id, line, n, "");
	else
		mark("<4>snp-vm: %s\n", line);
}

/* Returns bytes read, NUL-terminated; -1 with errno on error. */
static ssize_t read_file(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n;

	buf[0] = '\0';
	if (fd < 0)
		return -1;
	while (len < size - 1) {
		n = read(fd, buf + len, size - 1 - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += n;
	}
	close(fd);
	buf[len] = '\0';
	return len;
}

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

static void do_mount(const char *type, const char *dir, const char *opts)
{
	mkdir(dir, 0755);
	if (mount(type, dir, type, 0, opts) && errno != EBUSY)
		mark("<6>snp-vm: mount of %s on %s: %m\n", type, dir);
}

static void set_up_mounts(void)
{
	do_mount("devtmpfs", "/dev", NULL);
	kmsg = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	do_mount("proc", "/proc", NULL);
	do_mount("sysfs", "/sys", NULL);
	do_mount("tmpfs", "/tmp", NULL);
	do_mount("tmpfs", "/run", NULL);
	do_mount("tmpfs", "/dev/shm", NULL);
	do_mount("devpts", "/dev/pts", NULL);
	do_mount("debugfs", "/sys/kernel/debug", NULL);
	do_mount("tracefs", "/sys/kernel/tracing", NULL);
	do_mount("cgroup2", "/sys/fs/cgroup", NULL);
	mkdir("/dev/hugepages", 0755);
	do_mount("hugetlbfs", "/dev/hugepages", NULL);
	symlink("/proc/self/fd", "/dev/fd");
	symlink("/proc/mounts", "/etc/mtab");
}

static int load_module(const char *name, const char *params)
{
	char path[256];
	int fd, ret = 0;

	snprintf(path, sizeof(path), "/vm/lib/%s.ko", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (syscall(SYS_finit_module, fd, params ? params : "", 0))
		ret = -errno;
	close(fd);
	return ret;
}

static int unload_module(const char *name)
{
	char under[128];
	size_t i;

	for (i = 0; name[i] && i < sizeof(under) - 1; i++)
		under[i] = name[i] == '-' ? '_' : name[i];
	under[i] = '\0';
	return syscall(SYS_delete_module, under, O_NONBLOCK) ? -errno : 0;
}

static char *read_list(const char *path)
{
	struct stat st;
	char *buf;

	if (stat(path, &st))
		return NULL;
	buf = malloc(st.st_size + 1);
	if (!buf)
		return NULL;
	if (read_file(path, buf, st.st_size + 1) < 0) {
		free(buf);
		return NULL;
	}
	return buf;
}

static void load_modules(void)
{
	char *line, *save, *list = read_list("/vm/modules");

	if (!list)
		return;
	for (line = strtok_r(list, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		struct module *m = &modules[nr_modules];
		char *space = strchr(line, ' ');

		if (nr_modules == MAX_MODULES)
			break;
		if (space)
			*space++ = '\0';
		m->name = line;
		m->params = space;
		nr_modules++;
	}
}

/*
 * A module that does not load is no reason to stop: some tests are about just
 * that, and the others say themselves what they miss.
 */
static void insert_modules(void)
{
	int i, ret;

	for (i = 0; i < nr_modules; i++) {
		ret = load_module(modules[i].name, modules[i].params);
		modules[i].loaded = !ret;
		if (ret)
			mark("<4>snp-vm: module %s: %s\n", modules[i].name,
			     strerror(-ret));
	}
}

static void remove_modules(void)
{
	int i, ret;

	for (i = nr_modules - 1; i >= 0; i--) {
		if (!modules[i].loaded)
			continue;
		ret = unload_module(modules[i].name);
		/* Modules without an exit function, or used by the console, stay. */
		if (ret && ret != -EBUSY && ret != -EWOULDBLOCK && ret != -ENOENT)
			mark("<4>snp-vm: unload of %s: %s\n", modules[i].name,
			     strerror(-ret));
	}
}

/*
 * The kernel calibrates the TSC once more some time after boot. KVM loaded before
 * that, or a test that runs across it, sees the clock change its speed.
 */
static void await_clock(void)
{
	char name[32];
	int tries;

	for (tries = 0; tries < 150; tries++) {
		read_file("/sys/devices/system/clocksource/clocksource0/current_clocksource",
			  name, sizeof(name));
		if (strcmp(name, "tsc-early\n"))
			return;
		usleep(20 * 1000);
	}
}

static int open_port(void)
{
	char path[300], name[64];
	struct dirent *de;
	int fd = -1, tries;
	DIR *dir;

	for (tries = 0; tries < 100 && fd < 0; tries++) {
		dir = opendir("/sys/class/virtio-ports");
		while (dir && (de = readdir(dir))) {
			snprintf(path, sizeof(path),
				 "/sys/class/virtio-ports/%s/name", de->d_name);
			if (read_file(path, name, sizeof(name)) <= 0)
				continue;
			name[strcspn(name, "\n")] = '\0';
			if (strcmp(name, PORT_NAME))
				continue;
			snprintf(path, sizeof(path), "/dev/%s", de->d_name);
			fd = open(path, O_RDWR | O_CLOEXEC);
			break;
		}
		if (dir)
			closedir(dir);
		if (fd < 0)
			usleep(50 * 1000);
	}
	return fd;
}

static unsigned long taint(void)
{
	char buf[32];

	read_file("/proc/sys/kernel/tainted", buf, sizeof(buf));
	return strtoul(buf, NULL, 10);
}

/*
 * As PID 1, kill(-1) reaches every process but this one: also those that left
 * the test's process group or session.
 */
static bool kill_all(void)
{
	long end = now_ms() + KILL_GRACE_MS;
	pid_t pid;

	for (;;) {
		kill(-1, SIGKILL);
		do {
			pid = waitpid(-1, NULL, WNOHANG);
		} while (pid > 0);
		if (pid < 0 && errno == ECHILD)
			return true;
		if (now_ms() > end)
			return false;
		usleep(2000);
	}
}

static void child(const char *kind, char *command, int out)
{
	static char *const env[] = {
		"PATH=/vm/bin:/bin:/sbin:/usr/bin:/usr/sbin", "HOME=/tmp",
		"TERM=vt100", "TMPDIR=/tmp", NULL
	};
	char *argv[MAX_ARGS + 1];
	char path[256];
	int n = 0, nul;

	setsid();
	nul = open("/dev/null", O_RDONLY);
	dup2(nul, 0);
	dup2(out, 1);
	dup2(out, 2);
	if (chdir("/tmp"))
		_exit(127);
	/* Anything that a test leaks is better killed than PID 1. */
	write_file("/proc/self/oom_score_adj", "1000");
	if (!strcmp(kind, "sh")) {
		execle("/bin/sh", "sh", "-c", command, NULL, env);
	} else {
		char *save, *word;

		for (word = strtok_r(command, " ", &save);
		     word && n < MAX_ARGS; word = strtok_r(NULL, " ", &save))
			argv[n++] = word;
		argv[n] = NULL;
		snprintf(path, sizeof(path), "/vm/bin/%s", argv[0]);
		/* The selftests open their own ELF file by this name. */
		argv[0] = path;
		execve(path, argv, env);
	}
	dprintf(2, "init: cannot run '%s': %m\n", command);
	_exit(127);
}

/* Forward what the pipe holds; false at its end. */
static bool forward(int fd, int id)
{
	static char buf[32768];
	ssize_t n = read(fd, buf, sizeof(buf));

	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR);
	report("OUT", id, buf, n, "");
	return true;
}

static void run_program(int id, const char *kind, int seconds, char *command,
			struct result *res)
{
	long start = now_ms(), end = start + seconds * 1000L;
	bool open_end = true, exited = false;
	int status = 0, fds[2];
	struct pollfd pfd;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK)) {
		res->status = "internal";
		res->code = errno;
		return;
	}
	pid = fork();
	if (!pid) {
		fcntl(fds[1], F_SETFL, 0);
		child(kind, command, fds[1]);
	}
	close(fds[1]);
	res->status = NULL;
	while (!exited) {
		pid_t got;

		while ((got = waitpid(-1, &status, WNOHANG)) > 0) {
			if (got == pid) {
				exited = true;
				break;
			}
		}
		if (exited)
			break;
		if (now_ms() > end) {
			res->status = "timeout";
			break;
		}
		pfd.fd = open_end ? fds[0] : -1;
		pfd.events = POLLIN;
		/* SIGCHLD interrupts poll(): no need of a short period. */
		poll(&pfd, 1, 100);
		if (pfd.revents)
			open_end = forward(fds[0], id);
	}
	res->ms = now_ms() - start;
	if (!kill_all())
		res->status = "stuck";
	while (open_end) {
		pfd.fd = fds[0];
		pfd.events = POLLIN;
		if (poll(&pfd, 1, 0) <= 0)
			break;
		open_end = forward(fds[0], id);
	}
	close(fds[0]);
	if (res->status)
		return;
	if (WIFSIGNALED(status)) {
		res->status = "signal";
		res->code = WTERMSIG(status);
	} else {
		res->status = "exit";
		res->code = WEXITSTATUS(status);
	}
}

/*
 * Send each suite's results, which are KTAP already. Suites that never ran
 * have no results file, so no pass is made up.
 */
static int kunit_results(int id)
{
	static const char root[] = "/sys/kernel/debug/kunit";
	static char buf[1 << 20];
	struct dirent *de;
	DIR *dir = opendir(root);
	int suites = 0;
	char path[300];
	ssize_t n;

	while (dir && (de = readdir(dir))) {
		if (de->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s/results", root, de->d_name);
		n = read_file(path, buf, sizeof(buf));
		if (n <= 0)
			continue;
		report("OUT", id, buf, n, "");
		suites++;
	}
	if (dir)
		closedir(dir);
	return suites;
}

/* finit_module() runs the suites, so do it in a child that can time out. */
static void run_kunit(int id, int seconds, char *command, struct result *res)
{
	long start = now_ms(), end = start + seconds * 1000L;
	char *params = strchr(command, ' ');
	int status, ret, suites;
	pid_t pid;

	if (params)
		*params++ = '\0';
	ret = load_module("kunit", "enable=1");
	if (ret && ret != -EEXIST) {
		note(id, "kunit.ko: %s", strerror(-ret));
		res->status = "internal";
		res->code = -ret;
		return;
	}
	pid = fork();
	if (!pid)
		_exit(-load_module(command, params));
	for (;;) {
		pid_t got = waitpid(pid, &status, WNOHANG);

		if (got == pid)
			break;
		if (now_ms() > end) {
			res->ms = now_ms() - start;
			res->status = kill_all() ? "timeout" : "stuck";
			kunit_results(id);
			return;
		}
		usleep(2000);
	}
	res->ms = now_ms() - start;
	suites = kunit_results(id);
	res->status = "exit";
	res->code = WIFEXITED(status) ? WEXITSTATUS(status) : 255;
	if (res->code)
		note(id, "%s.ko: %s", command, strerror(res->code));
	else if (!suites) {
		note(id, "%s.ko ran no suite", command);
		res->code = ENOENT;
	}
	ret = unload_module(command);
	if (ret && !res->code) {
		note(id, "unload of %s.ko: %s", command, strerror(-ret));
		res->code = -ret;
	}
}

static void clean_tmp(void)
{
	/* A fresh tmpfs each: what one test leaves is not there for the next. */
	if (chdir("/"))
		return;
	umount2("/tmp", MNT_DETACH);
	do_mount("tmpfs", "/tmp", NULL);
	umount2("/dev/shm", MNT_DETACH);
	do_mount("tmpfs", "/dev/shm", NULL);
	write_file("/proc/sys/vm/nr_hugepages", "0");
}

static void run_tests(void)
{
	char *line, *save, *list = read_list("/vm/tests");
	struct ctl_counters before, after;

	if (!list) {
		note(0, "no /vm/tests");
		return;
	}
	for (line = strtok_r(list, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		char *id_s = strsep(&line, "\t"), *kind = strsep(&line, "\t");
		char *secs = strsep(&line, "\t"), *name = strsep(&line, "\t");
		struct result res = { .status = "internal" };
		int id = atoi(id_s), seconds = secs ? atoi(secs) : 0;
		unsigned long tainted;
		char counters[160];

		if (!line || !name) {
			note(0, "bad line in /vm/tests");
			continue;
		}
		report("BEGIN", id, NULL, 0, "");
		mark("<6>snp-vm: begin %d %s\n", id, name);
		ctl_read(&before);
		if (!strcmp(kind, "kunit"))
			run_kunit(id, seconds, line, &res);
		else
			run_program(id, kind, seconds, line, &res);
		ctl_settle(&after);
		ctl_format(counters, sizeof(counters), &before, &after);
		clean_tmp();
		tainted = taint();
		mark("<6>snp-vm: end %d %s\n", id, name);
		report("END", id, NULL, 0, "status=%s code=%d ms=%ld taint=%lu %s",
		       res.status, res.code, res.ms, tainted, counters);
		/*
		 * After an oops, a WARN, a soft lockup or with a process that
		 * cannot be killed, later results would be about that and not
		 * about the test. WARN_ONCE and lockdep also speak only once.
		 * The runner boots a fresh machine for the rest.
		 */
		if (!strcmp(res.status, "stuck") ||
		    (tainted & (1UL << 7 | 1UL << 9 | 1UL << 14))) {
			note(0, "the kernel is damaged (taint %lu, %s): stop here",
			     tainted, res.status);
			report("STOP", id, NULL, 0, "");
			return;
		}
	}
}

#define KMEMLEAK	"/sys/kernel/debug/kmemleak"

/*
 * Reads into @buf what kmemleak finds; 0 also without kmemleak. It reports no
 * object younger than 5 s, and none before its second scan: the first one only
 * takes the checksum that tells whether the object is still being written to.
 */
static ssize_t kmemleak_scan(char *buf, size_t size)
{
	int i;

	if (access(KMEMLEAK, R_OK))
		return 0;
	sleep(6);
	for (i = 0; i < 2; i++)
		write_file(KMEMLEAK, "scan");
	return read_file(KMEMLEAK, buf, size);
}

/*
 * What the kernel left at boot, before it loaded a module, is not what the tests
 * are about. "clear" stops the reports of those very objects and of no others.
 */
static void kmemleak_forget_boot(void)
{
	static char buf[65536];
	char *p;
	int n = 0;

	if (kmemleak_scan(buf, sizeof(buf)) <= 0)
		return;
	for (p = buf; (p = strstr(p, "unreferenced object")); p++)
		n++;
	mark("<6>snp-vm: kmemleak: %d objects left at boot do not count\n", n);
	write_file(KMEMLEAK, "clear");
}

/* Leaks of the modules show best once they are gone. */
static void kmemleak(void)
{
	static char buf[65536];
	ssize_t n = kmemleak_scan(buf, sizeof(buf));

	if (n > 0) {
		report("NOTE", 0, buf, n, "");
		mark("<4>snp-vm: kmemleak has unreferenced objects\n");
	}
}

static void __attribute__((noreturn)) finish(void)
{
	sync();
	/* With -no-reboot this ends QEMU; it needs no ACPI in the machine. */
	reboot(RB_AUTOBOOT);
	for (;;)
		pause();
}

static void run_shell(void)
{
	static char *const env[] = {
		"PATH=/vm/bin:/bin:/sbin:/usr/bin:/usr/sbin", "HOME=/tmp",
		"TERM=linux", "PS1=snp# ", NULL
	};
	pid_t pid = fork();

	if (!pid) {
		/* setsid(1) forks if it runs in a session of its own already. */
		execle("/bin/sh", "sh", "-c",
		       "exec setsid -c sh -c 'cd /vm/bin; exec sh' "
		       "</dev/ttyS0 >/dev/ttyS0 2>&1", NULL, env);
		_exit(127);
	}
	while (waitpid(-1, NULL, 0) != pid)
		;
}

static void on_child(int sig)
{
}

int main(void)
{
	struct sigaction sa = { .sa_handler = on_child };
	struct rlimit core = { 0, 0 };
	struct utsname uts;
	char cmdline[2048];

	set_up_mounts();
	sigaction(SIGCHLD, &sa, NULL);
	setrlimit(RLIMIT_CORE, &core);
	read_file("/proc/cmdline", cmdline, sizeof(cmdline));
	shell = strstr(cmdline, "snp_vm.shell");
	if (!access("/bin/busybox", X_OK)) {
		pid_t pid = fork();

		if (!pid) {
			execl("/bin/busybox", "busybox", "--install", "-s", NULL);
			_exit(127);
		}
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	/* Marks must not be dropped by the limit on what userspace may log. */
	write_file("/proc/sys/kernel/printk_devkmsg", "on\n");
	load_modules();
	if (!shell)
		kmemleak_forget_boot();
	if (nr_modules)
		await_clock();
	insert_modules();
	if (shell) {
		run_shell();
		remove_modules();
		finish();
	}
	port = open_port();
	if (port < 0) {
		mark("<3>snp-vm: no virtio-serial port named " PORT_NAME "\n");
		finish();
	}
	uname(&uts);
	ctl_open();
	report("HELLO", 0, NULL, 0, "release=%s ctl=%d", uts.release,
	       ctl_present());
	run_tests();
	mark("<6>snp-vm: begin 0 shutdown\n");
	remove_modules();
	kmemleak();
	mark("<6>snp-vm: end 0 shutdown\n");
	report("DONE", 0, NULL, 0, "");
	/* Let the host take the last bytes before the machine is reset. */
	usleep(50 * 1000);
	finish();
}
