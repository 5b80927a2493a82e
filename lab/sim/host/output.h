/* SPDX-License-Identifier: MIT */
/* What the program prints: read from the files its stdout and stderr are, line by line into the
 * trace. */
#ifndef BALLAST_SIM_OUTPUT_H
#define BALLAST_SIM_OUTPUT_H

#include "world/play.h"

#include <stdbool.h>
#include <sys/types.h>

/* All a program may print. Far more than any does that is not stuck in a loop. */
#define OUTPUT_MAX (16U << 20)

/* Takes what was printed since the last time. last: the program has ended, so a line without an end
 * is one too. False: it has printed more than OUTPUT_MAX. */
bool output_take(struct play *p, int stdout_fd, int stderr_fd, bool last);
#endif
