/* SPDX-License-Identifier: MIT */
/* Domains: finding them, what they are, what state they are in, and changing that. */
#include "driver.h"

#include <stdlib.h>
#include <string.h>

/* --- finding --- */

static struct domain *found(struct call *c, size_t place)
{
	return call_pointer(c, domain_new(c->conn, place),
			    world_guest(driver_world(), place)->config->name);
}

static struct domain *not_found(struct call *c)
{
	return call_pointer(c, NULL, NULL);
}

struct domain *driver_domain_lookup_by_name(struct client *conn, const char *name)
{
	struct call c;

	if (call_begin(&c, "virDomainLookupByName", conn, CALL_READS) ||
	    call_check_pointer(&c, name, "name"))
		return not_found(&c);
	call_arguments(&c, "{s:s}", "name", name);
	for (size_t i = 0; i < world_guests(driver_world()); i++) {
		if (!strcmp(world_guest(driver_world(), i)->config->name, name))
			return found(&c, i);
	}
	call_fail(&c, VIR_ERR_NO_DOMAIN, "no domain with matching name '%s'", name);
	return not_found(&c);
}

struct domain *driver_domain_lookup_by_id(struct client *conn, int id)
{
	struct call c;

	if (call_begin(&c, "virDomainLookupByID", conn, CALL_READS))
		return not_found(&c);
	call_arguments(&c, "{s:i}", "id", id);
	for (size_t i = 0; id >= 0 && i < world_guests(driver_world()); i++) {
		if (guest_at(i)->id == id)
			return found(&c, i);
	}
	if (call_check_not_negative(&c, id, "id") == 0)
		call_fail(&c, VIR_ERR_NO_DOMAIN, "no domain with matching id %d", id);
	return not_found(&c);
}

static struct domain *lookup_uuid(struct call *c, const unsigned char *uuid)
{
	char text[VIR_UUID_STRING_BUFLEN];

	uuid_format(uuid, text);
	call_arguments(c, "{s:s}", "uuid", text);
	for (size_t i = 0; i < world_guests(driver_world()); i++) {
		if (!memcmp(world_guest(driver_world(), i)->uuid, uuid, VIR_UUID_BUFLEN))
			return found(c, i);
	}
	call_fail(c, VIR_ERR_NO_DOMAIN, "no domain with matching uuid '%s'", text);
	return not_found(c);
}

struct domain *driver_domain_lookup_by_uuid(struct client *conn, const unsigned char *uuid)
{
	struct call c;

	if (call_begin(&c, "virDomainLookupByUUID", conn, CALL_READS) ||
	    call_check_pointer(&c, uuid, "uuid"))
		return not_found(&c);
	return lookup_uuid(&c, uuid);
}

/* --- what they are --- */

char *driver_domain_get_os_type(struct domain *domain)
{
	struct call c;

	if (call_begin_domain(&c, "virDomainGetOSType", domain, CALL_READS))
		return call_pointer(&c, NULL, NULL);
	return call_pointer(&c, strdup("hvm"), "hvm");
}

static int answer(struct domain *domain, const char *function, unsigned int flags, int value)
{
	struct call c;

	if (call_begin_domain(&c, function, domain, CALL_READS) || call_check_flags(&c, flags, 0))
		return call_int(&c, -1);
	return call_int(&c, value);
}

int driver_domain_is_persistent(struct domain *domain)
{
	return answer(domain, "virDomainIsPersistent", 0, 1);
}

int driver_domain_is_updated(struct domain *domain)
{
	return answer(domain, "virDomainIsUpdated", 0, 0);
}

int driver_domain_is_active(struct domain *domain)
{
	struct call c;

	return call_int(&c, call_begin_domain(&c, "virDomainIsActive", domain, CALL_READS)
				    ? -1
				    : guest_running(domain->place));
}

int driver_domain_has_managed_save_image(struct domain *domain, unsigned int flags)
{
	return answer(domain, "virDomainHasManagedSaveImage", flags, 0);
}

int driver_domain_has_current_snapshot(struct domain *domain, unsigned int flags)
{
	return answer(domain, "virDomainHasCurrentSnapshot", flags, 0);
}

int driver_domain_get_autostart(struct domain *domain, int *autostart)
{
	struct call c;

	if (call_begin_domain(&c, "virDomainGetAutostart", domain, CALL_READS) ||
	    call_check_pointer(&c, autostart, "autostart"))
		return call_int(&c, -1);
	*autostart = c.state->autostart;
	return call_int(&c, 0);
}

int driver_domain_set_autostart(struct domain *domain, int autostart)
{
	struct call c;

	if (call_begin_domain(&c, "virDomainSetAutostart", domain, CALL_WRITES))
		return call_int(&c, -1);
	call_arguments(&c, "{s:b}", "autostart", autostart);
	c.noop = c.state->autostart == !!autostart;
	c.state->autostart = autostart;
	return call_int(&c, 0);
}

char *driver_domain_get_xml_desc(struct domain *domain, unsigned int flags)
{
	struct call c;

	if (call_begin_domain(&c, "virDomainGetXMLDesc", domain, CALL_READS))
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

int driver_domain_get_messages(struct domain *domain, char ***messages, unsigned int flags)
{
	if (messages)
		*messages = NULL;
	return answer(domain, "virDomainGetMessages", flags & ~3U, 0);
}

/* --- states --- */

int domain_state(size_t place, int *reason)
{
	switch (model_guest_state(driver_model(), world_guest(driver_world(), place)->id)) {
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
		*reason = world_guest(driver_world(), place)->starts ? VIR_DOMAIN_SHUTOFF_DESTROYED
								     : VIR_DOMAIN_SHUTOFF_UNKNOWN;
		return VIR_DOMAIN_SHUTOFF;
	}
}

int driver_domain_get_state(struct domain *domain, int *state, int *reason, unsigned int flags)
{
	struct call c;
	int why;

	if (call_begin_domain(&c, "virDomainGetState", domain, CALL_READS) ||
	    call_check_pointer(&c, state, "state") || call_check_flags(&c, flags, 0))
		return call_int(&c, -1);
	*state = domain_state(domain->place, &why);
	if (reason)
		*reason = why;
	return call_int(&c, 0);
}

int driver_domain_get_info(struct domain *domain, virDomainInfoPtr info)
{
	struct model_memory memory;
	struct model_process process;
	struct call c;
	int reason;

	if (call_begin_domain(&c, "virDomainGetInfo", domain, CALL_READS) ||
	    call_check_pointer(&c, info, "info"))
		return call_int(&c, -1);
	*info = (virDomainInfo){
		.state = (unsigned char)domain_state(domain->place, &reason),
		.maxMem = c.state->maximum_kib,
		.memory = c.state->memory_kib,
		.nrVirtCpu = (unsigned short)model_guest_vcpus(driver_model(), c.id),
	};
	if (!guest_running(domain->place))
		return call_int(&c, 0);
	model_memory_read(driver_model(), c.id, &memory);
	info->maxMem = memory.maximum_kib;
	info->memory = memory.actual_kib;
	/* libvirt reads it in clock ticks. */
	model_process_read(driver_model(), c.id, &process);
	info->cpuTime = process.time_ns / MODEL_TICK_NS * MODEL_TICK_NS;
	return call_int(&c, 0);
}

int driver_domain_get_control_info(struct domain *domain, virDomainControlInfoPtr info,
				   unsigned int flags)
{
	const struct fault_hold *hold;
	struct call c;

	if (call_begin_domain(&c, "virDomainGetControlInfo", domain, CALL_READS) ||
	    call_check_pointer(&c, info, "info") || call_check_flags(&c, flags, 0))
		return call_int(&c, -1);
	if (!guest_running(domain->place))
		return call_int(&c, call_fail_off(&c));
	*info = (virDomainControlInfo){.state = VIR_DOMAIN_CONTROL_OK};
	hold = call_hold(domain->place);
	if (hold) {
		info->state = hold->stopped ? VIR_DOMAIN_CONTROL_OCCUPIED : VIR_DOMAIN_CONTROL_JOB;
		info->stateTime = (unsigned int)((driver_now() - hold->window.from_ns) / 1000000);
	}
	return call_int(&c, 0);
}

/* --- changing them --- */

static int change(struct domain *domain, const char *function, unsigned int flags,
		  unsigned int allowed, void (*act)(struct model *m, unsigned int guest))
{
	struct call c;

	if (call_begin_domain(&c, function, domain, CALL_WRITES))
		return call_int(&c, -1);
	call_arguments(&c, "{s:i}", "flags", (int)flags);
	if (call_check_flags(&c, flags, allowed))
		return call_int(&c, -1);
	if (!guest_running(domain->place))
		return call_int(&c, call_fail_off(&c));
	if (act == model_guest_resume &&
	    model_guest_state(driver_model(), c.id) == MODEL_GUEST_RUNNING)
		return call_int(
			&c, call_fail(&c, VIR_ERR_OPERATION_INVALID, "domain is already running"));
	act(driver_model(), c.id);
	return call_int(&c, 0);
}

int driver_domain_suspend(struct domain *domain)
{
	return change(domain, "virDomainSuspend", 0, 0, model_guest_pause);
}

int driver_domain_resume(struct domain *domain)
{
	return change(domain, "virDomainResume", 0, 0, model_guest_resume);
}

int driver_domain_destroy(struct domain *domain)
{
	return change(domain, "virDomainDestroy", 0, 0, model_guest_stop);
}

int driver_domain_destroy_flags(struct domain *domain, unsigned int flags)
{
	return change(domain, "virDomainDestroyFlags", flags,
		      VIR_DOMAIN_DESTROY_GRACEFUL | VIR_DOMAIN_DESTROY_REMOVE_LOGS,
		      model_guest_stop);
}

/* A guest of the model goes down at once. */
int driver_domain_shutdown(struct domain *domain)
{
	return change(domain, "virDomainShutdown", 0, 0, model_guest_stop);
}

int driver_domain_shutdown_flags(struct domain *domain, unsigned int flags)
{
	return change(domain, "virDomainShutdownFlags", flags,
		      VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN | VIR_DOMAIN_SHUTDOWN_GUEST_AGENT,
		      model_guest_stop);
}

int driver_domain_reboot(struct domain *domain, unsigned int flags)
{
	return change(domain, "virDomainReboot", flags,
		      VIR_DOMAIN_REBOOT_ACPI_POWER_BTN | VIR_DOMAIN_REBOOT_GUEST_AGENT,
		      model_guest_reboot);
}

int driver_domain_reset(struct domain *domain, unsigned int flags)
{
	return change(domain, "virDomainReset", flags, 0, model_guest_reboot);
}

static int create(struct domain *domain, const char *function, unsigned int flags)
{
	struct call c;

	if (call_begin_domain(&c, function, domain, CALL_WRITES))
		return call_int(&c, -1);
	call_arguments(&c, "{s:i}", "flags", (int)flags);
	if (guest_running(domain->place))
		return call_int(
			&c, call_fail(&c, VIR_ERR_OPERATION_INVALID, "domain is already running"));
	if (model_guest_start(driver_model(), c.id, false))
		return call_int(&c, call_fail(&c, VIR_ERR_OPERATION_FAILED,
					      "the host cannot start '%s'", domain->name));
	domain->id = c.state->id;
	return call_int(&c, 0);
}

int driver_domain_create(struct domain *domain)
{
	return create(domain, "virDomainCreate", 0);
}

int driver_domain_create_with_flags(struct domain *domain, unsigned int flags)
{
	return create(domain, "virDomainCreateWithFlags", flags);
}
