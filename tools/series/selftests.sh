#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# selftests.sh: build those KVM selftests that the series has added up to COMMIT, as its
# own Makefile.kvm builds them, and print the name of the log; beside it NAME.rc has the
# exit status, NAME.progs the programs. They are in $OUT/selftests/bin. Environment as in
# checks/README.
set -eu

: "${TREE:?}" "${COMMIT:?}" "${OUT:?}" "${LINUX:?}" "${CC:?}" "${JOBS:=2}"
g() { git -C "$TREE" "$@"; }
kvm=tools/testing/selftests/kvm
key=$({ for p in "$kvm" arch/x86/include include; do g rev-parse "$COMMIT:$p"; done
	cat "$0"; $CC --version; } | sha256sum | cut -c1-16)
log=$OUT/builds/selftests-$key.log
mkdir -p "$OUT/builds"
echo "$log"
# All are built in one place; what is in bin is of the last one.
of=$(cat "$OUT/selftests/of" 2>/dev/null || echo interrupted)
[ "$of" != "$key" ] || exit 0
[ "$of" != interrupted ] || rm -rf "$OUT/selftests"
# What was said of it first is kept: the compiler does not say it again.
said=$log
[ ! -f "${log%.log}.rc" ] || said=$log.again

# The whole tree, of links, with what the series changes in it.
full=$OUT/full
[ -d "$full" ] || { rm -rf "$full.new" "$full.files"; cp -rs "$LINUX" "$full.new"; mv "$full.new" "$full"; }
# Also what an earlier commit changed there, and this one does not
{ cat "$full.files" 2>/dev/null || :; g diff --name-only base series
	g diff --name-only base "$COMMIT"; } | sort -u > "$full.files.new"
mv "$full.files.new" "$full.files"
while read -r f; do
	if [ ! -f "$TREE/$f" ]; then
		rm -f "$full/$f"
	elif ! cmp -s "$TREE/$f" "$full/$f"; then
		mkdir -p "$full/$(dirname "$f")"
		cp --remove-destination "$TREE/$f" "$full/$f"
	fi
done < "$full.files"

# Those that the series adds, by the names that its Makefile.kvm has; and one that is
# there, for commits that change the library. Older kernels call the directory x86_64.
progs="x86/sev_smoke_test $(g diff base "$COMMIT" -- "$kvm/Makefile.kvm" |
	sed -n 's/^+TEST_GEN_PROGS_x86 *+= *//p' | tr '\n' ' ')"
echo "$progs" > "${log%.log}.progs"
mkdir -p "$OUT/selftests/hdr" "$OUT/selftests/bin"
if [ -d "$full/$kvm/x86_64" ]; then
	ln -sfn x86_64 "$OUT/selftests/bin/x86"
	progs=$(echo "$progs" | sed 's|x86/|x86_64/|g')
fi
rm -f "$OUT/selftests/of"
rc=0
# shellcheck disable=SC2046,SC2086
{
	make -s -C "$full" O="$OUT/selftests/hdr" ARCH=x86 INSTALL_HDR_PATH="$OUT/selftests/usr" \
		headers_install &&
		make -s -C "$full/$kvm" ARCH=x86 OUTPUT="$OUT/selftests/bin" CC="$CC" \
			KHDR_INCLUDES="-isystem $OUT/selftests/usr/include" LDFLAGS=-static \
			-j"$JOBS" $(printf "$OUT/selftests/bin/%s " $progs)
} > "$said" 2>&1 || rc=$?
[ $rc = 0 ] || [ "$said" = "$log" ] || mv "$said" "$log"
echo "$rc" > "${log%.log}.rc"
echo "$key" > "$OUT/selftests/of"
