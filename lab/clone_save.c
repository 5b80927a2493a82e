/* SPDX-License-Identifier: MIT */
/* Makes a golden guest: waits until a ready guest is quiet, and saves it with its RAM. */
#include "clone.h"
#include "clone_golden.h"

#include "workloads/agent.h"
#include "workloads/inside.h"
#include "clone_identity.h"
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

/* Left to the guest while its balloon takes all that is free: above what kernels reserve for
 * themselves, so that nothing is killed for it. */
#define SQUEEZE_KEEP_KIB (64 * 1024)
/* A balloon that made no way for so long has taken what it can get. */
#define SQUEEZE_STUCK_S 2.0
#define SQUEEZE_LOOK_S	0.1
#define TIDY_LIMIT_S	60.0
#define MEMINFO_MOST	16384

struct activity {
	double at_s;
	unsigned long long cpu_ns; /* of all vCPUs */
	unsigned long long balloon_kib;
	unsigned long long told_kib; /* that libvirt knows of, and writes into the save file */
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
	now->balloon_kib = now->told_kib = info.memory;
	/* What QEMU says now; the figure before is as old as its last event, up to a second. */
	n = virDomainMemoryStats(dom, stats, VIR_DOMAIN_MEMORY_STAT_NR, 0);
	for (int i = 0; i < n; i++)
		if (stats[i].tag == VIR_DOMAIN_MEMORY_STAT_ACTUAL_BALLOON)
			now->balloon_kib = stats[i].val;
	return 0;
}

/*
 * 0 once it is quiet; −1 with a line in error. QEMU tells libvirt of balloons once a second: a
 * guest saved before that would be restored with a size that it has not, and that no event
 * corrects.
 */
static int await_quiet(struct session *session, virDomainPtr dom, unsigned long long wanted_kib,
		       double end_s, char error[SAVED_ERROR_MAX])
{
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
		    llabs((long long)(now.balloon_kib - wanted_kib)) <= BALLOON_OFF_KIB &&
		    now.told_kib == now.balloon_kib)
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

/* Waits until the balloon is at its size, or gets no further. */
static void await_balloon(struct session *session, virDomainPtr dom, unsigned long long kib)
{
	unsigned long long last_kib = 0;
	struct activity now;
	double moved_s = tick_now_s();

	while (look(dom, &now) == 0 && !tick_quit && now.balloon_kib > kib + BALLOON_OFF_KIB &&
	       now.at_s < moved_s + SQUEEZE_STUCK_S) {
		if (now.balloon_kib != last_kib)
			moved_s = now.at_s;
		last_kib = now.balloon_kib;
		session_wait(session, now.at_s + SQUEEZE_LOOK_S);
	}
}

/* What is free in the guest, now. −1: cannot be told. */
static int64_t unused_kib(virDomainPtr dom, char error[AGENT_ERROR_MAX])
{
	struct inside inside = {.free_kib = -1};
	char *meminfo;
	size_t len;

	if (agent_file_read(dom, "/proc/meminfo", MEMINFO_MOST, &meminfo, &len, error) < 0)
		return -1;
	if (inside_parse(meminfo, NULL, NULL, &inside) < 0)
		snprintf(error, AGENT_ERROR_MAX, "no figures in its /proc/meminfo");
	free(meminfo);
	return inside.free_kib;
}

/*
 * The guest forgets what it can read again, and moves what it uses together: the host backs memory
 * in huge pages, each of which costs a clone 2 MiB, however little of it is in use.
 */
static const char tidy_script[] = "sync; echo 3 >/proc/sys/vm/drop_caches; "
				  "echo 1 >/proc/sys/vm/compact_memory";

/* A guest that cannot is saved as it is. */
static void tidy(virDomainPtr dom)
{
	static const char *const argv[] = {"/bin/sh", "-c", tidy_script, NULL};
	char error[AGENT_ERROR_MAX];
	struct agent_result result = {0};

	if (agent_exec(dom, argv, TIDY_LIMIT_S, &result, error) == 0)
		agent_result_free(&result);
	else
		log_verbose("unused memory is saved too: %s", error);
}

static int set_balloon(virDomainPtr dom, unsigned long long kib)
{
	if (virDomainSetMemoryFlags(dom, kib, VIR_DOMAIN_AFFECT_LIVE) == 0)
		return 0;
	log_warn("its balloon: %s", virGetLastErrorMessage());
	return -1;
}

/*
 * Every page a guest has ever written is in the save file and is read again for each clone. Free
 * memory holds what was there before; the balloon takes it from the guest, and what it gives back
 * is zero, which takes no room. await_quiet() sees the balloon arrive at its size.
 */
static void squeeze(struct session *session, virDomainPtr dom, unsigned long long wanted_kib)
{
	char error[AGENT_ERROR_MAX];
	struct activity now;
	int64_t unused;

	tidy(dom);
	unused = unused_kib(dom, error);
	if (unused < 0)
		log_verbose("its free memory is saved too: %s", error);
	if (unused > SQUEEZE_KEEP_KIB && look(dom, &now) == 0 &&
	    (unsigned long long)unused < now.balloon_kib) {
		unsigned long long kib =
			now.balloon_kib - (unsigned long long)unused + SQUEEZE_KEEP_KIB;

		if (set_balloon(dom, kib) == 0)
			await_balloon(session, dom, kib);
	}
	set_balloon(dom, wanted_kib);
}

static int save(struct session *session, virDomainPtr dom, const struct clone_args *args,
		char error[SAVED_ERROR_MAX])
{
	char path[PATH_MAX], reason[AGENT_ERROR_MAX];
	double end_s = args->since_s + args->timeout_s;

	agent_prepare(dom);
	if (agent_ping(dom, reason) < 0) {
		saved_refuse(error, "its agent does not answer: %s", reason);
		return -1;
	}
	if (clone_identity_prepare(dom, end_s, reason) < 0)
		return saved_refuse(error, "cannot have clones: %s", reason);
	squeeze(session, dom, args->balloon_kib);
	/* Once here, so that clones find in memory what they need for it. */
	if (clone_identity_set(dom, end_s, reason) < 0)
		return saved_refuse(error, "cannot have clones: %s", reason);
	if (await_quiet(session, dom, args->balloon_kib, end_s, error) < 0)
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
