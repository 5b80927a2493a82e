#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Programs that do one thing wrong, in the simulated host: what they do wrong is what fails, and a
# program that does it right passes the same scenario.

setup_file() {
	CI=$(cd "$(dirname "$BATS_TEST_FILENAME")/.." && pwd)
	export CI
}

# Runs a program against a scenario; its verdict is in $verdict, exit status of the checker in $judged.
judge() {
	local scenario=$CI/scenarios/$1.scenario checker=check_cpu
	shift
	[[ -f $scenario ]] || scenario=$CI/testdata/$(basename "$scenario")
	[[ $scenario != */mem-* ]] || checker=check_memory
	trace=$BATS_TEST_TMPDIR/trace
	"$CI/../lab/ballast" run --world sim --seed 1 --trace "$trace" "$scenario" -- "$@" >"$BATS_TEST_TMPDIR/log" 2>&1 || true
	judged=0
	verdict=$("$CI/build/$checker" --text "$trace" "$scenario") || judged=$?
	echo "$verdict"
}

passes() {
	local program=("$CI/../cpu/vcpu_scheduler" 2)
	[[ $1 != mem-* ]] || program=("$CI/../memory/memory_coordinator" 2)
	judge "$1" "${program[@]}"
	[ "$judged" -eq 0 ]
}

# SCENARIO MUTANT EXPECTATION…: exactly these fail.
fails() {
	local scenario=$1 mutant=$2 binary=mutant_scheduler failed
	shift 2
	[[ $scenario != mem-* ]] || binary=mutant_coordinator
	judge "$scenario" "$CI/build/$binary" "$mutant" 2
	[ "$judged" -eq 1 ]
	failed=$(awk '$1 == "fail" {print $2}' <<<"$verdict" | sort -u | xargs)
	echo "failed: $failed; expected: $*"
	[ "$failed" = "$(printf '%s\n' "$@" | sort -u | xargs)" ]
}

# --- what is right passes ---

@test "a scheduler that is right passes where the mutants fail" {
	passes cpu-balanced
	passes cpu-all-on-one
	passes cpu-unpinned-equal
	passes cpu-unpinned-mixed
	passes cpu-idle
}

@test "a coordinator that is right passes where the mutants fail" {
	passes mem-one
	passes mem-all
	passes mem-alike
	passes mem-small-host
}

@test "doing nothing is right where nothing is to be done" {
	judge cpu-balanced "$CI/build/mutant_scheduler" nothing 2
	[ "$judged" -eq 0 ]
	judge cpu-idle "$CI/build/mutant_scheduler" nothing 2
	[ "$judged" -eq 0 ]
}

@test "guests that start, reboot and stop by the scenario are nobody's fault" {
	passes mem-lives
	judge mem-lives "$CI/build/mutant_coordinator" nothing 2
	[ "$judged" -eq 0 ]
}

# --- either program ---

@test "one that exits fails, in idle too" {
	fails cpu-idle exits program_alive
	fails mem-alike exits program_alive
}

@test "one that crashes fails" {
	fails cpu-idle crashes program_alive
	fails mem-alike crashes program_alive
}

@test "what a crash, a hang and a limit of the simulated world depend on is told" {
	judge cpu-idle "$CI/build/mutant_scheduler" crashes 2
	grep -q 'fail *program_alive .*last on its stderr: .*guest 7 has no pCPU' <<<"$verdict"
	"$CI/../lab/sim/run" --patience 1 --trace "$trace" "$CI/scenarios/cpu-idle.scenario" -- "$CI/build/mutant_scheduler" spins 2 || true
	run "$CI/build/check_cpu" --text "$trace"
	[ "$status" -eq 1 ]
	grep -q 'fail *program_alive *it computes without end and never waits' <<<"$output"
	judge mem-alike "$CI/build/mutant_coordinator" forks 2
	if grep -q '"event":"unsimulated"' "$trace"; then
		[ "$judged" -eq 3 ]
		grep -q 'cannot judge: cannot be simulated: it starts another process' <<<"$verdict"
	else
		[ "$judged" -eq 0 ]
	fi
}

@test "one that hangs fails, in idle too" {
	fails cpu-idle hangs program_alive
	fails mem-alike hangs program_alive
}

@test "one that does not stop fails" {
	fails cpu-idle stubborn program_alive
	fails mem-alike stubborn program_alive
}

@test "one that never sleeps fails" {
	fails cpu-idle burns program_alive
	fails mem-alike burns program_alive
}

@test "one that pauses the guests fails: what stands still is even" {
	judge cpu-all-on-one "$CI/build/mutant_scheduler" pauses 2
	[ "$judged" -eq 1 ]
	judge mem-one "$CI/build/mutant_coordinator" pauses 2
	[ "$judged" -eq 1 ]
	fails cpu-idle pauses guests_run
}

@test "one that reboots the guests fails: what has just booted needs nothing" {
	fails cpu-idle resets guests_run
	judge mem-alike "$CI/build/mutant_coordinator" resets 2
	[ "$judged" -eq 1 ]
	grep -q 'fail *guests_run' <<<"$verdict"
}

@test "one that prints bytes that are no text is judged like any other" {
	judge cpu-idle "$CI/build/mutant_scheduler" babbles 2
	[ "$judged" -eq 0 ]
	judge mem-alike "$CI/build/mutant_coordinator" babbles 2
	[ "$judged" -eq 0 ]
}

# --- schedulers ---

@test "doing nothing about a crowd" {
	fails cpu-all-on-one nothing spread stddev demand_spread balance_within
}

@test "piling everything on one pCPU" {
	fails cpu-balanced piles spread stddev demand_spread balance_within moves pins
}

@test "three beside one" {
	fails cpu-all-on-one lopsided spread stddev demand_spread fairness balance_within
}

@test "heavy beside heavy, light beside light" {
	fails cpu-unpinned-mixed counts spread stddev demand_spread balance_within
}

@test "thrashing" {
	fails cpu-all-on-one thrashes moves pins pins_after_balance
}

@test "moving idle guests" {
	fails cpu-idle fidgets moves pins
}

@test "too late" {
	fails cpu-all-on-one late balance_within
}

@test "more moves than needed" {
	fails cpu-all-on-one detours moves pins
}

@test "leaving it to Linux" {
	# Whether Linux balances in time and keeps to it is chance, and differs by seed; that nothing is pinned is not.
	judge cpu-unpinned-equal "$CI/build/mutant_scheduler" nothing 2
	[ "$judged" -eq 1 ]
	[ "$(awk '$1 == "fail" && $2 !~ /^(balance_within|spread|stddev)$/ {print $2}' <<<"$verdict")" = pinned ]
	fails cpu-balanced frees pins pinned balance_within
}

@test "one vCPU left out" {
	# What Linux does with it is chance; the rest is not.
	judge cpu-unpinned-equal "$CI/build/mutant_scheduler" leaves 2
	[ "$judged" -eq 1 ]
	grep -q 'fail *pinned *aos_vm1 vCPU 0 ' <<<"$verdict"
}

@test "only each guest's first vCPU" {
	judge cpu-multi-vcpu "$CI/build/mutant_scheduler" firsts 2
	[ "$judged" -eq 1 ]
}

@test "moves of its own making" {
	fails cpu-unpinned-equal gathers moves pins
}

@test "moves each vCPU unpinned on the way" {
	fails cpu-all-on-one sneaks moves pins pins_after_balance
}

@test "a mapping in the last moment" {
	judge cpu-unpinned-equal "$CI/build/mutant_scheduler" posts 2
	[ "$judged" -eq 1 ]
	grep -q 'fail *pins_after_balance' <<<"$verdict"
}

@test "the same pins again and again are no changes" {
	judge cpu-unpinned-equal "$CI/build/mutant_scheduler" repeats 2
	[ "$judged" -eq 0 ]
}

# --- coordinators ---

@test "doing nothing for a growing guest" {
	fails mem-one nothing reach given_back oom waste
}

@test "too little for everybody" {
	fails mem-one starves unused reach oom waste
}

@test "below the floor" {
	fails mem-alike crushes unused waste floor release_step
}

@test "taking what is used" {
	fails mem-one kills unused reach given_back oom waste release_step
}

@test "a load that is killed between two looks is judged, the kill first" {
	judge mem-all "$CI/build/mutant_coordinator" pinches 2
	[ "$judged" -eq 1 ]
	[[ $(awk '$1 == "fail" {print $2; exit}' <<<"$verdict") == oom ]]
	grep -q 'fail *waste *aos_vm[1-4] killed at .* the host had .* GB left' <<<"$verdict"
	grep -q 'fail *reach .*since its load was killed for want of memory' <<<"$verdict"
}

@test "moves made before the load are the moves that were needed" {
	judge cpu-all-on-one "$CI/build/mutant_scheduler" foresees 2
	[ "$judged" -eq 0 ]
	grep -q 'moves *6; the fewest that could do it: 6' <<<"$verdict"
}

@test "taking nothing back" {
	fails mem-all hoards given_back
}

@test "releasing in one step" {
	fails mem-all drops release_step
}

@test "everything to one" {
	fails mem-alike favours similar near_target
}

@test "eating the host" {
	fails mem-small-host eats host_reserve
}

@test "switching the statistics off changes nothing: the guests are asked themselves" {
	fails mem-one deafens reach given_back oom waste
}

# --- the tests themselves ---

# program_cpu is not here: computing takes no time in the simulation. test_real.bats has it.
@test "every expectation but program_cpu fails somewhere above" {
	judge cpu-balanced "$CI/build/mutant_scheduler" nothing 2
	local known
	known=$(awk 'NR > 1 {print $2}' <<<"$verdict")
	judge mem-all "$CI/build/mutant_coordinator" nothing 2
	known+=$'\n'$(awk 'NR > 1 {print $2}' <<<"$verdict")
	while read -r name; do
		[[ $name == program_cpu ]] || grep -qE "^	fails .* $name( |$)" "$BATS_TEST_FILENAME" || {
			echo "no mutant fails $name"
			return 1
		}
	done < <(sort -u <<<"$known")
}
