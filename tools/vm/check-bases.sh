#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# check-bases.sh BASE...: `make check` on one base after the other, as one result:
# KTAP on stdout and in $RESULTS/run.tap, logs in $RESULTS/BASE. A name in T has to
# be there on one base; a base that has nothing T asks for is left out. Tests of this
# host run with the first base only.
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

there=$(cd "$here" && for f in tests.*; do printf ' %s' "${f#tests.}"; done)
for b in "$@"; do
	case "$there " in
	*" $b "*) ;;
	*) echo "no base '$b'; there are:$there" >&2; exit 2 ;;
	esac
done

# The patterns in T are of tests, not of the files here.
set -f
words=$(printf '%s' "$T" | tr ',' ' ')
first='' asks=''
for w in $words; do
	: "${first:=$w}"
	case $w in '!'*) ;; *) asks=1 ;; esac
	found=
	for b in "$@"; do
		knows "$b" "$w" > /dev/null 2>&1 && found=1
	done
	[ -n "$found" ] || {
		echo "no test, group or pattern '$w' on any of: $*; 'make list BASE=$1' shows" \
			"those of $1" >&2
		exit 2
	}
done

# A run of its own, which this one's -i or -j is not for.
unset MAKEFLAGS MFLAGS

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
	n=0 bad='' host=''
	# Green is what came to its end.
	echo 1 > "$RESULTS/rc"
	red() { n=$((n + 1)) bad=1; echo "not ok $n $b: $1"; }
	for b in "$@"; do
		select='' some=''
		for w in $words; do
			knows "$b" "$w" > /dev/null 2>&1 || continue
			select=$select${select:+,}$w
			case $w in '!'*) ;; *) some=1 ;; esac
		done
		[ -z "$asks" ] || [ -n "$some" ] || continue
		# All but what is not here: all. Only a "!" in front says so.
		case $first/$select in
		'!'*/'!'*) ;;
		'!'*) select=!host,host${select:+,$select} ;;
		esac
		select=$select${select:+${host:+,}}$host
		list=$(knows "$b" "$select") || { red "knows its tests"; continue; }
		# More than the heading?
		[ "$(echo "$list" | wc -l)" -gt 1 ] || continue
		{
			"$MAKE" --no-print-directory -C "$top" check BASE="$b" T="$select" \
				RESULTS="$RESULTS/$b"
			echo $? > "$RESULTS/rc.$b"
		} 8>&- | awk -v n="$n" -v base="$b" -v count="$RESULTS/count" "$number"
		n=$(cat "$RESULTS/count") || exit
		rc=$(cat "$RESULTS/rc.$b")
		[ "$rc" = 0 ] || bad=1
		# Without a plan it did not come to its end, whatever the exit code.
		grep -qs '^1\.\.' "$RESULTS/$b/run.tap" ||
			red "comes to its end # exit code $rc"
		rm -f "$RESULTS/rc.$b" "$RESULTS/count"
		host="!host"
	done
	echo "1..$n"
	[ "$n" = 0 ] || [ -n "$bad" ] || echo 0 > "$RESULTS/rc"
} | tee "$RESULTS/run.tap"
rc=$(cat "$RESULTS/rc")
rm -f "$RESULTS/rc"
exit "${rc:-1}"
