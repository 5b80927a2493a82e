/* SPDX-License-Identifier: MIT */
/* The clock of a loop: absolute monotonic deadlines, so that ticks do not drift; and the quit flag.
 */
#ifndef BALLAST_TICK_H
#define BALLAST_TICK_H

#include <signal.h>
#include <stdint.h>

/* Set by SIGTERM, SIGINT and SIGHUP once tick_signals() was called; holds the signal's number. */
extern volatile sig_atomic_t tick_quit;

/* Handles SIGTERM, SIGINT and SIGHUP by setting tick_quit; ignores SIGPIPE. Returns a file
 * descriptor that becomes readable with the first of them (for poll and event loops), −1 with errno
 * on failure. */
int tick_signals(void);

/* CLOCK_MONOTONIC in seconds. */
double tick_now_s(void);

struct ticker {
	double interval_s;
	double next_s; /* the deadline, CLOCK_MONOTONIC */
};

/* The first deadline is now. */
void ticker_start(struct ticker *ticker, double interval_s);

/*
 * Moves the deadline on by one interval, or, where that has already passed (the tick was late, the
 * host was suspended), to the first multiple after now. Returns how many deadlines were left out.
 */
unsigned int ticker_advance(struct ticker *ticker, double now_s);

#endif
