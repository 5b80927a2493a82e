/* SPDX-License-Identifier: MIT */
/* Connections, and what is said on them. */
#include "link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 64

void rpc_link_open(struct rpc_link *l, int fd, size_t max)
{
	*l = (struct rpc_link){.fd = fd, .in.max = max};
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
}

void rpc_link_close(struct rpc_link *l)
{
	if (l->fd >= 0)
		close(l->fd);
	rpc_reader_free(&l->in);
	free(l->queue);
	*l = (struct rpc_link){.fd = -1};
}

int rpc_link_next(struct rpc_link *l, struct rpc_message *m, const char **error)
{
	*error = NULL;
	int got = rpc_reader_next(&l->in, &m->data, &m->len, error);

	if (got == 1 && rpc_message_read(m->data, m->len, &m->header, &m->body, error) < 0)
		return -1;
	return got;
}

int rpc_link_read(struct rpc_link *l, struct rpc_message *m, const char **error)
{
	for (;;) {
		int got = rpc_link_next(l, m, error);

		if (got)
			return got;
		long n = rpc_reader_fill(&l->in, l->fd);

		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n <= 0) {
			if (rpc_reader_partial(&l->in))
				*error = "a message that was cut";
			return -1;
		}
	}
}

/* Writes until all is written or the socket is full. Bytes written, −1 with errno. */
static ssize_t write_some(int fd, const unsigned char *data, size_t len)
{
	size_t sent = 0;

	while (sent < len) {
		ssize_t n = send(fd, data + sent, len - sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)
			return -1;
		sent += (size_t)n;
	}
	return (ssize_t)sent;
}

static int queue_append(struct rpc_link *l, const unsigned char *data, size_t len)
{
	if (l->at) {
		memmove(l->queue, l->queue + l->at, l->len - l->at);
		l->len -= l->at;
		l->at = 0;
	}
	if (l->len + len > l->size) {
		size_t size = 2 * (l->len + len);
		unsigned char *queue = realloc(l->queue, size);

		if (!queue)
			return -1;
		l->queue = queue;
		l->size = size;
	}
	memcpy(l->queue + l->len, data, len);
	l->len += len;
	return 0;
}

int rpc_link_send(struct rpc_link *l, const void *data, size_t len)
{
	ssize_t sent = rpc_link_waiting(l) ? 0 : write_some(l->fd, data, len);

	if (sent < 0)
		return -1;
	if ((size_t)sent == len)
		return 0;
	return queue_append(l, (const unsigned char *)data + sent, len - (size_t)sent);
}

int rpc_link_flush(struct rpc_link *l)
{
	if (!rpc_link_waiting(l))
		return 0;
	ssize_t sent = write_some(l->fd, l->queue + l->at, l->len - l->at);

	if (sent < 0)
		return -1;
	l->at += (size_t)sent;
	if (l->at == l->len) {
		free(l->queue);
		l->queue = NULL;
		l->at = l->len = l->size = 0;
	}
	return 0;
}

size_t rpc_link_waiting(const struct rpc_link *l)
{
	return l->len - l->at;
}

int rpc_link_put(struct rpc_link *l, struct rpc_out *out)
{
	if (rpc_message_end(out) < 0) {
		errno = EMSGSIZE;
		return -1;
	}
	return rpc_link_send(l, out->data, out->len);
}

void rpc_reply_begin(struct rpc_out *out, const struct rpc_header *call)
{
	struct rpc_header h = *call;

	h.type = RPC_REPLY;
	h.status = RPC_OK;
	rpc_message_begin(out, &h);
}

void rpc_event_begin(struct rpc_out *out, int32_t procedure)
{
	struct rpc_header h = {RPC_REMOTE, RPC_VERSION, procedure, RPC_EVENT, 0, RPC_OK};

	rpc_message_begin(out, &h);
}

void rpc_reply_error(struct rpc_out *out, const struct rpc_header *call,
		     const struct rpc_error *error)
{
	struct rpc_header h = *call;

	h.type = RPC_REPLY;
	h.status = RPC_ERROR;
	rpc_message_begin(out, &h);
	rpc_put_error(out, error);
}

void rpc_pong(struct rpc_out *out)
{
	struct rpc_header h = {RPC_KEEPALIVE, RPC_VERSION, RPC_PONG, RPC_EVENT, 0, RPC_OK};

	rpc_message_begin(out, &h);
}

static int address(const char *path, struct sockaddr_un *a)
{
	*a = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(a->sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(a->sun_path, path, strlen(path));
	return 0;
}

/* Closes fd, with errno as it was; −1. */
static int give_up(int fd)
{
	int saved = errno;

	close(fd);
	errno = saved;
	return -1;
}

int rpc_listen(const char *path, mode_t mode)
{
	struct sockaddr_un a;
	struct stat st;

	if (address(path, &a) < 0)
		return -1;
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
		unlink(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || chmod(path, mode) < 0 ||
	    listen(fd, BACKLOG) < 0)
		return give_up(fd);
	return fd;
}

int rpc_connect(const char *path)
{
	struct sockaddr_un a;

	if (address(path, &a) < 0)
		return -1;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return give_up(fd);
	return fd;
}
