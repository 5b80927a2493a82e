/* SPDX-License-Identifier: MIT */
/* An assignment of vCPUs to pCPUs that is changed quickly. */
#include "board.h"

#include <stdlib.h>
#include <string.h>

struct thread {
	int core;
	size_t p;
};

static int compare_threads(const void *a, const void *b)
{
	const struct thread *x = a, *y = b;

	if (x->core != y->core)
		return x->core < y->core ? -1 : 1;
	return (x->p > y->p) - (x->p < y->p);
}

/* Rings of the threads of each core; where cores are not known each pCPU is one. */
static int find_threads(struct board *board)
{
	const struct cpu_problem *problem = board->problem;
	size_t m = problem->npcpus;
	struct thread *threads = malloc((m + 1) * sizeof(*threads));

	if (!threads)
		return -1;
	for (size_t p = 0; p < m; p++)
		threads[p] = (struct thread){problem->core ? problem->core[p] : -1, p};
	qsort(threads, m, sizeof(*threads), compare_threads);
	for (size_t first = 0, i = 0; i < m; i++) {
		bool last =
			i + 1 == m || threads[i].core < 0 || threads[i + 1].core != threads[i].core;

		board->next_thread[threads[i].p] = threads[last ? first : i + 1].p;
		first = last ? i + 1 : first;
	}
	free(threads);
	return 0;
}

static void add_load(struct board *board, size_t p, double load)
{
	size_t thread = p;

	board->load[p] += load;
	do {
		board->core_load[thread] += load;
		thread = board->next_thread[thread];
	} while (thread != p);
}

int board_init(struct board *board, const struct cpu_problem *problem)
{
	size_t m = problem->npcpus;

	*board = (struct board){.problem = problem};
	board->to = malloc((problem->nvcpus + 1) * sizeof(*board->to));
	board->load = calloc(m + 1, sizeof(*board->load));
	board->core_load = calloc(m + 1, sizeof(*board->core_load));
	board->next_thread = malloc((m + 1) * sizeof(*board->next_thread));
	board->columns = calloc(m + 1, sizeof(*board->columns));
	board->order = malloc((m + 1) * sizeof(*board->order));
	board->rank = malloc((m + 1) * sizeof(*board->rank));
	if (!board->to || !board->load || !board->core_load || !board->next_thread ||
	    !board->columns || !board->order || !board->rank || find_threads(board))
		return -1;
	for (size_t v = 0; v < problem->nvcpus; v++)
		board->to[v] = CPU_NOWHERE;
	for (size_t p = 0; p < m; p++) {
		size_t i = p;

		add_load(board, p, problem->base[p]);
		for (; i > 0 && board->load[board->order[i - 1]] > board->load[p]; i--)
			board->order[i] = board->order[i - 1];
		board->order[i] = p;
	}
	for (size_t i = 0; i < m; i++)
		board->rank[board->order[i]] = i;
	return 0;
}

void board_free(struct board *board)
{
	for (size_t p = 0; board->columns && p < board->problem->npcpus; p++)
		free(board->columns[p].vcpus);
	free(board->columns);
	free(board->to);
	free(board->load);
	free(board->core_load);
	free(board->next_thread);
	free(board->order);
	free(board->rank);
}

static bool before(const struct cpu_problem *problem, size_t a, size_t b)
{
	if (problem->demand[a] != problem->demand[b])
		return problem->demand[a] > problem->demand[b];
	return a < b;
}

/* The position of a vCPU in a column, or where it would be. */
static size_t position(const struct cpu_problem *problem, const struct column *column, size_t v)
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
	size_t i;

	if (column->n == column->size) {
		size_t size = column->size ? 2 * column->size : 8;
		size_t *vcpus = realloc(column->vcpus, size * sizeof(*vcpus));

		if (!vcpus)
			return -1;
		column->vcpus = vcpus;
		column->size = size;
	}
	i = position(problem, column, v);
	memmove(column->vcpus + i + 1, column->vcpus + i, (column->n - i) * sizeof(size_t));
	column->vcpus[i] = v;
	column->n++;
	return 0;
}

static void column_remove(const struct cpu_problem *problem, struct column *column, size_t v)
{
	size_t i = position(problem, column, v);

	column->n--;
	memmove(column->vcpus + i, column->vcpus + i + 1, (column->n - i) * sizeof(size_t));
}

/* Puts a pCPU whose load changed back into order. */
static void reorder(struct board *board, size_t p)
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

int board_put(struct board *board, size_t vcpu, size_t pcpu)
{
	const struct cpu_problem *problem = board->problem;

	if (column_add(problem, &board->columns[pcpu], vcpu))
		return -1;
	if (board->to[vcpu] != CPU_NOWHERE) {
		size_t old = (size_t)board->to[vcpu];

		column_remove(problem, &board->columns[old], vcpu);
		add_load(board, old, -problem->demand[vcpu]);
		reorder(board, old);
	}
	board->to[vcpu] = (int)pcpu;
	add_load(board, pcpu, problem->demand[vcpu]);
	reorder(board, pcpu);
	return 0;
}

double board_spread(const struct board *board)
{
	size_t last = board->problem->npcpus - 1;

	return board->load[board->order[last]] - board->load[board->order[0]];
}

size_t board_find(const struct board *board, size_t pcpu, double demand)
{
	const struct column *column = &board->columns[pcpu];
	size_t low = 0, high = column->n;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (board->problem->demand[column->vcpus[middle]] > demand)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int compare_demand(const void *a, const void *b, void *opaque)
{
	const struct cpu_problem *problem = opaque;
	size_t x = *(const size_t *)a, y = *(const size_t *)b;

	return before(problem, y, x) - before(problem, x, y);
}

size_t *board_sort(const struct cpu_problem *problem)
{
	size_t *sorted = malloc((problem->nvcpus + 1) * sizeof(*sorted));

	if (!sorted)
		return NULL;
	for (size_t v = 0; v < problem->nvcpus; v++)
		sorted[v] = v;
	qsort_r(sorted, problem->nvcpus, sizeof(*sorted), compare_demand, (void *)problem);
	return sorted;
}
