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
	double unused_kib; /* free, and no page cache */
	double load_kib;   /* what its memory load holds; NAN: not told */
	double oom_kills;  /* since the run's start */
};

struct actual {
	double t_s;
	double kib;
	double own_kib; /* the same, but no more than a boot's own target while that is on its way
			 */
	size_t order;	/* as read */
};

/* A stretch without the guest: it is off, or boots and cannot be looked into yet. */
struct away {
	double from_s, to_s;
};

struct guest_memory {
	const struct scenario_guest *guest;
	struct inside *inside; /* by t_s */
	size_t ninside;
	struct actual *actual; /* by t_s; from samples and balloon events */
	size_t nactual;
	struct away *away; /* by from_s */
	size_t naway;
	double killed_s; /* when a process of its was first killed for want of memory; NAN: never */
	double kills;	 /* how many were */
	double load_end_s; /* when its load was first among them; NAN: never */
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

/* How much of the time between two the guest was off or booting, s. */
double memory_away_s(const struct guest_memory *g, double from_s, double to_s);

/*
 * Whether the guest had that much to spare from one time to another: by every look inside, between
 * looks by what the balloon took since the last one, and nothing was killed for want of memory.
 */
bool memory_had_room(const struct guest_memory *g, double reserve_kib, double from_s, double to_s);

/* The least that was usable in the guest between two times, KiB; NAN where nothing was seen. */
double memory_least_usable(const struct guest_memory *g, double from_s, double to_s);

/* Since when the guest's load has stayed the same, to the end, s. */
double memory_constant_since(const struct guest_memory *g);

#endif
