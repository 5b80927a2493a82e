/* SPDX-License-Identifier: MIT */
/* The gate as the recorder's child: the program under test finds libvirt there, see gate(8). */
#ifndef BALLAST_RECORD_GATE_H
#define BALLAST_RECORD_GATE_H

#include "record_child.h"

#define RECORD_GATE_FOLDER 64

struct record_gate {
	struct child child;
	int in_fd;			      /* its stdin */
	char folder[RECORD_GATE_FOLDER];      /* nobody else can enter it */
	char sockets[RECORD_GATE_FOLDER + 8]; /* in it: what the program sees as /run/libvirt */
};

/* Starts it for guests with that prefix and waits until it listens; its calls go into the trace. 0,
 * −1 after a line on stderr. */
int record_gate_start(struct record_gate *g, const char *prefix, const char *trace);

/* Tells it when t = 0 is. 0, −1. */
int record_gate_go(struct record_gate *g, double epoch_s);

/* Ends it, if it was started. 0; −1 where it had ended already: the program's calls are not all
 * seen. */
int record_gate_finish(struct record_gate *g);

#endif
