#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The sandbox: what is seen in it, what can be done, which limits hold, and what is left.

bats_require_minimum_version 1.5.0

setup_file() {
	export contain="$BATS_TEST_DIRNAME/build/contain"
}

setup() {
	sub=$BATS_TEST_TMPDIR/sub built=$BATS_TEST_TMPDIR/built
	mkdir "$sub" "$built"
	chmod 755 "$BATS_TEST_TMPDIR"
}

# A program of the submission; its text comes from stdin.
program() {
	cat >"$sub/program"
	chmod 755 "$sub/program"
}

contained() {
	run timeout 60 "$contain" run --copy "$sub" "$@" -- "$sub/program"
	echo "$output"
}

build() {
	run timeout 60 "$contain" build --copy "$sub" --built "$built" "$@" -- sh -c "$command"
	echo "$output"
}

@test "a sandbox can be made here" {
	run "$contain" check
	[ "$status" -eq 0 ]
	[ -z "$output" ]
}

@test "where none can be made, the cause and the cure are said" {
	[[ $EUID == 0 ]] || skip "needs root to become a user without a name space's rights"
	run setpriv --reuid 65534 --regid 65534 --clear-groups unshare -U "$contain" check
	echo "$output"
	[ "$status" -eq 3 ]
	[[ $output == *"no sandbox can be made: "*"user namespaces"* ]]
}

@test "it is nobody, without capabilities, and gets none" {
	program <<-'END'
		#!/bin/sh
		id -u; grep -c '^Cap.*:.0000000000000000$' /proc/self/status; grep -c 'NoNewPrivs:.1' /proc/self/status
		unshare -Ur true 2>&1 && echo "is root"
		mount -t tmpfs x /tmp 2>/dev/null && echo "mounts"
		exit 0
	END
	contained
	[ "${lines[0]}" = 65534 ]
	[ "${lines[1]}" = 5 ]
	[ "${lines[2]}" = 1 ]
	[[ $output != *"is root"* && $output != *mounts* ]]
}

@test "it sees its own processes, files and environment, and no network" {
	program <<-'END'
		#!/bin/sh
		ls /proc | grep -c '^[0-9]'
		ls / | tr '\n' ' '
		ls /submission /home /tmp /run /etc /sys/devices/system | tr '\n' ' '
		grep -vc lo: /proc/net/dev
		env | grep -c SECRET
		ls /proc/self/fd | tr '\n' ' '; echo
		cat /proc/1/environ /proc/1/mem 2>/dev/null | wc -c
	END
	SECRET=key exec 7</etc/passwd
	SECRET=key contained
	exec 7<&-
	[ "$status" -eq 0 ]
	[ "${lines[0]}" -le 5 ]
	[[ " ${lines[1]}" == *" submission "* && " ${lines[1]}" != *" root "* && " ${lines[1]}" != *" srv "* ]]
	[[ $output == *"/run: ballast  /submission: program  /sys/devices/system: cpu node  /tmp: "* ]]
	[[ $output != *shadow* ]]
	# What is not the loopback: two lines of headings. ls has a descriptor for the folder.
	[[ $output == *$' 2\n0\n0 1 2 3 \n0' ]]
}

@test "it can write nothing but memory" {
	program <<-'END'
		#!/bin/sh
		for f in / /usr /etc /submission /run /run/ballast /dev /sys/devices/system/cpu /var; do
			touch $f/x 2>/dev/null && echo "writes $f"
		done
		for f in /tmp /var/tmp /dev/shm /home/student /run/ballast/state; do touch $f/x || echo "no $f"; done
		echo done
	END
	chmod 777 "$sub"
	contained
	[ "$output" = "done" ]
	[ "$(ls "$sub")" = program ]
}

@test "its exit status is the program's, by signals too" {
	program <<<$'#!/bin/sh\nexit 139'
	contained
	[ "$status" -eq 139 ]
	program <<<$'#!/bin/sh\nkill -SEGV $$'
	run bash -c '"$0" run --copy "$1" -- "$1/program"; echo "$?"' "$contain" "$sub"
	[[ $output == *"Segmentation fault"*139 ]]
}

@test "SIGTERM reaches the program; what it left ends with it" {
	program <<-'END'
		#!/bin/sh
		trap 'echo asked; exit 7' TERM
		setsid sleep 987654 &
		echo ready
		while :; do sleep 0.1; done
	END
	"$contain" run --copy "$sub" -- "$sub/program" >"$BATS_TEST_TMPDIR/said" 3>&- &
	local pid=$! status=0
	until grep -q ready "$BATS_TEST_TMPDIR/said"; do sleep 0.05; done
	pgrep -f 'sleep 987654'
	kill -TERM "$pid"
	wait "$pid" || status=$?
	[ "$status" -eq 7 ]
	grep -q asked "$BATS_TEST_TMPDIR/said"
	run ! pgrep -f 'sleep 987654'
}

@test "a killed contain leaves nothing behind" {
	program <<<$'#!/bin/sh\nsetsid sleep 987653 & echo ready; sleep 987653'
	"$contain" run --copy "$sub" -- "$sub/program" >"$BATS_TEST_TMPDIR/said" 3>&- &
	local pid=$! i
	until grep -q ready "$BATS_TEST_TMPDIR/said"; do sleep 0.05; done
	kill -KILL "$pid"
	wait "$pid" || true
	for ((i = 0; i < 200; i++)); do
		pgrep -f 'sleep 987653' >/dev/null || break
		sleep 0.05
	done
	run ! pgrep -f 'sleep 987653'
}

@test "limits: time, memory of all processes, processes, file, disk" {
	program <<<$'#!/bin/sh\nsleep 100'
	contained --time 1
	[ "$status" -eq 137 ]
	[[ $output == *"contain: it took longer than 1 s"* ]]
	program <<<$'#!/bin/sh\nfor i in 1 2 3 4; do python3 -c "x = bytearray(40 << 20); input()" </dev/zero & done; wait; sleep 100'
	contained --memory 120 --time 50
	[ "$status" -eq 137 ]
	[[ $output == *"contain: it used more than 120 MiB of memory"* ]]
	program <<<$'#!/bin/sh\nfor i in $(seq 50); do sleep 100 & done; echo all'
	contained --processes 10 --time 50
	[[ $output == *"Cannot fork"* && $output != *all* ]]
	program <<<$'#!/bin/sh\nhead -c 3M /dev/zero >/tmp/x; stat -c %s /tmp/x'
	contained --file 2
	[[ $output == *2097152 ]]
	program <<<$'#!/bin/sh\nfor i in 1 2 3; do head -c 1M /dev/zero >/tmp/$i || exit 9; done'
	contained --disk 2
	[ "$status" -eq 9 ]
}

@test "pages that processes share are counted once" {
	program <<-'END'
		#!/usr/bin/python3
		import os, time
		x = bytearray(30 << 20)
		children = [os.fork() for i in range(3)]
		time.sleep(1)
		[os.waitpid(pid, 0) for pid in children if pid and all(children)]
	END
	contained --memory 100
	[ "$status" -eq 0 ]
}

@test "memory that no process has is refused" {
	program <<'END'
#!/usr/bin/python3
import ctypes, os
try:
    os.memfd_create("x")
except OSError as e:
    print(e.strerror)
libc = ctypes.CDLL(None, use_errno=True)
print(libc.shmget(0, 4096, 0o1600), libc.msgget(0, 0o1600), ctypes.get_errno())
END
	contained
	[ "$output" = $'Function not implemented\n-1 -1 38' ]
}

@test "a build writes in a copy, which is given back as it left it" {
	echo source >"$sub/file"
	command='cp file program && ln -s program link && mkfifo pipe && rm file && pwd'
	build
	[ "$status" -eq 0 ]
	[ "$output" = /submission ]
	[ "$(ls "$built")" = $'link\npipe\nprogram' ]
	[ "$(cat "$built/link")" = source ]
	# Outside, too, root was nobody.
	[[ $EUID != 0 ]] || [ "$(stat -c %U "$built/program")" = nobody ]
	[ "$(ls "$sub")" = file ]
}

@test "a build's limits: time, output, disk; nothing is given back" {
	command='touch made; sleep 100'
	build --time 1
	[ "$status" -ne 0 ]
	[[ $output == *"contain: it took longer than 1 s" ]]
	[ -z "$(ls "$built")" ]
	command='yes'
	run bash -c '"$@" 2>&1 | tail -c 60' - "$contain" build --copy "$sub" --built "$built" --output 1 -- yes
	[[ $output == *"contain: it printed more than 1 MiB" ]]
	head -c 3M /dev/zero >"$sub/file"
	command='true'
	build --disk 2
	[ "$status" -eq 1 ]
	[[ $output == *"contain: the submission does not fit into 2 MiB" ]]
}

@test "a build that leaves processes is over when its command is" {
	command='setsid sleep 987652 & exec true'
	build
	[ "$status" -eq 0 ]
	run ! pgrep -f 'sleep 987652'
}

@test "a program outside of the submission is refused, a link to one, too" {
	ln -s /bin/true "$sub/program"
	contained
	[ "$status" -eq 2 ]
	[[ $output == *"true: is not in the submission"* || $output == *"is not in the submission, $sub" ]]
	run "$contain" run --copy "$sub" -- /bin/true
	[ "$status" -eq 2 ]
}

@test "bad usage: one line that names it" {
	run "$contain"
	[ "$status" -eq 2 ]
	run "$contain" run --copy "$sub" --memory few -- x
	[ "$status" -eq 2 ]
	[ "$output" = "contain: --memory few: should be a whole number from 1 to 1073741824" ]
	run "$contain" run --copy "$sub"
	[[ $output == *"which program? there is none behind --"* ]]
	run "$contain" run -- x
	[[ $output == *"which folder holds the submission?"* ]]
}

@test "a build links with what only names libvirt's functions, and the program is the same" {
	printf '%s\n' '#include <libvirt/libvirt.h>' '#include <libvirt/virterror.h>' \
		'int main(void) { virConnectPtr c = virConnectOpenAuth("test:///default", virConnectAuthPtrDefault, 0); return !c || virNodeGetCPUMap(c, 0, 0, 0) != 1; }' >"$sub/a.c"
	command='for cc in "gcc" "g++ -x c++" "clang"; do command -v ${cc%% *} >/dev/null || continue; $cc a.c -o "${cc%% *}" -lvirt -Wl,-t; done'
	build --link "$BATS_TEST_DIRNAME/build/link/libvirt.so"
	[ "$status" -eq 0 ]
	[[ $output == */run/ballast/link/libvirt.so* && $output != */libgnutls* ]]
	gcc "$sub/a.c" -o "$sub/usual" -lvirt
	of() { readelf -dW "$1" | grep -E 'NEEDED|FLAGS'; readelf --dyn-syms -W "$1" | sed 's/^ *[0-9]*://; s/ ([0-9]*)$//' | sort; }
	diff <(of "$sub/usual") <(of "$built/gcc")
	"$built/gcc" && "$built/g++"
	# What libvirt has not is missed as ever.
	echo 'extern void virNope(void); int main(void) { virNope(); }' >"$sub/a.c"
	build --link "$BATS_TEST_DIRNAME/build/link/libvirt.so"
	[ "$status" -ne 0 ]
	[[ $output == *"undefined reference to"*virNope* ]]
}
