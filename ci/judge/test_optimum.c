/* SPDX-License-Identifier: MIT */
/* The judge's optimiser against trying everything, and on cases whose answer is known. */
#include "optimum.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define VCPUS 7
#define PCPUS 3

static double spread_at(const struct optimum_problem *p, const int *place)
{
	double sums[PCPUS], low = INFINITY, high = 0;

	optimum_sums(p, place, sums);
	for (size_t i = 0; i < p->npcpus; i++) {
		low = fmin(low, sums[i]);
		high = fmax(high, sums[i]);
	}
	return high - low;
}

static bool next_placement(const struct optimum_problem *p, int *place)
{
	for (size_t i = 0; i < p->nvcpus; i++) {
		if (++place[i] < (int)p->npcpus)
			return true;
		place[i] = 0;
	}
	return false;
}

static unsigned int moves_to(const struct optimum_problem *p, const int *place)
{
	unsigned int moves = 0;

	for (size_t i = 0; i < p->nvcpus; i++)
		moves += p->start[i] >= 0 && p->start[i] != place[i];
	return moves;
}

static double usage_stddev_at(const struct optimum_problem *p, const int *place)
{
	double sums[PCPUS], mean = 0, sum = 0;

	optimum_sums(p, place, sums);
	for (size_t i = 0; i < p->npcpus; i++) {
		sums[i] = fmin(100, sums[i]);
		mean += sums[i] / (double)p->npcpus;
	}
	for (size_t i = 0; i < p->npcpus; i++)
		sum += (sums[i] - mean) * (sums[i] - mean);
	return sqrt(sum / (double)p->npcpus);
}

struct answers {
	double spread, fairest;
	unsigned int moves;
};

/* limit: over the best spread. */
static struct answers try_everything(const struct optimum_problem *p, double slack)
{
	struct answers best = {INFINITY, INFINITY, VCPUS + 1};
	int place[VCPUS] = {0};

	do
		best.spread = fmin(best.spread, spread_at(p, place));
	while (next_placement(p, place));
	do {
		if (spread_at(p, place) > best.spread + slack + 1e-9)
			continue;
		if (moves_to(p, place) < best.moves)
			best.moves = moves_to(p, place);
		best.fairest = fmin(best.fairest, optimum_unfairness(p, place));
	} while (next_placement(p, place));
	return best;
}

static void compare(unsigned int seed)
{
	static const double loads[] = {100, 100, 40, 40, 20, 65, 7};
	unsigned int guest[VCPUS];
	double demand[VCPUS], slack;
	int start[VCPUS], group[VCPUS], place[VCPUS];
	struct optimum_problem p = {VCPUS, PCPUS, demand, start, guest, group, VCPUS, 0};
	struct optimum_limits limits;
	struct answers right;
	bool exact;

	srand(seed);
	slack = rand() % 3 * 6;
	for (int i = 0; i < VCPUS; i++) {
		int choice = rand() % 7;

		demand[i] = seed % 2 ? loads[choice] : 5 + rand() % 96;
		start[i] = rand() % (PCPUS + 1) - 1;
		guest[i] = (unsigned int)i;
		group[i] = seed % 2 ? choice : 0;
	}
	right = try_everything(&p, slack);
	if (fabs(optimum_spread(&p, 0, place, &exact) - right.spread) > 1e-6 || !exact)
		fail_msg("seed %u: spread is not %g", seed, right.spread);
	if (fabs(spread_at(&p, place) - right.spread) > 1e-6)
		fail_msg("seed %u: the placement does not have the spread", seed);
	if (optimum_moves(&p, right.spread + slack, &exact) != right.moves || !exact)
		fail_msg("seed %u: moves are not %u", seed, right.moves);
	limits = (struct optimum_limits){right.spread + slack, INFINITY, INFINITY, INFINITY};
	if (fabs(optimum_fairest(&p, &limits, 0, NULL, &exact) - right.fairest) > 1e-6 || !exact)
		fail_msg("seed %u: fairest is not %g", seed, right.fairest);
}

/* Fewest moves to a placement that keeps to every limit; more than there are vCPUs: none does. */
static unsigned int try_moves_within(const struct optimum_problem *p,
				     const struct optimum_limits *limits)
{
	unsigned int best = VCPUS + 1;
	int place[VCPUS] = {0};

	do {
		if (spread_at(p, place) <= limits->demand + 1e-9 &&
		    usage_stddev_at(p, place) <= limits->stddev + 1e-9 &&
		    optimum_unfairness(p, place) <= limits->unfairness + 1e-9 &&
		    moves_to(p, place) < best)
			best = moves_to(p, place);
	} while (next_placement(p, place));
	return best;
}

/* Limits that one placement keeps to, each for a reason of its own. */
static void compare_within(unsigned int seed)
{
	static const double loads[] = {100, 90, 40, 40, 20, 65, 7};
	unsigned int guest[VCPUS], right;
	double demand[VCPUS];
	int start[VCPUS], group[VCPUS], place[VCPUS], known[VCPUS];
	struct optimum_problem p = {VCPUS, PCPUS, demand, start, guest, group, VCPUS, 5};
	struct optimum_limits limits;
	bool exact;

	srand(seed);
	for (int i = 0; i < VCPUS; i++) {
		int choice = rand() % 4;

		demand[i] = loads[choice];
		start[i] = rand() % (PCPUS + 1) - 1;
		guest[i] =
			seed % 3 && i ? guest[i - 1] + (unsigned int)(rand() % 2) : (unsigned int)i;
		group[guest[i]] = choice;
	}
	p.nguests = guest[VCPUS - 1] + 1;
	limits.demand = optimum_spread(&p, 0, place, &exact) + 20;
	limits.spread = INFINITY;
	limits.stddev = usage_stddev_at(&p, place) + rand() % 3;
	limits.unfairness = optimum_fairest(&p, &limits, 0, known, &exact) + rand() % 10;
	right = try_moves_within(&p, &limits);
	if (optimum_moves_within(&p, &limits, known, place, &exact) != right || !exact)
		fail_msg("seed %u: moves within all limits are not %u", seed, right);
	if (moves_to(&p, place) != right || spread_at(&p, place) > limits.demand + 1e-9 ||
	    usage_stddev_at(&p, place) > limits.stddev + 1e-9 ||
	    optimum_unfairness(&p, place) > limits.unfairness + 1e-9)
		fail_msg("seed %u: the placement is not within the limits", seed);
}

static void test_within(void **state)
{
	(void)state;
	for (unsigned int seed = 1; seed <= 300; seed++)
		compare_within(seed);
}

static void test_against_everything(void **state)
{
	(void)state;
	for (unsigned int seed = 1; seed <= 300; seed++)
		compare(seed);
}

/* The course's tests, 8 guests on 4 pCPUs: fewest moves as published. */
static void test_course(void **state)
{
	static const struct {
		double odd, even;
		int start[8];
		unsigned int moves;
	} rows[] = {
		{40, 40, {0, 1, 2, 3, 0, 1, 2, 3}, 0},
		{40, 40, {0, 0, 0, 0, 0, 0, 0, 0}, 6},
		{40, 40, {0, 0, 0, 0, 1, 1, 1, 1}, 4},
		{100, 40, {0, 0, 0, 0, 0, 0, 0, 0}, 6},
		{100, 40, {-1, -1, -1, -1, -1, -1, -1, -1}, 0},
		{100, 40, {0, 1, 2, 3, 0, 1, 2, 3}, 4}, /* two swaps */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		double demand[8];
		struct optimum_problem p = {
			.nvcpus = 8, .npcpus = 4, .demand = demand, .start = rows[i].start};
		bool exact;

		for (int v = 0; v < 8; v++)
			demand[v] = v % 2 ? rows[i].even : rows[i].odd;
		assert_true(optimum_spread(&p, 0, NULL, &exact) == 0 && exact);
		assert_int_equal(optimum_moves(&p, 10, &exact), rows[i].moves);
		assert_true(exact);
	}
}

/* Far beyond exact search it still answers, with something that can be had. */
static void test_large(void **state)
{
	enum { N = 2000, M = 128 };
	static double demand[N], sums[M];
	static int start[N], place[N];
	struct optimum_problem p = {.nvcpus = N, .npcpus = M, .demand = demand, .start = start};
	double low = INFINITY, high = 0, spread;
	bool exact;

	(void)state;
	srand(1);
	for (int i = 0; i < N; i++)
		demand[i] = rand() % 100;
	spread = optimum_spread(&p, 1, place, &exact);
	optimum_sums(&p, place, sums);
	for (int i = 0; i < M; i++) {
		low = fmin(low, sums[i]);
		high = fmax(high, sums[i]);
	}
	assert_true(fabs(high - low - spread) < 1e-6);
	assert_true(spread < 5);
	assert_in_range(optimum_moves(&p, 10, &exact), 1, N);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_everything),
		cmocka_unit_test(test_within),
		cmocka_unit_test(test_course),
		cmocka_unit_test(test_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
