/* SPDX-License-Identifier: MIT */
/*
 * Second stage of the policy: from what a vCPU used to what it wants. What it would use if it never
 * had to wait is believed, not measured: a belief is kept while the windows agree with it.
 */
#ifndef BALLAST_CPU_DEMAND_H
#define BALLAST_CPU_DEMAND_H

#include <stdbool.h>

/* What is believed about one vCPU. Zeroed: nothing. */
struct cpu_belief {
	bool known;
	double demand_pct;
	double noise_pct;    /* mean absolute deviation of the windows from the belief */
	unsigned int agreed; /* windows since it was formed */
	bool pending;	     /* the last window contradicted it … */
	double pending_pct;  /* … by so much */
	double first_pct;    /* … and showed this */
	bool guessed;	     /* the vCPU never slept: it may want less than this */
	double least_pct;    /* … but no less than this, which it got */
	double sure_pct;     /* the last belief that was no guess */
	double slept_pct;    /* of a window, in those that agreed */
	double awake_pct;    /* of the last window: ran or waited */
	bool disturbed;	     /* pins changed its surroundings since the last window */
	bool explained;	     /* since then it never slept, which is put down to that */
	unsigned int waited; /* windows in which it never slept and no guess was made */
	unsigned int wrong;  /* guesses that were wrong, so that the next one is made later */
};

/* What one window shows of it; percentages are of the window. */
struct cpu_window {
	double elapsed_s;
	double usage_pct;
	double delay_pct; /* −1: not known; with usage more than 100 where waits ended that began
			   * before */
	double share;	  /* usage as a part of the largest on its pCPU, or of all that float, by
			   * weight; 1 where not known */
	double crowd_pct; /* usage of all vCPUs on its pCPU; −1: not known */
	double sure_pct;  /* what was known of these, so that what exceeds it is news */
	double cap_pct;	  /* what it can use at most */
};

/*
 * Takes a window into a belief. Returns by how much it contradicts, where that is not confirmed
 * yet.
 */
double cpu_believe(struct cpu_belief *belief, const struct cpu_window *window,
		   unsigned int confirm);

/* How far the belief may be off by chance: a standard error, in percent. */
double cpu_belief_error(const struct cpu_belief *belief);

#endif
