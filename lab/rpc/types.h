/* SPDX-License-Identifier: MIT */
/*
 * Libvirt's own types on the wire: domains, errors, typed parameters; and how to read the arguments
 * of a call whose shape procedures.h tells.
 */
#ifndef BALLAST_RPC_TYPES_H
#define BALLAST_RPC_TYPES_H

#include "xdr.h"

#define RPC_UUID_LEN   16
#define RPC_STRING_MAX (4 * 1024 * 1024) /* libvirt's limit of any string */
#define RPC_ARGS_MAX   8		 /* no call in procedures.h has more */

struct rpc_domain {
	const char *name;
	unsigned char uuid[RPC_UUID_LEN];
	int32_t id; /* −1: not running */
};

/* A virError. Texts may be NULL; domain has none where its name is NULL. */
struct rpc_error {
	int32_t code;	/* virErrorNumber */
	int32_t domain; /* virErrorDomain */
	const char *message;
	int32_t level; /* virErrorLevel */
	struct rpc_domain dom;
	const char *str1, *str2, *str3;
	int32_t int1, int2;
};

/* A virTypedParameter; type is libvirt's VIR_TYPED_PARAM_*. */
enum rpc_param_type {
	RPC_INT = 1,
	RPC_UINT,
	RPC_LLONG,
	RPC_ULLONG,
	RPC_DOUBLE,
	RPC_BOOLEAN,
	RPC_STRING,
};

struct rpc_param {
	const char *field;
	int32_t type;
	union {
		int32_t i; /* RPC_BOOLEAN, too */
		uint32_t ui;
		int64_t l;
		uint64_t ul;
		double d;
		const char *s;
	};
};

void rpc_put_domain(struct rpc_out *out, const struct rpc_domain *dom);
void rpc_put_error(struct rpc_out *out, const struct rpc_error *error);
void rpc_put_params(struct rpc_out *out, const struct rpc_param *params, size_t n);

/* One argument, as its letter in the shape tells. */
union rpc_value {
	int32_t i;			  /* i */
	uint32_t u;			  /* u */
	int64_t h;			  /* h */
	uint64_t uh;			  /* H */
	const char *s;			  /* s, S: S may be NULL */
	unsigned char uuid[RPC_UUID_LEN]; /* U */
	struct rpc_domain dom;		  /* d, D: D has no name where it is NULL */
	struct {
		const unsigned char *data;
		size_t len;
	} bytes; /* o */
	struct {
		struct rpc_param *items;
		size_t n;
	} params; /* p */
	struct {
		struct rpc_domain *items;
		size_t n;
	} domains; /* l */
	struct {
		const char **items;
		size_t n;
	} strings; /* t */
	struct {
		uint32_t *items;
		size_t n;
	} words; /* w */
};

/* What was decoded. Begins all zero; decoded into again and again; texts are valid until then. */
struct rpc_args {
	union rpc_value value[RPC_ARGS_MAX];
	size_t n;
	char *arena; /* texts and arrays */
	size_t size, used;
};

void rpc_args_free(struct rpc_args *args);

/*
 * Decodes values of that shape from `in`, which they must fill to its end. 0, or −1: they are not
 * of that shape, or a text has a 0 in it, or there is no memory.
 */
int rpc_args_read(struct rpc_args *args, const char *shape, struct rpc_in *in);

/* The same, where more may follow: for events and replies whose beginning alone is wanted. */
int rpc_args_read_some(struct rpc_args *args, const char *shape, struct rpc_in *in);

/* Decodes a virError, whose texts are kept in args. 0 or −1. */
int rpc_error_read(struct rpc_args *args, struct rpc_error *error, struct rpc_in *in);

#endif
