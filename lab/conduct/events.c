/* SPDX-License-Identifier: MIT */
/* What libvirt tells of the scenario's guests while they are watched. */
#include "events.h"

#include "tick.h"
#include "units.h"

#include <libvirt/virterror.h>
#include <stdlib.h>
#include <string.h>

/* --- affinities --- */

/* A map without the CPUs that are not online, as a list; allocated. */
static char *online_list(const struct recorder *r, const unsigned char *map, size_t len)
{
	unsigned char online[CPULIST_MAX] = {0};
	char list[CPULIST_MAX];

	for (size_t i = 0; i < r->machines->npcpus; i++) {
		if (cpumap_has(map, len, (unsigned int)r->machines->pcpus[i]))
			cpumap_add(online, (unsigned int)r->machines->pcpus[i]);
	}
	return strdup(cpumap_format(online, sizeof(online), list, sizeof(list)));
}

/* Takes over list. Only what really changes is an event, and only once it is known what was before.
 */
static void note_affinity(struct recorder *r, struct watched *g, size_t vcpu, char *list)
{
	char *before = g->affinity[vcpu];

	if (!list || (before && !strcmp(before, list))) {
		free(list);
		return;
	}
	g->affinity[vcpu] = list;
	/* The scenario's own are written where they are made. */
	if (before && !recorder_claims(r, g->guest->name, (unsigned int)vcpu, list))
		recorder_event(
			r, (struct trace_event){.kind = TRACE_PIN,
						.guest = g->guest->name,
						.pin = {(int64_t)vcpu, list, TRACE_BY_PROGRAM}});
	free(before);
}

int events_refresh_vcpus(struct recorder *r, struct watched *g, virDomainPtr dom)
{
	int map_len = VIR_CPU_MAPLEN(r->machines->pcpus[r->machines->npcpus - 1] + 1), n;
	virVcpuInfoPtr info = calloc(g->nvcpus, sizeof(*info));
	unsigned char *maps = calloc(g->nvcpus, (size_t)map_len);

	n = info && maps ? virDomainGetVcpus(dom, info, (int)g->nvcpus, maps, map_len) : -1;
	for (int i = 0; i < n; i++) {
		unsigned int vcpu = info[i].number;

		if (vcpu >= g->nvcpus)
			continue;
		g->pcpu[vcpu] = info[i].cpu;
		note_affinity(r, g, vcpu,
			      online_list(r, VIR_GET_CPUMAP(maps, map_len, i), (size_t)map_len));
	}
	free(info);
	free(maps);
	return n < 0 ? -1 : 0;
}

/*
 * A quota makes a guest stand still without waiting; below 0 it means none. Shares say how a pCPU
 * is divided among those who want it.
 */
static void note_limit(struct recorder *r, const struct watched *g, virTypedParameterPtr param)
{
	static const char prefix[] = "cputune.", suffix[] = "_quota";
	size_t len = strlen(param->field);
	int64_t value = 0;

	if (strncmp(param->field, prefix, strlen(prefix)))
		return;
	if (!strcmp(param->field, VIR_DOMAIN_TUNABLE_CPU_CPU_SHARES) &&
	    param->type == VIR_TYPED_PARAM_ULLONG)
		value = (int64_t)param->value.ul;
	else if (len > strlen(suffix) && !strcmp(param->field + len - strlen(suffix), suffix) &&
		 param->type == VIR_TYPED_PARAM_LLONG)
		value = (int64_t)param->value.l;
	if (value > 0)
		recorder_event(
			r, (struct trace_event){.kind = TRACE_LIMIT,
						.guest = g->guest->name,
						.limit = {param->field + strlen(prefix), value}});
}

static void on_tunable(virConnectPtr conn, virDomainPtr dom, virTypedParameterPtr params, int n,
		       void *opaque)
{
	static const char prefix[] = "cputune.vcpupin";
	struct recorder *r = opaque;
	struct watched *g = recorder_guest(r, virDomainGetName(dom));

	(void)conn;
	for (int i = 0; g && i < n; i++) {
		unsigned char map[CPULIST_MAX];
		long vcpu;

		note_limit(r, g, &params[i]);
		if (strncmp(params[i].field, prefix, strlen(prefix)) ||
		    params[i].type != VIR_TYPED_PARAM_STRING ||
		    parse_integer(params[i].field + strlen(prefix), 0, (long)g->nvcpus - 1,
				  &vcpu) ||
		    cpumap_parse(params[i].value.s, map, sizeof(map)))
			continue;
		note_affinity(r, g, (size_t)vcpu, online_list(r, map, sizeof(map)));
	}
}

/* --- balloons and lives --- */

static void on_balloon(virConnectPtr conn, virDomainPtr dom, unsigned long long actual_kib,
		       void *opaque)
{
	struct recorder *r = opaque;
	struct watched *g = recorder_guest(r, virDomainGetName(dom));

	(void)conn;
	if (g)
		recorder_event(r, (struct trace_event){.kind = TRACE_BALLOON,
						       .guest = g->guest->name,
						       .balloon = {(int64_t)actual_kib}});
}

/* 0: nothing that a trace tells. */
static enum trace_life life(int event, int detail)
{
	switch (event) {
	case VIR_DOMAIN_EVENT_STARTED:
		return TRACE_STARTED;
	case VIR_DOMAIN_EVENT_SUSPENDED:
		return TRACE_PAUSED;
	case VIR_DOMAIN_EVENT_RESUMED:
		return TRACE_RESUMED;
	case VIR_DOMAIN_EVENT_STOPPED:
		return detail == VIR_DOMAIN_EVENT_STOPPED_CRASHED ||
				       detail == VIR_DOMAIN_EVENT_STOPPED_FAILED
			       ? TRACE_CRASHED
			       : TRACE_STOPPED;
	case VIR_DOMAIN_EVENT_CRASHED:
		return TRACE_CRASHED;
	default:
		return 0; /* defined, undefined, shutting down, suspended by its own power
				management */
	}
}

static void note_life(struct recorder *r, const struct watched *g, enum trace_life state)
{
	recorder_event(r, (struct trace_event){
				  .kind = TRACE_GUEST, .guest = g->guest->name, .life = {state}});
}

static int on_lifecycle(virConnectPtr conn, virDomainPtr dom, int event, int detail, void *opaque)
{
	struct recorder *r = opaque;
	struct watched *g = recorder_guest(r, virDomainGetName(dom));
	enum trace_life state = life(event, detail);

	(void)conn;
	if (!g || !state)
		return 0;
	/* Every start ends with a resume of its own, which is nobody's phase. */
	if (event == VIR_DOMAIN_EVENT_RESUMED && !g->paused)
		return 0;
	g->paused = event == VIR_DOMAIN_EVENT_SUSPENDED;
	note_life(r, g, state);
	if (event == VIR_DOMAIN_EVENT_STARTED) {
		/* Another life: other affinities, counters from 0. */
		g->fresh = true;
		for (size_t vcpu = 0; vcpu < g->nvcpus; vcpu++) {
			free(g->affinity[vcpu]);
			g->affinity[vcpu] = NULL;
		}
	}
	return 0;
}

/* A reset from outside is told of several times, by libvirt, by QEMU and by the firmware. */
#define REBOOT_ONCE_S 2.0

static void on_reboot(virConnectPtr conn, virDomainPtr dom, void *opaque)
{
	struct recorder *r = opaque;
	struct watched *g = recorder_guest(r, virDomainGetName(dom));

	(void)conn;
	if (!g || tick_now_s() - g->rebooted_s < REBOOT_ONCE_S)
		return;
	g->rebooted_s = tick_now_s();
	note_life(r, g, TRACE_REBOOTED);
}

void events_register(virConnectPtr conn, void *opaque)
{
	static const struct {
		int id;
		virConnectDomainEventGenericCallback handler;
	} events[RECORDER_EVENTS] = {
		{VIR_DOMAIN_EVENT_ID_TUNABLE, VIR_DOMAIN_EVENT_CALLBACK(on_tunable)},
		{VIR_DOMAIN_EVENT_ID_BALLOON_CHANGE, VIR_DOMAIN_EVENT_CALLBACK(on_balloon)},
		{VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle)},
		{VIR_DOMAIN_EVENT_ID_REBOOT, VIR_DOMAIN_EVENT_CALLBACK(on_reboot)},
	};
	struct recorder *r = opaque;

	for (size_t i = 0; i < RECORDER_EVENTS; i++) {
		r->callbacks[i] = virConnectDomainEventRegisterAny(conn, NULL, events[i].id,
								   events[i].handler, r, NULL);
		if (r->callbacks[i] < 0)
			recorder_warn(r, "no events from libvirt: %s", virGetLastErrorMessage());
	}
}

void events_deregister(virConnectPtr conn, void *opaque)
{
	struct recorder *r = opaque;

	for (size_t i = 0; i < RECORDER_EVENTS; i++) {
		/* Where the connection is gone, the registration is, too. */
		if (r->callbacks[i] >= 0 &&
		    virConnectDomainEventDeregisterAny(conn, r->callbacks[i]) < 0)
			virResetLastError();
		r->callbacks[i] = -1;
	}
}
