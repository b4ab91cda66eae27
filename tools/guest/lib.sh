# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# To be sourced, in the machine: an SNP guest of Debian's QEMU, OVMF and kernel, and what
# it said.
dir=/guest
log=/tmp/guest.log
n=0 bad=0 last=
# shellcheck source=tools/vm/ktap.sh
. $dir/ktap.sh

# Debian's, or one that was brought along
qemu="qemu-system-x86_64"

# any_qemu VCPUS FIRMWARE COMMAND-LINE MACHINE ARGUMENT...: MACHINE are more options of
# -machine, each with a comma before it.
any_qemu() {
	vcpus=$1 firmware=$2 append=$3 machine=$4
	shift 4
	# -cpu: what AMD's own scripts give, on processors of every generation.
	"$qemu" -L /usr/share/qemu -enable-kvm -cpu EPYC-v4 -smp "$vcpus" -m 320 \
		-machine "q35,memory-backend=ram0$machine" \
		-object memory-backend-memfd,id=ram0,size=320M,share=true \
		-bios "$dir/$firmware" -kernel $dir/vmlinuz -append "$append" \
		-nodefaults -display none -no-user-config -no-reboot "$@" 2>&1
}

# snp_qemu VCPUS FIRMWARE OBJECT COMMAND-LINE ARGUMENT...: OBJECT are more options of
# sev-snp-guest.
snp_qemu() {
	vcpus=$1 firmware=$2 object=$3 append=$4
	shift 4
	any_qemu "$vcpus" "$firmware" "$append" ,confidential-guest-support=sev0 -object \
		"sev-snp-guest,id=sev0,cbitpos=51,reduced-phys-bits=5,policy=0x30000$object" "$@"
}

# needs_hashes: leaves, if the package of the firmware for them could not be had
needs_hashes() {
	[ -f $dir/OVMF.amdsev.fd ] || {
		echo "1..0 # SKIP no OVMF.amdsev.fd: tools/fetch found no ovmf-amdsev"
		exit 4
	}
}

# predict FIRMWARE VCPUS ARGUMENT...: the digest
predict() {
	firmware=$1 vcpus=$2
	shift 2
	$dir/snp-digest --ovmf "$dir/$firmware" --vcpus "$vcpus" --cpu EPYC "$@"
}

base64_line() { base64 | tr -d '\n'; }

# id_block DIGEST: options of sev-snp-guest that make firmware compare. ABI, table
# "ID_BLOCK": family, image, version 1, SVN, policy. Nobody signed it: the emulated firmware
# does not look.
id_block() {
	printf ',id-block=%s,id-auth=%s' \
		"$(printf '%s%064d%s%s%s' "$1" 0 01000000 00000000 0000030000000000 |
			xxd -r -p | base64_line)" "$(head -c 4096 /dev/zero | base64_line)"
}

# launch VCPUS FIRMWARE OBJECT COMMAND-LINE ARGUMENT...: up to the first instruction. Does
# the guest run?
launch() {
	printf 'info status\nquit\n' | snp_qemu "$@" -serial none -monitor stdio > "$log"
	grep -e 'VM status' -e "$qemu: [^w]" "$log" | sed 's/^/# /' | cut -c1-150
	said 'VM status: running'
}

said() { grep -q -- "$1" "$log"; }

now() { cut -d' ' -f1 /proc/uptime; }

# stage NAME: the time since the one before
stage() {
	at=$(now)
	[ -z "$last" ] || echo "$name $last $at" | awk '{ printf "# %6.1f s  %s\n", $3 - $2, $1 }' |
		tr _ ' '
	last=$at name=$1
}

# happens LINE: for a script to act on what the guest says
happens() { :; }

# Stages of the boot and lines that matter go to stdout, all goes to the log.
listen() {
	stage QEMU_starts
	while IFS= read -r line; do
		line=$(printf '%s' "$line" | tr -d '\r\033')
		echo "$line" >> "$log"
		case $line in
		*snp_launch_finish*) stage OVMF ;;
		*"EFI stub: Loaded initrd"*) stage kernel_unpacks_itself ;;
		*"Linux version"*) stage kernel_boots ;;
		*"guest: up"*) stage what_the_guest_does ;;
		*"guest: end"*) stage shutdown ;;
		# QEMU stops the guest, and waits for somebody to look at it.
		*"KVM: unknown exit"* | *"Kernel panic"*) killall "$qemu" ;;
		esac
		case $line in
		*"Linux version"* | *"Memory Encryption"* | *"SEV: "* | "guest: "* | *"smp: Brought"* | \
		*"$qemu: "[!w]* | *"KVM: "* | *panic* | "ok "* | "not ok "* | "# "[!r]*)
			echo "# $line" | cut -c1-150
			;;
		esac
		happens "$line"
	done
	stage end
}

# The last words of the guest, if something failed; the plan
finish() {
	if [ $bad != 0 ]; then
		echo "# the guest's last words:"
		tail -n 80 "$log" | sed 's/^/# /'
	fi
	echo "1..$n"
	exit $bad
}
