#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# selfcheck.sh: does the runner recognise what it must? It runs tests that fail,
# hang, kill their machine and so on, and its verdicts are compared.
# Environment: what run.sh exports.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
run=$here/../run.sh
RESULTS=$(mktemp -d "${TMPDIR:-/tmp}/snp-selfcheck.XXXXXX")
export RESULTS
trap 'rm -rf "$RESULTS" "$RESULTS.lock" "$RESULTS".old-*' EXIT
n=0 bad=0
# shellcheck source=/dev/null
. "$here/../ktap.sh"

runner() {
	rc=0
	"$run" --tests "$here/tests" --times '' "$@" > "$RESULTS.out" 2> "$RESULTS.err" || rc=$?
}

# The result, the name and the first words of the reason; numbers that vary go.
normal() {
	sed -n 's/^\(not \)*ok [0-9]* \([a-z][^ ]*\) ([^)]*)\(.*\)$/\1ok \2\3/p' "$1" |
		sed -e 's/ # / /' -e 's/machine-[0-9]*/machine-NN/' -e 's/; see .*//' \
			-e 's/\(kernel log: WARNING\).*/\1/' -e 's/\(kernel log: BUG\).*/\1/' \
			-e 's/\(Command line\): .*/\1/' -e 's/ *$//' | sort
}

echo "KTAP version 1"
runner
normal "$RESULTS.out" > "$RESULTS.normal"
{
	cat "$here/expected"
	# Only this kernel has kmemleak. What it finds at boot does not count.
	case ${FLAVOUR:?} in
	*-debug) echo "not ok machine-NN kernel log: snp-vm: kmemleak has unreferenced objects" ;;
	esac
} | sort > "$RESULTS.expected"
if cmp -s "$RESULTS.normal" "$RESULTS.expected"; then
	result 0 "verdicts"
else
	result 1 "verdicts"
	diff "$RESULTS.expected" "$RESULTS.normal" | sed 's/^/# /' || :
	sed 's/^/# | /' "$RESULTS.err"
fi
[ "$rc" = 1 ]; result $? "red run has exit code 1"
grep -q '^  *ok 2 two' "$RESULTS.out"; result $? "subtests are nested"
grep -q 'run in a fresh machine' "$RESULTS.out"; result $? "a new machine is announced"
grep -q '^# machine-.* stalled at boot.*second try' "$RESULTS.out" &&
	[ "$(grep -c 'stalled at boot, before' "$RESULTS.out")" = 1 ]
result $? "a stall at boot is announced, and forgiven once"
grep -q '^# second_try: fail.*second try' "$RESULTS.out"; result $? "a second try is announced"

runner --select passes
[ "$rc" = 0 ]; result $? "green run has exit code 0"
runner --select skips
[ "$rc" = 1 ] && grep -q "none did" "$RESULTS.out"; result $? "a run without a pass is red"
runner --list --select 'passes,skips'
[ "$rc" = 0 ] && [ "$(wc -l < "$RESULTS.out")" = 3 ]; result $? "a list of some"
runner --list --select '!passes'
[ "$rc" = 0 ] && grep -q '^skips' "$RESULTS.out" && ! grep -q '^passes ' "$RESULTS.out"
result $? "a list of all but one"
runner --select no_such_test
[ "$rc" = 2 ] && grep -q "no_such_test" "$RESULTS.err"; result $? "an unknown name is an error"
runner --select passes --kernel /dev/null
[ "$rc" = 1 ] && grep -q 'did not boot\|QEMU exited' "$RESULTS.out"
result $? "a machine that does not boot is red"
runner --select passes --max-rss-mb 10
[ "$rc" = 1 ] && grep -q '^not ok.*memory' "$RESULTS.out"; result $? "too much memory is red"
rm -f "$RESULTS".out "$RESULTS".err "$RESULTS".normal "$RESULTS".expected
echo "1..$n"
exit $bad
