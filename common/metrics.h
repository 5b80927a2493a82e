/* SPDX-License-Identifier: MIT */
/*
 * A daemon's figures in Prometheus' text format, for node_exporter's textfile collector. Names
 * begin with the program's.
 */
#ifndef BALLAST_METRICS_H
#define BALLAST_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct metrics {
	const char *program;
	FILE *out;
	char *text;
	size_t len;
};

/* What every daemon has done. */
struct metrics_run {
	unsigned long ticks; /* decisions */
	unsigned long lost;  /* those missed because the guests could not be read */
	double last_s;	     /* wall clock of the last decision; 0: none yet */
	bool connected;	     /* the last attempt to read the guests went well */
};

/* Begins a file. 0, −1 with errno. */
int metrics_begin(struct metrics *m, const char *program);

/* A figure with its help; type is "counter" or "gauge". */
void metrics_put(struct metrics *m, const char *name, const char *type, const char *help,
		 double value);

/* The head of a gauge with labels, and its figures: label="value". */
void metrics_head(struct metrics *m, const char *name, const char *help);
void metrics_put_labelled(struct metrics *m, const char *name, const char *label, const char *of,
			  double value);

/* How the run goes and what the program itself costs. While the guests cannot be read these alone
 * are written, so that all else is seen to be gone. */
void metrics_put_run(struct metrics *m, const struct metrics_run *run);

/* Replaces the file as a whole. 0, −1 with errno. */
int metrics_end(struct metrics *m, const char *path);

/* For a tick in which a decision was made, and for one without. */
void metrics_note_decision(struct metrics_run *run);
void metrics_note_loss(struct metrics_run *run);

#endif
