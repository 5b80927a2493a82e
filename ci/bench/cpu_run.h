/* SPDX-License-Identifier: MIT */
/* One run of a rule on a case, and the figures that many runs add up to. */
#ifndef BALLAST_BENCH_CPU_RUN_H
#define BALLAST_BENCH_CPU_RUN_H

#include "cpu.h"

#include <stdio.h>

struct bench_policy_calls;

struct series {
	size_t n, size;
	double *values;
};

/* The value that a part of all lies at or below: 0.5 is the median; NAN where there are none. Sorts
 * them. */
double series_at(struct series *s, double part);

/*
 * A pCPU whose vCPUs want this much has no idle time that could be seen beside the noise of what
 * is measured.
 */
#define FULL_PCT 95.0

/* Intervals after the first full sample in which a start should be balanced. */
#define SOON 4

/* Runs whose loads stay, by how they begin. */
struct starts {
	unsigned long runs;
	unsigned long soon;   /* balanced SOON intervals after the first full sample, and then on */
	unsigned long still;  /* no moves after it was balanced */
	double moves, fewest; /* sums; fewest: of moves to within the target */
	double intervals;     /* sum, of those that were balanced */
	unsigned long balanced;
	double limit, limited; /* sums of the limit of any rule, and of the fewest beside it */
};

struct figures {
	unsigned long segments, failed; /* load changes; of those, never balanced till the next */
	struct series intervals;	/* ticks after the first full sample until balanced */
	double moves, fewest;		/* sums */
	unsigned long proven;		/* segments whose fewest is exact */
	double after, wrong, pins;	/* sums */
	double gap;			/* sum of spread above the best, at the ends of segments */
	double share;			/* least of any vCPU's time, as a part of its fair share */
	unsigned long bounded;		/* runs put beside a sharp bound */
	double bounded_moves, sharp;	/* sums */
	unsigned long ticks, within;	/* ticks, and of those balanced */
	struct series plan_s;		/* CPU time of plans that change something */
	double plan_most_s;
	struct starts starts[2]; /* without and with a full pCPU */
};

/*
 * Runs rule on the case that seed draws, and adds what it measures to figures. older: the policy of
 * rules that are. trace: prints each of our decisions.
 */
void bench_run(const struct bench_case *c, const struct bench_rule *rule, uint64_t seed,
	       const struct bench_policy_calls *older, bool trace, struct figures *figures);

/*
 * Writes what that seed draws as a scenario for the program itself; cases of one vCPU a guest. True
 * if some pCPU is full at the start.
 */
bool bench_write(const struct bench_case *c, uint64_t seed, FILE *out);

/* Adds what any rule could expect at best on the case that seed draws. */
void bench_run_limit(const struct bench_case *c, uint64_t seed, struct figures *figures);

#endif
