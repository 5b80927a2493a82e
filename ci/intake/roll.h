/* SPDX-License-Identifier: MIT */
/* A class's roll: who handed in what, out of a folder, or an export of Gradescope, Canvas, Moodle.
 */
#ifndef BALLAST_INTAKE_ROLL_H
#define BALLAST_INTAKE_ROLL_H

#include "take.h"

#include <jansson.h>
#include <limits.h>
#include <stdio.h>

/* Files of one hand-in at most. */
#define ROLL_SOURCES_MAX 64

/*
 * The roll of a class in a folder, as JSON:
 *
 *	{"version": 1, "students": [{"id", "name", "changed", "sources": [{"path", "as"}]}],
 *	 "passed_over": [NAME]}
 *
 * By name, and each id is a file's name that the others do not change: letters, digits, '.', '_'
 *and
 * '-'. changed is another text once a hand-in is another: of paths, sizes and times. NULL with one
 * line in error.
 */
json_t *roll_of(const char *folder, char error[SINK_ERROR_MAX]);

/* Paths of a roll, of which any byte may be part, are ASCII: others, blanks and '%' are %XX. */
#define ROLL_PATH_MAX (3 * PATH_MAX)
void roll_path_decode(const char *encoded, char path[PATH_MAX]);

/*
 * Names of a Gradescope export's submission_metadata.yml: an object {"submission_1": "Jane Doe, Ed
 * Roe"}. What cannot be read is left out.
 */
json_t *roll_gradescope(FILE *metadata);

#endif
