#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# ci/intake: submissions and classes as people hand them in, harmless, broken and hostile; archives are made on the fly.

bats_require_minimum_version 1.5.0

setup() {
	ci=$(cd "$(dirname "$BATS_TEST_FILENAME")" && pwd)
	intake=$ci/build/intake/intake
	to=$BATS_TEST_TMPDIR/to
	cd "$BATS_TEST_TMPDIR" || return 1
	mkdir to
	sub "a"
}

# A submission in that folder.
sub() {
	mkdir -p "$1/cpu"
	printf 'all:\n\ttrue\n' >"$1/cpu/Makefile"
	echo 'int main;' >"$1/cpu/main.c"
}

take() {
	rm -rf "$to" && mkdir "$to"
	run "$intake" take "$@" "$to"
	echo "$output"
}

# Makes an archive with what no well-behaved tool puts into one: KIND FILE, and Python that adds to `a`.
archive() {
	python3 - "$@" <<-'PY'
		import io, sys, tarfile, textwrap, zipfile
		kind, name, code = sys.argv[1:]
		class Tar:
		    def __init__(s): s.a = tarfile.open(name, "w:gz" if name.endswith("gz") else "w")
		    def file(s, path, data=b"x", size=None):
		        t = tarfile.TarInfo(path); t.size = len(data); s.a.addfile(t, io.BytesIO(data))
		    def odd(s, path, type, link="", **more):
		        t = tarfile.TarInfo(path); t.type = type; t.linkname = link
		        for key in more: setattr(t, key, more[key])
		        s.a.addfile(t)
		class Zip:
		    def __init__(s): s.a = zipfile.ZipFile(name, "w", zipfile.ZIP_DEFLATED)
		    def file(s, path, data=b"x"):
		        info = zipfile.ZipInfo("x"); info.filename = path; info.compress_type = zipfile.ZIP_DEFLATED
		        s.a.writestr(info, data)
		a = Tar() if kind == "tar" else Zip()
		exec(textwrap.dedent(code))
		a.a.close()
	PY
}

@test "a folder, zip, tar.gz, tar.xz, 7z and a repository give the same files" {
	zip -qr a.zip a && tar -czf a.tgz a && tar -cJf a.tar.xz a
	bsdtar -cf a.7z --format=7zip a 2>/dev/null || cp a.zip a.7z
	git init -q repo && cp -r a repo && git -C repo add -A
	git -C repo -c user.name=n -c user.email=n@x commit -qm first
	git clone -q --bare repo a.git
	mkdir only && cp -r repo/.git only/.git
	for source in a.zip a.tgz a.tar.xz a.7z repo a.git only; do
		take "$source"
		[ "$status" -eq 0 ]
		[ -z "$output" ]
		diff -r a "$to/a"
	done
	take a
	diff -r a "$to"
	[ -z "$(find / -maxdepth 2 -path '/tmp/ballast-intake-*' -newer a.git 2>/dev/null)" ]
}

@test "a repository's own configuration and hooks are not run" {
	git init -q repo && cp -r a repo && printf '* filter=bad\n' >repo/.gitattributes && git -C repo add -A
	git -C repo -c user.name=n -c user.email=n@x commit -qm first
	git clone -q --bare repo a.git
	git -C a.git config filter.bad.smudge "touch $BATS_TEST_TMPDIR/ran; cat"
	git -C a.git config uploadpack.packObjectsHook "touch $BATS_TEST_TMPDIR/ran; git"
	git -C a.git config core.fsmonitor "touch $BATS_TEST_TMPDIR/ran"
	take a.git
	[ "$status" -eq 0 ]
	[ -f "$to/a/cpu/main.c" ]
	[ ! -e ran ]
}

@test "what systems and tools leave in archives, and what was built elsewhere, is not taken" {
	mkdir -p a/__MACOSX/cpu a/cpu/build a/.git
	touch a/__MACOSX/cpu/._main.c a/cpu/._main.c a/.DS_Store a/cpu/build/main.o a/.git/config
	zip -qr a.zip a
	for source in a a.zip; do
		take "$source"
		[ -z "$output" ]
		[ "$(find "$to" -type f | sed 's|.*/||' | sort | xargs)" = "Makefile main.c" ]
	done
}

@test "backslashes in a zip separate, in a tar they are part of a name" {
	archive zip back.zip 'a.file("proj\\cpu\\Makefile"); a.file("proj\\cpu\\..\\..\\..\\out")'
	take back.zip
	[ "$status" -eq 0 ]
	[ -f "$to/proj/cpu/Makefile" ]
	[[ $output == *"back.zip: left out: "*"'..' is in its path" ]]
	archive tar back.tar 'a.file("cpu\\Makefile")'
	take back.tar
	[ -f "$to/cpu\\Makefile" ]
}

@test "names with blanks, quotes, umlauts, and of bytes that are no text" {
	sub "it's \"mine\" ü"
	printf x >"it's \"mine\" ü/cpu/$(printf 'b\344d').c"
	tar -cf odd.tar "it's \"mine\" ü" && zip -qr odd.zip "it's \"mine\" ü"
	for source in odd.tar odd.zip "it's \"mine\" ü"; do
		take "$source"
		[ "$status" -eq 0 ]
		[ "$(find "$to" -type f | wc -l)" -eq 3 ]
		[ -f "$to/it's \"mine\" ü/cpu/main.c" ] || [ -f "$to/cpu/main.c" ]
	done
}

@test "absolute paths lose their root; '..', devices, pipes and links that lead out are left out, one line each" {
	archive tar evil.tar '
	a.file("/abs/file"); a.file("../up"); a.file("x/../../up")
	a.odd("dev", tarfile.CHRTYPE, devmajor=1, devminor=3); a.odd("pipe", tarfile.FIFOTYPE)
	a.odd("passwd", tarfile.SYMTYPE, "/etc/passwd"); a.file("cpu/Makefile")'
	take evil.tar
	[ "$status" -eq 0 ]
	[ -f "$to/abs/file" ] && [ -f "$to/cpu/Makefile" ]
	[ ! -e up ] && [ ! -e "$BATS_TEST_TMPDIR/../up" ]
	[ "$(find "$to" -type f | wc -l)" -eq 2 ]
	[ "$(find "$to" ! -type f ! -type d | wc -l)" -eq 0 ]
	[ "${#lines[@]}" -eq 5 ]
	[[ $output == *"evil.tar: left out: ../up: '..' is in its path"* ]]
	[[ $output == *"left out: dev: a device or a pipe"* ]]
	[[ $output == *"left out: passwd: a link that leads out of the submission"* ]]
}

@test "a folder's own pipes and outward links are left out, and not read" {
	mkfifo a/pipe
	ln -s /etc/passwd a/passwd
	ln -s main.c a/cpu/alias.c
	take a
	[ "$status" -eq 0 ]
	[ "$(readlink "$to/cpu/alias.c")" = main.c ]
	[ ! -e "$to/passwd" ] && [ ! -e "$to/pipe" ]
	[ "${#lines[@]}" -eq 2 ]
}

@test "nothing is written through a link, nor does a link lead out by another" {
	mkdir outside
	archive tar links.tar '
	a.odd("d", tarfile.SYMTYPE, "deep/er"); a.file("d/file"); a.file("deep/er/x")
	a.odd("out", tarfile.SYMTYPE, "d/../../../outside"); a.odd("e", tarfile.SYMTYPE, "d/..")
	a.odd("f", tarfile.SYMTYPE, "e/../../outside"); a.odd("q", tarfile.SYMTYPE, "."); a.odd("by", tarfile.SYMTYPE, "q/../outside")
	a.odd("loop", tarfile.SYMTYPE, "loop")
	a.odd("hard", tarfile.LNKTYPE, "deep/er/x"); a.odd("hard2", tarfile.LNKTYPE, "d/x"); a.odd("hard3", tarfile.LNKTYPE, "/etc/passwd")'
	take links.tar
	[ "$status" -eq 0 ]
	[ -f "$to/d/file" ] && [ ! -L "$to/d" ]
	[ "$(cat "$to/hard")" = x ]
	[ ! -e "$to/hard3" ]
	[ -z "$(ls outside)" ]
	while read -r link; do
		[[ $(realpath -m "$link")/ == "$to"/* ]]
	done < <(find "$to" -type l)
}

@test "too many files, too much in all: refused in one line; one file too large: left out" {
	archive zip many.zip '
	for i in range(10001): a.file("f%d" % i, b"")'
	take many.zip
	[ "$status" -eq 1 ]
	[[ ${#lines[@]} == 1 && $output == "many.zip: more than 10000 files and folders, which is the most" ]]
	archive zip huge.zip 'a.file("core", bytes(65 << 20)); a.file("cpu/Makefile")'
	[ "$(stat -c %s huge.zip)" -lt 1000000 ]
	take huge.zip
	[ "$status" -eq 0 ]
	[[ ${#lines[@]} == 1 && $output == "huge.zip: left out: core: larger than 64 MiB" ]]
	[ "$(find "$to" -type f)" = "$to/cpu/Makefile" ]
	archive zip bomb.zip '
	zeros = bytes(60 << 20)
	for i in range(5): a.file("z%d" % i, zeros)'
	take bomb.zip
	[ "$status" -eq 1 ]
	[[ ${#lines[@]} == 1 && $output == "bomb.zip: more than 256 MiB, which is the most" ]]
	# A hole counts as what it would be read as.
	mkdir sparse && truncate -s 1T sparse/hole && tar -S -cf sparse.tar sparse
	for source in sparse sparse.tar; do
		take "$source"
		[ "$status" -eq 0 ]
		[[ $output == "$source: left out: "*"hole: larger than 64 MiB" ]]
		[ "$(du -sk "$to" | cut -f 1)" -lt 100 ]
	done
}

@test "what cannot be unpacked says why in one line" {
	zip -qr a.zip a
	head -c 200 a.zip >cut.zip
	echo 'no archive' >text.zip
	zip -qr -P secret locked.zip a
	: >empty.zip
	for expected in "cut.zip: cannot be unpacked: " "text.zip: no archive that is known" "locked.zip: it is encrypted" "empty.zip: "; do
		take "${expected%%:*}"
		[ "$status" -eq 1 ]
		[[ ${#lines[@]} == 1 && $output == "$expected"* ]]
	done
}

@test "archives within an archive are unpacked where nothing else can be made" {
	(cd a/cpu && zip -qr ../../cpu.zip . && tar -czf ../../memory.tgz .)
	mkdir wrap && cp cpu.zip memory.tgz wrap
	tar -cf wrap.tar wrap
	take wrap.tar
	[ "$status" -eq 0 ]
	[ -f "$to/wrap/cpu/Makefile" ] && [ -f "$to/wrap/memory/Makefile" ]
	[ ! -e "$to/wrap/cpu.zip" ]
	# Where there is a Makefile they are data.
	cp cpu.zip a
	take a
	[ -f "$to/cpu.zip" ] && [ ! -d "$to/cpu/cpu" ]
}

# The roll of a class, a line for each: "NAME|files that are taken".
roll() {
	local id ids
	rm -rf scratch && mkdir scratch
	"$intake" class "$1" roll.json scratch
	"$intake" ids roll.json >listed
	mapfile -t ids < <(cut -d ' ' -f 1 listed)
	for id in "${ids[@]}"; do
		rm -rf "$to" && mkdir "$to"
		"$intake" student roll.json "$id" "$to" || true
		printf '%s|%s\n' "$(name_of "$id")" "$(cd "$to" && find . -type f -printf '%P\n' | sort | xargs -d '\n')"
	done
}

name_of() {
	python3 -c 'import json, sys
print(next(s["name"] for s in json.load(open("roll.json"))["students"] if s["id"] == sys.argv[1]))' "$1"
}

@test "a folder of folders, archives and repositories" {
	mkdir class && cp -r a class/anna && zip -qr class/bo.zip a && tar -czf "class/Jürgen \"J\" O'Neil.tar.gz" a
	cp -r a class/bo
	touch class/roster.csv class/.hidden
	git init -q --bare class/carl.git
	run roll class
	echo "$output"
	[ "${lines[0]}" = "Jürgen \"J\" O'Neil|a/cpu/Makefile a/cpu/main.c" ]
	[ "${lines[1]}" = "anna|cpu/Makefile cpu/main.c" ]
	[ "${lines[2]}" = "bo|cpu/Makefile cpu/main.c" ]
	[ "${lines[3]}" = "bo|a/cpu/Makefile a/cpu/main.c" ]
	[[ $output == *"carl.git: a git repository of which HEAD cannot be checked out"* ]]
	grep -q '"roster.csv"' roll.json
	# Names that are files' names everywhere, each another.
	run ! grep -qvE '^[A-Za-z0-9][A-Za-z0-9._-]* [0-9a-f]{16}$' listed
	[ "$(cut -d ' ' -f 1 listed | sort -u | wc -l)" -eq 5 ]
}

@test "an archive of a class, wrapped once or thrice; a class of one" {
	mkdir -p x/y/class && cp -r a x/y/class/anna && cp -r a x/y/class/bert
	(cd x/y && zip -qr ../../class.zip class) && tar -cf class.tar x
	for source in class.zip class.tar x; do
		run roll "$source"
		echo "$output"
		[ "$output" = $'anna|cpu/Makefile cpu/main.c\nbert|cpu/Makefile cpu/main.c' ]
	done
	mkdir one && cp -r a one/anna
	run roll one
	[ "$output" = "anna|cpu/Makefile cpu/main.c" ]
}

@test "a Gradescope export: names are those of the metadata" {
	mkdir -p assignment_9_export/submission_1 assignment_9_export/submission_22
	cp -r a/cpu assignment_9_export/submission_1
	(cd a && zip -qr ../assignment_9_export/submission_22/hw.zip cpu)
	cat >assignment_9_export/submission_metadata.yml <<-'YML'
		---
		submission_1:
		  :submitters:
		  - :name: 'Conan O''Brien'
		    :sid: '7'
		    :email: c@example.org
		  - :name: "Zoë Li"
		    :sid: '8'
		  :created_at: 2024-10-05 02:27:50.123 Z
		  :results:
		    tests:
		    - name: no name
		      :name: no name
		submission_22:
		  :submitters:
		  - :name: Ed Roe
	YML
	run roll assignment_9_export
	echo "$output"
	[ "${lines[0]}" = "Conan O'Brien, Zoë Li|cpu/Makefile cpu/main.c" ]
	[ "${lines[1]}" = "Ed Roe|hw/cpu/Makefile hw/cpu/main.c" ]
	[ "${#lines[@]}" -eq 2 ]
	zip -qr export.zip assignment_9_export
	run roll export.zip
	[ "${lines[1]}" = "Ed Roe|hw/cpu/Makefile hw/cpu/main.c" ]
}

@test "Canvas and Moodle exports: one hand-in per student, whatever files it has" {
	mkdir canvas moodle
	zip -qr canvas/doejane_LATE_123_456_project-1.zip a
	(cd a/cpu && zip -qr ../../canvas/roeed_77_81_cpu.zip . && zip -qr ../../canvas/roeed_77_82_memory.zip .)
	cp a/cpu/main.c canvas/xu_5_6_main.c && cp a/cpu/Makefile canvas/xu_5_7_Makefile
	run roll canvas
	echo "$output"
	[ "${lines[0]}" = "doejane|a/cpu/Makefile a/cpu/main.c" ]
	[ "${lines[1]}" = "roeed|cpu/Makefile cpu/main.c memory/Makefile memory/main.c" ]
	[ "${lines[2]}" = "xu|Makefile main.c" ]
	mkdir "moodle/Jane Doe_4711_assignsubmission_file" "moodle/Ed_4712_assignsubmission_file"
	zip -qr "moodle/Jane Doe_4711_assignsubmission_file/p.zip" a
	cp -r a "moodle/Ed_4712_assignsubmission_file/hw"
	run roll moodle
	echo "$output"
	[ "${lines[0]}" = "Ed|hw/cpu/Makefile hw/cpu/main.c" ]
	[ "${lines[1]}" = "Jane Doe|p/a/cpu/Makefile p/a/cpu/main.c" ]
}

@test "a hand-in that changes is noticed, one that only moves in its list is not" {
	mkdir class && cp -r a class/anna && cp -r a class/bert
	run roll class
	cp listed before
	run roll class
	cmp listed before
	cp -r a class/aaron
	echo more >>class/bert/cpu/main.c
	run roll class
	[ "$(comm -12 <(sort before) <(sort listed) | cut -d ' ' -f 1)" = anna ]
}

@test "bad usage: one line, exit 2" {
	for words in "take" "student x" "class /nonexistent roll.json to" "ids /nonexistent" "frobnicate"; do
		# shellcheck disable=SC2086  # words
		run -2 "$intake" $words
		[ "${#lines[@]}" -eq 1 ]
	done
}
