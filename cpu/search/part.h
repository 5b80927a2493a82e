/* SPDX-License-Identifier: MIT */
/*
 * Last stage of the policy: what the spread does not show. A real-time vCPU takes what it wants
 * from a busy one on its pCPU while another has room. Where it cannot be reduced, because of
 * one huge vCPU or because of restrictions, a pCPU may still be overloaded while another has room.
 * Two busy vCPUs of one guest on one pCPU wait for each other while another pCPU has room. Two busy
 * threads of one core slow each other down while another core idles.
 */
#ifndef BALLAST_CPU_PART_H
#define BALLAST_CPU_PART_H

#include "assignment.h"

/*
 * Mends that in the assignment to[], where it leaves the spread within spread_most: by one move, or
 * a swap, at a time. Marks in moved[nvcpus] what it moved for another reason than load. 0, or −1
 * when out of memory.
 */
int cpu_part(const struct cpu_problem *problem, double spread_most, int *to, bool *moved);

#endif
