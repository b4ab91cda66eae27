# SPDX-License-Identifier: GPL-2.0
#
# A meson.build without those of its files that are not in dir (yet), and without the
# lists that are empty then.

function there(name,   line, r) {
	r = (getline line < (dir "/" name)) >= 0
	close(dir "/" name)
	return r
}

/files\($/		{ list = $0; files = ""; next }
list && /^ *'.*\.c',$/	{ split($0, word, "'"); if (there(word[2])) files = files $0 "\n"; next }
list && /^\)+$/		{ if (files) printf "%s\n%s%s\n", list, files, $0; list = ""; next }
			{ print }
