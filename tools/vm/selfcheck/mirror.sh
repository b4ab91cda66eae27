# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# To be sourced: a small Debian mirror, signed by a key of its own, in $mirror.
# It has one binary package, `thing`, and one source package, `stuff`.

# make_mirror DIRECTORY VERSION: mirror, keyring, copy of fetch.sh and its `versions`
make_mirror() {
	dir=$1
	mirror=$dir/mirror
	mkdir -p "$dir/fetch"
	cp "${top:?}/tools/fetch/fetch.sh" "$dir/fetch/"
	cat > "$dir/fetch/versions" <<-END
	thing thing deb    trixie $2 1.
	stuff stuff source trixie $2 1.
	END

	GNUPGHOME=$dir/gnupg
	export GNUPGHOME
	mkdir -p "$GNUPGHOME"
	chmod 700 "$GNUPGHOME"
	[ -f "$dir/keyring.gpg" ] || {
		gpg -q --batch --passphrase '' --quick-gen-key test ed25519 sign never
		gpg -q --export > "$dir/keyring.gpg"
	} 2> /dev/null
	publish "$2"
}

# publish VERSION: the mirror has this one, and no longer the one before
publish() {
	version=$1
	rm -rf "$mirror/pool"
	mkdir -p "$mirror/pool" "$dir/thing/DEBIAN" "$dir/thing/usr/share/thing" \
		"$dir/stuff-$version" "$dir/debian"
	head -c 300000 /dev/urandom > "$dir/thing/usr/share/thing/data"
	cat > "$dir/thing/DEBIAN/control" <<-END
	Package: thing
	Version: $version
	Architecture: all
	Maintainer: nobody <nobody@localhost>
	Description: for a test
	END
	dpkg-deb --root-owner-group -b "$dir/thing" "$mirror/pool/thing_${version}_all.deb" \
		> /dev/null
	head -c 300000 /dev/urandom > "$dir/stuff-$version/data"
	tar -c -z -C "$dir" -f "$mirror/pool/stuff_$version.orig.tar.gz" "stuff-$version"
	tar -c -z -C "$dir" -f "$mirror/pool/stuff_$version.debian.tar.gz" debian
	echo "Format: 3.0 (quilt)" > "$mirror/pool/stuff_$version.dsc"
	make_lists
}

# listed DIRECTORY NAME: what an index says of it: checksum, size, name
listed() { (cd "$1" && echo "$(sha256sum "$2" | cut -d' ' -f1) $(stat -c %s "$2") $2"); }

# Lists of what is in the pool, signed.
make_lists() {
	for suite in trixie trixie-backports; do
		d=$mirror/dists/$suite
		rm -rf "$d"
		mkdir -p "$d/main/binary-amd64" "$d/main/source"
		packages=$d/main/binary-amd64/Packages sources=$d/main/source/Sources
		: > "$packages"
		: > "$sources"
		if [ "$suite" = trixie ]; then
			deb=pool/$(cd "$mirror/pool" && ls thing_*.deb)
			cat "$dir/thing/DEBIAN/control" - > "$packages" <<-END
			Filename: $deb
			Size: $(stat -c %s "$mirror/$deb")
			SHA256: $(sha256sum "$mirror/$deb" | cut -d' ' -f1)
			END
			cat > "$sources" <<-END
			Package: stuff
			Binary: stuff
			Version: $version
			Architecture: all
			Format: 3.0 (quilt)
			Directory: pool
			Checksums-Sha256:
			$(cd "$mirror/pool" && for f in stuff_*; do echo " $(listed . "$f")"; done)
			END
		fi
		{
			echo "Origin: test"
			echo "Suite: $suite"
			echo "Codename: $suite"
			echo "Date: $(LC_ALL=C date -u '+%a, %d %b %Y %H:%M:%S UTC')"
			echo "Architectures: amd64"
			echo "Components: main"
			echo "SHA256:"
			for f in main/binary-amd64/Packages main/source/Sources; do
				echo " $(listed "$d" $f)"
			done
		} > "$d/Release"
		gpg -q --batch --yes --clearsign -o "$d/InRelease" "$d/Release" 2> /dev/null
		rm "$d/Release"
	done
}
