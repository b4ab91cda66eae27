#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# scope: commit
#
# checkpatch --strict is clean, or what it says is in checkpatch.allow with a reason.
# QEMU's does not show types: there, ERROR or WARNING is the type.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
subject=$(git -C "$TREE" log -1 --format=%s "$COMMIT")
git -C "$TREE" format-patch -q --stdout -1 "$COMMIT" > "$OUT/checkpatch.patch"
rc=0 types='' root=$LINUX
cd "$TREE"
case $BASE in
linux-*)
	# It calls spdxcheck.py, which takes the licences from the repository of the root.
	types=--show-types root=$OUT/root
	rm -rf "$root"
	mkdir "$root"
	ln -s "$LINUX"/* "$OUT/git/.git" "$root/"
	cd "$root"
	;;
esac
# By the name python3; one of the user's may lack python3-ply.
PATH=/usr/bin:/bin perl "$LINUX/scripts/checkpatch.pl" --root="$root" --strict --terse $types --no-summary \
	--color=never "$OUT/checkpatch.patch" > "$OUT/checkpatch.log" 2>&1 || rc=$?
# Fields of an entry: type, pattern of the line, subject, reason
bad=0
while IFS= read -r line; do
	allowed=$(awk -F'\t' -v line="$line" -v subject="$subject" '
		!/^#/ && NF == 4 && $4 != "" && index(line, $1 ":") && line ~ $2 &&
			(subject == $3 || $3 == "*") { print $4; exit }' "$here/checkpatch.allow")
	[ -n "$allowed" ] || { echo "$line"; bad=1; }
done < "$OUT/checkpatch.log"
[ $rc = 0 ] || [ -s "$OUT/checkpatch.log" ] || { echo "checkpatch.pl: exit status $rc, no output"; exit 1; }
exit $bad
