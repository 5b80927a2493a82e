/* SPDX-License-Identifier: MIT */
/* Plays a scenario's timeline on its guests, all at once: a thread and a connection for each of
 * them. */
#include "run.h"

#include "labguest.h"
#include "log.h"
#include "run_guest.h"
#include "tick.h"

#include <errno.h>
#include <inttypes.h>
#include <libvirt/virterror.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Waits until t_s of the trace, or until a signal asks for the end. */
static void wait_until(const struct runner *r, double t_s, int quit_fd)
{
	struct pollfd quit = {.fd = quit_fd, .events = POLLIN};

	while (!tick_quit) {
		double left_s = t_s - runner_now_s(r);

		if (left_s <= 0)
			return;
		poll(&quit, 1, (int)ceil(fmin(left_s, 3600) * 1000));
	}
}

static int read_scenario(const struct run_args *args, struct runner *r)
{
	char error[SCENARIO_ERROR_MAX];
	virConnectPtr conn;
	int *pcpus = NULL, n, status = EXIT_PASS;

	if (scenario_read(&r->scenario, args->scenario, error)) {
		log_warn("%s", error);
		return EXIT_USAGE;
	}
	conn = virConnectOpen(args->uri);
	n = conn ? labguest_pcpus(conn, &pcpus) : -1;
	if (n < 0) {
		log_warn("%s: %s", args->uri, virGetLastErrorMessage());
		status = EXIT_LAB;
	} else if (scenario_resolve(&r->scenario, pcpus, (size_t)n, args->prefix, error)) {
		log_warn("%s", error);
		status = EXIT_USAGE;
	}
	free(pcpus);
	if (conn)
		virConnectClose(conn);
	return status;
}

/* The moment of t = 0: given, read from stdin, or now. */
static int set_epoch(const struct run_args *args, struct runner *r)
{
	char line[64];

	r->epoch_ns = args->epoch_ns;
	if (args->ask_epoch) {
		puts("ready");
		fflush(stdout);
		if (!fgets(line, sizeof(line), stdin) ||
		    sscanf(line, "%" SCNd64, &r->epoch_ns) != 1) {
			log_warn("no epoch came on stdin");
			return -1;
		}
	} else if (args->epoch_ns < 0) {
		r->epoch_ns = (int64_t)(tick_now_s() * 1e9);
	}
	return 0;
}

static int start_guests(struct runner *r)
{
	for (size_t i = 0; i < r->scenario.nguests; i++) {
		struct run_guest *g = &r->guests[i];

		g->runner = r;
		g->guest = &r->scenario.guests[i];
		errno = pthread_create(&g->thread, NULL, run_guest, g);
		if (errno) {
			log_warn("thread of guest %s: %s", g->guest->name, strerror(errno));
			return -1;
		}
		r->nstarted++;
	}
	pthread_mutex_lock(&r->lock);
	while (r->nprepared < r->nstarted)
		pthread_cond_wait(&r->changed, &r->lock);
	pthread_mutex_unlock(&r->lock);
	return r->failed ? -1 : 0;
}

static void set_stage(struct runner *r, enum run_stage stage)
{
	pthread_mutex_lock(&r->lock);
	r->stage = stage;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

static int play(const struct run_args *args, struct runner *r, int quit_fd)
{
	bool go = start_guests(r) == 0 && set_epoch(args, r) == 0;

	if (go && args->trace && trace_append(&r->trace, args->trace)) {
		log_warn("%s: %s", args->trace, strerror(errno));
		go = false;
	}
	r->tracing = go && args->trace;
	if (go) {
		set_stage(r, RUN_PLAYING);
		wait_until(r, r->scenario.length_s, quit_fd);
	}
	set_stage(r, RUN_ENDING);
	for (size_t i = 0; i < r->nstarted; i++)
		pthread_join(r->guests[i].thread, NULL);
	if (r->tracing)
		trace_close(&r->trace);
	return go && !r->failed ? EXIT_PASS : EXIT_LAB;
}

int run_timeline(const struct run_args *args)
{
	struct runner r = {.args = args};
	pthread_condattr_t attr;
	int quit_fd, status;

	setvbuf(stdout, NULL, _IOLBF, 0); /* the conductor reads along */
	quit_fd = tick_signals();
	if (quit_fd < 0)
		return EXIT_LAB;
	pthread_mutex_init(&r.lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&r.changed, &attr);
	status = read_scenario(args, &r);
	if (status == EXIT_PASS) {
		r.guests = calloc(r.scenario.nguests, sizeof(*r.guests));
		status = r.guests ? play(args, &r, quit_fd) : EXIT_LAB;
		free(r.guests);
	}
	scenario_free(&r.scenario);
	pthread_condattr_destroy(&attr);
	return status;
}
