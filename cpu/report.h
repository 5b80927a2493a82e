/* SPDX-License-Identifier: MIT */
/* What the scheduler reports to people and to monitoring: report lines, a table, metrics. */
#ifndef BALLAST_CPU_REPORT_H
#define BALLAST_CPU_REPORT_H

#include "metrics.h"
#include "plan.h"

/* What became of a pin. */
enum report_outcome {
	REPORT_MADE,
	REPORT_FAILED,
	REPORT_DRY, /* not tried: a dry run */
};

const char *report_outcome_name(enum report_outcome outcome);

/* A tick, as the reports see it. */
struct report {
	unsigned long tick;
	const struct cpu_sample *sample;
	const struct cpu_plan *plan;
	const enum report_outcome *outcomes;		       /* [plan.npins] */
	const char *(*name)(const void *opaque, size_t guest); /* of the sample's guests */
	const void *opaque;
};

/* A key=value line per pin and one for the tick, on stdout. */
void report_lines(const struct report *report);

/* The plan for this moment as a table, on stdout. */
void report_table(const struct report *report);

/* What a run has done so far. */
struct report_totals {
	struct metrics_run run;
	unsigned long pins, moves, failed, undone;
};

/* Replaces the file of metrics. report is NULL while the guests cannot be read. 0, −1 with errno.
 */
int report_metrics(const char *path, const struct report *report,
		   const struct report_totals *totals);

#endif
