/* SPDX-License-Identifier: MIT */
/* What the parts of the coordinator's benchmark share: rules to compare, cases to run them on. */
#ifndef BALLAST_BENCH_MEMORY_H
#define BALLAST_BENCH_MEMORY_H

#include "model.h"
#include "plan.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MIB		   1024LL
#define BENCH_RESERVE	   (100 * MIB) /* what every guest should have unused */
#define BENCH_FLOOR	   (200 * MIB)
#define BENCH_HOST_RESERVE (200 * MIB)
#define BENCH_GUESTS_MOST  64

/* --- random numbers, the same everywhere --- */

struct dice {
	uint64_t state;
};

double dice_unit(struct dice *dice); /* [0, 1) */
int64_t dice_range(struct dice *dice, int64_t least, int64_t most);

/* --- a case: guests, and what happens to them --- */

enum happening_verb {
	HAPPEN_LOAD,	/* memory load to kib at rate */
	HAPPEN_CACHE,	/* files read until kib are cached */
	HAPPEN_BALLOON, /* the guest's balloon misbehaves: fault */
	HAPPEN_FREEZE,	/* statistics stop (kib 1) or go on (0) */
	HAPPEN_PAUSE,	/* kib 1: pause, 0: resume */
	HAPPEN_REBOOT,
	HAPPEN_HOST,   /* the host's other consumers go to kib at rate */
	HAPPEN_OTHERS, /* somebody else sets the balloon to kib */
};

struct happening {
	double at_s;
	unsigned int guest;
	enum happening_verb verb;
	int64_t kib, rate_kib_s;
	struct model_balloon_fault fault;
	bool served; /* how long it takes until the guest has it all and its reserve is measured */
};

struct scene {
	double length_s;
	struct model_config host;
	size_t nguests;
	struct model_guest_config guests[BENCH_GUESTS_MOST];
	size_t nhappenings, size;
	struct happening *happenings; /* in any order; sorted before the run */
};

void scene_add(struct scene *scene, struct happening happening);
void scene_load(struct scene *scene, unsigned int guest, double at_s, int64_t mib,
		int64_t rate_mib_s);

struct bench_case {
	const char *name;
	const char *title;
	unsigned int seeds;
	bool shortage; /* there is not enough for all: shares are judged */
	void (*draw)(struct scene *scene, struct dice *dice);
};

extern const struct bench_case bench_cases[];
extern const size_t bench_ncases;
/* Everything at random, faults included. */
void draw_random(struct scene *scene, struct dice *dice);

/* --- a rule: what a coordinator decides from what libvirt tells it --- */

struct bench_rule {
	const char *name;
	double interval_s;
	/* Fresh memory for a run, zeroed, of that many bytes. */
	size_t state_size;
	/* targets[i]: a new target for the sample's guest i, or 0. */
	void (*plan)(void *state, const struct mem_sample *sample, int64_t *targets);
	void (*finish)(void *state); /* may be NULL */
};

extern const struct bench_rule bench_rules[];
extern const size_t bench_nrules;

#endif
