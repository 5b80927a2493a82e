/* SPDX-License-Identifier: MIT */
/* Follows each guest's timeline to know what load was asked for when. */
#include "segments.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Changes that are due within so many samples of each other open one segment. */
#define TOGETHER_SAMPLES 1.0

int layout_init(struct layout *l, const struct run *run)
{
	const struct scenario *s = run->scenario;
	size_t next = 0;

	*l = (struct layout){.nguests = s->nguests};
	for (size_t g = 0; g < s->nguests; g++)
		l->nvcpus += s->guests[g].vcpus;
	l->npcpus = run->trace->header.npcpus;
	l->pcpu_ids = run->trace->header.pcpus;
	l->guest_of = calloc(l->nvcpus + 1, sizeof(*l->guest_of));
	l->vcpu_of = calloc(l->nvcpus + 1, sizeof(*l->vcpu_of));
	if (!l->guest_of || !l->vcpu_of)
		return -1;
	for (size_t g = 0; g < s->nguests; g++)
		for (size_t v = 0; v < s->guests[g].vcpus; v++) {
			l->guest_of[next] = (unsigned int)g;
			l->vcpu_of[next++] = v;
		}
	return 0;
}

void layout_free(struct layout *l)
{
	free(l->guest_of);
	free(l->vcpu_of);
}

/* Whether it changes what the scheduler has to balance. */
static bool changes_balance(const struct phase *phase)
{
	return phase->verb != PHASE_MEMORY && phase->verb != PHASE_CACHE &&
	       phase->verb != PHASE_SETMEM;
}

static int compare_times(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Planned times of all changes, ascending. Returns how many, with *times to be freed. */
static size_t planned_times(const struct scenario *s, double **times)
{
	size_t count = 0, total = 0;

	for (size_t g = 0; g < s->nguests; g++)
		total += s->guests[g].nphases;
	*times = calloc(total + 1, sizeof(**times));
	if (!*times)
		return 0;
	for (size_t g = 0; g < s->nguests; g++)
		for (size_t i = 0; i < s->guests[g].nphases; i++)
			if (changes_balance(&s->guests[g].phases[i]))
				(*times)[count++] = s->guests[g].phases[i].at_s;
	qsort(*times, count, sizeof(**times), compare_times);
	return count;
}

/* --- what a guest's load is after its phases up to a time --- */

struct state {
	bool on;
	bool paused;
	const struct phase *cpu; /* NULL: none */
	const struct phase *stress;
};

static struct state state_after(const struct scenario_guest *guest, double planned_to_s)
{
	struct state state = {.on = !scenario_starts_off(guest)};

	for (size_t i = 0; i < guest->nphases && guest->phases[i].at_s < planned_to_s; i++) {
		const struct phase *phase = &guest->phases[i];

		switch (phase->verb) {
		case PHASE_CPU:
			state.cpu = phase;
			break;
		case PHASE_STRESS:
			state.stress = phase;
			break;
		case PHASE_IDLE:
			state.cpu = state.stress = NULL;
			break;
		case PHASE_START:
		case PHASE_STOP:
		case PHASE_REBOOT:
			state = (struct state){.on = phase->verb != PHASE_STOP};
			break;
		case PHASE_PAUSE:
		case PHASE_RESUME:
			state.paused = phase->verb == PHASE_PAUSE;
			break;
		default:
			break;
		}
	}
	return state;
}

static double asked_of(const struct state *state, size_t vcpu)
{
	if (!state->on)
		return NAN;
	if (state->paused)
		return 0;
	if (state->stress)
		return -1;
	if (!state->cpu || (state->cpu->vcpus && vcpu >= state->cpu->vcpus))
		return 0;
	return state->cpu->pct;
}

static bool busy(const struct state *state)
{
	return state->on && !state->paused &&
	       (state->stress || (state->cpu && state->cpu->pct > 0));
}

static bool same_phase(const struct phase *a, const struct phase *b)
{
	char one[128], other[128];

	if (!a || !b)
		return a == b;
	return !strcmp(phase_format(a, one, sizeof(one)), phase_format(b, other, sizeof(other)));
}

static bool same_load(const struct scenario *s, size_t a, size_t b, double planned_to_s)
{
	struct state one = state_after(&s->guests[a], planned_to_s);
	struct state other = state_after(&s->guests[b], planned_to_s);

	return s->guests[a].vcpus == s->guests[b].vcpus && busy(&other) &&
	       same_phase(one.cpu, other.cpu) && same_phase(one.stress, other.stress);
}

static int fill_loads(struct segment *segment, const struct scenario *s, const struct layout *l,
		      double planned_to_s)
{
	segment->asked_pct = calloc(l->nvcpus + 1, sizeof(*segment->asked_pct));
	segment->group = calloc(l->nguests + 1, sizeof(*segment->group));
	if (!segment->asked_pct || !segment->group)
		return -1;
	for (size_t i = 0; i < l->nvcpus; i++) {
		struct state state = state_after(&s->guests[l->guest_of[i]], planned_to_s);

		segment->asked_pct[i] = asked_of(&state, l->vcpu_of[i]);
	}
	for (size_t g = 0; g < l->nguests; g++) {
		struct state state = state_after(&s->guests[g], planned_to_s);

		segment->group[g] = -1;
		if (!busy(&state))
			continue;
		segment->loaded = true;
		segment->group[g] = (int)g;
		for (size_t first = 0; first < g; first++)
			if (segment->group[first] == (int)first &&
			    same_load(s, g, first, planned_to_s)) {
				segment->group[g] = (int)first;
				break;
			}
	}
	return 0;
}

/* When the changes due in [from_s, to_s) really came: first and last. */
static void find_begin(struct segment *segment, const struct run *run, double from_s, double to_s)
{
	segment->first_s = INFINITY;
	segment->from_s = from_s;
	for (size_t g = 0; g < run->scenario->nguests; g++)
		for (size_t i = 0; i < run->scenario->guests[g].nphases; i++) {
			const struct phase *phase = &run->scenario->guests[g].phases[i];
			double begun_s;

			if (!changes_balance(phase) || phase->at_s < from_s || phase->at_s >= to_s)
				continue;
			begun_s = check_begun_s(run, &run->scenario->guests[g], phase);
			if (isnan(begun_s))
				begun_s = phase->at_s;
			segment->changed = true;
			segment->first_s = fmin(segment->first_s, begun_s);
			segment->from_s = fmax(segment->from_s, begun_s);
		}
	if (!segment->changed)
		segment->first_s = from_s;
}

int segments_init(struct segments *segments, const struct run *run, const struct layout *l)
{
	double together_s = TOGETHER_SAMPLES * run->scenario->sample_s;
	double *times;
	size_t count = planned_times(run->scenario, &times), next = 0;

	*segments = (struct segments){.list = times ? calloc(count + 1, sizeof(*segments->list))
						    : NULL};
	if (!segments->list) {
		free(times);
		return -1;
	}
	/* The stretch before the first change is a segment too, unless that comes at once. */
	for (double from_s = 0; segments->count <= count;) {
		struct segment *segment = &segments->list[segments->count++];
		double last_s = from_s, to_s;

		while (next < count && times[next] <= last_s + together_s)
			last_s = times[next++];
		to_s = next < count ? times[next] : INFINITY;
		segment->planned_s = from_s;
		find_begin(segment, run, from_s, fmin(to_s, last_s + together_s));
		if (fill_loads(segment, run->scenario, l, fmin(to_s, last_s + together_s))) {
			free(times);
			return -1;
		}
		if (next == count)
			break;
		from_s = times[next];
	}
	for (size_t i = 0; i < segments->count; i++)
		segments->list[i].to_s =
			i + 1 < segments->count ? segments->list[i + 1].first_s : run->end_s;
	free(times);
	return 0;
}

void segments_free(struct segments *segments)
{
	for (size_t i = 0; i < segments->count; i++) {
		free(segments->list[i].asked_pct);
		free(segments->list[i].group);
	}
	free(segments->list);
}
