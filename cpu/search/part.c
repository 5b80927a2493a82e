/* SPDX-License-Identifier: MIT */
/* Relief of overloaded pCPUs, and parting of busy vCPUs that are in each other's way. */
#include "part.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What is busy: a vCPU, or a thread of a core, with at least this. */
#define BUSY_PCT 50.0

/* A core is idle if none of its threads has more. */
#define IDLE_PCT 20.0

/* A pCPU has room as far as it then has no more than this. */
#define FULL_PCT 100.0

/* Relief of less than this is not worth a move. */
#define RELIEF_PCT 10.0

/* How many pCPUs at either end of the order of load are known: of two that change one is left. */
#define ENDS 3

struct parting {
	const struct cpu_problem *problem;
	double spread_most;
	int *to;
	bool *moved;
	double *load;			      /* [npcpus] */
	size_t least[ENDS], most[ENDS], ends; /* the pCPUs with least and most load */
};

static bool is_busy(const struct parting *parting, size_t v)
{
	return parting->problem->demand[v] >= BUSY_PCT;
}

/* Is there a busy vCPU of the same guest on the pCPU? A guest's vCPUs stand together. */
static bool meets_own(const struct parting *parting, size_t v, int pcpu)
{
	const struct cpu_problem *problem = parting->problem;
	size_t guest = problem->guest[v];

	for (size_t u = v; u-- > 0 && problem->guest[u] == guest;) {
		if (parting->to[u] == pcpu && is_busy(parting, u))
			return true;
	}
	for (size_t u = v + 1; u < problem->nvcpus && problem->guest[u] == guest; u++) {
		if (parting->to[u] == pcpu && is_busy(parting, u))
			return true;
	}
	return false;
}

/* Is there a busy vCPU beside a real-time one on the pCPU, if v is there too, and is either? */
static bool meets_realtime(const struct parting *parting, size_t v, int pcpu)
{
	const struct cpu_problem *problem = parting->problem;

	for (size_t u = 0; problem->realtime && u < problem->nvcpus; u++) {
		if (u != v && parting->to[u] == pcpu &&
		    ((problem->realtime[v] && is_busy(parting, u)) ||
		     (problem->realtime[u] && is_busy(parting, v))))
			return true;
	}
	return false;
}

/* Puts p into a list of the ENDS largest values. */
static void insert(size_t *list, size_t *n, size_t p, const double *load, double sign)
{
	size_t i = *n < ENDS ? (*n)++ : ENDS;

	for (; i > 0 && sign * load[list[i - 1]] < sign * load[p]; i--) {
		if (i < ENDS)
			list[i] = list[i - 1];
	}
	if (i < ENDS)
		list[i] = p;
}

static void find_ends(struct parting *parting)
{
	size_t n = 0;

	parting->ends = 0;
	for (size_t p = 0; p < parting->problem->npcpus; p++) {
		insert(parting->most, &n, p, parting->load, 1);
		insert(parting->least, &parting->ends, p, parting->load, -1);
	}
}

/* The spread if a load of `shift` went from p to q. */
static double spread_after(const struct parting *parting, size_t p, size_t q, double shift)
{
	double from = parting->load[p] - shift, to = parting->load[q] + shift;
	double least = fmin(from, to), most = fmax(from, to);

	for (size_t i = 0; i < parting->ends; i++) {
		if (parting->least[i] != p && parting->least[i] != q)
			least = fmin(least, parting->load[parting->least[i]]);
		if (parting->most[i] != p && parting->most[i] != q)
			most = fmax(most, parting->load[parting->most[i]]);
	}
	return most - least;
}

static void put(struct parting *parting, size_t v, size_t q)
{
	double demand = parting->problem->demand[v];

	parting->load[parting->to[v]] -= demand;
	parting->load[q] += demand;
	parting->to[v] = (int)q;
}

/* --- overloaded pCPUs --- */

static double overload(double load)
{
	return fmax(load - FULL_PCT, 0);
}

/* v goes to q, and other (or none: nvcpus) in exchange. */
struct relief {
	size_t v, q, other;
	double worth; /* overload taken away, per move */
};

static void consider_relief(const struct parting *parting, size_t v, size_t q, size_t other,
			    struct relief *best)
{
	const struct cpu_problem *problem = parting->problem;
	size_t p = (size_t)parting->to[v];
	double shift = problem->demand[v], moves = 1, worth;

	if (other < problem->nvcpus) {
		shift -= problem->demand[other];
		moves = 2;
		if (shift <= 0 || !cpu_may(problem, other, p))
			return;
	}
	worth = (overload(parting->load[p]) + overload(parting->load[q]) -
		 overload(parting->load[p] - shift) - overload(parting->load[q] + shift)) /
		moves;
	if (worth > best->worth + CPU_EPSILON && cpu_may(problem, v, q) &&
	    spread_after(parting, p, q, shift) <= parting->spread_most + CPU_EPSILON)
		*best = (struct relief){v, q, other, worth};
}

/* Takes load off a pCPU as long as it has too much and another has room. */
static void relieve(struct parting *parting, size_t p)
{
	const struct cpu_problem *problem = parting->problem;
	struct relief best;

	do {
		best = (struct relief){.worth = RELIEF_PCT};
		if (overload(parting->load[p]) < RELIEF_PCT)
			return;
		find_ends(parting);
		if (parting->load[parting->least[0]] > FULL_PCT - RELIEF_PCT)
			return;
		for (size_t v = 0; v < problem->nvcpus; v++) {
			if (parting->to[v] != (int)p)
				continue;
			for (size_t q = 0; q < problem->npcpus; q++) {
				if (parting->load[q] <= FULL_PCT - RELIEF_PCT)
					consider_relief(parting, v, q, problem->nvcpus, &best);
			}
			for (size_t u = 0; u < problem->nvcpus; u++) {
				if (parting->load[parting->to[u]] <= FULL_PCT - RELIEF_PCT)
					consider_relief(parting, v, (size_t)parting->to[u], u,
							&best);
			}
		}
		if (best.worth > RELIEF_PCT) {
			if (best.other < problem->nvcpus)
				put(parting, best.other, p);
			put(parting, best.v, best.q);
		}
	} while (best.worth > RELIEF_PCT);
}

/* --- busy vCPUs and threads --- */

/* A place for v, and who would have to leave it: nobody (nvcpus) or one vCPU in exchange. */
struct place {
	bool found;
	size_t pcpu, other;
	int64_t cost;
};

static void consider(const struct parting *parting, size_t v, size_t q, size_t other,
		     struct place *best)
{
	const struct cpu_problem *problem = parting->problem;
	size_t p = (size_t)parting->to[v];
	double shift = problem->demand[v];
	int64_t cost = cpu_cost_at(problem, v, (int)q);

	if (other < problem->nvcpus) {
		shift -= problem->demand[other];
		cost += cpu_cost_at(problem, other, (int)p) -
			cpu_cost_at(problem, other, parting->to[other]);
		if (!cpu_may(problem, other, p) ||
		    (is_busy(parting, other) && meets_own(parting, other, (int)p)) ||
		    meets_realtime(parting, other, (int)p))
			return;
	}
	if ((best->found && cost >= best->cost) ||
	    parting->load[q] + shift > fmin(FULL_PCT, problem->top_most) ||
	    spread_after(parting, p, q, shift) > parting->spread_most + CPU_EPSILON)
		return;
	*best = (struct place){.found = true, .pcpu = q, .other = other, .cost = cost};
}

/* Moves v to the cheapest place on a pCPU that passes the test, or else swaps it there. */
static void move_away(struct parting *parting, size_t v,
		      bool (*test)(const struct parting *parting, size_t v, size_t q))
{
	const struct cpu_problem *problem = parting->problem;
	struct place best = {0};

	find_ends(parting);
	for (size_t q = 0; q < problem->npcpus; q++) {
		if ((int)q != parting->to[v] && cpu_may(problem, v, q) && test(parting, v, q))
			consider(parting, v, q, problem->nvcpus, &best);
	}
	for (size_t u = 0; u < problem->nvcpus && !best.found; u++) {
		size_t q = (size_t)parting->to[u];

		if ((int)q != parting->to[v] && cpu_may(problem, v, q) && test(parting, v, q))
			consider(parting, v, q, u, &best);
	}
	if (!best.found)
		return;
	if (best.other < problem->nvcpus) {
		parting->moved[best.other] = true;
		put(parting, best.other, (size_t)parting->to[v]);
	}
	parting->moved[v] = true;
	put(parting, v, best.pcpu);
}

/* --- vCPUs of one guest --- */

static bool is_free_of_own(const struct parting *parting, size_t v, size_t q)
{
	return !meets_own(parting, v, (int)q) && !meets_realtime(parting, v, (int)q);
}

static bool is_free_of_realtime(const struct parting *parting, size_t v, size_t q)
{
	return !meets_realtime(parting, v, (int)q);
}

/* --- threads of one core --- */

/* The busiest other thread of the core, or −1 where it has none. */
static double sibling_load(const struct parting *parting, size_t p)
{
	const int *core = parting->problem->core;
	double most = -1;

	for (size_t q = 0; core && core[p] >= 0 && q < parting->problem->npcpus; q++) {
		if (q != p && core[q] == core[p])
			most = fmax(most, parting->load[q]);
	}
	return most;
}

static bool is_on_idle_core(const struct parting *parting, size_t v, size_t q)
{
	return parting->load[q] <= IDLE_PCT && sibling_load(parting, q) <= IDLE_PCT &&
	       !meets_own(parting, v, (int)q) && !meets_realtime(parting, v, (int)q);
}

static bool is_beside_busy(const struct parting *parting, size_t v)
{
	size_t p = (size_t)parting->to[v];

	return parting->load[p] <= FULL_PCT && sibling_load(parting, p) >= BUSY_PCT;
}

/* Do pCPUs share cores at all? */
static bool has_threads(const struct cpu_problem *problem)
{
	for (size_t p = 1; problem->core && p < problem->npcpus; p++) {
		for (size_t q = 0; q < p && problem->core[p] >= 0; q++) {
			if (problem->core[p] == problem->core[q])
				return true;
		}
	}
	return false;
}

int cpu_part(const struct cpu_problem *problem, double spread_most, int *to, bool *moved)
{
	struct parting parting = {
		.problem = problem, .spread_most = spread_most, .to = to, .moved = moved};
	bool threads = has_threads(problem);

	parting.load = malloc((problem->npcpus + 1) * sizeof(*parting.load));
	if (!parting.load)
		return -1;
	memcpy(parting.load, problem->base, problem->npcpus * sizeof(*parting.load));
	for (size_t v = 0; v < problem->nvcpus; v++)
		parting.load[to[v]] += problem->demand[v];
	for (size_t p = 0; p < problem->npcpus; p++)
		relieve(&parting, p);
	for (size_t v = 0; v < problem->nvcpus; v++) {
		if (meets_realtime(&parting, v, to[v]))
			move_away(&parting, v, is_free_of_realtime);
		if (!is_busy(&parting, v))
			continue;
		if (meets_own(&parting, v, to[v]))
			move_away(&parting, v, is_free_of_own);
		else if (threads && is_beside_busy(&parting, v))
			move_away(&parting, v, is_on_idle_core);
	}
	free(parting.load);
	return 0;
}
