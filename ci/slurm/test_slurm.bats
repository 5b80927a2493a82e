#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# grade-all --engine slurm with a real controller and two nodes on this machine, and a lab that makes its traces up.

bats_require_minimum_version 1.5.0

setup() {
	local name
	ci=$(cd "$(dirname "$BATS_TEST_FILENAME")/.." && pwd)
	for name in slurmctld slurmd sbatch; do
		command -v "$name" >/dev/null || skip "$name is not installed"
	done
	((EUID == 0)) || skip "nodes of a cluster want root"
	export BALLAST_LAB=$ci/testdata/ballast CALLS=$BATS_TEST_TMPDIR/calls TMPDIR=$BATS_TEST_TMPDIR/tmp BALLAST_SLURM_POLL_S=0.5
	cd "$BATS_TEST_TMPDIR" || return 1
	mkdir tmp class
	: >"$CALLS"
	printf '[suite]\n[cpu]\n%s = 5\n' "$ci/scenarios/cpu-all-on-one.scenario" >suite
	grade_all=("$ci/grade-all" class --out out --suite suite --trust --engine slurm)
	cluster_up
}

# Ports nobody listens on, from those below what the kernel hands out.
free_ports() {
	python3 - <<-'EOF'
		import random, socket
		found = []
		while len(found) < 3:
		    port = random.randrange(20000, 30000)
		    with socket.socket() as s:
		        if port not in found and s.connect_ex(("127.0.0.1", port)):
		            found.append(port)
		print(*found)
	EOF
}

cluster_up() {
	local ports node
	read -ra ports < <(free_ports)
	printf '#!/bin/sh\nBALLAST_LAB=%s CALLS=%s exec %s\n' "$BALLAST_LAB" "$CALLS" "$ci/slurm/epilog" >epilog
	chmod +x epilog
	cat >slurm.conf <<-EOF
		ClusterName=test
		SlurmctldHost=localhost
		SlurmctldPort=${ports[0]}
		SlurmUser=root
		SlurmdUser=root
		AuthType=auth/none
		CredType=cred/none
		AuthInfo=cred_expire=5
		StateSaveLocation=$PWD/state
		SlurmdSpoolDir=$PWD/spool-%n
		SlurmdPidFile=$PWD/%n.pid
		SlurmctldPidFile=$PWD/controller.pid
		SlurmdLogFile=$PWD/%n.log
		SlurmctldLogFile=$PWD/controller.log
		ProctrackType=proctrack/pgid
		TaskPlugin=task/none
		SelectType=select/cons_tres
		SelectTypeParameters=CR_Core
		SlurmdTimeout=5
		ReturnToService=2
		MpiDefault=none
		KillWait=2
		SchedulerParameters=batch_sched_delay=0,sched_interval=1
		Epilog=$PWD/epilog
		NodeName=n1 NodeHostname=localhost Port=${ports[1]} CPUs=1
		NodeName=n2 NodeHostname=localhost Port=${ports[2]} CPUs=1
		PartitionName=all Nodes=n1,n2 Default=YES State=UP
	EOF
	export SLURM_CONF=$PWD/slurm.conf
	mkdir state spool-n1 spool-n2
	slurmctld -c 3>&-
	for node in n1 n2; do slurmd -N "$node" 3>&-; done
	wait_for '[ "$(sinfo --noheader --states idle --format %D)" = 2 ]'
}

teardown() {
	local pid
	[[ -e controller.pid ]] || return 0
	scancel --name 'ballast class' 2>/dev/null || true
	for pid in n1.pid n2.pid controller.pid; do
		[[ ! -s $pid ]] || kill "$(<"$pid")" 2>/dev/null || true
	done
	[[ -z ${front:-} ]] || kill "$front" 2>/dev/null || true
	[[ ! ${BATS_TEST_COMPLETED:-} ]] && tail -n 20 out.log controller.log n1.log n2.log
	return 0
}

# CONDITION: waits until it is true; what never is shows what is.
wait_for() {
	local i
	for ((i = 0; i < 600; i++)); do
		eval "$1" && return 0
		sleep 0.2
	done
	echo "never: $1"
	squeue --array
	sinfo
	return 1
}

# NAME: a student whose build says that it began, and goes on once nobody holds it.
student() {
	mkdir -p "class/$1/cpu"
	printf '#!/bin/sh\necho nothing\n' >"class/$1/cpu/source"
	printf 'all:\n\techo %s >>%s/began\n\twhile [ -e %s/hold-%s ]; do sleep 0.2; done\n\tcp source vcpu_scheduler\n\tchmod +x vcpu_scheduler\n' \
		"$1" "$PWD" "$PWD" "$1" >"class/$1/cpu/Makefile"
}

began() { grep -cx "$1" began 2>/dev/null || true; }

# NODE JOB: the node is gone, with all that ran there.
kill_node() {
	local pid
	while read -r pid; do
		if [[ $({ tr '\0' ' ' <"/proc/$pid/cmdline"; } 2>/dev/null) == "slurmstepd: [$2.batch]"* ]] ||
			grep -qsz "^SLURMD_NODENAME=$1$" "/proc/$pid/environ"; then
			kill -KILL "$pid" 2>/dev/null || true
		fi
	done < <(grep -lsz "^SLURM_CONF=$SLURM_CONF$" /proc/[0-9]*/environ | cut -d / -f 3)
	kill -KILL "$(<"$1.pid")"
}

@test "a node dies in the middle: its submission is graded on another one, whoever waits meanwhile" {
	local task node
	student anna
	student bert
	student carla
	echo text >class/dora.zip
	touch hold-anna
	"${grade_all[@]}" >out.log 2>&1 3>&- &
	front=$!
	wait_for '[ "$(began anna)" = 1 ] && [ -e out/grades/dora/.done ]'
	run "${grade_all[@]}" --status
	echo "$output"
	[[ $output =~ ^"job "[0-9]+": 3 of 4 are graded; 1 running"$ ]]
	# Who waits is killed, too; the job goes on.
	kill -TERM "$front"
	wait "$front" || [ $? -eq 143 ]
	grep -q 'goes on; scancel ends it' out.log
	read -r task node < <(squeue --noheader --array --states running --format '%A %N')
	kill_node "$node" "$task"
	rm hold-anna
	"${grade_all[@]}" >out.log 2>&1 3>&-
	cat out.log
	grep -q 'waiting for job' out.log
	[ "$(began anna)" = 2 ]
	[ "$(began bert)" = 1 ]
	[ "$(sinfo --noheader --states down --format %N)" = "$node" ]
	# All have what they earned, and the one that is no archive a reason.
	[ "$(grep -c ',fail,0,5,5,' out/class.csv)" -eq 3 ]
	grep -q '^"dora",dora,refused,' out/class.csv
	[ ! -e out/.class/work/anna ]
	# Each task's end took down what might be left.
	[ "$(grep -c '^down --all' "$CALLS")" -ge 3 ]
}

@test "what never began is no zero, and the same command grades it" {
	student anna
	student bert
	scontrol update NodeName=n1,n2 State=DRAIN Reason=test
	"${grade_all[@]}" >out.log 2>&1 3>&- &
	front=$!
	wait_for '[ "$(squeue --noheader --array --states pending | wc -l)" = 2 ]'
	scancel "$(<out/.class/slurm/job)"
	wait "$front" || [ $? -eq 3 ]
	cat out.log
	grep -q '2 of 2, 0 fail something, 2 not graded' out.log
	[ "$(grep -c ',missing,,' out/class.csv)" -eq 2 ]
	run "${grade_all[@]}" --status
	[[ $output == "no job is under way: 0 of 2 are graded; the same command without --status goes on" ]]
	scontrol update NodeName=n1,n2 State=RESUME
	run "${grade_all[@]}"
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$(grep -c ',fail,0,5,5,' out/class.csv)" -eq 2 ]
}

@test "real guests want a machine for each grade" {
	student anna
	run "$ci/grade-all" class --out out --world real
	echo "$output"
	[ "$status" -eq 2 ]
	[[ $output == *"--engine slurm has them"* ]]
}
