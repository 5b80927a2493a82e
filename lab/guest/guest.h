/* SPDX-License-Identifier: MIT */
/* What `ballast exec`, `copy` and `reset` do with guests. Each returns an exit status. */
#ifndef BALLAST_GUEST_GUEST_H
#define BALLAST_GUEST_GUEST_H

#include <libvirt/libvirt.h>

#include <stdbool.h>

/* The lab's running guest of that name; without one the program ends with one line. */
virDomainPtr guest_get(virConnectPtr conn, const char *name);

/*
 * Runs a command in a guest and passes on what it prints as it comes. with_stdin: what is on stdin,
 * to its end, is on its own. The status is the command's, 128 and the signal's number where one
 * ended it, EXIT_LAB after a line where the guest does not answer. A signal ends it in the guest,
 * too.
 */
int guest_exec(virConnectPtr conn, const char *name, char *const *argv, bool with_stdin);

/*
 * Copies a file, one of both in a guest ("GUEST:PATH"), with its permissions. What was there before
 * stays until all of the new has arrived.
 */
int guest_copy(virConnectPtr conn, const char *from, const char *to);

/*
 * Puts guests, those of the prefix or all, back to how they came up: loads ended, no pins, the
 * memory of their definitions, which is waited for.
 */
int guest_reset(const char *uri, const char *prefix);

#endif
