/* SPDX-License-Identifier: MIT */
/* The program is one process: what would make it several ends the simulation, and its end is
 * noticed. */
#undef _FORTIFY_SOURCE
#include "real.h"
#include "sched.h"
#include "sim.h"

#include <pthread.h>
#include <pty.h>
#include <sched.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static void refuse(const char *function)
{
	sim_refuse("it starts another process (%s) at t = %.3f s: a program in the simulated host "
		   "is one process",
		   function, (double)sim_now() / 1e9);
}

EXPORT pid_t fork(void)
{
	if (sched_started())
		refuse("fork");
	return real(fork)();
}

/* The child would run on this stack: only the refusal is possible. */
EXPORT pid_t vfork(void)
{
	refuse("vfork");
	return -1;
}

EXPORT pid_t _Fork(void)
{
	refuse("_Fork");
	return -1;
}

EXPORT int daemon(int nochdir, int noclose)
{
	(void)nochdir;
	(void)noclose;
	refuse("daemon");
	return -1;
}

EXPORT pid_t forkpty(int *primary, char *name, const struct termios *termios,
		     const struct winsize *size)
{
	(void)primary;
	(void)name;
	(void)termios;
	(void)size;
	refuse("forkpty");
	return -1;
}

EXPORT int system(const char *command)
{
	if (!command)
		return 0; /* asked whether there is a shell: not here */
	refuse("system");
	return -1;
}

EXPORT FILE *popen(const char *command, const char *type)
{
	(void)command;
	(void)type;
	refuse("popen");
	return NULL;
}

EXPORT int posix_spawn(pid_t *restrict pid, const char *restrict path,
		       const posix_spawn_file_actions_t *actions,
		       const posix_spawnattr_t *restrict attributes,
		       char *const arguments[restrict], char *const environment[restrict])
{
	(void)pid;
	(void)path;
	(void)actions;
	(void)attributes;
	(void)arguments;
	(void)environment;
	refuse("posix_spawn");
	return -1;
}

EXPORT int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
			const posix_spawnattr_t *attributes, char *const arguments[],
			char *const environment[])
{
	(void)pid;
	(void)file;
	(void)actions;
	(void)attributes;
	(void)arguments;
	(void)environment;
	refuse("posix_spawnp");
	return -1;
}

EXPORT int clone(int (*run)(void *), void *stack, int flags, void *argument, ...)
{
	(void)run;
	(void)stack;
	(void)flags;
	(void)argument;
	refuse("clone");
	return -1;
}

EXPORT void _exit(int status)
{
	sim_exited(status);
	real(syscall)(SYS_exit_group, status);
	__builtin_unreachable();
}

EXPORT void _Exit(int status)
{
	_exit(status);
}
