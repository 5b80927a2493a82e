/* SPDX-License-Identifier: MIT */
/* What a checker says of a trace: one finding per expectation, and what follows from all of them.
 */
#ifndef BALLAST_VERDICT_H
#define BALLAST_VERDICT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#define VERDICT_VERSION 1
#define FINDING_TEXT	1024

enum result {
	RESULT_PASS,
	RESULT_FAIL,
	RESULT_UNJUDGED, /* the evidence does not allow an answer */
	RESULT_SKIPPED,	 /* does not apply here, or the scenario leaves it out */
};

/* One expectation of a scenario, held against a trace. */
struct finding {
	const char *name; /* the key in [expect] */
	enum result result;
	char asked[FINDING_TEXT];    /* in words, with units */
	char measured[FINDING_TEXT]; /* in words, with units; or why it was not judged */
	double value, limit;	     /* the same as numbers where there are such, else NAN */
	double error;		     /* of the value, which is given the benefit of it; NAN: none */
	bool least;		     /* the value is to be at least the limit; else at most */
	const char *because;	     /* the expectation whose failure this follows from; NULL */
	double from_s, to_s;	     /* when it was measured; NAN: the whole run */
	bool fatal; /* where this fails nothing else counts: the program did not live */
};

struct verdict {
	enum result result;
	char reason[FINDING_TEXT]; /* why nothing can be judged; empty where it can */
	json_t *expectations;	   /* array of findings */
	json_t *figures;	   /* object: what was measured besides */
	bool failed, fatal, unjudged;
};

const char *result_name(enum result result);

void verdict_init(struct verdict *v);

/* Adds one finding; its texts are copied. */
void verdict_add(struct verdict *v, const struct finding *finding);

/* Where both failed: notes that the one follows from the other, unless more is known of it. */
void verdict_follows(struct verdict *v, const char *name, const char *from);

/* A number measured besides; NAN is left out. */
void verdict_figure(struct verdict *v, const char *name, double value);

/* The run is no evidence at all. The first reason stays. */
void verdict_cannot_judge(struct verdict *v, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Settles v->result: a program that did not live fails; then a run that is no evidence is unjudged;
 * then one failure fails, and one expectation without evidence leaves the whole unjudged.
 */
void verdict_settle(struct verdict *v);

/* The document of verdict(5): header (taken over) completed with what v holds. */
json_t *verdict_document(const struct verdict *v, json_t *header);

/* The document for people, a line per expectation. */
void verdict_print(const json_t *document, FILE *out);

/* Exit status for the result: enum exit_status of log.h. */
int verdict_status(enum result result);

void verdict_free(struct verdict *v);

#endif
