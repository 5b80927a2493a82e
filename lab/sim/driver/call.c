/* SPDX-License-Identifier: MIT */
/* What every call has in common: checks at its beginning, its error and its line in the trace at
 * its end. */
#include "driver.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* --- failing --- */

int call_fail(struct call *c, int code, const char *format, ...)
{
	va_list args;

	c->code = code;
	va_start(args, format);
	vsnprintf(c->message, sizeof(c->message), format, args);
	va_end(args);
	return -1;
}

int call_fail_argument(struct call *c, const char *format, ...)
{
	va_list args;

	c->code = VIR_ERR_INVALID_ARG;
	c->from = VIR_FROM_DOMAIN;
	c->whole = true;
	va_start(args, format);
	vsnprintf(c->message, sizeof(c->message), format, args);
	va_end(args);
	return -1;
}

/* The error comes from somewhere else than the hypervisor's driver. */
static int fail_from(struct call *c, int from, int code, const char *message)
{
	c->from = from;
	return call_fail(c, code, "%s", message);
}

int call_check_flags(struct call *c, unsigned int flags, unsigned int allowed)
{
	if (!(flags & ~allowed))
		return 0;
	/* It is the driver that looks: virDomainX is qemuDomainX there. */
	call_fail_argument(c, "unsupported flags (0x%x) in function qemu%s", flags & ~allowed,
			   c->function + strlen("vir"));
	c->from = VIR_FROM_QEMU;
	return -1;
}

int call_check_pointer(struct call *c, const void *pointer, const char *name)
{
	if (pointer)
		return 0;
	return call_fail_argument(c, "%s in %s must not be NULL", name, c->function);
}

int call_check_positive(struct call *c, long value, const char *name)
{
	if (value > 0)
		return 0;
	return call_fail_argument(c, "%s in %s must be greater than zero", name, c->function);
}

int call_check_not_negative(struct call *c, long value, const char *name)
{
	if (value >= 0)
		return 0;
	return call_fail_argument(c, "%s in %s must be zero or greater", name, c->function);
}

int call_check_exclusive(struct call *c, unsigned int flags)
{
	if ((flags & IMPACT) != IMPACT)
		return 0;
	return call_fail_argument(c, "Flags 'VIR_DOMAIN_AFFECT_LIVE' and "
				     "'VIR_DOMAIN_AFFECT_CONFIG' are mutually exclusive");
}

int call_check_impact(struct call *c, size_t place, unsigned int *flags)
{
	bool running = guest_running(place);

	if (!(*flags & IMPACT))
		*flags |= running ? VIR_DOMAIN_AFFECT_LIVE : VIR_DOMAIN_AFFECT_CONFIG;
	return *flags & VIR_DOMAIN_AFFECT_LIVE && !running ? call_fail_off(c) : 0;
}

/* --- beginning --- */

void call_begin_bare(struct call *c, const char *function)
{
	memset(c, 0, sizeof(*c));
	c->function = function;
	c->noop = -1;
	c->from = VIR_FROM_QEMU;
	c->recorded = driver_play()->tracing;
	error_reset();
}

static int call_fail_read_only(struct call *c)
{
	c->from = VIR_FROM_DOMAIN;
	return call_fail(c, VIR_ERR_OPERATION_DENIED, "read only access prevents %s", c->function);
}

/* libvirt waits that long for a guest that another operation holds. */
#define HELD_NS (30 * MODEL_NS_PER_S)

struct fault_hold *call_hold(size_t place)
{
	size_t count;

	guests_in_order(&count);
	return faults_hold(&driver_play()->faults, (unsigned int)place + 1, (unsigned int)count,
			   driver_now());
}

void call_wait(uint64_t until_ns)
{
	while (driver_now() < until_ns)
		driver_wait(until_ns);
}

/* A change of a guest waits for whoever holds it. */
static int wait_for_guest(struct call *c, size_t place)
{
	const struct fault_hold *hold = call_hold(place);
	uint64_t until_ns = driver_now() + HELD_NS;

	if (!hold)
		return 0;
	call_wait(hold->window.to_ns < until_ns ? hold->window.to_ns : until_ns);
	if (!call_hold(place))
		return 0;
	return call_fail(c, VIR_ERR_OPERATION_TIMEOUT,
			 "cannot acquire state change lock (held by "
			 "monitor=remoteDispatchDomainCoreDump)");
}

/* What stands between a client and libvirtd. */
static int reach(struct call *c, int kind)
{
	struct faults *faults = &driver_play()->faults;
	const char *error;

	if (kind & CALL_WRITES && c->conn->readonly)
		return call_fail_read_only(c);
	call_wait(faults_stalled(faults, driver_now()));
	if (c->conn->restarts != faults_restarts(faults, driver_now()))
		return fail_from(c, VIR_FROM_RPC, VIR_ERR_INTERNAL_ERROR,
				 "client socket is closed");
	error = faults_call(faults, c->function, driver_now());
	return error ? call_fail(c, error_code(error), "injected by the scenario") : 0;
}

int call_begin(struct call *c, const char *function, struct client *conn, int kind)
{
	call_begin_bare(c, function);
	c->conn = conn;
	return reach(c, kind);
}

static int find_guest(struct call *c, struct domain *domain)
{
	char uuid[VIR_UUID_STRING_BUFLEN];

	c->guest = world_guest(driver_world(), domain->place);
	c->state = guest_at(domain->place);
	c->id = c->guest->id;
	if (!memcmp(domain->uuid, c->guest->uuid, sizeof(domain->uuid)))
		return 0;
	return call_fail(c, VIR_ERR_NO_DOMAIN, "no domain with matching uuid '%s' (%s)",
			 uuid_format(domain->uuid, uuid), domain->name);
}

int call_fail_off(struct call *c)
{
	c->from = VIR_FROM_DOMAIN;
	return call_fail(c, VIR_ERR_OPERATION_INVALID, "domain is not running");
}

int call_begin_domain(struct call *c, const char *function, struct domain *domain, int kind)
{
	call_begin_bare(c, function);
	c->conn = domain->conn;
	call_arguments(c, "{s:s}", "domain", domain->name);
	if (reach(c, kind))
		return -1;
	if (find_guest(c, domain))
		return -1;
	return kind & CALL_WRITES ? wait_for_guest(c, domain->place) : 0;
}

void call_arguments(struct call *c, const char *format, ...)
{
	json_t *more;
	va_list args;

	if (!c->recorded)
		return;
	va_start(args, format);
	more = json_vpack_ex(NULL, 0, format, args);
	va_end(args);
	if (!c->arguments) {
		c->arguments = more;
		return;
	}
	json_object_update(c->arguments, more);
	json_decref(more);
}

/* --- ending --- */

static bool cuts;

bool driver_cuts(void)
{
	bool cut = cuts;

	cuts = false; /* what needs no call is no call's reply */
	return cut;
}

/* Takes over result's reference. */
static void end(struct call *c, json_t *result)
{
	char message[DRIVER_ERROR_MAX + 128], told[DRIVER_ERROR_MAX + 128];
	struct trace_event event;

	snprintf(message, sizeof(message), "%s%s", c->whole ? "" : error_prefix(c->code),
		 c->message);
	if (c->recorded) {
		event = trace_event(TRACE_CALL, c->guest ? c->guest->config->name : NULL);
		event.call.function = c->function;
		event.call.outcome = c->code ? TRACE_ERROR : TRACE_DONE;
		event.call.arguments = c->arguments;
		event.call.result = result;
		if (c->code) {
			snprintf(told, sizeof(told), "%s%s", error_prefix(c->code), c->message);
			event.call.error = told;
		} else {
			event.call.noop = c->noop;
		}
		play_event(driver_play(), event);
		json_decref(c->arguments);
	}
	json_decref(result);
	if (c->code)
		error_raise(c->from, c->code, message);
	cuts = faults_cut(&driver_play()->faults, c->function, driver_now());
}

int call_int(struct call *c, int result)
{
	end(c, c->recorded ? json_integer(result) : NULL);
	return result;
}

unsigned long long call_number(struct call *c, unsigned long long result)
{
	end(c, c->recorded ? json_integer((json_int_t)result) : NULL);
	return result;
}

void *call_pointer(struct call *c, void *result, const char *what)
{
	if (!result && !c->code)
		call_fail(c, VIR_ERR_NO_MEMORY, "%s", c->function);
	end(c, !c->recorded ? NULL : result ? json_string(what) : json_null());
	return result;
}

int call_unsupported(const char *function)
{
	struct call c;

	call_begin_bare(&c, function);
	return call_int(&c, fail_from(&c, VIR_FROM_NONE, VIR_ERR_NO_SUPPORT, function));
}

/* --- what the run tells --- */

void driver_start(void)
{
	guests_start();
}

void driver_on_event(const struct world_event *event)
{
	guests_on_event(event);
	events_on_event(event);
}
