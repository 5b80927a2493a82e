/* SPDX-License-Identifier: MIT */
/*
 * The log that can be replayed: JSON Lines, first the policy, then per tick the whole sample and
 * what was decided. Written by --json, read by --replay.
 */
#ifndef BALLAST_CPU_JOURNAL_H
#define BALLAST_CPU_JOURNAL_H

#include "replay.h"
#include "report.h"

#include <stdio.h>

/* One line each on out. */
void journal_write_policy(FILE *out, const struct cpu_policy *policy);
void journal_write_tick(FILE *out, const struct report *report);

/*
 * Puts a log through the policy again and compares what it decides, a line on out per difference
 * and one at the end. 0: the same; 1: it decides otherwise; −1 with one line in error: not such a
 * log. A last line that was cut off is left out.
 */
int journal_replay(const char *path, FILE *out, char error[JOURNAL_ERROR_MAX]);

#endif
