/* SPDX-License-Identifier: MIT */
/* The model as CSV and JSON. */
#include "output.h"

#include <jansson.h>

/* virt-top's columns in its order, without those of disks and networks; the last five are ours. */
void top_csv_head(FILE *to)
{
	fputs("Hostname,Time,Arch,Physical "
	      "CPUs,Count,Running,Blocked,Paused,Shutdown,Shutoff,Crashed,"
	      "Active,Inactive,%CPU,Total hardware memory (KB),Total memory (KB),"
	      "Total guest memory (KB),Total CPU time (ns),"
	      "Domain ID,Domain name,CPU (ns),%CPU,Mem (bytes),%Mem,"
	      "%Wait,Pins,Unused (KB),Target (KB),Maximum (KB)\n",
	      to);
}

static double percent(double part, double whole)
{
	return whole > 0 ? 100 * part / whole : 0;
}

/* What is not known is left empty. */
static void figure(FILE *to, int64_t value)
{
	if (value >= 0)
		fprintf(to, "%lld", (long long)value);
}

static void quoted(FILE *to, const char *text)
{
	putc('"', to);
	for (; *text; text++) {
		if (*text == '"')
			putc('"', to);
		putc(*text, to);
	}
	putc('"', to);
}

static void csv_guest(FILE *to, const struct top_model *m, const struct top_guest *g, size_t number)
{
	char pins[256];
	double usage_pct = g->usage_pct > 0 ? g->usage_pct : 0;

	fprintf(to, ",%zu,", number);
	quoted(to, g->name);
	/* As virt-top: the time used since the look before, and its share of the whole host. */
	fprintf(to, ",%.0f,%.1f,%lld,%.1f,", usage_pct * m->elapsed_s * 1e7,
		percent(usage_pct, 100.0 * (double)m->npcpus),
		g->memory.actual_kib < 0 ? 0 : (long long)g->memory.actual_kib * 1024,
		percent((double)(g->memory.actual_kib < 0 ? 0 : g->memory.actual_kib),
			(double)m->host_total_kib));
	if (g->wait_pct >= 0)
		fprintf(to, "%.1f", g->wait_pct);
	putc(',', to);
	quoted(to, top_pins(g, pins, sizeof(pins)));
	putc(',', to);
	figure(to, g->memory.unused_kib);
	putc(',', to);
	figure(to, g->target_kib);
	putc(',', to);
	figure(to, g->maximum_kib);
}

void top_csv(FILE *to, const struct top_model *m, const char *host, const char *clock)
{
	size_t count = 0, paused = 0, running = 0;
	double usage_pct = 0;
	int64_t memory_kib = 0;

	for (size_t i = 0; i < m->nguests; i++) {
		const struct top_guest *g = &m->guests[i];

		if (!g->seen)
			continue;
		count++;
		running += g->state == TOP_RUNNING;
		paused += g->state == TOP_PAUSED;
		usage_pct += g->usage_pct > 0 ? g->usage_pct : 0;
		memory_kib += g->memory.actual_kib > 0 ? g->memory.actual_kib : 0;
	}
	quoted(to, host);
	fprintf(to, ",%s,x86_64,%zu,%zu,%zu,0,%zu,0,0,0,%zu,0,%.1f,%lld,%lld,%lld,%.0f", clock,
		m->npcpus, count, running, paused, count,
		percent(usage_pct, 100.0 * (double)m->npcpus), (long long)m->host_total_kib,
		(long long)m->host_total_kib, (long long)memory_kib,
		usage_pct * m->elapsed_s * 1e7);
	for (size_t i = 0, number = 0; i < m->nguests; i++) {
		if (m->guests[i].seen)
			csv_guest(to, m, &m->guests[i], ++number);
	}
	putc('\n', to);
	fflush(to);
}

/* --- JSON --- */

/* To a hundredth; what is not known is null. */
static json_t *number(double value)
{
	return value < 0 ? json_null() : json_real((double)(int64_t)(value * 100 + 0.5) / 100);
}

static json_t *whole(int64_t value)
{
	return value < 0 ? json_null() : json_integer(value);
}

static json_t *json_guest(const struct top_guest *g)
{
	static const char *const states[] = {"running", "paused", "other"};
	json_t *pins = json_array();

	for (size_t v = 0; v < g->nvcpus; v++)
		json_array_append_new(pins, json_string(g->vcpus[v].pins));
	return json_pack("{s:s, s:s, s:b, s:o, s:o, s:o, s:o, s:b, s:o, s:o, s:o, s:o, s:o, s:s}",
			 "name", g->name, "state", states[g->state], "foreign", g->foreign, "agent",
			 g->agent < 0 ? json_null() : json_boolean(g->agent), "affinity", pins,
			 "usage_pct", number(g->usage_pct), "demand_pct", number(g->demand_pct),
			 "demand_is_most", g->demand_open, "delay_pct", number(g->wait_pct),
			 "actual_kib", whole(g->memory.actual_kib), "unused_kib",
			 whole(g->memory.unused_kib), "target_kib", whole(g->target_kib),
			 "maximum_kib", whole(g->maximum_kib), "load", g->load);
}

int top_json(FILE *to, const struct top_model *m)
{
	json_t *guests = json_array(), *pcpus = json_array(), *all;
	int status;

	for (size_t i = 0; i < m->npcpus; i++) {
		const struct top_pcpu *p = &m->pcpus[i];

		json_array_append_new(pcpus, json_pack("{s:i, s:o, s:o, s:o, s:b}", "id", p->id,
						       "usage_pct", number(p->usage_pct),
						       "guests_pct", number(p->guests_pct),
						       "demand_pct", number(p->demand_pct),
						       "demand_is_most", p->demand_open));
	}
	for (size_t i = 0; i < m->nguests; i++) {
		if (m->guests[i].seen)
			json_array_append_new(guests, json_guest(&m->guests[i]));
	}
	all = json_pack("{s:o, s:o, s:o, s:I, s:o, s:o, s:o}", "t_s", number(m->t_s), "elapsed_s",
			number(m->elapsed_s), "spread", number(m->spread), "moves",
			(json_int_t)m->nmoves, "host",
			json_pack("{s:o, s:o}", "total_kib", whole(m->host_total_kib),
				  "available_kib", whole(m->host_available_kib)),
			"pcpus", pcpus, "guests", guests);
	status = all && !json_dumpf(all, to, JSON_INDENT(1) | JSON_REAL_PRECISION(10)) ? 0 : -1;
	json_decref(all);
	if (!status)
		putc('\n', to);
	return status;
}
