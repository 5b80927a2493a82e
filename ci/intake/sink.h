/* SPDX-License-Identifier: MIT */
/* Where a submission is written to: a new folder, within limits, and nothing outside of it. */
#ifndef BALLAST_INTAKE_SINK_H
#define BALLAST_INTAKE_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define SINK_ERROR_MAX 1024

struct sink_limits {
	uint64_t bytes;	  /* of all files together */
	uint64_t file;	  /* of one file, in bytes; a larger one is left out */
	uint64_t entries; /* files, folders and links, those that are left out included */
};

struct sink_link;

struct sink {
	int folder; /* descriptor of the folder that is written to */
	struct sink_limits limits;
	uint64_t bytes, entries, left_out;
	FILE *notes;		 /* a line for each of the first entries that are left out */
	const char *label;	 /* what is taken, for those lines and for errors */
	struct sink_link *links; /* made last: nothing is written through a link */
	size_t nlinks, links_size;
	char error[SINK_ERROR_MAX];
};

/* Opens a folder that exists. 0; −1 with one line in sink->error. */
int sink_open(struct sink *sink, const char *folder, const struct sink_limits *limits, FILE *notes);

/* Says that an entry is left out, and why: "a device". */
void sink_leave_out(struct sink *sink, const char *name, const char *why);

/* Counts an entry. −1 with an error where there are too many. */
int sink_count(struct sink *sink);

/*
 * What follows takes a path as entry_path() makes it, and makes the folders above it. 0; −1 with an
 * error that ends the intake. What cannot be there beside what is there already is left out.
 */
int sink_folder(struct sink *sink, const char *path);
int sink_link(struct sink *sink, const char *path, const char *target);

/* A second name of a file that was written before; left out where there is none. */
int sink_same_file(struct sink *sink, const char *path, const char *first);

/* Begins a file: its descriptor; −1 with an error, −2 where it is left out. */
int sink_file_begin(struct sink *sink, const char *path, bool executable);

/* Writes a part of it. 1 where the file is larger than allowed: sink_file_drop() is what follows.
 */
int sink_file_write(struct sink *sink, int fd, const void *data, size_t len, uint64_t offset);

/* Ends it; a time that is still to come becomes now, for make would wonder. */
void sink_file_end(struct sink *sink, int fd, time_t modified_s);
void sink_file_drop(struct sink *sink, int fd, const char *path);

/* Makes the links and closes the sink. −1 with an error. */
int sink_finish(struct sink *sink);

/* Sets the error: "LABEL: message", made fit for a terminal. Returns −1. */
int sink_fail(struct sink *sink, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
