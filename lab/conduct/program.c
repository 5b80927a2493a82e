/* SPDX-License-Identifier: MIT */
/* The program under test. */
#include "program.h"

#include "lab/contain/command.h"
#include "log.h"
#include "tick.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

/* Enough for every line a talkative program prints in some minutes, be it JSON of many guests; a
 * trace of a hundred guests is as big. */
#define OUTPUT_BYTES_MAX (4 * 1024 * 1024)
#define OUTPUT_LINES_MAX 20000

/*
 * Beyond that its output is thrown away a hundred times a second, a terminal's buffer of 4 KiB each
 * time: more than honest output needs, and a program that prints without end costs us next to
 * nothing.
 */
#define DRAIN_MS    10
#define DRAIN_BYTES 65536

#define STOP_S 5.0
/* What stands between us and a program in a sandbox: contain, bubblewrap, and process 1 inside. */
#define SANDBOX_PROCESSES 3

#define DESCENDANTS_MAX 4096

/* --- output --- */

static void flush_line(struct program_stream *s)
{
	struct program *p = s->program;
	const char *text = s->line ? s->line : "";

	if (s->len && text[s->len - 1] == '\r')
		s->len--;
	if (!p->cut) {
		p->bytes += s->len;
		p->lines++;
		if (p->recorder->verbose)
			fprintf(stderr, "%.*s\n", (int)s->len, text);
		recorder_output(p->recorder, s->stream, text, s->len);
	}
	s->len = 0;
	if (!p->cut && (p->bytes > OUTPUT_BYTES_MAX || p->lines > OUTPUT_LINES_MAX)) {
		p->cut = true;
		recorder_warn(p->recorder, "the program's output is cut after %zu lines", p->lines);
		if (p->out.watch >= 0)
			virEventUpdateHandle(p->out.watch, 0);
		if (p->err.watch >= 0)
			virEventUpdateHandle(p->err.watch, 0);
		virEventUpdateTimeout(p->drain_timer, DRAIN_MS);
	}
}

/* Adds to the line; what there is no memory for is left out. */
static void keep(struct program_stream *s, const char *text, size_t len)
{
	if (s->len + len > s->size) {
		char *bigger = realloc(s->line, 2 * (s->len + len));

		if (!bigger)
			return;
		s->line = bigger;
		s->size = 2 * (s->len + len);
	}
	memcpy(s->line + s->len, text, len);
	s->len += len;
}

static void take_output(struct program_stream *s, const char *text, size_t len)
{
	while (len) {
		const char *end = memchr(text, '\n', len);
		size_t n = end ? (size_t)(end - text) : len, used = end ? n + 1 : n;

		if (!s->program->cut)
			keep(s, text, n);
		if (end || s->len >= PROGRAM_LINE_MAX)
			flush_line(s);
		text += used;
		len -= used;
	}
}

static void close_stream(struct program_stream *s)
{
	if (s->len)
		flush_line(s);
	if (s->watch >= 0)
		virEventRemoveHandle(s->watch);
	if (s->fd >= 0)
		close(s->fd);
	s->watch = s->fd = -1;
	free(s->line);
	s->line = NULL;
	s->len = s->size = 0;
}

/* Reads what is there, at most about `most` bytes. Returns how much; closes the stream at its end.
 */
static size_t read_stream(struct program_stream *s, size_t most)
{
	char text[16384];
	size_t total = 0;

	while (s->fd >= 0 && total < most) {
		ssize_t n = read(s->fd, text, sizeof(text));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0) { /* a terminal whose other end is closed reads as an error */
			close_stream(s);
			break;
		}
		take_output(s, text, (size_t)n);
		total += (size_t)n;
	}
	return total;
}

static void on_output(int watch, int fd, int events, void *opaque)
{
	(void)watch;
	(void)fd;
	(void)events;
	read_stream(opaque, 65536);
}

static void on_drain(int timer, void *opaque)
{
	struct program *p = opaque;

	(void)timer;
	read_stream(&p->out, DRAIN_BYTES);
	read_stream(&p->err, DRAIN_BYTES);
}

static void watch_stream(struct program_stream *s, struct program *p, enum trace_stream stream,
			 int fd)
{
	s->program = p;
	s->stream = stream;
	s->fd = fd;
	fcntl(fd, F_SETFL, O_NONBLOCK);
	s->watch = virEventAddHandle(fd, VIR_EVENT_HANDLE_READABLE | VIR_EVENT_HANDLE_HANGUP,
				     on_output, s, NULL);
}

/*
 * stdout is a terminal's end, though not the controlling one: to a pipe most programs write in
 * blocks of 4 KiB, so lines would come late, and a program that ends by SIGTERM would lose them.
 * Returns ours.
 */
static int open_terminal(int *theirs)
{
	struct termios mode;
	int ours;

	if (openpty(&ours, theirs, NULL, NULL, NULL))
		return -1;
	fcntl(ours, F_SETFD, FD_CLOEXEC);
	fcntl(*theirs, F_SETFD, FD_CLOEXEC);
	if (tcgetattr(*theirs, &mode) == 0) {
		cfmakeraw(&mode);
		tcsetattr(*theirs, TCSANOW, &mode);
	}
	return ours;
}

/* --- life --- */

/* In the trace, with what its sandbox says for itself. */
static void report_exit(struct program *p)
{
	struct trace_event event = trace_exit(p->child.status, p->asked);
	char reason[CONTAIN_REASON_MAX];
	enum contain_end end = contain_report(p->report, reason);

	p->machine = end == CONTAIN_MACHINE || (end == CONTAIN_NOT_RUN && p->recorder->copy);
	if (p->machine)
		recorder_warn(p->recorder, "the sandbox: %s", reason);
	else if (end == CONTAIN_LIMIT)
		event.program_exit.reason = reason;
	recorder_event(p->recorder, event);
}

/* Reaps what has ended and, once the program has, says so in the trace. */
static void reap(struct program *p)
{
	struct recorder *r = p->recorder;
	struct child *children[] = {&p->child, r->gate};

	child_reap(children, 2, &p->orphans_ns);
	if (!p->child.exited || p->reported)
		return;
	p->reported = true;
	/* What it printed last comes before its exit. */
	read_stream(&p->out, DRAIN_BYTES);
	read_stream(&p->err, DRAIN_BYTES);
	report_exit(p);
}

static void on_exit_of_program(int watch, int fd, int events, void *opaque)
{
	struct program *p = opaque;

	(void)fd;
	(void)events;
	virEventRemoveHandle(watch);
	p->exit_watch = -1;
	reap(p);
}

/* In its sandbox, or behind the gate as it is. */
static int start_child(struct program *p, char *const *argv, int in_fd, int out_fd, int err_fd)
{
	const struct recorder *r = p->recorder;
	struct contain_command command = {
		.copy = r->copy,
		.libvirt = r->sockets,
		.keep = -1,
		.path = argv[0],
		.argv = argv,
	};

	if (!r->copy)
		return child_start(&p->child, argv, r->sockets, in_fd, out_fd, err_fd);
	command.report = p->report = contain_open_report();
	argv = contain_command(&command);
	return p->report < 0 || !argv ? -1
				      : child_start(&p->child, argv, NULL, in_fd, out_fd, err_fd);
}

int program_start(struct program *p, struct recorder *r, char *const *argv)
{
	int null = -1, out = -1, out_theirs = -1, err[2] = {-1, -1}, status = -1, error;

	memset(p, 0, sizeof(*p));
	p->recorder = r;
	p->report = -1;
	p->out.fd = p->err.fd = p->out.watch = p->err.watch = -1;
	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	out = open_terminal(&out_theirs);
	if (null < 0 || out < 0 || pipe2(err, O_CLOEXEC))
		goto out;
	status = start_child(p, argv, null, out_theirs, err[1]);
	if (status == 0) {
		watch_stream(&p->out, p, TRACE_STDOUT, out);
		watch_stream(&p->err, p, TRACE_STDERR, err[0]);
		p->drain_timer = virEventAddTimeout(-1, on_drain, p, NULL);
		p->exit_watch = virEventAddHandle(p->child.pidfd, VIR_EVENT_HANDLE_READABLE,
						  on_exit_of_program, p, NULL);
		recorder_event(r, (struct trace_event){.kind = TRACE_PROGRAM_START,
						       .program_start = {p->child.pid}});
		out = err[0] = -1;
	}
out:
	error = errno;
	for (const int *fd = (const int[]){null, out, out_theirs, err[0], err[1], -2}; *fd != -2;
	     fd++) {
		if (*fd >= 0)
			close(*fd);
	}
	errno = error;
	return status;
}

/*
 * Adds the CPU time of the children that a process has waited for and, where it is the program's
 * own, its CPU time and resident memory. Its own time is exact, a program that ticks cheaply would
 * need twenty ticks for one of /proc's 10 ms steps.
 */
static void add_process(pid_t pid, bool own, uint64_t *ns, int64_t *rss_kib)
{
	unsigned long long user, system;
	char path[64], text[1024], *fields;
	struct timespec used;
	clockid_t clock;
	long pages;
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (!f || clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &used)) {
		if (f)
			fclose(f);
		return; /* it has just ended: then its time is among the reaped soon */
	}
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	fields = strrchr(text, ')'); /* the name may hold anything */
	if (!fields ||
	    sscanf(fields,
		   ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d "
		   "%*d %*u %*u %ld",
		   &user, &system, &pages) != 3)
		return;
	*ns += (user + system) * (1000000000ULL / (unsigned long long)sysconf(_SC_CLK_TCK));
	if (!own)
		return;
	*ns += (uint64_t)used.tv_sec * 1000000000 + (uint64_t)used.tv_nsec;
	*rss_kib += pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* The program's processes: those that descend from us, but for what we started for ourselves. */
static int descendants(struct program *p, pid_t pids[DESCENDANTS_MAX])
{
	return child_descendants(&p->recorder->gate, 1, pids, DESCENDANTS_MAX);
}

void program_usage(struct program *p, int64_t *used_ns, int64_t *rss_kib)
{
	pid_t pids[DESCENDANTS_MAX];
	uint64_t sum_ns;
	int n;

	*used_ns = *rss_kib = -1;
	if (!p->child.pid)
		return;
	reap(p);
	n = descendants(p, pids);
	if (p->child.exited && n == 0)
		return;
	*rss_kib = 0;
	sum_ns = p->orphans_ns;
	/* Breadth first: the sandbox's come before the program's. */
	for (int i = 0; i < n; i++)
		add_process(pids[i], !p->recorder->copy || i >= SANDBOX_PROCESSES, &sum_ns,
			    rss_kib);
	*used_ns = sum_ns > p->used_ns ? (int64_t)(sum_ns - p->used_ns) : 0;
	p->used_ns = sum_ns > p->used_ns ? sum_ns : p->used_ns;
}

/* Waits until the program has ended, reading what it prints meanwhile. */
static void wait_for_exit(struct program *p, double limit_s)
{
	double end_s = tick_now_s() + limit_s;

	while (reap(p), !p->child.exited) {
		struct pollfd fds[] = {
			{.fd = p->child.pidfd, .events = POLLIN},
			{.fd = p->out.fd, .events = POLLIN},
			{.fd = p->err.fd, .events = POLLIN},
		};
		double left_s = end_s - tick_now_s();

		if (left_s <= 0)
			return;
		/* Without a pidfd (a kernel before 5.3) it is looked for often instead. */
		poll(fds, 3, (int)ceil(p->child.pidfd < 0 ? 10 : left_s * 1000));
		read_stream(&p->out, 65536);
		read_stream(&p->err, 65536);
	}
}

/* SIGKILL for everything that descends from us but what is ours, until there is nothing left. */
static void kill_all(struct program *p)
{
	pid_t pids[DESCENDANTS_MAX];
	double end_s = tick_now_s() + STOP_S;
	int n;

	while ((n = descendants(p, pids)) > 0 && tick_now_s() < end_s) {
		for (int i = 0; i < n; i++)
			kill(pids[i], SIGKILL);
		poll(NULL, 0, 5);
		reap(p);
	}
	if (n > 0)
		recorder_warn(p->recorder, "%d processes of the program cannot be ended", n);
}

void program_stop(struct program *p)
{
	if (!p->child.pid)
		return;
	if (!p->child.exited) {
		p->asked = true;
		kill(-p->child.pid, SIGTERM);
		wait_for_exit(p, STOP_S);
	}
	if (!p->child.exited)
		recorder_warn(p->recorder, "the program did not end within %g s of SIGTERM: killed",
			      STOP_S);
	kill_all(p);
	close_stream(&p->out);
	close_stream(&p->err);
	virEventRemoveTimeout(p->drain_timer);
	if (p->exit_watch >= 0)
		virEventRemoveHandle(p->exit_watch);
	if (p->child.pidfd >= 0)
		close(p->child.pidfd);
	p->child.pidfd = -1;
	if (p->report >= 0)
		close(p->report);
	p->report = -1;
}
