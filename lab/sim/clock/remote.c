/* SPDX-License-Identifier: MIT */
/* The run as a process of it sees it: all is asked of the simulated host over a connection. */
#undef _FORTIFY_SOURCE
#include "remote.h"

#include "real.h"
#include "sched.h"
#include "sim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* A program that asks for so much without waiting once waits for a clock that cannot move. */
#define CALLS_MAX 1000000

static const struct control_page *page;
static int control = -1;
static uint32_t number;
static bool ran = true; /* a thread has had its turn since the host was last told */
static unsigned long calls;

const struct control_page *remote_page(void)
{
	return page;
}

int remote_fd(void)
{
	return control;
}

__attribute__((noreturn)) static void leave(int status)
{
	real(syscall)(SYS_exit_group, status);
	__builtin_unreachable();
}

/* --- the connection --- */

/* The run is over: nobody is there to tell the time. */
__attribute__((noreturn)) static void lost(void)
{
	leave(128 + SIGKILL);
}

static void send_message(const struct control *m, int fd)
{
	struct iovec iov = {.iov_base = (void *)m, .iov_len = sizeof(*m)};
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} extra = {0};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

	if (fd >= 0) {
		extra.header = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
						.cmsg_type = SCM_RIGHTS,
						.cmsg_len = CMSG_LEN(sizeof(int))};
		memcpy(CMSG_DATA(&extra.header), &fd, sizeof(fd));
		message.msg_control = &extra;
		message.msg_controllen = sizeof(extra);
	}
	while (real(sendmsg)(control, &message, MSG_NOSIGNAL) < 0) {
		if (errno != EINTR)
			lost();
	}
}

/* An answer, and the descriptor that came with it or −1. */
static int receive(struct control *m)
{
	struct iovec iov = {.iov_base = m, .iov_len = sizeof(*m)};
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} extra;
	struct msghdr message = {.msg_iov = &iov,
				 .msg_iovlen = 1,
				 .msg_control = &extra,
				 .msg_controllen = sizeof(extra)};
	struct cmsghdr *header;
	ssize_t n;
	int fd = -1;

	while ((n = real(recvmsg)(control, &message, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR)
		;
	if (n != (ssize_t)sizeof(*m))
		lost();
	header = CMSG_FIRSTHDR(&message);
	if (header && header->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	return fd;
}

static void hello(void)
{
	const struct control m = {.kind = CONTROL_HELLO};
	struct control answer;
	void *map;
	int fd;

	send_message(&m, -1);
	fd = receive(&answer);
	number = answer.number;
	if (!page) {
		map = mmap(NULL, sizeof(*page), PROT_READ, MAP_SHARED, fd, 0);
		if (map == MAP_FAILED)
			lost();
		page = map;
	}
	real(close)(fd);
	receive(&answer); /* it may go on */
	ran = true;
	calls = 0;
}

static struct control about_outsider(enum control_kind kind, const char *closed)
{
	struct control m = {.kind = kind, .number = closed != NULL};

	if (closed)
		snprintf(m.text, sizeof(m.text), "at t = %.3f s it starts %s",
			 (double)sim_now() / 1e9, closed);
	return m;
}

void remote_goes_outside(const char *closed)
{
	const struct control m = about_outsider(CONTROL_OUTSIDE, closed);

	send_message(&m, -1);
}

int remote_announce_child(const char *closed)
{
	const struct control m = about_outsider(CONTROL_CHILD, closed);
	int ends[2], moved;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return -1;
	send_message(&m, ends[0]);
	real(close)(ends[0]);
	moved = fcntl(ends[1], F_DUPFD, control_fd_first());
	real(close)(ends[1]);
	return moved;
}

void remote_become_child(int fd)
{
	dup3(fd, control, O_CLOEXEC);
	real(close)(fd);
	hello();
}

bool sim_owns_fd(int fd)
{
	return fd >= 0 && fd == control;
}

/* --- the end --- */

__attribute__((noreturn, format(printf, 2, 0))) static void
end_with(enum control_kind kind, const char *format, va_list args)
{
	struct control m = {.kind = kind};

	vsnprintf(m.text, sizeof(m.text), format, args);
	send_message(&m, -1);
	leave(EXIT_FAILURE);
}

void sim_stop(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	end_with(CONTROL_STOP, format, args);
	va_end(args);
	__builtin_unreachable();
}

void sim_refuse(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	end_with(CONTROL_REFUSE, format, args);
	va_end(args);
	__builtin_unreachable();
}

/* Nothing of the host's: of this process, which has no memory. */
void sim_fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	end_with(CONTROL_REFUSE, format, args);
	va_end(args);
	__builtin_unreachable();
}

void sim_killed(int signal)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, signal);
	real(pthread_sigmask)(SIG_UNBLOCK, &set, NULL);
	real(syscall)(SYS_tgkill, getpid(), (pid_t)real(syscall)(SYS_gettid), signal);
	leave(128 + signal); /* not reached: the signal's action is the default one */
}

/* --- time --- */

bool sim_running(void)
{
	return page;
}

double sim_charge_factor(void)
{
	return page->charge;
}

/* Every process has its own. */
uint64_t sim_seed(void)
{
	return page->seed + number * 0x9e3779b97f4a7c15ULL;
}

uint64_t sim_now(void)
{
	return page ? page->now_ns : 0;
}

void sim_goes_on(void)
{
	ran = true;
}

void sim_advance(uint64_t until_ns)
{
	struct control m = {.kind = CONTROL_IDLE, .number = ran, .ns = until_ns};

	send_message(&m, -1);
	receive(&m);
	ran = false;
	calls = 0;
}

void sim_charge(uint64_t cpu_ns)
{
	struct control m = {.kind = CONTROL_SPEND, .ns = cpu_ns};

	send_message(&m, -1);
	receive(&m);
}

void sim_count_call(void)
{
	if (++calls > CALLS_MAX)
		sim_stop("it computes without end and never waits: %d calls at t = %.3f s without "
			 "waiting once, while its clock stands still",
			 CALLS_MAX, (double)sim_now() / 1e9);
}

/* --- the host --- */

const struct host_view *sim_host(void)
{
	static struct host_view view;
	struct control m = {.kind = CONTROL_VIEW};

	if (!page)
		return NULL;
	send_message(&m, -1);
	receive(&m);
	memcpy(&view, m.text, sizeof(view));
	return &view;
}

/* What the host wrote for us, as text of its own; NULL: out of memory. */
static char *take_text(int fd, size_t *len)
{
	struct stat st;
	char *text = NULL;

	if (fstat(fd, &st) == 0)
		text = malloc((size_t)st.st_size + 1);
	if (text) {
		*len = (size_t)st.st_size;
		text[*len] = '\0';
		if (real(pread)(fd, text, *len, 0) != st.st_size) {
			free(text);
			text = NULL;
		}
	}
	real(close)(fd);
	return text;
}

static uint32_t ask(enum control_kind kind, const char *path, char **text, size_t *len)
{
	struct control m = {.kind = kind};
	int fd;

	*text = NULL;
	if (strlen(path) >= sizeof(m.text))
		return HOST_FILE_MISSING;
	strcpy(m.text, path);
	send_message(&m, -1);
	fd = receive(&m);
	if (fd >= 0)
		*text = take_text(fd, len);
	return m.number;
}

enum host_file sim_host_file(const char *path, char **text, size_t *len)
{
	return ask(CONTROL_FILE, path, text, len);
}

bool sim_host_folder(const char *path, void (*put)(const char *name, bool folder, void *opaque),
		     void *opaque)
{
	char *text, *line, *rest;
	size_t len;

	if (ask(CONTROL_FOLDER, path, &text, &len) != HOST_FILE_MADE || !text)
		return false;
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		put(line + 2, *line == 'd', opaque);
	free(text);
	return true;
}

/* --- the beginning --- */

/* As on a terminal: lines come when they are printed, not when a buffer is full. */
static void set_up_output(void)
{
	struct stat st;

	if (fstat(STDOUT_FILENO, &st) == 0 && st.st_dev == page->output_device &&
	    st.st_ino == page->output_inode)
		setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
}

__attribute__((constructor)) static void set_up(void)
{
	const char *text = getenv(CONTROL_ENV);
	int fd = text ? atoi(text) : -1;

	if (fd < 0 || fcntl(fd, F_GETFD) < 0) {
		dprintf(STDERR_FILENO, "libballast-clock: only of use to programs that ballast's "
				       "lab/sim/run starts\n");
		leave(EXIT_FAILURE);
	}
	control = control_fd_first();
	if (fd != control) {
		dup3(fd, control, O_CLOEXEC);
		real(close)(fd);
	}
	fcntl(control, F_SETFD, FD_CLOEXEC);
	children_set_up();
	hello();
	set_up_output();
	sched_start();
	patch_libc();
}
