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
	size_t maplen;
	unsigned char *affinity; /* [nvcpus] maps of maplen bytes: what it is, as far as is known */
	int *pinned;		 /* [nvcpus] the pCPU's id, or CPU_FLOATING */
	int *ours;	 /* [nvcpus] where we pinned it last, or tried to; CPU_FLOATING: nowhere */
	char **original; /* [nvcpus] the affinity without us, as others set it last */
	bool *announced; /* [nvcpus] we pin it, or did */
	unsigned char *allowed; /* [nvcpus] maps of maplen bytes, with respect_pins; else NULL */
	bool left_alone;	/* others pin it, which is to be respected */
	bool stale;		/* its affinity must be read again … */
	bool outdated;		/* … and its policy */
	bool seen;		/* in this sample */
	unsigned int failures;
	unsigned long failed_tick; /* the last in which a pin failed */
	unsigned int wait_ticks;
};

/* Longer than that and than twice the usual, and bulk statistics are asked for again, so often. */
#define SLOW_CALL_S  0.02
#define SAMPLE_TRIES 3

struct host {
	const struct host_options *options;
	const struct saved *earlier;
	struct session *session;
	int tunable_event, metadata_event;
	bool unsaved; /* what host_save() gives is other than it was */

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

struct host *host_new(const struct host_options *options, const struct saved *earlier,
		      struct session *session)
{
	struct host *host = calloc(1, sizeof(*host));

	if (host) {
		host->options = options;
		host->pcpus.asked = options->pcpus;
		host->earlier = earlier;
		host->session = session;
		host->tunable_event = host->metadata_event = -1;
	}
	return host;
}

static void guest_clear(struct guest *guest)
{
	for (unsigned int v = 0; guest->original && v < guest->nvcpus; v++)
		free(guest->original[v]);
	free(guest->name);
	free(guest->affinity);
	free(guest->pinned);
	free(guest->ours);
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

/* What is known of the run of a guest that an event is about, or NULL. */
static struct guest *guest_of(const struct host *host, virDomainPtr dom)
{
	unsigned char uuid[VIR_UUID_BUFLEN];
	struct guest *guest;

	if (virDomainGetUUID(dom, uuid) < 0)
		return NULL;
	guest = find_guest(host, uuid);
	return guest && guest->id == virDomainGetID(dom) ? guest : NULL;
}

/* An affinity was set that is not the one we know of. Our own pins are known before they are made.
 */
static bool is_foreign_pin(const struct guest *guest, const virTypedParameter *param)
{
	unsigned int number;
	int pcpu;

	if (sscanf(param->field, "cputune.vcpupin%u", &number) != 1 ||
	    param->type != VIR_TYPED_PARAM_STRING || number >= guest->nvcpus)
		return false;
	pcpu = single_cpu(param->value.s);
	return pcpu == CPU_FLOATING || pcpu != guest->pinned[number];
}

/* Something was tuned through libvirt, by us or by somebody else. */
static void on_tunable(virConnectPtr conn, virDomainPtr dom, virTypedParameterPtr params,
		       int nparams, void *opaque)
{
	struct host *host = opaque;
	struct guest *guest = guest_of(host, dom);

	(void)conn;
	for (int i = 0; guest && i < nparams; i++) {
		const char *field = params[i].field;

		if (is_foreign_pin(guest, &params[i]))
			guest->stale = true;
		else if (!strcmp(field, VIR_DOMAIN_TUNABLE_CPU_CPU_SHARES) ||
			 !strcmp(field, VIR_DOMAIN_TUNABLE_CPU_VCPU_QUOTA) ||
			 !strcmp(field, VIR_DOMAIN_TUNABLE_CPU_VCPU_PERIOD))
			guest->outdated = true;
	}
	if (guest && guest->stale)
		session_wake(host->session);
}

static void on_metadata(virConnectPtr conn, virDomainPtr dom, int type, const char *uri,
			void *opaque)
{
	struct guest *guest = guest_of(opaque, dom);

	(void)conn;
	if (guest && type == VIR_DOMAIN_METADATA_ELEMENT && uri &&
	    !strcmp(uri, XML_POLICY_NAMESPACE))
		guest->outdated = true;
}

void host_opened(virConnectPtr conn, void *opaque)
{
	struct host *host = opaque;

	host->pcpus.local = session_is_local(conn);
	host->pcpus.changed = true;
	host->tunable_event =
		virConnectDomainEventRegisterAny(conn, NULL, VIR_DOMAIN_EVENT_ID_TUNABLE,
						 VIR_DOMAIN_EVENT_CALLBACK(on_tunable), host, NULL);
	host->metadata_event = virConnectDomainEventRegisterAny(
		conn, NULL, VIR_DOMAIN_EVENT_ID_METADATA_CHANGE,
		VIR_DOMAIN_EVENT_CALLBACK(on_metadata), host, NULL);
	/* What happened meanwhile was not told. */
	for (size_t g = 0; g < host->nguests; g++)
		host->guests[g].stale = host->guests[g].outdated = true;
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
	if (host->metadata_event >= 0)
		virConnectDomainEventDeregisterAny(conn, host->metadata_event);
	host->tunable_event = host->metadata_event = -1;
}

/* --- guests --- */

/* The one online pCPU in a map, or CPU_FLOATING where there are several. */
static int find_pcpu(const struct host *host, const unsigned char *map, size_t maplen)
{
	int found = CPU_FLOATING;

	for (size_t p = 0; p < host->pcpus.n; p++) {
		if (!cpumap_has(map, maplen, (unsigned int)host->pcpus.list[p].id))
			continue;
		if (found != CPU_FLOATING)
			return CPU_FLOATING;
		found = host->pcpus.list[p].id;
	}
	return found;
}

static bool is_online(const struct host *host, int pcpu)
{
	for (size_t p = 0; p < host->pcpus.n; p++) {
		if (host->pcpus.list[p].id == pcpu)
			return true;
	}
	return false;
}

/*
 * Is a vCPU's affinity what comes of our pin to that pCPU? The kernel widens it when the pCPU goes
 * offline.
 */
static bool is_ours(const struct host *host, const unsigned char *map, size_t maplen, int pcpu)
{
	return pcpu != CPU_FLOATING &&
	       ((cpumap_count(map, maplen) == 1 && cpumap_has(map, maplen, (unsigned int)pcpu)) ||
		!is_online(host, pcpu));
}

/*
 * Takes a vCPU's affinity as it was read: where it is now; and where it is others who made it that,
 * what is to be put back one day. True if so, and if that was not known. A pin of ours may have
 * been made though the call failed.
 */
static bool take_affinity(struct host *host, struct guest *guest, unsigned int number,
			  const unsigned char *map)
{
	unsigned char *known = guest->affinity + number * guest->maplen;
	bool same = guest->original[number] && !memcmp(map, known, guest->maplen);
	char list[CPULIST_MAX], *copy;

	guest->pinned[number] = find_pcpu(host, map, guest->maplen);
	memcpy(known, map, guest->maplen);
	if (same ||
	    (guest->original[number] && is_ours(host, map, guest->maplen, guest->ours[number])))
		return false;
	guest->ours[number] = CPU_FLOATING;
	copy = strdup(cpumap_format(map, guest->maplen, list, sizeof(list)));
	if (copy) {
		free(guest->original[number]);
		guest->original[number] = copy;
		host->unsaved |= guest->announced[number];
	}
	return true;
}

/* Reads a guest's affinity. Returns how many vCPUs have another than was known, −1 on failure. */
static int read_affinity(struct host *host, virDomainPtr dom, struct guest *guest)
{
	unsigned char *maps = calloc(guest->nvcpus + 1, guest->maplen);
	int n = -1, changed = 0;

	if (maps)
		n = virDomainGetVcpuPinInfo(dom, (int)guest->nvcpus, maps, (int)guest->maplen,
					    VIR_DOMAIN_AFFECT_LIVE);
	for (int v = 0; v < n; v++)
		changed += take_affinity(host, guest, (unsigned int)v,
					 maps + (size_t)v * guest->maplen);
	free(maps);
	guest->stale = n < 0;
	return n < 0 ? -1 : changed;
}

/* Takes over what somebody else made of a guest's affinity, and says so once. */
static void read_affinity_again(struct host *host, virDomainPtr dom, struct guest *guest)
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
		guest->ours[v] = guest->pinned[v];
		if (!guest->original[v])
			return -1;
	}
	if (!host->options->respect_pins)
		return 0;
	guest->allowed = calloc(guest->nvcpus + 1, guest->maplen);
	for (unsigned int v = 0; guest->allowed && v < guest->nvcpus; v++)
		cpumap_parse(guest->original[v] ? guest->original[v] : "",
			     guest->allowed + v * guest->maplen, guest->maplen);
	return guest->allowed ? 0 : -1;
}

/*
 * The guest's weight as it is in force; the default of a host with cgroup v1 is 1024, of one with
 * v2 100, so only what is read in the same way can be compared. What the document says where that
 * cannot be had.
 */
static double read_weight(virDomainPtr dom, double fallback)
{
	virTypedParameter params[32];
	unsigned long long shares = 0;
	int n = (int)(sizeof(params) / sizeof(*params));

	if (virDomainGetSchedulerParametersFlags(dom, params, &n, VIR_DOMAIN_AFFECT_LIVE))
		return fallback;
	virTypedParamsGetULLong(params, n, VIR_DOMAIN_SCHEDULER_CPU_SHARES, &shares);
	virTypedParamsClear(params, n);
	return shares ? (double)shares / XML_SHARES_DEFAULT : fallback;
}

static int read_policy(const struct host *host, virDomainPtr dom, struct guest *guest)
{
	char *xml = virDomainGetXMLDesc(dom, 0);

	guest->outdated = !xml;
	if (!xml)
		return -1;
	xml_read_guest(xml, &guest->policy);
	free(xml);
	guest->policy.weight = read_weight(dom, guest->policy.weight);
	if (host->options->guests && fnmatch(host->options->guests, guest->name, 0) != 0)
		guest->policy.managed = false;
	return 0;
}

static unsigned int read_unsigned(const virDomainStatsRecord *record, const char *field)
{
	unsigned int value = 0;

	virTypedParamsGetUInt(record->params, record->nparams, field, &value);
	return value;
}

/* All that is asked about a guest once: three calls at its appearance. */
static int read_guest(struct host *host, const virDomainStatsRecord *record, struct guest *guest)
{
	const char *name = virDomainGetName(record->dom);

	*guest = (struct guest){.id = virDomainGetID(record->dom), .maplen = host->pcpus.maplen};
	virDomainGetUUID(record->dom, guest->uuid);
	guest->nvcpus = read_unsigned(record, "vcpu.maximum");
	if (!guest->nvcpus)
		guest->nvcpus = 1; /* in-process drivers do not say */
	guest->name = name ? strdup(name) : NULL;
	guest->affinity = calloc(guest->nvcpus + 1, guest->maplen);
	guest->pinned = calloc(guest->nvcpus + 1, sizeof(*guest->pinned));
	guest->ours = calloc(guest->nvcpus + 1, sizeof(*guest->ours));
	guest->original = calloc(guest->nvcpus + 1, sizeof(*guest->original));
	guest->announced = calloc(guest->nvcpus + 1, sizeof(*guest->announced));
	for (unsigned int v = 0; guest->ours && v < guest->nvcpus; v++)
		guest->ours[v] = CPU_FLOATING;
	if (!guest->name || !guest->affinity || !guest->pinned || !guest->ours ||
	    !guest->original || !guest->announced || read_policy(host, record->dom, guest) ||
	    read_affinity(host, record->dom, guest) < 0 || recall_affinity(host, guest)) {
		log_verbose("guest %s: %s; asking again next time", name ? name : "?",
			    virGetLastErrorMessage());
		guest_clear(guest);
		return -1;
	}
	return 0;
}

/* Where libvirt sends no events, one guest is asked about again at each tick, in turn. */
static bool is_due(const struct host *host, const struct guest *guest, int event)
{
	return event < 0 && (size_t)(guest - host->guests) == host->tick % host->nguests;
}

/* What may have changed of a guest that is known. */
static void read_again(struct host *host, virDomainPtr dom, struct guest *guest)
{
	if ((guest->outdated || is_due(host, guest, host->tunable_event) ||
	     is_due(host, guest, host->metadata_event)) &&
	    read_policy(host, dom, guest))
		log_verbose("guest %s: %s", guest->name, virGetLastErrorMessage());
	if (guest->stale || is_due(host, guest, host->tunable_event))
		read_affinity_again(host, dom, guest);
}

void host_notice(struct host *host)
{
	for (int r = 0; r < host->nrecords; r++) {
		struct guest *guest = guest_of(host, host->records[r]->dom);

		if (guest && guest->stale)
			read_affinity_again(host, host->records[r]->dom, guest);
	}
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
			read_again(host, dom, guest);
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
	host->nrecords =
		virConnectGetAllDomainStats(conn, VIR_DOMAIN_STATS_VCPU, &host->records,
					    flags | VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT);
	if (host->nrecords < 0)
		host->nrecords = virConnectGetAllDomainStats(conn, VIR_DOMAIN_STATS_VCPU,
							     &host->records, flags);
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

void host_announce(struct host *host, const struct cpu_sample *sample, const struct cpu_pin *pin)
{
	const struct cpu_vcpu *vcpu = &sample->vcpus[pin->vcpu];
	struct guest *guest = find_guest(host, sample->guests[vcpu->guest].uuid);

	if (!guest || guest->announced[vcpu->number])
		return;
	guest->announced[vcpu->number] = true;
	host->unsaved = true;
}

/* Whoever is busy with something else, or gone, is not asked again and again. */
static void note_failure(struct host *host, struct guest *guest, unsigned int number, int pcpu)
{
	bool timed_out = virGetLastErrorCode() == VIR_ERR_OPERATION_TIMEOUT;
	unsigned int step;

	guest->stale = true;
	guest->failed_tick = host->tick;
	if (virGetLastErrorCode() == VIR_ERR_NO_DOMAIN ||
	    virGetLastErrorCode() == VIR_ERR_OPERATION_INVALID) {
		log_verbose("guest %s is gone", guest->name);
		return;
	}
	if (!guest->failures)
		log_warn("guest %s: pinning vCPU %u to pCPU %d: %s; trying again", guest->name,
			 number, pcpu, virGetLastErrorMessage());
	if (timed_out && guest->failures < RETRIES)
		guest->failures = RETRIES;
	if (guest->failures >= RETRIES) {
		step = guest->failures - RETRIES;
		guest->wait_ticks = 1U << (step < BACKOFF_MOST_STEPS ? step : BACKOFF_MOST_STEPS);
	}
	guest->failures++;
}

int host_pin(struct host *host, const struct cpu_sample *sample, const struct cpu_pin *pin)
{
	const struct cpu_vcpu *vcpu = &sample->vcpus[pin->vcpu];
	virDomainStatsRecordPtr record = host->records[host->sample_records[vcpu->guest]];
	struct guest *guest = find_guest(host, sample->guests[vcpu->guest].uuid);
	unsigned char *map = calloc(1, host->pcpus.maplen);
	int before, result = -1;

	if (!map || !guest || guest->failed_tick == host->tick)
		goto out;
	cpumap_add(map, (unsigned int)pin->to);
	/* The event of our own pin may come at any moment from here on. */
	before = guest->pinned[vcpu->number];
	guest->pinned[vcpu->number] = guest->ours[vcpu->number] = pin->to;
	result = virDomainPinVcpuFlags(record->dom, vcpu->number, map, (int)host->pcpus.maplen,
				       VIR_DOMAIN_AFFECT_LIVE);
	if (result == 0) {
		guest->failures = 0;
		memcpy(guest->affinity + vcpu->number * guest->maplen, map,
		       guest->maplen < host->pcpus.maplen ? guest->maplen : host->pcpus.maplen);
	} else {
		guest->pinned[vcpu->number] = before;
		note_failure(host, guest, vcpu->number, pin->to);
	}
out:
	free(map);
	return result;
}

bool host_unsaved(const struct host *host)
{
	return host->unsaved;
}

void host_saved(struct host *host)
{
	host->unsaved = false;
}

/* What an earlier life saved of guests that may still run, but could not be asked about yet. */
static int save_earlier(const struct host *host, struct saved *saved)
{
	for (size_t i = 0; host->unknown && i < host->earlier->n; i++) {
		const struct saved_vcpu *vcpu = &host->earlier->vcpus[i];

		if (!find_guest(host, vcpu->uuid) &&
		    state_add(saved, vcpu->uuid, vcpu->id, vcpu->number, vcpu->affinity))
			return -1;
	}
	return 0;
}

static int save_guest(const struct guest *guest, struct saved *saved)
{
	for (unsigned int v = 0; v < guest->nvcpus; v++) {
		if (guest->announced[v] && guest->original[v] &&
		    state_add(saved, guest->uuid, guest->id, v, guest->original[v]))
			return -1;
	}
	return 0;
}

int host_save(const struct host *host, struct saved *saved)
{
	int result = 0;

	*saved = (struct saved){0};
	for (size_t g = 0; g < host->nguests && result == 0; g++)
		result = save_guest(&host->guests[g], saved);
	if (result == 0)
		result = save_earlier(host, saved);
	if (result)
		state_free(saved);
	return result;
}
