/* SPDX-License-Identifier: MIT */
/* What a program achieves over no program at all, by the findings of both. Pure. */
#ifndef BALLAST_CREDIT_H
#define BALLAST_CREDIT_H

#include "suite.h"

#include <jansson.h>
#include <stdbool.h>

/*
 * The share of a scenario's points that a program has earned, 0 to 1, before anything is asked of
 * its other scenarios. verdict and control are documents of verdict(5), of the same scenario with
 * the program and without any; without a control (NULL), it is all for a pass and nothing else.
 *
 * Each fault counts once: what fails because of something else is no fault of its own, but the
 * fault weighs as much as the heaviest of what follows from it; moves and pins are one. With P, C
 * and W the weights of what the program met, no program met, and all, the share is (P − C) / (W −
 * C). Where no program meets everything there is nothing to be gained, and the share is the least
 * degree of any expectation.
 */
double credit_of(const struct suite *suite, const json_t *verdict, const json_t *control);

/* True if it is asked of any program: that it runs on, and leaves the guests and the CPU alone. */
bool credit_is_condition(const json_t *finding);

/* The finding of the control that answers this one: same name, same thing asked. NULL: none. */
const json_t *credit_same_finding(const json_t *control, const json_t *finding);

/* True if no program at all meets what the scenario asks, apart from what it asks of a program. */
bool credit_is_free(const json_t *control);

#endif
