/* SPDX-License-Identifier: MIT */
/*
 * A memory load: grows to a size at a given rate, touching every page, holds, gives back. A
 * supervisor that the OOM killer leaves alone steers and watches the worker that it is to take
 * first.
 */
#include "guestload.h"
#include "log.h"
#include "memworker.h"
#include "tick.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define NAME	 "memload"
#define STATUS_S 0.25

struct supervisor {
	struct memworker_shared *shared;
	pid_t worker; /* 0: none */
	struct load_target target;
	int64_t kills_before; /* oom_kills() when the worker was started */
	double phase_start_s;
	const char *state;
	int status; /* the exit status so far */
};

static volatile sig_atomic_t steered;

/* SIGCHLD only ends the wait. */
static void on_signal(int number)
{
	if (number == SIGUSR1)
		steered = 1;
}

static void report(struct supervisor *s, const char *suffix)
{
	const struct memworker_shared *shared = s->shared;
	char text[REPORT_MAX];

	snprintf(text, sizeof(text),
		 "{\"load\":\"memory\",\"state\":\"%s\",\"asked_kib\":%" PRIu64
		 ",\"rate_kib_s\":%" PRIu64 ",\"load_kib\":%" PRIu64 ",\"peak_kib\":%" PRIu64
		 ",\"starved_s\":%.3f,\"late_s\":%.3f,"
		 "\"elapsed_s\":%.3f}\n",
		 s->state, s->target.kib, s->target.rate_kib_s, (uint64_t)shared->kib,
		 (uint64_t)shared->peak_kib, (double)shared->starved_ms / 1000,
		 (double)shared->late_ms / 1000, tick_now_s() - s->phase_start_s);
	report_write(NAME, suffix, text);
}

static int worker_start(struct supervisor *s)
{
	s->kills_before = oom_kills();
	s->worker = fork();
	if (s->worker < 0) {
		s->worker = 0;
		s->state = "failed";
		s->status = EXIT_NO_MEMORY;
		return -1;
	}
	if (s->worker == 0) {
		oom_score_set(1000);
		streams_close();
		_exit(memworker_run(s->shared));
	}
	return 0;
}

/* Hands the target to the worker, starting one where there is none and something is to be held. */
static void steer(struct supervisor *s)
{
	struct memworker_shared *shared = s->shared;

	s->phase_start_s = tick_now_s();
	shared->starved_ms = 0;
	shared->late_ms = 0;
	shared->peak_kib = (uint64_t)shared->kib;
	s->status = EXIT_PASS;
	memworker_steer(shared, s->target.kib, s->target.rate_kib_s);
	if (!s->worker && s->target.kib > 0)
		worker_start(s);
}

static void note_worker_end(struct supervisor *s)
{
	int status;

	if (!s->worker || waitpid(s->worker, &status, WNOHANG) != s->worker)
		return;
	s->worker = 0;
	s->shared->kib = 0;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && oom_kills() != s->kills_before) {
		s->state = "oom";
		s->status = EXIT_OOM;
	} else {
		s->state = WIFSIGNALED(status) ? "killed" : "failed";
		s->status = WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAIL;
	}
}

static void note_progress(struct supervisor *s)
{
	uint64_t kib = (uint64_t)s->shared->kib;

	if (!s->worker)
		return;
	if (s->shared->refused) {
		s->state = "failed";
		s->status = EXIT_NO_MEMORY;
	} else {
		s->state = kib < s->target.kib	 ? "growing"
			   : kib > s->target.kib ? "shrinking"
						 : "holding";
	}
}

/* Takes the target that another memload left. */
static void take_target(struct supervisor *s)
{
	struct load_target target = {0};

	if (target_read(NAME, &target.kib, &target.rate_kib_s))
		return;
	report(s, "last");
	s->target = target;
	s->state = "holding";
	steer(s);
	note_progress(s);
	report(s, "status");
	report_remove(NAME, "target");
}

static void worker_end(struct supervisor *s)
{
	if (!s->worker)
		return;
	/* The kernel takes the memory back with the process; its peak and starving are in the
	 * report. */
	kill(s->worker, SIGKILL);
	waitpid(s->worker, NULL, 0);
	s->worker = 0;
	s->shared->kib = 0;
}

static int supervise(struct load_target *args, int detached)
{
	struct sigaction action = {.sa_handler = on_signal};
	struct supervisor s = {.target = *args, .state = "growing"};
	struct timespec step = {0, (long)(STATUS_S * 1e9)};
	sigset_t blocked, unblocked;

	if (tick_signals() < 0 || instance_lock(NAME))
		return EXIT_FAIL;
	s.shared = mmap(NULL, sizeof(*s.shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);
	if (s.shared == MAP_FAILED)
		return EXIT_NO_MEMORY;
	/* Signals only while waiting, so that none is missed between the look and the wait. */
	sigemptyset(&blocked);
	for (const int *n = (const int[]){SIGUSR1, SIGCHLD, SIGTERM, SIGINT, SIGHUP, 0}; *n; n++)
		sigaddset(&blocked, *n);
	sigprocmask(SIG_BLOCK, &blocked, &unblocked);
	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGCHLD, &action, NULL);
	report_remove(NAME, "target");
	steer(&s);
	/* After the fork: the worker must stay swappable and killable, its supervisor must not. */
	oom_score_set(-1000);
	mlockall(MCL_CURRENT); /* without the privilege for it the reports may be late when memory
				  is short */
	report(&s, "status");
	if (detached >= 0)
		detach_ready(detached, s.status);
	while (!tick_quit && !(args->foreground && s.status)) {
		ppoll(NULL, 0, &step, &unblocked);
		note_worker_end(&s);
		note_progress(&s);
		if (steered) {
			steered = 0;
			take_target(&s);
		}
		report(&s, "status");
	}
	report(&s, "last");
	worker_end(&s);
	s.state = s.status ? s.state : "ended";
	report(&s, "status");
	if (args->foreground)
		report_print(NAME, "last");
	return s.status;
}

/* The exit status says how the load fared. */
static int stop(void)
{
	bool runs = instance_pid(NAME) != 0;
	int status = instance_end(NAME);
	char text[REPORT_MAX];

	if (status || !runs)
		return status;
	if (report_read(NAME, "last", text, sizeof(text)) <= 0)
		return EXIT_FAIL;
	return strstr(text, "\"oom\"")	    ? EXIT_OOM
	       : strstr(text, "\"failed\"") ? EXIT_NO_MEMORY
					    : EXIT_PASS;
}

static const char usage[] =
	"usage: memload [-f] SIZE [RATE]\n"
	"       memload --status | --stop\n"
	"Brings the memory held to SIZE at RATE (like 20M/s; without: at once), up or down, "
	"and holds it.\n"
	"The first goes on in the background, those after it steer that one.\n"
	"  -f, --foreground     stay until stopped; exit status 4: killed for want of "
	"memory, 5: refused memory\n"
	"      --status         print the report of the running load\n"
	"      --stop           end it and print its final report; exit status as above\n"
	"      --help, --version\n";

int main(int argc, char **argv)
{
	const struct load_self self = {NAME, "SIZE [RATE]", usage, stop};
	struct load_target args;
	int detached = -1;

	log_init(NAME, false);
	load_target_take(&self, UINT64_MAX, argc, argv, &args);
	if (!args.foreground)
		detached = detach();
	return supervise(&args, detached);
}
