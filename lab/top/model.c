/* SPDX-License-Identifier: MIT */
/* Looks become rows: whose pCPUs, what is wanted, what has moved. */
#include "model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A vCPU that slept less than this of the window and waited has perhaps not got all it wanted. */
#define NEVER_SLEPT_PCT 97.0
#define WAITED_PCT	3.0

static const char symbols[] = "123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/* Makes room for n members of that size. */
static int grow(void *array, size_t *size, size_t n, size_t each)
{
	size_t more = *size ? *size : 8;
	void *bigger, **at = array;

	while (more < n)
		more *= 2;
	if (n <= *size)
		return 0;
	bigger = realloc(*at, more * each);
	if (!bigger)
		return -1;
	memset((char *)bigger + *size * each, 0, (more - *size) * each);
	*at = bigger;
	*size = more;
	return 0;
}

static void copy(char *to, size_t len, const char *from)
{
	snprintf(to, len, "%s", from ? from : "");
}

/* The pCPU of a list of one, or −1. */
static int only_pcpu(const char *list)
{
	char *end;
	long id = strtol(list, &end, 10);

	return end != list && !*end ? (int)id : -1;
}

ssize_t top_model_find(const struct top_model *m, const char *name, size_t hint)
{
	if (hint < m->nguests && !strcmp(m->guests[hint].name, name))
		return (ssize_t)hint;
	for (size_t i = 0; i < m->nguests; i++) {
		if (!strcmp(m->guests[i].name, name))
			return (ssize_t)i;
	}
	return -1;
}

/* --- guests --- */

static struct top_guest *guest_of(struct top_model *m, const char *name, size_t hint)
{
	ssize_t at = top_model_find(m, name, hint);
	struct top_guest *g;

	if (at >= 0)
		return &m->guests[at];
	if (grow(&m->guests, &m->guests_size, m->nguests + 1, sizeof(*m->guests)))
		return NULL;
	/* A guest keeps its sign as long as it is there: whoever takes an ended one's place has its
	 * sign. */
	for (at = 0; at < (ssize_t)m->nguests && m->guests[at].seen; at++)
		;
	if (at == (ssize_t)m->nguests)
		m->nguests++;
	g = &m->guests[at];
	copy(g->name, sizeof(g->name), name);
	g->symbol = at < (ssize_t)sizeof(symbols) - 1 ? symbols[at] : '#';
	g->colour = (int)(at % 6) + 1;
	g->nvcpus = 0;
	return g;
}

static void take_vcpu(struct top_vcpu *v, const struct trace_vcpu *seen)
{
	int only;

	if (seen->affinity)
		copy(v->pins, sizeof(v->pins), seen->affinity);
	only = only_pcpu(v->pins);
	v->pcpu = only >= 0 ? only : seen->pcpu;
	v->usage_pct = seen->usage_pct;
	v->wait_pct = seen->delay_pct;
	v->demand_pct = v->usage_pct;
	if (v->usage_pct >= 0 && v->wait_pct >= WAITED_PCT &&
	    v->usage_pct + v->wait_pct >= NEVER_SLEPT_PCT)
		v->demand_pct = v->usage_pct > 100 ? v->usage_pct : 100;
}

static int take_guest(struct top_model *m, const struct trace_guest *seen,
		      const struct top_about *about, size_t at)
{
	struct top_guest *g = guest_of(m, seen->name, m->places[at]);

	if (!g || grow(&g->vcpus, &g->vcpus_size, seen->nvcpus, sizeof(*g->vcpus)))
		return -1;
	for (; g->nvcpus < seen->nvcpus; g->nvcpus++)
		g->vcpus[g->nvcpus] = (struct top_vcpu){.pcpu = -1};
	g->nvcpus = seen->nvcpus;
	g->usage_pct = g->wait_pct = g->demand_pct = -1;
	g->demand_open = false;
	for (size_t v = 0; v < g->nvcpus; v++) {
		struct top_vcpu *vcpu = &g->vcpus[v];

		take_vcpu(vcpu, &seen->vcpus[v]);
		if (vcpu->usage_pct >= 0) {
			g->usage_pct = (g->usage_pct > 0 ? g->usage_pct : 0) + vcpu->usage_pct;
			g->demand_pct = (g->demand_pct > 0 ? g->demand_pct : 0) + vcpu->demand_pct;
			g->demand_open |= vcpu->demand_pct > vcpu->usage_pct;
		}
		if (vcpu->wait_pct >= 0)
			g->wait_pct = (g->wait_pct > 0 ? g->wait_pct : 0) + vcpu->wait_pct;
	}
	g->memory = seen->memory;
	g->state = about->state;
	g->foreign = about->foreign;
	g->agent = about->agent;
	g->target_kib = about->target_kib;
	g->maximum_kib = about->maximum_kib;
	copy(g->load, sizeof(g->load), about->load);
	copy(g->warning, sizeof(g->warning), about->warning);
	g->seen = true;
	m->places[at] = (size_t)(g - m->guests);
	return 0;
}

/* The guest that stood at that place of the look before is probably there again. */
static size_t hint(const struct top_model *m, size_t at)
{
	return at < m->nplaces ? m->places[at] : at;
}

static int by_name(const void *a, const void *b, void *opaque)
{
	const struct trace_guest *guests = opaque;

	return strverscmp(guests[*(const size_t *)a].name, guests[*(const size_t *)b].name);
}

static int take_guests(struct top_model *m, const struct top_look *look)
{
	const struct trace_sample *s = &look->sample;
	bool first = m->nguests == 0;

	if (grow(&m->places, &m->places_size, s->nguests, sizeof(*m->places)))
		return -1;
	/* The first ones get their signs by their names. */
	for (size_t i = 0; first && i < s->nguests; i++)
		m->places[i] = i;
	if (first && s->nguests)
		qsort_r(m->places, s->nguests, sizeof(*m->places), by_name, s->guests);
	for (size_t i = 0; first && i < s->nguests; i++) {
		struct top_guest *g = guest_of(m, s->guests[m->places[i]].name, m->nguests);

		if (!g)
			return -1;
		g->seen = true;
	}
	/* Signs of guests that are gone are given away once all that are there were found. */
	for (size_t i = 0; i < m->nguests; i++)
		m->guests[i].seen = false;
	for (size_t i = 0; i < s->nguests; i++) {
		ssize_t at = top_model_find(m, s->guests[i].name, hint(m, i));

		if (at >= 0)
			m->guests[at].seen = true;
		m->places[i] = at >= 0 ? (size_t)at : m->nguests;
	}
	m->nplaces = s->nguests;
	for (size_t i = 0; i < s->nguests; i++) {
		if (take_guest(m, &s->guests[i], &look->about[i], i))
			return -1;
	}
	return 0;
}

/* --- pCPUs --- */

static struct top_pcpu *pcpu_of(struct top_model *m, int id)
{
	if (id >= 0 && (size_t)id < m->npcpus && m->pcpus[id].id == id)
		return &m->pcpus[id];
	for (size_t i = 0; i < m->npcpus; i++) {
		if (m->pcpus[i].id == id)
			return &m->pcpus[i];
	}
	return NULL;
}

static int place(struct top_model *m, size_t guest, const struct top_vcpu *v)
{
	struct top_pcpu *p = pcpu_of(m, v->pcpu);

	if (v->usage_pct < 0)
		return 0;
	if (!p) {
		m->unplaced_pct += v->usage_pct;
		return 0;
	}
	if (!p->nparts || p->parts[p->nparts - 1].guest != guest) {
		if (grow(&p->parts, &p->parts_size, p->nparts + 1, sizeof(*p->parts)))
			return -1;
		p->parts[p->nparts++] = (struct top_part){guest, 0};
	}
	p->parts[p->nparts - 1].usage_pct += v->usage_pct;
	p->guests_pct += v->usage_pct;
	p->demand_pct += v->demand_pct;
	p->demand_open |= v->demand_pct > v->usage_pct;
	return 0;
}

static int take_pcpus(struct top_model *m, const struct trace_sample *sample)
{
	if (grow(&m->pcpus, &m->pcpus_size, sample->npcpus, sizeof(*m->pcpus)))
		return -1;
	m->npcpus = sample->npcpus;
	m->unplaced_pct = 0;
	for (size_t i = 0; i < m->npcpus; i++) {
		struct top_pcpu *p = &m->pcpus[i];

		p->id = sample->pcpus[i].id;
		p->usage_pct = sample->pcpus[i].usage_pct;
		p->guests_pct = p->demand_pct = 0;
		p->demand_open = false;
		p->nparts = 0;
	}
	for (size_t g = 0; g < m->nguests; g++) {
		for (size_t v = 0; m->guests[g].seen && v < m->guests[g].nvcpus; v++) {
			if (place(m, g, &m->guests[g].vcpus[v]))
				return -1;
		}
	}
	return 0;
}

static void sum_up(struct top_model *m)
{
	double most = -1, least = 0;

	for (size_t i = 0; i < m->npcpus; i++) {
		struct top_pcpu *p = &m->pcpus[i];

		if (p->usage_pct < 0)
			p->usage_pct = p->guests_pct;
		else if (p->usage_pct > p->guests_pct)
			p->demand_pct += p->usage_pct - p->guests_pct;
		if (most < 0 || p->usage_pct < least)
			least = p->usage_pct;
		if (p->usage_pct > most)
			most = p->usage_pct;
	}
	m->spread = most < 0 ? -1 : most - least;
}

int top_model_look(struct top_model *m, const struct top_look *look)
{
	const struct trace_sample *s = &look->sample;

	m->t_s = s->t_s;
	m->elapsed_s = s->elapsed_s;
	m->host_total_kib = s->host_total_kib;
	m->host_available_kib = s->host_available_kib;
	if (take_guests(m, look))
		return -1;
	if (take_pcpus(m, s))
		return -1;
	sum_up(m);
	return 0;
}

/* --- moves --- */

void top_model_pin(struct top_model *m, double t_s, const char *guest, unsigned int vcpu,
		   const char *affinity)
{
	ssize_t at = top_model_find(m, guest, 0);
	struct top_vcpu *v;

	if (at < 0 || vcpu >= m->guests[at].nvcpus)
		return;
	v = &m->guests[at].vcpus[vcpu];
	if (v->pins[0] && strncmp(v->pins, affinity, sizeof(v->pins) - 1) != 0) {
		struct top_move *move = &m->moves[0];

		memmove(move + 1, move, (TOP_MOVES - 1) * sizeof(*move));
		*move = (struct top_move){.t_s = t_s, .vcpu = vcpu};
		copy(move->guest, sizeof(move->guest), guest);
		snprintf(move->from, sizeof(move->from), "%.15s", v->pins);
		snprintf(move->to, sizeof(move->to), "%.15s", affinity);
		m->nmoves++;
	}
	copy(v->pins, sizeof(v->pins), affinity);
}

void top_model_clear(struct top_model *m)
{
	for (size_t i = 0; i < m->guests_size; i++)
		free(m->guests[i].vcpus);
	for (size_t i = 0; i < m->pcpus_size; i++)
		free(m->pcpus[i].parts);
	free(m->guests);
	free(m->pcpus);
	free(m->places);
	memset(m, 0, sizeof(*m));
}

/* --- what rows say --- */

char *top_pins(const struct top_guest *g, char *buf, size_t len)
{
	bool same = true;
	size_t used = 0;

	for (size_t v = 1; v < g->nvcpus; v++)
		same &= !strcmp(g->vcpus[v].pins, g->vcpus[0].pins);
	snprintf(buf, len, "-");
	for (size_t v = 0; v < (same && g->nvcpus ? 1 : g->nvcpus) && used < len; v++)
		used += (size_t)snprintf(buf + used, len - used, "%s%s", v ? ";" : "",
					 g->vcpus[v].pins[0] ? g->vcpus[v].pins : "-");
	return buf;
}

int64_t top_used_kib(const struct top_guest *g)
{
	const struct trace_memory *m = &g->memory;

	if (m->actual_kib < 0 || m->unused_kib < 0)
		return -1;
	return m->actual_kib > m->unused_kib ? m->actual_kib - m->unused_kib : 0;
}
