/* SPDX-License-Identifier: MIT */
/* Local search for few moves, and the bounds that say how good it is. The complete search is exact.c. */
#include "search.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Loads are sums of percentages: differences below this are rounding. */
#define EPSILON 1e-6

/* Where the threshold cannot be reached, this far from the least spread counts as the least. */
#define SPREAD_TOLERANCE 0.5

/* How many pCPUs at the other end of the order are looked at for a partner. */
#define PARTNERS 12

/* Swaps are tried between pCPUs with at most this many pairs of vCPUs. */
#define PAIRS_MOST 4096

/* The complete search is of use up to about this size. */
#define EXACT_VCPUS_MOST 64

/* Load is compared in steps of this many points when plans of equally many moves are told apart. */
#define LOAD_STEP 5.0
#define COST_LOAD     (INT64_C(1) << 24)
#define COST_DISTANCE (INT64_C(1) << 12)

bool cpu_may(const struct cpu_problem *problem, size_t vcpu, size_t pcpu)
{
	return !problem->allowed || !problem->allowed[vcpu] || problem->allowed[vcpu][pcpu];
}

/* 0: the same core … 3: another node. Levels that are not known do not count. */
static int distance(const struct cpu_problem *problem, int from, int to)
{
	if (problem->node && problem->node[from] != problem->node[to])
		return 3;
	if (problem->cache && problem->cache[from] != problem->cache[to])
		return 2;
	return problem->core && problem->core[from] >= 0 &&
	       problem->core[from] == problem->core[to] ? 0 : 1;
}

int64_t cpu_cost_at(const struct cpu_problem *problem, size_t vcpu, int pcpu)
{
	int from = problem->at[vcpu];

	if (from == CPU_NOWHERE || from == pcpu)
		return 0;
	return CPU_COST_MOVE + (int64_t)(problem->demand[vcpu] / LOAD_STEP + 0.5) * COST_LOAD +
	       distance(problem, from, pcpu) * COST_DISTANCE;
}

int64_t cpu_cost(const struct cpu_problem *problem, const int *to)
{
	int64_t cost = 0;

	for (size_t v = 0; v < problem->nvcpus; v++)
		cost += cpu_cost_at(problem, v, to[v]);
	return cost;
}

static size_t count_moves(const struct cpu_problem *problem, const int *to)
{
	size_t moves = 0;

	for (size_t v = 0; v < problem->nvcpus; v++)
		moves += problem->at[v] != CPU_NOWHERE && problem->at[v] != to[v];
	return moves;
}

/* --- bounds --- */

static int compare_down(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x < y) - (x > y);
}

/* How high every pCPU can be filled with that much load at most, pouring it where there is least. */
static double water_level(const double *base, size_t n, double pour)
{
	double *sorted = malloc((n + 1) * sizeof(*sorted));
	double level = 0, sum = 0;
	size_t k;

	if (!sorted)
		return INFINITY;
	memcpy(sorted, base, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), compare_down);
	/* From the lowest up: k columns filled to the same level. */
	for (k = 1; k <= n; k++) {
		sum += sorted[n - k];
		level = (sum + pour) / (double)k;
		if (k == n || level <= sorted[n - k - 1])
			break;
	}
	free(sorted);
	return level;
}

static double total_demand(const struct cpu_problem *problem)
{
	double sum = 0;

	for (size_t v = 0; v < problem->nvcpus; v++)
		sum += problem->demand[v];
	return sum;
}

double cpu_spread_bound(const struct cpu_problem *problem)
{
	size_t m = problem->npcpus, n = problem->nvcpus, big = 0;
	double *sorted = malloc((n + 1) * sizeof(*sorted));
	double least_base = INFINITY, most_base = 0;
	double left = total_demand(problem), most, level;

	if (!sorted || !m) {
		free(sorted);
		return 0;
	}
	memcpy(sorted, problem->demand, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), compare_down);
	for (size_t p = 0; p < m; p++) {
		least_base = fmin(least_base, problem->base[p]);
		most_base = fmax(most_base, problem->base[p]);
	}
	/* The busiest has at least the mean, the largest vCPU, and two of the m + 1 largest. */
	level = water_level(problem->base, m, left);
	most = fmax(level, most_base);
	if (n)
		most = fmax(most, least_base + sorted[0]);
	if (n > m)
		most = fmax(most, least_base + sorted[m - 1] + sorted[m]);
	/* vCPUs above the mean each take a pCPU; the idlest has at most the mean of the rest. Only
	 * where nothing but vCPUs counts: with unequal bases the mean is no longer that simple. */
	if (most_base - least_base < EPSILON) {
		while (big < n && big + 1 < m && least_base + sorted[big] > level) {
			left -= sorted[big++];
			level = least_base + left / (double)(m - big);
		}
	}
	free(sorted);
	return fmax(most - level, 0);
}

/* How few of the vCPUs, largest first, make up at least `need`. */
static size_t fewest(const double *sorted, size_t n, double need)
{
	size_t count = 0;

	while (need > EPSILON && count < n)
		need -= sorted[count++];
	return count;
}

/* The largest and least load a pCPU can have where the spread is at most that. */
static void load_limits(const struct cpu_problem *problem, double spread, double *low, double *high)
{
	double total = total_demand(problem), m = (double)problem->npcpus;
	double level = water_level(problem->base, problem->npcpus, total), mean = total, most = 0;

	for (size_t p = 0; p < problem->npcpus; p++) {
		mean += problem->base[p];
		most = fmax(most, problem->base[p]);
	}
	mean /= m;
	*high = fmin(mean + spread * (m - 1) / m, level + spread) + EPSILON;
	*low = fmax(mean - spread * (m - 1) / m, most - spread) - EPSILON;
}

size_t cpu_moves_bound(const struct cpu_problem *problem, double spread)
{
	size_t m = problem->npcpus, n = problem->nvcpus, out = 0, in = 0, used = 0;
	double *here = malloc((n + 1) * sizeof(*here));
	double *sorted = malloc((n + 1) * sizeof(*sorted));
	size_t *start = calloc(m + 2, sizeof(*start));
	double low, high;
	bool floating = false;

	if (!here || !sorted || !start)
		goto out;
	load_limits(problem, spread, &low, &high);
	memcpy(sorted, problem->demand, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), compare_down);
	for (size_t v = 0; v < n; v++) {
		floating |= problem->at[v] == CPU_NOWHERE;
		if (problem->at[v] != CPU_NOWHERE)
			start[problem->at[v] + 2]++;
	}
	for (size_t p = 0; p < m; p++)
		start[p + 2] += start[p + 1];
	for (size_t v = 0; v < n; v++) {
		if (problem->at[v] != CPU_NOWHERE)
			here[start[problem->at[v] + 1]++] = problem->demand[v];
	}
	for (size_t p = 0; p < m; p++) {
		double *mine = here + used;
		size_t count = start[p + 1] - used;
		double load = problem->base[p];

		used = start[p + 1];
		qsort(mine, count, sizeof(*mine), compare_down);
		for (size_t i = 0; i < count; i++)
			load += mine[i];
		out += fewest(mine, count, load - high);
		in += fewest(sorted, n, low - load);
	}
out:
	free(here);
	free(sorted);
	free(start);
	/* Floating vCPUs fill for nothing. */
	return floating ? out : (out > in ? out : in);
}

/* --- the board: an assignment that can be changed quickly --- */

struct column {
	size_t n, size;
	size_t *vcpus; /* largest demand first, then by number */
};

struct board {
	const struct cpu_problem *problem;
	int *to;
	double *load;
	struct column *columns;
	size_t *order;	  /* pCPUs by load, least first */
	size_t *rank;	  /* of each pCPU in that order */
};

static void board_free(struct board *board)
{
	for (size_t p = 0; board->columns && p < board->problem->npcpus; p++)
		free(board->columns[p].vcpus);
	free(board->columns);
	free(board->to);
	free(board->load);
	free(board->order);
	free(board->rank);
}

static bool before(const struct cpu_problem *problem, size_t a, size_t b)
{
	if (problem->demand[a] != problem->demand[b])
		return problem->demand[a] > problem->demand[b];
	return a < b;
}

static size_t column_find(const struct cpu_problem *problem, const struct column *column, size_t v)
{
	size_t low = 0, high = column->n;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (before(problem, column->vcpus[middle], v))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int column_add(const struct cpu_problem *problem, struct column *column, size_t v)
{
	size_t i = column_find(problem, column, v);

	if (column->n == column->size) {
		size_t size = column->size ? 2 * column->size : 8;
		size_t *vcpus = realloc(column->vcpus, size * sizeof(*vcpus));

		if (!vcpus)
			return -1;
		column->vcpus = vcpus;
		column->size = size;
	}
	memmove(column->vcpus + i + 1, column->vcpus + i, (column->n - i) * sizeof(size_t));
	column->vcpus[i] = v;
	column->n++;
	return 0;
}

static void column_remove(const struct cpu_problem *problem, struct column *column, size_t v)
{
	size_t i = column_find(problem, column, v);

	column->n--;
	memmove(column->vcpus + i, column->vcpus + i + 1, (column->n - i) * sizeof(size_t));
}

/* Puts a pCPU whose load changed back into order. */
static void board_rank(struct board *board, size_t p)
{
	size_t i = board->rank[p], last = board->problem->npcpus - 1;

	while (i > 0 && board->load[board->order[i - 1]] > board->load[p]) {
		board->order[i] = board->order[i - 1];
		board->rank[board->order[i]] = i;
		i--;
	}
	while (i < last && board->load[board->order[i + 1]] < board->load[p]) {
		board->order[i] = board->order[i + 1];
		board->rank[board->order[i]] = i;
		i++;
	}
	board->order[i] = p;
	board->rank[p] = i;
}

/* Puts a vCPU on a pCPU, from where it is or from nowhere. 0, or −1 when out of memory. */
static int board_put(struct board *board, size_t v, size_t p)
{
	const struct cpu_problem *problem = board->problem;

	if (column_add(problem, &board->columns[p], v))
		return -1;
	if (board->to[v] != CPU_NOWHERE) {
		size_t old = (size_t)board->to[v];

		column_remove(problem, &board->columns[old], v);
		board->load[old] -= problem->demand[v];
		board_rank(board, old);
	}
	board->to[v] = (int)p;
	board->load[p] += problem->demand[v];
	board_rank(board, p);
	return 0;
}

static double board_spread(const struct board *board)
{
	size_t last = board->problem->npcpus - 1;

	return board->load[board->order[last]] - board->load[board->order[0]];
}

/* An empty board. */
static int board_init(struct board *board, const struct cpu_problem *problem)
{
	size_t m = problem->npcpus;

	*board = (struct board){.problem = problem};
	board->to = malloc((problem->nvcpus + 1) * sizeof(*board->to));
	board->load = malloc((m + 1) * sizeof(*board->load));
	board->columns = calloc(m + 1, sizeof(*board->columns));
	board->order = malloc((m + 1) * sizeof(*board->order));
	board->rank = malloc((m + 1) * sizeof(*board->rank));
	if (!board->to || !board->load || !board->columns || !board->order || !board->rank)
		return -1;
	for (size_t v = 0; v < problem->nvcpus; v++)
		board->to[v] = CPU_NOWHERE;
	for (size_t p = 0; p < m; p++) {
		board->load[p] = problem->base[p];
		board->order[p] = board->rank[p] = p;
	}
	for (size_t p = 0; p < m; p++)
		board_rank(board, p);
	return 0;
}

double cpu_spread(const struct cpu_problem *problem, const int *to)
{
	double least = INFINITY, most = -INFINITY;
	double *load = malloc((problem->npcpus + 1) * sizeof(*load));

	if (!load || !problem->npcpus) {
		free(load);
		return 0;
	}
	memcpy(load, problem->base, problem->npcpus * sizeof(*load));
	for (size_t v = 0; v < problem->nvcpus; v++)
		load[to[v]] += problem->demand[v];
	for (size_t p = 0; p < problem->npcpus; p++) {
		least = fmin(least, load[p]);
		most = fmax(most, load[p]);
	}
	free(load);
	return most - least;
}

/* --- placing what floats: largest first, each to the pCPU with least load --- */

static double core_load(const struct board *board, size_t p)
{
	const struct cpu_problem *problem = board->problem;
	double sum = 0;

	if (!problem->core || problem->core[p] < 0)
		return board->load[p];
	for (size_t q = 0; q < problem->npcpus; q++)
		sum += problem->core[q] == problem->core[p] ? board->load[q] : 0;
	return sum;
}

static bool better_place(const struct board *board, size_t p, size_t q)
{
	double difference = board->load[p] - board->load[q];

	if (fabs(difference) > EPSILON)
		return difference < 0;
	if (board->columns[p].n != board->columns[q].n)
		return board->columns[p].n < board->columns[q].n;
	difference = core_load(board, p) - core_load(board, q);
	if (fabs(difference) > EPSILON)
		return difference < 0;
	return p < q;
}

/* The best of the pCPUs a vCPU may be put on. */
static size_t find_place(const struct board *board, size_t v)
{
	size_t m = board->problem->npcpus, best = m;

	for (size_t i = 0; i < m; i++) {
		size_t p = board->order[i];

		if (!cpu_may(board->problem, v, p))
			continue;
		if (best < m && board->load[p] > board->load[best] + EPSILON)
			break;
		if (best == m || better_place(board, p, best))
			best = p;
	}
	return best;
}

static int sort_by_demand(const struct cpu_problem *problem, size_t **sorted_out)
{
	struct column all = {0};

	for (size_t v = 0; v < problem->nvcpus; v++) {
		if (column_add(problem, &all, v)) {
			free(all.vcpus);
			return -1;
		}
	}
	*sorted_out = all.vcpus;
	return 0;
}

/* Everything stays where it is; what floats, or may not stay, is placed. With `afresh` all is placed. */
static int board_start(struct board *board, bool afresh)
{
	const struct cpu_problem *problem = board->problem;
	size_t *sorted = NULL;
	int result = -1;

	if (sort_by_demand(problem, &sorted))
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

/* A move of v from its pCPU to q, and back of u (or of none) in exchange. */
struct action {
	bool found;
	size_t v, u;
	bool swap;
	double gain, load;
	int moves; /* how many more moves the plan then has */
};

/* What is being improved: the violation of a window of loads, or with low > high the squares. */
struct window {
	double low, high;
};

static double badness(const struct window *window, double load)
{
	if (window->low > window->high)
		return load * load;
	return fmax(load - window->high, 0) + fmax(window->low - load, 0);
}

static int move_count(const struct cpu_problem *problem, size_t v, size_t from, size_t to)
{
	if (problem->at[v] == CPU_NOWHERE)
		return 0;
	return (problem->at[v] == (int)from) - (problem->at[v] == (int)to);
}

/* Is the one action better than the other: more gain per move, then less load moved. */
static bool better_action(const struct action *a, const struct action *b)
{
	double by_a, by_b;

	if (!b->found)
		return true;
	by_a = a->gain / fmax(a->moves, 0.25);
	by_b = b->gain / fmax(b->moves, 0.25);
	if (fabs(by_a - by_b) > EPSILON)
		return by_a > by_b;
	return a->load < b->load - EPSILON;
}

static void consider(const struct board *board, const struct window *window, size_t p, size_t q,
		     size_t v, const size_t *u, struct action *best)
{
	const struct cpu_problem *problem = board->problem;
	struct action action = {.found = true, .v = v, .swap = u != NULL, .u = u ? *u : 0};
	double shift = problem->demand[v];

	if (!cpu_may(problem, v, q) || (u && !cpu_may(problem, *u, p)))
		return;
	action.load = shift;
	action.moves = move_count(problem, v, p, q);
	if (u) {
		shift -= problem->demand[*u];
		action.load += problem->demand[*u];
		action.moves += move_count(problem, *u, q, p);
	}
	action.gain = badness(window, board->load[p]) + badness(window, board->load[q]) -
		      badness(window, board->load[p] - shift) -
		      badness(window, board->load[q] + shift);
	if (action.gain > EPSILON && better_action(&action, best))
		*best = action;
}

/* The best way to shift load from p to q. */
static void find_action(const struct board *board, const struct window *window, size_t p, size_t q,
			struct action *best)
{
	const struct column *from = &board->columns[p], *to = &board->columns[q];

	for (size_t i = 0; i < from->n; i++)
		consider(board, window, p, q, from->vcpus[i], NULL, best);
	if (from->n * to->n > PAIRS_MOST)
		return;
	for (size_t i = 0; i < from->n; i++) {
		for (size_t j = 0; j < to->n; j++) {
			if (board->problem->demand[from->vcpus[i]] >
			    board->problem->demand[to->vcpus[j]])
				consider(board, window, p, q, from->vcpus[i], &to->vcpus[j], best);
		}
	}
}

static int act(struct board *board, const struct action *action)
{
	size_t p = (size_t)board->to[action->v];

	if (!action->swap)
		return 0;
	return board_put(board, action->u, p);
}

/* The best action between the pCPU at one end of the order and those at the other. */
static void find_from_end(const struct board *board, const struct window *window, bool top,
			  struct action *best, size_t *target)
{
	size_t m = board->problem->npcpus, last = m - 1;
	size_t end = board->order[top ? last : 0];

	for (size_t i = 0; i < m - 1 && i < PARTNERS; i++) {
		size_t partner = board->order[top ? i : last - i];
		struct action was = *best;

		if (top)
			find_action(board, window, end, partner, best);
		else
			find_action(board, window, partner, end, best);
		if (memcmp(&was, best, sizeof(was)) != 0)
			*target = top ? partner : end;
	}
}

/* Takes the best action at either end of the order until none is left that helps. */
static int improve(struct board *board, const struct window *window)
{
	size_t last = board->problem->npcpus - 1, limit = 4 * board->problem->nvcpus + 16;

	while (limit--) {
		struct action best;
		size_t target = 0;
		double over = badness(window, board->load[board->order[last]]);
		double under = badness(window, board->load[board->order[0]]);

		memset(&best, 0, sizeof(best));
		find_from_end(board, window, over >= under, &best, &target);
		if (!best.found)
			find_from_end(board, window, over < under, &best, &target);
		if (!best.found)
			return 0;
		if (act(board, &best) || board_put(board, best.v, target))
			return -1;
	}
	return 0;
}

/* Would the spread still be within the target if v went to p? */
static bool stays_within(struct board *board, size_t v, size_t p, double target)
{
	size_t from = (size_t)board->to[v];

	if (board_put(board, v, p))
		return false;
	if (board_spread(board) <= target + EPSILON)
		return true;
	/* There was room for it a moment ago. */
	return board_put(board, v, from) != 0;
}

/* Takes back moves that the target does not need. */
static void take_back(struct board *board, double target)
{
	const struct cpu_problem *problem = board->problem;

	for (size_t v = 0; v < problem->nvcpus; v++) {
		if (problem->at[v] != CPU_NOWHERE && problem->at[v] != board->to[v] &&
		    cpu_may(problem, v, (size_t)problem->at[v]))
			stays_within(board, v, (size_t)problem->at[v], target);
	}
	/* u left q, v came to q: could u stay and v go where u went? */
	for (size_t u = 0; u < problem->nvcpus; u++) {
		int home = problem->at[u], away = board->to[u];
		struct column *column;

		if (home == CPU_NOWHERE || home == away || !cpu_may(problem, u, (size_t)home))
			continue;
		column = &board->columns[home];
		for (size_t i = 0; i < column->n; i++) {
			size_t v = column->vcpus[i];

			if (problem->at[v] == home || !cpu_may(problem, v, (size_t)away))
				continue;
			if (board_put(board, u, (size_t)home) ||
			    board_put(board, v, (size_t)away))
				return;
			if (board_spread(board) <= target + EPSILON)
				break;
			if (board_put(board, v, (size_t)home) || board_put(board, u, (size_t)away))
				return;
		}
	}
}

/* Keeps the board's assignment if it is better than the best so far: within the target, then cheaper. */
static void keep_better(const struct cpu_problem *problem, const struct board *board, double target,
			int *best, double *best_spread)
{
	double spread = board_spread(board);
	bool within = spread <= target + EPSILON, best_within = *best_spread <= target + EPSILON;

	if (within && best_within ? cpu_cost(problem, board->to) >= cpu_cost(problem, best)
				  : spread >= *best_spread - EPSILON)
		return;
	memcpy(best, board->to, problem->nvcpus * sizeof(*best));
	*best_spread = spread;
}

/* One descent: into a window of loads around the mean, then by squares where that gets stuck. */
static int descend(const struct cpu_problem *problem, double target, double offset, bool afresh,
		   int *best, double *best_spread)
{
	struct window window, squares = {1, 0};
	struct board board;
	double mean = total_demand(problem);
	int result = -1;

	for (size_t p = 0; p < problem->npcpus; p++)
		mean += problem->base[p];
	mean /= (double)problem->npcpus;
	window.low = mean - offset * target;
	window.high = window.low + target;
	if (board_init(&board, problem) || board_start(&board, afresh))
		goto out;
	if (!afresh && improve(&board, &window))
		goto out;
	if (board_spread(&board) > target + EPSILON && improve(&board, &squares))
		goto out;
	take_back(&board, fmax(target, board_spread(&board)));
	keep_better(problem, &board, target, best, best_spread);
	result = 0;
out:
	board_free(&board);
	return result;
}

static int search_local(const struct cpu_problem *problem, double target, int *best,
			double *best_spread)
{
	static const double offsets[] = {0.5, 0.25, 0.75, 0.05, 0.95};
	size_t bound = cpu_moves_bound(problem, target);

	for (size_t i = 0; i < sizeof(offsets) / sizeof(*offsets); i++) {
		if (descend(problem, target, offsets[i], false, best, best_spread))
			return -1;
		if (*best_spread <= target + EPSILON && count_moves(problem, best) <= bound)
			break;
	}
	return 0;
}

/* The least spread that can be found, where the threshold was not reached; into best. */
static int lower_spread(const struct cpu_problem *problem, unsigned long *nodes, int *best,
			double *best_spread, double *bound)
{
	bool failed = false, complete = false;

	if (descend(problem, 0, 0.5, true, best, best_spread))
		return -1;
	if (*best_spread > problem->threshold + EPSILON && *best_spread > *bound + EPSILON &&
	    problem->nvcpus <= EXACT_VCPUS_MOST) {
		complete = cpu_search_exact(problem, fmax(problem->threshold, *bound), true, best,
					    nodes, &failed);
		*best_spread = cpu_spread(problem, best);
	}
	if (complete && *best_spread > problem->threshold + EPSILON)
		*bound = *best_spread;
	return failed ? -1 : 0;
}

int cpu_search(const struct cpu_problem *problem, struct cpu_solution *solution)
{
	unsigned long nodes = problem->node_budget;
	double spread = INFINITY;
	bool failed = false;
	int *best = calloc(problem->nvcpus + 1, sizeof(*best));

	*solution = (struct cpu_solution){.to = best};
	if (!best)
		return -1;
	solution->spread_bound = cpu_spread_bound(problem);
	solution->target = problem->threshold;
	if (search_local(problem, solution->target, best, &spread))
		return -1;
	if (spread > problem->threshold + EPSILON) {
		if (lower_spread(problem, &nodes, best, &spread, &solution->spread_bound))
			return -1;
		if (spread > problem->threshold + EPSILON)
			solution->target = spread + SPREAD_TOLERANCE;
		if (search_local(problem, solution->target, best, &spread))
			return -1;
	}
	solution->moves = count_moves(problem, best);
	solution->bound = cpu_moves_bound(problem, solution->target);
	solution->exact = solution->moves <= solution->bound;
	if (!solution->exact && problem->nvcpus <= EXACT_VCPUS_MOST) {
		solution->exact = cpu_search_exact(problem, solution->target, false, best, &nodes,
						   &failed);
		solution->moves = count_moves(problem, best);
		if (solution->exact)
			solution->bound = solution->moves;
	}
	solution->spread = cpu_spread(problem, best);
	return failed ? -1 : 0;
}

void cpu_solution_free(struct cpu_solution *solution)
{
	free(solution->to);
	solution->to = NULL;
}
