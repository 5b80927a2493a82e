/* SPDX-License-Identifier: MIT */
/* A guest's own memory figures, from the texts of its /proc files. Pure. */
#ifndef BALLAST_INSIDE_H
#define BALLAST_INSIDE_H

#include <stdint.h>

struct inside {
	int64_t free_kib;
	int64_t available_kib;
	int64_t total_kib;
	int64_t oom_kill; /* since boot; −1: not known */
	int64_t load_kib; /* what the memory load holds */
};

/*
 * From /proc/meminfo, /proc/vmstat and memload's report, the latter two may be NULL. 0, −1 where
 * meminfo lacks a figure.
 */
int inside_parse(const char *meminfo, const char *vmstat, const char *report, struct inside *out);

#endif
