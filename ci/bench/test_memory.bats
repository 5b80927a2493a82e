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

@test "where more is wanted than there is, no more are killed than must be, beside a plan that knows all" {
	# bench_memory --shortages 400 for more.
	run -0 --separate-stderr "$bench" --shortages 60 --first 7000
	[[ "$output" == *"more than with nobody in 0; "*"host below its reserve in 0"* ]]
	# A quarter more than that plan's, over all.
	sed -n 's/.*runs: \([0-9]*\) loads killed, \([0-9]*\) by.*/\1 \2/p' <<<"$output" |
		awk '{ print; exit !($1 <= 1.25 * $2) }'
}
