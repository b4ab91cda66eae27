#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# vmsa-gpa.sh ext|base QEMU: what a QEMU with patches/qemu-10.0-vmm launches with vmsa-gpa,
# and what it refuses. No guest boots here; run.sh -v does that.
# The functions are called by t().
# shellcheck disable=SC2317
# shellcheck source=tools/guest/lib.sh
. /guest/lib.sh

kind=$1 qemu=$2
gpa=0xd0000

# refused OBJECT TEXT: QEMU ends with that message
refused() {
	! launch 2 OVMF.fd "$1" "" && said "$2"
}

echo "KTAP version 1"
if [ "$kind" = base ]; then
	t "a kernel without the uAPI" refused ",vmsa-gpa=$gpa" \
		"KVM of this kernel can't place a VMSA in guest memory"
	t "the hint what to do" said 'Use a newer kernel, or leave vmsa-gpa out'
	t "without vmsa-gpa it launches" launch 1 OVMF.fd "" ""
	finish
fi

digest=$(predict OVMF.fd 1 --vmsa-gpa $gpa)
for vcpus in 1 2 4 8; do
	t "$vcpus vCPUs: the digest is that for one" \
		launch $vcpus OVMF.fd ",vmsa-gpa=$gpa$(id_block "$digest")" ""
done
t "KVM fills the page: the same digest" \
	launch 2 OVMF.fd ",vmsa-gpa=$gpa,vmsa-source=kvm$(id_block "$digest")" ""
t "the page elsewhere: firmware has another digest" refused \
	",vmsa-gpa=0xd1000$(id_block "$digest")" 'SNP_LAUNCH_FINISH .*fw_error=11 '
t "without vmsa-gpa: firmware has another digest" refused \
	"$(id_block "$digest")" 'SNP_LAUNCH_FINISH .*fw_error=11 '

t "no multiple of 4 KiB" refused ,vmsa-gpa=0xd0800 '0xd0800 is no multiple of 4 KiB'
t "a multiple of 2 MiB" refused ,vmsa-gpa=0x400000 '0x400000 is a multiple of 2 MiB'
t "zero" refused ,vmsa-gpa=0 '0x0 is a multiple of 2 MiB'
t "no number" refused ,vmsa-gpa=here "Parameter 'vmsa-gpa' expects"
t "behind the memory" refused ,vmsa-gpa=0x80001000 'No memory is mapped at address 0x80001000'
t "registers of a device" refused ,vmsa-gpa=0xfee01000 'address 0xfee01000 is not RAM'
t "the image of the firmware" refused ,vmsa-gpa=0xfffff000 'is in use: .* (Normal) is there'
t "zeroes for the firmware" refused ,vmsa-gpa=0x801000 'is in use: .* (Zero) is there'
t "the secrets page" refused ,vmsa-gpa=0x80d000 'is in use: .* (Secrets) is there'
t "the CPUID page" refused ,vmsa-gpa=0x80e000 'is in use: .* (Cpuid) is there'
t "an unknown source" refused ,vmsa-gpa=$gpa,vmsa-source=tpm "does not accept value 'tpm'"
t "a source without a place" refused ,vmsa-source=kvm 'vmsa-source=kvm has no meaning without'
finish
