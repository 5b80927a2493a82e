#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# prove refuses a file whose first line is "TAP version 14", the version line of the current TAP specification, although
# it reads the YAML blocks and the plan of that version: a producer has to claim version 13.
# shellcheck source-path=SCRIPTDIR source=machine.bash
source "$(dirname "$0")/machine.bash"
fetch perl=5.36.0-7+deb12u4
for version in 13 14; do
	cat >"$root/tmp/v$version.t" <<-END
		#!/bin/sh
		printf 'TAP version $version\n1..1\nok 1 - one\n  ---\n  seen: 3\n  ...\n'
	END
	chmod +x "$root/tmp/v$version.t"
done
inside prove v13.t >/dev/null
status=0
inside prove v14.t >"$root/tmp/log" 2>&1 || status=$?
finding "version 14 passes as version 13 does" "exit 1, TAP specified version 14 but we don't know about versions later than 13" \
	"exit $status, $(grep -o 'TAP specified.*' "$root/tmp/log" | head -n 1)"
