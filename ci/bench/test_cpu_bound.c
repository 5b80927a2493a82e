/* SPDX-License-Identifier: MIT */
/* The benchmark's bounds of the moves beside the exact search: never above it, and mostly as much.
 */
#include "cpu.h"
#include "judge/optimum.h"
#include "cpu/search/search.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define SEEDS	   200
#define VCPUS_MOST 12
#define PCPUS_MOST 4
#define ROUNDS	   100

/* Sums over all cases. */
struct sums {
	double fewest, bounds, subsets;
};

/* Adds what is found to the sums; fails if a bound is above the fewest moves there are. */
static void compare(unsigned int seed, struct sums *sums)
{
	double base[PCPUS_MOST] = {0}, demand[VCPUS_MOST], spread, bound;
	unsigned int few, subsets;
	size_t n, m;
	int at[VCPUS_MOST];
	bool exact;

	srand(seed);
	n = 4 + (size_t)rand() % (VCPUS_MOST - 3);
	m = 2 + (size_t)rand() % (PCPUS_MOST - 1);
	for (size_t v = 0; v < n; v++) {
		demand[v] = seed % 2 ? 5 + rand() % 96 : 4 * pow(1 + rand() % 25, 0.7);
		at[v] = rand() % (int)m;
	}
	struct optimum_problem judge = {.nvcpus = n, .npcpus = m, .demand = demand, .start = at};
	struct cpu_problem problem = {.top_most = INFINITY,
				      .npcpus = m,
				      .base = base,
				      .nvcpus = n,
				      .demand = demand,
				      .at = at};

	spread = optimum_spread(&judge, 0, NULL, &exact) + rand() % 12;
	few = optimum_moves(&judge, spread, &exact);
	assert_true(exact);
	bound = bench_bound(&problem, spread, few, ROUNDS);
	subsets = bench_fewest(&problem, spread, (unsigned int)n + 1);
	if (bound > few || subsets > few)
		fail_msg("seed %u: at least %g and %u moves, but %u will do", seed, bound, subsets,
			 few);
	sums->fewest += few;
	sums->bounds += bound;
	sums->subsets += subsets;
}

static void test_never_above_the_fewest(void **state)
{
	struct sums sums = {0};

	(void)state;
	for (unsigned int seed = 1; seed <= SEEDS; seed++)
		compare(seed, &sums);
	assert_true(sums.bounds > 0.85 * sums.fewest);
	assert_true(sums.subsets > 0.97 * sums.fewest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_never_above_the_fewest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
