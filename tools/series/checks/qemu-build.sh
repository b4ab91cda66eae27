#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# scope: commit
# base: qemu
#
# Each commit builds, as `make qemu` does it, without a warning in a file that the series
# touches or adds. One build directory goes from commit to commit; what was built before
# is not built again. A file with a warning has to be, or the warning is not seen again.
set -eu

: "${MESON:?}" "${PYCOTAP:?}"
files=$(git -C "$TREE" diff --name-only --diff-filter=d base "$COMMIT")
key=$({ git -C "$TREE" rev-parse "$COMMIT^{tree}"; cat "$TOP/tools/vm/build-qemu.sh"
	echo "$LINUX $CC"; } | sha256sum | cut -c1-16)
log=$OUT/builds/$key.log
mkdir -p "$OUT/builds" "$OUT/top/patches/$BASE"
if [ ! -f "$OUT/builds/$key.rc" ]; then
	rc=0
	[ ! -e "$OUT/unfinished" ] || [ ! -d "$OUT/src" ] || (cd "$OUT/src" && echo "$files" | xargs touch -c)
	touch "$OUT/unfinished"
	rm -f "$OUT/log/qemu.log"
	git -C "$TREE" diff base "$COMMIT" > "$OUT/top/patches/$BASE/all.patch"
	env SERIES="$BASE" QEMU="$LINUX" TOP="$OUT/top" TREE="$OUT/src" OUT="$OUT/qemu" LOGDIR="$OUT/log" V=0 \
		"$TOP/tools/vm/build-qemu.sh" > "$log.err" 2>&1 || rc=$?
	# Interrupted: that is no result, and not to be remembered as one.
	[ "$rc" -lt 128 ] || { cat "$log.err"; exit 1; }
	# There is no log if it did not come to compile.
	cat "$OUT/log/qemu.log" "$log.err" > "$log" 2>/dev/null || :
	rm "$log.err" "$OUT/unfinished"
	echo "$rc" > "$OUT/builds/$key.rc"
fi
bad=0
[ "$(cat "$OUT/builds/$key.rc")" = 0 ] || bad=1
[ $bad = 0 ] || grep -E 'error:|undefined|does not apply' "$log" || tail -n 20 "$log"
for f in $files; do
	if grep -F "/$f:" "$log" | grep -F ' warning: '; then
		bad=1
		touch -c "$OUT/src/$f"
	fi
done
exit $bad
