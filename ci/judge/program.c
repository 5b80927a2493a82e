/* SPDX-License-Identifier: MIT */
/* Judges of the program itself: one that died, hung or burnt CPU does not pass anything. */
#include "check.h"

#include <math.h>
#include <signal.h>
#include <string.h>

/* A program that has done nothing at all for so many of its intervals hangs. */
#define STILL_INTERVALS 4

/* Last libvirt call by the program, s; −1: the trace does not hold calls. */
static double last_call_s(const struct trace *trace, double end_s)
{
	double last = -1;

	for (size_t i = 0; i < trace->nevents; i++)
		if (trace->events[i].kind == TRACE_CALL && trace->events[i].t_s <= end_s)
			last = trace->events[i].t_s;
	return last;
}

/* Since when the program has used no CPU time at all, s; end_s where it did to the end. */
static double idle_since_s(const struct trace *trace, double end_s)
{
	double since = end_s;

	for (size_t i = trace->nsamples; i-- > 0;) {
		const struct trace_sample *sample = &trace->samples[i];

		if (sample->t_s > end_s)
			continue;
		if (sample->program_cpu_pct != 0) /* −1: was not running, or not known */
			break;
		since = sample->t_s - sample->elapsed_s;
	}
	return since;
}

/* Since when the program has stood still. Calls tell exactly where there are any (the simulation,
 * where computing takes no time); else its CPU time does: no program looks at guests for nothing.
 */
static double still_since_s(const struct run *run)
{
	double call_s = last_call_s(run->trace, run->end_s);

	if (call_s >= 0)
		return call_s;
	return run->trace->header.world == TRACE_WORLD_SIM ? 0
							   : idle_since_s(run->trace, run->end_s);
}

/* The last lines on its stderr: for a crash the reason is mostly there. */
static void add_last_words(const struct run *run, struct finding *f)
{
	bool first = true;

	for (size_t i = TRACE_LAST_WORDS; i-- > 0;) {
		const char *words = run->trace->last_words[i];
		size_t used = strlen(f->measured);

		if (!words)
			continue;
		snprintf(f->measured + used, sizeof(f->measured) - used, "%s%s",
			 first ? "; last on its stderr: " : " | ", words);
		first = false;
	}
}

/* What is wrong with how the program ended; 0 if nothing, −1 with the reason in f->measured. */
static int judge_exit(const struct trace_event *exit, bool may_end, struct finding *f)
{
	bool asked = exit->program_exit.asked;
	int status = (int)exit->program_exit.status, sig = (int)exit->program_exit.signal;

	f->from_s = f->to_s = exit->t_s;
	if (exit->program_exit.reason)
		SAY(f->measured, "%s; ended after %.1f s", exit->program_exit.reason, exit->t_s);
	else if (!asked && sig >= 0)
		SAY(f->measured, "killed by signal %d (%s) after %.1f s", sig, strsignal(sig),
		    exit->t_s);
	else if (!asked && (!may_end || status != 0))
		SAY(f->measured, "exited by itself with status %d after %.1f s", status, exit->t_s);
	else if (asked && sig == SIGKILL)
		SAY(f->measured, "did not stop within 5 s of being told to");
	else if (asked && sig >= 0 && sig != SIGTERM)
		SAY(f->measured, "killed by signal %d (%s) when told to stop", sig, strsignal(sig));
	else if (asked && sig < 0 && status != 0 && status != 128 + SIGTERM)
		SAY(f->measured, "stopped with status %d", status);
	else
		return 0;
	return -1;
}

void check_program_alive(const struct run *run, const struct expect_value *value, struct finding *f)
{
	const struct trace_event *exit = trace_find_event(run->trace, TRACE_PROGRAM_EXIT);
	const struct trace_event *refusal = trace_find_event(run->trace, TRACE_UNSIMULATED);
	double still_s = still_since_s(run);

	f->fatal = true;
	SAY(f->asked, value->yes ? "runs until told to stop, then stops with status 0"
				 : "may end by itself, with status 0");
	if (refusal) {
		f->result = RESULT_UNJUDGED;
		f->from_s = f->to_s = refusal->t_s;
		SAY(f->measured, "cannot be simulated: %s", refusal->unsimulated.text);
	} else if (!trace_find_event(run->trace, TRACE_PROGRAM_START)) {
		f->result = RESULT_FAIL;
		SAY(f->measured, "no program ran");
	} else if (!exit) {
		f->result = RESULT_UNJUDGED;
		SAY(f->measured, "the trace does not tell how the program ended");
	} else if (judge_exit(exit, !value->yes, f)) {
		f->result = RESULT_FAIL;
		add_last_words(run, f);
	} else if (value->yes &&
		   run->end_s - still_s > STILL_INTERVALS * run->scenario->interval_s + 1) {
		f->result = RESULT_FAIL;
		f->from_s = still_s;
		f->to_s = run->end_s;
		SAY(f->measured, "hung: did nothing at all from %.0f s on", still_s);
	} else {
		f->from_s = f->to_s = NAN;
		SAY(f->measured, "ran until told to stop");
	}
}

/* The scenario's phases of that verb of a guest that were due by then. */
static size_t phases_due(const struct scenario_guest *guest, enum phase_verb verb, double t_s)
{
	size_t count = 0;

	for (size_t i = 0; i < guest->nphases; i++)
		count += guest->phases[i].verb == verb && guest->phases[i].at_s <= t_s + 1;
	return count;
}

/* What somebody did to a guest, though the scenario did not ask for it; NULL if nothing. */
static const char *meddled(const struct run *run, const struct scenario_guest *guest,
			   const struct trace_event **when)
{
	static const struct {
		enum trace_life state;
		enum phase_verb verb;
	} lives[] = {{TRACE_PAUSED, PHASE_PAUSE},
		     {TRACE_STOPPED, PHASE_STOP},
		     {TRACE_REBOOTED, PHASE_REBOOT}};
	enum { LIVES = sizeof(lives) / sizeof(*lives) };
	size_t seen[LIVES] = {0};

	for (size_t i = 0; i < run->trace->nevents; i++) {
		const struct trace_event *event = &run->trace->events[i];

		*when = event;
		if (event->t_s > run->end_s)
			continue;
		/* Shares take nothing from who is alone; what they do is judged by fairness. */
		if (check_about(event, TRACE_LIMIT, guest) &&
		    strcmp(event->limit.what, "cpu_shares") != 0)
			return "limited in its CPU time";
		for (size_t k = 0; k < LIVES && check_about(event, TRACE_GUEST, guest); k++)
			if (event->life.state == lives[k].state &&
			    ++seen[k] > phases_due(guest, lives[k].verb, event->t_s))
				return trace_life_words[lives[k].state];
	}
	return NULL;
}

void check_guests_run(const struct run *run, const struct expect_value *value, struct finding *f)
{
	f->fatal = true;
	SAY(f->asked, "no guest is paused, stopped, rebooted or slowed down but by the scenario");
	if (!value->yes) {
		f->result = RESULT_SKIPPED;
		SAY(f->measured, "not asked for");
		return;
	}
	SAY(f->measured, "all ran on");
	for (size_t g = 0; g < run->scenario->nguests; g++) {
		const struct scenario_guest *guest = &run->scenario->guests[g];
		const struct trace_event *when;
		const char *what = meddled(run, guest, &when);

		if (!what)
			continue;
		f->result = RESULT_FAIL;
		f->from_s = f->to_s = when->t_s;
		SAY(f->measured, "%s was %s at %.1f s", guest->name, what, when->t_s);
		return;
	}
}

void check_program_cpu(const struct run *run, const struct expect_value *value, struct finding *f)
{
	double used = 0, elapsed = 0;

	for (size_t i = 0; i < run->trace->nsamples; i++) {
		const struct trace_sample *sample = &run->trace->samples[i];

		if (sample->program_cpu_pct < 0 || sample->t_s > run->end_s + sample->elapsed_s)
			continue;
		used += sample->program_cpu_pct * sample->elapsed_s;
		elapsed += sample->elapsed_s;
	}
	f->fatal = true;
	SAY(f->asked, "at most %g %% of a pCPU", value->number);
	if (elapsed == 0) {
		f->result = RESULT_SKIPPED;
		SAY(f->measured, "the trace does not tell");
		return;
	}
	f->value = used / elapsed;
	f->limit = value->number;
	f->result = f->value > f->limit ? RESULT_FAIL : RESULT_PASS;
	SAY(f->measured, "%.2f %% over %.0f s", f->value, elapsed);
	verdict_figure(run->verdict, "program_cpu_pct", f->value);
}
