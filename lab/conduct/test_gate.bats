#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The conductor and its gate: the guests watched are those of libvirt's test driver, the program's libvirt is the real
# libvirtd behind the gate, which has guests or not.

bats_require_minimum_version 1.5.0

setup_file() {
	[[ $EUID == 0 ]] || skip "needs root"
	export conductor=$BATS_TEST_DIRNAME/../build/conductor
	cat >"$BATS_FILE_TMPDIR/scenario" <<-END
		[scenario]
		kind = cpu
		length = 2s
		sample = 0.5s
		[guests]
		count = 1
	END
	cat >"$BATS_FILE_TMPDIR/host.xml" <<-END
		<node><domain type='test'><name>blt_t1</name><uuid>00000000-0000-0000-0000-000000000001</uuid>
		<metadata><b:guest xmlns:b='urn:ballast:lab:1'/></metadata><memory>524288</memory><vcpu>1</vcpu>
		<os><type>hvm</type></os></domain></node>
	END
}

setup() { trace=$BATS_TEST_TMPDIR/trace; }

# conduct: runs a program from standard input
conduct() {
	local program=$BATS_TEST_TMPDIR/program
	{
		echo '#!/bin/bash'
		cat
	} >"$program"
	chmod +x "$program"
	"$conductor" --as-is -c "test://$BATS_FILE_TMPDIR/host.xml" -s "$BATS_FILE_TMPDIR/scenario" -t "$trace" -p blt_t -- "$program"
}

# A line of a program that prints what is mounted over /run/libvirt, and what it said then.
tell_gate='echo gate $(grep " /run/libvirt " /proc/self/mountinfo | cut -d" " -f4)'
gate_is_gone() {
	local folder
	folder=$(grep -o '"line":"gate [^"]*/ballast-gate-[^/]*/s"' "$trace" | cut -d/ -f3)
	[[ $folder == ballast-gate-?* && ! -e /tmp/$folder ]]
}

events() { grep -c -- "$1" "$trace"; }

@test "conductor: the program's libvirt is the gate alone, and its calls are in the trace" {
	run -0 conduct <<-END
		export LIBVIRT_DEFAULT_URI=qemu:///system
		virsh -q list
		virsh -q net-list
		umount /run/libvirt
		ls -1 /run/libvirt
	END
	[[ $(events '"function":"virConnectListAllDomains","outcome":"done"') == 1 ]]
	[[ $(events '"function":"virConnectListAllNetworks","outcome":"refused"') == 1 ]]
	[[ $(events '"line":"error: operation virConnectListAllNetworks denied: ') == 1 ]]
	[[ $(events '"line":"umount: /run/libvirt: must be superuser') == 1 ]]
	[[ $(events '"line":"libvirt-sock\(-ro\)\?"') == 2 ]]
	[[ $(tail -n 1 "$trace") == *'"event":"end"'* ]]
}

@test "conductor: the gate is none of the program's processes, and ends with the run" {
	run -0 conduct <<-END
		$tell_gate
		sleep 60 &
	END
	run -1 grep '"event":"warning"' "$trace"
	# Its memory is not counted as the program's, which is a sleep's.
	(($(grep -o '"rss_kib":[0-9]*' "$trace" | head -n 1 | cut -d: -f2) < 4096))
	gate_is_gone
}

@test "conductor: a program that ends the gate is not judged" {
	run -3 conduct <<-END
		$tell_gate
		for child in \$(cat /proc/\$PPID/task/*/children); do
			[[ \$child == "\$\$" ]] || kill -9 "\$child"
		done
	END
	[[ $(events '"text":"the gate to libvirt ended before the program did"') == 1 ]]
	run -1 grep '"event":"end"' "$trace"
	gate_is_gone
}

@test "conductor: in a sandbox a program is nobody, sees itself, and has the gate alone" {
	local sub=$BATS_TEST_TMPDIR/submission
	mkdir -p "$sub"
	cat >"$sub/program" <<-'END'
		#!/bin/sh
		echo user $(id -u), $(ls /submission), $(ls /proc | grep -c '^[0-9]')
		virsh -q list
		virsh -q net-list
		ls -1 /run/libvirt
		setsid sleep 60 &
		python3 -c 'x = b"x" * (100 << 20); import time; time.sleep(60)'
	END
	chmod +x "$sub/program"
	run -0 "$conductor" --as-is --contain "$sub" -c "test://$BATS_FILE_TMPDIR/host.xml" -s "$BATS_FILE_TMPDIR/scenario" \
		-t "$trace" -p blt_t -- "$sub/program"
	[[ $(events '"line":"user 65534, program, ') == 1 ]]
	[[ $(events '"function":"virConnectListAllDomains","outcome":"done"') == 1 ]]
	[[ $(events '"function":"virConnectListAllNetworks","outcome":"refused"') == 1 ]]
	[[ $(events '"line":"libvirt-sock\(-ro\)\?"') == 2 ]]
	[[ $(events '"event":"program_exit","signal":15,"asked":true') == 1 ]]
	[[ $(tail -n 1 "$trace") == *'"event":"end"'* ]]
	# Its memory is the program's without that of the sandbox, and nothing is left.
	(($(grep -o '"program":{"cpu_pct":[^}]*' "$trace" | tail -n 1 | sed 's|.*:||') > 100000))
	run ! pgrep -u nobody -x sleep
}

@test "conductor: a program that its sandbox ended is told of with the reason" {
	local sub=$BATS_TEST_TMPDIR/submission
	mkdir -p "$sub"
	printf '#!/usr/bin/python3\nx = []\nwhile True: x.append(bytearray(10 << 20))\n' >"$sub/program"
	chmod +x "$sub/program"
	run -0 "$conductor" --as-is --contain "$sub" -c "test://$BATS_FILE_TMPDIR/host.xml" -s "$BATS_FILE_TMPDIR/scenario" \
		-t "$trace" -p blt_t -- "$sub/program"
	[[ $(events '"reason":"it used more than 512 MiB of memory"') == 1 ]]
}

@test "conductor: a program that cannot be run is told of as before" {
	run -2 "$conductor" --as-is -c "test://$BATS_FILE_TMPDIR/host.xml" -s "$BATS_FILE_TMPDIR/scenario" -t "$trace" -p blt_t -- no-such-program
	[[ $output == *"cannot run no-such-program: No such file or directory"* ]]
}
