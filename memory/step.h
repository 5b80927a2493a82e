/* SPDX-License-Identifier: MIT */
/* A tick of the policy, as plan.c prepares it and step.c ends it. Private to the two. */
#ifndef BALLAST_MEMORY_STEP_H
#define BALLAST_MEMORY_STEP_H

#include "kib.h"
#include "plan.h"

#include <math.h>

struct mem_state {
	struct known *guests; /* as in the last sample */
	size_t nguests;
	struct known *next; /* scratch of nsize, as are the two below */
	size_t size;
	struct share *shares;
	size_t *places; /* [share] position in the sample */
	enum mem_level level;
	double time_s;	      /* of the last tick; 0: there was none */
	double most_at_once;  /* part of the guests that was seen to take memory at a time */
	double fastest_kib_s; /* any guest was ever seen to take memory */
};

/* One tick's working set. */
struct tick {
	struct mem_state *state;
	const struct mem_policy *policy;
	const struct mem_sample *sample;
	struct mem_plan *plan;
	struct known *known; /* [nguests] */
	int64_t host_reserve_kib;
	int64_t host_room_kib;	 /* available − reserve − promised − in flight */
	int64_t risk_room_kib;	 /* the same, of what is promised only what is at risk */
	int64_t left_kib;	 /* available − the least reserve that a host is ever left with */
	int64_t spare_kib;	 /* of it, what guests that grow, swap or are not steered leave */
	size_t takers;		 /* guests that take memory just now */
	int64_t held_kib_s;	 /* how fast guests that cannot be steered are taken to grow */
	double at_once;		 /* part of the guests at rest that may begin to grow at once */
	bool leaps;		 /* guests here take what they have at once */
	int64_t budget_room_kib; /* what the budget leaves */
	bool anyone_short;
	bool anyone_dying; /* a guest cannot be given now what it will have used up soon */
};

/* What guests report times time, as a size: never more than a size can be. */
static inline int64_t kib_of(double kib)
{
	return kib < (double)MEM_KIB_MOST ? (int64_t)fmax(kib, 0) : MEM_KIB_MOST;
}

/*
 * Sets what brings the first n shares of the state on their way, and calls off what guests that are
 * stuck were asked for; the plan's sets are in the order of their calls then.
 */
void step_all(struct tick *t, size_t n);

#endif
