/* SPDX-License-Identifier: MIT */
/* A log of --json, line by line, for --replay. */
#ifndef BALLAST_REPLAY_H
#define BALLAST_REPLAY_H

#include <jansson.h>
#include <stdio.h>

#define JOURNAL_ERROR_MAX 512

/* So that what is read is to the last bit what was written: no figure has more digits. */
#define JOURNAL_EXACT (JSON_COMPACT | JSON_REAL_PRECISION(15))

/* Writes one line of a log; takes it over. NULL, out of memory, writes nothing. */
void journal_write_line(FILE *out, json_t *line);

/* A time or rate to the microsecond, which a log of 15 digits has exactly. */
double journal_round(double value);

/*
 * Hands each whole line to read, with its number; a last one that was cut off is left out. read
 * returns NULL, or what is wrong with the line. 0, or −1 with one line in error.
 */
int replay_lines(const char *path,
		 const char *(*read)(void *opaque, const json_t *line, unsigned long number),
		 void *opaque, char error[JOURNAL_ERROR_MAX]);

#endif
