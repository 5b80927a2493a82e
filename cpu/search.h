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
	const unsigned char *const *allowed; /* [nvcpus] npcpus flags each; NULL: everywhere */
	double threshold;		     /* spread that is good enough */
	double top_most;     /* no pCPU may get more load than this; infinite: as it comes */
	double bottom_least; /* nor less than this; for parts of a problem, else 0 */
	double move_cost;    /* points of spread above the threshold that a move must be worth */
	unsigned long node_budget; /* steps of the complete search */
	unsigned int whim; /* not 0: of plans of equally many moves one by chance, not by load */
};

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

/* --- what an assignment is worth (search.c) --- */

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

/* --- what none can do better (bounds.c) --- */

/* No assignment has less spread than this. */
double cpu_spread_bound(const struct cpu_problem *problem);

/* In an assignment with at most this spread the busiest pCPU has a load within [*low, *high]. */
void cpu_top_bounds(const struct cpu_problem *problem, double spread, double *low, double *high);

/* No assignment with at most this spread has fewer moves. */
size_t cpu_moves_bound(const struct cpu_problem *problem, double spread);

/* --- the searches --- */

/*
 * Local search (local.c) from where everything is; or afresh, from everything placed anew. Tries to
 * get the spread to the target, and then to do with fewer moves. to, *spread: the best so far,
 * replaced by what is better: within the target and cheaper, or of less spread. variant: 0, 1, 2 …
 * are different descents. 0, or −1 when out of memory.
 */
int cpu_search_local(const struct cpu_problem *problem, double target, bool afresh,
		     unsigned int variant, int *to, double *spread);

/*
 * The complete search (exact.c). Improves *to, an assignment within target, to the cheapest there
 * is; or with minimise_spread to one of less spread (target is then what to stop at). Counts *nodes
 * down; true if it ran to its end before they were used up. *failed: out of memory.
 */
bool cpu_search_exact(const struct cpu_problem *problem, double target, bool minimise_spread,
		      int *to, unsigned long *nodes, bool *failed);

/*
 * Betters an assignment of a large host that is within the target, part by part (refine.c). Counts
 * *nodes down. 0, or −1 when out of memory.
 */
int cpu_refine(const struct cpu_problem *problem, double target, int *to, unsigned long *nodes);

#endif
