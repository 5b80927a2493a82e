#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The debian flavour on real guests: built, booted once, cloned; and a scenario of each kind, short ones, run and
# judged on its clones. The first time on a machine the image takes a minute, its golden guest another.

setup_file() {
	export LAB=$BATS_TEST_DIRNAME/ballast CLONE=$BATS_TEST_DIRNAME/build/clone VIRSH_DEFAULT_CONNECT_URI=qemu:///system
	export CI=$BATS_TEST_DIRNAME/../ci BALLAST_IMAGE=debian
	((EUID == 0)) || skip "needs root"
	export prefix=debian$$_vm
	"$LAB" setup --image debian >&2
	make -s -C "$CI" all >&2
}

teardown_file() {
	((EUID != 0)) || "$LAB" down --prefix "$prefix"
}

in_guest() { "$CLONE" --timeout 60s exec "$@"; }

@test "clones of a guest that cloud-init has set up, each somebody of its own" {
	run "$LAB" up --image debian --prefix "$prefix" --guests 2
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output != *"not restored"* && $output != *errors* && $output != *degraded* ]]
	for i in 1 2; do
		[[ $output =~ $prefix$i\ +[0-9.]+\ s ]]
		[ "$(in_guest "$prefix$i" /bin/hostname)" = "$prefix$i" ]
		[ "$(in_guest "$prefix$i" /bin/cat /etc/machine-id)" = "$(virsh domuuid "$prefix$i" | tr -d '\n-')" ]
		# What the guest calls now lies between two readings of the host's clock.
		before=$(date +%s)
		now=$(in_guest "$prefix$i" /bin/date +%s)
		((now >= before - 2 && now <= $(date +%s) + 2)) # set from a clock that counts seconds
	done
	[[ $(in_guest "${prefix}1" /usr/bin/cloud-init status) == *"status: done"* ]]
	[ "$(in_guest "${prefix}1" /bin/systemctl --failed --no-legend)" = "" ]
	[ "$(in_guest "${prefix}1" /bin/cat /proc/sys/kernel/random/uuid)" != \
		"$(in_guest "${prefix}2" /bin/cat /proc/sys/kernel/random/uuid)" ]
	# Each writes on a disk of its own.
	in_guest "${prefix}1" /bin/sh -c 'echo one >/root/mine && sync'
	in_guest "${prefix}2" /bin/sh -c '[ ! -e /root/mine ]'
}

# Plays a short scenario with this tree's program and judges it.
judged() {
	local scenario=$CI/testdata/$1.scenario program=$2 checker=$3 status=0
	"$LAB" run --prefix "$prefix" --trace "$BATS_TEST_TMPDIR/trace" "$scenario" -- "$program" 1
	verdict=$("$CI/build/$checker" --text "$BATS_TEST_TMPDIR/trace" "$scenario") || status=$?
	echo "$verdict"
	((status != 3)) || skip "$(sed -n 's/^  cannot judge: //p' <<<"$verdict"): $(grep -m 1 unjudged <<<"$verdict")"
	((status == 0))
}

@test "a CPU scenario passes on its clones" {
	judged cpu-short "$CI/../cpu/vcpu_scheduler" check_cpu
}

@test "a memory scenario passes on its clones" {
	judged mem-short "$CI/../memory/memory_coordinator" check_memory
}
