/* SPDX-License-Identifier: MIT */
/*
 * Third stage of the policy: which vCPU goes where. A plain combinatorial problem: put the vCPUs on
 * the pCPUs so that the spread of load is within the target, with the fewest moves.
 */
#ifndef BALLAST_CPU_SEARCH_H
#define BALLAST_CPU_SEARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CPU_NOWHERE (-1)

/* pCPUs and vCPUs are numbered from 0. */
struct cpu_problem {
	size_t npcpus;
	const double *base;   /* [npcpus] load that cannot be moved */
	const int *core;      /* [npcpus] equal numbers: near; −1: not known */
	const int *cache;
	const int *node;
	size_t nvcpus;
	const double *demand; /* [nvcpus] > 0 or = 0 */
	const int *at;	      /* [nvcpus] where it is; CPU_NOWHERE: it must be placed, at no cost */
	const size_t *guest;  /* [nvcpus] equal numbers: the same guest */
	const unsigned char *const *allowed; /* [nvcpus] npcpus flags each; NULL: everywhere */
	double threshold;     /* spread that is good enough */
	unsigned long node_budget;
};

struct cpu_solution {
	int *to;	    /* [nvcpus] */
	double spread;
	double spread_bound; /* no assignment has less */
	double target;	    /* the spread that was aimed at: the threshold, or the least that was found */
	size_t moves;
	size_t bound;	    /* no assignment within the target has fewer moves */
	bool exact;	    /* both bounds were reached, or the search was complete */
};

/* 0, or −1 when out of memory. Free with cpu_solution_free(). */
int cpu_search(const struct cpu_problem *problem, struct cpu_solution *solution);

void cpu_solution_free(struct cpu_solution *solution);

/* --- shared by the two searches and the benchmark --- */

/*
 * What an assignment costs; of two, the lower is better. Moves first; then load moved, distance and
 * guests disturbed, each only between equals of what comes before it.
 */
#define CPU_COST_MOVE (INT64_C(1) << 44)

/* The cost of one vCPU at a pCPU (guests disturbed not counted). */
int64_t cpu_cost_at(const struct cpu_problem *problem, size_t vcpu, int pcpu);

/* The cost of a whole assignment. */
int64_t cpu_cost(const struct cpu_problem *problem, const int *to);

/* The spread of an assignment. */
double cpu_spread(const struct cpu_problem *problem, const int *to);

/* No assignment has less spread than this. */
double cpu_spread_bound(const struct cpu_problem *problem);

/* No assignment with at most this spread has fewer moves. */
size_t cpu_moves_bound(const struct cpu_problem *problem, double spread);

bool cpu_may(const struct cpu_problem *problem, size_t vcpu, size_t pcpu);

/*
 * The complete search. Improves *to, an assignment within target, to the cheapest one there is; or with
 * minimise_spread to one of less spread (target is then what to stop at). Counts *nodes down; returns
 * true if it ran to its end before they were used up, and −1 through *failed when out of memory.
 */
bool cpu_search_exact(const struct cpu_problem *problem, double target, bool minimise_spread, int *to,
		      unsigned long *nodes, bool *failed);

#endif
