#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# scope: series
# base: qemu
#
# git am takes the files of patches/ as they are, too, in the order of their names, which
# `make qemu` goes by: that of `series`. The tree lacks nothing but the plain files.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tools/series/lib.sh
. "$here/../lib.sh"

find "$PATCHES" -name '*.patch' | sort > "$OUT/hunks.list"
if ! series_lines | awk -v dir="$PATCHES/" '{ print dir $1 }' | diff - "$OUT/hunks.list"; then
	echo "series (<) names other patches than the directory has (>), or in another order"
	exit 1
fi
plain_files | while read -r f; do
	echo ":(exclude)$(destination "$f")"
done > "$OUT/hunks.not"
# shellcheck disable=SC2046
mails_give "$OUT/hunks.list" . $(cat "$OUT/hunks.not")
