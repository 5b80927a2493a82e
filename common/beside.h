/* SPDX-License-Identifier: MIT */
/* Files of the project, found from where the program that runs lies. */
#ifndef BALLAST_BESIDE_H
#define BALLAST_BESIDE_H

#include <limits.h>

/*
 * path becomes that of a file, named relative to the folder of this process's program, whether it
 * is there or not. 0, −1 with errno.
 */
int beside_program(char path[PATH_MAX], const char *relative);

#endif
