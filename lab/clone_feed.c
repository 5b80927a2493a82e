/* SPDX-License-Identifier: MIT */
/* Brings a clone's own head and the golden guest's stream to libvirt. */
#include "clone_feed.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

/* The most a pipe may hold without privileges; fewer wake-ups than the default 64 KiB. */
#define PIPE_SIZE (1 << 20)

/*
 * Held back until the golden file was verified: behind the RAM come the devices, some 100 KiB,
 * without which no guest runs, and a description of them that QEMU does without.
 */
#define HELD_BACK (1 << 20)

void feed_gate_init(struct feed_gate *gate)
{
	pthread_mutex_init(&gate->lock, NULL);
	pthread_cond_init(&gate->decided, NULL);
	gate->state = GATE_WAIT;
}

void feed_gate_decide(struct feed_gate *gate, bool good)
{
	pthread_mutex_lock(&gate->lock);
	gate->state = good ? GATE_GOOD : GATE_BAD;
	pthread_cond_broadcast(&gate->decided);
	pthread_mutex_unlock(&gate->lock);
}

bool feed_gate_good(struct feed_gate *gate)
{
	bool good;

	pthread_mutex_lock(&gate->lock);
	while (gate->state == GATE_WAIT)
		pthread_cond_wait(&gate->decided, &gate->lock);
	good = gate->state == GATE_GOOD;
	pthread_mutex_unlock(&gate->lock);
	return good;
}

/*
 * Waits until a pipe takes more; −1 if the feed is stopped before. Whoever reads may never go on:
 * where libvirtd was killed in the middle of a restore, its QEMU keeps the pipe open and waits for
 * a word from it.
 */
static int await_room(int pipe, const struct feed *feed)
{
	struct pollfd fds[] = {{.fd = pipe, .events = POLLOUT},
			       {.fd = feed->stop_fd, .events = POLLIN}};

	while (poll(fds, 2, -1) < 0)
		if (errno != EINTR)
			return -1;
	return fds[1].revents ? -1 : 0;
}

/* Whether a call that did not go through is to be made again. feed: whose pipe it is; NULL: a file.
 */
static bool goes_on(int fd, const struct feed *feed)
{
	return errno == EINTR || (errno == EAGAIN && feed && await_room(fd, feed) == 0);
}

static int write_all(int fd, const unsigned char *data, size_t len, const struct feed *feed)
{
	while (len > 0) {
		ssize_t done = write(fd, data, len);

		if (done < 0 && goes_on(fd, feed))
			continue;
		if (done <= 0)
			return -1;
		data += done;
		len -= (size_t)done;
	}
	return 0;
}

/* Moves the bytes [from, to) of a file on, without taking them through this process. */
static int send_range(int out, int in, uint64_t from, uint64_t to, const struct feed *feed)
{
	off_t at = (off_t)from;

	while ((uint64_t)at < to) {
		ssize_t done = sendfile(out, in, &at, (size_t)(to - (uint64_t)at));

		if (done < 0 && goes_on(out, feed))
			continue;
		if (done == 0)
			errno = EIO; /* the file got shorter */
		if (done <= 0)
			return -1;
	}
	return 0;
}

static void *feed_run(void *opaque)
{
	struct feed *feed = opaque;
	const struct saved *s = feed->saved;
	uint64_t held_at = s->size > s->stream_at + HELD_BACK ? s->size - HELD_BACK : s->stream_at;
	int fd = open(feed->path, O_WRONLY | O_CLOEXEC); /* waits for a reader */
	bool cancelled;

	pthread_mutex_lock(&feed->lock);
	feed->opened = true;
	cancelled = feed->cancelled;
	pthread_mutex_unlock(&feed->lock);
	if (fd < 0)
		return NULL;
	if (!cancelled && fcntl(fd, F_SETFL, O_NONBLOCK) == 0) {
		(void)fcntl(fd, F_SETPIPE_SZ, PIPE_SIZE);
		/* A reader that goes away shows as EPIPE; what became of the guest is libvirt's to
		 * say. */
		if (write_all(fd, feed->head, feed->head_len, feed) == 0 &&
		    send_range(fd, s->fd, s->stream_at, held_at, feed) == 0 &&
		    feed_gate_good(feed->gate))
			(void)send_range(fd, s->fd, held_at, s->size, feed);
	}
	close(fd);
	return NULL;
}

int feed_start(struct feed *feed)
{
	int failed;

	feed->opened = feed->cancelled = false;
	feed->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (feed->stop_fd < 0)
		return -1;
	failed = mkfifo(feed->path, 0600) < 0 ? errno : 0;
	if (!failed) {
		pthread_mutex_init(&feed->lock, NULL);
		failed = pthread_create(&feed->thread, NULL, feed_run, feed);
		if (failed)
			unlink(feed->path);
	}
	if (failed) {
		close(feed->stop_fd);
		errno = failed;
		return -1;
	}
	return 0;
}

void feed_stop(struct feed *feed)
{
	int reader = -1;

	/* One that still waits for a reader gets this one, sees that it is cancelled, and ends. */
	pthread_mutex_lock(&feed->lock);
	feed->cancelled = true;
	if (!feed->opened)
		reader = open(feed->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	pthread_mutex_unlock(&feed->lock);
	eventfd_write(feed->stop_fd, 1);
	pthread_join(feed->thread, NULL);
	if (reader >= 0)
		close(reader);
	close(feed->stop_fd);
	pthread_mutex_destroy(&feed->lock);
	unlink(feed->path);
}

static int fill_copy(int fd, const struct saved *s, const unsigned char *head, size_t head_len)
{
	/* Sharing blocks needs the stream to stay where it is, which saved_head() sees to. */
	if (head_len == s->stream_at && ioctl(fd, FICLONE, s->fd) == 0)
		return write_all(fd, head, head_len, NULL);
	if (write_all(fd, head, head_len, NULL) < 0)
		return -1;
	for (off_t at = (off_t)s->stream_at; (uint64_t)at < s->size;) {
		ssize_t done =
			copy_file_range(s->fd, &at, fd, NULL, (size_t)(s->size - (uint64_t)at), 0);

		if (done < 0 &&
		    (errno == EXDEV || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP))
			return send_range(fd, s->fd, (uint64_t)at, s->size, NULL);
		if (done == 0)
			errno = EIO;
		if (done <= 0)
			return -1;
	}
	return 0;
}

int feed_copy(const struct saved *saved, const unsigned char *head, size_t head_len,
	      const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int failed = 0;

	if (fd < 0)
		return -1;
	if (fill_copy(fd, saved, head, head_len) < 0)
		failed = errno;
	if (close(fd) < 0 && !failed)
		failed = errno;
	if (failed) {
		unlink(path);
		errno = failed;
		return -1;
	}
	return 0;
}

int feed_clear(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : -1;
	if (S_ISFIFO(st.st_mode)) {
		int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);

		if (fd >= 0)
			close(fd);
	}
	return unlink(path) < 0 && errno != ENOENT ? -1 : 0;
}
