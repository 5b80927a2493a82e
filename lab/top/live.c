/* SPDX-License-Identifier: MIT */
/*
 * A hypervisor as looks: one bulk call a look, whatever the number of guests. What that does not
 * tell is asked for once per guest and again when an event says that it has changed.
 */
#include "live.h"

#include "cli.h"
#include "labguest.h"
#include "log.h"
#include "tick.h"
#include "units.h"

#include <libvirt/virterror.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STATS (VIR_DOMAIN_STATS_STATE | VIR_DOMAIN_STATS_VCPU | VIR_DOMAIN_STATS_BALLOON)

/* Guests that are asked for more than the bulk call tells, in one look: each takes a round trip or
 * two. */
#define ASKED_MOST  64
#define PLACED_MOST 16

/* --- guests --- */

static struct live_guest *find(struct live *l, const char *name, size_t hint)
{
	if (hint < l->nguests && !strcmp(l->guests[hint].name, name))
		return &l->guests[hint];
	for (size_t i = 0; i < l->nguests; i++) {
		if (!strcmp(l->guests[i].name, name))
			return &l->guests[i];
	}
	return NULL;
}

static void *more(void *array, size_t n, size_t each)
{
	void *bigger = realloc(array, n * each);

	if (!bigger)
		die(EXIT_LAB, "out of memory");
	return bigger;
}

static struct live_guest *add(struct live *l, const char *name)
{
	struct live_guest *g;

	if (l->nguests == l->size) {
		l->size = l->size ? l->size * 2 : 16;
		l->guests = more(l->guests, l->size, sizeof(*l->guests));
		l->about = more(l->about, l->size, sizeof(*l->about));
		l->seen = more(l->seen, l->size, sizeof(*l->seen));
	}
	g = &l->guests[l->nguests++];
	*g = (struct live_guest){.agent = -1, .foreign = true, .target_kib = -1, .id = -1};
	snprintf(g->name, sizeof(g->name), "%s", name);
	return g;
}

static void room_for_vcpus(struct live_guest *g, size_t n)
{
	if (n <= g->nvcpus)
		return;
	g->vcpus = more(g->vcpus, n, sizeof(*g->vcpus));
	g->out = more(g->out, n, sizeof(*g->out));
	for (; g->nvcpus < n; g->nvcpus++) {
		g->vcpus[g->nvcpus] = (struct live_vcpu){.pcpu = -1};
		g->stale = true;
	}
}

static void drop_guest(struct live_guest *g)
{
	free(g->vcpus);
	free(g->out);
}

/* --- what is asked for once --- */

static void ask_pins(struct live *l, struct live_guest *g, virDomainPtr dom)
{
	unsigned char *maps = calloc(g->nvcpus, (size_t)l->maplen);
	char list[CPULIST_MAX];
	int n = maps ? wire_affinity(&l->session.wire, dom, (int)g->nvcpus, maps, l->maplen) : -1;

	for (int v = 0; v < n; v++) {
		cpumap_format(maps + v * l->maplen, (size_t)l->maplen, list, sizeof(list));
		snprintf(g->vcpus[v].affinity, sizeof(g->vcpus[v].affinity), "%.63s", list);
	}
	free(maps);
	g->stale = n < 0;
}

/* Whose it is and whether its agent is there. Its definition tells both. */
static void ask_definition(struct live *l, struct live_guest *g, virDomainPtr dom)
{
	char *xml = wire_xml(&l->session.wire, dom), *metadata, *at;

	if (!xml)
		return;
	metadata = strstr(xml, "<metadata>"); /* comes before the devices */
	g->foreign = !metadata || (!strstr(metadata, "\"" LABGUEST_URI "\"") &&
				   !strstr(metadata, "'" LABGUEST_URI "'"));
	at = strstr(xml, "name='org.qemu.guest_agent.0'");
	g->agent = -1;
	if (at) {
		at[strcspn(at, ">")] = '\0';
		if (strstr(at, "state='"))
			g->agent = strstr(at, "state='connected'") != NULL;
	}
	free(xml);
	g->known = true;
}

/* Where the vCPUs of guests that may run anywhere were seen last: a few guests a look, in turn. */
static void ask_places(struct live *l, struct live_guest *g, virDomainPtr dom)
{
	virVcpuInfoPtr info = calloc(g->nvcpus, sizeof(*info));
	int n = info ? virDomainGetVcpus(dom, info, (int)g->nvcpus, NULL, 0) : -1;

	(void)l;
	for (int i = 0; i < n; i++) {
		if (info[i].number < g->nvcpus)
			g->vcpus[info[i].number].pcpu = info[i].cpu;
	}
	if (n < 0)
		virResetLastError();
	free(info);
}

static bool is_pinned(const struct live_guest *g)
{
	for (size_t v = 0; v < g->nvcpus; v++) {
		const char *list = g->vcpus[v].affinity;

		if (strspn(list, "0123456789") != strlen(list))
			return false;
	}
	return true;
}

static void ask_more(struct live *l, virDomainStatsRecordPtr *records, size_t n)
{
	size_t asked = 0, placed = 0;

	for (size_t i = 0; i < n && asked < ASKED_MOST; i++) {
		struct live_guest *g = find(l, virDomainGetName(records[i]->dom), i);

		if (!g || (g->known && !g->stale))
			continue;
		asked++;
		if (!g->known)
			ask_definition(l, g, records[i]->dom);
		if (g->stale)
			ask_pins(l, g, records[i]->dom);
	}
	for (size_t i = 0; i < n && placed < PLACED_MOST; i++) {
		size_t at = (l->placed + i) % n;
		struct live_guest *g = find(l, virDomainGetName(records[at]->dom), at);

		if (!g || is_pinned(g))
			continue;
		ask_places(l, g, records[at]->dom);
		if (++placed == PLACED_MOST)
			l->placed = at + 1;
	}
}

/* --- the bulk call --- */

/* "vcpu.3.time" is vCPU 3's time. */
static void take_vcpu(struct live_guest *g, const virTypedParameter *p)
{
	char *end;
	unsigned long v = strtoul(p->field + strlen("vcpu."), &end, 10);

	if (*end != '.' || p->type != VIR_TYPED_PARAM_ULLONG || v >= 4096)
		return;
	if (strcmp(end, ".time") == 0) {
		room_for_vcpus(g, v + 1);
		g->vcpus[v].time_ns = p->value.ul;
		g->ncurrent = v + 1 > g->ncurrent ? v + 1 : g->ncurrent;
		g->answered = true;
	} else if (strcmp(end, ".delay") == 0) {
		room_for_vcpus(g, v + 1);
		g->vcpus[v].delay_ns = p->value.ul;
		g->vcpus[v].has_delay = true;
	}
}

static void take_balloon(struct live_guest *g, const virTypedParameter *p)
{
	static const struct {
		const char *name;
		size_t offset;
	} figures[] = {{"current", offsetof(struct trace_memory, actual_kib)},
		       {"unused", offsetof(struct trace_memory, unused_kib)},
		       {"usable", offsetof(struct trace_memory, usable_kib)},
		       {"available", offsetof(struct trace_memory, available_kib)},
		       {"rss", offsetof(struct trace_memory, rss_kib)}};
	const char *name = p->field + strlen("balloon.");

	if (p->type != VIR_TYPED_PARAM_ULLONG)
		return;
	if (!strcmp(name, "maximum"))
		g->maximum_kib = (int64_t)p->value.ul;
	for (size_t i = 0; i < sizeof(figures) / sizeof(*figures); i++) {
		if (!strcmp(name, figures[i].name))
			*(int64_t *)(void *)((char *)&g->memory + figures[i].offset) =
				(int64_t)p->value.ul;
	}
}

static void take_record(struct live_guest *g, virDomainStatsRecordPtr record)
{
	g->memory = (struct trace_memory){-1, -1, -1, -1, -1, -1, -1, -1, -1};
	g->maximum_kib = -1;
	g->answered = false;
	g->ncurrent = 0;
	for (int i = 0; i < record->nparams; i++) {
		const virTypedParameter *p = &record->params[i];

		if (!strncmp(p->field, "vcpu.", 5))
			take_vcpu(g, p);
		else if (!strncmp(p->field, "balloon.", 8))
			take_balloon(g, p);
		else if (!strcmp(p->field, "state.state"))
			g->state = p->value.i;
	}
}

/* What the vCPUs did since the guest was looked at last. */
static void count(struct live_guest *g, double now_s)
{
	double elapsed_ns = (now_s - g->seen_s) * 1e9;

	for (size_t v = 0; v < g->ncurrent; v++) {
		struct live_vcpu *x = &g->vcpus[v];
		struct trace_vcpu *out = &g->out[v];

		*out = (struct trace_vcpu){-1, -1, x->pcpu, x->affinity[0] ? x->affinity : NULL};
		if (g->seen_s > 0 && elapsed_ns > 0 && g->answered && x->time_ns >= x->was_ns)
			out->usage_pct = 100 * (double)(x->time_ns - x->was_ns) / elapsed_ns;
		if (g->seen_s > 0 && elapsed_ns > 0 && x->has_delay && x->delay_ns >= x->waited_ns)
			out->delay_pct = 100 * (double)(x->delay_ns - x->waited_ns) / elapsed_ns;
		x->was_ns = x->time_ns;
		x->waited_ns = x->delay_ns;
	}
	if (g->answered)
		g->seen_s = now_s;
}

static bool is_wanted(const struct live *l, const struct live_guest *g)
{
	size_t len = strlen(l->args.prefix);

	if (!l->args.all && g->foreign)
		return false;
	return !len || (!strncmp(g->name, l->args.prefix, len) && g->name[len] &&
			strspn(g->name + len, "0123456789") == strlen(g->name + len));
}

static enum top_state state_of(int state)
{
	return state == VIR_DOMAIN_PAUSED || state == VIR_DOMAIN_PMSUSPENDED ? TOP_PAUSED
	       : state == VIR_DOMAIN_RUNNING || state == VIR_DOMAIN_BLOCKED  ? TOP_RUNNING
									     : TOP_OTHER_STATE;
}

/* Guests that are gone make room. */
static void forget_gone(struct live *l)
{
	size_t kept = 0;

	for (size_t i = 0; i < l->nguests; i++) {
		if (l->guests[i].look == l->look)
			l->guests[kept++] = l->guests[i];
		else
			drop_guest(&l->guests[i]);
	}
	l->nguests = kept;
}

static int look_at_guests(struct live *l, double now_s, char error[TOP_ERROR_MAX])
{
	virDomainStatsRecordPtr *records = NULL;
	int n = wire_stats(&l->session.wire, l->session.conn, STATS, &records);

	if (n < 0) {
		snprintf(error, TOP_ERROR_MAX, "%s", session_error(&l->session));
		return -1;
	}
	l->look++;
	for (int i = 0; i < n; i++) {
		const char *name = virDomainGetName(records[i]->dom);
		struct live_guest *g = find(l, name, (size_t)i);
		int id = (int)virDomainGetID(records[i]->dom);

		if (!g)
			g = add(l, name);
		if (g->id != id) {
			/* Another process than before, whose counters begin anew. */
			g->id = id;
			g->seen_s = 0;
			g->known = false;
			g->stale = true;
			for (size_t v = 0; v < g->nvcpus; v++)
				g->vcpus[v] = (struct live_vcpu){.pcpu = -1};
		}
		g->look = l->look;
		take_record(g, records[i]);
	}
	forget_gone(l);
	ask_more(l, records, (size_t)n);
	for (size_t i = 0; i < l->nguests; i++)
		count(&l->guests[i], now_s);
	virDomainStatsRecordListFree(records);
	return 0;
}

/* --- the host --- */

static void look_at_pcpus(struct live *l)
{
	ssize_t n = l->local ? procstat_read(&l->stat, &l->stat_size) : 0;

	for (size_t i = 0; i < l->npcpus; i++) {
		l->pcpus[i].usage_pct = -1;
		for (ssize_t k = 0; k < n; k++) {
			struct procstat_pcpu *before = &l->before[i], *now = &l->stat[k];

			if (now->id != l->pcpus[i].id)
				continue;
			if (before->total && now->total > before->total &&
			    now->busy >= before->busy)
				l->pcpus[i].usage_pct = 100.0 * (double)(now->busy - before->busy) /
							(double)(now->total - before->total);
			*before = *now;
		}
	}
}

static void find_pcpus(struct live *l)
{
	unsigned char *map = NULL;
	int n = wire_cpu_map(&l->session.wire, l->session.conn, &map);

	l->npcpus = 0;
	if (n > 0) {
		l->maplen = VIR_CPU_MAPLEN(n);
		l->pcpus = more(l->pcpus, (size_t)n, sizeof(*l->pcpus));
		l->before = more(l->before, (size_t)n, sizeof(*l->before));
	}
	for (int id = 0; id < n; id++) {
		if (!map || !cpumap_has(map, (size_t)l->maplen, (unsigned int)id))
			continue;
		l->before[l->npcpus] = (struct procstat_pcpu){.id = id};
		l->pcpus[l->npcpus++] = (struct trace_pcpu){id, -1, -1};
	}
	free(map);
}

int live_look(struct live *l, struct top_model *m, char error[TOP_ERROR_MAX])
{
	struct top_look look = {.about = l->about};
	struct trace_sample *s = &look.sample;
	long long total_kib = -1, available_kib = -1;
	double now_s;

	if (!session_ready(&l->session)) {
		snprintf(error, TOP_ERROR_MAX, "%s does not answer", l->args.uri);
		return -1;
	}
	now_s = tick_now_s();
	if (look_at_guests(l, now_s, error))
		return -1;
	look_at_pcpus(l);
	wire_node_memory(&l->session.wire, l->session.conn, &total_kib, &available_kib);
	s->t_s = now_s - l->start_s;
	s->elapsed_s = now_s - l->last_s;
	l->last_s = now_s;
	s->pcpus = l->pcpus;
	s->npcpus = l->npcpus;
	s->host_total_kib = total_kib;
	s->host_available_kib = available_kib;
	s->guests = l->seen;
	for (size_t i = 0; i < l->nguests; i++) {
		struct live_guest *g = &l->guests[i];

		if (!is_wanted(l, g))
			continue;
		l->seen[s->nguests] = (struct trace_guest){g->name, g->ncurrent, g->out, g->memory};
		l->about[s->nguests++] =
			(struct top_about){state_of(g->state), g->foreign, g->agent, g->target_kib,
					   g->maximum_kib,     g->load,	   NULL};
	}
	look.about = l->about;
	for (size_t i = 0; i < l->npins; i++)
		top_model_pin(m, s->t_s, l->pins[i].guest, l->pins[i].vcpu, l->pins[i].affinity);
	l->npins = 0;
	return top_model_look(m, &look);
}

/* --- events --- */

static void on_tunable(virConnectPtr conn, virDomainPtr dom, virTypedParameterPtr params,
		       int nparams, void *opaque)
{
	struct live *l = opaque;
	struct live_guest *g = find(l, virDomainGetName(dom), 0);
	static const char prefix[] = "cputune.vcpupin";

	(void)conn;
	for (int i = 0; g && i < nparams; i++) {
		struct live_pin *pin = &l->pins[l->npins];

		if (strncmp(params[i].field, prefix, strlen(prefix)) != 0 ||
		    params[i].type != VIR_TYPED_PARAM_STRING)
			continue;
		g->stale = true;
		if (l->npins == LIVE_PINS_MOST)
			continue; /* the next look shows where it is, though not on which way */
		l->npins++;
		snprintf(pin->guest, sizeof(pin->guest), "%s", g->name);
		snprintf(pin->affinity, sizeof(pin->affinity), "%s", params[i].value.s);
		pin->vcpu = (unsigned int)strtoul(params[i].field + strlen(prefix), NULL, 10);
	}
}

static void on_agent(virConnectPtr conn, virDomainPtr dom, int state, int reason, void *opaque)
{
	struct live_guest *g = find(opaque, virDomainGetName(dom), 0);

	(void)conn;
	(void)reason;
	if (g)
		g->agent = state == VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_CONNECTED;
}

static void on_open(virConnectPtr conn, void *opaque)
{
	static const struct {
		int id;
		virConnectDomainEventGenericCallback handler;
	} events[] = {{VIR_DOMAIN_EVENT_ID_TUNABLE, VIR_DOMAIN_EVENT_CALLBACK(on_tunable)},
		      {VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK(on_agent)}};
	struct live *l = opaque;

	for (size_t i = 0; i < LIVE_EVENTS; i++) {
		l->callbacks[i] = virConnectDomainEventRegisterAny(conn, NULL, events[i].id,
								   events[i].handler, l, NULL);
		if (l->callbacks[i] < 0)
			virResetLastError();
	}
	/* What changed meanwhile was not told. */
	for (size_t i = 0; i < l->nguests; i++)
		l->guests[i].known = !(l->guests[i].stale = true);
}

static void on_close(virConnectPtr conn, void *opaque)
{
	struct live *l = opaque;

	for (size_t i = 0; i < LIVE_EVENTS; i++) {
		if (l->callbacks[i] >= 0)
			virConnectDomainEventDeregisterAny(conn, l->callbacks[i]);
		l->callbacks[i] = -1;
	}
}

/* --- life --- */

struct live *live_open(const struct live_args *args)
{
	struct live *l = calloc(1, sizeof(*l));

	if (!l)
		die(EXIT_LAB, "out of memory");
	l->args = *args;
	for (size_t i = 0; i < LIVE_EVENTS; i++)
		l->callbacks[i] = -1;
	if (session_init(&l->session, args->uri))
		die(EXIT_LAB, "libvirt's event loop: %s", virGetLastErrorMessage());
	l->session.on_open = on_open;
	l->session.on_close = on_close;
	l->session.opaque = l;
	l->session.wire.read_only = args->all;
	session_guard(&l->session, args->interval_s);
	if (session_open(&l->session))
		cli_refuse_connection(&l->session, args->uri_given);
	l->local = session_is_local(l->session.conn);
	l->start_s = l->last_s = tick_now_s();
	find_pcpus(l);
	return l;
}

void live_close(struct live *l)
{
	if (!session_close(&l->session))
		_exit(EXIT_LAB);
	for (size_t i = 0; i < l->nguests; i++)
		drop_guest(&l->guests[i]);
	free(l->guests);
	free(l->about);
	free(l->seen);
	free(l->pcpus);
	free(l->before);
	free(l->stat);
	free(l);
}

static void on_input(int watch, int fd, int events, void *opaque)
{
	char drain[64];

	(void)watch;
	(void)events;
	if (fd != STDIN_FILENO && read(fd, drain, sizeof(drain)) < 0)
		return;
	session_wake(opaque);
}

void live_watch_input(struct live *l, int fd)
{
	virEventAddHandle(STDIN_FILENO, VIR_EVENT_HANDLE_READABLE, on_input, &l->session, NULL);
	virEventAddHandle(fd, VIR_EVENT_HANDLE_READABLE, on_input, &l->session, NULL);
}

void live_wait(struct live *l, double deadline_s)
{
	session_wait(&l->session, deadline_s);
}
