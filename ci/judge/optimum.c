/* SPDX-License-Identifier: MIT */
/* Branch and bound over placements of vCPUs on pCPUs. */
#include "optimum.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Steps of a search before it makes do with what it has: well under a second. 16 vCPUs on 8 pCPUs
 * with the few distinct loads of a test need some thousand. */
#define STEPS_MAX 5000000ULL

#define EPSILON 1e-9

/* Beyond this many vCPUs only the heuristics are used. */
#define EXACT_MAX 64

struct search {
	const struct optimum_problem *p;
	size_t *order;	   /* vCPUs, largest demand first */
	double *remaining; /* demand of order[i…] */
	double *sums;
	int *place;
	int *best_place;
	double best; /* spread or unfairness of best_place */
	double enough, average;
	struct optimum_limits limits;
	double *usage; /* room for the sums as usage has them */
	unsigned int moves_left;
	bool by_fairness;
	unsigned long long steps;
};

void optimum_sums(const struct optimum_problem *p, const int *place, double *sums)
{
	memset(sums, 0, p->npcpus * sizeof(*sums));
	for (size_t i = 0; i < p->nvcpus; i++)
		if (place[i] >= 0)
			sums[place[i]] += p->demand[i];
}

static double spread(const double *sums, size_t n)
{
	double low = sums[0], high = sums[0];

	for (size_t i = 1; i < n; i++) {
		low = fmin(low, sums[i]);
		high = fmax(high, sums[i]);
	}
	return high - low;
}

static double stddev(const double *values, size_t n)
{
	double mean = 0, sum = 0;

	for (size_t i = 0; i < n; i++)
		mean += values[i] / (double)n;
	for (size_t i = 0; i < n; i++)
		sum += (values[i] - mean) * (values[i] - mean);
	return sqrt(sum / (double)n);
}

static size_t lowest(const double *sums, size_t n)
{
	size_t best = 0;

	for (size_t i = 1; i < n; i++)
		if (sums[i] < sums[best])
			best = i;
	return best;
}

static size_t highest(const double *sums, size_t n)
{
	size_t best = 0;

	for (size_t i = 1; i < n; i++)
		if (sums[i] > sums[best])
			best = i;
	return best;
}

/* --- setting up and tearing down --- */

static int compare_demand(const void *a, const void *b, void *demand)
{
	double x = ((const double *)demand)[*(const size_t *)a];
	double y = ((const double *)demand)[*(const size_t *)b];

	return x != y ? (x < y) - (x > y)
		      : (*(const size_t *)a > *(const size_t *)b) -
				(*(const size_t *)a < *(const size_t *)b);
}

static void search_free(struct search *s)
{
	free(s->order);
	free(s->remaining);
	free(s->sums);
	free(s->place);
	free(s->best_place);
	free(s->usage);
}

static int search_init(struct search *s, const struct optimum_problem *p)
{
	*s = (struct search){
		.p = p, .best = INFINITY, .limits = {INFINITY, INFINITY, INFINITY, INFINITY}};
	s->order = calloc(p->nvcpus + 1, sizeof(*s->order));
	s->remaining = calloc(p->nvcpus + 1, sizeof(*s->remaining));
	s->sums = calloc(p->npcpus + 1, sizeof(*s->sums));
	s->place = calloc(p->nvcpus + 1, sizeof(*s->place));
	s->best_place = calloc(p->nvcpus + 1, sizeof(*s->best_place));
	s->usage = calloc(p->npcpus + 1, sizeof(*s->usage));
	if (!s->order || !s->remaining || !s->sums || !s->place || !s->best_place || !s->usage) {
		search_free(s);
		return -1;
	}
	for (size_t i = 0; i < p->nvcpus; i++)
		s->order[i] = i;
	qsort_r(s->order, p->nvcpus, sizeof(*s->order), compare_demand, (void *)p->demand);
	for (size_t i = p->nvcpus; i-- > 0;)
		s->remaining[i] = s->remaining[i + 1] + p->demand[s->order[i]];
	s->average = s->remaining[0] / (double)p->npcpus;
	return 0;
}

/* Largest first to the least loaded pCPU; fills place and sums. */
static void place_largest_first(struct search *s)
{
	memset(s->sums, 0, s->p->npcpus * sizeof(*s->sums));
	for (size_t i = 0; i < s->p->nvcpus; i++) {
		size_t to = lowest(s->sums, s->p->npcpus);

		s->place[s->order[i]] = (int)to;
		s->sums[to] += s->p->demand[s->order[i]];
	}
}

/*
 * One exchange between the most and the least loaded pCPU that brings them nearest to each other: a
 * vCPU goes over, or two change places. False if none narrows the gap. Returns the moves it takes.
 */
static unsigned int improve(struct search *s)
{
	size_t from = highest(s->sums, s->p->npcpus), to = lowest(s->sums, s->p->npcpus);
	double gap = s->sums[from] - s->sums[to], best = gap - EPSILON;
	size_t out = SIZE_MAX, back = SIZE_MAX;
	double amount;

	for (size_t i = 0; i < s->p->nvcpus; i++) {
		if (s->place[i] != (int)from)
			continue;
		if (fabs(gap - 2 * s->p->demand[i]) < best) {
			best = fabs(gap - 2 * s->p->demand[i]);
			out = i;
			back = SIZE_MAX;
		}
		for (size_t k = 0; k < s->p->nvcpus; k++) {
			double left;

			if (s->place[k] != (int)to)
				continue;
			left = fabs(gap - 2 * (s->p->demand[i] - s->p->demand[k]));
			if (left < best - EPSILON) {
				best = left;
				out = i;
				back = k;
			}
		}
	}
	if (out == SIZE_MAX)
		return 0;
	amount = s->p->demand[out];
	s->place[out] = (int)to;
	if (back != SIZE_MAX) {
		amount -= s->p->demand[back];
		s->place[back] = (int)from;
	}
	s->sums[from] -= amount;
	s->sums[to] += amount;
	return back == SIZE_MAX ? 1 : 2;
}

/* --- spread and fairness: each vCPU in turn on each pCPU --- */

/* Whether the summed demands, and what pCPUs show of them, keep to the limits. */
static bool sums_suit(struct search *s)
{
	size_t n = s->p->npcpus;

	if (spread(s->sums, n) > s->limits.demand + EPSILON)
		return false;
	if (isinf(s->limits.spread) && isinf(s->limits.stddev))
		return true;
	for (size_t i = 0; i < n; i++)
		s->usage[i] = fmin(100, s->sums[i]);
	return spread(s->usage, n) <= s->limits.spread + EPSILON &&
	       stddev(s->usage, n) <= s->limits.stddev + EPSILON;
}

static bool suits(struct search *s)
{
	return sums_suit(s) &&
	       (isinf(s->limits.unfairness) ||
		optimum_unfairness(s->p, s->place) <= s->limits.unfairness + EPSILON);
}

bool optimum_suits(const struct optimum_problem *p, const int *place,
		   const struct optimum_limits *limits)
{
	struct search s;
	bool suit;

	if (search_init(&s, p))
		return false;
	s.limits = *limits;
	memcpy(s.place, place, p->nvcpus * sizeof(*place));
	optimum_sums(p, place, s.sums);
	suit = suits(&s);
	search_free(&s);
	return suit;
}

static void keep_if_better(struct search *s)
{
	double value = spread(s->sums, s->p->npcpus);

	if (s->by_fairness) {
		if (!sums_suit(s))
			return;
		value = optimum_unfairness(s->p, s->place);
	}
	if (value >= s->best - EPSILON)
		return;
	s->best = value;
	memcpy(s->best_place, s->place, s->p->nvcpus * sizeof(*s->place));
}

/* Least spread that can still come of the placement so far. */
static double spread_bound(const struct search *s, size_t next)
{
	double low = INFINITY, high = 0;

	for (size_t i = 0; i < s->p->npcpus; i++) {
		low = fmin(low, s->sums[i]);
		high = fmax(high, s->sums[i]);
	}
	return fmax(high, s->average) - fmin(s->average, low + s->remaining[next]);
}

static bool seen_before(const struct search *s, size_t pcpu)
{
	for (size_t i = 0; i < pcpu; i++)
		if (fabs(s->sums[i] - s->sums[pcpu]) < EPSILON)
			return true;
	return false;
}

static void search_placements(struct search *s, size_t next)
{
	double limit = s->by_fairness ? s->limits.demand + EPSILON : s->best - EPSILON;
	size_t vcpu;

	if (s->best <= s->enough || s->steps++ > STEPS_MAX)
		return;
	if (next == s->p->nvcpus) {
		keep_if_better(s);
		return;
	}
	if (spread_bound(s, next) > limit)
		return;
	vcpu = s->order[next];
	for (size_t i = 0; i < s->p->npcpus; i++) {
		double before = s->sums[i];

		/* For the spread pCPUs of equal load are alike; for fairness who is there matters,
		 * except on empty ones. */
		if (seen_before(s, i) && (!s->by_fairness || before < EPSILON))
			continue;
		s->place[vcpu] = (int)i;
		s->sums[i] = before + s->p->demand[vcpu];
		search_placements(s, next + 1);
		s->sums[i] = before;
	}
}

/* Runs the search that s is set up for from a good placement found by hand; frees it. */
static double search_best(struct search *s, int *place, bool *exact)
{
	const struct optimum_problem *p = s->p;
	double best;

	place_largest_first(s);
	for (size_t i = 0; i < p->nvcpus && improve(s); i++)
		;
	keep_if_better(s);
	memset(s->sums, 0, p->npcpus * sizeof(*s->sums));
	if (p->nvcpus <= EXACT_MAX)
		search_placements(s, 0);
	*exact = s->best <= s->enough || (p->nvcpus <= EXACT_MAX && s->steps <= STEPS_MAX);
	if (place)
		memcpy(place, s->best_place, p->nvcpus * sizeof(*place));
	best = s->best;
	search_free(s);
	return best;
}

double optimum_spread(const struct optimum_problem *p, double enough, int *place, bool *exact)
{
	struct search s;

	*exact = false;
	if (search_init(&s, p))
		return INFINITY;
	s.enough = enough;
	return search_best(&s, place, exact);
}

void optimum_shares(const struct optimum_problem *p, const int *place, double *share)
{
	for (size_t pcpu = 0; pcpu < p->npcpus; pcpu++) {
		double left = 100, level = -1;
		size_t waiting = 0;

		for (size_t i = 0; i < p->nvcpus; i++)
			if (place[i] == (int)pcpu) {
				share[i] = -1;
				waiting++;
			}
		while (waiting) {
			size_t served = 0;

			level = left / (double)waiting;
			for (size_t i = 0; i < p->nvcpus; i++)
				if (place[i] == (int)pcpu && share[i] < 0 &&
				    p->demand[i] <= level) {
					share[i] = p->demand[i];
					left -= share[i];
					served++;
				}
			if (!served)
				break;
			waiting -= served;
		}
		for (size_t i = 0; waiting && i < p->nvcpus; i++)
			if (place[i] == (int)pcpu && share[i] < 0)
				share[i] = level;
	}
}

double optimum_unfairness(const struct optimum_problem *p, const int *place)
{
	double *share = calloc(p->nvcpus + p->nguests + 1, sizeof(*share)), worst = 0;
	double *total;

	if (!share)
		return INFINITY;
	total = share + p->nvcpus;
	optimum_shares(p, place, share);
	for (size_t i = 0; i < p->nvcpus; i++)
		total[p->guest[i]] += share[i];
	for (size_t first = 0; first < p->nguests; first++) {
		double low = total[first], high = low, sum = 0;
		size_t n = 0;

		for (size_t g = 0; p->group[first] >= 0 && g < p->nguests; g++) {
			if (p->group[g] != p->group[first])
				continue;
			low = fmin(low, total[g]);
			high = fmax(high, total[g]);
			sum += total[g];
			n++;
		}
		if (n > 1 && sum > 0 && high - low > p->fair_points)
			worst = fmax(worst, 100 * (high - low) * (double)n / sum);
	}
	free(share);
	return worst;
}

double optimum_fairest(const struct optimum_problem *p, const struct optimum_limits *limits,
		       double enough, int *place, bool *exact)
{
	struct search s;

	*exact = false;
	if (search_init(&s, p))
		return INFINITY;
	s.by_fairness = true;
	s.limits = *limits;
	s.enough = enough;
	return search_best(&s, place, exact);
}

/* --- moves: each vCPU stays or goes, with fewer and fewer moves left --- */

/* Moves that must still come: largest first out of each pCPU that has too much, one into each that
 * has too little. Only vCPUs not yet decided can go. */
static unsigned int moves_bound(const struct search *s, size_t next)
{
	double most = s->average + s->limits.demand + EPSILON,
	       least = s->average - s->limits.demand - EPSILON;
	unsigned int out = 0, in = 0;
	double waiting = 0; /* demand of unpinned vCPUs to come; they fill holes without a move */

	for (size_t i = next; i < s->p->nvcpus; i++)
		if (s->p->start[s->order[i]] < 0)
			waiting += s->p->demand[s->order[i]];
	for (size_t pcpu = 0; pcpu < s->p->npcpus; pcpu++) {
		double over = s->sums[pcpu] - most;

		for (size_t i = next; over > 0 && i < s->p->nvcpus; i++)
			if (s->p->start[s->order[i]] == (int)pcpu) {
				over -= s->p->demand[s->order[i]];
				out++;
			}
		if (over > 0)
			return (unsigned int)s->p->nvcpus + 1;
		if (s->sums[pcpu] + waiting < least)
			in++;
	}
	return out > in ? out : in;
}

static bool has_guest_to_itself(const struct optimum_problem *p, size_t vcpu)
{
	return (vcpu == 0 || p->guest[vcpu - 1] != p->guest[vcpu]) &&
	       (vcpu + 1 == p->nvcpus || p->guest[vcpu + 1] != p->guest[vcpu]);
}

/* Whether it makes no difference for fairness which of the two goes. */
static bool alike(const struct search *s, size_t a, size_t b)
{
	const struct optimum_problem *p = s->p;

	if (isinf(s->limits.unfairness) || p->guest[a] == p->guest[b])
		return true;
	return p->group[p->guest[a]] == p->group[p->guest[b]] && has_guest_to_itself(p, a) &&
	       has_guest_to_itself(p, b);
}

/* The vCPU before it in order with the same demand and start, or SIZE_MAX: only one order of twins
 * is tried. */
static size_t twin(const struct search *s, size_t next)
{
	size_t a, b;

	if (!next)
		return SIZE_MAX;
	a = s->order[next - 1];
	b = s->order[next];
	return s->p->start[a] == s->p->start[b] && s->p->demand[a] - s->p->demand[b] < EPSILON &&
			       alike(s, a, b)
		       ? a
		       : SIZE_MAX;
}

static bool moves_suffice(struct search *s, size_t next);

static bool try_place(struct search *s, size_t next, size_t to)
{
	size_t vcpu = s->order[next];
	int from = s->p->start[vcpu];
	double before = s->sums[to], source = from >= 0 ? s->sums[from] : 0;
	bool move = from >= 0 && from != (int)to, found;

	if (move && !s->moves_left)
		return false;
	if (from >= 0)
		s->sums[from] -= s->p->demand[vcpu];
	s->sums[to] += s->p->demand[vcpu];
	s->place[vcpu] = (int)to;
	s->moves_left -= move;
	found = moves_suffice(s, next + 1);
	s->moves_left += move;
	s->sums[to] = before;
	if (from >= 0)
		s->sums[from] = source;
	return found;
}

static bool moves_suffice(struct search *s, size_t next)
{
	size_t same, vcpu;

	if (s->steps++ > STEPS_MAX)
		return false;
	if (next == s->p->nvcpus)
		return suits(s);
	if (moves_bound(s, next) > s->moves_left)
		return false;
	vcpu = s->order[next];
	same = twin(s, next);
	/* Of twins the first ones go, to ascending pCPUs; the others stay. */
	if (s->p->start[vcpu] >= 0 && try_place(s, next, (size_t)s->p->start[vcpu]))
		return true;
	if (same != SIZE_MAX && s->p->start[vcpu] >= 0 && s->place[same] == s->p->start[same])
		return false;
	for (size_t i = same == SIZE_MAX ? 0 : (size_t)s->place[same]; i < s->p->npcpus; i++)
		if ((int)i != s->p->start[vcpu] && try_place(s, next, i))
			return true;
	return false;
}

/* Moves that repairing the start by hand takes, most loaded to least loaded; more than there are
 * vCPUs where that does not do it. Leaves the repaired placement in place. */
static unsigned int moves_by_hand(struct search *s)
{
	unsigned int moves = 0, step;

	memcpy(s->place, s->p->start, s->p->nvcpus * sizeof(*s->place));
	optimum_sums(s->p, s->place, s->sums);
	for (size_t i = 0; i < s->p->nvcpus; i++)
		if (s->place[s->order[i]] < 0) {
			size_t to = lowest(s->sums, s->p->npcpus);

			s->place[s->order[i]] = (int)to;
			s->sums[to] += s->p->demand[s->order[i]];
		}
	for (size_t i = 0; i < 2 * s->p->nvcpus && !suits(s); i++) {
		step = improve(s);
		if (!step)
			return (unsigned int)s->p->nvcpus + 1;
		moves += step;
	}
	return suits(s) ? moves : (unsigned int)s->p->nvcpus + 1;
}

/* Gives the placement's pCPUs, which are all alike, the numbers under which most vCPUs stay. */
static void rename_pcpus(const struct optimum_problem *p, int *place, size_t *stay, int *name)
{
	size_t m = p->npcpus;

	memset(stay, 0, m * m * sizeof(*stay));
	for (size_t i = 0; i < p->nvcpus; i++)
		if (p->start[i] >= 0)
			stay[(size_t)place[i] * m + (size_t)p->start[i]]++;
	for (size_t i = 0; i < 2 * m; i++)
		name[i] = -1; /* the second half: by whom a number is taken */
	for (size_t named = 0; named < m; named++) {
		size_t best = SIZE_MAX;

		for (size_t k = 0; k < m * m; k++)
			if (name[k / m] < 0 && name[m + k % m] < 0 &&
			    (best == SIZE_MAX || stay[k] > stay[best]))
				best = k;
		name[best / m] = (int)(best % m);
		name[m + best % m] = (int)(best / m);
	}
	for (size_t i = 0; i < p->nvcpus; i++)
		place[i] = name[place[i]];
}

static unsigned int count_moves(const struct optimum_problem *p, const int *place)
{
	unsigned int moves = 0;

	for (size_t i = 0; i < p->nvcpus; i++)
		moves += p->start[i] >= 0 && p->start[i] != place[i];
	return moves;
}

/* Takes the known placement where it needs fewer moves than the one found by hand. */
static unsigned int moves_to_known(struct search *s, const int *known, unsigned int most)
{
	const struct optimum_problem *p = s->p;
	size_t *stay = malloc(p->npcpus * p->npcpus * sizeof(*stay));
	int *name = malloc(2 * p->npcpus * sizeof(*name));
	unsigned int moves;

	if (stay && name) {
		memcpy(s->place, known, p->nvcpus * sizeof(*s->place));
		rename_pcpus(p, s->place, stay, name);
		moves = count_moves(p, s->place);
		if (moves < most) {
			memcpy(s->best_place, s->place, p->nvcpus * sizeof(*s->place));
			most = moves;
		}
	}
	free(stay);
	free(name);
	return most;
}

unsigned int optimum_moves_within(const struct optimum_problem *p,
				  const struct optimum_limits *limits, const int *known, int *place,
				  bool *exact)
{
	struct search s;
	unsigned int most, moves;
	bool found = false;

	*exact = false;
	if (search_init(&s, p))
		return (unsigned int)p->nvcpus;
	s.limits = *limits;
	most = moves_by_hand(&s);
	memcpy(s.best_place, s.place, p->nvcpus * sizeof(*s.place));
	if (known)
		most = moves_to_known(&s, known, most);
	optimum_sums(p, p->start, s.sums);
	for (moves = moves_bound(&s, 0); p->nvcpus <= EXACT_MAX && moves < most; moves++) {
		s.moves_left = moves;
		found = moves_suffice(&s, 0);
		if (found || s.steps > STEPS_MAX)
			break;
	}
	*exact = found || (p->nvcpus <= EXACT_MAX && s.steps <= STEPS_MAX);
	if (place)
		memcpy(place, found ? s.place : s.best_place, p->nvcpus * sizeof(*place));
	search_free(&s);
	most = most < p->nvcpus ? most : (unsigned int)p->nvcpus;
	return found ? moves : most;
}

unsigned int optimum_moves(const struct optimum_problem *p, double limit, bool *exact)
{
	struct optimum_limits limits = {limit, INFINITY, INFINITY, INFINITY};

	return optimum_moves_within(p, &limits, NULL, NULL, exact);
}
