#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# check_cpu and check_memory as commands: exit statuses, and one line for each way of getting it wrong.

bats_require_minimum_version 1.5.0

setup() {
	ci=$(cd "$(dirname "$BATS_TEST_FILENAME")/.." && pwd)
	balanced=$ci/scenarios/cpu-balanced.scenario
	trace=$BATS_TEST_TMPDIR/trace
}

fake() {
	"$ci/build/fake" "$balanced" "$trace" "$1"
}

# Judges such a trace of a scenario with one more line in [expect].
expecting() {
	fake "$1"
	sed -i "1s/\[expect\]\\\\n/&$2\\\\n/" "$trace"
	run "$ci/build/check_cpu" "$trace"
}

one_line() {
	[ "$(printf '%s\n' "$output" | wc -l)" -eq 1 ] && [ "$status" -eq 2 ]
}

@test "pass is 0, fail is 1, cannot judge is 3" {
	fake nothing
	run "$ci/build/check_cpu" "$trace"
	[ "$status" -eq 0 ]
	run "$ci/build/check_cpu" "$trace" "$balanced"
	[ "$status" -eq 0 ]
	fake exits
	run "$ci/build/check_cpu" "$trace"
	[ "$status" -eq 1 ]
	fake cut
	run "$ci/build/check_cpu" "$trace"
	[ "$status" -eq 3 ]
	[[ $output == *'"reason": "the run was not complete'* ]]
}

@test "--text has a line per expectation" {
	fake nothing
	run "$ci/build/check_cpu" --text "$trace"
	[ "$status" -eq 0 ]
	[[ ${lines[0]} == "cpu-balanced: pass" ]]
	[[ $output == *spread*"asked: at most 10 points"* ]]
}

@test "an expectation can be left out" {
	expecting exits "program_alive = none"
	[ "$status" -eq 0 ]
}

@test "a missing file, a wrong kind, another scenario's trace" {
	fake nothing
	run "$ci/build/check_cpu" /nonexistent
	one_line
	[[ $output == *"/nonexistent"* ]]
	run "$ci/build/check_cpu" "$trace" /nonexistent.scenario
	one_line
	[[ $output == *"/nonexistent.scenario"* ]]
	run "$ci/build/check_memory" "$trace"
	one_line
	[[ $output == *"judged by check_cpu"* ]]
	run "$ci/build/check_cpu" "$trace" "$ci/scenarios/cpu-idle.scenario"
	one_line
	[[ $output == *cpu-idle.scenario:*"is not what the trace was recorded with"* ]]
}

@test "the scenario of a trace: comments may differ, lines may not, and the order is told" {
	local other=$BATS_TEST_TMPDIR/other.scenario
	fake nothing
	sed '1i# a comment, and an empty line\n' "$balanced" >"$other"
	run "$ci/build/check_cpu" "$trace" "$other"
	[ "$status" -eq 0 ]
	sed 's,cpu 40%,cpu 17%,' "$balanced" >"$other"
	run -1 cmp -s "$other" "$balanced"
	run "$ci/build/check_cpu" "$trace" "$other"
	one_line
	[[ $output == *"other.scenario:"[0-9]*": \"all = 5s cpu 17%\" is not what"*"with: \"all = 5s cpu 40%"* ]]
	head -n -1 "$balanced" >"$other"
	run "$ci/build/check_cpu" "$trace" "$other"
	one_line
	[[ $output == *"the end is not what the trace was recorded with"* ]]
	run "$ci/build/check_cpu" "$balanced" "$trace"
	one_line
	[[ $output == *"is a scenario: it is check_cpu TRACE SCENARIO" ]]
	run "$ci/build/check_cpu" "$balanced"
	one_line
	[[ $output == *"is a scenario, and a trace is judged"* ]]
}

@test "an old trace, one of other guests than its scenario's" {
	fake nothing
	sed '1s/"version":2/"version":1/' "$trace" >"$trace.old"
	run "$ci/build/check_cpu" "$trace.old"
	one_line
	[[ $output == *":1: trace version 1; this program reads version 2"* ]]
	sed '1s/"name":"vm2"/"name":"vm5"/' "$trace" >"$trace.other"
	run "$ci/build/check_cpu" "$trace.other"
	one_line
	[[ $output == *"guest 2 differs"* ]]
}

@test "a title, a path and a name that are no text cost nothing" {
	local odd=$BATS_TEST_TMPDIR/gr$'\xfc\xdf'.scenario
	sed $'s/^title = .*/title = gr\xfc\xdf/' "$balanced" >"$odd"
	"$ci/build/fake" "$odd" "$trace"$'\xff' nothing
	run "$ci/build/check_cpu" "$trace"$'\xff'
	[ "$status" -eq 0 ]
	grep -qF '"scenario": "gr??"' <<<"$output"
	grep -qF '"title": "gr??"' <<<"$output"
	grep -qF 'trace?"' <<<"$output"
}

@test "a truncated trace" {
	fake nothing
	head -c -20 "$trace" >"$trace.cut"
	run "$ci/build/check_cpu" "$trace.cut"
	one_line
	[[ $output == *"cut off"* ]]
}

@test "a trace that is no trace" {
	printf 'hello\n' >"$trace"
	run "$ci/build/check_cpu" "$trace"
	one_line
	: >"$trace"
	run "$ci/build/check_cpu" "$trace"
	one_line
}

@test "an unknown expectation, one of the other kind, bad units" {
	expecting nothing "spraed = 10"
	one_line
	[[ $output == *spraed* ]]
	expecting nothing "unused = 100M 95%"
	one_line
	[[ $output == *"no expectation of kind = cpu"* ]]
	expecting nothing "spread = 10M"
	one_line
	[[ $output == *":"[0-9]*"spread = 10M: it is a number"* ]]
	expecting nothing "balance_within = soon"
	one_line
	expecting nothing "moves = few"
	one_line
	expecting nothing "pinned = maybe"
	one_line
}

@test "bad usage" {
	run "$ci/build/check_cpu"
	[ "$status" -eq 2 ]
	run "$ci/build/check_cpu" --frobnicate a b
	[ "$status" -eq 2 ]
}

@test "--expectations lists what each kind can ask for" {
	run -0 "$ci/build/check_cpu" --expectations
	[[ $output == *"moves "*"fewest, a whole number, or none; default worked out from the scenario"* ]]
	[[ $output != *"host_reserve"* ]]
	run -0 "$ci/build/check_memory" --expectations
	[[ $output == *"host_reserve "*"a size like 200M, or none; default 200M"* ]]
}
