#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Holds the whole tree to its layers; a change of a header is noticed, installing works. Its form is ci/lint's.
bats_require_minimum_version 1.5.0

setup() {
	root=$(realpath "$BATS_TEST_DIRNAME/..")
	cd "$root" || return 1
	unset MAKEFLAGS MAKELEVEL
}

@test "of a controller's files only host.c and its parts include libvirt" {
	run grep -rlE --include='*.[ch]' '#include <libvirt/' cpu memory
	[ "$(grep -cvE '^(cpu|memory)/host[a-z_]*\.[ch]$' <<<"$output")" -eq 0 ]
}

# Prints "FILE includes HEADER of FOLDER" for each include that ci/layers does not allow, in the tree below $1.
breaches() {
	(
		cd "$1" || exit
		declare -A may
		while read -r folder others; do
			[[ $folder == '#'* ]] || may[$folder]=" $folder common ${others:-} "
		done <ci/layers
		while IFS=: read -r file header; do
			here=${file%/*} found=
			room=${here%%/*}
			[[ $here != lab/sim* ]] || room=lab/sim
			for base in "$here" common "$room" .; do
				[[ -f $base/$header ]] || continue
				found=$(realpath --relative-to . "$base/$header")
				break
			done
			[[ ${may[$here]:-} == *" ${found%/*} "* ]] || echo "$file includes $header of ${found:-nowhere}"
		done < <(find common cpu memory workloads lab ci -name build -prune -o -name '*.[ch]' -print0 |
			xargs -0 grep -HoP '^#include "\K[^"]+')
	)
}

@test "each folder includes only what ci/layers allows it" {
	run breaches .
	[ -z "$output" ]
}

@test "an include across the layers is noticed" {
	mkdir "$BATS_TEST_TMPDIR/tree"
	find common cpu memory workloads lab ci -name build -prune -o \( -name '*.[ch]' -o -name layers \) -print0 |
		tar --null -T - -cf - | tar -C "$BATS_TEST_TMPDIR/tree" -xf -
	sed -i '1i #include "host.h"' "$BATS_TEST_TMPDIR/tree/cpu/search/exact.c"
	sed -i '1i #include "lab/sim/model/model.h"' "$BATS_TEST_TMPDIR/tree/ci/judge/check.c"
	sed -i '1i #include "cpu/host.h"' "$BATS_TEST_TMPDIR/tree/cpu/search/local.c"
	run breaches "$BATS_TEST_TMPDIR/tree"
	[ "${#lines[@]}" -eq 3 ]
	[[ $output == *"cpu/search/exact.c includes host.h"* ]]
	[[ $output == *"ci/judge/check.c includes lab/sim/model/model.h of lab/sim/model/model.h"* ]]
}

@test "a change of a header is noticed" {
	make -s -C cpu && make -s -C ci
	run -0 make -n -C cpu
	[[ $output != *-MMD* ]]
	run -0 make -n -W ../common/session.h -C cpu
	[[ $output == *-MMD*main.c* ]]
	run -0 make -n -W judge/segments.h -C ci
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
	[ -s "$to/opt/ballast/share/man/man1/ballast-grade.1" ]
	# All below the prefix, and nothing that only the tests want.
	[ "$(find "$to" -mindepth 1 -maxdepth 2 | wc -l)" -eq 2 ]
	run find "$to" \( -name 'test_*' -o -name '*.o' -o -name 'mutant_*' -o -name '*bench*' \) -print
	echo "$output"
	[ ! "$output" ]
	# It does not need the tree.
	"$to/opt/ballast/bin/ballast" run --world sim --trace "$BATS_TEST_TMPDIR/trace" "$to/opt/ballast/lib/ballast/ci/scenarios/cpu-phase.scenario" \
		-- "$to/opt/ballast/bin/vcpu_scheduler" 2
	"$to/opt/ballast/lib/ballast/ci/build/check_cpu" "$BATS_TEST_TMPDIR/trace"
	run grep -rIl "$PWD" "$to"
	echo "$output"
	[ ! "$output" ]
}

@test "each script test says that bats runs it: prove takes it for Perl otherwise" {
	while read -r file; do
		[[ $(head -n 1 "$file") == '#!/usr/bin/env bats' && -x $file ]] || echo "$file"
	done < <(find . -name '*.bats' -not -path '*/build/*') >"$BATS_TEST_TMPDIR/wrong"
	cat "$BATS_TEST_TMPDIR/wrong"
	[ ! -s "$BATS_TEST_TMPDIR/wrong" ]
}
