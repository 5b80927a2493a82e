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

static int read_node_memory(struct wire *wire, virConnectPtr conn, struct mem_sample *sample)
{
	long long total_kib, available_kib;

	if (wire_node_memory(wire, conn, &total_kib, &available_kib))
		return -1;
	sample->host_total_kib = total_kib;
	sample->host_available_kib = available_kib;
	return 0;
}

int host_memory_read(struct wire *wire, virConnectPtr conn, bool local, struct mem_sample *sample)
{
	return local ? read_meminfo(sample) : read_node_memory(wire, conn, sample);
}
