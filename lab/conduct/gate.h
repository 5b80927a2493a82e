/* SPDX-License-Identifier: MIT */
/* The gate as the conductor's child: the program under test finds libvirt there, see gate(8). */
#ifndef BALLAST_CONDUCT_GATE_H
#define BALLAST_CONDUCT_GATE_H

#include "child.h"

#define GATE_SOCKETS "s" /* the folder's name within that of the run */

struct gate {
	struct child child;
	int in_fd;	  /* its stdin; −1 */
	char sockets[64]; /* the folder that the program sees as /run/libvirt */
};

/*
 * Starts it for guests with that prefix and waits until it listens within folder, which nobody else
 * can enter and which the caller removes; its calls go into the trace. 0, −1 after a line on
 * stderr.
 */
int gate_start(struct gate *g, const char *folder, const char *prefix, const char *trace);

/* Tells it when t = 0 is. 0, −1. */
int gate_go(struct gate *g, double epoch_s);

/* Ends it, if it was started. 0; −1 where it had ended already: the program's calls are not all
 * seen. */
int gate_finish(struct gate *g);

#endif
