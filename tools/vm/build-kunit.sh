#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# build-kunit.sh: the platform's own tests, kernel modules that are KUnit suites.
#
#   KDIR  kernel build    OUT  result: $OUT/NAME_kunit.ko    TOP, CC, JOBS, V
set -eu

: "${KDIR:?}" "${OUT:?}" "${TOP:?}" "${CC:=gcc}" "${JOBS:=$(nproc)}"
here=$(cd "$(dirname "$0")" && pwd)
dir=$TOP/tools/platform/tests
src=$OUT/src

mkdir -p "$src"
key=$({ cat "$0" "$KDIR/Module.symvers" "$KDIR/include/config/kernel.release"
	find "$TOP/tools/platform" "$here/selfcheck" -name '*.[ch]' -exec sha256sum {} + |
		sort; } | sha256sum)
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
cp "$src"/*.ko "$OUT/"
echo "$key" > "$OUT/.snp-key"
