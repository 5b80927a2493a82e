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

static void host(struct scene *scene, int64_t gib, double length_s)
{
	model_config_default(&scene->host);
	scene->host.memory_kib = (uint64_t)(gib * GIB);
	scene->host.used_kib = GIB;
	scene->length_s = length_s;
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
	{"idle", "eight idle guests of 2048 MB", 1, draw_idle, 0},
	{"day", "64 guests with a day of wandering demand", 1, draw_day, BENCH_WANDERS},
};
const size_t bench_ncases = sizeof(bench_cases) / sizeof(*bench_cases);
