/* SPDX-License-Identifier: MIT */
/* What a host tells of itself in /proc and /sys, written from a model. */
#include "clock/host_files.h"

#include "units.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CPU_FOLDER  HOST_CPU_FOLDER
#define NODE_FOLDER HOST_NODE_FOLDER

/* USER_HZ: the unit of /proc/stat. */
#define TICKS(ns) ((uint64_t)((ns) / (MODEL_NS_PER_S / 100)))

struct source {
	struct model *model;
	FILE *out;
	unsigned long epoch_s;
};

/* --- lists of CPUs --- */

/* The pCPUs that belong, as a list; returns how many. */
static size_t put_list(const struct source *s,
		       bool (*belongs)(const struct model_pcpu *, unsigned int),
		       unsigned int argument)
{
	unsigned char map[MODEL_PCPUS_MAX / 8] = {0};
	char list[CPULIST_MAX];
	size_t count = 0;

	for (unsigned int i = 0; i < model_pcpus(s->model); i++) {
		struct model_pcpu pcpu;

		model_pcpu_read(s->model, i, &pcpu);
		if (!belongs(&pcpu, argument))
			continue;
		cpumap_add(map, i);
		count++;
	}
	fprintf(s->out, "%s\n", cpumap_format(map, sizeof(map), list, sizeof(list)));
	return count;
}

static bool is_any(const struct model_pcpu *pcpu, unsigned int unused)
{
	(void)pcpu;
	(void)unused;
	return true;
}

static bool is_online(const struct model_pcpu *pcpu, unsigned int unused)
{
	(void)unused;
	return pcpu->online;
}

static bool is_offline(const struct model_pcpu *pcpu, unsigned int unused)
{
	(void)unused;
	return !pcpu->online;
}

static bool is_of_core(const struct model_pcpu *pcpu, unsigned int core)
{
	return pcpu->online && pcpu->core == core;
}

static bool is_of_node(const struct model_pcpu *pcpu, unsigned int node)
{
	return pcpu->online && pcpu->node == node;
}

static unsigned int nodes(struct model *m)
{
	struct model_pcpu pcpu;

	model_pcpu_read(m, model_pcpus(m) - 1, &pcpu);
	return pcpu.node + 1;
}

/* --- /proc --- */

static void put_meminfo(const struct source *s)
{
	struct model_host_memory h;
	uint64_t active;

	model_host_memory_read(s->model, &h);
	active = h.total_kib - h.free_kib - h.buffers_kib - h.cached_kib;
	fprintf(s->out,
		"MemTotal:       %8" PRIu64 " kB\nMemFree:        %8" PRIu64
		" kB\nMemAvailable:   %8" PRIu64 " kB\nBuffers:        %8" PRIu64
		" kB\nCached:         %8" PRIu64 " kB\nSwapCached:            0 kB\n"
		"Active:         %8" PRIu64 " kB\nInactive:       %8" PRIu64
		" kB\nActive(anon):   %8" PRIu64 " kB\nInactive(anon):        0 kB\n"
		"Active(file):          0 kB\nInactive(file): %8" PRIu64
		" kB\nUnevictable:           0 kB\nMlocked:               0 kB\n"
		"SwapTotal:      %8" PRIu64 " kB\nSwapFree:       %8" PRIu64
		" kB\nDirty:                 0 kB\nWriteback:             0 kB\n"
		"AnonPages:      %8" PRIu64 " kB\nMapped:                0 kB\n"
		"Shmem:                 0 kB\nSlab:                  0 kB\n"
		"SReclaimable:          0 kB\n",
		h.total_kib, h.free_kib, h.available_kib, h.buffers_kib, h.cached_kib, active,
		h.cached_kib, active, h.cached_kib, h.swap_total_kib, h.swap_free_kib, active);
}

static void put_cpu_line(const struct source *s, const char *name, uint64_t busy_ns,
			 uint64_t guests_ns, uint64_t idle_ns)
{
	/* user holds what guests had, system the host's own, as Linux counts QEMU's threads. */
	fprintf(s->out, "cpu%s %" PRIu64 " 0 %" PRIu64 " %" PRIu64 " 0 0 0 0 %" PRIu64 " 0\n", name,
		TICKS(guests_ns), TICKS(busy_ns - guests_ns), TICKS(idle_ns), TICKS(guests_ns));
}

static void put_stat(const struct source *s)
{
	struct model_pcpu pcpu, sum = {0};
	char name[16];

	for (unsigned int i = 0; i < model_pcpus(s->model); i++) {
		model_pcpu_read(s->model, i, &pcpu);
		sum.busy_ns += pcpu.busy_ns;
		sum.guests_ns += pcpu.guests_ns;
		sum.idle_ns += pcpu.idle_ns;
	}
	put_cpu_line(s, " ", sum.busy_ns, sum.guests_ns, sum.idle_ns);
	for (unsigned int i = 0; i < model_pcpus(s->model); i++) {
		model_pcpu_read(s->model, i, &pcpu);
		snprintf(name, sizeof(name), "%u", i);
		if (pcpu.online)
			put_cpu_line(s, name, pcpu.busy_ns, pcpu.guests_ns, pcpu.idle_ns);
	}
	fprintf(s->out,
		"intr 0\nctxt 0\nbtime %lu\nprocesses 1\nprocs_running 1\nprocs_blocked 0\n",
		s->epoch_s);
}

static void put_cpuinfo(const struct source *s)
{
	for (unsigned int i = 0; i < model_pcpus(s->model); i++) {
		struct model_pcpu pcpu;

		model_pcpu_read(s->model, i, &pcpu);
		if (pcpu.online)
			fprintf(s->out,
				"processor\t: %u\nvendor_id\t: Ballast\nmodel name\t: simulated\n"
				"cpu MHz\t\t: 1000.000\nphysical id\t: %u\ncore id\t\t: %u\n\n",
				i, pcpu.node, pcpu.core);
	}
}

static void put_uptime(const struct source *s)
{
	struct model_pcpu pcpu;
	uint64_t idle_ns = 0, now_cs = model_now(s->model) / 10000000 + 8640000;

	for (unsigned int i = 0; i < model_pcpus(s->model); i++) {
		model_pcpu_read(s->model, i, &pcpu);
		idle_ns += pcpu.idle_ns;
	}
	fprintf(s->out, "%" PRIu64 ".%02" PRIu64 " %" PRIu64 ".%02" PRIu64 "\n", now_cs / 100,
		now_cs % 100, idle_ns / 1000000000, idle_ns / 10000000 % 100);
}

static void put_loadavg(const struct source *s)
{
	double load[3];

	model_load_average(s->model, load);
	fprintf(s->out, "%.2f %.2f %.2f 1/1 1\n", load[0], load[1], load[2]);
}

static void put_vmstat(const struct source *s)
{
	struct model_host_memory h;

	model_host_memory_read(s->model, &h);
	fprintf(s->out, "nr_free_pages %" PRIu64 "\npswpin 0\npswpout %" PRIu64 "\noom_kill 0\n",
		h.free_kib / 4, (h.swap_total_kib - h.swap_free_kib) / 4);
}

/* --- /sys --- */

static void put_online(const struct source *s)
{
	put_list(s, is_online, 0);
}

static void put_offline(const struct source *s)
{
	put_list(s, is_offline, 0);
}

static void put_all(const struct source *s)
{
	put_list(s, is_any, 0);
}

static void put_none(const struct source *s)
{
	fputs("\n", s->out);
}

static void put_kernel_max(const struct source *s)
{
	fprintf(s->out, "%u\n", MODEL_PCPUS_MAX - 1);
}

static void put_nodes(const struct source *s)
{
	unsigned int n = nodes(s->model);

	fprintf(s->out, n > 1 ? "0-%u\n" : "0\n", n - 1);
}

static const struct {
	const char *path;
	void (*put)(const struct source *s);
} whole_files[] = {
	{"/proc/meminfo", put_meminfo},
	{"/proc/stat", put_stat},
	{"/proc/cpuinfo", put_cpuinfo},
	{"/proc/uptime", put_uptime},
	{"/proc/loadavg", put_loadavg},
	{"/proc/vmstat", put_vmstat},
	{CPU_FOLDER "online", put_online},
	{CPU_FOLDER "offline", put_offline},
	{CPU_FOLDER "possible", put_all},
	{CPU_FOLDER "present", put_all},
	{CPU_FOLDER "isolated", put_none},
	{CPU_FOLDER "nohz_full", put_none},
	{CPU_FOLDER "kernel_max", put_kernel_max},
	{NODE_FOLDER "online", put_nodes},
	{NODE_FOLDER "possible", put_nodes},
	{NODE_FOLDER "has_cpu", put_nodes},
	{NODE_FOLDER "has_memory", put_nodes},
};

/* CPU_FOLDER cpuN/… ; false: there is no such file. */
static bool put_cpu(const struct source *s, unsigned int id, const char *file)
{
	struct model_pcpu pcpu;

	model_pcpu_read(s->model, id, &pcpu);
	if (!strcmp(file, "online"))
		fprintf(s->out, "%d\n", pcpu.online);
	else if (!pcpu.online)
		return false; /* Linux takes the topology of an offline CPU away */
	else if (!strcmp(file, "topology/core_id"))
		fprintf(s->out, "%u\n", pcpu.core);
	else if (!strcmp(file, "topology/physical_package_id"))
		fprintf(s->out, "%u\n", pcpu.node);
	else if (!strcmp(file, "topology/thread_siblings_list") ||
		 !strcmp(file, "topology/core_cpus_list"))
		put_list(s, is_of_core, pcpu.core);
	else if (!strcmp(file, "topology/core_siblings_list") ||
		 !strcmp(file, "topology/package_cpus_list"))
		put_list(s, is_of_node, pcpu.node);
	else
		return false;
	return true;
}

static bool put_node(const struct source *s, unsigned int id, const char *file)
{
	uint64_t total_kib, free_kib;

	if (!strcmp(file, "cpulist")) {
		put_list(s, is_of_node, id);
		return true;
	}
	if (strcmp(file, "meminfo"))
		return false;
	model_node_memory_read(s->model, id, &total_kib, &free_kib);
	fprintf(s->out,
		"Node %u MemTotal: %" PRIu64 " kB\nNode %u MemFree: %" PRIu64
		" kB\nNode %u MemUsed: %" PRIu64 " kB\n",
		id, total_kib, id, free_kib, id, total_kib - free_kib);
	return true;
}

/* Puts a file of one of a row of folders such as cpuN; false: there is none. */
static bool put_numbered(const struct source *s, const char *rest, const char *name,
			 unsigned int count,
			 bool (*put)(const struct source *, unsigned int, const char *))
{
	unsigned int id;
	int used = 0;

	if (strncmp(rest, name, strlen(name)))
		return false;
	rest += strlen(name);
	return sscanf(rest, "%u/%n", &id, &used) == 1 && used > 0 && id < count &&
	       put(s, id, rest + used);
}

static bool put_path(const struct source *s, const char *path)
{
	for (size_t i = 0; i < sizeof(whole_files) / sizeof(whole_files[0]); i++) {
		if (strcmp(path, whole_files[i].path))
			continue;
		whole_files[i].put(s);
		return true;
	}
	if (!strncmp(path, CPU_FOLDER, strlen(CPU_FOLDER)))
		return put_numbered(s, path + strlen(CPU_FOLDER), "cpu", model_pcpus(s->model),
				    put_cpu);
	if (!strncmp(path, NODE_FOLDER, strlen(NODE_FOLDER)))
		return put_numbered(s, path + strlen(NODE_FOLDER), "node", nodes(s->model),
				    put_node);
	return false;
}

/* --- folders --- */

/* The path without the slashes at its end, if it is short enough to be a folder's. */
static const char *trimmed(const char *path, char *buf, size_t size)
{
	size_t len = strlen(path);

	while (len > 1 && path[len - 1] == '/')
		len--;
	if (len >= size)
		return "";
	memcpy(buf, path, len);
	buf[len] = '\0';
	return buf;
}

/* What Linux keeps of each CPU and node, as far as it is made here. */
static const char *const cpu_entries[] = {"online", "topology", NULL};
static const char *const topology_entries[] = {"core_id",
					       "physical_package_id",
					       "thread_siblings_list",
					       "core_cpus_list",
					       "core_siblings_list",
					       "package_cpus_list",
					       NULL};
static const char *const node_entries[] = {"cpulist", "meminfo", NULL};

static void list_names(const char *const *names,
		       void (*put)(const char *name, bool folder, void *opaque), void *opaque)
{
	for (; *names; names++)
		put(*names, !strcmp(*names, "topology"), opaque);
}

/* The files right below a folder, and a numbered folder for each CPU or node. */
static void list_top(const char *folder, const char *name, unsigned int count,
		     void (*put)(const char *name, bool folder, void *opaque), void *opaque)
{
	char numbered[32];

	for (size_t i = 0; i < sizeof(whole_files) / sizeof(whole_files[0]); i++) {
		if (!strncmp(whole_files[i].path, folder, strlen(folder)))
			put(whole_files[i].path + strlen(folder), false, opaque);
	}
	for (unsigned int i = 0; i < count; i++) {
		snprintf(numbered, sizeof(numbered), "%s%u", name, i);
		put(numbered, true, opaque);
	}
}

bool host_folder_list(struct model *m, const char *path,
		      void (*put)(const char *name, bool folder, void *opaque), void *opaque)
{
	char buf[128], rest[32] = "";
	struct model_pcpu pcpu;
	unsigned int id;

	path = trimmed(path, buf, sizeof(buf));
	if (!strncmp(path, CPU_FOLDER, strlen(CPU_FOLDER) - 1) && !path[strlen(CPU_FOLDER) - 1]) {
		list_top(CPU_FOLDER, "cpu", model_pcpus(m), put, opaque);
	} else if (!strncmp(path, NODE_FOLDER, strlen(NODE_FOLDER) - 1) &&
		   !path[strlen(NODE_FOLDER) - 1]) {
		list_top(NODE_FOLDER, "node", nodes(m), put, opaque);
	} else if (sscanf(path, CPU_FOLDER "cpu%u%31s", &id, rest) >= 1 && id < model_pcpus(m) &&
		   (!*rest || !strcmp(rest, "/topology"))) {
		model_pcpu_read(m, id, &pcpu);
		if (*rest && !pcpu.online)
			return false;
		list_names(*rest ? topology_entries : cpu_entries, put, opaque);
	} else if (sscanf(path, NODE_FOLDER "node%u%31s", &id, rest) == 1 && id < nodes(m)) {
		list_names(node_entries, put, opaque);
	} else {
		return false;
	}
	return true;
}

enum host_file host_file_read(struct model *m, const char *path, unsigned long epoch_s, char **text,
			      size_t *len)
{
	struct source s = {.model = m, .epoch_s = epoch_s};
	bool made;

	if (!host_file_known(path))
		return HOST_FILE_REAL;
	*text = NULL;
	s.out = open_memstream(text, len);
	made = s.out && put_path(&s, path);
	if (s.out && fclose(s.out)) {
		free(*text);
		*text = NULL;
	}
	if (made)
		return HOST_FILE_MADE;
	free(*text);
	*text = NULL;
	return HOST_FILE_MISSING;
}

/* --- what libc tells --- */

void host_view_read(struct model *m, struct host_view *out)
{
	*out = (struct host_view){.pcpus = model_pcpus(m)};
	model_load_average(m, out->load_averages);
	for (unsigned int i = 0; i < out->pcpus; i++) {
		struct model_pcpu pcpu;

		model_pcpu_read(m, i, &pcpu);
		out->online += pcpu.online;
		out->online_map[i / 64] |= (uint64_t)pcpu.online << i % 64;
	}
	model_host_memory_read(m, &out->memory);
}
