/* SPDX-License-Identifier: MIT */
/* The cases of the scheduler's benchmark: the course's tests, random starts, phases, a day. */
#include "cpu.h"

#include <math.h>

#define LIGHT 45.0
#define HEAVY 100.0

/*
 * A host that can serve all its guests. Where demands are drawn without regard to that, they sum up
 * to more than there is in half of the cases; then nobody can see what a vCPU would use that never
 * gets to sleep.
 */
#define ROOMY 0.85

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

/* Many small, few large: Pareto with exponent 1.2, of 11.4 on average cut at 25 times the least;
 * less where that would be more than 70 % of a pCPU. */
static void heavy_tailed(const struct bench_case *c, struct dice *dice, double *demand)
{
	double least = fmin(4, 4 * 70 / (11.4 * (double)count(c) / (double)c->npcpus));

	for (size_t v = 0; v < count(c); v++)
		demand[v] = fmin(least / pow(1 - dice_unit(dice), 1 / 1.2), 25 * least);
}

/* --- the course's tests --- */

static void draw_balanced(const struct bench_case *c, struct dice *dice, double *demand, int *start)
{
	(void)dice;
	all_want(c, demand, LIGHT);
	in_turn(c, start);
}

static void draw_all_on_one(const struct bench_case *c, struct dice *dice, double *demand,
			    int *start)
{
	(void)dice;
	all_want(c, demand, LIGHT);
	all_at(c, start, 0);
}

static void draw_half_half(const struct bench_case *c, struct dice *dice, double *demand,
			   int *start)
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

static void draw_unpinned_mixed(const struct bench_case *c, struct dice *dice, double *demand,
				int *start)
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

/*
 * With loads that nobody has seen before, the fewest moves there are, six, cannot be had each time:
 * on the one pCPU each of the eight gets 12.5 % and never sleeps, and a light one, which wants 45
 * %, is told from a heavy one only where no more than two share a pCPU. So whoever is to be
 * balanced at the second decision must put two on each pCPU at the first, blindly. Of these four
 * pairs 4 · 4/8 · 3/7 = 6/7 are both heavy on average, and as many both light; two more moves mend
 * one of each. That makes 6 + 12/7 = 7.71 moves, 1.286 times six.
 */
static void draw_mixed_all_on_one(const struct bench_case *c, struct dice *dice, double *demand,
				  int *start)
{
	(void)dice;
	odd_heavy(c, demand);
	all_at(c, start, 0);
}

static bool half_turn_heavy(const struct bench_case *c, struct dice *dice, unsigned int tick,
			    double *demand)
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

/* Half a pCPU's load each at most: who fills one does so only for want of balance. */
static double size_forty(double u)
{
	(void)u;
	return 40;
}

static double size_two(double u)
{
	return u < 0.5 ? 20 : LIGHT;
}

static double size_any(double u)
{
	return 5 + 55 * u;
}

static void draw_sizes(const struct bench_case *c, struct dice *dice, double *demand, int *start)
{
	for (size_t v = 0; v < count(c); v++)
		demand[v] = c->size(dice_unit(dice));
	at_random(c, dice, start);
}

static void draw_tailed(const struct bench_case *c, struct dice *dice, double *demand, int *start)
{
	heavy_tailed(c, dice, demand);
	at_random(c, dice, start);
}

/* --- over time --- */

static bool redraw_some(const struct bench_case *c, struct dice *dice, unsigned int tick,
			double *demand)
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

#define COURSE(n, what, guests, length, ...)                                                       \
	{                                                                                          \
		.name = n, .title = what, .npcpus = 4, .nguests = guests, .seeds = 200,            \
		.ticks = length, __VA_ARGS__                                                       \
	}
#define KNOWN(n, pcpus, guests, runs, drawn, ...)                                                  \
	{                                                                                          \
		.name = n, .title = "known loads", .npcpus = pcpus, .nguests = guests, .vcpus = 1, \
		.seeds = runs, .warmup = 3, .ticks = 10, .open_eyes = true, .draw = drawn,         \
		__VA_ARGS__                                                                        \
	}
#define LIVE(n, pcpus, guests, each, runs, length, ...)                                            \
	{                                                                                          \
		.name = n, .title = "live", .npcpus = pcpus, .nguests = guests, .vcpus = each,     \
		.seeds = runs, .ticks = length, __VA_ARGS__                                        \
	}
#define START(n, pcpus, guests, drawn, ...)                                                        \
	{                                                                                          \
		.name = n, .title = "live, balance is possible", .npcpus = pcpus,                  \
		.nguests = guests, .vcpus = 1, .seeds = 1000, .ticks = 16, .feasible = true,       \
		.draw = draw_sizes, .size = drawn, __VA_ARGS__                                     \
	}

const struct bench_case bench_cases[] = {
	COURSE("cpu-balanced", "", 8, 12, .vcpus = 1, .draw = draw_balanced),
	COURSE("cpu-all-on-one", "", 8, 12, .vcpus = 1, .draw = draw_all_on_one),
	COURSE("cpu-half-half", "", 8, 12, .vcpus = 1, .draw = draw_half_half),
	COURSE("cpu-unpinned-equal", "", 8, 12, .vcpus = 1, .draw = draw_unpinned),
	COURSE("cpu-unpinned-mixed", "", 8, 12, .vcpus = 1, .draw = draw_unpinned_mixed),
	COURSE("cpu-idle", "", 8, 40, .vcpus = 1, .draw = draw_idle),
	COURSE("cpu-phase", "", 8, 16, .vcpus = 1, .draw = draw_unpinned,
	       .change = half_turn_heavy),
	COURSE("cpu-mixed-all-on-one",
	       "loads never seen (1.286 times the fewest moves is the best on average)", 8, 12,
	       .vcpus = 1, .draw = draw_mixed_all_on_one),
	COURSE("cpu-mixed-all-on-one", "loads seen before", 8, 12, .vcpus = 1,
	       .draw = draw_mixed_all_on_one, .warmup = 6),
	COURSE("cpu-mixed-all-on-one", "guests without a steal clock", 8, 12, .vcpus = 1,
	       .draw = draw_mixed_all_on_one, .stolen = 0.57),
	COURSE("cpu-more-pcpus", "", 3, 12, .vcpus = 1, .draw = draw_mixed),
	COURSE("cpu-one-each", "", 4, 12, .vcpus = 1, .draw = draw_mixed),
	COURSE("cpu-multi-vcpu", "", 4, 12, .vcpus = 4, .draw = draw_mixed),
	KNOWN("8x4 equal", 4, 8, 1000, draw_equal),
	KNOWN("8x4 mixed", 4, 8, 1000, draw_mixed),
	KNOWN("8x4 counts", 4, 8, 1000, draw_counts),
	KNOWN("8x4 uniform", 4, 8, 1000, draw_uniform),
	KNOWN("16x8 mixed", 8, 16, 400, draw_mixed),
	KNOWN("16x8 uniform", 8, 16, 400, draw_uniform),
	KNOWN("64x16 heavy-tailed", 16, 64, 200, draw_tailed, .bounded = 50),
	KNOWN("256x64 heavy-tailed", 64, 256, 100, draw_tailed, .bounded = 4),
	KNOWN("4096x256 heavy-tailed", 256, 4096, 5, draw_tailed),
	START("8x4 starts of 40", 4, 8, size_forty, .sizes = 1),
	START("8x4 starts of 20 or 45", 4, 8, size_two, .sizes = 2),
	START("8x4 starts of 5 to 60", 4, 8, size_any),
	START("6x3 starts of 5 to 60", 3, 6, size_any, .sizes = 4),
	LIVE("8x4 equal", 4, 8, 1, 1000, 12, .draw = draw_equal),
	LIVE("8x4 mixed", 4, 8, 1, 1000, 12, .draw = draw_mixed),
	LIVE("8x4 counts", 4, 8, 1, 1000, 12, .draw = draw_counts),
	LIVE("8x4 uniform", 4, 8, 1, 1000, 12, .draw = draw_uniform, .full = ROOMY),
	LIVE("8x4 uniform, overcommitted", 4, 8, 1, 1000, 12, .draw = draw_uniform),
	LIVE("16x8 mixed", 8, 16, 1, 200, 12, .draw = draw_mixed),
	LIVE("16x8 uniform", 8, 16, 1, 200, 12, .draw = draw_uniform, .full = ROOMY),
	LIVE("16x8 uniform, overcommitted", 8, 16, 1, 200, 12, .draw = draw_uniform),
	LIVE("64x16 heavy-tailed", 16, 64, 1, 200, 12, .draw = draw_tailed),
	LIVE("256x64 heavy-tailed", 64, 256, 1, 50, 12, .draw = draw_tailed),
	LIVE("4096x256 heavy-tailed", 256, 4096, 1, 2, 16, .draw = draw_tailed),
	LIVE("4x4 vCPUs on 8", 8, 4, 4, 100, 12, .draw = draw_uniform, .full = ROOMY),
	LIVE("4x4 vCPUs on 8, overcommitted", 8, 4, 4, 100, 12, .draw = draw_uniform),
	LIVE("8x4 phases", 4, 8, 1, 100, 48, .draw = draw_uniform, .change = redraw_some,
	     .full = ROOMY),
	LIVE("8x4 phases, overcommitted", 4, 8, 1, 100, 48, .draw = draw_uniform,
	     .change = redraw_some),
	LIVE("8x4 day", 4, 8, 1, 1, 43200, .draw = draw_uniform, .change = wander, .full = ROOMY),
	LIVE("8x4 day, overcommitted", 4, 8, 1, 1, 8640, .draw = draw_uniform, .change = wander),
};
const size_t bench_ncases = sizeof(bench_cases) / sizeof(*bench_cases);
