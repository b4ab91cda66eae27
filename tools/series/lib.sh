# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# What the scripts of this directory share; sourced by them. Environment: TOP, BASE.

: "${TOP:?}" "${BASE:?}"
PATCHES=$TOP/patches/$BASE

die() { echo "${0##*/}: $*" >&2; exit 1; }

# Where a plain file of this project stands in the tree of BASE.
destination() {
	case $1 in
	kernel/svm/*) echo "arch/x86/kvm/${1#kernel/}" ;;
	uapi/asm/*)
		case $BASE in
		qemu-*) echo "linux-headers/asm-x86/${1##*/}" ;;
		*) echo "arch/x86/include/$1" ;;
		esac
		;;
	selftests/*) echo "tools/testing/selftests/kvm/${1#selftests/}" ;;
	tools/platform/target-i386-snp/*) echo "target/i386/snp/${1##*/}" ;;
	tools/platform/hw-i386-snp/*) echo "hw/i386/snp/${1##*/}" ;;
	*) die "'$1' is no plain file of kernel/svm/, uapi/asm/, selftests/ or tools/platform/" ;;
	esac
}

# Every plain file that has to be in the series, by its name here: all but those that a
# line "-PATTERN REASON" of the base's series leaves out.
plain_files() {
	(
		cd "$TOP" || exit
		case $BASE in
		qemu-10.0-vmm) find uapi/asm -type f ;;
		qemu-10.0) find tools/platform/target-i386-snp tools/platform/hw-i386-snp -type f ;;
		linux-*) find kernel/svm uapi/asm selftests/x86 selftests/lib selftests/include \
			-type f -name '*.[ch]' ;;
		esac | sort
	) | while read -r f; do
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

# All of BASE that a series touches or its checks read. A hunk for a file elsewhere does
# not apply.
base_paths() {
	case $BASE in
	qemu-*) echo "MAINTAINERS accel docs hw/i386 include linux-headers meson.build
		meson_options.txt qapi qemu-options.hx scripts system target/i386" ;;
	*) echo "COPYING CREDITS Kbuild Kconfig LICENSES MAINTAINERS Makefile README arch/x86
		arch/Kconfig Documentation/virt Documentation/process init/Kconfig include
		scripts usr virt tools/include tools/arch/x86 tools/scripts
		tools/testing/selftests/kvm tools/testing/selftests/lib.mk
		tools/testing/selftests/kselftest.h
		tools/testing/selftests/kselftest_harness.h" ;;
	esac
}

# for_base FILE: a check or a fixture that names another base is none for this one
for_base() {
	case $BASE in "$(sed -n 's/^# base: //p' "$1")"*) ;; *) return 1 ;; esac
}

# chosen_checks [NAME...]: those, or all for BASE. Who sources this has set here.
chosen_checks() {
	# shellcheck disable=SC2154
	for c in "$here"/checks/*.sh; do
		! for_base "$c" || basename "$c" .sh
	done > "$OUT/checks"
	for name; do
		grep -qxF "$name" "$OUT/checks" ||
			die "no check '$name' for $BASE; there are: $(xargs < "$OUT/checks")"
	done
	[ $# = 0 ] || printf '%s\n' "$@" > "$OUT/checks"
	cat "$OUT/checks"
}

# mails_give LIST [PATHSPEC...]: git am takes the files that LIST names on the pristine
# base, and gets the tree of COMMIT, as far as PATHSPEC goes.
mails_give() {
	list=$1 rc=0
	shift
	rm -rf "$OUT/am"
	git clone -q --shared --no-checkout "$OUT/git" "$OUT/am"
	git -C "$OUT/am" config user.name nobody
	git -C "$OUT/am" config user.email nobody@example.invalid
	git -C "$OUT/am" checkout -q -b am base
	xargs git -C "$OUT/am" am -q < "$list" || rc=1
	if [ $rc = 0 ] && ! git -C "$OUT/am" diff --quiet "$COMMIT" -- "$@"; then
		echo "the tree after git am is another than that of the series:"
		git -C "$OUT/am" diff --stat "$COMMIT" -- "$@"
		rc=1
	fi
	rm -rf "$OUT/am"
	return $rc
}
