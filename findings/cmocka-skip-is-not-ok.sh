#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# cmocka's skip() prints "not ok N # SKIP" in its TAP output. The directive SKIP belongs to "ok": a reader that takes the
# first word counts a skipped test as a failed one, while cmocka itself ends with status 0.
# shellcheck source-path=SCRIPTDIR source=machine.bash
source "$(dirname "$0")/machine.bash"
fetch libcmocka-dev=1.1.5-2.1 gcc libc6-dev
cat >"$root/tmp/t.c" <<'END'
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
static void elsewhere(void **state) { (void)state; skip(); }
int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(elsewhere)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
END
inside gcc -o t t.c -lcmocka
seen=$(inside env CMOCKA_MESSAGE_OUTPUT=TAP ./t 2>/dev/null | grep -o '.*ok 1.*')
finding "ok 1 # SKIP" "not ok 1 # SKIP elsewhere" "$seen"
