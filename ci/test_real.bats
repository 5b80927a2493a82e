#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The whole path on real guests: grade this tree's two programs on short scenarios, and see a few mutants
# fail there too. Takes about two minutes. SKIP where the host is too busy for anything to be evidence.
bats_require_minimum_version 1.5.0

setup_file() {
	CI=$(cd "$(dirname "$BATS_TEST_FILENAME")" && pwd)
	PREFIX=ballast_ci$$_vm # two runs at once do not meet
	export CI PREFIX
	[[ $EUID -eq 0 ]] || skip "real guests need root"
	"$CI/../lab/ballast" setup
}

teardown_file() {
	[[ $EUID -ne 0 ]] || "$CI/../lab/ballast" down --prefix "$PREFIX"
}

# Runs a mutant; what fails is in $failed.
fails() {
	local scenario=$CI/testdata/$1.scenario program=$2 mutant=$3 checker=$4 trace=$BATS_TEST_TMPDIR/trace status=0
	# A guest that the mutant has crushed may not let its loads be ended; the checker says what the trace is worth.
	"$CI/../lab/ballast" run --prefix "$PREFIX" --trace "$trace" "$scenario" -- "$CI/build/$program" "$mutant" 1 ||
		(($? == 3))
	verdict=$("$CI/build/$checker" --text "$trace" "$scenario") || status=$?
	echo "$verdict"
	((status != 3)) || skip "$(sed -n 's/^  cannot judge: //p' <<<"$verdict"): $(grep -m 1 unjudged <<<"$verdict")"
	((status == 1))
	failed=" $(awk '$1 == "fail" {print $2}' <<<"$verdict" | xargs) "
}

@test "this tree's programs get all points, and nothing is left behind" {
	run "$CI/grade" --out "$BATS_TEST_TMPDIR/out" --suite "$CI/testdata/real.suite" --prefix "$PREFIX"
	echo "$output"
	((status != 3)) || skip "$(grep -m 1 'could not be judged' <<<"$output")"
	[ "$status" -eq 0 ]
	[[ $output == *"10 of 10 points"* ]]
	"$CI/../lab/ballast" residue --prefix "$PREFIX"
}

@test "a scheduler that does nothing fails" {
	fails cpu-short mutant_scheduler nothing check_cpu
	[[ $failed == *" demand_spread "* ]] # the one that is judged on a busy host too
}

@test "a scheduler that burns CPU fails, though there is nothing to do" {
	fails cpu-idle-short mutant_scheduler burns check_cpu
	[[ $failed == *" program_cpu "* ]]
}

@test "a scheduler that hangs fails, though there is nothing to do" {
	fails cpu-idle-short mutant_scheduler hangs check_cpu
	[ "$failed" = " program_alive " ]
}

@test "a coordinator that goes below the floor fails" {
	fails mem-short mutant_coordinator crushes check_memory
	[[ $failed == *" floor "* ]]
}
