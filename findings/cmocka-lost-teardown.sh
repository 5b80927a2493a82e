#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A group teardown that fails is printed, and the program still ends with status 0: a test that checks in its teardown
# that nothing was left behind cannot fail.
# shellcheck source-path=SCRIPTDIR source=machine.bash
source "$(dirname "$0")/machine.bash"
fetch libcmocka-dev=1.1.5-2.1 gcc libc6-dev
cat >"$root/tmp/t.c" <<'END'
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
static void fine(void **state) { (void)state; }
static int left_behind(void **state) { (void)state; return -1; }
int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(fine)};
	return cmocka_run_group_tests(tests, NULL, left_behind);
}
END
inside gcc -o t t.c -lcmocka
status=0
inside ./t >/dev/null 2>&1 || status=$?
finding "another status than 0, as after a failed setup" "exit 0" "exit $status"
