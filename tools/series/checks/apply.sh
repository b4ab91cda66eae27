#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# scope: series
#
# git am takes the files on the pristine base, and gets the tree of the series.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tools/series/lib.sh
. "$here/../lib.sh"

find "$OUT/patches" -name '*.patch' ! -name '*cover-letter*' | sort > "$OUT/am.list"
mails_give "$OUT/am.list"
