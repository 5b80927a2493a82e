/* SPDX-License-Identifier: MIT */
/* What a vCPU wants, from what it used and waited. */
#include "demand.h"

#include <math.h>

/* Sleep that is no artefact of a wait that goes on. */
#define ASLEEP_PCT 5.5

/* A vCPU that ran or wanted to run for this much of a window never slept … */
#define SLEEPLESS_PCT 99.4
/*
 * … nor one that did for this much of the last two. Linux counts a wait when it ends: one of 100 ms
 * that goes on is missing in this window and too much in the next. Two busy guests on one pCPU were
 * seen with 95 to 106 % of a window of two seconds, paced ones beside a busy one with 88 to 97 %.
 */
#define SLEEPLESS_TWO_PCT 98.0
/*
 * … and neither did one that comes near that and used as much as the busiest on its pCPU, or
 * nearly: that part of it, or so little less. (Four busy guests on one pCPU: 24.5 to 26 %.)
 */
#define NEARLY_SLEEPLESS_PCT (100 - ASLEEP_PCT)
#define TOP_SHARE	     0.95
#define TOP_SLACK_PCT	     2.0

/* A pCPU whose vCPUs use this much has no idle time. */
#define FULL_PCT 95.0

/* Less waiting than this keeps nobody from what it wants. */
#define WAITED_PCT 4.0

/* libvirt's CPU time comes in steps of 10 ms; both ends of a window may be off by one. */
#define COUNTER_STEP_S 0.01

/*
 * A belief is the mean of the windows that agree with it, and follows the later ones at this rate.
 */
#define SMOOTHING 0.3

/* Windows further from the belief than this, and than NOISE_GATE times the noise, contradict it.
 * Idle guests were seen to wander by 1 to 3 points, paced loads by 1 to 2. */
#define GATE_LEAST_PCT 0.5
#define NOISE_GATE     4.0

/*
 * A vCPU that gets all but this, and this part, of what it is believed to want, and never sleeps,
 * wants more.
 */
#define FAITH_MARGIN_PCT 0.5
#define FAITH_MARGIN	 0.04

/*
 * A vCPU that used to sleep for this much of a window and now never does wants more. Two paced ones
 * of 42 % on one pCPU were seen to sleep for 9 %: at least as long as it is idle.
 */
#define SLEPT_PCT 6.0
/*
 * … if its pCPU as a whole does this much more than before: one that is nearly full with paced
 * loads has windows, too, in which they never sleep.
 */
#define RISEN_PCT 3.0

/*
 * A vCPU may never sleep for so many windows, though it gets what it is believed to want, before a
 * guess is made; twice as many each time that a guess was wrong, so many times at most.
 */
#define PATIENCE   16U
#define WRONG_MOST 5U

/* Did it use as much as the busiest on its pCPU? */
static bool is_top(const struct cpu_window *window)
{
	return window->share >= TOP_SHARE ||
	       window->usage_pct * (1 - window->share) <= TOP_SLACK_PCT * window->share;
}

/*
 * What a vCPU wants lies between what it used, u, and what it used and waited for, u + d. If it
 * slept now and then, it had nothing left to do: work that arrives at a rate, or is given up when
 * its time is over, then got all of u that it asked for, only later. If it never slept, u says
 * nothing: it may want the whole pCPU and is taken to. (Eight such vCPUs on one pCPU all use 12.5
 * %, wanting 45 % or 100 %.) Where that is a near thing the neighbours tell: among vCPUs that never
 * sleep a pCPU is shared evenly, so whoever got less than the top share of it, by weight, did
 * sleep. Where delays are not known, whoever got the top share of a pCPU without idle time is taken
 * to have waited.
 *
 * Loads paced by a clock that runs on while they wait are read too low by this (a 40 % load of
 * stress-ng beside two busy guests: u = 0.165, d = 0.41), in the right order though, and rightly
 * once they have room.
 */
static double estimate(const struct cpu_window *window, bool sleepless, bool *guessed)
{
	double delay = window->delay_pct;

	if (delay < 0)
		delay = window->crowd_pct >= FULL_PCT ? 100 - window->usage_pct : 0;
	*guessed = delay > WAITED_PCT &&
		   (sleepless ||
		    (window->usage_pct + delay >= NEARLY_SLEEPLESS_PCT && is_top(window)));
	return fmin(*guessed ? 100 : window->usage_pct, window->cap_pct);
}

/* What of a window it neither ran nor waited; 0 where delays are not known. */
static double slept(const struct cpu_window *window)
{
	return window->delay_pct < 0 ? 0 : fmax(0, 100 - window->usage_pct - window->delay_pct);
}

/* Did it not sleep in this window? Remembers the window for the next. */
static bool is_sleepless(struct cpu_belief *belief, const struct cpu_window *window)
{
	double awake_pct = window->usage_pct + window->delay_pct, before_pct = belief->awake_pct;

	belief->awake_pct = fmin(awake_pct, 100);
	if (window->delay_pct < 0)
		return false;
	return awake_pct >= SLEEPLESS_PCT ||
	       (!belief->disturbed && (before_pct + awake_pct) / 2 >= SLEEPLESS_TWO_PCT);
}

/*
 * A vCPU that never slept may want more than is known of it, or only be kept waiting. Is what was
 * seen in better times kept? Yes while it gets less than that in surroundings that were changed:
 * this explains it. And for some windows while it gets just that: its pCPU may be full with what is
 * there, so that next to no time is left to sleep, and whoever wants more on a full pCPU mostly
 * gets more, too, at the others' cost. Not so where it found time to sleep until now and its pCPU
 * got busier: two paced loads of 45 % that both turn busy get 50 % each.
 */
static bool keeps_faith(struct cpu_belief *belief, const struct cpu_window *window, bool sleepless,
			bool guessed)
{
	double usage_pct = window->usage_pct;
	bool risen = window->crowd_pct < 0 || window->crowd_pct - window->sure_pct > RISEN_PCT;
	bool woken = belief->slept_pct >= SLEPT_PCT && sleepless && risen;

	if (!guessed || belief->guessed || !belief->known) {
		belief->explained = false;
		belief->waited = 0;
		return false;
	}
	belief->explained |= belief->disturbed;
	if (belief->explained &&
	    usage_pct < belief->demand_pct * (1 - FAITH_MARGIN) - FAITH_MARGIN_PCT)
		return true;
	if (woken || usage_pct > belief->demand_pct * (1 + FAITH_MARGIN) + FAITH_MARGIN_PCT ||
	    belief->waited >= PATIENCE << belief->wrong)
		return false;
	belief->waited++;
	return true;
}

/* A guess gives way to what is seen. Was it wrong from the start? Then guess less readily. */
static void learn_patience(struct cpu_belief *belief, double estimate_pct, bool guessed,
			   double gate)
{
	if (!belief->guessed || guessed)
		return;
	if (!belief->disturbed || fabs(estimate_pct - belief->sure_pct) > 2 * gate)
		belief->wrong = 0;
	else if (belief->wrong < WRONG_MOST)
		belief->wrong++;
}

/* A window that agrees: the belief becomes the mean of one more. */
static void confirm_belief(struct cpu_belief *belief, double off, double slept_pct)
{
	/* Then the window before, if it did not, was no change but noise. */
	if (belief->pending && belief->pending_pct > 0)
		belief->noise_pct += SMOOTHING * (belief->pending_pct - belief->noise_pct);
	belief->noise_pct += SMOOTHING * (fabs(off) - belief->noise_pct);
	belief->agreed++;
	belief->demand_pct += fmax(SMOOTHING, 1.0 / (belief->agreed + 1)) * off;
	belief->slept_pct += SMOOTHING * (slept_pct - belief->slept_pct);
	belief->pending = false;
}

double cpu_believe(struct cpu_belief *belief, const struct cpu_window *window, unsigned int confirm)
{
	bool sleepless = is_sleepless(belief, window), guessed, hidden = belief->guessed;
	double seen_pct = estimate(window, sleepless, &guessed);
	double off = seen_pct - belief->demand_pct;
	double gate = fmax(GATE_LEAST_PCT + 100 * COUNTER_STEP_S / window->elapsed_s,
			   NOISE_GATE * belief->noise_pct);
	/*
	 * What we changed ourselves needs no second window, where it lets us see what was guessed:
	 * it sleeps, or does not have to wait.
	 */
	bool shown = slept(window) >= ASLEEP_PCT || window->delay_pct <= WAITED_PCT;
	bool replace =
		confirm < 2 || belief->pending || (belief->disturbed && belief->guessed && shown);
	double contradiction = 0;

	if (belief->disturbed)
		belief->slept_pct = 0; /* of other surroundings */
	if (keeps_faith(belief, window, sleepless, guessed)) {
		belief->pending = false;
	} else if (belief->known && fabs(off) <= gate) {
		confirm_belief(belief, off, slept(window));
		belief->guessed = guessed;
	} else if (replace) {
		/* Two first windows that differ are no ground to stand on yet. */
		if (!belief->known && belief->pending && fabs(seen_pct - belief->first_pct) > gate)
			contradiction = fabs(seen_pct - belief->first_pct);
		learn_patience(belief, seen_pct, guessed, gate);
		belief->known = true;
		belief->pending = false;
		belief->agreed = 0;
		belief->guessed = guessed;
		belief->demand_pct = seen_pct;
		belief->slept_pct = slept(window);
	} else {
		belief->pending = true;
		belief->first_pct = seen_pct;
		contradiction = fabs(off);
		/* A guess that comes and goes says nothing about how steady the load is. */
		belief->pending_pct = guessed || belief->guessed ? 0 : contradiction;
	}
	belief->least_pct =
		fmin(fmax(hidden ? belief->least_pct : 0, window->usage_pct), belief->demand_pct);
	if (!belief->guessed && !belief->pending)
		belief->sure_pct = belief->demand_pct;
	belief->disturbed = false;
	return contradiction;
}

double cpu_belief_error(const struct cpu_belief *belief)
{
	/* The mean of so many windows, or of as many as smoothing remembers. */
	double windows = fmin(belief->agreed + 1, 2 / SMOOTHING - 1);

	/* 1.25: from the mean absolute to the standard deviation of a normal distribution. */
	return 1.25 * belief->noise_pct / sqrt(windows);
}
