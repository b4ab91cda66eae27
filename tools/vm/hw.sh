#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# hw.sh TESTS...: the SNP selftests and tools on this very host, against its /dev/kvm
# and with our modules; results are labelled "hardware". TESTS are files that declare
# tests. Where something is missing, it says what, line by line, and runs nothing.
#
#   BUILD, BASE, RESULTS   as in the Makefile
#   MODULES                directory of the kvm-amd.ko that has to be loaded
#   PROC, SYS, DEV, DMESG  for its tests, as in guest/snp_probe.sh
set -eu

here=$(cd "$(dirname "$0")" && pwd)
: "${BUILD:?}" "${BASE:?}" "${RESULTS:?}" "${MODULES:=}"
run=$BUILD/vm/vm-run
progs=$BUILD/$BASE/selftests/strip

KVM_AMD_SRCVERSION=
if [ -f "$MODULES/kvm-amd.ko" ]; then
	KVM_AMD_SRCVERSION=$(/sbin/modinfo -F srcversion "$MODULES/kvm-amd.ko")
fi
export KVM_AMD_SRCVERSION
"$here/guest/snp_probe.sh" >&2 || exit 1
# The emulated platform runs the same programs, and must not pass for hardware.
for d in "${SYS:-/sys}"/bus/pci/devices/*; do
	[ "$(cat "$d/vendor" "$d/device" 2>/dev/null | tr '\n' ' ')" != "0x1234 0x5e01 " ] || {
		echo "missing  hardware: this host is the emulated platform (snp-ctl is there)" >&2
		exit 1
	}
done

rm -rf "$RESULTS.hw"
mkdir -p "$RESULTS.hw"
# What counts stale runs and pages left is the emulated platform; the programs skip it.
# Only there a CPU can be held, and firmware be told to fail: cases of the hazards skip.
awk -v selftests="$progs" -v launch="$BUILD/$BASE/launch/strip" '
	$1 == "test" && $4 == "prog" && $5 ~ /(^|,)snp/ && $6 ~ /^(ext|both)$/ && $3 ~ /^(sev|vmsa|launch)$/ {
	dir = $3 == "launch" ? launch : selftests
	if ($2 == "sev_vmsa_hazards_test")
		$8 = "part"
	line = "test " $2 " " $3 " host - - " $7 " " $8 " -"
	for (i = 10; i <= NF; i++)
		line = line " " (i == 10 ? dir "/" $i : $i)
	if ($2 == "sev_vmsa_hazards_test")
		line = line " -- no control device"
	print line
}' "$@" > "$RESULTS.hw/tests"
[ -s "$RESULTS.hw/tests" ] || { echo "hw: no tests in $*" >&2; exit 1; }

mark="snp-vm: check-hw $$"
echo "$mark" > "${DEV:-/dev}/kmsg"
rc=0
"$run" --splats "$here/splats" --results "$RESULTS.hw/results" --times '' --backend hardware \
	--title "$BASE, $(uname -r)" --tests "$RESULTS.hw/tests" || rc=$?
dmesg > "$RESULTS.hw/kernel.log"
if grep -q "$mark" "$RESULTS.hw/kernel.log"; then
	sed -i "0,/$mark/d" "$RESULTS.hw/kernel.log"
else
	echo "hw: the kernel's log does not reach back to the first test" >&2
	rc=1
fi
"$run" --splats "$here/splats" --scan "$RESULTS.hw/kernel.log" || {
	echo "hw: the kernel's log has what must not be there: $RESULTS.hw/kernel.log" >&2
	rc=1
}
exit $rc
