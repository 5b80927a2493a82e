/* SPDX-License-Identifier: MIT */
/* Looks at the host and the guests once per sample. */
#ifndef BALLAST_SAMPLE_H
#define BALLAST_SAMPLE_H

#include "procstat.h"
#include "recorder.h"
#include "program.h"

struct sampler {
	struct recorder *recorder;
	uint64_t *busy, *total;	    /* per online pCPU, ticks at the last sample */
	struct procstat_pcpu *seen; /* reused */
	size_t seen_size;
	double last_s; /* CLOCK_MONOTONIC of the last sample */
	struct trace_pcpu *pcpus;
	struct trace_guest *guests;
};

/* Takes the first look, which has no window yet. 0, −1 with a line on stderr. */
int sampler_init(struct sampler *s, struct recorder *r);

/* Takes a look and writes the window since the last one into the trace. program may be NULL. */
void sampler_sample(struct sampler *s, struct program *program);

void sampler_free(struct sampler *s);

#endif
