/* SPDX-License-Identifier: MIT */
/* Loosens each limit to what a placement that keeps to those before can have. */
#include "limits.h"

#include "windows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The best is found when it is as near as this, in points. */
#define NEAR_BEST 0.5

/*
 * Loads vary by some percent from what they were asked to run and from sample to sample. Whoever
 * aims at a limit itself is beyond it half of the time: one keeps this far from it, in points (of
 * fairness percent), or as near to the best as that may be missed.
 */
#define SPREAD_AIM    3.0
#define STDDEV_AIM    1.5
#define FAIRNESS_AIM  3.0
#define AIM_OVER_BEST 0.5

/* The fairest that can be had may be missed by this part of the limit; to aim at, by half of it. */
#define FAIRNESS_OVER_BEST 3

static void find_best(struct limits *limits, const struct optimum_problem *problem, int *place,
		      double *sums)
{
	bool exact;

	limits->best_demand = optimum_spread(problem, NEAR_BEST, place, &exact);
	optimum_sums(problem, place, sums);
	for (size_t i = 0; i < problem->npcpus; i++)
		sums[i] = fmin(100, sums[i]);
	limits->best_spread = spread_of(sums, problem->npcpus);
	limits->best_stddev = stddev_of(sums, problem->npcpus);
}

static void set_usage_limits(struct limits *limits, const struct optimum_limits *asked)
{
	limits->within = (struct optimum_limits){
		.demand = fmax(asked->demand, limits->best_demand + SPREAD_OVER_BEST),
		.spread = fmax(asked->spread, limits->best_spread + SPREAD_OVER_BEST),
		.stddev = fmax(asked->stddev, limits->best_stddev + STDDEV_OVER_BEST),
		.unfairness = INFINITY,
	};
	/* Where not even the best is what is asked, the spread alone is judged: a standard
	 * deviation is never more than half of it, and evening out the small beside the large gains
	 * nothing. */
	if (limits->best_stddev + STDDEV_OVER_BEST > asked->stddev)
		limits->within.stddev = fmax(limits->within.stddev, limits->within.spread / 2);
	limits->aim = (struct optimum_limits){
		.demand = fmax(asked->demand - SPREAD_AIM, limits->best_demand + AIM_OVER_BEST),
		.spread = fmax(asked->spread - SPREAD_AIM, limits->best_spread + AIM_OVER_BEST),
		.stddev = fmax(asked->stddev - STDDEV_AIM, limits->best_stddev + AIM_OVER_BEST),
		.unfairness = INFINITY,
	};
}

/* The fairest among what keeps to the aims, as known does; it is what known holds afterwards. */
static int set_fairness_limits(struct limits *limits, const struct optimum_problem *problem,
			       double asked, int *known)
{
	double slack = asked / FAIRNESS_OVER_BEST, aim = fmax(0, asked - FAIRNESS_AIM);
	double least = optimum_unfairness(problem, known), fairest;
	int *place = calloc(problem->nvcpus + 1, sizeof(*place));
	bool exact;

	if (!place)
		return -1;
	if (least > aim) {
		fairest = optimum_fairest(problem, &limits->aim, aim, place, &exact);
		if (fairest < least) {
			least = fairest;
			memcpy(known, place, problem->nvcpus * sizeof(*known));
		}
	}
	free(place);
	limits->within.unfairness = least <= asked ? asked : least + slack;
	limits->aim.unfairness = least <= aim ? aim : least + slack / 2;
	return 0;
}

int limits_find(struct limits *limits, const struct optimum_problem *problem,
		const struct optimum_limits *asked, bool moves, int *place)
{
	int *known = calloc(problem->nvcpus + 1, sizeof(*known)), status = -1;
	double *sums = calloc(problem->npcpus + 1, sizeof(*sums));

	*limits = (struct limits){.exact = true};
	if (!known || !sums)
		goto out;
	find_best(limits, problem, known, sums);
	set_usage_limits(limits, asked);
	if (isfinite(asked->unfairness) &&
	    set_fairness_limits(limits, problem, asked->unfairness, known))
		goto out;
	if (moves)
		limits->fewest =
			optimum_moves_within(problem, &limits->aim, known, place, &limits->exact);
	status = 0;
out:
	free(sums);
	free(known);
	return status;
}
