# SPDX-License-Identifier: GPL-2.0
#
# awk -v names="[+]f,g,..." -v mode=keep|take -f move.awk FILE.c
#
# take: print the named functions, each with the comment above it, in the order of
# FILE. keep: print FILE without them. "+f" is no longer static where it is put.
# Fails if a function is not there exactly once: a move that moves nothing is none.

BEGIN {
	n = split(names, list, ",")
	for (i = 1; i <= n; i++) {
		global = sub(/^\+/, "", list[i])
		wanted[list[i]] = 1
		if (global)
			plus[list[i]] = 1
	}
}

# A definition begins in column 1 and has the name before its parenthesis.
function name_of(line,	s)
{
	if (line !~ /^[a-z].*\(/ || line ~ /;$/)
		return ""
	s = line
	sub(/\(.*/, "", s)
	sub(/.*[ *]/, "", s)
	return s in wanted ? s : ""
}

function emit(text)
{
	if (text != "")
		printf "%s", text
}

inside {
	part = part $0 "\n"
	if ($0 == "}") {
		inside = 0
		if (mode == "take")
			emit(part "\n")
		part = ""
		eat = 1
	}
	next
}

# The blank line behind a function that went goes with it.
eat {
	eat = 0
	if ($0 == "" && mode == "keep")
		next
}

# What stands above a function, comment lines and attributes, may belong to it.
/^\/\*/ { held = 1 }

{
	f = name_of($0)
	if (f != "") {
		seen[f]++
		line = $0
		if (mode == "take" && f in plus)
			sub(/^static /, "", line)
		inside = 1
		part = above line "\n"
		above = ""
		held = 0
		next
	}
	if (held) {
		above = above $0 "\n"
		if ($0 ~ /\*\/$/)
			held = 2
		else if (held == 2) {
			if (mode == "keep")
				emit(above)
			above = ""
			held = 0
		}
		next
	}
	if (mode == "keep")
		print
}

END {
	if (mode == "keep")
		emit(above)
	for (f in wanted)
		if (seen[f] != 1) {
			print "move: " f " is there " seen[f] + 0 " times, wanted 1" > "/dev/stderr"
			bad = 1
		}
	exit bad
}
