#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The coordinator's policy on the model of a host: what must hold whatever guests do.

bats_require_minimum_version 1.5.0

setup() { bench=$BATS_TEST_DIRNAME/../build/bench_memory; }

@test "bursts of up to all guests at once leave the host its reserve" {
	# bench_memory --bursts 10000 for more.
	run -0 "$bench" --bursts 500
	[[ "$output" == *"below its reserve in 0 of them"* ]]
}

@test "a rule that looks at what is free and no further is caught by them" {
	run -1 "$bench" --rule "Qubes qmemman" --bursts 50
}
