# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Part of each finding: a machine of pinned Debian packages in a temporary folder, and the comparison at the end.
set -euo pipefail

root=$(mktemp -d)
trap 'rm -rf --one-file-system "$root"' EXIT
((EUID == 0)) || { echo "a finding runs as root: it uses chroot" >&2; exit 2; }

# fetch NAME=VERSION…: puts the packages and all that they need into $root. Nothing is installed on this machine.
fetch() {
	local package
	mkdir -p "$root"/{cache/archives/partial,dev,proc,tmp}
	: >"$root/status"
	apt-get -qq -y -o Dir::State::status="$root/status" -o Dir::Cache="$root/cache" -o Debug::NoLocking=1 \
		-o APT::Sandbox::User=root --no-install-recommends --download-only install bash coreutils dash "$@" >/dev/null
	for package in "$root"/cache/archives/*.deb; do dpkg-deb -x "$package" "$root"; done
	rm -r "$root/cache"
	[[ -e $root/dev/null ]] || mknod -m 666 "$root/dev/null" c 1 3
	ln -s /proc/self/fd "$root/dev/fd"
	[[ -e $root/bin/sh ]] || ln -s dash "$root/bin/sh"
	printf 'packages:  %s\n' "$*"
}

# inside COMMAND…: runs it there, in /tmp. Its /proc is mounted for the command alone.
inside() {
	# shellcheck disable=SC2016  # expanded by the inner shell
	unshare --mount sh -c 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"' "$root" \
		/usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp LC_ALL=C sh -c 'cd /tmp && exec "$@"' sh "$@"
}

# finding EXPECTED STATED SEEN: prints what one expects and what is seen; fails where that is not what is stated here.
finding() {
	printf 'expected:  %s\nseen:      %s\n' "$1" "$3"
	[[ $2 == "$3" ]] || { printf 'CHANGED:   it was: %s\n' "$2"; exit 1; }
}
