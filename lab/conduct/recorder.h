/* SPDX-License-Identifier: MIT */
/* What the parts of a run on real guests share: its trace, and what was last seen of each guest. */
#ifndef BALLAST_RECORDER_H
#define BALLAST_RECORDER_H

#include "machines.h"
#include "pins.h"
#include "trace.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A guest of the scenario, as last seen. */
struct watched {
	const struct scenario_guest *guest;
	int id;	    /* libvirt's: another one each time it is started; −1: not running */
	bool fresh; /* it was started within this window: its counters began at 0 */
	bool paused;
	bool has_statistics; /* of its memory; seen once */
	size_t nvcpus;
	uint64_t *time_ns; /* per vCPU, at the last sample */
	uint64_t *delay_ns;
	double rebooted_s;	  /* CLOCK_MONOTONIC of the last reboot; 0: none */
	double seen_s;		  /* when that was; −1: never */
	char **affinity;	  /* CPU lists, online pCPUs only; NULL: not known */
	int *pcpu;		  /* where it ran last; −1: not known */
	struct trace_vcpu *vcpus; /* of the sample being made */
};

#define RECORDER_EVENTS 4 /* kinds of libvirt events listened to */

struct child;

struct recorder {
	struct machines *machines;
	bool verbose;
	struct watched *guests;		/* by the scenario's */
	int callbacks[RECORDER_EVENTS]; /* libvirt's numbers */
	struct child *gate;		/* ours, not the program's */
	const char *sockets;		/* the folder where the program finds libvirt */
	const char *copy; /* the submission that its sandbox shows; NULL: no sandbox */

	pthread_mutex_t lock; /* of all below: the guests' threads write, too */
	struct trace_writer trace;
	double epoch_s; /* CLOCK_MONOTONIC at t = 0; 0: the trace has not begun */
	bool trace_failed;
	struct pins pins; /* of the scenario, about to be seen */
};

/* 0; −1: out of memory. The trace is opened by the caller. */
int recorder_init(struct recorder *r, struct machines *machines);

void recorder_free(struct recorder *r);

/* Makes now, CLOCK_MONOTONIC, the trace's t = 0 and writes its header. 0, −1 with errno. */
int recorder_begin(struct recorder *r, double now_s, struct trace_header *header);

/* Seconds since the trace's start. */
double recorder_now_s(const struct recorder *r);

/* An event of now, or of its own time. Nothing is written before the trace has begun. */
void recorder_event(struct recorder *r, struct trace_event event);
void recorder_write(struct recorder *r, const struct trace_event *event);

void recorder_sample(struct recorder *r, const struct trace_sample *sample);

/* A line that the program printed. */
void recorder_output(struct recorder *r, enum trace_stream stream, const char *line, size_t len);

/* A line on stderr and a warning in the trace. */
void recorder_warn(struct recorder *r, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Whether a line could not be written. */
bool recorder_failed(struct recorder *r);

/* The scenario is about to pin a vCPU; recorder_claims(): a change of affinity that was just seen
 * is that one, which is forgotten then. */
void recorder_announce(struct recorder *r, const char *guest, unsigned int vcpu,
		       const char *affinity);
bool recorder_claims(struct recorder *r, const char *guest, unsigned int vcpu,
		     const char *affinity);

/* The scenario's guest of that name, or NULL. */
struct watched *recorder_guest(struct recorder *r, const char *name);

#endif
