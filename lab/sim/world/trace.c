/* SPDX-License-Identifier: MIT */
/* The world's events as traces have them. */
#include "priv.h"

#include <stdlib.h>

static enum trace_life life_of(enum model_event_kind state)
{
	switch (state) {
	case MODEL_STARTED:
		return TRACE_STARTED;
	case MODEL_STOPPED:
		return TRACE_STOPPED;
	case MODEL_REBOOTED:
		return TRACE_REBOOTED;
	case MODEL_PAUSED:
		return TRACE_PAUSED;
	case MODEL_RESUMED:
		return TRACE_RESUMED;
	default:
		return TRACE_CRASHED;
	}
}

static struct trace_event report_of(const struct scenario_guest *guest,
				    const struct world_event *event)
{
	const struct world_report *r = &event->report;
	struct trace_event e = trace_event(TRACE_LOAD_REPORT, guest->name);

	e.load_report.number = scenario_phase_number(guest, event->phase);
	e.load_report.from_s = r->from_s;
	e.load_report.to_s = r->to_s;
	if (event->phase->verb == PHASE_CPU) {
		e.load_report.asked_pct = r->asked_pct;
		e.load_report.attained_pct = r->attained_pct;
		e.load_report.waited_pct = r->waited_pct;
		e.load_report.given_up_pct = r->given_up_pct;
		e.load_report.backlog_s = r->backlog_s;
		e.load_report.host_pct = r->host_pct;
	} else {
		e.load_report.asked_kib = (int64_t)r->asked_kib;
		e.load_report.attained_kib = (int64_t)r->attained_kib;
		e.load_report.peak_kib = (int64_t)r->peak_kib;
		e.load_report.starved_s = r->starved_s;
		e.load_report.state = r->state;
	}
	return e;
}

static struct trace_event inside_of(const char *name, const struct model_memory *memory)
{
	struct trace_event e = trace_event(TRACE_INSIDE, name);

	e.inside.free_kib = (int64_t)memory->free_kib;
	e.inside.available_kib = (int64_t)memory->usable_kib;
	e.inside.total_kib = (int64_t)memory->total_kib;
	e.inside.load_kib = (int64_t)memory->load_kib;
	e.inside.oom_kill = (int64_t)memory->oom_kills;
	return e;
}

static struct trace_event fault_of(const char *what)
{
	struct trace_event e = trace_event(TRACE_FAULT, NULL);

	e.fault.what = what;
	return e;
}

/* text: room for what the event points to. False for what traces do not hold. */
static bool translate(const struct world *w, const struct world_event *event, struct trace_event *e,
		      char text[CPULIST_MAX])
{
	const struct scenario_guest *guest =
		event->guest >= 0 ? world_guest(w, (size_t)event->guest)->config : NULL;
	const char *name = guest ? guest->name : NULL;

	switch (event->kind) {
	case WORLD_GUEST:
		*e = (struct trace_event){.kind = TRACE_GUEST, .life = {life_of(event->state)}};
		break;
	case WORLD_BALLOON:
		*e = (struct trace_event){.kind = TRACE_BALLOON, .balloon = {(int64_t)event->kib}};
		break;
	case WORLD_LOAD:
		*e = (struct trace_event){.kind = TRACE_LOAD,
					  .load = {scenario_phase_number(guest, event->phase),
						   phase_format(event->phase, text, CPULIST_MAX),
						   event->skew_s}};
		break;
	case WORLD_REPORT:
		*e = report_of(guest, event);
		e->load_report.phase = phase_format(event->phase, text, CPULIST_MAX);
		break;
	case WORLD_INSIDE:
		*e = inside_of(name, &event->memory);
		break;
	case WORLD_OOM:
		*e = (struct trace_event){.kind = TRACE_OOM, .oom = {1, (int64_t)event->kib}};
		break;
	case WORLD_PIN:
		if (event->noop)
			return false;
		*e = (struct trace_event){
			.kind = TRACE_PIN,
			.pin = {event->vcpu,
				cpumap_format(event->map, event->maplen, text, CPULIST_MAX),
				TRACE_BY_SCENARIO}};
		break;
	case WORLD_SETMEM:
		*e = (struct trace_event){.kind = TRACE_SETMEM,
					  .setmem = {(int64_t)event->kib, TRACE_BY_SCENARIO}};
		break;
	case WORLD_PCPU:
		*e = fault_of("pcpu");
		e->fault.pcpu = event->pcpu;
		e->fault.online = event->online;
		break;
	case WORLD_FAULT:
		*e = fault_of(event->text);
		break;
	case WORLD_WARNING:
		*e = (struct trace_event){.kind = TRACE_WARNING, .warning = {event->text}};
		break;
	default:
		return false;
	}
	e->guest = name;
	return true;
}

int world_event_write(const struct world *w, const struct world_event *event,
		      struct trace_writer *trace)
{
	char text[CPULIST_MAX];
	struct trace_event e;

	if (!translate(w, event, &e, text))
		return 0;
	e.t_s = (double)event->t_ns / 1e9;
	return trace_write_event(trace, &e);
}
