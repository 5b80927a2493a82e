/* SPDX-License-Identifier: MIT */
/* First stage of the policy: two samples to rates. What is remembered from one tick to the next. */
#ifndef BALLAST_CPU_RATES_H
#define BALLAST_CPU_RATES_H

#include "demand.h"
#include "plan.h"

/* What is remembered of a vCPU. */
struct cpu_track {
	unsigned char uuid[CPU_UUID_LEN];
	unsigned int number;
	size_t position; /* in the sample that it was read from */
	int pcpu;
	uint64_t run_ns;
	uint64_t delay_ns;
	struct cpu_belief belief;
	int came_from;		/* the pCPU of its last move by us */
	unsigned int moved_ago; /* ticks since; 0: never */
	unsigned int undone;	/* how often one of its moves was undone soon after */
	unsigned int rests;	/* ticks for which it is left where it is, for that reason */
};

/* What is remembered of a pCPU. */
struct cpu_pcpu_track {
	int id;
	uint64_t busy_ns;
	double other_pct; /* load that is no vCPU's: what of it has stayed */
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
	double changed_pct; /* sum of the changes that have only begun */
	size_t *order;	    /* tracks[order[i]] belongs to the sample's vCPU i; free() it */
};

/*
 * Compares a sample with what is remembered of the one before. Fills the usage, delay and demand of
 * vcpus[] and the usage and other load of pcpus[] (both as in the sample), and *next with what to
 * remember from now on; before stays as it was. 0, or −1 when out of memory; free *next and
 * windows->order in either case.
 */
int cpu_rates(const struct cpu_tracks *before, const struct cpu_policy *policy,
	      const struct cpu_sample *sample, struct cpu_vcpu_load *vcpus,
	      struct cpu_pcpu_load *pcpus, struct cpu_tracks *next, struct cpu_windows *windows);

void cpu_tracks_free(struct cpu_tracks *tracks);

#endif
