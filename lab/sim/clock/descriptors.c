/* SPDX-License-Identifier: MIT */
/*
 * Waiting for descriptors, in libc's place: whether one is ready is asked of the kernel, how long
 * to wait for it is virtual. timerfds are eventfds that virtual timers write to.
 */
#undef _FORTIFY_SOURCE
#include "clock.h"
#include "descriptors.h"
#include "real.h"
#include "sched.h"
#include "control.h"
#include "sim.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <unistd.h>

/* --- poll --- */

static int poll_until(struct pollfd *fds, nfds_t nfds, uint64_t deadline_ns)
{
	const struct sched_wait wait = {.fds = fds, .nfds = nfds, .deadline_ns = deadline_ns};
	enum sched_result result = SCHED_WOKEN;
	int ready;

	sim_count_call();
	pthread_testcancel();
	while ((ready = real(poll)(fds, nfds, 0)) == 0 && result == SCHED_WOKEN) {
		result = sched_wait(&wait);
		pthread_testcancel();
	}
	if (ready == 0 && result == SCHED_SIGNAL) {
		errno = EINTR;
		return -1;
	}
	return ready;
}

static uint64_t deadline_ms(int timeout)
{
	return timeout < 0 ? SCHED_NEVER : deadline_in((uint64_t)timeout * 1000000);
}

static uint64_t deadline_ts(const struct timespec *timeout)
{
	return timeout ? deadline_in(timespec_ns(timeout)) : SCHED_NEVER;
}

EXPORT int poll(struct pollfd *fds, nfds_t nfds, int timeout)
{
	if (!sched_started())
		return real(poll)(fds, nfds, timeout);
	return poll_until(fds, nfds, deadline_ms(timeout));
}

/* The signal mask of the p… calls holds while they wait. False with EINTR: it let a signal through
 * at once. */
static bool swap_mask(const sigset_t *mask, sigset_t *saved)
{
	sigset_t pending;
	bool through = false;

	if (!mask)
		return true;
	sigpending(&pending);
	for (int number = 1; number < SIGRTMIN; number++)
		through |= sigismember(&pending, number) == 1 && !sigismember(mask, number);
	pthread_sigmask(SIG_SETMASK, mask, saved);
	if (through)
		errno = EINTR;
	return !through;
}

static void swap_back(const sigset_t *mask, const sigset_t *saved)
{
	if (mask)
		pthread_sigmask(SIG_SETMASK, saved, NULL);
}

EXPORT int ppoll(struct pollfd *fds, nfds_t nfds, const struct timespec *timeout,
		 const sigset_t *mask)
{
	sigset_t saved;
	int status = -1;

	if (!sched_started())
		return real(ppoll)(fds, nfds, timeout, mask);
	if (swap_mask(mask, &saved))
		status = poll_until(fds, nfds, deadline_ts(timeout));
	swap_back(mask, &saved);
	return status;
}

EXPORT int __poll_chk(struct pollfd *fds, nfds_t nfds, int timeout, size_t size);
EXPORT int __poll_chk(struct pollfd *fds, nfds_t nfds, int timeout, size_t size)
{
	if (size / sizeof(*fds) < nfds)
		abort();
	return poll(fds, nfds, timeout);
}

EXPORT int __ppoll_chk(struct pollfd *fds, nfds_t nfds, const struct timespec *timeout,
		       const sigset_t *mask, size_t size);
EXPORT int __ppoll_chk(struct pollfd *fds, nfds_t nfds, const struct timespec *timeout,
		       const sigset_t *mask, size_t size)
{
	if (size / sizeof(*fds) < nfds)
		abort();
	return ppoll(fds, nfds, timeout, mask);
}

/* --- select --- */

static nfds_t pollfds_of(int nfds, const fd_set *in, const fd_set *out, const fd_set *except,
			 struct pollfd *fds)
{
	nfds_t n = 0;

	for (int fd = 0; fd < nfds; fd++) {
		short want = (short)((in && FD_ISSET(fd, in) ? POLLIN : 0) |
				     (out && FD_ISSET(fd, out) ? POLLOUT : 0) |
				     (except && FD_ISSET(fd, except) ? POLLPRI : 0));

		if (want)
			fds[n++] = (struct pollfd){.fd = fd, .events = want};
	}
	return n;
}

EXPORT int select(int nfds, fd_set *restrict in, fd_set *restrict out, fd_set *restrict except,
		  struct timeval *restrict timeout)
{
	struct pollfd fds[FD_SETSIZE];
	struct timeval zero = {0};
	uint64_t deadline_ns, now;
	nfds_t n;

	if (!sched_started())
		return real(select)(nfds, in, out, except, timeout);
	if (nfds < 0 || nfds > FD_SETSIZE) {
		errno = EINVAL;
		return -1;
	}
	n = pollfds_of(nfds, in, out, except, fds);
	deadline_ns = timeout ? deadline_in(timeval_ns(timeout)) : SCHED_NEVER;
	if (poll_until(fds, n, deadline_ns) < 0)
		return -1;
	if (timeout) { /* as Linux does: what is left */
		now = sim_now();
		*timeout = ns_timeval(deadline_ns > now ? deadline_ns - now : 0);
	}
	return real(select)(nfds, in, out, except, &zero);
}

EXPORT int pselect(int nfds, fd_set *restrict in, fd_set *restrict out, fd_set *restrict except,
		   const struct timespec *restrict timeout, const sigset_t *restrict mask)
{
	struct timeval tv;
	sigset_t saved;
	int status = -1;

	if (!sched_started())
		return real(pselect)(nfds, in, out, except, timeout, mask);
	if (timeout)
		tv = ns_timeval(timespec_ns(timeout));
	if (swap_mask(mask, &saved))
		status = select(nfds, in, out, except, timeout ? &tv : NULL);
	swap_back(mask, &saved);
	return status;
}

/* --- epoll: its descriptor is readable when one of its own is ready --- */

static int epoll_until(int epfd, struct epoll_event *events, int most, uint64_t deadline_ns)
{
	struct pollfd fd = {.fd = epfd, .events = POLLIN};
	int ready = poll_until(&fd, 1, deadline_ns);

	return ready < 0 ? -1 : real(epoll_wait)(epfd, events, most, 0);
}

EXPORT int epoll_wait(int epfd, struct epoll_event *events, int most, int timeout)
{
	if (!sched_started())
		return real(epoll_wait)(epfd, events, most, timeout);
	return epoll_until(epfd, events, most, deadline_ms(timeout));
}

EXPORT int epoll_pwait(int epfd, struct epoll_event *events, int most, int timeout,
		       const sigset_t *mask)
{
	sigset_t saved;
	int status = -1;

	if (!sched_started())
		return real(epoll_pwait)(epfd, events, most, timeout, mask);
	if (swap_mask(mask, &saved))
		status = epoll_until(epfd, events, most, deadline_ms(timeout));
	swap_back(mask, &saved);
	return status;
}

EXPORT int epoll_pwait2(int epfd, struct epoll_event *events, int most,
			const struct timespec *timeout, const sigset_t *mask)
{
	sigset_t saved;
	int status = -1;

	if (!sched_started())
		return real(epoll_pwait2)(epfd, events, most, timeout, mask);
	if (swap_mask(mask, &saved))
		status = epoll_until(epfd, events, most, deadline_ts(timeout));
	swap_back(mask, &saved);
	return status;
}

/* --- reading from what has nothing yet --- */

/* Waits until fd is readable, unless it does not block; false with errno where a signal came first.
 */
static bool await_input(int fd)
{
	struct pollfd pollfd = {.fd = fd, .events = POLLIN};
	int flags;

	if (real(poll)(&pollfd, 1, 0) != 0)
		return true;
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || flags & O_NONBLOCK)
		return true;
	return poll_until(&pollfd, 1, SCHED_NEVER) >= 0;
}

EXPORT ssize_t read(int fd, void *buf, size_t len)
{
	if (sched_started() && !await_input(fd))
		return -1;
	return raw_read(fd, buf, len);
}

EXPORT ssize_t __read_chk(int fd, void *buf, size_t len, size_t size);
EXPORT ssize_t __read_chk(int fd, void *buf, size_t len, size_t size)
{
	if (len > size)
		abort();
	return read(fd, buf, len);
}

EXPORT ssize_t readv(int fd, const struct iovec *iov, int count)
{
	if (sched_started() && !await_input(fd))
		return -1;
	return real(readv)(fd, iov, count);
}

EXPORT ssize_t recv(int fd, void *buf, size_t len, int flags)
{
	if (sched_started() && !(flags & MSG_DONTWAIT) && !await_input(fd))
		return -1;
	return real(recv)(fd, buf, len, flags);
}

EXPORT ssize_t recvfrom(int fd, void *restrict buf, size_t len, int flags,
			struct sockaddr *restrict address, socklen_t *restrict length)
{
	if (sched_started() && !(flags & MSG_DONTWAIT) && !await_input(fd))
		return -1;
	return real(recvfrom)(fd, buf, len, flags, address, length);
}

EXPORT ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
	if (sched_started() && !(flags & MSG_DONTWAIT) && !await_input(fd))
		return -1;
	return real(recvmsg)(fd, message, flags);
}

EXPORT int accept(int fd, struct sockaddr *restrict address, socklen_t *restrict length)
{
	if (sched_started() && !await_input(fd))
		return -1;
	return real(accept)(fd, address, length);
}

EXPORT int accept4(int fd, struct sockaddr *restrict address, socklen_t *restrict length, int flags)
{
	if (sched_started() && !await_input(fd))
		return -1;
	return real(accept4)(fd, address, length, flags);
}

EXPORT int eventfd_read(int fd, eventfd_t *value)
{
	return read(fd, value, sizeof(*value)) == sizeof(*value) ? 0 : -1;
}

/* --- writing to what is full --- */

/* Waits until fd takes something; false with errno where a signal came first. */
static bool await_output(int fd)
{
	struct pollfd pollfd = {.fd = fd, .events = POLLOUT};

	return real(poll)(&pollfd, 1, 0) != 0 || poll_until(&pollfd, 1, SCHED_NEVER) >= 0;
}

/* What others must read before more can be written, and that blocks. */
enum sink { SINK_OTHER, SINK_PIPE, SINK_SOCKET };

static enum sink sink_of(int fd)
{
	struct stat st;
	int flags;

	if (!sched_started() || fstat(fd, &st) || !(S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode)))
		return SINK_OTHER;
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || flags & O_NONBLOCK)
		return SINK_OTHER;
	return S_ISFIFO(st.st_mode) ? SINK_PIPE : SINK_SOCKET;
}

/* A pipe that takes anything takes PIPE_BUF bytes. */
static ssize_t write_part(int fd, enum sink sink, const char *buf, size_t len, int flags)
{
	if (sink == SINK_PIPE)
		return raw_write(fd, buf, len < PIPE_BUF ? len : PIPE_BUF);
	return real(send)(fd, buf, len, flags | MSG_DONTWAIT);
}

static ssize_t write_all(int fd, enum sink sink, const char *buf, size_t len, int flags)
{
	size_t done = 0;

	do {
		ssize_t n =
			await_output(fd) ? write_part(fd, sink, buf + done, len - done, flags) : -1;

		if (n < 0 && errno == EAGAIN)
			continue;
		if (n < 0)
			return done ? (ssize_t)done : -1;
		done += (size_t)n;
	} while (done < len);
	return (ssize_t)done;
}

EXPORT ssize_t write(int fd, const void *buf, size_t len)
{
	enum sink sink = sink_of(fd);

	return sink == SINK_OTHER ? raw_write(fd, buf, len) : write_all(fd, sink, buf, len, 0);
}

EXPORT ssize_t writev(int fd, const struct iovec *iov, int count)
{
	enum sink sink = sink_of(fd);
	ssize_t done = 0;

	if (sink == SINK_OTHER)
		return real(writev)(fd, iov, count);
	for (int i = 0; i < count; i++) {
		ssize_t n = write_all(fd, sink, iov[i].iov_base, iov[i].iov_len, 0);

		if (n < 0)
			return done ? done : -1;
		done += n;
		if ((size_t)n < iov[i].iov_len)
			break;
	}
	return done;
}

EXPORT ssize_t send(int fd, const void *buf, size_t len, int flags)
{
	if (flags & MSG_DONTWAIT || sink_of(fd) != SINK_SOCKET)
		return real(send)(fd, buf, len, flags);
	return write_all(fd, SINK_SOCKET, buf, len, flags);
}

/* --- timerfd --- */

struct virtual_timerfd {
	struct sched_timer timer;
	struct virtual_timerfd *next;
	int fd;	     /* the program's */
	int writing; /* ours, of the same eventfd */
	clockid_t clock;
};

static struct virtual_timerfd *timerfds;

static void write_times(struct sched_timer *timer, uint64_t times)
{
	const struct virtual_timerfd *t = (struct virtual_timerfd *)timer;
	ssize_t ignored = raw_write(t->writing, &times, sizeof(times)); /* full: it is readable */

	(void)ignored;
}

static struct virtual_timerfd *find_timerfd(int fd)
{
	struct virtual_timerfd *t = timerfds;

	while (t && t->fd != fd)
		t = t->next;
	return t;
}

EXPORT int timerfd_create(int clock, int flags)
{
	struct virtual_timerfd *t;
	uint64_t base_ns;

	if (!sched_started())
		return real(timerfd_create)(clock, flags);
	if (!clock_base(clock, &base_ns)) {
		errno = EINVAL;
		return -1;
	}
	t = calloc(1, sizeof(*t));
	if (!t)
		return -1;
	t->clock = clock;
	t->timer.fire = write_times;
	t->fd = eventfd(0, (flags & TFD_CLOEXEC ? EFD_CLOEXEC : 0) |
				   (flags & TFD_NONBLOCK ? EFD_NONBLOCK : 0));
	t->writing = t->fd < 0 ? -1 : fcntl(t->fd, F_DUPFD_CLOEXEC, control_fd_first());
	if (t->writing < 0) {
		free(t);
		return -1;
	}
	t->next = timerfds;
	timerfds = t;
	sched_timer_add(&t->timer);
	return t->fd;
}

static struct itimerspec left_of(const struct virtual_timerfd *t)
{
	uint64_t now = sched_now(), deadline_ns = t->timer.deadline_ns;
	struct itimerspec left = {.it_interval = ns_timespec(t->timer.interval_ns)};

	if (deadline_ns != SCHED_NEVER)
		left.it_value = ns_timespec(deadline_ns > now ? deadline_ns - now : 1);
	return left;
}

/* Expirations of the setting before no longer count. */
static void forget_expirations(const struct virtual_timerfd *t)
{
	struct pollfd fd = {.fd = t->writing, .events = POLLIN};
	uint64_t times;

	if (real(poll)(&fd, 1, 0) > 0) {
		ssize_t ignored = raw_read(t->writing, &times, sizeof(times));

		(void)ignored;
	}
}

EXPORT int timerfd_settime(int fd, int flags, const struct itimerspec *new, struct itimerspec *old)
{
	struct virtual_timerfd *t = sched_started() ? find_timerfd(fd) : NULL;
	uint64_t deadline_ns = SCHED_NEVER;

	if (!t)
		return real(timerfd_settime)(fd, flags, new, old);
	if (!timespec_valid(&new->it_value) || !timespec_valid(&new->it_interval)) {
		errno = EINVAL;
		return -1;
	}
	if (old)
		*old = left_of(t);
	if (new->it_value.tv_sec || new->it_value.tv_nsec)
		deadline_ns = flags & TFD_TIMER_ABSTIME ? clock_deadline(t->clock, &new->it_value)
							: deadline_in(timespec_ns(&new->it_value));
	forget_expirations(t);
	sched_timer_set(&t->timer, deadline_ns, timespec_ns(&new->it_interval));
	return 0;
}

EXPORT int timerfd_gettime(int fd, struct itimerspec *left)
{
	const struct virtual_timerfd *t = sched_started() ? find_timerfd(fd) : NULL;

	if (!t)
		return real(timerfd_gettime)(fd, left);
	*left = left_of(t);
	return 0;
}

/* The program has closed it. */
void timerfd_closed(int fd)
{
	for (struct virtual_timerfd **at = &timerfds; *at; at = &(*at)->next) {
		struct virtual_timerfd *t = *at;

		if (t->fd != fd)
			continue;
		sched_timer_remove(&t->timer);
		*at = t->next;
		real(close)(t->writing);
		free(t);
		return;
	}
}

/* Descriptors are gone for us as for the kernel when they are closed; ours stay. */
EXPORT int close(int fd)
{
	if (sim_owns_fd(fd)) {
		errno = EBADF;
		return -1;
	}
	if (sched_started()) {
		timerfd_closed(fd);
		file_closed(fd);
	}
	return real(close)(fd);
}

EXPORT int close_range(unsigned int first, unsigned int last, int flags)
{
	if (!sched_started())
		return real(close_range)(first, last, flags);
	if (last > (unsigned int)sysconf(_SC_OPEN_MAX))
		last = (unsigned int)sysconf(_SC_OPEN_MAX);
	for (unsigned int fd = first; fd <= last; fd++) {
		if (!flags && !sim_owns_fd((int)fd))
			close((int)fd);
	}
	return 0;
}

EXPORT void closefrom(int first)
{
	close_range((unsigned int)first, ~0U, 0);
}
