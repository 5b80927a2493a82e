/* SPDX-License-Identifier: MIT */
/* When it cannot be enough for all: who goes without. Private to the policy. */
#ifndef BALLAST_MEMORY_SHORTAGE_H
#define BALLAST_MEMORY_SHORTAGE_H

#include "kib.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct known;
struct mem_policy;
struct tick;

/* What a guest keeps beside what it uses where there is nothing to spare: idle guests wander by
 * less than 3 MB. */
#define SHORTAGE_LITTLE_KIB (16 * MIB)

/* Guests that use memory up at this rate and more are growing. */
#define SHORTAGE_GROWING_KIB_S (2.0 * MIB)

/* What a guest uses by now: statistics are up to a period old. */
int64_t shortage_uses(const struct mem_policy *policy, const struct known *known);

/* Fills in how long the host lasts, as fast as guests grow, and how soon to decide again. */
void shortage_look(struct tick *t);

/* Is this guest to be decided about now? Where the host does not last long, one that grows is even
 * between its statistics. */
bool shortage_steers(const struct tick *t, const struct known *known);

/*
 * Takes out of the first n shares whoever the others can only live without: their layers end at
 * what they use. total_kib is what all may have in the layer of life. Notes whoever is given up.
 */
void shortage_choose(struct tick *t, size_t n, int64_t total_kib);

#endif
