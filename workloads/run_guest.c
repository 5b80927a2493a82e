/* SPDX-License-Identifier: MIT */
/* One guest of a timeline: begins its phases on time and looks inside it. */
#include "run_guest.h"

#include "agent.h"
#include "inside.h"
#include "labguest.h"
#include "load.h"
#include "run_report.h"
#include "runner.h"
#include "tick.h"
#include "units.h"

#include <inttypes.h>
#include <libvirt/virterror.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* How long a guest that was just started may take until its agent answers; emulated ones boot in 3
 * to 15 s. */
#define BOOT_S 90.0

/* An agent that is mute when a load is due is asked again so long: the guest may be short of
 * memory. */
#define MUTE_S 10.0

/* A look inside takes about 0.1 s on a busy emulated guest; none is begun so shortly before a
 * phase. */
#define BEFORE_PHASE_S 0.3

#define PROC_MAX (64 * 1024)

double runner_now_s(const struct runner *r)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec * INT64_C(1000000000) + now.tv_nsec - r->epoch_ns) / 1e9;
}

/* --- waiting --- */

/* Until t_s of the trace or the end of the run. */
static void wait_until(struct run_guest *g, double t_s)
{
	struct runner *r = g->runner;
	int64_t at_ns = r->epoch_ns + (int64_t)(t_s * 1e9);
	struct timespec at = {at_ns / 1000000000, at_ns % 1000000000};

	pthread_mutex_lock(&r->lock);
	while (r->stage == RUN_PLAYING && pthread_cond_timedwait(&r->changed, &r->lock, &at) == 0)
		;
	pthread_mutex_unlock(&r->lock);
}

static bool playing(struct run_guest *g)
{
	bool yes;

	pthread_mutex_lock(&g->runner->lock);
	yes = g->runner->stage == RUN_PLAYING;
	pthread_mutex_unlock(&g->runner->lock);
	return yes;
}

/* Waits until the agent answers. 0; −1 with error after limit_s or at the run's end. */
static int wait_for_agent(struct run_guest *g, double limit_s, char error[AGENT_ERROR_MAX])
{
	double end_s = runner_now_s(g->runner) + limit_s;

	while (agent_ping(g->dom, error)) {
		if (!playing(g) || runner_now_s(g->runner) >= end_s)
			return -1;
		wait_until(g, runner_now_s(g->runner) + 0.25);
	}
	return 0;
}

/* --- phases --- */

static int begin_load(struct run_guest *g, const struct phase *phase, char error[AGENT_ERROR_MAX])
{
	enum load_class class = phase_load_class(phase->verb);
	json_t *ended = NULL;
	double now_s;

	if (load_begin(g->dom, phase, &ended, error)) {
		/* A refusal is final, silence may pass. */
		char silence[AGENT_ERROR_MAX];

		if (agent_ping(g->dom, silence) == 0 || wait_for_agent(g, MUTE_S, error) ||
		    load_begin(g->dom, phase, &ended, error))
			return -1;
	}
	now_s = runner_now_s(g->runner);
	if (phase->verb == PHASE_IDLE)
		run_end_all(g, ended, now_s);
	else
		run_note_ended(g, ended, now_s);
	if (class != LOAD_CLASSES) {
		run_end_active(g, class, NULL, now_s); /* whatever it was, it said nothing */
		g->active[class] =
			(struct active_load){phase, now_s, run_vcpu_ns(g->dom, g->guest->vcpus)};
		g->had_memory_load = g->had_memory_load || class == LOAD_MEMORY;
	}
	return 0;
}

static int pin_vcpus(struct run_guest *g, const char *list, char error[AGENT_ERROR_MAX])
{
	unsigned char map[CPULIST_MAX] = {0};
	int len = VIR_CPU_MAPLEN(virNodeGetCPUMap(g->conn, NULL, NULL, 0));

	if (len <= 0 || len > (int)sizeof(map) || cpumap_parse(list, map, (size_t)len)) {
		snprintf(error, AGENT_ERROR_MAX, "cannot pin to %s", list);
		return -1;
	}
	for (unsigned int vcpu = 0; vcpu < g->guest->vcpus; vcpu++) {
		/* Before it is made: the conductor sees the change and must know whose it is. */
		g->runner->args.pin(g->runner->args.opaque, g->guest->name, vcpu, list);
		if (virDomainPinVcpuFlags(g->dom, vcpu, map, len, VIR_DOMAIN_AFFECT_LIVE) < 0) {
			snprintf(error, AGENT_ERROR_MAX, "%s", virGetLastErrorMessage());
			return -1;
		}
		run_write(g, runner_now_s(g->runner),
			  (struct trace_event){.kind = TRACE_PIN,
					       .pin = {vcpu, list, TRACE_BY_SCENARIO}});
	}
	return 0;
}

/* The guest begins anew, whatever was in it is gone: waits until loads can be started in it again.
 */
static int boot(struct run_guest *g, char error[AGENT_ERROR_MAX])
{
	/* Its counter begins at 0 again; the kills before still count. */
	if (g->oom_kill > 0)
		g->oom_base -= g->oom_kill;
	g->oom_kill = 0;
	g->had_memory_load = false;
	agent_prepare(g->dom);
	return wait_for_agent(g, BOOT_S, error)
		       ? -1
		       : load_prepare(g->dom, g->runner->args.loads, error);
}

/* Before the guest is cut off: what its loads say last. */
static void ask_last(struct run_guest *g)
{
	char ignored[AGENT_ERROR_MAX];
	json_t *reports = NULL;

	/* Without an answer the reports lack what the guest would have said. */
	if (!g->mute)
		load_status(g->dom, &reports, ignored);
	run_end_all(g, reports, runner_now_s(g->runner));
}

static int change_guest(struct run_guest *g, const struct phase *phase, char error[AGENT_ERROR_MAX])
{
	int status;

	switch (phase->verb) {
	case PHASE_START:
		return virDomainCreate(g->dom);
	case PHASE_STOP:
		ask_last(g);
		return virDomainDestroy(g->dom);
	case PHASE_REBOOT:
		ask_last(g);
		return virDomainReset(g->dom, 0);
	case PHASE_PAUSE:
		return virDomainSuspend(g->dom);
	case PHASE_RESUME:
		return virDomainResume(g->dom);
	case PHASE_PIN:
		return pin_vcpus(g, phase->text, error);
	case PHASE_SETMEM:
		status = virDomainSetMemoryFlags(g->dom, phase->kib, VIR_DOMAIN_AFFECT_LIVE);
		if (status == 0)
			run_write(g, runner_now_s(g->runner),
				  (struct trace_event){
					  .kind = TRACE_SETMEM,
					  .setmem = {(int64_t)phase->kib, TRACE_BY_SCENARIO}});
		return status;
	default:
		return -1;
	}
}

static void begin_phase(struct run_guest *g, const struct phase *phase)
{
	char text[128], error[AGENT_ERROR_MAX] = "";
	double now_s;
	int status;

	phase_format(phase, text, sizeof(text));
	virResetLastError();
	status = phase_sets_load(phase->verb) ? begin_load(g, phase, error)
					      : change_guest(g, phase, error);
	now_s = runner_now_s(g->runner);
	if (status < 0) {
		run_complain(g, true, "%s: %s", text, error[0] ? error : virGetLastErrorMessage());
		return;
	}
	run_write(g, now_s,
		  (struct trace_event){.kind = TRACE_LOAD,
				       .load = {scenario_phase_number(g->guest, phase), text,
						now_s - phase->at_s}});
	if ((phase->verb == PHASE_START || phase->verb == PHASE_REBOOT) && boot(g, error))
		run_complain(g, true, "%s: %s", text, error);
}

/* --- looking inside --- */

static int read_inside(struct run_guest *g, struct inside *inside, char error[AGENT_ERROR_MAX])
{
	char *meminfo = NULL, *vmstat = NULL, *report = NULL, ignored[AGENT_ERROR_MAX];
	size_t len;
	int status = agent_file_read(g->dom, "/proc/meminfo", PROC_MAX, &meminfo, &len, error);

	if (status == 0) {
		/* Without these two the first is still worth having. */
		if (agent_file_read(g->dom, "/proc/vmstat", PROC_MAX, &vmstat, &len, ignored))
			vmstat = NULL;
		if (!g->had_memory_load || agent_file_read(g->dom, "/run/ballast/memload.status",
							   PROC_MAX, &report, &len, ignored))
			report = NULL;
		status = inside_parse(meminfo, vmstat, report, inside);
		if (status)
			snprintf(error, AGENT_ERROR_MAX, "its /proc/meminfo is not understood");
	}
	free(meminfo);
	free(vmstat);
	free(report);
	return status;
}

static void note_oom(struct run_guest *g, const struct inside *inside, double now_s)
{
	if (inside->oom_kill < 0)
		return;
	if (g->oom_kill < 0)
		g->oom_base = inside->oom_kill;
	else if (inside->oom_kill > g->oom_kill)
		run_write(g, now_s,
			  (struct trace_event){.kind = TRACE_OOM,
					       .oom = {inside->oom_kill - g->oom_kill, -1}});
	g->oom_kill = inside->oom_kill;
}

static bool runs(virDomainPtr dom)
{
	int state;

	return virDomainGetState(dom, &state, NULL, 0) == 0 &&
	       (state == VIR_DOMAIN_RUNNING || state == VIR_DOMAIN_BLOCKED);
}

static void look_inside(struct run_guest *g)
{
	char error[AGENT_ERROR_MAX] = "";
	struct inside inside;
	double now_s;

	if (!runs(g->dom))
		return;
	g->looked_s = runner_now_s(g->runner);
	if (read_inside(g, &inside, error)) {
		if (!g->mute)
			run_complain(g, false, "no figures from inside: %s", error);
		g->mute = true;
		return;
	}
	if (g->mute)
		run_complain(g, false, "figures from inside again");
	g->mute = false;
	now_s = runner_now_s(g->runner);
	note_oom(g, &inside, now_s);
	run_write(g, now_s,
		  (struct trace_event){.kind = TRACE_INSIDE,
				       .inside = {.free_kib = inside.free_kib,
						  .available_kib = inside.available_kib,
						  .total_kib = inside.total_kib,
						  .load_kib = inside.load_kib,
						  .oom_kill = g->oom_kill - g->oom_base}});
}

/* --- the thread --- */

/* Whether anything is to be done inside the guest: else it may be one without an agent. */
static bool needs_agent(const struct run_guest *g)
{
	for (size_t i = 0; i < g->guest->nphases; i++) {
		enum phase_verb verb = g->guest->phases[i].verb;

		if (phase_sets_load(verb) || verb == PHASE_START || verb == PHASE_REBOOT)
			return true;
	}
	return g->runner->args.scenario->kind == SCENARIO_MEMORY;
}

/* Before the run: the guest is found, its agent answers, the loads are in it. 0, −1 after a
 * complaint. */
static int prepare(struct run_guest *g)
{
	char error[LABGUEST_ERROR_MAX > AGENT_ERROR_MAX ? LABGUEST_ERROR_MAX : AGENT_ERROR_MAX] =
		"";
	int active;

	g->conn = virConnectOpen(g->runner->args.uri);
	if (!g->conn) {
		run_complain(g, true, "%s: %s", g->runner->args.uri, virGetLastErrorMessage());
		return -1;
	}
	g->dom = labguest_find(g->conn, g->guest->name, error);
	if (!g->dom) {
		run_complain(g, true, "%s", error);
		return -1;
	}
	active = virDomainIsActive(g->dom);
	if (scenario_starts_off(g->guest) && active == 0)
		return 0;
	if (active != 1) {
		run_complain(g, true, "it is not running");
		return -1;
	}
	if (!needs_agent(g))
		return 0;
	agent_prepare(g->dom);
	if (load_prepare(g->dom, g->runner->args.loads, error)) {
		run_complain(g, true, "%s", error);
		return -1;
	}
	return 0;
}

static void play(struct run_guest *g)
{
	const struct scenario *s = g->runner->args.scenario;
	const struct scenario_guest *guest = g->guest;
	struct ticker looks = {.interval_s = s->sample_s}; /* in seconds of the trace */

	while (playing(g)) {
		double phase_s = g->next_phase < guest->nphases ? guest->phases[g->next_phase].at_s
								: INFINITY;
		double look_s = s->kind == SCENARIO_MEMORY ? looks.next_s : INFINITY;

		if (look_s > phase_s - BEFORE_PHASE_S)
			look_s = fmax(look_s, phase_s);
		if (phase_s <= look_s) {
			wait_until(g, fmin(phase_s, s->length_s + 1));
			if (playing(g) && runner_now_s(g->runner) >= phase_s)
				begin_phase(g, &guest->phases[g->next_phase++]);
		} else {
			wait_until(g, look_s);
			if (playing(g))
				look_inside(g);
			ticker_advance(&looks, runner_now_s(g->runner));
		}
	}
}

static void finish(struct run_guest *g)
{
	const struct scenario *s = g->runner->args.scenario;
	char error[AGENT_ERROR_MAX];
	json_t *ended = NULL;

	if (!needs_agent(g) || !runs(g->dom)) {
		run_end_all(g, NULL, runner_now_s(g->runner));
		return;
	}
	if (s->kind == SCENARIO_MEMORY && runner_now_s(g->runner) - g->looked_s > s->sample_s / 2)
		look_inside(g);
	if (load_end(g->dom, &ended, error))
		run_complain(g, false, "its loads could not be ended: %s", error);
	run_end_all(g, ended, runner_now_s(g->runner));
}

void *run_guest(void *opaque)
{
	struct run_guest *g = opaque;
	struct runner *r = g->runner;
	int prepared;

	g->oom_kill = -1;
	g->looked_s = -1;
	prepared = prepare(g);
	pthread_mutex_lock(&r->lock);
	r->nprepared++;
	pthread_cond_broadcast(&r->changed);
	while (r->stage == RUN_PREPARING)
		pthread_cond_wait(&r->changed, &r->lock);
	pthread_mutex_unlock(&r->lock);
	if (prepared == 0) {
		play(g);
		finish(g);
	}
	if (g->dom)
		virDomainFree(g->dom);
	if (g->conn)
		virConnectClose(g->conn);
	return NULL;
}
