/* SPDX-License-Identifier: MIT */
/* The rules of other schedulers, each written from its description: usage in, pCPUs out. */
#include "cpu.h"

#include <math.h>
#include <stdlib.h>

static void sum_usage(size_t nvcpus, size_t npcpus, const double *usage, const int *at, double *sum)
{
	for (size_t p = 0; p < npcpus; p++)
		sum[p] = 0;
	for (size_t v = 0; v < nvcpus; v++)
		sum[at[v]] += usage[v];
}

static size_t busiest(const double *sum, size_t n)
{
	size_t best = 0;

	for (size_t p = 1; p < n; p++)
		best = sum[p] > sum[best] ? p : best;
	return best;
}

static size_t freest(const double *sum, size_t n)
{
	size_t best = 0;

	for (size_t p = 1; p < n; p++)
		best = sum[p] < sum[best] ? p : best;
	return best;
}

static double deviation(const double *sum, size_t n)
{
	double mean = 0, squares = 0;

	for (size_t p = 0; p < n; p++)
		mean += sum[p] / (double)n;
	for (size_t p = 0; p < n; p++)
		squares += (sum[p] - mean) * (sum[p] - mean);
	return sqrt(squares / (double)n);
}

/* The vCPU with the largest (sign 1) or smallest (−1) usage on a pCPU, or nvcpus; *count: how many
 * are there. */
static size_t extreme(size_t nvcpus, const double *usage, const int *at, size_t p, int sign,
		      size_t *count)
{
	size_t best = nvcpus;

	*count = 0;
	for (size_t v = 0; v < nvcpus; v++) {
		if (at[v] != (int)p)
			continue;
		++*count;
		if (best == nvcpus || sign * usage[v] > sign * usage[best])
			best = v;
	}
	return best;
}

/* max − min above the threshold: the busiest vCPU of the busiest pCPU goes to the freest. */
static void hottest(const struct bench_rule *rule, size_t nvcpus, size_t npcpus,
		    const double *usage, int *at)
{
	double *sum = calloc(npcpus, sizeof(*sum));
	size_t from, to, v, count;

	sum_usage(nvcpus, npcpus, usage, at, sum);
	from = busiest(sum, npcpus);
	to = freest(sum, npcpus);
	if (sum[from] - sum[to] > rule->threshold) {
		v = extreme(nvcpus, usage, at, from, 1, &count);
		at[v] = (int)to;
	}
	free(sum);
}

/* The same, but a pCPU with one vCPU is left alone. */
static void hottest_guarded(const struct bench_rule *rule, size_t nvcpus, size_t npcpus,
			    const double *usage, int *at)
{
	double *sum = calloc(npcpus, sizeof(*sum));
	size_t from, to, v, count;

	sum_usage(nvcpus, npcpus, usage, at, sum);
	from = busiest(sum, npcpus);
	to = freest(sum, npcpus);
	v = extreme(nvcpus, usage, at, from, 1, &count);
	if (count > 1 && sum[from] - sum[to] > rule->threshold)
		at[v] = (int)to;
	free(sum);
}

/* The smallest vCPU of the busiest pCPU goes to the freest. */
static void smallest(const struct bench_rule *rule, size_t nvcpus, size_t npcpus,
		     const double *usage, int *at)
{
	double *sum = calloc(npcpus, sizeof(*sum));
	size_t from, to, v, count;

	sum_usage(nvcpus, npcpus, usage, at, sum);
	from = busiest(sum, npcpus);
	to = freest(sum, npcpus);
	if (sum[from] - sum[to] > rule->threshold) {
		v = extreme(nvcpus, usage, at, from, -1, &count);
		at[v] = (int)to;
	}
	free(sum);
}

/* Deviation above the threshold: heaviest of the busiest to the idlest, if the deviation then
 * falls. */
static void improve(const struct bench_rule *rule, size_t nvcpus, size_t npcpus,
		    const double *usage, int *at)
{
	double *sum = calloc(npcpus, sizeof(*sum)), before;
	size_t from, to, v, count;

	sum_usage(nvcpus, npcpus, usage, at, sum);
	before = deviation(sum, npcpus);
	from = busiest(sum, npcpus);
	to = freest(sum, npcpus);
	v = extreme(nvcpus, usage, at, from, 1, &count);
	if (before > rule->threshold && v < nvcpus) {
		sum[from] -= usage[v];
		sum[to] += usage[v];
		if (deviation(sum, npcpus) < before)
			at[v] = (int)to;
	}
	free(sum);
}

static int compare_usage(const void *a, const void *b, void *opaque)
{
	const double *usage = opaque;
	size_t x = *(const size_t *)a, y = *(const size_t *)b;

	if (usage[x] != usage[y])
		return usage[x] > usage[y] ? -1 : 1;
	return (x > y) - (x < y);
}

/* Deviation above 5 % of the mean: everything anew, largest first to the least loaded. */
static void repin_all(const struct bench_rule *rule, size_t nvcpus, size_t npcpus,
		      const double *usage, int *at)
{
	double *sum = calloc(npcpus, sizeof(*sum)), mean = 0;
	size_t *order = calloc(nvcpus, sizeof(*order));

	sum_usage(nvcpus, npcpus, usage, at, sum);
	for (size_t p = 0; p < npcpus; p++)
		mean += sum[p] / (double)npcpus;
	if (deviation(sum, npcpus) > rule->threshold / 100 * mean) {
		for (size_t v = 0; v < nvcpus; v++)
			order[v] = v;
		qsort_r(order, nvcpus, sizeof(*order), compare_usage, (void *)usage);
		for (size_t p = 0; p < npcpus; p++)
			sum[p] = 0;
		for (size_t i = 0; i < nvcpus; i++) {
			at[order[i]] = (int)freest(sum, npcpus);
			sum[at[order[i]]] += usage[order[i]];
		}
	}
	free(sum);
	free(order);
}

const struct bench_rule bench_rules[] = {
	{.name = "ballast", .ours = true},
	{.name = "ballast of the other tree", .older = true},
	{.name = "ballast, told what all want", .ours = true, .knows = true},
	{.name = "hottest-coolest 15", .threshold = 15, .plan = hottest},
	{.name = "hottest-coolest 10", .threshold = 10, .plan = hottest},
	{.name = "hottest-coolest 10, guarded", .threshold = 10, .plan = hottest_guarded},
	{.name = "smallest off the busiest", .threshold = 10, .plan = smallest},
	{.name = "improve or stay", .threshold = 5, .plan = improve},
	{.name = "repin everything", .threshold = 5, .plan = repin_all},
	{.name = "Linux alone", .floats = true},
};
const size_t bench_nrules = sizeof(bench_rules) / sizeof(*bench_rules);
