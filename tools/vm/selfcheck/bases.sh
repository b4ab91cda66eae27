#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# bases.sh: is what check-bases.sh makes of several bases one result? A stand-in for
# make says what a base would; the names of tests are the real ones.
# Environment: what run.sh exports.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d "${TMPDIR:-/tmp}/snp-bases.XXXXXX")
trap 'rm -rf "$dir"' EXIT
n=0 bad=0
# shellcheck source=/dev/null
. "$here/../ktap.sh"

# Two results of a base, one nested; with $dir/dies it ends before the second.
cat > "$dir/make" <<'END'
#!/bin/sh
for a in "$@"; do
	case $a in
	BASE=*) base=${a#*=} ;;
	T=*) t=${a#*=} ;;
	RESULTS=*) results=${a#*=} ;;
	esac
done
dir=$(dirname "$0")
echo "$base:$t" >> "$dir/calls"
mkdir -p "$results"
{
	echo "KTAP version 1"
	echo "  ok 1 nested"
	echo "ok 1 one (emulated, snp)"
	[ "$(cat "$dir/dies" 2>/dev/null)" != "$base" ] || exit 2
	echo "not ok 2 two (emulated, snp) # fail: it did"
	echo "1..2"
	echo "# Totals: pass:1 fail:1"
} | tee "$results/run.tap"
[ "$(cat "$dir/dies" 2>/dev/null)" != "$base" ] || exit 2
[ ! -f "$dir/red" ]
END
chmod +x "$dir/make"

bases() {
	rm -f "$dir/calls"
	rc=0
	T=$1 RESULTS=$dir/results MAKE=$dir/make "$here/../check-bases.sh" \
		linux-7.3 linux-6.12 > "$dir/out" 2> "$dir/err" || rc=$?
	calls=$(cat "$dir/calls" 2>/dev/null || :)
}

echo "KTAP version 1"
bases ''
[ "$(grep -c '^ok\|^not ok' "$dir/out")" = 4 ] && grep -q '^1\.\.4$' "$dir/out" &&
	grep -q '^not ok 4 linux-6.12: two' "$dir/out"
result $? "results are counted through"
[ "$rc" = 0 ] && cmp -s "$dir/out" "$dir/results/run.tap"
result $? "green if all are, and the same in run.tap"
[ "$calls" = "linux-7.3:
linux-6.12:!host" ]; result $? "tests of this host run once"
bases irq_test
[ "$rc" = 0 ] && [ "$calls" = "linux-7.3:irq_test" ]; result $? "a name of one base"
bases irq_test,rmp
[ "$calls" = "linux-7.3:irq_test,rmp
linux-6.12:rmp,!host" ]; result $? "a name of one base and one of both"
bases shellcheck
[ "$rc" = 0 ] && [ "$calls" = "linux-7.3:shellcheck" ]; result $? "only tests of this host"
bases no_such_test
[ "$rc" = 2 ] && [ -z "$calls" ] && grep -q no_such_test "$dir/err"
result $? "a name of no base is an error"
touch "$dir/red"
bases rmp
[ "$rc" = 1 ]; result $? "red if one is"
rm "$dir/red"
echo linux-6.12 > "$dir/dies"
bases rmp
[ "$rc" = 1 ] && grep -q '^not ok 4 linux-6.12: comes to its end' "$dir/out" &&
	grep -q '^1\.\.4$' "$dir/out"
result $? "a base that does not come to its end is red"
echo "1..$n"
exit $bad
