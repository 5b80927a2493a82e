#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The program as it is on the simulated host: the course's scenarios, replay, a killed run, others who set
# balloons, guests that do not follow.

bats_require_minimum_version 1.5.0
sim=../lab/sim/run
scenarios=../ci/scenarios

setup() {
	cd "$BATS_TEST_DIRNAME" || return
	[ -x $sim ] || skip "the simulated host is not built: make -C lab/sim"
	trace=$BATS_TEST_TMPDIR/trace
}

simulate() { # SCENARIO ARGS…: runs the program, its output in $BATS_TEST_TMPDIR/out
	local scenario=$1
	shift
	$sim -v --trace "$trace" "$scenario" -- ./memory_coordinator "$@" >"$BATS_TEST_TMPDIR/out" 2>&1
}

write_scenario() { # TEXT: timeline and faults
	printf '[scenario]\nkind = memory\nlength = 60s\n%s\n' "$1" >"$BATS_TEST_TMPDIR/s.scenario"
}

@test "the course's scenarios are passed, by the checker" {
	[ -x ../ci/build/check_memory ] || skip "the checker is not built: make -C ci"
	for scenario in "$scenarios"/mem-*.scenario; do
		simulate "$scenario" 2
		../ci/build/check_memory "$trace" "$scenario" >"$BATS_TEST_TMPDIR/verdict"
	done
}

@test "a log of --json goes through the policy again with the same result" {
	simulate $scenarios/mem-two-free.scenario --json 2
	grep '^{' "$BATS_TEST_TMPDIR/out" >"$BATS_TEST_TMPDIR/log"
	run ./memory_coordinator --replay "$BATS_TEST_TMPDIR/log"
	[ "$status" -eq 0 ]
	[[ "$output" == *"different=0"* ]]
	# And a decision that was another one is seen.
	sed -i '0,/"to_kib":4/s//"to_kib":5/' "$BATS_TEST_TMPDIR/log"
	run ./memory_coordinator --replay "$BATS_TEST_TMPDIR/log"
	[ "$status" -eq 1 ]
	[[ "$output" == *"different line="* ]]
}

@test "a constant load is left alone once the rest has been given back" {
	write_scenario ''
	simulate "$BATS_TEST_TMPDIR/s.scenario" 2
	grep -q '^set ' "$BATS_TEST_TMPDIR/out"
	# The last twenty ticks set nothing.
	[ "$(grep -E '^(set|tick)' "$BATS_TEST_TMPDIR/out" | tail -20 | grep -c '^tick')" -eq 20 ]
}

@test "what somebody else sets is told once" {
	write_scenario $'[timeline]\n1 = 40s setmem 900M'
	simulate "$BATS_TEST_TMPDIR/s.scenario" 2
	[ "$(grep -c 'what=set-by-others' "$BATS_TEST_TMPDIR/out")" -eq 1 ]
}

@test "what somebody else takes is seen and given back at once, not at the next tick" {
	write_scenario $'[timeline]\n1 = 33s setmem 250M'
	simulate "$BATS_TEST_TMPDIR/s.scenario" 10
	sed -n 's/.*"t_s":\([0-9]*\).*"line":"note guest=aos_vm1 .*what=set-by-others.*/\1/p' "$trace" >"$BATS_TEST_TMPDIR/seen"
	[ "$(cat "$BATS_TEST_TMPDIR/seen")" -eq 33 ]
	grep -A1 'what=set-by-others' "$BATS_TEST_TMPDIR/out" | grep -q '^set guest=aos_vm1 .*reason=\(grow\|pressed\|guard\)'
	# Ticks go on as they were due.
	[ "$(grep -c '"line":"tick=' "$trace")" -eq 7 ]
}

@test "a dry run says what it would set, and whose figures are old" {
	write_scenario ''
	simulate "$BATS_TEST_TMPDIR/s.scenario" -n 2
	grep -q '^set guest=aos_vm1 .* made=no$' "$BATS_TEST_TMPDIR/out"
	[ "$(grep '^set ' "$BATS_TEST_TMPDIR/out" | grep -vc 'made=no$')" -eq 0 ]
	run ! grep -q '"event":"setmem"' "$trace"
	run ! grep -q 'what=statistics-old' "$BATS_TEST_TMPDIR/out"
	write_scenario $'[faults]\nno_driver = 2'
	simulate "$BATS_TEST_TMPDIR/s.scenario" -n 2
	[ "$(grep -c 'what=statistics-old age_s=never' "$BATS_TEST_TMPDIR/out")" -eq 1 ]
	grep -q '^note guest=aos_vm2 .*what=statistics-old' "$BATS_TEST_TMPDIR/out"
}

kills() { grep -c '"event":"oom"' "$1" || true; }

# wants_too_much MOST TEXT: at most MOST loads are killed, fewer than with nobody, no two of them before the first
# is told, and the host keeps 200 MiB.
wants_too_much() {
	printf '[scenario]\nkind = memory\nlength = 150s\n%s\n' "$2" >"$BATS_TEST_TMPDIR/s.scenario"
	simulate "$BATS_TEST_TMPDIR/s.scenario" 2
	$sim --trace "$BATS_TEST_TMPDIR/nobody" "$BATS_TEST_TMPDIR/s.scenario"
	printf '%s killed, %s with nobody\n' "$(kills "$trace")" "$(kills "$BATS_TEST_TMPDIR/nobody")"
	[ "$(kills "$trace")" -le "$1" ]
	[ "$(kills "$trace")" -lt "$(kills "$BATS_TEST_TMPDIR/nobody")" ]
	[ "$(grep -c 'given_up=[0-9]' "$BATS_TEST_TMPDIR/out")" -gt 0 ]
	awk '/"line":"note .*what=given-up/ { told = 1 } /"event":"oom"/ && !told { exit 1 }' "$trace"
	awk -F'host_available_mib=' '/^tick/ && $2 + 0 < 200 { exit 1 }' "$BATS_TEST_TMPDIR/out"
}

@test "four that want too much: three of them, as few as can be" {
	wants_too_much 3 $'[host]\nmemory=4G\nused=1G\n[timeline]\nall = 5s memory 1200M 20M/s'
}

@test "five that want too much: three of them" {
	wants_too_much 3 $'[host]\nmemory=5G\nused=1G\n[guests]\ncount=5\n[timeline]\nall = 5s memory 1100M 15M/s'
}

@test "eight that want too much at once: six of them, as there is room for two" {
	wants_too_much 6 $'[host]\nmemory=6G\nused=1G\n[guests]\ncount=8\n[timeline]\nall = 5s memory 1000M 25M/s'
}

@test "six of eight that want too much, each at its own speed: four of them" {
	wants_too_much 4 $'[host]\nmemory=6G\nused=1G\n[guests]\ncount=8\n[timeline]\n1 = 5s memory 1200M 30M/s
2 = 5s memory 1000M 10M/s\n3+4 = 8s memory 900M 20M/s\n5+6 = 15s memory 800M 8M/s'
}

@test "nobody is killed where the host has what all want" {
	printf '[scenario]\nkind = memory\nlength = 110s\n%s\n' $'[guests]\ncount=40\n[host]\nmemory=32G\npcpus=16
[timeline]\nfirst-half = 5s memory 1000M 10M/s\nfirst-half = 100s free 50M/s' >"$BATS_TEST_TMPDIR/s.scenario"
	simulate "$BATS_TEST_TMPDIR/s.scenario" 2
	[ "$(kills "$trace")" -eq 0 ]
}

@test "--restore-on-exit gives guests what they had, and nobody what he did not lose" {
	write_scenario ''
	simulate "$BATS_TEST_TMPDIR/s.scenario" 2
	[ "$(grep '"event":"setmem"' "$trace" | grep -c '"t_s":60')" -eq 0 ]
	simulate "$BATS_TEST_TMPDIR/s.scenario" --restore-on-exit --guests 'aos_vm[123]' 2
	[ "$(grep '"event":"setmem"' "$trace" | grep '"t_s":60' | grep -c '"kib":524288')" -eq 3 ]
	[ "$(grep '"event":"setmem"' "$trace" | grep -c '"guest":"aos_vm4"')" -eq 0 ]
}

@test "--restore-on-exit takes nothing that is used, and tells of whom" {
	write_scenario $'[timeline]\n1 = 5s memory 1200M 50M/s'
	simulate "$BATS_TEST_TMPDIR/s.scenario" --restore-on-exit 2
	[ "$(grep '"event":"setmem"' "$trace" | grep '"t_s":60' | grep -c '"kib":524288')" -eq 3 ]
	[ "$(grep -c 'guest aos_vm1: was found with 512 MiB and uses more: left with 1[0-9]* MiB' "$BATS_TEST_TMPDIR/out")" -eq 1 ]
	grep '"event":"program_exit"' "$trace" | grep -q '"status":1'
}

@test "--restore-on-exit without a connection says so and fails" {
	write_scenario $'[faults]\nlibvirtd_restart = 40s 60s'
	simulate "$BATS_TEST_TMPDIR/s.scenario" --restore-on-exit 2
	[ "$(grep -c 'no connection to leave guests' "$BATS_TEST_TMPDIR/out")" -eq 1 ]
	grep '"event":"program_exit"' "$trace" | grep -q '"status":1'
}

@test "the metrics are there and whole" {
	write_scenario ''
	simulate "$BATS_TEST_TMPDIR/s.scenario" --metrics "$BATS_TEST_TMPDIR/m.prom" 2
	[ "$(grep -c '^memory_coordinator_guest_size_bytes{guest="aos_vm[1-4]"} [0-9]*$' "$BATS_TEST_TMPDIR/m.prom")" -eq 4 ]
	run ! grep -vE '^(# (HELP|TYPE) |memory_coordinator_[a-z_]+(\{guest="[^"]*"\})? [0-9.-]+$)' "$BATS_TEST_TMPDIR/m.prom"
}

@test "a reserve or a floor above a guest's maximum is said, and it gets its maximum" {
	write_scenario ''
	simulate "$BATS_TEST_TMPDIR/s.scenario" --reserve 3G --floor 2500M 2
	[ "$(grep -c 'reserve of 3G is more than its maximum of 2G' "$BATS_TEST_TMPDIR/out")" -eq 4 ]
	[ "$(grep -c 'floor of 2.4G is more than its maximum of 2G' "$BATS_TEST_TMPDIR/out")" -eq 4 ]
	[ "$(grep -c 'set guest=aos_vm[1-4] from_mib=[0-9]* to_mib=2048' "$BATS_TEST_TMPDIR/out")" -eq 4 ]
}

@test "a budget is shared by weight, and who is short is said" {
	# What is in use is never taken for another: a reserve nobody uses yet can be shared.
	write_scenario ''
	simulate "$BATS_TEST_TMPDIR/s.scenario" --budget 2600M --reserve 600M --weight 'aos_vm*=1' \
		--weight aos_vm2=3 2
	grep -q 'short_mib=' "$BATS_TEST_TMPDIR/out"
	actual() { sed -n "s/.*guest=aos_vm$1 .*to_mib=\([0-9]*\).*/\1/p" "$BATS_TEST_TMPDIR/out" | tail -1; }
	[ $(($(actual 1) + $(actual 2) + $(actual 3) + $(actual 4))) -le 2600 ]
	[ "$(actual 2)" -gt $(($(actual 1) + 100)) ]
}

@test "with a budget, what the first two have is shared with those that come later" {
	[ -x ../ci/build/check_memory ] || skip "the checker is not built: make -C ci"
	simulate $scenarios/mem-budget.scenario --budget 2600M --reserve 400M 2
	../ci/build/check_memory --text "$trace" $scenarios/mem-budget.scenario
	grep -q 'short_mib=' "$BATS_TEST_TMPDIR/out"
	# Within the budget at all times, and at the end a Jain index of what is granted (all need the same) of 0.98.
	grep '"type":"sample"' "$trace" | sed 's/"actual_kib":/\n&/g' | awk -F'[:,]' '
		/"type"/ { n = sum = squares = 0 }
		/^"actual_kib"/ { sum += $2; squares += $2 * $2; n++; if (sum > most) most = sum }
		END { printf "most %d KiB, Jain index %.3f\n", most, sum * sum / (n * squares)
			exit !(n == 4 && most <= 2600 * 1024 && sum * sum / (n * squares) >= 0.98) }'
}
