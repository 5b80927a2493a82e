/* SPDX-License-Identifier: MIT */
/*
 * A libvirt connection that outlives libvirtd: opened again with back-off when it is lost.
 * libvirt's events are dispatched inside session_wait(), nowhere else.
 */
#ifndef BALLAST_SESSION_H
#define BALLAST_SESSION_H

#include "wire.h"

#include <libvirt/libvirt.h>
#include <stdbool.h>

struct session {
	const char *uri;
	virConnectPtr conn; /* NULL while there is none */
	/* Each time a connection was made, and before one is given up (events registered on it hold
	 * references, so they are deregistered here). Either may be NULL. */
	void (*on_open)(virConnectPtr conn, void *opaque);
	void (*on_close)(virConnectPtr conn, void *opaque);
	void *opaque;
	double retry_s; /* CLOCK_MONOTONIC of the next attempt */
	double backoff_s;
	bool lost;	  /* the close callback ran: drop conn at the next session_ready() */
	bool woken;	  /* session_wake() was called: session_wait() returns early */
	bool full;	  /* no more calls fit on it, and libvirtd makes no other one: told */
	struct wire wire; /* how calls are made on it */
	int timer;
	int quit_fd;
	int quit_watch;
};

/*
 * Registers libvirt's default event loop and tick_signals(), silences libvirt's own stderr messages
 * (callers report session_error()). Call once per process, before anything else of
 * libvirt. Returns 0, −1 on failure.
 */
int session_init(struct session *s, const char *uri);

/* From here on no call of libvirt holds up the loop, which decides at that interval: see wire.h. */
void session_guard(struct session *s, double interval_s);

/* Opens the connection. 0, or −1: session_error() tells why. */
int session_open(struct session *s);

/* libvirt's message for what failed last, valid until the next call. */
const char *session_error(const struct session *s);

/*
 * True if there is a live connection. Where it was lost, tries again once the back-off (1 s
 * doubling to 4 s) has passed, and says so once each way.
 */
bool session_ready(struct session *s);

/* Dispatches events until the monotonic deadline, session_wake() or a signal. */
void session_wait(struct session *s, double deadline_s);

/* For event callbacks: makes session_wait() return so that the loop looks at once. */
void session_wake(struct session *s);

/* Is the hypervisor this machine, so that /proc and the clock here are its own? */
bool session_is_local(virConnectPtr conn);

/* Closes the connection; warns if references were leaked. False: libvirtd does not answer and calls
 * are still on their way, so nothing that they use may be freed, and the process ends by _exit().
 */
bool session_close(struct session *s);

#endif
