#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# check-bases.sh BASE...: `make check` on one base after the other, as one result:
# KTAP on stdout and in $RESULTS/run.tap, logs in $RESULTS/BASE. A name in T has to
# be there on one base. Tests of this host run with the first base only.
#
#   T, RESULTS, BUILD, MAKE as in the Makefile
set -u

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
: "${RESULTS:?}" "${BUILD:?}" "${MAKE:=make}" "${T:=}"

knows() {
	"$BUILD/vm/vm-run" --splats "$here/splats" --tests "$here/tests" \
		--tests "$here/tests.$1" --list --select "$2"
}

for w in $(echo "$T" | tr ',' ' '); do
	found=
	for b in "$@"; do
		knows "$b" "$w" > /dev/null 2>&1 && found=1
	done
	[ -n "$found" ] || {
		echo "no test, group or pattern '$w' on any of: $*; 'make list' shows them" >&2
		exit 2
	}
done

# As the runner does it: one run at a time, the run before in prev.
exec 8> "$RESULTS.lock"
flock -n 8 || { echo "another run uses '$RESULTS'; waiting" >&2; flock 8; }
old=$RESULTS.old-$$
[ ! -d "$RESULTS" ] || mv "$RESULTS" "$old"
rm -rf "$old/prev"
mkdir -p "$RESULTS"
[ ! -d "$old" ] || mv "$old" "$RESULTS/prev"

# What the bases have to say, counted through; totals and plan are left to the end.
# shellcheck disable=SC2016
number='
	/^KTAP version|^# Totals:|^1\.\./ { next }
	/^(not )?ok [0-9]/ {
		match($0, /ok [0-9]+ /)
		$0 = substr($0, 1, RSTART + 2) ++n " " base ": " substr($0, RSTART + RLENGTH)
	}
	{ print; fflush() }
	END { print n + 0 > count }'

{
	echo "KTAP version 1"
	n=0 host=
	echo 0 > "$RESULTS/rc"
	for b in "$@"; do
		select=
		for w in $(echo "$T" | tr ',' ' '); do
			knows "$b" "$w" > /dev/null 2>&1 && select=$select${select:+,}$w
		done
		[ -n "$select" ] || [ -z "$T" ] || continue
		select=$select${select:+${host:+,}}$host
		# More than the heading?
		[ "$(knows "$b" "$select" | wc -l)" -gt 1 ] || continue
		{
			"$MAKE" -C "$top" check BASE="$b" T="$select" RESULTS="$RESULTS/$b"
			echo $? > "$RESULTS/rc.$b"
		} 8>&- | awk -v n="$n" -v base="$b" -v count="$RESULTS/count" "$number"
		n=$(cat "$RESULTS/count")
		rc=$(cat "$RESULTS/rc.$b")
		[ "$rc" = 0 ] || echo 1 > "$RESULTS/rc"
		# Red without a red test: it did not come to its end.
		if [ "$rc" != 0 ] && ! grep -qs '^1\.\.' "$RESULTS/$b/run.tap"; then
			n=$((n + 1))
			echo "not ok $n $b: comes to its end # exit code $rc"
		fi
		host="!host"
	done
	[ "$n" != 0 ] || echo 1 > "$RESULTS/rc"
	echo "1..$n"
} | tee "$RESULTS/run.tap"
rc=$(cat "$RESULTS/rc")
rm -f "$RESULTS"/rc "$RESULTS"/rc.* "$RESULTS/count"
exit "$rc"
