#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# fetch.sh: what fetching does when it cannot, and that nothing half done is left.
# A mirror of its own, signed by a key of its own, stands in for Debian's.
# The functions are called by t().
# shellcheck disable=SC2317
set -u

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../../.." && pwd)
tmp=$(mktemp -d "${TMPDIR:-/tmp}/snp-fetch.XXXXXX")
trap 'gpgconf --kill gpg-agent 2>/dev/null; rm -rf "$tmp"' EXIT
n=0 bad=0
# shellcheck source=tools/vm/ktap.sh
. "$here/../ktap.sh"
# shellcheck source=/dev/null
. "$here/mirror.sh"

out=$tmp/out err=$tmp/err shown="$tmp/out $tmp/err"
# fetch NAME [COMMAND]: from the mirror; what it prints is in $out and $err
fetch() {
	"$tmp/fetch/fetch.sh" "$@" > "$out" 2> "$err"
}

fresh() { rm -rf "$SNP_CACHE"; }
pin() { sed -i "s/^$1 .*/$1 $1 $2 trixie $3 $4/" "$tmp/fetch/versions"; }
says() { grep -q "$1" "$err"; }
no_tree() { [ -z "$(ls "$SNP_CACHE/src")" ] && [ ! -s "$out" ]; }
# got NAME-VERSION [TEXT]: that directory, without the complaint TEXT
got() {
	[ "$(cat "$out")" = "$SNP_CACHE/src/$1" ] && [ -d "$SNP_CACHE/src/$1" ] &&
		{ [ -z "${2:-}" ] || ! says "$2"; }
}
whole() {
	got "$1-${version:?}" && cmp -s "$tmp/$2/data" "$SNP_CACHE/src/$1-$version/${3:-}data"
}
whole_thing() { whole thing thing/usr/share/thing usr/share/thing/; }
whole_stuff() { whole stuff "stuff-$version"; }

# killed_in COMMAND TEXT: fetch `thing`, killed when COMMAND with TEXT has done half
killed_in() {
	mkdir -p "$tmp/bin"
	cat > "$tmp/bin/$1" <<-END
	#!/bin/sh
	case "\$*" in
	*$2*)
		[ $1 = tar ] && head -c 20000 | $(command -v "$1") "\$@" 2>/dev/null
		[ $1 = tar ] || echo half > thing_1.2-1_all.deb
		kill -9 \$(cat "$tmp/pid")
		exit 1
		;;
	esac
	exec $(command -v "$1") "\$@"
	END
	chmod +x "$tmp/bin/$1"
	# shellcheck disable=SC2016
	PATH=$tmp/bin:$PATH sh -c 'echo $$ > "$0/pid"; exec "$0/fetch/fetch.sh" thing' "$tmp" \
		> "$out" 2> "$err"
	killed=$?
	rm -rf "${tmp:?}/bin"
	[ "$killed" = 137 ]
}

export SNP_CACHE="$tmp/cache" SNP_RETRIES=0
echo "KTAP version 1"

# Debian's names, but nobody answers: port 9 refuses at once.
none=http://127.0.0.1:9/debian
mkdir -p "$tmp/fetch"
cp "$top"/tools/fetch/* "$tmp/fetch/"
SNP_MIRROR=$none fetch linux-7.3
rc=$?
t "no network: exit code" test $rc = 1
t "no network: names LINUX=" says 'LINUX=/path'
t "no network: names the packages" says 'linux-source-7.3 .*qemu'
t "no network: leaves no tree, prints no directory" no_tree
SNP_MIRROR=$none fetch qemu
t "no network: names QEMU=" says 'QEMU=/path'
SNP_MIRROR=$none fetch meson
t "no network: names SNP_CACHE=" says 'Without a network, provide SNP_CACHE=/path'
# What an interrupted run leaves: a name without its tree.
echo linux-source-7.3-x > "$SNP_CACHE/src/linux-7.3.current"
SNP_MIRROR=$none fetch linux-7.3
rc=$?
t "a name without a tree does not count" test $rc = 1
there=$(awk '$1 == "linux-7.3" { print $2 "-" $5 }' "$tmp/fetch/versions")
mkdir "$SNP_CACHE/src/$there"
SNP_MIRROR=$none fetch linux-7.3
t "what is there needs no network" got "$there" fetch:
fetch nonsense
rc=$?
t "unknown package" test $rc = 1
SNP_KEYRING=/dev/null/none fetch qemu
t "no keyring" says keyring

make_mirror "$tmp" 1.2-1
export SNP_MIRROR="copy:${mirror:?}" SNP_KEYRING="$tmp/keyring.gpg"
fresh
fetch thing
t "a binary package" whole_thing
t "apt complains of nothing" test -z "$(grep '^[WE]:' "$SNP_CACHE/apt-private/log")"
fetch stuff
t "a source package" whole_stuff

fresh
pin thing deb 1.1-1 1.
fetch thing
t "pin vanished: the newest of the series" whole_thing
t "pin vanished: says so" says 'thing 1.1-1 is gone from trixie; using 1.2-1'
fresh
pin thing deb 2.0-1 2.
fetch thing
rc=$?
t "series vanished: exit code" test $rc = 1
t "series vanished: names it" says 'no version 2.x'
t "series vanished: no tree" no_tree
pin thing deb 1.2-1 1.

# Lists of now, and then the mirror moves on.
fresh
fetch stuff
publish 1.3-1
fetch thing
t "lists older than the mirror: read once more" whole_thing
t "lists older than the mirror: says so" says 'thing 1.2-1 is gone from trixie; using 1.3-1'
SNP_MIRROR=$none fetch thing
t "what was taken instead needs no network" got thing-1.3-1 fetch:
# As it was before the pin was noted, too
rm "$SNP_CACHE"/src/*.instead "$SNP_CACHE"/dl/thing* "$mirror"/pool/thing*
fetch thing
t "a cache of before is not downloaded again" got thing-1.3-1 'cannot get'
publish 1.4-1
pin thing deb 1.4-1 1.
fetch thing
t "another pin, newer than the lists: fetched" whole_thing
t "another pin, newer than the lists: not taken for gone" got thing-1.4-1 gone
pin thing deb 1.3-1 1.
SNP_MIRROR=$none fetch thing
t "a pin of before, in the cache: needs no network" got thing-1.3-1 fetch:
pin thing deb 1.5-1 1.
SNP_MIRROR=$none fetch thing
t "another pin, no network: says so" says 'cannot get thing from http'
t "another pin, no network: says what is used" says 'using thing-1.4-1, .* instead of thing 1.5-1'
t "another pin, no network: the old one" got thing-1.4-1
SNP_MIRROR=$none fetch thing
t "another pin, no network: not tried each time" got thing-1.4-1 'cannot get'
publish 1.5-1
touch -d '1 hour ago' "$SNP_CACHE/src/thing.kept"
fetch thing
t "another pin, a network later: fetched" whole_thing
pin thing deb newest 1.
SNP_MIRROR=$none fetch thing
t "the newest of the series needs no network" got thing-1.5-1 fetch:
pin thing deb newest 2.
SNP_MIRROR=$none fetch thing
t "the newest of another series: does" says 'using thing-1.5-1, .* instead of thing newest'

fresh
pin thing root newest 1.
mkdir -p "$SNP_CACHE/dl/thing-1.5-1" "$tmp/other/usr/share/thing"
cp -r "$tmp/thing/DEBIAN" "$tmp/other/"
echo other > "$tmp/other/usr/share/thing/data"
dpkg-deb --root-owner-group -b "$tmp/other" "$SNP_CACHE/dl/thing-1.5-1/what_0_all.deb" > /dev/null
fetch thing
t "a root, without what an interrupted run left" whole_thing

publish 1.2-1
pin thing deb 1.2-1 1.
fresh
t "killed in the download" killed_in apt-get download
t "killed in the download: no tree" no_tree
fetch thing
t "killed in the download: the next run has all" whole_thing
fresh
t "killed in the unpacking" killed_in tar -x
t "killed in the unpacking: no tree" no_tree
fetch thing
t "killed in the unpacking: the next run has all" whole_thing
t "killed in the unpacking: nothing is left" test -z "$(find "$SNP_CACHE" -name 'tmp.*')"

fresh
fetch thing &
first=$!
"$tmp/fetch/fetch.sh" thing > "$out.2" 2> "$err.2"
wait $first
t "two at once: the first" whole_thing
mv "$out.2" "$out"
mv "$err.2" "$err"
t "two at once: the second" whole_thing
{ flock 7; fetch thing & sleep 0.5; } 7> "$SNP_CACHE/fetch.lock"
wait
t "what is there needs no lock" whole_thing

# Of the mirror nothing is believed that the key did not sign.
fresh
echo more >> "$mirror/pool/thing_1.2-1_all.deb"
fetch thing
rc=$?
t "a package with another content: exit code" test $rc = 1
t "a package with another content: no tree" no_tree
make_lists
sed -i 's/^Size: .*/Size: 7/' "$mirror/dists/trixie/main/binary-amd64/Packages"
fresh
fetch thing
rc=$?
t "a list with another content: exit code" test $rc = 1
t "a list with another content: no tree" no_tree
make_lists
for s in trixie trixie-backports; do
	sed '1,/^$/d; /^-----BEGIN/,$d' "$mirror/dists/$s/InRelease" > "$mirror/dists/$s/Release"
	rm "$mirror/dists/$s/InRelease"
done
fresh
fetch thing
rc=$?
t "lists without a signature: exit code" test $rc = 1
t "lists without a signature: no tree" no_tree

# Two builds: lock.sh of the Makefile.
"$here/../lock.sh" "$tmp/lock" sh -c "sleep 1; echo 1 >> $tmp/order" &
sleep 0.3
"$here/../lock.sh" "$tmp/lock" sh -c "echo 2 >> $tmp/order" 2> "$err"
wait
t "a second build waits" test "$(tr '\n' ' ' < "$tmp/order")" = "1 2 "
t "a second build says that it waits" says waiting
"$here/../lock.sh" "$tmp/lock" sh -c "sleep 5 > /dev/null & echo \$! > $tmp/left"
t "what a build leaves behind has not the lock" flock -n "$tmp/lock" true
kill "$(cat "$tmp/left")"
"$here/../lock.sh" "$tmp/lock" sh -c 'trap "exit 3" TERM; while :; do sleep 0.1; done' &
build=$!
sleep 0.5
kill $build
wait $build
rc=$?
t "a build that is terminated is told, and waited for" test $rc = 3
echo "1..$n"
exit $bad
