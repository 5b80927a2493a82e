/* SPDX-License-Identifier: MIT */
/* The state that a scenario begins with, and back. */
#ifndef BALLAST_STAGE_H
#define BALLAST_STAGE_H

#include "machines.h"

/*
 * Ends the guests' loads, lifts what limits a program set, pins their vCPUs, sets their memory, and
 * waits until that has arrived and they are quiet. Guests that the scenario starts are powered off.
 * 0; −1 after a line on stderr, or where a signal asks for the end.
 */
int stage_set(struct machines *m);

/*
 * Undoes as much as possible and waits for nothing: vCPUs may run everywhere, memory is that of the
 * guests' definition, loads end, those that are paused or off run again. 0; −1 after a line for
 * each thing that failed.
 */
int stage_reset(struct machines *m);

/* Waits until the memory of the guests' definitions has arrived. 0; −1 as above. */
int stage_await_memory(struct machines *m);

#endif
