/* SPDX-License-Identifier: MIT */
/*
 * Makes the gate a process's only libvirt.
 *
 * A variable in the environment could be cleared, and a URI can name another path; so the gate's
 * folder is mounted over /run/libvirt, for this process and its children alone. It stays root, as
 * programs expect, but without what root could undo the mount or look around it with: of its
 * capabilities only that to read and write any file is left, and none can be had back. So the real
 * sockets are out of reach, through /proc/1/root too, which needs CAP_SYS_PTRACE. Nothing else is
 * contained here.
 */
#ifndef BALLAST_GATE_ENTER_H
#define BALLAST_GATE_ENTER_H

/* For a child between fork() and exec(): needs root. 0, −1 with errno, when it must not go on. */
int gate_enter(const char *folder);

#endif
