/* SPDX-License-Identifier: MIT */
/* A run on real guests: one process has their domains, the clock, the loads, the program and the
 * trace. */
#include "conduct.h"

#include "events.h"
#include "gate.h"
#include "header.h"
#include "log.h"
#include "machines.h"
#include "program.h"
#include "recorder.h"
#include "sample.h"
#include "stage.h"
#include "tick.h"
#include "workloads/run.h"

#include <errno.h>
#include <libvirt/virterror.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* --- loads --- */

static void write_event(void *opaque, const struct trace_event *event)
{
	recorder_write(opaque, event);
}

static void announce_pin(void *opaque, const char *guest, unsigned int vcpu, const char *affinity)
{
	recorder_announce(opaque, guest, vcpu, affinity);
}

static struct runner *start_loads(struct recorder *r, const struct conduct_args *args)
{
	const struct run_args run = {.uri = args->uri,
				     .scenario = &r->machines->scenario,
				     .loads = args->loads,
				     .event = write_event,
				     .pin = announce_pin,
				     .opaque = r};

	return run_start(&run);
}

/* --- the run --- */

/* Whoever else uses the host disturbs what is measured. */
static void warn_of_others(struct recorder *r)
{
	virDomainPtr *doms = NULL;
	int n = virConnectListAllDomains(r->machines->session.conn, &doms,
					 VIR_CONNECT_LIST_DOMAINS_ACTIVE),
	    others = 0;

	for (int i = 0; i < n; i++) {
		others += !recorder_guest(r, virDomainGetName(doms[i]));
		virDomainFree(doms[i]);
	}
	free(doms);
	if (others)
		recorder_warn(r, "%d other guests run on this host", others);
}

/* Whether the run came to its end. */
static bool sample_loop(struct recorder *r, struct sampler *sampler, struct program *program)
{
	const struct scenario *s = &r->machines->scenario;
	struct ticker ticker = {s->sample_s, r->epoch_s + s->sample_s};
	double end_s = r->epoch_s + s->length_s;

	for (;;) {
		/* The last window ends with the run, even where that is no multiple of the
		 * interval. */
		double next_s = ticker.next_s < end_s ? ticker.next_s : end_s;

		while (!tick_quit && tick_now_s() < next_s)
			session_wait(&r->machines->session, next_s);
		if (tick_quit)
			return false;
		sampler_sample(sampler, program);
		if (next_s >= end_s)
			return true;
		ticker_advance(&ticker, tick_now_s());
	}
}

/* What watching cost: it must not be what is seen. */
static void report_own_cost(struct recorder *r)
{
	struct rusage usage;
	double used_s;

	getrusage(RUSAGE_SELF, &usage);
	used_s = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
		 (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
	recorder_event(
		r, (struct trace_event){.kind = TRACE_RECORDER,
					.recorder = {.cpu_pct = used_s / recorder_now_s(r) * 100,
						     .rss_kib = usage.ru_maxrss}});
}

static int start_program(struct program *program, struct recorder *r, char *const *argv)
{
	if (!argv[0] || program_start(program, r, argv) == 0)
		return EXIT_PASS;
	recorder_warn(r, "cannot run %s: %s", argv[0], strerror(errno));
	return EXIT_USAGE;
}

/* From the guests' readiness to the program's end. An exit status; *complete: all was seen. */
static int play(struct recorder *r, const struct conduct_args *args, struct runner *loads,
		struct gate *gate, struct trace_header *header, bool *complete)
{
	struct program program = {.recorder = r};
	struct sampler sampler;
	int status;

	if (sampler_init(&sampler, r))
		return EXIT_LAB;
	if (recorder_begin(r, sampler.last_s, header) ||
	    (gate->child.pid && gate_go(gate, r->epoch_s))) {
		log_warn("%s: %s", args->trace, strerror(errno));
		status = EXIT_LAB;
	} else {
		run_go(loads, r->epoch_s);
		warn_of_others(r);
		status = start_program(&program, r, args->program);
	}
	if (status == EXIT_PASS)
		*complete = sample_loop(r, &sampler, args->program[0] ? &program : NULL);
	program_stop(&program);
	if (program.machine) {
		status = EXIT_LAB;
		*complete = false;
	}
	if (gate_finish(gate)) {
		recorder_warn(r, "the gate to libvirt ended before the program did");
		status = EXIT_LAB;
		*complete = false;
	}
	sampler_free(&sampler);
	return status;
}

/* Ends the loads, and the trace with what is left to say. An exit status. */
static int finish(struct recorder *r, struct runner *loads, int status, bool complete)
{
	int ended = run_finish(loads);

	report_own_cost(r);
	if (tick_quit)
		recorder_warn(r, "interrupted");
	/* All was seen, even where a guest that the program crushed no longer lets its loads be
	 * ended. */
	if (complete && ended != EXIT_PASS)
		recorder_warn(r, "the loads failed with status %d", ended);
	if (complete && !tick_quit && !recorder_failed(r))
		recorder_event(r, (struct trace_event){.kind = TRACE_END});
	if (status == EXIT_PASS && (ended != EXIT_PASS || recorder_failed(r)))
		status = EXIT_LAB;
	return status;
}

static void listen_to_events(struct recorder *r)
{
	struct session *s = &r->machines->session;

	events_register(s->conn, r);
	s->on_open = events_register;
	s->on_close = events_deregister;
	s->opaque = r;
}

static void stop_listening(struct recorder *r)
{
	struct session *s = &r->machines->session;

	if (s->conn)
		events_deregister(s->conn, r);
	s->on_open = s->on_close = NULL;
}

/* The guests are in the scenario's initial state. An exit status. */
static int record(struct recorder *r, const struct conduct_args *args, struct trace_header *header)
{
	struct gate gate = {.in_fd = -1};
	struct runner *loads;
	bool complete = false;
	int status = EXIT_LAB;

	if (trace_create(&r->trace, args->trace)) {
		log_warn("%s: %s", args->trace, strerror(errno));
		return EXIT_USAGE;
	}
	child_adopt_orphans();
	r->gate = &gate.child;
	loads = start_loads(r, args);
	if (loads && args->program[0] && gate_start(&gate, args->folder, args->prefix, args->trace))
		gate_finish(&gate);
	else if (loads) {
		r->sockets = gate.sockets;
		r->copy = args->copy;
		listen_to_events(r);
		status = play(r, args, loads, &gate, header, &complete);
		stop_listening(r);
	}
	if (loads)
		status = finish(r, loads, status, complete);
	trace_close(&r->trace);
	return status;
}

static int run(struct machines *m, const struct conduct_args *args)
{
	struct recorder r = {.trace = {.fd = -1}, .verbose = args->verbose};
	struct run_header header = {.texts = NULL};
	int status = EXIT_LAB;

	if (!args->as_is && stage_set(m))
		return EXIT_LAB;
	if (recorder_init(&r, m))
		log_warn("out of memory");
	else if (run_header(&header, &r, args->program) == 0)
		status = record(&r, args, &header.header);
	run_header_free(&header);
	recorder_free(&r);
	return status;
}

int conduct(const struct conduct_args *args)
{
	struct machines m = {.session = {.conn = NULL}};
	int status = machines_open(&m, args->uri, args->scenario, args->prefix);

	if (status == EXIT_PASS) {
		status = run(&m, args);
		if (!args->as_is && stage_reset(&m) && status == EXIT_PASS)
			log_warn("the guests are not all as they were");
	}
	machines_close(&m);
	return tick_quit ? 128 + tick_quit : status;
}

int conduct_put_back(const struct conduct_args *args)
{
	struct machines m = {.session = {.conn = NULL}};
	int status = machines_open(&m, args->uri, args->scenario, args->prefix);

	if (status == EXIT_PASS && stage_reset(&m))
		status = EXIT_LAB;
	machines_close(&m);
	return status;
}
