/* SPDX-License-Identifier: MIT */
/* A libvirt connection that outlives libvirtd. */
#include "session.h"

#include "log.h"
#include "tick.h"

#include <libvirt/virterror.h>
#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

/* libvirtd restarts in about a second. Asking a socket that is not there costs nothing, while
 * guests whose controller sleeps on may be in need. */
#define BACKOFF_FIRST_S 1.0
#define BACKOFF_MOST_S	4.0

/* A libvirtd that does not answer for 5 × 3 s is given up, so that a hang becomes a reconnect. */
#define KEEPALIVE_INTERVAL_S 5
#define KEEPALIVE_COUNT	     3

/* virEventAddTimeout takes an int of milliseconds; waits beyond this are cut in pieces. */
#define WAIT_MOST_S 3600.0

static void ignore_error(void *opaque, virErrorPtr error)
{
	(void)opaque;
	(void)error;
}

static void on_timer(int timer, void *opaque)
{
	(void)timer;
	(void)opaque;
}

static void on_quit(int watch, int fd, int events, void *opaque)
{
	/* The flag is set and the loop ends: the descriptor stays readable on purpose. */
	(void)watch;
	(void)fd;
	(void)events;
	(void)opaque;
}

static void on_close(virConnectPtr conn, int reason, void *opaque)
{
	struct session *s = opaque;

	(void)conn;
	if (reason != VIR_CONNECT_CLOSE_REASON_CLIENT)
		s->lost = true;
	s->woken = true;
}

int session_init(struct session *s, const char *uri)
{
	int quit_fd;

	memset(s, 0, sizeof(*s));
	s->uri = uri;
	s->backoff_s = BACKOFF_FIRST_S;
	virSetErrorFunc(NULL, ignore_error);
	if (virEventRegisterDefaultImpl() < 0)
		return -1;
	quit_fd = tick_signals();
	if (quit_fd < 0)
		return -1;
	s->quit_watch = virEventAddHandle(quit_fd, VIR_EVENT_HANDLE_READABLE, on_quit, NULL, NULL);
	s->timer = virEventAddTimeout(-1, on_timer, NULL, NULL);
	return s->quit_watch < 0 || s->timer < 0 ? -1 : 0;
}

int session_open(struct session *s)
{
	s->lost = false;
	s->conn = virConnectOpen(s->uri);
	if (!s->conn)
		return -1;
	/* Drivers inside this process (test:///) have neither; they cannot be lost either. */
	if (virConnectSetKeepAlive(s->conn, KEEPALIVE_INTERVAL_S, KEEPALIVE_COUNT) < 0 ||
	    virConnectRegisterCloseCallback(s->conn, on_close, s, NULL) < 0)
		virResetLastError();
	s->backoff_s = BACKOFF_FIRST_S;
	if (s->on_open)
		s->on_open(s->conn, s->opaque);
	return 0;
}

const char *session_error(void)
{
	return virGetLastErrorMessage();
}

/* Lets go of the connection, dead or alive. */
static void release(struct session *s)
{
	int left;

	if (s->on_close)
		s->on_close(s->conn, s->opaque);
	virConnectUnregisterCloseCallback(s->conn, on_close);
	left = virConnectClose(s->conn);
	s->conn = NULL;
	if (left > 0)
		log_warn("%d libvirt references leaked", left);
}

bool session_ready(struct session *s)
{
	double now_s = tick_now_s();

	if (s->conn && (s->lost || virConnectIsAlive(s->conn) == 0)) {
		release(s);
		s->retry_s = now_s;
		log_warn("connection to %s lost; trying again", s->uri);
	}
	if (s->conn)
		return true;
	if (now_s < s->retry_s)
		return false;
	if (session_open(s) == 0) {
		log_warn("connected to %s again", s->uri);
		return true;
	}
	log_verbose("%s: %s; next try in %.0f s", s->uri, session_error(), s->backoff_s);
	s->retry_s = now_s + s->backoff_s;
	s->backoff_s = fmin(s->backoff_s * 2, BACKOFF_MOST_S);
	return false;
}

void session_wait(struct session *s, double deadline_s)
{
	while (!tick_quit && !s->woken) {
		double left_s = fmin(deadline_s - tick_now_s(), WAIT_MOST_S);

		if (left_s <= 0)
			break;
		virEventUpdateTimeout(s->timer, (int)ceil(left_s * 1000));
		if (virEventRunDefaultImpl() < 0) {
			/* Without events only the time is left to wait for. */
			poll(NULL, 0, (int)ceil(left_s * 1000));
			break;
		}
	}
	virEventUpdateTimeout(s->timer, -1);
	s->woken = false;
}

void session_wake(struct session *s)
{
	s->woken = true;
}

bool session_is_local(virConnectPtr conn)
{
	const char *type = virConnectGetType(conn);
	char *uri = virConnectGetURI(conn);
	const char *place = uri ? strstr(uri, "://") : NULL;
	bool local = place && place[3] == '/' && type && strcasecmp(type, "test") != 0;

	free(uri);
	return local;
}

void session_close(struct session *s)
{
	if (s->conn)
		release(s);
}
