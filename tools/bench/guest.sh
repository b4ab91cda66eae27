#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# guest.sh KIND: in the machine, boot Debian's kernel by Debian's QEMU and OVMF, as an
# ordinary guest or as an SNP guest. From the start of QEMU to the first program of the
# guest, by the machine's clock. One guest for one machine: memory in which another has
# run is slower to clear, as the emulator has translated what was in it.
# shellcheck source=tools/guest/lib.sh
. /guest/lib.sh

kind=${1:?ordinary or SNP}
append="console=ttyS0 panic=-1 quiet"

case $kind in
ordinary) guest() { any_qemu 1 OVMF.fd "$append" "" "$@"; } ;;
SNP) guest() { snp_qemu 1 OVMF.fd "" "$append" "$@"; } ;;
*)
	echo "guest.sh: '$kind': want ordinary or SNP" >&2
	exit 1
	;;
esac

# The guest goes on to tell what it is; what else it does is not waited for.
start=$(now)
rm -f /tmp/up
guest -initrd $dir/initrd -serial stdio < /dev/null |
	while IFS= read -r line; do
		echo "$line"
		case $line in
		*"guest: up"*) now > /tmp/up ;;
		*"guest: "*" vCPUs"*) killall qemu-system-x86_64 ;;
		esac
	done > "$log"
echo "KTAP version 1"
t "the $kind guest boots" test -s /tmp/up
[ ! -s /tmp/up ] || echo "$start $(cat /tmp/up)" |
	awk -v kind="$kind" '{ printf "# bench: %s guest: %.2f s\n", kind, $2 - $1 }'
t "Linux says so, too" test "$kind" = "$(
	grep -q 'Memory Encryption Features active: AMD SEV SEV-ES SEV-SNP' "$log" &&
		echo SNP || echo ordinary)"
finish
