/* SPDX-License-Identifier: MIT */
/* For tests: tables of made-up runs and what a checker must say of them. */
#ifndef BALLAST_CHECK_ROWS_H
#define BALLAST_CHECK_ROWS_H

#include "check.h"
#include "fake_trace.h"

/* A run, and the expectations that must fail in it; all others must not. */
struct row {
	const char *what;
	struct fake fake;
	enum result result;
	const char *fails;  /* " spread moves " */
	const char *reason; /* part of why it cannot be judged */
};

#define RUN(path, n, ...)                                                                          \
	{                                                                                          \
		.scenario = path, .pcpus = n, __VA_ARGS__                                          \
	}

/* The scenarios' paths are relative to ci/: goes there, from where the test program is
 * (build/judge). */
void check_rows_home(const char *argv0);

/* Judges a made-up run; *v is to be freed. Fails the test where that cannot be done. */
void check_fake(const struct fake *fake, struct verdict *v);

/* Judges every row; shows those that come out otherwise and fails the test. */
void check_rows(const struct row *rows, size_t count);

/* Fails the test unless every expectation the checker knows fails in some row. */
void check_rows_fail_all(const struct row *rows, size_t count);

#endif
