/* SPDX-License-Identifier: MIT */
/* The world's events as trace(5) has them. */
#include "priv.h"

#include <math.h>
#include <stdlib.h>

static const char *state_name(enum model_event_kind state)
{
	switch (state) {
	case MODEL_STARTED:
		return "started";
	case MODEL_STOPPED:
		return "stopped";
	case MODEL_REBOOTED:
		return "rebooted";
	case MODEL_PAUSED:
		return "paused";
	case MODEL_RESUMED:
		return "resumed";
	default:
		return "crashed";
	}
}

/* Milliseconds are enough for people and keep lines short. */
static double rounded(double value)
{
	return round(value * 1000) / 1000;
}

static json_t *pin_json(const char *name, const struct world_event *event)
{
	char list[CPULIST_MAX];

	cpumap_format(event->map, event->maplen, list, sizeof(list));
	return json_pack("{s:s, s:i, s:s, s:s}", "guest", name, "vcpu", (int)event->vcpu,
			 "affinity", list, "by", "scenario");
}

static json_t *report_json(const char *name, const struct world_event *event)
{
	const struct world_report *r = &event->report;
	char text[128];
	json_t *data, *figures;

	data = json_pack("{s:s, s:s, s:f, s:f}", "guest", name, "phase",
			 phase_format(event->phase, text, sizeof(text)), "from_s",
			 rounded(r->from_s), "to_s", rounded(r->to_s));
	if (event->phase->verb == PHASE_CPU)
		figures = json_pack("{s:f, s:f, s:f, s:f, s:f, s:f}", "asked_pct", r->asked_pct,
				    "attained_pct", rounded(r->attained_pct), "waited_pct",
				    rounded(r->waited_pct), "given_up_pct",
				    rounded(r->given_up_pct), "backlog_s", rounded(r->backlog_s),
				    "host_pct", rounded(r->host_pct));
	else
		figures =
			json_pack("{s:I, s:I, s:I, s:f, s:s}", "asked_kib",
				  (json_int_t)r->asked_kib, "attained_kib",
				  (json_int_t)r->attained_kib, "peak_kib", (json_int_t)r->peak_kib,
				  "starved_s", rounded(r->starved_s), "state", r->state);
	json_object_update(data, figures);
	json_decref(figures);
	return data;
}

static json_t *inside_json(const char *name, const struct model_memory *memory)
{
	return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I}", "guest", name, "free_kib",
			 (json_int_t)memory->free_kib, "available_kib",
			 (json_int_t)memory->usable_kib, "total_kib", (json_int_t)memory->total_kib,
			 "oom_kill", (json_int_t)memory->oom_kills, "load_kib",
			 (json_int_t)memory->load_kib);
}

/* The event's name and data; NULL for what traces do not hold. */
static const char *to_json(const struct world *w, const struct world_event *event, json_t **data)
{
	const char *name =
		event->guest >= 0 ? world_guest(w, (size_t)event->guest)->config->name : NULL;
	char text[128];

	switch (event->kind) {
	case WORLD_GUEST:
		*data = json_pack("{s:s, s:s}", "guest", name, "state", state_name(event->state));
		return "guest";
	case WORLD_BALLOON:
		*data = json_pack("{s:s, s:I}", "guest", name, "actual_kib",
				  (json_int_t)event->kib);
		return "balloon";
	case WORLD_LOAD:
		*data = json_pack("{s:s, s:s, s:f}", "guest", name, "phase",
				  phase_format(event->phase, text, sizeof(text)), "skew_s",
				  rounded(event->skew_s));
		return "load";
	case WORLD_REPORT:
		*data = report_json(name, event);
		return "load_report";
	case WORLD_INSIDE:
		*data = inside_json(name, &event->memory);
		return "inside";
	case WORLD_OOM:
		*data = json_pack("{s:s, s:i, s:I}", "guest", name, "kills", 1, "kib",
				  (json_int_t)event->kib);
		return "oom";
	case WORLD_PIN:
		if (event->noop)
			return NULL;
		*data = pin_json(name, event);
		return "pin";
	case WORLD_SETMEM:
		*data = json_pack("{s:s, s:I, s:s}", "guest", name, "kib", (json_int_t)event->kib,
				  "by", "scenario");
		return "setmem";
	case WORLD_PCPU:
		*data = json_pack("{s:s, s:i, s:b}", "what", "pcpu", "pcpu", (int)event->pcpu,
				  "online", event->online);
		return "fault";
	case WORLD_FAULT:
		*data = json_pack("{s:s}", "what", event->text);
		return "fault";
	case WORLD_WARNING:
		*data = json_pack("{s:s*, s:s}", "guest", name, "text", event->text);
		return "warning";
	default:
		return NULL;
	}
}

int world_event_write(const struct world *w, const struct world_event *event,
		      struct trace_writer *trace)
{
	json_t *data = NULL;
	const char *name = to_json(w, event, &data);

	if (!name)
		return 0;
	return trace_write_event(trace, (double)event->t_ns / 1e9, name, data);
}
