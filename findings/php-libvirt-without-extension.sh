#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Debian 12's php-libvirt-php installs without a complaint and holds no extension: only the line that would load it. PHP
# says at each start that libvirt-php.so is missing, and no function of libvirt exists.
# shellcheck source-path=SCRIPTDIR source=machine.bash
source "$(dirname "$0")/machine.bash"
fetch php-libvirt-php=0.5.6-6 php8.2-cli
line=$(grep -h ^extension "$root"/etc/php/8.2/mods-available/libvirt-php.ini)
libraries=$(find "$root" -name '*libvirt*.so' | wc -l)
exists=$(inside php8.2 -d "$line" -r 'echo function_exists("libvirt_connect") ? "exists" : "does not exist";' 2>/dev/null | tail -n 1)
finding "extension=libvirt-php.so; files of that kind: 1; libvirt_connect exists" \
	"extension=libvirt-php.so; files of that kind: 0; libvirt_connect does not exist" \
	"$line; files of that kind: $libraries; libvirt_connect $exists"
