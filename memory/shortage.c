/* SPDX-License-Identifier: MIT */
/*
 * When it cannot be enough for all: who goes without. A level for all would end all of them
 * together; here as few as can be are given up, and the rest live on what comes back from them.
 */
#include "shortage.h"

#include "observe.h"
#include "risk.h"
#include "share.h"
#include "step.h"

/* With less than so many intervals left, every new statistics count; with less than so many
 * periods, it counts to see them soon. */
#define LOOK_INTERVALS 5
#define CLOSE_PERIODS  8

/* Freed pages that a process holds on to, at rest. */
#define FRAGMENTS_KIB (16 * MIB)

/* A kernel without a page to give tries for so long before it ends its load. */
#define END_S 0.2

/* Of its growth, what its process must be seen to take, or it has stopped. */
#define TAKES_PART 0.25

/* What the host must have for longer until one is taken back. */
#define REPRIEVE_S 1.0

/* How far off what a guest holds may be: its process's own memory is estimated. */
#define ERROR_KIB (8.0 * MIB)

static struct known *known_of(const struct tick *t, size_t i)
{
	return &t->known[t->state->places[i]];
}

static double growth(const struct known *k)
{
	return k->growth_kib_s >= SHORTAGE_GROWING_KIB_S ? k->growth_kib_s : 0;
}

int64_t shortage_uses(const struct mem_policy *policy, const struct known *k)
{
	int64_t since = kib_of(k->growth_kib_s * policy->period_s);

	/* Its process is seen now: what that holds beyond what the guest told was taken since. */
	if (k->process_sure && k->rss_kib >= 0)
		since = max64(since, k->rss_kib - k->process_kib - k->busy_kib - FRAGMENTS_KIB);
	return observe_uses(k) + since;
}

/* --- the order --- */

/* The lightest first; of those, whoever was given up before, so that it is one and not another each
 * time; then who holds most, since that frees most for the rest. */
static bool goes_before(const struct tick *t, size_t a, size_t b)
{
	const struct known *x = known_of(t, a), *y = known_of(t, b);
	int weight_x = t->state->shares[a].weight, weight_y = t->state->shares[b].weight;

	if (weight_x != weight_y)
		return weight_x < weight_y;
	if (x->doomed_before != y->doomed_before)
		return x->doomed_before;
	return x->used_kib > y->used_kib;
}

/* What giving this one up leaves for the others, in the layer of life. */
static int64_t spared(const struct tick *t, size_t i)
{
	const struct share *s = &t->state->shares[i];

	if (known_of(t, i)->doomed)
		return 0;
	return clamp64(s->layer_kib[SHARE_LIFE], s->least_kib, s->most_kib) - s->least_kib;
}

/* Its position among the n shares, or n: all that grow, and that would spare so much, are given up.
 */
static size_t next_to_go(const struct tick *t, size_t n, int64_t least_kib)
{
	size_t first = n;

	for (size_t i = 0; i < n; i++) {
		if (!known_of(t, i)->doomed && spared(t, i) >= least_kib &&
		    growth(known_of(t, i)) > 0 && (first == n || goes_before(t, i, first)))
			first = i;
	}
	return first;
}

static void note_given_up(struct tick *t, size_t i)
{
	const struct known *k = known_of(t, i);
	const struct mem_guest *guest = &t->sample->guests[t->state->places[i]];

	t->plan->notes[t->plan->nnotes++] = (struct mem_note){
		.guest = t->state->places[i],
		.what = MEM_GIVEN_UP,
		.condition = k->condition,
		.kib = guest->actual_kib,
		.left_s = (double)max64(k->usable_kib, 0) / k->growth_kib_s,
	};
}

/* It has what it uses and no more, but for that much. */
static void give_up(struct tick *t, size_t i, int64_t more_kib)
{
	struct share *s = &t->state->shares[i];
	struct known *k = known_of(t, i);

	k->doomed = true;
	if (!k->doomed_before)
		note_given_up(t, i);
	for (int layer = 0; layer < SHARE_LAYERS; layer++)
		s->layer_kib[layer] = s->least_kib + more_kib;
}

/* --- how many --- */

static double growth_of_all(const struct tick *t)
{
	double sum = (double)t->held_kib_s;

	for (size_t g = 0; g < t->sample->nguests; g++) {
		const struct known *k = &t->known[g];

		if (k->condition <= MEM_WAITING && !k->doomed)
			sum += growth(k);
	}
	return sum;
}

/* What one that is given up still takes, of what it is left with and its kernel's last pages. */
static int64_t last_kib(const struct tick *t, const struct known *k, const struct mem_guest *guest)
{
	int64_t size = shortage_uses(t->policy, k);

	/* It was told to stop there, and may be on its way. */
	if (k->doomed_before && k->target_kib)
		size = min64(size, k->target_kib);
	return risk_promised(k, guest, size);
}

/* In how long it has run out then. */
static double end_s(const struct tick *t, const struct known *k, const struct mem_guest *guest)
{
	return (double)last_kib(t, k, guest) / fmax(k->growth_kib_s, SHORTAGE_GROWING_KIB_S) +
	       END_S;
}

/* From there until its memory has come back: its statistics show it, they are looked at, and the
 * balloon takes it in. */
static double back_s(const struct tick *t)
{
	return (t->policy->period_s + t->plan->look_s) / 2 + RISK_ACT_S;
}

/*
 * What cannot be taken back: the little that guests at rest are left, of as many as may start at
 * once, and all of it of those that live on swap.
 */
static int64_t out_of_reach(const struct tick *t)
{
	int64_t sum = 0, rest = 0;

	for (size_t g = 0; g < t->sample->nguests; g++) {
		const struct mem_guest *guest = &t->sample->guests[g];
		const struct known *k = &t->known[g];
		int64_t size = max64(guest->actual_kib, k->target_kib);

		if (k->condition > MEM_WAITING)
			continue;
		if (k->swap_out_kib > 0)
			sum += risk_promised(k, guest, size);
		else if (growth(k) <= 0)
			rest += risk_promised(k, guest,
					      min64(size, k->used_kib + SHORTAGE_LITTLE_KIB));
	}
	return sum + kib_of((double)rest * t->at_once);
}

/* What those that are given up will have taken of their last after so long. */
static double taken_by_given_up(const struct tick *t, double after_s)
{
	double sum = 0;

	for (size_t g = 0; g < t->sample->nguests; g++) {
		const struct known *k = &t->known[g];
		double last = (double)last_kib(t, k, &t->sample->guests[g]);

		if (k->doomed)
			sum += fmin(last, growth(k) * after_s);
	}
	return sum;
}

/* How far off all of that may be: errors of many guests cancel out in part. */
static double errors(const struct tick *t)
{
	double sum = 0;

	for (size_t g = 0; g < t->sample->nguests; g++) {
		const struct known *k = &t->known[g];

		if (k->condition <= MEM_WAITING && growth(k) > 0 && !k->doomed)
			sum += ERROR_KIB * ERROR_KIB;
	}
	return sqrt(sum);
}

static double may_be(const struct tick *t)
{
	return (double)out_of_reach(t) + errors(t);
}

/* It uses that much less than it did. */
static bool has_ended(const struct known *k)
{
	return k->used_kib < k->used_before_kib - SHORTAGE_LITTLE_KIB;
}

/* When what one has had that was given up is back, and how much. */
struct inflow {
	double after_s, kib;
};

static struct inflow inflow_of(const struct tick *t, size_t g)
{
	const struct known *k = &t->known[g];
	const struct mem_guest *guest = &t->sample->guests[g];

	if (has_ended(k))
		return (struct inflow){RISK_ACT_S,
				       (double)max64(guest->actual_kib - k->used_kib, 0)};
	if (k->swap_out_kib > 0) /* it lives on */
		return (struct inflow){0};
	return (struct inflow){end_s(t, k, guest) + back_s(t),
			       (double)max64(k->used_kib - k->rest_kib, 0)};
}

/* What has come in by then, and when more does: at until_s where it would be later. */
static struct inflow inflows(const struct tick *t, double by_s, double until_s)
{
	struct inflow sum = {.after_s = until_s};

	for (size_t g = 0; g < t->sample->nguests; g++) {
		struct inflow in;

		if (!t->known[g].doomed)
			continue;
		in = inflow_of(t, g);
		if (in.after_s <= by_s)
			sum.kib += in.kib;
		else
			sum.after_s = fmin(sum.after_s, in.after_s);
	}
	return sum;
}

/*
 * Is the memory of one on its way already? Then another follows only where it must. With swap
 * nothing is sure: who has some does not run out. Nor is it of one that takes no more and has not
 * ended: it may have all it wants.
 */
static bool sure_to_come(const struct tick *t)
{
	bool any = false;

	for (size_t g = 0; g < t->sample->nguests; g++) {
		const struct known *k = &t->known[g];

		if (k->swap_out_kib > 0)
			return false;
		if (k->doomed && k->doomed_before && !has_ended(k) &&
		    k->taking_kib_s < k->growth_kib_s * TAKES_PART)
			return false;
		any |= k->doomed;
	}
	return any;
}

static bool any_given_up(const struct tick *t)
{
	for (size_t g = 0; g < t->sample->nguests; g++) {
		if (t->known[g].doomed)
			return true;
	}
	return false;
}

/*
 * Would the host last, with that much more taken, if one more was given up at the next look? Until
 * then all go on; then it runs out, and the others go on until its memory has come back, while that
 * of earlier ones comes in. Where nobody else grows there is nothing to wait for: it may as well
 * have what there is.
 */
static bool can_wait(const struct tick *t, size_t next, double more_kib)
{
	const struct known *k = known_of(t, next);
	const struct mem_guest *guest = &t->sample->guests[t->state->places[next]];
	double others = growth_of_all(t) - growth(k), last = (double)last_kib(t, k, guest);
	double level = (double)t->left_kib - more_kib;
	double look_s = t->plan->look_s, end = end_s(t, k, guest), until_s = look_s + end;

	if (others >= SHORTAGE_GROWING_KIB_S)
		until_s += back_s(t);
	level -= growth(k) * look_s;
	for (double now_s = 0; now_s < until_s;) {
		struct inflow in = inflows(t, now_s, until_s);

		now_s = in.after_s;
		if (level + in.kib - others * now_s - taken_by_given_up(t, now_s) <
		    fmin(last, growth(k) * fmax(now_s - look_s, 0)))
			return false;
	}
	return true;
}

/* Of those that are given up and not looked at, the one that has longest to go; n: there is none.
 */
static size_t last_to_go(const struct tick *t, size_t n)
{
	size_t last = n;
	double most_s = -1;

	for (size_t i = 0; i < n; i++) {
		const struct known *k = known_of(t, i);
		double s = end_s(t, k, &t->sample->guests[t->state->places[i]]);

		if (k->doomed && !k->kept && !has_ended(k) && s > most_s) {
			most_s = s;
			last = i;
		}
	}
	return last;
}

/*
 * Who was given up stays so until it has run out or stopped, or the host would last for a second
 * more without: a guest that is given up in turns with another loses with it.
 */
static void keep_given_up(struct tick *t, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct known *k = known_of(t, i);

		/* One that lives on swap does not run out. */
		k->doomed = k->doomed_before && growth(k) > 0 && k->swap_out_kib <= 0;
		k->kept = false;
	}
	for (size_t i = last_to_go(t, n); i < n; i = last_to_go(t, n)) {
		struct known *k = known_of(t, i);

		k->doomed = false;
		k->kept = k->doomed = !can_wait(t, i, may_be(t) + growth_of_all(t) * REPRIEVE_S);
	}
	for (size_t i = 0; i < n; i++) {
		if (known_of(t, i)->doomed)
			give_up(t, i, 0);
	}
}

/* As few as can be are given up, and as late. With one on its way already, another follows only
 * where it must: not for what guests at rest may take, nor for errors. */
static void choose_by_rate(struct tick *t, size_t n)
{
	keep_given_up(t, n);
	for (size_t i = next_to_go(t, n, 0); i < n; i = next_to_go(t, n, 0)) {
		if (can_wait(t, i, sure_to_come(t) ? 0 : may_be(t)))
			return;
		give_up(t, i, 0);
	}
}

/* Where all that was promised must be there. */
static void choose_by_size(struct tick *t, size_t n, int64_t total)
{
	int64_t missing = -total;

	for (size_t i = 0; i < n; i++)
		missing += t->state->shares[i].least_kib + spared(t, i);
	while (missing > 0) {
		size_t i = next_to_go(t, n, SHORTAGE_LITTLE_KIB);
		int64_t gain;

		if (i == n)
			return;
		gain = spared(t, i);
		give_up(t, i, max64(gain - missing, 0));
		missing -= gain;
	}
}

void shortage_look(struct tick *t)
{
	struct mem_plan *plan = t->plan;
	double rate = growth_of_all(t);

	plan->left_s = rate > 0 ? fmax((double)t->left_kib / rate, 0) : -1;
	plan->look_s = t->policy->interval_s;
	if (rate > 0 && plan->left_s < LOOK_INTERVALS * t->policy->interval_s)
		plan->look_s = fmin(t->policy->period_s, t->policy->interval_s);
	if (any_given_up(t) || (rate > 0 && plan->left_s < CLOSE_PERIODS * t->policy->period_s))
		plan->look_s = fmin(t->policy->period_s / 2, t->policy->interval_s);
}

bool shortage_steers(const struct tick *t, const struct known *k)
{
	if (k->condition == MEM_STEERED)
		return true;
	return k->condition == MEM_WAITING && t->plan->look_s < t->policy->interval_s &&
	       growth(k) > 0;
}

void shortage_choose(struct tick *t, size_t n, int64_t total_kib)
{
	for (size_t i = 0; i < n; i++) {
		known_of(t, i)->doomed_before = known_of(t, i)->doomed;
		known_of(t, i)->doomed = false;
	}
	choose_by_rate(t, n);
	choose_by_size(t, n, total_kib);
}
