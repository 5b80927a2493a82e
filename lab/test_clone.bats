#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Real micro guests restored from a golden one: each is somebody of its own, damage is seen, kills converge.

prefix=clonetest_vm

setup_file() {
	export LAB=$BATS_TEST_DIRNAME/ballast CLONE=$BATS_TEST_DIRNAME/build/clone VIRSH_DEFAULT_CONNECT_URI=qemu:///system
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
	# Whether KVM works is known already.
	cp -a "${IMAGE%/images/*}/cache" "$BALLAST_STATE/"
	# Somebody else's guest, beside all that happens here.
	virsh -q create /dev/stdin <<-XML
		<domain type='qemu'><name>foreign_$prefix</name><memory unit='MiB'>32</memory><vcpu cpuset='0'>1</vcpu>
		<os><type arch='x86_64'>hvm</type></os><devices><memballoon model='virtio'/></devices></domain>
	XML
	foreign >"$BALLAST_STATE/foreign"
}

# All that can be told of somebody else's guest.
foreign() {
	virsh dumpxml foreign_$prefix
	virsh vcpupin foreign_$prefix
	virsh emulatorpin foreign_$prefix
	virsh domstate foreign_$prefix
	virsh dommemstat foreign_$prefix | grep actual
}

teardown_file() {
	[[ ${BALLAST_STATE:-} == /var/tmp/ballast-clone.* ]] || return 0
	"$LAB" down --prefix $prefix
	"$LAB" down --prefix second_$prefix
	virsh -q destroy foreign_$prefix
	rm -rf "$BALLAST_STATE"
}

up() { "$LAB" up --prefix $prefix --guests 2 --maximum 1G --memory 256M; }

in_guest() { "$CLONE" --timeout 30s exec "$@"; }

# No domain that has files in this test's state has a name that matches. Others may be making golden guests too.
gone() {
	for name in $(virsh list --all --name | grep -E "$1" || true); do
		! virsh dumpxml "$name" | grep -q "$BALLAST_STATE/" || return
	done
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
		((now >= before - 2 && now <= $(date +%s) + 2)) # set from a clock that counts seconds
		# What libvirt tells of its balloon is what it has; QEMU says so once a second.
		for ((t = 0; t < 50; t++)); do
			told=$(virsh domstats --balloon "$prefix$i" | sed -n 's/.*balloon.current=//p')
			((told != 256 * 1024)) || break
			sleep 0.1
		done
		[ "$told" -eq $((256 * 1024)) ]
		virsh dumpxml $prefix$i | grep -q "$BALLAST_STATE/guests/$prefix$i/serial.log"
	done
	[ "$(virsh list --persistent --name | grep -c "^$prefix")" -eq 2 ]
	# Nor do they share random numbers.
	[ "$(in_guest ${prefix}1 /bin/cat /proc/sys/kernel/random/uuid)" != \
		"$(in_guest ${prefix}2 /bin/cat /proc/sys/kernel/random/uuid)" ]
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

@test "a golden guest that is cut short, or whose digest is, is refused before any guest is touched" {
	golden
	mkdir "$BALLAST_STATE/broken"
	cp --reflink=auto "$golden"/{ram,digest} "$BALLAST_STATE/broken/"
	truncate -s -100000 "$BALLAST_STATE/broken/ram"
	run "$CLONE" restore "$BALLAST_STATE/broken" "$BALLAST_STATE/guests" ${prefix}1
	[ "$status" -eq 1 ]
	[[ $output == *"was saved with"* ]]
	cp --reflink=auto "$golden/ram" "$BALLAST_STATE/broken/ram"
	: >"$BALLAST_STATE/broken/digest"
	run "$CLONE" restore "$BALLAST_STATE/broken" "$BALLAST_STATE/guests" ${prefix}1
	[ "$status" -eq 1 ]
	[[ $output == *"not of the form"* ]]
	rm -r "$BALLAST_STATE/broken"
}

@test "up again on a healthy lab makes no call that changes anything" {
	up
	# libvirt's client writes down every call of its public functions.
	LIBVIRT_LOG_FILTERS=1:libvirt LIBVIRT_LOG_OUTPUTS="1:file:$BATS_TEST_TMPDIR/calls" up
	grep -oE ' vir[A-Z][A-Za-z]+:[0-9]+ ' "$BATS_TEST_TMPDIR/calls" | tr -d ' ' | cut -d: -f1 | sort -u >"$BATS_TEST_TMPDIR/names"
	grep -q virDomainLookupByName "$BATS_TEST_TMPDIR/names"
	run grep -vE '^(virConnect|virGlobal|virRegister|virEvent)|^virDomain(Free|Get|Is|Lookup|QemuAgentCommand)' \
		"$BATS_TEST_TMPDIR/names"
	echo "$output"
	[ "$output" = "" ]
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

@test "a golden guest whose state was taken away from under it is swept up by whoever comes next" {
	lost=$(mktemp -d "$BALLAST_STATE/lost.XXXXXX") # where QEMU can read
	chmod 0755 "$lost"
	cp -a "$BALLAST_STATE"/{images,cache} "$lost/"
	BALLAST_STATE=$lost setsid "$LAB" up --prefix $prefix --guests 1 --maximum 1G --memory 256M >/dev/null 2>&1 3>&- &
	victim=$!
	for ((i = 0; i < 300; i++)); do
		name=$(virsh list --name | grep '^golden-' || true)
		[[ ! $name ]] || ! virsh dumpxml "$name" | grep -q "$lost/" || break
		sleep 0.1
	done
	kill -9 -- -$victim
	wait $victim || true
	"$LAB" down --prefix $prefix
	virsh domstate "$name" # somebody else's state, as far as one can see
	rm -rf "$lost"
	"$LAB" down --prefix $prefix
	run virsh domstate "$name"
	[ "$status" -ne 0 ]
}

@test "two at once share one golden guest: one makes it, the other waits for it" {
	rm -rf "$BALLAST_STATE/golden"
	up >"$BATS_TEST_TMPDIR/first" 2>&1 3>&- &
	"$LAB" up --prefix second_$prefix --guests 1 --maximum 1G --memory 256M >"$BATS_TEST_TMPDIR/second" 2>&1
	wait $!
	cat "$BATS_TEST_TMPDIR"/{first,second}
	[ "$(cat "$BATS_TEST_TMPDIR"/{first,second} | grep -c '^booting a golden guest')" -eq 1 ]
	[ "$(cat "$BATS_TEST_TMPDIR"/{first,second} | grep -c '^waiting for another lab command')" -eq 1 ]
	gone '^golden-'
	[ "$(in_guest second_${prefix}1 /bin/hostname)" = "second_${prefix}1" ]
	[ "$(in_guest ${prefix}2 /bin/hostname)" = "${prefix}2" ]
	"$LAB" down --prefix second_$prefix
	"$LAB" down --prefix $prefix
}

@test "a clone that was left before it was somebody of its own is replaced" {
	up
	[ -z "$(find "$BALLAST_STATE/guests" -name restoring)" ]
	touch "$BALLAST_STATE/guests/${prefix}2/restoring" # as if killed then
	run up
	echo "$output"
	[[ $output == *"taking down ${prefix}2: not what is wanted now"* && $output =~ ${prefix}1\ +was\ up ]]
	[ -z "$(find "$BALLAST_STATE/guests" -name restoring)" ]
	"$LAB" down --prefix $prefix
}

# Kills a lab command after a while, with all that it started itself.
killed_after() {
	local wait_s=$1 victim
	shift
	setsid "$LAB" "$@" >/dev/null 2>&1 3>&- &
	victim=$!
	sleep "$wait_s"
	kill -9 -- -$victim || true
	wait $victim || true
}

# BALLAST_KILLS=100 kills that often.
@test "killed at any moment of going up or down: the next up converges, the next down leaves nothing" {
	kills=${BALLAST_KILLS:-3}
	RANDOM=${BALLAST_SEED:-$((RANDOM))}
	for ((i = 0; i < kills; i++)); do
		wait_s=$((RANDOM % 3)).$((RANDOM % 10))
		echo "up killed after $wait_s s"
		killed_after $wait_s up --prefix $prefix --guests 2 --maximum 1G --memory 256M
		up
		for n in 1 2; do
			[ "$(in_guest $prefix$n /bin/hostname)" = "$prefix$n" ]
		done
		wait_s=0.$((RANDOM % 10))
		echo "down killed after $wait_s s"
		killed_after $wait_s down --prefix $prefix
		"$LAB" down --prefix $prefix
		[ "$("$LAB" residue --prefix $prefix)" = "" ]
	done
	[ -z "$(find "$BALLAST_STATE" -name incoming)" ]
}

@test "QEMU killed, libvirtd killed: the next up converges, the next down leaves nothing" {
	run "$BATS_TEST_DIRNAME/test_killed" "${BALLAST_KILLS:-1}"
	echo "$output"
	[ "$status" -eq 0 ]
}

@test "a full disk: guests are booted instead, and nothing half done stays" {
	small=$BALLAST_STATE/small # where QEMU can read
	mkdir "$small"
	mount -t tmpfs -o size=$(($(du -sk "$BALLAST_STATE/images" | cut -f1) + 20480))k,mode=755 none "$small"
	cp -a "$BALLAST_STATE"/{images,cache} "$small/"
	BALLAST_STATE=$small run "$LAB" up --prefix $prefix --guests 1 --maximum 1G --memory 256M
	echo "$output"
	found=$(find "$small/golden" -mindepth 1)
	BALLAST_STATE=$small "$LAB" down --prefix $prefix
	umount "$small"
	rmdir "$small"
	[ "$status" -eq 0 ]
	[[ $output == *"cannot be saved"*"no golden guest could be made: guests are booted"* ]]
	[ "$found" = "" ]
}

@test "somebody else's guest is what it was" {
	foreign | diff "$BALLAST_STATE/foreign" -
}
