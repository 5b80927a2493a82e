/* SPDX-License-Identifier: MIT */
/* A run on real guests, from their initial state to the trace's end. */
#ifndef BALLAST_CONDUCT_H
#define BALLAST_CONDUCT_H

#include <stdbool.h>

struct conduct_args {
	const char *uri;
	const char *scenario;
	const char *prefix; /* of the guests' names */
	const char *trace;
	const char *loads;  /* folder of the programs that run in guests */
	const char *folder; /* for what the run needs meanwhile; nobody else can enter it */
	const char *copy;   /* the submission, where a sandbox is to show nothing else; or NULL */
	char **program;	    /* NULL-terminated; empty: none */
	bool as_is;	    /* the guests' initial state is neither made nor unmade */
	bool verbose;	    /* what the program prints is shown, too */
};

/*
 * Brings the guests into the scenario's initial state, plays its loads, runs the program, writes
 * the trace and puts the guests back. An exit status; 128 and the signal's number where one ended
 * it.
 */
int conduct(const struct conduct_args *args);

/* Puts the guests of a run back that could not do so itself. An exit status. */
int conduct_put_back(const struct conduct_args *args);

#endif
