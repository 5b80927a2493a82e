/* SPDX-License-Identifier: MIT */
/* Suites: which scenarios a grade is made of, and their points. An INI file:
 *
 *	[suite]
 *	title = for people
 *	world = real | sim
 *	counts = worst | median | mean (of several runs)
 *
 *	[cpu], [memory]
 *	SCENARIO = POINTS
 *
 *	[credit]
 *	EXPECTATION = WEIGHT [FULL NONE] [with EXPECTATION]
 *
 *	[visibility]		(when students see why)
 *	SCENARIO or all = visible | hidden | after_due_date | after_published
 *
 * and [expect], as in a scenario, for all scenarios of the suite.
 *
 * SCENARIO is a name in scenarios/ beside the suite, or a path relative to it with .scenario; as a
 * key, it has no ':' or '='. */
#ifndef BALLAST_SUITE_H
#define BALLAST_SUITE_H

#include "scenario.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#define SUITE_ERROR_MAX (PATH_MAX + SCENARIO_ERROR_MAX)

struct suite_entry {
	char name[SCENARIO_NAME_MAX];
	char *path;
	char *title;
	enum scenario_kind kind;
	double points;
	double length_s;
	double interval_s;
	const char *visibility; /* a word of [visibility]; NULL: visible */
};

/* Part credit for an expectation, see credit.h. */
struct suite_credit {
	char name[SCENARIO_NAME_MAX];
	double weight;
	double full;   /* beyond the limit by no more than this: all of it */
	double none;   /* by this or more: nothing; between the two linear. 0 with full: no part */
	bool relative; /* none is a percentage of the limit, and so is what is beyond it */
	char with[SCENARIO_NAME_MAX]; /* worth nothing unless this is met, too; "": by itself */
};

/* A line of [visibility]. */
struct suite_visibility {
	char name[SCENARIO_NAME_MAX]; /* of a scenario, or "all" */
	const char *word;
	unsigned int line;
};

/* Which of several runs of a scenario counts. */
enum suite_counts { COUNTS_WORST, COUNTS_MEDIAN, COUNTS_MEAN };

struct suite {
	char *path;
	char *title;
	char *world; /* "real" or "sim" */
	struct suite_entry *entries;
	size_t nentries;
	enum suite_counts counts;
	struct suite_credit *credits;
	size_t ncredits;
	struct suite_visibility *visibilities;
	size_t nvisibilities;
};

/* 0; −1 with one line in error naming file, line and value. Every scenario is read and checked too.
 */
int suite_read(struct suite *suite, const char *path, char error[SUITE_ERROR_MAX]);

/* What the suite gives for an expectation; NULL where it does not state any: weight 1, no part. */
const struct suite_credit *suite_find_credit(const struct suite *suite, const char *name);

void suite_free(struct suite *suite);

#endif
