/* SPDX-License-Identifier: MIT */
/*
 * A command in a guest. The agent gives out what a program printed only when it has ended, so the
 * command prints into files of the guest, which are read as they grow.
 */
#include "guest.h"

#include "log.h"
#include "tick.h"
#include "workloads/agent.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Between two looks: soon after something was printed, seldom while nothing is. */
#define LOOK_FIRST_MS 10
#define LOOK_MOST_MS  200

/* A shell that makes a folder, or cleans up, takes a moment on a busy guest. */
#define STEP_S 10.0

/* What a command has after it was told to end. */
#define END_S 2.0

enum { OUT, ERR, STREAMS };

struct run {
	virDomainPtr dom;
	const char *name;
	char folder[64]; /* in the guest */
	int64_t pid;
	int64_t handles[STREAMS];
	char error[AGENT_ERROR_MAX];
};

/* Runs a shell's script with one argument; its first line of output, if that is wanted. */
static int script(struct run *r, const char *text, const char *argument, char *line, size_t len)
{
	const char *argv[] = {"/bin/sh", "-c", text, "sh", argument, NULL};
	struct agent_result result;

	if (agent_exec(r->dom, argv, STEP_S, &result, r->error))
		return -1;
	if (line)
		snprintf(line, len, "%.*s", (int)strcspn(result.out, "\n"), result.out);
	if (result.status)
		snprintf(r->error, sizeof(r->error), "%.*s",
			 (int)(result.err[0] ? strcspn(result.err, "\n") : 0), result.err);
	agent_result_free(&result);
	return result.status ? -1 : 0;
}

static int fail(struct run *r)
{
	log_warn("guest %s: %s", r->name, r->error[0] ? r->error : "its shell failed");
	return EXIT_LAB;
}

/* What is on stdin, as a file in the guest. */
static int send_stdin(struct run *r)
{
	char path[96], ignored[AGENT_ERROR_MAX], piece[AGENT_PIECE_BYTES];
	int64_t handle;
	ssize_t n = 0;
	int status = 0;

	snprintf(path, sizeof(path), "%s/in", r->folder);
	if (agent_file_open(r->dom, path, "w", &handle, r->error))
		return -1;
	while (!status && !tick_quit && (n = read(STDIN_FILENO, piece, sizeof(piece))) > 0)
		status = agent_file_put(r->dom, handle, piece, (size_t)n, r->error);
	agent_file_close(r->dom, handle, ignored);
	if (n < 0 && !tick_quit) {
		snprintf(r->error, sizeof(r->error), "stdin: %s", strerror(errno));
		return -1;
	}
	return status;
}

/* The command is the shell's own successor, so that its pid is the command's; in a session of its
 * own if the guest can do that, so that a signal reaches all that it started. */
static int start(struct run *r, char *const *argv)
{
	static const char text[] =
		"cd / 2>/dev/null; d=$1; shift; "
		"exec <\"$d/in\" >\"$d/out\" 2>\"$d/err\"; "
		"command -v setsid >/dev/null && exec setsid \"$@\"; exec \"$@\"";
	const char *fixed[] = {"/bin/sh", "-c", text, "sh", r->folder};
	size_t n = 0, nfixed = sizeof(fixed) / sizeof(*fixed);
	const char **all;
	int status;

	while (argv[n])
		n++;
	all = calloc(nfixed + n + 1, sizeof(*all));
	if (!all)
		die(EXIT_LAB, "out of memory");
	memcpy(all, fixed, sizeof(fixed));
	for (size_t i = 0; i < n; i++)
		all[nfixed + i] = argv[i];
	status = agent_start(r->dom, all, &r->pid, r->error);
	free(all);
	return status;
}

static int put(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Passes on what has been printed since. Returns whether there was anything; −1: it cannot be read,
 * or nobody listens any more (error empty). */
static int pass_on(struct run *r)
{
	int passed = 0;

	for (int stream = 0; stream < STREAMS; stream++) {
		char *data;
		size_t len;

		do {
			if (agent_file_get(r->dom, r->handles[stream], &data, &len, r->error))
				return -1;
			r->error[0] = '\0';
			if (put(stream == OUT ? STDOUT_FILENO : STDERR_FILENO, data, len)) {
				free(data);
				return -1;
			}
			free(data);
			passed |= len > 0;
		} while (len == AGENT_PIECE_BYTES);
	}
	return passed;
}

/* Ends it as this program was asked to end, and for good if it does not. */
static void end(struct run *r)
{
	double end_s = tick_now_s() + END_S;
	char signals[64], text[192];
	struct agent_result result = {0};
	const struct timespec pause = {0, LOOK_FIRST_MS * 1000000};

	snprintf(signals, sizeof(signals), "%lld", (long long)r->pid);
	snprintf(text, sizeof(text), "kill -%d -- -$1 2>/dev/null || kill -%d $1", (int)tick_quit,
		 (int)tick_quit);
	if (script(r, text, signals, NULL, 0))
		return;
	while (tick_now_s() < end_s) {
		if (agent_look(r->dom, r->pid, &result, r->error) || result.exited) {
			agent_result_free(&result);
			break;
		}
		nanosleep(&pause, NULL);
	}
	/* What it started in the background has been told by its shell to ignore an interrupt. */
	script(r, "kill -9 -- -$1 2>/dev/null || kill -9 $1", signals, NULL, 0);
}

/* Until it has ended. Its status, or EXIT_LAB. */
static int follow(struct run *r)
{
	long ms = LOOK_FIRST_MS;

	for (;;) {
		const struct timespec pause = {0, ms * 1000000};
		struct agent_result result;
		int status, passed;
		bool exited;

		/* Asked before the files are read: all that it printed is then in them. */
		if (agent_look(r->dom, r->pid, &result, r->error))
			return fail(r);
		passed = pass_on(r);
		status = result.status;
		exited = result.exited;
		if (exited)
			agent_result_free(&result);
		if (passed < 0 && r->error[0])
			return fail(r);
		if (exited)
			return status;
		if (passed < 0 && !tick_quit)
			tick_quit = SIGPIPE;
		if (tick_quit) {
			end(r);
			pass_on(r);
			return 128 + tick_quit;
		}
		ms = passed ? LOOK_FIRST_MS : ms * 2 < LOOK_MOST_MS ? ms * 2 : LOOK_MOST_MS;
		nanosleep(&pause, NULL);
	}
}

static int run_in(struct run *r, char *const *argv, bool with_stdin)
{
	static const char *const names[STREAMS] = {"out", "err"};
	char path[96], ignored[AGENT_ERROR_MAX];
	int status = EXIT_LAB, opened = 0;

	if ((with_stdin && send_stdin(r)) || tick_quit)
		return tick_quit ? 128 + tick_quit : fail(r);
	for (; opened < STREAMS; opened++) {
		snprintf(path, sizeof(path), "%s/%s", r->folder, names[opened]);
		if (agent_file_open(r->dom, path, "r", &r->handles[opened], r->error))
			break;
	}
	if (opened < STREAMS || start(r, argv))
		fail(r);
	else
		status = follow(r);
	while (opened-- > 0)
		agent_file_close(r->dom, r->handles[opened], ignored);
	return status;
}

int guest_exec(virConnectPtr conn, const char *name, char *const *argv, bool with_stdin)
{
	struct run r = {.dom = guest_get(conn, name), .name = name};
	int status;

	agent_prepare(r.dom);
	if (script(&r,
		   "umask 077; d=$(mktemp -d /tmp/ballast.XXXXXX) && : >$d/in && : >$d/out && "
		   ": >$d/err && echo $d",
		   "", r.folder, sizeof(r.folder))) {
		status = fail(&r);
	} else {
		status = run_in(&r, argv, with_stdin);
		script(&r, "rm -rf \"$1\"", r.folder, NULL, 0);
	}
	virDomainFree(r.dom);
	return status;
}
