/* SPDX-License-Identifier: MIT */
/* The calls of the program under test, into the trace. */
#ifndef BALLAST_GATE_REPORT_H
#define BALLAST_GATE_REPORT_H

#include "trace.h"

#include <stdint.h>

/* A program that calls without end does not fill the disk: later calls are counted only. */
#define GATE_CALLS_MAX 100000

struct gate_report {
	struct trace_writer *trace; /* NULL: none */
	double epoch_s;		    /* CLOCK_MONOTONIC at the trace's start */
	uint64_t calls, refused, broken;
};

/* A call from when it came until now. error is libvirt's message, or why it was refused; it and
 * guest may be NULL. */
void gate_report_call(struct gate_report *r, const char *function, const char *guest,
		      double start_s, enum trace_outcome outcome, const char *error);

/* A warning in the trace and on stderr: a connection that broke the protocol. */
void gate_report_broken(struct gate_report *r, const char *what);

#endif
