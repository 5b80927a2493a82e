/* SPDX-License-Identifier: MIT */
/* The guest agent's language: commands as text, replies from text. */
#include "agent_reply.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *base64_encode(const void *data, size_t len)
{
	const unsigned char *in = data;
	char *text = malloc((len + 2) / 3 * 4 + 1), *out = text;

	if (!text)
		return NULL;
	for (size_t i = 0; i < len; i += 3) {
		uint32_t bits = (uint32_t)in[i] << 16;

		if (i + 1 < len)
			bits |= (uint32_t)in[i + 1] << 8;
		if (i + 2 < len)
			bits |= in[i + 2];
		*out++ = digits[bits >> 18];
		*out++ = digits[bits >> 12 & 63];
		*out++ = i + 1 < len ? digits[bits >> 6 & 63] : '=';
		*out++ = i + 2 < len ? digits[bits & 63] : '=';
	}
	*out = '\0';
	return text;
}

char *base64_decode(const char *text, size_t *len)
{
	size_t n = strlen(text), padding = 0;
	char *data, *out;

	while (padding < 2 && padding < n && text[n - 1 - padding] == '=')
		padding++;
	data = out = n % 4 == 0 ? malloc(n / 4 * 3 + 1) : NULL;
	if (!data)
		return NULL;
	for (size_t i = 0; i < n; i += 4) {
		uint32_t bits = 0;

		for (size_t j = 0; j < 4; j++) {
			const char *digit =
				i + j >= n - padding ? digits : memchr(digits, text[i + j], 64);

			if (!digit) {
				free(data);
				return NULL;
			}
			bits = bits << 6 | (uint32_t)(digit - digits);
		}
		*out++ = (char)(bits >> 16);
		*out++ = (char)(bits >> 8);
		*out++ = (char)bits;
	}
	*len = (size_t)(out - data) - padding;
	data[*len] = '\0';
	return data;
}

void agent_result_free(struct agent_result *result)
{
	free(result->out);
	free(result->err);
	memset(result, 0, sizeof(*result));
}

char *agent_command(const char *execute, json_t *arguments)
{
	json_t *command = json_pack("{s:s, s:o*}", "execute", execute, "arguments", arguments);
	char *text = command ? json_dumps(command, JSON_COMPACT) : NULL;

	json_decref(command);
	return text;
}

json_t *agent_exec_arguments(const char *const *argv)
{
	json_t *args = json_array();

	for (size_t i = 1; argv[i]; i++)
		json_array_append_new(args, json_string(argv[i]));
	return json_pack("{s:s, s:o, s:b}", "path", argv[0], "arg", args, "capture-output", 1);
}

json_t *agent_reply_parse(const char *text, char error[AGENT_ERROR_MAX])
{
	json_error_t json_error;
	json_t *reply = json_loads(text, 0, &json_error), *ret;
	const char *description;

	if (!reply) {
		snprintf(error, AGENT_ERROR_MAX, "the agent's reply is not JSON: %s",
			 json_error.text);
		return NULL;
	}
	description = json_string_value(json_object_get(json_object_get(reply, "error"), "desc"));
	ret = json_incref(json_object_get(reply, "return"));
	if (!ret)
		snprintf(error, AGENT_ERROR_MAX, "%s",
			 description ? description : "the agent's reply has no return");
	json_decref(reply);
	return ret;
}

/* An optional base64 member of a reply as text. −1: it is there and malformed. */
static int decode_member(const json_t *ret, const char *name, char **out)
{
	const char *text = json_string_value(json_object_get(ret, name));
	size_t len;

	*out = text ? base64_decode(text, &len) : strdup("");
	return *out ? 0 : -1;
}

int agent_result_parse(const json_t *ret, struct agent_result *result, char error[AGENT_ERROR_MAX])
{
	const json_t *exited = json_object_get(ret, "exited");
	const json_t *code = json_object_get(ret, "exitcode"),
		     *number = json_object_get(ret, "signal");

	memset(result, 0, sizeof(*result));
	if (!json_is_boolean(exited)) {
		snprintf(error, AGENT_ERROR_MAX,
			 "the agent's reply to guest-exec-status lacks exited");
		return -1;
	}
	result->exited = json_is_true(exited);
	if (!result->exited)
		return 0;
	result->status =
		number ? 128 + (int)json_integer_value(number) : (int)json_integer_value(code);
	if (decode_member(ret, "out-data", &result->out) ||
	    decode_member(ret, "err-data", &result->err)) {
		agent_result_free(result);
		snprintf(error, AGENT_ERROR_MAX,
			 "the agent's reply to guest-exec-status has malformed base64");
		return -1;
	}
	return 0;
}

char *agent_read_parse(const json_t *ret, size_t *len, bool *eof, char error[AGENT_ERROR_MAX])
{
	const char *text = json_string_value(json_object_get(ret, "buf-b64"));
	char *data = text ? base64_decode(text, len) : NULL;

	*eof = json_is_true(json_object_get(ret, "eof"));
	if (!data)
		snprintf(error, AGENT_ERROR_MAX,
			 "the agent's reply to guest-file-read has no valid buf-b64");
	return data;
}

void agent_explain(const char *command, const char *message, char error[AGENT_ERROR_MAX])
{
	char copy[AGENT_ERROR_MAX];

	snprintf(copy, sizeof(copy), "%s", message);
	if (strstr(copy, "disabled") || strstr(copy, "not allowed") ||
	    strstr(copy, "CommandNotFound") || strstr(copy, "has not been found"))
		snprintf(error, AGENT_ERROR_MAX,
			 "its agent refuses %s: in the guest, take it out of BLACKLIST_RPC or "
			 "block-rpcs "
			 "(/etc/sysconfig/qemu-ga, /etc/qemu/qemu-ga.conf), then restart "
			 "qemu-guest-agent",
			 command);
	else if (strstr(copy, "not configured"))
		snprintf(error, AGENT_ERROR_MAX,
			 "it has no guest agent channel (org.qemu.guest_agent.0)");
	else if (strstr(copy, "not responding") || strstr(copy, "not connected"))
		snprintf(error, AGENT_ERROR_MAX,
			 "its agent does not answer; is qemu-guest-agent running in it?");
	else if (strstr(copy, "not running"))
		snprintf(error, AGENT_ERROR_MAX, "it is not running");
	else
		snprintf(error, AGENT_ERROR_MAX, "%s", copy);
}
