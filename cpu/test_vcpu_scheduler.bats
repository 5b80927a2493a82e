#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The program itself, as far as it goes without guests: usage, and libvirt's in-process test driver.

bats_require_minimum_version 1.5.0
setup() {
	cd "$BATS_TEST_DIRNAME"
	export RUNTIME_DIRECTORY="$BATS_TEST_TMPDIR"
}

refused() { # one line on stderr that holds the first argument, exit 2
	local text=$1
	shift
	run --separate-stderr ./vcpu_scheduler "$@"
	[ "$status" -eq 2 ]
	[ -z "$output" ]
	[ "${#stderr_lines[@]}" -eq 1 ]
	[[ "$stderr" == *"$text"* ]]
}

@test "bad intervals are refused in one line" {
	for interval in 0 0.01 nan inf 1e9 99999999999999999999 abc 2s ""; do
		refused "interval must be a number" -- "$interval"
	done
	refused "-2: the interval" -2
	refused "interval is missing"
	refused "one argument only" 2 3
}

@test "bad options are refused in one line" {
	refused "--foo" --foo 2
	refused "--guests" 2 --guests
	refused "--threshold 0" --threshold 0 2
	refused "--threshold 101" --threshold 101 2
	refused "--cost -1" --cost -1 2
	refused "--pcpus 3-1" --pcpus 3-1 2
	refused "--pcpus" --pcpus "" 2
}

@test "an unreachable hypervisor is named" {
	refused "qemu+tcp://127.0.0.1:1/system" -c qemu+tcp://127.0.0.1:1/system 1
}

@test "help and version" {
	run ./vcpu_scheduler --help
	[ "$status" -eq 0 ]
	[[ "$output" == Usage:* ]]
	run ./vcpu_scheduler --version
	[ "$status" -eq 0 ]
}

@test "the test driver's guest is seen, and SIGTERM ends it with status 0" {
	./vcpu_scheduler -c test:///default 0.1 >"$BATS_TEST_TMPDIR/out" &
	local pid=$!
	until grep -q tick=3 "$BATS_TEST_TMPDIR/out"; do sleep 0.05; done
	kill -TERM "$pid"
	wait "$pid"
	grep -q 'guests=1' "$BATS_TEST_TMPDIR/out"
}
