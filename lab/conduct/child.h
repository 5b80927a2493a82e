/* SPDX-License-Identifier: MIT */
/* Child processes of the recorder: started with exact errors, noticed when they end, reaped with
 * all theirs. */
#ifndef BALLAST_CHILD_H
#define BALLAST_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct child {
	pid_t pid; /* 0: never started */
	int pidfd; /* readable once it has ended; −1 */
	bool exited;
	int status; /* as wait(2) gives it */
};

/*
 * Makes this process adopt what its descendants leave behind (PR_SET_CHILD_SUBREAPER). Call before
 * child_start().
 */
void child_adopt_orphans(void);

/*
 * Runs argv in a session of its own, without a terminal, with the given standard streams, which
 * stay open here. It gets SIGTERM if this process dies. Where gate is not NULL, that folder is
 * where it finds libvirt (gate/enter.h). 0; −1 with errno: it cannot be executed.
 */
int child_start(struct child *c, char *const *argv, const char *gate, int in_fd, int out_fd,
		int err_fd);

/*
 * Reaps whatever has ended, the n children among it; adds the CPU time of the first, the program
 * under test, and of its orphans to *orphans_ns.
 */
void child_reap(struct child *const *children, int n, uint64_t *orphans_ns);

/*
 * All living descendants of this process except the children in `but` and theirs, at most max of
 * them. Returns how many. A process that is being born or dies meanwhile may be missed.
 */
int child_descendants(struct child *const *but, int n_but, pid_t *pids, int max);

#endif
