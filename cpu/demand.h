/* SPDX-License-Identifier: MIT */
/*
 * First stage of the policy: counters to rates, rates to demands. What a vCPU would use if it never
 * had to wait is believed, not measured: a belief is kept while the windows agree with it.
 */
#ifndef BALLAST_CPU_DEMAND_H
#define BALLAST_CPU_DEMAND_H

#include "plan.h"

/* What is remembered of a vCPU. */
struct cpu_track {
	unsigned char uuid[CPU_UUID_LEN];
	unsigned int number;
	int pcpu;
	uint64_t run_ns;
	uint64_t delay_ns;
	bool known;	 /* demand_pct is a belief */
	bool pending;	 /* the last window contradicted it … */
	double pending_pct; /* … by so much */
	bool guessed;	 /* it never slept: it may want less than is believed, but not than it used */
	bool disturbed;	 /* pins changed its surroundings since the last sample */
	bool explained;	 /* since then it never slept, which is put down to that */
	unsigned int patience; /* windows it may never sleep before a guess is made … */
	unsigned int waited;   /* … and for how many it has not */
	double sure_pct;       /* the last belief that was no guess */
	unsigned int agreed; /* windows since it was formed */
	double demand_pct;
	double noise_pct; /* mean absolute deviation of the windows from the belief */
	int came_from;	  /* the pCPU of its last move by us */
	unsigned int moved_ago; /* ticks since; 0: never */
};

/* What is remembered of a pCPU. */
struct cpu_pcpu_track {
	int id;
	uint64_t busy_ns;
	bool known;
	double other_pct; /* smoothed */
	double noise_pct;
};

struct cpu_tracks {
	double time_s;
	bool started;
	size_t nvcpus;
	struct cpu_track *vcpus; /* by uuid and number */
	size_t npcpus;
	struct cpu_pcpu_track *pcpus; /* by id */
};

/* What the tick's windows say as a whole. */
struct cpu_windows {
	double elapsed_s;
	bool usable;	    /* there are windows, and they are long enough to be read */
	double changed_pct; /* sum of the changes that are not confirmed yet */
	size_t *order;	    /* tracks[order[i]] belongs to the sample's vCPU i; free() it */
};

/*
 * Compares a sample with what is remembered of the one before. Fills the usage, delay and demand of
 * vcpus[] and the usage and other load of pcpus[] (both as in the sample), and *next with what to
 * remember from now on; before stays as it was. 0, or −1 when out of memory.
 */
int cpu_demand(const struct cpu_tracks *before, const struct cpu_policy *policy,
	       const struct cpu_sample *sample, struct cpu_vcpu_load *vcpus,
	       struct cpu_pcpu_load *pcpus, struct cpu_tracks *next, struct cpu_windows *windows);

void cpu_tracks_free(struct cpu_tracks *tracks);

/* How far the belief about a vCPU's demand may be off by chance: a standard error. */
double cpu_track_error(const struct cpu_track *track);

/* The position of a pCPU's id among the sample's, or −1. */
ptrdiff_t cpu_pcpu_find(const struct cpu_sample *sample, int id);

/*
 * What a vCPU wants, by one window of its usage and delay in percent of it. share: its usage as a part of
 * the largest on its pCPU, by weight. cap_pct: what it can use at most. *guessed: it may be less. See
 * demand.c for where the rule comes from.
 */
double cpu_demand_estimate(double usage_pct, double delay_pct, double share, double cap_pct,
			   bool *guessed);

#endif
