/* SPDX-License-Identifier: MIT */
/* The gate as the conductor's child. */
#include "gate.h"

#include "beside.h"
#include "log.h"
#include "tick.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define READY_S	 30.0 /* it takes milliseconds; a busy machine takes its time */
#define FINISH_S 5.0

/* The gate beside this program: lab/gate/build/gate for lab/build/conductor. */
static int find_gate(char path[PATH_MAX])
{
	return beside_program(path, "../gate/build/gate") ? -1 : access(path, X_OK);
}

/* The mode is for programs that do not run as root: the outer folder keeps others out. */
static int make_sockets(const struct gate *g)
{
	return mkdir(g->sockets, 0755) || chmod(g->sockets, 0755) ? -1 : 0;
}

/* Waits for its "ready". 0 or −1. */
static int wait_ready(int fd)
{
	double end_s = tick_now_s() + READY_S;
	struct pollfd out = {.fd = fd, .events = POLLIN};
	char line[16];

	while (!tick_quit && tick_now_s() < end_s)
		if (poll(&out, 1, 200) > 0)
			return read(fd, line, sizeof(line)) > 0 ? 0 : -1;
	return -1;
}

static int run_gate(struct gate *g, char *const *argv)
{
	int to[2], from[2];

	if (pipe2(to, O_CLOEXEC))
		return -1;
	if (pipe2(from, O_CLOEXEC)) {
		close(to[0]);
		close(to[1]);
		return -1;
	}
	int status = child_start(&g->child, argv, NULL, to[0], from[1], STDERR_FILENO);

	close(to[0]);
	close(from[1]);
	g->in_fd = to[1];
	if (status == 0) {
		errno = ETIMEDOUT;
		status = wait_ready(from[0]);
	}
	close(from[0]);
	return status;
}

int gate_start(struct gate *g, const char *folder, const char *prefix, const char *trace)
{
	char path[PATH_MAX];
	char *argv[] = {path,	   "--listen",	  g->sockets,	"--prefix", (char *)prefix,
			"--trace", (char *)trace, "--epoch-ns", "-",	    NULL};

	snprintf(g->sockets, sizeof(g->sockets), "%s/" GATE_SOCKETS, folder);
	if (find_gate(path) || make_sockets(g) || run_gate(g, argv)) {
		log_warn("the gate to libvirt cannot be started: %s", strerror(errno));
		return -1;
	}
	return 0;
}

int gate_go(struct gate *g, double epoch_s)
{
	char line[32];
	int len = snprintf(line, sizeof(line), "%" PRId64 "\n", (int64_t)(epoch_s * 1e9));

	return write(g->in_fd, line, (size_t)len) == len ? 0 : -1;
}

static bool has_ended(struct child *c)
{
	if (!c->exited)
		c->exited = waitpid(c->pid, &c->status, WNOHANG) == c->pid;
	return c->exited;
}

int gate_finish(struct gate *g)
{
	int status = 0;

	if (g->child.pid) {
		double end_s = tick_now_s() + FINISH_S;

		status = has_ended(&g->child) ? -1 : 0;
		kill(g->child.pid, SIGTERM);
		while (!has_ended(&g->child) && tick_now_s() < end_s) {
			struct pollfd end = {.fd = g->child.pidfd, .events = POLLIN};

			poll(&end, 1, 100);
		}
		if (!g->child.exited) {
			kill(g->child.pid, SIGKILL);
			waitpid(g->child.pid, &g->child.status, 0);
			status = -1;
		}
		if (g->child.pidfd >= 0)
			close(g->child.pidfd);
	}
	if (g->in_fd >= 0)
		close(g->in_fd);
	return status;
}
