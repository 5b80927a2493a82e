/* SPDX-License-Identifier: MIT */
/*
 * One end of a connection on a Unix socket: never blocks, keeps what the other end has not read
 *yet. The loop around it, poll(2) or another, is its user's:
 *
 *	while (rpc_link_read(l, &m, &error) > 0)	// m.header and m.body of each whole message
 *		if (m.header.program == RPC_REMOTE && …)
 *			rpc_reply_begin(&out, &m.header), rpc_put_…(&out, …), rpc_link_put(l, &out);
 */
#ifndef BALLAST_RPC_LINK_H
#define BALLAST_RPC_LINK_H

#include "message.h"
#include "types.h"

#include <sys/types.h>

struct rpc_link {
	int fd; /* −1: closed */
	struct rpc_reader in;
	unsigned char *queue; /* not yet taken by the other end */
	size_t at, len, size; /* of it: sent, put, of the buffer */
};

struct rpc_message {
	struct rpc_header header;
	struct rpc_in body;
	unsigned char *data; /* the whole of it, length included, until the next read */
	size_t len;
};

/* Takes over a connected socket. max: bytes of a message from there; 0: the protocol's limit. */
void rpc_link_open(struct rpc_link *l, int fd, size_t max);
void rpc_link_close(struct rpc_link *l);

/*
 * The next message: 1; 0: there is none now; −1: the connection is at its end, and where the other
 * end broke the protocol or the message was cut, error is one line that tells how, else NULL.
 */
int rpc_link_read(struct rpc_link *l, struct rpc_message *m, const char **error);

/* The same of what is here already: reads nothing from the socket. */
int rpc_link_next(struct rpc_link *l, struct rpc_message *m, const char **error);

/* Sends what can be sent, keeps the rest. 0, or −1 with errno: the connection is broken. */
int rpc_link_send(struct rpc_link *l, const void *data, size_t len);
int rpc_link_flush(struct rpc_link *l);

/* Bytes that are kept: poll for POLLOUT while there are some, and stop reading from whoever makes
 * them where they become too many. */
size_t rpc_link_waiting(const struct rpc_link *l);

/* Ends a message (rpc_message_end) and sends it. 0, or −1 with errno. */
int rpc_link_put(struct rpc_link *l, struct rpc_out *out);

/* Begin a reply to a call, whose header is given, and an event of that procedure. */
void rpc_reply_begin(struct rpc_out *out, const struct rpc_header *call);
void rpc_event_begin(struct rpc_out *out, int32_t procedure);

/* A whole reply that is an error, without rpc_message_end(). */
void rpc_reply_error(struct rpc_out *out, const struct rpc_header *call,
		     const struct rpc_error *error);

/* A whole pong, without rpc_message_end(). */
void rpc_pong(struct rpc_out *out);

/*
 * Make a listening socket at that path with that mode, where nothing but a socket is replaced, and
 * one that is connected, without waiting (EAGAIN where too many wait already). The descriptor, or
 * −1 with errno (ENAMETOOLONG above 107 bytes).
 */
int rpc_listen(const char *path, mode_t mode);
int rpc_connect(const char *path);

#endif
