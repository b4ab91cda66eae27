#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# scope: series
# base: linux
#
# At the head, KVM as the series has it, and the selftests as its own Makefile.kvm builds
# them, pass on the emulated platform.
set -eu

: "${BUILD:=$TOP/build}" "${SEABIOS:?}" "${QEMU_DATA:?}"
changed=$(git -C "$TREE" diff --name-only base "$COMMIT")

# The whole tree, of links, with what the series changes in it.
full=$OUT/full
rm -rf "$full"
cp -rs "$LINUX" "$full"
for f in $changed; do
	mkdir -p "$full/$(dirname "$f")"
	rm -f "$full/$f"
	cp "$TREE/$f" "$full/$f"
done
log=$OUT/selftests.log
rm -rf "$OUT/selftests"
mkdir -p "$OUT/selftests/hdr"
{
	make -s -C "$full" O="$OUT/selftests/hdr" ARCH=x86 INSTALL_HDR_PATH="$OUT/selftests/usr" \
		headers_install
	# Those that the series adds, by the names that its Makefile.kvm has.
	progs=$(git -C "$TREE" diff base "$COMMIT" -- tools/testing/selftests/kvm/Makefile.kvm |
		sed -n 's/^+TEST_GEN_PROGS_x86 *+= *//p')
	[ -n "$progs" ] || { echo "Makefile.kvm builds no test of the series"; exit 1; }
	# shellcheck disable=SC2046,SC2086
	make -s -C "$full/tools/testing/selftests/kvm" ARCH=x86 OUTPUT="$OUT/selftests/bin" \
		CC="$CC" KHDR_INCLUDES="-isystem $OUT/selftests/usr/include" LDFLAGS=-static \
		-j"${JOBS:-2}" $(printf "$OUT/selftests/bin/%s " $progs)
} > "$log" 2>&1 || { tail -n 20 "$log"; exit 1; }

rm -f "$OUT/kvm/layout"
LINUX=$TREE NOEXT=1 OUT=$OUT/kvm SHADOW=$(echo "$changed" | tr '\n' ' ') "$TOP/tools/vm/build-modules.sh" \
	>> "$log" 2>&1 || { tail -n 20 "$log"; exit 1; }

: > "$OUT/tests"
grep '^machine ' "$TOP/tools/vm/tests" > "$OUT/tests"
for p in $progs x86/sev_smoke_test; do
	n=${p##*/}
	grep -E "^test +$n( |_ext )" "$TOP/tools/vm/tests" | grep -w -e ext -e both >> "$OUT/tests" ||
		{ echo "$n is in no test of tools/vm/tests"; exit 1; }
done
rc=0
RESULTS=$OUT/results BUILD=$BUILD FLAVOUR=$BASE EXT_MODULES=$OUT/kvm LINUX_SRC=$LINUX \
	SELFTESTS=$OUT/selftests/bin "$TOP/tools/vm/run.sh" --tests "$OUT/tests" \
	> "$OUT/run.tap" 2> "$OUT/run.err" || rc=$?
grep -E '^(ok|not ok)|^# expected' "$OUT/run.tap"
[ $rc = 0 ] || tail -n 5 "$OUT/run.err"
exit $rc
