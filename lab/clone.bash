# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154  # lab sets lab, state, uri, image, image_dir, accel, vcpus, …
# Part of ballast: guests are booted once and restored many times. A golden guest is an ordinary guest that was
# booted, became ready and quiet, and was saved with its RAM; what it leaves is a folder of its own,
#   $state/golden/FLAVOUR-KEY/   ram, digest (see clone.h), about, and for guests with disks disk.qcow2
# that is never written again.
#
# A flavour whose guests have disks or take longer than their agent to get ready also defines:
#   image_clone_files DIR NAME GUESTDIR GOLDEN   a clone's own files, on top of the golden guest's
#   image_golden_files GUESTDIR GOLDEN           moves what belongs to the golden guest into its folder
#   image_await NAME                             waits until the guest has finished booting

restored=() # guests that need no boot
# In a guest's folder until its clone is somebody of its own; `guests plan` replaces what was left with it.
readonly half_done=restoring
clone() { "$lab/build/clone" --connect "$uri" ${verbose:+-v} "$@"; }

# Clones fit only what they were saved from: the same image, guest, QEMU, libvirt and (with KVM) host CPU.
golden_key() {
	{
		echo "$image_dir"
		guests_spec
		cat "$lab/build/become" # runs in clones, and is put into the golden guest
		stat -Lc '%n %s %Y' "$(command -v qemu-system-x86_64)" /usr/share/qemu/bios-256k.bin \
			/usr/sbin/libvirtd /usr/sbin/virtqemud 2>/dev/null || true
		[[ $accel != kvm ]] || {
			uname -r
			grep -m2 -E '^(model name|flags)' /proc/cpuinfo
		}
	} | sha256sum | cut -c1-12
}

# Restores guests that are defined and have files. What cannot be restored stays off, for `guests up` to boot.
clone_guests() {
	local key golden golden_status left=("$@") status=0
	[[ -x $lab/build/clone && -x $lab/build/become ]] ||
		make -s -C "$lab" build/clone build/become >&2 || {
		say "the programs that clone guests cannot be built: guests are booted"
		return 0
	}
	golden_sweep
	key=$(golden_key)
	golden=$state/golden/$image-$key
	golden_make
	if ((golden_status)); then
		((golden_status != 4)) || exit 3 # a guest that does not get ready: others will not either
		say "no golden guest could be made: guests are booted"
		return 0
	fi
	clone_restore "$@" || status=$?
	if ((status == 1)); then
		# Damaged, or of a kind libvirt does not take for these guests: made anew, once.
		say "the golden guest $golden does not fit; making it anew"
		rm -rf "$golden"
		golden_make
		((golden_status)) || clone_restore "${left[@]}" || true # what is left is booted
	fi
	((${#left[@]} == 0)) || clone_give_up "${left[@]}"
}

# Whether the golden guest is there, with every disk that it stands on. What is left of one is removed.
golden_whole() {
	local disk chain
	[[ -e $golden/digest ]] || return 1
	for disk in "$golden"/*.qcow2; do
		[[ -f $disk ]] || continue
		if ! chain=$(disk_chain "$disk") || [[ ! -f ${chain##*$'\n'} ]]; then
			say "the golden guest $golden stands on ${chain##*$'\n'}, which is gone or damaged; making it anew"
			rm -rf "$golden"
			return 1
		fi
	done
}

# After `guests up`: those that were booted, not restored, may have more to do than to answer.
clone_await() {
	local name status=0
	declare -F image_await >/dev/null || return 0
	for name; do
		[[ " ${restored[*]-} " == *" $name "* ]] || image_await "$name" || status=$?
	done
	return "$status"
}

# Restores the guests; takes those that are ready out of left.
clone_restore() {
	local name ready status=0 still=()
	for name; do
		: >"$state/guests/$name/$half_done" || return 3
		echo "$golden/" >"$state/guests/$name/golden" || return 3 # its disk may stand on it: `ballast images --prune`
		! declare -F image_clone_files >/dev/null ||
			image_clone_files "$image_dir" "$name" "$state/guests/$name" "$golden" || return 3
	done
	ready=$(clone --timeout "${timeout:-120}" restore "$golden" "$state/guests" "$@") || status=$?
	for name; do
		if [[ $'\n'$ready == *$'\n'"$name "* ]]; then
			rm -f "$state/guests/$name/$half_done"
			restored+=("$name")
		else
			still+=("$name")
		fi
	done
	left=("${still[@]}")
	return "$status"
}

# Guests that will be booted get files that do not stand on the golden guest's.
clone_give_up() {
	local name
	say "not restored, so booted: $*"
	for name; do
		# Half a clone that could not be stopped keeps its mark: the next `ballast up` replaces it.
		[[ $(LC_ALL=C virsh -q -c "$uri" domstate "$name" 2>/dev/null) == "shut off" ]] ||
			die 3 "guest $name could not be restored and is not off; ballast up again replaces it"
		rm -f "$state/guests/$name"/{golden,"$half_done"}
		! declare -F image_clone_files >/dev/null || image_guest_files "$image_dir" "$name" "$state/guests/$name"
	done
}

# --- making one ---

# Unless there is a whole one: boots a guest, saves it, and moves the folder into place as a whole. Only one process
# makes a golden guest. Leaves its status in golden_status; 4: a guest of this image does not get ready.
golden_make() {
	local name=golden-$key.1 building=$state/golden/.building.$image-$key fd attempt_status
	golden_status=0
	! golden_whole || return 0
	mkdir -p "$state/golden" "$state/locks"
	chmod 0755 "$state/golden"
	exec {fd}>>"$state/locks/golden-$key"
	take_lock -x "$fd" "$state/locks/golden-$key"
	if [[ ! -e $golden/digest ]]; then
		say "booting a golden guest to make clones of (once)"
		undo+=("$name")
		rm -rf "$building" "$golden"
		mkdir "$building"
		chmod 0755 "$building"
		attempt golden_boot "$name" "$building"
		golden_status=$attempt_status
		remove_guests "$name" || golden_status=3
		undo=("${undo[@]:0:${#undo[@]}-1}")
		if ((golden_status == 0)); then
			mv -T "$building" "$golden"
		else
			rm -rf "$building"
		fi
	fi
	exec {fd}>&-
}

golden_boot() {
	local name=$1 building=$2 spec balloon_kib=$memory_kib
	trap - EXIT # the caller's undo is the caller's
	spec=$(guests_spec)
	# With all its memory, and so without a balloon, it uses memory in one piece: see clone_save.c.
	local memory_kib=$maximum_kib
	make_files "$name" "$spec"
	# Controllers that run meanwhile leave it alone.
	sed -i "s|<metadata>|&<policy:policy xmlns:policy='urn:ballast:policy:1' manage='no'/>|" \
		"$state/guests/$name/domain.xml"
	guests define "$name"
	guests --prefix "${name%1}" --count 1 --memory "$memory_kib" --timeout "${timeout:-120}" --quiet up "$name" || {
		! declare -F image_blame >/dev/null || image_blame
		return 4
	}
	if declare -F image_await >/dev/null; then image_await "$name"; fi
	clone --timeout "${timeout:-120}" save "$building" "$name" "$balloon_kib"
	if declare -F image_golden_files >/dev/null; then image_golden_files "$state/guests/$name" "$building"; fi
	{
		echo "image $image_dir"
		echo "vcpus $vcpus"
		echo "maximum_kib $maximum_kib"
		echo "accel $accel"
	} >"$building/about"
}

# Removes the golden guests of a lab command that was killed while it made one: nobody holds their lock, or the
# state they belong to is gone altogether.
golden_sweep() {
	local dir name key fd xml
	for dir in "$state"/guests/golden-*.1/ "$state"/golden/.building.*/; do
		[[ -d $dir ]] || continue
		name=$(basename "$dir")
		key=${name#golden-}
		key=${key%.1}
		key=${key##*-}
		mkdir -p "$state/locks"
		exec {fd}>>"$state/locks/golden-$key"
		if flock -n "$fd"; then
			remove_guests "golden-$key.1" || say "golden-$key.1 is left of a lab command that was killed"
			rm -rf "$state"/golden/.building.*-"$key"
		fi
		exec {fd}>&-
	done
	for name in $(guests list | grep '^golden-[0-9a-f]*\.1$' || true); do
		xml=$(virsh -q -c "$uri" dumpxml "$name") || continue
		[[ ! $xml =~ path=\'([^\']*)/serial.log\' || -d ${BASH_REMATCH[1]} ]] || remove_guests "$name" ||
			say "$name is left of a lab whose state is gone"
	done
}
