/* SPDX-License-Identifier: MIT */
/*
 * What check_cpu and check_memory share. A checker is a table of expectations, each with its judge,
 * and a function that prepares what its judges have in common. Pure: a scenario and a trace in, a
 * verdict out.
 */
#ifndef BALLAST_CHECK_H
#define BALLAST_CHECK_H

#include "expect.h"
#include "scenario.h"
#include "trace.h"
#include "verdict.h"

#define CHECK_ERROR_MAX SCENARIO_ERROR_MAX

/* A run to be judged. */
struct run {
	const struct scenario *scenario; /* resolved for the trace's host */
	const struct trace *trace;
	const struct expect_value *values;
	size_t nvalues;
	double end_s;		 /* nothing later is judged: the program was told to stop */
	struct verdict *verdict; /* for figures, and to say that the run is no evidence */
	void *own;		 /* what the checker's judges share */
};

/* --- each checker defines these --- */

extern const enum scenario_kind check_kind;
extern const struct expect_spec check_specs[];
extern const size_t check_nspecs;

/* Fills in run->own and says where the run is no evidence. 0; −1 when out of memory. */
int check_prepare(struct run *run);
void check_release(struct run *run);

/* --- for both --- */

/*
 * Judges a trace by its scenario, evidence_scenario()'s. 0 with *v to be freed with verdict_free();
 * −1 with one line in error where the scenario is another checker's or expects what none knows.
 */
int check_judge(struct scenario *s, const struct trace *trace, struct verdict *v,
		char error[CHECK_ERROR_MAX]);

/* The first value read for that key; there is one for every key of the table. */
const struct expect_value *check_value(const struct run *run, const char *key);

/*
 * When a guest's phase really began, s; its planned time where the trace does not tell and need
 * not. NAN where a load that should have begun never did.
 */
double check_begun_s(const struct run *run, const struct scenario_guest *guest,
		     const struct phase *phase);

/* Whether the event is of that kind and about that guest. */
bool check_about(const struct trace_event *event, enum trace_event_kind kind,
		 const struct scenario_guest *guest);

/* Judges of program_alive, guests_run and program_cpu. */
void check_program_alive(const struct run *run, const struct expect_value *value,
			 struct finding *f);
void check_guests_run(const struct run *run, const struct expect_value *value, struct finding *f);
void check_program_cpu(const struct run *run, const struct expect_value *value, struct finding *f);

#define SAY(buffer, ...) snprintf(buffer, sizeof(buffer), __VA_ARGS__)

#endif
