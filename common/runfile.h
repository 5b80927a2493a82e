/* SPDX-License-Identifier: MIT */
/* What a daemon leaves in the file system: its run folder, a lock, files that are replaced as a
 * whole. */
#ifndef BALLAST_RUNFILE_H
#define BALLAST_RUNFILE_H

#include <stddef.h>

#define RUN_PATH_MAX  4096
#define RUN_ERROR_MAX 512

/*
 * The folder of locks and state: $RUNTIME_DIRECTORY (systemd's), /run/ballast for root, else
 * $XDG_RUNTIME_DIR/ballast or /tmp/ballast-UID; made if it is missing. 0, or −1 with one line in
 * error.
 */
int run_folder(char path[RUN_PATH_MAX], char error[RUN_ERROR_MAX]);

/* The same for whoever only looks: nothing is made. */
int run_folder_name(char path[RUN_PATH_MAX], char error[RUN_ERROR_MAX]);

/*
 * Only one program of that name at a time: locks folder/program.lock until the process ends. 0; −1
 * with one line in error.
 */
int run_lock(const char *folder, const char *program, char error[RUN_ERROR_MAX]);

/* Replaces a file as a whole, so that readers see the old or the new text. 0, −1 with errno. */
int file_replace(const char *path, const char *text, size_t len);

#endif
