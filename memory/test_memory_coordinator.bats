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
	run --separate-stderr ./memory_coordinator "$@"
	[ "$status" -eq 2 ]
	[ -z "$output" ]
	# shellcheck disable=SC2154 # by run --separate-stderr
	[ "${#stderr_lines[@]}" -eq 1 ]
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
	refused "--reserve 0" --reserve 0 2
	refused "--reserve x" --reserve x 2
	refused "--floor -1M" --floor -1M 2
	refused "--budget 9999999T: must be a size such as 300M, from 1M to 65536T" --budget 9999999T 2
	refused "--release-share 0" --release-share 0 2
	refused "--release-share 101%" --release-share 101% 2
	for weight in x x= =1 x=0 x=-1 x=1001 x=1.5; do
		refused "--weight $weight" --weight $weight 2
	done
	refused "--host-reserve" --host-reserve 900T -c test:///default 2
	refused "--once=3" --once=3 2
	refused "only one of them" --explain --json
	refused "--restore-on-exit" --dry-run --restore-on-exit 2
	refused "--budget 1M: not even one guest's floor of 200M" --budget 1M 2
	refused "--reserve 900T: the host has" --reserve 900T -c test:///default 2
}

@test "an unreachable hypervisor is named" {
	refused "qemu+tcp://127.0.0.1:1/system" -c qemu+tcp://127.0.0.1:1/system 1
}

@test "help and version" {
	run ./memory_coordinator --help
	[ "$status" -eq 0 ]
	[[ "$output" == Usage:* ]]
	run ./memory_coordinator --version
	[ "$status" -eq 0 ]
}

@test "the test driver's guest is seen, and SIGTERM ends it with status 0" {
	./memory_coordinator -c test:///default 0.1 >"$BATS_TEST_TMPDIR/out" &
	local pid=$!
	until grep -q tick=3 "$BATS_TEST_TMPDIR/out"; do kill -0 "$pid"; sleep 0.05; done
	kill -TERM "$pid"
	wait "$pid"
	grep -q 'guests=1' "$BATS_TEST_TMPDIR/out"
}

# A host of libvirt's test driver with one guest whose settings are that.
host_with() {
	cat >"$BATS_TEST_TMPDIR/host.xml" <<-END
		<node><domain type='test'>
			<name>one</name><uuid>00000000-0000-0000-0000-000000000001</uuid>
			<metadata><p:policy xmlns:p='urn:ballast:policy:1' $1/></metadata>
			<memory>1048576</memory><os><type>hvm</type></os>
		</domain></node>
	END
	echo "test://$BATS_TEST_TMPDIR/host.xml"
}

@test "--exit-when-empty: only guests that are managed count" {
	uri=$(host_with "manage='no'")
	run -0 timeout 10 ./memory_coordinator -c "$uri" --exit-when-empty 0.1
	[[ "$output" == *"guests=1"* ]]
	uri=$(host_with "manage='yes'")
	run -0 timeout 10 ./memory_coordinator -c "$uri" --exit-when-empty --guests 'other*' 0.1
	run -124 timeout 1 ./memory_coordinator -c "$uri" --exit-when-empty 0.1
}

@test "--once decides once" {
	run ./memory_coordinator -c test:///default --once 1
	[ "$status" -eq 0 ]
	[ "${#lines[@]}" -eq 1 ]
}

@test "--once needs no interval" {
	run ./memory_coordinator -c test:///default -1
	[ "$status" -eq 0 ]
	[ "${#lines[@]}" -eq 1 ]
	refused "one argument only" -1 2 3
}

@test "a second instance on the host is refused" {
	./memory_coordinator -c test:///default 0.1 >"$BATS_TEST_TMPDIR/out" &
	local pid=$!
	until grep -q tick= "$BATS_TEST_TMPDIR/out"; do kill -0 "$pid"; sleep 0.05; done
	run ./memory_coordinator -c test:///default 1
	[ "$status" -eq 1 ]
	[[ "$output" == *"another memory_coordinator"* ]]
	run ./memory_coordinator -c test:///default --explain
	[ "$status" -eq 0 ]
	kill -TERM "$pid"
	wait "$pid"
	[ ! -e "$BATS_TEST_TMPDIR/memory_coordinator.state" ]
}

@test "a state file that cannot be used is set aside, and the run starts anew" {
	local state=$BATS_TEST_TMPDIR/memory_coordinator.state text
	for text in '' '{' '[]' '{"version":1,"guests":[{}]}' '{"version":9,"guests":[]}' \
		'{"version":1,"uri":"qemu:///system","guests":[]}'; do
		printf '%s' "$text" >"$state"
		run --separate-stderr ./memory_coordinator -c test:///default --once 1
		[ "$status" -eq 0 ]
		[ "${#stderr_lines[@]}" -eq 1 ]
		[[ "$stderr" == *"$state"*"set aside as $state.set-aside, starting anew" ]]
		[ "$(cat "$state.set-aside")" = "$text" ]
	done
}

@test "a log that cannot be written is told once" {
	./memory_coordinator -c test:///default --once --json 0.1 >/dev/full 2>"$BATS_TEST_TMPDIR/err"
	[ "$(cat "$BATS_TEST_TMPDIR/err")" = "memory_coordinator: standard output: No space left on device; reports are lost" ]
}

@test "metrics that cannot be written and logs that are none are refused in one line" {
	refused "--metrics /nowhere/file" --metrics /nowhere/file -c test:///default 1
	refused "/nowhere/log" --replay /nowhere/log
	: >"$BATS_TEST_TMPDIR/log"
	refused "no tick to replay" --replay "$BATS_TEST_TMPDIR/log"
	echo '{"type":"tick"}' >"$BATS_TEST_TMPDIR/log"
	refused "log:1: a tick before any policy" --replay "$BATS_TEST_TMPDIR/log"
	echo 'x' >"$BATS_TEST_TMPDIR/log"
	refused "log:1" --replay "$BATS_TEST_TMPDIR/log"
}

@test "a run that was killed leaves a state that the next one takes on, and no lock" {
	./memory_coordinator -c test:///default 0.1 >"$BATS_TEST_TMPDIR/out" &
	local pid=$!
	until [ -s "$BATS_TEST_TMPDIR/memory_coordinator.state" ]; do kill -0 "$pid"; sleep 0.05; done
	kill -KILL "$pid"
	wait "$pid" || true
	[ -s "$BATS_TEST_TMPDIR/memory_coordinator.state" ]
	run --separate-stderr ./memory_coordinator -c test:///default --once 1
	[ "$status" -eq 0 ]
	[ -z "$stderr" ]
	[ ! -e "$BATS_TEST_TMPDIR/memory_coordinator.state" ]
}
