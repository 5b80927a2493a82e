/* SPDX-License-Identifier: MIT */
/*
 * What the loads that run inside guests share: a command line; one instance of each, found by its
 * lock, that goes on in the background; and small JSON reports in /run/ballast (or $BALLAST_RUN).
 *
 * NAME.lock is locked by the running instance, NAME.status is its present report, written anew all
 * the time, NAME.last the final report of the phase that ended last.
 */
#ifndef BALLAST_GUESTLOAD_H
#define BALLAST_GUESTLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define REPORT_MAX 512

/* Exit statuses of a load beyond log.h's. */
enum load_exit {
	EXIT_OOM = 4,	    /* the kernel killed it for want of memory */
	EXIT_NO_MEMORY = 5, /* the kernel refused it memory */
};

/* A load, as its command line needs it. */
struct load_self {
	const char *name;
	const char *form;  /* of its operands, such as "PERCENT" */
	const char *usage; /* all that --help says */
	int (*stop)(void); /* what --stop does: an exit status */
};

/* The options that all loads have: the end of a load's table for getopt_long. */
/* clang-format off */
#define LOAD_OPTIONS \
	{"foreground", no_argument, NULL, 'f'}, \
	{"status", no_argument, NULL, LOAD_STATUS}, \
	{"stop", no_argument, NULL, LOAD_STOP}, \
	{"help", no_argument, NULL, LOAD_HELP}, \
	{"version", no_argument, NULL, LOAD_VERSION}, \
	{NULL, 0, NULL, 0}
/* clang-format on */
enum { LOAD_STATUS = 256, LOAD_STOP, LOAD_HELP, LOAD_VERSION };

/* Does what one of LOAD_OPTIONS asks, and exits with that; only -f comes back, true. */
bool load_option(const struct load_self *self, int option);

/* Exits: the operands are not of self's form. */
void __attribute__((noreturn)) load_operands_refuse(const struct load_self *self);

/* What a load that holds a size is told: [-f] SIZE [RATE], the rate in KiB/s and 0 where there is
 * none. */
struct load_target {
	uint64_t kib, rate_kib_s;
	bool foreground;
};

/*
 * Reads the command line of such a load; sizes end at most_kib, and what is wrong ends it with a
 * line. Where an instance runs it is steered, and this process ends with the status of that.
 */
void load_target_take(const struct load_self *self, uint64_t most_kib, int argc, char **argv,
		      struct load_target *target);

/* The pid of the running instance, 0: there is none. */
pid_t instance_pid(const char *name);

/* Makes this process the instance. 0; −1: there is another, or with a line on stderr that it cannot
 * be. */
int instance_lock(const char *name);

/* Ends the running instance: SIGTERM, later SIGKILL. 0 once there is none, −1 if it does not go. */
int instance_stop(const char *name);

/* The same, and prints its final report: an exit status. */
int instance_end(const char *name);

/*
 * Gives the running instance a new target, "KIB RATE" with the rate in KiB/s, waits until it was
 * accepted and prints the final report of the phase that ended so. An exit status.
 */
int instance_steer(const char *name, pid_t pid, uint64_t kib, uint64_t rate_kib_s);

/* For the instance, on SIGUSR1: reads the target. 0, −1: none. report_remove(name, "target")
 * accepts it. */
int target_read(const char *name, uint64_t *kib, uint64_t *rate_kib_s);

/*
 * Goes on in the background: the caller waits until detach_ready() was called in the child and
 * exits with the status given there (or 1 if the child died before), so that whoever started it
 * learns of failures. The child has no terminal and, from detach_ready() on, no standard streams.
 */
int detach(void);

/* Points the standard streams to /dev/null: whoever waits for the output's end must not wait for a
 * load's. */
void streams_close(void);
void detach_ready(int detached, int status);

/* Replaces NAME.suffix with text, never half. 0, −1. */
int report_write(const char *name, const char *suffix, const char *text);

/* Copies NAME.suffix to stdout if there is one. */
void report_print(const char *name, const char *suffix);

/* Removes NAME.suffix; true if it was there. */
bool report_remove(const char *name, const char *suffix);

/* Reads at most len − 1 bytes of NAME.suffix. How many, −1 if there is none. */
ssize_t report_read(const char *name, const char *suffix, char *buf, size_t len);

/* How the OOM killer looks at this process: −1000 never … 1000 first. Ignored where that is not
 * allowed. */
void oom_score_set(int score);

/* Kills for want of memory since boot (/proc/vmstat), −1: not known. */
int64_t oom_kills(void);

#endif
