#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# scope: series
# base: linux
#
# At the head, KVM as the series has it, and the selftests as its own Makefile.kvm builds
# them, pass on the emulated platform. A backport that has none runs ours.
set -eu

: "${BUILD:=$TOP/build}" "${SEABIOS:?}" "${QEMU_DATA:?}"
here=$(cd "$(dirname "$0")" && pwd)
log=$("$here/../selftests.sh")
[ "$(cat "${log%.log}.rc")" = 0 ] || { tail -n 20 "$log"; exit 1; }

changed=$(git -C "$TREE" diff --name-only base "$COMMIT" | tr '\n' ' ')
LINUX=$TREE LINUX_KEY=$COMMIT NOEXT=1 OUT=$OUT/modules SHADOW=$changed \
	"$TOP/tools/vm/build-modules.sh" > "$OUT/modules.log" 2>&1 ||
	{ tail -n 20 "$OUT/modules.log"; exit 1; }

progs=$(cat "${log%.log}.progs") posted=1
[ "$progs" != "x86/sev_smoke_test " ] ||
	progs="$progs $(cd "$TOP/selftests" && echo x86/*_test.c | sed 's/\.c//g')" posted=
cat "$TOP/tools/vm/tests" "$TOP/tools/vm/tests.$BASE" > "$OUT/tests.all"
grep '^machine ' "$OUT/tests.all" > "$OUT/tests"
for p in $progs; do
	awk -v n="${p##*/}" -v posted=$posted '
		$1 == "test" && $2 == n && ($6 == "ext" || $6 == "both") {
			if (posted && n == "sev_vmsa_hazards_test") {
				$8 = "part"
				$0 = $0 " -- as posted it knows nothing of the control device"
			}
			print
			found = 1
		}
		END { exit !found }' "$OUT/tests.all" >> "$OUT/tests" ||
		{ echo "${p##*/} is no test with the extension in tools/vm/tests or tests.$BASE"; exit 1; }
done
rc=0
RESULTS=$OUT/results BUILD=$BUILD FLAVOUR=$BASE EXT_MODULES=$OUT/modules LINUX_SRC=$LINUX \
	SELFTESTS=$OUT/selftests/bin "$TOP/tools/vm/run.sh" --tests "$OUT/tests" \
	> "$OUT/run.tap" 2> "$OUT/run.err" || rc=$?
grep -E '^(ok|not ok)|^# expected' "$OUT/run.tap"
[ $rc = 0 ] || tail -n 5 "$OUT/run.err"
exit $rc
