#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# legacy_digest.sh TEST.c: what firmware measures of 1, 2 and 64 vCPUs that have nothing
# but KVM's own VMSAs, computed from the layout of a VMSA (APM volume 2, appendix B, table
# "VMSA Layout"), that of PAGE_INFO (SNP firmware ABI, table "PAGE_INFO Structure") and
# the registers below: by no code of KVM's, nor of this project's. TEST.c, which is
# sev_vmsa_test.c, has to have these digests as constants.
set -u

test=${1:?TEST.c}
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tools/vm/ktap.sh
. "$here/../../vm/ktap.sh"
n=0 bad=0
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT

# le BYTES VALUE: little endian, on stdout
le() {
	b=$1 v=$(($2))
	while [ "$b" -gt 0 ]; do
		# shellcheck disable=SC2059
		printf "\\$(printf %03o $((v & 255)))"
		v=$((v >> 8)) b=$((b - 1))
	done
}

# put OFFSET BYTES VALUE: into the VMSA
put() { le "$2" "$3" | dd of="$dir/vmsa" bs=1 seek=$(($1)) conv=notrunc status=none; }

# seg OFFSET SELECTOR ATTRIBUTES LIMIT BASE
seg() {
	put "$1" 2 "$2"
	put $(($1 + 2)) 2 "$3"
	put $(($1 + 4)) 4 "$4"
	put $(($1 + 8)) 8 "$5"
}

# The state that the test gives every vCPU: set_constant_state().
MAGIC=0x5eedc0de00000000
dd if=/dev/zero of="$dir/vmsa" bs=4096 count=1 status=none
seg 0x00 0x10 0xc93 0xffffffff 0		# ES
seg 0x10 0x08 0xa9b 0xffffffff 0		# CS
seg 0x20 0x10 0xc93 0xffffffff 0		# SS
seg 0x30 0x10 0xc93 0xffffffff 0		# DS
seg 0x40 0x10 0xc93 0xffffffff 0x7eed00004000	# FS
seg 0x50 0x10 0xc93 0xffffffff 0x7eed00005000	# GS
seg 0x60 0 0 0xfff 0x1000			# GDTR
seg 0x80 0 0 0xfff 0x2000			# IDTR; LDTR at 0x70 is unusable
seg 0x90 0x18 0x8b 0x67 0x3000			# TR
put 0x148 8 0x40260				# CR4: PAE, MCE, OSFXSR, OSXSAVE
put 0x150 8 0x10000				# CR3
put 0x158 8 0x80000031				# CR0: PE, ET, NE, PG
put 0x170 8 2					# RFLAGS
put 0x178 8 0x401000				# RIP
put 0x1d8 8 0x7ff8				# RSP
i=0
for at in 0x1f8 0x318 0x308 0x310 0x330 0x338 0x328 - \
	0x340 0x348 0x350 0x358 0x360 0x368 0x370 0x378; do
	# RAX RBX RCX RDX RSI RDI RBP, R8 to R15
	[ $at = - ] || put $at 8 $((MAGIC + i))
	i=$((i + 1))
done
put 0x3e8 8 1					# XCR0
# What KVM adds: EFER.SVME (beside LME, LMA, NX), DR6 and DR7 at reset, PAT, SNPActive, and
# the initial state of x87 and SSE.
put 0x0d0 8 0x1d00
put 0x160 8 0x400
put 0x168 8 0xffff0ff0
put 0x268 8 0x0007040600070406
put 0x3b0 8 1
put 0x408 4 0x1f80
put 0x410 2 0x37f

sha() { sha384sum "$1" | cut -d' ' -f1; }

# bytes HEX: on stdout
bytes() { perl -e 'print pack "H*", $ARGV[0]' "$1"; }

# The constants of the test: "{ VCPUS, "HEX"" and ""HEX" }" on the next line
known() {
	awk -v want="$1," '$1 == "{" && $2 == want { gsub(/"/, "", $3); s = $3; getline
		gsub(/"/, "", $1); print s $1 }' "$test"
}

echo "KTAP version 1"
contents=$(sha "$dir/vmsa")
digest=$(printf '%096d' 0)
cpu=0
# What follows the two digests: LENGTH, PAGE_TYPE (VMSA), no IMI, permissions of VMPL3 to
# VMPL1, reserved, GPA.
{
	le 2 0x70
	le 1 2
	le 1 0
	le 4 0
	le 8 0xfffffffff000
} > "$dir/rest"
while [ $cpu -lt 64 ]; do
	{ bytes "$digest$contents" && cat "$dir/rest"; } > "$dir/info"
	digest=$(sha "$dir/info")
	cpu=$((cpu + 1))
	case $cpu in
	1 | 2 | 64)
		shown=$dir/shown
		echo "$digest computed, '$(known $cpu)' in $test" > "$shown"
		t "$cpu vCPUs: $digest" [ "$(known $cpu)" = "$digest" ]
		;;
	esac
done
echo "1..$n"
exit $bad
