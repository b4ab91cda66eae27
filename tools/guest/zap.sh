#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# zap.sh ext|base VCPUS SECONDS: pages of a Linux guest go away while it runs. First those
# that it does not use, by the thousand, while its vCPUs are busy and its driver makes pages
# shared and private; nothing may happen to it. Then the VMSA of a vCPU.
# The functions are called by t() and listen().
# shellcheck disable=SC2317
# shellcheck source=tools/guest/lib.sh
. /guest/lib.sh

kind=$1 vcpus=$2 seconds=$3
# Memory that the guest's kernel leaves alone, in MiB; the one in the EFI stub, which
# chooses where the kernel goes, does not know of it
from=160 to=192

qemu_pid() { pidof qemu-system-x86_64; }

# As soon as nobody answers any more QEMU waits for somebody to look at it.
happens() {
	case $1 in
	"guest: storm begins"*)
		{
			$dir/punch "$(qemu_pid)" 320 free "$seconds" $from $to
			echo $?
		} > /tmp/free 2>&1 &
		;;
	"guest: waits to be punched"*)
		$dir/punch "$(qemu_pid)" 320 vmsa > /tmp/vmsa 2>&1
		echo $? >> /tmp/vmsa
		{ sleep 20; killall qemu-system-x86_64; } &
		;;
	esac
}

exited() { [ "$(tail -n 1 "$1")" = 0 ]; }

# fault_named: is the address in QEMU's trace of the exit that of the page?
fault_named() {
	gpa=$(sed -n 's/^VMSA at \(0x[0-9a-f]*\) .*/\1/p' /tmp/vmsa)
	[ -n "$gpa" ] && said "kvm_memory_fault start $gpa size 0x1000 flags 0x18"
}

echo "KTAP version 1"
: > "$log"
snp_qemu "$vcpus" OVMF.fd "" "console=ttyS0 panic=-1 nokaslr memmap=$((to - from))M\$${from}M \
snp.storm snp.stress=$seconds" -initrd $dir/initrd -serial stdio \
	-trace 'kvm_sev_*finish*' -trace kvm_memory_fault < /dev/null | listen

sed 's/^/# /' /tmp/free /tmp/vmsa
t "$vcpus vCPUs" said "guest: $vcpus vCPUs"
t "memory that the guest does not use is punched" exited /tmp/free
t "conversions go on meanwhile" said 'guest: storm: good'
t "interrupts, IPIs and NMIs, too" said 'guest: stress: good'
t "firmware answers the guest after that" said 'after the storm: report exits with 0'
t "the VMSA that a vCPU runs with is punched" exited /tmp/vmsa
if [ "$kind" = ext ]; then
	t "KVM_RUN ends with a memory fault at its address" fault_named
	t "QEMU says so, and stops" said 'KVM_EXIT_MEMORY_FAULT: Unknown flag 0x18'
else
	t "VMRUN fails, and QEMU says so" said 'KVM: entry failed, hardware error'
fi
t "the guest says nothing after that" test -z "$(sed '1,/waits to be punched/d' "$log" |
	grep '^guest: ')"
finish
