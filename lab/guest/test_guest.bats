#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# bats file_tags=real
# exec, copy, load and reset on two real guests.

prefix=bgst

setup_file() {
	export LAB=$BATS_TEST_DIRNAME/../ballast VIRSH_DEFAULT_CONNECT_URI=qemu:///system
	((EUID == 0)) || return 0
	"$LAB" up --guests=2 --vcpus=1 --prefix $prefix --quiet
}

teardown_file() { ((EUID != 0)) || "$LAB" down --prefix $prefix; }

setup() {
	bats_require_minimum_version 1.5.0
	((EUID == 0)) || skip "needs root"
	cd "$BATS_TEST_TMPDIR" || return
}

# Nothing of a command stays in the guest.
left_behind() { "$LAB" exec ${prefix}1 -- sh -c 'ls -d /tmp/ballast.* | wc -l; ps | grep -c "[s]leep 6543"' || true; }

@test "exec keeps streams, status and words as they are" {
	run --separate-stderr -7 "$LAB" exec ${prefix}1 -- sh -c 'echo out; echo err >&2; exit 7'
	[ "$output" = out ]
	# shellcheck disable=SC2154  # bats' own
	[ "$stderr" = err ]
	[ "$("$LAB" exec ${prefix}1 -- printf '[%s]' 'a b' "it's" '$HOME' --help ';' '')" = "[a b][it's][\$HOME][--help][;][]" ]
	run -127 "$LAB" exec ${prefix}1 -- nosuch
	run -137 "$LAB" exec ${prefix}1 -- sh -c 'kill -9 $$'
	head -c 100000 /dev/urandom >blob
	"$LAB" exec --stdin ${prefix}1 -- cat <blob >back
	cmp blob back
	[ "$(left_behind)" = $'1\n0' ] # its own
}

@test "exec passes on what is printed as it comes" {
	mkfifo answer
	"$LAB" exec ${prefix}1 -- sh -c 'echo first; until [ -e /tmp/go ]; do sleep 0.1; done; echo second; rm /tmp/go' 3>&- >answer &
	exec 4<answer
	read -r line <&4
	[ "$line" = first ]
	"$LAB" exec ${prefix}1 -- touch /tmp/go
	read -r line <&4
	[ "$line" = second ]
	wait $!
}

@test "a signal ends exec's command and all that it started" {
	local signal
	for signal in INT TERM; do
		"$LAB" exec ${prefix}1 -- sh -c 'sleep 6543 & echo begun; sleep 6543' 3>&- >out &
		until grep -q begun out; do sleep 0.1; done
		kill -$signal $!
		wait $! && status=0 || status=$?
		[ "$status" -eq $((128 + $(kill -l $signal))) ]
	done
	[ "$(left_behind)" = $'1\n0' ]
	# Nobody listens any more.
	"$LAB" exec ${prefix}1 -- sh -c 'while echo sleep; do :; done' | head -1 >/dev/null
	[ "$(left_behind)" = $'1\n0' ]
}

@test "copy brings files in and out with their permissions, wholly or not at all" {
	head -c 300000 /dev/urandom >'a b'
	chmod 751 'a b'
	"$LAB" copy 'a b' ${prefix}1:/tmp/
	"$LAB" copy "${prefix}1:/tmp/a b" back
	cmp 'a b' back
	[ "$(stat -c %a back)" = 751 ]
	# A signal leaves what was there, and no piece.
	head -c 30000000 /dev/zero >big
	"$LAB" copy big "${prefix}1:/tmp/a b" 3>&- &
	until "$LAB" exec ${prefix}1 -- sh -c 'ls /tmp/*.part*' 2>/dev/null; do kill -0 $!; done
	kill -TERM $!
	wait $! && status=0 || status=$?
	[ "$status" -eq 143 ]
	"$LAB" copy "${prefix}1:/tmp/a b" back
	cmp 'a b' back
	run ! "$LAB" exec ${prefix}1 -- sh -c 'ls /tmp/*.part*'
	run -3 "$LAB" copy ${prefix}1:/nosuch back
	[ "${#lines[@]}" -eq 1 ]
	cmp 'a b' back
}

@test "reset puts pins, memory, quotas and loads back" {
	"$LAB" load ${prefix}1 cpu 40%
	"$LAB" load ${prefix}2 memory 100M
	[[ $("$LAB" load) == *"${prefix}1 "*cpu*"asked 40%"* ]]
	[ "$("$LAB" load --json ${prefix}2 | python3 -c 'import json, sys; print(json.load(sys.stdin)["'${prefix}2'"][0]["asked_kib"])')" -eq 102400 ]
	virsh -q vcpupin ${prefix}1 0 0
	virsh -q schedinfo ${prefix}1 vcpu_quota=50000 >/dev/null
	virsh -q setmem ${prefix}2 700M
	virsh -q suspend ${prefix}2
	virsh -q resume ${prefix}2
	"$LAB" reset --prefix=$prefix
	[[ $("$LAB" load ${prefix}1 ${prefix}2 2>&1 || "$LAB" load) != *asked* ]]
	[ "$(virsh -q vcpupin ${prefix}1 | awk '{ print $2 }')" = "$(virsh -q vcpupin ${prefix}2 | awk '{ print $2 }')" ]
	[ "$(virsh dommemstat ${prefix}2 | awk '/^actual/ { print $2 }')" -eq $((512 * 1024)) ]
	[[ $(virsh schedinfo ${prefix}1) =~ vcpu_quota\ *:\ -1 ]]
}

@test "top sees a real guest's pins, agent and moves" {
	run -0 "$LAB" top --once --prefix $prefix
	echo "$output"
	[[ $output =~ "1 ${prefix}1 "[^$'\n']*" 512M "[^$'\n']*" 2048M up" ]]
	"$LAB" top --prefix $prefix --count 60 --interval 0.2 3>&- >out &
	until [ "$(grep -c '^ballast top' out)" -ge 3 ]; do sleep 0.1; done
	virsh -q vcpupin ${prefix}1 0 0
	until grep -q "moves 1: ${prefix}1" out; do kill -0 $!; done
	kill -INT $!
	wait $! && status=0 || status=$?
	[ "$status" -eq 130 ]
}

@test "guests that are not there, not the lab's, and bad words are refused in one line" {
	local words
	for words in "exec nosuch -- true" "exec" "exec ${prefix}1" "copy a" "copy a b" "copy nosuch:/x b" "copy ${prefix}1:x b" \
		"load ${prefix}1 cpu 30x" "load --all" "console" "console nosuch" "reset --prefix=nosuch" "reset x"; do
		# shellcheck disable=SC2086  # words
		run "$LAB" $words
		echo "$words: $status $output"
		[ "$status" -eq 2 ]
		[ "${#lines[@]}" -eq 1 ]
	done
}
