#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The Debian packages: built, and in a minimal Debian installed, run, upgraded and purged.

bats_require_minimum_version 1.5.0

setup_file() {
	export lab=$BATS_TEST_DIRNAME machine=$BATS_FILE_TMPDIR/machine debs=$BATS_FILE_TMPDIR/debs
	export version
	version=$(<"$lab/../VERSION")
	[[ ! $(why_not) ]] || return 0
	"$lab/deb" "$debs" >&2
	"$lab/deb" "$debs" "$version+1" >&2
	# shellcheck source=/dev/null
	if ! mmdebstrap --quiet --variant=minbase "$(. /etc/os-release && printf %s "$VERSION_CODENAME")" "$machine" >&2; then
		echo "mmdebstrap makes no Debian here" >"$BATS_FILE_TMPDIR/why"
		return 0
	fi
	cp /etc/resolv.conf "$machine/etc/resolv.conf"
	cp "$debs"/*.deb "$machine/root/"
	inside apt-get update -qq >&2
}

# Why the packages cannot be tried here; nothing where they can.
why_not() {
	local tool
	((EUID == 0)) || { echo "needs root"; return; }
	for tool in dh lintian mmdebstrap; do
		command -v $tool >/dev/null || { echo "$tool is not installed"; return; }
	done
	unshare --mount --pid --fork true 2>/dev/null || echo "no namespaces here"
	cat "$BATS_FILE_TMPDIR/why" 2>/dev/null || true
}

setup() {
	local why
	why=$(why_not)
	[[ ! $why ]] || skip "$why"
}

# inside COMMAND…: runs it in the minimal Debian.
inside() {
	unshare --mount --pid --ipc --uts --fork --kill-child bash -euc '
		mount --make-rprivate /
		mount --bind "$0" "$0"
		mount -t proc proc "$0/proc"
		mount --rbind /dev "$0/dev"
		mount --rbind /sys "$0/sys"
		exec chroot "$0" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 "$@"
	' "$machine" "$@"
}

# What of the packages is on the machine.
left() {
	find "$machine" -xdev -path "$machine/root" -prune -o \( -iname '*ballast*' -o -name 'vcpu_scheduler*' -o -name 'memory_coordinator*' \) -print
}

@test "the packages install in a minimal Debian, and start nothing" {
	run -0 inside bash -c "apt-get install -qq -y --no-install-recommends /root/ballast_${version}_*.deb /root/ballast-controllers_${version}_*.deb"
	[[ $output != *warning:* ]]
	run -0 inside ballast --version
	[[ $output == *" $version" ]]
	run -0 inside id -nG _ballast
	[[ " $output " == *" libvirt "* ]]
	run -1 compgen -G "$machine/etc/systemd/system/*/vcpu_scheduler.service"
}

@test "what is installed plays a scenario on the simulated host, and judges it" {
	run -0 inside bash -c 'cd /root && ballast run --world sim --trace t.jsonl /usr/lib/ballast/ci/scenarios/cpu-phase.scenario -- vcpu_scheduler 2'
	run -0 inside /usr/lib/ballast/ci/build/check_cpu --text /root/t.jsonl
	[[ $output == *PASS* || $output == *pass* ]]
}

@test "without the sources of its own programs a grade asks for a submission" {
	run -2 inside /usr/lib/ballast/ci/grade --world sim --out /root/out
	[[ $output == *--submission* ]]
}

@test "an upgrade keeps one installation, and a purge leaves nothing" {
	run -0 inside bash -c "apt-get install -qq -y --no-install-recommends /root/ballast_$version+1_*.deb /root/ballast-controllers_$version+1_*.deb"
	run -0 inside ballast --version
	run -0 inside dpkg-query -W -f '${Version}' ballast-controllers
	[[ $output == "$version+1" ]]
	run -0 inside apt-get purge -qq -y ballast ballast-controllers
	run left
	echo "$output"
	[[ ! $output ]]
}
