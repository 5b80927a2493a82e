/* SPDX-License-Identifier: MIT */
/* Plays a scenario's timeline on its guests, all at once: a thread and a connection for each. */
#ifndef BALLAST_RUN_H
#define BALLAST_RUN_H

#include "scenario.h"
#include "trace.h"

#include <stdbool.h>
#include <stdint.h>

struct run_args {
	const char *uri;
	const struct scenario *scenario; /* resolved */
	const char *loads;		 /* folder of the programs that run in guests */
	/* Called from the guests' threads: what happens, and a pin that is about to be made. */
	void (*event)(void *opaque, const struct trace_event *event);
	void (*pin)(void *opaque, const char *guest, unsigned int vcpu, const char *affinity);
	void *opaque;
};

struct runner;

/* Starts the threads and waits until the loads' programs are in the guests. NULL after a line on
 * stderr, or where a signal asks for the end. */
struct runner *run_start(const struct run_args *args);

/* The timeline begins: t = 0 is at epoch_s, CLOCK_MONOTONIC. */
void run_go(struct runner *r, double epoch_s);

/* Ends the loads and the threads and frees r. EXIT_PASS, or EXIT_LAB: something of the timeline
 * could not be done. */
int run_finish(struct runner *r);

#endif
