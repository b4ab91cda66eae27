#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Every mutant says what it breaks, names a test that there is, and applies to the tree
# as it is, without fuzz. Whether it builds and is caught takes `make check-mutants`.
set -u

cd "$(dirname "$0")/../../.." || exit 1
n=0 bad=0
# shellcheck source=tools/vm/ktap.sh
. tools/vm/ktap.sh
out=$(mktemp) || exit 1
trap 'rm -f "$out"' EXIT
shown=$out

mutant() {
	grep -q '^Mutant: *[^ ]' "$1" || { echo "no line 'Mutant: what is broken'"; return 1; }
	name=$(sed -n 's/^Test: *//p' "$1")
	grep -q "^test $name " tools/vm/tests ||
		{ echo "Test: '$name' is none of tools/vm/tests"; return 1; }
	patch -p1 -f -F0 --dry-run < "$1"
}

echo "KTAP version 1"
for m in tools/mutants/*.patch; do
	mutant "$m" > "$out" 2>&1
	result $? "$m"
done
echo "1..$n"
exit $bad
