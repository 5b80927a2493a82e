/* SPDX-License-Identifier: MIT */
/*
 * Fourth stage of the policy: what a sum of loads does not show. Two busy vCPUs of one guest on one pCPU
 * wait for each other while another pCPU has room, and two busy threads of one core slow each other down
 * while another core idles.
 */
#ifndef BALLAST_CPU_PART_H
#define BALLAST_CPU_PART_H

#include "search.h"

/*
 * Parts them in the assignment to[], where that leaves the spread within spread_most. The fewest moves that
 * are found: one, or a swap, for each. Marks what it moved in moved[nvcpus]. 0, or −1 when out of memory.
 */
int cpu_part(const struct cpu_problem *problem, double spread_most, int *to, bool *moved);

#endif
