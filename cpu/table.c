/* SPDX-License-Identifier: MIT */
/* From demands to a problem that can be searched: who can be placed, where, and what counts. */
#include "table.h"

#include "hidden.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void table_free(struct table *table)
{
	free(table->vcpu);
	free(table->pcpu);
	free(table->column);
	free(table->base);
	free(table->demand);
	free(table->least);
	free(table->hidden);
	free(table->realtime);
	free(table->core);
	free(table->cache);
	free(table->node);
	free(table->at);
	free(table->guest);
	free(table->kin);
	free(table->weight);
	free(table->flags);
	free(table->allowed);
	free(table->near_flags);
	free(table->near);
}

static int table_allocate(struct table *table, const struct cpu_sample *sample)
{
	size_t n = sample->nvcpus + 1, m = sample->npcpus + 1;

	table->vcpu = calloc(n, sizeof(*table->vcpu));
	table->demand = calloc(n, sizeof(*table->demand));
	table->least = calloc(n, sizeof(*table->least));
	table->hidden = calloc(n, sizeof(*table->hidden));
	table->realtime = calloc(n, sizeof(*table->realtime));
	table->at = calloc(n, sizeof(*table->at));
	table->guest = calloc(n, sizeof(*table->guest));
	table->kin = calloc(n, sizeof(*table->kin));
	table->weight = calloc(n, sizeof(*table->weight));
	table->pcpu = calloc(m, sizeof(*table->pcpu));
	table->column = calloc(m, sizeof(*table->column));
	table->base = calloc(m, sizeof(*table->base));
	table->core = calloc(m, sizeof(*table->core));
	table->cache = calloc(m, sizeof(*table->cache));
	table->node = calloc(m, sizeof(*table->node));
	return table->vcpu && table->demand && table->least && table->hidden && table->realtime &&
			       table->at && table->guest && table->kin && table->weight &&
			       table->pcpu && table->column && table->base && table->core &&
			       table->cache && table->node
		       ? 0
		       : -1;
}

static bool may_use(const struct cpu_vcpu *vcpu, int id)
{
	size_t byte = (size_t)id / 8;

	return !vcpu->allowed ||
	       (id >= 0 && byte < vcpu->allowed_len && (vcpu->allowed[byte] >> (id % 8) & 1));
}

static bool has_place(const struct cpu_sample *sample, const struct cpu_vcpu *vcpu)
{
	for (size_t p = 0; p < sample->npcpus; p++) {
		if (sample->pcpus[p].usable && may_use(vcpu, sample->pcpus[p].id))
			return true;
	}
	return false;
}

static void add_pcpus(struct table *table, const struct cpu_sample *sample,
		      const struct cpu_pcpu_load *loads)
{
	for (size_t p = 0; p < sample->npcpus; p++) {
		const struct cpu_pcpu *pcpu = &sample->pcpus[p];
		size_t c = table->problem.npcpus;

		table->column[p] = -1;
		if (!pcpu->usable)
			continue;
		table->column[p] = (ptrdiff_t)c;
		table->pcpu[c] = p;
		table->base[c] = loads[p].other_pct;
		table->core[c] = pcpu->core;
		table->cache[c] = pcpu->cache;
		table->node[c] = pcpu->node;
		table->problem.npcpus++;
	}
}

/* One vCPU: something to plan with, or load that stays. */
static void add_vcpu(struct table *table, const struct cpu_sample *sample, size_t i,
		     const struct cpu_plan *plan)
{
	const struct cpu_vcpu *vcpu = &sample->vcpus[i];
	ptrdiff_t p = cpu_pcpu_find(sample, vcpu->pcpu);
	ptrdiff_t column = p < 0 ? -1 : table->column[p];
	size_t n = table->problem.nvcpus;

	if (!plan->vcpus[i].known)
		return;
	if (!sample->guests[vcpu->guest].managed || !has_place(sample, vcpu)) {
		if (column >= 0)
			table->base[column] += plan->vcpus[i].demand_pct;
		return;
	}
	if (column >= 0 && !may_use(vcpu, vcpu->pcpu))
		column = -1;
	table->vcpu[n] = i;
	table->demand[n] = plan->vcpus[i].demand_pct;
	table->least[n] = plan->vcpus[i].least_pct;
	table->guest[n] = vcpu->guest;
	table->realtime[n] = vcpu->realtime;
	if (vcpu->realtime)
		table->problem.realtime = table->realtime;
	table->weight[n] = plan->vcpus[i].weight;
	table->at[n] = column < 0 ? CPU_NOWHERE : (int)column;
	table->floating += column < 0;
	table->loudest = fmax(table->loudest, table->demand[n]);
	table->total += table->demand[n];
	table->problem.nvcpus++;
}

/* Guests with several vCPUs by their order, all others behind them. */
static void number_kin(struct table *table)
{
	const size_t *guest = table->guest;
	size_t n = table->problem.nvcpus, first = 0;
	unsigned char number = 0;

	for (size_t v = 0; v < n; v++) {
		bool last = v + 1 == n || guest[v + 1] != guest[v];

		if (!last)
			continue;
		memset(table->kin + first, first < v ? number : UCHAR_MAX, v + 1 - first);
		if (first < v && number < UCHAR_MAX - 1)
			number++;
		first = v + 1;
	}
}

static int compare_levels(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/*
 * Where all pCPUs together cannot give what is wanted, a vCPU's due is what it would get if they
 * were one (weighted max-min: everybody's demand, but at most level · weight). What it wants beyond
 * due_most times its due it would not get anywhere, and to plan for it would be to move vCPUs for
 * nothing.
 */
static int limit_demands(struct table *table, double due_most)
{
	size_t n = table->problem.nvcpus, i = 0;
	double room = 0, weight = 0, level = 0;
	double *levels = calloc(2 * n + 1, sizeof(*levels));

	if (!levels)
		return -1;
	for (size_t c = 0; c < table->problem.npcpus; c++)
		room += fmax(100 - table->base[c], 0);
	if (table->total <= room)
		goto out;
	for (size_t v = 0; v < n; v++) {
		levels[2 * v] = table->demand[v] / table->weight[v];
		levels[2 * v + 1] = table->weight[v];
		weight += table->weight[v];
	}
	qsort(levels, n, 2 * sizeof(*levels), compare_levels);
	/* Raise the level from one demand to the next until the room is used up. */
	for (; i < n && (levels[2 * i] - level) * weight <= room; i++) {
		room -= (levels[2 * i] - level) * weight;
		level = levels[2 * i];
		weight -= levels[2 * i + 1];
	}
	if (i < n && weight > 0)
		level += room / weight;
	for (size_t v = 0; v < n; v++)
		table->demand[v] = fmin(table->demand[v], due_most * level * table->weight[v]);
out:
	free(levels);
	return 0;
}

/* Which vCPU may go where, if any is restricted, or rests where it is. */
static int add_restrictions(struct table *table, const struct cpu_sample *sample,
			    const bool *resting)
{
	size_t n = table->problem.nvcpus, m = table->problem.npcpus;
	bool any = false;

	for (size_t v = 0; v < n; v++)
		any |= sample->vcpus[table->vcpu[v]].allowed || resting[table->vcpu[v]];
	if (!any)
		return 0;
	table->flags = calloc(n, m);
	table->allowed = calloc(n, sizeof(*table->allowed));
	if (!table->flags || !table->allowed)
		return -1;
	for (size_t v = 0; v < n; v++) {
		const struct cpu_vcpu *vcpu = &sample->vcpus[table->vcpu[v]];
		bool rests = resting[table->vcpu[v]] && table->at[v] != CPU_NOWHERE;

		if (!vcpu->allowed && !rests)
			continue;
		table->allowed[v] = table->flags + v * m;
		for (size_t c = 0; c < m; c++)
			table->flags[v * m + c] =
				rests ? table->at[v] == (int)c
				      : may_use(vcpu, sample->pcpus[table->pcpu[c]].id);
	}
	table->problem.allowed = table->allowed;
	return 0;
}

static bool has_nodes(const struct table *table)
{
	for (size_t c = 1; c < table->problem.npcpus; c++) {
		if (table->node[c] != table->node[0] && table->node[c] >= 0)
			return true;
	}
	return false;
}

/*
 * Where a guest's memory is: as it is configured, or else where all its pinned vCPUs are. −1: not
 * known.
 */
static int find_home(const struct table *table, const struct cpu_sample *sample, size_t first)
{
	size_t guest = table->guest[first];
	int home = sample->guests[guest].node;

	for (size_t v = first; home < 0 && v < table->problem.nvcpus && table->guest[v] == guest;
	     v++) {
		if (table->at[v] == CPU_NOWHERE)
			continue;
		for (size_t u = v + 1; u < table->problem.nvcpus && table->guest[u] == guest; u++) {
			if (table->at[u] != CPU_NOWHERE &&
			    table->node[table->at[u]] != table->node[table->at[v]])
				return -1;
		}
		home = table->node[table->at[v]];
	}
	return home;
}

/*
 * Where each vCPU may go without leaving its memory's node. One that is elsewhere may stay there.
 */
static int add_nodes(struct table *table, const struct cpu_sample *sample)
{
	size_t n = table->problem.nvcpus, m = table->problem.npcpus;
	int home = -1;

	if (!has_nodes(table))
		return 0;
	table->near_flags = calloc(n, m);
	table->near = calloc(n, sizeof(*table->near));
	if (!table->near_flags || !table->near)
		return -1;
	for (size_t v = 0; v < n; v++) {
		unsigned char *row = table->near_flags + v * m;
		bool any = false;

		if (v == 0 || table->guest[v] != table->guest[v - 1])
			home = find_home(table, sample, v);
		for (size_t c = 0; c < m; c++) {
			row[c] = cpu_may(&table->problem, v, c) &&
				 (home < 0 || table->node[c] == home || table->at[v] == (int)c);
			any |= row[c];
		}
		table->near[v] = any ? row : (table->allowed ? table->allowed[v] : NULL);
	}
	return 0;
}

int table_build(struct table *table, const struct cpu_policy *policy,
		const struct cpu_sample *sample, const struct cpu_plan *plan, const size_t *sorted,
		const bool *resting)
{
	memset(table, 0, sizeof(*table));
	if (table_allocate(table, sample))
		return -1;
	add_pcpus(table, sample, plan->pcpus);
	for (size_t i = 0; i < sample->nvcpus; i++)
		add_vcpu(table, sample, sorted[i], plan);
	if (hidden_guess(table, policy->free_least_pct) || limit_demands(table, policy->due_most))
		return -1;
	number_kin(table);
	table->problem.base = table->base;
	table->problem.core = table->core;
	table->problem.cache = table->cache;
	table->problem.node = table->node;
	table->problem.demand = table->demand;
	table->problem.at = table->at;
	table->problem.guest = table->guest;
	table->problem.kin = table->kin;
	table->problem.threshold = policy->threshold_pct;
	table->problem.move_cost = policy->cost_pct;
	table->problem.node_budget = policy->node_budget;
	return add_restrictions(table, sample, resting) || add_nodes(table, sample) ? -1 : 0;
}
