/* SPDX-License-Identifier: MIT */
/* Looks at the host and the guests once per sample. */
#include "sample.h"

#include "log.h"
#include "events.h"
#include "tick.h"

#include <inttypes.h>
#include <libvirt/virterror.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

/* A window so much longer than asked for is told of: its figures are right, but it hides what
 * happened in it. */
#define LATE_FACTOR 1.5

/* A guest's monitor is busy for a few milliseconds at a time, while another client asks it. */
#define BUSY_TRIES    4
#define BUSY_PAUSE_MS 5

#define STATS (VIR_DOMAIN_STATS_STATE | VIR_DOMAIN_STATS_VCPU | VIR_DOMAIN_STATS_BALLOON)

/* --- the host --- */

/* What each pCPU did in the window; where that cannot be told, its usage is not known. */
static void sample_pcpus(struct sampler *s)
{
	ssize_t n = procstat_read(&s->seen, &s->seen_size);

	for (size_t i = 0; i < s->recorder->machines->npcpus; i++) {
		struct trace_pcpu *pcpu = &s->pcpus[i];

		*pcpu = (struct trace_pcpu){s->recorder->machines->pcpus[i], -1, 0};
		for (ssize_t k = 0; k < n; k++) {
			uint64_t busy = s->seen[k].busy, total = s->seen[k].total;

			if (s->seen[k].id != pcpu->id)
				continue;
			if (total > s->total[i] && busy >= s->busy[i])
				pcpu->usage_pct = 100.0 * (double)(busy - s->busy[i]) /
						  (double)(total - s->total[i]);
			s->busy[i] = busy;
			s->total[i] = total;
		}
	}
}

static void sample_host_memory(struct trace_sample *sample)
{
	FILE *f = fopen("/proc/meminfo", "re");
	char line[128];

	sample->host_total_kib = sample->host_free_kib = sample->host_available_kib = -1;
	while (f && fgets(line, sizeof(line), f) && sample->host_available_kib < 0) {
		/* Each line matches at most one; the others leave their figure alone. */
		if (sscanf(line, "MemTotal: %" SCNd64, &sample->host_total_kib) != 1 &&
		    sscanf(line, "MemFree: %" SCNd64, &sample->host_free_kib) != 1)
			(void)sscanf(line, "MemAvailable: %" SCNd64, &sample->host_available_kib);
	}
	if (f)
		fclose(f);
}

/* --- guests --- */

static int64_t figure(virDomainStatsRecordPtr record, const char *name)
{
	unsigned long long value;

	return virTypedParamsGetULLong(record->params, record->nparams, name, &value) == 1
		       ? (int64_t)value
		       : -1;
}

static int64_t vcpu_figure(virDomainStatsRecordPtr record, size_t vcpu, const char *name)
{
	char key[64];

	snprintf(key, sizeof(key), "vcpu.%zu.%s", vcpu, name);
	return figure(record, key);
}

static void sample_memory(virDomainStatsRecordPtr record, struct trace_memory *m)
{
	int64_t updated_s = figure(record, "balloon.last-update");
	struct timeval now;

	gettimeofday(&now, NULL);
	m->actual_kib = figure(record, "balloon.current");
	m->unused_kib = figure(record, "balloon.unused");
	m->usable_kib = figure(record, "balloon.usable");
	m->available_kib = figure(record, "balloon.available");
	m->rss_kib = figure(record, "balloon.rss");
	m->swap_in_kib = figure(record, "balloon.swap_in");
	m->swap_out_kib = figure(record, "balloon.swap_out");
	m->major_faults = figure(record, "balloon.major_fault");
	/* It is in whole seconds: what was made this second looks up to a second older than it is.
	 */
	m->age_s =
		updated_s <= 0 ? -1 : (double)(now.tv_sec - updated_s) + (double)now.tv_usec / 1e6;
	if (updated_s > 0 && m->age_s < 0)
		m->age_s = 0;
}

/* Where a vCPU's time went: to the one pCPU it may use, else to the one it was seen on last. */
static void attribute(struct sampler *s, const struct watched *g, size_t vcpu, double usage_pct)
{
	int pcpu = g->pcpu[vcpu];
	char *end;

	if (g->affinity[vcpu] && g->affinity[vcpu][0]) {
		long only = strtol(g->affinity[vcpu], &end, 10);

		if (!*end)
			pcpu = (int)only;
	}
	for (size_t i = 0; i < s->recorder->machines->npcpus; i++) {
		if (s->pcpus[i].id == pcpu && usage_pct > 0)
			s->pcpus[i].guests_pct += usage_pct;
	}
}

static void sample_vcpu(struct sampler *s, struct watched *g, size_t vcpu,
			virDomainStatsRecordPtr record, double now_s)
{
	double elapsed_ns = (now_s - g->seen_s) * 1e9;
	int64_t time_ns = vcpu_figure(record, vcpu, "time"),
		delay_ns = vcpu_figure(record, vcpu, "delay");
	struct trace_vcpu *out = &g->vcpus[vcpu];

	*out = (struct trace_vcpu){-1, -1, g->pcpu[vcpu], g->affinity[vcpu]};
	if (g->seen_s >= 0 && time_ns >= 0 && (uint64_t)time_ns >= g->time_ns[vcpu])
		out->usage_pct = 100 * (double)((uint64_t)time_ns - g->time_ns[vcpu]) / elapsed_ns;
	if (g->seen_s >= 0 && delay_ns >= 0 && (uint64_t)delay_ns >= g->delay_ns[vcpu])
		out->delay_pct =
			100 * (double)((uint64_t)delay_ns - g->delay_ns[vcpu]) / elapsed_ns;
	if (time_ns >= 0)
		g->time_ns[vcpu] = (uint64_t)time_ns;
	if (delay_ns >= 0)
		g->delay_ns[vcpu] = (uint64_t)delay_ns;
	attribute(s, g, vcpu, out->usage_pct);
}

static void forget_counters(struct watched *g)
{
	memset(g->time_ns, 0, g->nvcpus * sizeof(*g->time_ns));
	memset(g->delay_ns, 0, g->nvcpus * sizeof(*g->delay_ns));
}

/* False: the guest does not run. */
static bool sample_guest(struct sampler *s, struct watched *g, virDomainStatsRecordPtr record,
			 double now_s, struct trace_guest *out)
{
	int id = (int)virDomainGetID(record->dom);

	if (id < 0) {
		g->id = -1;
		return false; /* it ended just now */
	}
	if (id != g->id) {
		/* Another process than before. */
		forget_counters(g);
		g->seen_s = -1;
		g->id = id;
	}
	if (g->fresh && g->seen_s < 0)
		g->seen_s = s->last_s; /* its counters began at 0 in this window */
	g->fresh = false;
	if (events_refresh_vcpus(s->recorder, g, record->dom) < 0)
		virResetLastError(); /* it ended just now: the affinities are those of a moment ago
				      */
	for (size_t vcpu = 0; vcpu < g->nvcpus; vcpu++)
		sample_vcpu(s, g, vcpu, record, now_s);
	/* Where libvirt was too busy to look, the next window is of both. */
	if (vcpu_figure(record, 0, "time") >= 0)
		g->seen_s = now_s;
	*out = (struct trace_guest){.name = g->guest->name, .nvcpus = g->nvcpus, .vcpus = g->vcpus};
	sample_memory(record, &out->memory);
	g->has_statistics = g->has_statistics || out->memory.unused_kib >= 0;
	return true;
}

/* Whether a guest that makes statistics has none this time, as its monitor was busy. */
static bool lacks_statistics(struct recorder *r, virDomainStatsRecordPtr *records, int n)
{
	for (int i = 0; i < n; i++) {
		struct watched *g = recorder_guest(r, virDomainGetName(records[i]->dom));

		if (g && g->has_statistics && figure(records[i], "balloon.unused") < 0)
			return true;
	}
	return false;
}

/*
 * One round trip for all of them. A guest that libvirt is busy with does not hold it up: its
 * figures are left out, so it is asked for again a moment later, a few times.
 */
static int bulk_statistics(struct recorder *r, virDomainStatsRecordPtr **records)
{
	const struct timespec pause = {0, BUSY_PAUSE_MS * 1000000};
	int n;

	for (int tries = 1;; tries++) {
		n = virConnectGetAllDomainStats(r->machines->session.conn, STATS, records,
						VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE |
							VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT);
		if (n < 0 || tries == BUSY_TRIES || !lacks_statistics(r, *records, n))
			return n;
		virDomainStatsRecordListFree(*records);
		nanosleep(&pause, NULL);
	}
}

static size_t sample_guests(struct sampler *s)
{
	struct recorder *r = s->recorder;
	virDomainStatsRecordPtr *records = NULL;
	size_t count = 0;
	double now_s;
	int n;

	if (!session_ready(&r->machines->session))
		return 0;
	n = bulk_statistics(r, &records);
	if (n < 0) {
		recorder_warn(r, "no statistics of the guests: %s", virGetLastErrorMessage());
		return 0;
	}
	now_s = tick_now_s();
	/* In the scenario's order, whatever libvirt's is. */
	for (size_t i = 0; i < r->machines->scenario.nguests; i++) {
		for (int j = 0; j < n; j++) {
			if (!strcmp(virDomainGetName(records[j]->dom), r->guests[i].guest->name) &&
			    sample_guest(s, &r->guests[i], records[j], now_s, &s->guests[count]))
				count++;
		}
	}
	virDomainStatsRecordListFree(records);
	return count;
}

/* --- samples --- */

int sampler_init(struct sampler *s, struct recorder *r)
{
	memset(s, 0, sizeof(*s));
	s->recorder = r;
	s->busy = calloc(r->machines->npcpus, sizeof(*s->busy));
	s->total = calloc(r->machines->npcpus, sizeof(*s->total));
	s->pcpus = calloc(r->machines->npcpus, sizeof(*s->pcpus));
	s->guests = calloc(r->machines->scenario.nguests, sizeof(*s->guests));
	if (!s->busy || !s->total || !s->pcpus || !s->guests) {
		log_warn("out of memory");
		return -1;
	}
	s->last_s = tick_now_s();
	sample_pcpus(s);
	sample_guests(s);
	return 0;
}

void sampler_sample(struct sampler *s, struct program *program)
{
	struct recorder *r = s->recorder;
	double now_s = tick_now_s(), elapsed_s = now_s - s->last_s;
	struct trace_sample sample = {.t_s = now_s - r->epoch_s,
				      .elapsed_s = elapsed_s,
				      .npcpus = r->machines->npcpus,
				      .pcpus = s->pcpus,
				      .guests = s->guests,
				      .program_cpu_pct = -1,
				      .program_rss_kib = -1};
	int64_t used_ns;

	if (elapsed_s > LATE_FACTOR * r->machines->scenario.sample_s)
		recorder_warn(r, "a sample came late: its window is %.1f s long, not %g s",
			      elapsed_s, r->machines->scenario.sample_s);
	sample_pcpus(s);
	if (program) {
		program_usage(program, &used_ns, &sample.program_rss_kib);
		if (used_ns >= 0)
			sample.program_cpu_pct = (double)used_ns / elapsed_s / 1e7;
	}
	sample.nguests = sample_guests(s);
	sample_host_memory(&sample);
	recorder_sample(r, &sample);
	s->last_s = now_s;
}

void sampler_free(struct sampler *s)
{
	free(s->busy);
	free(s->total);
	free(s->seen);
	free(s->pcpus);
	free(s->guests);
}
