#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# checks.sh: each check rejects its fixture, for the reason that the fixture names, and
# accepts the good one. Needs the series (make.sh). KTAP on stdout; environment as check.sh.
set -u

here=$(cd "$(dirname "$0")" && pwd)
: "${TOP:?}" "${BASE:?}" "${LINUX:?}" "${OUT:?}" "${KDIR:?}"
TREE=$OUT/fixture
PARENT=$(git -C "$OUT/git" rev-parse base) || exit 1
export TOP BASE LINUX OUT KDIR TREE COMMIT PARENT SPARSE

git -C "$OUT/git" worktree prune
rm -rf "$TREE"
git -C "$OUT/git" worktree add -q --detach "$TREE" base || exit 1
n=0 bad=0

# at FIXTURE: the tree has its commit
at() {
	git -C "$TREE" checkout -q -f --detach base && git -C "$TREE" clean -q -fdx &&
		(cd "$TREE" && "$here/fixtures/$1.sh") || exit 1
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
for check in "$here"/checks/*.sh; do
	name=$(basename "$check" .sh)
	fixture=$here/fixtures/$name.sh
	if [ ! -x "$fixture" ]; then
		echo "no $fixture" > "$OUT/check.out"
		result 1 "$name has a fixture"
		continue
	fi
	at "$name"
	"$check" > "$OUT/check.out" 2>&1 < /dev/null
	rc=$?
	if [ $rc = 4 ]; then
		n=$((n + 1))
		echo "ok $n $name # SKIP $(tail -n 1 "$OUT/check.out")"
		continue
	fi
	[ $rc != 0 ] && grep -q -e "$(sed -n 's/^# expect: //p' "$fixture")" "$OUT/check.out"
	result $? "$name rejects its fixture"
	# These two look at the whole series, of which a fixture is no part.
	case $name in
	plain | apply)
		COMMIT=$(git -C "$OUT/git" rev-parse series)
		git -C "$TREE" checkout -q -f --detach series
		;;
	*) at good ;;
	esac
	"$check" > "$OUT/check.out" 2>&1 < /dev/null
	result $? "$name accepts what is good"
done
echo "1..$n"
git -C "$OUT/git" worktree remove --force "$TREE"
exit $bad
