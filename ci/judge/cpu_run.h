/* SPDX-License-Identifier: MIT */
/* What the judges of a CPU run share: per segment the settled figures, and the best that could be
 * had. */
#ifndef BALLAST_CPU_RUN_H
#define BALLAST_CPU_RUN_H

#include "optimum.h"
#include "segments.h"
#include "windows.h"

/* Judged over at least so many samples. */
#define SAMPLES_MIN 3

/* A pCPU as busy as this has no room: what its vCPUs want cannot be seen from its usage. */
#define SATURATED_PCT 95.0

/* A vCPU that waits less than this runs as much as it wants. */
#define WAITS_PCT 5.0

/* "Within … points of the best the demands allow." */
#define SPREAD_OVER_BEST 2.0
#define STDDEV_OVER_BEST 1.0

/* "Equal CPU time" below this many points of difference, whatever the share: measuring is no finer.
 */
#define FAIR_POINTS 5.0

/* Where the host itself takes this much of a pCPU, what guests get there is no fault of the
 * program's. */
#define HOST_BUSY_PCT 25.0

struct settled {
	const struct segment *segment;
	bool applies;	      /* it is loaded, or nothing in the run is, and planned long enough */
	struct window whole;  /* the segment's samples */
	struct window window; /* those after the time allowed for balancing */
	double *usage, *guests, *own; /* per pCPU: medians over window */
	bool saturated;
	double *demand; /* per running vCPU, see problem */
	int *start;	/* where each is taken to start from, see cpu_run.c */
	unsigned int *guest;
	size_t *vcpu;			 /* index in the layout of each running vCPU */
	struct optimum_problem problem;	 /* the running vCPUs */
	double best_demand;		 /* least spread of summed demands */
	double best_spread, best_stddev; /* of usage, in the placement of least demand spread */
	struct optimum_limits limits;	 /* a placement that keeps to all of them suits the load */
	unsigned int fewest; /* moves from start to a placement that suits; 0 without load */
	bool exact;	     /* fewest is proven */
	double within_s;     /* time allowed for balancing */
	double balanced_s;   /* when it was balanced for good; NAN: never */
};

struct cpu_run {
	struct layout layout;
	struct segments segments;
	struct pins pins;
	struct settled *settled; /* one per segment */
	double within_s;	 /* as the scenario has it; NAN: by what is needed */
	double spread_limit, stddev_limit, fairness_limit;
	bool any_load;
	int *home;     /* per vCPU: where the segment to come is taken to start from */
	double home_s; /* changes of affinity up to then are in it */
};

/* 0; −1 when out of memory. Says where the run is no evidence. */
int cpu_run_init(struct cpu_run *c, struct run *run);
void cpu_run_free(struct cpu_run *c);

/* Summed demands' spread of the running vCPUs where they are pinned at t_s; NAN if one is not
 * pinned. */
double cpu_run_demand_spread(const struct cpu_run *c, const struct settled *s, double t_s);

/*
 * Unfairness, as optimum_unfairness() has it, of the places where the running vCPUs are pinned all
 * through the window; NAN if one is not pinned, or any pin changed meanwhile.
 */
double cpu_run_unfairness(const struct cpu_run *c, const struct settled *s);

/*
 * Whether loads that differ looked alike when the segment began: on a saturated pCPU vCPUs that
 * want more than an even share all get the same and wait the same, and only parting them tells them
 * apart.
 */
bool cpu_run_hidden(const struct cpu_run *c, const struct settled *s);

#endif
