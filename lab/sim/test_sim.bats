#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The simulated host as a whole: programs nobody prepared for it, traces that are the same every time, and clear words for what
# cannot be.
# shellcheck disable=SC2016,SC2030,SC2031 # programs in quotes; bats sets status and output

setup_file() {
	export CPU=$BATS_FILE_TMPDIR/cpu.scenario MEMORY=$BATS_FILE_TMPDIR/memory.scenario
	cat >"$CPU" <<-'EOF'
		[scenario]
		kind = cpu
		[guests]
		pins = all-on-one
		[timeline]
		odd = 5s cpu 100%
		even = 5s cpu 45%
	EOF
	cat >"$MEMORY" <<-'EOF'
		[scenario]
		kind = memory
		length = 60s
		[timeline]
		1 = 10s memory 1200M 20M/s
	EOF
}

setup() {
	cd "$BATS_TEST_DIRNAME" || return 1
	RUN=$BATS_TEST_DIRNAME/run
	TRACE=$BATS_TEST_TMPDIR/trace
	export CMOCKA_MESSAGE_OUTPUT=STDOUT # of the programs that are tests themselves
}

# Compiles a C program from stdin.
build() {
	"${CC:-cc}" -x c -o "$BATS_TEST_TMPDIR/program" -
	PROGRAM=$BATS_TEST_TMPDIR/program
}

# How many events of a kind, or lines with a text, the trace has.
count() {
	grep -c -- "$1" "$TRACE" || true
}

# What a refused run leaves: a trace whose lines are all whole.
whole_trace() {
	grep -q '"type":"header"' "$TRACE"
	! grep -qv '^{.*}$' "$TRACE"
}

# --- the model and the clock, from the inside ---

@test "the model under the sanitizers of addresses and of undefined behaviour" {
	for test in model/test_*.c; do
		cc -std=c11 -D_GNU_SOURCE -I../../common -O1 -fsanitize=address,undefined -fno-sanitize-recover=all \
			-o "$BATS_TEST_TMPDIR/test" "$test" model/made_host.c model/{model,cpu,past,balance,memory,host,rng}.c ../../common/units.c -lcmocka -lm
		"$BATS_TEST_TMPDIR/test"
	done
}

@test "whatever waits takes virtual time and no real time" {
	run "$RUN" -v --trace "$TRACE" clock/test_clock.scenario -- build/clock/test_clock
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$(count '"event":"program_exit","status":0')" -eq 1 ]
	[[ $output == *"17 test(s) run"* ]]
}

# --- programs as they are ---

@test "vcpu_scheduler balances all-on-one" {
	[ -x ../../cpu/vcpu_scheduler ] || skip "cpu/vcpu_scheduler is not built"
	"$RUN" --trace "$TRACE" "$CPU" -- ../../cpu/vcpu_scheduler 2
	[ "$(count '"event":"pin"')" -ge 6 ]
	[ "$(count '"function":"virConnectGetAllDomainStats"')" -ge 14 ]
	[ "$(count '"event":"program_exit","status":0,"asked":true')" -eq 1 ]
	[ "$(tail -1 "$TRACE" | grep -c '"event":"end"')" -eq 1 ]
}

@test "memory_coordinator gives a growing guest memory" {
	[ -x ../../memory/memory_coordinator ] || skip "memory/memory_coordinator is not built"
	"$RUN" --trace "$TRACE" "$MEMORY" -- ../../memory/memory_coordinator 2
	[ "$(count '"event":"setmem","guest":"aos_vm1"')" -ge 3 ]
	[ "$(count '"event":"oom"')" -eq 0 ]
	[ "$(count '"event":"program_exit","status":0,"asked":true')" -eq 1 ]
}

@test "a Python script with an event loop in a thread" {
	run "$RUN" -v --trace "$TRACE" "$CPU" -- /usr/bin/python3 host/test_client.py
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *"tick 4 at 8.0 guests 8 busy "* ]]
	[[ $output == *"error 8: invalid argument: cannot set memory higher than max memory"* ]]
	# The first round of pins moves six; the others change nothing and are told apart.
	[ "$(count '"event":"pin"')" -eq 6 ]
	[ "$(count '"function":"virDomainPinVcpu".*"noop":true')" -eq 34 ]
	[ "$(count '"event":"program_output","stream":"stdout"')" -eq 6 ]
	[ "$(count '"t_s":4,"event":"program_output","stream":"stdout","line":"tick 2 at 4.0')" -eq 1 ]
}

@test "virsh: list, vcpuinfo, vcpupin, dommemstat, setmem, domstats" {
	virsh() { "$RUN" -v --trace "$TRACE" "$MEMORY" -- virsh "$@" 2>&1; }
	[ "$(virsh list | grep -c 'aos_vm[1-4].*running')" -eq 4 ]
	virsh vcpuinfo aos_vm1 | grep -qx 'CPU Affinity:   yyyy'
	virsh vcpupin aos_vm2 0 1,3
	[ "$(count '"event":"pin","guest":"aos_vm2","vcpu":0,"affinity":"1,3","by":"program"')" -eq 1 ]
	virsh dommemstat aos_vm1 | grep -qx 'actual 524288'
	virsh setmem aos_vm1 300M
	[ "$(count '"event":"setmem","guest":"aos_vm1","kib":307200,"by":"program"')" -eq 1 ]
	virsh domstats aos_vm3 --vcpu --balloon | grep -qx '  balloon.maximum=2097152'
	virsh dominfo aos_vm4 | grep -qx 'Max memory:     2097152 KiB'
	# What is not simulated fails by name.
	virsh sysinfo | grep -q 'not supported by the connection driver: virConnectGetSysinfo'
}

@test "a program that opens libvirt by itself gets the simulated one" {
	run "$RUN" -v "$CPU" -- /usr/bin/python3 -c '
import ctypes
libvirt = ctypes.CDLL("libvirt.so.0")
libvirt.virConnectOpen.restype = ctypes.c_void_p
conn = ctypes.c_void_p(libvirt.virConnectOpen(None))
print("domains", libvirt.virConnectNumOfDomains(conn))'
	[[ $output == *"domains 8"* ]]
}

@test "cgroup v1 has times per pCPU" {
	sed 's/^\[guests\]/[host]\ncgroup = 1\n[guests]/' "$CPU" >"$BATS_TEST_TMPDIR/v1.scenario"
	run "$RUN" -v "$BATS_TEST_TMPDIR/v1.scenario" -- /usr/bin/python3 -c '
import libvirt, time
d = libvirt.open().lookupByName("aos_vm1")
d.getCPUStats(False)
time.sleep(10)
print([round(c["cpu_time"] / 1e9) for c in d.getCPUStats(False)])'
	echo "$output"
	[[ $output == *", 0, 0, 0]"* ]]
	[[ $output != *"[0,"* ]]
}

@test "the folders of /sys list the simulated CPUs and nodes" {
	sed 's/^\[guests\]/[host]\npcpus = 12\nnodes = 2\noffline = 11\n[guests]/' "$CPU" >"$BATS_TEST_TMPDIR/twelve.scenario"
	run "$RUN" -v "$BATS_TEST_TMPDIR/twelve.scenario" -- /usr/bin/python3 -c '
import glob, os
cpus = "/sys/devices/system/cpu"
print("cpus", len(glob.glob(cpus + "/cpu[0-9]*")), "with topology", len(glob.glob(cpus + "/cpu[0-9]*/topology/core_id")))
print("nodes", sorted(n for n in os.listdir("/sys/devices/system/node/") if n[-1].isdigit()))
print("there", os.path.isdir(cpus + "/cpu11"), os.access(cpus + "/cpu11/online", os.R_OK), os.path.isfile("/proc/stat"))
print("not there", os.path.exists(cpus + "/cpu12"), os.access(cpus + "/cpu12/online", os.R_OK))
print("real", os.path.isdir("/etc"), len(os.listdir("/proc/self/fd")) > 2)'
	echo "$output"
	[ "${lines[0]}" = "cpus 12 with topology 11" ]
	[ "${lines[1]}" = "nodes ['node0', 'node1']" ]
	[ "${lines[2]}" = "there True True True" ]
	[ "${lines[3]}" = "not there False False" ]
	[ "${lines[4]}" = "real True True" ]
}

# --- the same every time ---

@test "two runs are the same to the byte, another seed is not" {
	for i in 1 2; do
		"$RUN" --trace "$TRACE.$i" "$CPU" -- /usr/bin/python3 host/test_client.py
	done
	cmp "$TRACE.1" "$TRACE.2"
	"$RUN" --seed 2 --trace "$TRACE.3" "$CPU" -- /usr/bin/python3 host/test_client.py
	run cmp -s "$TRACE.1" "$TRACE.3"
	[ "$status" -eq 1 ]
}

# The scenario on stdin, twice with the program: the trace must be the same, and have seen the faults.
same() {
	cat >"$BATS_TEST_TMPDIR/same.scenario"
	for i in 1 2; do
		"$RUN" --seed 7 --trace "$TRACE.$i" "$BATS_TEST_TMPDIR/same.scenario" -- "$@"
	done
	cmp "$TRACE.1" "$TRACE.2"
	TRACE=$TRACE.1
	[ "$(count '"error":".*injected by the scenario')" -ge 1 ]
	[ "$(count 'libvirtd restarts')" -ge 1 ]
	[ "$(count '"event":"end"')" -eq 1 ]
}

between='fail = virConnectGetAllDomainStats 20%
fail = virDomain* 10% operation_failed
libvirtd_restart = 12s 3s
late = 20% 300ms
busy = 20%'

@test "two runs are the same to the byte: vcpu_scheduler, with faults of every kind" {
	[ -x ../../cpu/vcpu_scheduler ] || skip "cpu/vcpu_scheduler is not built"
	{ cat "$CPU" && printf '[faults]\n%s\n' "$between" 'repin = all 8s 0 5s' 'offline = 3 10s-20s' \
		'replace = 2 9s 1s' 'respawn = 3 14s 1s' 'pause = 4 6s-16s' 'hang = 5 10s-20s' \
		'host_load = 1 60% 8s-18s' 'policy = 1 11s manage=no'; } |
		same ../../cpu/vcpu_scheduler -v 1
}

@test "two runs are the same to the byte: memory_coordinator, with faults of every kind" {
	[ -x ../../memory/memory_coordinator ] || skip "memory/memory_coordinator is not built"
	{ cat "$MEMORY" && printf '[faults]\n%s\n' "$between" 'balloon_flaky = 1 5s 3s' 'balloon_slow = 2 20M/s' \
		'stats_frozen = 3 10s-30s' 'setmem = 4 8s 512M 9s' 'host_used = 8G 10s 500M/s' 'replace = 2 20s 1s' \
		'guest_swap = 1 256M' 'policy = 4 30s manage=no reserve=300M'; } |
		same ../../memory/memory_coordinator -v 1
}

@test "without a program the scenario is played alone" {
	"$RUN" --trace "$TRACE" "$CPU"
	[ "$(count '"type":"sample"')" -eq 30 ]
	[ "$(tail -1 "$TRACE" | grep -c '"event":"end"')" -eq 1 ]
}

@test "two traces are compared: the same, another course, another host" {
	"$RUN" --trace "$TRACE.1" "$CPU"
	"$RUN" --seed 2 --trace "$TRACE.2" "$CPU"
	sed 's/^odd.*/odd = 5s cpu 5%/; s/^even.*/even = 5s cpu 5%/' "$CPU" >"$BATS_TEST_TMPDIR/light.scenario"
	"$RUN" --trace "$TRACE.3" "$BATS_TEST_TMPDIR/light.scenario"
	sed 's/^\[guests\]/[host]\npcpus = 2\n[guests]\ncount = 8/' "$CPU" >"$BATS_TEST_TMPDIR/small.scenario"
	"$RUN" --trace "$TRACE.4" "$BATS_TEST_TMPDIR/small.scenario"
	run build/compare "$TRACE.1" "$TRACE.1"
	[ "$status" -eq 0 ]
	[[ $output == "usage_median=0.0 usage_p90=0.0 actual_median=0.0 actual_p90=0.0 samples=30" ]]
	run build/compare "$TRACE.1" "$TRACE.2"
	[ "$status" -eq 0 ]
	[[ $output != "usage_median=0.0 usage_p90=0.0"* ]]
	# All on one pCPU at 5 % or at 100 %: that pCPU differs by half, the other three do not.
	run build/compare "$TRACE.1" "$TRACE.3"
	[[ $output == *"usage_p90="[4-9][0-9].* ]]
	run build/compare "$TRACE.1" "$TRACE.4"
	[ "$status" -eq 2 ]
	"$RUN" --prefix other --trace "$TRACE.6" "$CPU"
	run build/compare "$TRACE.1" "$TRACE.6"
	[ "$status" -eq 2 ]
	# A host like that of a trace is one whose trace is the same.
	{ cat "$CPU" && build/compare --host "$TRACE.1"; } >"$BATS_TEST_TMPDIR/like.scenario"
	"$RUN" --trace "$TRACE.5" "$BATS_TEST_TMPDIR/like.scenario"
	run build/compare "$TRACE.1" "$TRACE.5"
	echo "$output"
	[ "$status" -eq 0 ]
}

# --- faults between program and libvirt ---

faulty() {
	{ cat "$CPU"; printf '[faults]\n%s\n' "$1"; } >"$BATS_TEST_TMPDIR/faulty.scenario"
	"$RUN" -v --trace "$TRACE" "$BATS_TEST_TMPDIR/faulty.scenario" -- /usr/bin/python3 -c "$2" 2>&1
}

counting='
import libvirt, time
def quiet(_opaque, _error): pass
libvirt.registerErrorHandler(quiet, None)
c = libvirt.open()
for i in range(12):
    try: print("good", c.numOfDomains())
    except libvirt.libvirtError as e: print("bad", e.get_error_code())
    time.sleep(1)'

@test "calls fail: the n-th, each n-th, within a time, by chance" {
	run faulty 'fail = virConnectNumOfDomains call 3 operation_failed' "$counting"
	[ "$(grep -c good <<<"$output")" -eq 11 ]
	[ "$(sed -n 3p <<<"$output")" = "bad 9" ]
	run faulty 'fail = virConnectNum* every 4' "$counting"
	[ "$(grep -c 'bad 1' <<<"$output")" -eq 3 ]
	run faulty 'fail = virConnectNumOfDomains 100% no_domain 2s-5s' "$counting"
	[ "$(grep -c 'bad 42' <<<"$output")" -eq 3 ]
	run faulty 'fail = virConnectNumOfDomains 50%' "$counting"
	[ "$(grep -c bad <<<"$output")" -ge 1 ]
	[ "$(grep -c good <<<"$output")" -ge 1 ]
}

@test "a guest that is busy with another client" {
	run faulty 'busy = 100%' '
import libvirt
c = libvirt.open()
for flags in (0, libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT):
    _, s = c.getAllDomainStats(libvirt.VIR_DOMAIN_STATS_BALLOON, flags)[0]
    print("current", "balloon.current" in s, "unused", "balloon.unused" in s)'
	[[ ${lines[0]} == "current True unused True" ]]
	[[ ${lines[1]} == "current True unused False" ]]
}

@test "a connection that dies in the middle of a reply, and a slow link" {
	run faulty 'cut = virConnectGetAllDomainStats call 2' '
import libvirt
c = libvirt.open()
print("first", len(c.getAllDomainStats()))
try: c.getAllDomainStats()
except libvirt.libvirtError as e: print("code", e.get_error_code(), "alive", c.isAlive())
print("again", len(libvirt.open().getAllDomainStats()))'
	[[ $output == *"first 8"*"code 38 alive 0"*"again 8"* || $output == *"first 8"*"code 1 alive 0"*"again 8"* ]]
	# The call was done, and its change stands.
	run faulty 'cut = virDomainSuspend call 1' '
import libvirt
try: libvirt.open().lookupByName("aos_vm1").suspend()
except libvirt.libvirtError: print("cut")
print("state", libvirt.open().lookupByName("aos_vm1").state()[0])'
	[[ $output == *cut*"state 3"* ]]
	# 8 guests are some 8 KiB.
	run faulty 'link = 2K/s 0s-60s' '
import libvirt, time
c = libvirt.open()
t = time.monotonic(); c.getAllDomainStats(); print("took", 2 < time.monotonic() - t < 20)
t = time.monotonic(); c.lookupByName("aos_vm1").isActive(); print("short", 0 < time.monotonic() - t < 0.2)'
	[[ $output == *"took True"*"short True"* ]]
}

@test "figures an old libvirt has not, and wake-ups that come late" {
	run faulty 'missing = vcpu.*.delay' '
import libvirt
_, s = libvirt.open().getAllDomainStats(libvirt.VIR_DOMAIN_STATS_VCPU)[0]
print("delay" , "vcpu.0.delay" in s, "time", "vcpu.0.time" in s)'
	[[ $output == *"delay False time True"* ]]
	run faulty 'missing = vcpu.*.delay cpu.user 2' '
import libvirt
for d, s in libvirt.open().getAllDomainStats():
    print(d.name(), "delay", "vcpu.0.delay" in s, "user", "cpu.user" in s)'
	[[ $output == *"aos_vm2 delay False user False"* ]]
	[ "$(grep -c 'delay True user True' <<<"$output")" -eq 7 ]
	run faulty 'late = 100% 500ms' '
import time
t = time.monotonic(); time.sleep(1); print(1 < time.monotonic() - t <= 1.5)'
	[[ $output == *True* ]]
}

@test "computing takes time where it is charged, and none otherwise" {
	compute='
import time
t = time.monotonic()
sum(range(3000000))
print("took", time.monotonic() > t, "cpu", time.process_time() > 0)
time.sleep(3)'
	run "$RUN" -v --trace "$TRACE" "$CPU" -- /usr/bin/python3 -c "$compute"
	[[ $output == *"took False cpu False"* ]]
	[ "$(count '"program":{"cpu_pct":0}')" -ge 3 ]
	run "$RUN" --charge 5 -v --trace "$TRACE" "$CPU" -- /usr/bin/python3 -c "$compute"
	[[ $output == *"took True cpu True"* ]]
	[ "$(count '"program":{"cpu_pct":0}')" -le 3 ]
	[ "$(count '"program":{"cpu_pct":[1-9]')" -ge 1 ]
}

@test "the guest agent, metadata and weights, through virsh and python3-libvirt_qemu" {
	virsh() { "$RUN" -v --trace "$TRACE" "$MEMORY" -- virsh "$@" 2>&1; }
	virsh qemu-agent-command aos_vm1 '{"execute":"guest-ping"}' | grep -qx '{"return":{}}'
	virsh metadata aos_vm1 urn:ballast:lab:1 | grep -q '<guest'
	virsh desc aos_vm1 --title heavy | grep -q updated
	virsh schedinfo aos_vm1 --set cpu_shares=2000 | grep -qx 'cpu_shares     : 2000'
	grep '"event":"limit"' "$TRACE" | grep '"guest":"aos_vm1"' | grep -q '"what":"cpu_shares","value":2000'
	# Weights of cgroup v2, and of v1.
	run virsh schedinfo aos_vm1 --set cpu_shares=20000
	[[ $output == *"shares '20000' must be in range [1, 10000]"* ]]
	printf '[host]\ncgroup = 1\n' >>"$MEMORY"
	virsh schedinfo aos_vm1 | grep -qx 'cpu_shares     : 1024'
	virsh schedinfo aos_vm1 --set cpu_shares=20000 | grep -qx 'cpu_shares     : 20000'
	run virsh schedinfo aos_vm1 --set cpu_shares=1
	[[ $output == *"shares '1' must be in range [2, 262144]"* ]]
	sed -i '/^\[host\]$/,$d' "$MEMORY"
	virsh schedinfo aos_vm2 --set vcpu_quota=50000 | grep -qx 'vcpu_quota     : 50000'
	grep '"event":"limit"' "$TRACE" | grep '"guest":"aos_vm2"' | grep -q '"what":"vcpu_quota","value":50000'
	virsh emulatorpin aos_vm1 0-1
	run "$RUN" -v "$MEMORY" -- /usr/bin/python3 -c '
import base64, json, libvirt, libvirt_qemu
d = libvirt.open().lookupByName("aos_vm2")
def ask(name, **arguments):
    text = json.dumps({"execute": name, "arguments": arguments})
    return json.loads(libvirt_qemu.qemuAgentCommand(d, text, 5, 0))["return"]
handle = ask("guest-file-open", path="/proc/meminfo")
text = base64.b64decode(ask("guest-file-read", handle=handle)["buf-b64"]).decode()
inside = int(text.split()[1])
print("the same", inside == d.memoryStats()["available"])'
	[[ $output == *"the same True"* ]]
}

# --- how programs end ---

@test "one that ends early: the scenario goes on without it" {
	"$RUN" --trace "$TRACE" "$CPU" -- /usr/bin/python3 -c 'import sys, time; time.sleep(3); sys.exit(4)'
	[ "$(count '"t_s":3,"event":"program_exit","status":4,"asked":false')" -eq 1 ]
	[ "$(count '"type":"sample"')" -eq 30 ]
}

@test "one that ignores SIGTERM is killed 5 s later" {
	"$RUN" --trace "$TRACE" "$CPU" -- /usr/bin/python3 -c '
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
while True: time.sleep(1)'
	[ "$(count '"t_s":35,"event":"program_exit","signal":9,"asked":true')" -eq 1 ]
}

@test "one that does not handle SIGTERM ends by it" {
	"$RUN" --trace "$TRACE" "$CPU" -- sleep 1000
	[ "$(count '"t_s":30,"event":"program_exit","signal":15,"asked":true')" -eq 1 ]
}

@test "one that crashes: a line, and the trace up to there" {
	build <<-'EOF'
		#include <unistd.h>
		int main(void) { sleep(7); *(volatile int *)0 = 1; }
	EOF
	run "$RUN" --trace "$TRACE" "$CPU" -- "$PROGRAM"
	[ "$status" -eq 2 ]
	[[ $output == *"crashed at t = 7.000 s: Segmentation fault (signal 11)"* ]]
	whole_trace
	[ "$(count '"type":"sample"')" -eq 7 ]
	[ "$(count '"t_s":7,"event":"program_exit","signal":11,"asked":false')" -eq 1 ]
}

@test "one that never waits but looks at the clock" {
	build <<-'EOF'
		#include <time.h>
		int main(void) { for (time_t t = time(0) + 5; time(0) < t;) ; }
	EOF
	run "$RUN" --trace "$TRACE" "$CPU" -- "$PROGRAM"
	[ "$status" -eq 2 ]
	[[ $output == *"without waiting once"* ]]
	whole_trace
	[ "$(count '"event":"program_exit","signal":9,"asked":false')" -eq 1 ]
}

@test "one that computes without end, and one that hangs" {
	build <<-'EOF'
		int main(void) { for (volatile int i = 0;; i++) ; }
	EOF
	run "$RUN" --patience 0.5 --trace "$TRACE" "$CPU" -- "$PROGRAM"
	[ "$status" -eq 2 ]
	[[ $output == *"computes without end"* ]]
	whole_trace
	build <<-'EOF'
		#include <sys/syscall.h>
		#include <time.h>
		#include <unistd.h>
		int main(void) { struct timespec ts = {1000, 0}; syscall(SYS_nanosleep, &ts, 0); }
	EOF
	run "$RUN" --patience 0.5 --trace "$TRACE" "$CPU" -- "$PROGRAM"
	[ "$status" -eq 2 ]
	[[ $output == *"hangs in something that is not simulated"* ]]
	whole_trace
}

@test "a large host and a long sleep are no endless loop" {
	printf '%s\n' '[scenario]' 'kind = cpu' 'length = 300s' '[host]' 'pcpus = 1024' 'memory = 1200G' '[guests]' \
		'count = 1000' '[timeline]' 'all = 1s cpu 30%' >"$BATS_TEST_TMPDIR/large.scenario"
	# Alone it takes several times what a program may compute without waiting.
	"$RUN" --patience 0.1 "$BATS_TEST_TMPDIR/large.scenario" -- sleep 290
	"$RUN" --patience 0.1 "$BATS_TEST_TMPDIR/large.scenario" -- true
}

@test "one that prints without end" {
	build <<-'EOF'
		#include <stdio.h>
		int main(void) { for (;;) puts("more and more and more"); }
	EOF
	run "$RUN" --trace "$TRACE" "$CPU" -- "$PROGRAM"
	[ "$status" -eq 2 ]
	[[ $output == *"prints without end"* ]]
	whole_trace
	build <<-'EOF'
		#include <stdio.h>
		#include <unistd.h>
		int main(void) { for (;;) { for (int i = 0; i < 100000; i++) puts("more"); usleep(1000); } }
	EOF
	run "$RUN" --trace "$TRACE" "$CPU" -- "$PROGRAM"
	[ "$status" -eq 2 ]
	[[ $output == *"print"* ]]
	whole_trace
}

@test "a script that becomes its program by exec" {
	printf '#!/bin/sh\nexec virsh list\n' >"$BATS_TEST_TMPDIR/script"
	chmod +x "$BATS_TEST_TMPDIR/script"
	run "$RUN" -v "$CPU" -- "$BATS_TEST_TMPDIR/script"
	[ "$status" -eq 0 ]
	[[ $output == *aos_vm8* ]]
}

# --- what cannot be run at all ---

refused() {
	run "$RUN" --pace virtual --trace "$TRACE" "$CPU" -- "$1"
	echo "$output"
	[ "$status" -eq 2 ]
	[ "${#lines[@]}" -eq 1 ]
	[[ $output == *"$2"* ]]
}

@test "missing, not executable, a folder, empty, statically linked, set-uid" {
	refused ./nothing "No such file"
	refused nothing-of-this-name "no such program in PATH"
	touch "$BATS_TEST_TMPDIR/empty"
	refused "$BATS_TEST_TMPDIR/empty" "not executable"
	chmod +x "$BATS_TEST_TMPDIR/empty"
	refused "$BATS_TEST_TMPDIR/empty" "neither a program nor a script"
	refused "$BATS_TEST_TMPDIR" "not a file"
	echo 'int main(void) { return 0; }' >"$BATS_TEST_TMPDIR/p.c"
	"${CC:-cc}" -static -o "$BATS_TEST_TMPDIR/static" "$BATS_TEST_TMPDIR/p.c"
	refused "$BATS_TEST_TMPDIR/static" "statically linked"
	"${CC:-cc}" -o "$BATS_TEST_TMPDIR/setuid" "$BATS_TEST_TMPDIR/p.c"
	chmod u+s "$BATS_TEST_TMPDIR/setuid"
	refused "$BATS_TEST_TMPDIR/setuid" "set-uid"
	printf '#!/no/such/interpreter\n' >"$BATS_TEST_TMPDIR/script"
	chmod +x "$BATS_TEST_TMPDIR/script"
	refused "$BATS_TEST_TMPDIR/script" "/no/such/interpreter"
}

impossible() {
	printf '[scenario]\nkind = cpu\n%b' "$1" >"$BATS_TEST_TMPDIR/impossible.scenario"
	run "$RUN" --trace "$TRACE" "$BATS_TEST_TMPDIR/impossible.scenario" -- true
	echo "$output"
	[ "$status" -eq 2 ]
	[ "${#lines[@]}" -eq 1 ]
	[[ $output == *"$2"* ]]
	run "$RUN" "$BATS_TEST_TMPDIR/impossible.scenario"
	[ "$status" -eq 2 ]
}

@test "scenarios that cannot be" {
	impossible '[host]\npcpus = 0\n' pcpus
	impossible '[host]\nmemory = 1G\n' memory
	impossible '[host]\noffline = 0-3\n' 'no online pCPU'
	impossible '[faults]\nnonsense = 1\n' "nonsense"
	impossible '[faults]\nfail = virDomainPinVcpu sometimes\n' "should be FUNCTION"
	impossible '[faults]\nlibvirtd_restart = soon\n' "should be AT"
	impossible '[faults]\nheld = 1\n' "should be GUESTS FROM"
	impossible '[faults]\nstopped = x 1s\n' "should be GUESTS FROM"
	impossible '[faults]\nlibvirtd_stops = now\n' "should be FROM"
	impossible '[faults]\nbusy = often\n' "should be PERCENT"
	impossible '[faults]\nlate = 10%% 1s 9s-3s\n' "should be PERCENT"
	run "$RUN" ./nothing.scenario
	[ "$status" -eq 2 ]
	[ "${#lines[@]}" -eq 1 ]
}

@test "options" {
	run "$RUN"
	[ "$status" -eq 2 ]
	run "$RUN" --seed x "$CPU"
	[ "$status" -eq 2 ]
	run "$RUN" --no-such-option "$CPU"
	[ "$status" -eq 2 ]
	run "$RUN" --trace /no/such/folder/trace "$CPU" -- true
	[ "$status" -eq 2 ]
	[[ $output == *"/no/such/folder/trace"* ]]
	# Options stand before or behind the scenario, the program's own after --.
	"$RUN" "$CPU" --prefix other --trace "$TRACE" -- sleep 3
	[ "$(count '"name":"other8"')" -ge 1 ]
}

@test "nothing is left behind" {
	export TMPDIR=$BATS_TEST_TMPDIR/tmp
	mkdir "$TMPDIR"
	"$RUN" "$CPU" -- sh -c 'exec sleep 1' || true
	run "$RUN" "$CPU" -- sh -c 'echo > "$RUNTIME_DIRECTORY/state"; kill -9 $$'
	[ "$status" -eq 2 ]
	[ -z "$(ls "$TMPDIR")" ]
}

@test "a tree whose path has spaces and colons" {
	mkdir -p "$BATS_TEST_TMPDIR/a b:c/build"
	cp "$BATS_TEST_DIRNAME/run" "$BATS_TEST_TMPDIR/a b:c/"
	cp "$BATS_TEST_DIRNAME/build/libballast-clock.so" "$BATS_TEST_TMPDIR/a b:c/build/"
	run "$BATS_TEST_TMPDIR/a b:c/run" --trace "$BATS_TEST_TMPDIR/a trace" \
		"$BATS_TEST_DIRNAME/../../ci/scenarios/cpu-idle.scenario" -- sleep 1000
	echo "$output"
	[ "$status" -eq 0 ]
	grep -q '"event":"end"' "$BATS_TEST_TMPDIR/a trace"
}

@test "whoever dies of the signal that ended the run ends in the ordinary way" {
	local again='signal.signal(signal.SIGTERM, signal.SIG_DFL)' how
	for how in 'os.kill(os.getpid(), signal.SIGTERM)' 'signal.raise_signal(signal.SIGTERM)'; do
		rm -f "$TRACE"
		"$RUN" --trace "$TRACE" "$CPU" -- /usr/bin/python3 -c "
import os, signal, time
def end(number, frame):
    print('cleaned up'); $again; $how
signal.signal(signal.SIGTERM, end)
while True: time.sleep(2)"
		[ "$(count '"event":"program_exit".*"asked":true')" -eq 1 ]
		[ "$(count '"event":"program_exit".*"signal":15')" -eq 1 ]
		[ "$(count '"cleaned up')" -eq 1 ]
		[ "$(count '"event":"end"')" -eq 1 ]
	done
	# In a handler's midst, where the signal is held back.
	build <<-'EOF'
		#include <signal.h>
		#include <unistd.h>
		static void end(int number) { signal(number, SIG_DFL); raise(number); }
		int main(void) { signal(SIGTERM, end); for (;;) sleep(3); }
	EOF
	rm -f "$TRACE"
	"$RUN" --trace "$TRACE" "$CPU" -- "$PROGRAM"
	[ "$(count '"event":"program_exit".*"signal":15')" -eq 1 ]
	[ "$(count '"event":"end"')" -eq 1 ]
}

@test "a loop that waits for the clock to pass its deadline does not wait twice" {
	build <<-'EOF'
		#include <poll.h>
		#include <stdio.h>
		#include <time.h>
		static double now(void)
		{
			struct timespec ts;
			clock_gettime(CLOCK_MONOTONIC, &ts);
			return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
		}
		int main(void)
		{
			double begun = now(), at = begun;
			int rounds = 0, waits = 0;
			for (; rounds < 10; rounds++)
				for (at += 0.7; !(now() > at); waits++) /* libev: a timer at its time is not yet due */
					poll(0, 0, (int)((at - now()) * 1000) + 1);
			printf("%d %d\n", rounds, waits);
			return 0;
		}
	EOF
	run "$RUN" -v "$CPU" -- "$PROGRAM"
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *"10 10"* ]]
}

@test "what is told of guests' lives, and why they run" {
	cat >"$BATS_TEST_TMPDIR/lives.scenario" <<-'EOF'
		[scenario]
		kind = cpu
		length = 40s
		[guests]
		count = 2
		[timeline]
		1 = 5s reboot
		1 = 15s stop
		1 = 20s start
		2 = 5s pause
		2 = 10s resume
	EOF
	run "$RUN" -v "$BATS_TEST_TMPDIR/lives.scenario" -- /usr/bin/python3 -c '
import libvirt, threading, time
libvirt.virEventRegisterDefaultImpl()
def loop():
    while True: libvirt.virEventRunDefaultImpl()
threading.Thread(target=loop, daemon=True).start()
c = libvirt.open("qemu:///system")
seen = {"aos_vm1": [], "aos_vm2": []}
note = lambda text: lambda c, d, *rest: seen[d.name()].append(text + " ".join(str(r) for r in rest[:-1]))
c.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, note("life "), None)
c.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE, note("agent "), None)
c.domainEventRegisterAny(None, libvirt.VIR_DOMAIN_EVENT_ID_REBOOT, note("reboot"), None)
d = c.lookupByName("aos_vm2")
print(d.state()); time.sleep(7); print(d.state()); time.sleep(5); print(d.state()); time.sleep(20)
for name in seen: print(name, seen[name])'
	echo "$output"
	[[ $output == *"[1, 1]"*"[3, 1]"*"[1, 5]"* ]]
	# Reboot, agent gone and back; agent gone, stopped; no agent, let go on, booted, and an agent.
	[[ $output == *"aos_vm1 ['reboot', 'agent 2 2', 'agent 1 2', 'agent 2 2', 'life 5 1', 'agent 2 1', 'life 4 0', 'life 2 0', 'agent 1 2']"* ]]
	[[ $output == *"aos_vm2 ['life 3 0', 'life 4 0']"* ]]
}
