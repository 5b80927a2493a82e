/* SPDX-License-Identifier: MIT */
/* The guest agent, through libvirt-qemu. */
#include "agent.h"

#include "tick.h"

#include <libvirt/libvirt-qemu.h>
#include <libvirt/virterror.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Between two looks at a program that runs: a short one is noticed soon, a long one costs little.
 */
#define POLL_FIRST_MS 5
#define POLL_MOST_MS  100

void agent_prepare(virDomainPtr dom)
{
	if (virDomainAgentSetResponseTimeout(dom, AGENT_TIMEOUT_S, 0) < 0)
		virResetLastError();
}

/* One command and its answer's "return"; NULL with error. */
static json_t *call(virDomainPtr dom, const char *execute, json_t *arguments,
		    char error[AGENT_ERROR_MAX])
{
	char *command = agent_command(execute, arguments), *reply = NULL;
	json_t *ret = NULL;

	if (!command) {
		snprintf(error, AGENT_ERROR_MAX, "out of memory");
		return NULL;
	}
	reply = virDomainQemuAgentCommand(dom, command, AGENT_TIMEOUT_S, 0);
	free(command);
	if (!reply) {
		agent_explain(execute, virGetLastErrorMessage(), error);
		return NULL;
	}
	ret = agent_reply_parse(reply, error);
	if (!ret)
		agent_explain(execute, error, error);
	free(reply);
	return ret;
}

int agent_ping(virDomainPtr dom, char error[AGENT_ERROR_MAX])
{
	json_t *ret = call(dom, "guest-ping", NULL, error);

	json_decref(ret);
	return ret ? 0 : -1;
}

int agent_look(virDomainPtr dom, int64_t pid, struct agent_result *result,
	       char error[AGENT_ERROR_MAX])
{
	json_t *ret =
		call(dom, "guest-exec-status", json_pack("{s:I}", "pid", (json_int_t)pid), error);
	int status = ret ? agent_result_parse(ret, result, error) : -1;

	json_decref(ret);
	return status;
}

int agent_start(virDomainPtr dom, const char *const *argv, int64_t *pid,
		char error[AGENT_ERROR_MAX])
{
	json_t *ret = call(dom, "guest-exec", agent_exec_arguments(argv), error);
	const json_t *number = json_object_get(ret, "pid");
	int status = json_is_integer(number) ? 0 : -1;

	*pid = (int64_t)json_integer_value(number);
	if (status && ret)
		snprintf(error, AGENT_ERROR_MAX, "the agent's reply to guest-exec has no pid");
	json_decref(ret);
	return status;
}

static int wait_for(virDomainPtr dom, int64_t pid, double limit_s, struct agent_result *result,
		    char error[AGENT_ERROR_MAX])
{
	double end_s = tick_now_s() + limit_s;

	for (long ms = POLL_FIRST_MS;; ms = ms * 2 < POLL_MOST_MS ? ms * 2 : POLL_MOST_MS) {
		const struct timespec pause = {0, ms * 1000000};
		int status;

		nanosleep(&pause, NULL);
		status = agent_look(dom, pid, result, error);
		if (status || result->exited)
			return status;
		if (tick_now_s() >= end_s) {
			snprintf(error, AGENT_ERROR_MAX, "still running in the guest after %g s",
				 limit_s);
			return -1;
		}
	}
}

int agent_exec(virDomainPtr dom, const char *const *argv, double limit_s,
	       struct agent_result *result, char error[AGENT_ERROR_MAX])
{
	int64_t pid;

	return agent_start(dom, argv, &pid, error) ? -1
						   : wait_for(dom, pid, limit_s, result, error);
}

/* --- files --- */

int agent_file_open(virDomainPtr dom, const char *path, const char *mode, int64_t *handle,
		    char error[AGENT_ERROR_MAX])
{
	json_t *ret = call(dom, "guest-file-open",
			   json_pack("{s:s, s:s}", "path", path, "mode", mode), error);

	if (!ret)
		return -1;
	*handle = (int64_t)json_integer_value(ret);
	json_decref(ret);
	return 0;
}

int agent_file_close(virDomainPtr dom, int64_t handle, char error[AGENT_ERROR_MAX])
{
	json_t *ret = call(dom, "guest-file-close",
			   json_pack("{s:I}", "handle", (json_int_t)handle), error);

	json_decref(ret);
	return ret ? 0 : -1;
}

static int get(virDomainPtr dom, int64_t handle, char **data, size_t *len, bool *eof,
	       char error[AGENT_ERROR_MAX])
{
	json_t *ret = call(
		dom, "guest-file-read",
		json_pack("{s:I, s:i}", "handle", (json_int_t)handle, "count", AGENT_PIECE_BYTES),
		error);

	*data = ret ? agent_read_parse(ret, len, eof, error) : NULL;
	json_decref(ret);
	return *data ? 0 : -1;
}

int agent_file_get(virDomainPtr dom, int64_t handle, char **data, size_t *len,
		   char error[AGENT_ERROR_MAX])
{
	bool eof;

	return get(dom, handle, data, len, &eof, error);
}

int agent_file_put(virDomainPtr dom, int64_t handle, const void *data, size_t len,
		   char error[AGENT_ERROR_MAX])
{
	const char *from = data;

	while (len > 0) {
		size_t n = len < AGENT_PIECE_BYTES ? len : AGENT_PIECE_BYTES;
		char *text = base64_encode(from, n);
		json_t *ret = text ? call(dom, "guest-file-write",
					  json_pack("{s:I, s:s}", "handle", (json_int_t)handle,
						    "buf-b64", text),
					  error)
				   : NULL;
		json_int_t count = json_integer_value(json_object_get(ret, "count"));

		free(text);
		json_decref(ret);
		if (!ret)
			return -1;
		if (count != (json_int_t)n) {
			snprintf(error, AGENT_ERROR_MAX,
				 "the guest wrote only a part: is its disk full?");
			return -1;
		}
		from += n;
		len -= n;
	}
	return 0;
}

int agent_file_read(virDomainPtr dom, const char *path, size_t most, char **data, size_t *len,
		    char error[AGENT_ERROR_MAX])
{
	char *all = NULL, *piece, *bigger, ignored[AGENT_ERROR_MAX];
	size_t total = 0, n;
	int64_t handle;
	bool eof = false;

	if (agent_file_open(dom, path, "r", &handle, error))
		return -1;
	while (!eof && total < most) {
		bigger = get(dom, handle, &piece, &n, &eof, error) ? NULL
								   : realloc(all, total + n + 1);
		if (!bigger) {
			free(piece);
			free(all);
			agent_file_close(dom, handle, ignored);
			return -1;
		}
		all = bigger;
		memcpy(all + total, piece, n + 1);
		total += n;
		/* Files in /proc are short, and asking again costs a round trip. */
		eof = eof || n < AGENT_PIECE_BYTES;
		free(piece);
	}
	agent_file_close(dom, handle, ignored);
	*data = all;
	*len = total;
	return 0;
}

int agent_file_write(virDomainPtr dom, const char *path, const void *data, size_t len,
		     char error[AGENT_ERROR_MAX])
{
	char why[AGENT_ERROR_MAX], ignored[AGENT_ERROR_MAX];
	int64_t handle;
	int status;

	if (agent_file_open(dom, path, "w", &handle, error))
		return -1;
	status = agent_file_put(dom, handle, data, len, why);
	if (status)
		snprintf(error, AGENT_ERROR_MAX, "%.100s: %.150s", path, why);
	/* Its failure shows in what was written; here it only leaves a handle in the agent. */
	agent_file_close(dom, handle, ignored);
	return status;
}
