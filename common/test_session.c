/* SPDX-License-Identifier: MIT */
/* Sessions on libvirt's own test driver: they open, wait no longer than asked, wake, and leak
 * nothing. */
#include "session.h"
#include "tick.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct session session;

static int init(void **state)
{
	(void)state;
	return session_init(&session, "test:///default");
}

static void test_unreachable(void **state)
{
	(void)state;
	/* What libvirt says of an unknown driver depends on whether a libvirtd runs here. */
	session.uri = "qemu+unix:///system?socket=/nonsense";
	assert_int_equal(session_open(&session), -1);
	assert_non_null(strstr(session_error(&session), "nonsense"));
	assert_false(session_ready(&session));
	assert_true(session.retry_s > tick_now_s() - 1); /* the next try waits for the back-off */
	session.uri = "test:///default";
}

static int opens;

static void count_open(virConnectPtr conn, void *opaque)
{
	(void)opaque;
	assert_non_null(conn);
	opens++;
}

static void test_lost_and_found(void **state)
{
	(void)state;
	session.on_open = count_open;
	assert_int_equal(session_open(&session), 0);
	assert_true(session_ready(&session));
	session.lost = true;
	assert_true(session_ready(&session)); /* the first retry is at once */
	assert_int_equal(opens, 2);
}

static void wake(int timer, void *opaque)
{
	(void)timer;
	session_wake(opaque);
}

static void test_wait(void **state)
{
	double start_s = tick_now_s();
	int timer;

	(void)state;
	session_wait(&session, start_s + 0.05);
	assert_true(tick_now_s() >= start_s + 0.05);
	/* An event ends the wait long before its deadline. */
	timer = virEventAddTimeout(10, wake, &session, NULL);
	session_wait(&session, tick_now_s() + 3600);
	virEventRemoveTimeout(timer);
	/* So does a signal, also one that came before the wait. */
	raise(SIGTERM);
	session_wait(&session, tick_now_s() + 3600);
	assert_int_equal(tick_quit, SIGTERM);
	session_close(&session);
	assert_null(session.conn);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unreachable),
		cmocka_unit_test(test_lost_and_found),
		cmocka_unit_test(test_wait),
	};

	return cmocka_run_group_tests(tests, init, NULL);
}
