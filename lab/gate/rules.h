/* SPDX-License-Identifier: MIT */
/*
 * What a client of the gate may ask of libvirt. Pure.
 *
 * Allowed is what a controller needs: the connection itself, reading what there is, and steering
 * the run's guests: those that carry the lab's tag and whose name has the run's prefix. Guests of
 * others are seen as in reality, since what a program makes of them is part of what it does, but
 * not changed. Secrets and what only a migration needs are left out of domains' XML.
 */
#ifndef BALLAST_GATE_RULES_H
#define BALLAST_GATE_RULES_H

#include "lab/rpc/message.h"
#include "lab/rpc/procedures.h"
#include "lab/rpc/types.h"

enum gate_verdict {
	GATE_PASS,
	GATE_PASS_IF_OURS, /* only if the call's guest is one of the run's */
	GATE_REFUSE,
	GATE_BREAK, /* its arguments are nonsense: the connection ends */
};

/*
 * Judges a call. args is decoded from body as far as the procedure's shape is known. `sentence` is
 * why it is refused or the connection ends.
 */
enum gate_verdict gate_judge(const struct rpc_header *call, struct rpc_in *body,
			     struct rpc_args *args, const char **sentence);

/* Why a call of GATE_PASS_IF_OURS is refused. */
extern const char gate_not_ours[];

#endif
