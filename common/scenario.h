/* SPDX-License-Identifier: MIT */
/*
 * Scenario files: guests, their loads over time, and what is expected. The format is described in
 * scenario(5), beside this file. Reading is in two steps because counts and pins are written
 * relative to the pCPUs there are: scenario_read() parses and checks, scenario_resolve() fills in
 * the guests.
 */
#ifndef BALLAST_SCENARIO_H
#define BALLAST_SCENARIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define SCENARIO_NAME_MAX  64
#define SCENARIO_ERROR_MAX 512

enum scenario_kind {
	SCENARIO_CPU,	 /* judged by check_cpu, runs vcpu_scheduler */
	SCENARIO_MEMORY, /* judged by check_memory, runs memory_coordinator */
};

/* What happens to a guest at a moment. */
enum phase_verb {
	PHASE_CPU, /* load every vCPU (or the first `vcpus`) at pct; replaces the CPU load before */
	PHASE_MEMORY, /* bring the memory load to kib at rate_kib_s (0: at once), up or down; then
			 hold */
	PHASE_CACHE,  /* read files until kib are in the page cache, at rate_kib_s */
	PHASE_STRESS, /* run the stress-ng profile `text` */
	PHASE_IDLE,   /* stop every load of the guest */
	PHASE_START,  /* boot the guest; if it is its first phase, it is off before */
	PHASE_STOP,   /* power it off */
	PHASE_REBOOT,
	PHASE_PAUSE,
	PHASE_RESUME,
	PHASE_PIN,    /* somebody else pins all its vCPUs to the CPU list `text` */
	PHASE_SETMEM, /* somebody else sets its balloon to kib */
};

struct phase {
	double at_s;
	enum phase_verb verb;
	double pct;	    /* PHASE_CPU: % of one pCPU per vCPU, 0…100 */
	bool open_loop;	    /* PHASE_CPU: "demand": what waiting costs is caught up, not given up */
	unsigned int vcpus; /* PHASE_CPU: how many of its vCPUs; 0: all */
	uint64_t kib;	    /* PHASE_MEMORY, PHASE_CACHE, PHASE_SETMEM */
	uint64_t rate_kib_s;
	char *text; /* PHASE_STRESS, PHASE_PIN */
	unsigned int line;
};

struct scenario_guest {
	char name[SCENARIO_NAME_MAX]; /* prefix + number, e.g. aos_vm1 */
	unsigned int number;	      /* from 1 */
	unsigned int vcpus;
	uint64_t memory_kib; /* balloon size at the start */
	uint64_t maximum_kib;
	int *pins;	      /* per vCPU: a pCPU's id, or −1: every pCPU */
	struct phase *phases; /* by at_s, equal times in file order; texts belong to the scenario */
	size_t nphases;
};

/* The simulated host; the real world ignores it. */
struct scenario_host {
	unsigned int pcpus;	       /* default 4 */
	unsigned int threads_per_core; /* default 1 */
	unsigned int nodes;	       /* NUMA nodes, default 1 */
	char *offline;		       /* CPU list, default none */
	uint64_t memory_kib;	       /* default 16G */
	uint64_t swap_kib;	       /* default 0 */
	uint64_t used_kib;	       /* taken by the host itself, default 1G */
	double load_pct;	       /* the host's own load on every pCPU, default 1 */
	unsigned int cgroup;	       /* 1 or 2, default 2 */
	uint64_t inflate_kib_s;	       /* default 0.9 GiB/s */
	uint64_t deflate_kib_s;	       /* default 2.1 GiB/s */
};

/* What a grade's seed may change of it, see scenario(5); a world plays what is written. */
struct scenario_vary {
	bool places;	   /* guests change places; default yes */
	double delay_s;	   /* each moment of the timeline is so much later at most; default 6 */
	double amount_pct; /* loads are so much smaller at most; default 10 */
	double apart_pct;  /* CPU loads that are equal differ by so many points either way; 0 */
};

/* One `key = value` of a section that its user interprets ([expect], [faults]). */
struct scenario_setting {
	char *key;
	char *value;
	unsigned int line;
};

struct scenario {
	char *path;
	char *text; /* the file's, as it is in a trace: UTF-8, lines end in a newline alone */
	char prefix[SCENARIO_NAME_MAX]; /* of the guests' names, after scenario_resolve() */
	char name[SCENARIO_NAME_MAX];	/* the file's name without .scenario */
	char *title;
	enum scenario_kind kind;
	double length_s;   /* default 30 (cpu), 180 (memory) */
	double sample_s;   /* default 1 (cpu), 2 (memory); 0.5…5 */
	double interval_s; /* the program's argument, default 2 */
	struct scenario_host host;
	struct scenario_vary vary;
	struct scenario_setting *expect;
	size_t nexpect;
	struct scenario_setting *faults;
	size_t nfaults;
	struct scenario_guest *guests; /* after scenario_resolve() */
	size_t nguests;
	struct scenario_parse *parse; /* private: what scenario_resolve() needs */
};

/*
 * Reads and checks a file. 0; or −1 with one line in error naming file, line and value, and what
 * would be right. Free with scenario_free() after success only. A zeroed struct may be freed.
 */
int scenario_read(struct scenario *s, const char *path, char error[SCENARIO_ERROR_MAX]);

/*
 * The same of a text that a trace keeps: name is the scenario's, and origin stands for the path
 * in what is said of it.
 */
int scenario_read_text(struct scenario *s, const char *name, const char *text, const char *origin,
		       char error[SCENARIO_ERROR_MAX]);

/*
 * Fills in the guests for a host whose online pCPUs have the ids pcpus[0…n−1], ascending. prefix is
 * the guests' name prefix, e.g. "aos_vm". −1 with error where the scenario asks for what such a
 * host has not. May be called again for another host.
 */
int scenario_resolve(struct scenario *s, const int *pcpus, size_t npcpus, const char *prefix,
		     char error[SCENARIO_ERROR_MAX]);

/* Online pCPUs of [host]: ids 0…pcpus−1 without the offline ones. Returns how many; ids must hold
 * host.pcpus. */
size_t scenario_host_pcpus(const struct scenario *s, int *ids);

/* Loads inside a guest: one of each class may run beside the others; a new one replaces that of its
 * class. */
enum load_class { LOAD_CPU, LOAD_MEMORY, LOAD_CACHE, LOAD_STRESS, LOAD_CLASSES };

/* The class of a phase that is a load, or of a load's name such as "cpu"; LOAD_CLASSES: of none. */
enum load_class phase_load_class(enum phase_verb verb);
enum load_class load_class(const char *name);

/* Whether the phase is a load, or the end of all, "idle". */
bool phase_sets_load(enum phase_verb verb);

/* Whether the guest is off until a phase of its own starts it. */
bool scenario_starts_off(const struct scenario_guest *guest);

/* A phase's place in its guest's timeline, from 1: how traces name it. */
int64_t scenario_phase_number(const struct scenario_guest *guest, const struct phase *phase);

/* The phase as it is written in a scenario, without its time: "cpu 45%", "memory 1700M 20M/s".
 * Returns buf. */
char *phase_format(const struct phase *phase, char *buf, size_t len);

/* The name of the program a scenario of this kind judges: "vcpu_scheduler" or "memory_coordinator".
 */
const char *scenario_program(enum scenario_kind kind);

void scenario_free(struct scenario *s);

#endif
