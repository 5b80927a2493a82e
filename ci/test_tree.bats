#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What holds for the whole tree: scripts and manual pages are clean, headers are tracked, installing works.
bats_require_minimum_version 1.5.0

setup() {
	root=$(realpath "$BATS_TEST_DIRNAME/..")
	cd "$root" || return 1
	unset MAKEFLAGS MAKELEVEL
}

# Files of the tree, NUL after each, whether it is a checkout or not.
files() {
	find . \( -name .git -o -name build -o -name out \) -prune -o -type f -print0
}

@test "every script passes shellcheck" {
	mapfile -d '' scripts < <(files | xargs -0 grep -lZE '^#!(/usr/bin/env |/bin/)(ba)?sh|^# shellcheck shell=' | grep -zv '\.bats$')
	((${#scripts[@]} >= 10))
	shellcheck -x "${scripts[@]}"
}

@test "every manual page is clean" {
	mapfile -d '' pages < <(files | grep -zE '/[a-z][a-z_-]*\.[1-8]$')
	((${#pages[@]} >= 8))
	# Pages refer to pages that are not installed, and mandoc to a system that is not this one.
	run mandoc -T lint -W warning "${pages[@]}"
	run ! grep -vE 'referenced manual not found|outdated mandoc.db|^$' <<<"$output"
}

@test "of a controller's files only host.c and its parts include libvirt" {
	run grep -lE '#include <libvirt/' cpu/*.[ch] memory/*.[ch]
	[ "$(grep -cvE '^(cpu|memory)/host[a-z_]*\.[ch]$' <<<"$output")" -eq 0 ]
}

@test "a change of a header is noticed" {
	make -s -C cpu && make -s -C ci
	run -0 make -n -C cpu
	[[ $output != *-MMD* ]]
	run -0 make -n -W ../common/session.h -C cpu
	[[ $output == *-MMD*main.c* ]]
	run -0 make -n -W segments.h -C ci
	[[ $output == *-MMD*pins.c* ]]
}

@test "install puts programs, manual pages and units where DESTDIR and PREFIX say" {
	to="$BATS_TEST_TMPDIR/a place"
	make -s install DESTDIR="$to" PREFIX=/opt/ballast
	for name in vcpu_scheduler memory_coordinator; do
		"$to/opt/ballast/bin/$name" --version
		[ -s "$to/opt/ballast/share/man/man8/$name.8" ]
		grep -q "^ExecStart=/opt/ballast/bin/$name " "$to/opt/ballast/lib/systemd/system/$name.service"
	done
	[ "$(find "$to" -type f | wc -l)" -eq 6 ]
}
