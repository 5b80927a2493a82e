#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The program as it is on the simulated host: the course's scenarios, replay, calls per tick, others who pin,
# what goes wrong.

bats_require_minimum_version 1.5.0
sim=../lab/sim/run
check=../ci/build/check_cpu
scenarios=../ci/scenarios

setup() {
	cd "$BATS_TEST_DIRNAME" || return
	[ -x $sim ] || skip "the simulated host is not built: make -C lab/sim"
	[ -x $check ] || skip "the checker is not built: make -C ci"
	trace=$BATS_TEST_TMPDIR/trace
	out=$BATS_TEST_TMPDIR/out
	scenario=$BATS_TEST_TMPDIR/s.scenario
}

simulate() { # SEED SCENARIO ARGS…: runs the program, its output in $out
	local seed=$1 file=$2
	shift 2
	$sim -v --seed "$seed" --trace "$trace" "$file" -- ./vcpu_scheduler "$@" >"$out" 2>&1
}

write_scenario() { # LENGTH PINS TIMELINE EXPECT FAULTS
	printf '[scenario]\nkind = cpu\nlength = %s\n[guests]\npins = %s\n[timeline]\n%s\n[expect]\n%s\n[faults]\n%s\n' \
		"$@" >"$scenario"
}

passes() { # SCENARIO ARGS…: with three seeds, the checker says pass
	local seed
	for seed in 1 2 3; do
		simulate $seed "$@"
		$check --text "$trace" "$1" >"$BATS_TEST_TMPDIR/verdict" || {
			echo "seed $seed"
			grep -v '^  pass' "$BATS_TEST_TMPDIR/verdict"
			grep -E '^pin|scheduler:' "$out"
			return 1
		}
	done
}

well_despite() { # FAULT [EXPECT]: four lights on one pCPU each two, from all on one
	write_scenario 40s all-on-one 'all = 5s cpu 45%' "${2-}" "$1"
	passes "$scenario" 2
}

said() { # how often that line is in the last run's output
	grep -cE "$1" "$out" || true
}

runs_on() { # [FAULT]: the program ran to the end and was told to stop
	grep '"event":"program_exit"' "$trace" | grep -q '"asked":true'
}

@test "the course's scenarios are passed, by the checker" {
	for file in "$scenarios"/cpu-*.scenario; do
		passes "$file" 2
	done
}

@test "other intervals do as well" {
	for interval in 0.5 1 3; do
		passes $scenarios/cpu-all-on-one.scenario "$interval"
		passes $scenarios/cpu-unpinned-mixed.scenario "$interval"
	done
}

@test "a log of --json goes through the policy again with the same result" {
	simulate 1 $scenarios/cpu-phase.scenario --json 2
	grep '^{' "$out" >"$BATS_TEST_TMPDIR/log"
	run ./vcpu_scheduler --replay "$BATS_TEST_TMPDIR/log"
	[ "$status" -eq 0 ]
	[[ "$output" == *"different=0"* ]]
	# And a decision that was another one is seen.
	sed 's/"vcpu":0,"to":[0-9]*/"vcpu":0,"to":77/' "$BATS_TEST_TMPDIR/log" >"$BATS_TEST_TMPDIR/other"
	run ./vcpu_scheduler --replay "$BATS_TEST_TMPDIR/other"
	[ "$status" -eq 1 ]
}

@test "a quiet tick is two calls of libvirt, whatever the number of guests" {
	printf '[scenario]\nkind = cpu\nlength = 30s\n[host]\nmemory = 64G\n[guests]\ncount = 40\npins = spread\n[timeline]\nall = 0s cpu 5%%\n' >"$scenario"
	simulate 1 "$scenario" 2
	# From 20 s to 25 s there are ticks at 20, 22 and 24. One call is about all guests, one about one in turn.
	[ "$(grep '"event":"call"' "$trace" | grep -c '"t_s":2[0-4][.,]')" -eq 6 ]
	[ "$(grep '"event":"call"' "$trace" | grep '"t_s":2[0-4][.,]' | grep -c virDomainGetVcpus)" -eq 3 ]
}

@test "somebody else's pins are told once and balanced again" {
	write_scenario 50s spread 'all = 5s cpu 45%' '' 'repin = all 20s 0'
	simulate 1 "$scenario" 2
	[ "$(said 'pinned by somebody else; going on from there')" -eq 6 ] # two were there already
	[ "$(said '^pin ')" -eq 6 ]
}

@test "with --respect-pins a guest that others pin is left alone" {
	write_scenario 50s none 'all = 5s cpu 45%' '' 'repin = 1-4 20s 0'
	simulate 1 "$scenario" --respect-pins 2
	local guest alone
	alone=$(sed -n 's/.*guest \(aos_vm[0-9]*\): .*leaving it alone/\1/p' "$out")
	[ -n "$alone" ]
	for guest in $alone; do
		[ "$(grep '"event":"pin".*"by":"program"' "$trace" | grep "\"$guest\"" | grep -cE '"t_s":[2-5][0-9]')" -eq 0 ]
	done
}

@test "--respect-pins keeps to the affinities found" {
	write_scenario 30s all-on-one 'all = 5s cpu 45%' '' ''
	simulate 1 "$scenario" --respect-pins 2
	[ "$(said '^pin ')" -eq 0 ]
}

@test "--restore-on-exit puts back what was found" {
	write_scenario 30s all-on-one 'all = 5s cpu 45%' '' ''
	simulate 1 "$scenario" --restore-on-exit 2
	[ "$(said '^pin ')" -eq 6 ]
	runs_on
	# Each of the six was pinned twice, the second time to pCPU 0.
	[ "$(grep '"event":"pin"' "$trace" | grep '"by":"program"' | tail -6 | grep -c '"affinity":"0"')" -eq 6 ]
}

@test "others' affinities of several pCPUs are seen as they are set" {
	write_scenario 40s none 'all = 5s cpu 2%' '' 'repin = 1 11s 0,1'
	simulate 1 "$scenario" --respect-pins 2
	[ "$(said 'guest aos_vm1: 1 of its vCPUs pinned by somebody else; leaving it alone')" -eq 1 ]
	# Not only at the next tick.
	write_scenario 30s all-on-one 'all = 5s cpu 45%' '' 'repin = 1 25s 0,1'
	simulate 1 "$scenario" 60
	[ "$(said 'guest aos_vm1: 1 of its vCPUs pinned by somebody else; going on from there')" -eq 1 ]
	[ "$(said '^tick=')" -eq 1 ]
}

simulate_in() { # DIR ARGS…: as simulate 1, with the state file in DIR
	local dir=$1
	shift
	# shellcheck disable=SC2016  # the inner shell's
	$sim -v --seed 1 --trace "$trace" "$scenario" -- sh -c 'RUNTIME_DIRECTORY=$0 exec ./vcpu_scheduler "$@"' \
		"$dir" "$@" >"$out" 2>&1
}

@test "--restore puts back what a run left, and forgets nothing that it could not" {
	local dir=$BATS_TEST_TMPDIR
	local state=$dir/vcpu_scheduler.state
	write_scenario 30s all-on-one 'all = 5s cpu 45%' '' ''
	simulate_in "$dir" 2
	[ "$(grep -c '"affinity": "0"' "$state")" -eq 6 ]
	simulate_in "$dir" -c qemu+unix:///system 2
	[ "$(said "$state has affinities of qemu:///system: 'vcpu_scheduler --connect qemu:///system --restore'")" -eq 1 ]
	simulate_in "$dir" -c qemu+unix:///system --dry-run 2 # looks, and has nothing to do with it
	[ "$(said '^tick=')" -gt 2 ]
	cp "$state" "$dir/before"
	write_scenario 30s all-on-one 'all = 5s cpu 45%' '' $'fail = virDomainLookupByUUID call 2\nfail = virDomainLookupByUUID call 7'
	simulate_in "$dir" --restore
	[ "$(said '^restored=5 gone=0 failed=1$')" -eq 1 ]
	[ "$(said '^vcpu_scheduler: guest [0-9a-f-]*: putting vCPU 0 back to 0: ')" -eq 1 ]
	cmp "$state" "$dir/before"
	# Of pCPUs that the host has no longer the others are left, or all.
	sed -i -e '0,/"affinity": "0"/s//"affinity": "0,9"/' "$state"
	write_scenario 30s all-on-one 'all = 5s cpu 45%' '' ''
	simulate_in "$dir" --restore
	[ "$(said '^restored=6 gone=0 failed=0$')" -eq 1 ]
	[ "$(said 'was on 0,9, and this host has pCPUs 0-3 only; put back to the others')" -eq 1 ]
	cp "$dir/before" "$state"
	sed -i '0,/"uuid": "..../s//"uuid": "0000/' "$state"
	write_scenario 30s all-on-one 'all = 5s cpu 45%' '' ''
	simulate_in "$dir" --restore
	[ "$(said '^restored=5 gone=1 failed=0$')" -eq 1 ]
	[ ! -e "$state" ]
}

@test "--dry-run --respect-pins keeps to what a run before found, not to its pins" {
	write_scenario 30s all-on-one 'all = 5s cpu 45%' '' ''
	simulate_in "$BATS_TEST_TMPDIR" 2
	simulate_in "$BATS_TEST_TMPDIR" --dry-run --respect-pins 2
	[ "$(said '^pin ')" -eq 0 ]
	sed -i 's/"affinity": "0"/"affinity": "0-3"/' "$BATS_TEST_TMPDIR/vcpu_scheduler.state"
	simulate_in "$BATS_TEST_TMPDIR" --dry-run --respect-pins 2
	[ "$(said '^pin ')" -gt 0 ]
}

@test "our own pins are known again, though their pCPU has gone" {
	write_scenario 40s all-on-one $'all = 5s cpu 45%\nall = 16s idle' '' $'offline = 2 20s-34s\nlibvirtd_restart = 24s 2s'
	simulate 1 "$scenario" --restore-on-exit 2
	[ "$(said '^pin .* to=2 ')" -gt 0 ]
	[ "$(said 'pinned by somebody else')" -eq 0 ]
	[ "$(grep '"event":"pin"' "$trace" | grep '"by":"program"' | tail -6 | grep -c '"affinity":"0"')" -eq 6 ]
}

@test "guests outside --guests and pCPUs outside --pcpus are left alone" {
	write_scenario 30s all-on-one 'all = 5s cpu 45%' '' ''
	simulate 1 "$scenario" --guests '*[1-4]' --pcpus 2-3 2
	[ "$(said '^pin guest=aos_vm[5-8]')" -eq 0 ]
	[ "$(said '^pin .* to=[01] ')" -eq 0 ]
	[ "$(said '^pin .* to=[23] ')" -eq 4 ]
}

@test "--exit-when-empty: exits once no guest runs that it manages, whoever else does" {
	write_scenario 40s spread $'all = 5s cpu 30%\nfirst-half = 15s stop' '' ''
	simulate 1 "$scenario" --exit-when-empty --guests '*[1-4]' 2
	[ "$(grep '"event":"program_exit"' "$trace" | grep -c '"t_s":1[5-7][.,].*"status":0')" -eq 1 ]
	# The others of the guests are managed, too; and these: they are only not known yet.
	simulate 1 "$scenario" --exit-when-empty 2
	runs_on
	write_scenario 40s spread 'all = 5s cpu 30%' '' 'fail = virDomainGetXMLDesc 100% internal_error 0s-15s'
	simulate 1 "$scenario" --exit-when-empty 2
	runs_on
	# Left alone is not managed.
	write_scenario 40s spread 'all = 5s cpu 30%' '' $'repin = all 15s 0\nrepin = all 17s 1'
	simulate 1 "$scenario" --exit-when-empty --respect-pins 2
	[ "$(grep '"event":"program_exit"' "$trace" | grep -c '"t_s":1[7-9][.,].*"status":0')" -eq 1 ]
}

@test "libvirtd restarts" {
	well_despite 'libvirtd_restart = 12s 3s'
	[ "$(said 'connected to .* again')" -eq 1 ]
}

@test "libvirtd restarts in the middle of the work" {
	well_despite 'libvirtd_restart = 6s 4s' 'balance_within = 15s'
}

@test "a connection dies in the middle of a reply, and a slow link" {
	well_despite 'cut = virConnectGetAllDomainStats every 5' 'balance_within = 20s'
	[ "$(said 'connected to .* again')" -ge 2 ]
	well_despite 'cut = virDomainPinVcpuFlags call 2' $'balance_within = 20s\nmoves = 12'
	well_despite 'link = 8K/s' 'balance_within = 20s'
	well_despite 'missing = vcpu.*.delay 3' 'balance_within = 20s'
}

@test "calls fail" {
	well_despite 'fail = virDomainPinVcpuFlags 30%' 'moves = 10'
	well_despite 'fail = virConnectGetAllDomainStats 30%' 'balance_within = 20s'
	well_despite 'fail = virDomainGetVcpuPinInfo 30%' $'balance_within = 20s\nmoves = 12'
	well_despite 'fail = virDomainGetXMLDesc 30%' $'balance_within = 20s\nmoves = 12'
}

# A load that grows while FAULT lasts, from 15 s on, makes moves of others necessary.
goes_on_beside() { # FAULT
	write_scenario 60s spread $'odd = 5s cpu 40%\neven = 5s cpu 20%\n7 = 25s cpu 90%' '' "$1"
	simulate 1 "$scenario" 2
	runs_on
}

ticks_between() { # FROM TO: how many decisions were reported in that time, in virtual seconds
	grep -E '"line":"tick=' "$trace" | sed 's/.*"t_s":\([0-9.]*\),.*/\1/' |
		awk -v from="$1" -v to="$2" '$1 >= from && $1 < to' | wc -l
}

@test "a guest whose QEMU has stopped holds up nobody else, and is named once" {
	goes_on_beside 'stopped = 3 15s-45s'
	[ "$(ticks_between 15 45)" -ge 13 ]
	[ "$(said 'does not answer')" -eq 1 ]
	[ "$(said 'guest aos_vm3 does not answer libvirtd')" -eq 1 ]
	[ "$(said 'all guests answer libvirtd again')" -eq 1 ]
	[ "$(said '^pin guest=aos_vm3 .*reason')" -le 1 ]
	# More of them at once than libvirtd serves calls of one client.
	goes_on_beside 'stopped = 1-6 15s-45s'
	[ "$(ticks_between 15 45)" -ge 11 ]
	[ "$(said 'does not answer libvirtd')" -eq 6 ]
}

@test "a guest that another operation holds is waited for once, not at each decision" {
	goes_on_beside 'held = 1-8 15s-50s'
	[ "$(ticks_between 15 50)" -ge 15 ]
	[ "$(said 'no answer within')" -ge 1 ]
	# A call that libvirtd gives up after 30 s is not repeated before.
	for guest in 1 2 3 4 5 6 7 8; do
		[ "$(grep -c "^pin guest=aos_vm$guest .*outcome=failed" "$out")" -le 2 ]
	done
	[ "$(grep -c '^pin .*spread' "$out")" -gt "$(grep -c '^pin .*outcome=failed' "$out")" ]
}

@test "a libvirtd that stands still: SIGTERM ends the program at once, and it goes on after" {
	goes_on_beside 'libvirtd_stops = 20s-500s'
	# The scenario's end is when it is told to stop.
	[ "$(sed -n 's/.*"t_s":\([0-9]*\).*"event":"program_exit".*/\1/p' "$trace")" -le 60 ]
	grep '"event":"program_exit"' "$trace" | grep -q '"status":0'
	goes_on_beside 'libvirtd_stops = 20s-40s'
	[ "$(ticks_between 20 40)" -le 1 ]
	[ "$(ticks_between 44 60)" -ge 7 ]
	[ "$(said 'reading the guests: no answer')" -eq 1 ]
}

@test "metrics are seen to be stale while the guests cannot be read" {
	local metrics=$BATS_TEST_TMPDIR/m.prom
	write_scenario 40s spread 'all = 5s cpu 30%' '' 'libvirtd_restart = 20s 1000s'
	simulate 1 "$scenario" --metrics "$metrics" 2
	grep -qx 'vcpu_scheduler_connected 0' "$metrics"
	# Clocks of the simulated host begin at 2026-01-01.
	[ "$(sed -n 's/^vcpu_scheduler_last_decision_timestamp_seconds \([0-9]*\).*/\1/p' "$metrics")" -le $((1767225600 + 20)) ]
	[ "$(sed -n 's/^vcpu_scheduler_ticks_lost_total //p' "$metrics")" -ge 9 ]
	run ! grep spread_percent "$metrics"
}

@test "whoever asks for one moment and cannot be shown it gets status 3" {
	write_scenario 10s spread '' '' 'fail = virConnectGetAllDomainStats 100%'
	simulate 1 "$scenario" --once 1
	grep -q '"event":"program_exit","status":3' "$trace"
	simulate 1 "$scenario" --explain
	grep -q '"event":"program_exit","status":3' "$trace"
}

@test "logs have no digits that nobody wrote" {
	simulate 1 $scenarios/cpu-phase.scenario --json 2
	[ "$(grep -cE '[0-9]\.[0-9]{11}' "$out")" -eq 0 ]
	run -0 ./vcpu_scheduler --replay "$out"
	[[ "$output" == *"different=0" ]]
}

@test "what cannot be put back at first is put back at the second try" {
	write_scenario 40s all-on-one 'all = 5s cpu 45%' '' 'fail = virDomainPinVcpuFlags call 1 operation_failed 40s'
	simulate 1 "$scenario" --restore-on-exit 2
	grep -q '"function":"virDomainPinVcpuFlags".*"outcome":"error"' "$trace"
	grep -q '"event":"program_exit","status":0,"asked":true' "$trace"
	[ "$(said 'putting vCPU')" -eq 0 ]
}

@test "wake-ups come late" {
	well_despite 'late = 30% 3s' 'balance_within = 20s'
}

@test "statistics come late: when they are from is known, so light loads are not taken for heavy ones" {
	for seed in $(seq 1 20); do
		write_scenario 28s none $'odd = 5s cpu 100%\neven = 5s cpu 40%' '' 'slow = 25% 800ms'
		simulate "$seed" "$scenario" 2
		runs_on
		[ "$(grep -c '^pin .*reason=\(relieve\|swap\)' "$out")" -eq 0 ] || echo "moved again: seed $seed"
	done >"$BATS_TEST_TMPDIR/moved"
	cat "$BATS_TEST_TMPDIR/moved"
	(($(wc -l <"$BATS_TEST_TMPDIR/moved") <= 1))
}

@test "a libvirt that does not tell delays" {
	well_despite 'missing = vcpu.*.delay'
}

@test "a pCPU goes offline and comes back" {
	write_scenario 60s spread 'all = 5s cpu 30%' '' 'offline = 3 15s-35s'
	simulate 1 "$scenario" 2
	runs_on
	# Its two guests got other pCPUs, and once it was back it got some again.
	[ "$(said '^pin .* to=3 ')" -ge 1 ]
	[ "$(grep -c 'verdict=' "$out")" -ge 29 ]
}

@test "a hundred random runs with faults: the program never ends by itself" {
	run ./sim_faults 100
	echo "$output"
	[ "$status" -eq 0 ]
}

@test "damaged logs are refused in one line or replayed as far as they go" {
	simulate 1 $scenarios/cpu-phase.scenario --json 2
	grep '^{' "$out" >"$BATS_TEST_TMPDIR/log"
	local size bytes=('"' '}' ':' '-' '9' 'e99' 'null' ',' '[')
	size=$(stat -c %s "$BATS_TEST_TMPDIR/log")
	for seed in $(seq 1 150); do
		RANDOM=$seed
		cp "$BATS_TEST_TMPDIR/log" "$BATS_TEST_TMPDIR/bad"
		printf %s "${bytes[RANDOM % 9]}" | dd of="$BATS_TEST_TMPDIR/bad" bs=1 conv=notrunc \
			seek=$((RANDOM * 32768 % size + RANDOM % 300)) status=none
		run --separate-stderr ./vcpu_scheduler --replay "$BATS_TEST_TMPDIR/bad"
		[ "$status" -le 2 ]
		# shellcheck disable=SC2154 # set by run
		[ "$status" -ne 2 ] || [ "${#stderr_lines[@]}" -eq 1 ]
	done
	# Cut off in the middle of a line: what is whole is replayed.
	head -c $((size / 2)) "$BATS_TEST_TMPDIR/log" >"$BATS_TEST_TMPDIR/cut"
	./vcpu_scheduler --replay "$BATS_TEST_TMPDIR/cut"
}
