/* SPDX-License-Identifier: MIT */
/* The first line of a trace: what ran where, on which guests. */
#ifndef BALLAST_RECORD_HEADER_H
#define BALLAST_RECORD_HEADER_H

#include "pool.h"
#include "record.h"

struct record_header {
	struct trace_header header;
	struct pool *texts; /* its own */
};

/* Everything but epoch_ns. Ends the program where a guest is missing, not the lab's, or does not
 * run. program stays the caller's. */
void record_header(struct record_header *h, struct recorder *r, char **program);

void record_header_free(struct record_header *h);

#endif
