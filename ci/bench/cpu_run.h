/* SPDX-License-Identifier: MIT */
/* One run of a rule on a case, and the figures that many runs add up to. */
#ifndef BALLAST_BENCH_CPU_RUN_H
#define BALLAST_BENCH_CPU_RUN_H

#include "cpu.h"

struct series {
	size_t n, size;
	double *values;
};

/* The value that a part of all lies at or below: 0.5 is the median; NAN where there are none. Sorts
 * them. */
double series_at(struct series *s, double part);

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
};

/* Runs rule on the case that seed draws, and adds what it measures to figures. trace: prints each
 * of our decisions. */
void bench_run(const struct bench_case *c, const struct bench_rule *rule, uint64_t seed, bool trace,
	       struct figures *figures);

#endif
