/* SPDX-License-Identifier: MIT */
/*
 * The fewest moves of a small case, by dynamic programming over sets of vCPUs: which sets can the
 * first pCPUs hold among them, each within a window of load, and in how few moves? All windows are
 * tried; those between two that are tried are within one that is a little wider, so that what comes
 * out may be less than the fewest, by a hair's breadth of load, and is never more.
 */
#include "cpu.h"

#include "cpu/search/bounds.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The windows that are tried lie this much apart, and are as much wider. */
#define PLACE_PCT 0.25

#define NEVER 0xff

struct subsets {
	const struct cpu_problem *problem;
	unsigned int count;    /* of sets; a set is its number, bit by bit */
	double *load;	       /* [count] */
	unsigned int *native;  /* [npcpus] the set of those that are there */
	unsigned int *fitting; /* [count] sets that fit on one pCPU */
	unsigned char *fewest; /* [count] moves in which the pCPUs so far hold that set; or NEVER */
	unsigned char *next;   /* [count] the same with one pCPU more */
};

static size_t find_fitting(const struct subsets *s, double low, double high)
{
	size_t n = 0;

	for (unsigned int set = 0; set < s->count; set++) {
		if (s->load[set] >= low - CPU_EPSILON && s->load[set] <= high + CPU_EPSILON)
			s->fitting[n++] = set;
	}
	return n;
}

/* Adds a pCPU. What takes as many moves as are known to do, or more, is left out. */
static void add_pcpu(struct subsets *s, size_t p, size_t nfitting, unsigned int known)
{
	memset(s->next, NEVER, s->count);
	for (unsigned int set = 0; set < s->count; set++) {
		if (s->fewest[set] >= known)
			continue;
		for (size_t i = 0; i < nfitting; i++) {
			unsigned int more = s->fitting[i], moves = s->fewest[set];

			if (set & more)
				continue;
			moves += (unsigned int)__builtin_popcount(more & ~s->native[p]);
			if (moves < known && moves < s->next[set | more])
				s->next[set | more] = (unsigned char)moves;
		}
	}
	memcpy(s->fewest, s->next, s->count);
}

/* The fewest moves after which all loads are in the window; or known, where that is not more. */
static unsigned int try_window(struct subsets *s, double low, double high, unsigned int known)
{
	memset(s->fewest, NEVER, s->count);
	s->fewest[0] = 0;
	for (size_t p = 0; p < s->problem->npcpus; p++) {
		double base = s->problem->base[p];

		add_pcpu(s, p, find_fitting(s, low - base, high - base), known);
	}
	return s->fewest[s->count - 1] < known ? s->fewest[s->count - 1] : known;
}

static void fill(struct subsets *s)
{
	for (unsigned int set = 1; set < s->count; set++) {
		unsigned int first = (unsigned int)__builtin_ctz(set);

		s->load[set] = s->load[set & (set - 1)] + s->problem->demand[first];
	}
	for (size_t v = 0; v < s->problem->nvcpus; v++)
		s->native[s->problem->at[v]] |= 1u << v;
}

unsigned int bench_fewest(const struct cpu_problem *problem, double spread, unsigned int known)
{
	struct subsets s = {.problem = problem, .count = 1u << problem->nvcpus};
	double low, high;

	s.load = calloc(s.count, sizeof(*s.load));
	s.native = calloc(problem->npcpus, sizeof(*s.native));
	s.fitting = malloc(s.count * sizeof(*s.fitting));
	s.fewest = malloc(s.count);
	s.next = malloc(s.count);
	if (!s.load || !s.native || !s.fitting || !s.fewest || !s.next)
		abort();
	fill(&s);
	cpu_top_bounds(problem, spread, &low, &high);
	for (double top = low; top < high + PLACE_PCT; top += PLACE_PCT)
		known = try_window(&s, top - PLACE_PCT - spread, top, known);
	free(s.load);
	free(s.native);
	free(s.fitting);
	free(s.fewest);
	free(s.next);
	return known;
}
