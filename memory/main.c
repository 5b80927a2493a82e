/* SPDX-License-Identifier: MIT */
/* memory_coordinator: moves memory between guests with their balloons. Options and the loop. */
#include "host.h"
#include "journal.h"
#include "log.h"
#include "plan.h"
#include "report.h"
#include "session.h"
#include "state.h"
#include "tick.h"
#include "units.h"

#include <errno.h>
#include <getopt.h>
#include <libvirt/virterror.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROGRAM "memory_coordinator"

/* Statistics come every second at most; a day is no mistake. */
#define INTERVAL_LEAST_S 0.05
#define INTERVAL_MOST_S	 86400.0

/* Two statistics per decision, so that one that comes late leaves another; guests are asked no more
 * often than that needs, and a growing guest is never seen later than this. */
#define PERIOD_MOST_S 5.0

static const char default_uri[] = "qemu:///system";

struct args {
	double interval_s;
	const char *uri;
	bool dry_run;
	bool once;
	bool verbose;
	bool exit_when_empty;
	bool restore_on_exit;
	bool json;
	bool explain;
	const char *metrics; /* NULL: none */
	const char *replay;
	struct host_options host;
	struct mem_policy policy;
};

struct coordinator {
	struct args args;
	struct session session;
	struct host *host;
	struct mem_state *state;
	struct mem_plan plan;
	struct mem_sample sample;
	enum journal_outcome *outcomes; /* of the plan's sets */
	struct journal_resume *resumes; /* before the first tick: targets of an earlier life */
	size_t nresumes;
	struct saved saved;	    /* of an earlier life */
	struct saved written;	    /* what the state file holds now */
	char state_path[4096 + 32]; /* empty: none is kept */
	struct report_totals totals;
	bool metrics_failing, state_failing;
	bool empty; /* no guest runs */
};

static void print_help(void)
{
	printf("Usage: " PROGRAM " [options] INTERVAL\n"
	       "Moves memory between running guests with their balloons, so that every guest "
	       "keeps\n"
	       "some unused and the host is never starved. INTERVAL: seconds between decisions.\n"
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
	       "      --exit-when-empty    exit once no guest runs\n"
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
	char least[32];

	if (parse_size(text, &kib) || kib < least_kib || kib > MEM_KIB_MOST / 4)
		die(EXIT_USAGE, "--%s %s: must be a size such as 300M, at least %s", option, text,
		    format_size(least_kib, least, sizeof(least)));
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
		args->host.guests = optarg;
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

/* getopt_long has met something that is no option of ours, or one without its argument. */
static void __attribute__((noreturn)) refuse_option(int option, char **argv)
{
	const char *text = argv[optind - 1];

	if (option == ':')
		die(EXIT_USAGE, "%s: its argument is missing; see --help", text);
	if (text[1] != '-' && optopt >= '0' && optopt <= '9')
		die(EXIT_USAGE, "-%c: the interval must be a positive number of seconds", optopt);
	if (optopt && text[1] != '-')
		die(EXIT_USAGE, "unknown option -%c; see --help", optopt);
	die(EXIT_USAGE, "%s: no such option, or one that takes no argument; see --help", text);
}

static struct args parse_args(int argc, char **argv)
{
	struct args args = {.uri = default_uri};
	int option;

	mem_policy_init(&args.policy);
	opterr = 0;
	while ((option = getopt_long(argc, argv, ":c:n1vhV", long_options, NULL)) >= 0) {
		if (option == '?' || option == ':')
			refuse_option(option, argv);
		parse_option(&args, option);
	}
	/* These two look at one moment, or at none: the interval is not theirs. */
	if (optind == argc && (args.replay || args.explain))
		return args;
	if (optind == argc)
		die(EXIT_USAGE,
		    "the interval is missing: seconds between decisions, e.g. '" PROGRAM " 2'");
	if (optind + 1 < argc)
		die(EXIT_USAGE, "%s: there is one argument only, the interval", argv[optind + 1]);
	if (parse_number(argv[optind], INTERVAL_LEAST_S, INTERVAL_MOST_S, &args.interval_s))
		die(EXIT_USAGE, "%s: the interval must be a number of seconds from %g to %g",
		    argv[optind], INTERVAL_LEAST_S, INTERVAL_MOST_S);
	args.policy.interval_s = args.interval_s;
	args.policy.period_s = fmax(1, fmin(floor(args.interval_s / 2), PERIOD_MOST_S));
	args.host.period_s = (int)args.policy.period_s;
	return args;
}

/* A guest's name, for the reports. */
static const char *name_of(const void *opaque, size_t guest)
{
	return host_guest_name(opaque, guest);
}

/* Makes the plan's sets. 0, or −1 when out of memory and none was made. */
static int apply(struct coordinator *c)
{
	enum journal_outcome *grown =
		realloc(c->outcomes, (c->plan.nsets + 1) * sizeof(*c->outcomes));

	if (!grown)
		return -1;
	c->outcomes = grown;
	for (size_t i = 0; i < c->plan.nsets; i++) {
		const struct mem_set *set = &c->plan.sets[i];

		c->outcomes[i] = JOURNAL_DRY;
		if (!c->args.dry_run)
			c->outcomes[i] = host_set(c->host, set) ? JOURNAL_FAILED : JOURNAL_MADE;
		if (c->outcomes[i] != JOURNAL_MADE) {
			mem_refused(c->state, &c->plan, i, c->outcomes[i] == JOURNAL_FAILED);
			c->totals.failed += c->outcomes[i] == JOURNAL_FAILED;
			continue;
		}
		c->totals.sets++;
		if (set->to_kib > set->from_kib)
			c->totals.granted_kib += (unsigned long)(set->to_kib - set->from_kib);
		else
			c->totals.released_kib += (unsigned long)(set->from_kib - set->to_kib);
	}
	return 0;
}

static void report(struct coordinator *c, size_t failed)
{
	const struct journal_tick tick = {
		.tick = c->totals.ticks,
		.sample = &c->sample,
		.name = name_of,
		.opaque = c->host,
		.plan = &c->plan,
		.outcomes = c->outcomes,
		.resumes = c->resumes,
		.nresumes = c->nresumes,
	};

	if (c->args.explain) {
		report_table(&c->sample, &c->plan, name_of, c->host);
	} else if (c->args.json) {
		journal_write_tick(stdout, &tick);
	} else {
		for (size_t i = 0; i < c->plan.nnotes; i++)
			report_note(host_guest_name(c->host, c->plan.notes[i].guest),
				    &c->plan.notes[i]);
		for (size_t i = 0; i < c->plan.nsets; i++)
			report_set(host_guest_name(c->host, c->plan.sets[i].guest), &c->plan,
				   &c->plan.sets[i]);
		report_tick(c->totals.ticks, &c->sample, &c->plan, failed);
	}
	c->totals.ticks++;
	c->nresumes = 0;
	if (!c->args.metrics)
		return;
	if (report_metrics(c->args.metrics, &c->sample, &c->plan, &c->totals, name_of, c->host)) {
		if (!c->metrics_failing)
			log_warn("%s: %s; going on without metrics", c->args.metrics,
				 strerror(errno));
		c->metrics_failing = true;
	} else {
		c->metrics_failing = false;
	}
}

/* --- what outlives a run --- */

/* Targets that an earlier life left on their way are taken on; where a guest is neither between the
 * size it had then and its target, somebody else has set it since, and the target is history. */
static int resume(struct coordinator *c)
{
	c->resumes = calloc(c->sample.nguests + 1, sizeof(*c->resumes));
	if (!c->resumes)
		return -1;
	for (size_t g = 0; g < c->sample.nguests; g++) {
		const struct saved_guest now = host_save(c->host, g);
		const struct saved_guest *then = state_find(&c->saved, now.uuid, now.id);

		if (!then || !then->target_kib ||
		    now.actual_kib <
			    (int64_t)fmin((double)then->actual_kib, (double)then->target_kib) ||
		    now.actual_kib >
			    (int64_t)fmax((double)then->actual_kib, (double)then->target_kib))
			continue;
		memcpy(c->resumes[c->nresumes].uuid, now.uuid, MEM_UUID_LEN);
		c->resumes[c->nresumes++].target_kib = then->target_kib;
		if (mem_resume(c->state, now.uuid, then->target_kib))
			return -1;
	}
	return 0;
}

/* While nothing is on its way, a guest's size is its target: then sizes that wander do not matter.
 */
static bool same_guest(const struct saved_guest *a, const struct saved_guest *b)
{
	return !memcmp(a->uuid, b->uuid, MEM_UUID_LEN) && a->id == b->id &&
	       a->target_kib == b->target_kib && a->original_kib == b->original_kib &&
	       a->period_s == b->period_s;
}

static void save(struct coordinator *c)
{
	struct saved now = {.guests = calloc(c->sample.nguests + 1, sizeof(*now.guests))};
	char error[STATE_ERROR_MAX];
	bool changed = c->sample.nguests != c->written.n;

	if (!now.guests)
		return;
	for (; now.n < c->sample.nguests; now.n++) {
		struct saved_guest *guest = &now.guests[now.n];

		*guest = host_save(c->host, now.n);
		guest->target_kib = mem_target(c->state, guest->uuid);
		changed = changed || !same_guest(guest, &c->written.guests[now.n]);
	}
	if (!changed) {
		state_free(&now);
		return;
	}
	if (state_write(c->state_path, &now, error)) {
		if (!c->state_failing)
			log_warn("%s; going on without a state file", error);
		c->state_failing = true;
		state_free(&now);
		return;
	}
	c->state_failing = false;
	state_free(&c->written);
	c->written = now;
}

/* One instance per host; what looks but does not touch may run beside it. */
static void open_state(struct coordinator *c)
{
	char folder[4096], error[STATE_ERROR_MAX];

	if (c->args.dry_run)
		return;
	if (state_folder(folder, sizeof(folder), error))
		die(EXIT_FAIL, "%s", error);
	if (state_lock(folder, error))
		die(EXIT_FAIL, "%s", error);
	snprintf(c->state_path, sizeof(c->state_path), "%s/memory_coordinator.state", folder);
	if (state_read(c->state_path, &c->saved, error))
		log_warn("%s; starting anew", error);
	host_remember(c->host, &c->saved);
}

/* --- what cannot be --- */

static void check_guest(const struct coordinator *c, size_t g, const char *what, int64_t own_kib,
			int64_t policy_kib)
{
	int64_t kib = own_kib > 0 ? own_kib : policy_kib;
	int64_t maximum = c->sample.guests[g].maximum_kib;
	char size[32], most[32];

	if (kib <= maximum || maximum <= 0)
		return;
	log_warn("guest %s: its %s of %s is more than its maximum of %s, which it gets",
		 host_guest_name(c->host, g), what, format_size((uint64_t)kib, size, sizeof(size)),
		 format_size((uint64_t)maximum, most, sizeof(most)));
}

/* Settings that no guest or host of this size can follow. */
static void check_sizes(const struct coordinator *c)
{
	const struct mem_policy *policy = &c->args.policy;
	char size[32], total[32];

	if (c->totals.ticks == 0 && policy->host_reserve_kib >= c->sample.host_total_kib)
		die(EXIT_USAGE, "--host-reserve %s: the host has %s",
		    format_size((uint64_t)policy->host_reserve_kib, size, sizeof(size)),
		    format_size((uint64_t)c->sample.host_total_kib, total, sizeof(total)));
	for (size_t g = 0; g < c->sample.nguests; g++) {
		const struct mem_guest *guest = &c->sample.guests[g];

		if (!guest->managed || !host_guest_new(c->host, g))
			continue;
		check_guest(c, g, "reserve", guest->reserve_kib, policy->reserve_kib);
		check_guest(c, g, "floor", guest->floor_kib, policy->floor_kib);
	}
}

/* --- the loop --- */

static void tick(struct coordinator *c)
{
	unsigned long failed = c->totals.failed;

	if (!session_ready(&c->session))
		return;
	if (host_sample(c->host, c->session.conn, &c->sample)) {
		log_warn("reading the guests: %s", virGetLastErrorMessage());
		return;
	}
	check_sizes(c);
	if ((c->totals.ticks == 0 && resume(c)) ||
	    mem_plan(c->state, &c->args.policy, &c->sample, &c->plan) || apply(c)) {
		log_warn("out of memory; nothing is changed this time");
		return;
	}
	c->empty = c->sample.nguests == 0;
	report(c, c->totals.failed - failed);
	if (c->state_path[0])
		save(c);
}

static void run(struct coordinator *c)
{
	struct ticker ticker;

	ticker_start(&ticker, c->args.interval_s);
	while (!tick_quit) {
		tick(c);
		if (c->args.exit_when_empty && c->empty)
			break;
		if (c->args.once && c->totals.ticks >= 1)
			break;
		ticker_advance(&ticker, tick_now_s());
		while (!tick_quit && tick_now_s() < ticker.next_s)
			session_wait(&c->session, ticker.next_s);
	}
}

/* Puts a log through the policy, without any hypervisor. */
static int replay(const char *path)
{
	char error[JOURNAL_ERROR_MAX];
	int result = journal_replay(path, stdout, error);

	if (result < 0)
		die(EXIT_USAGE, "%s", error);
	return result ? EXIT_FAIL : EXIT_PASS;
}

static void start(struct coordinator *c)
{
	c->host = host_new(&c->args.host);
	c->state = mem_state_new();
	if (!c->host || !c->state)
		die(EXIT_FAIL, "out of memory");
	if (c->args.metrics && file_replace(c->args.metrics, "", 0))
		die(EXIT_USAGE, "--metrics %s: %s", c->args.metrics, strerror(errno));
	if (session_init(&c->session, c->args.uri))
		die(EXIT_LAB, "libvirt's event loop: %s", virGetLastErrorMessage());
	c->session.on_open = host_opened;
	c->session.on_close = host_closed;
	c->session.opaque = c->host;
	if (session_open(&c->session))
		die(c->args.uri == default_uri ? EXIT_LAB : EXIT_USAGE,
		    "%s: %s; is libvirtd running?", c->args.uri, virGetLastErrorMessage());
	open_state(c);
	if (c->args.json)
		journal_write_policy(stdout, &c->args.policy);
}

/* Leaves guests as they were found, as far as asked; a clean end leaves no state to take on. */
static void stop(struct coordinator *c)
{
	if (c->session.conn && !c->args.dry_run)
		host_restore(c->host, c->session.conn, c->args.restore_on_exit);
	if (c->state_path[0] && c->session.conn)
		unlink(c->state_path);
	session_close(&c->session);
	mem_plan_free(&c->plan);
	mem_state_free(c->state);
	host_free(c->host);
	state_free(&c->saved);
	state_free(&c->written);
	free(c->outcomes);
	free(c->resumes);
	free(c->args.host.weights);
}

int main(int argc, char **argv)
{
	struct coordinator c = {0};

	setvbuf(stdout, NULL, _IOLBF, 0);
	log_init(PROGRAM, false);
	c.args = parse_args(argc, argv);
	log_init(PROGRAM, c.args.verbose);
	if (c.args.replay)
		return replay(c.args.replay);
	start(&c);
	run(&c);
	stop(&c);
	return EXIT_PASS;
}
