/* SPDX-License-Identifier: MIT */
/* The state that a scenario begins with, and back. */
#include "stage.h"

#include "log.h"
#include "tick.h"
#include "units.h"
#include "workloads/agent.h"
#include "workloads/load.h"

#include <inttypes.h>
#include <libvirt/virterror.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A balloon moves a gigabyte in a second or two, on a busy emulated guest in some more. */
#define MEMORY_WAIT_S 60.0

/* QEMU rounds the balloon to pages, guests to what they can get: nearer than this is there. */
#define MEMORY_NEAR_KIB 1024

/* Guests are quiet when no vCPU used more than this over a window; an idle emulated one uses 1 to 4
 * %. */
#define QUIET_PCT      12.0
#define QUIET_WINDOW_S 1.0
#define QUIET_WAIT_S   45.0

/* Statistics are wanted fresh at every sample, whatever its interval. */
#define STATS_PERIOD_S 1

static int fail(const struct scenario_guest *guest, const char *what)
{
	log_warn("guest %s: %s: %s", guest->name, what, virGetLastErrorMessage());
	return -1;
}

/* --- pins --- */

static int pin_guest(const struct machines *m, size_t index, bool everywhere)
{
	const struct scenario_guest *guest = &m->scenario.guests[index];
	unsigned int flags = virDomainIsActive(m->doms[index]) == 1 ? VIR_DOMAIN_AFFECT_LIVE
								    : VIR_DOMAIN_AFFECT_CONFIG;
	int map_len = VIR_CPU_MAPLEN(m->pcpus[m->npcpus - 1] + 1);

	for (unsigned int vcpu = 0; vcpu < guest->vcpus; vcpu++) {
		unsigned char map[CPULIST_MAX] = {0};

		for (size_t i = 0; i < m->npcpus; i++) {
			if (everywhere || guest->pins[vcpu] < 0 || guest->pins[vcpu] == m->pcpus[i])
				cpumap_add(map, (unsigned int)m->pcpus[i]);
		}
		if (virDomainPinVcpuFlags(m->doms[index], vcpu, map, map_len, flags) < 0)
			return fail(guest, "cannot be pinned");
	}
	return 0;
}

/* --- what a program run before has limited the guests to --- */

/* A guest's live limits of CPU time; NULL where there is no cgroup for them. Free with
 * virTypedParamsFree(). */
static virTypedParameterPtr limits_of(virDomainPtr dom, int *n)
{
	virTypedParameterPtr limits;
	char *type = virDomainGetSchedulerType(dom, n);

	limits = type && *n > 0 ? calloc((size_t)*n, sizeof(*limits)) : NULL;
	free(type);
	if (limits &&
	    virDomainGetSchedulerParametersFlags(dom, limits, n, VIR_DOMAIN_AFFECT_LIVE) == 0)
		return limits;
	free(limits);
	*n = 0;
	virResetLastError();
	return NULL;
}

static int set_limit(virDomainPtr dom, virTypedParameterPtr limit)
{
	return virDomainSetSchedulerParametersFlags(dom, limit, 1, VIR_DOMAIN_AFFECT_LIVE);
}

/* Quotas of CPU time outlive a program, and the next one would be judged by them. */
static int lift_quotas(const struct machines *m, size_t index)
{
	static const char suffix[] = "_quota";
	int n = 0, status = 0;
	virTypedParameterPtr limits = limits_of(m->doms[index], &n);

	for (int i = 0; i < n; i++) {
		size_t len = strlen(limits[i].field);

		if (len < strlen(suffix) ||
		    strcmp(limits[i].field + len - strlen(suffix), suffix) ||
		    limits[i].type != VIR_TYPED_PARAM_LLONG || limits[i].value.l <= 0)
			continue;
		limits[i].value.l = -1;
		if (set_limit(m->doms[index], &limits[i]) < 0)
			status = fail(&m->scenario.guests[index], "keeps a quota of CPU time");
	}
	virTypedParamsFree(limits, n);
	return status;
}

/* A guest's cpu_shares, after they were set to that, if it is not 0; 0 where there are none. */
static unsigned long long change_shares(virDomainPtr dom, unsigned long long to)
{
	unsigned long long now = 0;
	int n = 0;
	virTypedParameterPtr limits = limits_of(dom, &n);

	for (int i = 0; i < n; i++) {
		if (strcmp(limits[i].field, VIR_DOMAIN_SCHEDULER_CPU_SHARES) != 0 ||
		    limits[i].type != VIR_TYPED_PARAM_ULLONG)
			continue;
		now = limits[i].value.ul;
		limits[i].value.ul = to;
		if (to && to != now && set_limit(dom, &limits[i]) == 0)
			now = to;
	}
	virTypedParamsFree(limits, n);
	return now;
}

/*
 * Shares outlive a program, too. What they were is not known, and it does not matter: they count
 * beside those of the other guests only.
 */
static int even_shares(const struct machines *m)
{
	unsigned long long most = 0;
	int status = 0;

	for (size_t i = 0; i < m->scenario.nguests; i++) {
		unsigned long long now = change_shares(m->doms[i], 0);

		most = now > most ? now : most;
	}
	for (size_t i = 0; i < m->scenario.nguests; i++) {
		unsigned long long now = change_shares(m->doms[i], most);

		if (now && now != most)
			status =
				fail(&m->scenario.guests[i], "keeps shares of CPU time of its own");
	}
	return status;
}

/* --- loads --- */

/* In all running guests. */
static int end_loads(const struct machines *m)
{
	int status = 0;

	for (size_t i = 0; i < m->scenario.nguests; i++) {
		char error[AGENT_ERROR_MAX];
		json_t *ended = NULL;

		if (virDomainIsActive(m->doms[i]) != 1)
			continue;
		agent_prepare(m->doms[i]);
		if (load_end(m->doms[i], &ended, error)) {
			log_warn("guest %s: its loads cannot be ended: %s",
				 m->scenario.guests[i].name, error);
			status = -1;
		}
		json_decref(ended);
	}
	return status;
}

/* --- memory --- */

static void on_balloon(virConnectPtr conn, virDomainPtr dom, unsigned long long actual_kib,
		       void *opaque)
{
	(void)conn;
	(void)dom;
	(void)actual_kib;
	session_wake(opaque);
}

/* How far the guest that is furthest away is from its size; its index in *which. −1: libvirt
 * failed. */
static int64_t memory_distance(const struct machines *m, size_t *which)
{
	int64_t furthest = 0;

	for (size_t i = 0; i < m->scenario.nguests; i++) {
		virDomainInfo info;
		int64_t away;

		if (virDomainIsActive(m->doms[i]) != 1)
			continue;
		if (virDomainGetInfo(m->doms[i], &info) < 0)
			return fail(&m->scenario.guests[i], "does not tell its size");
		away = llabs((int64_t)info.memory - (int64_t)m->scenario.guests[i].memory_kib);
		if (away > furthest) {
			furthest = away;
			*which = i;
		}
	}
	return furthest;
}

static int wait_memory(struct machines *m)
{
	double end_s = tick_now_s() + MEMORY_WAIT_S;
	int64_t away;
	size_t which = 0;
	int callback;

	callback = virConnectDomainEventRegisterAny(
		m->session.conn, NULL, VIR_DOMAIN_EVENT_ID_BALLOON_CHANGE,
		VIR_DOMAIN_EVENT_CALLBACK(on_balloon), &m->session, NULL);
	while ((away = memory_distance(m, &which)) > MEMORY_NEAR_KIB && tick_now_s() < end_s &&
	       !tick_quit)
		session_wait(&m->session, fmin(tick_now_s() + 1, end_s));
	if (callback >= 0)
		virConnectDomainEventDeregisterAny(m->session.conn, callback);
	if (away > MEMORY_NEAR_KIB && !tick_quit) {
		char size[32], wanted[32];
		const struct scenario_guest *guest = &m->scenario.guests[which];

		log_warn("guest %s is %s away from %s after %g s; has it a working balloon driver?",
			 guest->name, format_size((uint64_t)away, size, sizeof(size)),
			 format_size(guest->memory_kib, wanted, sizeof(wanted)), MEMORY_WAIT_S);
	}
	return away >= 0 && away <= MEMORY_NEAR_KIB && !tick_quit ? 0 : -1;
}

/* The size a guest has by its own definition, 0: not known. */
static uint64_t configured_kib(virDomainPtr dom)
{
	char *xml = virDomainGetXMLDesc(dom, VIR_DOMAIN_XML_INACTIVE);
	char *element = xml ? strstr(xml, "<currentMemory unit='KiB'>") : NULL;
	uint64_t kib = 0;

	if (element)
		(void)sscanf(element, "<currentMemory unit='KiB'>%" SCNu64, &kib);
	free(xml);
	return kib;
}

/* --- quiet --- */

static int64_t vcpus_ns(const struct machines *m, size_t index)
{
	virVcpuInfoPtr info = calloc(m->scenario.guests[index].vcpus, sizeof(*info));
	int n = info ? virDomainGetVcpus(m->doms[index], info, (int)m->scenario.guests[index].vcpus,
					 NULL, 0)
		     : -1;
	int64_t sum = 0;

	for (int i = 0; i < n; i++)
		sum += (int64_t)info[i].cpuTime;
	free(info);
	return sum;
}

/* The busiest guest's usage per vCPU over a window. */
static double busiest_pct(struct machines *m, size_t *which)
{
	int64_t *before = calloc(m->scenario.nguests, sizeof(*before));
	double start_s = tick_now_s(), busiest = 0;

	if (!before)
		return 0;
	for (size_t i = 0; i < m->scenario.nguests; i++)
		before[i] = vcpus_ns(m, i);
	while (!tick_quit && tick_now_s() < start_s + QUIET_WINDOW_S)
		session_wait(&m->session, start_s + QUIET_WINDOW_S);
	for (size_t i = 0; i < m->scenario.nguests; i++) {
		double used_s = (double)(vcpus_ns(m, i) - before[i]) / 1e9;
		double pct = used_s / (tick_now_s() - start_s) / m->scenario.guests[i].vcpus * 100;

		if (pct > busiest) {
			busiest = pct;
			*which = i;
		}
	}
	free(before);
	return busiest;
}

static int wait_quiet(struct machines *m)
{
	double end_s = tick_now_s() + QUIET_WAIT_S, busiest;
	size_t which = 0;

	while ((busiest = busiest_pct(m, &which)) > QUIET_PCT) {
		if (tick_quit)
			return -1;
		if (tick_now_s() >= end_s) {
			log_warn("guest %s does not come to rest: its vCPUs use %.0f %% after %g "
				 "s; `inject status %s` "
				 "shows its loads",
				 m->scenario.guests[which].name, busiest, QUIET_WAIT_S,
				 m->scenario.guests[which].name);
			return -1;
		}
	}
	return tick_quit ? -1 : 0;
}

/* --- set and reset --- */

/* Off, if the scenario is to start it; else running, as big as the scenario wants it. */
static int set_guest(struct machines *m, size_t index)
{
	const struct scenario_guest *guest = &m->scenario.guests[index];
	virDomainPtr dom = m->doms[index];
	virDomainInfo info;

	if (virDomainGetInfo(dom, &info) < 0)
		return fail(guest, "does not tell its state");
	if (scenario_starts_off(guest)) {
		if (virDomainIsActive(dom) == 1 && virDomainDestroy(dom) < 0)
			return fail(guest, "cannot be powered off");
		return pin_guest(m, index, false);
	}
	if (virDomainIsActive(dom) != 1) {
		log_warn("guest %s does not run; `ballast up` starts guests", guest->name);
		return -1;
	}
	if (info.nrVirtCpu != guest->vcpus) {
		log_warn("guest %s has %u vCPUs, the scenario wants %u; `ballast down` and "
			 "`ballast up "
			 "--vcpus %u`",
			 guest->name, info.nrVirtCpu, guest->vcpus, guest->vcpus);
		return -1;
	}
	if (info.state == VIR_DOMAIN_PAUSED && virDomainResume(dom) < 0)
		return fail(guest, "cannot be resumed");
	if (virDomainSetMemoryStatsPeriod(dom, STATS_PERIOD_S, VIR_DOMAIN_AFFECT_LIVE) < 0)
		return fail(guest, "makes no memory statistics");
	return lift_quotas(m, index) || pin_guest(m, index, false) ? -1 : 0;
}

int stage_set(struct machines *m)
{
	for (size_t i = 0; i < m->scenario.nguests; i++) {
		if (set_guest(m, i))
			return -1;
	}
	/* Loads first: what they hold cannot be ballooned away. */
	if (end_loads(m) || even_shares(m))
		return -1;
	for (size_t i = 0; i < m->scenario.nguests; i++) {
		const struct scenario_guest *guest = &m->scenario.guests[i];

		if (!scenario_starts_off(guest) &&
		    virDomainSetMemoryFlags(m->doms[i], guest->memory_kib, VIR_DOMAIN_AFFECT_LIVE) <
			    0)
			return fail(guest, "cannot be given the scenario's memory");
	}
	return wait_memory(m) || wait_quiet(m) ? -1 : 0;
}

/* Undoes as much as possible; waits for nothing. Guests that are off are started: `ballast up` left
 * them running. */
int stage_reset(struct machines *m)
{
	int status = 0;

	for (size_t i = 0; i < m->scenario.nguests; i++) {
		const struct scenario_guest *guest = &m->scenario.guests[i];
		uint64_t kib = configured_kib(m->doms[i]);
		virDomainInfo info = {.state = VIR_DOMAIN_NOSTATE};

		if (pin_guest(m, i, true))
			status = -1;
		if (virDomainIsActive(m->doms[i]) != 1) {
			if (virDomainCreate(m->doms[i]) < 0)
				status = fail(guest, "cannot be started");
			continue;
		}
		if (lift_quotas(m, i))
			status = -1;
		if (virDomainGetInfo(m->doms[i], &info) == 0 && info.state == VIR_DOMAIN_PAUSED &&
		    virDomainResume(m->doms[i]) < 0)
			status = fail(guest, "cannot be resumed");
		if (kib && virDomainSetMemoryFlags(m->doms[i], kib, VIR_DOMAIN_AFFECT_LIVE) < 0)
			status = fail(guest, "cannot be given its memory back");
	}
	if (even_shares(m))
		status = -1;
	return end_loads(m) ? -1 : status;
}

int stage_await_memory(struct machines *m)
{
	for (size_t i = 0; i < m->scenario.nguests; i++) {
		uint64_t kib = configured_kib(m->doms[i]);
		virDomainInfo info;

		if (!kib && virDomainGetInfo(m->doms[i], &info) == 0)
			kib = info.memory;
		m->scenario.guests[i].memory_kib = kib;
	}
	return wait_memory(m);
}
