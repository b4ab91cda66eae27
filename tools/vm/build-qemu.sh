#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# build-qemu.sh: QEMU with a series of patches/.
#
#   SERIES  qemu-10.0: it emulates the SNP platform; qemu-10.0-vmm: it is the VMM of an
#           SNP guest, on that platform or on another host
#   QEMU    pristine source tree        TOP    this project
#   FIXED   empty: that tree may change (one of the user's own)
#   TREE    where the patched copy goes OUT    build directory
#   MESON, PYCOTAP  unpacked packages   CC, JOBS, V as in the Makefile
set -eu

: "${QEMU:?source tree}" "${TOP:?}" "${TREE:?}" "${OUT:?}" "${MESON:?}" "${PYCOTAP:?}"
: "${CC:=gcc}" "${JOBS:=$(nproc)}" "${SERIES:=qemu-10.0}"
here=$(cd "$(dirname "$0")" && pwd)
name=$(basename "$OUT")
log=${LOGDIR:-$OUT}

die() { echo "build-$name: $*" >&2; exit 1; }

# The arguments are our whole files, or directories of them: OURS:THEIRS.
case $SERIES in
qemu-10.0)
	options="--enable-tcg --enable-pixman"
	set -- "$TOP/tools/platform/target-i386-snp:target/i386/snp" \
		"$TOP/tools/platform/hw-i386-snp:hw/i386/snp"
	;;
qemu-10.0-vmm)
	# It runs in a machine that has libraries of Debian's QEMU, not of this system.
	options="--enable-kvm --disable-tcg --static --without-default-devices
		--with-devices-x86_64=vmm"
	set -- "$TOP/uapi/asm/kvm_snp_vmsa.h:linux-headers/asm-x86/kvm_snp_vmsa.h" \
		"$here/qemu-vmm.mak:configs/devices/x86_64-softmmu/vmm.mak"
	;;
*) die "SERIES=$SERIES: want qemu-10.0 or qemu-10.0-vmm" ;;
esac

[ -f "$QEMU/target/i386/tcg/translate.c" ] ||
	die "QEMU=$QEMU is no QEMU source tree"

series=$(find "$TOP/patches/$SERIES" -name '*.patch' 2>/dev/null | sort)
# shellcheck disable=SC2086
key=$({ echo "$QEMU"; cat "$0" "$QEMU/VERSION" $series; } | sha256sum)

# What may differ from the copy, because the patches and our files are in it.
sed_files='s/^\(---\|+++\) [ab]\/\([^	]*\).*/\2/p'
if [ -z "${FIXED:-}" ]; then
	# shellcheck disable=SC2086
	key=$key$(cd "$QEMU" && sed -n "$sed_files" $series | sort -u |
		xargs -r sha256sum 2>/dev/null | sha256sum)
fi

# A copy of the pristine tree, once; then only what the patches touch is written,
# so that ninja compiles only what follows from an edited patch.
if [ "$(cat "$TREE/.snp-source" 2>/dev/null)" != "$QEMU" ]; then
	rm -rf "$TREE" "$TREE.new"
	mkdir -p "$(dirname "$TREE")"
	rsync -a --exclude=/.git --exclude=/build "$QEMU/" "$TREE.new/"
	echo "$QEMU" > "$TREE.new/.snp-source"
	mv "$TREE.new" "$TREE"
elif [ -z "${FIXED:-}" ]; then
	# By content, and with the time of now: ninja must see what changed.
	touch "$TREE/.snp-touched"
	{ for pair; do echo "${pair##*:}"; done; cat "$TREE/.snp-touched"; } | sed 's|^|/|' |
		rsync -rlpc --delete --exclude-from=- --exclude='/.snp-*' --exclude=/.git \
			--exclude=/build "$QEMU/" "$TREE/"
fi
if [ "$(cat "$TREE/.snp-key" 2>/dev/null)" != "$key" ]; then
	tmp=$TREE.touched
	rm -rf "$tmp"
	mkdir -p "$tmp"
	rm -f "$TREE/.snp-key"
	# shellcheck disable=SC2086
	[ -z "$series" ] || sed -n "$sed_files" $series |
		sort -u > "$tmp/.list"
	[ -n "$series" ] || : > "$tmp/.list"
	while read -r f; do
		mkdir -p "$tmp/$(dirname "$f")"
		[ ! -f "$QEMU/$f" ] || cp "$QEMU/$f" "$tmp/$f"
	done < "$tmp/.list"
	for p in $series; do
		# No fuzz: a hunk that is off must be looked at.
		patch -s -p1 -F0 --no-backup-if-mismatch -d "$tmp" < "$p" ||
			die "$p does not apply to $QEMU"
	done
	# What was touched before and is not now goes back to what it was.
	touch "$TREE/.snp-touched"
	sort -u "$tmp/.list" "$TREE/.snp-touched" | while read -r f; do
		if [ -f "$tmp/$f" ]; then
			new=$tmp/$f
		elif [ -f "$QEMU/$f" ] && ! grep -qxF "$f" "$tmp/.list"; then
			new=$QEMU/$f
		else
			rm -f "$TREE/$f"
			continue
		fi
		cmp -s "$new" "$TREE/$f" || {
			mkdir -p "$TREE/$(dirname "$f")"
			cp "$new" "$TREE/$f"
		}
	done
	mv "$tmp/.list" "$TREE/.snp-touched"
	rm -rf "$tmp"
	echo "$key" > "$TREE/.snp-key"
fi

# Our whole files. Copies, not links: an include of "../x.h" must find QEMU's. Only
# what differs is written, so that an edit costs its own compilation.
for pair; do
	ours=${pair%:*} theirs=$TREE/${pair##*:}
	if [ -f "$ours" ]; then
		cmp -s "$ours" "$theirs" || cp "$ours" "$theirs"
	fi
	[ -d "$ours" ] || continue
	[ ! -L "$theirs" ] || rm "$theirs"
	mkdir -p "$theirs"
	for f in "$theirs"/*; do
		[ -f "$ours/$(basename "$f")" ] || rm -f "$f"
	done
	for f in "$ours"/*; do
		cmp -s "$f" "$theirs/$(basename "$f")" || cp "$f" "$theirs/"
	done
done

# QEMU wants meson 1.5; bookworm's is older. A virtual environment that sees
# the unpacked packages serves, and nothing is installed.
py=$OUT.python
mkdir -p "$log"
if [ ! -x "$py/bin/meson" ] || [ "$(cat "$py/.snp-key" 2>/dev/null)" != "$MESON $PYCOTAP" ]; then
	rm -rf "$py"
	/usr/bin/python3 -m venv "$py" > "$log/$name-python.log" 2>&1 ||
		die "no virtual environment (python3-venv?); see $log/$name-python.log"
	site=$("$py/bin/python3" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
	cp -r "$MESON"/usr/lib/python3/dist-packages/* "$site/"
	cp -r "$PYCOTAP"/usr/lib/python3/dist-packages/* "$site/"
	cp "$MESON/usr/bin/meson" "$py/bin/meson"
	sed -i "1s|.*|#!$py/bin/python3|" "$py/bin/meson"
	chmod +x "$py/bin/meson"
	echo "$MESON $PYCOTAP" > "$py/.snp-key"
fi

options="--target-list=x86_64-softmmu --disable-docs --disable-user --disable-tools
	--disable-guest-agent --without-default-features $options
	--disable-install-blobs --disable-werror --disable-download
	--enable-trace-backends=log"
config="$TREE $CC $MESON $options"
# ninja goes by time, and files of another tree may be older than what was built.
[ -n "${FIXED:-}" ] || config="$config $QEMU"
if [ "$(cat "$OUT/.snp-config" 2>/dev/null)" != "$config" ]; then
	rm -rf "$OUT"
	mkdir -p "$OUT"
	# A python of the user's own may come first in PATH.
	# shellcheck disable=SC2016,SC2086
	"$here/step.sh" "$name configure" "$log/$name-configure.log" 250 \
		env PATH=/usr/bin:/bin sh -c 'cd "$1" && shift && "$@"' sh "$OUT" \
		"$TREE/configure" --python="$py/bin/python3" --cc="$CC" --host-cc="$CC" $options
	echo "$config" > "$OUT/.snp-config"
fi
"$here/step.sh" "$name" "$log/$name.log" 0 ninja -C "$OUT" -j "$JOBS" qemu-system-x86_64
