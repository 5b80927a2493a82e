/* SPDX-License-Identifier: MIT */
/* The search against brute force and against its own bounds, on seeded random problems. */
#include "search.h"

#include "bounds.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define N_MOST 256
#define M_MOST 32
#define SEED   20261121u

struct instance {
	double base[M_MOST];
	double demand[N_MOST];
	int at[N_MOST];
	size_t guest[N_MOST];
	unsigned char flags[N_MOST][M_MOST];
	const unsigned char *allowed[N_MOST];
	struct cpu_problem problem;
};

static unsigned int state;

static double random_unit(void)
{
	state = state * 1664525u + 1013904223u;
	return (double)(state >> 8) / (double)(1u << 24);
}

static size_t random_below(size_t n)
{
	return (size_t)(random_unit() * (double)n);
}

static void make(struct instance *i, size_t n, size_t m)
{
	memset(i, 0, sizeof(*i));
	i->problem = (struct cpu_problem){
		.npcpus = m,
		.base = i->base,
		.nvcpus = n,
		.demand = i->demand,
		.at = i->at,
		.guest = i->guest,
		.threshold = 10,
		.top_most = INFINITY,
		.node_budget = 5000000,
	};
	for (size_t v = 0; v < n; v++)
		i->guest[v] = v;
}

/*
 * Demands of several kinds, positions at random; sometimes with bases, floating and restricted
 * vCPUs.
 */
static void randomise(struct instance *i, size_t n, size_t m)
{
	unsigned int kind = (unsigned int)random_below(3);
	bool bases = random_below(4) == 0, floats = random_below(4) == 0;

	make(i, n, m);
	for (size_t p = 0; p < m; p++)
		i->base[p] = bases ? 60 * random_unit() : 0;
	for (size_t v = 0; v < n; v++) {
		i->demand[v] = kind == 0   ? 100
			       : kind == 1 ? (v % 2 ? 100 : 45)
					   : 5 + 95 * random_unit();
		i->at[v] = (int)random_below(m);
		if (floats && random_below(3) == 0)
			i->at[v] = CPU_NOWHERE;
	}
	if (random_below(4) != 0)
		return;
	i->problem.allowed = i->allowed;
	for (size_t v = 0; v < n; v++) {
		if (random_below(2))
			continue;
		i->allowed[v] = i->flags[v];
		for (size_t p = 0; p < m; p++)
			i->flags[v][p] = random_below(2) != 0;
		i->flags[v][random_below(m)] = 1;
	}
}

static size_t count_moves(const struct cpu_problem *problem, const int *to)
{
	size_t moves = 0;

	for (size_t v = 0; v < problem->nvcpus; v++)
		moves += problem->at[v] != CPU_NOWHERE && problem->at[v] != to[v];
	return moves;
}

/* Least spread of all assignments; or with spread >= 0 the fewest moves of those within it. */
static double brute_force(const struct cpu_problem *problem, double spread, int *to, size_t v)
{
	double best = INFINITY;

	if (v == problem->nvcpus) {
		double reached = cpu_spread(problem, to);

		if (spread < 0)
			return reached;
		return reached <= spread + 1e-6 ? (double)count_moves(problem, to) : INFINITY;
	}
	for (size_t p = 0; p < problem->npcpus; p++) {
		if (!cpu_may(problem, v, p))
			continue;
		to[v] = (int)p;
		best = fmin(best, brute_force(problem, spread, to, v + 1));
	}
	return best;
}

static void check_assignment(const struct cpu_problem *problem, const struct cpu_solution *solution)
{
	for (size_t v = 0; v < problem->nvcpus; v++) {
		assert_in_range(solution->to[v], 0, problem->npcpus - 1);
		assert_true(cpu_may(problem, v, (size_t)solution->to[v]));
	}
	assert_int_equal(solution->moves, count_moves(problem, solution->to));
	assert_true(fabs(solution->spread - cpu_spread(problem, solution->to)) < 1e-6);
	assert_true(solution->moves >= solution->bound);
	assert_true(solution->spread >= solution->spread_bound - 1e-6);
}

static void test_equals_brute_force(void **unused)
{
	(void)unused;
	state = SEED;
	print_message("# seed %u\n", state);
	for (int round = 0; round < 400; round++) {
		struct instance i;
		struct cpu_solution solution;
		int to[N_MOST];
		double least, fewest;

		randomise(&i, 1 + random_below(7), 1 + random_below(4));
		assert_int_equal(cpu_search(&i.problem, &solution), 0);
		check_assignment(&i.problem, &solution);
		least = brute_force(&i.problem, -1, to, 0);
		assert_true(solution.spread_bound <= least + 1e-6);
		assert_true(solution.spread <= fmax(10, least + 1) + 1e-6);
		fewest = brute_force(&i.problem, solution.target, to, 0);
		assert_true(solution.exact);
		assert_int_equal(solution.moves, (size_t)fewest);
		cpu_solution_free(&solution);
	}
}

/*
 * No plan has fewer moves than the bound says, whatever the spread; and often the bound is reached.
 */
static void test_moves_bound_holds(void **unused)
{
	size_t feasible = 0, reached = 0;

	(void)unused;
	state = SEED + 2;
	print_message("# seed %u\n", state);
	for (int round = 0; round < 1000; round++) {
		struct instance i;
		int to[N_MOST];
		double least, spread, fewest;
		size_t bound;

		randomise(&i, 1 + random_below(8), 1 + random_below(4));
		least = brute_force(&i.problem, -1, to, 0);
		spread = least + (round % 2 ? 0 : 40 * random_unit());
		fewest = brute_force(&i.problem, spread, to, 0);
		bound = cpu_moves_bound(&i.problem, spread);
		if (isinf(fewest))
			continue;
		assert_true((double)bound <= fewest);
		feasible++;
		reached += (double)bound >= fewest;
	}
	assert_true(feasible > 900 && reached > feasible / 2);
}

static void test_bounds_hold_on_large(void **unused)
{
	(void)unused;
	state = SEED + 1;
	print_message("# seed %u\n", state);
	for (int round = 0; round < 60; round++) {
		struct instance i;
		struct cpu_solution solution, again;

		randomise(&i, 1 + random_below(N_MOST), 1 + random_below(M_MOST));
		i.problem.node_budget = 2000;
		assert_int_equal(cpu_search(&i.problem, &solution), 0);
		check_assignment(&i.problem, &solution);
		/* Its own result leaves nothing to do. */
		memcpy(i.at, solution.to, i.problem.nvcpus * sizeof(*i.at));
		if (solution.spread <= i.problem.threshold) {
			assert_int_equal(cpu_search(&i.problem, &again), 0);
			assert_int_equal(again.moves, 0);
			cpu_solution_free(&again);
		}
		cpu_solution_free(&solution);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_equals_brute_force),
		cmocka_unit_test(test_moves_bound_holds),
		cmocka_unit_test(test_bounds_hold_on_large),
	};

	return cmocka_run_group_tests_name("search", tests, NULL, NULL);
}
