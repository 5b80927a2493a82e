/* SPDX-License-Identifier: MIT */
/* What the judges of a memory run share: each guest's own figures and its balloon over time. */
#ifndef BALLAST_MEMORY_RUN_H
#define BALLAST_MEMORY_RUN_H

#include "check.h"

/* A guest's own figures, from inside it. Balloon statistics are what the program under test may
 * spoil. */
struct inside {
	double t_s;
	double spare_kib; /* the larger of free and available: page cache makes the one small,
			     watermarks the other */
	double usable_kib;
	double load_kib;  /* what its memory load holds; NAN: not told */
	double oom_kills; /* since the run's start */
};

struct actual {
	double t_s;
	double kib;
	size_t order; /* as read */
};

struct guest_memory {
	const struct scenario_guest *guest;
	struct inside *inside; /* by t_s */
	size_t ninside;
	struct actual *actual; /* by t_s; from samples and balloon events */
	size_t nactual;
};

struct memory_run {
	struct guest_memory *guests;
	size_t nguests;
	double gap_s; /* figures from inside farther apart than this leave a hole in the evidence */
};

/* 0; −1 when out of memory. Says where the run is no evidence. */
int memory_run_init(struct memory_run *m, struct run *run);
void memory_run_free(struct memory_run *m);

/* The balloon's size at a time, KiB; NAN before it is known. */
double memory_actual_at(const struct guest_memory *g, double t_s);

/* Host memory available at a time, KiB; NAN where not known. */
double memory_host_at(const struct run *run, double t_s);

/* The least that was usable in the guest between two times, KiB; NAN where nothing was seen. */
double memory_least_usable(const struct guest_memory *g, double from_s, double to_s);

/* Since when the guest's load has stayed the same, to the end, s. */
double memory_constant_since(const struct guest_memory *g);

#endif
