/* SPDX-License-Identifier: MIT */
/* Sorts a trace by guest, and sees whether the memory loads were there. */
#include "memory_run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A load that holds less than this share of what it should by now, in a guest that had room, is the
 * lab's failure. */
#define ATTAINED_SHARE 0.8

/* Balloons count in pages: sizes within this share are the same. */
#define SAME_SHARE 0.02

/* Times in traces are told apart by this. */
#define TICK_S 0.001

/* A guest's driver has brought it to its size by then, however slow the host. */
#define BOOT_S 60

/* Loads nearer than this are the same load. */
#define SAME_KIB 8192

static void add_inside(struct guest_memory *g, const struct trace_event *event)
{
	double free_kib = (double)event->inside.free_kib;
	double usable_kib = (double)event->inside.available_kib;

	g->inside[g->ninside++] = (struct inside){
		.t_s = event->t_s,
		.spare_kib = fmax(free_kib, usable_kib),
		.unused_kib = free_kib,
		.usable_kib = usable_kib,
		.load_kib = (double)event->inside.load_kib,
		.oom_kills = fmax(0, (double)event->inside.oom_kill), /* −1: not known */
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
	g->actual[g->nactual] = (struct actual){t_s, kib, kib, g->nactual};
	g->nactual++;
}

/* --- a guest's life --- */

/* When the guest was first seen from inside after a time; the run's end if it was no more. */
static double next_look_s(const struct guest_memory *g, const struct run *run, double t_s)
{
	for (size_t i = 0; i < g->ninside; i++)
		if (g->inside[i].t_s > t_s)
			return g->inside[i].t_s;
	return run->end_s;
}

static void add_away(struct guest_memory *g, double from_s, double to_s)
{
	g->away[g->naway++] = (struct away){from_s, to_s};
}

/*
 * A boot begins with the maximum, or what was there before, and the driver brings it to the target
 * that is set: what that takes is nobody's release. The program may set another target meanwhile,
 * below which all is its own.
 */
static void note_boot(struct guest_memory *g, double t_s, double target_kib)
{
	bool above = false;

	for (size_t i = 0; i < g->nactual && g->actual[i].t_s <= t_s + BOOT_S; i++) {
		struct actual *a = &g->actual[i];

		if (a->t_s < t_s)
			continue;
		above |= a->kib > (1 + SAME_SHARE) * target_kib;
		if (above && a->kib <= (1 + SAME_SHARE) * target_kib)
			return;
		a->own_kib = fmin(a->kib, target_kib);
	}
}

/* What is told of the guest's starts and ends; needs looks and sizes in order. */
static void follow_life(struct guest_memory *g, const struct run *run)
{
	const struct scenario_guest *guest = g->guest;
	bool off = scenario_starts_off(guest);
	double off_s = 0;

	for (size_t i = 0; i < run->trace->nevents; i++) {
		const struct trace_event *event = &run->trace->events[i];
		enum trace_life state;
		double size;

		if (!check_about(event, TRACE_GUEST, guest) || event->t_s > run->end_s)
			continue;
		state = event->life.state;
		if (state == TRACE_STOPPED || state == TRACE_CRASHED) {
			off_s = off ? off_s : event->t_s;
			off = true;
		} else if (state == TRACE_STARTED && off) {
			off = false;
			add_away(g, off_s, next_look_s(g, run, event->t_s));
			note_boot(g, event->t_s, (double)guest->memory_kib);
		} else if (state == TRACE_REBOOTED) {
			size = memory_actual_at(g, event->t_s - TICK_S);
			add_away(g, event->t_s, next_look_s(g, run, event->t_s));
			note_boot(g, event->t_s, size);
		}
	}
	if (off)
		add_away(g, off_s, run->end_s);
}

double memory_away_s(const struct guest_memory *g, double from_s, double to_s)
{
	double sum = 0, last_s = from_s;

	for (size_t i = 0; i < g->naway; i++) {
		double begin_s = fmax(last_s, g->away[i].from_s);
		double end_s = fmin(to_s, g->away[i].to_s);

		if (end_s <= begin_s)
			continue;
		sum += end_s - begin_s;
		last_s = end_s;
	}
	return sum;
}

/* --- kills --- */

/* What the guest tells of itself; its counter begins anew with a boot. */
static double kills_inside(const struct guest_memory *g, double *first_s)
{
	double kills = 0, last = 0;

	for (size_t i = 0; i < g->ninside; i++) {
		double now = g->inside[i].oom_kills;

		if (now > 0 && kills == 0)
			*first_s = g->inside[i].t_s;
		kills += now >= last ? now - last : now;
		last = now;
	}
	return kills;
}

/* The trace's events and the guests' own counters are the same kills, seen twice: the larger count
 * is taken, since a guest may stop answering. */
static void count_kills(struct guest_memory *g, const struct run *run)
{
	double told = 0;

	g->killed_s = g->load_end_s = NAN;
	g->kills = kills_inside(g, &g->killed_s);
	for (size_t i = 0; i < run->trace->nevents; i++) {
		const struct trace_event *event = &run->trace->events[i];

		if (event->t_s > run->end_s)
			continue;
		if (check_about(event, TRACE_OOM, g->guest)) {
			told++;
			g->killed_s = fmin(g->killed_s, event->t_s); /* prefers what is not NAN */
		} else if (check_about(event, TRACE_LOAD_REPORT, g->guest) &&
			   event->load_report.state == TRACE_LOAD_OOM) {
			g->load_end_s = fmin(g->load_end_s, event->t_s);
		}
	}
	g->kills = fmax(g->kills, told);
	if (!isnan(g->load_end_s)) {
		g->kills = fmax(g->kills, 1);
		g->killed_s = fmin(g->killed_s, g->load_end_s);
	}
}

/* --- sorting by guest --- */

static int collect(struct guest_memory *g, const struct scenario_guest *guest,
		   const struct run *run)
{
	const struct trace *trace = run->trace;

	*g = (struct guest_memory){.guest = guest};
	g->inside = calloc(trace->nevents + 1, sizeof(*g->inside));
	g->actual = calloc(trace->nevents + trace->nsamples + 2, sizeof(*g->actual));
	g->away = calloc(trace->nevents + 1, sizeof(*g->away));
	if (!g->inside || !g->actual || !g->away)
		return -1;
	/* Where the stage left it; the first sample comes when a program may already have changed
	 * it. */
	add_actual(g, 0, (double)guest->memory_kib);
	for (size_t i = 0; i < trace->nevents; i++) {
		const struct trace_event *event = &trace->events[i];

		if (event->t_s > run->end_s)
			continue;
		if (check_about(event, TRACE_INSIDE, guest))
			add_inside(g, event);
		else if (check_about(event, TRACE_BALLOON, guest))
			add_actual(g, event->t_s, (double)event->balloon.actual_kib);
	}
	for (size_t i = 0; i < trace->nsamples; i++) {
		const struct trace_guest *seen = trace_find_guest(&trace->samples[i], guest->name);

		if (seen && seen->memory.actual_kib >= 0 && trace->samples[i].t_s <= run->end_s)
			add_actual(g, trace->samples[i].t_s, (double)seen->memory.actual_kib);
	}
	qsort(g->actual, g->nactual, sizeof(*g->actual), compare_actual);
	follow_life(g, run);
	count_kills(g, run);
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

bool memory_had_room(const struct guest_memory *g, double reserve_kib, double from_s, double to_s)
{
	size_t look = 0;

	if (g->killed_s <= to_s)
		return false;
	for (size_t i = 0; i < g->ninside && g->inside[i].t_s <= to_s; i++)
		if (g->inside[i].t_s >= from_s && g->inside[i].spare_kib < reserve_kib)
			return false;
	for (size_t k = 0; k < g->nactual && g->actual[k].t_s <= to_s; k++) {
		double t_s = g->actual[k].t_s, spare;

		while (look + 1 < g->ninside && g->inside[look + 1].t_s <= t_s)
			look++;
		if (t_s < from_s || look >= g->ninside || g->inside[look].t_s > t_s)
			continue;
		spare = g->inside[look].spare_kib + g->actual[k].kib -
			memory_actual_at(g, g->inside[look].t_s);
		if (spare < reserve_kib)
			return false;
	}
	return true;
}

/* Whether the guest was squeezed below the floor meanwhile: then the program is to blame where its
 * load lags or nothing was seen of it. */
static bool squeezed(const struct guest_memory *g, const struct run *run, double from_s,
		     double to_s)
{
	const struct expect_value *floor = check_value(run, "floor");

	for (size_t i = 0; !floor->none && i < g->nactual; i++)
		if (g->actual[i].t_s >= from_s && g->actual[i].t_s <= to_s &&
		    g->actual[i].kib < (1 - SAME_SHARE) * (double)floor->kib &&
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
	double start = NAN, got = NAN, due = (double)phase->kib;

	for (size_t i = 0; i < g->ninside && g->inside[i].t_s <= end_s; i++) {
		if (isnan(start) || g->inside[i].t_s <= begun_s)
			start = isnan(g->inside[i].load_kib) ? 0 : g->inside[i].load_kib;
		if (g->inside[i].t_s <= begun_s || isnan(g->inside[i].load_kib))
			continue;
		got = g->inside[i].load_kib;
		if (phase->rate_kib_s)
			due = fmin((double)phase->kib,
				   start + (double)phase->rate_kib_s *
						   (g->inside[i].t_s - begun_s));
	}
	if (due > start && got < ATTAINED_SHARE * due &&
	    memory_had_room(g, reserve, begun_s, end_s) && !squeezed(g, run, 0, end_s))
		verdict_cannot_judge(run->verdict,
				     "%s: its load got to %.0f MiB of the %.0f MiB due by %.0f s, "
				     "though it had room",
				     g->guest->name, got / 1024, due / 1024, end_s);
}

static void check_inside(const struct memory_run *m, const struct run *run)
{
	for (size_t i = 0; i < m->nguests; i++) {
		const struct guest_memory *g = &m->guests[i];

		if (!g->ninside && run->end_s - memory_away_s(g, 0, run->end_s) > m->gap_s)
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
		free(m->guests[i].away);
	}
	free(m->guests);
}
