/* SPDX-License-Identifier: MIT */
/* What can be asked of a placement: the scenario's limits, loosened to what the loads allow, so
 * that one placement keeps to all of them at once. Pure. */
#ifndef BALLAST_LIMITS_H
#define BALLAST_LIMITS_H

#include "optimum.h"

/* Limits are this far from the best that the demands allow, in points, where that is worse than
 * what is asked. */
#define SPREAD_OVER_BEST 3.0
#define STDDEV_OVER_BEST 1.5

struct limits {
	double best_demand;		 /* least spread of summed demands */
	double best_spread, best_stddev; /* of usage, in the placement of least demand spread */
	struct optimum_limits within;	 /* a placement that is beyond them is not good enough */
	struct optimum_limits aim; /* tighter, by what loads vary: one to aim at keeps to these */
	unsigned int fewest; /* moves from start to a placement to aim at; 0 where none was asked */
	bool exact;	     /* fewest is proven */
};

/*
 * asked holds the scenario's limits (its demand is that of spread); fairness is left out where its
 * unfairness is INFINITY, and fewest without moves. place (may be NULL) gets a placement to aim at
 * of fewest moves. 0; −1 when out of memory.
 */
int limits_find(struct limits *limits, const struct optimum_problem *problem,
		const struct optimum_limits *asked, bool moves, int *place);

#endif
