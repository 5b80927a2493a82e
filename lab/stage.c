/* SPDX-License-Identifier: MIT */
/*
 * Brings running guests into the state a scenario begins with, and back: `stage set` ends their
 * loads, pins their vCPUs, sets their memory and waits until it has arrived and they are quiet;
 * `stage reset` undoes it.
 */
#include "labguest.h"
#include "log.h"
#include "scenario.h"
#include "session.h"
#include "tick.h"
#include "units.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <libvirt/virterror.h>
#include <limits.h>
#include <math.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

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

struct stage {
	struct session session;
	struct scenario scenario;
	const char *inject;
	virDomainPtr *doms; /* the scenario's guests, all there */
	int *pcpus;
	size_t npcpus;
	int map_len;
};

extern char **environ;

static int fail(const struct scenario_guest *guest, const char *what)
{
	log_warn("guest %s: %s: %s", guest->name, what, virGetLastErrorMessage());
	return -1;
}

/* --- pins --- */

static int pin_guest(const struct stage *s, size_t index, bool everywhere)
{
	const struct scenario_guest *guest = &s->scenario.guests[index];
	unsigned int flags = virDomainIsActive(s->doms[index]) == 1 ? VIR_DOMAIN_AFFECT_LIVE
								    : VIR_DOMAIN_AFFECT_CONFIG;

	for (unsigned int vcpu = 0; vcpu < guest->vcpus; vcpu++) {
		unsigned char map[CPULIST_MAX] = {0};

		for (size_t i = 0; i < s->npcpus; i++) {
			if (everywhere || guest->pins[vcpu] < 0 || guest->pins[vcpu] == s->pcpus[i])
				cpumap_add(map, (unsigned int)s->pcpus[i]);
		}
		if (virDomainPinVcpuFlags(s->doms[index], vcpu, map, s->map_len, flags) < 0)
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
static int lift_quotas(const struct stage *s, size_t index)
{
	static const char suffix[] = "_quota";
	int n = 0, status = 0;
	virTypedParameterPtr limits = limits_of(s->doms[index], &n);

	for (int i = 0; i < n; i++) {
		size_t len = strlen(limits[i].field);

		if (len < strlen(suffix) ||
		    strcmp(limits[i].field + len - strlen(suffix), suffix) ||
		    limits[i].type != VIR_TYPED_PARAM_LLONG || limits[i].value.l <= 0)
			continue;
		limits[i].value.l = -1;
		if (set_limit(s->doms[index], &limits[i]) < 0)
			status = fail(&s->scenario.guests[index], "keeps a quota of CPU time");
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
static int even_shares(const struct stage *s)
{
	unsigned long long most = 0;
	int status = 0;

	for (size_t i = 0; i < s->scenario.nguests; i++) {
		unsigned long long now = change_shares(s->doms[i], 0);

		most = now > most ? now : most;
	}
	for (size_t i = 0; i < s->scenario.nguests; i++) {
		unsigned long long now = change_shares(s->doms[i], most);

		if (now && now != most)
			status =
				fail(&s->scenario.guests[i], "keeps shares of CPU time of its own");
	}
	return status;
}

/* --- loads --- */

/* `inject stop` for all running guests at once. */
static int end_loads(const struct stage *s)
{
	char **argv = calloc(s->scenario.nguests + 5, sizeof(*argv));
	size_t n = 0;
	pid_t pid;
	int status;

	if (!argv)
		return -1;
	argv[n++] = (char *)s->inject;
	argv[n++] = "-c";
	argv[n++] = (char *)s->session.uri;
	argv[n++] = "stop";
	for (size_t i = 0; i < s->scenario.nguests; i++) {
		if (virDomainIsActive(s->doms[i]) == 1)
			argv[n++] = s->scenario.guests[i].name;
	}
	status = n == 4 ? 0 : posix_spawn(&pid, s->inject, NULL, NULL, argv, environ);
	free(argv);
	if (status || n == 4) {
		if (status)
			log_warn("cannot run %s: %s", s->inject, strerror(status));
		return status ? -1 : 0;
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
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
static int64_t memory_distance(const struct stage *s, size_t *which)
{
	int64_t furthest = 0;

	for (size_t i = 0; i < s->scenario.nguests; i++) {
		virDomainInfo info;
		int64_t away;

		if (virDomainIsActive(s->doms[i]) != 1)
			continue;
		if (virDomainGetInfo(s->doms[i], &info) < 0)
			return fail(&s->scenario.guests[i], "does not tell its size");
		away = llabs((int64_t)info.memory - (int64_t)s->scenario.guests[i].memory_kib);
		if (away > furthest) {
			furthest = away;
			*which = i;
		}
	}
	return furthest;
}

static int wait_memory(struct stage *s)
{
	double end_s = tick_now_s() + MEMORY_WAIT_S;
	int64_t away;
	size_t which = 0;
	int callback;

	callback = virConnectDomainEventRegisterAny(
		s->session.conn, NULL, VIR_DOMAIN_EVENT_ID_BALLOON_CHANGE,
		VIR_DOMAIN_EVENT_CALLBACK(on_balloon), &s->session, NULL);
	while ((away = memory_distance(s, &which)) > MEMORY_NEAR_KIB && tick_now_s() < end_s &&
	       !tick_quit)
		session_wait(&s->session, fmin(tick_now_s() + 1, end_s));
	if (callback >= 0)
		virConnectDomainEventDeregisterAny(s->session.conn, callback);
	if (away > MEMORY_NEAR_KIB && !tick_quit) {
		char size[32], wanted[32];
		const struct scenario_guest *guest = &s->scenario.guests[which];

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

static int64_t vcpus_ns(const struct stage *s, size_t index)
{
	virVcpuInfoPtr info = calloc(s->scenario.guests[index].vcpus, sizeof(*info));
	int n = info ? virDomainGetVcpus(s->doms[index], info, (int)s->scenario.guests[index].vcpus,
					 NULL, 0)
		     : -1;
	int64_t sum = 0;

	for (int i = 0; i < n; i++)
		sum += (int64_t)info[i].cpuTime;
	free(info);
	return sum;
}

/* The busiest guest's usage per vCPU over a window. */
static double busiest_pct(struct stage *s, size_t *which)
{
	int64_t *before = calloc(s->scenario.nguests, sizeof(*before));
	double start_s = tick_now_s(), busiest = 0;

	if (!before)
		return 0;
	for (size_t i = 0; i < s->scenario.nguests; i++)
		before[i] = vcpus_ns(s, i);
	while (!tick_quit && tick_now_s() < start_s + QUIET_WINDOW_S)
		session_wait(&s->session, start_s + QUIET_WINDOW_S);
	for (size_t i = 0; i < s->scenario.nguests; i++) {
		double used_s = (double)(vcpus_ns(s, i) - before[i]) / 1e9;
		double pct = used_s / (tick_now_s() - start_s) / s->scenario.guests[i].vcpus * 100;

		if (pct > busiest) {
			busiest = pct;
			*which = i;
		}
	}
	free(before);
	return busiest;
}

static int wait_quiet(struct stage *s)
{
	double end_s = tick_now_s() + QUIET_WAIT_S, busiest;
	size_t which = 0;

	while ((busiest = busiest_pct(s, &which)) > QUIET_PCT) {
		if (tick_quit)
			return -1;
		if (tick_now_s() >= end_s) {
			log_warn("guest %s does not come to rest: its vCPUs use %.0f %% after %g "
				 "s; `inject status %s` "
				 "shows its loads",
				 s->scenario.guests[which].name, busiest, QUIET_WAIT_S,
				 s->scenario.guests[which].name);
			return -1;
		}
	}
	return tick_quit ? -1 : 0;
}

/* --- set and reset --- */

/* Off, if the scenario is to start it; else running, as big as the scenario wants it. */
static int set_guest(struct stage *s, size_t index)
{
	const struct scenario_guest *guest = &s->scenario.guests[index];
	virDomainPtr dom = s->doms[index];
	virDomainInfo info;

	if (virDomainGetInfo(dom, &info) < 0)
		return fail(guest, "does not tell its state");
	if (scenario_starts_off(guest)) {
		if (virDomainIsActive(dom) == 1 && virDomainDestroy(dom) < 0)
			return fail(guest, "cannot be powered off");
		return pin_guest(s, index, false);
	}
	if (virDomainIsActive(dom) != 1) {
		log_warn("guest %s does not run; `lab up` starts guests", guest->name);
		return -1;
	}
	if (info.nrVirtCpu != guest->vcpus) {
		log_warn("guest %s has %u vCPUs, the scenario wants %u; `lab down` and `lab up "
			 "--vcpus %u`",
			 guest->name, info.nrVirtCpu, guest->vcpus, guest->vcpus);
		return -1;
	}
	if (info.state == VIR_DOMAIN_PAUSED && virDomainResume(dom) < 0)
		return fail(guest, "cannot be resumed");
	if (virDomainSetMemoryStatsPeriod(dom, STATS_PERIOD_S, VIR_DOMAIN_AFFECT_LIVE) < 0)
		return fail(guest, "makes no memory statistics");
	return lift_quotas(s, index) || pin_guest(s, index, false) ? -1 : 0;
}

static int stage_set(struct stage *s)
{
	for (size_t i = 0; i < s->scenario.nguests; i++) {
		if (set_guest(s, i))
			return -1;
	}
	/* Loads first: what they hold cannot be ballooned away. */
	if (end_loads(s) || even_shares(s))
		return -1;
	for (size_t i = 0; i < s->scenario.nguests; i++) {
		const struct scenario_guest *guest = &s->scenario.guests[i];

		if (!scenario_starts_off(guest) &&
		    virDomainSetMemoryFlags(s->doms[i], guest->memory_kib, VIR_DOMAIN_AFFECT_LIVE) <
			    0)
			return fail(guest, "cannot be given the scenario's memory");
	}
	return wait_memory(s) || wait_quiet(s) ? -1 : 0;
}

/* Undoes as much as possible; waits for nothing. Guests that are off are started: `lab up` left
 * them running. */
static int stage_reset(struct stage *s)
{
	int status = 0;

	for (size_t i = 0; i < s->scenario.nguests; i++) {
		const struct scenario_guest *guest = &s->scenario.guests[i];
		uint64_t kib = configured_kib(s->doms[i]);
		virDomainInfo info = {.state = VIR_DOMAIN_NOSTATE};

		if (pin_guest(s, i, true))
			status = -1;
		if (virDomainIsActive(s->doms[i]) != 1) {
			if (virDomainCreate(s->doms[i]) < 0)
				status = fail(guest, "cannot be started");
			continue;
		}
		if (lift_quotas(s, i))
			status = -1;
		if (virDomainGetInfo(s->doms[i], &info) == 0 && info.state == VIR_DOMAIN_PAUSED &&
		    virDomainResume(s->doms[i]) < 0)
			status = fail(guest, "cannot be resumed");
		if (kib && virDomainSetMemoryFlags(s->doms[i], kib, VIR_DOMAIN_AFFECT_LIVE) < 0)
			status = fail(guest, "cannot be given its memory back");
	}
	if (even_shares(s))
		status = -1;
	return end_loads(s) ? -1 : status;
}

/* --- main --- */

static int find_guests(struct stage *s)
{
	char error[LABGUEST_ERROR_MAX];

	s->doms = calloc(s->scenario.nguests, sizeof(*s->doms));
	if (!s->doms)
		return -1;
	for (size_t i = 0; i < s->scenario.nguests; i++) {
		s->doms[i] = labguest_find(s->session.conn, s->scenario.guests[i].name, error);
		if (!s->doms[i]) {
			log_warn("%s", error);
			return -1;
		}
	}
	return 0;
}

static void open_host(struct stage *s, const char *uri, const char *path, const char *prefix)
{
	char error[SCENARIO_ERROR_MAX];
	int n;

	if (scenario_read(&s->scenario, path, error))
		die(EXIT_USAGE, "%s", error);
	if (session_init(&s->session, uri) || session_open(&s->session))
		die(EXIT_LAB, "cannot connect to %s: %s; see `lab doctor`", uri,
		    virGetLastErrorMessage());
	n = labguest_pcpus(s->session.conn, &s->pcpus);
	if (n <= 0)
		die(EXIT_LAB, "%s does not tell its pCPUs: %s", uri, virGetLastErrorMessage());
	s->npcpus = (size_t)n;
	s->map_len = VIR_CPU_MAPLEN(s->pcpus[n - 1] + 1);
	if (scenario_resolve(&s->scenario, s->pcpus, s->npcpus, prefix, error))
		die(EXIT_USAGE, "%s", error);
}

static void usage(FILE *to)
{
	fputs("usage: stage set|reset SCENARIO [-c URI] [-i PATH] [-p PREFIX]\n"
	      "Brings the lab's guests into the state a scenario begins with, or back to that "
	      "after `lab up`.\n"
	      "  -c, --connect URI    the hypervisor (qemu:///system)\n"
	      "  -i, --inject PATH    the injector, which ends loads (../../workloads/build/inject "
	      "from here)\n"
	      "  -p, --prefix P       the guests' name prefix (aos_vm)\n"
	      "      --help, --version\n",
	      to);
}

/* The injector in the source tree, seen from this program. */
static char *default_inject(char buf[PATH_MAX])
{
	static const char beside[] = "/../../workloads/build/inject";
	ssize_t n = readlink("/proc/self/exe", buf, PATH_MAX - sizeof(beside));
	char *slash;

	buf[n > 0 ? n : 0] = '\0';
	slash = strrchr(buf, '/');
	strcpy(slash ? slash : buf, beside);
	return buf;
}

int main(int argc, char **argv)
{
	enum { OPT_HELP = 256, OPT_VERSION };
	static const struct option options[] = {
		{"connect", required_argument, NULL, 'c'},
		{"inject", required_argument, NULL, 'i'},
		{"prefix", required_argument, NULL, 'p'},
		{"help", no_argument, NULL, OPT_HELP},
		{"version", no_argument, NULL, OPT_VERSION},
		{NULL, 0, NULL, 0},
	};
	const char *uri = "qemu:///system", *prefix = "aos_vm";
	char inject[PATH_MAX];
	struct stage s = {.inject = default_inject(inject)};
	int option, status;
	bool set;

	log_init("stage", false);
	while ((option = getopt_long(argc, argv, "c:i:p:", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			uri = optarg;
			break;
		case 'i':
			s.inject = optarg;
			break;
		case 'p':
			prefix = optarg;
			break;
		case OPT_HELP:
			usage(stdout);
			return EXIT_PASS;
		case OPT_VERSION:
			puts("stage " BALLAST_VERSION);
			return EXIT_PASS;
		default:
			return EXIT_USAGE; /* getopt has said what is wrong */
		}
	}
	set = argc - optind == 2 && !strcmp(argv[optind], "set");
	if (argc - optind != 2 || (!set && strcmp(argv[optind], "reset")))
		die(EXIT_USAGE, "it is stage set SCENARIO or stage reset SCENARIO; see --help");
	open_host(&s, uri, argv[optind + 1], prefix);
	status = find_guests(&s) ? -1 : set ? stage_set(&s) : stage_reset(&s);
	for (size_t i = 0; s.doms && i < s.scenario.nguests; i++) {
		if (s.doms[i])
			virDomainFree(s.doms[i]);
	}
	free(s.doms);
	session_close(&s.session);
	free(s.pcpus);
	scenario_free(&s.scenario);
	if (status && tick_quit)
		log_warn("interrupted");
	return status ? EXIT_LAB : EXIT_PASS;
}
