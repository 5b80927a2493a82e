/* SPDX-License-Identifier: MIT */
/* The processes of a run: who runs, who waits for what, and when time moves. */
#include "daemon.h"
#include "reach.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>

/* A process that has closed its connection and lives on has left the simulation. */
#define ENDING_MOST_S 2.0
#define PROCESSES_MAX 256
#define CLIENTS_MAX   64 /* listened to, of those with the machine's clock */

/* Whether one without the simulated clock is gone, or has written something, is looked at so often.
 */
#define LOOK_S 0.02

/* Programs that a process becomes, one after the other. */
#define HELLOS_MAX 10000

/* A process that looks again and again without waiting, as with a time-out of 0, makes time go by.
 */
#define YIELDS_MAX 16
#define YIELD_NS   10000

static double wall_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void set_state(struct host *h, struct process *p, enum process_state state)
{
	p->state = state;
	p->since = ++h->events;
}

static struct process *add_process(struct host *h, int fd)
{
	struct process *p = calloc(1, sizeof(*p)), **last = &h->processes;
	int on = 1;

	if (!p) {
		host_fail(h, "out of memory");
		close(fd);
		return NULL;
	}
	setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
	p->fd = fd;
	p->pidfd = -1;
	while (*last)
		last = &(*last)->next;
	*last = p;
	set_state(h, p, PROCESS_ANNOUNCED);
	return p;
}

static void free_process(struct process *p)
{
	if (p->fd >= 0)
		close(p->fd);
	if (p->pidfd >= 0)
		close(p->pidfd);
	free(p);
}

static void remove_process(struct host *h, struct process *p)
{
	for (struct process **at = &h->processes; *at; at = &(*at)->next) {
		if (*at != p)
			continue;
		*at = p->next;
		break;
	}
	h->changes++; /* what it held is closed, and its parent may wait for it */
	free_process(p);
}

int turns_begin(struct host *h)
{
	struct process *p;
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return -1;
	p = add_process(h, ends[0]);
	if (p && h->config->closed)
		set_state(h, p, PROCESS_OUTSIDE);
	return ends[1];
}

bool turns_knows(const struct host *h, pid_t pid)
{
	for (const struct process *p = h->processes; p; p = p->next) {
		if (p->pid == pid && p->state != PROCESS_ENDING && p->state != PROCESS_OUTSIDE)
			return true;
	}
	return false;
}

void turns_end(struct host *h)
{
	while (h->processes) {
		struct process *p = h->processes;

		h->processes = p->next;
		if (p->pidfd >= 0)
			syscall(SYS_pidfd_send_signal, p->pidfd, SIGKILL, NULL, 0);
		free_process(p);
	}
	h->turn = NULL;
}

/* --- messages --- */

/* One that is not read ends when its process does. */
static void answer(struct process *p, const struct control *m, int fd)
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
	sendmsg(p->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void give_turn(struct host *h, struct process *p)
{
	const struct control m = {.kind = CONTROL_GO};

	set_state(h, p, PROCESS_RUNNING);
	p->seen = h->changes;
	h->turn = p;
	answer(p, &m, -1);
}

static void on_hello(struct host *h, struct process *p, pid_t pid)
{
	const struct control m = {.kind = CONTROL_WELCOME, .number = h->hellos++};

	if (pid > 0 && p->pid != pid) {
		if (p->pidfd >= 0)
			close(p->pidfd);
		p->pid = pid;
		if (!h->group)
			h->group = pid;
		p->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	}
	if (++p->hellos > HELLOS_MAX) {
		host_stop(h, "it begins again without end");
		return;
	}
	h->loaded = true;
	answer(p, &m, h->page_fd);
	if (h->turn == p) /* another program in the same process */
		give_turn(h, p);
	else
		set_state(h, p, PROCESS_READY);
}

static void on_idle(struct host *h, struct process *p, const struct control *m)
{
	uint64_t now = host_now(h);

	if (m->number)
		h->changes++;
	p->seen = h->changes;
	p->yields = m->ns <= now && p->yielded_ns == now ? p->yields + 1 : 0;
	p->yielded_ns = now;
	if (p->yields > YIELDS_MAX)
		p->deadline_ns = now + YIELD_NS;
	else if (m->ns != p->asked_ns || p->deadline_ns <= now)
		p->deadline_ns = m->ns == UINT64_MAX || m->ns <= now
					 ? m->ns
					 : m->ns + faults_late(&h->play.faults, m->ns);
	p->asked_ns = m->ns;
	set_state(h, p, PROCESS_IDLE);
	if (h->turn == p)
		h->turn = NULL;
}

static void on_spend(struct host *h, struct process *p, const struct control *m)
{
	uint64_t took_ns = (uint64_t)((double)m->ns * h->config->charge);
	uint64_t until = host_now(h) + took_ns;

	h->play.program_cpu_s += (double)took_ns / 1e9;
	while (!h->over && host_now(h) < until)
		host_advance(h, until);
	answer(p, &(struct control){.kind = CONTROL_ANSWER}, -1);
}

static int text_file(const char *text, size_t len)
{
	int fd = memfd_create("ballast-sim", MFD_CLOEXEC);

	if (fd >= 0 && write(fd, text, len) != (ssize_t)len) {
		close(fd);
		return -1;
	}
	return fd;
}

static void put_entry(const char *name, bool folder, void *opaque)
{
	fprintf(opaque, "%c %s\n", folder ? 'd' : 'f', name);
}

static enum host_file list_folder(struct host *h, const char *path, char **text, size_t *len)
{
	FILE *out = open_memstream(text, len);
	bool is;

	if (!out)
		return HOST_FILE_MISSING;
	is = host_folder_list(world_model(h->play.world), path, put_entry, out);
	if (fclose(out))
		return HOST_FILE_MISSING;
	return is ? HOST_FILE_MADE : HOST_FILE_MISSING;
}

static void on_file(struct host *h, struct process *p, struct control *m)
{
	struct control reply = {.kind = CONTROL_ANSWER};
	char *text = NULL;
	size_t len = 0;
	int fd = -1;

	m->text[sizeof(m->text) - 1] = '\0';
	if (m->kind == CONTROL_FILE)
		reply.number = host_file_read(world_model(h->play.world), m->text,
					      PLAY_EPOCH_S - PLAY_UPTIME_S, &text, &len);
	else
		reply.number = list_folder(h, m->text, &text, &len);
	if (reply.number == HOST_FILE_MADE && text)
		fd = text_file(text, len);
	answer(p, &reply, fd);
	free(text);
	if (fd >= 0)
		close(fd);
}

static void on_view(struct host *h, struct process *p)
{
	struct control reply = {.kind = CONTROL_ANSWER};
	struct host_view view;

	host_view_read(world_model(h->play.world), &view);
	memcpy(reply.text, &view, sizeof(view));
	answer(p, &reply, -1);
}

/* A program that has the machine's clock takes no turns. */
static void go_outside(struct host *h, struct process *p, struct control *m)
{
	m->text[sizeof(m->text) - 1] = '\0';
	if (h->config->pace == PACE_VIRTUAL) {
		host_refuse(h, "%s", m->text);
		return;
	}
	host_pace(h, m->text);
	set_state(h, p, PROCESS_OUTSIDE);
	if (h->turn == p)
		h->turn = NULL;
}

static void on_message(struct host *h, struct process *p, struct control *m, int fd, pid_t pid)
{
	struct process *child;

	switch (m->kind) {
	case CONTROL_HELLO:
		on_hello(h, p, pid);
		break;
	case CONTROL_IDLE:
		on_idle(h, p, m);
		break;
	case CONTROL_CHILD:
		if (fd >= 0) {
			child = add_process(h, fd);
			fd = -1;
			if (m->number && child)
				go_outside(h, child, m);
		}
		break;
	case CONTROL_OUTSIDE:
		go_outside(h, p, m);
		break;
	case CONTROL_SPEND:
		on_spend(h, p, m);
		break;
	case CONTROL_FILE:
	case CONTROL_FOLDER:
		on_file(h, p, m);
		break;
	case CONTROL_VIEW:
		on_view(h, p);
		break;
	case CONTROL_STOP:
		m->text[sizeof(m->text) - 1] = '\0';
		host_stop(h, "%s", m->text);
		break;
	case CONTROL_REFUSE:
		m->text[sizeof(m->text) - 1] = '\0';
		host_refuse(h, "%s", m->text);
		break;
	default:
		host_stop(h, "it says what is no message to its clock");
	}
	if (fd >= 0)
		close(fd);
}

static void on_closed(struct host *h, struct process *p)
{
	if (h->turn == p)
		h->turn = NULL;
	close(p->fd);
	p->fd = -1;
	if (p->pidfd < 0) { /* it never was one */
		remove_process(h, p);
		return;
	}
	p->ending_s = wall_s();
	set_state(h, p, PROCESS_ENDING);
}

/* Takes one message; false: there is none. */
static bool receive(struct host *h, struct process *p)
{
	struct control m;
	struct iovec iov = {.iov_base = &m, .iov_len = sizeof(m)};
	char extra[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))]
		__attribute__((aligned(sizeof(size_t))));
	struct msghdr message = {.msg_iov = &iov,
				 .msg_iovlen = 1,
				 .msg_control = extra,
				 .msg_controllen = sizeof(extra)};
	ssize_t n = recvmsg(p->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	pid_t pid = 0;
	int fd = -1;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n != (ssize_t)sizeof(m)) {
		on_closed(h, p);
		return true;
	}
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
		struct ucred creds;

		if (c->cmsg_type == SCM_RIGHTS) {
			memcpy(&fd, CMSG_DATA(c), sizeof(fd));
		} else if (c->cmsg_type == SCM_CREDENTIALS) {
			memcpy(&creds, CMSG_DATA(c), sizeof(creds));
			pid = creds.pid;
		}
	}
	on_message(h, p, &m, fd, pid);
	return true;
}

/* One that is gone for the system is gone for us; its parent can see it now. */
static bool look_at_ending(struct host *h, struct process *p)
{
	struct pollfd fd = {.fd = p->pidfd, .events = POLLIN};

	if (poll(&fd, 1, 0) > 0) {
		remove_process(h, p);
		return true;
	}
	if (p->state == PROCESS_OUTSIDE || wall_s() - p->ending_s < ENDING_MOST_S)
		return false;
	/* Another program without the descriptor, past libc's exec. */
	turns_leave(h, p->pid, "a process closed the descriptor by which it is told the time");
	return true;
}

void turns_leave(struct host *h, pid_t pid, const char *why)
{
	if (h->config->pace == PACE_VIRTUAL) {
		host_refuse(h, "%s, at t = %.3f s", why, host_now_s(h));
		return;
	}
	host_pace(h, why);
	for (struct process *p = h->processes; p; p = p->next) {
		if (p->pid == pid && p->state == PROCESS_ENDING)
			set_state(h, p, PROCESS_OUTSIDE);
	}
}

/* Clients with the machine's clock come when they like. */
static nfds_t add_daemon(const struct host *h, struct pollfd *fds, nfds_t most)
{
	nfds_t n = 0;

	for (int i = 0; i < 2; i++)
		fds[n++] = (struct pollfd){.fd = h->listening[i], .events = POLLIN};
	for (const struct connection *c = h->connections; c && n < most; c = c->next)
		fds[n++] = (struct pollfd){.fd = c->link.fd, .events = POLLIN};
	return n;
}

bool turns_listen(struct host *h, int wait_ms)
{
	struct pollfd fds[PROCESSES_MAX + 2 + CLIENTS_MAX];
	struct process *of[PROCESSES_MAX], *p = h->processes;
	bool any = false;
	nfds_t n = 0;

	for (; p && n < PROCESSES_MAX; p = p->next, n++) {
		of[n] = p;
		fds[n] = (struct pollfd){.fd = p->fd >= 0 ? p->fd : p->pidfd, .events = POLLIN};
	}
	if (p) {
		host_refuse(h, "it has more than %d processes at a time", PROCESSES_MAX);
		return true;
	}
	fds[n] = (struct pollfd){.fd = h->signals, .events = POLLIN};
	fds[n + 1] = (struct pollfd){.fd = h->reach, .events = POLLIN};
	if (poll(fds, n + 2 + (h->paced ? add_daemon(h, &fds[n + 2], CLIENTS_MAX) : 0), wait_ms) <
	    0)
		return false;
	if (fds[n + 1].revents & POLLIN) {
		reach_serve(h);
		any = true;
	}
	for (nfds_t i = 0; i < n && !h->over; i++) {
		if (of[i]->fd < 0)
			any |= look_at_ending(h, of[i]);
		else if (fds[i].revents)
			any |= receive(h, of[i]);
	}
	return any;
}

/* --- whose turn it is --- */

static bool somebody_is(const struct host *h, enum process_state state)
{
	for (const struct process *p = h->processes; p; p = p->next) {
		if (p->state == state)
			return true;
	}
	return false;
}

static struct process *first_ready(const struct host *h)
{
	struct process *first = NULL;

	for (struct process *p = h->processes; p; p = p->next) {
		if (p->state == PROCESS_READY && (!first || p->since < first->since))
			first = p;
	}
	return first;
}

/* Somebody who has not looked since something changed that a process may wait for. */
static struct process *first_unaware(const struct host *h)
{
	struct process *first = NULL;

	for (struct process *p = h->processes; p; p = p->next) {
		if (p->state == PROCESS_IDLE && p->seen < h->changes &&
		    (!first || p->since < first->since))
			first = p;
	}
	return first;
}

static struct process *first_due(const struct host *h, uint64_t now)
{
	struct process *first = NULL;

	for (struct process *p = h->processes; p; p = p->next) {
		if (p->state != PROCESS_IDLE || p->deadline_ns > now)
			continue;
		if (!first || p->deadline_ns < first->deadline_ns ||
		    (p->deadline_ns == first->deadline_ns && p->since < first->since))
			first = p;
	}
	return first;
}

static uint64_t next_deadline(const struct host *h)
{
	uint64_t next = daemon_next(h);

	for (const struct process *p = h->processes; p; p = p->next) {
		if (p->state == PROCESS_IDLE && p->deadline_ns < next)
			next = p->deadline_ns;
	}
	return next;
}

bool turns_follow_clock(struct host *h, uint64_t next)
{
	uint64_t most = h->paced_ns + (uint64_t)((wall_s() - h->paced_s) * 1e9);
	bool there = next > most;

	next = there ? most : next;
	if (next > host_now(h))
		host_advance(h, next);
	return !there;
}

void turns_settle(struct host *h)
{
	struct process *p;

	if (h->paced && wall_s() > h->looked_s + LOOK_S) {
		h->looked_s = wall_s();
		h->changes++;
	}
	while (!h->over && !h->turn && !somebody_is(h, PROCESS_ANNOUNCED) &&
	       !somebody_is(h, PROCESS_ENDING) && (h->processes || h->paced)) {
		if (daemon_serve(h))
			h->changes++;
		if (h->over)
			break;
		p = first_ready(h);
		if (!p)
			p = first_unaware(h);
		if (!p)
			p = first_due(h, host_now(h));
		if (p)
			give_turn(h, p);
		else if (!h->paced)
			host_advance(h, next_deadline(h));
		else if (!turns_follow_clock(h, next_deadline(h)))
			break;
	}
}

int turns_patience_ms(const struct host *h, int most_ms)
{
	double left_s =
		((double)next_deadline(h) - (double)h->paced_ns) / 1e9 + h->paced_s - wall_s();

	if (!h->paced || h->turn || left_s * 1000 > most_ms)
		return most_ms;
	return left_s > 0 ? (int)(left_s * 1000) + 1 : 0;
}
