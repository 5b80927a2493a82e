#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Image flavours without guests: what is refused, what makes another image, seeds and overlays, steps that fail. uvtool
# exists on Ubuntu only: here its commands are stand-ins that do what uvtool was seen to do.
# shellcheck disable=SC2030,SC2031  # each test is a process of its own
# shellcheck disable=SC2034,SC2317  # what flavours read and call
bats_require_minimum_version 1.5.0

setup() {
	export BALLAST_STATE=$BATS_TEST_TMPDIR/state
	lab=$(cd "$BATS_TEST_DIRNAME" && pwd)
	state=$BALLAST_STATE
	mkdir -p "$state/guests"
	release='' verbose='' uri=test:///default image=cloud
	say() { printf '%s\n' "$*" >&2; }
	cmd() { "$@"; }
	die() {
		local status=$1
		shift
		say "ballast: $*"
		exit "$status"
	}
	cd "$BATS_TEST_TMPDIR" || return
}

flavour() {
	# shellcheck disable=SC1090
	source "$lab/images/$1"
}

# Runs commands as lab/ballast does, with its functions.
in_lab() {
	bash -c 'source <(grep -v "^main " "$0"); eval "$1"' "$lab/ballast" "$1"
}

# An executable of that name, first in PATH, from stdin.
stub() {
	mkdir -p bin
	cat >"bin/$1"
	chmod +x "bin/$1"
	export PATH=$BATS_TEST_TMPDIR/bin:$PATH
}

need() { command -v "$1" >/dev/null || skip "$1 is not installed"; }

# Code where a BIOS looks for it: an instruction that halts.
boot_code() { printf '\xf4' | dd of="$1" bs=1 conv=notrunc status=none; }

# A raw image that has a boot sector, as far as one can see from outside.
make_raw() {
	truncate -s 8M "$1"
	boot_code "$1"
	printf '\x55\xaa' | dd of="$1" bs=1 seek=510 conv=notrunc status=none
}

@test "a file that is no disk is refused" {
	need qemu-img
	flavour cloud
	echo 'just text' >text.img
	run cloud_format "$PWD/text.img"
	[ "$status" -eq 2 ]
	[[ $output == *"text.img is not a disk image"* ]]
	: >empty.img
	run cloud_format "$PWD/empty.img"
	[ "$status" -eq 2 ]
}

@test "raw with a boot sector and whole qcow2 are taken, qcow2 on another file and vmdk are not" {
	need qemu-img
	flavour cloud
	make_raw disk.img
	[ "$(cloud_format "$PWD/disk.img")" = raw ]
	qemu-img create -q -f qcow2 whole.qcow2 8M
	[ "$(cloud_format "$PWD/whole.qcow2")" = qcow2 ]
	qemu-img create -q -f qcow2 -b "$PWD/whole.qcow2" -F qcow2 top.qcow2
	run cloud_format "$PWD/top.qcow2"
	[ "$status" -eq 2 ]
	[[ $output == *"qemu-img convert"* ]]
	qemu-img create -q -f vmdk disk.vmdk 8M
	run cloud_format "$PWD/disk.vmdk"
	[ "$status" -eq 2 ]
	[[ $output == *vmdk* ]]
}

@test "an image that changed is another image; the copy does not change with it" {
	need qemu-img
	flavour cloud
	make_raw disk.img
	image_file=$PWD/disk.img
	before=$(image_key)
	[ "$before" = "$(image_key)" ]
	mkdir built
	image_build built
	cmp disk.img built/disk.raw
	printf x | dd of=disk.img bs=1 seek=100000 conv=notrunc status=none
	[ "$before" != "$(image_key)" ]
	run cmp disk.img built/disk.raw
	[ "$status" -eq 1 ]
}

@test "a damaged qcow2 is refused before it is copied" {
	need qemu-img
	flavour cloud
	qemu-img create -q -f qcow2 disk.qcow2 64M
	qemu-io -c 'write -P 0xf4 0 1M' disk.qcow2 >/dev/null
	image_file=$PWD/disk.qcow2
	mkdir whole
	(cloud_look() { :; } && image_build whole)
	# The first entry of the first table points nowhere.
	l1=$((0x$(od -An -tx1 -j40 -N8 disk.qcow2 | tr -d ' \n')))
	printf '\x80\x00\x00\x7f\xff\xff\x00\x00' | dd of=disk.qcow2 bs=1 seek="$l1" conv=notrunc status=none
	image_file=$PWD/disk.qcow2
	mkdir built
	run image_build built
	[ "$status" -eq 2 ]
	[[ $output == *damaged* ]]
	[ -z "$(ls built)" ]
}

# A disk with one partition that holds a folder as an ext4 file system.
make_disk() {
	truncate -s 24M "$1"
	mke2fs -q -t ext4 -d "$2" -E offset=1048576 "$1" 20M
	boot_code "$1"
	printf '\x55\xaa' | dd of="$1" bs=1 seek=510 conv=notrunc status=none
	echo '2048,,L,*' | sfdisk -q --no-reread --no-tell-kernel "$1" 2>/dev/null
}

@test "an image without cloud-init is refused before anything boots; what it lacks is fetched by its own list" {
	need mke2fs
	need sfdisk
	flavour cloud
	mkdir -p root/usr/{lib,bin,sbin} root/var/lib/dpkg
	printf 'ID=debian\nVERSION_CODENAME=bookworm\nPRETTY_NAME="Debian"\n' >root/usr/lib/os-release
	make_disk none.img root
	image_file=$PWD/none.img
	mkdir none
	run image_build none
	[ "$status" -eq 2 ]
	[[ $output == *"none.img has no cloud-init"* ]]
	# With it: apt is asked, here a stand-in, for what is lacking and nothing else.
	touch root/usr/bin/{cloud-init,stress-ng}
	echo 'Package: libc6' >root/var/lib/dpkg/status
	make_disk some.img root
	mkdir bin
	cat >bin/apt-get <<-'EOT'
		#!/bin/bash
		echo "$*" >>"$LOG"
		[[ $* =~ Dir::Cache::archives=([^ ]*) ]]
		[[ $* != *install* ]] || touch "${BASH_REMATCH[1]}/qemu-guest-agent_1_amd64.deb"
		[[ $* =~ Dir::State::status=([^ ]*) ]]
		cat "${BASH_REMATCH[1]}" >>"$LOG"
	EOT
	chmod +x bin/apt-get
	export PATH=$PWD/bin:$PATH LOG=$PWD/log
	image_file=$PWD/some.img
	mkdir some
	image_build some
	[ -f some/packages/qemu-guest-agent_1_amd64.deb ]
	[ ! -e some/work ]
	[[ $(<log) == *"install qemu-guest-agent"* && $(<log) != *stress-ng* && $(<log) == *"Package: libc6"* ]]
	# They come to guests on the seed.
	mkdir guest
	image_guest_files "$PWD/some" vm1 guest
	isoinfo -R -f -i guest/seed.img | grep -qx '/packages/qemu-guest-agent_1_amd64.deb'
	# Where they cannot be fetched there is no way to speak with guests.
	printf '#!/bin/sh\nexit 100\n' >bin/apt-get
	mkdir offline
	run image_build offline
	[ "$status" -eq 3 ]
	[[ $output == *"has no qemu-guest-agent"* ]]
	# Nor is an image kept whose guests cannot be loaded.
	touch root/usr/bin/qemu-ga
	rm root/usr/bin/stress-ng
	make_disk idle.img root
	image_file=$PWD/idle.img
	mkdir idle
	run image_build idle
	[ "$status" -eq 3 ]
	[[ $output == *"has no stress-ng"* ]]
}

# A folder as a cloud image of Debian's family has it, with all that guests need.
make_root() {
	mkdir -p "$1"/usr/{lib/systemd/system,bin,sbin,share/keyrings} "$1"/etc/{systemd/system,cloud,apt/trusted.gpg.d} "$1/var/lib/dpkg"
	printf 'ID=ubuntu\nVERSION_CODENAME=noble\nPRETTY_NAME="Ubuntu"\n' >"$1/usr/lib/os-release"
	touch "$1"/usr/bin/{cloud-init,stress-ng} "$1/usr/sbin/qemu-ga"
	echo 'Package: libc6' >"$1/var/lib/dpkg/status"
}

@test "an image that boots by UEFI only, or with cloud-init switched off, is refused by looking" {
	need mke2fs
	need sfdisk
	flavour cloud
	make_root root
	make_disk uefi.img root
	head -c 440 /dev/zero | dd of=uefi.img conv=notrunc status=none
	qemu-img convert -f raw -O qcow2 uefi.img uefi.qcow2
	for image_file in "$PWD/uefi.img" "$PWD/uefi.qcow2"; do
		rm -rf built
		mkdir built
		run image_build built
		[ "$status" -eq 2 ]
		[[ $output == *"$image_file has no code in its boot sector"*UEFI* ]]
		[ -z "$(ls built)" ]
	done
	touch root/etc/cloud/cloud-init.disabled
	make_disk off.img root
	image_file=$PWD/off.img
	run image_build built
	[ "$status" -eq 2 ]
	[[ $output == *"off.img has cloud-init switched off"* ]]
}

@test "the lab's copy does not wait for a network that guests have not, and is whole; the user's file stays" {
	need mke2fs
	need sfdisk
	flavour cloud
	make_root root
	unit=systemd-networkd-wait-online.service
	touch "root/usr/lib/systemd/system/$unit"
	make_disk some.img root
	image_file=$PWD/some.img
	before=$(sha256sum <some.img)
	mkdir built
	run -0 image_build built
	[[ $(debugfs -R "stat /etc/systemd/system/$unit" 'built/disk.raw?offset=1048576' 2>/dev/null) == *'link dest: "/dev/null"'* ]]
	e2fsck -fn 'built/disk.raw?offset=1048576'
	[ "$before" = "$(sha256sum <some.img)" ]
	# What the image says itself of this unit stays.
	echo '[Service]' >"root/etc/systemd/system/$unit"
	make_disk own.img root
	image_file=$PWD/own.img
	rm -rf built
	mkdir built
	run -0 image_build built
	[ "$(cloud_cat 'built/disk.raw?offset=1048576' "/etc/systemd/system/$unit")" = '[Service]' ]
}

@test "packages of another distribution are checked by the keys of the image" {
	need mke2fs
	need sfdisk
	flavour cloud
	make_root root
	rm root/usr/bin/stress-ng
	echo ubuntu >root/usr/share/keyrings/ubuntu-archive-keyring.gpg
	echo removed >root/usr/share/keyrings/ubuntu-archive-removed-keys.gpg
	echo 2018 >root/etc/apt/trusted.gpg.d/ubuntu-2018.asc
	make_disk some.img root
	stub apt-get <<-'EOT'
		#!/bin/bash
		[[ $* =~ Dir::Etc::trustedparts=([^ ]*) ]] && (cd "${BASH_REMATCH[1]}" && grep -r . | sort >"$LOG")
		[[ $* =~ Dir::Cache::archives=([^ ]*) ]]
		[[ $* != *install* ]] || touch "${BASH_REMATCH[1]}/stress-ng_1_amd64.deb"
	EOT
	export LOG=$PWD/log
	image_file=$PWD/some.img
	mkdir built
	run -0 image_build built
	[ "$(cat log)" = $'ubuntu-2018.asc:2018\nubuntu-archive-keyring.gpg:ubuntu' ]
	[ -f built/packages/stress-ng_1_amd64.deb ]
	[ "$(ls built)" = $'disk.raw\nfrom\npackages' ]
}

@test "cloud-init is asked how it went when it has ended, not at its first error" {
	flavour cloud
	# The guest's side runs here: the file comes while it is waited for.
	stub cloud-init <<<$'#!/bin/sh\n[ -e result.json ] && echo "status: done"'
	clone() {
		shift 4
		sh -c "$(sed 's,/run/cloud-init/,,g; s,/usr/bin/cloud-init,bin/cloud-init,' <<<"$3")"
	}
	(sleep 0.5 && touch result.json) &
	run image_await vm1
	[ "$status" -eq 0 ]
	[ -z "$output" ]
}

@test "a seed has what NoCloud wants; guests that are set up alike are one instance, others another" {
	need genisoimage
	need isoinfo
	flavour cloud
	for round in 1 2 3; do
		mkdir -p guest
		# The third is another guest.
		printf '#cloud-config\nlab: 1\n' | seed_write vm$((round > 2 ? 2 : 1)) guest
		[ "$(ls guest)" = seed.img ]
		isoinfo -R -i guest/seed.img -x /meta-data >"meta$round"
		isoinfo -R -i guest/seed.img -x /user-data >user
		isoinfo -d -i guest/seed.img | grep -q 'Volume id: cidata'
	done
	grep -qx 'local-hostname: vm1' meta1
	grep -q '^instance-id: ballast-' meta1
	cmp meta1 meta2
	[ "$(sed s/vm2/vm1/ meta3)" = "$(<meta1)" ]
	[ "$(<meta3)" != "$(<meta1)" ]
	grep -qx 'lab: 1' user
	# With another user-data, or other packages, there is something to be done anew.
	printf '#cloud-config\nlab: 2\n' | seed_write vm1 guest
	isoinfo -R -i guest/seed.img -x /meta-data >other
	run cmp meta1 other
	[ "$status" -eq 1 ]
	mkdir packages
	touch packages/a_1_amd64.deb
	printf '#cloud-config\nlab: 1\n' | seed_write vm1 guest packages
	isoinfo -R -i guest/seed.img -x /meta-data >other
	run cmp meta1 other
	[ "$status" -eq 1 ]
}

@test "the user's user-data is a part beside the lab's" {
	need genisoimage
	need isoinfo
	printf '#!/bin/sh\necho mine\n' >mine
	export BALLAST_USER_DATA=$PWD/mine
	flavour cloud
	seed_check
	mkdir guest
	printf '#cloud-config\nlab: 1\n' | seed_write vm1 guest
	isoinfo -R -i guest/seed.img -x /user-data >user
	grep -q 'multipart/mixed' user
	grep -q 'text/cloud-config' user
	grep -q 'text/x-shellscript' user
	# The lab's comes last: it says how it is merged, and a runcmd of the user's would replace the lab's else.
	[[ $(grep '^Content-Type: text/' user | tail -n 1) == *text/cloud-config* ]]
	# Another user-data makes another guest of the same image.
	key=$(seed_devices_xml guest)
	echo 'echo more' >>mine
	[ "$key" != "$(seed_devices_xml guest)" ]
}

@test "user-data that is none is refused" {
	echo 'nothing of the kind' >mine
	export BALLAST_USER_DATA=$PWD/mine
	flavour cloud
	run seed_check
	[ "$status" -eq 2 ]
	export BALLAST_USER_DATA=$PWD/missing
	flavour cloud
	run seed_check
	[ "$status" -eq 2 ]
	[[ $output == *missing* ]]
}

@test "a clone's disk stands on the golden guest's, which stays as it is" {
	need qemu-img
	flavour cloud
	mkdir image golden guest clone
	qemu-img create -q -f qcow2 image/base.qcow2 16M
	overlay_create "$PWD/image/base.qcow2" qcow2 guest/disk.qcow2
	image_golden_files guest golden
	[ ! -e guest/disk.qcow2 ]
	before=$(sha256sum <golden/disk.qcow2)
	image_clone_files image vm1 clone "$PWD/golden"
	qemu-io -c 'write 0 64k' clone/disk.qcow2 >/dev/null
	[ "$before" = "$(sha256sum <golden/disk.qcow2)" ]
}

@test "ubuntu: without uvtool, and where no apt has it, what else there is comes before apt is asked" {
	printf 'ID=debian\nPRETTY_NAME="Debian GNU/Linux 12"\n' >debian
	printf 'ID=linuxmint\nID_LIKE="ubuntu debian"\n' >mint
	# No command of uvtool's, should this machine have it.
	check='command() { false; }; release=; source "$lab/images/ubuntu"; image_check; needed_packages'
	UVTOOL_OS_RELEASE=$PWD/debian run in_lab "$check"
	[ "$status" -eq 3 ]
	[[ $output == *"--image PATH"*"--image debian"* && ${#lines[@]} -eq 1 ]]
	UVTOOL_OS_RELEASE=$PWD/mint run -0 in_lab "$check"
	[[ $'\n'$output == *$'\nuvtool-libvirt '* && $'\n'$output == *$'\nfdisk '* && $'\n'$output == *$'\ne2fsprogs '* ]]
	run in_lab 'release="jam my"; source "$lab/images/ubuntu"; image_check'
	[ "$status" -eq 2 ]
	[[ $output == *"'jam my' is no release of Ubuntu"* ]]
}

# A volume as uvtool knows it: RELEASE VERSION ARCH LABEL SERIAL.
uvtool_knows() {
	local name
	name=x-uvt-b64-$(printf 'com.ubuntu.cloud:server:%s:%s %s' "$2" "$3" "$5" | base64 -w0 | tr '+/' '-_')
	printf '{\n    "release": "%s",\n    "version": "%s",\n    "arch": "%s",\n    "label": "%s",\n    "version_name": "%s"\n}' \
		"$@" >"$UVTOOL_METADATA/$name"
	echo "$name"
}

# uvtool and its pool, as they were seen to behave: sync fills pool and metadata, prints nothing, and is silent of a
# release that is not there. The pool's state is in the file active, what it holds in the folder pool.
fake_uvtool() {
	export UVTOOL_METADATA=$PWD/metadata LOG=$PWD/log
	mkdir -p metadata pool
	: >log
	echo yes >active
	qemu-img create -q -f qcow2 base.qcow2 8M
	qemu-io -c 'write -P 0xf4 0 512' base.qcow2 >/dev/null
	stub uvt-simplestreams-libvirt <<-'EOT'
		#!/bin/bash
		echo "$*" >>"$LOG"
		[[ " $* " != *' release=jammy '* ]] || for file in new/*; do
			cp "$file" metadata/
			cp base.qcow2 "pool/${file##*/}"
		done
	EOT
	stub virsh <<-'EOT'
		#!/bin/bash
		shift 3 # -q -c URI
		case $* in
		'pool-list --name') [[ $(<active) != yes ]] || echo uvtool ;;
		'pool-list --name --inactive') [[ $(<active) == yes ]] || echo uvtool ;;
		'pool-start uvtool') [[ $(<active) != broken ]] && echo yes >active ;;
		'pool-refresh uvtool') ;;
		'vol-list uvtool') for file in pool/*; do printf ' %s   %s\n' "${file##*/}" "$PWD/$file"; done ;;
		'vol-path --pool uvtool '*) [[ -f pool/$4 ]] && echo "$PWD/pool/$4" ;;
		*) echo "virsh $*?" >>"$LOG" && exit 1 ;;
		esac
	EOT
	# What a sync brings.
	mkdir new
	UVTOOL_METADATA=$PWD/new uvtool_knows jammy 22.04 amd64 release 20240514 >/dev/null
}

# Commands with the flavour of a release.
ubuntu() { in_lab "release=$1; source \"\$lab/images/ubuntu\"; $2"; }

@test "ubuntu: the image is synced once and then found (a stand-in for uvtool, not uvtool itself)" {
	need qemu-img
	fake_uvtool
	run -0 --separate-stderr ubuntu jammy image_key
	first=$output
	[ "$first" ]
	run -0 --separate-stderr ubuntu jammy image_key
	[ "$output" = "$first" ]
	[ "$(cat log)" = 'sync release=jammy arch=amd64' ]
	mkdir built
	# Nobody looks into this one.
	ubuntu jammy 'cloud_look() { :; }; image_build built'
	[ -f built/disk.raw ]
	# By its number, too.
	run -0 --separate-stderr ubuntu 22.04 image_key
	[ "$output" = "$first" ]
	[ "$(wc -l <log)" -eq 1 ]
}

@test "ubuntu: a mirror and its keys are uvtool's options" {
	need qemu-img
	fake_uvtool
	BALLAST_UBUNTU_SOURCE=http://localhost/m BALLAST_UBUNTU_KEYRING=/k.gpg run -0 ubuntu jammy image_key
	[ "$(cat log)" = 'sync --source http://localhost/m --keyring /k.gpg release=jammy arch=amd64' ]
}

@test "ubuntu: of what uvtool has, this architecture's, label release before daily, then the newest" {
	fake_uvtool
	uvtool_knows noble 24.04 amd64 release 20250101
	uvtool_knows jammy 22.04 arm64 release 20250101
	uvtool_knows jammy 22.04 amd64 daily 20250101
	uvtool_knows jammy 22.04 amd64 release 20240514
	wanted=$(uvtool_knows jammy 22.04 amd64 release 20240514.1)
	uvtool_knows jammy 22.04 amd64 release 20240301
	[ "$(ubuntu jammy ubuntu_volume)" = "$wanted" ]
	[ "$(ubuntu 22.04 ubuntu_volume)" = "$wanted" ]
	[ -z "$(ubuntu focal ubuntu_volume)" ]
	[ -z "$(ubuntu 22.0 ubuntu_volume)" ]
	# One line without blanks is JSON, too.
	: >one
	for file in metadata/*; do tr -d '\n ' <"$file" >one && cp one "$file"; done
	[ "$(ubuntu jammy ubuntu_volume)" = "$wanted" ]
	rm metadata/*
	wanted=$(uvtool_knows jammy 22.04 amd64 daily 20250101)
	[ "$(ubuntu jammy ubuntu_volume)" = "$wanted" ]
}

@test "ubuntu: a pool that is not active is started before uvtool is asked; if it does not start nothing is synced" {
	need qemu-img
	fake_uvtool
	name=$(uvtool_knows jammy 22.04 amd64 release 20240514)
	cp base.qcow2 "pool/$name"
	echo broken >active
	for release in jammy noble; do
		run ubuntu $release image_key
		[ "$status" -eq 3 ]
		[[ $output == *"pool-start uvtool"* ]]
	done
	[ ! -s log ]
	echo no >active
	run -0 ubuntu jammy image_key
	[ "$(<active)" = yes ]
	[ ! -s log ] # it was there all along
	stub virsh <<<$'#!/bin/sh\nexit 1'
	run ubuntu noble image_key
	[ "$status" -eq 3 ]
	[ ! -s log ]
}

@test "ubuntu: nothing is synced while the pool has none of the images that uvtool knows of" {
	fake_uvtool
	name=$(uvtool_knows noble 24.04 amd64 release 20240514)
	run ubuntu jammy image_key
	echo "$output"
	[ "$status" -eq 3 ]
	[[ $output == *"is their disk mounted?"* ]]
	[ ! -s log ]
	# One of them is there: so is their disk.
	uvtool_knows noble 24.04 amd64 release 20240601
	: >"pool/$name"
	run -0 ubuntu jammy image_key
	[ -s log ]
}

@test "ubuntu: a sync that brings nothing is an error (a stand-in for uvtool, not uvtool itself)" {
	fake_uvtool
	run ubuntu warty image_key
	[ "$status" -eq 3 ]
	[[ $output == *"no image of warty"* ]]
	run ubuntu 04.10 image_key
	[ "$status" -eq 3 ]
	[ "$(cat log)" = $'sync release=warty arch=amd64\nsync version=04.10 arch=amd64' ]
}

@test "every flavour passes shellcheck" {
	need shellcheck
	cd "$lab"
	shellcheck -x images/debian images/cloud images/ubuntu clone.bash clone_seed.bash
}

# --- what stands on what ---

# A state with image, golden guest and clone in a chain of disks, below $1.
chained_state() {
	mkdir -p "$1"/{images/cloud-1,images/cloud-2,golden/cloud-a,guests/g1}
	qemu-img create -q -f qcow2 "$1/images/cloud-1/disk.qcow2" 1M
	qemu-img create -q -f qcow2 "$1/images/cloud-2/disk.qcow2" 1M
	qemu-img create -q -f qcow2 -F qcow2 -b "$1/images/cloud-1/disk.qcow2" "$1/golden/cloud-a/disk.qcow2"
	echo digest >"$1/golden/cloud-a/digest"
	qemu-img create -q -f qcow2 -F qcow2 -b "$1/golden/cloud-a/disk.qcow2" "$1/guests/g1/disk.qcow2"
}

@test "images --prune keeps every disk that a clone or a kept golden guest stands on" {
	state="$BATS_TEST_TMPDIR/a state"
	chained_state "$state"
	BALLAST_STATE=$state run -0 "$lab/ballast" images --prune
	echo "$output"
	[[ $output == *"removed $state/images/cloud-2"* ]]
	[ -f "$state/images/cloud-1/disk.qcow2" ]
	[ -f "$state/golden/cloud-a/disk.qcow2" ]
	rm -r "$state/guests/g1"
	BALLAST_STATE=$state run -0 "$lab/ballast" images --prune
	[ ! -d "$state/golden/cloud-a" ]
	[ ! -d "$state/images/cloud-1" ]
}

@test "a golden guest whose disk stands on nothing is made anew" {
	state=$BATS_TEST_TMPDIR/state
	chained_state "$state"
	rm "$state/images/cloud-1/disk.qcow2"
	run bash -c 'source "$0/image.bash"; source "$0/clone.bash"; say() { echo "$*"; }; golden=$1; golden_whole' \
		"$lab" "$state/golden/cloud-a"
	echo "$output"
	[ "$status" -eq 1 ]
	[[ $output == *"stands on $state/images/cloud-1/disk.qcow2, which is gone"* ]]
	[ ! -d "$state/golden/cloud-a" ]
}

@test "each image has a golden guest of its own" {
	key() {
		bash -c 'source "$0/clone.bash"; guests_spec() { echo same; }; image_dir=$1 accel=tcg; golden_key' "$lab" "$1"
	}
	[ "$(key /images/cloud-1)" = "$(key /images/cloud-1)" ]
	[ "$(key /images/cloud-1)" != "$(key /images/cloud-2)" ]
}

@test "a build one step of which fails is not kept, whoever asks for it" {
	tree=$BATS_TEST_TMPDIR/tree
	mkdir -p "$tree/lab/images"
	cp "$lab"/{ballast,*.bash,packages} "$tree/lab/"
	cat >"$tree/lab/images/bad" <<-'END'
		image_key() { echo 1; }
		image_build() {
			false
			touch "$1/kernel"
		}
	END
	# In a condition, where bash goes on after failed steps.
	BALLAST_STATE=$BATS_TEST_TMPDIR/state run bash -c 'if "$0" image --image bad; then echo kept; fi' "$tree/lab/ballast"
	echo "$output"
	[[ $output == *"could not be built"* && $output != *kept* ]]
	run ls "$BATS_TEST_TMPDIR/state/images"
	[ -z "$output" ]
}

# --- steps that fail ---

@test "a golden guest one step of which fails is not kept" {
	# shellcheck disable=SC2016
	golden='
		image=x image_dir=/x vcpus=1 memory_kib=1 maximum_kib=1 accel=tcg key=abc golden=$state/golden/x-abc quiet=()
		guest_xml() { echo; }
		guests() { :; }
		clone() { touch "$4/digest"; }
		image_guest_files() { ${STEP:-true}; touch "$3/disk.qcow2"; }
		golden_make
		echo "status $golden_status"'
	STEP=false run -0 in_lab "$golden"
	[[ $output == *"status 1" ]]
	[ ! -e "$state/golden/x-abc" ]
	run -0 in_lab "$golden"
	[[ $output == *"status 0" ]]
	[ -e "$state/golden/x-abc/digest" ]
}

@test "no image has a name that a step failed to make" {
	run in_lab 'image=x; image_key() { false; echo 1; }; image_path'
	[ "$status" -ne 0 ]
	[ -z "$output" ]
}

@test "a guest that cannot be taken down keeps its files, and nothing is put in its place" {
	mkdir -p "$state/guests/g1"
	touch "$state/guests/g1/serial.log"
	# shellcheck disable=SC2016
	run in_lab '
		ensure_image() { :; }
		accelerator() { echo tcg; }
		guests_spec() { echo 1; }
		check_memory() { :; }
		make_files() { echo "made $1"; }
		guests() { case " $* " in *" plan "*) echo "g1 replace" ;; *" down "*) return 3 ;; esac }
		image=x fresh=1 quiet=()
		up 1 g 10'
	echo "$output"
	[ "$status" -eq 3 ]
	[[ $output == *"cannot be taken down"* && $output != *"made g1"* ]]
	[ -e "$state/guests/g1/serial.log" ]
}

@test "of several guests that are awaited each has to come" {
	run in_lab 'image_await() { [[ $1 != g1 ]]; }; clone_await g1 g2 || exit 3'
	[ "$status" -ne 0 ]
	run in_lab 'image_await() { [[ $1 != g1 ]]; }; clone_await g2 g3 || exit 3'
	[ "$status" -eq 0 ]
}

@test "that KVM boots no guest is kept only where the same guest boots without" {
	stub qemu-system-x86_64 <<-'EOT'
		#!/bin/sh
		for word; do
			case "$BOOTS" in *"$word"*) echo 'ballast: booted' ;; esac
		done
	EOT
	stub ballast <<<$'#!/bin/sh\necho /image'
	ask='lab=$BATS_TEST_TMPDIR/bin; kvm_answer; ls "$state/cache"'
	mkdir "$state/cache"
	BOOTS='' run in_lab "$ask"
	echo "$output"
	[ "$status" -eq 0 ]
	[[ $output == *"could not be found out"*$'\n'tcg ]]
	BOOTS='tcg' run -0 in_lab "$ask"
	[[ $output == *tcg$'\n'kvm-* ]]
	rm "$state"/cache/kvm-*
	BOOTS='kvm tcg' run -0 in_lab "$ask"
	[[ $output == *kvm$'\n'kvm-* ]]
}

@test "images --prune removes nothing where it cannot tell what a disk stands on" {
	need qemu-img
	chained_state "$state"
	# Cut off within its header.
	head -c 20 "$state/golden/cloud-a/disk.qcow2" >"$state/guests/g1/disk.qcow2"
	run "$lab/ballast" images --prune
	echo "$output"
	[ "$status" -eq 3 ]
	[[ $output == *"guests/g1/disk.qcow2 cannot be read"* ]]
	[ -d "$state/images/cloud-1" ]
	[ -d "$state/images/cloud-2" ]
	[ -d "$state/golden/cloud-a" ]
}

@test "a golden guest whose disk is damaged is made anew" {
	need qemu-img
	chained_state "$state"
	head -c 20 "$state/golden/cloud-a/disk.qcow2" >cut.qcow2
	mv cut.qcow2 "$state/golden/cloud-a/disk.qcow2"
	run in_lab 'golden=$state/golden/cloud-a; golden_whole'
	[ "$status" -eq 1 ]
	[ ! -d "$state/golden/cloud-a" ]
}

@test "micro: what apt knows only half of is not taken for an answer, nor kept" {
	stub apt-cache <<-'EOT'
		#!/bin/sh
		case "$1 $4" in
		'depends linux-image-cloud-amd64') echo '  Depends: linux-image-6.1-cloud-amd64' ;;
		policy*) printf 'linux-image-6.1-cloud-amd64:\n  Candidate: 6.1-1\nqemu-guest-agent:\n  Candidate: %s\n' "$AGENT" ;;
		esac
	EOT
	flavour micro
	AGENT='(none)' run micro_fetched_cached
	[ "$status" -eq 1 ]
	[ -z "$(ls "$state/cache")" ]
	AGENT=7.2 run -0 micro_fetched_cached
	[ "${#lines[@]}" -eq 2 ]
}

@test "micro: a kernel module that is empty, or that cannot be unpacked, ends the build" {
	stub modprobe <<<$'#!/bin/sh\necho "insmod $MODULE"'
	: >empty.ko
	echo 'not packed' >packed.ko.xz
	mkdir -p unpacked/usr/lib/modules/1 root
	touch unpacked/usr/lib/modules/1/modules.dep
	for module in empty.ko packed.ko.xz; do
		# shellcheck disable=SC2016
		MODULE=$PWD/$module run in_lab 'release=; source "$lab/images/micro"; micro_modules root unpacked first virtio_pci; echo built'
		[ "$status" -ne 0 ]
		[[ $output != *built* ]]
		rm -f root/lib/modules/*
	done
}

# --- what guests and their users meet ---

@test "micro: first calls of stress-ng at once wait for one to unpack it; the agent finds hwclock" {
	((EUID == 0)) || skip "chroot needs root"
	need busybox
	need stress-ng
	run -0 in_lab 'release=; source "$lab/images/micro"; micro_userland root; mkdir work; micro_stress work root'
	# Such a machine of two pCPUs unpacks it slowly enough for all to be in it.
	for i in 1 2 3; do
		chroot root /usr/bin/stress-ng --version >"out$i" 2>"err$i" &
	done
	wait
	grep -l '^stress-ng, version' out1 out2 out3 | wc -l | grep -qx 3
	run cat err1 err2 err3
	echo "$output"
	[[ $output != *"not found"* && $output != *"such"*packed* ]]
	[ ! -e root/usr/lib/ballast/stress-ng.cpio.gz ]
	[[ $(chroot root /sbin/hwclock --help 2>&1) == *hwclock* ]]
}

@test "micro: stress-ng that cannot be unpacked is an error, and nothing half unpacked is run" {
	((EUID == 0)) || skip "chroot needs root"
	need busybox
	need stress-ng
	run -0 in_lab 'release=; source "$lab/images/micro"; micro_userland root; mkdir work; micro_stress work root'
	truncate -s 100000 root/usr/lib/ballast/stress-ng.cpio.gz
	run chroot root /usr/bin/stress-ng --version
	[ "$status" -eq 1 ]
	[[ $output == *"stress-ng could not be unpacked"* ]]
}

# What changes where anything is made, removed or written below a folder.
marks() { find "$1" -printf '%p %s %T@\n' | sort | sha256sum; }

@test "doctor changes nothing in a checkout, and names what is not built" {
	mkdir tree
	cp -r "$lab/../common" "$lab/../workloads" "$lab" tree/
	rm -rf tree/*/build
	before=$(marks tree)
	run tree/lab/ballast doctor
	echo "$output"
	[ "$status" -eq 1 ]
	[ "$before" = "$(marks tree)" ]
	[[ $output == *"BAD   micro image: the loads that go into it are not built: make -C "* ]]
}

@test "doctor does not hold an image for one that lacks its kernel" {
	# shellcheck disable=SC2016
	ask='image_path() { echo "$state/image"; }; micro_loads=$state; echo 1 >"$state/DIGEST"; doctor_image ""'
	mkdir "$state/image"
	: >"$state/image/kernel"
	run in_lab "$ask"
	[[ $output == "BAD "*"is not whole"* ]]
	echo 1 | tee "$state/image/kernel" >"$state/image/initrd"
	run in_lab "$ask"
	[[ $output == "ok "* ]]
}

@test "advice to end guests names this state's alone" {
	mkdir -p "$state"/guests/{a_vm1,a_vm10,b.c_vm2,golden-0a.1,off_vm1}
	# shellcheck disable=SC2016
	run -0 in_lab '
		guests() { printf "%s\n" a_vm10 a_vm1 b.c_vm2 golden-0a.1 other_vm1; }
		still_up'
	echo "$output"
	[ "${#lines[@]}" -eq 2 ]
	[[ ${lines[0]} == "still up: a_vm1 a_vm10 ("*"down --prefix a_vm takes"* ]]
	[[ ${lines[1]} == "still up: b.c_vm2 ("*"down --prefix b.c_vm takes"* ]]
	run -0 in_lab 'guests() { echo other_vm1; }; still_up'
	[ -z "$output" ]
}
