/* SPDX-License-Identifier: MIT */
/* Events of domains, sent to the clients that asked for them. */
#include "answers.h"

#include "driver/driver.h"
#include "lab/rpc/procedures.h"

static const char *procedure_of(int kind)
{
	switch (kind) {
	case VIR_DOMAIN_EVENT_ID_LIFECYCLE:
		return "domain_event_callback_lifecycle";
	case VIR_DOMAIN_EVENT_ID_REBOOT:
		return "domain_event_callback_reboot";
	case VIR_DOMAIN_EVENT_ID_BALLOON_CHANGE:
		return "domain_event_callback_balloon_change";
	case VIR_DOMAIN_EVENT_ID_TUNABLE:
		return "domain_event_callback_tunable";
	case VIR_DOMAIN_EVENT_ID_METADATA_CHANGE:
		return "domain_event_callback_metadata_change";
	case VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE:
		return "domain_event_callback_agent_lifecycle";
	default: /* of the others none ever happens here */
		return NULL;
	}
}

static void put_tunable(struct rpc_out *out, const struct driver_event *event)
{
	virTypedParameter param = {.type = event->type};

	snprintf(param.field, sizeof(param.field), "%s", event->field);
	if (event->text)
		param.value.s = (char *)event->text;
	else
		param.value.l = event->number;
	answer_params(out, &param, 1);
}

static void put_details(struct rpc_out *out, const struct driver_event *event)
{
	switch (event->kind) {
	case VIR_DOMAIN_EVENT_ID_BALLOON_CHANGE:
		rpc_put_u64(out, event->kib);
		break;
	case VIR_DOMAIN_EVENT_ID_TUNABLE:
		put_tunable(out, event);
		break;
	case VIR_DOMAIN_EVENT_ID_METADATA_CHANGE:
		rpc_put_i32(out, event->what);
		rpc_put_optional(out, event->text);
		break;
	case VIR_DOMAIN_EVENT_ID_LIFECYCLE:
	case VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE:
		rpc_put_i32(out, event->what);
		rpc_put_i32(out, event->detail);
		break;
	default:
		break;
	}
}

void driver_tell(struct client *client, int id, const struct domain *domain,
		 const struct driver_event *event)
{
	const char *procedure = procedure_of(event->kind);
	struct rpc_out out = {0};

	if (!procedure)
		return;
	rpc_event_begin(&out, rpc_procedure_number(procedure));
	rpc_put_i32(&out, id);
	answer_domain(&out, domain);
	put_details(&out, event);
	daemon_send(client->opaque, &out);
	rpc_out_free(&out);
}
