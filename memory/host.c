/* SPDX-License-Identifier: MIT */
/* Reads the guests into a sample and sets balloons. With host_memory.c the only file with calls of
 * libvirt. */
#include "host.h"

#include "backoff.h"
#include "host_memory.h"
#include "log.h"
#include "replay.h"
#include "tick.h"
#include "trouble.h"
#include "xml.h"

#include <fnmatch.h>
#include <libvirt/virterror.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define STATS (VIR_DOMAIN_STATS_STATE | VIR_DOMAIN_STATS_BALLOON)

/* Another client's call on a guest takes a few milliseconds; a guest that hangs is not waited for.
 */
#define BUSY_TRIES    10
#define BUSY_PAUSE_NS 10000000L

/* Sizes that differ by less are the same, as the policy has it. */
#define CHANGE_KIB 1024

struct guest {
	unsigned char uuid[VIR_UUID_BUFLEN];
	unsigned int id; /* libvirt's, another at each start */
	char *name;
	struct xml_guest settings;
	int64_t period_s;	/* of its statistics before we set it; MEM_NOT_KNOWN: we did not */
	int64_t original_kib;	/* its size when it was first seen; MEM_NOT_KNOWN: not seen yet */
	int64_t least_kib;	/* what restoring leaves it with at least; 0: anything */
	bool set;		/* its balloon was, by us */
	int64_t actual_kib;	/* its size in the last sample */
	int64_t target_kib;	/* what we set since, or that size */
	bool outdated;		/* its settings have to be read again */
	struct backoff sets;	/* of its balloon */
	struct call *left;	/* a set that nobody waits for any more; NULL: none */
	int64_t left_kib;	/* what it sets */
	struct trouble trouble; /* its balloon cannot be set */
	bool told;		/* it had statistics since its start */
	bool told_rss;		/* and its process' size */
	bool met;		/* it was in a sample since its start, with these settings */
	bool is_new;		/* this is that sample */
	bool seen;		/* in this sample */
};

struct host {
	const struct host_options *options;
	const struct saved *saved; /* of an earlier life; NULL: none */
	bool local;		   /* the guests run on the machine we run on: /proc tells */
	struct session *session;   /* to be woken by what others do */
	struct wire *wire;	   /* its calls */
	unsigned long tick;
	int balloon_event, metadata_event, lifecycle_event; /* callbacks; negative: none */
	bool changed;					    /* by others, since the last sample */

	virDomainStatsRecordPtr *records; /* of the last sample: their domains are used for sets */
	int nrecords;

	struct guest *guests; /* by uuid */
	size_t nguests, guests_size;

	struct mem_guest *sample_guests;
	virDomainStatsRecordPtr *sample_records; /* [sample guest] */
	size_t sample_size;
};

struct host *host_new(const struct host_options *options, struct session *session)
{
	struct host *host = calloc(1, sizeof(*host));

	if (!host)
		return NULL;
	host->options = options;
	host->session = session;
	host->wire = &session->wire;
	host->balloon_event = host->metadata_event = host->lifecycle_event = -1;
	return host;
}

static void clear_guest(struct host *host, struct guest *guest)
{
	wire_forget(host->wire, &guest->left);
	free(guest->name);
}

void host_free(struct host *host)
{
	if (!host)
		return;
	for (size_t g = 0; g < host->nguests; g++)
		clear_guest(host, &host->guests[g]);
	free(host->guests);
	free(host->sample_guests);
	free(host->sample_records);
	free(host);
}

static int compare_uuid(const void *a, const void *b)
{
	const struct guest *x = a, *y = b;

	return memcmp(x->uuid, y->uuid, VIR_UUID_BUFLEN);
}

static struct guest *find_guest(const struct host *host, size_t n, const unsigned char *uuid)
{
	struct guest key;

	memcpy(key.uuid, uuid, VIR_UUID_BUFLEN);
	return n ? bsearch(&key, host->guests, n, sizeof(key), compare_uuid) : NULL;
}

/* What is known of this run of that guest, or NULL. */
static struct guest *guest_of(const struct host *host, virDomainPtr dom)
{
	unsigned char uuid[VIR_UUID_BUFLEN];
	struct guest *guest;

	if (virDomainGetUUID(dom, uuid) < 0)
		return NULL;
	guest = find_guest(host, host->nguests, uuid);
	return guest && guest->id == virDomainGetID(dom) ? guest : NULL;
}

/* --- the connection --- */

/* The loop is to look at once. */
static void wake(struct host *host)
{
	host->changed = true;
	session_wake(host->session);
}

/* Can we have made it that size? */
static bool explained(const struct guest *guest, int64_t kib)
{
	int64_t low = guest->actual_kib, high = guest->target_kib;

	if (low > high) {
		low = guest->target_kib;
		high = guest->actual_kib;
	}
	return kib >= low - CHANGE_KIB && kib <= high + CHANGE_KIB;
}

/* QEMU tells of a balloon's progress once a second; what lies on the way to our target is no news.
 * The policy has the last word. */
static void on_balloon(virConnectPtr conn, virDomainPtr dom, unsigned long long actual,
		       void *opaque)
{
	struct host *host = opaque;
	const struct guest *guest = guest_of(host, dom);

	(void)conn;
	if (guest && guest->settings.managed && !explained(guest, (int64_t)actual))
		wake(host);
}

/* Who has just started may grow at once, and has no statistics before it is seen. */
static int on_lifecycle(virConnectPtr conn, virDomainPtr dom, int event, int detail, void *opaque)
{
	(void)conn;
	(void)dom;
	(void)detail;
	if (event == VIR_DOMAIN_EVENT_STARTED)
		wake(opaque);
	return 0;
}

static void on_metadata(virConnectPtr conn, virDomainPtr dom, int type, const char *uri,
			void *opaque)
{
	struct host *host = opaque;
	struct guest *guest = guest_of(host, dom);

	(void)conn;
	if (!guest || type != VIR_DOMAIN_METADATA_ELEMENT || !uri ||
	    strcmp(uri, XML_POLICY_NAMESPACE) != 0)
		return;
	guest->outdated = true;
	wake(host);
}

/* Without events everything is seen at the next tick, but for settings. */
void host_opened(virConnectPtr conn, void *opaque)
{
	struct host *host = opaque;

	host->local = session_is_local(conn);
	host->balloon_event =
		virConnectDomainEventRegisterAny(conn, NULL, VIR_DOMAIN_EVENT_ID_BALLOON_CHANGE,
						 VIR_DOMAIN_EVENT_CALLBACK(on_balloon), host, NULL);
	host->metadata_event = virConnectDomainEventRegisterAny(
		conn, NULL, VIR_DOMAIN_EVENT_ID_METADATA_CHANGE,
		VIR_DOMAIN_EVENT_CALLBACK(on_metadata), host, NULL);
	host->lifecycle_event = virConnectDomainEventRegisterAny(
		conn, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle),
		host, NULL);
	virResetLastError();
	/* What happened meanwhile was not told. */
	for (size_t g = 0; g < host->nguests; g++)
		host->guests[g].outdated = true;
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
	deregister(conn, &host->balloon_event);
	deregister(conn, &host->metadata_event);
	deregister(conn, &host->lifecycle_event);
	host->changed = false;
}

bool host_changed(const struct host *host)
{
	return host->changed;
}

/* --- guests --- */

/* Statistics come only where a period is set, and only until the guest's next start. */
static void set_period(const struct host *host, virDomainPtr dom, struct guest *guest)
{
	int found = guest->settings.period_s;

	if (!guest->settings.balloon || !guest->settings.managed || host->options->touch_nothing ||
	    (found > 0 && found <= host->options->period_s))
		return;
	if (wire_set_period(host->wire, dom, host->options->period_s) < 0)
		log_warn("guest %s: setting the period of its statistics: %s", guest->name,
			 host->wire->error);
	else
		guest->period_s = found;
}

static void put_period_back(const struct host *host, virDomainPtr dom, struct guest *guest)
{
	if (guest->period_s != MEM_NOT_KNOWN &&
	    wire_set_period(host->wire, dom, (int)guest->period_s) < 0)
		log_warn("guest %s: putting back the period of its statistics: %s", guest->name,
			 host->wire->error);
	guest->period_s = MEM_NOT_KNOWN;
}

/* In an earlier life it may have been us who made it what it is now. */
static void recall(const struct host *host, struct guest *guest)
{
	const struct saved_guest *saved =
		host->saved ? state_find(host->saved, guest->uuid, guest->id) : NULL;

	if (!saved)
		return;
	guest->original_kib = saved->original_kib;
	guest->period_s = saved->period_s;
	guest->set = true;
}

/* What the guest's XML says, and for it the command line. 0, or −1 if it cannot be asked now. */
static int read_settings(const struct host *host, virDomainPtr dom, struct guest *guest)
{
	char *xml = wire_xml(host->wire, dom);

	if (!xml) {
		log_verbose("guest %s: %s; asking again next time", guest->name, host->wire->error);
		return -1;
	}
	xml_read_guest(xml, &guest->settings);
	free(xml);
	if (guest->settings.wrong)
		log_warn("guest %s: its metadata's %s cannot be understood and is left out",
			 guest->name, guest->settings.wrong);
	if (host->options->guests && fnmatch(host->options->guests, guest->name, 0) != 0)
		guest->settings.managed = false;
	if (guest->settings.weight > 0)
		return 0;
	for (size_t i = 0; i < host->options->nweights; i++) {
		if (fnmatch(host->options->weights[i].guests, guest->name, 0) == 0)
			guest->settings.weight = host->options->weights[i].weight;
	}
	return 0;
}

/* All that is asked about a guest at each of its starts. 0, or −1 if it cannot be asked now. */
static int read_guest(const struct host *host, virDomainPtr dom, struct guest *guest)
{
	const char *name = virDomainGetName(dom);

	*guest = (struct guest){
		.id = virDomainGetID(dom),
		.name = name ? strdup(name) : NULL,
		.period_s = MEM_NOT_KNOWN,
		.original_kib = MEM_NOT_KNOWN,
	};
	virDomainGetUUID(dom, guest->uuid);
	if (!guest->name || read_settings(host, dom, guest)) {
		free(guest->name);
		return -1;
	}
	recall(host, guest);
	set_period(host, dom, guest);
	return 0;
}

/* Its settings may be others now; what cannot be asked stays as it was, and is asked again. */
static void reread_settings(const struct host *host, virDomainPtr dom, struct guest *guest)
{
	int64_t period_s = guest->period_s;

	if (!guest->outdated || read_settings(host, dom, guest))
		return;
	guest->outdated = guest->met = false;
	log_verbose("guest %s: its settings were read again", guest->name);
	if (period_s == MEM_NOT_KNOWN)
		set_period(host, dom, guest);
	else if (!guest->settings.managed)
		put_period_back(host, dom, guest);
}

static int make_room(struct host *host, size_t n)
{
	struct guest *guests;
	struct mem_guest *sample_guests;
	virDomainStatsRecordPtr *sample_records;

	if (host->nguests + n > host->guests_size) {
		guests = realloc(host->guests, 2 * (host->nguests + n) * sizeof(*guests));
		if (!guests)
			return -1;
		host->guests = guests;
		host->guests_size = 2 * (host->nguests + n);
	}
	if (n > host->sample_size) {
		sample_guests = realloc(host->sample_guests, 2 * n * sizeof(*sample_guests));
		if (sample_guests)
			host->sample_guests = sample_guests;
		sample_records = realloc(host->sample_records, 2 * n * sizeof(*sample_records));
		if (sample_records)
			host->sample_records = sample_records;
		if (!sample_guests || !sample_records)
			return -1;
		host->sample_size = 2 * n;
	}
	return 0;
}

/* Knows each guest of the records; those that are new are asked about, those that are gone
 * forgotten. */
static void know_guests(struct host *host)
{
	size_t before = host->nguests, kept = 0;

	for (size_t g = 0; g < before; g++)
		host->guests[g].seen = false;
	for (int r = 0; r < host->nrecords; r++) {
		virDomainPtr dom = host->records[r]->dom;
		unsigned char uuid[VIR_UUID_BUFLEN];
		struct guest *guest;

		virDomainGetUUID(dom, uuid);
		guest = find_guest(host, before,
				   uuid); /* the new ones behind are not in order yet */
		if (guest && guest->id == virDomainGetID(dom)) {
			guest->seen = true;
			reread_settings(host, dom, guest);
		} else if (read_guest(host, dom, &host->guests[host->nguests]) == 0) {
			host->guests[host->nguests++].seen = true;
		}
	}
	for (size_t g = 0; g < host->nguests; g++) {
		if (host->guests[g].seen)
			host->guests[kept++] = host->guests[g];
		else
			clear_guest(host, &host->guests[g]);
	}
	host->nguests = kept;
	if (kept > 1)
		qsort(host->guests, kept, sizeof(*host->guests), compare_uuid);
}

/* --- the sample --- */

static int64_t read_figure(const virDomainStatsRecord *record, const char *field)
{
	unsigned long long value;

	if (virTypedParamsGetULLong(record->params, record->nparams, field, &value) != 1 ||
	    value > INT64_MAX)
		return MEM_NOT_KNOWN;
	return (int64_t)value;
}

static bool is_running(const virDomainStatsRecord *record)
{
	int state = VIR_DOMAIN_RUNNING;

	virTypedParamsGetInt(record->params, record->nparams, "state.state", &state);
	return state == VIR_DOMAIN_RUNNING || state == VIR_DOMAIN_BLOCKED;
}

static struct mem_guest read_figures(const virDomainStatsRecord *record, const struct guest *guest)
{
	struct mem_guest g = {
		.managed = guest->settings.managed,
		.running = is_running(record),
		.balloon =
			guest->settings.balloon && !guest->settings.mixed && !guest->settings.taken,
		.taken = guest->settings.taken,
		.maximum_kib = read_figure(record, "balloon.maximum"),
		.actual_kib = read_figure(record, "balloon.current"),
		.made_s = read_figure(record, "balloon.last-update"),
		.unused_kib = read_figure(record, "balloon.unused"),
		.usable_kib = read_figure(record, "balloon.usable"),
		.total_kib = read_figure(record, "balloon.available"),
		.swap_in_kib = read_figure(record, "balloon.swap_in"),
		.swap_out_kib = read_figure(record, "balloon.swap_out"),
		.major_faults = read_figure(record, "balloon.major_fault"),
		.rss_kib = read_figure(record, "balloon.rss"),
		.reserve_kib = guest->settings.reserve_kib,
		.floor_kib = guest->settings.floor_kib,
		.weight = guest->settings.weight,
	};

	memcpy(g.uuid, guest->uuid, MEM_UUID_LEN);
	return g;
}

/*
 * While somebody else's call holds a guest, NOWAIT leaves out what its monitor would tell. Its
 * process' size is told by every guest whose monitor was asked, unless this libvirt never tells it;
 * its statistics by those that told some since their start.
 */
static bool was_busy(const struct host *host, const virDomainStatsRecord *record)
{
	const struct guest *guest = guest_of(host, record->dom);

	if (!is_running(record) || read_figure(record, "balloon.current") == MEM_NOT_KNOWN)
		return false;
	if (guest && guest->told && read_figure(record, "balloon.last-update") == MEM_NOT_KNOWN)
		return true;
	return (!guest || guest->told_rss) && read_figure(record, "balloon.rss") == MEM_NOT_KNOWN;
}

/* Asks the guests that were busy once more and takes over what they tell. Returns how many there
 * were. */
static size_t ask_busy_again(struct host *host)
{
	virDomainPtr *busy = calloc((size_t)host->nrecords + 1, sizeof(*busy));
	virDomainStatsRecordPtr *again = NULL;
	size_t nbusy = 0;
	int n = 0;

	for (int r = 0; busy && r < host->nrecords; r++) {
		if (was_busy(host, host->records[r]))
			busy[nbusy++] = host->records[r]->dom;
	}
	if (nbusy)
		n = wire_stats_of(host->wire, busy, STATS, &again);
	for (int i = 0; i < n; i++) {
		for (int r = 0; r < host->nrecords; r++) {
			virDomainStatsRecord old = *host->records[r];

			/* The list owns what its records hold, so they change places. */
			if (virDomainGetID(old.dom) == virDomainGetID(again[i]->dom)) {
				*host->records[r] = *again[i];
				*again[i] = old;
				break;
			}
		}
	}
	if (n > 0)
		virDomainStatsRecordListFree(again);
	free(busy);
	return nbusy;
}

static int read_records(struct host *host, virConnectPtr conn)
{
	const struct timespec pause = {.tv_nsec = BUSY_PAUSE_NS};

	drop_records(host);
	host->nrecords = wire_stats(host->wire, conn, STATS, &host->records);
	/* Who hangs does not answer at the tenth time either. */
	for (int i = 0; i < BUSY_TRIES && !tick_quit && !host->wire->told && ask_busy_again(host);
	     i++)
		nanosleep(&pause, NULL);
	if (host->nrecords >= 0)
		return 0;
	host->records = NULL;
	host->nrecords = 0;
	return -1;
}

/* A size that we cannot have made ends what we had set. */
static void learn_size(struct guest *guest, int64_t kib)
{
	if (!explained(guest, kib))
		guest->target_kib = kib;
	guest->actual_kib = kib;
}

int host_sample(struct host *host, virConnectPtr conn, struct mem_sample *sample)
{
	struct timespec wall;

	*sample = (struct mem_sample){.host_total_kib = -1, .host_available_kib = -1, .wall_s = -1};
	host->changed = false;
	host->tick++;
	if (read_records(host, conn))
		return -1;
	sample->time_s = journal_round(tick_now_s());
	clock_gettime(CLOCK_REALTIME, &wall);
	if (host->local)
		sample->wall_s = (double)wall.tv_sec + (double)(wall.tv_nsec / 1000000) / 1e3;
	if (make_room(host, (size_t)host->nrecords)) {
		log_warn("out of memory");
		return -1;
	}
	know_guests(host);
	for (int r = 0; r < host->nrecords; r++) {
		unsigned char uuid[VIR_UUID_BUFLEN];
		struct guest *guest;

		virDomainGetUUID(host->records[r]->dom, uuid);
		guest = find_guest(host, host->nguests, uuid);
		if (!guest)
			continue;
		host->sample_records[sample->nguests] = host->records[r];
		host->sample_guests[sample->nguests] = read_figures(host->records[r], guest);
		guest->is_new = !guest->met;
		guest->met = true;
		guest->told |= host->sample_guests[sample->nguests].made_s > 0;
		guest->told_rss |= host->sample_guests[sample->nguests].rss_kib >= 0;
		learn_size(guest, host->sample_guests[sample->nguests].actual_kib);
		if (guest->original_kib == MEM_NOT_KNOWN)
			guest->original_kib = guest->actual_kib;
		sample->nguests++;
	}
	sample->guests = host->sample_guests;
	return host_memory_read(host->wire, conn, host->local, sample);
}

const char *host_guest_name(const struct host *host, size_t guest)
{
	return virDomainGetName(host->sample_records[guest]->dom);
}

bool host_guest_new(const struct host *host, size_t guest)
{
	return find_guest(host, host->nguests, host->sample_guests[guest].uuid)->is_new;
}

/* --- what is set --- */

/* What a guest's balloon was set to, as far as is known now. */
static void note_set(struct guest *guest, int64_t kib)
{
	backoff_end(&guest->sets);
	trouble_end(&guest->trouble, "guest %s: its balloon can be set again", guest->name);
	guest->set = true;
	guest->target_kib = kib;
}

static void note_failure(const struct host *host, struct guest *guest)
{
	bool timed_out = host->wire->code == VIR_ERR_OPERATION_TIMEOUT;

	backoff_fail(&guest->sets, host->tick, timed_out);
	trouble_begin(&guest->trouble, "guest %s: setting its balloon: %s%s", guest->name,
		      host->wire->error, timed_out ? "; going on without waiting for it" : "");
}

int host_set(struct host *host, const struct mem_set *set)
{
	virDomainPtr dom = host->sample_records[set->guest]->dom;
	struct guest *guest = find_guest(host, host->nguests, host->sample_guests[set->guest].uuid);

	if (guest->left || backoff_waits(&guest->sets, host->tick))
		return -1;
	if (wire_set_memory(host->wire, dom, (unsigned long)set->to_kib, &guest->left) == 0) {
		note_set(guest, set->to_kib);
		return 0;
	}
	guest->left_kib = set->to_kib;
	note_failure(host, guest);
	return -1;
}

int64_t host_set_late(struct host *host, size_t g)
{
	struct guest *guest = find_guest(host, host->nguests, host->sample_guests[g].uuid);
	int result;

	if (!wire_is_back(host->wire, &guest->left, &result) || result < 0)
		return 0;
	note_set(guest, guest->left_kib);
	return guest->left_kib;
}

void host_remember(struct host *host, const struct saved *saved)
{
	host->saved = saved;
}

struct saved_guest host_save(const struct host *host, size_t guest)
{
	const struct mem_guest *figures = &host->sample_guests[guest];
	const struct guest *known = find_guest(host, host->nguests, figures->uuid);
	struct saved_guest saved = {
		.id = known->id,
		.actual_kib = figures->actual_kib > 0 ? figures->actual_kib : 0,
		.original_kib = known->original_kib > 0 ? known->original_kib : 0,
		.period_s = known->period_s,
	};

	memcpy(saved.uuid, known->uuid, MEM_UUID_LEN);
	return saved;
}

/* Returns true if its balloon is as it was found, or was not to be. */
static bool restore_balloon(const struct host *host, struct guest *guest, virDomainPtr dom)
{
	int64_t to = guest->original_kib;

	if (!guest->set || to <= 0)
		return true;
	if (to < guest->least_kib) {
		to = guest->least_kib;
		log_warn("guest %s: was found with %lld MiB and uses more: left with %lld MiB",
			 guest->name, (long long)guest->original_kib / 1024, (long long)to / 1024);
	}
	if (wire_set_memory(host->wire, dom, (unsigned long)to, NULL) < 0) {
		log_warn("guest %s: giving back its memory: %s", guest->name, host->wire->error);
		return false;
	}
	return to == guest->original_kib;
}

void host_keep(struct host *host, size_t g, int64_t least_kib)
{
	struct guest *guest = find_guest(host, host->nguests, host->sample_guests[g].uuid);

	guest->least_kib = least_kib;
}

size_t host_restore(struct host *host, virConnectPtr conn, bool balloons)
{
	size_t others = 0;

	for (size_t g = 0; g < host->nguests; g++) {
		struct guest *guest = &host->guests[g];
		virDomainPtr dom = wire_lookup(host->wire, conn, guest->uuid);

		if (!dom)
			continue; /* gone, and what was set with it */
		if (virDomainGetID(dom) == guest->id) {
			others += balloons && !restore_balloon(host, guest, dom);
			put_period_back(host, dom, guest);
		}
		virDomainFree(dom);
	}
	return others;
}
