/* SPDX-License-Identifier: MIT */
/* Sends `become` into a guest and runs it there. */
#include "clone_identity.h"

#include "beside.h"
#include "workloads/agent.h"
#include "tick.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

/* Where it lies in guests; /run may be mounted noexec. */
#define BECOME "/usr/local/lib/ballast-become"

/* It takes a few hundredths of a second; a clone on a busy host a hundred times that. */
#define BECOME_LIMIT_S 20.0

/* An agent that is too busy. */
#define ASK_AGAIN_MS 100

#define NOISE_BYTES 32

/* The program, which lies beside this one; to be freed, NULL with errno. */
static char *read_become(size_t *len)
{
	char path[PATH_MAX], *data = NULL;
	FILE *file;

	if (beside_program(path, "become"))
		return NULL;
	file = fopen(path, "re");
	if (!file)
		return NULL;
	if (fseek(file, 0, SEEK_END) == 0 && (*len = (size_t)ftell(file)) > 0) {
		rewind(file);
		data = malloc(*len);
		if (data && fread(data, 1, *len, file) != *len) {
			free(data);
			data = NULL;
		}
	}
	fclose(file);
	return data;
}

/* Runs a program in the guest that has to succeed; it may run twice. */
static int run(virDomainPtr dom, const char *const *argv, double end_s, char error[AGENT_ERROR_MAX])
{
	static const struct timespec pause = {0, ASK_AGAIN_MS * 1000000};
	struct agent_result result = {0};
	int status = 0;

	while (agent_exec(dom, argv, BECOME_LIMIT_S, &result, error) < 0) {
		if (tick_quit || tick_now_s() >= end_s)
			return -1;
		nanosleep(&pause, NULL);
	}
	if (result.status != 0) {
		snprintf(error, AGENT_ERROR_MAX, "%s: %s", argv[0],
			 result.err && *result.err ? result.err : "failed");
		error[strcspn(error, "\n")] = '\0';
		status = -1;
	}
	agent_result_free(&result);
	return status;
}

int clone_identity_prepare(virDomainPtr dom, double end_s, char error[AGENT_ERROR_MAX])
{
	static const char *const folder[] = {"/bin/mkdir", "-p", "/usr/local/lib", NULL};
	static const char *const executable[] = {"/bin/chmod", "0755", BECOME, NULL};
	size_t len;
	char *program = read_become(&len);
	int status;

	if (!program) {
		snprintf(error, AGENT_ERROR_MAX, "build/become: %s", strerror(errno));
		return -1;
	}
	status = run(dom, folder, end_s, error);
	if (status == 0)
		status = agent_file_write(dom, BECOME, program, len, error);
	if (status == 0)
		status = run(dom, executable, end_s, error);
	free(program);
	return status;
}

/* The machine id is the UUID without dashes, as systemd does it. */
static int machine_id(virDomainPtr dom, char id[VIR_UUID_STRING_BUFLEN])
{
	char uuid[VIR_UUID_STRING_BUFLEN];
	size_t n = 0;

	if (virDomainGetUUIDString(dom, uuid) < 0)
		return -1;
	for (const char *p = uuid; *p; p++)
		if (*p != '-')
			id[n++] = *p;
	id[n] = '\0';
	return 0;
}

int clone_identity_set(virDomainPtr dom, double end_s, char error[AGENT_ERROR_MAX])
{
	char id[VIR_UUID_STRING_BUFLEN], seconds[32], noise[NOISE_BYTES * 2 + 1];
	const char *const argv[] = {BECOME, virDomainGetName(dom), id, seconds, noise, NULL};
	unsigned char bytes[NOISE_BYTES];
	struct timespec now;

	if (machine_id(dom, id) < 0 ||
	    getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes)) {
		snprintf(error, AGENT_ERROR_MAX, "no UUID or no random numbers for it");
		return -1;
	}
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(noise + 2 * i, 3, "%02x", bytes[i]);
	clock_gettime(CLOCK_REALTIME, &now);
	snprintf(seconds, sizeof(seconds), "%lld.%06ld", (long long)now.tv_sec, now.tv_nsec / 1000);
	return run(dom, argv, end_s, error);
}
