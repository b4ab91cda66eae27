#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# mutants.sh [NAME...]: for each tools/mutants/NAME.patch apply it to a copy of the
# project, build, run the test that it names: the test must turn red. A mutant that
# no longer applies, no longer builds or stays green fails. All that a mutant is built
# into is in $BUILD/mutants, QEMU too: a run beside this one is not disturbed.
#
#   BUILD, FLAVOUR, LINUX_SRC, QEMU_SRC, MESON, PYCOTAP, SEABIOS, QEMU_DATA, JOBS
#   FIXED_LINUX, FIXED_QEMU  FIXED of the scripts that build
set -eu

vm=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$vm/../.." && pwd)
: "${BUILD:?}" "${FLAVOUR:?}" "${LINUX_SRC:?}" "${QEMU_SRC:?}"
work=$BUILD/mutants
copy=$work/top
LOGDIR=$work/log
export LOGDIR
mkdir -p "$work/log" "$work/results"

files="Kbuild kernel uapi patches tools/platform"
n=0 bad=0
# shellcheck source=/dev/null
. "$vm/ktap.sh"

[ $# -gt 0 ] || {
	cd "$top/tools/mutants"
	for p in *.patch; do set -- "$@" "${p%.patch}"; done
	cd "$top"
}

# Without a name the runner would run all tests.
for m in "$@"; do
	[ -f "$top/tools/mutants/$m.patch" ] || {
		echo "mutants: no '$m'; there are:" >&2
		(cd "$top/tools/mutants" && ls -- *.patch) | sed 's/\.patch$//' >&2
		exit 2
	}
	grep -q '^Test: *[^ ]' "$top/tools/mutants/$m.patch" || {
		echo "mutants: $m.patch names no test: 'Test: NAME'" >&2
		exit 2
	}
done

# The unmodified files, and only those that differ: builds stay short.
restore() {
	mkdir -p "$copy/tools"
	for f in $files; do
		rsync -a --checksum --delete "$top/$f" "$copy/$(dirname "$f")/"
	done
	rsync -a --checksum --delete "$vm" "$top/tools/series" "$copy/tools/"
}

build_modules() {
	FIXED=${FIXED_LINUX:-} LINUX=$LINUX_SRC KDIR=$BUILD/$FLAVOUR/kernel OUT=$work/modules TOP=$copy \
		"$copy/tools/vm/modules.sh"
}

build_qemu() {
	FIXED=${FIXED_QEMU:-} QEMU=$QEMU_SRC TREE=$work/qemu-src OUT=$work/qemu TOP=$copy \
		"$vm/build-qemu.sh"
}

# mutant NAME: prints why it fails
mutant() {
	patch=$top/tools/mutants/$1.patch
	log=$LOGDIR/$1.log
	test=$(sed -n 's/^Test: *//p' "$patch" | head -n 1)
	restore
	patch -s -p1 -F0 --no-backup-if-mismatch -d "$copy" < "$patch" > "$log" 2>&1 ||
		{ echo "does not apply; see $log"; return 1; }
	qemu=$BUILD/qemu/qemu-system-x86_64
	ext=$BUILD/$FLAVOUR/modules
	if grep -q '^+++ b/\(kernel\|uapi\|Kbuild\|patches/linux\)' "$patch"; then
		build_modules >> "$log" 2>&1 || { echo "does not build; see $log"; return 1; }
		ext=$work/modules
	fi
	if grep -q '^+++ b/\(tools/platform/[th][aw][^/]*-i386-snp\|patches/qemu\)' "$patch"; then
		build_qemu >> "$log" 2>&1 || { echo "does not build; see $log"; return 1; }
		qemu=$work/qemu/qemu-system-x86_64
	fi
	# A restored file is older than what was made of the mutant.
	rm -rf "$work/host"
	run_rc=0
	RESULTS=$work/results/$1 EXT_MODULES=$ext QEMU_BIN=$qemu HOST_BUILD=$work/host \
		"$copy/tools/vm/run.sh" --tests "$vm/tests" --times '' --select "$test" \
		> "$log.tap" 2>> "$log" || run_rc=$?
	case $run_rc in
	1)
		# Red because of the test, not because the machine was never there.
		grep -q '^not ok.*# \(lost: machine-.*did not boot\|fail: .* is not built\)' \
			"$log.tap" && { echo "$test could not run; see $log.tap"; return 1; }
		sed -n 's/^not ok [0-9]* [^#]*# //p' "$log.tap" | head -n 1 > "$log.why"
		return 0
		;;
	0) echo "$test stays green; see $log.tap" ;;
	*) echo "the runner failed ($run_rc); see $log" ;;
	esac
	return 1
}

echo "KTAP version 1"
# A mutant proves nothing when its test is red anyway.
green=
for m in "$@"; do
	t=$(sed -n 's/^Test: *//p' "$top/tools/mutants/$m.patch" | head -n 1)
	case ",$green," in
	*",$t,"*) ;;
	*) green=$green${green:+,}$t ;;
	esac
done
rc=0
RESULTS=$work/results/none "$vm/run.sh" --tests "$vm/tests" --times '' --select "$green" \
	> "$LOGDIR/none.tap" 2> "$LOGDIR/none.log" || rc=$?
result $rc "without a mutant: $green"
[ $rc = 0 ] || grep '^not ok' "$LOGDIR/none.tap" | sed 's/^/# /'

total=$#
for m in "$@"; do
	start=$(date +%s)
	rc=0
	mutant "$m" > "$LOGDIR/why" || rc=$?
	why=$(cat "$LOGDIR/why")
	if [ $rc = 0 ]; then
		result 0 "$m ($test: $(cat "$LOGDIR/$m.log.why"))"
	else
		result 1 "$m # $why"
	fi
	echo "[$((n - 1))/$total] $m: $([ $rc = 0 ] && echo caught || echo "RED $why")," \
		"$(($(date +%s) - start)) s" >&2
done
echo "1..$n"
exit $bad
