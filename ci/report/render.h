/* SPDX-License-Identifier: MIT */
/* A grade in the forms that people and grading systems read. Each writes to out and returns 0, or
 * −1. */
#ifndef BALLAST_RENDER_H
#define BALLAST_RENDER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

int render_text(const json_t *grade, FILE *out);	 /* colours where out is a terminal */
int render_tap(const json_t *grade, FILE *out);		 /* TAP version 14 */
int render_junit(const json_t *grade, FILE *out);	 /* JUnit XML */
int render_gradescope(const json_t *grade, FILE *out);	 /* results.json */
int render_autolab(const json_t *grade, FILE *out);	 /* the last line of standard output */
int render_classroom(const json_t *grade, FILE *out);	 /* the result of a step, in base64 */
int render_prairielearn(const json_t *grade, FILE *out); /* results.json */
int render_html(const json_t *grade, FILE *out); /* one file, with plots of the traces (gnuplot) */

/* One line per expectation that did not pass, or the reason, each written by put. */
void render_failures(const json_t *scenario, void (*put)(const char *, FILE *), FILE *out);

/*
 * What students may see of a grade: a new document, or NULL when out of memory. A scenario that the
 * suite does not make visible keeps its points and nothing else, under a name that says so.
 */
json_t *grade_for_students(const json_t *grade);

/* Text as XML or HTML character data; control characters are left out. */
void render_escaped(const char *text, FILE *out);

/* gnuplot, which draws one plot after another; NULL where it cannot be started. */
struct plotter *plotter_start(void);
void plotter_end(struct plotter *plotter);

/* Where the plots' axes of time begin and end, as shares of the picture's width. */
#define PLOT_LEFT  0.085
#define PLOT_RIGHT 0.76

/* A plot of what the trace saw, as an SVG element to be set into HTML, and how many seconds its
 * axis of time has; nothing and −1 where that cannot be made, with one line in why. Without a
 * plotter (NULL) it cannot. */
int plot_trace(struct plotter *plotter, const char *path, const char *kind, FILE *out,
	       double *length_s, char why[256]);

#endif
