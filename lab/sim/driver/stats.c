/* SPDX-License-Identifier: MIT */
/* Bulk statistics: many figures of many guests in one call. */
#include "driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GROUPS                                                                                     \
	(VIR_DOMAIN_STATS_STATE | VIR_DOMAIN_STATS_CPU_TOTAL | VIR_DOMAIN_STATS_BALLOON |          \
	 VIR_DOMAIN_STATS_VCPU | VIR_DOMAIN_STATS_INTERFACE | VIR_DOMAIN_STATS_BLOCK |             \
	 VIR_DOMAIN_STATS_PERF | VIR_DOMAIN_STATS_IOTHREAD | VIR_DOMAIN_STATS_MEMORY |             \
	 VIR_DOMAIN_STATS_DIRTYRATE)

#define FLAGS                                                                                      \
	(0xfffU | VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT |                                       \
	 VIR_CONNECT_GET_ALL_DOMAINS_STATS_BACKING |                                               \
	 VIR_CONNECT_GET_ALL_DOMAINS_STATS_ENFORCE_STATS)

/* --- a growing row of typed parameters --- */

struct params {
	size_t place; /* whose */
	virTypedParameterPtr list;
	int n, size;
	bool failed;
};

static virTypedParameterPtr add(struct params *p, const char *field, int type)
{
	virTypedParameterPtr param;

	if (faults_missing(&driver_play()->faults, field, (unsigned int)p->place + 1,
			   (unsigned int)world_guests(driver_world())))
		return NULL;
	if (p->n == p->size) {
		int size = p->size ? p->size * 2 : 32;
		virTypedParameterPtr bigger = realloc(p->list, (size_t)size * sizeof(*bigger));

		if (!bigger) {
			p->failed = true;
			return NULL;
		}
		p->list = bigger;
		p->size = size;
	}
	param = &p->list[p->n++];
	memset(param, 0, sizeof(*param));
	memcpy(param->field, field, strnlen(field, VIR_TYPED_PARAM_FIELD_LENGTH - 1));
	param->type = type;
	return param;
}

static void add_int(struct params *p, const char *field, int value)
{
	virTypedParameterPtr param = add(p, field, VIR_TYPED_PARAM_INT);

	if (param)
		param->value.i = value;
}

static void add_uint(struct params *p, const char *field, unsigned int value)
{
	virTypedParameterPtr param = add(p, field, VIR_TYPED_PARAM_UINT);

	if (param)
		param->value.ui = value;
}

static void add_ullong(struct params *p, const char *field, uint64_t value)
{
	virTypedParameterPtr param = add(p, field, VIR_TYPED_PARAM_ULLONG);

	if (param)
		param->value.ul = value;
}

/* --- the groups --- */

struct subject {
	size_t place;
	unsigned int id;
	bool running;
	bool busy; /* its monitor, and the caller does not wait for it */
	const struct driver_guest *state;
};

static void add_state(struct params *p, const struct subject *s)
{
	int reason, state = domain_state(s->place, &reason);

	add_int(p, "state.state", state);
	add_int(p, "state.reason", reason);
}

static void add_cpu_total(struct params *p, const struct subject *s)
{
	struct model_process process = {0};

	if (s->running)
		model_process_read(driver_model(), s->id, &process);
	add_ullong(p, "cpu.time", process.time_ns);
	add_ullong(p, "cpu.user", process.user_ns);
	add_ullong(p, "cpu.system", process.system_ns);
	if (!s->running)
		return;
	add_uint(p, "cpu.cache.monitor.count", 0);
	add_ullong(p, "cpu.haltpoll.success.time", 0);
	add_ullong(p, "cpu.haltpoll.fail.time", 0);
}

static void add_balloon(struct params *p, const struct subject *s)
{
	struct memory_stat stats[MEMORY_STATS_MAX];
	size_t n;

	if (!s->running) {
		add_ullong(p, "balloon.current", s->state->memory_kib);
		add_ullong(p, "balloon.maximum", s->state->maximum_kib);
		return;
	}
	n = memory_stats(s->id, stats); /* the first is the size */
	add_ullong(p, stats[0].field, stats[0].value);
	add_ullong(p, "balloon.maximum", s->state->maximum_kib);
	for (size_t i = 1; i < n && !s->busy; i++)
		add_ullong(p, stats[i].field, stats[i].value);
}

static void add_vcpus(struct params *p, const struct subject *s)
{
	unsigned int n = model_guest_vcpus(driver_model(), s->id);
	char field[VIR_TYPED_PARAM_FIELD_LENGTH];

	add_uint(p, "vcpu.current", n);
	add_uint(p, "vcpu.maximum", n);
	for (unsigned int i = 0; s->running && i < n; i++) {
		struct model_vcpu vcpu;
		int len = snprintf(field, sizeof(field), "vcpu.%u.", i);
		char *rest = field + len;

		model_vcpu_read(driver_model(), s->id, i, &vcpu);
		strcpy(rest, "state");
		add_int(p, field, VIR_VCPU_RUNNING);
		strcpy(rest, "time");
		add_ullong(p, field, vcpu.time_ns);
		strcpy(rest, "wait");
		add_ullong(p, field, vcpu.wait_ns);
		strcpy(rest, "delay");
		add_ullong(p, field, vcpu.delay_ns);
	}
}

/* The model's guests have neither. */
static void add_interfaces(struct params *p, const struct subject *s)
{
	if (s->running)
		add_uint(p, "net.count", 0);
}

static void add_blocks(struct params *p, const struct subject *s)
{
	(void)s;
	add_uint(p, "block.count", 0);
}

static const struct {
	unsigned int group;
	void (*add)(struct params *p, const struct subject *s);
} groups[] = {
	{VIR_DOMAIN_STATS_STATE, add_state},	      {VIR_DOMAIN_STATS_CPU_TOTAL, add_cpu_total},
	{VIR_DOMAIN_STATS_BALLOON, add_balloon},      {VIR_DOMAIN_STATS_VCPU, add_vcpus},
	{VIR_DOMAIN_STATS_INTERFACE, add_interfaces}, {VIR_DOMAIN_STATS_BLOCK, add_blocks},
};

/* Does somebody wait in the monitor of a guest whose QEMU has stopped? */
static bool is_entered(size_t place)
{
	const struct fault_hold *hold = call_hold(place);

	return hold && hold->stopped && hold->entered;
}

/* Whoever asks first waits there until it answers; whoever asks next and must not wait does not. */
static void enter_monitor(size_t place, unsigned int flags)
{
	struct fault_hold *hold = call_hold(place);

	if (!hold || !hold->stopped || !guest_running(place) ||
	    (hold->entered && flags & VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT))
		return;
	hold->entered = true;
	call_wait(hold->window.to_ns);
	hold->entered = false;
}

static struct driver_stats *record_of(struct client *conn, size_t place, unsigned int stats,
				      unsigned int flags)
{
	const struct subject subject = {
		.place = place,
		.id = world_guest(driver_world(), place)->id,
		.running = guest_running(place),
		.busy = flags & VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT &&
			(faults_busy(&driver_play()->faults, driver_now()) || is_entered(place)),
		.state = guest_at(place),
	};
	struct driver_stats *record = calloc(1, sizeof(*record));
	struct params params = {.place = place};

	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		if (stats & groups[i].group)
			groups[i].add(&params, &subject);
	}
	if (record)
		record->dom = domain_new(conn, place);
	if (!record || !record->dom || params.failed) {
		if (record)
			free(record->dom);
		free(record);
		free(params.list);
		return NULL;
	}
	record->params = params.list;
	record->nparams = params.n;
	return record;
}

/* --- the calls --- */

static void free_records(struct driver_stats **records)
{
	for (size_t i = 0; records && records[i]; i++) {
		free(records[i]->params);
		free(records[i]->dom);
		free(records[i]);
	}
	free(records);
}

static int check_groups(struct call *c, unsigned int *stats, unsigned int flags)
{
	if (!*stats)
		*stats = GROUPS;
	else if (flags & VIR_CONNECT_GET_ALL_DOMAINS_STATS_ENFORCE_STATS && *stats & ~GROUPS)
		return call_fail(c, VIR_ERR_ARGUMENT_UNSUPPORTED,
				 "Stats types bits 0x%x are not supported by this daemon or QEMU",
				 *stats & ~GROUPS);
	return call_check_flags(c, flags, FLAGS);
}

/* A caller that gets its answer late cannot tell that it is from before. */
static void wait_slowly(void)
{
	uint64_t slow_ns = faults_slow(&driver_play()->faults, driver_now());

	if (slow_ns)
		driver_wait(driver_now() + slow_ns);
}

static int fill(struct call *c, const size_t *places, size_t count, unsigned int stats,
		unsigned int flags, struct driver_stats ***out)
{
	struct driver_stats **records = calloc(count + 1, sizeof(*records));
	size_t n = 0;

	if (!records)
		return call_fail(c, VIR_ERR_NO_MEMORY, "%s", c->function);
	for (size_t i = 0; i < count; i++) {
		if (!guest_listed(places[i], flags & 0xfff))
			continue;
		enter_monitor(places[i], flags);
		records[n] = record_of(c->conn, places[i], stats, flags);
		if (!records[n]) {
			free_records(records);
			return call_fail(c, VIR_ERR_NO_MEMORY, "%s", c->function);
		}
		n++;
	}
	*out = records;
	wait_slowly();
	return (int)n;
}

int driver_connect_get_all_domain_stats(struct client *conn, unsigned int stats,
					struct driver_stats ***out, unsigned int flags)
{
	struct call c;
	const size_t *order;
	size_t count;

	if (call_begin(&c, "virConnectGetAllDomainStats", conn, CALL_READS))
		return call_int(&c, -1);
	call_arguments(&c, "{s:i, s:I}", "stats", (int)stats, "flags", (json_int_t)flags);
	if (check_groups(&c, &stats, flags))
		return call_int(&c, -1);
	order = guests_in_order(&count);
	return call_int(&c, fill(&c, order, count, stats, flags, out));
}

/* The places of a list of handles; those of guests that are gone are left out, as libvirt does. */
static size_t *places_of(struct domain *const *domains, size_t n, size_t *count)
{
	size_t *places = calloc(n + 1, sizeof(*places));

	*count = 0;
	for (size_t i = 0; places && i < n; i++) {
		const struct world_guest *guest = world_guest(driver_world(), domains[i]->place);

		if (!memcmp(guest->uuid, domains[i]->uuid, sizeof(guest->uuid)))
			places[(*count)++] = domains[i]->place;
	}
	return places;
}

int driver_domain_list_get_stats(struct client *client, struct domain *const *domains,
				 size_t ndomains, unsigned int stats, struct driver_stats ***out,
				 unsigned int flags)
{
	struct call c;
	size_t count, *places;
	int n = -1;

	if (call_begin(&c, "virDomainListGetStats", client, CALL_READS))
		return call_int(&c, -1);
	call_arguments(&c, "{s:i, s:I}", "stats", (int)stats, "flags", (json_int_t)flags);
	if (check_groups(&c, &stats, flags))
		return call_int(&c, -1);
	places = places_of(domains, ndomains, &count);
	if (places)
		n = fill(&c, places, count, stats, flags, out);
	else
		call_fail(&c, VIR_ERR_NO_MEMORY, "%s", c.function);
	free(places);
	return call_int(&c, n);
}

void driver_stats_free(struct driver_stats **records)
{
	free_records(records);
}
