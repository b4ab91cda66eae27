#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# make.sh: the complete series for BASE, as `git format-patch` writes it, generated from
# patches/$BASE and the plain files.
#
#   TOP, BASE, LINUX (pristine tree), OUT (build/series/$BASE)
#   VERSION   1 if not given; above that the cover must say what changed
#   PREFIX    "RFC PATCH" if not given
#
# Result: $OUT/patches, and the commits in $OUT/git (tag base, branch series). Who sends
# it is who git config says.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tools/series/lib.sh
. "$here/lib.sh"
version=${VERSION:-1}
prefix=${PREFIX:-RFC PATCH}

: "${LINUX:?pristine tree}" "${OUT:?}"
repo=$OUT/git
g() { git -C "$repo" "$@"; }

name=$(git -C "$TOP" config user.name || :)
email=$(git -C "$TOP" config user.email || :)
if [ -z "$name" ] || [ -z "$email" ]; then
	die "git config user.name and user.email are not set: a series needs who sends it"
fi
case $version in
'' | *[!0-9]* | 0*) die "V=$version: want the version of the series, a number from 1 on" ;;
esac

# The base, once; git am has to find what Debian's tree is, nothing else.
key=$(echo "$LINUX $(base_paths)" | cat - "$LINUX/Makefile" | sha256sum)
if [ "$(cat "$OUT/base.key" 2>/dev/null)" != "$key" ]; then
	rm -rf "$OUT"
	mkdir -p "$repo"
	git init -q -b series "$repo"
	g config core.looseCompression 1
	g config gc.auto 0
	g config advice.detachedHead false
	for p in $(base_paths); do
		[ ! -e "$LINUX/$p" ] || echo "$p"
	done > "$OUT/paths"
	git --git-dir="$repo/.git" --work-tree="$LINUX" add -f --pathspec-from-file="$OUT/paths"
	GIT_COMMITTER_DATE='2000-01-01T00:00:00Z' git -C "$repo" -c user.name="$name" \
		-c user.email="$email" commit -q --date=2000-01-01T00:00:00Z \
		-m "$(basename "$LINUX")"
	g tag base
	echo "$key" > "$OUT/base.key"
fi
g config user.name "$name"
g config user.email "$email"

rm -rf "$OUT/patches"
g checkout -q -f -B series base
g clean -q -fdx
export GIT_COMMITTER_DATE
series_lines > "$OUT/lines"
while read -r patch what; do
	# shellcheck disable=SC2086
	"$here/apply.sh" -p "$repo" "$patch" $what || exit 1
	g add -A
	git mailinfo "$OUT/body" /dev/null < "$PATCHES/$patch" > "$OUT/header"
	{
		sed -n 's/^Subject: //p' "$OUT/header"
		echo
		cat "$OUT/body"
	} > "$OUT/message"
	author="$(sed -n 's/^Author: //p' "$OUT/header") <$(sed -n 's/^Email: //p' "$OUT/header")>"
	date=$(sed -n 's/^Date: //p' "$OUT/header")
	GIT_COMMITTER_DATE=$date
	# Who sends it signs it, too; git adds no line that is there.
	g commit -q -s --author="$author" --date="$date" -F "$OUT/message" ||
		die "$patch with '$what' changes nothing"
done < "$OUT/lines"
unset GIT_COMMITTER_DATE

left=$(g ls-files > "$OUT/files"; for f in $(plain_files); do
	grep -qxF "$(destination "$f")" "$OUT/files" || echo "$f"
done)
[ -z "$left" ] || die "in no patch of $BASE/series:
$left"

[ -f "$PATCHES/cover" ] || die "no $PATCHES/cover: its first line is the subject, the rest the text"
if [ "$version" -gt 1 ] && ! grep -q "^Changes since v$((version - 1))" "$PATCHES/cover"; then
	die "$PATCHES/cover does not say 'Changes since v$((version - 1))'"
fi

# Against the series that the last version's tag makes, by its own scripts.
range=
if [ "$version" -gt 1 ]; then
	tag=series-$BASE-v$((version - 1))
	git -C "$TOP" rev-parse -q --verify "refs/tags/$tag" > /dev/null ||
		die "no tag $tag in $TOP: tag what was sent as version $((version - 1))"
	old=$OUT/old
	rm -rf "$old"
	mkdir -p "$old/top" "$old/out"
	git -C "$TOP" archive "$tag" | tar -x -C "$old/top"
	cp -a "$OUT/base.key" "$repo" "$old/out/"
	git -C "$old/top" init -q
	git -C "$old/top" config user.name "$name"
	git -C "$old/top" config user.email "$email"
	TOP=$old/top OUT=$old/out VERSION=1 "$old/top/tools/series/make.sh" > /dev/null
	g fetch -q "$old/out/git" "+series:refs/heads/old"
	range="--range-diff=base..old"
	rm -rf "$old"
fi

g config branch.series.description "$(cat "$PATCHES/cover")"
reroll=
[ "$version" = 1 ] || reroll="-v$version"
# shellcheck disable=SC2086
g format-patch -q -o "$OUT/patches" --subject-prefix="$prefix" $reroll $range \
	--cover-letter --cover-from-description=subject --base=base base..series

# To and Cc are the cover's: git send-email and b4 take them from there.
cover=$(echo "$OUT"/patches/*0000-cover-letter.patch)
find "$OUT/patches" -name '*.patch' ! -path "$cover" > "$OUT/list"
# shellcheck disable=SC2046
(cd "$LINUX" && perl scripts/get_maintainer.pl --no-git --no-git-fallback --norolestats \
	$(sort "$OUT/list")) > "$OUT/maintainers" ||
	die "get_maintainer.pl failed; see $OUT/maintainers"
awk '/@vger|@lists|@nongnu/ { cc = cc (cc ? ",\n\t" : "") $0; next } { to = to (to ? ",\n\t" : "") $0 }
	END { print "To: " to; print "Cc: " cc }' "$OUT/maintainers" > "$OUT/recipients"
sed -i "/^Date: /r $OUT/recipients" "$cover"
echo "$(grep -c . "$OUT/lines") patches and a cover letter: $OUT/patches"
