/* SPDX-License-Identifier: MIT */
/* The cases of the scheduler's benchmark: the course's tests, random starts, phases, a day. */
#include "bench_cpu.h"

#include <math.h>

#define LIGHT 45.0
#define HEAVY 100.0

static size_t count(const struct bench_case *c)
{
	return c->nguests * c->vcpus;
}

/* --- starts --- */

static void at_random(const struct bench_case *c, struct dice *dice, int *start)
{
	for (size_t v = 0; v < count(c); v++)
		start[v] = (int)dice_below(dice, c->npcpus);
}

static void in_turn(const struct bench_case *c, int *start)
{
	for (size_t v = 0; v < count(c); v++)
		start[v] = (int)(v % c->npcpus);
}

static void all_at(const struct bench_case *c, int *start, int pcpu)
{
	for (size_t v = 0; v < count(c); v++)
		start[v] = pcpu;
}

/* --- demands --- */

static void all_want(const struct bench_case *c, double *demand, double pct)
{
	for (size_t v = 0; v < count(c); v++)
		demand[v] = pct;
}

static void odd_heavy(const struct bench_case *c, double *demand)
{
	for (size_t v = 0; v < count(c); v++)
		demand[v] = v / c->vcpus % 2 ? LIGHT : HEAVY;
}

static void uniform(const struct bench_case *c, struct dice *dice, double *demand)
{
	for (size_t v = 0; v < count(c); v++)
		demand[v] = 5 + 95 * dice_unit(dice);
}

/* Many small, few large: Pareto with exponent 1.2 from 4 %. */
static void heavy_tailed(const struct bench_case *c, struct dice *dice, double *demand)
{
	for (size_t v = 0; v < count(c); v++)
		demand[v] = fmin(4 / pow(1 - dice_unit(dice), 1 / 1.2), 100);
}

/* --- the course's tests --- */

static void draw_balanced(const struct bench_case *c, struct dice *dice, double *demand, int *start)
{
	(void)dice;
	all_want(c, demand, LIGHT);
	in_turn(c, start);
}

static void draw_all_on_one(const struct bench_case *c, struct dice *dice, double *demand, int *start)
{
	(void)dice;
	all_want(c, demand, LIGHT);
	all_at(c, start, 0);
}

static void draw_half_half(const struct bench_case *c, struct dice *dice, double *demand, int *start)
{
	(void)dice;
	all_want(c, demand, LIGHT);
	for (size_t v = 0; v < count(c); v++)
		start[v] = v < count(c) / 2 ? 0 : 1;
}

static void draw_unpinned(const struct bench_case *c, struct dice *dice, double *demand, int *start)
{
	(void)dice;
	all_want(c, demand, LIGHT);
	all_at(c, start, -1);
}

static void draw_unpinned_mixed(const struct bench_case *c, struct dice *dice, double *demand, int *start)
{
	(void)dice;
	odd_heavy(c, demand);
	all_at(c, start, -1);
}

static void draw_idle(const struct bench_case *c, struct dice *dice, double *demand, int *start)
{
	(void)dice;
	all_want(c, demand, 0);
	in_turn(c, start);
}

static void draw_mixed_all_on_one(const struct bench_case *c, struct dice *dice, double *demand, int *start)
{
	(void)dice;
	odd_heavy(c, demand);
	all_at(c, start, 0);
}

static bool half_turn_heavy(const struct bench_case *c, struct dice *dice, unsigned int tick, double *demand)
{
	(void)dice;
	if (tick == 0 || tick % 8)
		return false;
	for (size_t v = 0; v < count(c); v++)
		demand[v] = tick / 8 % 2 && v % 2 ? HEAVY : LIGHT;
	return true;
}

/* --- random starts --- */

static void draw_equal(const struct bench_case *c, struct dice *dice, double *demand, int *start)
{
	all_want(c, demand, HEAVY);
	at_random(c, dice, start);
}

static void draw_mixed(const struct bench_case *c, struct dice *dice, double *demand, int *start)
{
	odd_heavy(c, demand);
	at_random(c, dice, start);
}

static void draw_counts(const struct bench_case *c, struct dice *dice, double *demand, int *start)
{
	for (size_t v = 0; v < count(c); v++)
		demand[v] = dice_below(dice, 2) ? HEAVY : LIGHT;
	in_turn(c, start);
}

static void draw_uniform(const struct bench_case *c, struct dice *dice, double *demand, int *start)
{
	uniform(c, dice, demand);
	at_random(c, dice, start);
}

static void draw_tailed(const struct bench_case *c, struct dice *dice, double *demand, int *start)
{
	heavy_tailed(c, dice, demand);
	at_random(c, dice, start);
}

/* --- over time --- */

static bool redraw_some(const struct bench_case *c, struct dice *dice, unsigned int tick, double *demand)
{
	if (tick == 0 || tick % 8)
		return false;
	for (size_t v = 0; v < count(c); v++) {
		if (dice_below(dice, 3) == 0)
			demand[v] = 5 + 95 * dice_unit(dice);
	}
	return true;
}

/* Every load drifts a little at each tick, and now and then one jumps. */
static bool wander(const struct bench_case *c, struct dice *dice, unsigned int tick, double *demand)
{
	(void)tick;
	for (size_t v = 0; v < count(c); v++) {
		if (dice_below(dice, 400) == 0)
			demand[v] = 5 + 95 * dice_unit(dice);
		demand[v] = fmax(fmin(demand[v] + 2 * (dice_unit(dice) - 0.5), 100), 2);
	}
	return tick % 30 == 0 && tick > 0;
}

const struct bench_case bench_cases[] = {
	{"cpu-balanced", "course", 4, 8, 1, 20, 0, 12, 0, draw_balanced, NULL},
	{"cpu-all-on-one", "course", 4, 8, 1, 20, 0, 12, 0, draw_all_on_one, NULL},
	{"cpu-half-half", "course", 4, 8, 1, 20, 0, 12, 0, draw_half_half, NULL},
	{"cpu-unpinned-equal", "course", 4, 8, 1, 20, 0, 12, 0, draw_unpinned, NULL},
	{"cpu-unpinned-mixed", "course", 4, 8, 1, 20, 0, 12, 0, draw_unpinned_mixed, NULL},
	{"cpu-idle", "course", 4, 8, 1, 20, 0, 20, 0, draw_idle, NULL},
	{"cpu-phase", "course", 4, 8, 1, 20, 0, 16, 0, draw_unpinned, half_turn_heavy},
	{"cpu-mixed-all-on-one", "course", 4, 8, 1, 20, 0, 12, 0, draw_mixed_all_on_one, NULL},
	{"cpu-mixed-all-on-one known", "the loads ran before", 4, 8, 1, 20, 6, 12, 0, draw_mixed_all_on_one, NULL},
	{"cpu-mixed-all-on-one steal", "guests without a steal clock", 4, 8, 1, 20, 0, 12, 0.57, draw_mixed_all_on_one, NULL},
	{"cpu-more-pcpus", "course", 4, 3, 1, 20, 0, 12, 0, draw_mixed, NULL},
	{"cpu-one-each", "course", 4, 4, 1, 20, 0, 12, 0, draw_mixed, NULL},
	{"cpu-multi-vcpu", "course", 4, 4, 4, 20, 0, 12, 0, draw_mixed, NULL},
	{"8x4 equal", "", 4, 8, 1, 1000, 5, 10, 0, draw_equal, NULL},
	{"8x4 mixed", "", 4, 8, 1, 1000, 5, 10, 0, draw_mixed, NULL},
	{"8x4 counts", "", 4, 8, 1, 1000, 5, 10, 0, draw_counts, NULL},
	{"8x4 uniform", "", 4, 8, 1, 1000, 5, 10, 0, draw_uniform, NULL},
	{"8x4 equal cold", "", 4, 8, 1, 1000, 0, 12, 0, draw_equal, NULL},
	{"8x4 mixed cold", "", 4, 8, 1, 1000, 0, 12, 0, draw_mixed, NULL},
	{"8x4 counts cold", "", 4, 8, 1, 1000, 0, 12, 0, draw_counts, NULL},
	{"8x4 uniform cold", "", 4, 8, 1, 1000, 0, 12, 0, draw_uniform, NULL},
	{"16x8 uniform", "", 8, 16, 1, 200, 5, 10, 0, draw_uniform, NULL},
	{"16x8 mixed", "", 8, 16, 1, 200, 5, 10, 0, draw_mixed, NULL},
	{"16x8 uniform cold", "", 8, 16, 1, 200, 0, 12, 0, draw_uniform, NULL},
	{"64x16 uniform", "", 16, 64, 1, 50, 5, 10, 0, draw_uniform, NULL},
	{"256x64 heavy-tailed", "", 64, 256, 1, 20, 5, 10, 0, draw_tailed, NULL},
	{"4096x256 heavy-tailed", "", 256, 4096, 1, 2, 4, 6, 0, draw_tailed, NULL},
	{"4x4 vCPUs on 8", "", 8, 4, 4, 100, 0, 12, 0, draw_uniform, NULL},
	{"8x4 phases", "", 4, 8, 1, 100, 0, 48, 0, draw_uniform, redraw_some},
	{"8x4 day", "", 4, 8, 1, 2, 0, 8640, 0, draw_uniform, wander},
};
const size_t bench_ncases = sizeof(bench_cases) / sizeof(*bench_cases);
