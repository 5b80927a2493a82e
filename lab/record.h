/* SPDX-License-Identifier: MIT */
/* What the parts of the recorder share. */
#ifndef BALLAST_RECORD_H
#define BALLAST_RECORD_H

#include "scenario.h"
#include "session.h"
#include "trace.h"

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

#define RECORD_HELPERS 2
#define RECORD_EVENTS  4 /* kinds of libvirt events listened to */

struct child;

struct recorder {
	struct session session;
	struct scenario scenario;
	struct trace_writer trace;
	double epoch_s; /* CLOCK_MONOTONIC at t = 0; 0: the trace has not begun */
	bool verbose;
	bool trace_failed;
	int *pcpus; /* online ones */
	size_t npcpus;
	struct watched *guests;
	int callbacks[RECORD_EVENTS];	       /* libvirt's numbers */
	struct child *helpers[RECORD_HELPERS]; /* ours, not the program's: injector, gate */
	int nhelpers;
	const char *gate; /* the folder where the program finds libvirt; NULL: libvirtd's */
	struct announcements *announcements; /* what the injector is about to do */
};

/* An event of now. */
void recorder_event(struct recorder *r, struct trace_event event);

/* A line that the program printed. */
void recorder_output(struct recorder *r, enum trace_stream stream, const char *line, size_t len);

/* A line on stderr and a warning in the trace. */
void recorder_warn(struct recorder *r, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The scenario's guest of that name, or NULL. */
struct watched *recorder_guest(struct recorder *r, const char *name);

#endif
