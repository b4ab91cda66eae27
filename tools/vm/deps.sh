#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# deps.sh: have the Debian packages that building and testing need. As root they
# are installed; otherwise the line to run is printed, and that is it.
# deps.sh series: those that the checks of the series need in addition.
set -eu

case ${1:-} in
'') packages="
	bash bc bison build-essential busybox-static ca-certificates cpio debian-archive-keyring
	dpkg-dev flex gawk git gpg gpg-agent kmod libcap-dev libelf-dev libglib2.0-dev libnuma-dev
	libpixman-1-dev libssl-dev liburing-dev ninja-build patch perl pkg-config
	python3 python3-venv rsync shellcheck uuid-dev xz-utils zlib1g-dev
" ;;
series) packages="python3-docutils python3-git python3-ply" ;;
*) echo "deps: no packages for '$1'; wanted: series, or nothing" >&2; exit 1 ;;
esac

command -v dpkg-query > /dev/null || {
	echo "deps: this is no Debian system; what is needed is called there:" >&2
	echo "$packages" >&2
	exit 1
}
missing=
for p in $packages; do
	dpkg-query -W -f '${db:Status-Status}\n' "$p" 2>/dev/null | grep -qx installed ||
		missing="$missing $p"
done
[ -n "$missing" ] || exit 0

line="apt-get install -y --no-install-recommends$missing"
if [ "$(id -u)" != 0 ]; then
	echo "Some Debian packages are missing. As root, run:" >&2
	echo "  $line" >&2
	exit 1
fi
mkdir -p "${LOGDIR:-/tmp}"
log=${LOGDIR:-/tmp}/deps.log
here=$(cd "$(dirname "$0")" && pwd)
export DEBIAN_FRONTEND=noninteractive
"$here/step.sh" "apt-get update" "$log.update" 0 apt-get update
# shellcheck disable=SC2086
"$here/step.sh" "apt-get install" "$log" 0 $line
