#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# ci/grade-all with a lab that makes its traces up: a class is graded once, whatever happens meanwhile, and its table and
# page say so. The page in a browser is a test of its own below.

bats_require_minimum_version 1.5.0

setup() {
	ci=$(cd "$(dirname "$BATS_TEST_FILENAME")" && pwd)
	export BALLAST_LAB=$ci/testdata/ballast CALLS=$BATS_TEST_TMPDIR/calls TMPDIR=$BATS_TEST_TMPDIR/tmp
	mkdir "$TMPDIR"
	: >"$CALLS"
	cd "$BATS_TEST_TMPDIR" || return 1
	mkdir class
}

# NAME MODE: a student's submission, whose scheduler says what the made-up trace is to be.
student() {
	mkdir -p "class/$1/cpu"
	printf '#!/bin/sh\necho %s\n' "$2" >"class/$1/cpu/source"
	printf 'all:\n\tcp source vcpu_scheduler\n\tchmod +x vcpu_scheduler\n' >"class/$1/cpu/Makefile"
}

grade_all() {
	run "$ci/grade-all" class --out out --suite "$ci/testdata/short.suite" --trust --as-written "$@" 3>&-
	echo "$output"
}

# A class of five kinds.
five() {
	student anna nothing
	student "Jörg O'Neil" nothing
	student bert nothing && printf 'all:\n\tfalse # error: no good\n' >class/bert/cpu/Makefile
	tar -C class/anna -czf class/carla.tar.gz cpu
	echo text >class/dora.zip
}

ids() { cut -d ' ' -f 1 out/.class/ids; }

# Which verdicts are there, as files that no other grade has written since.
written() { stat -c '%n %i %.Y' out/grades/*/verdict.json 2>/dev/null || true; }

@test "a class of folders and archives: one row each, what is refused costs the others nothing" {
	five
	grade_all
	[ "$status" -eq 0 ]
	[[ $output == *"5 submissions, 5 to grade"* ]]
	[[ $output == *"5 of 5, 4 fail something, 1 refused"* ]]
	[ "$(wc -l <out/class.csv)" -eq 6 ]
	[ "$(head -n 1 out/class.csv | tr -d '\r')" = \
		"name,id,result,points,max_points,judged_points,cpu-balanced,cpu-all-on-one,first_failure" ]
	grep -qE '^"Jörg O'"'"'Neil",J_rg_O_Neil-[0-9a-f]{8},fail,0,5,5,0,0,"cpu-all-on-one: spread: ' out/class.csv
	grep -q '^"bert",bert,fail,0,5,5,0,0,"cpu was not built: .*error: no good' out/class.csv
	grep -q '^"dora",dora,refused,,,,,,"dora.zip: no archive that is known' out/class.csv
	python3 -m json.tool out/class.json >/dev/null
	[ -z "$(ls -A "$TMPDIR")" ]
	# The control is played once for all of them.
	[ "$(grep -c '^control' "$CALLS")" -le 4 ]
}

@test "every cell of the page leads to its place in a report that is there; nothing is fetched" {
	five
	grade_all
	run ! grep -qE '(src|href)="?(http|//|/)|@import|url\(' out/class.html
	[ "$(grep -o 'href="[^"]*#cpu-balanced"' out/class.html | wc -l)" -eq 4 ]
	while IFS='#' read -r file anchor; do
		[ -f "out/$file" ]
		[ ! "$anchor" ] || grep -q "id=\"$anchor\"" "out/$file"
	done < <(grep -o 'href="[^"]*"' out/class.html | sed 's/href="\(.*\)"/\1/')
	grep -q 'Jörg O.Neil</a>' out/class.html
	# Names and messages are text.
	student '<b>x' nothing
	grade_all
	grep -q '&lt;b&gt;x</a>' out/class.html
	run ! grep -q '<b>x' out/class.html
}

@test "killed five times it goes on: nothing is graded twice or half, the table is the same to the byte" {
	local i pid n
	: >before
	for i in 1 2 3 4 5 6 7 8; do
		student "s$i" nothing
	done
	"$ci/grade-all" class --out whole --suite "$ci/testdata/short.suite" --trust --as-written 3>&- >/dev/null
	for i in 1 2 3 4 5; do
		n=$(written | wc -l)
		"$ci/grade-all" class --out out --suite "$ci/testdata/short.suite" --trust --as-written --jobs 2 3>&- >>log &
		pid=$!
		# Killed in the middle of a grade, each time another one.
		while (($(written | wc -l) <= n)) && kill -0 $pid 2>/dev/null; do
			sleep 0.05
		done
		kill -KILL $pid 2>/dev/null || true
		wait $pid || true
		# What was there is there as it was.
		written | sort >now
		comm -12 before now | diff before -
		mv now before
		[ -z "$(find out/grades -mindepth 1 -maxdepth 1 ! -exec test -s '{}/report.html' \; -print)" ]
	done
	grade_all
	[ "$status" -eq 0 ]
	written | sort | comm -12 before - | diff before -
	[ "$(written | wc -l)" -eq 8 ]
	for file in class.csv class.json class.html; do
		cmp "out/$file" "whole/$file"
	done
	written >before
	grade_all
	[[ $output == *"8 submissions, 0 to grade"* ]]
	written | diff before -
}

@test "interrupted: it is said, the exit status is 130, and no grade goes on" {
	local pid i status=0
	student slow sleeps
	# A shell in the background ignores SIGINT; a session of its own does not.
	setsid --wait "$ci/grade-all" class --out out --suite "$ci/testdata/short.suite" --trust --as-written >said 2>&1 3>&- &
	pid=$!
	for ((i = 0; i < 600; i++)); do
		! grep -q running "$CALLS" || break
		sleep 0.1
	done
	kill -TERM "$(tail -n 1 out/.class/lock)"
	wait $pid || status=$?
	cat said
	[ "$status" -eq 143 ]
	grep -q "grade-all: interrupted; 0 of 1 were graded, the same command goes on" said
	grep -q stopped "$CALLS"
	[ -z "$(ls -A "$TMPDIR")" ]
	flock -n out/.class/lock true
}

@test "repositories: HEAD is graded, and the table says which commit that is" {
	student anna nothing
	git init -q class/anna && git -C class/anna add -A
	git -C class/anna -c user.name=n -c user.email=n@x commit -qm first
	git clone -q --bare class/anna class/bare.git
	grade_all
	[ "$(grep -c "\"commit\": \"$(git -C class/anna rev-parse HEAD)\"" out/class.json)" -eq 2 ]
	grep -q '^"bare.git",bare.git,fail,0,5,5,' out/class.csv
}

@test "two into one folder: the second is refused in one line" {
	local pid i
	student slow sleeps
	"$ci/grade-all" class --out out --suite "$ci/testdata/short.suite" --trust --as-written >/dev/null 2>&1 3>&- &
	pid=$!
	for ((i = 0; i < 600; i++)); do
		! grep -q running "$CALLS" || break
		sleep 0.1
	done
	grade_all
	kill -TERM $pid
	wait $pid || true
	[ "$status" -eq 2 ]
	[[ ${#lines[@]} == 1 && $output == *"out: another grade-all (process $pid) writes there"* ]]
}

@test "only what changed is graded again; --again grades one, by name or id" {
	student anna nothing
	student "Bo Li" nothing
	grade_all
	echo '# more' >>class/anna/cpu/Makefile
	student carl nothing
	: >"$CALLS"
	grade_all
	[[ $output == *"3 submissions, 2 to grade"* ]]
	[ "$(grep -c '^run' "$CALLS")" -eq 4 ]
	: >"$CALLS"
	grade_all --again "Bo Li" --again anna
	[[ $output == *"3 submissions, 2 to grade"* ]]
	[ "$(grep -c '^run' "$CALLS")" -eq 4 ]
	grade_all --again nobody
	[ "$status" -eq 2 ]
	[[ $output == *"--again nobody: the class has no such student"* ]]
}

@test "other points: the kept traces are judged again, nothing is played" {
	student anna nothing
	student bert nothing
	grade_all
	grep -q '^"anna",anna,fail,0,5,5' out/class.csv
	sed -e "s|\\.\\./scenarios|$ci/scenarios|" -e 's/= 2$/= 4/' "$ci/testdata/short.suite" >other.suite
	: >"$CALLS"
	grade_all --suite "$PWD/other.suite"
	[ "$status" -eq 0 ]
	[[ $output == *"2 submissions, 2 to grade"* ]]
	run ! grep -q '^run' "$CALLS"
	grep -q '^"anna",anna,fail,0,7,7' out/class.csv
	# Other seeds are other runs.
	: >"$CALLS"
	grade_all --suite "$PWD/other.suite" --seed 5
	[ "$(grep -c '^run' "$CALLS")" -eq 4 ]
	[ "$(grep '^run' "$CALLS" | grep -c -e '--seed 5')" -eq 4 ]
}

@test "repeats: the table has the least and the most of each scenario" {
	student anna nothing
	grade_all --repeat 2
	head -n 1 out/class.csv | grep -q ',cpu-balanced,cpu-balanced least,cpu-balanced most,'
	[ "$(grep -c '^run' "$CALLS")" -eq 4 ]
}

@test "what is not graded yet is no zero, and is graded the next time" {
	student anna nothing
	student bert nothing
	grade_all
	rm -r out/grades/bert
	"$ci/build/report/report" class out/.class/roll.json out/grades >class.json
	"$ci/build/report/report" csv class.json | grep -q '^"bert",bert,missing,,,,,,"not graded yet"'
	"$ci/build/report/report" page class.json | grep -q '<b>1</b> not graded yet'
	grade_all
	[[ $output == *"2 submissions, 1 to grade"* ]]
}

@test "what could be a formula is none in a spreadsheet" {
	student "=cmd()" nothing
	grade_all
	grep -q '^"'"'"'=cmd()",' out/class.csv
}

@test "--sources writes each submission's files for tools that compare them" {
	five
	run "$ci/grade-all" class --out out --sources src
	echo "$output"
	[ "$status" -eq 0 ]
	[ -f src/anna/cpu/source ] && [ -f src/carla/cpu/source ]
	run ! grep -q . "$CALLS"
}

@test "bad usage: one line that names it, exit 2" {
	student anna nothing
	for words in "" "nowhere" "class --jobs 0" "class --seed x" "class --engine cloud" "class --frobnicate" "class --out class/out" "class again"; do
		# shellcheck disable=SC2086  # words
		run -2 "$ci/grade-all" $words
		[ "${#lines[@]}" -eq 1 ]
	done
	mkdir none
	run -2 "$ci/grade-all" none --out out
	[[ $output == *"none: nothing in it is a submission"* ]]
}

@test "the page in a browser: a click sorts, numbers as numbers, and what has none stays last" {
	local browser
	browser=$(command -v chromium) || skip "chromium is not installed"
	# Four rows out of the report itself, with points that text would sort otherwise.
	student anna nothing && student bert nothing && student carl nothing && echo x >class/aa.zip
	grade_all
	python3 - <<-'PY'
		import json
		c = json.load(open("out/class.json"))
		for s, p in zip(c["students"], (None, 9.5, 10, 2)):
		    if p is not None: s["points"] = p
		json.dump(c, open("class.json", "w"))
	PY
	"$ci/build/report/report" page class.json >page.html
	sed 's|</body>|<script>CLICKS;document.title=[...body.rows].map(r=>r.cells[0].textContent).join()+" "+[...table.tHead.rows[0].cells].map(c=>c.ariaSort).join()</script></body>|' page.html >clicks.html
	sorted() { # CLICKS EXPECTED
		sed "s|CLICKS|$1|" clicks.html >now.html
		timeout 100 "$browser" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --user-data-dir="$PWD/profile" \
			--dump-dom "file://$PWD/now.html" 2>/dev/null | grep -o '<title>[^<]*' | tee title
		grep -q "<title>$2" title
	}
	sorted '' 'aa,anna,bert,carl none,none'
	sorted 'document.querySelectorAll("button")[1].click()' 'bert,anna,carl,aa none,descending,none'
	sorted 'for(const i of [1,1])document.querySelectorAll("button")[i].click()' 'carl,anna,bert,aa none,ascending,none'
	sorted 'for(const i of [1,0,0])document.querySelectorAll("button")[i].click()' 'carl,bert,anna,aa descending,none'
}
