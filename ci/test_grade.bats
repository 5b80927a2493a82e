#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# ci/grade with a lab that makes its traces up: building, points, formats, and leaving nothing behind.

bats_require_minimum_version 1.5.0

setup() {
	ci=$(cd "$(dirname "$BATS_TEST_FILENAME")" && pwd)
	export BALLAST_LAB=$ci/testdata/ballast CALLS=$BATS_TEST_TMPDIR/calls TMPDIR=$BATS_TEST_TMPDIR/tmp
	mkdir "$TMPDIR"
	: >"$CALLS"
	sub=$BATS_TEST_TMPDIR/submission
	out=$BATS_TEST_TMPDIR/out
}

# A submission whose scheduler, when it is asked, says what the made-up trace is to be.
submission() {
	local folder=${2:-cpu} target=${3:-vcpu_scheduler}
	mkdir -p "$sub/$folder"
	printf '#!/bin/sh\necho %s\n' "$1" >"$sub/$folder/source"
	printf 'all:\n\tmkdir -p $(dir %s)\n\tcp source %s\n\tchmod +x %s\n' "$target" "$target" "$target" \
		>"$sub/$folder/Makefile"
}

grade() {
	run "$ci/grade" --submission "$sub" --out "$out" --suite "$ci/testdata/short.suite" "$@"
}

key() { # FILE KEY: the first value of that key, at any depth
	sed -n "s/^ *\"$2\": \"\{0,1\}\([^\",]*\)\"\{0,1\},\{0,1\}$/\1/p" "$1" | head -n 1
}

@test "points for what passed, none for what failed; exit 1" {
	submission nothing
	grade
	echo "$output"
	[ "$status" -eq 1 ]
	# It did nothing: what it passed by that earns nothing.
	[[ $output == *"0 of 5 points"* ]]
	[[ $output == *"no points for staying still"* ]]
	grep -q "<th>without a program" "$out/report.html"
	grep -q '^      "control": "pass",\{0,1\}$' "$out/verdict.json"
	[[ $output == *"FAIL  spread"*"asked: at most 10 points"* ]]
	[ "$(key "$out/verdict.json" result)" = fail ]
	[ -s "$out/cpu-balanced.trace" ] && [ -s "$out/cpu-all-on-one.json" ]
}

@test "a failed expectation says when it was seen, and what to look at" {
	submission nothing
	grade --only cpu-all-on-one --as-written
	echo "$output"
	[[ $output == *"Seen from 15 s to 30 s: look at which vCPUs share the busiest pCPU"* ]]
	[[ $output == *"It follows from "*": mend that first."* ]]
	grep -q 'look at which vCPUs share' "$out/report.html"
	# Each of them leads to its place in the plot, which begins and ends where it was seen.
	if command -v gnuplot >/dev/null; then
		python3 - "$out/report.html" "$out/cpu-all-on-one.json" <<-'EOF'
			import json, re, sys
			page, verdict = open(sys.argv[1]).read(), json.load(open(sys.argv[2]))
			links = re.findall(r'<a href="#(cpu-all-on-one\.\d+)">Where in the plot', page)
			bands = dict(re.findall(r'class="band" id="([^"]+)" style="([^"]+)"', page))
			failed = [i for i, e in enumerate(verdict["expectations"], 1) if e["result"] == "fail"]
			assert links == ["cpu-all-on-one.%d" % i for i in failed] and set(links) == set(bands), (links, bands)
			axis = {}
			for i in failed:
			    e = verdict["expectations"][i - 1]
			    left, width = map(float, re.fullmatch(r"left:([\d.]+)%;width:([\d.]+)%", bands["cpu-all-on-one.%d" % i]).groups())
			    if "from_s" in e and "to_s" in e:
			        axis[e["from_s"]], axis[e["to_s"]] = left, left + width
			first, last = min(axis), max(axis)
			assert 8 < axis[first] - 67.5 * first / 30 < 9 and abs(axis[last] - axis[first] - 67.5 * (last - first) / 30) < 0.1, axis
		EOF
	fi
	grep -q 'look at which vCPUs share' "$out/results.json"
	# For everything that can be asked there is something to look at.
	while read -r name; do
		grep -q "{\"$name\"," "$ci/report/feedback.c"
	done < <({ "$ci/build/check_cpu" --expectations; "$ci/build/check_memory" --expectations; } | cut -d ' ' -f 1)
}

@test "everything passes: exit 0" {
	submission nothing
	grade --only cpu-balanced
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *"2 of 2 points"* ]]
	[[ $output != *cpu-all-on-one* ]]
}

@test "the lab is set up first and taken down last" {
	submission nothing
	grade
	[ "$(head -n 1 "$CALLS")" = "setup --image micro" ]
	[ "$(tail -n 1 "$CALLS")" = "down --prefix aos_vm" ]
}

@test "the lab is left up with --keep" {
	submission nothing
	grade --keep
	run ! grep -q down "$CALLS"
}

@test "programs are found in cpu/src, CPU/ and bin/" {
	submission nothing cpu/src
	grade --only cpu-balanced
	[ "$status" -eq 0 ]
	rm -r "$sub"
	submission nothing CPU bin/vcpu_scheduler
	grade --only cpu-balanced
	echo "$output"
	[ "$status" -eq 0 ]
}

@test "the least deep folder is graded, and the others are named" {
	submission nothing
	submission cut attic/cpu
	submission cut cpu/old/cpu
	mkdir -p "$sub/a/cpu"
	grade --only cpu-balanced
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *"cpu: cpu/ is graded; there is also attic/cpu"* ]]
	[ "$(key "$out/verdict.json" folder)" = cpu ]
	[ "$(key "$out/verdict.json" passed_over)" = attic/cpu ]
	grep -q 'passed over: attic/cpu' "$out/report.html"
	# An older copy is not graded in place of one whose Makefile has another name.
	mv "$sub/cpu/Makefile" "$sub/cpu/MakeFile"
	touch "$sub/cpu/scheduler.c"
	grade --only cpu-balanced
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"cpu/ holds: MakeFile old scheduler.c source; make reads GNUmakefile, makefile or Makefile"* ]]
}

@test "an archive that wraps the submission twice" {
	submission nothing one/two/cpu/src
	submission cut one/two/old/cpu
	grade --only cpu-balanced
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$(key "$out/verdict.json" folder)" = one/two/cpu/src ]
}

@test "a program is built in place: what lies beside its folder is there" {
	submission nothing
	mkdir "$sub/shared"
	mv "$sub/cpu/source" "$sub/shared"
	sed -i 's|cp source|cp ../shared/source|' "$sub/cpu/Makefile"
	grade --only cpu-balanced
	echo "$output"
	[ "$status" -eq 0 ]
}

@test "folders and programs of other names: the message names them, and options map them" {
	submission nothing schedulers/mine vcpu_schedular
	grade --only cpu-balanced
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"the submission holds: schedulers"* ]]
	[[ $output == *"Makefiles are in: schedulers/mine/; --cpu DIR names the one to take"* ]]
	grade --only cpu-balanced --cpu schedulers/mine
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"make made no vcpu_scheduler"* ]]
	[[ $output == *"make left vcpu_schedular: --program vcpu_schedular would take it"* ]]
	grade --only cpu-balanced --cpu schedulers/mine --program vcpu_schedular
	echo "$output"
	[ "$status" -eq 0 ]
	grade --cpu ..
	[ "$status" -eq 2 ]
	[[ $output == *"--cpu ..: no such folder in $sub"* ]]
	# In the root.
	mv "$sub/schedulers/mine/"* "$sub"
	grade --only cpu-balanced --cpu . --program vcpu_schedular
	echo "$output"
	[ "$status" -eq 0 ]
}

@test "a link to a program from elsewhere is not what is graded" {
	submission nothing
	printf 'all:\n\tln -s /bin/true vcpu_scheduler\n' >"$sub/cpu/Makefile"
	grade --only cpu-balanced
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"vcpu_scheduler is a link to /bin/true, which is not in the submission"* ]]
}

@test "an archive is graded like its folder, and one that cannot be taken is refused in one line" {
	submission nothing
	tar -C "$sub" -czf "$BATS_TEST_TMPDIR/a b.tgz" cpu
	sub="$BATS_TEST_TMPDIR/a b.tgz" grade --only cpu-balanced --name "Jane Doe"
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$(key "$out/verdict.json" submission)" = "Jane Doe" ]
	echo text >"$BATS_TEST_TMPDIR/no.zip"
	sub="$BATS_TEST_TMPDIR/no.zip" grade
	echo "$output"
	[ "$status" -eq 2 ]
	[[ ${#lines[@]} == 1 && $output == "no.zip: no archive that is known"* ]]
	[ ! -e "$out/verdict.json" ]
}

@test "--judge-only judges kept traces by other points, wherever the out folder is now, and plays nothing" {
	submission nothing
	grade
	[[ $output == *"0 of 5 points"* ]]
	sed -e "s|\.\./scenarios|$ci/scenarios|" -e 's/= 2$/= 4/' "$ci/testdata/short.suite" >"$BATS_TEST_TMPDIR/other.suite"
	mv "$out" "$out.moved"
	: >"$CALLS"
	grade --out "$out.moved" --suite "$BATS_TEST_TMPDIR/other.suite" --judge-only
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"0 of 7 points"* ]]
	run ! grep -q '^run' "$CALLS"
	[ "$(key "$out.moved/verdict.json" submission)" = "$sub" ]
	[ "$(grep -c '<svg' "$out.moved/report.html")" -eq 2 ] || ! command -v gnuplot
	grade --out "$BATS_TEST_TMPDIR/nothing" --judge-only
	[ "$status" -eq 2 ]
	[[ $output == *"no grade whose traces could be judged again"* ]]
}

@test "--controls shares what was measured without a program" {
	submission nothing
	mkdir "$BATS_TEST_TMPDIR/controls"
	grade --controls "$BATS_TEST_TMPDIR/controls"
	[ "$(grep -c '^control' "$CALLS")" -eq 2 ]
	cp "$out/verdict.json" "$BATS_TEST_TMPDIR/first.json"
	grade --controls "$BATS_TEST_TMPDIR/controls"
	[ "$(grep -c '^control' "$CALLS")" -eq 2 ]
	diff <(grep -v '"finished"\|"started"' "$BATS_TEST_TMPDIR/first.json") <(grep -v '"finished"\|"started"' "$out/verdict.json")
}

@test "the commit of a repository is in the grade" {
	submission nothing
	git -C "$sub" init -q
	git -C "$sub" -c user.name=a -c user.email=a@b commit -q --allow-empty -m empty
	grade --only cpu-balanced
	[ "$(key "$out/verdict.json" commit)" = "$(git -C "$sub" rev-parse HEAD)" ]
}

@test "what does not compile gets 0, with the compiler's message" {
	mkdir -p "$sub/cpu"
	echo 'int main(void) { return undeclared_thing; }' >"$sub/cpu/vcpu_scheduler.c"
	echo 'vcpu_scheduler: vcpu_scheduler.c' >"$sub/cpu/Makefile"
	grade
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *undeclared_thing* ]]
	[[ $output == *"0 of 5 points"* ]]
	run ! grep -q run "$CALLS"
}

@test "a binary that was handed in is not what is graded" {
	submission nothing
	printf 'all:\n\ttrue\n' >"$sub/cpu/Makefile"
	cp "$sub/cpu/source" "$sub/cpu/vcpu_scheduler"
	chmod +x "$sub/cpu/vcpu_scheduler"
	grade
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"make made no vcpu_scheduler"* ]]
}

@test "an empty submission gets 0 and says what is missing" {
	mkdir "$sub"
	grade
	[ "$status" -eq 1 ]
	[[ $output == *"no folder cpu/ with a Makefile"*"the submission is empty"* ]]
}

@test "a lab that fails gets a second chance, then it cannot be judged: exit 3" {
	submission lab-fails
	grade --only cpu-balanced
	echo "$output"
	[ "$status" -eq 3 ]
	[ "$(grep -c '^run' "$CALLS")" -eq 2 ]
	[[ $output == *"no guest got ready"* ]]
	[[ $output == *"second run; the first could not be judged: "* ]]
	[[ $(key "$out/verdict.json" repeated) == *"no guest got ready" ]]
	[[ $output == *"not judged, of 2 points"* ]]
}

@test "not judged is no zero, in any format" {
	submission balanced-cut
	grade
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"0 of the 3 points that were judged, of 5"* ]]
	grep -q '^ok 1 - cpu-balanced # SKIP not judged: .*not complete' "$out/verdict.tap"
	grep -q '^not ok 2 - cpu-all-on-one$' "$out/verdict.tap"
	grep -q 'failures="1" errors="1"' "$out/junit.xml"
	grep -q '<error message="unjudged">' "$out/junit.xml"
	[ "$("$ci/build/report/report" autolab "$out/verdict.json" | tail -n 1)" = '{"scores":{}}' ]
	grep -q '<h1>0 of the 3 points that were judged, of 5</h1>' "$out/report.html"
	# One score, of the test that was judged; none of the whole, nor a status where there is no score.
	[ "$(grep -c '"score"' "$out/results.json")" -eq 1 ]
	[ "$(grep -c '"status"' "$out/results.json")" -eq 1 ]
	grep -q '"output": ".*of 5. Not judged is no zero: it is to be graded again' "$out/results.json"
}

@test "a run that broke off cannot be judged" {
	submission cut
	grade --only cpu-balanced
	[ "$status" -eq 3 ]
	[[ $output == *"not complete"* ]]
}

# Ends a grade once a line with that is among the calls.
interrupted_when() {
	local pid i status=0
	"$ci/grade" --submission "$sub" --out "$out" --suite "$ci/testdata/short.suite" &
	pid=$!
	for ((i = 0; i < 600; i++)); do
		! grep -q "$1" "$CALLS" || break
		kill -0 "$pid"
		sleep 0.1
	done
	kill -TERM "$pid"
	wait "$pid" || status=$?
	[ "$status" -eq 143 ]
}

@test "interrupted: the run is stopped, the lab taken down, nothing left" {
	submission sleeps
	interrupted_when running
	grep -q stopped "$CALLS"
	[ "$(tail -n 1 "$CALLS")" = "down --prefix aos_vm" ]
	[ -z "$(ls -A "$TMPDIR")" ]
}

@test "interrupted: nothing of an earlier grade is left, and it is said" {
	submission nothing
	grade
	[ -s "$out/verdict.json" ] && [ -s "$out/cpu-balanced.json" ]
	touch "$out/mine.json"
	submission sleeps
	interrupted_when running 2>"$BATS_TEST_TMPDIR/said"
	grep -q "grade: interrupted; there is no grade in $out" "$BATS_TEST_TMPDIR/said"
	for file in verdict.json results.json report.html junit.xml verdict.tap cpu-balanced.json cpu-all-on-one.trace; do
		[ ! -e "$out/$file" ]
	done
	[ -e "$out/mine.json" ]
}

@test "two grades into one folder: the second is refused and changes nothing" {
	local pid i
	submission sleeps
	"$ci/grade" --submission "$sub" --out "$out" --suite "$ci/testdata/short.suite" 3>&- &
	pid=$!
	for ((i = 0; i < 600; i++)); do
		! grep -q running "$CALLS" || break
		kill -0 "$pid"
		sleep 0.1
	done
	grade
	kill -TERM "$pid"
	wait "$pid" || true
	echo "$output"
	[ "$status" -eq 2 ]
	[[ ${#lines[@]} == 1 && $output == *"$out: another grade (process $pid) writes there"* ]]
}

@test "an expectation that none knows is found before anything is built or played" {
	mkdir "$BATS_TEST_TMPDIR/scenarios"
	sed 's/^moves = 0/movs = 0/' "$ci/scenarios/cpu-balanced.scenario" >"$BATS_TEST_TMPDIR/scenarios/odd.scenario"
	printf '[cpu]\nodd = 1\n' >"$BATS_TEST_TMPDIR/odd.suite"
	submission nothing
	run "$ci/grade" --submission "$sub" --out "$out" --suite "$BATS_TEST_TMPDIR/odd.suite"
	echo "$output"
	[ "$status" -eq 2 ]
	[[ ${#lines[@]} == 1 && $output == *"odd.scenario:14: "*movs* ]]
	run ! grep -q run "$CALLS"
	[ ! -e "$out/build-cpu.log" ]
}

@test "make grade takes its variables, and refuses what no target reads" {
	run make -n -C "$ci/.." grade WORLD=sim SUITE=a.suite ONLY="x y"
	echo "$output"
	[[ $output == *'--world "sim" --suite "a.suite"'*'--only "x" --only "y"'* ]]
	[[ $output != *"setup --image"* ]]
	run -2 make -n -C "$ci/.." grade WOLRD=sim
	[[ $output == *"WOLRD=: no target reads that variable"* ]]
}

@test "nothing is left in the temporary folder" {
	submission nothing
	grade
	[ -z "$(ls -A "$TMPDIR")" ]
}

@test "the submission itself is not touched" {
	submission nothing
	(cd "$sub" && find . -printf '%p %T@ %s\n' | sort) >"$BATS_TEST_TMPDIR/before"
	grade
	(cd "$sub" && find . -printf '%p %T@ %s\n' | sort) | cmp - "$BATS_TEST_TMPDIR/before"
}

@test "every form of the grade is there" {
	submission nothing
	grade
	[ "$(head -n 1 "$out/verdict.tap")" = "TAP version 14" ]
	grep -q '^ok 1 - cpu-balanced' "$out/verdict.tap"
	grep -q '^not ok 2 - cpu-all-on-one' "$out/verdict.tap"
	[ "$(key "$out/results.json" score)" = 0.0 ]
	grep -q '<failure message="fail">spread' "$out/junit.xml"
	[[ $("$ci/build/report/report" autolab "$out/verdict.json") == '{"scores":{"cpu":0.0},"scoreboard":['*']}' ]]
	grep -q '</html>' "$out/report.html"
	run ! grep -qE '(src|href)="?(http|/)' "$out/report.html"
}

@test "the HTML report has a plot for each trace" {
	command -v gnuplot >/dev/null || skip "gnuplot is not installed"
	submission nothing
	grade
	[ "$(grep -c '<svg' "$out/report.html")" -eq 2 ]
}

@test "bad usage: one line that names it, exit 2" {
	submission nothing
	grade --only no-such
	[ "$status" -eq 2 ]
	[[ $output == *"no-such"* ]]
	run "$ci/grade" --submission /nonexistent
	[ "$status" -eq 2 ]
	[[ $output == *"/nonexistent"* ]]
	for words in "--frobnicate" "--seed x" "--prefix 4you" "--prefix vm1"; do
		# shellcheck disable=SC2086  # an option and its value
		run -2 "$ci/grade" $words
		[[ ${#lines[@]} == 1 && $output == *"${words##* }"* ]]
	done
	printf '[cpu]\ncpu-balanced = many\n' >"$BATS_TEST_TMPDIR/bad.suite"
	run "$ci/grade" --submission "$sub" --out "$out" --suite "$BATS_TEST_TMPDIR/bad.suite"
	[ "$status" -eq 2 ]
	[[ $output == *"bad.suite:2"*"No such file"* || $output == *"bad.suite:2"*many* ]]
}

@test "report refuses what is no grade" {
	echo '{"version": 1}' >"$BATS_TEST_TMPDIR/x.json"
	run "$ci/build/report/report" text "$BATS_TEST_TMPDIR/x.json"
	[ "$status" -eq 2 ]
	run "$ci/build/report/report" text /nonexistent
	[ "$status" -eq 2 ]
	run -2 "$ci/build/report/report" pdf "$BATS_TEST_TMPDIR/x.json"
	[[ ${#lines[@]} == 1 ]]
}

# NAME RESULT FINDING…: a verdict in OUT/NAME.json; a finding is name:result[:value:limit:bound[:because]].
verdict() {
	local file=$out/$1.json scenario=${1%.control} result=$2 finding sep=''
	mkdir -p "$out"
	shift 2
	{
		printf '{"version": 1, "scenario": "%s", "kind": "cpu", "result": "%s", "figures": {}, "expectations": [' \
			"$scenario" "$result"
		for finding; do
			IFS=: read -r name result value limit bound because <<<"$finding"
			printf '%s{"name": "%s", "result": "%s", "asked": "", "measured": ""' "$sep" "$name" "$result"
			[ -z "$value" ] || printf ', "value": %s, "limit": %s, "bound": "%s"' "$value" "$limit" "$bound"
			[ -z "$because" ] || printf ', "because": "%s"' "$because"
			printf '}'
			sep=,
		done
		printf ']}'
	} >"$file"
}

# POINTS: what the verdicts there are worth by a suite of 4 points to act for and 2 to stay still.
worth() {
	printf '[cpu]\n%s/cpu-all-on-one.scenario = 4\n%s/cpu-balanced.scenario = 2\n[credit]\n%s\n' \
		"$ci/scenarios" "$ci/scenarios" $'spread = 3 0 40\nmoves = 1 0 8' >"$BATS_TEST_TMPDIR/c.suite"
	"$ci/build/report/report" merge "$BATS_TEST_TMPDIR/c.suite" "$out" >"$BATS_TEST_TMPDIR/g.json"
	cat "$BATS_TEST_TMPDIR/g.json"
	[ "$(sed -n 's/^  "points": \(.*\),$/\1/p' "$BATS_TEST_TMPDIR/g.json")" = "$1" ]
}

@test "credit is what a program achieves over no program, each fault once and in part" {
	verdict cpu-all-on-one.control fail program_alive:fail spread:fail:80:10:most stddev:fail:30:5:most:spread moves:pass pins:pass
	verdict cpu-balanced.control fail program_alive:fail spread:pass moves:pass pins:pass
	verdict cpu-balanced pass program_alive:pass spread:pass moves:pass pins:pass
	# Nothing was done: neither is staying still worth anything.
	verdict cpu-all-on-one fail program_alive:pass spread:fail:80:10:most stddev:fail:30:5:most:spread moves:pass pins:pass
	worth 0.0
	# All of it.
	verdict cpu-all-on-one pass program_alive:pass spread:pass stddev:pass moves:pass pins:pass
	worth 6.0
	# A quarter of the moves' part is gone, once: of spread 3, stddev 1, moves 1 all but a quarter is won over 1.
	verdict cpu-all-on-one fail program_alive:pass spread:pass stddev:pass moves:fail:8:6:most pins:fail:8:6:most:moves
	worth 5.75
	# Without a reason given, moves and pins are one fault all the same; the worst counts.
	verdict cpu-all-on-one fail program_alive:pass spread:pass stddev:pass moves:fail:8:6:most pins:fail:10:6:most
	worth 5.5
	# Half of the spread that is left to win: 20 points over a limit with 40 to none.
	verdict cpu-all-on-one fail program_alive:pass spread:fail:30:10:most stddev:fail:9:5:most:spread moves:pass pins:pass
	worth 4.0
	# Needless moves where nothing was to be done: their part is all there is.
	verdict cpu-all-on-one pass program_alive:pass spread:pass stddev:pass moves:pass pins:pass
	verdict cpu-balanced fail program_alive:pass spread:pass moves:fail:4:0:most pins:fail:4:0:most:moves
	worth 5.0
	# What died has nothing.
	verdict cpu-balanced fail program_alive:fail spread:pass moves:pass pins:pass
	worth 4.0
}

@test "credit with another expectation, of a kill by how far the load came, by shares of the limit" {
	worth() {
		printf '[memory]\n%s/mem-one.scenario = 10\n[credit]\n%s\n' "$ci/scenarios" \
			$'reach = 3 0 50%\nunused = 2 with oom' >"$BATS_TEST_TMPDIR/c.suite"
		"$ci/build/report/report" merge "$BATS_TEST_TMPDIR/c.suite" "$out" >"$BATS_TEST_TMPDIR/g.json"
		cat "$BATS_TEST_TMPDIR/g.json"
		[ "$(sed -n 's/^  "points": \(.*\),$/\1/p' "$BATS_TEST_TMPDIR/g.json")" = "$1" ]
	}
	verdict mem-one.control fail oom:fail:1:0:most unused:fail:90:95:least reach:fail:300:1000:least:oom floor:pass
	# The guest was killed at three quarters of its load: half of the reach that weighs 3, nothing for what the dead
	# no longer want; of 3 + 2 there was nothing without a program.
	verdict mem-one fail oom:fail:1:0:most unused:pass reach:fail:750:1000:least:oom floor:pass
	worth 3.0
	# As early as without a program.
	verdict mem-one fail oom:fail:1:0:most unused:pass reach:fail:300:1000:least:oom floor:pass
	worth 0.0
	# It lived, and came as far: oom 1, reach half of 3, unused 2, of 6.
	verdict mem-one fail oom:pass unused:pass reach:fail:750:1000:least floor:pass
	worth 7.5
}

@test "of several runs the worst counts, or the median or the mean" {
	verdict cpu-all-on-one.control fail spread:fail:80:10:most moves:pass
	for stem in cpu-all-on-one cpu-all-on-one.2 cpu-all-on-one.3; do
		verdict cpu-all-on-one pass spread:pass moves:pass
		[ $stem = cpu-all-on-one ] || mv "$out/cpu-all-on-one.json" "$out/$stem.json"
		touch "$out/$stem.log"
	done
	cp "$out/cpu-all-on-one.control.json" "$out/cpu-all-on-one.2.control.json"
	cp "$out/cpu-all-on-one.2.json" "$out/cpu-all-on-one.json"
	verdict x fail spread:fail:30:10:most moves:pass
	sed 's/"x"/"cpu-all-on-one"/' "$out/x.json" >"$out/cpu-all-on-one.2.json"
	counted() { # RULE POINTS
		printf '[suite]\ncounts = %s\n[cpu]\n%s/cpu-all-on-one.scenario = 4\n[credit]\nspread = 3 0 40\n' "$1" \
			"$ci/scenarios" >"$BATS_TEST_TMPDIR/r.suite"
		"$ci/build/report/report" merge "$BATS_TEST_TMPDIR/r.suite" "$out" >"$BATS_TEST_TMPDIR/g.json"
		[[ $(sed -n 's/^  "points": \(.*\),$/\1/p' "$BATS_TEST_TMPDIR/g.json") == "$2"* ]]
		"$ci/build/report/report" text "$BATS_TEST_TMPDIR/g.json" | grep -F '2 to 4 over 3 runs'
	}
	counted worst 2.0
	counted median 4.0
	counted mean 3.3333
}

@test "--repeat plays each scenario with as many seeds, and removes those of an earlier grade" {
	submission nothing
	grade --only cpu-balanced --repeat 3 --seed 7
	echo "$output"
	[ "$status" -eq 0 ]
	[ "$(grep '^run' "$CALLS" | grep -o 'seed [0-9]*' | xargs)" = "seed 7 seed 8 seed 9" ]
	[[ $output == *"2 to 2 over 3 runs"* ]]
	grade --only cpu-balanced
	[ ! -e "$out/cpu-balanced.2.json" ]
	run ! grep -q '"runs"' "$out/verdict.json"
	grade --repeat 0
	[ "$status" -eq 2 ]
}

@test "a program that does nothing gets nothing" {
	unset BALLAST_LAB
	for program in cpu/vcpu_scheduler memory/memory_coordinator; do
		submission x "${program%/*}" "${program#*/}"
		printf '%s\n' '#include <libvirt/libvirt.h>' '#include <unistd.h>' \
			'int main(void) { virConnectPtr c = virConnectOpen("qemu:///system"); for (;;) { virConnectNumOfDomains(c); sleep(2); } }' \
			>"$sub/${program%/*}/main.c"
		printf 'all:\n\tcc main.c -o %s -lvirt\n' "${program#*/}" >"$sub/${program%/*}/Makefile"
	done
	run "$ci/grade" --submission "$sub" --world sim --seed 1 --out "$out"
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *$'\n'"0 of 10 points"* ]]
}

@test "a program that computes without end is waited for once" {
	submission x
	printf '%s\n' '#include <libvirt/libvirt.h>' 'int main(void) { virConnectOpen("qemu:///system"); for (;;); }' >"$sub/cpu/main.c"
	printf 'all:\n\tcc main.c -o vcpu_scheduler -lvirt\n' >"$sub/cpu/Makefile"
	export BALLAST_LAB=$BATS_TEST_TMPDIR/recorded
	printf '#!/bin/sh\necho "$@" >>"%s"\nexec "%s" "$@"\n' "$CALLS" "$ci/../lab/ballast" >"$BALLAST_LAB"
	chmod +x "$BALLAST_LAB"
	BALLAST_PATIENCE_S=3 run "$ci/grade" --submission "$sub" --world sim --suite "$ci/testdata/short.suite" --out "$out"
	echo "$output"
	[ "$status" -eq 1 ]
	[ "$(grep -c 'computes without end' <<<"$output")" -eq 2 ]
	[ "$(grep -o -e '--patience [0-9]' "$CALLS" | xargs)" = "--patience 3 --patience 1" ]
}

@test "this tree's programs get all of the course's points in the simulated host" {
	unset BALLAST_LAB
	run "$ci/grade" --world sim --seed 1 --out "$out"
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *"10 of 10 points"* ]]
	[[ $output == *"world: sim, seed 1"* ]]
	grep -q 'World: sim, seed 1' "$out/report.html"
}

@test "a submission is built without our variables" {
	submission nothing
	printf 'OUT ?= vcpu_scheduler\nall:\n\tcp source $(OUT)\n\tchmod +x $(OUT)\n' >"$sub/cpu/Makefile"
	OUT=$out MAKEFLAGS=-n grade --only cpu-balanced
	echo "$output"
	[ "$status" -eq 0 ]
}

@test "a build that hangs is ended, and says so" {
	mkdir -p "$sub/cpu"
	printf 'all:\n\tsleep 1000.%s\n' $$ >"$sub/cpu/Makefile"
	BALLAST_BUILD_LIMIT_S=1 grade
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"took longer than 1 s"* ]]
	[[ $output == *"0 of 5 points"* ]]
	run -1 pgrep -f "sleep 1000.$$"
}

@test "interrupted while building: nothing is left" {
	mkdir -p "$sub/cpu"
	printf 'all:\n\techo building >>"%s"; sleep 1000.%s\n' "$CALLS" $$ >"$sub/cpu/Makefile"
	interrupted_when building
	[ -z "$(ls -A "$TMPDIR")" ]
	run -1 pgrep -f "sleep 1000.$$"
}

@test "names with spaces and dashes" {
	submission nothing
	mv "$sub" "$BATS_TEST_TMPDIR/-a sub mission"
	cd "$BATS_TEST_TMPDIR"
	run "$ci/grade" --submission "-a sub mission" --out "-o u t" --suite "$ci/testdata/short.suite"
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"0 of 5 points"* ]]
	[ -s "./-o u t/verdict.json" ]
}

@test "a suite below a long path with a colon" {
	local deep
	deep=$BATS_TEST_TMPDIR/a:b/$(printf '%0200d' 0)
	mkdir -p "$deep/scenarios"
	cp "$ci/scenarios/cpu-balanced.scenario" "$deep/scenarios"
	printf '[cpu]\ncpu-balanced = 2\n' >"$deep/one.suite"
	submission nothing
	run -0 "$ci/grade" --submission "$sub" --out "$out" --suite "$deep/one.suite"
	[[ $output == *"2 of 2 points"* ]]
}

@test "suites that cannot be read: one line with the file, the line and what is wrong" {
	local suite
	suite=$BATS_TEST_TMPDIR/$(printf '%0200d' 0)/bad.suite
	mkdir "${suite%/*}"
	refused() { # TEXT LINE…: the second line of the suite is refused so
		local text=$1
		shift
		printf '%s\n' "$@" >"$suite"
		run -2 "$ci/build/report/report" plan "$suite"
		[[ ${#lines[@]} == 1 && $output == *"/bad.suite:2: "*"$text"* ]]
	}
	refused "the line is too long" '[cpu]' "$(printf '%015000d' 0).scenario = 1"
	refused "no ':'" '[cpu]' 'a:b.scenario = 1'
	cp "$ci/scenarios/cpu-balanced.scenario" "${suite%/*}/cpu balanced.scenario"
	refused "no blanks" '[cpu]' 'cpu balanced.scenario = 1'
	refused "where NONE is more than FULL" '[credit]' 'spread = 1 20 10'
	refused "WEIGHT or WEIGHT FULL NONE" '[credit]' 'spread = 1 20'
	refused "with EXPECTATION" '[credit]' 'spread = 1 with'
	refused "a share such as 60%" '[credit]' 'reach = 3 0% 60%'
	refused "points are a number" '[cpu]' 'cpu-balanced = many'
	refused "neither [section] nor key = value" '[cpu]' 'cpu-balanced'
}

@test "an out folder that cannot be written" {
	submission nothing
	run "$ci/grade" --submission "$sub" --out /proc/nothing
	[ "$status" -eq 2 ]
	[[ $output == *"/proc/nothing: cannot be written"* ]]
	[ "$(wc -l <<<"$output")" -eq 1 ]
}

@test "a program that starts others is judged in the simulated world, too" {
	mkdir -p "$sub/cpu"
	printf '#!/bin/sh\nwhile :; do virsh -q list >/dev/null; sleep 2; done\n' >"$sub/cpu/source"
	printf 'all:\n\tcp source vcpu_scheduler\n\tchmod +x vcpu_scheduler\n' >"$sub/cpu/Makefile"
	BALLAST_LAB='' run "$ci/grade" --world sim --submission "$sub" --out "$out" --only cpu-balanced
	echo "$output"
	[[ $output == *"ok    program_alive"* && $output == *"ok    spread"* && $output != *"not judged, of"* ]]
}
