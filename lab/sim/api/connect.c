/* SPDX-License-Identifier: MIT */
/* Opening and closing connections, what they say of themselves, and lists of domains. */
#include "api.h"

#include "preload/sim.h"

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

static virConnectPtr open_connection(const char *function, const char *uri, bool readonly,
				     unsigned int flags)
{
	struct call c;
	virConnectPtr conn = NULL;
	const char *error;
	xmlURIPtr parsed;

	call_begin_bare(&c, function, CALL_REMOTE);
	if (c.code)
		return call_pointer(&c, NULL, NULL);
	if (!uri || !*uri)
		uri = getenv("LIBVIRT_DEFAULT_URI");
	if (!uri || !*uri)
		uri = DEFAULT_URI;
	call_arguments(&c, "{s:s, s:i}", "uri", uri, "flags", (int)flags);
	parsed = xmlParseURI(uri);
	xmlFreeURI(parsed);
	error = faults_call(&sim_play()->faults, function, sim_now());
	if (is_local_qemu(uri))
		call_wait(faults_stalled(&sim_play()->faults, sim_now()));
	c.from = is_local_qemu(uri) ? VIR_FROM_RPC : VIR_FROM_NONE;
	if (!parsed) {
		c.from = VIR_FROM_URI;
		call_fail(&c, VIR_ERR_INTERNAL_ERROR, "Unable to parse URI %s", uri);
	} else if (!is_local_qemu(uri))
		call_fail(&c, VIR_ERR_NO_CONNECT, "%s", uri);
	else if (faults_down(&sim_play()->faults, sim_now()))
		call_fail(&c, VIR_ERR_SYSTEM_ERROR,
			  "Failed to connect socket to '/var/run/libvirt/libvirt-sock%s': "
			  "Connection refused",
			  readonly ? "-ro" : "");
	else if (error)
		call_fail(&c, error_code(error), "injected by the scenario");
	else
		conn = connect_new(uri, readonly);
	if (conn)
		conn->restarts = faults_restarts(&sim_play()->faults, sim_now());
	return call_pointer(&c, conn, uri);
}

EXPORT virConnectPtr virConnectOpen(const char *name)
{
	return open_connection(__func__, name, false, 0);
}

EXPORT virConnectPtr virConnectOpenReadOnly(const char *name)
{
	return open_connection(__func__, name, true, 0);
}

EXPORT virConnectPtr virConnectOpenAuth(const char *name, virConnectAuthPtr auth,
					unsigned int flags)
{
	(void)auth;
	return open_connection(__func__, name, flags & VIR_CONNECT_RO, flags);
}

EXPORT int virConnectClose(virConnectPtr conn)
{
	struct call c;

	if (call_begin(&c, __func__, conn, CALL_LOCAL)) {
		c.from = VIR_FROM_NONE;
		return call_int(&c, -1);
	}
	c.conn = NULL;
	return call_int(&c, (int)connect_release(conn));
}

EXPORT int virConnectRef(virConnectPtr conn)
{
	struct call c;

	if (call_begin(&c, __func__, conn, CALL_LOCAL))
		return call_int(&c, -1);
	conn->references++;
	return call_int(&c, 0);
}

EXPORT int virConnectIsAlive(virConnectPtr conn)
{
	struct call c;

	if (call_begin(&c, __func__, conn, CALL_LOCAL))
		return call_int(&c, -1);
	return call_int(&c, conn->restarts == faults_restarts(&sim_play()->faults, sim_now()));
}

EXPORT int virConnectIsEncrypted(virConnectPtr conn)
{
	struct call c;

	return call_int(&c, call_begin(&c, __func__, conn, CALL_LOCAL));
}

EXPORT int virConnectIsSecure(virConnectPtr conn)
{
	struct call c;

	return call_int(&c, call_begin(&c, __func__, conn, CALL_LOCAL) ? -1 : 1);
}

static void on_nothing(int timer, void *opaque)
{
	(void)timer;
	(void)opaque;
}

/* Nobody is at the other end to be missed: a connection that dies is noticed at once. */
EXPORT int virConnectSetKeepAlive(virConnectPtr conn, int interval, unsigned int count)
{
	struct call c;
	int timer;

	if (call_begin(&c, __func__, conn, CALL_LOCAL))
		return call_int(&c, -1);
	call_arguments(&c, "{s:i, s:i}", "interval", interval, "count", (int)count);
	timer = virEventAddTimeout(-1, on_nothing, NULL, NULL);
	if (timer < 0) {
		c.from = VIR_FROM_REMOTE;
		return call_int(&c, call_fail(&c, VIR_ERR_INTERNAL_ERROR,
					      "the caller doesn't support keepalive protocol; "
					      "perhaps it's missing event loop implementation"));
	}
	virEventRemoveTimeout(timer);
	return call_int(&c, 0);
}

EXPORT int virConnectSetIdentity(virConnectPtr conn, virTypedParameterPtr params, int nparams,
				 unsigned int flags)
{
	struct call c;

	(void)params;
	(void)nparams;
	(void)flags;
	return call_int(&c, call_begin(&c, __func__, conn, CALL_REMOTE));
}

/* --- what it is --- */

static char *text_call(virConnectPtr conn, const char *function, int kind, const char *text)
{
	struct call c;

	if (call_begin(&c, function, conn, kind))
		return call_pointer(&c, NULL, NULL);
	return call_pointer(&c, strdup(text), text);
}

EXPORT char *virConnectGetURI(virConnectPtr conn)
{
	return text_call(conn, __func__, CALL_LOCAL, connect_valid(conn) ? conn->uri : "");
}

EXPORT char *virConnectGetHostname(virConnectPtr conn)
{
	return text_call(conn, __func__, CALL_REMOTE, PLAY_HOST_NAME);
}

EXPORT const char *virConnectGetType(virConnectPtr conn)
{
	struct call c;

	if (call_begin(&c, __func__, conn, CALL_REMOTE))
		return call_pointer(&c, NULL, NULL);
	return call_pointer(&c, (char *)HYPERVISOR, HYPERVISOR);
}

static int version_call(virConnectPtr conn, const char *function, unsigned long *out,
			unsigned long version)
{
	struct call c;

	if (call_begin(&c, function, conn, CALL_REMOTE) ||
	    call_check_pointer(&c, out, strstr(function, "Lib") ? "libVer" : "hvVer"))
		return call_int(&c, -1);
	*out = version;
	return call_int(&c, 0);
}

EXPORT int virConnectGetVersion(virConnectPtr conn, unsigned long *version)
{
	return version_call(conn, __func__, version, HYPERVISOR_VERSION);
}

EXPORT int virConnectGetLibVersion(virConnectPtr conn, unsigned long *version)
{
	return version_call(conn, __func__, version, LIBVIR_VERSION_NUMBER);
}

EXPORT int virConnectGetMaxVcpus(virConnectPtr conn, const char *type)
{
	struct call c;

	if (call_begin(&c, __func__, conn, CALL_REMOTE))
		return call_int(&c, -1);
	if (!type || !strcasecmp(type, "qemu"))
		return call_int(&c, 16);
	if (!strcasecmp(type, "kvm"))
		return call_int(&c, 1024);
	return call_int(&c, call_fail(&c, VIR_ERR_INVALID_ARG, "unknown type '%s'", type));
}

EXPORT char *virConnectGetCapabilities(virConnectPtr conn)
{
	struct call c;

	if (call_begin(&c, __func__, conn, CALL_REMOTE))
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
		model_guest_state(api_model(), world_guest(api_world(), place)->id);
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

EXPORT int virConnectListAllDomains(virConnectPtr conn, virDomainPtr **domains, unsigned int flags)
{
	struct call c;
	size_t count, n = 0;
	const size_t *order;
	virDomainPtr *list;

	if (call_begin(&c, __func__, conn, CALL_REMOTE))
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

static int count_domains(virConnectPtr conn, const char *function, unsigned int flags)
{
	struct call c;
	size_t count, n = 0;
	const size_t *order;

	if (call_begin(&c, function, conn, CALL_REMOTE))
		return call_int(&c, -1);
	order = guests_in_order(&count);
	for (size_t i = 0; i < count; i++)
		n += guest_listed(order[i], flags);
	return call_int(&c, (int)n);
}

EXPORT int virConnectNumOfDomains(virConnectPtr conn)
{
	return count_domains(conn, __func__, VIR_CONNECT_LIST_DOMAINS_ACTIVE);
}

EXPORT int virConnectNumOfDefinedDomains(virConnectPtr conn)
{
	return count_domains(conn, __func__, VIR_CONNECT_LIST_DOMAINS_INACTIVE);
}

EXPORT int virConnectListDomains(virConnectPtr conn, int *ids, int most)
{
	struct call c;
	size_t count;
	const size_t *order;
	int n = 0;

	if (call_begin(&c, __func__, conn, CALL_REMOTE) || call_check_pointer(&c, ids, "ids") ||
	    call_check_not_negative(&c, most, "maxids"))
		return call_int(&c, -1);
	call_arguments(&c, "{s:i}", "maxids", most);
	order = guests_in_order(&count);
	for (size_t i = 0; i < count && n < most; i++) {
		if (guest_running(order[i]))
			ids[n++] = guest_at(order[i])->id;
	}
	return call_int(&c, n);
}

EXPORT int virConnectListDefinedDomains(virConnectPtr conn, char **const names, int most)
{
	struct call c;
	size_t count;
	const size_t *order;
	int n = 0;

	if (call_begin(&c, __func__, conn, CALL_REMOTE) || call_check_pointer(&c, names, "names") ||
	    call_check_not_negative(&c, most, "maxnames"))
		return call_int(&c, -1);
	order = guests_in_order(&count);
	for (size_t i = 0; i < count && n < most; i++) {
		if (!guest_running(order[i]))
			names[n++] = strdup(world_guest(api_world(), order[i])->config->name);
	}
	return call_int(&c, n);
}
