/* SPDX-License-Identifier: MIT */
/* What the judges of a CPU run share: per segment the settled figures, and the best that could be
 * had. */
#ifndef BALLAST_CPU_RUN_H
#define BALLAST_CPU_RUN_H

#include "limits.h"
#include "segments.h"
#include "windows.h"

/* Judged over at least so many samples. */
#define SAMPLES_MIN 3

/* A pCPU as busy as this has no room: what its vCPUs want cannot be seen from its usage. */
#define SATURATED_PCT 95.0

/* A vCPU that waits less than this runs as much as it wants. */
#define WAITS_PCT 5.0

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
	size_t *vcpu;			/* index in the layout of each running vCPU */
	struct optimum_problem problem; /* the running vCPUs */
	double demand_error;		/* what of a spread of summed demands may be chance */
	struct limits limits;		/* a placement within them suits the load */
	unsigned int crowded; /* cores where two busy threads start, as far as others are idle */
	double within_s;      /* time allowed for balancing */
	double balanced_s;    /* when it was balanced for good; NAN: never */
};

struct cpu_run {
	struct layout layout;
	struct segments segments;
	struct pins pins;
	struct settled *settled; /* one per segment */
	double within_s;	 /* as the scenario has it; NAN: by what is needed */
	struct optimum_limits asked;
	bool any_load;
	int *home;     /* per vCPU: where the segment to come is taken to start from */
	double home_s; /* changes of affinity up to then are in it */
};

/* 0; −1 when out of memory. Says where the run is no evidence. */
int cpu_run_init(struct cpu_run *c, struct run *run);
void cpu_run_free(struct cpu_run *c);

/* Whether the vCPU, by its position in the problem, wants too little for its place to matter. */
bool cpu_run_is_light(const struct settled *s, size_t i);

/* Whether the running vCPUs, light ones too, are pinned at t_s as one would aim to have them. */
bool cpu_run_is_placed(const struct cpu_run *c, const struct settled *s, double t_s);

/* Summed demands' spread of the running vCPUs where they are pinned at t_s; NAN if one is not
 * pinned that is not light. */
double cpu_run_demand_spread(const struct cpu_run *c, const struct settled *s, double t_s);

/*
 * Unfairness, as optimum_unfairness() has it, of the places where the running vCPUs are pinned all
 * through the window; NAN if one that is not light is not pinned, or any pin changed.
 */
double cpu_run_unfairness(const struct cpu_run *c, const struct settled *s);

/*
 * Whether loads that differ looked alike when the segment began: on a saturated pCPU vCPUs that
 * want more than an even share all get the same and wait the same, and only parting them tells them
 * apart.
 */
bool cpu_run_hidden(const struct cpu_run *c, const struct settled *s);

#endif
