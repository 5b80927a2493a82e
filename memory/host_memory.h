/* SPDX-License-Identifier: MIT */
/* The host's own memory. Private to host.c. */
#ifndef BALLAST_MEMORY_HOST_MEMORY_H
#define BALLAST_MEMORY_HOST_MEMORY_H

#include "plan.h"
#include "wire.h"

#include <stdbool.h>

/*
 * Fills in host_total_kib and host_available_kib, from /proc where the host is this machine. 0, or
 * −1 with the error in wire or after saying why on stderr.
 */
int host_memory_read(struct wire *wire, virConnectPtr conn, bool local, struct mem_sample *sample);

#endif
