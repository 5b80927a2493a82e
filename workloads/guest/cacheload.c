/* SPDX-License-Identifier: MIT */
/*
 * A page cache load: reads a sparse file at a given rate until that much of it was read. The kernel
 * may drop what was read when it needs the memory; this does not read it again.
 */
#include "guestload.h"
#include "log.h"
#include "pace.h"
#include "tick.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/loop.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#define NAME	   "cacheload"
#define FILE_BYTES (INT64_C(64) << 30) /* sparse: it takes no room */
#define STEP_S	   0.02
#define STATUS_S   0.25
#define PIECE_KIB  64U

struct cache {
	int fd;
	uint64_t kib; /* read so far */
	struct ramp ramp;
	double phase_start_s;
	bool failed;
};

static volatile sig_atomic_t steered;

static void on_steer(int number)
{
	(void)number;
	steered = 1;
}

/* --- the file --- */

/* A file's pages in memory itself are no cache: they cannot be dropped. */
static bool is_memory(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) || fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC;
}

/* A nameless sparse file in dir. */
static int open_sparse(const char *dir)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "%s/ballast-XXXXXX", dir);
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		return -1;
	unlink(path);
	if (ftruncate(fd, FILE_BYTES)) {
		close(fd);
		return -1;
	}
	return fd;
}

/*
 * A guest without a disk has nothing that can be cached but a loop device over a sparse file in
 * memory: holes read as zeros without taking memory, the device's pages are cache like a disk's.
 */
static int open_loop(int file)
{
	struct loop_info64 info = {.lo_flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR};
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), number, loop = -1;
	char path[32];

	number = control < 0 ? -1 : ioctl(control, LOOP_CTL_GET_FREE);
	if (number >= 0) {
		snprintf(path, sizeof(path), "/dev/loop%d", number);
		loop = open(path, O_RDONLY | O_CLOEXEC);
	}
	if (loop >= 0 &&
	    (ioctl(loop, LOOP_SET_FD, file) || ioctl(loop, LOOP_SET_STATUS64, &info))) {
		close(loop);
		loop = -1;
	}
	if (control >= 0)
		close(control);
	return loop;
}

static int open_cached(void)
{
	int fd = open_sparse("/var/tmp");

	if (fd < 0)
		fd = open_sparse("/run");
	if (fd >= 0 && is_memory(fd)) {
		int file = fd;

		fd = open_loop(file);
		if (fd < 0)
			log_warn("this guest has no disk and no loop device (modprobe loop): "
				 "nothing can be cached");
		close(file);
	} else if (fd < 0) {
		log_warn("no file can be made in /var/tmp or /run: %s", strerror(errno));
	}
	if (fd >= 0)
		posix_fadvise(fd, 0, 0,
			      POSIX_FADV_RANDOM); /* what was asked for, nothing ahead of it */
	return fd;
}

/* --- the load --- */

static void follow(struct cache *c, double now_s)
{
	static char piece[PIECE_KIB * 1024];
	uint64_t due = ramp_due_kib(&c->ramp, now_s);

	while (c->kib + PIECE_KIB <= due && !c->failed && !tick_quit) {
		if (pread(c->fd, piece, sizeof(piece), (off_t)c->kib * 1024) !=
		    (ssize_t)sizeof(piece))
			c->failed = true;
		else
			c->kib += PIECE_KIB;
	}
	if (c->kib > due + PIECE_KIB || (c->kib > due && due == c->ramp.to_kib)) {
		posix_fadvise(c->fd, (off_t)due * 1024, (off_t)(c->kib - due) * 1024,
			      POSIX_FADV_DONTNEED);
		c->kib = due;
	}
}

static const char *state(const struct cache *c)
{
	if (c->failed)
		return "failed";
	if (c->kib + PIECE_KIB <= c->ramp.to_kib)
		return "growing";
	return c->kib > c->ramp.to_kib ? "shrinking" : "holding";
}

static void report(const struct cache *c, const char *suffix, bool ended)
{
	char text[REPORT_MAX];

	snprintf(text, sizeof(text),
		 "{\"load\":\"cache\",\"state\":\"%s\",\"asked_kib\":%" PRIu64
		 ",\"rate_kib_s\":%" PRIu64 ",\"load_kib\":%" PRIu64
		 ",\"starved_s\":0,\"elapsed_s\":%.3f}\n",
		 ended ? "ended" : state(c), c->ramp.to_kib, c->ramp.rate_kib_s, c->kib,
		 tick_now_s() - c->phase_start_s);
	report_write(NAME, suffix, text);
}

static void steer(struct cache *c, uint64_t kib, uint64_t rate_kib_s)
{
	c->phase_start_s = tick_now_s();
	c->ramp = (struct ramp){c->kib, kib, rate_kib_s, c->phase_start_s};
}

static void take_target(struct cache *c)
{
	uint64_t kib, rate_kib_s;

	if (target_read(NAME, &kib, &rate_kib_s))
		return;
	report(c, "last", false);
	steer(c, kib, rate_kib_s);
	report(c, "status", false);
	report_remove(NAME, "target");
}

static int run(const struct load_target *args, int detached)
{
	struct sigaction action = {.sa_handler = on_steer};
	struct cache c = {0};
	double reported_s = 0;

	if (tick_signals() < 0 || instance_lock(NAME))
		return EXIT_FAIL;
	sigaction(SIGUSR1, &action, NULL);
	report_remove(NAME, "target");
	c.fd = open_cached();
	if (c.fd < 0)
		return EXIT_FAIL;
	steer(&c, args->kib, args->rate_kib_s);
	report(&c, "status", false);
	if (detached >= 0)
		detach_ready(detached, EXIT_PASS);
	while (!tick_quit) {
		struct timespec step = {0, (long)(STEP_S * 1e9)};

		follow(&c, tick_now_s());
		if (steered) {
			steered = 0;
			take_target(&c);
		}
		if (tick_now_s() - reported_s >= STATUS_S) {
			report(&c, "status", false);
			reported_s = tick_now_s();
		}
		nanosleep(&step, NULL);
	}
	report(&c, "last", false);
	posix_fadvise(c.fd, 0, 0, POSIX_FADV_DONTNEED);
	report(&c, "status", true);
	if (args->foreground)
		report_print(NAME, "last");
	return c.failed ? EXIT_FAIL : EXIT_PASS;
}

static int stop(void)
{
	return instance_end(NAME);
}

static const char usage[] =
	"usage: cacheload [-f] SIZE [RATE]\n"
	"       cacheload --status | --stop\n"
	"Reads a file until SIZE of it went through the page cache, at RATE (like 20M/s; "
	"without: at once).\n"
	"The first goes on in the background, those after it steer that one; downwards drops "
	"pages.\n"
	"  -f, --foreground     stay until stopped\n"
	"      --status         print the report of the running load\n"
	"      --stop           end it and print its final report\n"
	"      --help, --version\n";

int main(int argc, char **argv)
{
	const struct load_self self = {NAME, "SIZE [RATE]", usage, stop};
	struct load_target args;
	int detached = -1;

	log_init(NAME, false);
	load_target_take(&self, FILE_BYTES / 1024, argc, argv, &args);
	oom_score_set(0); /* not the agent's, which is protected */
	if (!args.foreground)
		detached = detach();
	return run(&args, detached);
}
