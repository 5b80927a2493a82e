/* SPDX-License-Identifier: MIT */
/*
 * A made-up host for the policy's tests: pCPUs shared fairly, vCPUs that want what they are told
 * to.
 */
#ifndef BALLAST_CPU_MADE_UP_H
#define BALLAST_CPU_MADE_UP_H

#include "plan.h"

#define MADE_UP_VCPUS 512
#define MADE_UP_PCPUS 64

struct made_up {
	struct cpu_state *state;
	struct cpu_policy policy;
	struct cpu_plan plan;
	struct cpu_sample sample;
	struct cpu_pcpu pcpus[MADE_UP_PCPUS];
	struct cpu_guest guests[MADE_UP_VCPUS];
	struct cpu_vcpu vcpus[MADE_UP_VCPUS];
	double demand[MADE_UP_VCPUS]; /* % of a pCPU, by vCPU */
	double other[MADE_UP_PCPUS];  /* % of the pCPU, what is no vCPU's and gives way to none */
};

void made_up_init(struct made_up *m, size_t npcpus);
void made_up_free(struct made_up *m);

/* One more guest with one vCPU, or one more vCPU of the last guest; returns the vCPU's position. */
size_t made_up_guest(struct made_up *m, int pcpu, double demand);
size_t made_up_vcpu(struct made_up *m, int pcpu, double demand);

/* Time passes. */
void made_up_pass(struct made_up *m, double seconds);

/* A decision; and what it says is done. Returns its moves. */
size_t made_up_tick(struct made_up *m);

/* Ticks at an interval of 2 s. Returns all moves. */
size_t made_up_run(struct made_up *m, unsigned int ticks);

/* The sum of what the vCPUs on a pCPU want. */
double made_up_load(const struct made_up *m, int pcpu);

#endif
