/* SPDX-License-Identifier: MIT */
/*
 * The judge's own optimiser: how evenly demands could be spread, in how few moves, and how fairly.
 * Independent of the scheduler's planner on purpose. Exact (branch and bound) for what a course
 * test has; where the search is cut off it answers with the best it found, so that no program is
 * blamed for missing what the judge cannot find either. Pure.
 */
#ifndef BALLAST_OPTIMUM_H
#define BALLAST_OPTIMUM_H

#include <stdbool.h>
#include <stddef.h>

/* vCPUs with demands (percent of a pCPU) on pCPUs numbered from 0. */
struct optimum_problem {
	size_t nvcpus, npcpus;
	const double *demand;
	const int *start; /* pCPU each is pinned to; −1: to none yet, its first pin is no move */
	const unsigned int
		*guest;	  /* which guest each belongs to, ascending from 0; for fairness only */
	const int *group; /* per guest: guests of equal demand share a number; −1: in no group */
	size_t nguests;
	double fair_points; /* guests whose CPU time differs by no more than this got the same */
};

/* What a placement must keep to. INFINITY: anything goes. */
struct optimum_limits {
	double demand;	   /* most spread of the summed demands */
	double spread;	   /* and of usage: of the sums, where a full pCPU counts 100 */
	double stddev;	   /* most population standard deviation of usage */
	double unfairness; /* most, as optimum_unfairness() has it */
};

/* Load of each pCPU, percent; sums must hold npcpus. vCPUs at −1 are left out. */
void optimum_sums(const struct optimum_problem *p, const int *place, double *sums);

/*
 * What each vCPU gets of its pCPU, percent, where those who want less than an even share get all
 * they want; share must hold nvcpus, and is left alone for vCPUs at −1.
 */
void optimum_shares(const struct optimum_problem *p, const int *place, double *share);

/*
 * Least difference between the most and the least loaded pCPU that any placement has; stops looking
 * once it is ≤ enough. place (may be NULL) gets the placement. *exact tells if it is proven.
 */
double optimum_spread(const struct optimum_problem *p, double enough, int *place, bool *exact);

/* Fewest moves from start to a placement whose spread is ≤ limit, which must be attainable. */
unsigned int optimum_moves(const struct optimum_problem *p, double limit, bool *exact);

/*
 * Fewest moves from start to a placement that keeps to all limits at once, which some placement
 * must. known (may be NULL) is one that does, found before: it, with its pCPUs renamed to suit the
 * start, is made do with where a search is cut off. place (may be NULL) gets the placement.
 */
unsigned int optimum_moves_within(const struct optimum_problem *p,
				  const struct optimum_limits *limits, const int *known, int *place,
				  bool *exact);

/*
 * Unfairness of a placement: over the groups the most that (max − min) ÷ mean, in percent, of its
 * guests' CPU time can be expected to be, where each pCPU shares itself out by need; 0 for a group
 * within fair_points.
 */
double optimum_unfairness(const struct optimum_problem *p, const int *place);

/* Whether the placement keeps to all limits; vCPUs at −1 are left out. False when out of memory. */
bool optimum_suits(const struct optimum_problem *p, const int *place,
		   const struct optimum_limits *limits);

/* Least unfairness of any placement that keeps to the other limits; stops looking once it is ≤
 * enough. place (may be NULL) gets the placement; INFINITY: none was found. */
double optimum_fairest(const struct optimum_problem *p, const struct optimum_limits *limits,
		       double enough, int *place, bool *exact);

#endif
