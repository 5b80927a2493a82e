/* SPDX-License-Identifier: MIT */
/* Calls that do not come back are left to their threads, and nobody else waits for them. */
#include "backoff.h"
#include "calls.h"
#include "tick.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

/* Nobody waits for a call that long, unless the code is wrong. */
#define LONG_S 600.0

/* A call that waits for a gate. */
struct gated {
	struct call call;
	int gate; /* an eventfd; negative: it comes back at once */
	atomic_int *made, *dropped;
};

static atomic_int made, dropped;
static struct calls calls;

static void make(struct call *call)
{
	struct gated *g = (struct gated *)(void *)call;
	struct pollfd fd = {.fd = g->gate, .events = POLLIN};

	if (g->gate >= 0)
		poll(&fd, 1, -1);
	atomic_fetch_add(g->made, 1);
}

static void drop(struct call *call)
{
	atomic_fetch_add(((struct gated *)(void *)call)->dropped, 1);
}

static struct gated *gated_new(int gate)
{
	struct gated *g = calloc(1, sizeof(*g));

	assert_non_null(g);
	*g = (struct gated){{.make = make, .drop = drop}, gate, &made, &dropped};
	return g;
}

/* Until those left behind are back. */
static void wait_for_made(int n)
{
	while (atomic_load(&made) < n)
		poll(NULL, 0, 1);
}

static int setup(void **state)
{
	int quit_fd = tick_signals();

	(void)state;
	atomic_store(&made, 0);
	atomic_store(&dropped, 0);
	tick_quit = 0;
	calls_init(&calls, quit_fd);
	return quit_fd < 0;
}

static void one_that_comes_back(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++) {
		struct gated *g = gated_new(-1);

		assert_true(calls_make(&calls, &g->call, LONG_S));
		assert_int_equal(atomic_load(&made), i + 1);
		call_free(&g->call);
	}
	assert_int_equal(calls.nleft, 0);
	calls_free(&calls);
}

static void one_that_does_not(void **state)
{
	int gate = eventfd(0, 0);
	struct gated *held = gated_new(gate), *next = gated_new(-1);
	double before_s = tick_now_s();

	(void)state;
	assert_false(calls_make(&calls, &held->call, 0.05));
	assert_true(tick_now_s() - before_s >= 0.05);
	assert_int_equal(calls.nleft, 1);
	/* The next one has a thread of its own. */
	assert_true(calls_make(&calls, &next->call, LONG_S));
	call_free(&next->call);
	calls_reap(&calls);
	assert_int_equal(calls.nleft, 1);
	eventfd_write(gate, 1);
	while (calls.nleft) {
		calls_reap(&calls);
		poll(NULL, 0, 1);
	}
	assert_int_equal(atomic_load(&made), 2);
	assert_int_equal(atomic_load(&dropped), 2);
	calls_free(&calls);
}

static void one_that_somebody_asks_about(void **state)
{
	int gate = eventfd(0, 0);
	struct gated *held = gated_new(gate);

	(void)state;
	held->call.kept = true;
	assert_false(calls_make(&calls, &held->call, 0.01));
	assert_false(atomic_load(&held->call.back));
	eventfd_write(gate, 1);
	while (!atomic_load(&held->call.back))
		poll(NULL, 0, 1);
	calls_reap(&calls);
	assert_int_equal(atomic_load(&dropped), 0);
	calls_forget(&calls, &held->call);
	assert_int_equal(atomic_load(&dropped), 1);
	assert_int_equal(calls.nleft, 0);
	calls_free(&calls);
}

static void *quit(void *opaque)
{
	(void)opaque;
	poll(NULL, 0, 50);
	kill(getpid(), SIGTERM);
	return NULL;
}

static void the_end_of_the_program_waits_for_none(void **state)
{
	int gate = eventfd(0, 0);
	struct gated *last;
	pthread_t thread;

	(void)state;
	pthread_create(&thread, NULL, quit, NULL);
	assert_false(calls_make(&calls, &gated_new(gate)->call, LONG_S));
	assert_int_equal(tick_quit, SIGTERM);
	/* What is left of the time is for all calls together. */
	assert_false(calls_make(&calls, &gated_new(gate)->call, LONG_S));
	pthread_join(thread, NULL);
	/* What is done at the end has a time of its own. */
	calls_extend(&calls, tick_now_s() + LONG_S);
	eventfd_write(gate, 1);
	last = gated_new(gate);
	assert_true(calls_make(&calls, &last->call, LONG_S));
	call_free(&last->call);
	wait_for_made(3);
}

static void what_failed_is_tried_ever_more_rarely(void **state)
{
	struct backoff b = {0}, timed_out = {0};
	unsigned long tries = 0, last = 0, gap = 0;

	(void)state;
	for (unsigned long tick = 1; tick <= 1000; tick++) {
		if (backoff_waits(&b, tick))
			continue;
		assert_true(tick - last >= gap || tries < 3);
		gap = tick - last;
		last = tick;
		tries++;
		backoff_fail(&b, tick, false);
	}
	assert_in_range(tries, 10, 30);
	assert_int_equal(gap, 65);
	backoff_end(&b);
	assert_false(backoff_waits(&b, last));
	backoff_fail(&b, 5, false);
	assert_false(backoff_waits(&b, 6));
	backoff_fail(&timed_out, 5, true);
	assert_true(backoff_waits(&timed_out, 6));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(one_that_comes_back, setup),
		cmocka_unit_test_setup(one_that_does_not, setup),
		cmocka_unit_test_setup(one_that_somebody_asks_about, setup),
		cmocka_unit_test_setup(the_end_of_the_program_waits_for_none, setup),
		cmocka_unit_test(what_failed_is_tried_ever_more_rarely),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
