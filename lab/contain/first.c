/* SPDX-License-Identifier: MIT */
/* Process 1 of a sandbox: starts the command, holds it to its limits, ends what is left of it. */
#include "contain.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define OPEN_FILES 1024

/* A build that is told to end has so long. */
#define STOP_S 2.0

/* Copies in and out of the sandbox may take so long. */
#define COPY_S 60.0

struct first {
	struct contain_job job;
	char **args, **env;
	int control, built, signals;
	int output; /* a build's; −1: none, or closed */
	pid_t pid;
	long printed;
	double end_s; /* by the machine's clock; 0: never */
	bool ended;   /* the command has */
	struct contain_result result;
};

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* --- the job --- */

static char **take_words(int control, size_t n)
{
	static char word[128 * 1024];
	char **words = calloc(n + 1, sizeof(*words));

	for (size_t i = 0; words && i < n; i++) {
		ssize_t len = recv(control, word, sizeof(word) - 1, 0);

		if (len < 0)
			return NULL;
		word[len] = '\0';
		words[i] = strdup(word);
	}
	return words;
}

static int take_job(struct first *f)
{
	if (recv(f->control, &f->job, sizeof(f->job), 0) != sizeof(f->job))
		return -1;
	f->args = take_words(f->control, f->job.nargs);
	f->env = take_words(f->control, f->job.nenv);
	return f->args && f->env ? 0 : -1;
}

/* --- the command --- */

static void limit(int resource, long most, long unit)
{
	struct rlimit value = {(rlim_t)most * (rlim_t)unit, (rlim_t)most * (rlim_t)unit};

	if (most > 0)
		setrlimit(resource, &value);
}

static void set_limits(const struct contain_limits *l)
{
	const struct rlimit none = {0, 0};

	setrlimit(RLIMIT_CORE, &none);
	setrlimit(RLIMIT_RTPRIO, &none);
	setrlimit(RLIMIT_MSGQUEUE, &none);
	limit(RLIMIT_NOFILE, OPEN_FILES, 1);
	limit(RLIMIT_FSIZE, l->file_mib, 1L << 20);
	limit(RLIMIT_CPU, l->time_s, 1);
	/* The first process counts, too. */
	limit(RLIMIT_NPROC, l->processes + 1, 1);
}

/* In the child. */
__attribute__((noreturn)) static void execute(struct first *f, int output, int report)
{
	ssize_t ignored;
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	prctl(PR_SET_DUMPABLE, 1);
	set_limits(&f->job.limits);
	if ((output < 0 ||
	     (dup2(output, STDOUT_FILENO) >= 0 && dup2(output, STDERR_FILENO) >= 0)) &&
	    chdir(f->job.folder) == 0 && contain_filter() == 0)
		execvpe(f->args[0], f->args, f->env);
	ignored = write(report, &errno, sizeof(errno));
	(void)ignored;
	_exit(127);
}

static int start(struct first *f)
{
	int report[2], output[2] = {-1, -1}, error = 0;
	ssize_t n;

	if (pipe2(report, O_CLOEXEC) || (f->job.builds && pipe2(output, O_CLOEXEC)))
		return -1;
	f->pid = fork();
	if (f->pid == 0)
		execute(f, output[1], report[1]);
	close(report[1]);
	if (output[1] >= 0)
		close(output[1]);
	f->output = output[0];
	if (f->pid < 0)
		return -1;
	n = read(report[0], &error, sizeof(error));
	close(report[0]);
	if (n != sizeof(error))
		return 0;
	errno = error;
	return -1;
}

/* --- what it prints --- */

/* False: there is no more for now. */
static bool pass_on(struct first *f)
{
	static char text[65536];
	ssize_t n = read(f->output, text, sizeof(text)), written = 0, done;
	long left = (f->job.limits.output_mib << 20) - f->printed;

	if (n <= 0) {
		if (n == 0) {
			close(f->output);
			f->output = -1;
		}
		return false;
	}
	f->printed += n;
	if (n > left)
		n = left > 0 ? left : 0;
	while (written < n &&
	       (done = write(STDOUT_FILENO, text + written, (size_t)(n - written))) > 0)
		written += done;
	return true;
}

/* --- the end --- */

static void end_all(struct first *f, const char *what, long most, const char *unit)
{
	if (f->result.end != CONTAIN_ENDED || f->ended)
		return;
	f->result.end = CONTAIN_LIMIT;
	snprintf(f->result.reason, sizeof(f->result.reason), "it %s %ld %s", what, most, unit);
	kill(-1, SIGKILL);
}

static void reap(struct first *f)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == f->pid) {
			f->ended = true;
			f->result.wait_status = status;
		}
	}
}

/* Whatever the command left behind, in sessions of its own, too. */
static void end_rest(void)
{
	kill(-1, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
}

/* --- while it runs --- */

/* Whoever started a program sees to it that it ends; a build's caller waits. */
static void stop(struct first *f, int signal)
{
	double end_s = now_s() + STOP_S;

	kill(-f->pid, signal);
	if (f->job.builds && (f->end_s <= 0 || f->end_s > end_s))
		f->end_s = end_s;
}

static void on_control(struct first *f)
{
	int signal;
	ssize_t n = recv(f->control, &signal, sizeof(signal), MSG_DONTWAIT);

	if (n == sizeof(signal))
		stop(f, signal);
	else if (n == 0)
		_exit(1); /* nobody is outside any more */
}

static void check_limits(struct first *f, double *look_s)
{
	struct contain_limits *l = &f->job.limits;
	int next_ms;

	if (f->output >= 0 && f->printed > l->output_mib << 20)
		end_all(f, "printed more than", l->output_mib, "MiB");
	if (f->end_s > 0 && now_s() > f->end_s)
		end_all(f, "took longer than", l->time_s, "s");
	if (now_s() < *look_s || f->result.end != CONTAIN_ENDED)
		return;
	if (!contain_watch(&f->job, &f->result, &next_ms))
		kill(-1, SIGKILL);
	else
		*look_s = now_s() + next_ms / 1e3;
}

static void watch(struct first *f)
{
	double look_s = 0;

	while (!f->ended) {
		struct pollfd fds[] = {
			{.fd = f->signals, .events = POLLIN},
			{.fd = f->control, .events = POLLIN},
			{.fd = f->output, .events = POLLIN},
		};
		struct signalfd_siginfo info;
		double until_s = f->end_s > 0 && f->end_s < look_s ? f->end_s : look_s;
		double wait_s = until_s - now_s();

		poll(fds, 3, wait_s > 0 ? (int)(wait_s * 1e3) + 1 : 0);
		if (fds[0].revents && read(f->signals, &info, sizeof(info)) > 0)
			reap(f);
		if (fds[1].revents)
			on_control(f);
		if (fds[2].revents)
			pass_on(f);
		if (!f->ended)
			check_limits(f, &look_s);
	}
}

/* --- a build's folder --- */

/* One of the sandbox's own programs, when nothing of the submission runs. */
static int run_own(const char *const *argv)
{
	pid_t pid = fork();
	int status = -1;

	if (pid == 0) {
		struct rlimit time = {(rlim_t)COPY_S, (rlim_t)COPY_S};
		sigset_t none;

		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		setrlimit(RLIMIT_CPU, &time);
		dup2(STDOUT_FILENO, STDERR_FILENO);
		execv(argv[0], (char *const *)argv);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return pid > 0 && status == 0 ? 0 : -1;
}

static int copy(const char *from, const char *to)
{
	return run_own((const char *const[]){"/bin/cp", "-dR", "--preserve=mode,timestamps,links",
					     "--", from, to, NULL});
}

/* Folders that a build closed to itself are opened where they are in the way. */
static int copy_out(const char *to)
{
	if (copy(CONTAIN_SUBMISSION "/.", to) == 0)
		return 0;
	if (run_own((const char *const[]){"/bin/chmod", "-R", "u+rwX", CONTAIN_SUBMISSION, to,
					  NULL}))
		return -1;
	return copy(CONTAIN_SUBMISSION "/.", to);
}

static void fail(struct first *f, const char *what)
{
	f->result.end = CONTAIN_NOT_RUN;
	snprintf(f->result.reason, sizeof(f->result.reason), "%s", what);
}

static void do_job(struct first *f)
{
	char out[64];

	if (f->job.builds && copy(CONTAIN_HANDED_IN "/.", CONTAIN_SUBMISSION)) {
		f->result.end = CONTAIN_LIMIT;
		snprintf(f->result.reason, sizeof(f->result.reason),
			 "the submission does not fit into %ld MiB", f->job.limits.disk_mib);
		return;
	}
	if (f->job.limits.time_s > 0)
		f->end_s = now_s() + (double)f->job.limits.time_s;
	if (start(f)) {
		f->result = (struct contain_result){CONTAIN_LIMIT, W_EXITCODE(127, 0), ""};
		snprintf(f->result.reason, sizeof(f->result.reason), "it cannot be run: %s",
			 strerror(errno));
		return;
	}
	watch(f);
	end_rest();
	if (f->output >= 0) {
		fcntl(f->output, F_SETFL, O_NONBLOCK);
		while (pass_on(f))
			;
	}
	snprintf(out, sizeof(out), "/proc/self/fd/%d/.", f->built);
	if (f->job.builds && f->result.end == CONTAIN_ENDED) {
		fcntl(f->built, F_SETFD, 0);
		if (copy_out(out))
			fail(f, "what was built cannot be copied");
	}
}

static void close_on_exec(int fd)
{
	if (fd >= 0)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
}

int contain_first(int control, int built)
{
	static struct first f;
	sigset_t set;

	f = (struct first){.control = control, .built = built, .output = -1};
	/* Its memory and descriptors are nobody else's, though the user is the same. */
	prctl(PR_SET_DUMPABLE, 0);
	close_on_exec(control);
	close_on_exec(built);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	f.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (f.signals < 0 || take_job(&f))
		return 1;
	do_job(&f);
	return send(control, &f.result, sizeof(f.result), MSG_NOSIGNAL) == sizeof(f.result) ? 0 : 1;
}
