#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Submissions that are hostile or broken (testdata/hostile.bash), each graded in the simulated host: the verdict names
# what happened, no point is earned that was not, and the machine is as before.

bats_require_minimum_version 1.5.0

setup_file() {
	export root ci cases out_root
	ci=$(cd "$BATS_TEST_DIRNAME" && pwd)
	root=$(dirname "$ci")
	"$root/lab/contain/build/contain" check || skip "no sandbox can be made here"
	cases=$BATS_FILE_TMPDIR/cases out_root=$BATS_FILE_TMPDIR/out
	mkdir "$cases" "$out_root" "$BATS_FILE_TMPDIR/home"
	# shellcheck source=ci/testdata/hostile.bash
	source "$ci/testdata/hostile.bash"
	hostile_submissions
	list_machine >"$BATS_FILE_TMPDIR/before"
	date +%s >"$BATS_FILE_TMPDIR/began"
	export -f grade_one
	find "$cases" -mindepth 1 -maxdepth 1 -printf '%f\0' | sort -z | xargs -0 -P 2 -n 1 bash -c 'grade_one "$1"' -
	list_machine >"$BATS_FILE_TMPDIR/after"
}

# What a submission might have changed: this tree and what was built of it, and what nobody, as whom it runs, has left.
list_machine() {
	find "$root" \( -name .git -o -path "$root/out" \) -prune -o -type f -printf '%p %s %T@ %i\n' | sort
	find /tmp /var/tmp /dev/shm /run -maxdepth 1 -user nobody -not -name 'ballast-*' -print 2>/dev/null | sort
	find "$cases" "$BATS_FILE_TMPDIR/home" -printf '%p %s %T@\n' | sort
}

grade_one() {
	local name=$1 temporary=$BATS_FILE_TMPDIR/tmp-$1
	mkdir "$temporary"
	# Small limits, which honest programs keep to: these do nothing that takes so long.
	HOME=$BATS_FILE_TMPDIR/home TMPDIR=$temporary BALLAST_BUILT=1 BALLAST_BUILD_LIMIT_S=5 BALLAST_PATIENCE_S=2 BALLAST_RUN_SLACK_S=40 \
		timeout 120 "$ci/testdata/last_parent" "$out_root/$name.left" "$ci/grade" --world sim \
		--suite "$ci/testdata/hostile.suite" --submission "$cases/$name" --out "$out_root/$name" \
		>"$out_root/$name.said" 2>&1 </dev/null
	echo "$?" >"$out_root/$name.status"
	find "$temporary" -mindepth 1 >"$out_root/$name.files"
}

# All of a kind, by the beginning of their names.
hold_to() {
	local kind path name points words failed=0
	for kind; do
		for path in "$cases/$kind"-*; do
			name=${path##*/}
			{ read -r points && read -r words; } <"$path/expected"
			holds "$name" "$points" "$words" || failed=$((failed + 1))
		done
	done
	((failed == 0))
}

complain() {
	printf '%s: %s\n' "$name" "$*"
	sed 's/^/    /' "$out_root/$name.said" | head -n 40
	return 1
}

holds() {
	local name=$1 points=$2 words=$3 status
	status=$(<"$out_root/$name.status")
	((status != 124)) || complain "is not over after 120 s" || return 1
	[[ ! -s $out_root/$name.left ]] || complain "left processes: $(<"$out_root/$name.left")" || return 1
	[[ ! -s $out_root/$name.files ]] || complain "left files: $(<"$out_root/$name.files")" || return 1
	[[ -s $out_root/$name/verdict.json ]] || complain "there is no verdict" || return 1
	case $points in
	'?') grep -q '^not judged, of 1 points' "$out_root/$name.said" && ((status == 3)) ;;
	0) grep -q '^0 of 1 points' "$out_root/$name.said" && ((status == 1)) ;;
	1) grep -q '^1 of 1 points' "$out_root/$name.said" && ((status == 0)) ;;
	esac || complain "has not got $points, or exit status $status" || return 1
	grep -Eqa -- "$words" "$out_root/$name.said" || complain "is not said: $words" || return 1
	# Nothing that a terminal would obey.
	! grep -qP '[\x00-\x08\x0b-\x1f\x7f]' "$out_root/$name.said" || complain "odd bytes are said" || return 1
	! grep -qa 'owned\|<script>alert' <(sed 's/&lt;script>alert//g' "$out_root/$name/report.html" | grep -a '<script>alert') || complain "the report runs its text" || return 1
}

@test "at least forty of them" {
	(($(find "$cases" -mindepth 1 -maxdepth 1 | wc -l) >= 40))
}

@test "not building" {
	hold_to no-build
}

@test "building for ever" {
	hold_to for-ever
}

@test "leaving processes" {
	hold_to leaves
}

@test "replacing the grader's files" {
	hold_to replaces
}

@test "links in place of programs" {
	hold_to link
}

@test "writing one's own trace or verdict" {
	hold_to forges
}

@test "reading the future, turning the clock" {
	hold_to reads turns
	run ! grep -a 'future: ' "$out_root/reads-the-future/"*.trace
}

@test "copying the reference, or what was handed in" {
	hold_to copies
}

@test "killing parents or every process" {
	hold_to kills
}

@test "filling disk, log, memory, the process table" {
	hold_to fills
}

@test "ending in odd ways, printing odd bytes" {
	hold_to ends prints
}

@test "steering by side doors, calling what is forbidden" {
	hold_to side
}

@test "the machine is as before" {
	diff "$BATS_FILE_TMPDIR/before" "$BATS_FILE_TMPDIR/after"
}
