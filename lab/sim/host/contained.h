/* SPDX-License-Identifier: MIT */
/* The program's start in a sandbox, of which the host stays outside. */
#ifndef BALLAST_SIM_CONTAINED_H
#define BALLAST_SIM_CONTAINED_H

#include "host.h"

/* The command that starts the program in a sandbox with its clock and the host's sockets; it keeps
 * the descriptor `clock` and says on `report` why it ended the program. To be executed in a child.
 * NULL with errno. */
char **contained_command(const struct host *h, const char *library, int clock, int report);

/* After its end: why the sandbox ended the program, as a fault of the run. True if it did. */
bool contained_ended(struct host *h);

#endif
