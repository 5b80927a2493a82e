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

/* Registering and deregistering takes a few round trips. */
#define SET_UP_S 2.0

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
	memset(s, 0, sizeof(*s));
	s->uri = uri;
	s->backoff_s = BACKOFF_FIRST_S;
	virSetErrorFunc(NULL, ignore_error);
	if (virEventRegisterDefaultImpl() < 0)
		return -1;
	s->quit_fd = tick_signals();
	if (s->quit_fd < 0)
		return -1;
	s->quit_watch =
		virEventAddHandle(s->quit_fd, VIR_EVENT_HANDLE_READABLE, on_quit, NULL, NULL);
	s->timer = virEventAddTimeout(-1, on_timer, NULL, NULL);
	return s->quit_watch < 0 || s->timer < 0 ? -1 : 0;
}

void session_guard(struct session *s, double interval_s)
{
	wire_guard(&s->wire, s->quit_fd, interval_s);
}

/* All that is asked of a new connection before it is used. */
static void set_up(void *opaque)
{
	struct session *s = opaque;

	/* Drivers inside this process (test:///) have neither; they cannot be lost either. */
	if (virConnectSetKeepAlive(s->conn, KEEPALIVE_INTERVAL_S, KEEPALIVE_COUNT) < 0 ||
	    virConnectRegisterCloseCallback(s->conn, on_close, s, NULL) < 0)
		virResetLastError();
	if (s->on_open)
		s->on_open(s->conn, s->opaque);
}

/* Takes a connection into use. */
static int adopt(struct session *s, virConnectPtr conn)
{
	s->lost = false;
	s->conn = conn;
	s->wire.connection++;
	if (!wire_run(&s->wire, set_up, s, SET_UP_S)) {
		s->conn = NULL; /* what is still being set up stays where it is */
		return -1;
	}
	s->backoff_s = BACKOFF_FIRST_S;
	return 0;
}

int session_open(struct session *s)
{
	virConnectPtr conn = wire_open(&s->wire, s->uri);

	return conn ? adopt(s, conn) : -1;
}

const char *session_error(const struct session *s)
{
	return s->wire.error[0] ? s->wire.error : virGetLastErrorMessage();
}

/* Lets go of the connection, dead or alive. */
static void release(void *opaque)
{
	struct session *s = opaque;
	virConnectPtr conn = s->conn;
	bool in_use = s->wire.calls.nleft > 0;
	int left;

	if (s->on_close)
		s->on_close(conn, s->opaque);
	virConnectUnregisterCloseCallback(conn, on_close);
	left = virConnectClose(conn);
	if (left > 0 && !in_use)
		log_warn("%d libvirt references leaked", left);
}

static bool let_go(struct session *s)
{
	bool done = wire_run(&s->wire, release, s, SET_UP_S);

	s->conn = NULL;
	return done;
}

/* So many guests hang that libvirtd takes no more calls on this connection: another one will do. */
static bool change_connection(struct session *s)
{
	virConnectPtr conn = tick_now_s() < s->retry_s ? NULL : wire_open(&s->wire, s->uri);

	if (!conn) {
		if (tick_now_s() >= s->retry_s)
			s->retry_s = tick_now_s() + BACKOFF_MOST_S;
		if (!s->full)
			log_warn("%s does not answer; waiting for it", s->uri);
		s->full = true;
		return false;
	}
	log_verbose("%s: calls do not come back; going on with another connection", s->uri);
	let_go(s);
	return adopt(s, conn) == 0;
}

bool session_ready(struct session *s)
{
	double now_s = tick_now_s();

	wire_reap(&s->wire);
	if (s->conn && (s->lost || virConnectIsAlive(s->conn) == 0)) {
		let_go(s);
		s->retry_s = now_s;
		s->full = false;
		log_warn("connection to %s lost; trying again", s->uri);
	}
	if (s->conn && wire_is_full(&s->wire))
		return change_connection(s);
	if (s->conn && s->full)
		log_warn("%s answers again", s->uri);
	s->full = false;
	if (s->conn)
		return true;
	if (now_s < s->retry_s)
		return false;
	if (session_open(s) == 0) {
		log_warn("connected to %s again", s->uri);
		return true;
	}
	log_verbose("%s: %s; next try in %.0f s", s->uri, session_error(s), s->backoff_s);
	s->retry_s = tick_now_s() + s->backoff_s;
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

bool session_close(struct session *s)
{
	if (s->conn)
		let_go(s);
	wire_reap(&s->wire);
	if (s->wire.calls.nleft)
		return false;
	calls_free(&s->wire.calls);
	return true;
}
