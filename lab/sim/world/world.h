/* SPDX-License-Identifier: MIT */
/*
 * The simulated world: builds a model (model.h) from a resolved scenario, plays its timeline and
 * its physical faults while time advances, and takes what a recorder on a real host would see.
 * Knows nothing of libvirt.
 *
 * Guests are the scenario's, by position: world_guest(w, i) is scenario.guests[i]. The model's
 * guest of the same place may change (a name that is used again), so ask for it each time.
 */
#ifndef BALLAST_WORLD_H
#define BALLAST_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/model.h"
#include "scenario.h"
#include "trace.h"

#define WORLD_ERROR_MAX 256

struct world;

struct world_guest {
	const struct scenario_guest *config;
	unsigned int id;	  /* the model's guest */
	unsigned char uuid[16];	  /* from seed, name and incarnation; a valid version 4 UUID */
	unsigned int incarnation; /* from 0; one more for each guest that took the name over */
	unsigned int starts;	  /* processes so far: changes where libvirt's id does */
	const char *policy; /* attributes of its policy metadata, such as manage="no"; NULL: none */
};

/* Room for the attributes of a policy. */
#define WORLD_POLICY_MAX 256

enum world_event_kind {
	WORLD_GUEST,	/* state: started, stopped, rebooted, paused, resumed, crashed; see model */
	WORLD_READY,	/* the guest's agent is up */
	WORLD_REPLACED, /* another guest took the name: old_uuid, which had stopped, is gone */
	WORLD_BALLOON,	/* actual changed: kib */
	WORLD_LOAD,	/* a phase of the timeline, of any verb, was begun: phase */
	WORLD_REPORT,	/* a load ended: phase, report */
	WORLD_INSIDE,	/* the guest's own figures: memory */
	WORLD_OOM,	/* the guest killed its memory load */
	WORLD_PIN,	/* somebody else pinned vcpu: map, maplen */
	WORLD_SETMEM,	/* somebody else set the balloon's target: kib */
	WORLD_POLICY,	/* somebody set or removed the guest's policy metadata: world_guest() */
	WORLD_PCPU,	/* pcpu went on- or offline: online */
	WORLD_FAULT,	/* a fault set in or ended: text */
	WORLD_WARNING,	/* text */
};

/* What came of a load, as workloads/inject reports it. */
struct world_report {
	double from_s, to_s;
	/* CPU: means per loaded vCPU, % of a pCPU */
	double asked_pct, attained_pct;
	double waited_pct;   /* it was runnable, but did not run */
	double given_up_pct; /* of what was asked; closed loop */
	double backlog_s;    /* still to be caught up; open loop */
	double host_pct;     /* what the host gave, the guest's background included */
	/* memory, page cache */
	uint64_t asked_kib, attained_kib, peak_kib;
	double starved_s;
	enum trace_load_state state;
};

struct world_event {
	enum world_event_kind kind;
	uint64_t t_ns;
	int guest;		     /* position in the scenario; −1: the host */
	enum model_event_kind state; /* WORLD_GUEST */
	unsigned char old_uuid[16];  /* WORLD_REPLACED */
	uint64_t kib;		   /* WORLD_BALLOON, WORLD_SETMEM, WORLD_OOM (what the load held) */
	const struct phase *phase; /* WORLD_LOAD, WORLD_REPORT */
	double skew_s;		   /* WORLD_LOAD: begun so much late (the guest was not ready) */
	struct world_report report; /* WORLD_REPORT */
	struct model_memory memory; /* WORLD_INSIDE */
	unsigned int vcpu;	    /* WORLD_PIN */
	const unsigned char *map;   /* WORLD_PIN */
	size_t maplen;
	bool noop;	   /* WORLD_PIN: it was so already; traces have changes only */
	unsigned int pcpu; /* WORLD_PCPU */
	bool online;
	const char *text; /* WORLD_FAULT, WORLD_WARNING */
};

/* What the guest's agent takes of its first vCPU for one command: idle guests that are looked into
 * each 2 s, six commands at a time, use 0.45 % more. */
#define WORLD_AGENT_NS 1500000

/* The host has been up for so long when a run begins. */
#define WORLD_UPTIME_S 86400ULL

typedef void (*world_event_fn)(const struct world_event *event, void *opaque);

/*
 * Builds the host and its guests in the scenario's initial state at time 0: those that do not begin
 * with `start` are up, pinned, with their balloon where it should be. The scenario must be resolved
 * (scenario_host_pcpus()) and outlive the world. NULL with one line in error: a host that cannot
 * hold its guests, a fault that cannot be.
 */
struct world *world_new(const struct scenario *s, uint64_t seed, char error[WORLD_ERROR_MAX]);
void world_free(struct world *w);

/* Whether [faults] key is one of the world's (faults.c has the list); all others are the
 * API's. */
bool world_fault_known(const char *key);

void world_on_event(struct world *w, world_event_fn fn, void *opaque);

/*
 * Moves time on, playing what is due on the way, until until_ns or, where world_interrupt() was
 * called from the event function, to the end of that moment. Returns the time reached.
 */
uint64_t world_advance(struct world *w, uint64_t until_ns);
void world_interrupt(struct world *w);
uint64_t world_now(const struct world *w);

/* For all reading and for what the program under test sets. */
struct model *world_model(struct world *w);

size_t world_guests(const struct world *w);
const struct world_guest *world_guest(const struct world *w, size_t i);

/* At the end of a run: reports of all loads that are still going. */
void world_end(struct world *w);

/*
 * What a recorder sees now, over the window since the last call (since 0 the first time). Usage
 * from the model's exact counters; the program's own figures are set to −1 for the caller to fill
 * in. Emits WORLD_INSIDE for each ready guest of a memory scenario. Valid until the next call; the
 * world's own.
 */
struct trace_sample *world_sample(struct world *w);

/* Appends the event to a trace as trace(5) says; kinds that have no place there are left out. 0, −1
 * with errno. */
int world_event_write(const struct world *w, const struct world_event *event,
		      struct trace_writer *trace);

#endif
