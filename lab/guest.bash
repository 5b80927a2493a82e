# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154  # lab sets lab, state, uri
# Part of ballast: what is done with single guests by hand: exec, copy, console, load, reset.

need_guest_program() {
	[[ -x $lab/build/ballast-guest ]] || die 3 "$lab/build/ballast-guest is not built: make -C $lab"
	libvirtd_answers || die 3 "libvirtd does not answer: run $lab/ballast setup"
}

cmd_exec() {
	local options=() name
	while [[ ${1-} == -* ]]; do
		case $1 in
		--) break ;;
		-i | --stdin) options+=(--stdin) && shift ;;
		*) die 2 "exec: unknown option '$1'; --stdin" ;;
		esac
	done
	(($#)) || die 2 "exec: which guest? exec GUEST -- COMMAND"
	name=$1 && shift
	[[ ${1-} != -- ]] || shift
	(($#)) || die 2 "exec: which command? exec $name -- COMMAND"
	need_guest_program
	exec "$lab/build/ballast-guest" --connect "$uri" "${options[@]}" exec "$name" "$@"
}

cmd_copy() {
	(($# == 2)) || die 2 "copy: two places: copy FILE GUEST:/PATH or copy GUEST:/PATH FILE"
	[[ $1 && $2 ]] || die 2 "copy: a place is empty"
	need_guest_program
	exec "$lab/build/ballast-guest" --connect "$uri" copy "$1" "$2"
}

# A guest's serial console. virsh gives the terminal back if it ends by itself; this does if it is ended.
cmd_console() {
	local name=${1-} xml terminal status=0
	(($# == 1)) || die 2 "console: which guest? console GUEST"
	[[ $name != -* ]] || die 2 "console: unknown option '$name'"
	need_guest_program
	xml=$(virsh -c "$uri" dumpxml -- "$name" 2>/dev/null) || die 2 "there is no guest $name; \`ballast up\` makes guests"
	[[ $xml == *urn:ballast:lab:1* ]] || die 2 "guest $name is not the lab's"
	if [[ $xml != *"<console type='pty'"* ]]; then
		[[ $xml =~ serial\ type=\'file\'.*path=\'([^\']*/serial.log)\' && -r ${BASH_REMATCH[1]} ]] ||
			die 3 "guest $name has no console that can be read"
		say "$name's console can only be read; Ctrl-C ends this"
		exec tail -n +1 -f -- "${BASH_REMATCH[1]}"
	fi
	[[ -t 0 && -t 1 ]] || die 2 "console: stdin and stdout must be a terminal; ballast exec runs commands without one"
	terminal=$(stty -g)
	# shellcheck disable=SC2064  # as it is now
	trap "stty '$terminal'" EXIT
	trap 'exit 143' TERM
	trap 'exit 129' HUP
	say "Ctrl-] ends it"
	virsh -c "$uri" -q console -- "$name" || status=$?
	return "$status"
}

cmd_load() {
	local all='' as_json=() name inject=$lab/../workloads/build/inject names
	while [[ ${1-} == -* ]]; do
		case $1 in
		--all) all=1 && shift ;;
		--json) as_json=(--json) && shift ;;
		*) die 2 "load: unknown option '$1'; --all or --json" ;;
		esac
	done
	[[ -x $inject ]] || die 3 "$inject is not built: make -C $lab/../workloads"
	libvirtd_answers || die 3 "libvirtd does not answer: run $lab/ballast setup"
	if [[ ! $all ]] && (($# <= 1)); then
		[[ ${2-} != --json ]] || as_json=(--json)
		exec "$inject" --connect "$uri" "${as_json[@]}" status "$@"
	fi
	if [[ ! $all ]]; then
		name=$1 && shift
		exec "$inject" --connect "$uri" start "$name" "$*"
	fi
	(($#)) || die 2 "load: which load? cpu 40%, memory 1200M 20M/s or idle"
	need_programs
	names=$(guests list)
	for name in $names; do
		"$inject" --connect "$uri" start "$name" "$*" || return
	done
}

cmd_reset() {
	local prefix=''
	while (($#)); do
		case $1 in
		--prefix) check_prefix "${2-}" && prefix=$2 && shift 2 ;;
		*) die 2 "reset: unknown option '$1'; --prefix P" ;;
		esac
	done
	need_guest_program
	exec "$lab/build/ballast-guest" --connect "$uri" --prefix "$prefix" reset
}

# --- commands that are programs of their own ---

cmd_grade() { exec "$lab/../ci/grade" "$@"; }
cmd_bench() {
	[[ -x $lab/../ci/bench/bench ]] || die 3 "bench: the benchmarks are in the source tree, not in what is installed"
	exec "$lab/../ci/bench/bench" "$@"
}
