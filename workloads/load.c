/* SPDX-License-Identifier: MIT */
/* Loads in one guest. */
#include "load.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GUEST_DIR   "/usr/local/lib/ballast"
#define DIGEST_MAX  128
#define PROGRAM_MAX (16 * 1024 * 1024)

/* Generous: an emulated guest that starves for memory or CPU takes seconds for what takes
 * milliseconds. */
#define COMMAND_S 20.0

/*
 * stress-ng stays in a session of its own, so that all its workers can be ended by their group; its
 * output must not stay the agent's, which would wait for it.
 */
static const char stress_start[] = "mkdir -p /run/ballast; cd " GUEST_DIR "/profiles || exit 1\n"
				   "[ -f \"$1\" ] || { echo \"there is no stress profile $1; there "
				   "are: $(echo *)\" >&2; exit 1; }\n"
				   "command -v stress-ng >/dev/null || { echo 'stress-ng is not "
				   "installed in the guest' >&2; exit 1; }\n"
				   "setsid stress-ng --job \"$1\" --temp-path /run/ballast "
				   "</dev/null >/run/ballast/stress.log 2>&1 &\n"
				   "echo $! >/run/ballast/stress.pid\n";

#define STRESS_STOP                                                                                \
	"if [ -f /run/ballast/stress.pid ]; then\n"                                                \
	"  read -r pid </run/ballast/stress.pid; rm /run/ballast/stress.pid\n"                     \
	"  kill -TERM -- -$pid 2>/dev/null; n=0\n"                                                 \
	"  while kill -0 -- -$pid 2>/dev/null; do\n"                                               \
	"    n=$((n + 1)); [ $n -lt 50 ] || { kill -KILL -- -$pid; break; }; sleep 0.1\n"          \
	"  done\n"                                                                                 \
	"fi\n"

static const char end_all[] = "cd " GUEST_DIR " 2>/dev/null || exit 0\n"
			      "for load in cpuload memload cacheload; do [ ! -x $load ] || ./$load "
			      "--stop; done\n" STRESS_STOP "exit 0\n";

static const char ask_all[] =
	"cd " GUEST_DIR " 2>/dev/null || exit 0\n"
	"for load in cpuload memload cacheload; do [ ! -x $load ] || ./$load --status; done\n"
	"if [ -f /run/ballast/stress.pid ]; then read -r pid </run/ballast/stress.pid\n"
	"  kill -0 $pid 2>/dev/null && echo '{\"load\":\"stress\",\"state\":\"running\"}'\n"
	"fi\n"
	"exit 0\n";

/* The JSON lines of a program's output; others are left out. */
static json_t *parse_reports(const char *text)
{
	json_t *reports = json_array();

	while (*text) {
		size_t len = strcspn(text, "\n");
		json_t *report = json_loadb(text, len, 0, NULL);

		if (report)
			json_array_append_new(reports, report);
		text += len + (text[len] == '\n');
	}
	return reports;
}

/* Runs a program in the guest and takes an exit status other than 0 for failure. */
static int run(virDomainPtr dom, const char *const *argv, json_t **reports,
	       char error[AGENT_ERROR_MAX])
{
	struct agent_result result;
	int status = -1;

	if (agent_exec(dom, argv, COMMAND_S, &result, error))
		return -1;
	if (result.status == 0) {
		if (reports)
			*reports = parse_reports(result.out);
		status = 0;
	} else {
		const char *text = result.err[0] ? result.err : result.out;

		snprintf(error, AGENT_ERROR_MAX, "%s: %.*s (exit status %d)", argv[0],
			 (int)strcspn(text, "\n"), text, result.status);
	}
	agent_result_free(&result);
	return status;
}

/* --- bringing the programs into the guest --- */

/* A local file, NUL-terminated; NULL with error. */
static char *read_local(const char *path, size_t *len, char error[AGENT_ERROR_MAX])
{
	FILE *f = fopen(path, "re");
	char *data = f ? malloc(PROGRAM_MAX) : NULL;

	if (!data) {
		snprintf(error, AGENT_ERROR_MAX, "%s: %s; run `make -C workloads`", path,
			 strerror(errno));
		if (f)
			fclose(f);
		return NULL;
	}
	*len = fread(data, 1, PROGRAM_MAX - 1, f);
	data[*len] = '\0';
	fclose(f);
	return data;
}

static int push_file(virDomainPtr dom, const char *dir, const char *name,
		     char error[AGENT_ERROR_MAX])
{
	char from[PATH_MAX], to[PATH_MAX];
	size_t len;
	char *data;
	int status;

	snprintf(from, sizeof(from), "%s/%s", dir, name);
	snprintf(to, sizeof(to), GUEST_DIR "/%s", name);
	data = read_local(from, &len, error);
	if (!data)
		return -1;
	status = agent_file_write(dom, to, data, len, error);
	free(data);
	return status;
}

/* Pushes what MANIFEST lists, and the digest last: a push cut short is begun anew the next time. */
static int push(virDomainPtr dom, const char *dir, char error[AGENT_ERROR_MAX])
{
	static const char *const make_dir[] = {
		"/bin/sh", "-c", "rm -rf " GUEST_DIR " && mkdir -p " GUEST_DIR "/profiles", NULL};
	static const char *const make_executable[] = {"/bin/sh", "-c",
						      "cd " GUEST_DIR " && chmod 755 *load", NULL};
	char path[PATH_MAX], *manifest, *save = NULL;
	size_t len;
	int status;

	snprintf(path, sizeof(path), "%s/MANIFEST", dir);
	manifest = read_local(path, &len, error);
	if (!manifest)
		return -1;
	status = run(dom, make_dir, NULL, error);
	for (char *name = strtok_r(manifest, " \n", &save); name && !status;
	     name = strtok_r(NULL, " \n", &save))
		status = push_file(dom, dir, name, error);
	free(manifest);
	if (!status)
		status = run(dom, make_executable, NULL, error);
	return status ? status : push_file(dom, dir, "DIGEST", error);
}

int load_prepare(virDomainPtr dom, const char *dir, char error[AGENT_ERROR_MAX])
{
	char path[PATH_MAX], *ours, *theirs = NULL;
	size_t len;
	bool same;

	snprintf(path, sizeof(path), "%s/DIGEST", dir);
	ours = read_local(path, &len, error);
	if (!ours)
		return -1;
	/* A guest without the file has not got the loads; one whose agent is mute fails again
	 * below. */
	same = agent_file_read(dom, GUEST_DIR "/DIGEST", DIGEST_MAX, &theirs, &len, error) == 0 &&
	       !strcmp(ours, theirs);
	free(ours);
	free(theirs);
	return same ? 0 : push(dom, dir, error);
}

/* --- steering --- */

static int begin_cpu(virDomainPtr dom, const struct phase *phase, json_t **ended,
		     char error[AGENT_ERROR_MAX])
{
	char pct[32], threads[16];
	const char *argv[6] = {GUEST_DIR "/cpuload"};
	size_t n = 1;

	snprintf(pct, sizeof(pct), "%g%%", phase->pct);
	snprintf(threads, sizeof(threads), "-t%u", phase->vcpus);
	if (phase->open_loop)
		argv[n++] = "-d";
	if (phase->vcpus)
		argv[n++] = threads;
	argv[n++] = pct;
	argv[n] = NULL;
	return run(dom, argv, ended, error);
}

static int begin_size(virDomainPtr dom, const char *program, const struct phase *phase,
		      json_t **ended, char error[AGENT_ERROR_MAX])
{
	char size[32], rate[32];
	const char *argv[] = {program, size, phase->rate_kib_s ? rate : NULL, NULL};

	snprintf(size, sizeof(size), "%" PRIu64, phase->kib);
	snprintf(rate, sizeof(rate), "%" PRIu64 "/s", phase->rate_kib_s);
	return run(dom, argv, ended, error);
}

static int begin_stress(virDomainPtr dom, const char *profile, json_t **ended,
			char error[AGENT_ERROR_MAX])
{
	static const char *const stop[] = {"/bin/sh", "-c", STRESS_STOP, NULL};
	const char *start[] = {"/bin/sh", "-c", stress_start, "stress", profile, NULL};

	return run(dom, stop, NULL, error) ? -1 : run(dom, start, ended, error);
}

int load_begin(virDomainPtr dom, const struct phase *phase, json_t **ended,
	       char error[AGENT_ERROR_MAX])
{
	*ended = NULL;
	switch (phase->verb) {
	case PHASE_CPU:
		return begin_cpu(dom, phase, ended, error);
	case PHASE_MEMORY:
		return begin_size(dom, GUEST_DIR "/memload", phase, ended, error);
	case PHASE_CACHE:
		return begin_size(dom, GUEST_DIR "/cacheload", phase, ended, error);
	case PHASE_STRESS:
		return begin_stress(dom, phase->text, ended, error);
	case PHASE_IDLE:
		return load_end(dom, ended, error);
	default:
		snprintf(error, AGENT_ERROR_MAX, "this is not a load");
		return -1;
	}
}

int load_end(virDomainPtr dom, json_t **ended, char error[AGENT_ERROR_MAX])
{
	static const char *const argv[] = {"/bin/sh", "-c", end_all, NULL};

	*ended = NULL;
	return run(dom, argv, ended, error);
}

int load_status(virDomainPtr dom, json_t **reports, char error[AGENT_ERROR_MAX])
{
	static const char *const argv[] = {"/bin/sh", "-c", ask_all, NULL};

	*reports = NULL;
	if (run(dom, argv, reports, error))
		return -1;
	/* A load that ended leaves its report behind. */
	for (size_t i = json_array_size(*reports); i-- > 0;) {
		const char *state =
			json_string_value(json_object_get(json_array_get(*reports, i), "state"));

		if (state && !strcmp(state, "ended"))
			json_array_remove(*reports, i);
	}
	return 0;
}
