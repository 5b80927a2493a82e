/* SPDX-License-Identifier: MIT */
/*
 * The guest agent, through libvirt-qemu: running programs in guests and reading and writing their
 * files. No network and no accounts in the guest. Every function returns 0, or −1 with one line in
 * error.
 */
#ifndef BALLAST_AGENT_H
#define BALLAST_AGENT_H

#include "agent_reply.h"

#include <libvirt/libvirt.h>

/* How long a healthy guest may take for an answer: a hundred times what an idle emulated one takes.
 */
#define AGENT_TIMEOUT_S 2

/* Makes the waits of libvirt itself for this guest's agent as short as ours; ignored where
 * unsupported. */
void agent_prepare(virDomainPtr dom);

/* Whether it answers within AGENT_TIMEOUT_S. */
int agent_ping(virDomainPtr dom, char error[AGENT_ERROR_MAX]);

/*
 * Runs argv (NULL-terminated, the first is the path) and waits until it has ended and closed its
 * output. Free the result after success.
 */
int agent_exec(virDomainPtr dom, const char *const *argv, double limit_s,
	       struct agent_result *result, char error[AGENT_ERROR_MAX]);

/* The whole of a file, NUL-terminated and allocated; more than most bytes are left out. */
int agent_file_read(virDomainPtr dom, const char *path, size_t most, char **data, size_t *len,
		    char error[AGENT_ERROR_MAX]);

int agent_file_write(virDomainPtr dom, const char *path, const void *data, size_t len,
		     char error[AGENT_ERROR_MAX]);

#endif
