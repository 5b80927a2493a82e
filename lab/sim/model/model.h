/* SPDX-License-Identifier: MIT */
/*
 * The physics of a simulated host: pCPUs shared by guests' vCPUs, and memory moved by balloons, in
 * virtual time. Knows nothing of libvirt, scenarios or wall clocks. The same seed and the same
 * calls at the same times give the same figures to the last bit.
 *
 * Time is in nanoseconds of virtual time from 0 (model_new). Reading a counter never moves time.
 * Guests are small integers, given out by model_guest_add() and free again after
 * model_guest_remove(). CPU sets are libvirt's cpumaps (see units.h).
 */
#ifndef BALLAST_MODEL_H
#define BALLAST_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODEL_NEVER	UINT64_MAX
#define MODEL_NS_PER_S	1000000000ULL
#define MODEL_PCPUS_MAX 1024
/* The steps in which libvirt reports a vCPU's time (it reads clock ticks of /proc). */
#define MODEL_TICK_NS 10000000ULL

/*
 * Everything that changes gradually (noise, Linux' balancer, memory) does so in steps of this
 * length; in between, every vCPU runs at a constant rate. Half the balloon driver's retry, a tenth
 * of the shortest statistics period.
 */
#define MODEL_STEP_NS 100000000ULL

struct model;

enum model_event_kind {
	MODEL_STARTED, /* running, still booting: no agent, no balloon driver */
	MODEL_READY,   /* booted: agent and balloon driver are up, loads run */
	MODEL_STOPPED,
	MODEL_REBOOTED,
	MODEL_PAUSED,
	MODEL_RESUMED,
	MODEL_CRASHED, /* killed by the host for want of host memory */
	MODEL_OOM, /* the guest killed its memory load for want of memory; kib: what that held */
	MODEL_BALLOON, /* kib: the new actual; at most one per second and guest, and the last one */
};

struct model_event {
	enum model_event_kind kind;
	uint64_t t_ns;
	unsigned int guest;
	uint64_t kib;
};

typedef void (*model_event_fn)(const struct model_event *event, void *opaque);

/* A host. Start from model_config_default() and change what differs. */
struct model_config {
	uint64_t seed;
	unsigned int pcpus;	       /* ids 0…pcpus−1; all online at first */
	unsigned int threads_per_core; /* siblings have neighbouring ids */
	unsigned int nodes;	       /* NUMA nodes, cores in equal runs of ids */
	uint64_t memory_kib;
	uint64_t swap_kib;
	uint64_t used_kib;	/* taken by the host itself */
	double load_pct;	/* the host's own load on every pCPU */
	uint64_t inflate_kib_s; /* how fast balloons take memory from guests */
	uint64_t deflate_kib_s; /* … and give it back */
	/*
	 * What guests use beside their CPU loads: a fit to micro guests under TCG in the lab's
	 * memory scenarios, 1,555 windows of 2 s (memload looks at its clock 50 times a second);
	 * the background to idle guests of cpu-balanced on a quiet host.
	 */
	double background_pct;	 /* mean load of an idle vCPU; each has its own, ±20 % */
	double memory_load_pct;	 /* of the first vCPU, while there is a memory load */
	uint64_t touch_ns_mib;	 /* its time to fill memory … */
	uint64_t free_ns_mib;	 /* … to give it back … */
	uint64_t balloon_ns_mib; /* … and the balloon driver's, both ways */
	double noise;	  /* relative noise of loads; 0: none, and nothing of what is named above */
	double stolen;	  /* see model_set_stolen() */
	double smt_speed; /* speed of a thread whose sibling is always busy */
	double remote_speed;   /* speed of a vCPU away from its guest's NUMA node */
	uint64_t move_cost_ns; /* work lost with each migration; 4 times that between nodes */
	uint64_t boot_ns;      /* from start to ready */
	/*
	 * How long the host has been up: its pCPUs' counters come to that, and guests that are up
	 * at once have booted before. 0: all counters begin at 0.
	 */
	uint64_t uptime_ns;
};

void model_config_default(struct model_config *config);

/* NULL with errno: EINVAL for an impossible host, ENOMEM. */
struct model *model_new(const struct model_config *config);
void model_free(struct model *m);

/* Called for every event, from within model_advance() and the calls that cause them. */
void model_on_event(struct model *m, model_event_fn fn, void *opaque);

uint64_t model_now(const struct model *m);

/* Moves time on to until_ns (no effect if that has passed). */
void model_advance(struct model *m, uint64_t until_ns);

/* --- guests --- */

enum model_state {
	MODEL_GUEST_OFF,
	MODEL_GUEST_RUNNING,
	MODEL_GUEST_PAUSED,
	MODEL_GUEST_CRASHED, /* off, not by its own will */
};

struct model_guest_config {
	unsigned int vcpus;
	uint64_t memory_kib; /* balloon size at each start */
	uint64_t maximum_kib;
	uint64_t swap_kib;   /* the guest's own swap; default 0 */
	unsigned int shares; /* CPU weight of the whole guest; default 1024 */
	bool no_balloon;     /* no balloon device at all: model_set_balloon() fails */
};

void model_guest_config_default(struct model_guest_config *config);

/* Adds a guest that is off, every vCPU allowed on every pCPU. Its id, −1 with errno (EINVAL,
 * ENOMEM). */
int model_guest_add(struct model *m, const struct model_guest_config *config);

/* Stops and forgets it. Its id may be given out again. */
void model_guest_remove(struct model *m, unsigned int guest);

/*
 * Starts it: a new process, so all counters are 0 and nobody has set a statistics period. booted:
 * it is up at once, with the balloon at memory_kib (a guest that has been there for long);
 * otherwise it boots for boot_ns with all of its maximum before the balloon takes the rest. −1 with
 * EINVAL if it is not off.
 */
int model_guest_start(struct model *m, unsigned int guest, bool booted);

/* No effect where the state does not allow it. A reboot keeps the process: vCPU times, affinity,
 * statistics period and balloon target stay, the guest's own counters go back to 0 and its loads
 * end. QEMU goes on telling the balloon's size and the statistics of before until the new kernel's
 * driver is there, which then takes all down to the target by itself. */
void model_guest_stop(struct model *m, unsigned int guest);
void model_guest_pause(struct model *m, unsigned int guest);
void model_guest_resume(struct model *m, unsigned int guest);
void model_guest_reboot(struct model *m, unsigned int guest);

enum model_state model_guest_state(const struct model *m, unsigned int guest);
/* Booted and not paused: agent and loads answer. */
bool model_guest_ready(const struct model *m, unsigned int guest);
/* Booted: there is an agent, though it does not answer while the guest hangs. */
bool model_guest_connected(const struct model *m, unsigned int guest);
unsigned int model_guest_vcpus(const struct model *m, unsigned int guest);

/* --- loads; they end when the guest stops, reboots or crashes --- */

/*
 * Loads one vCPU at pct (0…100) of a pCPU; 0 ends it. Closed loop: each period it works until it
 * has had its share or the period is over, the rest is given up. Open loop: work arrives at that
 * rate and queues up.
 */
void model_set_vcpu_load(struct model *m, unsigned int guest, unsigned int vcpu, double pct,
			 bool open_loop);

/* The same for the first n vCPUs (0: all); the others' loads end. */
void model_set_cpu_load(struct model *m, unsigned int guest, double pct, bool open_loop,
			unsigned int n);

/*
 * A guest without a steal clock takes time in which its vCPU waited for time in which it ran, so a
 * closed-loop load stops early: this share (0…1) of its waiting counts as work done. 0: its loads
 * tell the two apart. stress-ng under TCG: MODEL_STOLEN_STRESS (a 40 % load beside two busy ones
 * ran 0.165 and waited 0.41).
 */
#define MODEL_STOLEN_STRESS 0.57
void model_set_stolen(struct model *m, unsigned int guest, double share);

/* Brings the memory load to kib at rate_kib_s (0: at once), up or down; then holds. At 0 KiB it is
 * still there. */
void model_set_memory_load(struct model *m, unsigned int guest, uint64_t kib, uint64_t rate_kib_s);
/* Gives all of it back and ends the load. */
void model_end_memory_load(struct model *m, unsigned int guest);

/* Reads files until kib are in the page cache. 0 drops what is there. */
void model_set_cache_load(struct model *m, unsigned int guest, uint64_t kib, uint64_t rate_kib_s);

/* The first vCPU has so much to do beside its loads: answers of the guest's agent, for instance.
 * Nothing where the host is without noise. */
void model_spend(struct model *m, unsigned int guest, uint64_t ns);

/* The guest hangs: every vCPU spins, no driver answers. */
void model_set_hung(struct model *m, unsigned int guest, bool hung);

/* --- what a controller may set --- */

/* len bytes; bits beyond them and beyond the host's pCPUs count as 0. −1 with EINVAL if no pCPU in
 * it is online. */
int model_set_affinity(struct model *m, unsigned int guest, unsigned int vcpu,
		       const unsigned char *map, size_t len);

/* model_maplen() bytes, the model's own. */
const unsigned char *model_affinity(const struct model *m, unsigned int guest, unsigned int vcpu);
size_t model_maplen(const struct model *m);

/* A new balloon target, as whole pages: an odd size leaves the guest the page that it cuts. −1 with
 * ERANGE above the maximum, ENODEV without a device, EINVAL if it does not run. */
int model_set_balloon(struct model *m, unsigned int guest, uint64_t kib);
bool model_has_balloon(const struct model *m, unsigned int guest);
uint64_t model_balloon_target(const struct model *m, unsigned int guest);

/* 0: off. In effect while the process lives. A change sets QEMU's timer anew. */
void model_set_stats_period(struct model *m, unsigned int guest, unsigned int seconds);
unsigned int model_stats_period(const struct model *m, unsigned int guest);

/* The guest's CPU weight as a whole (its loaded vCPUs share it), as in cpu_shares; and the most one
 * vCPU gets of a pCPU, in percent (0: no limit), as in vcpu_quota / vcpu_period. */
void model_set_shares(struct model *m, unsigned int guest, unsigned int shares);
void model_set_quota(struct model *m, unsigned int guest, double pct);
unsigned int model_shares(const struct model *m, unsigned int guest);
double model_quota(const struct model *m, unsigned int guest);

/* --- what happens to a host --- */

/* Hot-plug. vCPUs allowed nowhere else may then run everywhere, as Linux does. −1 with EINVAL for
 * the last one. */
int model_set_online(struct model *m, unsigned int pcpu, bool online);

/* The host's own load on one pCPU. What exceeds its load_pct is a load like guests': as steady. */
void model_set_host_load(struct model *m, unsigned int pcpu, double pct);

/* The memory of the host's other consumers goes to kib at rate_kib_s (0: at once). */
void model_set_host_used(struct model *m, uint64_t kib, uint64_t rate_kib_s);

/* --- how a balloon misbehaves --- */

struct model_balloon_fault {
	bool no_driver; /* the guest has none: targets are taken and nothing moves, statistics never
			   come */
	bool stuck;	/* does not move for now; statistics do come */
	double share;	/* goes only this share of each way; 0: all of it */
	uint64_t rate_kib_s; /* slower than the host's rates; 0: not */
};

void model_set_balloon_fault(struct model *m, unsigned int guest,
			     const struct model_balloon_fault *fault);

/* Statistics are no longer made: the last ones stay. */
void model_set_stats_frozen(struct model *m, unsigned int guest, bool frozen);

/* --- counters --- */

struct model_vcpu {
	uint64_t run_ns;   /* on a pCPU, since the guest's start */
	uint64_t delay_ns; /* runnable, but waiting (schedstat's run_delay; libvirt's vcpu.N.delay)
			    */
	uint64_t wait_ns;  /* the same without the time a quota held it back */
	uint64_t time_ns;  /* run_ns in whole MODEL_TICK_NS, as libvirt's vcpu.N.time */
	uint64_t work_ns;  /* run_ns at full speed: less for SMT, remote memory and migrations */
	uint64_t load_ns; /* the part of run_ns that its load had, without the guest's background */
	uint64_t backlog_ns; /* work an open-loop load is behind by */
	uint64_t moves;	     /* changes of pCPU */
	int pcpu;	     /* where it ran last; −1: never */
	bool running;	     /* false: halted or off */
};

void model_vcpu_read(struct model *m, unsigned int guest, unsigned int vcpu,
		     struct model_vcpu *out);

/* A guest's QEMU as a whole: its vCPUs and its other threads, in user and kernel mode. */
struct model_process {
	uint64_t time_ns; /* the sum of both */
	uint64_t user_ns;
	uint64_t system_ns;
};

/* All 0 for a guest that has never run. */
void model_process_read(struct model *m, unsigned int guest, struct model_process *out);

struct model_pcpu {
	bool online;
	uint64_t busy_ns;   /* since the host's boot; stands still while offline, as idle_ns does */
	uint64_t guests_ns; /* the part of busy_ns that vCPUs had */
	uint64_t idle_ns;
	unsigned int core;
	unsigned int node;
};

void model_pcpu_read(struct model *m, unsigned int pcpu, struct model_pcpu *out);
unsigned int model_pcpus(const struct model *m);

/* What the balloon driver told last. Unchanged between two reports. */
struct model_stats {
	/* When; MODEL_NEVER: nothing was told since the start, all else is 0. The driver tells once
	 * as it loads, and then each period. */
	uint64_t made_ns;
	uint64_t unused_kib;	/* MemFree */
	uint64_t usable_kib;	/* MemAvailable */
	uint64_t available_kib; /* MemTotal */
	uint64_t caches_kib;
	uint64_t swap_in_kib; /* since boot */
	uint64_t swap_out_kib;
	uint64_t major_faults;
	uint64_t minor_faults;
};

void model_stats_read(struct model *m, unsigned int guest, struct model_stats *out);

/* A guest as it is now: what only its inside and its process know. */
struct model_memory {
	uint64_t actual_kib; /* the balloon's size as QEMU tells it, in whole pages as all of these
			      */
	uint64_t target_kib;
	uint64_t maximum_kib;
	uint64_t rss_kib;    /* of its process on the host; 0 when off */
	uint64_t free_kib;   /* MemFree */
	uint64_t usable_kib; /* MemAvailable */
	uint64_t total_kib;  /* MemTotal */
	uint64_t cache_kib;
	uint64_t load_kib; /* held by the memory load, its swapped part included */
	uint64_t swapped_kib;
	uint64_t oom_kills;  /* since boot */
	uint64_t starved_ns; /* how long the memory load has not had what it asked for, since it was
				set */
};

void model_memory_read(struct model *m, unsigned int guest, struct model_memory *out);

struct model_host_memory {
	uint64_t total_kib;
	uint64_t free_kib;
	uint64_t available_kib; /* MemAvailable */
	uint64_t buffers_kib;
	uint64_t cached_kib;
	uint64_t swap_total_kib;
	uint64_t swap_free_kib;
	uint64_t guests_kib; /* Σ rss of guests */
	uint64_t used_kib;   /* the host's own and other consumers */
};

void model_host_memory_read(struct model *m, struct model_host_memory *out);

/* A node's part of the host's memory. */
void model_node_memory_read(struct model *m, unsigned int node, uint64_t *total_kib,
			    uint64_t *free_kib);

/* Tasks that run or wait, of guests and the host: means over 1, 5 and 15 minutes, as in loadavg. */
void model_load_average(const struct model *m, double average[3]);

/* How many times rates were computed since model_new(): the model's cost, for tests of scale. */
uint64_t model_steps(const struct model *m);

#endif
