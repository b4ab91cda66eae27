#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# splats.sh fixtures: recorded logs, clean and dirty, are recognised as such
# splats.sh patterns: each 'deny' line finds a fixture that no other line finds
set -u

vm=$(cd "$(dirname "$0")/.." && pwd)
run=${BUILD:?}/vm/vm-run
tmp=$(mktemp "${TMPDIR:-/tmp}/snp-splats.XXXXXX")
trap 'rm -f "$tmp"' EXIT
n=0 bad=0
# shellcheck source=/dev/null
. "$vm/ktap.sh"

echo "KTAP version 1"
case ${1:-} in
fixtures)
	for f in "$vm"/fixtures/*.log; do
		name=$(basename "$f" .log)
		out=$("$run" --splats "$vm/splats" --scan "$f")
		rc=$?
		case $name in
		clean-*) [ $rc -eq 0 ] ;;
		dirty-*) [ $rc -eq 1 ] ;;
		*) false ;;
		esac
		rc=$?
		[ $rc -eq 0 ] || echo "# $out"
		result $rc "$name"
	done
	# Permissions: they hold until their day, and need a reason.
	f=$vm/fixtures/dirty-warn.log
	{ cat "$vm/splats"; echo "allow 2999-12-31 WARNING: .*sev_free_vcpu -- for this test"; } > "$tmp"
	"$run" --splats "$tmp" --scan "$f" > /dev/null 2>&1
	result $? "allowed"
	{ cat "$vm/splats"; echo "allow 2001-01-01 WARNING: .*sev_free_vcpu -- for this test"; } > "$tmp"
	"$run" --splats "$tmp" --scan "$f" > /dev/null 2>&1
	[ $? -eq 1 ]; result $? "permission expired"
	{ cat "$vm/splats"; echo "allow 2999-12-31 WARNING:"; } > "$tmp"
	"$run" --splats "$tmp" --scan "$f" > /dev/null 2>&1
	[ $? -eq 2 ]; result $? "no reason"
	: > "$tmp"
	"$run" --splats "$tmp" --scan "$f" > /dev/null 2>&1
	[ $? -eq 2 ]; result $? "an empty list is no clean log"
	;;
patterns)
	grep -n '^deny ' "$vm/splats" > "$tmp.lines"
	while IFS=: read -r nr line; do
		sed "${nr}d" "$vm/splats" > "$tmp"
		"$run" --splats "$tmp" --scan "$vm"/fixtures/dirty-*.log | grep -q ': clean$'
		result $? "$line"
	done < "$tmp.lines"
	rm -f "$tmp.lines"
	;;
*)
	echo "usage: splats.sh fixtures|patterns" >&2
	exit 2
	;;
esac
echo "1..$n"
exit $bad
