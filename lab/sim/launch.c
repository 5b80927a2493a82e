/* SPDX-License-Identifier: MIT */
/* See launch.h. */
#include "launch.h"

#include "log.h"

#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Python's lines come when they are printed. */
const char *const launch_fixed[] = {"PYTHONHASHSEED=0", "PERL_HASH_SEED=0", "PYTHONUNBUFFERED=1",
				    NULL};

void launch_environment(const char *folder)
{
	setenv("RUNTIME_DIRECTORY", folder, 1);
	for (const char *const *fixed = launch_fixed; *fixed; fixed++)
		putenv((char *)*fixed);
}

void launch_program(const char *path, char *const *program, int stdout_fd, int stderr_fd)
{
	sigset_t none;
	int null = open("/dev/null", O_RDONLY);

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpgid(0, 0);
	/* The same addresses in every run, for programs whose order depends on them. */
	personality(ADDR_NO_RANDOMIZE);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(stdout_fd, STDOUT_FILENO) < 0 ||
	    dup2(stderr_fd, STDERR_FILENO) < 0)
		_exit(EXIT_LAB);
	close(null);
	execv(path, program);
}
