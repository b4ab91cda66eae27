#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# sparse.sh SOURCE OUT: build sparse, and print where it is. Linux switches versions that
# it finds too old off without a word: so this one is looked at, too.
set -eu

src=$1 out=$2
if [ ! -x "$out/sparse" ] || [ "$(cat "$out/.source" 2>/dev/null)" != "$src" ]; then
	rm -rf "$out"
	cp -a "$src" "$out"
	make -s -C "$out" -j"${JOBS:-2}" CC="${CC:-gcc}" HAVE_LLVM=no HAVE_GTK=no HAVE_SQLITE=no sparse \
		> "$out/build.log" 2>&1 || { tail -n 20 "$out/build.log" >&2; exit 1; }
	echo "$src" > "$out/.source"
fi
printf 'static int f(void __attribute__((noderef, address_space(1))) *p) { return *(int *)p; }\n' |
	"$out/sparse" -Waddress-space - 2>&1 | grep -q 'removes address space' ||
	{ echo "sparse: $out/sparse does not warn of a cast that it must warn of" >&2; exit 1; }
echo "$out/sparse"
