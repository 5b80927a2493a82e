/* SPDX-License-Identifier: MIT */
/* The command line of vcpu_scheduler. */
#ifndef BALLAST_CPU_OPTIONS_H
#define BALLAST_CPU_OPTIONS_H

#include "host.h"
#include "plan.h"

#define PROGRAM "vcpu_scheduler"

/* What is to be done. */
enum mode {
	MODE_RUN,     /* decide every interval */
	MODE_ONCE,    /* decide once */
	MODE_EXPLAIN, /* print the plan for this moment */
	MODE_RESTORE, /* put back what a crashed run left */
	MODE_REPLAY,  /* a log through the policy */
};

struct args {
	enum mode mode;
	double interval_s;
	const char *uri;
	bool uri_given;
	bool dry_run;
	bool verbose;
	bool exit_when_empty;
	bool restore_on_exit;
	bool json;
	const char *metrics; /* NULL: none */
	const char *replay;
	struct host_options host;
	struct cpu_policy policy;
};

/* Bad usage ends the program with one line and EXIT_USAGE; --help and --version end it too. */
void parse_args(int argc, char **argv, struct args *args);

#endif
