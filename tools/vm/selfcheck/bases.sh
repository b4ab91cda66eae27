#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# bases.sh: is what check-bases.sh makes of several bases one result? A stand-in for
# make says what a base would; the names of tests are the real ones. And what the Makefile
# makes of its variables, by `make -n`.
# Environment: what run.sh exports.
set -u

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../../.." && pwd)
dir=$(mktemp -d "${TMPDIR:-/tmp}/snp-bases.XXXXXX")
trap 'rm -rf "$dir"' EXIT
n=0 bad=0
# shellcheck source=/dev/null
. "$here/../ktap.sh"

# Two results of a base, one nested; with $dir/dies it ends before the second, with
# $dir/kills it takes what called it along.
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
[ ! -f "$dir/kills" ] || kill -9 "$(awk '{ print $4 }' "/proc/$PPID/stat")" "$PPID"
[ ! -f "$dir/red" ]
END
chmod +x "$dir/make"

# bases T [BASE...]
bases() {
	T=$1
	shift
	[ $# -gt 0 ] || set -- linux-7.3 linux-6.12
	rm -f "$dir/calls"
	rc=0
	T=$T RESULTS=$dir/results MAKE=$dir/make "$here/../check-bases.sh" "$@" \
		> "$dir/out" 2> "$dir/err" || rc=$?
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
rm "$dir/dies"
touch "$dir/kills"
bases rmp
[ "$rc" != 0 ] && ! grep -q '^1\.\.' "$dir/out"; result $? "so is a run without a plan"
rm "$dir/kills"

bases '' linux-7.3 linux-6.21
[ "$rc" = 2 ] && [ -z "$calls" ] &&
	grep -q "'linux-6.21'; there are: linux-6.12 linux-7.3$" "$dir/err"
result $? "a base that is not there is an error"
# In a directory that has a file such a pattern is for, too
mkdir "$dir/cwd"
touch "$dir/cwd/ir.txt"
cd "$dir/cwd" || exit
bases 'ir*'
cd "$dir" || exit
[ "$rc" = 0 ] && [ "$calls" = "linux-7.3:ir*" ]; result $? "a pattern is for tests, not for files"
bases 'irq_test,!rmp'
[ "$rc" = 0 ] && [ "$calls" = "linux-7.3:irq_test,!rmp" ]
result $? "a base is left out if only what is not wanted is there"
bases '!irq_test'
[ "$rc" = 0 ] && [ "$calls" = "linux-7.3:!irq_test
linux-6.12:!host,host,!host" ]; result $? "all but what a base has not is all"
bases '!irq_test,long'
[ "$calls" = "linux-7.3:!irq_test,long
linux-6.12:!host,host,long,!host" ]; result $? "the same, and one more"

# The Makefile, at a place where nothing is built
mkdir "$dir/top" "$dir/my project"
for d in "$dir/top" "$dir/my project"; do
	cp "$top/Makefile" "$d/"
	ln -s "$top/patches" "$top/tools" "$d/"
done
# front ARGUMENT...: what `make -n ARGUMENT...` prints; what comes before is taken for done
front() {
	rc=0
	env -i PATH="$PATH" HOME="$dir" make -n --no-print-directory -C "$dir/top" -o runner \
		-o kernel -o qemu -o qemu-vmm -o kunit -o selftests -o launch -o tools -o guest \
		"$@" > "$dir/out" 2> "$dir/err" || rc=$?
}
# refused TEXT: it says that, and does nothing
refused() { [ "$rc" = 2 ] && [ ! -s "$dir/out" ] && grep -qF -e "$1" "$dir/err"; }
selects() { [ "$rc" = 0 ] && grep -qF -e "--select $1 " "$dir/out"; }

front -C "$dir/my project" clean
refused "must have no space: '$dir/my project'"; result $? "a space in the path is refused"
front -f "$dir/my project/Makefile" clean
refused "must have no space: "; result $? "so is one in the Makefile's"
front check
[ "$rc" = 0 ] && grep -q check-bases.sh "$dir/out" && [ ! -d "$dir/top/results" ]
result $? "make -n check starts nothing"
front check BASE=foo
refused "BASE='foo'"; result $? "a BASE that is not there"
front check BASE='linux-7.3 linux-6.12'
refused "there are linux-6.12 linux-7.3"; result $? "two for one"
front check BASES='linux-7.3 linux-6.21'
refused "linux-6.21"; result $? "BASES, one of them not there"
front check DEBUG=yes
refused "DEBUG=yes: want 0 or 1"; result $? "DEBUG that is neither 0 nor 1"
front check DEBUG=1
[ "$rc" = 0 ] && grep -qF "T='!stock' " "$dir/out"
result $? "the stock tests are not for the debug kernel"
front check DEBUG=1 BASE=linux-6.12
selects "'!stock'"; result $? "the same with one base"
front check-guest DEBUG=1
selects '"guest"'; result $? "that is for make check alone"
front shell KERNEL=debian
[ "$rc" = 0 ] && ! grep -q -e --select "$dir/out"; result $? "the same of Debian's"
for t in demo check-guest check; do
	front "$t" BASE=linux-7.3 KDIR=/no/kernel
	[ "$rc" = 0 ] && grep -q "OUT=[^ ]*/build/linux-7.3/modules " "$dir/out" &&
		! grep -q -e /no/kernel -e modules-kdir "$dir/out"
	result $? "KDIR is not for make $t"
done
front modules KDIR=/no/kernel
[ "$rc" = 0 ] && grep -q 'KDIR="/no/kernel" OUT=[^ ]*/build/modules-kdir ' "$dir/out"
result $? "KDIR is for make modules"
# shellcheck disable=SC2016
front -s --eval='given: ; @+echo "$$MAKEFLAGS"' given M=ext-no-kick
[ "$rc" = 0 ] && [ -s "$dir/out" ] && ! grep -q ext-no-kick "$dir/out"
result $? "M is not for the makes below"
echo "1..$n"
exit $bad
