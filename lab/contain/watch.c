/* SPDX-License-Identifier: MIT */
/*
 * How much memory the processes of a sandbox have. Control groups would hold them to it, but need
 * root and a hierarchy that is handed over; a look at /proc needs neither. It is taken the more
 * often the less is left: what is free cannot be filled before the next look.
 */
#include "contain.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* As fast as a CPU can touch new pages. */
#define FILL_MIB_PER_MS 2
#define NEXT_MS_MIN	10
#define NEXT_MS_MAX	500

/* In each folder; an empty one takes about 1 KiB. */
#define FILES_MAX 50000

/* Below this share of its memory the machine has none left. */
#define LEAST_SHARE 0.02

/* Reads a small file of /proc; its length, or 0. */
static size_t read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, size - 1);

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

static long field_kib(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at ? strtol(at + strlen(name), NULL, 10) : -1;
}

static long resident_kib(const char *pid)
{
	char path[64], text[128];
	long pages;

	snprintf(path, sizeof(path), "/proc/%.20s/statm", pid);
	if (!read_text(path, text, sizeof(text)) || sscanf(text, "%*d %ld", &pages) != 1)
		return 0;
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* Pages that several processes share are counted once. What a process hides counts in full. */
static long proportional_kib(const char *pid)
{
	char path[64], text[2048];
	long kib;

	snprintf(path, sizeof(path), "/proc/%.20s/smaps_rollup", pid);
	kib = read_text(path, text, sizeof(text)) ? field_kib(text, "\nPss:") : -1;
	return kib < 0 ? resident_kib(pid) : kib;
}

static long sum_kib(long (*of)(const char *pid))
{
	DIR *folder = opendir("/proc");
	struct dirent *entry;
	long kib = 0;

	while (folder && (entry = readdir(folder))) {
		if (isdigit((unsigned char)entry->d_name[0]) && strcmp(entry->d_name, "1"))
			kib += of(entry->d_name);
	}
	if (folder)
		closedir(folder);
	return kib;
}

static bool machine_is_full(void)
{
	char text[512];
	long total, left;

	if (!read_text("/proc/meminfo", text, sizeof(text)))
		return false;
	total = field_kib(text, "MemTotal:");
	left = field_kib(text, "MemAvailable:");
	return total > 0 && left >= 0 && (double)left < LEAST_SHARE * (double)total;
}

/* The folders are memory, of which empty files take some that their sizes do not tell. */
static bool has_too_many_files(const char *folder)
{
	struct statvfs fs;

	return statvfs(folder, &fs) == 0 && fs.f_files - fs.f_ffree > FILES_MAX;
}

static bool made_too_many_files(const struct contain_job *job)
{
	bool too_many = job->builds && has_too_many_files(CONTAIN_SUBMISSION);

	for (const char *const *at = contain_scratch; *at && !too_many; at++)
		too_many = has_too_many_files(*at);
	return too_many;
}

bool contain_watch(const struct contain_job *job, struct contain_result *result, int *next_ms)
{
	long memory_mib = job->limits.memory_mib, used_kib = sum_kib(resident_kib), left_mib;

	if (used_kib > memory_mib * 1024)
		used_kib = sum_kib(proportional_kib);
	if (used_kib > memory_mib * 1024) {
		result->end = CONTAIN_LIMIT;
		snprintf(result->reason, sizeof(result->reason),
			 "it used more than %ld MiB of memory", memory_mib);
		return false;
	}
	if (made_too_many_files(job)) {
		result->end = CONTAIN_LIMIT;
		snprintf(result->reason, sizeof(result->reason), "it made more than %d files",
			 FILES_MAX);
		return false;
	}
	if (machine_is_full()) {
		result->end = CONTAIN_MACHINE;
		snprintf(result->reason, sizeof(result->reason),
			 "the machine had no memory left while it ran");
		return false;
	}
	left_mib = memory_mib - used_kib / 1024;
	*next_ms = (int)(left_mib / FILL_MIB_PER_MS);
	*next_ms = *next_ms < NEXT_MS_MIN   ? NEXT_MS_MIN
		   : *next_ms > NEXT_MS_MAX ? NEXT_MS_MAX
					    : *next_ms;
	return true;
}
