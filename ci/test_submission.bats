#!/usr/bin/env bats
# The archive of `make submission`: each half builds alone, in an empty folder, with a bare make.

setup() {
	root=$(realpath "$BATS_TEST_DIRNAME/..")
	archive="$BATS_TEST_TMPDIR/submission.tar.gz"
	"$root/ci/submission" "$archive" >/dev/null
}

build_alone() { # folder program
	mkdir "$BATS_TEST_TMPDIR/$1"
	tar -C "$BATS_TEST_TMPDIR/$1" -xzf "$archive" "$1"
	env -u MAKEFLAGS -u MAKELEVEL make -C "$BATS_TEST_TMPDIR/$1/$1"
	"$BATS_TEST_TMPDIR/$1/$1/$2" --version
}

@test "cpu/ builds alone" {
	build_alone cpu vcpu_scheduler
}

@test "memory/ builds alone" {
	build_alone memory memory_coordinator
}

@test "the same tree gives the same archive" {
	"$root/ci/submission" "$BATS_TEST_TMPDIR/again.tar.gz"
	cmp "$archive" "$BATS_TEST_TMPDIR/again.tar.gz"
}

@test "an archive of another kind is refused" {
	run "$root/ci/submission" "$BATS_TEST_TMPDIR/x.zip"
	[ "$status" -eq 2 ]
	[[ $output == *"x.zip"*".tar.gz"* ]]
}
