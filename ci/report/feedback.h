/* SPDX-License-Identifier: MIT */
/* A failed expectation in a sentence that a student can act on. */
#ifndef BALLAST_FEEDBACK_H
#define BALLAST_FEEDBACK_H

#include <jansson.h>
#include <stddef.h>

/*
 * For a finding of a grade that failed, in buf: when it was seen and what to look at; for one that
 * follows from another, which. "" for any other. What happened, and to which guest, is the
 * finding's own text, which this stands beside.
 */
const char *feedback_of(const json_t *finding, char *buf, size_t len);

#endif
