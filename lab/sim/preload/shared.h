/* SPDX-License-Identifier: MIT */
/*
 * What the launcher and the library inside the program share: a page of memory behind a descriptor
 * that the program inherits. The launcher writes the first half before it starts the program, the
 * library the rest.
 */
#ifndef BALLAST_SIM_SHARED_H
#define BALLAST_SIM_SHARED_H

#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

/* Names the descriptor in the program's environment. */
#define SHARED_ENV "BALLAST_SIM_FD"

/* All a program may print. Far more than any does that is not stuck in a loop. */
#define SHARED_OUTPUT_MAX (16U << 20)

/* Our descriptors in the program start here, out of the way of its own; lower where the limit is.
 */
static inline int shared_fd_first(void)
{
	long most = sysconf(_SC_OPEN_MAX);

	return most > 1000 ? 900 : most > 0 ? (int)most / 2 : 100;
}

enum shared_state {
	SHARED_RUNNING,
	SHARED_FINISHED, /* the scenario was played to its end */
	SHARED_STOPPED,	 /* the program cannot be simulated: message says why */
	SHARED_FAILED,	 /* the simulation itself failed: message */
};

struct shared {
	char scenario[PATH_MAX]; /* absolute */
	char trace[PATH_MAX];	 /* absolute; empty: none */
	char prefix[64];
	char program[65536]; /* its arguments as a JSON array */
	uint64_t seed;
	double charge;	/* virtual seconds per second of CPU time; 0: computing takes no time */
	bool all_calls; /* record calls that never leave the program, too */
	int stdout_fd;	/* where it prints: files the launcher holds as well */
	int stderr_fd;

	_Atomic uint64_t now_ns;       /* virtual time */
	_Atomic uint64_t turns;	       /* how often it waited: a sign of life */
	_Atomic uint64_t stderr_taken; /* bytes of its stderr that are in the trace */
	_Atomic bool loaded;
	_Atomic int state; /* enum shared_state */
	char message[1024];
};

#endif
