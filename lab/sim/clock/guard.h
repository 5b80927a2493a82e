/* SPDX-License-Identifier: MIT */
/* Paths of libvirt's sockets, and what is there in the simulated host. */
#ifndef BALLAST_SIM_GUARD_H
#define BALLAST_SIM_GUARD_H

#include <stddef.h>

enum guard {
	GUARD_OTHER,   /* not libvirt's */
	GUARD_OURS,    /* `to` has the simulated host's */
	GUARD_MISSING, /* a daemon's that the simulated host does not have */
};

enum guard guard_path(const char *path, char *to, size_t size);

#endif
