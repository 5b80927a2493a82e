/* SPDX-License-Identifier: MIT */
/* The policy, rule by rule, on a made-up host whose counters follow made-up loads. */
#include "plan.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define VCPUS_MOST 64
#define PCPUS_MOST 16

/* A host in which every vCPU runs and waits at given rates. */
struct bench {
	struct cpu_state *state;
	struct cpu_policy policy;
	struct cpu_plan plan;
	struct cpu_sample sample;
	struct cpu_pcpu pcpus[PCPUS_MOST];
	struct cpu_guest guests[VCPUS_MOST];
	struct cpu_vcpu vcpus[VCPUS_MOST];
	double demand[VCPUS_MOST]; /* % of a pCPU; per guest one vCPU */
};

static int set_up(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	b->state = cpu_state_new();
	cpu_policy_init(&b->policy);
	b->sample.pcpus = b->pcpus;
	b->sample.guests = b->guests;
	b->sample.vcpus = b->vcpus;
	b->sample.time_s = 1000;
	*state = b;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *b = *state;

	cpu_state_free(b->state);
	cpu_plan_free(&b->plan);
	free(b);
	return 0;
}

static void make_host(struct bench *b, size_t npcpus)
{
	b->sample.npcpus = npcpus;
	for (size_t p = 0; p < npcpus; p++)
		b->pcpus[p] = (struct cpu_pcpu){.id = (int)p, .core = -1, .cache = -1, .node = -1,
						.usable = true};
}

static void add_guest(struct bench *b, int pcpu, double demand)
{
	size_t g = b->sample.nguests++;

	b->guests[g] = (struct cpu_guest){.managed = true, .weight = 1, .cap_pct = 100, .node = -1};
	b->guests[g].uuid[0] = (unsigned char)(g + 1);
	b->vcpus[b->sample.nvcpus++] = (struct cpu_vcpu){.guest = g, .pcpu = pcpu};
	b->demand[g] = demand;
}

/*
 * Time passes: each pCPU is shared fairly. A vCPU that does not get its demand waits all of the rest
 * of the time; one that does waits as long as the others run, at most.
 */
static void pass(struct bench *b, double seconds)
{
	b->sample.time_s += seconds;
	for (size_t p = 0; p < b->sample.npcpus; p++) {
		size_t mine[VCPUS_MOST], n = 0, left;
		double got[VCPUS_MOST] = {0}, room = 100, used = 0;

		for (size_t v = 0; v < b->sample.nvcpus; v++) {
			if (b->vcpus[v].pcpu == b->pcpus[p].id ||
			    (b->vcpus[v].pcpu == CPU_FLOATING && v % b->sample.npcpus == p))
				mine[n++] = v;
		}
		left = n;
		/* Water-filling: whoever wants less than an equal share gets all it wants. */
		for (bool again = true; again && left;) {
			double share = room / (double)left;

			again = false;
			for (size_t i = 0; i < n; i++) {
				if (got[i] > 0 || b->demand[mine[i]] > share)
					continue;
				got[i] = fmax(b->demand[mine[i]], 1e-9);
				room -= got[i];
				left--;
				again = true;
			}
		}
		for (size_t i = 0; i < n; i++) {
			got[i] = got[i] > 0 ? got[i] : room / (double)left;
			used += got[i];
		}
		for (size_t i = 0; i < n; i++) {
			struct cpu_vcpu *vcpu = &b->vcpus[mine[i]];
			double wait = b->demand[mine[i]] > got[i] + 1e-6 ?
					      100 - got[i] : got[i] * (used - got[i]) / 100;

			vcpu->run_ns += (uint64_t)(got[i] / 100 * seconds * 1e9);
			vcpu->delay_ns += (uint64_t)(wait / 100 * seconds * 1e9);
		}
		b->pcpus[p].busy_ns += (uint64_t)(used / 100 * seconds * 1e9);
	}
}

static const struct cpu_plan *tick(struct bench *b)
{
	assert_int_equal(cpu_plan(b->state, &b->policy, &b->sample, &b->plan), 0);
	return &b->plan;
}

static void make_pins(struct bench *b)
{
	for (size_t i = 0; i < b->plan.npins; i++)
		b->vcpus[b->plan.pins[i].vcpu].pcpu = b->plan.pins[i].to;
}

/* Ticks at an interval of 2 s, doing what the plan says. Returns all moves, and all pins in *pins. */
static size_t run(struct bench *b, unsigned int ticks, size_t *pins)
{
	size_t moves = 0;

	for (unsigned int i = 0; i < ticks; i++) {
		pass(b, 2);
		tick(b);
		make_pins(b);
		moves += b->plan.moves;
		if (pins)
			*pins += b->plan.npins;
	}
	return moves;
}

static void test_all_on_one(void **state)
{
	struct bench *b = *state;

	make_host(b, 4);
	for (int g = 0; g < 8; g++)
		add_guest(b, 0, 100);
	tick(b);
	assert_int_equal(b->plan.verdict, CPU_FIRST);
	assert_int_equal(run(b, 1, NULL), 0); /* one window is no confirmation */
	assert_int_equal(b->plan.nvcpus, 8);
	assert_int_equal(run(b, 1, NULL), 6);
	assert_int_equal(b->plan.bound, 6);
	assert_int_equal(run(b, 20, NULL), 0);
	assert_int_equal(b->plan.verdict, CPU_BALANCED);
}

static void test_idle_noise_moves_nothing(void **state)
{
	struct bench *b = *state;

	make_host(b, 4);
	for (int g = 0; g < 8; g++)
		add_guest(b, 0, 2);
	for (int i = 0; i < 50; i++) {
		for (int g = 0; g < 8; g++)
			b->demand[g] = 1 + (i * 7 + g * 3) % 5;
		assert_int_equal(run(b, 1, NULL), 0);
	}
	assert_int_equal(b->plan.verdict, CPU_QUIET);
}

static void test_mixed_floating(void **state)
{
	struct bench *b = *state;
	size_t pins = 0;
	double load[4] = {0};

	make_host(b, 4);
	for (int g = 0; g < 8; g++)
		add_guest(b, CPU_FLOATING, 1);
	assert_int_equal(run(b, 3, &pins), 0);
	assert_int_equal(pins, 0); /* nothing tells them apart yet */
	for (int g = 0; g < 8; g++)
		b->demand[g] = g % 2 ? 100 : 45;
	assert_int_equal(run(b, 10, &pins), 0);
	assert_int_equal(pins, 8);
	for (int g = 0; g < 8; g++)
		load[b->vcpus[g].pcpu] += b->demand[g];
	for (int p = 0; p < 4; p++)
		assert_int_equal((int)load[p], 145);
}

static void test_one_noisy_window(void **state)
{
	struct bench *b = *state;

	make_host(b, 2);
	for (int g = 0; g < 4; g++)
		add_guest(b, g % 2, 40);
	run(b, 5, NULL);
	b->demand[0] = 95;
	assert_int_equal(run(b, 1, NULL), 0);
	b->demand[0] = 40;
	assert_int_equal(run(b, 5, NULL), 0);
}

static void test_lone_heavy_stays(void **state)
{
	struct bench *b = *state;

	make_host(b, 4);
	add_guest(b, 2, 100);
	assert_int_equal(run(b, 20, NULL), 0);
	assert_int_equal(b->plan.verdict, CPU_BEST);
}

static void test_counter_goes_back(void **state)
{
	struct bench *b = *state;

	make_host(b, 2);
	for (int g = 0; g < 4; g++)
		add_guest(b, g % 2, 50);
	run(b, 4, NULL);
	pass(b, 2);
	b->vcpus[0].run_ns = 5;
	b->vcpus[0].delay_ns = 0;
	tick(b);
	assert_false(b->plan.vcpus[0].known);
	assert_int_equal(b->plan.npins, 0);
	assert_int_equal(run(b, 4, NULL), 0);
	assert_true(b->plan.vcpus[0].known);
}

static void test_swap_is_found(void **state)
{
	struct bench *b = *state;

	make_host(b, 2);
	add_guest(b, 0, 100);
	add_guest(b, 0, 100);
	add_guest(b, 1, 40);
	add_guest(b, 1, 40);
	assert_int_equal(run(b, 10, NULL), 2);
	assert_int_equal(b->plan.verdict, CPU_BALANCED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_all_on_one),
		TEST(test_idle_noise_moves_nothing),
		TEST(test_mixed_floating),
		TEST(test_one_noisy_window),
		TEST(test_lone_heavy_stays),
		TEST(test_counter_goes_back),
		TEST(test_swap_is_found),
	};

	return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
