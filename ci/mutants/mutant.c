/* SPDX-License-Identifier: MIT */
/* The loop around a mutant's tick, and what the mutants share. */
#include "mutant.h"

#include "units.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PCPUS_MAX 1024

double mutant_time_s(const struct view *view)
{
	return view->tick * view->interval_s;
}

/* --- CPU --- */

static int vcpus_of(virDomainPtr guest)
{
	int n = virDomainGetVcpusFlags(guest, VIR_DOMAIN_AFFECT_LIVE);

	return n < 0 ? 0 : n;
}

int mutant_vcpus(const struct view *view)
{
	int n = 0;

	for (int i = 0; i < view->nguests; i++)
		n += vcpus_of(view->guests[i]);
	return n;
}

void mutant_pin(const struct view *view, int vcpu, int pcpu)
{
	unsigned char map[PCPUS_MAX / 8] = {0};

	for (int i = 0; i < view->pcpus; i++)
		if (pcpu < 0 || i == pcpu)
			cpumap_add(map, (unsigned int)i);
	for (int i = 0; i < view->nguests; i++) {
		int n = vcpus_of(view->guests[i]);

		if (vcpu < n) {
			virDomainPinVcpu(view->guests[i], (unsigned int)vcpu, map,
					 VIR_CPU_MAPLEN(view->pcpus));
			return;
		}
		vcpu -= n;
	}
}

/* --- memory --- */

struct mutant_memory mutant_memory(virDomainPtr guest)
{
	virDomainMemoryStatStruct stats[VIR_DOMAIN_MEMORY_STAT_NR];
	struct mutant_memory memory = {.maximum = virDomainGetMaxMemory(guest)};
	int n;

	virDomainSetMemoryStatsPeriod(guest, 1, VIR_DOMAIN_AFFECT_LIVE);
	n = virDomainMemoryStats(guest, stats, VIR_DOMAIN_MEMORY_STAT_NR, 0);
	for (int i = 0; i < n; i++) {
		if (stats[i].tag == VIR_DOMAIN_MEMORY_STAT_ACTUAL_BALLOON)
			memory.actual = stats[i].val;
		else if (stats[i].tag == VIR_DOMAIN_MEMORY_STAT_USABLE)
			memory.usable = stats[i].val;
	}
	return memory;
}

void mutant_set_memory(virDomainPtr guest, unsigned long long kib)
{
	virDomainSetMemory(guest, (unsigned long)kib);
}

/* --- for both --- */

void mutant_nothing(const struct view *view)
{
	mutant_vcpus(view);
}

void mutant_exits(const struct view *view)
{
	if (view->tick == 2)
		exit(EXIT_SUCCESS);
}

void mutant_crashes(const struct view *view)
{
	if (view->tick != 2)
		return;
	fprintf(stderr, "mutant: the first of two last lines\nmutant: guest 7 has no pCPU\n");
	abort();
}

void mutant_hangs(const struct view *view)
{
	while (view->tick == 2)
		pause();
}

void mutant_stubborn(const struct view *view)
{
	(void)view;
	signal(SIGTERM, SIG_IGN);
}

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void mutant_burns(const struct view *view)
{
	double until_s = now_s() + 0.9 * view->interval_s;

	while (now_s() < until_s)
		;
}

void mutant_spins(const struct view *view)
{
	for (volatile unsigned int i = 0; view->tick == 2; i++)
		;
}

void mutant_forks(const struct view *view)
{
	if (view->tick == 2 && system("true"))
		exit(EXIT_FAILURE);
}

/* A NUL, Latin-1, a character that is cut off, a line without end. */
void mutant_babbles(const struct view *view)
{
	static const char text[] = "nul \0 gr\xfc\xdf cut \xe2\x80\n\x1b[31mred\n\xff";

	(void)view;
	fwrite(text, 1, sizeof(text) - 1, stdout);
	fwrite(text, 1, sizeof(text) - 1, stderr);
	fflush(stdout);
}

void mutant_pauses(const struct view *view)
{
	for (int i = 0; view->tick == 3 && i < view->nguests; i++)
		virDomainSuspend(view->guests[i]);
}

void mutant_resets(const struct view *view)
{
	for (int i = 0; view->tick == 3 && i < view->nguests; i++)
		virDomainReset(view->guests[i], 0);
}

/* --- the loop --- */

static int compare_names(const void *a, const void *b)
{
	return strcmp(virDomainGetName(*(virDomainPtr const *)a),
		      virDomainGetName(*(virDomainPtr const *)b));
}

static int look(struct view *view)
{
	virDomainPtr *list;
	virNodeInfo info;
	int n = virConnectListAllDomains(view->conn, &list, VIR_CONNECT_LIST_DOMAINS_ACTIVE);

	if (n < 0 || virNodeGetInfo(view->conn, &info) < 0)
		return -1;
	view->pcpus = (int)info.cpus < PCPUS_MAX ? (int)info.cpus : PCPUS_MAX;
	view->nguests = 0;
	for (int i = 0; i < n; i++)
		if (i < GUESTS_MAX)
			view->guests[view->nguests++] = list[i];
		else
			virDomainFree(list[i]);
	free(list);
	qsort(view->guests, (size_t)view->nguests, sizeof(*view->guests), compare_names);
	return 0;
}

static int run(const struct mutant *mutant, double interval_s)
{
	const char *uri = getenv("LIBVIRT_DEFAULT_URI");
	struct view view = {.interval_s = interval_s};
	struct timespec interval = {
		.tv_sec = (time_t)interval_s,
		.tv_nsec = (long)((interval_s - (double)(time_t)interval_s) * 1e9)};

	view.conn = virConnectOpen(uri ? uri : "qemu:///system");
	if (!view.conn)
		return 1;
	for (;; view.tick++) {
		if (look(&view))
			return 1;
		mutant->tick(&view);
		for (int i = 0; i < view.nguests; i++)
			virDomainFree(view.guests[i]);
		nanosleep(&interval, NULL);
	}
}

int mutant_main(int argc, char *argv[], const struct mutant *mutants, int count)
{
	double interval_s;

	if (argc == 2 && !strcmp(argv[1], "--list")) {
		for (int i = 0; i < count; i++)
			printf("%-12s %s\n", mutants[i].name, mutants[i].what);
		return 0;
	}
	for (int i = 0; argc == 3 && i < count; i++)
		if (!strcmp(argv[1], mutants[i].name) &&
		    !parse_number(argv[2], 0.1, 3600, &interval_s))
			return run(&mutants[i], interval_s);
	fprintf(stderr, "usage: %s NAME INTERVAL, or %s --list\n", argv[0], argv[0]);
	return 2;
}
