/* SPDX-License-Identifier: MIT */
/*
 * A coordinator's policy as the benchmark sees it, so that the same adapter (memory_policy.c) can
 * be built with this tree's policy and, as a shared object, with an older one's.
 */
#ifndef BALLAST_BENCH_MEMORY_POLICY_H
#define BALLAST_BENCH_MEMORY_POLICY_H

#include <stddef.h>
#include <stdint.h>

/* What is seen of a guest; −1: not known. The fields mean what memory/plan.h says. */
struct seen_guest {
	unsigned char number; /* of its UUID */
	int running, managed, balloon;
	int64_t maximum_kib, actual_kib, rss_kib;
	int64_t made_s, unused_kib, usable_kib, total_kib, swap_in_kib, swap_out_kib, major_faults;
};

struct seen {
	double time_s, wall_s;
	int64_t host_total_kib, host_available_kib;
	size_t nguests;
	const struct seen_guest *guests;
};

/* Decides; *state is NULL at first. targets[i]: a new target, or 0. Returns after how many seconds
 * it wants to decide again. */
double bench_policy_plan(void **state, const struct seen *seen, double interval_s,
			 int64_t host_reserve_kib, int64_t *targets);
void bench_policy_free(void *state);

#endif
