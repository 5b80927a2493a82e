/* SPDX-License-Identifier: MIT */
/* Whether a program can be run in the simulated host: found, executable, and open to a preloaded
 * library. */
#ifndef BALLAST_SIM_PROGRAM_H
#define BALLAST_SIM_PROGRAM_H

#include <limits.h>

#define PROGRAM_ERROR_MAX 256

enum program {
	PROGRAM_FINE = 0,
	PROGRAM_BAD = -1,    /* it cannot be run at all */
	PROGRAM_CLOSED = -2, /* nothing can be preloaded into it */
};

/* Finds name as a shell would and checks it. PROGRAM_FINE with its path, or one line in error. */
enum program program_check(const char *name, char path[PATH_MAX], char error[PROGRAM_ERROR_MAX]);

#endif
