/* SPDX-License-Identifier: MIT */
/* Plays a scenario's timeline on its guests, all at once. */
#ifndef BALLAST_RUN_H
#define BALLAST_RUN_H

#include <stdbool.h>
#include <stdint.h>

struct run_args {
	const char *uri;
	const char *scenario; /* path */
	const char *prefix;   /* of the guests' names */
	const char *trace;    /* appended to; NULL: nothing is written */
	const char *loads;    /* folder of the programs that run in guests */
	int64_t epoch_ns; /* CLOCK_MONOTONIC at t = 0; −1: now, once the guests are prepared */
	bool ask_epoch;	  /* it comes as a line on stdin after "ready" was printed */
};

/* An exit status. */
int run_timeline(const struct run_args *args);

#endif
