/* SPDX-License-Identifier: MIT */
/* `clone`: guests that are booted once and restored many times; the command line of it. */
#include "clone.h"
#include "clone_feed.h"
#include "clone_golden.h"

#include "workloads/agent.h"
#include "labguest.h"
#include "log.h"
#include "session.h"
#include "tick.h"
#include "units.h"

#include <getopt.h>
#include <inttypes.h>
#include <libvirt/virterror.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* A healthy clone is ready in a second or two; a machine can be a hundred times slower. */
#define TIMEOUT_S 180.0

static const char usage[] =
	"usage: clone [options] inspect FILE|FOLDER\n"
	"       clone [options] save FOLDER GUEST BALLOON-KIB\n"
	"       clone [options] restore FOLDER GUESTS NAME...\n"
	"       clone [options] exec GUEST PROGRAM [ARGS...]\n"
	"       clone clear PIPE...\n"
	"inspect  checks a save file of libvirt's, or a golden guest's folder, and prints what it "
	"holds\n"
	"save     waits until GUEST is quiet and its balloon has that size, and saves it with its "
	"RAM into\n"
	"         FOLDER; it is off afterwards\n"
	"restore  restores each NAME, as GUESTS/NAME/domain.xml defines it, from the golden guest "
	"in FOLDER\n"
	"exec     runs a program in a guest, through its agent, and ends as it ends; PROGRAM is a "
	"path\n"
	"clear    removes what a killed restore left, letting go whoever waits for it\n"
	"  -c, --connect URI   libvirt's (default qemu:///system)\n"
	"      --copy          a copy of the golden file for each, not a pipe\n"
	"      --parallel N    restores at once (default twice the pCPUs)\n"
	"      --period S      seconds between balloon statistics (default 1)\n"
	"      --since S       CLOCK_MONOTONIC the times printed count from (default: now)\n"
	"      --timeout S     give up after that long (default 180s)\n"
	"  -v, --verbose  --help  --version\n";

enum option_code {
	OPT_COPY = 256,
	OPT_PARALLEL,
	OPT_PERIOD,
	OPT_SINCE,
	OPT_TIMEOUT,
	OPT_HELP,
	OPT_VERSION
};

static const struct option options[] = {
	{"connect", required_argument, NULL, 'c'},
	{"copy", no_argument, NULL, OPT_COPY},
	{"parallel", required_argument, NULL, OPT_PARALLEL},
	{"period", required_argument, NULL, OPT_PERIOD},
	{"since", required_argument, NULL, OPT_SINCE},
	{"timeout", required_argument, NULL, OPT_TIMEOUT},
	{"verbose", no_argument, NULL, 'v'},
	{"help", no_argument, NULL, OPT_HELP},
	{"version", no_argument, NULL, OPT_VERSION},
	{0},
};

static unsigned int count_of(const char *option, const char *text)
{
	long n;

	if (parse_integer(text, 1, 3600, &n) < 0)
		die(EXIT_USAGE, "--%s %s: a whole number from 1 to 3600 is wanted", option, text);
	return (unsigned int)n;
}

static double seconds_of(const char *option, const char *text)
{
	double s;

	if (parse_seconds(text, &s) < 0)
		die(EXIT_USAGE, "--%s %s: a time such as 30s is wanted", option, text);
	return s;
}

static void parse_options(struct clone_args *args, int argc, char **argv)
{
	bool verbose = false;
	int code;

	while ((code = getopt_long(argc, argv, "+c:v", options, NULL)) != -1) {
		switch (code) {
		case 'c':
			args->uri = optarg;
			break;
		case 'v':
			verbose = true;
			break;
		case OPT_COPY:
			args->copy = true;
			break;
		case OPT_PARALLEL:
			args->parallel = count_of("parallel", optarg);
			break;
		case OPT_PERIOD:
			args->period_s = count_of("period", optarg);
			break;
		case OPT_SINCE:
			args->since_s = seconds_of("since", optarg);
			break;
		case OPT_TIMEOUT:
			args->timeout_s = seconds_of("timeout", optarg);
			break;
		case OPT_HELP:
			fputs(usage, stdout);
			exit(EXIT_PASS);
		case OPT_VERSION:
			puts("clone (Ballast) " BALLAST_VERSION);
			exit(EXIT_PASS);
		default:
			exit(EXIT_USAGE);
		}
	}
	log_init("clone", verbose);
}

static int inspect_golden(const char *folder)
{
	char error[SAVED_ERROR_MAX];
	struct golden golden;
	int status = EXIT_FAIL;

	if (golden_open(&golden, folder, error) < 0) {
		log_warn("%s", error);
		return EXIT_FAIL;
	}
	if (golden_verify(&golden, error) < 0)
		log_warn("%s: %s", folder, error);
	else
		status = EXIT_PASS;
	if (status == EXIT_PASS)
		printf("guest %s, %" PRIu64 " bytes, digest %016" PRIx64 "\n", golden.identity.name,
		       golden.size, golden.digest);
	golden_close(&golden);
	return status;
}

int clone_inspect(const struct clone_args *args)
{
	char error[SAVED_ERROR_MAX];
	struct saved saved;
	struct saved_identity id;
	struct stat st;
	int status = EXIT_USAGE;

	if (stat(args->golden, &st) == 0 && S_ISDIR(st.st_mode))
		return inspect_golden(args->golden);
	if (saved_open(&saved, args->golden, error) < 0) {
		log_warn("%s", error);
		return EXIT_USAGE;
	}
	if (saved_identify(saved.xml, &id, error) < 0) {
		log_warn("%s: %s", args->golden, error);
	} else {
		printf("guest %s, uuid %s, balloon %s KiB, %" PRIu64 " bytes, stream at %" PRIu64
		       ", %s cookie\n",
		       id.name, id.uuid, id.current_memory ? id.current_memory : "?", saved.size,
		       saved.stream_at, saved.cookie ? "a" : "no");
		saved_identity_free(&id);
		status = EXIT_PASS;
	}
	saved_close(&saved);
	return status;
}

static int clone_clear(char **paths)
{
	int status = EXIT_PASS;

	for (; *paths; paths++)
		if (feed_clear(*paths) < 0) {
			log_warn("%s: %m", *paths);
			status = EXIT_LAB;
		}
	return status;
}

static int exec_in(virDomainPtr dom, const struct clone_args *args)
{
	char error[AGENT_ERROR_MAX];
	struct agent_result result = {0};
	int status;

	agent_prepare(dom);
	if (agent_exec(dom, (const char *const *)args->names, args->timeout_s, &result, error) <
	    0) {
		log_warn("guest %s: %s", virDomainGetName(dom), error);
		return EXIT_LAB;
	}
	fputs(result.out ? result.out : "", stdout);
	fputs(result.err ? result.err : "", stderr);
	status = result.status;
	agent_result_free(&result);
	return status;
}

static int clone_exec(const struct clone_args *args, const char *guest)
{
	char error[LABGUEST_ERROR_MAX];
	struct session session;
	virDomainPtr dom;
	int status = EXIT_LAB;

	if (session_init(&session, args->uri) < 0 || session_open(&session) < 0) {
		log_warn("%s: %s", args->uri, virGetLastErrorMessage());
		return EXIT_LAB;
	}
	dom = labguest_find(session.conn, guest, error);
	if (dom) {
		status = exec_in(dom, args);
		virDomainFree(dom);
	} else {
		log_warn("%s", error);
	}
	session_close(&session);
	return status;
}

int main(int argc, char **argv)
{
	struct clone_args args = {
		.uri = "qemu:///system",
		.since_s = tick_now_s(),
		.timeout_s = TIMEOUT_S,
		.period_s = 1,
	};
	const char *verb;
	int operands;

	log_init("clone", false);
	signal(SIGPIPE, SIG_IGN);
	parse_options(&args, argc, argv);
	verb = argv[optind];
	operands = argc - optind - 1;
	if (!verb)
		die(EXIT_USAGE, "inspect, save, restore, exec or clear? `clone --help` tells more");
	args.golden = argv[optind + 1];
	if (strcmp(verb, "inspect") == 0 && operands == 1)
		return clone_inspect(&args);
	if (strcmp(verb, "clear") == 0 && operands >= 1)
		return clone_clear(argv + optind + 1);
	if (strcmp(verb, "exec") == 0 && operands >= 2) {
		args.names = argv + optind + 2;
		return clone_exec(&args, args.golden);
	}
	if (strcmp(verb, "save") == 0 && operands == 3) {
		args.names = argv + optind + 2;
		if (parse_size(argv[optind + 3], &args.balloon_kib) < 0)
			die(EXIT_USAGE, "'%s' is not a size in KiB", argv[optind + 3]);
		return clone_save(&args);
	}
	if (strcmp(verb, "restore") == 0 && operands >= 3) {
		args.guests = argv[optind + 2];
		args.names = argv + optind + 3;
		return clone_restore(&args);
	}
	die(EXIT_USAGE, "'%s' with %d operands is not a command; `clone --help` tells more", verb,
	    operands);
}
