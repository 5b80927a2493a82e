/* SPDX-License-Identifier: MIT */
/* Child processes of the recorder. */
#include "child.h"

#include "gate/enter.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

void child_adopt_orphans(void)
{
	prctl(PR_SET_CHILD_SUBREAPER, 1);
}

/* In the child: never returns; errno goes to report_fd where the program cannot be executed. */
static void execute(char *const *argv, const char *gate, int in_fd, int out_fd, int err_fd,
		    int report_fd)
{
	sigset_t none;
	ssize_t ignored;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	setsid();
	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (dup2(in_fd, 0) >= 0 && dup2(out_fd, 1) >= 0 && dup2(err_fd, 2) >= 0 &&
	    (!gate || gate_enter(gate) == 0))
		execvp(argv[0], argv);
	ignored = write(report_fd, &errno, sizeof(errno));
	(void)ignored;
	_exit(127);
}

int child_start(struct child *c, char *const *argv, const char *gate, int in_fd, int out_fd,
		int err_fd)
{
	int report[2], error = 0;
	ssize_t n;

	memset(c, 0, sizeof(*c));
	c->pidfd = -1;
	if (pipe2(report, O_CLOEXEC))
		return -1;
	c->pid = fork();
	if (c->pid < 0) {
		close(report[0]);
		close(report[1]);
		c->pid = 0;
		return -1;
	}
	if (c->pid == 0)
		execute(argv, gate, in_fd, out_fd, err_fd, report[1]);
	close(report[1]);
	do
		n = read(report[0], &error, sizeof(error));
	while (n < 0 && errno == EINTR);
	close(report[0]);
	if (n == sizeof(error)) {
		waitpid(c->pid, NULL, 0);
		c->pid = 0;
		errno = error;
		return -1;
	}
	/* By number: older C libraries have no wrapper. */
	c->pidfd = (int)syscall(SYS_pidfd_open, c->pid, 0);
	if (c->pidfd >= 0)
		fcntl(c->pidfd, F_SETFD, FD_CLOEXEC);
	return 0;
}

void child_reap(struct child *const *children, int n, uint64_t *orphans_ns)
{
	struct rusage usage;
	pid_t pid;
	int status;

	while ((pid = wait4(-1, &status, WNOHANG, &usage)) > 0) {
		bool ours = false;

		for (int i = 0; i < n; i++) {
			if (children[i]->pid == pid && !children[i]->exited) {
				children[i]->exited = true;
				children[i]->status = status;
				ours = i > 0; /* the first is the program under test: its time
						 counts, too */
			}
		}
		if (!ours)
			*orphans_ns +=
				(uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) *
					1000000000 +
				(uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000;
	}
}

static bool is_one_of(pid_t pid, struct child *const *children, int n)
{
	for (int i = 0; i < n; i++)
		if (children[i]->pid == pid)
			return true;
	return false;
}

/* The children of one thread of a process. */
static int thread_children(pid_t pid, const char *thread, struct child *const *but, int n_but,
			   pid_t *pids, int max)
{
	char path[64];
	int child, n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%.16s/children", (int)pid, thread);
	f = fopen(path, "re");
	if (!f)
		return 0;
	while (n < max && fscanf(f, "%d", &child) == 1) {
		if (!is_one_of(child, but, n_but))
			pids[n++] = child;
	}
	fclose(f);
	return n;
}

int child_descendants(struct child *const *but, int n_but, pid_t *pids, int max)
{
	int n = 0;

	/* Breadth first: pids[] is the queue as well as the answer. */
	for (int at = -1; at < n; at++) {
		pid_t pid = at < 0 ? getpid() : pids[at];
		struct dirent *thread;
		char path[64];
		DIR *dir;

		snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
		dir = opendir(path);
		while (dir && (thread = readdir(dir))) {
			if (thread->d_name[0] != '.')
				n += thread_children(pid, thread->d_name, but, n_but, pids + n,
						     max - n);
		}
		if (dir)
			closedir(dir);
	}
	return n;
}
