/* SPDX-License-Identifier: MIT */
/* Where the kernel lets a guest run, from what it makes of affinities, or of a thread nobody pins.
 */
#include "cpuset.h"

#include "units.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* pCPUs that Linux can have at most (NR_CPUS of the largest configurations). */
#define PCPUS_MOST 8192

/* libvirt's note of a guest's process. */
#define PID_FILE "/run/libvirt/qemu/%s.pid"

static bool is_within(const unsigned char *map, const unsigned char *in, const unsigned char *mask,
		      size_t maplen)
{
	for (size_t i = 0; i < maplen; i++) {
		if (map[i] & mask[i] & ~in[i])
			return false;
	}
	return true;
}

static bool is_empty(const unsigned char *map, size_t maplen)
{
	return cpumap_count(map, maplen) == 0;
}

bool cpuset_learn(unsigned char *cpuset, const unsigned char *asked, const unsigned char *now,
		  size_t n, const unsigned char *online, size_t maplen)
{
	unsigned char *seen = calloc(3, maplen), *out = seen + maplen, *old = out + maplen;
	bool all = false, changed;

	if (!seen)
		return false;
	for (size_t v = 0; v < n; v++, asked += maplen, now += maplen) {
		if (is_empty(now, maplen))
			continue;
		/* Where nothing is left of what was asked for the kernel gives all there is. */
		all |= is_within(online, asked, online, maplen) ||
		       !is_within(now, asked, online, maplen);
		for (size_t i = 0; i < maplen; i++) {
			seen[i] |= now[i];
			out[i] |= asked[i] & online[i] & (unsigned char)~now[i];
		}
	}
	memcpy(old, cpuset, maplen);
	for (size_t i = 0; i < maplen; i++)
		cpuset[i] = all ? seen[i] : (unsigned char)((cpuset[i] & ~out[i]) | seen[i]);
	changed = memcmp(old, cpuset, maplen) != 0;
	free(seen);
	return changed;
}

/* Is that argument among those the process was started with? */
static bool has_argument(int pid, const char *argument)
{
	char path[64], *line = NULL;
	size_t size = 0;
	bool found = false;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	while (!found && getdelim(&line, &size, '\0', file) > 0)
		found = !strcmp(line, argument);
	free(line);
	fclose(file);
	return found;
}

int cpuset_find_process(const char *name, const char *uuid)
{
	char path[512], line[32];
	long pid = 0;
	FILE *file;

	if (snprintf(path, sizeof(path), PID_FILE, name) >= (int)sizeof(path))
		return 0;
	file = fopen(path, "re");
	if (!file)
		return 0;
	if (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		if (parse_integer(line, 1, 1 << 30, &pid))
			pid = 0;
	}
	fclose(file);
	return pid && has_argument((int)pid, uuid) ? (int)pid : 0;
}

int cpuset_read_process(int pid, unsigned char *map, size_t maplen)
{
	cpu_set_t *set = CPU_ALLOC(PCPUS_MOST);
	size_t size = CPU_ALLOC_SIZE(PCPUS_MOST);
	int result = set ? sched_getaffinity(pid, size, set) : -1;

	memset(map, 0, maplen);
	for (size_t id = 0; result == 0 && id < maplen * 8 && id < PCPUS_MOST; id++) {
		if (CPU_ISSET_S(id, size, set))
			cpumap_add(map, (unsigned int)id);
	}
	CPU_FREE(set);
	return result;
}
