/* SPDX-License-Identifier: MIT */
/* The injector as the recorder's child. */
#include "record_inject.h"

#include "log.h"
#include "tick.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Pushing the loads into eight emulated guests takes some seconds; boots are waited for elsewhere.
 */
#define PREPARE_S 60.0

/* Ending the loads takes a second or two; a guest that is out of memory may take ten. */
#define FINISH_S 30.0

/* An announced pin is seen within a few milliseconds; one that failed is never seen. */
#define ANNOUNCEMENT_S 5.0

int injector_start(struct injector *in, const struct injector_args *args)
{
	char *argv[] = {(char *)args->path,
			"run",
			"-c",
			(char *)args->uri,
			"-p",
			(char *)args->prefix,
			"-t",
			(char *)args->trace,
			"-e",
			"-",
			(char *)args->scenario,
			NULL};
	int to[2], from[2];
	double end_s = tick_now_s() + PREPARE_S;
	char line[64];
	ssize_t n = 0;

	if (pipe2(to, O_CLOEXEC) || pipe2(from, O_CLOEXEC)) {
		log_warn("pipe: %s", strerror(errno));
		return -1;
	}
	if (child_start(&in->child, argv, NULL, to[0], from[1], STDERR_FILENO)) {
		log_warn("cannot run %s: %s", args->path, strerror(errno));
		return -1;
	}
	close(to[0]);
	close(from[1]);
	in->in_fd = to[1];
	in->out_fd = from[0];
	fcntl(in->out_fd, F_SETFL, O_NONBLOCK);
	while (!tick_quit && tick_now_s() < end_s) {
		struct pollfd out = {.fd = in->out_fd, .events = POLLIN};

		poll(&out, 1, 200);
		n = read(in->out_fd, line, sizeof(line));
		if (n >= 0)
			break;
	}
	if (n > 0 && !strncmp(line, "ready\n", 6))
		return 0;
	if (!tick_quit) /* where it ended it has said why */
		log_warn(n == 0 ? "the injector failed" : "the injector was not ready within %g s",
			 PREPARE_S);
	return -1;
}

int injector_go(struct injector *in, double epoch_s)
{
	char line[32];
	int len = snprintf(line, sizeof(line), "%" PRId64 "\n", (int64_t)(epoch_s * 1e9));

	return write(in->in_fd, line, (size_t)len) == len ? 0 : -1;
}

static void note_line(struct announcements *a, const char *line)
{
	struct announcement *item;

	if (a->n == sizeof(a->items) / sizeof(a->items[0])) {
		memmove(a->items, a->items + 1, (a->n - 1) * sizeof(a->items[0]));
		a->n--;
	}
	item = &a->items[a->n];
	if (sscanf(line, "pin %63s %u %127s", item->guest, &item->vcpu, item->affinity) == 3) {
		item->at_s = tick_now_s();
		a->n++;
	}
}

void injector_read(struct announcements *a)
{
	char text[1024];
	ssize_t n;

	while (a->from && (n = read(a->from->out_fd, text, sizeof(text))) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			if (text[i] != '\n') {
				if (a->len < sizeof(a->line) - 1)
					a->line[a->len++] = text[i];
				continue;
			}
			a->line[a->len] = '\0';
			a->len = 0;
			note_line(a, a->line);
		}
	}
}

bool injector_claims(struct announcements *a, const char *guest, unsigned int vcpu,
		     const char *affinity)
{
	double now_s = tick_now_s();

	injector_read(a);
	for (size_t i = 0; i < a->n; i++) {
		struct announcement *item = &a->items[i];

		if (now_s - item->at_s < ANNOUNCEMENT_S && item->vcpu == vcpu &&
		    !strcmp(item->guest, guest) && !strcmp(item->affinity, affinity)) {
			memmove(item, item + 1, (a->n - i - 1) * sizeof(*item));
			a->n--;
			return true;
		}
	}
	return false;
}

/* Reaps it alone: the program's processes are reaped where they are counted. */
static bool ended(struct injector *in)
{
	if (!in->child.exited &&
	    waitpid(in->child.pid, &in->child.status, WNOHANG) == in->child.pid)
		in->child.exited = true;
	return in->child.exited;
}

bool injector_died(struct injector *in)
{
	return in->child.pid && ended(in);
}

static bool wait_ended(struct injector *in, struct announcements *a, double limit_s)
{
	double end_s = tick_now_s() + limit_s;

	while (!ended(in)) {
		struct pollfd fds[] = {{.fd = in->child.pidfd, .events = POLLIN},
				       {.fd = in->out_fd, .events = POLLIN}};
		double left_s = end_s - tick_now_s();

		if (left_s <= 0)
			return false;
		poll(fds, 2, (int)ceil(fmin(left_s, 0.1) * 1000));
		injector_read(a);
	}
	return true;
}

int injector_finish(struct injector *in, struct announcements *a, bool interrupted)
{
	int status;

	if (!in->child.pid)
		return EXIT_PASS;
	if (interrupted)
		kill(in->child.pid, SIGTERM);
	if (!wait_ended(in, a, FINISH_S)) {
		log_warn("the injector does not end; the loads in the guests may still run");
		kill(in->child.pid, SIGKILL);
		waitpid(in->child.pid, &in->child.status, 0);
		in->child.exited = true;
	}
	status = in->child.status;
	close(in->in_fd);
	close(in->out_fd);
	if (in->child.pidfd >= 0)
		close(in->child.pidfd);
	a->from = NULL;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_LAB;
}
