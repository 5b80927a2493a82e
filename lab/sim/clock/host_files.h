/* SPDX-License-Identifier: MIT */
/* What a host tells of itself in /proc and /sys, written from a model. Pure but for the model. */
#ifndef BALLAST_SIM_HOST_FILES_H
#define BALLAST_SIM_HOST_FILES_H

#include "model/model.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What such a path is to the simulation. */
enum host_file {
	HOST_FILE_REAL,	   /* none of its business */
	HOST_FILE_MISSING, /* belongs to the host, which has no such file */
	HOST_FILE_MADE,	   /* text was made */
};

/*
 * The content of a file, as it is now. epoch_s: the date of the host's boot. On HOST_FILE_MADE
 * *text is to be freed (NULL: out of memory).
 */
enum host_file host_file_read(struct model *m, const char *path, unsigned long epoch_s, char **text,
			      size_t *len);

#define HOST_CPU_FOLDER	 "/sys/devices/system/cpu/"
#define HOST_NODE_FOLDER "/sys/devices/system/node/"

/* Whether host_file_read() would not answer HOST_FILE_REAL, and host_folder_list() perhaps true.
 * Cheap, and without a model (host_paths.c). */
bool host_file_known(const char *path);
bool host_folder_known(const char *path);

/* Calls put for each entry of a folder of the host's; false: it is none. */
bool host_folder_list(struct model *m, const char *path,
		      void (*put)(const char *name, bool folder, void *opaque), void *opaque);

/* What libc tells of the host without a file. */
struct host_view {
	unsigned int pcpus, online;
	uint64_t online_map[MODEL_PCPUS_MAX / 64];
	struct model_host_memory memory;
	double load_averages[3];
};

void host_view_read(struct model *m, struct host_view *out);

#endif
