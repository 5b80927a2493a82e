/* SPDX-License-Identifier: MIT */
/* What the coordinator says: a key=value line per tick, per balloon set and per event, on stdout.
 */
#ifndef BALLAST_MEMORY_REPORT_H
#define BALLAST_MEMORY_REPORT_H

#include "plan.h"

void report_set(const char *guest, const struct mem_plan *plan, const struct mem_set *set);

void report_note(const char *guest, const struct mem_note *note);

/* The guests' names, for those who only have the sample. */
typedef const char *(*report_name_fn)(const void *opaque, size_t guest);

/* The plan for this moment as a table. */
void report_table(const struct mem_sample *sample, const struct mem_plan *plan, report_name_fn name,
		  const void *opaque);

/* What a run has done so far. */
struct report_totals {
	unsigned long ticks, sets, failed, released_kib, granted_kib;
};

/* Prometheus' text format, for node_exporter's textfile collector. Replaces the file as a whole. 0,
 * −1 with errno. */
int report_metrics(const char *path, const struct mem_sample *sample, const struct mem_plan *plan,
		   const struct report_totals *totals, report_name_fn name, const void *opaque);

/* failed: how many of the plan's sets could not be made. */
void report_tick(unsigned long tick, const struct mem_sample *sample, const struct mem_plan *plan,
		 size_t failed);

#endif
