#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What snp_probe.sh says of hosts: one that has all, and those that lack one thing each.
# What hw.sh makes of tests on the first. Environment: what run.sh exports.
set -u

vm=$(cd "$(dirname "$0")/.." && pwd)
tmp=$(mktemp -d "${TMPDIR:-/tmp}/snp-hw.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
n=0 bad=0
# shellcheck source=/dev/null
. "$vm/ktap.sh"

host() {
	rm -rf "$tmp/h"
	mkdir -p "$tmp/h/proc" "$tmp/h/sys/module/kvm_amd/parameters" "$tmp/h/dev"
	printf 'vendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC 7713\nflags\t\t: fpu sev sev_es sev_snp\n' \
		> "$tmp/h/proc/cpuinfo"
	echo Y > "$tmp/h/sys/module/kvm_amd/parameters/sev_snp"
	echo ABCDEF > "$tmp/h/sys/module/kvm_amd/srcversion"
	touch "$tmp/h/dev/sev" "$tmp/h/dev/kvm" "$tmp/h/dev/kmsg"
	cat > "$tmp/h/log" <<-END
	SEV-SNP: RMP table physical range [0x1000 - 0x2000]
	AMD-Vi: IOMMU SNP support enabled.
	ccp 0000:22:00.1: SEV-SNP API:1.55 build:8
	END
}

# probe WHAT STATUS PATTERN: of the host that was set up
probe() {
	PROC=$tmp/h/proc SYS=$tmp/h/sys DEV=$tmp/h/dev DMESG=$tmp/h/log KVM_AMD_SRCVERSION=ABCDEF \
		"$vm/guest/snp_probe.sh" > "$tmp/out" 2>&1
	[ $? = "$2" ] && grep -q "$3" "$tmp/out" &&
		{ [ "$2" = 0 ] || grep -q '^1 missing: nothing was run$' "$tmp/out"; }
	rc=$?
	[ $rc = 0 ] || sed 's/^/# /' "$tmp/out"
	result $rc "$1"
}

# hw WHAT STATUS PATTERN: of two tests as they are declared, of which $hazards and $other
# are programs for the shell
hw() {
	strip=$tmp/build/base/selftests/strip/x86
	rm -rf "$tmp/build" "$tmp/results"*
	mkdir -p "$strip" "$tmp/bin"
	ln -s "$BUILD/vm" "$tmp/build/vm"
	printf '#!/bin/sh\n%s\n' "$hazards" > "$strip/sev_vmsa_hazards_test"
	printf '#!/bin/sh\n%s\n' "$other" > "$strip/sev_vmsa_test"
	# shellcheck disable=SC2016
	printf '#!/bin/sh\ncat "$DEV/kmsg"\n' > "$tmp/bin/dmesg"
	chmod +x "$strip"/* "$tmp/bin/dmesg"
	# The third is one for a machine without SNP, and has no program here.
	grep -E '^test sev_vmsa(_test|_hazards_test|_errno_off) ' "$vm/tests" > "$tmp/tests"
	PROC=$tmp/h/proc SYS=$tmp/h/sys DEV=$tmp/h/dev DMESG=$tmp/h/log PATH=$tmp/bin:$PATH \
		BUILD=$tmp/build BASE=base MODULES='' RESULTS=$tmp/results \
		"$vm/hw.sh" "$tmp/tests" > "$tmp/out" 2>&1
	[ $? = "$2" ] && grep -q "$3" "$tmp/out"
	rc=$?
	[ $rc = 0 ] || sed 's/^/# /' "$tmp/out"
	result $rc "$1"
}

echo "KTAP version 1"
host
probe "a host with all" 0 '^ok       firmware: SEV-SNP API 1.55$'
sed -i 's/AuthenticAMD/GenuineIntel/' "$tmp/h/proc/cpuinfo"
probe "another vendor" 1 '^missing  CPU: .*GenuineIntel'
host
sed -i 's/ sev_snp//' "$tmp/h/proc/cpuinfo"
probe "SNP is off" 1 '^missing  SNP in the CPU'
host
sed -i '/RMP/d' "$tmp/h/log"
probe "no RMP" 1 '^missing  RMP: no message'
host
sed -i '/AMD-Vi/d' "$tmp/h/log"
probe "no IOMMU" 1 '^missing  IOMMU'
host
sed -i 's/API:1.55/API:1.50/' "$tmp/h/log"
probe "old firmware" 1 '^missing  firmware: SEV-SNP API 1.50; wanted SEV-SNP API 1.51'
host
rm "$tmp/h/dev/sev"
probe "no /dev/sev" 1 '^missing  /dev/sev: not there'
host
echo N > "$tmp/h/sys/module/kvm_amd/parameters/sev_snp"
probe "the parameter is off" 1 '^missing  kvm_amd.sev_snp: N; wanted Y'
host
rm "$tmp/h/dev/kvm"
probe "no access to /dev/kvm" 1 '^missing  /dev/kvm: not writable'
host
echo 123456 > "$tmp/h/sys/module/kvm_amd/srcversion"
probe "another kvm-amd.ko" 1 "^missing  our kvm-amd.ko: srcversion 123456; wanted ABCDEF"

host
part="printf '1..2\nok 1\nok 2 # SKIP no control device\n'" all="echo '1..0 # SKIP no SNP'; exit 4"
hazards=$part other=true
hw "a part of the hazards is for the emulated platform" 0 \
	'^ok . sev_vmsa_hazards_test .*# SKIP 1 of 2 subtests: no control device'
hazards=$all
hw "all of them are not" 1 '^not ok . sev_vmsa_hazards_test .* skip: no SNP'
hazards=$part other=$part
hw "nor is a part of another test" 1 '^not ok . sev_vmsa_test .* part: 1 of 2'
# shellcheck disable=SC2016
other='echo "BUG: unable to handle page fault" >> "$DEV/kmsg"'
hw "a splat in the kernel's log" 1 "^hw: the kernel's log has what must not be there"
# shellcheck disable=SC2016
other=': > "$DEV/kmsg"'
hw "a kernel's log that lost its begin" 1 '^hw: .* does not reach back'
mkdir -p "$tmp/h/sys/bus/pci/devices/1"
echo 0x1234 > "$tmp/h/sys/bus/pci/devices/1/vendor"
echo 0x5e01 > "$tmp/h/sys/bus/pci/devices/1/device"
hw "the emulated platform is no hardware" 1 '^missing  hardware: '
echo "1..$n"
exit $bad
