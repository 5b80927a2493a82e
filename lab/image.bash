# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154  # lab sets lab, state, uri
# Part of ballast: images of guests, by flavour (see images/micro for what a flavour is), and whether KVM works.

# Sources a flavour and sets image, its name; a path is a cloud image of the user's own.
load_flavour() {
	local name=$1 flavours
	image=$name
	# shellcheck disable=SC2034  # read by lab and by flavours
	image_asked=$name release=$2
	flavours=$(cd "$lab/images" && find . -maxdepth 1 -type f ! -name 'test_*' | sed 's,^./,,' | sort | tr '\n' ' ')
	if [[ $name == */* || $name == *.img || $name == *.qcow2 ]]; then
		[[ -f $name ]] || die 2 "there is no image $name"
		# shellcheck disable=SC2034
		image_file=$(readlink -f "$name")
		image=cloud
	fi
	[[ $image =~ ^[a-z]+$ && -f $lab/images/$image ]] ||
		die 2 "there is no image flavour '$name'; there are: ${flavours% }, or a path to a cloud image"
	# shellcheck source=/dev/null
	source "$lab/images/$image"
	if declare -F image_check >/dev/null; then image_check; fi
}

# To be called as a plain step, as all that runs a flavour's functions: see attempt.
image_path() {
	local key
	key=$(image_key)
	echo "$state/images/$image-$key"
}

# Sets image_dir to the finished image, which is built now if it is not there.
ensure_image() {
	image_dir=$(image_path)
	[[ -d $image_dir ]] || build_image
}

# Only a whole image ever has its name, and only one process builds it.
build_image() {
	local fd building begin=$SECONDS
	mkdir -p "$state/images" "$state/locks"
	chmod 0755 "$state" "$state/images"
	exec {fd}>>"$state/locks/image-$image"
	take_lock -x "$fd" "$state/locks/image-$image"
	if [[ ! -d $image_dir ]]; then
		say "building the $image image (once)"
		# Whoever built here before died of it: we hold the lock.
		rm -rf "$state/images/.building.$image".*
		building=$state/images/.building.$image.$$
		mkdir "$building"
		# A process of its own: whoever called this may stand in a condition, where bash goes on after failed steps.
		if ! "$lab/ballast" ${verbose:+-v} build "$building" "$image_asked" "$release"; then
			rm -rf "$building"
			die 3 "the $image image could not be built; lab -v image --image $image shows how far it gets"
		fi
		chmod -R a+rX "$building"
		mv -T "$building" "$image_dir"
		say "built $image_dir in $((SECONDS - begin)) s"
	fi
	exec {fd}>&-
}

# For build_image: builds an image of the flavour into DIR. The first step that fails ends it.
cmd_build() {
	local image release image_dir
	(($# == 3)) || die 2 "build is a part of image"
	load_flavour "$2" "$3"
	image_build "$1"
}

cmd_image() {
	local image=micro release='' image_dir
	while (($#)); do
		case $1 in
		--image) need_value "$@" && image=$2 && shift 2 ;;
		--release) need_value "$@" && release=$2 && shift 2 ;;
		*) die 2 "image: unknown option '$1'; --image FLAVOUR" ;;
		esac
	done
	load_flavour "$image" "$release"
	need_root
	need_packages
	ensure_image
	echo "$image_dir"
}

# --- KVM ---

# Asked once per host, kernel and QEMU.
kvm_answer_path() {
	local key
	key=$({
		uname -srvm
		cat /etc/machine-id 2>/dev/null || true
		grep -m1 'model name' /proc/cpuinfo || true
		stat -Lc '%s %Y' "$(command -v qemu-system-x86_64)" 2>/dev/null || true
	} | sha256sum | cut -c1-12)
	echo "$state/cache/kvm-$key"
}

# Prints kvm or tcg. /dev/kvm can be there and still boot no guest, so one is booted to see. A no is kept only where
# the same guest boots without KVM: else the image or a busy machine may be to blame, and the next time asks again.
accelerator() {
	if [[ -w /dev/kvm ]]; then kvm_answer; else echo tcg; fi
}

kvm_answer() {
	local answer path probe
	path=$(kvm_answer_path)
	if [[ ! -s $path ]]; then
		say "trying whether guests boot with KVM"
		probe=$("$lab/ballast" image)
		if probe_boots "$probe" 8 kvm host; then
			answer=kvm
		elif probe_boots "$probe" 60 tcg max; then
			answer=tcg
		else
			say "whether guests boot with KVM could not be found out (nor do they without): trying again next time"
			echo tcg
			return
		fi
		mkdir -p "${path%/*}"
		echo "$answer" >"$path.$$"
		mv "$path.$$" "$path"
	fi
	cat "$path"
}

# probe_boots IMAGE-DIR SECONDS ACCELERATOR CPU: whether the micro guest is up in time; it takes about a second with
# KVM, and three without.
probe_boots() {
	local dir=$1 limit_s=$2 accelerator=$3 cpu=$4 console
	console=$(timeout "$limit_s" qemu-system-x86_64 -accel "$accelerator" -cpu "$cpu" -machine q35 -m 256M -nodefaults \
		-display none -no-reboot -serial stdio -kernel "$dir/kernel" -initrd "$dir/initrd" \
		-append "console=ttyS0 quiet panic=-1 no_timer_check ballast.probe" 2>/dev/null </dev/null) || true
	[[ $console == *'ballast: booted'* ]]
}

# --- ballast images ---

# Prints for each guest a line of its folder and a path, a tab between them, for every file it stands on: what its definition names, its golden guest,
# and the disks below its own.
guests_stand_on() {
	local dir disk
	for dir in "$state"/guests/*/; do
		[[ -d $dir ]] || continue
		{
			[[ ! -f $dir/domain.xml ]] || grep -o "$state/[^'<]*" "$dir/domain.xml" || true
			[[ ! -f $dir/golden ]] || cat "$dir/golden"
			for disk in "$dir"*.qcow2; do
				[[ ! -f $disk ]] || disk_chain "$disk"
			done
		} | sed "s|^|$dir\t|"
	done
}

# Prints a disk's file and those below it. One that is gone ends the chain with its name; one that cannot be read
# ends the command, for nobody can tell what it stands on.
disk_chain() {
	local disk=$1 info
	while [[ -n $disk ]]; do
		echo "$disk"
		[[ -f $disk ]] || return 0
		info=$(qemu-img info -U --output=json "$disk") || die 3 "$disk cannot be read: nobody can tell what it stands on"
		disk=$(sed -n 's/^ *"full-backing-filename": "\(.*\)",\{0,1\}$/\1/p' <<<"$info")
	done
}

cmd_images() {
	local prune='' json='' dir used standing golden
	case ${1-} in
	'') ;;
	--prune) prune=1 && need_root ;;
	--json) json='[' ;;
	*) die 2 "images: unknown option '$1'; --prune or --json" ;;
	esac
	[[ ! $prune ]] || lock -x all # nobody makes a guest meanwhile
	standing=$(guests_stand_on)
	# Golden guests first: an image that one of them stands on is in use as long as that one is kept.
	for dir in "$state"/golden/*/ "$state"/images/*/; do
		[[ -d $dir ]] || continue
		dir=${dir%/}
		used=$(awk -F '\t' -v dir="$dir/" 'index($2 "/", dir) == 1 { print $1 }' <<<"$standing" | sort -u | wc -l)
		if [[ $prune ]] && ((used == 0)); then
			cmd rm -rf "$dir"
			echo "removed $dir"
		else
			for golden in "$dir"/*.qcow2; do
				[[ $dir != "$state"/golden/* || ! -f $golden ]] ||
					standing+=$'\n'$(disk_chain "$golden" | sed "s|^|$dir\t|")
			done
			if [[ $json ]]; then
				printf '%s {"name": %s, "size_kib": %s, "guests": %s}' "$json" "$(json_text "${dir#"$state"/}")" \
					"$(du -sk "$dir" | cut -f1)" "$used"
				json=$',\n'
			else
				printf '%-40s %6s  %s guests\n' "${dir#"$state"/}" "$(du -sh "$dir" | cut -f1)" "$used"
			fi
		fi
	done
	[[ ! $json ]] || printf '%s]\n' "${json%,*}"
}
