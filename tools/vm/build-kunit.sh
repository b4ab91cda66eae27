#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# build-kunit.sh: the platform's own tests, kernel modules that are KUnit suites.
#
#   KDIR  kernel build    OUT  result: $OUT/NAME_kunit.ko    TOP, CC, JOBS, V
#   LINUX, FIXED  its source; empty: that may change (a tree of the user's own)
set -eu

: "${KDIR:?}" "${LINUX:?}" "${OUT:?}" "${TOP:?}" "${CC:=gcc}" "${JOBS:=$(nproc)}"
here=$(cd "$(dirname "$0")" && pwd)
dir=$TOP/tools/platform/tests
src=$OUT/src

mkdir -p "$src"
key=$({ cat "$0" "$KDIR/Module.symvers" "$KDIR/include/config/kernel.release" \
		"$KDIR/include/config/auto.conf"
	find "$TOP/tools/platform" "$here/selfcheck" -name '*.[ch]' -exec sha256sum {} + | sort
	[ -n "${FIXED:-}" ] || find "$LINUX/include" "$LINUX/arch/x86/include" -type f \
		-exec sha256sum {} + | sort
	$CC --version; } | sha256sum)
[ "$(cat "$OUT/.snp-key" 2>/dev/null)" = "$key" ] && exit 0
rm -f "$OUT/.snp-key" "$OUT"/*.ko

objs=
for f in "$dir"/*_kunit.c "$here"/selfcheck/*.c; do
	[ -f "$f" ] || continue
	cmp -s "$f" "$src/$(basename "$f")" || cp "$f" "$src/"
	objs="$objs $(basename "$f" .c).o"
done
[ -n "$objs" ] || { echo "$key" > "$OUT/.snp-key"; exit 0; }
# Headers that tests share with the platform are found where they are.
{
	echo "obj-m := $objs"
	echo "ccflags-y := -I$dir -I$TOP/tools/platform/hw-i386-snp -I$TOP/tools/platform/target-i386-snp -I$TOP/tools/vm"
} > "$src/Kbuild.new"
cmp -s "$src/Kbuild.new" "$src/Kbuild" || cp "$src/Kbuild.new" "$src/Kbuild"
"$here/step.sh" "kunit modules" "${LOGDIR:-$OUT}/$(basename "$(dirname "$OUT")")-kunit.log" 40 \
	make -C "$KDIR" M="$src" CC="$CC" V="${V:-0}" -j"$JOBS" modules
# Only these: the suite of a file that is gone may still be there.
for o in $objs; do
	cp "$src/${o%.o}.ko" "$OUT/"
done
echo "$key" > "$OUT/.snp-key"
