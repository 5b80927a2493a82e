/* SPDX-License-Identifier: MIT */
/* Domains: finding them, what they are, what state they are in, and changing that. */
#include "api.h"

#include "preload/sim.h"

#include <stdlib.h>
#include <string.h>

/* --- finding --- */

static virDomainPtr found(struct call *c, size_t place)
{
	return call_pointer(c, domain_new(c->conn, place),
			    world_guest(api_world(), place)->config->name);
}

static virDomainPtr not_found(struct call *c)
{
	return call_pointer(c, NULL, NULL);
}

EXPORT virDomainPtr virDomainLookupByName(virConnectPtr conn, const char *name)
{
	struct call c;

	if (call_begin(&c, __func__, conn, CALL_REMOTE) || call_check_pointer(&c, name, "name"))
		return not_found(&c);
	call_arguments(&c, "{s:s}", "name", name);
	for (size_t i = 0; i < world_guests(api_world()); i++) {
		if (!strcmp(world_guest(api_world(), i)->config->name, name))
			return found(&c, i);
	}
	call_fail(&c, VIR_ERR_NO_DOMAIN, "no domain with matching name '%s'", name);
	return not_found(&c);
}

EXPORT virDomainPtr virDomainLookupByID(virConnectPtr conn, int id)
{
	struct call c;

	if (call_begin(&c, __func__, conn, CALL_REMOTE))
		return not_found(&c);
	call_arguments(&c, "{s:i}", "id", id);
	for (size_t i = 0; id >= 0 && i < world_guests(api_world()); i++) {
		if (guest_at(i)->id == id)
			return found(&c, i);
	}
	if (call_check_not_negative(&c, id, "id") == 0)
		call_fail(&c, VIR_ERR_NO_DOMAIN, "no domain with matching id %d", id);
	return not_found(&c);
}

static virDomainPtr lookup_uuid(struct call *c, const unsigned char *uuid)
{
	char text[VIR_UUID_STRING_BUFLEN];

	uuid_format(uuid, text);
	call_arguments(c, "{s:s}", "uuid", text);
	for (size_t i = 0; i < world_guests(api_world()); i++) {
		if (!memcmp(world_guest(api_world(), i)->uuid, uuid, VIR_UUID_BUFLEN))
			return found(c, i);
	}
	call_fail(c, VIR_ERR_NO_DOMAIN, "no domain with matching uuid '%s'", text);
	return not_found(c);
}

EXPORT virDomainPtr virDomainLookupByUUID(virConnectPtr conn, const unsigned char *uuid)
{
	struct call c;

	if (call_begin(&c, __func__, conn, CALL_REMOTE) || call_check_pointer(&c, uuid, "uuid"))
		return not_found(&c);
	return lookup_uuid(&c, uuid);
}

/* 32 hexadecimal digits, with any hyphens and spaces between them. */
static bool parse_uuid(const char *text, unsigned char *uuid)
{
	unsigned int digits = 0;

	for (; *text; text++) {
		int value;

		if (*text == '-' || *text == ' ')
			continue;
		if (*text >= '0' && *text <= '9')
			value = *text - '0';
		else if (*text >= 'a' && *text <= 'f')
			value = *text - 'a' + 10;
		else if (*text >= 'A' && *text <= 'F')
			value = *text - 'A' + 10;
		else
			return false;
		if (digits == 2 * VIR_UUID_BUFLEN)
			return false;
		uuid[digits / 2] =
			(unsigned char)(digits % 2 ? uuid[digits / 2] | value : value << 4);
		digits++;
	}
	return digits == 2 * VIR_UUID_BUFLEN;
}

EXPORT virDomainPtr virDomainLookupByUUIDString(virConnectPtr conn, const char *text)
{
	unsigned char uuid[VIR_UUID_BUFLEN];
	struct call c;

	if (call_begin(&c, __func__, conn, CALL_REMOTE) || call_check_pointer(&c, text, "uuidstr"))
		return not_found(&c);
	if (!parse_uuid(text, uuid)) {
		call_fail_argument(&c, "Invalid UUID");
		return not_found(&c);
	}
	return lookup_uuid(&c, uuid);
}

/* --- handles --- */

EXPORT int virDomainFree(virDomainPtr domain)
{
	struct call c;

	if (call_begin_domain(&c, __func__, domain, CALL_LOCAL))
		return call_int(&c, -1);
	c.conn = NULL;
	domain_release(domain);
	return call_int(&c, 0);
}

EXPORT int virDomainRef(virDomainPtr domain)
{
	struct call c;

	if (call_begin_domain(&c, __func__, domain, CALL_LOCAL))
		return call_int(&c, -1);
	domain->references++;
	return call_int(&c, 0);
}

EXPORT virConnectPtr virDomainGetConnect(virDomainPtr domain)
{
	struct call c;

	if (call_begin_domain(&c, __func__, domain, CALL_LOCAL))
		return call_pointer(&c, NULL, NULL);
	return call_pointer(&c, domain->conn, domain->conn->uri);
}

EXPORT const char *virDomainGetName(virDomainPtr domain)
{
	struct call c;

	if (call_begin_domain(&c, __func__, domain, CALL_LOCAL))
		return call_pointer(&c, NULL, NULL);
	return call_pointer(&c, (char *)domain->name, domain->name);
}

EXPORT int virDomainGetUUID(virDomainPtr domain, unsigned char *uuid)
{
	struct call c;

	if (call_begin_domain(&c, __func__, domain, CALL_LOCAL) ||
	    call_check_pointer(&c, uuid, "uuid"))
		return call_int(&c, -1);
	memcpy(uuid, domain->uuid, VIR_UUID_BUFLEN);
	return call_int(&c, 0);
}

EXPORT int virDomainGetUUIDString(virDomainPtr domain, char *buf)
{
	struct call c;

	if (call_begin_domain(&c, __func__, domain, CALL_LOCAL) ||
	    call_check_pointer(&c, buf, "buf"))
		return call_int(&c, -1);
	uuid_format(domain->uuid, buf);
	return call_int(&c, 0);
}

EXPORT unsigned int virDomainGetID(virDomainPtr domain)
{
	struct call c;

	return (unsigned int)call_int(
		&c, call_begin_domain(&c, __func__, domain, CALL_LOCAL) ? -1 : domain->id);
}

/* --- what they are --- */

EXPORT char *virDomainGetOSType(virDomainPtr domain)
{
	struct call c;

	if (call_begin_domain(&c, __func__, domain, CALL_REMOTE))
		return call_pointer(&c, NULL, NULL);
	return call_pointer(&c, strdup("hvm"), "hvm");
}

static int answer(virDomainPtr domain, const char *function, unsigned int flags, int value)
{
	struct call c;

	if (call_begin_domain(&c, function, domain, CALL_REMOTE) || call_check_flags(&c, flags, 0))
		return call_int(&c, -1);
	return call_int(&c, value);
}

EXPORT int virDomainIsPersistent(virDomainPtr domain)
{
	return answer(domain, __func__, 0, 1);
}

EXPORT int virDomainIsUpdated(virDomainPtr domain)
{
	return answer(domain, __func__, 0, 0);
}

EXPORT int virDomainIsActive(virDomainPtr domain)
{
	struct call c;

	return call_int(&c, call_begin_domain(&c, __func__, domain, CALL_REMOTE)
				    ? -1
				    : guest_running(domain->place));
}

EXPORT int virDomainHasManagedSaveImage(virDomainPtr domain, unsigned int flags)
{
	return answer(domain, __func__, flags, 0);
}

EXPORT int virDomainHasCurrentSnapshot(virDomainPtr domain, unsigned int flags)
{
	return answer(domain, __func__, flags, 0);
}

EXPORT int virDomainGetAutostart(virDomainPtr domain, int *autostart)
{
	struct call c;

	if (call_begin_domain(&c, __func__, domain, CALL_REMOTE) ||
	    call_check_pointer(&c, autostart, "autostart"))
		return call_int(&c, -1);
	*autostart = c.state->autostart;
	return call_int(&c, 0);
}

EXPORT int virDomainSetAutostart(virDomainPtr domain, int autostart)
{
	struct call c;

	if (call_begin_domain(&c, __func__, domain, CALL_REMOTE | CALL_WRITES))
		return call_int(&c, -1);
	call_arguments(&c, "{s:b}", "autostart", autostart);
	c.noop = c.state->autostart == !!autostart;
	c.state->autostart = autostart;
	return call_int(&c, 0);
}

EXPORT char *virDomainGetXMLDesc(virDomainPtr domain, unsigned int flags)
{
	struct call c;

	if (call_begin_domain(&c, __func__, domain, CALL_REMOTE))
		return call_pointer(&c, NULL, NULL);
	call_arguments(&c, "{s:i}", "flags", (int)flags);
	if (flags & (VIR_DOMAIN_XML_SECURE | VIR_DOMAIN_XML_MIGRATABLE) && c.conn->readonly) {
		c.from = VIR_FROM_DOMAIN;
		call_fail(&c, VIR_ERR_OPERATION_DENIED, "virDomainGetXMLDesc with secure flag");
	}
	if (c.code || call_check_flags(&c, flags, 0x1f))
		return call_pointer(&c, NULL, NULL);
	return call_pointer(&c,
			    xml_domain(domain->place, guest_running(domain->place) &&
							      !(flags & VIR_DOMAIN_XML_INACTIVE)),
			    "<domain>");
}

EXPORT int virDomainGetMessages(virDomainPtr domain, char ***messages, unsigned int flags)
{
	if (messages)
		*messages = NULL;
	return answer(domain, __func__, flags & ~3U, 0);
}

/* --- states --- */

int domain_state(size_t place, int *reason)
{
	switch (model_guest_state(api_model(), world_guest(api_world(), place)->id)) {
	case MODEL_GUEST_RUNNING:
		*reason = guest_at(place)->unpaused ? VIR_DOMAIN_RUNNING_UNPAUSED
						    : VIR_DOMAIN_RUNNING_BOOTED;
		return VIR_DOMAIN_RUNNING;
	case MODEL_GUEST_PAUSED:
		*reason = VIR_DOMAIN_PAUSED_USER;
		return VIR_DOMAIN_PAUSED;
	case MODEL_GUEST_CRASHED:
		*reason = VIR_DOMAIN_SHUTOFF_CRASHED;
		return VIR_DOMAIN_SHUTOFF;
	default:
		*reason = world_guest(api_world(), place)->starts ? VIR_DOMAIN_SHUTOFF_DESTROYED
								  : VIR_DOMAIN_SHUTOFF_UNKNOWN;
		return VIR_DOMAIN_SHUTOFF;
	}
}

EXPORT int virDomainGetState(virDomainPtr domain, int *state, int *reason, unsigned int flags)
{
	struct call c;
	int why;

	if (call_begin_domain(&c, __func__, domain, CALL_REMOTE) ||
	    call_check_pointer(&c, state, "state") || call_check_flags(&c, flags, 0))
		return call_int(&c, -1);
	*state = domain_state(domain->place, &why);
	if (reason)
		*reason = why;
	return call_int(&c, 0);
}

EXPORT int virDomainGetInfo(virDomainPtr domain, virDomainInfoPtr info)
{
	struct model_memory memory;
	struct model_process process;
	struct call c;
	int reason;

	if (call_begin_domain(&c, __func__, domain, CALL_REMOTE) ||
	    call_check_pointer(&c, info, "info"))
		return call_int(&c, -1);
	*info = (virDomainInfo){
		.state = (unsigned char)domain_state(domain->place, &reason),
		.maxMem = c.state->maximum_kib,
		.memory = c.state->memory_kib,
		.nrVirtCpu = (unsigned short)model_guest_vcpus(api_model(), c.id),
	};
	if (!guest_running(domain->place))
		return call_int(&c, 0);
	model_memory_read(api_model(), c.id, &memory);
	info->maxMem = memory.maximum_kib;
	info->memory = memory.actual_kib;
	/* libvirt reads it in clock ticks. */
	model_process_read(api_model(), c.id, &process);
	info->cpuTime = process.time_ns / MODEL_TICK_NS * MODEL_TICK_NS;
	return call_int(&c, 0);
}

EXPORT int virDomainGetControlInfo(virDomainPtr domain, virDomainControlInfoPtr info,
				   unsigned int flags)
{
	const struct fault_hold *hold;
	struct call c;

	if (call_begin_domain(&c, __func__, domain, CALL_REMOTE) ||
	    call_check_pointer(&c, info, "info") || call_check_flags(&c, flags, 0))
		return call_int(&c, -1);
	if (!guest_running(domain->place))
		return call_int(&c, call_fail_off(&c));
	*info = (virDomainControlInfo){.state = VIR_DOMAIN_CONTROL_OK};
	hold = call_hold(domain->place);
	if (hold) {
		info->state = hold->stopped ? VIR_DOMAIN_CONTROL_OCCUPIED : VIR_DOMAIN_CONTROL_JOB;
		info->stateTime = (unsigned int)((sim_now() - hold->window.from_ns) / 1000000);
	}
	return call_int(&c, 0);
}

/* --- changing them --- */

static int change(virDomainPtr domain, const char *function, unsigned int flags,
		  unsigned int allowed, void (*act)(struct model *m, unsigned int guest))
{
	struct call c;

	if (call_begin_domain(&c, function, domain, CALL_REMOTE | CALL_WRITES))
		return call_int(&c, -1);
	call_arguments(&c, "{s:i}", "flags", (int)flags);
	if (call_check_flags(&c, flags, allowed))
		return call_int(&c, -1);
	if (!guest_running(domain->place))
		return call_int(&c, call_fail_off(&c));
	if (act == model_guest_resume &&
	    model_guest_state(api_model(), c.id) == MODEL_GUEST_RUNNING)
		return call_int(
			&c, call_fail(&c, VIR_ERR_OPERATION_INVALID, "domain is already running"));
	act(api_model(), c.id);
	return call_int(&c, 0);
}

EXPORT int virDomainSuspend(virDomainPtr domain)
{
	return change(domain, __func__, 0, 0, model_guest_pause);
}

EXPORT int virDomainResume(virDomainPtr domain)
{
	return change(domain, __func__, 0, 0, model_guest_resume);
}

EXPORT int virDomainDestroy(virDomainPtr domain)
{
	return change(domain, __func__, 0, 0, model_guest_stop);
}

EXPORT int virDomainDestroyFlags(virDomainPtr domain, unsigned int flags)
{
	return change(domain, __func__, flags,
		      VIR_DOMAIN_DESTROY_GRACEFUL | VIR_DOMAIN_DESTROY_REMOVE_LOGS,
		      model_guest_stop);
}

/* A guest of the model goes down at once. */
EXPORT int virDomainShutdown(virDomainPtr domain)
{
	return change(domain, __func__, 0, 0, model_guest_stop);
}

EXPORT int virDomainShutdownFlags(virDomainPtr domain, unsigned int flags)
{
	return change(domain, __func__, flags,
		      VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN | VIR_DOMAIN_SHUTDOWN_GUEST_AGENT,
		      model_guest_stop);
}

EXPORT int virDomainReboot(virDomainPtr domain, unsigned int flags)
{
	return change(domain, __func__, flags,
		      VIR_DOMAIN_REBOOT_ACPI_POWER_BTN | VIR_DOMAIN_REBOOT_GUEST_AGENT,
		      model_guest_reboot);
}

EXPORT int virDomainReset(virDomainPtr domain, unsigned int flags)
{
	return change(domain, __func__, flags, 0, model_guest_reboot);
}

static int create(virDomainPtr domain, const char *function, unsigned int flags)
{
	struct call c;

	if (call_begin_domain(&c, function, domain, CALL_REMOTE | CALL_WRITES))
		return call_int(&c, -1);
	call_arguments(&c, "{s:i}", "flags", (int)flags);
	if (guest_running(domain->place))
		return call_int(
			&c, call_fail(&c, VIR_ERR_OPERATION_INVALID, "domain is already running"));
	if (model_guest_start(api_model(), c.id, false))
		return call_int(&c, call_fail(&c, VIR_ERR_OPERATION_FAILED,
					      "the host cannot start '%s'", domain->name));
	domain->id = c.state->id;
	return call_int(&c, 0);
}

EXPORT int virDomainCreate(virDomainPtr domain)
{
	return create(domain, __func__, 0);
}

EXPORT int virDomainCreateWithFlags(virDomainPtr domain, unsigned int flags)
{
	return create(domain, __func__, flags);
}
