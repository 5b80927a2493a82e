/* SPDX-License-Identifier: MIT */
/*
 * One client of the gate: its connection, one of its own to libvirtd, and what is between them.
 * Calls are judged (rules.h) and passed on under serials of the gate's, replies and events are
 * passed back as they are. Nothing here waits; what either end does not read is kept up to a limit,
 * beyond which the other end is not read.
 */
#ifndef BALLAST_GATE_CLIENT_H
#define BALLAST_GATE_CLIENT_H

#include "guests.h"
#include "report.h"

#include "lab/rpc/link.h"

#include <stdbool.h>

/* What clients share. */
struct gate {
	struct gate_guests guests;
	struct gate_report report;
	struct rpc_args args; /* scratch, as is out */
	struct rpc_out out;
};

#define GATE_CALLS 32 /* of one client, unanswered; libvirtd itself takes 5 */

/* A call that libvirtd has not answered. */
struct gate_call {
	uint32_t serial;				    /* the gate's */
	enum { GATE_CLIENTS, GATE_NAME, GATE_TAG } purpose; /* the latter two ask about a guest */
	struct rpc_header header;			    /* the client's */
	const struct gate_guest *guest;			    /* NULL: about none */
	double start_s;
};

/* The client's call that waits until its guest is known. */
struct gate_held {
	unsigned char *message; /* NULL: none waits */
	size_t len;
	bool must_be_ours;
	struct rpc_header header;
	double start_s;
	unsigned char uuid[RPC_UUID_LEN];
	int answers; /* of two */
	bool tagged;
	char *name;	      /* as libvirtd has it; NULL: not known */
	unsigned char *error; /* libvirtd's own, where it does not know the guest */
	size_t error_len;
};

struct gate_client {
	struct gate *gate;
	struct rpc_link program, daemon;
	struct gate_call calls[GATE_CALLS];
	size_t ncalls;
	uint32_t serial;
	struct gate_held held;
	bool more; /* there was more to do than one turn allows */
};

/* Takes over both sockets. NULL: no memory. */
struct gate_client *gate_client_open(struct gate *gate, int program_fd, int daemon_fd);

/* Reports what was not answered. */
void gate_client_close(struct gate_client *c);

/* What to poll for. */
short gate_client_program_events(const struct gate_client *c);
short gate_client_daemon_events(const struct gate_client *c);

/* Moves on what can be moved. 0, or −1: the connection is over. */
int gate_client_serve(struct gate_client *c);

#endif
