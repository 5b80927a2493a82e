/* SPDX-License-Identifier: MIT */
/* What the parts of the scheduler's benchmark share: a simulated host, cases to run on it, rules to
 * compare. */
#ifndef BALLAST_BENCH_CPU_H
#define BALLAST_BENCH_CPU_H

#include "cpu/plan.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- random numbers, the same everywhere --- */

struct dice {
	uint64_t state;
};

double dice_unit(struct dice *dice); /* [0, 1) */
size_t dice_below(struct dice *dice, size_t n);

/* --- a case: vCPUs, their true demands over time, and where they start --- */

struct bench_case {
	const char *name;
	const char *title;
	size_t npcpus, nguests, vcpus; /* vcpus: of each guest */
	unsigned int seeds;	       /* how many random instances */
	unsigned int bounded;	       /* of the first so many, ours is put beside a sharp bound */
	unsigned int warmup; /* ticks at the loads before somebody pins all to the start; 0: unknown
				loads */
	unsigned int ticks;  /* from the loads' beginning, or from that moment */
	double stolen;	     /* see model_set_stolen() */
	double full; /* all demands are scaled down to that share of the pCPUs, if they are more */
	bool feasible; /* only starts from which balance is possible */
	/*
	 * Of cases for which the limit of any rule is found: the demand that a part u of all vCPUs
	 * is below, and to how many sizes it is rounded for that. 0: none.
	 */
	double (*size)(double u);
	size_t sizes;
	bool open_eyes; /* usage is what is wanted, even where there is no room for it: judges plans
			   alone */
	/* Fills demand (percent) and start (pCPU, or −1) of each vCPU. */
	void (*draw)(const struct bench_case *c, struct dice *dice, double *demand, int *start);
	/*
	 * Changes demands at the start of that tick; true if that is counted as a new phase. NULL:
	 * they stay.
	 */
	bool (*change)(const struct bench_case *c, struct dice *dice, unsigned int tick,
		       double *demand);
};

extern const struct bench_case bench_cases[];
extern const size_t bench_ncases;

/* --- the host --- */

struct bench_host;

struct bench_host *bench_host_new(const struct bench_case *c, uint64_t seed);
void bench_host_free(struct bench_host *host);

void bench_host_load(struct bench_host *host, const double *demand);
/* −1: everywhere. */
void bench_host_pin(struct bench_host *host, size_t vcpu, int pcpu);
void bench_host_advance(struct bench_host *host, double seconds);

/* What the scheduler reads; the host's own, until the next call. */
const struct cpu_sample *bench_host_sample(struct bench_host *host);

/* The pCPU each vCPU ran on last. */
const int *bench_host_last(const struct bench_host *host);

/* CPU time the loads of each vCPU got since the last call, in percent of a pCPU. */
void bench_host_got(struct bench_host *host, double *got);

/* --- what none can do better --- */

struct cpu_problem;

/*
 * No assignment within that spread has fewer moves: a sharper bound than the policy's own, which
 * takes seconds on large hosts. known: a number of moves that is enough; rounds: of improving it.
 */
double bench_bound(const struct cpu_problem *problem, double spread, double known,
		   unsigned int rounds);

/*
 * The fewest moves to a spread of at most that, or hardly more; of at most BENCH_SUBSETS_MOST
 * vCPUs, all of them on some pCPU. known: a number of moves that is enough, and is returned if none
 * less is.
 */
#define BENCH_SUBSETS_MOST 16
unsigned int bench_fewest(const struct cpu_problem *problem, double spread, unsigned int known);

/* --- rules --- */

struct bench_rule {
	const char *name;
	bool floats; /* starts with every vCPU allowed everywhere */
	bool ours;
	bool older; /* ours as it was in another tree */
	bool knows; /* the true demands, where a host is overcommitted: what could be had at best */
	double threshold;
	/*
	 * usage: percent of a pCPU of each vCPU over the last interval; at: where it is. Changes
	 * at. pinned: whether it is pinned there already.
	 */
	void (*plan)(const struct bench_rule *rule, size_t nvcpus, size_t npcpus,
		     const double *usage, int *at);
};

extern const struct bench_rule bench_rules[];
extern const size_t bench_nrules;

#endif
