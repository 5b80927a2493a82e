#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The program itself, as far as it goes without guests: usage, and libvirt's in-process test driver.

bats_require_minimum_version 1.5.0
setup() {
	cd "$BATS_TEST_DIRNAME" || return
	export RUNTIME_DIRECTORY="$BATS_TEST_TMPDIR"
}

refused() { # one line on stderr that holds the first argument, exit 2
	local text=$1
	shift
	run --separate-stderr ./vcpu_scheduler "$@"
	[ "$status" -eq 2 ]
	[ -z "$output" ]
	# shellcheck disable=SC2154 # set by run
	[ "${#stderr_lines[@]}" -eq 1 ]
	# shellcheck disable=SC2154 # set by run
	[[ "$stderr" == *"$text"* ]]
}

@test "bad intervals are refused in one line" {
	for interval in 0 0.01 nan inf 1e9 99999999999999999999 abc 2s ""; do
		refused "interval must be a number" -- "$interval"
	done
	refused "-2: the interval" -2
	refused "with a point and no comma" 1,5
	refused "interval is missing"
	refused "one argument only" 2 3
}

@test "bad options are refused in one line" {
	refused "--foo" --foo 2
	refused "--guests" 2 --guests
	refused "--guests ''" --guests "" 2
	refused "--threshold 0" --threshold 0 2
	refused "--threshold 101" --threshold 101 2
	refused "--cost -1" --cost -1 2
	refused "--pcpus 3-1" --pcpus 3-1 2
	refused "--pcpus" --pcpus "" 2
	refused "this host has pCPUs 0-7 only" -c test:///default --pcpus 0-99 2
	refused "--restore-on-exit" --dry-run --restore-on-exit 2
	refused "--restore-on-exit" --explain --restore-on-exit
	refused "--restore-on-exit" --once --restore-on-exit
	refused "--restore cannot" --dry-run --restore
	refused "only one of" --explain --restore
	refused "only one of them" --explain --json
	refused "--json=yes: no such option, or one that takes no argument" --json=yes 2
}

@test "files that cannot be read or written are named in one line" {
	refused "/nowhere/metrics" --metrics /nowhere/metrics -c test:///default 2
	refused "/nowhere/log" --replay /nowhere/log
	: >"$BATS_TEST_TMPDIR/empty"
	refused "no tick" --replay "$BATS_TEST_TMPDIR/empty"
	RUNTIME_DIRECTORY=/nowhere/run refused "/nowhere/run" -c test:///default 2
}

@test "a state file that cannot be used is set aside, and the run starts anew" {
	local state=$BATS_TEST_TMPDIR/vcpu_scheduler.state text
	for text in '' '{' '[]' '{"version":1,"vcpus":[{"uuid":"what"}]}' '{"version":9,"vcpus":[]}'; do
		printf '%s' "$text" >"$state"
		run --separate-stderr ./vcpu_scheduler -c test:///default --once --dry-run 0.1
		[ "$status" -eq 0 ]
		[ "$(cat "$state")" = "$text" ] # who only looks moves nothing
		run --separate-stderr ./vcpu_scheduler -c test:///default --once 0.1
		[ "$status" -eq 0 ]
		[ "${#stderr_lines[@]}" -eq 1 ]
		[[ "$stderr" == *"$state"*"set aside as $state.set-aside, starting anew" ]]
		[ "$(cat "$state.set-aside")" = "$text" ]
	done
}

@test "--once needs no interval" {
	run ./vcpu_scheduler -c test:///default -1
	[ "$status" -eq 0 ]
	[ "$(grep -c '^tick=' <<<"$output")" -eq 2 ] # the first has nothing to compare with
	refused "one argument only" -1 2 3
}

@test "one instance per host; what only looks may run beside it" {
	./vcpu_scheduler -c test:///default 0.1 >"$BATS_TEST_TMPDIR/out" &
	local pid=$!
	until grep -q tick=0 "$BATS_TEST_TMPDIR/out"; do kill -0 "$pid"; sleep 0.05; done
	run ./vcpu_scheduler -c test:///default --once 0.1
	[ "$status" -eq 1 ]
	[[ "$output" == *"another vcpu_scheduler runs"* ]]
	run ./vcpu_scheduler -c test:///default --once --dry-run 0.1
	[ "$status" -eq 0 ]
	kill -TERM "$pid"
	wait "$pid"
}

@test "--metrics is Prometheus' text format, --explain a table, --restore without a state has nothing to do" {
	./vcpu_scheduler -c test:///default --once --metrics "$BATS_TEST_TMPDIR/m" 0.1
	grep -qx 'vcpu_scheduler_ticks_total 2' "$BATS_TEST_TMPDIR/m"
	# Every line is a comment or a name, perhaps with labels, and a number.
	[ "$(grep -cvE '^(#.*|[a-z_]+(\{[a-z]+="[0-9]+"\})? -?[0-9.e+-]+)$' "$BATS_TEST_TMPDIR/m")" -eq 0 ]
	RUNTIME_DIRECTORY=$BATS_TEST_TMPDIR/none run ./vcpu_scheduler -c test:///default --explain
	[ "$status" -eq 0 ]
	[ ! -e "$BATS_TEST_TMPDIR/none" ]
	[[ "$output" == *"guest"*"pCPU"* ]]
	run ./vcpu_scheduler -c test:///default --restore
	[ "$status" -eq 0 ]
	[ "$output" = "restored=0 gone=0 failed=0" ]
}

@test "a log that cannot be written is said once" {
	./vcpu_scheduler -c test:///default --once --json 0.1 >/dev/full 2>"$BATS_TEST_TMPDIR/err"
	[ "$(cat "$BATS_TEST_TMPDIR/err")" = "vcpu_scheduler: standard output: No space left on device; reports are lost" ]
}

@test "an unreachable hypervisor is named" {
	refused "nosuch:///x" -c nosuch:///x 1
	[[ "$stderr" != *libvirtd* ]]
	refused "is libvirtd running?" -c "qemu+unix:///system?socket=/nowhere/sock" 1
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
	until grep -q tick=3 "$BATS_TEST_TMPDIR/out"; do kill -0 "$pid"; sleep 0.05; done
	kill -TERM "$pid"
	wait "$pid"
	grep -q 'guests=1' "$BATS_TEST_TMPDIR/out"
}
