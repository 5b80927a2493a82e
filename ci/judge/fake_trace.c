/* SPDX-License-Identifier: MIT */
/* Writes made-up traces for the checkers' tests. */
#include "fake_trace.h"

#include "evidence.h"

#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#define VCPUS_MAX 64
#define PCPUS_MAX 16

/* What a guest's kernel and daemons take of its memory. */
#define KERNEL_KIB (90.0 * 1024)

/* A boot begins with the maximum, and its driver brings it to its size this much later, when it
 * can be looked into. */
#define BOOT_S 5.0

struct play {
	const struct fake *fake;
	struct scenario scenario;
	struct trace_writer writer;
	size_t nvcpus;
	const struct scenario_guest *guest_of[VCPUS_MAX];
	int place[VCPUS_MAX]; /* −1: anywhere */
	double share[VCPUS_MAX], want[VCPUS_MAX];
	double actual_kib[VCPUS_MAX];
	bool off[VCPUS_MAX];	    /* per guest */
	double booted_s[VCPUS_MAX]; /* when it was last started or rebooted; 0: before the run */
	unsigned int noise;
};

static void event(struct play *p, double t_s, struct trace_event event)
{
	event.t_s = t_s;
	assert_int_equal(trace_write_event(&p->writer, &event), 0);
}

static void write_header(struct play *p, const int *ids)
{
	struct trace_header header;

	assert_int_equal(evidence_header(&header, &p->scenario, ids, p->fake->pcpus), 0);
	header.world = TRACE_WORLD_REAL;
	header.started = "2026-01-01T00:00:00Z";
	header.epoch_ns = 0;
	header.host_name = "fake";
	assert_int_equal(trace_write_header(&p->writer, &header), 0);
	evidence_free(&header);
}

/* --- loads --- */

static double cpu_load_at(const struct play *p, const struct scenario_guest *guest, double t_s)
{
	double pct = 0;

	for (size_t i = 0; i < guest->nphases && guest->phases[i].at_s < t_s; i++)
		if (guest->phases[i].verb == PHASE_CPU)
			pct = guest->phases[i].pct;
	if (p->fake->paused_from_s > 0 && t_s > p->fake->paused_from_s)
		return -0.5; /* not even what idles */
	return guest->number == p->fake->lazy_guest ? pct / 10 : pct;
}

static double memory_load_at(const struct play *p, const struct scenario_guest *guest, double t_s)
{
	double kib = 0;

	for (size_t i = 0; i < guest->nphases && guest->phases[i].at_s < t_s; i++) {
		const struct phase *phase = &guest->phases[i];
		double until_s =
			i + 1 < guest->nphases ? fmin(t_s, guest->phases[i + 1].at_s) : t_s;
		double step = phase->rate_kib_s
				      ? (double)phase->rate_kib_s * (until_s - phase->at_s)
				      : INFINITY;

		if (phase->verb != PHASE_MEMORY)
			kib = 0; /* it was off, or began anew */
		else
			kib = (double)phase->kib > kib ? fmin((double)phase->kib, kib + step)
						       : fmax((double)phase->kib, kib - step);
	}
	return guest->number == p->fake->lazy_guest ? kib / 10 : kib;
}

/* A point or so up and down, the same each time. */
static double noise(struct play *p)
{
	p->noise = p->noise * 1103515245 + 12345;
	return ((p->noise >> 16) % 200) / 100.0 - 1;
}

/* Each pCPU in even shares among those who want more; who is not pinned runs wherever there is
 * least. */
static void share_out(struct play *p, double t_s, const double *own)
{
	double total[PCPUS_MAX] = {0};
	int where[VCPUS_MAX];

	for (size_t i = 0; i < p->nvcpus; i++) {
		p->want[i] = 0.5 + cpu_load_at(p, p->guest_of[i], t_s);
		where[i] = p->place[i] < 0 ? (int)(i % p->fake->pcpus) : p->place[i];
	}
	for (unsigned int c = 0; c < p->fake->pcpus; c++) {
		double level = 100;

		/* The level at which what all get adds up to the pCPU, found by halving. */
		for (double low = 0, high = 100; high - low > 0.001;) {
			total[c] = own[c];
			for (size_t i = 0; i < p->nvcpus; i++)
				if (where[i] == (int)c)
					total[c] += fmin(p->want[i], level);
			if (total[c] > 100)
				high = level;
			else
				low = level;
			level = (low + high) / 2;
		}
		for (size_t i = 0; i < p->nvcpus; i++)
			if (where[i] == (int)c)
				p->share[i] = fmin(p->want[i], level);
	}
	for (size_t i = 0; i < p->nvcpus; i++)
		if (p->share[i] == p->want[i])
			p->share[i] = fmax(0, p->share[i] + noise(p));
}

/* Linux shares out pCPU 0 with favour: the first there is given what the second loses. */
static void favour_first(struct play *p)
{
	size_t first = p->nvcpus;

	for (size_t i = 0; i < p->nvcpus; i++) {
		if (p->place[i] > 0 || (p->place[i] < 0 && i % p->fake->pcpus))
			continue;
		if (first < p->nvcpus) {
			p->share[first] += 0.3 * p->share[i];
			p->share[i] *= 0.7;
			return;
		}
		first = i;
	}
}

/* --- samples --- */

static void fill_vcpu(const struct play *p, size_t i, struct trace_vcpu *vcpu, char *affinity)
{
	snprintf(affinity, 16, p->place[i] < 0 ? "0-%d" : "%d",
		 p->place[i] < 0 ? (int)p->fake->pcpus - 1 : p->place[i]);
	*vcpu = (struct trace_vcpu){
		.usage_pct = p->share[i],
		.delay_pct = fmax(0, p->want[i] - p->share[i]),
		.pcpu = p->place[i] < 0 ? (int)(i % p->fake->pcpus) : p->place[i],
		.affinity = affinity,
	};
}

static struct trace_memory memory_of(const struct play *p, size_t g)
{
	return (struct trace_memory){.actual_kib = (int64_t)p->actual_kib[g],
				     .unused_kib = -1,
				     .usable_kib = -1,
				     .available_kib = -1,
				     .rss_kib = -1,
				     .swap_in_kib = -1,
				     .swap_out_kib = -1,
				     .major_faults = -1,
				     .age_s = 1};
}

static double program_cpu(const struct play *p, double t_s)
{
	const struct fake *f = p->fake;

	if (f->no_program || (f->exits_at_s > 0 && t_s > f->exits_at_s))
		return -1;
	if (f->still_from_s > 0 && t_s > f->still_from_s)
		return 0;
	if (t_s >= 8 && t_s <= 10 && f->program_peak_pct > 0)
		return f->program_peak_pct;
	return f->program_cpu_pct > 0 ? f->program_cpu_pct : 0.1;
}

static bool within(double t_s, double from_s, double to_s)
{
	return t_s > from_s && t_s <= to_s;
}

static void write_sample(struct play *p, double t_s)
{
	double own[PCPUS_MAX] = {p->fake->host_pct},
	       host_kib = 1024.0 * (p->fake->host_mib ? p->fake->host_mib : 8192);
	static char affinity[VCPUS_MAX][16];
	struct trace_vcpu vcpus[VCPUS_MAX];
	struct trace_guest guests[VCPUS_MAX];
	struct trace_pcpu pcpus[PCPUS_MAX];
	size_t next = 0, nguests = 0;

	if (t_s >= 8 && t_s <= 10)
		own[0] += p->fake->program_peak_pct;
	share_out(p, t_s, own);
	if (p->fake->uneven_from_s > 0 && t_s > p->fake->uneven_from_s)
		favour_first(p);
	for (unsigned int c = 0; c < p->fake->pcpus; c++)
		pcpus[c] = (struct trace_pcpu){(int)c, own[c], 0};
	for (size_t g = 0; g < p->scenario.nguests; g++) {
		const struct scenario_guest *guest = &p->scenario.guests[g];

		if (p->off[g]) {
			next += guest->vcpus;
			continue;
		}
		guests[nguests++] = (struct trace_guest){guest->name, guest->vcpus, &vcpus[next],
							 memory_of(p, g)};
		host_kib -= p->actual_kib[g] - (double)guest->memory_kib;
		for (size_t v = 0; v < guest->vcpus; v++, next++) {
			fill_vcpu(p, next, &vcpus[next], affinity[next]);
			pcpus[vcpus[next].pcpu].guests_pct += vcpus[next].usage_pct;
			pcpus[vcpus[next].pcpu].usage_pct += vcpus[next].usage_pct;
		}
	}
	struct trace_sample sample = {
		.t_s = t_s,
		.elapsed_s = p->scenario.sample_s,
		.npcpus = p->fake->pcpus,
		.pcpus = pcpus,
		.nguests = within(t_s, p->fake->blind_from_s, p->fake->blind_to_s) ? 0 : nguests,
		.guests = guests,
		.host_total_kib = 16 << 20,
		.host_free_kib = (int64_t)host_kib,
		.host_available_kib = (int64_t)host_kib,
		.program_cpu_pct = program_cpu(p, t_s),
		.program_rss_kib = -1,
	};
	assert_int_equal(trace_write_sample(&p->writer, &sample), 0);
}

static void write_inside(struct play *p, double t_s)
{
	if (p->fake->no_inside || (p->fake->mute_from_s > 0 && t_s >= p->fake->mute_from_s))
		return;
	for (size_t g = 0; g < p->scenario.nguests; g++) {
		const struct scenario_guest *guest = &p->scenario.guests[g];
		double load = memory_load_at(p, guest, t_s);
		double room = fmax(0, p->actual_kib[g] - KERNEL_KIB);
		int kills = guest->number == p->fake->oom_guest && t_s > 20;

		if (p->off[g] || (p->booted_s[g] > 0 && t_s < p->booted_s[g] + BOOT_S))
			continue;
		load = fmin(load, room);
		event(p, t_s,
		      (struct trace_event){.kind = TRACE_INSIDE,
					   .guest = guest->name,
					   .inside = {.free_kib = (int64_t)(room - load),
						      .available_kib = (int64_t)(room - load),
						      .total_kib = (int64_t)p->actual_kib[g],
						      .load_kib = (int64_t)load,
						      .oom_kill = kills}});
	}
}

/* --- events between samples --- */

static void set_size(struct play *p, size_t g, double t_s, double kib)
{
	p->actual_kib[g] = kib;
	event(p, t_s,
	      (struct trace_event){.kind = TRACE_BALLOON,
				   .guest = p->scenario.guests[g].name,
				   .balloon = {(int64_t)kib}});
}

static void do_deed(struct play *p, const struct deed *deed)
{
	char affinity[16];

	if (p->scenario.kind == SCENARIO_MEMORY) {
		set_size(p, deed->who, deed->t_s, 1024.0 * deed->mib);
		return;
	}
	p->place[deed->who] = deed->pcpu;
	snprintf(affinity, sizeof(affinity), deed->pcpu < 0 ? "0-%d" : "%d",
		 deed->pcpu < 0 ? (int)p->fake->pcpus - 1 : deed->pcpu);
	event(p, deed->t_s,
	      (struct trace_event){.kind = TRACE_PIN,
				   .guest = p->guest_of[deed->who]->name,
				   .pin = {0, affinity, TRACE_BY_PROGRAM}});
}

static void write_loads(struct play *p, double from_s, double to_s)
{
	for (size_t g = 0; g < p->scenario.nguests && !p->fake->no_load_events; g++)
		for (size_t i = 0; i < p->scenario.guests[g].nphases; i++) {
			const struct phase *phase = &p->scenario.guests[g].phases[i];
			char text[128];

			if (phase->at_s >= from_s && phase->at_s < to_s)
				event(p, phase->at_s + 0.05,
				      (struct trace_event){
					      .kind = TRACE_LOAD,
					      .guest = p->scenario.guests[g].name,
					      .load = {(int64_t)i + 1,
						       phase_format(phase, text, sizeof(text)),
						       0.05}});
		}
}

/* A guest's starts, stops and reboots; a boot takes it to the maximum, its driver back from there.
 */
static void write_lives(struct play *p, double from_s, double to_s)
{
	for (size_t g = 0; g < p->scenario.nguests; g++) {
		const struct scenario_guest *guest = &p->scenario.guests[g];

		for (size_t i = 0; i < guest->nphases; i++) {
			const struct phase *phase = &guest->phases[i];
			bool stops = phase->verb == PHASE_STOP;

			if (phase->at_s < from_s || phase->at_s >= to_s ||
			    (!stops && phase->verb != PHASE_START && phase->verb != PHASE_REBOOT))
				continue;
			event(p, phase->at_s,
			      (struct trace_event){.kind = TRACE_GUEST,
						   .guest = guest->name,
						   .life = {stops ? TRACE_STOPPED
							    : phase->verb == PHASE_REBOOT
								    ? TRACE_REBOOTED
								    : TRACE_STARTED}});
			p->off[g] = stops;
			p->booted_s[g] = stops ? 0 : phase->at_s;
			if (!stops)
				set_size(p, g, phase->at_s + 0.1, (double)guest->maximum_kib);
		}
		if (within(p->booted_s[g] + BOOT_S, from_s, to_s))
			set_size(p, g, p->booted_s[g] + BOOT_S, (double)guest->memory_kib);
	}
}

static void write_pauses(struct play *p, double from_s, double to_s)
{
	for (size_t g = 0; g < p->scenario.nguests; g++)
		if (within(p->fake->paused_from_s, from_s, to_s))
			event(p, p->fake->paused_from_s,
			      (struct trace_event){.kind = TRACE_GUEST,
						   .guest = p->scenario.guests[g].name,
						   .life = {TRACE_PAUSED}});
}

static void write_shares(struct play *p, double from_s, double to_s)
{
	if (p->fake->by_shares && within(p->fake->uneven_from_s, from_s, to_s))
		event(p, p->fake->uneven_from_s,
		      (struct trace_event){.kind = TRACE_LIMIT,
					   .guest = p->scenario.guests[0].name,
					   .limit = {"cpu_shares", 2048}});
}

static void write_end(struct play *p, double end_s)
{
	const struct fake *f = p->fake;

	if (f->exits_at_s > 0)
		event(p, f->exits_at_s, trace_exit(W_EXITCODE(f->exit_status, 0), false));
	else if (!f->no_program)
		event(p, end_s + 0.1,
		      trace_exit(f->killed ? W_EXITCODE(0, SIGKILL) : W_EXITCODE(f->stop_status, 0),
				 true));
	if (f->ends_at_s <= 0)
		event(p, end_s + 0.2, (struct trace_event){.kind = TRACE_END});
}

static void set_stage(struct play *p)
{
	for (size_t g = 0; g < p->scenario.nguests; g++) {
		const struct scenario_guest *guest = &p->scenario.guests[g];

		p->actual_kib[g] = (double)guest->memory_kib;
		p->booted_s[g] = -BOOT_S;
		p->off[g] = scenario_starts_off(guest);
		for (size_t v = 0; v < guest->vcpus; v++) {
			assert_true(p->nvcpus < VCPUS_MAX);
			p->guest_of[p->nvcpus] = guest;
			p->place[p->nvcpus++] = guest->pins[v];
		}
	}
}

void fake_trace(const struct fake *fake, const char *path)
{
	struct play p = {.fake = fake, .noise = 1};
	const struct deed *deed = fake->deeds;
	char error[SCENARIO_ERROR_MAX];
	int ids[PCPUS_MAX];
	double end_s;

	for (int i = 0; i < PCPUS_MAX; i++)
		ids[i] = i;
	if (scenario_read(&p.scenario, fake->scenario, error) ||
	    scenario_resolve(&p.scenario, ids, fake->pcpus, "vm", error))
		fail_msg("%s", error);
	set_stage(&p);
	assert_int_equal(trace_create(&p.writer, path), 0);
	write_header(&p, ids);
	if (!fake->no_program)
		event(&p, 0,
		      (struct trace_event){.kind = TRACE_PROGRAM_START, .program_start = {1}});
	end_s = fake->ends_at_s > 0 ? fake->ends_at_s : p.scenario.length_s;
	for (double t_s = p.scenario.sample_s; t_s <= end_s + 1e-6; t_s += p.scenario.sample_s) {
		write_lives(&p, t_s - p.scenario.sample_s, t_s);
		write_loads(&p, t_s - p.scenario.sample_s, t_s);
		for (; deed && deed->t_s >= 0 && deed->t_s < t_s; deed++)
			do_deed(&p, deed);
		write_pauses(&p, t_s - p.scenario.sample_s, t_s);
		write_shares(&p, t_s - p.scenario.sample_s, t_s);
		if (!within(t_s, fake->gap_from_s, fake->gap_to_s))
			write_sample(&p, t_s);
		if (p.scenario.kind == SCENARIO_MEMORY)
			write_inside(&p, t_s);
	}
	write_end(&p, end_s);
	assert_int_equal(trace_close(&p.writer), 0);
	scenario_free(&p.scenario);
}
