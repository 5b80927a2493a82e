/* SPDX-License-Identifier: MIT */
/* Third stage of the policy: from demands to a problem that can be searched. */
#ifndef BALLAST_CPU_TABLE_H
#define BALLAST_CPU_TABLE_H

#include "plan.h"
#include "search/assignment.h"

/* The part of a sample that can be planned, in an order that is not the sample's. */
struct table {
	struct cpu_problem problem;
	size_t *vcpu;		       /* [problem.nvcpus] position in the sample */
	size_t *pcpu;		       /* [problem.npcpus] position in the sample */
	ptrdiff_t *column;	       /* [sample.npcpus] position in the problem, or −1 */
	double *base, *demand, *least; /* least: what is wanted at least, see hidden.h */
	bool *hidden;		       /* [problem.nvcpus] its demand is a guess */
	bool *realtime;
	bool looks; /* there are such, and room for them to show what they want */
	int *core, *cache, *node, *at;
	size_t *guest;
	unsigned char *kin;   /* [problem.nvcpus] see search.h; only of guests with several vCPUs */
	unsigned char *flags; /* nvcpus × npcpus, where any vCPU is restricted */
	const unsigned char **allowed;
	unsigned char *near_flags;
	const unsigned char *
		*near;	 /* as allowed, but nobody leaves its memory's node; NULL: no nodes */
	double *weight;	 /* [problem.nvcpus] */
	size_t floating; /* vCPUs without a pCPU of ours */
	double loudest;	 /* the largest demand */
	double total;	 /* of all demands */
};

/*
 * What can be planned of a sample: its usable pCPUs with the load that stays, and the managed vCPUs
 * whose demand is known, in the order sorted[]. plan has the loads; resting[] says which of the
 * sample's vCPUs are not to be moved for now. 0, or −1 when out of memory; free it in either case.
 */
int table_build(struct table *table, const struct cpu_policy *policy,
		const struct cpu_sample *sample, const struct cpu_plan *plan, const size_t *sorted,
		const bool *resting);

void table_free(struct table *table);

#endif
