/* SPDX-License-Identifier: MIT */
/* Files of the project, found from where the program that runs lies. */
#include "beside.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

int beside_program(char path[PATH_MAX], const char *relative)
{
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);
	char *name;

	if (n < 0)
		return -1;
	path[n] = '\0';
	name = strrchr(path, '/') + 1;
	if (strlen(relative) >= (size_t)(path + PATH_MAX - name)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(name, relative);
	return 0;
}
