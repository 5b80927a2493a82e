/* SPDX-License-Identifier: MIT */
/*
 * Runs a scenario on real guests and writes down what happens: starts the injector and the program
 * under test, samples host and guests, and ends everything, whatever comes between.
 */
#include "record.h"

#include "labguest.h"
#include "log.h"
#include "record_events.h"
#include "record_header.h"
#include "record_gate.h"
#include "record_inject.h"
#include "record_program.h"
#include "record_sample.h"
#include "tick.h"

#include <errno.h>
#include <getopt.h>
#include <libvirt/virterror.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

struct args {
	const char *uri;
	const char *scenario;
	const char *prefix;
	const char *trace;
	const char *inject; /* NULL: no loads */
	char **program;	    /* NULL-terminated; empty: none */
	bool verbose;
};

/* Seconds since the trace's start. */
static double now_s(const struct recorder *r)
{
	return tick_now_s() - r->epoch_s;
}

static void note_failure(struct recorder *r, int status)
{
	if (status && !r->trace_failed) {
		log_warn("the trace cannot be written: %s", strerror(errno));
		r->trace_failed = true;
	}
}

void recorder_event(struct recorder *r, struct trace_event event)
{
	if (r->epoch_s == 0)
		return; /* the trace has not begun */
	event.t_s = now_s(r);
	note_failure(r, trace_write_event(&r->trace, &event));
}

void recorder_output(struct recorder *r, enum trace_stream stream, const char *line, size_t len)
{
	note_failure(r, trace_write_output(&r->trace, now_s(r), stream, line, len));
}

void recorder_warn(struct recorder *r, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_warn("%s", text);
	recorder_event(r, (struct trace_event){.kind = TRACE_WARNING, .warning = {text}});
}

struct watched *recorder_guest(struct recorder *r, const char *name)
{
	for (size_t i = 0; i < r->scenario.nguests; i++) {
		if (name && !strcmp(r->guests[i].guest->name, name))
			return &r->guests[i];
	}
	return NULL;
}

/* --- before the run --- */

static void check_program(char *const *program)
{
	struct stat status;

	/* One without a slash is looked for in PATH when it is run. */
	if (!program[0] || !strchr(program[0], '/'))
		return;
	if (stat(program[0], &status))
		die(EXIT_USAGE, "%s: %s", program[0], strerror(errno));
	if (!S_ISREG(status.st_mode) || access(program[0], X_OK))
		die(EXIT_USAGE, "%s: not an executable program", program[0]);
}

static void open_host(struct recorder *r, const struct args *args)
{
	char error[SCENARIO_ERROR_MAX];
	int n;

	if (scenario_read(&r->scenario, args->scenario, error))
		die(EXIT_USAGE, "%s", error);
	if (session_init(&r->session, args->uri) || session_open(&r->session))
		die(EXIT_LAB, "cannot connect to %s: %s; see `lab doctor`", args->uri,
		    virGetLastErrorMessage());
	n = labguest_pcpus(r->session.conn, &r->pcpus);
	if (n <= 0)
		die(EXIT_LAB, "%s does not tell its pCPUs: %s", args->uri,
		    virGetLastErrorMessage());
	r->npcpus = (size_t)n;
	if (scenario_resolve(&r->scenario, r->pcpus, r->npcpus, args->prefix, error))
		die(EXIT_USAGE, "%s", error);
}

static void watch_guest(struct watched *g, const struct scenario_guest *guest)
{
	g->guest = guest;
	g->id = -1;
	g->seen_s = -1;
	g->nvcpus = guest->vcpus;
	g->time_ns = calloc(g->nvcpus, sizeof(*g->time_ns));
	g->delay_ns = calloc(g->nvcpus, sizeof(*g->delay_ns));
	g->affinity = calloc(g->nvcpus, sizeof(*g->affinity));
	g->pcpu = calloc(g->nvcpus, sizeof(*g->pcpu));
	g->vcpus = calloc(g->nvcpus, sizeof(*g->vcpus));
	if (!g->time_ns || !g->delay_ns || !g->affinity || !g->pcpu || !g->vcpus)
		die(EXIT_LAB, "out of memory");
	for (size_t vcpu = 0; vcpu < g->nvcpus; vcpu++)
		g->pcpu[vcpu] = -1;
}

/* Whoever else uses the host disturbs what is measured. */
static void warn_of_others(struct recorder *r)
{
	virDomainPtr *doms = NULL;
	int n = virConnectListAllDomains(r->session.conn, &doms, VIR_CONNECT_LIST_DOMAINS_ACTIVE),
	    others = 0;

	for (int i = 0; i < n; i++) {
		others += !recorder_guest(r, virDomainGetName(doms[i]));
		virDomainFree(doms[i]);
	}
	free(doms);
	if (others)
		recorder_warn(r, "%d other guests run on this host", others);
}

/* --- the run --- */

/* Whether the run came to its end. */
static bool sample_loop(struct recorder *r, struct sampler *sampler, struct program *program,
			struct injector *injector)
{
	struct ticker ticker = {r->scenario.sample_s, r->epoch_s + r->scenario.sample_s};
	double end_s = r->epoch_s + r->scenario.length_s;

	for (;;) {
		/* The last window ends with the run, even where that is no multiple of the
		 * interval. */
		double next_s = ticker.next_s < end_s ? ticker.next_s : end_s;

		while (!tick_quit && tick_now_s() < next_s)
			session_wait(&r->session, next_s);
		if (tick_quit)
			return false;
		sampler_sample(sampler, program);
		injector_read(r->announcements);
		if (next_s >= end_s)
			return true;
		if (injector_died(injector)) {
			recorder_warn(r, "the injector ended before its time");
			return false;
		}
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
	recorder_event(r, (struct trace_event){.kind = TRACE_RECORDER,
					       .recorder = {.cpu_pct = used_s / now_s(r) * 100,
							    .rss_kib = usage.ru_maxrss}});
}

static int start_program(struct program *program, struct recorder *r, char *const *argv)
{
	if (!argv[0] || program_start(program, r, argv) == 0)
		return EXIT_PASS;
	recorder_warn(r, "cannot run %s: %s", argv[0], strerror(errno));
	return EXIT_USAGE;
}

/* From the injector's readiness to the end of everything. An exit status. */
static int conduct(struct recorder *r, const struct args *args, struct injector *injector,
		   struct record_gate *gate, struct trace_header *header)
{
	struct program *program = calloc(1, sizeof(*program));
	struct sampler sampler;
	bool complete = false;
	int status, loads;

	if (!program || sampler_init(&sampler, r))
		return EXIT_LAB;
	r->epoch_s = sampler.last_s;
	header->epoch_ns = (int64_t)(r->epoch_s * 1e9);
	if (trace_write_header(&r->trace, header) ||
	    (injector->child.pid && injector_go(injector, r->epoch_s)) ||
	    (gate->child.pid && record_gate_go(gate, r->epoch_s))) {
		log_warn("%s: %s", args->trace, strerror(errno));
		status = EXIT_LAB;
	} else {
		warn_of_others(r);
		status = start_program(program, r, args->program);
	}
	if (status == EXIT_PASS)
		complete = sample_loop(r, &sampler, args->program[0] ? program : NULL, injector);
	program_stop(program);
	if (record_gate_finish(gate)) {
		recorder_warn(r, "the gate to libvirt ended before the program did");
		status = EXIT_LAB;
		complete = false;
	}
	loads = injector_finish(injector, r->announcements, status != EXIT_PASS || tick_quit);
	report_own_cost(r);
	if (tick_quit)
		recorder_warn(r, "interrupted");
	if (status == EXIT_PASS && (loads != EXIT_PASS || tick_quit || r->trace_failed))
		status = EXIT_LAB;
	/* All was seen, even where a guest that the program crushed no longer lets its loads be
	 * ended. */
	if (complete && loads != EXIT_PASS)
		recorder_warn(r, "the injector failed with status %d", loads);
	if (complete && !tick_quit && !r->trace_failed)
		recorder_event(r, (struct trace_event){.kind = TRACE_END});
	sampler_free(&sampler);
	free(program);
	return status;
}

static int record(struct recorder *r, const struct args *args)
{
	struct announcements announcements = {0};
	struct injector injector = {0};
	struct record_gate gate = {.in_fd = -1};
	const struct injector_args injector_args = {args->inject, args->uri, args->scenario,
						    args->prefix, args->trace};
	struct record_header header;
	int status = EXIT_LAB;

	r->announcements = &announcements;
	r->guests = calloc(r->scenario.nguests, sizeof(*r->guests));
	if (!r->guests)
		return EXIT_LAB;
	for (size_t i = 0; i < r->scenario.nguests; i++)
		watch_guest(&r->guests[i], &r->scenario.guests[i]);
	record_header(&header, r, args->program);
	if (trace_create(&r->trace, args->trace))
		die(EXIT_USAGE, "%s: %s", args->trace, strerror(errno));
	child_adopt_orphans();
	r->helpers[r->nhelpers++] = &injector.child;
	r->helpers[r->nhelpers++] = &gate.child;
	if (args->inject && injector_start(&injector, &injector_args)) {
		injector_finish(&injector, &announcements, true);
		goto out;
	}
	announcements.from = args->inject ? &injector : NULL;
	if (args->program[0]) {
		if (record_gate_start(&gate, args->prefix, args->trace)) {
			record_gate_finish(&gate);
			injector_finish(&injector, &announcements, true);
			goto out;
		}
		r->gate = gate.sockets;
	}
	events_register(r->session.conn, r);
	r->session.on_open = events_register;
	r->session.on_close = events_deregister;
	r->session.opaque = r;
	status = conduct(r, args, &injector, &gate, &header.header);
	session_close(&r->session);
out:
	record_header_free(&header);
	trace_close(&r->trace);
	return status;
}

static void usage(FILE *to)
{
	fputs("usage: record --scenario FILE --trace FILE [--inject PATH] [-c URI] [-p PREFIX] "
	      "[-v]\n"
	      "              [-- PROGRAM ARGS…]\n"
	      "Runs a scenario on the lab's guests, which are in its initial state already (see "
	      "stage), and\n"
	      "writes what happens into a trace; `lab run` does both.\n"
	      "  -c, --connect URI    the hypervisor (qemu:///system)\n"
	      "  -i, --inject PATH    the injector; without it nothing is loaded\n"
	      "  -p, --prefix P       the guests' name prefix (aos_vm)\n"
	      "  -s, --scenario FILE  what to run\n"
	      "  -t, --trace FILE     is written anew\n"
	      "  -v, --verbose        the program's output is shown, too\n"
	      "      --help, --version\n",
	      to);
}

static void parse_args(struct args *args, int argc, char **argv)
{
	enum { OPT_HELP = 256, OPT_VERSION };
	static const struct option options[] = {
		{"connect", required_argument, NULL, 'c'},
		{"inject", required_argument, NULL, 'i'},
		{"prefix", required_argument, NULL, 'p'},
		{"scenario", required_argument, NULL, 's'},
		{"trace", required_argument, NULL, 't'},
		{"verbose", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, OPT_HELP},
		{"version", no_argument, NULL, OPT_VERSION},
		{NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "+c:i:p:s:t:v", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			args->uri = optarg;
			break;
		case 'i':
			args->inject = optarg;
			break;
		case 'p':
			args->prefix = optarg;
			break;
		case 's':
			args->scenario = optarg;
			break;
		case 't':
			args->trace = optarg;
			break;
		case 'v':
			args->verbose = true;
			break;
		case OPT_HELP:
			usage(stdout);
			exit(EXIT_PASS);
		case OPT_VERSION:
			puts("record " BALLAST_VERSION);
			exit(EXIT_PASS);
		default:
			exit(EXIT_USAGE); /* getopt has said what is wrong */
		}
	}
	args->program = argv + optind;
	if (!args->scenario || !args->trace)
		die(EXIT_USAGE, "%s is missing; see --help",
		    args->scenario ? "--trace FILE" : "--scenario FILE");
}

int main(int argc, char **argv)
{
	struct args args = {.uri = "qemu:///system", .prefix = "aos_vm"};
	struct recorder recorder = {.trace = {.fd = -1}};
	int status;

	log_init("record", false);
	parse_args(&args, argc, argv);
	log_init("record", args.verbose);
	recorder.verbose = args.verbose;
	check_program(args.program);
	open_host(&recorder, &args);
	status = record(&recorder, &args);
	for (size_t i = 0; i < recorder.scenario.nguests; i++) {
		struct watched *g = &recorder.guests[i];

		for (size_t vcpu = 0; vcpu < g->nvcpus; vcpu++)
			free(g->affinity[vcpu]);
		free(g->affinity);
		free(g->time_ns);
		free(g->delay_ns);
		free(g->pcpu);
		free(g->vcpus);
	}
	free(recorder.guests);
	free(recorder.pcpus);
	scenario_free(&recorder.scenario);
	return status;
}
