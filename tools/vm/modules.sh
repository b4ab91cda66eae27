#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# modules.sh: call build-modules.sh when something changed, with progress.
#
#   LINUX, KDIR, OUT, BASE, UPTO, TOP as there    STRIP  takes the debug information away
#   FIXED  empty: LINUX may change (a tree of the user's own)
set -eu

: "${CC:=gcc}" "${BASE:=linux-7.3}"
: "${LINUX:?}" "${KDIR:?}" "${OUT:?}" "${TOP:?}" "${LOGDIR:?}"
export BASE
here=$(cd "$(dirname "$0")" && pwd)
# What is missing is for build-modules.sh to name.
[ -n "${FIXED:-}" ] || LINUX_KEY=$({ cd "$LINUX" && find arch/x86/kvm virt/kvm arch/x86/include \
	include -type f -exec sha256sum {} +; } 2>/dev/null | sort | sha256sum)
export LINUX_KEY="${LINUX_KEY:-}"
key=$({ echo "$LINUX $KDIR $LINUX_KEY ${UPTO:-}"
	cat "$KDIR/Module.symvers" "$KDIR/include/config/kernel.release" \
		"$KDIR/include/config/auto.conf"
	cat "$here/build-modules.sh" "$TOP/Kbuild" "$TOP/tools/series/apply.sh" \
		"$TOP/tools/series/lib.sh" "$TOP/tools/series/move.awk"
	find "$TOP/kernel" "$TOP/uapi" "$TOP/patches/$BASE" -type f -exec sha256sum {} + | sort
	$CC --version; } 2>/dev/null | sha256sum)
if [ "$(cat "$OUT/.snp-key" 2>/dev/null)" != "$key" ] || [ ! -f "$OUT/kvm.ko" ] ||
	[ ! -f "$OUT/kvm-amd.ko" ]; then
	rm -f "$OUT/.snp-key"
	"$here/step.sh" "$(basename "$OUT")" \
		"$LOGDIR/$(basename "$(dirname "$OUT")")-$(basename "$OUT").log" 120 \
		"$here/build-modules.sh"
	[ -z "${STRIP:-}" ] || $STRIP -g "$OUT/kvm.ko" "$OUT/kvm-amd.ko"
	echo "$key" > "$OUT/.snp-key"
fi
case $OUT in
*/modules-kdir) ls -l "$OUT/kvm.ko" "$OUT/kvm-amd.ko" ;;
esac
