/* SPDX-License-Identifier: MIT */
/* Domains, errors, typed parameters and arguments. */
#include "types.h"

#include <stdlib.h>
#include <string.h>

/* The least that each takes on the wire. */
#define DOMAIN_WIRE (4 + RPC_UUID_LEN + 4)
#define PARAM_WIRE  12
#define STRING_WIRE 4
#define WORD_WIRE   4

/*
 * Bytes of arena that a byte of a message can need: a string costs its length word less than it
 * takes there, an array of structs at most 3 times as much.
 */
#define ARENA_PER_BYTE 4
#define ARENA_SLACK    64 /* alignment */

void rpc_put_domain(struct rpc_out *out, const struct rpc_domain *dom)
{
	rpc_put_string(out, dom->name);
	rpc_put_fixed(out, dom->uuid, RPC_UUID_LEN);
	rpc_put_i32(out, dom->id);
}

void rpc_put_error(struct rpc_out *out, const struct rpc_error *error)
{
	rpc_put_i32(out, error->code);
	rpc_put_i32(out, error->domain);
	rpc_put_optional(out, error->message);
	rpc_put_i32(out, error->level);
	rpc_put_u32(out, error->dom.name != NULL);
	if (error->dom.name)
		rpc_put_domain(out, &error->dom);
	rpc_put_optional(out, error->str1);
	rpc_put_optional(out, error->str2);
	rpc_put_optional(out, error->str3);
	rpc_put_i32(out, error->int1);
	rpc_put_i32(out, error->int2);
	rpc_put_u32(out, 0); /* no network */
}

static void put_param(struct rpc_out *out, const struct rpc_param *param)
{
	rpc_put_string(out, param->field);
	rpc_put_i32(out, param->type);
	switch (param->type) {
	case RPC_LLONG:
		rpc_put_i64(out, param->l);
		break;
	case RPC_ULLONG:
		rpc_put_u64(out, param->ul);
		break;
	case RPC_DOUBLE:
		rpc_put_double(out, param->d);
		break;
	case RPC_STRING:
		rpc_put_string(out, param->s);
		break;
	case RPC_UINT:
		rpc_put_u32(out, param->ui);
		break;
	default:
		rpc_put_i32(out, param->i);
	}
}

void rpc_put_params(struct rpc_out *out, const struct rpc_param *params, size_t n)
{
	rpc_put_u32(out, (uint32_t)n);
	for (size_t i = 0; i < n; i++)
		put_param(out, &params[i]);
}

void rpc_args_free(struct rpc_args *args)
{
	free(args->arena);
	*args = (struct rpc_args){0};
}

/* Makes the arena large enough for all that len bytes can hold. 0 or −1. */
static int arena_begin(struct rpc_args *args, size_t len)
{
	size_t need = ARENA_PER_BYTE * len + ARENA_SLACK * (RPC_ARGS_MAX + 1);

	args->n = 0;
	args->used = 0;
	if (need <= args->size)
		return 0;
	free(args->arena);
	args->arena = malloc(need);
	args->size = args->arena ? need : 0;
	return args->arena ? 0 : -1;
}

static void *arena_take(struct rpc_args *args, size_t size, size_t alignment)
{
	size_t at = (args->used + alignment - 1) & ~(alignment - 1);

	if (size > args->size || at > args->size - size)
		return NULL;
	args->used = at + size;
	return args->arena + at;
}

static const char *get_string(struct rpc_args *args, struct rpc_in *in)
{
	size_t len;
	const unsigned char *data = rpc_get_bytes(in, &len, RPC_STRING_MAX);
	char *text = data ? arena_take(args, len + 1, 1) : NULL;

	if (!text || memchr(data, '\0', len)) {
		in->failed = true;
		return NULL;
	}
	memcpy(text, data, len);
	text[len] = '\0';
	return text;
}

static const char *get_optional(struct rpc_args *args, struct rpc_in *in)
{
	return rpc_get_present(in) ? get_string(args, in) : NULL;
}

static void get_domain(struct rpc_args *args, struct rpc_domain *dom, struct rpc_in *in)
{
	dom->name = get_string(args, in);
	const unsigned char *uuid = rpc_get_fixed(in, RPC_UUID_LEN);

	if (uuid)
		memcpy(dom->uuid, uuid, RPC_UUID_LEN);
	dom->id = rpc_get_i32(in);
}

static void get_param(struct rpc_args *args, struct rpc_param *param, struct rpc_in *in)
{
	param->field = get_string(args, in);
	param->type = rpc_get_i32(in);
	switch (param->type) {
	case RPC_INT:
	case RPC_BOOLEAN:
		param->i = rpc_get_i32(in);
		break;
	case RPC_UINT:
		param->ui = rpc_get_u32(in);
		break;
	case RPC_LLONG:
		param->l = rpc_get_i64(in);
		break;
	case RPC_ULLONG:
		param->ul = rpc_get_u64(in);
		break;
	case RPC_DOUBLE:
		param->d = rpc_get_double(in);
		break;
	case RPC_STRING:
		param->s = get_string(args, in);
		break;
	default:
		in->failed = true;
	}
}

/* An array in the arena, and its number of elements; NULL where there are none. */
static void *get_array(struct rpc_args *args, struct rpc_in *in, size_t *n, size_t wire,
		       size_t size)
{
	*n = rpc_get_count(in, wire);
	void *items = *n ? arena_take(args, *n * size, sizeof(void *)) : NULL;

	if (items)
		memset(items, 0, *n * size);
	else if (*n)
		in->failed = true;
	return items;
}

static void get_list(struct rpc_args *args, char letter, union rpc_value *v, struct rpc_in *in)
{
	switch (letter) {
	case 'p':
		v->params.items =
			get_array(args, in, &v->params.n, PARAM_WIRE, sizeof(struct rpc_param));
		for (size_t i = 0; i < v->params.n && !in->failed; i++)
			get_param(args, &v->params.items[i], in);
		break;
	case 'l':
		v->domains.items =
			get_array(args, in, &v->domains.n, DOMAIN_WIRE, sizeof(struct rpc_domain));
		for (size_t i = 0; i < v->domains.n && !in->failed; i++)
			get_domain(args, &v->domains.items[i], in);
		break;
	case 't':
		v->strings.items = get_array(args, in, &v->strings.n, STRING_WIRE, sizeof(char *));
		for (size_t i = 0; i < v->strings.n && !in->failed; i++)
			v->strings.items[i] = get_string(args, in);
		break;
	case 'w':
		v->words.items = get_array(args, in, &v->words.n, WORD_WIRE, sizeof(uint32_t));
		for (size_t i = 0; i < v->words.n && !in->failed; i++)
			v->words.items[i] = rpc_get_u32(in);
		break;
	default:
		in->failed = true;
	}
}

static void get_value(struct rpc_args *args, char letter, union rpc_value *v, struct rpc_in *in)
{
	const unsigned char *uuid;

	switch (letter) {
	case 'i':
		v->i = rpc_get_i32(in);
		break;
	case 'u':
		v->u = rpc_get_u32(in);
		break;
	case 'h':
		v->h = rpc_get_i64(in);
		break;
	case 'H':
		v->uh = rpc_get_u64(in);
		break;
	case 's':
		v->s = get_string(args, in);
		break;
	case 'S':
		v->s = get_optional(args, in);
		break;
	case 'U':
		uuid = rpc_get_fixed(in, RPC_UUID_LEN);
		if (uuid)
			memcpy(v->uuid, uuid, RPC_UUID_LEN);
		break;
	case 'D':
		if (!rpc_get_present(in))
			break;
		/* fall through */
	case 'd':
		get_domain(args, &v->dom, in);
		break;
	case 'o':
		v->bytes.data = rpc_get_bytes(in, &v->bytes.len, RPC_STRING_MAX);
		break;
	default:
		get_list(args, letter, v, in);
	}
}

int rpc_args_read_some(struct rpc_args *args, const char *shape, struct rpc_in *in)
{
	if (arena_begin(args, rpc_in_left(in)) < 0)
		return -1;
	for (; shape[args->n]; args->n++) {
		union rpc_value *v = &args->value[args->n];

		memset(v, 0, sizeof(*v));
		get_value(args, shape[args->n], v, in);
		if (in->failed)
			return -1;
	}
	return 0;
}

int rpc_args_read(struct rpc_args *args, const char *shape, struct rpc_in *in)
{
	if (rpc_args_read_some(args, shape, in) < 0 || rpc_in_left(in))
		return -1;
	return 0;
}

int rpc_error_read(struct rpc_args *args, struct rpc_error *error, struct rpc_in *in)
{
	*error = (struct rpc_error){0};
	if (arena_begin(args, rpc_in_left(in)) < 0)
		return -1;
	error->code = rpc_get_i32(in);
	error->domain = rpc_get_i32(in);
	error->message = get_optional(args, in);
	error->level = rpc_get_i32(in);
	if (rpc_get_present(in))
		get_domain(args, &error->dom, in);
	error->str1 = get_optional(args, in);
	error->str2 = get_optional(args, in);
	error->str3 = get_optional(args, in);
	error->int1 = rpc_get_i32(in);
	error->int2 = rpc_get_i32(in);
	return in->failed ? -1 : 0;
}
