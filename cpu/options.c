/* SPDX-License-Identifier: MIT */
/* The command line. */
#include "options.h"

#include "cli.h"
#include "log.h"
#include "units.h"

#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What --once and --explain look at for want of an interval. */
#define MOMENT_S 1.0

/*
 * A search may take at most about a twentieth of an interval; one of its steps takes 0.1 to 0.3 µs.
 */
#define STEPS_PER_S 200000.0

/* pCPU numbers that can be named at all. */
#define PCPUS_MOST 65536

enum {
	OPTION_GUESTS = 256,
	OPTION_PCPUS,
	OPTION_THRESHOLD,
	OPTION_COST,
	OPTION_NODE_COST,
	OPTION_RESPECT_PINS,
	OPTION_RESTORE_ON_EXIT,
	OPTION_RESTORE,
	OPTION_EXIT_WHEN_EMPTY,
	OPTION_JSON,
	OPTION_METRICS,
	OPTION_EXPLAIN,
	OPTION_REPLAY,
};

static const struct option long_options[] = {
	{"connect", required_argument, NULL, 'c'},
	{"dry-run", no_argument, NULL, 'n'},
	{"once", no_argument, NULL, '1'},
	{"verbose", no_argument, NULL, 'v'},
	{"guests", required_argument, NULL, OPTION_GUESTS},
	{"pcpus", required_argument, NULL, OPTION_PCPUS},
	{"threshold", required_argument, NULL, OPTION_THRESHOLD},
	{"cost", required_argument, NULL, OPTION_COST},
	{"node-cost", required_argument, NULL, OPTION_NODE_COST},
	{"respect-pins", no_argument, NULL, OPTION_RESPECT_PINS},
	{"restore-on-exit", no_argument, NULL, OPTION_RESTORE_ON_EXIT},
	{"restore", no_argument, NULL, OPTION_RESTORE},
	{"exit-when-empty", no_argument, NULL, OPTION_EXIT_WHEN_EMPTY},
	{"json", no_argument, NULL, OPTION_JSON},
	{"metrics", required_argument, NULL, OPTION_METRICS},
	{"explain", no_argument, NULL, OPTION_EXPLAIN},
	{"replay", required_argument, NULL, OPTION_REPLAY},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{NULL, 0, NULL, 0},
};

static void print_help(void)
{
	printf("Usage: " PROGRAM " [options] INTERVAL\n"
	       "Pins the vCPUs of running guests so that every pCPU carries a similar load, with "
	       "as\n"
	       "few pin changes as possible. INTERVAL: seconds between decisions, such as 2 or "
	       "0.5;\n"
	       "may be left out with --once, which then looks at 1 second.\n"
	       "\n"
	       "  -c, --connect URI       libvirt's (qemu:///system)\n"
	       "  -n, --dry-run           say what would be pinned, change nothing\n"
	       "  -1, --once              decide once, then exit\n"
	       "  -v, --verbose           say more on stderr\n"
	       "      --guests GLOB       manage only guests with such names\n"
	       "      --pcpus LIST        use only these pCPUs, such as 0-3,8\n"
	       "      --threshold POINTS  difference in load between the busiest and the idlest\n"
	       "                          pCPU that is left alone (10)\n"
	       "      --cost POINTS       gain in difference that one move must bring (0.2)\n"
	       "      --node-cost POINTS  gain for which guests leave their memory's node (20)\n"
	       "      --respect-pins      keep to the affinities found, and off guests that\n"
	       "                          somebody else pins meanwhile\n"
	       "      --restore-on-exit   put back the affinities found\n"
	       "      --restore           put back what a crashed run left, and exit\n"
	       "      --exit-when-empty   exit once no guest runs that it manages\n"
	       "      --json              JSON Lines on stdout, which --replay understands\n"
	       "      --metrics FILE      keep FILE in Prometheus' text format\n"
	       "      --explain           print the plan for this moment as a table, and exit\n"
	       "      --replay FILE       put a log of --json through the policy again, compare, "
	       "exit\n"
	       "  -h, --help\n"
	       "  -V, --version\n");
}

static double parse_points(const char *option, const char *text, double least, double most)
{
	double value = 0;

	if (parse_number(text, least, most, &value))
		die(EXIT_USAGE, "--%s %s: must be a number from %g to %g", option, text, least,
		    most);
	return value;
}

static const char *parse_pcpus(const char *text)
{
	unsigned char map[PCPUS_MOST / 8] = {0};

	if (cpumap_parse(text, map, sizeof(map)) || !cpumap_count(map, sizeof(map)))
		die(EXIT_USAGE, "--pcpus %s: must be a list of pCPUs such as 0-3,8", text);
	return text;
}

static void set_mode(struct args *args, enum mode mode, const char *option)
{
	if (args->mode != MODE_RUN && args->mode != mode)
		die(EXIT_USAGE, "--%s: only one of --once, --explain, --restore, --replay", option);
	args->mode = mode;
}

static void parse_long(struct args *args, int option)
{
	switch (option) {
	case OPTION_GUESTS:
		args->host.guests = cli_guests(optarg);
		break;
	case OPTION_PCPUS:
		args->host.pcpus = parse_pcpus(optarg);
		break;
	case OPTION_THRESHOLD:
		args->policy.threshold_pct = parse_points("threshold", optarg, 0.1, 100);
		break;
	case OPTION_COST:
		args->policy.cost_pct = parse_points("cost", optarg, 0, 100);
		break;
	case OPTION_NODE_COST:
		args->policy.node_cost_pct = parse_points("node-cost", optarg, 0, 1000);
		break;
	case OPTION_RESPECT_PINS:
		args->host.respect_pins = true;
		break;
	case OPTION_RESTORE_ON_EXIT:
		args->restore_on_exit = true;
		break;
	case OPTION_RESTORE:
		set_mode(args, MODE_RESTORE, "restore");
		break;
	case OPTION_EXIT_WHEN_EMPTY:
		args->exit_when_empty = true;
		break;
	case OPTION_JSON:
		args->json = true;
		break;
	case OPTION_METRICS:
		args->metrics = optarg;
		break;
	case OPTION_EXPLAIN:
		set_mode(args, MODE_EXPLAIN, "explain");
		break;
	case OPTION_REPLAY:
		set_mode(args, MODE_REPLAY, "replay");
		args->replay = optarg;
		break;
	}
}

static void parse_option(struct args *args, int option)
{
	switch (option) {
	case 'c':
		args->uri = optarg;
		args->uri_given = true;
		break;
	case 'n':
		args->dry_run = true;
		break;
	case '1':
		set_mode(args, MODE_ONCE, "once");
		break;
	case 'v':
		args->verbose = true;
		break;
	case 'h':
		print_help();
		exit(EXIT_PASS);
	case 'V':
		printf(PROGRAM " (Ballast) " BALLAST_VERSION "\n");
		exit(EXIT_PASS);
	default:
		parse_long(args, option);
	}
}

static void check_combination(const struct args *args)
{
	if (args->dry_run && args->restore_on_exit)
		die(EXIT_USAGE, "--dry-run and --explain change nothing, so --restore-on-exit has "
				"nothing to put back");
	if (args->dry_run && args->mode == MODE_RESTORE)
		die(EXIT_USAGE, "--dry-run changes nothing, so --restore cannot put anything back");
	if (args->mode == MODE_EXPLAIN && args->json)
		die(EXIT_USAGE, "--explain prints a table, --json lines: only one of them");
	if (args->mode == MODE_ONCE && args->restore_on_exit)
		die(EXIT_USAGE, "--once --restore-on-exit would put back at once what it pins");
}

void parse_args(int argc, char **argv, struct args *args)
{
	int option;

	*args = (struct args){.uri = "qemu:///system"};
	cpu_policy_init(&args->policy);
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":c:n1vhV", long_options, NULL)) >= 0) {
		if (option == '?' || option == ':')
			cli_refuse(option, argv);
		parse_option(args, option);
	}
	args->interval_s = MOMENT_S;
	cli_interval(argc, argv, PROGRAM, args->mode == MODE_RUN, &args->interval_s);
	/* There is no next window that could confirm what the only one shows. */
	if (args->mode == MODE_ONCE || args->mode == MODE_EXPLAIN)
		args->policy.confirm = 1;
	if (args->mode == MODE_EXPLAIN)
		args->dry_run = true;
	check_combination(args);
	args->policy.node_budget = (unsigned long)fmin((double)args->policy.node_budget,
						       args->interval_s * STEPS_PER_S);
}
