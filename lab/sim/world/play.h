/* SPDX-License-Identifier: MIT */
/*
 * One run of a scenario in the simulated world: time, samples, the trace. The launcher plays it
 * alone where no program is given, otherwise the library inside the program does. Knows nothing of
 * libvirt or threads.
 */
#ifndef BALLAST_SIM_PLAY_H
#define BALLAST_SIM_PLAY_H

#include "call_faults.h"
#include "scenario.h"
#include "trace.h"
#include "world.h"

/* Every run begins at this date, on a host that has been up for a day. */
#define PLAY_EPOCH_S  1767225600ULL /* 2026-01-01T00:00:00Z */
#define PLAY_UPTIME_S WORLD_UPTIME_S

/* A program that was told to stop has this long until it is killed. */
#define PLAY_GRACE_NS (5 * MODEL_NS_PER_S)

#define PLAY_HOST_NAME "ballast-sim"
#define PLAY_ERROR_MAX SCENARIO_ERROR_MAX

struct play {
	struct scenario scenario;
	struct world *world;
	struct faults faults;
	struct trace_writer trace;
	bool tracing;
	int trace_errno; /* writing failed: the trace is not whole */
	uint64_t length_ns;
	uint64_t sample_ns;	 /* between samples */
	uint64_t next_sample_ns; /* MODEL_NEVER after the last */
	bool program_runs;
	double program_cpu_s; /* CPU time charged since the last sample */
	bool interrupted;
	world_event_fn on_event; /* may be NULL; after the event was written */
	void *opaque;
};

struct play_config {
	const char *scenario; /* path */
	const char *trace;    /* path; NULL: none */
	const char *prefix;   /* of the guests' names */
	const char *program;  /* JSON array; NULL: none */
	uint64_t seed;
};

/*
 * Reads the scenario, builds its world and begins the trace. 0; −1 with one line in error; *status
 * is then what the program should exit with: EXIT_USAGE for a scenario that cannot be, EXIT_LAB for
 * what is not its fault. p must stay where it is.
 */
int play_open(struct play *p, const struct play_config *config, char error[PLAY_ERROR_MAX],
	      int *status);

/* Moves time on, sampling on the way, until until_ns or, where on_event called play_interrupt(), to
 * the end of that moment. Returns the time reached. */
uint64_t play_advance(struct play *p, uint64_t until_ns);
void play_interrupt(struct play *p);

/* Plays the rest of the scenario, says in the trace that it is complete and closes it. */
void play_finish(struct play *p);

/* Closes the trace as it is. */
void play_cut(struct play *p);

/* Appends to the trace, now; nothing without one. */
void play_event(struct play *p, struct trace_event event);
void play_output(struct play *p, enum trace_stream stream, const char *line, size_t len);

/* Why a run ends before its time. */
enum play_end {
	PLAY_FAULT,   /* the program's own: it is ended, as one would kill it */
	PLAY_REFUSAL, /* it does what the simulated world has not */
	PLAY_FAILURE, /* not the program's */
};

/* The event that stands for such an end in the trace; it points to text. */
struct trace_event play_end_event(enum play_end end, const char *text);

void play_free(struct play *p);

#endif
