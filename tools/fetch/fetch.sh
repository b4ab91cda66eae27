#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# fetch.sh NAME: have the package NAME of the file `versions` in the cache,
# unpacked, and print where.
#
# Packages come from Debian through an apt state of our own, so that the
# machine's own sources and packages are never touched. apt checks the release
# signature with Debian's keyring; what was downloaded is compared with the
# checksums of that signed index once more before it is unpacked.
#
# A root is unpacked so that its programs run where they are, on a Debian with an
# older C library: without chroot, and so without a privilege.
#
#   SNP_CACHE    cache (default ${XDG_CACHE_HOME:-$HOME/.cache}/snp-vmsa)
#   SNP_MIRROR   mirror (default http://deb.debian.org/debian)
#   SNP_KEYRING  keyring (default Debian's)
set -eu

here=$(cd "$(dirname "$0")" && pwd)
cache=${SNP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/snp-vmsa}
mirror=${SNP_MIRROR:-http://deb.debian.org/debian}
keyring=${SNP_KEYRING:-/usr/share/keyrings/debian-archive-keyring.gpg}
apt=$cache/apt-private
src=$cache/src
dl=$cache/dl
me="fetch"

say() { echo "$me: $*" >&2; }
die() { say "$*"; exit 1; }

name=${1:?name of a package in $here/versions}
line=$(awk -v n="$name" '$1 == n' "$here/versions")
[ -n "$line" ] || die "'$name' is not in $here/versions, which has: $(
	awk '!/^#/ && NF { printf "%s ", $1 }' "$here/versions")"
# shellcheck disable=SC2086
set -- $line
packages=$(echo "$2" | tr ',' ' ') kind=$3 suite=$4 pin=$5 series=$6
package=${packages%% *}

mkdir -p "$src" "$dl"

# NAME.current is the directory of the last one; NAME.instead and NAME.kept say for which
# pin another version is used: as the mirror had it no longer, or could not be reached.
known=$src/$name.current

ready() { echo "$src/$1"; exit 0; }

# What one run has unpacked is good for all later ones of that pin, without a network.
look() {
	pinned=$pin
	case $pin in
	=*)
		# As new as the source that is there, or would be fetched.
		like=$src/${pin#=}.current
		line=$(awk -v n="${pin#=}" '$1 == n { print $2, $5 }' "$here/versions")
		pinned=${line#* }
		if [ ! -d "$src/${line% *}-${pinned#*:}" ] && [ -f "$like" ]; then
			pinned=$(cat "$like")
			pinned=${pinned#"${line% *}-"}
		fi
		;;
	esac
	dir=$package-${pinned#*:}
	[ ! -d "$src/$dir" ] || ready "$dir"
	old=$(cat "$known" 2>/dev/null || :)
	[ -d "$src/${old:-none}" ] || { old=; return 0; }
	case "$pinned $old" in "newest $package-${series#*:}"*) ready "$old" ;; esac
	for_this="$old $pinned $series"
	[ "$(cat "$src/$name.instead" 2>/dev/null)" != "$for_this" ] || ready "$old"
	# One build asks many times.
	[ -z "$(find "$src/$name.kept" -mmin -10 2>/dev/null)" ] ||
		[ "$(cat "$src/$name.kept")" != "$for_this" ] || keep
}

keep() {
	say "using $old, which is in the cache, instead of $package $pinned"
	ready "$old"
}

# give_up TEXT: but another version in the cache is better than nothing
give_up() {
	[ -n "$old" ] || die "$@"
	say "$(echo "$1" | head -n 1)"
	echo "$for_this" > "$src/$name.kept"
	keep
}

look

# Two builds side by side: the second one waits, and finds it done.
exec 9> "$cache/fetch.lock"
if ! flock -n 9; then
	say "another build is fetching; waiting for it"
	flock 9
fi
look

case $name in
linux-*) other="LINUX=/path/to/a/linux/tree" ;;
qemu) other="QEMU=/path/to/a/qemu-10.0/tree" ;;
*) other="SNP_CACHE=/path/to/a/cache that holds $name" ;;
esac
offline() {
	[ -z "$stale" ] || again
	give_up "cannot get $package from $mirror${1:+ ($1)}.
$me: Without a network, provide $other.
$me: Packages that a build from nothing fetches: $(awk '!/^#/ && NF { gsub(",", " ", $2); printf "%s ", $2 }' "$here/versions")
$me: Their last words: $(tail -n 3 "$apt/log" 2>/dev/null | tr '\n' ' ')"
}

[ -r "$keyring" ] || give_up "no keyring '$keyring': install debian-archive-keyring"
command -v apt-get > /dev/null || give_up "apt-get is missing: provide $other"

set_up_apt() {
	mkdir -p "$apt/lists/partial" "$apt/archives/partial" "$apt/etc"
	: > "$apt/status"
	{
		for s in trixie trixie-backports; do
			echo "deb [signed-by=$keyring] $mirror $s main"
			echo "deb-src [signed-by=$keyring] $mirror $s main"
		done
		# Only when it is asked for: nothing that is needed depends on it.
		for t in deb deb-src; do
			[ "$suite" != forky ] || echo "$t [signed-by=$keyring] $mirror forky main"
		done
	} > "$apt/etc/sources.list"
	cat > "$apt/etc/apt.conf" <<-END
	Dir::Etc::sourcelist "$apt/etc/sources.list";
	Dir::Etc::sourceparts "/dev/null";
	Dir::Etc::preferences "/dev/null";
	Dir::Etc::preferencesparts "/dev/null";
	Dir::State "$apt";
	Dir::State::lists "$apt/lists";
	Dir::State::status "$apt/status";
	Dir::Cache "$apt";
	Dir::Cache::archives "$apt/archives";
	APT::Architecture "amd64";
	APT::Architectures { "amd64"; };
	APT::Sandbox::User "root";
	APT::Get::AllowUnauthenticated "false";
	Acquire::AllowInsecureRepositories "false";
	Acquire::Languages "none";
	Acquire::Retries "${SNP_RETRIES:-3}";
	Acquire::http::Timeout "30";
	APT::Update::Post-Invoke-Success "";
	END
}

do_apt() {
	cmd=$1
	shift
	LC_ALL=C APT_CONFIG=$apt/etc/apt.conf "$cmd" "$@" 2>> "$apt/log"
}

# A list of today's is new enough, if the mirror has what it names; several packages are
# fetched in a row.
stale='' tmp=''
update() {
	if [ "$suite" != forky ] && [ -n "$(find "$apt/updated" -mmin -720 2>/dev/null)" ]; then
		stale=1
		return
	fi
	say "reading the package lists of $mirror"
	do_apt apt-get -q update >> "$apt/log" || offline "lists"
	# apt-get update exits 0 also when every list failed to download.
	ls "$apt"/lists/*_trixie_main_source_Sources* > /dev/null 2>&1 || offline "lists"
	grep -q '^W: \(Failed to fetch\|Some index files\)' "$apt/log" || touch "$apt/updated"
}

# All of it once more, with lists of now
again() {
	rm -rf "$apt/updated" ${tmp:+"$tmp"}
	exec "$here/fetch.sh" "$name"
}

versions() {
	if [ "$kind" = source ]; then
		do_apt apt-cache showsrc --only-source "$package" |
			awk '/^Version:/ { print $2 }'
	else
		do_apt apt-cache madison "$package" |
			awk -F'|' '!/Sources/ { gsub(/ /, "", $2); print $2 }'
	fi
}

# The pinned version, or the newest of its series.
choose() {
	found=
	for v in $(versions); do
		[ "$v" = "$pinned" ] && { version=$v; return 0; }
		case $v in
		"$series"*)
			if [ -z "$found" ] || dpkg --compare-versions "$v" gt "$found"; then
				found=$v
			fi
			;;
		esac
	done
	# A list may also be older than the pin.
	[ "$pinned" = newest ] || [ -z "$stale" ] || again
	[ -n "$found" ] || return 1
	version=$found
	[ "$pinned" = newest ] ||
		say "$package $pinned is gone from $suite; using $version, the newest ${series}x"
}

checksum() { sha256sum "$1" | cut -d' ' -f1; }

# watch WHAT DIRECTORY BYTES COMMAND...: run it; say on stderr how much of BYTES is
# in the directory, and for how long it runs
watch() {
	what=$1 where=$2 total=$(($3 / 1000000))
	shift 3
	(
		n=0 since=$(date +%s)
		while sleep 2 && kill -0 $$ 2>/dev/null; do
			n=$((n + 1))
			# A log file gets a line now and then.
			[ -t 2 ] || [ $((n % 15)) = 2 ] || continue
			far=$(du -sb "$where" 2>/dev/null | cut -f1)
			t=$(($(date +%s) - since))
			far=$(printf '%s: %d of %d MB, %d:%02d' "$what" $((${far:-0} / 1000000)) \
				"$total" $((t / 60)) $((t % 60)))
			if [ -t 2 ]; then
				printf '\r\033[K%s: %s' "$me" "$far" >&2
			else
				say "$far"
			fi
		done
	) 9>&- &
	watcher=$!
	rc=0
	"$@" || rc=$?
	kill $watcher 2>/dev/null
	[ ! -t 2 ] || printf '\r\033[K' >&2
	return $rc
}

# get_file NAME SHA256 COMMAND...: have dl/NAME with that checksum
get_file() {
	file=$1 want=$2
	shift 2
	[ -n "$want" ] || die "no SHA256 of $file in the signed index"
	if [ -f "$dl/$file" ] && [ "$(checksum "$dl/$file")" = "$want" ]; then
		return
	fi
	rm -rf "$tmp/get" && mkdir -p "$tmp/get"
	(cd "$tmp/get" && watch "$package" . "$size" do_apt "$@" >> "$apt/log") || offline "$file"
	for f in "$tmp/get"/*; do
		[ -f "$f" ] && mv "$f" "$dl/"
	done
	[ -f "$dl/$file" ] || offline "$file"
	[ "$(checksum "$dl/$file")" = "$want" ] ||
		{ rm -f "$dl/$file"; die "$file has not the checksum of the signed index"; }
}

set_up_apt
: > "$apt/log"
update
choose || offline "no version ${series}x"

dir=$package-${version#*:}
tmp=$cache/tmp.$name.$$
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' INT TERM HUP
# What an interrupted run left is nobody's: we hold the lock.
rm -rf "$cache"/tmp."$name".*
mkdir -p "$tmp"
start=$(date +%s)
say "$package $version"

get_deb() {
	show=$(do_apt apt-cache show --no-all-versions "$package=$version")
	sha=$(echo "$show" | awk '/^SHA256:/ { print $2; exit }')
	size=$(echo "$show" | awk '/^Size:/ { print $2; exit }')
	# apt-get download writes the epoch's colon as %3a.
	file=${package}_$(echo "$version" | sed 's/:/%3a/')_$(echo "$show" |
		awk '/^Architecture:/ { print $2; exit }').deb
	get_file "$file" "$sha" apt-get -q download "$package=$version"
	mkdir "$tmp/deb"
	dpkg-deb --fsys-tarfile "$dl/$file" | tar -x -C "$tmp/deb"
	case $name in
	linux-*)
		tar=$tmp/deb/usr/src/$package.tar.xz
		watch "unpacking $package" "$tmp/$package" \
			"$(xz --robot -l "$tar" | awk '/^totals/ { print $5 }')" \
			tar -x -J -C "$tmp" -f "$tar"
		mv "$tmp/$package" "$tmp/tree"
		;;
	*)
		mv "$tmp/deb" "$tmp/tree"
		;;
	esac
}

get_source() {
	sums=$(do_apt apt-cache showsrc --only-source "$package" |
		awk -v v="$version" '
			/^Version:/ { ok = $2 == v }
			/^Checksums-Sha256:/ { on = ok; next }
			/^[^ ]/ { on = 0 }
			on && NF == 3 { print $1, $2, $3 }')
	[ -n "$sums" ] || offline "no checksums of $version"
	echo "$sums" > "$tmp/sums"
	size=$(awk '{ n += $2 } END { print n }' "$tmp/sums")
	while read -r sha _ file; do
		get_file "$file" "$sha" apt-get -q source --download-only "$package=$version"
	done < "$tmp/sums"
	mkdir "$tmp/tree"
	orig=$(awk '$3 ~ /\.orig\.tar/ { print $3 }' "$tmp/sums")
	debian=$(awk '$3 ~ /\.debian\.tar/ { print $3 }' "$tmp/sums")
	tar -x -C "$tmp/tree" --strip-components=1 -f "$dl/$orig"
	tar -x -C "$tmp" -f "$dl/$debian"
	if [ "$name" = qemu ]; then
		# Debian's tarball has neither edk2's images nor the wheels, and
		# configure stops without; these two make it go on.
		for p in skip-unpack-edk2-blobs disable-pycotap; do
			patch -s -p1 -F0 -d "$tmp/tree" < "$tmp/debian/patches/$p.patch"
		done
	fi
}

# The packages and all that they depend on, in one tree. apt compares each with the
# signed index before it gives it its name.
get_root() {
	debs=$dl/$dir
	mkdir -p "$debs/partial"
	set -- -q -y --no-install-recommends -t "$suite" install
	for p in $packages; do
		case $p in
		linux-*) set -- "$@" "$p=$version" ;;
		*) set -- "$@" "$p" ;;
		esac
	done
	do_apt apt-get --print-uris "$@" | awk "/^'/ { print \$2, \$3 }" > "$tmp/debs"
	size=$(awk '{ n += $2 } END { print n + 0 }' "$tmp/debs")
	watch "$name" "$debs" "$size" do_apt apt-get -o Dir::Cache::archives="$debs" \
		--download-only "$@" >> "$apt/log" || offline "$*"
	mkdir "$tmp/tree"
	# What a Debian of today has for links, and its packages count on.
	for l in bin sbin lib lib64; do
		ln -s "usr/$l" "$tmp/tree/$l"
		mkdir -p "$tmp/tree/usr/$l"
	done
	# What an interrupted run left may be of other lists.
	while read -r file _; do
		dpkg-deb --fsys-tarfile "$debs/$file" < /dev/null |
			tar -x -C "$tmp/tree" --keep-directory-symlink
	done < "$tmp/debs"
	rm -rf "$debs"
	# Nothing here is to give anybody rights.
	find "$tmp/tree" -perm /6000 -exec chmod ug-s {} +
	run_in_place "$tmp/tree"
	# The headers know where they are, if they were installed.
	for file in "$tmp"/tree/usr/src/linux-headers-*/Makefile; do
		[ -f "$file" ] || continue
		# shellcheck disable=SC2016
		sed -i 's|^KBUILD_OUTPUT=/usr/src/|KBUILD_OUTPUT := $(CURDIR)/../|
			s|^include /usr/src/|include $(CURDIR)/../|' "$file"
	done
}

# run_in_place ROOT: each program becomes PROGRAM.elf, and a script of its name runs
# it with the loader and the libraries of its own tree.
run_in_place() {
	(cd "$1" && find usr/bin usr/sbin usr/libexec usr/lib/linux-kbuild-* -type f -perm -100 \
		2>/dev/null) |
		while read -r f; do
			[ "$(dd if="$1/$f" bs=1 skip=1 count=3 2>/dev/null)" = ELF ] || continue
			up=$(dirname "$f" | sed 's|[^/]*|..|g')
			mv "$1/$f" "$1/$f.elf"
			cat > "$1/$f" <<-END
			#!/bin/sh
			d=\${0%/*} r=\${0%/*}/$up
			exec "\$r/lib64/ld-linux-x86-64.so.2" --library-path "\$r/usr/lib/x86_64-linux-gnu" \\
				--argv0 "\$0" "\$d/${f##*/}.elf" "\$@"
			END
			chmod 755 "$1/$f"
		done
}

case $kind in
deb | source | root) ;;
*) die "$here/versions: '$name' is of an unknown kind '$kind'" ;;
esac
# Whole or not at all: the name appears when everything is in place.
if [ ! -d "$src/$dir" ]; then
	"get_$kind"
	mv "$tmp/tree" "$src/$dir"
fi
echo "$dir" > "$tmp/current"
echo "$dir $pinned $series" > "$tmp/instead"
rm -f "$src/$name.kept"
mv "$tmp/instead" "$src/$name.instead"
mv "$tmp/current" "$known"
say "$package $version: ready after $(($(date +%s) - start)) s"
echo "$src/$dir"
