#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Loads and the conductor on two real guests, with programs under test that behave and that do not.

# shellcheck disable=SC2016  # what is in single quotes is Perl
bats_require_minimum_version 1.5.0

setup_file() {
	export prefix=${BALLAST_PREFIX:-blt_rec}
	export lab=$BATS_TEST_DIRNAME/.. root=$BATS_TEST_DIRNAME/../..
	[[ $EUID == 0 ]] || skip "needs root"
	make -s -C "$lab" build/conductor
	make -s -C "$root/workloads"
	"$lab/ballast" up --guests 2 --vcpus 1 --memory 512M --maximum 1024M --prefix "$prefix"
	everywhere=$(virsh -q vcpupin "${prefix}2" 0 | awk '{ print $2 }')
	export everywhere short=$BATS_FILE_TMPDIR/short.scenario loaded=$BATS_FILE_TMPDIR/loaded.scenario
	cat >"$short" <<-'END'
		[scenario]
		kind = cpu
		length = 2s
		sample = 0.5s
		[guests]
		count = 2
	END
	cat >"$loaded" <<-'END'
		[scenario]
		kind = memory
		length = 8s
		sample = 1s
		[guests]
		count = 2
		memory = 448M
		maximum = 1024M
		pins = all-on-one
		[timeline]
		1 = 1s memory 64M 32M/s, 5s memory 16M
		2 = 1s cpu 30%, 3s pin all, 5s idle
	END
}

teardown_file() {
	"$lab/ballast" down --prefix "$prefix"
}

setup() {
	trace=$BATS_TEST_TMPDIR/trace
	program=$BATS_TEST_TMPDIR/program
}

# A program under test from standard input.
program() {
	{
		echo '#!/bin/bash'
		cat
	} >"$program"
	chmod +x "$program"
}

conductor() {
	"$lab/build/conductor" -s "$1" -t "$trace" -p "$prefix" "${@:2}"
}

inject() {
	"$root/workloads/build/inject" "$@"
}

# query PERL: runs it over the trace; @all holds its lines, of([FIELD => VALUE]…) those that match.
query() {
	perl -MJSON::PP -e '
		our @all = map { decode_json($_) } <STDIN>;
		sub of { my %w = @_; grep { my $l = $_; !grep { ($l->{$_} // "") ne $w{$_} } keys %w } @all }
		my $ok = eval $ARGV[0]; die $@ if $@;
		print STDERR "not true: $ARGV[0]\n" unless $ok; exit !$ok' "$1" <"$trace"
}

@test "inject: a load is started, replaced, asked after and ended; it reports what it attained" {
	run -0 inject start "${prefix}1" 'cpu 20%'
	run -0 inject start "${prefix}1" 'cpu 10%'
	[[ $output == *"asked 20%"* ]]
	run -0 inject start "${prefix}1" 'memory 32M 64M/s'
	run -0 inject start "${prefix}2" 'stress cpu-light'
	run -0 inject status "${prefix}1" "${prefix}2"
	echo "$output"
	[[ $output == *"${prefix}1"*cpu*running*"asked 10%"* ]]
	[[ $output == *"${prefix}1"*memory*"asked 32M"* ]]
	[[ $output == *"${prefix}2"*stress*running* ]]
	run -0 inject stop "${prefix}1" "${prefix}2"
	run -0 inject status "${prefix}1" "${prefix}2"
	[[ ${lines[0]} == *idle && ${lines[1]} == *idle && ${#lines[@]} == 2 ]]
}

# in_guest GUEST COMMAND: lets its shell run something.
in_guest() {
	virsh -q qemu-agent-command "$1" '{"execute": "guest-exec", "arguments":
		{"path": "/bin/sh", "arg": ["-c", "'"$2"'"]}}' >/dev/null
}

# until_ok COMMAND…: tries until it works, for half a minute.
until_ok() {
	for ((i = 0; i < 60; i++)); do
		! "$@" || return 0
		sleep 0.5
	done
	return 1
}

@test "inject: a guest without the loads, or with others, gets them; a mute agent holds up nobody" {
	in_guest "${prefix}1" 'rm -rf /usr/local/lib/ballast'
	in_guest "${prefix}2" 'echo other >/usr/local/lib/ballast/DIGEST'
	sleep 0.5
	run -0 inject start "${prefix}1" 'cpu 5%'
	run -0 inject start "${prefix}2" 'cpu 5%'
	in_guest "${prefix}1" 'kill -STOP $(pidof qemu-ga); sleep 5; kill -CONT $(pidof qemu-ga)'
	sleep 0.5
	run -3 inject status "${prefix}1" "${prefix}2"
	[[ ${lines[0]} == "${prefix}1"*"does not answer"* ]]
	[[ ${lines[1]} == "${prefix}2"*"asked 5%"* ]]
	until_ok inject stop "${prefix}1" "${prefix}2"
}

@test "inject: bad input is one line and exit 2; a guest that is not the lab's is left alone" {
	for load in 'cpu 101%' 'dance' 'start' 'memory lots'; do
		run -2 inject start "${prefix}1" "$load"
		[[ ${#lines[@]} == 1 ]]
	done
	run -2 inject start "${prefix}nobody" 'cpu 1%'
	[[ ${#lines[@]} == 1 && $output == *"there is no guest"* ]]
	run -2 inject stop
	run -3 inject -c qemu+unix:///system?socket=/nowhere status
	[[ ${#lines[@]} == 1 ]]
	run -3 inject start "${prefix}1" 'stress nonsense'
	[[ $output == *"no stress profile nonsense; there are: cpu-heavy cpu-light vm-keep"* ]]
	cat >"$BATS_TEST_TMPDIR/foreign.xml" <<-END
		<domain type='qemu'><name>${prefix}foreign</name><memory unit='MiB'>16</memory>
		<os><type arch='x86_64'>hvm</type></os></domain>
	END
	virsh -q define "$BATS_TEST_TMPDIR/foreign.xml"
	run inject start "${prefix}foreign" 'cpu 1%'
	virsh -q undefine "${prefix}foreign"
	[[ $status == 2 && $output == *"not the lab's"* ]]
}

@test "conductor: initial state, timeline, pins by their author, reports; and back" {
	first=$(cut -d- -f1 /sys/devices/system/cpu/online | cut -d, -f1)
	program <<-END
		echo begun; echo wrong >&2
		sleep 2
		virsh -q vcpupin ${prefix}1 0 \$(cat /sys/devices/system/cpu/online)
		virsh -q schedinfo ${prefix}2 --live --set vcpu_quota=90000 >/dev/null || echo no quotas here
		virsh -q schedinfo ${prefix}2 --live --set cpu_shares=512 >/dev/null || echo no shares here
		virsh -q suspend ${prefix}2
		trap 'echo told to end; exit 0' TERM
		while :; do sleep 0.1; done
	END
	# Somebody else does what the program may not.
	{
		until grep -qs '"line":"begun"' "$trace"; do sleep 0.1; done
		virsh -q suspend "${prefix}1"
		virsh -q resume "${prefix}1"
	} 3>&- &
	run -0 conductor "$loaded" -- "$program"
	wait $!
	cat "$trace" >&2
	query '$all[0]{type} eq "header" && @{$all[0]{guests}} == 2 && $all[-1]{event} eq "end"'
	query 'of(type => "sample") == 8'
	query 'my ($s) = of(type => "sample"); $s->{guests}[1]{vcpus}[0]{affinity} eq "'"$first"'"'
	query 'my ($s) = of(type => "sample"); abs($s->{guests}[0]{memory}{actual_kib} - 448 * 1024) <= 1024'
	query 'my @s = of(type => "sample"); !grep { @{$_->{guests}} != 2 || !@{$_->{pcpus}} } @s'
	query 'of(event => "program_output", stream => "stdout", line => "begun") == 1'
	query 'of(event => "program_output", stream => "stderr", line => "wrong") == 1'
	query 'my ($e) = of(event => "program_exit"); $e->{status} == 0 && $e->{asked}'
	query 'of(event => "pin", by => "program") == 1 && of(event => "pin", by => "scenario") == 1'
	query 'of(event => "call", function => "virDomainSuspend", outcome => "refused") == 1'
	query 'of(event => "guest", state => "paused") == 1 && of(event => "guest", state => "resumed") == 1'
	query 'of(event => "limit", guest => "'"${prefix}2"'", value => 90000) == 1 || of(line => "no quotas here")'
	query 'of(event => "limit", guest => "'"${prefix}2"'", what => "cpu_shares", value => 512) == 1 || of(line => "no shares here")'
	run virsh -q schedinfo "${prefix}2"
	[[ $output != *90000* && $output != *512* ]]
	query 'of(event => "load") == 5 && !grep { $_->{skew_s} < 0 } of(event => "load")'
	query 'my ($r) = of(event => "load_report", phase => "memory 64M 32M/s"); $r->{attained_kib} == 65536'
	query 'my ($r) = of(event => "load_report", phase => "cpu 30%");
		abs($r->{attained_pct} + $r->{given_up_pct} - 30) < 4 && $r->{host_pct} > $r->{attained_pct} - 5'
	query 'my @i = of(event => "inside", guest => "'"${prefix}1"'");
		@i >= 6 && (grep { $_->{load_kib} == 65536 } @i) && $i[-1]{load_kib} == 16384'
	query 'my ($r) = of(event => "recorder"); defined $r->{cpu_pct}'
	[[ $(virsh -q vcpupin "${prefix}2" 0 | awk '{ print $2 }') != "$first" || $(nproc) == 1 ]]
}

@test "conductor: guests are steered through the gate, and the calls are in the trace" {
	program <<-END
		export LIBVIRT_DEFAULT_URI=qemu:///system
		virsh -q vcpupin ${prefix}1 0 0
		virsh -q setmem ${prefix}1 480M --live
		virsh -q destroy ${prefix}2
	END
	run -0 conductor "$short" --as-is -- "$program"
	query 'my ($r) = grep { $_->{function} =~ /^virDomainPinVcpu/ } of(event => "call");
		$r->{outcome} eq "done" and $r->{guest} eq $ENV{prefix} . "1" and $r->{t_s} > 0'
	query 'my ($r) = of(event => "pin"); $r->{by} eq "program" and $r->{affinity} eq "0"'
	query 'my ($r) = of(event => "call", function => "virDomainDestroy"); $r->{outcome} eq "refused"'
	[[ $(virsh -q domstate "${prefix}2") == running ]]
}

@test "conductor: a program that prints without end, ignores SIGTERM and leaves processes behind" {
	program <<-END
		trap '' TERM
		setsid sleep 1000.$$ &
		while :; do echo "this is printed again and again"; done
	END
	run -0 conductor "$short" --as-is -- "$program"
	[[ $(stat -c %s "$trace") -lt 8000000 ]]
	query 'grep { $_->{text} =~ /output is cut/ } of(event => "warning")'
	query 'my ($e) = of(event => "program_exit"); $e->{signal} == 9 && $e->{asked}'
	query '$all[-1]{event} eq "end"'
	query 'my @s = of(type => "sample"); $s[-1]{program}{cpu_pct} > 0'
	run -1 pgrep -f "sleep 1000.$$"
}

@test "conductor: a program that crashes or ends early; bytes that are not UTF-8; long lines" {
	program <<-'END'
		printf 'latin \344\n'
		printf 'long %0200000d\n' 7
		kill -SEGV $$
	END
	run -0 conductor "$short" --as-is -- "$program"
	query 'my ($e) = of(event => "program_exit"); $e->{signal} == 11 && !$e->{asked} && $e->{t_s} < 2'
	query 'of(event => "program_output", line => "latin ?") == 1'
	query 'grep { ($_->{line} // "") eq "long " . "0" x 199999 . "7" } @all'
	query 'my @s = of(type => "sample"); !$s[-1]{program} && $all[-1]{event} eq "end"'
}

@test "conductor: a program that is missing or cannot be run: one line, exit 2, no trace" {
	run -2 conductor "$short" -- "$BATS_TEST_TMPDIR/nothing"
	[[ ${#lines[@]} == 1 && $output == *"No such file"* ]]
	echo text >"$program"
	run -2 conductor "$short" -- "$program"
	[[ ${#lines[@]} == 1 && $output == *"not an executable"* ]]
	[[ ! -e $trace ]]
	run -2 conductor "$BATS_TEST_TMPDIR/nothing.scenario"
	run -2 "$lab/build/conductor" -t "$trace"
}

# Starts a run in the background, its pid in $pid, and waits until a load has begun.
begin_run() {
	"$lab/build/conductor" -s "$loaded" -t "$trace" -p "$prefix" -- "$program" 3>&- &
	pid=$!
	until_ok grep -qs '"phase":"cpu 30%"' "$trace"
}

guests_are_back() {
	[[ $(inject status "${prefix}1" "${prefix}2" | grep -c 'idle$') == 2 ]]
	[[ $(virsh -q vcpupin "${prefix}2" 0 | awk '{ print $2 }') == "$everywhere" ]]
}

gate_is_gone() {
	local folder
	folder=$(grep -o '"line":"/tmp/ballast-gate-[^"]*' "$trace" | cut -d'"' -f4)
	[[ $folder && ! -e $folder ]]
}

@test "conductor: interrupted, it ends everything and the trace is whole up to there" {
	program <<-END
		exec sleep 1000.$$
	END
	begin_run
	kill -INT "$pid"
	status=0
	wait "$pid" || status=$?
	[[ $status == 130 ]]
	run -1 pgrep -f "sleep 1000.$$"
	query 'of(event => "end") == 0 && of(event => "load_report") > 0'
	guests_are_back
}

@test "conductor: killed, its keeper ends everything and puts the guests back" {
	program <<-END
		trap '' TERM
		grep -o '/tmp/ballast-gate-[^/]*' /proc/self/mountinfo
		sleep 1000.$$
	END
	begin_run
	kill -KILL "$(cat "/proc/$pid/task/$pid/children")"
	status=0
	wait "$pid" || status=$?
	[[ $status == 3 ]]
	run -1 pgrep -f "sleep 1000.$$"
	guests_are_back
	gate_is_gone
}

@test "conductor: without its keeper it ends by itself and puts the guests back" {
	program <<-END
		grep -o '/tmp/ballast-gate-[^/]*' /proc/self/mountinfo
		exec sleep 1000.$$
	END
	begin_run
	child=$(cat "/proc/$pid/task/$pid/children")
	kill -KILL "$pid"
	wait "$pid" || true
	until_ok test ! -e "/proc/${child% }"
	run -1 pgrep -f "sleep 1000.$$"
	guests_are_back
	gate_is_gone
}
