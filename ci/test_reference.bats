#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The grader against submissions whose worth is known, and ci/grade --check.

bats_require_minimum_version 1.5.0

setup_file() {
	export ci
	ci=$(cd "$(dirname "$BATS_TEST_FILENAME")" && pwd)
	"$ci/grade" --check "$ci/course.suite" --out "$BATS_FILE_TMPDIR/check" >"$BATS_FILE_TMPDIR/said" 2>&1 ||
		echo "status $?" >>"$BATS_FILE_TMPDIR/said"
}

@test "the course's suite: every point can be reached, none is free" {
	cat "$BATS_FILE_TMPDIR/said"
	[ "$(tail -n 1 "$BATS_FILE_TMPDIR/said")" = "Every point can be reached, and none is free." ]
	[ "$(grep -c 'programs get all' "$BATS_FILE_TMPDIR/said")" -eq 5 ]
}

@test "each reference submission gets what its purpose says" {
	python3 - "$ci/reference" "$BATS_FILE_TMPDIR/check" <<-'EOF'
		import json, os, sys
		folder, grades = sys.argv[1:]
		bad, rows = [], []
		for line in open(folder + "/expected"):
		    if line.strip() and not line.startswith("#"):
		        rows.append(line.split(None, 4))
		names = {d for d in os.listdir(folder) if os.path.isdir(folder + "/" + d)}
		for kind in "cpu", "memory":
		    of_kind = [row for row in rows if row[0] == kind]
		    if sorted(row[2] for row in of_kind) != sorted(names):
		        bad.append("%s: a row for each of %s" % (kind, sorted(names)))
		    got = {}
		    for _, rank, name, must_fail, why in of_kind:
		        grade = json.load(open("%s/%s/verdict.json" % (grades, name)))
		        program = next(p for p in grade["programs"] if p["name"] == kind)
		        scenarios = [s for s in grade["scenarios"] if s["kind"] == kind]
		        points, most = program.get("points"), program["max_points"]
		        got.setdefault(int(rank), {})[name] = points
		        if points is None or any(s["result"] == "unjudged" for s in scenarios):
		            bad.append("%s %s was not judged" % (kind, name))
		        elif rank == "1" and points < most or rank == "0" and points > 0:
		            bad.append("%s %s: %g of %g points, of rank %s" % (kind, name, points, most, rank))
		        failed = {s["scenario"] + ":" + e["name"] for s in scenarios
		                  for e in s.get("expectations", []) if e["result"] == "fail"}
		        failed |= set() if program["built"] else {"built"}
		        if must_fail == "-" and failed:
		            bad.append("%s %s fails %s" % (kind, name, sorted(failed)))
		        for one in [] if must_fail == "-" else must_fail.split(","):
		            if one not in failed:
		                bad.append("%s %s does not fail %s, only %s" % (kind, name, one, sorted(failed)))
		    ranks = sorted(got, key=lambda rank: rank or 99)
		    for better, worse in zip(ranks, ranks[1:]):
		        if worse and min(got[better].values()) <= max(got[worse].values()):
		            bad.append("%s: rank %d has %s, rank %d %s" % (kind, better, got[better], worse, got[worse]))
		for line in bad:
		    print(line)
		sys.exit(bool(bad))
	EOF
}

@test "a point that nobody gets is out of reach, with what fails and a cure" {
	mkdir "$BATS_TEST_TMPDIR/scenarios"
	sed 's/^length = .*/length = 30s/; $a\[expect]\nmoves = 2' "$ci/scenarios/cpu-all-on-one.scenario" \
		>"$BATS_TEST_TMPDIR/scenarios/hard.scenario"
	printf '[suite]\n[cpu]\nhard = 2\n' >"$BATS_TEST_TMPDIR/hard.suite"
	run "$ci/grade" --check "$BATS_TEST_TMPDIR/hard.suite" --out "$BATS_TEST_TMPDIR/out"
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"hard "*"OUT OF REACH"*"moves: "*"; the fewest that could do it: 6; asked: at most 2"*"ask for less in its [expect]"* ]]
	[[ $output == *"1 of 1 scenarios are to be mended." ]]
}

@test "a suite of nothing but standing still gives its points away" {
	mkdir "$BATS_TEST_TMPDIR/scenarios"
	cp "$ci/testdata/cpu-idle-short.scenario" "$BATS_TEST_TMPDIR/scenarios/still.scenario"
	printf '[suite]\n[cpu]\nstill = 2\n' >"$BATS_TEST_TMPDIR/still.suite"
	run "$ci/grade" --check "$BATS_TEST_TMPDIR/still.suite" --out "$BATS_TEST_TMPDIR/out"
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"FREE: nothing gets 2 for doing nothing"*"the suite wants a scenario of its kind in which a program has to act"* ]]
}

# NAME POINTS RESULT: a grade with one scenario.
grade_of() {
	printf '{"version":1,"submission":"%s","scenarios":[{"scenario":"s","kind":"cpu","max_points":2,"result":"%s"%s}]}\n' \
		"$1" "$3" "${2:+,\"points\":$2}" >"$BATS_TEST_TMPDIR/$1.json"
}

@test "points for nothing are free, and what was not judged is neither" {
	cd "$BATS_TEST_TMPDIR"
	grade_of good 2 pass
	grade_of idle 0.5 fail
	run "$ci/build/report/report" check 1 idle.json good.json
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"FREE: idle gets 0.5 for doing nothing"* ]]
	grade_of idle 0 fail
	run "$ci/build/report/report" check 1 idle.json good.json
	[ "$status" -eq 0 ]
	grade_of other '' unjudged
	run "$ci/build/report/report" check 1 idle.json good.json other.json
	echo "$output"
	[ "$status" -eq 3 ]
	[[ $output == *"NOT JUDGED: other"* ]]
	run "$ci/build/report/report" check 2 idle.json good.json
	[ "$status" -eq 2 ]
}

@test "what does not go with --check is refused, and so is a suite that cannot be read" {
	run "$ci/grade" --check "$ci/course.suite" --world real
	[ "$status" -eq 2 ]
	[[ $output == *"--world does not go with --check"* ]]
	printf '[suite]\n\n[cpu]\ncpu-nothing = 1\n' >"$BATS_TEST_TMPDIR/bad.suite"
	run "$ci/grade" --check "$BATS_TEST_TMPDIR/bad.suite" --out "$BATS_TEST_TMPDIR/out"
	echo "$output"
	[ "$status" -eq 2 ]
	[[ ${#lines[@]} == 1 && $output == *"bad.suite:4: "* ]]
}

@test "the example of the page about suites is one" {
	mkdir -p "$BATS_TEST_TMPDIR/a/mine/scenarios"
	ln -s "$ci" "$BATS_TEST_TMPDIR/ci"
	cd "$BATS_TEST_TMPDIR/a/mine" || exit
	awk '/^```/ {n++; next} n == 1' "$ci/SUITES.md" >scenarios/crowded.scenario
	awk '/^```/ {n++; next} n == 5' "$ci/SUITES.md" >my.suite
	run "$ci/build/report/report" plan my.suite
	echo "$output"
	[ "$status" -eq 0 ]
	[[ ${lines[1]} == "cpu crowded 3 40 2 "* && ${lines[2]} == "memory mem-one 2 "* ]]
}

@test "how alike the worlds judge is counted by expectation, over what both have judged" {
	mkdir -p "$BATS_TEST_TMPDIR/a/base-a"
	say() {
		printf '{"expectations": [%s]}' "$2" >"$BATS_TEST_TMPDIR/a/base-a/$1.json"
	}
	say x.real '{"name": "spread", "result": "pass", "measured": "3"}, {"name": "moves", "result": "fail", "measured": "9"}, {"name": "pinned", "result": "pass", "measured": ""}'
	say x.sim '{"name": "spread", "result": "pass", "measured": "2"}, {"name": "moves", "result": "pass", "measured": "6"}, {"name": "pinned", "result": "unjudged", "measured": ""}'
	say y.real ''
	# half-built is not built, so nothing is played.
	run "$ci/bench/agreement/agreement" "$BATS_TEST_TMPDIR/a" -p half-built "$ci/bench/agreement/base-a.scenario"
	echo "$output"
	[[ $output == *"spread "*"1 of    1 alike, 100.0 %"* && $output == *"moves "*"0 of    1 alike,   0.0 %"* ]]
	[[ $output == *"base-a/x: real fail (9), simulated pass (6)"* && $output != *pinned* ]]
	[[ $output == *"all "*"1 of    2 alike,  50.0 %"* ]]
	[[ $output == *"base-a/y "*"not played or not judged in one of the worlds"* ]]
}
