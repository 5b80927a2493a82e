/* SPDX-License-Identifier: MIT */
/* Whether a program can be run in the simulated host: found, executable, and open to a preloaded
 * library. */
#ifndef BALLAST_SIM_PROGRAM_H
#define BALLAST_SIM_PROGRAM_H

#include <limits.h>

#define PROGRAM_ERROR_MAX 256

/* Finds name as a shell would and checks it. 0 with its path; −1 with one line in error. */
int program_check(const char *name, char path[PATH_MAX], char error[PROGRAM_ERROR_MAX]);

#endif
