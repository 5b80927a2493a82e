/* SPDX-License-Identifier: MIT */
/* What is due in the scheduler's benchmark, by which balance is judged, and the limit of moves. */
#include "cpu_truth.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define VCPUS_MOST 8

struct row {
	const char *what;
	size_t npcpus, nvcpus;
	double demand[VCPUS_MOST];
	double level; /* what is due to those that want more than that */
};

static void check(const struct row *row)
{
	const struct bench_case c = {.npcpus = row->npcpus, .nguests = row->nvcpus, .vcpus = 1};
	double demand[VCPUS_MOST], due[VCPUS_MOST];
	struct truth truth = {.c = &c, .nvcpus = row->nvcpus, .demand = demand, .due = due};

	for (size_t v = 0; v < row->nvcpus; v++)
		demand[v] = row->demand[v];
	truth_find_best(&truth);
	for (size_t v = 0; v < row->nvcpus; v++) {
		double expected = fmin(row->demand[v], row->level);

		if (fabs(due[v] - expected) > 1e-6)
			fail_msg("%s: %g is due to vCPU %zu, not %g", row->what, expected, v,
				 due[v]);
	}
}

static void test_due_is_a_fair_part_of_all_there_is(void **state)
{
	static const struct row rows[] = {
		{"room for all", 4, 3, {100, 50, 10}, 100},
		{"all alike", 2, 4, {100, 100, 100, 100}, 50},
		{"heavy and light", 4, 8, {100, 45, 100, 45, 100, 45, 100, 45}, 55},
		/* The level lies below some that the largest alone would not bring it to. */
		{"all different", 4, 8, {66, 23, 24, 59, 90, 78, 90, 48}, 61.5},
		{"one pCPU", 1, 3, {10, 80, 90}, 45},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		check(&rows[i]);
}

static double forty_or_eighty(double u)
{
	return u < 0.5 ? 40 : 80;
}

/*
 * Three vCPUs on the first of two pCPUs. Balance is possible only if exactly one of them wants 80
 * %; with one in three the first move is of that one, and the last, else it shows which it is, and
 * one of 40 % follows. That is 5/3 moves. Where two of them share a pCPU nothing is hidden.
 */
static void test_limit_is_what_can_be_expected(void **state)
{
	static const double demand[] = {40, 80, 40};
	static const int starts[][3] = {{0, 0, 0}, {0, 1, 0}, {0, 0, 1}};
	static const double limits[] = {5 / 3.0, 0, 1};
	const struct bench_case c = {
		.npcpus = 2, .nguests = 3, .vcpus = 1, .size = forty_or_eighty, .sizes = 2};
	struct truth truth = {.c = &c, .nvcpus = 3, .demand = (double *)demand, .asked = 10};

	(void)state;
	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
		double limit = truth_limit(&truth, starts[i]);

		if (fabs(limit - limits[i]) > 1e-6)
			fail_msg("start %zu: %g, not %g", i, limit, limits[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_due_is_a_fair_part_of_all_there_is),
		cmocka_unit_test(test_limit_is_what_can_be_expected),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
