/* SPDX-License-Identifier: MIT */
/* The host as libvirt tells of it. */
#include "driver.h"

#include "units.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned int nodes(void)
{
	return driver_play()->scenario.host.nodes;
}

static unsigned int threads(void)
{
	return driver_play()->scenario.host.threads_per_core;
}

/* Of the parts of libvirt that look at the host, below any driver. */
static int fail_below(struct call *c, const char *function, const char *what, const char *right)
{
	call_fail_argument(c, "%s in %s %s", what, function, right);
	c->from = VIR_FROM_NONE;
	return -1;
}

static int check_no_flags(struct call *c, unsigned int flags, const char *function)
{
	if (!flags)
		return 0;
	call_fail_argument(c, "unsupported flags (0x%x) in function %s", flags, function);
	c->from = VIR_FROM_NONE;
	return -1;
}

/* VIR_NODE_CPU_STATS_ALL_CPUS and VIR_NODE_MEMORY_STATS_ALL_CELLS are −1. */
static int check_number(struct call *c, int number, const char *name)
{
	return number >= -1 ? 0
			    : call_fail_argument(c, "%s in %s only accepts -1 as a negative value",
						 name, c->function);
}

int driver_node_get_info(struct client *conn, virNodeInfoPtr info)
{
	struct model_host_memory memory;
	unsigned int pcpus, online = 0;
	struct call c;

	if (call_begin(&c, "virNodeGetInfo", conn, CALL_READS) ||
	    call_check_pointer(&c, info, "info"))
		return call_int(&c, -1);
	pcpus = model_pcpus(driver_model());
	for (unsigned int i = 0; i < pcpus; i++) {
		struct model_pcpu pcpu;

		model_pcpu_read(driver_model(), i, &pcpu);
		online += pcpu.online;
	}
	model_host_memory_read(driver_model(), &memory);
	*info = (virNodeInfo){
		.model = "x86_64",
		.memory = memory.total_kib,
		.cpus = online,
		.mhz = 1000,
		.nodes = nodes(),
		.sockets = 1,
		.cores = pcpus / nodes() / threads(),
		.threads = threads(),
	};
	return call_int(&c, 0);
}

int driver_node_get_cpu_map(struct client *conn, unsigned char **map, unsigned int *online,
			    unsigned int flags)
{
	unsigned int count = 0, pcpus;
	unsigned char *made = NULL;
	struct call c;

	if (call_begin(&c, "virNodeGetCPUMap", conn, CALL_READS) ||
	    check_no_flags(&c, flags, "virHostCPUGetMap"))
		return call_int(&c, -1);
	pcpus = model_pcpus(driver_model());
	if (map) {
		made = calloc(1, VIR_CPU_MAPLEN(pcpus));
		if (!made)
			return call_int(&c,
					call_fail(&c, VIR_ERR_NO_MEMORY, "%s", "virNodeGetCPUMap"));
		*map = made;
	}
	for (unsigned int i = 0; i < pcpus; i++) {
		struct model_pcpu pcpu;

		model_pcpu_read(driver_model(), i, &pcpu);
		count += pcpu.online;
		if (made && pcpu.online)
			cpumap_add(made, i);
	}
	if (online)
		*online = count;
	return call_int(&c, (int)pcpus);
}

/* --- CPU time --- */

static bool read_times(int number, struct model_pcpu *sum)
{
	unsigned int pcpus = model_pcpus(driver_model());

	*sum = (struct model_pcpu){0};
	for (unsigned int i = 0; i < pcpus; i++) {
		struct model_pcpu pcpu;

		model_pcpu_read(driver_model(), i, &pcpu);
		if (number == (int)i && !pcpu.online)
			return false;
		if (number != VIR_NODE_CPU_STATS_ALL_CPUS && number != (int)i)
			continue;
		sum->busy_ns += pcpu.busy_ns;
		sum->guests_ns += pcpu.guests_ns;
		sum->idle_ns += pcpu.idle_ns;
	}
	return number == VIR_NODE_CPU_STATS_ALL_CPUS || (number >= 0 && number < (int)pcpus);
}

/* libvirt reads /proc/stat. */
static unsigned long long ticks(uint64_t ns)
{
	return ns / MODEL_TICK_NS * MODEL_TICK_NS;
}

int driver_node_get_cpu_stats(struct client *conn, int number, virNodeCPUStatsPtr params,
			      int *nparams, unsigned int flags)
{
	struct model_pcpu sum;
	struct call c;

	if (call_begin(&c, "virNodeGetCPUStats", conn, CALL_READS) ||
	    call_check_pointer(&c, nparams, "nparams"))
		return call_int(&c, -1);
	call_arguments(&c, "{s:i}", "cpuNum", number);
	if (check_number(&c, number, "cpuNum") || check_no_flags(&c, flags, "virHostCPUGetStats"))
		return call_int(&c, -1);
	/* How many there are it tells for any pCPU, also for one that is not there. */
	if (*nparams == 0) {
		*nparams = 4;
		return call_int(&c, 0);
	}
	if (*nparams != 4)
		return call_int(&c, fail_below(&c, "virHostCPUGetStatsLinux", "nparams",
					       "must be equal to 4"));
	if (!read_times(number, &sum)) {
		call_fail_argument(&c, "Invalid cpuNum in virHostCPUGetStatsLinux");
		c.from = VIR_FROM_NONE;
		return call_int(&c, -1);
	}
	if (call_check_pointer(&c, params, "params"))
		return call_int(&c, -1);
	params[0] =
		(virNodeCPUStats){VIR_NODE_CPU_STATS_KERNEL, ticks(sum.busy_ns - sum.guests_ns)};
	params[1] = (virNodeCPUStats){VIR_NODE_CPU_STATS_USER, ticks(sum.guests_ns)};
	params[2] = (virNodeCPUStats){VIR_NODE_CPU_STATS_IDLE, ticks(sum.idle_ns)};
	params[3] = (virNodeCPUStats){VIR_NODE_CPU_STATS_IOWAIT, 0};
	return call_int(&c, 0);
}

/* --- memory --- */

static int cell_memory(struct call *c, int cell, uint64_t *total_kib, uint64_t *free_kib)
{
	char right[64];

	if (cell < 0 || (unsigned int)cell >= nodes()) {
		snprintf(right, sizeof(right), "must be less than or equal to %u", nodes() - 1);
		return fail_below(c, "virHostMemGetStats", "cellNum", right);
	}
	model_node_memory_read(driver_model(), (unsigned int)cell, total_kib, free_kib);
	return 0;
}

int driver_node_get_memory_stats(struct client *conn, int cell, virNodeMemoryStatsPtr params,
				 int *nparams, unsigned int flags)
{
	bool all = cell == VIR_NODE_MEMORY_STATS_ALL_CELLS;
	struct model_host_memory memory;
	uint64_t total_kib, free_kib;
	int fields = all ? 4 : 2;
	struct call c;

	if (call_begin(&c, "virNodeGetMemoryStats", conn, CALL_READS) ||
	    call_check_pointer(&c, nparams, "nparams") || check_number(&c, cell, "cellNum") ||
	    check_no_flags(&c, flags, "virHostMemGetStats"))
		return call_int(&c, -1);
	call_arguments(&c, "{s:i}", "cellNum", cell);
	model_host_memory_read(driver_model(), &memory);
	if (!all && cell_memory(&c, cell, &total_kib, &free_kib))
		return call_int(&c, -1);
	if (*nparams == 0) {
		*nparams = fields;
		return call_int(&c, 0);
	}
	if (*nparams != fields)
		return call_int(&c, fail_below(&c, "virHostMemGetStatsLinux", "nparams",
					       all ? "must be 4" : "must be 2"));
	if (call_check_pointer(&c, params, "params"))
		return call_int(&c, -1);
	params[0] = (virNodeMemoryStats){VIR_NODE_MEMORY_STATS_TOTAL,
					 all ? memory.total_kib : total_kib};
	params[1] =
		(virNodeMemoryStats){VIR_NODE_MEMORY_STATS_FREE, all ? memory.free_kib : free_kib};
	if (all) {
		params[2] = (virNodeMemoryStats){VIR_NODE_MEMORY_STATS_BUFFERS, memory.buffers_kib};
		params[3] = (virNodeMemoryStats){VIR_NODE_MEMORY_STATS_CACHED, memory.cached_kib};
	}
	return call_int(&c, 0);
}

unsigned long long driver_node_get_free_memory(struct client *conn)
{
	struct model_host_memory memory;
	struct call c;

	if (call_begin(&c, "virNodeGetFreeMemory", conn, CALL_READS))
		return call_number(&c, 0);
	model_host_memory_read(driver_model(), &memory);
	return call_number(&c, memory.free_kib * 1024);
}

int driver_node_get_cells_free_memory(struct client *conn, unsigned long long *out, int start,
				      int most)
{
	uint64_t total_kib, free_kib;
	struct call c;
	int n = 0;

	if (call_begin(&c, "virNodeGetCellsFreeMemory", conn, CALL_READS) ||
	    call_check_pointer(&c, out, "freeMems") || call_check_positive(&c, most, "maxCells") ||
	    call_check_not_negative(&c, start, "startCell"))
		return call_int(&c, -1);
	call_arguments(&c, "{s:i, s:i}", "startCell", start, "maxCells", most);
	c.from = VIR_FROM_NONE;
	if ((unsigned int)start >= nodes())
		return call_int(&c,
				call_fail(&c, VIR_ERR_INTERNAL_ERROR,
					  "start cell %d out of range (0-%u)", start, nodes() - 1));
	for (; n < most && (unsigned int)(start + n) < nodes(); n++) {
		model_node_memory_read(driver_model(), (unsigned int)(start + n), &total_kib,
				       &free_kib);
		out[n] = free_kib * 1024;
	}
	return call_int(&c, n);
}

int driver_node_get_security_model(struct client *conn, virSecurityModelPtr model)
{
	struct call c;

	if (call_begin(&c, "virNodeGetSecurityModel", conn, CALL_READS) ||
	    call_check_pointer(&c, model, "secmodel"))
		return call_int(&c, -1);
	memset(model, 0, sizeof(*model));
	return call_int(&c, 0);
}
