/* SPDX-License-Identifier: MIT */
/*
 * What a daemon keeps for the run after it: a JSON object with a version, the hypervisor's URI and
 * an array. What the array holds is the daemon's own.
 */
#ifndef BALLAST_STATEFILE_H
#define BALLAST_STATEFILE_H

#include "runfile.h"

#include <jansson.h>
#include <stdbool.h>

#define STATE_ERROR_MAX 512

/*
 * One instance per host: makes the run folder and locks it for that program; whoever only looks
 * does neither. path gets the state file's name. Ends the program with one line where that fails.
 */
void statefile_open(const char *program, bool looks_only, char path[RUN_PATH_MAX + 64]);

/*
 * Reads the file. 0; *root, which the caller owns, is NULL where there is no file. −1 with one line
 * in error if it is no object of that version with an array under key.
 */
int statefile_read(const char *path, json_int_t version, const char *key, json_t **root,
		   char error[STATE_ERROR_MAX]);

/* The same error for an array whose items make no sense. Returns −1. */
int statefile_refuse(const char *path, json_int_t version, char error[STATE_ERROR_MAX]);

/*
 * Replaces the file as a whole. Takes items over; uri may be NULL. 0, −1 with one line in error.
 */
int statefile_write(const char *path, json_int_t version, const char *uri, const char *key,
		    json_t *items, char error[STATE_ERROR_MAX]);

/*
 * Moves a file that cannot be used out of the way, so that the daemon starts anew and a person can
 * still look at it. One line: why, and its new name.
 */
void statefile_set_aside(const char *path, const char *why);

#endif
