/* SPDX-License-Identifier: MIT */
/* The arithmetic of the loads. */
#include "pace.h"

#include <math.h>
#include <string.h>

/*
 * A piece counts as stalled when it took this much longer than usual. Timer interrupts of an
 * emulated guest cost up to 50 µs; the shortest turn Linux gives a busy neighbour is about a
 * millisecond, but interrupts and short-lived processes of the host take less.
 */
#define STALL_FACTOR   1.25
#define STALL_LEAST_NS 100000

/*
 * The usual is the median, which stalls do not shift: it goes up by this part of itself for each
 * piece above it, and down for each below. Pieces that become ten times slower are usual after 150.
 */
#define USUAL_STEP 64

/* A piece's size is changed when it is off by this factor, and has been for a while. */
#define PIECE_FACTOR   2
#define PIECES_BETWEEN 16
#define ROUNDS_LEAST   16
#define ROUNDS_MOST    (1UL << 30)

void pace_init(struct pace *p, double pct, int64_t period_ns, bool open_loop)
{
	memset(p, 0, sizeof(*p));
	p->period_ns = period_ns;
	p->share_ns = (int64_t)(pct / 100 * (double)period_ns + 0.5);
	p->open_loop = open_loop;
	p->period = -1;
}

void pace_advance(struct pace *p, int64_t elapsed_ns)
{
	int64_t now = elapsed_ns / p->period_ns;

	if (now <= p->period)
		return;
	/* Periods passed over entirely (the guest was paused) had their share too. */
	p->due_ns += p->share_ns * (now - p->period - 1);
	if (!p->open_loop && p->due_ns > p->done_ns) {
		p->given_up_ns += p->due_ns - p->done_ns;
		p->due_ns = p->done_ns;
	}
	p->due_ns += p->share_ns;
	p->period = now;
}

bool pace_work_left(const struct pace *p)
{
	return p->done_ns < p->due_ns;
}

int64_t pace_next_ns(const struct pace *p)
{
	return (p->period + 1) * p->period_ns;
}

int64_t stall_used_ns(struct stall_filter *f, int64_t took_ns)
{
	double took = (double)took_ns;

	if (f->usual_ns <= 0)
		f->usual_ns = took;
	f->usual_ns += (took > f->usual_ns ? f->usual_ns : -f->usual_ns) / USUAL_STEP;
	return took > f->usual_ns * STALL_FACTOR + STALL_LEAST_NS ? (int64_t)f->usual_ns : took_ns;
}

unsigned long stall_piece_rounds(struct stall_filter *f, unsigned long rounds)
{
	double factor;

	if (++f->pieces < PIECES_BETWEEN)
		return rounds;
	f->pieces = 0;
	if (f->usual_ns > PIECE_NS / PIECE_FACTOR && f->usual_ns < PIECE_NS * PIECE_FACTOR)
		return rounds;
	factor = PIECE_NS / fmax(f->usual_ns, 1);
	if ((double)rounds * factor > ROUNDS_MOST)
		factor = (double)ROUNDS_MOST / (double)rounds;
	if ((double)rounds * factor < ROUNDS_LEAST)
		factor = (double)ROUNDS_LEAST / (double)rounds;
	f->usual_ns *= factor;
	return (unsigned long)((double)rounds * factor);
}

uint64_t ramp_due_kib(const struct ramp *r, double now_s)
{
	double moved = (double)r->rate_kib_s * (now_s - r->start_s);
	uint64_t distance =
		r->from_kib > r->to_kib ? r->from_kib - r->to_kib : r->to_kib - r->from_kib;

	if (r->rate_kib_s == 0 || moved >= (double)distance)
		return r->to_kib;
	if (moved <= 0)
		return r->from_kib;
	return r->from_kib > r->to_kib ? r->from_kib - (uint64_t)moved
				       : r->from_kib + (uint64_t)moved;
}

double ramp_lag_s(const struct ramp *r, uint64_t kib, double now_s)
{
	uint64_t due = ramp_due_kib(r, now_s);

	if (r->rate_kib_s == 0 || r->to_kib < r->from_kib || kib >= due)
		return 0;
	return (double)(due - kib) / (double)r->rate_kib_s;
}
