#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A name with a backslash in a zip archive is a file in a folder for bsdtar, and one file with a backslash in its name for
# Python's zipfile: listing with one and unpacking with the other looks for files that are not there.
# shellcheck source-path=SCRIPTDIR source=machine.bash
source "$(dirname "$0")/machine.bash"
fetch libarchive-tools=3.6.2-1+deb12u5 python3=3.11.2-1+b1
cat >"$root/tmp/make.py" <<'END'
import zipfile
with zipfile.ZipFile("a.zip", "w") as z:
    z.writestr("cpu\\Makefile", "all:\n")
END
inside python3 make.py
bsdtar=$(inside bsdtar -tf a.zip)
inside bsdtar -xf a.zip
python=$(inside python3 -c 'import zipfile; print(*zipfile.ZipFile("a.zip").namelist())')
finding "the same name in both" 'bsdtar cpu/Makefile, Python cpu\Makefile' "bsdtar $bsdtar, Python $python"
