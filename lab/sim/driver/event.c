/* SPDX-License-Identifier: MIT */
/*
 * Events: what happens in the world waits here until the call that made it happen has its answer,
 * then goes to the clients that asked for it.
 */
#include "driver.h"

#include "units.h"

#include <stdlib.h>
#include <string.h>

struct registration {
	struct registration *next;
	int id;
	int event;
	bool one_domain;
	unsigned char uuid[VIR_UUID_BUFLEN];
};

struct pending {
	struct pending *next;
	size_t place;
	unsigned char uuid[VIR_UUID_BUFLEN];
	int id;
	struct driver_event event;
};

static int next_id;

static void free_pending(struct pending *pending)
{
	free((char *)pending->event.field);
	free((char *)pending->event.text);
	free(pending);
}

/* --- handing out --- */

static void hand_out(struct client *client, const struct pending *p)
{
	for (struct registration *r = client->registrations; r; r = r->next) {
		struct domain *domain;

		if (r->event != p->event.kind ||
		    (r->one_domain && memcmp(r->uuid, p->uuid, sizeof(r->uuid))))
			continue;
		domain = domain_new(client, p->place);
		if (!domain)
			return;
		domain->id = p->id;
		memcpy(domain->uuid, p->uuid, sizeof(domain->uuid));
		driver_tell(client, r->id, domain, &p->event);
		free(domain);
	}
}

void events_hand_out(void)
{
	for (struct client *client = client_first(); client; client = client->next) {
		while (client->pending) {
			struct pending *p = client->pending;

			client->pending = p->next;
			if (!client->pending)
				client->pending_end = &client->pending;
			hand_out(client, p);
			free_pending(p);
		}
	}
}

void events_forget(struct client *client)
{
	while (client->registrations) {
		struct registration *r = client->registrations;

		client->registrations = r->next;
		free(r);
	}
	while (client->pending) {
		struct pending *p = client->pending;

		client->pending = p->next;
		free_pending(p);
	}
	client->pending_end = &client->pending;
}

/* --- taking in --- */

static bool wanted(const struct client *client, int event)
{
	for (const struct registration *r = client->registrations; r; r = r->next) {
		if (r->event == event)
			return true;
	}
	return false;
}

static char *copy(const char *text)
{
	return text ? strdup(text) : NULL;
}

/* Queues a copy for each client that wants such events. */
static void queue(const struct pending *model)
{
	for (struct client *client = client_first(); client; client = client->next) {
		struct pending *p;

		if (!wanted(client, model->event.kind))
			continue;
		p = malloc(sizeof(*p));
		if (!p)
			return;
		*p = *model;
		p->next = NULL;
		p->event.field = copy(model->event.field);
		p->event.text = copy(model->event.text);
		*client->pending_end = p;
		client->pending_end = &p->next;
		play_interrupt(driver_play());
	}
}

static struct pending of_guest(size_t place, int event)
{
	struct pending p = {.place = place, .id = guest_at(place)->id, .event = {.kind = event}};

	memcpy(p.uuid, world_guest(driver_world(), place)->uuid, sizeof(p.uuid));
	return p;
}

static void queue_agent(size_t place, bool connected, int reason)
{
	struct pending p = of_guest(place, VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE);

	p.event.what = connected ? VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_CONNECTED
				 : VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_DISCONNECTED;
	p.event.detail = reason;
	queue(&p);
}

static void queue_state(size_t place, enum model_event_kind state)
{
	static const struct {
		int what, detail;
	} of_state[] = {
		[MODEL_STARTED] = {VIR_DOMAIN_EVENT_STARTED, VIR_DOMAIN_EVENT_STARTED_BOOTED},
		[MODEL_STOPPED] = {VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_DESTROYED},
		[MODEL_PAUSED] = {VIR_DOMAIN_EVENT_SUSPENDED, VIR_DOMAIN_EVENT_SUSPENDED_PAUSED},
		[MODEL_RESUMED] = {VIR_DOMAIN_EVENT_RESUMED, VIR_DOMAIN_EVENT_RESUMED_UNPAUSED},
		[MODEL_CRASHED] = {VIR_DOMAIN_EVENT_STOPPED, VIR_DOMAIN_EVENT_STOPPED_CRASHED},
	};
	struct pending p = of_guest(place, VIR_DOMAIN_EVENT_ID_LIFECYCLE);

	if (state == MODEL_REBOOTED) {
		p.event.kind = VIR_DOMAIN_EVENT_ID_REBOOT;
	} else if (state < sizeof(of_state) / sizeof(of_state[0])) {
		p.event.what = of_state[state].what;
		p.event.detail = of_state[state].detail;
	} else {
		return;
	}
	queue(&p);
}

/* As libvirt 9.0 tells them: a start is first a guest without an agent that is let go on; a guest
 * that stops takes its agent with it, one that reboots tells so before. */
static void queue_life(size_t place, enum model_event_kind state)
{
	struct driver_guest *guest = guest_at(place);
	bool lost = guest->agent &&
		    (state == MODEL_STOPPED || state == MODEL_CRASHED || state == MODEL_REBOOTED);

	if (state == MODEL_STARTED) {
		queue_agent(place, false,
			    VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_REASON_DOMAIN_STARTED);
		queue_state(place, MODEL_RESUMED);
	}
	if (lost && state != MODEL_REBOOTED)
		queue_agent(place, false, VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_REASON_CHANNEL);
	queue_state(place, state);
	if (lost && state == MODEL_REBOOTED)
		queue_agent(place, false, VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_REASON_CHANNEL);
	if (lost || state == MODEL_STARTED)
		guest->agent = false;
}

void events_tuned(size_t place, const char *field, int type, long long value)
{
	struct pending p = of_guest(place, VIR_DOMAIN_EVENT_ID_TUNABLE);

	p.event.field = field;
	p.event.type = type;
	p.event.number = value;
	queue(&p);
}

void events_pinned(size_t place, int vcpu, const unsigned char *map, size_t maplen)
{
	struct pending p = of_guest(place, VIR_DOMAIN_EVENT_ID_TUNABLE);
	char field[VIR_TYPED_PARAM_FIELD_LENGTH], list[CPULIST_MAX];

	if (vcpu < 0)
		strcpy(field, VIR_DOMAIN_TUNABLE_CPU_EMULATORPIN);
	else
		snprintf(field, sizeof(field), VIR_DOMAIN_TUNABLE_CPU_VCPUPIN, (unsigned int)vcpu);
	p.event.field = field;
	p.event.type = VIR_TYPED_PARAM_STRING;
	p.event.text = cpumap_format(map, maplen, list, sizeof(list));
	queue(&p);
}

void events_metadata(size_t place, int type, const char *uri)
{
	struct pending p = of_guest(place, VIR_DOMAIN_EVENT_ID_METADATA_CHANGE);

	p.event.what = type;
	p.event.text = uri;
	queue(&p);
}

void events_on_event(const struct world_event *event)
{
	size_t place = (size_t)event->guest;
	struct pending p;

	if (event->guest < 0)
		return;
	switch (event->kind) {
	case WORLD_GUEST:
		queue_life(place, event->state);
		break;
	case WORLD_READY:
		guest_at(place)->agent = true;
		queue_agent(place, true, VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_REASON_CHANNEL);
		break;
	case WORLD_BALLOON:
		p = of_guest(place, VIR_DOMAIN_EVENT_ID_BALLOON_CHANGE);
		p.event.kib = event->kib;
		queue(&p);
		break;
	case WORLD_PIN:
		events_pinned(place, (int)event->vcpu, event->map, event->maplen);
		break;
	case WORLD_POLICY:
		events_metadata(place, VIR_DOMAIN_METADATA_ELEMENT, POLICY_NAMESPACE);
		break;
	default:
		break;
	}
}

/* --- registering --- */

static int register_event(struct call *c, const struct domain *domain, int event)
{
	struct registration *r, **last = &c->conn->registrations;

	if (event < 0)
		return call_fail_argument(c, "eventID in %s must be zero or greater", c->function);
	if (event >= VIR_DOMAIN_EVENT_ID_LAST)
		return call_fail_argument(c, "eventID must be less than %d",
					  VIR_DOMAIN_EVENT_ID_LAST);
	r = calloc(1, sizeof(*r));
	if (!r)
		return call_fail(c, VIR_ERR_NO_MEMORY, "%s", c->function);
	*r = (struct registration){.id = next_id++, .event = event, .one_domain = domain};
	if (domain)
		memcpy(r->uuid, domain->uuid, sizeof(r->uuid));
	while (*last)
		last = &(*last)->next;
	*last = r;
	return r->id;
}

int driver_event_register(struct client *client, const struct domain *domain, int event)
{
	struct call c;

	if (call_begin(&c, "virConnectDomainEventRegisterAny", client, CALL_READS))
		return call_int(&c, -1);
	call_arguments(&c, "{s:i}", "eventID", event);
	return call_int(&c, register_event(&c, domain, event));
}

/* What is local first on the client's side does not fail for a libvirtd that stands still. */
int driver_event_deregister(struct client *client, int id)
{
	struct registration **at = &client->registrations, *r;
	struct call c;

	call_begin_bare(&c, "virConnectDomainEventDeregisterAny");
	c.conn = client;
	call_arguments(&c, "{s:i}", "callbackID", id);
	while (*at && (*at)->id != id)
		at = &(*at)->next;
	r = *at;
	c.from = VIR_FROM_NONE;
	if (!r)
		return call_int(&c, call_fail(&c, VIR_ERR_INVALID_ARG,
					      "event callback id %d not registered", id));
	*at = r->next;
	free(r);
	return call_int(&c, 0);
}
