/* SPDX-License-Identifier: MIT */
/* The least spread and the fewest moves that any assignment can have. */
#ifndef BALLAST_CPU_BOUNDS_H
#define BALLAST_CPU_BOUNDS_H

#include "assignment.h"

/* No assignment has less spread than this. */
double cpu_spread_bound(const struct cpu_problem *problem);

/* In an assignment with at most this spread the busiest pCPU has a load within [*low, *high]. */
void cpu_top_bounds(const struct cpu_problem *problem, double spread, double *low, double *high);

/* No assignment with at most this spread has fewer moves. */
size_t cpu_moves_bound(const struct cpu_problem *problem, double spread);

#endif
