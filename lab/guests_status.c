/* SPDX-License-Identifier: MIT */
/* What the lab's guests do now: one table, or one again and again. */
#include "guests.h"

#include "log.h"
#include "procstat.h"
#include "tick.h"
#include "units.h"

#include <libvirt/virterror.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *state_name(int state)
{
	static const char *const names[] = {"no state", "running", "blocked", "paused",
					    "shutdown", "off",	   "crashed", "suspended"};

	return state >= 0 && (size_t)state < sizeof(names) / sizeof(*names) ? names[state] : "?";
}

static const char *stat_size(virDomainStatsRecordPtr record, const char *field, char *buf,
			     size_t len)
{
	unsigned long long kib;

	if (virTypedParamsGetULLong(record->params, record->nparams, field, &kib) != 1)
		return "-";
	return format_size(kib, buf, len);
}

/* The affinities of all vCPUs, "0;1"; one for all where they are the same. */
static void print_pins(char *buf, size_t len, virDomainPtr dom, int vcpus, int pcpus)
{
	size_t maplen = (size_t)VIR_CPU_MAPLEN(pcpus), used = 0;
	unsigned char *maps = calloc((size_t)vcpus, maplen);
	char list[CPULIST_MAX];
	bool same = true;

	snprintf(buf, len, "-");
	if (!maps || virDomainGetVcpuPinInfo(dom, vcpus, maps, (int)maplen, 0) < vcpus)
		goto out;
	for (int v = 1; v < vcpus; v++)
		same &= !memcmp(maps, maps + (size_t)v * maplen, maplen);
	for (int v = 0; v < (same ? 1 : vcpus) && used < len; v++) {
		cpumap_format(maps + (size_t)v * maplen, maplen, list, sizeof(list));
		used += (size_t)snprintf(buf + used, len - used, "%s%s", v ? ";" : "", list);
	}
out:
	free(maps);
}

static const char *agent_state(virDomainPtr dom)
{
	char *xml = virDomainGetXMLDesc(dom, 0), *at;
	const char *state = "-";

	at = xml ? strstr(xml, "name='org.qemu.guest_agent.0'") : NULL;
	if (at)
		state = strstr(at, "state='connected'") ? "up" : "down";
	free(xml);
	return state;
}

/* --- usage, for --watch --- */

#define PCPUS_MOST 4096

struct look {
	double at_s;
	virDomainStatsRecordPtr *records;
	int nrecords;
	/* Jiffies of each pCPU since the host's boot; total 0: there is no such pCPU. */
	uint64_t busy[PCPUS_MOST], total[PCPUS_MOST];
};

static void look_at_pcpus(struct look *look)
{
	struct procstat_pcpu *seen = NULL;
	size_t size = 0;
	ssize_t n = procstat_read(&seen, &size);

	memset(look->total, 0, sizeof(look->total));
	for (ssize_t i = 0; i < n; i++) {
		if (seen[i].id >= PCPUS_MOST)
			continue;
		look->busy[seen[i].id] = seen[i].busy;
		look->total[seen[i].id] = seen[i].total;
	}
	free(seen);
}

static void look_free(struct look *look)
{
	if (look->records)
		virDomainStatsRecordListFree(look->records);
	look->records = NULL;
}

static int look_take(struct look *look, virDomainPtr *doms)
{
	look_free(look);
	look->at_s = tick_now_s();
	look_at_pcpus(look);
	look->nrecords = virDomainListGetStats(
		doms, VIR_DOMAIN_STATS_STATE | VIR_DOMAIN_STATS_VCPU | VIR_DOMAIN_STATS_BALLOON,
		&look->records, 0);
	return look->nrecords;
}

static unsigned long long vcpus_ns(virDomainStatsRecordPtr record)
{
	unsigned long long ns, sum = 0;
	unsigned int vcpus = 0;
	char field[64];

	virTypedParamsGetUInt(record->params, record->nparams, "vcpu.maximum", &vcpus);
	for (unsigned int v = 0; v < vcpus; v++) {
		snprintf(field, sizeof(field), "vcpu.%u.time", v);
		if (virTypedParamsGetULLong(record->params, record->nparams, field, &ns) == 1)
			sum += ns;
	}
	return sum;
}

/* The guest's usage since the look before, "45.2%"; "-" where it was not there or began again. */
static const char *usage(const struct look *before, const struct look *now,
			 virDomainStatsRecordPtr record, char *buf, size_t len)
{
	double elapsed_s = now->at_s - before->at_s;

	snprintf(buf, len, "-");
	for (int i = 0; before->records && i < before->nrecords; i++) {
		unsigned long long was = vcpus_ns(before->records[i]), is = vcpus_ns(record);

		if (!strcmp(virDomainGetName(before->records[i]->dom),
			    virDomainGetName(record->dom)) &&
		    is >= was && elapsed_s > 0)
			snprintf(buf, len, "%.1f%%", (double)(is - was) / 1e7 / elapsed_s);
	}
	return buf;
}

static void print_pcpus(const struct look *before, const struct look *now)
{
	printf("pCPU");
	for (unsigned int id = 0; id < PCPUS_MOST; id++) {
		unsigned long long total = now->total[id] - before->total[id];

		if (before->total[id] && now->total[id] && total)
			printf("  %u: %.1f%%", id,
			       100.0 * (double)(now->busy[id] - before->busy[id]) / (double)total);
	}
	putchar('\n');
}

/* --- the table --- */

static void print_guest(const struct look *before, const struct look *now,
			virDomainStatsRecordPtr record, int pcpus)
{
	char actual[32], maximum[32], unused[32], pins[64], used[32];
	int state = 0;
	unsigned int vcpus = 1;

	virTypedParamsGetInt(record->params, record->nparams, "state.state", &state);
	virTypedParamsGetUInt(record->params, record->nparams, "vcpu.current", &vcpus);
	print_pins(pins, sizeof(pins), record->dom, (int)vcpus, pcpus);
	printf("%-16s %-9s %5u %-10s", virDomainGetName(record->dom), state_name(state), vcpus,
	       pins);
	if (before->records)
		printf(" %7s", usage(before, now, record, used, sizeof(used)));
	printf(" %8s %8s %8s %s\n", stat_size(record, "balloon.current", actual, sizeof(actual)),
	       stat_size(record, "balloon.maximum", maximum, sizeof(maximum)),
	       stat_size(record, "balloon.unused", unused, sizeof(unused)),
	       state == VIR_DOMAIN_RUNNING ? agent_state(record->dom) : "-");
}

static void print_table(const struct look *before, const struct look *now, int pcpus)
{
	if (before->records)
		print_pcpus(before, now);
	printf("%-16s %-9s %5s %-10s", "GUEST", "STATE", "VCPUS", "PINS");
	if (before->records)
		printf(" %7s", "USAGE");
	printf(" %8s %8s %8s %s\n", "ACTUAL", "MAXIMUM", "UNUSED", "AGENT");
	for (int i = 0; i < now->nrecords; i++)
		print_guest(before, now, now->records[i], pcpus);
	fflush(stdout);
}

/* One table, of what changed since before if that was taken. */
static void show(virConnectPtr conn, const struct guests_args *args, const struct look *before,
		 struct look *now)
{
	virDomainPtr *doms = guests_find(conn, args->prefix);
	int pcpus = virNodeGetCPUMap(conn, NULL, NULL, 0);

	if (!doms || pcpus < 0 || (doms[0] && look_take(now, doms) < 0))
		die(EXIT_LAB, "the guests cannot be asked: %s", virGetLastErrorMessage());
	if (doms[0]) {
		print_table(before, now, pcpus);
	} else {
		look_free(now);
		puts("no guests");
	}
	guests_free(doms);
}

int guests_status(struct session *session, const struct guests_args *args)
{
	static struct look looks[2]; /* too big for the stack */
	struct ticker ticker;
	unsigned int turn = 0;

	show(session->conn, args, &looks[1], &looks[0]);
	if (args->watch_s > 0) {
		ticker_start(&ticker, args->watch_s);
		while (ticker_advance(&ticker, tick_now_s()), session_wait(session, ticker.next_s),
		       !tick_quit) {
			turn ^= 1;
			if (isatty(STDOUT_FILENO))
				fputs("\033[H\033[J", stdout);
			show(session->conn, args, &looks[turn ^ 1], &looks[turn]);
		}
	}
	look_free(&looks[0]);
	look_free(&looks[1]);
	return EXIT_PASS;
}
