#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# build-kernel.sh FRAGMENT...: tinyconfig and the fragments, bzImage and modules.
#
#   LINUX  source tree    OUT  build directory    CC, JOBS, V as in the Makefile
set -eu

: "${LINUX:?source tree}" "${OUT:?build directory}" "${CC:=gcc}" "${JOBS:=$(nproc)}"
here=$(cd "$(dirname "$0")" && pwd)
log=${LOGDIR:-$OUT}/$(basename "$(dirname "$OUT")")-kernel

[ -f "$LINUX/scripts/kconfig/merge_config.sh" ] || {
	echo "build-kernel: LINUX=$LINUX is no Linux source tree" >&2
	exit 1
}

# Who built it, and when, would make every build another.
export KBUILD_BUILD_TIMESTAMP="Thu Jan  1 00:00:00 UTC 1970"
export KBUILD_BUILD_USER=snp KBUILD_BUILD_HOST=vm KBUILD_BUILD_VERSION=1

mk() { make -C "$LINUX" O="$OUT" CC="$CC" V="${KV:-0}" -j"$JOBS" "$@"; }
[ "${V:-0}" = 1 ] && KV=1

mkdir -p "$OUT" "$(dirname "$log")"
key=$({ echo "$LINUX"; $CC --version; cat "$LINUX/Makefile" "$0" "$@"; } | sha256sum)
# A tree of the user's may change at any time; one from the cache does not.
if [ "$(cat "$OUT/.snp-key" 2>/dev/null)" = "$key" ] && [ -n "${FIXED:-}" ] &&
	[ -f "$OUT/arch/x86/boot/bzImage" ]; then
	exit 0
fi

# After "||" set -e does nothing, here and in what is called.
configure() {
	mk tinyconfig &&
		"$LINUX/scripts/kconfig/merge_config.sh" -m -O "$OUT" "$OUT/.config" "$@" &&
		mk olddefconfig || exit 1
	# kconfig drops what it cannot satisfy without a word.
	cat "$@" | sed -n 's/^\(CONFIG_[A-Z0-9_]*\)=.*/\1/p' | sort -u | while read -r name; do
		want=$(cat "$@" | grep "^$name=" | tail -n 1)
		have=$(grep "^$name=" "$OUT/.config" || echo "$name=n")
		[ "$want" = "$have" ] || echo "$want"
	done > "$OUT/.snp-missing"
	if [ -s "$OUT/.snp-missing" ]; then
		echo "build-kernel: $LINUX does not give what the fragments ask for:"
		cat "$OUT/.snp-missing"
		exit 1
	fi
}

if [ "$(cat "$OUT/.snp-config" 2>/dev/null)" != "$key" ]; then
	rm -f "$OUT/.config" "$OUT/.snp-config" "$OUT/.snp-key"
	(configure "$@") > "$log-config.log" 2>&1 || {
		echo "build-kernel: configuration failed; the end of $log-config.log:" >&2
		tail -n 20 "$log-config.log" >&2
		exit 1
	}
	echo "$key" > "$OUT/.snp-config"
	lines=2450
else
	lines=100
fi

"$here/step.sh" "kernel" "$log.log" "$lines" make -C "$LINUX" O="$OUT" CC="$CC" \
	V="${KV:-0}" -j"$JOBS" bzImage modules
echo "$key" > "$OUT/.snp-key"
