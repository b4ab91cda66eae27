#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# run.sh [-k | -v QEMU SOURCE] VCPUS [WORDS]: in the machine, start Debian's kernel as an
# SNP guest with Debian's QEMU and OVMF, and judge it. KTAP on stdout; "#" lines are what
# the guest said and when, in seconds of the machine's clock. -k: by measured direct boot,
# with OVMF's AmdSev build. -v: by another QEMU, with vmsa-gpa and vmsa-source. WORDS are
# added to the guest's kernel command line: snp.stress=SECONDS, snp.shell (see init.sh).
# shellcheck source=tools/guest/lib.sh
. /guest/lib.sh

firmware=OVMF.fd gpa=0xd0000 object="" kind=$1
case $kind in
-k)
	needs_hashes
	firmware=OVMF.amdsev.fd object=,kernel-hashes=on
	shift
	;;
-v)
	qemu=$2 object=,vmsa-gpa=$gpa,vmsa-source=$3
	shift 3
	;;
esac
vcpus=${1:?number of vCPUs}
shift
append="console=ttyS0 panic=-1 $*"

# How many VMSAs are measured, and what beside the firmware, for snp-digest
case $kind in
-k) set -- "$vcpus" --kernel $dir/vmlinuz --initrd $dir/initrd --append "$append" ;;
# APs add nothing: one vCPU, whatever their number
-v) set -- 1 --vmsa-gpa $gpa ;;
*) set -- "$vcpus" ;;
esac

echo "KTAP version 1"
: > "$log"
snp_qemu "$vcpus" $firmware "$object,host-data=$(printf 'host data of the emulated guest.' |
	base64)" "$append" -initrd $dir/initrd -serial stdio -trace 'kvm_sev_*finish*' \
	< /dev/null | listen

t "the firmware and the kernel see SEV-SNP" \
	said 'Memory Encryption Features active: AMD SEV SEV-ES SEV-SNP'
t "$vcpus vCPUs" said "guest: $vcpus vCPUs"
t "a shell" said 'guest: a shell'
t "the sev-guest driver" said 'Initialized SEV guest driver'
t "requests to the firmware" said 'guest: report exits with 0'
t "a report by configfs-tsm" said 'guest: configfs-tsm: sev_guest'
t "shutdown" said 'guest: end'
t "no complaint of the guest's kernel" said 'guest: no complaint of the kernel'
case $append in
*snp.stress=*)
	t "interrupts, IPIs and NMIs under load" said 'guest: stress: good'
	;;
esac

sed -n 's/^# report //p' "$log" > /tmp/report
t "the report is signed by the platform's key" \
	sh -c "$dir/snp-verify /tmp/report > /tmp/verify 2>&1"
sed 's/^/# /' /tmp/verify
predicted=$(predict $firmware "$@")
echo "# predicted    $predicted"
t "the digest is the predicted one" \
	test "$(sed -n 's/^measurement *//p' /tmp/verify)" = "$predicted"
finish
