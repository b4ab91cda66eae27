#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# hashes.sh: what a measured direct boot refuses. Kernel, initrd and command line are part
# of the digest, which firmware compares with that of an ID block; and OVMF compares what
# QEMU hands over with what was measured. That it boots if all is right: run.sh -k.
# The functions are called by t().
# shellcheck disable=SC2317
# shellcheck source=tools/guest/lib.sh
. /guest/lib.sh

needs_hashes
firmware=OVMF.amdsev.fd
append="console=ttyS0 panic=-1"
initrd=$dir/initrd
other=/tmp/initrd

# digest COMMAND-LINE INITRD
digest() {
	predict $firmware 1 --kernel $dir/vmlinuz --initrd "$2" --append "$1"
}

# taken COMMAND-LINE INITRD DIGEST
taken() {
	launch 1 $firmware ",kernel-hashes=on$(id_block "$3")" "$1" -initrd "$2"
}

refused() { ! taken "$@" && said 'SNP_LAUNCH_FINISH .*fw_error=11 '; }

# A file that QEMU has mapped, and measured, gets another last byte.
tamper() {
	printf X | dd of="$other" bs=1 seek=$(($(wc -c < "$other") - 1)) conv=notrunc 2> /dev/null
}

# drive [COMMAND]: what QEMU's monitor is told. The guest begins after the command; OVMF
# fetches kernel, initrd and command line one after the other, and stops for good at the
# first that is not what was measured.
drive() {
	until said 'VM status: paused'; do
		echo info status
		sleep 1
	done
	"${1:-true}"
	echo cont
	waits 120 initrd_data
	waits 20 cmdline_data
	echo info status
	echo quit
}

# waits SECONDS TEXT: until it is in the log, and no longer than that
waits() {
	for _ in $(seq "$1"); do
		! said "$2" || break
		sleep 1
	done
}

# boot [COMMAND]: as far as OVMF fetches what QEMU has for it
boot() {
	cp "$initrd" "$other"
	: > "$log"
	drive "$@" | snp_qemu 1 "$firmware" ",kernel-hashes=on" "$append" -initrd "$other" -S \
		-serial none -monitor stdio -trace fw_cfg_select > "$log"
	grep -o "'[a-z]*_data'" "$log" | uniq | sed 's/^/# fetched: /'
	said 'VM status: running' && said initrd_data
}

echo "KTAP version 1"
cp $initrd $other
good=$(digest "$append" $initrd)
t "the predicted digest" taken "$append" $initrd "$good"
t "another command line: BAD_MEASUREMENT" refused "$append quiet" $initrd "$good"
t "its own digest is predicted, too" taken "$append quiet" $initrd \
	"$(digest "$append quiet" $initrd)"
tamper
t "another initrd: BAD_MEASUREMENT" refused "$append" $other "$good"
t "its own digest is predicted, too" taken "$append" $other "$(digest "$append" $other)"

firmware=OVMF.fd
taken "$append" $initrd "$good"
t "an OVMF without a place for hashes: QEMU says so" said 'SEV: .*hashes table'

firmware=OVMF.amdsev.fd
t "OVMF fetches the initrd that was measured" boot
t "... and goes on" said cmdline_data
t "OVMF fetches an initrd that changed after it was measured" boot tamper
t "... and does not go on" sh -c "! grep -q cmdline_data $log"
finish
