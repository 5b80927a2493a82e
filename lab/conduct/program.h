/* SPDX-License-Identifier: MIT */
/* The program under test: runs it, keeps what it prints, measures it and ends it with all it
 * started. */
#ifndef BALLAST_PROGRAM_H
#define BALLAST_PROGRAM_H

#include "recorder.h"
#include "child.h"

/* What it prints goes line by line into the trace, so that a log in JSON can be had back from it;
 * longer lines are cut in pieces. */
#define PROGRAM_LINE_MAX (1024 * 1024)

struct program_stream {
	struct program *program;
	enum trace_stream stream;
	int fd;	    /* our end; −1: closed */
	int watch;  /* libvirt's; −1 */
	char *line; /* what has come of a line */
	size_t len, size;
};

struct program {
	struct recorder *recorder;
	struct child child;
	struct program_stream out, err;
	size_t bytes, lines; /* written to the trace so far */
	bool cut;	     /* it printed too much: the rest is thrown away */
	int drain_timer;     /* libvirt's; runs once the output is cut */
	int exit_watch;	     /* libvirt's; −1 */
	bool asked;	     /* it was told to end */
	bool reported;	     /* its exit is in the trace */
	int report;	     /* where its sandbox says why it ended it; −1: none */
	bool machine;	     /* which was for want of something of the machine */
	uint64_t orphans_ns; /* CPU time of what was reaped here */
	uint64_t used_ns;    /* CPU time at the last sample */
};

/* Starts it, with the recorder's gate as its libvirt. 0; −1 with errno where it cannot be executed.
 */
int program_start(struct program *p, struct recorder *r, char *const *argv);

/* CPU time it and its descendants used since the last call, and their resident memory; −1: it does
 * not run. */
void program_usage(struct program *p, int64_t *used_ns, int64_t *rss_kib);

/* SIGTERM, SIGKILL five seconds later, and SIGKILL for whatever it leaves behind. */
void program_stop(struct program *p);

#endif
