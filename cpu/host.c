/* SPDX-License-Identifier: MIT */
/*
 * Reads the guests into a sample and makes pins. With its parts, host_guest.c, host_pcpus.c and
 * host_restore.c, the only file with calls of libvirt.
 */
#include "host.h"

#include "host_guest.h"
#include "host_pcpus.h"
#include "log.h"
#include "replay.h"
#include "session.h"
#include "tick.h"
#include "units.h"

#include <ctype.h>
#include <libvirt/virterror.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Longer than that and than twice the usual, and bulk statistics are asked for again, so often. */
#define SLOW_CALL_S  0.02
#define SAMPLE_TRIES 3

struct host {
	struct guest_env env;
	struct session *session;
	struct wire *wire; /* the session's calls */
	int tunable_event, metadata_event;
	bool told;     /* libvirt told of an affinity that others set */
	bool confined; /* the kernel lets some guest run elsewhere than before */

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
		host->env = (struct guest_env){options, earlier, &host->pcpus, &session->wire};
		host->pcpus.asked = options->pcpus;
		host->session = session;
		host->wire = host->pcpus.wire = &session->wire;
		host->tunable_event = host->metadata_event = -1;
	}
	return host;
}

void host_free(struct host *host)
{
	if (!host)
		return;
	for (size_t g = 0; g < host->nguests; g++)
		guest_clear(&host->env, &host->guests[g]);
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

/* Something was tuned through libvirt, by us or by somebody else. */
static void on_tunable(virConnectPtr conn, virDomainPtr dom, virTypedParameterPtr params,
		       int nparams, void *opaque)
{
	struct host *host = opaque;
	struct guest *guest = guest_of(host, dom);

	(void)conn;
	for (int i = 0; guest && i < nparams; i++) {
		const char *field = params[i].field;

		if (guest_is_foreign_pin(guest, &params[i]))
			guest->stale = true;
		else if (!strcmp(field, VIR_DOMAIN_TUNABLE_CPU_CPU_SHARES) ||
			 !strcmp(field, VIR_DOMAIN_TUNABLE_CPU_VCPU_QUOTA) ||
			 !strcmp(field, VIR_DOMAIN_TUNABLE_CPU_VCPU_PERIOD))
			guest->outdated = true;
	}
	if (guest && guest->stale) {
		host->told = true;
		session_wake(host->session);
	}
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

/* libvirtd may never answer: then the next connection's event is not to be lost for it. */
static void deregister(virConnectPtr conn, int *event)
{
	int id = *event;

	*event = -1;
	if (id >= 0)
		virConnectDomainEventDeregisterAny(conn, id);
}

void host_closed(virConnectPtr conn, void *opaque)
{
	struct host *host = opaque;

	drop_records(host);
	deregister(conn, &host->tunable_event);
	deregister(conn, &host->metadata_event);
}

/* --- guests --- */

/* Where libvirt sends no events, one guest is asked about again at each tick, in turn. */
static bool is_due(const struct host *host, const struct guest *guest, int event)
{
	return event < 0 && (size_t)(guest - host->guests) == host->tick % host->nguests;
}

/* What may have changed of a guest that is known. */
static void read_again(struct host *host, virDomainPtr dom, struct guest *guest)
{
	int result;

	/* Whatever came of a pin that was given up shows in the affinity. */
	if (wire_is_back(host->wire, &guest->left, &result))
		guest->stale = true;
	if ((guest->outdated || is_due(host, guest, host->tunable_event) ||
	     is_due(host, guest, host->metadata_event)) &&
	    guest_read_policy(&host->env, dom, guest))
		log_verbose("guest %s: %s", guest->name, host->wire->error);
	host->confined |=
		guest_look_at_cpuset(&host->env, dom, guest,
				     (size_t)(guest - host->guests) == host->tick % host->nguests);
	if (guest->stale || is_due(host, guest, host->tunable_event))
		guest_read_affinity(&host->env, dom, guest);
}

/* A cpuset is a slice's or a partition's, mostly: what one guest shows is likely of others. */
static void read_others(struct host *host)
{
	for (int r = 0; host->confined && r < host->nrecords; r++) {
		struct guest *guest = guest_of(host, host->records[r]->dom);

		if (guest && guest->seen && !guest->process)
			guest_read_affinity(&host->env, host->records[r]->dom, guest);
	}
	host->confined = false;
}

void host_notice(struct host *host)
{
	for (int r = 0; host->told && r < host->nrecords; r++) {
		struct guest *guest = guest_of(host, host->records[r]->dom);

		if (guest && guest->stale)
			guest_read_affinity(&host->env, host->records[r]->dom, guest);
	}
	host->told = false;
}

/*
 * Knows each guest of the records; those that are new are asked about, those that are gone
 * forgotten.
 */
static int know_guests(struct host *host)
{
	size_t kept = 0, before = host->nguests;
	bool added;

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
		if (guest_read(&host->env, host->records[r], &fresh)) {
			host->unknown++;
			continue;
		}
		fresh.seen = true;
		host->guests[before + kept++] = fresh;
	}
	host->nguests = before + kept;
	added = kept > 0;
	kept = 0;
	for (size_t g = 0; g < host->nguests; g++) {
		if (host->guests[g].seen)
			host->guests[kept++] = host->guests[g];
		else
			guest_clear(&host->env, &host->guests[g]);
	}
	host->nguests = kept;
	if (added)
		qsort(host->guests, host->nguests, sizeof(*host->guests), compare_uuid);
	read_others(host);
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

/* Where a vCPU may be put: nowhere else while it backs off. */
static void allow(const struct host *host, const struct guest *guest, struct cpu_vcpu *vcpu)
{
	static const unsigned char nowhere[1];

	if (backoff_waits(&guest->pins[vcpu->number], host->tick)) {
		vcpu->allowed = nowhere;
		vcpu->allowed_len = sizeof(nowhere);
	} else if (guest->may) {
		vcpu->allowed = guest->may + vcpu->number * guest->maplen;
		vcpu->allowed_len = guest->maplen;
	}
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
				.realtime = cpumap_has(guest->policy.realtime,
						       sizeof(guest->policy.realtime), number),
			};
			allow(host, guest, &host->vcpus[host->nvcpus - 1]);
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
			.managed = guest->policy.managed && !guest->left_alone && !guest->left,
			.weight = guest->policy.weight,
			.cap_pct = guest->policy.cap_pct,
			.node = guest->policy.node,
		};
		memcpy(host->sample_guests[n].uuid, uuid, VIR_UUID_BUFLEN);
		host->sample_records[n] = (size_t)r;
		host->sample_known[n] = guest;
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

/*
 * Bulk statistics, and when they are from. Of a call that took half a second, as they do when all
 * guests have just become busy, nobody can tell: a window from it to the next call would be a
 * quarter too short or too long, and who slept in it seem not to have. So it is asked again.
 */
static void sample_guests_at(struct host *host, virConnectPtr conn, double *time_s)
{
	for (unsigned int i = 0; i < SAMPLE_TRIES; i++) {
		double before_s = tick_now_s(), took_s, usual_s = host->usual_call_s;

		drop_records(host);
		host->nrecords =
			wire_stats(host->wire, conn, VIR_DOMAIN_STATS_VCPU, &host->records);
		took_s = tick_now_s() - before_s;
		*time_s = journal_round(before_s + took_s / 2);
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
	guest->announced[vcpu->number] = guest->unsaved = true;
}

int host_pin(struct host *host, const struct cpu_sample *sample, const struct cpu_pin *pin)
{
	const struct cpu_vcpu *vcpu = &sample->vcpus[pin->vcpu];
	virDomainPtr dom = host->records[host->sample_records[vcpu->guest]]->dom;
	struct guest *guest = find_guest(host, sample->guests[vcpu->guest].uuid);

	if (!guest)
		return -1;
	return guest_pin(&host->env, guest, dom, vcpu->number, pin->to, host->tick);
}

bool host_unsaved(const struct host *host)
{
	for (size_t g = 0; g < host->nguests; g++) {
		if (host->guests[g].unsaved)
			return true;
	}
	return false;
}

void host_saved(struct host *host)
{
	for (size_t g = 0; g < host->nguests; g++)
		host->guests[g].unsaved = false;
}

/* What an earlier life saved of guests that may still run, but could not be asked about yet. */
static int save_earlier(const struct host *host, struct saved *saved)
{
	for (size_t i = 0; host->unknown && i < host->env.earlier->n; i++) {
		const struct saved_vcpu *vcpu = &host->env.earlier->vcpus[i];

		if (!find_guest(host, vcpu->uuid) &&
		    state_add(saved, vcpu->uuid, vcpu->id, vcpu->number, vcpu->affinity))
			return -1;
	}
	return 0;
}

int host_save(const struct host *host, struct saved *saved)
{
	int result = 0;

	*saved = (struct saved){0};
	for (size_t g = 0; g < host->nguests && result == 0; g++)
		result = guest_save(&host->guests[g], saved);
	if (result == 0)
		result = save_earlier(host, saved);
	if (result)
		state_free(saved);
	return result;
}
