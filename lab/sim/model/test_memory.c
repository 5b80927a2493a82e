/* SPDX-License-Identifier: MIT */
/* The model's memory: the figures measured on real guests, statistics, balloons that misbehave. */
#include "made_host.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

/* --- memory: figures --- */

/*
 * Measured on a micro guest of 512 MiB, 2 GiB at most: MemTotal is 68.2 MiB less than actual,
 * MemFree 77 MiB less than that, MemAvailable 69 MiB less again.
 */
static void test_idle_guest_memory(void **state)
{
	struct model *m = made_host(1, 0.02);
	struct model_memory memory;

	(void)state;
	for (unsigned int i = 0; i < 20; i++) {
		made_guest(m, 1);
		model_advance(m, model_now(m) + S);
		memory = made_memory(m, i);
		assert_int_equal(memory.actual_kib, 512 * MIB);
		assert_near((double)(memory.actual_kib - memory.total_kib), 69.2 * MIB, MIB);
		assert_near((double)(memory.total_kib - memory.free_kib), 68.8 * MIB, 3 * MIB);
		assert_near((double)(memory.free_kib - memory.usable_kib), 69 * MIB, MIB);
	}
	model_free(m);
}

struct balloon_speed {
	uint64_t from_mib, to_mib;
	double kib_s;
};

static void test_balloon_speed(void **state)
{
	static const struct balloon_speed rows[] = {
		{2048, 512, 0.9 * 1024 * 1024},
		{512, 2048, 2.1 * 1024 * 1024},
	};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct model *m = made_host(1, 0);
		unsigned int id = made_guest(m, 1);
		uint64_t since, before;

		model_set_balloon(m, id, rows[i].from_mib * MIB);
		model_advance(m, 10 * S);
		assert_int_equal(made_memory(m, id).actual_kib, rows[i].from_mib * MIB);
		assert_int_equal(model_set_balloon(m, id, rows[i].to_mib * MIB), 0);
		assert_int_equal(model_balloon_target(m, id), rows[i].to_mib * MIB);
		/* Asynchronous: nothing has moved yet. */
		before = made_memory(m, id).actual_kib;
		assert_int_equal(before, rows[i].from_mib * MIB);
		since = model_now(m);
		model_advance(m, since + S / 2);
		assert_near(2 * fabs((double)made_memory(m, id).actual_kib - (double)before),
			    rows[i].kib_s, rows[i].kib_s / 100);
		model_advance(m, since + 3 * S);
		assert_int_equal(made_memory(m, id).actual_kib, rows[i].to_mib * MIB);
		model_free(m);
	}
}

static void test_balloon_limits(void **state)
{
	struct model *m = made_host(1, 0);
	struct model_guest_config config;
	unsigned int id = made_guest(m, 1);
	int bare;

	(void)state;
	assert_int_equal(model_set_balloon(m, id, 2048 * MIB + 1), -1);
	assert_int_equal(errno, ERANGE);
	model_guest_config_default(&config);
	config.no_balloon = true;
	bare = model_guest_add(m, &config);
	assert_int_equal(model_set_balloon(m, (unsigned int)bare, 512 * MIB), -1);
	assert_int_equal(errno, EINVAL);
	model_guest_start(m, (unsigned int)bare, true);
	assert_int_equal(made_memory(m, (unsigned int)bare).actual_kib, 2048 * MIB);
	assert_int_equal(model_set_balloon(m, (unsigned int)bare, 512 * MIB), -1);
	assert_int_equal(errno, ENODEV);
	/* No minimum: accepted, and the guest gives what it can. */
	assert_int_equal(model_set_balloon(m, id, 120), 0);
	model_advance(m, 5 * S);
	assert_in_range(made_memory(m, id).free_kib, 45 * MIB, 70 * MIB);
	assert_int_equal(made_memory(m, id).oom_kills, 0);
	model_free(m);
}

/* What the guest frees later goes to the balloon that is still waiting. */
static void test_balloon_retries(void **state)
{
	struct model *m = made_host(1, 0);
	unsigned int id = made_guest(m, 1);
	uint64_t stopped;

	(void)state;
	model_set_memory_load(m, id, 300 * MIB, 0);
	model_advance(m, 2 * S);
	model_set_balloon(m, id, 256 * MIB);
	model_advance(m, 5 * S);
	stopped = made_memory(m, id).actual_kib;
	assert_true(stopped > 400 * MIB);
	model_set_memory_load(m, id, 0, 0);
	model_advance(m, 6 * S);
	assert_int_equal(made_memory(m, id).actual_kib, 256 * MIB);
	model_free(m);
}

/* Measured: at 20 MiB/s it was killed after 15.7 and 16.5 s, holding 310 MiB, at 50 MiB unused. */
static void test_grower_is_killed(void **state)
{
	struct model *m = made_host(1, 0);
	unsigned int id = made_guest(m, 1);
	uint64_t least = UINT64_MAX, held = 0;

	(void)state;
	model_set_memory_load(m, id, 1700 * MIB, 20 * MIB);
	while (!made_memory(m, id).oom_kills && model_now(m) < 60 * S) {
		held = made_memory(m, id).load_kib;
		model_advance(m, model_now(m) + S / 10);
		if (!made_memory(m, id).oom_kills && made_memory(m, id).free_kib < least)
			least = made_memory(m, id).free_kib;
	}
	assert_in_range(model_now(m), 15 * S, 17 * S);
	assert_in_range(least, 45 * MIB, 56 * MIB);
	assert_in_range(held, 300 * MIB, 330 * MIB);
	assert_int_equal(made_memory(m, id).load_kib, 0);
	assert_true(made_memory(m, id).starved_ns > 0);
	/* With a balloon that follows it lives. */
	model_set_balloon(m, id, 2048 * MIB);
	model_set_memory_load(m, id, 1700 * MIB, 20 * MIB);
	model_advance(m, model_now(m) + 100 * S);
	assert_int_equal(made_memory(m, id).load_kib, 1700 * MIB);
	assert_int_equal(made_memory(m, id).oom_kills, 1);
	model_free(m);
}

static void test_page_cache_yields(void **state)
{
	struct model *m = made_host(1, 0);
	unsigned int id = made_guest(m, 1);
	struct model_memory full, pressed;

	(void)state;
	model_set_cache_load(m, id, 1024 * MIB, 100 * MIB);
	model_advance(m, 10 * S);
	full = made_memory(m, id);
	assert_in_range(full.free_kib, 55 * MIB, 72 * MIB);
	assert_true(full.usable_kib > 200 * MIB);
	model_set_memory_load(m, id, 200 * MIB, 50 * MIB);
	model_advance(m, 20 * S);
	pressed = made_memory(m, id);
	assert_int_equal(pressed.load_kib, 200 * MIB);
	assert_true(pressed.cache_kib + 190 * MIB < full.cache_kib);
	assert_in_range(pressed.free_kib, 50 * MIB, 72 * MIB);
	assert_int_equal(pressed.oom_kills, 0);
	model_free(m);
}

static void test_guest_swaps(void **state)
{
	struct model *m = made_host(1, 0);
	struct model_guest_config config;
	struct model_stats stats;
	unsigned int id;

	(void)state;
	model_guest_config_default(&config);
	config.swap_kib = 512 * MIB;
	id = (unsigned int)model_guest_add(m, &config);
	model_guest_start(m, id, true);
	model_set_stats_period(m, id, 1);
	model_set_memory_load(m, id, 600 * MIB, 50 * MIB);
	model_advance(m, 20 * S);
	assert_int_equal(made_memory(m, id).load_kib, 600 * MIB);
	assert_true(made_memory(m, id).swapped_kib > 100 * MIB);
	model_stats_read(m, id, &stats);
	assert_true(stats.swap_out_kib > 100 * MIB);
	assert_true(stats.major_faults > 0);
	/* Given memory, it comes back. */
	model_set_balloon(m, id, 1024 * MIB);
	model_advance(m, 60 * S);
	assert_int_equal(made_memory(m, id).swapped_kib, 0);
	model_stats_read(m, id, &stats);
	assert_true(stats.swap_in_kib > 100 * MIB);
	model_guest_reboot(m, id);
	model_advance(m, 70 * S);
	model_stats_read(m, id, &stats);
	assert_int_equal(stats.swap_in_kib, 0);
	assert_int_equal(stats.major_faults, 0);
	model_free(m);
}

static void test_rss_follows_use(void **state)
{
	struct model *m = made_host(1, 0);
	unsigned int id = made_guest(m, 1);
	uint64_t idle, loaded;

	(void)state;
	model_set_balloon(m, id, 2048 * MIB);
	model_advance(m, 10 * S);
	idle = made_memory(m, id).rss_kib;
	/* Promised, but not touched. */
	assert_true(idle < 320 * MIB);
	model_set_memory_load(m, id, 1000 * MIB, 0);
	model_advance(m, 20 * S);
	loaded = made_memory(m, id).rss_kib;
	/* What was free but held already is used first. */
	assert_near((double)(loaded - idle), 990 * MIB, 10 * MIB);
	/* Free page reporting gives it back, 128 MiB a second. */
	model_set_memory_load(m, id, 0, 0);
	model_advance(m, 25 * S);
	assert_near((double)(loaded - made_memory(m, id).rss_kib), 5 * 128 * MIB, 10 * MIB);
	model_advance(m, 40 * S);
	assert_near((double)made_memory(m, id).rss_kib, (double)idle, 10 * MIB);
	model_guest_stop(m, id);
	assert_int_equal(made_memory(m, id).rss_kib, 0);
	model_free(m);
}

/* --- statistics --- */

static uint64_t stats_age(struct model *m, unsigned int id)
{
	struct model_stats stats;

	model_stats_read(m, id, &stats);
	return stats.made_ns == MODEL_NEVER ? MODEL_NEVER : model_now(m) - stats.made_ns;
}

static void test_statistics(void **state)
{
	struct model *m = made_host(1, 0);
	unsigned int id;

	(void)state;
	model_advance(m, S);
	id = made_guest(m, 1);
	model_advance(m, 10 * S);
	/* Its driver told once, as it was loaded. */
	assert_int_equal(stats_age(m, id), 9 * S);
	model_set_stats_period(m, id, 3);
	model_advance(m, 10 * S + S / 2);
	assert_true(stats_age(m, id) < S / 2);
	for (unsigned int i = 0; i < 30; i++) {
		model_advance(m, model_now(m) + S / 2);
		assert_true(stats_age(m, id) <= 3 * S + S / 10);
	}
	/* The timer is the guest's: paused, it stands still. */
	model_guest_pause(m, id);
	model_advance(m, 40 * S);
	assert_true(stats_age(m, id) > 10 * S);
	model_guest_resume(m, id);
	model_advance(m, 44 * S);
	assert_true(stats_age(m, id) <= 3 * S + S / 10);
	model_set_stats_frozen(m, id, true);
	model_advance(m, 50 * S);
	assert_true(stats_age(m, id) > 5 * S);
	model_set_stats_frozen(m, id, false);
	model_set_stats_period(m, id, 0);
	model_advance(m, 60 * S);
	assert_true(stats_age(m, id) > 15 * S);
	/* A new process has told nothing, and nobody has set its period. */
	model_guest_stop(m, id);
	model_guest_start(m, id, false);
	model_advance(m, 62 * S);
	assert_int_equal(model_stats_period(m, id), 0);
	assert_int_equal(stats_age(m, id), MODEL_NEVER);
	model_advance(m, 70 * S);
	assert_int_equal(stats_age(m, id), 7 * S);
	model_free(m);
}

/* When the next report after now comes; it is looked for every millisecond. */
static uint64_t next_report(struct model *m, unsigned int id)
{
	struct model_stats before, after;

	model_stats_read(m, id, &before);
	do {
		model_advance(m, model_now(m) + S / 1000);
		model_stats_read(m, id, &after);
		assert_true(model_now(m) < 1000 * S);
	} while (after.made_ns == before.made_ns);
	return after.made_ns;
}

/* A period that is changed sets the timer anew, at time 0 as later; the same again does nothing. */
static void test_period_sets_the_timer(void **state)
{
	(void)state;
	for (uint64_t at = 0; at <= 3 * S; at += 3 * S) {
		struct model *m = made_host(1, 0.02);
		unsigned int id = made_guest(m, 1);
		uint64_t made;

		model_set_stats_period(m, id, 1);
		model_advance(m, at);
		model_set_stats_period(m, id, 2);
		made = next_report(m, id);
		assert_in_range(made, at + 2 * S, at + 2 * S + S / 50);
		for (unsigned int i = 1; i <= 20; i++) {
			model_advance(m, at + 2 * S + i * S / 20);
			model_set_stats_period(m, id, 2);
		}
		assert_in_range(next_report(m, id), made + 2 * S, made + 2 * S + S / 50);
		model_set_stats_period(m, id, 0);
		model_advance(m, model_now(m) + 5 * S);
		model_set_stats_period(m, id, 5);
		made = model_now(m);
		assert_in_range(next_report(m, id), made, made + S / 50);
		model_free(m);
	}
}

/* What guests tell drifts against whoever asks each second, the more the busier they are. */
static void test_reports_drift(void **state)
{
	struct model *m = made_host(1, 0.02);
	uint64_t phases[2][4], least = UINT64_MAX, most = 0;

	(void)state;
	for (unsigned int i = 0; i < 4; i++)
		model_set_stats_period(m, made_guest(m, 1), 1);
	for (unsigned int round = 0; round < 2; round++) {
		for (unsigned int i = 0; i < 4; i++)
			phases[round][i] = next_report(m, i) % S;
		model_advance(m, model_now(m) + 20 * S);
	}
	for (unsigned int i = 0; i < 4; i++) {
		uint64_t drift = (phases[1][i] + S - phases[0][i]) % S;

		least = phases[0][i] < least ? phases[0][i] : least;
		most = phases[0][i] > most ? phases[0][i] : most;
		assert_in_range(drift, S / 50, S / 5);
	}
	assert_true(most - least > S / 10);
	model_free(m);
}

/* Measured on idle guests: the same to the page for the most part. */
static void test_idle_guests_repeat(void **state)
{
	struct model *m = made_host(4, 0.02);
	unsigned int same = 0, seconds = 120;
	uint64_t before[4] = {0};

	(void)state;
	for (unsigned int i = 0; i < 4; i++)
		made_guest(m, 1);
	for (unsigned int second = 1; second <= seconds; second++) {
		model_advance(m, second * S);
		for (unsigned int i = 0; i < 4; i++) {
			struct model_memory memory = made_memory(m, i);

			assert_int_equal(
				(memory.free_kib | memory.usable_kib | memory.total_kib) % 4, 0);
			same += memory.free_kib == before[i];
			if (before[i])
				assert_near((double)memory.free_kib, (double)before[i], MIB);
			before[i] = memory.free_kib;
		}
	}
	assert_true(same > 4 * seconds * 3 / 4);
	assert_true(same < 4 * seconds); /* but not for ever */
	model_free(m);
}

/* --- the balloon over a guest's life --- */

static void test_odd_sizes(void **state)
{
	struct model *m = made_host(1, 0);
	unsigned int id = made_guest(m, 1);

	(void)state;
	for (uint64_t odd = 295229; odd <= 295232; odd++) {
		model_set_balloon(m, id, odd);
		model_advance(m, model_now(m) + 3 * S);
		assert_int_equal(made_memory(m, id).actual_kib, 295232);
		assert_int_equal(model_balloon_target(m, id), 295232);
	}
	/* On the way, too. */
	model_set_balloon(m, id, 2000001);
	for (unsigned int i = 0; i < 20; i++) {
		model_advance(m, model_now(m) + S / 10);
		assert_int_equal(made_memory(m, id).actual_kib % 4, 0);
	}
	model_free(m);
}

static void test_reboot_and_balloon(void **state)
{
	struct model *m = made_host(1, 0);
	unsigned int id = made_guest(m, 1);
	struct model_stats old, now;

	(void)state;
	model_set_stats_period(m, id, 1);
	model_set_balloon(m, id, 768 * MIB);
	model_advance(m, 5 * S);
	model_stats_read(m, id, &old);
	model_guest_reboot(m, id);
	/* Nothing that can be seen changes until the new kernel's driver is there. */
	for (unsigned int i = 1; i <= 29; i++) {
		model_advance(m, 5 * S + i * S / 10);
		assert_int_equal(made_memory(m, id).actual_kib, 768 * MIB);
		assert_int_equal(model_balloon_target(m, id), 768 * MIB);
		model_stats_read(m, id, &now);
		assert_int_equal(now.made_ns, old.made_ns);
	}
	/* Inside it has all of its memory, of which the driver then takes the most. */
	assert_true(made_memory(m, id).free_kib > 1800 * MIB);
	model_advance(m, 8 * S);
	assert_in_range(made_memory(m, id).actual_kib, 1700 * MIB, 2048 * MIB);
	model_stats_read(m, id, &now);
	assert_in_range(now.made_ns, 7 * S + S / 2, 8 * S);
	assert_true(now.unused_kib > 1700 * MIB);
	model_advance(m, 8 * S + S / 2);
	assert_in_range(made_memory(m, id).actual_kib, 1000 * MIB, 1700 * MIB);
	model_advance(m, 11 * S);
	assert_int_equal(made_memory(m, id).actual_kib, 768 * MIB);
	/* Without a driver the size of before stays. */
	model_guest_reboot(m, id);
	model_set_balloon_fault(m, id, &(struct model_balloon_fault){.no_driver = true});
	model_advance(m, 30 * S);
	assert_int_equal(made_memory(m, id).actual_kib, 768 * MIB);
	assert_true(made_memory(m, id).free_kib > 1800 * MIB);
	model_free(m);
}

static void test_start_and_balloon(void **state)
{
	struct model *m = made_host(1, 0);
	struct model_guest_config config;
	struct model_stats stats;
	unsigned int id;

	(void)state;
	model_guest_config_default(&config);
	id = (unsigned int)model_guest_add(m, &config);
	model_guest_start(m, id, false);
	model_set_stats_period(m, id, 1);
	model_advance(m, 2 * S);
	assert_int_equal(made_memory(m, id).actual_kib, 2048 * MIB);
	assert_int_equal(stats_age(m, id), MODEL_NEVER);
	/* It comes down over seconds, and tells meanwhile. */
	model_advance(m, 3 * S + S / 2);
	assert_in_range(made_memory(m, id).actual_kib, 1200 * MIB, 1900 * MIB);
	model_stats_read(m, id, &stats);
	assert_true(stats.available_kib > 1700 * MIB);
	model_advance(m, 6 * S);
	assert_int_equal(made_memory(m, id).actual_kib, 512 * MIB);
	model_free(m);
}

/* --- balloons that misbehave --- */

struct misbehaviour {
	const char *name;
	struct model_balloon_fault fault;
	uint64_t least_mib, most_mib; /* of actual, 2 s after 2048M were wished for */
	bool tells;		      /* statistics */
};

static void test_balloon_faults(void **state)
{
	static const struct misbehaviour rows[] = {
		{"none", {0}, 2048, 2048, true},
		{"no driver", {.no_driver = true}, 512, 512, false},
		{"stuck", {.stuck = true}, 512, 512, true},
		{"half the way", {.share = 0.5}, 1280, 1280, true},
		{"slow", {.rate_kib_s = 100 * MIB}, 700, 712, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct model *m = made_host(1, 0);
		unsigned int id = made_guest(m, 1);
		uint64_t actual;

		print_message("# balloon: %s\n", rows[i].name);
		model_set_balloon_fault(m, id, &rows[i].fault);
		model_advance(m, S);
		model_set_stats_period(m, id, 1);
		assert_int_equal(model_set_balloon(m, id, 2048 * MIB), 0);
		model_advance(m, 3 * S);
		actual = made_memory(m, id).actual_kib / MIB;
		assert_in_range(actual, rows[i].least_mib, rows[i].most_mib);
		assert_int_equal(stats_age(m, id) < 2 * S, rows[i].tells);
		/* It follows again once the fault is gone. */
		model_set_balloon_fault(m, id, &rows[0].fault);
		model_advance(m, 5 * S);
		assert_int_equal(made_memory(m, id).actual_kib, 2048 * MIB);
		model_free(m);
	}
}

static void test_hung_guest(void **state)
{
	struct model *m = made_host(1, 0);
	unsigned int id = made_guest(m, 1);
	struct rates r = {0};

	(void)state;
	model_set_stats_period(m, id, 1);
	model_advance(m, 5 * S);
	rates_read(m, id, 0, 5 * S, &r);
	model_set_hung(m, id, true);
	model_set_balloon(m, id, 1024 * MIB);
	assert_false(model_guest_ready(m, id));
	model_advance(m, 10 * S);
	rates_read(m, id, 0, 5 * S, &r);
	assert_near(r.run, 1, 0.001);
	assert_true(stats_age(m, id) > 4 * S);
	assert_int_equal(made_memory(m, id).actual_kib, 512 * MIB);
	model_set_hung(m, id, false);
	model_advance(m, 12 * S);
	assert_int_equal(made_memory(m, id).actual_kib, 1024 * MIB);
	model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_idle_guest_memory),
		cmocka_unit_test(test_balloon_speed),
		cmocka_unit_test(test_balloon_limits),
		cmocka_unit_test(test_balloon_retries),
		cmocka_unit_test(test_grower_is_killed),
		cmocka_unit_test(test_page_cache_yields),
		cmocka_unit_test(test_guest_swaps),
		cmocka_unit_test(test_rss_follows_use),
		cmocka_unit_test(test_statistics),
		cmocka_unit_test(test_balloon_faults),
		cmocka_unit_test(test_hung_guest),
		cmocka_unit_test(test_period_sets_the_timer),
		cmocka_unit_test(test_reports_drift),
		cmocka_unit_test(test_idle_guests_repeat),
		cmocka_unit_test(test_odd_sizes),
		cmocka_unit_test(test_reboot_and_balloon),
		cmocka_unit_test(test_start_and_balloon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
