/* SPDX-License-Identifier: MIT */
/* The cases: the course's memory tests, and what else happens to guests and hosts. */
#include "memory.h"

#include <stdlib.h>

#define GIB (1024 * MIB)

void scene_add(struct scene *scene, struct happening happening)
{
	if (scene->nhappenings == scene->size) {
		scene->size = scene->size ? 2 * scene->size : 64;
		scene->happenings =
			realloc(scene->happenings, scene->size * sizeof(*scene->happenings));
		if (!scene->happenings)
			abort();
	}
	scene->happenings[scene->nhappenings++] = happening;
}

void scene_load(struct scene *scene, unsigned int guest, double at_s, int64_t mib,
		int64_t rate_mib_s)
{
	scene_add(scene, (struct happening){.at_s = at_s,
					    .guest = guest,
					    .verb = HAPPEN_LOAD,
					    .kib = mib * MIB,
					    .rate_kib_s = rate_mib_s * MIB});
}

static void host_of(struct scene *scene, int64_t mib, int64_t used_mib, double length_s)
{
	model_config_default(&scene->host);
	scene->host.memory_kib = (uint64_t)(mib * MIB);
	scene->host.used_kib = (uint64_t)(used_mib * MIB);
	scene->length_s = length_s;
}

static void host(struct scene *scene, int64_t gib, double length_s)
{
	host_of(scene, gib * 1024, 1024, length_s);
}

static void guests(struct scene *scene, size_t n, int64_t mib, int64_t maximum_mib,
		   int64_t swap_mib)
{
	scene->nguests = n;
	for (size_t i = 0; i < n; i++) {
		model_guest_config_default(&scene->guests[i]);
		scene->guests[i].memory_kib = (uint64_t)(mib * MIB);
		scene->guests[i].maximum_kib = (uint64_t)(maximum_mib * MIB);
		scene->guests[i].swap_kib = (uint64_t)(swap_mib * MIB);
	}
}

/* --- the course: 4 guests of 512 MB, 2048 MB at most; the load starts at 10 s, 25 MB/s --- */

static double course(struct scene *scene, struct dice *dice, double length_s)
{
	host(scene, 16, length_s);
	guests(scene, 4, 512, 2048, 0);
	return 10 + 2 * dice_unit(dice); /* at no special moment of anybody's interval */
}

static void draw_one(struct scene *scene, struct dice *dice)
{
	double at = course(scene, dice, 200);

	scene_load(scene, 0, at, 1700, 25);
	scene_load(scene, 0, at + 90, 0, 0);
}

static void draw_all(struct scene *scene, struct dice *dice)
{
	double at = course(scene, dice, 220);

	for (unsigned int g = 0; g < 4; g++) {
		scene_load(scene, g, at, 1700, 25);
		scene_load(scene, g, at + 100, 0, 0);
	}
}

static void draw_handover(struct scene *scene, struct dice *dice)
{
	double at = course(scene, dice, 180);

	scene_load(scene, 0, at, 512, 25);
	scene_load(scene, 1, at, 1700, 25);
}

static void draw_two_free(struct scene *scene, struct dice *dice)
{
	double at = course(scene, dice, 200);

	for (unsigned int g = 0; g < 4; g++)
		scene_load(scene, g, at, g < 2 ? 800 : 1700, 25);
	scene_load(scene, 0, at + 40, 0, 0);
	scene_load(scene, 1, at + 40, 0, 0);
}

static void draw_one_frees(struct scene *scene, struct dice *dice)
{
	double at = course(scene, dice, 200);

	scene_load(scene, 0, at, 900, 25);
	scene_load(scene, 1, at, 1700, 25);
	scene_load(scene, 0, at + 45, 0, 0);
}

/* --- the rest --- */

/*
 * Guests have swap here, as most have: without it a step beyond what is unused kills at once. How
 * the load came to what it is before the step makes the difference: by a ramp or by a step, too.
 */
static void step_after(struct scene *scene, struct dice *dice, int64_t rate_mib_s)
{
	host(scene, 16, 160);
	guests(scene, 4, 512, 2048, 1024);
	scene_load(scene, 0, 5, 200, rate_mib_s);
	scene_add(scene, (struct happening){.at_s = 80 + 10 * dice_unit(dice),
					    .guest = 0,
					    .verb = HAPPEN_LOAD,
					    .kib = 456 * MIB,
					    .served = true});
}

static void draw_step(struct scene *scene, struct dice *dice)
{
	step_after(scene, dice, 25);
}

static void draw_step_again(struct scene *scene, struct dice *dice)
{
	step_after(scene, dice, 0);
}

static void draw_saw(struct scene *scene, struct dice *dice)
{
	double at = course(scene, dice, 400);

	for (double t = at; t < 380; t += 60) {
		scene_load(scene, 0, t, 600, 20);
		scene_load(scene, 0, t + 32, 0, 0);
	}
}

/* Four that want 1,500 MB and swap for the rest, on a host that has 3 GB for them. */
static void draw_shortage(struct scene *scene, struct dice *dice)
{
	host(scene, 4, 240);
	guests(scene, 4, 512, 2048, 2048);
	for (unsigned int g = 0; g < 4; g++)
		scene_load(scene, g, 10 + 2 * dice_unit(dice), 1400, 25);
}

/* 64 guests, each of which changes its mind every ten minutes or so, for a day. */
static void draw_day(struct scene *scene, struct dice *dice)
{
	host(scene, 84, 86400);
	guests(scene, 64, 1024, 4096, 1024);
	for (unsigned int g = 0; g < 64; g++) {
		for (double t = 60 * dice_unit(dice); t < 86400; t += 300 + 900 * dice_unit(dice))
			scene_load(scene, g, t, dice_range(dice, 50, 1200),
				   dice_range(dice, 5, 25));
	}
}

/* One of each kind that does not follow, beside three that grow and shrink. */
static void draw_misfits(struct scene *scene, struct dice *dice)
{
	static const struct model_balloon_fault faults[] = {
		{.no_driver = true},
		{.stuck = true},
		{.share = 0.5},
		{.rate_kib_s = 10 * MIB},
	};

	host(scene, 12, 240);
	guests(scene, 8, 512, 2048, 512);
	for (unsigned int g = 0; g < 4; g++)
		scene_add(scene, (struct happening){.at_s = 0.1,
						    .guest = g,
						    .verb = HAPPEN_BALLOON,
						    .fault = faults[g]});
	scene_add(scene,
		  (struct happening){.at_s = 60, .guest = 4, .verb = HAPPEN_FREEZE, .kib = 1});
	for (unsigned int g = 5; g < 8; g++) {
		double at = 10 + 4 * dice_unit(dice);

		scene_load(scene, g, at, 1200, 25);
		scene_load(scene, g, at + 100, 0, 0);
	}
}

/* Guests that read 800 MB of files, and one beside them that grows. */
static void cache_on(struct scene *scene, struct dice *dice, int64_t gib)
{
	host(scene, gib, 300);
	guests(scene, 4, 512, 2048, 0);
	for (unsigned int g = 0; g < 3; g++)
		scene_add(scene, (struct happening){.at_s = 5 + 5 * dice_unit(dice),
						    .guest = g,
						    .verb = HAPPEN_CACHE,
						    .kib = 800 * MIB,
						    .rate_kib_s = 50 * MIB});
	scene_load(scene, 3, 100, 1500, 25);
}

static void draw_cache(struct scene *scene, struct dice *dice)
{
	cache_on(scene, dice, 16);
}

/* Not enough for the page cache and for the guest that grows. */
static void draw_squeeze(struct scene *scene, struct dice *dice)
{
	cache_on(scene, dice, 6);
}

static void draw_idle(struct scene *scene, struct dice *dice)
{
	(void)dice;
	host(scene, 24, 300);
	guests(scene, 8, 2048, 2048, 0);
}

static struct happening random_fault(struct dice *dice, unsigned int guest, double at_s)
{
	struct happening h = {.at_s = at_s, .guest = guest};

	switch (dice_range(dice, 0, 7)) {
	case 0:
		h.verb = HAPPEN_BALLOON;
		h.fault.stuck = true;
		break;
	case 1:
		h.verb = HAPPEN_BALLOON;
		h.fault.share = 0.2 + 0.7 * dice_unit(dice);
		break;
	case 2:
		h.verb = HAPPEN_BALLOON;
		h.fault.rate_kib_s = (uint64_t)(dice_range(dice, 1, 60) * MIB);
		break;
	case 3: /* well again */
		h.verb = HAPPEN_BALLOON;
		break;
	case 4:
		h.verb = HAPPEN_FREEZE;
		h.kib = dice_range(dice, 0, 1);
		break;
	case 5:
		h.verb = HAPPEN_PAUSE;
		h.kib = dice_range(dice, 0, 1);
		break;
	case 6:
		h.verb = HAPPEN_REBOOT;
		break;
	default:
		h.verb = HAPPEN_HOST;
		h.kib = dice_range(dice, 512, 1536) * MIB;
		h.rate_kib_s = dice_range(dice, 5, 50) * MIB;
	}
	return h;
}

void draw_random(struct scene *scene, struct dice *dice)
{
	size_t n = (size_t)dice_range(dice, 1, 8);

	host(scene, dice_range(dice, 4, 20), 120);
	guests(scene, n, 512, 2048, 0);
	for (unsigned int g = 0; g < n; g++) {
		scene->guests[g].memory_kib = (uint64_t)(dice_range(dice, 300, 500) * MIB);
		scene->guests[g].maximum_kib = (uint64_t)(dice_range(dice, 600, 3000) * MIB);
		scene->guests[g].swap_kib = (uint64_t)(dice_range(dice, 0, 1) * 1024 * MIB);
		for (double t = 20 * dice_unit(dice); t < 120; t += 5 + 40 * dice_unit(dice))
			scene_load(scene, g, t, dice_range(dice, 0, 1500), dice_range(dice, 2, 60));
		for (double t = 60 * dice_unit(dice); t < 120; t += 10 + 100 * dice_unit(dice))
			scene_add(scene, random_fault(dice, g, t));
		if (dice_range(dice, 0, 3) == 0)
			scene_add(scene, (struct happening){.at_s = 120 * dice_unit(dice),
							    .guest = g,
							    .verb = HAPPEN_CACHE,
							    .kib = dice_range(dice, 50, 900) * MIB,
							    .rate_kib_s = 40 * MIB});
	}
}

/* --- small hosts, many guests, bursts --- */

/* When a load begins: at no special moment of anybody's interval. */
static double soon(struct dice *dice)
{
	return 10 + 2 * dice_unit(dice);
}

static void grow(struct scene *scene, struct dice *dice, unsigned int first, unsigned int n,
		 int64_t mib, int64_t rate_mib_s)
{
	for (unsigned int g = first; g < first + n; g++)
		scene_load(scene, g, soon(dice), mib, rate_mib_s);
}

static void draw_crowd(struct scene *scene, struct dice *dice)
{
	host(scene, 32, 160);
	guests(scene, 40, 512, 2048, 0);
	for (unsigned int g = 0; g < 20; g++) {
		double at = soon(dice);

		scene_load(scene, g, at, 1000, 10);
		scene_load(scene, g, at + 95, 0, 50);
	}
}

static void draw_small_one(struct scene *scene, struct dice *dice)
{
	host_of(scene, 3072, 900, 120);
	guests(scene, 4, 512, 2048, 0);
	grow(scene, dice, 0, 1, 1800, 25);
}

static void draw_small_fits(struct scene *scene, struct dice *dice)
{
	host_of(scene, 3072, 900, 120);
	guests(scene, 4, 512, 2048, 0);
	grow(scene, dice, 0, 1, 700, 25);
}

static void draw_small_four(struct scene *scene, struct dice *dice)
{
	host(scene, 4, 150);
	guests(scene, 4, 512, 2048, 0);
	grow(scene, dice, 0, 4, 1200, 20);
}

static void draw_small_two(struct scene *scene, struct dice *dice)
{
	host(scene, 6, 120);
	guests(scene, 8, 512, 2048, 0);
	grow(scene, dice, 0, 2, 1400, 50);
}

/* One after another, each when the one before has freed what it had. */
static void draw_turns(struct scene *scene, struct dice *dice)
{
	double at = soon(dice);

	host_of(scene, 3584, 900, 300);
	guests(scene, 4, 512, 2048, 0);
	for (unsigned int g = 0; g < 4; g++) {
		scene_load(scene, g, at + 70 * g, 1000, 25);
		scene_load(scene, g, at + 70 * g + 55, 0, 0);
	}
}

static void draw_many(struct scene *scene, struct dice *dice)
{
	host(scene, 24, 150);
	guests(scene, 64, 256, 1024, 0);
	grow(scene, dice, 0, 16, 250, 10);
}

static void draw_tiny(struct scene *scene, struct dice *dice)
{
	host(scene, 5, 150);
	guests(scene, 8, 256, 1024, 0);
	grow(scene, dice, 0, 3, 450, 20);
}

static void bursts(struct scene *scene, struct dice *dice, int64_t gib, unsigned int n)
{
	double at = 60 + 2 * dice_unit(dice);

	host(scene, gib, 140);
	guests(scene, 8, 512, 2048, 1024);
	for (unsigned int g = 0; g < n; g++) {
		scene_load(scene, g, at, 300, 0);
		scene_load(scene, g, at + 30, 0, 0);
		scene_load(scene, g, at + 50, 400, 0);
	}
}

static void draw_burst_half(struct scene *scene, struct dice *dice)
{
	bursts(scene, dice, 6, 4);
}

static void draw_burst_all(struct scene *scene, struct dice *dice)
{
	bursts(scene, dice, 8, 8);
}

/* Two guests by turns, on a host that cannot hold both at their height. */
static void draw_small_saw(struct scene *scene, struct dice *dice)
{
	double at = soon(dice);

	host_of(scene, 3584, 1024, 400);
	guests(scene, 4, 512, 2048, 0);
	for (unsigned int i = 0; i < 6; i++) {
		scene_load(scene, i % 2, at + 60 * i, 700, 20);
		scene_load(scene, i % 2, at + 60 * i + 45, 0, 0);
	}
}

static void draw_small_cache(struct scene *scene, struct dice *dice)
{
	host(scene, 4, 200);
	guests(scene, 4, 512, 2048, 0);
	for (unsigned int g = 0; g < 2; g++)
		scene_add(scene, (struct happening){.at_s = 5 + 5 * dice_unit(dice),
						    .guest = g,
						    .verb = HAPPEN_CACHE,
						    .kib = 600 * MIB,
						    .rate_kib_s = 50 * MIB});
	scene_load(scene, 3, 60, 1100, 25);
}

/* Two stop, two grow into what is free, and one comes back. */
static void draw_start_stop(struct scene *scene, struct dice *dice)
{
	double at = soon(dice);

	host(scene, 6, 220);
	guests(scene, 6, 512, 2048, 0);
	scene_add(scene, (struct happening){.at_s = at, .guest = 4, .verb = HAPPEN_STOP});
	scene_add(scene, (struct happening){.at_s = at, .guest = 5, .verb = HAPPEN_STOP});
	grow(scene, dice, 0, 2, 900, 20);
	scene_load(scene, 0, at + 90, 200, 50);
	scene_add(scene, (struct happening){.at_s = at + 120, .guest = 4, .verb = HAPPEN_START});
	scene_load(scene, 4, at + 140, 400, 20);
}

static void draw_reboot(struct scene *scene, struct dice *dice)
{
	double at = soon(dice);

	host(scene, 5, 200);
	guests(scene, 4, 512, 2048, 0);
	grow(scene, dice, 0, 2, 700, 20);
	scene_add(scene, (struct happening){.at_s = at + 50, .guest = 0, .verb = HAPPEN_REBOOT});
	scene_load(scene, 0, at + 70, 500, 20);
	scene_add(scene, (struct happening){.at_s = at + 60, .guest = 3, .verb = HAPPEN_REBOOT});
}

/* Guests' growth is slower where decisions are farther apart. */
static void every(struct scene *scene, struct dice *dice, double interval_s, int64_t rate_mib_s)
{
	host(scene, 7, 240);
	guests(scene, 8, 512, 2048, 0);
	scene->interval_s = interval_s;
	grow(scene, dice, 0, 3, 900, rate_mib_s);
}

static void draw_every_1(struct scene *scene, struct dice *dice)
{
	every(scene, dice, 1, 40);
}

static void draw_every_5(struct scene *scene, struct dice *dice)
{
	every(scene, dice, 5, 12);
}

static void draw_every_10(struct scene *scene, struct dice *dice)
{
	every(scene, dice, 10, 7);
}

static void draw_small_swap(struct scene *scene, struct dice *dice)
{
	host(scene, 4, 200);
	guests(scene, 4, 512, 2048, 512);
	grow(scene, dice, 0, 4, 900, 20);
}

/*
 * Bursts and ramps of some or of all guests at once, on a host that has what they were started with
 * and a little more: what a coordinator must hold the host's reserve in. A burst takes what it can
 * as fast as the model's machine fills memory.
 */
void draw_bursts(struct scene *scene, struct dice *dice)
{
	size_t n = (size_t)dice_range(dice, 2, 8);
	int64_t mib = dice_range(dice, 300, 700);
	/* A process has 150 MB beside the guest, a host's kernel keeps 128. */
	int64_t host_mib = 1024 + 200 + 200 + (int64_t)n * (mib + 150);

	host_of(scene, host_mib + dice_range(dice, 0, 2048), 1024, 120);
	guests(scene, n, mib, 2048, dice_range(dice, 0, 1) * 1024);
	for (double t = 5 + 20 * dice_unit(dice); t < 110; t += 5 + 25 * dice_unit(dice)) {
		bool all = dice_range(dice, 0, 2) == 0;
		int64_t rate = dice_range(dice, 0, 1) ? 0 : dice_range(dice, 5, 100);

		for (unsigned int g = 0; g < n; g++) {
			if (all || dice_range(dice, 0, 2) == 0)
				scene_load(scene, g, t, dice_range(dice, 0, 1500), rate);
		}
	}
}

/*
 * More is wanted than the host has: guests that grow beside guests that do not, all at one speed or
 * each at its own, to one size or each to its own; some free later what they then have.
 */
void draw_shortages(struct scene *scene, struct dice *dice)
{
	size_t n = (size_t)dice_range(dice, 3, 10),
	       growing = (size_t)dice_range(dice, 2, (int64_t)n);
	int64_t rate = dice_range(dice, 5, 30), goal = dice_range(dice, 500, 1500);
	bool alike = dice_range(dice, 0, 1);
	int64_t wanted = 0, base, host_mib;

	for (unsigned int g = 0; g < growing; g++) {
		double at = 10 + (alike ? 2 : 10) * dice_unit(dice);
		int64_t mib = alike ? goal : dice_range(dice, 400, 1600);

		scene_load(scene, g, at, mib, alike ? rate : dice_range(dice, 5, 40));
		if (dice_range(dice, 0, 3) == 0)
			scene_load(scene, g, at + 40 + 60 * dice_unit(dice), 0, 60);
		wanted += mib;
	}
	/* Host, its kernel and reserve, and each guest's process before it grows. */
	base = 1024 + 128 + 200 + (int64_t)n * 290;
	host_mib = base + (int64_t)((double)wanted * (0.3 + 0.6 * dice_unit(dice)));
	host_of(scene, host_mib, 1024, 180);
	guests(scene, n, 512, 2048, 0);
}

/* Hosts so small that nothing can be gradual. */
#define CROWDED (BENCH_PINCHED | BENCH_HASTE)

const struct bench_case bench_cases[] = {
	{"mem-one", "one guest grows by 25 MB/s to 1700 MB, then frees", 10, draw_one, 0},
	{"mem-all", "all four grow, then free", 10, draw_all, 0},
	{"mem-handover", "guest 1 stops at 512 MB, guest 2 goes on", 10, draw_handover, 0},
	{"mem-two-free", "all grow; two free while two go on", 10, draw_two_free, 0},
	{"mem-one-frees", "two grow; one frees while the other goes on", 10, draw_one_frees, 0},
	{"step", "256 MB more at once, the first time, in a guest with swap", 40, draw_step, 0},
	{"step-again", "the same after a step of 200 MB a minute before", 40, draw_step_again, 0},
	{"sawtooth", "600 MB up and down every minute", 10, draw_saw, 0},
	{"shortage", "four want 1400 MB each, the host has 3 GB for them", 10, draw_shortage,
	 BENCH_SHORTAGE | BENCH_PINCHED},
	{"misfits", "no driver, stuck, half way, slow, no statistics; three grow", 10, draw_misfits,
	 BENCH_PINCHED},
	{"cache", "three fill 800 MB of page cache, the fourth grows", 10, draw_cache, 0},
	{"squeeze", "the same, on a host that has not enough for both", 10, draw_squeeze,
	 BENCH_PINCHED},
	{"crowd", "20 of 40 guests grow towards 1000 MB, and free at 950, 32 GB", 3, draw_crowd,
	 CROWDED},
	{"small-one", "one of four grows to 1800 MB, 3 GB", 10, draw_small_one, CROWDED},
	{"small-fits", "one of four grows to 700 MB, 3 GB", 10, draw_small_fits, CROWDED},
	{"small-four", "four grow to 1200 MB, 4 GB", 10, draw_small_four, CROWDED},
	{"small-two", "two of eight grow to 1400 MB, 6 GB", 10, draw_small_two, CROWDED},
	{"turns", "four grow to 1000 MB, one after another, 3.5 GB", 10, draw_turns, CROWDED},
	{"many", "16 of 64 guests of 256 MB grow to 250 MB, 24 GB", 3, draw_many, CROWDED},
	{"tiny", "three of eight guests of 256 MB grow to 450 MB, 5 GB", 10, draw_tiny, CROWDED},
	{"burst-half", "four of eight take 300 MB at once, then 400, 6 GB", 10, draw_burst_half,
	 CROWDED},
	{"burst-all", "eight take 300 MB at once, then 400, 8 GB", 10, draw_burst_all, CROWDED},
	{"small-saw", "two by turns 700 MB up and down, 3.5 GB", 10, draw_small_saw, CROWDED},
	{"small-cache", "two with 600 MB of page cache, one grows to 1100 MB, 4 GB", 10,
	 draw_small_cache, CROWDED},
	{"start-stop", "two stop, two grow, one comes back, 6 GB", 10, draw_start_stop, CROWDED},
	{"reboot", "two grow, one of them and an idle one reboot, 5 GB", 10, draw_reboot, CROWDED},
	{"every-1", "three of eight grow by 40 MB/s, 7 GB, interval 1 s", 10, draw_every_1,
	 CROWDED},
	{"every-5", "three of eight grow by 12 MB/s, 7 GB, interval 5 s", 10, draw_every_5,
	 CROWDED},
	{"every-10", "three of eight grow by 7 MB/s, 7 GB, interval 10 s", 10, draw_every_10,
	 CROWDED},
	{"small-swap", "four with swap grow to 900 MB, 4 GB", 10, draw_small_swap, CROWDED},
	{"idle", "eight idle guests of 2048 MB", 1, draw_idle, 0},
	{"day", "64 guests with a day of wandering demand", 1, draw_day, BENCH_WANDERS},
};
const size_t bench_ncases = sizeof(bench_cases) / sizeof(*bench_cases);
