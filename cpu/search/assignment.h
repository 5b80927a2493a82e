/* SPDX-License-Identifier: MIT */
/*
 * vCPUs on pCPUs as a plain combinatorial problem, and the worth of an assignment: put the vCPUs on
 * the pCPUs so that the spread of load is within a target, with the fewest moves.
 */
#ifndef BALLAST_CPU_ASSIGNMENT_H
#define BALLAST_CPU_ASSIGNMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CPU_NOWHERE (-1)

/* Loads are sums of percentages: differences below this are rounding. */
#define CPU_EPSILON 1e-6

/* As fmax() and fmin(), which are calls that take a fifth of all time here. */
static inline double cpu_larger(double a, double b)
{
	return a > b ? a : b;
}

static inline double cpu_lesser(double a, double b)
{
	return a < b ? a : b;
}

/* pCPUs and vCPUs are numbered from 0. */
struct cpu_problem {
	size_t npcpus;
	const double *base; /* [npcpus] load that cannot be moved */
	const int *core;    /* [npcpus] equal numbers: near; −1: not known. Each may be NULL */
	const int *cache;
	const int *node;
	size_t nvcpus;
	const double *demand; /* [nvcpus] ≥ 0 */
	const int *at;	      /* [nvcpus] where it is; CPU_NOWHERE: it must be placed, at no cost */
	const size_t *guest;  /* [nvcpus] equal numbers: the same guest; they stand together */
	const unsigned char *kin; /* [nvcpus] the same of all vCPUs of a guest: of equal moves
				   * those with the least, so that few guests are disturbed;
				   * NULL: no difference */
	const bool *realtime;	  /* [nvcpus] runs before all others on its pCPU; NULL: none does */
	const unsigned char *const *allowed; /* [nvcpus] npcpus flags each; NULL: everywhere */
	double threshold;		     /* spread that is good enough */
	double top_most;     /* no pCPU may get more load than this; infinite: as it comes */
	double bottom_least; /* nor less than this; for parts of a problem, else 0 */
	double move_cost;    /* points of spread above the threshold that a move must be worth */
	unsigned long node_budget; /* steps of the complete search */
	unsigned int whim; /* not 0: of plans of equally many moves one by chance, not by load */
};

/*
 * Of two assignments within the target the cheaper is better: fewer moves; then less load moved,
 * less distance, fewer guests, each only between equals of what comes before it.
 */
#define CPU_COST_MOVE (INT64_C(1) << 46)

/* The cost of one vCPU at a pCPU. */
int64_t cpu_cost_at(const struct cpu_problem *problem, size_t vcpu, int pcpu);

/* The cost of a whole assignment. */
int64_t cpu_cost(const struct cpu_problem *problem, const int *to);

/* The spread of an assignment. */
double cpu_spread(const struct cpu_problem *problem, const int *to);

/* The spread of things as they are; infinite while something floats. */
double cpu_spread_now(const struct cpu_problem *problem);

/* The load of the busiest pCPU in an assignment. */
double cpu_top(const struct cpu_problem *problem, const int *to);

size_t cpu_count_moves(const struct cpu_problem *problem, const int *to);

bool cpu_may(const struct cpu_problem *problem, size_t vcpu, size_t pcpu);

#endif
