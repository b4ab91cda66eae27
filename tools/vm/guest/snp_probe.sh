#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# snp_probe.sh: does this host run SEV-SNP guests, and with our modules? A line for each
# thing that is needed: what it is, what is seen, and what to do if it is not enough.
# Exit status 0 if nothing is missing. PROC, SYS, DEV (default /proc, /sys, /dev) and
# DMESG (a file instead of dmesg) are for its tests.
set -u

: "${PROC:=/proc}" "${SYS:=/sys}" "${DEV:=/dev}" "${DMESG:=}"
missing=0

log() { if [ -n "$DMESG" ]; then cat "$DMESG"; else dmesg 2>/dev/null; fi; }

# need STATUS WHAT SEEN WANTED NEXT
need() {
	if [ "$1" = 0 ]; then
		echo "ok       $2: $3"
	else
		missing=$((missing + 1))
		echo "missing  $2: $3; wanted $4; $5"
	fi
}

vendor=$(sed -n 's/^vendor_id[^:]*: //p' "$PROC/cpuinfo" | head -n 1)
model=$(sed -n 's/^model name[^:]*: //p' "$PROC/cpuinfo" | head -n 1)
[ "$vendor" = AuthenticAMD ]
need $? "CPU" "${model:-unknown} (${vendor:-unknown})" "an AMD EPYC 7003 or newer" \
	"use another machine"

flags=" $(sed -n 's/^flags[^:]*: //p' "$PROC/cpuinfo" | head -n 1) "
case $flags in *" sev_snp "*) has=0 seen="flag sev_snp" ;; *) has=1 seen="no flag sev_snp" ;; esac
need $has "SNP in the CPU, and enabled by the BIOS" "$seen" "sev_snp in /proc/cpuinfo" \
	"enable SMEE, SEV-ES ASIDs and SNP in the BIOS"

rmp=$(log | sed -n 's/.*SEV-SNP: RMP table physical range \(.*\)/\1/p' | tail -n 1)
[ -n "$rmp" ]
need $? "RMP" "${rmp:-no message of the kernel}" "memory that the BIOS reserved for the RMP" \
	"enable SNP Memory Coverage in the BIOS, and read the kernel's log as root"

iommu=$(log | grep -i -c 'SNP.*IOMMU\|IOMMU SNP\|AMD-Vi')
[ "$iommu" -gt 0 ]
need $? "IOMMU" "$iommu messages of AMD-Vi" "the AMD IOMMU, with SNP" \
	"enable the IOMMU in the BIOS; no iommu=pt or amd_iommu=off"

[ -e "$SYS/module/kvm_amd/parameters/sev_snp" ]
need $? "kernel" "$(uname -r), $([ -e "$SYS/module/kvm_amd" ] && echo kvm_amd is loaded || echo no kvm_amd)" \
	"6.11 or newer with CONFIG_KVM_AMD_SEV, kvm_amd loaded" "load ccp and kvm_amd"

api=$(log | sed -n 's/.*SEV-SNP API:\([0-9.]*\).*/\1/p' | tail -n 1)
case $api in
'') has=1 ;;
0.* | 1.[0-9] | 1.[0-4][0-9] | 1.50) has=1 ;;
*) has=0 ;;
esac
need $has "firmware" "$([ -n "$api" ] && echo "SEV-SNP API $api" || echo no message of ccp)" "SEV-SNP API 1.51 or newer" \
	"update the SEV firmware, see linux-firmware's amd/ directory"

[ -c "$DEV/sev" ] || [ -f "$DEV/sev" ]
need $? "/dev/sev" "$([ -e "$DEV/sev" ] && echo there || echo not there)" "the device of ccp" "load ccp"

param=$(cat "$SYS/module/kvm_amd/parameters/sev_snp" 2>/dev/null)
[ "$param" = Y ]
need $? "kvm_amd.sev_snp" "${param:-no such parameter}" Y \
	"load kvm_amd with sev_snp=1; the kernel's log says why it is off"

[ -w "$DEV/kvm" ]
need $? "/dev/kvm" "$([ -w "$DEV/kvm" ] && echo writable || echo not writable)" \
	"access to it" "run as root"

want=${KVM_AMD_SRCVERSION:-}
if [ -n "$want" ]; then
	have=$(cat "$SYS/module/kvm_amd/srcversion" 2>/dev/null)
	[ "$have" = "$want" ]
	need $? "our kvm-amd.ko" "srcversion ${have:-none}" "$want" \
		"make modules KDIR=/lib/modules/$(uname -r)/build; rmmod kvm_amd kvm; insmod both"
fi

[ $missing = 0 ] && exit 0
echo "$missing missing: nothing was run"
exit 1
