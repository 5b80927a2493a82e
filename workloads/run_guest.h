/* SPDX-License-Identifier: MIT */
/* One guest of a timeline. */
#ifndef BALLAST_RUN_GUEST_H
#define BALLAST_RUN_GUEST_H

/* The body of a guest's thread; opaque is its struct run_guest. */
void *run_guest(void *opaque);

#endif
