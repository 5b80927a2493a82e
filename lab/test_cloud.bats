#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# A cloud image with a loader of its own and without the agent, booted, set up by cloud-init and cloned. Making
# and emulating it takes minutes, so that part runs with BALLAST_SLOW=1 only; what is refused is always tested.

setup_file() {
	export LAB=$BATS_TEST_DIRNAME/ballast CLONE=$BATS_TEST_DIRNAME/build/clone VIRSH_DEFAULT_CONNECT_URI=qemu:///system
	((EUID == 0)) || skip "needs root"
	export prefix=cloudtest$$_vm
	BALLAST_STATE=$(mktemp -d /var/tmp/ballast-cloud.XXXXXX)
	export BALLAST_STATE
	chmod 0755 "$BALLAST_STATE"
	# Whether KVM works is known already.
	mkdir "$BALLAST_STATE/cache"
	cp /var/lib/ballast/cache/kvm-* "$BALLAST_STATE/cache/" 2>/dev/null || true
	export disk=$BALLAST_STATE/disk.img
	truncate -s 8M "$disk"
	printf '\xf4' | dd of="$disk" bs=1 conv=notrunc status=none # halts: a loader, as far as can be seen
	printf '\x55\xaa' | dd of="$disk" bs=1 seek=510 conv=notrunc status=none
	"$LAB" setup --image "$disk" >&2 # with what such an image needs
}

teardown_file() {
	[[ ${BALLAST_STATE:-} == /var/tmp/ballast-cloud.* ]] || return 0
	"$LAB" down --prefix "$prefix"
	rm -rf "$BALLAST_STATE"
}

need() { command -v "$1" >/dev/null || skip "$1 is not installed"; }

in_guest() { "$CLONE" --timeout 60s exec "$@"; }

@test "a disk that boots to nothing: exit 3, what the matter may be, nothing left" {
	run "$LAB" up --image "$disk" --prefix "$prefix" --guests 2 --memory 256M --timeout 4
	echo "$output"
	[ "$status" -eq 3 ]
	[[ $output == *"cannot be looked into"* && $output == *"is not ready after"* ]]
	[[ $output == *"a cloud image gets its agent from cloud-init"* ]]
	# One guest was tried, not one after the other.
	[ "$(grep -c 'is not ready' <<<"$output")" -eq 1 ]
	[ -z "$("$LAB" residue --prefix "$prefix")" ]
	[ -z "$(find "$BALLAST_STATE"/{guests,golden} -mindepth 1)" ]
}

@test "a real cloud image: agent and stress-ng from the seed disk, the user's user-data, clones of their own" {
	[[ ${BALLAST_SLOW:-} ]] || skip "takes about five minutes: BALLAST_SLOW=1 runs it"
	need mmdebstrap
	need grub-mkimage
	"$BATS_TEST_DIRNAME/test_cloud_image" "$BALLAST_STATE/real.qcow2" >&2
	cat >"$BATS_TEST_TMPDIR/mine" <<-'EOT'
		#cloud-config
		write_files: [{path: /etc/mine, content: "written by the user\n"}]
		runcmd: [[sh, -c, 'echo run by the user >/etc/mine-too']]
	EOT
	run "$LAB" up --image "$BALLAST_STATE/real.qcow2" --prefix "$prefix" --guests 2 --user-data "$BATS_TEST_TMPDIR/mine"
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *"fetching qemu-guest-agent stress-ng"* && $output != *"not restored"* && $output != *errors* ]]
	[[ $output =~ ${prefix}2\ +[0-9.]+\ s ]]
	for i in 1 2; do
		[ "$(in_guest "$prefix$i" /bin/hostname)" = "$prefix$i" ]
		[ "$(in_guest "$prefix$i" /bin/cat /etc/machine-id)" = "$(virsh domuuid "$prefix$i" | tr -d '\n-')" ]
		[[ $(in_guest "$prefix$i" /usr/bin/cloud-init status) == *done* ]]
		[[ $(in_guest "$prefix$i" /usr/bin/stress-ng --version) == *"stress-ng, version"* ]]
		[ "$(in_guest "$prefix$i" /bin/cat /etc/mine /etc/mine-too)" = $'written by the user\nrun by the user' ]
	done
	# Keys are made in the background: they are waited for, as a user of them would.
	for i in 1 2; do
		for ((t = 0; t < 120; t++)); do
			keys=$(in_guest "$prefix$i" /bin/sh -c 'cat /etc/ssh/ssh_host_*.pub' || true)
			(($(grep -c ^ <<<"$keys") < 3)) || break
			sleep 0.5
		done
		cut -d' ' -f2 <<<"$keys" >"$BATS_TEST_TMPDIR/keys$i"
		[ "$(wc -l <"$BATS_TEST_TMPDIR/keys$i")" -eq 3 ]
	done
	[ -z "$(comm -12 <(sort "$BATS_TEST_TMPDIR/keys1") <(sort "$BATS_TEST_TMPDIR/keys2"))" ]
}

@test "what cloud-init could not do is shown with its reasons" {
	[[ ${BALLAST_SLOW:-} && -e $BALLAST_STATE/real.qcow2 ]] || skip "goes with the test before: BALLAST_SLOW=1"
	"$LAB" down --prefix "$prefix"
	printf '#cloud-config\nruncmd: [[sh, -c, "exit 7"]]\n' >"$BATS_TEST_TMPDIR/bad"
	run "$LAB" up --image "$BALLAST_STATE/real.qcow2" --prefix "$prefix" --guests 1 --fresh \
		--user-data "$BATS_TEST_TMPDIR/bad"
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *"cloud-init reports errors"*"scripts"* || $output == *degraded* ]]
}
