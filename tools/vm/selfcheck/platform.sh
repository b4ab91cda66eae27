#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# platform.sh: what the platform says to a machine that it cannot be part of.
# Environment: BUILD, SEABIOS, QEMU_DATA; QEMU_BIN if it is not that of BUILD.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
qemu=${QEMU_BIN:-$BUILD/qemu/qemu-system-x86_64}
out=$(mktemp "${TMPDIR:-/tmp}/snp-platform.XXXXXX")
trap 'rm -f "$out"' EXIT
n=0 bad=0
# shellcheck source=tools/vm/ktap.sh
. "$here/../ktap.sh"

# machine MESSAGE STATUS ARGUMENT...: it ends with that status, and says that
machine() {
	message=$1 want=$2 rc=0
	shift 2
	timeout 20 "$qemu" -L "$SEABIOS/usr/share/seabios" -L "$QEMU_DATA/usr/share/qemu" \
		-nodefaults -display none -S -machine q35 -accel tcg "$@" > "$out" 2>&1 || rc=$?
	if [ $rc != "$want" ] || ! grep -qF -e "$message" "$out"; then
		sed 's/^/# /' "$out"
		return 1
	fi
}

# t TEXT MESSAGE STATUS ARGUMENT...
t() {
	text=$1
	shift
	if machine "$@"; then result 0 "$text"; else result 1 "$text"; fi
}

echo "KTAP version 1"
snp="-object snp-platform,id=snp0"
# shellcheck disable=SC2086
{
t "two platforms" "a machine has only one platform; remove the second" 1 \
	$snp -object snp-platform,id=snp1
t "memory to be plugged" "remove maxmem and slots from -m" 1 \
	$snp -m 1G,slots=1,maxmem=2G
t "too little memory" "no room for an RMP of 2 MiB" 1 $snp -m 64M
t "two firmwares" "a machine has only one; remove the second" 1 \
	$snp -device snp-psp -device snp-psp
t "firmware without a platform" "snp-psp needs the platform: add -object" 1 -device snp-psp
t "control device without a platform" "snp-ctl needs the platform: add -object" 1 \
	-device snp-ctl
t "a property that there is not" "Invalid parameter 'lenient'" 1 \
	-object snp-platform,id=snp0,lenient=on
t "-only-migratable" "snp-platform: the state of pages, CPUs and firmware is not saved" 1 \
	-only-migratable $snp
}
qmp='{"execute":"qmp_capabilities"}
{"execute":"migrate","arguments":{"uri":"exec:cat > /dev/null"}}
{"execute":"quit"}'
# shellcheck disable=SC2086
migrated() { echo "$qmp" | machine "$1" 0 $2 -qmp stdio; }
migrated "snp-platform: the state of pages, CPUs and firmware is not saved" "$snp" && rc=0 || rc=1
result $rc "a machine with the platform is not migrated"
migrated '"return"' "" && ! grep -q '"error"' "$out" && rc=0 || rc=1
result $rc "one without is"
echo "1..$n"
exit $bad
