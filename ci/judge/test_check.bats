#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# check_cpu and check_memory as commands: exit statuses, and one line for each way of getting it wrong.

setup() {
	ci=$(cd "$(dirname "$BATS_TEST_FILENAME")/.." && pwd)
	balanced=$ci/scenarios/cpu-balanced.scenario
	trace=$BATS_TEST_TMPDIR/trace
}

fake() {
	"$ci/build/fake" "$balanced" "$trace" "$1"
}

# A scenario with one more line in [expect].
expecting() {
	sed "s/^\[expect\]/[expect]\n$1/" "$balanced" >"$BATS_TEST_TMPDIR/cpu-balanced.scenario"
	run "$ci/build/check_cpu" "$BATS_TEST_TMPDIR/cpu-balanced.scenario" "$trace"
}

one_line() {
	[ "$(printf '%s\n' "$output" | wc -l)" -eq 1 ] && [ "$status" -eq 2 ]
}

@test "pass is 0, fail is 1, cannot judge is 3" {
	fake nothing
	run "$ci/build/check_cpu" "$balanced" "$trace"
	[ "$status" -eq 0 ]
	fake exits
	run "$ci/build/check_cpu" "$balanced" "$trace"
	[ "$status" -eq 1 ]
	fake cut
	run "$ci/build/check_cpu" "$balanced" "$trace"
	[ "$status" -eq 3 ]
	[[ $output == *'"reason": "the run was not complete'* ]]
}

@test "--text has a line per expectation" {
	fake nothing
	run "$ci/build/check_cpu" --text "$balanced" "$trace"
	[ "$status" -eq 0 ]
	[[ ${lines[0]} == "cpu-balanced: pass" ]]
	[[ $output == *spread*"asked: at most 10 points"* ]]
}

@test "an expectation can be left out" {
	fake exits
	expecting "program_alive = none"
	[ "$status" -eq 0 ]
}

@test "a missing file, a wrong kind, another scenario's trace" {
	fake nothing
	run "$ci/build/check_cpu" "$balanced" /nonexistent
	one_line
	[[ $output == *"/nonexistent"* ]]
	run "$ci/build/check_cpu" /nonexistent.scenario "$trace"
	one_line
	run "$ci/build/check_memory" "$balanced" "$trace"
	one_line
	[[ $output == *"judged by check_cpu"* ]]
	run "$ci/build/check_cpu" "$ci/scenarios/cpu-idle.scenario" "$trace"
	one_line
	[[ $output == *cpu-balanced*cpu-idle* ]]
}

@test "a title, a path and a name that are no text cost nothing" {
	local odd=$BATS_TEST_TMPDIR/gr$'\xfc\xdf'.scenario
	sed $'s/^title = .*/title = gr\xfc\xdf/' "$balanced" >"$odd"
	"$ci/build/fake" "$odd" "$trace"$'\xff' nothing
	run "$ci/build/check_cpu" "$odd" "$trace"$'\xff'
	[ "$status" -eq 0 ]
	grep -qF '"scenario": "gr??"' <<<"$output"
	grep -qF '"title": "gr??"' <<<"$output"
	grep -qF 'trace?"' <<<"$output"
}

@test "a truncated trace" {
	fake nothing
	head -c -20 "$trace" >"$trace.cut"
	run "$ci/build/check_cpu" "$balanced" "$trace.cut"
	one_line
	[[ $output == *"cut off"* ]]
}

@test "a trace that is no trace" {
	printf 'hello\n' >"$trace"
	run "$ci/build/check_cpu" "$balanced" "$trace"
	one_line
	: >"$trace"
	run "$ci/build/check_cpu" "$balanced" "$trace"
	one_line
}

@test "an unknown expectation, one of the other kind, bad units" {
	fake nothing
	expecting "spraed = 10"
	one_line
	[[ $output == *spraed* ]]
	expecting "unused = 100M 95%"
	one_line
	[[ $output == *"no expectation of kind = cpu"* ]]
	expecting "spread = 10M"
	one_line
	[[ $output == *":"[0-9]*"spread = 10M: it is a number"* ]]
	expecting "balance_within = soon"
	one_line
	expecting "moves = few"
	one_line
	expecting "pinned = maybe"
	one_line
}

@test "bad usage" {
	run "$ci/build/check_cpu"
	[ "$status" -eq 2 ]
	run "$ci/build/check_cpu" --frobnicate a b
	[ "$status" -eq 2 ]
}
