#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# An unmodified kernel takes the emulated platform for an SNP host: the messages,
# the device, the parameters of kvm_amd; ccp and kvm_amd unload and load again.
n=0 bad=0
# shellcheck source=tools/vm/ktap.sh
. /vm/bin/ktap.sh

# shellcheck disable=SC2317
logged() { dmesg | grep -q "$1"; }
# shellcheck disable=SC2317
param() { [ "$(cat /sys/module/kvm_amd/parameters/"$1")" = Y ]; }
count() { dmesg | grep -c "SEV-SNP API:"; }

echo "KTAP version 1"
t "RMP table" logged 'SEV-SNP: RMP table physical range'
t "SEV-SNP API" logged 'SEV-SNP API:'
t "SNP in the IOMMU" logged 'AMD-Vi.*SNP\|SNP.*AMD-Vi\|Interrupt remapping enabled'
t "/dev/sev" test -c /dev/sev
t "sev" param sev
t "sev_es" param sev_es
t "sev_snp" param sev_snp

# The second initialisation finds what the first shutdown left.
before=$(count)
t "kvm_amd unloads" rmmod kvm_amd
t "ccp unloads" rmmod ccp
t "no /dev/sev" test ! -e /dev/sev
t "ccp loads again" insmod /vm/lib/ccp.ko
t "kvm_amd loads again" insmod /vm/lib/kvm-amd.ko
t "SEV-SNP API again" test "$(count)" -gt "$before"
t "/dev/sev again" test -c /dev/sev
t "sev_snp again" param sev_snp
echo "1..$n"
exit $bad
