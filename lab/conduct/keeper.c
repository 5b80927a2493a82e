/* SPDX-License-Identifier: MIT */
/* Sees to it that a run ends in order. */
#include "keeper.h"

#include "child.h"
#include "log.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The gate and the program get SIGTERM as the conductor dies; the program may take as long as at
 * the end of any run. */
#define LEFT_STEPS   60
#define LEFT_STEP_NS 100000000
#define LEFT_MAX     256

static void set_of_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGHUP);
	sigaddset(set, SIGCHLD);
}

/* The child's status, as wait(2) gives it. The signals are blocked here. */
static int wait_for(pid_t pid, const sigset_t *signals)
{
	int status, signal;

	while (waitpid(pid, &status, WNOHANG) != pid) {
		if (sigwait(signals, &signal) == 0 && signal != SIGCHLD)
			kill(pid, signal);
	}
	return status;
}

/* Ends what a run that was killed left behind: all of it has become ours. */
static void end_the_rest(void)
{
	const struct timespec step = {0, LEFT_STEP_NS};
	pid_t pids[LEFT_MAX];

	for (int i = 0; i < LEFT_STEPS; i++) {
		int n = child_descendants(NULL, 0, pids, LEFT_MAX);

		if (n == 0)
			return;
		for (int k = 0; k < n && i >= LEFT_STEPS / 2; k++)
			kill(pids[k], SIGKILL);
		nanosleep(&step, NULL);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
	log_warn("processes of the run cannot be ended");
}

int keeper_run(int (*run)(void *opaque), void *opaque)
{
	sigset_t signals, before;
	int status;
	pid_t pid;

	set_of_signals(&signals);
	sigprocmask(SIG_BLOCK, &signals, &before);
	child_adopt_orphans();
	pid = fork();
	if (pid < 0) {
		log_warn("fork: %s", strerror(errno));
		return -1;
	}
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		sigprocmask(SIG_SETMASK, &before, NULL);
		close_range(STDERR_FILENO + 1, ~0U, 0);
		exit(run(opaque));
	}
	status = wait_for(pid, &signals);
	if (WIFSIGNALED(status))
		log_warn("the run was killed by signal %d (%s)", WTERMSIG(status),
			 strsignal(WTERMSIG(status)));
	end_the_rest();
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
