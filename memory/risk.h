/* SPDX-License-Identifier: MIT */
/* What there is to give: what guests may still take of what they have, and how fast. Private to the
 * policy. */
#ifndef BALLAST_MEMORY_RISK_H
#define BALLAST_MEMORY_RISK_H

#include <stdint.h>

struct known;
struct mem_guest;
struct tick;

/* From the call until the guest has the memory, or has given it: 110 MB took under a second under
 * TCG, 2.1 GiB/s on bare metal, 0.9 GiB/s the other way. */
#define RISK_ACT_S 0.5

/* Growth is measured over one or two periods, whose length is known to within a second. */
#define RISK_GROWTH_MARGIN 1.25

/* Levels by host reserves available. */
#define RISK_SOFT_RESERVES 3
#define RISK_HARD_RESERVES 2

/*
 * What the host has not handed over yet to a guest of that size, and may have to: not the last
 * pages of its kernel. Where its process is not known, what it does not use counts as untouched.
 */
int64_t risk_promised(const struct known *known, const struct mem_guest *guest, int64_t size_kib);

/* Fills in the tick's rooms and the plan's host figures, from what was observed of every guest. */
void risk_weigh(struct tick *t);

#endif
