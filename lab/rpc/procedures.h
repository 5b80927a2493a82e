/* SPDX-License-Identifier: MIT */
/*
 * The procedures of libvirt's remote protocol: number, name, what it does to the host, and its
 * arguments as far as they are needed here. One table for whatever speaks the protocol or names
 * its calls. Numbers never change their meaning; later versions of libvirt add some.
 */
#ifndef BALLAST_RPC_PROCEDURES_H
#define BALLAST_RPC_PROCEDURES_H

#include <stddef.h>
#include <stdint.h>

enum rpc_effect {
	RPC_UNKNOWN, /* no such procedure in this table */
	RPC_SESSION, /* about the connection itself: open, features, authentication, event callbacks
		      */
	RPC_READS,   /* tells what there is, and changes nothing */
	RPC_STEERS,  /* changes how a guest is run, as a controller does; its first argument is the
			guest */
	RPC_OTHER,   /* everything else: changes, other objects, secrets, guests' insides */
	RPC_TELLS,   /* an event, from the daemon */
};

struct rpc_procedure {
	const char *name;
	enum rpc_effect effect;
	/* A letter per argument (of RPC_TELLS: of the event), as in union rpc_value; "" where there
	 * are none, NULL where they are not known here. */
	const char *args;
};

/* The procedure of that number; one without a name where there is none. Never NULL. */
const struct rpc_procedure *rpc_procedure(int32_t number);

/* The number of that name, or 0. */
int32_t rpc_procedure_number(const char *name);

/* The public function that makes a call of that procedure, such as virDomainPinVcpuFlags, in buf.
 * Of several it is the one that is named like the procedure. */
const char *rpc_function_name(const struct rpc_procedure *procedure, char *buf, size_t size);

/* One more than the last number known. */
extern const int32_t rpc_procedures;

/* Which argument is the guest that the procedure is about; −1: none. */
int rpc_domain_argument(const struct rpc_procedure *procedure);

#endif
