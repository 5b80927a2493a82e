#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Gradescope runs this once, as root, when it makes the image: packages, and the grader is built. After it nothing needs a network.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if ((EUID == 0)); then
	export DEBIAN_FRONTEND=noninteractive
	apt-get update
	sed 's/ .*//; /^#/d; /^$/d' "$here/ci/package/packages" | xargs apt-get install -y --no-install-recommends
fi
"$here/ci/package/build"
