/* SPDX-License-Identifier: MIT */
/* What the judge of the scheduler's benchmark knows: true demands, and what could be had at best.
 */
#ifndef BALLAST_BENCH_CPU_TRUTH_H
#define BALLAST_BENCH_CPU_TRUTH_H

#include "cpu.h"

#define INTERVAL_S    2.0
#define THRESHOLD_PCT 10.0

/* vCPUs up to which the exact search is asked. */
#define EXACT_MOST BENCH_SUBSETS_MOST

struct truth {
	const struct bench_case *c;
	size_t nvcpus;
	double *demand;
	double *due;   /* demand, or where the host cannot serve all: a fair part of it */
	double best;   /* least spread of what is due that there is */
	double target; /* what counts as balanced */
	double asked; /* what the fewest moves of a start lead to: the threshold if it can be had */
};

/* Percentage points between the pCPUs that most and least is due on, with the vCPUs at these. */
double truth_spread(const struct truth *t, const int *at);

/* Fills due, best and target from the demands. */
void truth_find_best(struct truth *t);

/*
 * Fewest moves from there to within that spread, or a lower bound of it: for large cases a quick
 * one.
 */
double truth_fewest(const struct truth *t, const int *at, double spread, bool *exact);

/* A sharper lower bound of them, which takes seconds on large hosts; moves: a number that is
 * enough. */
double truth_sharp(const struct truth *t, const int *at, double spread, double moves);

/* The least part of what is due that a vCPU got. */
double truth_worst_share(const struct truth *t, const double *got);

/*
 * The fewest moves that any rule can expect from there whose eyes are not open, on a case with
 * sizes; NAN where that would take too long.
 */
double truth_limit(const struct truth *t, const int *start);

#endif
