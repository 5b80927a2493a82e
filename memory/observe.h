/* SPDX-License-Identifier: MIT */
/* What is known of one guest between ticks, and how it is learnt from its statistics. Pure. */
#ifndef BALLAST_MEMORY_OBSERVE_H
#define BALLAST_MEMORY_OBSERVE_H

#include "plan.h"

/* Sizes that differ by less are equal: balloons are told in pages and moved in pieces of 1 MiB. */
#define MEM_SAME_KIB 1024

/* Rates of growth that are remembered. */
#define GROWTH_RATES 3

struct known {
	unsigned char uuid[MEM_UUID_LEN];
	bool met; /* it was in an earlier sample */
	enum mem_condition condition;
	enum mem_condition
		said; /* the last thing told of it: that it is held so; MEM_STEERED: nothing */

	/* Statistics: of the last fresh ones, but for *_before. */
	bool fresh; /* this tick's are */
	bool told;  /* there were some since the guest's start */
	int64_t made_s;
	double seen_s; /* monotonic time of the tick that had them; before the first: of its
			  appearance */
	double age_s;  /* since then, at this tick */
	double gap_s;  /* between fresh ones: the longest of late */
	int64_t used_kib;
	int64_t used_before_kib;
	int64_t rest_kib; /* the same when it last did not grow */
	int64_t busy_kib; /* size − unused: used and page cache */
	int64_t usable_kib;
	int64_t kept_kib;	    /* what its kernel lets no load have: its low marks */
	double rates[GROWTH_RATES]; /* of growth, KiB/s, the last first */
	double growth_kib_s;
	int64_t want_kib; /* at the last tick that steered it */
	bool pressed;	  /* it swaps or faults */
	int64_t jump_kib; /* the largest rise of late that was too fast for the guard */
	double jump_s;	  /* when there was last one of about that size */
	int64_t swap_in_kib, swap_out_kib, major_faults;

	/* The host's side: memory of the guest's process that is not the guest's. */
	int64_t process_kib;
	bool process_sure;   /* it was seen while nothing moved */
	int64_t rss_kib;     /* of all of it */
	double taking_kib_s; /* how fast it grew since the last tick */
	int64_t taken_kib;   /* the same at the last tick; MEM_NOT_KNOWN: it was not told */

	/* Balloon. */
	int64_t actual_kib;   /* at the last tick with fresh statistics */
	int64_t seen_kib;     /* at the last tick */
	int64_t maximum_kib;  /* at the last tick */
	int64_t risen_kib;    /* it rose from there beyond what was asked of it; 0: it did not */
	unsigned int above;   /* fresh statistics since it came to rest up there */
	int64_t overhead_kib; /* size − MemTotal */
	bool overhead_sure;   /* learnt while the balloon stood still */
	bool total_still;     /* MemTotal does not follow the balloon (autodeflate) */
	int64_t target_kib;   /* of ours, standing; 0: none */
	int64_t before_kib;   /* the target before, until this one is reached; 0: none */
	double target_wall_s; /* when it was set */
	unsigned int strikes; /* fresh statistics in a row without a step towards the target */
	double retry_s;	      /* stuck until then */
	bool again;	      /* the target is to be set once more */
	double backoff_s;     /* for the next time it gets stuck; 0: it follows */
	bool left;	      /* somebody else set it and is respected */
	int others_way;	      /* somebody else's set is still moving it: up 1, down −1 */
	unsigned int samples; /* fresh statistics since its start, or since somebody else set it */
	bool releasing;	      /* the last ones let it give back */
	double released_s;    /* when it was last asked to */
	bool doomed_before;   /* at the last tick */
	bool kept;	      /* … and it stays so */
	bool doomed;	      /* the host has no more for it: others live on what it is not given */
};

/*
 * Takes a guest's part of a sample in. Sets known.condition, fresh and all that follows from the
 * statistics. Returns true if somebody else began to change its size since the last time.
 */
bool observe(struct known *known, const struct mem_guest *guest, const struct mem_sample *sample,
	     const struct mem_policy *policy);

/* What it uses by now, as far as it went on growing since it told. */
int64_t observe_uses(const struct known *known);

/* Its target is withdrawn from the accounts: nothing of ours stands any more. */
void observe_forget_target(struct known *known);

/* One more sign that it does not follow; the third makes it stuck, for longer each time. */
void observe_strike(struct known *known, double now_s);

#endif
