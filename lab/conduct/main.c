/* SPDX-License-Identifier: MIT */
/* Runs a scenario on real guests: options, and the keeper around the run. */
#include "conduct.h"

#include "beside.h"
#include "gate.h"
#include "keeper.h"
#include "log.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void usage(FILE *to)
{
	fputs("usage: conductor --scenario FILE --trace FILE [--as-is] [--contain DIR] "
	      "\n"
	      "                 [-c URI] [-p PREFIX] [-v] [-- PROGRAM ARGS…]\n"
	      "Runs a scenario on the lab's guests and writes what happens into a trace; `ballast "
	      "run` "
	      "brings the\n"
	      "guests up first.\n"
	      "  -a, --as-is          takes the guests as they are and leaves them so\n"
	      "  -C, --contain DIR    the program runs in a sandbox that shows the system and DIR "
	      "alone\n"
	      "  -c, --connect URI    the hypervisor (qemu:///system)\n"
	      "  -p, --prefix P       the guests' name prefix (aos_vm)\n"
	      "  -s, --scenario FILE  what to run\n"
	      "  -t, --trace FILE     is written anew\n"
	      "  -v, --verbose        the program's output is shown, too\n"
	      "      --help, --version\n",
	      to);
}

static void parse_args(struct conduct_args *args, int argc, char **argv)
{
	enum { OPT_HELP = 256, OPT_VERSION };
	static const struct option options[] = {
		{"as-is", no_argument, NULL, 'a'},
		{"contain", required_argument, NULL, 'C'},
		{"connect", required_argument, NULL, 'c'},
		{"prefix", required_argument, NULL, 'p'},
		{"scenario", required_argument, NULL, 's'},
		{"trace", required_argument, NULL, 't'},
		{"verbose", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, OPT_HELP},
		{"version", no_argument, NULL, OPT_VERSION},
		{NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "+aC:c:p:s:t:v", options, NULL)) != -1) {
		switch (option) {
		case 'a':
			args->as_is = true;
			break;
		case 'C':
			args->copy = optarg;
			break;
		case 'c':
			args->uri = optarg;
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
			puts("conductor " BALLAST_VERSION);
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

/* With the sockets of a gate that was killed. */
static void remove_folder(const char *folder)
{
	static const char *const sockets[] = {"libvirt-sock", "libvirt-sock-ro"};
	char path[PATH_MAX];

	for (size_t i = 0; i < sizeof(sockets) / sizeof(sockets[0]); i++) {
		snprintf(path, sizeof(path), "%s/" GATE_SOCKETS "/%s", folder, sockets[i]);
		unlink(path);
	}
	snprintf(path, sizeof(path), "%s/" GATE_SOCKETS, folder);
	rmdir(path);
	rmdir(folder);
}

/* The folder goes here and, after a run that was killed, in its keeper. */
static int run(void *opaque)
{
	const struct conduct_args *args = opaque;
	int status = conduct(args);

	remove_folder(args->folder);
	return status;
}

int main(int argc, char **argv)
{
	char loads[PATH_MAX], folder[] = "/tmp/ballast-gate-XXXXXX";
	struct conduct_args args = {.uri = "qemu:///system", .prefix = "aos_vm", .loads = loads};
	int status;

	log_init("conductor", false);
	parse_args(&args, argc, argv);
	log_init("conductor", args.verbose);
	check_program(args.program);
	if (beside_program(loads, "../../workloads/build/guest"))
		die(EXIT_LAB, "workloads/build/guest: %s", strerror(errno));
	if (!mkdtemp(folder))
		die(EXIT_LAB, "%s: %s", folder, strerror(errno));
	args.folder = folder;
	status = keeper_run(run, &args);
	remove_folder(folder);
	if (status < 0) {
		log_warn("the run was not complete; its guests are put back");
		if (!args.as_is)
			conduct_put_back(&args);
		status = EXIT_LAB;
	}
	return status;
}
