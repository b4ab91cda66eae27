#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# scope: series
#
# The tree at the head has the plain files byte for byte.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tools/series/lib.sh
. "$here/../lib.sh"

bad=0
for f in $(plain_files); do
	d=$(destination "$f")
	cmp -s "$TOP/$f" "$TREE/$d" || { echo "$d differs from $f, or is not there"; bad=1; }
done
exit $bad
