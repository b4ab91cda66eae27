#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# checks.sh [CHECK...]: each check rejects its fixtures, NAME.sh and NAME-*.sh, for the
# reason that they name, and accepts what is good: NAME.good.sh, or the series for a check
# of the whole series, or good.sh. Needs the series (make.sh). KTAP on stdout; environment
# as check.sh.
#
# A fixture makes a commit; it has FILE to spoil, which is an area called AREA.
# The functions are called by t().
# shellcheck disable=SC2317
set -u

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tools/series/lib.sh
. "$here/lib.sh"
: "${LINUX:?}" "${OUT:?}"
names=$(chosen_checks "$@") || exit 1
TREE=$OUT/fixture
PARENT=$(git -C "$OUT/git" rev-parse base) || exit 1
case $BASE in
# What QEMU's fixtures come after is built already.
qemu-*) start=series FILE=target/i386/tcg/system/svm_helper.c AREA='target/i386: svm' ;;
*) start=base FILE=arch/x86/kvm/svm/sev.c AREA='KVM: SEV' ;;
esac
export TOP BASE LINUX OUT KDIR TREE COMMIT PARENT SPARSE FILE AREA

n=0 bad=0 shown=$OUT/check.out
# shellcheck source=tools/vm/ktap.sh
. "$TOP/tools/vm/ktap.sh"

git -C "$OUT/git" worktree prune
rm -rf "$TREE"
git -C "$OUT/git" worktree add -q --detach "$TREE" base || exit 1

# at FIXTURE: the tree has its commit, or is that of the series
at() {
	git -C "$TREE" checkout -q -f --detach "$start" && git -C "$TREE" clean -q -fdx || exit 1
	case $1 in
	series) git -C "$TREE" checkout -q -f --detach series ;;
	*) (cd "$TREE" && "$1") ;;
	esac || exit 1
	COMMIT=$(git -C "$TREE" rev-parse HEAD)
}

rejects() {
	at "$2"
	want=$(sed -n 's/^# expect: //p' "$2")
	! "$1" > "$shown" 2>&1 < /dev/null && grep -q -e "$want" "$shown" && return
	echo "wanted: it fails, and says '$want'" >> "$shown"
	return 1
}

accepts() {
	at "$2"
	"$1" > "$shown" 2>&1 < /dev/null
}

echo "KTAP version 1"
for name in $names; do
	check=$here/checks/$name.sh found=
	for fixture in "$here/fixtures/$name.sh" "$here/fixtures/$name"-*.sh; do
		[ -x "$fixture" ] || continue
		for_base "$fixture" || continue
		found=1
		t "$name rejects fixtures/${fixture##*/}" rejects "$check" "$fixture"
	done
	if [ -z "$found" ]; then
		echo "no $here/fixtures/$name.sh" > "$shown"
		result 1 "$name has a fixture"
		continue
	fi
	good=$here/fixtures/good.sh
	! grep -q '^# scope: series$' "$check" || good=series
	[ ! -x "$here/fixtures/$name.good.sh" ] || good=$here/fixtures/$name.good.sh
	t "$name accepts what is good" accepts "$check" "$good"
done
echo "1..$n"
git -C "$OUT/git" worktree remove --force "$TREE"
exit $bad
