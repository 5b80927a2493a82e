/* SPDX-License-Identifier: MIT */
/*
 * Large hosts by parts: a few pCPUs that exchanged vCPUs, with those vCPUs and some more of what is
 * on them, are a small problem that the complete search can solve, within the window of loads that
 * the whole has reached.
 */
#include "refine.h"

#include "bounds.h"
#include "exact.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The size of a part; how many pCPUs are in it by chance, for what they may offer. */
#define PART_PCPUS  6
#define PART_VCPUS  28
#define PART_CHANCE 2

/*
 * Steps of the search that a part is given; and how many rounds there are at most: on more pCPUs
 * each takes longer to come to where it should.
 */
#define PART_NODES	1000UL
#define ROUNDS		16U
#define ROUNDS_PER_PCPU 1.5

/* After so many rounds in which no move was saved it is not likely that the next one saves any. */
#define IDLE_ROUNDS 24U

/*
 * Every other round any plan of as few moves does, for the sake of another start to the next; then
 * this part of all steps is for moving as little load as possible again.
 */
#define LAST_SHARE 8

struct refinement {
	const struct cpu_problem *problem;
	double low, high; /* what loads must stay within */
	int *to;
	/* Lists that end with nvcpus: of those on a pCPU, and of those whose home it is. */
	size_t *first, *native;	    /* [npcpus] */
	size_t *next, *next_native; /* [nvcpus] */
	size_t group[PART_PCPUS], ngroup;
	unsigned long *nodes;
	unsigned int round, dice;
	bool astray; /* among plans of equally many moves any will do */
};

/* Who is where. */
static void link_columns(struct refinement *r)
{
	const struct cpu_problem *problem = r->problem;

	for (size_t p = 0; p < problem->npcpus; p++)
		r->first[p] = problem->nvcpus;
	for (size_t v = problem->nvcpus; v-- > 0;) {
		r->next[v] = r->first[r->to[v]];
		r->first[r->to[v]] = v;
	}
}

/* Who comes from where. */
static void link_homes(struct refinement *r)
{
	const struct cpu_problem *problem = r->problem;

	for (size_t p = 0; p < problem->npcpus; p++)
		r->native[p] = problem->nvcpus;
	for (size_t v = problem->nvcpus; v-- > 0;) {
		if (problem->at[v] == CPU_NOWHERE)
			continue;
		r->next_native[v] = r->native[problem->at[v]];
		r->native[problem->at[v]] = v;
	}
}

static ptrdiff_t place_in_group(const struct refinement *r, int pcpu)
{
	for (size_t i = 0; i < r->ngroup; i++) {
		if ((int)r->group[i] == pcpu)
			return (ptrdiff_t)i;
	}
	return -1;
}

static void add_to_group(struct refinement *r, int pcpu)
{
	if (pcpu != CPU_NOWHERE && r->ngroup < PART_PCPUS && place_in_group(r, pcpu) < 0)
		r->group[r->ngroup++] = (size_t)pcpu;
}

static bool has_moved(const struct refinement *r, size_t v)
{
	return r->problem->at[v] != CPU_NOWHERE && r->problem->at[v] != r->to[v];
}

/* p, some by chance, those they exchanged vCPUs with, and those these did. */
static void gather(struct refinement *r, size_t p)
{
	const struct cpu_problem *problem = r->problem;

	r->ngroup = 0;
	add_to_group(r, (int)p);
	for (unsigned int i = 0; i < PART_CHANCE; i++) {
		r->dice = r->dice * 1664525u + 1013904223u;
		add_to_group(r, (int)((r->dice >> 8) % problem->npcpus));
	}
	for (size_t i = 0; i < r->ngroup; i++) {
		int pcpu = (int)r->group[i];

		for (size_t v = r->first[pcpu]; v < problem->nvcpus; v = r->next[v]) {
			if (has_moved(r, v))
				add_to_group(r, problem->at[v]);
		}
		for (size_t v = r->native[pcpu]; v < problem->nvcpus; v = r->next_native[v]) {
			if (has_moved(r, v))
				add_to_group(r, r->to[v]);
		}
	}
}

/* A part of the problem, with the memory it stands on. */
struct part {
	struct cpu_problem problem;
	double base[PART_PCPUS], demand[PART_VCPUS];
	int core[PART_PCPUS], cache[PART_PCPUS], node[PART_PCPUS];
	int at[PART_VCPUS], to[PART_VCPUS];
	size_t vcpu[PART_VCPUS]; /* in the whole */
	unsigned char flags[PART_VCPUS][PART_PCPUS];
	const unsigned char *allowed[PART_VCPUS];
};

static void add_vcpu(const struct refinement *r, struct part *part, size_t v, size_t place)
{
	size_t n = part->problem.nvcpus;

	if (n == PART_VCPUS) {
		part->base[place] += r->problem->demand[v];
		return;
	}
	part->vcpu[n] = v;
	part->demand[n] = r->problem->demand[v];
	part->at[n] = (int)place_in_group(r, r->problem->at[v]);
	part->to[n] = (int)place;
	for (size_t k = 0; k < r->ngroup; k++)
		part->flags[n][k] = cpu_may(r->problem, v, r->group[k]);
	part->allowed[n] = part->flags[n];
	part->problem.nvcpus++;
}

static void add_pcpu(const struct refinement *r, struct part *part, size_t i)
{
	const struct cpu_problem *whole = r->problem;
	size_t p = r->group[i];

	part->base[i] = whole->base[p];
	part->core[i] = whole->core ? whole->core[p] : 0;
	part->cache[i] = whole->cache ? whole->cache[p] : 0;
	part->node[i] = whole->node ? whole->node[p] : 0;
}

/* The group as a problem: what has moved goes first, what there is no room for stays. */
static void build(const struct refinement *r, struct part *part)
{
	const struct cpu_problem *whole = r->problem;

	part->problem = (struct cpu_problem){
		.npcpus = r->ngroup,
		.base = part->base,
		.core = whole->core ? part->core : NULL,
		.cache = whole->cache ? part->cache : NULL,
		.node = whole->node ? part->node : NULL,
		.demand = part->demand,
		.at = part->at,
		.allowed = whole->allowed ? part->allowed : NULL,
		.top_most = r->high,
		.bottom_least = r->low,
		.whim = r->astray ? r->dice | 1 : 0,
	};
	for (size_t i = 0; i < r->ngroup; i++)
		add_pcpu(r, part, i);
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < r->ngroup; i++) {
			for (size_t v = r->first[r->group[i]]; v < whole->nvcpus; v = r->next[v]) {
				if (has_moved(r, v) == (pass == 0))
					add_vcpu(r, part, v, i);
			}
		}
	}
}

/* Solves the group. 0, or −1 when out of memory. */
static int solve(struct refinement *r)
{
	unsigned long given = PART_NODES, nodes;
	struct part part;
	int64_t before;
	bool failed;

	given = nodes = given < *r->nodes ? given : *r->nodes;
	build(r, &part);
	before = cpu_cost(&part.problem, part.to);
	cpu_search_exact(&part.problem, INFINITY, false, part.to, &nodes, &failed);
	*r->nodes -= given - nodes;
	if (failed || cpu_cost(&part.problem, part.to) >= before)
		return failed ? -1 : 0;
	for (size_t i = 0; i < part.problem.nvcpus; i++)
		r->to[part.vcpu[i]] = (int)r->group[part.to[i]];
	link_columns(r);
	return 0;
}

/* Did any vCPU come to p, or leave it? Elsewhere there is no move to be saved. */
static bool has_exchanged(const struct refinement *r, size_t p)
{
	for (size_t v = r->first[p]; v < r->problem->nvcpus; v = r->next[v]) {
		if (has_moved(r, v))
			return true;
	}
	for (size_t v = r->native[p]; v < r->problem->nvcpus; v = r->next_native[v]) {
		if (has_moved(r, v))
			return true;
	}
	return false;
}

static int round_once(struct refinement *r)
{
	for (size_t p = 0; p < r->problem->npcpus && *r->nodes; p++) {
		if (!has_exchanged(r, p))
			continue;
		gather(r, p);
		if (r->ngroup > 1 && solve(r))
			return -1;
	}
	return 0;
}

int cpu_refine(const struct cpu_problem *problem, double target, int *to, unsigned long *nodes)
{
	struct refinement r = {.problem = problem, .to = to, .nodes = nodes};
	double spare = fmax(target - cpu_spread(problem, to), 0), top = cpu_top(problem, to);
	size_t bound = cpu_moves_bound(problem, target);
	unsigned int rounds = ROUNDS + (unsigned int)(ROUNDS_PER_PCPU * (double)problem->npcpus);
	size_t moves = cpu_count_moves(problem, to);
	unsigned int idle = 0;
	unsigned long kept;
	int result = -1;

	r.high = fmin(top + spare / 2, fmax(problem->top_most, top));
	r.low = r.high - target;
	r.first = malloc((problem->npcpus + 1) * sizeof(*r.first));
	r.next = malloc((problem->nvcpus + 1) * sizeof(*r.next));
	r.native = malloc((problem->npcpus + 1) * sizeof(*r.native));
	r.next_native = malloc((problem->nvcpus + 1) * sizeof(*r.next_native));
	if (r.first && r.next && r.native && r.next_native) {
		link_columns(&r);
		link_homes(&r);
		result = 0;
	}
	kept = *nodes / LAST_SHARE;
	*nodes -= kept;
	for (; result == 0 && r.round < rounds && *nodes && idle < IDLE_ROUNDS; r.round++) {
		if (moves <= bound)
			break;
		r.astray = r.round % 2;
		result = round_once(&r);
		idle = cpu_count_moves(problem, to) < moves ? 0 : idle + 1;
		moves = cpu_count_moves(problem, to);
	}
	*nodes += kept;
	if (result == 0 && r.round > 1) {
		r.astray = false;
		result = round_once(&r);
	}
	free(r.first);
	free(r.next);
	free(r.native);
	free(r.next_native);
	return result;
}
