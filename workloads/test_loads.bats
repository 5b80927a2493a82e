#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The loads that run inside guests, run on this machine. How much CPU or memory it has to spare does
# not matter: what is compared is what a load says of itself with what the kernel says of it.

# shellcheck disable=SC2030,SC2031  # each test has a report of its own
bats_require_minimum_version 1.5.0

setup_file() {
	make -s -C "$BATS_TEST_DIRNAME" guest
}

setup() {
	guest=$BATS_TEST_DIRNAME/build/guest
	export BALLAST_RUN=$BATS_TEST_TMPDIR/run
}

teardown() {
	"$guest/cpuload" --stop >/dev/null || true
	"$guest/memload" --stop >/dev/null || true
	"$guest/cacheload" --stop >/dev/null || true
	[[ ! -d ${cgroup:-} ]] || rmdir "$cgroup"
}

# value NAME JSON: a number or word of a report.
value() {
	perl -MJSON::PP -e 'print JSON::PP->new->decode($ARGV[1])->{$ARGV[0]}' "$1" "$2"
}

# true EXPRESSION: arithmetic with decimals.
true_() {
	perl -e "exit !($1)" || {
		echo "not true: $1"
		return 1
	}
}

# until_ STATE: waits until memload or cacheload (in $load) says so.
until_() {
	for ((i = 0; i < 600; i++)); do
		report=$("$guest/$load" --status)
		[[ $report ]] && [[ $(value state "$report") == "$1" ]] && return 0
		sleep 0.1
	done
	echo "$load never was $1: $report"
	return 1
}

@test "cpuload: takes its share, no more; what it did not get is given up; the kernel agrees" {
	"$guest/cpuload" -f -t1 30% >"$BATS_TEST_TMPDIR/report" &
	pid=$!
	sleep 3
	# utime + stime, in ticks
	ticks=$(awk '{ print $14 + $15 }' "/proc/$pid/stat")
	kill "$pid"
	wait "$pid"
	report=$(<"$BATS_TEST_TMPDIR/report")
	echo "$report"
	attained=$(value attained_pct "$report")
	elapsed=$(value elapsed_s "$report")
	true_ "$attained < 31.5"
	true_ "abs($attained + $(value given_up_pct "$report") - 30) < 3"
	true_ "abs($ticks / $(getconf CLK_TCK) - $attained / 100 * $elapsed) < 0.05 + 0.1 * $attained / 100 * $elapsed"
}

@test "cpuload --demand: what a pause cost is kept and caught up" {
	"$guest/cpuload" -f -d -t1 20% >"$BATS_TEST_TMPDIR/report" &
	pid=$!
	sleep 1
	kill -STOP "$pid"
	sleep 1
	kill -CONT "$pid"
	sleep 1
	kill "$pid"
	wait "$pid"
	report=$(<"$BATS_TEST_TMPDIR/report")
	echo "$report"
	elapsed=$(value elapsed_s "$report")
	true_ "$(value given_up_pct "$report") == 0"
	# All that has arrived was done or waits; a period's share may be on its way.
	true_ "abs($(value attained_pct "$report") / 100 * $elapsed + $(value backlog_s "$report") - 0.2 * $elapsed) < 0.05"
}

@test "cpuload: without --demand a pause is given up" {
	"$guest/cpuload" -f -t1 20% >"$BATS_TEST_TMPDIR/report" &
	pid=$!
	sleep 1
	kill -STOP "$pid"
	sleep 1
	kill -CONT "$pid"
	sleep 1
	kill "$pid"
	wait "$pid"
	report=$(<"$BATS_TEST_TMPDIR/report")
	echo "$report"
	true_ "$(value given_up_pct "$report") / 100 * $(value elapsed_s "$report") > 0.15"
}

@test "cpuload: a second one takes the first one's place and prints its report" {
	"$guest/cpuload" -t1 7%
	run -0 "$guest/cpuload" -t1 5%
	[[ $(value asked_pct "$output") == 7 ]]
	[[ $(value state "$output") == ended ]]
	run -0 "$guest/cpuload" --status
	[[ $(value asked_pct "$output") == 5 ]]
	[[ $(value state "$output") == running ]]
	run -0 "$guest/cpuload" --stop
	[[ $(value asked_pct "$output") == 5 ]]
	run -0 "$guest/cpuload" --stop
	[[ ! $output ]]
}

@test "memload: grows at its rate, never faster, touches what it says, holds" {
	load=memload
	"$guest/memload" 64M 32M/s
	for ((i = 0; i < 5; i++)); do
		sleep 0.2
		report=$("$guest/memload" --status)
		true_ "$(value load_kib "$report") <= 32768 * $(value elapsed_s "$report") + 1024"
	done
	until_ holding
	[[ $(value load_kib "$report") == 65536 ]]
	worker=$(pgrep -P "$(pgrep -fx "$guest/memload 64M 32M/s" | head -1)")
	rss=$(awk '/^VmRSS/ { print $2 }' "/proc/$worker/status")
	true_ "$rss >= 65536 && $rss < 65536 + 4096"
}

@test "memload: a second one steers the first; memory is given back at the rate" {
	load=memload
	"$guest/memload" 48M
	until_ holding
	run -0 "$guest/memload" 16M 16M/s
	[[ $(value asked_kib "$output") == 49152 ]]
	[[ $(value load_kib "$output") == 49152 ]]
	report=$("$guest/memload" --status)
	true_ "$(value load_kib "$report") >= 49152 - 16384 * $(value elapsed_s "$report") - 1024"
	until_ holding
	[[ $(value load_kib "$report") == 16384 ]]
	[[ $(value peak_kib "$report") == 49152 ]]
	"$guest/memload" 0
	until_ holding
	[[ $(value load_kib "$report") == 0 ]]
	[[ $(pgrep -cfx "$guest/memload 48M") == 2 ]]
	run -0 "$guest/memload" --stop
	[[ $(pgrep -cfx "$guest/memload 48M") == 0 ]]
}

@test "memload: refused memory is told apart from done" {
	run -5 bash -c "ulimit -v 65536; exec '$guest/memload' -f 200M"
	[[ $(value state "$output") == failed ]]
}

@test "memload: a kill for want of memory is noticed by its supervisor, and it can grow again" {
	load=memload
	if [[ -w /sys/fs/cgroup/memory/cgroup.procs ]]; then
		cgroup=/sys/fs/cgroup/memory/ballast-test-$$
		limit=memory.limit_in_bytes
	else
		cgroup=/sys/fs/cgroup/ballast-test-$$
		limit=memory.max
	fi
	mkdir "$cgroup" 2>/dev/null && [[ -f $cgroup/$limit ]] || skip "no memory cgroup can be made here"
	echo 48M >"$cgroup/$limit"
	run -0 bash -c "echo \$\$ >$cgroup/cgroup.procs; exec '$guest/memload' 200M 100M/s"
	until_ oom
	[[ $(value load_kib "$report") == 0 ]]
	true_ "$(value peak_kib "$report") > 16384"
	"$guest/memload" 8M
	until_ holding
	"$guest/memload" 200M
	until_ oom
	run -4 "$guest/memload" --stop
}

@test "cacheload: what it read is in the page cache" {
	load=cacheload
	"$guest/cacheload" 32M 64M/s || skip "this machine has no disk or loop device"
	until_ holding
	[[ $(value load_kib "$report") == 32768 ]]
	run -0 "$guest/cacheload" 0
	until_ holding
	[[ $(value load_kib "$report") == 0 ]]
}

@test "bad usage: one line that names it, exit 2, nothing begun" {
	for words in "cpuload" "memload 1M 1M/s 1M" "cacheload --frobnicate" "cpuload 101%" "cpuload x" "cpuload -t0 5%" \
		"cpuload -p0 5%" "memload 1Q" "memload 1M 5" \
		"memload 1M 0M/s" "cacheload 65G"; do
		# shellcheck disable=SC2086  # a program and its arguments
		run -2 "$guest/"$words
		[[ ${#lines[@]} == 1 ]]
	done
	for words in "" "--frobnicate" "frobnicate" "start" "start x" "stop" "run"; do
		# shellcheck disable=SC2086  # a program's arguments
		run -2 "$guest/../inject" $words
		[[ ${#lines[@]} == 1 ]]
	done
	run -2 "$guest/../inject" start aos_vm1 "cpu 145%"
	[[ ${#lines[@]} == 1 && $output == *'"cpu 145%" is not "cpu PERCENT '* && $output != *TIME* ]]
	[[ ! -e $BALLAST_RUN ]]
}
