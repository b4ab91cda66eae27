#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# test.sh TIMELINE: what it draws of two short records, and what it refuses.
set -u

timeline=$1
dir=$(cd "$(dirname "$0")/fixtures" && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
n=0 bad=0

result() {
	n=$((n + 1))
	if [ "$1" = 0 ]; then
		echo "ok $n $2"
	else
		bad=1
		echo "not ok $n $2"
		sed 's/^/# /' "$tmp/err"
	fi
}

# drawn WHAT COUNT PATTERN: so many lines of the picture match
drawn() {
	seen=$(grep -c "$3" "$tmp/svg")
	echo "'$3': $seen, wanted $2" > "$tmp/err"
	[ "$seen" = "$2" ]
	result $? "$1"
}

# refused WHAT MESSAGE ARGUMENTS: exit status 1 and the message
refused() {
	what=$1 message=$2
	shift 2
	"$timeline" "$@" > "$tmp/svg" 2> "$tmp/err"
	[ $? = 1 ] && grep -q "$message" "$tmp/err"
	result $? "refused: $what"
}

echo "KTAP version 1"
"$timeline" "$dir/record" "$dir/platform" > "$tmp/svg" 2> "$tmp/err"
result $? "both records"
drawn "it is one SVG" 2 '^<svg \|^</svg>'
drawn "two panels" 2 'class="panel"'
drawn "time in the guest" 1 '<title>runs in the guest: '
drawn "the loss" 1 '<title>KVM_RUN ends: VMSA lost: reason error (14)'
drawn "the command, where the platform says" 1 '<title>command of the firmware: SNP_LAUNCH_START'
# 50 to 70 ms of a panel of 100 ms that is 1210 wide and begins at 170
drawn "its place" 1 'x="775.0" y="[0-9.]*" width="242.00".*SNP_LAUNCH_START'
drawn "RMPUPDATE, to and fro" 2 'width="1.5"'
drawn "PVALIDATE" 1 '<title>PVALIDATE: asid 1'
drawn "text is quoted" 2 'START &amp; &lt;more&gt;'

"$timeline" "$dir/record" > "$tmp/svg" 2> "$tmp/err"
result $? "the kernel's record alone"
drawn "no lane of the platform" 0 'firmware (emulated)'

refused "no such file" "cannot read '$tmp/none'" "$tmp/none"
grep -v 'stage: end' "$dir/record" > "$tmp/cut"
refused "a record that is cut off" "has 2 stages and no end" "$tmp/cut" "$dir/platform"
grep -v 'mark 11' "$dir/platform" > "$tmp/nomark"
refused "no common mark" "no marks of the start and the end" "$dir/record" "$tmp/nomark"
refused "no arguments" "usage:"
echo "1..$n"
exit $bad
