#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What bash completes behind `ballast`, and what each command's --help says.

setup() {
	LAB=$BATS_TEST_DIRNAME/ballast
	# shellcheck source=lab/ballast.completion
	source "$BATS_TEST_DIRNAME/ballast.completion"
	export BALLAST_STATE=$BATS_TEST_TMPDIR
	mkdir -p "$BATS_TEST_TMPDIR"/guests/{web1,web2,db1,golden-1234.1}
}

# The completions of the last word.
completed() {
	COMP_WORDS=("$LAB" "$@")
	COMP_CWORD=$#
	_ballast
	echo "${COMPREPLY[*]}"
}

@test "commands, options, guests and flavours complete" {
	[ "$(completed up --gu)" = --guests ]
	[ "$(completed 'do')" = "down doctor" ]
	[ "$(completed exec w)" = "web1 web2" ]
	[ "$(completed load '')" = "db1 web1 web2" ]
	[ "$(completed load db1 m)" = memory ]
	[ "$(completed up --image d)" = debian ]
	[ "$(completed top --so)" = --sort ]
	[ "$(completed copy d)" = db1: ]
	[ "$(completed run x.scenario -- --he)" = "" ]
	[ "$(completed exec web1 -- w)" = "" ]
}

@test "each command has its own help, whatever stands before it" {
	local command
	for command in $(completed ''); do
		run "$LAB" "$command" --help
		echo "$command: $output"
		[ "$status" -eq 0 ]
		[[ $output == "usage: "*"$command"* ]]
		[[ $command == grade ]] || for ((i = 0; i < ${#lines[@]}; i++)); do [ ${#lines[i]} -le 125 ]; done
	done
	run "$LAB" run --world=sim --seed=3x "$BATS_TEST_DIRNAME/../ci/scenarios/cpu-idle.scenario"
	[ "$status" -eq 2 ]
	[[ $output == *3x* ]]
	# What is behind -- is the program's.
	run "$LAB" run --world=sim -v "$BATS_TEST_DIRNAME/../ci/scenarios/cpu-idle.scenario" -- echo --help --a=b
	[[ $output == *"--help --a=b"* ]]
}

@test "lists come as JSON, too" {
	mkdir -p "$BATS_TEST_TMPDIR/images/a \"b\\"
	"$LAB" images --json | python3 -c '
import json, sys
rows = json.load(sys.stdin)
assert [r["name"] for r in rows] == ["images/a \"b\\"], rows'
	"$LAB" doctor --json | python3 -c '
import json, sys
rows = json.load(sys.stdin)
assert len(rows) >= 6 and all(isinstance(r["ok"], bool) and r["text"] for r in rows), rows'
}
