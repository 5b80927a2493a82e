#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The table of procedures against the numbers and names that the installed libvirt's own probes have.

@test "rpc: every procedure has libvirt's number and name" {
	local probes=/usr/share/systemtap/tapset/libvirt_functions.stp
	[[ -e $probes ]] || skip "no $probes: the package of libvirt's daemon has it"
	# 536903814 is the program's number, 0x20008086.
	awk '/program == [0-9]+ /{ ours = /program == 536903814 / }
		ours && match($0, /proc == [0-9]+/) { n = substr($0, RSTART + 8, RLENGTH - 8); next }
		ours && n && split($0, part, "\"") == 3 { print n, part[2]; n = "" }' "$probes" | sort >"$BATS_TEST_TMPDIR/theirs"
	sed -n 's/^\t\[\([0-9]*\)\] = {"\([a-z0-9_]*\)".*/\1 \2/p' "$BATS_TEST_DIRNAME/procedures.c" | sort >"$BATS_TEST_TMPDIR/ours"
	(($(wc -l <"$BATS_TEST_TMPDIR/theirs") > 300 && $(wc -l <"$BATS_TEST_TMPDIR/ours") > 300))
	# A number that only one of them knows is a matter of versions; one that both know has one name.
	join "$BATS_TEST_TMPDIR/ours" "$BATS_TEST_TMPDIR/theirs" | awk '$2 != $3 { print; bad = 1 } END { exit bad || NR < 300 }'
}
