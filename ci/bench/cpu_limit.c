/* SPDX-License-Identifier: MIT */
/*
 * The fewest moves that any rule can expect which learns of demands only as a host shows them: a
 * decision process. Of those on a full pCPU who sleeps now and then shows what he wants, and who
 * never sleeps that he wants no less than his share. A rule moves one vCPU, looks, and so on: to
 * move several between two looks is never less. What is hidden is drawn as the case draws it,
 * rounded to a few sizes of equal chance, as far as balance is possible then. The rule knows that;
 * one that does not cannot expect less.
 */
#include "cpu.h"
#include "cpu_truth.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define VCPUS_MOST 8
#define SIZES_MOST 6

#define FULL_PCT 100.0
#define EPSILON	 1e-6

/* With the index of a size: of the least that it can be. */
#define HIDDEN 0x80U

/* Places for states; half of them at most are used. */
#define STATES (1U << 20)

/* Ways to see a move end; 8 vCPUs are less than that many ways to be hidden or not. */
#define SIGHTS_MOST 4096

/* Where each vCPU is, and what is known of it: the index of its size, or of its least with HIDDEN.
 */
struct state {
	unsigned char at[VCPUS_MOST], size[VCPUS_MOST];
};

/* Sums over all that may be hidden, as far as balance is possible then: of moves, and of ones. */
struct expectation {
	float moves, count;
};

struct known {
	struct state state;
	bool used;
	struct expectation value;
};

struct process {
	size_t n, m, nsizes;
	double spread;
	double size[VCPUS_MOST][SIZES_MOST];
	struct known *known;
	size_t nknown;
};

static double size_of(const struct process *p, const struct state *s, size_t v)
{
	return p->size[v][s->size[v] & ~HIDDEN];
}

/* --- what a pCPU shows --- */

/*
 * The level up to which all that want so much are served where the demands of those at a place come
 * to more than a pCPU has; infinite where they do not.
 */
static double find_level(const double *demand, size_t n)
{
	double level = 0, sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += demand[i];
	if (sum < FULL_PCT)
		return INFINITY;
	for (size_t round = 0; round <= n; round++) {
		double room = FULL_PCT, above = 0;

		for (size_t i = 0; i < n; i++) {
			room -= fmin(demand[i], level);
			above += demand[i] > level + EPSILON;
		}
		if (above == 0 || room <= EPSILON)
			break;
		level += room / above;
	}
	return level;
}

/* Takes in what one pCPU shows where the vCPUs' sizes are truth[]. */
static void observe(const struct process *p, struct state *s, const unsigned char *truth, size_t at)
{
	double demand[VCPUS_MOST], level;
	size_t n = 0;

	for (size_t v = 0; v < p->n; v++) {
		if (s->at[v] == at)
			demand[n++] = p->size[v][truth[v]];
	}
	level = find_level(demand, n);
	for (size_t v = 0; v < p->n; v++) {
		size_t least = s->size[v] & ~HIDDEN;

		if (s->at[v] != at || !(s->size[v] & HIDDEN))
			continue;
		if (p->size[v][truth[v]] < level - EPSILON) {
			s->size[v] = truth[v];
			continue;
		}
		while (least + 1 < p->nsizes && p->size[v][least] < level - EPSILON)
			least++;
		s->size[v] = (unsigned char)(least + 1 == p->nsizes ? least : least | HIDDEN);
	}
}

/* --- when all is known --- */

static double spread_of(const struct process *p, const double *sum)
{
	double least = INFINITY, most = 0;

	for (size_t c = 0; c < p->m; c++) {
		least = fmin(least, sum[c]);
		most = fmax(most, sum[c]);
	}
	return most - least;
}

/* Can `left` moves of the vCPUs from v on balance the sums? */
static bool mends(const struct process *p, const struct state *s, double *sum, size_t v,
		  unsigned int left)
{
	bool done = spread_of(p, sum) <= p->spread + EPSILON;

	for (; left && !done && v < p->n; v++) {
		double size = size_of(p, s, v);

		sum[s->at[v]] -= size;
		for (size_t c = 0; c < p->m && !done; c++) {
			if (c == s->at[v])
				continue;
			sum[c] += size;
			done = mends(p, s, sum, v + 1, left - 1);
			sum[c] -= size;
		}
		sum[s->at[v]] += size;
	}
	return done;
}

/* Can the vCPUs from v on be placed so that all is balanced? used: pCPUs that are not empty. */
static bool balances(const struct process *p, const struct state *s, double *sum, size_t v,
		     size_t used)
{
	bool done = false;

	if (v == p->n)
		return spread_of(p, sum) <= p->spread + EPSILON;
	for (size_t c = 0; c <= used && c < p->m && !done; c++) {
		sum[c] += size_of(p, s, v);
		done = balances(p, s, sum, v + 1, used + (c == used));
		sum[c] -= size_of(p, s, v);
	}
	return done;
}

static struct expectation settle(const struct process *p, const struct state *s)
{
	double sum[VCPUS_MOST] = {0};
	unsigned int moves = 0;

	if (!balances(p, s, sum, 0, 0))
		return (struct expectation){0, 0};
	for (size_t v = 0; v < p->n; v++)
		sum[s->at[v]] += size_of(p, s, v);
	while (!mends(p, s, sum, 0, moves))
		moves++;
	return (struct expectation){(float)moves, 1};
}

/* --- states that are the same --- */

/* pCPUs are alike: numbers them by their first vCPU. */
static void name_pcpus(const struct process *p, struct state *s)
{
	unsigned char name[VCPUS_MOST], next = 0;

	memset(name, UINT8_MAX, sizeof(name));
	for (size_t v = 0; v < p->n; v++) {
		if (name[s->at[v]] == UINT8_MAX)
			name[s->at[v]] = next++;
		s->at[v] = name[s->at[v]];
	}
}

static bool are_alike(const struct process *p, size_t u, size_t v)
{
	return !memcmp(p->size[u], p->size[v], sizeof(p->size[u]));
}

/* vCPUs of the same sizes are alike if they stand together: puts them in order. */
static void sort_vcpus(const struct process *p, struct state *s)
{
	for (size_t i = 1; i < p->n; i++) {
		for (size_t v = i; v > 0 && are_alike(p, v - 1, v); v--) {
			struct state old = *s;

			if (s->size[v - 1] < s->size[v] ||
			    (s->size[v - 1] == s->size[v] && s->at[v - 1] <= s->at[v]))
				break;
			s->size[v] = old.size[v - 1];
			s->at[v] = old.at[v - 1];
			s->size[v - 1] = old.size[v];
			s->at[v - 1] = old.at[v];
		}
	}
}

static struct known *find(const struct process *p, const struct state *s)
{
	uint64_t hash = 0xcbf29ce484222325u;
	size_t i;

	for (size_t v = 0; v < p->n; v++)
		hash = ((hash ^ s->at[v]) * 0x100000001b3u ^ s->size[v]) * 0x100000001b3u;
	i = (hash ^ hash >> 29) % STATES;
	while (p->known[i].used && memcmp(&p->known[i].state, s, sizeof(*s)))
		i = (i + 1) % STATES;
	return &p->known[i];
}

/* --- what is to be expected --- */

static struct expectation expect(struct process *p, const struct state *given);

/* The next way in which the sizes of the n vCPUs in open[] may be; false after the last. */
static bool next_truth(const struct process *p, const struct state *s, const size_t *open, size_t n,
		       unsigned char *truth)
{
	for (size_t i = 0; i < n; i++) {
		if (++truth[open[i]] < p->nsizes)
			return true;
		truth[open[i]] = s->size[open[i]] & (unsigned char)~HIDDEN;
	}
	return false;
}

/* Sums over all that can be seen after v's move. */
static struct expectation expect_move(struct process *p, const struct state *s, size_t v, size_t to)
{
	unsigned char truth[VCPUS_MOST];
	size_t open[VCPUS_MOST], nopen = 0, nsights = 0, from = s->at[v];
	struct state moved = *s, *sights = calloc(SIGHTS_MOST, sizeof(*sights));
	struct expectation sum = {0, 0};

	moved.at[v] = (unsigned char)to;
	for (size_t u = 0; u < p->n; u++) {
		truth[u] = s->size[u] & (unsigned char)~HIDDEN;
		if ((s->size[u] & HIDDEN) && (moved.at[u] == from || moved.at[u] == to))
			open[nopen++] = u;
	}
	do {
		struct state sight = moved;
		size_t i = 0;
		struct expectation one;

		observe(p, &sight, truth, from);
		observe(p, &sight, truth, to);
		/* What looks the same is one sight. */
		while (i < nsights && memcmp(&sights[i], &sight, sizeof(sight)))
			i++;
		if (i < nsights)
			continue;
		if (nsights == SIGHTS_MOST)
			abort();
		sights[nsights++] = sight;
		one = expect(p, &sight);
		sum.moves += one.moves;
		sum.count += one.count;
	} while (next_truth(p, s, open, nopen, truth));
	free(sights);
	sum.moves += sum.count;
	return sum;
}

/* How many on that pCPU are hidden; *all: how many there are. */
static size_t count_hidden(const struct process *p, const struct state *s, size_t at, size_t *all)
{
	size_t n = 0;

	*all = 0;
	for (size_t v = 0; v < p->n; v++) {
		*all += s->at[v] == at;
		n += s->at[v] == at && (s->size[v] & HIDDEN);
	}
	return n;
}

/* The best of v's moves off and onto pCPUs that hide something: the others can wait. */
static void try_vcpu(struct process *p, const struct state *s, size_t v, struct expectation *best)
{
	size_t all, here = count_hidden(p, s, s->at[v], &all);
	bool emptied = false;

	for (size_t u = 0; u < v; u++) {
		if (s->at[u] == s->at[v] && s->size[u] == s->size[v] && are_alike(p, u, v))
			return;
	}
	for (size_t c = 0; c < p->m; c++) {
		struct expectation one;
		size_t there = count_hidden(p, s, c, &all);

		if (c == s->at[v] || here + there == 0 || (!all && emptied))
			continue;
		emptied |= !all;
		one = expect_move(p, s, v, c);
		if (!(one.moves >= best->moves))
			*best = one;
	}
}

static struct expectation expect(struct process *p, const struct state *given)
{
	struct expectation best = {INFINITY, 1};
	struct state s = *given;
	struct known *known;
	bool hidden = false;

	for (int i = 0; i < 2; i++) {
		sort_vcpus(p, &s);
		name_pcpus(p, &s);
	}
	known = find(p, &s);
	if (known->used)
		return known->value;
	if (++p->nknown > STATES / 2)
		return (struct expectation){NAN, NAN};
	/* Who comes back here without having seen anything has moved for nothing. */
	*known = (struct known){.state = s, .used = true, .value = best};
	for (size_t v = 0; v < p->n; v++)
		hidden |= (s.size[v] & HIDDEN) != 0;
	if (!hidden)
		return known->value = settle(p, &s);
	for (size_t v = 0; v < p->n; v++)
		try_vcpu(p, &s, v, &best);
	return known->value = best;
}

/* --- from a start --- */

/* The part of the case's vCPUs that want less than that. */
static double find_part(const struct bench_case *c, double pct)
{
	double low = 0, high = 1;

	while (high - low > EPSILON) {
		double middle = (low + high) / 2;

		if (c->size(middle) < pct - EPSILON)
			low = middle;
		else
			high = middle;
	}
	return high;
}

/* What the vCPUs at one place show at the start. */
static void begin(struct process *p, struct state *s, const struct truth *t, const int *start,
		  int at)
{
	double demand[VCPUS_MOST], level, part;
	size_t n = 0;

	for (size_t v = 0; v < p->n; v++) {
		if (start[v] == at)
			demand[n++] = t->demand[v];
	}
	level = find_level(demand, n);
	part = isfinite(level) ? find_part(t->c, level) : 1;
	for (size_t v = 0; v < p->n; v++) {
		bool shown = t->demand[v] < level - EPSILON;

		if (start[v] != at)
			continue;
		s->at[v] = (unsigned char)at;
		for (size_t k = 0; k < p->nsizes; k++) {
			double place = ((double)k + 0.5) / (double)p->nsizes;

			p->size[v][k] =
				shown ? t->demand[v] : t->c->size(part + (1 - part) * place);
		}
		s->size[v] = p->size[v][0] < p->size[v][p->nsizes - 1] ? HIDDEN : 0;
	}
}

double truth_limit(const struct truth *t, const int *start)
{
	struct process p = {
		.n = t->nvcpus, .m = t->c->npcpus, .nsizes = t->c->sizes, .spread = t->asked};
	struct expectation e;
	struct state s;

	if (!p.nsizes || p.nsizes > SIZES_MOST || p.n > VCPUS_MOST)
		return NAN;
	memset(&s, 0, sizeof(s));
	p.known = calloc(STATES, sizeof(*p.known));
	if (!p.known)
		abort();
	for (size_t c = 0; c < p.m; c++)
		begin(&p, &s, t, start, (int)c);
	e = expect(&p, &s);
	free(p.known);
	return e.count > 0 ? (double)(e.moves / e.count) : NAN;
}
