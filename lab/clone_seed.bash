# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154  # lab sets lab, state, uri
# Part of ballast: what flavours with cloud-init share: overlays, NoCloud seeds, and waiting for cloud-init's end.
# The user's own user-data is merged the cloud-init way: as a part of its own before the lab's.

# The user's file, or nothing: ballast up --user-data FILE, or $BALLAST_USER_DATA.
shopt -s extglob
seed_user_data=${BALLAST_USER_DATA:-}

seed_check() {
	[[ ! $seed_user_data ]] || [[ -r $seed_user_data ]] || die 2 "there is no user-data file $seed_user_data"
	[[ ! $seed_user_data ]] || head -c 256 "$seed_user_data" |
		grep -qaE '^(#!|#cloud-|#include|#part-handler|#upstart-job|Content-Type: |MIME-Version: |## template)' ||
		die 2 "$seed_user_data is not user-data: its first line would say #cloud-config, #! or the like"
}

# Guests with another user-data are other guests: their seed disk's serial number says so.
seed_serial_xml() {
	[[ ! $seed_user_data ]] || printf '<serial>%.16s</serial>' "$(sha256sum <"$seed_user_data")"
}

# seed_write NAME GUESTDIR [PACKAGES-FOLDER]: the lab's user-data is on stdin. What is in the folder comes onto the
# disk, under packages/.
seed_write() {
	local name=$1 guestdir=$2 packages=${3-} seed=$2/seed contents id
	mkdir -p "$seed"
	cat >"$seed/lab.cfg"
	# Guests of a lab have no network card.
	printf 'version: 2\nethernets: {}\n' >"$seed/network-config"
	if [[ $seed_user_data ]]; then
		# A part says itself how it is merged into those before it: the lab's adds to the user's lists.
		write-mime-multipart --output="$seed/user-data" "$seed_user_data" "$seed/lab.cfg:text/cloud-config"
	else
		mv "$seed/lab.cfg" "$seed/user-data"
	fi
	# One instance for all that are set up alike. A guest's disk is new, so that cloud-init sets it up all the same; a
	# clone's was set up as the golden guest's, and is not once more when the clone reboots.
	id=$(cat "$seed/user-data" <([[ ! -d $packages ]] || ls "$packages") | sha256sum | cut -c1-16)
	printf 'instance-id: ballast-%s\nlocal-hostname: %s\n' "$id" "$name" >"$seed/meta-data"
	contents=(user-data="$seed/user-data" meta-data="$seed/meta-data" network-config="$seed/network-config")
	[[ ! -d $packages ]] || contents+=(packages="$packages")
	genisoimage -quiet -output "$guestdir/seed.img" -volid cidata -joliet -rock -graft-points "${contents[@]}" >&2
	chmod 0644 "$guestdir/seed.img"
	rm -rf "$seed"
}

# A disk that keeps what the guest writes, on top of an image that stays as it is.
overlay_create() {
	local base=$1 format=$2 overlay=$3 size=${4-}
	rm -f "$overlay"
	qemu-img create -q -f qcow2 -b "$base" -F "$format" "$overlay" ${size:+"$size"}
}

# Where this machine gets packages of debian or ubuntu from, or the distribution's own address.
seed_mirror() {
	local id=$1 mirror
	mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.{list,sources} 2>/dev/null |
		grep -oE "https?://[^ ]+/$id/?( |$)" | head -n1 | tr -d ' ') || true
	[[ $mirror ]] || case $id in
	debian) mirror=http://deb.debian.org/debian ;;
	ubuntu) mirror=http://archive.ubuntu.com/ubuntu ;;
	esac
	echo "$mirror"
}

seed_devices_xml() {
	local guestdir=$1
	cat <<-XML
		<disk type='file' device='disk'>
		  <driver name='qemu' type='qcow2' cache='unsafe' discard='unmap'/>
		  <source file='$guestdir/disk.qcow2'/><target dev='vda' bus='virtio'/>
		</disk>
		<disk type='file' device='disk'>
		  <driver name='qemu' type='raw'/>
		  <source file='$guestdir/seed.img'/><target dev='vdb' bus='virtio'/><readonly/>$(seed_serial_xml)
		</disk>
	XML
}

# The golden guest's disk becomes the one that clones stand on.
image_golden_files() {
	mv "$1/disk.qcow2" "$2/disk.qcow2"
	chown root:root "$2/disk.qcow2"
	chmod 0444 "$2/disk.qcow2"
}

image_clone_files() {
	overlay_create "$4/disk.qcow2" qcow2 "$3/disk.qcow2"
}

# Waits for cloud-init's end, asks how it went and shows why it did not go well; the guest is there all the same. Its exit
# status: 0 done, 1 errors, 2 done but degraded (since 23.4).
image_await() {
	local name=$1 status=0 text
	# `status --wait` alone ends at the first error, when the rest is still to come; the file comes last.
	text=$(clone --timeout "${timeout:-300}" exec "$name" /bin/sh -c "
		until [ -e /run/cloud-init/result.json ] || [ -e /run/cloud-init/disabled ]; do sleep 0.2; done
		exec /usr/bin/cloud-init status --wait --long" 2>&1) || status=$?
	text=${text##*([.])} # a dot for each moment it waited
	case $status in
	0) [[ $text != *degraded* ]] || say "guest $name: cloud-init is done, but degraded:"$'\n'"$text" ;;
	1) say "guest $name: cloud-init reports errors:"$'\n'"$text" ;;
	2) say "guest $name: cloud-init is done, but degraded:"$'\n'"$text" ;;
	*)
		say "guest $name: cloud-init cannot be asked: $text"
		return 3
		;;
	esac
}
