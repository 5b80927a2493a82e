/* SPDX-License-Identifier: MIT */
/* What to aim at, and which search to ask for it. */
#include "search.h"

#include "bounds.h"
#include "exact.h"
#include "local.h"
#include "refine.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Where the threshold cannot be reached, this far from the least spread counts as the least. */
#define SPREAD_TOLERANCE 0.8

/*
 * The complete search is of use up to about this size. Beyond it the least spread is not known, and
 * whatever is within the threshold of what is proven will do.
 */
#define EXACT_VCPUS_MOST 24

/*
 * A plan is to reach the target with so much of the threshold to spare, for so many times the
 * moves.
 */
#define COMFORT	      0.2
#define COMFORT_MOVES 1.02
/*
 * On a large host it aims at so much, where that can be had: with so many loads some are always
 * misread. On a very large one at more, by so much for each doubling of its pCPUs: the busiest of
 * them is the one that is misread most.
 */
#define COMFORT_LARGE	0.3
#define COMFORT_DOUBLED 0.1
#define COMFORT_MOST	0.5
#define LARGE_PCPUS	64.0

/* Where no fewer moves are possible, so many steps are spent on the best of equal plans. */
#define EQUALS_NODES 5000

/* So many different descents; of the largest problems fewer, for the sake of time. */
#define VARIANTS      20
#define VARIANT_VCPUS 4000
#define LARGE_VCPUS   400

/* Descents until one has as few moves as there can be. */
static int descend(const struct cpu_problem *problem, double target, unsigned int most, int *to,
		   double *spread)
{
	size_t bound = cpu_moves_bound(problem, target);
	unsigned int variants = (unsigned int)(VARIANT_VCPUS / (problem->nvcpus + 1)) + 2;

	for (unsigned int i = 0; i < variants && i < most; i++) {
		if (cpu_search_local(problem, target, false, i, to, spread))
			return -1;
		if (*spread <= target + CPU_EPSILON && cpu_count_moves(problem, to) <= bound)
			break;
	}
	return 0;
}

/*
 * The least spread that can be found, where it is above the threshold, and an assignment with it.
 * 0, or −1 when out of memory.
 */
static int find_least(const struct cpu_problem *problem, unsigned long *nodes, int *to,
		      double *least, double *bound)
{
	double enough = fmax(problem->threshold, *bound + SPREAD_TOLERANCE);
	bool failed = false, complete = false;

	*least = INFINITY;
	if (cpu_search_local(problem, enough, true, 0, to, least))
		return -1;
	if (*least > enough + CPU_EPSILON) {
		complete = cpu_search_exact(problem, enough, true, to, nodes, &failed);
		*least = cpu_spread(problem, to);
	}
	if (complete && *least > enough)
		*bound = *least;
	return failed ? -1 : 0;
}

/* Fewest moves that can be found within a target; solution->to is within it or of no account. */
static int find_fewest(const struct cpu_problem *problem, double target, unsigned long *nodes,
		       struct cpu_solution *solution)
{
	unsigned long few = EQUALS_NODES;
	bool failed = false, complete = false;

	solution->target = target;
	if (descend(problem, target, VARIANTS, solution->to, &solution->spread))
		return -1;
	solution->moves = cpu_count_moves(problem, solution->to);
	solution->bound = cpu_moves_bound(problem, target);
	if (solution->spread > target + CPU_EPSILON) {
		solution->target = solution->spread;
		solution->bound = cpu_moves_bound(problem, solution->target);
	}
	if (problem->nvcpus <= EXACT_VCPUS_MOST) {
		complete =
			cpu_search_exact(problem, solution->target, false, solution->to,
					 solution->moves > solution->bound ? nodes : &few, &failed);
	} else if (solution->moves > solution->bound) {
		failed = cpu_refine(problem, solution->target, solution->to, nodes) != 0;
	}
	solution->moves = cpu_count_moves(problem, solution->to);
	solution->spread = cpu_spread(problem, solution->to);
	if (complete)
		solution->bound = solution->moves;
	solution->exact = solution->moves <= solution->bound;
	return failed ? -1 : 0;
}

/* What a solution costs in points of spread: what it leaves above the threshold, and its moves. */
static double price(const struct cpu_problem *problem, const struct cpu_solution *solution)
{
	return fmax(solution->spread, problem->threshold) +
	       problem->move_cost * (double)solution->moves;
}

/* Tries a target and keeps the result if it is cheaper. evenest: within the target, or NULL. */
static int try_target(const struct cpu_problem *problem, const int *evenest, double target,
		      unsigned long *nodes, struct cpu_solution *best, bool *cheaper)
{
	struct cpu_solution next = {.to = calloc(problem->nvcpus + 1, sizeof(int)),
				    .spread_bound = best->spread_bound,
				    .spread = INFINITY};
	int result = -1;

	if (!next.to)
		return -1;
	if (evenest) {
		memcpy(next.to, evenest, problem->nvcpus * sizeof(*evenest));
		next.spread = cpu_spread(problem, evenest);
	}
	result = find_fewest(problem, target, nodes, &next);
	*cheaper = result == 0 && price(problem, &next) < price(problem, best);
	if (*cheaper) {
		struct cpu_solution worse = *best;

		*best = next;
		next = worse;
	}
	cpu_solution_free(&next);
	return result;
}

/*
 * Where the threshold cannot be reached: how near to the least spread is worth its moves? Small
 * hosts: from the least upwards, as long as what that may save in moves can outweigh it.
 */
static int find_cheapest(const struct cpu_problem *problem, const int *evenest, double least,
			 unsigned long *nodes, struct cpu_solution *best)
{
	double now = cpu_spread_now(problem), more = SPREAD_TOLERANCE;
	bool cheaper;

	do {
		if (try_target(problem, evenest, least + more, nodes, best, &cheaper))
			return -1;
		more *= 2;
	} while (problem->move_cost > 0 && least + more < fmin(now, price(problem, best)));
	return 0;
}

/*
 * The fewest moves within a target; and where as few, or hardly more, get it well within, these: a
 * plan that only just reaches the target is undone by the next breath of noise.
 */
static int find_comfortable(const struct cpu_problem *problem, double target, double less,
			    unsigned long *nodes, struct cpu_solution *solution)
{
	struct cpu_solution closer = {.spread = INFINITY, .spread_bound = solution->spread_bound};

	if (find_fewest(problem, target, nodes, solution))
		return -1;
	if (solution->spread <= target - less || solution->spread > target + CPU_EPSILON)
		return 0;
	closer.to = calloc(problem->nvcpus + 1, sizeof(*closer.to));
	if (!closer.to || find_fewest(problem, target - less, nodes, &closer)) {
		free(closer.to);
		return -1;
	}
	if (closer.spread <= target - less + CPU_EPSILON &&
	    (double)closer.moves <= (double)solution->moves * COMFORT_MOVES) {
		struct cpu_solution looser = *solution;

		*solution = closer;
		/* The bound is of the target that was asked for. */
		solution->target = looser.target;
		solution->bound = looser.bound;
		solution->exact = solution->moves <= solution->bound;
		closer = looser;
	}
	cpu_solution_free(&closer);
	return 0;
}

/*
 * The same of a large host, where there is no time for both; not closer to the least spread than
 * that either, or it would take many moves.
 */
static int find_comfortable_large(const struct cpu_problem *problem, double target,
				  unsigned long *nodes, struct cpu_solution *solution)
{
	double doublings = log2(fmax((double)problem->npcpus / LARGE_PCPUS, 1));
	double less = fmin(COMFORT_LARGE + COMFORT_DOUBLED * doublings, COMFORT_MOST) *
		      problem->threshold;
	double closer = fmin(fmax(target - less, solution->spread_bound + less), target);

	if (find_fewest(problem, closer, nodes, solution))
		return -1;
	return solution->spread > target + CPU_EPSILON
		       ? find_fewest(problem, target, nodes, solution)
		       : 0;
}

int cpu_search(const struct cpu_problem *problem, struct cpu_solution *solution)
{
	double threshold = problem->threshold, less = COMFORT * threshold, least;
	/* On a very large host each step takes longer, and so does all else. */
	unsigned long nodes = problem->node_budget / (1 + problem->nvcpus / LARGE_VCPUS);
	int *evenest, result;

	*solution = (struct cpu_solution){.to = calloc(problem->nvcpus + 1, sizeof(int)),
					  .spread = INFINITY,
					  .target = threshold};
	if (!solution->to)
		return -1;
	solution->spread_bound = cpu_spread_bound(problem);
	if (problem->nvcpus > EXACT_VCPUS_MOST) {
		double target = solution->spread_bound <= threshold
					? threshold
					: solution->spread_bound + threshold;

		return find_comfortable_large(problem, target, &nodes, solution);
	}
	if (solution->spread_bound <= threshold) {
		if (find_comfortable(problem, threshold, less, &nodes, solution))
			return -1;
		if (solution->spread <= threshold + CPU_EPSILON)
			return 0;
	}
	evenest = calloc(problem->nvcpus + 1, sizeof(*evenest));
	if (!evenest)
		return -1;
	result = find_least(problem, &nodes, evenest, &least, &solution->spread_bound);
	if (result == 0 && least <= threshold) {
		memcpy(solution->to, evenest, problem->nvcpus * sizeof(*evenest));
		solution->spread = least;
		result = find_comfortable(problem, threshold, less, &nodes, solution);
	} else if (result == 0) {
		solution->spread = INFINITY;
		result = find_cheapest(problem, evenest, least, &nodes, solution);
	}
	free(evenest);
	return result;
}

void cpu_solution_free(struct cpu_solution *solution)
{
	free(solution->to);
	solution->to = NULL;
}
