# shellcheck shell=bash disable=SC2016
# SPDX-License-Identifier: MIT
# Hostile and broken submissions for test_hostile.bats. Each is written into a folder of its own by a function of
# its kind; none of them gets anywhere, which is what the test asserts.
#
#   builds NAME POINTS WORDS    the Makefile is on stdin; `program` beside it schedules well
#   runs NAME POINTS WORDS      the program is on stdin, a script; it is copied when it is built
#   compiles NAME POINTS WORDS  the program is on stdin, in C
#
# POINTS, of one, is what it must get; ? where it cannot be judged, which gives no point either. WORDS, a regular expression, must be in what the grade says.

: "${root:?this tree}" "${cases:?where they are written}" "${out_root:?where grades go}"

# A scheduler as short as can be: it earns the point.
good='#!/bin/sh
virsh -q vcpupin aos_vm2 0 1
virsh -q vcpupin aos_vm1 0 0
while :; do virsh -q list >/dev/null; sleep 1; done'

new_case() {
	mkdir -p "$cases/$1/cpu"
	printf '%s\n%s\n' "$2" "$3" >"$cases/$1/expected"
	printf '%s\n' "$good" >"$cases/$1/cpu/program"
}

# Should the sandbox ever be missing, nothing is tried.
only_in_a_sandbox() {
	local first
	read -r first
	printf '%s\n' "$first"
	case $first in
	*python3) printf 'if not __import__("os").path.exists("/run/ballast/first"): raise SystemExit(99)\n' ;;
	*) printf '[ -e /run/ballast/first ] || exit 99\n' ;;
	esac
	cat
}

builds() {
	new_case "$@"
	{
		printf '$(if $(wildcard /run/ballast/first),,$(error not in a sandbox))\n'
		cat
	} >"$cases/$1/cpu/Makefile"
}

runs() {
	new_case "$@"
	only_in_a_sandbox >"$cases/$1/cpu/program"
	printf 'all:\n\tcp program vcpu_scheduler\n\tchmod +x vcpu_scheduler\n' >"$cases/$1/cpu/Makefile"
}

compiles() {
	new_case "$@"
	cat >"$cases/$1/cpu/program.c"
	printf 'all:\n\tgcc -o vcpu_scheduler program.c -lvirt\n' >"$cases/$1/cpu/Makefile"
}

# What every program below may begin with to earn its point first.
steer='virsh -q vcpupin aos_vm2 0 1; virsh -q vcpupin aos_vm1 0 0'
install='	cp program vcpu_scheduler && chmod +x vcpu_scheduler'

# --- not building ---

not_building() {
	compiles no-build-error 0 "not built.*expected ';'|error: expected" <<<'int main(void) { return 0 }'
	builds no-build-no-rule 0 'No rule to make target' <<<'all: nothing'
	builds no-build-kills-make 0 'not built' <<<$'all:\n\tkill -9 $$PPID'
	builds no-build-stops-itself 0 'took longer than' <<<$'all:\n\tkill -STOP $$PPID; sleep 100'
	builds no-build-folder 0 'make made no vcpu_scheduler' <<<$'all:\n\tmkdir vcpu_scheduler'
	builds no-build-fifo 0 'vcpu_scheduler is no regular file: fifo' <<<$'all:\n\tmkfifo vcpu_scheduler'
	builds no-build-odd-bytes 0 'not built' <<<$'all:\n\t@printf "error \\033]0;owned\\007\\033[2J\\377\\000 error\\n"; exit 1'
	builds no-build-odd-names 0 'not built' <<<'all:'
	mkdir "$cases/no-build-odd-names/old"
	mv "$cases/no-build-odd-names/cpu" "$cases/no-build-odd-names/old/"
	touch "$cases/no-build-odd-names/"$'\e]0;owned\a\n\x9b2Jname'
	mkdir -p "$cases/no-build-odd-names/"$'a\e[2J/cpu'
	builds no-build-no-interpreter 0 'a script for /usr/bin/python9, which is not there' <<<$'all:\n\tprintf "\\043!/usr/bin/python9\\n" >vcpu_scheduler; chmod +x vcpu_scheduler'
	builds no-build-no-text 0 'make made vcpu_scheduler, which is neither a program nor a script' <<<$'all:\n\thead -c 4096 /dev/urandom >vcpu_scheduler; printf "\\0" | dd of=vcpu_scheduler conv=notrunc 2>&1; chmod +x vcpu_scheduler'
	builds no-build-other-machine 0 'make made vcpu_scheduler for another kind of machine' <<<$'all:\n\tprintf "\\177ELF\\001\\001\\001" >vcpu_scheduler; head -c 60 /dev/zero >>vcpu_scheduler; chmod +x vcpu_scheduler'
}

# --- building for ever ---

building_for_ever() {
	builds for-ever-sleeps 0 'took longer than' <<<$'all:\n\ttrap "" TERM INT HUP; while :; do sleep 1; done'
	builds for-ever-prints 0 'printed more than 16 MiB' <<<$'all:\n\tyes'
	builds for-ever-forks 0 'not built' <<<$'all:\n\tf() { f | f & }; f; sleep 100'
	builds for-ever-computes 0 'took longer than' <<<$'all:\n\twhile :; do :; done'
	builds for-ever-makes-itself 0 'not built' <<<$'all:\n\t$(MAKE) all'
}

# --- leaving processes ---

leaving_processes() {
	builds leaves-build-session 1 '1 of 1 points' <<<$'all:\n\tsetsid sleep 1000 &\n\tnohup sleep 1000 >/dev/null 2>&1 &\n'"$install"
	builds leaves-build-closed 1 '1 of 1 points' <<<$'all:\n\tmkdir -p a/b; touch a/b/c; chmod 0 a/b; chmod 500 a\n'"$install"
	builds leaves-build-late 1 '1 of 1 points' <<<$'all:\n\tsetsid sh -c \'sleep 1; echo "#!/bin/sh" >vcpu_scheduler\' &\n'"$install"
	runs leaves-session 1 '1 of 1 points' <<-END
		#!/bin/sh
		setsid sleep 1000 &
		$steer
		while :; do virsh -q list >/dev/null; sleep 1; done
	END
	runs leaves-daemon 0 'exited by itself with status 0' <<'END'
#!/usr/bin/python3
import os, time
if os.fork():
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
time.sleep(1000)
END
	compiles leaves-raw-fork 0 'FAIL|cannot be judged' <<'END'
#include <sys/syscall.h>
#include <unistd.h>
int main(void)
{
	if (syscall(SYS_fork) == 0) {
		syscall(SYS_setsid);
		for (;;)
			syscall(SYS_pause);
	}
	for (;;)
		sleep(1);
}
END
	runs leaves-stop-unheard 0 'did not stop within 5 s' <<-END
		#!/bin/sh
		trap '' TERM INT HUP
		$steer
		while :; do virsh -q list >/dev/null; sleep 1; done
	END
}

# --- replacing the grader's files ---

# Every file that is the grader's, by the path it has outside.
replacing_files() {
	builds replaces-checker 0 'check_cpu: (No such file|Directory nonexistent|cannot create)|not built' <<-END
		all:
			printf '#!/bin/sh\necho "{}"\n' >$root/ci/build/check_cpu
	END
	builds replaces-scenario 0 'not built' <<-END
		all:
			echo >$root/ci/testdata/cpu-two-on-one.scenario
			cp program vcpu_scheduler
	END
	builds replaces-make 0 'Read-only file system|Permission denied' <<<$'all:\n\tcp program /usr/bin/make'
	builds replaces-path 0 'Read-only file system|Permission denied' <<<$'all:\n\tcp program /usr/local/bin/gnuplot'
	builds replaces-dot-files 1 '1 of 1 points' <<<$'all:\n\techo "set output \'/dev/null\'" >~/.gnuplot; cp ~/.gnuplot ~/.bashrc; cp ~/.gnuplot ~/.gitconfig\n'"$install"
	builds replaces-temporary 0 'not built' <<<$'all:\n\techo x >/tmp/ballast-grade-*/plan; echo x >$$TMPDIR/../../plan && exit 1; false'
	builds replaces-upwards 0 'not built' <<<$'all:\n\techo 1 >../../../verdict.json'
	runs replaces-itself 0 'exited by itself|FAIL' <<<$'#!/bin/sh\necho x >/submission/cpu/vcpu_scheduler && exec sleep 100\nexit 3'
}

# --- links in place of programs ---

links() {
	builds link-to-true 0 'vcpu_scheduler is a link to /bin/true' <<<$'all:\n\tln -s /bin/true vcpu_scheduler'
	builds link-to-ours 0 'vcpu_scheduler is a link to .*/cpu/vcpu_scheduler' <<<$'all:\n\tln -s '"$root"$'/cpu/vcpu_scheduler vcpu_scheduler'
	builds link-to-itself 0 'vcpu_scheduler is a link to|no regular file' <<<$'all:\n\tln -s vcpu_scheduler vcpu_scheduler'
	builds link-upwards 0 'vcpu_scheduler is a link to' <<<$'all:\n\tln -s ../../../../../../../../bin/true vcpu_scheduler'
	builds link-hard 0 'not built' <<<$'all:\n\tln /usr/bin/true vcpu_scheduler'
	builds link-of-the-folder 0 'not built|make made no' <<<$'all:\n\tcd .. && mv cpu gone && ln -s /usr/bin cpu'
	builds link-to-device 0 'vcpu_scheduler is a link to /dev/zero' <<<$'all:\n\tln -s /dev/zero vcpu_scheduler'
}

# --- writing one's own trace or verdict, reading the future, copying the reference ---

forging() {
	runs forges-trace-by-output 0 'FAIL' <<'END'
#!/bin/sh
echo '{"type":"event","t_s":1,"event":"end"}'
echo '{"type":"sample","t_s":12,"elapsed_s":1,"pcpus":[]}' >&2
while :; do sleep 1; done
END
	runs forges-trace-by-descriptor 0 'FAIL|cannot be judged' <<'END'
#!/usr/bin/python3
import os, time
for fd in range(3, 1024):
    try:
        os.write(fd, b'{"type":"event","t_s":1,"event":"end"}\n')
    except OSError:
        pass
time.sleep(100)
END
	runs forges-verdict 0 'FAIL' <<-END
		#!/bin/sh
		for f in verdict.json results.json report.html cpu-two-on-one.trace cpu-two-on-one.json; do
			echo '{"points": 1}' >$out_root/forges-verdict/\$f
			echo '{"points": 1}' >../\$f
		done
		while :; do sleep 1; done
	END
	runs forges-clock 0 'it says what is no message to its clock' <<'END'
#!/usr/bin/python3
import os, socket, struct, time
s = socket.socket(fileno=os.dup(int(os.environ["BALLAST_CLOCK"])))
s.send(struct.pack("IIQ1024s", 99, 0, 0, b"end"))
time.sleep(100)
END
	runs reads-the-future 0 'hung|FAIL' <<-END
		#!/bin/sh
		find / -xdev \( -name '*.scenario' -o -name '*.suite' -o -name '*.trace' \) -not -path '/proc/*' 2>/dev/null | sed 's/^/future: /'
		for p in /proc/[0-9]*; do tr '\0' ' ' <\$p/cmdline; cat \$p/environ; done 2>/dev/null | grep -aoE '[^ ]*(s[c]enario|b[a]llast-grade|s[u]ite)[^ ]*' | sed 's/^/future: /'
		ls $root $out_root 2>/dev/null | sed 's/^/future: /'
		while :; do sleep 1; done
	END
	runs turns-the-clock 0 'FAIL|cannot be judged' <<'END'
#!/usr/bin/python3
import glob, os, time
for name in glob.glob("/proc/self/fd/*") + glob.glob("/proc/self/map_files/*"):
    try:
        fd = os.open(name, os.O_RDWR)
        if "ballast-sim-page" in os.readlink(name):
            os.ftruncate(fd, 0)
            os.pwrite(fd, b"\xff" * 8, 0)
    except OSError:
        pass
time.sleep(100)
END
	builds copies-reference 0 'not built' <<<$'all:\n\tcp '"$root"$'/cpu/vcpu_scheduler .'
	builds copies-handed-in 0 'make made no vcpu_scheduler' <<<'all:'
	cp /bin/true "$cases/copies-handed-in/cpu/vcpu_scheduler"
	builds copies-a-neighbour 0 'not built' <<-END
		all:
			cp $cases/leaves-session/cpu/program vcpu_scheduler
	END
}

# --- killing ---

killing() {
	builds kills-from-build 0 'not built' <<<$'all:\n\tkill -9 -1; kill -9 1'
	runs kills-all 0 'killed by signal 9|crashed|FAIL' <<<$'#!/bin/bash\nkill -9 -1\nkill -9 $$'
	runs kills-parents 0 'exited by itself with status 4' <<<$'#!/bin/bash\nkill -9 1 $PPID; kill -STOP 1 $PPID; for ((i = 2; i < 3000; i++)); do ((i == $$)) || kill -9 $i; done 2>/dev/null\nexit 4'
	runs kills-its-sandbox 0 'exited by itself with status 5' <<'END'
#!/usr/bin/python3
import ctypes, os, signal
libc = ctypes.CDLL(None)
libc.ptrace(16, 1, 0, 0)
for s in (signal.SIGTERM, signal.SIGSEGV, signal.SIGCHLD, signal.SIGINT):
    try:
        os.kill(1, s)
    except OSError:
        pass
try:
    open("/proc/1/mem", "r+b").write(b"x")
except OSError:
    os._exit(5)
END
	runs kills-qemu 0 'exited by itself with status 6' <<<$'#!/bin/sh\npkill -STOP -f qemu; pkill -9 libvirtd; kill -9 $(cat /run/libvirt/qemu/*.pid /var/run/libvirtd.pid 2>/dev/null) 2>/dev/null\nexit 6'
}

# --- filling ---

filling() {
	runs fills-disk 0 'exited by itself with status 7' <<<$'#!/bin/sh\nfor d in /tmp /dev/shm ~ /var/tmp; do cat /dev/zero >$d/x; cat /dev/zero >$d/y; done 2>/dev/null\nexit 7'
	runs fills-log 0 'prints without end' <<<$'#!/bin/sh\nexec yes'
	runs fills-memory 0 'it used more than 512 MiB of memory' <<'END'
#!/usr/bin/python3
x = []
while True:
    x.append(b"x" * (8 << 20))
END
	runs fills-memory-of-many 0 'it used more than 512 MiB of memory|not simulated|cannot be' <<'END'
#!/usr/bin/python3
import os, time
for i in range(40):
    if os.fork() == 0:
        break
x = os.urandom(1 << 20) * 30
time.sleep(1000)
END
	runs fills-processes 0 'FAIL|cannot be judged' <<'END'
#!/usr/bin/python3
import os, time
while True:
    try:
        if os.fork() == 0:
            time.sleep(1000)
    except OSError:
        os._exit(8)
END
	runs fills-descriptors 0 'exited by itself with status 9|killed|closed the descriptor' <<'END'
#!/usr/bin/python3
import os
try:
    while True:
        os.pipe()
except OSError:
    os._exit(9)
END
	runs fills-anonymous-files 0 'exited by itself with status 10' <<'END'
#!/usr/bin/python3
import os
try:
    os.memfd_create("x")
except OSError:
    os._exit(10)
END
	runs fills-host 0 'exited by itself with status 17' <<'END'
#!/usr/bin/python3
import os, socket, struct, time
s = socket.socket(socket.AF_UNIX)
s.connect("/run/libvirt/libvirt-sock")
s.setblocking(False)
calls = struct.pack(">7I", 28, 0x20008086, 1, 66, 0, 1, 0) * 1000
sent = waited = 0
while sent < 40 << 20:
    try:
        sent += s.send(calls)
        waited = 0
    except BlockingIOError:
        time.sleep(0.1)
        waited += 1
    if waited > 20:
        os._exit(17)
os._exit(18)
END
	builds fills-files 0 'it made more than 50000 files' <<<$'all:\n\tpython3 -c "import itertools; [open(str(i), \'w\').close() for i in itertools.count()]"'
	runs fills-connections 0 'exited by itself with status 19' <<'END'
#!/usr/bin/python3
import os, socket, time
kept = []
try:
    while True:
        s = socket.socket(socket.AF_UNIX)
        s.setblocking(False)
        kept.append(s)
        s.connect("/run/libvirt/libvirt-sock")
        time.sleep(0.001)
except OSError:
    os._exit(19)
END
	compiles fills-turns 0 'it begins again without end' <<'END'
#include <sys/syscall.h>
#include <unistd.h>
int main(void)
{
	for (;;) {
		char hello[1040] = {0};
		for (int fd = 800; fd < 1024; fd++)
			syscall(SYS_sendto, fd, hello, sizeof(hello), 0, NULL, 0);
	}
}
END
	builds fills-disk-in-build 0 'No space left on device|File size limit|File too large' <<<$'all:\n\tfor i in 1 2 3 4; do cat /dev/zero >$$i; done; ls -s; false'
}

# --- ending in odd ways, printing odd bytes ---

odd_ends() {
	compiles ends-by-segv 0 'killed by signal 11|crashed|Segmentation' <<<'int main(void) { return *(volatile int *)0; }'
	runs ends-at-once 0 'exited by itself with status 0' <<<$'#!/bin/sh\nexit 0'
	runs ends-with-139 0 'exited by itself with status 139' <<<$'#!/bin/sh\nexit 139'
	runs ends-by-stopping 0 'it stopped itself' <<<$'#!/bin/sh\nkill -STOP $$'
	runs ends-without-clock 0 'computes without end' <<'END'
#!/usr/bin/python3
import os
os.closerange(0, 4096)
while True:
    pass
END
	runs ends-by-spinning 0 'computes without end and never waits' <<<$'#!/bin/bash\nwhile :; do :; done'
	runs prints-odd-bytes 0 'FAIL' <<'END'
#!/usr/bin/python3
import os, time
os.write(1, b"\x1b]0;owned\x07\x1b[2J\xff\xfe\x00\xc3(\n" + b"x" * 2000000 + b"\n")
os.write(2, b"\x1b[31m</script><script>alert(1)</script>\xed\xa0\x80\n")
time.sleep(1)
os._exit(11)
END
}

# --- side doors, and what the gate forbids ---

side_doors() {
	runs side-cgroups 0 'exited by itself with status 12' <<<$'#!/bin/bash\nfor f in /sys/fs/cgroup/cpu*/machine*/* /sys/fs/cgroup/*; do echo 1 >$f; done 2>/dev/null\n[ -e /sys/fs/cgroup ] || exit 12'
	runs side-affinity 0 'exited by itself with status 13' <<<$'#!/bin/bash\nfor p in $(pgrep -f qemu); do taskset -pc 1 $p; done; echo 1 >/sys/devices/system/cpu/cpu1/online\nexit 13'
	runs side-pauses 0 'FAIL  guests_run' <<-END
		#!/bin/sh
		$steer
		virsh -q suspend aos_vm1
		while :; do virsh -q list >/dev/null; sleep 1; done
	END
	runs side-quota 0 'FAIL' <<-END
		#!/bin/sh
		$steer
		virsh -q schedinfo aos_vm1 --live --set vcpu_quota=10000 vcpu_period=100000
		while :; do virsh -q list >/dev/null; sleep 1; done
	END
	runs side-destroys 0 'FAIL' <<<$'#!/bin/sh\nvirsh -q destroy aos_vm1\nwhile :; do sleep 1; done'
	runs side-network 0 'exited by itself with status 14|cannot be judged' <<'END'
#!/usr/bin/python3
import os, socket
try:
    socket.create_connection(("127.0.0.1", 22), 1)
except OSError:
    os._exit(14)
END
	runs side-other-libvirt '?' 'connects to a libvirtd over the network' <<<$'#!/bin/sh\nfor u in qemu:///session "qemu+unix:///system?socket=/run/libvirt/virtqemud-sock" qemu+tcp://127.0.0.1/system test:///default; do virsh -q -c "$u" define /dev/null && exit 1; done 2>/dev/null\nexit 15'
	runs side-set-uid 0 'exited by itself with status' <<<$'#!/bin/sh\nsu -c id </dev/null'
	runs side-name-spaces 0 'exited by itself with status 16' <<<$'#!/bin/sh\nunshare -Ur true 2>/dev/null && exit 2\nunshare -n true 2>/dev/null && exit 3\n[ "$(id -u)" = 65534 ] && exit 16'
}

hostile_submissions() {
	not_building
	building_for_ever
	leaving_processes
	replacing_files
	links
	forging
	killing
	filling
	odd_ends
	side_doors
}
