/* SPDX-License-Identifier: MIT */
/* The guest agent's language: commands as text, replies from text. Pure; libvirt carries them
 * (agent.h). */
#ifndef BALLAST_AGENT_REPLY_H
#define BALLAST_AGENT_REPLY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define AGENT_ERROR_MAX 256

/* How a program in a guest ended. */
struct agent_result {
	bool exited;
	int status; /* its exit status, or 128 + the signal */
	char *out;  /* what it wrote, NUL-terminated; free with agent_result_free() */
	char *err;
};

void agent_result_free(struct agent_result *result);

/* A command as one line of JSON; arguments: an object or NULL, taken over. Allocated, NULL: no
 * memory. */
char *agent_command(const char *execute, json_t *arguments);

/* guest-exec's arguments: the first of argv (NULL-terminated) is the path. */
json_t *agent_exec_arguments(const char *const *argv);

/*
 * "return" of a reply, a new reference; NULL with error where the reply is not one or is an error
 * of the agent's.
 */
json_t *agent_reply_parse(const char *text, char error[AGENT_ERROR_MAX]);

/* guest-exec-status' return. 0 (result->exited says whether it has ended); −1 with error. */
int agent_result_parse(const json_t *ret, struct agent_result *result, char error[AGENT_ERROR_MAX]);

/* guest-file-read's return: allocated bytes and their number; NULL with error. */
char *agent_read_parse(const json_t *ret, size_t *len, bool *eof, char error[AGENT_ERROR_MAX]);

/* What a person needs to know instead of libvirt's or the agent's message for command; error may be
 * message. */
void agent_explain(const char *command, const char *message, char error[AGENT_ERROR_MAX]);

/* Base64. Both allocated; decoding: NUL-terminated beyond *len, NULL where text is malformed. */
char *base64_encode(const void *data, size_t len);
char *base64_decode(const char *text, size_t *len);

#endif
