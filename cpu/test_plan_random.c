/* SPDX-License-Identifier: MIT */
/* Properties of plans on random hosts, and samples that make no sense. The seed is printed. */
#include "made_up.h"
#include "search/search.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define ROUNDS 50

static uint64_t state;

static uint64_t next(void)
{
	uint64_t x = state += 0x9e3779b97f4a7c15u; /* splitmix64 */

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

static size_t below(size_t n)
{
	return (size_t)(next() % n);
}

static double unit(void)
{
	return (double)(next() >> 11) / 9007199254740992.0;
}

static void seed(uint64_t value)
{
	const char *given = getenv("TEST_SEED");

	state = given ? strtoull(given, NULL, 0) : value;
	print_message("# TEST_SEED=%llu\n", (unsigned long long)state);
}

/* A host of some size, topology and guests; some float, some are restricted, capped, unmanaged. */
static void randomise(struct made_up *m, unsigned char maps[MADE_UP_VCPUS][8])
{
	size_t npcpus = 1 + below(12), guests = 1 + below(24);
	bool odd = below(3) == 0;

	made_up_init(m, npcpus);
	for (size_t p = 0; p < npcpus; p++) {
		m->pcpus[p].id = (int)(p + (odd ? p / 3 : 0));
		m->pcpus[p].core = odd ? (int)(p / 2 * 2) : (int)p;
		m->pcpus[p].node = odd ? (int)(2 * p / npcpus) : 0;
		m->pcpus[p].usable = p == 0 || below(8) != 0;
		m->other[p] = below(4) ? 0 : 40 * unit();
	}
	for (size_t g = 0; g < guests; g++) {
		size_t vcpus = below(4) ? 1 : 1 + below(4);

		for (size_t i = 0; i < vcpus; i++) {
			int at = below(4) ? m->pcpus[below(npcpus)].id : CPU_FLOATING;
			double demand = below(3) ? 100 * unit() : below(2) ? 100 : 2;
			size_t v = i ? made_up_vcpu(m, at, demand) : made_up_guest(m, at, demand);

			if (odd && below(4) == 0) {
				for (size_t b = 0; b < 8; b++)
					maps[v][b] = (unsigned char)next();
				m->vcpus[v].allowed = maps[v];
				m->vcpus[v].allowed_len = 8;
			}
		}
		m->guests[g].managed = below(8) != 0;
		m->guests[g].weight = below(4) ? 1 : 0.5 + 3 * unit();
		m->guests[g].cap_pct = below(6) ? 100 : 10 + 90 * unit();
	}
}

static bool may_use(const struct made_up *m, size_t v, int id)
{
	const struct cpu_vcpu *vcpu = &m->vcpus[v];

	return !vcpu->allowed || (vcpu->allowed[id / 8] >> (id % 8) & 1);
}

/* Every pin is of a managed vCPU, at most one each, to a usable pCPU that it may use. */
static void check_pins(const struct made_up *m, const int *before)
{
	bool pinned[MADE_UP_VCPUS] = {false};
	size_t moves = 0;

	for (size_t i = 0; i < m->plan.npins; i++) {
		const struct cpu_pin *pin = &m->plan.pins[i];
		ptrdiff_t p = cpu_pcpu_find(&m->sample, pin->to);

		assert_in_range(pin->vcpu, 0, m->sample.nvcpus - 1);
		assert_false(pinned[pin->vcpu]);
		pinned[pin->vcpu] = true;
		assert_true(m->guests[m->vcpus[pin->vcpu].guest].managed);
		assert_true(p >= 0 && m->pcpus[p].usable);
		assert_true(may_use(m, pin->vcpu, pin->to));
		assert_int_equal(pin->from, before[pin->vcpu]);
		assert_int_not_equal(pin->from, pin->to);
		moves += pin->from != CPU_FLOATING;
	}
	assert_int_equal(moves, m->plan.moves);
}

static void check_plan(const struct made_up *m, bool placed)
{
	const struct cpu_plan *plan = &m->plan;
	double worst = 0, planned = 0;

	assert_true(isfinite(plan->spread_pct) && isfinite(plan->plan_spread_pct));
	for (size_t p = 0; p < plan->npcpus; p++) {
		worst = fmax(worst, plan->pcpus[p].load_pct);
		planned = fmax(planned, plan->pcpus[p].plan_pct);
	}
	/* What floats had no pCPU before. */
	if (placed)
		return;
	assert_true(planned <= worst + 1e-6);
	assert_true(plan->spread_pct >= plan->best_spread_pct - 1e-6);
	assert_true(!plan->exact || plan->moves >= plan->bound);
}

static void test_plans_are_sound(void **unused)
{
	size_t worst = 0, all = 0;

	(void)unused;
	seed(20261121);
	for (int round = 0; round < ROUNDS; round++) {
		static struct made_up m;
		static unsigned char maps[MADE_UP_VCPUS][8];
		size_t late = 0;

		randomise(&m, maps);
		for (int tick = 0; tick < 200; tick++) {
			int before[MADE_UP_VCPUS];
			bool placed = false;

			for (size_t v = 0; v < m.sample.nvcpus; v++) {
				before[v] = m.vcpus[v].pcpu;
				placed |= before[v] == CPU_FLOATING;
				placed |= cpu_pcpu_find(&m.sample, before[v]) >= 0 &&
					  !m.pcpus[cpu_pcpu_find(&m.sample, before[v])].usable;
				placed |= before[v] >= 0 && !may_use(&m, v, before[v]);
			}
			made_up_run(&m, 1);
			check_pins(&m, before);
			check_plan(&m, placed);
			late += tick >= 100 ? m.plan.moves : 0;
		}
		/*
		 * Constant load: what there was to learn has been learnt, or is tried ever more
		 * rarely.
		 */
		worst = late > worst ? late : worst;
		all += late;
		made_up_free(&m);
	}
	if (worst > 40 || all > 2 * ROUNDS)
		fail_msg("%zu moves in the last 100 ticks of %d hosts, %zu of them in one", all,
			 ROUNDS, worst);
}

/* The same guests in another order are pinned to the same pCPUs. */
static void test_order_does_not_matter(void **unused)
{
	(void)unused;
	seed(20261122);
	for (int round = 0; round < ROUNDS; round++) {
		static struct made_up a, b;
		static unsigned char maps[MADE_UP_VCPUS][8];
		size_t order[MADE_UP_VCPUS];

		randomise(&a, maps);
		made_up_init(&b, a.sample.npcpus);
		memcpy(b.pcpus, a.pcpus, sizeof(b.pcpus));
		for (size_t v = 0; v < a.sample.nvcpus; v++)
			order[v] = v;
		for (int tick = 0; tick < 4; tick++) {
			made_up_pass(&a, 2);
			/* The same sample, shuffled anew at each tick. */
			b.sample = a.sample;
			b.sample.pcpus = a.pcpus;
			b.sample.guests = a.guests;
			b.sample.vcpus = b.vcpus;
			for (size_t v = a.sample.nvcpus; v > 1; v--) {
				size_t other = below(v), kept = order[v - 1];

				order[v - 1] = order[other];
				order[other] = kept;
			}
			for (size_t v = 0; v < a.sample.nvcpus; v++)
				b.vcpus[v] = a.vcpus[order[v]];
			assert_int_equal(cpu_plan(b.state, &b.policy, &b.sample, &b.plan), 0);
			made_up_tick(&a);
			assert_int_equal(a.plan.verdict, b.plan.verdict);
			assert_int_equal(a.plan.npins, b.plan.npins);
			for (size_t i = 0; i < b.plan.npins; i++)
				assert_int_equal(a.vcpus[order[b.plan.pins[i].vcpu]].pcpu,
						 b.plan.pins[i].to);
		}
		made_up_free(&a);
		made_up_free(&b);
	}
}

/* Planning on its own predicted result changes nothing. */
static void test_own_result_is_a_fixed_point(void **unused)
{
	(void)unused;
	seed(20261123);
	for (int round = 0; round < ROUNDS; round++) {
		static struct made_up m;
		size_t n = 2 + below(30), npcpus = 2 + below(8);
		double total = 0;

		made_up_init(&m, npcpus);
		for (size_t v = 0; v < n; v++) {
			made_up_guest(&m, (int)below(npcpus), 5 + 60 * unit());
			total += m.demand[v];
		}
		/* So little that nobody waits long: what is believed is what is. */
		for (size_t v = 0; v < n; v++)
			m.demand[v] *= fmin(1, 60 * (double)npcpus / total);
		made_up_run(&m, 12);
		assert_int_equal(made_up_run(&m, 20), 0);
		made_up_free(&m);
	}
}

/* Anything within the types: counters, ids, times, weights that make no sense. */
static void test_nonsense_is_survived(void **unused)
{
	static struct made_up m;
	static unsigned char maps[MADE_UP_VCPUS][8];

	(void)unused;
	seed(20261124);
	for (int round = 0; round < ROUNDS; round++) {
		randomise(&m, maps);
		m.policy.node_budget = 500;
		for (int tick = 0; tick < 12; tick++) {
			double step = below(5) ? 2 : below(2) ? -1000 * unit() : 1e9 * unit();

			made_up_pass(&m, 2);
			m.sample.time_s += step;
			for (size_t v = 0; v < m.sample.nvcpus; v++) {
				if (below(6) == 0)
					m.vcpus[v].run_ns = next() >> below(64);
				if (below(6) == 0)
					m.vcpus[v].delay_ns = next() >> below(64);
				if (below(20) == 0)
					m.vcpus[v].number = (unsigned int)next();
				if (below(20) == 0)
					m.vcpus[v].pcpu = (int)below(200) - 1;
				if (below(20) == 0)
					m.vcpus[v].guest = below(m.sample.nguests);
			}
			for (size_t p = 0; p < m.sample.npcpus; p++) {
				if (below(6) == 0)
					m.pcpus[p].busy_ns = next() >> below(64);
				m.pcpus[p].usable = below(10) != 0;
			}
			assert_int_equal(cpu_plan(m.state, &m.policy, &m.sample, &m.plan), 0);
			assert_true(isfinite(m.plan.spread_pct));
		}
		made_up_free(&m);
	}
}

/* --- what is hidden, and what is known --- */

#define START_PCPUS 4
#define START_VCPUS 8

/* A random start of loads up to 60 %. Returns whether any pCPU is full with them. */
static bool draw_start(double *demand, int *at)
{
	double sum[START_PCPUS] = {0};
	bool full = false;

	for (size_t v = 0; v < START_VCPUS; v++) {
		demand[v] = 5 + 55 * unit();
		at[v] = (int)below(START_PCPUS);
		sum[at[v]] += demand[v];
		full |= sum[at[v]] >= 95;
	}
	return full;
}

/* The fewest moves from there, by the search that knows all; *reached: they balance. */
static size_t find_fewest(const double *demand, const int *at, bool *reached)
{
	double base[START_PCPUS] = {0};
	struct cpu_problem problem = {.npcpus = START_PCPUS,
				      .nvcpus = START_VCPUS,
				      .base = base,
				      .demand = demand,
				      .at = at,
				      .top_most = INFINITY};
	struct cpu_policy policy;
	struct cpu_solution solution;
	size_t moves;

	cpu_policy_init(&policy);
	problem.threshold = policy.threshold_pct;
	problem.move_cost = policy.cost_pct;
	problem.node_budget = policy.node_budget;
	assert_int_equal(cpu_search(&problem, &solution), 0);
	moves = solution.moves;
	*reached = solution.exact && solution.spread <= policy.threshold_pct;
	cpu_solution_free(&solution);
	return moves;
}

/* All moves from a start with that policy; none later than the eighth tick. */
static size_t run_start(const double *demand, const int *at, const struct cpu_policy *policy)
{
	struct made_up m;
	size_t moves;

	made_up_init(&m, START_PCPUS);
	if (policy)
		m.policy = *policy;
	for (size_t v = 0; v < START_VCPUS; v++)
		made_up_guest(&m, at[v], demand[v]);
	moves = made_up_run(&m, 8);
	assert_int_equal(made_up_run(&m, 8), 0);
	made_up_free(&m);
	return moves;
}

/* Nothing is hidden where no pCPU is full: then the plan is that of the search that knows all. */
static void test_what_is_known_is_planned_exactly(void **unused)
{
	size_t starts = 0;

	(void)unused;
	seed(20261125);
	while (starts < ROUNDS) {
		double demand[START_VCPUS];
		int at[START_VCPUS];
		bool full = draw_start(demand, at), reached;
		size_t fewest = find_fewest(demand, at, &reached);

		if (full || !reached)
			continue;
		assert_int_equal(run_start(demand, at, NULL), fewest);
		starts++;
	}
}

/*
 * Where some pCPU is full, a look saves moves: against a policy that never looks, and one that
 * takes whatever never sleeps to want a whole pCPU.
 */
static void test_a_look_saves_moves(void **unused)
{
	struct cpu_policy never_looks, believes_all;
	size_t starts = 0, moves = 0, fewest = 0, unseen = 0, believed = 0;

	(void)unused;
	seed(20261126);
	cpu_policy_init(&never_looks);
	believes_all = never_looks;
	never_looks.looks_most = 0;
	believes_all.free_least_pct = 100;
	while (starts < 4 * ROUNDS) {
		double demand[START_VCPUS];
		int at[START_VCPUS];
		bool full = draw_start(demand, at), reached;
		size_t least = find_fewest(demand, at, &reached);

		if (!full || !reached)
			continue;
		starts++;
		fewest += least;
		moves += run_start(demand, at, NULL);
		unseen += run_start(demand, at, &never_looks);
		believed += run_start(demand, at, &believes_all);
	}
	print_message("# moves %zu, fewest %zu; never looks %zu, believes all %zu\n", moves, fewest,
		      unseen, believed);
	assert_true((double)moves <= 1.4 * (double)fewest);
	assert_true((double)unseen > 1.4 * (double)fewest);
	assert_true((double)believed > 1.4 * (double)fewest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plans_are_sound),
		cmocka_unit_test(test_order_does_not_matter),
		cmocka_unit_test(test_own_result_is_a_fixed_point),
		cmocka_unit_test(test_nonsense_is_survived),
		cmocka_unit_test(test_what_is_known_is_planned_exactly),
		cmocka_unit_test(test_a_look_saves_moves),
	};

	return cmocka_run_group_tests_name("plan, random", tests, NULL, NULL);
}
