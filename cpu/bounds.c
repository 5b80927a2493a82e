/* SPDX-License-Identifier: MIT */
/* What no plan can do better: bounds of spread and of moves. */
#include "search.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Halvings of the range in which the busiest pCPU's load must lie. */
#define HALVINGS 24

static int compare_down(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x < y) - (x > y);
}

static double *sorted_copy(const double *values, size_t n)
{
	double *sorted = malloc((n + 1) * sizeof(*sorted));

	if (sorted && n) {
		memcpy(sorted, values, n * sizeof(*sorted));
		qsort(sorted, n, sizeof(*sorted), compare_down);
	}
	return sorted;
}

static double sum_of(const double *values, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += values[i];
	return sum;
}

/* How high every pCPU can be filled at most by pouring that much where there is least. */
static double water_level(const double *sorted, size_t n, double pour)
{
	double level = 0, sum = 0;

	for (size_t k = 1; k <= n; k++) {
		sum += sorted[n - k];
		level = (sum + pour) / (double)k;
		if (k == n || level <= sorted[n - k - 1])
			break;
	}
	return level;
}

/* What the busiest pCPU has at least: the mean, the largest vCPU, or two of the npcpus + 1 largest. */
static double least_top(const struct cpu_problem *problem, const double *bases,
			const double *demands)
{
	size_t m = problem->npcpus, n = problem->nvcpus;
	double mean = (sum_of(bases, m) + sum_of(demands, n)) / (double)m;
	double top = fmax(mean, bases[0]), base = bases[m - 1];

	if (n)
		top = fmax(top, base + demands[0]);
	if (n > m)
		top = fmax(top, base + demands[m - 1] + demands[m]);
	return top;
}

/* What the idlest pCPU has at most: vCPUs larger than the level take a pCPU each, the rest is shared. */
static double most_bottom(const struct cpu_problem *problem, const double *bases,
			  const double *demands)
{
	size_t m = problem->npcpus, n = problem->nvcpus, big = 0;
	double left = sum_of(demands, n);
	double level = water_level(bases, m, left);

	/* With unequal bases the rest is not that simple; the level alone holds. */
	if (bases[0] - bases[m - 1] > CPU_EPSILON)
		return level;
	while (big < n && big + 1 < m && bases[0] + demands[big] > level) {
		left -= demands[big++];
		level = bases[0] + left / (double)(m - big);
	}
	return level;
}

double cpu_spread_bound(const struct cpu_problem *problem)
{
	double *bases = sorted_copy(problem->base, problem->npcpus);
	double *demands = sorted_copy(problem->demand, problem->nvcpus);
	double bound = 0;

	if (bases && demands && problem->npcpus)
		bound = least_top(problem, bases, demands) - most_bottom(problem, bases, demands);
	free(bases);
	free(demands);
	return fmax(bound, 0);
}

/*
 * With top load t all loads are in [t − spread, t], so their sum is at least m·t − (m − 1)·spread; and
 * the idlest, at most the bottom bound, is not further below t than the spread.
 */
void cpu_top_bounds(const struct cpu_problem *problem, double spread, double *low, double *high)
{
	double *bases = sorted_copy(problem->base, problem->npcpus);
	double *demands = sorted_copy(problem->demand, problem->nvcpus);
	double m = (double)problem->npcpus, mean;

	*low = 0;
	*high = INFINITY;
	if (bases && demands && problem->npcpus) {
		mean = (sum_of(bases, problem->npcpus) + sum_of(demands, problem->nvcpus)) / m;
		*low = least_top(problem, bases, demands);
		*high = fmin(mean + spread * (m - 1) / m,
			     most_bottom(problem, bases, demands) + spread);
		*high = fmax(fmin(*high, problem->top_most), *low);
	}
	free(bases);
	free(demands);
}

/* How few of the vCPUs, largest first, make up at least `need`. */
static size_t fewest(const double *sorted, size_t n, double need)
{
	size_t count = 0;

	while (need > CPU_EPSILON && count < n)
		need -= sorted[count++];
	return count;
}

/* The vCPUs by pCPU, and by size. */
struct stock {
	size_t m, n;
	double *load;	 /* [m] */
	double *here;	 /* [n] demands, those of one pCPU together, largest first */
	size_t *start;	 /* [m + 1] where those of a pCPU begin in here[] */
	double *largest; /* [n] of all, largest first */
	bool floating;	 /* some are nowhere */
};

static void stock_free(struct stock *stock)
{
	free(stock->load);
	free(stock->here);
	free(stock->start);
	free(stock->largest);
}

static int stock_fill(struct stock *stock, const struct cpu_problem *problem)
{
	size_t m = problem->npcpus, n = problem->nvcpus;

	*stock = (struct stock){.m = m, .n = n};
	stock->load = malloc((m + 1) * sizeof(*stock->load));
	stock->here = malloc((n + 1) * sizeof(*stock->here));
	stock->start = calloc(m + 2, sizeof(*stock->start));
	stock->largest = sorted_copy(problem->demand, n);
	if (!stock->load || !stock->here || !stock->start || !stock->largest)
		return -1;
	memcpy(stock->load, problem->base, m * sizeof(*stock->load));
	for (size_t v = 0; v < n; v++) {
		if (problem->at[v] == CPU_NOWHERE) {
			stock->floating = true;
			continue;
		}
		stock->load[problem->at[v]] += problem->demand[v];
		stock->start[problem->at[v] + 2]++;
	}
	for (size_t p = 0; p < m; p++)
		stock->start[p + 2] += p + 2 < m + 2 ? stock->start[p + 1] : 0;
	/* start[p + 1] walks from where p's begin to where they end. */
	for (size_t v = 0; v < n; v++) {
		if (problem->at[v] != CPU_NOWHERE)
			stock->here[stock->start[problem->at[v] + 1]++] = problem->demand[v];
	}
	for (size_t p = 0; p < m; p++)
		qsort(stock->here + stock->start[p], stock->start[p + 1] - stock->start[p],
		      sizeof(*stock->here), compare_down);
	return 0;
}

/* Moves away from where there is more than high, and to where there is less than low: each at least. */
static void count_needed(const struct stock *stock, double low, double high, size_t *out,
			 size_t *in)
{
	*out = *in = 0;
	for (size_t p = 0; p < stock->m; p++) {
		*out += fewest(stock->here + stock->start[p],
			       stock->start[p + 1] - stock->start[p], stock->load[p] - high);
		/* Floating vCPUs fill for nothing. */
		if (!stock->floating)
			*in += fewest(stock->largest, stock->n, low - stock->load[p]);
	}
}

/*
 * Whatever the top load t is, out(t) moves leave where there is more than t, and in(t − spread) come to
 * where there is less; one move can do both. out falls with t and in rises, so the least of the larger of
 * the two is where they cross.
 */
size_t cpu_moves_bound(const struct cpu_problem *problem, double spread)
{
	struct stock stock;
	double low, high;
	size_t out = 0, in = 0, best = SIZE_MAX;

	if (!problem->npcpus || stock_fill(&stock, problem)) {
		if (problem->npcpus)
			stock_free(&stock);
		return 0;
	}
	cpu_top_bounds(problem, spread, &low, &high);
	for (int i = 0; i < HALVINGS; i++) {
		double top = i == 0 ? high : i == 1 ? low : (low + high) / 2;

		/* Rounding must never make the bound too large. */
		count_needed(&stock, top - spread - 2 * CPU_EPSILON, top + 2 * CPU_EPSILON, &out,
			     &in);
		best = out > in ? (out < best ? out : best) : (in < best ? in : best);
		if (i < 2)
			continue;
		if (out > in)
			low = top;
		else
			high = top;
	}
	/* Between the last two tops each count is at least what it is at its better end. */
	count_needed(&stock, low - spread - 2 * CPU_EPSILON, high + 2 * CPU_EPSILON, &out, &in);
	stock_free(&stock);
	return out > in ? (out < best ? out : best) : (in < best ? in : best);
}
