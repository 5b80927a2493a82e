#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# bats file_tags=lab
# `ballast top` on traces and, behind the simulated host's socket, on libvirt.

setup_file() {
	export LAB=$BATS_TEST_DIRNAME/../ballast CI=$BATS_TEST_DIRNAME/../../ci TOP=$BATS_TEST_DIRNAME/../build/ballast-top
	"$LAB" run --world sim --trace "$BATS_FILE_TMPDIR/t.jsonl" "$CI/scenarios/cpu-mixed-all-on-one.scenario" -- \
		"$CI/../cpu/vcpu_scheduler" 2
	"$LAB" run --world sim --trace "$BATS_FILE_TMPDIR/m.jsonl" "$CI/scenarios/mem-all.scenario" -- \
		"$CI/../memory/memory_coordinator" 2
}

setup() {
	cpu=$BATS_FILE_TMPDIR/t.jsonl memory=$BATS_FILE_TMPDIR/m.jsonl
	bats_require_minimum_version 1.5.0
}

# Of the JSON on stdin.
figure() { python3 -c "import json, sys; d = json.load(sys.stdin); print($1)"; }

@test "a trace shows what was there at each moment" {
	run -0 "$LAB" top --once --at 8 "$cpu"
	echo "$output"
	[[ $output == *"8 guests, 8 vCPUs, 4 pCPUs  spread 9"*" > 10  moves 0"* ]]
	[[ $output == *"pCPU   0 [1"*"8>] 100.0% wants <80"* ]]
	[[ $output =~ "1 aos_vm1        1 0       12."[0-9]"  <100  512M"[^$'\n']*"cpu 100%" ]]
	run -0 "$LAB" top --once "$cpu"
	echo "$output"
	[[ $output =~ "moves "[1-9] ]]
	for ((i = 0; i < ${#lines[@]}; i++)); do
		[ ${#lines[i]} -le 80 ]
	done
	run -0 "$LAB" top --once --at 20 --reserve 300M "$memory"
	echo "$output"
	[[ $output =~ [0-9]M!\ +[0-9]+M\ 2048M\ memory ]]
}

@test "moves are those of the trace, whether it is played or jumped to" {
	moves=$(grep -c '"event":"pin".*"by":"program"' "$cpu")
	[ "$("$LAB" top --once --json "$cpu" | figure 'd["moves"]')" -eq "$moves" ]
	run -0 "$LAB" top --speed 64 "$cpu"
	[[ ${output##*ballast top} == *"moves $moves:"* ]]
}

@test "JSON and CSV hold the trace's own figures" {
	at() { python3 -c '
import json, sys
for line in open(sys.argv[1]):
    s = json.loads(line)
    if s.get("type") == "sample" and s["t_s"] >= 20:
        g = s["guests"][2]
        print(g["memory"]["actual_kib"], g["memory"]["unused_kib"])
        break' "$memory"; }
	[ "$("$LAB" top --once --json --at 20 "$memory" |
		figure '*[[g["actual_kib"], g["unused_kib"]] for g in d["guests"] if g["name"] == "aos_vm3"][0]')" = "$(at)" ]
	"$LAB" top --csv "$BATS_TEST_TMPDIR/c.csv" --speed 64 "$memory" >/dev/null
	python3 - "$BATS_TEST_TMPDIR/c.csv" "$(at)" "$(grep -c '"type":"sample"' "$memory")" <<-'END'
		import csv, sys
		rows = list(csv.reader(open(sys.argv[1])))
		head = rows[0]
		first = head.index("Domain ID")
		size = len(head) - first
		assert head[:4] == ["Hostname", "Time", "Arch", "Physical CPUs"], head
		assert len(rows) - 1 == int(sys.argv[3]), len(rows)
		row = next(r for r in rows[1:] if float(r[1]) >= 20)
		assert len(row) == first + 4 * size, (len(row), first, size)
		third = dict(zip(head[first:], row[first + 2 * size:]))
		actual, unused = sys.argv[2].split()
		assert third["Domain name"] == "aos_vm3", third
		assert third["Mem (bytes)"] == str(int(actual) * 1024), third
		assert third["Unused (KB)"] == unused, third
	END
}

@test "a trace that is being written is followed to its end" {
	mkfifo "$BATS_TEST_TMPDIR/go"
	half=$(($(wc -l <"$cpu") / 2))
	head -n "$half" "$cpu" >"$BATS_TEST_TMPDIR/t.jsonl"
	"$LAB" top --speed 64 "$BATS_TEST_TMPDIR/t.jsonl" 3>&- >"$BATS_TEST_TMPDIR/out" &
	until grep -q 'as it is written' "$BATS_TEST_TMPDIR/out"; do sleep 0.1; done
	tail -n "+$((half + 1))" "$cpu" >>"$BATS_TEST_TMPDIR/t.jsonl"
	wait $!
	[[ $(grep '^ballast top' "$BATS_TEST_TMPDIR/out" | tail -1) == *end* ]]
}

@test "a host is shown through libvirt, and with --all nothing can be changed" {
	run -0 "$LAB" run --world sim -v "$CI/scenarios/cpu-half-half.scenario" -- "$TOP" --count 2 --interval 5
	echo "$output"
	last=${output##*ballast top}
	[[ $last == *"8 guests, 8 vCPUs, 4 pCPUs  spread"* ]]
	[[ $last == *"pCPU   0 [1"*"4>] 100.0% wants <40"* ]]
	[[ $last =~ "1 aos_vm1        1 0 "[^$'\n']*" <100  512M" ]]
	# Moves come as libvirt's events.
	run -0 "$LAB" run --world sim -v "$CI/scenarios/cpu-half-half.scenario" -- \
		bash -c '"$0" --all --count 4 --interval 5 & sleep 12; virsh -q vcpupin aos_vm4 0 3; wait' "$TOP"
	echo "$output"
	[[ ${output##*ballast top} == *"moves 1: aos_vm4 0>3"* ]]
	[[ ${output##*ballast top} =~ "4 aos_vm4        1 3 " ]]
}

@test "on a terminal keys are obeyed, and the terminal is given back" {
	python3 "$BATS_TEST_DIRNAME/test_terminal.py" "$TOP" "$cpu"
}

@test "a scenario is played in the simulated host and shown" {
	cp "$CI/scenarios/cpu-balanced.scenario" "$BATS_TEST_TMPDIR/a b.scenario"
	run -0 "$LAB" top --speed 64 "$BATS_TEST_TMPDIR/a b.scenario" -- "$CI/../cpu/vcpu_scheduler" 2
	[[ ${output##*ballast top} == *end*"pCPU   0 ["* ]]
}

@test "bad input is refused in one line" {
	local bad
	for bad in "--sort big" "--interval 1,5" "--reserve much" "--count 0" "--json" "--at 3" "a b" "--speed 100 $cpu" \
		"--all $cpu" "$BATS_TEST_TMPDIR/none" "$CI/scenarios/cpu-idle.scenario --csv /nowhere/x" "--connect nosuch:///x"; do
		# shellcheck disable=SC2086  # words
		run "$LAB" top $bad
		echo "$bad: $status $output"
		[ "$status" -eq 2 ]
		[ "${#lines[@]}" -eq 1 ]
	done
}
