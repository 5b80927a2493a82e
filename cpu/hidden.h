/* SPDX-License-Identifier: MIT */
/*
 * Fourth stage of the policy: demands that full pCPUs hide. A vCPU that never slept got something
 * and may want anything from that to a whole pCPU. A pin costs, a look is free: moves that bring
 * such demands to light come first, and the rest is planned when they are known.
 */
#ifndef BALLAST_CPU_HIDDEN_H
#define BALLAST_CPU_HIDDEN_H

#include "table.h"

/*
 * Replaces the hidden demands of a table by the likeliest, if that leaves more than free_least_pct
 * of the host for what is hidden to show itself; table->looks tells. 0, or −1 when out of memory.
 */
int hidden_guess(struct table *table, double free_least_pct);

/*
 * Of a plan to[] for a table that looks: takes back all that can wait until more is seen. Returns
 * how many moves are left; 0: none of them brings anything to light, and to[] is as it was; −1 when
 * out of memory.
 */
ptrdiff_t hidden_keep(const struct table *table, double threshold_pct, int *to);

#endif
