/* SPDX-License-Identifier: MIT */
/*
 * Starts a daemon where no init cares for orphans. QEMU daemonises, so it is process 1 that must
 * take note of its end; libvirt waits for that. In a container process 1 often does so late (up to
 * 2 s were measured) or never, and then a guest cannot be destroyed. So this stays in between as
 * long as anything of the daemon's lives.
 */
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static int exit_code(int wait_status)
{
	return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
}

static pid_t command_start(char **command)
{
	pid_t pid = fork();

	if (pid == 0) {
		execvp(command[0], command);
		log_warn("%s: %s", command[0], strerror(errno));
		_exit(EXIT_USAGE);
	}
	return pid;
}

/* Lets go of the caller's terminal and files; what was started has them still. */
static void detach(void)
{
	int null = open("/dev/null", O_RDWR);

	for (int fd = 0; null >= 0 && fd <= 2; fd++)
		dup2(null, fd);
	if (null > 2)
		close(null);
	if (chdir("/"))
		log_warn("/: %s; ignoring", strerror(errno));
}

/* Tells the end of the command, then stays until there is no child left. */
static void reap(pid_t command, int tell)
{
	pid_t pid;
	int status, code;

	while ((pid = wait(&status)) > 0 || errno == EINTR) {
		code = exit_code(status);
		if (pid == command && write(tell, &code, sizeof(code)) != sizeof(code))
			_exit(EXIT_LAB);
	}
}

int main(int argc, char **argv)
{
	int told[2], code = EXIT_LAB;
	pid_t command;

	log_init("reaper", false);
	if (argc < 2)
		die(EXIT_USAGE,
		    "usage: reaper COMMAND [ARGS…]: starts a daemon and takes care of its orphans");
	if (pipe2(told, O_CLOEXEC))
		die(EXIT_LAB, "no pipe: %s", strerror(errno));
	switch (fork()) {
	case -1:
		die(EXIT_LAB, "no process: %s", strerror(errno));
	case 0:
		setsid();
		if (prctl(PR_SET_CHILD_SUBREAPER, 1))
			die(EXIT_LAB, "orphans cannot be taken over: %s", strerror(errno));
		command = command_start(argv + 1);
		if (command < 0)
			die(EXIT_LAB, "no process: %s", strerror(errno));
		detach();
		reap(command, told[1]);
		_exit(EXIT_PASS);
	default:
		close(told[1]);
		if (read(told[0], &code, sizeof(code)) != sizeof(code))
			code = EXIT_LAB;
		return code;
	}
}
