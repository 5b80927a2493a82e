/* SPDX-License-Identifier: MIT */
/* Children and other programs, in libc's place: all of them are of the run and share its time. */
#undef _FORTIFY_SOURCE
#include "remote.h"

#include "real.h"
#include "sched.h"
#include "sim.h"
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pty.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <utmp.h>

extern char **environ;

/* --- what a new program has to find --- */

#define PRELOAD "LD_PRELOAD"

static char *preload; /* as it was when this program began */

void children_set_up(void)
{
	const char *value = getenv(PRELOAD);

	preload = strdup(value ? value : "");
}

static bool names(const char *entry, const char *name)
{
	size_t len = strlen(name);

	return !strncmp(entry, name, len) && entry[len] == '=';
}

/* A copy of an environment with the library and the connection in it, in one block to free; without
 * them for a program that is closed. NULL: out of memory. */
static char **environment_with(char *const *from, int fd, bool closed)
{
	size_t n = 0, size = sizeof(PRELOAD) + strlen(preload) + 1;
	char **to, *library, *connection;

	while (from && from[n])
		n++;
	to = malloc((n + 3) * sizeof(*to) + size + sizeof(CONTROL_ENV) + 16);
	if (!to)
		return NULL;
	library = (char *)(to + n + 3);
	connection = library + size;
	sprintf(library, PRELOAD "=%s", preload);
	sprintf(connection, CONTROL_ENV "=%d", fd);
	n = 0;
	for (; from && *from; from++) {
		if (names(*from, PRELOAD) && strstr(*from, preload))
			library = *from; /* with more of its own */
		else if (!names(*from, PRELOAD) && !names(*from, CONTROL_ENV))
			to[n++] = *from;
	}
	if (!closed) {
		to[n++] = library;
		to[n++] = connection;
	}
	to[n] = NULL;
	return to;
}

/* Whether nothing can be preloaded into a program, and why; what cannot be run at all is libc's to
 * refuse. */
static bool is_closed(const char *name, char why[PROGRAM_ERROR_MAX])
{
	char path[PATH_MAX];

	return program_check(name, path, why) == PROGRAM_CLOSED;
}

/* --- exec --- */

static int exec_with(const char *path, char *const arguments[], char *const environment[],
		     int (*exec)(const char *, char *const *, char *const *))
{
	char why[PROGRAM_ERROR_MAX];
	bool closed = is_closed(path, why);
	char **with = environment_with(environment, remote_fd(), closed);
	int error;

	if (!with) {
		errno = ENOMEM;
		return -1;
	}
	if (closed)
		remote_goes_outside(why);
	fcntl(remote_fd(), F_SETFD, 0);
	exec(path, arguments, with);
	error = errno;
	fcntl(remote_fd(), F_SETFD, FD_CLOEXEC);
	free(with);
	errno = error;
	return -1;
}

static int exec_path(const char *path, char *const arguments[], char *const environment[])
{
	return real(execve)(path, arguments, environment);
}

static int exec_search(const char *file, char *const arguments[], char *const environment[])
{
	return real(execvpe)(file, arguments, environment);
}

EXPORT int execve(const char *path, char *const arguments[], char *const environment[])
{
	return exec_with(path, arguments, environment, exec_path);
}

EXPORT int execv(const char *path, char *const arguments[])
{
	return exec_with(path, arguments, environ, exec_path);
}

EXPORT int execvpe(const char *file, char *const arguments[], char *const environment[])
{
	return exec_with(file, arguments, environment, exec_search);
}

EXPORT int execvp(const char *file, char *const arguments[])
{
	return exec_with(file, arguments, environ, exec_search);
}

EXPORT int fexecve(int fd, char *const arguments[], char *const environment[])
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return exec_with(path, arguments, environment, exec_path);
}

/* The arguments of the l… calls as a list; the environment of execle() follows them. */
static char **list_of(const char *first, va_list *args)
{
	size_t n = 0, size = 16;
	char **list = malloc(size * sizeof(*list));

	for (const char *next = first; list; next = va_arg(*args, const char *)) {
		list[n++] = (char *)next;
		if (!next)
			break;
		if (n == size) {
			char **more = realloc(list, (size *= 2) * sizeof(*list));

			if (!more)
				free(list);
			list = more;
		}
	}
	return list;
}

#define EXEC_LIST_FUNCTION(name, exec, environment)                                                \
	EXPORT int name(const char *path, const char *first, ...)                                  \
	{                                                                                          \
		va_list args;                                                                      \
		char **list;                                                                       \
		int status;                                                                        \
                                                                                                   \
		va_start(args, first);                                                             \
		list = list_of(first, &args);                                                      \
		status = exec_with(path, list, environment, exec);                                 \
		va_end(args);                                                                      \
		free(list);                                                                        \
		return status;                                                                     \
	}

EXEC_LIST_FUNCTION(execl, exec_path, environ)
EXEC_LIST_FUNCTION(execlp, exec_search, environ)
EXEC_LIST_FUNCTION(execle, exec_path, va_arg(args, char *const *))

/* --- fork --- */

EXPORT pid_t fork(void)
{
	sigset_t all, saved;
	pid_t pid;
	int fd;

	if (!sched_started())
		return real(fork)();
	fd = remote_announce_child(NULL);
	if (fd < 0)
		return -1;
	sigfillset(&all);
	real(pthread_sigmask)(SIG_SETMASK, &all, &saved);
	pid = real(fork)();
	if (pid == 0) {
		sched_forked();
		remote_become_child(fd);
	} else {
		close(fd);
	}
	real(pthread_sigmask)(SIG_SETMASK, &saved, NULL);
	return pid;
}

/* What a child may do after vfork() it may do after fork(), too. */
EXPORT pid_t vfork(void)
{
	return fork();
}

EXPORT pid_t _Fork(void)
{
	return fork();
}

EXPORT int clone(int (*run)(void *), void *stack, int flags, void *argument, ...)
{
	(void)run;
	(void)stack;
	(void)flags;
	(void)argument;
	sim_refuse("it starts a process or a thread with clone() at t = %.3f s, which is not "
		   "simulated",
		   (double)sim_now() / 1e9);
}

EXPORT int daemon(int nochdir, int noclose)
{
	int null;

	switch (fork()) {
	case -1:
		return -1;
	case 0:
		break;
	default:
		_exit(0);
	}
	if (setsid() < 0 || (!nochdir && chdir("/")))
		return -1;
	null = noclose ? -1 : open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = 0; null >= 0 && fd <= STDERR_FILENO; fd++)
		dup2(null, fd);
	if (null > STDERR_FILENO)
		close(null);
	return 0;
}

EXPORT pid_t forkpty(int *primary, char *name, const struct termios *termios,
		     const struct winsize *size)
{
	int secondary;
	pid_t pid;

	if (openpty(primary, &secondary, name, termios, size))
		return -1;
	pid = fork();
	if (pid == 0) {
		close(*primary);
		if (login_tty(secondary))
			_exit(1);
		return 0;
	}
	close(secondary);
	return pid;
}

/* --- spawn --- */

typedef int (*spawn_fn)(pid_t *, const char *, const posix_spawn_file_actions_t *,
			const posix_spawnattr_t *, char *const *, char *const *);

static int spawn_with(spawn_fn spawn, pid_t *pid, const char *path,
		      const posix_spawn_file_actions_t *actions,
		      const posix_spawnattr_t *attributes, char *const arguments[],
		      char *const environment[])
{
	char why[PROGRAM_ERROR_MAX], **with;
	bool closed = is_closed(path, why);
	int fd = remote_announce_child(closed ? why : NULL), status = ENOMEM;

	if (fd < 0)
		return errno;
	with = environment_with(environment, fd, closed);
	if (with)
		status = spawn(pid, path, actions, attributes, arguments, with);
	free(with);
	close(fd);
	return status;
}

EXPORT int posix_spawn(pid_t *restrict pid, const char *restrict path,
		       const posix_spawn_file_actions_t *actions,
		       const posix_spawnattr_t *restrict attributes,
		       char *const arguments[restrict], char *const environment[restrict])
{
	return spawn_with(real(posix_spawn), pid, path, actions, attributes, arguments,
			  environment);
}

EXPORT int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
			const posix_spawnattr_t *attributes, char *const arguments[],
			char *const environment[])
{
	return spawn_with(real(posix_spawnp), pid, file, actions, attributes, arguments,
			  environment);
}

/* --- waiting for them --- */

struct child_wait {
	idtype_t type;
	id_t id;
	int options;
};

static bool has_news(void *opaque)
{
	const struct child_wait *w = opaque;
	siginfo_t info = {0};

	return real(waitid)(w->type, w->id, &info, w->options | WNOHANG | WNOWAIT) || info.si_pid;
}

/* False with EINTR: a signal came first. */
static bool await_child(struct child_wait *w)
{
	const struct sched_wait wait = {.deadline_ns = SCHED_NEVER, .ready = has_news, .opaque = w};

	while (!has_news(w)) {
		if (sched_wait(&wait) == SCHED_SIGNAL && !has_news(w)) {
			errno = EINTR;
			return false;
		}
	}
	return true;
}

EXPORT pid_t wait4(pid_t pid, int *status, int options, struct rusage *usage)
{
	struct child_wait w = {.options = WEXITED | (options & (WUNTRACED | WCONTINUED))};

	w.type = pid > 0 ? P_PID : pid == -1 ? P_ALL : P_PGID;
	w.id = (id_t)(pid > 0 ? pid : pid < -1 ? -pid : 0);
	if (sched_started() && !(options & WNOHANG) && !await_child(&w))
		return -1;
	return real(wait4)(pid, status, options, usage);
}

EXPORT pid_t waitpid(pid_t pid, int *status, int options)
{
	return wait4(pid, status, options, NULL);
}

EXPORT pid_t wait(int *status)
{
	return wait4(-1, status, 0, NULL);
}

EXPORT pid_t wait3(int *status, int options, struct rusage *usage)
{
	return wait4(-1, status, options, usage);
}

EXPORT int waitid(idtype_t type, id_t id, siginfo_t *info, int options)
{
	struct child_wait w = {type, id, options & (WEXITED | WSTOPPED | WCONTINUED)};

	if (sched_started() && !(options & WNOHANG) && !await_child(&w))
		return -1;
	return real(waitid)(type, id, info, options);
}

/* --- shells --- */

static pid_t start_shell(const char *command, const posix_spawn_file_actions_t *actions,
			 const posix_spawnattr_t *attributes)
{
	char *arguments[] = {"sh", "-c", "--", (char *)command, NULL};
	pid_t pid;
	int error = posix_spawn(&pid, "/bin/sh", actions, attributes, arguments, environ);

	if (!error)
		return pid;
	errno = error;
	return -1;
}

EXPORT int system(const char *command)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN}, interrupt, quit;
	posix_spawnattr_t attributes;
	sigset_t set, saved;
	int status = -1;
	pid_t pid;

	if (!command)
		return 1;
	sigaction(SIGINT, &ignore, &interrupt);
	sigaction(SIGQUIT, &ignore, &quit);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	pthread_sigmask(SIG_BLOCK, &set, &saved);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &saved);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGQUIT);
	posix_spawnattr_setsigdefault(&attributes, &set);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	pid = start_shell(command, NULL, &attributes);
	posix_spawnattr_destroy(&attributes);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	pthread_sigmask(SIG_SETMASK, &saved, NULL);
	sigaction(SIGINT, &interrupt, NULL);
	sigaction(SIGQUIT, &quit, NULL);
	return status;
}

struct shell {
	struct shell *next;
	FILE *file;
	pid_t pid;
};

static struct shell *shells;

EXPORT FILE *popen(const char *command, const char *type)
{
	bool reads = strchr(type, 'r');
	posix_spawn_file_actions_t actions;
	struct shell *shell = malloc(sizeof(*shell));
	int ends[2];

	if (!shell || reads == !!strchr(type, 'w') || pipe2(ends, O_CLOEXEC)) {
		errno = shell && reads == !!strchr(type, 'w') ? EINVAL : errno;
		free(shell);
		return NULL;
	}
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[reads], reads);
	shell->pid = start_shell(command, &actions, NULL);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[reads]);
	shell->file = shell->pid < 0 ? NULL : fdopen(ends[!reads], reads ? "r" : "w");
	if (!shell->file) {
		close(ends[!reads]);
		free(shell);
		return NULL;
	}
	if (!strchr(type, 'e'))
		fcntl(ends[!reads], F_SETFD, 0);
	shell->next = shells;
	shells = shell;
	return shells->file;
}

EXPORT int pclose(FILE *file)
{
	for (struct shell **at = &shells; *at; at = &(*at)->next) {
		struct shell *shell = *at;
		pid_t pid = shell->pid;
		int status;

		if (shell->file != file)
			continue;
		*at = shell->next;
		free(shell);
		fclose(file);
		while (waitpid(pid, &status, 0) < 0) {
			if (errno != EINTR)
				return -1;
		}
		return status;
	}
	errno = ECHILD;
	return -1;
}
