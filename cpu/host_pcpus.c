/* SPDX-License-Identifier: MIT */
/* The host's pCPUs: which are online, what they carry, how they lie, and which may be used. */
#include "host_pcpus.h"

#include "host.h"
#include "log.h"
#include "procstat.h"
#include "session.h"
#include "units.h"
#include "xml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int host_reserve(void *array, size_t *size, size_t n, size_t element)
{
	void **p = array;
	void *grown;

	if (n <= *size)
		return 0;
	n = n < 16 ? 16 : 2 * n;
	grown = realloc(*p, n * element);
	if (!grown)
		return -1;
	*p = grown;
	*size = n;
	return 0;
}

/* One more online pCPU; says so if it was not the one in that place before. */
static int add_pcpu(struct host_pcpus *pcpus, size_t n, int id, uint64_t busy_ns)
{
	if (host_reserve(&pcpus->list, &pcpus->size, n + 1, sizeof(*pcpus->list)))
		return -1;
	if (n >= pcpus->n || pcpus->list[n].id != id) {
		pcpus->list[n] = (struct cpu_pcpu){.id = id, .core = -1, .cache = -1, .node = -1};
		pcpus->changed = true;
	}
	pcpus->list[n].busy_ns = busy_ns;
	return 0;
}

/* Online pCPUs and their load, where the host is this machine. Returns how many, −1 on failure. */
static ssize_t read_proc_stat(struct host_pcpus *pcpus)
{
	uint64_t tick_ns = 1000000000ULL / (uint64_t)sysconf(_SC_CLK_TCK);
	struct procstat_pcpu *seen = NULL;
	size_t size = 0;
	ssize_t n = procstat_read(&seen, &size);

	for (ssize_t i = 0; i < n; i++)
		if (add_pcpu(pcpus, (size_t)i, seen[i].id, seen[i].busy * tick_ns))
			n = -1;
	free(seen);
	return n;
}

/* Online pCPUs by libvirt; their load is not known. Returns how many, −1 on failure. */
static ssize_t read_cpu_map(struct host_pcpus *pcpus, virConnectPtr conn)
{
	unsigned char *map = NULL;
	int total = wire_cpu_map(pcpus->wire, conn, &map);
	ssize_t n = 0;

	if (total <= 0)
		return -1;
	for (int id = 0; id < total && n >= 0; id++) {
		if (VIR_CPU_USED(map, id))
			n = add_pcpu(pcpus, (size_t)n, id, CPU_NOT_KNOWN) ? -1 : n + 1;
	}
	free(map);
	return n;
}

/* Kept free by the administrator: isolcpus. */
static void leave_isolated(struct host_pcpus *pcpus)
{
	FILE *file = fopen("/sys/devices/system/cpu/isolated", "re");
	unsigned char *isolated = calloc(1, pcpus->maplen);
	char line[CPULIST_MAX];

	if (file && isolated && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		if (cpumap_parse(line, isolated, pcpus->maplen) == 0) {
			for (size_t i = 0; i < pcpus->maplen; i++)
				pcpus->wanted[i] &= (unsigned char)~isolated[i];
		}
	}
	free(isolated);
	if (file)
		fclose(file);
}

/*
 * Sizes, topology and which pCPUs may be used: read again when the set of online ones has changed.
 */
static int read_topology(struct host_pcpus *pcpus, virConnectPtr conn)
{
	int total = wire_cpu_map(pcpus->wire, conn, NULL);
	char *capabilities;

	if (total <= 0)
		return -1;
	pcpus->maplen = VIR_CPU_MAPLEN(total);
	free(pcpus->wanted);
	pcpus->wanted = calloc(1, pcpus->maplen);
	if (!pcpus->wanted)
		return -1;
	if (pcpus->asked) {
		/* Checked at the start; what has since gone for good is left out. */
		if (cpumap_parse(pcpus->asked, pcpus->wanted, pcpus->maplen))
			log_warn("--pcpus %s names pCPUs that this host no longer has",
				 pcpus->asked);
	} else {
		memset(pcpus->wanted, 0xff, pcpus->maplen);
		if (pcpus->local)
			leave_isolated(pcpus);
	}
	free(pcpus->topology);
	pcpus->topology = NULL;
	pcpus->ntopology = 0;
	capabilities = wire_capabilities(pcpus->wire, conn);
	if (capabilities)
		pcpus->ntopology = xml_read_topology(capabilities, &pcpus->topology);
	free(capabilities);
	return 0;
}

int host_pcpus_sample(struct host_pcpus *pcpus, virConnectPtr conn)
{
	ssize_t n = pcpus->local ? read_proc_stat(pcpus) : read_cpu_map(pcpus, conn);
	int known = 0;

	if (n < 0)
		return -1;
	pcpus->changed |= (size_t)n != pcpus->n;
	pcpus->n = (size_t)n;
	if (!pcpus->changed)
		return 0;
	if (read_topology(pcpus, conn))
		return -1;
	for (size_t p = 0; p < pcpus->n; p++) {
		struct cpu_pcpu *pcpu = &pcpus->list[p];

		while (known < pcpus->ntopology && pcpus->topology[known].id < pcpu->id)
			known++;
		if (known < pcpus->ntopology && pcpus->topology[known].id == pcpu->id) {
			pcpu->core = pcpus->topology[known].core;
			pcpu->cache = pcpus->topology[known].cache;
			pcpu->node = pcpus->topology[known].node;
		}
		pcpu->usable = cpumap_has(pcpus->wanted, pcpus->maplen, (unsigned int)pcpu->id);
	}
	pcpus->changed = false;
	return 0;
}

void host_pcpus_free(struct host_pcpus *pcpus)
{
	free(pcpus->list);
	free(pcpus->wanted);
	free(pcpus->topology);
}

int host_check(struct session *session, const struct host_options *options)
{
	int total = wire_cpu_map(&session->wire, session->conn, NULL), result = 0;
	unsigned char *map;

	if (total <= 0)
		return -1;
	map = calloc(1, VIR_CPU_MAPLEN(total));
	if (map && options->pcpus && cpumap_parse(options->pcpus, map, VIR_CPU_MAPLEN(total)))
		result = total;
	for (int id = total; map && id < VIR_CPU_MAPLEN(total) * 8; id++)
		result = cpumap_has(map, VIR_CPU_MAPLEN(total), (unsigned int)id) ? total : result;
	free(map);
	return result;
}
