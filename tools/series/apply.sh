#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# apply.sh [-p] TREE PATCH [WHAT...]: one line of patches/$BASE/series onto TREE, a kernel
# tree, or a copy of its KVM with arch/x86/kvm in its place.
#
#   PATCH    its hunks; those for files that TREE has no directory for are left out
#   FILE     a plain file of this project that comes with it (with -p; those who build
#            copy them all anyway). A meson.build lists those of its files that are there:
#            it comes again, after each that is added.
#   move=FROM:TO:FUNCTION,...   functions go from arch/x86/kvm/FROM to the new file
#            arch/x86/kvm/TO, whose head is that of the plain file kernel/TO; "+FUNCTION"
#            is not static there. Pure movement is thus generated, and stored nowhere.
#
# Environment: TOP, BASE. Exit status 0, or 1 with a message.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tools/series/lib.sh
. "$here/lib.sh"

plain=
[ "$1" != -p ] || { plain=1; shift; }
tree=$1 patch=$PATCHES/$2
shift 2
[ -f "$patch" ] || die "no $patch"

set -f
exclude=
for d in Documentation tools; do
	[ -d "$tree/$d" ] || exclude="$exclude --exclude=$d/*"
done
# No fuzz, and no repository above TREE.
# shellcheck disable=SC2086
(cd "$tree" && GIT_CEILING_DIRECTORIES=$(dirname "$tree") git apply --allow-empty \
	$exclude -p1 "$patch" < /dev/null) || die "$patch does not apply to $tree"
set +f

# The plain file's own head, without headers that come with a later patch.
head_of() {
	awk '{ line[NR] = $0 } /^#include/ { last = NR }
		END { for (i = 1; i <= last; i++) print line[i] }' "$1" |
		while IFS= read -r line; do
			case $line in
			'#include <asm/'*)
				h=${line#*<}
				h=${h%>*}
				[ -f "$tree/arch/x86/include/$h" ] ||
					[ -f "$tree/arch/x86/include/uapi/$h" ] ||
					[ -f "${LINUX:-}/arch/x86/include/$h" ] ||
					[ -f "${LINUX:-}/arch/x86/include/uapi/$h" ] || continue
				;;
			esac
			printf '%s\n' "$line"
		done
	echo
}

for what; do
	case $what in
	move=*)
		what=${what#move=}
		from=${what%%:*} names=${what##*:} to=${what#*:}
		to=${to%:*}
		kvm=$tree/arch/x86/kvm
		[ ! -e "$kvm/$to" ] || die "move to $to, which exists already"
		[ -f "$TOP/kernel/$to" ] || die "no plain file 'kernel/$to', for the head of $to"
		{
			head_of "$TOP/kernel/$to" &&
				awk -v mode=take -v names="$names" -f "$here/move.awk" "$kvm/$from"
		} > "$kvm/$to.tmp" || die "cannot move $names out of $from"
		awk -v mode=keep -v names="$names" -f "$here/move.awk" "$kvm/$from" \
			> "$kvm/$from.tmp" || die "cannot take $names out of $from"
		# The last function ends the file.
		sed '$ { /^$/d }' "$kvm/$to.tmp" > "$kvm/$to"
		rm "$kvm/$to.tmp"
		cat "$kvm/$from.tmp" > "$kvm/$from"
		rm "$kvm/$from.tmp"
		;;
	*)
		[ -n "$plain" ] || continue
		dest=$(destination "$what")
		[ -f "$TOP/$what" ] || die "no plain file '$what'"
		mkdir -p "$tree/$(dirname "$dest")"
		case $dest in
		*/meson.build) awk -v dir="$tree/$(dirname "$dest")" -f "$here/meson.awk" \
			"$TOP/$what" > "$tree/$dest" ;;
		*) cp "$TOP/$what" "$tree/$dest" ;;
		esac
		;;
	esac
done
