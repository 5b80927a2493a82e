/* SPDX-License-Identifier: MIT */
/* The program's clocks and how they are written: virtual time from 0 to timespecs and back. */
#ifndef BALLAST_SIM_CLOCK_H
#define BALLAST_SIM_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/time.h>
#include <time.h>

/* What a clock showed at virtual time 0; false: a clock of CPU time, or none. */
bool clock_base(clockid_t clock, uint64_t *base_ns);

bool timespec_valid(const struct timespec *ts);
/* Saturates below SCHED_NEVER. */
uint64_t timespec_ns(const struct timespec *ts);
struct timespec ns_timespec(uint64_t ns);
uint64_t timeval_ns(const struct timeval *tv);
struct timeval ns_timeval(uint64_t ns);

/* Virtual time of an absolute time of that clock, 0 if it was before the run; and of a time from
 * now. */
uint64_t clock_deadline(clockid_t clock, const struct timespec *at);
uint64_t deadline_in(uint64_t ns);

#endif
