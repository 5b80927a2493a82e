# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154  # lab sets lab, state, uri
# Part of ballast: what `ballast --help` and `ballast COMMAND --help` print.

usage() {
	cat <<-'EOT'
		usage: ballast [-v] COMMAND [OPTIONS]

		  up          bring guests up              top       pCPUs, moves, guests, memory: live, or of a trace
		  down        take them down               run       play a scenario and trace it, with a program or without
		  status      what they do                 grade     judge programs by a suite of scenarios
		  exec        run a command in a guest     bench     speed and quality beside other rules
		  copy        files into or out of it      setup     install what is missing, start libvirtd
		  console     its serial console           doctor    a line per need: ok, or what mends it
		  load        start and end loads in it    images    the images there are
		  reset       pins, memory and loads of    image     build one, print where it is
		              all guests as they came up   residue   what of the lab is left on this machine

		ballast COMMAND --help tells more, man ballast all. State is kept in /var/lib/ballast, or in $BALLAST_STATE.
		-v shows the commands that change something; --version says which one this is.
	EOT
}

# What a command of the lab's own takes; those that are programs tell themselves.
help_of() {
	case $1 in
	up) cat <<-'EOT' ;;
		usage: ballast up [options]
		Brings guests up and waits until their agents answer; those that run already stay as they are.
		  --guests N           how many (4)
		  --vcpus N            of each (1)
		  --memory SIZE        the balloon at the start (512M)
		  --maximum SIZE       and the most it may get (2048M)
		  --prefix NAME        they are NAME1, NAME2, … (aos_vm)
		  --image FLAVOUR      micro, debian, ubuntu or the path of a cloud image (micro)
		  --release NAME       of such an image
		  --user-data FILE     is merged with the lab's own, in cloud-init's way
		  --timeout SECONDS    120; of other flavours than micro 420
		  --fresh              boots them even where they could be cloned
		  --quiet              prints only what goes wrong
	EOT
	down) cat <<-'EOT' ;;
		usage: ballast down [--prefix NAME | --all]
		Takes guests down and removes what belongs to them; without options those of the prefix aos_vm.
	EOT
	status) cat <<-'EOT' ;;
		usage: ballast status [--prefix NAME] [--watch [SECONDS]] [--json]
		Prints pins, memory and agents of the guests; with --watch also usage, again and again. --json has the running ones
		with what they used in half a second.
	EOT
	exec) cat <<-'EOT' ;;
		usage: ballast exec [--stdin] GUEST -- COMMAND [ARGS…]
		Runs a command in a guest, through its agent. What it prints comes as it is printed, and the exit status is its own,
		or 128 and the number of the signal that ended it; 3: the guest does not answer. Ctrl-C ends it in the guest, too.
		  -i, --stdin          gives it what is on stdin, to its end
	EOT
	copy) cat <<-'EOT' ;;
		usage: ballast copy FILE GUEST:/PATH
		       ballast copy GUEST:/PATH FILE
		Copies a file with its permissions. What was there before stays until all of the new one has arrived.
	EOT
	console) cat <<-'EOT' ;;
		usage: ballast console GUEST
		A guest's serial console. Where it can only be read, what is in it is followed.
	EOT
	load) cat <<-'EOT' ;;
		usage: ballast load GUEST LOAD         ballast load --all LOAD
		       ballast load [--json] [GUEST]
		Starts a load in a guest or in all of the lab's, in the place of one of the same kind; without LOAD tells of those
		that run. LOAD is as in a scenario: cpu 40%, cpu 30% demand, memory 1200M 20M/s, free 50M/s, cache 300M,
		stress cpu-light; idle ends all.
	EOT
	reset) cat <<-'EOT' ;;
		usage: ballast reset [--prefix NAME]
		Puts guests, all or those of a prefix, back to how they came up: loads end, vCPUs may run everywhere, quotas are
		lifted, memory is that of their definition and has arrived, paused ones go on.
	EOT
	run) cat <<-'EOT' ;;
		usage: ballast run [options] FILE.scenario [-- PROGRAM ARGS…]
		Plays a scenario and traces it; without a program the loads run alone.
		  --world real|sim     real guests, or the simulated host (real)
		  --trace FILE         the trace; on real guests NAME.trace where none is named
		  --seed N             of the simulated host
		  --prefix NAME        of the guests' names (aos_vm)
		  --contain DIR        the program runs in a sandbox that shows the system and DIR, its submission;
		                       with --world sim, --limit S ends it there after S seconds by the machine's clock
		  --patience S, --pace virtual|1
		                       of the simulated host, as ballast-sim(7) has them
		  -v, --verbose        what the program prints is shown, too
		Real guests are those of $BALLAST_IMAGE and $BALLAST_RELEASE; they stay up.
	EOT
	setup) cat <<-'EOT' ;;
		usage: ballast setup [options]
		Installs what is missing and starts libvirtd; changes nothing the second time.
		  --image FLAVOUR      what guests of it need, too (micro)
		  --release NAME
		  --packages           leaves libvirtd as it is
		  --tests              what make check needs, too
	EOT
	doctor) cat <<-'EOT' ;;
		usage: ballast doctor [--json]
		Prints a line for each need: ok, or the cause and the command that mends it; 1 if something is missing.
	EOT
	images) cat <<-'EOT' ;;
		usage: ballast images [--prune | --json]
		Lists images and golden guests; --prune removes those that no guest uses.
	EOT
	image) cat <<-'EOT' ;;
		usage: ballast image [--image FLAVOUR] [--release NAME]
		Builds the image of a flavour and prints where it is.
	EOT
	residue) cat <<-'EOT' ;;
		usage: ballast residue [--prefix NAME]
		Prints what of the lab is left on this machine; 1 if there is anything.
	EOT
	bench) cat <<-'EOT' ;;
		usage: ballast bench [PART…]
		Speed and quality beside other rules: cpu, memory, sim, gate, clone, real; all without one.
	EOT
	esac
}
