#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The lab on real guests: up, again, down, what is left, and what it refuses.
# shellcheck disable=SC2016  # texts for other shells
# shellcheck disable=SC2030,SC2031,SC2086  # a state folder per test; the prefix is one word

setup_file() {
	export LAB=$BATS_TEST_DIRNAME/ballast VIRSH_DEFAULT_CONNECT_URI=qemu:///system
	export BALLAST_STATE=${BALLAST_STATE:-/var/lib/ballast}
	((EUID == 0)) || skip "needs root"
	"$LAB" setup >&2
	"$LAB" image >&2
	# A state folder of its own, where guests' QEMUs can read; and a prefix, for there may be another run.
	SCRATCH=$(mktemp -d /var/tmp/ballast-test.XXXXXX)
	prefix=lt${SCRATCH##*.}_vm
	export SCRATCH prefix
	chmod 0755 "$SCRATCH"
}

teardown_file() {
	[[ ${SCRATCH:-} ]] || return 0
	"$LAB" down --prefix $prefix
	virsh -q undefine ${prefix}9 2>/dev/null || true
	rm -rf "$SCRATCH" "$BALLAST_STATE/locks/$prefix"
}

# A copy of the lab's scripts whose inputs may be changed.
copy_lab() {
	local to=$1
	mkdir -p "$to/lab" "$to/workloads/build"
	cp -r "$BATS_TEST_DIRNAME"/{ballast,*.bash,guest.xml,packages*,images} "$to/lab/"
	mkdir -p "$to/lab/build"
	cp "$BATS_TEST_DIRNAME"/build/{guests,clone,become} "$to/lab/build/"
	cp -r "$BATS_TEST_DIRNAME/../workloads/build/guest" "$to/workloads/build/"
}

# Bats does not fail at a command that begins with !.
gone() { if "$@"; then return 1; fi; }

# Fails unless the last run left with this status and exactly one line, which holds the text.
refused() {
	local want_status=$1 text=$2
	[[ $status -eq $want_status && $output == *"$text"* && ${#lines[@]} -eq 1 ]] || {
		echo "status $status, want $want_status with one line about '$text':"
		echo "$output"
		return 1
	}
}

@test "setup changes nothing the second time" {
	before=$(stat -c %Y /var/lib/dpkg/status)
	run "$LAB" setup
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	[ "$before" = "$(stat -c %Y /var/lib/dpkg/status)" ]
}

@test "setup without root: the packages, what for, and how; exit 3" {
	copy_lab "$SCRATCH/needy"
	echo 'ballast-no-such-package a reason' >>"$SCRATCH/needy/lab/packages"
	mkdir "$SCRATCH/bin"
	# A path without sudo.
	for tool in bash sed grep cut sort comm dpkg-query tr cat head uname readlink dirname find; do
		ln -s "$(command -v $tool)" "$SCRATCH/bin/$tool"
	done
	run env PATH="$SCRATCH/bin" "$(command -v setpriv)" --reuid 65534 --clear-groups "$SCRATCH/needy/lab/ballast" setup
	echo "$output"
	[ "$status" -eq 3 ]
	[[ $output == *"ballast-no-such-package: a reason"*"needs root: apt-get install ballast-no-such-package"* ]]
}

@test "setup --packages needs neither root nor libvirtd" {
	copy_lab "$SCRATCH/plain"
	run unshare -m sh -c 'mount -t tmpfs none /run/libvirt && exec setpriv --reuid 65534 --clear-groups "$0" setup --packages' \
		"$SCRATCH/plain/lab/ballast"
	echo "$output"
	[ "$status" -eq 0 ]
	[ -z "$output" ]
}

@test "no libvirtd: one line that says what to run, exit 3" {
	for command in "up --prefix $prefix" "down --prefix $prefix" status; do
		# shellcheck disable=SC2086  # words
		run unshare -m sh -c "mount -t tmpfs none /run/libvirt && exec \"\$0\" $command" "$LAB"
		refused 3 "libvirtd does not answer: run"
	done
}

@test "a daemon that setup starts keeps no file of its caller's open" {
	bash -c 'source "$0"; exec 9>"$1"; (without_files sh -c "test ! -e /proc/self/fd/9") && test -e /proc/self/fd/9' \
		"$BATS_TEST_DIRNAME/setup.bash" "$SCRATCH/held"
}

@test "without systemd orphans are reaped at once, by a process that ends with the last of them" {
	reaper=$BATS_TEST_DIRNAME/build/reaper
	run "$reaper" sh -c 'exit 7'
	[ "$status" -eq 7 ]
	run "$reaper" /nonexistent
	refused 2 "/nonexistent"
	mkfifo "$SCRATCH/orphan"
	# A daemon with a daemonised child that ends when it is told to.
	"$reaper" sh -c 'timeout 60 sh -c "echo \$PPID >\"$0\"; read -r _ <\"$0\"" 3>&- & exit 0' "$SCRATCH/orphan" 3>&- &
	orphan=$(timeout 60 cat "$SCRATCH/orphan")
	wait $!
	parent=$(awk '{ print $4 }' "/proc/$orphan/stat")
	[ "$(cat "/proc/$parent/comm")" = reaper ]
	timeout 60 sh -c 'echo end >"$0"' "$SCRATCH/orphan"
	for _ in {1..100}; do
		[[ -e /proc/$orphan || -e /proc/$parent ]] || break
		sleep 0.1
	done
	gone test -e "/proc/$orphan"
	# The reaper is an orphan itself: here it may stay a zombie until process 1 finds it.
	[[ ! -e /proc/$parent || $(awk '{ print $3 }' "/proc/$parent/stat") == Z ]]
}

# with_kvm MODE GROUP COMMAND…: where /dev/kvm has these, and no udev runs.
with_kvm() {
	mkdir -p "$SCRATCH/kvm"
	# shellcheck disable=SC2016  # expanded by the inner shell
	unshare --mount sh -c 'mount -t tmpfs -o dev tmpfs "$1" && cp -a /dev/kvm "$1/kvm" &&
		chmod "$2" "$1/kvm" && chgrp "$3" "$1/kvm" && mount --bind "$1/kvm" /dev/kvm || exit
		[ ! -d /run/udev ] || mount -t tmpfs tmpfs /run/udev || exit
		shift 3; "$@"; status=$?; stat -c "kvm is %G %a" /dev/kvm; exit $status' sh "$SCRATCH/kvm" "$@"
}

@test "a /dev/kvm as the kernel made it is given to its group where no udev does; any other is named and left" {
	[ -e /dev/kvm ] || skip "no /dev/kvm here"
	run with_kvm 600 root "$LAB" doctor
	[ "$status" -eq 1 ]
	[[ $output == *"BAD   KVM: /dev/kvm is closed to libvirt-qemu"*"chgrp kvm /dev/kvm; chmod 660 /dev/kvm"* ]]
	run with_kvm 600 root "$LAB" setup
	[ "$status" -eq 0 ]
	[[ $output == *"giving /dev/kvm to the group kvm"*"kvm is kvm 660" ]]
	run with_kvm 640 daemon "$LAB" setup
	[ "$status" -eq 0 ]
	[[ $output == *"/dev/kvm is closed to libvirt-qemu"*"kvm is daemon 640" ]]
}

@test "doctor says ok or how to mend it, a line per need" {
	run "$LAB" doctor
	[ "${#lines[@]}" -ge 7 ]
	for line in "${lines[@]}"; do
		[[ $line == "ok    "* || $line == "BAD   "*:* ]]
	done
	[[ $output == *"ok    packages"* ]]
}

@test "help and version" {
	run "$LAB" --version
	[[ $status -eq 0 && $output =~ ^ballast\ \(Ballast\)\ [0-9.]+$ ]]
	run "$LAB" --help
	[[ $status -eq 0 && $output == "usage: ballast "* ]]
	run "$BATS_TEST_DIRNAME/build/guests" --help
	[[ $status -eq 0 && $output == "usage: guests "* ]]
}

@test "bad input: one line that names it, exit 2, nothing made" {
	run "$LAB" up --guests 0
	refused 2 "--guests '0'"
	run "$LAB" up --guests 08x
	refused 2 "--guests '08x'"
	run "$LAB" up --guests 99999999999
	refused 2 "99999999999"
	run "$LAB" up --vcpus -1
	refused 2 "--vcpus '-1'"
	run "$LAB" up --memory lots
	refused 2 "--memory 'lots'"
	run "$LAB" up --memory 64M
	refused 2 "--memory '64M'"
	run "$LAB" up --memory 1G --maximum 512M
	refused 2 "--maximum '512M'"
	run "$LAB" up --prefix '../x'
	refused 2 "prefix '../x'"
	run "$LAB" up --prefix vm7
	refused 2 "must not end with a digit"
	run "$LAB" up --image floppy
	refused 2 "there is no image flavour 'floppy'"
	run "$LAB" up --image /nonexistent.img
	refused 2 "/nonexistent.img"
	run "$LAB" up --frobnicate 1
	refused 2 "--frobnicate"
	run "$LAB" up --guests
	refused 2 "--guests needs a value"
	run "$LAB" frobnicate
	refused 2 "frobnicate"
	run "$LAB" run
	refused 2 "which scenario"
	run "$LAB" run /nonexistent.scenario
	refused 2 "/nonexistent.scenario"
	run "$LAB" run --world moon "$BATS_TEST_FILENAME"
	refused 2 "moon"
	run "$LAB" run "$BATS_TEST_FILENAME" -- /nonexistent
	refused 2 "/nonexistent"
	run "$LAB" run "$BATS_TEST_FILENAME" --
	refused 2 "which program"
	run "$BATS_TEST_DIRNAME/build/guests" --count 0 list
	refused 2 "--count 0"
	run "$BATS_TEST_DIRNAME/build/guests" frobnicate
	refused 2 "frobnicate"
	run "$BATS_TEST_DIRNAME/build/guests"
	refused 2 "which command"
	run "$LAB" down --everything
	refused 2 "--everything"
	run "$LAB" up --prefix $prefix --guests 900 --memory 100G --maximum 100G
	refused 2 "too little memory"
	[ -z "$("$LAB" residue --prefix $prefix)" ]
}

@test "guests come up persistent, tagged, with agent and balloon" {
	run "$LAB" up --prefix $prefix --guests 2 --memory 384M
	echo "$output"
	[ "$status" -eq 0 ]
	for i in 1 2; do
		[[ $output =~ ${prefix}$i\ +[0-9.]+\ s ]]
		[ "$(virsh -q dominfo $prefix$i | awk '/^Persistent:/ { print $2 }')" = yes ]
		[[ $(virsh metadata $prefix$i urn:ballast:lab:1) == *'image="micro"'* ]]
		virsh -q qemu-agent-command $prefix$i '{"execute":"guest-ping"}'
		xml=$(virsh dumpxml $prefix$i)
		[[ $xml == *"freePageReporting='on'"* && $xml == *"<stats period='1'/>"* ]]
		[[ $xml == *"<memory unit='KiB'>2097152<"* ]]
	done
	# The balloon gets there by itself: asked for 20 s at most.
	for i in {1..40}; do
		actual=$(virsh -q dommemstat ${prefix}2 | awk '$1 == "actual" { print $2 }')
		((actual != 384 * 1024)) || break
		sleep 0.5
	done
	[ "$actual" -eq $((384 * 1024)) ]
}

@test "what an agent needs is in the guest: name, loads, stress-ng, protection" {
	exec_in() {
		local pid reply
		pid=$(virsh -q qemu-agent-command ${prefix}1 "{\"execute\":\"guest-exec\",\"arguments\":{\"path\":\"/bin/sh\",
			\"arg\":[\"-c\",\"$1\"],\"capture-output\":true}}" | grep -o '[0-9]*')
		for _ in {1..50}; do
			reply=$(virsh -q qemu-agent-command ${prefix}1 \
				"{\"execute\":\"guest-exec-status\",\"arguments\":{\"pid\":$pid}}")
			[[ $reply != *'"exited":true'* ]] || break
			sleep 0.2
		done
		[[ $reply =~ \"out-data\":\"([^\"]*)\" ]] && base64 -d <<<"${BASH_REMATCH[1]}"
	}
	[ "$(exec_in hostname)" = ${prefix}1 ]
	[ "$(exec_in 'cat /usr/local/lib/ballast/DIGEST')" = "$(cat "$BATS_TEST_DIRNAME/../workloads/build/guest/DIGEST")" ]
	[ "$(exec_in 'cat /proc/$(pidof qemu-ga)/oom_score_adj')" = -1000 ]
	[[ $(exec_in 'stress-ng --version; cat /proc/self/oom_score_adj') == *"stress-ng, version"* ]]
	[[ $(exec_in 'cat /proc/modules') == *"loop "* ]]
}

@test "up again changes nothing" {
	before=$(for i in 1 2; do virsh domid $prefix$i && virsh dumpxml $prefix$i; done)
	run "$LAB" up --prefix $prefix --guests 2 --memory 384M
	[ "$status" -eq 0 ]
	[[ $output =~ ${prefix}1\ +was\ up ]]
	[ "$before" = "$(for i in 1 2; do virsh domid $prefix$i && virsh dumpxml $prefix$i; done)" ]
}

@test "one command at a time changes a prefix's guests: the other waits and says so" {
	mkfifo "$SCRATCH/go"
	timeout 60 flock "$BALLAST_STATE/locks/$prefix" sh -c 'echo held >"$0"; read -r _ <"$0"' "$SCRATCH/go" 3>&- &
	timeout 60 cat "$SCRATCH/go" >/dev/null
	: >"$SCRATCH/out" # the one in the background may not have begun when it is first read
	"$LAB" up --prefix $prefix --guests 2 --memory 384M >>"$SCRATCH/out" 2>&1 3>&- &
	for _ in {1..100}; do
		[[ $(<"$SCRATCH/out") != *waiting* ]] || break
		sleep 0.1
	done
	[[ $(<"$SCRATCH/out") == *"waiting for another lab command to finish"* ]]
	timeout 60 sh -c 'echo go >"$0"' "$SCRATCH/go"
	wait $!
	[[ $(<"$SCRATCH/out") == *"was up"* ]]
}

@test "status shows every guest" {
	run "$LAB" status --prefix $prefix
	[ "$status" -eq 0 ]
	[ "${#lines[@]}" -eq 3 ]
	[[ ${lines[1]} =~ ^${prefix}1\ +running\ +1\ .*\ 2G\ .*\ up$ ]]
}

@test "up with other wishes changes what differs, and only that" {
	id=$(virsh domid ${prefix}1)
	run "$LAB" up --prefix $prefix --guests 1 --memory 512M
	[ "$status" -eq 0 ]
	[ "$(virsh domid ${prefix}1)" = "$id" ]
	gone virsh -q dominfo ${prefix}2 2>/dev/null
	[ "$(virsh -q dumpxml --inactive ${prefix}1 | grep -o 'currentMemory.*' | tr -dc 0-9)" = 524288 ]
}

@test "a foreign domain of that name is refused and left as it is" {
	virsh -q define /dev/stdin <<-XML
		<domain type='qemu'><name>${prefix}9</name><memory>65536</memory><os><type>hvm</type></os></domain>
	XML
	before=$(virsh dumpxml ${prefix}9)
	run "$LAB" up --prefix $prefix --guests 9 --memory 256M
	refused 2 "${prefix}9 that is not the lab's"
	gone virsh -q dominfo ${prefix}3 2>/dev/null
	"$LAB" down --prefix $prefix
	[ "$before" = "$(virsh dumpxml ${prefix}9)" ]
	virsh -q undefine ${prefix}9
}

@test "killed in the middle, the next up and down converge" {
	"$LAB" up --prefix $prefix --guests 2 --fresh >/dev/null 2>&1 &
	pid=$!
	for _ in {1..200}; do
		[[ $(virsh -q list --name) != *$prefix* ]] || break
		sleep 0.05
	done
	kill -KILL $pid
	run "$LAB" up --prefix $prefix --guests 2 --fresh
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *"${prefix}2 "* ]]
	virsh -q qemu-agent-command ${prefix}2 '{"execute":"guest-ping"}'
	# A QEMU that dies is started again.
	kill -KILL "$(cat /run/libvirt/qemu/${prefix}1.pid)"
	run "$LAB" up --prefix $prefix --guests 2 --fresh
	[ "$status" -eq 0 ]
	virsh -q qemu-agent-command ${prefix}1 '{"execute":"guest-ping"}'
}

@test "residue finds everything, and down leaves nothing" {
	run "$LAB" residue --prefix $prefix
	[ "$status" -eq 1 ]
	for what in "domain ${prefix}1" "files $BALLAST_STATE/guests/${prefix}1" "log /var/log/libvirt/qemu/${prefix}1.log" \
		"process"; do
		[[ $output == *"$what"* ]]
	done
	run "$LAB" down --prefix $prefix
	[ "$status" -eq 0 ]
	run "$LAB" residue --prefix $prefix
	[ "$output" = "" ]
	[ "$status" -eq 0 ]
	gone compgen -G "/var/log/libvirt/qemu/$prefix*"
	gone compgen -G "/var/lib/libvirt/qemu/channel/target/*$prefix*"
	gone compgen -G "/run/libvirt/qemu/*$prefix*"
	gone pgrep -f "guest=$prefix"
}

@test "Ctrl-C takes down what was started" {
	# In a process group of its own, as a terminal has it; what a script starts in the background ignores SIGINT.
	setsid env --default-signal=INT "$LAB" up --prefix $prefix --guests 1 --fresh 3>&- >"$SCRATCH/out" 2>&1 &
	for _ in {1..200}; do
		[[ $(virsh -q list --name) != *$prefix* ]] || break
		sleep 0.05
	done
	kill -INT -- -$!
	wait $! || [ $? -eq 130 ]
	run "$LAB" residue --prefix $prefix
	[ "$output" = "" ]
}

@test "down --all holds every lock and does not wait for itself" {
	copy_lab "$SCRATCH/alltree"
	mkdir -p "$SCRATCH/alltree/lab/build"
	printf '#!/bin/sh\n' >"$SCRATCH/alltree/lab/build/guests" # no guests: only the locks are of interest
	chmod +x "$SCRATCH/alltree/lab/build/guests"
	BALLAST_STATE=$SCRATCH/all run timeout 20 "$SCRATCH/alltree/lab/ballast" down --all
	[ "$status" -eq 0 ]
}

@test "an image is built once, by one of two, and again when an input changes" {
	export BALLAST_STATE=$SCRATCH/state
	copy_lab "$SCRATCH/tree"
	"$SCRATCH/tree/lab/ballast" image >"$SCRATCH/a" 2>"$SCRATCH/a.err" &
	"$SCRATCH/tree/lab/ballast" image >"$SCRATCH/b" 2>"$SCRATCH/b.err" || { cat "$SCRATCH"/*.err; false; }
	wait $!
	[ "$(cat "$SCRATCH/a")" = "$(cat "$SCRATCH/b")" ]
	[ "$(cat "$SCRATCH"/[ab].err | grep -c '^building')" -eq 1 ]
	[ "$(cat "$SCRATCH"/[ab].err | grep -c '^waiting')" -eq 1 ]
	before=$(stat -c %y "$(cat "$SCRATCH/a")"/*)
	run "$SCRATCH/tree/lab/ballast" image
	[ "$output" = "$(cat "$SCRATCH/a")" ]
	[ "$before" = "$(stat -c %y "$(cat "$SCRATCH/a")"/*)" ]
	echo '# changed' >>"$SCRATCH/tree/lab/images/micro-guest/init"
	run "$SCRATCH/tree/lab/ballast" image
	[ "$status" -eq 0 ]
	[[ $output == *building* ]]
	[ "${lines[-1]}" != "$(cat "$SCRATCH/a")" ]
	run "$SCRATCH/tree/lab/ballast" images --prune
	[ "$(find "$BALLAST_STATE/images" -mindepth 1 | wc -l)" -eq 0 ]
}

@test "an image that cannot be built leaves nothing and says so" {
	export BALLAST_STATE=$SCRATCH/broken
	copy_lab "$SCRATCH/badtree"
	cat >"$SCRATCH/badtree/lab/images/micro" <<-'SH'
		image_packages() { :; }
		image_key() { echo 0; }
		image_build() { touch "$1/half"; false; }
	SH
	run "$SCRATCH/badtree/lab/ballast" image
	[ "$status" -eq 3 ]
	[[ $output == *"could not be built"* ]]
	[ "$(find "$BALLAST_STATE/images" -mindepth 1 | wc -l)" -eq 0 ]
}

@test "a guest that never gets ready: exit 3, its console's last line, nothing left" {
	copy_lab "$SCRATCH/deaftree"
	sed -i 's|init_on_alloc=0|init_on_alloc=0 rdinit=/bin/false|' "$SCRATCH/deaftree/lab/images/micro"
	# The same image: only the kernel's command line is another.
	cat >>"$SCRATCH/deaftree/lab/images/micro" <<-SH
		image_key() { basename "$("$LAB" image)" | cut -d- -f2; }
	SH
	run "$SCRATCH/deaftree/lab/ballast" up --prefix $prefix --guests 1 --fresh --timeout 4
	echo "$output"
	[ "$status" -eq 3 ]
	[[ $output == *"guest ${prefix}1 is not ready"* && $output == *"last line"* ]]
	run "$LAB" residue --prefix $prefix
	[ "$output" = "" ]
}
