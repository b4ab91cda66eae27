#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# scope: commit
# base: linux
#
# sparse says nothing about a commit that it does not say about its parent.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
# Line numbers move; paths do not.
words() {
	grep -E '^[^ ]+:[0-9]+:[0-9]+: (warning|error): ' "$1" | grep -v '\[-W' |
		sed 's/:[0-9]*:[0-9]*:/:/' | sort
}

log=$("$here/../build.sh")
grep -q 'CHECK ' "$log" || { echo "sparse did not run, see $log"; exit 1; }
words "$log" > "$OUT/sparse.now"
git -C "$TREE" checkout -q "$PARENT"
COMMIT=$PARENT
export COMMIT
log=$("$here/../build.sh")
words "$log" > "$OUT/sparse.before"
if ! comm -13 "$OUT/sparse.before" "$OUT/sparse.now" > "$OUT/sparse.new" || [ -s "$OUT/sparse.new" ]; then
	echo "new:"
	cat "$OUT/sparse.new"
	exit 1
fi
