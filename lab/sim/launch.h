/* SPDX-License-Identifier: MIT */
/* The program's start: the same process and the same environment in every run. */
#ifndef BALLAST_SIM_LAUNCH_H
#define BALLAST_SIM_LAUNCH_H

/* What the program's environment holds in every run, NAME=VALUE: the order of its sets and hashes.
 */
extern const char *const launch_fixed[];

/* Sets that, and its RUNTIME_DIRECTORY, in this process's environment. */
void launch_environment(const char *folder);

/*
 * Makes this process the program: a group of its own that ends with its parent, stdin from
 * /dev/null, its output to the two descriptors. Returns only where path cannot be run, with errno.
 */
void launch_program(const char *path, char *const *program, int stdout_fd, int stderr_fd);

#endif
