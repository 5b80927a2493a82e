/* SPDX-License-Identifier: MIT */
/*
 * The scheduler's policy: counters in, pins out. It knows no libvirt, clock, file or log; time,
 * identities and what must be remembered between ticks are arguments.
 */
#ifndef BALLAST_CPU_PLAN_H
#define BALLAST_CPU_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CPU_UUID_LEN  16
#define CPU_FLOATING  (-1)	 /* a vCPU that may run on several pCPUs */
#define CPU_NOT_KNOWN UINT64_MAX /* a counter that could not be read */

/* --- what is read: one struct cpu_sample per tick --- */

struct cpu_pcpu {
	int id;		  /* the host's number; ids may have holes */
	int core;	  /* threads of one core have the same number; −1: not known */
	int cache;	  /* the same for the last-level cache */
	int node;	  /* the same for the NUMA node */
	bool usable;	  /* vCPUs may be put here */
	uint64_t busy_ns; /* CPU time of everything that ran here, since boot; or CPU_NOT_KNOWN */
};

struct cpu_guest {
	unsigned char uuid[CPU_UUID_LEN];
	bool managed;	/* its pins are ours to change */
	double weight;	/* its share under contention; 1: the default */
	double cap_pct; /* most each of its vCPUs may use; 100: no cap */
	int node;	/* where its memory is; −1: not known */
};

struct cpu_vcpu {
	size_t guest;	     /* position in the sample's guests */
	unsigned int number; /* of the vCPU within its guest */
	uint64_t run_ns;     /* CPU time used, since the guest's boot */
	uint64_t delay_ns;   /* time runnable but waiting; or CPU_NOT_KNOWN */
	int pcpu;	     /* the id it is pinned to, or CPU_FLOATING */
	bool realtime;	     /* what it leaves is all that others on its pCPU get */
	/*
	 * pCPUs it may be put on, as a libvirt cpumap of allowed_len bytes; NULL: all usable ones
	 */
	const unsigned char *allowed;
	size_t allowed_len;
};

struct cpu_sample {
	double time_s; /* monotonic */
	size_t npcpus;
	struct cpu_pcpu *pcpus; /* online ones, by ascending id */
	size_t nguests;
	struct cpu_guest *guests; /* running ones, in any order */
	size_t nvcpus;
	struct cpu_vcpu *vcpus; /* online ones, in any order */
};

/* --- what is wanted --- */

struct cpu_policy {
	double threshold_pct; /* spread of load that is left alone, percentage points */
	double cost_pct;      /* what one move costs, in points of spread */
	double node_cost_pct; /* gain in spread that makes leaving the memory's node worth it */
	double due_most;      /* most a vCPU counts with, in parts of what is due to it */
	unsigned int confirm; /* windows a change must last before it counts: 1 or 2 */
	/*
	 * If likely demands leave less of the host free, what never sleeps is taken to want all;
	 * 100: always.
	 */
	double free_least_pct;
	unsigned int looks_most;   /* ticks in a row that only bring hidden demands to light */
	unsigned long node_budget; /* search nodes per plan: bounds its time */
};

/* The defaults, each with its reason, are in plan.c. */
void cpu_policy_init(struct cpu_policy *policy);

/* --- what comes out --- */

enum cpu_verdict {
	CPU_FIRST,    /* no two samples to compare yet */
	CPU_EMPTY,    /* no vCPU to manage, or no pCPU to put it on */
	CPU_QUIET,    /* too little load to tell one pCPU from another */
	CPU_BALANCED, /* the spread is within the threshold */
	CPU_BEST,     /* it is not, and no plan worth its moves makes it better */
	CPU_HELD,     /* a change of load was seen and is not confirmed yet */
	CPU_ACT,      /* there are pins to make */
};

enum cpu_reason {
	CPU_PLACE,   /* it was floating: its first pin */
	CPU_RELIEVE, /* from a pCPU above the threshold */
	CPU_FILL,    /* to a pCPU below it */
	CPU_SWAP,    /* makes room for another that comes here */
	CPU_PART,    /* away from a busy vCPU of its own guest, or from a busy sibling thread */
};

/* One affinity to set: the vCPU may then run on exactly one pCPU. */
struct cpu_pin {
	size_t vcpu; /* position in the sample's vcpus */
	int from;    /* id, or CPU_FLOATING */
	int to;	     /* id */
	enum cpu_reason reason;
};

struct cpu_vcpu_load {
	bool known;	   /* two samples were compared */
	double usage_pct;  /* what it used */
	double delay_pct;  /* what it waited; −1: not known */
	double demand_pct; /* what it would use if it never waited, at most */
	double least_pct;  /* and at least: less where it never slept, so that it may want more than
			      it got */
	double weight;	   /* its part of its guest's, which those that do something share */
};

struct cpu_pcpu_load {
	double usage_pct; /* of everything that ran there; −1: not known */
	double other_pct; /* load that is no vCPU's and cannot be moved, as far as it has stayed */
	double load_pct;  /* other + what is due to the vCPUs pinned here; may exceed 100 */
	double plan_pct;  /* the same after the plan */
};

struct cpu_plan {
	enum cpu_verdict verdict;
	double elapsed_s;	/* between the samples */
	double spread_pct;	/* of load_pct over the usable pCPUs */
	double stddev_pct;	/* population */
	double plan_spread_pct; /* after the plan */
	double best_spread_pct; /* proven: no assignment has less; 0 where none was looked for */
	size_t npins;
	struct cpu_pin *pins; /* in the order to make them */
	size_t moves;	      /* the pins that change a pCPU; the rest place floating vCPUs */
	size_t bound;	      /* proven: no plan as good has fewer moves */
	bool exact;	      /* the search was complete */
	size_t undone;	      /* of these moves, how many undo one of the last few ticks */
	size_t nvcpus;
	struct cpu_vcpu_load *vcpus; /* as in the sample */
	size_t npcpus;
	struct cpu_pcpu_load *pcpus; /* as in the sample */
};

/* The position of a pCPU's id among the sample's, or −1. */
ptrdiff_t cpu_pcpu_find(const struct cpu_sample *sample, int id);

/* --- the policy --- */

/* What is remembered between ticks. */
struct cpu_state;

/* NULL when out of memory. */
struct cpu_state *cpu_state_new(void);
void cpu_state_free(struct cpu_state *state);

/*
 * Takes the sample in and decides. plan must be zeroed before its first use; it may be used again,
 * and its arrays live until the next call or cpu_plan_free(). Returns 0, or −1 when out of memory
 * (the state is then as if the tick had not been).
 */
int cpu_plan(struct cpu_state *state, const struct cpu_policy *policy,
	     const struct cpu_sample *sample, struct cpu_plan *plan);

void cpu_plan_free(struct cpu_plan *plan);

/* A word for each, as in the reports. */
const char *cpu_verdict_name(enum cpu_verdict verdict);
const char *cpu_reason_name(enum cpu_reason reason);

#endif
