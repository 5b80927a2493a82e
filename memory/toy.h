/* SPDX-License-Identifier: MIT */
/* For the tests of the policy: a toy host whose balloons do at once what they are told. */
#ifndef BALLAST_MEMORY_TOY_H
#define BALLAST_MEMORY_TOY_H

#include "plan.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TOY_GUESTS 8

struct toy_guest {
	int64_t used_kib;
	int64_t cache_kib;
	int64_t growth_kib; /* per tick */
	int64_t target_kib; /* 0: none */
	bool frozen;	    /* tells nothing new */
	bool stuck;	    /* does not move */
	bool untouched;	    /* its process holds only what it uses */
};

struct toy {
	struct mem_state *state;
	struct mem_policy policy;
	struct mem_sample sample;
	struct mem_guest guests[TOY_GUESTS];
	struct toy_guest toys[TOY_GUESTS];
	int64_t host_kib; /* available if no guest held anything */
	struct mem_plan plan;
};

/* n guests of 512 of 2048 MiB that use 100, on a host of that size with a reserve of 200. */
struct toy *toy_new(size_t n, int64_t host_mib);
void toy_free(struct toy *t);

/* One interval goes by, then a tick; its sets are carried out on the way to the next. */
void toy_tick(struct toy *t);
void toy_ticks(struct toy *t, int n);

/* What the guest tells of itself now. */
void toy_tell(struct toy *t, size_t i);

/* The last tick's set of that guest, or NULL; whether it noted that. */
const struct mem_set *toy_set(const struct toy *t, size_t guest);
bool toy_noted(const struct toy *t, size_t guest, enum mem_happening what);

#endif
