#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Grades as other systems take them, and the autograders that are packed for them.

bats_require_minimum_version 1.5.0

setup_file() {
	export ci packed
	ci=$(cd "$(dirname "$BATS_TEST_FILENAME")/.." && pwd)
	packed=$BATS_FILE_TMPDIR/packed
	# As what is packed is unpacked: by itself, and built without this tree's objects.
	mkdir -p "$packed"
	"$ci/package/package" gradescope "$BATS_FILE_TMPDIR" "$ci/testdata/short.suite" &&
		unzip -q "$BATS_FILE_TMPDIR/autograder.zip" -d "$packed" &&
		CFLAGS=-O0 "$packed/ci/package/build" >"$BATS_FILE_TMPDIR/build.log" 2>&1
	echo $? >"$BATS_FILE_TMPDIR/built"
	# Others' users read what is unpacked.
	chmod -R a+rX "$BATS_FILE_TMPDIR"
	chmod a+x "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR/.." 2>/dev/null || true
}

setup() {
	cd "$BATS_TEST_TMPDIR" || exit
	report=$ci/build/report/report
}

# RESULT POINTS [VISIBILITY]: a grade of two scenarios, the second with that result; the first is seen as said.
grade_of() {
	local judged=5 total=$((2 + ${2:-0})) points='' visibility=''
	[[ $1 != unjudged ]] || judged=2
	[[ ! $2 ]] || points=", \"points\": $2"
	[[ ! ${3-} ]] || visibility=", \"visibility\": \"$3\""
	cat >verdict.json <<-EOF
		{"version": 1, "suite": "a suite", "submission": "s", "finished": "2026-01-01T00:00:00Z", "result": "$1",
		"points": $total, "max_points": 5, "judged_points": $judged,
		"programs": [{"name": "cpu", "built": true, "points": $total, "max_points": 5, "judged_points": $judged, "scenarios": 2}],
		"scenarios": [
		{"scenario": "cpu-secret", "kind": "cpu", "title": "what nobody knows", "result": "pass", "length_s": 10,
		 "points": 2, "max_points": 2, "figures": {"moves": 3, "moves_fewest": 2},
		 "expectations": [{"name": "spread", "result": "pass", "measured": "1 point", "asked": "10"}] $visibility},
		{"scenario": "cpu-open", "kind": "cpu", "title": "what all know", "result": "$1", "length_s": 10
		 $points, "max_points": 3, "reason": "the reason of open", "figures": {"moves": 4, "moves_fewest": 4},
		 "expectations": [{"name": "spread", "result": "fail", "measured": "40 points", "asked": "10"}]}]}
	EOF
}

# SYSTEM: what its validator says of verdict.json there.
valid() {
	"$report" "$1" verdict.json >result
	run "$ci/package/check_format" "$1" result
	echo "$1: $output"
}

@test "each system gets the fields that it documents" {
	for system in gradescope autolab classroom prairielearn; do
		for result in pass fail; do
			grade_of "$result" 1
			valid "$system"
			[ "$status" -eq 0 ] && [ "$output" = graded ]
		done
	done
	# PrairieLearn's score is a share.
	grep -q '"score": 0.6,\{0,1\}$' result
}

@test "what was not judged is a zero in none of them" {
	grade_of unjudged ''
	for system in gradescope autolab classroom prairielearn; do
		valid "$system"
		[ "$status" -eq 0 ] && [ "$output" = "not judged" ]
	done
	"$report" gradescope verdict.json >result
	run ! grep -q '"score": 0' result
}

@test "the validator refuses what a system does not know" {
	grade_of fail 1
	"$report" gradescope verdict.json | sed 's/"max_score"/"max_points"/' >result
	run "$ci/package/check_format" gradescope result
	[ "$status" -eq 1 ]
	[[ $output == *"there is no field max_points"* ]]
	"$report" prairielearn verdict.json | sed 's/"score": .*/"score": 60/' >result
	run "$ci/package/check_format" prairielearn result
	[ "$status" -eq 1 ]
	{ "$report" autolab verdict.json; echo that was it; } >result
	run "$ci/package/check_format" autolab result
	[ "$status" -eq 1 ]
	"$report" classroom verdict.json | base64 -d | sed 's/"version":1/"version":2/' | base64 -w 0 >result
	run "$ci/package/check_format" classroom result
	[ "$status" -eq 1 ]
}

@test "hidden scenarios: Gradescope is told, students of other systems see points alone" {
	grade_of fail 1 after_due_date
	"$report" gradescope verdict.json >result
	[ "$(grep -c '"visibility": "after_due_date"' result)" -eq 1 ]
	[ "$(grep -c '"visibility": "visible"' result)" -eq 1 ]
	grep -q '"stdout_visibility": "hidden"' result
	for format in autolab 'text --student' 'html --student' prairielearn classroom; do
		# shellcheck disable=SC2086
		"$report" $format verdict.json >result
		[[ $format != classroom ]] || base64 -d result >plain
		[[ $format == classroom ]] || cp result plain
		run ! grep -qE 'secret|nobody knows|1 point[^s]' plain
		[[ $format == autolab ]] || grep -q 'hidden-1' plain
		[[ $format == autolab ]] || grep -q 'the reason of open' plain
	done
	"$report" text verdict.json | grep -q 'nobody knows'
}

@test "the leaderboard has moves beyond the fewest, of those alone who pass" {
	grade_of pass 3
	"$report" gradescope verdict.json >result
	python3 - <<-'EOF'
		import json
		board = json.load(open("result"))["leaderboard"]
		assert [(e["name"], e["value"], e["order"]) for e in board] == [("Points", 5, "desc"), ("Spare moves", 1, "asc")], board
	EOF
	"$report" autolab verdict.json | grep -q '"scoreboard":\[5.0,1.0\]'
	grade_of fail 1
	"$report" gradescope verdict.json >result
	run ! grep -q 'Spare moves' result
}

@test "a suite says what students see; a scenario that it does not have is an error with its line" {
	mkdir scenarios
	cp "$ci/scenarios/cpu-balanced.scenario" "$ci/scenarios/cpu-idle.scenario" scenarios
	printf '[suite]\n[visibility]\nall = hidden\ncpu-idle = visible\n[cpu]\ncpu-balanced = 1\ncpu-idle = 1\n' >my.suite
	BALLAST_BUILT=1 run "$ci/grade" --suite "$PWD/my.suite" --world sim --submission "$ci/reference/nothing" --out out --only cpu-balanced
	echo "$output"
	[ "$(grep -c '"visibility": "hidden"' out/verdict.json)" -eq 1 ]
	grep -q 'cpu-balanced' out/report.html
	run ! grep -q 'cpu-balanced' out/student.html
	sed -i 's/^cpu-idle = visible/cpu-idel = visible/' my.suite
	run "$report" plan my.suite
	[ "$status" -eq 2 ]
	[[ $output == *"my.suite:4: cpu-idel is no scenario of this suite" ]]
	sed -i 's/^cpu-idel = visible/cpu-idle = later/' my.suite
	run "$report" plan my.suite
	[[ $output == *"my.suite:4: cpu-idle = later: it is visible, hidden, after_due_date or after_published" ]]
}

# Without root and without a network, where this is root and can give both up.
bare() {
	if ((EUID == 0)) && unshare --net true 2>/dev/null; then
		unshare --net setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
	else
		"$@"
	fi
}

@test "Gradescope's autograder grades by itself: no root, no network, no KVM" {
	cat "$BATS_FILE_TMPDIR/build.log"
	[ "$(<"$BATS_FILE_TMPDIR/built")" -eq 0 ]
	mkdir auto
	cp -r "$ci/reference/careful" auto/submission
	ln -s "$packed" auto/source
	chmod -R a+rwX auto
	AUTOGRADER=$PWD/auto bare "$packed/run_autograder" >stdout 2>&1 || true
	cat stdout
	run "$ci/package/check_format" gradescope auto/results/results.json
	echo "$output"
	[ "$output" = graded ]
	grep -q '"score": 5.0' auto/results/results.json
}

@test "where there is no sandbox the autograder says so, and the grade does not run as root" {
	mkdir auto
	cp -a "$packed" auto/source
	printf '#!/bin/sh\necho no namespaces >&2\nexit 1\n' >auto/source/lab/contain/build/contain
	cp -r "$ci/reference/careful" auto/submission
	printf 'all:\n\tid -u >/proc/self/fd/2\n\tfalse\n' >auto/submission/cpu/Makefile
	chmod -R a+rwX . ..
	AUTOGRADER=$PWD/auto run auto/source/run_autograder
	echo "$output"
	[[ $output == *"No sandbox here: no namespaces"* ]]
	# What the build printed is in the report.
	[ "$(python3 -c 'import json; print(json.load(open("auto/results/results.json"))["score"])')" = 0.0 ]
	((EUID != 0)) || [[ $output == *$'\n65534\n'* ]]
}

@test "Gradescope's autograder fails: no score, and yesterday's results are gone" {
	mkdir -p auto/results auto/submission auto/source
	echo '{"score": 10}' >auto/results/results.json
	AUTOGRADER=$PWD/auto run "$packed/run_autograder"
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *"The grader was not built"* ]]
	run "$ci/package/check_format" gradescope auto/results/results.json
	[ "$output" = "not judged" ]
	run ! grep -q score auto/results/results.json
}

# LIMIT: what Autolab does with a hand-in; its output goes to stdout.
autolab() {
	"$ci/package/package" autolab lab "$ci/testdata/short.suite"
	mv lab/autograde-Makefile lab/Makefile
	# What it would build takes a minute.
	[[ ${prebuilt:-true} == false ]] || cp -a "$packed" lab/grader
	BALLAST_LIMIT_S=${1:-300} make -s -C lab >stdout 2>&1
}

@test "Autolab: the last line is the result, of a good hand-in and of none" {
	mkdir lab
	tar -C "$ci/reference/careful" -cf lab/handin.tar cpu memory
	autolab
	cat stdout
	[ "$("$ci/package/check_format" autolab stdout)" = graded ]
	[[ $(tail -n 1 stdout) == '{"scores":{"cpu":5.0},"scoreboard":[5.0,'[0-9]*']}' ]]
	rm lab/handin.tar
	autolab
	[ "$("$ci/package/check_format" autolab stdout)" = "not judged" ]
	grep -q 'nothing that was handed in' stdout
}

@test "Autolab: the last line is the result, whatever happens" {
	mkdir lab
	echo 'no archive' >lab/handin.tar
	autolab
	cat stdout
	[ "$("$ci/package/check_format" autolab stdout)" = "not judged" ]
	# It takes longer than it may.
	tar -C "$ci/reference/careful" -cf lab/handin.tar cpu memory
	printf 'all:\n\tsleep 100\n' >slow
	mkdir -p slow.d/cpu && mv slow slow.d/cpu/Makefile
	tar -C slow.d -cf lab/handin.tar cpu
	autolab 13
	cat stdout
	[ "$("$ci/package/check_format" autolab stdout)" = "not judged" ]
	# The grader itself is broken.
	echo nothing >lab/autograde.tar
	rm -r lab/grader
	make -s -C lab >stdout 2>&1
	[ "$("$ci/package/check_format" autolab stdout)" = "not judged" ]
}
