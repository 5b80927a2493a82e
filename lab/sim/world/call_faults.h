/* SPDX-License-Identifier: MIT */
/*
 * What goes wrong between a program and libvirt: calls that fail, a libvirtd that restarts,
 * wake-ups that come late, figures that an old libvirt has not. The [faults] keys of a scenario
 * that are not the world's; ballast-sim(7) describes them. Decides, by seed, what happens to each
 * call; knows nothing of how.
 */
#ifndef BALLAST_SIM_FAULT_H
#define BALLAST_SIM_FAULT_H

#include "model/rng.h"
#include "scenario.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fault_window {
	uint64_t from_ns;
	uint64_t to_ns; /* exclusive */
};

/* fail = FUNCTION WHEN [ERROR] [FROM[-TO]] */
struct fault_call {
	char *function;	    /* a glob */
	unsigned int nth;   /* only that call, from 1 */
	unsigned int every; /* each n-th */
	double rate;	    /* or that share of them */
	const char *error;  /* one of fault_error_names */
	struct fault_window window;
	unsigned int seen; /* calls of the function within the window so far */
};

/* late, slow = PERCENT DURATION [FROM[-TO]] */
struct fault_late {
	double rate;
	uint64_t most_ns;
	struct fault_window window;
};

/* busy = PERCENT [FROM[-TO]] */
struct fault_busy {
	double rate;
	struct fault_window window;
};

/* held, stopped = GUESTS FROM[-TO] */
struct fault_hold {
	char *guests;
	struct fault_window window;
	bool stopped; /* its QEMU does not answer; else: another operation has it */
	bool entered; /* somebody waits in its monitor already */
};

/* link = RATE [FROM[-TO]] */
struct fault_link {
	uint64_t kib_s;
	struct fault_window window;
};

/* missing = FIELD... [GUESTS] */
struct fault_missing {
	char *field;  /* a glob */
	char *guests; /* NULL: all */
};

struct faults {
	struct fault_call *calls, *cuts;
	size_t ncalls, calls_size, ncuts, cuts_size;
	struct fault_link *links;
	size_t nlinks, links_size;
	struct fault_window *restarts; /* libvirtd is down, and connections made before are dead */
	size_t nrestarts, restarts_size;
	struct fault_late *lates, *slows;
	size_t nlates, lates_size, nslows, slows_size;
	struct fault_busy *busies;
	size_t nbusies, busies_size;
	struct fault_hold *holds;
	size_t nholds, holds_size;
	struct fault_window *stalls; /* libvirtd stands still */
	size_t nstalls, stalls_size;
	struct fault_missing *missing; /* bulk statistics that this libvirt has not */
	size_t nmissing, missing_size;
	struct rng rng;
};

/* Reads the scenario's [faults] and checks that all are known. 0; −1 with one line in error. */
int faults_read(struct faults *f, const struct scenario *s, uint64_t seed,
		char error[SCENARIO_ERROR_MAX]);
void faults_free(struct faults *f);

/* Counts a call; the name of the error it should fail with, or NULL. */
const char *faults_call(struct faults *f, const char *function, uint64_t now_ns);

/* Counts a call that has been answered: whether the connection dies in the middle of its reply. */
bool faults_cut(struct faults *f, const char *function, uint64_t now_ns);

/* How long so many bytes take on their way to the client, ns; mostly 0. */
uint64_t faults_link(const struct faults *f, size_t bytes, uint64_t now_ns);

/* The errors `fail` knows, in a row that ends with NULL; the first is the default. */
extern const char *const fault_error_names[];

/* Whether libvirtd is down now. */
bool faults_down(const struct faults *f, uint64_t now_ns);

/* How many times it has gone down by now: a connection made at another count is dead. */
unsigned int faults_restarts(const struct faults *f, uint64_t now_ns);

/* When it next goes down, after now_ns; UINT64_MAX: never. */
uint64_t faults_next_restart(const struct faults *f, uint64_t now_ns);

/* By how much a wake-up that is due at due_ns comes late; mostly 0. */
uint64_t faults_late(struct faults *f, uint64_t due_ns);

/* How much longer than it takes a call of bulk statistics takes; mostly 0. */
uint64_t faults_slow(struct faults *f, uint64_t now_ns);

/* Whether a guest's monitor is busy with somebody else's question just now. */
bool faults_busy(struct faults *f, uint64_t now_ns);

/* Until when libvirtd stands still; 0: it does not. */
uint64_t faults_stalled(const struct faults *f, uint64_t now_ns);

/* What holds guest number (from 1) of count now, or NULL. */
struct fault_hold *faults_hold(struct faults *f, unsigned int number, unsigned int count,
			       uint64_t now_ns);

/* Whether this libvirt lacks a field of the bulk statistics, such as "vcpu.0.delay", of guest
 * number (from 1) of count. */
bool faults_missing(const struct faults *f, const char *field, unsigned int number,
		    unsigned int count);

#endif
