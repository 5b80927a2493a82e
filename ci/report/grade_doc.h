/* SPDX-License-Identifier: MIT */
/* The document of a grade, see verdict(5): put together from what the checkers said. */
#ifndef BALLAST_GRADE_DOC_H
#define BALLAST_GRADE_DOC_H

#include "suite.h"

#include <jansson.h>
#include <stdbool.h>

/* Runs of one scenario in a grade. */
#define GRADE_RUNS_MAX 100

/* A program of a submission, "cpu" or "memory". */
struct grade_program {
	const char *name;
	const char *log;    /* the compiler's messages if it was not built, else NULL */
	const char *folder; /* of the submission, that was built; NULL: none was found */
	const char *others; /* folders of the same name that were passed over; NULL: none */
};

/* A submission, for the record. */
struct grade_submission {
	const char *name;
	const char *commit;		  /* NULL: not known */
	struct grade_program programs[2]; /* cpu, memory */
};

/*
 * The grade from the verdicts DIR/SCENARIO.json; where there is none, the last line of
 * DIR/SCENARIO.log tells why it was not judged. NULL with one line in error where a verdict is not
 * what it should be.
 */
json_t *grade_merge(const struct suite *suite, const struct grade_submission *submission,
		    const char *dir, char error[SUITE_ERROR_MAX]);

/* Reads a grade back. NULL with one line in error. */
json_t *grade_read(const char *path, char error[SUITE_ERROR_MAX]);

/* Text of an object's key, "" where it has none; number of it, 0 where it has none. */
const char *doc_text(const json_t *object, const char *key);
double doc_number(const json_t *object, const char *key);

/* Whether an object's key is that text. */
bool doc_is(const json_t *object, const char *key, const char *text);

/* The first element of a list whose key is that text, or NULL. list may be NULL. */
json_t *doc_find(const json_t *list, const char *key, const char *text);

/* Goes through an object's list; through none where it has none. */
#define DOC_EACH(object, list, index, element)                                                     \
	json_array_foreach(json_object_get((json_t *)(object), list), index, element)

/* Room for doc_points. */
#define DOC_POINTS_MAX 128

/*
 * Points in words, of a scenario, a program or a grade: "2 of 5 points". What was not judged counts
 * neither as got nor as missed: "not judged, of 2 points", "2 of the 3 points that were judged, of
 * 5".
 */
const char *doc_points(const json_t *object, char buf[DOC_POINTS_MAX]);

/* How a scenario's points are spread over its runs, "3 to 5 over 10 runs"; "" for a single run. */
const char *doc_runs(const json_t *scenario, char buf[DOC_POINTS_MAX]);

/* Where a scenario's run that is shown was played: "sim, seed 7"; "" where nobody ran it. */
const char *doc_world(const json_t *scenario, char buf[DOC_POINTS_MAX]);

/* True if all of a scenario, a program or a grade was judged. */
bool doc_judged(const json_t *object);

/* Why a scenario was not judged, in buf: one line; "" where it was. */
const char *doc_why(const json_t *scenario, char *buf, size_t len);

#endif
