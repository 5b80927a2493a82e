/* SPDX-License-Identifier: MIT */
/* Calls as lines of the trace. */
#include "report.h"

#include "log.h"
#include "tick.h"

#include <stdio.h>

#define BROKEN_MAX 100

static void warn(struct gate_report *r, const char *text)
{
	struct trace_event event = trace_event(TRACE_WARNING, NULL);

	if (!r->trace)
		return;
	event.t_s = tick_now_s() - r->epoch_s;
	event.warning.text = text;
	trace_write_event(r->trace, &event);
}

void gate_report_call(struct gate_report *r, const char *function, const char *guest,
		      double start_s, enum trace_outcome outcome, const char *error)
{
	r->calls++;
	r->refused += outcome == TRACE_REFUSED;
	if (!r->trace || r->calls > GATE_CALLS_MAX)
		return;
	struct trace_event event = trace_event(TRACE_CALL, guest);

	event.t_s = start_s - r->epoch_s;
	event.call.function = function;
	event.call.outcome = outcome;
	event.call.duration_s = tick_now_s() - start_s;
	event.call.error = error;
	trace_write_event(r->trace, &event);
	if (r->calls == GATE_CALLS_MAX)
		warn(r, "the program called libvirt so often that later calls are not listed");
}

void gate_report_broken(struct gate_report *r, const char *what)
{
	char text[128];

	if (r->broken++ >= BROKEN_MAX)
		return;
	snprintf(text, sizeof(text), "a client of libvirt sent %s: its connection ends", what);
	log_warn("%s", text);
	warn(r, text);
}
