/* SPDX-License-Identifier: MIT */
/* A trace as looks: its samples, and of its events the moves, targets, loads and ends between them.
 */
#include "source.h"

#include "log.h"
#include "tick.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* A program that has just been started needs a moment for its trace's first line. */
#define BEGIN_S	 10.0
#define BEGIN_MS 50

/* What events have said of a guest so far. */
struct known {
	const char *name;
	int64_t target_kib, maximum_kib;
	const char *load;
	bool paused, oom;
};

struct played {
	const char *path;
	struct trace trace;
	off_t size; /* of the file when it was read */
	struct known *known;
	size_t nknown;
	struct top_about *about; /* of a look */
	size_t about_size;
	size_t next_event; /* the first that is not yet taken in */
	double shown_s;
	bool begun;
};

static off_t size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? st.st_size : -1;
}

/* --- what is known of the guests --- */

static struct known *known_of(struct played *p, const char *name)
{
	for (size_t i = 0; name && i < p->nknown; i++) {
		if (!strcmp(p->known[i].name, name))
			return &p->known[i];
	}
	return NULL;
}

static void forget(struct played *p)
{
	p->next_event = 0;
	for (size_t i = 0; i < p->nknown; i++) {
		const struct trace_header_guest *g = &p->trace.header.guests[i];

		p->known[i] = (struct known){g->name, -1, g->maximum_kib, "idle", false, false};
	}
}

static void take_life(struct known *k, enum trace_life state)
{
	k->paused = state == TRACE_PAUSED;
	if (state == TRACE_STARTED || state == TRACE_REBOOTED) {
		k->oom = false;
		k->target_kib = -1;
	}
}

static void take_event(struct played *p, const struct trace_event *e, struct top_model *m)
{
	struct known *k = known_of(p, e->guest);

	if (!k)
		return;
	if (e->kind == TRACE_SETMEM)
		k->target_kib = e->setmem.kib;
	else if (e->kind == TRACE_LOAD && e->load.phase)
		k->load = e->load.phase;
	else if (e->kind == TRACE_GUEST)
		take_life(k, e->life.state);
	else if (e->kind == TRACE_OOM)
		k->oom = true;
	else if (e->kind == TRACE_PIN && e->pin.vcpu >= 0 && e->pin.affinity)
		top_model_pin(m, e->t_s, e->guest, (unsigned int)e->pin.vcpu, e->pin.affinity);
}

/* --- looks --- */

static int look_at(struct played *p, const struct trace_sample *sample, struct top_model *m)
{
	struct top_look look = {*sample, p->about};

	if (p->about_size < sample->nguests) {
		struct top_about *bigger = realloc(p->about, sample->nguests * sizeof(*bigger));

		if (!bigger)
			return -1;
		look.about = p->about = bigger;
		p->about_size = sample->nguests;
	}
	for (size_t i = 0; i < sample->nguests; i++) {
		const struct known *k = known_of(p, sample->guests[i].name);

		p->about[i] = (struct top_about){.agent = -1, .target_kib = -1, .maximum_kib = -1};
		if (!k)
			continue;
		p->about[i].state = k->paused ? TOP_PAUSED : TOP_RUNNING;
		p->about[i].target_kib = k->target_kib;
		p->about[i].maximum_kib = k->maximum_kib;
		p->about[i].load = k->load;
		p->about[i].warning = k->oom ? "oom" : NULL;
	}
	return top_model_look(m, &look);
}

int played_show(struct played *p, size_t look, struct top_model *m)
{
	const struct trace_sample *sample = &p->trace.samples[look];

	if (!p->begun || sample->t_s < p->shown_s) {
		top_model_clear(m);
		forget(p);
		/* Guests and their first places, so that a move before the second look is seen. */
		if (look > 0 && look_at(p, &p->trace.samples[0], m))
			return -1;
	}
	/* What happened just then shows in the next sample; behind the last there is none. */
	while (p->next_event < p->trace.nevents &&
	       (p->trace.events[p->next_event].t_s < sample->t_s || look + 1 == p->trace.nsamples))
		take_event(p, &p->trace.events[p->next_event++], m);
	p->begun = true;
	p->shown_s = sample->t_s;
	return look_at(p, sample, m);
}

/* --- the file --- */

static int read_it(struct played *p, char error[TRACE_ERROR_MAX])
{
	p->size = size_of(p->path);
	if (trace_read(&p->trace, p->path, error))
		return -1;
	free(p->known);
	p->nknown = p->trace.header.nguests;
	p->known = calloc(p->nknown ? p->nknown : 1, sizeof(*p->known));
	p->begun = false; /* what points into the trace of before is gone */
	if (!p->known)
		die(EXIT_LAB, "out of memory");
	return 0;
}

bool played_grow(struct played *p)
{
	struct trace before = p->trace;
	char error[TRACE_ERROR_MAX];

	if (played_ended(p) || size_of(p->path) == p->size)
		return false;
	memset(&p->trace, 0, sizeof(p->trace));
	if (read_it(p, error)) {
		p->trace = before;
		return false;
	}
	trace_free(&before);
	return true;
}

/* Waits for the first look of a trace that is being written. */
struct played *played_open(const char *path)
{
	const struct timespec pause = {0, BEGIN_MS * 1000000};
	double end_s = tick_now_s() + BEGIN_S;
	struct played *p = calloc(1, sizeof(*p));
	char error[TRACE_ERROR_MAX];
	int status;

	if (!p)
		die(EXIT_LAB, "out of memory");
	p->path = path;
	while ((status = size_of(path) == 0 ? -1 : read_it(p, error)),
	       status || !p->trace.nsamples) {
		bool begun = size_of(path) == 0 || (!status && !played_ended(p));

		if (!begun || tick_quit || tick_now_s() >= end_s)
			break;
		if (!status)
			trace_free(&p->trace);
		memset(&p->trace, 0, sizeof(p->trace));
		nanosleep(&pause, NULL);
	}
	if (size_of(path) == 0)
		die(EXIT_USAGE, "%s is empty: no trace, or one of a run that has not begun", path);
	if (status)
		die(EXIT_USAGE, "%s", error);
	if (!p->trace.nsamples)
		die(EXIT_USAGE, "%s has no sample that could be shown", path);
	return p;
}

void played_close(struct played *p)
{
	trace_free(&p->trace);
	free(p->known);
	free(p->about);
	free(p);
}

size_t played_looks(const struct played *p)
{
	return p->trace.nsamples;
}

double played_time(const struct played *p, size_t look)
{
	return p->trace.samples[look].t_s;
}

bool played_ended(const struct played *p)
{
	return trace_find_event(&p->trace, TRACE_END) != NULL;
}

const char *played_name(const struct played *p)
{
	return p->trace.header.scenario ? p->trace.header.scenario : p->path;
}
