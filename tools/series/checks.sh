#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# checks.sh [CHECK...]: each check rejects its fixtures (NAME.sh, NAME-*.sh), for the reason that the
# fixture names, and accepts the good one. Needs the series (make.sh). KTAP on stdout;
# environment as check.sh.
#
# A fixture makes a commit; it has FILE to spoil, which is an area called AREA.
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

git -C "$OUT/git" worktree prune
rm -rf "$TREE"
git -C "$OUT/git" worktree add -q --detach "$TREE" base || exit 1
n=0 bad=0

# at FIXTURE: the tree has its commit
at() {
	git -C "$TREE" checkout -q -f --detach $start && git -C "$TREE" clean -q -fdx &&
		(cd "$TREE" && "$1") || exit 1
	COMMIT=$(git -C "$TREE" rev-parse HEAD)
}

# result STATUS WHAT
result() {
	n=$((n + 1))
	if [ "$1" = 0 ]; then
		echo "ok $n $2"
	else
		bad=1
		echo "not ok $n $2"
		sed 's/^/# /' "$OUT/check.out"
	fi
}

echo "KTAP version 1"
for name in $names; do
	check=$here/checks/$name.sh found=
	for fixture in "$here/fixtures/$name.sh" "$here/fixtures/$name"-*.sh; do
		[ -x "$fixture" ] || continue
		found=1
		at "$fixture"
		"$check" > "$OUT/check.out" 2>&1 < /dev/null
		rc=$?
		if [ $rc = 4 ]; then
			n=$((n + 1))
			echo "ok $n $name # SKIP $(tail -n 1 "$OUT/check.out")"
			continue 2
		fi
		[ $rc != 0 ] && grep -q -e "$(sed -n 's/^# expect: //p' "$fixture")" "$OUT/check.out"
		result $? "$name rejects fixtures/${fixture##*/}"
	done
	if [ -z "$found" ]; then
		echo "no $here/fixtures/$name.sh" > "$OUT/check.out"
		result 1 "$name has a fixture"
		continue
	fi
	# These two look at the whole series, of which a fixture is no part.
	case $name in
	plain | apply | qemu-hunks)
		COMMIT=$(git -C "$OUT/git" rev-parse series)
		git -C "$TREE" checkout -q -f --detach series
		;;
	*) at "$here/fixtures/good.sh" ;;
	esac
	"$check" > "$OUT/check.out" 2>&1 < /dev/null
	result $? "$name accepts what is good"
done
echo "1..$n"
git -C "$OUT/git" worktree remove --force "$TREE"
exit $bad
