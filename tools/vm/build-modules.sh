#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Build kvm.ko and kvm-amd.ko with the extension, out of tree.
#
# Takes in the environment:
#   LINUX  source tree of the base (read only)
#   KDIR   build directory or installed headers of the kernel that will load them
#   OUT    where to build; result is $OUT/kvm.ko and $OUT/kvm-amd.ko
#   BASE   names patches/$BASE (default linux-7.3)
#   CC     compiler (default gcc), JOBS (default nproc), V=1 for commands
#   LINUX_KEY  another when LINUX has changed
#   NOEXT=1 builds the base's own KVM the same way, without the extension
#   UPTO=NNNN builds it with the patches up to that number, and no file of ours
#   SHADOW names headers of LINUX that KDIR has otherwise; KARGS goes to kbuild
# Exits non-zero, and leaves no stale module behind, on any failure.
set -eu

TOP=$(cd "$(dirname "$0")/../.." && pwd)
: "${BASE:=linux-7.3}" "${CC:=gcc}" "${JOBS:=$(nproc)}" "${V:=0}" "${NOEXT:=}" "${UPTO:=}" "${SHADOW:=}" "${KARGS:=}"
: "${LINUX:?source tree of the base}" "${KDIR:?kernel build or headers}" "${OUT:?}"
export TOP BASE
# shellcheck source=tools/series/lib.sh
. "$TOP/tools/series/lib.sh"

rm -f "$OUT"/*.ko
[ -f "$LINUX/arch/x86/kvm/svm/sev.c" ] ||
	die "LINUX=$LINUX has no arch/x86/kvm/svm/sev.c; want an unpacked kernel source"
[ -f "$KDIR/Module.symvers" ] ||
	die "KDIR=$KDIR has no Module.symvers; want a kernel that was built, or its headers package"
[ -f "$PATCHES/series" ] ||
	die "no patches for BASE=$BASE; known: $(cd "$TOP/patches" && echo linux-*)"

# A module of one series would be built, and not load, in a kernel of another.
series=$(sed -n 's/^\(VERSION\|PATCHLEVEL\) = //p' "$LINUX/Makefile" | paste -sd. -)
release=$(cat "$KDIR/include/config/kernel.release")
case $release in
"$series" | "$series"[!0-9]*) ;;
*) die "KDIR=$KDIR is of a kernel $release, LINUX=$LINUX of series $series;" \
	"want BASE= of the same series, one of: $(cd "$TOP/patches" && echo linux-*)" ;;
esac

# Without SEV kbuild leaves the extension out, and says nothing.
auto=$KDIR/include/config/auto.conf
[ -f "$auto" ] || die "no $auto; want a kernel that was configured, or its headers package"
for want in CONFIG_KVM=m CONFIG_KVM_AMD=m CONFIG_KVM_AMD_SEV=y; do
	has=$(grep "^${want%=*}=" "$auto" || :)
	[ "$has" = "$want" ] || die "KDIR=$KDIR has ${has:-no ${want%=*}}, want $want:" \
		"the modules take the place of modules of that kernel, with SEV;" \
		"configure it so, build and boot it"
done

# What is applied, as series_lines() and as files.
lines() {
	[ -n "$NOEXT" ] || series_lines | sed "${UPTO:+/^$UPTO-/q}"
}
patches() { lines | sed "s|^|$PATCHES/|; s|\.patch .*|.patch|"; }
[ -z "$UPTO" ] || lines | grep -q "^$UPTO-" ||
	die "UPTO=$UPTO: $PATCHES/series has no such patch"

# plain TREE: our plain files, copied only when they differ, so that make sees what changed
plain() {
	for f in $([ -n "$NOEXT$UPTO" ] || (cd "$TOP" && echo kernel/svm/*.[ch] uapi/asm/*.h)); do
		put "$TOP/$f" "$1/$(destination "$f")"
	done
	put "$TOP/Kbuild" "$1/arch/x86/kvm/Kbuild"
}
put() {
	mkdir -p "$(dirname "$2")"
	cmp -s "$1" "$2" || cp "$1" "$2"
}

# Lay out the base anew when a patch or the base itself changed. Another compiler, or
# another configuration whose files are older than the objects, kbuild does not notice.
with=$({ cat "$auto"; $CC --version; } | sha256sum)
key=$({ echo "$LINUX $KDIR $with $SHADOW${LINUX_KEY:+ $LINUX_KEY}"
	cat "$LINUX/Makefile" "$0" "$TOP/tools/series/apply.sh" "$TOP/tools/series/lib.sh" \
		"$TOP/tools/series/move.awk"
	lines
	patches | tr '\n' '\0' | xargs -0 -r cat; } | sha256sum)
src=$OUT/src
if [ "$(cat "$OUT/layout" 2>/dev/null)" != "$key" ]; then
	rm -rf "$src.new"
	rm -f "$OUT/layout"
	# W=1 wants each directory that is searched for headers to exist.
	mkdir -p "$src.new/arch/x86/include/uapi" "$src.new/include/uapi" "$src.new/virt"
	cp -a "$LINUX/arch/x86/kvm" "$src.new/arch/x86/"
	cp -a "$LINUX/virt/kvm" "$src.new/virt/"
	# Headers elsewhere in the tree are copied when a patch names them.
	{
		patches | tr '\n' '\0' | xargs -0 -r sed -n 's|^+++ b/||p'
		printf '%s\n' "$SHADOW" | tr ' ' '\n'
	} | sort -u | grep -e '^include/' -e '^arch/x86/include/' > "$OUT/shadow.new" || :
	while read -r f; do
		mkdir -p "$src.new/$(dirname "$f")"
		[ ! -f "$LINUX/$f" ] || cp -a "$LINUX/$f" "$src.new/$f"
	done < "$OUT/shadow.new"
	chmod -R u+w "$src.new"
	lines | while read -r patch what; do
		# shellcheck disable=SC2086
		"$TOP/tools/series/apply.sh" "$src.new" "$patch" $what ||
			die "is BASE=$BASE right for $LINUX?"
	done
	# The modules are built where kbuild's srctree is another tree.
	# shellcheck disable=SC2016
	sed -i 's/\$(srctree)/$(kvm-srctree)/g' "$src.new/arch/x86/kvm/Makefile"
	# A relative path would find the trace.h of the tree in KDIR.
	sed -i 's|^#define TRACE_INCLUDE_PATH .*arch/x86/kvm$|#define TRACE_INCLUDE_PATH .|' \
		"$src.new/arch/x86/kvm/trace.h"
	plain "$src.new"
	# No object knows of a header that comes before the one it was built with.
	{ echo "$LINUX $KDIR $with"; cat "$OUT/shadow.new"; } > "$OUT/of.new"
	cmp -s "$OUT/of" "$OUT/of.new" || rm -rf "$src"
	mkdir -p "$src"
	rsync -rl --checksum --delete --exclude='.*' --exclude='*.o' --exclude='*.ko' \
		--exclude='*.mod' --exclude='*.mod.c' --exclude=modules.order \
		--exclude=Module.symvers --exclude='kvm-asm-offsets.[hs]' "$src.new/" "$src/"
	rm -rf "$src.new" "$OUT/shadow.new"
	mv "$OUT/of.new" "$OUT/of"
	echo "$key" > "$OUT/layout"
fi

plain "$src"

# shellcheck disable=SC2086
make -C "$KDIR" M="$src/arch/x86/kvm" CC="$CC" V="$V" -j"$JOBS" $KARGS modules
cp "$src/arch/x86/kvm/kvm.ko" "$src/arch/x86/kvm/kvm-amd.ko" "$OUT/"
