/* SPDX-License-Identifier: MIT */
/* What the lab's guests do now: one table. */
#include "guests.h"

#include "log.h"
#include "units.h"

#include <libvirt/virterror.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void print_guest(virDomainStatsRecordPtr record, int pcpus)
{
	char actual[32], maximum[32], unused[32], pins[64];
	int state = 0, vcpus = 1;

	virTypedParamsGetInt(record->params, record->nparams, "state.state", &state);
	virTypedParamsGetUInt(record->params, record->nparams, "vcpu.current",
			      (unsigned int *)&vcpus);
	print_pins(pins, sizeof(pins), record->dom, vcpus, pcpus);
	printf("%-16s %-9s %5d %-10s %8s %8s %8s %s\n", virDomainGetName(record->dom),
	       state_name(state), vcpus, pins,
	       stat_size(record, "balloon.current", actual, sizeof(actual)),
	       stat_size(record, "balloon.maximum", maximum, sizeof(maximum)),
	       stat_size(record, "balloon.unused", unused, sizeof(unused)),
	       state == VIR_DOMAIN_RUNNING ? agent_state(record->dom) : "-");
}

int guests_status(struct session *session, const struct guests_args *args)
{
	virDomainPtr *doms = guests_find(session->conn, args->prefix);
	virDomainStatsRecordPtr *records = NULL;
	int pcpus = virNodeGetCPUMap(session->conn, NULL, NULL, 0), n;

	if (!doms || pcpus < 0)
		die(EXIT_LAB, "the guests cannot be listed: %s", virGetLastErrorMessage());
	if (!doms[0]) {
		puts("no guests");
		guests_free(doms);
		return EXIT_PASS;
	}
	n = virDomainListGetStats(
		doms, VIR_DOMAIN_STATS_STATE | VIR_DOMAIN_STATS_VCPU | VIR_DOMAIN_STATS_BALLOON,
		&records, 0);
	if (n < 0)
		die(EXIT_LAB, "the guests' statistics: %s", virGetLastErrorMessage());
	printf("%-16s %-9s %5s %-10s %8s %8s %8s %s\n", "GUEST", "STATE", "VCPUS", "PINS", "ACTUAL",
	       "MAXIMUM", "UNUSED", "AGENT");
	for (int i = 0; i < n; i++)
		print_guest(records[i], pcpus);
	virDomainStatsRecordListFree(records);
	guests_free(doms);
	return EXIT_PASS;
}
