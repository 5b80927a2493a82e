/* SPDX-License-Identifier: MIT */
/* Local search: single moves and swaps from where everything is. */
#ifndef BALLAST_CPU_LOCAL_H
#define BALLAST_CPU_LOCAL_H

#include "assignment.h"

/*
 * Local search from where everything is; or afresh, from everything placed anew. Tries to
 * get the spread to the target, and then to do with fewer moves. to, *spread: the best so far,
 * replaced by what is better: within the target and cheaper, or of less spread. variant: 0, 1, 2 …
 * are different descents. 0, or −1 when out of memory.
 */
int cpu_search_local(const struct cpu_problem *problem, double target, bool afresh,
		     unsigned int variant, int *to, double *spread);

#endif
