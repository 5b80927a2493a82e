/* SPDX-License-Identifier: MIT */
/* The part of memload that holds the memory. */
#include "memworker.h"

#include "guestload.h"
#include "log.h"
#include "pace.h"
#include "tick.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#define PAGE_KIB   4U
#define PAGE_BYTES (PAGE_KIB * 1024U)

/* Memory is mapped in segments, so that it can be given back for good from the end. */
#define SEGMENT_KIB  (16U * 1024U)
#define SEGMENTS_MAX 65536 /* 1 TiB */

/* A fiftieth of a second: at 20M/s a step is 100 pages. */
#define STEP_S 0.02

/* Touched between two looks at the clock: 64 KiB take 0.1 ms where memory is there. */
#define BATCH_KIB 64U

/*
 * A load further behind than this does not catch up in one leap, which no program that allocates
 * would do and which could kill a guest that just got its memory: its schedule moves back instead.
 */
#define LAG_MOST_S 0.25

struct holding {
	unsigned char *segments[SEGMENTS_MAX];
	uint64_t kib;
	uint64_t serial; /* of the last word written */
};

static unsigned char *page_at(const struct holding *h, uint64_t kib)
{
	return h->segments[kib / SEGMENT_KIB] + kib % SEGMENT_KIB * 1024;
}

/* One more page, filled so that no two are equal: nothing may merge or compress them away. */
static int grow_page(struct holding *h)
{
	uint64_t serial = h->serial;
	uint64_t *words;

	if (h->kib / SEGMENT_KIB >= SEGMENTS_MAX)
		return -1;
	if (h->kib % SEGMENT_KIB == 0) {
		void *segment = mmap(NULL, SEGMENT_KIB * 1024U, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (segment == MAP_FAILED)
			return -1;
		madvise(segment, SEGMENT_KIB * 1024U,
			MADV_NOHUGEPAGE); /* older kernels know no huge pages */
		h->segments[h->kib / SEGMENT_KIB] = segment;
	}
	words = (uint64_t *)page_at(h, h->kib);
	for (unsigned int i = 0; i < PAGE_BYTES / sizeof(*words); i++) {
		serial = serial * 6364136223846793005U + 1442695040888963407U;
		words[i] = serial;
	}
	h->serial = serial;
	h->kib += PAGE_KIB;
	return 0;
}

static void shrink_to(struct holding *h, uint64_t kib)
{
	while (h->kib > kib) {
		uint64_t start = h->kib - 1 - (h->kib - 1) % SEGMENT_KIB; /* of the last segment */
		uint64_t keep = kib > start ? kib : start;

		madvise(page_at(h, keep), (h->kib - keep) * 1024, MADV_DONTNEED);
		if (keep == start)
			munmap(h->segments[start / SEGMENT_KIB], SEGMENT_KIB * 1024U);
		h->kib = keep;
	}
}

static void sleep_until_s(double at_s)
{
	struct timespec at = {(time_t)at_s, (long)((at_s - (double)(time_t)at_s) * 1e9)};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

/* Moves the schedule back where the load is too far behind; *spent counts what was moved. */
static void forgive_lag(struct ramp *ramp, uint64_t kib, _Atomic uint64_t *spent_ms)
{
	double lag_s = ramp_lag_s(ramp, kib, tick_now_s());

	if (lag_s <= LAG_MOST_S)
		return;
	ramp->start_s += lag_s;
	*spent_ms += (uint64_t)(lag_s * 1000);
}

/* What the schedule wants now, in whole pages: never more than due upwards, never less downwards.
 */
static uint64_t due_kib(const struct ramp *ramp)
{
	uint64_t due = ramp_due_kib(ramp, tick_now_s());

	if (ramp->to_kib < ramp->from_kib)
		due += PAGE_KIB - 1;
	return due - due % PAGE_KIB;
}

static void take_order(struct memworker_shared *shared, struct ramp *ramp, unsigned int *order)
{
	if (shared->order == *order)
		return;
	*order = shared->order;
	*ramp = (struct ramp){shared->kib, shared->target_kib, shared->rate_kib_s, tick_now_s()};
	ramp->to_kib -= ramp->to_kib % PAGE_KIB;
	shared->refused = false;
}

static void grow_to(struct holding *h, struct memworker_shared *shared, struct ramp *ramp,
		    unsigned int order)
{
	/* What the clock says was missed before touching is not memory's fault. */
	forgive_lag(ramp, h->kib, &shared->late_ms);
	for (uint64_t due = due_kib(ramp); h->kib < due && shared->order == order;
	     due = due_kib(ramp)) {
		for (unsigned int i = 0; i < BATCH_KIB / PAGE_KIB && h->kib < due; i++) {
			if (grow_page(h)) {
				shared->refused = true;
				ramp->to_kib = h->kib;
				break;
			}
		}
		shared->kib = h->kib;
		if (h->kib > shared->peak_kib)
			shared->peak_kib = h->kib;
		forgive_lag(ramp, h->kib, &shared->starved_ms);
	}
}

void memworker_steer(struct memworker_shared *shared, uint64_t kib, uint64_t rate_kib_s)
{
	shared->target_kib = kib;
	shared->rate_kib_s = rate_kib_s;
	shared->order++;
}

int memworker_run(struct memworker_shared *shared)
{
	struct holding *h = calloc(1, sizeof(*h));
	unsigned int order = 0;
	struct ramp ramp = {0};
	double next_s;

	if (!h)
		return EXIT_NO_MEMORY;
	/* Nor may it be equal to another guest's. Without random bytes it is less sure not to be.
	 */
	if (getrandom(&h->serial, sizeof(h->serial), GRND_NONBLOCK) < 0)
		h->serial = (uint64_t)getpid();
	/* The signals its parent handles are not this one's; a parent that dies takes it along. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() == 1)
		return EXIT_FAIL;
	for (next_s = tick_now_s();; next_s += STEP_S) {
		uint64_t due;

		take_order(shared, &ramp, &order);
		due = due_kib(&ramp);
		if (due > h->kib)
			grow_to(h, shared, &ramp, order);
		else if (due < h->kib)
			shrink_to(h, due);
		shared->kib = h->kib;
		if (tick_now_s() > next_s + STEP_S)
			next_s = tick_now_s();
		sleep_until_s(next_s + STEP_S);
	}
}
