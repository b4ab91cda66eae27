#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# scope: series
#
# git am takes the files on the pristine base, and gets the tree of the series.
set -eu

rm -rf "$OUT/am"
git clone -q --shared --no-checkout "$OUT/git" "$OUT/am"
git -C "$OUT/am" config user.name nobody
git -C "$OUT/am" config user.email nobody@example.invalid
git -C "$OUT/am" checkout -q -b am base
find "$OUT/patches" -name '*.patch' ! -name '*cover-letter*' | sort > "$OUT/am.list"
rc=0
xargs git -C "$OUT/am" am -q < "$OUT/am.list" || rc=1
if [ $rc = 0 ] && ! git -C "$OUT/am" diff --quiet "$COMMIT"; then
	echo "the tree after git am is another than that of the series:"
	git -C "$OUT/am" diff --stat "$COMMIT"
	rc=1
fi
rm -rf "$OUT/am"
exit $rc
