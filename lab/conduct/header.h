/* SPDX-License-Identifier: MIT */
/* The first line of a trace: what ran where, on which guests. */
#ifndef BALLAST_RUN_HEADER_H
#define BALLAST_RUN_HEADER_H

#include "pool.h"
#include "recorder.h"

struct run_header {
	struct trace_header header;
	struct pool *texts; /* its own */
	bool failed;	    /* to keep a text */
};

/* Everything but epoch_ns. 0; −1 after a line on stderr: a guest does not run. program stays the
 * caller's. Free it in any case. */
int run_header(struct run_header *h, struct recorder *r, char **program);

void run_header_free(struct run_header *h);

#endif
