#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# run.sh: call the runner with what the Makefile built. Environment: BUILD, FLAVOUR,
# SEABIOS, QEMU_DATA, RESULTS, SCALE, EXT_MODULES and SELFTESTS (others than those
# built); the arguments go to the runner.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
: "${BUILD:=$top/build}" "${FLAVOUR:=linux-7.3}"
run=$BUILD/vm/vm-run
base=${FLAVOUR%-debug}
base=${base%-debian}
kernel=$BUILD/$FLAVOUR/kernel

for a in "$@"; do
	[ "$a" != --list ] || exec "$run" --splats "$here/splats" "$@"
done

# The host tests use these.
export BUILD FLAVOUR TOP="$top" VM="$here" LINUX_SRC OVMF HOST_BUILD="${HOST_BUILD:-$BUILD/host}"
set -- --splats "$here/splats" --results "$RESULTS" --times "$BUILD/times.$FLAVOUR" \
	--qemu "${QEMU_BIN:-$BUILD/qemu/qemu-system-x86_64}" \
	--firmware "$SEABIOS/usr/share/seabios" --firmware "$QEMU_DATA/usr/share/qemu" \
	--kernel "$kernel/arch/x86/boot/bzImage" --init "$BUILD/vm/init" \
	--threads "$here/threads.sh" --busybox "$(command -v busybox)" --scale "${SCALE:-1}" \
	${SELFTESTS:+--progs "$SELFTESTS"} \
	--progs "$BUILD/$base/selftests/strip" --progs "$BUILD/$base/launch/strip" \
	--progs "$here/guest" --progs "$top/tools/bench" --progs "$here/selfcheck" --progs "$BUILD/guest" \
	--modules "ext=${EXT_MODULES:-$BUILD/$FLAVOUR/modules}" \
	--modules "fixes=$BUILD/$FLAVOUR/modules-fixes" \
	--modules "base=$kernel/arch/x86/kvm" --modules "base=$kernel/virt/lib" \
	--modules "base=$kernel/drivers/crypto/ccp" --modules "base=$kernel/lib/kunit" \
	--modules "base=$kernel/mm" --modules "base=$kernel/modules" --modules "base=$BUILD/$FLAVOUR/kunit" \
	--title "$FLAVOUR, $(cat "$kernel/include/config/kernel.release")" "$@"
case $FLAVOUR in
*-debian) set -- --no-kunit "Debian's kernel has no CONFIG_KUNIT" "$@" ;;
esac
[ "${V:-0}" != 1 ] || set -- --verbose "$@"
exec "$run" "$@"
