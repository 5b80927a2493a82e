/* SPDX-License-Identifier: MIT */
/* Exact search on parts of a large host. */
#ifndef BALLAST_CPU_REFINE_H
#define BALLAST_CPU_REFINE_H

#include "assignment.h"

/*
 * Betters an assignment of a large host that is within the target, part by part. Counts
 * *nodes down. 0, or −1 when out of memory.
 */
int cpu_refine(const struct cpu_problem *problem, double target, int *to, unsigned long *nodes);

#endif
