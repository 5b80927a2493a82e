/* SPDX-License-Identifier: MIT */
/* What there is to give: what guests may still take of what they have, and how fast. */
#include "risk.h"

#include "observe.h"
#include "shortage.h"
#include "step.h"

/* The course's rule: a host keeps 200 MB. */
#define HOST_RESERVE_LEAST_KIB (200 * MIB)
/* A large host's kernel and daemons breathe in hundredths of its memory: keep one fiftieth. */
#define HOST_RESERVE_PART 50

/* What a host of that size keeps for itself under this policy. */
static int64_t host_reserve(const struct mem_policy *policy, int64_t host_total_kib)
{
	if (policy->host_reserve_kib != MEM_NOT_KNOWN)
		return policy->host_reserve_kib;
	return max64(HOST_RESERVE_LEAST_KIB, host_total_kib / HOST_RESERVE_PART);
}

/* … and where a guest would die otherwise: what nobody asked for beyond the least is to breathe in,
 * and this is the time. */
static int64_t last_reserve(const struct mem_policy *policy, int64_t reserve)
{
	if (policy->host_reserve_kib != MEM_NOT_KNOWN)
		return reserve;
	return min64(reserve, HOST_RESERVE_LEAST_KIB);
}

/* What a guest may come to hold: one whose statistics were never seen may have no balloon driver,
 * and then it has all of its maximum. One whose size is below that has one. Without a device
 * its size is what it has. */
static int64_t may_hold(const struct known *k, const struct mem_guest *g)
{
	int64_t size = max64(g->actual_kib, k->target_kib);

	if (k->condition == MEM_BLIND && g->actual_kib >= g->maximum_kib - MEM_SAME_KIB)
		size = max64(size, g->maximum_kib);
	return clamp64(size, 0, MEM_KIB_MOST);
}

int64_t risk_promised(const struct known *k, const struct mem_guest *g, int64_t size_kib)
{
	int64_t touched = 0;

	/* Huge pages are in no process' RSS, and not in what is available either. */
	if (g->taken)
		return 0;
	if (g->rss_kib >= 0)
		touched = max64(min64(g->rss_kib, MEM_KIB_MOST) - k->process_kib, 0);
	else if (k->told)
		touched = k->used_kib;
	return max64(size_kib - touched - k->kept_kib, 0);
}

/* Growth that sets in unannounced is met by guards; a guest that was that much faster leapt. */
#define LEAP 2

/* A guest whose process grows so fast is taking memory; less is noise. */
#define TAKING_KIB_S (8.0 * MIB)

/* So many are expected to at once, though it was never seen. */
#define AT_ONCE_PART 0.25
/* More were seen at once only where all do the same: they have begun within seconds, not within one
 * step. */
#define AT_ONCE_MOST 4.0

/* How fast one that is not steered may be taking it: nothing is known of most of these. */
static int64_t unsteered_kib_s(const struct tick *t, const struct known *k, int64_t promised_kib)
{
	if (k->condition <= MEM_WAITING || k->condition == MEM_PAUSED || promised_kib <= 0)
		return 0;
	return t->policy->guard_kib_s;
}

/*
 * What of its promise a guest at rest can have taken before it can be taken back: the next decision
 * is up to an interval away, and then the balloon takes a moment. Any guest may do what one of this
 * host has done, and start as fast as guards are made for.
 */
static int64_t at_risk(const struct tick *t, int64_t promised_kib)
{
	double rate =
		fmax((double)t->policy->guard_kib_s, t->state->fastest_kib_s * RISK_GROWTH_MARGIN);

	return min64(promised_kib, kib_of(rate * (t->policy->interval_s + RISK_ACT_S)));
}

/* What grows, swaps or cannot be steered will take all it was promised. */
static bool at_rest(const struct known *k)
{
	return (k->condition == MEM_STEERED || k->condition == MEM_WAITING) &&
	       k->growth_kib_s < SHORTAGE_GROWING_KIB_S && !k->pressed && k->swap_out_kib <= 0;
}

/*
 * What part of so many at rest may begin to grow at once: as many as were ever seen to take memory
 * at a time, at least one, at most AT_ONCE_MOST where a quarter is not more; where guests leap,
 * all.
 */
static double part_at_once(const struct tick *t, size_t rest)
{
	double seen = ceil(t->state->most_at_once * (double)t->sample->nguests);
	double part = floor((double)rest * AT_ONCE_PART);

	if (!rest || t->leaps)
		return 1;
	return fmin(fmax(fmin(seen, AT_ONCE_MOST), fmax(part, 1)) / (double)rest, 1);
}

/* How fast has any guest ever taken memory of this host, and how many at a time? */
static void learn_rates(struct tick *t)
{
	double s = fmax(t->sample->time_s - t->state->time_s, 1);
	size_t *takers = &t->takers;

	for (size_t g = 0; g < t->sample->nguests; g++) {
		int64_t rss = clamp64(t->sample->guests[g].rss_kib, 0, MEM_KIB_MOST);
		struct known *k = &t->known[g];
		/* A guest that boots is not one that starts to grow. */
		double rate = k->told && k->taken_kib > 0 ? (double)(rss - k->taken_kib) / s : 0;

		t->state->fastest_kib_s = fmax(t->state->fastest_kib_s, rate);
		*takers += rate >= TAKING_KIB_S;
		k->taking_kib_s = fmax(rate, 0);
		k->taken_kib = k->told ? rss : 0;
	}
	if (t->sample->nguests)
		t->state->most_at_once =
			fmax(t->state->most_at_once, (double)*takers / (double)t->sample->nguests);
	t->state->time_s = t->sample->time_s;
	t->leaps = t->state->fastest_kib_s > (double)t->policy->guard_kib_s * LEAP;
}

static double clamp_pct(int64_t part, int64_t whole)
{
	return fmin(fmax(100.0 * (double)part / (double)whole, 0), 100);
}

/* The level that much available is, coming from that one. */
static enum mem_level level_of(enum mem_level level, int64_t available, int64_t reserve,
			       int64_t slack)
{
	if (available < reserve + (level == MEM_LOW ? slack : 0))
		return MEM_LOW;
	if (available < RISK_HARD_RESERVES * reserve + (level >= MEM_HARD ? slack : 0))
		return MEM_HARD;
	if (available < RISK_SOFT_RESERVES * reserve + (level >= MEM_SOFT ? slack : 0))
		return MEM_SOFT;
	return MEM_CLEAR;
}

void risk_weigh(struct tick *t)
{
	int64_t available = clamp64(t->sample->host_available_kib, 0, MEM_KIB_MOST);
	int64_t reserve =
		clamp64(host_reserve(t->policy, t->sample->host_total_kib), 0, MEM_KIB_MOST);
	int64_t held_kib = 0, risk_kib = 0, rest_kib = 0, promised;
	size_t rest = 0;
	struct mem_plan *plan = t->plan;

	learn_rates(t);
	for (size_t g = 0; g < t->sample->nguests; g++) {
		const struct mem_guest *guest = &t->sample->guests[g];
		const struct known *k = &t->known[g];

		plan->actual_kib += clamp64(guest->actual_kib, 0, MEM_KIB_MOST);
		promised = risk_promised(k, guest, may_hold(k, guest));
		plan->promised_kib += promised;
		if (at_rest(k))
			rest_kib += at_risk(t, promised), rest++;
		else
			risk_kib += promised;
		t->held_kib_s += unsteered_kib_s(t, k, promised);
		held_kib += may_hold(k, guest);
	}
	t->host_reserve_kib = plan->host_reserve_kib = reserve;
	t->host_room_kib = available - reserve - plan->promised_kib;
	t->at_once = part_at_once(t, rest);
	t->spare_kib = available - last_reserve(t->policy, reserve) - risk_kib;
	risk_kib += kib_of((double)rest_kib * t->at_once);
	t->risk_room_kib = available - reserve - risk_kib;
	t->left_kib = available - last_reserve(t->policy, reserve);
	t->budget_room_kib = INT64_MAX / 4;
	if (t->policy->budget_kib > 0)
		t->budget_room_kib = t->policy->budget_kib - held_kib;
	plan->room_kib = min64(t->risk_room_kib, t->budget_room_kib);
	plan->covered_pct =
		plan->promised_kib > 0 ? clamp_pct(available - reserve, plan->promised_kib) : 100;
	plan->level = t->state->level = level_of(t->state->level, available, reserve, reserve / 4);
}
