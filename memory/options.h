/* SPDX-License-Identifier: MIT */
/* The command line of memory_coordinator. */
#ifndef BALLAST_MEMORY_OPTIONS_H
#define BALLAST_MEMORY_OPTIONS_H

#include "host.h"
#include "plan.h"

#define PROGRAM "memory_coordinator"

struct args {
	double interval_s;
	const char *uri;
	bool uri_given;
	bool dry_run;
	bool once;
	bool verbose;
	bool exit_when_empty;
	bool restore_on_exit;
	bool json;
	bool explain;
	const char *metrics; /* NULL: none */
	const char *replay;
	struct host_options host;
	struct mem_policy policy;
};

/*
 * Bad usage ends the program with one line and EXIT_USAGE; --help and --version end it too. The
 * caller frees host.weights.
 */
struct args parse_args(int argc, char **argv);

#endif
