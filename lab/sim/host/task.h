/* SPDX-License-Identifier: MIT */
/* Calls that are being answered: each has a stack of its own, so that one may wait in virtual time.
 */
#ifndef BALLAST_SIM_TASK_H
#define BALLAST_SIM_TASK_H

#include "host.h"

/* Runs it, to its end or until it waits. False: out of memory. */
bool task_start(struct host *h, void (*run)(struct host *h, void *opaque), void *opaque);

/* In a task: waits. */
void task_wait(struct host *h, uint64_t until_ns);

/* Goes on with those that have waited long enough; true if there were any. */
bool task_resume_due(struct host *h);
uint64_t task_next(const struct host *h);
void task_end_all(struct host *h);

#endif
