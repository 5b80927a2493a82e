/* SPDX-License-Identifier: MIT */
/*
 * What a seed makes of a scenario: the same test, with other guests in other places, at other times
 * and with other loads, so that no table of pins by the clock fits it. Pure but for what it writes.
 */
#ifndef BALLAST_VARY_H
#define BALLAST_VARY_H

#include "scenario.h"

#include <stdint.h>
#include <stdio.h>

/*
 * Changes a scenario that is resolved for pCPUs 0…npcpus−1 as its [vary] says:
 *
 * - guests change places: pins, loads and what is expected of a guest move together, so whatever is
 *   expected stays as hard as it was. Of the places drawn, those are taken in which pinning the
 *   guests by their numbers, in turn or in blocks, balances least, or fewest memory loads are where
 *   such a one is written;
 * - each moment of the timeline comes later, and every deadline after it as well;
 * - all loads become smaller, those written alike alike, and what they are to reach with them;
 * - CPU loads that are equal then differ, half of them up, half of them down.
 *
 * A scenario with faults keeps its places and its moments, for faults name both. 0; −1 when out of
 * memory.
 */
int vary(struct scenario *s, uint64_t seed, unsigned int npcpus);

/*
 * Asks for "KEY = VALUE" in place of what the scenario expects by that key, if it is one that its
 * kind has. 0; −1: no expectation at all, or out of memory.
 */
int vary_expect(struct scenario *s, const char *setting);

/* Writes a scenario that is resolved for pCPUs 0…npcpus−1 as a file, for as many guests as it has
 * now. 0; −1 with errno. */
int vary_write(const struct scenario *s, FILE *out);

#endif
