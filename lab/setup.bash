# SPDX-License-Identifier: MIT
# shellcheck shell=bash disable=SC2154  # lab sets lab, state, uri
# Part of ballast: gets a machine ready, and says what is wrong with it.

# Prints NAME REASON lines of everything that is needed; after `ballast setup --tests` what the tests need, too.
needed_packages() {
	sed -n '/^[a-z]/p' "$lab/packages" ${with_tests:+"$lab/packages.tests"}
	if declare -F image_packages >/dev/null; then
		image_packages | sed 's/$/ the guests'"'"' image/'
	fi
}

# Names of those that are not installed, on one line.
missing_packages() {
	local name
	# dpkg-query says what it does not know on stderr; what is half installed does not count.
	needed_packages | cut -d' ' -f1 | sort -u | while read -r name; do
		echo "$name"
	done | missing_of | tr '\n' ' ' | sed 's/ $//'
}

# Of the names on stdin, those that are not installed.
missing_of() {
	local names
	names=$(cat)
	# shellcheck disable=SC2086  # one word per name
	comm -23 <(echo "$names" | sort) \
		<(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $names 2>/dev/null | sed -n 's/^installed //p' | sort -u)
}

have_systemd() { [[ -d /run/systemd/system ]]; }

# Whether somebody listens, without the cost of a virsh.
libvirtd_answers() {
	local socket
	for socket in /run/libvirt/libvirt-sock /run/libvirt/virtqemud-sock; do
		[[ -S $socket ]] || continue
		have_systemd && return 0 # socket activation: it answers when it is asked
		listens "$socket" && return 0
	done
	return 1
}

listens() { grep -qs -- "$1" /proc/net/unix; }

install_packages() {
	local missing=$1 name sudo=() known
	say "missing packages:"
	for name in $missing; do
		say "  $name: $(needed_packages | sed -n "s/^$name //p" | head -n 1)"
	done
	if ((EUID)); then
		command -v sudo >/dev/null || die 3 "installing them needs root: apt-get install $missing"
		sudo=(sudo)
	fi
	command -v apt-get >/dev/null ||
		die 3 "this machine has no apt-get: install what these Debian packages hold: $missing"
	# shellcheck disable=SC2086  # one word per package
	known=$(apt-cache --no-all-versions show $missing 2>/dev/null | grep -c '^Package:' || true)
	((known >= $(wc -w <<<"$missing"))) || cmd "${sudo[@]}" apt-get -qq update ||
		die 3 "apt-get update failed: check /etc/apt/sources.list and the network"
	# shellcheck disable=SC2086
	cmd "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y \
		-o Dpkg::Use-Pty=0 --no-install-recommends install $missing >&2 </dev/null ||
		die 3 "apt-get could not install: $missing"
}

# Runs a command without the files that this shell was given: a daemon would keep a caller's lock or pipe for ever.
without_files() {
	local fd
	for fd in /proc/"$BASHPID"/fd/*; do
		fd=${fd##*/}
		((fd <= 2)) || eval "exec $fd>&-"
	done
	"$@"
}

start_libvirtd() {
	local sudo=() i
	((EUID == 0)) || sudo=(sudo)
	if have_systemd; then
		cmd "${sudo[@]}" systemctl start libvirtd.socket virtlogd.socket ||
			cmd "${sudo[@]}" systemctl start virtqemud.socket virtlogd.socket ||
			die 3 "libvirtd does not start: systemctl status libvirtd"
	else
		make -s -C "$lab" build/reaper >&2 || die 3 "the lab's own programs cannot be built: make -C $lab"
		listens /run/libvirt/virtlogd-sock || (without_files cmd "${sudo[@]}" virtlogd -d) ||
			die 3 "virtlogd does not start: virtlogd -v tells why"
		(without_files cmd "${sudo[@]}" "$lab/build/reaper" libvirtd -d) || die 3 "libvirtd does not start: libvirtd -v tells why"
	fi
	for ((i = 0; i < 100; i++)); do
		! libvirtd_answers || return 0
		sleep 0.1
	done
	die 3 "libvirtd does not answer after 10 s: libvirtd -v tells why"
}

cmd_setup() {
	local missing image=micro release='' packages='' with_tests=''
	while (($#)); do
		case $1 in
		--packages) packages=1 && shift && continue ;;
		--tests) with_tests=1 && shift && continue ;;
		--image) need_value "$@" && image=$2 ;;
		--release) need_value "$@" && release=$2 ;;
		*) die 2 "setup: unknown option '$1'; --packages, --tests, --image FLAVOUR or --release NAME" ;;
		esac
		shift 2
	done
	load_flavour "$image" "$release"
	missing=$(missing_packages)
	[[ ! $missing ]] || install_packages "$missing"
	[[ ! $packages ]] || return 0
	! kvm_is_closed_to_guests || open_kvm || say "$kvm_is_closed"
	libvirtd_answers || start_libvirtd
}

# --- doctor ---

# A text as JSON has it; ours have no control characters.
json_text() {
	local text=${1//\\/\\\\}
	printf '"%s"' "${text//\"/\\\"}"
}

ok() { finding ok true "$*"; }
bad() {
	finding BAD false "$*"
	doctor_status=1
}
finding() {
	if [[ ${json-} ]]; then
		printf '%s {"ok": %s, "text": %s}' "$json" "$2" "$(json_text "$3")"
		json=$',\n'
	else
		printf '%-5s %s\n' "$1" "$3"
	fi
}

cmd_doctor() {
	local missing kib image release doctor_status=0 json=''
	[[ ${1-} != --json ]] || { json='[' && shift; }
	(($# == 0)) || die 2 "doctor: unknown option '$1'; --json"
	load_flavour micro ''
	missing=$(missing_packages)
	if [[ $missing ]]; then bad "packages are missing: $missing: $lab/ballast setup"; else ok "packages"; fi
	if libvirtd_answers; then ok "libvirtd listens"; else bad "libvirtd does not answer: $lab/ballast setup"; fi
	if ((EUID)); then bad "not root: sudo -E $lab/ballast …"; else ok "root"; fi
	if [[ -x $lab/build/guests ]]; then ok "the lab's programs"; else bad "not built: make -C $lab/.. all"; fi
	doctor_image "$missing"
	doctor_kvm
	kib=$(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo)
	if ((kib > 3 * 1024 * 1024)); then
		ok "memory: $((kib / 1024))M available"
	else
		bad "memory: $((kib / 1024))M available; four guests of 512M want 3072M: ballast up --guests 2"
	fi
	kib=$(df -Pk "$(existing_parent "$state")" | awk 'NR == 2 { print $4 }')
	if ((kib > 1024 * 1024)); then
		ok "disk: $((kib / 1024))M free at $state"
	else
		bad "disk: $((kib / 1024))M free at $state; 1024M wanted: ballast images --prune, or another BALLAST_STATE"
	fi
	[[ ! $json ]] || printf ']\n'
	return "$doctor_status"
}

existing_parent() {
	local path=$1
	while [[ ! -e $path ]]; do
		path=$(dirname "$path")
	done
	echo "$path"
}

# Looks only: a checkout that is not built stays so.
doctor_image() {
	local dir
	if [[ $1 ]]; then
		bad "micro image: which one it is cannot be told without the packages"
		return
	elif [[ ! -s $micro_loads/DIGEST ]]; then
		bad "micro image: the loads that go into it are not built: make -C $lab/.. all"
		return
	fi
	dir=$(image_path)
	if [[ -s $dir/kernel && -s $dir/initrd ]]; then
		ok "micro image: $dir"
	elif [[ -d $dir ]]; then
		bad "micro image: $dir is not whole: rm -r $dir, and ballast image builds it again"
	else
		ok "micro image: not built yet; ballast up builds it (ballast image does now)"
	fi
}

# In a container /dev/kvm often carries the group number of another system, or none. QEMU, asked as root, then has KVM, and the
# user guests run as has not: libvirt holds what it knows of QEMU for outdated and asks again, a second each time.
kvm_is_closed="/dev/kvm is closed to libvirt-qemu, which makes every step of libvirt a second slower: chgrp kvm /dev/kvm; chmod 660 /dev/kvm"
kvm_is_closed_to_guests() {
	# Nobody but root can ask for another user.
	((EUID == 0)) && [[ -e /dev/kvm ]] && id libvirt-qemu &>/dev/null &&
		! setpriv --reuid libvirt-qemu --regid "$(id -g libvirt-qemu)" --init-groups sh -c '[ -r /dev/kvm ] && [ -w /dev/kvm ]'
}

# Where no udev runs, nobody gives /dev/kvm to its group: it is as the kernel made it. Then we do what udev's own rule
# does. Any other owner or mode is somebody's decision.
open_kvm() {
	[[ ! -e /run/udev/control && $(stat -c %u:%g:%a /dev/kvm) == 0:0:600 ]] && getent group kvm >/dev/null || return
	say "no udev here: giving /dev/kvm to the group kvm, as udev does (libvirt is a second slower at every step without)"
	cmd chgrp kvm /dev/kvm && cmd chmod 0660 /dev/kvm
}

doctor_kvm() {
	if kvm_is_closed_to_guests; then
		bad "KVM: $kvm_is_closed"
	elif [[ ! -e /dev/kvm ]]; then
		ok "KVM: there is no /dev/kvm; guests are emulated (TCG), which is slower but enough"
	elif [[ ! -e $(kvm_answer_path) ]]; then
		ok "KVM: not tried yet; the first ballast up does"
	elif [[ $(<"$(kvm_answer_path)") == kvm ]]; then
		ok "KVM: boots guests"
	else
		ok "KVM: /dev/kvm is there, but a guest did not boot with it; guests are emulated (TCG)"
	fi
}
