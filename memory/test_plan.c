/* SPDX-License-Identifier: MIT */
/* Tests of the policy: a row per rule of what guests want, and what the host has for them. */
#include "kib.h"
#include "toy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

/* --- wants --- */

static void idle_guest_comes_to_rest_at_twice_the_reserve(void **unused)
{
	struct toy *t = toy_new(1, 16384);
	int64_t headroom;

	(void)unused;
	toy_ticks(t, 30);
	headroom = t->guests[0].actual_kib - t->toys[0].used_kib;
	assert_in_range(headroom, 185 * MIB, 200 * MIB);
	/* And there it rests. */
	for (int i = 0; i < 50; i++) {
		toy_tick(t);
		assert_int_equal(t->plan.nsets, 0);
	}
	toy_free(t);
}

static void growth_is_met_at_once_and_ahead(void **unused)
{
	struct toy *t = toy_new(1, 16384);

	(void)unused;
	toy_ticks(t, 30);
	t->toys[0].growth_kib = 50 * MIB; /* 25 MiB/s */
	for (int i = 0; i < 30; i++) {
		toy_tick(t);
		/* Until the next grant it grows twice more at most: an interval and a period. */
		assert_true(t->toys[0].target_kib - t->toys[0].used_kib >= 175 * MIB);
		assert_true(t->guests[0].actual_kib - t->toys[0].used_kib >= 100 * MIB);
	}
	toy_free(t);
}

static void fast_growth_is_met_as_far_ahead_as_it_lasts(void **unused)
{
	struct toy *t = toy_new(1, 16384);

	(void)unused;
	t->guests[0].maximum_kib = 16384 * MIB;
	toy_ticks(t, 30);
	t->guests[0].reserve_kib = 300 * MIB; /* so that nothing holds the growth up */
	toy_ticks(t, 10);
	t->toys[0].growth_kib = 200 * MIB; /* 100 MiB/s */
	toy_ticks(t, 4);
	/* Interval, period and half a second, and a quarter more. */
	assert_in_range(t->toys[0].target_kib - t->toys[0].used_kib, (300 + 437) * MIB,
			(300 + 438) * MIB);
	toy_free(t);
}

static void nobody_gets_more_than_the_maximum(void **unused)
{
	struct toy *t = toy_new(1, 16384);

	(void)unused;
	t->toys[0].growth_kib = 300 * MIB;
	for (int i = 0; i < 6; i++) {
		toy_tick(t);
		assert_true(t->toys[0].target_kib <= 2048 * MIB);
	}
	toy_free(t);
}

static void floor_and_reserve_of_the_guest_itself_count(void **unused)
{
	struct toy *t = toy_new(2, 16384);

	(void)unused;
	t->guests[0].floor_kib = 480 * MIB;
	t->guests[1].reserve_kib = 250 * MIB;
	toy_ticks(t, 30);
	assert_int_equal(t->guests[0].actual_kib, 480 * MIB);
	assert_true(t->guests[1].actual_kib - t->toys[1].used_kib >= 345 * MIB);
	toy_free(t);
}

static void page_cache_is_kept_on_a_clear_host_only(void **unused)
{
	struct toy *t = toy_new(1, 16384);

	(void)unused;
	t->guests[0].actual_kib = 1024 * MIB;
	t->toys[0].cache_kib = 400 * MIB;
	toy_ticks(t, 40);
	assert_true(t->guests[0].actual_kib - 500 * MIB >= 100 * MIB);
	t->host_kib = t->guests[0].actual_kib + 500 * MIB; /* soft */
	toy_ticks(t, 10);
	assert_true(t->guests[0].actual_kib - 500 * MIB < 100 * MIB);
	toy_free(t);
}

/* --- releases --- */

static void releases_are_gradual(void **unused)
{
	struct toy *t = toy_new(1, 16384);

	(void)unused;
	t->guests[0].actual_kib = 2048 * MIB;
	for (int i = 0; i < 60; i++) {
		int64_t before = t->guests[0].actual_kib, idle = before - t->toys[0].used_kib;

		toy_tick(t);
		assert_true(before - t->guests[0].actual_kib <= 100 * MIB);
		assert_true((before - t->guests[0].actual_kib) * 4 <= idle);
	}
	assert_true(t->guests[0].actual_kib <= 300 * MIB);
	toy_free(t);
}

static void a_full_guest_that_frees_is_back_within_twenty_intervals(void **unused)
{
	struct toy *t = toy_new(1, 16384);
	int ticks = 0;

	(void)unused;
	t->guests[0].actual_kib = 2048 * MIB;
	t->toys[0].used_kib = 1940 * MIB;
	toy_ticks(t, 3);
	t->toys[0].used_kib = 100 * MIB;
	while (t->guests[0].actual_kib > 300 * MIB && ticks < 100) {
		toy_tick(t);
		ticks++;
	}
	assert_in_range(ticks, 18, 20); /* the last one only sees it */
	toy_free(t);
}

static void one_sample_alone_releases_nothing(void **unused)
{
	struct toy *t = toy_new(1, 16384);

	(void)unused;
	t->guests[0].actual_kib = t->guests[0].maximum_kib = 1024 * MIB;
	for (int i = 0; i < 20; i++) {
		t->toys[0].used_kib = (i % 5 == 4 ? 100 : 800) * MIB;
		toy_tick(t);
		assert_int_equal(t->plan.nsets, 0);
	}
	toy_free(t);
}

static void what_has_jumped_may_jump_again(void **unused)
{
	struct toy *t = toy_new(1, 16384);
	int64_t before;

	(void)unused;
	toy_ticks(t, 30);
	t->toys[0].used_kib = 250 * MIB; /* at once, as far as it had room */
	toy_ticks(t, 30);
	before = t->guests[0].actual_kib;
	assert_in_range(before, (250 + 100 + 215) * MIB, (250 + 100 + 230) * MIB);
	/* The next one fits without anybody's help, and then there is room for one like it. */
	t->toys[0].used_kib = 450 * MIB;
	toy_ticks(t, 30);
	assert_int_equal(t->toys[0].used_kib, 450 * MIB);
	assert_in_range(t->guests[0].actual_kib, (450 + 360) * MIB, (450 + 376) * MIB);
	/* Ten minutes later it is given back. */
	toy_ticks(t, 300);
	assert_in_range(t->guests[0].actual_kib, (450 + 190) * MIB, (450 + 232) * MIB);
	toy_free(t);
}

static void a_jump_into_swap_counts_in_full(void **unused)
{
	struct toy *t = toy_new(1, 16384);

	(void)unused;
	t->guests[0].swap_in_kib = t->guests[0].swap_out_kib = 0;
	toy_ticks(t, 30);
	t->toys[0].used_kib = 200 * MIB;
	t->guests[0].swap_out_kib = 80 * MIB;
	toy_tick(t);
	t->toys[0].used_kib = 280 * MIB;
	t->guests[0].swap_in_kib = 80 * MIB;
	toy_ticks(t, 30);
	assert_in_range(t->guests[0].actual_kib, (280 + 100 + 260) * MIB, (280 + 100 + 276) * MIB);
	toy_free(t);
}

static void a_ramp_is_no_jump(void **unused)
{
	struct toy *t = toy_new(1, 16384);

	(void)unused;
	toy_ticks(t, 30);
	t->toys[0].growth_kib = 50 * MIB; /* 25 MB/s */
	toy_ticks(t, 20);
	t->toys[0].growth_kib = 0;
	toy_ticks(t, 30);
	assert_true(t->guests[0].actual_kib <= t->toys[0].used_kib + (100 + 98 + 32) * MIB);
	toy_free(t);
}

static void nothing_is_released_while_it_swaps_or_faults(void **unused)
{
	struct toy *t = toy_new(3, 16384);

	(void)unused;
	for (int i = 0; i < 20; i++) {
		t->guests[0].swap_in_kib = i * 1000;
		t->guests[1].swap_out_kib = i * 1000;
		t->guests[2].major_faults = i * 1000;
		toy_tick(t);
		for (size_t g = 0; g < 3 && i > 0; g++)
			assert_true(t->toys[g].target_kib >= 0 &&
				    t->guests[g].actual_kib >= 512 * MIB);
	}
	toy_free(t);
}

static void a_pending_release_is_called_off_under_pressure(void **unused)
{
	struct toy *t = toy_new(1, 16384);
	const struct mem_set *set;

	(void)unused;
	t->guests[0].actual_kib = 1024 * MIB;
	toy_ticks(t, 2);
	assert_non_null(toy_set(t, 0));
	t->toys[0].stuck = true; /* slow: the release is still on its way */
	t->toys[0].used_kib = 850 * MIB;
	toy_tick(t);
	set = toy_set(t, 0);
	assert_non_null(set);
	assert_true(set->to_kib >= 1024 * MIB);
	toy_free(t);
}

/* --- the host --- */

static void no_grant_breaks_the_host_reserve(void **unused)
{
	struct toy *t = toy_new(4, 3000);

	(void)unused;
	for (size_t g = 0; g < 4; g++)
		t->toys[g].growth_kib = 40 * MIB;
	for (int i = 0; i < 40; i++) {
		int64_t sum = 0;

		toy_tick(t);
		for (size_t g = 0; g < 4; g++) {
			int64_t size = t->toys[g].target_kib ? t->toys[g].target_kib
							     : t->guests[g].actual_kib;

			sum += size > t->guests[g].actual_kib ? size : t->guests[g].actual_kib;
			/* What is full stays full. */
			if (t->guests[g].actual_kib - t->toys[g].used_kib < 20 * MIB)
				t->toys[g].growth_kib = 0;
		}
		assert_true(sum <= (3000 - 200) * MIB);
	}
	assert_true(t->plan.short_kib > 0);
	toy_free(t);
}

/* Where guests leap, what others may take is as good as gone. */
static void untouched_promises_are_not_given_away_again(void **unused)
{
	struct toy *t = toy_new(2, 3000);

	(void)unused;
	t->toys[0].untouched = t->toys[1].untouched = true;
	toy_ticks(t, 3);
	t->toys[1].used_kib += 250 * MIB; /* 125 MiB/s */
	toy_tick(t);
	t->toys[1].used_kib = 100 * MIB;
	toy_ticks(t, 20);
	t->guests[0].actual_kib = t->toys[0].target_kib = 2048 * MIB;
	t->toys[0].frozen = true;
	t->guests[0].made_s = (int64_t)t->sample.wall_s - 1;
	t->toys[1].growth_kib = 100 * MIB;
	for (int i = 0; i < 8; i++) {
		toy_tick(t);
		assert_true(t->toys[1].target_kib <= (3000 - 200 - 2048) * MIB);
	}
	toy_free(t);
}

static void grants_on_their_way_are_not_given_away_again(void **unused)
{
	struct toy *t = toy_new(2, 1700);

	(void)unused;
	for (size_t g = 0; g < 2; g++)
		t->toys[g].untouched = true;
	t->guests[1].actual_kib = 750 * MIB;
	t->toys[1].used_kib = 540 * MIB;
	toy_tick(t);
	t->toys[0].stuck = true; /* slow: its grant is on its way all the time */
	t->toys[0].used_kib = 480 * MIB;
	toy_tick(t);
	assert_true(t->toys[0].target_kib > 600 * MIB);
	for (int i = 0; i < 12; i++) {
		toy_tick(t);
		t->toys[1].growth_kib = 150 * MIB;
		t->toys[0].used_kib = 300 * MIB; /* it needs it no more, but will have it */
		assert_true(t->toys[0].target_kib + t->toys[1].target_kib <= (1700 - 200) * MIB);
	}
	toy_free(t);
}

static void memory_on_its_way_back_is_given_out_when_it_is_there(void **unused)
{
	struct toy *t = toy_new(2, 2248);
	int64_t granted = 0;

	(void)unused;
	t->guests[0].actual_kib = 1536 * MIB; /* idle: can give 1,236 MiB */
	t->guests[1].actual_kib = 512 * MIB;
	t->toys[1].used_kib = 480 * MIB;
	for (int i = 0; i < 20; i++) {
		toy_tick(t);
		granted = t->toys[1].target_kib > 0 ? t->toys[1].target_kib : 512 * MIB;
		assert_true(granted + t->guests[0].actual_kib <= 2048 * MIB);
	}
	assert_true(granted >= (480 + 185) * MIB);
	toy_free(t);
}

static void donors_go_first(void **unused)
{
	struct toy *t = toy_new(3, 16384);

	(void)unused;
	t->guests[0].actual_kib = 1024 * MIB;
	t->guests[2].actual_kib = 1024 * MIB;
	toy_tick(t);
	t->toys[1].used_kib = 500 * MIB;
	toy_tick(t);
	assert_int_equal(t->plan.nsets, 3);
	assert_true(t->plan.sets[0].to_kib < t->plan.sets[0].from_kib);
	assert_true(t->plan.sets[1].to_kib < t->plan.sets[1].from_kib);
	assert_int_equal(t->plan.sets[2].guest, 1);
	toy_free(t);
}

static void shortage_is_shared_by_weight(void **unused)
{
	struct toy *t = toy_new(3, 3200);

	(void)unused;
	t->guests[2].weight = 2;
	for (size_t g = 0; g < 3; g++)
		t->guests[g].reserve_kib = 1600 * MIB;
	toy_ticks(t, 20);
	assert_in_range(t->guests[0].actual_kib, 735 * MIB, 750 * MIB);
	assert_in_range(t->guests[1].actual_kib, 735 * MIB, 750 * MIB);
	assert_in_range(t->guests[2].actual_kib, 1470 * MIB, 1500 * MIB);
	assert_true(t->plan.short_kib >= (3 * 1700 - 3000) * MIB);
	toy_free(t);
}

static void levels_have_hysteresis(void **unused)
{
	static const struct {
		int64_t available_mib;
		enum mem_level level;
	} rows[] = {
		{1000, MEM_CLEAR}, {600, MEM_CLEAR}, {599, MEM_SOFT}, {649, MEM_SOFT},
		{650, MEM_CLEAR},  {399, MEM_HARD},  {449, MEM_HARD}, {450, MEM_SOFT},
		{199, MEM_LOW},	   {249, MEM_LOW},   {250, MEM_HARD}, {100, MEM_LOW},
		{1000, MEM_CLEAR},
	};
	struct toy *t = toy_new(0, 16384);

	(void)unused;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		t->host_kib = rows[i].available_mib * MIB;
		toy_tick(t);
		assert_int_equal(t->plan.level, rows[i].level);
	}
	toy_free(t);
}

static void a_low_host_takes_idle_memory_back_at_once(void **unused)
{
	struct toy *t = toy_new(1, 16384);

	(void)unused;
	t->guests[0].actual_kib = 2048 * MIB;
	t->toys[0].used_kib = 500 * MIB;
	t->host_kib = 2148 * MIB;
	toy_tick(t);
	assert_int_equal(t->plan.level, MEM_LOW);
	assert_int_equal(toy_set(t, 0)->to_kib, 698 * MIB);
	assert_int_equal(toy_set(t, 0)->reason, MEM_RECLAIM);
	toy_free(t);
}

static void a_budget_caps_all_guests_together(void **unused)
{
	struct toy *t = toy_new(3, 16384);

	(void)unused;
	t->policy.budget_kib = 2000 * MIB;
	for (size_t g = 0; g < 3; g++)
		t->toys[g].growth_kib = 50 * MIB;
	for (int i = 0; i < 20; i++) {
		int64_t sum = 0;

		toy_tick(t);
		for (size_t g = 0; g < 3; g++)
			sum += t->toys[g].target_kib > t->guests[g].actual_kib
				       ? t->toys[g].target_kib
				       : t->guests[g].actual_kib;
		assert_true(sum <= 2000 * MIB);
	}
	assert_true(t->plan.short_kib > 0);
	toy_free(t);
}

/* --- not enough --- */

/* Ticks until a guest starves, or that many; what it used then is gone, as its kernel kills it. */
static size_t until_one_starves(struct toy *t, int ticks, size_t *who)
{
	for (int i = 0; i < ticks; i++) {
		toy_tick(t);
		for (size_t g = 0; g < t->sample.nguests; g++) {
			if (t->toys[g].used_kib < t->guests[g].actual_kib - 20 * MIB)
				continue;
			t->toys[g].used_kib = 100 * MIB;
			t->toys[g].growth_kib = 0;
			*who = g;
			return 1;
		}
	}
	return 0;
}

static struct toy *untouched_toy(size_t n, int64_t host_mib)
{
	struct toy *t = toy_new(n, host_mib);

	for (size_t i = 0; i < n; i++)
		t->toys[i].untouched = true;
	toy_ticks(t, 10);
	return t;
}

static void whoever_grows_has_all_the_host_above_its_reserve(void **unused)
{
	struct toy *t = untouched_toy(4, 1700);
	size_t who = 9;

	(void)unused;
	t->toys[2].growth_kib = 50 * MIB;
	assert_int_equal(until_one_starves(t, 60, &who), 1);
	assert_int_equal(who, 2);
	assert_true(t->sample.host_available_kib >= 200 * MIB);
	assert_true(t->sample.host_available_kib <= 200 * MIB + t->host_kib / 20);
	toy_free(t);
}

static void one_is_given_up_and_the_others_live_on(void **unused)
{
	struct toy *t = untouched_toy(5, 4000);
	size_t who = 9, kills = 0;
	bool told = false;

	(void)unused;
	t->policy.interval_s = 0.5; /* as short as it asks for in need */
	/* Each wants 1400: two of them fit, three do not. */
	for (size_t g = 1; g < 4; g++)
		t->toys[g].growth_kib = 10 * MIB;
	t->guests[3].weight = 2;
	for (int i = 0; i < 240; i++) {
		size_t starved = until_one_starves(t, 1, &who);

		for (size_t k = 0; k < t->plan.nnotes; k++) {
			told |= t->plan.notes[k].what == MEM_GIVEN_UP;
			assert_true(t->plan.notes[k].left_s >= 0);
		}
		if (starved) {
			assert_true(told);	      /* before it happens */
			assert_int_not_equal(who, 3); /* the heavier is not the first */
		}
		kills += starved;
		assert_true(t->sample.host_available_kib >= 200 * MIB);
		for (size_t g = 1; g < 4; g++) {
			if (t->toys[g].used_kib >= 1400 * MIB)
				t->toys[g].growth_kib = 0;
		}
	}
	assert_int_equal(kills, 1);
	toy_free(t);
}

static void reserves_are_taken_only_for_one_that_grows(void **unused)
{
	struct toy *t = untouched_toy(8, 1400);

	(void)unused;
	for (int i = 0; i < 20; i++) {
		toy_tick(t);
		assert_false(t->plan.scarce);
		for (size_t g = 0; g < 8; g++)
			assert_true(t->guests[g].actual_kib >= t->toys[g].used_kib + 100 * MIB);
	}
	t->toys[0].growth_kib = 40 * MIB;
	for (int i = 0; i < 12 && !t->plan.scarce; i++)
		toy_tick(t);
	assert_true(t->plan.scarce);
	toy_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(idle_guest_comes_to_rest_at_twice_the_reserve),
		cmocka_unit_test(growth_is_met_at_once_and_ahead),
		cmocka_unit_test(fast_growth_is_met_as_far_ahead_as_it_lasts),
		cmocka_unit_test(nobody_gets_more_than_the_maximum),
		cmocka_unit_test(floor_and_reserve_of_the_guest_itself_count),
		cmocka_unit_test(page_cache_is_kept_on_a_clear_host_only),
		cmocka_unit_test(releases_are_gradual),
		cmocka_unit_test(a_full_guest_that_frees_is_back_within_twenty_intervals),
		cmocka_unit_test(one_sample_alone_releases_nothing),
		cmocka_unit_test(what_has_jumped_may_jump_again),
		cmocka_unit_test(a_jump_into_swap_counts_in_full),
		cmocka_unit_test(a_ramp_is_no_jump),
		cmocka_unit_test(nothing_is_released_while_it_swaps_or_faults),
		cmocka_unit_test(a_pending_release_is_called_off_under_pressure),
		cmocka_unit_test(no_grant_breaks_the_host_reserve),
		cmocka_unit_test(untouched_promises_are_not_given_away_again),
		cmocka_unit_test(grants_on_their_way_are_not_given_away_again),
		cmocka_unit_test(memory_on_its_way_back_is_given_out_when_it_is_there),
		cmocka_unit_test(donors_go_first),
		cmocka_unit_test(shortage_is_shared_by_weight),
		cmocka_unit_test(levels_have_hysteresis),
		cmocka_unit_test(a_low_host_takes_idle_memory_back_at_once),
		cmocka_unit_test(a_budget_caps_all_guests_together),
		cmocka_unit_test(whoever_grows_has_all_the_host_above_its_reserve),
		cmocka_unit_test(one_is_given_up_and_the_others_live_on),
		cmocka_unit_test(reserves_are_taken_only_for_one_that_grows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
