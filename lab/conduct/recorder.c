/* SPDX-License-Identifier: MIT */
/* What the parts of a run on real guests share. */
#include "recorder.h"

#include "log.h"
#include "tick.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int watch_guest(struct watched *g, const struct scenario_guest *guest)
{
	g->guest = guest;
	g->id = -1;
	g->seen_s = -1;
	g->nvcpus = guest->vcpus;
	g->time_ns = calloc(g->nvcpus, sizeof(*g->time_ns));
	g->delay_ns = calloc(g->nvcpus, sizeof(*g->delay_ns));
	g->affinity = calloc(g->nvcpus, sizeof(*g->affinity));
	g->pcpu = calloc(g->nvcpus, sizeof(*g->pcpu));
	g->vcpus = calloc(g->nvcpus, sizeof(*g->vcpus));
	if (!g->time_ns || !g->delay_ns || !g->affinity || !g->pcpu || !g->vcpus)
		return -1;
	for (size_t vcpu = 0; vcpu < g->nvcpus; vcpu++)
		g->pcpu[vcpu] = -1;
	return 0;
}

int recorder_init(struct recorder *r, struct machines *machines)
{
	const struct scenario *s = &machines->scenario;

	r->machines = machines;
	for (size_t i = 0; i < RECORDER_EVENTS; i++)
		r->callbacks[i] = -1;
	pthread_mutex_init(&r->lock, NULL);
	r->guests = calloc(s->nguests, sizeof(*r->guests));
	for (size_t i = 0; r->guests && i < s->nguests; i++) {
		if (watch_guest(&r->guests[i], &s->guests[i]))
			return -1;
	}
	return r->guests ? 0 : -1;
}

void recorder_free(struct recorder *r)
{
	for (size_t i = 0; r->guests && i < r->machines->scenario.nguests; i++) {
		struct watched *g = &r->guests[i];

		for (size_t vcpu = 0; g->affinity && vcpu < g->nvcpus; vcpu++)
			free(g->affinity[vcpu]);
		free(g->affinity);
		free(g->time_ns);
		free(g->delay_ns);
		free(g->pcpu);
		free(g->vcpus);
	}
	free(r->guests);
}

double recorder_now_s(const struct recorder *r)
{
	return tick_now_s() - r->epoch_s;
}

/* With the lock. */
static void note_failure(struct recorder *r, int status)
{
	if (status && !r->trace_failed) {
		log_warn("the trace cannot be written: %s", strerror(errno));
		r->trace_failed = true;
	}
}

int recorder_begin(struct recorder *r, double now_s, struct trace_header *header)
{
	int status;

	header->epoch_ns = (int64_t)(now_s * 1e9);
	pthread_mutex_lock(&r->lock);
	status = trace_write_header(&r->trace, header);
	if (status == 0)
		r->epoch_s = now_s;
	pthread_mutex_unlock(&r->lock);
	return status;
}

void recorder_write(struct recorder *r, const struct trace_event *event)
{
	pthread_mutex_lock(&r->lock);
	if (r->epoch_s != 0)
		note_failure(r, trace_write_event(&r->trace, event));
	pthread_mutex_unlock(&r->lock);
}

void recorder_event(struct recorder *r, struct trace_event event)
{
	event.t_s = recorder_now_s(r);
	recorder_write(r, &event);
}

void recorder_sample(struct recorder *r, const struct trace_sample *sample)
{
	pthread_mutex_lock(&r->lock);
	note_failure(r, trace_write_sample(&r->trace, sample));
	pthread_mutex_unlock(&r->lock);
}

void recorder_output(struct recorder *r, enum trace_stream stream, const char *line, size_t len)
{
	pthread_mutex_lock(&r->lock);
	note_failure(r, trace_write_output(&r->trace, recorder_now_s(r), stream, line, len));
	pthread_mutex_unlock(&r->lock);
}

void recorder_warn(struct recorder *r, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_warn("%s", text);
	recorder_event(r, (struct trace_event){.kind = TRACE_WARNING, .warning = {text}});
}

bool recorder_failed(struct recorder *r)
{
	bool failed;

	pthread_mutex_lock(&r->lock);
	failed = r->trace_failed;
	pthread_mutex_unlock(&r->lock);
	return failed;
}

void recorder_announce(struct recorder *r, const char *guest, unsigned int vcpu,
		       const char *affinity)
{
	pthread_mutex_lock(&r->lock);
	pins_announce(&r->pins, guest, vcpu, affinity, tick_now_s());
	pthread_mutex_unlock(&r->lock);
}

bool recorder_claims(struct recorder *r, const char *guest, unsigned int vcpu, const char *affinity)
{
	bool claimed;

	pthread_mutex_lock(&r->lock);
	claimed = pins_claim(&r->pins, guest, vcpu, affinity, tick_now_s());
	pthread_mutex_unlock(&r->lock);
	return claimed;
}

struct watched *recorder_guest(struct recorder *r, const char *name)
{
	for (size_t i = 0; i < r->machines->scenario.nguests; i++) {
		if (name && !strcmp(r->guests[i].guest->name, name))
			return &r->guests[i];
	}
	return NULL;
}
