/* SPDX-License-Identifier: MIT */
/*
 * The coordinator's policy: statistics in, balloon targets out. It knows no libvirt, clock, file or
 * log; time, identities and what must be remembered between ticks are arguments. Sizes are KiB.
 */
#ifndef BALLAST_MEMORY_PLAN_H
#define BALLAST_MEMORY_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MEM_UUID_LEN  16
#define MEM_NOT_KNOWN (-1)

/* 256 PiB. What claims to be more is no figure, and sums of 16,384 such guests still fit 63 bits.
 */
#define MEM_KIB_MOST ((int64_t)1 << 48)

#define MEM_WEIGHT_MOST 1000

/* --- what is read: one struct mem_sample per tick --- */

struct mem_guest {
	unsigned char uuid[MEM_UUID_LEN];
	bool managed; /* its balloon is ours to steer */
	bool running; /* it can react: neither paused nor shutting down */
	bool balloon; /* it has a balloon device that can give and take its memory */
	bool taken;   /* the host has handed all of its memory over: huge pages, locked, VFIO */
	int64_t maximum_kib;
	int64_t actual_kib; /* balloon size now */

	/* Statistics of the balloon driver, all of one moment; MEM_NOT_KNOWN where it did not say.
	 */
	int64_t made_s;	     /* that moment, by the host's wall clock in whole seconds; 0: never */
	int64_t unused_kib;  /* MemFree */
	int64_t usable_kib;  /* MemAvailable */
	int64_t total_kib;   /* MemTotal */
	int64_t swap_in_kib; /* these three since the guest's boot */
	int64_t swap_out_kib;
	int64_t major_faults;

	int64_t rss_kib; /* of its process on the host; or MEM_NOT_KNOWN */

	/* The guest's own settings; 0: the policy's. */
	int64_t reserve_kib;
	int64_t floor_kib;
	int weight;
};

struct mem_sample {
	double time_s; /* monotonic */
	double wall_s; /* the clock that made_s is of; negative: not known */
	int64_t host_total_kib;
	int64_t host_available_kib; /* what could be given out without swapping */
	size_t nguests;
	struct mem_guest *guests; /* running ones, in any order */
};

/* --- what is wanted --- */

struct mem_policy {
	double interval_s;	  /* between decisions */
	double period_s;	  /* of the guests' statistics */
	int64_t reserve_kib;	  /* least every guest should have unused */
	int64_t floor_kib;	  /* least size of a guest */
	int64_t host_reserve_kib; /* least the host keeps available; MEM_NOT_KNOWN: by its size */
	int64_t budget_kib;	  /* most all guests together may get; 0: what the host has */
	int64_t release_kib;	  /* most a guest gives back per tick … */
	double release_pct;	  /* … and most of what it does not use */
	int64_t guard_kib_s; /* growth that may set in unannounced without cutting into the reserve
			      */
	bool respect_others; /* a guest that somebody else sets is theirs from then on */
};

/* The defaults, each with its reason, are in plan.c. */
void mem_policy_init(struct mem_policy *policy);

/* --- what comes out --- */

/* By the host's available memory in host reserves; each is left a quarter of a reserve later than
 * it is entered. */
enum mem_level {
	MEM_CLEAR, /* three or more: guests keep their page cache */
	MEM_SOFT,  /* less than three: page cache counts as idle */
	MEM_HARD, /* less than two, or a guest is short: idle memory goes back at twice the speed */
	MEM_LOW,  /* less than one: idle memory goes back at once, whatever is short waits */
};

/* How a guest stands. All but the first two are held: not moved, and counted at what they may take.
 */
enum mem_condition {
	MEM_STEERED,
	MEM_WAITING,   /* no new statistics since the last tick */
	MEM_UNMANAGED, /* not ours */
	MEM_LEFT,      /* somebody else set it and is respected */
	MEM_PAUSED,
	MEM_NO_BALLOON, /* no such device */
	MEM_BLIND,	/* never told anything: no driver, or still booting */
	MEM_STALE,	/* has stopped telling */
	MEM_STUCK,	/* does not follow its targets */
};

enum mem_reason {
	MEM_GROW,    /* it uses more */
	MEM_PRESSED, /* it swaps, or has next to nothing left */
	MEM_GUARD,   /* so that growth may set in unannounced */
	MEM_CACHE,   /* its page cache had taken the reserve */
	MEM_RELEASE, /* it has had more than it needs for a while */
	MEM_RECLAIM, /* the same, faster: the host or another guest is short */
	MEM_CANCEL,  /* what it was to give it needs itself, or does not give */
	MEM_AGAIN,   /* the same target again: set in an earlier life, or not followed so far */
};

/* A balloon to set. */
struct mem_set {
	size_t guest;	  /* position in the sample */
	int64_t from_kib; /* its size now */
	int64_t to_kib;
	enum mem_reason reason;
};

enum mem_happening {
	MEM_SET_BY_OTHERS, /* its size changed and not by us */
	MEM_NOW_HELD,	   /* it came into a condition in which it is held */
	MEM_NOW_STEERED,   /* it came back from there */
	MEM_GIVEN_UP,	   /* the host has no more for it: it will run out */
};

/* Something to be said once. */
struct mem_note {
	size_t guest;
	enum mem_happening what;
	enum mem_condition condition; /* the new one; the old one for MEM_NOW_STEERED */
	int64_t kib;		      /* its size */
	double left_s;		      /* MEM_GIVEN_UP: until it runs out as fast as it grows */
};

/* How the policy sees a guest. */
struct mem_view {
	enum mem_condition condition;
	int64_t used_kib; /* what it needs to live: size − usable; MEM_NOT_KNOWN before the first
			     statistics */
	int64_t growth_kib_s; /* of that */
	int64_t need_kib;     /* used + reserve + what it will have grown by before it can be helped
				 again */
	int64_t want_kib;     /* the need, the guard and, on a clear host, the page cache */
	int64_t share_kib;    /* what it is to have in the end, given what there is */
	int64_t target_kib;   /* what its balloon is set to now */
	int64_t short_kib;    /* need − target, where that is positive */
	bool given_up;	      /* the host has no more for it */
};

struct mem_plan {
	enum mem_level level;
	int64_t host_reserve_kib;
	int64_t promised_kib; /* what guests may still take of what they have */
	double covered_pct;   /* of the promised, by what the host has above its reserve */
	int64_t room_kib;     /* what may be given out now; negative: too much is promised */
	bool scarce;   /* reserves are taken for one that grows, or to cover what is at risk */
	double left_s; /* until the host is at its reserve, as fast as guests grow; negative: they
			  do not */
	double look_s; /* decide again after this: guests grow that fast; the interval otherwise */
	int64_t actual_kib; /* Σ sizes */
	int64_t need_kib;   /* Σ of the steered guests */
	int64_t want_kib;
	int64_t short_kib;
	size_t held, given_up;
	size_t nsets;
	struct mem_set *sets; /* in the order to make them: what gives before what takes */
	size_t nnotes;
	struct mem_note *notes;
	size_t nguests;
	struct mem_view *views; /* as in the sample */
};

/* --- the policy --- */

/* What is remembered between ticks. */
struct mem_state;

/* NULL when out of memory. */
struct mem_state *mem_state_new(void);
void mem_state_free(struct mem_state *state);

/*
 * Takes the sample in and decides. plan must be zeroed before its first use; it may be used again,
 * and its arrays live until the next call or mem_plan_free(). The sets count as made; tell
 * mem_refused() of those that were not. Returns 0, or −1 when out of memory (the state is then as
 * if the tick had not been).
 */
int mem_plan(struct mem_state *state, const struct mem_policy *policy,
	     const struct mem_sample *sample, struct mem_plan *plan);

/*
 * plan.sets[set] of the last mem_plan() was not made: its guest has no target of ours. failed: it
 * was tried; after three in a row the guest counts as stuck.
 */
void mem_refused(struct mem_state *state, const struct mem_plan *plan, size_t set, bool failed);

void mem_plan_free(struct mem_plan *plan);

/* The target that stands for this guest, or 0. */
int64_t mem_target(const struct mem_state *state, const unsigned char uuid[MEM_UUID_LEN]);

/* The least size that leaves a guest what it uses and its reserve, by all that is known of it, or
 * 0.
 */
int64_t mem_least(const struct mem_state *state, const struct mem_policy *policy,
		  const struct mem_guest *guest);

/* A target set in an earlier life: counted as in flight, and its guest is expected to follow it. 0,
 * or −1 when out of memory. */
int mem_resume(struct mem_state *state, const unsigned char uuid[MEM_UUID_LEN], int64_t target_kib);

/* A word for each, as in the reports. */
const char *mem_level_name(enum mem_level level);
const char *mem_condition_name(enum mem_condition condition);
const char *mem_reason_name(enum mem_reason reason);
const char *mem_happening_name(enum mem_happening what);

#endif
