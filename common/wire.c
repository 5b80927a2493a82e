/* SPDX-License-Identifier: MIT */
/* Calls of libvirt that can be given up. */
#include "wire.h"

#include "log.h"
#include "tick.h"

#include <libvirt/virterror.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Statistics are given up after an interval, so that the second question is answered within two;
 * they may take half a second where all guests have just become busy.
 */
#define READ_LEAST_S 1.0
#define READ_MOST_S  2.0

/* A change takes milliseconds. One given up too early is none lost: its thread goes on. */
#define CHANGE_S 0.5

/* Opening waits for a libvirtd that systemd starts on demand. */
#define OPEN_S 10.0

/*
 * libvirtd works on at most 5 calls of a client at a time (max_client_requests): with 3 that do not
 * come back it needs another connection. It has 20 workers for all clients (max_workers): with 12
 * of them held by us nothing more is asked.
 */
#define LEFT_MOST_HERE 3
#define LEFT_MOST      12

/* A call of libvirt: what goes in, and what comes out. */
struct wire_call {
	struct call call;
	int (*what)(struct wire_call *c);
	virConnectPtr conn;
	virDomainPtr dom;
	virDomainPtr *domains; /* ended by NULL */
	char *text;
	void *bytes; /* in or out */
	size_t size;
	unsigned long number, flags;
	unsigned char uuid[VIR_UUID_BUFLEN];
	unsigned int connection; /* as of struct wire, when it was made */
	void (*run)(void *opaque);
	void *opaque;
	/* out */
	int result;
	void *out;
	void (*free_out)(void *out);
	long long figures[2];
	int code;
	char error[WIRE_ERROR_MAX];
};

/* --- the life of a call --- */

static void make(struct call *call)
{
	struct wire_call *c = (struct wire_call *)(void *)call;

	c->result = c->what(c);
	if (c->result < 0) {
		c->code = virGetLastErrorCode();
		snprintf(c->error, sizeof(c->error), "%s", virGetLastErrorMessage());
	}
}

static void drop(struct call *call)
{
	struct wire_call *c = (struct wire_call *)(void *)call;

	if (c->out && c->free_out)
		c->free_out(c->out);
	for (virDomainPtr *dom = c->domains; dom && *dom; dom++)
		virDomainFree(*dom);
	free(c->domains);
	if (c->dom)
		virDomainFree(c->dom);
	if (c->conn)
		virConnectClose(c->conn); /* its own reference */
	free(c->text);
	free(c->bytes);
}

static int fail(struct wire *wire, int code, const char *message)
{
	wire->code = code;
	snprintf(wire->error, sizeof(wire->error), "%s", message);
	return -1;
}

/* NULL when out of memory. The call holds references of its own: it may outlive all else. */
static struct wire_call *prepare(struct wire *wire, int (*what)(struct wire_call *c),
				 virConnectPtr conn, virDomainPtr dom)
{
	struct wire_call *c = calloc(1, sizeof(*c));

	if (!c) {
		fail(wire, VIR_ERR_NO_MEMORY, "out of memory");
		return NULL;
	}
	c->call.make = make;
	c->call.drop = drop;
	c->what = what;
	c->connection = wire->connection;
	if (conn && virConnectRef(conn) == 0)
		c->conn = conn;
	if (dom && virDomainRef(dom) == 0)
		c->dom = dom;
	return c;
}

/* True if it is back; then its result is c->result, and the caller frees it. */
static bool ask(struct wire *wire, struct wire_call *c, double limit_s)
{
	char late[WIRE_ERROR_MAX];

	if (!wire->guarded) {
		make(&c->call);
	} else if (wire->calls.nleft >= LEFT_MOST) {
		c->call.kept = false;
		call_free(&c->call);
		fail(wire, VIR_ERR_OPERATION_TIMEOUT, "too many calls do not come back");
		return false;
	} else if (!calls_make(&wire->calls, &c->call, limit_s)) {
		snprintf(late, sizeof(late), "no answer within %.1f s", limit_s);
		fail(wire, VIR_ERR_OPERATION_TIMEOUT, late);
		return false;
	}
	if (c->result < 0)
		fail(wire, c->code, c->error);
	return true;
}

/* For a call with nothing but a result. */
static int result_of(struct wire *wire, struct wire_call *c, double limit_s)
{
	int result = -1;

	if (c && ask(wire, c, limit_s)) {
		result = c->result;
		call_free(&c->call);
	}
	return result;
}

/* For one that comes back with something that is the caller's then. */
static void *out_of(struct wire *wire, struct wire_call *c, double limit_s)
{
	void *out = NULL;

	if (c && ask(wire, c, limit_s)) {
		out = c->out;
		c->out = NULL;
		call_free(&c->call);
	}
	return out;
}

void wire_guard(struct wire *wire, int quit_fd, double interval_s)
{
	calls_init(&wire->calls, quit_fd);
	wire->guarded = true;
	wire->read_s = fmin(fmax(interval_s, READ_LEAST_S), READ_MOST_S);
	wire->change_s = CHANGE_S;
}

void wire_reap(struct wire *wire)
{
	calls_reap(&wire->calls);
	if (wire->told && !wire->calls.nleft) {
		wire->told = false;
		log_warn("all guests answer libvirtd again");
	}
}

/* Calls left behind on the present connection. */
static size_t count_left(const struct wire *wire)
{
	size_t n = 0;

	for (const struct call *call = wire->calls.left; call; call = call->next) {
		const struct wire_call *c = (const struct wire_call *)(const void *)call;

		n += c->connection == wire->connection && !atomic_load(&call->back);
	}
	return n;
}

bool wire_is_full(const struct wire *wire)
{
	return count_left(wire) >= LEFT_MOST_HERE;
}

/* --- connections --- */

static void close_connection(void *conn)
{
	virConnectClose(conn);
}

static int open_connection(struct wire_call *c)
{
	c->out = c->flags & VIR_CONNECT_RO ? virConnectOpenReadOnly(c->text)
					   : virConnectOpen(c->text);
	return c->out ? 0 : -1;
}

virConnectPtr wire_open(struct wire *wire, const char *uri)
{
	struct wire_call *c = prepare(wire, open_connection, NULL, NULL);

	if (c) {
		c->text = strdup(uri);
		c->flags = wire->read_only ? VIR_CONNECT_RO : 0;
		c->free_out = close_connection;
	}
	return out_of(wire, c, OPEN_S);
}

static int run_it(struct wire_call *c)
{
	c->run(c->opaque);
	return 0;
}

bool wire_run(struct wire *wire, void (*run)(void *opaque), void *opaque, double limit_s)
{
	struct wire_call *c = prepare(wire, run_it, NULL, NULL);

	if (!c)
		return false;
	c->run = run;
	c->opaque = opaque;
	return result_of(wire, c, limit_s) == 0;
}

/* --- reading --- */

static void free_records(void *records)
{
	virDomainStatsRecordListFree(records);
}

static int get_stats(struct wire_call *c)
{
	virDomainStatsRecordPtr *records = NULL;
	int n;

	if (c->domains)
		n = virDomainListGetStats(c->domains, (unsigned int)c->number, &records,
					  (unsigned int)c->flags);
	else
		n = virConnectGetAllDomainStats(c->conn, (unsigned int)c->number, &records,
						(unsigned int)c->flags);
	c->out = n < 0 ? NULL : records;
	c->free_out = free_records;
	return n;
}

static int stats_of_call(struct wire *wire, struct wire_call *c, unsigned int groups,
			 unsigned int flags, virDomainStatsRecordPtr **records)
{
	int n = -1;

	*records = NULL;
	if (!c)
		return -1;
	c->number = groups;
	c->flags = flags;
	if (ask(wire, c, wire->read_s)) {
		n = c->result;
		*records = c->out;
		c->out = NULL;
		call_free(&c->call);
	}
	return n;
}

static int get_control(struct wire_call *c)
{
	virDomainControlInfo info;
	int result = virDomainGetControlInfo(c->dom, &info, 0);

	if (result == 0)
		c->figures[0] =
			info.state == VIR_DOMAIN_CONTROL_OCCUPIED ? (long long)info.stateTime : -1;
	return result;
}

bool wire_is_occupied(struct wire *wire, virDomainPtr dom, double least_s)
{
	struct wire_call *c = prepare(wire, get_control, NULL, dom);
	bool occupied = false;

	if (c && ask(wire, c, wire->change_s)) {
		occupied = c->result == 0 && (double)c->figures[0] >= least_s * 1000;
		call_free(&c->call);
	}
	return occupied;
}

/* Tells which guests hold up whoever asked first. */
static void tell_held(struct wire *wire, const virDomainStatsRecordPtr *records, int n)
{
	size_t nleft = wire->calls.nleft, held = 0;

	for (int i = 0; i < n && wire->calls.nleft == nleft; i++) {
		if (!wire_is_occupied(wire, records[i]->dom, wire->read_s / 2))
			continue;
		held++;
		log_warn("guest %s does not answer libvirtd; going on without waiting for it",
			 virDomainGetName(records[i]->dom));
	}
	if (!held && !wire->told)
		log_warn("a guest does not answer libvirtd; going on without waiting for it");
	wire->told = true;
}

int wire_stats(struct wire *wire, virConnectPtr conn, unsigned int groups,
	       virDomainStatsRecordPtr **records)
{
	const unsigned int active = VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE;
	const unsigned int nowait = active | VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT;
	size_t nleft = wire->calls.nleft;
	int n = stats_of_call(wire, prepare(wire, get_stats, conn, NULL), groups, nowait, records);

	if (n >= 0)
		return n;
	if (wire->calls.nleft == nleft) {
		/* A hypervisor that does not know the flag. */
		if (virConnectIsAlive(conn) == 1)
			n = stats_of_call(wire, prepare(wire, get_stats, conn, NULL), groups,
					  active, records);
	} else if (!tick_quit && !wire_is_full(wire)) {
		n = stats_of_call(wire, prepare(wire, get_stats, conn, NULL), groups, nowait,
				  records);
		if (n >= 0)
			tell_held(wire, *records, n);
	}
	return n;
}

int wire_stats_of(struct wire *wire, virDomainPtr *domains, unsigned int groups,
		  virDomainStatsRecordPtr **records)
{
	struct wire_call *c = prepare(wire, get_stats, NULL, NULL);
	size_t n = 0;

	while (domains[n])
		n++;
	if (c)
		c->domains = calloc(n + 1, sizeof(virDomainPtr));
	if (c && !c->domains) {
		call_free(&c->call);
		return fail(wire, VIR_ERR_NO_MEMORY, "out of memory");
	}
	for (size_t i = 0; c && i < n && virDomainRef(domains[i]) == 0; i++)
		c->domains[i] = domains[i];
	return stats_of_call(wire, c, groups, VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT, records);
}

static int get_xml(struct wire_call *c)
{
	c->out = virDomainGetXMLDesc(c->dom, 0);
	c->free_out = free;
	return c->out ? 0 : -1;
}

char *wire_xml(struct wire *wire, virDomainPtr dom)
{
	return out_of(wire, prepare(wire, get_xml, NULL, dom), wire->read_s);
}

static int get_capabilities(struct wire_call *c)
{
	c->out = virConnectGetCapabilities(c->conn);
	c->free_out = free;
	return c->out ? 0 : -1;
}

char *wire_capabilities(struct wire *wire, virConnectPtr conn)
{
	return out_of(wire, prepare(wire, get_capabilities, conn, NULL), wire->read_s);
}

static void free_domain(void *dom)
{
	virDomainFree(dom);
}

static int look_up(struct wire_call *c)
{
	c->out = virDomainLookupByUUID(c->conn, c->uuid);
	c->free_out = free_domain;
	return c->out ? 0 : -1;
}

virDomainPtr wire_lookup(struct wire *wire, virConnectPtr conn, const unsigned char *uuid)
{
	struct wire_call *c = prepare(wire, look_up, conn, NULL);

	if (c)
		memcpy(c->uuid, uuid, sizeof(c->uuid));
	return out_of(wire, c, wire->read_s);
}

static int get_cpu_map(struct wire_call *c)
{
	unsigned char *map = NULL;
	unsigned int online;
	int total = virNodeGetCPUMap(c->conn, c->number ? &map : NULL, &online, 0);

	c->out = map;
	c->free_out = free;
	return total;
}

int wire_cpu_map(struct wire *wire, virConnectPtr conn, unsigned char **map)
{
	struct wire_call *c = prepare(wire, get_cpu_map, conn, NULL);
	int total = -1;

	if (c)
		c->number = map != NULL;
	if (c && ask(wire, c, wire->read_s)) {
		total = c->result;
		if (map) {
			*map = c->out;
			c->out = NULL;
		}
		call_free(&c->call);
	}
	return total;
}

static int get_affinity(struct wire_call *c)
{
	return virDomainGetVcpuPinInfo(c->dom, (int)c->number, c->bytes, (int)c->flags,
				       VIR_DOMAIN_AFFECT_LIVE);
}

static int ask_maps(struct wire *wire, struct wire_call *c, int n, unsigned char *maps, int maplen)
{
	int result = -1;

	if (!c)
		return -1;
	c->size = (size_t)n * (size_t)maplen;
	c->number = (unsigned long)n;
	c->flags = (unsigned long)maplen;
	c->bytes = calloc((size_t)n, (size_t)maplen);
	if (!c->bytes) {
		call_free(&c->call);
		return fail(wire, VIR_ERR_NO_MEMORY, "out of memory");
	}
	if (ask(wire, c, wire->read_s)) {
		result = c->result;
		if (result >= 0)
			memcpy(maps, c->bytes, c->size);
		call_free(&c->call);
	}
	return result;
}

static int get_vcpus(struct wire_call *c)
{
	int n = (int)c->number, maplen = (int)c->flags;
	virVcpuInfoPtr info = calloc(c->number, sizeof(*info));
	unsigned char *maps = calloc(c->number, c->flags);
	int got = info && maps ? virDomainGetVcpus(c->dom, info, n, maps, maplen) : -1;

	/* Those that are offline are left out, so they are told by their numbers. */
	for (int i = 0; i < got; i++) {
		if (info[i].number < c->number)
			memcpy((unsigned char *)c->bytes + info[i].number * c->flags,
			       maps + (size_t)i * c->flags, c->flags);
	}
	free(info);
	free(maps);
	return got;
}

int wire_affinity(struct wire *wire, virDomainPtr dom, int n, unsigned char *maps, int maplen)
{
	return ask_maps(wire, prepare(wire, get_affinity, NULL, dom), n, maps, maplen);
}

int wire_places(struct wire *wire, virDomainPtr dom, int n, unsigned char *maps, int maplen)
{
	return ask_maps(wire, prepare(wire, get_vcpus, NULL, dom), n, maps, maplen);
}

static int get_shares(struct wire_call *c)
{
	virTypedParameter params[32];
	unsigned long long shares = 0;
	int n = (int)(sizeof(params) / sizeof(*params));

	if (virDomainGetSchedulerParametersFlags(c->dom, params, &n, VIR_DOMAIN_AFFECT_LIVE))
		return -1;
	virTypedParamsGetULLong(params, n, VIR_DOMAIN_SCHEDULER_CPU_SHARES, &shares);
	virTypedParamsClear(params, n);
	c->figures[0] = (long long)shares;
	return 0;
}

unsigned long long wire_shares(struct wire *wire, virDomainPtr dom)
{
	struct wire_call *c = prepare(wire, get_shares, NULL, dom);
	unsigned long long shares = 0;

	if (c && ask(wire, c, wire->read_s)) {
		shares = c->result == 0 ? (unsigned long long)c->figures[0] : 0;
		call_free(&c->call);
	}
	return shares;
}

/* libvirt knows no MemAvailable: half of the page cache is taken for free, as old kernels' tools
 * do. */
static int get_node_memory(struct wire_call *c)
{
	virNodeMemoryStats stats[16];
	virNodeInfo info;
	int n = 0;

	if (virNodeGetMemoryStats(c->conn, VIR_NODE_MEMORY_STATS_ALL_CELLS, NULL, &n, 0) < 0 ||
	    n > 16 ||
	    virNodeGetMemoryStats(c->conn, VIR_NODE_MEMORY_STATS_ALL_CELLS, stats, &n, 0) < 0) {
		/* Not every hypervisor tells more than this. */
		if (virNodeGetInfo(c->conn, &info) < 0)
			return -1;
		c->figures[0] = (long long)info.memory;
		c->figures[1] = (long long)(virNodeGetFreeMemory(c->conn) / 1024);
		return 0;
	}
	for (int i = 0; i < n; i++) {
		long long kib = (long long)stats[i].value;

		if (!strcmp(stats[i].field, VIR_NODE_MEMORY_STATS_TOTAL))
			c->figures[0] = kib;
		else if (!strcmp(stats[i].field, VIR_NODE_MEMORY_STATS_FREE) ||
			 !strcmp(stats[i].field, VIR_NODE_MEMORY_STATS_BUFFERS))
			c->figures[1] += kib;
		else if (!strcmp(stats[i].field, VIR_NODE_MEMORY_STATS_CACHED))
			c->figures[1] += kib / 2;
	}
	return 0;
}

int wire_node_memory(struct wire *wire, virConnectPtr conn, long long *total_kib,
		     long long *available_kib)
{
	struct wire_call *c = prepare(wire, get_node_memory, conn, NULL);
	int result = -1;

	if (c && ask(wire, c, wire->read_s)) {
		result = c->result;
		*total_kib = c->figures[0];
		*available_kib = c->figures[1];
		call_free(&c->call);
	}
	return result;
}

/* --- changing --- */

/* Makes a change; where it is not waited for it is kept for whoever wants to know. */
static int change(struct wire *wire, struct wire_call *c, struct call **left)
{
	size_t nleft = wire->calls.nleft;
	int result = -1;

	if (!c)
		return -1;
	c->call.kept = left != NULL;
	if (ask(wire, c, wire->change_s)) {
		result = c->result;
		call_free(&c->call);
	} else if (left && wire->calls.nleft > nleft) {
		*left = &c->call;
	}
	return result;
}

static int set_pin(struct wire_call *c)
{
	return virDomainPinVcpuFlags(c->dom, (unsigned int)c->number, c->bytes, (int)c->size,
				     VIR_DOMAIN_AFFECT_LIVE);
}

int wire_pin(struct wire *wire, virDomainPtr dom, unsigned int number, const unsigned char *map,
	     int maplen, struct call **left)
{
	struct wire_call *c = prepare(wire, set_pin, NULL, dom);

	if (c)
		c->bytes = malloc((size_t)maplen);
	if (c && !c->bytes) {
		call_free(&c->call);
		return fail(wire, VIR_ERR_NO_MEMORY, "out of memory");
	}
	if (c) {
		memcpy(c->bytes, map, (size_t)maplen);
		c->size = (size_t)maplen;
		c->number = number;
	}
	return change(wire, c, left);
}

static int set_memory(struct wire_call *c)
{
	return virDomainSetMemoryFlags(c->dom, c->number, VIR_DOMAIN_AFFECT_LIVE);
}

int wire_set_memory(struct wire *wire, virDomainPtr dom, unsigned long kib, struct call **left)
{
	struct wire_call *c = prepare(wire, set_memory, NULL, dom);

	if (c)
		c->number = kib;
	return change(wire, c, left);
}

static int set_period(struct wire_call *c)
{
	return virDomainSetMemoryStatsPeriod(c->dom, (int)c->number, VIR_DOMAIN_AFFECT_LIVE);
}

int wire_set_period(struct wire *wire, virDomainPtr dom, int period_s)
{
	struct wire_call *c = prepare(wire, set_period, NULL, dom);

	if (c)
		c->number = (unsigned long)period_s;
	return change(wire, c, NULL);
}

bool wire_is_back(struct wire *wire, struct call **left, int *result)
{
	if (!*left || !atomic_load(&(*left)->back))
		return false;
	*result = ((struct wire_call *)(void *)*left)->result;
	wire_forget(wire, left);
	return true;
}

void wire_forget(struct wire *wire, struct call **left)
{
	if (*left)
		calls_forget(&wire->calls, *left);
	*left = NULL;
}
