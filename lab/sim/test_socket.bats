#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2030,SC2031 # each test sets its own scenario
# The simulated host as a process of its own: programs with libvirt's own client library, their children, threads and
# shells in one virtual time.

setup_file() {
	export SCENARIO=$BATS_FILE_TMPDIR/quiet.scenario
	printf '%s\n' '[scenario]' 'kind = cpu' 'length = 30s' '[host]' 'pcpus = 4' '[guests]' 'count = 4' \
		'[timeline]' 'all = 1s cpu 50%' >"$SCENARIO"
	export PYTHON=/usr/bin/python3
}

setup() {
	RUN=$BATS_TEST_DIRNAME/run
	CPU=$BATS_TEST_DIRNAME/../../cpu
	TRACE=$BATS_TEST_TMPDIR/trace
}

# socket PROGRAM…: runs it; what it prints is in $output.
socket() {
	run timeout 120 "$RUN" -v --trace "$TRACE" "$SCENARIO" -- "$@"
	echo "$output"
}

# twice PROGRAM…: two runs are the same to the byte.
twice() {
	for i in 1 2; do
		timeout 120 "$RUN" --seed 7 --trace "$TRACE.$i" "$SCENARIO" -- "$@"
	done
	cmp "$TRACE.1" "$TRACE.2"
}

script() {
	cat >"$BATS_TEST_TMPDIR/$1"
	chmod +x "$BATS_TEST_TMPDIR/$1"
}

# --- libvirt's calls ---

@test "every libvirt call, wrong use and events, by libvirt's own client library" {
	SCENARIO=host/test_calls.scenario
	cd "$BATS_TEST_DIRNAME"
	socket build/host/test_calls
	[ "$status" -eq 0 ]
	grep -q '"event":"program_exit","status":0' "$TRACE"
	# As cmocka prints it, or in TAP where the environment asks for that.
	[[ $output == *"25 test(s) run"* || $output == *"ok 25 - "* ]]
	# What is not simulated is refused as libvirt refuses it, and ends no host.
	socket "$PYTHON" -c 'import libvirt
c = libvirt.open()
d = c.lookupByName("aos_vm1")
for ask in (lambda: d.blockInfo("vda"), lambda: d.managedSave(), lambda: c.listNetworks(), lambda: d.hasCurrentSnapshot()):
    try: print("answer", ask())
    except libvirt.libvirtError as e: print("code", e.get_error_code())'
	[ "$(grep -c '^code 3$' <<<"$output")" -eq 2 ]
	[[ $output == *"answer []"*"answer 0"* ]]
}

@test "every procedure of the protocol is answered, refused by name, or ends its connection" {
	script raw <<-'EOF'
		import socket, struct

		def connect():
		    s = socket.socket(socket.AF_UNIX)
		    s.connect("/run/libvirt/libvirt-sock")
		    ask(s, 1, struct.pack(">II", 0, 0))
		    return s

		def take(s, n):
		    data = b""
		    while len(data) < n:
		        more = s.recv(n - len(data))
		        if not more:
		            return None
		        data += more
		    return data

		def ask(s, procedure, body=b""):
		    s.sendall(struct.pack(">IIIIIII", 28 + len(body), 0x20008086, 1, procedure, 0, 7, 0) + body)
		    length = take(s, 4)
		    return length and take(s, struct.unpack(">I", length)[0] - 4)

		s, said = connect(), {"done": 0, "refused": 0, "unknown": 0, "ended": 0}
		for procedure in range(2, 480):
		    reply = ask(s, procedure)
		    if reply is None:
		        said["ended"] += 1
		        s = connect()
		    elif struct.unpack(">I", reply[20:24])[0] == 0:
		        said["done"] += 1
		    else:
		        code, = struct.unpack(">I", reply[24:28])
		        said["refused" if code == 3 else "unknown" if code == 39 else "code %d" % code] = \
		            said.get("refused" if code == 3 else "unknown" if code == 39 else "code %d" % code, 0) + 1
		print(sum(said.values()), said)
	EOF
	socket "$PYTHON" "$BATS_TEST_TMPDIR/raw"
	[ "$status" -eq 0 ]
	[[ $output == *"478 {"* && $output == *"'unknown': 36"* ]]
	# What is answered needs arguments, but for some; the rest has libvirt's "no support".
	(($(grep -c '"outcome":"error".*"error":"this function is not supported by the connection driver: vir' "$TRACE") > 300))
	grep -q '"function":"virNetworkCreate","outcome":"error"' "$TRACE"
	[ "$(grep -c '"function":"virDomainPinVcpu"' "$TRACE")" -eq 0 ]
}

@test "faults: calls that fail, a libvirtd that restarts, late wake-ups, slow answers" {
	SCENARIO=$BATS_TEST_TMPDIR/faulty.scenario
	{
		cat "$BATS_FILE_TMPDIR/quiet.scenario"
		printf '%s\n' '[faults]' 'fail = virConnectGetAllDomainStats 20%' 'fail = virDomain* 10% operation_failed' \
			'libvirtd_restart = 12s 3s' 'late = 20% 300ms' 'slow = 20% 500ms' 'busy = 20%' \
			'replace = 2 9s 1s' 'respawn = 3 14s 1s' 'pause = 4 6s-16s' 'repin = all 8s 0 5s'
	} >"$SCENARIO"
	twice "$CPU/vcpu_scheduler" -v 1
	grep -q 'libvirtd restarts' "$TRACE.1"
	grep -q 'injected by the scenario' "$TRACE.1"
	# It reconnected, and went on.
	[ "$(grep -c '"function":"virConnectOpen"' "$TRACE.1")" -ge 2 ]
	grep '"event":"call"' "$TRACE.1" | tail -1 | grep -q '"t_s":\(28\|29\|30\)'
}

# --- whatever a program is made of ---

@test "a shell loop around virsh: children, pipes and sleeps share one time" {
	script loop <<-'EOF'
		#!/bin/bash
		for i in 1 2 3; do
			for guest in $(virsh list --name | sort -r); do
				echo "$i $guest $(virsh domstats --vcpu "$guest" | grep -c delay) $(date +%T)"
			done
			virsh vcpupin aos_vm1 0 $i | grep -v '^$'
			sleep 5
		done
		virsh list | awk 'NR > 2 && NF { print $2 }' | head -1
		cut -d. -f1 /proc/uptime
	EOF
	socket "$BATS_TEST_TMPDIR/loop"
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = "1 aos_vm4 1 00:00:00" ]
	[[ $output == *"3 aos_vm1 1 00:00:10"* ]]
	[ "${lines[-2]}" = "aos_vm1" ]
	[ "${lines[-1]}" = 86415 ]
	[ "$(grep -c '"event":"pin","guest":"aos_vm1"' "$TRACE")" -eq 3 ]
	twice "$BATS_TEST_TMPDIR/loop"
}

@test "popen, system, fork and stdio over pipes" {
	cat >"$BATS_TEST_TMPDIR/p.c" <<-'EOF'
		#define _GNU_SOURCE
		#include <stdio.h>
		#include <stdlib.h>
		#include <sys/wait.h>
		#include <time.h>
		#include <unistd.h>
		int main(void)
		{
			char line[100], big[200000] = "";
			int ends[2], status;
			FILE *file = popen("sleep 2; echo after; sleep 1; echo more", "r");
			while (fgets(line, sizeof(line), file))
				printf("%ld %s", (long)time(NULL) % 60, line);
			printf("closed %d\n", pclose(file));
			status = system("sleep 1; exit 7");
			printf("system %d %ld\n", WEXITSTATUS(status), (long)time(NULL) % 60);
			if (pipe(ends) || fork() == 0) {
				close(ends[0]);
				file = fdopen(ends[1], "w");
				return fwrite(big, 1, sizeof(big), file) != sizeof(big); /* more than a pipe holds */
			}
			close(ends[1]);
			sleep(3);
			size_t n = 0;
			for (ssize_t got; (got = read(ends[0], big, sizeof(big))) > 0;)
				n += (size_t)got;
			wait(&status);
			printf("read %zu, child %d, %ld\n", n, status, (long)time(NULL) % 60);
			return 0;
		}
	EOF
	"${CC:-cc}" -w -o "$BATS_TEST_TMPDIR/p" "$BATS_TEST_TMPDIR/p.c"
	socket "$BATS_TEST_TMPDIR/p"
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = "2 after" ]
	[ "${lines[1]}" = "3 more" ]
	[ "${lines[2]}" = "closed 0" ]
	[ "${lines[3]}" = "system 7 4" ]
	[ "${lines[4]}" = "read 200000, child 0, 7" ]
	twice "$BATS_TEST_TMPDIR/p"
}

@test "Python: threads, events, asyncio, subprocesses and worker processes" {
	script p.py <<-'EOF'
		import asyncio, libvirt, multiprocessing, subprocess, threading, time

		def square(x):
		    time.sleep(1)
		    return x * x

		def main():
		    libvirt.virEventRegisterDefaultImpl()
		    def loop():
		        while True:
		            libvirt.virEventRunDefaultImpl()
		    threading.Thread(target=loop, daemon=True).start()
		    c = libvirt.open()
		    def changed(conn, domain, event, detail, opaque):
		        print("event", domain.name(), event, flush=True)
		    c.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, changed, None)
		    begin = time.monotonic()
		    def look(n):
		        for i in range(3):
		            time.sleep(1.5)
		            c.getAllDomainStats()
		    threads = [threading.Thread(target=look, args=(n,)) for n in range(3)]
		    for t in threads: t.start()
		    for t in threads: t.join()
		    c.lookupByName("aos_vm1").suspend()
		    time.sleep(0.5)
		    print("threads", round(time.monotonic() - begin, 1))
		    async def child():
		        p = await asyncio.create_subprocess_exec("sh", "-c", "sleep 2; virsh list --name", stdout=subprocess.PIPE)
		        return (await p.communicate())[0].decode().split()
		    print("asyncio", asyncio.run(child()), round(time.monotonic() - begin))
		    with multiprocessing.Pool(2) as pool:
		        print("pool", pool.map(square, [1, 2, 3]), round(time.monotonic() - begin))

		if __name__ == "__main__":
		    main()
	EOF
	socket "$PYTHON" "$BATS_TEST_TMPDIR/p.py"
	[ "$status" -eq 0 ]
	[[ $output == *"event aos_vm1 3"* ]]
	[[ $output == *"threads 5.0"* ]]
	[[ $output == *"asyncio ['aos_vm1', 'aos_vm2', 'aos_vm3', 'aos_vm4'] 7"* ]]
	[[ $output == *"pool [1, 4, 9] 9"* ]]
	twice "$PYTHON" "$BATS_TEST_TMPDIR/p.py"
}

@test "chance comes from the seed, in whatever way a program asks for it" {
	script chance <<-'EOF'
		#!/bin/bash
		perl -e 'print rand(), " ", join(",", keys %{{map { $_ => 1 } 1 .. 20}}), "\n"'
		od -An -tx1 -N 8 /dev/urandom
		/usr/bin/python3 -c 'import os, random, secrets; print(random.random(), secrets.token_hex(4), hash("x"))'
	EOF
	twice "$BATS_TEST_TMPDIR/chance"
	[ "$(grep -c '"event":"program_output","stream":"stdout"' "$TRACE.1")" -eq 3 ]
	"$RUN" --seed 8 --trace "$TRACE.3" "$SCENARIO" -- "$BATS_TEST_TMPDIR/chance"
	run cmp -s <(grep stdout "$TRACE.1") <(grep stdout "$TRACE.3")
	[ "$status" -eq 1 ]
}

@test "an AddressSanitizer build" {
	cat >"$BATS_TEST_TMPDIR/p.c" <<-'EOF'
		#include <stdio.h>
		#include <stdlib.h>
		#include <unistd.h>
		int main(void) { sleep(3); free(malloc(10)); puts("slept"); return 0; }
	EOF
	"${CC:-cc}" -fsanitize=address -o "$BATS_TEST_TMPDIR/p" "$BATS_TEST_TMPDIR/p.c" || skip "no AddressSanitizer"
	socket "$BATS_TEST_TMPDIR/p"
	[ "$status" -eq 0 ]
	[[ $output == *slept* ]]
	grep '"event":"program_exit","status":0' "$TRACE" | grep -q '"t_s":3[.,]'
}

# --- nothing else is reached ---

@test "a cleared environment, libvirt's own paths and deep binding lead to the simulated host" {
	script reach <<-'EOF'
		#!/bin/bash
		env -i /usr/bin/virsh list --name | head -1
		for path in /run/libvirt/libvirt-sock /var/run/libvirt/libvirt-sock; do
			virsh -c "qemu+unix:///system?socket=$path" list --name | head -1
		done
		ln -s /run/libvirt/libvirt-sock "$RUNTIME_DIRECTORY/link"
		virsh -c "qemu+unix:///system?socket=$RUNTIME_DIRECTORY/link" list --name | head -1
		virsh -r list --name | head -1
		virsh -c qemu:///session list --name | head -1
		/usr/bin/python3 -c '
		import ctypes, os
		lib = ctypes.CDLL("libvirt.so.0", mode=os.RTLD_NOW | os.RTLD_DEEPBIND)
		lib.virConnectOpen.restype = ctypes.c_void_p
		lib.virConnectNumOfDomains.argtypes = [ctypes.c_void_p]
		print("deep", lib.virConnectNumOfDomains(lib.virConnectOpen(None)))'
	EOF
	sed -i 's/^\t\t//' "$BATS_TEST_TMPDIR/reach"
	socket "$BATS_TEST_TMPDIR/reach"
	[ "$status" -eq 0 ]
	[ "$(grep -c '^aos_vm1$' <<<"$output")" -eq 6 ]
	[[ $output == *"deep 4"* ]]
	# The connection that may not change anything does not.
	socket virsh -r suspend aos_vm1
	[[ $output == *"read only access prevents"* ]]
}

@test "libvirt over the network ends the run" {
	socket virsh -c qemu+tcp://127.0.0.1/system list
	[ "$status" -eq 2 ]
	[[ $output == *"connects to a libvirtd over the network"* ]]
}

@test "past libc: a raw connect, another name, exec without anything lead to the simulated host" {
	cat >"$BATS_TEST_TMPDIR/p.c" <<-'EOF'
		#define _GNU_SOURCE
		#include <stdio.h>
		#include <string.h>
		#include <sys/socket.h>
		#include <sys/syscall.h>
		#include <sys/un.h>
		#include <unistd.h>
		/* Says whose the socket is that a path leads to. */
		int main(int argc, char **argv)
		{
			char *virsh[] = {"virsh", "list", "--name", NULL}, *empty[] = {NULL};
			for (int i = 1; i < argc; i++) {
				struct sockaddr_un un = {.sun_family = AF_UNIX};
				struct ucred peer = {0};
				socklen_t len = sizeof(peer);
				int fd = (int)syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0);
				snprintf(un.sun_path, sizeof(un.sun_path), "%s", argv[i]);
				long status = syscall(SYS_connect, fd, &un, sizeof(un));
				syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_PEERCRED, &peer, &len);
				printf("%ld %s\n", status, status ? "nobody" : peer.pid == getppid() ? "ours" : "another");
			}
			fflush(stdout);
			syscall(SYS_execve, "/usr/bin/virsh", virsh, empty);
			return 1;
		}
	EOF
	"${CC:-cc}" -w -o "$BATS_TEST_TMPDIR/p" "$BATS_TEST_TMPDIR/p.c"
	ln -s /run/libvirt/libvirt-sock "$BATS_TEST_TMPDIR/link"
	# Where libvirtd runs, its socket has another name, too.
	if [ -S /run/libvirt/libvirt-sock ] && ln /run/libvirt/libvirt-sock "/run/ballast-test-$$"; then
		ln -s "/run/ballast-test-$$" "$BATS_TEST_TMPDIR/hard"
	else
		ln -s link "$BATS_TEST_TMPDIR/hard"
	fi
	socket "$BATS_TEST_TMPDIR/p" /run/libvirt/libvirt-sock /var/run/libvirt/libvirt-sock-ro "$BATS_TEST_TMPDIR/link" \
		"$BATS_TEST_TMPDIR/hard" /run/libvirt/virtlogd-sock
	rm -f "/run/ballast-test-$$"
	[ "$status" -eq 0 ]
	[ "$(grep -c '^0 ours$' <<<"$output")" -eq 4 ]
	[[ $output == *"-1 nobody"* && $output != *another* ]]
	[ "$(grep -c '^aos_vm[1-4]$' <<<"$output")" -eq 4 ]
	[[ $output == *"a process without the simulated clock connects to libvirt: time goes as the machine's from t = 0.000 s on"* ]]
	# In virtual time it is refused.
	run "$RUN" --pace virtual "$SCENARIO" -- "$BATS_TEST_TMPDIR/p"
	[ "$status" -eq 2 ]
	[[ $output == *"a process without the simulated clock connects to libvirt, at t = 0.000 s"* ]]
	# What is neither libvirtd's nor anybody else's.
	socket "$BATS_TEST_TMPDIR/p" /var/lib/libvirt/qemu/domain-1-x/monitor.sock
	[ "$status" -eq 2 ]
	[[ $output == *"it connects to /var/lib/libvirt/qemu/domain-1-x/monitor.sock at t = 0.000 s: that is the machine's own libvirt"* ]]
}

@test "a name space of libraries of its own ends the run" {
	printf '%s\n' '#define _GNU_SOURCE' '#include <dlfcn.h>' '#include <stdio.h>' \
		'int main(void) { printf("%p\n", dlmopen(LM_ID_NEWLM, "libvirt.so.0", RTLD_NOW)); return 0; }' >"$BATS_TEST_TMPDIR/p.c"
	"${CC:-cc}" -w -o "$BATS_TEST_TMPDIR/p" "$BATS_TEST_TMPDIR/p.c"
	socket "$BATS_TEST_TMPDIR/p"
	[ "$status" -eq 2 ]
	[[ $output == *"it loads libvirt.so.0 into a name space of its own (dlmopen) at t = 0.000 s"* ]]
}

@test "what nothing can be preloaded into is played in real time, or refused in virtual time" {
	local begin
	printf '%s\n' '#include <stdio.h>' '#include <unistd.h>' \
		'int main(void) { sleep(1); puts("slept"); return 0; }' >"$BATS_TEST_TMPDIR/p.c"
	"${CC:-cc}" -static -o "$BATS_TEST_TMPDIR/static" "$BATS_TEST_TMPDIR/p.c"
	begin=${EPOCHREALTIME/./}
	socket sh -c "sleep 2; $BATS_TEST_TMPDIR/static; cut -d. -f1 /proc/uptime; exec $BATS_TEST_TMPDIR/static"
	((${EPOCHREALTIME/./} - begin >= 2000000))
	[ "$status" -eq 0 ]
	[[ $output == *"at t = 2.000 s it starts $BATS_TEST_TMPDIR/static: is statically linked"*"time goes as the machine's from t = 2.000 s on"* ]]
	[ "$(grep -c '^slept$' <<<"$output")" -eq 2 ]
	[[ $output == *$'\n'8640[2-9]* ]]
	socket "$BATS_TEST_TMPDIR/static"
	[ "$status" -eq 0 ]
	[[ $output == *"$BATS_TEST_TMPDIR/static: is statically linked"*slept* ]]
	grep '"event":"program_exit","status":0' "$TRACE" | grep -q '"t_s":[1-9]'
	for how in "$BATS_TEST_TMPDIR/static" "sh -c $BATS_TEST_TMPDIR/static;echo"; do
		IFS=' ' read -r -a program <<<"$how"
		run "$RUN" --pace virtual --trace "$TRACE" -v "$SCENARIO" -- "${program[@]}"
		[ "$status" -eq 2 ]
		[[ $output == *"$BATS_TEST_TMPDIR/static: is statically linked"* && $output != *slept* ]]
	done
	grep -q '"event":"unsimulated"' "$TRACE"
	# All of them, if that is asked for.
	begin=${EPOCHREALTIME/./}
	"$RUN" --pace 1 "$SCENARIO" -- sleep 1
	((${EPOCHREALTIME/./} - begin >= 1000000))
}

# --- how programs end ---

@test "SIGTERM at the end reaches a shell and its children; nothing is left behind" {
	export TMPDIR=$BATS_TEST_TMPDIR/tmp
	mkdir "$TMPDIR"
	socket bash -c 'trap "echo told; exit 5" TERM; while :; do sleep 1000 & wait $!; done'
	[ "$status" -eq 0 ]
	[[ $output == *told* ]]
	grep -q '"t_s":30,"event":"program_exit","status":5,"asked":true' "$TRACE"
	socket "$PYTHON" -c 'import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
while True: time.sleep(1)'
	grep -q '"t_s":35,"event":"program_exit","signal":9,"asked":true' "$TRACE"
	[ -z "$(ls "$TMPDIR")" ]
	run pgrep -f "$BATS_TEST_TMPDIR"
	[ "$status" -eq 1 ]
}

@test "one that crashes, one that never waits, one that hangs" {
	socket "$PYTHON" -c 'import ctypes, time; time.sleep(7); ctypes.string_at(0)'
	[ "$status" -eq 2 ]
	[[ $output == *"crashed at t = 7.000 s: Segmentation fault (signal 11)"* ]]
	grep -q '"t_s":7,"event":"program_exit","signal":11,"asked":false' "$TRACE"
	run timeout 60 "$RUN" --patience 0.5 "$SCENARIO" -- sh -c 'while :; do :; done'
	[ "$status" -eq 2 ]
	[[ $output == *"computes without end"* ]]
	# One that looks again and again, with a time-out of 0, makes time go by.
	socket "$PYTHON" -c 'import select, time
begin = time.monotonic()
while time.monotonic() < begin + 0.1: select.select([], [], [], 0)
print("looked")'
	[[ $output == *looked* ]]
}
