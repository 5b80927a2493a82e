/* SPDX-License-Identifier: MIT */
/* What this machine's pCPUs did since it was started, by /proc/stat. */
#ifndef BALLAST_PROCSTAT_H
#define BALLAST_PROCSTAT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* An online pCPU; in ticks, of which sysconf(_SC_CLK_TCK) are a second. */
struct procstat_pcpu {
	int id;
	uint64_t busy; /* neither idle, nor waiting for a disk, nor taken by a hypervisor beneath */
	uint64_t total; /* all of it */
};

/*
 * Reads them, ascending, into *pcpus, an array with room for *size that grows as needed; to be
 * freed by the caller. Returns how many; −1 with errno.
 */
ssize_t procstat_read(struct procstat_pcpu **pcpus, size_t *size);

#endif
