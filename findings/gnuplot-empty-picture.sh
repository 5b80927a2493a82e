#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# gnuplot opens its output before it knows whether there is anything to draw. Where nothing is, it fails and leaves an SVG
# of 0 bytes; where one of two data files is missing, it warns and ends with status 0. Neither status nor file tells alone.
# shellcheck source-path=SCRIPTDIR source=machine.bash
source "$(dirname "$0")/machine.bash"
fetch gnuplot-nox=5.4.4+dfsg1-2+b2
printf '1 1\n2 2\n' >"$root/tmp/good"
run() {
	local status=0
	inside gnuplot-nox -e "set terminal svg; set output '$1.svg'; plot $2" >/dev/null 2>&1 || status=$?
	printf '%s' "exit $status, $([[ -s $root/tmp/$1.svg ]] && echo drawn || echo "empty file: $([[ -e $root/tmp/$1.svg ]] && echo yes || echo no)")"
}
finding "a missing file fails; a failed plot leaves no picture" \
	"one missing: exit 0, drawn; all missing: exit 1, empty file: yes" \
	"one missing: $(run one "'good', 'gone'"); all missing: $(run none "'gone'")"
