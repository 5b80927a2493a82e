/* SPDX-License-Identifier: MIT */
/*
 * Calls that may never come back. Each is made by a thread, and the loop waits for it no longer
 * than it can afford: then the call is left to its thread, and the next gets another one. The loop
 * itself stays single threaded: what a call works on is its own until it is back.
 */
#ifndef BALLAST_CALLS_H
#define BALLAST_CALLS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* Head of a call's own struct, which is allocated with malloc(). */
struct call {
	void (*make)(struct call *call); /* in a thread */
	void (*drop)(struct call *call); /* frees what it holds, in the loop's thread; or NULL */
	atomic_bool back;
	bool kept; /* somebody wants to know what became of it: calls_reap() leaves it */
	struct call *next;
};

struct calls {
	int quit_fd;	     /* readable once the program is to end; negative: none */
	struct worker *idle; /* the thread of the next call, or NULL */
	struct call *left;   /* made or still being made, without anybody who waits */
	size_t nleft;
	double end_s; /* no call is waited for beyond; 0: no such time yet */
};

/* quit_fd as of tick_signals(). */
void calls_init(struct calls *calls, int quit_fd);

/*
 * Makes the call and waits for it, at most limit_s, and once tick_quit is set a fraction of a
 * second for all calls together. True if it is back. False: it is left behind, and the caller
 * touches it no more, unless it set call->kept: then it may look at call->back and hands it to
 * calls_forget().
 */
bool calls_make(struct calls *calls, struct call *call, double limit_s);

/* Drops and frees those that came back meanwhile and are not kept. */
void calls_reap(struct calls *calls);

/* The caller wants no more of a call that it kept; it is freed when it is back. */
void calls_forget(struct calls *calls, struct call *call);

/* Frees a call that is back. */
void call_free(struct call *call);

/* For what is to be done at the end: calls are waited for until then, and tick_quit does not
 * matter. */
void calls_extend(struct calls *calls, double end_s);

/* Ends the idle thread. Those of calls left behind end with the process. */
void calls_free(struct calls *calls);

#endif
