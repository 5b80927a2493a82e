/* SPDX-License-Identifier: MIT */
/* The host's own memory. Private to host.c. */
#ifndef BALLAST_MEMORY_HOST_MEMORY_H
#define BALLAST_MEMORY_HOST_MEMORY_H

#include "plan.h"

#include <libvirt/libvirt.h>
#include <stdbool.h>

/*
 * Fills in host_total_kib and host_available_kib, from /proc where the host is this machine. 0, or
 * −1 with libvirt's error set or after saying why on stderr.
 */
int host_memory_read(virConnectPtr conn, bool local, struct mem_sample *sample);

#endif
