/* SPDX-License-Identifier: MIT */
/* Plays a scenario in the simulated host: alone, or with an unmodified program (host/). */
#include "host/host.h"
#include "log.h"
#include "program.h"
#include "text.h"
#include "units.h"
#include "world/play.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

/*
 * CPU time without waiting once after which a program is taken to be in an endless loop. A second
 * of the largest host, 10,000 vCPUs on 1,024 pCPUs, costs the model 25 ms: what takes so long is
 * the program's own. Without even CPU time it hangs; a busy machine may keep it waiting for some.
 */
#define PATIENCE_S 10

static const char usage[] =
	"usage: run [options] SCENARIO [-- PROGRAM ARGS...]\n"
	"Plays a scenario in the simulated host; a program finds it behind libvirt's socket, and "
	"has a\n"
	"clock that is simulated, too. See ballast-sim(7).\n"
	"  --seed N         another run of chance (default 1)\n"
	"  --trace FILE     write what was seen\n"
	"  --prefix P       names of the guests are P1, P2, ... (default aos_vm)\n"
	"  --charge FACTOR  computing takes FACTOR times its CPU time (default 0: none)\n"
	"  --patience S     CPU seconds a program may compute without waiting once (default 10)\n"
	"  --contain DIR    the program runs in a sandbox that shows the system and DIR alone\n"
	"  --limit S        and is ended there after S seconds of the machine's clock\n"
	"  --pace P         time goes as fast as can be computed (virtual) or as the machine's "
	"(1)\n"
	"  -v, --verbose    pass on what the program prints\n"
	"  --help, --version\n";

/* --- options --- */

static uint64_t read_seed(const char *text)
{
	long seed;

	if (parse_integer(text, 0, 1L << 53, &seed))
		die(EXIT_USAGE, "--seed %s: should be a whole number from 0 to 2^53", text);
	return (uint64_t)seed;
}

static enum pace read_pace(const char *text)
{
	if (!strcmp(text, "virtual"))
		return PACE_VIRTUAL;
	if (!strcmp(text, "1"))
		return PACE_REAL;
	die(EXIT_USAGE, "--pace %s: should be virtual, or 1 for the machine's time", text);
}

static void read_options(struct host_config *c, int argc, char **argv)
{
	enum { SEED = 256, TRACE, PREFIX, CHARGE, PATIENCE, CONTAIN, LIMIT, PACE, HELP, VERSION };
	static const struct option options[] = {
		{"seed", required_argument, NULL, SEED},
		{"trace", required_argument, NULL, TRACE},
		{"prefix", required_argument, NULL, PREFIX},
		{"charge", required_argument, NULL, CHARGE},
		{"patience", required_argument, NULL, PATIENCE},
		{"contain", required_argument, NULL, CONTAIN},
		{"limit", required_argument, NULL, LIMIT},
		{"pace", required_argument, NULL, PACE},
		{"verbose", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, HELP},
		{"version", no_argument, NULL, VERSION},
		{NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "v", options, NULL)) != -1) {
		switch (option) {
		case SEED:
			c->play.seed = read_seed(optarg);
			break;
		case TRACE:
			c->play.trace = optarg;
			break;
		case PREFIX:
			c->play.prefix = optarg;
			break;
		case CHARGE:
			if (parse_number(optarg, 0, 1000, &c->charge))
				die(EXIT_USAGE, "--charge %s: should be a number from 0 to 1000",
				    optarg);
			break;
		case PATIENCE:
			if (parse_number(optarg, 0.1, 1e6, &c->patience_s))
				die(EXIT_USAGE, "--patience %s: should be seconds, at least 0.1",
				    optarg);
			break;
		case CONTAIN:
			c->copy = optarg;
			break;
		case LIMIT:
			if (parse_integer(optarg, 1, 1000000, &c->limit_s))
				die(EXIT_USAGE, "--limit %s: should be whole seconds, at least 1",
				    optarg);
			break;
		case PACE:
			c->pace = read_pace(optarg);
			break;
		case 'v':
			c->verbose = true;
			break;
		case HELP:
			fputs(usage, stdout);
			exit(EXIT_PASS);
		case VERSION:
			puts("sim " BALLAST_VERSION);
			exit(EXIT_PASS);
		default:
			exit(EXIT_USAGE); /* getopt has said what is wrong */
		}
	}
	if (optind >= argc)
		die(EXIT_USAGE, "no scenario was given; try --help");
	c->play.scenario = argv[optind];
	if (optind + 1 < argc)
		c->program = argv + optind + 1;
}

/* --- without a program --- */

static int play_alone(const struct play_config *config)
{
	char error[PLAY_ERROR_MAX];
	struct play play;
	int status, failed;

	if (play_open(&play, config, error, &status))
		die(status, "%s", error);
	play_finish(&play);
	failed = play.trace_errno;
	play_free(&play);
	if (failed)
		die(EXIT_LAB, "%s: %s", config->trace, strerror(failed));
	return EXIT_PASS;
}

/* --- with one --- */

/* The program's arguments as JSON; to be freed. */
static char *program_json(char **program)
{
	json_t *arguments = json_array();
	char *text;

	for (; *program; program++)
		json_array_append_new(arguments, text_json(*program));
	text = json_dumps(arguments, JSON_COMPACT);
	json_decref(arguments);
	return text;
}

static int run_program(struct host_config *config)
{
	char error[PROGRAM_ERROR_MAX], path[PATH_MAX];
	char *json;
	int status = program_check(config->program[0], path, error);

	if (status == PROGRAM_BAD || (status == PROGRAM_CLOSED && config->pace == PACE_VIRTUAL))
		die(EXIT_USAGE, "%s", error);
	json = program_json(config->program);
	config->path = path;
	config->closed = status == PROGRAM_CLOSED ? error : NULL;
	config->play.program = json;
	status = host_run(config);
	free(json);
	return status;
}

int main(int argc, char **argv)
{
	struct host_config config = {.play = {.prefix = "aos_vm", .seed = 1},
				     .patience_s = PATIENCE_S};

	log_init("sim", false);
	read_options(&config, argc, argv);
	return config.program ? run_program(&config) : play_alone(&config.play);
}
