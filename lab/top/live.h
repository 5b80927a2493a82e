/* SPDX-License-Identifier: MIT */
/* What live.c and change.c share. */
#ifndef BALLAST_TOP_LIVE_H
#define BALLAST_TOP_LIVE_H

#include "procstat.h"
#include "session.h"
#include "source.h"

#define LIVE_EVENTS    2
#define LIVE_PINS_MOST 256 /* of one look */

struct live_vcpu {
	uint64_t time_ns, delay_ns; /* now … */
	uint64_t was_ns, waited_ns; /* … and at the look before */
	bool has_delay;
	int pcpu;	   /* where it was seen last; −1: not known */
	char affinity[64]; /* "": not known */
};

struct live_guest {
	char name[TOP_NAME_MAX];
	int id, state;
	unsigned long look; /* the last one it was in */
	bool known;	    /* its definition was read */
	bool stale;	    /* its affinities are to be asked for */
	bool answered;
	bool foreign;
	int agent;
	double seen_s;		 /* 0: its counters are not known */
	size_t nvcpus, ncurrent; /* room; of the last look */
	struct live_vcpu *vcpus;
	struct trace_vcpu *out;
	struct trace_memory memory;
	int64_t maximum_kib, target_kib;
	char load[32]; /* started from here */
};

struct live_pin {
	char guest[TOP_NAME_MAX], affinity[64];
	unsigned int vcpu;
};

struct live {
	struct session session;
	struct live_args args;
	bool local; /* /proc here is the host's */
	double start_s, last_s;
	unsigned long look;
	struct live_guest *guests;
	size_t nguests, size;
	struct trace_guest *seen; /* size of them */
	struct top_about *about;
	struct trace_pcpu *pcpus;
	struct procstat_pcpu *before, *stat;
	size_t npcpus, stat_size;
	int maplen;
	size_t placed; /* where the next turn of places begins */
	struct live_pin pins[LIVE_PINS_MOST];
	size_t npins;
	int callbacks[LIVE_EVENTS];
};

#endif
