/* SPDX-License-Identifier: MIT */
/* XDR's words, strings and arrays. */
#include "xdr.h"
#include "message.h"

#include <stdlib.h>
#include <string.h>

#define WORD 4

static size_t padded(size_t len)
{
	return (len + WORD - 1) & ~(size_t)(WORD - 1);
}

void rpc_out_free(struct rpc_out *out)
{
	free(out->data);
	*out = (struct rpc_out){0};
}

/* Room for len more bytes, or NULL. */
static unsigned char *out_room(struct rpc_out *out, size_t len)
{
	if (out->failed || len > RPC_MESSAGE_MAX || out->len + len > RPC_MESSAGE_MAX) {
		out->failed = true;
		return NULL;
	}
	if (out->len + len > out->size) {
		size_t size = out->size ? out->size : 256;

		while (size < out->len + len)
			size *= 2;
		unsigned char *data = realloc(out->data, size);

		if (!data) {
			out->failed = true;
			return NULL;
		}
		out->data = data;
		out->size = size;
	}
	out->len += len;
	return out->data + out->len - len;
}

void rpc_put_u32(struct rpc_out *out, uint32_t value)
{
	unsigned char *p = out_room(out, WORD);

	if (!p)
		return;
	p[0] = (unsigned char)(value >> 24);
	p[1] = (unsigned char)(value >> 16);
	p[2] = (unsigned char)(value >> 8);
	p[3] = (unsigned char)value;
}

void rpc_put_i32(struct rpc_out *out, int32_t value)
{
	rpc_put_u32(out, (uint32_t)value);
}

void rpc_put_u64(struct rpc_out *out, uint64_t value)
{
	rpc_put_u32(out, (uint32_t)(value >> 32));
	rpc_put_u32(out, (uint32_t)value);
}

void rpc_put_i64(struct rpc_out *out, int64_t value)
{
	rpc_put_u64(out, (uint64_t)value);
}

void rpc_put_double(struct rpc_out *out, double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	rpc_put_u64(out, bits);
}

void rpc_put_fixed(struct rpc_out *out, const void *data, size_t len)
{
	unsigned char *p = len > RPC_MESSAGE_MAX ? NULL : out_room(out, padded(len));

	if (!p) {
		out->failed = true;
		return;
	}
	if (len)
		memcpy(p, data, len);
	memset(p + len, 0, padded(len) - len);
}

void rpc_put_bytes(struct rpc_out *out, const void *data, size_t len)
{
	rpc_put_u32(out, (uint32_t)len);
	rpc_put_fixed(out, data, len);
}

void rpc_put_string(struct rpc_out *out, const char *text)
{
	rpc_put_bytes(out, text, strlen(text));
}

void rpc_put_optional(struct rpc_out *out, const char *text)
{
	rpc_put_u32(out, text != NULL);
	if (text)
		rpc_put_string(out, text);
}

void rpc_put_chars(struct rpc_out *out, const char *text, size_t n)
{
	size_t len = strnlen(text, n);

	for (size_t i = 0; i < n; i++)
		rpc_put_i32(out, i < len ? text[i] : 0);
}

size_t rpc_in_left(const struct rpc_in *in)
{
	return in->failed ? 0 : in->len - in->at;
}

const unsigned char *rpc_get_fixed(struct rpc_in *in, size_t len)
{
	if (in->failed || len > in->len || padded(len) > in->len - in->at) {
		in->failed = true;
		return NULL;
	}
	in->at += padded(len);
	return in->data + in->at - padded(len);
}

uint32_t rpc_get_u32(struct rpc_in *in)
{
	const unsigned char *p = rpc_get_fixed(in, WORD);

	if (!p)
		return 0;
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

int32_t rpc_get_i32(struct rpc_in *in)
{
	return (int32_t)rpc_get_u32(in);
}

uint64_t rpc_get_u64(struct rpc_in *in)
{
	uint64_t high = rpc_get_u32(in);

	return high << 32 | rpc_get_u32(in);
}

int64_t rpc_get_i64(struct rpc_in *in)
{
	return (int64_t)rpc_get_u64(in);
}

double rpc_get_double(struct rpc_in *in)
{
	uint64_t bits = rpc_get_u64(in);
	double value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

const unsigned char *rpc_get_bytes(struct rpc_in *in, size_t *len, size_t max)
{
	*len = rpc_get_u32(in);
	if (*len > max)
		in->failed = true;
	const unsigned char *p = rpc_get_fixed(in, *len);

	if (!p)
		*len = 0;
	return p;
}

size_t rpc_get_count(struct rpc_in *in, size_t element_size)
{
	size_t n = rpc_get_u32(in);

	if (n > rpc_in_left(in) / element_size)
		in->failed = true;
	return in->failed ? 0 : n;
}

bool rpc_get_present(struct rpc_in *in)
{
	uint32_t present = rpc_get_u32(in);

	if (present > 1)
		in->failed = true;
	return !in->failed && present;
}
