/* SPDX-License-Identifier: MIT */
/* Steps: from what a guest has to what it is to have, up at once and down gradually. */
#include "step.h"

#include "observe.h"
#include "share.h"

#include <math.h>
#include <stdlib.h>

/*
 * Too little to be worth a call, unless the need itself is not met. Idle guests wander by a few MB,
 * so what starts a change must be more than what ends one, or noise moves memory back and forth: a
 * guest that grows is topped up, and has enough when it stops; where only part of a guard can be
 * had, the part comes and goes with what others do.
 */
#define GROWING_KIB_S	   (2 * MIB)
#define GROW_ON_KIB	   (4 * MIB)
#define GROW_START_KIB	   (16 * MIB)
#define GROW_PART_KIB	   (32 * MIB)
#define RELEASE_START_KIB  (32 * MIB)
#define RELEASE_URGENT_KIB (8 * MIB)
#define RELEASE_GO_ON_KIB  (2 * MIB)

/* Fresh statistics that must agree on an excess: what the guest wanted most by these counts. */
#define RELEASE_SAMPLES 2

/* A look out of turn, because somebody else has set a guest, must not make a second step of one:
 * releases are at least this part of an interval apart. */
#define RELEASE_APART 0.5

/* On a hard host, or while another guest is short, gradual is this much faster. */
#define HARD_FACTOR 2

static void set(struct tick *t, size_t g, int64_t to, enum mem_reason reason)
{
	struct known *k = &t->known[g];

	k->before_kib = k->target_kib;
	t->plan->sets[t->plan->nsets++] = (struct mem_set){
		.guest = g,
		.from_kib = t->sample->guests[g].actual_kib,
		.to_kib = to,
		.reason = reason,
	};
	k->target_kib = to;
	k->target_wall_s = t->sample->wall_s;
	k->again = false;
}

static enum mem_reason why_grow(const struct tick *t, const struct known *k,
				const int64_t layer[SHARE_LAYERS], int64_t actual)
{
	if (k->pressed || k->usable_kib < t->policy->reserve_kib / 2)
		return MEM_PRESSED;
	if (actual < layer[SHARE_NEED])
		return MEM_GROW;
	return actual < layer[SHARE_GUARD] ? MEM_GUARD : MEM_CACHE;
}

static int64_t grow_least(const struct known *k, const struct share *s, int64_t actual)
{
	if (actual < s->layer_kib[SHARE_NEED])
		return MEM_SAME_KIB;
	if (s->share_kib < s->layer_kib[SHARE_GUARD])
		return GROW_PART_KIB;
	return k->growth_kib_s >= GROWING_KIB_S ? GROW_ON_KIB : GROW_START_KIB;
}

/* The guest is to have more than it has. */
static void step_up(struct tick *t, size_t g, const struct share *s)
{
	int64_t actual = t->sample->guests[g].actual_kib, to = s->share_kib;
	struct known *k = &t->known[g];
	int64_t stands = k->target_kib ? k->target_kib : actual;
	int64_t least = grow_least(k, s, actual);

	if (to != s->most_kib)
		to -= to % MIB; /* whole MiB, never more than there is */
	k->releasing = false;
	if (to > max64(actual, stands) + least) {
		set(t, g, to, why_grow(t, k, s->layer_kib, actual));
	} else if (stands < actual - MEM_SAME_KIB) {
		set(t, g, max64(to, actual), MEM_CANCEL);
	} else if (k->again && stands > actual + MEM_SAME_KIB) {
		set(t, g, stands, MEM_AGAIN);
	}
}

/* Most it may give back in one step. */
static int64_t release_most(const struct tick *t, const struct known *k, int64_t actual)
{
	double factor = t->plan->level == MEM_HARD || t->anyone_short ? HARD_FACTOR : 1;
	double idle = (double)max64(actual - max64(k->used_kib, k->used_before_kib), 0);

	if (t->plan->level == MEM_LOW || t->anyone_dying)
		return INT64_MAX;
	return kib_of(fmin((double)t->policy->release_kib * factor,
			   idle * fmin(t->policy->release_pct * factor, 100) / 100));
}

static bool urgent(const struct tick *t)
{
	return t->plan->level >= MEM_HARD || t->anyone_short || t->anyone_dying;
}

/* An excess that is smaller is left where it is: wandering use must not start a release. */
static int64_t release_least(const struct tick *t, const struct known *k)
{
	if (k->releasing)
		return RELEASE_GO_ON_KIB;
	return urgent(t) ? RELEASE_URGENT_KIB : RELEASE_START_KIB;
}

/*
 * The guest has more than its share. What two statistics agree on goes, a step at a time; a low
 * host has no time for a second opinion on anything but what the guest uses.
 */
static void step_down(struct tick *t, size_t g, int64_t share, int64_t want_before)
{
	int64_t actual = t->sample->guests[g].actual_kib, to;
	struct known *k = &t->known[g];
	int64_t stands = k->target_kib ? k->target_kib : actual;
	bool low = t->plan->level == MEM_LOW || t->anyone_dying;

	if (k->doomed) /* others wait for what it had */
		want_before = k->want_kib;
	else if (low)
		want_before = k->want_kib + k->used_before_kib - k->used_kib;
	share = min64(actual, share + max64(want_before - k->want_kib, 0));
	if (k->pressed || actual - share < release_least(t, k)) {
		k->releasing = false;
		if (stands < min64(actual, share) - MEM_SAME_KIB)
			set(t, g, actual, MEM_CANCEL);
		return;
	}
	if (!low && (k->samples < RELEASE_SAMPLES ||
		     t->sample->time_s - k->released_s < RELEASE_APART * t->policy->interval_s))
		return;
	k->releasing = true;
	to = max64(share, actual - min64(release_most(t, k, actual), actual));
	to = min64(to + (MIB - to % MIB) % MIB, actual); /* whole MiB, never more than allowed */
	if (stands < actual - MEM_SAME_KIB && to >= stands - MEM_SAME_KIB) {
		/* On its way. If it now should keep more than that, the whole step is off. */
		if (share > stands + MEM_SAME_KIB)
			set(t, g, actual, MEM_CANCEL);
		else if (k->again)
			set(t, g, stands, MEM_AGAIN);
	} else if (to < actual - MEM_SAME_KIB) {
		set(t, g, to, urgent(t) ? MEM_RECLAIM : MEM_RELEASE);
		k->released_s = t->sample->time_s;
	}
}

static void step_each(struct tick *t, size_t n)
{
	const struct share *shares = t->state->shares;

	for (size_t i = 0; i < n; i++) {
		size_t g = t->state->places[i];
		int64_t actual = t->sample->guests[g].actual_kib;
		int64_t want_before = t->known[g].want_kib;

		t->known[g].want_kib = t->plan->views[g].want_kib;
		if (t->plan->views[g].share_kib < actual)
			step_down(t, g, t->plan->views[g].share_kib, want_before);
		else
			step_up(t, g, &shares[i]);
	}
}

/* A guest that does not give what it was asked for keeps it: its driver would go on trying for
 * ever, and take the memory at some moment when the guest needs it. */
static void call_off(struct tick *t)
{
	for (size_t g = 0; g < t->sample->nguests; g++) {
		struct known *k = &t->known[g];
		int64_t actual = t->sample->guests[g].actual_kib;

		if (k->condition != MEM_STUCK || !k->target_kib ||
		    k->target_kib >= actual - MEM_SAME_KIB)
			continue;
		set(t, g, actual, MEM_CANCEL);
		k->target_kib = 0;
	}
}

/* What gives memory up goes first, and calls that stop a guest from losing some before all. */
static int rank(const struct mem_set *set)
{
	if (set->reason == MEM_CANCEL)
		return 0;
	return set->to_kib < set->from_kib ? 1 : 2;
}

static int compare_sets(const void *a, const void *b)
{
	const struct mem_set *x = a, *y = b;

	if (rank(x) != rank(y))
		return rank(x) - rank(y);
	return (x->guest > y->guest) - (x->guest < y->guest);
}

void step_all(struct tick *t, size_t n)
{
	call_off(t);
	step_each(t, n);
	if (t->plan->nsets > 1)
		qsort(t->plan->sets, t->plan->nsets, sizeof(*t->plan->sets), compare_sets);
}
