/* SPDX-License-Identifier: MIT */
/* Sees to it that a run ends in order: a process that waits for it and outlives it. */
#ifndef BALLAST_KEEPER_H
#define BALLAST_KEEPER_H

#include <stdbool.h>

/*
 * Calls run(opaque) in a child and waits until that has ended. SIGINT, SIGTERM and SIGHUP go on to
 * it; it gets SIGTERM if this process dies. It has no open files but the standard ones, so that
 * locks which were inherited stay here. What it leaves behind is killed. Returns its exit status;
 * −1 after a line on stderr: it was killed, or there could be none.
 */
int keeper_run(int (*run)(void *opaque), void *opaque);

#endif
