#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# guest.sh KIND: in the machine, boot Debian's kernel by Debian's QEMU and OVMF, as an
# ordinary guest or as an SNP guest. From the start of QEMU to the first program of the
# guest, by the machine's clock. One guest for one machine: memory in which another has
# run is slower to clear, as the emulator has translated what was in it.
kind=${1:?ordinary or SNP}
dir=/guest
n=0 bad=0 shown=/tmp/guest.tail
# shellcheck source=tools/vm/ktap.sh
. /vm/bin/ktap.sh

now() { cut -d' ' -f1 /proc/uptime; }

case $kind in
ordinary) set -- -machine q35,memory-backend=ram0 ;;
SNP)
	set -- -machine q35,confidential-guest-support=sev0,memory-backend=ram0 \
		-object sev-snp-guest,id=sev0,cbitpos=51,reduced-phys-bits=5,policy=0x30000
	;;
*)
	echo "guest.sh: '$kind': want ordinary or SNP" >&2
	exit 1
	;;
esac

# The guest goes on to tell what it is; what else it does is not waited for.
start=$(now)
rm -f /tmp/up
qemu-system-x86_64 -enable-kvm -cpu EPYC-v4 -smp 1 -m 320 \
	-object memory-backend-memfd,id=ram0,size=320M,share=true "$@" \
	-bios $dir/OVMF.fd -kernel $dir/vmlinuz -initrd $dir/initrd \
	-append "console=ttyS0 panic=-1 quiet" -nodefaults -display none -no-user-config \
	-no-reboot -serial stdio < /dev/null 2>&1 |
	while IFS= read -r line; do
		echo "$line"
		case $line in
		*"guest: up"*) now > /tmp/up ;;
		*"guest: "*" vCPUs"*) killall qemu-system-x86_64 ;;
		esac
	done > /tmp/guest.log
tail -n 20 /tmp/guest.log > $shown
echo "KTAP version 1"
t "the $kind guest boots" test -s /tmp/up
[ ! -s /tmp/up ] || echo "$start $(cat /tmp/up)" |
	awk -v kind="$kind" '{ printf "# bench: %s guest: %.2f s\n", kind, $2 - $1 }'
t "Linux says so, too" test "$kind" = "$(
	grep -q 'Memory Encryption Features active: AMD SEV SEV-ES SEV-SNP' /tmp/guest.log &&
		echo SNP || echo ordinary)"
echo "1..$n"
exit $bad
