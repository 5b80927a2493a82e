#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# skip in setup_file is no skip of the file: bats calls the file failed, so tests that cannot run on a machine have to skip
# one by one.
# shellcheck source-path=SCRIPTDIR source=machine.bash
source "$(dirname "$0")/machine.bash"
fetch bats=1.8.2-1
printf 'setup_file() { skip "not on this machine"; }\n@test "one" { true; }\n' >"$root/tmp/t.bats"
status=0
inside bats --tap t.bats >"$root/tmp/log" 2>&1 || status=$?
finding "exit 0 and a skipped test" "exit 1, not ok 1 setup_file failed" \
	"exit $status, $(grep -o '^not ok.*' "$root/tmp/log" | head -n 1)"
