/* SPDX-License-Identifier: MIT */
/* The error of the call that is being answered, and how libvirt words such. */
#include "driver.h"

#include "world/call_faults.h"

#include <string.h>

/* The names of fault_error_names and what libvirt puts before messages of a code. */
static const struct {
	int code;
	const char *name;
	const char *prefix;
} codes[] = {
	{VIR_ERR_INTERNAL_ERROR, "internal_error", "internal error: "},
	{VIR_ERR_NO_MEMORY, "no_memory", "out of memory: "},
	{VIR_ERR_NO_SUPPORT, NULL, "this function is not supported by the connection driver: "},
	{VIR_ERR_NO_CONNECT, NULL, "no connection driver available for "},
	{VIR_ERR_INVALID_CONN, NULL, "invalid connection pointer in "},
	{VIR_ERR_INVALID_DOMAIN, NULL, "invalid domain pointer in "},
	{VIR_ERR_INVALID_ARG, "invalid_arg", "invalid argument: "},
	{VIR_ERR_OPERATION_FAILED, "operation_failed", "operation failed: "},
	{VIR_ERR_OPERATION_INVALID, "operation_invalid", "Requested operation is not valid: "},
	{VIR_ERR_OPERATION_DENIED, NULL, "operation forbidden: "},
	{VIR_ERR_OPERATION_TIMEOUT, "operation_timeout", "Timed out during operation: "},
	{VIR_ERR_OPERATION_UNSUPPORTED, NULL, "Operation not supported: "},
	{VIR_ERR_CONFIG_UNSUPPORTED, NULL, "unsupported configuration: "},
	{VIR_ERR_NO_DOMAIN, "no_domain", "Domain not found: "},
	{VIR_ERR_NO_DOMAIN_SNAPSHOT, NULL, "Domain snapshot not found: "},
	{VIR_ERR_NO_DOMAIN_METADATA, NULL, "metadata not found: "},
	{VIR_ERR_AGENT_UNRESPONSIVE, "agent_unresponsive", "Guest agent is not responding: "},
	{VIR_ERR_ACCESS_DENIED, "access_denied", "access denied: "},
	{VIR_ERR_ARGUMENT_UNSUPPORTED, NULL, "argument unsupported: "},
	{VIR_ERR_OVERFLOW, NULL, "numerical overflow: "},
	{VIR_ERR_RPC, NULL, ""},
	{VIR_ERR_XML_DETAIL, NULL, ""},
	{VIR_ERR_SYSTEM_ERROR, "system_error", ""},
};

const char *error_prefix(int code)
{
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		if (codes[i].code == code)
			return codes[i].prefix;
	}
	return "";
}

int error_code(const char *name)
{
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		if (codes[i].name && !strcmp(codes[i].name, name))
			return codes[i].code;
	}
	return VIR_ERR_INTERNAL_ERROR;
}

/* --- of the call --- */

static struct driver_error last;

const struct driver_error *driver_error(void)
{
	return &last;
}

void error_reset(void)
{
	last = (struct driver_error){.domain = VIR_FROM_NONE};
}

void error_raise(int from, int code, const char *message)
{
	last.code = code;
	last.domain = from;
	snprintf(last.message, sizeof(last.message), "%s", message);
}
