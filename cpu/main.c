/* SPDX-License-Identifier: MIT */
/* vcpu_scheduler: pins vCPUs so that every pCPU carries a similar load. Options and the loop. */
#include "host.h"
#include "log.h"
#include "plan.h"
#include "report.h"
#include "session.h"
#include "tick.h"
#include "units.h"

#include <getopt.h>
#include <libvirt/virterror.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROGRAM "vcpu_scheduler"

/* A tenth of libvirt's 10 ms counter steps still tells something at 50 ms; a day is no mistake. */
#define INTERVAL_LEAST_S 0.05
#define INTERVAL_MOST_S	 86400.0

static const char default_uri[] = "qemu:///system";

struct args {
	double interval_s;
	const char *uri;
	bool dry_run;
	bool once;
	bool verbose;
	bool exit_when_empty;
	struct host_options host;
	struct cpu_policy policy;
};

struct scheduler {
	struct args args;
	struct session session;
	struct host *host;
	struct cpu_state *state;
	struct cpu_plan plan;
	unsigned long tick;
	bool empty; /* no guest of ours runs */
};

static void print_help(void)
{
	printf("Usage: " PROGRAM " [options] INTERVAL\n"
	       "Pins the vCPUs of running guests so that every pCPU carries a similar load, with as\n"
	       "few pin changes as possible. INTERVAL: seconds between decisions, e.g. 2 or 0.5.\n"
	       "\n"
	       "  -c, --connect URI      libvirt's (qemu:///system)\n"
	       "  -n, --dry-run          say what would be pinned, change nothing\n"
	       "  -1, --once             decide once, then exit\n"
	       "  -v, --verbose          say more on stderr\n"
	       "      --guests GLOB      manage only guests with such names\n"
	       "      --pcpus LIST       use only these pCPUs, e.g. 0-3,8\n"
	       "      --threshold POINTS difference between the busiest and the idlest pCPU that\n"
	       "                         is left alone (10)\n"
	       "      --cost POINTS      gain in difference that one move must bring (0.2)\n"
	       "      --exit-when-empty  exit once no guest runs\n"
	       "  -h, --help\n"
	       "  -V, --version\n");
}

static const struct option long_options[] = {
	{"connect", required_argument, NULL, 'c'},
	{"dry-run", no_argument, NULL, 'n'},
	{"once", no_argument, NULL, '1'},
	{"verbose", no_argument, NULL, 'v'},
	{"guests", required_argument, NULL, 'g'},
	{"pcpus", required_argument, NULL, 'p'},
	{"threshold", required_argument, NULL, 't'},
	{"cost", required_argument, NULL, 'C'},
	{"exit-when-empty", no_argument, NULL, 'e'},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{NULL, 0, NULL, 0},
};

static double parse_points(const char *option, const char *text, double least, double most)
{
	double value = 0;

	if (parse_number(text, least, most, &value))
		die(EXIT_USAGE, "--%s %s: must be a number from %g to %g", option, text, least, most);
	return value;
}

static void parse_option(struct args *args, int option)
{
	unsigned char map[8192] = {0};

	switch (option) {
	case 'c':
		args->uri = optarg;
		break;
	case 'n':
		args->dry_run = true;
		break;
	case '1':
		args->once = true;
		break;
	case 'v':
		args->verbose = true;
		break;
	case 'g':
		args->host.guests = optarg;
		break;
	case 'p':
		if (cpumap_parse(optarg, map, sizeof(map)) || !cpumap_count(map, sizeof(map)))
			die(EXIT_USAGE, "--pcpus %s: must be a list of pCPUs such as 0-3,8", optarg);
		args->host.pcpus = optarg;
		break;
	case 't':
		args->policy.threshold_pct = parse_points("threshold", optarg, 0.1, 100);
		break;
	case 'C':
		args->policy.cost_pct = parse_points("cost", optarg, 0, 100);
		break;
	case 'e':
		args->exit_when_empty = true;
		break;
	case 'h':
		print_help();
		exit(EXIT_PASS);
	case 'V':
		printf(PROGRAM " (Ballast) " BALLAST_VERSION "\n");
		exit(EXIT_PASS);
	}
}

/* getopt_long has met something that is no option of ours, or one without its argument. */
static void __attribute__((noreturn)) refuse_option(int option, char **argv)
{
	const char *text = argv[optind - 1];

	if (option == ':')
		die(EXIT_USAGE, "%s: its argument is missing; see --help", text);
	if (optopt >= '0' && optopt <= '9')
		die(EXIT_USAGE, "-%c: the interval must be a positive number of seconds", optopt);
	if (optopt)
		die(EXIT_USAGE, "unknown option -%c; see --help", optopt);
	die(EXIT_USAGE, "unknown option %s; see --help", text);
}

static struct args parse_args(int argc, char **argv)
{
	struct args args = {.uri = default_uri};
	int option;

	cpu_policy_init(&args.policy);
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":c:n1vhV", long_options, NULL)) >= 0) {
		if (option == '?' || option == ':')
			refuse_option(option, argv);
		parse_option(&args, option);
	}
	if (optind == argc)
		die(EXIT_USAGE, "the interval is missing: seconds between decisions, e.g. '" PROGRAM " 2'");
	if (optind + 1 < argc)
		die(EXIT_USAGE, "%s: there is one argument only, the interval", argv[optind + 1]);
	if (parse_number(argv[optind], INTERVAL_LEAST_S, INTERVAL_MOST_S, &args.interval_s))
		die(EXIT_USAGE, "%s: the interval must be a number of seconds from %g to %g",
		    argv[optind], INTERVAL_LEAST_S, INTERVAL_MOST_S);
	/* There is no next window that could confirm what the only one shows. */
	if (args.once)
		args.policy.confirm = 1;
	return args;
}

/* Makes the plan's pins. Returns how many failed. */
static size_t apply(struct scheduler *s, const struct cpu_sample *sample)
{
	size_t failed = 0;

	for (size_t i = 0; i < s->plan.npins; i++) {
		const struct cpu_pin *pin = &s->plan.pins[i];
		size_t guest = sample->vcpus[pin->vcpu].guest;

		report_pin(host_guest_name(s->host, guest), sample, &s->plan, pin);
		if (!s->args.dry_run)
			failed += host_pin(s->host, sample, pin) != 0;
	}
	return failed;
}

static void tick(struct scheduler *s)
{
	struct cpu_sample sample = {0};
	size_t failed;

	if (!session_ready(&s->session))
		return;
	if (host_sample(s->host, s->session.conn, &sample)) {
		log_warn("reading the guests: %s", virGetLastErrorMessage());
		return;
	}
	if (cpu_plan(s->state, &s->args.policy, &sample, &s->plan)) {
		log_warn("out of memory; nothing is changed this time");
		return;
	}
	failed = apply(s, &sample);
	s->empty = sample.nguests == 0;
	report_tick(s->tick++, &sample, &s->plan, failed);
}

static void run(struct scheduler *s)
{
	struct ticker ticker;

	ticker_start(&ticker, s->args.interval_s);
	while (!tick_quit) {
		tick(s);
		if (s->args.exit_when_empty && s->empty)
			break;
		/* The first tick has nothing to compare with; the second decides. */
		if (s->args.once && s->tick >= 2)
			break;
		ticker_advance(&ticker, tick_now_s());
		while (!tick_quit && tick_now_s() < ticker.next_s)
			session_wait(&s->session, ticker.next_s);
	}
}

int main(int argc, char **argv)
{
	struct scheduler s = {0};

	setvbuf(stdout, NULL, _IOLBF, 0);
	log_init(PROGRAM, false);
	s.args = parse_args(argc, argv);
	log_init(PROGRAM, s.args.verbose);
	s.host = host_new(&s.args.host);
	s.state = cpu_state_new();
	if (!s.host || !s.state)
		die(EXIT_FAIL, "out of memory");
	if (session_init(&s.session, s.args.uri))
		die(EXIT_LAB, "libvirt's event loop: %s", virGetLastErrorMessage());
	s.session.on_open = host_opened;
	s.session.on_close = host_closed;
	s.session.opaque = s.host;
	if (session_open(&s.session))
		die(s.args.uri == default_uri ? EXIT_LAB : EXIT_USAGE, "%s: %s; is libvirtd running?",
		    s.args.uri, virGetLastErrorMessage());
	run(&s);
	session_close(&s.session);
	cpu_plan_free(&s.plan);
	cpu_state_free(s.state);
	host_free(s.host);
	return EXIT_PASS;
}
