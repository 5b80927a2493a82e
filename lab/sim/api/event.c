/* SPDX-License-Identifier: MIT */
/*
 * Events: what happens in the world waits here until the program's event loop, libvirt's own or
 * another, looks at an eventfd that was added to it.
 */
#include "api.h"

#include "preload/sim.h"
#include "units.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct registration {
	struct registration *next;
	int id;
	int event;
	bool one_domain;
	bool gone; /* deregistered, perhaps by a callback that runs now */
	unsigned char uuid[VIR_UUID_BUFLEN];
	void (*callback)(void); /* of the event's own type */
	void *opaque;
	virFreeCallback free;
};

#define EVENT_CLOSED (-1) /* of the connection, not of a domain */

struct pending {
	struct pending *next;
	int event;
	size_t place;
	unsigned char uuid[VIR_UUID_BUFLEN];
	int id;
	int what, detail;   /* lifecycle, agent; what: of metadata, too */
	uint64_t kib;	    /* balloon */
	char *field, *text; /* tunable; text: of metadata, too */
	int type;	    /* tunable: of text, or number where there is none */
	long long number;
};

static int next_id;

static void free_pending(struct pending *pending)
{
	free(pending->field);
	free(pending->text);
	free(pending);
}

/* --- handing out --- */

static void call_back(virConnectPtr conn, virDomainPtr domain, const struct registration *r,
		      const struct pending *p)
{
	virTypedParameter param = {.type = p->type};

	switch (p->event) {
	case VIR_DOMAIN_EVENT_ID_LIFECYCLE:
		((virConnectDomainEventCallback)r->callback)(conn, domain, p->what, p->detail,
							     r->opaque);
		break;
	case VIR_DOMAIN_EVENT_ID_REBOOT:
		((virConnectDomainEventGenericCallback)r->callback)(conn, domain, r->opaque);
		break;
	case VIR_DOMAIN_EVENT_ID_BALLOON_CHANGE:
		((virConnectDomainEventBalloonChangeCallback)r->callback)(conn, domain, p->kib,
									  r->opaque);
		break;
	case VIR_DOMAIN_EVENT_ID_TUNABLE:
		strncpy(param.field, p->field, VIR_TYPED_PARAM_FIELD_LENGTH - 1);
		if (p->text)
			param.value.s = p->text;
		else
			param.value.l = p->number;
		((virConnectDomainEventTunableCallback)r->callback)(conn, domain, &param, 1,
								    r->opaque);
		break;
	case VIR_DOMAIN_EVENT_ID_METADATA_CHANGE:
		((virConnectDomainEventMetadataChangeCallback)r->callback)(conn, domain, p->what,
									   p->text, r->opaque);
		break;
	case VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE:
		((virConnectDomainEventAgentLifecycleCallback)r->callback)(conn, domain, p->what,
									   p->detail, r->opaque);
		break;
	default:
		break;
	}
}

static void hand_out(virConnectPtr conn, const struct pending *p)
{
	for (struct registration *r = conn->registrations; r; r = r->next) {
		virDomainPtr domain;

		if (r->gone || r->event != p->event ||
		    (r->one_domain && memcmp(r->uuid, p->uuid, sizeof(r->uuid))))
			continue;
		domain = domain_new(conn, p->place);
		if (!domain)
			return;
		domain->id = p->id;
		memcpy(domain->uuid, p->uuid, sizeof(domain->uuid));
		call_back(conn, domain, r, p);
		domain_release(domain);
	}
}

/* Frees what was deregistered, but not under a callback's feet. Each registration held the
 * connection. */
static void sweep(virConnectPtr conn)
{
	struct registration **at = &conn->registrations;

	while (*at && !conn->handing_out) {
		struct registration *r = *at;

		if (!r->gone) {
			at = &r->next;
			continue;
		}
		*at = r->next;
		if (r->free)
			r->free(r->opaque);
		free(r);
		connect_release(conn);
	}
}

void events_forget(virConnectPtr conn)
{
	for (struct registration *r = conn->registrations; r; r = r->next)
		r->gone = true;
	sweep(conn);
}

static void on_readable(int watch, int fd, int events, void *opaque)
{
	virConnectPtr conn = opaque;
	eventfd_t ignored;

	(void)watch;
	(void)events;
	if (eventfd_read(fd, &ignored))
		return;
	conn->references++;
	conn->handing_out = true;
	while (conn->pending) {
		struct pending *p = conn->pending;

		conn->pending = p->next;
		if (!conn->pending)
			conn->pending_end = &conn->pending;
		if (p->event == EVENT_CLOSED && conn->on_close)
			conn->on_close(conn, p->what, conn->on_close_opaque);
		else
			hand_out(conn, p);
		free_pending(p);
	}
	conn->handing_out = false;
	sweep(conn);
	connect_release(conn);
}

/* Makes the event loop look at the connection; −1: there is no event loop. */
static int watch(virConnectPtr conn)
{
	if (conn->watch >= 0)
		return 0;
	if (conn->eventfd < 0)
		conn->eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (conn->eventfd < 0)
		return -1;
	conn->watch = virEventAddHandle(conn->eventfd, VIR_EVENT_HANDLE_READABLE, on_readable, conn,
					NULL);
	return conn->watch < 0 ? -1 : 0;
}

void events_release(virConnectPtr conn)
{
	while (conn->pending) {
		struct pending *p = conn->pending;

		conn->pending = p->next;
		free_pending(p);
	}
	if (conn->watch >= 0)
		virEventRemoveHandle(conn->watch);
	if (conn->eventfd >= 0)
		close(conn->eventfd);
}

/* --- taking in --- */

static bool wanted(virConnectPtr conn, int event)
{
	if (event == EVENT_CLOSED)
		return conn->on_close;
	for (struct registration *r = conn->registrations; r; r = r->next) {
		if (!r->gone && r->event == event)
			return true;
	}
	return false;
}

static char *copy(const char *text)
{
	return text ? strdup(text) : NULL;
}

/* Queues a copy for each connection that wants such events and is not dead. */
static void queue(const struct pending *model)
{
	unsigned int restarts = faults_restarts(&sim_play()->faults, sim_now());

	for (virConnectPtr conn = connect_first(); conn; conn = conn->next) {
		struct pending *p;

		/* A connection dies once; after that it hears of nothing. */
		if (!wanted(conn, model->event) ||
		    conn->restarts + (model->event == EVENT_CLOSED) != restarts)
			continue;
		p = malloc(sizeof(*p));
		if (!p)
			return;
		*p = *model;
		p->next = NULL;
		p->field = copy(model->field);
		p->text = copy(model->text);
		*conn->pending_end = p;
		conn->pending_end = &p->next;
		eventfd_write(conn->eventfd, 1);
		play_interrupt(sim_play());
	}
}

static struct pending of_guest(size_t place, int event)
{
	struct pending p = {.event = event, .place = place, .id = guest_at(place)->id};

	memcpy(p.uuid, world_guest(api_world(), place)->uuid, sizeof(p.uuid));
	return p;
}

static void queue_agent(size_t place, bool connected, int reason)
{
	struct pending p = of_guest(place, VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE);

	p.what = connected ? VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_CONNECTED
			   : VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_DISCONNECTED;
	p.detail = reason;
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
		p.event = VIR_DOMAIN_EVENT_ID_REBOOT;
	} else if (state < sizeof(of_state) / sizeof(of_state[0])) {
		p.what = of_state[state].what;
		p.detail = of_state[state].detail;
	} else {
		return;
	}
	queue(&p);
}

/* As libvirt 9.0 tells them: a start is first a guest without an agent that is let go on; a guest
 * that stops takes its agent with it, one that reboots tells so before. */
static void queue_life(size_t place, enum model_event_kind state)
{
	struct api_guest *guest = guest_at(place);
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

	p.field = (char *)field;
	p.type = type;
	p.number = value;
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
	p.field = field;
	p.type = VIR_TYPED_PARAM_STRING;
	p.text = cpumap_format(map, maplen, list, sizeof(list));
	queue(&p);
}

void events_metadata(size_t place, int type, const char *uri)
{
	struct pending p = of_guest(place, VIR_DOMAIN_EVENT_ID_METADATA_CHANGE);

	p.what = type;
	p.text = (char *)uri;
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
		p.kib = event->kib;
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

void events_restart(void)
{
	const struct pending p = {.event = EVENT_CLOSED, .what = VIR_CONNECT_CLOSE_REASON_EOF};

	queue(&p);
}

/* --- registering --- */

static int register_event(struct call *c, virDomainPtr domain, int event, void (*callback)(void),
			  void *opaque, virFreeCallback free_opaque)
{
	struct registration *r, **last = &c->conn->registrations;

	if (event < 0)
		return call_fail_argument(c, "eventID in %s must be zero or greater", c->function);
	if (event >= VIR_DOMAIN_EVENT_ID_LAST)
		return call_fail_argument(c, "eventID must be less than %d",
					  VIR_DOMAIN_EVENT_ID_LAST);
	if (watch(c->conn))
		return call_fail(c, VIR_ERR_INTERNAL_ERROR,
				 "could not initialize domain event timer");
	r = calloc(1, sizeof(*r));
	if (!r)
		return call_fail(c, VIR_ERR_NO_MEMORY, "%s", c->function);
	*r = (struct registration){
		.id = next_id++,
		.event = event,
		.one_domain = domain,
		.callback = callback,
		.opaque = opaque,
		.free = free_opaque,
	};
	if (domain)
		memcpy(r->uuid, domain->uuid, sizeof(r->uuid));
	while (*last)
		last = &(*last)->next;
	*last = r;
	c->conn->references++;
	return r->id;
}

EXPORT int virConnectDomainEventRegisterAny(virConnectPtr conn, virDomainPtr domain, int event,
					    virConnectDomainEventGenericCallback callback,
					    void *opaque, virFreeCallback free_opaque)
{
	struct call c;

	if (call_begin(&c, __func__, conn, CALL_REMOTE) ||
	    call_check_pointer(&c, (const void *)callback, "cb"))
		return call_int(&c, -1);
	call_arguments(&c, "{s:i}", "eventID", event);
	if (domain && (!domain_valid(domain) || domain->conn != conn))
		return call_int(&c, call_fail_argument(&c, "domain '%s' must match connection",
						       domain_valid(domain) ? domain->name : "?"));
	return call_int(&c, register_event(&c, domain, event, (void (*)(void))callback, opaque,
					   free_opaque));
}

EXPORT int virConnectDomainEventRegister(virConnectPtr conn, virConnectDomainEventCallback callback,
					 void *opaque, virFreeCallback free_opaque)
{
	struct call c;
	int id;

	if (call_begin(&c, __func__, conn, CALL_REMOTE) ||
	    call_check_pointer(&c, (const void *)callback, "cb"))
		return call_int(&c, -1);
	id = register_event(&c, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE, (void (*)(void))callback,
			    opaque, free_opaque);
	return call_int(&c, id < 0 ? -1 : 0);
}

/* It is local first: also a connection that is dead lets go. */
static int deregister(virConnectPtr conn, const char *function, int id, void (*callback)(void))
{
	struct registration *r;
	struct call c;

	if (call_begin(&c, function, conn, CALL_LOCAL))
		return call_int(&c, -1);
	c.recorded = sim_play()->tracing;
	call_arguments(&c, "{s:i}", "callbackID", id);
	for (r = conn->registrations; r; r = r->next) {
		if (!r->gone && (callback ? r->callback == callback : r->id == id))
			break;
	}
	c.from = VIR_FROM_NONE;
	if (!r)
		return call_int(&c, call_fail(&c, VIR_ERR_INVALID_ARG,
					      "event callback id %d not registered", id));
	r->gone = true;
	c.conn = NULL;
	call_int(&c, 0);
	sweep(conn);
	return 0;
}

EXPORT int virConnectDomainEventDeregisterAny(virConnectPtr conn, int id)
{
	return deregister(conn, __func__, id, NULL);
}

EXPORT int virConnectDomainEventDeregister(virConnectPtr conn,
					   virConnectDomainEventCallback callback)
{
	return deregister(conn, __func__, -1, (void (*)(void))callback);
}

/* --- the connection's end --- */

EXPORT int virConnectRegisterCloseCallback(virConnectPtr conn, virConnectCloseFunc callback,
					   void *opaque, virFreeCallback free_opaque)
{
	struct call c;

	if (call_begin(&c, __func__, conn, CALL_LOCAL) ||
	    call_check_pointer(&c, (const void *)callback, "cb"))
		return call_int(&c, -1);
	if (conn->on_close)
		return call_int(&c, call_fail(&c, VIR_ERR_OPERATION_INVALID,
					      "A close callback is already registered"));
	if (watch(conn)) /* nobody will ever look */
		return call_int(&c, 0);
	conn->on_close = callback;
	conn->on_close_opaque = opaque;
	conn->on_close_free = free_opaque;
	conn->references++;
	return call_int(&c, 0);
}

EXPORT int virConnectUnregisterCloseCallback(virConnectPtr conn, virConnectCloseFunc callback)
{
	struct call c;

	if (call_begin(&c, __func__, conn, CALL_LOCAL) ||
	    call_check_pointer(&c, (const void *)callback, "cb"))
		return call_int(&c, -1);
	c.from = VIR_FROM_REMOTE;
	if (conn->on_close != callback)
		return call_int(&c, call_fail(&c, VIR_ERR_OPERATION_INVALID,
					      "A different callback was requested"));
	conn->on_close = NULL;
	if (conn->on_close_free)
		conn->on_close_free(conn->on_close_opaque);
	c.conn = NULL;
	call_int(&c, 0);
	connect_release(conn);
	return 0;
}
