/* SPDX-License-Identifier: MIT */
/* The values of a scenario's [timeline]: which guests, and what happens to them. Part of
 * scenario.c. */
#ifndef BALLAST_TIMELINE_H
#define BALLAST_TIMELINE_H

#include "scenario.h"

/*
 * Reads one phase, "5s cpu 45% demand". 0 with *phase filled in (text allocated); −1 with error set
 * to what is wrong and what would be right, without file and line.
 */
int phase_parse(const char *text, struct phase *phase, char error[SCENARIO_ERROR_MAX]);

/* The same of a load without a time, "cpu 45% demand" or "idle": it is at_s = 0. What is no load is
 * refused. */
int phase_parse_load(const char *text, struct phase *phase, char error[SCENARIO_ERROR_MAX]);

/* Whether `who` is a well-formed choice of guests: "all", "odd", "2-4", "1+3", "first-half", … */
bool guests_valid(const char *who);

/* Whether guest number (from 1) of count is meant by a well-formed choice. */
bool guests_match(const char *who, unsigned int number, unsigned int count);

/* The highest guest number a well-formed choice names; 0 where it names none. */
unsigned int guests_highest(const char *who);

#endif
