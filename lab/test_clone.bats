#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Real micro guests restored from a golden one: each is somebody of its own, damage is seen, kills converge.

prefix=clonetest_vm

setup_file() {
	export LAB=$BATS_TEST_DIRNAME/lab CLONE=$BATS_TEST_DIRNAME/build/clone VIRSH_DEFAULT_CONNECT_URI=qemu:///system
	((EUID == 0)) || skip "needs root"
	"$LAB" setup >&2
	IMAGE=$("$LAB" image)
	export IMAGE
	# Golden guests of its own, and the image there is: QEMU must be able to read both.
	BALLAST_STATE=$(mktemp -d /var/tmp/ballast-clone.XXXXXX)
	export BALLAST_STATE
	chmod 0755 "$BALLAST_STATE"
	mkdir -p "$BALLAST_STATE/images"
	cp -a "$IMAGE" "$BALLAST_STATE/images/"
}

teardown_file() {
	[[ ${BALLAST_STATE:-} == /var/tmp/ballast-clone.* ]] || return 0
	"$LAB" down --prefix $prefix
	rm -rf "$BALLAST_STATE"
}

up() { "$LAB" up --prefix $prefix --guests 2 --maximum 1G --memory 256M; }

in_guest() { "$CLONE" --timeout 30s exec "$@"; }

# No domain's name matches.
gone() {
	run grep -E "$1" <<<"$(virsh list --all --name)"
	[ "$status" -eq 1 ]
}

# Sets golden: the folder of the one golden guest.
golden() {
	golden=$(echo "$BALLAST_STATE"/golden/micro-*)
	[ -f "$golden/digest" ]
}

@test "the first up makes a golden guest, and its clones are guests of their own" {
	run up
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *"booting a golden guest"* && $output != *"not restored"* ]]
	golden
	for i in 1 2; do
		[ "$(in_guest $prefix$i /bin/hostname)" = "$prefix$i" ]
		uuid=$(virsh domuuid $prefix$i | tr -d '\n-')
		[ "$(in_guest $prefix$i /bin/cat /etc/machine-id)" = "$uuid" ]
		# What the guest calls now lies between two readings of the host's clock.
		before=$(date +%s)
		now=$(in_guest $prefix$i /bin/date +%s)
		((now >= before - 1 && now <= $(date +%s) + 1))
		virsh dumpxml $prefix$i | grep -q "$BALLAST_STATE/guests/$prefix$i/serial.log"
	done
	[ "$(virsh list --persistent --name | grep -c "^$prefix")" -eq 2 ]
	# Nobody but the two is left, and no pipe.
	gone '^golden-'
	[ -z "$(find "$BALLAST_STATE" -name incoming)" ]
}

@test "what is defined is what a guest that was booted would have" {
	virsh dumpxml --inactive ${prefix}1 >"$BATS_TEST_TMPDIR/clone.xml"
	"$LAB" down --prefix $prefix
	"$LAB" up --fresh --prefix $prefix --guests 1 --maximum 1G --memory 256M
	virsh dumpxml --inactive ${prefix}1 >"$BATS_TEST_TMPDIR/booted.xml"
	diff "$BATS_TEST_TMPDIR/clone.xml" "$BATS_TEST_TMPDIR/booted.xml"
	"$LAB" down --prefix $prefix
}

@test "the balloon works in a clone, and its statistics are fresh" {
	run up
	[ "$status" -eq 0 ]
	[[ $output != *"booting a golden guest"* && $output != *"not restored"* ]]
	virsh setmem ${prefix}1 300M --live
	for ((i = 0; i < 100; i++)); do
		actual=$(virsh dommemstat ${prefix}1 | awk '$1 == "actual" { print $2 }')
		((actual != 300 * 1024)) || break
		sleep 0.1
	done
	[ "$actual" -eq $((300 * 1024)) ]
	before=$(virsh dommemstat ${prefix}1 | awk '$1 == "last_update" { print $2 }')
	for ((i = 0; i < 100; i++)); do
		after=$(virsh dommemstat ${prefix}1 | awk '$1 == "last_update" { print $2 }')
		((after <= before)) || break
		sleep 0.1
	done
	[ "$after" -gt "$before" ]
}

@test "the golden guest is never written" {
	golden
	before=$(sha256sum <"$golden/ram")
	"$LAB" down --prefix $prefix
	up
	[ "$before" = "$(sha256sum <"$golden/ram")" ]
}

@test "a copy of the save file does where a pipe does not" {
	golden
	virsh destroy ${prefix}1
	before=$(sha256sum <"$golden/ram")
	"$CLONE" --copy restore "$golden" "$BALLAST_STATE/guests" ${prefix}1
	[ "$(in_guest ${prefix}1 /bin/hostname)" = "${prefix}1" ]
	[ ! -e "$BALLAST_STATE/guests/${prefix}1/incoming" ]
	[ "$before" = "$(sha256sum <"$golden/ram")" ]
}

@test "a guest of another kind is refused" {
	golden
	"$LAB" down --prefix $prefix
	"$LAB" up --fresh --prefix $prefix --guests 1 --vcpus 2 --maximum 1G --memory 256M
	virsh destroy ${prefix}1
	run "$CLONE" restore "$golden" "$BALLAST_STATE/guests" ${prefix}1
	[ "$status" -eq 1 ]
	[ "$(virsh domstate ${prefix}1)" = "shut off" ]
	"$LAB" down --prefix $prefix
}

@test "a damaged golden guest is noticed and made anew" {
	golden
	size=$(stat -c %s "$golden/ram")
	printf '\x5a' | dd of="$golden/ram" bs=1 seek=$((size / 2)) conv=notrunc status=none
	run "$CLONE" inspect "$golden"
	[ "$status" -eq 1 ]
	run up
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *"contents changed"* && $output == *"making it anew"* ]]
	"$CLONE" inspect "$golden"
	[ "$(in_guest ${prefix}2 /bin/hostname)" = "${prefix}2" ]
	"$LAB" down --prefix $prefix
}

@test "killed while it makes a golden guest: the next down leaves nothing" {
	"$LAB" down --prefix $prefix
	rm -rf "$BALLAST_STATE/golden"
	setsid "$LAB" up --prefix $prefix --guests 1 --maximum 1G --memory 256M >/dev/null 2>&1 3>&- &
	victim=$!
	for ((i = 0; i < 300; i++)); do
		! virsh list --name | grep -q '^golden-' || break
		sleep 0.1
	done
	kill -9 -- -$victim
	wait $victim || true
	"$LAB" down --prefix $prefix
	gone "^golden-|^$prefix"
	[ -z "$(ls -A "$BALLAST_STATE/guests")" ]
	[ -z "$(ls -A "$BALLAST_STATE/golden" 2>/dev/null)" ]
}
