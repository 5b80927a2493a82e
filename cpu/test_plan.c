/* SPDX-License-Identifier: MIT */
/* The policy, rule by rule, on a made-up host. */
#include "demand.h"
#include "made_up.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HEAVY 100.0
#define LIGHT 45.0

static int set_up(void **state)
{
	struct made_up *m = calloc(1, sizeof(*m));

	made_up_init(m, 4);
	*state = m;
	return m ? 0 : -1;
}

static int tear_down(void **state)
{
	made_up_free(*state);
	free(*state);
	return 0;
}

/* --- the course's cases, as a table --- */

struct course_case {
	const char *name;
	int pcpus;
	int start[8]; /* F: floats */
	double demand[8];
	size_t moves, pins; /* in all */
	double spread;	    /* of the wishes, at the end */
};

#define F CPU_FLOATING
#define ALL(x)                                                                                     \
	{                                                                                          \
		x, x, x, x, x, x, x, x                                                             \
	}

static const struct course_case course_cases[] = {
	{"balanced", 4, {0, 1, 2, 3, 0, 1, 2, 3}, ALL(LIGHT), 0, 0, 0},
	{"all on one", 4, ALL(0), ALL(LIGHT), 6, 6, 0},
	{"half and half", 4, {0, 0, 0, 0, 1, 1, 1, 1}, ALL(LIGHT), 4, 4, 0},
	{"floating, equal", 4, ALL(F), ALL(LIGHT), 0, 8, 0},
	{"floating, mixed",
	 4,
	 ALL(F),
	 {HEAVY, LIGHT, HEAVY, LIGHT, HEAVY, LIGHT, HEAVY, LIGHT},
	 0,
	 8,
	 0},
	{"idle", 4, {0, 1, 2, 3, 0, 1, 2, 3}, ALL(2), 0, 0, 0},
	{"idle, all on one", 4, ALL(0), ALL(2), 0, 0, 16},
	{"idle, floating", 4, ALL(F), ALL(2), 0, 0, 0},
	{"a swap is needed", 2, {0, 0, 1, 1}, {HEAVY, HEAVY, LIGHT, LIGHT}, 2, 2, 0},
	{"one vCPU is the whole load", 4, {2}, {HEAVY}, 0, 0, 100},
	{"as many as pCPUs", 4, {0, 0, 1, 1}, {60, 60, 60, 60}, 2, 2, 0},
	{"fewer than pCPUs", 4, {1, 1, 1}, {80, 80, 80}, 2, 2, 80},
	{"two small on one", 2, {0, 0}, {20, 20}, 1, 1, 0},
};

static double spread_of(const struct made_up *m)
{
	double least = INFINITY, most = 0;

	for (size_t p = 0; p < m->sample.npcpus; p++) {
		least = fmin(least, made_up_load(m, m->pcpus[p].id));
		most = fmax(most, made_up_load(m, m->pcpus[p].id));
	}
	return most - least;
}

static void test_course(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(course_cases) / sizeof(*course_cases); i++) {
		const struct course_case *c = &course_cases[i];
		struct made_up m;
		size_t moves = 0, pins = 0;
		/*
		 * At the second full window; what floats and never sleeps is seen once more, and of
		 * many that hide on one pCPU the last when the first have shown what they want.
		 */
		int first = c->start[0] == F && c->demand[0] == HEAVY ? 3 : 2;
		int last = strcmp(c->name, "all on one") ? first : 3;

		made_up_init(&m, (size_t)c->pcpus);
		for (int g = 0; g < 8 && c->demand[g] > 0; g++)
			made_up_guest(&m, c->start[g], c->demand[g]);
		for (int tick = 0; tick < 20; tick++) {
			moves += made_up_run(&m, 1);
			pins += m.plan.npins;
			if (m.plan.npins && (tick < first || tick > last))
				fail_msg("%s: pins at tick %d", c->name, tick);
		}
		if (moves != c->moves || pins != c->pins || fabs(spread_of(&m) - c->spread) > 1e-6)
			fail_msg("%s: %zu moves, %zu pins, spread %.1f", c->name, moves, pins,
				 spread_of(&m));
		assert_int_equal(m.plan.undone, 0);
		made_up_free(&m);
	}
}

/* --- time --- */

static void test_first_sample_decides_nothing(void **state)
{
	struct made_up *m = *state;

	for (int g = 0; g < 8; g++)
		made_up_guest(m, 0, HEAVY);
	assert_int_equal(made_up_tick(m), 0);
	assert_int_equal(m->plan.verdict, CPU_FIRST);
	assert_int_equal(made_up_run(m, 1), 0); /* one window is no confirmation */
	assert_in_range(made_up_run(m, 1), 1, 6);
}

static void test_once_decides_on_one_window(void **state)
{
	struct made_up *m = *state;

	m->policy.confirm = 1;
	for (int g = 0; g < 8; g++)
		made_up_guest(m, 0, HEAVY);
	made_up_tick(m);
	assert_int_equal(made_up_run(m, 1), 6);
}

static void test_windows_that_are_too_short_add_up(void **state)
{
	struct made_up *m = *state;

	for (int g = 0; g < 4; g++)
		made_up_guest(m, g, LIGHT);
	made_up_tick(m);
	made_up_pass(m, 0.03);
	made_up_tick(m);
	assert_int_equal(m->plan.verdict, CPU_FIRST);
	made_up_pass(m, 0.03);
	made_up_tick(m);
	assert_true(m->plan.elapsed_s > 0.059 && m->plan.elapsed_s < 0.061);
	assert_true(m->plan.vcpus[0].usage_pct > 44 && m->plan.vcpus[0].usage_pct < 46);
}

static void test_late_ticks_read_the_same(void **state)
{
	struct made_up *m = *state;

	for (int g = 0; g < 4; g++)
		made_up_guest(m, g, LIGHT);
	made_up_run(m, 3);
	made_up_pass(m, 7777);
	assert_int_equal(made_up_tick(m), 0);
	assert_true(fabs(m->plan.vcpus[0].usage_pct - LIGHT) < 0.1);
	/* A clock that goes back starts anew. */
	m->sample.time_s = 5;
	assert_int_equal(made_up_tick(m), 0);
	assert_int_equal(m->plan.verdict, CPU_FIRST);
	assert_int_equal(made_up_run(m, 3), 0);
	assert_int_equal(m->plan.verdict, CPU_BALANCED);
}

/* --- demand --- */

static void test_one_noisy_window_moves_nothing(void **state)
{
	struct made_up *m = *state;

	for (int g = 0; g < 8; g++)
		made_up_guest(m, g % 4, 40);
	made_up_run(m, 5);
	for (int i = 0; i < 10; i++) {
		m->demand[i % 8] = 95;
		assert_int_equal(made_up_run(m, 1), 0);
		m->demand[i % 8] = 40;
		assert_int_equal(made_up_run(m, 2), 0);
	}
}

static void test_a_change_is_acted_on_at_the_next_tick(void **state)
{
	struct made_up *m = *state;

	for (int g = 0; g < 8; g++)
		made_up_guest(m, g % 4, 40);
	made_up_run(m, 5);
	m->demand[0] = m->demand[4] = HEAVY; /* both on pCPU 0: best is 100, 100, 120, 120 */
	assert_int_equal(made_up_run(m, 1), 0);
	assert_in_range(made_up_run(m, 1), 1, 3);
	assert_in_range(made_up_run(m, 1), 0, 2);
	assert_int_equal(lround(spread_of(m)), 20);
	assert_int_equal(made_up_run(m, 20), 0);
}

static void test_demand_is_seen_through_waiting(void **state)
{
	struct made_up *m = *state;

	/* On one pCPU: 33 each for the busy, 20 for the light one. */
	made_up_guest(m, 0, HEAVY);
	made_up_guest(m, 0, HEAVY);
	made_up_guest(m, 0, 20);
	m->sample.npcpus = 1;
	made_up_run(m, 4);
	assert_int_equal(m->plan.vcpus[0].demand_pct, 100);
	assert_int_equal(lround(m->plan.vcpus[0].usage_pct), 40);
	assert_int_equal(lround(m->plan.vcpus[2].demand_pct), 20);
}

static void test_demand_without_delays(void **state)
{
	struct made_up *m = *state;

	made_up_guest(m, 0, HEAVY);
	made_up_guest(m, 0, HEAVY);
	made_up_guest(m, 0, 20);
	for (int v = 0; v < 3; v++)
		m->vcpus[v].delay_ns = CPU_NOT_KNOWN;
	m->sample.npcpus = 1;
	made_up_run(m, 4);
	assert_int_equal(m->plan.vcpus[0].demand_pct, 100);
	assert_int_equal(lround(m->plan.vcpus[2].demand_pct), 20);
	assert_true(m->plan.vcpus[2].delay_pct < 0);
}

static void test_what_was_seen_in_better_times_is_kept(void **state)
{
	struct made_up *m = *state;

	for (int g = 0; g < 8; g++)
		made_up_guest(m, g % 4, g < 4 ? HEAVY : LIGHT);
	assert_int_equal(made_up_run(m, 6), 0);
	/* Somebody else pins them all to one pCPU, where they all use 12.5 %. */
	for (int g = 0; g < 8; g++)
		m->vcpus[g].pcpu = 0;
	assert_int_equal(made_up_run(m, 1), 6);
	for (int p = 0; p < 4; p++)
		assert_int_equal(lround(made_up_load(m, p)), 145);
	assert_int_equal(made_up_run(m, 20), 0);
}

/* A window of one that got that share of what the largest on its pCPU did; what is then believed.
 */
static double believe_beside(struct cpu_belief *belief, double share, double usage_pct,
			     double delay_pct)
{
	const struct cpu_window window = {
		.elapsed_s = 2,
		.usage_pct = usage_pct,
		.delay_pct = delay_pct,
		.share = share,
		.crowd_pct = usage_pct + delay_pct,
		.cap_pct = 100,
	};

	cpu_believe(belief, &window, 2);
	return belief->demand_pct;
}

/* So many windows alike, then what is believed. */
static double believe(struct cpu_belief *belief, double usage_pct, double delay_pct, int windows)
{
	while (windows--)
		believe_beside(belief, 1, usage_pct, delay_pct);
	return belief->demand_pct;
}

static void test_a_full_pcpu_is_no_sign_of_more_demand(void **state)
{
	struct cpu_belief belief = {0}, other = {0};

	(void)state;
	assert_int_equal(lround(believe(&belief, 60, 5, 3)), 60);
	/*
	 * Another came: it gets what it got before, but never sleeps. Only if that stays it is
	 * tried.
	 */
	belief.disturbed = true;
	assert_int_equal(lround(believe(&belief, 60, 40, 10)), 60);
	assert_int_equal(lround(believe(&belief, 60, 40, 20)), 100);
	/*
	 * That it wants no more shows as soon as it sleeps again; the next time it is believed for
	 * longer.
	 */
	belief.disturbed = true;
	assert_int_equal(lround(believe(&belief, 60, 5, 1)), 60);
	belief.disturbed = true;
	assert_int_equal(lround(believe(&belief, 60, 40, 30)), 60);
	/* Whoever gets more on a full pCPU wants more. */
	assert_int_equal(lround(believe(&other, 60, 5, 3)), 60);
	assert_int_equal(lround(believe(&other, 70, 30, 2)), 100);
}

static void test_who_sleeps_no_more_wants_more(void **state)
{
	struct cpu_belief paced = {0}, crowded = {0}, joined = {0};

	(void)state;
	/* Two of 45 % on one pCPU turn busy: each gets 50, within the margin of what it wanted. */
	assert_int_equal(lround(believe(&paced, 45, 46, 6)), 45);
	assert_int_equal(lround(believe(&paced, 47, 53, 2)), 100);
	/* Next to no sleep before says nothing, */
	assert_int_equal(lround(believe(&crowded, 49, 45.3, 6)), 49);
	assert_int_equal(lround(believe(&crowded, 49, 51, 10)), 49);
	/* nor does sleep in other surroundings. */
	assert_int_equal(lround(believe(&joined, 49, 0, 6)), 49);
	joined.disturbed = true;
	assert_int_equal(lround(believe(&joined, 49, 51, 10)), 49);
}

/* On a pCPU that is nearly full there is no time to sleep now and then. */
static void test_a_nearly_full_pcpu_wakes_nobody(void **state)
{
	struct made_up *m = *state;

	made_up_guest(m, 0, 53);
	made_up_guest(m, 0, 44);
	made_up_guest(m, 1, 92);
	m->sample.npcpus = 2;
	assert_int_equal(made_up_run(m, 6), 0);
	for (int tick = 0; tick < 8; tick++) {
		made_up_pass(m, 2);
		m->vcpus[0].delay_ns += 500000000; /* what it slept before */
		assert_int_equal(made_up_tick(m), 0);
	}
	assert_int_equal(lround(m->plan.vcpus[0].demand_pct), 53);
	/* With more time to sleep, both turn busy: the pCPU does more. */
	m->demand[0] = 48;
	assert_int_equal(made_up_run(m, 6), 0);
	m->demand[0] = m->demand[1] = HEAVY;
	made_up_run(m, 2);
	assert_int_equal(lround(m->plan.vcpus[0].demand_pct), 100);
}

/* A wait that goes on at a window's end is missing in it, and too much in the next. */
static void test_waits_count_when_they_end(void **state)
{
	struct cpu_belief busy = {0}, paced = {0}, crowded = {0}, fourth = {0}, hidden = {0};

	(void)state;
	/* Beside another that turned busy too, and got more of the pCPU. */
	assert_int_equal(lround(believe(&busy, 42, 33, 6)), 42);
	believe_beside(&busy, 0.8, 44, 54.6);
	assert_int_equal(lround(believe_beside(&busy, 0.8, 42, 56.4)), 100);
	assert_int_equal(lround(believe_beside(&busy, 0.8, 44, 52)), 100);
	/* Four busy ones: a hundredth of the pCPU less than the others is no sleep. */
	assert_int_equal(lround(believe_beside(&fourth, 0.942, 24.5, 73)), 0);
	assert_int_equal(lround(believe_beside(&fourth, 0.942, 24.5, 73)), 100);
	/* The last wait of a window may hide 5.2 % of it: that is no sleep to found a belief on. */
	assert_int_equal(lround(believe(&hidden, 53.5, 41.3, 2)), 100);
	/* Kept short by a busy one, but with time to sleep. */
	assert_int_equal(lround(believe(&paced, 42, 33, 6)), 42);
	for (int i = 0; i < 8; i++) {
		believe_beside(&paced, 0.4, 27, 66);
		assert_true(believe_beside(&paced, 0.4, 28, 69) < 43);
	}
	/* Moved, and one in a crowd again: what it seems to sleep is a wait that goes on. */
	assert_int_equal(lround(believe(&crowded, 12.5, 87.5, 3)), 100);
	crowded.disturbed = true;
	assert_int_equal(lround(believe(&crowded, 12.5, 82.2, 1)), 100);
	/* Moved to where it has room: it sleeps. */
	crowded.pending = false;
	crowded.disturbed = true;
	assert_int_equal(lround(believe(&crowded, 45, 44, 1)), 45);
}

static void test_capped_guests_count_with_their_cap(void **state)
{
	struct made_up *m = *state;

	for (int g = 0; g < 2; g++) {
		made_up_guest(m, 0, HEAVY);
		m->guests[g].cap_pct = 30;
	}
	made_up_guest(m, 1, 60);
	m->sample.npcpus = 2;
	assert_int_equal(made_up_run(m, 10), 0); /* 60 and 60 */
	assert_int_equal(m->plan.verdict, CPU_BALANCED);
	assert_int_equal(lround(m->plan.vcpus[0].demand_pct), 30);
}

static void test_weights_are_what_is_due(void **state)
{
	struct made_up *m = *state;

	/* Two that weigh twice as much on one pCPU get 50 each there and 67 beside a common one. */
	for (int g = 0; g < 4; g++) {
		made_up_guest(m, g / 2, HEAVY);
		m->guests[g].weight = g < 2 ? 2 : 1;
	}
	m->sample.npcpus = 2;
	assert_int_equal(made_up_run(m, 4), 2);
	assert_int_not_equal(m->vcpus[0].pcpu, m->vcpus[1].pcpu);
	assert_int_not_equal(m->vcpus[2].pcpu, m->vcpus[3].pcpu);
	assert_int_equal(made_up_run(m, 20), 0);
}

static void test_a_guests_vcpus_share_its_weight(void **state)
{
	struct made_up *m = *state;

	/* Of two guests that weigh the same each is due one of the two pCPUs, however many vCPUs.
	 */
	made_up_guest(m, 0, HEAVY);
	made_up_guest(m, 0, HEAVY);
	made_up_vcpu(m, 1, HEAVY);
	made_up_vcpu(m, 1, HEAVY);
	made_up_vcpu(m, 1, HEAVY);
	m->sample.npcpus = 2;
	assert_int_equal(made_up_run(m, 6), 1);
	for (int v = 1; v < 5; v++)
		assert_int_not_equal(m->vcpus[v].pcpu, m->vcpus[0].pcpu);
}

static void test_of_equal_moves_those_of_few_guests(void **state)
{
	struct made_up m;

	(void)state;
	/* On each of four pCPUs a vCPU of this and one of that guest; the other four are empty. */
	made_up_init(&m, 8);
	for (int g = 0; g < 2; g++) {
		for (int v = 0; v < 4; v++) {
			if (v)
				made_up_vcpu(&m, v, (g + v) % 2 ? 44 : 46);
			else
				made_up_guest(&m, v, g ? 44 : 46);
		}
	}
	assert_int_equal(made_up_run(&m, 6), 4);
	for (int v = 0; v < 4; v++)
		assert_int_equal(m.vcpus[v].pcpu < 4, m.vcpus[0].pcpu < 4);
	made_up_free(&m);
}

/* --- what floats --- */

static void test_an_idle_floater_keeps_nobody_from_being_balanced(void **state)
{
	struct made_up *m = *state;

	for (int g = 0; g < 10; g++)
		made_up_guest(m, 0, 9);
	made_up_guest(m, CPU_FLOATING, 0);
	assert_true(made_up_run(m, 4) > 0);
	assert_true(m->plan.spread_pct <= 10);
}

static void test_to_place_one_is_no_reason_to_move_others(void **state)
{
	struct made_up *m = *state;

	/* 60 and 47: a move would mend it, but costs more than that. */
	made_up_guest(m, 0, 55);
	made_up_guest(m, 0, 5);
	made_up_guest(m, 1, 47);
	m->sample.npcpus = 2;
	m->policy.cost_pct = 20;
	assert_int_equal(made_up_run(m, 4), 0);
	made_up_guest(m, CPU_FLOATING, 2);
	assert_int_equal(made_up_run(m, 4), 0);
	assert_int_not_equal(m->vcpus[3].pcpu, CPU_FLOATING);
}

/* --- who comes and goes --- */

static void test_counters_go_back_at_a_reboot(void **state)
{
	struct made_up *m = *state;

	for (int g = 0; g < 8; g++)
		made_up_guest(m, g % 4, 50);
	made_up_run(m, 4);
	made_up_pass(m, 2);
	m->vcpus[0].run_ns = 5;
	m->vcpus[0].delay_ns = 0;
	made_up_tick(m);
	assert_false(m->plan.vcpus[0].known);
	assert_int_equal(m->plan.npins, 0);
	assert_int_equal(made_up_run(m, 4), 0);
	assert_true(m->plan.vcpus[0].known);
}

static void test_a_guest_comes_and_another_goes(void **state)
{
	struct made_up *m = *state;

	for (int g = 0; g < 4; g++)
		made_up_guest(m, g, 50);
	assert_int_equal(made_up_run(m, 4), 0);
	/* In the middle of the list, with counters that are no continuation of the one before. */
	m->guests[1].uuid[5] = 77;
	m->vcpus[1].run_ns = 12345;
	m->vcpus[1].pcpu = 0;
	made_up_pass(m, 2);
	assert_int_equal(made_up_tick(m), 0);
	assert_false(m->plan.vcpus[1].known);
	assert_int_equal(made_up_run(m, 2), 1); /* 100 on pCPU 0, none on 1 */
	assert_int_equal(m->vcpus[1].pcpu == 1 || m->vcpus[0].pcpu == 1, 1);
	/* All others vanish. */
	m->sample.nguests = m->sample.nvcpus = 1;
	assert_int_equal(made_up_run(m, 3), 0);
	m->sample.nguests = m->sample.nvcpus = 0;
	assert_int_equal(made_up_run(m, 2), 0);
	assert_int_equal(m->plan.verdict, CPU_EMPTY);
}

static void test_pcpus_come_and_go(void **state)
{
	struct made_up *m = *state;

	for (int g = 0; g < 8; g++)
		made_up_guest(m, g % 4, 50);
	assert_int_equal(made_up_run(m, 4), 0);
	/* pCPU 3 goes: its guests float, as Linux has it. */
	m->sample.npcpus = 3;
	m->vcpus[3].pcpu = m->vcpus[7].pcpu = CPU_FLOATING;
	made_up_run(m, 3);
	assert_in_range(m->vcpus[3].pcpu, 0, 2);
	assert_in_range(m->vcpus[7].pcpu, 0, 2);
	assert_int_equal(made_up_run(m, 5), 0);
	/* And back it comes. */
	m->sample.npcpus = 4;
	made_up_run(m, 4);
	assert_int_equal(lround(spread_of(m)), 0);
	assert_int_equal(made_up_run(m, 10), 0);
}

static void test_pcpus_with_holes(void **state)
{
	struct made_up *m = *state;
	static const int ids[] = {1, 7, 64, 129};

	for (int p = 0; p < 4; p++)
		m->pcpus[p].id = ids[p];
	for (int g = 0; g < 8; g++)
		made_up_guest(m, 64, HEAVY);
	assert_int_equal(made_up_run(m, 4), 6);
	for (int p = 0; p < 4; p++)
		assert_int_equal(lround(made_up_load(m, ids[p])), 200);
}

/* --- what full pCPUs hide --- */

/* One of three that want 40 %, all on one pCPU, is all that must leave; the rest is seen then. */
static void test_looks_before_it_plans(void **state)
{
	struct made_up *m = *state;

	for (int g = 0; g < 3; g++)
		made_up_guest(m, 0, 40);
	for (int g = 0; g < 5; g++)
		made_up_guest(m, 1 + g % 3, 40);
	assert_int_equal(made_up_run(m, 3), 1);
	assert_int_equal(made_up_run(m, 20), 0);
	assert_int_equal(lround(spread_of(m)), 0);
}

/* What was likely is not planned for any longer when it is seen to be otherwise. */
static void test_plans_what_it_then_sees(void **state)
{
	struct made_up *m = *state;
	static const double demand[] = {60, 60, 60, 20, 20, 20, 20, 20};

	for (int g = 0; g < 8; g++)
		made_up_guest(m, g < 3 ? 0 : 1 + g % 3, demand[g]);
	made_up_run(m, 6);
	assert_true(spread_of(m) <= 20 + 1e-6);
	assert_int_equal(made_up_run(m, 20), 0);
}

/* Hidden loads on several pCPUs: each is relieved before the next look, not one after another. */
static void test_looks_everywhere_at_once(void **state)
{
	struct made_up *m = *state;
	bool left[2] = {false, false};

	for (int g = 0; g < 6; g++)
		made_up_guest(m, g < 3 ? 0 : 1, 40);
	made_up_run(m, 3);
	for (size_t i = 0; i < m->plan.npins; i++)
		left[m->plan.pins[i].from] = true;
	assert_true(left[0] && left[1]);
	made_up_run(m, 10);
	assert_true(spread_of(m) <= 40 + 1e-6);
}

/* Where no pCPU has room there is no place to look: what never sleeps counts with its due. */
static void test_does_not_look_where_all_is_full(void **state)
{
	struct made_up *m = *state;

	for (int g = 0; g < 12; g++)
		made_up_guest(m, g < 6 ? 0 : 1 + g % 3, HEAVY);
	assert_int_equal(made_up_run(m, 3), 3);
	assert_int_equal(made_up_run(m, 20), 0);
}

/* Who decides once decides at once. */
static void test_once_does_not_look(void **state)
{
	struct made_up *m = *state;

	m->policy.confirm = 1;
	for (int g = 0; g < 6; g++)
		made_up_guest(m, 0, 60);
	made_up_tick(m);
	made_up_run(m, 1);
	assert_in_range(m->plan.moves, 4, 5);
}

/* --- what is not ours --- */

static void test_unusable_pcpus_are_left(void **state)
{
	struct made_up *m = *state;

	m->pcpus[0].usable = m->pcpus[2].usable = false;
	for (int g = 0; g < 4; g++)
		made_up_guest(m, g, HEAVY);
	made_up_run(m, 4);
	assert_int_equal(lround(made_up_load(m, 1)), 200);
	assert_int_equal(lround(made_up_load(m, 3)), 200);
	assert_int_equal(made_up_run(m, 10), 0);
}

static void test_unmanaged_guests_count_but_stay(void **state)
{
	struct made_up *m = *state;

	m->sample.npcpus = 2;
	for (int g = 0; g < 4; g++) {
		made_up_guest(m, 0, 40);
		m->guests[g].managed = g >= 2;
	}
	made_up_run(m, 5);
	assert_int_equal(m->vcpus[0].pcpu, 0);
	assert_int_equal(m->vcpus[1].pcpu, 0);
	assert_int_equal(m->vcpus[2].pcpu, 1);
	assert_int_equal(m->vcpus[3].pcpu, 1);
}

static void test_the_hosts_own_load_counts(void **state)
{
	struct made_up *m = *state;

	m->other[0] = 80;
	m->sample.npcpus = 2;
	for (int g = 0; g < 4; g++)
		made_up_guest(m, g % 2, 25);
	made_up_run(m, 20);
	assert_int_equal(lround(made_up_load(m, 0)), 0);
	assert_int_equal(made_up_run(m, 10), 0);
}

static void test_restrictions_are_kept(void **state)
{
	struct made_up *m = *state;
	static const unsigned char two[] = {0x03}, last[] = {0x08};

	for (int g = 0; g < 8; g++) {
		made_up_guest(m, 0, 50);
		m->vcpus[g].allowed = g < 4 ? two : last;
		m->vcpus[g].allowed_len = 1;
	}
	made_up_run(m, 10);
	for (int g = 0; g < 4; g++)
		assert_in_range(m->vcpus[g].pcpu, 0, 1);
	for (int g = 4; g < 8; g++)
		assert_int_equal(m->vcpus[g].pcpu, 3);
	assert_int_equal(lround(made_up_load(m, 0)), 100);
	assert_int_equal(made_up_run(m, 10), 0);
}

/* As while its pins fail: it stays, and the others are balanced around it. */
static void test_who_may_go_nowhere_stays_and_counts(void **state)
{
	struct made_up *m = *state;
	static const unsigned char nowhere[1];

	m->sample.npcpus = 2;
	for (int g = 0; g < 4; g++)
		made_up_guest(m, 0, 24);
	m->vcpus[0].allowed = m->vcpus[1].allowed = nowhere;
	m->vcpus[0].allowed_len = m->vcpus[1].allowed_len = 1;
	assert_int_equal(made_up_run(m, 10), 2);
	assert_int_equal(m->vcpus[0].pcpu, 0);
	assert_int_equal(m->vcpus[1].pcpu, 0);
	assert_int_equal(lround(made_up_load(m, 1)), 48);
}

/* --- cost, nodes, threads, vCPUs of one guest --- */

static void test_nothing_is_moved_for_less_than_it_costs(void **state)
{
	struct made_up *m = *state;

	m->policy.cost_pct = 100;
	for (int g = 0; g < 8; g++)
		made_up_guest(m, g / 4, 20);
	assert_int_equal(made_up_run(m, 10), 0);
	assert_int_equal(m->plan.verdict, CPU_BEST);
}

/* What crosses the threshold by a breath is seen several times in a row before it counts. */
static void test_a_breath_over_the_threshold_waits(void **state)
{
	struct made_up *m = *state;
	size_t large;

	m->sample.npcpus = 2;
	large = made_up_guest(m, 0, 60);
	made_up_guest(m, 0, 6);
	made_up_guest(m, 1, 57);
	assert_int_equal(made_up_run(m, 4), 0);
	m->demand[large] = 61.5;
	/* One window to notice, one to be sure; then it is not new any more. */
	assert_int_equal(made_up_run(m, 2), 0);
	assert_int_equal(m->plan.verdict, CPU_HELD);
	m->demand[large] = 60;
	assert_int_equal(made_up_run(m, 3), 0);
	assert_int_equal(m->plan.verdict, CPU_BALANCED);
	m->demand[large] = 61.5;
	assert_int_equal(made_up_run(m, 8), 1);
	assert_int_equal(m->plan.verdict, CPU_BALANCED);
}

/* What is over it by no more than the noise of what is measured may as well be under it. */
static void test_what_may_be_chance_is_left(void **state)
{
	struct made_up *m = *state;
	size_t large;

	m->sample.npcpus = 2;
	large = made_up_guest(m, 0, 58.5);
	made_up_guest(m, 0, 6);
	made_up_guest(m, 1, 57);
	for (int tick = 0; tick < 40; tick++) {
		m->demand[large] = (tick < 10 ? 58.5 : 61.3) + (tick % 2 ? 0.8 : -0.8);
		assert_int_equal(made_up_run(m, 1), 0);
	}
	assert_int_equal(m->plan.verdict, CPU_HELD);
	assert_true(m->plan.spread_pct > 10);
	/* What is over it by more is not. */
	for (int tick = 0; tick < 8 && m->plan.verdict != CPU_BALANCED; tick++) {
		m->demand[large] = 64 + (tick % 2 ? 0.8 : -0.8);
		made_up_run(m, 1);
	}
	assert_int_equal(m->plan.verdict, CPU_BALANCED);
}

static void test_what_floats_is_placed_without_waiting(void **state)
{
	struct made_up *m = *state;
	size_t late;

	m->sample.npcpus = 2;
	made_up_guest(m, 0, 60);
	made_up_guest(m, 1, 57);
	assert_int_equal(made_up_run(m, 6), 0);
	late = made_up_guest(m, CPU_FLOATING, 15);
	made_up_run(m, 3);
	assert_int_not_equal(m->vcpus[late].pcpu, CPU_FLOATING);
}

static void test_guests_stay_on_their_node(void **state)
{
	struct made_up *m = *state;

	for (int p = 0; p < 4; p++)
		m->pcpus[p].node = p / 2;
	/* 90 and 60 on one node, 60 and 60 on the other: 15 points are not worth leaving it. */
	made_up_guest(m, 0, 45);
	made_up_guest(m, 0, 45);
	made_up_guest(m, 1, 30);
	made_up_guest(m, 1, 30);
	made_up_guest(m, 2, 60);
	made_up_guest(m, 3, 60);
	assert_int_equal(made_up_run(m, 4), 2);
	for (int g = 0; g < 4; g++)
		assert_in_range(m->vcpus[g].pcpu, 0, 1);
	assert_int_equal(made_up_run(m, 10), 0);
	/* A node that is twice as busy is. */
	m->demand[4] = m->demand[5] = 5;
	assert_true(made_up_run(m, 4) > 0);
	assert_true(spread_of(m) < 30);
	assert_int_equal(made_up_run(m, 10), 0);
}

static void test_memory_says_which_node(void **state)
{
	struct made_up *m = *state;

	for (int p = 0; p < 4; p++)
		m->pcpus[p].node = p / 2;
	for (int g = 0; g < 4; g++) {
		made_up_guest(m, CPU_FLOATING, 60);
		m->guests[g].node = g / 2;
	}
	made_up_run(m, 4);
	for (int g = 0; g < 4; g++)
		assert_int_equal(m->vcpus[g].pcpu / 2, g / 2);
}

static void test_busy_vcpus_of_a_guest_are_parted(void **state)
{
	struct made_up *m = *state;

	/*
	 * Two guests, each with both vCPUs on one pCPU: the loads are even, the guests are not
	 * served.
	 */
	made_up_guest(m, 0, 50);
	made_up_vcpu(m, 0, 50);
	made_up_guest(m, 1, 50);
	made_up_vcpu(m, 1, 50);
	m->sample.npcpus = 2;
	assert_int_equal(made_up_run(m, 4), 2);
	assert_int_equal(m->plan.npins, 0);
	assert_int_not_equal(m->vcpus[0].pcpu, m->vcpus[1].pcpu);
	assert_int_not_equal(m->vcpus[2].pcpu, m->vcpus[3].pcpu);
	assert_int_equal(made_up_run(m, 10), 0);
}

static void test_realtime_is_parted_from_busy(void **state)
{
	struct made_up *m = *state;
	size_t realtime = made_up_guest(m, 0, 38);

	m->vcpus[realtime].realtime = true;
	made_up_guest(m, 0, 50);
	for (int p = 1; p < 4; p++) {
		made_up_guest(m, p, p == 3 ? 48 : 45);
		made_up_guest(m, p, p == 3 ? 44 : 40);
	}
	/* It changes places with one that is not busy. */
	assert_int_equal(made_up_run(m, 4), 2);
	assert_int_not_equal(m->vcpus[realtime].pcpu, m->vcpus[realtime + 1].pcpu);
	assert_true(spread_of(m) <= 10);
	assert_int_equal(made_up_run(m, 10), 0);
}

static void test_busy_threads_of_a_core_are_parted(void **state)
{
	struct made_up *m = *state;

	for (int p = 0; p < 4; p++)
		m->pcpus[p].core = p / 2 * 2;
	made_up_guest(m, 0, 90);
	made_up_guest(m, 1, 90);
	assert_int_equal(made_up_run(m, 4), 1);
	assert_int_not_equal(m->vcpus[0].pcpu / 2, m->vcpus[1].pcpu / 2);
	assert_int_equal(made_up_run(m, 10), 0);
}

static void test_an_undone_move_is_counted(void **state)
{
	struct made_up *m = *state;

	m->sample.npcpus = 2;
	m->policy.confirm = 1;
	for (int g = 0; g < 3; g++)
		made_up_guest(m, g % 2, 60);
	made_up_guest(m, 0, 10);
	made_up_run(m, 3);
	for (int i = 0; i < 4; i++) {
		m->demand[0] = i % 2 ? 10 : 100;
		m->demand[2] = i % 2 ? 100 : 10;
		made_up_run(m, 1);
	}
	made_up_run(m, 3);
	assert_true(spread_of(m) <= 60);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_course),
		TEST(test_first_sample_decides_nothing),
		TEST(test_once_decides_on_one_window),
		TEST(test_windows_that_are_too_short_add_up),
		TEST(test_late_ticks_read_the_same),
		TEST(test_one_noisy_window_moves_nothing),
		TEST(test_a_change_is_acted_on_at_the_next_tick),
		TEST(test_demand_is_seen_through_waiting),
		TEST(test_demand_without_delays),
		TEST(test_what_was_seen_in_better_times_is_kept),
		TEST(test_a_full_pcpu_is_no_sign_of_more_demand),
		TEST(test_who_sleeps_no_more_wants_more),
		TEST(test_a_nearly_full_pcpu_wakes_nobody),
		TEST(test_waits_count_when_they_end),
		TEST(test_capped_guests_count_with_their_cap),
		TEST(test_weights_are_what_is_due),
		TEST(test_a_guests_vcpus_share_its_weight),
		TEST(test_of_equal_moves_those_of_few_guests),
		TEST(test_an_idle_floater_keeps_nobody_from_being_balanced),
		TEST(test_to_place_one_is_no_reason_to_move_others),
		TEST(test_counters_go_back_at_a_reboot),
		TEST(test_a_guest_comes_and_another_goes),
		TEST(test_pcpus_come_and_go),
		TEST(test_pcpus_with_holes),
		TEST(test_looks_before_it_plans),
		TEST(test_plans_what_it_then_sees),
		TEST(test_looks_everywhere_at_once),
		TEST(test_does_not_look_where_all_is_full),
		TEST(test_once_does_not_look),
		TEST(test_unusable_pcpus_are_left),
		TEST(test_unmanaged_guests_count_but_stay),
		TEST(test_the_hosts_own_load_counts),
		TEST(test_restrictions_are_kept),
		TEST(test_who_may_go_nowhere_stays_and_counts),
		TEST(test_nothing_is_moved_for_less_than_it_costs),
		TEST(test_a_breath_over_the_threshold_waits),
		TEST(test_what_may_be_chance_is_left),
		TEST(test_what_floats_is_placed_without_waiting),
		TEST(test_guests_stay_on_their_node),
		TEST(test_memory_says_which_node),
		TEST(test_busy_vcpus_of_a_guest_are_parted),
		TEST(test_realtime_is_parted_from_busy),
		TEST(test_busy_threads_of_a_core_are_parted),
		TEST(test_an_undone_move_is_counted),
	};

	return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
