# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# What the scripts of this directory share; sourced by them. Environment: TOP, BASE.

: "${TOP:?}" "${BASE:?}"
PATCHES=$TOP/patches/$BASE

die() { echo "${0##*/}: $*" >&2; exit 1; }

# Where a plain file of this project stands in the kernel's tree.
destination() {
	case $1 in
	kernel/svm/*) echo "arch/x86/kvm/${1#kernel/}" ;;
	uapi/asm/*) echo "arch/x86/include/$1" ;;
	selftests/*) echo "tools/testing/selftests/kvm/${1#selftests/}" ;;
	*) die "'$1' is no plain file of kernel/svm/, uapi/asm/ or selftests/" ;;
	esac
}

# Every plain file that has to be in the series, by its name here: all but those that a
# line "-PATTERN REASON" of the base's series leaves out.
plain_files() {
	(cd "$TOP" && find kernel/svm uapi/asm selftests/x86 selftests/lib selftests/include \
		-type f -name '*.[ch]' | sort) | while read -r f; do
		awk -v f="$f" '/^-/ { p = substr($1, 2); if (index(f, p) == 1 && NF > 1) out = 1 }
			END { exit !out }' "$PATCHES/series" || echo "$f"
	done
}

# "PATCH WHAT..." for each commit, in order
series_lines() {
	[ -f "$PATCHES/series" ] ||
		die "no $PATCHES/series: it says in which order, and what comes with each patch"
	sed '/^[#-]/d; /^$/d' "$PATCHES/series"
}
