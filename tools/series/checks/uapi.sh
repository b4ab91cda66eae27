#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# scope: series
# base: linux
#
# The kernel's check-uapi.sh: the series breaks no existing UAPI header.
set -eu

: "${ABIDIFF:?abidiff 2.4 or newer}"
cd "$TREE"
ABIDIFF=$ABIDIFF CC=${CC##* } ./scripts/check-uapi.sh -b "$COMMIT" -p "$PARENT" > "$OUT/uapi.log" 2>&1 ||
	{ cat "$OUT/uapi.log"; exit 1; }
# It also passes when it found nothing to compare.
grep -q 'All [1-9][0-9]* UAPI headers compatible' "$OUT/uapi.log" ||
	{ echo "no header was compared:"; cat "$OUT/uapi.log"; exit 1; }
