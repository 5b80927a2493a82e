/* SPDX-License-Identifier: MIT */
/*
 * Errors, kept where libvirt keeps them, so that its own virGetLastError() and the language
 * bindings find them. The library's virSetError() puts one there; it is not public, but exported
 * for libvirt's own tools.
 */
#include "api.h"

#include "world/call_faults.h"
#include "preload/sim.h"

#include <stdlib.h>
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

/* --- who wants to hear of them --- */

static virErrorFunc on_error;
static void *on_error_opaque;

EXPORT void virSetErrorFunc(void *opaque, virErrorFunc handler)
{
	on_error = handler;
	on_error_opaque = opaque;
	/* The real library's own errors, of typed parameters for instance, go the same way. */
	real(virSetErrorFunc)(opaque, handler);
}

EXPORT void virConnSetErrorFunc(virConnectPtr conn, void *opaque, virErrorFunc handler)
{
	if (!connect_valid(conn))
		return;
	conn->on_error = handler;
	conn->on_error_opaque = opaque;
}

static void keep(virConnectPtr conn)
{
	virResetError(&conn->last_error);
	virCopyLastError(&conn->last_error);
}

EXPORT virErrorPtr virConnGetLastError(virConnectPtr conn)
{
	return connect_valid(conn) && conn->last_error.code ? &conn->last_error : NULL;
}

EXPORT int virConnCopyLastError(virConnectPtr conn, virErrorPtr to)
{
	if (!connect_valid(conn) || !to)
		return -1;
	virResetError(to);
	if (!conn->last_error.code)
		return 0;
	*to = conn->last_error;
	to->message = conn->last_error.message ? strdup(conn->last_error.message) : NULL;
	to->str1 = to->str2 = to->str3 = NULL;
	return to->code;
}

EXPORT void virConnResetLastError(virConnectPtr conn)
{
	if (connect_valid(conn))
		virResetError(&conn->last_error);
}

/* --- raising --- */

static void set_last_error(virErrorPtr error)
{
	static void (*set)(virErrorPtr);

	if (!set)
		set = (void (*)(virErrorPtr))dlsym(RTLD_NEXT, "virSetError");
	if (!set)
		sim_fail("this libvirt exports no virSetError(): errors cannot be raised");
	set(error);
}

void error_raise(virConnectPtr conn, int from, int code, const char *message)
{
	char text[API_ERROR_MAX + 128];
	virError error = {
		.code = code,
		.domain = from,
		.level = VIR_ERR_ERROR,
		.message = text,
		.int1 = -1,
		.int2 = -1,
	};

	snprintf(text, sizeof(text), "%s", message);
	set_last_error(&error);
	if (conn)
		keep(conn);
	if (conn && conn->on_error)
		conn->on_error(conn->on_error_opaque, &error);
	else if (on_error)
		on_error(on_error_opaque, &error);
	else
		virDefaultErrorFunc(&error);
}
