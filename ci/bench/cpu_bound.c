/* SPDX-License-Identifier: MIT */
/*
 * A sharp lower bound of the moves of large cases, by Lagrangian relaxation. That each vCPU is on
 * exactly one pCPU is given up and priced instead: whoever holds a vCPU is paid its price, and all
 * prices are to be paid once. Then each pCPU is a problem of its own: the cheapest set of vCPUs
 * whose load lies in the window, where one that must come costs a move. Whatever the prices are,
 * the sum is a lower bound for that window; subgradient steps make the prices good.
 */
#include "cpu.h"

#include "cpu/search/bounds.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Loads are counted in steps of this many points; sets get the benefit of what rounding hides. */
#define STEP_PCT 0.05

/* The windows that are told apart lie this much apart, and are as much wider. */
#define PLACE_PCT 0.25

/* Polyak's steps: first factor, and how often without gain before it is halved; the least. */
#define FACTOR_FIRST 1.0
#define FACTOR_LEAST 0.01
#define PATIENCE     40
#define GAIN_LEAST   0.001
/* How much of the last step is in the next. */
#define MOMENTUM 0.7f

/* Cheaper than this the sums of floats are not told apart. */
#define DOUBT 0.01

struct relaxation {
	const struct cpu_problem *problem;
	size_t n, m, width;  /* width: steps of load that a pCPU may have, and one */
	size_t places;	     /* how many windows */
	double low, spread;  /* the lowest top, and how far below its top a load may be */
	size_t *weight;	     /* [n] demand in steps */
	double slack;	     /* points by which the rounding of a whole set may be off */
	float *price;	     /* [n] */
	float *heading;	     /* [n] */
	float *rows;	     /* [(n + 1) * width] cheapest set of the first i with that load */
	float *cheapest;     /* [m * places] */
	double *bound;	     /* [places] */
	unsigned char *held; /* [n] by how many pCPUs */
};

static float cost_at(const struct relaxation *r, size_t v, size_t p)
{
	return (r->problem->at[v] == (int)p ? 0.0f : 1.0f) - r->price[v];
}

/* The cheapest sets of one pCPU, for each load. */
static void fill_rows(struct relaxation *r, size_t p)
{
	for (size_t s = 0; s < r->width; s++)
		r->rows[s] = s ? INFINITY : 0;
	for (size_t v = 0; v < r->n; v++) {
		const float *old = r->rows + v * r->width;
		float *new = r->rows + (v + 1) * r->width, cost = cost_at(r, v, p);
		size_t w = r->weight[v] < r->width ? r->weight[v] : r->width;

		memcpy(new, old, w * sizeof(*new));
		for (size_t s = w; s < r->width; s++)
			new[s] = old[s] < old[s - w] + cost ? old[s] : old[s - w] + cost;
	}
}

/* The loads in steps that are within a window, on a pCPU: *first to *last. False: none is. */
static bool find_ends(const struct relaxation *r, size_t p, size_t place, size_t *first,
		      size_t *last)
{
	double base = r->problem->base[p], top = r->low + (double)(place + 1) * PLACE_PCT;
	double least = top - PLACE_PCT - r->spread - base - r->slack;
	double most = top - base + r->slack;

	if (most < 0)
		return false;
	*first = least <= 0 ? 0 : (size_t)floor(least / STEP_PCT);
	*last = (size_t)ceil(most / STEP_PCT);
	*last = *last < r->width ? *last : r->width - 1;
	return *first <= *last;
}

static size_t find_cheapest(const struct relaxation *r, size_t p, size_t place)
{
	const float *row = r->rows + r->n * r->width;
	size_t first, last, best = r->width;

	if (!find_ends(r, p, place, &first, &last))
		return best;
	for (size_t s = first; s <= last; s++) {
		if (row[s] < INFINITY && (best == r->width || row[s] < row[best]))
			best = s;
	}
	return best;
}

/* Who is in the cheapest set of that load. */
static void count_held(struct relaxation *r, size_t load)
{
	for (size_t v = r->n; v-- > 0;) {
		const float *old = r->rows + v * r->width, *new = old + r->width;

		if (new[load] < old[load]) {
			r->held[v]++;
			load -= r->weight[v];
		}
	}
}

/* All pCPUs with the present prices: better bounds, and who is held how often at that place. */
static void relax(struct relaxation *r, size_t place, double *value)
{
	double *sum = calloc(r->places, sizeof(*sum)), prices = 0;

	memset(r->held, 0, r->n);
	for (size_t v = 0; v < r->n; v++)
		prices += r->price[v];
	for (size_t p = 0; p < r->m; p++) {
		fill_rows(r, p);
		for (size_t i = 0; i < r->places; i++) {
			size_t load = find_cheapest(r, p, i);

			sum[i] += load == r->width ? INFINITY : r->rows[r->n * r->width + load];
			if (i == place && load < r->width)
				count_held(r, load);
		}
	}
	for (size_t i = 0; i < r->places; i++)
		r->bound[i] = fmax(r->bound[i], sum[i] + prices);
	*value = sum[place] + prices;
	free(sum);
}

static size_t worst_place(const struct relaxation *r)
{
	size_t worst = 0;

	for (size_t i = 1; i < r->places; i++)
		worst = r->bound[i] < r->bound[worst] ? i : worst;
	return worst;
}

/* A step from the present prices: in the direction of what is held too little, and the last one. */
static void step(struct relaxation *r, double length)
{
	double squares = 0;

	for (size_t v = 0; v < r->n; v++) {
		r->heading[v] = 1 - (float)r->held[v] + MOMENTUM * r->heading[v];
		squares += (double)r->heading[v] * (double)r->heading[v];
	}
	for (size_t v = 0; v < r->n && squares > 0; v++)
		r->price[v] += (float)(length / squares) * r->heading[v];
}

static void ascend(struct relaxation *r, double known, unsigned int rounds)
{
	double factor = FACTOR_FIRST, last = -INFINITY;
	unsigned int idle = 0;

	for (unsigned int i = 0; i < rounds && factor > FACTOR_LEAST; i++) {
		size_t place = worst_place(r);
		double value, worst;

		relax(r, place, &value);
		worst = r->bound[worst_place(r)];
		if (worst > known - 1 + DOUBT)
			return;
		idle++;
		if (worst > last + GAIN_LEAST) {
			last = worst;
			idle = 0;
		} else if (idle >= PATIENCE) {
			factor /= 2;
			idle = 0;
			continue;
		}
		if (isfinite(value))
			step(r, factor * fmax(known - value, 0.5));
	}
}

static int compare_up(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* How many vCPUs fit on a pCPU at most. */
static size_t most_at_once(const struct cpu_problem *problem, double most)
{
	double *sorted = malloc((problem->nvcpus + 1) * sizeof(*sorted)), sum = 0;
	size_t count = 0;

	memcpy(sorted, problem->demand, problem->nvcpus * sizeof(*sorted));
	qsort(sorted, problem->nvcpus, sizeof(*sorted), compare_up);
	while (count < problem->nvcpus && (sum += sorted[count]) <= most)
		count++;
	free(sorted);
	return count;
}

double bench_bound(const struct cpu_problem *problem, double spread, double known,
		   unsigned int rounds)
{
	struct relaxation r = {
		.problem = problem, .n = problem->nvcpus, .m = problem->npcpus, .spread = spread};
	double high, bound;

	cpu_top_bounds(problem, spread, &r.low, &high);
	r.places = (size_t)ceil((high - r.low) / PLACE_PCT) + 1;
	r.slack = (double)most_at_once(problem, high + PLACE_PCT) * STEP_PCT / 2 + 1e-6;
	r.width = (size_t)ceil((high + 2 * PLACE_PCT + r.slack) / STEP_PCT) + 2;
	r.weight = malloc(r.n * sizeof(*r.weight));
	r.price = calloc(r.n, sizeof(*r.price));
	r.heading = calloc(r.n, sizeof(*r.heading));
	r.rows = malloc((r.n + 1) * r.width * sizeof(*r.rows));
	r.bound = malloc(r.places * sizeof(*r.bound));
	r.held = malloc(r.n);
	if (!r.weight || !r.price || !r.heading || !r.rows || !r.bound || !r.held)
		abort();
	for (size_t i = 0; i < r.places; i++)
		r.bound[i] = 0;
	for (size_t v = 0; v < r.n; v++)
		r.weight[v] = (size_t)lround(problem->demand[v] / STEP_PCT);
	ascend(&r, known, rounds);
	bound = r.bound[worst_place(&r)];
	free(r.weight);
	free(r.price);
	free(r.heading);
	free(r.rows);
	free(r.bound);
	free(r.held);
	return ceil(bound - DOUBT);
}
