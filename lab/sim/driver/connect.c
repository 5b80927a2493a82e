/* SPDX-License-Identifier: MIT */
/* Opening and closing connections, what they say of themselves, and lists of domains. */
#include "driver.h"

#include <libxml/uri.h>
#include <stdlib.h>
#include <string.h>

#define HYPERVISOR	   "QEMU"
#define HYPERVISOR_VERSION 7002000
#define DEFAULT_URI	   "qemu:///system"

/* --- opening --- */

/* Every way to the local QEMU driver leads here. */
static bool is_local_qemu(const char *uri)
{
	const char *rest;

	if (strncmp(uri, "qemu", 4))
		return false;
	rest = uri + 4;
	if (!strncmp(rest, "+unix", 5))
		rest += 5;
	if (strncmp(rest, ":///", 4))
		return false;
	rest += 4;
	return !strncmp(rest, "system", 6) || !strncmp(rest, "session", 7);
}

struct client *driver_connect_open(const char *uri, bool readonly)
{
	struct call c;
	struct client *conn = NULL;
	const char *error;
	xmlURIPtr parsed;
	const char *function = readonly ? "virConnectOpenReadOnly" : "virConnectOpen";

	call_begin_bare(&c, function);
	if (!uri || !*uri)
		uri = DEFAULT_URI;
	call_arguments(&c, "{s:s, s:i}", "uri", uri, "flags", 0);
	parsed = xmlParseURI(uri);
	xmlFreeURI(parsed);
	error = faults_call(&driver_play()->faults, function, driver_now());
	if (is_local_qemu(uri))
		call_wait(faults_stalled(&driver_play()->faults, driver_now()));
	c.from = is_local_qemu(uri) ? VIR_FROM_RPC : VIR_FROM_NONE;
	if (!parsed) {
		c.from = VIR_FROM_URI;
		call_fail(&c, VIR_ERR_INTERNAL_ERROR, "Unable to parse URI %s", uri);
	} else if (!is_local_qemu(uri))
		call_fail(&c, VIR_ERR_NO_CONNECT, "%s", uri);
	else if (faults_down(&driver_play()->faults, driver_now()))
		call_fail(&c, VIR_ERR_SYSTEM_ERROR,
			  "Failed to connect socket to '/var/run/libvirt/libvirt-sock%s': "
			  "Connection refused",
			  readonly ? "-ro" : "");
	else if (error)
		call_fail(&c, error_code(error), "injected by the scenario");
	else
		conn = client_new(uri, readonly);
	if (conn)
		conn->restarts = faults_restarts(&driver_play()->faults, driver_now());
	return call_pointer(&c, conn, uri);
}

/* --- what it is --- */

static char *text_call(struct client *conn, const char *function, const char *text)
{
	struct call c;

	if (call_begin(&c, function, conn, CALL_READS))
		return call_pointer(&c, NULL, NULL);
	return call_pointer(&c, strdup(text), text);
}

char *driver_connect_get_uri(struct client *conn)
{
	return text_call(conn, "virConnectGetURI", conn->uri);
}

char *driver_connect_get_hostname(struct client *conn)
{
	return text_call(conn, "virConnectGetHostname", PLAY_HOST_NAME);
}

const char *driver_connect_get_type(struct client *conn)
{
	struct call c;

	if (call_begin(&c, "virConnectGetType", conn, CALL_READS))
		return call_pointer(&c, NULL, NULL);
	return call_pointer(&c, (char *)HYPERVISOR, HYPERVISOR);
}

static int version_call(struct client *conn, const char *function, unsigned long *out,
			unsigned long version)
{
	struct call c;

	if (call_begin(&c, function, conn, CALL_READS) ||
	    call_check_pointer(&c, out, strstr(function, "Lib") ? "libVer" : "hvVer"))
		return call_int(&c, -1);
	*out = version;
	return call_int(&c, 0);
}

int driver_connect_get_version(struct client *conn, unsigned long *version)
{
	return version_call(conn, "virConnectGetVersion", version, HYPERVISOR_VERSION);
}

int driver_connect_get_lib_version(struct client *conn, unsigned long *version)
{
	return version_call(conn, "virConnectGetLibVersion", version, LIBVIR_VERSION_NUMBER);
}

int driver_connect_get_max_vcpus(struct client *conn, const char *type)
{
	struct call c;

	if (call_begin(&c, "virConnectGetMaxVcpus", conn, CALL_READS))
		return call_int(&c, -1);
	if (!type || !strcasecmp(type, "qemu"))
		return call_int(&c, 16);
	if (!strcasecmp(type, "kvm"))
		return call_int(&c, 1024);
	return call_int(&c, call_fail(&c, VIR_ERR_INVALID_ARG, "unknown type '%s'", type));
}

char *driver_connect_get_capabilities(struct client *conn)
{
	struct call c;

	if (call_begin(&c, "virConnectGetCapabilities", conn, CALL_READS))
		return call_pointer(&c, NULL, NULL);
	return call_pointer(&c, xml_capabilities(), "<capabilities>");
}

/* --- lists of domains --- */

#define LIST_ACTIVITY	(VIR_CONNECT_LIST_DOMAINS_ACTIVE | VIR_CONNECT_LIST_DOMAINS_INACTIVE)
#define LIST_PERSISTENT (VIR_CONNECT_LIST_DOMAINS_PERSISTENT | VIR_CONNECT_LIST_DOMAINS_TRANSIENT)
#define LIST_STATES                                                                                \
	(VIR_CONNECT_LIST_DOMAINS_RUNNING | VIR_CONNECT_LIST_DOMAINS_PAUSED |                      \
	 VIR_CONNECT_LIST_DOMAINS_SHUTOFF | VIR_CONNECT_LIST_DOMAINS_OTHER)
#define LIST_AUTOSTART (VIR_CONNECT_LIST_DOMAINS_AUTOSTART | VIR_CONNECT_LIST_DOMAINS_NO_AUTOSTART)
#define LIST_KEPT                                                                                  \
	(VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE | VIR_CONNECT_LIST_DOMAINS_NO_MANAGEDSAVE |          \
	 VIR_CONNECT_LIST_DOMAINS_HAS_SNAPSHOT | VIR_CONNECT_LIST_DOMAINS_NO_SNAPSHOT |            \
	 VIR_CONNECT_LIST_DOMAINS_HAS_CHECKPOINT | VIR_CONNECT_LIST_DOMAINS_NO_CHECKPOINT)
#define LIST_FLAGS (LIST_ACTIVITY | LIST_PERSISTENT | LIST_STATES | LIST_AUTOSTART | LIST_KEPT)

/* Of each group of flags that was given, one must fit. */
static bool fits(unsigned int flags, unsigned int group, unsigned int is)
{
	return !(flags & group) || flags & is;
}

bool guest_listed(size_t place, unsigned int flags)
{
	enum model_state state =
		model_guest_state(driver_model(), world_guest(driver_world(), place)->id);
	bool running = guest_running(place);

	return fits(flags, LIST_ACTIVITY,
		    running ? VIR_CONNECT_LIST_DOMAINS_ACTIVE
			    : VIR_CONNECT_LIST_DOMAINS_INACTIVE) &&
	       fits(flags, LIST_PERSISTENT, VIR_CONNECT_LIST_DOMAINS_PERSISTENT) &&
	       fits(flags, LIST_STATES,
		    state == MODEL_GUEST_RUNNING  ? VIR_CONNECT_LIST_DOMAINS_RUNNING
		    : state == MODEL_GUEST_PAUSED ? VIR_CONNECT_LIST_DOMAINS_PAUSED
						  : VIR_CONNECT_LIST_DOMAINS_SHUTOFF) &&
	       fits(flags, LIST_AUTOSTART,
		    guest_at(place)->autostart ? VIR_CONNECT_LIST_DOMAINS_AUTOSTART
					       : VIR_CONNECT_LIST_DOMAINS_NO_AUTOSTART) &&
	       fits(flags,
		    VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE | VIR_CONNECT_LIST_DOMAINS_NO_MANAGEDSAVE,
		    VIR_CONNECT_LIST_DOMAINS_NO_MANAGEDSAVE) &&
	       fits(flags,
		    VIR_CONNECT_LIST_DOMAINS_HAS_SNAPSHOT | VIR_CONNECT_LIST_DOMAINS_NO_SNAPSHOT,
		    VIR_CONNECT_LIST_DOMAINS_NO_SNAPSHOT) &&
	       fits(flags,
		    VIR_CONNECT_LIST_DOMAINS_HAS_CHECKPOINT |
			    VIR_CONNECT_LIST_DOMAINS_NO_CHECKPOINT,
		    VIR_CONNECT_LIST_DOMAINS_NO_CHECKPOINT);
}

int driver_connect_list_all_domains(struct client *conn, struct domain ***domains,
				    unsigned int flags)
{
	struct call c;
	size_t count, n = 0;
	const size_t *order;
	struct domain **list;

	if (call_begin(&c, "virConnectListAllDomains", conn, CALL_READS))
		return call_int(&c, -1);
	call_arguments(&c, "{s:i}", "flags", (int)flags);
	if (domains)
		*domains = NULL;
	if (call_check_flags(&c, flags, LIST_FLAGS))
		return call_int(&c, -1);
	order = guests_in_order(&count);
	list = calloc(count + 1, sizeof(*list));
	for (size_t i = 0; list && i < count; i++) {
		if (!guest_listed(order[i], flags))
			continue;
		if (domains)
			list[n] = domain_new(conn, order[i]);
		n++;
	}
	if (domains)
		*domains = list;
	else
		free(list);
	return call_int(&c, (int)n);
}

static int count_domains(struct client *conn, const char *function, unsigned int flags)
{
	struct call c;
	size_t count, n = 0;
	const size_t *order;

	if (call_begin(&c, function, conn, CALL_READS))
		return call_int(&c, -1);
	order = guests_in_order(&count);
	for (size_t i = 0; i < count; i++)
		n += guest_listed(order[i], flags);
	return call_int(&c, (int)n);
}

int driver_connect_num_of_domains(struct client *conn)
{
	return count_domains(conn, "virConnectNumOfDomains", VIR_CONNECT_LIST_DOMAINS_ACTIVE);
}

int driver_connect_num_of_defined_domains(struct client *conn)
{
	return count_domains(conn, "virConnectNumOfDefinedDomains",
			     VIR_CONNECT_LIST_DOMAINS_INACTIVE);
}

int driver_connect_list_domains(struct client *conn, int *ids, int most)
{
	struct call c;
	size_t count;
	const size_t *order;
	int n = 0;

	if (call_begin(&c, "virConnectListDomains", conn, CALL_READS) ||
	    call_check_pointer(&c, ids, "ids") || call_check_not_negative(&c, most, "maxids"))
		return call_int(&c, -1);
	call_arguments(&c, "{s:i}", "maxids", most);
	order = guests_in_order(&count);
	for (size_t i = 0; i < count && n < most; i++) {
		if (guest_running(order[i]))
			ids[n++] = guest_at(order[i])->id;
	}
	return call_int(&c, n);
}

int driver_connect_list_defined_domains(struct client *conn, char **const names, int most)
{
	struct call c;
	size_t count;
	const size_t *order;
	int n = 0;

	if (call_begin(&c, "virConnectListDefinedDomains", conn, CALL_READS) ||
	    call_check_pointer(&c, names, "names") || call_check_not_negative(&c, most, "maxnames"))
		return call_int(&c, -1);
	order = guests_in_order(&count);
	for (size_t i = 0; i < count && n < most; i++) {
		if (!guest_running(order[i]))
			names[n++] = strdup(world_guest(driver_world(), order[i])->config->name);
	}
	return call_int(&c, n);
}
