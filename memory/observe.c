/* SPDX-License-Identifier: MIT */
/* From a guest's statistics to what it uses, how fast that grows, and whether it follows its
 * target. */
#include "observe.h"

#include "kib.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Statistics older than three periods and the second in which they are told are of no use: the
 * guest hangs, is paused, or its driver is gone. */
#define STALE_PERIODS 3
#define STALE_SLACK_S 1.0

/* MemTotal keeps its distance to the balloon's size to within what modules and hot-plug take. */
#define OVERHEAD_DRIFT_KIB (8 * 1024)

/* A guest that reads a file a page at a time has major faults too; one that thrashes has hundreds.
 */
#define PRESSED_FAULTS_S   50.0
#define PRESSED_SWAP_KIB_S 64.0

/* Statistics without a step towards the target until a guest counts as stuck, and how long it is
 * left out then: doubling, since a driver that comes back was usually gone for a reboot or a hang.
 */
#define STRIKES_MOST	3
#define BACKOFF_FIRST_S 30.0
#define BACKOFF_MOST_S	600.0

/* A balloon that moved less than this share of its way since the last statistics stands still. */
#define STEP_PART 64

/* Fresh statistics with a size at rest above what was asked, until somebody else has set it. */
#define ABOVE_SAMPLES 2

/* A load that takes memory in jumps (a build, a batch, a query) comes again within minutes or not
 * at all. */
#define JUMP_KEPT_S 600.0

/* Growth that is noise: idle guests wander by less than 3 MB. */
#define RESTING_KIB_S (0.5 * 1024)

/* How much of an earlier, longer gap between statistics is remembered at each new one. */
#define GAP_DECAY 0.8

static bool same(int64_t a, int64_t b)
{
	return a - b <= MEM_SAME_KIB && b - a <= MEM_SAME_KIB;
}

/* Sizes between those of a figure and its limit, whatever a guest claims. */
static bool plausible(const struct mem_guest *g)
{
	return g->maximum_kib > 0 && g->maximum_kib <= MEM_KIB_MOST && g->actual_kib >= 0 &&
	       g->actual_kib <= MEM_KIB_MOST;
}

/* A figure that can be one, or MEM_NOT_KNOWN. */
static int64_t figure(int64_t value)
{
	return value >= 0 && value <= MEM_KIB_MOST ? value : MEM_NOT_KNOWN;
}

static struct mem_guest clean(const struct mem_guest *guest)
{
	struct mem_guest g = *guest;

	g.unused_kib = figure(g.unused_kib);
	g.usable_kib = figure(g.usable_kib);
	g.total_kib = figure(g.total_kib);
	g.swap_in_kib = figure(g.swap_in_kib);
	g.swap_out_kib = figure(g.swap_out_kib);
	g.major_faults = figure(g.major_faults);
	g.rss_kib = figure(g.rss_kib);
	return g;
}

static bool has_figures(const struct mem_guest *g)
{
	return g->made_s > 0 && g->made_s <= MEM_KIB_MOST &&
	       (g->usable_kib >= 0 || g->unused_kib >= 0);
}

static double stale_after_s(const struct mem_policy *policy)
{
	return STALE_PERIODS * policy->period_s + STALE_SLACK_S;
}

/*
 * New is what has another time stamp than before. Its age is asked as well where the clocks allow
 * it: at the first sight of a guest nothing else tells, and a long interval has time for statistics
 * that came once more and then stopped. A stamp from the future (a clock was set back) has no age.
 */
static bool is_fresh(const struct known *k, const struct mem_guest *g,
		     const struct mem_sample *sample, const struct mem_policy *policy)
{
	if (!has_figures(g) || (k->told && g->made_s == k->made_s))
		return false;
	if (sample->wall_s < 0)
		return k->met;
	return sample->wall_s - (double)g->made_s <= stale_after_s(policy);
}

/*
 * The balloon's size when the statistics were made, which is not its size now while it moves.
 * MemTotal is of the same moment and follows the balloon, at a constant distance that is learnt
 * while it stands still. Where MemTotal does not follow, the size is only known once the balloon
 * has arrived and statistics were made after that. MEM_NOT_KNOWN if it cannot be told.
 */
static int64_t size_then(struct known *k, const struct mem_guest *g)
{
	bool still = k->told && same(g->actual_kib, k->actual_kib);
	int64_t overhead = g->actual_kib - g->total_kib;

	/* Just after its start a balloon moves, and more available than there is was another
	 * size's.
	 */
	if (!k->told && max64(g->usable_kib, g->unused_kib) > g->actual_kib)
		return MEM_NOT_KNOWN;
	if (!k->told || still) {
		if (g->total_kib >= 0) {
			if (k->overhead_sure && still &&
			    llabs(overhead - k->overhead_kib) > OVERHEAD_DRIFT_KIB)
				k->total_still = true;
			k->overhead_kib = overhead;
			k->overhead_sure |= still;
		}
		return g->actual_kib;
	}
	if (g->total_kib >= 0 && !k->total_still)
		return g->total_kib + k->overhead_kib;
	if (k->target_kib && same(g->actual_kib, k->target_kib) &&
	    (double)g->made_s >= k->target_wall_s + 0.5)
		return g->actual_kib;
	return MEM_NOT_KNOWN;
}

/* Per second between two readings of a counter; 0 where one is missing. */
static double rate(int64_t now, int64_t before, double seconds)
{
	return now >= 0 && before >= 0 && now > before ? (double)(now - before) / seconds : 0;
}

static bool rebooted(const struct known *k, const struct mem_guest *g)
{
	return (g->swap_in_kib >= 0 && g->swap_in_kib < k->swap_in_kib) ||
	       (g->swap_out_kib >= 0 && g->swap_out_kib < k->swap_out_kib) ||
	       (g->major_faults >= 0 && g->major_faults < k->major_faults);
}

/*
 * Time between two statistics. The stamps are whole seconds, so their difference is within a second
 * of the truth; the ticks that first saw them are within a period of it, and exact when statistics
 * come evenly.
 */
static double elapsed(const struct known *k, const struct mem_guest *g, double now_s)
{
	double seen = now_s - k->seen_s, stamped = (double)(g->made_s - k->made_s), s = seen;

	/* Where the stamps make no sense beside the ticks, a clock was set. */
	if (stamped > 0 && stamped < 2 * seen + 2)
		s = fmin(fmax(seen, stamped - 1), stamped + 1);
	return fmax(s, 0.1);
}

/*
 * A jump is one rate, growth is two of three: the median neither takes what is over already for
 * something that goes on, nor loses a ramp that stutters.
 */
static double median(const double rates[GROWTH_RATES])
{
	return fmax(fmin(rates[0], rates[1]), fmin(fmax(rates[0], rates[1]), rates[2]));
}

/* What swap took less what came back from it, since the last statistics. */
static int64_t swapped(const struct known *k, const struct mem_guest *g)
{
	if (g->swap_in_kib < 0 || k->swap_in_kib < 0 || g->swap_out_kib < 0 || k->swap_out_kib < 0)
		return 0;
	return (g->swap_out_kib - k->swap_out_kib) - (g->swap_in_kib - k->swap_in_kib);
}

/*
 * What rises faster than the guard is made for came before anybody could help. It can only be
 * remembered, so that there is room for the next one.
 */
static void learn_jump(struct known *k, const struct mem_guest *g, const struct mem_policy *policy,
		       double now_s, int64_t rise)
{
	double s = elapsed(k, g, now_s);

	rise += swapped(k, g);
	if (now_s - k->jump_s > JUMP_KEPT_S)
		k->jump_kib = 0;
	if ((double)rise <= (double)policy->guard_kib_s * s || rise < k->jump_kib / 2)
		return;
	k->jump_s = now_s;
	if (rise > k->jump_kib)
		k->jump_kib = rise;
}

static void learn_rates(struct known *k, const struct mem_guest *g, double now_s, int64_t used)
{
	double s = elapsed(k, g, now_s);

	memmove(&k->rates[1], &k->rates[0], (GROWTH_RATES - 1) * sizeof(k->rates[0]));
	k->rates[0] = fmax((double)(used - k->used_kib) / s, 0);
	k->growth_kib_s = median(k->rates);
	k->pressed = rate(g->swap_in_kib, k->swap_in_kib, s) > PRESSED_SWAP_KIB_S ||
		     rate(g->swap_out_kib, k->swap_out_kib, s) > PRESSED_SWAP_KIB_S ||
		     rate(g->major_faults, k->major_faults, s) > PRESSED_FAULTS_S;
	k->gap_s = fmax(now_s - k->seen_s,
			GAP_DECAY * k->gap_s + (1 - GAP_DECAY) * (now_s - k->seen_s));
}

/*
 * The hypervisor's process holds more than the guest's memory: its own, and pages that the guest
 * has freed. What it holds beyond the guest's size is its own for certain; what it holds beyond
 * what the guest keeps busy is no less than its own, of which this much is believed (QEMU was seen
 * with 40–60 MiB).
 */
#define PROCESS_BELIEVED_KIB (160 * 1024)
#define STILL_KIB	     (4 * 1024)

static void learn_process(struct known *k, const struct mem_guest *g, int64_t busy_before)
{
	int64_t most = max64(g->rss_kib - k->busy_kib, 0);
	/* The process is seen now, the guest as it was up to a period ago. */
	bool still = k->told && llabs(g->rss_kib - k->rss_kib) <= STILL_KIB &&
		     llabs(k->busy_kib - busy_before) <= STILL_KIB;

	if (g->rss_kib < 0)
		return;
	if (most > PROCESS_BELIEVED_KIB)
		most = PROCESS_BELIEVED_KIB;
	if (!k->process_sure || (still && most < k->process_kib))
		k->process_kib = still ? most : PROCESS_BELIEVED_KIB;
	k->process_sure |= still;
	if (g->rss_kib - g->actual_kib > k->process_kib)
		k->process_kib = g->rss_kib - g->actual_kib;
	k->rss_kib = g->rss_kib;
}

/*
 * A kernel gives no load its last free pages. What MemAvailable leaves out of MemFree are its high
 * marks, one and a half times the low ones at least; page cache hides it.
 */
#define KEPT_PART (2.0 / 3)

static int64_t kept(const struct known *k, int64_t unused, int64_t usable)
{
	return max64(k->told ? k->kept_kib : 0, (int64_t)((double)(unused - usable) * KEPT_PART));
}

static void learn(struct known *k, const struct mem_guest *g, const struct mem_policy *policy,
		  double now_s, int64_t then)
{
	int64_t usable = g->usable_kib >= 0 ? g->usable_kib : g->unused_kib;
	int64_t unused = g->unused_kib >= 0 ? g->unused_kib : usable;
	int64_t used = max64(then - usable, 0), busy_before = k->busy_kib;

	if (k->told) {
		learn_jump(k, g, policy, now_s, used - k->used_kib);
		learn_rates(k, g, now_s, used);
		k->used_before_kib = k->used_kib;
	} else {
		memset(k->rates, 0, sizeof(k->rates));
		k->growth_kib_s = 0;
		k->pressed = false;
		k->jump_kib = 0;
		k->gap_s = 0;
		k->used_before_kib = used;
		k->samples = 0;
	}
	k->kept_kib = kept(k, unused, usable);
	k->samples++;
	k->used_kib = used;
	if (k->samples == 1 || used < k->rest_kib || k->growth_kib_s < RESTING_KIB_S)
		k->rest_kib = used;
	k->busy_kib = max64(then - unused, 0);
	k->usable_kib = usable;
	learn_process(k, g, busy_before);
	k->swap_in_kib = g->swap_in_kib;
	k->swap_out_kib = g->swap_out_kib;
	k->major_faults = g->major_faults;
	k->made_s = g->made_s;
	k->seen_s = now_s;
	k->told = true;
}

void observe_forget_target(struct known *k)
{
	k->target_kib = k->before_kib = 0;
	k->strikes = 0;
	k->again = false;
}

void observe_strike(struct known *k, double now_s)
{
	if (++k->strikes < STRIKES_MOST)
		return;
	k->backoff_s = k->backoff_s > 0 ? fmin(2 * k->backoff_s, BACKOFF_MOST_S) : BACKOFF_FIRST_S;
	k->retry_s = now_s + k->backoff_s;
	k->again = true;
}

static int64_t distance(int64_t a, int64_t b)
{
	return a > b ? a - b : b - a;
}

/*
 * Is its size somebody else's doing? It can be anywhere between where it was and our target, and on
 * its way to the target before, which stood until ours was heard.
 */
static bool moved_by_others(const struct known *k, int64_t actual)
{
	int64_t target = k->target_kib ? k->target_kib : k->seen_kib;
	int64_t before = k->before_kib ? k->before_kib : target;

	return actual < min64(k->seen_kib, min64(target, before)) - MEM_SAME_KIB ||
	       actual > max64(k->seen_kib, max64(target, before)) + MEM_SAME_KIB;
}

/* A DIMM or its like came or went: size and maximum changed by the same, and so does what its
 * target stands for. */
static void follow_maximum(struct known *k, const struct mem_guest *g)
{
	int64_t change = g->maximum_kib - k->maximum_kib;

	if (k->maximum_kib && !same(change, 0) && same(g->actual_kib - k->seen_kib, change)) {
		k->seen_kib += change;
		k->actual_kib += change;
		if (k->target_kib)
			k->target_kib = max64(k->target_kib + change, 1);
		if (k->before_kib)
			k->before_kib = max64(k->before_kib + change, 1);
		k->overhead_sure = false; /* MemTotal follows when the guest takes it into use */
	}
	k->maximum_kib = g->maximum_kib;
}

/*
 * A size that rose beyond what was asked for may be nobody's doing: a reset and waking begin with
 * all of the maximum, going to sleep ends with it, and a balloon that deflates by itself under
 * pressure stays where it came to. From the others the guest comes back by itself. So only where it
 * has come to rest, with a kernel that tells and is not short, does it stand where somebody put it.
 */
static bool put_above(struct known *k, const struct mem_guest *g, const struct mem_policy *policy)
{
	if (!k->risen_kib)
		k->risen_kib = max64(k->seen_kib, max64(k->target_kib, k->before_kib));
	if (g->actual_kib <= k->risen_kib + MEM_SAME_KIB) {
		k->risen_kib = k->above = 0; /* it is back */
		return false;
	}
	if (!same(g->actual_kib, k->seen_kib) || k->total_still ||
	    (g->usable_kib >= 0 && g->usable_kib < policy->reserve_kib))
		k->above = 0;
	else if (k->fresh)
		k->above++;
	return k->above >= ABOVE_SAMPLES;
}

/*
 * Has somebody else set it? Returns true once for each such change, however long the balloon takes.
 */
static bool notice_others(struct known *k, const struct mem_guest *g,
			  const struct mem_policy *policy)
{
	int way = g->actual_kib > k->seen_kib ? 1 : -1;
	bool news, moved = moved_by_others(k, g->actual_kib);

	if (k->risen_kib || (moved && way > 0)) {
		if (!put_above(k, g, policy))
			return false;
		way = 1;
	} else if (!moved) {
		if (same(g->actual_kib, k->seen_kib)) {
			k->others_way = 0;
			k->before_kib = k->target_kib ? k->before_kib : 0;
		}
		return false;
	}
	k->risen_kib = k->above = 0;
	news = way != k->others_way;
	k->others_way = way;
	observe_forget_target(k);
	k->samples = 0;
	k->retry_s = k->backoff_s = 0;
	k->left = policy->respect_others;
	return news;
}

/* Does it follow its target? */
static void follow(struct known *k, int64_t actual, double now_s)
{
	int64_t before = distance(k->actual_kib, k->target_kib);
	int64_t left = distance(actual, k->target_kib);

	/* On the way to and from sleep it does not, and is not stuck either. */
	if (!k->target_kib || k->risen_kib)
		return;
	if (left <= MEM_SAME_KIB)
		k->before_kib = 0;
	if (left <= MEM_SAME_KIB || before - left >= MEM_SAME_KIB + before / STEP_PART) {
		k->strikes = 0;
		k->retry_s = 0;
		k->again = false;
		if (left <= MEM_SAME_KIB)
			k->backoff_s = 0;
	} else if (now_s >= k->retry_s && !k->again) {
		observe_strike(k, now_s);
	}
}

static enum mem_condition condition(const struct known *k, const struct mem_guest *g,
				    const struct mem_sample *sample,
				    const struct mem_policy *policy, bool others)
{
	if (!g->managed || !plausible(g))
		return MEM_UNMANAGED;
	if (!g->balloon)
		return MEM_NO_BALLOON;
	if (!g->running)
		return MEM_PAUSED;
	if (!k->told)
		return MEM_BLIND;
	if (!k->fresh &&
	    sample->time_s - k->seen_s > fmax(stale_after_s(policy), policy->interval_s * 1.5))
		return MEM_STALE;
	if (k->left)
		return MEM_LEFT;
	if (sample->time_s < k->retry_s)
		return MEM_STUCK;
	/* What somebody else did to it is news, too, whatever it used when it last told. */
	return k->fresh || others ? MEM_STEERED : MEM_WAITING;
}

/* Takes fresh statistics in. same_boot: what was known before is of the same run of its kernel. */
static void observe_statistics(struct known *k, const struct mem_guest *g,
			       const struct mem_policy *policy, double now_s, bool same_boot)
{
	int64_t then = size_then(k, g);

	if (same_boot)
		follow(k, g->actual_kib, now_s);
	if (then == MEM_NOT_KNOWN) {
		k->fresh = false; /* the next ones will tell */
		k->made_s = g->made_s;
	} else {
		learn(k, g, policy, now_s, then);
	}
	k->actual_kib = g->actual_kib;
}

int64_t observe_uses(const struct known *k)
{
	double since = k->growth_kib_s * k->age_s;

	return max64(k->used_kib,
		     min64(k->used_kib + (int64_t)fmin(since, (double)MEM_KIB_MOST), k->seen_kib));
}

bool observe(struct known *k, const struct mem_guest *guest, const struct mem_sample *sample,
	     const struct mem_policy *policy)
{
	const struct mem_guest cleaned = clean(guest), *g = &cleaned;
	bool others = false, same_boot;

	if (!k->met)
		k->seen_s = sample->time_s;
	/* It was started anew: nothing told before is true any more. */
	if (k->told && g->made_s == 0) {
		k->told = k->overhead_sure = k->total_still = false;
		observe_forget_target(k);
	}
	k->fresh = plausible(g) && is_fresh(k, g, sample, policy);
	if (plausible(g))
		follow_maximum(k, g);
	same_boot = k->told && !(k->fresh && rebooted(k, g));
	if (!same_boot)
		k->risen_kib = k->above = 0;
	if (same_boot && plausible(g))
		others = notice_others(k, g, policy);
	if (k->fresh)
		observe_statistics(k, g, policy, sample->time_s, same_boot);
	if (plausible(g))
		k->seen_kib = g->actual_kib;
	k->age_s = sample->time_s - k->seen_s;
	k->condition = condition(k, g, sample, policy, others);
	k->met = true;
	return others;
}
