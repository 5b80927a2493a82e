/* SPDX-License-Identifier: MIT */
/*
 * Reads the host and its guests into a sample and makes pins. The only file with calls of libvirt.
 */
#include "host.h"

#include "log.h"
#include "session.h"
#include "tick.h"
#include "units.h"
#include "xml.h"

#include <ctype.h>
#include <fnmatch.h>
#include <libvirt/virterror.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * A guest's pin that failed is tried again at the next tick, so many times in a row; then the guest
 * is left alone for 1, 2, 4 … at most 64 ticks.
 */
#define RETRIES		   2U
#define BACKOFF_MOST_STEPS 6U

struct guest {
	unsigned char uuid[VIR_UUID_BUFLEN];
	unsigned int id; /* libvirt's, another at each start */
	char *name;
	struct xml_guest policy;
	unsigned int nvcpus; /* maximum */
	int *pinned;	     /* [nvcpus] the pCPU's id, or CPU_FLOATING */
	char **original;     /* [nvcpus] the affinity before our first pin, as others set it last */
	bool *announced;     /* [nvcpus] we pin it, or did */
	unsigned char *allowed; /* [nvcpus] maps of maplen bytes, with respect_pins; else NULL */
	size_t maplen;
	bool left_alone; /* others pin it, which is to be respected */
	bool stale;	 /* its affinity must be read again */
	bool seen;	 /* in this sample */
	unsigned int failures;
	unsigned int wait_ticks;
};

/* Longer than that and than twice the usual, and bulk statistics are asked for again, so often. */
#define SLOW_CALL_S  0.02
#define SAMPLE_TRIES 3

struct host {
	const struct host_options *options;
	const struct saved *earlier;
	bool local; /* the guests run on the machine we run on: /proc tells */
	int tunable_event;

	double usual_call_s; /* how long bulk statistics take, at their quickest of late */
	virDomainStatsRecordPtr *records; /* of the last sample: their domains are used for pins */
	int nrecords;

	size_t total; /* pCPUs present or not: what cpumaps must hold */
	size_t maplen;
	struct xml_pcpu *topology;
	int ntopology;
	unsigned char *wanted; /* [maplen] pCPUs that may be used */

	struct cpu_pcpu *pcpus;
	size_t npcpus, pcpus_size;
	bool pcpus_changed;

	struct guest *guests; /* by uuid */
	size_t nguests, guests_size;
	size_t unknown; /* guests of the last sample that could not be asked about yet */
	unsigned long tick;

	struct cpu_guest *sample_guests;
	size_t *sample_records; /* [sample guest] position in records */
	const struct guest **sample_known;
	struct cpu_vcpu *vcpus;
	size_t nvcpus, vcpus_size;
};

struct host *host_new(const struct host_options *options, const struct saved *earlier)
{
	struct host *host = calloc(1, sizeof(*host));

	if (host) {
		host->options = options;
		host->earlier = earlier;
		host->tunable_event = -1;
	}
	return host;
}

static void guest_clear(struct guest *guest)
{
	for (unsigned int v = 0; guest->original && v < guest->nvcpus; v++)
		free(guest->original[v]);
	free(guest->name);
	free(guest->pinned);
	free(guest->original);
	free(guest->announced);
	free(guest->allowed);
}

void host_free(struct host *host)
{
	if (!host)
		return;
	for (size_t g = 0; g < host->nguests; g++)
		guest_clear(&host->guests[g]);
	free(host->guests);
	free(host->topology);
	free(host->wanted);
	free(host->pcpus);
	free(host->sample_guests);
	free(host->sample_records);
	free(host->sample_known);
	free(host->vcpus);
	free(host);
}

/* --- the connection --- */

static int compare_uuid(const void *a, const void *b)
{
	const struct guest *x = a, *y = b;

	return memcmp(x->uuid, y->uuid, VIR_UUID_BUFLEN);
}

static struct guest *find_guest(const struct host *host, const unsigned char *uuid)
{
	struct guest key;

	memcpy(key.uuid, uuid, VIR_UUID_BUFLEN);
	return host->nguests ? bsearch(&key, host->guests, host->nguests, sizeof(key), compare_uuid)
			     : NULL;
}

/* "0-3,8" as the one CPU it names, or CPU_FLOATING. */
static int single_cpu(const char *list)
{
	char *end;
	long id = strtol(list, &end, 10);

	return end != list && *end == '\0' && id >= 0 && id <= INT32_MAX ? (int)id : CPU_FLOATING;
}

/* An affinity was set through libvirt, by us or by somebody else. */
static void on_tunable(virConnectPtr conn, virDomainPtr dom, virTypedParameterPtr params,
		       int nparams, void *opaque)
{
	struct host *host = opaque;
	unsigned char uuid[VIR_UUID_BUFLEN];
	struct guest *guest;

	(void)conn;
	if (virDomainGetUUID(dom, uuid) < 0)
		return;
	guest = find_guest(host, uuid);
	for (int i = 0; guest && i < nparams; i++) {
		unsigned int number;

		if (sscanf(params[i].field, "cputune.vcpupin%u", &number) != 1 ||
		    params[i].type != VIR_TYPED_PARAM_STRING || number >= guest->nvcpus ||
		    single_cpu(params[i].value.s) == guest->pinned[number])
			continue;
		guest->stale = true;
	}
}

void host_opened(virConnectPtr conn, void *opaque)
{
	struct host *host = opaque;

	host->local = session_is_local(conn);
	host->pcpus_changed = true;
	host->tunable_event =
		virConnectDomainEventRegisterAny(conn, NULL, VIR_DOMAIN_EVENT_ID_TUNABLE,
						 VIR_DOMAIN_EVENT_CALLBACK(on_tunable), host, NULL);
	/* What happened meanwhile was not told. */
	for (size_t g = 0; g < host->nguests; g++)
		host->guests[g].stale = true;
}

static void drop_records(struct host *host)
{
	if (host->records)
		virDomainStatsRecordListFree(host->records);
	host->records = NULL;
	host->nrecords = 0;
}

void host_closed(virConnectPtr conn, void *opaque)
{
	struct host *host = opaque;

	drop_records(host);
	if (host->tunable_event >= 0)
		virConnectDomainEventDeregisterAny(conn, host->tunable_event);
	host->tunable_event = -1;
}

/* --- pCPUs --- */

/* Grows *array, of elements of that size, to hold at least n. 0, or −1 when out of memory. */
static int reserve(void *array, size_t *size, size_t n, size_t element)
{
	void **p = array;
	void *grown;

	if (n <= *size)
		return 0;
	n = n < 16 ? 16 : 2 * n;
	grown = realloc(*p, n * element);
	if (!grown)
		return -1;
	*p = grown;
	*size = n;
	return 0;
}

/* One more online pCPU; says so if it was not the one in that place before. */
static int add_pcpu(struct host *host, size_t n, int id, uint64_t busy_ns)
{
	if (reserve(&host->pcpus, &host->pcpus_size, n + 1, sizeof(*host->pcpus)))
		return -1;
	if (n >= host->npcpus || host->pcpus[n].id != id) {
		host->pcpus[n] = (struct cpu_pcpu){.id = id, .core = -1, .cache = -1, .node = -1};
		host->pcpus_changed = true;
	}
	host->pcpus[n].busy_ns = busy_ns;
	return 0;
}

/*
 * "cpu3 user nice system idle iowait irq softirq steal …" in ticks. Idle, iowait and steal are not
 * work.
 */
static bool parse_stat_line(const char *line, int *id, uint64_t *busy)
{
	unsigned long long t[7];

	if (sscanf(line, "cpu%d %llu %llu %llu %llu %llu %llu %llu", id, &t[0], &t[1], &t[2], &t[3],
		   &t[4], &t[5], &t[6]) != 8)
		return false;
	*busy = t[0] + t[1] + t[2] + t[5] + t[6];
	return true;
}

/* Online pCPUs and their load, where the host is this machine. Returns how many, −1 on failure. */
static ssize_t read_proc_stat(struct host *host)
{
	uint64_t tick_ns = 1000000000ULL / (uint64_t)sysconf(_SC_CLK_TCK);
	FILE *file = fopen("/proc/stat", "re");
	char *line = NULL;
	size_t size = 0, n = 0;
	bool failed = !file;

	while (!failed && getline(&line, &size, file) > 0 && strncmp(line, "cpu", 3) == 0) {
		uint64_t busy;
		int id;

		if (isdigit((unsigned char)line[3]) && parse_stat_line(line, &id, &busy))
			failed = add_pcpu(host, n++, id, busy * tick_ns);
	}
	free(line);
	if (file)
		fclose(file);
	return failed ? -1 : (ssize_t)n;
}

/* Online pCPUs by libvirt; their load is not known. Returns how many, −1 on failure. */
static ssize_t read_cpu_map(struct host *host, virConnectPtr conn)
{
	unsigned char *map = NULL;
	unsigned int online;
	int total = virNodeGetCPUMap(conn, &map, &online, 0);
	ssize_t n = 0;

	if (total <= 0)
		return -1;
	for (int id = 0; id < total && n >= 0; id++) {
		if (VIR_CPU_USED(map, id))
			n = add_pcpu(host, (size_t)n, id, CPU_NOT_KNOWN) ? -1 : n + 1;
	}
	free(map);
	return n;
}

/* Kept free by the administrator: isolcpus. */
static void leave_isolated(struct host *host)
{
	FILE *file = fopen("/sys/devices/system/cpu/isolated", "re");
	unsigned char *isolated = calloc(1, host->maplen);
	char line[CPULIST_MAX];

	if (file && isolated && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		if (cpumap_parse(line, isolated, host->maplen) == 0) {
			for (size_t i = 0; i < host->maplen; i++)
				host->wanted[i] &= (unsigned char)~isolated[i];
		}
	}
	free(isolated);
	if (file)
		fclose(file);
}

/*
 * Sizes, topology and which pCPUs may be used: read again when the set of online ones has changed.
 */
static int read_topology(struct host *host, virConnectPtr conn)
{
	int total = virNodeGetCPUMap(conn, NULL, NULL, 0);
	char *capabilities;

	if (total <= 0)
		return -1;
	host->total = (size_t)total;
	host->maplen = VIR_CPU_MAPLEN(total);
	free(host->wanted);
	host->wanted = calloc(1, host->maplen);
	if (!host->wanted)
		return -1;
	if (host->options->pcpus) {
		/* Checked at the start; what has since gone for good is left out. */
		if (cpumap_parse(host->options->pcpus, host->wanted, host->maplen))
			log_warn("--pcpus %s names pCPUs that this host no longer has",
				 host->options->pcpus);
	} else {
		memset(host->wanted, 0xff, host->maplen);
		if (host->local)
			leave_isolated(host);
	}
	free(host->topology);
	host->topology = NULL;
	host->ntopology = 0;
	capabilities = virConnectGetCapabilities(conn);
	if (capabilities)
		host->ntopology = xml_read_topology(capabilities, &host->topology);
	free(capabilities);
	return 0;
}

static int sample_pcpus(struct host *host, virConnectPtr conn)
{
	ssize_t n = host->local ? read_proc_stat(host) : read_cpu_map(host, conn);
	int known = 0;

	if (n < 0)
		return -1;
	host->pcpus_changed |= (size_t)n != host->npcpus;
	host->npcpus = (size_t)n;
	if (!host->pcpus_changed)
		return 0;
	if (read_topology(host, conn))
		return -1;
	for (size_t p = 0; p < host->npcpus; p++) {
		struct cpu_pcpu *pcpu = &host->pcpus[p];

		while (known < host->ntopology && host->topology[known].id < pcpu->id)
			known++;
		if (known < host->ntopology && host->topology[known].id == pcpu->id) {
			pcpu->core = host->topology[known].core;
			pcpu->cache = host->topology[known].cache;
			pcpu->node = host->topology[known].node;
		}
		pcpu->usable = cpumap_has(host->wanted, host->maplen, (unsigned int)pcpu->id);
	}
	host->pcpus_changed = false;
	return 0;
}

int host_check(virConnectPtr conn, const struct host_options *options)
{
	int total = virNodeGetCPUMap(conn, NULL, NULL, 0), result = 0;
	unsigned char *map;

	if (total <= 0)
		return -1;
	map = calloc(1, VIR_CPU_MAPLEN(total));
	if (map && options->pcpus && cpumap_parse(options->pcpus, map, VIR_CPU_MAPLEN(total)))
		result = total;
	for (int id = total; map && id < VIR_CPU_MAPLEN(total) * 8; id++)
		result = cpumap_has(map, VIR_CPU_MAPLEN(total), (unsigned int)id) ? total : result;
	free(map);
	return result;
}

/* --- guests --- */

/* The one online pCPU in a map, or CPU_FLOATING where there are several. */
static int find_pcpu(const struct host *host, const unsigned char *map)
{
	int found = CPU_FLOATING;

	for (size_t p = 0; p < host->npcpus; p++) {
		if (!cpumap_has(map, host->maplen, (unsigned int)host->pcpus[p].id))
			continue;
		if (found != CPU_FLOATING)
			return CPU_FLOATING;
		found = host->pcpus[p].id;
	}
	return found;
}

/*
 * Takes a vCPU's affinity as others left it: where it is now, and what is to be put back one day.
 * True if that was not known.
 */
static bool take_affinity(const struct host *host, struct guest *guest, unsigned int number,
			  const unsigned char *map)
{
	int pcpu = find_pcpu(host, map);
	char list[CPULIST_MAX], *copy;

	if (guest->original[number] && pcpu == guest->pinned[number])
		return false;
	guest->pinned[number] = pcpu;
	copy = strdup(cpumap_format(map, host->maplen, list, sizeof(list)));
	if (copy) {
		free(guest->original[number]);
		guest->original[number] = copy;
	}
	return true;
}

/* Reads a guest's affinity. Returns how many vCPUs have another than was known, −1 on failure. */
static int read_affinity(const struct host *host, virDomainPtr dom, struct guest *guest)
{
	unsigned char *maps = calloc(guest->nvcpus + 1, host->maplen);
	int n = -1, changed = 0;

	if (maps)
		n = virDomainGetVcpuPinInfo(dom, (int)guest->nvcpus, maps, (int)host->maplen,
					    VIR_DOMAIN_AFFECT_LIVE);
	for (int v = 0; v < n; v++)
		changed += take_affinity(host, guest, (unsigned int)v,
					 maps + (size_t)v * host->maplen);
	free(maps);
	guest->stale = n < 0;
	return n < 0 ? -1 : changed;
}

/* Takes over what somebody else made of a guest's affinity, and says so once. */
static void read_affinity_again(const struct host *host, virDomainPtr dom, struct guest *guest)
{
	int changed = read_affinity(host, dom, guest);

	if (changed < 0)
		log_verbose("guest %s: %s", guest->name, virGetLastErrorMessage());
	if (changed <= 0 || !guest->policy.managed)
		return;
	guest->left_alone = host->options->respect_pins;
	log_warn("guest %s: %d of its vCPUs pinned by somebody else; %s", guest->name, changed,
		 guest->left_alone ? "leaving it alone" : "going on from there");
}

/*
 * What was there before an earlier life of ours pinned it; and where that is to be kept to, the
 * maps.
 */
static int recall_affinity(const struct host *host, struct guest *guest)
{
	for (unsigned int v = 0; v < guest->nvcpus; v++) {
		const struct saved_vcpu *saved =
			state_find(host->earlier, guest->uuid, guest->id, v);

		if (!saved)
			continue;
		free(guest->original[v]);
		guest->original[v] = strdup(saved->affinity);
		guest->announced[v] = true;
		if (!guest->original[v])
			return -1;
	}
	if (!host->options->respect_pins)
		return 0;
	guest->maplen = host->maplen;
	guest->allowed = calloc(guest->nvcpus + 1, host->maplen);
	for (unsigned int v = 0; guest->allowed && v < guest->nvcpus; v++)
		cpumap_parse(guest->original[v] ? guest->original[v] : "",
			     guest->allowed + v * guest->maplen, guest->maplen);
	return guest->allowed ? 0 : -1;
}

static int read_policy(virDomainPtr dom, struct guest *guest)
{
	char *xml = virDomainGetXMLDesc(dom, 0);

	if (!xml)
		return -1;
	xml_read_guest(xml, &guest->policy);
	free(xml);
	return 0;
}

static unsigned int read_unsigned(const virDomainStatsRecord *record, const char *field)
{
	unsigned int value = 0;

	virTypedParamsGetUInt(record->params, record->nparams, field, &value);
	return value;
}

/* All that is asked about a guest once: two calls at its appearance. */
static int read_guest(struct host *host, const virDomainStatsRecord *record, struct guest *guest)
{
	const char *name = virDomainGetName(record->dom);

	*guest = (struct guest){.id = virDomainGetID(record->dom)};
	virDomainGetUUID(record->dom, guest->uuid);
	guest->nvcpus = read_unsigned(record, "vcpu.maximum");
	if (!guest->nvcpus)
		guest->nvcpus = 1; /* in-process drivers do not say */
	guest->name = name ? strdup(name) : NULL;
	guest->pinned = calloc(guest->nvcpus + 1, sizeof(*guest->pinned));
	guest->original = calloc(guest->nvcpus + 1, sizeof(*guest->original));
	guest->announced = calloc(guest->nvcpus + 1, sizeof(*guest->announced));
	if (!guest->name || !guest->pinned || !guest->original || !guest->announced ||
	    read_policy(record->dom, guest) || read_affinity(host, record->dom, guest) < 0 ||
	    recall_affinity(host, guest)) {
		log_verbose("guest %s: %s; asking again next time", name ? name : "?",
			    virGetLastErrorMessage());
		guest_clear(guest);
		return -1;
	}
	if (host->options->guests && fnmatch(host->options->guests, guest->name, 0) != 0)
		guest->policy.managed = false;
	return 0;
}

/* Where libvirt sends no events, one guest's affinity is read again at each tick, in turn. */
static bool is_due(const struct host *host, const struct guest *guest)
{
	return host->tunable_event < 0 &&
	       (size_t)(guest - host->guests) == host->tick % host->nguests;
}

/*
 * Knows each guest of the records; those that are new are asked about, those that are gone
 * forgotten.
 */
static int know_guests(struct host *host)
{
	size_t kept = 0, before = host->nguests;

	host->tick++;
	host->unknown = 0;
	for (size_t g = 0; g < host->nguests; g++)
		host->guests[g].seen = false;
	if (reserve(&host->guests, &host->guests_size, host->nguests + (size_t)host->nrecords,
		    sizeof(*host->guests)))
		return -1;
	for (int r = 0; r < host->nrecords; r++) {
		virDomainPtr dom = host->records[r]->dom;
		unsigned char uuid[VIR_UUID_BUFLEN];
		struct guest *guest;
		struct guest fresh;

		virDomainGetUUID(dom, uuid);
		host->nguests = before; /* the new ones behind are not in order yet */
		guest = find_guest(host, uuid);
		host->nguests = before + kept;
		if (guest && guest->id == virDomainGetID(dom)) {
			guest->seen = true;
			if (guest->stale || is_due(host, guest))
				read_affinity_again(host, dom, guest);
			continue;
		}
		if (read_guest(host, host->records[r], &fresh)) {
			host->unknown++;
			continue;
		}
		fresh.seen = true;
		host->guests[before + kept++] = fresh;
	}
	host->nguests = before + kept;
	kept = 0;
	for (size_t g = 0; g < host->nguests; g++) {
		if (host->guests[g].seen)
			host->guests[kept++] = host->guests[g];
		else
			guest_clear(&host->guests[g]);
	}
	host->nguests = kept;
	qsort(host->guests, host->nguests, sizeof(*host->guests), compare_uuid);
	return 0;
}

/* --- the sample --- */

/* "vcpu.12.time" → 12 and "time"; NULL if it is no such field. */
static const char *parse_vcpu_field(const char *field, unsigned int *number)
{
	char *end;
	unsigned long value;

	if (strncmp(field, "vcpu.", 5) != 0 || !isdigit((unsigned char)field[5]))
		return NULL;
	value = strtoul(field + 5, &end, 10);
	if (*end != '.' || value > UINT32_MAX)
		return NULL;
	*number = (unsigned int)value;
	return end + 1;
}

/* The guest's vCPUs that are online: those that have a time. */
static int add_vcpus(struct host *host, const virDomainStatsRecord *record, size_t g,
		     const struct guest *guest)
{
	size_t first = host->nvcpus;

	for (int i = 0; i < record->nparams; i++) {
		const virTypedParameter *param = &record->params[i];
		unsigned int number;
		const char *what = parse_vcpu_field(param->field, &number);

		if (!what || param->type != VIR_TYPED_PARAM_ULLONG || number >= guest->nvcpus)
			continue;
		if (strcmp(what, "time") == 0) {
			if (reserve(&host->vcpus, &host->vcpus_size, host->nvcpus + 1,
				    sizeof(*host->vcpus)))
				return -1;
			host->vcpus[host->nvcpus++] = (struct cpu_vcpu){
				.guest = g,
				.number = number,
				.run_ns = param->value.ul,
				.delay_ns = CPU_NOT_KNOWN,
				.pcpu = guest->pinned[number],
				.allowed = guest->allowed ? guest->allowed + number * guest->maplen
							  : NULL,
				.allowed_len = guest->maplen,
			};
		} else if (strcmp(what, "delay") == 0 && host->nvcpus > first &&
			   host->vcpus[host->nvcpus - 1].number == number) {
			host->vcpus[host->nvcpus - 1].delay_ns = param->value.ul;
		}
	}
	return 0;
}

static int sample_guests(struct host *host, struct cpu_sample *sample)
{
	size_t n = 0, room = (size_t)host->nrecords + 1;

	free(host->sample_guests);
	free(host->sample_records);
	free(host->sample_known);
	host->sample_guests = calloc(room, sizeof(*host->sample_guests));
	host->sample_records = calloc(room, sizeof(*host->sample_records));
	host->sample_known = calloc(room, sizeof(*host->sample_known));
	if (!host->sample_guests || !host->sample_records || !host->sample_known)
		return -1;
	host->nvcpus = 0;
	for (int r = 0; r < host->nrecords; r++) {
		unsigned char uuid[VIR_UUID_BUFLEN];
		struct guest *guest;

		virDomainGetUUID(host->records[r]->dom, uuid);
		guest = find_guest(host, uuid);
		if (!guest)
			continue;
		host->sample_guests[n] = (struct cpu_guest){
			.managed =
				guest->policy.managed && !guest->left_alone && !guest->wait_ticks,
			.weight = guest->policy.weight,
			.cap_pct = guest->policy.cap_pct,
			.node = guest->policy.node,
		};
		memcpy(host->sample_guests[n].uuid, uuid, VIR_UUID_BUFLEN);
		host->sample_records[n] = (size_t)r;
		host->sample_known[n] = guest;
		guest->wait_ticks -= guest->wait_ticks > 0;
		if (add_vcpus(host, host->records[r], n, guest))
			return -1;
		n++;
	}
	sample->nguests = n;
	sample->guests = host->sample_guests;
	sample->nvcpus = host->nvcpus;
	sample->vcpus = host->vcpus;
	return 0;
}

static void ask_statistics(struct host *host, virConnectPtr conn)
{
	/*
	 * One guest that hangs must not make all others wait: take what is there without waiting.
	 */
	const unsigned int flags = VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE;

	drop_records(host);
	host->nrecords = virConnectGetAllDomainStats(
		conn, VIR_DOMAIN_STATS_STATE | VIR_DOMAIN_STATS_VCPU, &host->records,
		flags | VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT);
	if (host->nrecords < 0)
		host->nrecords = virConnectGetAllDomainStats(
			conn, VIR_DOMAIN_STATS_STATE | VIR_DOMAIN_STATS_VCPU, &host->records,
			flags);
}

/*
 * Bulk statistics, and when they are from. Of a call that took half a second, as they do when all
 * guests have just become busy, nobody can tell: a window from it to the next call would be a
 * quarter too short or too long, and who slept in it seem not to have. So it is asked again.
 */
static void sample_guests_at(struct host *host, virConnectPtr conn, double *time_s)
{
	for (unsigned int i = 0; i < SAMPLE_TRIES; i++) {
		double before_s = tick_now_s(), took_s, usual_s = host->usual_call_s;

		ask_statistics(host, conn);
		took_s = tick_now_s() - before_s;
		*time_s = before_s + took_s / 2;
		host->usual_call_s = usual_s > 0 ? fmin(took_s, 1.2 * usual_s) : took_s;
		if (host->nrecords < 0 || took_s <= SLOW_CALL_S + 2 * usual_s)
			break;
	}
}

int host_sample(struct host *host, virConnectPtr conn, struct cpu_sample *sample)
{
	sample_guests_at(host, conn, &sample->time_s);
	if (host->nrecords < 0) {
		host->nrecords = 0;
		host->records = NULL;
		return -1;
	}
	if (sample_pcpus(host, conn) || know_guests(host) || sample_guests(host, sample))
		return -1;
	sample->npcpus = host->npcpus;
	sample->pcpus = host->pcpus;
	return 0;
}

bool host_is_empty(const struct host *host)
{
	for (size_t g = 0; g < host->nguests; g++) {
		if (host->guests[g].policy.managed && !host->guests[g].left_alone)
			return false;
	}
	return host->unknown == 0;
}

const char *host_guest_name(const struct host *host, size_t guest)
{
	return host->sample_known[guest]->name;
}

/* --- pins --- */

bool host_announce(struct host *host, const struct cpu_sample *sample, const struct cpu_pin *pin)
{
	const struct cpu_vcpu *vcpu = &sample->vcpus[pin->vcpu];
	struct guest *guest = find_guest(host, sample->guests[vcpu->guest].uuid);
	bool news = guest && !guest->announced[vcpu->number];

	if (news)
		guest->announced[vcpu->number] = true;
	return news;
}

int host_pin(struct host *host, const struct cpu_sample *sample, const struct cpu_pin *pin)
{
	const struct cpu_vcpu *vcpu = &sample->vcpus[pin->vcpu];
	virDomainStatsRecordPtr record = host->records[host->sample_records[vcpu->guest]];
	struct guest *guest = find_guest(host, sample->guests[vcpu->guest].uuid);
	unsigned char *map = calloc(1, host->maplen);
	int before, result = -1;

	if (!map || !guest)
		goto out;
	cpumap_add(map, (unsigned int)pin->to);
	/* The event of our own pin may come at any moment from here on. */
	before = guest->pinned[vcpu->number];
	guest->pinned[vcpu->number] = pin->to;
	result = virDomainPinVcpuFlags(record->dom, vcpu->number, map, (int)host->maplen,
				       VIR_DOMAIN_AFFECT_LIVE);
	if (result == 0) {
		guest->failures = 0;
		goto out;
	}
	guest->pinned[vcpu->number] = before;
	guest->stale = true;
	if (virGetLastErrorCode() == VIR_ERR_NO_DOMAIN ||
	    virGetLastErrorCode() == VIR_ERR_OPERATION_INVALID) {
		log_verbose("guest %s is gone", guest->name);
		goto out;
	}
	if (guest->failures >= RETRIES) {
		unsigned int step = guest->failures - RETRIES;

		guest->wait_ticks = 1U << (step < BACKOFF_MOST_STEPS ? step : BACKOFF_MOST_STEPS);
	}
	if (!guest->failures++)
		log_warn("guest %s: pinning vCPU %u to pCPU %d: %s; trying again", guest->name,
			 vcpu->number, pin->to, virGetLastErrorMessage());
out:
	free(map);
	return result;
}

/* --- putting back --- */

int host_save(const struct host *host, struct saved *saved)
{
	*saved = (struct saved){0};
	for (size_t g = 0; g < host->nguests; g++) {
		const struct guest *guest = &host->guests[g];

		for (unsigned int v = 0; v < guest->nvcpus; v++) {
			if (guest->announced[v] && guest->original[v] &&
			    state_add(saved, guest->uuid, guest->id, v, guest->original[v])) {
				state_free(saved);
				return -1;
			}
		}
	}
	return 0;
}

/* 0; −1 with libvirt's error; 1 where that guest runs no more, or in another life. */
static int restore_vcpu(virConnectPtr conn, const struct saved_vcpu *vcpu, int total)
{
	virDomainPtr dom = virDomainLookupByUUID(conn, vcpu->uuid);
	const char *name =
		dom ? virDomainGetName(dom) : NULL; /* asked later, it would forget the error */
	size_t maplen = VIR_CPU_MAPLEN(total);
	unsigned char *map = calloc(1, maplen);
	int result = -1;

	if (!dom || virDomainGetID(dom) != vcpu->id)
		result = 1;
	else if (map && cpumap_parse(vcpu->affinity, map, maplen) == 0)
		result = virDomainPinVcpuFlags(dom, vcpu->number, map, (int)maplen,
					       VIR_DOMAIN_AFFECT_LIVE);
	if (result < 0)
		log_warn("guest %s: putting vCPU %u back to %s: %s", name, vcpu->number,
			 vcpu->affinity, virGetLastErrorMessage());
	if (dom)
		virDomainFree(dom);
	free(map);
	return result;
}

size_t host_restore(virConnectPtr conn, const struct saved *saved)
{
	int total = virNodeGetCPUMap(conn, NULL, NULL, 0);
	size_t failed = 0;

	if (total <= 0) {
		log_warn("putting affinities back: %s", virGetLastErrorMessage());
		return saved->n;
	}
	for (size_t i = 0; i < saved->n; i++)
		failed += restore_vcpu(conn, &saved->vcpus[i], total) < 0;
	return failed;
}
