/* SPDX-License-Identifier: MIT */
/*
 * The arithmetic of the loads, without clocks or system calls: how much CPU time is due, what part
 * of a stretch of work the host took away, and how big a memory ramp should be by now.
 */
#ifndef BALLAST_PACE_H
#define BALLAST_PACE_H

#include <stdbool.h>
#include <stdint.h>

/* --- CPU: a share of each period --- */

struct pace {
	int64_t period_ns;
	int64_t share_ns; /* of each period */
	bool open_loop;	  /* what was not done is kept, not given up */
	int64_t period;	  /* the present one, from 0; −1: none yet */
	int64_t due_ns;	  /* work that has arrived, less what was given up */
	int64_t done_ns;
	int64_t given_up_ns;
};

void pace_init(struct pace *p, double pct, int64_t period_ns, bool open_loop);

/*
 * Moves on to the period that holds elapsed_ns since the start. A closed loop gives up what it did
 * not do in the periods before; what it did too much (a piece of work ends where it ends) is owed
 * by the next.
 */
void pace_advance(struct pace *p, int64_t elapsed_ns);

/* Whether there is work to do now. */
bool pace_work_left(const struct pace *p);

/* When the next period begins, since the start. */
int64_t pace_next_ns(const struct pace *p);

/*
 * --- CPU: what a guest cannot see ---
 * While a vCPU waits for its pCPU the guest's clocks go on, so its CPU time counts the wait as work
 * (unless the hypervisor reports stolen time, which KVM does and QEMU's emulation does not). But
 * work is done in pieces of PIECE_NS, and the host lets somebody else run for a millisecond or
 * more: a piece that took far longer than its neighbours was interrupted, and what it took beyond
 * the usual was waiting.
 */
#define PIECE_NS 100000

struct stall_filter {
	double usual_ns;     /* what a piece takes uninterrupted: the median */
	unsigned int pieces; /* since its size was looked at */
};

/* Returns what a piece of work that took took_ns really used; the rest was waiting. */
int64_t stall_used_ns(struct stall_filter *f, int64_t took_ns);

/*
 * How many rounds the next piece should have, given those of the last: other than now only where
 * pieces are far from PIECE_NS, as in the beginning.
 */
unsigned long stall_piece_rounds(struct stall_filter *f, unsigned long rounds);

/* --- memory: a ramp --- */

struct ramp {
	uint64_t from_kib;
	uint64_t to_kib;
	uint64_t rate_kib_s; /* 0: at once */
	double start_s;
};

/* The size it should have at now_s. */
uint64_t ramp_due_kib(const struct ramp *r, double now_s);

/* How far behind the schedule a load of kib is, in seconds; 0 when it is not. Only upwards. */
double ramp_lag_s(const struct ramp *r, uint64_t kib, double now_s);

#endif
