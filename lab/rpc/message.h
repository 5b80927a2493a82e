/* SPDX-License-Identifier: MIT */
/*
 * Messages of libvirt's remote protocol: a length (with its own 4 bytes), a header of six words,
 * and what is said, all XDR. After https://libvirt.org/kbase/internals/rpc.html.
 */
#ifndef BALLAST_RPC_MESSAGE_H
#define BALLAST_RPC_MESSAGE_H

#include "xdr.h"

#define RPC_LENGTH_SIZE 4
#define RPC_HEADER_SIZE 24
#define RPC_MESSAGE_MAX                                                                            \
	(32 * 1024 * 1024 + RPC_LENGTH_SIZE) /* libvirt's own limit, with the length */
#define RPC_VERSION 1

enum rpc_program {
	RPC_REMOTE = 0x20008086,    /* the API */
	RPC_QEMU = 0x20008087,	    /* libvirt-qemu's: monitor and guest agent */
	RPC_KEEPALIVE = 0x6b656570, /* procedures RPC_PING, answered with RPC_PONG */
};

enum rpc_keepalive { RPC_PING = 1, RPC_PONG };

enum rpc_type {
	RPC_CALL,
	RPC_REPLY,
	RPC_EVENT, /* from the daemon, unasked; pings and pongs, too */
	RPC_STREAM,
	RPC_CALL_FDS,
	RPC_REPLY_FDS,
	RPC_STREAM_HOLE,
};

enum rpc_status { RPC_OK, RPC_ERROR, RPC_CONTINUE };

struct rpc_header {
	uint32_t program, version;
	int32_t procedure, type;
	uint32_t serial; /* of the call, and of its reply; 0 in events */
	int32_t status;
};

/* Begins a message in out, which is emptied first; the length is put in by rpc_message_end(). */
void rpc_message_begin(struct rpc_out *out, const struct rpc_header *header);

/* Puts the length in. 0, or −1: out has failed. */
int rpc_message_end(struct rpc_out *out);

/*
 * Reads the header of a whole message, length included, and leaves `in` at what is said. 0, or −1
 * with one line in error: it is shorter than a header.
 */
int rpc_message_read(const unsigned char *data, size_t len, struct rpc_header *header,
		     struct rpc_in *in, const char **error);

/* Whether this may come from a client: a call or a ping. NULL, or one line that tells why not. */
const char *rpc_client_fault(const struct rpc_header *header);

/* Bytes of one direction of a connection, from which whole messages are taken. */
struct rpc_reader {
	unsigned char *data;
	size_t len, size; /* what was read; of the buffer */
	size_t at;	  /* where the next message begins */
	size_t max;	  /* bytes of a message with its length; 0: RPC_MESSAGE_MAX */
};

void rpc_reader_free(struct rpc_reader *r);

/*
 * Reads once from a descriptor, at most 64 KiB. Bytes read; 0 at its end; −1 with errno, EAGAIN
 * where there is nothing. Messages taken before are no longer valid.
 */
long rpc_reader_fill(struct rpc_reader *r, int fd);

/*
 * The next whole message: 1, and where it is until the next fill; 0: not all of it is here; −1 with
 * one line in error: its length cannot be. A long message takes memory as it arrives, not when it
 * is announced.
 */
int rpc_reader_next(struct rpc_reader *r, unsigned char **message, size_t *len, const char **error);

/* Whether a message has begun that is not all here. */
bool rpc_reader_partial(const struct rpc_reader *r);

#endif
