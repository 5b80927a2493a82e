/* SPDX-License-Identifier: MIT */
/* What none can do better: due shares, the best spread and the fewest moves of a case. */
#include "cpu_truth.h"

#include "judge/optimum.h"
#include "cpu/search/bounds.h"

#include <math.h>
#include <stdlib.h>

/*
 * Of the least spread there is, where the threshold cannot be reached. Where loads must be measured
 * each is off by half a point and more, and so is what is the best: a quarter of the threshold.
 */
#define TOLERANCE_PCT	   1.0
#define TOLERANCE_LIVE_PCT 2.5

/* Rounds of improving a sharp bound. */
#define ROUNDS 500

double truth_spread(const struct truth *t, const int *at)
{
	double *sum = calloc(t->c->npcpus, sizeof(*sum)), least = INFINITY, most = 0;

	for (size_t v = 0; v < t->nvcpus; v++)
		sum[at[v]] += t->due[v];
	for (size_t p = 0; p < t->c->npcpus; p++) {
		least = fmin(least, sum[p]);
		most = fmax(most, sum[p]);
	}
	free(sum);
	return most - least;
}

/* What all pCPUs as one would give: everybody's demand, up to a common level. */
static void find_due(struct truth *t)
{
	double room = t->c->open_eyes ? INFINITY : 100.0 * (double)t->c->npcpus, level = 0;

	/* Upwards: what is left by those who want less than the level raises it for the others. */
	for (size_t round = 0; round <= t->nvcpus; round++) {
		double sum = 0, above = 0;

		for (size_t v = 0; v < t->nvcpus; v++) {
			sum += fmin(t->demand[v], level);
			above += t->demand[v] > level;
		}
		if (above == 0 || sum >= room - 1e-9)
			break;
		level += (room - sum) / above;
	}
	for (size_t v = 0; v < t->nvcpus; v++)
		t->due[v] = fmin(t->demand[v], level);
}

static struct cpu_problem problem_of(const struct truth *t, const double *base, const int *at)
{
	return (struct cpu_problem){.top_most = INFINITY,
				    .npcpus = t->c->npcpus,
				    .base = base,
				    .nvcpus = t->nvcpus,
				    .demand = t->due,
				    .at = at};
}

void truth_find_best(struct truth *t)
{
	double base[1024] = {0};
	struct optimum_problem judge = {
		.nvcpus = t->nvcpus, .npcpus = t->c->npcpus, .demand = t->due};
	struct cpu_problem bounds = problem_of(t, base, NULL);
	bool exact;

	find_due(t);
	if (t->nvcpus <= EXACT_MOST)
		t->best = optimum_spread(&judge, THRESHOLD_PCT, NULL, &exact);
	else
		t->best = cpu_spread_bound(&bounds);
	t->target = t->nvcpus > EXACT_MOST
			    ? t->best + THRESHOLD_PCT
			    : fmax(THRESHOLD_PCT, t->best + (t->c->open_eyes ? TOLERANCE_PCT
									     : TOLERANCE_LIVE_PCT));
	t->asked = t->best <= THRESHOLD_PCT && t->nvcpus <= EXACT_MOST ? THRESHOLD_PCT : t->target;
}

double truth_fewest(const struct truth *t, const int *at, double spread, bool *exact)
{
	struct optimum_problem judge = {
		.nvcpus = t->nvcpus, .npcpus = t->c->npcpus, .demand = t->due, .start = at};
	double base[1024] = {0};
	struct cpu_problem bounds = problem_of(t, base, at);
	unsigned int enough, fewest;

	*exact = false;
	if (t->nvcpus > EXACT_MOST)
		return (double)cpu_moves_bound(&bounds, spread);
	enough = optimum_moves(&judge, spread, exact);
	if (*exact)
		return enough;
	fewest = bench_fewest(&bounds, spread, enough);
	*exact = fewest == enough;
	return fewest;
}

double truth_sharp(const struct truth *t, const int *at, double spread, double moves)
{
	double base[1024] = {0};
	struct cpu_problem bounds = problem_of(t, base, at);

	return fmax((double)cpu_moves_bound(&bounds, spread),
		    bench_bound(&bounds, spread, moves, ROUNDS));
}

double truth_worst_share(const struct truth *t, const double *got)
{
	double worst = 1;

	for (size_t v = 0; v < t->nvcpus; v++) {
		if (t->due[v] > 1)
			worst = fmin(worst, got[v] / t->due[v]);
	}
	return worst;
}
