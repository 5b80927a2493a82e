/* SPDX-License-Identifier: MIT */
/* A process's connection to the simulated host, for those who make processes of processes. */
#ifndef BALLAST_SIM_REMOTE_H
#define BALLAST_SIM_REMOTE_H

#include "control.h"

#include <stdbool.h>

const struct control_page *remote_page(void);
int remote_fd(void);

/*
 * Tells the host of a child that will be there in a moment, and returns the descriptor it has to
 * inherit, without FD_CLOEXEC; −1 with errno. closed: why it will have no simulated clock; NULL: it
 * will. The child is there once it speaks, and gone when all
 * copies of the descriptor are closed.
 */
int remote_announce_child(const char *closed);

/* This process becomes a program without the simulated clock. */
void remote_goes_outside(const char *closed);

/* In a forked child: takes the descriptor in the parent's one's place and waits for its turn. */
void remote_become_child(int fd);

/* Takes note of what a new program has to find in its environment. */
void children_set_up(void);

/* Leads libc's own calls of read() and write(), as stdio's, to ours. */
void patch_libc(void);

#endif
