#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The scheduler's benchmark plays its random starts with the program itself, too.
bats_require_minimum_version 1.5.0

setup() {
	cd "$BATS_TEST_DIRNAME" || return
	[ -x ../../lab/sim/run ] || skip "the simulated host is not built: make -C lab/sim"
}

@test "random starts are scenarios, which the program plays and the checker judges" {
	run ./cpu_checked 1 1
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$(grep -cE 'none full +[01] of +[01], some full +[01] of +[01] pass' <<<"$output")" -eq 4 ]
	# Whoever does nothing passes none of those where a pCPU is full.
	printf '#!/bin/sh\nexec sleep 1000\n' >"$BATS_TEST_TMPDIR/idler"
	chmod +x "$BATS_TEST_TMPDIR/idler"
	run ./cpu_checked 1 1 "$BATS_TEST_TMPDIR/idler"
	echo "$output"
	[ "$(grep -c 'some full   1 of' <<<"$output")" -eq 0 ]
}
