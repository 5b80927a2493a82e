/* SPDX-License-Identifier: MIT */
/* Warnings and chatter on stderr, each one line, prefixed with the program's name. */
#ifndef BALLAST_LOG_H
#define BALLAST_LOG_H

#include <stdbool.h>

/* Exit status of every Ballast program. */
enum exit_status {
	EXIT_PASS = 0,
	EXIT_FAIL = 1,	/* it ran and the answer is no */
	EXIT_USAGE = 2, /* bad usage or bad input */
	EXIT_LAB = 3,	/* the lab itself failed */
};

/* Sets the prefix of every line and whether log_verbose() prints. */
void log_init(const char *program, bool verbose);

/* One line, "program: message". A trailing newline is added. */
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same, only after log_init(…, true). */
void log_verbose(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same as log_warn(), then exit(status). For start-up only. */
void die(int status, const char *format, ...) __attribute__((format(printf, 2, 3), noreturn));

#endif
