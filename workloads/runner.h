/* SPDX-License-Identifier: MIT */
/* What the threads of a timeline share, and each one's guest. */
#ifndef BALLAST_RUNNER_H
#define BALLAST_RUNNER_H

#include "run.h"

#include <libvirt/libvirt.h>
#include <pthread.h>

enum run_stage {
	RUN_PREPARING,
	RUN_PLAYING,
	RUN_ENDING,
};

struct runner {
	struct run_args args;
	struct run_guest *guests;
	size_t nstarted;
	int64_t epoch_ns; /* CLOCK_MONOTONIC at t = 0 */

	pthread_mutex_t lock; /* of all below */
	pthread_cond_t changed;
	enum run_stage stage;
	size_t nprepared;
	bool failed; /* something could not be done: the lab's fault */
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
	struct active_load active[LOAD_CLASSES];
	size_t next_phase;
	bool had_memory_load; /* so its report is worth reading */
	bool mute;	      /* the agent did not answer the last time */
	double looked_s;      /* when it was last looked inside, in seconds of the trace */
	int64_t oom_kill;     /* of the last sample, since boot; −1: not known */
	int64_t oom_base;     /* the same at the run's start */
};

/* Seconds since the trace's start. */
double runner_now_s(const struct runner *r);

#endif
