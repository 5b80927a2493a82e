/* SPDX-License-Identifier: MIT */
/* A made-up host for the policy's tests. */
#include "made_up.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void made_up_init(struct made_up *m, size_t npcpus)
{
	memset(m, 0, sizeof(*m));
	m->state = cpu_state_new();
	if (!m->state || npcpus > MADE_UP_PCPUS)
		abort();
	cpu_policy_init(&m->policy);
	m->policy.node_budget = 5000; /* thousands of plans are made */
	m->sample.time_s = 1000;
	m->sample.pcpus = m->pcpus;
	m->sample.guests = m->guests;
	m->sample.vcpus = m->vcpus;
	m->sample.npcpus = npcpus;
	for (size_t p = 0; p < npcpus; p++)
		m->pcpus[p] = (struct cpu_pcpu){
			.id = (int)p, .core = -1, .cache = -1, .node = -1, .usable = true};
}

void made_up_free(struct made_up *m)
{
	cpu_state_free(m->state);
	cpu_plan_free(&m->plan);
}

size_t made_up_vcpu(struct made_up *m, int pcpu, double demand)
{
	size_t v = m->sample.nvcpus++, g = m->sample.nguests - 1;
	unsigned int number = 0;

	if (v >= MADE_UP_VCPUS)
		abort();
	for (size_t i = 0; i < v; i++)
		number += m->vcpus[i].guest == g;
	m->vcpus[v] = (struct cpu_vcpu){.guest = g, .number = number, .pcpu = pcpu};
	m->demand[v] = demand;
	return v;
}

size_t made_up_guest(struct made_up *m, int pcpu, double demand)
{
	size_t g = m->sample.nguests++;

	m->guests[g] = (struct cpu_guest){.managed = true, .weight = 1, .cap_pct = 100, .node = -1};
	m->guests[g].uuid[0] = (unsigned char)(g >> 8);
	m->guests[g].uuid[1] = (unsigned char)g;
	return made_up_vcpu(m, pcpu, demand);
}

/* Is the vCPU on the p-th pCPU? What floats is dealt out. */
static bool is_here(const struct made_up *m, size_t v, size_t p)
{
	if (m->vcpus[v].pcpu == CPU_FLOATING)
		return v % m->sample.npcpus == p;
	return m->vcpus[v].pcpu == m->pcpus[p].id;
}

/* A vCPU's share against its neighbours. */
static double weight_of(const struct made_up *m, size_t v)
{
	size_t vcpus = 0;

	for (size_t i = 0; i < m->sample.nvcpus; i++)
		vcpus += m->vcpus[i].guest == m->vcpus[v].guest;
	return m->guests[m->vcpus[v].guest].weight / (double)vcpus;
}

/*
 * Shares one pCPU: whoever wants less than its share gets all it wants, the others share the rest.
 */
static double share_out(const struct made_up *m, size_t p, double *got)
{
	double room = 100 - m->other[p], weight = 0;
	bool again = true;

	for (size_t v = 0; v < m->sample.nvcpus; v++) {
		got[v] = -1;
		weight += is_here(m, v, p) ? weight_of(m, v) : 0;
	}
	while (again) {
		double level = weight > 0 ? room / weight : 0;

		again = false;
		for (size_t v = 0; v < m->sample.nvcpus; v++) {
			double wants = fmin(m->demand[v], m->guests[m->vcpus[v].guest].cap_pct);

			if (!is_here(m, v, p) || got[v] >= 0 || wants > level * weight_of(m, v))
				continue;
			got[v] = wants;
			room -= wants;
			weight -= weight_of(m, v);
			again = true;
		}
	}
	for (size_t v = 0; v < m->sample.nvcpus; v++) {
		if (is_here(m, v, p) && got[v] < 0)
			got[v] = room / weight * weight_of(m, v);
	}
	return 100 - room * (weight > 1e-9 ? 0 : 1);
}

static uint64_t ns(double pct, double seconds)
{
	return (uint64_t)llround(pct / 100 * seconds * 1e9);
}

void made_up_pass(struct made_up *m, double seconds)
{
	double got[MADE_UP_VCPUS];

	m->sample.time_s += seconds;
	for (size_t p = 0; p < m->sample.npcpus; p++) {
		double used = share_out(m, p, got);

		m->pcpus[p].busy_ns += ns(used, seconds);
		for (size_t v = 0; v < m->sample.nvcpus; v++) {
			/*
			 * Who gets less than it wants never sleeps; others wait while somebody
			 * runs.
			 */
			double wait = m->demand[v] > got[v] + 1e-6 ? 100 - got[v]
								   : got[v] * (used - got[v]) / 100;

			if (!is_here(m, v, p))
				continue;
			m->vcpus[v].run_ns += ns(got[v], seconds);
			if (m->vcpus[v].delay_ns != CPU_NOT_KNOWN)
				m->vcpus[v].delay_ns += ns(wait, seconds);
		}
	}
}

size_t made_up_tick(struct made_up *m)
{
	if (cpu_plan(m->state, &m->policy, &m->sample, &m->plan))
		abort();
	for (size_t i = 0; i < m->plan.npins; i++)
		m->vcpus[m->plan.pins[i].vcpu].pcpu = m->plan.pins[i].to;
	return m->plan.moves;
}

size_t made_up_run(struct made_up *m, unsigned int ticks)
{
	size_t moves = 0;

	while (ticks--) {
		made_up_pass(m, 2);
		moves += made_up_tick(m);
	}
	return moves;
}

double made_up_load(const struct made_up *m, int pcpu)
{
	double load = 0;

	for (size_t v = 0; v < m->sample.nvcpus; v++)
		load += m->vcpus[v].pcpu == pcpu ? m->demand[v] : 0;
	return load;
}
