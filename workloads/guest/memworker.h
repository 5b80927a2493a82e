/* SPDX-License-Identifier: MIT */
/* The part of memload that holds the memory: a process of its own, steered through shared memory.
 */
#ifndef BALLAST_MEMWORKER_H
#define BALLAST_MEMWORKER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct memworker_shared {
	/* Written by the supervisor; order counts the targets, the worker looks at the others when
	 * it changed. */
	_Atomic uint64_t target_kib;
	_Atomic uint64_t rate_kib_s;
	_Atomic unsigned int order;

	/* Written by the worker. */
	_Atomic uint64_t kib;
	_Atomic uint64_t peak_kib;
	_Atomic uint64_t starved_ms; /* its schedule was moved back while it waited for memory */
	_Atomic uint64_t late_ms;    /* the same, but because it got no CPU */
	_Atomic bool refused;	     /* the kernel would not give it address space */
};

/* Gives the worker a new target; rate 0: at once. */
void memworker_steer(struct memworker_shared *shared, uint64_t kib, uint64_t rate_kib_s);

/* Follows the targets until its parent is gone; returns an exit status. */
int memworker_run(struct memworker_shared *shared);

#endif
