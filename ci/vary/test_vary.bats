#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What the seed of a grade changes: a program that knows the scenarios by heart gets nothing, and one that looks all.

setup_file() {
	CI=$(cd "$(dirname "$BATS_TEST_FILENAME")/.." && pwd)
	export CI
}

grade() {
	out=$BATS_TEST_TMPDIR/out
	run "$CI/grade" --world sim --out "$out" --only cpu-balanced --only cpu-all-on-one --only cpu-unpinned-mixed "$@"
	echo "$output" | grep -a points
}

@test "pins by the clock pass what is written, and get nothing for what a seed makes of it" {
	grade --as-written --submission "$CI/testdata/clock"
	[[ $output == *"vcpu_scheduler: 5 of 5 points"* ]]
	for seed in 1 11; do
		grade --seed "$seed" --submission "$CI/testdata/clock"
		[[ $output == *"vcpu_scheduler: 0 of 5 points"* ]]
	done
}

@test "a program that looks at the loads gets all, whatever the seed" {
	grade --seed 11
	[[ $output == *"vcpu_scheduler: 5 of 5 points"* ]]
}

@test "a memory load is in another guest, comes later and is smaller; what is expected follows it" {
	run "$CI/grade" --world sim --seed 3 --only mem-one --out "$BATS_TEST_TMPDIR/out"
	[[ $output == *"coordinator: 3 of 3 points"* ]]
	played=$(head -n 1 "$BATS_TEST_TMPDIR/out/mem-one.trace" | python3 -c 'import json, sys; print(json.loads(sys.stdin.readline())["scenario_text"])')
	grower=$(sed -n 's/^reach = [0-9]*M \([2-4]\) by .*/\1/p' <<<"$played")
	[ "$grower" ]
	grep -Eq "^$grower = ([5-9]|1[01])s memory (1[34][0-9][0-9]|1500)M " <<<"$played"
	[[ $output == *"ok    reach"*"aos_vm$grower at "* ]]
}

@test "on real guests the control has this machine's size" {
	run "$CI/build/vary/vary" --this-host "$CI/scenarios/cpu-balanced.scenario"
	grep -qx "pcpus = $(getconf _NPROCESSORS_ONLN)" <<<"$output"
	grep -qx "count = $((2 * $(getconf _NPROCESSORS_ONLN)))" <<<"$output"
	kib=$(awk '$1 == "MemTotal:" {print $2}' /proc/meminfo)
	grep -Eqx "memory = (${kib}K|$((kib / 1024))M)" <<<"$output"
}

@test "[vary] refuses what is none of its keys" {
	printf '[scenario]\nkind = cpu\n[vary]\n%s\n' 'amount = lots' >"$BATS_TEST_TMPDIR/x.scenario"
	run "$CI/build/check_cpu" --scenario "$BATS_TEST_TMPDIR/x.scenario"
	[ "$status" -eq 2 ]
	[[ $output == *"x.scenario:4: amount = lots: it is a percentage from 0 to 90"* ]]
	printf '[scenario]\nkind = cpu\n[vary]\n%s\n' 'who = all' >"$BATS_TEST_TMPDIR/x.scenario"
	run "$CI/build/check_cpu" --scenario "$BATS_TEST_TMPDIR/x.scenario"
	[[ $output == *'[vary] has no key "who"; there are places, delay, amount, apart'* ]]
}

@test "a suite asks for more than its scenarios, and what it asks for is played" {
	printf '[suite]\n[cpu]\ncpu-balanced = 1\n[memory]\nmem-one = 1\n[expect]\nspread = 7\nunused = 90M 50%%\nprogram_cpu = 3\n' \
		>"$BATS_TEST_TMPDIR/more.suite"
	ln -s "$CI/scenarios" "$BATS_TEST_TMPDIR/scenarios"
	run "$CI/grade" --world sim --suite "$BATS_TEST_TMPDIR/more.suite" --out "$BATS_TEST_TMPDIR/out"
	echo "$output" | grep -a asked
	[[ $output == *"asked: at most 7 points"* && $output == *"asked: every guest has 90 MiB unused or usable in 50 %"* ]]
	[ "$(grep -c 'asked: at most 3 % of a pCPU' <<<"$output")" -eq 2 ]
	# What the scenario itself expects stays.
	[[ $output == *"ok    pins "*"asked: at most 0 changes of affinity"* ]]
	for wrong in 'spreat = 5' 'spread = some' 'spread'; do
		printf '[suite]\n[cpu]\ncpu-balanced = 1\n[expect]\n%s = \n' "$wrong" >"$BATS_TEST_TMPDIR/more.suite"
		run "$CI/grade" --world sim --suite "$BATS_TEST_TMPDIR/more.suite" --out "$BATS_TEST_TMPDIR/out"
		[ "$status" -eq 2 ]
		[[ $output == *"${wrong%% *}"* && $output == *"more.suite: [expect] is not for cpu-balanced"* ]]
	done
}
