/* SPDX-License-Identifier: MIT */
/* Starts, stops and asks after loads in the lab's guests. */
#include "agent.h"
#include "beside.h"
#include "labguest.h"
#include "load.h"
#include "log.h"
#include "timeline.h"
#include "units.h"

#include <errno.h>
#include <getopt.h>
#include <libvirt/virterror.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct args {
	const char *uri;
	const char *loads; /* folder of the programs that run in guests */
	bool all, json;
	char **operands;
	int noperands;
};

static void usage(void)
{
	fputs("usage: inject [-c URI] start GUEST LOAD\n"
	      "       inject [-c URI] stop GUEST…|--all\n"
	      "       inject [-c URI] status [GUEST…]\n"
	      "Starts, stops and asks after loads inside the lab's guests, through their agents. "
	      "LOAD is as in a\n"
	      "scenario: 'cpu 45%', 'cpu 30% demand', 'memory 1G 20M/s', 'cache 300M', 'stress "
	      "cpu-light', 'idle'.\n"
	      "  -j, --json           status as JSON\n"
	      "  -a, --all            every running guest of the lab\n"
	      "  -c, --connect URI    the hypervisor (qemu:///system)\n"
	      "      --loads DIR      the programs that run in guests (guest/ beside this "
	      "program)\n"
	      "      --help, --version\n",
	      stdout);
}

static virConnectPtr connect_to(const char *uri)
{
	virConnectPtr conn = virConnectOpen(uri);

	if (!conn)
		log_warn("cannot connect to %s: %s; see `ballast doctor`", uri,
			 virGetLastErrorMessage());
	return conn;
}

/* What a load says of itself, for people. */
static void print_report(const char *guest, const json_t *report)
{
	const char *load = json_string_value(json_object_get(report, "load"));
	const char *state = json_string_value(json_object_get(report, "state"));
	char asked[32], held[32];

	printf("%-16s %-8s %-10s", guest, load ? load : "?", state ? state : "?");
	if (json_object_get(report, "asked_pct"))
		printf(" asked %g%%, attained %.1f%%, given up %.1f%%, for %.0f s",
		       json_number_value(json_object_get(report, "asked_pct")),
		       json_number_value(json_object_get(report, "attained_pct")),
		       json_number_value(json_object_get(report, "given_up_pct")),
		       json_number_value(json_object_get(report, "elapsed_s")));
	else if (json_object_get(report, "asked_kib"))
		printf(" asked %s, holds %s, starved %.1f s, for %.0f s",
		       format_size(
			       (uint64_t)json_integer_value(json_object_get(report, "asked_kib")),
			       asked, sizeof(asked)),
		       format_size(
			       (uint64_t)json_integer_value(json_object_get(report, "load_kib")),
			       held, sizeof(held)),
		       json_number_value(json_object_get(report, "starved_s")),
		       json_number_value(json_object_get(report, "elapsed_s")));
	putchar('\n');
}

static void print_reports(const char *guest, const json_t *reports)
{
	json_t *report;
	size_t i;

	json_array_foreach(reports, i, report) print_report(guest, report);
}

static int cmd_start(struct args *args)
{
	char error[SCENARIO_ERROR_MAX];
	virConnectPtr conn = NULL;
	virDomainPtr dom = NULL;
	struct phase phase;
	json_t *ended = NULL;
	int status = EXIT_LAB;

	if (args->noperands != 2)
		die(EXIT_USAGE, "it is inject start GUEST LOAD; see --help");
	if (phase_parse_load(args->operands[1], &phase, error)) {
		log_warn("%s", error);
		return EXIT_USAGE;
	}
	conn = connect_to(args->uri);
	if (!conn)
		goto out;
	dom = labguest_find(conn, args->operands[0], error);
	if (!dom) {
		status = EXIT_USAGE;
		log_warn("%s", error);
		goto out;
	}
	if (load_prepare(dom, args->loads, error) || load_begin(dom, &phase, &ended, error)) {
		log_warn("guest %s: %s", args->operands[0], error);
		goto out;
	}
	print_reports(args->operands[0], ended);
	status = EXIT_PASS;
out:
	json_decref(ended);
	free(phase.text);
	if (dom)
		virDomainFree(dom);
	if (conn)
		virConnectClose(conn);
	return status;
}

/* Calls visit for the guests named, or for all running ones of the lab. Returns the worst exit
 * status. */
static int each_guest(struct args *args, int (*visit)(virDomainPtr dom, const char *name))
{
	virConnectPtr conn = connect_to(args->uri);
	virDomainPtr *doms = NULL;
	int status = EXIT_PASS, n = 0, one;

	if (!conn)
		return EXIT_LAB;
	for (int i = 0; i < args->noperands; i++) {
		char error[LABGUEST_ERROR_MAX];
		virDomainPtr dom = labguest_find(conn, args->operands[i], error);

		if (dom) {
			one = visit(dom, args->operands[i]);
			virDomainFree(dom);
		} else {
			log_warn("%s", error);
			one = EXIT_USAGE;
		}
		status = one > status ? one : status;
	}
	if (args->noperands == 0) {
		n = virConnectListAllDomains(conn, &doms, VIR_CONNECT_LIST_DOMAINS_ACTIVE);
		if (n < 0) {
			log_warn("%s: %s", args->uri, virGetLastErrorMessage());
			status = EXIT_LAB;
		}
	}
	for (int i = 0; i < n; i++) {
		if (labguest_is(doms[i])) {
			one = visit(doms[i], virDomainGetName(doms[i]));
			status = one > status ? one : status;
		}
		virDomainFree(doms[i]);
	}
	free(doms);
	virConnectClose(conn);
	return status;
}

static int visit_stop(virDomainPtr dom, const char *name)
{
	char error[AGENT_ERROR_MAX];
	json_t *ended;

	agent_prepare(dom);
	if (load_end(dom, &ended, error)) {
		log_warn("guest %s: %s", name, error);
		return EXIT_LAB;
	}
	print_reports(name, ended);
	json_decref(ended);
	return EXIT_PASS;
}

/* What each guest's loads said, by its name, for --json; else NULL. */
static json_t *answers;

static int visit_status(virDomainPtr dom, const char *name)
{
	char error[AGENT_ERROR_MAX];
	json_t *reports;

	agent_prepare(dom);
	if (load_status(dom, &reports, error)) {
		if (answers) {
			json_object_set_new(answers, name, json_null());
			log_warn("guest %s: %s", name, error);
			return EXIT_LAB;
		}
		printf("%-16s no answer: %s\n", name, error);
		return EXIT_LAB;
	}
	if (answers) {
		json_object_set_new(answers, name, reports);
		return EXIT_PASS;
	}
	if (json_array_size(reports) == 0)
		printf("%-16s idle\n", name);
	print_reports(name, reports);
	json_decref(reports);
	return EXIT_PASS;
}

static int cmd_stop(struct args *args)
{
	if (args->all == (args->noperands > 0)) {
		log_warn("stop: name guests or say --all");
		return EXIT_USAGE;
	}
	return each_guest(args, visit_stop);
}

static int cmd_status(struct args *args)
{
	int status;

	answers = args->json ? json_object() : NULL;
	status = each_guest(args, visit_status);
	if (answers) {
		json_dumpf(answers, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
		putchar('\n');
		json_decref(answers);
	}
	return status;
}

static const struct command {
	const char *name;
	int (*run)(struct args *args);
} commands[] = {
	{"start", cmd_start},
	{"stop", cmd_stop},
	{"status", cmd_status},
};

static void parse_args(struct args *args, int argc, char **argv)
{
	enum { OPT_LOADS = 256, OPT_HELP, OPT_VERSION };
	static const struct option options[] = {
		{"all", no_argument, NULL, 'a'},
		{"json", no_argument, NULL, 'j'},
		{"connect", required_argument, NULL, 'c'},
		{"loads", required_argument, NULL, OPT_LOADS},
		{"help", no_argument, NULL, OPT_HELP},
		{"version", no_argument, NULL, OPT_VERSION},
		{NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "ac:j", options, NULL)) != -1) {
		switch (option) {
		case 'a':
			args->all = true;
			break;
		case 'c':
			args->uri = optarg;
			break;
		case 'j':
			args->json = true;
			break;
		case OPT_LOADS:
			args->loads = optarg;
			break;
		case OPT_HELP:
			usage();
			exit(EXIT_PASS);
		case OPT_VERSION:
			puts("inject " BALLAST_VERSION);
			exit(EXIT_PASS);
		default:
			exit(EXIT_USAGE); /* getopt has said what is wrong */
		}
	}
	args->operands = argv + optind;
	args->noperands = argc - optind;
}

static void ignore_error(void *opaque, virErrorPtr error)
{
	(void)opaque;
	(void)error;
}

int main(int argc, char **argv)
{
	char loads[PATH_MAX];
	struct args args = {.uri = "qemu:///system"};

	log_init("inject", false);
	if (beside_program(loads, "guest"))
		die(EXIT_LAB, "guest/ beside this program: %s", strerror(errno));
	args.loads = loads;
	parse_args(&args, argc, argv);
	if (args.noperands == 0)
		die(EXIT_USAGE, "start, stop or status? see --help");
	virSetErrorFunc(NULL, ignore_error); /* it would print every error a second time */
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (!strcmp(args.operands[0], commands[i].name)) {
			args.operands++;
			args.noperands--;
			return commands[i].run(&args);
		}
	}
	log_warn("%s: there are start, stop and status", args.operands[0]);
	return EXIT_USAGE;
}
