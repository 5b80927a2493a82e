/* SPDX-License-Identifier: MIT */
/*
 * The log that can be replayed: JSON Lines, first the policy, then per tick the whole sample and
 * what was decided. Written by --json, read by --replay.
 */
#ifndef BALLAST_MEMORY_JOURNAL_H
#define BALLAST_MEMORY_JOURNAL_H

#include "plan.h"

#include <stdio.h>

#define JOURNAL_ERROR_MAX 512

/* What became of a set. */
enum journal_outcome {
	JOURNAL_MADE,
	JOURNAL_FAILED,
	JOURNAL_DRY, /* not tried: a dry run */
};

/* A target of an earlier life that this tick began with. */
struct journal_resume {
	unsigned char uuid[MEM_UUID_LEN];
	int64_t target_kib;
};

struct journal_tick {
	unsigned long tick;
	const struct mem_sample *sample;
	const char *(*name)(const void *opaque, size_t guest); /* of the sample's guests */
	const void *opaque;
	const struct mem_plan *plan;
	const enum journal_outcome *outcomes; /* [plan.nsets] */
	const struct journal_resume *resumes;
	size_t nresumes;
};

/* One line each on out. */
void journal_write_policy(FILE *out, const struct mem_policy *policy);
void journal_write_tick(FILE *out, const struct journal_tick *tick);

/*
 * Puts a log through the policy again and compares what it decides, a line on out per difference
 * and one at the end. 0: the same; 1: it decides otherwise; −1 with one line in error: not such a
 * log. A last line that was cut off is left out.
 */
int journal_replay(const char *path, FILE *out, char error[JOURNAL_ERROR_MAX]);

#endif
