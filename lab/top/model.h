/* SPDX-License-Identifier: MIT */
/*
 * What `ballast top` shows of a host: made from looks at it, which come from libvirt or from a
 * trace. Pure: it has no clock, file or libvirt type.
 */
#ifndef BALLAST_TOP_MODEL_H
#define BALLAST_TOP_MODEL_H

#include "trace.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define TOP_NAME_MAX 64
#define TOP_MOVES    8	/* moves that are remembered with their words */
#define TOP_SPREAD   10 /* percentage points: more is not balanced */

enum top_state { TOP_RUNNING, TOP_PAUSED, TOP_OTHER_STATE };

/* What a look says of a guest besides its sample. */
struct top_about {
	enum top_state state;
	bool foreign;	     /* not the lab's: never changed */
	int agent;	     /* 1 connected, 0 not, −1 not known */
	int64_t target_kib;  /* of the balloon, as it was asked for last; −1: not known */
	int64_t maximum_kib; /* the largest it may get; −1: not known */
	const char *load;    /* what plays in it; NULL: not known */
	const char *warning; /* "oom"; NULL: none */
};

/* A look; it belongs to whoever took it. about has one for each of the sample's guests. */
struct top_look {
	struct trace_sample sample;
	const struct top_about *about;
};

struct top_vcpu {
	char pins[32]; /* CPU list, cut short if long; "" not known */
	int pcpu; /* where its time went: its only pCPU, or where it was seen; −1: not known */
	double usage_pct;  /* −1: not known */
	double wait_pct;   /* runnable, but waiting; −1: not known */
	double demand_pct; /* usage_pct; 100 if it never slept and waited: it may want that much */
};

struct top_guest {
	char name[TOP_NAME_MAX];
	char symbol; /* in the bars */
	int colour;
	struct top_vcpu *vcpus;
	size_t nvcpus, vcpus_size;
	double usage_pct, wait_pct, demand_pct; /* sums; −1: not known */
	bool demand_open;			/* demand_pct is the most that it may be */
	struct trace_memory memory;
	enum top_state state;
	bool foreign;
	int agent;
	int64_t target_kib, maximum_kib;
	char load[32], warning[16];
	bool seen; /* in the last look */
};

/* A guest's part of a pCPU. */
struct top_part {
	size_t guest; /* index */
	double usage_pct;
};

struct top_pcpu {
	int id;
	double usage_pct;  /* of everything; of the guests alone where that is all that is known */
	double guests_pct; /* of the guests whose place is known */
	double demand_pct; /* of those guests, and what runs beside them */
	bool demand_open;
	struct top_part *parts; /* by guest */
	size_t nparts, parts_size;
};

struct top_move {
	double t_s;
	char guest[TOP_NAME_MAX];
	unsigned int vcpu;
	char from[16], to[16];
};

struct top_model {
	double t_s, elapsed_s;
	struct top_guest *guests;
	size_t nguests, guests_size;
	struct top_pcpu *pcpus;
	size_t npcpus, pcpus_size;
	double spread;	     /* points; −1: not known */
	double unplaced_pct; /* usage of vCPUs whose place is not known */
	int64_t host_total_kib, host_available_kib;
	struct top_move moves[TOP_MOVES]; /* the last one first */
	size_t nmoves;			  /* all of them */
	size_t *places; /* by index in the look before: where its guest stands here */
	size_t nplaces, places_size;
};

/* Takes a look in. 0; −1: no memory. */
int top_model_look(struct top_model *m, const struct top_look *look);

/*
 * A vCPU's affinity changed. What leaves it on the pCPU where it was alone, or what is not known
 * before, is no move.
 */
void top_model_pin(struct top_model *m, double t_s, const char *guest, unsigned int vcpu,
		   const char *affinity);

/* The index of the guest of that name, or −1. hint: where it probably is. */
ssize_t top_model_find(const struct top_model *m, const char *name, size_t hint);

/* Forgets everything, as for a trace that is played from its start. */
void top_model_clear(struct top_model *m);

/* The affinities of all vCPUs, "0;1"; one for all where they are the same; "-" where none is known.
 */
char *top_pins(const struct top_guest *g, char *buf, size_t len);

/* Used memory: the balloon's size without what is unused; −1: not known. */
int64_t top_used_kib(const struct top_guest *g);

#endif
