/* SPDX-License-Identifier: MIT */
/*
 * Local search. Loads are brought into a window as wide as the target, by the move or swap that
 * gains most per move, from whichever end of the order is further out; then moves that turn out not
 * to be needed are taken back.
 */
#include "local.h"

#include "board.h"
#include "bounds.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/*
 * How many helpful pCPUs at the other end of the order are compared as partners, and how many are
 * looked at for them.
 */
#define PARTNERS       12
#define PARTNERS_TRIED 24

/* How many of the pCPUs that are furthest out are tried before the search is stuck. */
#define ENDS_TRIED 12

/* In columns longer than this only the vCPUs of about the right size are looked at. */
#define COLUMN_SCAN 48

/*
 * Of equally good variants the later ones prefer partners at random within this part of the gain.
 */
#define JITTER 0.4

/* --- placing what floats: largest first, each to the pCPU with least load --- */

/* Of two pCPUs: less load, fewer vCPUs, less load on the whole core, lower number. */
static bool better_place(const struct board *board, size_t p, size_t q)
{
	double difference = board->load[p] - board->load[q];

	if (fabs(difference) > CPU_EPSILON)
		return difference < 0;
	if (board->columns[p].n != board->columns[q].n)
		return board->columns[p].n < board->columns[q].n;
	difference = board->core_load[p] - board->core_load[q];
	if (fabs(difference) > CPU_EPSILON)
		return difference < 0;
	return p < q;
}

static size_t find_place(const struct board *board, size_t v)
{
	size_t m = board->problem->npcpus, best = m;

	for (size_t i = 0; i < m; i++) {
		size_t p = board->order[i];

		if (!cpu_may(board->problem, v, p))
			continue;
		if (best < m && board->load[p] > board->load[best] + CPU_EPSILON)
			break;
		if (best == m || better_place(board, p, best))
			best = p;
	}
	return best;
}

/* Everything stays where it is, what floats or may not stay is placed; or all is placed afresh. */
static int start(struct board *board, bool afresh)
{
	const struct cpu_problem *problem = board->problem;
	size_t *sorted = board_sort(problem);
	int result = -1;

	if (!sorted)
		return -1;
	for (size_t v = 0; v < problem->nvcpus && !afresh; v++) {
		int at = problem->at[v];

		if (at != CPU_NOWHERE && cpu_may(problem, v, (size_t)at) &&
		    board_put(board, v, (size_t)at))
			goto out;
	}
	for (size_t i = 0; i < problem->nvcpus; i++) {
		size_t v = sorted[i];

		if (board->to[v] == CPU_NOWHERE && board_put(board, v, find_place(board, v)))
			goto out;
	}
	result = 0;
out:
	free(sorted);
	return result;
}

/* --- improving --- */

/*
 * What is to be made less: how far loads are out of a window; or, with low > high, their squares.
 */
struct window {
	double low, high;
};

struct descent {
	struct board board;
	struct window window;
	unsigned int variant;
	unsigned int dice;
};

/* v goes from p to q, and u in exchange, if swap. */
struct action {
	bool found, swap;
	size_t v, u, p, q;
	double worth; /* gain per move */
	double load;  /* that is moved */
};

static double badness(const struct window *window, double load)
{
	if (window->low > window->high)
		return load * load;
	return cpu_larger(load - window->high, 0) + cpu_larger(window->low - load, 0);
}

/* How many more moves the plan has after that move: −1 where the vCPU goes home. */
static int count_move(const struct cpu_problem *problem, size_t v, size_t from, size_t to)
{
	if (problem->at[v] == CPU_NOWHERE)
		return 0;
	return (problem->at[v] == (int)from) - (problem->at[v] == (int)to);
}

/* From 1 − JITTER to 1; 1 in the first variant. */
static double jitter(struct descent *descent)
{
	if (!descent->variant)
		return 1;
	descent->dice = descent->dice * 1664525u + 1013904223u;
	return 1 - JITTER * (double)(descent->dice >> 16) / 65536;
}

/* More gain per move, then less load moved. */
static bool is_better(const struct action *a, const struct action *b)
{
	if (!a->found || !b->found)
		return a->found;
	if (fabs(a->worth - b->worth) > CPU_EPSILON)
		return a->worth > b->worth;
	return a->load < b->load - CPU_EPSILON;
}

/* Two pCPUs, p and q, between which load is to be shifted. */
struct pair {
	size_t p, q;
	double from, to; /* their loads */
	double badness;	 /* of both */
};

/* Most of what is considered gains nothing: that is found out first. */
static void consider(struct descent *descent, const struct pair *pair, size_t v, const size_t *u,
		     struct action *best)
{
	const struct cpu_problem *problem = descent->board.problem;
	double shift = problem->demand[v] - (u ? problem->demand[*u] : 0), gain;
	struct action action;
	int moves;

	gain = pair->badness - badness(&descent->window, pair->from - shift) -
	       badness(&descent->window, pair->to + shift);
	if (gain <= CPU_EPSILON)
		return;
	if (!cpu_may(problem, v, pair->q) || (u && !cpu_may(problem, *u, pair->p)))
		return;
	moves = count_move(problem, v, pair->p, pair->q) +
		(u ? count_move(problem, *u, pair->q, pair->p) : 0);
	action = (struct action){.found = true,
				 .swap = u != NULL,
				 .v = v,
				 .u = u ? *u : 0,
				 .p = pair->p,
				 .q = pair->q,
				 .load = problem->demand[v] + (u ? problem->demand[*u] : 0)};
	action.worth = gain / (moves > 0 ? moves : 0.25) * jitter(descent);
	if (is_better(&action, best))
		*best = action;
}

/* The vCPUs of p next above and below that demand; or all of a short column. */
static void consider_near(struct descent *descent, const struct pair *pair, double demand,
			  struct action *best)
{
	const struct column *column = &descent->board.columns[pair->p];
	size_t i;

	if (column->n <= COLUMN_SCAN) {
		for (i = 0; i < column->n; i++)
			consider(descent, pair, column->vcpus[i], NULL, best);
		return;
	}
	i = board_find(&descent->board, pair->p, demand);
	if (i < column->n)
		consider(descent, pair, column->vcpus[i], NULL, best);
	if (i > 0)
		consider(descent, pair, column->vcpus[i - 1], NULL, best);
}

/* The best way to shift load from p to q: about `least` of it, and no more than `most`. */
static void find_action(struct descent *descent, size_t p, size_t q, struct action *best)
{
	const struct board *board = &descent->board;
	const struct window *window = &descent->window;
	const struct column *from = &board->columns[p], *to = &board->columns[q];
	const struct pair pair = {p, q, board->load[p], board->load[q],
				  badness(window, board->load[p]) +
					  badness(window, board->load[q])};
	double shift = (board->load[p] - board->load[q]) / 2;

	if (window->low <= window->high)
		shift = cpu_lesser(
			cpu_larger(board->load[p] - window->high, window->low - board->load[q]),
			cpu_lesser(board->load[p] - window->low, window->high - board->load[q]));
	consider_near(descent, &pair, shift, best);
	for (size_t i = 0; i < from->n && i < COLUMN_SCAN; i++) {
		double demand = board->problem->demand[from->vcpus[i]];
		size_t j = board_find(board, q, demand - shift);

		/* In exchange the largest that leaves enough, and the next larger. */
		if (j < to->n)
			consider(descent, &pair, from->vcpus[i], &to->vcpus[j], best);
		if (j > 0 && board->problem->demand[to->vcpus[j - 1]] < demand)
			consider(descent, &pair, from->vcpus[i], &to->vcpus[j - 1], best);
	}
}

/*
 * The best action between one pCPU and the first few at the other end of the order that help at
 * all.
 */
static void find_partner(struct descent *descent, size_t p, bool gives, struct action *best)
{
	size_t m = descent->board.problem->npcpus, helpful = 0;

	for (size_t i = 0; i < m && i < PARTNERS_TRIED && helpful < PARTNERS; i++) {
		size_t q = descent->board.order[gives ? i : m - 1 - i];
		struct action found = {0};

		if (q == p)
			return;
		find_action(descent, gives ? p : q, gives ? q : p, &found);
		helpful += found.found;
		if (is_better(&found, best))
			*best = found;
	}
}

/* The best action for the pCPU that is furthest out among those for which there is any. */
static void find_next(struct descent *descent, struct action *best)
{
	const struct board *board = &descent->board;
	bool squares = descent->window.low > descent->window.high;
	size_t m = board->problem->npcpus, top = m, bottom = 0;

	while (bottom < top && m - top + bottom < ENDS_TRIED && !best->found) {
		double over = board->load[board->order[top - 1]] - descent->window.high;
		double under = descent->window.low - board->load[board->order[bottom]];

		if (!squares && over <= CPU_EPSILON && under <= CPU_EPSILON)
			return;
		if (squares ? bottom < m - top : over < under)
			find_partner(descent, board->order[bottom++], false, best);
		else
			find_partner(descent, board->order[--top], true, best);
	}
}

static int improve(struct descent *descent)
{
	size_t limit = 4 * descent->board.problem->nvcpus + 16;

	while (limit--) {
		struct action best = {0};

		find_next(descent, &best);
		if (!best.found)
			return 0;
		if ((best.swap && board_put(&descent->board, best.u, best.p)) ||
		    board_put(&descent->board, best.v, best.q))
			return -1;
	}
	return 0;
}

/* --- taking back --- */

static bool is_too_high(const struct board *board)
{
	const struct cpu_problem *problem = board->problem;

	return board->load[board->order[problem->npcpus - 1]] > problem->top_most + CPU_EPSILON;
}

/* Puts v on p if the spread is still within the target then. */
static bool put_within(struct board *board, size_t v, size_t p, double target)
{
	size_t from = (size_t)board->to[v];

	if (board_put(board, v, p))
		return false;
	if (board_spread(board) <= target + CPU_EPSILON && !is_too_high(board))
		return true;
	/* There was room for it a moment ago. */
	board_put(board, v, from);
	return false;
}

/* u left home and others came: could u stay, and one of them go where u went? */
static void trade_home(struct board *board, size_t u, double target)
{
	const struct cpu_problem *problem = board->problem;
	size_t home = (size_t)problem->at[u], away = (size_t)board->to[u];

	for (size_t i = 0; i < board->columns[home].n; i++) {
		size_t v = board->columns[home].vcpus[i];

		if (problem->at[v] == (int)home || !cpu_may(problem, v, away))
			continue;
		if (board_put(board, u, home) || board_put(board, v, away))
			return;
		if (board_spread(board) <= target + CPU_EPSILON && !is_too_high(board))
			return;
		if (board_put(board, v, home) || board_put(board, u, away))
			return;
	}
}

static void take_back(struct board *board, double target)
{
	const struct cpu_problem *problem = board->problem;

	for (int pass = 0; pass < 2; pass++) {
		for (size_t v = 0; v < problem->nvcpus; v++) {
			int home = problem->at[v];

			if (home == CPU_NOWHERE || home == board->to[v] ||
			    !cpu_may(problem, v, (size_t)home))
				continue;
			if (!put_within(board, v, (size_t)home, target) && pass)
				trade_home(board, v, target);
		}
	}
}

/* --- all of it --- */

/*
 * Keeps the board's assignment if it is better: within the target and cheaper, or of less spread.
 */
static void keep_better(const struct board *board, double target, int *to, double *spread)
{
	const struct cpu_problem *problem = board->problem;
	double reached = board_spread(board);
	bool within = reached <= target + CPU_EPSILON;

	if (is_too_high(board))
		return;
	if (within && *spread <= target + CPU_EPSILON) {
		if (cpu_cost(problem, board->to) >= cpu_cost(problem, to))
			return;
	} else if (reached >= *spread - CPU_EPSILON) {
		return;
	}
	memcpy(to, board->to, problem->nvcpus * sizeof(*to));
	*spread = reached;
}

int cpu_search_local(const struct cpu_problem *problem, double target, bool afresh,
		     unsigned int variant, int *to, double *spread)
{
	static const double places[] = {0.5, 1, 0.75, 0.25, 0};
	const unsigned int nplaces = sizeof(places) / sizeof(*places);
	struct descent descent = {.variant = variant / nplaces, .dice = variant};
	double low, high, place = places[variant % nplaces];
	int result = -1;

	cpu_top_bounds(problem, target, &low, &high);
	descent.window.high = low + place * (high - low);
	descent.window.low = descent.window.high - target;
	if (board_init(&descent.board, problem) || start(&descent.board, afresh))
		goto out;
	if (!afresh && improve(&descent))
		goto out;
	if (board_spread(&descent.board) > target + CPU_EPSILON) {
		descent.window = (struct window){1, 0};
		if (improve(&descent))
			goto out;
	}
	take_back(&descent.board, cpu_larger(target, board_spread(&descent.board)));
	keep_better(&descent.board, target, to, spread);
	result = 0;
out:
	board_free(&descent.board);
	return result;
}
