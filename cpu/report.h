/* SPDX-License-Identifier: MIT */
/* What the scheduler says: a key=value line per tick and per pin, on stdout. */
#ifndef BALLAST_CPU_REPORT_H
#define BALLAST_CPU_REPORT_H

#include "plan.h"

void report_pin(const char *guest, const struct cpu_sample *sample, const struct cpu_plan *plan,
		const struct cpu_pin *pin);

/* failed: how many of the plan's pins could not be made. */
void report_tick(unsigned long tick, const struct cpu_sample *sample, const struct cpu_plan *plan,
		 size_t failed);

#endif
