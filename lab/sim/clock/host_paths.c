/* SPDX-License-Identifier: MIT */
/* Which paths of /proc and /sys are the simulated host's. */
#include "host_files.h"

#include <string.h>

static const char *const proc_files[] = {"/proc/meminfo", "/proc/stat",	   "/proc/cpuinfo",
					 "/proc/uptime",  "/proc/loadavg", "/proc/vmstat"};

static bool begins(const char *path, const char *folder, size_t len)
{
	return !strncmp(path, folder, len);
}

bool host_file_known(const char *path)
{
	if (begins(path, HOST_CPU_FOLDER, strlen(HOST_CPU_FOLDER)) ||
	    begins(path, HOST_NODE_FOLDER, strlen(HOST_NODE_FOLDER)))
		return true;
	for (size_t i = 0; i < sizeof(proc_files) / sizeof(proc_files[0]); i++) {
		if (!strcmp(path, proc_files[i]))
			return true;
	}
	return false;
}

bool host_folder_known(const char *path)
{
	return begins(path, HOST_CPU_FOLDER, strlen(HOST_CPU_FOLDER) - 1) ||
	       begins(path, HOST_NODE_FOLDER, strlen(HOST_NODE_FOLDER) - 1) ||
	       host_file_known(path);
}
