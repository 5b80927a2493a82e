# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154  # lab sets lab, state, uri
# Part of lab: images of guests, by flavour (see images/micro for what a flavour is), and whether KVM works.

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
}

image_path() {
	local key
	key=$(image_key) || return
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
		if ! (image_build "$building"); then
			rm -rf "$building"
			die 3 "the $image image could not be built; lab -v image --image $image shows how far it gets"
		fi
		chmod -R a+rX "$building"
		mv -T "$building" "$image_dir"
		say "built $image_dir in $((SECONDS - begin)) s"
	fi
	exec {fd}>&-
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

# Prints kvm or tcg. /dev/kvm can be there and still boot no guest, so one is booted to see.
accelerator() {
	local answer path
	if [[ ! -w /dev/kvm ]]; then
		echo tcg
		return
	fi
	path=$(kvm_answer_path)
	if [[ ! -s $path ]]; then
		say "trying whether guests boot with KVM"
		answer=tcg
		! kvm_boots || answer=kvm
		mkdir -p "${path%/*}"
		echo "$answer" >"$path.$$"
		mv "$path.$$" "$path"
	fi
	cat "$path"
}

# With KVM the micro guest is up in about a second; one that is not after 8 never will be.
kvm_boots() {
	local image=micro image_dir
	# In a subshell: the flavour in use may be another one.
	(
		load_flavour micro ''
		ensure_image
		timeout 8 qemu-system-x86_64 -accel kvm -cpu host -machine q35 -m 256M -nodefaults -display none \
			-no-reboot -serial stdio -kernel "$image_dir/kernel" -initrd "$image_dir/initrd" \
			-append "console=ttyS0 quiet panic=-1 ballast.probe" 2>/dev/null </dev/null | grep -q 'ballast: booted'
	)
}

# --- lab images ---

cmd_images() {
	local prune='' dir used
	case ${1-} in
	'') ;;
	--prune) prune=1 && need_root ;;
	*) die 2 "images: unknown option '$1'; --prune" ;;
	esac
	for dir in "$state"/images/*/ "$state"/golden/*/; do
		[[ -d $dir ]] || continue
		dir=${dir%/}
		used=$(grep -ls -- "$dir/" "$state"/guests/*/{domain.xml,golden} | xargs -r dirname | sort -u | wc -l || true)
		if [[ $prune ]] && ((used == 0)); then
			cmd rm -rf "$dir"
			echo "removed $dir"
		else
			printf '%-40s %6s  %s guests\n' "${dir#"$state"/}" "$(du -sh "$dir" | cut -f1)" "$used"
		fi
	done
}
