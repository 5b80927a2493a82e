/* SPDX-License-Identifier: MIT */
/* The [expect] section of a scenario, as a checker's table of expectations wants it read. */
#ifndef BALLAST_EXPECT_H
#define BALLAST_EXPECT_H

#include "scenario.h"

#include <stdbool.h>

struct run;
struct finding;

enum expect_type {
	EXPECT_NUMBER,	   /* points or percent, into number */
	EXPECT_COUNT,	   /* a whole number, into number */
	EXPECT_MOVES,	   /* "fewest" (fewest is true) or a whole number */
	EXPECT_DURATION,   /* seconds, into number */
	EXPECT_YES_NO,	   /* into yes */
	EXPECT_SIZE,	   /* into kib */
	EXPECT_SIZE_SHARE, /* "100M 95%": kib and number */
	EXPECT_SIZE_BY,	   /* "1700M 1 by 90s": kib, guests and number */
};

/* One expectation as it is asked for. */
struct expect_value {
	const struct expect_spec *spec;
	bool given; /* in the scenario; else the default */
	bool none;  /* left out */
	bool fewest;
	bool yes;
	double number;
	uint64_t kib;
	char guests[SCENARIO_NAME_MAX];
};

/* One expectation a checker knows. */
struct expect_spec {
	const char *key;
	enum expect_type type;
	const char *fallback; /* as it would be written; NULL: not judged unless asked for;
				 "auto": the judge works it out where !given */
	const char *meaning;
	/* Fills in *f, which comes with name, a result of pass, and NAN where a number would be. */
	void (*judge)(const struct run *run, const struct expect_value *value, struct finding *f);
};

/* How such values are written, for people. */
const char *expect_form(enum expect_type type);

/*
 * Reads what the scenario asks of each spec: one value per spec in the table's order, more where
 * the scenario says it more than once. Returns an array of *count to be freed; or NULL with one
 * line in error naming file, line and value.
 */
struct expect_value *expect_read(const struct scenario *s, const struct expect_spec *specs,
				 size_t nspecs, size_t *count, char error[SCENARIO_ERROR_MAX]);

#endif
