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

/* Bytes in one guest-file-read or -write: as base64 they are 64 KiB, which every channel takes. */
#define PIECE_BYTES (48 * 1024)

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

static int wait_for(virDomainPtr dom, json_int_t pid, double limit_s, struct agent_result *result,
		    char error[AGENT_ERROR_MAX])
{
	double end_s = tick_now_s() + limit_s;

	for (long ms = POLL_FIRST_MS;; ms = ms * 2 < POLL_MOST_MS ? ms * 2 : POLL_MOST_MS) {
		const struct timespec pause = {0, ms * 1000000};
		json_t *ret;
		int status;

		nanosleep(&pause, NULL);
		ret = call(dom, "guest-exec-status", json_pack("{s:I}", "pid", pid), error);
		if (!ret)
			return -1;
		status = agent_result_parse(ret, result, error);
		json_decref(ret);
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
	json_t *ret = call(dom, "guest-exec", agent_exec_arguments(argv), error);
	json_t *pid = json_object_get(ret, "pid");
	int status = -1;

	if (json_is_integer(pid))
		status = wait_for(dom, json_integer_value(pid), limit_s, result, error);
	else if (ret)
		snprintf(error, AGENT_ERROR_MAX, "the agent's reply to guest-exec has no pid");
	json_decref(ret);
	return status;
}

static int file_open(virDomainPtr dom, const char *path, const char *mode, json_int_t *handle,
		     char error[AGENT_ERROR_MAX])
{
	json_t *ret = call(dom, "guest-file-open",
			   json_pack("{s:s, s:s}", "path", path, "mode", mode), error);

	if (!ret)
		return -1;
	*handle = json_integer_value(ret);
	json_decref(ret);
	return 0;
}

/* Its failure shows in what was read or written; here it only leaves a handle in the agent. */
static void file_close(virDomainPtr dom, json_int_t handle)
{
	char ignored[AGENT_ERROR_MAX];

	json_decref(call(dom, "guest-file-close", json_pack("{s:I}", "handle", handle), ignored));
}

int agent_file_read(virDomainPtr dom, const char *path, size_t most, char **data, size_t *len,
		    char error[AGENT_ERROR_MAX])
{
	char *all = NULL;
	size_t total = 0;
	json_int_t handle;
	bool eof = false;

	if (file_open(dom, path, "r", &handle, error))
		return -1;
	while (!eof && total < most) {
		json_t *ret = call(dom, "guest-file-read",
				   json_pack("{s:I, s:i}", "handle", handle, "count", PIECE_BYTES),
				   error);
		size_t n;
		char *piece = ret ? agent_read_parse(ret, &n, &eof, error) : NULL;
		char *bigger = piece ? realloc(all, total + n + 1) : NULL;

		json_decref(ret);
		if (!bigger) {
			free(piece);
			free(all);
			file_close(dom, handle);
			return -1;
		}
		all = bigger;
		memcpy(all + total, piece, n + 1);
		total += n;
		eof = eof || n < PIECE_BYTES; /* files in /proc are short, and asking again costs a
						 round trip */
		free(piece);
	}
	file_close(dom, handle);
	*data = all;
	*len = total;
	return 0;
}

int agent_file_write(virDomainPtr dom, const char *path, const void *data, size_t len,
		     char error[AGENT_ERROR_MAX])
{
	const char *from = data;
	json_int_t handle;
	int status = 0;

	if (file_open(dom, path, "w", &handle, error))
		return -1;
	while (len > 0 && status == 0) {
		size_t n = len < PIECE_BYTES ? len : PIECE_BYTES;
		char *text = base64_encode(from, n);
		json_t *ret =
			text ? call(dom, "guest-file-write",
				    json_pack("{s:I, s:s}", "handle", handle, "buf-b64", text),
				    error)
			     : NULL;

		free(text);
		if (!ret) {
			status = -1;
		} else if (json_integer_value(json_object_get(ret, "count")) != (json_int_t)n) {
			snprintf(error, AGENT_ERROR_MAX, "%s: the guest wrote only a part", path);
			status = -1;
		}
		json_decref(ret);
		from += n;
		len -= n;
	}
	file_close(dom, handle);
	return status;
}
