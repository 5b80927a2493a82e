#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The gate between clients, decent and hostile, and the real libvirtd. Its guests are defined and never started.

bats_require_minimum_version 1.5.0

# define NAME [TAG]
define() {
	virsh -q define /dev/stdin <<-END >&2
		<domain type='qemu'><name>$1</name>${2-}<memory>65536</memory><vcpu>1</vcpu>
		<os><type arch='x86_64'>hvm</type></os><devices/></domain>
	END
}

setup_file() {
	[[ $EUID == 0 ]] || skip "needs root"
	export LIBVIRT_DEFAULT_URI=qemu:///system here=$BATS_TEST_DIRNAME prefix=blt_gate
	local tag="<metadata><b:guest xmlns:b='urn:ballast:lab:1'/></metadata>"
	undefine
	define "${prefix}1" "$tag"
	define "${prefix}2"
	define blt_other_gate1 "$tag"
}

undefine() {
	local name
	for name in "${prefix}1" "${prefix}2" blt_other_gate1; do
		virsh -q undefine "$name" >/dev/null 2>&1 || true
	done
}

teardown_file() { undefine; }

setup() {
	folder=$BATS_TEST_TMPDIR trace=$BATS_TEST_TMPDIR/trace
	start_gate
}

teardown() { stop_gate; }

# start_gate [OPTION]…
start_gate() {
	: >"$trace"
	coproc GATE { exec "$here/build/gate" --listen "$folder" --prefix "$prefix" --trace "$trace" --epoch-ns - "$@" 2>"$folder/err"; }
	gate=$GATE_PID
	read -r ready <&"${GATE[0]}"
	[[ $ready == ready ]]
	echo 0 >&"${GATE[1]}"
}

stop_gate() {
	[[ -n ${gate-} ]] || return 0
	kill "$gate"
	wait "$gate"
	gate=
	[[ ! -e $folder/libvirt-sock ]]
}

client() { /usr/bin/python3 "$here/test_gate.py" "$1" "$folder" "${@:2}"; }

# calls EXPRESSION: the guests of those calls in the trace for which it holds; $_ is the call.
calls() {
	perl -MJSON::PP -ne 'BEGIN { $want = shift } $_ = decode_json($_); print $_->{guest} // "-", "\n"
		if $_->{event} eq "call" and eval $want' "$1" "$trace"
}

# called PROCEDURE OUTCOME
called() { calls "\$_->{function} eq '$1' and \$_->{outcome} eq '$2'"; }

@test "gate: whoever reads is answered, about the run's guests and others'" {
	client reads "${prefix}1" "${prefix}2"
	[[ -z $(cat "$folder/err") ]]
	[[ $(called virDomainGetInfo "done" | uniq) == "${prefix}1"$'\n'"${prefix}2" ]]
	[[ -z $(calls '!($_->{duration_s} >= 0 and $_->{duration_s} < $_->{t_s})') ]]
}

@test "gate: only the run's guests can be steered, and what is refused is in the trace" {
	client steers "${prefix}1" "${prefix}2" blt_other_gate1
	[[ $(called virDomainPinVcpuFlags "done") == "${prefix}1" ]]
	[[ $(called virDomainPinVcpuFlags refused | sort | uniq -c | xargs) == "3 ${prefix}2 3 blt_other_gate1" ]]
	[[ $(called virDomainDestroy refused) == "${prefix}1" ]]
	[[ $(virsh -q vcpupin blt_other_gate1 0 | xargs) == "0 0-"* ]]
}

@test "gate: guests that nobody knows get libvirtd's error, QEMU's monitor and agent ours" {
	client unknown_guest
}

@test "gate: nonsense ends its own connection with one line each" {
	client nonsense
	(($(grep -c 'its connection ends' "$folder/err") >= 17))
	[[ $(grep -vc 'its connection ends' "$folder/err") == 0 ]]
}

@test "gate: clients that flood and never read" { client flood "$gate"; }
@test "gate: pipelined calls" { client pipelined; }
@test "gate: 16 connections" { client sixteen; }
@test "gate: events and keepalive" { client events "${prefix}1"; }

@test "gate: a libvirtd that goes and comes back" {
	local far=$BATS_TEST_TMPDIR/far
	mkdir "$far"
	stop_gate
	start_gate --daemon "$far"
	client gone
	"$here/build/gate" --listen "$far" --prefix "$prefix" >"$folder/far.out" & # in libvirtd's place
	local first=$!
	until [[ -s $folder/far.out ]]; do sleep 0.05; done
	client lost "$folder/now" "$folder/back" &
	local lost=$!
	until [[ -e $folder/now ]]; do sleep 0.05; done
	kill "$first"
	wait "$first"
	"$here/build/gate" --listen "$far" --prefix "$prefix" >"$folder/far2.out" &
	local second=$!
	until [[ -s $folder/far2.out ]]; do sleep 0.05; done
	touch "$folder/back"
	wait "$lost"
	kill "$second"
	wait "$second"
}

@test "gate: ends when its starter does" {
	local starter=${GATE[1]}
	exec {starter}>&-
	wait "$gate"
	gate=
	[[ ! -e $folder/libvirt-sock ]]
}

@test "enter: a program sees the gate as its only libvirt and cannot look behind it" {
	run -0 "$here/build/enter" "$folder" virsh -c qemu:///system -q list --all --name
	[[ $output == *"${prefix}1"* ]]
	[[ -n $(called virConnectListAllDomains "done") ]]
	run -0 "$here/build/enter" "$folder" bash -c '
		for way in "umount /run/libvirt" "mount -t tmpfs x /mnt" "nsenter -t 1 -m true" "unshare -m true" \
			"ls /proc/1/root/run/libvirt" "ls /proc/1/cwd/"; do
			$way 2>/dev/null && echo "open: $way"
		done; true'
	[[ $output == "" ]]
	run -3 "$here/build/enter" "$folder" ./no-such-program
	run -2 "$here/build/enter"
}

@test "gate: bad usage" {
	run -2 "$here/build/gate"
	run -2 "$here/build/gate" --listen "$folder" --prefix ''
	run -2 "$here/build/gate" --listen "$folder" --epoch-ns x
	run -3 "$here/build/gate" --listen /nonexistent
	run -3 "$here/build/gate" --listen "$(printf '/%0200d' 0)"
}
