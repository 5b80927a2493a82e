/* SPDX-License-Identifier: MIT */
/*
 * An assignment of vCPUs to pCPUs that is changed quickly: loads, pCPUs by load, vCPUs by demand.
 */
#ifndef BALLAST_CPU_BOARD_H
#define BALLAST_CPU_BOARD_H

#include "assignment.h"

struct column {
	size_t n, size;
	size_t *vcpus; /* largest demand first, then by number */
};

struct board {
	const struct cpu_problem *problem;
	int *to; /* [nvcpus] pCPU, or CPU_NOWHERE */
	double *load;
	double *core_load;   /* of the whole core of each pCPU */
	size_t *next_thread; /* of the same core, the first after the last */
	struct column *columns;
	size_t *order; /* pCPUs by load, least first */
	size_t *rank;  /* of each pCPU in that order */
};

/* An empty board. 0, or −1 when out of memory; free it in either case. */
int board_init(struct board *board, const struct cpu_problem *problem);
void board_free(struct board *board);

/* Puts a vCPU on a pCPU, from where it is or from nowhere. 0, or −1 when out of memory. */
int board_put(struct board *board, size_t vcpu, size_t pcpu);

double board_spread(const struct board *board);

/* The first position in the column with a demand of at most that. */
size_t board_find(const struct board *board, size_t pcpu, double demand);

/* All vCPUs by demand, largest first; to be freed. NULL when out of memory. */
size_t *board_sort(const struct cpu_problem *problem);

#endif
