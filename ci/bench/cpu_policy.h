/* SPDX-License-Identifier: MIT */
/*
 * A build of the scheduler's policy behind calls that have none of its structs, so that another
 * tree's can be shown beside this one's.
 */
#ifndef BALLAST_BENCH_CPU_POLICY_H
#define BALLAST_BENCH_CPU_POLICY_H

#include <stddef.h>
#include <stdint.h>

#define BENCH_POLICY_SYMBOL "bench_policy_calls"

/* What is read at a tick; vCPU v belongs to guest v / vcpus. */
struct bench_reading {
	double time_s;
	size_t npcpus, nguests, vcpus;
	const uint64_t *busy_ns;	   /* [npcpus] */
	const unsigned char (*uuid)[16];   /* [nguests] */
	const uint64_t *run_ns, *delay_ns; /* [nguests × vcpus] */
	const int *pcpu;		   /* [nguests × vcpus] −1: floats */
};

struct bench_policy_calls {
	void *(*begin)(void);
	/* Replaces the places in to[nguests × vcpus] of those that are to be pinned. 0, or −1. */
	int (*plan)(void *policy, const struct bench_reading *reading, int *to);
	void (*end)(void *policy);
};

#endif
