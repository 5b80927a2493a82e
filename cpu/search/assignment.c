/* SPDX-License-Identifier: MIT */
/* The worth of an assignment: its moves and its spread, and the better of two that have as many
 * moves. */
#include "assignment.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Load is compared in steps of this many points when plans of equally many moves are told apart. */
#define LOAD_STEP     5.0
#define COST_LOAD     (INT64_C(1) << 30)
#define COST_DISTANCE (INT64_C(1) << 18)

bool cpu_may(const struct cpu_problem *problem, size_t vcpu, size_t pcpu)
{
	return !problem->allowed || !problem->allowed[vcpu] || problem->allowed[vcpu][pcpu];
}

/* 0: the same core … 3: another node. Levels that are not known do not count. */
static int distance(const struct cpu_problem *problem, int from, int to)
{
	if (problem->node && problem->node[from] != problem->node[to])
		return 3;
	if (problem->cache && problem->cache[from] != problem->cache[to])
		return 2;
	if (problem->core && problem->core[from] >= 0 && problem->core[from] == problem->core[to])
		return 0;
	return 1;
}

/* A number below 16, by chance. */
static int64_t roll(unsigned int whim, size_t vcpu, int pcpu)
{
	uint32_t x = whim + (uint32_t)vcpu * 0x9e3779b9u + (uint32_t)pcpu * 0x85ebca6bu;

	x = (x ^ x >> 15) * 0x2c1b3c6du;
	return (x ^ x >> 13) >> 8 & 15;
}

int64_t cpu_cost_at(const struct cpu_problem *problem, size_t vcpu, int pcpu)
{
	int from = problem->at[vcpu];

	if (from == CPU_NOWHERE || from == pcpu)
		return 0;
	if (problem->whim)
		return CPU_COST_MOVE + roll(problem->whim, vcpu, pcpu) * COST_LOAD;
	return CPU_COST_MOVE + (int64_t)(problem->demand[vcpu] / LOAD_STEP + 0.5) * COST_LOAD +
	       distance(problem, from, pcpu) * COST_DISTANCE +
	       (problem->kin ? problem->kin[vcpu] : 0);
}

int64_t cpu_cost(const struct cpu_problem *problem, const int *to)
{
	int64_t cost = 0;

	for (size_t v = 0; v < problem->nvcpus; v++)
		cost += cpu_cost_at(problem, v, to[v]);
	return cost;
}

double cpu_spread_now(const struct cpu_problem *problem)
{
	for (size_t v = 0; v < problem->nvcpus; v++) {
		if (problem->at[v] == CPU_NOWHERE)
			return INFINITY;
	}
	return cpu_spread(problem, problem->at);
}

size_t cpu_count_moves(const struct cpu_problem *problem, const int *to)
{
	size_t moves = 0;

	for (size_t v = 0; v < problem->nvcpus; v++)
		moves += problem->at[v] != CPU_NOWHERE && problem->at[v] != to[v];
	return moves;
}

/* The loads of the idlest and the busiest pCPU. */
static void find_ends(const struct cpu_problem *problem, const int *to, double *least, double *most)
{
	double *load = malloc((problem->npcpus + 1) * sizeof(*load));

	*least = *most = 0;
	if (!load || !problem->npcpus) {
		free(load);
		return;
	}
	memcpy(load, problem->base, problem->npcpus * sizeof(*load));
	for (size_t v = 0; v < problem->nvcpus; v++)
		load[to[v]] += problem->demand[v];
	*least = *most = load[0];
	for (size_t p = 1; p < problem->npcpus; p++) {
		*least = fmin(*least, load[p]);
		*most = fmax(*most, load[p]);
	}
	free(load);
}

double cpu_spread(const struct cpu_problem *problem, const int *to)
{
	double least, most;

	find_ends(problem, to, &least, &most);
	return most - least;
}

double cpu_top(const struct cpu_problem *problem, const int *to)
{
	double least, most;

	find_ends(problem, to, &least, &most);
	return most;
}
