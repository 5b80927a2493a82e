/* SPDX-License-Identifier: MIT */
/*
 * The guest agent, as QEMU's in a Linux guest: what it tells of the guest is the model's. It starts
 * no programs and writes no files there, and says so as one does whose administrator forbade it.
 */
#include "driver.h"

#include "workloads/agent_reply.h"
#include "units.h"

#include <inttypes.h>
#include <libvirt/libvirt-qemu.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define AGENT_VERSION "7.2.0"

/* libvirt's limit for an answer where the caller leaves it to it. */
#define TIMEOUT_DEFAULT_S 5
/* How often a caller that waits for a hung guest looks again. */
#define LOOK_NS MODEL_STEP_NS

/* Linux' memory blocks on x86 with little memory. */
#define BLOCK_KIB (128 * KIB_PER_MIB)
/* What one guest-file-read gives without a count, and at most. */
#define READ_DEFAULT 4096
#define READ_MOST    (48 * 1024 * 1024)

/* A file that is open in a guest. */
struct open_file {
	struct open_file *next;
	size_t place;
	unsigned int starts; /* of the guest whose agent opened it */
	json_int_t handle;
	char *text;
	size_t len, at;
};

static struct open_file *files;
static json_int_t next_handle = 1000;

/* A command that arrived in the guest. */
struct asked {
	size_t place;
	unsigned int id; /* the model's guest */
	const char *command;
	const json_t *arguments; /* an object or NULL */
	char error[256];	 /* why it failed: the agent's words */
	bool broken;		 /* the answer is not what libvirt can read */
};

typedef json_t *(*answer_fn)(struct asked *a);

/* Fails the command: NULL. */
__attribute__((format(printf, 2, 3))) static json_t *refuse(struct asked *a, const char *format,
							    ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(a->error, sizeof(a->error), format, args);
	va_end(args);
	return NULL;
}

/* An argument that must be a whole number; −1 where it failed. */
static int integer_argument(struct asked *a, const char *name, json_int_t *out)
{
	const json_t *value = json_object_get(a->arguments, name);

	if (json_is_integer(value)) {
		*out = json_integer_value(value);
		return 0;
	}
	if (value)
		refuse(a, "Invalid parameter type for '%s', expected: integer", name);
	else
		refuse(a, "Parameter '%s' is missing", name);
	return -1;
}

/* --- what it tells --- */

static json_t *answer_nothing(struct asked *a)
{
	(void)a;
	return json_object();
}

static json_t *answer_sync(struct asked *a)
{
	json_int_t id;

	return integer_argument(a, "id", &id) ? NULL : json_integer(id);
}

/* The byte before the answer is no JSON: libvirt gives up on the channel until the guest's next
 * start. */
static json_t *answer_delimited(struct asked *a)
{
	a->broken = true;
	return answer_sync(a);
}

static json_t *answer_time(struct asked *a)
{
	(void)a;
	return json_integer((json_int_t)(PLAY_EPOCH_S * MODEL_NS_PER_S + driver_now()));
}

static json_t *answer_host_name(struct asked *a)
{
	return json_pack("{s:s}", "host-name", world_guest(driver_world(), a->place)->config->name);
}

static json_t *answer_os(struct asked *a)
{
	(void)a;
	return json_pack("{s:s, s:s, s:s, s:s}", "id", "ballast", "name",
			 "Ballast's simulated guest", "machine", "x86_64", "kernel-release",
			 "6.1.0");
}

static json_t *answer_vcpus(struct asked *a)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < model_guest_vcpus(driver_model(), a->id); i++)
		json_array_append_new(list, json_pack("{s:i, s:b, s:b}", "logical-id", (int)i,
						      "online", 1, "can-offline", i > 0));
	return list;
}

static json_t *answer_blocks(struct asked *a)
{
	struct model_memory memory;
	json_t *list = json_array();

	model_memory_read(driver_model(), a->id, &memory);
	for (unsigned int i = 0; i < memory.maximum_kib / BLOCK_KIB; i++)
		json_array_append_new(list, json_pack("{s:i, s:b, s:b}", "phys-index", (int)i,
						      "online", 1, "can-offline", 1));
	return list;
}

static json_t *answer_block_size(struct asked *a)
{
	(void)a;
	return json_pack("{s:I}", "size", (json_int_t)(BLOCK_KIB * 1024));
}

/* --- files: what programs that look into guests read --- */

static char *meminfo(const struct asked *a)
{
	struct model_memory m;
	char *text;

	model_memory_read(driver_model(), a->id, &m);
	if (asprintf(&text,
		     "MemTotal:       %8" PRIu64 " kB\nMemFree:        %8" PRIu64
		     " kB\nMemAvailable:   %8" PRIu64
		     " kB\nBuffers:        %8d kB\nCached:         %8" PRIu64 " kB\n",
		     m.total_kib, m.free_kib, m.usable_kib, 0, m.cache_kib) < 0)
		return NULL;
	return text;
}

static char *vmstat(const struct asked *a)
{
	struct model_memory m;
	char *text;

	model_memory_read(driver_model(), a->id, &m);
	if (asprintf(&text, "nr_free_pages %" PRIu64 "\noom_kill %" PRIu64 "\n", m.free_kib / 4,
		     m.oom_kills) < 0)
		return NULL;
	return text;
}

static const struct {
	const char *path;
	char *(*make)(const struct asked *a);
} readable[] = {{"/proc/meminfo", meminfo}, {"/proc/vmstat", vmstat}};

static json_t *answer_open(struct asked *a)
{
	const char *path = json_string_value(json_object_get(a->arguments, "path"));
	const char *mode = json_string_value(json_object_get(a->arguments, "mode"));
	struct open_file *file;

	if (!path)
		return refuse(a, "Parameter 'path' is missing");
	if (mode && (!*mode || !strchr("rwa", *mode) || strspn(mode + 1, "b+") != strlen(mode + 1)))
		return refuse(a, "invalid file open mode '%s'", mode);
	if (mode && strcmp(mode, "r") && strcmp(mode, "rb"))
		return refuse(a, "failed to open file '%s' (mode: '%s'): Read-only file system",
			      path, mode);
	for (size_t i = 0; i < sizeof(readable) / sizeof(readable[0]); i++) {
		if (strcmp(path, readable[i].path))
			continue;
		file = calloc(1, sizeof(*file));
		if (!file || !(file->text = readable[i].make(a)))
			driver_fail("out of memory");
		file->place = a->place;
		file->starts = world_guest(driver_world(), a->place)->starts;
		file->handle = next_handle++;
		file->len = strlen(file->text);
		file->next = files;
		files = file;
		return json_integer(file->handle);
	}
	return refuse(a, "failed to open file '%s' (mode: '%s'): No such file or directory", path,
		      mode ? mode : "r");
}

/* The link that leads to the file of the command's handle; NULL where it failed. */
static struct open_file **find_file(struct asked *a)
{
	unsigned int starts = world_guest(driver_world(), a->place)->starts;
	json_int_t handle;

	if (integer_argument(a, "handle", &handle))
		return NULL;
	for (struct open_file **at = &files; *at; at = &(*at)->next) {
		if ((*at)->handle == handle && (*at)->place == a->place && (*at)->starts == starts)
			return at;
	}
	refuse(a, "handle '%" JSON_INTEGER_FORMAT "' has not been found", handle);
	return NULL;
}

static json_t *answer_read(struct asked *a)
{
	struct open_file **at = find_file(a);
	json_int_t count = READ_DEFAULT;
	json_t *answer;
	size_t n;
	char *text;

	if (!at || (json_object_get(a->arguments, "count") && integer_argument(a, "count", &count)))
		return NULL;
	if (count < 0 || count > READ_MOST)
		return refuse(a, "value '%" JSON_INTEGER_FORMAT "' is invalid for argument count",
			      count);
	n = (*at)->len - (*at)->at;
	if (n > (size_t)count)
		n = (size_t)count;
	text = base64_encode((*at)->text + (*at)->at, n);
	(*at)->at += n;
	answer = json_pack("{s:i, s:s, s:b}", "count", (int)n, "buf-b64", text ? text : "", "eof",
			   n < (size_t)count);
	free(text);
	return answer;
}

static json_t *answer_close(struct asked *a)
{
	struct open_file **at = find_file(a), *file;

	if (!at)
		return NULL;
	file = *at;
	*at = file->next;
	free(file->text);
	free(file);
	return json_object();
}

/* --- commands --- */

static json_t *answer_info(struct asked *a);

static const struct {
	const char *name;
	answer_fn answer; /* NULL: known, but switched off */
	const char *parameters[3];
} commands[] = {
	{"guest-ping", answer_nothing, {NULL}},
	{"guest-sync", answer_sync, {"id"}},
	{"guest-sync-delimited", answer_delimited, {"id"}},
	{"guest-info", answer_info, {NULL}},
	{"guest-get-time", answer_time, {NULL}},
	{"guest-get-host-name", answer_host_name, {NULL}},
	{"guest-get-osinfo", answer_os, {NULL}},
	{"guest-get-vcpus", answer_vcpus, {NULL}},
	{"guest-get-memory-blocks", answer_blocks, {NULL}},
	{"guest-get-memory-block-info", answer_block_size, {NULL}},
	{"guest-file-open", answer_open, {"path", "mode"}},
	{"guest-file-read", answer_read, {"handle", "count"}},
	{"guest-file-close", answer_close, {"handle"}},
	{"guest-file-write", NULL, {NULL}},
	{"guest-exec", NULL, {NULL}},
	{"guest-exec-status", NULL, {NULL}},
	{"guest-set-time", NULL, {NULL}},
	{"guest-set-vcpus", NULL, {NULL}},
	{"guest-set-memory-blocks", NULL, {NULL}},
	{"guest-shutdown", NULL, {NULL}},
};

#define NCOMMANDS (sizeof(commands) / sizeof(commands[0]))

static json_t *answer_info(struct asked *a)
{
	json_t *list = json_array();

	(void)a;
	for (size_t i = 0; i < NCOMMANDS; i++)
		json_array_append_new(list, json_pack("{s:s, s:b, s:b}", "name", commands[i].name,
						      "enabled", commands[i].answer != NULL,
						      "success-response", 1));
	return json_pack("{s:s, s:o}", "version", AGENT_VERSION, "supported_commands", list);
}

/* Fails where there is a parameter that the command does not know. */
static int check_parameters(struct asked *a, const char *const *known)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)a->arguments, name, value)
	{
		size_t i = 0;

		while (known[i] && strcmp(known[i], name))
			i++;
		if (!known[i]) {
			refuse(a, "Parameter '%s' is unexpected", name);
			return -1;
		}
	}
	return 0;
}

static json_t *obey(struct asked *a)
{
	for (size_t i = 0; i < NCOMMANDS; i++) {
		if (strcmp(commands[i].name, a->command))
			continue;
		if (!commands[i].answer)
			return refuse(a, "Command %s has been disabled", a->command);
		return check_parameters(a, commands[i].parameters) ? NULL : commands[i].answer(a);
	}
	return refuse(a, "The command %s has not been found", a->command);
}

/* --- the call --- */

/* Whether an agent is at the other end; it fails where none is. */
static int check_agent(struct call *c, size_t place)
{
	enum model_state state;

	c->id = world_guest(driver_world(), place)->id; /* others may have had their turn */
	state = model_guest_state(driver_model(), c->id);
	if (state != MODEL_GUEST_RUNNING) {
		call_fail_off(c);
		c->from = VIR_FROM_QEMU;
		return -1;
	}
	if (c->state->agent_lost == world_guest(driver_world(), place)->starts)
		return call_fail(c, VIR_ERR_AGENT_UNRESPONSIVE,
				 "QEMU guest agent is not available due to an error");
	if (!model_guest_connected(driver_model(), c->id))
		return call_fail(c, VIR_ERR_AGENT_UNRESPONSIVE,
				 "QEMU guest agent is not connected");
	return 0;
}

/* A guest that hangs may come round while the caller waits. */
static int wait_for_agent(struct call *c, size_t place, int timeout_s)
{
	uint64_t deadline_ns = UINT64_MAX, now;

	if (timeout_s == VIR_DOMAIN_QEMU_AGENT_COMMAND_DEFAULT)
		timeout_s = TIMEOUT_DEFAULT_S;
	if (timeout_s >= 0)
		deadline_ns = driver_now() + (uint64_t)timeout_s * MODEL_NS_PER_S;
	for (;;) {
		if (check_agent(c, place))
			return -1;
		if (model_guest_ready(driver_model(), c->id))
			return 0;
		now = driver_now();
		if (now >= deadline_ns)
			return call_fail(c, VIR_ERR_AGENT_UNRESPONSIVE,
					 "Guest agent not available for now");
		driver_wait(now + LOOK_NS < deadline_ns ? now + LOOK_NS : deadline_ns);
	}
}

/* What the agent says of a command that is none. */
static void refuse_input(struct asked *a, const json_t *command)
{
	if (!json_is_object(command))
		refuse(a, "QMP input must be a JSON object");
	else if (!json_object_get(command, "execute"))
		refuse(a, "QMP input lacks member 'execute'");
	else
		refuse(a, "QMP input member 'execute' must be a string");
}

/* The agent's answer as text; NULL where it failed. */
static char *ask(struct call *c, size_t place, const json_t *command)
{
	struct asked a = {
		.place = place,
		.id = c->id,
		.command = json_string_value(json_object_get(command, "execute")),
		.arguments = json_object_get(command, "arguments"),
	};
	json_t *answer = NULL;
	char *text;

	model_spend(driver_model(), a.id, WORLD_AGENT_NS);
	if (a.command)
		answer = obey(&a);
	else
		refuse_input(&a, command);
	if (a.broken) {
		json_decref(answer);
		c->state->agent_lost = world_guest(driver_world(), place)->starts;
		c->from = VIR_FROM_NONE;
		call_fail(c, VIR_ERR_INTERNAL_ERROR,
			  "cannot parse json: lexical error: invalid char in json text.");
		return NULL;
	}
	if (!answer) {
		call_fail(c, VIR_ERR_INTERNAL_ERROR,
			  "unable to execute QEMU agent command '%s': %s",
			  a.command ? a.command : "<unknown>", a.error);
		return NULL;
	}
	answer = json_pack("{s:o}", "return", answer);
	text = json_dumps(answer, JSON_COMPACT);
	json_decref(answer);
	return text;
}

char *driver_domain_qemu_agent_command(struct domain *domain, const char *cmd, int timeout,
				       unsigned int flags)
{
	json_t *command = NULL;
	char *answer = NULL;
	json_error_t error;
	struct call c;

	if (call_begin_domain(&c, "virDomainQemuAgentCommand", domain, CALL_WRITES)) {
		if (c.code == VIR_ERR_OPERATION_DENIED)
			c.from = VIR_FROM_NONE;
		return call_pointer(&c, NULL, NULL);
	}
	if (!cmd) {
		c.from = VIR_FROM_RPC;
		call_fail(&c, VIR_ERR_RPC, "Unable to encode message payload");
	}
	if (c.code || call_check_flags(&c, flags, 0))
		return call_pointer(&c, NULL, NULL);
	call_arguments(&c, "{s:s, s:i}", "cmd", cmd, "timeout", timeout);
	if (check_agent(&c, domain->place))
		return call_pointer(&c, NULL, NULL);
	command = json_loads(cmd, JSON_REJECT_DUPLICATES, &error);
	if (!command) {
		c.from = VIR_FROM_NONE;
		call_fail(&c, VIR_ERR_INTERNAL_ERROR, "cannot parse json %s: %s", cmd, error.text);
	} else if (timeout < VIR_DOMAIN_QEMU_AGENT_COMMAND_MIN)
		call_fail(&c, VIR_ERR_INVALID_ARG,
			  "guest agent timeout '%d' is less than the minimum '%d'", timeout,
			  VIR_DOMAIN_QEMU_AGENT_COMMAND_MIN);
	else if (wait_for_agent(&c, domain->place, timeout) == 0)
		answer = ask(&c, domain->place, command);
	json_decref(command);
	return call_pointer(&c, answer, answer);
}

/* It is for calls that ask the agent in libvirt's own words; none of them is simulated. */
int driver_domain_agent_set_response_timeout(struct domain *domain, int timeout, unsigned int flags)
{
	struct call c;

	if (call_begin_domain(&c, "virDomainAgentSetResponseTimeout", domain, CALL_WRITES) ||
	    call_check_flags(&c, flags, 0))
		return call_int(&c, -1);
	call_arguments(&c, "{s:i}", "timeout", timeout);
	if (timeout < VIR_DOMAIN_AGENT_RESPONSE_TIMEOUT_BLOCK)
		return call_int(&c,
				call_fail(&c, VIR_ERR_INVALID_ARG,
					  "guest agent timeout '%d' is less than the minimum '%d'",
					  timeout, VIR_DOMAIN_AGENT_RESPONSE_TIMEOUT_BLOCK));
	return call_int(&c, 0);
}
