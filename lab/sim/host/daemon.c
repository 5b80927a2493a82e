/* SPDX-License-Identifier: MIT */
/* libvirtd's sockets, and its clients' connections. */
#include "daemon.h"

#include "answers.h"
#include "driver/driver.h"
#include "log.h"
#include "seam.h"
#include "task.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

static const char *const socket_names[] = {"libvirt-sock", "libvirt-sock-ro"};

/* A client that does not read its replies gets no more of them: they are our memory. */
#define KEPT_BYTES_MAX (1024 * 1024)

/* Somebody has been sent something since daemon_serve() was last called. */
static bool sent;

/* --- connections --- */

static void drop(struct connection *c)
{
	rpc_link_close(&c->link);
	if (c->client)
		events_forget(c->client);
	sent = true;
}

/* Once nothing is being answered on them. */
static void sweep(struct host *h)
{
	for (struct connection **at = &h->connections; *at;) {
		struct connection *c = *at;

		if (c->link.fd >= 0 || c->calls) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		if (c->client)
			client_free(c->client);
		free(c);
	}
}

static void put(struct connection *c, struct rpc_out *out)
{
	if (c->link.fd < 0)
		return;
	if (rpc_link_put(&c->link, out))
		drop(c);
	sent = true;
}

void daemon_send(struct connection *c, struct rpc_out *out)
{
	put(c, out);
}

/* --- calls --- */

struct pending_call {
	struct connection *connection;
	struct rpc_header header;
	unsigned char *data; /* the body, its own */
	size_t len;
};

static void put_error(struct rpc_out *out, const struct rpc_header *call)
{
	const struct driver_error *e = driver_error();
	const struct rpc_error error = {
		.code = e->code ? e->code : VIR_ERR_INTERNAL_ERROR,
		.domain = e->domain,
		.message = e->code ? e->message : "it failed without saying why",
		.level = VIR_ERR_ERROR,
		.str1 = "%s",
		.str2 = e->message,
		.int1 = -1,
		.int2 = -1,
	};

	rpc_reply_error(out, call, &error);
}

/* The reply goes over the link, which may be slow and may break. */
static void reply(struct host *h, struct connection *c, struct rpc_out *out)
{
	bool cut = driver_cuts();
	uint64_t now = host_now(h), takes_ns = faults_link(&h->play.faults, out->len, now);

	if (takes_ns) {
		c->free_ns = (c->free_ns > now ? c->free_ns : now) + takes_ns;
		while (host_now(h) < c->free_ns)
			task_wait(h, c->free_ns);
	}
	if (!cut) {
		put(c, out);
	} else if (c->link.fd >= 0 && rpc_message_end(out) == 0) {
		rpc_link_send(&c->link, out->data, out->len / 2);
		drop(c);
	}
}

static void run_call(struct host *h, void *opaque)
{
	struct pending_call *p = opaque;
	struct rpc_args args = {0};
	struct rpc_out out = {0};
	struct call_in c = {p->connection, p->header, &args, &out};
	struct rpc_in in = {.data = p->data, .len = p->len};
	const char *shape = answer_shape(&p->header);
	bool fine = true;

	if (shape && rpc_args_read(&args, shape, &in)) {
		log_warn("a client's call %d cannot be read", p->header.procedure);
		drop(p->connection);
	} else {
		rpc_reply_begin(&out, &p->header);
		error_reset();
		fine = answer_call(&c);
		if (!fine)
			put_error(&out, &p->header);
		reply(h, p->connection, &out);
	}
	p->connection->calls--;
	rpc_out_free(&out);
	rpc_args_free(&args);
	free(p->data);
	free(p);
}

static void start_call(struct host *h, struct connection *c, const struct rpc_message *m)
{
	struct pending_call *p = calloc(1, sizeof(*p));
	size_t len = rpc_in_left(&m->body);

	if (p)
		p->data = malloc(len + 1);
	if (!p || !p->data) {
		free(p);
		host_fail(h, "out of memory");
		return;
	}
	memcpy(p->data, m->body.data + m->body.at, len);
	p->len = len;
	p->connection = c;
	p->header = m->header;
	c->calls++;
	if (!task_start(h, run_call, p))
		host_fail(h, "out of memory");
}

static void take_message(struct host *h, struct connection *c, const struct rpc_message *m)
{
	const char *fault = rpc_client_fault(&m->header);
	struct rpc_out out = {0};

	if (fault) {
		log_warn("a client's connection ends: %s", fault);
		drop(c);
	} else if (m->header.program == RPC_KEEPALIVE) {
		rpc_pong(&out);
		put(c, &out);
		rpc_out_free(&out);
	} else {
		start_call(h, c, m);
	}
}

static void serve(struct host *h, struct connection *c)
{
	struct rpc_message m;
	const char *error = NULL;
	int status = 0;
	size_t waiting = rpc_link_waiting(&c->link);

	if (waiting && rpc_link_flush(&c->link)) {
		drop(c);
		return;
	}
	sent |= rpc_link_waiting(&c->link) < waiting;
	while (c->link.fd >= 0 && rpc_link_waiting(&c->link) < KEPT_BYTES_MAX &&
	       (status = rpc_link_read(&c->link, &m, &error)) > 0)
		take_message(h, c, &m);
	if (c->link.fd >= 0 && status < 0) {
		if (error)
			log_warn("a client's connection ends: %s", error);
		drop(c);
	}
}

/* --- sockets --- */

static void listen_now(struct host *h)
{
	char path[PATH_MAX + 32];

	for (int i = 0; i < 2; i++) {
		if (h->listening[i] >= 0)
			continue;
		snprintf(path, sizeof(path), "%s/libvirt/%s", h->folder, socket_names[i]);
		h->listening[i] = rpc_listen(path, 0777);
		if (h->listening[i] < 0)
			host_fail(h, "%s: %s", path, strerror(errno));
	}
}

static void stop_listening(struct host *h)
{
	for (int i = 0; i < 2; i++) {
		if (h->listening[i] >= 0)
			close(h->listening[i]);
		h->listening[i] = -1;
	}
}

void daemon_take(struct host *h, int fd, pid_t pid, bool readonly)
{
	struct connection *c, **last;

	/* Whoever has a clock of its own would see the host in jumps. */
	if (!turns_knows(h, pid))
		turns_leave(h, pid, "a process without the simulated clock connects to libvirt");
	c = h->over ? NULL : calloc(1, sizeof(*c));
	if (!c) {
		close(fd);
		if (!h->over)
			host_fail(h, "out of memory");
		return;
	}
	rpc_link_open(&c->link, fd, 0);
	c->readonly = readonly;
	for (last = &h->connections; *last; last = &(*last)->next)
		;
	*last = c;
}

static void accept_all(struct host *h, int i)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);
	int fd;

	while (!h->over && h->listening[i] >= 0 &&
	       (fd = accept4(h->listening[i], NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
		if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len))
			close(fd);
		else
			daemon_take(h, fd, peer.pid, i);
	}
}

int daemon_begin(struct host *h)
{
	char path[PATH_MAX + 16];

	snprintf(path, sizeof(path), "%s/libvirt", h->folder);
	if (mkdir(path, 0755)) {
		host_fail(h, "%s: %s", path, strerror(errno));
		return -1;
	}
	listen_now(h);
	return h->over ? -1 : 0;
}

bool daemon_serve(struct host *h)
{
	sent = false;
	if (!faults_down(&h->play.faults, host_now(h)))
		listen_now(h);
	while (!h->over && task_resume_due(h))
		;
	for (int i = 0; i < 2 && !h->over; i++)
		accept_all(h, i);
	for (struct connection *c = h->connections; c && !h->over; c = c->next) {
		if (c->link.fd >= 0)
			serve(h, c);
	}
	if (h->play.interrupted) {
		h->play.interrupted = false;
		events_hand_out();
	}
	sweep(h);
	return sent;
}

uint64_t daemon_next(const struct host *h)
{
	return task_next(h);
}

void daemon_restart(struct host *h)
{
	stop_listening(h);
	for (struct connection *c = h->connections; c; c = c->next)
		drop(c);
	sweep(h);
}

void daemon_end(struct host *h)
{
	stop_listening(h);
	for (struct connection *c = h->connections; c; c = c->next) {
		rpc_link_close(&c->link);
		c->calls = 0;
	}
	task_end_all(h);
}
