/* SPDX-License-Identifier: MIT */
/* A client's connection, as those see it who answer its calls (answers.c, tell.c). */
#ifndef BALLAST_SIM_DAEMON_H
#define BALLAST_SIM_DAEMON_H

#include "host.h"

#include <libvirt/libvirt.h>

struct listener; /* for events, tell.c */

struct connection {
	struct connection *next;
	struct rpc_link link; /* fd −1: closed */
	bool readonly;
	virConnectPtr conn; /* NULL: not opened yet */
	struct listener *listeners;
	unsigned int calls; /* being answered */
};

/* A call, with its answer to be. */
struct call_in {
	struct connection *connection;
	struct rpc_header header;
	struct rpc_args *args;
	struct rpc_out *out; /* the reply has begun: what is put goes into it */
};

/* Answers a call. False: it failed, with virGetLastError(). */
/* Sends what has been put. */
void daemon_send(struct connection *c, struct rpc_out *out);

bool answer_call(struct call_in *c);

/* tell.c: begins and ends to send a connection's events. The id or −1; 0 or −1, with
 * virGetLastError(). */
int tell_begin(struct connection *c, virDomainPtr domain, int event);
int tell_end(struct connection *c, int id);
/* All of them, without a word to anybody. */
void tell_nothing(struct connection *c);

#endif
