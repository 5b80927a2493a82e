/* SPDX-License-Identifier: MIT */
/* The part of `ballast` that talks to libvirt: a virsh process per call and guest would be too
 * slow. */
#include "guests.h"

#include "labguest.h"
#include "log.h"
#include "scenario.h"
#include "tick.h"
#include "units.h"

#include <getopt.h>
#include <libvirt/virterror.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define GUESTS_MOST 1000

static void __attribute__((noreturn)) help(void)
{
	puts("usage: guests [OPTIONS] plan|define|up|down|list|status|wants [NAME… | SCENARIO]\n"
	     "This is a part of `ballast`; use that.\n"
	     "  --connect URI, --prefix P, --dir DIR (guests' files), --spec DIGEST, --count N,\n"
	     "  --memory SIZE, --timeout S, --since S (since 1970), --watch S, --quiet, --help");
	exit(EXIT_PASS);
}

/* Whether name is prefix followed by a number; everything is where prefix is "". */
static bool name_matches(const char *name, const char *prefix)
{
	return !*prefix || guest_number(name, prefix) > 0;
}

unsigned int guest_number(const char *name, const char *prefix)
{
	size_t len = strlen(prefix);
	long number;

	if (strncmp(name, prefix, len) || name[len] == '0' ||
	    parse_integer(name + len, 1, 1000000, &number))
		return 0;
	return (unsigned int)number;
}

static int by_name(const void *a, const void *b)
{
	return strverscmp(virDomainGetName(*(const virDomainPtr *)a),
			  virDomainGetName(*(const virDomainPtr *)b));
}

virDomainPtr *guests_find(virConnectPtr conn, const char *prefix)
{
	virDomainPtr *doms;
	int kept = 0, n = virConnectListAllDomains(conn, &doms, 0);

	if (n < 0)
		return NULL;
	for (int i = 0; i < n; i++) {
		if (name_matches(virDomainGetName(doms[i]), prefix) && labguest_is(doms[i]))
			doms[kept++] = doms[i];
		else
			virDomainFree(doms[i]);
	}
	doms[kept] = NULL;
	qsort(doms, (size_t)kept, sizeof(*doms), by_name);
	return doms;
}

void guests_free(virDomainPtr *doms)
{
	for (size_t i = 0; doms && doms[i]; i++)
		virDomainFree(doms[i]);
	free(doms);
}

static int guests_list(struct session *session, const struct guests_args *args)
{
	virDomainPtr *doms = guests_find(session->conn, args->prefix);

	if (!doms)
		die(EXIT_LAB, "the guests cannot be listed: %s", virGetLastErrorMessage());
	for (size_t i = 0; doms[i]; i++)
		puts(virDomainGetName(doms[i]));
	guests_free(doms);
	return EXIT_PASS;
}

static int guests_wants(struct session *session, const struct guests_args *args)
{
	struct scenario scenario = {0};
	char error[SCENARIO_ERROR_MAX];
	int *pcpus = NULL, n = labguest_pcpus(session->conn, &pcpus), status = EXIT_USAGE;

	if (!args->names[0])
		die(EXIT_USAGE, "wants: which scenario?");
	if (n < 0)
		die(EXIT_LAB, "the host's pCPUs cannot be listed: %s", virGetLastErrorMessage());
	if (scenario_read(&scenario, args->names[0], error) ||
	    scenario_resolve(&scenario, pcpus, (size_t)n, args->prefix, error)) {
		log_warn("%s", error);
	} else {
		const struct scenario_guest *guest = &scenario.guests[0];

		printf("%zu %u %llu %llu\n", scenario.nguests, guest->vcpus,
		       (unsigned long long)guest->memory_kib,
		       (unsigned long long)guest->maximum_kib);
		status = EXIT_PASS;
	}
	scenario_free(&scenario);
	free(pcpus);
	return status;
}

static int parse_count(const char *text, unsigned int *out)
{
	long count;

	if (parse_integer(text, 1, GUESTS_MOST, &count))
		return -1;
	*out = (unsigned int)count;
	return 0;
}

/* The script knows the wall clock only. */
static int parse_since(const char *text, double *out_s)
{
	struct timespec wall;
	double epoch_s;

	if (parse_number(text, 0, 1e12, &epoch_s))
		return -1;
	clock_gettime(CLOCK_REALTIME, &wall);
	*out_s = tick_now_s() - ((double)wall.tv_sec + (double)wall.tv_nsec / 1e9 - epoch_s);
	return 0;
}

static void args_parse(struct guests_args *args, int argc, char **argv)
{
	static const struct option options[] = {
		{"connect", required_argument, NULL, 'c'}, {"prefix", required_argument, NULL, 'p'},
		{"dir", required_argument, NULL, 'd'},	   {"spec", required_argument, NULL, 's'},
		{"count", required_argument, NULL, 'n'},   {"memory", required_argument, NULL, 'm'},
		{"timeout", required_argument, NULL, 't'}, {"since", required_argument, NULL, 'S'},
		{"watch", required_argument, NULL, 'w'},   {"quiet", no_argument, NULL, 'q'},
		{"help", no_argument, NULL, 'h'},	   {0}};
	int opt, at = 0, bad = 0;

	while ((opt = getopt_long(argc, argv, "", options, &at)) != -1) {
		if (opt == 'c')
			args->uri = optarg;
		else if (opt == 'p')
			args->prefix = optarg;
		else if (opt == 'd')
			args->dir = optarg;
		else if (opt == 's')
			args->spec = optarg;
		else if (opt == 'n')
			bad = parse_count(optarg, &args->count);
		else if (opt == 'm')
			bad = parse_size(optarg, &args->memory_kib);
		else if (opt == 't')
			bad = parse_seconds(optarg, &args->timeout_s);
		else if (opt == 'S')
			bad = parse_since(optarg, &args->since_s);
		else if (opt == 'w')
			bad = parse_seconds(optarg, &args->watch_s);
		else if (opt == 'q')
			args->quiet = true;
		else if (opt == 'h')
			help();
		else
			exit(EXIT_USAGE); /* getopt has said what is wrong */
		if (bad)
			die(EXIT_USAGE,
			    "guests: --%s %s is out of its bounds; `ballast --help` has them",
			    options[at].name, optarg);
	}
	if (optind == argc)
		die(EXIT_USAGE, "guests: which command? see guests --help");
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(struct session *session, const struct guests_args *args);
	} commands[] = {{"plan", guests_plan},	{"define", guests_define},
			{"up", guests_up},	{"down", guests_down},
			{"list", guests_list},	{"status", guests_status},
			{"wants", guests_wants}};
	struct guests_args args = {.uri = "qemu:///system",
				   .prefix = "",
				   .dir = ".",
				   .spec = "",
				   .since_s = tick_now_s(),
				   .timeout_s = 60};
	int (*run)(struct session * session, const struct guests_args *args) = NULL;
	struct session session;
	int status;

	log_init("lab", false);
	args_parse(&args, argc, argv);
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		if (!strcmp(argv[optind], commands[i].name))
			run = commands[i].run;
	}
	if (!run)
		die(EXIT_USAGE, "guests: there is no command '%s'; see guests --help",
		    argv[optind]);
	args.names = argv + optind + 1;
	if (session_init(&session, args.uri))
		die(EXIT_LAB, "libvirt's event loop: %s", virGetLastErrorMessage());
	if (session_open(&session))
		die(EXIT_LAB, "libvirtd at %s does not answer (%s): run `lab/ballast setup`",
		    args.uri, virGetLastErrorMessage());
	status = run(&session, &args);
	session_close(&session);
	return status;
}
