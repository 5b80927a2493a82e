/* SPDX-License-Identifier: MIT */
/* A CPU load that takes a given share of each CPU, paced on an absolute schedule, and says what it
 * got. */
#include "guestload.h"
#include "log.h"
#include "pace.h"
#include "tick.h"
#include "units.h"

#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NAME	    "cpuload"
#define THREADS_MAX 1024
#define STACK_SIZE  65536

/* Short enough that a scheduler that looks twice a second sees the mean, long enough for many
 * pieces. */
#define PERIOD_MS 100

/* Rounds of work in the first piece: less than a piece should take on the slowest emulated CPU. */
#define FIRST_ROUNDS 256

#define STATUS_S 0.5

struct args {
	double pct;
	bool open_loop;
	bool unpinned;
	bool foreground;
	long threads; /* 0: one for each CPU */
	long period_ms;
};

/* What one thread did; written by it, read by the reporter. */
struct worker {
	pthread_t thread;
	const struct args *args;
	int cpu; /* −1: anywhere */
	int64_t start_ns;
	_Atomic int64_t done_ns;
	_Atomic int64_t waited_ns;
	_Atomic int64_t given_up_ns;
	_Atomic int64_t backlog_ns;
};

/*
 * Not the thread's CPU time: in a guest that counts the host's waits as well, costs a system call,
 * and stands still between two timer ticks once the guest's kernel distrusts its TSC.
 */
static int64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void work(unsigned long rounds)
{
	unsigned long x = 1;

	while (rounds--) {
		x = x * 2862933555777941757UL + 3037000493UL;
		__asm__ volatile("" : "+r"(x)); /* each round is really done */
	}
}

static void sleep_until(int64_t start_ns, int64_t at_ns)
{
	struct timespec at = {(start_ns + at_ns) / 1000000000, (start_ns + at_ns) % 1000000000};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

static void *worker_run(void *opaque)
{
	struct worker *w = opaque;
	struct stall_filter stalls = {0};
	unsigned long rounds = FIRST_ROUNDS;
	struct pace pace;
	int64_t now_ns;

	if (w->cpu >= 0) {
		cpu_set_t set;

		CPU_ZERO(&set);
		CPU_SET(w->cpu, &set);
		pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
	}
	pace_init(&pace, w->args->pct, w->args->period_ms * 1000000, w->args->open_loop);
	now_ns = clock_ns();
	while (!tick_quit) {
		int64_t before_ns, took_ns, used;

		pace_advance(&pace, now_ns - w->start_ns);
		if (!pace_work_left(&pace)) {
			sleep_until(w->start_ns, pace_next_ns(&pace));
			now_ns = clock_ns();
			continue;
		}
		before_ns = now_ns;
		work(rounds);
		now_ns = clock_ns();
		took_ns = now_ns - before_ns;
		used = stall_used_ns(&stalls, took_ns);
		rounds = stall_piece_rounds(&stalls, rounds);
		pace.done_ns += used;
		w->done_ns += used;
		w->waited_ns += took_ns - used;
		w->given_up_ns = pace.given_up_ns;
		w->backlog_ns = pace.due_ns - pace.done_ns;
	}
	return NULL;
}

static void report(const struct args *args, struct worker *workers, int64_t start_ns,
		   const char *state)
{
	double elapsed_ns = (double)(clock_ns() - start_ns), scale;
	int64_t done = 0, waited = 0, given_up = 0, backlog = 0;
	char text[REPORT_MAX];

	for (long i = 0; i < args->threads; i++) {
		done += workers[i].done_ns;
		waited += workers[i].waited_ns;
		given_up += workers[i].given_up_ns;
		if (workers[i].backlog_ns > 0 && args->open_loop)
			backlog += workers[i].backlog_ns;
	}
	scale = 100 / (elapsed_ns * (double)args->threads);
	snprintf(text, sizeof(text),
		 "{\"load\":\"cpu\",\"state\":\"%s\",\"asked_pct\":%.6g,\"attained_pct\":%.2f,"
		 "\"waited_pct\":%.2f,\"given_up_pct\":%.2f,\"backlog_s\":%.3f,\"threads\":%ld,"
		 "\"open_loop\":%s,\"elapsed_s\":%.3f}\n",
		 state, args->pct, (double)done * scale, (double)waited * scale,
		 (double)given_up * scale, (double)backlog / 1e9 / (double)args->threads,
		 args->threads, args->open_loop ? "true" : "false", elapsed_ns / 1e9);
	report_write(NAME, "status", text);
	if (!strcmp(state, "ended"))
		report_write(NAME, "last", text);
}

/* The CPUs this process may use: thread i gets the i-th of them, round again. */
static void assign_cpus(const struct args *args, struct worker *workers)
{
	cpu_set_t allowed;
	int cpu = -1;

	if (args->unpinned || sched_getaffinity(0, sizeof(allowed), &allowed) ||
	    CPU_COUNT(&allowed) == 0) {
		for (long i = 0; i < args->threads; i++)
			workers[i].cpu = -1;
		return;
	}
	for (long i = 0; i < args->threads; i++) {
		do
			cpu = (cpu + 1) % CPU_SETSIZE;
		while (!CPU_ISSET(cpu, &allowed));
		workers[i].cpu = cpu;
	}
}

static int run(struct args *args, int detached)
{
	struct ticker ticker;
	struct worker *workers;
	pthread_attr_t attr;
	int64_t start_ns;

	if (tick_signals() < 0 || instance_lock(NAME))
		return EXIT_FAIL;
	workers = calloc((size_t)args->threads, sizeof(*workers));
	if (!workers)
		return EXIT_NO_MEMORY;
	assign_cpus(args, workers);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	start_ns = clock_ns();
	for (long i = 0; i < args->threads; i++) {
		workers[i].args = args;
		workers[i].start_ns = start_ns;
		errno = pthread_create(&workers[i].thread, &attr, worker_run, &workers[i]);
		if (errno)
			die(EXIT_FAIL, "thread %ld: %s", i + 1, strerror(errno));
	}
	report(args, workers, start_ns, "running");
	if (detached >= 0)
		detach_ready(detached, EXIT_PASS);
	ticker_start(&ticker, STATUS_S);
	while (!tick_quit) {
		ticker_advance(&ticker, tick_now_s());
		sleep_until(0, (int64_t)(ticker.next_s * 1e9));
		report(args, workers, start_ns, "running");
	}
	for (long i = 0; i < args->threads; i++)
		pthread_join(workers[i].thread, NULL);
	report(args, workers, start_ns, "ended");
	if (detached < 0)
		report_print(NAME, "last");
	return EXIT_PASS;
}

static int stop(void)
{
	return instance_end(NAME);
}

static const char usage[] =
	"usage: cpuload [-d] [-f] [-p MS] [-t THREADS] [-u] PERCENT\n"
	"       cpuload --status | --stop\n"
	"Loads each CPU with PERCENT of its time, in the background, in place of the cpuload "
	"running.\n"
	"  -d, --demand         what waiting cost is caught up later, not given up\n"
	"  -f, --foreground     stay, print the final report\n"
	"  -p, --period MS      the share is taken in each period (100)\n"
	"  -t, --threads N      so many threads (one for each CPU)\n"
	"  -u, --unpinned       threads may run on any CPU (thread i runs on the i-th)\n"
	"      --status         print the report of the running load\n"
	"      --stop           end it and print its final report\n"
	"      --help, --version\n";

static void parse_args(struct args *args, int argc, char **argv)
{
	static const struct load_self self = {NAME, "PERCENT", usage, stop};
	static const struct option options[] = {
		{"demand", no_argument, NULL, 'd'},
		{"period", required_argument, NULL, 'p'},
		{"threads", required_argument, NULL, 't'},
		{"unpinned", no_argument, NULL, 'u'},
		LOAD_OPTIONS,
	};
	int option;

	*args = (struct args){.period_ms = PERIOD_MS, .threads = sysconf(_SC_NPROCESSORS_ONLN)};
	while ((option = getopt_long(argc, argv, "dfp:t:u", options, NULL)) != -1) {
		switch (option) {
		case 'd':
			args->open_loop = true;
			break;
		case 'p':
			if (parse_integer(optarg, 1, 10000, &args->period_ms))
				die(EXIT_USAGE, "--period %s: not 1 to 10000 milliseconds", optarg);
			break;
		case 't':
			if (parse_integer(optarg, 1, THREADS_MAX, &args->threads))
				die(EXIT_USAGE, "--threads %s: not 1 to %d", optarg, THREADS_MAX);
			break;
		case 'u':
			args->unpinned = true;
			break;
		default:
			args->foreground |= load_option(&self, option);
		}
	}
	if (optind != argc - 1)
		load_operands_refuse(&self);
	if (parse_percent(argv[optind], 100, &args->pct))
		die(EXIT_USAGE, "%s: not a percentage from 0 to 100", argv[optind]);
}

int main(int argc, char **argv)
{
	struct args args;
	int detached = -1, status;

	log_init(NAME, false);
	parse_args(&args, argc, argv);
	oom_score_set(0); /* not the agent's, which is protected */
	status = stop();  /* the load before */
	if (status)
		return status;
	if (!args.foreground)
		detached = detach();
	return run(&args, detached);
}
