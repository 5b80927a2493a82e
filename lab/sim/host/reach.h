/* SPDX-License-Identifier: MIT */
/*
 * Whom the processes of a run reach. Whatever they are made of, the kernel asks us before each
 * connect(2) of theirs (seccomp): libvirt's sockets are ours, and nothing of the machine's own
 * libvirt is reached. For programs in a sandbox there is nothing to reach. It guards against
 * mistakes, not against a program that changes the address while we look at it.
 */
#ifndef BALLAST_SIM_REACH_H
#define BALLAST_SIM_REACH_H

#include "host.h"

/* In the child, before it becomes the program: its guard, sent over the socket. Ends the process
 * where there can be none. */
void reach_hand_over(int socket);

/* The guard of a child that has handed it over; −1: it has not. Waits for the child. */
int reach_take_over(int socket);

/* Answers a process that connects. */
void reach_serve(struct host *h);

#endif
