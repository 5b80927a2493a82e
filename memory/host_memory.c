/* SPDX-License-Identifier: MIT */
/* What the host has, and what is available of it. */
#include "host_memory.h"

#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* KiB of "Name:   123 kB", or −1. */
static int64_t meminfo_value(const char *line, const char *name)
{
	size_t len = strlen(name);
	long long kib;

	if (strncmp(line, name, len) != 0 || sscanf(line + len, ": %lld kB", &kib) != 1)
		return -1;
	return kib;
}

static int read_meminfo(struct mem_sample *sample)
{
	FILE *file = fopen("/proc/meminfo", "re");
	char line[128];

	while (file && fgets(line, sizeof(line), file)) {
		int64_t total = meminfo_value(line, "MemTotal");
		int64_t available = meminfo_value(line, "MemAvailable");

		if (total >= 0)
			sample->host_total_kib = total;
		if (available >= 0)
			sample->host_available_kib = available;
	}
	if (file)
		fclose(file);
	if (!file || sample->host_total_kib < 0 || sample->host_available_kib < 0) {
		log_warn("/proc/meminfo: %s", file ? "no MemAvailable" : strerror(errno));
		return -1;
	}
	return 0;
}

/* libvirt knows no MemAvailable: half of the page cache is taken for free, as old kernels' tools
 * do. */
static int read_node_memory(virConnectPtr conn, struct mem_sample *sample)
{
	virNodeMemoryStats stats[16];
	virNodeInfo info;
	int n = 0;

	if (virNodeGetMemoryStats(conn, VIR_NODE_MEMORY_STATS_ALL_CELLS, NULL, &n, 0) < 0 ||
	    n > 16 ||
	    virNodeGetMemoryStats(conn, VIR_NODE_MEMORY_STATS_ALL_CELLS, stats, &n, 0) < 0) {
		/* Not every hypervisor says more than this. */
		if (virNodeGetInfo(conn, &info) < 0)
			return -1;
		sample->host_total_kib = (int64_t)info.memory;
		sample->host_available_kib = (int64_t)(virNodeGetFreeMemory(conn) / 1024);
		return 0;
	}
	sample->host_available_kib = 0;
	for (int i = 0; i < n; i++) {
		int64_t kib = (int64_t)stats[i].value;

		if (!strcmp(stats[i].field, VIR_NODE_MEMORY_STATS_TOTAL))
			sample->host_total_kib = kib;
		else if (!strcmp(stats[i].field, VIR_NODE_MEMORY_STATS_FREE) ||
			 !strcmp(stats[i].field, VIR_NODE_MEMORY_STATS_BUFFERS))
			sample->host_available_kib += kib;
		else if (!strcmp(stats[i].field, VIR_NODE_MEMORY_STATS_CACHED))
			sample->host_available_kib += kib / 2;
	}
	return 0;
}

int host_memory_read(virConnectPtr conn, bool local, struct mem_sample *sample)
{
	return local ? read_meminfo(sample) : read_node_memory(conn, sample);
}
