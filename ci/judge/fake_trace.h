/* SPDX-License-Identifier: MIT */
/* For tests: traces of runs that never were, from a script of what the program does. The arithmetic
 * is the simplest that shows what a checker must see; it is no model of a host. */
#ifndef BALLAST_FAKE_TRACE_H
#define BALLAST_FAKE_TRACE_H

#include "scenario.h"

#include <stdbool.h>
#include <stddef.h>

/* A deed of the program under test: a pin (pcpu −1: to all), or a new size of a guest. */
struct deed {
	double t_s;
	unsigned int who; /* vCPU (all guests' one after another), or guest, from 0 */
	int pcpu;
	unsigned int mib;
};

struct fake {
	const char *scenario;	  /* path */
	unsigned int pcpus;	  /* 0…pcpus−1 */
	const struct deed *deeds; /* by t_s; NULL: none; ends with one before 0 */

	/* What may go wrong; zero is: nothing. */
	double exits_at_s; /* the program ends by itself with exit_status */
	int exit_status;
	int stop_status; /* when told to end */
	bool killed;	 /* it had to be killed at the end */
	bool no_program;
	double still_from_s;		 /* it uses no CPU time from then on */
	double program_cpu_pct;		 /* 0: 0.1 */
	double gap_from_s, gap_to_s;	 /* no samples meanwhile */
	double blind_from_s, blind_to_s; /* samples without guests meanwhile */
	double paused_from_s;		 /* all guests are paused, and use nothing, from then on */
	double program_peak_pct; /* what the program uses on pCPU 0 for three samples from 8 s */
	double ends_at_s;	 /* the trace breaks off, without "end" */
	bool no_load_events;
	unsigned int lazy_guest; /* number of a guest whose load runs at a tenth; 0: none */
	double host_pct;	 /* the host's own load on pCPU 0 */
	double uneven_from_s; /* from then on one vCPU on pCPU 0 gets more at another's cost … */
	bool by_shares;	      /* … because the program gave it more shares */
	bool no_inside;	      /* no figures from inside the guests */
	double mute_from_s;   /* none from then on */
	unsigned int oom_guest; /* number of a guest that kills a process at 20 s */
	unsigned int host_mib;	/* host memory available at first; 0: 8192 */
};

#define DEEDS(...) ((const struct deed[]){__VA_ARGS__, {.t_s = -1}})

/* Writes the trace of such a run; fails the test if it cannot. */
void fake_trace(const struct fake *fake, const char *path);

#endif
