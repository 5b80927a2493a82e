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

/* With less than so many intervals left, every new statistics count. */
#define LOOK_INTERVALS 5

/* Freed pages that a process holds on to, at rest. */
#define FRAGMENTS_KIB (16 * MIB)

/* From giving one up until its memory has come back, in looks. */
#define BACK_LOOKS 2.5

/* How far off what a guest holds may be: its process's own memory is estimated. */
#define ERROR_KIB (16.0 * MIB)

static struct known *known_of(const struct tick *t, size_t i)
{
	return &t->known[t->state->places[i]];
}

static double growth(const struct known *k)
{
	return k->growth_kib_s >= SHORTAGE_GROWING_KIB_S ? k->growth_kib_s * RISK_GROWTH_MARGIN : 0;
}

int64_t shortage_uses(const struct mem_policy *policy, const struct known *k)
{
	int64_t since = kib_of(k->growth_kib_s * policy->period_s);

	/* Its process is seen now: what that holds beyond what the guest told was taken since. */
	if (k->process_sure && k->rss_kib >= 0)
		since = max64(since, k->rss_kib - k->process_kib - k->busy_kib - FRAGMENTS_KIB);
	return k->used_kib + since;
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

/* Its position among the n shares, or n: all that grow are given up. */
static size_t next_to_go(const struct tick *t, size_t n)
{
	size_t first = n;

	for (size_t i = 0; i < n; i++) {
		if (spared(t, i) > SHORTAGE_LITTLE_KIB && growth(known_of(t, i)) > 0 &&
		    (first == n || goes_before(t, i, first)))
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

static double growth_of_all(const struct tick *t, size_t n)
{
	double sum = (double)t->held_kib_s;

	for (size_t i = 0; i < n; i++)
		sum += known_of(t, i)->doomed ? 0 : growth(known_of(t, i));
	return sum;
}

/*
 * What cannot be taken back: what guests that are given up have taken since they told, and the
 * little that guests at rest are left, of as many as may start at once. Who lives on swap takes all
 * it has.
 */
static int64_t out_of_reach(const struct tick *t, size_t n)
{
	int64_t sum = 0, rest = 0;

	for (size_t i = 0; i < n; i++) {
		const struct mem_guest *guest = &t->sample->guests[t->state->places[i]];
		const struct known *k = known_of(t, i);
		int64_t size = max64(guest->actual_kib, k->target_kib);

		if (k->swap_out_kib > 0)
			sum += risk_promised(k, guest, size);
		else if (k->doomed)
			sum += risk_promised(k, guest, shortage_uses(t->policy, k));
		else if (growth(k) <= 0)
			rest += risk_promised(k, guest,
					      min64(size, k->used_kib + SHORTAGE_LITTLE_KIB));
	}
	return sum + kib_of((double)rest * t->at_once);
}

/* What all that grow, but for those given up, will have taken after so long. */
static double taken_by_all(const struct tick *t, size_t n, double seconds)
{
	double sum = (double)t->held_kib_s * seconds;

	double errors = 0;

	for (size_t i = 0; i < n; i++) {
		if (growth(known_of(t, i)) <= 0 || known_of(t, i)->doomed)
			continue;
		sum += growth(known_of(t, i)) * seconds;
		errors += ERROR_KIB * ERROR_KIB;
	}
	return sum + sqrt(errors);
}

/*
 * Who was given up stays so until it has run out, or there is this much again: a guest that is
 * given up in turns with another loses with it. Returns true if there is one.
 */
static bool keep_given_up(struct tick *t, size_t n, double enough_kib)
{
	bool one = false;

	for (size_t i = 0; i < n; i++) {
		if (known_of(t, i)->doomed_before && growth(known_of(t, i)) > 0 &&
		    (double)t->left_kib < enough_kib)
			give_up(t, i, 0);
	}
	/* Of some there is no news at this moment. */
	for (size_t g = 0; g < t->sample->nguests; g++)
		one |= t->known[g].doomed;
	return one;
}

/*
 * Each decision must find what guests take until the next one has taken hold. When the next will
 * not, one is given up, since its memory takes time to come back: it runs out, the next statistics
 * show it, and the balloon takes it in, while the others go on. As long as one is on that way, no
 * other is, unless the host would be below its reserve by then. Alone, nobody is given up early.
 */
static void choose_by_rate(struct tick *t, size_t n)
{
	double step_s = t->plan->look_s + RISK_ACT_S, back_s = BACK_LOOKS * t->plan->look_s;
	bool one = keep_given_up(t, n, taken_by_all(t, n, step_s + back_s));

	for (;;) {
		double left = (double)(t->left_kib - out_of_reach(t, n)), others;
		size_t i = next_to_go(t, n);

		if (i == n)
			return;
		others = (growth_of_all(t, n) - growth(known_of(t, i))) / RISK_GROWTH_MARGIN;
		if (left >= taken_by_all(t, n, step_s) + (one ? 0 : others * back_s))
			return;
		give_up(t, i, 0);
		one = true;
	}
}

/* Where all that was promised must be there. */
static void choose_by_size(struct tick *t, size_t n, int64_t total)
{
	int64_t missing = -total;

	for (size_t i = 0; i < n; i++)
		missing += t->state->shares[i].least_kib + spared(t, i);
	while (missing > 0) {
		size_t i = next_to_go(t, n);
		int64_t gain;

		if (i == n)
			return;
		gain = spared(t, i);
		give_up(t, i, max64(gain - missing, 0));
		missing -= gain;
	}
}

void shortage_choose(struct tick *t, size_t n, int64_t total_kib)
{
	struct mem_plan *plan = t->plan;
	double rate;

	for (size_t i = 0; i < n; i++) {
		known_of(t, i)->doomed_before = known_of(t, i)->doomed;
		known_of(t, i)->doomed = false;
	}
	rate = growth_of_all(t, n);
	plan->left_s = rate > 0 ? fmax((double)t->left_kib / rate, 0) : -1;
	plan->look_s = t->policy->interval_s;
	if (rate > 0 && plan->left_s < LOOK_INTERVALS * t->policy->interval_s)
		plan->look_s = fmin(t->policy->period_s, t->policy->interval_s);
	choose_by_rate(t, n);
	choose_by_size(t, n, total_kib);
}
