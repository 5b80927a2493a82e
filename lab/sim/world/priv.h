/* SPDX-License-Identifier: MIT */
/* What the files of the world share. */
#ifndef BALLAST_WORLD_PRIV_H
#define BALLAST_WORLD_PRIV_H

#include "model/rng.h"
#include "units.h"
#include "world.h"

#define MAP_BYTES (MODEL_PCPUS_MAX / 8)

/* As the lab's guests have it in their XML, so at each start. */
#define STATS_PERIOD_S 1

struct world_fault;

/* What is due at a moment. Equal times in the order in which they were scheduled. */
enum action_kind {
	ACTION_PHASE,
	ACTION_FAULT_BEGIN,
	ACTION_FAULT_END,
	ACTION_START, /* guest */
};

struct action {
	uint64_t t_ns;
	uint64_t order;
	enum action_kind kind;
	size_t guest;
	const struct phase *phase;
	struct world_fault *fault;
};

/* What counters said when a load began. */
struct load_mark {
	uint64_t load_ns, run_ns, delay_ns; /* of the loaded vCPUs together */
	uint64_t kib;			    /* what the memory load held */
};

/* A load that is going on, for its report. */
struct active {
	const struct phase *phase; /* NULL: none */
	uint64_t from_ns;
	struct load_mark mark;
};

struct vcpu_window {
	uint64_t run_ns, delay_ns;
	unsigned char map[MAP_BYTES];
	char *affinity; /* of map */
};

struct guest_state {
	struct world_guest view;
	struct model_guest_config config;
	struct model_balloon_fault balloon;
	double quota_pct;
	struct active active[LOAD_CLASSES];
	/* The last sample. */
	unsigned int sampled_starts;
	struct vcpu_window *windows;
	struct trace_vcpu *vcpus;
};

struct pcpu_window {
	uint64_t busy_ns, guests_ns;
};

struct world {
	const struct scenario *scenario;
	struct model *model;
	uint64_t seed;
	struct rng rng;
	int *pcpus; /* ids by position, online at the start */
	size_t npcpus;
	struct guest_state *guests;
	size_t nguests;
	int *by_id; /* position of the model's guest; −1 */
	size_t nids;
	struct world_fault *faults;
	size_t nfaults;
	/* a heap, the next first */
	struct action *actions;
	size_t nactions, actions_size;
	uint64_t order;
	bool interrupted;
	world_event_fn on_event;
	void *opaque;
	struct trace_sample sample;
	uint64_t sampled_ns;
	struct pcpu_window *windows;
};

/* --- world.c --- */
void world_emit(struct world *w, struct world_event *event);
/* Aborts where memory is out: a simulation that forgets an action is worse than none. */
void world_schedule(struct world *w, const struct action *action);
void world_pin(struct world *w, size_t guest, const unsigned char *map);
void world_setmem(struct world *w, size_t guest, uint64_t kib);
void world_stop(struct world *w, size_t guest);
/* From its configuration, as at every start: pins and statistics period. */
void world_start(struct world *w, size_t guest, bool booted);
/* Another guest takes the place of one that is off. */
void world_replace(struct world *w, size_t guest);

/* --- faults.c --- */
/* Reads [faults] and schedules what they do. 0; −1 with one line in error. */
int world_faults_parse(struct world *w, char error[WORLD_ERROR_MAX]);
void world_faults_free(struct world *w);
/* How the guest is made: swap, shares, no balloon. Before it is added to the model. */
void world_faults_configure(struct world *w, size_t guest);
/* What the model must know of it once it is. */
void world_faults_apply(struct world *w, size_t guest);
void world_fault_begin(struct world *w, struct world_fault *fault);
void world_fault_end(struct world *w, struct world_fault *fault);

/* --- sample.c --- */
/* What counters hold already is of no window. */
void sample_begin(struct world *w);
void sample_free(struct world *w);

#endif
