/* SPDX-License-Identifier: MIT */
/* What one guest's thread tells: events, complaints, and what its loads attained against what was
 * asked. */
#include "run_report.h"

#include "log.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* --- telling --- */

json_t *run_rounded(double value)
{
	return json_real(round(value * 1000) / 1000);
}

void run_write(struct run_guest *g, double t_s, const char *event, json_t *data)
{
	struct runner *r = g->runner;

	if (!r->tracing) {
		json_decref(data);
		return;
	}
	pthread_mutex_lock(&r->lock);
	if (trace_write_event(&r->trace, t_s, event, data) && !r->failed) {
		log_warn("%s: the trace cannot be written", r->args->trace);
		r->failed = true;
	}
	pthread_mutex_unlock(&r->lock);
}

void run_complain(struct run_guest *g, bool fatal, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_warn("guest %s: %s", g->guest->name, text);
	run_write(g, runner_now_s(g->runner), "warning",
		  json_pack("{s:s, s:s+++}", "guest", g->guest->name, "text", "guest ",
			    g->guest->name, ": ", text));
	if (fatal) {
		pthread_mutex_lock(&g->runner->lock);
		g->runner->failed = true;
		pthread_mutex_unlock(&g->runner->lock);
	}
}

/* --- what loads attained --- */

static enum load_class class_of(const char *load)
{
	return !strcmp(load, "cpu")	 ? CLASS_CPU
	       : !strcmp(load, "memory") ? CLASS_MEMORY
	       : !strcmp(load, "cache")	 ? CLASS_CACHE
	       : !strcmp(load, "stress") ? CLASS_STRESS
					 : CLASS_COUNT;
}

enum load_class run_class_of(const struct phase *phase)
{
	switch (phase->verb) {
	case PHASE_CPU:
		return CLASS_CPU;
	case PHASE_MEMORY:
		return CLASS_MEMORY;
	case PHASE_CACHE:
		return CLASS_CACHE;
	case PHASE_STRESS:
		return CLASS_STRESS;
	default:
		return CLASS_COUNT;
	}
}

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

/* The figures that a load's own report and the trace have in common. */
static void copy_figures(const struct phase *phase, const json_t *report, json_t *event)
{
	static const char *const cpu[] = {"asked_pct", "attained_pct", "waited_pct", "given_up_pct",
					  "backlog_s"};
	static const char *const size[] = {"asked_kib", "peak_kib", "starved_s", "state"};
	const char *const *names = phase->verb == PHASE_CPU ? cpu : size;
	size_t n = phase->verb == PHASE_CPU ? sizeof(cpu) / sizeof(cpu[0])
					    : sizeof(size) / sizeof(size[0]);

	for (size_t i = 0; i < n; i++) {
		json_t *value = json_object_get(report, names[i]);

		if (value)
			json_object_set(event, names[i], value);
	}
	if (phase->verb != PHASE_CPU) {
		const char *state = json_string_value(json_object_get(report, "state"));
		bool lost = state && (!strcmp(state, "oom") || !strcmp(state, "killed"));

		/* What was killed holds nothing any more: how far it came is what it attained. */
		json_object_set(event, "attained_kib",
				json_object_get(report, lost ? "peak_kib" : "load_kib"));
	}
}

void run_end_active(struct run_guest *g, enum load_class class, const json_t *report, double now_s)
{
	struct active_load *active = &g->active[class];
	const struct phase *phase = active->phase;
	int64_t used_ns;
	char text[128];
	json_t *event;

	if (!phase)
		return;
	active->phase = NULL;
	event = json_pack("{s:s, s:s, s:o, s:o}", "guest", g->guest->name, "phase",
			  phase_format(phase, text, sizeof(text)), "from_s",
			  run_rounded(active->from_s), "to_s", run_rounded(now_s));
	if (report && class != CLASS_STRESS)
		copy_figures(phase, report, event);
	used_ns = run_vcpu_ns(g->dom, g->guest->vcpus);
	if ((class == CLASS_CPU || class == CLASS_STRESS) && used_ns >= 0 && active->vcpu_ns >= 0 &&
	    used_ns >= active->vcpu_ns && now_s > active->from_s) {
		unsigned int loaded = phase->vcpus ? phase->vcpus : g->guest->vcpus;

		json_object_set_new(event, "host_pct",
				    run_rounded((double)(used_ns - active->vcpu_ns) / 1e7 /
						(now_s - active->from_s) / loaded));
	}
	run_write(g, now_s, "load_report", event);
}

void run_note_ended(struct run_guest *g, json_t *ended, double now_s)
{
	json_t *report;
	size_t i;

	json_array_foreach(ended, i, report)
	{
		const char *load = json_string_value(json_object_get(report, "load"));
		enum load_class class = load ? class_of(load) : CLASS_COUNT;

		if (class != CLASS_COUNT)
			run_end_active(g, class, report, now_s);
	}
	json_decref(ended);
}

void run_end_all(struct run_guest *g, json_t *reports, double now_s)
{
	run_note_ended(g, reports, now_s);
	for (enum load_class class = 0; class < CLASS_COUNT; class ++)
		run_end_active(g, class, NULL, now_s);
}
