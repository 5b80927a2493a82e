/* SPDX-License-Identifier: MIT */
/* What the files of the model share: its structs and the calls between its parts. */
#ifndef BALLAST_MODEL_PRIV_H
#define BALLAST_MODEL_PRIV_H

#include "model.h"
#include "rng.h"
#include "units.h"

#define MODEL_STEP_S 0.1

struct guest;

struct vcpu {
	/* what it wants; fractions of a pCPU */
	double load, need;
	double background;	  /* its own mean */
	double noise, idle_noise; /* slowly wandering, standard deviation 1 */
	bool open_loop;
	struct rng rng; /* its own, so that its noise does not depend on what others do */
	/* what it gets, from pcpu_solve() */
	double weight;
	double runnable; /* fraction of time running or waiting */
	double present;	 /* the same without the time a quota holds it back */
	double share;	 /* of the pCPU while present */
	double rate;	 /* of a pCPU, over all time */
	double borrowed; /* of rate: what it has of another pCPU that would be idle */
	struct pcpu *lender;
	double speed; /* work done per time run */
	/* counters, ns */
	double run_ns, delay_ns, throttled_ns, work_ns, load_ns, backlog_ns, debt_ns;
	uint64_t moves;
	struct guest *guest;
	struct vcpu *next, *prev; /* on its pCPU, while queued */
	int pcpu;		  /* −1: never placed */
	bool queued;
	unsigned int choices; /* online pCPUs it may use */
	unsigned char *affinity;
};

struct pcpu {
	bool online;
	bool dirty; /* rates no longer hold */
	unsigned int core, node;
	struct vcpu *first;
	unsigned int queued;
	uint64_t since_ns; /* counters hold up to here */
	double busy_ns, guests_ns, idle_ns;
	double host_load; /* mean; a fraction */
	double host_need, host_noise;
	double host_runnable, host_rate;
	double usage, guests_usage; /* rates now */
	double needs;		    /* Σ of need, of vCPUs and the host */
	double gap;	/* idle between the coming of one and the other: nobody else gets it */
	double waiting; /* rate that vCPUs miss here and may take elsewhere */
	struct vcpu *borrower;	/* who has a part of what would be idle here */
	unsigned int borrowers; /* of the queued: who have some of others */
	double speed;
	double pressure; /* Σ weight of runnable vCPUs, as the balancer sees it */
	struct rng rng;
};

/* How the memory of a guest is laid out, KiB: actual = overhead + base + anon + cache + free. */
struct memory {
	double actual, maximum, target, initial;
	double shown; /* the size that QEMU tells: after a reset the old one, until a driver comes
		       */
	double way_start; /* actual when the target was set: where a partial balloon's way begins */
	double overhead;  /* the kernel's own: MemTotal = actual − overhead */
	double base, base_noise;
	double free_least;	    /* allocations fail below */
	double free_low, free_high; /* reclaim starts, ends */
	double anon, anon_goal, anon_rate;
	bool loaded;	/* there is a memory load, be it of 0 KiB */
	double work_ns; /* of the first vCPU's time, for memory that has moved and the agent */
	double cache, cache_goal, cache_rate;
	bool cache_growing;
	double swap_size, swapped;
	double dirty;	     /* free in the guest, still held by the host */
	double process;	     /* QEMU's own */
	double host_swapped; /* of its rss */
	double swap_in, swap_out, major_faults, minor_faults;
	uint64_t oom_kills;
	double starved_s, starving_s;
	uint64_t retry_ns; /* the balloon sleeps until then */
	struct model_balloon_fault fault;
	bool no_balloon;
	unsigned int period_s;
	double stats_left_ns;	 /* guest time until the next report */
	uint64_t stats_since_ns; /* … as of then */
	uint64_t up_since_ns;	 /* of a guest that was up at once; NEVER: it has a period */
	bool stats_frozen;
	struct model_stats stats;
	struct rng stats_rng; /* its own: a report may be read before others' noise is drawn */
	double told_kib;      /* of the last MODEL_BALLOON */
	uint64_t told_ns;
	struct rng rng;
};

struct guest {
	unsigned int id;
	enum model_state state;
	bool booted, hung;
	double boot_left_s;
	unsigned int shares, nvcpus;
	double quota; /* fraction of a pCPU; 0: none */
	double stolen;
	double other_ns; /* CPU time of QEMU's other threads; little, and none of it in the model */
	unsigned int node; /* where its memory is */
	struct vcpu *vcpus;
	unsigned char *affinities;
	struct memory memory;
};

struct host_memory {
	double total, used, used_goal, used_rate;
	double cached, cached_most, buffers;
	double swap, swapped; /* of used; guests' own is in their host_swapped */
	double reserve;	      /* the kernel's watermark */
};

struct model {
	struct model_config config;
	uint64_t now_ns, steps;
	struct rng rng;
	struct pcpu *pcpus;
	size_t maplen;
	unsigned int online;
	double load_average[3];
	struct guest **guests;
	unsigned int nguests; /* ids in use are below */
	struct host_memory memory;
	model_event_fn on_event;
	void *opaque;
};

/* --- model.c --- */
/* The host killed it. */
void guest_crash(struct model *m, struct guest *g);
void model_emit(struct model *m, enum model_event_kind kind, const struct guest *g, double kib);

/* --- cpu.c --- */
/* Counters up to now, with the rates that held; call it before changing anything that rates depend
 * on. */
void pcpu_sync(struct model *m, struct pcpu *p);
void vcpu_enqueue(struct model *m, struct vcpu *v, unsigned int pcpu);
void vcpu_dequeue(struct model *m, struct vcpu *v);
void vcpu_move(struct model *m, struct vcpu *v, unsigned int pcpu);
/* Needs and weights of all its vCPUs anew; queues or dequeues them as its state says. */
void guest_cpu_update(struct model *m, struct guest *g);
void guest_cpu_reset(struct guest *g);
/* New noise, then new rates, for everything. */
void cpu_step(struct model *m);

/* --- past.c --- */
/* What counters hold of the time before the model: nothing where the host has not been up. */
void past_of_host(struct model *m);
void past_of_guest(struct model *m, struct guest *g);

/* --- balance.c --- */
/* The pCPU Linux would start it on: allowed, and among the least loaded. −1 where none is allowed.
 */
int balance_place(struct model *m, const struct vcpu *v);
void balance_step(struct model *m);
/* Of a few others the one whose vCPUs miss most; NULL: nobody's do. */
struct pcpu *balance_neediest(struct model *m, const struct pcpu *p);

/* --- memory.c --- */
void memory_init(struct model *m, struct guest *g, const struct model_guest_config *config);
void memory_start(struct model *m, struct guest *g, bool booted);
void memory_reboot(struct model *m, struct guest *g);
/* Its driver has loaded. */
void memory_ready(struct model *m, struct guest *g);
/* Statistics up to now; call it before changing whether it can tell any. */
void memory_sync(struct model *m, struct guest *g);
void memory_step(struct model *m);
double memory_rss(const struct guest *g);
double memory_free(const struct memory *mem);
/* The part of a pCPU that memory takes of the first vCPU in the next step, at most most. */
double memory_cpu(const struct model *m, struct memory *mem, double most);

/* --- host.c --- */
void host_memory_init(struct model *m);
void host_memory_step(struct model *m);

#endif
