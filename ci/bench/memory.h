/* SPDX-License-Identifier: MIT */
/* What the parts of the coordinator's benchmark share: rules to compare, cases to run them on. */
#ifndef BALLAST_BENCH_MEMORY_H
#define BALLAST_BENCH_MEMORY_H

#include "memory/kib.h"
#include "lab/sim/model/model.h"
#include "memory/plan.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_RESERVE	   (100 * MIB) /* what every guest should have unused */
#define BENCH_FLOOR	   (200 * MIB)
#define BENCH_HOST_RESERVE (200 * MIB)
#define BENCH_GUESTS_MOST  64
#define BENCH_INTERVAL_S   2 /* where a case does not have its own */

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
	HAPPEN_STOP,
	HAPPEN_START,
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
	double interval_s; /* of rules that do not have their own; 0: BENCH_INTERVAL_S */
	size_t nguests;
	struct model_guest_config guests[BENCH_GUESTS_MOST];
	size_t nhappenings, size;
	struct happening *happenings; /* in any order; sorted before the run */
};

void scene_add(struct scene *scene, struct happening happening);
void scene_load(struct scene *scene, unsigned int guest, double at_s, int64_t mib,
		int64_t rate_mib_s);

enum {
	BENCH_SHORTAGE = 1, /* there is not enough for all: shares are judged */
	BENCH_PINCHED = 2,  /* what a guest gets depends on what others do, or it does not follow */
	BENCH_HASTE = 8,    /* what guests at rest have must be taken back at once */
	BENCH_WANDERS = 4,  /* demands change so often that some end just beside a threshold */
};

struct bench_case {
	const char *name;
	const char *title;
	unsigned int seeds;
	void (*draw)(struct scene *scene, struct dice *dice);
	unsigned int flags;
};

extern const struct bench_case bench_cases[];
extern const size_t bench_ncases;
/* Everything at random, faults included. */
void draw_random(struct scene *scene, struct dice *dice);
/* Bursts of up to all guests at once. */
void draw_bursts(struct scene *scene, struct dice *dice);
/* More is wanted than the host has. */
void draw_shortages(struct scene *scene, struct dice *dice);

/* How many loads end for want of memory under a plan that knows all that will happen; m is the
 * scene's model, at its start. */
unsigned int clairvoyant_kills(const struct scene *scene, struct model *m);

/* --- a rule: what a coordinator decides from what libvirt tells it --- */

struct bench_rule {
	const char *name;
	double interval_s;
	/* Fresh memory for a run, zeroed, of that many bytes. */
	size_t state_size;
	void (*begin)(void *state, double interval_s); /* may be NULL */
	/* targets[i]: a new target for the sample's guest i, or 0. */
	void (*plan)(void *state, const struct mem_sample *sample, int64_t *targets);
	double (*look_s)(const void *state); /* after how long to decide again; may be NULL */
	void (*finish)(void *state);	     /* may be NULL */
};

/* The first is ours, the second does nothing. */
extern struct bench_rule bench_rules[];
extern size_t bench_nrules;

/* One more rule, "baseline": the policy in that shared object, memory_policy.c built with an older
 * tree. Returns 0, or -1: dlerror(). */
int bench_add_build(const char *path);

/* --- what the runs of one case by one rule showed: sums, and the worst where it says so --- */

struct bench_result {
	unsigned int runs;
	double below_s;	      /* Σ over guests: neither unused nor usable reach the reserve */
	double cached_s;      /* the same: unused is below it, but page cache could give way */
	double dead_s;	      /* Σ over guests: their load was killed, and no other came since */
	double guest_s;	      /* Σ over guests: all of it */
	double oom;	      /* guests' loads killed for want of memory */
	double limit;	      /* kills by a plan that knows all that will happen */
	double runs_worse;    /* runs with more than one kill beyond that */
	double crashed;	      /* guests killed by the host */
	double first_pct;     /* what the host had above its reserve at the first, % of it; worst */
	double host_breach_s; /* available below the host reserve */
	double grant_breaches;	      /* ticks after which more was promised than is there */
	double floor_breaches;	      /* targets below the floor, releases below what is used */
	double serve_s, serve_most_s; /* from a step of load until it is served; worst */
	size_t serves, unserved;
	double release_mib; /* biggest */
	double reversals;
	double sets, noops;
	double constant_sets;
	double jain;
	double beyond_mib; /* held beyond used + 2 reserves */
	double reclaim_s;  /* worst time from a release of load to used + 2 reserves */
	size_t reclaims, unreclaimed;
	double recovered_pct; /* of the memory configured at the start, at the end */
	double plan_us;	      /* mean CPU time of a decision */
};

/* --- tables of results[case * bench_nrules + rule] --- */

/* Every case that was run: a row per rule. */
void table_print(const struct bench_result *results);

/* Where ours is worse than another rule in what guests need, and what that rule takes for it. */
void table_print_need(const struct bench_result *results);

/* Kills by all rules, beside the least there could be. */
void table_print_kills(const struct bench_result *results);

/* What is to be reached, beside what was. */
void table_print_bounds(const struct bench_result *results);

#endif
