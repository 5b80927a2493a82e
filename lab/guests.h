/* SPDX-License-Identifier: MIT */
/*
 * What `ballast` does with libvirt. A function with the arguments (session, args) is one subcommand
 * of build/guests and returns an exit status. Domains without the lab's tag are never changed.
 */
#ifndef BALLAST_GUESTS_H
#define BALLAST_GUESTS_H

#include "session.h"

#include <stdbool.h>
#include <stdint.h>

#define GUEST_NAME_MAX 64

struct guests_args {
	const char *uri;
	const char *prefix; /* guests are prefix1 … prefixN; "": every lab guest */
	const char *dir;    /* holds NAME/domain.xml and NAME/serial.log */
	const char *spec;   /* digest of what every guest is made of */
	unsigned int count;
	uint64_t memory_kib;
	double timeout_s;
	double since_s; /* CLOCK_MONOTONIC the user's wait began at */
	double watch_s; /* status: repeat at this interval; 0: once */
	bool quiet;
	char **names; /* operands, NULL-terminated */
};

/*
 * Prints, one per line, what it takes to have prefix1…prefixN made of spec: "NAME
 * create|start|replace| keep|drop". EXIT_USAGE with one line where a foreign domain has one of the
 * names.
 */
int guests_plan(struct session *session, const struct guests_args *args);

/* Defines the named guests from DIR/NAME/domain.xml. */
int guests_define(struct session *session, const struct guests_args *args);

/*
 * Starts those of the defined prefix1…prefixN that are off, all at once, waits until each one's
 * agent answers, and prints the time to ready of those that are named. On failure or a signal
 * whatever was started stays; the caller takes it down.
 */
int guests_up(struct session *session, const struct guests_args *args);

/* Destroys and undefines the named lab guests, or with a prefix all of its, at once; prints their
 * names. */
int guests_down(struct session *session, const struct guests_args *args);

/* Prints a table of what each lab guest does now. */
int guests_status(struct session *session, const struct guests_args *args);

/* --- shared by the subcommands --- */

/* The number behind prefix, 0 where there is none. */
unsigned int guest_number(const char *name, const char *prefix);

/*
 * All lab guests of the prefix, running or not, in order of their numbers, NULL-terminated; free
 * with guests_free(). NULL with libvirt's error set.
 */
virDomainPtr *guests_find(virConnectPtr conn, const char *prefix);
void guests_free(virDomainPtr *doms);

#endif
