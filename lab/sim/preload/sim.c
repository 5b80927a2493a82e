/* SPDX-License-Identifier: MIT */
/* The run inside the program: set up before its main(), moved on while it waits, ended when it
 * ends. */
#undef _FORTIFY_SOURCE
#include "sim.h"

#include "log.h"
#include "output.h"
#include "real.h"
#include "sched.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * A program that asks for so much without waiting once waits for a clock that cannot move. A tick
 * on the largest host, 10,000 vCPUs pinned one by one, takes less than a tenth of it.
 */
#define CALLS_MAX 1000000

/* What programs see as their process id, so that traces are the same. */
#define PROGRAM_PID 1

static struct play play;
static struct shared *shared;
static int shared_fd = -1;
static bool running; /* between set-up and end */
static bool asked;   /* told to stop */
static unsigned long calls;

struct play *sim_play(void)
{
	return running ? &play : NULL;
}

struct shared *sim_shared(void)
{
	return shared;
}

bool sim_running(void)
{
	return running;
}

double sim_charge_factor(void)
{
	return shared->charge;
}

uint64_t sim_seed(void)
{
	return shared->seed;
}

uint64_t sim_late(uint64_t due_ns)
{
	return running ? faults_late(&play.faults, due_ns) : 0;
}

const struct host_view *sim_host(void)
{
	static struct host_view view;

	if (!running)
		return NULL;
	host_view_read(world_model(play.world), &view);
	return &view;
}

enum host_file sim_host_file(const char *path, char **text, size_t *len)
{
	return host_file_read(world_model(play.world), path, PLAY_EPOCH_S - PLAY_UPTIME_S, text,
			      len);
}

bool sim_host_folder(const char *path, void (*put)(const char *name, bool folder, void *opaque),
		     void *opaque)
{
	return host_folder_list(world_model(play.world), path, put, opaque);
}

uint64_t sim_now(void)
{
	return running ? world_now(play.world) : shared ? shared->now_ns : 0;
}

bool sim_owns_fd(int fd)
{
	return shared && fd >= 0 &&
	       (fd == shared_fd || fd == shared->stdout_fd || fd == shared->stderr_fd ||
		(running && fd == play.trace.fd)); /* we close it ourselves at the end */
}

/* --- the end --- */

static void leave(int status)
{
	real(syscall)(SYS_exit_group, status);
}

/* Of a program that replaced itself: the run it left behind has its trace no more. */
static void add_refusal(const char *message)
{
	struct trace_event event = play_end_event(PLAY_REFUSAL, message);
	struct trace_writer trace;

	event.t_s = (double)shared->now_ns / 1e9;
	if (trace_append(&trace, shared->trace))
		return;
	trace_write_event(&trace, &event);
	trace_close(&trace);
}

__attribute__((format(printf, 2, 0))) static void end_with(enum play_end how, const char *format,
							   va_list args)
{
	char message[sizeof(shared->message)];

	vsnprintf(message, sizeof(message), format, args);
	if (running) {
		running = false;
		output_take(&play, shared->stdout_fd, shared->stderr_fd, true);
		play_event(&play, play_end_event(how, message));
		play_cut(&play);
	} else if (how == PLAY_REFUSAL && shared->trace[0]) {
		add_refusal(message);
	}
	memcpy(shared->message, message, sizeof(message));
	shared->state = how == PLAY_FAILURE ? SHARED_FAILED : SHARED_STOPPED;
	leave(how == PLAY_FAILURE ? EXIT_LAB : EXIT_USAGE);
	__builtin_unreachable();
}

void sim_stop(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	end_with(PLAY_FAULT, format, args);
	va_end(args);
	__builtin_unreachable();
}

void sim_refuse(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	end_with(PLAY_REFUSAL, format, args);
	va_end(args);
	__builtin_unreachable();
}

void sim_fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	end_with(PLAY_FAILURE, format, args);
	va_end(args);
	__builtin_unreachable();
}

static void take_output(bool last)
{
	if (!output_take(&play, shared->stdout_fd, shared->stderr_fd, last))
		sim_stop("it prints without end: more than %u MiB", SHARED_OUTPUT_MAX >> 20);
	shared->stderr_taken = (uint64_t)output_stderr_taken();
	if (play.trace_errno)
		sim_fail("%s: %s", shared->trace, strerror(play.trace_errno));
}

/* Moves the world on by a second at most, so that the launcher sees that it moves however large the
 * host is. */
static uint64_t advance(uint64_t until_ns)
{
	uint64_t second = (world_now(play.world) / MODEL_NS_PER_S + 1) * MODEL_NS_PER_S;
	uint64_t now = play_advance(&play, until_ns < second ? until_ns : second);

	shared->turns++;
	return now;
}

/* how: as wait(2) has it. */
static void program_ended(int how)
{
	take_output(true);
	play_event(&play, trace_exit(how, asked));
	play.program_runs = false;
	running = false;
	shared->now_ns = world_now(play.world);
	play.on_event = NULL;
	while (advance(play.length_ns) < play.length_ns)
		;
	play_finish(&play);
	if (play.trace_errno)
		sim_fail("%s: %s", shared->trace, strerror(play.trace_errno));
	shared->state = SHARED_FINISHED;
}

void sim_exited(int status)
{
	if (!running)
		return;
	if (ftrylockfile(stdout) == 0) {
		fflush_unlocked(stdout);
		funlockfile(stdout);
	}
	program_ended(W_EXITCODE(status & 0xff, 0));
}

void sim_killed(int number)
{
	sigset_t set;

	program_ended(W_EXITCODE(0, number));
	sigemptyset(&set);
	sigaddset(&set, number);
	real(pthread_sigmask)(SIG_UNBLOCK, &set, NULL);
	real(syscall)(SYS_tgkill, getpid(), (pid_t)real(syscall)(SYS_gettid), number);
	leave(128 + number); /* not reached: the signal's action is the default one */
}

bool sim_asked(void)
{
	return running && asked;
}

/* --- time --- */

uint64_t sim_next(void)
{
	uint64_t end = asked ? play.length_ns + PLAY_GRACE_NS : play.length_ns;
	uint64_t restart = faults_next_restart(&play.faults, world_now(play.world));

	return restart < end ? restart : end;
}

static void tell_restart(void)
{
	struct trace_event event = trace_event(TRACE_FAULT, NULL);

	event.fault.what = "libvirtd restarts";
	play_event(&play, event);
}

void sim_advance(uint64_t until_ns)
{
	uint64_t next = sim_next();
	unsigned int restarts = faults_restarts(&play.faults, world_now(play.world));
	uint64_t now;

	if (until_ns <= world_now(play.world))
		return;
	take_output(false);
	now = advance(until_ns < next ? until_ns : next);
	calls = 0;
	shared->now_ns = now;
	if (faults_restarts(&play.faults, now) != restarts) {
		tell_restart();
		api_on_restart();
	}
	if (now >= play.length_ns && !asked) {
		asked = true;
		sched_signal(SIGTERM);
	} else if (now >= play.length_ns + PLAY_GRACE_NS) {
		sim_killed(SIGKILL);
	}
}

void sim_goes_on(void)
{
}

void sim_charge(uint64_t cpu_ns)
{
	uint64_t until = sim_now() + (uint64_t)((double)cpu_ns * shared->charge);

	play.program_cpu_s += (double)cpu_ns * shared->charge / 1e9;
	while (sim_now() < until)
		sim_advance(until);
}

void sim_count_call(void)
{
	if (++calls > CALLS_MAX)
		sim_stop("it computes without end and never waits: %d calls at t = %.3f s "
			 "without waiting once, while its clock stands still",
			 CALLS_MAX, (double)sim_now() / 1e9);
}

/* --- the beginning --- */

static void on_event(const struct world_event *event, void *opaque)
{
	(void)opaque;
	api_on_event(event);
}

static void on_program_exit(int status, void *opaque)
{
	(void)opaque;
	sim_exited(status);
}

static void refuse(const char *why)
{
	dprintf(STDERR_FILENO, "libballast-sim: %s\n", why);
	leave(EXIT_LAB);
}

static void map_shared(void)
{
	const char *number = getenv(SHARED_ENV);
	void *map;

	if (!number)
		refuse("only of use to programs that ballast's lab/sim/run starts");
	shared_fd = atoi(number);
	map = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, shared_fd, 0);
	if (map == MAP_FAILED)
		refuse("the launcher's descriptor was lost");
	shared = map;
}

static void open_play(void)
{
	struct play_config config = {
		.scenario = shared->scenario,
		.trace = shared->trace[0] ? shared->trace : NULL,
		.prefix = shared->prefix,
		.program = shared->program,
		.seed = shared->seed,
	};
	char error[PLAY_ERROR_MAX];
	int status, moved;

	if (play_open(&play, &config, error, &status))
		sim_fail("%s", error);
	moved = play.tracing ? fcntl(play.trace.fd, F_DUPFD_CLOEXEC, shared_fd_first()) : -1;
	if (moved >= 0) {
		real(close)(play.trace.fd);
		play.trace.fd = moved;
	}
	play.on_event = on_event;
	play.program_runs = true;
}

__attribute__((constructor)) static void set_up(void)
{
	map_shared();
	if (shared->now_ns)
		sim_refuse("it replaced itself by another program (exec) at t = %.3f s",
			   (double)shared->now_ns / 1e9);
	shared->loaded = true;
	open_play();
	running = true;
	/* As on a terminal: lines come when they are printed, not when a buffer is full. */
	setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
	if (on_exit(on_program_exit, NULL))
		sim_fail("out of memory");
	sched_start();
	api_start();
	play_event(&play, (struct trace_event){.kind = TRACE_PROGRAM_START,
					       .program_start = {PROGRAM_PID}});
}
