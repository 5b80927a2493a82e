/* SPDX-License-Identifier: MIT */
/*
 * Third stage of the policy: a place for each vCPU. Chooses a target for the spread and the
 * searches that try to reach it.
 */
#ifndef BALLAST_CPU_SEARCH_H
#define BALLAST_CPU_SEARCH_H

#include "assignment.h"

struct cpu_solution {
	int *to; /* [nvcpus] */
	double spread;
	double spread_bound; /* no assignment has less */
	double target;	     /* the spread aimed at: the threshold, or a little above the least */
	size_t moves;
	size_t bound; /* no assignment within the target has fewer moves */
	bool exact;   /* moves = bound */
};

/* 0, or −1 when out of memory. Free with cpu_solution_free(). */
int cpu_search(const struct cpu_problem *problem, struct cpu_solution *solution);

void cpu_solution_free(struct cpu_solution *solution);

#endif
