/* SPDX-License-Identifier: MIT */
/* The command line: options, their bounds, and one line for each that is wrong. */
#include "options.h"

#include "cli.h"
#include "log.h"
#include "units.h"

#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Two statistics per decision, so that one that comes late leaves another; guests are asked no more
 * often than that needs, and a growing guest is never seen later than this. */
#define PERIOD_MOST_S 5.0

static void print_help(void)
{
	printf("Usage: " PROGRAM " [options] INTERVAL\n"
	       "Moves memory between running guests with their balloons, so that every guest "
	       "keeps\n"
	       "some unused and the host is never starved. INTERVAL: seconds between decisions; "
	       "may be\n"
	       "left out with --once.\n"
	       "\n"
	       "  -c, --connect URI        libvirt's (qemu:///system)\n"
	       "  -n, --dry-run            say what would be set, change nothing\n"
	       "  -1, --once               decide once, then exit\n"
	       "  -v, --verbose            say more on stderr\n"
	       "      --guests GLOB        manage only guests with such names\n"
	       "      --reserve SIZE       what every guest should have unused (100M)\n"
	       "      --floor SIZE         no guest is made smaller (200M)\n"
	       "      --host-reserve SIZE  what the host keeps (200M, or 2%% of its memory)\n"
	       "      --budget SIZE        what all guests together may have (what the host has)\n"
	       "      --release-max SIZE   most a guest gives back at each decision (100M) …\n"
	       "      --release-share PCT  … and most of what it does not use (25)\n"
	       "      --guard RATE         growth per second that may set in unannounced without\n"
	       "                           cutting into the reserve (28M)\n"
	       "      --weight GLOB=N      shares of such guests when memory is short, 1 to 1000 "
	       "(1)\n"
	       "      --respect-others     leave a guest alone once somebody else has set it\n"
	       "      --restore-on-exit    give guests the size back that they had at the start\n"
	       "      --exit-when-empty    exit once no managed guest runs\n"
	       "      --json               JSON Lines on stdout, which --replay understands\n"
	       "      --metrics FILE       keep FILE in Prometheus' text format\n"
	       "      --explain            print the plan for this moment as a table, and exit\n"
	       "      --replay FILE        put a log of --json through the policy again, compare, "
	       "exit\n"
	       "  -h, --help\n"
	       "  -V, --version\n");
}

enum {
	OPTION_GUESTS = 256,
	OPTION_RESERVE,
	OPTION_FLOOR,
	OPTION_HOST_RESERVE,
	OPTION_BUDGET,
	OPTION_RELEASE_MAX,
	OPTION_RELEASE_SHARE,
	OPTION_GUARD,
	OPTION_WEIGHT,
	OPTION_RESPECT_OTHERS,
	OPTION_EXIT_WHEN_EMPTY,
	OPTION_RESTORE_ON_EXIT,
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
	{"reserve", required_argument, NULL, OPTION_RESERVE},
	{"floor", required_argument, NULL, OPTION_FLOOR},
	{"host-reserve", required_argument, NULL, OPTION_HOST_RESERVE},
	{"budget", required_argument, NULL, OPTION_BUDGET},
	{"release-max", required_argument, NULL, OPTION_RELEASE_MAX},
	{"release-share", required_argument, NULL, OPTION_RELEASE_SHARE},
	{"guard", required_argument, NULL, OPTION_GUARD},
	{"weight", required_argument, NULL, OPTION_WEIGHT},
	{"respect-others", no_argument, NULL, OPTION_RESPECT_OTHERS},
	{"exit-when-empty", no_argument, NULL, OPTION_EXIT_WHEN_EMPTY},
	{"restore-on-exit", no_argument, NULL, OPTION_RESTORE_ON_EXIT},
	{"json", no_argument, NULL, OPTION_JSON},
	{"metrics", required_argument, NULL, OPTION_METRICS},
	{"explain", no_argument, NULL, OPTION_EXPLAIN},
	{"replay", required_argument, NULL, OPTION_REPLAY},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{NULL, 0, NULL, 0},
};

/* A size from least to MEM_KIB_MOST / 4, so that sums of a few cannot run over. */
static int64_t parse_kib(const char *option, const char *text, uint64_t least_kib)
{
	uint64_t kib = 0;
	char least[32], most[32];

	if (parse_size(text, &kib) || kib < least_kib || kib > MEM_KIB_MOST / 4)
		die(EXIT_USAGE, "--%s %s: must be a size such as 300M, from %s to %s", option, text,
		    format_size(least_kib, least, sizeof(least)),
		    format_size(MEM_KIB_MOST / 4, most, sizeof(most)));
	return (int64_t)kib;
}

/* "web*=2" */
static void parse_weight(struct host_options *options, char *text)
{
	char *value = strrchr(text, '=');
	struct host_weight *grown =
		realloc(options->weights, (options->nweights + 1) * sizeof(*grown));
	long weight = 0;

	if (!grown)
		die(EXIT_FAIL, "out of memory");
	if (!value || value == text || parse_integer(value + 1, 1, MEM_WEIGHT_MOST, &weight))
		die(EXIT_USAGE, "--weight %s: must be NAMES=N, N a whole number from 1 to %d", text,
		    MEM_WEIGHT_MOST);
	*value = '\0';
	options->weights = grown;
	options->weights[options->nweights++] = (struct host_weight){text, (int)weight};
}

static void parse_policy(struct mem_policy *policy, int option)
{
	switch (option) {
	case OPTION_RESERVE:
		policy->reserve_kib = parse_kib("reserve", optarg, KIB_PER_MIB);
		break;
	case OPTION_FLOOR:
		policy->floor_kib = parse_kib("floor", optarg, KIB_PER_MIB);
		break;
	case OPTION_HOST_RESERVE:
		policy->host_reserve_kib = parse_kib("host-reserve", optarg, 0);
		break;
	case OPTION_BUDGET:
		policy->budget_kib = parse_kib("budget", optarg, KIB_PER_MIB);
		break;
	case OPTION_RELEASE_MAX:
		policy->release_kib = parse_kib("release-max", optarg, KIB_PER_MIB);
		break;
	case OPTION_RELEASE_SHARE:
		if (parse_percent(optarg, 100, &policy->release_pct) || policy->release_pct < 1)
			die(EXIT_USAGE, "--release-share %s: must be from 1 to 100 percent",
			    optarg);
		break;
	case OPTION_GUARD:
		policy->guard_kib_s = parse_kib("guard", optarg, 0);
		break;
	case OPTION_RESPECT_OTHERS:
		policy->respect_others = true;
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
		args->dry_run = args->host.touch_nothing = true;
		break;
	case '1':
		args->once = true;
		break;
	case 'v':
		args->verbose = true;
		break;
	case OPTION_GUESTS:
		args->host.guests = cli_guests(optarg);
		break;
	case OPTION_WEIGHT:
		parse_weight(&args->host, optarg);
		break;
	case OPTION_EXIT_WHEN_EMPTY:
		args->exit_when_empty = true;
		break;
	case OPTION_RESTORE_ON_EXIT:
		args->restore_on_exit = true;
		break;
	case OPTION_JSON:
		args->json = true;
		break;
	case OPTION_METRICS:
		args->metrics = optarg;
		break;
	case OPTION_EXPLAIN:
		args->explain = args->once = args->dry_run = args->host.touch_nothing = true;
		break;
	case OPTION_REPLAY:
		args->replay = optarg;
		break;
	case 'h':
		print_help();
		exit(EXIT_PASS);
	case 'V':
		printf(PROGRAM " (Ballast) " BALLAST_VERSION "\n");
		exit(EXIT_PASS);
	default:
		parse_policy(&args->policy, option);
	}
}

/* Settings that contradict each other. */
static void check_combination(const struct args *args)
{
	const struct mem_policy *policy = &args->policy;
	char budget[32], floor_size[32];

	if (args->explain && args->json)
		die(EXIT_USAGE, "--explain prints a table, --json lines: only one of them");
	if (args->dry_run && args->restore_on_exit)
		die(EXIT_USAGE, "--dry-run and --explain change nothing, so --restore-on-exit has "
				"nothing to put back");
	if (policy->budget_kib > 0 && policy->budget_kib < policy->floor_kib)
		die(EXIT_USAGE, "--budget %s: not even one guest's floor of %s",
		    format_size((uint64_t)policy->budget_kib, budget, sizeof(budget)),
		    format_size((uint64_t)policy->floor_kib, floor_size, sizeof(floor_size)));
}

struct args parse_args(int argc, char **argv)
{
	struct args args = {.uri = "qemu:///system"};
	int option;

	mem_policy_init(&args.policy);
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":c:n1vhV", long_options, NULL)) >= 0) {
		if (option == '?' || option == ':')
			cli_refuse(option, argv);
		parse_option(&args, option);
	}
	/* These look at one moment, or at none: the interval is not theirs. */
	args.interval_s = args.policy.interval_s;
	cli_interval(argc, argv, PROGRAM, !args.replay && !args.once, &args.interval_s);
	check_combination(&args);
	args.policy.interval_s = args.interval_s;
	args.policy.period_s = fmax(1, fmin(floor(args.interval_s / 2), PERIOD_MOST_S));
	args.host.period_s = (int)args.policy.period_s;
	return args;
}
