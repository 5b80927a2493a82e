/* SPDX-License-Identifier: MIT */
/* One guest of a timeline, and what its thread shares with the others. Part of run.c. */
#ifndef BALLAST_RUN_GUEST_H
#define BALLAST_RUN_GUEST_H

#include "run.h"
#include "scenario.h"
#include "trace.h"

#include <libvirt/libvirt.h>
#include <pthread.h>

enum run_stage {
	RUN_PREPARING,
	RUN_PLAYING,
	RUN_ENDING,
};

struct runner {
	const struct run_args *args;
	struct scenario scenario;
	struct run_guest *guests;
	size_t nstarted;
	int64_t epoch_ns;
	bool tracing;

	pthread_mutex_t lock; /* of all below */
	pthread_cond_t changed;
	enum run_stage stage;
	size_t nprepared;
	bool failed; /* something could not be done: the lab's fault */
	struct trace_writer trace;
};

/* The kinds of load that may run beside one another in a guest. */
enum load_class {
	CLASS_CPU,
	CLASS_MEMORY,
	CLASS_CACHE,
	CLASS_STRESS,
	CLASS_COUNT,
};

struct active_load {
	const struct phase *phase; /* NULL: none */
	double from_s;
	int64_t vcpu_ns; /* CPU time of the guest's vCPUs then, as the host sees it; −1: not known
			  */
};

struct run_guest {
	struct runner *runner;
	const struct scenario_guest *guest;
	pthread_t thread;
	virConnectPtr conn;
	virDomainPtr dom;
	struct active_load active[CLASS_COUNT];
	size_t next_phase;
	bool had_memory_load; /* so its report is worth reading */
	bool mute;	      /* the agent did not answer the last time */
	double looked_s;      /* when it was last looked inside, in seconds of the trace */
	int64_t oom_kill;     /* of the last sample, since boot; −1: not known */
	int64_t oom_base;     /* the same at the run's start */
};

/* Seconds since the trace's start. */
double runner_now_s(const struct runner *r);

/* The body of a guest's thread. */
void *run_guest(void *opaque);

#endif
