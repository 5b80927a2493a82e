/* SPDX-License-Identifier: MIT */
/* Sorts a trace by guest, and sees whether the memory loads were there. */
#include "memory_run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A load that holds less than this share of what it should by now, in a guest that had room, is the
 * lab's failure. */
#define ATTAINED_SHARE 0.8

/* Balloons count in pages: so much of the floor is below it. */
#define FLOOR_SHARE 0.98

/* Loads nearer than this are the same load. */
#define SAME_KIB 8192

static void add_inside(struct guest_memory *g, const struct trace_event *event)
{
	double free_kib = check_number(event, "free_kib"),
	       usable = check_number(event, "available_kib");
	double kills = check_number(event, "oom_kill");

	if (isnan(free_kib) && isnan(usable))
		return;
	g->inside[g->ninside++] = (struct inside){
		.t_s = event->t_s,
		.spare_kib = fmax(free_kib, usable), /* fmax prefers what is not NAN */
		.usable_kib = isnan(usable) ? free_kib : usable,
		.load_kib = check_number(event, "load_kib"),
		.oom_kills = isnan(kills) ? 0 : kills,
	};
}

/* By time; of equal times the one read first. */
static int compare_actual(const void *a, const void *b)
{
	const struct actual *x = a, *y = b;

	return x->t_s != y->t_s ? (x->t_s > y->t_s) - (x->t_s < y->t_s)
				: (x->order > y->order) - (x->order < y->order);
}

static void add_actual(struct guest_memory *g, double t_s, double kib)
{
	g->actual[g->nactual] = (struct actual){t_s, kib, g->nactual};
	g->nactual++;
}

static int collect(struct guest_memory *g, const struct scenario_guest *guest,
		   const struct run *run)
{
	const struct trace *trace = run->trace;

	*g = (struct guest_memory){.guest = guest};
	g->inside = calloc(trace->nevents + 1, sizeof(*g->inside));
	g->actual = calloc(trace->nevents + trace->nsamples + 2, sizeof(*g->actual));
	if (!g->inside || !g->actual)
		return -1;
	/* Where the stage left it; the first sample comes when a program may already have changed
	 * it. */
	add_actual(g, 0, (double)guest->memory_kib);
	for (size_t i = 0; i < trace->nevents; i++) {
		const struct trace_event *event = &trace->events[i];

		if (event->t_s > run->end_s || strcmp(check_text(event, "guest"), guest->name) != 0)
			continue;
		if (!strcmp(event->event, "inside"))
			add_inside(g, event);
		else if (!strcmp(event->event, "balloon") &&
			 !isnan(check_number(event, "actual_kib")))
			add_actual(g, event->t_s, check_number(event, "actual_kib"));
	}
	for (size_t i = 0; i < trace->nsamples; i++) {
		const struct trace_guest *seen = trace_find_guest(&trace->samples[i], guest->name);

		if (seen && seen->memory.actual_kib >= 0 && trace->samples[i].t_s <= run->end_s)
			add_actual(g, trace->samples[i].t_s, (double)seen->memory.actual_kib);
	}
	qsort(g->actual, g->nactual, sizeof(*g->actual), compare_actual);
	return 0;
}

double memory_actual_at(const struct guest_memory *g, double t_s)
{
	double kib = NAN;

	for (size_t i = 0; i < g->nactual && g->actual[i].t_s <= t_s; i++)
		kib = g->actual[i].kib;
	return kib;
}

double memory_host_at(const struct run *run, double t_s)
{
	double kib = NAN;

	for (size_t i = 0; i < run->trace->nsamples; i++) {
		const struct trace_sample *sample = &run->trace->samples[i];

		if (sample->host_available_kib >= 0)
			kib = (double)sample->host_available_kib;
		if (sample->t_s >= t_s)
			break;
	}
	return kib;
}

double memory_least_usable(const struct guest_memory *g, double from_s, double to_s)
{
	double least = NAN;

	for (size_t i = 0; i < g->ninside && g->inside[i].t_s <= to_s; i++)
		if (g->inside[i].t_s >= from_s)
			least = fmin(least, g->inside[i].usable_kib); /* prefers what is not NAN */
	return least;
}

double memory_constant_since(const struct guest_memory *g)
{
	double last = g->ninside ? g->inside[g->ninside - 1].load_kib : NAN;

	if (isnan(last))
		return 0;
	for (size_t i = g->ninside; i-- > 0;)
		if (fabs(g->inside[i].load_kib - last) > SAME_KIB)
			return g->inside[i + 1].t_s;
	return 0;
}

/* --- is the run evidence? --- */

/* The phase after it that ends it, or the end. */
static double ends_s(const struct run *run, const struct scenario_guest *guest, size_t phase)
{
	for (size_t i = phase + 1; i < guest->nphases; i++)
		if (guest->phases[i].verb != PHASE_CPU && guest->phases[i].verb != PHASE_PIN &&
		    guest->phases[i].verb != PHASE_SETMEM)
			return fmin(guest->phases[i].at_s, run->end_s);
	return run->end_s;
}

/* Whether the guest was squeezed below the floor meanwhile: then the program is to blame where its
 * load lags or nothing was seen of it. */
static bool squeezed(const struct guest_memory *g, const struct run *run, double from_s,
		     double to_s)
{
	const struct expect_value *floor = check_value(run, "floor");

	for (size_t i = 0; !floor->none && i < g->nactual; i++)
		if (g->actual[i].t_s >= from_s && g->actual[i].t_s <= to_s &&
		    g->actual[i].kib < FLOOR_SHARE * (double)floor->kib &&
		    g->guest->memory_kib >= floor->kib)
			return true;
	return false;
}

/* A growing load that lags behind its rate in a guest that always had room for it. */
static void check_attained(const struct guest_memory *g, const struct run *run, size_t number)
{
	const struct phase *phase = &g->guest->phases[number];
	double begun_s = check_begun_s(run, g->guest, phase), end_s = ends_s(run, g->guest, number);
	double reserve = (double)check_value(run, "unused")->kib;
	double start = NAN, got = NAN, due = (double)phase->kib, least = INFINITY;

	for (size_t i = 0; i < g->ninside && g->inside[i].t_s <= end_s; i++) {
		if (isnan(start) || g->inside[i].t_s <= begun_s)
			start = isnan(g->inside[i].load_kib) ? 0 : g->inside[i].load_kib;
		if (g->inside[i].t_s <= begun_s || isnan(g->inside[i].load_kib))
			continue;
		got = g->inside[i].load_kib;
		least = fmin(least, g->inside[i].spare_kib);
		if (phase->rate_kib_s)
			due = fmin((double)phase->kib,
				   start + (double)phase->rate_kib_s *
						   (g->inside[i].t_s - begun_s));
	}
	if (due > start && got < ATTAINED_SHARE * due && least >= reserve &&
	    !squeezed(g, run, 0, end_s))
		verdict_cannot_judge(run->verdict,
				     "%s: its load got to %.0f MiB of the %.0f MiB due by %.0f s, "
				     "though it had room",
				     g->guest->name, got / 1024, due / 1024, end_s);
}

static void check_inside(const struct memory_run *m, const struct run *run)
{
	for (size_t i = 0; i < m->nguests; i++) {
		const struct guest_memory *g = &m->guests[i];

		if (!g->ninside)
			verdict_cannot_judge(run->verdict, "%s: no figures from inside the guest",
					     g->guest->name);
		for (size_t k = 0; k < g->guest->nphases; k++)
			if (g->guest->phases[k].verb == PHASE_MEMORY)
				check_attained(g, run, k);
	}
}

int memory_run_init(struct memory_run *m, struct run *run)
{
	const struct scenario *s = run->scenario;

	*m = (struct memory_run){.gap_s = fmax(10, 4 * s->sample_s)};
	m->guests = calloc(s->nguests + 1, sizeof(*m->guests));
	if (!m->guests)
		return -1;
	for (; m->nguests < s->nguests; m->nguests++)
		if (collect(&m->guests[m->nguests], &s->guests[m->nguests], run))
			return -1;
	check_inside(m, run);
	return 0;
}

void memory_run_free(struct memory_run *m)
{
	for (size_t i = 0; m->guests && i < m->nguests; i++) {
		free(m->guests[i].inside);
		free(m->guests[i].actual);
	}
	free(m->guests);
}
