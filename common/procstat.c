/* SPDX-License-Identifier: MIT */
/* Reads /proc/stat. */
#include "procstat.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "cpu3 user nice system idle iowait irq softirq steal …" */
static bool parse_line(const char *line, struct procstat_pcpu *pcpu)
{
	uint64_t user, nice, sys, idle, iowait, irq, softirq, steal;

	if (!isdigit((unsigned char)line[3]) ||
	    sscanf(line,
		   "cpu%d %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
		   " %" SCNu64 " %" SCNu64,
		   &pcpu->id, &user, &nice, &sys, &idle, &iowait, &irq, &softirq, &steal) != 9)
		return false;
	pcpu->busy = user + nice + sys + irq + softirq;
	pcpu->total = pcpu->busy + idle + iowait + steal;
	return true;
}

ssize_t procstat_read(struct procstat_pcpu **pcpus, size_t *size)
{
	FILE *file = fopen("/proc/stat", "re");
	char *line = NULL;
	size_t length = 0;
	ssize_t n = 0;

	if (!file)
		return -1;
	/* The CPUs come first; a long line follows them. */
	while (n >= 0 && getline(&line, &length, file) > 0 && !strncmp(line, "cpu", 3)) {
		struct procstat_pcpu pcpu;

		if (!parse_line(line, &pcpu))
			continue;
		if ((size_t)n == *size) {
			size_t bigger = *size ? 2 * *size : 16;
			struct procstat_pcpu *grown = reallocarray(*pcpus, bigger, sizeof(*grown));

			if (!grown) {
				n = -1;
				break;
			}
			*pcpus = grown;
			*size = bigger;
		}
		(*pcpus)[n++] = pcpu;
	}
	free(line);
	fclose(file);
	return n;
}
