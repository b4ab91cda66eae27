#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# scope: commit
#
# Nothing is left for later.
set -eu

if git -C "$TREE" diff "$PARENT" "$COMMIT" | grep '^+' | grep -Ew 'TODO|FIXME|XXX|HACK'; then
	echo "wanted: done, or not begun"
	exit 1
fi
