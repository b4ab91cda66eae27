#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# scope: commit
# base: linux
#
# The documents that a commit changes render: docutils says nothing that it does not say
# of the parent. What only Sphinx knows is unknown in both.
set -eu

# said COMMIT FILE, without numbers of lines, which move
said() {
	git -C "$TREE" show "$1:$2" | /usr/bin/python3 -m docutils --report=2 --halt=5 - /dev/null 2>&1 |
		sed -n 's/^<stdin>:[0-9]*: (\([A-Z]*\)[^)]*)/\1:/p' | sort
}

/usr/bin/python3 -m docutils --version > "$OUT/docs.log" 2>&1 || { cat "$OUT/docs.log"; exit 1; }
bad=0
for f in $(git -C "$TREE" diff --name-only --diff-filter=M "$PARENT" "$COMMIT" -- 'Documentation/*.rst'); do
	said "$PARENT" "$f" > "$OUT/docs.before"
	said "$COMMIT" "$f" > "$OUT/docs.now"
	comm -13 "$OUT/docs.before" "$OUT/docs.now" > "$OUT/docs.new"
	[ ! -s "$OUT/docs.new" ] || { sed "s|^|$f: |" "$OUT/docs.new"; bad=1; }
done
exit $bad
