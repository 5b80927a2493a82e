/* SPDX-License-Identifier: MIT */
/* A trace is evidence by itself: the scenario goes into its header, and comes back from there. */
#ifndef BALLAST_EVIDENCE_H
#define BALLAST_EVIDENCE_H

#include "scenario.h"
#include "trace.h"

/*
 * A header with all that a resolved scenario tells; the rest is not known yet. It points into the
 * scenario. Free with evidence_free(). 0; −1 when out of memory.
 */
int evidence_header(struct trace_header *header, const struct scenario *s, const int *pcpus,
		    size_t npcpus);
void evidence_free(struct trace_header *header);

/*
 * The scenario of a trace that was read from path, resolved for the trace's host and guests. 0;
 * −1 with one line in error.
 */
int evidence_scenario(struct scenario *s, const struct trace *trace, const char *path,
		      char error[SCENARIO_ERROR_MAX]);

/*
 * Whether the file at path is the trace's scenario, but for comments and empty lines. 0; −1 with
 * one line in error that names the first difference.
 */
int evidence_same(const struct trace *trace, const char *path, char error[SCENARIO_ERROR_MAX]);

#endif
