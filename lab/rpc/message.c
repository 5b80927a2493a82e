/* SPDX-License-Identifier: MIT */
/* Headers and framing. */
#include "message.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_SIZE 65536u

void rpc_message_begin(struct rpc_out *out, const struct rpc_header *header)
{
	out->len = 0;
	out->failed = false;
	rpc_put_u32(out, 0);
	rpc_put_u32(out, header->program);
	rpc_put_u32(out, header->version);
	rpc_put_i32(out, header->procedure);
	rpc_put_i32(out, header->type);
	rpc_put_u32(out, header->serial);
	rpc_put_i32(out, header->status);
}

int rpc_message_end(struct rpc_out *out)
{
	size_t len = out->len;

	if (out->failed)
		return -1;
	out->len = 0;
	rpc_put_u32(out, (uint32_t)len);
	out->len = len;
	return 0;
}

int rpc_message_read(const unsigned char *data, size_t len, struct rpc_header *header,
		     struct rpc_in *in, const char **error)
{
	*in = (struct rpc_in){.data = data, .len = len};
	rpc_get_u32(in);
	header->program = rpc_get_u32(in);
	header->version = rpc_get_u32(in);
	header->procedure = rpc_get_i32(in);
	header->type = rpc_get_i32(in);
	header->serial = rpc_get_u32(in);
	header->status = rpc_get_i32(in);
	if (in->failed)
		*error = "a message shorter than its header";
	return in->failed ? -1 : 0;
}

const char *rpc_client_fault(const struct rpc_header *h)
{
	if (h->program != RPC_REMOTE && h->program != RPC_QEMU && h->program != RPC_KEEPALIVE)
		return "a message for a program that is none of libvirt's";
	if (h->version != RPC_VERSION)
		return "a message of another version of the protocol";
	if (h->status != RPC_OK)
		return "a message whose status only a reply has";
	if (h->program == RPC_KEEPALIVE) {
		if (h->type == RPC_EVENT && (h->procedure == RPC_PING || h->procedure == RPC_PONG))
			return NULL;
		return "a keepalive message that is neither ping nor pong";
	}
	if (h->type == RPC_STREAM || h->type == RPC_STREAM_HOLE)
		return "data for a stream, and none was opened";
	if (h->type == RPC_CALL_FDS)
		return "a call with file descriptors";
	return h->type == RPC_CALL ? NULL : "a message that is no call";
}

void rpc_reader_free(struct rpc_reader *r)
{
	free(r->data);
	*r = (struct rpc_reader){.max = r->max};
}

/* Room for one read, with what was taken already let go of. 0, −1 with errno. */
static int reader_room(struct rpc_reader *r)
{
	if (r->at) {
		memmove(r->data, r->data + r->at, r->len - r->at);
		r->len -= r->at;
		r->at = 0;
	}
	if (r->size - r->len >= READ_SIZE)
		return 0;
	size_t size = r->size ? 2 * r->size : 2 * READ_SIZE;
	unsigned char *data = realloc(r->data, size);

	if (!data)
		return -1;
	r->data = data;
	r->size = size;
	return 0;
}

long rpc_reader_fill(struct rpc_reader *r, int fd)
{
	if (reader_room(r) < 0)
		return -1;
	ssize_t got;

	do
		got = read(fd, r->data + r->len, READ_SIZE);
	while (got < 0 && errno == EINTR);
	if (got > 0)
		r->len += (size_t)got;
	return got;
}

int rpc_reader_next(struct rpc_reader *r, unsigned char **message, size_t *len, const char **error)
{
	struct rpc_in in = {.data = r->data ? r->data + r->at : NULL, .len = r->len - r->at};
	size_t max = r->max ? r->max : RPC_MESSAGE_MAX;

	if (in.len < RPC_LENGTH_SIZE)
		return 0;
	size_t need = rpc_get_u32(&in);

	if (need < RPC_LENGTH_SIZE + RPC_HEADER_SIZE) {
		*error = "a message shorter than its header";
		return -1;
	}
	if (need > max) {
		*error = "a message longer than any may be";
		return -1;
	}
	if (in.len < need)
		return 0;
	*message = r->data + r->at;
	*len = need;
	r->at += need;
	return 1;
}

bool rpc_reader_partial(const struct rpc_reader *r)
{
	return r->len > r->at;
}
