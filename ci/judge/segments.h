/* SPDX-License-Identifier: MIT */
/* A CPU scenario cut into segments of constant load, and where its vCPUs were pinned meanwhile. */
#ifndef BALLAST_SEGMENTS_H
#define BALLAST_SEGMENTS_H

#include "check.h"

/* All vCPUs of all guests, one after another. */
struct layout {
	size_t nvcpus, nguests, npcpus;
	const int *pcpu_ids;	/* the trace's, ascending; elsewhere pCPUs are positions in here */
	unsigned int *guest_of; /* per vCPU */
	size_t *vcpu_of;	/* per vCPU: its number in its guest */
};

struct segment {
	double planned_s;  /* when its first change was due; the first segment's is 0 */
	double first_s;	   /* when the first of the changes that open it really came */
	double from_s;	   /* when the last of them came */
	double to_s;	   /* when the next segment's first change came, or the end */
	bool changed;	   /* a load changed at its start (not just the run's start) */
	bool loaded;	   /* some guest has a CPU load */
	double *asked_pct; /* per vCPU; −1: not known (stress); NAN: its guest is off */
	int *group;	   /* per guest: the first guest of the same load; −1: none, or off */
};

struct segments {
	struct segment *list;
	size_t count;
};

/* A change of affinity. */
struct pin_change {
	double t_s;
	size_t vcpu;
	int from; /* the last pCPU it was pinned to alone; −1: none yet */
	int to;	  /* pCPU; −1: more than one */
	bool by_program;
};

struct pins {
	struct pin_change *changes; /* by t_s */
	size_t count;
	int *start; /* per vCPU, before the first change */
};

/* 0; −1 when out of memory. */
int layout_init(struct layout *l, const struct run *run);
void layout_free(struct layout *l);

int segments_init(struct segments *segments, const struct run *run, const struct layout *l);
void segments_free(struct segments *segments);

int pins_init(struct pins *pins, const struct run *run, const struct layout *l);
void pins_free(struct pins *pins);

/* Where each vCPU is pinned at t_s, later changes not counted: pCPU, or −1. */
void pins_at(const struct pins *pins, const struct layout *l, double t_s, int *place);

/* The pCPU (position) an affinity allows if it is exactly one; −1 otherwise. */
int pins_single(const struct layout *l, const char *affinity);

#endif
