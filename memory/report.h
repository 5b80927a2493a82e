/* SPDX-License-Identifier: MIT */
/* What the coordinator says: a key=value line per tick, per balloon set and per event, on stdout.
 */
#ifndef BALLAST_MEMORY_REPORT_H
#define BALLAST_MEMORY_REPORT_H

#include "plan.h"

void report_set(const char *guest, const struct mem_plan *plan, const struct mem_set *set);

void report_note(const char *guest, const struct mem_note *note);

/* failed: how many of the plan's sets could not be made. */
void report_tick(unsigned long tick, const struct mem_sample *sample, const struct mem_plan *plan,
		 size_t failed);

#endif
