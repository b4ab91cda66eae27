#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# build.sh: OUT/root.cpio, what the machine needs to run an SNP guest: Debian's QEMU with
# its libraries, OVMF, Debian's kernel and an initramfs for the guest.
#
#   OUT     build directory, with report and snp-verify (see Makefile)
#   QEMU_ROOT, OVMF_ROOT, KERNEL_ROOT   unpacked packages
#   AMDSEV_ROOT   the same of ovmf-amdsev, which is of another suite; may be empty
#   DIGEST  the digest calculator
set -eu

: "${OUT:?}" "${DIGEST:?}" "${QEMU_ROOT:?}" "${OVMF_ROOT:?}" "${KERNEL_ROOT:?}"
here=$(cd "$(dirname "$0")" && pwd)
me="build-guest"

die() { echo "$me: $*" >&2; exit 1; }

kernel=$(find "$KERNEL_ROOT/boot/" -name 'vmlinuz-*-amd64' | sort | tail -n 1)
[ -n "$kernel" ] || die "no vmlinuz-*-amd64 in $KERNEL_ROOT/boot"
release=${kernel##*/vmlinuz-}
ovmf=$OVMF_ROOT/usr/share/ovmf/OVMF.fd
[ -f "$ovmf" ] || die "no $ovmf"
amdsev=${AMDSEV_ROOT:+$AMDSEV_ROOT/usr/share/ovmf/OVMF.amdsev.fd}
[ -n "$amdsev" ] || echo "$me: no ovmf-amdsev: measured direct boot can't be tested" >&2
# Unpacked as a root that runs in place, the program has a suffix.
qemu=$QEMU_ROOT/usr/bin/qemu-system-x86_64
[ ! -f "$qemu.elf" ] || qemu=$qemu.elf
lib=$QEMU_ROOT/usr/lib/x86_64-linux-gnu

key=$({ echo "$kernel $ovmf $amdsev $qemu"; cat "$here"/*.sh "$here/../vm/ktap.sh" \
	"$OUT/report" "$OUT/snp-verify" "$OUT/punch" "$DIGEST"; } | sha256sum)
[ "$(cat "$OUT/.snp-key" 2>/dev/null)" != "$key" ] || exit 0
rm -f "$OUT/.snp-key"

pack() { (cd "$1" && find . | sort | cpio -o -H newc --quiet -R 0:0) > "$2"; }

# The guest's: busybox, the driver and those that it needs.
guest=$OUT/initrd.tree
rm -rf "$guest" "$OUT/root.tree"
mkdir -p "$guest/bin" "$guest/lib" "$guest/dev" "$guest/proc" "$guest/sys"
cp "$(command -v busybox)" "$guest/bin/busybox"
ln -s busybox "$guest/bin/sh"
cp "$OUT/report" "$guest/bin/report"
cp "$here/init.sh" "$guest/init"
# add_module NAME: the module after those that it needs; lib/order has the order.
add_module() {
	[ ! -f "$guest/lib/$1.ko" ] || return 0
	# A name has either of two signs where a file has the other.
	set -- "$1" "$(find "$KERNEL_ROOT/usr/lib/modules/$release" \
		-name "$(echo "$1" | tr '_-' '??').ko.xz")"
	[ -n "$2" ] || die "no $1.ko.xz for $release"
	xz -dc "$2" > "$guest/lib/$1.ko"
	deps=$(/sbin/modinfo -F depends "$guest/lib/$1.ko")
	for d in $(echo "$deps" | tr ',' ' '); do
		add_module "$d"
	done
	echo "$1" >> "$guest/lib/order"
}
# The driver asks for gcm(aes) by name.
for m in ghash-generic gcm sev-guest; do
	add_module $m
done

# The host's: unmodified files of Debian, at their places.
root=$OUT/root.tree
mkdir -p "$root/guest" "$root/usr/bin" "$root/usr/lib/x86_64-linux-gnu" "$root/lib64" \
	"$root/usr/share/qemu"
pack "$guest" "$root/guest/initrd"
cp "$kernel" "$root/guest/vmlinuz"
cp "$ovmf" ${amdsev:+"$amdsev"} "$here"/*.sh "$here/../vm/ktap.sh" "$OUT/snp-verify" \
	"$OUT/punch" "$DIGEST" "$root/guest/"
cp "$qemu" "$root/usr/bin/qemu-system-x86_64"
cp "$QEMU_ROOT"/usr/share/qemu/kvmvapic.bin "$QEMU_ROOT"/usr/share/qemu/linuxboot_dma.bin \
	"$root/usr/share/qemu/"
cp "$lib/ld-linux-x86-64.so.2" "$root/lib64/"
# The loader itself says which libraries are needed.
"$lib/ld-linux-x86-64.so.2" --inhibit-cache --library-path "$lib" --list "$qemu" |
	awk '$2 == "=>" && $1 !~ "^/" { print $1, $3 }' > "$OUT/libs"
while read -r name file; do
	[ -f "$file" ] || die "$name, which $qemu needs, is not in $QEMU_ROOT"
	cp -L "$file" "$root/usr/lib/x86_64-linux-gnu/$name"
done < "$OUT/libs"
pack "$root" "$OUT/root.cpio.new"
mv "$OUT/root.cpio.new" "$OUT/root.cpio"
rm -rf "$root" "$guest"
echo "$key" > "$OUT/.snp-key"
