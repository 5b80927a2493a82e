/* SPDX-License-Identifier: MIT */
/* Tests of the loads' arithmetic: shares of periods, stalls, ramps. */
#include "pace.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* cmocka's own compares floats. */
#define assert_near(a, b, epsilon)                                                                 \
	do {                                                                                       \
		if (fabs((double)(a) - (double)(b)) > (epsilon))                                   \
			fail_msg("%s is %g, not %g", #a, (double)(a), (double)(b));                \
	} while (0)

#define MS INT64_C(1000000)
#define US INT64_C(1000)

/*
 * Plays a load on a CPU of which it gets got_pct while it wants to run, with pieces of 0.1 ms, for
 * seconds. Returns what it did, in percent of one CPU.
 */
static double play(struct pace *p, double got_pct, int seconds)
{
	int64_t now = 0;

	while (now < seconds * 1000 * MS) {
		pace_advance(p, now);
		if (pace_work_left(p)) {
			p->done_ns += 100 * US;
			now += (int64_t)(100 * US * 100 / got_pct);
		} else {
			now = pace_next_ns(p);
		}
	}
	return (double)p->done_ns / (double)now * 100;
}

static void test_closed_loop(void **state)
{
	static const struct {
		double asked, got, want;
	} rows[] = {
		{45, 100, 45}, {100, 100, 100}, {0, 100, 0},
		{1, 100, 1},   {45, 50, 45}, /* half a CPU is enough for 45 % */
		{45, 30, 30},		     /* what it did not get is given up */
		{100, 25, 25},
	};
	struct pace p;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		pace_init(&p, rows[i].asked, 100 * MS, false);
		assert_near(play(&p, rows[i].got, 20), rows[i].want, 0.3);
		assert_near((double)(p.done_ns + p.given_up_ns) / (20e9) * 100, rows[i].asked, 0.6);
	}
}

static void test_open_loop_catches_up(void **state)
{
	struct pace p;

	(void)state;
	pace_init(&p, 40, 100 * MS, true);
	for (int64_t now = 0; now < 1000 * MS; now += 100 * MS)
		pace_advance(&p, now); /* a second without any CPU */
	assert_int_equal(p.given_up_ns, 0);
	assert_int_equal(p.due_ns - p.done_ns, 400 * MS);
}

static void test_passed_over_periods(void **state)
{
	struct pace closed, open;

	(void)state;
	pace_init(&closed, 50, 100 * MS, false);
	pace_init(&open, 50, 100 * MS, true);
	pace_advance(&closed, 0);
	pace_advance(&open, 0);
	pace_advance(&closed, 950 * MS);
	pace_advance(&open, 950 * MS);
	assert_int_equal(closed.given_up_ns, 450 * MS);
	assert_int_equal(closed.due_ns - closed.done_ns, 50 * MS);
	assert_int_equal(open.due_ns - open.done_ns, 500 * MS);
}

static void test_overshoot_is_owed(void **state)
{
	struct pace p;

	(void)state;
	pace_init(&p, 10, 100 * MS, false);
	pace_advance(&p, 0);
	p.done_ns = 14 * MS; /* one long piece */
	pace_advance(&p, 100 * MS);
	assert_int_equal(p.due_ns, 20 * MS);
	assert_int_equal(p.given_up_ns, 0);
}

/* Pieces of 100 µs ± noise; every so often the host takes the CPU away for 1 to 12 ms. */
static void test_stalls_are_taken_out(void **state)
{
	struct stall_filter f = {0};
	int64_t used = 0, truth = 0, waited = 0;
	unsigned int seed = 7;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		int64_t piece = 90 * US + rand_r(&seed) % (30 * US), stall = 0;

		if (rand_r(&seed) % 30 == 0)
			stall = 1 * MS + rand_r(&seed) % (11 * MS);
		truth += piece;
		waited += stall;
		used += stall_used_ns(&f, piece + stall);
	}
	assert_true(waited > truth); /* or it would be no test */
	assert_near((double)used / (double)truth, 1.0, 0.01);
}

/* Other processes of the host interrupt half as often as not, shortly. */
static void test_short_stalls(void **state)
{
	struct stall_filter f = {0};
	int64_t used = 0, truth = 0;
	unsigned int seed = 5;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		int64_t piece = 95 * US + rand_r(&seed) % (10 * US);

		truth += piece;
		used += stall_used_ns(&f, piece + (rand_r(&seed) % 3 == 0 ? 200 * US : 0));
	}
	assert_near((double)used / (double)truth, 1.0, 0.05);
}

static void test_slower_cpu_is_not_a_stall(void **state)
{
	struct stall_filter f = {0};
	int64_t used = 0;

	(void)state;
	for (int i = 0; i < 1000; i++)
		stall_used_ns(&f, 100 * US);
	for (int i = 0; i < 200; i++)
		stall_used_ns(&f, 900 * US);
	for (int i = 0; i < 1000; i++)
		used += stall_used_ns(&f, 900 * US);
	assert_int_equal(used, 1000 * 900 * US);
}

/* From a first guess that is off by a factor of a thousand, either way, under stalls, to about
 * PIECE_NS. */
static void test_piece_finds_its_size(void **state)
{
	static const unsigned long first[] = {256, 200000, 200000000};
	const double ns_per_round = 0.5;

	(void)state;
	for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++) {
		struct stall_filter f = {0};
		unsigned long rounds = first[i];
		unsigned int seed = 3;
		int64_t used = 0, truth = 0;

		for (int n = 0; n < 2000; n++) {
			int64_t piece = (int64_t)((double)rounds * ns_per_round);
			int64_t took = piece + (rand_r(&seed) % 20 == 0 ? 8 * MS : 0);

			if (n >= 500) {
				truth += piece;
				used += stall_used_ns(&f, took);
			} else {
				stall_used_ns(&f, took);
			}
			rounds = stall_piece_rounds(&f, rounds);
		}
		assert_near((double)rounds * ns_per_round, PIECE_NS, PIECE_NS);
		assert_near((double)used / (double)truth, 1.0, 0.02);
	}
}

static void test_ramp(void **state)
{
	struct ramp up = {1000, 3000, 100, 5}, down = {3000, 1000, 100, 5}, once = {0, 4096, 0, 5};

	(void)state;
	assert_int_equal(ramp_due_kib(&up, 4), 1000);
	assert_int_equal(ramp_due_kib(&up, 5), 1000);
	assert_int_equal(ramp_due_kib(&up, 15), 2000);
	assert_int_equal(ramp_due_kib(&up, 25), 3000);
	assert_int_equal(ramp_due_kib(&up, 1e9), 3000);
	assert_int_equal(ramp_due_kib(&down, 15), 2000);
	assert_int_equal(ramp_due_kib(&down, 1e9), 1000);
	assert_int_equal(ramp_due_kib(&once, 5), 4096);
}

static void test_ramp_lag(void **state)
{
	struct ramp up = {1000, 3000, 100, 5}, down = {3000, 1000, 100, 5}, once = {0, 4096, 0, 5};

	(void)state;
	assert_near(ramp_lag_s(&up, 1500, 15), 5, 1e-9);
	assert_near(ramp_lag_s(&up, 2000, 15), 0, 1e-9);
	assert_near(ramp_lag_s(&up, 3000, 99), 0, 1e-9);
	assert_near(ramp_lag_s(&down, 3000, 15), 0, 1e-9);
	assert_near(ramp_lag_s(&once, 0, 15), 0, 1e-9);
	/* Moving the start back by the lag leaves none. */
	up.start_s += ramp_lag_s(&up, 1500, 15);
	assert_near(ramp_lag_s(&up, 1500, 15), 0, 1e-9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_closed_loop),
		cmocka_unit_test(test_open_loop_catches_up),
		cmocka_unit_test(test_passed_over_periods),
		cmocka_unit_test(test_overshoot_is_owed),
		cmocka_unit_test(test_stalls_are_taken_out),
		cmocka_unit_test(test_short_stalls),
		cmocka_unit_test(test_slower_cpu_is_not_a_stall),
		cmocka_unit_test(test_piece_finds_its_size),
		cmocka_unit_test(test_ramp),
		cmocka_unit_test(test_ramp_lag),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
