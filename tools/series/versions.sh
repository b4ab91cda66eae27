#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# versions.sh: `make series V=2` in a repository of its own, in which version 1 was sent
# and tagged; what is wrong ends with an error that says what. Needs the series (make.sh).
# KTAP on stdout; environment as check.sh.
# The functions are called by t().
# shellcheck disable=SC2317
set -u

: "${TOP:?}" "${BASE:?}" "${LINUX:?}" "${OUT:?}"
tmp=$(mktemp -d "${TMPDIR:-/tmp}/snp-versions.XXXXXX") || exit 1
trap 'rm -rf "$tmp"' EXIT
n=0 bad=0 shown="$tmp/out"
# shellcheck source=tools/vm/ktap.sh
. "$TOP/tools/vm/ktap.sh"

top=$tmp/top
out=$top/build/series/$BASE
mkdir -p "$out"
(cd "$TOP" && git ls-files -z | xargs -0 cp --parents -t "$top")
cp -a "$OUT/base.key" "$OUT/git" "$out/"
git -C "$out/git" worktree prune
g() { git -C "$top" "$@"; }
g init -q
for v in user.name user.email; do g config $v "$(git -C "$TOP" config $v)"; done
echo /build/ >> "$top/.git/info/exclude"
commit() { g add -A && g commit -q -m "$1"; }
commit "version 1"

# As called by hand, not by the make that this runs under.
series() {
	env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make -s -C "$top" series BASE="$BASE" \
		LINUX="$LINUX" "V=$1" > "$tmp/out" 2>&1
}
fails() { ! series "$1" && grep -q -e "$2" "$tmp/out"; }
is_v2() {
	grep -q "^Subject: \[RFC PATCH v2 00/" "$1"/v2-0000-cover-letter.patch &&
		[ "$(find "$1" -name '*.patch' ! -name 'v2-*' | wc -l)" = 0 ]
}
# Two commits differ, each with what is new; the others are the same.
differs() {
	[ "$(grep -c '^ *[0-9]*:  [0-9a-f]* ! *[0-9]*:  [0-9a-f]* KVM: ' "$1")" = 2 ] &&
		[ "$(grep -c '^ *[0-9]*:  [0-9a-f]* = *[0-9]*:  [0-9a-f]* KVM: ' "$1")" = $(($2 - 2)) ] &&
		grep -q '^ *++/\* What is new in version 2. \*/$' "$1" && grep -q '^ *+ *    What is new' "$1"
}

echo "KTAP version 1"
for v in x 02 2.1; do
	t "V=$v is no version" fails "$v" "V=$v: want the version of the series, a number from 1 on"
done
t "version 1" series 1
t "version 2 without 'Changes since v1'" fails 2 "does not say 'Changes since v1'"
printf '\nChanges since v1\n================\n\n - One more comment.\n' >> "$top/patches/$BASE/cover"
commit "cover"
t "version 2 without the tag of version 1" fails 2 "no tag series-$BASE-v1 in $top"

g tag "series-$BASE-v1" HEAD~1
echo '/* What is new in version 2. */' >> "$top/kernel/svm/sev_vmsa.c"
first=$(find "$top/patches/$BASE" -name '0002-*.patch')
sed -i '0,/^Signed-off-by:/s//What is new: a sentence in a changelog.\n\n&/' "$first"
commit "version 2"
t "version 2" series 2
t "its files and subjects say so" is_v2 "$out/patches"
t "the cover has the range-diff against version 1" differs "$out/patches/v2-0000-cover-letter.patch" \
	"$(git -C "$out/git" rev-list --count base..series)"
t "the cover says what changed" grep -q '^ - One more comment.$' "$out/patches/v2-0000-cover-letter.patch"
t "version 3 without 'Changes since v2'" fails 3 "does not say 'Changes since v2'"
echo "1..$n"
exit $bad
