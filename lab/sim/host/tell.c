/* SPDX-License-Identifier: MIT */
/* Events of domains, sent to the clients that asked for them. */
#include "daemon.h"

#include "answers.h"
#include "api/api.h"
#include "lab/rpc/procedures.h"

#include <stdlib.h>

struct listener {
	struct listener *next;
	struct connection *connection;
	int id;
};

static void begin(struct rpc_out *out, const struct listener *l, const char *procedure,
		  virDomainPtr domain)
{
	rpc_event_begin(out, rpc_procedure_number(procedure));
	rpc_put_i32(out, l->id);
	answer_domain(out, domain);
}

static void end(struct rpc_out *out, const struct listener *l)
{
	daemon_send(l->connection, out);
	rpc_out_free(out);
}

static int on_lifecycle(virConnectPtr conn, virDomainPtr domain, int event, int detail,
			void *opaque)
{
	struct rpc_out out = {0};

	(void)conn;
	begin(&out, opaque, "domain_event_callback_lifecycle", domain);
	rpc_put_i32(&out, event);
	rpc_put_i32(&out, detail);
	end(&out, opaque);
	return 0;
}

static void on_reboot(virConnectPtr conn, virDomainPtr domain, void *opaque)
{
	struct rpc_out out = {0};

	(void)conn;
	begin(&out, opaque, "domain_event_callback_reboot", domain);
	end(&out, opaque);
}

static void on_balloon(virConnectPtr conn, virDomainPtr domain, unsigned long long kib,
		       void *opaque)
{
	struct rpc_out out = {0};

	(void)conn;
	begin(&out, opaque, "domain_event_callback_balloon_change", domain);
	rpc_put_u64(&out, kib);
	end(&out, opaque);
}

static void on_tunable(virConnectPtr conn, virDomainPtr domain, virTypedParameterPtr params, int n,
		       void *opaque)
{
	struct rpc_out out = {0};

	(void)conn;
	begin(&out, opaque, "domain_event_callback_tunable", domain);
	answer_params(&out, params, (size_t)n);
	end(&out, opaque);
}

static void on_metadata(virConnectPtr conn, virDomainPtr domain, int type, const char *uri,
			void *opaque)
{
	struct rpc_out out = {0};

	(void)conn;
	begin(&out, opaque, "domain_event_callback_metadata_change", domain);
	rpc_put_i32(&out, type);
	rpc_put_optional(&out, uri);
	end(&out, opaque);
}

static void on_agent(virConnectPtr conn, virDomainPtr domain, int state, int reason, void *opaque)
{
	struct rpc_out out = {0};

	(void)conn;
	begin(&out, opaque, "domain_event_callback_agent_lifecycle", domain);
	rpc_put_i32(&out, state);
	rpc_put_i32(&out, reason);
	end(&out, opaque);
}

/* Of the others none ever happens here. */
static void on_other(virConnectPtr conn, virDomainPtr domain, void *opaque)
{
	(void)conn;
	(void)domain;
	(void)opaque;
}

static virConnectDomainEventGenericCallback callback_of(int event)
{
	switch (event) {
	case VIR_DOMAIN_EVENT_ID_LIFECYCLE:
		return VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle);
	case VIR_DOMAIN_EVENT_ID_REBOOT:
		return VIR_DOMAIN_EVENT_CALLBACK(on_reboot);
	case VIR_DOMAIN_EVENT_ID_BALLOON_CHANGE:
		return VIR_DOMAIN_EVENT_CALLBACK(on_balloon);
	case VIR_DOMAIN_EVENT_ID_TUNABLE:
		return VIR_DOMAIN_EVENT_CALLBACK(on_tunable);
	case VIR_DOMAIN_EVENT_ID_METADATA_CHANGE:
		return VIR_DOMAIN_EVENT_CALLBACK(on_metadata);
	case VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE:
		return VIR_DOMAIN_EVENT_CALLBACK(on_agent);
	default:
		return VIR_DOMAIN_EVENT_CALLBACK(on_other);
	}
}

int tell_begin(struct connection *c, virDomainPtr domain, int event)
{
	struct listener *l = calloc(1, sizeof(*l));

	if (!l) {
		error_raise(c->conn, VIR_FROM_RPC, VIR_ERR_NO_MEMORY, "out of memory");
		return -1;
	}
	l->connection = c;
	l->id = virConnectDomainEventRegisterAny(c->conn, domain, event, callback_of(event), l,
						 NULL);
	if (l->id < 0) {
		free(l);
		return -1;
	}
	l->next = c->listeners;
	c->listeners = l;
	return l->id;
}

int tell_end(struct connection *c, int id)
{
	if (virConnectDomainEventDeregisterAny(c->conn, id))
		return -1;
	for (struct listener **at = &c->listeners; *at; at = &(*at)->next) {
		struct listener *l = *at;

		if (l->id != id)
			continue;
		*at = l->next;
		free(l);
		break;
	}
	return 0;
}

void tell_nothing(struct connection *c)
{
	if (c->conn)
		events_forget(c->conn);
	while (c->listeners) {
		struct listener *l = c->listeners;

		c->listeners = l->next;
		free(l);
	}
}
