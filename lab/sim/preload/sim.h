/* SPDX-License-Identifier: MIT */
/* The run inside the program: what clock, files and API of the preloaded library share. */
#ifndef BALLAST_SIM_SIM_H
#define BALLAST_SIM_SIM_H

#include "host_files.h"
#include "shared.h"
#include "world/play.h"

#include <stdbool.h>
#include <stdint.h>

/* What stands for seconds since 1970 and since the host's boot at the run's start. */
#define SIM_REALTIME_NS	 (PLAY_EPOCH_S * MODEL_NS_PER_S)
#define SIM_MONOTONIC_NS (PLAY_UPTIME_S * MODEL_NS_PER_S)

/* The run; NULL before the library is set up and after the end. */
struct play *sim_play(void);
struct shared *sim_shared(void);

/* Between set-up and end. */
bool sim_running(void);

/* Virtual seconds that computing takes per second of CPU time; 0: none. */
double sim_charge_factor(void);
uint64_t sim_seed(void);

/* By how much a thread that waits until then wakes up late. */
uint64_t sim_late(uint64_t due_ns);

/* The host as it is now; NULL when not running. sim_host_file() and sim_host_folder():
 * host_files.h. */
const struct host_view *sim_host(void);
enum host_file sim_host_file(const char *path, char **text, size_t *len);
bool sim_host_folder(const char *path, void (*put)(const char *name, bool folder, void *opaque),
		     void *opaque);

/* Virtual time without any charge for computing. */
uint64_t sim_now(void);

/*
 * Moves time on to until_ns, or to what comes before: an event that has news for the program, the
 * next whole second, the scenario's end. Called while every thread waits. Takes the program's
 * output first.
 */
void sim_advance(uint64_t until_ns);

/* The next moment at which sim_advance() has something to do by itself; never SCHED_NEVER. */
uint64_t sim_next(void);

/* A thread has got its turn. */
void sim_goes_on(void);

/* CPU time was charged: it counts as the program's. */
void sim_charge(uint64_t cpu_ns);

/* Counts a call that takes no time; ends a program that makes them for ever. */
void sim_count_call(void);

/* The program has ended, by exit or by a signal it did not handle: takes down the rest of the
 * scenario. */
void sim_exited(int status);
/* It was told to stop, and has not ended. */
bool sim_asked(void);
void sim_killed(int number);

/* The program does what never ends: says what, cuts the trace and ends the process. */
void sim_stop(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* The same for what the simulated host has not: no fault of the program's. */
void sim_refuse(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* The simulation itself failed. */
void sim_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* What the API layer wants to hear of: events of the world, once they are in the trace, and
 * libvirtd going down. Set by itself; called while every thread waits. */
void api_on_event(const struct world_event *event);
void api_on_restart(void);

/* The API layer is told when the run begins. */
void api_start(void);

/* Descriptors of the simulation that the program must not close. */
bool sim_owns_fd(int fd);

#endif
