/* SPDX-License-Identifier: MIT */
/* Tests of the policy: a row per rule of what statistics mean, and of guests that do not follow or
 * that others set. */
#include "kib.h"
#include "toy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

/* --- statistics --- */

static void old_statistics_move_nothing(void **unused)
{
	struct toy *t = toy_new(1, 16384);

	(void)unused;
	t->guests[0].actual_kib = 2048 * MIB;
	toy_ticks(t, 3);
	assert_non_null(toy_set(t, 0));
	t->toys[0].frozen = true;
	for (int i = 0; i < 20; i++) {
		toy_tick(t);
		assert_null(toy_set(t, 0));
	}
	assert_int_equal(t->plan.views[0].condition, MEM_STALE);
	t->toys[0].frozen = false;
	toy_tick(t);
	assert_true(toy_noted(t, 0, MEM_NOW_STEERED));
	toy_free(t);
}

static void statistics_already_old_at_first_sight_move_nothing(void **unused)
{
	struct toy *t = toy_new(1, 16384);

	(void)unused;
	t->toys[0].frozen = true;
	t->guests[0].made_s = 4000;
	toy_ticks(t, 10);
	assert_int_equal(t->plan.nsets, 0);
	assert_int_equal(t->plan.views[0].condition, MEM_BLIND);
	toy_free(t);
}

static void clock_steps_do_not_matter(void **unused)
{
	static const double steps[] = {3600, -7200, 1, -1};
	struct toy *t = toy_new(1, 16384);

	(void)unused;
	toy_ticks(t, 30);
	for (size_t i = 0; i < 4; i++) {
		t->sample.wall_s += steps[i];
		for (int k = 0; k < 5; k++) {
			toy_tick(t);
			assert_int_equal(t->plan.nsets, 0);
		}
		assert_int_equal(t->plan.views[0].condition, MEM_STEERED);
	}
	toy_free(t);
}

/* The size is of now and the statistics are of before it changed: no phantom growth. */
static void statistics_from_before_a_grant_are_not_misread(void **unused)
{
	struct toy *t = toy_new(1, 16384);

	(void)unused;
	toy_ticks(t, 30);
	t->toys[0].used_kib += 150 * MIB;
	toy_tick(t);
	assert_non_null(toy_set(t, 0));
	/* The balloon has moved; the statistics are fresh but from just before. */
	t->guests[0].actual_kib = t->toys[0].target_kib;
	t->guests[0].made_s = (int64_t)t->sample.wall_s;
	assert_int_equal(mem_plan(t->state, &t->policy, &t->sample, &t->plan), 0);
	assert_int_equal(t->plan.views[0].used_kib, t->toys[0].used_kib);
	assert_int_equal(t->plan.nsets, 0);
	toy_free(t);
}

static void blind_guests_are_held_and_counted_in_full(void **unused)
{
	struct toy *t = toy_new(2, 4096);

	(void)unused;
	toy_tick(t);
	t->guests[1].uuid[0] = 77;
	t->guests[1].actual_kib = 2048 * MIB;
	t->toys[1].untouched = t->toys[1].stuck = true;
	for (int i = 0; i < 3; i++) {
		t->toys[1].frozen = true;
		t->guests[1].made_s = 0;
		toy_tick(t);
	}
	assert_int_equal(t->plan.views[1].condition, MEM_BLIND);
	assert_null(toy_set(t, 1));
	assert_true(t->plan.promised_kib >= (2048 - 100 - 150) * MIB);
	/* One whose size is below its maximum has a driver that took it there. */
	t->guests[1].actual_kib = 512 * MIB;
	toy_tick(t);
	assert_int_equal(t->plan.views[1].condition, MEM_BLIND);
	assert_true(t->plan.promised_kib <= (512 - 100 + 2 * 160) * MIB);
	toy_free(t);
}

/* Huge pages are not in its process' RSS: nothing of it is to come, and nothing can be had. */
static void what_the_host_has_handed_over_is_not_promised(void **unused)
{
	struct toy *t = toy_new(2, 16384);
	int64_t promised;

	(void)unused;
	toy_tick(t);
	promised = t->plan.promised_kib;
	t->guests[1].taken = true;
	t->guests[1].balloon = false;
	t->toys[1].untouched = true;
	toy_ticks(t, 20);
	assert_int_equal(t->plan.views[1].condition, MEM_NO_BALLOON);
	assert_int_equal(t->guests[1].actual_kib, 512 * MIB);
	assert_true(t->plan.promised_kib <= promised);
	toy_free(t);
}

static void guests_that_are_not_ours_are_left_alone(void **unused)
{
	struct toy *t = toy_new(4, 16384);

	(void)unused;
	t->guests[0].managed = false;
	t->guests[1].running = false;
	t->guests[2].balloon = false;
	for (int i = 0; i < 10; i++) {
		toy_tick(t);
		for (size_t g = 0; g < 3; g++)
			assert_null(toy_set(t, g));
	}
	assert_int_equal(t->plan.views[0].condition, MEM_UNMANAGED);
	assert_int_equal(t->plan.views[1].condition, MEM_PAUSED);
	assert_int_equal(t->plan.views[2].condition, MEM_NO_BALLOON);
	assert_true(t->guests[3].actual_kib < 512 * MIB);
	toy_free(t);
}

/* --- guests that do not follow, and others who steer --- */

static void a_stuck_guest_is_found_within_three_samples_and_told_once(void **unused)
{
	struct toy *t = toy_new(1, 16384);
	int told = 0, sets = 0;

	(void)unused;
	toy_tick(t);
	t->toys[0].stuck = true;
	t->toys[0].used_kib = 480 * MIB;
	toy_tick(t);
	assert_non_null(toy_set(t, 0));
	toy_ticks(t, 3);
	assert_int_equal(t->plan.views[0].condition, MEM_STUCK);
	assert_true(toy_noted(t, 0, MEM_NOW_HELD));
	for (int i = 0; i < 300; i++) {
		toy_tick(t);
		told += t->plan.nnotes > 0;
		sets += t->plan.nsets > 0;
	}
	assert_int_equal(told, 0);
	assert_in_range(sets, 1, 8); /* tried again, ever more rarely */
	t->toys[0].stuck = false;
	for (int i = 0; i < 10 && !told; i++) {
		toy_tick(t);
		told += toy_noted(t, 0, MEM_NOW_STEERED);
	}
	assert_int_equal(told, 1);
	toy_free(t);
}

static void a_release_that_is_not_followed_is_called_off_once(void **unused)
{
	struct toy *t = toy_new(1, 16384);
	int ticks = 0;

	(void)unused;
	t->guests[0].actual_kib = 2048 * MIB;
	t->toys[0].stuck = true;
	toy_ticks(t, 2);
	assert_true(toy_set(t, 0)->to_kib < 2048 * MIB);
	while (!toy_noted(t, 0, MEM_NOW_HELD) && ticks++ < 5)
		toy_tick(t);
	assert_int_equal(ticks, 3);
	assert_int_equal(toy_set(t, 0)->to_kib, 2048 * MIB);
	assert_int_equal(toy_set(t, 0)->reason, MEM_CANCEL);
	for (int i = 0; i < 13; i++) { /* 30 s */
		toy_tick(t);
		assert_int_equal(t->plan.nsets, 0);
	}
	toy_free(t);
}

/* Ticks until guest 0 is told to have been set by others, once and after that many at most; nothing
 * is set until then. */
static void until_noted(struct toy *t, int most)
{
	int told = 0;

	while (most-- > 0 && !told) {
		toy_tick(t);
		told += toy_noted(t, 0, MEM_SET_BY_OTHERS);
		assert_int_equal(t->plan.nsets, 0);
	}
	assert_int_equal(told, 1);
}

static void what_others_set_is_taken_as_it_is(void **unused)
{
	struct toy *t = toy_new(1, 16384);

	(void)unused;
	toy_ticks(t, 30);
	t->toys[0].target_kib = 900 * MIB;
	until_noted(t, 4);
	assert_null(toy_set(t, 0));
	toy_tick(t);
	assert_int_equal(t->plan.nnotes, 0);
	assert_non_null(toy_set(t, 0)); /* and steered from there */
	assert_true(toy_set(t, 0)->to_kib >= 800 * MIB);
	toy_free(t);
}

/* A look out of turn: time goes on, the guests have told nothing new. */
static void toy_look(struct toy *t, double seconds)
{
	t->sample.time_s += seconds;
	t->sample.wall_s += seconds;
	assert_int_equal(mem_plan(t->state, &t->policy, &t->sample, &t->plan), 0);
}

static void what_others_take_is_given_back_at_once(void **unused)
{
	struct toy *t = toy_new(2, 16384);

	(void)unused;
	toy_ticks(t, 30);
	t->guests[0].actual_kib = 150 * MIB;
	toy_look(t, 0.2);
	assert_true(toy_noted(t, 0, MEM_SET_BY_OTHERS));
	assert_int_equal(t->plan.nnotes, 1);
	assert_non_null(toy_set(t, 0));
	assert_true(toy_set(t, 0)->to_kib >= 200 * MIB);
	assert_null(toy_set(t, 1));
	toy_free(t);
}

static void a_balloon_that_others_move_slowly_is_told_once(void **unused)
{
	struct toy *t = toy_new(1, 16384);
	int told = 0;

	(void)unused;
	t->policy.respect_others = true;
	toy_ticks(t, 30);
	for (int i = 0; i < 10; i++) {
		t->guests[0].actual_kib += 30 * MIB;
		toy_look(t, 0.1);
		told += toy_noted(t, 0, MEM_SET_BY_OTHERS);
	}
	assert_int_equal(told, 0); /* it could be going to sleep */
	t->toys[0].target_kib = t->guests[0].actual_kib;
	for (int i = 0; i < 10; i++) {
		toy_tick(t);
		told += toy_noted(t, 0, MEM_SET_BY_OTHERS);
	}
	assert_int_equal(told, 1);
	toy_free(t);
}

/* A guest's size from its maximum back to its target, as its driver goes there after a reset, a
 * start or on waking; that nobody is taken to have set it, and that it is steered from where it
 * was. */
static void comes_back(struct toy *t, int64_t target)
{
	while (t->guests[0].actual_kib > target) {
		t->guests[0].actual_kib = max64(t->guests[0].actual_kib - 400 * MIB, target);
		toy_tick(t);
		assert_false(toy_noted(t, 0, MEM_SET_BY_OTHERS));
		assert_int_equal(t->plan.nsets, 0);
	}
	assert_int_equal(mem_target(t->state, t->guests[0].uuid), target);
	t->toys[0].stuck = false;
	toy_ticks(t, 10);
	assert_int_equal(t->guests[0].actual_kib, target); /* as if it had not been */
}

static void a_reset_is_nobodys_doing_and_the_old_target_stands(void **unused)
{
	struct toy *t = toy_new(1, 16384);
	int64_t target;

	(void)unused;
	t->policy.respect_others = true;
	toy_ticks(t, 30);
	target = mem_target(t->state, t->guests[0].uuid);
	t->toys[0].stuck = t->toys[0].frozen = true;
	toy_ticks(t, 2); /* the old figures, until the new kernel's driver is there */
	t->toys[0].frozen = false;
	t->guests[0].actual_kib = t->guests[0].maximum_kib;
	comes_back(t, target);
	toy_free(t);
}

static void suspend_and_wake_are_nobodys_doing(void **unused)
{
	struct toy *t = toy_new(1, 16384);
	int64_t target;

	(void)unused;
	t->policy.respect_others = true;
	toy_ticks(t, 30);
	target = mem_target(t->state, t->guests[0].uuid);
	t->toys[0].stuck = true;
	while (t->guests[0].actual_kib < t->guests[0].maximum_kib) {
		t->guests[0].actual_kib =
			min64(t->guests[0].actual_kib + 250 * MIB, t->guests[0].maximum_kib);
		toy_tick(t);
		assert_int_equal(t->plan.nnotes, 0);
		assert_int_equal(t->plan.nsets, 0);
	}
	t->toys[0].frozen = true;
	t->guests[0].running = false;
	toy_ticks(t, 20);
	t->guests[0].running = true;
	t->toys[0].frozen = false;
	comes_back(t, target);
	toy_free(t);
}

static void figures_of_a_larger_size_are_of_another_moment(void **unused)
{
	struct toy *t = toy_new(1, 16384);

	(void)unused;
	t->toys[0].stuck = true;
	t->guests[0].actual_kib = 2048 * MIB;
	toy_tell(t, 0);
	t->guests[0].actual_kib = 600 * MIB; /* on its way down from there */
	t->sample.host_available_kib = 8192 * MIB;
	assert_int_equal(mem_plan(t->state, &t->policy, &t->sample, &t->plan), 0);
	assert_int_equal(t->plan.views[0].used_kib, MEM_NOT_KNOWN);
	assert_int_equal(t->plan.nsets, 0);
	toy_ticks(t, 2);
	assert_int_equal(t->plan.views[0].used_kib, 100 * MIB);
	toy_free(t);
}

static void a_dimm_is_nobodys_doing(void **unused)
{
	struct toy *t = toy_new(1, 16384);

	(void)unused;
	t->policy.respect_others = true;
	toy_ticks(t, 30);
	t->guests[0].maximum_kib += 1024 * MIB;
	t->toys[0].target_kib = t->guests[0].actual_kib + 1024 * MIB;
	for (int i = 0; i < 10; i++) {
		toy_tick(t);
		assert_false(toy_noted(t, 0, MEM_SET_BY_OTHERS));
	}
	assert_true(t->guests[0].actual_kib <
		    900 * MIB); /* what it does not use of it comes back */
	toy_free(t);
}

static void a_balloon_that_deflates_under_pressure_is_nobodys_doing(void **unused)
{
	struct toy *t = toy_new(1, 16384);

	(void)unused;
	t->policy.respect_others = true;
	toy_ticks(t, 30);
	for (int i = 0; i < 10; i++) {
		t->toys[0].used_kib = t->guests[0].actual_kib - 30 * MIB;
		toy_tick(t);
		t->guests[0].actual_kib += 20 * MIB;
		assert_false(toy_noted(t, 0, MEM_SET_BY_OTHERS));
	}
	toy_free(t);
}

static void a_reset_between_statistics_is_nobodys_doing(void **unused)
{
	struct toy *t = toy_new(1, 16384);

	(void)unused;
	toy_ticks(t, 30);
	t->guests[0].actual_kib = t->guests[0].maximum_kib;
	toy_look(t, 0.2);
	assert_false(toy_noted(t, 0, MEM_SET_BY_OTHERS));
	toy_free(t);
}

static void a_look_out_of_turn_releases_nothing_more(void **unused)
{
	struct toy *t = toy_new(1, 16384);

	(void)unused;
	t->guests[0].actual_kib = 2048 * MIB;
	toy_ticks(t, 3);
	assert_non_null(toy_set(t, 0));
	/* It has given and told so since. */
	t->guests[0].actual_kib = t->toys[0].target_kib;
	t->sample.time_s -= t->policy.interval_s;
	t->sample.wall_s -= t->policy.interval_s - 1;
	toy_tell(t, 0);
	toy_look(t, 0.3);
	assert_int_equal(t->plan.nsets, 0);
	toy_free(t);
}

static void others_are_respected_where_asked(void **unused)
{
	struct toy *t = toy_new(1, 16384);

	(void)unused;
	t->policy.respect_others = true;
	toy_ticks(t, 30);
	t->toys[0].target_kib = 900 * MIB;
	until_noted(t, 4);
	for (int i = 0; i < 20; i++) {
		toy_tick(t);
		assert_int_equal(t->plan.nsets, 0);
		assert_int_equal(t->plan.nnotes, 0);
	}
	toy_free(t);
}

static void refused_calls_back_off(void **unused)
{
	struct toy *t = toy_new(1, 16384);
	int sets = 0;

	(void)unused;
	toy_tick(t);
	t->toys[0].used_kib = 480 * MIB;
	for (int i = 0; i < 300; i++) {
		toy_tick(t);
		t->toys[0].target_kib = 0;
		for (size_t k = 0; k < t->plan.nsets; k++, sets++)
			mem_refused(t->state, &t->plan, k, true);
	}
	assert_in_range(sets, 4, 10);
	toy_free(t);
}

static void a_target_of_an_earlier_life_is_set_again(void **unused)
{
	struct toy *t = toy_new(1, 16384);

	(void)unused;
	assert_int_equal(mem_resume(t->state, t->guests[0].uuid, 700 * MIB), 0);
	t->toys[0].used_kib = 400 * MIB;
	toy_tick(t);
	assert_non_null(toy_set(t, 0));
	assert_int_equal(toy_set(t, 0)->to_kib, 700 * MIB);
	assert_int_equal(toy_set(t, 0)->reason, MEM_AGAIN);
	toy_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(old_statistics_move_nothing),
		cmocka_unit_test(statistics_already_old_at_first_sight_move_nothing),
		cmocka_unit_test(clock_steps_do_not_matter),
		cmocka_unit_test(statistics_from_before_a_grant_are_not_misread),
		cmocka_unit_test(blind_guests_are_held_and_counted_in_full),
		cmocka_unit_test(what_the_host_has_handed_over_is_not_promised),
		cmocka_unit_test(guests_that_are_not_ours_are_left_alone),
		cmocka_unit_test(a_stuck_guest_is_found_within_three_samples_and_told_once),
		cmocka_unit_test(a_release_that_is_not_followed_is_called_off_once),
		cmocka_unit_test(what_others_set_is_taken_as_it_is),
		cmocka_unit_test(what_others_take_is_given_back_at_once),
		cmocka_unit_test(a_balloon_that_others_move_slowly_is_told_once),
		cmocka_unit_test(a_reset_between_statistics_is_nobodys_doing),
		cmocka_unit_test(a_look_out_of_turn_releases_nothing_more),
		cmocka_unit_test(a_reset_is_nobodys_doing_and_the_old_target_stands),
		cmocka_unit_test(suspend_and_wake_are_nobodys_doing),
		cmocka_unit_test(figures_of_a_larger_size_are_of_another_moment),
		cmocka_unit_test(a_dimm_is_nobodys_doing),
		cmocka_unit_test(a_balloon_that_deflates_under_pressure_is_nobodys_doing),
		cmocka_unit_test(others_are_respected_where_asked),
		cmocka_unit_test(refused_calls_back_off),
		cmocka_unit_test(a_target_of_an_earlier_life_is_set_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
