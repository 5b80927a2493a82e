/* SPDX-License-Identifier: MIT */
/*
 * The program's threads in virtual time. One thread runs at a time; it goes on until it waits, then
 * the next that can run does, in a fixed order, so that a run with several threads is the same
 * every time. When all of them wait, time moves on to the first moment at which one need not.
 *
 * Threads that wait in a way we cannot see (a call that blocks in the kernel) are bracketed by
 * sched_outside_begin() and _end(); time stands still until they are back.
 */
#ifndef BALLAST_SIM_SCHED_H
#define BALLAST_SIM_SCHED_H

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#define SCHED_NEVER UINT64_MAX

struct sched_wait {
	const void *key;      /* what sched_wake() names; NULL: nothing */
	uint64_t deadline_ns; /* virtual time; SCHED_NEVER: none */
	struct pollfd *fds;   /* or until one of these is ready */
	nfds_t nfds;
	const sigset_t *signals; /* or until one of these is pending, though masked; NULL: none */
	bool (*ready)(void *opaque); /* or until this is so; NULL: never. It must not wait. */
	void *opaque;
};

enum sched_result {
	SCHED_WOKEN,   /* sched_wake(), or a descriptor is ready: look again */
	SCHED_TIMEOUT, /* the deadline has passed */
	SCHED_SIGNAL,  /* a signal handler ran */
};

/* The calling thread is the program's first; from here on time is virtual. */
void sched_start(void);
bool sched_started(void);

/* Virtual time. Where CPU time is charged this moves it. */
uint64_t sched_now(void);

/* Waits; a deadline is passed by some microseconds, as in reality. One that has passed lets the
 * other threads have their turn first. */
enum sched_result sched_wait(const struct sched_wait *wait);

/* Lets the first n threads that wait for key go on, in the order in which they began to wait. */
void sched_wake(const void *key, unsigned int n);

/* Whether anybody waits for key: spares locks the rest. */
bool sched_contended(void);

/* A new thread, for its creator and for itself; it ends by itself (thread-specific data). */
struct sched_thread;
struct sched_thread *sched_thread_new(void);
void sched_thread_enter(struct sched_thread *thread);
void sched_thread_name(struct sched_thread *thread, pthread_t handle);
void sched_thread_drop(struct sched_thread *thread); /* it could not be created */

/* True if the thread has ended; otherwise waits until it may have: ask again. */
bool sched_thread_join(pthread_t handle);

/* The thread's wait is over, as after a signal. */
void sched_interrupt(pthread_t handle);

/* A signal was sent to that thread alone: its wait is over if it does not mask it. */
void sched_thread_signaled(pthread_t handle, int number);

/* In a child, which has the calling thread only: the others and all timers are gone. */
void sched_forked(void);

void sched_outside_begin(void);
void sched_outside_end(void);

/* Notes the calling thread's signal mask after a change. */
void sched_mask_changed(void);

/*
 * Timers that are not a thread's wait. fire is called when one is due, with how many intervals that
 * is; it must not wait. deadline_ns SCHED_NEVER: disarmed.
 */
struct sched_timer {
	uint64_t deadline_ns;
	uint64_t woken_ns;    /* when it fires: a little later */
	uint64_t interval_ns; /* 0: once */
	void (*fire)(struct sched_timer *timer, uint64_t times);
	struct sched_timer *next;
};

void sched_timer_add(struct sched_timer *timer);
void sched_timer_remove(struct sched_timer *timer);
void sched_timer_set(struct sched_timer *timer, uint64_t deadline_ns, uint64_t interval_ns);

/* Sends the program a signal; it is handled before the thread that takes it goes on. For timers'
 * fire functions, while all threads wait. */
void sched_signal(int number);

#endif
