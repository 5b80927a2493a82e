/* SPDX-License-Identifier: MIT */
/*
 * XDR (RFC 4506), as much as libvirt's protocol has of it: everything is big endian and fills whole
 * words of 4 bytes. Written by hand: libvirt's names for what it sends are needed nowhere, so that
 * this file is all there is, where rpcgen makes a struct, two functions and a free for each
 * message.
 *
 * Both sides remember that something failed, so that a caller asks once, at the end.
 */
#ifndef BALLAST_RPC_XDR_H
#define BALLAST_RPC_XDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A message being written. All zero is an empty one. */
struct rpc_out {
	unsigned char *data;
	size_t len, size;
	bool failed; /* no memory, or longer than a message may be: what was put is not whole */
};

/* Frees what it holds; it is empty again. */
void rpc_out_free(struct rpc_out *out);

void rpc_put_i32(struct rpc_out *out, int32_t value);
void rpc_put_u32(struct rpc_out *out, uint32_t value);
void rpc_put_i64(struct rpc_out *out, int64_t value);
void rpc_put_u64(struct rpc_out *out, uint64_t value);
void rpc_put_double(struct rpc_out *out, double value);

/* Bytes as they are, padded to a whole word: UUIDs. */
void rpc_put_fixed(struct rpc_out *out, const void *data, size_t len);

/* Bytes with their number before them. */
void rpc_put_bytes(struct rpc_out *out, const void *data, size_t len);
void rpc_put_string(struct rpc_out *out, const char *text);

/* A string that may be NULL. */
void rpc_put_optional(struct rpc_out *out, const char *text);

/* An array of n characters, each of which fills a word of its own; what text leaves is 0. */
void rpc_put_chars(struct rpc_out *out, const char *text, size_t n);

/* A message being read; the bytes are the caller's. */
struct rpc_in {
	const unsigned char *data;
	size_t len, at;
	bool failed; /* the message is shorter than what was asked of it, or breaks a rule */
};

size_t rpc_in_left(const struct rpc_in *in);

/* Each returns 0, and NULL, once the reading has failed. */
int32_t rpc_get_i32(struct rpc_in *in);
uint32_t rpc_get_u32(struct rpc_in *in);
int64_t rpc_get_i64(struct rpc_in *in);
uint64_t rpc_get_u64(struct rpc_in *in);
double rpc_get_double(struct rpc_in *in);

/* Points into the message, at len bytes and their padding. */
const unsigned char *rpc_get_fixed(struct rpc_in *in, size_t len);

/* Points into the message, at bytes without a 0 behind them; at most max. */
const unsigned char *rpc_get_bytes(struct rpc_in *in, size_t *len, size_t max);

/* The number of an array's elements, each of which takes at least that many bytes. */
size_t rpc_get_count(struct rpc_in *in, size_t element_size);

/* Whether an optional value follows. */
bool rpc_get_present(struct rpc_in *in);

#endif
