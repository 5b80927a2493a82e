/* SPDX-License-Identifier: MIT */
/* Makes a golden guest: waits until a ready guest is quiet, and saves it with its RAM. */
#include "clone.h"
#include "clone_golden.h"

#include "../workloads/agent.h"
#include "labguest.h"
#include "log.h"
#include "session.h"
#include "tick.h"

#include <libvirt/virterror.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Quiet: within a window its vCPUs used no more than that, and its balloon is where it was told to
 * be. */
#define QUIET_WINDOW_S	0.5
#define QUIET_PCT	10.0
#define BALLOON_OFF_KIB 1024

struct activity {
	double at_s;
	unsigned long long cpu_ns; /* of all vCPUs */
	unsigned long long balloon_kib;
};

static int look(virDomainPtr dom, struct activity *now)
{
	virDomainMemoryStatStruct stats[VIR_DOMAIN_MEMORY_STAT_NR];
	virDomainInfo info;
	int n;

	if (virDomainGetInfo(dom, &info) < 0)
		return -1;
	now->at_s = tick_now_s();
	now->cpu_ns = info.cpuTime;
	now->balloon_kib = info.memory;
	/* What QEMU says now; the figure before is as old as its last event, up to a second. */
	n = virDomainMemoryStats(dom, stats, VIR_DOMAIN_MEMORY_STAT_NR, 0);
	for (int i = 0; i < n; i++)
		if (stats[i].tag == VIR_DOMAIN_MEMORY_STAT_ACTUAL_BALLOON)
			now->balloon_kib = stats[i].val;
	return 0;
}

/* The balloon it was defined with. */
static unsigned long long wanted_balloon(virDomainPtr dom)
{
	char *xml = virDomainGetXMLDesc(dom, VIR_DOMAIN_XML_INACTIVE);
	char ignored[SAVED_ERROR_MAX];
	struct saved_identity id;
	unsigned long long kib = 0;

	if (xml && saved_identify(xml, &id, ignored) == 0) {
		kib = id.current_memory ? strtoull(id.current_memory, NULL, 10) : 0;
		saved_identity_free(&id);
	}
	free(xml);
	return kib;
}

/* 0 once it is quiet; −1 with a line in error. */
static int await_quiet(struct session *session, virDomainPtr dom, double end_s,
		       char error[SAVED_ERROR_MAX])
{
	unsigned long long wanted_kib = wanted_balloon(dom);
	struct activity before, now;

	if (look(dom, &before) < 0)
		return saved_refuse(error, "%s", virGetLastErrorMessage());
	for (;; before = now) {
		double pct;

		session_wait(session, before.at_s + QUIET_WINDOW_S);
		if (tick_quit)
			return saved_refuse(error, "is left alone: interrupted");
		if (look(dom, &now) < 0)
			return saved_refuse(error, "%s", virGetLastErrorMessage());
		pct = (double)(now.cpu_ns - before.cpu_ns) / 1e7 / (now.at_s - before.at_s);
		if (pct <= QUIET_PCT && now.balloon_kib == before.balloon_kib &&
		    llabs((long long)(now.balloon_kib - wanted_kib)) <= BALLOON_OFF_KIB)
			return 0;
		log_verbose("not quiet: vCPUs use %.0f %%, balloon %llu of %llu KiB", pct,
			    now.balloon_kib, wanted_kib);
		if (now.at_s >= end_s)
			return saved_refuse(
				error,
				"does not get quiet: its vCPUs use %.0f %%, its balloon is at "
				"%llu KiB instead of %llu",
				pct, now.balloon_kib, wanted_kib);
	}
}

static int save(struct session *session, virDomainPtr dom, const struct clone_args *args,
		char error[SAVED_ERROR_MAX])
{
	char path[PATH_MAX], reason[AGENT_ERROR_MAX];

	agent_prepare(dom);
	if (agent_ping(dom, reason) < 0) {
		saved_refuse(error, "its agent does not answer: %s", reason);
		return -1;
	}
	if (await_quiet(session, dom, args->since_s + args->timeout_s, error) < 0)
		return -1;
	snprintf(path, sizeof(path), "%s/ram", args->golden);
	if (virDomainSaveFlags(dom, path, NULL, VIR_DOMAIN_SAVE_RUNNING) < 0) {
		saved_refuse(error, "cannot be saved: %s", virGetLastErrorMessage());
		unlink(path);
		return -1;
	}
	return golden_seal(args->golden, error);
}

int clone_save(const struct clone_args *args)
{
	char error[SAVED_ERROR_MAX] = "";
	struct session session;
	virDomainPtr dom;
	int status = EXIT_LAB;

	if (session_init(&session, args->uri) < 0 || session_open(&session) < 0) {
		log_warn("%s: %s", args->uri ? args->uri : "libvirt", virGetLastErrorMessage());
		return EXIT_LAB;
	}
	dom = labguest_find(session.conn, args->names[0], error);
	if (!dom)
		log_warn("%s", error);
	else if (save(&session, dom, args, error) < 0)
		log_warn("guest %s %s", args->names[0], error);
	else
		status = EXIT_PASS;
	if (dom)
		virDomainFree(dom);
	session_close(&session);
	return status;
}
