/* SPDX-License-Identifier: MIT */
/* Plays a scenario's timeline on its guests, all at once. */
#include "run.h"

#include "log.h"
#include "run_guest.h"
#include "runner.h"
#include "tick.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Pushing the loads into eight emulated guests takes some seconds; boots are waited for elsewhere.
 */
#define PREPARE_S 60.0

/* Ending the loads takes a second or two; a guest that is out of memory may take ten. */
#define FINISH_S 30.0

/* How often a signal is looked for. */
#define STEP_S 0.2

static struct timespec clock_in(clockid_t clock, double seconds)
{
	struct timespec at;
	int64_t ns;

	clock_gettime(clock, &at);
	ns = at.tv_nsec + (int64_t)(seconds * 1e9);
	at.tv_sec += ns / 1000000000;
	at.tv_nsec = ns % 1000000000;
	return at;
}

static struct runner *new_runner(const struct run_args *args)
{
	struct runner *r = calloc(1, sizeof(*r));
	pthread_condattr_t attr;

	if (!r)
		return NULL;
	r->args = *args;
	r->guests = calloc(args->scenario->nguests, sizeof(*r->guests));
	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&r->changed, &attr);
	pthread_condattr_destroy(&attr);
	return r;
}

static void free_runner(struct runner *r)
{
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->lock);
	free(r->guests);
	free(r);
}

static int start_guests(struct runner *r)
{
	for (size_t i = 0; r->guests && i < r->args.scenario->nguests; i++) {
		struct run_guest *g = &r->guests[i];

		g->runner = r;
		g->guest = &r->args.scenario->guests[i];
		errno = pthread_create(&g->thread, NULL, run_guest, g);
		if (errno) {
			log_warn("thread of guest %s: %s", g->guest->name, strerror(errno));
			return -1;
		}
		r->nstarted++;
	}
	return r->guests ? 0 : -1;
}

/* Waits until all guests have been prepared, well or not. */
static int wait_prepared(struct runner *r)
{
	double end_s = tick_now_s() + PREPARE_S;
	bool prepared;

	pthread_mutex_lock(&r->lock);
	while (!tick_quit && tick_now_s() < end_s && r->nprepared < r->nstarted) {
		struct timespec at = clock_in(CLOCK_MONOTONIC, STEP_S);

		pthread_cond_timedwait(&r->changed, &r->lock, &at);
	}
	prepared = r->nprepared == r->nstarted;
	pthread_mutex_unlock(&r->lock);
	if (!prepared && !tick_quit)
		log_warn("the guests were not ready within %g s", PREPARE_S);
	return prepared && !r->failed && !tick_quit ? 0 : -1;
}

static void set_stage(struct runner *r, enum run_stage stage)
{
	pthread_mutex_lock(&r->lock);
	r->stage = stage;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

struct runner *run_start(const struct run_args *args)
{
	struct runner *r = new_runner(args);

	if (!r) {
		log_warn("out of memory");
		return NULL;
	}
	if (start_guests(r) || wait_prepared(r)) {
		run_finish(r);
		return NULL;
	}
	return r;
}

void run_go(struct runner *r, double epoch_s)
{
	r->epoch_ns = (int64_t)(epoch_s * 1e9);
	set_stage(r, RUN_PLAYING);
}

int run_finish(struct runner *r)
{
	struct timespec at = clock_in(CLOCK_REALTIME, FINISH_S);
	bool ended = true;
	int status;

	set_stage(r, RUN_ENDING);
	for (size_t i = 0; i < r->nstarted; i++)
		ended = pthread_timedjoin_np(r->guests[i].thread, NULL, &at) == 0 && ended;
	if (!ended) { /* a thread that is still there has r */
		log_warn("the loads in the guests do not end; they may still run");
		return EXIT_LAB;
	}
	status = r->failed ? EXIT_LAB : EXIT_PASS;
	free_runner(r);
	return status;
}
