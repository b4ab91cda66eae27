#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# debian-kernel.sh: lay out Debian's own kernel, unmodified, as if it was built here:
# the image, its configuration, and the modules that KVM on SNP needs, and its tests.
#
#   DEBIAN  packages, as fetch.sh unpacked them    OUT  where to
set -eu

: "${DEBIAN:?unpacked packages}" "${OUT:?build directory}"

die() { echo "debian-kernel: $*" >&2; exit 1; }

key="$DEBIAN $(cksum < "$0")"
[ "$(cat "$OUT/.snp-key" 2>/dev/null)" = "$key" ] && exit 0
tree=$(echo "$DEBIAN"/usr/lib/modules/*)
release=${tree##*/}
[ -d "$tree/kernel" ] || die "want the modules of one kernel in $DEBIAN/usr/lib/modules"

# Newer packages have image and configuration beside the modules.
image=$tree/vmlinuz config=$tree/config
[ -f "$image" ] || image=$DEBIAN/boot/vmlinuz-$release config=$DEBIAN/boot/config-$release
[ -f "$image" ] || die "no vmlinuz of $release in $DEBIAN"

rm -rf "$OUT"
mkdir -p "$OUT/arch/x86/boot" "$OUT/include/config" "$OUT/modules"
ln -s "$image" "$OUT/arch/x86/boot/bzImage"
ln -s "$config" "$OUT/.config"
ln -s "$DEBIAN/usr/src/linux-headers-$release" "$OUT/headers"
echo "$release" > "$OUT/include/config/kernel.release"

todo="kvm-amd ccp hwpoison-inject"
while [ -n "$todo" ]; do
	name=${todo%% *}
	todo=$(echo "${todo#"$name"}" | sed 's/^ *//')
	[ ! -f "$OUT/modules/$name.ko" ] || continue
	file=$(find "$tree/kernel" -name "$name.ko*")
	case $file in
	*.xz) xz -dc "$file" > "$OUT/modules/$name.ko" ;;
	*.ko) cp "$file" "$OUT/modules/" ;;
	*) die "no single $name.ko or $name.ko.xz in $tree: '$file'" ;;
	esac
	deps=$(/sbin/modinfo -F depends "$OUT/modules/$name.ko")
	todo=$(echo "$todo $deps" | tr ',' ' ' | sed 's/^ *//; s/ *$//')
done
echo "$key" > "$OUT/.snp-key"
