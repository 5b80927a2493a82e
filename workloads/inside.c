/* SPDX-License-Identifier: MIT */
/* A guest's own memory figures, from the texts of its /proc files. */
#include "inside.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* The number behind a name at the start of a line; −1: there is no such line. */
static int64_t field(const char *text, const char *name)
{
	size_t len = strlen(name);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, name, len))
			return strtoll(line + len, NULL, 10);
	}
	return -1;
}

int inside_parse(const char *meminfo, const char *vmstat, const char *report, struct inside *out)
{
	json_t *load = report ? json_loads(report, 0, NULL) : NULL;

	out->free_kib = field(meminfo, "MemFree:");
	out->available_kib = field(meminfo, "MemAvailable:");
	out->total_kib = field(meminfo, "MemTotal:");
	out->oom_kill = vmstat ? field(vmstat, "oom_kill ") : -1;
	out->load_kib = json_integer_value(json_object_get(load, "load_kib"));
	json_decref(load);
	return out->free_kib < 0 || out->available_kib < 0 || out->total_kib < 0 ? -1 : 0;
}
