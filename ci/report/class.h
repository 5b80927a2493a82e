/* SPDX-License-Identifier: MIT */
/* The document of a class, see verdict(5): its roll and the grades of its submissions, put
 * together. */
#ifndef BALLAST_CLASS_H
#define BALLAST_CLASS_H

#include "suite.h"

#include <jansson.h>
#include <stdio.h>

/* Room for class_first_failure(). */
#define CLASS_FAILURE_MAX 512

/*
 * The class's document from a roll (as ci/build/intake/intake writes it) and the folder that has
 * the grade of each student in ID/verdict.json; ID/refused says why a submission was not taken.
 * NULL with one line in error.
 */
json_t *class_doc(const char *roll, const char *grades, char error[SUITE_ERROR_MAX]);

/* Reads a class's document back. NULL with one line in error. */
json_t *class_read(const char *path, char error[SUITE_ERROR_MAX]);

/* What of a grade failed first, in words; "" where nothing did. */
const char *class_first_failure(const json_t *grade, char buf[CLASS_FAILURE_MAX]);

/* The class as a table for spreadsheets, and as a page. Each writes to out and returns 0, or −1. */
int class_csv(const json_t *class, FILE *out);
int class_page(const json_t *class, FILE *out);

#endif
