/* SPDX-License-Identifier: MIT */
/* The complete search, for small hosts. */
#ifndef BALLAST_CPU_EXACT_H
#define BALLAST_CPU_EXACT_H

#include "assignment.h"

/*
 * Improves *to, an assignment within target, to the cheapest there
 * is; or with minimise_spread to one of less spread (target is then what to stop at). Counts *nodes
 * down; true if it ran to its end before they were used up. *failed: out of memory.
 */
bool cpu_search_exact(const struct cpu_problem *problem, double target, bool minimise_spread,
		      int *to, unsigned long *nodes, bool *failed);

#endif
