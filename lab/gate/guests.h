/* SPDX-License-Identifier: MIT */
/*
 * The guests that clients of the gate have named, as libvirtd knows them. A call carries a name,
 * but libvirtd goes by the UUID alone: so the gate does, too.
 */
#ifndef BALLAST_GATE_GUESTS_H
#define BALLAST_GATE_GUESTS_H

#include "lab/rpc/types.h"

#include <stdbool.h>

/* A guest that is not the run's is asked about again after that long: it may have been tagged. */
#define GATE_FOREIGN_S 5.0

struct gate_guest {
	unsigned char uuid[RPC_UUID_LEN];
	char *name;
	bool ours; /* the lab's tag and the run's prefix */
	double asked_s;
};

struct gate_guests {
	const char *prefix;
	struct gate_guest **list; /* each stays where it is */
	size_t n, size;
};

/* The guest of that UUID, if it is known well enough; else NULL. */
struct gate_guest *gate_guests_find(const struct gate_guests *g, const unsigned char *uuid,
				    double now_s);

/* What libvirtd told of a guest. NULL: no memory. */
struct gate_guest *gate_guests_learn(struct gate_guests *g, const struct rpc_domain *dom,
				     bool tagged, double now_s);

void gate_guests_free(struct gate_guests *g);

#endif
