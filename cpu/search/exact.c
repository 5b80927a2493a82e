/* SPDX-License-Identifier: MIT */
/* The complete search: branch and bound over the vCPUs, largest first. For small hosts. */
#include "exact.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct tree {
	const struct cpu_problem *problem;
	double target;
	bool minimise_spread;
	unsigned long *nodes;
	size_t n, m;
	size_t *vcpus;	   /* [n] largest demand first */
	double *left;	   /* [n + 1] demand of vcpus[i] and all after it */
	double *load;	   /* [m] base and what is decided */
	double *staying;   /* [m] demand of the undecided vCPUs whose home this is */
	size_t *home_next; /* [n] the next vCPU in order with the same home, or n */
	size_t *home_head; /* [m] the first undecided vCPU with that home, or n */
	double high;	   /* no pCPU can have more within the target */
	double most;	   /* the busiest has at least this at the end */
	int *now;	   /* [n] decisions, by vCPU */
	int *best;
	int64_t best_cost;
	double best_spread;
};

static int compare_demand(const void *a, const void *b, void *opaque)
{
	const struct cpu_problem *problem = opaque;
	size_t x = *(const size_t *)a, y = *(const size_t *)b;

	if (problem->demand[x] != problem->demand[y])
		return problem->demand[x] > problem->demand[y] ? -1 : 1;
	if (problem->at[x] != problem->at[y])
		return problem->at[x] < problem->at[y] ? -1 : 1;
	return (x > y) - (x < y);
}

/* Can what is left still lift every pCPU to within the target of the busiest? */
static bool can_level(const struct tree *tree, size_t depth, double target)
{
	double most = tree->most, need = 0;

	for (size_t p = 0; p < tree->m; p++)
		most = cpu_larger(most, tree->load[p]);
	for (size_t p = 0; p < tree->m; p++)
		need += cpu_larger(
			cpu_larger(most - target, tree->problem->bottom_least) - tree->load[p], 0);
	return need <= tree->left[depth] + CPU_EPSILON;
}

/* At least so many of the undecided vCPUs must still move: away from where there is too much, or to
 * where there is too little. */
static size_t moves_left(const struct tree *tree, size_t depth)
{
	double low =
		cpu_larger(tree->most - tree->target, tree->problem->bottom_least) - CPU_EPSILON;
	size_t out = 0, in = 0;
	bool floating = false;

	for (size_t p = 0; p < tree->m; p++)
		low = cpu_larger(low, tree->load[p] - tree->target - CPU_EPSILON);
	for (size_t p = 0; p < tree->m; p++) {
		double load = tree->load[p] + tree->staying[p];
		size_t i;

		for (i = tree->home_head[p]; load > tree->high && i < tree->n;
		     i = tree->home_next[i]) {
			load -= tree->problem->demand[tree->vcpus[i]];
			out++;
		}
		load = tree->load[p] + tree->staying[p];
		for (i = depth; load < low && i < tree->n; i++) {
			load += tree->problem->demand[tree->vcpus[i]];
			floating |= tree->problem->at[tree->vcpus[i]] == CPU_NOWHERE;
			in++;
		}
	}
	return floating || out > in ? out : in;
}

static bool is_hopeless(const struct tree *tree, size_t depth, int64_t cost)
{
	if (tree->minimise_spread)
		return tree->best_spread <= tree->target ||
		       !can_level(tree, depth, tree->best_spread - CPU_EPSILON);
	if (!can_level(tree, depth, tree->target))
		return true;
	return cost + (int64_t)moves_left(tree, depth) * CPU_COST_MOVE >= tree->best_cost;
}

static void keep(struct tree *tree, int64_t cost)
{
	double least = INFINITY, most = -INFINITY;

	for (size_t p = 0; p < tree->m; p++) {
		least = cpu_lesser(least, tree->load[p]);
		most = cpu_larger(most, tree->load[p]);
	}
	if (tree->minimise_spread
		    ? most - least >= tree->best_spread - CPU_EPSILON
		    : cost >= tree->best_cost || most - least > tree->target + CPU_EPSILON)
		return;
	if (least < tree->problem->bottom_least - CPU_EPSILON)
		return;
	tree->best_cost = cost;
	tree->best_spread = most - least;
	memcpy(tree->best, tree->now, tree->n * sizeof(*tree->best));
}

/* Is p the same as an earlier choice: as much load, nobody's home, as far away? */
static bool is_repeated(const struct tree *tree, size_t v, size_t first, size_t p)
{
	if (tree->problem->allowed)
		return false;
	for (size_t q = first; q < p; q++) {
		if (fabs(tree->load[q] - tree->load[p]) > CPU_EPSILON)
			continue;
		if (tree->minimise_spread)
			return true;
		if (tree->home_head[q] == tree->n && tree->home_head[p] == tree->n &&
		    cpu_cost_at(tree->problem, v, (int)q) == cpu_cost_at(tree->problem, v, (int)p))
			return true;
	}
	return false;
}

/* Of two vCPUs that are alike the second never goes to a lower pCPU than the first. */
static size_t first_choice(const struct tree *tree, size_t depth)
{
	const struct cpu_problem *problem = tree->problem;
	size_t v, u;

	if (!depth || problem->allowed)
		return 0;
	v = tree->vcpus[depth];
	u = tree->vcpus[depth - 1];
	if (problem->demand[u] != problem->demand[v] ||
	    (!tree->minimise_spread && problem->at[u] != problem->at[v]))
		return 0;
	return (size_t)tree->now[u];
}

static void branch(struct tree *tree, size_t depth, int64_t cost);

static void try_place(struct tree *tree, size_t depth, size_t p, int64_t cost)
{
	size_t v = tree->vcpus[depth];
	double demand = tree->problem->demand[v], was = tree->load[p];

	if (was + demand > tree->high)
		return;
	tree->now[v] = (int)p;
	tree->load[p] += demand;
	branch(tree, depth + 1, cost + cpu_cost_at(tree->problem, v, (int)p));
	tree->load[p] = was;
}

static void branch(struct tree *tree, size_t depth, int64_t cost)
{
	size_t v, first;
	int home;
	double staying = 0;

	if (!*tree->nodes)
		return;
	--*tree->nodes;
	if (is_hopeless(tree, depth, cost))
		return;
	if (depth == tree->n) {
		keep(tree, cost);
		return;
	}
	v = tree->vcpus[depth];
	home = tree->problem->at[v];
	first = first_choice(tree, depth);
	if (home != CPU_NOWHERE) {
		staying = tree->staying[home];
		tree->staying[home] -= tree->problem->demand[v];
		tree->home_head[home] = tree->home_next[depth];
	}
	if (home != CPU_NOWHERE && (size_t)home >= first && cpu_may(tree->problem, v, (size_t)home))
		try_place(tree, depth, (size_t)home, cost);
	for (size_t p = first; p < tree->m; p++) {
		if ((int)p != home && cpu_may(tree->problem, v, p) &&
		    !is_repeated(tree, v, first, p))
			try_place(tree, depth, p, cost);
	}
	if (home != CPU_NOWHERE) {
		tree->staying[home] = staying;
		tree->home_head[home] = depth;
	}
}

/* Orders the vCPUs and links those of one home. */
static void plant(struct tree *tree)
{
	const struct cpu_problem *problem = tree->problem;
	double total = 0, mean, slack = tree->target * (double)(tree->m - 1) / (double)tree->m;

	for (size_t i = 0; i < tree->n; i++)
		tree->vcpus[i] = i;
	qsort_r(tree->vcpus, tree->n, sizeof(*tree->vcpus), compare_demand, (void *)problem);
	for (size_t p = 0; p < tree->m; p++) {
		tree->load[p] = problem->base[p];
		tree->home_head[p] = tree->n;
		total += problem->base[p];
		tree->most = cpu_larger(tree->most, problem->base[p]);
	}
	for (size_t i = tree->n; i-- > 0;) {
		size_t v = tree->vcpus[i];
		int home = problem->at[v];

		total += problem->demand[v];
		tree->left[i] = tree->left[i + 1] + problem->demand[v];
		tree->home_next[i] = tree->n;
		if (home == CPU_NOWHERE)
			continue;
		tree->home_next[i] = tree->home_head[home];
		tree->home_head[home] = i;
		tree->staying[home] += problem->demand[v];
	}
	mean = total / (double)tree->m;
	tree->most = cpu_larger(tree->most, mean);
	tree->high = problem->top_most + CPU_EPSILON;
	if (!tree->minimise_spread)
		tree->high = cpu_lesser(tree->high, mean + slack + CPU_EPSILON);
}

bool cpu_search_exact(const struct cpu_problem *problem, double target, bool minimise_spread,
		      int *to, unsigned long *nodes, bool *failed)
{
	size_t n = problem->nvcpus, m = problem->npcpus;
	struct tree tree = {.problem = problem,
			    .target = target,
			    .nodes = nodes,
			    .n = n,
			    .m = m,
			    .minimise_spread = minimise_spread,
			    .best = to};
	bool complete = false;

	tree.vcpus = malloc((n + 1) * sizeof(*tree.vcpus));
	tree.left = calloc(n + 1, sizeof(*tree.left));
	tree.load = malloc((m + 1) * sizeof(*tree.load));
	tree.staying = calloc(m + 1, sizeof(*tree.staying));
	tree.home_next = malloc((n + 1) * sizeof(*tree.home_next));
	tree.home_head = malloc((m + 1) * sizeof(*tree.home_head));
	tree.now = malloc((n + 1) * sizeof(*tree.now));
	*failed = !tree.vcpus || !tree.left || !tree.load || !tree.staying || !tree.home_next ||
		  !tree.home_head || !tree.now;
	if (!*failed) {
		plant(&tree);
		tree.best_cost = cpu_cost(problem, to);
		tree.best_spread = cpu_spread(problem, to);
		branch(&tree, 0, 0);
		complete = *nodes > 0;
	}
	free(tree.vcpus);
	free(tree.left);
	free(tree.load);
	free(tree.staying);
	free(tree.home_next);
	free(tree.home_head);
	free(tree.now);
	return complete;
}
