/* SPDX-License-Identifier: MIT */
/* What the loads that run inside guests share: instances, the way into the background, reports. */
#include "guestload.h"

#include "log.h"
#include "tick.h"
#include "units.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Long enough for a guest that swaps or shares its pCPU with seven others. */
#define STOP_TERM_S 5.0
#define STOP_KILL_S 5.0

/* How long the running instance may take to accept a new target; it looks as soon as it is
 * signalled. */
#define STEER_S 5.0

/* --- the command line --- */

bool load_option(const struct load_self *self, int option)
{
	switch (option) {
	case 'f':
		return true;
	case LOAD_STATUS:
		report_print(self->name, "status");
		exit(EXIT_PASS);
	case LOAD_STOP:
		exit(self->stop());
	case LOAD_HELP:
		fputs(self->usage, stdout);
		exit(EXIT_PASS);
	case LOAD_VERSION:
		printf("%s %s\n", self->name, BALLAST_VERSION);
		exit(EXIT_PASS);
	default:
		exit(EXIT_USAGE); /* getopt has said what is wrong */
	}
}

void load_operands_refuse(const struct load_self *self)
{
	die(EXIT_USAGE, "it is %s %s; see --help", self->name, self->form);
}

void load_target_take(const struct load_self *self, uint64_t most_kib, int argc, char **argv,
		      struct load_target *target)
{
	static const struct option options[] = {LOAD_OPTIONS};
	char most[32];
	int option;
	pid_t pid;

	*target = (struct load_target){0};
	while ((option = getopt_long(argc, argv, "f", options, NULL)) != -1)
		target->foreground |= load_option(self, option);
	if (argc - optind < 1 || argc - optind > 2)
		load_operands_refuse(self);
	if (parse_size(argv[optind], &target->kib))
		die(EXIT_USAGE, "%s: not a size like 512M", argv[optind]);
	if (target->kib > most_kib)
		die(EXIT_USAGE, "%s: more than %s", argv[optind],
		    format_size(most_kib, most, sizeof(most)));
	if (optind + 1 < argc && parse_rate(argv[optind + 1], &target->rate_kib_s))
		die(EXIT_USAGE, "%s: not a rate like 20M/s", argv[optind + 1]);
	pid = instance_pid(self->name);
	if (pid)
		exit(instance_steer(self->name, pid, target->kib, target->rate_kib_s));
}

/* --- instances --- */

static char *run_path(char buf[PATH_MAX], const char *name, const char *suffix)
{
	const char *dir = getenv("BALLAST_RUN");

	snprintf(buf, PATH_MAX, "%s/%s.%s", dir ? dir : "/run/ballast", name, suffix);
	return buf;
}

static void make_run_dir(void)
{
	const char *dir = getenv("BALLAST_RUN");

	/* Where it cannot be made, opening a file in it says so. */
	mkdir(dir ? dir : "/run/ballast", 0755);
}

static int open_lock(const char *name)
{
	char path[PATH_MAX];

	make_run_dir();
	return open(run_path(path, name, "lock"), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
}

pid_t instance_pid(const char *name)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd = open_lock(name);

	if (fd < 0)
		return 0;
	if (fcntl(fd, F_GETLK, &lock) || lock.l_type == F_UNLCK)
		lock.l_pid = 0;
	close(fd);
	return lock.l_pid;
}

int instance_lock(const char *name)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd = open_lock(name);

	/* The descriptor stays open: the lock ends with the process, however that ends. */
	if (fd < 0 || fcntl(fd, F_SETLK, &lock)) {
		if (errno != EAGAIN && errno != EACCES)
			log_warn("cannot lock %s: %s", name, strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return 0;
}

static bool wait_gone(const char *name, pid_t pid, double limit_s)
{
	const struct timespec step = {0, 5000000};
	double end_s = tick_now_s() + limit_s;

	while (instance_pid(name) == pid) {
		if (tick_now_s() >= end_s)
			return false;
		nanosleep(&step, NULL);
	}
	return true;
}

int instance_stop(const char *name)
{
	pid_t pid = instance_pid(name);

	if (!pid)
		return 0;
	kill(pid, SIGTERM);
	if (wait_gone(name, pid, STOP_TERM_S))
		return 0;
	log_warn("%s (pid %d) did not end within %g s: killed", name, (int)pid, STOP_TERM_S);
	kill(pid, SIGKILL);
	return wait_gone(name, pid, STOP_KILL_S) ? 0 : -1;
}

int instance_end(const char *name)
{
	if (!instance_pid(name))
		return EXIT_PASS;
	report_remove(name, "last");
	if (instance_stop(name)) {
		log_warn("the running load does not end");
		return EXIT_FAIL;
	}
	report_print(name, "last");
	return EXIT_PASS;
}

int detach(void)
{
	int ends[2];
	unsigned char status = EXIT_FAIL;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC))
		die(EXIT_FAIL, "pipe: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		die(EXIT_FAIL, "fork: %s", strerror(errno));
	if (pid > 0) {
		close(ends[1]);
		while (read(ends[0], &status, 1) < 0 && errno == EINTR)
			;
		_exit(status);
	}
	close(ends[0]);
	setsid();
	return ends[1];
}

void streams_close(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	fflush(stdout);
	for (int fd = 0; fd <= 2 && null >= 0; fd++)
		dup2(null, fd);
	if (null > 2)
		close(null);
}

void detach_ready(int detached, int status)
{
	unsigned char byte = (unsigned char)status;
	ssize_t ignored;

	streams_close();
	ignored = write(detached, &byte, 1); /* a starter that died meanwhile needs no answer */
	(void)ignored;
	close(detached);
}

int report_write(const char *name, const char *suffix, const char *text)
{
	char path[PATH_MAX], fresh[PATH_MAX];
	size_t len = strlen(text);
	ssize_t written;
	int fd;

	make_run_dir();
	run_path(path, name, suffix);
	if (snprintf(fresh, sizeof(fresh), "%s~", path) >= (int)sizeof(fresh))
		return -1;
	fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		return -1;
	written = write(fd, text, len);
	close(fd);
	return written == (ssize_t)len ? rename(fresh, path) : -1;
}

ssize_t report_read(const char *name, const char *suffix, char *buf, size_t len)
{
	char path[PATH_MAX];
	int fd = open(run_path(path, name, suffix), O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -1;
	n = read(fd, buf, len - 1);
	close(fd);
	if (n >= 0)
		buf[n] = '\0';
	return n;
}

void report_print(const char *name, const char *suffix)
{
	char text[REPORT_MAX];

	if (report_read(name, suffix, text, sizeof(text)) > 0)
		fputs(text, stdout);
}

bool report_remove(const char *name, const char *suffix)
{
	char path[PATH_MAX];

	return unlink(run_path(path, name, suffix)) == 0;
}

int instance_steer(const char *name, pid_t pid, uint64_t kib, uint64_t rate_kib_s)
{
	const struct timespec step = {0, 2000000};
	double end_s = tick_now_s() + STEER_S;
	char text[64], path[PATH_MAX];

	snprintf(text, sizeof(text), "%" PRIu64 " %" PRIu64 "\n", kib, rate_kib_s);
	if (report_write(name, "target", text) || kill(pid, SIGUSR1)) {
		log_warn("cannot steer the running load: %s", strerror(errno));
		return EXIT_FAIL;
	}
	run_path(path, name, "target");
	while (access(path, F_OK) == 0) {
		if (tick_now_s() >= end_s || instance_pid(name) != pid) {
			log_warn("the running load (pid %d) took no new target", (int)pid);
			return EXIT_FAIL;
		}
		nanosleep(&step, NULL);
	}
	report_print(name, "last");
	return EXIT_PASS;
}

int target_read(const char *name, uint64_t *kib, uint64_t *rate_kib_s)
{
	char text[64];

	if (report_read(name, "target", text, sizeof(text)) <= 0)
		return -1;
	return sscanf(text, "%" SCNu64 " %" SCNu64, kib, rate_kib_s) == 2 ? 0 : -1;
}

void oom_score_set(int score)
{
	char text[16];
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	ssize_t ignored;

	if (fd < 0)
		return;
	ignored = write(fd, text, (size_t)snprintf(text, sizeof(text), "%d", score));
	(void)ignored; /* lowering it takes privileges; without them the load is merely less
			  protected */
	close(fd);
}

int64_t oom_kills(void)
{
	char text[16384];
	const char *line;
	int fd = open("/proc/vmstat", O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -1;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return -1;
	text[n] = '\0';
	line = strstr(text, "\noom_kill ");
	return line ? strtoll(line + strlen("\noom_kill "), NULL, 10) : -1;
}
