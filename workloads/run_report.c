/* SPDX-License-Identifier: MIT */
/* What one guest's thread reports: events, complaints, and what its loads attained against what was
 * asked. */
#include "run_report.h"

#include "log.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* --- reporting --- */

void run_write(struct run_guest *g, double t_s, struct trace_event event)
{
	event.t_s = t_s;
	event.guest = g->guest->name;
	g->runner->args.event(g->runner->args.opaque, &event);
}

void run_complain(struct run_guest *g, bool fatal, const char *format, ...)
{
	char text[512];
	va_list args;
	int len;

	len = snprintf(text, sizeof(text), "guest %s: ", g->guest->name);
	va_start(args, format);
	vsnprintf(text + len, sizeof(text) - (size_t)len, format, args);
	va_end(args);
	log_warn("%s", text);
	run_write(g, runner_now_s(g->runner),
		  (struct trace_event){.kind = TRACE_WARNING, .warning = {text}});
	if (fatal) {
		pthread_mutex_lock(&g->runner->lock);
		g->runner->failed = true;
		pthread_mutex_unlock(&g->runner->lock);
	}
}

/* --- what loads attained --- */

int64_t run_vcpu_ns(virDomainPtr dom, unsigned int vcpus)
{
	virVcpuInfoPtr info = calloc(vcpus, sizeof(*info));
	int n = info ? virDomainGetVcpus(dom, info, (int)vcpus, NULL, 0) : -1;
	int64_t sum = n < 0 ? -1 : 0;

	for (int i = 0; i < n; i++)
		sum += (int64_t)info[i].cpuTime;
	free(info);
	return sum;
}

static double number_of(const json_t *report, const char *name)
{
	const json_t *value = json_object_get(report, name);

	return json_is_number(value) ? json_number_value(value) : NAN;
}

static int64_t size_of(const json_t *report, const char *name)
{
	const json_t *value = json_object_get(report, name);

	return json_is_integer(value) ? json_integer_value(value) : -1;
}

static void copy_cpu(const json_t *report, struct trace_event *e)
{
	e->load_report.asked_pct = number_of(report, "asked_pct");
	e->load_report.attained_pct = number_of(report, "attained_pct");
	e->load_report.waited_pct = number_of(report, "waited_pct");
	e->load_report.given_up_pct = number_of(report, "given_up_pct");
	e->load_report.backlog_s = number_of(report, "backlog_s");
}

static void copy_memory(const json_t *report, struct trace_event *e)
{
	enum trace_load_state state = (enum trace_load_state)trace_word(
		trace_load_state_words, json_string_value(json_object_get(report, "state")));
	/* What was killed holds nothing any more: how far it came is what it attained. */
	bool lost = state == TRACE_LOAD_OOM || state == TRACE_LOAD_KILLED;

	e->load_report.asked_kib = size_of(report, "asked_kib");
	e->load_report.attained_kib = size_of(report, lost ? "peak_kib" : "load_kib");
	e->load_report.peak_kib = size_of(report, "peak_kib");
	e->load_report.starved_s = number_of(report, "starved_s");
	e->load_report.state = state;
}

/* What the host saw of the guest's vCPUs since the load began; NAN where that is not known. */
static double host_pct(const struct run_guest *g, const struct active_load *active,
		       const struct phase *phase, double now_s)
{
	int64_t used_ns = run_vcpu_ns(g->dom, g->guest->vcpus);
	unsigned int loaded = phase->vcpus ? phase->vcpus : g->guest->vcpus;

	if (used_ns < 0 || active->vcpu_ns < 0 || used_ns < active->vcpu_ns ||
	    now_s <= active->from_s)
		return NAN;
	return (double)(used_ns - active->vcpu_ns) / 1e7 / (now_s - active->from_s) / loaded;
}

void run_end_active(struct run_guest *g, enum load_class class, const json_t *report, double now_s)
{
	struct active_load *active = &g->active[class];
	const struct phase *phase = active->phase;
	struct trace_event e = trace_event(TRACE_LOAD_REPORT, NULL);
	char text[128];

	if (!phase)
		return;
	active->phase = NULL;
	e.load_report.number = scenario_phase_number(g->guest, phase);
	e.load_report.phase = phase_format(phase, text, sizeof(text));
	e.load_report.from_s = active->from_s;
	e.load_report.to_s = now_s;
	if (report && class == LOAD_CPU)
		copy_cpu(report, &e);
	else if (report && class != LOAD_STRESS)
		copy_memory(report, &e);
	if (class == LOAD_CPU || class == LOAD_STRESS)
		e.load_report.host_pct = host_pct(g, active, phase, now_s);
	run_write(g, now_s, e);
}

void run_note_ended(struct run_guest *g, json_t *ended, double now_s)
{
	json_t *report;
	size_t i;

	json_array_foreach(ended, i, report)
	{
		const char *load = json_string_value(json_object_get(report, "load"));
		enum load_class class = load ? load_class(load) : LOAD_CLASSES;

		if (class != LOAD_CLASSES)
			run_end_active(g, class, report, now_s);
	}
	json_decref(ended);
}

void run_end_all(struct run_guest *g, json_t *reports, double now_s)
{
	run_note_ended(g, reports, now_s);
	for (enum load_class class = 0; class < LOAD_CLASSES; class ++)
		run_end_active(g, class, NULL, now_s);
}
