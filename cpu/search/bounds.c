/* SPDX-License-Identifier: MIT */
/* What no plan can do better: bounds of spread and of moves. */
#include "bounds.h"

#include "board.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Halvings of the range in which the busiest pCPU's load must lie. */
#define HALVINGS 5

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

/*
 * What the busiest pCPU has at least: the mean, the largest vCPU, or two of the npcpus + 1 largest.
 */
static double least_top(const struct cpu_problem *problem, const double *bases,
			const double *demands)
{
	size_t m = problem->npcpus, n = problem->nvcpus;
	double mean = (sum_of(bases, m) + sum_of(demands, n)) / (double)m;
	double top = cpu_larger(mean, bases[0]), base = bases[m - 1];

	if (n)
		top = cpu_larger(top, base + demands[0]);
	if (n > m)
		top = cpu_larger(top, base + demands[m - 1] + demands[m]);
	return top;
}

/*
 * What the idlest pCPU has at most: vCPUs larger than the level take a pCPU each, the rest is
 * shared.
 */
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
	return cpu_larger(bound, 0);
}

/*
 * With top load t all loads are in [t − spread, t], so their sum is at least m·t − (m − 1)·spread;
 * and the idlest, at most the bottom bound, is not further below t than the spread.
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
		*high = cpu_lesser(mean + spread * (m - 1) / m,
				   most_bottom(problem, bases, demands) + spread);
		*high = cpu_larger(cpu_lesser(*high, problem->top_most), *low);
	}
	free(bases);
	free(demands);
}

/*
 * Moves. All loads must come to lie within a window [low, high]. A pCPU below it is lacking, the
 * others have something to spare: what they have above low. In any plan some of these are refilled,
 * that is, get a vCPU, and the others are not; let b be the number of the refilled. Then
 *
 * 1. What leaves a pCPU that is not refilled is no more than it can spare, so nothing larger than
 * that leaves it. Those above the window lose at least their excess. So many moves are needed to
 * take it away: with the largest vCPUs from a refilled one, with the largest that it can spare from
 * another.
 * 2. b moves end at refilled pCPUs, and others at lacking ones, each of which needs one at least.
 * They bring vCPUs that their pCPUs could spare, or vCPUs of refilled ones; none twice; and what
 * one brings beyond what is lacking is of no use. k of them on g pCPUs are of no more use than the
 * k largest, each for the lesser of its size and the lack, largest with largest, where the k − g
 * that are more than one for each all count as if they went where most is lacking.
 *
 * Neither is possible with fewer moves than these, so for no b are there fewer than the larger of
 * the two, and the least of this over all b is a bound.
 */
struct stock {
	size_t m, n;
	double *load;	/* [m] */
	double *here;	/* [n] demands, those of one pCPU together, largest first */
	size_t *start;	/* [m + 1] where those of a pCPU begin in here[] */
	size_t *sorted; /* [n] all vCPUs, largest first */
	const struct cpu_problem *problem;
	bool floating; /* some are nowhere */
	/* Of a window: */
	double *lacks; /* [m] of those that are lacking, largest first */
	size_t nlacks;
	size_t *rank; /* [n] 0: may leave its pCPU though that is not refilled; else the how-manieth
			 largest it is of those there that may not */
	size_t *out;  /* [m + 1] moves that must leave pCPUs if so many are refilled */
	size_t *taken; /* [m + n] scratch, by pCPU or rank */
	double *offer; /* [n] scratch: what can be had, largest first */
	size_t noffer;
};

static void stock_free(struct stock *stock)
{
	free(stock->load);
	free(stock->here);
	free(stock->start);
	free(stock->sorted);
	free(stock->lacks);
	free(stock->rank);
	free(stock->out);
	free(stock->taken);
	free(stock->offer);
}

static int stock_allocate(struct stock *stock)
{
	size_t m = stock->m + 2, n = stock->n + 1;

	stock->load = malloc(m * sizeof(*stock->load));
	stock->here = malloc(n * sizeof(*stock->here));
	stock->start = calloc(m, sizeof(*stock->start));
	stock->sorted = board_sort(stock->problem);
	stock->lacks = malloc(m * sizeof(*stock->lacks));
	stock->rank = malloc(n * sizeof(*stock->rank));
	stock->out = malloc(m * sizeof(*stock->out));
	stock->taken = calloc(m + n, sizeof(*stock->taken));
	stock->offer = malloc(n * sizeof(*stock->offer));
	return stock->load && stock->here && stock->start && stock->sorted && stock->lacks &&
			       stock->rank && stock->out && stock->taken && stock->offer
		       ? 0
		       : -1;
}

static int stock_fill(struct stock *stock, const struct cpu_problem *problem)
{
	size_t m = problem->npcpus, n = problem->nvcpus;

	*stock = (struct stock){.m = m, .n = n, .problem = problem};
	if (stock_allocate(stock))
		return -1;
	memcpy(stock->load, problem->base, m * sizeof(*stock->load));
	for (size_t v = 0; v < n; v++) {
		if (problem->at[v] == CPU_NOWHERE) {
			stock->floating = true;
			continue;
		}
		stock->load[problem->at[v]] += problem->demand[v];
		if ((size_t)problem->at[v] + 2 < m + 2)
			stock->start[problem->at[v] + 2]++;
	}
	for (size_t p = 2; p < m + 2; p++)
		stock->start[p] += stock->start[p - 1];
	/* start[p + 1] walks from where p's begin to where they end. */
	for (size_t i = 0; i < n; i++) {
		size_t v = stock->sorted[i];

		if (problem->at[v] != CPU_NOWHERE)
			stock->here[stock->start[problem->at[v] + 1]++] = problem->demand[v];
	}
	return 0;
}

/*
 * How few of the vCPUs, largest first, make up at least `need`; more than n if all of them do not.
 */
static size_t fewest(const double *sorted, size_t n, double need)
{
	size_t count = 0;

	while (need > CPU_EPSILON && count < n)
		need -= sorted[count++];
	return need > CPU_EPSILON ? n + 1 : count;
}

static int compare_counts_down(const void *a, const void *b)
{
	size_t x = *(const size_t *)a, y = *(const size_t *)b;

	return (x < y) - (x > y);
}

/*
 * How many moves must leave a pCPU that has something to spare: if it is refilled, and how many
 * more if not.
 */
static size_t count_out(const struct stock *stock, size_t p, double low, double high, size_t *more)
{
	const double *here = stock->here + stock->start[p];
	size_t n = stock->start[p + 1] - stock->start[p], kept = 0;
	size_t refilled = fewest(here, n, stock->load[p] - high), alone;

	*more = 0;
	/*
	 * Load that is no vCPU's may be above any window: then there is no plan, and nothing to
	 * count.
	 */
	if (refilled > n)
		return 0;
	while (kept < n && here[kept] > stock->load[p] - low + CPU_EPSILON)
		kept++;
	alone = fewest(here + kept, n - kept, stock->load[p] - high);
	*more = alone > n - kept ? stock->n : alone - refilled;
	return refilled;
}

/* Finds what there is to take away and to fill for a window. */
static void look_through(struct stock *stock, double low, double high)
{
	const struct cpu_problem *problem = stock->problem;
	size_t moves = 0, *more = stock->out;

	stock->nlacks = 0;
	for (size_t p = 0; p < stock->m; p++) {
		stock->taken[p] = more[p] = 0;
		if (stock->load[p] < low - CPU_EPSILON)
			stock->lacks[stock->nlacks++] = low - stock->load[p];
		else
			moves += count_out(stock, p, low, high, &more[p]);
	}
	for (size_t i = 0; i < stock->n; i++) {
		int home = problem->at[stock->sorted[i]];
		double spare = home == CPU_NOWHERE ? INFINITY : stock->load[home] - low;

		stock->rank[i] = 0;
		if (spare > -CPU_EPSILON && problem->demand[stock->sorted[i]] > spare + CPU_EPSILON)
			stock->rank[i] = ++stock->taken[home];
	}
	qsort(stock->lacks, stock->nlacks, sizeof(*stock->lacks), compare_down);
	/* Refilling helps most where it saves most: sums from the end. */
	qsort(more, stock->m, sizeof(*more), compare_counts_down);
	more[stock->m] = moves;
	for (size_t b = stock->m; b-- > 0;)
		more[b] += more[b + 1];
}

/* What can be had if b pCPUs are refilled: what can be spared, and of each rank the b largest. */
static void make_offer(struct stock *stock, size_t b)
{
	memset(stock->taken, 0, (stock->n + 1) * sizeof(*stock->taken));
	stock->noffer = 0;
	for (size_t i = 0; i < stock->n; i++) {
		if (!stock->rank[i] || stock->taken[stock->rank[i]]++ < b)
			stock->offer[stock->noffer++] = stock->problem->demand[stock->sorted[i]];
	}
}

/* Of how much use k vCPUs of the offer can be to the lacking. */
static double use_of(const struct stock *stock, size_t k)
{
	size_t more = k - stock->nlacks;
	double use = 0;

	for (size_t i = 0; i < k && i < stock->noffer; i++)
		use += cpu_lesser(stock->offer[i], stock->lacks[i < more ? 0 : i - more]);
	return use;
}

/*
 * How few vCPUs make up for all that is lacking if b pCPUs are refilled; `least` of them at least.
 */
static size_t fewest_fills(struct stock *stock, size_t b, size_t least)
{
	double all = sum_of(stock->lacks, stock->nlacks) - CPU_EPSILON * (double)stock->nlacks;
	size_t most = stock->n;

	if (!stock->nlacks)
		return 0;
	make_offer(stock, b);
	while (least < most) {
		size_t middle = (least + most) / 2;

		if (use_of(stock, middle) >= all)
			most = middle;
		else
			least = middle + 1;
	}
	return least;
}

/* How few vCPUs fill the lacking one by one, if each could have the largest of all. */
static size_t fewest_singly(const struct stock *stock)
{
	size_t moves = 0;

	for (size_t l = 0; l < stock->nlacks; l++) {
		double lack = stock->lacks[l];

		for (size_t i = 0; i < stock->n && lack > CPU_EPSILON; i++, moves++)
			lack -= stock->problem->demand[stock->sorted[i]];
	}
	return moves;
}

/* With b pCPUs refilled there are no fewer moves than this to bring all loads into the window. */
static size_t bound_with(struct stock *stock, size_t b, size_t fills)
{
	size_t moves = b + fewest_fills(stock, b, fills);

	return stock->out[b] > moves ? stock->out[b] : moves;
}

/* No plan that brings all loads into the window has fewer moves than this. */
static size_t window_bound(struct stock *stock, double low, double high)
{
	size_t fills, best, first = 0;

	look_through(stock, low, high);
	/* What floats fills and refills for nothing. */
	if (stock->floating)
		return stock->out[stock->m];
	fills = fewest_singly(stock);
	/*
	 * Where the two counts meet is the best guess; most other numbers then need no closer look.
	 */
	while (first < stock->m && stock->out[first] > first + fills)
		first++;
	best = bound_with(stock, first, fills);
	for (size_t b = 0; b <= stock->m && b + fills < best; b++) {
		size_t moves = stock->out[b] < best ? bound_with(stock, b, fills) : best;

		best = moves < best ? moves : best;
	}
	return best;
}

/*
 * The least bound of all windows with that spread whose upper end is between low and high: of
 * ranges of such windows as if they were one large one, and of the halves of the range where that
 * says least. most: what is not to be exceeded anyway.
 */
static size_t range_bound(struct stock *stock, double low, double high, double spread, int depth,
			  size_t most)
{
	/* Rounding must never make the bound too large. */
	size_t bound = window_bound(stock, low - spread - 2 * CPU_EPSILON, high + 2 * CPU_EPSILON);
	double middle = (low + high) / 2;

	if (bound >= most || depth == 0)
		return bound < most ? bound : most;
	most = range_bound(stock, low, middle, spread, depth - 1, most);
	if (most == bound)
		return bound;
	return range_bound(stock, middle, high, spread, depth - 1, most);
}

size_t cpu_moves_bound(const struct cpu_problem *problem, double spread)
{
	struct stock stock;
	double low, high;
	size_t bound = 0;

	if (!problem->npcpus)
		return 0;
	if (stock_fill(&stock, problem) == 0) {
		cpu_top_bounds(problem, spread, &low, &high);
		bound = range_bound(&stock, low, high, spread, HALVINGS, problem->nvcpus);
	}
	stock_free(&stock);
	return bound;
}
