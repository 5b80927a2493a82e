/* SPDX-License-Identifier: MIT */
/* The decision: what there is, what each guest needs and wants, and who gets what; step.c makes
 * steps of it. */
#include "plan.h"

#include "observe.h"
#include "risk.h"
#include "share.h"
#include "shortage.h"
#include "step.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The course's rules: every guest keeps 100 MB unused and has 200 MB. */
#define RESERVE_KIB (100 * MIB)
#define FLOOR_KIB   (200 * MIB)

/* Gradually: a guest that starts again before the next tick still has three quarters of what it
 * had. */
#define RELEASE_KIB (100 * MIB)
#define RELEASE_PCT 25.0

/* The loads that guests were seen to start grow by 15–25 MB/s. With interval 2 s and period 1 s
 * this guard is 98 MB, so an idle guest keeps just under used + 2 × reserve. */
#define GUARD_KIB_S (28 * MIB)
/* A long interval must not pin a guest's memory down: the guard ends at this part of its maximum.
 */
#define GUARD_PART 8

/* Room for a jump like one seen lately, and half as much again. It ends at this many reserves, so
 * that a guest at rest holds no more than it and the reserve, and at this part of its maximum. */
#define JUMP_FACTOR   1.5
#define JUMP_RESERVES 2.75
#define JUMP_PART     4

/* A guest still without statistics is booting; after this it has no driver. */
#define BLIND_SAID_S 30.0

void mem_policy_init(struct mem_policy *policy)
{
	*policy = (struct mem_policy){
		.interval_s = 2,
		.period_s = 1,
		.reserve_kib = RESERVE_KIB,
		.floor_kib = FLOOR_KIB,
		.host_reserve_kib = MEM_NOT_KNOWN,
		.release_kib = RELEASE_KIB,
		.release_pct = RELEASE_PCT,
		.guard_kib_s = GUARD_KIB_S,
	};
}

/* --- state and plan --- */

struct mem_state *mem_state_new(void)
{
	return calloc(1, sizeof(struct mem_state));
}

void mem_state_free(struct mem_state *state)
{
	if (!state)
		return;
	free(state->guests);
	free(state->next);
	free(state->shares);
	free(state->places);
	free(state);
}

void mem_plan_free(struct mem_plan *plan)
{
	free(plan->sets);
	free(plan->notes);
	free(plan->views);
	memset(plan, 0, sizeof(*plan));
}

static int resize(void *array, size_t n, size_t element)
{
	void **p = array, *grown = realloc(*p, n * element);

	if (!grown)
		return -1;
	*p = grown;
	return 0;
}

/* Room for n guests everywhere, or nothing is changed but capacity. */
static int make_room(struct mem_state *state, struct mem_plan *plan, size_t n)
{
	size_t size = n + 1;

	if (size > state->size) {
		if (resize(&state->guests, size, sizeof(*state->guests)) ||
		    resize(&state->next, size, sizeof(*state->next)) ||
		    resize(&state->shares, size, sizeof(*state->shares)) ||
		    resize(&state->places, size, sizeof(*state->places)))
			return -1;
		state->size = size;
	}
	/* A guest has at most one set; it can be set by others, be held or come back, and be given
	 * up at once. */
	if (resize(&plan->sets, size, sizeof(*plan->sets)) ||
	    resize(&plan->notes, 3 * size, sizeof(*plan->notes)) ||
	    resize(&plan->views, size, sizeof(*plan->views)))
		return -1;
	return 0;
}

/* What is known of that guest; lists mostly keep their order, so its old place is looked at first.
 */
static const struct known *find_known(const struct mem_state *state, const unsigned char *uuid,
				      size_t place)
{
	if (place < state->nguests && !memcmp(state->guests[place].uuid, uuid, MEM_UUID_LEN))
		return &state->guests[place];
	for (size_t i = 0; i < state->nguests; i++) {
		if (!memcmp(state->guests[i].uuid, uuid, MEM_UUID_LEN))
			return &state->guests[i];
	}
	return NULL;
}

int64_t mem_target(const struct mem_state *state, const unsigned char uuid[MEM_UUID_LEN])
{
	const struct known *known = find_known(state, uuid, 0);

	return known ? known->target_kib : 0;
}

int mem_resume(struct mem_state *state, const unsigned char uuid[MEM_UUID_LEN], int64_t target_kib)
{
	struct known *known;

	if (target_kib <= 0 || target_kib > MEM_KIB_MOST)
		return 0;
	known = (struct known *)find_known(state, uuid, 0);
	if (known) {
		known->target_kib = target_kib;
		known->again = true;
		return 0;
	}
	if (state->nguests + 1 > state->size) {
		size_t size = 2 * state->nguests + 16;

		if (resize(&state->guests, size, sizeof(*state->guests)) ||
		    resize(&state->next, size, sizeof(*state->next)) ||
		    resize(&state->shares, size, sizeof(*state->shares)) ||
		    resize(&state->places, size, sizeof(*state->places)))
			return -1;
		state->size = size;
	}
	known = &state->guests[state->nguests++];
	*known = (struct known){.target_kib = target_kib, .again = true};
	memcpy(known->uuid, uuid, MEM_UUID_LEN);
	return 0;
}

void mem_refused(struct mem_state *state, const struct mem_plan *plan, size_t set, bool failed)
{
	struct known *known = &state->guests[plan->sets[set].guest];
	unsigned int strikes = known->strikes;
	int64_t before = known->before_kib;

	observe_forget_target(known);
	known->before_kib = before; /* it may still be on its way there */
	if (!failed)
		return;
	known->strikes = strikes;
	observe_strike(known, known->seen_s);
	known->again = false; /* there is nothing to repeat */
}

/* --- what was seen --- */

static void note(struct tick *t, size_t g, enum mem_happening what, enum mem_condition condition)
{
	t->plan->notes[t->plan->nnotes++] = (struct mem_note){
		.guest = g,
		.what = what,
		.condition = condition,
		.kib = t->sample->guests[g].actual_kib,
	};
}

static bool held(const struct known *k)
{
	return k->condition > MEM_WAITING;
}

/* Conditions that a guest's owner chose are no news. */
static bool worth_a_note(const struct tick *t, const struct known *k)
{
	if (k->condition == MEM_BLIND)
		return t->sample->time_s - k->seen_s > BLIND_SAID_S;
	return k->condition == MEM_NO_BALLOON || k->condition == MEM_STALE ||
	       k->condition == MEM_STUCK;
}

static void note_change(struct tick *t, size_t g, struct known *k)
{
	/* A stuck guest whose time has come is tried again; it has not come back yet. */
	bool back = !held(k) && k->backoff_s <= 0;

	if (back && k->said != MEM_STEERED) {
		note(t, g, MEM_NOW_STEERED, k->said);
		k->said = MEM_STEERED;
	} else if (held(k) && k->condition != k->said && worth_a_note(t, k)) {
		note(t, g, MEM_NOW_HELD, k->condition);
		k->said = k->condition;
	}
}

static void observe_all(struct tick *t)
{
	for (size_t g = 0; g < t->sample->nguests; g++) {
		const struct mem_guest *guest = &t->sample->guests[g];
		const struct known *before = find_known(t->state, guest->uuid, g);
		struct known *k = &t->known[g];

		*k = before ? *before : (struct known){.seen_s = t->sample->time_s};
		memcpy(k->uuid, guest->uuid, MEM_UUID_LEN);
		if (observe(k, guest, t->sample, t->policy))
			note(t, g, MEM_SET_BY_OTHERS, k->condition);
		note_change(t, g, k);
		t->plan->held += held(k);
	}
}

/* --- what each guest needs and wants --- */

static int64_t setting(int64_t own, int64_t policy)
{
	return clamp64(own > 0 ? own : policy, 0, MEM_KIB_MOST / 4);
}

/* Growth that must be met before there is another chance: statistics are up to a period old, the
 * next ones that can be acted on come an interval later, and then it takes a moment. */
static double horizon_s(const struct mem_policy *policy, const struct known *k)
{
	return fmax(policy->interval_s, fmin(k->gap_s, 4 * policy->interval_s)) + policy->period_s +
	       RISK_ACT_S;
}

/* The same where decisions follow each other faster, as the host does not last long. */
static double near_s(const struct tick *t, const struct known *k)
{
	if (t->plan->look_s >= t->policy->interval_s)
		return horizon_s(t->policy, k);
	return t->plan->look_s + t->policy->period_s + RISK_ACT_S;
}

static int64_t guard_of(const struct mem_policy *policy, int64_t reserve, int64_t maximum)
{
	double kib =
		(double)policy->guard_kib_s * (policy->interval_s + policy->period_s + RISK_ACT_S);

	return min64(kib_of(kib), max64(reserve, maximum / GUARD_PART));
}

/* What has jumped may jump again. */
static int64_t jump_of(const struct known *k, int64_t reserve, int64_t maximum)
{
	double kib = fmin((double)k->jump_kib * JUMP_FACTOR, (double)reserve * JUMP_RESERVES);

	return min64(kib_of(kib), max64(reserve, maximum / JUMP_PART));
}

/*
 * What it must have until it can be helped again. One at rest lives on what it has, but for a
 * little, and one with swap lives without.
 */
static int64_t life_of(const struct known *k, const struct mem_guest *guest, int64_t ahead,
		       int64_t floor)
{
	if ((k->growth_kib_s >= SHORTAGE_GROWING_KIB_S || ahead > SHORTAGE_LITTLE_KIB) &&
	    k->swap_out_kib <= 0)
		return max64(floor, observe_uses(k) + max64(ahead, SHORTAGE_LITTLE_KIB));
	return min64(max64(floor, k->used_kib + SHORTAGE_LITTLE_KIB),
		     max64(guest->actual_kib, k->target_kib));
}

/* What it takes until it can be helped again if it goes on as in the last period, which its process
 * confirms: of growth that has just set in the median knows nothing yet. */
static int64_t onset_of(const struct tick *t, const struct known *k)
{
	int64_t kib = kib_of(fmin(k->rates[0], k->taking_kib_s) * near_s(t, k));

	return min64(kib, max64(t->spare_kib / (int64_t)max64((int64_t)t->takers, 1), 0));
}

/* The sizes that would fill each of the guest's layers. */
static void layers_of(const struct tick *t, size_t g, int64_t layer[SHARE_LAYERS])
{
	const struct mem_guest *guest = &t->sample->guests[g];
	const struct known *k = &t->known[g];
	int64_t reserve = setting(guest->reserve_kib, t->policy->reserve_kib);
	int64_t floor = setting(guest->floor_kib, t->policy->floor_kib);
	int64_t guard = guard_of(t->policy, reserve, guest->maximum_kib);
	int64_t ahead, uses = observe_uses(k);

	ahead = kib_of(k->growth_kib_s * RISK_GROWTH_MARGIN * near_s(t, k));
	layer[SHARE_LIFE] =
		life_of(k, guest, max64(ahead, min64(onset_of(t, k), 2 * guard)), floor);
	ahead = kib_of(k->growth_kib_s * RISK_GROWTH_MARGIN * horizon_s(t->policy, k));
	/* What a guest wants that has nothing left cannot be seen: it gets twice the guard. */
	if (k->pressed || k->usable_kib < reserve / 2)
		ahead = max64(ahead, 2 * guard);
	guard = max64(guard, jump_of(k, reserve, guest->maximum_kib));
	layer[SHARE_RESERVE] = max64(max64(floor, layer[SHARE_LIFE]), uses + reserve);
	layer[SHARE_NEED] = max64(layer[SHARE_RESERVE], uses + reserve + ahead);
	layer[SHARE_GUARD] = max64(layer[SHARE_NEED], uses + reserve + guard);
	layer[SHARE_CACHE] = max64(layer[SHARE_GUARD], k->busy_kib + reserve + max64(ahead, guard));
	for (int i = 0; i < SHARE_LAYERS; i++)
		layer[i] = min64(layer[i], guest->maximum_kib);
}

int64_t mem_least(const struct mem_state *state, const struct mem_policy *policy,
		  const struct mem_guest *guest)
{
	const struct known *k = find_known(state, guest->uuid, 0);
	int64_t floor = setting(guest->floor_kib, policy->floor_kib), ahead;

	if (!k || !k->told)
		return min64(floor, guest->maximum_kib);
	ahead = kib_of(k->growth_kib_s * RISK_GROWTH_MARGIN * horizon_s(policy, k));
	return min64(max64(floor,
			   k->used_kib + setting(guest->reserve_kib, policy->reserve_kib) + ahead),
		     guest->maximum_kib);
}

/*
 * Room, for each layer, beyond what is there. The host's margin grows by a host reserve at each
 * level, so that page cache and guards are given only what leaves it clear or soft: what they get
 * cannot be what they lose at the next tick.
 */
static void room_by_layer(const struct tick *t, int64_t have, int64_t total[SHARE_LAYERS])
{
	static const int margins[SHARE_LAYERS] = {
		[SHARE_GUARD] = RISK_HARD_RESERVES - 1,
		[SHARE_CACHE] = RISK_SOFT_RESERVES - 1,
	};

	/* Where guests do not leap, nobody is stopped for what others might take (shortage.h). */
	total[SHARE_LIFE] =
		have + min64(t->leaps ? t->left_kib - t->plan->promised_kib : INT64_MAX / 4,
			     t->budget_room_kib);
	/* What is for comfort is covered in full. */
	for (int i = SHARE_LIFE + 1; i < SHARE_LAYERS; i++)
		total[i] = have + min64((i < SHARE_GUARD ? t->risk_room_kib : t->host_room_kib) -
						margins[i] * t->host_reserve_kib,
					t->budget_room_kib);
}

/* Is there less than what guests will need at once and what they may take, beside reserves? */
static bool scarce(const struct tick *t, size_t n, int64_t have)
{
	int64_t missing = -have - min64(t->risk_room_kib, t->budget_room_kib);

	for (size_t i = 0; i < n; i++) {
		const struct share *s = &t->state->shares[i];

		missing += max64(s->least_kib, min64(s->layer_kib[SHARE_LIFE], s->most_kib));
	}
	return missing > 0;
}

/* Then reserves are what there is: nobody keeps more in any case than it uses. */
static void take_reserves(struct tick *t, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct share *s = &t->state->shares[i];
		const struct mem_guest *guest = &t->sample->guests[t->state->places[i]];
		int64_t least = max64(shortage_uses(t->policy, &t->known[t->state->places[i]]),
				      setting(guest->floor_kib, t->policy->floor_kib));

		s->least_kib = min64(guest->actual_kib, min64(least, s->layer_kib[SHARE_LIFE]));
	}
}

/* A share for every steered guest, of everything there is: what it should come to have. */
static size_t share_everything(struct tick *t)
{
	struct share *shares = t->state->shares;
	int64_t total[SHARE_LAYERS], have = 0;
	size_t n = 0;

	for (size_t g = 0; g < t->sample->nguests; g++) {
		const struct mem_guest *guest = &t->sample->guests[g];
		struct known *k = &t->known[g];
		struct share *s = &shares[n];

		if (!shortage_steers(t, k))
			continue;
		layers_of(t, g, s->layer_kib);
		s->least_kib = min64(guest->actual_kib, s->layer_kib[SHARE_RESERVE]);
		s->most_kib = guest->maximum_kib;
		s->weight = (int)clamp64(guest->weight, 1, MEM_WEIGHT_MOST);
		t->state->places[n++] = g;
		/* In-flight grants to it are decided anew, so they are room. */
		have += max64(guest->actual_kib, k->target_kib);
	}
	room_by_layer(t, have, total);
	if (scarce(t, n, have)) {
		t->plan->scarce = true;
		take_reserves(t, n);
	}
	shortage_choose(t, n, total[SHARE_LIFE]);
	share_out(shares, n, total);
	for (size_t i = 0; i < n; i++) {
		struct mem_view *view = &t->plan->views[t->state->places[i]];

		view->share_kib = shares[i].share_kib;
		view->need_kib = shares[i].layer_kib[SHARE_NEED];
		view->want_kib = shares[i].layer_kib[SHARE_CACHE];
	}
	return n;
}

/*
 * Of these, what can be given at once: the same rule over what the host really has now, the guests
 * keeping what they have or were granted. What others are to give back comes in when it has
 * arrived.
 */
static void share_room(struct tick *t, size_t n)
{
	struct share *shares = t->state->shares;
	int64_t total[SHARE_LAYERS], have = 0;

	for (size_t i = 0; i < n; i++) {
		const struct mem_guest *guest = &t->sample->guests[t->state->places[i]];
		const struct known *k = &t->known[t->state->places[i]];

		shares[i].least_kib = max64(guest->actual_kib, k->target_kib);
		shares[i].most_kib = max64(shares[i].share_kib, shares[i].least_kib);
		have += shares[i].least_kib;
	}
	room_by_layer(t, have, total);
	share_out(shares, n, total);
}

/* --- the tick --- */

static void find_short(struct tick *t, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct mem_view *view = &t->plan->views[t->state->places[i]];

		view->short_kib = max64(view->need_kib - t->state->shares[i].share_kib, 0);
		/* It waits for what others are to give back, or for the end. */
		if (t->state->shares[i].share_kib < min64(view->need_kib, view->share_kib) ||
		    t->known[t->state->places[i]].doomed)
			t->anyone_dying = true;
		t->plan->short_kib += view->short_kib;
		t->plan->need_kib += view->need_kib;
		t->plan->want_kib += view->want_kib;
	}
	t->anyone_short = t->plan->short_kib >= MEM_SAME_KIB;
}

static void fill_views(struct tick *t)
{
	for (size_t g = 0; g < t->sample->nguests; g++) {
		struct mem_view *view = &t->plan->views[g];
		const struct known *k = &t->known[g];

		view->condition = k->condition;
		view->used_kib = k->told ? k->used_kib : MEM_NOT_KNOWN;
		view->growth_kib_s =
			kib_of(fmax(k->growth_kib_s, fmin(k->rates[0], k->taking_kib_s)));
		view->given_up = k->doomed;
		t->plan->given_up += k->doomed;
		view->target_kib = k->target_kib ? k->target_kib : t->sample->guests[g].actual_kib;
	}
}

int mem_plan(struct mem_state *state, const struct mem_policy *policy,
	     const struct mem_sample *sample, struct mem_plan *plan)
{
	struct tick t = {.state = state, .policy = policy, .sample = sample, .plan = plan};
	struct known *before;
	size_t n;

	if (make_room(state, plan, sample->nguests))
		return -1;
	*plan = (struct mem_plan){
		.sets = plan->sets,
		.notes = plan->notes,
		.views = plan->views,
		.nguests = sample->nguests,
	};
	memset(plan->views, 0, sample->nguests * sizeof(*plan->views));
	t.known = state->next;
	observe_all(&t);
	risk_weigh(&t);
	shortage_look(&t);
	n = share_everything(&t);
	share_room(&t, n);
	find_short(&t, n);
	step_all(&t, n);
	fill_views(&t);
	before = state->guests;
	state->guests = state->next;
	state->next = before;
	state->nguests = sample->nguests;
	return 0;
}
