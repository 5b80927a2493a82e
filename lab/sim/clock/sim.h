/* SPDX-License-Identifier: MIT */
/* The run as a process of it knows it: what clock, threads and files ask for (remote.c). */
#ifndef BALLAST_SIM_SIM_H
#define BALLAST_SIM_SIM_H

#include "host_files.h"
#include "world/play.h"

#include <stdbool.h>
#include <stdint.h>

/* What stands for seconds since 1970 and since the host's boot at the run's start. */
#define SIM_REALTIME_NS	 (PLAY_EPOCH_S * MODEL_NS_PER_S)
#define SIM_MONOTONIC_NS (PLAY_UPTIME_S * MODEL_NS_PER_S)

/* Once the host has welcomed the process. */
bool sim_running(void);

/* Virtual seconds that computing takes per second of CPU time; 0: none. */
double sim_charge_factor(void);
uint64_t sim_seed(void);

/* The host as it is now; NULL when not running. sim_host_file() and sim_host_folder():
 * host_files.h. */
const struct host_view *sim_host(void);
enum host_file sim_host_file(const char *path, char **text, size_t *len);
bool sim_host_folder(const char *path, void (*put)(const char *name, bool folder, void *opaque),
		     void *opaque);

/* Virtual time without any charge for computing. */
uint64_t sim_now(void);

/* Every thread waits, until then at most: returns when the process may go on. */
void sim_advance(uint64_t until_ns);

/* A thread has got its turn. */
void sim_goes_on(void);

/* CPU time was charged: it counts as the program's. */
void sim_charge(uint64_t cpu_ns);

/* Counts a call that takes no time; ends a program that makes them for ever. */
void sim_count_call(void);

/* It dies of that signal. */
void sim_killed(int number);

/* The program does what never ends: says what, cuts the trace and ends the process. */
void sim_stop(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* The same for what the simulated host has not: no fault of the program's. */
void sim_refuse(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* The process has no memory. */
void sim_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Descriptors of the simulation that the program must not close. */
bool sim_owns_fd(int fd);

#endif
