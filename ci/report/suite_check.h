/* SPDX-License-Identifier: MIT */
/* What a suite is worth, by the grades that known submissions got in it. */
#ifndef BALLAST_SUITE_CHECK_H
#define BALLAST_SUITE_CHECK_H

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>

/*
 * Prints a line for each scenario of the suite. grades are n grades by that suite, as grade_read
 * returns them; the first n_idle are of programs that do nothing. A scenario is in order if one of
 * the others got all of its points and none of the first got any. Returns EXIT_PASS, EXIT_FAIL, or
 * EXIT_LAB where nothing is wrong but something was not judged.
 */
int suite_check(json_t *const *grades, size_t n, size_t n_idle, FILE *out);

#endif
