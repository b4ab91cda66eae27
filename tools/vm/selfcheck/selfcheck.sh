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
trap 'rm -rf "$RESULTS" "$RESULTS".*' EXIT
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
			-e 's/\(Command line\): .*/\1/' -e 's/more than [0-9]* s/more than N s/' \
			-e 's/ *$//' | sort
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
t "red run has exit code 1" test "$rc" = 1
t "subtests are nested" grep -q '^  *ok 2 two' "$RESULTS.out"
t "a new machine is announced" grep -q 'run in a fresh machine' "$RESULTS.out"
grep -q '^# machine-.* stalled at boot.*second try' "$RESULTS.out" &&
	[ "$(grep -c 'stalled at boot, before' "$RESULTS.out")" = 1 ]
result $? "a stall at boot is announced, and forgiven once"
t "a second try is announced" grep -q '^# second_try: fail.*second try' "$RESULTS.out"
t "no second try for what the kernel says" test 0 = \
	"$(grep -c '^# no_second_try: .*second try' "$RESULTS.out")"

runner --select passes
t "green run has exit code 0" test "$rc" = 0
runner --select skips
[ "$rc" = 1 ] && grep -q "none did" "$RESULTS.out"; result $? "a run without a pass is red"
runner --list --select 'passes,skips'
[ "$rc" = 0 ] && [ "$(wc -l < "$RESULTS.out")" = 3 ]; result $? "a list of some"
runner --list --select '!passes'
[ "$rc" = 0 ] && grep -q '^skips' "$RESULTS.out" && ! grep -q '^passes ' "$RESULTS.out"
result $? "a list of all but one"

# The runner with another QEMU: the script on stdin, which knows the real one.
with_qemu() {
	real=${QEMU_BIN:-$BUILD/qemu/qemu-system-x86_64}
	cat > "$RESULTS.qemu"
	chmod +x "$RESULTS.qemu"
	export REAL_QEMU="$real" QEMU_BIN="$RESULTS.qemu"
	runner "$@"
	QEMU_BIN=$real
}

# Its first machine says on its console what a kernel says of a stall.
with_qemu --select passes <<'EOF'
#!/bin/sh
if mkdir "$0.stalled" 2> /dev/null; then
	last=
	for a; do
		shift
		[ "$last" != -append ] || a="$a INFO: rcu_sched detected stalls rdinit=/none"
		set -- "$@" "$a"
		last=$a
	done
fi
exec "$REAL_QEMU" "$@"
EOF
[ "$rc" = 0 ] && grep -q '^ok 1 passes' "$RESULTS.out" &&
	grep -q '^# machine-.* stalled at boot.*second try' "$RESULTS.out" &&
	grep -q '^# 2 machines, 1 stalled at boot' "$RESULTS.out"
result $? "after a stall at boot a second try can be green, and tells"

# Its tests have passed, and then it fails.
with_qemu --select passes <<'EOF'
#!/bin/sh
"$REAL_QEMU" "$@"
exit 3
EOF
[ "$rc" = 1 ] && grep -q '^ok 1 passes' "$RESULTS.out" &&
	grep -q '^not ok.*after its end token: QEMU exited with 3' "$RESULTS.out"
result $? "a machine that fails after its tests is red"

# Of a case that is not there, kselftest's harness says nothing.
sed -n 's/^test .* \(x86\/sev_vmsa_[a-z_]*test\) \(.*\)/\1 \2/p' "$here"/../tests* |
	while read -r prog args; do
		# shellcheck disable=SC2086
		set -- $args
		while [ $# -gt 1 ]; do
			case $1 in
			-[tT]) pattern="^TEST(_F|_F_TIMEOUT)?\\(([a-z]+, )?$2[,)]" ;;
			-[fF]) pattern="^FIXTURE\\($2\\)" ;;
			*) pattern= ;;
			esac
			grep -Eq "$pattern" "$TOP/selftests/$prog.c" || echo "# $prog: no $2"
			shift
		done
	done > "$RESULTS.cases"
cat "$RESULTS.cases"
t "cases that tests name are there" test ! -s "$RESULTS.cases"

runner --select no_such_test
[ "$rc" = 2 ] && grep -q "no_such_test" "$RESULTS.err"; result $? "an unknown name is an error"
echo "test many self host - - 20 pass xfail=many true" > "$RESULTS.many"
runner --tests "$RESULTS.many" --list
[ "$rc" = 2 ] && grep -q "test many: xfail= .*'many'" "$RESULTS.err"
result $? "a number of XFAILs that is none is an error"
runner --select passes --kernel /dev/null
[ "$rc" = 1 ] && grep -q 'did not boot\|QEMU exited' "$RESULTS.out"
result $? "a machine that does not boot is red"
runner --select passes --max-rss-mb 10
[ "$rc" = 1 ] && grep -q '^not ok.*memory' "$RESULTS.out"; result $? "too much memory is red"
echo "1..$n"
exit $bad
