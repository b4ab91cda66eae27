#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# scope: series
# base: linux
#
# The kernel's check-uapi.sh: the series breaks no existing UAPI header.
set -eu

if ! command -v "${ABIDIFF:=abidiff}" > /dev/null; then
	echo "no abidiff 2.4 or newer (abigail-tools of trixie)"
	exit 4
fi
cd "$TREE"
ABIDIFF=$ABIDIFF CC=${CC##* } ./scripts/check-uapi.sh -b "$COMMIT" -p "$PARENT" > "$OUT/uapi.log" 2>&1 || {
	rc=$?
	cat "$OUT/uapi.log"
	[ $rc = 2 ] && exit 4
	exit 1
}
