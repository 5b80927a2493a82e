/* SPDX-License-Identifier: MIT */
/* When what failed is tried again. */
#ifndef BALLAST_BACKOFF_H
#define BALLAST_BACKOFF_H

#include <stdbool.h>

struct backoff {
	unsigned int failures;	  /* in a row */
	unsigned long until_tick; /* not tried before */
};

/* True if it is not to be tried yet. */
bool backoff_waits(const struct backoff *backoff, unsigned long tick);

/*
 * It failed in that tick: it is tried again at the next one, twice in a row; then after 2, 3, 5, 9
 * … at most 65 ticks. What timed out is not tried at the next tick either.
 */
void backoff_fail(struct backoff *backoff, unsigned long tick, bool timed_out);

/* It went well. */
void backoff_end(struct backoff *backoff);

#endif
