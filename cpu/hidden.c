/* SPDX-License-Identifier: MIT */
/* Guesses of demands that full pCPUs hide, and the moves that bring them to light. */
#include "hidden.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A pCPU with more than this cannot take what would show itself there. */
#define ROOM_PCT 90.0

/* What could be known better than by this much is hidden. */
#define HIDDEN_PCT 1.0

/*
 * The weight of what is known beforehand, in parts of one vCPU of this host whose demand is known.
 */
#define PRIOR_WEIGHT 1.0

/*
 * A pCPU is relieved until it has no more than this part of the threshold above the mean, even if
 * everybody there wants no more than he gets. More than half the threshold is certain to be too
 * much; up to this much one move and a look were found to be better than two moves. With more a
 * pile of eight takes one look longer, for one move in a hundred.
 */
#define SLACK 2.4

/*
 * So many whose demand is hidden are put on one pCPU between two looks: of more it is likely that
 * they fill it again, and stay hidden.
 */
#define TOGETHER_MOST 2U

static int compare_down(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x < y) - (x > y);
}

/*
 * The median of what somebody wants who wants at least that, before anything is known of the host:
 * demands have no scale of their own, and larger ones are rarer (their density falls with the
 * square, as where there are many small loads and few large ones), up to a whole pCPU.
 */
static double median_above(double least, double most)
{
	least = fmax(least, HIDDEN_PCT);
	return least < most ? 2 * least * most / (least + most) : most;
}

/* Demands that are known, largest first, with the sums of those up to each. */
struct known {
	size_t n;
	double *demand, *sum;
};

static void known_collect(const struct table *table, struct known *known)
{
	double sum = 0;

	for (size_t v = 0; v < table->problem.nvcpus; v++) {
		if (!table->hidden[v] && table->at[v] != CPU_NOWHERE)
			known->demand[known->n++] = table->demand[v];
	}
	qsort(known->demand, known->n, sizeof(*known->demand), compare_down);
	for (size_t i = 0; i < known->n; i++)
		known->sum[i] = sum += known->demand[i];
}

/* How many want at least that. */
static size_t known_above(const struct known *known, double least)
{
	size_t low = 0, high = known->n;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (known->demand[middle] >= least)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/*
 * What a vCPU likely wants that got least and may want most: the mean of that median
 * and of the others on this host that want as much.
 */
static double find_likely(const struct known *known, double least, double most)
{
	size_t n = known_above(known, least - 2 * HIDDEN_PCT);
	double sum = PRIOR_WEIGHT * median_above(least, most) + (n ? known->sum[n - 1] : 0);

	return fmin(fmax(sum / (PRIOR_WEIGHT + (double)n), least), most);
}

/* Does any pCPU have room, even if hidden demands are no more than what they got? */
static bool has_room(const struct table *table, double *load)
{
	memcpy(load, table->base, table->problem.npcpus * sizeof(*load));
	for (size_t v = 0; v < table->problem.nvcpus; v++) {
		if (table->at[v] != CPU_NOWHERE)
			load[table->at[v]] += table->least[v];
	}
	for (size_t c = 0; c < table->problem.npcpus; c++) {
		if (load[c] < ROOM_PCT)
			return true;
	}
	return false;
}

/* Fills likely[], of all vCPUs. Returns how much of the host that leaves free, in percent. */
static double find_all(const struct table *table, const struct known *known, double *likely)
{
	double sum = 0;

	for (size_t v = 0; v < table->problem.nvcpus; v++) {
		likely[v] = table->hidden[v] ? find_likely(known, table->least[v], table->demand[v])
					     : table->demand[v];
		sum += likely[v];
	}
	for (size_t c = 0; c < table->problem.npcpus; c++)
		sum += table->base[c];
	return 100 - sum / (double)table->problem.npcpus;
}

int hidden_guess(struct table *table, double free_least_pct)
{
	size_t n = table->problem.nvcpus + 1;
	double *load = calloc(table->problem.npcpus + 1, sizeof(*load));
	double *likely = calloc(n, sizeof(*likely));
	struct known known = {.demand = calloc(n, sizeof(*known.demand)),
			      .sum = calloc(n, sizeof(*known.sum))};
	bool any = false;
	int result = -1;

	if (!load || !likely || !known.demand || !known.sum)
		goto out;
	for (size_t v = 0; v < table->problem.nvcpus; v++) {
		table->hidden[v] = table->at[v] != CPU_NOWHERE &&
				   table->least[v] < table->demand[v] - HIDDEN_PCT;
		any |= table->hidden[v];
	}
	result = 0;
	/* What floats must be placed at once, so there is nothing to wait for. */
	if (!any || table->floating || !has_room(table, load))
		goto out;
	known_collect(table, &known);
	if (find_all(table, &known, likely) <= free_least_pct)
		goto out;
	table->looks = true;
	table->loudest = table->total = 0;
	for (size_t v = 0; v < table->problem.nvcpus; v++) {
		table->demand[v] = likely[v];
		table->loudest = fmax(table->loudest, likely[v]);
		table->total += likely[v];
	}
out:
	free(load);
	free(likely);
	free(known.demand);
	free(known.sum);
	return result;
}

/* --- what is done before the next look --- */

/* What the two passes over a plan know of each pCPU. */
struct place {
	double load;	     /* as is likely */
	double least;	     /* if hidden demands are what they got */
	unsigned int hidden; /* how many of the vCPUs on it are hidden … */
	unsigned int left;   /* … how many vCPUs leave it before the next look */
	unsigned int guests; /* … and how many hidden ones come */
};

/*
 * May v leave now? As many as must in any case, one at least; and not too many at one place, nor
 * where another would have to leave first.
 */
static bool is_due(const struct table *table, const struct place *places, size_t v, int to,
		   double enough)
{
	const struct place *from = &places[table->at[v]];

	return from->hidden &&
	       places[to].load + table->demand[v] <= table->problem.top_most + CPU_EPSILON &&
	       (!from->left || from->least > enough) &&
	       (!table->hidden[v] || places[to].guests < TOGETHER_MOST);
}

ptrdiff_t hidden_keep(const struct table *table, double threshold_pct, int *to)
{
	const struct cpu_problem *problem = &table->problem;
	struct place *places = calloc(problem->npcpus + 1, sizeof(*places));
	int *first = malloc((problem->nvcpus + 1) * sizeof(*first));
	double enough = SLACK * threshold_pct;
	ptrdiff_t kept = places && first ? 0 : -1;

	if (kept < 0)
		goto out;
	memcpy(first, problem->at, problem->nvcpus * sizeof(*first));
	for (size_t c = 0; c < problem->npcpus; c++) {
		places[c].load = places[c].least = table->base[c];
		enough += table->base[c] / (double)problem->npcpus;
	}
	for (size_t v = 0; v < problem->nvcpus; v++) {
		places[table->at[v]].load += table->demand[v];
		places[table->at[v]].least += table->least[v];
		places[table->at[v]].hidden += table->hidden[v];
		enough += table->least[v] / (double)problem->npcpus;
	}
	/* Hidden ones go first: each shows itself, and makes room for the others to do so. */
	for (int pass = 0; pass < 2; pass++) {
		for (size_t v = 0; v < problem->nvcpus; v++) {
			struct place *from = &places[table->at[v]];

			if (to[v] == table->at[v] || table->hidden[v] != (pass == 0) ||
			    !is_due(table, places, v, to[v], enough))
				continue;
			first[v] = to[v];
			from->left++;
			from->least -= table->least[v];
			from->load -= table->demand[v];
			places[to[v]].load += table->demand[v];
			places[to[v]].guests += table->hidden[v];
			kept++;
		}
	}
	if (kept > 0)
		memcpy(to, first, problem->nvcpus * sizeof(*first));
out:
	free(places);
	free(first);
	return kept;
}
