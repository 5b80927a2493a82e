/* SPDX-License-Identifier: MIT */
/* A client's connection, as those see it who answer its calls (answers.c, tell.c). */
#ifndef BALLAST_SIM_DAEMON_H
#define BALLAST_SIM_DAEMON_H

#include "host.h"

struct client; /* driver/driver.h */

struct connection {
	struct connection *next;
	struct rpc_link link; /* fd −1: closed */
	bool readonly;
	struct client *client; /* NULL: not opened yet */
	unsigned int calls;    /* being answered */
	uint64_t free_ns;      /* when what is on a slow link has come through */
};

/* A call, with its answer to be. */
struct call_in {
	struct connection *connection;
	struct rpc_header header;
	struct rpc_args *args;
	struct rpc_out *out; /* the reply has begun: what is put goes into it */
};

/* Sends what has been put. */
void daemon_send(struct connection *c, struct rpc_out *out);

/* A new connection of that process; fd is non-blocking. */
void daemon_take(struct host *h, int fd, pid_t pid, bool readonly);

/* Answers a call. False: it failed, with driver_error(). */
bool answer_call(struct call_in *c);

#endif
