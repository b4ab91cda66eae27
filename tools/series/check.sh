#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# check.sh [CHECK...]: run the checks, or those named, on every commit of the series
# that make.sh made. KTAP on stdout.
#
#   TOP, BASE, LINUX, OUT, and what the checks need   see checks/README
set -eu

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tools/series/lib.sh
. "$here/lib.sh"
: "${LINUX:?}" "${OUT:?}"
[ -d "$OUT/patches" ] || die "no series in $OUT: make series"
names=$(chosen_checks "$@")

TREE=$OUT/work
export TOP BASE LINUX OUT KDIR TREE COMMIT PARENT SPARSE
g() { git -C "$OUT/git" "$@"; }

rm -rf "$TREE"
g worktree prune
g worktree add -q --detach "$TREE" base

n=0 bad=0 failed=0
# shellcheck source=tools/vm/ktap.sh
. "$TOP/tools/vm/ktap.sh"

# one NAME WHAT: run it, and say so
one() {
	git -C "$TREE" checkout -q -f "$COMMIT"
	git -C "$TREE" clean -q -fdx
	start=$(date +%s) rc=0 shown=$OUT/$1.out
	"$here/checks/$1.sh" > "$shown" 2>&1 < /dev/null || rc=1
	result $rc "$1: $2"
	failed=$((failed + rc))
	echo "[$n, $(($(date +%s) - start)) s] $1: $2" >&2
}

# scoped SCOPE: the checks of that scope that were asked for
scoped() {
	for name in $names; do
		! grep -q "^# scope: $1$" "$here/checks/$name.sh" || echo "$name"
	done
}

begin=$(date +%s)
echo "KTAP version 1"
echo "# $BASE: $(g rev-list --count base..series) commits on $(g log -1 --format=%s base)"
for c in $(g rev-list --reverse base..series); do
	COMMIT=$c PARENT=$(g rev-parse "$c^")
	for name in $(scoped commit); do
		one "$name" "$(g log -1 --format=%s "$c")"
	done
done
COMMIT=$(g rev-parse series) PARENT=$(g rev-parse base)
for name in $(scoped series); do
	one "$name" "the series"
done
echo "1..$n"
g worktree remove --force "$TREE"
echo "# $((n - failed)) passed, $failed failed, $(($(date +%s) - begin)) s"
[ $bad = 0 ] && [ $n -gt 0 ]
