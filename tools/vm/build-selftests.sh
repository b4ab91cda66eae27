#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# build-selftests.sh: the base's own KVM selftests and ours, static; $OUT/strip has
# them without symbols, as they go into a machine.
#
#   LINUX  source tree        TOP  this project     OUT  build directory
#   FIXED  empty: LINUX may change (a tree of the user's own)
#   BASE, CC, JOBS, V as in the Makefile
set -eu

: "${LINUX:?source tree}" "${TOP:?}" "${OUT:?}" "${BASE:?}" "${CC:=gcc}" "${JOBS:=$(nproc)}"
here=$(cd "$(dirname "$0")" && pwd)
log=${LOGDIR:-$OUT}/$(basename "$(dirname "$OUT")")-selftests.log
list=$LINUX/tools/testing/selftests/kvm/Makefile.kvm
[ -f "$list" ] || list=$LINUX/tools/testing/selftests/kvm/Makefile
[ -f "$list" ] || {
	echo "build-selftests: no $list; want an unpacked kernel source" >&2
	exit 1
}
# Hunks of the series that the library needs.
patches=$(grep -ls '^+++ b/tools/testing/selftests/kvm/' "$TOP/patches/$BASE"/*.patch || :)

ours() {
	find "$TOP"/selftests "$TOP"/uapi "$TOP"/tools/platform/tests/*_test.c \
		"$TOP"/tools/demo "$TOP"/tools/zap "$TOP"/tools/timeline -type f "$@"
}
# What goes into OUT: a file that is gone would still be there, and be used or run.
files=$(echo "$patches"; ours -name '*.[chS]'
	[ -n "${FIXED:-}" ] || find "${list%/*}" -name '*.[chS]')

# What is built in OUT is of one tree.
if [ -f "$OUT/.snp-linux" ] && [ "$(cat "$OUT/.snp-linux")" != "$LINUX" ] ||
	echo "$files" | grep -qsvxFf - "$OUT/.snp-files"; then
	rm -rf "$OUT"
fi
mkdir -p "$OUT/strip"
echo "$LINUX" > "$OUT/.snp-linux"
# shellcheck disable=SC2086
key=$({ echo "$LINUX"; $CC --version; cat "$0" "$LINUX/Makefile" "$list" $patches
	cat "$TOP"/tools/platform/hw-i386-snp/snp-ctl-regs.h "$TOP"/tools/vm/snpctl.h
	ours -exec sha256sum {} + | sort; } | sha256sum)
if [ -z "${FIXED:-}" ]; then
	# Its files are copied anew.
	rm -f "$OUT/tree/.done" "$OUT/usr/include/.done"
elif [ "$(cat "$OUT/.snp-key" 2>/dev/null)" = "$key" ]; then
	exit 0
fi
rm -f "$OUT/.snp-key"
echo "$files" > "$OUT/.snp-files"

progs=$(sed -n 's/^TEST_GEN_PROGS_\(EXTENDED_\)*\(COMMON\|x86\|x86_64\) *+*= *\([a-z][a-z0-9_\/ ]*\)$/\3/p' "$list")
[ -n "$progs" ] || { echo "build-selftests: $list names no programs" >&2; exit 1; }

"$here/step.sh" "selftests" "$log" 300 make -C "$TOP/selftests" LINUX="$LINUX" O="$OUT" \
	CC="$CC" V=1 -j"$JOBS" \
	PROGS="$(echo "$progs" | tr '\n' ' ')" PATCHES="$(echo "$patches" | tr '\n' ' ')"

# Only what changed is stripped anew.
(cd "$OUT/bin" && find . -type f -perm -100 ! -name '*.so' ! -name '*.sh') |
	while read -r f; do
		[ -z "$(find "$OUT/bin/$f" -newer "$OUT/strip/$f" 2>&1)" ] && continue
		mkdir -p "$OUT/strip/$(dirname "$f")"
		strip -o "$OUT/strip/$f" "$OUT/bin/$f"
	done
echo "$key" > "$OUT/.snp-key"
