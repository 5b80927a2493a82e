/* SPDX-License-Identifier: MIT */
/* What the coordinator reports to people and to monitoring: lines, a table, metrics. */
#ifndef BALLAST_MEMORY_REPORT_H
#define BALLAST_MEMORY_REPORT_H

#include "metrics.h"
#include "plan.h"

#include <stdbool.h>

/* What became of a set. */
enum report_outcome {
	REPORT_MADE,
	REPORT_FAILED,
	REPORT_DRY, /* not tried: a dry run */
};

/* A target of an earlier life that this tick began with. */
struct report_resume {
	unsigned char uuid[MEM_UUID_LEN];
	int64_t target_kib;
};

/* A tick, as the reports see it. */
struct report {
	unsigned long tick;
	bool dry_run; /* nothing is set, not even the period of statistics */
	const struct mem_sample *sample;
	const char *(*name)(const void *opaque, size_t guest); /* of the sample's guests */
	const void *opaque;
	const struct mem_plan *plan;
	const enum report_outcome *outcomes; /* [plan.nsets] */
	const struct report_resume *resumes;
	size_t nresumes;
};

/* A key=value line per note, per set and for the tick, on stdout. */
void report_lines(const struct report *report);

/* The plan for this moment as a table, on stdout. */
void report_table(const struct report *report);

/* What a run has done so far. */
struct report_totals {
	struct metrics_run run;
	unsigned long sets, failed, released_kib, granted_kib;
};

/* Replaces the file of metrics. report is NULL while the guests cannot be read. 0, −1 with errno.
 */
int report_metrics(const char *path, const struct report *report,
		   const struct report_totals *totals);

#endif
