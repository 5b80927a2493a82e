/* SPDX-License-Identifier: MIT */
/* What one guest's thread reports: events, complaints, and what its loads attained. */
#ifndef BALLAST_RUN_REPORT_H
#define BALLAST_RUN_REPORT_H

#include "runner.h"

#include <jansson.h>

/* An event of this guest. */
void run_write(struct run_guest *g, double t_s, struct trace_event event);

/* A line on stderr and a warning in the trace; fatal ones make the run fail. */
void run_complain(struct run_guest *g, bool fatal, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* CPU time of all its vCPUs as the host sees it; −1: not known. */
int64_t run_vcpu_ns(virDomainPtr dom, unsigned int vcpus);

/* A load ends: with its own final report, or NULL where there is none. Nothing where none was
 * active. */
void run_end_active(struct run_guest *g, enum load_class class, const json_t *report, double now_s);

/* The final reports of loads that ended; ended is let go of. */
void run_note_ended(struct run_guest *g, json_t *ended, double now_s);

/* Every load ends: with what the guest says of them or, where it cannot say any more, without. */
void run_end_all(struct run_guest *g, json_t *reports, double now_s);

#endif
