/* SPDX-License-Identifier: MIT */
/*
 * Reads the guests into a sample and makes pins. With its parts, host_pcpus.c and host_restore.c,
 * the only file with calls of libvirt.
 */
#include "host.h"

#include "host_pcpus.h"
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
	int tunable_event;

	double usual_call_s; /* how long bulk statistics take, at their quickest of late */
	virDomainStatsRecordPtr *records; /* of the last sample: their domains are used for pins */
	int nrecords;

	struct host_pcpus pcpus;

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
		host->pcpus.asked = options->pcpus;
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
	host_pcpus_free(&host->pcpus);
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

	host->pcpus.local = session_is_local(conn);
	host->pcpus.changed = true;
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

/* --- guests --- */

/* The one online pCPU in a map, or CPU_FLOATING where there are several. */
static int find_pcpu(const struct host *host, const unsigned char *map)
{
	int found = CPU_FLOATING;

	for (size_t p = 0; p < host->pcpus.n; p++) {
		if (!cpumap_has(map, host->pcpus.maplen, (unsigned int)host->pcpus.list[p].id))
			continue;
		if (found != CPU_FLOATING)
			return CPU_FLOATING;
		found = host->pcpus.list[p].id;
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
	copy = strdup(cpumap_format(map, host->pcpus.maplen, list, sizeof(list)));
	if (copy) {
		free(guest->original[number]);
		guest->original[number] = copy;
	}
	return true;
}

/* Reads a guest's affinity. Returns how many vCPUs have another than was known, −1 on failure. */
static int read_affinity(const struct host *host, virDomainPtr dom, struct guest *guest)
{
	unsigned char *maps = calloc(guest->nvcpus + 1, host->pcpus.maplen);
	int n = -1, changed = 0;

	if (maps)
		n = virDomainGetVcpuPinInfo(dom, (int)guest->nvcpus, maps, (int)host->pcpus.maplen,
					    VIR_DOMAIN_AFFECT_LIVE);
	for (int v = 0; v < n; v++)
		changed += take_affinity(host, guest, (unsigned int)v,
					 maps + (size_t)v * host->pcpus.maplen);
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
	guest->maplen = host->pcpus.maplen;
	guest->allowed = calloc(guest->nvcpus + 1, host->pcpus.maplen);
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
	if (host_reserve(&host->guests, &host->guests_size, host->nguests + (size_t)host->nrecords,
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
			if (host_reserve(&host->vcpus, &host->vcpus_size, host->nvcpus + 1,
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
	if (host_pcpus_sample(&host->pcpus, conn) || know_guests(host) ||
	    sample_guests(host, sample))
		return -1;
	sample->npcpus = host->pcpus.n;
	sample->pcpus = host->pcpus.list;
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
	unsigned char *map = calloc(1, host->pcpus.maplen);
	int before, result = -1;

	if (!map || !guest)
		goto out;
	cpumap_add(map, (unsigned int)pin->to);
	/* The event of our own pin may come at any moment from here on. */
	before = guest->pinned[vcpu->number];
	guest->pinned[vcpu->number] = pin->to;
	result = virDomainPinVcpuFlags(record->dom, vcpu->number, map, (int)host->pcpus.maplen,
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
