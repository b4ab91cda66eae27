#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# scope: commit
#
# Shortlog and changelog as Documentation/process/maintainer-kvm-x86.rst has them, or
# QEMU's docs/devel/submitting-a-patch.rst.
set -eu

g() { git -C "$TREE" "$@"; }
bad=0
say() { echo "$*"; bad=1; }

case $BASE in
qemu-*) want='[a-z0-9/_-]+' as='<area>' ;;
*) want='(Documentation: )?KVM' as=KVM ;;
esac
subject=$(g log -1 --format=%s "$COMMIT")
echo "$subject" | grep -Eq "^$want: ([A-Za-z0-9_]+: )?[A-Z]" ||
	say "shortlog '$subject': wanted '$as: <scope>: <Capitalised text>'"
[ ${#subject} -le 75 ] || say "shortlog has ${#subject} characters, wanted at most 75"
case $subject in *.) say "shortlog ends with a period" ;; esac
g log -1 --format=%b "$COMMIT" > "$OUT/body"
words=$(grep -v '^[A-Z][A-Za-z-]*: ' "$OUT/body" | wc -w)
[ "$words" -ge 10 ] || say "the changelog has $words words: wanted what changes, and why"
awk 'length > 75 && !/^(Fixes|Link|[A-Z][a-z-]*-by): / && !/^ / { print "line of " length " characters: " $0; bad = 1 }
	END { exit bad }' "$OUT/body" || bad=1
g log -1 --format=%b "$COMMIT" | grep -E '^Fixes: ' | grep -Ev '^Fixes: [0-9a-f]{12,40} \(".+"\)$' &&
	say "a Fixes: tag is not 'Fixes: <12 digits> (\"<shortlog>\")'"
# There is no history to look it up in.
# shellcheck disable=SC2013
for hash in $(sed -n 's/^Fixes: \([0-9a-f]*\).*/\1/p' "$OUT/body"); do
	grep -qw "$hash" "$TOP/Documentation/hazards.rst" ||
		say "Fixes: $hash is not in Documentation/hazards.rst, with where it is quoted"
done
exit $bad
