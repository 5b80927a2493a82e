/* SPDX-License-Identifier: MIT */
/* Judges a run: reads what is expected, asks each judge, adds up the verdict. */
#include "check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

bool check_about(const struct trace_event *event, enum trace_event_kind kind,
		 const struct scenario_guest *guest)
{
	return event->kind == kind && event->guest && !strcmp(event->guest, guest->name);
}

const struct expect_value *check_value(const struct run *run, const char *key)
{
	for (size_t i = 0; i < run->nvalues; i++)
		if (!strcmp(run->values[i].spec->key, key))
			return &run->values[i];
	return NULL;
}

double check_begun_s(const struct run *run, const struct scenario_guest *guest,
		     const struct phase *phase)
{
	for (size_t i = 0; i < run->trace->nevents; i++) {
		const struct trace_event *event = &run->trace->events[i];

		if (check_about(event, TRACE_LOAD, guest) &&
		    event->load.number == scenario_phase_number(guest, phase))
			return event->t_s;
	}
	return phase_load_class(phase->verb) != LOAD_CLASSES ? NAN : phase->at_s;
}

/* Nothing seen for longer than so many samples is a hole, and so much of a run must be seen:
 * medians hide what is not. */
#define HOLE_SAMPLES 3.0
#define SEEN_SHARE   0.8

/* Guests take this long to come and go: about their starts and stops nothing need be seen. */
#define COMING_S 10

/* Whether a guest is on all through a stretch, by the scenario, so that samples without any guest
 * saw nothing. */
static bool guests_expected(const struct scenario *s, double from_s, double to_s)
{
	for (size_t g = 0; g < s->nguests; g++) {
		const struct scenario_guest *guest = &s->guests[g];
		bool on = !scenario_starts_off(guest);

		for (size_t i = 0; i < guest->nphases && guest->phases[i].at_s <= to_s; i++) {
			const struct phase *phase = &guest->phases[i];

			if (phase->verb == PHASE_STOP)
				on = false;
			else if (phase->verb == PHASE_START || phase->verb == PHASE_REBOOT)
				on = phase->at_s + COMING_S < from_s;
		}
		if (on)
			return true;
	}
	return false;
}

/* Time that no sample's window covers, and samples that came too seldom. */
static void check_seen(const struct run *run)
{
	const struct trace *trace = run->trace;
	double sample_s = run->scenario->sample_s, seen_to_s = 0;
	size_t seen = 0;

	for (size_t i = 0; i < trace->nsamples; i++) {
		const struct trace_sample *sample = &trace->samples[i];
		double from_s = sample->t_s - sample->elapsed_s;

		if (sample->t_s > run->end_s + sample_s)
			continue;
		if (!sample->nguests && guests_expected(run->scenario, from_s, sample->t_s))
			continue;
		if (from_s - seen_to_s > HOLE_SAMPLES * sample_s)
			verdict_cannot_judge(run->verdict,
					     "nothing was seen of the guests from %.0f s to %.0f s",
					     seen_to_s, from_s);
		seen_to_s = sample->t_s;
		seen++;
	}
	if ((double)seen < SEEN_SHARE * floor(run->scenario->length_s / sample_s))
		verdict_cannot_judge(run->verdict,
				     "the guests were seen %zu times in %g s, not every %g s", seen,
				     run->scenario->length_s, sample_s);
}

/* Says where the trace is no evidence, whatever the kind. */
static void check_evidence(struct run *run)
{
	const struct scenario *s = run->scenario;
	const struct trace *trace = run->trace;
	const struct trace_event *refusal = trace_find_event(trace, TRACE_UNSIMULATED);
	double last_s = trace->nsamples ? trace->samples[trace->nsamples - 1].t_s : 0;

	run->end_s = fmin(s->length_s, last_s);
	if (refusal)
		verdict_cannot_judge(run->verdict, "cannot be simulated: %s",
				     refusal->unsimulated.text);
	if (!trace_find_event(trace, TRACE_END))
		verdict_cannot_judge(run->verdict,
				     "the run was not complete: the trace ends at %.0f s of %.0f s",
				     last_s, s->length_s);
	else if (last_s < s->length_s - 2 * s->sample_s)
		verdict_cannot_judge(
			run->verdict,
			"the trace is too short: the last sample is at %.1f s of %.0f s", last_s,
			s->length_s);
	check_seen(run);
	for (size_t g = 0; g < s->nguests; g++)
		for (size_t i = 0; i < s->guests[g].nphases; i++) {
			const struct phase *phase = &s->guests[g].phases[i];
			char text[128];

			if (isnan(check_begun_s(run, &s->guests[g], phase)))
				verdict_cannot_judge(
					run->verdict, "%s: the load \"%s\" of %gs never began",
					s->guests[g].name, phase_format(phase, text, sizeof(text)),
					phase->at_s);
		}
}

static void judge(const struct run *run, const struct expect_value *value)
{
	struct finding f = {.name = value->spec->key,
			    .result = RESULT_PASS,
			    .value = NAN,
			    .limit = NAN,
			    .error = NAN,
			    .from_s = NAN,
			    .to_s = NAN};

	if (value->none && !value->given)
		return; /* nothing anybody asked for */
	if (value->none) {
		f.result = RESULT_SKIPPED;
		SAY(f.asked, "nothing");
		SAY(f.measured, "left out by the scenario");
	} else {
		value->spec->judge(run, value, &f);
	}
	verdict_add(run->verdict, &f);
}

/* One fault may show in several expectations: where both fail, the first follows from the second.
 */
static void name_causes(struct verdict *v)
{
	static const struct {
		const char *name, *from;
	} causes[] = {
		{"pins", "moves"},
		{"pins_after_balance", "moves"},
		{"stddev", "spread"},
		{"demand_spread", "spread"},
		{"balance_within", "spread"},
		{"balance_within", "demand_spread"},
		{"fairness", "spread"},
		{"fairness", "demand_spread"},
		{"reach", "unused"},
	};

	for (size_t i = 0; i < sizeof(causes) / sizeof(*causes); i++)
		verdict_follows(v, causes[i].name, causes[i].from);
}

int check_judge(struct scenario *s, const struct trace *trace, struct verdict *v,
		char error[CHECK_ERROR_MAX])
{
	struct run run = {.scenario = s, .trace = trace, .verdict = v};
	struct expect_value *values;

	if (s->kind != check_kind) {
		snprintf(error, CHECK_ERROR_MAX, "%.100s: kind = %s is judged by %s", s->path,
			 s->kind == SCENARIO_CPU ? "cpu" : "memory",
			 s->kind == SCENARIO_CPU ? "check_cpu" : "check_memory");
		return -1;
	}
	values = expect_read(s, check_specs, check_nspecs, &run.nvalues, error);
	if (!values)
		return -1;
	run.values = values;
	verdict_init(v);
	check_evidence(&run);
	if (check_prepare(&run)) {
		snprintf(error, CHECK_ERROR_MAX, "out of memory");
		verdict_free(v);
		free(values);
		return -1;
	}
	for (size_t i = 0; i < run.nvalues; i++)
		judge(&run, &run.values[i]);
	check_release(&run);
	free(values);
	name_causes(v);
	verdict_settle(v);
	return 0;
}
