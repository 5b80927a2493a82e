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
#include <stdint.h>

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

/*
 * The same in steps. agent_start's *pid is the program's in the guest. agent_look sets
 * result->exited once it has ended, and then the rest: only once, as the agent forgets it.
 */
int agent_start(virDomainPtr dom, const char *const *argv, int64_t *pid,
		char error[AGENT_ERROR_MAX]);
int agent_look(virDomainPtr dom, int64_t pid, struct agent_result *result,
	       char error[AGENT_ERROR_MAX]);

/* Bytes in one agent_file_get or agent_file_put. */
#define AGENT_PIECE_BYTES (48 * 1024)

/*
 * A file in steps; mode as of fopen(3). agent_file_get reads what there is up to a piece, *len = 0
 * at its end for now; *data is allocated. agent_file_close's failure is one of what was written.
 */
int agent_file_open(virDomainPtr dom, const char *path, const char *mode, int64_t *handle,
		    char error[AGENT_ERROR_MAX]);
int agent_file_get(virDomainPtr dom, int64_t handle, char **data, size_t *len,
		   char error[AGENT_ERROR_MAX]);
int agent_file_put(virDomainPtr dom, int64_t handle, const void *data, size_t len,
		   char error[AGENT_ERROR_MAX]);
int agent_file_close(virDomainPtr dom, int64_t handle, char error[AGENT_ERROR_MAX]);

/* The whole of a file, NUL-terminated and allocated; more than most bytes are left out. */
int agent_file_read(virDomainPtr dom, const char *path, size_t most, char **data, size_t *len,
		    char error[AGENT_ERROR_MAX]);

int agent_file_write(virDomainPtr dom, const char *path, const void *data, size_t len,
		     char error[AGENT_ERROR_MAX]);

#endif
